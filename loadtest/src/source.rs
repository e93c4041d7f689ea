//! A synthetic encoder: frames in time, of sizes that follow a rate, key frames when asked, sizes that stop when
//! nobody wants them, and a pacer behind it. What it makes looks like encoded media to everything that forwards it,
//! and does not decode. Knows no transport: packets come out one by one, when they are due.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::clip::{self, Picture, Voice};
use crate::clock::Clock;
use crate::number::{ceil, float};
use crate::publication::Content;
use crate::stamp::{STAMP_LEN, Stamp};
use crate::vp8;

/// Names of the sizes, as LiveKit's clients call them.
pub(crate) const RIDS: [&str; 3] = ["q", "h", "f"];
/// Bytes of payload in a full packet: what fits everywhere with headers and SRTP.
const MAX_PAYLOAD_LEN: u64 = 1100;
/// A key frame against the mean frame of its size.
const KEYFRAME_WEIGHT: f64 = 6.0;
/// Temporal layer and weight of each frame in turn: every second and every fourth can be left out.
const TEMPORAL_PATTERN: [(u8, f64); 4] = [(0, 1.6), (2, 0.8), (1, 0.8), (2, 0.8)];
/// Browsers' pacers send at 2.5 times the mean rate, in bursts every 5 ms.
const PACING_FACTOR: f64 = 2.5;
const PACING_GRAIN: Duration = Duration::from_millis(5);
/// Packets behind the pacer, a second of the largest size at most; an encoder whose pacer is full drops frames.
const MAX_PACED: usize = 400;
/// Packets of a frame where all packets are alike.
const UNIFORM_FRAME: u8 = 8;
/// A source that fell behind by more than this leaves out what it missed: it is a load, not a debt.
const MAX_LAG: Duration = Duration::from_millis(500);
/// How often it looks whether its connection is ready.
const NOT_READY: Duration = Duration::from_millis(10);

const SOUND_INTERVAL: Duration = Duration::from_millis(20);
/// Opus in DTX sends a frame this often.
const SILENCE_INTERVAL: Duration = Duration::from_millis(400);
/// What Opus says of 20 ms of nothing, and a decoder fills with nothing until the next.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
/// Levels in -dBov (RFC 6464): speech, and digital silence.
const SPEECH_DBOV: i8 = -22;
const SILENCE_DBOV: i8 = -127;

/// What was sent of one encoding inside the window that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Number of the first packet.
    pub(crate) first: u32,
    /// Number of the last packet.
    pub(crate) last: u32,
}

/// A packet that is due.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) rid: Option<&'static str>,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) is_marked: bool,
    /// With a stamp, whose time is when it was taken from the source.
    pub(crate) payload: Vec<u8>,
    /// Level in -dBov, of sound.
    pub(crate) level: Option<i8>,
    pub(crate) stamp: Stamp,
    /// How long after its time it was taken.
    pub(crate) late: Duration,
}

#[derive(Debug)]
struct Encoding {
    rid: Option<&'static str>,
    /// Somebody looks at it, as far as the server says.
    is_wanted: bool,
    wants_keyframe: bool,
    /// The frame under way is a key frame.
    is_keyframe: bool,
    frame: u32,
    number: u32,
    pattern: usize,
    sequence_base: u64,
    timestamp_base: u32,
    picture_base: u16,
    tl0: u8,
    timestamp: u32,
    sent: Option<Sent>,
}

/// A track that is published.
#[derive(Debug)]
pub(crate) struct Source {
    /// The track's number in the run.
    pub(crate) track: u32,
    content: Content,
    encodings: Vec<Encoding>,
    started_at: Instant,
    next_at: Instant,
    paced: VecDeque<(Instant, Outgoing)>,
    paced_until: Instant,
    speaks_until: Instant,
    is_speaking: bool,
    /// Where in its clip it is.
    place: usize,
    random: ChaCha8Rng,
}

