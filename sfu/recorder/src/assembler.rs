//! Packets in order to frames: those of one timestamp, up to the marker or to the next timestamp. What has no marker is
//! dropped where an entry follows: it may be half a picture.
//!
//! Owned by an intake. After a hole, or a frame that does not fit together, pictures wait for an entry: what comes
//! before it builds on what is missing. Sound goes on with the next packet.

use sluice_rtp::starts_keyframe;

use crate::codec::Codec;
use crate::depacketize::{Builder, Built};
use crate::reorder::PacketHead;

/// Most bytes of payload for one frame. A key frame of a shared 4K screen is 1 to 2 MB.
const MAX_FRAME_BYTES: usize = 8 << 20;

/// What comes of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Assembled {
    /// A whole frame, with the head of its first packet.
    Frame(PacketHead, Built),
    /// What came does not make frames: nothing more until an entry.
    Broken,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Assembler {
    codec: Codec,
    current: Option<Current>,
    /// Nothing is taken but an entry.
    awaits_entry: bool,
}

#[derive(Debug)]
struct Current {
    first: PacketHead,
    builder: Builder,
    bytes: usize,
}

impl Assembler {
    pub(crate) fn new(codec: Codec) -> Self {
        Self { codec, current: None, awaits_entry: codec.is_video() }
    }

    /// True while nothing is taken but an entry.
    pub(crate) fn awaits_entry(&self) -> bool {
        self.awaits_entry
    }

    /// Takes the next packet; gives up to two things, in order.
    pub(crate) fn handle(&mut self, head: PacketHead, payload: &[u8]) -> [Option<Assembled>; 2] {
        // Padding alone, which probes for bandwidth are.
        if payload.is_empty() {
            return [None, None];
        }
        // The marker of the frame before was not set, and nothing is missing.
        let is_next = self.current.as_ref().is_some_and(|current| current.first.timestamp != head.timestamp);
        let is_entry = (is_next || self.awaits_entry) && self.is_entry(payload);
        let before = match (is_next, is_entry) {
            (false, _) => None,
            (true, false) => self.finish(),
            (true, true) => self.finish_before_entry(),
        };
        if self.awaits_entry && !is_entry {
            return [before, None];
        }
        self.awaits_entry = false;
        let builder = || Builder::new(self.codec);
        let current = self.current.get_or_insert_with(|| Current { first: head, builder: builder(), bytes: 0 });
        current.bytes += payload.len();
        if current.bytes > MAX_FRAME_BYTES || current.builder.push(payload).is_err() {
            return [before, self.break_off()];
        }
        let is_whole = head.marker || self.codec == Codec::Opus;
        [before, if is_whole { self.finish() } else { None }]
    }

    /// Packets are missing here.
    pub(crate) fn handle_loss(&mut self) -> Option<Assembled> {
        self.break_off()
    }

    fn finish(&mut self) -> Option<Assembled> {
        let current = self.current.take()?;
        match current.builder.finish() {
            Ok(built) => Some(Assembled::Frame(current.first, built)),
            Err(_) => self.break_off(),
        }
    }

    /// Ends what is begun where an entry follows. Its marker did not come, so it may be half a picture: a tap breaks off where
    /// its track is muted or another encoding follows, and leaves no hole. Nothing builds on it any more: it is dropped,
    /// whole or not. Parameter sets alone are not, which the entry needs.
    fn finish_before_entry(&mut self) -> Option<Assembled> {
        let current = self.current.take()?;
        let built = current.builder.finish().ok()?;
        built.is_without_picture.then_some(Assembled::Frame(current.first, built))
    }

    fn is_entry(&self, payload: &[u8]) -> bool {
        matches!(self.codec, Codec::Video(codec) if starts_keyframe(codec, payload, None))
    }

