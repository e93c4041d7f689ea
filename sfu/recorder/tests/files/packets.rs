//! Frames into packets, as publishers lay them, with a line of numbers and times.

use std::time::{Duration, Instant};

use sluice_recorder::PacketHead;

use super::clip::units;

/// Bytes of a packet: small, so that frames take several.
const MTU: usize = 400;

/// How a codec lays a frame into payloads.
pub type Lay = fn(&[u8]) -> Vec<Vec<u8>>;

/// A packet of a tap.
#[derive(Debug, Clone)]
pub struct Packet {
    pub head: PacketHead,
    pub payload: Vec<u8>,
}

/// Lays frames of a steady rate into packets.
#[derive(Debug, Clone)]
pub struct Line {
    pub sequence: u64,
    pub timestamp: u32,
    pub at: Instant,
    /// Ticks between frames.
    pub ticks: u32,
    pub interval: Duration,
}

impl Line {
    /// Numbers of the first packets.
    pub const FIRST_OF_VIDEO: u64 = 65_530;
    pub const FIRST_OF_AUDIO: u64 = 1;

    pub fn video(start: Instant) -> Self {
        // Wraps soon.
        let timestamp = u32::MAX - 45_000;
        Self {
            sequence: Self::FIRST_OF_VIDEO,
            timestamp,
            at: start,
            ticks: 3_000,
            interval: Duration::from_nanos(33_333_333),
        }
    }

    pub fn audio(start: Instant) -> Self {
        Self {
            sequence: Self::FIRST_OF_AUDIO,
            timestamp: u32::MAX - 9_600,
            at: start,
            ticks: 960,
            interval: Duration::from_millis(20),
        }
    }

    /// The packets of the next frame. All come at once.
    pub fn frame(&mut self, payloads: Vec<Vec<u8>>) -> Vec<Packet> {
        let count = payloads.len();
        let packets = payloads.into_iter().enumerate().map(|(index, payload)| Packet {
            head: PacketHead {
                sequence: self.sequence + index as u64,
                timestamp: self.timestamp,
                marker: index + 1 == count,
                received_at: self.at,
            },
            payload,
        });
        let packets = packets.collect();
        self.sequence += count as u64;
        self.timestamp = self.timestamp.wrapping_add(self.ticks);
        self.at += self.interval;
        packets
    }

    /// All packets of a clip.
    pub fn clip(&mut self, frames: &[Vec<u8>], lay: Lay) -> Vec<Packet> {
        frames.iter().flat_map(|frame| self.frame(lay(frame))).collect()
    }
}

pub fn opus(frame: &[u8]) -> Vec<Vec<u8>> {
    vec![frame.to_vec()]
}

pub fn vp8(frame: &[u8]) -> Vec<Vec<u8>> {
    let lay = |(index, part): (usize, &[u8])| [&[if index == 0 { 0x10 } else { 0 }], part].concat();
    frame.chunks(MTU).enumerate().map(lay).collect()
}

pub fn vp9(frame: &[u8]) -> Vec<Vec<u8>> {
    // Non-key frames say P: the bit behind the frame marker and the profile tells them apart.
    let is_inter = frame[0] & 0x04 != 0;
    let count = frame.chunks(MTU).count();
    let lay = |(index, part): (usize, &[u8])| {
        let begins = if index == 0 { 0x08 } else { 0 };
        let ends = if index + 1 == count { 0x04 } else { 0 };
        [&[begins | ends | if is_inter { 0x40 } else { 0 }], part].concat()
    };
    frame.chunks(MTU).enumerate().map(lay).collect()
}

/// RFC 6184: small units together, large ones in fragments.
pub fn h264(unit_stream: &[u8]) -> Vec<Vec<u8>> {
    nal(
        unit_stream,
        1,
        |header| vec![0x78 & !0x60 | header[0] & 0x60],
        |header, begins, ends| vec![header[0] & 0xe0 | 28, flags(begins, ends) | header[0] & 0x1f],
    )
}

