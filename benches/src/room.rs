//! A whole worker between real clients: one publishes, the others take it. Only the worker's own time counts.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sluice_core::{
    Certificate, Client, CodecRole, Command, Connection, Event, ExpectedTrack, Kind, ParticipantId, RoomId, Source,
    TrackId, Worker, WorkerConfig,
};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::rtp::{RtpWrite, SeqNo};

use crate::measure::{Effort, Samples, Stopwatch, counting_begins, repeat};
use crate::media::Vp8;
use crate::peer::Peer;
use crate::pieces::CALLS;
use crate::send_side::Foretold;

/// Time that a stretch covers.
const STRETCH: Duration = Duration::from_millis(50);
const STEP: Duration = Duration::from_millis(1);
/// Until a link's estimate has settled.
const SETTLE: Duration = Duration::from_secs(6);
/// Until a connection that does not come up is given up.
const MAX_STEPS: u32 = 20_000;

fn server() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 7882))
}

fn participant(place: usize) -> ParticipantId {
    ParticipantId::from(format!("PA_{place}"))
}

fn track(place: usize) -> TrackId {
    TrackId::from(format!("TR_{place}"))
}

/// What a room is like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Video tracks of the one publisher.
    pub tracks: usize,
    /// Who take some of them.
    pub subscribers: usize,
    /// How many of them each takes.
    pub taken: usize,
    /// Bytes of a packet.
    pub payload_len: usize,
    /// Time between two packets of a track.
    pub interval: Duration,
}

impl Shape {
    /// A camera at 1.5 Mbit/s for so many.
    #[must_use]
    pub fn camera_for(subscribers: usize) -> Self {
        Self { tracks: 1, subscribers, taken: 1, payload_len: 1100, interval: Duration::from_micros(5_870) }
    }
}

/// The room.
pub struct Room {
    /// What is measured.
    pub worker: Worker,
    shape: Shape,
    now: Instant,
    /// The first one publishes.
    clients: Vec<Peer>,
    pending: Vec<Option<SdpPendingOffer>>,
    published: Vec<(Mid, Vp8, u64)>,
    next_packet_at: Instant,
    next_track: usize,
    costs: Costs,
}

#[derive(Debug, Default)]
struct Costs {
    media: Stopwatch,
    feedback: Stopwatch,
    timers: Stopwatch,
    feedback_datagrams: usize,
}

/// What a run of a room came to, nanoseconds of the worker.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// For a packet forwarded: everything, receiving, timers and feedback included.
    pub forwarded: Option<f64>,
    /// Packets forwarded while that was measured.
    pub packets: usize,
    /// For a packet published: receiving it and handing it to all.
    pub published: Option<f64>,
    /// For a datagram of feedback.
    pub feedback: Option<f64>,
}

/// How often a worker asked for memory while a room was played, and for what. Counted only in a program that makes the
/// instrumented heap its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeapRequests {
    /// Packets of the publisher that came.
    pub received: usize,
    /// Packets that went on to a subscriber.
    pub forwarded: usize,
    /// Datagrams that were not the publisher's media.
    pub told: usize,
    /// While the publisher's media came and went on, all the way to what is to be sent.
    pub for_media: usize,
    /// While all other datagrams were read.
    pub for_feedback: usize,
    /// While time passed.
    pub for_timers: usize,
}

impl Room {
    /// Everybody is there and has what it subscribed to; nothing flows yet.
    #[must_use]
    pub fn open(shape: Shape) -> Self {
        let now = Instant::now();
        let worker = Worker::new(WorkerConfig {
            local: vec![server()],
            certificate: Certificate::generate().unwrap(),
            max_publish_bps: 0,
            random: Box::new(Foretold(3)),
        });
        let mut room = Self {
            worker,
            shape,
            now,
            clients: Vec::new(),
            pending: Vec::new(),
            published: Vec::new(),
            next_packet_at: now,
            next_track: 0,
            costs: Costs::default(),
        };
        room.join(Direction::SendOnly, shape.tracks);
        for _ in 0..shape.subscribers {
            room.join(Direction::RecvOnly, shape.taken);
        }
        room.run_until(|room| room.clients.iter().all(|client| client.is_connected));
        room.settle(Duration::from_secs(1));
        room.next_packet_at = room.now;
        room
    }

