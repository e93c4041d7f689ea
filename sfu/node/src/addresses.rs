//! The addresses clients are told of, and those the sockets have: the same, unless a NAT stands in front.

use std::net::{IpAddr, SocketAddr};

/// A worker's addresses, of UDP or of TCP.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    /// Advertised and bound.
    pairs: Vec<(SocketAddr, SocketAddr)>,
}

impl Addresses {
    /// Of sockets bound there. `advertise` stands for all of its family but the loopback, which no NAT hides.
    pub(crate) fn new(bound: impl Iterator<Item = SocketAddr>, advertise: Option<IpAddr>) -> Self {
        let advertised = |bound: SocketAddr| {
            advertise
                .filter(|ip| ip.is_ipv4() == bound.is_ipv4() && !bound.ip().is_loopback())
                .map_or(bound, |ip| SocketAddr::new(ip, bound.port()))
        };
        Self { pairs: bound.map(|bound| (advertised(bound), bound)).collect() }
    }

    /// There are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// What clients are told of, each once.
    pub(crate) fn to_tell(&self) -> Vec<SocketAddr> {
        let mut told: Vec<_> = self.pairs.iter().map(|(advertised, _)| *advertised).collect();
        told.dedup();
        told
    }

    /// As clients know it.
    pub(crate) fn advertised(&self, bound: SocketAddr) -> SocketAddr {
        self.pairs.iter().find(|(_, b)| *b == bound).map_or(bound, |(advertised, _)| *advertised)
    }

    /// As the client of a connection knows the address it came to. A forwarder on the way may have led it to one that
    /// nobody was told of: one that was told of and is of its family does as well, since a connection needs no address to
    /// be answered.
    pub(crate) fn known_as(&self, local: SocketAddr) -> Option<SocketAddr> {
        let exact = self.pairs.iter().find(|(_, bound)| *bound == local);
        let alike = || self.pairs.iter().find(|(_, bound)| bound.is_ipv4() == local.is_ipv4());
        exact.or_else(alike).map(|(advertised, _)| *advertised)
    }

    /// The socket a client means.
    pub(crate) fn bound(&self, advertised: SocketAddr) -> SocketAddr {
        self.pairs.iter().find(|(a, _)| *a == advertised).map_or(advertised, |(_, bound)| *bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_nat_clients_are_told_its_address_and_the_sockets_keep_theirs() {
        let at = |ip: [u8; 4]| SocketAddr::from((ip, 7882));
        let (loopback, private, public) = (at([127, 0, 0, 1]), at([10, 0, 0, 1]), at([198, 51, 100, 7]));
        let v6 = SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 1], 7882));
        let addresses = Addresses::new([loopback, private, v6].into_iter(), Some(public.ip()));
        assert_eq!(addresses.to_tell(), [loopback, public, v6]);
        assert_eq!((addresses.advertised(private), addresses.bound(public)), (public, private));
        assert_eq!((addresses.advertised(v6), addresses.bound(v6)), (v6, v6));
        let forwarded = at([172, 17, 0, 2]);
        assert_eq!((addresses.known_as(private), addresses.known_as(forwarded)), (Some(public), Some(loopback)));
        assert_eq!(Addresses::new([v6].into_iter(), None).known_as(private), None);
    }
}
