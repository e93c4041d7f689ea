//! Feedback about one stream or a few: lost packets, key frames wanted, the bitrate a receiver would take.

use super::word;

/// Sequence numbers asked for again (RFC 4585 section 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost<'a>(&'a [[u8; 4]]);

impl<'a> Lost<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        match bytes.as_chunks() {
            (entries, []) if !entries.is_empty() => Some(Self(entries)),
            _ => None,
        }
    }

    /// The numbers, as the packet orders them: up to 17 for every four bytes. A stranger may repeat them.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.0.iter().flat_map(|[a, b, c, d]| {
            let first = u16::from_be_bytes([*a, *b]);
            let following = u16::from_be_bytes([*c, *d]);
            let others = (0..16).filter(move |bit| following & (1 << bit) != 0);
            std::iter::once(first).chain(others.map(move |bit| first.wrapping_add(bit + 1)))
        })
    }
}

/// The streams of a full intra request (RFC 5104 section 4.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirTargets<'a>(&'a [[u8; 8]]);

impl<'a> FirTargets<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        match bytes.as_chunks() {
            (entries, []) if !entries.is_empty() => Some(Self(entries)),
            _ => None,
        }
    }

    /// SSRC and command sequence number: the same number again is the same command.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u8)> + use<'a> {
        self.0
            .iter()
            .map(|[a, b, c, d, sequence, ..]| (u32::from_be_bytes([*a, *b, *c, *d]), *sequence))
    }
}

/// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remb<'a> {
    /// Total for all streams named, in bits per second, at the largest what 64 bits can say.
    pub bitrate_bps: u64,
    ssrcs: &'a [[u8; 4]],
}

impl<'a> Remb<'a> {
    /// `None` for other application layer feedback.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let value = word(bytes.strip_prefix(b"REMB")?, 0)?;
        let [count, ..] = value.to_be_bytes();
        let (exponent, mantissa) = (value >> 18 & 0x3f, u64::from(value & 0x3_ffff));
        let overflows = mantissa.leading_zeros() < exponent;
        let bitrate_bps = if overflows { u64::MAX } else { mantissa << exponent };
        Some(Self { bitrate_bps, ssrcs: bytes.get(8..)?.as_chunks().0.get(..usize::from(count))? })
    }

    /// The streams it is about.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.ssrcs.iter().map(|ssrc| u32::from_be_bytes(*ssrc))
    }
}