    /// Somebody comes, with so many sections.
    fn join(&mut self, direction: Direction, sections: usize) {
        let (place, now) = (self.clients.len(), self.now);
        let id = participant(place);
        let [.., high, low] = place.to_be_bytes();
        let mut client = Peer::client(SocketAddr::from(([10, 1, high, low], 50_000)), now);
        let add = Command::AddParticipant {
            room: RoomId::from("RM_bench"),
            participant: id.clone(),
            client: Client { connection: Connection::Single, takes_trailers: false, allows_pauses: true },
        };
        self.worker.handle_command(add, now);
        let mut changes = client.rtc.sdp_api();
        for section in 0..sections {
            let is_publishing = direction == Direction::SendOnly;
            let cid = is_publishing.then(|| format!("cid-{section}"));
            let mid = changes.add_media(MediaKind::Video, direction, None, cid, None);
            let command = if is_publishing {
                self.published.push((mid, Vp8::new(self.shape.payload_len), 0));
                Command::ExpectTrack {
                    participant: id.clone(),
                    expected: camera(track(section), format!("cid-{section}")),
                }
            } else {
                let stream = format!("{}|camera", participant(0));
                Command::Subscribe { subscriber: id.clone(), track: track(section), kind: Kind::Video, stream }
            };
            self.worker.handle_command(command, now);
        }
        let (offer, pending) = changes.apply().unwrap();
        self.clients.push(client);
        self.pending.push(Some(pending));
        self.worker
            .handle_command(Command::Offer { participant: id, id: 1, sdp: offer.to_sdp_string() }, now);
        self.worker.flush(now);
        self.hear();
    }

    /// What the worker reports.
    fn hear(&mut self) {
        while let Some((_, event)) = self.worker.poll_event() {
            let (id, sdp) = match event {
                Event::Answer { participant, sdp, .. } => (participant, sdp),
                Event::NegotiationFailed { .. } | Event::ParticipantFailed { .. } => {
                    unreachable!("nobody does anything wrong: {event:?}")
                }
                _ => continue,
            };
            let place = (0..self.clients.len()).find(|place| participant(*place) == id).unwrap();
            if let Some(pending) = self.pending[place].take() {
                let answer = SdpAnswer::from_sdp_string(&sdp).unwrap();
                self.clients[place].rtc.sdp_api().accept_answer(pending, answer).unwrap();
            }
        }
    }

    fn run_until(&mut self, is_there: impl Fn(&Self) -> bool) {
        for _ in 0..MAX_STEPS {
            if is_there(self) {
                return;
            }
            self.step(false);
        }
        assert!(is_there(self), "everybody is connected");
    }

    fn settle(&mut self, time: Duration) {
        for _ in 0..time.as_millis() {
            self.step(false);
        }
    }

    /// The publisher sends for so long.
    pub fn play(&mut self, time: Duration) {
        for _ in 0..time.as_millis() {
            self.step(true);
        }
    }

    /// A millisecond passes.
    fn step(&mut self, publishes: bool) {
        self.now += STEP;
        let now = self.now;
        let Self { worker, clients, costs, .. } = self;
        if worker.poll_timeout().is_some_and(|at| at <= now) {
            costs.timers.time(|| worker.handle_timeout(now));
        }
        deliver(worker, clients, now);
        while publishes && self.next_packet_at <= now {
            self.publish();
        }
        let Self { worker, clients, costs, .. } = self;
        for place in 0..clients.len() {
            let client = &mut clients[place];
            if client.deadline <= now {
                client.handle_timeout(now);
            }
            let said = std::mem::take(&mut client.transmits);
            let address = client.address;
            for datagram in said {
                let is_media = place == 0 && is_media(&datagram);
                costs.feedback_datagrams += usize::from(!is_media);
                let watch = if is_media { &mut costs.media } else { &mut costs.feedback };
                watch.time(|| {
                    worker.handle_datagram(address, server(), &datagram, now);
                    worker.flush(now);
                });
                deliver(worker, clients, now);
            }
        }
        self.hear();
    }

    /// One packet, of one track after the other.
    fn publish(&mut self) {
        let place = self.next_track % self.published.len();
        self.next_track += 1;
        self.next_packet_at += self.shape.interval / u32::try_from(self.published.len()).unwrap();
        let (mid, encoder, sequence) = &mut self.published[place];
        let publisher = &mut self.clients[0];
        encoder.wants_keyframe |= std::mem::take(&mut publisher.is_asked_for_keyframe);
        let piece = encoder.next_piece();
        *sequence += 1;
        let payload_type = publisher.rtc.codec_config().params()[0].pt();
        let mut direct = publisher.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(*mid, None).unwrap();
        let write = RtpWrite::new(payload_type, SeqNo::from(*sequence), piece.timestamp, self.now, piece.payload);
        stream.write_rtp(write.marker(piece.marker).nackable(true));
        publisher.handle_timeout(self.now);
    }

