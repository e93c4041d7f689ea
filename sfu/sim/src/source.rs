//! An encoder as browsers have it: frames in time, of sizes that follow a rate, key frames when asked, layers
//! that go when the rate is short or nobody wants them, and a pacer behind it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sluice_core::TrackId;
use str0m::media::{Mid, Pt, Rid};
use str0m::rtp::{ExtensionValues, RtpWrite};

use crate::dependency::Dependency;
use crate::descriptor::Frame;
use crate::film::Film;
use crate::media::{Media, Stamp, Structure, TRAILER, tag};
use crate::red;

const RIDS: [&str; 3] = ["q", "h", "f"];
/// Level of simulated speech in -dBov.
const SPEECH_DBOV: i8 = -20;
/// Bytes of payload in a full packet.
const MAX_PAYLOAD_LEN: usize = 1100;
/// A key frame against the mean frame of its layer.
const KEYFRAME_FACTOR: f64 = 6.0;
/// How much faster than its mean rate a sender's pacer lets packets go.
const PACING_FACTOR: f64 = 2.5;
/// Packets behind the pacer: a key frame of the largest layer is 60; beyond this an encoder drops frames.
const MAX_PACED: usize = 600;
/// An encoder gives up a layer below this share of its full rate.
const MIN_SHARE: f64 = 0.5;
/// ...and takes it up again only with this much to spare.
const UP_SHARE: f64 = 0.75;
/// A share of a mean frame, by position in the pattern of three frame rates: T0 T2 T1 T2.
const TEMPORAL_PATTERN: [(u8, f64); 4] = [(0, 1.6), (2, 0.8), (1, 0.8), (2, 0.8)];

/// How much a publication sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// A few packets in each frame, always as many: for tests of other things.
    Scaled,
    /// A camera: frames in a second and full rate of each layer in kbit/s.
    Camera {
        /// Frames in a second.
        fps: u16,
        /// Lowest layer first.
        kbps: [u16; 3],
    },
    /// A shared screen: most often still (a frame in a second), sometimes scrolled for a while.
    Screen {
        /// While scrolled.
        kbps: u16,
    },
    /// Speech with pauses, in which Opus falls nearly silent (DTX).
    Speech,
}

/// What a client publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// Its codec.
    pub media: Media,
    /// Three encodings `q`, `h`, `f`.
    pub is_simulcast: bool,
    /// How each encoding is built.
    pub structure: Structure,
    /// How much it sends.
    pub load: Load,
    /// Bodies are encrypted end to end.
    pub is_encrypted: bool,
    /// Frames end in a packet trailer.
    pub has_trailers: bool,
    /// Packets before it that a packet of sound repeats, where the server agrees (RED).
    pub repeats: u8,
}

impl Publication {
    /// A microphone.
    pub const MICROPHONE: Self = Self::video(Media::Opus);
    /// A camera in VP8 with one layer.
    pub const CAMERA: Self = Self::video(Media::Vp8);
    /// A camera in VP8 with three layers.
    pub const SIMULCAST: Self = Self { is_simulcast: true, ..Self::CAMERA };
    /// Kilobits per second of LiveKit's presets for 180, 360 and 720 lines.
    pub const PRESET_KBPS: [u16; 3] = [160, 450, 1500];

    /// One layer, and little of it.
    #[must_use]
    pub const fn video(media: Media) -> Self {
        Self {
            media,
            is_simulcast: false,
            structure: Structure::Flat,
            load: Load::Scaled,
            is_encrypted: false,
            has_trailers: false,
            repeats: 0,
        }
    }

    /// A camera as browsers publish it.
    #[must_use]
    pub const fn camera(media: Media, is_simulcast: bool, structure: Structure) -> Self {
        let load = Load::Camera { fps: 30, kbps: Self::PRESET_KBPS };
        Self { is_simulcast, structure, load, ..Self::video(media) }
    }

