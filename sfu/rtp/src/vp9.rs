//! VP9 payload descriptor (RFC 9628 section 4.2): layers, what builds on what, and the numbers that a forwarder
//! writes anew.
//!
//! All spatial layers of a picture share its picture id and timestamp; the marker bit ends the picture. A forwarder
//! that drops upper spatial layers so sets the marker where the highest layer it forwards [ends](Descriptor::ends_frame).

use crate::picture_id::{Numbers, PictureId};

/// Where a picture id stands, when there is one.
const PICTURE_ID_AT: usize = 1;

/// Most spatial layers: their ids have three bits.
pub const MAX_SPATIAL_LAYERS: usize = 8;

/// Most reference differences of a frame in flexible mode.
const MAX_DIFFS: usize = 3;

/// A payload descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// Picture id and whether it is the 15 bit form.
    pub picture_id: Option<PictureId>,
    /// P bit: builds on an earlier picture.
    pub is_inter_predicted: bool,
    /// B bit: the first packet of a layer's frame.
    pub starts_frame: bool,
    /// E bit: the last packet of a layer's frame.
    pub ends_frame: bool,
    /// Z bit: upper spatial layers do not build on this frame.
    pub unused_by_upper_layers: bool,
    /// Where the frame stands among the layers, when there are any.
    pub layer: Option<Layer>,
    /// Temporal level zero index: with layers, outside of flexible mode.
    pub tl0_pic_idx: Option<u8>,
    /// F bit: flexible mode, every frame says what it builds on.
    pub is_flexible: bool,
    /// In flexible mode the distances, in pictures, to those it builds on; unused ones are 0.
    pub picture_diffs: [u8; MAX_DIFFS],
    /// The scalability structure, which holds until the next.
    pub structure: Option<ScalabilityStructure>,
    /// Bytes before the VP9 frame data.
    pub len: usize,
}

/// Layer indices of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// Temporal layer, 0 the lowest.
    pub temporal_id: u8,
    /// U bit: from here on a receiver may go up to this temporal layer.
    pub is_switching_up_point: bool,
    /// Spatial layer, 0 the lowest.
    pub spatial_id: u8,
    /// D bit: builds on the spatial layer below of the same picture.
    pub is_inter_layer_predicted: bool,
}

/// What the encoder says of its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScalabilityStructure {
    /// How many spatial layers: 1 to 8.
    pub spatial_layers: u8,
    /// Their width and height in pixels, when given; those of layers that do not exist are 0.
    pub resolutions: Option<[(u16, u16); MAX_SPATIAL_LAYERS]>,
    /// How many pictures the repeated pattern has, when it is described.
    pub pattern_len: u8,
}

impl Descriptor {
    /// Reads the descriptor at the start of an RTP payload. `None` when it is cut short or leaves no frame data
    /// behind it.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let has = |bit: u8| first & bit != 0;
        let mut descriptor = Self {
            picture_id: None,
            is_inter_predicted: has(0x40),
            starts_frame: has(0x08),
            ends_frame: has(0x04),
            unused_by_upper_layers: has(0x01),
            layer: None,
            tl0_pic_idx: None,
            is_flexible: has(0x10),
            picture_diffs: [0; MAX_DIFFS],
            structure: None,
            len: 0,
        };
        let mut rest = payload.get(PICTURE_ID_AT..)?;
        if has(0x80) {
            let id = PictureId::parse(rest)?;
            descriptor.picture_id = Some(id);
            rest = rest.get(id.len()..)?;
        }
        if has(0x20) {
            let layer = take(&mut rest)?;
            descriptor.layer = Some(Layer {
                temporal_id: layer >> 5,
                is_switching_up_point: layer & 0x10 != 0,
                spatial_id: layer >> 1 & 0x07,
                is_inter_layer_predicted: layer & 0x01 != 0,
            });
            if !descriptor.is_flexible {
                descriptor.tl0_pic_idx = Some(take(&mut rest)?);
            }
        }
        if descriptor.is_flexible && descriptor.is_inter_predicted {
            for (place, diff) in descriptor.picture_diffs.iter_mut().enumerate() {
                let byte = take(&mut rest)?;
                *diff = byte >> 1;
                if byte & 0x01 == 0 {
                    break;
                }
                // A fourth is announced: the format has three.
                if place == MAX_DIFFS - 1 {
                    return None;
                }
            }
        }
        if has(0x02) {
            descriptor.structure = Some(ScalabilityStructure::parse(&mut rest)?);
        }
        descriptor.len = payload.len() - rest.len();
        (!rest.is_empty()).then_some(descriptor)
    }

    /// Spatial layer, 0 where layers are not named.
    #[must_use]
    pub fn spatial_id(&self) -> u8 {
        self.layer.map_or(0, |layer| layer.spatial_id)
    }

    /// Temporal layer, 0 where layers are not named.
    #[must_use]
    pub fn temporal_id(&self) -> u8 {
        self.layer.map_or(0, |layer| layer.temporal_id)
    }

    /// True when a decoder that knows nothing yet can begin with this packet: the first of an independent picture's
    /// lowest spatial layer.
    #[must_use]
    pub fn starts_keyframe(&self) -> bool {
        self.starts_frame && !self.is_inter_predicted && self.spatial_id() == 0
    }

    /// Writes other numbers into a copy of the payload this was read from. What the descriptor does not carry, or
    /// is not given, stays.
    pub fn patch(&self, payload: &mut [u8], picture_id: Option<u16>, tl0_pic_idx: Option<u8>) {
        // TL0PICIDX follows the layer indices.
        Numbers::from(self).patch(payload, PICTURE_ID_AT, 1, picture_id, tl0_pic_idx);
    }
}

