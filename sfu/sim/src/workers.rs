//! The workers of the rooms and the links between them: one worker and one room, unless a test wants more.
//!
//! Who is where is [`RoomSpan`]'s, as in the product; newcomers take turns among the workers, whichever room they come to. Messages between workers
//! take [`HOP`], come in order, and those that are packets find room for so many at each worker, or are lost.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sluice_core::{
    Command, Event, ParticipantId, RelayMessage, RoomId, RoomSpan, TapId, TapMessage, Worker, WorkerId, WorkerStats,
};

/// From one worker's batch to another's.
const HOP: Duration = Duration::from_micros(50);
/// Packets that may wait for a worker, as in the product.
const RING_LEN: usize = 4096;

/// The workers of a room. See the module's documentation.
pub(crate) struct Workers {
    /// `None` once killed.
    workers: Vec<Option<Worker>>,
    spans: BTreeMap<RoomId, RoomSpan>,
    /// Where everybody is or was.
    places: BTreeMap<ParticipantId, WorkerId>,
    turn: usize,
    links: Vec<Link>,
    lost_packets: u64,
}

/// The way to a worker from all others.
struct Link {
    delay: Duration,
    ring_len: usize,
    waiting: VecDeque<(Instant, WorkerId, RelayMessage)>,
    packets: usize,
}

impl Workers {
    pub(crate) fn new(workers: Vec<Worker>) -> Self {
        let link = || Link { delay: HOP, ring_len: RING_LEN, waiting: VecDeque::new(), packets: 0 };
        Self {
            links: workers.iter().map(|_| link()).collect(),
            workers: WorkerId::all().zip(workers).map(|(id, worker)| Some(worker.with_id(id))).collect(),
            spans: BTreeMap::new(),
            places: BTreeMap::new(),
            turn: 0,
            lost_packets: 0,
        }
    }

    /// There is one worker only.
    pub(crate) fn are_one(&self) -> bool {
        self.workers.len() == 1
    }

    /// The counts of all.
    pub(crate) fn stats(&self) -> WorkerStats {
        let all = self.workers.iter().flatten().map(Worker::stats);
        all.reduce(|a, b| WorkerStats {
            datagrams_received: a.datagrams_received + b.datagrams_received,
            datagrams_refused: a.datagrams_refused + b.datagrams_refused,
            packets_policed: a.packets_policed + b.packets_policed,
            packets_received: a.packets_received + b.packets_received,
            packets_forwarded: a.packets_forwarded + b.packets_forwarded,
            packets_relayed: a.packets_relayed + b.packets_relayed,
            packets_mirrored: a.packets_mirrored + b.packets_mirrored,
            packets_tapped: a.packets_tapped + b.packets_tapped,
            bytes_sent: a.bytes_sent + b.bytes_sent,
            packets_nacked: a.packets_nacked + b.packets_nacked,
            packets_repaired: a.packets_repaired + b.packets_repaired,
            packets_padded: a.packets_padded + b.packets_padded,
            packets_expired: a.packets_expired + b.packets_expired,
            keyframe_requests: a.keyframe_requests + b.keyframe_requests,
            contained_panics: a.contained_panics + b.contained_panics,
            data_dropped: a.data_dropped + b.data_dropped,
            transports: a.transports + b.transports,
            tracks: a.tracks + b.tracks,
            mirrors: a.mirrors + b.mirrors,
            subscriptions: a.subscriptions + b.subscriptions,
            taps: a.taps + b.taps,
        })
        .unwrap_or_default()
    }

    /// Packets that found no room at a worker.
    pub(crate) fn lost_packets(&self) -> u64 {
        self.lost_packets
    }

    /// From now on messages to a worker take so long, and so many packets may wait for it.
    pub(crate) fn set_link(&mut self, to: usize, delay: Duration, ring_len: usize) {
        (self.links[to].delay, self.links[to].ring_len) = (delay, ring_len);
    }

    /// A datagram of somebody, or of a stranger.
    pub(crate) fn handle_datagram(
        &mut self,
        of: Option<&ParticipantId>,
        (source, destination): (SocketAddr, SocketAddr),
        datagram: &[u8],
        now: Instant,
    ) {
        let place = of.and_then(|who| self.places.get(who)).copied().unwrap_or_default();
        if let Some(worker) = self.worker(place) {
            worker.handle_datagram(source, destination, datagram, now);
        }
    }

