//! A socket as we want it, and what the kernel granted.

use std::io;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};

use crate::Features;

/// Asked of the kernel for each direction; it may grant less. Holds 20 ms of a gigabit.
pub(crate) const SOCKET_BUFFER_LEN: usize = 4 << 20;

/// How datagrams go in and out of the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Io {
    /// In batches where the system has them (Linux), as [`Io::Portable`] elsewhere.
    #[default]
    Batched,
    /// One at a time, on every system the same.
    Portable,
}

impl Io {
    /// True when batches are asked for and this system has them.
    pub(crate) fn is_batched(self) -> bool {
        self == Self::Batched && cfg!(target_os = "linux")
    }
}

/// Binds a socket. `shares_port` lets others of this process bind the same address.
pub(crate) fn open(address: SocketAddr, io: Io, shares_port: bool) -> io::Result<(UdpSocket, Features)> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    let mut features = Features::PORTABLE;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    if shares_port {
        socket.set_reuse_port(true)?;
        features.reuse_port = true;
    }
    #[cfg(not(unix))]
    if shares_port {
        return Err(io::ErrorKind::Unsupported.into());
    }
    #[cfg(target_os = "linux")]
    if io.is_batched() {
        crate::linux::prepare(&socket, address, &mut features);
    }
    (features.receive_buffer_len, features.send_buffer_len) = enlarge_buffers(&socket, io)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok((UdpSocket::from_std(socket.into()), features))
}

/// Less is granted where the system caps it: calls work, bursts may be lost.
fn enlarge_buffers(socket: &Socket, io: Io) -> io::Result<(usize, usize)> {
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_LEN);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_LEN);
    #[cfg(target_os = "linux")]
    if io.is_batched() {
        crate::linux::force_buffers(socket, SOCKET_BUFFER_LEN);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = io;
    // Linux doubles what it is asked for, to pay for its own books, and says the double.
    let doubling = if cfg!(target_os = "linux") { 2 } else { 1 };
    Ok((socket.recv_buffer_size()? / doubling, socket.send_buffer_size()? / doubling))
}
