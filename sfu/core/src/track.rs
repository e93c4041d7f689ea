//! A published track: its layers and what they take, who gets it, and when its publisher is asked for a key frame.
//!
//! Owned by the worker. Knows packets, not transports: what it wants sent upstream it returns. Its packets come from a
//! publisher here, or from another worker that has read them already (a mirror, see [`crate::relay`]).

use std::time::{Duration, Instant};

use sluice_rtp::trailer;
use str0m::format::PayloadParams;
use str0m::media::{Mid, Pt, Rid};

use crate::allocator::{LayerId, LayerRate};
use crate::dynacast::Dynacast;
use crate::forwarder::{Inspector, LayerInfo, PacketInfo, Received};
use crate::keyframe::KeyframeRequests;
use crate::levels::LevelMeter;
use crate::policer::Policer;
use crate::publications::Binding;
use crate::rate::{FrameRateMeter, SteadyRateMeter};
use crate::redundancy::Redundancy;
use crate::relay::{Loan, OriginKey, Relay, Wish};
use crate::tap::TapId;
use crate::transport::{OutFormat, Packet, video_codec};
use crate::{
    BackupPolicy, ExpectedTrack, Kind, ParticipantId, ParticipantKey, RoomId, SubscriptionKey, TrackId, TrackKey,
    TransportKey, WorkerId,
};

/// Encodings of a simulcast track: `q`, `h`, `f`.
pub(crate) const MAX_STREAMS: usize = 3;
/// Spatial and temporal layers told apart; what is above counts with the highest.
const MAX_SPATIAL: usize = 3;
const MAX_TEMPORAL: usize = 4;
/// A layer of an encoding that did not come for so long, while others did, is not there.
const DEAD_AFTER: Duration = Duration::from_millis(1500);
/// The same of a whole encoding: the publisher switched it off, or its link has no room for it. Who sees it stands still
/// for that long. With half a second, viewers of a publisher whose link just carries it flap.
const SILENT_AFTER: Duration = Duration::from_millis(800);
/// Frames of other encodings that count as going on. A still screen is sent once in seconds, layer after layer.
const DEAD_AFTER_FRAMES: u32 = 10;
/// A new layer begins with a key frame, which says little about its rate: until then its publisher's word counts.
const MEASURED_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) id: TrackId,
    pub(crate) kind: Kind,
    pub(crate) room: RoomId,
    pub(crate) publisher: ParticipantId,
    pub(crate) origin: Origin,
    pub(crate) role: Role,
    /// The codec agreed for it.
    pub(crate) mime_type: String,
    /// As announced: later answers repeat its preferences.
    pub(crate) expected: ExpectedTrack,
    pub(crate) is_muted: bool,
    /// It was offered in several encodings.
    pub(crate) is_simulcast: bool,
    pub(crate) subscriptions: Vec<SubscriptionKey>,
    /// Its mirrors that ever wanted it: at most one for each worker and room.
    pub(crate) relays: Vec<Relay>,
    pub(crate) taps: Vec<TapId>,
    /// Other rooms that have it, and the workers they are on.
    pub(crate) loans: Vec<(WorkerId, Loan)>,
    pub(crate) levels: LevelMeter,
    /// Of sound, since that is never paused.
    pub(crate) sound: Policer,
    pub(crate) dynacast: Dynacast,
    redundancy: Redundancy,
    /// Formats its packets came in; the worker fills in what is missing.
    formats: Vec<(Pt, PayloadParams)>,
    streams: [Option<Stream>; MAX_STREAMS],
}

/// Where the packets of a track come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A section of somebody here.
    Here(Section),
    /// Another worker.
    Elsewhere {
        worker: WorkerId,
        track: OriginKey,
        /// What that worker was told is wanted of it.
        told: Wish,
    },
}

/// Who publishes a track, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) publisher: ParticipantKey,
    pub(crate) transport: TransportKey,
    /// `None` while it is a second codec that is not published.
    pub(crate) mid: Option<Mid>,
}

/// A track in two codecs is two tracks in here, under one id. A subscription is fed from one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// There is one codec.
    Only,
    /// The one that is published first.
    Primary {
        backup: TrackKey,
        policy: BackupPolicy,
        /// Whoever can has moved to the backup.
        has_moved: bool,
    },
    /// The other one.
    Backup { primary: TrackKey },
}

