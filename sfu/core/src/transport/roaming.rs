//! A client whose address changes under it: a NAT forgot it, or it went from one network to another without an
//! ICE restart.
//!
//! An ICE-lite agent sends where the client nominated. str0m keeps to the pair of the highest priority, and to
//! the first among equals, until nothing was heard on it for 15 s: for so long a client that moved would send
//! and get nothing. So when the old address has fallen silent and a check came from another, the other is made
//! a candidate that outranks all before it; that the client nominated it, str0m has seen.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::Candidate;

/// A client sends receiver reports or transport-wide feedback many times a second, and checks every 2.5 s while
/// it receives nothing. Longer than the first, so that two live paths do not take turns.
const SILENT_AFTER: Duration = Duration::from_secs(1);
/// More than any person's travels; str0m remembers each.
const MAX_MOVES: u16 = 1000;
/// Above the type preference of a host candidate (RFC 8445 section 5.1.2.1), which ends at `0x7eff_ffff`.
const PRIORITY_BASE: u32 = 0x7f00_0000;

/// Where a client is, as far as its datagrams tell.
#[derive(Debug, Default)]
pub(super) struct Roaming {
    /// Where we send media, and when something last came from there.
    current: Option<(SocketAddr, Option<Instant>)>,
    /// The address made a candidate last.
    followed: Option<SocketAddr>,
    moves: u16,
}

impl Roaming {
    /// Something other than a check was sent: the destination is the nominated one.
    pub(super) fn sent_to(&mut self, destination: SocketAddr) {
        if self.current.is_none_or(|(current, _)| current != destination) {
            self.current = Some((destination, None));
        }
    }

    /// A datagram the transport accepted. The candidate to add when the client is to be followed there.
    pub(super) fn handle_datagram(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) -> Option<Candidate> {
        let (current, heard_at) = self.current.as_mut()?;
        if *current == source {
            *heard_at = Some(now);
            self.followed = None;
            return None;
        }
        let is_check = datagram.first().is_some_and(|first| super::is_connectivity_check(*first));
        let is_silent = now.saturating_duration_since(*heard_at.get_or_insert(now)) >= SILENT_AFTER;
        if !is_check || !is_silent || self.followed == Some(source) || self.moves == MAX_MOVES {
            return None;
        }
        self.followed = Some(source);
        self.moves += 1;
        candidate(source, self.moves)
    }
}

/// str0m ignores a candidate it has: the related port tells a second visit from the first.
fn candidate(address: SocketAddr, moves: u16) -> Option<Candidate> {
    let priority = PRIORITY_BASE + u32::from(moves);
    let (ip, port) = (address.ip(), address.port());
    let any = if ip.is_ipv4() { "0.0.0.0" } else { "::" };
    let text = format!("candidate:{moves} 1 udp {priority} {ip} {port} typ srflx raddr {any} rport {moves}");
    Candidate::from_sdp_string(&text).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test's clock starts anywhere")]

    use super::*;

    const CHECK: [u8; 2] = [0x00, 0x01];
    const MEDIA: [u8; 2] = [0x90, 0x60];

    fn address(host: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], 4000))
    }

    #[test]
    fn a_client_is_followed_once_its_old_address_is_silent() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut roaming = Roaming::default();
        assert_eq!(roaming.handle_datagram(address(1), &CHECK, at(0)), None, "not connected yet");
        roaming.sent_to(address(1));
        assert_eq!(roaming.handle_datagram(address(1), &MEDIA, at(0)), None);
        assert_eq!(roaming.handle_datagram(address(2), &CHECK, at(900)), None, "the old path lives");
        assert_eq!(roaming.handle_datagram(address(2), &MEDIA, at(1000)), None, "media proves nothing");
        let first = roaming.handle_datagram(address(2), &CHECK, at(1000));
        assert_eq!(first.as_ref().map(Candidate::addr), Some(address(2)));
        assert_eq!(roaming.handle_datagram(address(2), &CHECK, at(1100)), None, "once");
        // And back again: it must outrank the first.
        roaming.sent_to(address(2));
        assert_eq!(roaming.handle_datagram(address(2), &MEDIA, at(1200)), None);
        let back = roaming.handle_datagram(address(1), &CHECK, at(2200));
        assert_eq!(back.as_ref().map(Candidate::addr), Some(address(1)));
        assert!(back.map(|c| c.prio()) > first.map(|c| c.prio()));
    }

    #[test]
    fn addresses_of_both_families_make_candidates() {
        assert!(candidate(SocketAddr::from(([192, 0, 2, 1], 9)), 1).is_some());
        assert!(candidate(SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 9)), u16::MAX).is_some());
    }
}
