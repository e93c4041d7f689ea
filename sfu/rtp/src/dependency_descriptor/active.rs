//! The mask of active decode targets, changed in a descriptor that somebody else wrote.
//!
//! A forwarder that leaves layers out must say so, and has no other reason to take a descriptor apart: so the mask is
//! written over, or put in, and every other bit stays as it was. It knows places of bits, not what they mean.

use super::MAX_LEN;

/// Bits in front of the flags.
const MANDATORY: usize = 24;
/// `active_decode_targets_present_flag`, the second of five flags (section A.8.2).
const PRESENT_FLAG: usize = MANDATORY + 1;
/// Where the flags end.
pub(super) const FLAGS_END: usize = MANDATORY + 5;

/// Where a descriptor tells which decode targets are active, or would tell it. Belongs to the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveTargetsField {
    /// First bit of the mask: behind the flags, and behind the structure where there is one.
    at: u16,
    /// Bits of the mask.
    count: u8,
    is_present: bool,
}

impl ActiveTargetsField {
    /// `at` is counted in bits from the descriptor's first.
    pub(super) fn new(at: usize, count: u8, is_present: bool) -> Option<Self> {
        Some(Self { at: u16::try_from(at).ok()?, count, is_present })
    }

    /// True when the descriptor tells.
    #[must_use]
    pub fn is_present(self) -> bool {
        self.is_present
    }

    /// Lets the descriptor in the first `len` bytes of `bytes` tell that these decode targets are active, as a bitmask
    /// with the first one lowest. How long it is then: where it told nothing before, longer by up to five bytes.
    /// `None`, and nothing changed, when that is more than an extension holds.
    pub fn write(self, active: u32, bytes: &mut [u8; MAX_LEN], len: usize) -> Option<usize> {
        let (at, count) = (usize::from(self.at), usize::from(self.count));
        let mut end = len;
        if !self.is_present {
            // Without flags there is nothing behind the mandatory fields.
            let bits = (8 * len).max(FLAGS_END);
            end = (bits + count).div_ceil(8);
            bytes.get_mut(len..end)?.fill(0);
            for place in (at..bits).rev() {
                let bit = get(bytes, place);
                set(bytes, place + count, bit);
            }
            set(bytes, PRESENT_FLAG, true);
        }
        for target in 0..count {
            // As an integer: the first target stands last.
            set(bytes, at + count - 1 - target, active >> target & 1 == 1);
        }
        Some(end)
    }
}

fn get(bytes: &[u8], place: usize) -> bool {
    bytes.get(place / 8).is_some_and(|byte| byte & 0x80 >> (place % 8) != 0)
}

fn set(bytes: &mut [u8], place: usize, value: bool) {
    if let Some(byte) = bytes.get_mut(place / 8) {
        let bit = 0x80 >> (place % 8);
        *byte = if value { *byte | bit } else { *byte & !bit };
    }
}
