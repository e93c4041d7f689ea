//! Recordings by the real server: of guests, whose pictures and sound are real. What it wrote is judged by ffmpeg.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs, reason = "tests")]
#![cfg(unix)]

mod calls;
mod disks;
mod killed;
mod many;
mod outputs;
#[path = "../serving/mod.rs"]
mod serving;