    /// Full rates of its layers in bits per second, lowest first; those of SVC are what each adds.
    #[must_use]
    pub fn layers_bps(&self) -> Vec<u64> {
        let count = if self.is_simulcast { 3 } else { usize::from(self.structure.spatial_layers()) };
        match self.load {
            Load::Camera { kbps, .. } if count == 1 => vec![u64::from(kbps[2]) * 1000],
            Load::Camera { kbps, .. } => kbps[..count].iter().map(|kbps| u64::from(*kbps) * 1000).collect(),
            Load::Screen { kbps } => vec![u64::from(kbps) * 1000],
            Load::Scaled if self.media.is_video() => {
                (0..count as u64).map(|n| (2 + n) * (400 + 100 * n) * 8 * 30).collect()
            }
            Load::Scaled | Load::Speech => vec![32_000],
        }
    }

    /// What a subscriber takes with each quality, lowest first. Between key frames the sizes of `L3T3_KEY` do without
    /// each other.
    #[must_use]
    pub fn qualities_bps(&self) -> Vec<u64> {
        let mut rates = self.layers_bps();
        if !self.is_simulcast && self.structure != Structure::KeySvc {
            for n in 1..rates.len() {
                rates[n] += rates[n - 1];
            }
        }
        rates
    }

    /// The least each quality can be shown with, lowest first: with the lower half of the frames, where they are told
    /// apart.
    #[must_use]
    pub fn least_bps(&self) -> Vec<u64> {
        let weight = |keeps: fn(u8) -> bool| -> f64 {
            TEMPORAL_PATTERN
                .iter()
                .filter(|(temporal, _)| keeps(*temporal))
                .map(|(_, weight)| weight)
                .sum()
        };
        let half = weight(|temporal| temporal < 2) / weight(|_| true);
        let share = if self.structure.temporal_layers() > 1 { half } else { 1.0 };
        self.qualities_bps().into_iter().map(|bps| (bps as f64 * share) as u64).collect()
    }
}

/// One encoding.
#[derive(Debug)]
struct Layer {
    rid: Option<Rid>,
    /// Switched on by hand, or not switched off.
    is_on: bool,
    /// Off for want of rate, or because nobody wants it.
    is_held: bool,
    wants_keyframe: bool,
    frame: u32,
    picture: u32,
    pattern: usize,
    sequence: u64,
    timestamp_base: u32,
    picture_base: u16,
    tl0: u8,
    encoded_at: Option<Instant>,
    /// Pictures of late: number, temporal layer, and frame of each size.
    recent: VecDeque<(u32, u8, [Option<u32>; 3])>,
    /// Last frame of each chain.
    chains: [Option<u32>; 3],
    spatial_layers: u8,
}

/// A track's encoder.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) track: TrackId,
    pub(crate) mid: Mid,
    pub(crate) publication: Publication,
    /// It is the second codec of its track.
    pub(crate) is_backup: bool,
    /// What it shows instead of stamps.
    film: Option<Film>,
    layers: Vec<Layer>,
    started_at: Instant,
    frame_at: Instant,
    paced: VecDeque<(Instant, Outgoing)>,
    paced_until: Instant,
    /// Requests for key frames that came, with the layer.
    pub(crate) keyframe_requests: Vec<(Instant, u8)>,
    /// What its sender's estimate leaves for it.
    budget_bps: Option<u64>,
    /// Highest quality anybody wants (dynacast).
    max_quality: Option<u8>,
    /// Rate of the highest quality against its full rate.
    share: f64,
    random: ChaCha8Rng,
    scrolls_until: Instant,
    /// Sound sent of late, with its timestamps.
    past: VecDeque<(u32, Vec<u8>)>,
}

/// A packet to be written.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) rid: Option<Rid>,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) is_marked: bool,
    pub(crate) payload: Vec<u8>,
    pub(crate) dependency: Option<Dependency>,
    /// What it repeats where RED is agreed: how many ticks older, and what.
    past: Vec<(u32, Vec<u8>)>,
    is_video: bool,
    captured_at: Instant,
}

impl Outgoing {
    /// As str0m takes it: under its codec's payload type, or wrapped under that of RED.
    pub(crate) fn into_rtp(mut self, mut pt: Pt, redundancy: Option<Pt>) -> RtpWrite {
        if let Some(redundancy) = redundancy.filter(|_| !self.is_video) {
            self.payload = red::wrap(*pt, &self.past, &self.payload);
            pt = redundancy;
        }
        let mut extensions = ExtensionValues::default();
        if let Some(dependency) = self.dependency {
            extensions.user_values.set(dependency);
        }
        if !self.is_video {
            extensions.audio_level = Some(SPEECH_DBOV);
            extensions.voice_activity = Some(true);
        }
        RtpWrite::new(pt, self.sequence.into(), self.timestamp, self.captured_at, self.payload)
            .marker(self.is_marked)
            .ext_vals(extensions)
            .nackable(self.is_video)
    }
}

