//! A client as LiveKit's SDKs behave towards a server: its peer connections, what it publishes, what its page
//! shows. It says what it wants in commands (the room's part passes them on) and hears events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sluice_core::{
    BackupCodec, BackupPolicy, CodecRole, Command, Connection, DataChannel, Event, ExpectedTrack, Kind, MidToTrack,
    ParticipantId, TrackId,
};
use str0m::bwe::{Bitrate, BweKind};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt, Simulcast, SimulcastLayer};
use str0m::rtp::RtpPacket;

use crate::dependency::Dependency;
use crate::descriptor;
use crate::film::Film;
use crate::media::{Media, Stamp, TRAILER};
use crate::peer::{Abilities, Peer};
use crate::red;
use crate::sink::{Received, Sink, Stream};
use crate::source::{Publication, Source};

/// Receiving sections a client with one connection brings to its first offer, of each kind.
const FIRST_SECTIONS: u32 = 3;

/// Set aside for sound before pictures get their share.
const SOUND_BPS: u64 = 50_000;

/// Which of a client's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// The client offers: publishing, or everything.
    Publisher,
    /// The server offers.
    Subscriber,
}

/// A simulated participant.
pub struct Client {
    pub(crate) id: ParticipantId,
    pub(crate) connection: Connection,
    pub(crate) publisher: Peer,
    pub(crate) subscriber: Option<Peer>,
    /// What it wants said to the server, in order.
    pub(crate) says: VecDeque<Command>,
    /// What is noteworthy for a trace.
    pub(crate) notes: Vec<String>,
    sources: Vec<Source>,
    /// Second codecs of its tracks, for when they are asked for.
    pub(crate) backups: BTreeMap<TrackId, (Publication, BackupPolicy)>,
    /// What its tracks show instead of stamps, where they do.
    pub(crate) films: BTreeMap<TrackId, Film>,
    /// All its films began then.
    joined_at: Instant,
    streams: BTreeMap<Mid, Stream>,
    receiving: Vec<Mid>,
    outstanding: Option<(u32, SdpPendingOffer)>,
    last_offer_id: u32,
    wanted: Wanted,
    channels: BTreeMap<&'static str, ChannelId>,
    open: Vec<&'static str>,
    labels: Vec<(ChannelId, DataChannel)>,
    inbox: Vec<(DataChannel, Vec<u8>)>,
    /// Sequence numbers of video that came, by SSRC.
    pub(crate) received: BTreeMap<u32, BTreeSet<u16>>,
    /// What its engine makes of the server's feedback, bits per second.
    pub estimate_bps: Option<u64>,
    random: ChaCha8Rng,
    /// Some SDKs answer every offer with number 0.
    pub(crate) answers_with_zero: bool,
    /// Every description the server sent.
    pub(crate) descriptions: Vec<String>,
    last_offer: String,
    last_answer: String,
    /// Offers of the client that were refused.
    pub refusals: Vec<String>,
}

/// What the next offer must bring.
#[derive(Debug, Default)]
struct Wanted {
    offer: bool,
    audio: u32,
    video: u32,
    /// Track, what, and whether as its second codec.
    publish: Vec<(TrackId, Publication, bool)>,
    unpublish: Vec<TrackId>,
    unpublish_backup: Vec<TrackId>,
    restart: bool,
}

impl Wanted {
    fn is_something(&self) -> bool {
        self.offer
            || self.audio + self.video > 0
            || !(self.publish.is_empty() && self.unpublish.is_empty() && self.unpublish_backup.is_empty())
            || self.restart
    }
}

const LABELS: [(&str, Option<DataChannel>); 3] =
    [("_reliable", Some(DataChannel::Reliable)), ("_lossy", Some(DataChannel::Lossy)), ("_data_track", None)];

