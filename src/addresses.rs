//! Which addresses of this machine media uses when nobody configured them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::Context as _;

/// Addresses for media sockets and candidates.
///
/// # Errors
/// When the system does not say, or the machine has none to offer.
pub(crate) fn discover(dev: bool) -> anyhow::Result<Vec<IpAddr>> {
    let interfaces: Vec<IpAddr> = if_addrs::get_if_addrs()
        .context("the system does not list its network interfaces; set `rtc.bind`")?
        .into_iter()
        .map(|interface| interface.ip())
        .collect();
    let chosen = choose(dev, &interfaces, primary());
    anyhow::ensure!(
        !chosen.is_empty(),
        "this machine has no address but loopback\n  set `rtc.bind` to the addresses media should use, or run with --dev"
    );
    Ok(chosen)
}

/// Where clients reach these listeners: at their own addresses, and one that listens everywhere at each of the media's.
pub(crate) fn reached(media: &[IpAddr], listeners: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut reached = Vec::new();
    for listener in listeners {
        // One for all of IPv6 takes IPv4 as well, where the system does not say otherwise.
        let is_covered = |ip: &IpAddr| listener.is_ipv6() || ip.is_ipv4();
        let everywhere = listener.ip().is_unspecified();
        let ips = media.iter().filter(|ip| everywhere && is_covered(ip)).copied();
        let own = (!everywhere).then(|| listener.ip());
        for address in ips.chain(own).map(|ip| SocketAddr::new(ip, listener.port())) {
            if !reached.contains(&address) {
                reached.push(address);
            }
        }
    }
    reached
}

/// The choice itself.
///
/// In development mode loopback and one address of the machine's own: Firefox never connects to loopback, and one
/// is enough. Otherwise all that another machine could reach.
fn choose(dev: bool, interfaces: &[IpAddr], primary: Option<IpAddr>) -> Vec<IpAddr> {
    let mut reachable: Vec<IpAddr> = interfaces.iter().copied().filter(|ip| is_reachable(*ip)).collect();
    reachable.sort_unstable();
    reachable.dedup();
    if !dev {
        return reachable;
    }
    let own = primary.filter(|ip| reachable.contains(ip)).or_else(|| reachable.first().copied());
    std::iter::once(Ipv4Addr::LOCALHOST.into()).chain(own).collect()
}

/// Link-local IPv6 addresses mean nothing without their interface, which a candidate cannot name.
fn is_reachable(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast() && !link_local
}

/// The address this machine would use to reach the internet. Connecting a UDP socket sends nothing, it only asks
/// the routing table; the target is an address reserved for documentation (RFC 5737, RFC 3849).
fn primary() -> Option<IpAddr> {
    let v4 = (IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)));
    let v6 = (IpAddr::from(Ipv6Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)));
    [v4, v6].into_iter().find_map(|(any, target)| {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((target, 9)).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    const MACHINE: [&str; 7] = ["127.0.0.1", "::1", "172.17.0.1", "10.0.0.5", "fe80::1", "169.254.3.4", "2001:db8::5"];

    #[test]
    fn a_server_uses_every_address_others_could_reach() {
        assert_eq!(choose(false, &ips(&MACHINE), None), ips(&["10.0.0.5", "172.17.0.1", "2001:db8::5"]));
        assert_eq!(choose(false, &ips(&["127.0.0.1", "::1"]), None), ips(&[]));
        assert_eq!(choose(false, &ips(&["10.0.0.5", "10.0.0.5"]), None), ips(&["10.0.0.5"]));
    }

    #[test]
    fn a_listener_is_reached_where_it_listens() {
        let media = ips(&["10.0.0.5", "2001:db8::5"]);
        let reach = |listeners: &[&str]| -> Vec<String> {
            let listeners: Vec<SocketAddr> = listeners.iter().map(|text| text.parse().unwrap()).collect();
            reached(&media, &listeners).iter().map(SocketAddr::to_string).collect()
        };
        assert_eq!(reach(&["0.0.0.0:443"]), ["10.0.0.5:443"]);
        assert_eq!(reach(&["[::]:443"]), ["10.0.0.5:443", "[2001:db8::5]:443"]);
        assert_eq!(reach(&["0.0.0.0:443", "[::]:443"]), ["10.0.0.5:443", "[2001:db8::5]:443"]);
        assert_eq!(reach(&["127.0.0.1:7880", "[::1]:7880"]), ["127.0.0.1:7880", "[::1]:7880"]);
        assert_eq!(reach(&[]), [""; 0]);
    }

    #[test]
    fn development_uses_loopback_and_one_address_more() {
        let machine = ips(&MACHINE);
        assert_eq!(choose(true, &machine, Some(machine[2])), ips(&["127.0.0.1", "172.17.0.1"]));
        assert_eq!(choose(true, &machine, None), ips(&["127.0.0.1", "10.0.0.5"]), "no default route");
        assert_eq!(choose(true, &ips(&["127.0.0.1"]), None), ips(&["127.0.0.1"]), "no network at all");
    }
}
