//! The worker: owns every transport, track and subscription of its rooms, and the path of a packet.
//!
//! ```text
//! handle_datagram -> Transport::receive -> Track::ingest -> Forwarder::forward -> Transport::write -> flush
//! ```
//!
//! A machine without threads, sockets or clock: `handle_*` takes input, `poll_*` gives output. Whoever owns
//! it (a thread of the node, a simulation) calls [`Worker::flush`] after each batch of input, sends what is in
//! [`Worker::outgoing`], says so by [`Worker::handle_sent`], and drains [`Worker::poll_event`],
//! [`Worker::poll_relay`] and [`Worker::poll_tapped`].

mod ahead;
mod allocation;
mod codecs;
mod limits;
mod loans;
mod mirrors;
mod negotiation;
mod path;
mod relays;
mod reports;
mod routing;
mod taps;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadlines::Deadlines;
use crate::demux::Demux;
use crate::outgoing::Outgoing;
use crate::participant::{Participant, Subscription};
use crate::policer::Policer;
use crate::publications::Publications;
use crate::random::Random;
use crate::relay::{OriginKey, RelayMessage};
use crate::tap::{Tap, TapId, TapMessage};
use crate::track::Track;
use crate::transport::{BacklogFull, Offered, Outbox, STATS_INTERVAL, Shared, Transport, is_media, observed};
use crate::{
    Client, Command, Connection, DataChannel, Event, Failure, ParticipantId, ParticipantKey, Path, Protocol, RoomId,
    SubscriptionKey, TrackId, TrackKey, TransportKey, WorkerId,
};
use slotmap::SlotMap;
use str0m::config::DtlsCert;

use limits::Limits;
use loans::Borrowed;

/// How often sound levels are reported, as LiveKit does.
const LEVELS_INTERVAL: Duration = Duration::from_millis(300);

/// Written to by the flush of another: a chain this long does not exist; what is left goes with the next batch.
const MAX_FLUSH_ROUNDS: usize = 4;

/// What a worker is made of.
pub struct WorkerConfig {
    /// Addresses clients can send datagrams to; each becomes a candidate.
    pub local: Vec<SocketAddr>,
    /// Certificate of every connection. One for the process keeps handshakes cheap.
    pub certificate: Certificate,
    /// Most media a participant may send, bits per second, headers included; what is above is dropped and counted.
    /// 0: no bound.
    pub max_publish_bps: u64,
    /// Source of ICE credentials.
    pub random: Box<dyn Random>,
}

/// A DTLS certificate with its key.
#[derive(Clone)]
pub struct Certificate(DtlsCert);

