//! VP8 payloads as an encoder's packetizer writes them: the payload descriptor of RFC 7741 and the first bytes of a
//! frame (RFC 6386 section 9.1). Behind them the body is noise: forwarders read no further, decoders could not.

/// What the descriptor of a frame's packets says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// 15 bits.
    pub(crate) picture_id: u16,
    /// Number of the last picture of the base temporal layer.
    pub(crate) tl0_pic_idx: u8,
    /// Temporal layer, 0 to 2.
    pub(crate) temporal: u8,
    /// Builds on the base temporal layer only.
    pub(crate) is_layer_sync: bool,
    /// The first packet of its frame.
    pub(crate) starts_frame: bool,
    /// Nobody needs the frame.
    pub(crate) is_discardable: bool,
}

/// Bytes of the descriptor.
pub(crate) const DESCRIPTOR_LEN: usize = 6;
/// Bytes at the start of a key frame: frame tag, start code, dimensions.
pub(crate) const KEYFRAME_HEAD_LEN: usize = 10;

impl Descriptor {
    /// The six bytes that come before the frame's.
    pub(crate) fn write(&self) -> [u8; DESCRIPTOR_LEN] {
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        let first = 0x80 | if self.is_discardable { 0x20 } else { 0 } | if self.starts_frame { 0x10 } else { 0 };
        let layer = (self.temporal & 3) << 6 | if self.is_layer_sync { 0x20 } else { 0 };
        // I, L and T: picture id, TL0PICIDX and temporal layer follow.
        [first, 0xe0, high, low, self.tl0_pic_idx, layer]
    }
}

/// How a key frame begins.
pub(crate) fn keyframe_head(width: u16, height: u16) -> [u8; KEYFRAME_HEAD_LEN] {
    let ([w0, w1], [h0, h1]) = ((width & 0x3fff).to_le_bytes(), (height & 0x3fff).to_le_bytes());
    // Key frame, version 0, shown, first partition of 256 bytes.
    [0x10, 0x20, 0x00, 0x9d, 0x01, 0x2a, w0, w1, h0, h1]
}

/// How any other frame begins: the lowest bit says that it is none.
pub(crate) const DELTA_HEAD: [u8; 3] = [0x11, 0x20, 0x00];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_server_reads_what_is_written(
            picture_id in 0_u16..0x8000,
            tl0_pic_idx in any::<u8>(),
            temporal in 0_u8..3,
            (is_layer_sync, starts_frame, is_discardable, is_keyframe) in any::<(bool, bool, bool, bool)>(),
        ) {
            let written =
                Descriptor { picture_id, tl0_pic_idx, temporal, is_layer_sync, starts_frame, is_discardable };
            let mut payload = written.write().to_vec();
            if is_keyframe {
                payload.extend(keyframe_head(1280, 720));
            } else {
                payload.extend(DELTA_HEAD);
            }
            let read = sluice_rtp::vp8::Descriptor::parse(&payload).unwrap();
            prop_assert_eq!(read.picture_id.unwrap().value, picture_id);
            prop_assert_eq!(read.tl0_pic_idx, Some(tl0_pic_idx));
            prop_assert_eq!(read.temporal_layer, Some(temporal));
            prop_assert_eq!((read.layer_sync, read.starts_frame), (is_layer_sync, starts_frame));
            prop_assert_eq!(read.is_discardable, is_discardable);
            prop_assert_eq!(read.starts_keyframe(&payload), starts_frame && is_keyframe);
        }
    }
}
