//! A thread that carries the media of many participants: their sockets, their timers, and what they received. It
//! never waits for anything but datagrams, time and orders. Knows no room and no WebSocket.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use livekit_protocol::{signal_request as ask, signal_response as told};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::error::PeerError;
use crate::participant::{End, Participant, TrackPlan};
use crate::process::thread_cpu_ns;
use crate::reception::Stream;
use crate::signal::SignalVersion;
use crate::source::Sent;
use crate::tally::{Live, Present, Tally};
use crate::uptake::{Gate, SLOW_BUFFER, Uptake};
use crate::window::{Announced, Window};

/// Orders under way to one thread. Signaling that is faster than this waits, as behind a full socket.
const MAX_ORDERS: usize = 1024;
/// Datagrams taken from one socket before the others have their turn.
const DATAGRAMS_A_TURN: usize = 32;
/// Largest datagram read.
const MAX_DATAGRAM: usize = 2048;
/// Room for bursts while the thread is elsewhere: a key frame of fifty streams. The kernel may grant less.
const RECEIVE_BUFFER: usize = 1 << 20;
/// The longest sleep: the window's edges are seen at least this often.
const MAX_SLEEP: Duration = Duration::from_millis(50);

const WAKER: Token = Token(usize::MAX);

/// A number for a participant, given by the conductor.
pub(crate) type VisitId = usize;

/// A participant is about to speak.
pub(crate) struct Entrance {
    pub(crate) id: VisitId,
    pub(crate) version: SignalVersion,
    /// The address to speak from.
    pub(crate) local: IpAddr,
    pub(crate) tracks: Vec<TrackPlan>,
    pub(crate) subscribes: bool,
    pub(crate) uptake: Uptake,
    /// Where its requests to the server go. Closed when it cannot go on.
    pub(crate) requests: mpsc::Sender<ask::Message>,
}

/// What a thread keeps of those who left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Everything, for a report.
    Outcomes,
    /// Nothing: it runs for ever.
    Nothing,
}

/// What the signaling side tells a thread.
pub(crate) enum Order {
    /// Begin.
    Enter(Box<Entrance>),
    /// The server said something to a participant.
    Hear(VisitId, Box<told::Message>),
    /// It leaves; what it received is kept.
    Leave(VisitId),
    /// The run is over.
    Finish,
}

/// What became of one participant's media.
#[derive(Debug)]
pub(crate) struct MediaOutcome {
    pub(crate) id: VisitId,
    pub(crate) connected_ns: Option<u64>,
    pub(crate) resumed_ns: Option<u64>,
    pub(crate) server_version: String,
    pub(crate) failure: Option<PeerError>,
    /// Track and what was sent of each of its encodings in the window.
    pub(crate) sent: Vec<(u32, Vec<Option<Sent>>)>,
    pub(crate) streams: Vec<Stream>,
}

/// Everything one thread has seen.
#[derive(Debug)]
pub(crate) struct ThreadReport {
    pub(crate) outcomes: Vec<MediaOutcome>,
    pub(crate) tally: Tally,
    /// Processor time it used in the window.
    pub(crate) busy_ns: u64,
}

/// The handle the signaling side holds.
#[derive(Clone)]
pub(crate) struct MediaHandle {
    orders: mpsc::Sender<Order>,
    waker: Arc<Waker>,
}

impl MediaHandle {
    /// Waits while the thread has too many orders; an error when it is gone.
    pub(crate) async fn tell(&self, order: Order) -> Result<(), PeerError> {
        self.orders.send(order).await.map_err(|_| PeerError::Overrun)?;
        // Orders are looked for after every sleep, so a wake that fails delays at most that long.
        let _ = self.waker.wake();
        Ok(())
    }
}

struct Seat {
    participant: Participant,
    sockets: Vec<UdpSocket>,
    requests: mpsc::Sender<ask::Message>,
    gate: Gate,
    /// What it receives counts.
    is_measured: bool,
    /// When its timer is set for.
    armed: Option<Instant>,
}

pub(crate) struct MediaThread {
    poll: Poll,
    orders: mpsc::Receiver<Order>,
    announced: Arc<Announced>,
    clock: Clock,
    window: Window,
    tally: Tally,
    /// Of those who are slow or dead.
    others: Tally,
    seats: HashMap<VisitId, Seat>,
    timers: BinaryHeap<Reverse<(Instant, VisitId)>>,
    /// Sockets that may hold more.
    ready: Vec<Token>,
    /// The same of those who are slow, and when they may read on.
    resting: Vec<(Instant, Token)>,
    keeping: Keeping,
    outcomes: Vec<MediaOutcome>,
    busy: (Option<u64>, Option<u64>),
}

