//! The way datagrams take between a client and us.

use std::net::SocketAddr;

/// What carries datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP, each datagram a frame (RFC 4571).
    Tcp,
}

/// Between which addresses, and by what. UDP and TCP may have the same port: the protocol tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    /// What carries them.
    pub protocol: Protocol,
    /// The client's end.
    pub remote: SocketAddr,
    /// Our end, as in our candidates.
    pub local: SocketAddr,
}

impl Path {
    /// Over UDP.
    #[must_use]
    pub fn udp(remote: SocketAddr, local: SocketAddr) -> Self {
        Self { protocol: Protocol::Udp, remote, local }
    }

    /// Over a TCP connection.
    #[must_use]
    pub fn tcp(remote: SocketAddr, local: SocketAddr) -> Self {
        Self { protocol: Protocol::Tcp, remote, local }
    }
}
