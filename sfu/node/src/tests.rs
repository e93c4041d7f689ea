//! Workers together, with clients that are real ones: str0m over the loopback's sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use prometheus::Registry;
use sluice_core::{Client, Command, Connection, Event, Failure, ParticipantId, RoomId, TapMessage, TapWish, WorkerId};
use sluice_net::{Datagram, UdpOptions, UdpPorts, Worth};
use str0m::channel::ChannelId;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Input, Output, Rtc};

use crate::worker_thread::Message;
use crate::{EventSink, Node, NodeConfig, RoomLink, TapReader, WorkerUnavailable};

mod tcp;

/// Long enough for a busy machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    node: Node,
    registry: Registry,
}

impl Running {
    fn start(workers: usize, portable_io: bool) -> Self {
        Self::start_with(&NodeConfig { workers, portable_io, ..NodeConfig::default() })
    }

    fn start_with(config: &NodeConfig) -> Self {
        let registry = Registry::new();
        let config = NodeConfig { bind: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], ..config.clone() };
        Self { node: Node::start(&config, &registry).unwrap(), registry }
    }

    /// The sum of a metric, as last published.
    fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families
            .iter()
            .find(|family| family.name() == name)
            .unwrap_or_else(|| panic!("no {name}"));
        family
            .get_metric()
            .iter()
            .map(|m| m.get_counter().get_value() + m.get_gauge().get_value())
            .sum()
    }

    /// Rooms of each worker.
    fn rooms(&self) -> Vec<u32> {
        self.node.rooms.loads().map(|(_, load)| load.rooms).collect()
    }

    fn tell(&self, worker: u8, message: Message) -> Result<(), WorkerUnavailable> {
        self.node.rooms.mailbox(WorkerId(worker)).unwrap().send(message)
    }
}

/// Asks again and again until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

/// A room of one, and who is in it.
struct Guest {
    link: RoomLink,
    events: Receiver<Event>,
    rtc: Rtc,
    ports: UdpPorts,
    address: SocketAddr,
    deadline: Instant,
    channel: Option<ChannelId>,
    worker: u8,
    /// Messages that the worker reported.
    heard: usize,
    /// Nothing of UDP comes through, either way.
    is_udp_blocked: bool,
}

impl Guest {
    /// In a room on a worker by turns.
    fn join(node: &Node, number: usize) -> Self {
        Self::join_on(node, number, Some(number % node.rooms.mailboxes().len()))
    }

    /// In a room on this worker, or on the one that the node chooses.
    fn join_on(node: &Node, number: usize, worker: Option<usize>) -> Self {
        Self::join_with(node, number, worker, Rtc::new(Instant::now()))
    }

