//! A room on three worker threads, with real sockets and real clients.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sluice_core::{
    Client, CodecRole, Command, Connection, Event, ExpectedTrack, Failure, Kind, ParticipantId, Source, TapWish,
    TrackId,
};
use sluice_node::{Node, NodeConfig, RoomLink, TapReader};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpWrite};
use str0m::{Candidate, Input, Output, Rtc};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PACKET: Duration = Duration::from_millis(20);
const ROOM: &str = "RM_1";

/// Somebody's page: one connection over a socket of its own. Publishes one microphone, or listens.
pub(crate) struct Page {
    pub(crate) id: ParticipantId,
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    deadline: Instant,
    pending: Option<SdpPendingOffer>,
    offers: u32,
    /// Its section for a microphone.
    microphone: Option<Mid>,
    sent: u16,
    pub(crate) pace: Duration,
    next_packet_at: Instant,
    /// Timestamps that came, by section.
    pub(crate) heard: HashMap<Mid, Vec<u32>>,
    /// What came on sections that carry tracks.
    tracks: Vec<(String, TrackId)>,
}

impl Page {
    fn new(name: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let now = Instant::now();
        let crypto = Arc::new(str0m::crypto::from_feature_flags());
        let mut rtc = Rtc::builder().set_rtp_mode(true).set_crypto_provider(crypto).build(now);
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).unwrap());
        Self {
            id: format!("PA_{name}").as_str().into(),
            rtc,
            socket,
            address,
            deadline: now,
            pending: None,
            offers: 0,
            microphone: None,
            sent: 0,
            pace: PACKET,
            next_packet_at: now,
            heard: HashMap::new(),
            tracks: Vec::new(),
        }
    }

    pub(crate) fn track(&self) -> TrackId {
        format!("TR_{}", self.id).as_str().into()
    }

    fn enter(&mut self, link: &mut RoomLink, publishes: bool) {
        let client = Client { connection: Connection::Single, takes_trailers: false, allows_pauses: true };
        let participant = self.id.clone();
        link.send(Command::AddParticipant { room: ROOM.into(), participant, client }).unwrap();
        if publishes {
            let expected = ExpectedTrack {
                track: self.track(),
                cids: vec!["mic".into()],
                kind: Kind::Audio,
                source: Source::Microphone,
                layers: Vec::new(),
                codecs: vec!["audio/opus".into()],
                stereo: false,
                dtx: false,
                red: false,
                has_trailers: false,
                role: CodecRole::Only,
            };
            link.send(Command::ExpectTrack { participant: self.id.clone(), expected }).unwrap();
        }
        self.offer(link, publishes, 3);
    }

    fn offer(&mut self, link: &mut RoomLink, publishes: bool, receiving: u32) {
        let mut changes = self.rtc.sdp_api();
        if publishes {
            let mid = changes.add_media(MediaKind::Audio, Direction::SendOnly, None, Some("mic".into()), None);
            self.microphone = Some(mid);
        }
        for _ in 0..receiving {
            changes.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        }
        let (offer, pending) = changes.apply().unwrap();
        self.pending = Some(pending);
        self.offers += 1;
        let (participant, id, sdp) = (self.id.clone(), self.offers, offer.to_sdp_string());
        link.send(Command::Offer { participant, id, sdp }).unwrap();
        self.drain();
    }

    fn answered(&mut self, sdp: &str, tracks: Vec<(String, TrackId)>) {
        let Some(pending) = self.pending.take() else { return };
        let answer = SdpAnswer::from_sdp_string(sdp).unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        self.tracks = tracks;
        self.drain();
    }

    /// Does what there is to do now.
    fn turn(&mut self) {
        let mut buffer = [0; 2000];
        while let Ok((len, source)) = self.socket.recv_from(&mut buffer) {
            let contents = buffer[..len].try_into().unwrap();
            let receive = Receive { proto: Protocol::Udp, source, destination: self.address, contents };
            let input = Input::Receive(Instant::now(), receive);
            if self.rtc.accepts(&input) {
                self.rtc.handle_input(input).unwrap();
                self.drain();
            }
        }
        let now = Instant::now();
        if self.deadline <= now {
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
            self.drain();
        }
        if let Some(mid) = self.microphone.filter(|_| self.rtc.is_connected() && self.next_packet_at <= now) {
            self.next_packet_at = now + self.pace;
            self.sent += 1;
            let codecs = self.rtc.codec_config();
            let pt = codecs.find(|p| p.spec().codec == Codec::Opus).map(|p| p.pt()).unwrap();
            let extensions =
                ExtensionValues { audio_level: Some(-20), voice_activity: Some(true), ..ExtensionValues::default() };
            if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, None) {
                let (sequence, timestamp) = (u64::from(self.sent), u32::from(self.sent) * 960);
                stream.write_rtp(
                    RtpWrite::new(pt, sequence.into(), timestamp, now, vec![0xfc; 80])
                        .ext_vals(extensions)
                        .nackable(false),
                );
            }
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
            self.drain();
        }
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return;
                }
                Output::Transmit(transmit) => {
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(str0m::Event::RtpPacket(packet)) => {
                    let ssrc = packet.header.ssrc;
                    let mid = self.rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid());
                    if let Some(mid) = mid {
                        self.heard.entry(mid).or_default().push(packet.header.timestamp);
                    }
                }
                Output::Event(_) => {}
            }
        }
    }

    /// Packets of somebody's microphone that came.
    pub(crate) fn heard(&self, of: &TrackId) -> usize {
        let mid = self.tracks.iter().find(|(_, track)| track == of).map(|(mid, _)| mid.as_str().into());
        mid.and_then(|mid: Mid| self.heard.get(&mid)).map_or(0, Vec::len)
    }
}

