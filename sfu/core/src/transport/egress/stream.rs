//! One outgoing stream: a section's SSRC with its repair SSRC, what it has sent, and what its receiver says of it.
//!
//! Belongs to the section and outlives the tracks it carries. SSRCs are ours: the engine never writes on them, so no
//! nonce can be used by both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_rtp::av1::MAX_DEPENDENCY_DESCRIPTOR_LEN;
use sluice_rtp::packet::{self, Header};
use sluice_rtp::rtcp::{ReportBlock, SenderInfo};
use sluice_rtp::srtp::{OutboundStream, Reused, Sender};
use str0m::media::Mid;

use super::super::SenderClock;
use super::carried::ExtensionIds;
use super::ring::{Again, MAX_PACKETS, MAX_SOUNDS, Ring};
use crate::Kind;
use crate::allocator::LayerId;
use crate::forwarder::{OutNumbers, PacketInfo, Placement};
use crate::track::Ingested;

/// Longest padding of one packet (RFC 3550 section 5.1).
const MAX_PADDING: u8 = 255;
/// How often a receiver is told which time a timestamp means; as browsers do.
const VIDEO_REPORT_INTERVAL: Duration = Duration::from_secs(1);
const AUDIO_REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// How often it is looked whether the publisher has told its clock.
const UNKNOWN_CLOCK_INTERVAL: Duration = Duration::from_millis(100);
/// Room for everything in front of and behind a payload.
const HEADROOM: usize = 128;

/// The payload types of a format, as its subscriber numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutFormat {
    pub(crate) payload_type: u8,
    /// RED comes, and only the newest block of it goes out.
    pub(crate) is_unwrapped: bool,
    /// Its receiver takes packet trailers off frames itself.
    pub(crate) takes_trailers: bool,
    /// Of its repair packets (RFC 4588).
    pub(crate) repair: Option<u8>,
    pub(crate) clock_rate_hz: u32,
}

/// What a receiver last said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reception {
    pub(super) loss: f32,
    pub(super) jitter: Duration,
}

/// A packet as it goes out.
pub(super) struct Departure<'a> {
    pub(super) packet: &'a Ingested,
    pub(super) placement: &'a Placement,
    pub(super) format: OutFormat,
    /// Its number among all packets of the connection.
    pub(super) transport_sequence: u16,
}

/// There is no repair stream to send it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unrepaired;

impl From<Reused> for Unrepaired {
    /// The number of a repair is always a new one, until there are none left.
    fn from(Reused: Reused) -> Self {
        Self
    }
}

/// One outgoing stream.
pub(super) struct OutStream {
    pub(super) mid: Mid,
    pub(super) kind: Kind,
    ids: ExtensionIds,
    pub(super) numbers: OutNumbers,
    pub(super) ring: Ring,
    /// The highest layers worth a repair.
    pub(super) useful: Option<LayerId>,
    pub(super) reception: Option<Reception>,
    main: OutboundStream,
    repair: OutboundStream,
    repair_sequence: u64,
    /// What was sent last in.
    format: Option<OutFormat>,
    /// The receiver takes RED under this number.
    pub(super) redundancy: Option<u8>,
    /// The receiver has named our SSRC: it needs no section's name any more.
    is_known: bool,
    clock_rate_hz: u32,
    packets: u32,
    octets: u32,
    last: Option<Last>,
    report_at: Option<Instant>,
    reported: Option<(u32, Instant)>,
}

/// The last packet sent: the end of the line that a report goes on from.
#[derive(Debug, Clone, Copy)]
struct Last {
    source_timestamp: u32,
    timestamp: u32,
    arrived_at: Instant,
    clock: Option<SenderClock>,
}

impl OutStream {
    pub(super) fn new(mid: Mid, kind: Kind, ssrc: u32, repair_ssrc: u32) -> Self {
        Self {
            mid,
            kind,
            ids: ExtensionIds::default(),
            numbers: OutNumbers::default(),
            ring: Ring::new(if kind == Kind::Audio { MAX_SOUNDS } else { MAX_PACKETS }),
            useful: Some(LayerId { spatial: u8::MAX, temporal: u8::MAX }),
            reception: None,
            main: OutboundStream::new(ssrc),
            repair: OutboundStream::new(repair_ssrc),
            repair_sequence: 0,
            format: None,
            redundancy: None,
            is_known: false,
            clock_rate_hz: 90_000,
            packets: 0,
            octets: 0,
            last: None,
            report_at: None,
            reported: None,
        }
    }

    /// A section was negotiated (again). Its receiver may be a new one, which knows the section by its name only.
    pub(super) fn configure(&mut self, ids: ExtensionIds) {
        self.ids = ids;
        self.is_known = false;
    }

