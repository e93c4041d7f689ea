//! The stage: workers, clients, network and the room's part, moved through time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};
use sluice_core::{
    BackupPolicy, Certificate, Command, Connection, DataChannel, Demand, Event, Failure, Kind, ParticipantId, RoomId,
    TapId, TrackId, Worker, WorkerConfig, WorkerStats,
};

use crate::client::{Client, End};
use crate::delivery::{Delivery, Queued, in_order_of_streams, name, participant, shape, subscribe};
use crate::media::Media;
use crate::network::{Conditions, Passage, Way};
use crate::peer::Abilities;
use crate::seeded::Seeded;
use crate::sink::Sink;
use crate::source::Publication;
use crate::tapped::Tapped;
use crate::wire::{self, Wire, Wiretap};
use crate::workers::Workers;

/// The signal connection's way, each direction. A little faster than media, so that on a clean network what is
/// said arrives before what it speaks of.
const SIGNAL_DELAY: Duration = Duration::from_millis(15);
/// Steps without time moving on: more is a machine that spins.
const MAX_STEPS_AT_ONCE: usize = 10_000;
/// The room people are in unless a test says otherwise.
const ROOM: &str = "RM_1";

/// A room, its people and their networks.
pub struct Simulation {
    seed: u64,
    start: Instant,
    now: Instant,
    pub(crate) workers: Workers,
    address: SocketAddr,
    clients: BTreeMap<String, Client>,
    /// People who left: their pages can still be looked at.
    left: BTreeMap<String, Client>,
    ways: BTreeMap<(String, End), Way>,
    /// What the worker sent to each socket.
    wires: BTreeMap<(String, End), Wire>,
    /// Clients that may have something to say.
    touched: BTreeSet<String>,
    queue: BinaryHeap<Reverse<Queued>>,
    order: u64,
    joined: u16,
    published: BTreeMap<TrackId, (String, Kind)>,
    pub(crate) taps: BTreeMap<TapId, Tapped>,
    /// Who ever published something.
    publishers: BTreeSet<String>,
    /// Something that went up was lost on a way that is no more.
    was_harmed: bool,
    /// The room people join from now on.
    pub room: RoomId,
    /// Everybody takes every track as it appears, as LiveKit rooms do. On unless switched off.
    pub auto_subscribe: bool,
    /// Who takes no track unless somebody subscribes for them.
    pub takes_nothing: BTreeSet<String>,
    /// Publishers announce the trailers they send. On unless switched off.
    pub announces_trailers: bool,
    /// Whose client speaks only these codecs of pictures, from joining on.
    pub speaks: BTreeMap<String, Vec<Media>>,
    /// Whose pictures may not be paused.
    pub forbids_pauses: BTreeSet<String>,
    /// Whose client takes packet trailers off frames.
    pub takes_trailers: BTreeSet<String>,
    /// Publishers heed what the worker says of layers nobody wants (dynacast). Off unless switched on.
    pub dynacast: bool,
    /// Publishers who join from now on adapt to their way up, as a model of a browser does. Off unless switched on.
    pub adaptive: bool,
    /// Publishers who join from now on adapt to what the worker's transport-wide feedback says of their way up, as
    /// str0m reads it: slower than a browser, but by the worker's own word. Off unless switched on.
    pub reads_feedback: bool,
    /// Who joins from now on speaks RED. Off unless switched on.
    pub has_red: bool,
    /// Every report of the worker but data, with its time.
    pub events: Vec<(Duration, Event)>,
    /// Datagrams the worker sent.
    pub datagrams_sent: u64,
    is_broken: Arc<AtomicBool>,
    trace: Option<Vec<String>>,
}

