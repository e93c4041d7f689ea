//! What anybody on the path sees of the datagrams to one socket: the header of each RTP packet and the index of each
//! SRTCP packet are in the clear. Holds the invariants that need no key.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Authenticated encryption ends an SRTCP packet with the E bit and its index (RFC 7714 section 9.3).
const SRTCP_INDEX_LEN: usize = 4;

/// What the packets of a published track show to everybody on their way.
#[derive(Debug, Clone)]
pub struct Wiretap {
    /// Its section.
    pub mid: String,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of its retransmissions.
    pub repair_payload_type: Option<u8>,
    /// SSRC of its (lowest) layer.
    pub ssrc: u32,
}

/// Everything sent to one socket.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    streams: BTreeMap<u32, Outgoing>,
    /// SRTCP indices by sender.
    indices: BTreeMap<u32, HashSet<u32>>,
    violations: Vec<String>,
}

#[derive(Debug)]
struct Outgoing {
    /// Extended sequence numbers, roll-over counter included, that were sent, each with a digest of the datagram.
    sent: BTreeMap<u64, u64>,
    lost: BTreeSet<u64>,
}

/// A packet by its place in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    ssrc: u32,
    sequence: u64,
}

impl Wire {
    /// A datagram leaves.
    pub(crate) fn sent(&mut self, datagram: &[u8]) -> Option<Place> {
        let word = |at: usize| Some(u32::from_be_bytes(datagram.get(at..at + 4)?.try_into().ok()?));
        if is_control(datagram) {
            let (sender, index) = (word(4)?, word(datagram.len() - SRTCP_INDEX_LEN)?);
            if !self.indices.entry(sender).or_default().insert(index) {
                self.violations.push(format!("SRTCP nonce twice: sender {sender:08x}, index {index:08x}"));
            }
            return None;
        }
        let ssrc = media_ssrc(datagram)?;
        let short = u16::from_be_bytes([datagram[2], datagram[3]]);
        let stream = self
            .streams
            .entry(ssrc)
            .or_insert_with(|| Outgoing { sent: BTreeMap::new(), lost: BTreeSet::new() });
        let sequence = stream.sent.last_key_value().map_or(u64::from(short), |(last, _)| nearest(*last, short));
        // The same bytes again are the same cipher text: nothing is encrypted twice under one nonce.
        let digest = BuildHasherDefault::<DefaultHasher>::default().hash_one(datagram);
        if *stream.sent.entry(sequence).or_insert(digest) != digest {
            self.violations
                .push(format!("SRTP nonce twice: SSRC {ssrc:08x}, roll-over {}, sequence {short}", sequence >> 16));
        }
        Some(Place { ssrc, sequence })
    }

    /// It never arrived.
    pub(crate) fn lost(&mut self, place: Place) {
        if let Some(stream) = self.streams.get_mut(&place.ssrc) {
            stream.lost.insert(place.sequence);
        }
    }

    /// Packets of a stream that were lost on the way, and how many of these are among `received` after all.
    pub(crate) fn recovered(&self, ssrc: u32, received: &BTreeSet<u16>) -> (usize, usize) {
        let Some(stream) = self.streams.get(&ssrc) else { return (0, 0) };
        let came = stream.lost.iter().filter(|sequence| received.contains(&(**sequence as u16))).count();
        (stream.lost.len(), came)
    }

    /// What is wrong. `is_whole`: everything its publishers sent reached the server in order, so that no stream may
    /// have a hole.
    pub(crate) fn audit(&self, is_whole: bool) -> Vec<String> {
        let mut wrong = self.violations.clone();
        for (ssrc, stream) in &self.streams {
            let (Some(first), Some(last)) = (stream.sent.keys().next(), stream.sent.keys().next_back()) else {
                continue;
            };
            let holes = (last - first + 1).saturating_sub(stream.sent.len() as u64);
            if is_whole && holes > 0 {
                let at = (*first..*last).find(|sequence| !stream.sent.contains_key(sequence)).unwrap_or(*first);
                wrong.push(format!("SSRC {ssrc:08x}: {holes} sequence numbers never sent, the first is {at}"));
            }
        }
        wrong
    }
}

/// True for RTCP (RFC 5761 section 4).
pub(crate) fn is_control(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, 192..=223, ..])
}

/// The SSRC of a packet of media.
pub(crate) fn media_ssrc(datagram: &[u8]) -> Option<u32> {
    let is_media = matches!(datagram, [128..=191, ..]) && !is_control(datagram);
    Some(u32::from_be_bytes(datagram.get(8..12)?.try_into().ok()?)).filter(|_| is_media)
}

/// The extended sequence number with these low bits that is nearest to another (RFC 3711 section 3.3.1).
fn nearest(to: u64, short: u16) -> u64 {
    let ahead = i64::from(short.wrapping_sub(to as u16).cast_signed());
    to.saturating_add_signed(ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16) -> Vec<u8> {
        let [high, low] = sequence.to_be_bytes();
        vec![0x80, 96, high, low, 0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3]
    }

    #[test]
    fn a_nonce_used_twice_and_a_hole_are_seen_over_the_roll_over() {
        let mut wire = Wire::default();
        for sequence in [65_534, 65_535, 0, 2] {
            wire.sent(&packet(sequence));
        }
        assert_eq!(wire.audit(false).len(), 0);
        assert_eq!(wire.audit(true).len(), 1, "1 is missing");
        wire.sent(&packet(1));
        assert_eq!(wire.audit(true).len(), 0);
        wire.sent(&packet(65_535));
        assert_eq!(wire.audit(true).len(), 0, "the same bytes");
        let mut other = packet(65_535);
        other.push(4);
        wire.sent(&other);
        assert_eq!(wire.audit(true).len(), 1);
    }
}
