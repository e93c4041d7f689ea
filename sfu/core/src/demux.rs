//! Which transport a datagram is for: by its address, or by the user name fragment in its first message.

use std::collections::HashMap;
use std::net::SocketAddr;

use slotmap::SecondaryMap;
use sluice_rtp::stun;

use crate::TransportKey;

/// Addresses remembered for one transport: networks a client may hop between. The oldest is forgotten.
const MAX_ADDRESSES: usize = 8;

/// Remote and local end of a path.
type Path = (SocketAddr, SocketAddr);

#[derive(Debug, Default)]
pub(crate) struct Demux {
    by_ufrag: HashMap<String, TransportKey>,
    by_path: HashMap<Path, TransportKey>,
    known: SecondaryMap<TransportKey, Known>,
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
    pub(crate) fn claim(&self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) -> Option<Claim> {
        match stun::receiver_ufrag(datagram) {
            Some(ufrag) => self.by_ufrag.get(ufrag).map(|transport| Claim { transport: *transport, by_ufrag: true }),
            None => self
                .by_path
                .get(&(source, destination))
                .map(|transport| Claim { transport: *transport, by_ufrag: false }),
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
    pub(crate) fn learn(&mut self, transport: TransportKey, source: SocketAddr, destination: SocketAddr) {
        let path = (source, destination);
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
            self.by_path.remove(&known.paths.remove(0));
        }
        known.paths.push(path);
    }

    /// Whoever had this path has it no more.
    pub(crate) fn forget(&mut self, source: SocketAddr, destination: SocketAddr) {
        let path = (source, destination);
        if let Some(before) = self.by_path.remove(&path)
            && let Some(known) = self.known.get_mut(before)
        {
            known.paths.retain(|p| *p != path);
        }
    }

    pub(crate) fn remove(&mut self, transport: TransportKey) {
        if let Some(known) = self.known.remove(transport) {
            self.by_ufrag.remove(&known.ufrag);
            for path in known.paths {
                self.by_path.remove(&path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use slotmap::SlotMap;

    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
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
        assert_eq!(demux.claim(address(1), address(9), &media), None);
        assert_eq!(demux.claim(address(1), address(9), &check("aaaa")), Some(Claim { transport: old, by_ufrag: true }));
        demux.learn(old, address(1), address(9));
        assert_eq!(demux.claim(address(1), address(9), &media), Some(Claim { transport: old, by_ufrag: false }));
        // The page reloads and gets the same port.
        demux.learn(new, address(1), address(9));
        assert_eq!(demux.claim(address(1), address(9), &media).unwrap().transport, new);
        demux.remove(old);
        assert_eq!(demux.claim(address(1), address(9), &media).unwrap().transport, new);
        demux.forget(address(1), address(9));
        assert_eq!(demux.claim(address(1), address(9), &media), None, "another worker has it now");
        demux.learn(new, address(1), address(9));
        demux.remove(new);
        assert_eq!(demux.claim(address(1), address(9), &media), None);
        assert_eq!(demux.claim(address(1), address(9), &check("bbbb")), None);
    }

    #[test]
    fn a_thousand_ports_with_right_credentials_leave_eight_paths() {
        let mut keys = SlotMap::<TransportKey, ()>::with_key();
        let key = keys.insert(());
        let mut demux = Demux::default();
        for port in 1..=1000 {
            demux.learn(key, address(port), address(9));
        }
        assert_eq!(demux.by_path.len(), MAX_ADDRESSES);
        assert!(demux.claim(address(1000), address(9), &[0x80]).is_some());
    }
}