impl MediaThread {
    /// Starts a thread.
    pub(crate) fn start(
        index: usize,
        clock: Clock,
        announced: Arc<Announced>,
        live: Arc<Live>,
        keeping: Keeping,
    ) -> io::Result<(MediaHandle, JoinHandle<ThreadReport>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (sender, orders) = mpsc::channel(MAX_ORDERS);
        let thread = Self {
            poll,
            orders,
            window: announced.get(),
            announced,
            clock,
            tally: Tally::new(live.clone()),
            others: Tally::new(live),
            seats: HashMap::new(),
            timers: BinaryHeap::new(),
            ready: Vec::new(),
            resting: Vec::new(),
            keeping,
            outcomes: Vec::new(),
            busy: (None, None),
        };
        let name = format!("media-{index}");
        let joined = std::thread::Builder::new().name(name).spawn(move || thread.run())?;
        Ok((MediaHandle { orders: sender, waker }, joined))
    }

    fn run(mut self) -> ThreadReport {
        let mut events = Events::with_capacity(1024);
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            self.look_at_window();
            loop {
                match self.orders.try_recv() {
                    Ok(Order::Finish) | Err(mpsc::error::TryRecvError::Disconnected) => return self.finish(),
                    Ok(order) => self.obey(order),
                    Err(mpsc::error::TryRecvError::Empty) => break,
                }
            }
            self.run_timers();
            // A sleep that is interrupted was a short one.
            let _ = self.poll.poll(&mut events, Some(self.sleep()));
            for event in events.iter().filter(|event| event.token() != WAKER) {
                self.ready.push(event.token());
            }
            let now = Instant::now();
            self.ready
                .extend(self.resting.extract_if(.., |(at, _)| *at <= now).map(|(_, token)| token));
            for token in std::mem::take(&mut self.ready) {
                self.receive(token, &mut buffer);
            }
            let received = std::mem::take(&mut self.tally.received);
            self.tally.live.packets.fetch_add(received, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn sleep(&self) -> Duration {
        if !self.ready.is_empty() {
            return Duration::ZERO;
        }
        let next = self
            .timers
            .peek()
            .map_or(MAX_SLEEP, |Reverse((at, _))| at.saturating_duration_since(Instant::now()));
        let rested = self.resting.iter().map(|(at, _)| at.saturating_duration_since(Instant::now())).min();
        next.min(rested.unwrap_or(MAX_SLEEP)).min(MAX_SLEEP)
    }

    fn look_at_window(&mut self) {
        self.window = self.announced.get();
        let now_ns = self.clock.nanos(Instant::now());
        if self.busy.0.is_none() && now_ns >= self.window.begin_ns {
            self.busy.0 = Some(thread_cpu_ns());
        }
        if self.busy.1.is_none() && now_ns >= self.window.end_ns {
            self.busy.1 = Some(thread_cpu_ns());
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Enter(entrance) => {
                let id = entrance.id;
                match self.seat(*entrance) {
                    Ok(seat) => {
                        self.seats.insert(id, seat);
                        self.attend(id, |_, _| {});
                    }
                    Err(failure) if self.keeping == Keeping::Outcomes => {
                        self.outcomes.push(MediaOutcome::failed(id, failure));
                    }
                    Err(_) => {}
                }
            }
            Order::Hear(id, message) => {
                self.attend(id, |participant, present| participant.handle_signal(*message, present));
            }
            Order::Leave(id) => self.dismiss(id),
            Order::Finish => {}
        }
    }

    fn seat(&self, entrance: Entrance) -> Result<Seat, PeerError> {
        let unusable = |error: io::Error| PeerError::Socket(error.to_string());
        let mut sockets = Vec::new();
        for n in 0..entrance.version.connections() {
            let mut socket = socket(entrance.local, entrance.uptake).map_err(unusable)?;
            let token = Token(entrance.id * 2 + n);
            self.poll.registry().register(&mut socket, token, Interest::READABLE).map_err(unusable)?;
            sockets.push(socket);
        }
        let address = |n: usize| sockets.get(n).unwrap_or(&sockets[0]).local_addr().map_err(unusable);
        let participant = Participant::new(
            entrance.version,
            [address(0)?, address(1)?],
            &entrance.tracks,
            entrance.subscribes,
            Instant::now(),
        )?;
        let (gate, is_measured) = (Gate::new(entrance.uptake), entrance.uptake == Uptake::Whole);
        Ok(Seat { participant, sockets, requests: entrance.requests, gate, is_measured, armed: None })
    }

    fn run_timers(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, id))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            // A timer that was set anew meanwhile, or whose participant left, is nobody's.
            let is_current = self
                .seats
                .get_mut(&id)
                .is_some_and(|seat| seat.armed.take_if(|armed| *armed == at).is_some());
            if is_current {
                self.attend(id, Participant::handle_timeout);
            }
        }
    }

    fn receive(&mut self, token: Token, buffer: &mut [u8]) {
        let (id, place) = (token.0 / 2, token.0 % 2);
        let end = if place == 0 { End::Publisher } else { End::Subscriber };
        let Some(seat) = self.seats.get_mut(&id) else { return };
        let Some(socket) = seat.sockets.get(place) else { return };
        let has_begun = self.clock.nanos(Instant::now()) >= self.window.begin_ns;
        if has_begun && seat.gate.is_shut() {
            return;
        }
        let mut is_empty = false;
        for _ in 0..DATAGRAMS_A_TURN {
            if let Some(opens_at) = seat.gate.opens_at(Instant::now()).filter(|_| has_begun) {
                self.resting.retain(|(_, resting)| *resting != token);
                self.resting.push((opens_at, token));
                is_empty = true;
                break;
            }
            match socket.recv_from(buffer) {
                Ok((len, source)) => {
                    let now = Instant::now();
                    if has_begun {
                        seat.gate.handle_read(len, now);
                    }
                    let Self { clock, window, tally, others, .. } = self;
                    let tally = if seat.is_measured { tally } else { others };
                    let mut present = Present { now, clock: *clock, window: *window, tally };
                    let datagram = buffer.get(..len).unwrap_or_default();
                    seat.participant.handle_datagram(end, source, datagram, &mut present);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    is_empty = true;
                    break;
                }
                // An ICMP answer to something sent earlier; the socket is as good as before.
                Err(_) => {}
            }
        }
        if !is_empty {
            self.ready.push(token);
        }
        self.attend(id, |_, _| {});
    }

    /// Lets a participant act, then carries out what it wants.
    fn attend(&mut self, id: VisitId, act: impl FnOnce(&mut Participant, &mut Present<'_>)) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        let Self { clock, window, tally, others, .. } = self;
        let tally = if seat.is_measured { tally } else { others };
        let mut present = Present { now: Instant::now(), clock: *clock, window: *window, tally };
        if seat.gate.is_shut() && present.ns() >= window.begin_ns {
            return;
        }
        act(&mut seat.participant, &mut present);
        let Seat { participant, sockets, requests, armed, .. } = seat;
        participant.drain_transmits(|end, destination, datagram| {
            let socket = sockets.get(if end == End::Publisher { 0 } else { 1 });
            if let Some(socket) = socket {
                // A datagram that the kernel does not take is lost, as it might be on the way.
                let _ = socket.send_to(datagram, destination);
            }
        });
        let mut is_overrun = false;
        while let Some(request) = participant.poll_request() {
            is_overrun |= matches!(requests.try_send(request), Err(mpsc::error::TrySendError::Full(_)));
        }
        let next = participant.poll_timeout();
        if let Some(next) = next.filter(|next| armed.is_none_or(|armed| *next < armed)) {
            *armed = Some(next);
            self.timers.push(Reverse((next, id)));
        }
        if is_overrun {
            self.fail(id, &PeerError::Overrun);
        } else if let Some(failure) = participant.failure().cloned() {
            self.fail(id, &failure);
        }
    }

    fn fail(&mut self, id: VisitId, failure: &PeerError) {
        self.dismiss(id);
        for outcome in self.outcomes.iter_mut().filter(|outcome| outcome.id == id) {
            outcome.failure = Some(failure.clone());
        }
    }

    fn dismiss(&mut self, id: VisitId) {
        let Some(mut seat) = self.seats.remove(&id) else { return };
        for socket in &mut seat.sockets {
            // It is closed in any case, which takes it out as well.
            let _ = self.poll.registry().deregister(socket);
        }
        if self.keeping == Keeping::Nothing {
            return;
        }
        let participant = seat.participant;
        let (connected_ns, resumed_ns) = (participant.connected_ns(), participant.resumed_ns());
        let server_version = participant.server_version().to_owned();
        let failure = participant.failure().cloned();
        let (sources, reception) = participant.into_parts();
        self.outcomes.push(MediaOutcome {
            id,
            connected_ns,
            resumed_ns,
            server_version,
            failure,
            sent: sources.iter().map(|source| (source.track, source.sent().collect())).collect(),
            streams: reception.into_streams(self.window, self.clock.nanos(Instant::now())),
        });
    }

    fn finish(mut self) -> ThreadReport {
        self.look_at_window();
        let everybody: Vec<VisitId> = self.seats.keys().copied().collect();
        for id in everybody {
            self.dismiss(id);
        }
        let busy_ns = match self.busy {
            (Some(begin), Some(end)) => end.saturating_sub(begin),
            _ => 0,
        };
        ThreadReport { outcomes: self.outcomes, tally: self.tally, busy_ns }
    }
}

impl MediaOutcome {
    fn failed(id: VisitId, failure: PeerError) -> Self {
        Self {
            id,
            connected_ns: None,
            resumed_ns: None,
            server_version: String::new(),
            failure: Some(failure),
            sent: Vec::new(),
            streams: Vec::new(),
        }
    }
}

fn socket(local: IpAddr, uptake: Uptake) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(local, 0);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // More is better; less is no reason to stay away.
    let _ = socket.set_recv_buffer_size(if uptake == Uptake::Whole { RECEIVE_BUFFER } else { SLOW_BUFFER });
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}
