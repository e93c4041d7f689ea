//! The one line of time of a run: everybody in the process reads the same monotonic clock, so the age of a packet is
//! a difference, not an estimate.

use std::time::Instant;

/// Counts from the beginning of the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin }
    }

    /// Nanoseconds since the origin; 0 for what was before it.
    pub(crate) fn nanos(self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }
}
