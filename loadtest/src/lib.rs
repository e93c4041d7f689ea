//! A load tester for servers that speak the LiveKit protocol: synthetic participants with real ICE, DTLS and SRTP, in
//! named scenarios, and a report of what came of what they sent.
//!
//! It knows a server from outside only. A [`plan::Plan`] says who joins which room when and publishes what;
//! [`scenario`] makes plans. The `conductor` carries one out: signaling (`attendance`, `signal`, which speaks `livekit` or
//! `janus`) runs on one asynchronous thread and holds no packet; media (`media_thread`) on a few threads that never await, each with many
//! `participant`s: machines without sockets that take messages, datagrams and time. Every packet of media carries a
//! `stamp` with the time it was sent; a subscriber's `reception` reads it, and the [`report`] is made of that. [`control`]
//! is apart: clients without media, and how long the server takes to answer them.

mod api;
mod attendance;
pub mod capacity;
pub mod cli;
mod clip;
mod clock;
mod conductor;
pub mod control;
mod error;
pub mod guests;
mod histogram;
mod janus;
mod livekit;
mod media_thread;
mod number;
mod participant;
mod peer;
pub mod plan;
mod process;
mod progress;
mod publication;
mod reception;
mod recordings;
pub mod report;
pub mod scenario;
mod server;
mod signal;
pub mod slo;
mod source;
mod stamp;
mod tally;
mod tls;
mod uptake;
mod vp8;
mod window;

pub use conductor::Setup;
pub use error::LoadError;
pub use progress::Progress;
pub use publication::Content;
pub use server::Server;
pub use signal::SignalVersion;

/// Runs a plan against a server and says what came of it.
///
/// # Errors
/// [`LoadError`] when nobody gets in, or the machine refuses what the load needs. A server that serves badly is no
/// error: the report says so.
pub fn run(plan: &plan::Plan, setup: &Setup, progress: &mut Progress) -> Result<report::Report, LoadError> {
    let observed = conductor::conduct(plan, setup, progress)?;
    let report = report::build(plan, &observed);
    if report.participants.connected == 0 {
        let reason = report.failures.keys().next().cloned().unwrap_or_else(|| "no media connected".to_owned());
        return Err(LoadError::NobodyJoined(reason, setup.server.url("")));
    }
    Ok(report)
}
