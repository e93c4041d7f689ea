//! Worker threads and the handle by which the control plane reaches them.
//!
//! The only crate of the media plane with threads, a clock and the system's randomness. Knows neither rooms'
//! rules nor the signaling protocol.
//!
//! A [`Node`] runs the workers, a [`RoomLink`] is a room's way to those it is on. Behind them, each in its own module: the
//! thread around a worker, its mailbox, the links between workers; the port they share and what becomes of datagrams
//! that come to the wrong one; the rings in which what taps give waits for a [`TapReader`]; where TCP connections are received; what workers show of themselves, and who looks at it.

mod addresses;
mod affinity;
mod caretaker;
#[cfg(feature = "drill")]
mod drill;
mod flows;
mod links;
mod mailbox;
mod metrics;
mod node;
mod placement;
mod ports;
mod pulse;
mod random;
mod reception;
mod recording;
mod room_link;
mod rooms;
mod steering;
mod strays;
mod taps;
mod worker_thread;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sluice_core::Event;

#[cfg(feature = "drill")]
pub use drill::Drill;
pub use node::Node;
pub use recording::{
    Container, FileId, FileNews, FilePlan, FileSink, Listener, Recorded, Recorder, RecorderUnavailable,
};
pub use room_link::{PARTICIPANTS_PER_WORKER, RoomLink};
pub use sluice_net::LobbyDoor as MediaDoor;
pub use taps::{TAP_RING_LEN, TapReader, TapWake};

/// Most workers of a node: as many as [`WorkerId`](sluice_core::WorkerId) has numbers for.
pub const MAX_WORKERS: u8 = 255;

/// How a node runs.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Addresses to bind, shared by all workers. Port 0 lets the kernel choose. Where the system shares no ports, the
    /// port is that of the first worker, and the next worker takes the next.
    pub bind: Vec<SocketAddr>,
    /// Addresses to listen on for clients that reach us over TCP only. Port 0 lets the kernel choose; none: no such
    /// clients.
    pub bind_tcp: Vec<SocketAddr>,
    /// Addresses at which somebody else accepts connections and hands those of media over to [`Node::media_door`].
    pub tcp_elsewhere: Vec<SocketAddr>,
    /// Address written into candidates instead of the bound one (NAT 1:1).
    pub advertise: Option<IpAddr>,
    /// Number of workers, at most [`MAX_WORKERS`]. 0: one for each core.
    pub workers: usize,
    /// Datagrams go one at a time, as on systems that have nothing better.
    pub portable_io: bool,
    /// Most media a participant may send, bits per second, headers included. 0: no bound.
    pub max_publish_bps: u64,
    /// Participants of one room on a worker before newcomers go to another, see [`PARTICIPANTS_PER_WORKER`].
    pub participants_per_worker: usize,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            bind: Vec::new(),
            bind_tcp: Vec::new(),
            tcp_elsewhere: Vec::new(),
            advertise: None,
            workers: 0,
            portable_io: false,
            max_publish_bps: 0,
            participants_per_worker: PARTICIPANTS_PER_WORKER,
        }
    }
}

/// Takes a room's events, on the threads of its workers and of whoever watches them; must neither block nor call the
/// node. False says the room's queue is full or gone: what is lost is counted, and that a worker is lost is said again.
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
    /// A socket could not listen.
    #[error("cannot listen for media on TCP {address}: {source}")]
    BindTcp {
        /// Where.
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

/// A worker's command queue is full, or the worker is stuck or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media worker does not take commands")]
pub struct WorkerUnavailable;