impl Certificate {
    /// A new self-signed one. `None` when the crypto library cannot make one.
    #[must_use]
    pub fn generate() -> Option<Self> {
        str0m::crypto::from_feature_flags().dtls_provider.generate_certificate().map(Self)
    }
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerStats {
    /// Datagrams that came.
    pub datagrams_received: u64,
    /// Datagrams no transport took: unknown address or fragment, wrong integrity, forged.
    pub datagrams_refused: u64,
    /// Media packets of publishers that sent more than they may: not read, or of sound, not passed on.
    pub packets_policed: u64,
    /// Media packets decrypted.
    pub packets_received: u64,
    /// Media packets handed to subscribers' transports.
    pub packets_forwarded: u64,
    /// Media packets handed to other workers.
    pub packets_relayed: u64,
    /// Media packets other workers handed to this one.
    pub packets_mirrored: u64,
    /// Media packets handed to taps.
    pub packets_tapped: u64,
    /// Bytes of media datagrams sent, repairs and padding included.
    pub bytes_sent: u64,
    /// Packets receivers asked for again.
    pub packets_nacked: u64,
    /// Packets sent again.
    pub packets_repaired: u64,
    /// Packets of padding sent to find out what a link carries.
    pub packets_padded: u64,
    /// Packets that waited too long for a link to take them.
    pub packets_expired: u64,
    /// Key frames asked of publishers.
    pub keyframe_requests: u64,
    /// Bugs contained to a participant.
    pub contained_panics: u64,
    /// Lossy data messages a receiver had no room for.
    pub data_dropped: u64,
    /// Transports now.
    pub transports: u64,
    /// Tracks published here now.
    pub tracks: u64,
    /// Tracks of other workers now.
    pub mirrors: u64,
    /// Subscriptions now.
    pub subscriptions: u64,
    /// Taps now.
    pub taps: u64,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// Nobody here knows its path or its fragment: another worker might.
    Stranger,
    /// It was for a connection here, whether good or bad.
    Known,
    /// A connectivity check whose integrity holds: what else comes this way is for a connection here.
    Checked,
}

struct Slot {
    transport: Transport,
    participant: ParticipantKey,
    policer: Policer,
    /// Packets were written and not flushed.
    is_dirty: bool,
    /// Its entry in `deadlines`.
    deadline: Option<Instant>,
}

/// The media worker. See the module's documentation.
pub struct Worker {
    shared: Shared,
    local: Vec<(Protocol, SocketAddr)>,
    random: Box<dyn Random>,
    max_publish_bps: u64,
    demux: Demux,
    transports: SlotMap<TransportKey, Slot>,
    participants: SlotMap<ParticipantKey, Participant>,
    participants_by_id: HashMap<ParticipantId, ParticipantKey>,
    tracks: SlotMap<TrackKey, Track>,
    tracks_by_id: HashMap<TrackId, TrackKey>,
    /// Tracks of other workers and of other rooms, by what they are there and the room they are in here.
    mirrors: BTreeMap<(WorkerId, OriginKey, RoomId), TrackKey>,
    /// Tracks of other rooms, by their ids here.
    borrowed: BTreeMap<TrackId, Borrowed>,
    subscriptions: SlotMap<SubscriptionKey, Subscription>,
    taps: BTreeMap<TapId, Tap>,
    rooms: BTreeMap<RoomId, Room>,
    deadlines: Deadlines<TransportKey>,
    dirty: Vec<TransportKey>,
    /// Those being flushed; kept for its room.
    due: Vec<TransportKey>,
    /// Participants whose sections no longer fit their subscriptions.
    unsettled: BTreeSet<ParticipantKey>,
    /// Participants whose shares no longer fit what they take.
    unbalanced: BTreeSet<ParticipantKey>,
    /// Tracks of which it is not settled who is fed which codec, and up to which layer each is wanted.
    reconsidered: BTreeSet<TrackKey>,
    next_balance_at: Option<Instant>,
    next_levels_at: Option<Instant>,
    next_quality_at: Option<Instant>,
    outbox: Outbox,
    events: VecDeque<(RoomId, Event)>,
    /// For other workers. Drained after each batch, so it holds no more than what a batch brought.
    relayed: VecDeque<(WorkerId, RelayMessage)>,
    /// What taps give. Drained after each batch, too.
    tapped: VecDeque<(TapId, TapMessage)>,
    /// For this one: a room of it has a track of another. Heard before the batch ends.
    own: VecDeque<RelayMessage>,
    stats: WorkerStats,
}

#[derive(Default)]
struct Room {
    participants: Vec<ParticipantKey>,
    /// The last report of levels named somebody.
    was_heard: bool,
    limits: Limits,
    /// Where else it is; `None` where it is here only.
    span: Option<Box<Span>>,
}

/// The other workers of a room.
struct Span {
    /// Which of the room's workers this is.
    part: u16,
    /// The others.
    peers: Vec<WorkerId>,
    /// The one that decides who is forwarded, when it is not this one.
    home: Option<WorkerId>,
}

impl Worker {
    /// A worker without rooms.
    #[must_use]
    pub fn new(config: WorkerConfig) -> Self {
        Self {
            shared: Shared {
                certificate: config.certificate.0,
                crypto: Arc::new(observed()),
                worker: WorkerId::default(),
            },
            local: config.local.into_iter().map(|address| (Protocol::Udp, address)).collect(),
            random: config.random,
            max_publish_bps: config.max_publish_bps,
            demux: Demux::default(),
            transports: SlotMap::with_key(),
            participants: SlotMap::with_key(),
            participants_by_id: HashMap::new(),
            tracks: SlotMap::with_key(),
            tracks_by_id: HashMap::new(),
            mirrors: BTreeMap::new(),
            borrowed: BTreeMap::new(),
            subscriptions: SlotMap::with_key(),
            taps: BTreeMap::new(),
            rooms: BTreeMap::new(),
            deadlines: Deadlines::default(),
            dirty: Vec::new(),
            due: Vec::new(),
            unsettled: BTreeSet::new(),
            unbalanced: BTreeSet::new(),
            reconsidered: BTreeSet::new(),
            next_balance_at: None,
            next_levels_at: None,
            next_quality_at: None,
            outbox: Outbox::default(),
            events: VecDeque::new(),
            relayed: VecDeque::new(),
            tapped: VecDeque::new(),
            own: VecDeque::new(),
            stats: WorkerStats::default(),
        }
    }

