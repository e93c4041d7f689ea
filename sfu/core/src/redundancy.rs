//! What RED (RFC 2198) brings to a forwarder: the newest block, for those who take no more, and pieces of sound that
//! were lost on the way here, for everybody.
//!
//! Belongs to a track, whose packets it sees before they are read. Never asked about a track that may be encrypted:
//! there a payload says nothing.

use sluice_rtp::red;

/// Packets back that a block may repeat.
const WINDOW: u64 = 64;
/// Pieces taken from one packet. Browsers repeat one or two; each piece becomes a packet for everybody who listens, so
/// one datagram of a stranger must not become many.
const MAX_RECOVERED: usize = 4;
/// Ticks of the shortest packet there is, 2.5 ms of Opus (RFC 6716 section 2.1.4) at the 48 kHz of its RED.
const MIN_LENGTH: u16 = 120;

/// Which packets of a track came.
#[derive(Debug, Default)]
pub(crate) struct Redundancy {
    newest: Option<u64>,
    /// The bit `n` is of the packet `n` before the newest.
    came: u64,
    /// Sequence number and timestamp of the packet before the hole that the newest one ended, if it did.
    before_hole: Option<(u64, u32)>,
    newest_timestamp: u32,
}

/// A piece of sound that was lost and is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recovered<'a> {
    /// Extended.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) data: &'a [u8],
}

/// A RED packet taken apart.
#[derive(Debug)]
pub(crate) struct Unfolded<'a> {
    /// Where in the payload the newest block begins; it reaches to the end.
    pub(crate) primary_at: usize,
    /// What is repeated of what never came, oldest first.
    pub(crate) recovered: Vec<Recovered<'a>>,
}

impl Redundancy {
    /// A packet came; `sequence` is extended.
    pub(crate) fn handle(&mut self, sequence: u64, timestamp: u32) {
        let Some(newest) = self.newest else {
            // Nothing before the first is missing.
            (self.newest, self.newest_timestamp, self.came) = (Some(sequence), timestamp, u64::MAX);
            return;
        };
        if sequence <= newest {
            self.fill(sequence);
            return;
        }
        let step = sequence - newest;
        self.before_hole = (step > 1).then_some((newest, self.newest_timestamp));
        self.came = if step < WINDOW { self.came << step | 1 } else { 1 };
        (self.newest, self.newest_timestamp) = (Some(sequence), timestamp);
    }

