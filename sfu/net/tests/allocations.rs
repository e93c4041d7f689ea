//! In steady state nothing is allocated for a datagram, and no call is made for one. Alone in its process, so that
//! nobody else allocates.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]
#![cfg(target_os = "linux")]

use std::alloc::System;
use std::net::SocketAddr;
use std::time::Duration;

use sluice_net::{Datagram, UdpOptions, UdpPorts};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_pass_allocates_nothing_and_makes_few_calls() {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = UdpPorts::bind(&[loopback], UdpOptions::default()).unwrap();
    let mut clients: Vec<_> = (0..50).map(|_| UdpPorts::bind(&[loopback], UdpOptions::default()).unwrap()).collect();
    let source = server.local_addresses().next().unwrap();
    let addresses: Vec<_> = clients.iter().map(|client| client.local_addresses().next().unwrap()).collect();
    let payload = [0x5a; 1100];
    let mut taken = 0;
    // Four pictures of eight datagrams for everybody.
    let mut pass = |server: &mut UdpPorts| {
        server.send(addresses.iter().flat_map(|destination| {
            (0..8).map(|_| Datagram { source, destination: *destination, contents: &payload })
        }));
        for client in &mut clients {
            client.wait(Some(Duration::from_secs(5))).unwrap();
            client.receive(|received| taken += received.contents.len() / 1100);
        }
    };
    pass(&mut server);
    let (before, region) = (server.stats(), Region::new(HEAP));
    for _ in 0..10 {
        pass(&mut server);
    }
    let (after, change) = (server.stats(), region.change());
    assert_eq!(after.sent - before.sent, 10 * 400);
    assert_eq!(taken, 11 * 400);
    assert_eq!((change.allocations, change.reallocations, change.deallocations), (0, 0, 0), "{change:?}");
    // 400 datagrams in one message each would be two calls.
    assert!(after.send_calls - before.send_calls <= 10 * 2);
    if server.features().gso {
        assert_eq!(after.send_calls - before.send_calls, 10);
        assert_eq!(after.trains - before.trains, 10 * 50);
    }
}
