//! The send side without a connection, for the figures of `sluice-benches`.
//!
//! What a packet costs between a forwarder and the socket cannot be told from outside a worker, where receiving it and
//! everybody's timers are in the sum. Built with the feature `bench` only; nothing of the product uses it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use sluice_rtp::srtp::Keys;
use str0m::format::{Codec, CodecSpec, FormatParams, PayloadParams};
use str0m::media::{Frequency, Mid, Pt};

use super::super::{Packet, RawDependencyDescriptor, video_codec};
use super::{Carried, Egress, ExtensionIds, OutFormat, Outbox, StreamIndex};
use crate::allocator::LayerId;
use crate::forwarder::{Arrival, Forwarder, Inspector, Received, Verdict};
use crate::outgoing::Outgoing;
use crate::random::Random;
use crate::track::Ingested;
use crate::{Kind, Path};

const PAYLOAD_TYPE: u8 = 96;
const REPAIR_PAYLOAD_TYPE: u8 = 97;
const CLOCK_RATE_HZ: u32 = 90_000;
/// No layer is above it.
const EVERYTHING: LayerId = LayerId { spatial: 7, temporal: 7 };

/// A packet of a track, read once for all who get it.
#[derive(Debug, Clone)]
pub struct SharedPacket(Arc<Ingested>);

/// A published video track as far as forwarders see it: its packets, read and numbered.
#[derive(Debug)]
pub struct Published {
    inspector: Inspector,
    format: PayloadParams,
    sequence: u64,
}

/// What a publisher sends.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The payload, its codec's descriptor in front.
    pub payload: &'a Arc<[u8]>,
    /// In ticks of 1/90000 s.
    pub timestamp: u32,
    /// Last packet of its picture.
    pub marker: bool,
    /// The header extension, where there is one.
    pub dependency_descriptor: Option<&'a Arc<[u8]>>,
}

impl Published {
    /// A VP8 track.
    #[must_use]
    pub fn vp8() -> Self {
        Self::new(Codec::Vp8)
    }

    /// An AV1 track.
    #[must_use]
    pub fn av1() -> Self {
        Self::new(Codec::Av1)
    }

    fn new(codec: Codec) -> Self {
        let clock_rate = Frequency::NINETY_KHZ;
        let spec = CodecSpec { codec, clock_rate, channels: None, format: FormatParams::default() };
        let format = PayloadParams::new(Pt::from(PAYLOAD_TYPE), Some(Pt::from(REPAIR_PAYLOAD_TYPE)), spec);
        Self { inspector: Inspector::default(), format, sequence: 0 }
    }

    /// The next packet.
    pub fn read(&mut self, piece: Piece<'_>, now: Instant) -> SharedPacket {
        self.sequence += 1;
        let mut values = str0m::rtp::ExtensionValues::default();
        if let Some(bytes) = piece.dependency_descriptor {
            values.user_values.set(RawDependencyDescriptor(Arc::clone(bytes)));
        }
        let packet = Packet {
            mid: Mid::from("0"),
            rid: None,
            payload_type: Pt::from(PAYLOAD_TYPE),
            sequence: self.sequence,
            timestamp: piece.timestamp,
            marker: piece.marker,
            payload: Arc::clone(piece.payload),
            carried: Carried::read(&values),
            clock: None,
            arrived_at: now,
        };
        let info = self.inspector.inspect(Received {
            codec: video_codec(&self.format),
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: &packet.payload,
            dependency_descriptor: packet.carried.dependency_descriptor(),
        });
        SharedPacket(Arc::new(Ingested { packet, info, format: self.format, primary_at: 0, trailer_len: 0 }))
    }
}

/// The send side of one connection, with a forwarder in front of each of its sections.
pub struct SendSide {
    egress: Egress,
    sections: Vec<(StreamIndex, Forwarder)>,
    out: Outbox,
}

impl SendSide {
    /// One with so many video sections that take everything. The keys are as a handshake would have left them.
    pub fn new(keys: &Keys, sections: usize, random: &mut dyn Random, now: Instant) -> Self {
        let mut egress = Egress::new("bench".to_owned(), now);
        egress.set_keys(keys);
        let port = |port| SocketAddr::from(([192, 0, 2, 1], port));
        egress.set_path(Path::udp(port(50_000), port(7882)));
        let ids = ExtensionIds {
            transport_sequence: Some(3),
            mid: Some(4),
            dependency_descriptor: Some(8),
            ..ExtensionIds::default()
        };
        let sections = (0..sections).map(|section| {
            let stream = egress.open(Mid::from(section.to_string().as_str()), Kind::Video, random);
            egress.configure(stream, ids);
            let mut forwarder = Forwarder::default();
            forwarder.set_target(Some(EVERYTHING));
            (stream, forwarder)
        });
        let sections = sections.collect();
        Self { egress, sections, out: Outbox::default() }
    }

    /// As the worker does for each packet of each subscription: chooses, numbers, writes. False when it is not sent
    /// on.
    pub fn forward(&mut self, section: usize, SharedPacket(packet): &SharedPacket, now: Instant) -> bool {
        let Some((stream, forwarder)) = self.sections.get_mut(section) else { return false };
        let format = OutFormat {
            payload_type: PAYLOAD_TYPE,
            is_unwrapped: false,
            takes_trailers: false,
            repair: Some(REPAIR_PAYLOAD_TYPE),
            clock_rate_hz: CLOCK_RATE_HZ,
        };
        let arrival = Arrival { at: packet.packet.arrived_at, clock_rate_hz: CLOCK_RATE_HZ };
        match forwarder.forward(&packet.info, self.egress.numbers(*stream), arrival) {
            Verdict::Drop => false,
            Verdict::Forward(placement) => {
                self.egress.write(*stream, packet, placement, format, now, &mut self.out);
                true
            }
        }
    }

    /// An SRTCP datagram from the client; what it asks for is sent. False when it is not authentic.
    pub fn handle_rtcp(&mut self, datagram: &[u8], now: Instant) -> bool {
        let heard = self.egress.handle_rtcp(datagram, now);
        self.egress.handle_timeout(now, &mut self.out);
        heard.is_authentic
    }

    /// Time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.egress.handle_timeout(now, &mut self.out);
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.egress.deadline()
    }

    /// What is to be sent.
    #[must_use]
    pub fn outgoing(&self) -> &Outgoing {
        &self.out.outgoing
    }

    /// That was sent.
    pub fn handle_sent(&mut self) {
        self.out.outgoing.clear();
    }

    /// Packets sent again.
    #[must_use]
    pub fn repairs(&self) -> u64 {
        self.out.counts.repairs
    }

    /// Bits per second the link is taken for.
    #[must_use]
    pub fn estimate_bps(&self) -> u64 {
        self.egress.estimate().target_bps
    }

    /// Bits per second that could be used.
    pub fn set_desired(&mut self, bps: u64) {
        self.egress.set_desired(Some(bps));
    }

    /// SSRCs of the sections, in order.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> {
        self.sections.iter().map(|(stream, _)| self.egress.ssrcs(*stream).0)
    }
}