    /// The same worker as one of several: its connections' ICE fragments name it.
    #[must_use]
    pub fn with_id(mut self, id: WorkerId) -> Self {
        self.shared.worker = id;
        self
    }

    /// The same worker, to which clients may also come over TCP at these addresses: each becomes a passive candidate
    /// (RFC 6544).
    #[must_use]
    pub fn with_tcp(mut self, local: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.local.extend(local.into_iter().map(|address| (Protocol::Tcp, address)));
        self
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> WorkerStats {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        WorkerStats {
            bytes_sent: self.outbox.counts.bytes,
            packets_nacked: self.outbox.counts.nacked,
            packets_repaired: self.outbox.counts.repairs,
            packets_padded: self.outbox.counts.padding,
            packets_expired: self.outbox.counts.expired,
            transports: count(self.transports.len()),
            tracks: count(self.tracks_by_id.len().saturating_sub(self.mirrors.len())),
            mirrors: count(self.mirrors.len()),
            subscriptions: count(self.subscriptions.len()),
            taps: count(self.taps.len()),
            ..self.stats
        }
    }

    /// A datagram came over UDP from `source` to the local address `destination`.
    pub fn handle_datagram(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Intake {
        self.handle_arrival(Path::udp(source, destination), datagram, now)
    }

    /// A datagram came by a path of either kind.
    pub fn handle_arrival(&mut self, path: Path, datagram: &[u8], now: Instant) -> Intake {
        self.stats.datagrams_received += 1;
        let claim = self.demux.claim(path, datagram);
        let Some((claim, slot)) = claim.and_then(|c| Some((c, self.transports.get_mut(c.transport)?))) else {
            self.stats.datagrams_refused += 1;
            return Intake::Stranger;
        };
        if is_media(datagram) && !slot.policer.has_room(now) {
            self.stats.packets_policed += 1;
            return Intake::Known;
        }
        let participant = slot.participant;
        let mut intake = Intake::Known;
        self.contain(participant, |worker| {
            let Some(slot) = worker.transports.get_mut(claim.transport) else { return };
            if !slot.transport.receive(path, datagram, now, &mut worker.outbox) {
                worker.stats.datagrams_refused += 1;
                return;
            }
            if claim.by_ufrag {
                worker.demux.learn(claim.transport, path);
                intake = Intake::Checked;
            }
            worker.after_transport(claim.transport, now);
        });
        intake
    }

    /// Another worker's connection has this path over UDP now: what still comes that way is not for a connection here.
    pub fn forget_path(&mut self, source: SocketAddr, destination: SocketAddr) {
        self.demux.forget(Path::udp(source, destination));
    }

    /// A TCP connection is closed. Whose it was may come back by another.
    pub fn handle_closed(&mut self, source: SocketAddr, destination: SocketAddr) {
        let path = Path::tcp(source, destination);
        if let Some(slot) = self.demux.forget(path).and_then(|key| self.transports.get_mut(key)) {
            slot.transport.handle_closed(path);
        }
    }

    /// The next TCP connection that nobody has any use for, to be closed once what waits for it was sent.
    pub fn poll_left(&mut self) -> Option<Path> {
        self.demux.poll_left()
    }

    /// The control plane wants something.
    pub fn handle_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::AddParticipant { room, participant, client } => {
                self.add_participant(&room, &participant, client, now);
            }
            Command::RemoveParticipant { participant } => self.with(&participant, |worker, key| {
                worker.remove_participant(key);
            }),
            Command::Offer { participant, id, sdp } => self.with(&participant, |worker, key| {
                worker.handle_offer(key, id, &sdp, now);
            }),
            Command::Answer { participant, id, sdp } => self.with(&participant, |worker, key| {
                worker.handle_answer(key, id, &sdp, now);
            }),
            Command::ExpectTrack { participant, expected } => self.with(&participant, |worker, key| {
                worker.expect_track(key, expected, now);
            }),
            Command::BorrowTrack { room, participant, track, of, from } => {
                self.borrow_track(track, Borrowed { room, participant, of, from });
            }
            Command::RemoveTrack { track } => self.retire_track(&track),
            Command::MuteTrack { track, muted } => self.mute_track(&track, muted, now),
            Command::Subscribe { subscriber, track, kind, stream } => self.with(&subscriber, |worker, key| {
                worker.subscribe(key, &track, kind, stream, now);
            }),
            Command::Unsubscribe { subscriber, track } => self.with(&subscriber, |worker, key| {
                worker.unsubscribe(key, &track, now);
            }),
            Command::Demand { subscriber, track, demand } => self.with(&subscriber, |worker, key| {
                worker.set_demand(key, &track, demand, now);
            }),
            Command::SendData { to, channel, payload } => {
                for participant in to {
                    self.with(&participant, |worker, key| worker.send_data(key, channel, &payload, now));
                }
            }
            Command::Tap { tap, room, publisher, track, wish } => {
                self.add_tap(tap, Tap::new((room, publisher, track), wish), now);
            }
            Command::Untap { tap } => self.untap(tap, now),
            Command::TapKeyframe { tap } => self.ask_for_tap(tap, now),
            Command::LimitRoom { room, limits } => self.limit_room(&room, limits),
            Command::SpanRoom { room, part, peers, home } => self.span_room(&room, Span { part, peers, home }, now),
            Command::Explain { participant, request } => self.with(&participant, |worker, key| {
                worker.explain(key, request, now);
            }),
            Command::CloseRoom { room } => {
                for key in self.rooms.get(&room).map(|room| room.participants.clone()).unwrap_or_default() {
                    self.remove_participant(key);
                }
                self.return_all(&room);
                self.remove_mirrors(&room, |_| true);
                self.end_waiting_taps(|tap| tap.room == room);
                self.rooms.remove(&room);
            }
            Command::Resume { participant } => self.with(&participant, |worker, key| worker.resume(key)),
        }
    }

