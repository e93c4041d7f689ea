//! Our send side alone: choosing, rewriting, numbering, protection, the ring for repairs, the pacer, the timers that run
//! meanwhile. Keys come from no handshake, feedback from a receiver who gets everything 20 ms later.

use std::time::{Duration, Instant};

use sluice_core::Random;
use sluice_core::bench::{Piece, Published, SendSide};
use sluice_rtp::rtcp::{self, Arrival, ReportBlock};
use sluice_rtp::srtp::{Keys, Profile, Sender};

use crate::measure::{Effort, Samples};
use crate::media::Vp8;

/// Time that a stretch covers, and the interval of feedback.
const STRETCH: Duration = Duration::from_millis(50);
const DELAY: Duration = Duration::from_millis(20);
/// Until the estimate has found room for the load.
const SETTLE: Duration = Duration::from_secs(12);
const CLIENT_SSRC: u32 = 77;
/// Numbers of a NACK.
const NACKED: u16 = 10;
/// Between two packets of a connection, all its streams together: 8 Mbit/s of full ones.
const INTERVAL: Duration = Duration::from_micros(1_100);
/// What the receiver could be given, so that the link is probed until it carries the load.
const DESIRED_BPS: u64 = 20_000_000;

/// Bytes anybody can foretell, no two runs of them alike (SplitMix64).
#[derive(Debug)]
pub struct Foretold(pub u64);

impl Random for Foretold {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ mixed >> 31).to_be_bytes()[..chunk.len()]);
        }
    }
}

/// Keys of both ends of a connection.
#[must_use]
pub fn keys(profile: Profile) -> (Keys, Keys) {
    let material: Vec<u8> = (0u8..).take(profile.keying_material_len()).collect();
    let end = |is_client| Keys::from_keying_material(profile, &material, is_client).unwrap();
    (end(false), end(true))
}

/// What a run cost.
#[derive(Debug, Default)]
pub struct Costs {
    /// Nanoseconds for a packet sent, timers included.
    pub packet: Option<f64>,
    /// Packets sent while that was measured.
    pub packets: usize,
    /// Nanoseconds for a datagram of transport-wide feedback.
    pub feedback: Option<f64>,
    /// Packets that such a datagram tells of.
    pub feedback_packets: f64,
    /// Nanoseconds for a packet sent again.
    pub repair: Option<f64>,
    /// Bits per second the first link was taken for in the end.
    pub estimate_bps: u64,
}

/// A connection with its receiver.
struct Link {
    side: SendSide,
    client: Sender,
    transport_sequence: u16,
    feedback_count: u8,
    in_flight: Vec<Arrival>,
    ssrcs: Vec<u32>,
    /// Number of the last packet of the first stream.
    newest: u16,
}

impl Link {
    fn new(sections: usize, now: Instant) -> Self {
        let (ours, theirs) = keys(Profile::AeadAes256Gcm);
        let mut side = SendSide::new(&ours, sections, &mut Foretold(1), now);
        side.set_desired(DESIRED_BPS);
        let ssrcs = side.ssrcs().collect();
        let client = Sender::new(&theirs);
        Self { side, client, transport_sequence: 0, feedback_count: 0, in_flight: Vec::new(), ssrcs, newest: 0 }
    }

    /// Drains what was sent; how many datagrams of media those were.
    fn drain(&mut self, now: Instant, epoch: Instant) -> usize {
        let mut sent = 0;
        for datagram in self.side.outgoing().trains().flat_map(|train| train.datagrams()) {
            let [_, second, high, low, _, _, _, _, ssrc @ ..] = *datagram.first_chunk::<12>().unwrap();
            if matches!(second, 192..=223) {
                continue;
            }
            if u32::from_be_bytes(ssrc) == self.ssrcs[0] {
                self.newest = u16::from_be_bytes([high, low]);
            }
            let at = i64::try_from((now + DELAY - epoch).as_micros()).ok();
            self.in_flight.push(Arrival { sequence: self.transport_sequence, at });
            self.transport_sequence = self.transport_sequence.wrapping_add(1);
            sent += 1;
        }
        self.side.handle_sent();
        sent
    }

    fn protect(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut datagram = Vec::new();
        write(&mut datagram);
        self.client.protect_rtcp(&mut datagram, 0).unwrap();
        datagram
    }

