//! One outgoing stream fed by changing sources.
//!
//! The stream's SSRC belongs to the receiver's media section, not to the track: when the section is given
//! another track, or the track another layer, sequence numbers and timestamps go on without a step back, and
//! packets left out on purpose leave no hole.

use crate::renumber::Renumber;

/// Where an incoming packet goes in the outgoing stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewritten {
    /// Extended sequence number; its low 16 bits go on the wire.
    pub sequence: u64,
    /// RTP timestamp.
    pub timestamp: u32,
}

/// Late packets a place is kept for: more than a second of the fastest video.
const WINDOW: usize = 1024;

/// Maps source sequence numbers and timestamps to those of one outgoing stream.
#[derive(Debug, Clone, Default)]
pub struct StreamRewriter {
    sequences: Renumber<WINDOW>,
    timestamp_offset: u32,
    last: Option<Rewritten>,
}

impl StreamRewriter {
    /// Reads something of every part that [`Self::forward`] needs.
    #[must_use]
    pub fn touch(&self, sequence: u64) -> impl Copy + use<> {
        (self.sequences.touch(sequence), self.last)
    }

    /// The next packet begins another source. `elapsed_ticks` is how much media time passed since the last
    /// packet sent, in the clock of the codec; at least one tick is added, so that two frames never share a
    /// timestamp.
    pub fn switch(&mut self, sequence: u64, timestamp: u32, elapsed_ticks: u32) {
        // Starts at 1: the first sequence number must leave the SRTP roll-over counter at 0 (RFC 3711
        // section 3.3.1), and extended arithmetic needs room below.
        self.sequences.switch(sequence, 1);
        let next = self
            .last
            .map_or(timestamp, |last| last.timestamp.wrapping_add(elapsed_ticks.clamp(1, i32::MAX.unsigned_abs())));
        self.timestamp_offset = next.wrapping_sub(timestamp);
    }

    /// The place of a packet that is forwarded. `None` when it is older than the source's first packet (it
    /// belongs in front of the switch and would collide with what was sent there), was sent or left out
    /// before, is too old to be told apart, or when no source was begun.
    pub fn forward(&mut self, sequence: u64, timestamp: u32) -> Option<Rewritten> {
        let number = self.sequences.forward(sequence).filter(|number| !number.is_repeated)?;
        let out = Rewritten { sequence: number.value, timestamp: timestamp.wrapping_add(self.timestamp_offset) };
        if self.last.is_none_or(|last| out.sequence > last.sequence) {
            self.last = Some(out);
        }
        Some(out)
    }

    /// A packet of the source is left out on purpose: the ones behind it close up.
    pub fn drop(&mut self, sequence: u64) {
        self.sequences.drop(sequence);
    }

    /// The newest packet sent.
    #[must_use]
    pub fn last(&self) -> Option<Rewritten> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_switch_goes_on_where_the_last_source_stood() {
        let mut stream = StreamRewriter::default();
        stream.switch(70_000, 1_000, 0);
        assert_eq!(stream.forward(70_000, 1_000), Some(Rewritten { sequence: 1, timestamp: 1_000 }));
        assert_eq!(stream.forward(70_002, 4_000), Some(Rewritten { sequence: 3, timestamp: 4_000 }));
        // Late, but of this source: its place is still free.
        assert_eq!(stream.forward(70_001, 1_000).unwrap().sequence, 2);
        stream.switch(12, u32::MAX, 3_000);
        assert_eq!(stream.forward(12, u32::MAX), Some(Rewritten { sequence: 4, timestamp: 7_000 }));
        assert_eq!(stream.forward(11, 5), None, "in front of the switch");
    }

    #[test]
    fn what_is_left_out_leaves_no_hole_and_nothing_goes_out_twice() {
        let mut stream = StreamRewriter::default();
        stream.switch(10, 0, 0);
        assert_eq!(stream.forward(10, 0).unwrap().sequence, 1);
        stream.drop(11);
        assert_eq!(stream.forward(12, 3_000).unwrap(), Rewritten { sequence: 2, timestamp: 3_000 });
        assert_eq!(stream.forward(12, 3_000), None);
        assert_eq!(stream.forward(11, 0), None);
    }

    #[test]
    fn nothing_goes_out_before_a_source_is_begun() {
        assert_eq!(StreamRewriter::default().forward(1, 1), None);
    }

    proptest! {
        /// Whatever sources follow each other in whatever order: no number is given to two packets, time
        /// never steps back between sources, and the numbers leave no hole but those of the source.
        #[test]
        fn no_number_twice(sources in prop::collection::vec(
            (0u64..1 << 40, any::<u32>(), any::<u32>(), prop::collection::vec(0u64..40, 1..20)), 1..10)
        ) {
            let mut stream = StreamRewriter::default();
            let mut seen = std::collections::HashSet::new();
            for (first, timestamp, elapsed, packets) in sources {
                let before = stream.last();
                stream.switch(first, timestamp, elapsed);
                let mut sent = std::collections::HashSet::new();
                for ahead in packets {
                    if !sent.insert(ahead) { continue }
                    let out = stream.forward(first + ahead, timestamp).unwrap();
                    prop_assert!(seen.insert(out.sequence));
                    if let Some(before) = before {
                        prop_assert!(out.sequence > before.sequence);
                        prop_assert!(out.timestamp.wrapping_sub(before.timestamp).cast_signed() > 0);
                    }
                }
            }
        }
    }
}
