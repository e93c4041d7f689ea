//! A receiver: what came on a media section, whether it is what a decoder needs, whether it was ours to see, and
//! how it looked.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use sluice_core::TrackId;
use str0m::media::Mid;

use crate::decoder::Decoder;
use crate::dependency::Table;
use crate::descriptor::{Described, Picture};
use crate::media::{Media, Stamp, tag};

/// Longer than this beyond the time to the next frame, and the eye sees it stand.
const FREEZE: Duration = Duration::from_millis(200);
/// How long a sender keeps what it sent for sending it again.
const RESENT_FOR: Duration = Duration::from_secs(3);
/// So long a player of sound waits for a piece after a later one came; then it makes something up.
const WAITED_FOR: Duration = Duration::from_millis(150);
/// A packet as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) media: Media,
    pub(crate) stamp: Stamp,
    pub(crate) described: Described,
    pub(crate) payload_len: usize,
    pub(crate) is_marked: bool,
    pub(crate) has_trailer: bool,
}

impl Received {
    fn picture(&self) -> Option<Picture> {
        self.described.picture.filter(|_| self.media == Media::Vp8)
    }
}

/// A picture that stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freeze {
    /// When the next one came.
    pub ended_at: Instant,
    /// How long it stood beyond the time to its next frame.
    pub lasted: Duration,
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
    /// One number for all of them and what they carried: two sinks for which it is the same got the same.
    pub fingerprint: u64,
    /// Packets that ended in a trailer.
    pub trailers: u64,
    /// Codecs it came in, in order.
    pub codecs: Vec<Media>,
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
    /// Pictures that stood for more than 200 ms beyond their time.
    pub freezes: Vec<Freeze>,
    /// Every layer decoded, in order, with the time of its first frame. Of a scalable stream: the largest size of
    /// each picture.
    pub layers: Vec<(Instant, u8)>,
    /// Bytes of payload that were played, by time.
    pub delivered: Vec<(Instant, usize)>,
    /// Pieces of sound that came in time to be heard, by number, with the time they came.
    pub sound: BTreeMap<u32, Instant>,
    /// Pieces of sound that were repeated by later packets, needed or not.
    pub repeated: u64,
    /// Frames decoded of each quality.
    pub frames_by_quality: [u64; 3],
    /// Key frames asked for.
    pub keyframe_requests: u64,
    decoder: Decoder,
    /// Picture whose frames are decoded now and the largest size of it.
    picture: Option<(u32, u8)>,
    /// A size above the smallest was seen within a picture.
    is_scalable: bool,
}

impl Sink {
    fn new(track: TrackId, now: Instant) -> Self {
        Self {
            track,
            opened_at: now,
            closed_at: None,
            packets: 0,
            fingerprint: 0,
            trailers: 0,
            codecs: Vec::new(),
            first_packet_at: None,
            last_packet_at: None,
            frames: 0,
            first_frame_at: None,
            last_frame_at: None,
            longest_freeze: Duration::ZERO,
            freezes: Vec::new(),
            layers: Vec::new(),
            delivered: Vec::new(),
            sound: BTreeMap::new(),
            repeated: 0,
            frames_by_quality: [0; 3],
            keyframe_requests: 0,
            decoder: Decoder::default(),
            picture: None,
            is_scalable: false,
        }
    }

    /// The layer decoded now.
    #[must_use]
    pub fn layer(&self) -> Option<u8> {
        self.layers.last().map(|(_, layer)| *layer)
    }

    /// A packet's part in the fingerprint. Added up, since packets of one instant have no order.
    fn fingerprint_of(packet: &Received) -> u64 {
        let mut hasher = DefaultHasher::new();
        let Received { sequence, timestamp, payload_len, is_marked, .. } = packet;
        (sequence, timestamp, payload_len, is_marked).hash(&mut hasher);
        hasher.finish()
    }

    /// True when the decoder wants a key frame asked for.
    fn receive(&mut self, packet: &Received) -> bool {
        self.packets += 1;
        self.fingerprint = self.fingerprint.wrapping_add(Self::fingerprint_of(packet));
        self.trailers += u64::from(packet.has_trailer);
        if self.codecs.last() != Some(&packet.media) {
            self.codecs.push(packet.media);
            // Browsers make another decoder.
            self.decoder.renew();
        }
        self.first_packet_at.get_or_insert(packet.at);
        self.last_packet_at = Some(packet.at);
        if !packet.media.is_video() {
            self.delivered.push((packet.at, packet.payload_len));
            self.hear(&packet.stamp, packet.at);
            self.played(&packet.stamp, packet.at);
            return false;
        }
        for (stamp, len) in self.decoder.receive(packet) {
            self.delivered.push((packet.at, len));
            self.decoded(&stamp, packet.at);
        }
        let asks = self.decoder.is_stuck(packet.at);
        self.keyframe_requests += u64::from(asks);
        asks
    }

    /// A piece of sound came, by itself or repeated by a later packet.
    fn hear(&mut self, stamp: &Stamp, at: Instant) {
        let overtaken_at = self.sound.range(stamp.frame + 1..).map(|(_, at)| *at).min();
        if overtaken_at.is_none_or(|overtaken| at.saturating_duration_since(overtaken) <= WAITED_FOR) {
            self.sound.entry(stamp.frame).or_insert(at);
        }
    }

