//! Which packets of a transport arrived, and when
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
//!
//! A feedback claims a number of packets; run length chunks of two bytes tell of up to 8191 each. The iterator
//! stops at whichever ends first: the count, the chunks, or the arrival times.

use super::word;

/// One tick of the reference time.
const REFERENCE_MICROS: i64 = 64_000;
/// One tick of an arrival delta.
pub(super) const DELTA_MICROS: i64 = 250;

/// A transport-wide feedback packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportFeedback<'a> {
    /// Transport-wide sequence number of the first packet told of.
    pub base_sequence: u16,
    /// Packets told of, received or not.
    pub packet_count: u16,
    /// The receiver's clock where the deltas begin: 24 bits, signed, in steps of 64 ms.
    pub reference_time: i32,
    /// Counts feedback packets, wrapping.
    pub feedback_count: u8,
    /// Status chunks, and behind them the deltas.
    content: &'a [u8],
}

/// What became of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Transport-wide sequence number.
    pub sequence: u16,
    /// When it was received, in microseconds of the receiver's clock, whose zero is nobody's business and which
    /// wraps after 2^24 * 64 ms; `None` when it was not.
    pub at: Option<i64>,
}

impl<'a> TransportFeedback<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (base_and_count, time_and_count) = (word(bytes, 0)?, word(bytes, 4)?);
        let [base_high, base_low, count_high, count_low] = base_and_count.to_be_bytes();
        let [.., feedback_count] = time_and_count.to_be_bytes();
        let feedback = Self {
            base_sequence: u16::from_be_bytes([base_high, base_low]),
            packet_count: u16::from_be_bytes([count_high, count_low]),
            reference_time: time_and_count.cast_signed() >> 8,
            feedback_count,
            content: bytes.get(8..)?,
        };
        (feedback.packet_count > 0).then_some(feedback)
    }

    /// The packets in order of their numbers: at most `packet_count`, fewer when the bytes end first.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals<'a> {
        Arrivals {
            statuses: Statuses { chunks: self.content, chunk: Chunk::default(), left: self.packet_count },
            deltas: self.content.get(self.chunks_len()..).unwrap_or_default(),
            sequence: self.base_sequence,
            at: i64::from(self.reference_time) * REFERENCE_MICROS,
        }
    }

    /// Bytes of chunks that the count needs.
    fn chunks_len(&self) -> usize {
        let mut told = 0u32;
        let chunks = self.content.as_chunks().0.iter();
        2 * chunks
            .take_while(|bytes| {
                let needed = told < u32::from(self.packet_count);
                told += u32::from(Chunk::parse(**bytes).left);
                needed
            })
            .count()
    }
}

/// Iterator over [`TransportFeedback::arrivals`].
#[derive(Debug, Clone)]
pub struct Arrivals<'a> {
    statuses: Statuses<'a>,
    deltas: &'a [u8],
    sequence: u16,
    at: i64,
}

impl Iterator for Arrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let delta = match self.statuses.next()? {
            Status::NotReceived => None,
            Status::SmallDelta => {
                let (ticks, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                Some(i64::from(*ticks))
            }
            Status::LargeDelta => {
                let (ticks, rest) = self.deltas.split_first_chunk()?;
                self.deltas = rest;
                Some(i64::from(i16::from_be_bytes(*ticks)))
            }
        };
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let at = delta.map(|ticks| {
            self.at += ticks * DELTA_MICROS;
            self.at
        });
        Some(Arrival { sequence, at })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    NotReceived,
    SmallDelta,
    LargeDelta,
}

impl Status {
    /// Value 3 is reserved, and has no delta by anybody's reading.
    fn from_bits(bits: u16) -> Self {
        match bits & 0x03 {
            1 => Self::SmallDelta,
            2 => Self::LargeDelta,
            _ => Self::NotReceived,
        }
    }
}

/// The statuses that the chunks spell out.
#[derive(Debug, Clone)]
struct Statuses<'a> {
    chunks: &'a [u8],
    chunk: Chunk,
    left: u16,
}

impl Iterator for Statuses<'_> {
    type Item = Status;

    fn next(&mut self) -> Option<Status> {
        self.left = self.left.checked_sub(1)?;
        // A run of length zero tells nothing: on to the next. Each turn takes two bytes.
        while self.chunk.left == 0 {
            let (bytes, rest) = self.chunks.split_first_chunk()?;
            self.chunks = rest;
            self.chunk = Chunk::parse(*bytes);
        }
        self.chunk.left -= 1;
        Some(match self.chunk.kind {
            Kind::Run(status) => status,
            Kind::OneBit(bits) => Status::from_bits(bits >> self.chunk.left & 1),
            Kind::TwoBit(bits) => Status::from_bits(bits >> (2 * self.chunk.left)),
        })
    }
}

/// A status chunk (sections 3.1.3 and 3.1.4), and how many of its statuses are still to be told.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    kind: Kind,
    left: u16,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Run(Status),
    OneBit(u16),
    TwoBit(u16),
}

impl Default for Chunk {
    fn default() -> Self {
        Self { kind: Kind::Run(Status::NotReceived), left: 0 }
    }
}

impl Chunk {
    fn parse(bytes: [u8; 2]) -> Self {
        let value = u16::from_be_bytes(bytes);
        match value >> 14 {
            0b10 => Self { kind: Kind::OneBit(value & 0x3fff), left: 14 },
            0b11 => Self { kind: Kind::TwoBit(value & 0x3fff), left: 7 },
            _ => Self { kind: Kind::Run(Status::from_bits(value >> 13)), left: value & 0x1fff },
        }
    }
}