    /// What a packet costs, once the links have shown what they carry.
    #[must_use]
    pub fn measure(&mut self, effort: Effort) -> Figures {
        self.play(if effort.is_trial() { STRETCH } else { SETTLE });
        let (mut forwarded, mut published) = (Samples::default(), Samples::default());
        let mut feedback = Samples::default();
        self.costs = Costs::default();
        counting_begins();
        for _ in 0..effort.samples {
            let before = self.worker.stats();
            self.play(STRETCH);
            let after = self.worker.stats();
            let count = |after: u64, before: u64| usize::try_from(after - before).unwrap();
            let (media, told) = (self.costs.media.take_ns(), self.costs.feedback.take_ns());
            let all = media + told + self.costs.timers.take_ns();
            forwarded.add(all, count(after.packets_forwarded, before.packets_forwarded));
            published.add(media, count(after.packets_received, before.packets_received));
            feedback.add(told, std::mem::take(&mut self.costs.feedback_datagrams));
        }
        Figures {
            forwarded: forwarded.median_ns(),
            packets: forwarded.operations(),
            published: published.median_ns(),
            feedback: feedback.median_ns(),
        }
    }

    /// Plays for so long, and says how often the worker asked for memory meanwhile.
    #[must_use]
    pub fn heap_requests(&mut self, time: Duration) -> HeapRequests {
        self.costs = Costs::default();
        let before = self.worker.stats();
        self.play(time);
        let after = self.worker.stats();
        let count = |after: u64, before: u64| usize::try_from(after - before).unwrap();
        let Costs { media, feedback, timers, feedback_datagrams } = &mut self.costs;
        HeapRequests {
            received: count(after.packets_received, before.packets_received),
            forwarded: count(after.packets_forwarded, before.packets_forwarded),
            told: *feedback_datagrams,
            for_media: media.take_heap_requests(),
            for_feedback: feedback.take_heap_requests(),
            for_timers: timers.take_heap_requests(),
        }
    }

    /// What a worker with this room spends on a datagram of somebody it does not know: media, or a connectivity check.
    pub fn refuse(&mut self, is_check: bool, effort: Effort) -> Option<f64> {
        let datagram: &[u8] = if is_check { &STRANGE_CHECK } else { &STRANGE_MEDIA };
        // Never the same one: where in a table an address falls is luck.
        let mut strangers = (1024..u16::MAX).cycle().map(|port| SocketAddr::from(([10, 9, 9, 9], port)));
        let before = self.worker.stats().datagrams_refused;
        let ns = repeat(effort, CALLS, || {
            let stranger = strangers.next().unwrap();
            self.worker.handle_datagram(stranger, server(), datagram, self.now);
        });
        assert!(self.worker.stats().datagrams_refused > before, "nobody knows them");
        ns
    }
}

/// A packet of media as a stranger might send it.
const STRANGE_MEDIA: [u8; 40] = {
    let mut datagram = [0xab; 40];
    (datagram[0], datagram[1]) = (0x80, 0x60);
    datagram
};

/// A connectivity check for a user nobody knows (RFC 8489 section 5): header, then USERNAME with eight bytes and no more.
const STRANGE_CHECK: [u8; 32] = {
    let head = [0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6, 0, 8];
    let mut datagram = *b"........................abc:defg";
    let mut place = 0;
    while place < head.len() {
        datagram[place] = head[place];
        place += 1;
    }
    datagram
};

/// A VP8 camera under that name, of which the client speaks by `cid`.
pub(crate) fn camera(track: TrackId, cid: String) -> ExpectedTrack {
    ExpectedTrack {
        track,
        cids: vec![cid],
        kind: Kind::Video,
        source: Source::Camera,
        layers: Vec::new(),
        codecs: vec!["video/VP8".to_owned()],
        stereo: false,
        dtx: false,
        red: false,
        has_trailers: false,
        role: CodecRole::Only,
    }
}

/// RTP among what shares a port with it (RFC 5761 section 4).
fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram, [128..192, second, ..] if !matches!(second, 192..=223))
}

fn deliver(worker: &mut Worker, clients: &mut [Peer], now: Instant) {
    for train in worker.outgoing().trains() {
        let SocketAddr::V4(address) = train.path.remote else { continue };
        let [_, _, high, low] = address.ip().octets();
        if let Some(client) = clients.get_mut(usize::from(u16::from_be_bytes([high, low]))) {
            train.datagrams().for_each(|datagram| client.handle_datagram(server(), datagram, now));
        }
    }
    worker.handle_sent();
}
