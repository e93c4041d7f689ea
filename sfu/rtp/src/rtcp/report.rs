//! Sender and receiver reports (RFC 3550 section 6.4).

use super::word;

/// Bytes of a report block.
pub(super) const BLOCK_LEN: usize = 24;

/// The clocks and counts of a sender.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall clock, in seconds since 1900 as a fixed-point number of 32.32 bits.
    pub ntp: u64,
    /// The same instant in the clock of the stream.
    pub rtp: u32,
    /// Packets sent since the start, wrapping.
    pub packets: u32,
    /// Bytes of payload sent since the start, wrapping.
    pub octets: u32,
}

impl SenderInfo {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let ntp = u64::from(word(bytes, 0)?) << 32 | u64::from(word(bytes, 4)?);
        Some(Self { ntp, rtp: word(bytes, 8)?, packets: word(bytes, 12)?, octets: word(bytes, 16)? })
    }
}

/// How one stream is received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// Share lost since the report before, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the start, less duplicates: 24 bits, may be negative.
    pub cumulative_lost: i32,
    /// Highest sequence number received, extended by the cycles counted.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks of the stream's clock.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time in the last sender report that came, 0 when none did.
    pub last_sr: u32,
    /// Time since that report came, in 65536ths of a second.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    fn parse(bytes: &[u8; BLOCK_LEN]) -> Option<Self> {
        let lost = word(bytes, 4)?;
        Some(Self {
            ssrc: word(bytes, 0)?,
            fraction_lost: bytes[4],
            // The sign is in bit 23: shift it to where it counts, and back.
            cumulative_lost: (lost << 8).cast_signed() >> 8,
            highest_sequence: word(bytes, 8)?,
            jitter: word(bytes, 12)?,
            last_sr: word(bytes, 16)?,
            delay_since_last_sr: word(bytes, 20)?,
        })
    }

    pub(super) fn write(&self, buf: &mut Vec<u8>) {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
        let words = [
            self.ssrc,
            u32::from(self.fraction_lost) << 24 | lost,
            self.highest_sequence,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        ];
        buf.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    }
}

/// The report blocks of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reports<'a>(&'a [[u8; BLOCK_LEN]]);

impl<'a> Reports<'a> {
    /// `count` blocks at the start of `bytes`; profile-specific extensions may follow.
    pub(super) fn parse(bytes: &'a [u8], count: u8) -> Option<Self> {
        bytes.as_chunks().0.get(..usize::from(count)).map(Self)
    }

    /// How many blocks there are, at most 31.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nothing is reported on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The blocks.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.0.iter().filter_map(ReportBlock::parse)
    }
}