    /// The receiver says what came.
    fn feedback(&mut self) -> Option<Vec<u8>> {
        let arrivals = std::mem::take(&mut self.in_flight);
        let count = self.feedback_count;
        self.feedback_count = count.wrapping_add(1);
        (!arrivals.is_empty()).then(|| {
            self.protect(|buf| rtcp::write_transport_feedback(buf, CLIENT_SSRC, CLIENT_SSRC, count, &arrivals))
        })
    }

    /// The receiver has heard of every stream: names of sections are left out from now on, as in any call.
    fn introduce(&mut self, now: Instant) {
        let block = |ssrc: &u32| ReportBlock {
            ssrc: *ssrc,
            fraction_lost: 0,
            cumulative_lost: 0,
            highest_sequence: 1,
            jitter: 0,
            last_sr: 0,
            delay_since_last_sr: 0,
        };
        let blocks: Vec<ReportBlock> = self.ssrcs.iter().map(block).collect();
        for blocks in blocks.chunks(20) {
            let datagram = self.protect(|buf| rtcp::write_receiver_report(buf, CLIENT_SSRC, blocks));
            assert!(self.side.handle_rtcp(&datagram, now));
        }
    }
}

/// So many connections with so many streams each, in turn. `payload_len` bytes of payload; a stream's packets come evenly.
#[must_use]
pub fn run(connections: usize, streams: usize, payload_len: usize, effort: Effort) -> Costs {
    let epoch = Instant::now();
    let mut now = epoch;
    let mut links: Vec<Link> = (0..connections).map(|_| Link::new(streams, now)).collect();
    let mut tracks: Vec<(Vp8, Published)> = (0..streams).map(|_| (Vp8::new(payload_len), Published::vp8())).collect();
    let (mut packets, mut feedback, mut repairs) = (Samples::default(), Samples::default(), Samples::default());
    let settle = if effort.is_trial() { STRETCH } else { SETTLE };
    let settling = usize::try_from(settle.as_millis() / STRETCH.as_millis()).unwrap();
    let (mut told, mut tellings) = (0, 0);
    for stretch in 0..settling + effort.warm_up + effort.samples {
        if stretch == settling {
            for link in &mut links {
                link.introduce(now);
            }
        }
        if stretch == settling + effort.warm_up {
            packets.forget();
            feedback.forget();
            repairs.forget();
            (told, tellings) = (0, 0);
        }
        // Read once for all: not the send side's.
        let mut ahead = Vec::new();
        let end = now + STRETCH;
        let mut at = now;
        let mut turn = stretch;
        while at < end {
            let track = turn % streams;
            let (encoder, published) = &mut tracks[track];
            let made = encoder.next_piece();
            let piece = Piece {
                payload: &made.payload,
                timestamp: made.timestamp,
                marker: made.marker,
                dependency_descriptor: None,
            };
            ahead.push((at, track, published.read(piece, at)));
            at += INTERVAL;
            turn += 1;
        }
        packets.time(|| {
            let mut sent = 0;
            for (at, track, packet) in &ahead {
                for link in &mut links {
                    if link.side.poll_timeout().is_some_and(|due| due <= *at) {
                        link.side.handle_timeout(*at);
                        sent += link.drain(*at, epoch);
                    }
                    link.side.forward(*track, packet, *at);
                    sent += link.drain(*at, epoch);
                }
                now = *at;
            }
            sent
        });
        now = end;
        for link in &mut links {
            told += link.in_flight.len();
            let Some(datagram) = link.feedback() else { continue };
            tellings += 1;
            feedback.time(|| usize::from(link.side.handle_rtcp(&datagram, now)));
            link.drain(now, epoch);
        }
        // One of the links has lost something: the last packets of one of its streams.
        if let Some(link) = links.first_mut().filter(|_| stretch % 4 == 3) {
            let (newest, ssrc) = (link.newest, link.ssrcs[0]);
            let lost = (0..NACKED).rev().map(|back| newest.wrapping_sub(back));
            let datagram = link.protect(|buf| rtcp::write_nack(buf, CLIENT_SSRC, ssrc, lost));
            let before = link.side.repairs();
            repairs.time(|| {
                link.side.handle_rtcp(&datagram, now);
                usize::try_from(link.side.repairs() - before).unwrap()
            });
            link.drain(now, epoch);
        }
    }
    Costs {
        packet: packets.median_ns(),
        packets: packets.operations(),
        feedback: feedback.median_ns(),
        feedback_packets: f64::from(u32::try_from(told).unwrap()) / f64::from(u32::try_from(tellings.max(1)).unwrap()),
        repair: repairs.median_ns(),
        estimate_bps: links.first().map_or(0, |link| link.side.estimate_bps()),
    }
}
