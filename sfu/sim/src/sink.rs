//! A receiver: what came on a media section, whether it is what a decoder needs, and whether it was ours to see.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sluice_core::TrackId;
use str0m::media::Mid;

use crate::media::{Media, Picture, Stamp, tag};

/// A hole that is not filled by then will not be: the decoder asks for a key frame.
const GIVE_UP_AFTER: Duration = Duration::from_millis(300);
/// How long a sender keeps what it sent for sending it again.
const RESENT_FOR: Duration = Duration::from_secs(3);
/// How often a decoder repeats its request.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// A packet as it came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) media: Media,
    pub(crate) stamp: Stamp,
    pub(crate) picture: Option<Picture>,
}

/// What a client's page knows of a track it receives: from the round in which its section became sending to the
/// one in which it stopped.
#[derive(Debug)]
pub struct Sink {
    /// The track the page was told.
    pub track: TrackId,
    /// When it was told.
    pub opened_at: Instant,
    /// When it was told that nothing comes any more.
    pub closed_at: Option<Instant>,
    /// Packets of the track that came.
    pub packets: u64,
    /// When the first came.
    pub first_packet_at: Option<Instant>,
    /// When the last came.
    pub last_packet_at: Option<Instant>,
    /// Frames decoded (sound: packets played).
    pub frames: u64,
    /// When the first was.
    pub first_frame_at: Option<Instant>,
    /// When the last was.
    pub last_frame_at: Option<Instant>,
    /// Longest time between two frames.
    pub longest_freeze: Duration,
    /// Every layer decoded, in order, with the time of its first frame.
    pub layers: Vec<(Instant, u8)>,
    /// Key frames asked for.
    pub keyframe_requests: u64,
    decoder: Decoder,
}

#[derive(Debug, Default)]
struct Decoder {
    /// Packets that wait for earlier ones.
    waiting: BTreeMap<u64, (Instant, Stamp)>,
    /// The next packet to decode; unknown until a key frame was.
    next: Option<u64>,
    asked_at: Option<Instant>,
}

impl Sink {
    fn new(track: TrackId, now: Instant) -> Self {
        Self {
            track,
            opened_at: now,
            closed_at: None,
            packets: 0,
            first_packet_at: None,
            last_packet_at: None,
            frames: 0,
            first_frame_at: None,
            last_frame_at: None,
            longest_freeze: Duration::ZERO,
            layers: Vec::new(),
            keyframe_requests: 0,
            decoder: Decoder::default(),
        }
    }

    /// The layer decoded now.
    #[must_use]
    pub fn layer(&self) -> Option<u8> {
        self.layers.last().map(|(_, layer)| *layer)
    }

    /// True when the decoder wants a key frame asked for.
    fn receive(&mut self, packet: &Received) -> bool {
        self.packets += 1;
        self.first_packet_at.get_or_insert(packet.at);
        self.last_packet_at = Some(packet.at);
        if !packet.media.is_video() {
            self.decoded(&packet.stamp, packet.at);
            return false;
        }
        self.decoder.waiting.insert(packet.sequence, (packet.at, packet.stamp));
        while let Some(last) = self.decoder.next_frame() {
            let stamp = self.decoder.take_frame(last);
            self.decoded(&stamp, packet.at);
        }
        let asks = self.decoder.is_stuck(packet.at);
        self.keyframe_requests += u64::from(asks);
        asks
    }

    fn decoded(&mut self, stamp: &Stamp, at: Instant) {
        self.frames += 1;
        self.first_frame_at.get_or_insert(at);
        if let Some(last) = self.last_frame_at.replace(at) {
            self.longest_freeze = self.longest_freeze.max(at - last);
        }
        if self.layer() != Some(stamp.layer) {
            self.layers.push((at, stamp.layer));
        }
    }
}

impl Decoder {
    /// Sequence number of the last packet of the next whole frame that can be decoded.
    fn next_frame(&self) -> Option<u64> {
        let whole = |first: u64| {
            let stamp = self.waiting.get(&first)?.1;
            if !stamp.is_first() {
                return None;
            }
            let last = first + u64::from(stamp.packets) - 1;
            (first..=last).all(|sequence| self.waiting.contains_key(&sequence)).then_some(last)
        };
        match self.next {
            // A whole key frame makes what is missing before it needless.
            Some(next) => whole(next).or_else(|| self.entries().find_map(whole)),
            None => self.entries().find_map(whole),
        }
    }

    fn entries(&self) -> impl Iterator<Item = u64> {
        self.waiting
            .iter()
            .filter(|(_, (_, stamp))| stamp.is_entry())
            .map(|(sequence, _)| *sequence)
    }

    fn take_frame(&mut self, last: u64) -> Stamp {
        let stamp = self.waiting[&last].1;
        self.waiting = self.waiting.split_off(&(last + 1));
        self.next = Some(last + 1);
        self.asked_at = None;
        stamp
    }

    /// Nothing could be decoded for so long that a key frame must be asked for now.
    fn is_stuck(&mut self, now: Instant) -> bool {
        let Some((first_at, _)) = self.waiting.values().next().copied() else { return false };
        if now - first_at < GIVE_UP_AFTER || self.asked_at.is_some_and(|at| now - at < ASK_EVERY) {
            return false;
        }
        self.next = None;
        self.asked_at = Some(now);
        true
    }
}

