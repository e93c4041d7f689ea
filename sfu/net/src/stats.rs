//! What is counted, and which count an error belongs to.

use std::io::{self, ErrorKind};

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetStats {
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes in them.
    pub sent_bytes: u64,
    /// Calls of the kernel that sent them.
    pub send_calls: u64,
    /// Messages of more than one datagram that the kernel cut up.
    pub trains: u64,
    /// Trains the kernel would not cut, sent one by one instead: no such thing on that device, or a path too narrow.
    pub trains_refused: u64,
    /// Datagrams dropped since the kernel had no room for them.
    pub send_full: u64,
    /// Datagrams dropped for being longer than the path takes.
    pub send_too_long: u64,
    /// Datagrams a firewall or a policy forbade.
    pub send_forbidden: u64,
    /// Datagrams to where no way leads.
    pub send_unreachable: u64,
    /// Datagrams the kernel refused for another reason.
    pub send_refused: u64,
    /// Datagrams received.
    pub received: u64,
    /// Bytes in them.
    pub received_bytes: u64,
    /// Calls of the kernel that received them.
    pub receive_calls: u64,
    /// Datagrams received that were longer than [`MAX_DATAGRAM_LEN`](crate::MAX_DATAGRAM_LEN), and cut.
    pub received_cut: u64,
}

/// Why the kernel did not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    TooLong,
    Forbidden,
    Unreachable,
    Other,
}

impl Refusal {
    pub(crate) fn of(error: &io::Error) -> Self {
        #[cfg(unix)]
        match error.raw_os_error() {
            Some(libc::ENOBUFS | libc::ENOMEM) => return Self::Full,
            Some(libc::EMSGSIZE) => return Self::TooLong,
            Some(libc::EHOSTDOWN) => return Self::Unreachable,
            _ => {}
        }
        match error.kind() {
            ErrorKind::WouldBlock => Self::Full,
            ErrorKind::PermissionDenied => Self::Forbidden,
            ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable
            | ErrorKind::ConnectionRefused => Self::Unreachable,
            _ => Self::Other,
        }
    }
}

impl NetStats {
    /// One message went out.
    pub(crate) fn count_sent(&mut self, datagrams: usize, len: usize) {
        self.sent += wide(datagrams);
        self.sent_bytes += wide(len);
        self.trains += u64::from(datagrams > 1);
    }

    /// So many datagrams did not.
    pub(crate) fn count_unsent(&mut self, refusal: Refusal, datagrams: usize) {
        *match refusal {
            Refusal::Full => &mut self.send_full,
            Refusal::TooLong => &mut self.send_too_long,
            Refusal::Forbidden => &mut self.send_forbidden,
            Refusal::Unreachable => &mut self.send_unreachable,
            Refusal::Other => &mut self.send_refused,
        } += wide(datagrams);
    }

    /// A datagram came, `len` bytes before any cut.
    pub(crate) fn count_received(&mut self, len: usize) {
        self.received += 1;
        self.received_bytes += wide(len);
        self.received_cut += u64::from(len > crate::MAX_DATAGRAM_LEN);
    }
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn every_refusal_has_its_kind() {
        let kinds = [
            (libc::EAGAIN, Refusal::Full),
            (libc::ENOBUFS, Refusal::Full),
            (libc::ENOMEM, Refusal::Full),
            (libc::EMSGSIZE, Refusal::TooLong),
            (libc::EPERM, Refusal::Forbidden),
            (libc::EACCES, Refusal::Forbidden),
            (libc::ENETUNREACH, Refusal::Unreachable),
            (libc::EHOSTUNREACH, Refusal::Unreachable),
            (libc::ENETDOWN, Refusal::Unreachable),
            (libc::EHOSTDOWN, Refusal::Unreachable),
            (libc::ECONNREFUSED, Refusal::Unreachable),
            (libc::EINVAL, Refusal::Other),
            (libc::EIO, Refusal::Other),
        ];
        for (number, kind) in kinds {
            assert_eq!(Refusal::of(&io::Error::from_raw_os_error(number)), kind, "errno {number}");
        }
    }
}
