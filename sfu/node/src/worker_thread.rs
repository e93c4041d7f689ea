//! The thread around a worker: sleeps on its sockets, feeds it, sends what it wants sent.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use sluice_core::{Certificate, Command, Intake, Path, Protocol, RoomId, Worker, WorkerConfig, WorkerId, is_media};
use sluice_net::{Datagram, Newcomer, UdpPorts, Worth};

use crate::addresses::Addresses;
use crate::links::Links;
use crate::metrics::{MediaMetrics, Published};
use crate::pulse::{Pulse, Stride};
use crate::random::SystemRandom;
use crate::strays::{Batch, MAX_BATCHES, Outlet, StrayStats};
use crate::taps::{Ring, Taps};
use crate::{EventSink, NodeConfig, affinity};

/// Messages taken before media is looked at again: a burst of joins must not hold packets up.
const MAX_MESSAGES_PER_PASS: usize = 64;
/// A pass that has so much to send reads no more before it has sent it: what waits for the kernel to take it must not
/// grow with the room, nor fall out of the caches.
const ENOUGH_BYTES: usize = 1 << 20;
/// How often counts are shown to the metrics.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);

pub(crate) enum Message {
    Open {
        room: RoomId,
        events: EventSink,
    },
    Close {
        room: RoomId,
    },
    Command(Command),
    /// The tap of this ring is the next that is made.
    Tap(Ring),
    /// Stays awake until the other end is dropped.
    #[cfg(test)]
    Stall(Receiver<()>),
    #[cfg(any(test, feature = "drill"))]
    Panic,
}

/// A worker's place among others.
pub(crate) struct Place {
    pub(crate) id: WorkerId,
    /// How many there are.
    pub(crate) workers: usize,
    /// When the node did.
    pub(crate) began_at: Instant,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) inbox: Receiver<Message>,
    pub(crate) links: Links,
    /// What others received for it.
    pub(crate) strays: Receiver<Batch>,
    /// `None` where each has a port of its own.
    pub(crate) outlet: Option<Outlet>,
    /// TCP connections for it.
    pub(crate) newcomers: Receiver<Newcomer>,
    /// The addresses they come to.
    pub(crate) tcp: Addresses,
}

pub(crate) struct WorkerThread {
    worker: Worker,
    ports: UdpPorts,
    addresses: Addresses,
    place: Place,
    rooms: HashMap<RoomId, EventSink>,
    taps: Taps,
    metrics: MediaMetrics,
    published: Published,
}

impl WorkerThread {
    pub(crate) fn new(
        config: &NodeConfig,
        ports: UdpPorts,
        certificate: Certificate,
        metrics: MediaMetrics,
        place: Place,
    ) -> Self {
        let addresses = Addresses::new(ports.local_addresses(), config.advertise);
        let worker = Worker::new(WorkerConfig {
            local: addresses.to_tell(),
            certificate,
            max_publish_bps: config.max_publish_bps,
            random: Box::new(SystemRandom),
        });
        Self {
            worker: worker.with_id(place.id).with_tcp(place.tcp.to_tell()),
            ports,
            addresses,
            place,
            rooms: HashMap::new(),
            taps: Taps::default(),
            metrics,
            published: Published::default(),
        }
    }

