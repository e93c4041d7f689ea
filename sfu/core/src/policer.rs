//! A bound on the media one participant sends: what comes above it is not read.
//!
//! Owned by the worker, one for each transport. Knows sizes and times, not what is in a datagram. A publisher that
//! reads its reports takes the missing packets for loss and slows down; one that does not is cut off here, before
//! its packets cost a decryption and a copy to everybody.

use std::time::{Duration, Instant};

/// How far a publisher may run ahead of its rate: a key frame of every layer at once is no flood.
const BURST: Duration = Duration::from_secs(1);

/// A bucket that leaks at an agreed rate, kept as the time it runs empty (the virtual scheduling algorithm of ITU-T
/// I.371).
#[derive(Debug)]
pub(crate) struct Policer {
    max_bps: u64,
    empty_at: Option<Instant>,
}

impl Policer {
    /// Admits so many bits per second; 0 admits everything.
    pub(crate) const fn new(max_bps: u64) -> Self {
        Self { max_bps, empty_at: None }
    }

    /// Whether a datagram of so many bytes may pass now. One that may not costs nothing.
    pub(crate) fn admits(&mut self, len: usize, now: Instant) -> bool {
        let bits = u64::try_from(len).unwrap_or(u64::MAX).saturating_mul(8);
        let Some(nanos) = bits.saturating_mul(1_000_000_000).checked_div(self.max_bps) else { return true };
        let empty_at = self.empty_at.map_or(now, |at| at.max(now)) + Duration::from_nanos(nanos);
        let fits = empty_at.saturating_duration_since(now) <= BURST;
        if fits {
            self.empty_at = Some(empty_at);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::cast_precision_loss, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_steady_publisher_below_the_rate_is_never_cut() {
        let start = Instant::now();
        let mut policer = Policer::new(1_000_000);
        // 1250 bytes every 10 ms are 1 Mbit/s.
        assert!((0..10_000).all(|i| policer.admits(1250, start + Duration::from_millis(10) * i)));
    }

    #[test]
    fn a_burst_passes_and_a_flood_does_not() {
        let start = Instant::now();
        let mut policer = Policer::new(1_000_000);
        let admitted = (0..1000).filter(|_| policer.admits(1250, start)).count();
        assert_eq!(admitted, 100, "a second's worth");
        assert!(!policer.admits(1250, start + Duration::from_millis(9)));
        assert!(policer.admits(1250, start + Duration::from_millis(10)), "what leaked out has room again");
    }

    #[test]
    fn no_bound_admits_everything() {
        let mut policer = Policer::new(0);
        assert!((0..1000).all(|_| policer.admits(usize::MAX, Instant::now())));
    }

    proptest! {
        /// Over any stretch of time no more passes than the rate and one burst.
        #[test]
        fn never_more_than_the_rate_and_a_burst(
            max_bps in 10_000_u64..100_000_000,
            sends in prop::collection::vec((1_usize..1500, 0_u64..50_000), 1..500),
        ) {
            let start = Instant::now();
            let (mut policer, mut now, mut bits) = (Policer::new(max_bps), start, 0_f64);
            for (len, wait_us) in sends {
                now += Duration::from_micros(wait_us);
                if policer.admits(len, now) {
                    bits += len as f64 * 8.0;
                }
                let elapsed = (now - start + BURST).as_secs_f64();
                // Rounded down to whole nanoseconds, packet by packet.
                prop_assert!(bits <= max_bps as f64 * elapsed * 1.001 + 1.0);
            }
        }
    }
}
