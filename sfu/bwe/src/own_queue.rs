//! The queue that what is sent would make of itself on a link just as fast as the estimate.
//!
//! Owned by the controller. A key frame leaves faster than the link carries it, and waits there: that is no evidence
//! against the estimate, and a delay is held against it only as far as this does not explain it.

use crate::clock::{MILLISECOND, Micros, bits, micros_of, seconds};

/// No more is explained: who sends more than the estimate for long does build a queue.
const MAX_WAIT: Micros = 100 * MILLISECOND;

/// A link as fast as the estimate, with nobody else on it.
#[derive(Debug, Default)]
pub(crate) struct OwnQueue {
    waiting_bits: f64,
    at: Micros,
}

impl OwnQueue {
    /// Takes a packet, in the order they were sent, and says how long the one before it kept it waiting.
    pub(crate) fn add(&mut self, sent: Micros, bytes: u16, target_bps: f64) -> Micros {
        let elapsed = seconds((sent - self.at).max(0));
        self.at = self.at.max(sent);
        self.waiting_bits = (self.waiting_bits - elapsed * target_bps).max(0.0);
        let wait = self.waiting_bits / target_bps;
        self.waiting_bits = (self.waiting_bits + bits(u64::from(bytes))).min(target_bps * seconds(MAX_WAIT));
        micros_of(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND;

    #[test]
    fn a_burst_waits_for_itself_and_not_for_ever() {
        let mut queue = OwnQueue::default();
        // 1000 bytes take 8 ms at 1 Mbit/s.
        let waits: Vec<Micros> = (0..20).map(|_| queue.add(SECOND, 1000, 1e6)).collect();
        assert_eq!(waits[..4], [0, 8_000, 16_000, 24_000]);
        assert_eq!(waits[19], MAX_WAIT);
        assert_eq!(queue.add(SECOND + 50_000, 1000, 1e6), 50_000, "it drains");
        assert_eq!(queue.add(2 * SECOND, 1000, 1e6), 0);
    }

    #[test]
    fn what_is_sent_at_the_estimate_does_not_wait() {
        let mut queue = OwnQueue::default();
        assert!((0..1000).all(|n| queue.add(n * 8_001, 1000, 1e6) == 0));
    }
}