/// One encoding.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    rid: Option<Rid>,
    inspector: Inspector,
    keyframes: KeyframeRequests,
    layers: [[Layer; MAX_TEMPORAL]; MAX_SPATIAL],
    frames: FrameRateMeter,
    last_packet_at: Instant,
    /// Frames of other encodings since.
    missed_frames: u32,
    was_alive: bool,
}

/// One spatial and temporal layer of an encoding.
#[derive(Debug, Clone, Default)]
struct Layer {
    /// Without what it builds on.
    rate: SteadyRateMeter,
    /// With what it builds on, where packets say for whom they are. That can be less than the sum of all below: of the
    /// smaller sizes of `L3T3_KEY` a larger one needs the key frames only.
    whole: SteadyRateMeter,
    seen: Option<(Instant, Instant)>,
}

/// A packet of a track, read once for all who get it.
#[derive(Debug)]
pub(crate) struct Ingested {
    pub(crate) packet: Packet,
    pub(crate) info: PacketInfo,
    pub(crate) format: PayloadParams,
    /// Where in the payload the newest block of RED begins; 0 for everything else.
    pub(crate) primary_at: usize,
    /// Bytes of packet trailer at the payload's end; 0 where there is none.
    pub(crate) trailer_len: usize,
}

impl Ingested {
    /// It came as RED.
    pub(crate) fn is_redundant(&self) -> bool {
        self.format.red() == Some(self.packet.payload_type)
    }

    /// Appends what goes out of it in a format.
    pub(crate) fn write_payload(&self, format: OutFormat, datagram: &mut Vec<u8>) {
        let begin = datagram.len();
        datagram.extend_from_slice(self.payload(format));
        if let Some(codec) = self.info.codec.filter(|_| self.trailer_len > 0 && !format.takes_trailers) {
            trailer::mend_length(codec, &mut datagram[begin..]);
        }
    }

    /// What goes out of it in a format: all, or not the older blocks of RED, or not the packet trailer.
    pub(crate) fn payload(&self, format: OutFormat) -> &[u8] {
        let payload = &self.packet.payload;
        let from = if format.is_unwrapped { self.primary_at } else { 0 };
        let cut = if format.takes_trailers { 0 } else { self.trailer_len };
        payload.get(from..payload.len().saturating_sub(cut)).unwrap_or_default()
    }
}

impl Stream {
    fn new(index: u8, packet: &Packet) -> Self {
        Self {
            rid: packet.rid,
            inspector: Inspector::new(index, packet.rid.is_some()),
            keyframes: KeyframeRequests::default(),
            layers: Default::default(),
            frames: FrameRateMeter::default(),
            last_packet_at: packet.arrived_at,
            missed_frames: 0,
            was_alive: false,
        }
    }

    fn is_alive(&self, now: Instant) -> bool {
        self.missed_frames < DEAD_AFTER_FRAMES || now.saturating_duration_since(self.last_packet_at) < SILENT_AFTER
    }

    /// Takes note of a packet of one of its layers. True when the layer is new, or back.
    fn count(&mut self, info: &PacketInfo, len: usize, at: Instant) -> bool {
        if let LayerInfo::Dependency(frame) = &info.layers {
            frame.takers().for_each(|layer| self.layer(layer).whole.add(len, at));
        }
        let layer = self.layer(info.layer());
        layer.rate.add(len, at);
        let is_new = layer.seen.is_none_or(|(_, last)| at.saturating_duration_since(last) >= DEAD_AFTER);
        layer.seen = Some((if is_new { at } else { layer.seen.map_or(at, |(first, _)| first) }, at));
        is_new
    }

    fn layer(&mut self, LayerId { spatial, temporal }: LayerId) -> &mut Layer {
        let spatial = if self.rid.is_some() { 0 } else { usize::from(spatial) };
        &mut self.layers[spatial.min(MAX_SPATIAL - 1)][usize::from(temporal).min(MAX_TEMPORAL - 1)]
    }

