//! Packets become files that ffmpeg decodes without a word: real encoders' frames, laid into packets, late, lost,
//! doubled and over the end of every number.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod b_frames;
mod clip;
mod killed;
mod long;
mod network;
mod packets;
mod participant;
mod player;
mod recovery;
mod times;
mod track;