/// A node of three workers, a room on it, and the room's part: whoever publishes is heard by everybody else.
pub(crate) struct Stage {
    pub(crate) link: RoomLink,
    events: Receiver<(String, Event)>,
    pub(crate) pages: Vec<Page>,
    pub(crate) failed: Vec<(ParticipantId, Failure)>,
    /// Thread and part of every report of levels.
    pub(crate) levels: Vec<(String, u16)>,
    registry: prometheus::Registry,
    /// The thread of this name panics at the next event it reports.
    pub(crate) doomed: Arc<Mutex<String>>,
    // Last: the link goes first.
    _node: Node,
}

impl Stage {
    pub(crate) fn open() -> Self {
        let registry = prometheus::Registry::new();
        let bind = vec!["127.0.0.1:0".parse().unwrap()];
        let config = NodeConfig { bind, workers: 3, participants_per_worker: 1, ..NodeConfig::default() };
        let node = Node::start(&config, &registry).unwrap();
        let (sender, events) = channel();
        let doomed = Arc::new(Mutex::new(String::new()));
        let (doom, is_over) = (Arc::clone(&doomed), AtomicBool::new(false));
        let sink = move |event| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            if *doom.lock().unwrap() == name && !is_over.swap(true, Ordering::Relaxed) {
                panic!("a worker dies, as the test wants it");
            }
            sender.send((name, event)).is_ok()
        };
        let link = node.open_room(ROOM.into(), Arc::new(sink));
        Self { link, events, pages: Vec::new(), failed: Vec::new(), levels: Vec::new(), registry, doomed, _node: node }
    }

    pub(crate) fn enter(&mut self, name: &str, publishes: bool) {
        let mut page = Page::new(name);
        page.enter(&mut self.link, publishes);
        self.pages.push(page);
    }

    pub(crate) fn page(&self, name: &str) -> &Page {
        self.pages.iter().find(|page| page.id.as_str() == format!("PA_{name}")).unwrap()
    }

    pub(crate) fn run_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < PATIENCE, "not in time: {what}");
            self.pages.iter_mut().for_each(Page::turn);
            while let Ok((thread, event)) = self.events.try_recv() {
                self.hear(thread, event);
            }
            std::thread::yield_now();
        }
    }

    fn hear(&mut self, thread: String, event: Event) {
        match event {
            Event::Answer { participant, sdp, mid_to_track, .. } => {
                let page = self.pages.iter_mut().find(|page| page.id == participant).unwrap();
                page.answered(&sdp, mid_to_track);
            }
            Event::SectionsNeeded { participant, .. } => {
                // One section more than there is need for makes an offer out of a plain request for one.
                let page = self.pages.iter_mut().find(|page| page.id == participant).unwrap();
                if page.pending.is_none() {
                    page.offer(&mut self.link, false, 1);
                }
            }
            Event::TrackAdded { participant, track, .. } => {
                let others = self.pages.iter().filter(|page| page.id != participant);
                for subscriber in others.map(|page| page.id.clone()).collect::<Vec<_>>() {
                    let (track, stream) = (track.clone(), format!("{participant}|mic"));
                    let command = Command::Subscribe { subscriber, track, kind: Kind::Audio, stream };
                    self.link.send(command).unwrap();
                }
            }
            Event::AudioLevels { part, .. } => self.levels.push((thread, part)),
            Event::ParticipantFailed { participant, failure } => self.failed.push((participant, failure)),
            Event::WorkerLost => self.link.check().unwrap(),
            _ => {}
        }
    }

    /// Somebody's microphone is tapped. The count is of the times its reader was woken.
    pub(crate) fn tap(&mut self, name: &str) -> (TapReader, Arc<AtomicUsize>) {
        let (publisher, track) = (self.page(name).id.clone(), self.page(name).track());
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        let wake = Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        (self.link.tap(&publisher, &track, TapWish::default(), wake).unwrap(), woken)
    }

    pub(crate) fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let metric = &family.get_metric()[0];
        metric.get_counter().get_value().max(metric.get_gauge().get_value())
    }
}