/// RFC 7798.
pub fn h265(unit_stream: &[u8]) -> Vec<Vec<u8>> {
    nal(
        unit_stream,
        2,
        |header| vec![48 << 1, header[1]],
        |header, begins, ends| vec![header[0] & 0x81 | 49 << 1, header[1], flags(begins, ends) | header[0] >> 1 & 0x3f],
    )
}

fn flags(begins: bool, ends: bool) -> u8 {
    u8::from(begins) << 7 | u8::from(ends) << 6
}

fn nal(
    unit_stream: &[u8],
    header_len: usize,
    aggregate: fn(&[u8]) -> Vec<u8>,
    fragment: fn(&[u8], bool, bool) -> Vec<u8>,
) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let mut small: Vec<&[u8]> = Vec::new();
    let send_small = |small: &mut Vec<&[u8]>, payloads: &mut Vec<Vec<u8>>| {
        match small.len() {
            0 => {}
            1 => payloads.push(small[0].to_vec()),
            _ => {
                let mut payload = aggregate(small[0]);
                for unit in small.iter() {
                    payload.extend(u16::try_from(unit.len()).unwrap().to_be_bytes());
                    payload.extend(*unit);
                }
                payloads.push(payload);
            }
        }
        small.clear();
    };
    for unit in units(unit_stream) {
        if unit.len() < MTU / 4 {
            small.push(unit);
            continue;
        }
        send_small(&mut small, &mut payloads);
        if unit.len() <= MTU {
            payloads.push(unit.to_vec());
            continue;
        }
        let (header, body) = unit.split_at(header_len);
        let count = body.chunks(MTU).count();
        for (index, part) in body.chunks(MTU).enumerate() {
            payloads.push([fragment(header, index == 0, index + 1 == count), part.to_vec()].concat());
        }
    }
    send_small(&mut small, &mut payloads);
    payloads
}

/// The AV1 payload specification: units without sizes, the first packet with all that fit, the last one in fragments.
pub fn av1(temporal_unit: &[u8]) -> Vec<Vec<u8>> {
    let mut elements = Vec::new();
    let mut rest = temporal_unit;
    while !rest.is_empty() {
        let has_extension = rest[0] & 4 != 0;
        assert!(rest[0] & 2 != 0, "the encoder says sizes");
        let mut at = 1 + usize::from(has_extension);
        let (mut size, mut shift) = (0, 0);
        loop {
            size |= usize::from(rest[at] & 0x7f) << shift;
            shift += 7;
            at += 1;
            if rest[at - 1] & 0x80 == 0 {
                break;
            }
        }
        let kind = rest[0] >> 3 & 0xf;
        if kind != 2 {
            let header = &[rest[0] & !2, rest[1]][..1 + usize::from(has_extension)];
            elements.push((kind, [header, &rest[at..at + size]].concat()));
        }
        rest = &rest[at + size..];
    }
    let starts_sequence = elements.iter().any(|(kind, _)| *kind == 1);
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let last = elements.len() - 1;
    for (index, (_, element)) in elements.iter().enumerate() {
        let count = element.chunks(MTU).count();
        for (part_index, part) in element.chunks(MTU).enumerate() {
            let continues = u8::from(part_index > 0) << 7;
            let is_continued = u8::from(part_index + 1 < count) << 6;
            let new = u8::from(payloads.is_empty() && starts_sequence) << 3;
            // Two in one packet where there are two: the first with its length.
            if index < last && count == 1 && index % 2 == 0 && elements[index + 1].1.len() <= MTU {
                let mut payload = vec![2 << 4 | new, u8::try_from(part.len()).unwrap_or(0)];
                if payload[1] > 0 && payload[1] < 0x80 {
                    payload.extend(part);
                    payload.extend(&elements[index + 1].1);
                    payloads.push(payload);
                    continue;
                }
            }
            let was_taken = index > 0 && index % 2 == 1 && elements[index - 1].1.len() < 0x80 && element.len() <= MTU;
            if was_taken {
                continue;
            }
            payloads.push([&[continues | is_continued | 1 << 4 | new], part].concat());
        }
    }
    payloads
}
