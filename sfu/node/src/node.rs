//! The running media plane: its workers, the ways between them, and who watches them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use sluice_core::{Certificate, RoomId, WorkerId};
use sluice_net::{Features, Io, Lobby, LobbyDoor, UdpPorts};

use crate::addresses::Addresses;
use crate::caretaker::{CareHandle, Caretaker, Charge};
use crate::links::{Links, link};
use crate::mailbox::mailbox;
use crate::metrics::{CareMetrics, MediaMetrics, ReceptionMetrics};
use crate::placement::choose;
use crate::pulse::Pulse;
use crate::random::SystemRandom;
use crate::reception::{Reception, ReceptionHandle, desk};
use crate::rooms::Rooms;
use crate::strays::{Outlet, Shared, door};
use crate::worker_thread::{Place, WorkerThread};
use crate::{EventSink, MAX_WORKERS, NodeConfig, NodeError, RoomLink, ports};

/// See the module's documentation. Dropping it stops the workers.
pub struct Node {
    pub(crate) rooms: Arc<Rooms>,
    care: Option<CareHandle>,
    reception: Option<ReceptionHandle>,
    media_door: Option<LobbyDoor>,
    participants_per_worker: usize,
    addresses: Vec<SocketAddr>,
    tcp_addresses: Vec<SocketAddr>,
}

impl Node {
    /// Binds the sockets and starts the threads. `registry` receives the media plane's metrics.
    ///
    /// # Errors
    /// [`NodeError`] when a socket, thread or certificate is refused.
    pub fn start(config: &NodeConfig, registry: &prometheus::Registry) -> Result<Self, NodeError> {
        // Before anything else is taken, so that whoever is refused a port may try again with another.
        let (lobby, media_door) =
            Lobby::bind(&config.bind_tcp).map_err(|(address, source)| NodeError::BindTcp { address, source })?;
        let tcp_addresses: Vec<_> = lobby.local_addresses().collect();
        let tcp = Addresses::new(tcp_addresses.iter().chain(&config.tcp_elsewhere).copied(), config.advertise);
        let certificate = Certificate::generate().ok_or(NodeError::Certificate)?;
        let (metrics, care_metrics) = (MediaMetrics::register(registry)?, CareMetrics::register(registry)?);
        let count = match config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let io = if config.portable_io { Io::Portable } else { Io::Batched };
        let bound = ports::bind(&config.bind, count.min(MAX_WORKERS.into()), io)?;
        if let Some(first) = bound.workers.first() {
            say_what_is_granted(first.features());
        }

        let (mut mailboxes, mut links, mut doors, mut ends) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut desks = Vec::new();
        for ports in &bound.workers {
            let pulse = Arc::new(Pulse::default());
            let (mailbox, inbox) = mailbox(ports.waker(), pulse.clone());
            let (link, link_end) = link(mailbox.clone());
            let (door, strays) = door(ports.waker());
            let (desk, newcomers) = desk(ports.waker(), pulse.clone());
            desks.push(desk);
            mailboxes.push(mailbox);
            links.push(link);
            doors.push(door);
            ends.push((pulse, inbox, link_end, strays, newcomers));
        }
        let workers = u8::try_from(doors.len()).unwrap_or(MAX_WORKERS);
        let shared = bound.is_shared.then(|| Shared::new(workers, &mut SystemRandom));
        let rooms = Arc::new(Rooms::new(mailboxes));
        // From here on whoever has been started is stopped when another cannot be.
        let participants_per_worker = config.participants_per_worker;
        let addresses = each_once(bound.workers.iter().flat_map(UdpPorts::local_addresses));
        let mut node = Self {
            rooms: rooms.clone(),
            care: None,
            reception: None,
            media_door: Some(media_door).filter(|_| !config.tcp_elsewhere.is_empty()),
            participants_per_worker,
            addresses,
            tcp_addresses,
        };
        let (mut charges, began_at) = (Vec::new(), Instant::now());
        for (id, (ports, (pulse, inbox, link_end, strays, newcomers))) in
            WorkerId::all().zip(bound.workers.into_iter().zip(ends))
        {
            let hold = ports.hold().map_err(NodeError::Thread)?;
            let place = Place {
                id,
                workers: doors.len(),
                began_at,
                pulse: pulse.clone(),
                inbox,
                links: Links::new(id, link_end, links.clone()),
                strays,
                outlet: shared.as_ref().map(|shared| Outlet::new(id, shared.clone(), doors.clone())),
                newcomers,
                tcp: tcp.clone(),
            };
            let worker = WorkerThread::new(config, ports, certificate.clone(), metrics.clone(), place);
            let thread = std::thread::Builder::new()
                .name(format!("worker-{}", id.0))
                .spawn(move || worker.run())
                .map_err(NodeError::Thread)?;
            charges.push(Charge::new(pulse, thread, hold));
        }
        // The portable path has nothing of one system only.
        let steered = shared.filter(|_| !config.portable_io).map(|shared| shared.buckets);
        node.care = Some(Caretaker::start(charges, rooms, steered, care_metrics).map_err(NodeError::Thread)?);
        if !tcp.is_empty() {
            tracing::info!("media over TCP at {}", listed(&tcp.to_tell()));
            let metrics = ReceptionMetrics::register(registry)?;
            node.reception = Some(Reception::start(lobby, desks, metrics).map_err(NodeError::Thread)?);
        }
        Ok(node)
    }

    /// The UDP addresses bound, all workers'.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The TCP addresses this node listens on itself.
    #[must_use]
    pub fn tcp_addresses(&self) -> &[SocketAddr] {
        &self.tcp_addresses
    }

    /// The way in for connections that came to [`NodeConfig::tcp_elsewhere`]; `None` where there is no such address.
    #[must_use]
    pub fn media_door(&self) -> Option<LobbyDoor> {
        self.media_door.clone()
    }

    /// Whether a worker is there to take rooms: false when all are lost.
    #[must_use]
    pub fn is_able(&self) -> bool {
        self.rooms.loads().any(|(_, load)| !load.is_lost)
    }

    /// Places a room on the worker that has least to do, from where it may grow onto others. The link is the only way to
    /// speak to it; dropping it closes the room. No other room may have this id meanwhile.
    pub fn open_room(&self, room: RoomId, events: EventSink) -> RoomLink {
        // With all workers lost any will do: the first command says so.
        self.open_room_on(choose(self.rooms.loads()).unwrap_or_default(), room, events)
    }

    pub(crate) fn open_room_on(&self, worker: WorkerId, room: RoomId, events: EventSink) -> RoomLink {
        RoomLink::open(room, worker, self.rooms.clone(), self.participants_per_worker, events)
    }
}

/// In the order they come.
fn each_once(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut all = Vec::new();
    for address in addresses {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

fn listed(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ")
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
        if let Some(reception) = self.reception.take() {
            reception.close();
        }
        for mailbox in self.rooms.mailboxes() {
            mailbox.pulse().stop();
            mailbox.wake();
        }
        if let Some(care) = self.care.take() {
            care.join();
        }
    }
}
