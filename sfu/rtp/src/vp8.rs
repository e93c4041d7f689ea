//! VP8 payload descriptor (RFC 7741 section 4.2) and its rewriting.
//!
//! A receiver follows picture ids and TL0PICIDX; when a forwarder changes the encoding it forwards, both
//! must go on where they stood. [`PictureIdRewriter`] keeps that promise.

/// The fields of a payload descriptor that a forwarder looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// S bit with partition 0: the first packet of a frame.
    pub starts_frame: bool,
    /// Picture id and whether it is the 15 bit form.
    pub picture_id: Option<PictureId>,
    /// Temporal level zero index.
    pub tl0_pic_idx: Option<u8>,
    /// Temporal layer.
    pub temporal_layer: Option<u8>,
    /// Y bit: the frame depends only on the base temporal layer.
    pub layer_sync: bool,
    /// Bytes before the VP8 frame data.
    pub len: usize,
}

/// A picture id as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureId {
    /// Its value: 7 or 15 bits.
    pub value: u16,
    /// True for the 15 bit form.
    pub is_long: bool,
}

impl Descriptor {
    /// Reads the descriptor at the start of an RTP payload. `None` when it is cut short or leaves no frame
    /// data behind it.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut at = 1;
        let mut next = || {
            let byte = payload.get(at).copied();
            at += 1;
            byte
        };
        let mut descriptor = Self {
            starts_frame: first & 0x17 == 0x10,
            picture_id: None,
            tl0_pic_idx: None,
            temporal_layer: None,
            layer_sync: false,
            len: 0,
        };
        if first & 0x80 != 0 {
            let extension = next()?;
            if extension & 0x80 != 0 {
                let high = next()?;
                descriptor.picture_id = Some(if high & 0x80 != 0 {
                    PictureId { value: u16::from(high & 0x7f) << 8 | u16::from(next()?), is_long: true }
                } else {
                    PictureId { value: u16::from(high), is_long: false }
                });
            }
            if extension & 0x40 != 0 {
                descriptor.tl0_pic_idx = Some(next()?);
            }
            if extension & 0x30 != 0 {
                let tk = next()?;
                if extension & 0x20 != 0 {
                    descriptor.temporal_layer = Some(tk >> 6);
                    descriptor.layer_sync = tk & 0x20 != 0;
                }
            }
        }
        descriptor.len = at;
        (at < payload.len()).then_some(descriptor)
    }

    /// True when the payload is the first packet of a key frame (the P bit of RFC 6386 section 9.1 is clear).
    #[must_use]
    pub fn starts_keyframe(&self, payload: &[u8]) -> bool {
        self.starts_frame && payload.get(self.len).is_some_and(|frame| frame & 0x01 == 0)
    }
}

/// Keeps picture ids and TL0PICIDX continuous over changes of the forwarded encoding.
#[derive(Debug, Clone, Default)]
pub struct PictureIdRewriter {
    picture_offset: u16,
    tl0_offset: u8,
    last_picture: Option<u16>,
    last_tl0: Option<u8>,
}

impl PictureIdRewriter {
    /// The next packet begins another encoding: line its ids up behind the last ones sent.
    pub fn switch(&mut self, to: &Descriptor) {
        if let (Some(last), Some(next)) = (self.last_picture, to.picture_id) {
            self.picture_offset = last.wrapping_add(1).wrapping_sub(next.value);
        }
        if let (Some(last), Some(next)) = (self.last_tl0, to.tl0_pic_idx) {
            self.tl0_offset = last.wrapping_add(1).wrapping_sub(next);
        }
    }

    /// Picture id and TL0PICIDX to write in place of the descriptor's. Both keep the width they came in.
    pub fn rewrite(&mut self, descriptor: &Descriptor) -> (Option<u16>, Option<u8>) {
        let picture = descriptor.picture_id.map(|id| {
            let mask = if id.is_long { 0x7fff } else { 0x7f };
            let out = id.value.wrapping_add(self.picture_offset) & mask;
            // A late packet of an older picture must not pull the line back.
            let newer = self.last_picture.is_none_or(|last| {
                let ahead = out.wrapping_sub(last) & mask;
                ahead <= mask / 2
            });
            if newer {
                self.last_picture = Some(out);
            }
            out
        });
        let tl0 = descriptor.tl0_pic_idx.map(|idx| {
            let out = idx.wrapping_add(self.tl0_offset);
            if self.last_tl0.is_none_or(|last| out.wrapping_sub(last) < 0x80) {
                self.last_tl0 = Some(out);
            }
            out
        });
        (picture, tl0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn long(id: u16, tl0: u8) -> Vec<u8> {
        let [high, low] = (id | 0x8000).to_be_bytes();
        vec![0x90, 0xe0, high, low, tl0, 0x00, 0x00, 0x11]
    }

    #[test]
    fn reads_all_fields_of_a_full_descriptor() {
        let payload = [0x90, 0xf0, 0x92, 0x34, 0x56, 0x60, 0x00];
        let d = Descriptor::parse(&payload).unwrap();
        assert_eq!(d.picture_id, Some(PictureId { value: 0x1234, is_long: true }));
        assert_eq!((d.tl0_pic_idx, d.temporal_layer, d.layer_sync), (Some(0x56), Some(1), true));
        assert_eq!(d.len, 6);
        assert!(d.starts_keyframe(&payload));
    }

    #[test]
    fn a_later_partition_or_a_delta_frame_is_no_entry() {
        let mut delta = long(1, 0);
        delta[6] = 0x01;
        assert!(!Descriptor::parse(&delta).unwrap().starts_keyframe(&delta));
        let mut continued = long(1, 0);
        continued[0] = 0x80;
        assert!(!Descriptor::parse(&continued).unwrap().starts_keyframe(&continued));
    }

    #[test]
    fn ids_go_on_after_a_switch_and_wrap() {
        let mut rewriter = PictureIdRewriter::default();
        let at = |id, tl0| Descriptor::parse(&long(id, tl0)).unwrap();
        assert_eq!(rewriter.rewrite(&at(0x7ffe, 254)), (Some(0x7ffe), Some(254)));
        rewriter.switch(&at(20, 7));
        assert_eq!(rewriter.rewrite(&at(20, 7)), (Some(0x7fff), Some(255)));
        assert_eq!(rewriter.rewrite(&at(21, 8)), (Some(0), Some(0)));
        // The packet before it, late: keeps its own place and does not move the line.
        assert_eq!(rewriter.rewrite(&at(20, 7)), (Some(0x7fff), Some(255)));
        rewriter.switch(&at(500, 0));
        assert_eq!(rewriter.rewrite(&at(500, 0)), (Some(1), Some(1)));
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_never_claims_more_than_there_is(bytes: Vec<u8>) {
            if let Some(d) = Descriptor::parse(&bytes) {
                assert!(d.len < bytes.len());
                let _ = d.starts_keyframe(&bytes);
                let mut rewriter = PictureIdRewriter::default();
                rewriter.switch(&d);
                rewriter.rewrite(&d);
            }
        }
    }
}
