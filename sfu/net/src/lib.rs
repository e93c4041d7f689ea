//! Datagrams in and out of the kernel. Bytes only: no protocol is known here.
//!
//! Owned by a worker's thread. The path here is portable; batches of the kernel (recvmmsg, GSO) belong behind
//! the same calls.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

/// Room for any datagram WebRTC sends; longer ones are cut and then fail authentication.
const MAX_DATAGRAM_LEN: usize = 2048;
/// Asked of the kernel for each direction; it may grant less. Holds 20 ms of a gigabit.
const SOCKET_BUFFER_LEN: usize = 4 << 20;
/// Datagrams taken before the owner is let go on with other work: keeps commands and timers prompt in a flood.
const MAX_RECEIVE_BATCH: usize = 256;

const WAKER: Token = Token(usize::MAX);

/// The sockets of one worker, and its bed: it sleeps here until something comes.
pub struct UdpPorts {
    poll: Poll,
    events: Events,
    sockets: Vec<Port>,
    waker: Arc<mio::Waker>,
    buffer: Box<[u8; MAX_DATAGRAM_LEN]>,
    stats: NetStats,
}

struct Port {
    socket: UdpSocket,
    local: SocketAddr,
    /// Not read to the end since it was last reported readable.
    is_readable: bool,
}

/// Wakes the owner of [`UdpPorts`] from another thread.
#[derive(Clone)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    /// Ends the current or next [`UdpPorts::wait`]. Many calls before one wait are one.
    pub fn wake(&self) {
        // An eventfd write fails only when its counter is full: then the sleeper is awake already.
        let _ = self.0.wake();
    }
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetStats {
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes in them.
    pub sent_bytes: u64,
    /// Datagrams dropped since the kernel had no room for them.
    pub send_full: u64,
    /// Datagrams the kernel refused for another reason (no route, too long, not permitted).
    pub send_refused: u64,
    /// Datagrams received.
    pub received: u64,
    /// Bytes in them.
    pub received_bytes: u64,
}

