//! The packets inside a compound packet.

use super::feedback::{FirTargets, Lost, Remb};
use super::report::{Reports, SenderInfo};
use super::transport_feedback::TransportFeedback;
use super::{
    APPLICATION_LAYER, FIR, GOODBYE, NACK, PAYLOAD_SPECIFIC, PLI, RECEIVER_REPORT, SENDER_REPORT, SOURCE_DESCRIPTION,
    TRANSPORT_LAYER, TRANSPORT_WIDE, word,
};

/// One RTCP packet. Sender SSRCs of feedback are left out: browsers put there what they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rtcp<'a> {
    /// RFC 3550 section 6.4.1.
    SenderReport {
        /// Who sends the media.
        ssrc: u32,
        /// Its clocks and counts.
        info: SenderInfo,
        /// What it receives itself.
        reports: Reports<'a>,
    },
    /// RFC 3550 section 6.4.2.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// What it receives.
        reports: Reports<'a>,
    },
    /// Source description (RFC 3550 section 6.5).
    Sdes,
    /// RFC 3550 section 6.6.
    Bye,
    /// Generic NACK (RFC 4585 section 6.2.1).
    Nack {
        /// The stream with the loss.
        media_ssrc: u32,
        /// Sequence numbers asked for again.
        lost: Lost<'a>,
    },
    /// Picture loss indication (RFC 4585 section 6.3.1).
    Pli {
        /// The stream that needs a key frame.
        media_ssrc: u32,
    },
    /// Full intra request (RFC 5104 section 4.3.1).
    Fir {
        /// Streams that need a key frame.
        targets: FirTargets<'a>,
    },
    /// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03).
    Remb(Remb<'a>),
    /// Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportFeedback(TransportFeedback<'a>),
    /// A well-formed packet of a kind not read here, extended reports for one.
    Other {
        /// RTCP packet type.
        packet_type: u8,
    },
}

/// The packets of a compound or reduced-size packet, in order. What is not known is [`Rtcp::Other`]; what is known
/// and malformed is left out; where the framing itself is broken the walk ends.
pub fn packets(compound: &[u8]) -> impl Iterator<Item = Rtcp<'_>> {
    let mut rest = compound;
    std::iter::from_fn(move || {
        let (packet, after) = split(rest)?;
        rest = after;
        Some(packet)
    })
    .filter_map(|packet| packet.read())
}

/// One packet in its frame, padding taken off.
struct Framed<'a> {
    /// Count or format: the low five bits of the first byte.
    count: u8,
    packet_type: u8,
    body: &'a [u8],
}

/// The first packet and what follows. `None` at the end, or when the frame makes no sense.
fn split(bytes: &[u8]) -> Option<(Framed<'_>, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<4>()?;
    if header[0] >> 6 != 2 {
        return None;
    }
    let len = 4 * usize::from(u16::from_be_bytes([header[2], header[3]]));
    let (mut body, after) = rest.split_at_checked(len)?;
    if header[0] & 0x20 != 0 {
        let padding = usize::from(*body.last()?);
        if padding == 0 {
            return None;
        }
        body = body.get(..len.checked_sub(padding)?)?;
    }
    Some((Framed { count: header[0] & 0x1f, packet_type: header[1], body }, after))
}

impl<'a> Framed<'a> {
    fn read(&self) -> Option<Rtcp<'a>> {
        let body = self.body;
        Some(match (self.packet_type, self.count) {
            (SENDER_REPORT, count) => Rtcp::SenderReport {
                ssrc: word(body, 0)?,
                info: SenderInfo::parse(body.get(4..)?)?,
                reports: Reports::parse(body.get(24..)?, count)?,
            },
            (RECEIVER_REPORT, count) => {
                Rtcp::ReceiverReport { ssrc: word(body, 0)?, reports: Reports::parse(body.get(4..)?, count)? }
            }
            (SOURCE_DESCRIPTION, _) => Rtcp::Sdes,
            (GOODBYE, _) => Rtcp::Bye,
            (TRANSPORT_LAYER, NACK) => Rtcp::Nack { media_ssrc: word(body, 4)?, lost: Lost::parse(body.get(8..)?)? },
            (TRANSPORT_LAYER, TRANSPORT_WIDE) => Rtcp::TransportFeedback(TransportFeedback::parse(body.get(8..)?)?),
            (PAYLOAD_SPECIFIC, PLI) => Rtcp::Pli { media_ssrc: word(body, 4)? },
            (PAYLOAD_SPECIFIC, FIR) => Rtcp::Fir { targets: FirTargets::parse(body.get(8..)?)? },
            (PAYLOAD_SPECIFIC, APPLICATION_LAYER) => match Remb::parse(body.get(8..)?) {
                Some(remb) => Rtcp::Remb(remb),
                None => Rtcp::Other { packet_type: self.packet_type },
            },
            (packet_type, _) => Rtcp::Other { packet_type },
        })
    }
}