    /// The room asks for something.
    pub(crate) fn handle_command(&mut self, command: Command, now: Instant) {
        let newcomer = match &command {
            Command::AddParticipant { participant, .. } => Some(participant.clone()),
            _ => None,
        };
        let alive: Vec<usize> = (0..self.workers.len()).filter(|place| self.workers[*place].is_some()).collect();
        let turn = WorkerId(alive[self.turn % alive.len()] as u8);
        self.turn += usize::from(newcomer.is_some());
        let closed = match &command {
            Command::CloseRoom { room } => Some(room.clone()),
            _ => None,
        };
        let mut routed = Vec::new();
        match &command {
            // A room begins where the first comes to it.
            Command::AddParticipant { room, .. }
            | Command::BorrowTrack { room, .. }
            | Command::LimitRoom { room, .. }
            | Command::SpanRoom { room, .. }
            | Command::CloseRoom { room } => {
                let first = if self.spans.is_empty() { WorkerId(0) } else { turn };
                let span = self.spans.entry(room.clone()).or_insert_with(|| RoomSpan::new(room.clone(), first));
                span.route(command, |_| turn, |worker, command| routed.push((worker, command)));
                if let Some(room) = closed {
                    self.spans.remove(&room);
                } else if let Some((newcomer, place)) =
                    newcomer.and_then(|who| Some((who.clone(), span.place_of(&who)?)))
                {
                    self.places.insert(newcomer, place);
                }
            }
            // Data stays in one room.
            Command::SendData { .. } => {
                let span = self.spans.values_mut().next();
                span.into_iter().for_each(|span| {
                    span.route(command.clone(), |_| turn, |worker, command| routed.push((worker, command)));
                });
            }
            _ => {
                for span in self.spans.values_mut() {
                    span.route(command.clone(), |_| turn, |worker, command| routed.push((worker, command)));
                }
            }
        }
        for (worker, command) in routed {
            if let Some(worker) = self.worker(worker) {
                worker.handle_command(command, now);
            }
        }
    }

    /// A worker dies, with all it knew. Who was on it.
    pub(crate) fn kill(&mut self, place: usize, now: Instant) -> Vec<ParticipantId> {
        self.workers[place] = None;
        let id = WorkerId(place as u8);
        let mut routed = Vec::new();
        let gone = self
            .spans
            .values_mut()
            .flat_map(|span| span.lose(id, |worker, command| routed.push((worker, command))));
        let gone = gone.collect();
        for (worker, command) in routed {
            if let Some(worker) = self.worker(worker) {
                worker.handle_command(command, now);
            }
        }
        gone
    }

    pub(crate) fn flush(&mut self, now: Instant) {
        self.workers.iter_mut().flatten().for_each(|worker| worker.flush(now));
        self.carry(now);
    }

    /// Time has come: for links, then for workers.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for to in 0..self.links.len() {
            while self.links[to].waiting.front().is_some_and(|(at, ..)| *at <= now) {
                let link = &mut self.links[to];
                let Some((_, from, message)) = link.waiting.pop_front() else { break };
                link.packets -= usize::from(matches!(message, RelayMessage::Packet { .. }));
                if let Some(worker) = &mut self.workers[to] {
                    worker.handle_relayed(from, message, now);
                }
            }
        }
        for worker in self.workers.iter_mut().flatten() {
            if worker.poll_timeout().is_some_and(|at| at <= now) {
                worker.handle_timeout(now);
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let workers = self.workers.iter().flatten().filter_map(Worker::poll_timeout);
        let links = self.links.iter().filter_map(|link| link.waiting.front().map(|(at, ..)| *at));
        workers.chain(links).min()
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        let event = self.workers.iter_mut().flatten().find_map(Worker::poll_event);
        event.map(|(_, event)| event)
    }

    /// What the next tap gives.
    pub(crate) fn poll_tapped(&mut self) -> Option<(TapId, TapMessage)> {
        self.workers.iter_mut().flatten().find_map(Worker::poll_tapped)
    }

    /// Datagrams to send, with where to.
    pub(crate) fn take_outgoing(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut taken = Vec::new();
        for worker in self.workers.iter_mut().flatten() {
            for train in worker.outgoing().trains() {
                taken.extend(train.datagrams().map(|datagram| (train.path.remote, datagram.to_vec())));
            }
            worker.handle_sent();
        }
        taken
    }

    /// Takes what workers have for each other and puts it on its way.
    fn carry(&mut self, now: Instant) {
        let places = WorkerId::all().zip(&self.workers);
        let alive: Vec<WorkerId> = places.filter(|(_, worker)| worker.is_some()).map(|(id, _)| id).collect();
        for from in 0..self.workers.len() {
            while let Some((to, message)) = self.workers[from].as_mut().and_then(Worker::poll_relay) {
                if let Some(worker) = self.workers[from].as_mut().filter(|_| !alive.contains(&to)) {
                    worker.handle_lost(to, now);
                    continue;
                }
                let link = &mut self.links[to.index()];
                if matches!(message, RelayMessage::Packet { .. }) {
                    if link.packets >= link.ring_len {
                        self.lost_packets += 1;
                        continue;
                    }
                    link.packets += 1;
                }
                let at = link.waiting.back().map_or(now, |(at, ..)| *at).max(now + link.delay);
                link.waiting.push_back((at, WorkerId(from as u8), message));
            }
        }
    }

    fn worker(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.get_mut(id.index())?.as_mut()
    }
}
