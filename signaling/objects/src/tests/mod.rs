//! Against a bucket in this process that checks signatures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod bucket;
mod network;
mod outbox;
mod shelf;
