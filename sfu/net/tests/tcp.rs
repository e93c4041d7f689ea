//! Connections over the loopback: what a worker and a lobby do with peers of every kind.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use sluice_net::{
    CLAIMED_WITHIN, FIRST_FRAME_WITHIN, Framer, Lobby, MAX_UNCLAIMED, MAX_WAITING_PER_ADDRESS, Newcomer, StreamPath,
    UdpOptions, UdpPorts, Worth,
};

/// The longest a test waits for what it expects.
const PATIENCE: Duration = Duration::from_secs(20);

fn localhost() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// A connection: one end in a worker's bed, the other a peer's.
fn adopted(ports: &mut UdpPorts, is_claimed: bool, now: Instant) -> (StreamPath, TcpStream) {
    let listener = TcpListener::bind(localhost()).unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, remote) = listener.accept().unwrap();
    let path = (remote, stream.local_addr().unwrap());
    ports.streams().adopt(stream, path, is_claimed, now).unwrap();
    (path, peer)
}

fn bed() -> UdpPorts {
    UdpPorts::bind(&[], UdpOptions::default()).unwrap()
}

fn frame(datagram: &[u8]) -> Vec<u8> {
    [&u16::try_from(datagram.len()).unwrap().to_be_bytes()[..], datagram].concat()
}

/// Receives until it is enough.
fn receive(ports: &mut UdpPorts, mut is_enough: impl FnMut(&[Vec<u8>], &mut UdpPorts) -> bool) -> Vec<Vec<u8>> {
    let (deadline, mut got) = (Instant::now() + PATIENCE, Vec::new());
    while !is_enough(&got, ports) {
        assert!(Instant::now() < deadline, "{} frames came", got.len());
        ports.wait(Some(Duration::from_millis(100))).unwrap();
        ports.streams().receive(|received| {
            got.push(received.contents.to_vec());
            false
        });
    }
    got
}

#[test]
fn frames_go_there_and_back_in_whatever_pieces() {
    let mut ports = bed();
    let (path, mut peer) = adopted(&mut ports, true, Instant::now());
    peer.set_nodelay(true).unwrap();
    let datagrams: Vec<Vec<u8>> = (1..=200u8).map(|n| vec![n; usize::from(n) * 7]).collect();
    let writer = std::thread::spawn({
        let bytes: Vec<u8> = datagrams.iter().flat_map(|datagram| frame(datagram)).collect();
        let mut peer = peer.try_clone().unwrap();
        move || bytes.chunks(313).for_each(|piece| peer.write_all(piece).unwrap())
    });
    let got = receive(&mut ports, |got, _| got.len() == 200);
    assert!(got == datagrams);
    writer.join().unwrap();
    ports.streams().send(path, datagrams.iter().map(|datagram| (&datagram[..], Worth::Media)));
    let (mut framer, mut echoed, mut buffer) = (Framer::default(), Vec::new(), [0; 1000]);
    while echoed.len() < 200 {
        let len = peer.read(&mut buffer).unwrap();
        framer.feed(&buffer[..len], |datagram| echoed.push(datagram.to_vec())).unwrap();
    }
    assert!(echoed == datagrams);
    // It hangs up.
    drop(peer);
    receive(&mut ports, |_, ports| ports.streams().poll_closed() == Some(path));
    assert!(ports.streams().is_empty());
    ports.streams().send(path, [(&[1][..], Worth::Needed)]);
    assert_eq!(ports.streams().stats().unsent_closed, 1);
}

#[test]
fn who_reads_nothing_loses_whole_frames_and_holds_nobody_up() {
    let mut ports = bed();
    let (path, mut peer) = adopted(&mut ports, true, Instant::now());
    let (other, mut well) = adopted(&mut ports, true, Instant::now());
    // Far more than the kernel takes, and this process keeps.
    let begin = Instant::now();
    for n in 0..20_000u32 {
        let datagram = [n.to_be_bytes().to_vec(), vec![7; 1100]].concat();
        ports.streams().send(path, [(&datagram[..], Worth::Media)]);
    }
    assert!(begin.elapsed() < PATIENCE, "nothing blocks");
    let stats = ports.streams().stats();
    assert_eq!(stats.sent + stats.dropped, 20_000);
    assert!(stats.dropped > 5000, "{stats:?}");
    // Media has no room left, what is needed has; another peer knows nothing of it.
    ports.streams().send(path, [(&b"needed"[..], Worth::Needed)]);
    assert_eq!(ports.streams().stats().sent, stats.sent + 1);
    ports.streams().send(other, [(&b"to you"[..], Worth::Media)]);
    let mut buffer = [0; 8];
    well.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer[2..], b"to you");

    // It reads again, and finds only whole frames, in order.
    peer.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (mut framer, mut numbers, mut buffer) = (Framer::default(), Vec::new(), vec![0; 1 << 16]);
    let (mut last, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while last != b"needed" {
        assert!(Instant::now() < deadline, "{} frames came", numbers.len());
        ports.wait(Some(Duration::ZERO)).unwrap();
        let Ok(len) = peer.read(&mut buffer) else { continue };
        framer
            .feed(&buffer[..len], |datagram| {
                last = datagram.to_vec();
                numbers.extend(datagram.first_chunk::<4>().filter(|_| datagram.len() == 1104).copied());
            })
            .unwrap();
    }
    assert_eq!(u64::try_from(numbers.len()).unwrap(), stats.sent);
    assert!(numbers.is_sorted());
}

