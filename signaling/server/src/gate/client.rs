//! Whose a request is: the address that bounds are counted by, also behind proxies.
//!
//! Knows headers and networks, not what is bounded.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, header};

/// Bits of an IPv6 address that say whose line it is: providers give a /64 to each, and its owner picks the rest.
const IPV6_LINE_BITS: u8 = 64;
/// Entries of a forwarding header that are looked at, from the right: more proxies than that stand behind each other
/// nowhere.
const HOPS: usize = 16;

/// Who counts as one for bounds by address: an IPv4 address, or a /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClientAddress(IpAddr);

impl ClientAddress {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(ip.into()),
            IpAddr::V6(ip) => Self(first_bits(ip, IPV6_LINE_BITS).into()),
        }
    }

    /// The address, or the first of the line.
    pub(crate) fn ip(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "{ip}/{IPV6_LINE_BITS}"),
        }
    }
}

fn first_bits(ip: Ipv6Addr, bits: u8) -> Ipv6Addr {
    let rest = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
    Ipv6Addr::from_bits(ip.to_bits() & !rest)
}

/// Networks whose word about where a request came from is believed.
#[derive(Debug, Default)]
pub(crate) struct Proxies(Vec<(IpAddr, u8)>);

impl Proxies {
    /// Networks as an address and the bits of it that count.
    pub(crate) fn new(networks: &[(IpAddr, u8)]) -> Self {
        Self(networks.to_vec())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn includes(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|(network, bits)| match (network.to_canonical(), ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let rest = u32::MAX.checked_shr((*bits).into()).unwrap_or(0);
                (network.to_bits() ^ ip.to_bits()) & !rest == 0
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => first_bits(network, *bits) == first_bits(ip, *bits),
            _ => false,
        })
    }

    /// The address a request comes from: the peer's own, unless it is one of the proxies; then the right-most in what they
    /// say that is none of them. What stands left of that was said by a stranger.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut believed = peer.to_canonical();
        if !self.includes(believed) {
            return ClientAddress::of(believed);
        }
        for said in hops(headers) {
            // A proxy that does not say where it has it from (`unknown`, `_hidden`) is the last that is known.
            let Some(ip) = address(&said) else { break };
            believed = ip.to_canonical();
            if !self.includes(believed) {
                break;
            }
        }
        ClientAddress::of(believed)
    }
}

