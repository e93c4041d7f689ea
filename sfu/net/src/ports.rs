//! The sockets of one worker, and its bed: it sleeps here until something comes.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;

use crate::portable::Portable;
use crate::stats::Refusal;
use crate::tcp::Streams;
use crate::{Datagram, Features, Io, NetStats, PortHold, Received, socket};

/// Datagrams taken before the owner is let go on with other work: keeps commands and timers prompt in a flood. A batch
/// that the kernel hands over whole may go past it.
pub const MAX_RECEIVE_BATCH: usize = 256;

/// How a look at a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing waits there any more.
    Drained,
    /// As many were taken as was asked for.
    Limit,
    /// Who takes them wants no more.
    Enough,
}

const WAKER: Token = Token(usize::MAX);

/// How sockets are bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UdpOptions {
    /// How datagrams go in and out.
    pub io: Io,
    /// Others of this process may bind the same addresses; the kernel shares the flows out.
    pub shares_port: bool,
}

/// The sockets of one worker, and the TCP connections it has.
pub struct UdpPorts {
    poll: Poll,
    events: Events,
    ports: Vec<Port>,
    /// The port that is read first.
    first: usize,
    streams: Streams,
    waker: Arc<mio::Waker>,
    path: Path,
    features: Features,
    stats: NetStats,
}

pub(crate) struct Port {
    pub(crate) socket: UdpSocket,
    pub(crate) local: SocketAddr,
    /// Not read to the end since it was last reported readable.
    is_readable: bool,
}

enum Path {
    #[cfg(target_os = "linux")]
    Batched(Box<crate::linux::Batched>),
    Portable(Portable),
}

/// Wakes the owner of [`UdpPorts`] or a [`Lobby`](crate::Lobby) from another thread.
#[derive(Clone)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    pub(crate) fn new(waker: Arc<mio::Waker>) -> Self {
        Self(waker)
    }

    /// Ends the current or next `wait`. Many calls before one wait are one.
    pub fn wake(&self) {
        // An eventfd write fails only when its counter is full: then the sleeper is awake already.
        let _ = self.0.wake();
    }
}

impl UdpPorts {
    /// Binds one socket for each address. Port 0 lets the kernel choose one, and every address gets the same.
    ///
    /// # Errors
    /// The address that failed, and why.
    pub fn bind(addresses: &[SocketAddr], options: UdpOptions) -> Result<Self, (SocketAddr, io::Error)> {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let poll = Poll::new().map_err(|e| (nowhere, e))?;
        let waker = mio::Waker::new(poll.registry(), WAKER).map_err(|e| (nowhere, e))?;
        let mut ports: Vec<Port> = Vec::with_capacity(addresses.len());
        let mut features: Option<Features> = None;
        for address in addresses {
            let mut address = *address;
            if let (0, Some(first)) = (address.port(), ports.first()) {
                address.set_port(first.local.port());
            }
            let (mut socket, granted) =
                socket::open(address, options.io, options.shares_port).map_err(|e| (address, e))?;
            let local = socket.local_addr().map_err(|e| (address, e))?;
            poll.registry()
                .register(&mut socket, Token(ports.len()), Interest::READABLE)
                .map_err(|e| (address, e))?;
            ports.push(Port { socket, local, is_readable: true });
            features = Some(features.map_or(granted, |all| all.and(granted)));
        }
        let features = features.unwrap_or(Features::PORTABLE);
        let streams = Streams::new(poll.registry().try_clone().map_err(|e| (nowhere, e))?);
        Ok(Self {
            poll,
            events: Events::with_capacity(256),
            ports,
            first: 0,
            streams,
            waker: Arc::new(waker),
            path: Path::new(options.io, features),
            features,
            stats: NetStats::default(),
        })
    }

