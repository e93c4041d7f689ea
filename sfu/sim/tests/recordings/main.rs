//! Recordings of calls: real encoders' frames through the worker, over any network, into files, and out of them again by
//! a decoder that is not ours. What it shows is held against what was sent: each frame is one of those, bit by bit, in
//! their order, at its time; what is missing is marked.
//!
//! ffmpeg makes the films, and decodes the files.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../../../recorder/tests/files/clip.rs"]
mod clip;
mod codecs;
mod encodings;
mod films;
mod networks;
#[path = "../../../recorder/tests/files/packets.rs"]
#[allow(dead_code, reason = "the recorder's own tests need more of it")]
mod packets;
mod people;
#[path = "../../../recorder/tests/files/player.rs"]
#[allow(dead_code, reason = "the recorder's own tests need more of it")]
mod player;
mod shown;
mod studio;