    /// Its layers and what each takes with all it builds on, as its own steps. See [`Track::layer_rates`] for `held`.
    fn rates(&self, held: Option<u8>, now: Instant) -> impl Iterator<Item = (LayerId, u64, bool)> {
        let lives = |layer: &Layer| {
            // Against its own stream's clock: a still screen rests as a whole.
            layer
                .seen
                .is_some_and(|(_, last)| self.last_packet_at.saturating_duration_since(last) < DEAD_AFTER)
        };
        let is_measured = self.layers[0][0]
            .seen
            .is_some_and(|(first, _)| now.saturating_duration_since(first) >= MEASURED_AFTER);
        let alive = move |spatial: usize, temporal: usize| lives(&self.layers[spatial][temporal]);
        let all = (0..MAX_SPATIAL).flat_map(|spatial| (0..MAX_TEMPORAL).map(move |temporal| (spatial, temporal)));
        all.filter(move |(spatial, temporal)| alive(*spatial, *temporal))
            .filter_map(move |(spatial, temporal)| {
                let below = self.layers[..=spatial].iter().flat_map(|layers| &layers[..=temporal]);
                let sum = below.map(|layer| layer.rate.bps(now)).sum();
                let whole = self.layers[spatial][temporal].whole.bps(now);
                let id = LayerId { spatial: u8::try_from(spatial).ok()?, temporal: u8::try_from(temporal).ok()? };
                let is_held = held.is_some_and(|held| id.spatial <= held);
                let bps = if whole > 0 && is_held { whole } else { sum };
                Some((id, bps, is_measured))
            })
    }
}

impl Track {
    pub(crate) fn new(
        expected: ExpectedTrack,
        (room, publisher): (RoomId, ParticipantId),
        origin: Origin,
        is_simulcast: bool,
    ) -> Self {
        Self {
            id: expected.track.clone(),
            kind: expected.kind,
            room,
            publisher,
            origin,
            role: Role::Only,
            mime_type: String::new(),
            expected,
            is_muted: false,
            is_simulcast,
            subscriptions: Vec::new(),
            relays: Vec::new(),
            taps: Vec::new(),
            loans: Vec::new(),
            levels: LevelMeter::default(),
            sound: Policer::of_sound(),
            dynacast: Dynacast::default(),
            redundancy: Redundancy::default(),
            formats: Vec::new(),
            streams: [const { None }; MAX_STREAMS],
        }
    }

    /// The second codec of a track, not published yet.
    pub(crate) fn backup_of(primary: TrackKey, track: &Self, origin: Origin, mime_type: String, now: Instant) -> Self {
        let expected = ExpectedTrack { codecs: vec![mime_type.clone()], layers: Vec::new(), ..track.expected.clone() };
        Self {
            role: Role::Backup { primary },
            mime_type,
            is_muted: track.is_muted,
            dynacast: Dynacast::off(now),
            ..Self::new(expected, (track.room.clone(), track.publisher.clone()), origin, false)
        }
    }

    /// Where its publisher is connected; `None` of a mirror.
    pub(crate) fn section(&self) -> Option<Section> {
        match self.origin {
            Origin::Here(section) => Some(section),
            Origin::Elsewhere { .. } => None,
        }
    }

    fn set_mid(&mut self, mid: Option<Mid>) {
        if let Origin::Here(section) = &mut self.origin {
            section.mid = mid;
        }
    }

    /// A second codec met its section, on which `mime_type` was agreed. True when that is not what was announced.
    pub(crate) fn publish(&mut self, binding: Binding) -> bool {
        let Binding { mid, expected, is_simulcast, mime_type } = binding;
        self.set_mid(Some(mid));
        (self.expected, self.is_simulcast) = (expected, is_simulcast);
        let agreed = mime_type.filter(|agreed| !agreed.eq_ignore_ascii_case(&self.mime_type));
        agreed.map(|agreed| self.mime_type = agreed).is_some()
    }

    /// A second codec is published no longer. It may be again.
    pub(crate) fn unpublish(&mut self, now: Instant) {
        self.set_mid(None);
        self.streams = [const { None }; MAX_STREAMS];
        self.dynacast = Dynacast::off(now);
    }

    /// It is the second codec of another.
    pub(crate) fn is_backup(&self) -> bool {
        matches!(self.role, Role::Backup { .. })
    }

    /// Anything of it has come.
    pub(crate) fn has_come(&self) -> bool {
        self.streams.iter().any(Option::is_some)
    }

