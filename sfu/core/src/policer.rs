//! A bound on what one participant sends: what comes above it is not read, or not passed on.
//!
//! Owned by the worker, one for the media of each transport and one for each track of sound, which is never paused and
//! waits for nobody. Knows sizes and times, not what is in a packet. Only what was authenticated is counted: forgeries
//! under somebody's address do not use up what that one may send. A publisher that reads its reports takes the missing
//! packets for loss and slows down.

use std::time::{Duration, Instant};

/// How far a publisher may run ahead of its rate: a key frame of every layer at once is no flood.
const BURST: Duration = Duration::from_secs(1);
/// Three copies (RED) of the best that Opus has, 510 kbit/s, with headers.
const MAX_SOUND_BPS: u64 = 2_000_000;
/// What the smallest packet of sound counts as, in bytes: one in 2.5 ms, the most that Opus knows, stay within the rate.
const MIN_SOUND_LEN: usize = 600;

/// A bucket that leaks at an agreed rate, kept as the time it runs empty (the virtual scheduling algorithm of ITU-T
/// I.371).
#[derive(Debug)]
pub(crate) struct Policer {
    max_bps: u64,
    min_len: usize,
    empty_at: Option<Instant>,
}

impl Policer {
    /// Admits so many bits per second; 0 admits everything.
    pub(crate) const fn new(max_bps: u64) -> Self {
        Self { max_bps, min_len: 0, empty_at: None }
    }

    /// For a track of sound.
    pub(crate) const fn of_sound() -> Self {
        Self { max_bps: MAX_SOUND_BPS, min_len: MIN_SOUND_LEN, empty_at: None }
    }

    /// Whether anything more may come now.
    pub(crate) fn has_room(&self, now: Instant) -> bool {
        self.empty_at.is_none_or(|at| at.saturating_duration_since(now) <= BURST)
    }

    /// A packet of so many bytes came.
    pub(crate) fn spend(&mut self, len: usize, now: Instant) {
        let bits = u64::try_from(len.max(self.min_len)).unwrap_or(u64::MAX).saturating_mul(8);
        if let Some(nanos) = bits.saturating_mul(1_000_000_000).checked_div(self.max_bps) {
            let nanos = Duration::from_nanos(nanos).min(BURST);
            self.empty_at = Some(self.empty_at.map_or(now, |at| at.max(now)) + nanos);
        }
    }

    /// A packet of so many bytes wants to pass: whether it may. One that may not costs nothing.
    pub(crate) fn admits(&mut self, len: usize, now: Instant) -> bool {
        let has_room = self.has_room(now);
        if has_room {
            self.spend(len, now);
        }
        has_room
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
        assert_eq!(admitted, 101, "a second's worth, and the one that ends it");
        assert!(!policer.admits(1250, start + Duration::from_millis(9)));
        assert!(policer.admits(1250, start + Duration::from_millis(10)), "what leaked out has room again");
    }

    #[test]
    fn the_shortest_frames_of_opus_are_no_flood_and_many_tiny_packets_are() {
        let start = Instant::now();
        let mut policer = Policer::of_sound();
        assert!((0..4000).all(|i| policer.admits(500, start + Duration::from_micros(2500) * i)));
        let mut policer = Policer::of_sound();
        let admitted = (0..10_000)
            .filter(|i| policer.admits(20, start + Duration::from_micros(100) * *i))
            .count();
        assert!(admitted < 900, "{admitted} in a second");
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
                // The last one may go beyond.
                prop_assert!(bits <= max_bps as f64 * elapsed * 1.001 + 12_000.0);
            }
        }
    }
}
