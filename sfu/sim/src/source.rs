//! An encoder: frames in time, key frames when asked.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};
use sluice_core::TrackId;
use str0m::media::{Mid, Pt, Rid};
use str0m::rtp::{ExtensionValues, RtpWrite};

use crate::media::{DependencyDescriptor, Media, Picture, Stamp, tag, write_payload};

const RIDS: [&str; 3] = ["q", "h", "f"];
/// Level of simulated speech in -dBov.
const SPEECH_DBOV: i8 = -20;

/// What a client publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// Its codec.
    pub media: Media,
    /// Three layers `q`, `h`, `f`.
    pub is_simulcast: bool,
}

impl Publication {
    /// A microphone.
    pub const MICROPHONE: Self = Self { media: Media::Opus, is_simulcast: false };
    /// A camera in VP8 with one layer.
    pub const CAMERA: Self = Self::video(Media::Vp8);
    /// A camera in VP8 with three layers.
    pub const SIMULCAST: Self = Self { media: Media::Vp8, is_simulcast: true };

    /// Pictures in one layer.
    #[must_use]
    pub const fn video(media: Media) -> Self {
        Self { media, is_simulcast: false }
    }
}

#[derive(Debug)]
struct Layer {
    rid: Option<Rid>,
    is_on: bool,
    wants_keyframe: bool,
    frame: u32,
    sequence: u64,
    timestamp_base: u32,
    picture: Picture,
}

/// A track's encoder.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) track: TrackId,
    pub(crate) mid: Mid,
    pub(crate) publication: Publication,
    layers: Vec<Layer>,
    started_at: Instant,
    pub(crate) next_at: Instant,
    /// Requests for key frames that came, with the layer.
    pub(crate) keyframe_requests: Vec<(Instant, u8)>,
}

/// A packet to be written.
pub(crate) struct Outgoing {
    pub(crate) rid: Option<Rid>,
    pub(crate) rtp: RtpWrite,
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
                wants_keyframe: true,
                frame: 0,
                sequence: random.random_range(1..60_000),
                timestamp_base: random.random(),
                picture: Picture { id: random.random_range(0..0x8000), tl0: random.random() },
            })
            .collect();
        Self { track, mid, publication, layers, started_at: now, next_at: now, keyframe_requests: Vec::new() }
    }

    /// The receiver cannot decode a layer.
    pub(crate) fn request_keyframe(&mut self, rid: Option<Rid>, now: Instant) {
        for (index, layer) in (0..).zip(&mut self.layers) {
            if layer.rid == rid {
                layer.wants_keyframe = true;
                self.keyframe_requests.push((now, index));
            }
        }
    }

    /// An encoder's own control (or lack of bandwidth) switches a layer.
    pub(crate) fn set_layer(&mut self, layer: usize, is_on: bool) {
        self.layers[layer].is_on = is_on;
        self.layers[layer].wants_keyframe |= is_on;
    }

    /// The packets of every layer's frame that is due now.
    pub(crate) fn encode(&mut self, pt: Pt, now: Instant) -> Vec<Vec<Outgoing>> {
        let Publication { media, .. } = self.publication;
        let elapsed = now.saturating_duration_since(self.started_at);
        let ticks = (elapsed.as_micros() * u128::from(media.clock_hz()) / 1_000_000) as u32;
        self.next_at = now + if media.is_video() { Duration::from_micros(33_333) } else { Duration::from_millis(20) };
        let mut frames = Vec::new();
        for (index, layer) in (0_u8..).zip(&mut self.layers).filter(|(_, layer)| layer.is_on) {
            let is_keyframe = media.is_video() && std::mem::take(&mut layer.wants_keyframe);
            let count = match (media.is_video(), is_keyframe) {
                (false, _) => 1,
                (true, false) => 2 + index,
                (true, true) => 6 + index,
            };
            let mut packets = Vec::new();
            for packet in 0..count {
                let stamp = Stamp {
                    track: tag(self.track.as_str()),
                    layer: index,
                    frame: layer.frame,
                    packet,
                    packets: count,
                    is_keyframe,
                };
                let mut extensions = ExtensionValues::default();
                if media == Media::Av1 {
                    extensions.user_values.set(DependencyDescriptor::of(&stamp));
                }
                if media == Media::Opus {
                    extensions.audio_level = Some(SPEECH_DBOV);
                    extensions.voice_activity = Some(true);
                }
                let len = if media.is_video() { 400 + 100 * usize::from(index) } else { 80 };
                let payload = write_payload(media, &stamp, layer.picture, len);
                let timestamp = layer.timestamp_base.wrapping_add(ticks);
                let rtp = RtpWrite::new(pt, layer.sequence.into(), timestamp, now, payload)
                    .marker(stamp.is_last() && media.is_video())
                    .ext_vals(extensions)
                    .nackable(media.is_video());
                packets.push(Outgoing { rid: layer.rid, rtp });
                layer.sequence += 1;
            }
            frames.push(packets);
            layer.frame += 1;
            layer.picture.id = (layer.picture.id + 1) & 0x7fff;
            layer.picture.tl0 = layer.picture.tl0.wrapping_add(1);
        }
        frames
    }
}
