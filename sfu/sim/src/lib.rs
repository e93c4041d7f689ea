//! Scripted rooms in virtual time: the media worker between real `str0m` clients on a seeded network. Tests only.
//!
//! [`Simulation`] owns the workers (one, unless a test wants more), the clients and the ways between them, plays the room's part (who is told
//! what, who takes what) and moves time from event to event. The stories are in `tests/`.
//!
//! Every client checks what it gets ([`Client::audit`]): no sequence number twice and no hole the network did
//! not make; time advances with every frame; a picture is entered at a key frame and nowhere else; VP8's picture
//! ids go on over layers and tracks; each byte is what was published; a sink never hears another track than its own.
//!
//! One seed is one run: the same events at the same times with the same packets. What the engine draws from the
//! system (keys, signatures, hash maps, the clock behind SCTP's first timer) is kept out of it: see
//! [`Conditions::loss`] and the two comments on order in `simulation.rs`.
//!
//! The scoreboard is `SCOREBOARD.md`, written by `cargo xtask sim` from [`scenarios`]. Seed 1 is one draw: a change of
//! policy is judged by several seeds. `tests/scoreboard.rs` plays the quick scenarios that hold all their targets in
//! every test run, and fails when one no longer does; `cargo xtask sim --strict` does so for all.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests only: a broken expectation is a failed test"
)]

mod client;
mod decoder;
mod delivery;
mod dependency;
mod descriptor;
mod estimate;
mod film;
pub mod generated;
mod media;
mod network;
mod peer;
mod red;
mod scenario;
pub mod scenarios;
pub mod scoreboard;
mod seeded;
mod simulation;
mod sink;
mod source;
mod stage;
mod tapped;
mod targets;
mod wire;
mod workers;

pub use client::Client;
pub use film::{Film, Shot};
pub use media::{Media, Stamp, Structure, tag};
pub use network::{Burst, Conditions, Rival};
pub use scenario::{Act, Scenario, Target};
pub use simulation::Simulation;
pub use sink::{Freeze, Sink};
pub use source::{Load, Publication};
pub use stage::{Outcome, play, play_on};
pub use tapped::Tapped;
pub use wire::Wiretap;
