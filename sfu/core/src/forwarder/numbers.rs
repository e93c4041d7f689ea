//! Where packets go in an outgoing stream: every counter a receiver follows, over changes of what is forwarded.
//!
//! Belongs to the media section, whose SSRC it is, and outlives the tracks it carries and their forwarders. Knows
//! what is forwarded and what is left out; why is the forwarder's.
//!
//! What is left out closes up in sequence numbers, and in picture ids of VP8, whose receivers wait for a picture
//! that is missing. It leaves its hole in picture ids of VP9 and in frame numbers of the dependency descriptor:
//! references there are distances between numbers (RFC 9628 section 4.2: `P_DIFF`, and places in the group of
//! pictures; AV1 RTP payload specification, appendix A: `frame_diff`), which closing up would falsify.

use std::time::Instant;

use sluice_rtp::{Renumber, StreamRewriter, VideoCodec};

use super::packet::{PacketInfo, Picture};

/// Pictures a late packet may be behind.
const PICTURES: usize = 128;
/// The same in frames, of which a picture has one for each spatial layer.
const FRAMES: usize = 256;

/// When a packet came, and how fast its clock runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    pub(crate) clock_rate_hz: u32,
}

/// A packet's place in its outgoing stream: what is to be written over its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Extended.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// For the payload descriptor of VP8 and VP9; `None` where it has no such field.
    pub(crate) picture_id: Option<u16>,
    pub(crate) tl0_pic_idx: Option<u8>,
    /// For the dependency descriptor.
    pub(crate) frame_number: Option<u16>,
    /// Decode targets that go out, for the dependency descriptor of a packet that tells; `None` leaves it as it is.
    pub(crate) active_targets: Option<u32>,
    /// The first packet of another source: another layer or track, or after a pause.
    pub(crate) is_switch: bool,
}

/// The counters of one outgoing stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct OutNumbers {
    stream: StreamRewriter,
    pictures: Renumber<PICTURES>,
    frames: Renumber<FRAMES>,
    tl0_offset: u8,
    last_tl0: Option<u8>,
    last_picture: Option<LastPicture>,
}

/// When the newest picture sent began to come in. The time to the next source's first packet is counted from
/// there: the last packet of a large picture comes well after its first.
#[derive(Debug, Clone, Copy)]
struct LastPicture {
    timestamp: u32,
    began_at: Instant,
}

impl OutNumbers {
    /// Reads something of every part that placing a packet needs.
    pub(crate) fn touch(&self, next: &PacketInfo) -> impl Copy + use<> {
        let pictures = next.picture.number.map(|number| self.pictures.touch(number));
        let frames = next.frame_number.map(|number| self.frames.touch(number));
        (self.stream.touch(next.sequence), pictures, frames, self.last_picture)
    }

    /// The packet begins another source.
    pub(super) fn switch(&mut self, packet: &PacketInfo, arrival: Arrival) {
        let elapsed = self.last_picture.map_or(0, |last| {
            let micros = arrival.at.saturating_duration_since(last.began_at).as_micros();
            u32::try_from(micros * u128::from(arrival.clock_rate_hz) / 1_000_000).unwrap_or(u32::MAX)
        });
        self.stream.switch(packet.sequence, packet.timestamp, elapsed);
        begin(&mut self.pictures, packet.picture.number);
        begin(&mut self.frames, packet.frame_number);
        if let (Some(last), Some(next)) = (self.last_tl0, packet.picture.tl0_pic_idx) {
            self.tl0_offset = last.wrapping_add(1).wrapping_sub(next);
        }
    }

    /// The packet is forwarded. `None` when it came too late, or was here before.
    pub(super) fn place(&mut self, packet: &PacketInfo, arrival: Arrival) -> Option<Placement> {
        let picture_id = follow(&mut self.pictures, packet.picture.number)?;
        let frame_number = follow(&mut self.frames, packet.frame_number)?;
        let place = self.stream.forward(packet.sequence, packet.timestamp)?;
        if self.stream.last() == Some(place) && self.last_picture.is_none_or(|last| last.timestamp != place.timestamp) {
            self.last_picture = Some(LastPicture { timestamp: place.timestamp, began_at: arrival.at });
        }
        Some(Placement {
            sequence: place.sequence,
            timestamp: place.timestamp,
            marker: packet.marker,
            picture_id: picture_id.map(|number| low_bits(number, if packet.picture.is_long { 15 } else { 7 })),
            tl0_pic_idx: self.place_tl0(packet.picture),
            frame_number: frame_number.map(|number| low_bits(number, 16)),
            active_targets: None,
            is_switch: false,
        })
    }

    /// The packet belongs to the source, and is left out.
    pub(super) fn leave_out(&mut self, packet: &PacketInfo) {
        self.stream.drop(packet.sequence);
    }

    /// So is all of its picture.
    pub(super) fn leave_out_picture(&mut self, packet: &PacketInfo) {
        if let Some(number) = packet.picture.number.filter(|_| packet.codec == Some(VideoCodec::Vp8)) {
            self.pictures.drop(number);
        }
    }

    fn place_tl0(&mut self, picture: Picture) -> Option<u8> {
        let out = picture.tl0_pic_idx?.wrapping_add(self.tl0_offset);
        // A late packet must not pull the line back.
        if self.last_tl0.is_none_or(|last| out.wrapping_sub(last) < 0x80) {
            self.last_tl0 = Some(out);
        }
        Some(out)
    }
}

/// Another source counts from `first`, or does not count.
fn begin<const WINDOW: usize>(line: &mut Renumber<WINDOW>, first: Option<u64>) {
    match first {
        // The first source keeps its own numbers: a capture of both sides reads the same.
        Some(first) => line.switch(first, first),
        None => line.end(),
    }
}

/// `None` when the packet cannot be placed; `Some(None)` when there is nothing to place.
fn follow<const WINDOW: usize>(line: &mut Renumber<WINDOW>, number: Option<u64>) -> Option<Option<u64>> {
    let Some(number) = number else { return Some(None) };
    if !line.has_source() {
        // The source began without numbers: its first packet had no descriptor, or another codec.
        begin(line, Some(number));
    }
    line.forward(number).map(|number| Some(number.value))
}

fn low_bits(number: u64, bits: u32) -> u16 {
    // Sixteen bits at most are left.
    u16::try_from(number & ((1 << bits) - 1)).unwrap_or(0)
}