    /// Runs until its pulse is stopped, or it was given up.
    pub(crate) fn run(mut self) {
        affinity::pin(self.place.id.index(), self.place.workers);
        let mut published_at = Instant::now();
        let mut stride = Stride::new(self.place.pulse.clone(), published_at);
        let mut cuts_trains = self.ports.features().gso;
        while !self.place.pulse.is_stopping() {
            let before = Instant::now();
            let deadline = [self.worker.poll_timeout(), self.ports.streams().poll_timeout()]
                .into_iter()
                .flatten()
                .min();
            let timeout = deadline.map(|at| at.saturating_duration_since(before));
            stride.sleep(before);
            if let Err(error) = self.ports.wait(timeout) {
                tracing::error!(%error, "cannot wait for datagrams");
                return;
            }
            let now = Instant::now();
            stride.wake(now);
            self.take_in(now);
            if self.place.pulse.is_lost() {
                // Those who were here are elsewhere by now: what this worker still says would only confuse them.
                tracing::error!(worker = self.place.id.0, "this worker was stuck and is given up: it ends");
                return;
            }
            self.give_out(now);
            let is_idle = self.worker.poll_timeout().is_none_or(|at| at > now + PUBLISH_INTERVAL);
            if is_idle || now.saturating_duration_since(published_at) >= PUBLISH_INTERVAL {
                published_at = now;
                if cuts_trains && !self.ports.features().gso {
                    cuts_trains = false;
                    tracing::warn!("no device here cuts trains of datagrams (GSO): sending costs more");
                }
                self.publish();
            }
        }
    }

    /// All that has come, from everywhere.
    fn take_in(&mut self, now: Instant) {
        // Before commands: a room speaks of what other workers reported, and they told this one before they did.
        for (from, message) in self.place.links.receive() {
            self.worker.handle_relayed(from, message, now);
        }
        self.take_messages(now);
        self.take_strays(now);
        self.receive(now);
        self.take_newcomers(now);
        self.receive_frames(now);
        if self.worker.poll_timeout().is_some_and(|at| at <= now) {
            self.worker.handle_timeout(now);
        }
        self.worker.flush(now);
    }

    /// All that is to leave. What other workers are to get goes first: they go to work on it while this one sends.
    fn give_out(&mut self, now: Instant) {
        while let Some((to, message)) = self.worker.poll_relay() {
            if !self.place.links.send(to, message) {
                self.worker.handle_lost(to, now);
            }
        }
        self.place.links.wake();
        self.send();
        self.report();
        self.give_tapped(now);
    }

    /// Hands over what taps give, last: whoever takes it has no picture to show in time.
    fn give_tapped(&mut self, now: Instant) {
        while let Some((tap, message)) = self.worker.poll_tapped() {
            if let Some(command) = self.taps.give(tap, message) {
                self.worker.handle_command(command, now);
            }
        }
        self.taps.wake();
    }

    fn take_messages(&mut self, now: Instant) {
        for _ in 0..MAX_MESSAGES_PER_PASS {
            match self.place.inbox.try_recv() {
                Ok(Message::Command(command)) => self.worker.handle_command(command, now),
                Ok(Message::Tap(ring)) => self.taps.add(ring),
                Ok(Message::Open { room, events }) => {
                    self.rooms.insert(room, events);
                }
                Ok(Message::Close { room }) => {
                    self.worker.handle_command(Command::CloseRoom { room: room.clone() }, now);
                    self.rooms.remove(&room);
                }
                #[cfg(test)]
                Ok(Message::Stall(until)) => drop(until.recv()),
                #[cfg(any(test, feature = "drill"))]
                #[allow(clippy::panic, reason = "what the test is about")]
                Ok(Message::Panic) => panic!("as a test wants it"),
                Err(_) => return,
            }
        }
        // More may wait: come back at once.
        self.ports.waker().wake();
    }