impl Simulation {
    /// An empty room. Everything random in it follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_seeds(seed, seed)
    }

    /// The same on several workers, among which people take turns.
    #[must_use]
    pub fn spanning(seed: u64, workers: u16) -> Self {
        Self::with(seed, seed, workers)
    }

    /// `worker_seed` feeds the randomness injected into the worker, `seed` everything else, str0m's own generator
    /// among it.
    #[must_use]
    pub fn with_seeds(worker_seed: u64, seed: u64) -> Self {
        Self::with(worker_seed, seed, 1)
    }

    fn with(worker_seed: u64, seed: u64, workers: u16) -> Self {
        // str0m's generator belongs to the thread; a test is a thread.
        fastrand::seed(seed);
        let address = SocketAddr::from(([203, 0, 113, 1], 7882));
        let start = Instant::now();
        let is_broken = Arc::new(AtomicBool::new(false));
        let certificate = Certificate::generate().expect("a certificate");
        let worker = |place: u16| {
            Worker::new(WorkerConfig {
                local: vec![address],
                certificate: certificate.clone(),
                max_publish_bps: 50_000_000,
                random: Box::new(Seeded {
                    random: ChaCha20Rng::seed_from_u64(worker_seed.wrapping_add(u64::from(place) << 48)),
                    is_broken: Arc::clone(&is_broken),
                }),
            })
        };
        Self {
            seed,
            start,
            now: start,
            workers: Workers::new((0..workers).map(worker).collect()),
            address,
            clients: BTreeMap::new(),
            left: BTreeMap::new(),
            ways: BTreeMap::new(),
            wires: BTreeMap::new(),
            touched: BTreeSet::new(),
            queue: BinaryHeap::new(),
            order: 0,
            joined: 0,
            published: BTreeMap::new(),
            taps: BTreeMap::new(),
            publishers: BTreeSet::new(),
            was_harmed: false,
            room: ROOM.into(),
            auto_subscribe: true,
            takes_nothing: BTreeSet::new(),
            takes_trailers: BTreeSet::new(),
            forbids_pauses: BTreeSet::new(),
            announces_trailers: true,
            speaks: BTreeMap::new(),
            dynacast: false,
            adaptive: false,
            reads_feedback: false,
            has_red: false,
            events: Vec::new(),
            datagrams_sent: 0,
            is_broken: Arc::clone(&is_broken),
            trace: None,
        }
    }

    /// Keeps a trace from now on: every delivery and every packet received, with its time.
    pub fn start_trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    /// The trace so far.
    #[must_use]
    pub fn trace(&self) -> &[String] {
        self.trace.as_deref().unwrap_or_default()
    }

    /// Virtual time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The worker's counts.
    #[must_use]
    pub fn stats(&self) -> WorkerStats {
        self.workers.stats()
    }

    // What people do.

    /// Somebody opens a room page. The name becomes the id `PA_<name>`.
    pub fn join(&mut self, name: &str, connection: Connection) {
        self.joined += 1;
        let id = participant(name);
        let host = |port| SocketAddr::from(([10, 0, (self.joined >> 8) as u8, self.joined as u8], port));
        let addresses = [host(50_000), host(50_001)];
        let seed = self.seed ^ u64::from(self.joined) << 32;
        for (end, address) in [(End::Publisher, addresses[0]), (End::Subscriber, addresses[1])] {
            let mut way = Way::new(address, seed + end as u64);
            if self.adaptive && end == End::Publisher {
                way.estimate(self.now);
            }
            // Who comes back has a new way; what the old one did stays done.
            let before = self.ways.insert((name.to_owned(), end), way);
            self.was_harmed |= before.is_some_and(|way| way.has_harmed_up());
        }
        let speaks = self.speaks.get(name).map_or(&Media::VIDEO[..], Vec::as_slice);
        let abilities = Abilities { speaks, has_red: self.has_red, reads_feedback: self.reads_feedback };
        self.clients
            .insert(name.to_owned(), Client::new(id.clone(), connection, addresses, abilities, seed, self.now));
        self.touched.insert(name.to_owned());
        let takes_trailers = self.takes_trailers.contains(name);
        let client =
            sluice_core::Client { connection, takes_trailers, allows_pauses: !self.forbids_pauses.contains(name) };
        self.command(Command::AddParticipant { room: self.room.clone(), participant: id, client });
        if self.auto_subscribe && !self.takes_nothing.contains(name) {
            for track in self.published.keys().cloned().collect::<Vec<_>>() {
                self.subscribe(name, &track);
            }
        }
        self.settle();
    }

    /// Somebody closes the page and the room takes note.
    pub fn leave(&mut self, name: &str) {
        self.command(Command::RemoveParticipant { participant: participant(name) });
        self.published.retain(|_, (publisher, _)| publisher != name);
        if let Some(client) = self.clients.remove(name) {
            self.left.insert(name.to_owned(), client);
        }
        // The signal connection is gone with what was on its way; whoever comes back under the name hears none of it.
        self.queue.retain(|Reverse(queued)| !queued.delivery.is_signal_of(name));
        self.settle();
    }

    /// Somebody publishes. The label tells tracks of one person apart.
    pub fn publish(&mut self, name: &str, label: &str, publication: Publication) -> TrackId {
        let track = TrackId::from(format!("TR_{name}_{label}"));
        let announces_trailers = self.announces_trailers;
        self.client_mut(name).publish(track.clone(), publication, announces_trailers);
        self.publishers.insert(name.to_owned());
        self.settle();
        track
    }

    /// Somebody publishes and announces a second codec, to be published when it is asked for (dynacast must be on).
    pub fn publish_with_backup(
        &mut self,
        name: &str,
        label: &str,
        publication: Publication,
        backup: (Publication, BackupPolicy),
    ) -> TrackId {
        let track = TrackId::from(format!("TR_{name}_{label}"));
        self.client_mut(name).backups.insert(track, backup);
        self.publish(name, label, publication)
    }

    /// Somebody stops publishing the second codec of a track.
    pub fn unpublish_backup(&mut self, name: &str, track: &TrackId) {
        self.client_mut(name).unpublish_backup(track);
        self.settle();
    }

    /// Somebody stops publishing a track.
    pub fn unpublish(&mut self, name: &str, track: &TrackId) {
        self.client_mut(name).unpublish(track);
        self.settle();
    }

    /// An encoder switches a layer off or on.
    pub fn set_layer(&mut self, name: &str, track: &TrackId, layer: usize, is_on: bool) {
        self.client_mut(name).set_layer(track, layer, is_on);
    }

    /// From now on a client answers with number 0, whatever the offer's was, as some SDKs do.
    pub fn answer_with_zero(&mut self, name: &str) {
        self.client_mut(name).answers_with_zero = true;
    }

    /// A client restarts ICE in its next offer.
    pub fn restart_ice(&mut self, name: &str) {
        self.client_mut(name).restart_ice();
        self.settle();
    }

    /// A message on a client's data channel. False when the channel would not take it.
    pub fn send_data(&mut self, name: &str, channel: DataChannel, message: &[u8]) -> bool {
        let now = self.now;
        let sent = self.client_mut(name).send_data(channel, message, now);
        self.settle();
        sent
    }

    /// A client asks for a key frame of a track it receives.
    pub fn ask_for_keyframe(&mut self, name: &str, track: &TrackId) {
        let now = self.now;
        let client = self.client_mut(name);
        if let Some(mid) = client.section_of(track) {
            client.ask_for_keyframe(mid, now);
        }
        self.settle();
    }

    // What the room does.

    /// Any request to the worker.
    pub fn command(&mut self, command: Command) {
        self.workers.handle_command(command, self.now);
        self.settle();
    }

    /// A track is to be forwarded to somebody.
    pub fn subscribe(&mut self, name: &str, track: &TrackId) {
        let Some((publisher, kind)) = self.published.get(track).cloned() else { return };
        self.command(subscribe(name, track, kind, &publisher));
    }

    /// A track is no longer to be forwarded to somebody.
    pub fn unsubscribe(&mut self, name: &str, track: &TrackId) {
        self.command(Command::Unsubscribe { subscriber: participant(name), track: track.clone() });
    }

    /// Bounds what somebody is sent of a track.
    pub fn demand(&mut self, name: &str, track: &TrackId, demand: Demand) {
        self.command(Command::Demand { subscriber: participant(name), track: track.clone(), demand });
    }

    /// The server mutes a track.
    pub fn mute(&mut self, track: &TrackId, muted: bool) {
        self.command(Command::MuteTrack { track: track.clone(), muted });
    }

    // What the machine does.

    /// From now on what other workers hand to one takes so long, and so many packets may wait for it.
    pub fn slow_down(&mut self, worker: usize, delay: Duration, ring_len: usize) {
        self.workers.set_link(worker, delay, ring_len);
    }

    /// A worker dies. Whoever was on it is told by whoever owns the workers.
    pub fn kill(&mut self, worker: usize) {
        for participant in self.workers.kill(worker, self.now) {
            self.handle_event(Event::ParticipantFailed { participant, failure: Failure::Internal });
        }
        self.settle();
    }

    /// Packets between workers that found no room.
    #[must_use]
    pub fn lost_between_workers(&self) -> u64 {
        self.workers.lost_packets()
    }

    // What networks do.

    /// Somebody's network becomes this, both ways.
    pub fn network(&mut self, name: &str, conditions: Conditions) {
        self.links(name, conditions, conditions);
    }

    /// Somebody's network becomes this, up and down.
    pub fn links(&mut self, name: &str, up: Conditions, down: Conditions) {
        for ((owner, _), way) in &mut self.ways {
            if owner == name {
                way.set_conditions(up, down);
            }
        }
    }

    /// A share of the datagrams somebody sends is damaged on the way: cut, doubled or with a bit turned.
    pub fn mangle(&mut self, name: &str, share: f64) {
        for ((owner, _), way) in &mut self.ways {
            if owner == name {
                way.mangled = share;
            }
        }
    }

    /// Somebody's NAT gives their sockets other addresses; what is sent to the old ones is lost.
    pub fn rebind(&mut self, name: &str) {
        for ((owner, _), way) in &mut self.ways {
            if owner == name {
                way.rebind();
            }
        }
    }

    /// A datagram of a stranger's making, from the address of somebody's publishing socket as the worker sees it.
    pub fn forge(&mut self, name: &str, datagram: &[u8]) {
        let source = self.ways[&(name.to_owned(), End::Publisher)].outside;
        self.inject(source, datagram);
    }

    /// A datagram from anywhere.
    pub fn inject(&mut self, source: SocketAddr, datagram: &[u8]) {
        let of = self.owner(source);
        self.workers.handle_datagram(of.as_ref(), (source, self.address), datagram, self.now);
        self.settle();
    }

    /// While broken, the randomness given to the worker panics: a bug in whatever asks for it.
    pub fn set_broken(&mut self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::Relaxed);
    }

    /// A message on somebody's signal connection that their client did not make.
    pub fn say(&mut self, command: Command) {
        self.post(SIGNAL_DELAY, Delivery::Said(command));
    }

    // What there is to see.

    /// Somebody's client, also after they left.
    #[must_use]
    pub fn client(&self, name: &str) -> &Client {
        self.clients
            .get(name)
            .or_else(|| self.left.get(name))
            .unwrap_or_else(|| panic!("nobody is called {name}"))
    }

    /// The newest sink of a track at somebody's.
    #[must_use]
    pub fn sink(&self, name: &str, track: &TrackId) -> &Sink {
        self.find_sink(name, track).unwrap_or_else(|| panic!("{name} was never given {track}"))
    }

    /// The newest sink of a track at somebody's, if there ever was one.
    #[must_use]
    pub fn find_sink(&self, name: &str, track: &TrackId) -> Option<&Sink> {
        self.client(name)
            .all_sinks()
            .filter(|sink| sink.track == *track)
            .max_by_key(|sink| sink.opened_at)
    }

    /// What a forger who saw a published track's packets knows.
    #[must_use]
    pub fn wiretap(&mut self, name: &str, track: &TrackId) -> Wiretap {
        let client = self.client_mut(name);
        let (mid, publication) = client.published_section(track).expect("published");
        let codec = publication.media.codec();
        let rtc = &mut client.publisher.rtc;
        let params = *rtc.codec_config().find(|p| p.spec().codec == codec).expect("a codec it speaks");
        let rid = publication.is_simulcast.then(|| "q".into());
        let ssrc = rtc.direct_api().stream_tx_by_mid(mid, rid).map_or(0, |stream| *stream.ssrc());
        Wiretap {
            mid: mid.to_string(),
            payload_type: *params.pt(),
            repair_payload_type: params.resend().map(|pt| *pt),
            ssrc,
        }
    }

    /// Frames of a track somebody decodes within the next while.
    pub fn frames_during(&mut self, span: Duration, name: &str, track: &TrackId) -> u64 {
        let before = self.find_sink(name, track).map_or(0, |sink| sink.frames);
        self.run(span);
        self.find_sink(name, track).map_or(0, |sink| sink.frames) - before
    }

    /// True from the report that a track met its section to the one that it ended.
    #[must_use]
    pub fn is_published(&self, track: &TrackId) -> bool {
        self.published.contains_key(track)
    }

    /// Failures the worker reported.
    #[must_use]
    pub fn failures(&self) -> Vec<(ParticipantId, Failure)> {
        let of = |event: &Event| match event {
            Event::ParticipantFailed { participant, failure } => Some((participant.clone(), *failure)),
            _ => None,
        };
        self.events.iter().filter_map(|(_, event)| of(event)).collect()
    }

    /// Every description the worker made, in order.
    pub fn descriptions(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|(_, event)| match event {
            Event::Answer { sdp, .. } | Event::Offer { sdp, .. } => Some(sdp.as_str()),
            _ => None,
        })
    }

    /// Fails when anybody got something wrong. See [`Client::audit`].
    pub fn audit(&self, is_lossless: bool) {
        let wrong = self.violations(is_lossless);
        let shown: Vec<&String> = wrong.iter().take(20).collect();
        assert!(wrong.is_empty(), "seed {}: {} violations: {shown:#?}", self.seed, wrong.len());
        assert_eq!(self.workers.stats().contained_panics, 0, "seed {}: the worker contained a panic", self.seed);
    }

    /// What anybody got wrong. `is_lossless`: no network lost or reordered anything.
    #[must_use]
    pub fn violations(&self, is_lossless: bool) -> Vec<String> {
        // What waited too long for a link was given up, and is missing on purpose.
        let is_kept = self.workers.stats().packets_expired == 0;
        let clients = self.clients.values().chain(self.left.values());
        let mut wrong: Vec<String> = clients.flat_map(|client| client.audit(is_lossless && is_kept)).collect();
        wrong.extend(self.taps.iter().flat_map(|(tap, tapped)| tapped.audit(*tap, is_lossless)));
        let mut up = self
            .ways
            .iter()
            .filter(|((owner, end), _)| *end == End::Publisher && self.publishers.contains(owner));
        let is_harmed = self.was_harmed || self.workers.lost_packets() > 0;
        let is_whole = is_kept && !is_harmed && !up.any(|(_, way)| way.has_harmed_up());
        for ((name, end), wire) in &self.wires {
            wrong.extend(wire.audit(is_whole).into_iter().map(|what| format!("to {name} {end:?}: {what}")));
        }
        wrong
    }

    /// Keeps account from now on of what goes down to somebody.
    pub(crate) fn watch(&mut self, name: &str) {
        for ((owner, _), way) in &mut self.ways {
            if owner == name {
                way.watch();
            }
        }
    }

    /// What went down to somebody since it is watched.
    pub(crate) fn passages(&self, name: &str) -> impl Iterator<Item = &Passage> {
        let of = self.ways.iter().filter(move |((owner, _), _)| owner == name);
        of.flat_map(|(_, way)| way.passages())
    }

    /// Video packets to somebody that were lost on the way, and how many of these came in the end.
    pub(crate) fn recovered(&self, name: &str) -> (usize, usize) {
        let received = &self.client(name).received;
        let wires = self.wires.iter().filter(|((owner, _), _)| owner == name);
        let of = |wire: &Wire| received.iter().map(|(ssrc, came)| wire.recovered(*ssrc, came)).collect::<Vec<_>>();
        wires
            .flat_map(|(_, wire)| of(wire))
            .fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    // Time.

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let until = self.now + span;
        let mut steps_at_once = 0;
        while let Some(next) = self.next_at().filter(|next| *next <= until) {
            steps_at_once = if next > self.now { 0 } else { steps_at_once + 1 };
            assert!(steps_at_once < MAX_STEPS_AT_ONCE, "seed {}: time stands still", self.seed);
            self.now = self.now.max(next);
            self.step();
        }
        self.now = until;
    }

    /// Lets time pass, in milliseconds.
    pub fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }

    /// Lets time pass until something is so, and says how long that took.
    pub fn run_until(&mut self, limit: Duration, what: &str, is_so: impl Fn(&Self) -> bool) -> Duration {
        let began = self.now;
        while !is_so(self) {
            assert!(self.now - began < limit, "seed {}: not within {limit:?}: {what}", self.seed);
            self.run_ms(1);
        }
        self.now - began
    }

    fn next_at(&self) -> Option<Instant> {
        let queued = self.queue.peek().map(|Reverse(queued)| queued.at);
        let clients = self.clients.values().filter_map(Client::next_at).min();
        [queued, clients, self.workers.poll_timeout()].into_iter().flatten().min()
    }

    fn step(&mut self) {
        let now = self.now;
        while self.queue.peek().is_some_and(|Reverse(queued)| queued.at <= now) {
            let Some(Reverse(Queued { delivery, .. })) = self.queue.pop() else { break };
            self.deliver(delivery);
            // One at a time, so that a transport is flushed with packets of one stream: str0m takes streams in no
            // particular order.
            self.settle();
        }
        for (name, client) in &mut self.clients {
            if client.next_at().is_some_and(|at| at <= now) {
                client.handle_timeout(now);
                self.touched.insert(name.clone());
            }
        }
        if self.workers.poll_timeout().is_some_and(|at| at <= now) {
            self.workers.handle_timeout(now);
        }
        self.settle();
    }

    /// Whose socket an address is, or was.
    fn owner(&self, source: SocketAddr) -> Option<ParticipantId> {
        if self.workers.are_one() {
            return None;
        }
        let mut ways = self.ways.iter();
        let way = ways.find(|(_, way)| way.outside == source || way.was(source));
        way.map(|((name, _), _)| participant(name))
    }

    fn deliver(&mut self, delivery: Delivery) {
        let now = self.now;
        match delivery {
            Delivery::ToWorker { source, contents } => {
                self.note(|| format!("{source} -> worker {}", shape(&contents)));
                let of = self.owner(source);
                self.workers.handle_datagram(of.as_ref(), (source, self.address), &contents, now);
            }
            Delivery::ToClient { name, end, contents } => {
                self.note(|| format!("worker -> {name} {end:?} {}", shape(&contents)));
                let address = self.address;
                if wire::is_control(&contents)
                    && let Some(way) = self.ways.get_mut(&(name.clone(), end))
                {
                    way.heard(now);
                }
                if let Some(client) = self.clients.get_mut(&name) {
                    client.handle_datagram(end, address, &contents, now);
                    self.touched.insert(name);
                }
            }
            Delivery::Said(command) => self.workers.handle_command(command, now),
            Delivery::Heard { name, event } => {
                if let Some(client) = self.clients.get_mut(&name) {
                    client.hear(*event, now);
                    self.touched.insert(name);
                }
            }
        }
    }

    /// Takes what everybody produced and puts it on its way, until nobody has anything more to say now.
    fn settle(&mut self) {
        self.workers.flush(self.now);
        loop {
            let mut is_quiet = !self.take_tapped();
            while let Some(event) = self.workers.poll_event() {
                is_quiet = false;
                self.handle_event(event);
            }
            let mut down = self.workers.take_outgoing();
            is_quiet &= down.is_empty();
            in_order_of_streams(&mut down);
            for (destination, contents) in down {
                self.send_down(destination, contents);
            }
            for name in std::mem::take(&mut self.touched) {
                self.settle_client(&name);
            }
            if is_quiet {
                return;
            }
            self.workers.flush(self.now);
        }
    }

    fn settle_client(&mut self, name: &str) {
        let now = self.now;
        let Some(client) = self.clients.get_mut(name) else { return };
        if let Some(way) = self.ways.get_mut(&(name.to_owned(), End::Publisher))
            && let Some(estimate_bps) = way.poll_estimate(now)
        {
            client.share_out(estimate_bps);
        }
        client.settle(now);
        let says: Vec<Command> = client.says.drain(..).collect();
        let notes: Vec<String> = client.notes.drain(..).collect();
        let mut up = Vec::new();
        for (end, peer) in client.ends() {
            up.extend(peer.transmits.drain(..).map(|(_, contents)| (end, contents)));
        }
        in_order_of_streams(&mut up);
        for note in notes {
            self.note(|| format!("{name} got {note}"));
        }
        for command in says {
            self.post(SIGNAL_DELAY, Delivery::Said(command));
        }
        for (end, contents) in up {
            let Some(way) = self.ways.get_mut(&(name.to_owned(), end)) else { continue };
            let source = way.outside;
            if let Some(at) = way.carry_up(&contents, now) {
                for contents in way.mangle(contents) {
                    self.post(at - now, Delivery::ToWorker { source, contents });
                }
            }
        }
    }

    fn send_down(&mut self, destination: SocketAddr, contents: Vec<u8>) {
        self.datagrams_sent += 1;
        let now = self.now;
        let former = self.ways.iter().find(|(_, way)| way.was(destination)).map(|(key, _)| key.clone());
        if let Some(key) = former {
            let wire = self.wires.entry(key).or_default();
            if let Some(place) = wire.sent(&contents) {
                wire.lost(place);
            }
            return;
        }
        let Some(((name, end), way)) = self.ways.iter_mut().find(|(_, way)| way.outside == destination) else { return };
        let (name, end) = (name.clone(), *end);
        let wire = self.wires.entry((name.clone(), end)).or_default();
        let place = wire.sent(&contents);
        if let Some(at) = way.carry_down(&contents, now) {
            self.post(at - now, Delivery::ToClient { name, end, contents });
        } else if let Some(place) = place {
            wire.lost(place);
        }
    }

    /// The room hears the worker.
    fn handle_event(&mut self, event: Event) {
        let elapsed = self.elapsed();
        match &event {
            Event::Answer { participant, .. }
            | Event::Offer { participant, .. }
            | Event::SectionsNeeded { participant, .. }
            | Event::NegotiationFailed { participant, .. } => {
                let name = name(participant).to_owned();
                self.post(SIGNAL_DELAY, Delivery::Heard { name, event: Box::new(event.clone()) });
            }
            Event::LayersWanted { participant, .. } | Event::BackupWanted { participant, .. } if self.dynacast => {
                let name = name(participant).to_owned();
                self.post(SIGNAL_DELAY, Delivery::Heard { name, event: Box::new(event.clone()) });
            }
            Event::TrackAdded { participant, track, mime_type, .. } => {
                let kind = if mime_type.starts_with("audio") { Kind::Audio } else { Kind::Video };
                let publisher = name(participant).to_owned();
                self.published.insert(track.clone(), (publisher.clone(), kind));
                if self.auto_subscribe {
                    let others = self.clients.keys().filter(|other| **other != publisher);
                    let others = others.filter(|other| !self.takes_nothing.contains(*other));
                    for other in others.cloned().collect::<Vec<_>>() {
                        let command = subscribe(&other, track, kind, &publisher);
                        self.workers.handle_command(command, self.now);
                    }
                }
            }
            Event::TrackRemoved { track, .. } => {
                self.published.remove(track);
            }
            Event::Data { participant, channel, payload } => {
                let to = self.clients.values().map(|c| c.id.clone()).filter(|id| id != participant).collect();
                let payload: Arc<[u8]> = payload.clone().into();
                self.workers
                    .handle_command(Command::SendData { to, channel: *channel, payload }, self.now);
                return;
            }
            Event::ParticipantFailed { participant, .. } => {
                self.workers
                    .handle_command(Command::RemoveParticipant { participant: participant.clone() }, self.now);
            }
            _ => {}
        }
        self.note(|| match &event {
            Event::Answer { participant, id, mid_to_track, .. } => {
                format!("answer {participant} {id} {mid_to_track:?}")
            }
            Event::Offer { participant, id, mid_to_track, .. } => format!("offer {participant} {id} {mid_to_track:?}"),
            other => format!("{other:?}"),
        });
        self.events.push((elapsed, event));
    }

    fn post(&mut self, after: Duration, delivery: Delivery) {
        self.order += 1;
        self.queue.push(Reverse(Queued { at: self.now + after, order: self.order, delivery }));
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        let elapsed = self.elapsed();
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>10} {}", elapsed.as_micros(), what()));
        }
    }

    pub(crate) fn client_mut(&mut self, name: &str) -> &mut Client {
        self.touched.insert(name.to_owned());
        self.clients.get_mut(name).unwrap_or_else(|| panic!("nobody is called {name}"))
    }

    /// A generator for a test's own choices.
    #[must_use]
    pub fn random(&self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed.rotate_left(17))
    }
}
