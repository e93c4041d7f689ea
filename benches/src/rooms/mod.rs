//! The same room twice: through our worker, and through a forwarder on plain str0m as we had it before we sent
//! ourselves. The same packets are published, the same clients take them, and only the server's own time counts.
//!
//! Clients are str0m in both, with DTLS-SRTP and transport-wide numbers. The network is a list: nothing is lost or late,
//! so every client must get every packet in both, and [`Room::measure`] insists on it. What a server does besides (ours
//! estimates links, shares them out and paces) it does in both rooms' time.

mod ours;
mod plain;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpApi, SdpOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::rtp::{RtpWrite, SeqNo};

pub use ours::Ours;
pub use plain::Plain;

use crate::measure::{Effort, Samples, Stopwatch};
use crate::media::Vp8;
use crate::peer::Peer;

/// Time that a stretch covers.
const STRETCH: Duration = Duration::from_millis(50);
const STEP: Duration = Duration::from_millis(1);
/// Until the estimates of links have found room for everything.
const SETTLE: Duration = Duration::from_secs(12);
const TRIAL_SETTLE: Duration = Duration::from_secs(1);
/// Until what is under way has come.
const REST: Duration = Duration::from_millis(200);
/// Until connections that do not come up are given up.
const MAX_STEPS: usize = 20_000;
const PAYLOAD_LEN: usize = 1100;

/// Where the server is.
pub(crate) const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 7882);

/// Who is in a room. Everybody takes what everybody else publishes.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// So many have a camera: the first ones.
    pub publishers: usize,
    /// How many there are.
    pub guests: usize,
    /// Time between two packets of a camera.
    pub interval: Duration,
}

impl Shape {
    /// A camera at 1.5 Mbit/s for so many.
    #[must_use]
    pub fn camera_for(subscribers: usize) -> Self {
        Self { publishers: 1, guests: subscribers + 1, interval: Duration::from_micros(5_870) }
    }

    /// So many who see each other, in pictures of 350 kbit/s.
    #[must_use]
    pub fn meeting_of(guests: usize) -> Self {
        Self { publishers: guests, guests, interval: Duration::from_millis(25) }
    }

    /// Whose cameras a guest takes.
    pub(crate) fn taken_by(self, guest: usize) -> impl Iterator<Item = usize> {
        (0..self.publishers).filter(move |publisher| *publisher != guest)
    }
}

/// A guest's sections.
#[derive(Debug, Clone, Default)]
pub struct Sections {
    /// Where it sends its camera.
    pub sends: Option<Mid>,
    /// Whose camera it takes where.
    pub takes: Vec<(usize, Mid)>,
}

/// Datagrams to send, with where to.
pub type Out = Vec<(SocketAddr, Vec<u8>)>;

/// A server of one room.
pub trait Server {
    /// An empty room of that shape.
    fn open(shape: Shape, now: Instant) -> Self;

    /// A guest offers all its sections, first those where it sends, then with those where it takes.
    fn negotiate(&mut self, guest: usize, sections: &Sections, offer: SdpOffer, now: Instant) -> SdpAnswer;

    /// A datagram came from there.
    fn handle_datagram(&mut self, source: SocketAddr, datagram: &[u8], now: Instant);

    /// Time has come.
    fn handle_timeout(&mut self, now: Instant);

    /// What is to be sent now. Not on the clock: a server on sockets would not copy it.
    fn drain(&mut self) -> Out;

    /// When [`Self::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;
}

struct Guest {
    peer: Peer,
    sections: Sections,
    encoder: Vp8,
    published: u32,
    next_packet_at: Instant,
}

/// The numbers of the packets that came, by who took and who published them.
pub type Delivered = BTreeMap<(usize, usize), Vec<u32>>;

/// What a room came to.
#[derive(Debug)]
pub struct Outcome {
    /// Nanoseconds of the server for a packet that a client got: all that it did meanwhile.
    pub packet_ns: Option<f64>,
    /// What came while that was measured.
    pub delivered: Delivered,
}

