//! From the packets of a tap to files that play.
//!
//! A [`TrackRecorder`] takes what a tap gives of one track (format, packets, sender reports, mutes) and gives the
//! bytes of a file; a [`FileRecorder`] does so for several tracks of one participant in one file. On the way:
//! `reorder` waits for repairs, `depacketize` and `assembler` make frames, `clock` puts them on the recording's one
//! line of time, `intake` begins with a key frame and marks gaps, `container` writes Matroska or fragmented MP4.
//! [`recover`] finishes a file that was cut off; [`manifest`] says what a recording consists of.
//!
//! No I/O, no clock, no thread: bytes come out as [`Chunk`]s and somebody else writes them. Knows neither str0m nor a
//! room. Packets are a stranger's: nothing panics, and every queue has a bound that stands beside it.

mod assembler;
mod clock;
mod codec;
pub mod container;
mod depacketize;
mod file;
mod intake;
pub mod manifest;
mod picture;
mod reorder;

pub use clock::SenderReport;
pub use codec::{Codec, Format, UnsupportedFormat};
pub use container::recover::{NotRecoverable, Repair, recover};
pub use container::{Chunk, Extension, Kind, Patch, Place};
pub use file::{EndReason, FileRecorder, Input, PartSummary, Request, TrackRecorder, TrackSummary};
pub use intake::{Gap, GapReason, Resolution};
pub use reorder::PacketHead;
