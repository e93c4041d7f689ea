//! What the kernel grants, as a value that its owner may log.

use std::fmt;

use crate::socket::SOCKET_BUFFER_LEN;

/// What the kernel grants to a set of sockets. Found out when they are bound; [`Features::gso`] may be lost later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Many datagrams in one call (recvmmsg, sendmmsg).
    pub batches: bool,
    /// Trains cut up by the kernel when sending (UDP_SEGMENT).
    pub gso: bool,
    /// Trains joined by the kernel when receiving (UDP_GRO).
    pub gro: bool,
    /// Congestion marks can be read.
    pub ecn: bool,
    /// Several sockets may share an address (SO_REUSEPORT).
    pub reuse_port: bool,
    /// Receive buffer of each socket, bytes.
    pub receive_buffer_len: usize,
    /// Send buffer of each socket, bytes.
    pub send_buffer_len: usize,
}

/// A socket buffer smaller than asked for; written out, it says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CappedBuffer {
    /// What it is for: "receive" or "send".
    pub direction: &'static str,
    /// Bytes granted.
    pub granted_len: usize,
    /// Bytes wanted.
    pub wanted_len: usize,
    /// The setting that caps it.
    pub sysctl: &'static str,
}

impl Features {
    /// What is there wherever UDP is.
    pub(crate) const PORTABLE: Self = Self {
        batches: false,
        gso: false,
        gro: false,
        ecn: false,
        reuse_port: false,
        receive_buffer_len: usize::MAX,
        send_buffer_len: usize::MAX,
    };

    /// What both have.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            batches: self.batches && other.batches,
            gso: self.gso && other.gso,
            gro: self.gro && other.gro,
            ecn: self.ecn && other.ecn,
            reuse_port: self.reuse_port && other.reuse_port,
            receive_buffer_len: self.receive_buffer_len.min(other.receive_buffer_len),
            send_buffer_len: self.send_buffer_len.min(other.send_buffer_len),
        }
    }

    /// Buffers the kernel made smaller than asked for: bursts may be lost.
    pub fn capped_buffers(&self) -> impl Iterator<Item = CappedBuffer> {
        let buffer = |direction, granted_len, sysctl| CappedBuffer {
            direction,
            granted_len,
            wanted_len: SOCKET_BUFFER_LEN,
            sysctl,
        };
        [
            buffer("receive", self.receive_buffer_len, "net.core.rmem_max"),
            buffer("send", self.send_buffer_len, "net.core.wmem_max"),
        ]
        .into_iter()
        .filter(|buffer| buffer.granted_len < buffer.wanted_len)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            (self.batches, "batches"),
            (self.gso, "GSO"),
            (self.gro, "GRO"),
            (self.ecn, "ECN"),
            (self.reuse_port, "shared port"),
        ];
        for (is_there, name) in named {
            write!(f, "{}{name}, ", if is_there { "" } else { "no " })?;
        }
        write!(f, "buffers of {} KiB in and {} KiB out", self.receive_buffer_len >> 10, self.send_buffer_len >> 10)
    }
}

impl fmt::Display for CappedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direction, granted_len, wanted_len, sysctl } = self;
        write!(
            f,
            "the kernel grants {} KiB of {direction} buffer instead of {} KiB, bursts may be lost: \
             sysctl -w {sysctl}={wanted_len}",
            granted_len >> 10,
            wanted_len >> 10
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_capped_buffer_names_its_cure() {
        let features = Features { receive_buffer_len: 212_992, batches: true, ..Features::PORTABLE };
        let capped: Vec<_> = features.capped_buffers().collect();
        assert_eq!(capped.len(), 1);
        assert_eq!(
            capped[0].to_string(),
            "the kernel grants 208 KiB of receive buffer instead of 4096 KiB, bursts may be lost: \
             sysctl -w net.core.rmem_max=4194304"
        );
    }

    #[test]
    fn features_read_as_one_line() {
        let features = Features {
            batches: true,
            gso: true,
            receive_buffer_len: 4 << 20,
            send_buffer_len: 208 << 10,
            ..Features::PORTABLE
        };
        assert_eq!(
            features.to_string(),
            "batches, GSO, no GRO, no ECN, no shared port, buffers of 4096 KiB in and 208 KiB out"
        );
    }
}