    pub(crate) fn format(&self, pt: Pt) -> Option<PayloadParams> {
        self.formats.iter().find(|(p, _)| *p == pt).map(|(_, format)| *format)
    }

    /// Remembers what a payload type stands for. Bounded by the 128 payload types there are.
    pub(crate) fn learn_format(&mut self, pt: Pt, format: PayloadParams) {
        self.formats.push((pt, format));
    }

    /// A packet of sound came: its level counts. Pieces of it that were lost before and that it repeats, oldest first,
    /// and where its own begins. `None`: it is RED where none was agreed (the track may be encrypted), or malformed.
    pub(crate) fn unfold(&mut self, packet: &Packet, format: PayloadParams) -> Option<(usize, Vec<Packet>)> {
        let mut unfolded = (0, Vec::new());
        if format.red() != Some(packet.payload_type) {
            self.redundancy.handle(packet.sequence, packet.timestamp);
        } else if self.expected.red {
            let of = format.pt();
            let red = self.redundancy.unfold(packet.sequence, packet.timestamp, &packet.payload, *of)?;
            let lost = red.recovered.iter();
            let lost = lost.map(|lost| packet.recovered(of, lost.sequence, lost.timestamp, lost.data));
            unfolded = (red.primary_at, lost.collect());
        } else {
            return None;
        }
        // Not of the pieces: they bear the level of this packet, which would count again with each.
        if let Some(level) = packet.carried.audio_level_dbov() {
            self.levels.handle_level(level);
        }
        Some(unfolded)
    }

    /// Takes note of a packet and reads what it is. `None` when it is of an encoding beyond those a track can have.
    /// With it, whether the layers to choose from have changed.
    pub(crate) fn ingest(
        &mut self,
        packet: Packet,
        format: PayloadParams,
        primary_at: usize,
    ) -> Option<(Ingested, bool)> {
        let place = stream_index(packet.rid)?;
        let stream = self.streams[usize::from(place)].get_or_insert_with(|| Stream::new(place, &packet));
        let info = stream.inspector.inspect(Received {
            codec: video_codec(&format),
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: &packet.payload,
            dependency_descriptor: packet.carried.dependency_descriptor(),
        });
        let is_news = self.note(&packet, &info);
        // A trailer ends a frame, and each spatial layer of a picture is one. Most packets are not asked.
        let is_asked = self.expected.has_trailers && info.ends_frame();
        let trailer_len = is_asked.then(|| trailer::len(&packet.payload)).flatten().unwrap_or(0);
        Some((Ingested { packet, info, format, primary_at, trailer_len }, is_news))
    }

    /// Takes note of a packet that was read, here or on another worker. True when the layers to choose from have changed.
    pub(crate) fn note(&mut self, packet: &Packet, info: &PacketInfo) -> bool {
        let index = usize::from(info.stream);
        let Some(stream) = self.streams.get_mut(index) else { return false };
        let stream = stream.get_or_insert_with(|| Stream::new(info.stream, packet));
        stream.last_packet_at = packet.arrived_at;
        stream.missed_frames = 0;
        let mut is_news = stream.count(info, packet.payload.len(), packet.arrived_at);
        is_news |= !std::mem::replace(&mut stream.was_alive, true);
        if info.is_entry {
            stream.keyframes.handle_keyframe();
        }
        if packet.marker {
            stream.frames.add(packet.arrived_at);
            let others = self.streams.iter_mut().enumerate().filter(|(i, _)| *i != index);
            for stream in others.filter_map(|(_, stream)| stream.as_mut()) {
                stream.missed_frames = stream.missed_frames.saturating_add(1);
                if stream.was_alive && !stream.is_alive(packet.arrived_at) {
                    stream.was_alive = false;
                    is_news = true;
                }
            }
        }
        is_news
    }

    /// What was counted of its encodings, for a mirror that is to begin with it.
    pub(crate) fn counts(&self) -> Box<[Option<Stream>; MAX_STREAMS]> {
        let without_reader = |stream: &Stream| Stream { inspector: Inspector::default(), ..stream.clone() };
        Box::new(self.streams.each_ref().map(|stream| stream.as_ref().map(without_reader)))
    }

