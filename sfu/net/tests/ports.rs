//! The same stories over both ways in and out of the kernel.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::time::Duration;

use sluice_net::{Datagram, Ecn, Io, MAX_DATAGRAM_LEN, MAX_RECEIVE_BATCH, NetStats, UdpOptions, UdpPorts};

const BOTH: [Io; 2] = [Io::Batched, Io::Portable];

fn v4() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn v6() -> SocketAddr {
    SocketAddr::from((Ipv6Addr::LOCALHOST, 0))
}

/// Some machines have no IPv6.
fn loopbacks() -> Vec<SocketAddr> {
    [v4(), v6()].into_iter().filter(|address| UdpSocket::bind(address).is_ok()).collect()
}

fn bind(addresses: &[SocketAddr], io: Io) -> UdpPorts {
    UdpPorts::bind(addresses, UdpOptions { io, shares_port: false }).unwrap()
}

fn peer(address: SocketAddr) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

type Got = (SocketAddr, SocketAddr, Ecn, Vec<u8>);

/// Receives until so many came.
fn receive(ports: &mut UdpPorts, count: usize) -> Vec<Got> {
    let mut got = Vec::new();
    while got.len() < count {
        ports.wait(Some(Duration::from_secs(5))).unwrap();
        let before = got.len();
        ports.receive(|r| got.push((r.source, r.destination, r.ecn, r.contents.to_vec())));
        assert!(got.len() > before, "{} of {count} came", got.len());
    }
    got
}

fn read(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 70_000];
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..len].to_vec(), from)
}

#[test]
fn a_datagram_goes_there_and_back() {
    for io in BOTH {
        for address in loopbacks() {
            let mut ports = bind(&[address], io);
            let local = ports.local_addresses().next().unwrap();
            let (peer, remote) = peer(address);
            peer.send_to(b"hello", local).unwrap();
            assert_eq!(receive(&mut ports, 1), [(remote, local, Ecn::NotEct, b"hello".to_vec())]);
            ports.send([Datagram { source: local, destination: remote, contents: b"back" }]);
            assert_eq!(read(&peer), (b"back".to_vec(), local));
        }
    }
}

#[test]
fn every_address_gets_the_same_port_and_answers_from_itself() {
    for io in BOTH {
        let mut ports = bind(&loopbacks(), io);
        let locals: Vec<_> = ports.local_addresses().collect();
        assert!(locals.iter().all(|local| local.port() == locals[0].port()));
        let peers: Vec<_> = locals.iter().map(|local| peer(SocketAddr::new(local.ip(), 0))).collect();
        // One pass, from one address and from the other by turns.
        let contents: Vec<[u8; 1]> = (0..100).map(|n| [n]).collect();
        ports.send(contents.iter().enumerate().map(|(n, contents)| Datagram {
            source: locals[n % locals.len()],
            destination: peers[n % locals.len()].1,
            contents,
        }));
        for (n, contents) in contents.iter().enumerate() {
            let at = n % locals.len();
            assert_eq!(read(&peers[at].0), (contents.to_vec(), locals[at]));
        }
    }
}

/// Lengths as a pass has them: pictures, sound, feedback, and some that fit no rule.
fn lens() -> impl Iterator<Item = usize> {
    let picture = [1100; 20].into_iter().chain([437]);
    let sound = [90, 90, 91, 1, 1500, 1499, 1501, 2000, 12];
    picture.chain(sound).cycle().take(700)
}

fn contents(len: usize, n: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at * 31 + n) % 251).unwrap()).collect()
}