#[test]
fn what_is_no_frame_ends_the_connection_and_no_other() {
    let mut ports = bed();
    let (broken, mut peer) = adopted(&mut ports, true, Instant::now());
    let (_, mut other) = adopted(&mut ports, true, Instant::now());
    peer.write_all(&[frame(b"well"), vec![0xff, 0xff, 1]].concat()).unwrap();
    let got = receive(&mut ports, |_, ports| ports.streams().poll_closed() == Some(broken));
    assert_eq!(got, [b"well"]);
    other.write_all(&frame(b"as well")).unwrap();
    assert_eq!(receive(&mut ports, |got, _| got.len() == 1), [b"as well"]);
}

#[test]
fn a_flood_on_one_connection_does_not_silence_another() {
    let mut ports = bed();
    let (_, mut loud) = adopted(&mut ports, true, Instant::now());
    let (_, mut quiet) = adopted(&mut ports, true, Instant::now());
    loud.set_nonblocking(true).unwrap();
    let noise = frame(&[9]).repeat(50_000);
    while loud.write(&noise).is_ok() {}
    quiet.write_all(&frame(b"quiet")).unwrap();
    ports.wait(None).unwrap();
    let mut before = 0;
    loop {
        let mut is_heard = false;
        ports.streams().receive(|received| {
            before += 1;
            is_heard |= received.contents == b"quiet";
            false
        });
        assert!(before < 30_000, "a few reads at most");
        if is_heard {
            break;
        }
        ports.wait(None).unwrap();
    }
}

#[test]
fn a_connection_is_on_trial_until_somebody_claims_it() {
    let mut ports = bed();
    let now = Instant::now();
    let (claimed, mut peer) = adopted(&mut ports, false, now);
    peer.write_all(&frame(b"mine")).unwrap();
    let mut is_heard = false;
    while !is_heard {
        ports.wait(Some(PATIENCE)).unwrap();
        ports.streams().receive(|_| std::mem::replace(&mut is_heard, true) || is_heard);
    }
    let strangers: Vec<_> = (0..=MAX_UNCLAIMED).map(|_| adopted(&mut ports, false, now)).collect();
    assert_eq!(ports.streams().poll_closed(), Some(strangers[0].0), "the oldest made room");
    assert_eq!(ports.streams().poll_timeout(), Some(now + CLAIMED_WITHIN));
    ports.streams().handle_timeout(now + CLAIMED_WITHIN);
    assert_eq!(ports.streams().stats().connections, 1);
    assert_eq!(ports.streams().stats().unclaimed, u64::try_from(MAX_UNCLAIMED).unwrap() + 1);
    assert_eq!(ports.streams().poll_timeout(), None);
    ports.streams().close(claimed);
    assert!(ports.streams().is_empty());
}

/// Looks until somebody is let in, or it is enough.
fn look(lobby: &mut Lobby, now: Instant, mut is_enough: impl FnMut(&[Newcomer], &Lobby) -> bool) -> Vec<Newcomer> {
    let (deadline, mut got) = (Instant::now() + PATIENCE, Vec::new());
    while !is_enough(&got, lobby) {
        assert!(Instant::now() < deadline, "{:?}", lobby.stats());
        lobby.wait(Some(Duration::from_millis(100))).unwrap();
        lobby.receive(now, |newcomer| got.push(newcomer));
    }
    got
}

#[test]
fn whoever_speaks_is_let_in_with_nothing_lost_behind_the_first_frame() {
    let (mut lobby, _) = Lobby::bind(&[localhost()]).unwrap();
    let server = lobby.local_addresses().next().unwrap();
    let mut peer = TcpStream::connect(server).unwrap();
    let (begin, end) = (&frame(b"hello")[..3], [&frame(b"hello")[3..], &frame(b"more")].concat());
    peer.write_all(begin).unwrap();
    let now = Instant::now();
    look(&mut lobby, now, |_, lobby| lobby.stats().waiting == 1);
    peer.write_all(&end).unwrap();
    let newcomer = look(&mut lobby, now, |got, _| !got.is_empty()).remove(0);
    assert_eq!((newcomer.remote, newcomer.local), (peer.local_addr().unwrap(), server));
    assert_eq!(newcomer.first, b"hello");
    let mut ports = bed();
    ports
        .streams()
        .adopt(newcomer.stream, (newcomer.remote, newcomer.local), true, now)
        .unwrap();
    assert_eq!(receive(&mut ports, |got, _| got.len() == 1), [b"more"]);
}

#[test]
fn who_is_silent_goes_in_time_and_sooner_when_others_come() {
    let (mut lobby, _) = Lobby::bind(&[localhost()]).unwrap();
    let server = lobby.local_addresses().next().unwrap();
    let now = Instant::now();
    let crowd: Vec<TcpStream> = (0..3 * MAX_WAITING_PER_ADDRESS)
        .map(|_| {
            let peer = TcpStream::connect(server).unwrap();
            lobby.wait(Some(Duration::ZERO)).unwrap();
            lobby.receive(now, |_| unreachable!());
            peer
        })
        .collect();
    let most = u64::try_from(MAX_WAITING_PER_ADDRESS).unwrap();
    look(&mut lobby, now, |_, lobby| lobby.stats().accepted == 3 * most);
    assert_eq!((lobby.stats().waiting, lobby.stats().silent), (most, 2 * most));
    // Those who came last are still there, and are heard.
    let mut late = &crowd[crowd.len() - 2];
    late.write_all(&frame(b"hello")).unwrap();
    look(&mut lobby, now, |got, _| got.len() == 1);
    assert_eq!(lobby.poll_timeout(), Some(now + FIRST_FRAME_WITHIN));
    look(&mut lobby, now + FIRST_FRAME_WITHIN, |_, lobby| lobby.stats().waiting == 0);
    assert_eq!(lobby.stats().silent, 3 * most - 1);
}
