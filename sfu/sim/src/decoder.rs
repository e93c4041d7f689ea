//! What a receiver can decode, told from headers alone as a browser's depacketizer does: frames are put together
//! from packets, and a frame is decoded when everything it says it builds on was.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::descriptor::{Described, Needs, Picture};
use crate::media::Stamp;
use crate::sink::Received;
use crate::targets::Targets;

/// How long a frame that can be decoded waits for one before it that is not whole: a jitter buffer's depth.
const PATIENCE: Duration = Duration::from_millis(80);
/// A hole that is not filled by then will not be: the decoder asks for a key frame.
const GIVE_UP_AFTER: Duration = Duration::from_millis(300);
/// How often a decoder repeats its request.
const ASK_EVERY: Duration = Duration::from_millis(300);
/// References remembered: more pictures than any structure reaches back.
const REMEMBERED: usize = 256;

#[derive(Debug, Clone)]
struct Waiting {
    payload_len: usize,
    stamp: Stamp,
    described: Described,
}

/// A frame that is whole.
#[derive(Debug)]
struct Whole {
    last: u64,
    at: Instant,
    frame: Waiting,
}

#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Packets of frames that are not whole.
    packets: BTreeMap<u64, Waiting>,
    /// Frames not decoded yet, by their first packet.
    whole: BTreeMap<u64, Whole>,
    /// Last packet of the newest frame decoded.
    newest: Option<u64>,
    /// Which frame that was.
    last: Option<Stamp>,
    /// First packet of the last key frame decoded.
    anchor: Option<u64>,
    /// Packets since.
    seen: BTreeSet<u64>,
    /// Something since then did not come in time: what builds on it is nobody's fault.
    has_holes: bool,
    /// What was decoded: VP8 and VP9 by picture and size, AV1 by number.
    decoded: VecDeque<(u16, u8)>,
    /// VP8: the base frames decoded, with their TL0PICIDX.
    bases: VecDeque<Picture>,
    /// What it was told to count on.
    targets: Targets,
    waits_since: Option<Instant>,
    asked_at: Option<Instant>,
    /// Frames that could not be decoded though nothing was lost.
    pub(crate) violations: Vec<String>,
}

impl Decoder {
    /// Another codec follows: what came is forgotten.
    pub(crate) fn renew(&mut self) {
        *self = Self { violations: std::mem::take(&mut self.violations), ..Self::default() };
    }

    /// Takes a packet; the frames that are decoded now, with the bytes of their payloads.
    pub(crate) fn receive(&mut self, packet: &Received) -> Vec<(Stamp, usize)> {
        let Received { sequence, stamp, at, payload_len, ref described, .. } = *packet;
        self.waits_since.get_or_insert(at);
        self.seen.insert(sequence);
        if self.newest.is_none_or(|newest| sequence > newest) {
            self.packets
                .insert(sequence, Waiting { payload_len, stamp, described: described.clone() });
            self.assemble(sequence, at);
        }
        self.decode(at)
    }

    /// Puts the frame around a packet together, when it is whole.
    fn assemble(&mut self, sequence: u64, at: Instant) {
        let mut first = sequence;
        while !self.packets.get(&first).is_some_and(|packet| packet.described.begins) {
            match first.checked_sub(1) {
                Some(before) if self.packets.contains_key(&before) => first = before,
                _ => return,
            }
        }
        let mut last = sequence;
        while !self.packets.get(&last).is_some_and(|packet| packet.described.ends) {
            last += 1;
            if !self.packets.contains_key(&last) {
                return;
            }
        }
        let Some(mut frame) = self.packets.get(&first).cloned() else { return };
        let parts = (first..=last).filter_map(|part| self.packets.remove(&part));
        frame.payload_len = parts.map(|part| part.payload_len).sum();
        self.whole.insert(first, Whole { last, at, frame });
    }

    fn decode(&mut self, now: Instant) -> Vec<(Stamp, usize)> {
        let mut stamps = Vec::new();
        loop {
            let next = self.whole.iter().find(|(first, whole)| {
                let is_next = self.newest.is_none_or(|newest| newest + 1 == **first);
                let has_waited = now.saturating_duration_since(whole.at) >= PATIENCE;
                (is_next || has_waited) && self.is_decodable(**first, &whole.frame)
            });
            let Some(first) = next.map(|(first, _)| *first) else { break };
            // What lies before is too late.
            let passed = self.whole.split_off(&first);
            let late = std::mem::replace(&mut self.whole, passed);
            let Some(whole) = self.whole.remove(&first) else { break };
            self.packets = self.packets.split_off(&(whole.last + 1));
            if let Some(newest) = self.newest {
                let came = self.seen.range(newest + 1..first).count() as u64;
                self.has_holes |= came < first - newest - 1;
            }
            for (first, whole) in late {
                self.complain(first, &whole);
            }
            self.follow(&whole.frame);
            self.take(&whole);
            if whole.frame.described.needs == Needs::Nothing {
                self.anchor = Some(first);
                self.seen = self.seen.split_off(&first);
                self.has_holes = false;
            }
            stamps.push((whole.frame.stamp, whole.frame.payload_len));
        }
        stamps
    }