impl Source {
    pub(crate) fn new(track: TrackId, mid: Mid, publication: Publication, random: &mut impl Rng, now: Instant) -> Self {
        let rids: Vec<Option<Rid>> =
            if publication.is_simulcast { RIDS.map(|rid| Some(rid.into())).into() } else { vec![None] };
        let layers = rids
            .into_iter()
            .map(|rid| Layer {
                rid,
                is_on: true,
                is_held: false,
                wants_keyframe: true,
                frame: 0,
                picture: 0,
                pattern: 0,
                sequence: random.random_range(1..60_000),
                timestamp_base: random.random(),
                picture_base: random.random_range(0..0x8000),
                tl0: random.random(),
                encoded_at: None,
                recent: VecDeque::new(),
                chains: [None; 3],
                spatial_layers: publication.structure.spatial_layers(),
            })
            .collect();
        Self {
            track,
            mid,
            publication,
            is_backup: false,
            film: None,
            layers,
            started_at: now,
            frame_at: now,
            paced: VecDeque::new(),
            paced_until: now,
            keyframe_requests: Vec::new(),
            budget_bps: None,
            max_quality: Some(2),
            share: 1.0,
            random: ChaCha8Rng::seed_from_u64(random.random()),
            scrolls_until: now,
            past: VecDeque::new(),
        }
    }

    /// When it has something to do.
    pub(crate) fn next_at(&self) -> Instant {
        self.paced.front().map_or(self.frame_at, |(at, _)| self.frame_at.min(*at))
    }

    /// Its connection is not ready; it is asked again a little later.
    pub(crate) fn wait(&mut self, now: Instant) {
        self.frame_at = now + Duration::from_millis(10);
        self.paced.clear();
    }

    /// The receiver cannot decode a layer.
    pub(crate) fn request_keyframe(&mut self, rid: Option<Rid>, now: Instant) {
        // A film has its key frames where it has them, and goes on until then.
        let makes_one = self.film.is_none();
        for (index, layer) in (0..).zip(&mut self.layers) {
            if layer.rid == rid {
                layer.wants_keyframe |= makes_one;
                self.keyframe_requests.push((now, index));
            }
        }
    }

    /// Somebody switches a layer by hand.
    pub(crate) fn set_layer(&mut self, layer: usize, is_on: bool) {
        self.layers[layer].is_on = is_on;
        self.layers[layer].wants_keyframe |= is_on;
    }

    /// It shows a film that began at some time.
    pub(crate) fn show(&mut self, film: Film, began_at: Instant) {
        self.started_at = began_at;
        if let Some((sequence, timestamp)) = film.begins_at {
            for layer in &mut self.layers {
                (layer.sequence, layer.timestamp_base) = (sequence, timestamp);
            }
        }
        self.film = Some(film);
    }

    /// It goes on with another film, which begins where the next picture is to.
    pub(crate) fn change_film(&mut self, film: Film) {
        self.film = Some(film);
        self.layers.iter_mut().for_each(|layer| layer.wants_keyframe = true);
    }

    /// Its encoders begin anew: which ones they are.
    pub(crate) fn restart(&mut self) -> Vec<Option<Rid>> {
        for layer in &mut self.layers {
            layer.wants_keyframe = true;
            layer.sequence = self.random.random_range(1..60_000);
            layer.timestamp_base = self.random.random();
        }
        self.layers.iter().map(|layer| layer.rid).collect()
    }

    /// The server says up to which quality anybody looks.
    pub(crate) fn set_max_quality(&mut self, max: Option<u8>) {
        self.max_quality = max;
        self.settle_layers();
    }

    /// Anybody wants any of it.
    pub(crate) fn is_wanted(&self) -> bool {
        self.max_quality.is_some()
    }