    /// Drops what is begun. From here on only an entry helps.
    pub(crate) fn break_off(&mut self) -> Option<Assembled> {
        self.current = None;
        self.awaits_entry = self.codec.is_video();
        Some(Assembled::Broken)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

    use std::time::Instant;

    use sluice_rtp::VideoCodec;

    use super::*;

    const KEY: &[u8] = &[0x10, 0x00];
    const DELTA: &[u8] = &[0x10, 0x01];

    fn give(assembler: &mut Assembler, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<Assembled> {
        let head = PacketHead { sequence: 0, timestamp, marker, received_at: Instant::now() };
        assembler.handle(head, payload).into_iter().flatten().collect()
    }

    fn frames(assembled: &[Assembled]) -> Vec<u32> {
        assembled
            .iter()
            .map(|one| if let Assembled::Frame(head, _) = one { head.timestamp } else { u32::MAX })
            .collect()
    }

    #[test]
    fn pictures_begin_with_an_entry_and_after_a_loss_again() {
        let mut assembler = Assembler::new(Codec::Video(VideoCodec::Vp8));
        assert!(give(&mut assembler, 1, true, DELTA).is_empty());
        assert_eq!(frames(&give(&mut assembler, 2, true, KEY)), [2]);
        assert_eq!(frames(&give(&mut assembler, 3, true, DELTA)), [3]);
        assert_eq!(assembler.handle_loss(), Some(Assembled::Broken));
        assert!(give(&mut assembler, 4, true, DELTA).is_empty() && assembler.awaits_entry());
        assert_eq!(frames(&give(&mut assembler, 5, true, KEY)), [5]);
    }

    #[test]
    fn a_frame_ends_without_its_marker_where_the_next_begins() {
        let mut assembler = Assembler::new(Codec::Video(VideoCodec::Vp8));
        assert!(give(&mut assembler, 1, false, KEY).is_empty());
        assert!(give(&mut assembler, 1, false, &[0x00, 5]).is_empty());
        assert!(give(&mut assembler, 1, false, &[]).is_empty(), "padding");
        assert_eq!(frames(&give(&mut assembler, 2, true, DELTA)), [1, 2]);
    }

    #[test]
    fn half_a_picture_in_front_of_an_entry_is_no_frame() {
        // An entry, another picture, and one whose rest never comes.
        let all: [(VideoCodec, &[u8], &[u8]); 5] = [
            (VideoCodec::Vp8, KEY, DELTA),
            (VideoCodec::Vp9, &[0x0c, 0x82], &[0x48, 0x86]),
            (VideoCodec::H264, &[0x65, 0x88], &[0x61, 0x80]),
            (VideoCodec::H265, &[0x26, 1, 0xaf], &[0x02, 1, 0x80]),
            (VideoCodec::Av1, &[0x18, 0x08, 1], &[0x10, 0x30, 1]),
        ];
        for (codec, entry, half) in all {
            let mut assembler = Assembler::new(Codec::Video(codec));
            assert_eq!(frames(&give(&mut assembler, 1, true, entry)), [1], "{codec:?}");
            assert!(give(&mut assembler, 2, false, half).is_empty());
            assert_eq!(frames(&give(&mut assembler, 3, true, entry)), [3], "{codec:?}");
        }
    }

    #[test]
    fn parameter_sets_in_front_of_an_entry_stay() {
        let mut assembler = Assembler::new(Codec::Video(VideoCodec::H264));
        assert!(give(&mut assembler, 1, false, &[0x67, 1]).is_empty());
        assert_eq!(frames(&give(&mut assembler, 2, true, &[0x65, 0x88])), [1, 2]);
    }

    #[test]
    fn a_frame_that_never_ends_is_dropped() {
        let mut assembler = Assembler::new(Codec::Video(VideoCodec::Vp8));
        give(&mut assembler, 1, false, KEY);
        let payload = vec![0; 60_000];
        let broken = (0..1000).find_map(|_| give(&mut assembler, 1, false, &payload).pop());
        assert_eq!(broken, Some(Assembled::Broken));
        assert!(assembler.current.is_none());
    }

    #[test]
    fn sound_goes_on_with_the_next_packet() {
        let mut assembler = Assembler::new(Codec::Opus);
        assert_eq!(frames(&give(&mut assembler, 1, false, &[1])), [1]);
        assembler.handle_loss();
        assert_eq!(frames(&give(&mut assembler, 3, false, &[1])), [3]);
    }
}
