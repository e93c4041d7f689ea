//! A participant as a LiveKit client behaves towards a server: it announces and publishes its tracks, negotiates its
//! connections, and receives what the server sends. A machine without sockets: signal messages and datagrams go in
//! with the time they came at, requests and datagrams come out.
//!
//! It speaks both signal protocols: v1 with one peer connection that only the client offers on, and v0 with one for
//! publishing (the client offers) and one for subscribing (the server offers).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use livekit_protocol::{
    AddTrackRequest, SessionDescription, SimulcastCodec, SubscribedQualityUpdate, SyncState, TrackPublishedResponse,
    TrackSource, TrackType, TrickleRequest, UpdateSubscription, VideoLayer, VideoQuality, signal_request as ask,
    signal_response as told,
};
use str0m::Event;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, Reliability};
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Rid, Simulcast, SimulcastLayer};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};

use crate::error::PeerError;
use crate::peer::Peer;
use crate::publication::Content;
use crate::reception::{Arrival, Reception};
use crate::signal::SignalVersion;
use crate::source::{RIDS, Source};
use crate::tally::{Live, Present};

/// Receiving sections of each kind that a client brings to its first offer on a single connection.
const FIRST_SECTIONS: u32 = 3;
/// Receiving sections a server may ask one client for, of each kind: more than any room here has tracks.
const MAX_SECTIONS: usize = 2000;
/// Data channels every client opens.
const CHANNELS: [&str; 3] = ["_reliable", "_lossy", "_data_track"];
/// Packets a source may hand over in one turn: a late one must not keep the others waiting.
const MAX_PACKETS_A_TURN: usize = 64;

/// Which of a participant's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client offers: all media in v1, what is published in v0.
    Publisher,
    /// The server offers: what is subscribed in v0.
    Subscriber,
}

/// A track to publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrackPlan {
    /// Its number in the run, which its packets carry.
    pub(crate) number: u32,
    pub(crate) content: Content,
    pub(crate) seed: u64,
}

struct Published {
    cid: String,
    source: Source,
    /// Its section, once it was offered.
    mid: Option<Mid>,
    info: Option<TrackPublishedResponse>,
}

/// What the next offer must bring.
#[derive(Debug, Default)]
struct Wanted {
    is_due: bool,
    audio: u32,
    video: u32,
    restart: bool,
}

/// A participant of a room.
pub(crate) struct Participant {
    publisher: Peer,
    subscriber: Option<Peer>,
    requests: VecDeque<ask::Message>,
    published: Vec<Published>,
    subscribes: bool,
    reception: Reception,
    receiving: Vec<Mid>,
    events: Vec<(End, Event)>,
    outstanding: Option<(u32, SdpPendingOffer)>,
    last_offer: SessionDescription,
    wanted: Wanted,
    /// Both ends of its media are connected, in nanoseconds of the run's clock.
    connected_ns: Option<u64>,
    /// Its signal connection was resumed; the answer that follows completes it.
    is_resuming: bool,
    resumed_ns: Option<u64>,
    server_version: String,
    failure: Option<PeerError>,
}

impl Participant {
    /// A participant that speaks from `addresses`, the second of which only v0 uses.
    pub(crate) fn new(
        version: SignalVersion,
        addresses: [SocketAddr; 2],
        tracks: &[TrackPlan],
        subscribes: bool,
        now: Instant,
    ) -> Result<Self, PeerError> {
        let is_single = version.connections() == 1;
        let published = tracks.iter().map(|plan| Published {
            cid: format!("track-{}", plan.number),
            source: Source::new(plan.number, plan.content, plan.seed, now),
            mid: None,
            info: None,
        });
        let sections = if is_single && subscribes { FIRST_SECTIONS } else { 0 };
        Ok(Self {
            publisher: Peer::new(addresses[0], now)?,
            subscriber: if is_single { None } else { Some(Peer::new(addresses[1], now)?) },
            requests: VecDeque::new(),
            published: published.collect(),
            subscribes,
            reception: Reception::default(),
            receiving: Vec::new(),
            events: Vec::new(),
            outstanding: None,
            last_offer: SessionDescription::default(),
            wanted: Wanted { audio: sections, video: sections, ..Wanted::default() },
            connected_ns: None,
            is_resuming: false,
            resumed_ns: None,
            server_version: String::new(),
            failure: None,
        })
    }

