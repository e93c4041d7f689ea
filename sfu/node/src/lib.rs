//! Worker threads and the handle by which the control plane reaches them.
//!
//! The only crate of the media plane with threads, a clock and the system's randomness. Knows neither rooms'
//! rules nor the signaling protocol.

mod metrics;
mod worker_thread;

use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use sluice_core::{Certificate, Command, Event, RoomId};
use sluice_net::{Features, UdpOptions, UdpPorts, Waker};

use metrics::MediaMetrics;
use worker_thread::{Message, WorkerThread};

/// Commands that may wait for a worker. A pass of the worker takes well under a millisecond; a queue this long
/// means it is stuck, and its rooms are better told so.
const COMMAND_QUEUE_LEN: usize = 16 << 10;

/// Where workers listen.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Addresses to bind, one socket each per worker; the port is that of the first worker, the next worker
    /// takes the next port. Port 0 lets the kernel choose.
    pub bind: Vec<SocketAddr>,
    /// Address written into candidates instead of the bound one (NAT 1:1).
    pub advertise: Option<IpAddr>,
    /// Number of workers.
    pub workers: usize,
    /// Most media a participant may send, bits per second, headers included. 0: no bound.
    pub max_publish_bps: u64,
}

/// Takes a room's events on the worker's thread; must not block. False says the room's queue is full or
/// gone: the worker counts it and goes on.
pub type EventSink = Box<dyn Fn(Event) -> bool + Send>;

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A socket could not be bound.
    #[error("cannot bind UDP {address}: {source}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start a worker thread: {0}")]
    Thread(std::io::Error),
    /// The crypto library made no certificate.
    #[error("cannot make a DTLS certificate")]
    Certificate,
    /// The metrics are registered already: one node for each registry.
    #[error("cannot register metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A worker's command queue is full (it is stuck) or its thread is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media worker does not take commands")]
pub struct WorkerUnavailable;

/// The running media plane. Dropping it stops the workers.
pub struct Node {
    workers: Vec<Handle>,
    addresses: Vec<SocketAddr>,
}

struct Handle {
    mailbox: Mailbox,
    thread: Option<JoinHandle<()>>,
}

/// The way into a worker's thread.
#[derive(Clone)]
struct Mailbox {
    messages: SyncSender<Message>,
    waker: Waker,
}

impl Mailbox {
    fn send(&self, message: Message) -> Result<(), WorkerUnavailable> {
        let result = self.messages.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => WorkerUnavailable,
        });
        self.waker.wake();
        result
    }
}

impl Node {
    /// Binds the sockets and starts the threads. `registry` receives the media plane's metrics.
    ///
    /// # Errors
    /// [`NodeError`] when a socket, thread or certificate is refused.
    pub fn start(config: &NodeConfig, registry: &prometheus::Registry) -> Result<Self, NodeError> {
        let certificate = Certificate::generate().ok_or(NodeError::Certificate)?;
        let metrics = MediaMetrics::register(registry)?;
        let (mut workers, mut addresses) = (Vec::new(), Vec::new());
        for index in 0..config.workers.max(1) {
            let step = u16::try_from(index).unwrap_or(u16::MAX);
            let bind: Vec<SocketAddr> = config
                .bind
                .iter()
                .map(|address| {
                    let port = if address.port() == 0 { 0 } else { address.port().saturating_add(step) };
                    SocketAddr::new(address.ip(), port)
                })
                .collect();
            let ports = UdpPorts::bind(&bind, UdpOptions::default())
                .map_err(|(address, source)| NodeError::Bind { address, source })?;
            if index == 0 {
                say_what_is_granted(ports.features());
            }
            addresses.extend(ports.local_addresses());
            let (messages, inbox) = sync_channel(COMMAND_QUEUE_LEN);
            let mailbox = Mailbox { messages, waker: ports.waker() };
            let worker = WorkerThread::new(config, ports, certificate.clone(), metrics.clone(), inbox);
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || worker.run())
                .map_err(NodeError::Thread)?;
            workers.push(Handle { mailbox, thread: Some(thread) });
        }
        Ok(Self { workers, addresses })
    }

    /// The UDP addresses bound, all workers'.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Places a room on a worker. The link is the only way to speak to it; dropping it closes the room there.
    pub fn open_room(&self, room: RoomId, events: EventSink) -> RoomLink {
        // By name until load is measured: the same room always meets the same worker.
        let hash = room
            .as_str()
            .bytes()
            .fold(0usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        let mailbox = self.workers[hash % self.workers.len()].mailbox.clone();
        let link = RoomLink { room: room.clone(), mailbox };
        // A worker that is gone shows on the first command.
        let _ = link.mailbox.send(Message::Open { room, events });
        link
    }
}

/// Once: every worker's sockets are alike.
fn say_what_is_granted(features: Features) {
    tracing::info!("UDP with {features}");
    for capped in features.capped_buffers() {
        tracing::warn!("{capped}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            worker.mailbox.waker.wake();
            let _ = worker.mailbox.send(Message::Stop);
        }
        for thread in self.workers.iter_mut().filter_map(|worker| worker.thread.take()) {
            // A worker that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// A room's way to its worker.
pub struct RoomLink {
    room: RoomId,
    mailbox: Mailbox,
}

impl RoomLink {
    /// Queues a command; never blocks.
    ///
    /// # Errors
    /// [`WorkerUnavailable`] when the queue is full or the worker is gone: the room cannot go on.
    pub fn send(&self, command: Command) -> Result<(), WorkerUnavailable> {
        self.mailbox.send(Message::Command(command))
    }
}

impl Drop for RoomLink {
    fn drop(&mut self) {
        let _ = self.mailbox.send(Message::Close { room: self.room.clone() });
    }
}
