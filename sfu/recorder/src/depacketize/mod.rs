//! Frames out of payloads, one module for each way of laying them into packets.
//!
//! Why our own. The packets that come here are a stranger's, and what is for others to use does not stand that: the
//! depacketisers of webrtc-rs (`rtp` 0.17, `rtc-rtp` 0.21) read behind the end of a STAP-A with one byte too many,
//! which panics, keep the bytes of an FU-A without bound and begin one without its start bit; `rtp` has none for AV1.
//! `retina` is for cameras (H264, H265). str0m's are private to it, and this crate does not know str0m. The payload
//! descriptors are read by `sluice_rtp`, which reads them for forwarding anyway; what is left is little.
//!
//! A builder is given the payloads of one frame in order, without a hole; what does not fit together is refused, and
//! the caller then drops the frame. The caller bounds how much a frame may hold.

mod av1;
mod h264;
mod h265;
mod nal;
mod unshown;
mod vp8;
mod vp9;

pub(crate) use nal::units;
pub(crate) use vp9::Layers;

use sluice_rtp::VideoCodec;

use crate::codec::Codec;

/// A payload that does not fit its format, or its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A whole frame as containers want it: NAL units behind lengths of four bytes, AV1 units with their sizes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Built {
    pub(crate) data: Vec<u8>,
    /// A decoder can begin here.
    pub(crate) is_key: bool,
    /// Size of the picture in pixels, where the packets say it better than the frame does.
    pub(crate) size: Option<(u16, u16)>,
    /// Parameter sets alone, and no picture: to be remembered, not to be written.
    pub(crate) is_without_picture: bool,
    /// Spatial layers that are frames of their own: VP9's.
    pub(crate) layers: Layers,
}

/// The frame that is being put together.
#[derive(Debug)]
pub(crate) enum Builder {
    Opus(Built),
    Vp8(vp8::Builder),
    Vp9(vp9::Builder),
    H264(h264::Builder),
    H265(h265::Builder),
    Av1(av1::Builder),
}

impl Builder {
    pub(crate) fn new(codec: Codec) -> Self {
        match codec {
            Codec::Opus => Self::Opus(Built { is_key: true, ..Built::default() }),
            Codec::Video(VideoCodec::Vp8) => Self::Vp8(vp8::Builder::default()),
            Codec::Video(VideoCodec::Vp9) => Self::Vp9(vp9::Builder::default()),
            Codec::Video(VideoCodec::H264) => Self::H264(h264::Builder::default()),
            Codec::Video(VideoCodec::H265) => Self::H265(h265::Builder::default()),
            Codec::Video(VideoCodec::Av1) => Self::Av1(av1::Builder::default()),
        }
    }

    /// The next payload of the frame.
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        match self {
            // A packet is a frame (RFC 7587 section 4.2).
            Self::Opus(built) if built.data.is_empty() => {
                built.data.extend_from_slice(payload);
                Ok(())
            }
            Self::Opus(_) => Err(Malformed),
            Self::Vp8(builder) => builder.push(payload),
            Self::Vp9(builder) => builder.push(payload),
            Self::H264(builder) => builder.push(payload),
            Self::H265(builder) => builder.push(payload),
            Self::Av1(builder) => builder.push(payload),
        }
    }

    /// The frame, when it is whole.
    pub(crate) fn finish(self) -> Result<Built, Malformed> {
        let built = match self {
            Self::Opus(built) => built,
            Self::Vp8(builder) => builder.finish(),
            Self::Vp9(builder) => builder.finish()?,
            Self::H264(builder) => builder.finish()?,
            Self::H265(builder) => builder.finish()?,
            Self::Av1(builder) => builder.finish()?,
        };
        if built.data.is_empty() { Err(Malformed) } else { Ok(built) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_payloads_make_any_builder_panic_or_grow_beyond_what_came(
            codec in 0usize..6, payloads: Vec<Vec<u8>>
        ) {
            use VideoCodec::{Av1, H264, H265, Vp8, Vp9};
            let codec = [Vp8, Vp9, H264, H265, Av1].get(codec).map_or(Codec::Opus, |codec| Codec::Video(*codec));
            let mut builder = Builder::new(codec);
            let mut came = 0;
            for payload in &payloads {
                came += payload.len();
                if builder.push(payload).is_err() {
                    return Ok(());
                }
            }
            if let Ok(built) = builder.finish() {
                // Lengths of four bytes in front of units that cost three bytes of a packet at least.
                prop_assert!(built.data.len() <= came * 3 + 64);
            }
        }
    }
}
