//! The node from outside: worker threads, real sockets, real clients.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod recording;
mod spanning;
mod stage;