    /// Reads something of every part that the next packet needs.
    pub(super) fn touch(&self, next: &PacketInfo) -> impl Copy + use<> {
        (self.mid, self.ids, self.numbers.touch(next), self.main.touch(), self.packets, self.last, self.format)
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.main.ssrc()
    }

    pub(super) fn repair_ssrc(&self) -> u32 {
        self.repair.ssrc()
    }

    /// What is lost can be sent again: sound as it was, pictures where a repair stream is agreed.
    pub(super) fn can_repair(&self) -> bool {
        self.kind == Kind::Audio || self.can_pad()
    }

    /// Of its repair packets, in the format sent last.
    fn repair_payload_type(&self) -> Option<u8> {
        self.format.and_then(|format| format.repair)
    }

    /// Sound goes out in this format, and its receiver can only ask for what it misses.
    pub(super) fn is_without_redundancy(&self, format: OutFormat) -> bool {
        self.kind == Kind::Audio && self.redundancy != Some(format.payload_type)
    }

    /// There is a stream for padding.
    pub(super) fn can_pad(&self) -> bool {
        self.repair_payload_type().is_some()
    }

    /// Packets carry transport-wide numbers.
    pub(super) fn is_numbered(&self) -> bool {
        self.ids.transport_sequence.is_some()
    }

    /// Appends the packet as a protected datagram, which begins at `start`.
    pub(super) fn write(
        &mut self,
        departure: &Departure<'_>,
        crypto: &Sender,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), Reused> {
        let Departure { placement, format, .. } = departure;
        let [.., high, low] = placement.sequence.to_be_bytes();
        let header = Header {
            payload_type: format.payload_type,
            marker: placement.marker,
            sequence: u16::from_be_bytes([high, low]),
            timestamp: placement.timestamp,
            ssrc: self.main.ssrc(),
        };
        let header_len = self.write_header(buf, header, departure);
        departure.write_payload(buf);
        crypto.protect(&mut self.main, placement.sequence, buf, start, header_len)
    }