#[test]
fn what_leaves_in_trains_arrives_in_datagrams_in_order() {
    for io in BOTH {
        for address in loopbacks() {
            let mut ports = bind(&[address], io);
            let local = ports.local_addresses().next().unwrap();
            let peers: Vec<_> = (0..3).map(|_| bind(&[address], io)).collect();
            let all: Vec<Vec<u8>> = lens().enumerate().map(|(n, len)| contents(len, n)).collect();
            // A stretch for one, a stretch for the next.
            let of = |n: usize| n / 35 % 3;
            let remotes: Vec<_> = peers.iter().map(|peer| peer.local_addresses().next().unwrap()).collect();
            let datagrams = all.iter().enumerate();
            ports.send(datagrams.map(|(n, contents)| Datagram {
                source: local,
                destination: remotes[of(n)],
                contents,
            }));
            for (index, mut peer) in peers.into_iter().enumerate() {
                let sent: Vec<_> = all.iter().enumerate().filter(|(n, _)| of(*n) == index).collect();
                let got = receive(&mut peer, sent.len());
                for ((n, sent), got) in sent.into_iter().zip(&got) {
                    assert!(got.3 == *sent, "datagram {n} of {} bytes: {} came, {io:?}", sent.len(), got.3.len());
                    assert_eq!((got.0, got.1), (local, remotes[index]));
                }
            }
            let NetStats { sent, sent_bytes, send_calls, trains, .. } = ports.stats();
            let bytes: usize = all.iter().map(Vec::len).sum();
            assert_eq!((sent, sent_bytes), (700, u64::try_from(bytes).unwrap()));
            if ports.features().gso {
                assert!(trains > 40, "{trains}");
            }
            if ports.features().batches {
                assert!(send_calls <= 3, "{send_calls} calls for a pass of 700");
            }
        }
    }
}

#[test]
fn a_flood_is_taken_in_batches_and_none_is_forgotten() {
    for io in BOTH {
        let mut ports = bind(&[v4()], io);
        let local = ports.local_addresses().next().unwrap();
        let (peer, _) = peer(v4());
        for _ in 0..MAX_RECEIVE_BATCH + 10 {
            peer.send_to(b"x", local).unwrap();
        }
        let mut batches = Vec::new();
        while batches.iter().sum::<usize>() < MAX_RECEIVE_BATCH + 10 {
            ports.wait(Some(Duration::from_secs(5))).unwrap();
            let mut taken = 0;
            ports.receive(|_| taken += 1);
            batches.push(taken);
        }
        assert!(batches.iter().all(|taken| *taken <= MAX_RECEIVE_BATCH), "{batches:?}");
    }
}

#[test]
fn who_has_enough_is_given_no_more_and_gets_the_rest_later() {
    for io in BOTH {
        let mut ports = bind(&[v4()], io);
        let local = ports.local_addresses().next().unwrap();
        let (peer, _) = peer(v4());
        for _ in 0..100 {
            peer.send_to(b"x", local).unwrap();
        }
        let mut batches = Vec::new();
        while batches.iter().sum::<usize>() < 100 {
            ports.wait(Some(Duration::from_secs(5))).unwrap();
            let mut taken = 0;
            ports.receive_until(|_| {
                taken += 1;
                ControlFlow::Break(())
            });
            batches.push(taken);
        }
        assert!(batches.iter().all(|taken| *taken <= 16), "{batches:?}");
    }
}