/// A receiving section and everything that came on it: one SSRC, whatever tracks it carried.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Sinks in order of time; the last is open unless it says otherwise.
    pub(crate) sinks: Vec<Sink>,
    received: Vec<Received>,
    /// Packets while the section was closed: in flight, or ahead of the answer.
    pub(crate) unheard: u64,
    pub(crate) violations: Vec<String>,
}

impl Stream {
    /// The section is (still) said to carry the track, or none.
    pub(crate) fn set_track(&mut self, mid: Mid, track: Option<&TrackId>, now: Instant) {
        let open = self.sinks.last_mut().filter(|sink| sink.closed_at.is_none());
        match (open, track) {
            (Some(sink), Some(track)) if sink.track == *track => {}
            (Some(sink), Some(track)) => {
                // Browsers would fire no event: the old track's element would show the new track.
                let was = sink.track.clone();
                self.violations
                    .push(format!("section {mid} went from {was} to {track} without a round inactive"));
            }
            (Some(sink), None) => sink.closed_at = Some(now),
            (None, Some(track)) => self.sinks.push(Sink::new(track.clone(), now)),
            (None, None) => {}
        }
    }

    /// True when a key frame must be asked for.
    pub(crate) fn receive(&mut self, packet: Received) -> bool {
        self.received.push(packet);
        let Some(sink) = self.sinks.last().filter(|sink| sink.closed_at.is_none()) else {
            self.unheard += 1;
            return false;
        };
        if tag(sink.track.as_str()) == packet.stamp.track {
            return self.sinks.last_mut().is_some_and(|sink| sink.receive(&packet));
        }
        if self.is_straggler(&packet) {
            self.unheard += 1;
        } else {
            self.violations.push(format!("the sink of {} was given {:?}", sink.track, packet.stamp));
        }
        false
    }

    /// True for a packet of a track the section carried before, that was sent before its present track's first: in
    /// flight, or lost and sent again.
    fn is_straggler(&self, packet: &Received) -> bool {
        let of = |sink: &Sink| tag(sink.track.as_str());
        let Some((now, before)) = self.sinks.split_last() else { return false };
        let first = self.received.iter().filter(|p| p.stamp.track == of(now)).map(|p| p.sequence).min();
        let was_sent_before = match first {
            Some(first) => packet.sequence < first,
            None => packet.at.saturating_duration_since(now.opened_at) < RESENT_FOR,
        };
        was_sent_before && before.iter().any(|sink| of(sink) == packet.stamp.track)
    }

    /// What is wrong with the stream as a whole. `is_lossless`: the network lost and reordered nothing.
    pub(crate) fn audit(&self, is_lossless: bool) -> Vec<String> {
        let mut wrong = self.violations.clone();
        let mut packets: Vec<&Received> = self.received.iter().collect();
        packets.sort_by_key(|p| p.sequence);
        if let Some(first) = packets.first()
            && is_lossless
            && first.media.is_video()
            && !first.stamp.is_entry()
        {
            wrong.push(format!("begins with {:?}", first.stamp));
        }
        for pair in packets.windows(2) {
            let [before, after] = pair else { continue };
            let step = after.sequence - before.sequence;
            let between = format!("{} {:?} -> {} {:?}", before.sequence, before.stamp, after.sequence, after.stamp);
            if step == 0 {
                wrong.push(format!("sequence number twice: {between}"));
                continue;
            }
            if step > 1 && is_lossless {
                wrong.push(format!("hole of {}: {between}", step - 1));
            }
            if let Some(complaint) = neighbours(before, after, step == 1) {
                wrong.push(format!("{complaint}: {between}"));
            }
        }
        wrong
    }
}

/// What is wrong about a packet after another on one stream.
fn neighbours(before: &Received, after: &Received, is_next: bool) -> Option<&'static str> {
    let (a, b) = (&before.stamp, &after.stamp);
    let same_source = a.track == b.track && a.layer == b.layer;
    let same_frame = same_source && a.frame == b.frame;
    let ticks = after.timestamp.wrapping_sub(before.timestamp).cast_signed();
    if same_frame && ticks != 0 {
        return Some("one frame with two timestamps");
    }
    if !same_frame && ticks <= 0 {
        return Some("timestamp does not advance");
    }
    if same_source && b.frame < a.frame {
        return Some("frames out of order");
    }
    if !after.media.is_video() {
        return None;
    }
    let follows =
        same_frame && b.packet == a.packet + 1 || same_source && b.frame == a.frame + 1 && a.is_last() && b.is_first();
    if is_next && !follows && !b.is_entry() {
        return Some("a picture entered where no decoder can");
    }
    if let (Some(was), Some(is)) = (before.picture, after.picture) {
        let ahead = is.id.wrapping_sub(was.id) & 0x7fff;
        if same_frame && is != was {
            return Some("one frame with two picture ids");
        }
        if !same_frame && is_next && (ahead != 1 || is.tl0.wrapping_sub(was.tl0) != 1) {
            return Some("picture ids not continuous");
        }
        if !same_frame && !(1..0x4000).contains(&ahead) {
            return Some("picture ids go back");
        }
    }
    None
}
