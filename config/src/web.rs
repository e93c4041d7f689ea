//! What an operator says about the web in front of the server: whose word counts, which pages may ask.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;

/// A network: an address and how many of its first bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    /// Any address of it.
    pub address: IpAddr,
    /// 1 to 32, or to 128 in IPv6.
    pub bits: u8,
}

impl TryFrom<String> for Network {
    type Error = &'static str;

    /// `10.0.0.0/8`, or an address for itself alone. All there are is not a network: everybody could say who it is.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        const NONE: &str = "not an address or a network";
        let (address, bits) = text
            .split_once('/')
            .map_or((text.as_str(), None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| NONE)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), str::parse).map_err(|_| NONE)?;
        match bits {
            1.. if bits <= all => Ok(Self { address, bits }),
            _ => Err(NONE),
        }
    }
}

/// The origin of a web page as browsers write it (RFC 6454 section 6.2), or `*` for all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PageOrigin(String);

impl PageOrigin {
    /// All of them.
    #[must_use]
    pub fn any() -> Self {
        Self("*".to_owned())
    }

    /// The origin as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PageOrigin {
    type Error = &'static str;

    /// No path, no slash at the end, no wildcard in it: what does not match letter by letter never would. Applications have
    /// schemes of their own.
    fn try_from(origin: String) -> Result<Self, Self::Error> {
        let of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let of_host = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
        match origin.split_once("://") {
            _ if origin == "*" => Ok(Self(origin)),
            Some((scheme, host))
                if !scheme.is_empty()
                    && scheme.chars().all(of_scheme)
                    && !host.is_empty()
                    && host.chars().all(of_host) =>
            {
                Ok(Self(origin))
            }
            _ => Err("not an origin"),
        }
    }
}

impl fmt::Display for PageOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_single_addresses() {
        let read =
            |text: &str| Network::try_from(text.to_owned()).map(|network| (network.address.to_string(), network.bits));
        assert_eq!(read("10.0.0.0/8"), Ok(("10.0.0.0".to_owned(), 8)));
        assert_eq!(read("192.0.2.7"), Ok(("192.0.2.7".to_owned(), 32)));
        assert_eq!(read("2001:db8::/32"), Ok(("2001:db8::".to_owned(), 32)));
        assert_eq!(read("::1"), Ok(("::1".to_owned(), 128)));
        for wrong in
            ["", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "/8", "proxy.example", "0.0.0.0/0", "::/0", "::/129"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn origins_are_whole_and_plain() {
        let is_one = |text: &str| PageOrigin::try_from(text.to_owned()).is_ok();
        for origin in ["*", "https://a.example", "http://localhost:5173", "https://[::1]:8443", "tauri://localhost"] {
            assert!(is_one(origin), "{origin}");
        }
        for wrong in
            ["", "null", "a.example", "https://", "https://a.example/", "https://*.a.example", "https://a b", "://a"]
        {
            assert!(!is_one(wrong), "{wrong}");
        }
    }
}