    /// The same with an engine of its own kind.
    fn join_with(node: &Node, number: usize, worker: Option<usize>, mut rtc: Rtc) -> Self {
        let (sink, events): (Sender<Event>, _) = channel();
        let sink: EventSink = Arc::new(move |event| sink.send(event).is_ok());
        let room = RoomId::from(format!("RM_{number}").as_str());
        let mut link = match worker {
            Some(worker) => node.open_room_on(WorkerId::at(worker).unwrap(), room.clone(), sink),
            None => node.open_room(room.clone(), sink),
        };
        let participant = ParticipantId::from(format!("PA_{number}").as_str());
        let client = Client { connection: Connection::Single, takes_trailers: false, allows_pauses: false };
        link.send(Command::AddParticipant { room, participant: participant.clone(), client })
            .unwrap();

        let ports = UdpPorts::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], UdpOptions::default()).unwrap();
        let address = ports.local_addresses().next().unwrap();
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).unwrap());
        let mut api = rtc.sdp_api();
        api.add_channel("_reliable".into());
        let (offer, pending) = api.apply().unwrap();
        link.send(Command::Offer { participant, id: 1, sdp: offer.to_sdp_string() }).unwrap();
        let answer = loop {
            if let Event::Answer { sdp, .. } = events.recv_timeout(PATIENCE).unwrap() {
                break sdp;
            }
        };
        let ufrag = answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap();
        let worker = WorkerId::of_fragment(ufrag).unwrap().0;
        rtc.sdp_api()
            .accept_answer(pending, str0m::change::SdpAnswer::from_sdp_string(&answer).unwrap())
            .unwrap();
        let deadline = Instant::now();
        let is_udp_blocked = false;
        Self { link, events, rtc, ports, address, deadline, channel: None, worker, heard: 0, is_udp_blocked }
    }

    /// Does what there is to do.
    fn drive(&mut self) {
        let Self { rtc, ports, address, is_udp_blocked, .. } = self;
        ports.wait(Some(Duration::from_millis(1))).unwrap();
        let now = Instant::now();
        let mut take = |proto, source, destination, contents: &[u8]| {
            let Ok(contents) = contents.try_into() else { return };
            let input = Input::Receive(now, Receive { proto, source, destination, contents });
            if rtc.accepts(&input) {
                rtc.handle_input(input).unwrap();
            }
        };
        ports.receive(|received| {
            if !*is_udp_blocked {
                take(Protocol::Udp, received.source, *address, received.contents);
            }
        });
        ports.streams().receive(|received| {
            take(Protocol::Tcp, received.source, received.destination, received.contents);
            true
        });
        if self.deadline <= now {
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
        }
        self.send_only();
        self.heard += self.events.try_iter().filter(|event| matches!(event, Event::Data { .. })).count();
    }

    /// Sends what there is to send.
    fn send_only(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => break self.deadline = at,
                Output::Transmit(t) if t.proto == Protocol::Tcp => {
                    let path = (t.destination, t.source);
                    self.ports.streams().send(path, [(&t.contents[..], Worth::Needed)]);
                }
                Output::Transmit(_) if self.is_udp_blocked => {}
                Output::Transmit(t) => self.ports.send([Datagram {
                    source: self.address,
                    destination: t.destination,
                    contents: &t.contents,
                }]),
                Output::Event(str0m::Event::ChannelOpen(id, _)) => self.channel = Some(id),
                Output::Event(_) => {}
            }
        }
    }

    fn say(&mut self) {
        if let Some(mut channel) = self.channel.and_then(|id| self.rtc.channel(id)) {
            channel.write(true, b"hello").unwrap();
        }
    }
}

fn drive_until(what: &str, guests: &mut [Guest], mut is_so: impl FnMut(&[Guest]) -> bool) {
    until(what, || {
        guests.iter_mut().for_each(Guest::drive);
        is_so(guests)
    });
}

fn meet(portable_io: bool) -> (Running, Vec<Guest>) {
    let running = Running::start(3, portable_io);
    assert_eq!(running.node.addresses().len(), 1, "all workers behind one address");
    let mut guests: Vec<Guest> = (0..12).map(|number| Guest::join(&running.node, number)).collect();
    assert_eq!(running.rooms(), [4, 4, 4]);
    drive_until("everybody is connected", &mut guests, |guests| guests.iter().all(|g| g.channel.is_some()));
    guests.iter_mut().for_each(Guest::say);
    drive_until("everybody is heard", &mut guests, |guests| guests.iter().all(|g| g.heard == 1));
    (running, guests)
}

#[test]
fn clients_reach_their_worker_over_the_port_all_share_though_nobody_steers() {
    let (running, mut guests) = meet(true);
    until("some were handed on", || running.metric("sluice_datagrams_handed_on_total") > 0.0);
    assert!((0..3).all(|worker| guests.iter().any(|guest| guest.worker == worker)));
    for _ in 0..20 {
        guests.iter_mut().for_each(Guest::say);
        guests.iter_mut().for_each(Guest::drive);
    }
    drive_until("everybody is heard", &mut guests, |guests| guests.iter().all(|g| g.heard == 21));
    assert_eq!(running.metric("sluice_datagrams_handed_on_dropped_total"), 0.0);
    assert_eq!(running.metric("sluice_steering_updates_total"), 0.0);
}

#[test]
#[cfg(target_os = "linux")]
fn once_the_kernel_knows_who_is_where_hardly_anything_is_handed_on() {
    let (running, mut guests) = meet(false);
    // The kernel is told a few times a second, on a busy machine later.
    until("the kernel steers", || {
        let begin = published_strays(&running, &mut guests);
        let heard: usize = guests.iter().map(|guest| guest.heard).sum();
        for _ in 0..100 {
            guests.iter_mut().for_each(Guest::say);
            guests.iter_mut().for_each(Guest::drive);
        }
        drive_until("all is heard", &mut guests, |g| g.iter().map(|g| g.heard).sum::<usize>() == heard + 1200);
        // Of 12 in some ten thousand buckets hardly two meet.
        published_strays(&running, &mut guests) - begin < 200.0
    });
    assert!(running.metric("sluice_steering_updates_total") > 1.0);
}

