//! Where a client is: which of the paths it checks is the one we send on.
//!
//! An ICE-lite agent sends where the client nominated. str0m keeps to the pair of the highest priority, and to
//! the first among equals, until nothing was heard on it for 15 s: for so long a client whose address changed under it
//! (a NAT forgot it, it went to another network), or that lost UDP and came back over TCP, would send and get nothing.
//! So what the engine chose is where we begin, and when that path has fallen silent we follow the client's checks to
//! another. The engine has seen those checks, and takes what comes that way; that it would still send elsewhere is
//! mended where its datagrams leave.

use std::time::{Duration, Instant};

use sluice_rtp::stun;

use crate::Path;

/// A client sends receiver reports or transport-wide feedback many times a second, and checks every 2.5 s while
/// it receives nothing. Longer than the first, so that two live paths do not take turns.
const SILENT_AFTER: Duration = Duration::from_secs(1);
/// Longer than the second: whatever the client checks now is better than a path on which nothing is heard any more. Some
/// clients nominate once and never again, though their address changed.
const LOST_AFTER: Duration = Duration::from_secs(4);

/// Where a client is, as far as its datagrams tell.
#[derive(Debug, Default)]
pub(super) struct Roaming {
    /// Where the engine sends.
    chosen: Option<Path>,
    /// Where we send.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    path: Path,
    /// When something last came that way. `None`: nothing was looked for yet.
    heard_at: Option<Instant>,
    /// Its connection is closed.
    is_closed: bool,
}

impl Current {
    fn new(path: Path, heard_at: Option<Instant>) -> Self {
        Self { path, heard_at, is_closed: false }
    }
}

impl Roaming {
    /// The engine sends something other than a check. Where it is to go.
    pub(super) fn route(&mut self, chosen: Path) -> Path {
        if self.chosen != Some(chosen) {
            self.chosen = Some(chosen);
            // What was heard there before is heard no longer ago than when the engine had it.
            if self.current.as_ref().is_none_or(|current| current.path != chosen) {
                self.current = Some(Current::new(chosen, None));
            }
        }
        self.current.as_ref().map_or(chosen, |current| current.path)
    }

    /// A datagram the transport accepted. True when the client is to be followed there.
    pub(super) fn handle_datagram(&mut self, path: Path, datagram: &[u8], now: Instant) -> bool {
        let Some(current) = self.current.as_mut() else { return false };
        if current.path == path {
            current.heard_at = Some(now);
            return false;
        }
        let is_check = datagram.first().is_some_and(|first| super::is_connectivity_check(*first));
        if !is_check {
            return false;
        }
        let silence = now.saturating_duration_since(*current.heard_at.get_or_insert(now));
        let enough = if stun::is_nominating(datagram) { SILENT_AFTER } else { LOST_AFTER };
        let is_left = current.is_closed || silence >= enough;
        if is_left {
            *current = Current::new(path, Some(now));
        }
        is_left
    }

    /// The connection of a path is closed: whatever the client checks next is where it is.
    pub(super) fn handle_closed(&mut self, path: Path) {
        if let Some(current) = self.current.as_mut().filter(|current| current.path == path) {
            current.is_closed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test's clock starts anywhere")]

    use std::net::SocketAddr;

    use super::*;

    const MEDIA: [u8; 2] = [0x90, 0x60];

    fn path(host: u8) -> Path {
        Path::udp(SocketAddr::from(([192, 0, 2, host], 4000)), SocketAddr::from(([198, 51, 100, 1], 7882)))
    }

    fn connection(host: u8) -> Path {
        Path::tcp(path(host).remote, path(host).local)
    }

    /// A binding request with or without USE-CANDIDATE.
    fn check(is_nominating: bool) -> Vec<u8> {
        let mut check = vec![0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        check.extend([7; 12]);
        check.extend(is_nominating.then_some([0x00, 0x25, 0, 0]).into_iter().flatten());
        check
    }

    #[test]
    fn a_client_is_followed_once_its_old_address_is_silent() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut roaming = Roaming::default();
        assert!(!roaming.handle_datagram(path(1), &check(true), at(0)), "not connected yet");
        assert_eq!(roaming.route(path(1)), path(1));
        assert!(!roaming.handle_datagram(path(1), &MEDIA, at(0)));
        assert!(!roaming.handle_datagram(path(2), &check(true), at(900)), "the old path lives");
        assert!(!roaming.handle_datagram(path(2), &MEDIA, at(1000)), "media proves nothing");
        assert!(!roaming.handle_datagram(path(2), &check(false), at(1000)), "a spare path, looked after");
        assert!(roaming.handle_datagram(path(2), &check(true), at(1000)));
        assert_eq!(roaming.route(path(1)), path(2), "the engine has not noticed");
        assert!(!roaming.handle_datagram(path(2), &check(true), at(1100)));
        // And back again.
        assert!(!roaming.handle_datagram(path(1), &check(true), at(2000)));
        assert!(roaming.handle_datagram(path(1), &check(true), at(2200)));
        assert_eq!(roaming.route(path(1)), path(1));
    }

    #[test]
    fn a_client_that_nominates_no_more_is_followed_when_nothing_else_is_heard() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut roaming = Roaming::default();
        roaming.route(path(1));
        roaming.handle_datagram(path(1), &MEDIA, at(0));
        assert!(!roaming.handle_datagram(path(2), &check(false), at(3900)));
        assert!(roaming.handle_datagram(path(2), &check(false), at(4000)));
    }

    #[test]
    fn when_the_engine_changes_its_mind_so_do_we() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut roaming = Roaming::default();
        assert_eq!(roaming.route(connection(1)), connection(1), "the first to be there");
        roaming.handle_datagram(connection(1), &check(true), at(0));
        assert_eq!(roaming.route(path(1)), path(1), "UDP ranks higher");
        roaming.handle_datagram(path(1), &MEDIA, at(500));
        // UDP is blocked: the client goes on over the connection.
        assert!(roaming.handle_datagram(connection(1), &check(true), at(1500)));
        assert_eq!(roaming.route(path(1)), connection(1));
        assert_eq!(roaming.route(connection(1)), connection(1), "the engine has noticed");
    }

    #[test]
    fn who_loses_a_connection_is_followed_at_once_to_the_next() {
        let start = Instant::now();
        let mut roaming = Roaming::default();
        roaming.route(connection(1));
        roaming.handle_datagram(connection(1), &MEDIA, start);
        roaming.handle_closed(connection(2));
        assert!(!roaming.handle_datagram(connection(2), &check(false), start), "another one");
        roaming.handle_closed(connection(1));
        assert!(roaming.handle_datagram(path(1), &check(false), start));
        assert_eq!(roaming.route(connection(1)), path(1));
    }
}
