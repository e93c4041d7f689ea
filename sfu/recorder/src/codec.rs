//! What can be recorded, and what a tap says of it.

use std::num::NonZeroU32;

use sluice_rtp::VideoCodec;

/// A codec that this crate can make a file of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Pictures; how they lie in packets is the inner codec's.
    Video(VideoCodec),
    /// RFC 7587.
    Opus,
}

impl Codec {
    /// The part of a MIME type behind `audio/` or `video/`, as manifests name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Video(VideoCodec::Vp8) => "vp8",
            Self::Video(VideoCodec::Vp9) => "vp9",
            Self::Video(VideoCodec::H264) => "h264",
            Self::Video(VideoCodec::H265) => "h265",
            Self::Video(VideoCodec::Av1) => "av1",
            Self::Opus => "opus",
        }
    }

    /// True for pictures.
    #[must_use]
    pub fn is_video(self) -> bool {
        matches!(self, Self::Video(_))
    }

    /// Pictures may come in another order than they are shown in. Browsers make none such; encoders of hardware, and what is
    /// published through a server SDK, may. Of the others a packet's frame is always the next that is shown.
    #[must_use]
    pub fn is_reordered(self) -> bool {
        matches!(self, Self::Video(VideoCodec::H264 | VideoCodec::H265))
    }

    /// What WebM allows; the others make the same file a Matroska one.
    #[must_use]
    pub fn is_webm(self) -> bool {
        !matches!(self, Self::Video(VideoCodec::H264 | VideoCodec::H265))
    }

    /// What goes into MP4 here.
    #[must_use]
    pub fn is_mp4(self) -> bool {
        !matches!(self, Self::Video(VideoCodec::Vp8 | VideoCodec::Vp9))
    }
}

/// What a tap says of its track's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// What the payloads hold.
    pub codec: Codec,
    /// Ticks of an RTP timestamp in a second.
    pub clock_rate: NonZeroU32,
    /// Channels of sound, 1 or 2; nothing for pictures.
    pub channels: u8,
    /// Number of the first packet in it. One before that which comes later was in the format before.
    pub from_sequence: u64,
}

/// A format that no file can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedFormat {
    /// RED is unwrapped before it comes here; G.711 and others are not recorded.
    #[error("{0:?} cannot be recorded: record VP8, VP9, H264, H265, AV1 or Opus")]
    Codec(String),
    /// A clock that stands still.
    #[error("a clock rate of 0 gives no times: the format of the track is not what its publisher sends")]
    ClockRate,
}

impl Format {
    /// Reads what a session description calls it. Upper and lower case are the same. It holds from the packet
    /// `from_sequence` on.
    ///
    /// # Errors
    /// A codec that cannot be recorded, or a clock rate of 0.
    pub fn new(mime_type: &str, clock_rate: u32, channels: u8, from_sequence: u64) -> Result<Self, UnsupportedFormat> {
        let codec = match mime_type.to_ascii_lowercase().as_str() {
            "video/vp8" => Codec::Video(VideoCodec::Vp8),
            "video/vp9" => Codec::Video(VideoCodec::Vp9),
            "video/h264" => Codec::Video(VideoCodec::H264),
            "video/h265" => Codec::Video(VideoCodec::H265),
            "video/av1" => Codec::Video(VideoCodec::Av1),
            "audio/opus" => Codec::Opus,
            _ => return Err(UnsupportedFormat::Codec(mime_type.chars().take(64).collect())),
        };
        let clock_rate = NonZeroU32::new(clock_rate).ok_or(UnsupportedFormat::ClockRate)?;
        let channels = if codec.is_video() { 0 } else { channels.clamp(1, 2) };
        Ok(Self { codec, clock_rate, channels, from_sequence })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn formats_are_read_as_descriptions_name_them_and_others_are_named_in_the_refusal() {
        assert_eq!(Format::new("video/VP8", 90_000, 0, 0).unwrap().codec, Codec::Video(VideoCodec::Vp8));
        assert_eq!(Format::new("audio/opus", 48_000, 0, 0).unwrap().channels, 1);
        assert!(Format::new("audio/PCMU", 8_000, 1, 0).unwrap_err().to_string().contains("audio/PCMU"));
        assert_eq!(Format::new("audio/opus", 0, 2, 0), Err(UnsupportedFormat::ClockRate));
    }
}
