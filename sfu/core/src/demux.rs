//! Which transport a datagram is for: by its address, or by the user name fragment in its first message.

use std::collections::HashMap;

use slotmap::SecondaryMap;
use sluice_rtp::stun;

use crate::{Path, Protocol, TransportKey};

/// Addresses remembered for one transport: networks a client may hop between. The oldest is forgotten.
const MAX_ADDRESSES: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Demux {
    by_ufrag: HashMap<String, TransportKey>,
    by_path: HashMap<Path, TransportKey>,
    known: SecondaryMap<TransportKey, Known>,
    /// Connections that are nobody's any more, for their owner to close. Drained after each batch.
    left: Vec<Path>,
}

#[derive(Debug, Default)]
struct Known {
    ufrag: String,
    paths: Vec<Path>,
}

/// A transport that may own a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) transport: TransportKey,
    /// Found by fragment: once the transport has verified the message, its path may be learnt.
    pub(crate) by_ufrag: bool,
}

impl Demux {
    /// Who may own the datagram. A connectivity check always goes by its fragment: a browser may reuse the
    /// port of a page it just left.
    pub(crate) fn claim(&self, path: Path, datagram: &[u8]) -> Option<Claim> {
        match stun::receiver_ufrag(datagram) {
            Some(ufrag) => self.by_ufrag.get(ufrag).map(|transport| Claim { transport: *transport, by_ufrag: true }),
            None => self.by_path.get(&path).map(|transport| Claim { transport: *transport, by_ufrag: false }),
        }
    }

    /// The transport's fragment, now. One it had before is forgotten.
    pub(crate) fn set_ufrag(&mut self, transport: TransportKey, ufrag: &str) {
        let Some(known) = self.known.entry(transport).map(|e| e.or_default()) else { return };
        if known.ufrag != ufrag {
            self.by_ufrag.remove(&known.ufrag);
            ufrag.clone_into(&mut known.ufrag);
            self.by_ufrag.insert(ufrag.to_owned(), transport);
        }
    }

    /// The transport verified a message that came this way.
    pub(crate) fn learn(&mut self, transport: TransportKey, path: Path) {
        if self.by_path.get(&path) == Some(&transport) {
            return;
        }
        if let Some(before) = self.by_path.insert(path, transport)
            && let Some(known) = self.known.get_mut(before)
        {
            known.paths.retain(|p| *p != path);
        }
        let Some(known) = self.known.entry(transport).map(|e| e.or_default()) else { return };
        if known.paths.len() == MAX_ADDRESSES {
            let oldest = known.paths.remove(0);
            self.by_path.remove(&oldest);
            leave(&mut self.left, oldest);
        }
        known.paths.push(path);
    }

    /// Whoever had this path has it no more. Says who that was.
    pub(crate) fn forget(&mut self, path: Path) -> Option<TransportKey> {
        let before = self.by_path.remove(&path)?;
        if let Some(known) = self.known.get_mut(before) {
            known.paths.retain(|p| *p != path);
        }
        Some(before)
    }

    pub(crate) fn remove(&mut self, transport: TransportKey) {
        if let Some(known) = self.known.remove(transport) {
            self.by_ufrag.remove(&known.ufrag);
            for path in known.paths {
                self.by_path.remove(&path);
                leave(&mut self.left, path);
            }
        }
    }

    /// The next connection that is nobody's any more.
    pub(crate) fn poll_left(&mut self) -> Option<Path> {
        self.left.pop()
    }
}

/// Of UDP there is nothing to close.
fn leave(left: &mut Vec<Path>, path: Path) {
    if path.protocol == Protocol::Tcp {
        left.push(path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::net::SocketAddr;

    use slotmap::SlotMap;

    use super::*;

    fn path(port: u16) -> Path {
        Path::udp(SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([127, 0, 0, 1], 9)))
    }

    fn check(ufrag: &str) -> Vec<u8> {
        let username = format!("{ufrag}:them");
        let mut message = vec![0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend([7; 12]);
        message.extend([0x00, 0x06, 0, u8::try_from(username.len()).unwrap()]);
        message.extend(username.bytes());
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    #[test]
    fn a_path_is_known_once_its_check_was_verified_and_follows_the_newest() {
        let mut keys = SlotMap::<TransportKey, ()>::with_key();
        let (old, new) = (keys.insert(()), keys.insert(()));
        let mut demux = Demux::default();
        demux.set_ufrag(old, "aaaa");
        demux.set_ufrag(new, "bbbb");
        let media = [0x80, 96, 0, 0];
        assert_eq!(demux.claim(path(1), &media), None);
        assert_eq!(demux.claim(path(1), &check("aaaa")), Some(Claim { transport: old, by_ufrag: true }));
        demux.learn(old, path(1));
        assert_eq!(demux.claim(path(1), &media), Some(Claim { transport: old, by_ufrag: false }));
        // The page reloads and gets the same port.
        demux.learn(new, path(1));
        assert_eq!(demux.claim(path(1), &media).unwrap().transport, new);
        demux.remove(old);
        assert_eq!(demux.claim(path(1), &media).unwrap().transport, new);
        demux.forget(path(1));
        assert_eq!(demux.claim(path(1), &media), None, "another worker has it now");
        demux.learn(new, path(1));
        demux.remove(new);
        assert_eq!(demux.claim(path(1), &media), None);
        assert_eq!(demux.claim(path(1), &check("bbbb")), None);
    }

    #[test]
    fn a_thousand_ports_with_right_credentials_leave_eight_paths() {
        let mut keys = SlotMap::<TransportKey, ()>::with_key();
        let key = keys.insert(());
        let mut demux = Demux::default();
        for port in 1..=1000 {
            demux.learn(key, path(port));
        }
        assert_eq!(demux.by_path.len(), MAX_ADDRESSES);
        assert!(demux.claim(path(1000), &[0x80]).is_some());
    }
    #[test]
    fn a_connection_is_another_path_than_udp_and_is_left_when_it_is_nobodys() {
        let mut keys = SlotMap::<TransportKey, ()>::with_key();
        let (ours, theirs) = (keys.insert(()), keys.insert(()));
        let mut demux = Demux::default();
        let tcp = |port| Path::tcp(path(port).remote, path(port).local);
        demux.learn(theirs, path(1));
        demux.learn(ours, tcp(1));
        assert_eq!(demux.claim(path(1), &[0x80]).unwrap().transport, theirs);
        assert_eq!(demux.claim(tcp(1), &[0x80]).unwrap().transport, ours);
        for port in 2..=10 {
            demux.learn(ours, tcp(port));
        }
        assert_eq!((demux.poll_left(), demux.poll_left()), (Some(tcp(2)), Some(tcp(1))), "the oldest of ten");
        assert_eq!(demux.forget(tcp(10)), Some(ours));
        demux.remove(ours);
        demux.remove(theirs);
        let mut left: Vec<u16> = std::iter::from_fn(|| demux.poll_left()).map(|path| path.remote.port()).collect();
        left.sort_unstable();
        assert_eq!(left, [3, 4, 5, 6, 7, 8, 9], "what it closed itself is closed");
    }
}