impl Client {
    pub(crate) fn new(
        id: ParticipantId,
        connection: Connection,
        addresses: [SocketAddr; 2],
        abilities: Abilities<'_>,
        seed: u64,
        now: Instant,
    ) -> Self {
        let is_dual = connection == Connection::Dual;
        let mut client = Self {
            id,
            connection,
            publisher: Peer::new(addresses[0], abilities, now),
            subscriber: is_dual.then(|| Peer::new(addresses[1], Abilities { reads_feedback: false, ..abilities }, now)),
            says: VecDeque::new(),
            notes: Vec::new(),
            sources: Vec::new(),
            backups: BTreeMap::new(),
            films: BTreeMap::new(),
            joined_at: now,
            streams: BTreeMap::new(),
            receiving: Vec::new(),
            outstanding: None,
            last_offer_id: 0,
            wanted: Wanted { offer: true, ..Wanted::default() },
            channels: BTreeMap::new(),
            open: Vec::new(),
            labels: Vec::new(),
            inbox: Vec::new(),
            received: BTreeMap::new(),
            estimate_bps: None,
            random: ChaCha8Rng::seed_from_u64(seed),
            answers_with_zero: false,
            descriptions: Vec::new(),
            last_offer: String::new(),
            last_answer: String::new(),
            refusals: Vec::new(),
        };
        if !is_dual {
            (client.wanted.audio, client.wanted.video) = (FIRST_SECTIONS, FIRST_SECTIONS);
        }
        client
    }

    /// What its page shows: every sink there ever was for the track.
    pub fn sinks<'a>(&'a self, track: &'a TrackId) -> impl Iterator<Item = &'a Sink> {
        self.all_sinks().filter(move |sink| sink.track == *track)
    }

    /// Packets of pictures that came.
    #[must_use]
    pub fn video_packets(&self) -> usize {
        self.received.values().map(BTreeSet::len).sum()
    }

    /// Every sink there ever was.
    pub fn all_sinks(&self) -> impl Iterator<Item = &Sink> {
        self.streams.values().flat_map(|stream| &stream.sinks)
    }