impl From<&Descriptor> for Numbers {
    fn from(descriptor: &Descriptor) -> Self {
        Self { picture_id: descriptor.picture_id, tl0_pic_idx: descriptor.tl0_pic_idx }
    }
}

impl ScalabilityStructure {
    /// Section 4.2.1. The pattern's pictures are stepped over: at most 255, of at most four bytes each.
    fn parse(rest: &mut &[u8]) -> Option<Self> {
        let first = take(rest)?;
        let spatial_layers = (first >> 5) + 1;
        let mut resolutions = None;
        if first & 0x10 != 0 {
            let mut sizes = [(0, 0); MAX_SPATIAL_LAYERS];
            for size in &mut sizes[..usize::from(spatial_layers)] {
                *size =
                    (u16::from_be_bytes([take(rest)?, take(rest)?]), u16::from_be_bytes([take(rest)?, take(rest)?]));
            }
            resolutions = Some(sizes);
        }
        let pattern_len = if first & 0x08 != 0 { take(rest)? } else { 0 };
        for _ in 0..pattern_len {
            let references = take(rest)? >> 2 & 0x03;
            *rest = rest.get(usize::from(references)..)?;
        }
        Some(Self { spatial_layers, resolutions, pattern_len })
    }
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, after) = rest.split_first()?;
    *rest = after;
    Some(byte)
}

/// True when the payload begins a key frame of the lowest spatial layer: B set, P clear, and spatial layer 0
/// where layers are named.
#[must_use]
pub fn starts_keyframe(payload: &[u8]) -> bool {
    Descriptor::parse(payload).is_some_and(|descriptor| descriptor.starts_keyframe())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_the_first_packet_of_an_independent_base_picture_enters() {
        // I, L, F=0, B: picture id (15 bit), layer byte T0 S0, TL0PICIDX.
        assert!(starts_keyframe(&[0xa8, 0x80, 0x01, 0x00, 0x05, 0xff]));
        assert!(!starts_keyframe(&[0xe8, 0x80, 0x01, 0x00, 0x05, 0xff]), "P: predicted from earlier pictures");
        assert!(!starts_keyframe(&[0xa8, 0x80, 0x01, 0x02, 0x05, 0xff]), "spatial layer 1");
        assert!(!starts_keyframe(&[0xa0, 0x80, 0x01, 0x00, 0x05, 0xff]), "not the beginning of the frame");
        assert!(starts_keyframe(&[0x88, 0x01, 0xff]), "no layers, short picture id");
        assert!(!starts_keyframe(&[0xa8, 0x80]), "cut short");
    }

    #[test]
    fn a_layered_key_picture_with_its_structure_is_read() {
        // I L B V; picture id 0x1234; T0 U S0; TL0PICIDX 7; two spatial layers with sizes; a pattern of two.
        let mut payload = vec![0xaa, 0x92, 0x34, 0x10, 7];
        payload.extend([0x38, 1, 64, 0, 180, 2, 128, 1, 104, 2, 0x00, 0x34, 1]);
        payload.extend([0xde, 0xad]);
        let d = Descriptor::parse(&payload).unwrap();
        assert_eq!(d.picture_id, Some(PictureId { value: 0x1234, is_long: true }));
        let layer =
            Layer { temporal_id: 0, is_switching_up_point: true, spatial_id: 0, is_inter_layer_predicted: false };
        assert_eq!((d.layer, d.tl0_pic_idx), (Some(layer), Some(7)));
        let structure = d.structure.unwrap();
        assert_eq!((structure.spatial_layers, structure.pattern_len), (2, 2));
        assert_eq!(structure.resolutions.unwrap()[..3], [(320, 180), (640, 360), (0, 0)]);
        assert_eq!(payload[d.len..], [0xde, 0xad]);
        for cut in 0..payload.len() - 1 {
            assert_eq!(Descriptor::parse(&payload[..cut]), None, "cut to {cut}");
        }
    }

    #[test]
    fn in_flexible_mode_a_frame_says_what_it_builds_on() {
        // I P L F E: short picture id, T1 S1 D, two distances.
        let d = Descriptor::parse(&[0xf4, 0x05, 0x23, 0x03, 0x04, 0xff]).unwrap();
        assert_eq!((d.temporal_id(), d.spatial_id(), d.tl0_pic_idx), (1, 1, None));
        assert!(d.layer.unwrap().is_inter_layer_predicted && d.ends_frame && !d.starts_frame);
        assert_eq!((d.picture_diffs, d.len), ([1, 2, 0], 5));
        assert_eq!(Descriptor::parse(&[0xf4, 0x05, 0x23, 3, 3, 3, 0, 0xff]), None, "four distances");
    }

    #[test]
    fn only_what_the_descriptor_carries_is_patched() {
        let mut payload = [0xa8, 0x80, 0x01, 0x00, 0x05, 0xff];
        Descriptor::parse(&payload).unwrap().patch(&mut payload, Some(0x7fff), Some(9));
        assert_eq!(payload, [0xa8, 0xff, 0xff, 0x00, 9, 0xff]);
        let mut bare = [0x08, 1, 2, 3];
        Descriptor::parse(&bare).unwrap().patch(&mut bare, Some(7), Some(7));
        assert_eq!(bare, [0x08, 1, 2, 3]);
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_patches_nothing_but_numbers(bytes: Vec<u8>, picture_id: u16, tl0: u8) {
            let _ = starts_keyframe(&bytes);
            if let Some(d) = Descriptor::parse(&bytes) {
                assert!(d.len < bytes.len());
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
