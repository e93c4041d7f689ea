//! Clients that reach their worker over TCP: str0m again, and strangers who speak no protocol.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv6Addr, TcpStream};

use sluice_net::{MAX_WAITING_PER_ADDRESS, StreamPath};
use str0m::net::TcpType;

use super::*;

/// A server with so many workers, and where it listens.
fn start(workers: usize) -> (Running, SocketAddr) {
    let bind_tcp = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let running = Running::start_with(&NodeConfig { workers, bind_tcp, ..NodeConfig::default() });
    let server = running.node.tcp_addresses()[0];
    (running, server)
}

impl Guest {
    /// One that notices within a second when a way is of no use any more.
    fn join_eagerly(running: &Running, number: usize) -> Self {
        let mut config = Rtc::builder();
        config.set_initial_stun_rto(Duration::from_millis(50));
        config.set_max_stun_rto(Duration::from_millis(100));
        config.set_max_stun_retransmits(8);
        Self::join_with(&running.node, number, Some(number % 2), config.build(Instant::now()))
    }

    /// A connection more to try, as an active candidate.
    fn connect(&mut self, server: SocketAddr) -> StreamPath {
        let stream = TcpStream::connect(server).unwrap();
        let path = (server, stream.local_addr().unwrap());
        self.ports.streams().adopt(stream, path, true, Instant::now()).unwrap();
        let candidate = Candidate::builder().tcp().host(path.1).tcptype(TcpType::Active).build().unwrap();
        self.rtc.add_local_candidate(candidate).unwrap();
        path
    }

    fn join_over_tcp(running: &Running, server: SocketAddr, number: usize) -> Self {
        let mut guest = Self::join(&running.node, number);
        guest.is_udp_blocked = true;
        guest.connect(server);
        guest
    }

    fn connections(&mut self) -> u64 {
        self.ports.streams().stats().connections
    }
}

fn connected(what: &str, guests: &mut [Guest]) {
    drive_until(what, guests, |guests| guests.iter().all(|g| g.channel.is_some()));
}

/// Everybody is heard once more.
fn all_heard(what: &str, guests: &mut [Guest]) {
    let before: usize = guests.iter().map(|g| g.heard).sum();
    let all = before + guests.len();
    guests.iter_mut().for_each(Guest::say);
    drive_until(what, guests, |guests| guests.iter().map(|g| g.heard).sum::<usize>() == all);
}

#[test]
fn clients_without_udp_reach_their_worker_over_tcp() {
    let (running, server) = start(3);
    let mut guests: Vec<Guest> = (0..6).map(|number| Guest::join_over_tcp(&running, server, number)).collect();
    connected("over TCP", &mut guests);
    all_heard("over TCP", &mut guests);
    assert!((0..3).all(|worker| guests.iter().any(|guest| guest.worker == worker)));
    drive_until("published", &mut guests, |_| running.metric("sluice_tcp_connections") == 6.0);
    assert_eq!(running.metric("sluice_datagrams_received_total"), 0.0);
    assert_eq!(running.metric("sluice_tcp_frames_dropped_total"), 0.0);
}