    /// True when its connections are up.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.publisher.is_connected && self.subscriber.as_ref().is_none_or(|peer| peer.is_connected)
    }

    /// Messages that came.
    #[must_use]
    pub fn inbox(&self) -> &[(DataChannel, Vec<u8>)] {
        &self.inbox
    }

    /// Receiving sections it has.
    #[must_use]
    pub fn sections(&self) -> usize {
        self.streams.len()
    }

    /// The server's last description.
    #[must_use]
    pub fn last_description(&self) -> &str {
        self.descriptions.last().map_or("", String::as_str)
    }

    /// Its own last offer.
    #[must_use]
    pub fn last_offer(&self) -> &str {
        &self.last_offer
    }

    /// Requests for key frames a track's encoder got: when and for which layer.
    #[must_use]
    pub fn keyframe_requests(&self, track: &TrackId) -> Vec<(Instant, u8)> {
        self.sources
            .iter()
            .find(|s| s.track == *track)
            .map(|s| s.keyframe_requests.clone())
            .unwrap_or_default()
    }

    /// What is wrong with what came. See the crate's documentation for the invariants.
    #[must_use]
    pub fn audit(&self, is_lossless: bool) -> Vec<String> {
        let of = |(mid, stream): (&Mid, &Stream)| {
            let id = self.id.clone();
            let mid = *mid;
            stream
                .audit(is_lossless)
                .into_iter()
                .map(move |wrong| format!("{id}, section {mid}: {wrong}"))
        };
        self.streams.iter().flat_map(of).collect()
    }

    // What a person or the room asks of it.

    pub(crate) fn publish(&mut self, track: TrackId, publication: Publication, announces_trailers: bool) {
        let backup = self
            .backups
            .get(&track)
            .map(|(backup, policy)| BackupCodec { mime_type: backup.media.mime_type().to_owned(), policy: *policy });
        let role = backup.map_or(CodecRole::Only, CodecRole::Primary);
        self.announce(track, publication, role, announces_trailers);
    }

    /// The server asks for a second codec, or says up to which quality anybody looks at it.
    fn hear_backup_wanted(&mut self, track: &TrackId, max_spatial: Option<u8>) {
        if let Some(source) = self.sources.iter_mut().find(|s| s.track == *track && s.is_backup) {
            return source.set_max_quality(max_spatial);
        }
        let is_under_way = self.wanted.publish.iter().any(|(of, _, is_backup)| of == track && *is_backup);
        if let Some((backup, _)) = self.backups.get(track)
            && max_spatial.is_some()
            && !is_under_way
        {
            self.announce(track.clone(), *backup, CodecRole::Backup, false);
        }
    }

    fn announce(&mut self, track: TrackId, publication: Publication, role: CodecRole, announces_trailers: bool) {
        let is_backup = role == CodecRole::Backup;
        let cid = cid(&track, is_backup);
        self.says.push_back(Command::ExpectTrack {
            participant: self.id.clone(),
            expected: ExpectedTrack {
                track: track.clone(),
                cids: vec![cid],
                kind: if publication.media.is_video() { Kind::Video } else { Kind::Audio },
                codecs: vec![publication.media.mime_type().to_owned()],
                source: sluice_core::Source::Unknown,
                layers: Vec::new(),
                stereo: false,
                dtx: true,
                red: !publication.is_encrypted,
                has_trailers: publication.has_trailers && announces_trailers,
                role,
            },
        });
        self.wanted.publish.push((track, publication, is_backup));
    }

    /// A track's second codec is published no longer.
    pub(crate) fn unpublish_backup(&mut self, track: &TrackId) {
        self.wanted.unpublish_backup.push(track.clone());
    }

    pub(crate) fn unpublish(&mut self, track: &TrackId) {
        self.wanted.unpublish.push(track.clone());
    }

    pub(crate) fn restart_ice(&mut self) {
        self.wanted.restart = true;
    }

    pub(crate) fn set_layer(&mut self, track: &TrackId, layer: usize, is_on: bool) {
        for source in self.sources.iter_mut().filter(|s| s.track == *track) {
            source.set_layer(layer, is_on);
        }
    }

    /// Its track goes on with another film.
    pub(crate) fn change_film(&mut self, track: &TrackId, film: &Film) {
        for source in self.sources.iter_mut().filter(|s| s.track == *track) {
            source.change_film(film.clone());
        }
    }

    /// Its encoders of a track begin anew under other SSRCs.
    pub(crate) fn change_ssrcs(&mut self, track: &TrackId, now: Instant) {
        for source in self.sources.iter_mut().filter(|s| s.track == *track) {
            for rid in source.restart() {
                self.publisher.mutate(now, |rtc| {
                    let mut api = rtc.direct_api();
                    let (ssrc, repairs) = (api.new_ssrc(), api.new_ssrc());
                    let has_repairs = api.stream_tx_by_mid(source.mid, rid).is_some_and(|tx| tx.rtx().is_some());
                    api.reset_stream_tx(source.mid, rid, ssrc, has_repairs.then_some(repairs));
                });
            }
        }
    }

    /// Dynacast: the server says up to which quality anybody looks.
    pub(crate) fn set_max_quality(&mut self, track: &TrackId, max: Option<u8>) {
        for source in self.sources.iter_mut().filter(|s| s.track == *track && !s.is_backup) {
            source.set_max_quality(max);
        }
    }

    /// Whether it sends a track in its first and in its second codec now.
    #[must_use]
    pub fn sends(&self, track: &TrackId) -> (bool, bool) {
        let sends = |is_backup| {
            self.sources
                .iter()
                .any(|s| s.track == *track && s.is_backup == is_backup && s.is_wanted())
        };
        (sends(false), sends(true))
    }

    /// The section of a track it publishes.
    pub(crate) fn published_section(&self, track: &TrackId) -> Option<(Mid, Publication)> {
        self.sources.iter().find(|s| s.track == *track).map(|s| (s.mid, s.publication))
    }

    pub(crate) fn send_data(&mut self, channel: DataChannel, message: &[u8], now: Instant) -> bool {
        let label = if channel == DataChannel::Reliable { "_reliable" } else { "_lossy" };
        let Some(id) = self.channels.get(label).copied() else { return false };
        self.publisher
            .mutate(now, |rtc| rtc.channel(id).is_some_and(|mut c| matches!(c.write(true, message), Ok(true))))
    }

    // Time.

    pub(crate) fn ends(&mut self) -> impl Iterator<Item = (End, &mut Peer)> {
        let subscriber = self.subscriber.as_mut().map(|peer| (End::Subscriber, peer));
        std::iter::once((End::Publisher, &mut self.publisher)).chain(subscriber)
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        let subscriber = self.subscriber.as_ref().and_then(|peer| peer.deadline);
        let frames = self.sources.iter().map(Source::next_at).min();
        [self.publisher.deadline, subscriber, frames].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for (_, peer) in self.ends() {
            if peer.deadline.is_some_and(|at| at <= now) {
                peer.handle_timeout(now);
            }
        }
        self.encode(now);
    }

    fn encode(&mut self, now: Instant) {
        let Self { sources, publisher, last_answer, .. } = self;
        for source in sources.iter_mut().filter(|source| source.next_at() <= now) {
            let codec = source.publication.media.codec();
            let pt = publisher.rtc.codec_config().find(|p| p.spec().codec == codec).map(|p| p.pt());
            let is_sending = publisher.rtc.media(source.mid).is_some_and(|media| media.direction().is_sending());
            let (Some(pt), true) = (pt, is_sending && publisher.is_connected) else {
                source.wait(now);
                continue;
            };
            let red = publisher.rtc.codec_config().find(|p| p.pt() == pt).and_then(|p| p.red());
            let red = red.filter(|red| source.publication.repeats > 0 && prefers(last_answer, source.mid, *red));
            let mut outgoing = source.encode(now).into_iter().peekable();
            while let Some(packet) = outgoing.next() {
                let rid = packet.rid;
                if let Some(stream) = publisher.rtc.direct_api().stream_tx_by_mid(source.mid, rid) {
                    stream.write_rtp(packet.into_rtp(pt, red));
                }
                // Layer by layer: str0m takes streams in no particular order.
                if outgoing.peek().is_none_or(|next| next.rid != rid) {
                    publisher.handle_timeout(now);
                }
            }
        }
    }

    // What comes.

    pub(crate) fn handle_datagram(&mut self, end: End, source: SocketAddr, datagram: &[u8], now: Instant) {
        for (this, peer) in self.ends() {
            if this == end {
                peer.handle_datagram(source, datagram, now);
            }
        }
    }

    /// Acts on what its connections reported; then says what there is to say.
    pub(crate) fn settle(&mut self, now: Instant) {
        loop {
            let mut events = Vec::new();
            for (end, peer) in self.ends() {
                events.extend(peer.events.drain(..).map(|event| (end, event)));
            }
            if events.is_empty() {
                break;
            }
            for (end, event) in events {
                self.handle_event(end, event, now);
            }
        }
        self.offer(now);
    }

    fn handle_event(&mut self, end: End, event: str0m::Event, now: Instant) {
        let is_receiving_end = (end == End::Subscriber) == self.subscriber.is_some();
        match event {
            str0m::Event::RtpPacket(packet) if is_receiving_end => self.receive(&packet, now),
            str0m::Event::KeyframeRequest(request) => {
                for source in self.sources.iter_mut().filter(|source| source.mid == request.mid) {
                    source.request_keyframe(request.rid, now);
                }
            }
            str0m::Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. }) if end == End::Publisher => {
                self.estimate_bps = Some(estimate.as_u64());
                let wanted = self.share_out(estimate.as_u64());
                self.publisher.rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::bps(wanted));
            }
            str0m::Event::ChannelOpen(id, label) => {
                let known = LABELS.into_iter().find(|(l, _)| *l == label);
                if let Some((label, channel)) = known {
                    if let Some(channel) = channel.filter(|_| is_receiving_end) {
                        self.labels.push((id, channel));
                    }
                    self.open.push(label);
                }
            }
            str0m::Event::ChannelData(data) if is_receiving_end => {
                if let Some((_, channel)) = self.labels.iter().find(|(id, _)| *id == data.id) {
                    self.notes.push(format!("message of {} bytes", data.data.len()));
                    self.inbox.push((*channel, data.data));
                }
            }
            _ => {}
        }
    }

    /// The estimate of its own way up: each picture gets its share of what sound leaves. What all want.
    pub(crate) fn share_out(&mut self, estimate_bps: u64) -> u64 {
        let is_video = |source: &&mut Source| source.publication.media.is_video();
        let wanted: u64 = self.sources.iter_mut().filter(is_video).map(|source| source.wanted_bps()).sum();
        for source in self.sources.iter_mut().filter(is_video) {
            source.set_budget(estimate_bps.saturating_sub(SOUND_BPS) * source.wanted_bps() / wanted.max(1));
        }
        wanted + SOUND_BPS
    }

    fn receive(&mut self, packet: &RtpPacket, now: Instant) {
        let peer = self.subscriber.as_mut().unwrap_or(&mut self.publisher);
        let Some(mid) = peer.rtc.direct_api().stream_rx(&packet.header.ssrc).map(|s| s.mid()) else { return };
        let stream = self.streams.entry(mid).or_default();
        stream.has_missed_packets |= peer.unannounced.contains(&packet.header.ssrc);
        let payload_type = packet.header.payload_type;
        let config = peer.rtc.codec_config();
        let format = config.find(|p| p.pt() == payload_type || p.red() == Some(payload_type)).copied();
        let codec = format.map(|format| format.spec().codec);
        let mut payload = &*packet.payload;
        let mut repeated = Vec::new();
        if let Some(format) = format.filter(|format| format.red() == Some(payload_type)) {
            let blocks = red::unwrap(*format.pt(), payload).unwrap_or_default();
            let Some((own, past)) = blocks.split_last() else {
                stream.violations.push(format!("malformed RED: {payload:?}"));
                return;
            };
            payload = own;
            repeated.extend(past.iter().map(|block| Stamp::read(block)));
        }
        let dependency = packet.header.ext_vals.user_values.get::<Dependency>();
        let is_marked = packet.header.marker;
        let (payload, has_trailer) = payload.strip_suffix(&TRAILER).map_or((payload, false), |frame| (frame, true));
        let read = codec.and_then(Media::of).and_then(|media| {
            let (described, len) = descriptor::read(media, payload, is_marked, dependency, &mut stream.table)?;
            Some((media, Stamp::read(payload.get(len..)?)?, described))
        });
        let Some((media, stamp, described)) = read else {
            stream.violations.push(format!(
                "{codec:?} payload that nobody sent: {:?}, {dependency:?}",
                &payload[..payload.len().min(40)]
            ));
            return;
        };
        if media == Media::Opus && self.descriptions.last().is_some_and(|last| last.contains("a=rtcp-fb:111 nack")) {
            // The engine asks for what is lost only where a repair stream is agreed; browsers do for sound as well.
            if let Some(stream) = peer.rtc.direct_api().stream_rx(&packet.header.ssrc) {
                stream.suppress_nack(false);
            }
        }
        let (begins, ends) = (stamp.is_first(), stamp.is_last());
        let is_true = media == Media::Vp8 && described.begins == begins
            || !media.is_video()
            || (described.begins, described.ends) == (begins, ends);
        let layers = (described.spatial, described.temporal);
        if !is_true || layers != (0, 0) && layers != (stamp.spatial, stamp.temporal) {
            stream.violations.push(format!("descriptor of {stamp:?} says {described:?}"));
        }
        if media == Media::Opus && packet.header.ext_vals.audio_level != Some(-20) {
            stream.violations.push(format!("audio level of {stamp:?} lost"));
        }
        if media.is_video() && is_marked && !stamp.is_last() {
            stream.violations.push(format!("marker of {stamp:?} wrong"));
        }
        if media.is_video() {
            self.received.entry(*packet.header.ssrc).or_default().insert(*packet.seq_no as u16);
        }
        let payload_len = payload.len();
        let (sequence, timestamp) = (*packet.seq_no, packet.header.timestamp);
        self.notes.push(format!("{mid} {sequence} {timestamp} {stamp:?}"));
        for repeated in repeated {
            stream.repeat(repeated, now);
        }
        let asks = stream.receive(Received {
            at: now,
            sequence,
            timestamp,
            media,
            stamp,
            described,
            payload_len,
            is_marked,
            has_trailer,
        });
        if asks {
            self.ask_for_keyframe(mid, now);
        }
    }

    /// Sends a PLI for a receiving section.
    pub(crate) fn ask_for_keyframe(&mut self, mid: Mid, now: Instant) {
        let peer = self.subscriber.as_mut().unwrap_or(&mut self.publisher);
        if let Some(stream) = peer.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
        peer.handle_timeout(now);
    }

    /// The section on which a track comes now.
    pub(crate) fn section_of(&self, track: &TrackId) -> Option<Mid> {
        let carries =
            |stream: &&Stream| stream.sinks.last().is_some_and(|sink| sink.closed_at.is_none() && sink.track == *track);
        self.streams.iter().find(|(_, stream)| carries(stream)).map(|(mid, _)| *mid)
    }

    /// The server says something.
    pub(crate) fn hear(&mut self, event: Event, now: Instant) {
        match event {
            Event::Answer { id, sdp, mid_to_track, .. } => self.hear_answer(id, &sdp, &mid_to_track, now),
            Event::Offer { id, sdp, mid_to_track, .. } => self.hear_offer(id, &sdp, &mid_to_track, now),
            Event::SectionsNeeded { audio, video, .. } => {
                self.wanted.offer = true;
                self.wanted.audio += audio;
                self.wanted.video += video;
            }
            Event::NegotiationFailed { reason, .. } => self.refusals.push(reason),
            Event::BackupWanted { track, max_spatial, .. } => self.hear_backup_wanted(&track, max_spatial),
            Event::LayersWanted { track, max_spatial, .. } => self.set_max_quality(&track, max_spatial),
            _ => {}
        }
    }

    fn hear_answer(&mut self, id: u32, sdp: &str, mid_to_track: &MidToTrack, now: Instant) {
        self.descriptions.push(sdp.to_owned());
        // Clients ignore answers to older offers.
        let Some((_, pending)) = self.outstanding.take_if(|(outstanding, _)| *outstanding == id) else { return };
        sdp.clone_into(&mut self.last_answer);
        let answer = SdpAnswer::from_sdp_string(sdp).expect("the server's answer can be parsed");
        self.publisher
            .mutate(now, |rtc| rtc.sdp_api().accept_answer(pending, answer))
            .expect("the server's answer fits the offer");
        if self.connection == Connection::Single {
            self.show(sdp, mid_to_track, now);
        }
    }

    fn hear_offer(&mut self, id: u32, sdp: &str, mid_to_track: &MidToTrack, now: Instant) {
        self.descriptions.push(sdp.to_owned());
        let Some(peer) = self.subscriber.as_mut() else { return };
        let offer = SdpOffer::from_sdp_string(sdp).expect("the server's offer can be parsed");
        let answer = peer
            .mutate(now, |rtc| rtc.sdp_api().accept_offer(offer))
            .expect("the server's offer fits the connection");
        let id = if self.answers_with_zero { 0 } else { id };
        self.says
            .push_back(Command::Answer { participant: self.id.clone(), id, sdp: answer.to_sdp_string() });
        self.show(sdp, mid_to_track, now);
    }

    /// The page learns from a description which sections carry what: a section that sends has the track of its
    /// msid, and the map says the same.
    fn show(&mut self, sdp: &str, mid_to_track: &MidToTrack, now: Instant) {
        for (mid, direction, track) in sending_sections(sdp) {
            let track = (direction == "sendonly").then_some(track).flatten();
            let mapped = mid_to_track.iter().find(|(m, _)| *m == mid).map(|(_, track)| track.as_str());
            let mid = Mid::from(mid.as_str());
            if self.sources.iter().any(|s| s.mid == mid)
                || !(self.receiving.contains(&mid) || self.subscriber.is_some())
            {
                continue;
            }
            let stream = self.streams.entry(mid).or_default();
            if track.as_deref() != mapped {
                stream
                    .violations
                    .push(format!("section {mid}: msid says {track:?}, the map says {mapped:?}"));
            }
            let track = track.map(TrackId::from);
            stream.set_track(mid, track.as_ref(), now);
        }
    }

    /// Offers, when there is something to say and the last offer was answered.
    fn offer(&mut self, now: Instant) {
        if self.outstanding.is_some() || !self.wanted.is_something() {
            return;
        }
        let wanted = std::mem::take(&mut self.wanted);
        let is_first = self.last_offer_id == 0;
        let Self { publisher, receiving, sources, channels, random, films, joined_at, .. } = self;
        let ends = |s: &&Source| {
            wanted.unpublish.contains(&s.track) || s.is_backup && wanted.unpublish_backup.contains(&s.track)
        };
        let unpublished: Vec<Mid> = sources.iter().filter(|s| ends(s)).map(|s| s.mid).collect();
        sources.retain(|source| !unpublished.contains(&source.mid));
        let negotiated = publisher.mutate(now, |rtc| {
            let mut changes = rtc.sdp_api();
            if is_first {
                for (label, _) in LABELS {
                    channels.insert(label, changes.add_channel_with_config(channel(label)));
                }
            }
            for mid in unpublished {
                changes.set_direction(mid, Direction::Inactive);
            }
            for mid in &*receiving {
                // A page's receiver stays recvonly, whatever the last answer said; str0m offers again only when
                // something changes, so something does.
                changes.set_direction(*mid, Direction::Inactive);
                changes.set_direction(*mid, Direction::RecvOnly);
            }
            for (kind, count) in [(MediaKind::Audio, wanted.audio), (MediaKind::Video, wanted.video)] {
                for _ in 0..count {
                    receiving.push(changes.add_media(kind, Direction::RecvOnly, None, None, None));
                }
            }
            for (track, publication, is_backup) in wanted.publish {
                let (kind, simulcast) = (publication.media, publication.is_simulcast.then(three_layers));
                let kind = if kind.is_video() { MediaKind::Video } else { MediaKind::Audio };
                let mid = changes.add_media(kind, Direction::SendOnly, None, Some(cid(&track, is_backup)), simulcast);
                let film = films.get(&track).filter(|_| !is_backup).cloned();
                let mut source = Source::new(track, mid, publication, random, now);
                source.is_backup = is_backup;
                film.into_iter().for_each(|film| source.show(film, *joined_at));
                sources.push(source);
            }
            if wanted.restart {
                changes.ice_restart(true);
            }
            changes.apply()
        });
        if let Some((offer, pending)) = negotiated {
            self.last_offer_id += 1;
            self.outstanding = Some((self.last_offer_id, pending));
            let (participant, id, sdp) = (self.id.clone(), self.last_offer_id, offer.to_sdp_string());
            self.last_offer.clone_from(&sdp);
            self.says.push_back(Command::Offer { participant, id, sdp });
        }
    }
}

