//! The thread around a worker: sleeps on its sockets, feeds it, sends what it wants sent.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use sluice_core::{Certificate, Command, Event, Random, RoomId, Worker, WorkerConfig};
use sluice_net::{Datagram, UdpPorts};

use crate::links::Links;
use crate::mailbox::Inbox;
use crate::metrics::{MediaMetrics, Published};
use crate::{EventSink, NodeConfig};

/// Messages taken before media is looked at again: a burst of joins must not hold packets up.
const MAX_MESSAGES_PER_PASS: usize = 64;
/// How often counts are shown to the metrics.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);

pub(crate) enum Message {
    Open { room: RoomId, events: EventSink },
    Close { room: RoomId },
    Command(Command),
    Stop,
}

pub(crate) struct WorkerThread {
    worker: Worker,
    ports: UdpPorts,
    /// Advertised and bound address of each socket; the same without NAT.
    addresses: Vec<(SocketAddr, SocketAddr)>,
    inbox: Inbox,
    links: Links,
    rooms: HashMap<RoomId, EventSink>,
    metrics: MediaMetrics,
    published: Published,
}

struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system's randomness is there after boot");
    }
}

impl WorkerThread {
    pub(crate) fn new(
        config: &NodeConfig,
        ports: UdpPorts,
        certificate: Certificate,
        metrics: MediaMetrics,
        (inbox, links): (Inbox, Links),
    ) -> Self {
        let addresses: Vec<_> = ports
            .local_addresses()
            .map(|bound| {
                let advertised = config
                    .advertise
                    .filter(|ip| ip.is_ipv4() == bound.is_ipv4() && !bound.ip().is_loopback())
                    .map_or(bound, |ip| SocketAddr::new(ip, bound.port()));
                (advertised, bound)
            })
            .collect();
        let mut local: Vec<SocketAddr> = addresses.iter().map(|(advertised, _)| *advertised).collect();
        local.dedup();
        Self {
            worker: Worker::new(WorkerConfig {
                local,
                certificate,
                max_publish_bps: config.max_publish_bps,
                random: Box::new(SystemRandom),
            }),
            ports,
            addresses,
            inbox,
            links,
            rooms: HashMap::new(),
            metrics,
            published: Published::default(),
        }
    }

    /// Runs until stopped, or until nobody can send it messages.
    pub(crate) fn run(mut self) {
        let mut published_at = Instant::now();
        let mut cuts_trains = self.ports.features().gso;
        let mut is_stopping = false;
        while !is_stopping {
            let timeout = self.worker.poll_timeout().map(|at| at.saturating_duration_since(Instant::now()));
            if let Err(error) = self.ports.wait(timeout) {
                tracing::error!(%error, "cannot wait for datagrams");
                self.inbox.close();
                return self.tell_lost();
            }
            let now = Instant::now();
            if !self.inbox.is_alive() {
                tracing::error!("this worker was stuck, and is given up");
                return self.tell_lost();
            }
            is_stopping = self.take_messages(now);
            for (from, message) in self.links.receive() {
                self.worker.handle_relayed(from, message, now);
            }
            let Self { worker, ports, addresses, .. } = &mut self;
            ports.receive(|received| {
                let bound = received.destination;
                let advertised = addresses.iter().find(|(_, b)| *b == bound).map_or(bound, |(a, _)| *a);
                worker.handle_datagram(received.source, advertised, received.contents, now);
            });
            if self.worker.poll_timeout().is_some_and(|at| at <= now) {
                self.worker.handle_timeout(now);
            }
            self.worker.flush(now);
            self.hand_over(now);
            self.send();
            self.report();
            let is_idle = self.worker.poll_timeout().is_none_or(|at| at > now + PUBLISH_INTERVAL);
            if is_idle || now.saturating_duration_since(published_at) >= PUBLISH_INTERVAL {
                published_at = now;
                if cuts_trains && !self.ports.features().gso {
                    cuts_trains = false;
                    tracing::warn!("no device here cuts trains of datagrams (GSO): sending costs more");
                }
                self.show();
            }
        }
    }

    /// True when it is time to stop.
    fn take_messages(&mut self, now: Instant) -> bool {
        for _ in 0..MAX_MESSAGES_PER_PASS {
            match self.inbox.messages.try_recv() {
                Ok(Message::Command(command)) => self.worker.handle_command(command, now),
                Ok(Message::Open { room, events }) => {
                    self.rooms.insert(room, events);
                }
                Ok(Message::Close { room }) => {
                    self.worker.handle_command(Command::CloseRoom { room: room.clone() }, now);
                    self.rooms.remove(&room);
                }
                Err(TryRecvError::Empty) => return false,
                Ok(Message::Stop) | Err(TryRecvError::Disconnected) => return true,
            }
        }
        // More may wait: come back at once.
        self.ports.waker().wake();
        false
    }

    /// What other workers are to get leaves first: they go to work on it while this one sends.
    fn hand_over(&mut self, now: Instant) {
        while let Some((to, message)) = self.worker.poll_relay() {
            if self.links.send(to, message).is_err() {
                self.worker.handle_worker_lost(to, now);
                self.worker.flush(now);
                self.tell_lost();
            }
        }
        self.links.wake();
    }

    /// Sends all that this pass wants sent, as few calls of the kernel as it can be.
    fn send(&mut self) {
        let bound = |source: SocketAddr| self.addresses.iter().find(|(a, _)| *a == source).map_or(source, |(_, b)| *b);
        self.ports.send(self.worker.outgoing().trains().flat_map(|train| {
            let (source, destination) = (bound(train.source), train.destination);
            train.datagrams().map(move |contents| Datagram { source, destination, contents })
        }));
        self.worker.handle_sent();
    }

    fn report(&mut self) {
        while let Some((room, event)) = self.worker.poll_event() {
            if !self.rooms.get(&room).is_some_and(|sink| sink(event)) {
                self.metrics.events_lost.inc();
            }
        }
    }

    /// A worker is gone: rooms look whether it was one of theirs.
    fn tell_lost(&self) {
        for sink in self.rooms.values() {
            if !sink(Event::WorkerLost) {
                self.metrics.events_lost.inc();
            }
        }
    }

    fn show(&mut self) {
        let after = Published { worker: self.worker.stats(), net: self.ports.stats(), links: self.links.stats() };
        self.published = self.metrics.publish(&self.published, after);
    }
}

/// However the thread ends, nobody waits for it; when it ends by a bug its rooms hear of it.
impl Drop for WorkerThread {
    fn drop(&mut self) {
        self.inbox.close();
        if std::thread::panicking() {
            self.tell_lost();
        }
    }
}