impl Source {
    pub(crate) fn new(track: u32, content: Content, seed: u64, now: Instant) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let rids: &[Option<&'static str>] = if matches!(content, Content::Camera { .. }) {
            &[Some(RIDS[0]), Some(RIDS[1]), Some(RIDS[2])]
        } else {
            &[None]
        };
        let encodings = rids
            .iter()
            .map(|rid| Encoding {
                rid: *rid,
                is_wanted: true,
                wants_keyframe: true,
                is_keyframe: false,
                frame: 0,
                number: 0,
                pattern: 0,
                sequence_base: random.random_range(1..30_000),
                timestamp_base: random.random(),
                picture_base: random.random_range(0..0x8000),
                tl0: random.random(),
                timestamp: 0,
                sent: None,
            })
            .collect();
        // Tracks that begin together do not tick together.
        let next_at = now + random.random_range(Duration::ZERO..Duration::from_millis(33));
        Self {
            track,
            content,
            encodings,
            started_at: now,
            next_at,
            paced: VecDeque::new(),
            paced_until: now,
            speaks_until: now,
            // Nor do those who speak begin together, nor clips.
            is_speaking: random.random(),
            place: random.random_range(0..1000),
            random,
        }
    }

    /// What it sends.
    pub(crate) fn content(&self) -> Content {
        self.content
    }

    /// When it has something to do.
    pub(crate) fn next_at(&self) -> Instant {
        self.paced.front().map_or(self.next_at, |(at, _)| self.next_at.min(*at))
    }

    /// Its connection is not ready; it looks again a little later.
    pub(crate) fn wait(&mut self, now: Instant) {
        self.next_at = now + NOT_READY;
        self.paced.clear();
    }

    /// Somebody cannot decode an encoding; `None` is the only one.
    pub(crate) fn request_keyframe(&mut self, rid: Option<&str>) {
        for encoding in self.encodings.iter_mut().filter(|encoding| encoding.rid == rid) {
            encoding.wants_keyframe = true;
        }
    }

    /// The server says which of the sizes, smallest first, somebody looks at.
    pub(crate) fn set_wanted(&mut self, size: usize, is_wanted: bool) {
        if let Some(encoding) = self.encodings.get_mut(size).filter(|encoding| encoding.is_wanted != is_wanted) {
            encoding.is_wanted = is_wanted;
            encoding.wants_keyframe |= is_wanted;
        }
    }

    /// What was sent of each encoding inside the window, smallest first.
    pub(crate) fn sent(&self) -> impl Iterator<Item = Option<Sent>> {
        self.encodings.iter().map(|encoding| encoding.sent)
    }

    /// The next packet that is due, stamped; `None` when none is due yet. `is_measured`: it counts as sent in the
    /// window.
    pub(crate) fn poll(&mut self, now: Instant, clock: Clock, is_measured: bool) -> Option<Outgoing> {
        if self.next_at <= now {
            if now.saturating_duration_since(self.next_at) > MAX_LAG {
                self.next_at = now;
            }
            self.encode();
        }
        let (at, mut outgoing) = self.paced.pop_front_if(|(at, _)| *at <= now)?;
        outgoing.late = now.saturating_duration_since(at);
        outgoing.stamp.sent_ns = clock.nanos(now);
        if self.content.is_stamped() {
            outgoing.stamp.write(&mut outgoing.payload);
        }
        let number = outgoing.stamp.number;
        let encoding = self.encodings.get_mut(usize::from(outgoing.stamp.encoding)).filter(|_| is_measured);
        if let Some(encoding) = encoding {
            let first = encoding.sent.map_or(number, |sent| sent.first);
            encoding.sent = Some(Sent { first, last: number });
        }
        Some(outgoing)
    }

    /// Encodes what is due at `next_at` and sets the next time.
    fn encode(&mut self) {
        let at = self.next_at;
        match self.content {
            Content::Camera { fps, kbps } => {
                self.next_at = at + Duration::from_secs(1) / u32::from(fps.max(1));
                if self.paced.len() < MAX_PACED {
                    self.encode_picture(at, fps, kbps);
                }
            }
            Content::Packets { per_second, bytes, burst } => {
                self.next_at = at + Duration::from_secs(1) * u32::from(burst.max(1)) / per_second.max(1);
                for _ in 0..burst.max(1) {
                    self.encode_uniform(at, bytes);
                }
            }
            Content::Speech { kbps } => self.encode_speech(at, kbps),
            Content::GuestPicture { guest } => {
                self.next_at = at + Duration::from_secs(1) / clip::FRAMES_PER_SECOND;
                self.play_picture(at, Picture::of(guest));
            }
            Content::GuestVoice { guest } => self.play_voice(at, Voice::of(guest)),
        }
    }

    fn encode_picture(&mut self, at: Instant, fps: u16, kbps: [u32; 3]) {
        let activity = self.random.random_range(0.7..1.3);
        let timestamp = self.ticks(at);
        let wanted_kbps: u64 = self
            .encodings
            .iter()
            .zip(kbps)
            .filter(|(e, _)| e.is_wanted)
            .map(|(_, k)| u64::from(k))
            .sum();
        let paced_bps = (float(wanted_kbps) * 1000.0 * PACING_FACTOR).max(100_000.0);
        self.paced_until = self.paced_until.max(at);
        for (index, kbps) in (0_u8..).zip(kbps) {
            let Some(encoding) = self.encodings.get_mut(usize::from(index)).filter(|e| e.is_wanted) else { continue };
            encoding.begin_frame(timestamp);
            if encoding.is_keyframe {
                encoding.pattern = 0;
            }
            let (temporal, weight) = TEMPORAL_PATTERN[encoding.pattern % TEMPORAL_PATTERN.len()];
            if temporal == 0 {
                encoding.tl0 = encoding.tl0.wrapping_add(1);
            }
            let weight = if encoding.is_keyframe { KEYFRAME_WEIGHT } else { weight };
            let mean = float(u64::from(kbps)) * 1000.0 / 8.0 / f64::from(fps.max(1));
            let (count, len) = split(ceil(mean * weight * activity));
            let lines = 180 << index;
            for packet in 0..count {
                let descriptor = encoding.descriptor(packet, temporal, encoding.pattern % 4 < 3);
                let outgoing = encoding.packet(self.track, index, packet, count, len, &descriptor, lines);
                let slots = self.paced_until.saturating_duration_since(at).as_nanos() / PACING_GRAIN.as_nanos();
                let due = at + PACING_GRAIN * u32::try_from(slots).unwrap_or(u32::MAX).min(1000);
                self.paced.push_back((due, outgoing));
                self.paced_until += Duration::from_secs_f64(float(len as u64 + 60) * 8.0 / paced_bps);
            }
            encoding.pattern += 1;
            encoding.frame = encoding.frame.wrapping_add(1);
        }
    }

    fn encode_uniform(&mut self, at: Instant, bytes: u16) {
        let timestamp = self.ticks(at);
        let Some(encoding) = self.encodings.first_mut() else { return };
        let packet = u8::try_from(encoding.number % u32::from(UNIFORM_FRAME)).unwrap_or(0);
        if packet == 0 {
            encoding.begin_frame(timestamp);
            encoding.tl0 = encoding.tl0.wrapping_add(1);
        }
        let descriptor = encoding.descriptor(packet, 0, true);
        let mut outgoing = encoding.packet(self.track, 0, packet, UNIFORM_FRAME, usize::from(bytes), &descriptor, 720);
        outgoing.stamp.is_uniform = true;
        if packet + 1 == UNIFORM_FRAME {
            encoding.frame = encoding.frame.wrapping_add(1);
        }
        self.paced.push_back((at, outgoing));
    }

    fn encode_speech(&mut self, at: Instant, kbps: u32) {
        self.speak_or_listen(at);
        let mean = float(u64::from(kbps)) * 1000.0 / 8.0 / 50.0;
        let len = if self.is_speaking { ceil(mean * self.random.random_range(0.7..1.3)) } else { 0 };
        let len = usize::try_from(len.min(MAX_PAYLOAD_LEN)).unwrap_or(0).max(STAMP_LEN + 1);
        // A table of contents as of one 20 ms frame of wideband speech (RFC 6716 section 3.1), then noise.
        let mut payload = vec![0x48];
        payload.resize(len, 0x5a);
        self.push_sound(at, payload, if self.is_speaking { SPEECH_DBOV } else { SILENCE_DBOV });
    }

    /// Spells of speech and of listening, some seconds each.
    fn speak_or_listen(&mut self, at: Instant) {
        if self.speaks_until <= at {
            self.is_speaking = !self.is_speaking;
            let spell = if self.is_speaking { 1500..5000 } else { 1000..6000 };
            self.speaks_until = at + Duration::from_millis(self.random.random_range(spell));
        }
        let interval = if self.is_speaking { SOUND_INTERVAL } else { SILENCE_INTERVAL };
        self.next_at = at + interval.min(self.speaks_until.saturating_duration_since(at).max(SOUND_INTERVAL));
    }

    fn push_sound(&mut self, at: Instant, payload: Vec<u8>, level: i8) {
        let timestamp = self.ticks(at);
        let Some(encoding) = self.encodings.first_mut() else { return };
        encoding.begin_frame(timestamp);
        let mut outgoing = encoding.outgoing(self.track, 0, 0, 1, payload);
        outgoing.level = Some(level);
        outgoing.stamp.is_uniform = true;
        outgoing.stamp.is_video = false;
        outgoing.is_marked = false;
        encoding.frame = encoding.frame.wrapping_add(1);
        self.paced.push_back((at, outgoing));
    }

    fn play_voice(&mut self, at: Instant, voice: &Voice) {
        self.speak_or_listen(at);
        let sound = voice.sound(self.place).filter(|_| self.is_speaking);
        self.place = self.place.wrapping_add(usize::from(self.is_speaking));
        let (payload, level) = sound.map_or((&SILENCE[..], SILENCE_DBOV), |sound| (sound.packet, sound.level));
        self.push_sound(at, payload.to_vec(), level);
    }

    /// The next frame of a clip. One that is asked to begin anew goes on where the clip can be entered.
    fn play_picture(&mut self, at: Instant, picture: &Picture) {
        let timestamp = self.ticks(at);
        let Some(encoding) = self.encodings.first_mut() else { return };
        if encoding.wants_keyframe {
            self.place = picture.next_keyframe(self.place);
        }
        let frame = picture.frame(self.place);
        self.place = self.place.wrapping_add(1);
        encoding.begin_frame(timestamp);
        encoding.is_keyframe = clip::is_keyframe(frame);
        encoding.tl0 = encoding.tl0.wrapping_add(1);
        let (count, len) = split(frame.len() as u64);
        for (packet, part) in (0..count).zip(frame.chunks(len)) {
            let mut payload = encoding.descriptor(packet, 0, true).write().to_vec();
            payload.extend(part);
            let outgoing = encoding.outgoing(self.track, 0, packet, count, payload);
            self.paced.push_back((at, outgoing));
        }
        encoding.frame = encoding.frame.wrapping_add(1);
    }

    fn ticks(&self, at: Instant) -> u32 {
        let clock_hz = if self.content.is_video() { 90_000 } else { 48_000 };
        let ticks = at.saturating_duration_since(self.started_at).as_micros() * clock_hz / 1_000_000;
        u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(0)
    }
}

