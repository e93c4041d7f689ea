//! Worker threads and the handle by which the control plane reaches them.
//!
//! The only crate of the media plane with threads, a clock and the system's randomness. Knows neither rooms'
//! rules nor the signaling protocol.

mod links;
mod mailbox;
mod metrics;
mod room_link;
mod worker_thread;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use sluice_core::{Certificate, Event, RoomId, WorkerId};
use sluice_net::{Features, UdpOptions, UdpPorts};

pub use room_link::{PARTICIPANTS_PER_WORKER, RoomLink};

use links::Links;
use mailbox::Mailbox;
use metrics::MediaMetrics;
use worker_thread::{Message, WorkerThread};

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
    /// Participants of one room on a worker before newcomers go to another, see [`PARTICIPANTS_PER_WORKER`].
    pub participants_per_worker: usize,
}

/// Takes a room's events on its workers' threads; must not block. False says the room's queue is full or
/// gone: the worker counts it and goes on.
pub type EventSink = Arc<dyn Fn(Event) -> bool + Send + Sync>;

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
    mailboxes: Arc<[Mailbox]>,
    threads: Vec<JoinHandle<()>>,
    participants_per_worker: usize,
    addresses: Vec<SocketAddr>,
}

impl Node {
    /// Binds the sockets and starts the threads. `registry` receives the media plane's metrics.
    ///
    /// # Errors
    /// [`NodeError`] when a socket, thread or certificate is refused.
    pub fn start(config: &NodeConfig, registry: &prometheus::Registry) -> Result<Self, NodeError> {
        let certificate = Certificate::generate().ok_or(NodeError::Certificate)?;
        let metrics = MediaMetrics::register(registry)?;
        let (mut mailboxes, mut links, mut ends, mut addresses) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
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
            let (mailbox, inbox) = mailbox::mailbox(ports.waker());
            let (link, end) = links::link(mailbox.clone());
            mailboxes.push(mailbox);
            links.push(link);
            ends.push((ports, inbox, end));
        }
        let threads = Vec::with_capacity(ends.len());
        // Stops those that were started, should one of them not.
        let participants_per_worker = config.participants_per_worker;
        let mut node = Self { mailboxes: mailboxes.into(), threads, participants_per_worker, addresses };
        for (index, (ports, inbox, end)) in (0u8..).zip(ends) {
            let links = Links::new(WorkerId(index), end, links.clone());
            let worker = WorkerThread::new(config, ports, certificate.clone(), metrics.clone(), (inbox, links));
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || worker.run())
                .map_err(NodeError::Thread)?;
            node.threads.push(thread);
        }
        Ok(node)
    }

    /// The UDP addresses bound, all workers'.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Places a room on a worker, from where it may grow onto others. The link is the only way to speak to it; dropping
    /// it closes the room.
    pub fn open_room(&self, room: RoomId, events: EventSink) -> RoomLink {
        // By name until load is measured: the same room always meets the same worker.
        let hash = room
            .as_str()
            .bytes()
            .fold(0usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        let count = self.mailboxes.len();
        let mut in_turn = (0..count).map(|step| (hash % count + step) % count);
        let worker = in_turn.find(|worker| self.mailboxes[*worker].is_alive()).unwrap_or(0);
        let worker = WorkerId::at(worker).unwrap_or_default();
        RoomLink::open(room, worker, Arc::clone(&self.mailboxes), self.participants_per_worker, events)
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
        for mailbox in &*self.mailboxes {
            mailbox.wake();
            let _ = mailbox.send(Message::Stop);
        }
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so already.
            let _ = thread.join();
        }
    }
}