/// How many datagrams were handed on, once all workers have published it.
fn published_strays(running: &Running, guests: &mut [Guest]) -> f64 {
    let received = || running.metric("sluice_datagrams_received_total");
    let (mut last, mut quiet_since) = (received(), Instant::now());
    drive_until("nothing new is published", guests, |_| {
        if received() > last {
            (last, quiet_since) = (received(), Instant::now());
        }
        quiet_since.elapsed() > Duration::from_millis(300)
    });
    running.metric("sluice_datagrams_handed_on_total")
}

#[test]
fn a_client_that_comes_again_from_the_same_port_is_followed_to_its_new_worker() {
    let running = Running::start(2, true);
    let mut first = Guest::join(&running.node, 1);
    drive_until("connected", std::slice::from_mut(&mut first), |g| g[0].channel.is_some());
    let mut second = Guest::join(&running.node, 2);
    assert_ne!(first.worker, second.worker);
    // The page is loaded again: the same port, while the first worker still waits for the one who had it.
    second.rtc.add_local_candidate(Candidate::host(first.address, Protocol::Udp).unwrap());
    (second.ports, second.address) = (first.ports, first.address);
    drive_until("connected again", std::slice::from_mut(&mut second), |g| g[0].channel.is_some());
    second.say();
    drive_until("heard", std::slice::from_mut(&mut second), |g| g[0].heard == 1);
}

/// Waits for the room to hear that a worker is lost.
fn until_told(events: &Receiver<Event>) {
    until("told", || matches!(events.try_recv(), Ok(Event::WorkerLost)));
}

#[test]
fn rooms_of_a_stuck_worker_are_told_and_the_others_live() {
    let running = Running::start(2, false);
    let mut guests: Vec<Guest> = (0..4).map(|number| Guest::join(&running.node, number)).collect();
    drive_until("connected", &mut guests, |guests| guests.iter().all(|g| g.channel.is_some()));
    drive_until("counted", &mut guests, |_| running.metric("sluice_transports") == 4.0);
    let (mut stuck, mut well): (Vec<Guest>, Vec<Guest>) = guests.into_iter().partition(|guest| guest.worker == 0);
    assert_eq!((stuck.len(), well.len()), (2, 2));

    let (end, stall) = channel();
    running.tell(0, Message::Stall(stall)).unwrap();
    for guest in &mut stuck {
        guest.say();
        guest.send_only();
        until_told(&guest.events);
        // The room is on no other worker: it is over, and knows whose call that ends.
        assert_eq!(guest.link.check(), Err(WorkerUnavailable));
        let Ok(Event::ParticipantFailed { failure, .. }) = guest.events.try_recv() else { panic!("nobody failed") };
        assert_eq!(failure, Failure::Internal);
    }
    assert!(running.node.is_able());
    assert_eq!(running.metric("sluice_workers_lost"), 1.0);
    let newcomer = Guest::join_on(&running.node, 9, None);
    assert_eq!(newcomer.worker, 1, "no room goes to a worker that is stuck");
    well.push(newcomer);
    drive_until("the others are served", &mut well, |guests| guests.iter().all(|g| g.channel.is_some()));
    well.iter_mut().for_each(Guest::say);
    drive_until("heard", &mut well, |guests| guests.iter().all(|g| g.heard == 1));

    // It moves again, and ends without a word: nobody is served whom his room has forgotten.
    drop(end);
    drive_until("it ends", &mut well, |guests| running.metric("sluice_transports") == guests.len() as f64);
    assert!(stuck.iter().all(|guest| guest.events.try_recv().is_err()));
    assert_eq!(Guest::join_on(&running.node, 10, None).worker, 1);
    assert_eq!(running.metric("sluice_workers_lost"), 1.0);
}

