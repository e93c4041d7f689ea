//! What simulated clients send: payloads with the descriptors of their codec and a stamp that says which
//! track, layer, frame and packet they are, so that a receiver can tell whether it got what was published.

use std::fmt;

use str0m::format::Codec;
use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues};

const DEPENDENCY_DESCRIPTOR_URI: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
const MAGIC: u8 = 0xa5;
const STAMP_LEN: usize = 14;

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
    /// AV1 with dependency descriptors.
    Av1,
}

impl Media {
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
            Self::Av1 => Codec::Av1,
        }
    }

    /// The codec str0m names, when clients here speak it.
    #[must_use]
    pub fn of(codec: Codec) -> Option<Self> {
        [Self::Opus, Self::Vp8, Self::Vp9, Self::H264, Self::Av1]
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
            Self::Av1 => "video/AV1",
        }
    }
}

/// Which packet this is. Travels in every payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The track: [`tag`] of its id.
    pub track: u32,
    /// 0, 1, 2 for `q`, `h`, `f`.
    pub layer: u8,
    /// Number of the frame in its layer, from 0.
    pub frame: u32,
    /// Number of the packet in its frame, from 0.
    pub packet: u8,
    /// Packets of the frame.
    pub packets: u8,
    /// A decoder can begin with the frame.
    pub is_keyframe: bool,
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { track, layer, frame, packet, packets, is_keyframe } = self;
        let key = if *is_keyframe { "K" } else { "" };
        write!(f, "{track:08x}/{layer}#{frame}{key}[{packet}/{packets}]")
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
        self.is_keyframe && self.is_first()
    }

    fn write(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![MAGIC];
        bytes.extend(self.track.to_be_bytes());
        bytes.push(self.layer);
        bytes.extend(self.frame.to_be_bytes());
        bytes.extend([self.packet, self.packets, u8::from(self.is_keyframe), 0]);
        let mut noise = self.track ^ self.frame.rotate_left(16) ^ u32::from(self.packet) << 8 ^ u32::from(self.layer);
        while bytes.len() < len {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.push(noise.to_be_bytes()[0]);
        }
        bytes
    }

    /// `None` when a byte is not what was sent.
    fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..STAMP_LEN)?;
        let word = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let stamp = Self {
            track: word(1)?,
            layer: head[5],
            frame: word(6)?,
            packet: head[10],
            packets: head[11],
            is_keyframe: head[12] == 1,
        };
        (stamp.write(bytes.len()) == bytes).then_some(stamp)
    }
}

/// A short name of a track for its stamps.
#[must_use]
pub fn tag(track: &str) -> u32 {
    track
        .bytes()
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// VP8's running numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picture {
    /// 15 bits.
    pub id: u16,
    /// TL0PICIDX.
    pub tl0: u8,
}

/// A payload of `len` bytes behind the codec's own descriptor.
pub(crate) fn write_payload(media: Media, stamp: &Stamp, picture: Picture, len: usize) -> Vec<u8> {
    let [high, low] = (picture.id | 0x8000).to_be_bytes();
    let mut payload = match media {
        Media::Opus => Vec::new(),
        Media::Vp8 => {
            let start = if stamp.is_first() { 0x10 } else { 0x00 };
            let mut descriptor = vec![0x80 | start, 0xe0, high, low, picture.tl0, 0x00];
            if stamp.is_first() {
                descriptor.push(u8::from(!stamp.is_keyframe));
            }
            descriptor
        }
        Media::Vp9 => {
            let predicted = if stamp.is_keyframe { 0 } else { 0x40 };
            let begins = if stamp.is_first() { 0x08 } else { 0 };
            let ends = if stamp.is_last() { 0x04 } else { 0 };
            vec![0xa0 | predicted | begins | ends, high, low, 0x00, picture.tl0]
        }
        Media::H264 => {
            let nal_type = if stamp.is_keyframe { 5 } else { 1 };
            let begins = if stamp.is_first() { 0x80 } else { 0 };
            let ends = if stamp.is_last() { 0x40 } else { 0 };
            vec![0x7c, begins | ends | nal_type]
        }
        Media::Av1 => {
            let continues = if stamp.is_first() { 0 } else { 0x80 };
            let continued = if stamp.is_last() { 0 } else { 0x40 };
            let sequence = if stamp.is_entry() { 0x08 } else { 0 };
            vec![0x10 | continues | continued | sequence]
        }
    };
    payload.extend(stamp.write(len.max(STAMP_LEN)));
    payload
}

/// What [`write_payload`] wrote; VP8's numbers as they arrived. `None` when a byte differs.
pub(crate) fn read_payload(media: Media, payload: &[u8]) -> Option<(Stamp, Option<Picture>)> {
    let descriptor_len = match media {
        Media::Opus => 0,
        Media::Vp8 if payload.first()? & 0x10 != 0 => 7,
        Media::Vp8 => 6,
        Media::Vp9 => 5,
        Media::H264 => 2,
        Media::Av1 => 1,
    };
    let stamp = Stamp::read(payload.get(descriptor_len..)?)?;
    let picture = (media == Media::Vp8)
        .then(|| Some(Picture { id: u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff, tl0: payload[4] }))
        .flatten();
    Some((stamp, picture))
}

/// A dependency descriptor as AV1 encoders send it: key frames bring a template structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DependencyDescriptor(pub Vec<u8>);

impl DependencyDescriptor {
    /// The descriptor of a packet.
    pub(crate) fn of(stamp: &Stamp) -> Self {
        let begins = if stamp.is_first() { 0x80 } else { 0 };
        let ends = if stamp.is_last() { 0x40 } else { 0 };
        let [_, _, high, low] = stamp.frame.to_be_bytes();
        let mut bytes = vec![begins | ends, high, low];
        if stamp.is_entry() {
            // The structure's length takes the two-byte form of header extensions.
            bytes.extend([0x80; 20]);
        }
        Self(bytes)
    }

    /// The header extension that carries it.
    pub(crate) fn extension() -> Extension {
        Extension::with_serializer(DEPENDENCY_DESCRIPTOR_URI, Carry)
    }
}

#[derive(Debug)]
struct Carry;

impl ExtensionSerializer for Carry {
    fn write_to(&self, buf: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(DependencyDescriptor(bytes)) = values.user_values.get() else { return 0 };
        buf[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, buf: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(DependencyDescriptor(buf.to_vec()));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values.user_values.get::<DependencyDescriptor>().is_some_and(|d| d.0.len() > 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_changed_byte_is_seen() {
        let stamp = Stamp { track: tag("TR_1"), layer: 2, frame: 70_000, packet: 1, packets: 3, is_keyframe: true };
        for media in [Media::Opus, Media::Vp8, Media::Vp9, Media::H264, Media::Av1] {
            let picture = Picture { id: 0x7fff, tl0: 9 };
            let mut payload = write_payload(media, &stamp, picture, 300);
            let (read, ids) = read_payload(media, &payload).expect("whole");
            assert_eq!((read, ids), (stamp, (media == Media::Vp8).then_some(picture)));
            payload[200] ^= 1;
            assert_eq!(read_payload(media, &payload), None);
        }
    }
}