/// Where a request was, the latest first. `X-Forwarded-For` is what proxies write; `Forwarded` (RFC 7239) counts where there
/// is none: of two that differ, one was let through from outside.
fn hops(headers: &HeaderMap) -> Vec<String> {
    let values = |name: &str| -> Vec<String> {
        let lines = headers.get_all(name).iter().rev().map(|line| line.to_str().unwrap_or_default());
        lines
            .flat_map(|line| line.rsplit(','))
            .take(HOPS)
            .map(|entry| entry.trim().to_owned())
            .collect()
    };
    let forwarded_for = values("x-forwarded-for");
    if !forwarded_for.is_empty() {
        return forwarded_for;
    }
    let node = |element: String| {
        let of_client = element.split(';').filter_map(|pair| pair.split_once('='));
        let mut of_client = of_client.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        of_client
            .next()
            .map(|(_, node)| node.trim().trim_matches('"').to_owned())
            .unwrap_or_default()
    };
    values(header::FORWARDED.as_str()).into_iter().map(node).collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn proxies(networks: &[(&str, u8)]) -> Proxies {
        let networks: Vec<_> = networks.iter().map(|(ip, bits)| (ip.parse().unwrap(), *bits)).collect();
        Proxies::new(&networks)
    }

    fn client(proxies: &Proxies, peer: &str, said: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.append(*name, value.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_who_asks() {
        let ours = proxies(&[("10.0.0.0", 8), ("2001:db8:1::", 48)]);
        let said = [("x-forwarded-for", "203.0.113.9")];
        assert_eq!(client(&ours, "198.51.100.1", &said), "198.51.100.1", "a stranger may say what it likes");
        assert_eq!(client(&ours, "10.1.2.3", &said), "203.0.113.9");
        assert_eq!(client(&ours, "::ffff:10.1.2.3", &said), "203.0.113.9");
        assert_eq!(client(&ours, "2001:db8:1:5::1", &said), "203.0.113.9");
        assert_eq!(client(&ours, "2001:db8:2::1", &said), "2001:db8:2::/64");
        assert_eq!(client(&ours, "10.1.2.3", &[]), "10.1.2.3");
        assert_eq!(client(&proxies(&[]), "127.0.0.1", &said), "127.0.0.1");
    }

    #[test]
    fn the_right_most_untrusted_counts_and_what_it_claims_does_not() {
        let ours = proxies(&[("10.0.0.0", 8)]);
        let forged = [("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.9.9.9")];
        assert_eq!(client(&ours, "10.0.0.1", &forged), "203.0.113.9");
        let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(client(&ours, "10.0.0.1", &lines), "203.0.113.9");
        for (said, expected) in [
            ("10.7.7.7", "10.7.7.7"),
            ("203.0.113.9, unknown", "10.0.0.1"),
            ("203.0.113.9, unknown, 10.7.7.7", "10.7.7.7"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::5]:4711", "2001:db8::/64"),
            ("2001:db8:0:7::5", "2001:db8:0:7::/64"),
        ] {
            assert_eq!(client(&ours, "10.0.0.1", &[("x-forwarded-for", said)]), expected, "{said}");
        }
    }

    #[test]
    fn the_standard_header_is_read_where_the_other_is_not() {
        let ours = proxies(&[("10.0.0.0", 8)]);
        let said = "for=1.1.1.1, For=\"[2001:db8::17]:4711\";proto=https, for=10.2.2.2;by=10.0.0.1";
        assert_eq!(client(&ours, "10.0.0.1", &[("forwarded", said)]), "2001:db8::/64");
        assert_eq!(client(&ours, "10.0.0.1", &[("forwarded", "proto=https")]), "10.0.0.1");
        let both = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(client(&ours, "10.0.0.1", &both), "203.0.113.9");
    }

    #[test]
    fn networks_of_every_length() {
        assert!(proxies(&[("0.0.0.0", 0)]).includes("203.0.113.9".parse().unwrap()));
        assert!(!proxies(&[("0.0.0.0", 0)]).includes("::1".parse().unwrap()));
        assert!(proxies(&[("::", 0)]).includes("2001:db8::1".parse().unwrap()));
        let one = proxies(&[("192.0.2.7", 32), ("2001:db8::7", 128)]);
        assert!(one.includes("192.0.2.7".parse().unwrap()) && one.includes("2001:db8::7".parse().unwrap()));
        assert!(!one.includes("192.0.2.6".parse().unwrap()) && !one.includes("2001:db8::6".parse().unwrap()));
    }

    proptest! {
        /// Whatever a stranger writes: one that no proxy stands before is itself, and through a proxy that appends its
        /// address it is so too.
        #[test]
        fn nothing_that_is_said_hides_who_says_it(said in "[ -~]{0,200}|203\\.0\\.113\\.[0-9]{1,2}", stranger in any::<u32>()) {
            let stranger = std::net::Ipv4Addr::from_bits(stranger | 0x8000_0000);
            let ours = proxies(&[("10.0.0.0", 8)]);
            let own = stranger.to_string();
            prop_assert_eq!(client(&ours, &own, &[("x-forwarded-for", &said), ("forwarded", &said)]), own.clone());
            let appended = format!("{said}, {own}");
            prop_assert_eq!(client(&ours, "10.0.0.1", &[("x-forwarded-for", &appended)]), own);
        }

        #[test]
        fn neighbours_in_a_line_count_as_one(line in any::<u64>(), a in any::<u64>(), b in any::<u64>()) {
            let ip = |rest: u64| IpAddr::from(Ipv6Addr::from_bits(u128::from(line | 1 << 63) << 64 | u128::from(rest)));
            prop_assert_eq!(ClientAddress::of(ip(a)), ClientAddress::of(ip(b)));
        }
    }
}
