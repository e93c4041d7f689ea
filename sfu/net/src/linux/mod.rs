//! Batches, as Linux has them. The files below that call the kernel are the only ones of the project with `unsafe`.

mod address;
mod control;
mod incoming;
mod message;
mod option;
mod outgoing;
mod steering;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::os::fd::AsFd;

use mio::net::UdpSocket;
use socket2::Socket;

use crate::ports::{After, Port};
use crate::{Datagram, Features, NetStats, Received};
use incoming::Incoming;
#[cfg(test)]
pub(crate) use option::set as set_option;
use outgoing::Outgoing;
pub(crate) use steering::attach;

/// The scratch space of a worker's batches; made once.
pub(crate) struct Batched {
    incoming: Incoming,
    outgoing: Outgoing,
}

impl Batched {
    pub(crate) fn new(features: Features) -> Self {
        Self { incoming: Incoming::new(features.gro), outgoing: Outgoing::new(features.gso) }
    }

    pub(crate) fn sends_trains(&self) -> bool {
        self.outgoing.sends_trains()
    }

    pub(crate) fn receive(
        &mut self,
        socket: &UdpSocket,
        local: SocketAddr,
        limit: usize,
        stats: &mut NetStats,
        take: &mut impl FnMut(Received<'_>) -> ControlFlow<()>,
    ) -> After {
        self.incoming.receive(socket.as_fd(), local, limit, stats, take)
    }

    pub(crate) fn send<'a>(
        &mut self,
        ports: &[Port],
        datagrams: impl IntoIterator<Item = Datagram<'a>>,
        stats: &mut NetStats,
    ) {
        self.outgoing.send(ports, datagrams, stats);
    }
}

/// Sets what batches want of a socket, and notes what was granted.
pub(crate) fn prepare(socket: &Socket, address: SocketAddr, features: &mut Features) {
    features.batches = true;
    // A length of nought cuts nothing; a kernel or sandbox without the option refuses it.
    features.gso = option::set(socket.as_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok();
    features.gro = option::set(socket.as_fd(), libc::SOL_UDP, libc::UDP_GRO, 1).is_ok();
    let marks = if address.is_ipv4() { socket.set_recv_tos_v4(true) } else { socket.set_recv_tclass_v6(true) };
    features.ecn = marks.is_ok();
}

/// The administrator's way past the system's cap; refused to everybody else.
pub(crate) fn force_buffers(socket: &Socket, len: usize) {
    if let Ok(len) = libc::c_int::try_from(len) {
        let _ = option::set(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, len);
        let _ = option::set(socket.as_fd(), libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, len);
    }
}