    /// The addresses bound.
    pub fn local_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.ports.iter().map(|port| port.local)
    }

    /// Second handles of the sockets: to steer what comes to a shared port, and to keep a place in it.
    ///
    /// # Errors
    /// The kernel's, when it gives no more descriptors.
    pub fn hold(&self) -> io::Result<PortHold> {
        let second = |port: &Port| Ok((port.local, SockRef::from(&port.socket).try_clone()?));
        self.ports.iter().map(second).collect::<io::Result<_>>().map(PortHold::new)
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

    /// What the kernel grants. [`Features::gso`] ends when it turns out that no device cuts trains up.
    #[must_use]
    pub fn features(&self) -> Features {
        match &self.path {
            #[cfg(target_os = "linux")]
            Path::Batched(path) => Features { gso: path.sends_trains(), ..self.features },
            Path::Portable(_) => self.features,
        }
    }

    /// The TCP connections that wake the owner as datagrams do.
    pub fn streams(&mut self) -> &mut Streams {
        &mut self.streams
    }

    /// Sleeps until a datagram comes, somebody wakes, or the time is over. `None` sleeps without end.
    ///
    /// # Errors
    /// The kernel's, other than an interruption.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let has_more = self.ports.iter().any(|port| port.is_readable) || self.streams.has_readable();
        let timeout = if has_more { Some(Duration::ZERO) } else { timeout };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            let Token(token) = event.token();
            match self.ports.get_mut(token) {
                Some(port) => port.is_readable = true,
                None => self.streams.wake(token, event.is_readable() || event.is_error(), event.is_writable()),
            }
        }
        Ok(())
    }

    /// Hands over waiting datagrams, about [`MAX_RECEIVE_BATCH`] at most. [`UdpPorts::wait`] returns at once while
    /// there may be more.
    pub fn receive(&mut self, mut take: impl FnMut(Received<'_>)) {
        self.receive_until(|received| {
            take(received);
            ControlFlow::Continue(())
        });
    }

    /// The same, and asks the kernel for no more once one was answered [`ControlFlow::Break`]. What it has given by then
    /// is handed over: up to sixteen messages.
    pub fn receive_until(&mut self, mut take: impl FnMut(Received<'_>) -> ControlFlow<()>) {
        let before = self.stats.received;
        for turn in 0..self.ports.len() {
            let index = (self.first + turn) % self.ports.len();
            let port = &mut self.ports[index];
            if !port.is_readable {
                continue;
            }
            let taken = usize::try_from(self.stats.received - before).unwrap_or(usize::MAX);
            let limit = MAX_RECEIVE_BATCH.saturating_sub(taken);
            if limit == 0 {
                break;
            }
            let after = match &mut self.path {
                #[cfg(target_os = "linux")]
                Path::Batched(path) => path.receive(&port.socket, port.local, limit, &mut self.stats, &mut take),
                Path::Portable(path) => path.receive(&port.socket, port.local, limit, &mut self.stats, &mut take),
            };
            port.is_readable = after != After::Drained;
            if after == After::Enough {
                break;
            }
        }
        // Who was first is last next time: a flood on one address must not silence the others.
        if !self.ports.is_empty() {
            self.first = (self.first + 1) % self.ports.len();
        }
    }

    /// Sends datagrams, in their order for each destination. What the kernel does not take is dropped and counted:
    /// media that waits is media too late.
    ///
    /// Those to one destination that follow one another leave as one message where their lengths allow it (all as
    /// long as the first, the last may be shorter), and a pass is sent in as few calls as it has hundreds of messages.
    pub fn send<'a>(&mut self, datagrams: impl IntoIterator<Item = Datagram<'a>>) {
        let Self { ports, path, stats, .. } = self;
        match path {
            #[cfg(target_os = "linux")]
            Path::Batched(path) => path.send(ports, datagrams, stats),
            Path::Portable(path) => {
                for datagram in datagrams {
                    match ports.iter().find(|port| port.local == datagram.source) {
                        Some(port) => path.send(&port.socket, &datagram, stats),
                        None => stats.count_unsent(Refusal::Other, 1),
                    }
                }
            }
        }
    }
}

impl Path {
    fn new(io: Io, features: Features) -> Self {
        #[cfg(target_os = "linux")]
        if io.is_batched() {
            return Self::Batched(Box::new(crate::linux::Batched::new(features)));
        }
        let _ = (io, features);
        Self::Portable(Portable::new())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::fd::AsFd;

    use super::*;

    /// `SO_NO_CHECK`: the kernel cuts no train of a socket without checksums.
    const NO_CHECKSUMS: libc::c_int = 11;

    #[test]
    fn trains_no_device_cuts_leave_one_by_one_and_soon_are_not_tried_any_more() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut ports = UdpPorts::bind(&[loopback], UdpOptions::default()).unwrap();
        let mut peer = UdpPorts::bind(&[loopback], UdpOptions::default()).unwrap();
        if !ports.features().gso {
            return;
        }
        crate::linux::set_option(ports.ports[0].socket.as_fd(), libc::SOL_SOCKET, NO_CHECKSUMS, 1).unwrap();
        let (source, destination) = (ports.ports[0].local, peer.ports[0].local);
        let contents: Vec<Vec<u8>> = (0..50u8).flat_map(|n| [vec![n; 100], vec![n; 100], vec![n; 7]]).collect();
        let mut got = Vec::new();
        for _ in 0..2 {
            ports.send(contents.iter().map(|contents| Datagram { source, destination, contents }));
            peer.wait(Some(Duration::from_secs(5))).unwrap();
            peer.receive(|received| got.push(received.contents.to_vec()));
        }
        assert!(got == [contents.clone(), contents].concat());
        let NetStats { sent, trains, trains_refused, send_refused, .. } = ports.stats();
        assert_eq!((sent, trains, send_refused), (300, 0, 0));
        assert!((32..=50).contains(&trains_refused), "{trains_refused}");
        assert!(!ports.features().gso);
    }

    #[test]
    fn a_destination_nobody_may_reach_does_not_end_trains_for_the_others() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut ports = UdpPorts::bind(&[loopback], UdpOptions::default()).unwrap();
        let source = ports.ports[0].local;
        // From loopback no way leads out: the kernel calls this an invalid argument, as it does a train it cannot cut.
        let destination = SocketAddr::from(([192, 0, 2, 1], 9));
        for _ in 0..100 {
            ports.send([Datagram { source, destination, contents: &[1; 100] }; 3]);
        }
        assert_eq!(ports.features().gso, UdpPorts::bind(&[loopback], UdpOptions::default()).unwrap().features().gso);
        let NetStats { sent, trains_refused, send_refused, send_unreachable, .. } = ports.stats();
        assert_eq!((sent, trains_refused, send_refused + send_unreachable), (0, 0, 300));
    }
}
