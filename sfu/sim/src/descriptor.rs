//! Payload descriptors as encoders write them and as a receiver's depacketizer reads them: VP8 (RFC 7741), VP9
//! (RFC 9628), H264 (RFC 6184), H265 (RFC 7798) and AV1's aggregation header. Written from the RFCs and on purpose without the code
//! under test.

use crate::dependency::{Dependency, Table};
use crate::media::{Media, Stamp, Structure};
use crate::targets::Told;

/// NAL unit types of H.265 (table 7-1), and of fragments of them (RFC 7798 section 4.4.3).
const TRAIL_R: u8 = 1;
const IDR_W_RADL: u8 = 19;
const FRAGMENT: u8 = 49;

/// Everything about a frame that its packets say besides the stamp.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) stamp: Stamp,
    pub(crate) structure: Structure,
    /// VP8's and VP9's picture id: 15 bits.
    pub(crate) picture_id: u16,
    /// TL0PICIDX.
    pub(crate) tl0: u8,
    /// Built on the base temporal layer only.
    pub(crate) is_layer_sync: bool,
    /// Built on the smaller size of the same picture.
    pub(crate) is_inter_layer: bool,
    /// How many pictures back those are that it builds on.
    pub(crate) picture_diffs: Vec<u8>,
    /// How many frames back those are that it builds on.
    pub(crate) frame_diffs: Vec<u8>,
    /// How many frames back the last one of each chain is.
    pub(crate) chain_diffs: Vec<u8>,
    /// Spatial layers encoded now.
    pub(crate) active_layers: u8,
    /// The body is encrypted end to end: of AV1 not even the sequence header is there to see.
    pub(crate) is_encrypted: bool,
}

impl Frame {
    /// A payload of `len` bytes behind the codec's own descriptor.
    pub(crate) fn payload(&self, media: Media, stamp: &Stamp, len: usize) -> Vec<u8> {
        let mut payload = self.descriptor(media, stamp);
        payload.extend(stamp.write(len));
        payload
    }

    fn descriptor(&self, media: Media, stamp: &Stamp) -> Vec<u8> {
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        let (first, last, key) = (stamp.is_first(), stamp.is_last(), stamp.is_keyframe);
        let bit = |is: bool, bit: u8| if is { bit } else { 0 };
        match media {
            Media::Opus => Vec::new(),
            Media::Vp8 => {
                let sync = bit(self.is_layer_sync, 0x20);
                let mut bytes = vec![0x80 | bit(first, 0x10), 0xe0, high, low, self.tl0, stamp.temporal << 6 | sync];
                if first {
                    // The frame tag's P bit stays in the clear in encrypted frames too.
                    bytes.push(u8::from(!key));
                }
                bytes
            }
            Media::Vp9 if self.structure == Structure::Flat => {
                vec![0xa0 | bit(!key, 0x40) | bit(first, 0x08) | bit(last, 0x04), high, low, 0x00, self.tl0]
            }
            Media::Vp9 => {
                let is_predicted = !self.picture_diffs.is_empty();
                let has_sizes = stamp.is_entry();
                let top = stamp.spatial + 1 == self.active_layers;
                // Flexible mode. Z: no larger size builds on it.
                let unused =
                    top || self.structure == Structure::KeySvc && !key || self.structure == Structure::Temporal;
                let mut bytes = vec![
                    0xb0 | bit(is_predicted, 0x40)
                        | bit(first, 0x08)
                        | bit(last, 0x04)
                        | bit(has_sizes, 0x02)
                        | bit(unused, 0x01),
                    high,
                    low,
                    stamp.temporal << 5
                        | bit(stamp.temporal > 0, 0x10)
                        | stamp.spatial << 1
                        | bit(self.is_inter_layer, 0x01),
                ];
                let count = self.picture_diffs.len();
                bytes.extend((1..).zip(&self.picture_diffs).map(|(n, diff)| diff << 1 | bit(n < count, 1)));
                if has_sizes {
                    bytes.push((self.active_layers - 1) << 5 | 0x10);
                    for spatial in 0..self.active_layers {
                        let (width, height) = resolution(spatial, self.structure);
                        bytes.extend(width.to_be_bytes());
                        bytes.extend(height.to_be_bytes());
                    }
                }
                bytes
            }
            Media::H264 => vec![0x7c, bit(first, 0x80) | bit(last, 0x40) | if key { 5 } else { 1 }],
            Media::H265 => {
                let nal_type = if key { IDR_W_RADL } else { TRAIL_R };
                vec![FRAGMENT << 1, 1, bit(first, 0x80) | bit(last, 0x40) | nal_type]
            }
            Media::Av1 => {
                let begins = stamp.is_entry() && !self.is_encrypted;
                vec![0x10 | bit(!first, 0x80) | bit(!last, 0x40) | bit(begins, 0x08)]
            }
        }
    }

    /// The dependency descriptor of one of its packets, when the codec has one.
    pub(crate) fn dependency(&self, media: Media, stamp: &Stamp) -> Option<Dependency> {
        let is_svc = self.structure != Structure::Flat;
        (media == Media::Av1 || media == Media::Vp9 && is_svc).then(|| Dependency::write(self, stamp))
    }
}