    /// Takes note of a packet sent for the first time, of the datagram it became and its transport-wide number, if the
    /// section has such.
    pub(super) fn sent(
        &mut self,
        packet: &Arc<Ingested>,
        placement: Placement,
        format: OutFormat,
        (datagram, number): (&[u8], Option<u16>),
        now: Instant,
    ) {
        let payload_len = packet.payload(format).len();
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(payload_len).unwrap_or(u32::MAX));
        self.clock_rate_hz = format.clock_rate_hz;
        if self.report_at.is_none() || placement.is_switch {
            self.report_at = Some(now);
        }
        self.last = Some(Last {
            source_timestamp: packet.packet.timestamp,
            timestamp: placement.timestamp,
            arrived_at: packet.packet.arrived_at,
            clock: packet.packet.clock,
        });
        self.format = Some(format);
        if self.kind == Kind::Audio {
            self.ring.push_copy(packet.info.layer(), placement, (datagram, number), now);
        } else if format.repair.is_some() {
            self.ring
                .push(packet.info.layer(), placement, Again::Repair(Arc::clone(packet), format), now);
        }
    }

    /// Appends a packet sent before, on the repair stream (RFC 4588 section 4). Refused where none is agreed.
    pub(super) fn write_repair(
        &mut self,
        departure: &Departure<'_>,
        crypto: &Sender,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), Unrepaired> {
        let Departure { placement, format, .. } = departure;
        let header = self.repair_header(format.repair.ok_or(Unrepaired)?, placement.marker, placement.timestamp);
        let header_len = self.write_header(buf, header, departure);
        buf.extend_from_slice(&placement.sequence.to_be_bytes()[6..]);
        departure.write_payload(buf);
        Ok(crypto.protect(&mut self.repair, self.repair_sequence, buf, start, header_len)?)
    }

    /// Appends a packet of nothing but padding on the repair stream. Refused before anything was sent.
    pub(super) fn write_padding(
        &mut self,
        transport_sequence: u16,
        crypto: &Sender,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), Unrepaired> {
        let timestamp = self.last.ok_or(Unrepaired)?.timestamp;
        let header = self.repair_header(self.repair_payload_type().ok_or(Unrepaired)?, false, timestamp);
        let number = transport_sequence.to_be_bytes();
        let mut elements = Vec::with_capacity(2);
        elements.extend(self.ids.transport_sequence.map(|id| (id, number.as_slice())));
        elements.extend(self.ids.mid.map(|id| (id, self.mid.as_bytes())));
        let header_len = packet::write_header(buf, &header, &elements);
        packet::write_padding(buf, start, MAX_PADDING);
        Ok(crypto.protect(&mut self.repair, self.repair_sequence, buf, start, header_len)?)
    }

    fn repair_header(&mut self, payload_type: u8, marker: bool, timestamp: u32) -> Header {
        self.repair_sequence += 1;
        let [.., high, low] = self.repair_sequence.to_be_bytes();
        let sequence = u16::from_be_bytes([high, low]);
        Header { payload_type, marker, sequence, timestamp, ssrc: self.repair.ssrc() }
    }

    fn write_header(&self, buf: &mut Vec<u8>, header: Header, departure: &Departure<'_>) -> usize {
        let Departure { packet, placement, transport_sequence, .. } = departure;
        buf.reserve(packet.packet.payload.len() + HEADROOM);
        let number = transport_sequence.to_be_bytes();
        let mut descriptor = [0; MAX_DEPENDENCY_DESCRIPTOR_LEN];
        // All there can be; the stack holds them.
        let mut elements: [(u8, &[u8]); 7] = [(0, &[]); 7];
        let of_ours = [
            self.ids.transport_sequence.map(|id| (id, number.as_slice())),
            self.ids.mid.filter(|_| !self.is_known).map(|id| (id, self.mid.as_bytes())),
            self.ids.dependency_descriptor.and_then(|id| {
                let raw = packet.packet.carried.dependency_descriptor()?;
                descriptor.get_mut(..raw.len())?.copy_from_slice(raw);
                let len = packet.info.patch_dependency(
                    &mut descriptor,
                    raw.len(),
                    placement.frame_number,
                    placement.active_targets,
                )?;
                Some((id, descriptor.get(..len)?))
            }),
        ];
        let all = of_ours.into_iter().flatten().chain(packet.packet.carried.elements(&self.ids));
        let count = elements.iter_mut().zip(all).map(|(place, element)| *place = element).count();
        packet::write_header(buf, &header, &elements[..count])
    }

    /// A receiver report about this stream. The round trip, when it tells one.
    pub(super) fn handle_report(&mut self, block: &ReportBlock, now: Instant) -> Option<Duration> {
        self.is_known = true;
        let jitter = Duration::from_secs(u64::from(block.jitter)) / self.clock_rate_hz.max(1);
        self.reception = Some(Reception { loss: f32::from(block.fraction_lost) / 256.0, jitter });
        let (middle, at) = self.reported?;
        if block.last_sr != middle {
            return None;
        }
        let held = Duration::from_micros(u64::from(block.delay_since_last_sr) * 1_000_000 / 65_536);
        now.saturating_duration_since(at).checked_sub(held)
    }

    pub(super) fn report_at(&self) -> Option<Instant> {
        self.report_at
    }

    /// What to tell the receiver now: a wall clock time of the publisher and the timestamp it stands for. Both are on
    /// the publisher's own line, so its sound and its pictures stay together whatever the way here took.
    pub(super) fn poll_report(&mut self, now: Instant) -> Option<SenderInfo> {
        self.report_at.take_if(|at| *at <= now)?;
        let interval = if self.kind == Kind::Video { VIDEO_REPORT_INTERVAL } else { AUDIO_REPORT_INTERVAL };
        self.report_at = Some(now + interval);
        let last = self.last?;
        let elapsed = now.saturating_duration_since(last.arrived_at);
        if elapsed > 2 * interval {
            // Nothing to keep in sync; what is sent next begins anew.
            self.report_at = None;
            return None;
        }
        let Some(clock) = last.clock else {
            // Its publisher has not said yet.
            self.report_at = Some(now + UNKNOWN_CLOCK_INTERVAL);
            return None;
        };
        let ticks = elapsed.as_micros() * u128::from(self.clock_rate_hz) / 1_000_000;
        let rtp = last.timestamp.wrapping_add(u32::try_from(ticks).unwrap_or(0));
        let behind = i64::from(last.source_timestamp.wrapping_sub(clock.rtp).cast_signed());
        let captured = (i128::from(behind) << 32) / i128::from(self.clock_rate_hz.max(1));
        let waited = (elapsed.as_nanos() << 32) / 1_000_000_000;
        let offset = captured + i128::try_from(waited).unwrap_or(0);
        let ntp = clock.ntp.wrapping_add_signed(i64::try_from(offset).unwrap_or(0));
        self.reported = u32::try_from(ntp >> 16 & 0xffff_ffff).ok().map(|middle| (middle, now));
        Some(SenderInfo { ntp, rtp, packets: self.packets, octets: self.octets })
    }
}