/// A room and the people in it.
pub struct Room<S> {
    server: S,
    shape: Shape,
    now: Instant,
    guests: Vec<Guest>,
    watch: Stopwatch,
    delivered: Delivered,
}

impl<S: Server> Room<S> {
    /// Everybody is connected; nothing is published yet.
    #[must_use]
    pub fn open(shape: Shape) -> Self {
        let now = Instant::now();
        let server = S::open(shape, now);
        let (watch, delivered) = (Stopwatch::default(), Delivered::new());
        let mut room = Self { server, shape, now, guests: Vec::new(), watch, delivered };
        for place in 0..shape.guests {
            let mut peer = Peer::client(address(place), now);
            peer.received = Some(Vec::new());
            let (sections, encoder) = (Sections::default(), Vp8::new(PAYLOAD_LEN));
            room.guests.push(Guest { peer, sections, encoder, published: 0, next_packet_at: now });
        }
        for place in 0..shape.publishers {
            room.publish(place);
        }
        room.connect(shape.publishers);
        for place in 0..shape.guests {
            room.subscribe(place);
        }
        room.connect(shape.guests);
        room
    }

    /// Until so many are connected and have heard of it.
    fn connect(&mut self, guests: usize) {
        let is_there = |room: &Self| room.guests[..guests].iter().all(|guest| guest.peer.is_connected);
        for _ in 0..MAX_STEPS {
            if is_there(self) {
                break;
            }
            self.step(false);
        }
        assert!(is_there(self), "everybody is connected");
        self.pass(Duration::from_secs(1), false);
    }

    fn publish(&mut self, place: usize) {
        self.negotiate(place, |changes, sections| {
            let track = Some(cid(place));
            sections.sends = Some(changes.add_media(MediaKind::Video, Direction::SendOnly, None, track, None));
        });
    }

    fn subscribe(&mut self, place: usize) {
        let taken = self.shape.taken_by(place);
        self.negotiate(place, |changes, sections| {
            let mut add = || changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
            sections.takes = taken.map(|publisher| (publisher, add())).collect();
        });
    }