/// Width and height of a spatial layer.
pub(crate) fn resolution(spatial: u8, structure: Structure) -> (u16, u16) {
    let down = structure.spatial_layers().saturating_sub(1 + spatial);
    (1280 >> down, 720 >> down)
}

/// What a depacketizer understands of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) begins: bool,
    pub(crate) ends: bool,
    pub(crate) needs: Needs,
    /// The dependency descriptor's, as it came: a forwarder may have changed it.
    pub(crate) number: Option<u16>,
    /// VP8's and VP9's.
    pub(crate) picture: Option<Picture>,
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    /// What the dependency descriptor tells of decode targets.
    pub(crate) told: Option<Told>,
}

/// Running numbers of VP8 and VP9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picture {
    /// 15 bits.
    pub(crate) id: u16,
    /// TL0PICIDX.
    pub(crate) tl0: u8,
}

/// What a frame builds on, as its packets say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing.
    Nothing,
    /// The frame before it in the stream.
    Previous,
    /// VP8: the base frame with this TL0PICIDX (or the one before, for a base frame), and, unless `is_sync`,
    /// everything since.
    Vp8 { is_sync: bool },
    /// VP9: the same size so many pictures back; and the smaller size of its own picture.
    Vp9 { diffs: Vec<u8>, inter_layer: bool },
    /// The frames so many numbers back.
    Av1 { number: u16, diffs: Vec<u16> },
    /// Something of a structure not seen yet.
    Unknown,
}

/// Reads a payload; its descriptor's length with what it says. `None` when that makes no sense.
pub(crate) fn read(
    media: Media,
    payload: &[u8],
    is_marked: bool,
    dependency: Option<&Dependency>,
    table: &mut Option<Table>,
) -> Option<(Described, usize)> {
    let first = *payload.first()?;
    let plain = |begins, ends, needs| Described {
        begins,
        ends,
        needs,
        number: None,
        picture: None,
        spatial: 0,
        temporal: 0,
        told: None,
    };
    match media {
        Media::Opus => Some((plain(true, true, Needs::Nothing), 0)),
        Media::Vp8 => {
            let begins = first & 0x17 == 0x10;
            let [high, low, tl0, tid] = *payload.get(2..6)?.first_chunk()?;
            let is_key = begins && payload.get(6)? & 1 == 0;
            let needs = if is_key { Needs::Nothing } else { Needs::Vp8 { is_sync: tid & 0x20 != 0 } };
            let picture = Some(Picture { id: u16::from_be_bytes([high, low]) & 0x7fff, tl0 });
            let len = if begins { 7 } else { 6 };
            Some((Described { picture, temporal: tid >> 6, ..plain(begins, is_marked, needs) }, len))
        }
        Media::Vp9 => {
            let (begins, ends, is_predicted) = (first & 0x08 != 0, first & 0x04 != 0, first & 0x40 != 0);
            let [high, low, layers] = *payload.get(1..4)?.first_chunk()?;
            let id = u16::from_be_bytes([high, low]) & 0x7fff;
            if first & 0x10 == 0 {
                let needs = if is_predicted { Needs::Previous } else { Needs::Nothing };
                let picture = Some(Picture { id, tl0: *payload.get(4)? });
                return Some((Described { picture, ..plain(begins, ends, needs) }, 5));
            }
            let mut at = 4;
            let mut diffs = Vec::new();
            let mut has_more = is_predicted;
            while has_more && diffs.len() < 3 {
                let diff = *payload.get(at)?;
                at += 1;
                diffs.push(diff >> 1);
                has_more = diff & 1 != 0;
            }
            if first & 0x02 != 0 {
                at += 1 + 4 * (usize::from(*payload.get(at)? >> 5) + 1);
            }
            let (spatial, inter_layer) = (layers >> 1 & 7, layers & 1 != 0);
            let needs =
                if diffs.is_empty() && !inter_layer { Needs::Nothing } else { Needs::Vp9 { diffs, inter_layer } };
            let picture = Some(Picture { id, tl0: 0 });
            let told = dependency.and_then(|dependency| dependency.read(table)).and_then(|read| read.told);
            Some((Described { picture, spatial, temporal: layers >> 5, told, ..plain(begins, ends, needs) }, at))
        }
        Media::H264 => {
            let header = *payload.get(1)?;
            let needs = if header & 0x1f == 5 { Needs::Nothing } else { Needs::Previous };
            Some((plain(header & 0x80 != 0, header & 0x40 != 0, needs), 2))
        }
        Media::H265 => {
            let header = *payload.get(2)?;
            let needs = if header & 0x3f == IDR_W_RADL { Needs::Nothing } else { Needs::Previous };
            Some((plain(header & 0x80 != 0, header & 0x40 != 0, needs), 3))
        }
        Media::Av1 => {
            let read = dependency?.read(table)?;
            let needs = match read.diffs {
                None => Needs::Unknown,
                Some(diffs) if diffs.is_empty() => Needs::Nothing,
                Some(diffs) => Needs::Av1 { number: read.number, diffs },
            };
            let described = plain(read.begins, read.ends, needs);
            let (number, spatial, temporal) = (Some(read.number), read.spatial, read.temporal);
            Some((Described { number, spatial, temporal, told: read.told, ..described }, 1))
        }
    }
}