    /// The next request to the server.
    pub(crate) fn poll_request(&mut self) -> Option<ask::Message> {
        self.requests.pop_front()
    }

    /// Every datagram that is to be sent, in order.
    pub(crate) fn drain_transmits(&mut self, mut send: impl FnMut(End, SocketAddr, &[u8])) {
        for (end, peer) in self.ends() {
            for (destination, datagram) in peer.transmits.drain(..) {
                send(end, destination, &datagram);
            }
        }
    }

    /// When it wants time.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let subscriber = self.subscriber.as_ref().and_then(|peer| peer.deadline);
        let sources = self.published.iter().map(|published| published.source.next_at()).min();
        [self.publisher.deadline, subscriber, sources].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, present: &mut Present<'_>) {
        for (_, peer) in self.ends() {
            if peer.deadline.is_some_and(|at| at <= present.now) {
                peer.handle_timeout(present.now);
            }
        }
        self.publish(present);
        self.settle(present);
    }

    pub(crate) fn handle_datagram(&mut self, end: End, source: SocketAddr, datagram: &[u8], present: &mut Present<'_>) {
        for (this, peer) in self.ends() {
            if this == end {
                peer.handle_datagram(source, datagram, present.now);
            }
        }
        self.settle(present);
    }

    /// The server said something.
    pub(crate) fn handle_signal(&mut self, message: told::Message, present: &mut Present<'_>) {
        let now = present.now;
        match message {
            told::Message::Join(join) => {
                self.server_version = join.server_info.map_or(join.server_version, |info| info.version);
                self.announce();
                // In v0 a connection of its own carries what is published: without tracks it would carry nothing.
                self.wanted.is_due = self.subscriber.is_none() || !self.published.is_empty();
            }
            told::Message::Reconnect(_) => self.resume(),
            told::Message::Answer(answer) => self.hear_answer(&answer, present),
            told::Message::Offer(offer) => self.hear_offer(&offer, now),
            told::Message::Trickle(trickle) => self.hear_candidate(&trickle, now),
            told::Message::TrackPublished(info) => {
                for published in self.published.iter_mut().filter(|published| published.cid == info.cid) {
                    published.info = Some(info.clone());
                }
            }
            told::Message::SubscribedQualityUpdate(update) => self.hear_wanted(&update),
            told::Message::MediaSectionsRequirement(sections) if self.subscribes => {
                self.wanted.is_due = true;
                self.wanted.audio = self.wanted.audio.saturating_add(sections.num_audios);
                self.wanted.video = self.wanted.video.saturating_add(sections.num_videos);
            }
            told::Message::Leave(leave) => {
                let reason = format!("{:?}", leave.reason());
                self.failure.get_or_insert(PeerError::Leave(reason));
            }
            _ => {}
        }
        self.settle(present);
    }

    fn ends(&mut self) -> impl Iterator<Item = (End, &mut Peer)> {
        let subscriber = self.subscriber.as_mut().map(|peer| (End::Subscriber, peer));
        std::iter::once((End::Publisher, &mut self.publisher)).chain(subscriber)
    }

    /// The connection on which media comes.
    fn receiver(&mut self) -> &mut Peer {
        self.subscriber.as_mut().unwrap_or(&mut self.publisher)
    }

    /// Acts on what its connections reported, then offers if there is something to offer.
    fn settle(&mut self, present: &mut Present<'_>) {
        loop {
            // The buffer is used again, so that a packet costs no allocation here.
            let mut events = std::mem::take(&mut self.events);
            for (end, peer) in self.ends() {
                events.extend(peer.events.drain(..).map(|event| (end, event)));
            }
            let is_quiet = events.is_empty();
            for (end, event) in events.drain(..) {
                self.handle_event(end, event, present);
            }
            self.events = events;
            if is_quiet && !self.offer(present.now) {
                break;
            }
        }
    }

    fn handle_event(&mut self, end: End, event: Event, present: &mut Present<'_>) {
        let is_receiving_end = (end == End::Subscriber) == self.subscriber.is_some();
        match event {
            Event::RtpPacket(packet) if is_receiving_end => self.receive(&packet, present),
            Event::KeyframeRequest(request) => {
                let rid = request.rid.map(|rid| rid.to_string());
                for published in self.published.iter_mut().filter(|published| published.mid == Some(request.mid)) {
                    published.source.request_keyframe(rid.as_deref());
                }
            }
            Event::Connected if self.connected_ns.is_none() => {
                let needs_publisher = self.subscriber.is_none() || !self.published.is_empty();
                // A server may not offer anything to somebody who receives nothing.
                let is_subscriber_up =
                    !self.subscribes || self.subscriber.as_ref().is_none_or(|peer| peer.is_connected);
                if is_subscriber_up && (self.publisher.is_connected || !needs_publisher) {
                    self.connected_ns = Some(present.ns());
                    Live::count(&present.tally.live.connected);
                }
            }
            _ => {}
        }
    }

    fn receive(&mut self, packet: &RtpPacket, present: &mut Present<'_>) {
        let arrival = Arrival {
            ssrc: *packet.header.ssrc,
            sequence: *packet.seq_no,
            is_marked: packet.header.marker,
            payload: &packet.payload,
        };
        if self.reception.receive(&arrival, present) {
            let receiver = self.receiver();
            if let Some(stream) = receiver.rtc.direct_api().stream_rx(&packet.header.ssrc) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
            receiver.handle_timeout(present.now);
        }
    }

    // Publishing.

    fn announce(&mut self) {
        for published in &self.published {
            self.requests
                .push_back(ask::Message::AddTrack(announcement(&published.cid, &published.source)));
        }
    }

    fn publish(&mut self, present: &mut Present<'_>) {
        let now = present.now;
        let Self { published, publisher, .. } = self;
        for published in published.iter_mut().filter(|published| published.source.next_at() <= now) {
            let mid = published.mid.filter(|mid| {
                publisher.is_connected && publisher.rtc.media(*mid).is_some_and(|media| media.direction().is_sending())
            });
            let spec = if published.source.content().is_video() { "VP8" } else { "opus" };
            let pt = publisher
                .rtc
                .codec_config()
                .find(|params| params.spec().codec.to_string().eq_ignore_ascii_case(spec))
                .map(|params| params.pt());
            let (Some(mid), Some(pt)) = (mid, pt) else {
                published.source.wait(now);
                continue;
            };
            let mut written = None;
            for _ in 0..MAX_PACKETS_A_TURN {
                let is_measured = present.window.contains(present.clock.nanos(now));
                let Some(packet) = published.source.poll(now, present.clock, is_measured) else { break };
                if is_measured {
                    present.tally.published += 1;
                    present.tally.lateness.record(packet.late);
                }
                // Encoding by encoding: the engine sends those it has queued in no particular order.
                if written.is_some_and(|rid| rid != packet.rid) {
                    publisher.handle_timeout(now);
                }
                written = Some(packet.rid);
                let mut extensions = ExtensionValues::default();
                if let Some(level) = packet.level {
                    extensions.audio_level = Some(level);
                    extensions.voice_activity = Some(level > -60);
                }
                let is_video = packet.level.is_none();
                if let Some(stream) = publisher.rtc.direct_api().stream_tx_by_mid(mid, packet.rid.map(Rid::from)) {
                    let rtp = RtpWrite::new(pt, packet.sequence.into(), packet.timestamp, now, packet.payload)
                        .marker(packet.is_marked)
                        .ext_vals(extensions)
                        .nackable(is_video);
                    stream.write_rtp(rtp);
                }
            }
            if written.is_some() {
                publisher.handle_timeout(now);
            }
        }
    }

    /// Sizes nobody looks at need not be sent (dynacast).
    fn hear_wanted(&mut self, update: &SubscribedQualityUpdate) {
        let of_track = |published: &&mut Published| {
            let track = published.info.as_ref().and_then(|info| info.track.as_ref());
            track.is_some_and(|track| track.sid == update.track_sid)
        };
        let Some(published) = self.published.iter_mut().find(of_track) else { return };
        let of_codec = update.subscribed_codecs.iter().find(|codec| codec.codec.eq_ignore_ascii_case("vp8"));
        for wanted in of_codec.into_iter().flat_map(|codec| &codec.qualities) {
            let size = match wanted.quality() {
                VideoQuality::Low => 0,
                VideoQuality::Medium => 1,
                VideoQuality::High => 2,
                VideoQuality::Off => continue,
            };
            published.source.set_wanted(size, wanted.enabled);
        }
    }

    // Negotiation.

    fn hear_answer(&mut self, answer: &SessionDescription, present: &mut Present<'_>) {
        // Clients ignore answers to older offers.
        let Some((_, pending)) = self.outstanding.take_if(|(id, _)| *id == answer.id || answer.id == 0) else { return };
        let accepted = SdpAnswer::from_sdp_string(&answer.sdp)
            .map_err(|error| error.to_string())
            .and_then(|answer| {
                let accept = |rtc: &mut str0m::Rtc| rtc.sdp_api().accept_answer(pending, answer);
                self.publisher.mutate(present.now, accept).map_err(|error| error.to_string())
            });
        if let Err(error) = accepted {
            self.failure.get_or_insert(PeerError::Description(error));
        }
        if std::mem::take(&mut self.is_resuming) {
            self.resumed_ns = Some(present.ns());
        }
    }

    fn hear_offer(&mut self, offer: &SessionDescription, now: Instant) {
        let Some(subscriber) = &mut self.subscriber else { return };
        let answer = SdpOffer::from_sdp_string(&offer.sdp)
            .map_err(|error| error.to_string())
            .and_then(|offer| {
                subscriber
                    .mutate(now, |rtc| rtc.sdp_api().accept_offer(offer))
                    .map_err(|error| error.to_string())
            });
        match answer {
            Ok(answer) => self.requests.push_back(ask::Message::Answer(SessionDescription {
                r#type: "answer".into(),
                sdp: answer.to_sdp_string(),
                id: offer.id,
                ..Default::default()
            })),
            Err(error) => {
                self.failure.get_or_insert(PeerError::Description(error));
            }
        }
    }

    fn hear_candidate(&mut self, trickle: &TrickleRequest, now: Instant) {
        let Ok(init) = serde_json::from_str::<serde_json::Value>(&trickle.candidate_init) else { return };
        let Some(candidate) = init.get("candidate").and_then(serde_json::Value::as_str) else { return };
        let is_subscriber = trickle.target == livekit_protocol::SignalTarget::Subscriber as i32;
        let peer = if is_subscriber { self.receiver() } else { &mut self.publisher };
        peer.add_candidate(candidate, now);
    }

    /// The signal connection is back: the server hears what the client believes, and finds it anew.
    fn resume(&mut self) {
        self.is_resuming = true;
        // An answer to what was offered before can no longer come.
        self.outstanding = None;
        let publish_tracks = self.published.iter().filter_map(|published| published.info.clone()).collect();
        self.requests.push_back(ask::Message::SyncState(SyncState {
            subscription: Some(UpdateSubscription { subscribe: !self.subscribes, ..Default::default() }),
            publish_tracks,
            offer: (!self.last_offer.sdp.is_empty()).then(|| self.last_offer.clone()),
            ..Default::default()
        }));
        self.wanted.is_due = self.subscriber.is_none() || !self.published.is_empty();
        self.wanted.restart = true;
    }

    /// Offers, when there is something to say and the last offer was answered. True when it did.
    fn offer(&mut self, now: Instant) -> bool {
        if !self.wanted.is_due || self.outstanding.is_some() {
            return false;
        }
        let wanted = std::mem::take(&mut self.wanted);
        let is_first = self.last_offer.id == 0;
        let Self { publisher, receiving, published, .. } = self;
        let negotiated = publisher.mutate(now, |rtc| {
            let mut changes = rtc.sdp_api();
            if is_first {
                for label in CHANNELS {
                    changes.add_channel_with_config(channel(label));
                }
            }
            for mid in &*receiving {
                // A client's receiver stays recvonly, whatever the last answer said; the engine offers again only
                // when something changes, so something does.
                changes.set_direction(*mid, Direction::Inactive);
                changes.set_direction(*mid, Direction::RecvOnly);
            }
            for (kind, count) in [(MediaKind::Audio, wanted.audio), (MediaKind::Video, wanted.video)] {
                for _ in 0..count {
                    if receiving.len() < MAX_SECTIONS {
                        receiving.push(changes.add_media(kind, Direction::RecvOnly, None, None, None));
                    }
                }
            }
            for published in published.iter_mut().filter(|published| published.mid.is_none()) {
                let content = published.source.content();
                let kind = if content.is_video() { MediaKind::Video } else { MediaKind::Audio };
                let simulcast = matches!(content, Content::Camera { .. })
                    .then(|| Simulcast { send: RIDS.map(SimulcastLayer::new).into(), recv: Vec::new() });
                let cid = Some(published.cid.clone());
                published.mid = Some(changes.add_media(kind, Direction::SendOnly, None, cid, simulcast));
            }
            if wanted.restart && !is_first {
                changes.ice_restart(true);
            }
            changes.apply()
        });
        let Some((offer, pending)) = negotiated else { return false };
        let offer = SessionDescription {
            r#type: "offer".into(),
            sdp: offer.to_sdp_string(),
            id: self.last_offer.id + 1,
            ..Default::default()
        };
        self.outstanding = Some((offer.id, pending));
        self.last_offer = offer.clone();
        self.requests.push_back(ask::Message::Offer(offer));
        true
    }

    // What it has to tell.

    /// Why it cannot go on, once.
    pub(crate) fn failure(&self) -> Option<&PeerError> {
        self.failure.as_ref()
    }

    /// When its media was connected, in nanoseconds of the run's clock.
    pub(crate) fn connected_ns(&self) -> Option<u64> {
        self.connected_ns
    }

    /// When a broken signal connection worked again, the last time.
    pub(crate) fn resumed_ns(&self) -> Option<u64> {
        self.resumed_ns
    }

    /// What the server says it is.
    pub(crate) fn server_version(&self) -> &str {
        &self.server_version
    }

    /// What it published and what it received.
    pub(crate) fn into_parts(self) -> (Vec<Source>, Reception) {
        (self.published.into_iter().map(|published| published.source).collect(), self.reception)
    }
}

