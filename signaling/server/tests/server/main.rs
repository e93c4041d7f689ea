//! The server as its clients meet it: a real media node, real sockets on loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot unwrap has failed")]

mod accounts;
mod acts;
mod api;
mod audit;
mod beside;
mod calls;
mod consent;
mod control;
#[allow(unreachable_pub, reason = "it is the store's")]
#[path = "../../../store/tests/databases/mod.rs"]
mod databases;
mod export;
mod fixture;
mod gate;
mod history;
mod hostile;
mod insight;
mod media_door;
mod oidc;
mod operations;
mod provider;
mod ranks;
mod recordings;
mod restart;
mod twirp;
mod webhooks;
