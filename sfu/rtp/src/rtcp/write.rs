//! Writers, each appending one packet to a buffer. Several in a row are a compound packet.

use super::report::{BLOCK_LEN, ReportBlock, SenderInfo};
use super::transport_feedback::{Arrival, DELTA_MICROS, Status};
use super::{
    APPLICATION_LAYER, FIR, GOODBYE, NACK, PAYLOAD_SPECIFIC, PLI, RECEIVER_REPORT, SENDER_REPORT, SOURCE_DESCRIPTION,
    TRANSPORT_LAYER, TRANSPORT_WIDE,
};

/// Most blocks in one report: the count has five bits. More are left out.
pub const MAX_REPORTS: usize = 31;

/// Longest canonical name, in bytes: its length has eight bits. What is longer is cut.
pub const MAX_CNAME_LEN: usize = 255;

/// SDES item type of the canonical name.
const CNAME: u8 = 1;

/// Most arrivals in one feedback packet: with two bytes each for status and delta it still fits a datagram.
const MAX_ARRIVALS: usize = 4096;

/// A sender report (RFC 3550 section 6.4.1) of at most [`MAX_REPORTS`] blocks.
pub fn write_sender_report(buf: &mut Vec<u8>, ssrc: u32, info: SenderInfo, reports: &[ReportBlock]) {
    let (count, reports) = counted(reports);
    framed(buf, count, SENDER_REPORT, |buf| {
        buf.extend(ssrc.to_be_bytes());
        buf.extend(info.ntp.to_be_bytes());
        buf.extend([info.rtp, info.packets, info.octets].iter().flat_map(|word| word.to_be_bytes()));
        reports.iter().for_each(|report| report.write(buf));
    });
}

/// A receiver report (RFC 3550 section 6.4.2) of at most [`MAX_REPORTS`] blocks.
pub fn write_receiver_report(buf: &mut Vec<u8>, ssrc: u32, reports: &[ReportBlock]) {
    let (count, reports) = counted(reports);
    framed(buf, count, RECEIVER_REPORT, |buf| {
        buf.reserve(4 + BLOCK_LEN * reports.len());
        buf.extend(ssrc.to_be_bytes());
        reports.iter().for_each(|report| report.write(buf));
    });
}

/// A source description (RFC 3550 section 6.5) of one source and its canonical name.
pub fn write_sdes_cname(buf: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let name = &cname.as_bytes()[..cname.floor_char_boundary(MAX_CNAME_LEN)];
    framed(buf, 1, SOURCE_DESCRIPTION, |buf| {
        buf.extend(ssrc.to_be_bytes());
        buf.extend([CNAME, u8::try_from(name.len()).unwrap_or(u8::MAX)]);
        buf.extend(name);
        // At least one zero ends the list of items; then up to the next word.
        buf.extend(std::iter::repeat_n(0, 4 - (name.len() + 2) % 4));
    });
}

/// A BYE (RFC 3550 section 6.6) of one source.
pub fn write_bye(buf: &mut Vec<u8>, ssrc: u32) {
    framed(buf, 1, GOODBYE, |buf| buf.extend(ssrc.to_be_bytes()));
}

/// A generic NACK (RFC 4585 section 6.2.1). Numbers that rise are packed best; the order is kept. Nothing is
/// written when `lost` is empty.
pub fn write_nack(buf: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32, lost: impl IntoIterator<Item = u16>) {
    let mut lost = lost.into_iter().peekable();
    if lost.peek().is_none() {
        return;
    }
    feedback(buf, TRANSPORT_LAYER, NACK, sender_ssrc, media_ssrc, |buf| {
        while let Some(first) = lost.next() {
            let mut following = 0u16;
            let mut ahead = 0;
            while let Some(next) = lost.next_if(|next| (ahead + 1..=16).contains(&next.wrapping_sub(first))) {
                ahead = next.wrapping_sub(first);
                following |= 1 << (ahead - 1);
            }
            buf.extend(first.to_be_bytes());
            buf.extend(following.to_be_bytes());
        }
    });
}

/// A picture loss indication (RFC 4585 section 6.3.1).
pub fn write_pli(buf: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32) {
    feedback(buf, PAYLOAD_SPECIFIC, PLI, sender_ssrc, media_ssrc, |_| {});
}

/// A full intra request (RFC 5104 section 4.3.1.1) to one stream; `command` counts up with every new request.
pub fn write_fir(buf: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32, command: u8) {
    feedback(buf, PAYLOAD_SPECIFIC, FIR, sender_ssrc, 0, |buf| {
        buf.extend(media_ssrc.to_be_bytes());
        buf.extend([command, 0, 0, 0]);
    });
}

