//! What goes over the wall: a datagram to send, and one that came.

use std::net::SocketAddr;

/// Room for any datagram WebRTC sends. What is longer is handed over cut, and then fails authentication.
pub const MAX_DATAGRAM_LEN: usize = 2048;

/// A datagram to send. Those to one destination that follow one another leave as a train where they can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The bound address it leaves from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// Its bytes.
    pub contents: &'a [u8],
}

/// A datagram that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// The bound address it came to.
    pub destination: SocketAddr,
    /// What routers on the way wrote on it; [`Ecn::NotEct`] where the kernel does not say.
    pub ecn: Ecn,
    /// Its bytes, at most [`MAX_DATAGRAM_LEN`].
    pub contents: &'a [u8],
}

/// Explicit congestion notification, the two bits of RFC 3168 section 5.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// The sender takes no part.
    #[default]
    NotEct,
    /// The sender takes part, and means L4S (RFC 9331).
    Ect1,
    /// The sender takes part.
    Ect0,
    /// A router on the way had a queue, and would have dropped others.
    Ce,
}

impl Ecn {
    /// Reads the lower two bits of an IPv4 type of service or an IPv6 traffic class.
    #[must_use]
    pub fn from_traffic_class(octet: u8) -> Self {
        match octet & 0b11 {
            0b00 => Self::NotEct,
            0b01 => Self::Ect1,
            0b10 => Self::Ect0,
            _ => Self::Ce,
        }
    }
}
