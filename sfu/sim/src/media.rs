//! What simulated clients send: the codecs, and a stamp in every payload that says which track, layer, frame and
//! packet it is, so that a receiver can tell whether it got what was published.

use std::fmt;

use str0m::format::Codec;

const MAGIC: u8 = 0xa5;
const STAMP_LEN: usize = 22;
/// A packet trailer with a frame's number, as LiveKit's clients append it: tag, length and value, the length of all
/// of it, everything inverted; and the magic.
pub(crate) const TRAILER: [u8; 11] = *b"\xfd\xfb\xff\xff\xff\xfe\xf4LKTS";

/// The codecs clients speak here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// Sound.
    Opus,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184, every frame in fragmentation units.
    H264,
    /// RFC 7798, every frame in fragmentation units.
    H265,
    /// AV1 with dependency descriptors.
    Av1,
}

impl Media {
    /// All of pictures.
    pub const VIDEO: [Self; 5] = [Self::Vp8, Self::Vp9, Self::H264, Self::H265, Self::Av1];

    /// True for pictures.
    #[must_use]
    pub fn is_video(self) -> bool {
        self != Self::Opus
    }

    /// Ticks of the RTP clock in a second.
    #[must_use]
    pub fn clock_hz(self) -> u32 {
        if self.is_video() { 90_000 } else { 48_000 }
    }

    /// As str0m calls it.
    #[must_use]
    pub fn codec(self) -> Codec {
        match self {
            Self::Opus => Codec::Opus,
            Self::Vp8 => Codec::Vp8,
            Self::Vp9 => Codec::Vp9,
            Self::H264 => Codec::H264,
            Self::H265 => Codec::H265,
            Self::Av1 => Codec::Av1,
        }
    }

    /// The codec str0m names, when clients here speak it.
    #[must_use]
    pub fn of(codec: Codec) -> Option<Self> {
        [Self::Opus, Self::Vp8, Self::Vp9, Self::H264, Self::H265, Self::Av1]
            .into_iter()
            .find(|m| m.codec() == codec)
    }

    /// `video/VP8`.
    #[must_use]
    pub fn mime_type(self) -> &'static str {
        match self {
            Self::Opus => "audio/opus",
            Self::Vp8 => "video/VP8",
            Self::Vp9 => "video/VP9",
            Self::H264 => "video/H264",
            Self::H265 => "video/H265",
            Self::Av1 => "video/AV1",
        }
    }
}

/// How the frames of one encoding build on each other. Names as in the W3C's scalability modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// L1T1: each frame on the one before.
    Flat,
    /// L1T3: every second frame of three rates can be left out.
    Temporal,
    /// L3T3_KEY: three sizes that build on each other at key frames only.
    KeySvc,
    /// L3T3: three sizes, each built on the smaller one.
    Svc,
}

impl Structure {
    /// Sizes in one encoding.
    #[must_use]
    pub fn spatial_layers(self) -> u8 {
        if matches!(self, Self::KeySvc | Self::Svc) { 3 } else { 1 }
    }

    /// Frame rates in one encoding.
    #[must_use]
    pub fn temporal_layers(self) -> u8 {
        if self == Self::Flat { 1 } else { 3 }
    }
}

/// Which packet this is. Travels in every payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The track: [`tag`] of its id.
    pub track: u32,
    /// Encoding of a simulcast: 0, 1, 2 for `q`, `h`, `f`.
    pub layer: u8,
    /// Number of the frame in its encoding, from 0. A picture of several spatial layers is as many frames.
    pub frame: u32,
    /// Number of the picture in its encoding, from 0.
    pub picture: u32,
    /// Spatial layer within the encoding.
    pub spatial: u8,
    /// Temporal layer within the encoding.
    pub temporal: u8,
    /// Number of the packet in its frame, from 0.
    pub packet: u8,
    /// Packets of the frame.
    pub packets: u8,
    /// A decoder can begin with the frame.
    pub is_keyframe: bool,
    /// Milliseconds since the picture before in this encoding.
    pub interval_ms: u16,
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { track, layer, frame, spatial, temporal, packet, packets, is_keyframe, .. } = self;
        let key = if *is_keyframe { "K" } else { "" };
        write!(f, "{track:08x}/{layer}.S{spatial}T{temporal}#{frame}{key}[{packet}/{packets}]")
    }
}

impl Stamp {
    /// A frame begins with it.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.packet == 0
    }

    /// A frame ends with it.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.packet + 1 == self.packets
    }

    /// A decoder that knows nothing can begin with it.
    #[must_use]
    pub fn is_entry(&self) -> bool {
        self.is_keyframe && self.is_first() && self.spatial == 0
    }

    /// How good the picture is: simulcast encoding or spatial layer.
    #[must_use]
    pub fn quality(&self) -> u8 {
        self.layer.max(self.spatial)
    }

    /// Behind the stamp the body is noise, as that of an encrypted frame is.
    pub(crate) fn write(&self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len.max(STAMP_LEN) + 8);
        bytes.push(MAGIC);
        bytes.extend(self.track.to_be_bytes());
        bytes.push(self.layer);
        bytes.extend(self.frame.to_be_bytes());
        bytes.extend(self.picture.to_be_bytes());
        bytes.extend([self.spatial, self.temporal, self.packet, self.packets, u8::from(self.is_keyframe)]);
        bytes.extend(self.interval_ms.to_be_bytes());
        bytes.push(0);
        let seed = self.track ^ self.frame.rotate_left(16) ^ u32::from(self.packet) << 8 ^ u32::from(self.layer);
        let noise = (u64::from(seed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        while bytes.len() < len {
            bytes.extend(noise);
        }
        bytes.truncate(len.max(STAMP_LEN));
        bytes
    }

    /// `None` when a byte is not what was sent.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..STAMP_LEN)?;
        let word = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let stamp = Self {
            track: word(1)?,
            layer: head[5],
            frame: word(6)?,
            picture: word(10)?,
            spatial: head[14],
            temporal: head[15],
            packet: head[16],
            packets: head[17],
            is_keyframe: head[18] == 1,
            interval_ms: u16::from_be_bytes([head[19], head[20]]),
        };
        (stamp.write(bytes.len()) == bytes).then_some(stamp)
    }
}

/// A short name of a track for its stamps. What follows `@` says in which other room it is, and is the same track.
#[must_use]
pub fn tag(track: &str) -> u32 {
    track
        .bytes()
        .take_while(|byte| *byte != b'@')
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