    /// A RED packet came whose blocks are of the payload type `of`. `None` when it is none.
    ///
    /// A block says how much older it is, not which packet it repeats. The youngest one repeats the packet before, at
    /// a distance that is the length of a packet; the others must lie on multiples of it. Where lengths differ a block
    /// is not used, and none is where packets would be shorter than there are.
    pub(crate) fn unfold<'a>(
        &mut self,
        sequence: u64,
        timestamp: u32,
        payload: &'a [u8],
        of: u8,
    ) -> Option<Unfolded<'a>> {
        let (primary_type, primary) = red::primary(payload)?;
        if primary_type != of {
            return None;
        }
        self.handle(sequence, timestamp);
        let mut unfolded = Unfolded { primary_at: payload.len() - primary.len(), recovered: Vec::new() };
        let Some((last, last_timestamp)) = self.before_hole.filter(|_| self.newest == Some(sequence)) else {
            return Some(unfolded);
        };
        let repeated = || {
            let blocks = red::blocks(payload).into_iter().flatten();
            blocks.filter(move |block| block.payload_type == of && block.timestamp_offset > 0 && !block.data.is_empty())
        };
        let length = repeated().map(|block| block.timestamp_offset).min();
        let Some(length) = length.filter(|length| *length >= MIN_LENGTH) else { return Some(unfolded) };
        let hole = timestamp.wrapping_sub(last_timestamp);
        for block in repeated() {
            if unfolded.recovered.len() == MAX_RECOVERED {
                break;
            }
            let is_within = u32::from(block.timestamp_offset) < hole && block.timestamp_offset % length == 0;
            let Some(lost) = sequence.checked_sub(u64::from(block.timestamp_offset / length)) else { continue };
            if is_within && lost > last && self.fill(lost) {
                let timestamp = timestamp.wrapping_sub(block.timestamp_offset.into());
                unfolded.recovered.push(Recovered { sequence: lost, timestamp, data: block.data });
            }
        }
        unfolded.recovered.sort_unstable_by_key(|recovered| recovered.sequence);
        Some(unfolded)
    }

    /// True when the packet had not come.
    fn fill(&mut self, sequence: u64) -> bool {
        let back = self.newest.and_then(|newest| newest.checked_sub(sequence)).filter(|back| *back < WINDOW);
        let Some(back) = back else { return false };
        let is_new = self.came & 1 << back == 0;
        self.came |= 1 << back;
        is_new
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const OPUS: u8 = 111;
    const LENGTH: u16 = 960;

    /// A packet of blocks of one byte, so many lengths old, and its own.
    fn red(length: u16, blocks: &[(u8, u8)], newest: u8) -> Vec<u8> {
        let mut payload = Vec::new();
        for (back, _) in blocks {
            let [high, low] = ((u16::from(*back) * length) << 2).to_be_bytes();
            payload.extend([0x80 | OPUS, high, low, 1]);
        }
        payload.push(OPUS);
        payload.extend(blocks.iter().map(|(_, byte)| byte));
        payload.push(newest);
        payload
    }

    /// A packet with pieces so many packets back, oldest first; each holds its own number.
    fn packet(number: u8, back: &[u8]) -> Vec<u8> {
        let blocks: Vec<(u8, u8)> = back.iter().map(|back| (*back, number - back)).collect();
        red(LENGTH, &blocks, number)
    }

    fn unfold(redundancy: &mut Redundancy, number: u8, back: &[u8]) -> Vec<(u64, u32, Vec<u8>)> {
        let payload = packet(number, back);
        let timestamp = u32::from(number) * u32::from(LENGTH);
        let unfolded = redundancy.unfold(u64::from(number), timestamp, &payload, OPUS).unwrap();
        assert_eq!(payload[unfolded.primary_at..], [number]);
        unfolded.recovered.iter().map(|r| (r.sequence, r.timestamp, r.data.to_vec())).collect()
    }

    #[test]
    fn what_was_lost_comes_back_once_with_its_own_number_and_time() {
        let mut redundancy = Redundancy::default();
        assert_eq!(unfold(&mut redundancy, 10, &[2, 1]), [], "nothing before the first is missing");
        assert_eq!(unfold(&mut redundancy, 11, &[2, 1]), []);
        // 12 and 13 are lost.
        let lost = |number: u8| (u64::from(number), u32::from(number) * u32::from(LENGTH), vec![number]);
        assert_eq!(unfold(&mut redundancy, 14, &[2, 1]), [lost(12), lost(13)]);
        assert_eq!(unfold(&mut redundancy, 15, &[2, 1]), [], "once");
        // 16 to 18 are lost, of which one is repeated.
        assert_eq!(unfold(&mut redundancy, 19, &[1]), [lost(18)]);
    }

    #[test]
    fn a_packet_that_is_only_late_is_not_repeated_after_it() {
        let mut redundancy = Redundancy::default();
        unfold(&mut redundancy, 1, &[]);
        unfold(&mut redundancy, 3, &[]);
        assert_eq!(unfold(&mut redundancy, 2, &[1]), []);
        assert_eq!(unfold(&mut redundancy, 4, &[2, 1]), []);
    }

    #[test]
    fn a_block_that_could_be_of_another_packet_is_left() {
        let mut redundancy = Redundancy::default();
        unfold(&mut redundancy, 1, &[]);
        // A pause of silence within the hole: packet 2 was long, and 3 is all that is repeated.
        let payload = packet(4, &[1]);
        let recovered = redundancy.unfold(4, 20 * 960, &payload, OPUS).unwrap().recovered;
        assert_eq!(recovered.iter().map(|r| (r.sequence, r.timestamp)).collect::<Vec<_>>(), [(3, 19 * 960)]);
        // A block older than the last packet that came cannot be of the hole.
        let payload = packet(6, &[1]);
        assert!(redundancy.unfold(6, 20 * 960 + 900, &payload, OPUS).unwrap().recovered.is_empty());
    }

    #[test]
    fn what_is_no_red_of_the_codec_is_refused() {
        let mut redundancy = Redundancy::default();
        assert!(redundancy.unfold(1, 0, &[0x80 | OPUS, 0, 0], OPUS).is_none());
        assert!(redundancy.unfold(1, 0, &[9, 1, 2], OPUS).is_none());
    }

    /// A jump over many packets with a block for each of them: one datagram for us, one for everybody of each piece.
    #[test]
    fn one_packet_brings_back_only_a_few() {
        let mut redundancy = Redundancy::default();
        unfold(&mut redundancy, 1, &[]);
        let repeated: Vec<u8> = (1..=15).rev().collect();
        let recovered = unfold(&mut redundancy, 17, &repeated);
        assert_eq!(recovered.iter().map(|(sequence, ..)| *sequence).collect::<Vec<_>>(), [2, 3, 4, 5]);
    }

    #[test]
    fn packets_shorter_than_any_are_not_believed() {
        for (length, pieces) in [(119, 0), (120, 2)] {
            let mut redundancy = Redundancy::default();
            redundancy.handle(1, 0);
            let payload = red(length, &[(2, 7), (1, 8)], 9);
            let unfolded = redundancy.unfold(4, 48_000, &payload, OPUS).unwrap();
            assert_eq!(unfolded.recovered.len(), pieces, "{length} ticks");
        }
    }

    proptest::proptest! {
        /// An honest publisher, whose packets each repeat some before: of what was lost since the last one that came,
        /// all that the next one repeats comes back, as it was, and nothing else does.
        #[test]
        fn what_the_next_packet_repeats_comes_back(packets: Vec<(bool, u8)>) {
            let mut redundancy = Redundancy::default();
            let mut last = None;
            for (number, (is_lost, repeats)) in (0u8..250).zip(packets) {
                if is_lost {
                    continue;
                }
                let back: Vec<u8> = (1..=(repeats % 5).min(number)).rev().collect();
                let of_hole = |number: &u8| last.is_some_and(|last| *number > last);
                let wanted: Vec<u8> = back.iter().map(|back| number - back).filter(of_hole).collect();
                let recovered = unfold(&mut redundancy, number, &back);
                let as_sent = |lost: u8| (u64::from(lost), u32::from(lost) * u32::from(LENGTH), vec![lost]);
                assert_eq!(recovered, wanted.into_iter().map(as_sent).collect::<Vec<_>>());
                last = Some(number);
            }
        }

        /// Whatever a stranger sends, in whatever order, with blocks of whatever age: no packet is made up twice, nor
        /// one that came, and none brings many.
        #[test]
        fn nothing_is_made_up_twice(
            length in 1u16..480,
            packets in proptest::collection::vec(
                (0u64..80, 0u32..4, proptest::collection::vec((0u8..34, 0u8..2), 0..40)),
                0..60,
            ),
        ) {
            let mut redundancy = Redundancy::default();
            let mut came = std::collections::HashSet::new();
            let mut made_up = std::collections::HashSet::new();
            for (sequence, skew, blocks) in packets {
                let timestamp = u32::try_from(sequence).unwrap() * u32::from(length) + skew * u32::from(length);
                let payload = red(length, &blocks, 1);
                let unfolded = redundancy.unfold(sequence, timestamp, &payload, OPUS).unwrap();
                came.insert(sequence);
                assert!(unfolded.recovered.len() <= MAX_RECOVERED);
                for recovered in unfolded.recovered {
                    assert!(!came.contains(&recovered.sequence));
                    assert!(made_up.insert(recovered.sequence));
                }
            }
        }
    }
}
