//! One port for all workers where the system has such a thing, and a port for each where it has not.

use std::net::SocketAddr;

use sluice_net::{Io, UdpOptions, UdpPorts};

use crate::NodeError;

/// The sockets of each worker, in the order of their numbers.
pub(crate) struct Bound {
    pub(crate) workers: Vec<UdpPorts>,
    /// All have the same addresses.
    pub(crate) is_shared: bool,
}

/// Binds the sockets of so many workers.
pub(crate) fn bind(addresses: &[SocketAddr], workers: usize, io: Io) -> Result<Bound, NodeError> {
    if workers > 1 {
        match share(addresses, workers, io) {
            Ok(workers) => return Ok(Bound { workers, is_shared: true }),
            // Somebody else has the port: not a matter of sharing.
            Err((address, source)) if source.kind() == std::io::ErrorKind::AddrInUse => {
                return Err(NodeError::Bind { address, source });
            }
            Err((address, error)) => {
                tracing::warn!(%address, %error, "workers cannot share a port here: each takes the next one");
            }
        }
    }
    let worker = |index| {
        let step = u16::try_from(index).unwrap_or(u16::MAX);
        let port = |port: u16| if port == 0 { 0 } else { port.saturating_add(step) };
        let own: Vec<_> = addresses.iter().map(|a| SocketAddr::new(a.ip(), port(a.port()))).collect();
        UdpPorts::bind(&own, UdpOptions { io, shares_port: false })
            .map_err(|(address, source)| NodeError::Bind { address, source })
    };
    Ok(Bound { workers: (0..workers).map(worker).collect::<Result<_, _>>()?, is_shared: false })
}

fn share(addresses: &[SocketAddr], workers: usize, io: Io) -> Result<Vec<UdpPorts>, (SocketAddr, std::io::Error)> {
    // Sharing lets in whoever has the same user: a second server must not quietly take half of the first one's calls.
    drop(UdpPorts::bind(addresses, UdpOptions { io, shares_port: false })?);
    let options = UdpOptions { io, shares_port: true };
    let mut all = vec![UdpPorts::bind(addresses, options)?];
    let bound: Vec<_> = all.iter().flat_map(UdpPorts::local_addresses).collect();
    for _ in 1..workers {
        all.push(UdpPorts::bind(&bound, options)?);
    }
    Ok(all)
}