fn announcement(cid: &str, source: &Source) -> AddTrackRequest {
    let content = source.content();
    let (width, height) = content.dimensions();
    let request = AddTrackRequest { cid: cid.to_owned(), width, height, ..Default::default() };
    match content {
        Content::Speech { .. } | Content::GuestVoice { .. } => AddTrackRequest {
            name: "microphone".into(),
            r#type: TrackType::Audio as i32,
            source: TrackSource::Microphone as i32,
            disable_red: true,
            ..request
        },
        Content::Packets { .. } | Content::GuestPicture { .. } => camera(
            request,
            vec![VideoLayer { quality: VideoQuality::High as i32, width, height, ..Default::default() }],
        ),
        Content::Camera { kbps, .. } => {
            let layers = (0_i32..).zip(kbps).zip(RIDS).map(|((quality, kbps), rid)| VideoLayer {
                quality,
                width: width >> (2 - quality),
                height: height >> (2 - quality),
                bitrate: kbps.saturating_mul(1000),
                rid: rid.into(),
                spatial_layer: quality,
                ..Default::default()
            });
            camera(request, layers.collect())
        }
    }
}

/// The same request, for a camera that sends in VP8 what its layers say.
fn camera(request: AddTrackRequest, layers: Vec<VideoLayer>) -> AddTrackRequest {
    let cid = request.cid.clone();
    let codec = SimulcastCodec { codec: "vp8".into(), cid, layers: layers.clone(), ..Default::default() };
    AddTrackRequest {
        name: "camera".into(),
        r#type: TrackType::Video as i32,
        source: TrackSource::Camera as i32,
        simulcast_codecs: vec![codec],
        layers,
        ..request
    }
}

fn channel(label: &str) -> ChannelConfig {
    let is_reliable = label == "_reliable";
    ChannelConfig {
        label: label.into(),
        ordered: is_reliable,
        reliability: if is_reliable { Reliability::Reliable } else { Reliability::MaxRetransmits { retransmits: 0 } },
        ..Default::default()
    }
}
