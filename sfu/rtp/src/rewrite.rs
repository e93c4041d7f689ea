//! One outgoing stream fed by changing sources.
//!
//! The stream's SSRC belongs to the receiver's media section, not to the track: when the section is given
//! another track, or the track another layer, sequence numbers and timestamps go on without a step back.

/// Where an incoming packet goes in the outgoing stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewritten {
    /// Extended sequence number; its low 16 bits go on the wire.
    pub sequence: u64,
    /// RTP timestamp.
    pub timestamp: u32,
}

/// Maps source sequence numbers and timestamps to those of one outgoing stream.
#[derive(Debug, Clone, Default)]
pub struct StreamRewriter {
    source: Option<Source>,
    last: Option<Rewritten>,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    first_sequence: u64,
    sequence_offset: i64,
    timestamp_offset: u32,
}

impl StreamRewriter {
    /// The next packet begins another source. `elapsed_ticks` is how much media time passed since the last
    /// packet sent, in the clock of the codec; at least one tick is added, so that two frames never share a
    /// timestamp.
    pub fn switch(&mut self, sequence: u64, timestamp: u32, elapsed_ticks: u32) {
        // Starts at 1: the first sequence number must leave the SRTP roll-over counter at 0 (RFC 3711
        // section 3.3.1), and extended arithmetic needs room below.
        let next = self.last.map_or(Rewritten { sequence: 1, timestamp }, |last| Rewritten {
            sequence: last.sequence + 1,
            timestamp: last.timestamp.wrapping_add(elapsed_ticks.clamp(1, i32::MAX.unsigned_abs())),
        });
        self.source = Some(Source {
            first_sequence: sequence,
            sequence_offset: next.sequence.wrapping_sub(sequence).cast_signed(),
            timestamp_offset: next.timestamp.wrapping_sub(timestamp),
        });
    }

    /// The packet's place, or `None` when it is older than the source's first packet (it belongs in front of
    /// the switch and would collide with what was sent there) or when no source was begun.
    pub fn rewrite(&mut self, sequence: u64, timestamp: u32) -> Option<Rewritten> {
        let source = self.source?;
        if sequence < source.first_sequence {
            return None;
        }
        let out = Rewritten {
            sequence: sequence.wrapping_add_signed(source.sequence_offset),
            timestamp: timestamp.wrapping_add(source.timestamp_offset),
        };
        if self.last.is_none_or(|last| out.sequence > last.sequence) {
            self.last = Some(out);
        }
        Some(out)
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
        assert_eq!(stream.rewrite(70_000, 1_000), Some(Rewritten { sequence: 1, timestamp: 1_000 }));
        assert_eq!(stream.rewrite(70_002, 4_000), Some(Rewritten { sequence: 3, timestamp: 4_000 }));
        // Late, but of this source: its place is still free.
        assert_eq!(stream.rewrite(70_001, 1_000).unwrap().sequence, 2);
        stream.switch(12, u32::MAX, 3_000);
        assert_eq!(stream.rewrite(12, u32::MAX), Some(Rewritten { sequence: 4, timestamp: 7_000 }));
        assert_eq!(stream.rewrite(11, 5), None, "in front of the switch");
    }

    #[test]
    fn nothing_goes_out_before_a_source_is_begun() {
        assert_eq!(StreamRewriter::default().rewrite(1, 1), None);
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
                    let out = stream.rewrite(first + ahead, timestamp).unwrap();
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