/// A receiver estimated maximum bitrate. Rounded down to what 18 bits of mantissa can say; 255 streams at most.
pub fn write_remb(buf: &mut Vec<u8>, sender_ssrc: u32, bitrate_bps: u64, ssrcs: &[u32]) {
    let count = u8::try_from(ssrcs.len()).unwrap_or(u8::MAX);
    let exponent = 46u32.saturating_sub(bitrate_bps.leading_zeros());
    let mantissa = u32::try_from(bitrate_bps >> exponent).unwrap_or_default();
    feedback(buf, PAYLOAD_SPECIFIC, APPLICATION_LAYER, sender_ssrc, 0, |buf| {
        buf.extend(b"REMB");
        buf.extend((u32::from(count) << 24 | exponent << 18 | mantissa).to_be_bytes());
        buf.extend(ssrcs[..usize::from(count)].iter().flat_map(|ssrc| ssrc.to_be_bytes()));
    });
}

/// Transport-wide feedback: what a receiver would say of `arrivals`, whose sequence numbers rise by one and of
/// which the first 4096 are told. Times are cut to steps of 250 us; one more than 8 s from the one before counts as
/// not received. Nothing is written when there are no arrivals.
pub fn write_transport_feedback(
    buf: &mut Vec<u8>,
    sender_ssrc: u32,
    media_ssrc: u32,
    feedback_count: u8,
    arrivals: &[Arrival],
) {
    let arrivals = &arrivals[..arrivals.len().min(MAX_ARRIVALS)];
    let Some(first) = arrivals.first() else { return };
    let earliest = arrivals.iter().find_map(|arrival| arrival.at).unwrap_or_default();
    let reference_time = earliest.div_euclid(64_000);
    let mut at = reference_time * 64_000 / DELTA_MICROS;
    let mut deltas = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        let ticks = arrival.at.map(|micros| micros.div_euclid(DELTA_MICROS));
        let delta = ticks.and_then(|ticks| i16::try_from(ticks - at).ok());
        at += delta.map_or(0, i64::from);
        deltas.push(delta);
    }
    let packet_count = u16::try_from(deltas.len()).unwrap_or(u16::MAX);
    // 24 bits on the wire: what is above is cut off, as a clock wraps.
    let [.., a, b, c] = reference_time.to_be_bytes();
    let start = buf.len();
    framed(buf, TRANSPORT_WIDE, TRANSPORT_LAYER, |buf| {
        buf.extend(sender_ssrc.to_be_bytes());
        buf.extend(media_ssrc.to_be_bytes());
        buf.extend(first.sequence.to_be_bytes());
        buf.extend(packet_count.to_be_bytes());
        buf.extend([a, b, c, feedback_count]);
        write_chunks(buf, &deltas);
        for delta in deltas.iter().flatten() {
            match u8::try_from(*delta) {
                Ok(small) => buf.push(small),
                Err(_) => buf.extend(delta.to_be_bytes()),
            }
        }
        let unaligned = (buf.len() - start) % 4;
        buf.extend(std::iter::repeat_n(0, (4 - unaligned) % 4));
    });
}

/// Status chunks: a run where at least seven are equal, else seven statuses of two bits.
fn write_chunks(buf: &mut Vec<u8>, deltas: &[Option<i16>]) {
    let status = |delta: &Option<i16>| match delta {
        None => Status::NotReceived,
        Some(0..=255) => Status::SmallDelta,
        Some(_) => Status::LargeDelta,
    };
    let bits = |status: Status| match status {
        Status::NotReceived => 0u16,
        Status::SmallDelta => 1,
        Status::LargeDelta => 2,
    };
    let mut rest = deltas;
    while let Some(first) = rest.first().map(status) {
        let run = rest.iter().take_while(|delta| status(delta) == first).take(0x1fff).count();
        let (chunk, len) = if run >= 7 {
            (bits(first) << 13 | u16::try_from(run).unwrap_or_default(), run)
        } else {
            let len = rest.len().min(7);
            let places = (0..7u32).rev();
            let chunk = rest[..len]
                .iter()
                .zip(places)
                .fold(0b11 << 14, |chunk, (delta, place)| chunk | bits(status(delta)) << (2 * place));
            (chunk, len)
        };
        buf.extend(chunk.to_be_bytes());
        rest = &rest[len..];
    }
}

/// A feedback packet (RFC 4585 section 6.1).
fn feedback(
    buf: &mut Vec<u8>,
    packet_type: u8,
    format: u8,
    sender_ssrc: u32,
    media_ssrc: u32,
    body: impl FnOnce(&mut Vec<u8>),
) {
    framed(buf, format, packet_type, |buf| {
        buf.extend(sender_ssrc.to_be_bytes());
        buf.extend(media_ssrc.to_be_bytes());
        body(buf);
    });
}

/// Header, body, and then the length that the body turned out to have.
fn framed(buf: &mut Vec<u8>, count: u8, packet_type: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = buf.len();
    buf.extend([0x80 | count, packet_type, 0, 0]);
    body(buf);
    let words = u16::try_from((buf.len() - start) / 4 - 1).unwrap_or(u16::MAX);
    buf[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn counted(reports: &[ReportBlock]) -> (u8, &[ReportBlock]) {
    let reports = &reports[..reports.len().min(MAX_REPORTS)];
    (u8::try_from(reports.len()).unwrap_or_default(), reports)
}
