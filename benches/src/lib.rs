//! What an operation of the media plane costs, in nanoseconds of processor time, in bytes and in instructions, next to a
//! committed baseline. Tests only.
//!
//! The README says what is compared with what. `cargo xtask bench` runs the three binaries: `figures` for time, `memory`
//! for bytes, `instructions` for what callgrind counts. Time in the rooms is virtual and the network is a list; what is
//! measured is the thread's own processor time, so that a busy machine disturbs little, and instructions, which it does
//! not disturb at all. Nothing fails for being slow unless it is asked to (`--diff`): people judge.
#![allow(clippy::unwrap_used, reason = "tests only: a broken expectation is a failed run")]

pub mod engine;
pub mod instructions;
pub mod measure;
pub mod media;
pub mod network;
pub mod peer;
pub mod pieces;
pub mod recording;
pub mod report;
pub mod room;
pub mod rooms;
pub mod send_side;
