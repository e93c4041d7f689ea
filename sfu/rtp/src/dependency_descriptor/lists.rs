//! The short lists of a template or frame, in place: no allocation per packet.

use super::bits::{Reader, Writer};
use super::{MAX_DECODE_TARGETS, MAX_FRAME_DIFFS};

/// What a frame is to a decode target (table A.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecodeTarget {
    /// The target does without it.
    NotPresent,
    /// Belongs to the target; no other frame of the target builds on it.
    Discardable,
    /// Belongs to the target, and a receiver may begin with the target here.
    Switch,
    /// Belongs to the target, and others build on it.
    Required,
}

impl DecodeTarget {
    fn from_bits(bits: u64) -> Self {
        match bits & 0x03 {
            0 => Self::NotPresent,
            1 => Self::Discardable,
            2 => Self::Switch,
            _ => Self::Required,
        }
    }

    fn to_bits(self) -> u64 {
        match self {
            Self::NotPresent => 0,
            Self::Discardable => 1,
            Self::Switch => 2,
            Self::Required => 3,
        }
    }
}

/// Decode target indications, one for each decode target of the structure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dtis {
    /// Two bits each, the first target in the lowest.
    bits: u64,
    count: u8,
}

impl Dtis {
    /// How many decode targets there are, at most 32.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What the frame is to a decode target. Of one that does not exist it is no part.
    #[must_use]
    pub fn get(&self, decode_target: usize) -> DecodeTarget {
        if decode_target < self.len() {
            DecodeTarget::from_bits(self.bits >> (2 * decode_target))
        } else {
            DecodeTarget::NotPresent
        }
    }

    /// Decode targets that the frame is part of, as a bitmask.
    #[must_use]
    pub fn present(&self) -> u32 {
        (0..self.len())
            .rev()
            .fold(0, |mask, target| mask << 1 | u32::from(self.get(target) != DecodeTarget::NotPresent))
    }

    /// In the order of the decode targets.
    pub fn iter(&self) -> impl Iterator<Item = DecodeTarget> + use<> {
        let dtis = *self;
        (0..self.len()).map(move |decode_target| dtis.get(decode_target))
    }

    pub(super) fn read(reader: &mut Reader<'_>, count: u8) -> Option<Self> {
        let mut dtis = Self::default();
        for _ in 0..count {
            dtis.push(DecodeTarget::from_bits(u64::from(reader.bits(2)?)));
        }
        Some(dtis)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        for dti in self.iter() {
            writer.bits(u32::try_from(dti.to_bits()).unwrap_or_default(), 2);
        }
    }

    fn push(&mut self, dti: DecodeTarget) {
        if self.len() < MAX_DECODE_TARGETS {
            self.bits |= dti.to_bits() << (2 * self.count);
            self.count += 1;
        }
    }
}

impl FromIterator<DecodeTarget> for Dtis {
    /// The first 32.
    fn from_iter<I: IntoIterator<Item = DecodeTarget>>(iter: I) -> Self {
        let mut dtis = Self::default();
        iter.into_iter().for_each(|dti| dtis.push(dti));
        dtis
    }
}

/// Distances to the frames that a frame builds on: 1 is the frame before. At most 16.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameDiffs {
    diffs: [u16; MAX_FRAME_DIFFS],
    count: u8,
}

impl FrameDiffs {
    /// The distances, each from 1 to 4096.
    #[must_use]
    pub fn as_slice(&self) -> &[u16] {
        &self.diffs[..usize::from(self.count)]
    }

    /// The distances of a template: 1 to 16 each.
    pub(super) fn read_template(reader: &mut Reader<'_>) -> Option<Self> {
        let mut diffs = Self::default();
        while reader.flag()? {
            diffs.push(reader.bits(4)? + 1)?;
        }
        Some(diffs)
    }

    pub(super) fn write_template(&self, writer: &mut Writer<'_>) {
        for diff in self.as_slice() {
            writer.flag(true);
            writer.bits(u32::from(diff - 1), 4);
        }
        writer.flag(false);
    }

    /// The distances of one frame: 1 to 4096 each, in four, eight or twelve bits.
    pub(super) fn read_custom(reader: &mut Reader<'_>) -> Option<Self> {
        let mut diffs = Self::default();
        loop {
            let size = reader.bits(2)?;
            if size == 0 {
                return Some(diffs);
            }
            diffs.push(reader.bits(4 * size)? + 1)?;
        }
    }

    pub(super) fn write_custom(&self, writer: &mut Writer<'_>) {
        for diff in self.as_slice() {
            let value = u32::from(diff - 1);
            let size = if value < 16 {
                1
            } else if value < 256 {
                2
            } else {
                3
            };
            writer.bits(size, 2);
            writer.bits(value, 4 * size);
        }
        writer.bits(0, 2);
    }

    fn push(&mut self, diff: u32) -> Option<()> {
        *self.diffs.get_mut(usize::from(self.count))? =
            u16::try_from(diff).ok().filter(|diff| (1..=4096).contains(diff))?;
        self.count += 1;
        Some(())
    }

    /// Distances from 1 to 4096, at most 16. `None` for others.
    #[must_use]
    pub fn new(diffs: &[u16]) -> Option<Self> {
        let mut list = Self::default();
        for diff in diffs {
            list.push(u32::from(*diff))?;
        }
        Some(list)
    }
}

/// For each chain the distance to the frame before in it; 0 where the chain begins anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChainDiffs {
    diffs: [u8; MAX_DECODE_TARGETS],
    count: u8,
}

impl ChainDiffs {
    /// One for each chain of the structure, at most 32.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.diffs[..usize::from(self.count)]
    }

    /// The first 32.
    #[must_use]
    pub fn new(diffs: &[u8]) -> Self {
        let mut list = Self::default();
        for (to, from) in list.diffs.iter_mut().zip(diffs) {
            *to = *from;
            list.count += 1;
        }
        list
    }

    /// `width` is 4 in a template, 8 for one frame.
    pub(super) fn read(reader: &mut Reader<'_>, count: u8, width: u32) -> Option<Self> {
        let mut list = Self { count, ..Self::default() };
        for diff in list.diffs.get_mut(..usize::from(count))? {
            *diff = reader.small(width)?;
        }
        Some(list)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>, width: u32) {
        for diff in self.as_slice() {
            writer.bits(u32::from(*diff), width);
        }
    }
}