    /// Time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, key)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            self.flush_transport(key, now);
        }
        if self.next_levels_at.is_some_and(|at| at <= now) {
            self.report_levels(now);
        }
        if self.next_quality_at.is_some_and(|at| at <= now) {
            self.report_quality(now);
        }
        if self.next_balance_at.is_some_and(|at| at <= now) {
            self.balance_all(now);
        }
        self.flush(now);
    }

    /// Sends what was written since the last flush. Call after each batch of input.
    pub fn flush(&mut self, now: Instant) {
        self.hear_itself(now);
        self.settle(now);
        self.reconsider(now);
        self.balance(now);
        // Flushing one transport may write to another (a key frame request to a publisher), once. So may a word to a
        // track of another room here.
        for _ in 0..MAX_FLUSH_ROUNDS {
            let mut due = std::mem::take(&mut self.due);
            std::mem::swap(&mut due, &mut self.dirty);
            for key in due.drain(..) {
                self.flush_transport(key, now);
            }
            self.due = due;
            if self.hear_itself(now) {
                self.reconsider(now);
                self.balance(now);
            }
            if self.dirty.is_empty() && self.own.is_empty() {
                break;
            }
        }
    }

    /// When [`Self::handle_timeout`] wants to be called. `None`: when something comes.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let transports = self.deadlines.first().map(|(at, _)| at);
        [transports, self.next_levels_at, self.next_quality_at, self.next_balance_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// The datagrams to send.
    #[must_use]
    pub fn outgoing(&self) -> &Outgoing {
        &self.outbox.outgoing
    }

    /// All of [`Self::outgoing`] was sent, or given up.
    pub fn handle_sent(&mut self) {
        self.outbox.outgoing.clear();
    }

    /// The next report to the control plane, with the room it is about.
    pub fn poll_event(&mut self) -> Option<(RoomId, Event)> {
        self.events.pop_front()
    }

    /// The next message for another worker, with the worker it is for.
    pub fn poll_relay(&mut self) -> Option<(WorkerId, RelayMessage)> {
        self.relayed.pop_front()
    }

    // Participants.

    fn add_participant(&mut self, room: &RoomId, id: &ParticipantId, client: Client, now: Instant) {
        let Client { connection, takes_trailers, allows_pauses } = client;
        if self.participants_by_id.contains_key(id) {
            tracing::warn!(participant = %id, "added twice");
            return;
        }
        let key = self.participants.insert(Participant {
            id: id.clone(),
            room: room.clone(),
            connection,
            allows_pauses,
            publisher: TransportKey::default(),
            subscriber: TransportKey::default(),
            publications: Publications::default(),
            subscriptions: Vec::new(),
            allocated_bps: 0,
            wanted_bps: 0,
            unreachable_since: None,
            has_ended: false,
            has_failed: false,
        });
        self.participants_by_id.insert(id.clone(), key);
        self.rooms.entry(room.clone()).or_default().participants.push(key);
        self.note_presence(room, id, true);
        self.next_quality_at.get_or_insert(now + STATS_INTERVAL);
        self.contain(key, |worker| {
            let publisher = worker.add_transport(key, now);
            let subscriber = match connection {
                Connection::Single => publisher,
                Connection::Dual => worker.add_transport(key, now),
            };
            let participant = &mut worker.participants[key];
            (participant.publisher, participant.subscriber) = (publisher, subscriber);
            if let Some(slot) = worker.transports.get_mut(subscriber) {
                slot.transport.egress_mut().set_takes_trailers(takes_trailers);
            }
            worker.unsettled.insert(key);
        });
    }

    fn add_transport(&mut self, participant: ParticipantKey, now: Instant) -> TransportKey {
        let transport = Transport::new(&self.shared, &self.local, self.random.as_mut(), now);
        let ufrag = transport.ufrag().to_owned();
        let policer = Policer::new(self.max_publish_bps);
        let key = self
            .transports
            .insert(Slot { transport, participant, policer, is_dirty: false, deadline: None });
        self.demux.set_ufrag(key, &ufrag);
        key
    }

    fn remove_participant(&mut self, key: ParticipantKey) {
        let Some(participant) = self.participants.get(key) else { return };
        let tracks: Vec<TrackKey> = participant.publications.tracks().collect();
        let subscriptions = participant.subscriptions.clone();
        for track in tracks {
            self.remove_track(track);
        }
        for subscription in subscriptions {
            self.remove_subscription(subscription);
        }
        let Some(participant) = self.participants.remove(key) else { return };
        for transport in [participant.publisher, participant.subscriber] {
            if let Some(mut slot) = self.transports.remove(transport) {
                // A broken transport is dropped as it is.
                let _ = catch_unwind(AssertUnwindSafe(|| slot.transport.close(&mut self.outbox)));
                self.outbox.happenings.clear();
                self.deadlines.reschedule(transport, slot.deadline, None);
            }
            self.demux.remove(transport);
        }
        self.participants_by_id.remove(&participant.id);
        self.end_waiting_taps(|tap| tap.publisher == participant.id);
        if let Some(room) = self.rooms.get_mut(&participant.room) {
            room.participants.retain(|p| *p != key);
            // A room with limits waits for who comes back, one on several workers for who comes here.
            if room.participants.is_empty() && !room.limits.any() && room.span.is_none() {
                self.rooms.remove(&participant.room);
            }
        }
        self.note_presence(&participant.room, &participant.id, false);
    }

    fn resume(&mut self, key: ParticipantKey) {
        if self.participants[key].connection == Connection::Dual {
            let transport = self.participants[key].subscriber;
            let transport = &mut self.transports[transport].transport;
            if let Some(Offered { id, sdp }) = transport.restart_ice() {
                let mid_to_track = transport.mid_to_track();
                self.report(key, |participant| Event::Offer { participant, id, sdp, mid_to_track });
            }
        }
        self.unsettled.insert(key);
    }

    // Data.

    fn send_data(&mut self, key: ParticipantKey, channel: DataChannel, payload: &Arc<[u8]>, now: Instant) {
        let transport = self.participants[key].subscriber;
        let sent = self.transports[transport].transport.send_data(channel, payload, &mut self.outbox);
        match sent {
            Ok(true) => {}
            Ok(false) => self.stats.data_dropped += 1,
            Err(BacklogFull) => self.report_failure(key, Failure::DataBacklog),
        }
        self.after_transport(transport, now);
    }

    // Containment.

    fn with(&mut self, id: &ParticipantId, act: impl FnOnce(&mut Self, ParticipantKey)) {
        let Some(key) = self.participants_by_id.get(id).copied() else { return };
        self.contain(key, |worker| act(worker, key));
    }

    /// Runs code on behalf of one participant: a bug in it ends that participant, not the worker.
    fn contain(&mut self, key: ParticipantKey, act: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| act(self))).is_err() {
            self.fail_internally(key);
        }
    }

    fn fail_internally(&mut self, key: ParticipantKey) {
        self.stats.contained_panics += 1;
        self.outbox.happenings.clear();
        self.report_failure(key, Failure::Internal);
        self.remove_participant(key);
    }

    fn report_failure(&mut self, key: ParticipantKey, failure: Failure) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        if !std::mem::replace(&mut participant.has_failed, true) {
            self.report(key, |participant| Event::ParticipantFailed { participant, failure });
        }
    }

    fn report(&mut self, key: ParticipantKey, event: impl FnOnce(ParticipantId) -> Event) {
        if let Some(participant) = self.participants.get(key) {
            self.events.push_back((participant.room.clone(), event(participant.id.clone())));
        }
    }
}
