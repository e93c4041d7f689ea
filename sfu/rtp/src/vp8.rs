//! VP8 payload descriptor (RFC 7741 section 4.2): where frames begin, which temporal layer they are of, and the
//! numbers that a forwarder writes anew.

pub use crate::picture_id::PictureId;

use crate::picture_id::Numbers;

/// Where a picture id stands, when there is one: behind the first byte and the extension bits.
const PICTURE_ID_AT: usize = 2;

/// The fields of a payload descriptor that a forwarder looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// S bit with partition 0: the first packet of a frame.
    pub starts_frame: bool,
    /// N bit: no other frame builds on this one.
    pub is_discardable: bool,
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

impl Descriptor {
    /// Reads the descriptor at the start of an RTP payload. `None` when it is cut short or leaves no frame
    /// data behind it.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut descriptor = Self {
            starts_frame: first & 0x17 == 0x10,
            is_discardable: first & 0x20 != 0,
            picture_id: None,
            tl0_pic_idx: None,
            temporal_layer: None,
            layer_sync: false,
            len: 1,
        };
        if first & 0x80 != 0 {
            let extension = *payload.get(1)?;
            let mut at = PICTURE_ID_AT;
            if extension & 0x80 != 0 {
                let id = PictureId::parse(payload.get(at..)?)?;
                descriptor.picture_id = Some(id);
                at += id.len();
            }
            if extension & 0x40 != 0 {
                descriptor.tl0_pic_idx = Some(*payload.get(at)?);
                at += 1;
            }
            if extension & 0x30 != 0 {
                let layer = *payload.get(at)?;
                if extension & 0x20 != 0 {
                    descriptor.temporal_layer = Some(layer >> 6);
                    descriptor.layer_sync = layer & 0x20 != 0;
                }
                at += 1;
            }
            descriptor.len = at;
        }
        (descriptor.len < payload.len()).then_some(descriptor)
    }

    /// True when the payload is the first packet of a key frame (the P bit of RFC 6386 section 9.1 is clear).
    #[must_use]
    pub fn starts_keyframe(&self, payload: &[u8]) -> bool {
        self.starts_frame && payload.get(self.len).is_some_and(|frame| frame & 0x01 == 0)
    }

    /// Writes other numbers into a copy of the payload this was read from. What the descriptor does not carry, or
    /// is not given, stays.
    pub fn patch(&self, payload: &mut [u8], picture_id: Option<u16>, tl0_pic_idx: Option<u8>) {
        Numbers::from(self).patch(payload, PICTURE_ID_AT, 0, picture_id, tl0_pic_idx);
    }
}

impl From<&Descriptor> for Numbers {
    fn from(descriptor: &Descriptor) -> Self {
        Self { picture_id: descriptor.picture_id, tl0_pic_idx: descriptor.tl0_pic_idx }
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
        assert!(d.starts_keyframe(&payload) && !d.is_discardable);
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
    fn only_what_the_descriptor_carries_is_patched() {
        let mut payload = long(5, 6);
        Descriptor::parse(&payload).unwrap().patch(&mut payload, Some(0x7abc), Some(9));
        assert_eq!(payload, long(0x7abc, 9));
        let mut bare = [0x10, 1, 2, 3, 4];
        Descriptor::parse(&bare).unwrap().patch(&mut bare, Some(7), Some(7));
        assert_eq!(bare, [0x10, 1, 2, 3, 4]);
        // TL0PICIDX without a picture id, and a short picture id alone.
        let mut index_only = [0x90, 0x40, 1, 2];
        Descriptor::parse(&index_only).unwrap().patch(&mut index_only, Some(7), Some(8));
        assert_eq!(index_only, [0x90, 0x40, 8, 2]);
        let mut short = [0x90, 0x80, 1, 2];
        Descriptor::parse(&short).unwrap().patch(&mut short, Some(0x81), Some(8));
        assert_eq!(short, [0x90, 0x80, 1, 2]);
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_never_claims_more_than_there_is(bytes: Vec<u8>, picture_id: u16, tl0: u8) {
            if let Some(d) = Descriptor::parse(&bytes) {
                assert!(d.len < bytes.len());
                let _ = d.starts_keyframe(&bytes);
                // Patched, it is the same but for the numbers, and the frame data is untouched.
                let mut patched = bytes.clone();
                d.patch(&mut patched, Some(picture_id), Some(tl0));
                let read = Descriptor::parse(&patched).unwrap();
                assert_eq!(read.tl0_pic_idx, d.tl0_pic_idx.map(|_| tl0));
                assert_eq!(Descriptor { picture_id: d.picture_id, tl0_pic_idx: d.tl0_pic_idx, ..read }, d);
                assert_eq!(patched[d.len..], bytes[d.len..]);
            }
        }
    }
}
