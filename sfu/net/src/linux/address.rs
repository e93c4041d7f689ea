//! Socket addresses in the kernel's layout: `sockaddr_in` and `sockaddr_in6`, written byte by byte.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{AF_INET, AF_INET6};

const V4_LEN: usize = size_of::<libc::sockaddr_in>();
const V6_LEN: usize = size_of::<libc::sockaddr_in6>();

/// Room for either, with the kernel's alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(8))]
pub(super) struct Name {
    bytes: [u8; 32],
    pub(super) len: u32,
}

impl Name {
    pub(super) const ROOM: u32 = 32;

    pub(super) const EMPTY: Self = Self { bytes: [0; 32], len: Self::ROOM };

    pub(super) fn as_ptr(&self) -> *const libc::c_void {
        self.bytes.as_ptr().cast()
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        self.bytes.as_mut_ptr().cast()
    }

    /// `None` for a family that is not ours.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let bytes = &self.bytes;
        let port = u16::from_be_bytes([bytes[2], bytes[3]]);
        match i32::from(u16::from_ne_bytes([bytes[0], bytes[1]])) {
            AF_INET => {
                let ip = Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7]);
                Some(SocketAddrV4::new(ip, port).into())
            }
            AF_INET6 => {
                let ip = Ipv6Addr::from(array::<16>(bytes, 8));
                // The flow label is a matter of each datagram: two of one sender are one address.
                Some(SocketAddrV6::new(ip, port, 0, u32::from_ne_bytes(array(bytes, 24))).into())
            }
            _ => None,
        }
    }
}

impl From<SocketAddr> for Name {
    fn from(address: SocketAddr) -> Self {
        let mut name = Self::EMPTY;
        let (family, len) = if address.is_ipv4() { (AF_INET, V4_LEN) } else { (AF_INET6, V6_LEN) };
        let family = u16::try_from(family).expect("address families are small numbers");
        name.len = u32::try_from(len).expect("an address is a few bytes long");
        name.bytes[0..2].copy_from_slice(&family.to_ne_bytes());
        name.bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        match address {
            SocketAddr::V4(address) => name.bytes[4..8].copy_from_slice(&address.ip().octets()),
            SocketAddr::V6(address) => {
                name.bytes[4..8].copy_from_slice(&address.flowinfo().to_be_bytes());
                name.bytes[8..24].copy_from_slice(&address.ip().octets());
                name.bytes[24..28].copy_from_slice(&address.scope_id().to_ne_bytes());
            }
        }
        name
    }
}

fn array<const N: usize>(bytes: &[u8; 32], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use socket2::SockAddr;

    use super::*;

    /// The bytes as another crate lays them out.
    fn laid_out_elsewhere(address: SocketAddr) -> Vec<u8> {
        let address = SockAddr::from(address);
        let len = usize::try_from(address.len()).unwrap_or_default();
        // SAFETY: `as_ptr` points to at least `len` bytes, which live as long as `address`.
        #[allow(unsafe_code, reason = "the bytes of somebody else's structure")]
        unsafe { std::slice::from_raw_parts(address.as_ptr().cast::<u8>(), len) }.to_vec()
    }

    proptest! {
        #[test]
        fn addresses_are_laid_out_as_others_lay_them_out(ip: [u8; 16], port: u16, scope: u32, is_v4: bool) {
            let address: SocketAddr = if is_v4 {
                SocketAddrV4::new(Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3]), port).into()
            } else {
                SocketAddrV6::new(ip.into(), port, 0, scope).into()
            };
            let name = Name::from(address);
            let len = usize::try_from(name.len).unwrap_or_default();
            prop_assert_eq!(&name.bytes[..len], &laid_out_elsewhere(address)[..]);
            prop_assert_eq!(name.address(), Some(address));
        }
    }

    #[test]
    fn a_family_that_is_not_ours_is_nobody() {
        assert_eq!(Name::EMPTY.address(), None);
    }
}