impl UdpPorts {
    /// Binds one socket for each address. Port 0 lets the kernel choose one, and every address gets the same.
    ///
    /// # Errors
    /// The address that failed, and why.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, (SocketAddr, io::Error)> {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let poll = Poll::new().map_err(|e| (nowhere, e))?;
        let waker = mio::Waker::new(poll.registry(), WAKER).map_err(|e| (nowhere, e))?;
        let mut sockets: Vec<Port> = Vec::with_capacity(addresses.len());
        for address in addresses {
            let mut address = *address;
            if let (0, Some(first)) = (address.port(), sockets.first()) {
                address.set_port(first.local.port());
            }
            let mut socket = bind(address).map_err(|e| (address, e))?;
            let local = socket.local_addr().map_err(|e| (address, e))?;
            poll.registry()
                .register(&mut socket, Token(sockets.len()), Interest::READABLE)
                .map_err(|e| (address, e))?;
            sockets.push(Port { socket, local, is_readable: true });
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(16),
            sockets,
            waker: Arc::new(waker),
            buffer: Box::new([0; MAX_DATAGRAM_LEN]),
            stats: NetStats::default(),
        })
    }

    /// The addresses bound.
    pub fn local_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.sockets.iter().map(|port| port.local)
    }

    /// A handle to wake the owner.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.waker))
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> NetStats {
        self.stats
    }

    /// Sleeps until a datagram comes, somebody wakes, or the time is over. `None` sleeps without end.
    ///
    /// # Errors
    /// The kernel's, other than an interruption.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = if self.sockets.iter().any(|port| port.is_readable) { Some(Duration::ZERO) } else { timeout };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            if let Some(port) = self.sockets.get_mut(event.token().0) {
                port.is_readable = true;
            }
        }
        Ok(())
    }

    /// Hands over waiting datagrams, each with where it came from and the local address it came to; at most
    /// one batch.
    pub fn receive(&mut self, mut take: impl FnMut(SocketAddr, SocketAddr, &[u8])) {
        let mut left = MAX_RECEIVE_BATCH;
        for port in self.sockets.iter_mut().filter(|port| port.is_readable) {
            while left > 0 {
                match port.socket.recv_from(self.buffer.as_mut_slice()) {
                    Ok((len, source)) => {
                        left -= 1;
                        self.stats.received += 1;
                        self.stats.received_bytes += u64::try_from(len).unwrap_or_default();
                        take(source, port.local, &self.buffer[..len]);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        port.is_readable = false;
                        break;
                    }
                    // An ICMP error of an earlier datagram; the next call reads on.
                    Err(_) => left -= 1,
                }
            }
        }
    }

    /// Sends a datagram from a bound address. What the kernel does not take is dropped and counted: media
    /// that waits is media too late.
    pub fn send(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        let Some(port) = self.sockets.iter().find(|port| port.local == source) else {
            self.stats.send_refused += 1;
            return;
        };
        match port.socket.send_to(datagram, destination) {
            Ok(len) => {
                self.stats.sent += 1;
                self.stats.sent_bytes += u64::try_from(len).unwrap_or_default();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.stats.send_full += 1,
            Err(_) => self.stats.send_refused += 1,
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // Less is granted where the system caps it; calls work, bursts may be lost.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_LEN);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_LEN);
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn a_datagram_goes_there_and_back() {
        let mut ports = UdpPorts::bind(&[loopback()]).unwrap();
        let local = ports.local_addresses().next().unwrap();
        let peer = std::net::UdpSocket::bind(loopback()).unwrap();
        peer.send_to(b"hello", local).unwrap();
        let mut got = Vec::new();
        while got.is_empty() {
            ports.wait(Some(Duration::from_secs(5))).unwrap();
            ports.receive(|source, destination, bytes| got.push((source, destination, bytes.to_vec())));
        }
        assert_eq!(got, [(peer.local_addr().unwrap(), local, b"hello".to_vec())]);
        ports.send(local, peer.local_addr().unwrap(), b"back");
        let mut buffer = [0; 16];
        let (len, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], from), (&b"back"[..], local));
    }

    #[test]
    fn a_flood_is_taken_in_batches_and_none_is_forgotten() {
        let mut ports = UdpPorts::bind(&[loopback()]).unwrap();
        let local = ports.local_addresses().next().unwrap();
        let peer = std::net::UdpSocket::bind(loopback()).unwrap();
        for _ in 0..MAX_RECEIVE_BATCH + 10 {
            peer.send_to(b"x", local).unwrap();
        }
        let mut batches = Vec::new();
        while batches.iter().sum::<usize>() < MAX_RECEIVE_BATCH + 10 {
            ports.wait(Some(Duration::from_secs(5))).unwrap();
            let mut taken = 0;
            ports.receive(|_, _, _| taken += 1);
            batches.push(taken);
        }
        assert!(batches.iter().all(|taken| *taken <= MAX_RECEIVE_BATCH));
    }

    #[test]
    fn another_thread_ends_the_sleep() {
        let mut ports = UdpPorts::bind(&[loopback()]).unwrap();
        ports.receive(|_, _, _| {});
        let waker = ports.waker();
        let sleeper = std::thread::spawn(move || {
            ports.wait(None).unwrap();
        });
        waker.wake();
        sleeper.join().unwrap();
    }

    #[test]
    fn what_cannot_be_sent_is_counted() {
        let mut ports = UdpPorts::bind(&[loopback()]).unwrap();
        let local = ports.local_addresses().next().unwrap();
        ports.send(local, SocketAddr::from(([127, 0, 0, 1], 9)), &[0; 70_000]);
        ports.send(SocketAddr::from(([127, 0, 0, 2], 1)), local, b"not ours");
        assert_eq!(ports.stats().send_refused, 2);
    }
}