    /// Takes over what was counted where its packets come from.
    pub(crate) fn adopt(&mut self, counts: [Option<Stream>; MAX_STREAMS]) {
        for (own, counted) in self.streams.iter_mut().zip(counts) {
            let Some(counted) = counted else { continue };
            // Who asks for key frames here has its own account.
            let keyframes = own.take().map(|own| own.keyframes).unwrap_or_default();
            *own = Some(Stream { keyframes, ..counted });
        }
    }

    /// The lowest encoding that lives.
    pub(crate) fn lowest_stream(&self, now: Instant) -> u8 {
        let is_alive = |stream: &Option<Stream>| stream.as_ref().is_some_and(|stream| stream.is_alive(now));
        (0u8..)
            .zip(&self.streams)
            .find(|(_, stream)| is_alive(stream))
            .map_or(0, |(index, _)| index)
    }

    /// The best encoding that lives up to `most`, or the lowest where all are above. `None` where there is only one, or
    /// nothing is known yet.
    pub(crate) fn best_stream(&self, most: u8, now: Instant) -> Option<u8> {
        let is_encoding = |stream: &&Stream| stream.rid.is_some() && stream.is_alive(now);
        let streams = (0u8..).zip(&self.streams);
        let alive = streams
            .filter(|(_, stream)| stream.as_ref().filter(is_encoding).is_some())
            .map(|(index, _)| index);
        alive.clone().filter(|index| *index <= most).max().or_else(|| alive.clone().min())
    }

    /// The name of an encoding in its publisher's description.
    pub(crate) fn rid(&self, stream: u8) -> Option<Rid> {
        self.streams.get(usize::from(stream))?.as_ref()?.rid
    }

    /// The layers alive now and what each takes with all it builds on, lowest first, for somebody who holds those up to
    /// the spatial layer `held`. Better ones begin with a key picture of all sizes: for that there must be room for
    /// all, also where a size does without the others afterwards.
    pub(crate) fn layer_rates(&self, held: Option<u8>, now: Instant) -> Vec<LayerRate> {
        let mut rates = Vec::with_capacity(MAX_SPATIAL * MAX_TEMPORAL);
        for (index, stream) in (0u8..).zip(&self.streams) {
            let Some(stream) = stream.as_ref().filter(|stream| stream.is_alive(now)) else { continue };
            for (layer, measured, is_measured) in stream.rates(held, now) {
                let spatial = if stream.rid.is_some() { index } else { layer.spatial };
                let announced = self.announced(spatial).map(|layer| u64::from(layer.bitrate_bps));
                let bps = announced.filter(|bps| !is_measured && *bps > 0).unwrap_or(measured);
                rates.push(LayerRate { layer: LayerId { spatial, ..layer }, bps });
            }
        }
        rates
    }

    /// Frames per second of its best encoding.
    pub(crate) fn fps(&self, now: Instant) -> f32 {
        self.streams.iter().flatten().map(|stream| stream.frames.fps(now)).fold(0.0, f32::max)
    }

    /// A spatial layer as its publisher announced it.
    pub(crate) fn announced(&self, spatial: u8) -> Option<crate::DeclaredLayer> {
        self.expected.layers.iter().find(|layer| layer.spatial == spatial).copied()
    }

    /// A subscriber needs a key frame of an encoding. True when the publisher is to be asked now.
    pub(crate) fn request_keyframe(&mut self, stream: u8, now: Instant) -> bool {
        let stream = self.streams.get_mut(usize::from(stream)).and_then(Option::as_mut);
        stream.is_some_and(|stream| stream.keyframes.handle_request(now))
    }

    /// An encoding whose waiting key frame request is due.
    pub(crate) fn poll_keyframe_request(&mut self, now: Instant) -> Option<u8> {
        let mut streams = (0u8..).zip(&mut self.streams);
        streams.find_map(|(index, stream)| stream.as_mut()?.keyframes.poll(now).then_some(index))
    }
}

/// LiveKit's rids, low to high; a track without rids has one encoding.
fn stream_index(rid: Option<Rid>) -> Option<u8> {
    match rid.as_deref() {
        None | Some("q") => Some(0),
        Some("h") => Some(1),
        Some("f") => Some(2),
        Some(_) => None,
    }
}