    fn decoded(&mut self, stamp: &Stamp, at: Instant) {
        self.frames_by_quality[usize::from(stamp.quality().min(2))] += 1;
        if let Some((picture, best)) = &mut self.picture
            && *picture == stamp.picture
            && stamp.spatial > 0
        {
            *best = stamp.spatial;
            self.is_scalable = true;
            return;
        }
        // Sizes of one encoding: known when its next picture begins. Encodings of a simulcast: at once.
        if let Some((_, best)) = self.picture.replace((stamp.picture, stamp.quality()))
            && self.is_scalable
        {
            self.show(best, at);
        }
        if !self.is_scalable {
            self.show(stamp.quality(), at);
        }
        self.played(stamp, at);
    }

    fn show(&mut self, quality: u8, at: Instant) {
        if self.layer() != Some(quality) {
            self.layers.push((at, quality));
        }
    }

    /// A picture or a piece of sound.
    fn played(&mut self, stamp: &Stamp, at: Instant) {
        self.frames += 1;
        self.first_frame_at.get_or_insert(at);
        if let Some(last) = self.last_frame_at.replace(at) {
            self.longest_freeze = self.longest_freeze.max(at - last);
            let lasted = (at - last).saturating_sub(Duration::from_millis(stamp.interval_ms.into()));
            if lasted > FREEZE {
                self.freezes.push(Freeze { ended_at: at, lasted });
            }
        }
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
    /// Something came before the description that names its SSRC, and no engine takes that.
    pub(crate) has_missed_packets: bool,
    pub(crate) violations: Vec<String>,
    /// The structure of AV1 or VP9 last announced.
    pub(crate) table: Option<Table>,
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
        let asks = self.hear(&packet);
        self.received.push(packet);
        asks
    }

    /// A packet of RED repeats a piece of sound; `None`: it cannot be read.
    pub(crate) fn repeat(&mut self, stamp: Option<Stamp>, now: Instant) {
        let Some(sink) = self.sinks.last_mut().filter(|sink| sink.closed_at.is_none()) else { return };
        match stamp {
            Some(stamp) if tag(sink.track.as_str()) == stamp.track => {
                sink.repeated += 1;
                sink.hear(&stamp, now);
            }
            _ => self.violations.push(format!("the sink of {} was repeated {stamp:?}", sink.track)),
        }
    }

    fn hear(&mut self, packet: &Received) -> bool {
        let Some(sink) = self.sinks.last_mut().filter(|sink| sink.closed_at.is_none()) else {
            self.unheard += 1;
            return false;
        };
        if tag(sink.track.as_str()) == packet.stamp.track {
            return sink.receive(packet);
        }
        let complaint = format!("the sink of {} was given {:?}", sink.track, packet.stamp);
        if self.is_straggler(packet) {
            self.unheard += 1;
        } else {
            self.violations.push(complaint);
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
        wrong.extend(self.sinks.iter().flat_map(|sink| sink.decoder.violations.clone()));
        let mut packets: Vec<&Received> = self.received.iter().collect();
        packets.sort_by_key(|p| p.sequence);
        if let Some(first) = packets.first()
            && is_lossless
            && !self.has_missed_packets
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
            if let Some(complaint) = neighbours(before, after, step == 1, is_lossless) {
                wrong.push(format!("{complaint}: {between}"));
            }
        }
        wrong
    }
}

/// What is wrong about a packet after another on one stream.
fn neighbours(before: &Received, after: &Received, is_next: bool, is_lossless: bool) -> Option<&'static str> {
    let (a, b) = (&before.stamp, &after.stamp);
    let same_source = a.track == b.track && a.layer == b.layer && before.media == after.media;
    let same_frame = same_source && a.frame == b.frame;
    let same_picture = same_source && a.picture == b.picture;
    let ticks = after.timestamp.wrapping_sub(before.timestamp).cast_signed();
    if same_picture && ticks != 0 {
        return Some("one picture with two timestamps");
    }
    if !same_picture && ticks <= 0 {
        return Some("timestamp does not advance");
    }
    if same_source && b.frame < a.frame {
        return Some("frames out of order");
    }
    if !after.media.is_video() {
        return None;
    }
    // That what a frame builds on was sent before it, the decoder says.
    let follows =
        same_frame && b.packet == a.packet + 1 || same_source && b.frame > a.frame && a.is_last() && b.is_first();
    if is_next && !follows && !b.is_entry() {
        return Some("a picture entered where no decoder can");
    }
    // Where a publisher's network delays the first frame of a picture over a change of layers, the picture's end is
    // not known in time. And another encoding may begin in the middle of the last picture of the one before.
    if is_next && same_source && is_lossless && before.is_marked == same_picture {
        return Some("the marker is not at the end of the picture");
    }
    if let (Some(was), Some(is)) = (before.picture(), after.picture()) {
        let ahead = is.id.wrapping_sub(was.id) & 0x7fff;
        if same_frame && is != was {
            return Some("one frame with two picture ids");
        }
        let base = u8::from(b.temporal == 0);
        if !same_frame && is_next && (ahead != 1 || is.tl0.wrapping_sub(was.tl0) != base) {
            return Some("picture ids not continuous");
        }
        if !same_frame && !(1..0x4000).contains(&ahead) {
            return Some("picture ids go back");
        }
    }
    None
}