    fn is_decodable(&self, first: u64, Waiting { described, stamp, .. }: &Waiting) -> bool {
        let has = |id: u16, size: u8| self.decoded.contains(&(id, size));
        match (&described.needs, described.picture) {
            (Needs::Nothing, _) => true,
            // Such headers do not tell of a frame left out; the stamp does.
            (Needs::Previous, _) => {
                let is_next =
                    |last: &Stamp| (last.track, last.layer, last.frame + 1) == (stamp.track, stamp.layer, stamp.frame);
                self.newest.is_some_and(|newest| newest + 1 == first) && self.last.as_ref().is_some_and(is_next)
            }
            (Needs::Vp8 { is_sync }, Some(picture)) => {
                let tl0 = if described.temporal == 0 { picture.tl0.wrapping_sub(1) } else { picture.tl0 };
                let Some(base) = self.bases.iter().rev().find(|base| base.tl0 == tl0) else { return false };
                let between = picture.id.wrapping_sub(base.id) & 0x7fff;
                described.temporal == 0 || *is_sync || (1..between).all(|n| has(base.id.wrapping_add(n) & 0x7fff, 0))
            }
            (Needs::Vp9 { diffs, inter_layer }, Some(picture)) => {
                diffs
                    .iter()
                    .all(|diff| has(picture.id.wrapping_sub(u16::from(*diff)) & 0x7fff, described.spatial))
                    && (!inter_layer || has(picture.id, described.spatial.saturating_sub(1)))
            }
            (Needs::Av1 { number, diffs }, _) => diffs.iter().all(|diff| has(number.wrapping_sub(*diff), 0)),
            (Needs::Unknown | Needs::Vp8 { .. } | Needs::Vp9 { .. }, _) => false,
        }
    }

    /// Holds the frame against what was told of decode targets.
    fn follow(&mut self, Waiting { stamp, described, .. }: &Waiting) {
        let Some(told) = &described.told else { return };
        let wrong = self.targets.follow(told, stamp.picture, described.needs == Needs::Nothing);
        if let Some(wrong) = wrong.filter(|_| !self.has_holes) {
            self.violations.push(format!("nothing was lost, yet {stamp:?} {wrong}"));
        }
    }

    fn take(&mut self, whole: &Whole) {
        let Waiting { stamp, described, .. } = &whole.frame;
        if described.needs == Needs::Nothing {
            self.decoded.clear();
            self.bases.clear();
        }
        self.newest = Some(whole.last);
        self.last = Some(*stamp);
        self.waits_since = None;
        let name = match (&described.needs, described.picture) {
            (Needs::Av1 { number, .. }, _) => (*number, 0),
            (_, Some(picture)) => (picture.id, described.spatial),
            // An AV1 key frame.
            (_, None) => (described.number.unwrap_or((stamp.frame & 0xffff) as u16), 0),
        };
        self.decoded.push_back(name);
        if let Some(picture) = described.picture.filter(|_| described.temporal == 0) {
            self.bases.push_back(picture);
        }
        while self.decoded.len() > REMEMBERED {
            self.decoded.pop_front();
        }
        while self.bases.len() > REMEMBERED / 4 {
            self.bases.pop_front();
        }
    }

    /// A frame passed over: if every packet since the last key frame came, it should not have been sent.
    fn complain(&mut self, first: u64, whole: &Whole) {
        let is_due = !self.has_holes && self.anchor.is_some_and(|anchor| anchor < first);
        if is_due && !self.is_decodable(first, &whole.frame) {
            let Waiting { stamp, described, .. } = &whole.frame;
            self.violations
                .push(format!("nothing was lost, yet {stamp:?} cannot be decoded ({:?})", described.needs));
        }
    }

