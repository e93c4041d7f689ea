//! Where connections wait until their first frame has come, which says whose they are.
//!
//! Anybody may knock here, so places are few, and short of time: who is silent goes after [`FIRST_FRAME_WITHIN`], and
//! earlier when somebody else wants the place. Who has something to say is here for a round trip.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::framer::{HEADER_LEN, len_of};
use crate::MAX_DATAGRAM_LEN;
use crate::ports::Waker;

/// The first frame is whole by then, or the connection is closed.
pub const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(5);
/// Connections that may wait for their first frame. When one more comes, the oldest goes: whoever speaks at once is heard
/// though strangers take place after place.
pub const MAX_WAITING: usize = 1024;
/// The same from one address (of IPv6, one network of 64 bits): some clients behind one NAT in the same tenth of a
/// second, with a connection for each of our addresses.
pub const MAX_WAITING_PER_ADDRESS: usize = 64;
/// Connections in the kernel's queue, and of others' listeners in ours.
const BACKLOG: u16 = 256;
/// Connections accepted before those that wait are looked at again.
const MAX_ACCEPTS: usize = 64;
/// Pause after the system refused a connection (no file descriptors): it will refuse the next as well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const WAKER: Token = Token(usize::MAX);
/// The first token of a connection; below are the listeners.
const FIRST_TOKEN: usize = 1 << 16;

/// A connection whose first frame is here.
#[derive(Debug)]
pub struct Newcomer {
    /// Non-blocking; what follows the first frame is still to be read.
    pub stream: std::net::TcpStream,
    /// Who it is.
    pub remote: SocketAddr,
    /// The address it came to.
    pub local: SocketAddr,
    /// The first frame's contents.
    pub first: Vec<u8>,
}

/// Counts since the start, and those who wait now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LobbyStats {
    /// Connections that came.
    pub accepted: u64,
    /// Closed: there was no whole frame in time, or others wanted the place.
    pub silent: u64,
    /// Closed: what they sent begins no frame, or they ended.
    pub broken: u64,
    /// Waiting now.
    pub waiting: u64,
}

/// See the module's documentation.
pub struct Lobby {
    poll: Poll,
    events: Events,
    waker: Arc<mio::Waker>,
    listeners: Vec<Listener>,
    handed: Receiver<std::net::TcpStream>,
    /// By token, and so by age.
    waiting: BTreeMap<usize, Waiting>,
    by_address: HashMap<IpAddr, usize>,
    next_token: usize,
    readable: Vec<usize>,
    stats: LobbyStats,
}

struct Listener {
    socket: TcpListener,
    local: SocketAddr,
    is_readable: bool,
    /// The system refused a connection: not before this.
    paused_until: Option<Instant>,
}

struct Waiting {
    socket: TcpStream,
    remote: SocketAddr,
    local: SocketAddr,
    until: Instant,
    /// The frame as far as it is here, its length in front.
    frame: Vec<u8>,
}

/// What reading has brought.
enum Progress {
    None,
    Whole,
    Broken,
}

/// The way in for connections that somebody else accepted.
#[derive(Clone)]
pub struct LobbyDoor {
    handed: SyncSender<std::net::TcpStream>,
    waker: Waker,
}

impl LobbyDoor {
    /// Hands a connection over of which nothing has been read. Where too many wait it is closed: false.
    pub fn admit(&self, stream: std::net::TcpStream) -> bool {
        let is_taken = self.handed.try_send(stream).is_ok();
        self.waker.wake();
        is_taken
    }
}