impl Encoding {
    fn begin_frame(&mut self, ticks: u32) {
        self.is_keyframe = std::mem::take(&mut self.wants_keyframe);
        self.timestamp = self.timestamp_base.wrapping_add(ticks);
    }

    fn descriptor(&self, packet: u8, temporal: u8, builds_on_base: bool) -> vp8::Descriptor {
        let [_, _, high, low] = self.frame.to_be_bytes();
        vp8::Descriptor {
            picture_id: self.picture_base.wrapping_add(u16::from_be_bytes([high, low])) & 0x7fff,
            tl0_pic_idx: self.tl0,
            temporal,
            is_layer_sync: temporal > 0 && builds_on_base,
            starts_frame: packet == 0,
            is_discardable: temporal == 2,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a packet")]
    fn packet(
        &mut self,
        track: u32,
        index: u8,
        packet: u8,
        packets: u8,
        len: usize,
        descriptor: &vp8::Descriptor,
        lines: u16,
    ) -> Outgoing {
        let mut payload = Vec::with_capacity(len.max(64));
        payload.extend(descriptor.write());
        if packet == 0 && self.is_keyframe {
            payload.extend(vp8::keyframe_head(lines / 9 * 16, lines));
        } else if packet == 0 {
            payload.extend(vp8::DELTA_HEAD);
        }
        payload.resize(len.max(payload.len() + STAMP_LEN), 0x5a);
        self.outgoing(track, index, packet, packets, payload)
    }

    fn outgoing(&mut self, track: u32, index: u8, packet: u8, packets: u8, payload: Vec<u8>) -> Outgoing {
        let stamp = Stamp {
            track,
            encoding: index,
            is_keyframe: self.is_keyframe,
            is_uniform: false,
            is_video: true,
            packet,
            packets,
            frame: self.frame,
            number: self.number,
            sent_ns: 0,
        };
        let sequence = self.sequence_base + u64::from(self.number);
        self.number = self.number.wrapping_add(1);
        Outgoing {
            rid: self.rid,
            sequence,
            timestamp: self.timestamp,
            is_marked: packet + 1 == packets,
            payload,
            level: None,
            stamp,
            late: Duration::ZERO,
        }
    }
}

/// Packets of a frame and the bytes of each: as equal as can be.
fn split(len: u64) -> (u8, usize) {
    let count = len.div_ceil(MAX_PAYLOAD_LEN).clamp(1, 250);
    let each = len.div_ceil(count).clamp(64, MAX_PAYLOAD_LEN);
    (u8::try_from(count).unwrap_or(u8::MAX), usize::try_from(each).unwrap_or(64))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use super::*;

    /// Everything a source sends in virtual time.
    fn play(source: &mut Source, from: Instant, length: Duration) -> Vec<(Duration, Outgoing)> {
        let clock = Clock::new(from, 0);
        let mut packets = Vec::new();
        while source.next_at() < from + length {
            let now = source.next_at();
            while let Some(packet) = source.poll(now, clock, true) {
                packets.push((now - from, packet));
            }
        }
        packets
    }

    const SECONDS: u64 = 10;

    fn ten_seconds(content: Content) -> Vec<(Duration, Outgoing)> {
        let now = Instant::now();
        play(&mut Source::new(7, content, 1, now), now, Duration::from_secs(SECONDS))
    }

    #[test]
    fn a_camera_keeps_its_rates_and_frames() {
        let packets = ten_seconds(Content::CAMERA);
        for (rid, kbps) in RIDS.iter().zip([160.0, 450.0, 1700.0]) {
            let of: Vec<_> = packets.iter().map(|(_, p)| p).filter(|p| p.rid == Some(*rid)).collect();
            let sent_kbps = of.iter().map(|p| p.payload.len()).sum::<usize>() as f64 * 8.0 / 10_000.0;
            assert!((sent_kbps / kbps - 1.0).abs() < 0.1, "{rid}: {sent_kbps} kbit/s");
            let frames = of.iter().filter(|p| p.is_marked).count();
            assert!((298..=300).contains(&frames), "{rid}: {frames} frames");
            assert!(of.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
            let of_layers = of.iter().filter(|p| p.is_marked).fold(BTreeMap::new(), |mut count, p| {
                *count
                    .entry(sluice_rtp::vp8::Descriptor::parse(&p.payload).unwrap().temporal_layer)
                    .or_insert(0) += 1;
                count
            });
            assert!(of_layers[&Some(2)] >= 148, "{of_layers:?}");
        }
    }

    #[test]
    fn uniform_packets_are_even_or_in_bursts() {
        for burst in [1, 8] {
            let packets = ten_seconds(Content::Packets { per_second: 240, bytes: 1100, burst });
            assert!((2376..=2400).contains(&packets.len()), "{}", packets.len());
            assert!(packets.iter().all(|(_, p)| p.payload.len() == 1100 && p.stamp.is_uniform));
            let apart: Vec<_> = packets.windows(2).map(|pair| pair[1].0 - pair[0].0).filter(|d| !d.is_zero()).collect();
            let expected = Duration::from_secs(1) * u32::from(burst) / 240;
            assert!(apart.iter().all(|d| d.abs_diff(expected) < Duration::from_micros(10)), "{apart:?}");
        }
    }

    #[test]
    fn speech_pauses_and_says_so() {
        let packets = ten_seconds(Content::MICROPHONE);
        let (speech, silence): (Vec<_>, Vec<_>) = packets.iter().partition(|(_, p)| p.level == Some(SPEECH_DBOV));
        assert!(speech.len() > 50 && silence.len() > 2, "{} {}", speech.len(), silence.len());
        assert!(packets.len() < 500, "pauses are nearly silent");
    }

    #[test]
    fn a_request_brings_a_key_frame_and_an_unwanted_size_stops() {
        let now = Instant::now();
        let mut source = Source::new(7, Content::CAMERA, 1, now);
        let keyframes = |packets: &[(Duration, Outgoing)], rid| {
            packets
                .iter()
                .filter(|(_, p)| p.rid == Some(rid) && p.stamp.is_keyframe && p.is_marked)
                .count()
        };
        let first = play(&mut source, now, Duration::from_secs(1));
        assert_eq!([keyframes(&first, "q"), keyframes(&first, "f")], [1, 1], "each begins with one");
        source.request_keyframe(Some("q"));
        source.set_wanted(2, false);
        let second = play(&mut source, now, Duration::from_secs(2));
        assert_eq!([keyframes(&second, "q"), keyframes(&second, "f")], [1, 0]);
        // What the pacer still held of the largest size is all that came of it.
        assert!(second.iter().skip(20).all(|(_, p)| p.rid != Some("f")));
        source.set_wanted(2, true);
        assert_eq!(
            keyframes(&play(&mut source, now, Duration::from_secs(3)), "f"),
            1,
            "it comes back with a key frame"
        );
    }

    #[test]
    fn a_guest_shows_its_clip_and_begins_anew_when_asked() {
        let now = Instant::now();
        let mut source = Source::new(7, Content::GuestPicture { guest: 1 }, 1, now);
        let frames = |packets: &[(Duration, Outgoing)]| {
            packets
                .chunk_by(|(_, a), (_, b)| a.timestamp == b.timestamp)
                .fold(Vec::new(), |mut frames, packets| {
                    let parts = packets.iter().map(|(_, p)| &p.payload[vp8::DESCRIPTOR_LEN..]);
                    frames.push(parts.collect::<Vec<_>>().concat());
                    frames
                })
        };
        let shown = frames(&play(&mut source, now, Duration::from_millis(500)));
        let picture = Picture::of(1);
        let begin = (0..180).find(|place| picture.frame(*place) == shown[0]).unwrap();
        assert!(clip::is_keyframe(&shown[0]) && shown.len() >= 7);
        assert!(shown.iter().enumerate().all(|(n, frame)| frame == picture.frame(begin + n)));
        source.request_keyframe(None);
        let anew = frames(&play(&mut source, now, Duration::from_secs(1)));
        assert!(anew[0] == picture.frame(begin + 30), "the next place where a decoder can begin");
    }

    #[test]
    fn a_guest_speaks_in_spells() {
        let packets = ten_seconds(Content::GuestVoice { guest: 2 });
        let silences = packets.iter().filter(|(_, p)| p.payload == SILENCE).count();
        assert!(silences > 2 && packets.len() - silences > 50, "{silences} of {}", packets.len());
    }

    #[test]
    fn one_seed_is_one_stream() {
        let (a, b) = (ten_seconds(Content::CAMERA), ten_seconds(Content::CAMERA));
        assert!(
            a.iter()
                .zip(&b)
                .all(|((_, a), (_, b))| a.payload == b.payload && a.sequence == b.sequence)
        );
    }

    #[test]
    fn what_was_missed_is_not_made_up_for() {
        let now = Instant::now();
        let mut source = Source::new(7, Content::Packets { per_second: 240, bytes: 100, burst: 1 }, 1, now);
        let late = now + Duration::from_secs(60);
        let clock = Clock::new(now, 0);
        assert!(source.poll(late, clock, false).is_some());
        assert!(source.next_at() >= late);
    }
}