    fn negotiate(&mut self, place: usize, change: impl FnOnce(&mut SdpApi<'_>, &mut Sections)) {
        let Guest { peer, sections, .. } = &mut self.guests[place];
        let mut changes = peer.rtc.sdp_api();
        change(&mut changes, sections);
        // A lone publisher takes nothing.
        let Some((offer, pending)) = changes.apply() else { return };
        let answer = self.server.negotiate(place, sections, offer, self.now);
        peer.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        peer.drain(self.now);
    }

    fn pass(&mut self, time: Duration, is_publishing: bool) {
        for _ in 0..time.as_millis() {
            self.step(is_publishing);
        }
    }

    /// A millisecond passes.
    fn step(&mut self, is_publishing: bool) {
        self.now += STEP;
        let now = self.now;
        let Self { server, watch, guests, .. } = self;
        if server.poll_timeout().is_some_and(|at| at <= now) {
            watch.time(|| server.handle_timeout(now));
            deliver(guests, server.drain(), now);
        }
        for (place, guest) in guests.iter_mut().enumerate() {
            guest.publish(place, is_publishing, self.shape.interval, now);
            if guest.peer.deadline <= now {
                guest.peer.handle_timeout(now);
            }
        }
        for place in 0..guests.len() {
            let source = guests[place].peer.address;
            for datagram in std::mem::take(&mut guests[place].peer.transmits) {
                watch.time(|| server.handle_datagram(source, &datagram, now));
                deliver(guests, server.drain(), now);
            }
        }
    }

    /// Takes down what came; how many packets that was.
    fn collect(&mut self) -> usize {
        let mut count = 0;
        for (place, guest) in self.guests.iter_mut().enumerate() {
            for packet in guest.peer.received.iter_mut().flat_map(std::mem::take) {
                if let Some((publisher, number)) = read_stamp(&packet.payload) {
                    self.delivered.entry((place, publisher)).or_default().push(number);
                    count += 1;
                }
            }
        }
        count
    }

    /// What a packet costs once the links have shown what they carry.
    ///
    /// # Panics
    ///
    /// When somebody does not get everything that is published meanwhile, in order.
    #[must_use]
    pub fn measure(mut self, effort: Effort) -> Outcome {
        self.pass(if effort.is_trial() { TRIAL_SETTLE } else { SETTLE }, true);
        self.pass(REST, false);
        self.collect();
        self.delivered.clear();
        self.watch.take_ns();
        let first: Vec<u32> = self.guests.iter().map(|guest| guest.published).collect();
        let mut samples = Samples::default();
        for _ in 0..effort.samples {
            self.pass(STRETCH, true);
            let ns = self.watch.take_ns();
            let count = self.collect();
            samples.add(ns, count);
        }
        self.pass(REST, false);
        self.collect();
        for guest in 0..self.shape.guests {
            for publisher in self.shape.taken_by(guest) {
                let all: Vec<u32> = (first[publisher]..self.guests[publisher].published).collect();
                let came = self.delivered.get(&(guest, publisher));
                assert_eq!(came, Some(&all), "guest {guest} takes camera {publisher}");
            }
        }
        Outcome { packet_ns: samples.median_ns(), delivered: self.delivered }
    }
}

impl Guest {
    /// Sends what is due, where it has a camera.
    fn publish(&mut self, place: usize, is_publishing: bool, interval: Duration, now: Instant) {
        let Some(mid) = self.sections.sends else { return };
        if !is_publishing {
            // Cameras are not in step.
            let shift = interval / 16 * u32::try_from(place % 16).unwrap();
            self.next_packet_at = now + shift;
            return;
        }
        while self.next_packet_at <= now {
            self.next_packet_at += interval;
            self.encoder.wants_keyframe |= std::mem::take(&mut self.peer.is_asked_for_keyframe);
            let piece = self.encoder.next_piece();
            let mut payload = piece.payload.to_vec();
            write_stamp(&mut payload, place, self.published);
            self.published += 1;
            let payload_type = self.peer.rtc.codec_config().params()[0].pt();
            let sequence = SeqNo::from(u64::from(self.published));
            let write = RtpWrite::new(payload_type, sequence, piece.timestamp, now, payload);
            let mut direct = self.peer.rtc.direct_api();
            let stream = direct.stream_tx_by_mid(mid, None).unwrap();
            stream.write_rtp(write.marker(piece.marker).nackable(true));
            self.peer.handle_timeout(now);
        }
    }
}

fn address(guest: usize) -> SocketAddr {
    let [.., high, low] = guest.to_be_bytes();
    SocketAddr::from(([10, 1, high, low], 50_000))
}

pub(crate) fn cid(guest: usize) -> String {
    format!("cid-{guest}")
}

fn deliver(guests: &mut [Guest], out: Out, now: Instant) {
    for (destination, contents) in out {
        let SocketAddr::V4(address) = destination else { continue };
        let [_, _, high, low] = address.ip().octets();
        if let Some(guest) = guests.get_mut(usize::from(u16::from_be_bytes([high, low]))) {
            guest.peer.handle_datagram(SERVER, &contents, now);
        }
    }
}

/// Who published a packet, and which it is: at its end, where no forwarder writes.
fn write_stamp(payload: &mut [u8], publisher: usize, number: u32) {
    let publisher = u32::try_from(publisher).unwrap();
    let place = payload.last_chunk_mut::<8>().unwrap();
    place[..4].copy_from_slice(&publisher.to_be_bytes());
    place[4..].copy_from_slice(&number.to_be_bytes());
}

fn read_stamp(payload: &[u8]) -> Option<(usize, u32)> {
    let (rest, number) = payload.split_last_chunk::<4>()?;
    let publisher = u32::from_be_bytes(*rest.last_chunk::<4>()?);
    Some((usize::try_from(publisher).ok()?, u32::from_be_bytes(*number)))
}