impl Lobby {
    /// Listens on each address. Port 0 lets the kernel choose one, and every address gets the same. With no address it is
    /// there for connections that others accept.
    ///
    /// # Errors
    /// The address that failed, and why.
    pub fn bind(addresses: &[SocketAddr]) -> Result<(Self, LobbyDoor), (SocketAddr, io::Error)> {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let poll = Poll::new().map_err(|e| (nowhere, e))?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER).map_err(|e| (nowhere, e))?);
        let mut listeners: Vec<Listener> = Vec::with_capacity(addresses.len());
        for address in addresses {
            let mut address = *address;
            if let (0, Some(first)) = (address.port(), listeners.first()) {
                address.set_port(first.local.port());
            }
            let mut socket = listen(address).map_err(|e| (address, e))?;
            let local = socket.local_addr().map_err(|e| (address, e))?;
            poll.registry()
                .register(&mut socket, Token(listeners.len()), Interest::READABLE)
                .map_err(|e| (address, e))?;
            listeners.push(Listener { socket, local, is_readable: true, paused_until: None });
        }
        let (sender, handed) = sync_channel(BACKLOG.into());
        let door = LobbyDoor { handed: sender, waker: Waker::new(waker.clone()) };
        let lobby = Self {
            poll,
            events: Events::with_capacity(256),
            waker,
            listeners,
            handed,
            waiting: BTreeMap::new(),
            by_address: HashMap::new(),
            next_token: FIRST_TOKEN,
            readable: Vec::new(),
            stats: LobbyStats::default(),
        };
        Ok((lobby, door))
    }

    /// The addresses it listens on.
    pub fn local_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|listener| listener.local)
    }

    /// A handle to wake the owner.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker::new(self.waker.clone())
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> LobbyStats {
        LobbyStats { waiting: u64::try_from(self.waiting.len()).unwrap_or(u64::MAX), ..self.stats }
    }

    /// When [`Self::receive`] has something to do though nothing came.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let silent = self.waiting.first_key_value().map(|(_, waiting)| waiting.until);
        let paused = self.listeners.iter().filter_map(|listener| listener.paused_until);
        silent.into_iter().chain(paused).min()
    }

    /// Sleeps until something comes, somebody wakes, or the time is over. `None` sleeps without end.
    ///
    /// # Errors
    /// The kernel's, other than an interruption.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let has_more = self.listeners.iter().any(|l| l.is_readable && l.paused_until.is_none());
        match self.poll.poll(&mut self.events, if has_more { Some(Duration::ZERO) } else { timeout }) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            let Token(token) = event.token();
            if let Some(listener) = self.listeners.get_mut(token) {
                listener.is_readable = true;
            } else if token != WAKER.0 {
                self.readable.push(token);
            }
        }
        Ok(())
    }

    /// Lets people in, and hands over those whose first frame is here.
    pub fn receive(&mut self, now: Instant, mut take: impl FnMut(Newcomer)) {
        // First, so that nobody who has spoken is sent away for newcomers.
        for token in std::mem::take(&mut self.readable) {
            match self.waiting.get_mut(&token).map_or(Progress::None, Waiting::read) {
                Progress::None => {}
                Progress::Whole => {
                    if let Some(newcomer) = self.remove(token).and_then(Newcomer::new) {
                        take(newcomer);
                    }
                }
                Progress::Broken => {
                    self.stats.broken += 1;
                    self.remove(token);
                }
            }
        }
        while let Some((&token, _)) = self.waiting.first_key_value().filter(|(_, oldest)| oldest.until <= now) {
            self.turn_away(token);
        }
        self.accept(now);
    }

    fn accept(&mut self, now: Instant) {
        for index in 0..self.listeners.len() {
            for _ in 0..MAX_ACCEPTS {
                let listener = &mut self.listeners[index];
                if !listener.is_readable || listener.paused_until.is_some_and(|until| until > now) {
                    break;
                }
                listener.paused_until = None;
                match listener.socket.accept() {
                    Ok((socket, _)) => self.admit(socket, now),
                    Err(error) => match error.kind() {
                        ErrorKind::WouldBlock => listener.is_readable = false,
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => {}
                        _ => listener.paused_until = Some(now + ACCEPT_PAUSE),
                    },
                }
            }
        }
        for _ in 0..MAX_ACCEPTS {
            let Ok(stream) = self.handed.try_recv() else { return };
            if stream.set_nonblocking(true).is_ok() {
                self.admit(TcpStream::from_std(stream), now);
            }
        }
        // More may wait: come back at once.
        self.waker().wake();
    }

    /// What it has said already is read with the first event, which comes at once.
    fn admit(&mut self, mut socket: TcpStream, now: Instant) {
        self.stats.accepted += 1;
        // It may be gone again.
        let (Ok(remote), Ok(local)) = (socket.peer_addr(), socket.local_addr()) else { return };
        let (remote, local) = (canonical(remote), canonical(local));
        let network = network(remote.ip());
        if self.by_address.get(&network).is_some_and(|count| *count >= MAX_WAITING_PER_ADDRESS) {
            let oldest = self.waiting.iter().find(|(_, waiting)| self::network(waiting.remote.ip()) == network);
            if let Some(token) = oldest.map(|(token, _)| *token) {
                self.turn_away(token);
            }
        } else if self.waiting.len() >= MAX_WAITING
            && let Some((&oldest, _)) = self.waiting.first_key_value()
        {
            self.turn_away(oldest);
        }
        let token = self.next_token;
        if self.poll.registry().register(&mut socket, Token(token), Interest::READABLE).is_ok() {
            self.next_token += 1;
            *self.by_address.entry(network).or_default() += 1;
            let until = now + FIRST_FRAME_WITHIN;
            self.waiting.insert(token, Waiting { socket, remote, local, until, frame: Vec::new() });
        }
    }

    fn turn_away(&mut self, token: usize) {
        self.stats.silent += 1;
        self.remove(token);
    }

    fn remove(&mut self, token: usize) -> Option<Waiting> {
        let mut waiting = self.waiting.remove(&token)?;
        let _ = self.poll.registry().deregister(&mut waiting.socket);
        let network = network(waiting.remote.ip());
        if let Some(count) = self.by_address.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&network);
            }
        }
        Some(waiting)
    }
}

impl Waiting {
    /// Reads on, but nothing beyond the first frame.
    fn read(&mut self) -> Progress {
        loop {
            let want = match len_of(&self.frame) {
                Err(_) | Ok(Some(0)) => return Progress::Broken,
                Ok(None) => HEADER_LEN,
                Ok(Some(len)) => HEADER_LEN + len,
            };
            let have = self.frame.len();
            if have > HEADER_LEN && have == want {
                return Progress::Whole;
            }
            let mut buffer = [0; HEADER_LEN + MAX_DATAGRAM_LEN];
            match self.socket.read(&mut buffer[..want - have]) {
                Ok(0) => return Progress::Broken,
                Ok(len) => self.frame.extend_from_slice(&buffer[..len]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Progress::None,
                    ErrorKind::Interrupted => {}
                    _ => return Progress::Broken,
                },
            }
        }
    }
}

impl Newcomer {
    fn new(waiting: Waiting) -> Option<Self> {
        let Waiting { socket, remote, local, mut frame, .. } = waiting;
        let first = frame.split_off(frame.len().min(HEADER_LEN));
        Some(Self { stream: socket.into(), remote, local, first })
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // After a restart the port is free though old connections linger.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG.into())?;
    Ok(TcpListener::from_std(socket.into()))
}

/// IPv4 as itself where it comes written as IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What counts as one address: of IPv6, everybody has a whole network.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (!0 << 64)).into(),
    }
}
