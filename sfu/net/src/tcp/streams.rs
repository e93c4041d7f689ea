//! The TCP connections of one worker.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use super::backlog::{Backlog, Worth};
use super::framer::Framer;
use crate::{Ecn, Received};

/// A connection that nobody has claimed so long after it came is closed. A client's first message is a check that
/// claims it; it is repeated within a second when it is lost.
pub const CLAIMED_WITHIN: Duration = Duration::from_secs(5);
/// Connections that may wait to be claimed. Nearly all are claimed by the message they come with; when there are more,
/// the oldest goes.
pub const MAX_UNCLAIMED: usize = 64;
/// Bytes read of one connection before it is another's turn: about 10 ms of 10 Mbit/s.
const READ_LEN: usize = 16 * 1024;
/// Reads before the owner is let go on with other work.
const MAX_READS: usize = 256;
/// What the kernel may hold that it has not sent: enough to fill a link while we sleep. What waits beyond stays with us,
/// where it can still be left out.
#[cfg(target_os = "linux")]
const UNSENT_LEN: u32 = 32 * 1024;
/// The first token of a connection; below are the worker's ports.
pub(crate) const FIRST_TOKEN: usize = 1 << 16;

/// A connection: its remote and its local end, as its owner names them.
pub type StreamPath = (SocketAddr, SocketAddr);

/// Counts since the start, and the connections now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpStats {
    /// Connections now.
    pub connections: u64,
    /// Connections closed for nobody claimed them.
    pub unclaimed: u64,
    /// Frames received.
    pub received: u64,
    /// Bytes in them.
    pub received_bytes: u64,
    /// Frames written.
    pub sent: u64,
    /// Bytes in them.
    pub sent_bytes: u64,
    /// Frames dropped: their peer does not read, or not as fast.
    pub dropped: u64,
    /// Frames for connections that are closed.
    pub unsent_closed: u64,
}

/// See the module's documentation. Made and polled by [`UdpPorts`](crate::UdpPorts).
pub struct Streams {
    registry: Registry,
    /// By token. Tokens are never used twice, so no event is taken for another connection's.
    streams: HashMap<usize, Stream>,
    by_path: HashMap<StreamPath, usize>,
    next_token: usize,
    /// Those not read to the end since they were last reported readable.
    readable: VecDeque<usize>,
    /// By token, and so by age: until when they must be claimed.
    unclaimed: BTreeMap<usize, Instant>,
    closed: Vec<StreamPath>,
    buffer: Box<[u8]>,
    stats: TcpStats,
}

struct Stream {
    socket: TcpStream,
    path: StreamPath,
    framer: Framer,
    backlog: Backlog,
    /// It is among the readable ones.
    is_readable: bool,
}

