//! Datagrams in and out of the kernel, over loopback: what arrives is read away, or waits to be read, off the clock.
//!
//! Loopback delivers within the call that sends, so that a figure of sending has the kernel's receiving in it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sluice_net::{Datagram, Io, UdpOptions, UdpPorts};

use crate::measure::{Effort, Samples};

/// Bytes of a datagram that belongs to the middle of a picture.
const LEN: usize = 1100;
/// Datagrams of a stretch of sending.
const SENT: usize = 1024;
/// Datagrams of a stretch of receiving: one batch.
const RECEIVED: usize = 256;

fn bind(io: Io) -> UdpPorts {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    UdpPorts::bind(&[loopback], UdpOptions { io, shares_port: false }).unwrap()
}

fn local(ports: &UdpPorts) -> SocketAddr {
    ports.local_addresses().next().unwrap()
}

/// Reads everything away; says how much it was.
fn drain(ports: &mut UdpPorts) -> usize {
    let (mut all, mut last) = (0, usize::MAX);
    while last > 0 {
        last = 0;
        ports.wait(Some(Duration::ZERO)).unwrap();
        ports.receive(|_| last += 1);
        all += last;
    }
    all
}

/// Length of a datagram, so that trains are as long as wished: one that is longer begins a train, one that is shorter
/// ends it.
fn len(index: usize, train: usize) -> usize {
    if train == 1 { LEN - 63 + index % 64 } else { LEN - usize::from(index % train == train - 1) }
}

/// A datagram sent, in passes of 1024 that go to so many destinations by turns, each turn a train.
#[must_use]
pub fn send(io: Io, destinations: usize, train: usize, effort: Effort) -> Option<f64> {
    let mut ports = bind(io);
    let mut sinks: Vec<UdpPorts> = (0..destinations).map(|_| bind(Io::Batched)).collect();
    let (source, addresses) = (local(&ports), sinks.iter().map(local).collect::<Vec<_>>());
    let arena = vec![0xab; SENT * LEN];
    let mut samples = Samples::default();
    for sample in 0..effort.warm_up + effort.samples {
        if sample == effort.warm_up {
            samples.forget();
        }
        samples.time(|| {
            ports.send(arena.chunks_exact(LEN).enumerate().map(|(index, bytes)| Datagram {
                source,
                destination: addresses[index / train % destinations],
                contents: &bytes[..len(index, train)],
            }));
            SENT
        });
        let arrived: usize = sinks.iter_mut().map(drain).sum();
        assert_eq!(arrived, SENT);
    }
    samples.median_ns()
}

/// A datagram received, where 256 of a few senders wait, each sent alone or in trains.
#[must_use]
pub fn receive(io: Io, train: usize, effort: Effort) -> Option<f64> {
    let mut ports = bind(io);
    let mut sender = bind(Io::Batched);
    let (source, destination) = (local(&sender), local(&ports));
    let arena = vec![0xab; RECEIVED * LEN];
    let mut samples = Samples::default();
    for sample in 0..effort.warm_up + effort.samples {
        if sample == effort.warm_up {
            samples.forget();
        }
        sender.send(arena.chunks_exact(LEN).enumerate().map(|(index, bytes)| Datagram {
            source,
            destination,
            contents: &bytes[..len(index, train)],
        }));
        samples.time(|| drain(&mut ports));
    }
    samples.median_ns()
}
