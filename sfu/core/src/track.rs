//! A published track: its layers, who takes it, and when its publisher is asked for a key frame.
//!
//! Owned by the worker. Knows packets, not transports: what it wants sent upstream it returns.

use std::time::{Duration, Instant};

use sluice_rtp::{VideoCodec, starts_keyframe};
use str0m::format::PayloadParams;
use str0m::media::{Mid, Pt, Rid};

use crate::keyframe::KeyframeRequests;
use crate::levels::LevelMeter;
use crate::transport::{Packet, RawDependencyDescriptor, video_codec};
use crate::{ExpectedTrack, Kind, ParticipantKey, SubscriptionKey, TrackId, TransportKey};

/// Layers of a simulcast track: `q`, `h`, `f`.
pub(crate) const MAX_LAYERS: usize = 3;
/// A layer silent for so long, while others went on, is not there: the publisher switched it off.
const DEAD_AFTER: Duration = Duration::from_millis(1500);
/// Frames of other layers that count as going on. A still screen is sent once in seconds, layer after layer.
const DEAD_AFTER_FRAMES: u32 = 10;

#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) id: TrackId,
    pub(crate) kind: Kind,
    pub(crate) publisher: ParticipantKey,
    pub(crate) transport: TransportKey,
    pub(crate) mid: Mid,
    /// As announced: later answers repeat its preferences.
    pub(crate) expected: ExpectedTrack,
    pub(crate) is_muted: bool,
    pub(crate) subscriptions: Vec<SubscriptionKey>,
    pub(crate) levels: LevelMeter,
    /// Formats its packets came in; the worker fills in what is missing.
    formats: Vec<(Pt, PayloadParams)>,
    layers: [Option<Layer>; MAX_LAYERS],
}

#[derive(Debug)]
struct Layer {
    rid: Option<Rid>,
    last_packet_at: Instant,
    /// Frames of other layers since.
    missed_frames: u32,
    keyframes: KeyframeRequests,
}

/// What a packet is to those who forward it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ingested {
    pub(crate) layer: u8,
    pub(crate) format: PayloadParams,
    pub(crate) codec: Option<VideoCodec>,
    /// A decoder can begin here. Always true for sound.
    pub(crate) is_entry: bool,
}

impl Layer {
    fn is_alive(&self, now: Instant) -> bool {
        self.missed_frames < DEAD_AFTER_FRAMES || now.saturating_duration_since(self.last_packet_at) < DEAD_AFTER
    }
}

impl Track {
    pub(crate) fn new(expected: ExpectedTrack, publisher: ParticipantKey, transport: TransportKey, mid: Mid) -> Self {
        Self {
            id: expected.track.clone(),
            kind: expected.kind,
            publisher,
            transport,
            mid,
            expected,
            is_muted: false,
            subscriptions: Vec::new(),
            levels: LevelMeter::default(),
            formats: Vec::new(),
            layers: [const { None }; MAX_LAYERS],
        }
    }

    pub(crate) fn format(&self, pt: Pt) -> Option<PayloadParams> {
        self.formats.iter().find(|(p, _)| *p == pt).map(|(_, format)| *format)
    }

    /// Remembers what a payload type stands for. Bounded by the 128 payload types there are.
    pub(crate) fn learn_format(&mut self, pt: Pt, format: PayloadParams) {
        self.formats.push((pt, format));
    }

    /// Takes note of a packet. `None` when it is of a layer beyond those a track can have.
    pub(crate) fn ingest(&mut self, packet: &Packet, format: PayloadParams) -> Option<Ingested> {
        let index = layer_index(packet.rid)?;
        let layer = self.layers[index].get_or_insert_with(|| Layer {
            rid: packet.rid,
            last_packet_at: packet.arrived_at,
            missed_frames: 0,
            keyframes: KeyframeRequests::default(),
        });
        layer.last_packet_at = packet.arrived_at;
        layer.missed_frames = 0;
        if let Some(level) = packet.extensions.audio_level {
            self.levels.handle_level(level);
        }
        let codec = video_codec(&format);
        let descriptor = packet.extensions.user_values.get::<RawDependencyDescriptor>();
        let is_entry =
            codec.is_none_or(|codec| starts_keyframe(codec, &packet.payload, descriptor.map(|raw| raw.0.as_ref())));
        if is_entry {
            layer.keyframes.handle_keyframe();
        }
        if packet.marker {
            let others = self.layers.iter_mut().enumerate().filter(|(i, _)| *i != index);
            for layer in others.filter_map(|(_, layer)| layer.as_mut()) {
                layer.missed_frames = layer.missed_frames.saturating_add(1);
            }
        }
        Some(Ingested { layer: u8::try_from(index).ok()?, format, codec, is_entry })
    }

    /// The layer that serves a wish best: the highest alive up to it, else the lowest alive.
    pub(crate) fn best_layer(&self, max_spatial: u8, now: Instant) -> Option<u8> {
        let alive = |index: &usize| self.layers[*index].as_ref().is_some_and(|layer| layer.is_alive(now));
        let max = usize::from(max_spatial).min(MAX_LAYERS - 1);
        (0..=max)
            .rev()
            .find(alive)
            .or_else(|| (max + 1..MAX_LAYERS).find(alive))
            .and_then(|i| u8::try_from(i).ok())
    }

    /// A subscriber needs a key frame of a layer. The layer's rid when the publisher is to be asked now.
    pub(crate) fn request_keyframe(&mut self, layer: u8, now: Instant) -> Option<Option<Rid>> {
        let layer = self.layers.get_mut(usize::from(layer))?.as_mut()?;
        layer.keyframes.handle_request(now).then_some(layer.rid)
    }

    /// Rids of layers whose waiting key frame requests are due.
    pub(crate) fn poll_keyframe_request(&mut self, now: Instant) -> Option<Option<Rid>> {
        self.layers
            .iter_mut()
            .flatten()
            .find_map(|layer| layer.keyframes.poll(now).then_some(layer.rid))
    }
}

/// LiveKit's rids, low to high; a track without rids has one layer.
fn layer_index(rid: Option<Rid>) -> Option<usize> {
    match rid.as_deref() {
        None | Some("q") => Some(0),
        Some("h") => Some(1),
        Some("f") => Some(2),
        Some(_) => None,
    }
}
