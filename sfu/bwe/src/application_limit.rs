//! Is less being sent than could be? A leaky bucket that fills while the target is not used.
//!
//! Owned by the controller. Probes do not count as use.

use crate::clock::{Micros, bits, seconds};

/// Sending less than this share of the target is sending less than could be.
const USED: f64 = 0.65;
/// The bucket holds so many seconds of that rate: a pause between two pictures does not fill it.
const BUCKET_SECONDS: f64 = 0.5;
/// Fuller than this begins the limited state, emptier than that ends it.
const BEGIN: f64 = 0.8;
const END: f64 = 0.5;

/// The detector.
#[derive(Debug)]
pub(crate) struct ApplicationLimit {
    level_bits: f64,
    updated_at: Micros,
    is_limited: bool,
}

impl ApplicationLimit {
    pub(crate) fn new() -> Self {
        Self { level_bits: 0.0, updated_at: 0, is_limited: false }
    }

    /// Media of so many bytes left.
    pub(crate) fn on_sent(&mut self, bytes: u16, now: Micros, target_bps: f64) {
        self.level_bits -= bits(u64::from(bytes));
        self.update(now, target_bps);
    }

    /// Time passed.
    pub(crate) fn update(&mut self, now: Micros, target_bps: f64) {
        let rate = target_bps * USED;
        let capacity = rate * BUCKET_SECONDS;
        let refill = rate * seconds((now - self.updated_at).max(0));
        self.updated_at = now;
        self.level_bits = (self.level_bits + refill).clamp(-capacity, capacity);
        if self.level_bits > capacity * BEGIN {
            self.is_limited = true;
        } else if self.level_bits < capacity * END {
            self.is_limited = false;
        }
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.is_limited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends packets of 1000 bytes at a share of 1 Mbit/s for `seconds`.
    fn send(limit: &mut ApplicationLimit, now: &mut Micros, share: f64, seconds: i64) {
        let end = *now + seconds * 1_000_000;
        while *now < end {
            *now += crate::clock::micros_of(0.008 / share);
            limit.on_sent(1000, *now, 1e6);
        }
    }

    #[test]
    fn half_the_target_is_limited_and_most_of_it_is_not() {
        let (mut limit, mut now) = (ApplicationLimit::new(), 0);
        send(&mut limit, &mut now, 0.5, 4);
        assert!(limit.is_limited());
        send(&mut limit, &mut now, 0.9, 2);
        assert!(!limit.is_limited());
        limit.update(now + 1_000_000, 1e6);
        assert!(limit.is_limited(), "silence is a limit too");
    }
}