    /// Takes what came to the sockets. What is for another worker's connection goes to that worker.
    fn receive(&mut self, now: Instant) {
        let now_s = self.seconds(now);
        let Self { worker, ports, addresses, place: Place { outlet, .. }, .. } = self;
        ports.receive_until(|received| {
            let (source, local) = (received.source, addresses.advertised(received.destination));
            let intake = worker.handle_datagram(source, local, received.contents, now);
            if let Some(outlet) = outlet {
                match intake {
                    Intake::Known => {}
                    Intake::Checked => outlet.claim(source, local, now_s),
                    Intake::Stranger => outlet.hand_on(source, local, received.contents, now_s),
                }
            }
            if worker.outgoing().len() < ENOUGH_BYTES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if let Some(outlet) = outlet {
            outlet.flush();
        }
    }

    /// Takes what others received for this worker. Nothing is handed on twice.
    fn take_strays(&mut self, now: Instant) {
        let now_s = self.seconds(now);
        for batch in self.place.strays.try_iter().take(MAX_BATCHES) {
            for (source, destination) in batch.lost() {
                self.worker.forget_path(*source, *destination);
            }
            for (source, destination, datagram) in batch.iter() {
                let intake = self.worker.handle_datagram(source, destination, datagram, now);
                if let (Intake::Checked, Some(outlet)) = (intake, &mut self.place.outlet) {
                    outlet.claim(source, destination, now_s);
                }
            }
        }
    }

    /// Takes over TCP connections that name this worker. What the first frame of each says decides whether it stays.
    fn take_newcomers(&mut self, now: Instant) {
        for Newcomer { stream, remote, local, first } in self.place.newcomers.try_iter().take(MAX_MESSAGES_PER_PASS) {
            let Some(local) = self.place.tcp.known_as(local) else { continue };
            let intake = self.worker.handle_arrival(Path::tcp(remote, local), &first, now);
            let adopted = self.ports.streams().adopt(stream, (remote, local), intake == Intake::Checked, now);
            if let Err(error) = adopted {
                tracing::debug!(%error, "a TCP connection was lost on the way here");
                self.worker.handle_closed(remote, local);
            }
        }
    }

    /// Takes what came over TCP.
    fn receive_frames(&mut self, now: Instant) {
        let (worker, streams) = (&mut self.worker, self.ports.streams());
        streams.handle_timeout(now);
        streams.receive(|received| {
            let path = Path::tcp(received.source, received.destination);
            worker.handle_arrival(path, received.contents, now) == Intake::Checked
        });
        self.note_closed();
    }

    /// Connections that ended are no paths any more.
    fn note_closed(&mut self) {
        while let Some((remote, local)) = self.ports.streams().poll_closed() {
            self.worker.handle_closed(remote, local);
        }
    }

    /// Since the node began.
    fn seconds(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.place.began_at).as_secs()
    }

    /// Sends all that this pass wants sent, as few calls of the kernel as it can be.
    fn send(&mut self) {
        let trains = |protocol| self.worker.outgoing().trains().filter(move |train| train.path.protocol == protocol);
        self.ports.send(trains(Protocol::Udp).flat_map(|train| {
            let (source, destination) = (self.addresses.bound(train.path.local), train.path.remote);
            train.datagrams().map(move |contents| Datagram { source, destination, contents })
        }));
        if !self.ports.streams().is_empty() {
            let worth = |datagram| if is_media(datagram) { Worth::Media } else { Worth::Needed };
            for train in trains(Protocol::Tcp) {
                let frames = train.datagrams().map(|datagram| (datagram, worth(datagram)));
                self.ports.streams().send((train.path.remote, train.path.local), frames);
            }
        }
        self.worker.handle_sent();
        while let Some(path) = self.worker.poll_left() {
            self.ports.streams().close((path.remote, path.local));
        }
        self.note_closed();
    }

    fn report(&mut self) {
        while let Some((room, event)) = self.worker.poll_event() {
            if !self.rooms.get(&room).is_some_and(|sink| sink(event)) {
                self.metrics.events_lost.inc();
            }
        }
    }

    fn publish(&mut self) {
        let worker = self.worker.stats();
        self.place.pulse.show_connections(worker.transports);
        let strays = self.place.outlet.as_ref().map_or(StrayStats::default(), Outlet::stats);
        let (net, tcp) = (self.ports.stats(), self.ports.streams().stats());
        let after = Published { worker, net, tcp, links: self.place.links.stats(), strays, taps: self.taps.stats() };
        self.published = self.metrics.publish(&self.published, after);
    }
}

/// However the thread ends, by a bug too: nobody waits for it, and what it had is gone.
impl Drop for WorkerThread {
    fn drop(&mut self) {
        self.place.pulse.give_up();
        self.metrics.withdraw(&self.published);
    }
}