impl Departure<'_> {
    /// Appends what goes out of the packet, with the numbers its place in the outgoing stream gives it.
    fn write_payload(&self, buf: &mut Vec<u8>) {
        let begin = buf.len();
        self.packet.write_payload(self.format, buf);
        let Placement { picture_id, tl0_pic_idx, .. } = *self.placement;
        self.packet.info.descriptor.patch(&mut buf[begin..], picture_id, tl0_pic_idx);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use sluice_rtp::VideoCodec;
    use sluice_rtp::dependency_descriptor::{DecodeTarget, Descriptor, Dtis, Structure, Template};
    use sluice_rtp::srtp::{Keys, Profile};
    use str0m::format::{Codec, CodecSpec, FormatParams, PayloadParams};
    use str0m::media::{Frequency, Pt};
    use str0m::rtp::ExtensionValues;

    use super::super::super::{Packet, RawDependencyDescriptor};
    use super::super::Carried;
    use super::*;
    use crate::forwarder::{Arrival, Forwarder, Inspector, Received, Verdict};

    const DESCRIPTOR_ID: u8 = 8;

    /// The first packet of an L1T2 stream.
    fn key_frame(now: Instant) -> Ingested {
        let template = |temporal_id, dtis: &[DecodeTarget]| Template {
            temporal_id,
            dtis: dtis.iter().copied().collect(),
            ..Template::default()
        };
        let (base, top) = (&[DecodeTarget::Switch; 2], &[DecodeTarget::NotPresent, DecodeTarget::Discardable]);
        let structure = Structure::new(0, &[template(0, base), template(1, top)], &[], &[]).unwrap();
        let descriptor = Descriptor {
            start_of_frame: true,
            end_of_frame: true,
            template_id: 0,
            frame_number: 1,
            spatial_id: 0,
            temporal_id: 0,
            dtis: Dtis::from_iter(*base),
            frame_diffs: Default::default(),
            chain_diffs: Default::default(),
            active_decode_targets: Some(0b11),
            structure: Some(structure),
        };
        let mut bytes = Vec::new();
        descriptor.write(None, &mut bytes).unwrap();
        let mut values = ExtensionValues::default();
        values.user_values.set(RawDependencyDescriptor(bytes.into()));
        let packet = Packet {
            mid: Mid::from("0"),
            rid: None,
            payload_type: Pt::from(96),
            sequence: 1,
            timestamp: 0,
            marker: true,
            payload: Arc::from([0x10, 0xff]),
            carried: Carried::read(&values),
            clock: None,
            arrived_at: now,
        };
        let info = Inspector::default().inspect(Received {
            codec: Some(VideoCodec::Av1),
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: &packet.payload,
            dependency_descriptor: packet.carried.dependency_descriptor(),
        });
        let clock_rate = Frequency::NINETY_KHZ;
        let spec = CodecSpec { codec: Codec::Av1, clock_rate, channels: None, format: FormatParams::default() };
        let format = PayloadParams::new(Pt::from(96), Some(Pt::from(97)), spec);
        Ingested { packet, info, format, primary_at: 0, trailer_len: 0 }
    }

    #[test]
    fn a_repair_tells_of_decode_targets_what_the_packet_told() {
        #[expect(clippy::disallowed_methods, reason = "a test needs a first instant")]
        let now = Instant::now();
        let profile = Profile::AeadAes128Gcm;
        let material = vec![7; profile.keying_material_len()];
        let crypto = Sender::new(&Keys::from_keying_material(profile, &material, false).unwrap());
        let ids = ExtensionIds { dependency_descriptor: Some(DESCRIPTOR_ID), ..ExtensionIds::default() };
        let mut stream = OutStream::new(Mid::from("0"), Kind::Video, 1, 2);
        stream.configure(ids);
        let packet = key_frame(now);
        let mut forwarder = Forwarder::new(false);
        forwarder.set_target(Some(LayerId { spatial: 0, temporal: 0 }));
        let arrival = Arrival { at: now, clock_rate_hz: 90_000 };
        let Verdict::Forward(placement) = forwarder.forward(&packet.info, &mut stream.numbers, arrival) else {
            unreachable!("a stream begins with its key frame");
        };
        let format = OutFormat {
            payload_type: 96,
            is_unwrapped: false,
            takes_trailers: false,
            repair: Some(97),
            clock_rate_hz: 90_000,
        };
        let mut departure = Departure { packet: &packet, placement: &placement, format, transport_sequence: 1 };
        let (mut first, mut repair) = (Vec::new(), Vec::new());
        stream.write(&departure, &crypto, &mut first, 0).unwrap();
        departure.transport_sequence = 2;
        stream.write_repair(&departure, &crypto, &mut repair, 0).unwrap();
        let told = |datagram: &[u8]| {
            let mut extensions = packet::Packet::parse(datagram).unwrap().extensions();
            extensions.find(|(id, _)| *id == DESCRIPTOR_ID).unwrap().1.to_vec()
        };
        assert_eq!(told(&first), told(&repair));
        assert_eq!(Descriptor::parse(&told(&repair), None).unwrap().active_decode_targets, Some(0b01));
    }
}