    /// Nothing could be decoded for so long that a key frame must be asked for now.
    pub(crate) fn is_stuck(&mut self, now: Instant) -> bool {
        let Some(since) = self.waits_since else { return false };
        if now - since < GIVE_UP_AFTER || self.asked_at.is_some_and(|at| now - at < ASK_EVERY) {
            return false;
        }
        self.asked_at = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::descriptor;
    use crate::media::{Media, Structure};
    use crate::source::{Publication, Source};

    const STRUCTURES: [(Media, Structure); 11] = [
        (Media::Vp8, Structure::Flat),
        (Media::Vp8, Structure::Temporal),
        (Media::Vp9, Structure::Flat),
        (Media::Vp9, Structure::Temporal),
        (Media::Vp9, Structure::KeySvc),
        (Media::Vp9, Structure::Svc),
        (Media::H264, Structure::Flat),
        (Media::H265, Structure::Flat),
        (Media::Av1, Structure::Temporal),
        (Media::Av1, Structure::KeySvc),
        (Media::Av1, Structure::Svc),
    ];

    /// Everything an encoder makes in three seconds, with a key frame on request and a size switched off and on.
    fn encoded(media: Media, structure: Structure) -> Vec<Received> {
        let start = Instant::now();
        let publication = Publication::camera(media, false, structure);
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut source = Source::new("TR_1".into(), "0".into(), publication, &mut random, start);
        let mut table = None;
        let mut all: Vec<Received> = Vec::new();
        for ms in 0..3000 {
            let now = start + Duration::from_millis(ms);
            match ms {
                700 => source.request_keyframe(None, now),
                1000 => source.set_max_quality(Some(1)),
                2000 => source.set_max_quality(Some(2)),
                _ => {}
            }
            if source.next_at() > now {
                continue;
            }
            for packet in source.encode(now) {
                let (payload, is_marked) = (packet.payload, packet.is_marked);
                let (described, len) =
                    descriptor::read(media, &payload, is_marked, packet.dependency.as_ref(), &mut table).unwrap();
                all.push(Received {
                    at: now,
                    sequence: all.len() as u64,
                    timestamp: packet.timestamp,
                    media,
                    stamp: Stamp::read(&payload[len..]).unwrap(),
                    described,
                    payload_len: payload.len(),
                    is_marked,
                    has_trailer: false,
                });
            }
        }
        all
    }

    /// Frames decoded of what is left, numbered without holes as a forwarder would, and nothing told of decode targets.
    fn decoded(packets: &[Received], keep: impl Fn(&Stamp) -> bool) -> (usize, Vec<String>) {
        let mut packets = packets.to_vec();
        packets.iter_mut().for_each(|packet| packet.described.told = None);
        decoded_as_told(&packets, keep)
    }

    /// The same, with what the publisher told.
    fn decoded_as_told(packets: &[Received], keep: impl Fn(&Stamp) -> bool) -> (usize, Vec<String>) {
        let mut decoder = Decoder::default();
        let kept = packets.iter().filter(|packet| keep(&packet.stamp));
        let frames = (0..)
            .zip(kept)
            .map(|(sequence, packet)| decoder.receive(&Received { sequence, ..packet.clone() }).len());
        (frames.sum(), decoder.violations)
    }

    fn frames(packets: &[Received], keep: impl Fn(&Stamp) -> bool) -> usize {
        packets.iter().filter(|packet| packet.stamp.is_last() && keep(&packet.stamp)).count()
    }

    #[test]
    fn everything_published_can_be_decoded_and_says_what_it_is() {
        for (media, structure) in STRUCTURES {
            let packets = encoded(media, structure);
            for Received { stamp, described, .. } in &packets {
                assert_eq!(described.begins, stamp.is_first(), "{stamp:?}");
                assert_eq!((described.spatial, described.temporal), (stamp.spatial, stamp.temporal), "{stamp:?}");
            }
            let (count, violations) = decoded_as_told(&packets, |_| true);
            assert_eq!((count, violations), (frames(&packets, |_| true), vec![]), "{media:?} {structure:?}");
        }
    }

    #[test]
    fn what_nothing_builds_on_can_be_left_out_and_nothing_else() {
        for (media, structure) in STRUCTURES {
            let packets = encoded(media, structure);
            let top = structure.temporal_layers() - 1;
            // VP8's picture ids would have to be closed up as well: that is for the worker to do.
            if top > 0 && media != Media::Vp8 {
                let slower = |stamp: &Stamp| stamp.temporal < top;
                let (count, violations) = decoded(&packets, slower);
                assert_eq!((count, violations), (frames(&packets, slower), vec![]), "{media:?} {structure:?}");
            }
            // A base frame is missing and no sequence number tells of it.
            let gone = packets.iter().find(|p| p.stamp.picture == 8 && p.stamp.spatial == 0).unwrap().stamp.frame;
            let (_, violations) = decoded(&packets, |stamp| stamp.frame != gone);
            assert!(!violations.is_empty(), "{media:?} {structure:?}: nobody saw it");
        }
    }

    #[test]
    fn who_leaves_layers_out_without_telling_is_found_out() {
        for (media, structure) in STRUCTURES {
            let packets = encoded(media, structure);
            if packets[0].described.told.is_none() {
                continue;
            }
            let (_, violations) = decoded_as_told(&packets, |stamp| stamp.temporal < structure.temporal_layers() - 1);
            assert!(!violations.is_empty(), "{media:?} {structure:?}: every second picture is missing");
            if structure.spatial_layers() > 1 {
                let (_, violations) = decoded_as_told(&packets, |stamp| stamp.spatial < 2);
                assert!(!violations.is_empty(), "{media:?} {structure:?}: the largest size is missing");
            }
        }
    }

    #[test]
    fn smaller_sizes_stand_alone() {
        for (media, structure) in STRUCTURES.into_iter().filter(|(_, s)| s.spatial_layers() > 1) {
            let packets = encoded(media, structure);
            for size in 0..2 {
                let smaller = |stamp: &Stamp| stamp.spatial <= size;
                let (count, violations) = decoded(&packets, smaller);
                assert_eq!((count, violations), (frames(&packets, smaller), vec![]), "{media:?} {structure:?}");
            }
        }
    }
}
