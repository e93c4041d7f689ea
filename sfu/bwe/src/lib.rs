//! How fast one receiver can be sent to, and when each packet leaves.
//!
//! [`CongestionController`] is Google congestion control on transport-wide feedback
//! (draft-ietf-rmcat-gcc-02, draft-holmer-rmcat-transport-wide-cc-extensions-01) with the changes a forwarder
//! needs; [`Pacer`] spreads what is sent over time. One of each stands on every transport to a subscriber, owned
//! by its egress.
//!
//! **What is special here.** A forwarder does not choose how much it sends: the publishers' layers come in steps,
//! and between two steps the transport is application limited. So the estimate
//! - is not pulled down to the rate sent, unless the link shows that it cannot carry even that;
//! - does not take the wait of a key frame's packets for each other for congestion, and so can heed a queue early;
//! - does not drift up: it rises by what was delivered, or by a probe that was;
//! - looks for room with probes of padding, only as far as the allocator could use it
//!   ([`CongestionController::set_desired`]), and less often while they find none.
//!
//! Nothing here knows what a packet contains, reads a clock or sends anything: time comes in as [`Instant`], on one
//! clock that never steps back.
//!
//! [`Instant`]: std::time::Instant

mod aimd;
mod application_limit;
mod clock;
mod controller;
mod fallback;
mod history;
mod inter_arrival;
mod loss;
mod own_queue;
mod pacer;
mod probe;
mod queue;
mod throughput;
mod trendline;

pub use controller::{Config, CongestionController, Estimate, MAX_RESULTS, PacketResult, SentKind, Source};
pub use pacer::{Class, Pacer, PacerConfig, Padding};
pub use probe::{ClusterId, Probe};
pub use trendline::Usage;
