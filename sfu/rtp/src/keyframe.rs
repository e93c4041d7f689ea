//! Where a video stream can be entered, for every codec forwarded.

use crate::{av1, dependency_descriptor, h264, h265, vp8, vp9};

/// Video codecs the forwarder knows how to enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// RFC 7798.
    H265,
    /// AV1 RTP payload specification.
    Av1,
}

/// True when a decoder that knows nothing yet can begin with this packet. `dependency_descriptor` is the raw
/// header extension where the publisher sends one: it decides for every codec, since it is readable even when
/// the payload is encrypted end to end.
#[must_use]
pub fn starts_keyframe(codec: VideoCodec, payload: &[u8], dependency_descriptor: Option<&[u8]>) -> bool {
    if let Some(descriptor) = dependency_descriptor.and_then(dependency_descriptor::Mandatory::parse) {
        return descriptor.starts_keyframe();
    }
    match codec {
        VideoCodec::Vp8 => vp8::Descriptor::parse(payload).is_some_and(|d| d.starts_keyframe(payload)),
        VideoCodec::Vp9 => vp9::starts_keyframe(payload),
        VideoCodec::H264 => h264::starts_keyframe(payload),
        VideoCodec::H265 => h265::starts_keyframe(payload),
        VideoCodec::Av1 => av1::starts_sequence(payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dependency_descriptor_decides_where_there_is_one() {
        let looks_like_a_delta = [0x90, 0x00, 0x01];
        assert!(!starts_keyframe(VideoCodec::Vp8, &looks_like_a_delta, None));
        assert!(starts_keyframe(VideoCodec::Vp8, &looks_like_a_delta, Some(&[0x80, 0, 1, 0x80])));
        assert!(!starts_keyframe(VideoCodec::H264, &[0x65, 0x88], Some(&[0x80, 0, 1])));
        assert!(starts_keyframe(VideoCodec::H265, &[0x26, 0x01, 0xaf], None));
    }
}