/// The client's own id for what it sends.
fn cid(track: &TrackId, is_backup: bool) -> String {
    format!("cid-{track}{}", if is_backup { "-backup" } else { "" })
}

/// True when an answer lists a payload type of a section first: a browser sends in that format.
fn prefers(answer: &str, mid: Mid, pt: Pt) -> bool {
    let name = format!("\r\na=mid:{mid}\r\n");
    let section = answer.split("\r\nm=").find(|section| section.contains(&name));
    let types = section.and_then(|section| section.lines().next());
    types.is_some_and(|types| types.split(' ').nth(3) == Some(&pt.to_string()))
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

fn three_layers() -> Simulcast {
    Simulcast { send: ["q", "h", "f"].map(SimulcastLayer::new).into(), recv: Vec::new() }
}

/// Mid, direction and the track of the msid of every media section.
fn sending_sections(sdp: &str) -> Vec<(String, String, Option<String>)> {
    sdp.split("\r\nm=")
        .skip(1)
        .filter(|section| section.starts_with("audio") || section.starts_with("video"))
        .filter_map(|section| {
            let value = |prefix: &str| section.lines().find_map(|line| line.strip_prefix(prefix)).map(str::to_owned);
            let direction = section.lines().find_map(|line| {
                ["sendonly", "recvonly", "sendrecv", "inactive"]
                    .into_iter()
                    .find(|d| line == format!("a={d}"))
            })?;
            let track = value("a=msid:").and_then(|msid| msid.split_once(' ').map(|(_, track)| track.to_owned()));
            Some((value("a=mid:")?, direction.to_owned(), track))
        })
        .collect()
}