    /// The sender's estimate leaves so much for this track.
    pub(crate) fn set_budget(&mut self, budget_bps: u64) {
        self.budget_bps = Some(budget_bps);
        self.settle_layers();
    }

    /// Full rate of all that is wanted, and the least it needs: what a sender's allocation asks for.
    pub(crate) fn wanted_bps(&self) -> u64 {
        self.publication.layers_bps().iter().sum()
    }

    /// Lowest layers first, as long as there is budget for half of the next; the last takes what is left.
    fn settle_layers(&mut self) {
        let rates = self.publication.layers_bps();
        let wanted = self.max_quality.map_or(0, |max| usize::from(max) + 1).min(rates.len());
        let mut left = self.budget_bps.unwrap_or(u64::MAX);
        let before = self.active();
        let mut active = 0;
        self.share = 1.0;
        for (n, rate) in rates.iter().take(wanted).enumerate() {
            let needed = if n < before { MIN_SHARE } else { UP_SHARE };
            // The lowest layer goes on at whatever is left of it.
            if n > 0 && (left as f64) < *rate as f64 * needed {
                break;
            }
            self.share = (left as f64 / *rate as f64).clamp(0.2, 1.0);
            left = left.saturating_sub(*rate);
            active = n + 1;
        }
        if self.publication.is_simulcast {
            for (n, layer) in self.layers.iter_mut().enumerate() {
                let is_held = n >= active;
                layer.wants_keyframe |= layer.is_held && !is_held;
                layer.is_held = is_held;
            }
        } else {
            let layer = &mut self.layers[0];
            layer.is_held = active == 0;
            let spatial_layers = (active.max(1) as u8).min(self.publication.structure.spatial_layers());
            // What comes back is built on a key picture.
            layer.wants_keyframe |= spatial_layers > layer.spatial_layers;
            layer.spatial_layers = spatial_layers;
        }
    }

    fn active(&self) -> usize {
        if self.publication.is_simulcast {
            self.layers.iter().filter(|layer| !layer.is_held).count()
        } else {
            usize::from(self.layers[0].spatial_layers)
        }
    }

    /// Packets due now: those of frames encoded now, and those the pacer held back. Layer by layer, in order.
    pub(crate) fn encode(&mut self, now: Instant) -> Vec<Outgoing> {
        if self.frame_at <= now {
            match self.film.clone() {
                Some(film) => self.project(&film, now),
                None => self.encode_frames(now),
            }
        }
        let due = self.paced.iter().take_while(|(at, _)| *at <= now).count();
        self.paced.drain(..due).map(|(_, outgoing)| outgoing).collect()
    }