#[test]
fn a_client_is_served_by_ipv6_as_well() {
    let bind_tcp = vec![SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    let running = Running::start_with(&NodeConfig { workers: 2, bind_tcp, ..NodeConfig::default() });
    let server = running.node.tcp_addresses()[0];
    let mut guests: Vec<Guest> = (0..2).map(|number| Guest::join_over_tcp(&running, server, number)).collect();
    connected("over TCP and IPv6", &mut guests);
    all_heard("over TCP and IPv6", &mut guests);
}

#[test]
fn udp_is_preferred_and_tcp_takes_over_when_it_is_blocked() {
    let (running, server) = start(2);
    let mut guest = Guest::join_eagerly(&running, 1);
    guest.connect(server);
    let mut guests = [guest];
    connected("by either", &mut guests);
    // Both are checked all the time; messages go where the pair ranks higher.
    let received = |name| running.metric(name);
    let counts = || (received("sluice_datagrams_received_total"), received("sluice_tcp_frames_received_total"));
    until("it stays with UDP", || {
        let before = counts();
        (0..40).for_each(|_| all_heard("by either", &mut guests));
        let after = counts();
        after.0 - before.0 >= 40.0 && after.1 - before.1 < 40.0
    });

    guests[0].is_udp_blocked = true;
    for _ in 0..3 {
        all_heard("over TCP", &mut guests);
    }
    guests[0].is_udp_blocked = false;
    for _ in 0..3 {
        all_heard("with both again", &mut guests);
    }
}

#[test]
fn whose_connection_breaks_comes_back_by_another() {
    let (running, server) = start(2);
    let mut guest = Guest::join_eagerly(&running, 1);
    guest.is_udp_blocked = true;
    let first = guest.connect(server);
    let mut guests = [guest];
    connected("over the first", &mut guests);
    guests[0].ports.streams().close(first);
    guests[0].connect(server);
    all_heard("over the second", &mut guests);
    drive_until("only the second is open", &mut guests, |_| running.metric("sluice_tcp_connections") == 1.0);
}

#[test]
fn a_connection_is_closed_when_its_client_has_left() {
    let (running, server) = start(2);
    let mut guests = [Guest::join_over_tcp(&running, server, 1)];
    connected("over TCP", &mut guests);
    let participant = ParticipantId::from("PA_1");
    guests[0].link.send(Command::RemoveParticipant { participant }).unwrap();
    until("the connection is closed", || {
        guests[0].drive();
        guests[0].connections() == 0
    });
    until("the worker has none", || running.metric("sluice_tcp_connections") == 0.0);
}

/// Waits for the server to close a connection.
fn until_closed(what: &str, mut stream: TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match stream.read(&mut [0]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("{what}: {other:?}"),
    }
}

/// A connectivity check for a fragment, in a frame.
fn check(ufrag: &str) -> Vec<u8> {
    let username = format!("{ufrag}:them");
    let mut check = vec![0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    check.extend([7; 12]);
    check.extend([0x00, 0x06, 0, u8::try_from(username.len()).unwrap()]);
    check.extend(username.bytes());
    check.resize(check.len().next_multiple_of(4), 0);
    let len = u16::try_from(check.len()).unwrap();
    [&len.to_be_bytes()[..], &check].concat()
}

#[test]
fn what_is_no_check_of_ours_is_closed_at_once() {
    let (running, server) = start(2);
    let send = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(server).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    until_closed("another protocol", send(b"GET / HTTP/1.1\r\n\r\n"));
    until_closed("a huge frame", send(&[0xff, 0xff, 0, 1]));
    until_closed("an empty frame", send(&[0, 0]));
    until_closed("no check", send(&[0, 3, 1, 2, 3]));
    until_closed("nobody's fragment", send(&check("zz")));
    until_closed("a worker that is not there", send(&check("PPxxxxxx")));
    until("counted", || running.metric("sluice_tcp_connections_refused_total") == 6.0);
    // These are for a worker, which does not know them or cannot verify them: on trial, and then closed.
    let on_trial = [send(&check("AAxxxxxx")), send(&check("ABxxxxxx"))];
    for stream in on_trial {
        until_closed("a forged check", stream);
    }
    until("counted", || running.metric("sluice_tcp_connections_unclaimed_total") == 2.0);
    assert_eq!(running.metric("sluice_tcp_connections"), 0.0);
}

#[test]
fn thousands_who_say_nothing_keep_nobody_out() {
    let (running, server) = start(2);
    let mut strangers = Vec::new();
    for n in 0..2000 {
        let Ok(mut stream) = TcpStream::connect(server) else { continue };
        // Some begin a frame and never end it.
        let _ = stream.write_all(&check("AAxxxxxx")[..n % 20]);
        strangers.push(stream);
        if n == 1000 {
            let mut guests = [Guest::join_over_tcp(&running, server, 1)];
            connected("in the middle of it", &mut guests);
        }
    }
    let most = MAX_WAITING_PER_ADDRESS as f64;
    until("most are gone", || running.metric("sluice_tcp_connections_silent_total") >= 2000.0 - most - 1.0);
    assert!(running.metric("sluice_tcp_connections_waiting") <= most);
    let mut guests = [Guest::join_over_tcp(&running, server, 2)];
    connected("after it", &mut guests);
    for stranger in strangers {
        until_closed("a silent one", stranger);
    }
    until("nobody waits", || running.metric("sluice_tcp_connections_waiting") == 0.0);
}

#[test]
fn a_client_may_come_through_somebody_elses_listener() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = listener.local_addr().unwrap();
    let running = Running::start_with(&NodeConfig { workers: 2, tcp_elsewhere: vec![server], ..NodeConfig::default() });
    assert!(running.node.tcp_addresses().is_empty());
    let door = running.node.media_door().unwrap();
    let mut guests = [Guest::join_over_tcp(&running, server, 1)];
    assert!(door.admit(listener.accept().unwrap().0));
    connected("through the door", &mut guests);
    all_heard("through the door", &mut guests);
}
