//! The server as its clients meet it: a real media node, real sockets on loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot unwrap has failed")]

mod accounts;
mod api;
mod audit;
mod calls;
mod control;
mod fixture;
mod gate;
mod hostile;
mod insight;
mod media_door;
mod oidc;
mod operations;
mod provider;
mod twirp;
mod webhooks;