#[test]
fn a_flood_on_one_address_does_not_silence_another() {
    for io in BOTH {
        let mut ports =
            UdpPorts::bind(&[v4(), SocketAddr::from(([127, 0, 0, 2], 0))], UdpOptions { io, shares_port: false })
                .unwrap();
        let locals: Vec<_> = ports.local_addresses().collect();
        let (peer, _) = peer(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut quiet_was_heard = false;
        for _ in 0..2 {
            for _ in 0..=MAX_RECEIVE_BATCH {
                peer.send_to(b"loud", locals[0]).unwrap();
            }
            peer.send_to(b"quiet", locals[1]).unwrap();
            ports.wait(Some(Duration::from_secs(5))).unwrap();
            ports.receive(|r| quiet_was_heard |= r.destination == locals[1]);
        }
        assert!(quiet_was_heard);
    }
}

#[test]
fn another_thread_ends_the_sleep() {
    for io in BOTH {
        let mut ports = bind(&[v4()], io);
        ports.receive(|_| {});
        let waker = ports.waker();
        let sleeper = std::thread::spawn(move || {
            ports.wait(None).unwrap();
        });
        waker.wake();
        sleeper.join().unwrap();
    }
}

#[test]
fn what_cannot_be_sent_is_counted_by_kind_and_the_rest_goes_on() {
    for io in BOTH {
        let mut ports = bind(&[v4()], io);
        let local = ports.local_addresses().next().unwrap();
        let (peer, remote) = peer(v4());
        let to = |destination, contents| Datagram { source: local, destination, contents };
        ports.send([
            to(remote, b"first"),
            to(remote, &[0; 70_000]),
            // Broadcast wants a permission that the socket does not have.
            to(SocketAddr::from(([255, 255, 255, 255], 9)), b"to all"),
            Datagram { source: SocketAddr::from(([127, 0, 0, 3], 1)), destination: remote, contents: b"not ours" },
            // Another family than the socket's.
            to(SocketAddr::from((Ipv6Addr::LOCALHOST, 9)), b"elsewhere"),
            to(remote, b"last"),
        ]);
        assert_eq!(read(&peer).0, b"first");
        assert_eq!(read(&peer).0, b"last");
        let NetStats { sent, send_full, send_too_long, send_forbidden, send_unreachable, send_refused, .. } =
            ports.stats();
        assert_eq!((sent, send_full, send_too_long, send_forbidden), (2, 0, 1, 1), "{io:?}");
        assert_eq!(send_unreachable + send_refused, 2, "{io:?}");
    }
}

#[test]
fn a_datagram_longer_than_any_of_ours_is_cut_and_counted() {
    for io in BOTH {
        let mut ports = bind(&[v4()], io);
        let local = ports.local_addresses().next().unwrap();
        let (peer, _) = peer(v4());
        peer.send_to(&[7; 9000], local).unwrap();
        peer.send_to(&[], local).unwrap();
        peer.send_to(&[8; MAX_DATAGRAM_LEN], local).unwrap();
        let lens: Vec<_> = receive(&mut ports, 3).into_iter().map(|got| got.3.len()).collect();
        assert_eq!(lens, [MAX_DATAGRAM_LEN, 0, MAX_DATAGRAM_LEN]);
        assert_eq!(ports.stats().received_cut, 1);
    }
}

#[test]
fn features_say_what_there_is() {
    let portable = bind(&[v4()], Io::Portable).features();
    assert!(!portable.batches && !portable.gso && !portable.gro && !portable.ecn && !portable.reuse_port);
    let batched = bind(&[v4()], Io::Batched).features();
    assert_eq!(batched.batches, cfg!(target_os = "linux"));
    assert!(batched.receive_buffer_len > 0 && batched.send_buffer_len > 0);
}

#[test]
#[cfg(unix)]
fn workers_share_a_port_when_they_say_so() {
    for io in BOTH {
        let options = UdpOptions { io, shares_port: true };
        let first = UdpPorts::bind(&[v4()], options).unwrap();
        let local = first.local_addresses().next().unwrap();
        let second = UdpPorts::bind(&[local], options).unwrap();
        assert_eq!(second.local_addresses().next(), Some(local));
        assert!(first.features().reuse_port);
        assert!(UdpPorts::bind(&[local], UdpOptions { io, shares_port: false }).is_err());
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    #[test]
    fn routers_marks_are_read() {
        for address in loopbacks() {
            let mut ports = bind(&[address], Io::Batched);
            if !ports.features().ecn {
                return;
            }
            let local = ports.local_addresses().next().unwrap();
            let (peer, _) = peer(address);
            let socket = socket2::SockRef::from(&peer);
            for (class, mark) in [(0b11, Ecn::Ce), (0b10, Ecn::Ect0), (0b01, Ecn::Ect1), (0b00, Ecn::NotEct)] {
                // The codepoint above the mark is none of our business.
                let class = 0b1011_1000 | class;
                if address.is_ipv4() { socket.set_tos_v4(class) } else { socket.set_tclass_v6(class) }.unwrap();
                peer.send_to(b"marked", local).unwrap();
                assert_eq!(receive(&mut ports, 1)[0].2, mark);
            }
        }
    }

    #[test]
    fn trains_are_taken_apart_where_they_arrive_whole() {
        let mut sender = bind(&[v4()], Io::Batched);
        let mut receiver = bind(&[v4()], Io::Batched);
        if !(sender.features().gso && receiver.features().gro) {
            return;
        }
        let (from, to) = (sender.local_addresses().next().unwrap(), receiver.local_addresses().next().unwrap());
        let all: Vec<_> = (0..160).map(|n| contents(if n % 16 == 15 { 300 } else { 1000 }, n)).collect();
        sender.send(all.iter().map(|contents| Datagram { source: from, destination: to, contents }));
        let got: Vec<_> = receive(&mut receiver, 160).into_iter().map(|got| got.3).collect();
        assert!(got == all);
        assert_eq!(sender.stats().trains, 10);
        assert_eq!(sender.stats().send_calls, 1);
        assert!(receiver.stats().receive_calls <= 3, "{:?}", receiver.stats());
    }
}