impl Streams {
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            registry,
            streams: HashMap::new(),
            by_path: HashMap::new(),
            next_token: FIRST_TOKEN,
            readable: VecDeque::new(),
            unclaimed: BTreeMap::new(),
            closed: Vec::new(),
            buffer: Vec::new().into(),
            stats: TcpStats::default(),
        }
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> TcpStats {
        TcpStats { connections: u64::try_from(self.streams.len()).unwrap_or(u64::MAX), ..self.stats }
    }

    /// Takes a connection over, under the names its owner has for its ends; one of the same names before it is closed.
    /// Unless it is claimed already, somebody must [claim](Self::claim) it in time.
    ///
    /// # Errors
    /// The kernel's. The connection is closed then.
    pub fn adopt(
        &mut self,
        socket: std::net::TcpStream,
        path: StreamPath,
        is_claimed: bool,
        now: Instant,
    ) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        // Frames are whole messages, and small: to wait for more would only delay them.
        socket.set_nodelay(true)?;
        #[cfg(target_os = "linux")]
        SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_LEN)?;
        let mut socket = TcpStream::from_std(socket);
        let token = self.next_token;
        self.registry
            .register(&mut socket, Token(token), Interest::READABLE | Interest::WRITABLE)?;
        self.next_token += 1;
        if let Some(before) = self.by_path.insert(path, token) {
            self.remove(before);
        }
        if self.buffer.is_empty() {
            self.buffer = vec![0; READ_LEN].into();
        }
        let stream = Stream { socket, path, framer: Framer::default(), backlog: Backlog::default(), is_readable: true };
        self.streams.insert(token, stream);
        self.readable.push_back(token);
        if !is_claimed {
            if self.unclaimed.len() >= MAX_UNCLAIMED
                && let Some((oldest, _)) = self.unclaimed.pop_first()
            {
                self.stats.unclaimed += 1;
                self.end(oldest);
            }
            self.unclaimed.insert(token, now + CLAIMED_WITHIN);
        }
        Ok(())
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.unclaimed.first_key_value().map(|(_, until)| *until)
    }

    /// Closes what nobody has claimed in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(oldest) = self.unclaimed.first_entry().filter(|oldest| *oldest.get() <= now) {
            let (token, _) = oldest.remove_entry();
            self.stats.unclaimed += 1;
            self.end(token);
        }
    }

    /// Hands over the frames that wait, some hundred reads of them at most. `take` says whether a frame claims its
    /// connection. A connection that ends, or sends what is no frame, is closed.
    pub fn receive(&mut self, mut take: impl FnMut(Received<'_>) -> bool) {
        for _ in 0..self.readable.len().min(MAX_READS) {
            let Some(token) = self.readable.pop_front() else { break };
            let Some(stream) = self.streams.get_mut(&token) else { continue };
            let read = match stream.socket.read(&mut self.buffer) {
                Ok(0) => {
                    self.end(token);
                    continue;
                }
                Ok(len) => &self.buffer[..len],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    stream.is_readable = false;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => &[],
                Err(_) => {
                    self.end(token);
                    continue;
                }
            };
            let ((source, destination), stats, mut is_claimed) = (stream.path, &mut self.stats, false);
            let fed = stream.framer.feed(read, |contents| {
                stats.received += 1;
                stats.received_bytes += wide(contents.len());
                is_claimed |= take(Received { source, destination, ecn: Ecn::NotEct, contents });
            });
            if is_claimed {
                self.unclaimed.remove(&token);
            }
            match fed {
                Ok(()) => self.readable.push_back(token),
                Err(_) => self.end(token),
            }
        }
    }

    /// Sends datagrams to the other end of a connection, as frames. What it does not take for now waits, within bounds;
    /// beyond them it is dropped and counted.
    pub fn send<'a>(&mut self, path: StreamPath, datagrams: impl IntoIterator<Item = (&'a [u8], Worth)>) {
        let found = self.by_path.get(&path).and_then(|token| Some((*token, self.streams.get_mut(token)?)));
        let Some((token, stream)) = found else {
            self.stats.unsent_closed += wide(datagrams.into_iter().count());
            return;
        };
        let mut written = Ok(());
        for (datagram, worth) in datagrams {
            let is_taken = stream.backlog.push(datagram, worth) || {
                // Perhaps the kernel has room for what waits.
                written = stream.backlog.flush(&mut stream.socket);
                stream.backlog.push(datagram, worth)
            };
            if is_taken {
                self.stats.sent += 1;
                self.stats.sent_bytes += wide(datagram.len());
            } else {
                self.stats.dropped += 1;
            }
        }
        if written.and_then(|()| stream.backlog.flush(&mut stream.socket)).is_err() {
            self.end(token);
        }
    }

    /// Closes a connection its owner has no more use for.
    pub fn close(&mut self, path: StreamPath) {
        if let Some(token) = self.by_path.get(&path).copied() {
            self.remove(token);
        }
    }

    /// The next connection that has ended by itself.
    pub fn poll_closed(&mut self) -> Option<StreamPath> {
        self.closed.pop()
    }

    /// There are no connections.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// There may be more to read.
    pub(crate) fn has_readable(&self) -> bool {
        !self.readable.is_empty()
    }

    /// The kernel says that something can be read or written.
    pub(crate) fn wake(&mut self, token: usize, is_readable: bool, is_writable: bool) {
        let Some(stream) = self.streams.get_mut(&token) else { return };
        if is_readable && !stream.is_readable {
            stream.is_readable = true;
            self.readable.push_back(token);
        }
        if is_writable && stream.backlog.len() > 0 && stream.backlog.flush(&mut stream.socket).is_err() {
            self.end(token);
        }
    }

    /// It ended without its owner's doing.
    fn end(&mut self, token: usize) {
        if let Some(path) = self.remove(token) {
            self.closed.push(path);
        }
    }

    fn remove(&mut self, token: usize) -> Option<StreamPath> {
        let mut stream = self.streams.remove(&token)?;
        // Closing the socket does as much, where there is no other handle of it.
        let _ = self.registry.deregister(&mut stream.socket);
        self.unclaimed.remove(&token);
        if self.by_path.get(&stream.path) == Some(&token) {
            self.by_path.remove(&stream.path);
        }
        Some(stream.path)
    }

    /// A check has shown whose the connection is: it stays.
    pub fn claim(&mut self, path: StreamPath) {
        if let Some(token) = self.by_path.get(&path) {
            self.unclaimed.remove(token);
        }
    }
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
