//! The one line of time of a run: everybody in the process reads the same monotonic clock, so the age of a packet is
//! a difference, not an estimate.

use std::time::Instant;

/// Counts nanoseconds from an origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
    origin_ns: u64,
}

impl Clock {
    /// A clock that shows `origin_ns` at the origin.
    pub(crate) fn new(origin: Instant, origin_ns: u64) -> Self {
        Self { origin, origin_ns }
    }

    /// The machine's monotonic clock, where it can be read: other processes can then tell the age of a packet, too.
    pub(crate) fn of_machine() -> Self {
        Self::new(Instant::now(), crate::process::monotonic_ns())
    }

    /// What it shows at a time; the origin for what was before it.
    pub(crate) fn nanos(self, at: Instant) -> u64 {
        let since = u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX);
        self.origin_ns.saturating_add(since)
    }
}