/// A thread that never moves again lets go of nothing; whoever takes from its taps is not left waiting.
#[test]
fn a_tap_of_a_stuck_worker_ends_and_so_does_one_of_a_room_that_is_over() {
    let running = Running::start(2, false);
    let mut guests: Vec<Guest> = (0..2).map(|number| Guest::join(&running.node, number)).collect();
    drive_until("connected", &mut guests, |guests| guests.iter().all(|g| g.channel.is_some()));
    let mut taps: Vec<TapReader> = (0..)
        .zip(&mut guests)
        .map(|(number, guest)| {
            let publisher = ParticipantId::from(format!("PA_{number}").as_str());
            let track = "TR_that_never_comes".into();
            guest.link.tap(&publisher, &track, TapWish::default(), Arc::new(|| {})).unwrap()
        })
        .collect();
    drive_until("made", &mut guests, |_| running.metric("sluice_taps") == 2.0);
    assert!(taps.iter_mut().all(|tap| tap.poll().is_none()));

    let (_end, stall) = channel();
    running.tell(0, Message::Stall(stall)).unwrap();
    guests[0].say();
    guests[0].send_only();
    until_told(&guests[0].events);
    assert!(matches!(taps[0].poll(), Some(TapMessage::Ended)));
    assert!(taps[0].poll().is_none() && taps[1].poll().is_none());
    drop(guests.pop());
    until("the other ends", || matches!(taps[1].poll(), Some(TapMessage::Ended)));
    assert!(taps[1].poll().is_none());
}

#[test]
fn a_room_on_several_workers_goes_on_without_the_one_that_is_stuck() {
    let running = Running::start_with(&NodeConfig { workers: 3, participants_per_worker: 1, ..NodeConfig::default() });
    let (sink, events): (Sender<Event>, _) = channel();
    let room = RoomId::from("RM_1");
    let mut link = running.node.open_room(room.clone(), Arc::new(move |event| sink.send(event).is_ok()));
    let client = Client { connection: Connection::Single, takes_trailers: false, allows_pauses: false };
    let come = |link: &mut RoomLink, name: &str| {
        let participant = ParticipantId::from(name);
        link.send(Command::AddParticipant { room: room.clone(), participant, client })
    };
    come(&mut link, "PA_a").unwrap();
    come(&mut link, "PA_b").unwrap();
    assert_eq!(running.rooms(), [1, 1, 0]);

    let (_end, stall) = channel();
    running.tell(1, Message::Stall(stall)).unwrap();
    until_told(&events);
    assert_eq!(link.check(), Ok(()));
    let failed = events.try_iter().find_map(|event| match event {
        Event::ParticipantFailed { participant, .. } => Some(participant),
        _ => None,
    });
    assert_eq!(failed, Some("PA_b".into()));
    come(&mut link, "PA_c").unwrap();
    come(&mut link, "PA_d").unwrap();
    assert_eq!(running.rooms(), [1, 0, 1], "two workers are left, and two are enough");

    // The others die as well.
    running.tell(0, Message::Panic).unwrap();
    running.tell(2, Message::Panic).unwrap();
    until("the room is over", || link.check().is_err());
    until("nobody left", || !running.node.is_able());
}

#[test]
fn a_worker_that_panicked_takes_nobody_with_it() {
    let running = Running::start(2, false);
    let guests: Vec<Guest> = (0..2).map(|number| Guest::join(&running.node, number)).collect();
    running.tell(0, Message::Panic).unwrap();
    let (gone, mut well): (Vec<Guest>, Vec<Guest>) = guests.into_iter().partition(|guest| guest.worker == 0);
    until_told(&gone[0].events);
    until("noticed", || running.metric("sluice_workers_lost") == 1.0);
    well.extend((5..10).map(|number| Guest::join_on(&running.node, number, None)));
    drive_until("served", &mut well, |guests| guests.iter().all(|g| g.channel.is_some() && g.worker == 1));

    running.tell(1, Message::Panic).unwrap();
    until("nobody left", || !running.node.is_able());
    let mut link = running.node.open_room(RoomId::from("RM_x"), Arc::new(|_| true));
    assert_eq!(link.send(Command::CloseRoom { room: RoomId::from("RM_x") }), Err(WorkerUnavailable));
}

#[test]
fn a_node_stops_though_a_worker_is_stuck_and_its_queue_full() {
    let running = Running::start(2, false);
    let (_end, stall) = channel();
    running.tell(1, Message::Stall(stall)).unwrap();
    while running.tell(1, Message::Close { room: RoomId::from("RM_1") }).is_ok() {}
    until("noticed", || running.metric("sluice_workers_lost") == 1.0);
    let rooms = Arc::clone(&running.node.rooms);
    drop(running);
    assert!(rooms.mailboxes().iter().all(|mailbox| mailbox.pulse().is_stopping()));
}