    /// Sends the next frame of a film.
    fn project(&mut self, film: &Film, now: Instant) {
        let number = film.next_at(now.saturating_duration_since(self.started_at).saturating_sub(film.delay));
        let captured_at = self.started_at + film.interval * number;
        self.frame_at = captured_at + film.delay;
        if self.frame_at > now {
            return;
        }
        self.frame_at += film.interval;
        let is_video = self.publication.media.is_video();
        let ticks = (film.interval * number).as_micros() * u128::from(self.publication.media.clock_hz()) / 1_000_000;
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let shot = film.shot(index, number);
            // An encoder begins with a key frame.
            layer.wants_keyframe = !layer.is_on || layer.is_held || layer.wants_keyframe && !shot.is_entry;
            if layer.wants_keyframe {
                continue;
            }
            for (place, payload) in shot.payloads.iter().enumerate() {
                let outgoing = Outgoing {
                    rid: layer.rid,
                    sequence: layer.sequence,
                    timestamp: layer.timestamp_base.wrapping_add(ticks as u32),
                    is_marked: is_video && place + 1 == shot.payloads.len(),
                    payload: payload.clone(),
                    past: Vec::new(),
                    dependency: None,
                    is_video,
                    captured_at,
                };
                self.paced.push_back((now, outgoing));
                layer.sequence += 1;
            }
        }
    }

    fn encode_frames(&mut self, now: Instant) {
        let (interval, activity) = self.pace_of_life(now);
        self.frame_at = now + interval;
        let rates = self.publication.layers_bps();
        let is_real = matches!(self.publication.load, Load::Camera { .. } | Load::Screen { .. });
        if self.paced.len() > MAX_PACED {
            return;
        }
        let top = self.active().saturating_sub(1);
        let paced_bps = rates.iter().take(top + 1).sum::<u64>() as f64 * self.share.max(0.3) * PACING_FACTOR;
        for index in 0..self.layers.len() {
            if !self.layers[index].is_on || self.layers[index].is_held {
                continue;
            }
            for (frame, sizes) in self.encode_picture(index, interval, activity, &rates, now) {
                for (packet, len) in (0_u8..).zip(sizes) {
                    let outgoing = self.packetize(index, &frame, packet, len, now);
                    let at = if is_real { self.paced_until.max(now) } else { now };
                    if is_real {
                        self.paced_until = at + Duration::from_secs_f64((len + 60) as f64 * 8.0 / paced_bps);
                    }
                    self.paced.push_back((at, outgoing));
                }
            }
        }
    }

    /// Time to the next frame, and how large this one is against the mean.
    fn pace_of_life(&mut self, now: Instant) -> (Duration, f64) {
        let vary = self.random.random_range(0.8..1.2);
        match self.publication.load {
            Load::Scaled if self.publication.media.is_video() => (Duration::from_micros(33_333), 1.0),
            Load::Scaled => (Duration::from_millis(20), 1.0),
            Load::Camera { fps, .. } => (Duration::from_micros(1_000_000 / u64::from(fps)), vary),
            Load::Screen { .. } => {
                if self.random.random_bool(0.15) && self.scrolls_until <= now {
                    self.scrolls_until = now + Duration::from_millis(self.random.random_range(500..2500));
                }
                if self.scrolls_until > now {
                    (Duration::from_millis(100), vary)
                } else {
                    (Duration::from_millis(self.random.random_range(300..1000)), vary * 0.1)
                }
            }
            Load::Speech => {
                let second = now.saturating_duration_since(self.started_at).as_secs();
                (Duration::from_millis(if second % 7 < 4 { 20 } else { 400 }), vary)
            }
        }
    }

    /// The frames of one picture of an encoding with the sizes of their packets.
    fn encode_picture(
        &mut self,
        index: usize,
        interval: Duration,
        activity: f64,
        rates: &[u64],
        now: Instant,
    ) -> Vec<(Frame, Vec<usize>)> {
        let Publication { media, structure, load, is_simulcast, is_encrypted, .. } = self.publication;
        let track = tag(self.track.as_str());
        let top = self.active().saturating_sub(1);
        let share = self.share;
        let layer = &mut self.layers[index];
        let is_keyframe = media.is_video() && std::mem::take(&mut layer.wants_keyframe);
        if is_keyframe {
            layer.pattern = 0;
            layer.recent.clear();
        }
        let rates_over_time = structure.temporal_layers() > 1;
        let (temporal, weight) = if rates_over_time { TEMPORAL_PATTERN[layer.pattern % 4] } else { (0, 1.0) };
        if temporal == 0 && layer.picture > 0 {
            layer.tl0 = layer.tl0.wrapping_add(1);
        }
        // The last picture of a lower temporal layer (for the base: of the base itself).
        let base = layer
            .recent
            .iter()
            .rev()
            .find(|(_, t, _)| *t < temporal || *t == 0 && temporal == 0)
            .copied();
        let since_ms = layer.encoded_at.map_or(0, |at| now.saturating_duration_since(at).as_millis());
        let mut frames = Vec::new();
        let mut of_picture = [None; 3];
        for spatial in 0..layer.spatial_layers {
            let number = layer.frame;
            layer.frame += 1;
            let is_inter_layer = spatial > 0 && (is_keyframe || structure == Structure::Svc);
            let reference = base.and_then(|(picture, _, frames)| Some((picture, frames[usize::from(spatial)]?)));
            let mut frame_diffs = Vec::new();
            let mut picture_diffs = Vec::new();
            if let Some((picture, frame)) = reference {
                frame_diffs.push((number - frame) as u8);
                picture_diffs.push((layer.picture - picture) as u8);
            }
            if is_inter_layer {
                frame_diffs.push(1);
            }
            let chain_diffs = (0..structure.spatial_layers())
                .map(|chain| match layer.chains[usize::from(chain)] {
                    Some(last) if !(is_keyframe && spatial == 0) => (number - last).min(255) as u8,
                    _ => 0,
                })
                .collect();
            for chain in spatial..structure.spatial_layers() {
                let is_link = is_keyframe || chain == spatial || structure == Structure::Svc;
                if temporal == 0 && is_link {
                    layer.chains[usize::from(chain)] = Some(number);
                }
            }
            of_picture[usize::from(spatial)] = Some(number);
            let quality = if is_simulcast { index } else { usize::from(spatial) };
            let sizes = match load {
                Load::Scaled if !media.is_video() => vec![80],
                Load::Scaled => {
                    let count = if is_keyframe { 6 } else { 2 } + quality;
                    vec![400 + 100 * quality; count]
                }
                Load::Speech => {
                    vec![if interval > Duration::from_millis(100) { 30 } else { (80.0 * activity) as usize }]
                }
                Load::Camera { fps, .. } => {
                    let share = if quality == top { share } else { 1.0 };
                    let mean = rates[quality] as f64 * share / 8.0 / f64::from(fps);
                    split(mean * activity * if is_keyframe { KEYFRAME_FACTOR } else { weight })
                }
                Load::Screen { .. } => {
                    let mean = rates[0] as f64 * share / 8.0 / 10.0;
                    split(mean * if is_keyframe { KEYFRAME_FACTOR } else { activity })
                }
            };
            let stamp = Stamp {
                track,
                layer: index as u8,
                frame: number,
                picture: layer.picture,
                spatial,
                temporal,
                packet: 0,
                packets: sizes.len() as u8,
                is_keyframe,
                interval_ms: since_ms.min(60_000) as u16,
            };
            let is_layer_sync = temporal > 0 && base.is_some_and(|(_, t, _)| t == 0);
            let frame = Frame {
                stamp,
                structure,
                picture_id: layer.picture_base.wrapping_add(layer.picture as u16) & 0x7fff,
                tl0: layer.tl0,
                is_layer_sync,
                is_inter_layer,
                picture_diffs,
                frame_diffs,
                chain_diffs,
                active_layers: layer.spatial_layers,
                is_encrypted,
            };
            frames.push((frame, sizes));
        }
        layer.recent.push_back((layer.picture, temporal, of_picture));
        if layer.recent.len() > 8 {
            layer.recent.pop_front();
        }
        layer.encoded_at = Some(now);
        layer.picture += 1;
        layer.pattern += 1;
        frames
    }

    fn packetize(&mut self, index: usize, frame: &Frame, packet: u8, len: usize, now: Instant) -> Outgoing {
        let Publication { media, has_trailers, .. } = self.publication;
        let elapsed = now.saturating_duration_since(self.started_at);
        let ticks = (elapsed.as_micros() * u128::from(media.clock_hz()) / 1_000_000) as u32;
        let layer = &mut self.layers[index];
        let stamp = Stamp { packet, ..frame.stamp };
        let timestamp = layer.timestamp_base.wrapping_add(ticks);
        let mut payload = frame.payload(media, &stamp, len);
        if has_trailers && stamp.is_last() {
            payload.extend(TRAILER);
        }
        let ages = self.past.iter().map(|(at, block)| (timestamp.wrapping_sub(*at), block.clone()));
        let past = ages.filter(|(age, _)| *age <= red::MAX_AGE).collect();
        if self.publication.repeats > 0 {
            self.past.push_back((timestamp, payload.clone()));
            while self.past.len() > usize::from(self.publication.repeats) {
                self.past.pop_front();
            }
        }
        let outgoing = Outgoing {
            rid: layer.rid,
            sequence: layer.sequence,
            timestamp,
            is_marked: media.is_video() && stamp.is_last() && stamp.spatial + 1 == layer.spatial_layers,
            payload,
            past,
            dependency: frame.dependency(media, &stamp),
            is_video: media.is_video(),
            captured_at: now,
        };
        layer.sequence += 1;
        outgoing
    }
}

/// Packets of one frame: as equal as can be.
fn split(len: f64) -> Vec<usize> {
    let len = (len as usize).clamp(40, 250 * MAX_PAYLOAD_LEN);
    let count = len.div_ceil(MAX_PAYLOAD_LEN);
    vec![len.div_ceil(count); count]
}
