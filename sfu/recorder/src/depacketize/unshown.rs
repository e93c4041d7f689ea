//! VP9 frames that are decoded and not shown (VP9 bitstream specification, section 6.2).
//!
//! In a key frame that is one bit. The header of another one has a bit more where it is not shown, `intra_only`, so all
//! that follows moves on by one, to the end of the header, which is filled up to a byte.
//!
//! Knows one frame, and neither packets nor layers.

/// `show_frame`, in the first byte.
const SHOW: u8 = 0x02;

/// Makes a frame one that is not shown. None where that cannot be done: it is damaged, says no size of its own, has
/// profile 3 (whose header is laid out otherwise, and which is nobody's in a call), or shows a frame from before.
pub(super) fn unshown(frame: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Bits { bytes: frame, at: 0 };
    let is_frame = bits.take(2)? == 2;
    let is_profile_3 = bits.take(2)? == 3;
    let shows_earlier = bits.flag()?;
    if !is_frame || is_profile_3 || shows_earlier {
        return None;
    }
    let is_inter = bits.flag()?;
    let is_shown = bits.flag()?;
    let is_resilient = bits.flag()?;
    let (&first, behind_first) = frame.split_first()?;
    if !is_inter || !is_shown {
        return Some([&[first & !SHOW][..], behind_first].concat());
    }
    let header_bits = end_of_inter_header(bits, is_resilient)?;
    let (header, rest) = behind_first.split_at_checked(header_bits.div_ceil(8) - 1)?;
    let mut moved = Vec::with_capacity(frame.len() + 1);
    moved.push(first & !SHOW);
    // The first byte ends where the bit belongs, which is not set.
    let mut carried = 0;
    for byte in header {
        moved.push(carried << 7 | byte >> 1);
        carried = byte & 1;
    }
    if header_bits.is_multiple_of(8) {
        moved.push(carried << 7);
    }
    moved.extend_from_slice(rest);
    Some(moved)
}

/// How many bits the uncompressed header of a shown inter frame has. It was read up to `error_resilient_mode`.
fn end_of_inter_header(mut bits: Bits<'_>, is_resilient: bool) -> Option<usize> {
    let contexts = if is_resilient { 0 } else { 2 };
    // reset_frame_context, refresh_frame_flags, three references with their signs.
    bits.skip(contexts + 8 + 3 * 4);
    for _ in 0..3 {
        // found_ref: its size is that of an earlier frame.
        if bits.flag()? {
            return None;
        }
    }
    let width = bits.take(16)? + 1;
    bits.skip(16);
    // render_and_frame_size_different.
    bits.skip_if(32)?;
    // allow_high_precision_mv; is_filter_switchable, and which where it is not.
    bits.skip(1);
    if !bits.flag()? {
        bits.skip(2);
    }
    // refresh_frame_context and frame_parallel_decoding_mode; frame_context_idx.
    bits.skip(contexts + 2);
    loop_filter(&mut bits)?;
    // base_q_idx and its three differences.
    bits.skip(8);
    for _ in 0..3 {
        bits.skip_if(5)?;
    }
    segmentation(&mut bits)?;
    tiles(&mut bits, width)?;
    // header_size_in_bytes.
    bits.skip(16);
    Some(bits.at)
}

fn loop_filter(bits: &mut Bits<'_>) -> Option<()> {
    // Level and sharpness; differences by reference and by mode, where they are there and change.
    bits.skip(6 + 3);
    if bits.flag()? && bits.flag()? {
        for _ in 0..4 + 2 {
            bits.skip_if(7)?;
        }
    }
    Some(())
}

fn segmentation(bits: &mut Bits<'_>) -> Option<()> {
    if !bits.flag()? {
        return Some(());
    }
    // The map, with the probabilities of its tree and of its prediction.
    if bits.flag()? {
        for _ in 0..7 {
            bits.skip_if(8)?;
        }
        if bits.flag()? {
            for _ in 0..3 {
                bits.skip_if(8)?;
            }
        }
    }
    // What is different in eight segments: quantizer and filter with a sign, reference and skipping without.
    if bits.flag()? {
        bits.skip(1);
        for _ in 0..8 {
            for feature_bits in [8 + 1, 6 + 1, 2, 0] {
                bits.skip_if(feature_bits)?;
            }
        }
    }
    Some(())
}

fn tiles(bits: &mut Bits<'_>, width: u32) -> Option<()> {
    // Columns of tiles are 256 pixels wide at least and 4096 at most; how many, in powers of two, is said in unary.
    let blocks = width.div_ceil(64);
    let least = (0..).find(|log2| 64 << log2 >= blocks)?;
    let most = (1..).find(|log2| blocks >> log2 < 4)? - 1;
    for _ in least..most {
        if !bits.flag()? {
            break;
        }
    }
    bits.skip_if(1)
}

/// Bits of a frame, the highest of a byte first.
#[derive(Debug)]
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// So many of them as a number.
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut number = 0;
        for _ in 0..count {
            number = number << 1 | u32::from(self.flag()?);
        }
        Some(number)
    }

    fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    fn skip(&mut self, count: usize) {
        self.at += count;
    }

    /// Something that is there when the bit before it says so.
    fn skip_if(&mut self, count: usize) -> Option<()> {
        if self.flag()? {
            self.skip(count);
        }
        Some(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    /// The second of three spatial layers of a key picture, 480x270 shown as 960x540, as Chromium encodes it: its header and
    /// the begin of what is behind.
    pub(in crate::depacketize) const MIDDLE_LAYER: [u8; 28] = [
        0x87, 0x02, 0x02, 0x00, 0x03, 0xbe, 0x02, 0x1b, 0x03, 0xbf, 0x02, 0x1b, 0xb0, 0xe1, 0xc1, 0x20, 0xe0, 0xc6,
        0xe0, 0x00, 0x11, 0x80, 0x7e, 0x96, 0xdd, 0x1d, 0xbe, 0xee,
    ];

    #[test]
    fn the_header_of_an_inter_frame_moves_on_by_a_bit_and_nothing_behind_it_does() {
        assert_eq!(end_of_inter_header(Bits { bytes: &MIDDLE_LAYER, at: 8 }, true), Some(170));
        let hidden = unshown(&MIDDLE_LAYER).unwrap();
        assert_eq!(hidden[..2], [0x85, 0x01], "not shown, and not intra_only");
        let mut moved = Bits { bytes: &hidden, at: 9 };
        let mut as_it_was = Bits { bytes: &MIDDLE_LAYER, at: 8 };
        for _ in 8..170 {
            assert_eq!(moved.flag(), as_it_was.flag());
        }
        assert_eq!(hidden[22..], MIDDLE_LAYER[22..], "there was room in the last byte");
    }

    #[test]
    fn a_frame_that_is_hidden_or_damaged_stays_as_it_is() {
        assert_eq!(unshown(&[0x85, 1, 2]), Some(vec![0x85, 1, 2]));
        assert_eq!(unshown(&MIDDLE_LAYER[..12]), None, "half a header");
        assert_eq!(unshown(&[0x88]), None, "shows one from before");
        assert_eq!(unshown(&[0x12]), None, "no frame");
    }

    proptest! {
        #[test]
        fn any_bytes_stay_nearly_as_long(bytes: Vec<u8>, first in prop::sample::select(vec![0x86_u8, 0x87, 0x82])) {
            let frame = [&[first][..], &bytes].concat();
            if let Some(hidden) = unshown(&frame) {
                prop_assert!(hidden.len() == frame.len() || hidden.len() == frame.len() + 1);
                prop_assert_eq!(hidden[0] & SHOW, 0);
            }
        }
    }
}
