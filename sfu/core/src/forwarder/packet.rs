//! What is known of a packet: read once for its track, shared by all its subscriptions.
//!
//! Made by the [`Inspector`](super::Inspector). Values only: nothing here chooses or rewrites.

use sluice_rtp::dependency_descriptor::{self, ActiveTargetsField, FrameDiffs, MAX_DECODE_TARGETS};
use sluice_rtp::{VideoCodec, vp8, vp9};

use crate::allocator::LayerId;

/// A packet as the forwarder sees it. All numbers are extended.
#[derive(Debug, Clone)]
pub(crate) struct PacketInfo {
    /// Which encoding of a simulcast track it belongs to, 0 the lowest; 0 for a track with one.
    pub(crate) stream: u8,
    /// The track has several encodings. Otherwise a spatial layer is one within the stream.
    pub(crate) is_simulcast: bool,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    /// Last packet of the picture, over all its layers.
    pub(crate) marker: bool,
    /// A decoder can begin here. Always true for sound.
    pub(crate) is_entry: bool,
    /// A later packet of the stream came before it. Never true for sound.
    pub(crate) is_overtaken: bool,
    pub(crate) codec: Option<VideoCodec>,
    pub(crate) layers: LayerInfo,
    /// Patches a copy of the payload without another reading.
    pub(crate) descriptor: PayloadDescriptor,
    /// What it counts.
    pub(crate) picture: Picture,
    /// What the dependency descriptor counts.
    pub(crate) frame_number: Option<u64>,
}

impl PacketInfo {
    /// The layer it is of, in the words of a target. Layers that cannot be told apart count as the lowest.
    pub(crate) fn layer(&self) -> LayerId {
        let within = match &self.layers {
            LayerInfo::Padding | LayerInfo::Whole => LayerId::default(),
            LayerInfo::Temporal(picture) => LayerId { spatial: 0, temporal: picture.temporal },
            LayerInfo::Spatial(picture) => picture.layer,
            LayerInfo::Dependency(frame) => frame.layer,
        };
        if self.is_simulcast { LayerId { spatial: self.stream, ..within } } else { within }
    }

    /// Writes other numbers, and which decode targets are left, into a copy of the packet's dependency descriptor:
    /// the first `len` bytes of `bytes`. How many it has then; `None` for none at all.
    pub(crate) fn patch_dependency(
        &self,
        bytes: &mut [u8; dependency_descriptor::MAX_LEN],
        len: usize,
        frame_number: Option<u16>,
        active_targets: Option<u32>,
    ) -> Option<usize> {
        if let Some(number) = frame_number
            && !dependency_descriptor::set_frame_number(bytes.get_mut(..len)?, number)
        {
            return None;
        }
        let told = match (&self.layers, active_targets) {
            (LayerInfo::Dependency(frame), Some(active)) => frame.active_field.write(active, bytes, len),
            _ => None,
        };
        Some(told.unwrap_or(len))
    }

    /// Last packet of a frame as its encoder gave it away: a picture, or one spatial layer of it.
    pub(crate) fn ends_frame(&self) -> bool {
        self.marker
            || match &self.layers {
                LayerInfo::Padding | LayerInfo::Whole | LayerInfo::Temporal(_) => false,
                LayerInfo::Spatial(picture) => picture.ends_frame,
                LayerInfo::Dependency(frame) => frame.ends_frame,
            }
    }
}

/// The payload descriptor of a codec that has one with counters in it.
#[derive(Debug, Clone, Default)]
pub(crate) enum PayloadDescriptor {
    #[default]
    None,
    Vp8(vp8::Descriptor),
    Vp9(vp9::Descriptor),
}

impl PayloadDescriptor {
    /// Writes other counters into a copy of the payload this was read from.
    pub(crate) fn patch(&self, payload: &mut [u8], picture_id: Option<u16>, tl0_pic_idx: Option<u8>) {
        match self {
            Self::None => {}
            Self::Vp8(descriptor) => descriptor.patch(payload, picture_id, tl0_pic_idx),
            Self::Vp9(descriptor) => descriptor.patch(payload, picture_id, tl0_pic_idx),
        }
    }
}

/// The counters of a VP8 or VP9 payload descriptor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) number: Option<u64>,
    /// On the wire the number has 15 bits, not 7.
    pub(crate) is_long: bool,
    pub(crate) tl0_pic_idx: Option<u8>,
}

/// How a packet stands among the layers of its stream.
#[derive(Debug, Clone)]
pub(crate) enum LayerInfo {
    /// Nothing but padding: nobody needs it.
    Padding,
    /// The stream has no layers, or they cannot be told: it goes out whole.
    Whole,
    /// Temporal layers of VP8.
    Temporal(TemporalPicture),
    /// Spatial and temporal layers of VP9 by its payload descriptor.
    Spatial(SpatialPicture),
    /// Whatever the dependency descriptor describes.
    Dependency(DependentFrame),
}

/// A VP8 picture (RFC 7741 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TemporalPicture {
    pub(crate) number: u64,
    pub(crate) temporal: u8,
    /// Y: it builds on the base layer only.
    pub(crate) is_sync: bool,
}

/// A layer frame of a VP9 picture (RFC 9628 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpatialPicture {
    pub(crate) number: u64,
    pub(crate) layer: LayerId,
    /// Of the lowest spatial layer, and not predicted from earlier pictures.
    pub(crate) is_key: bool,
    /// U: no later picture of a higher temporal layer builds on an earlier one of such a layer.
    pub(crate) is_switching_point: bool,
    /// E: last packet of the layer frame.
    pub(crate) ends_frame: bool,
}

/// A frame described by a dependency descriptor (AV1 RTP payload specification, appendix A). Decode targets are
/// bits, the first one the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DependentFrame {
    pub(crate) number: u64,
    pub(crate) layer: LayerId,
    pub(crate) starts_frame: bool,
    pub(crate) ends_frame: bool,
    /// Where the packet's descriptor tells which decode targets are active.
    pub(crate) active_field: ActiveTargetsField,
    /// Decode targets it belongs to.
    pub(crate) present: u32,
    /// Decode targets that can be begun with it, once it is decodable itself.
    pub(crate) switch: u32,
    /// Distances to the frames it builds on.
    pub(crate) builds_on: FrameDiffs,
    pub(crate) targets: DecodeTargets,
}

impl DependentFrame {
    /// The layers of the decode targets it belongs to: who takes one of those takes it along.
    pub(crate) fn takers(&self) -> impl Iterator<Item = LayerId> {
        let present = self.present & self.targets.known;
        (0u8..)
            .zip(self.targets.layers)
            .filter_map(move |(target, layer)| (present & bit(target) != 0).then_some(layer))
    }
}

/// The decode targets of a stream at this packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecodeTargets {
    layers: [LayerId; MAX_DECODE_TARGETS],
    /// Those that exist.
    known: u32,
    /// Those the publisher sends.
    active: u32,
    /// Those that come with everything below them. The others come without lower spatial layers.
    inclusive: u32,
}

impl DecodeTargets {
    /// The highest layers of each, `None` for one no frame belongs to; at most 32. `contained`: for each those that
    /// are part of it. `active` has a bit for each that the publisher sends.
    pub(super) fn new(
        layers: impl IntoIterator<Item = Option<LayerId>>,
        contained: [u32; MAX_DECODE_TARGETS],
        active: u32,
    ) -> Self {
        let mut targets = Self { layers: [LayerId::default(); MAX_DECODE_TARGETS], known: 0, active, inclusive: 0 };
        for ((target, to), layer) in (0u8..).zip(&mut targets.layers).zip(layers) {
            if let Some(layer) = layer {
                *to = layer;
                targets.known |= bit(target);
            }
        }
        for (target, contained) in (0u8..).zip(contained) {
            let below = targets.below(targets.layer(target));
            if below & !contained == 0 {
                targets.inclusive |= bit(target);
            }
        }
        targets
    }

    /// Targets without a layer above `limit`.
    fn below(&self, limit: LayerId) -> u32 {
        let all = (0u8..).zip(self.layers).filter(|(target, _)| self.known & bit(*target) != 0);
        all.filter(|(_, layer)| is_within(*layer, limit))
            .fold(0, |mask, (target, _)| mask | bit(target))
    }

    /// What goes out along with a target, itself included, as a bitmask of those the publisher sends.
    pub(super) fn along_with(&self, target: u8) -> u32 {
        let layer = self.layer(target);
        let below = self.below(layer);
        let is_inclusive = self.inclusive & bit(target) != 0;
        let smaller = layer.spatial.checked_sub(1).filter(|_| !is_inclusive);
        let left_out = smaller.map_or(0, |spatial| self.below(LayerId { spatial, temporal: layer.temporal }));
        below & !left_out & self.active
    }

    /// What the publisher sends, as a bitmask.
    pub(super) fn all_active(&self) -> u32 {
        self.known & self.active
    }

    /// The publisher sends other targets from now on.
    pub(super) fn set_active(&mut self, active: u32) {
        self.active = active;
    }

    /// The highest layers of a target.
    pub(super) fn layer(&self, target: u8) -> LayerId {
        self.layers[usize::from(target) % MAX_DECODE_TARGETS]
    }

    pub(super) fn is_active(&self, target: u8) -> bool {
        self.known & self.active & bit(target) != 0
    }

    /// Active targets that have no layer above `limit`.
    pub(super) fn within(&self, limit: LayerId) -> impl Iterator<Item = (u8, LayerId)> {
        self.active().filter(move |(_, layer)| is_within(*layer, limit))
    }

    /// The best active target within `limit`, or the lowest there is when all are above.
    pub(super) fn best(&self, limit: LayerId) -> Option<u8> {
        let lowest = || self.active().min_by_key(|(_, layer)| *layer);
        self.within(limit)
            .max_by_key(|(_, layer)| *layer)
            .or_else(lowest)
            .map(|(target, _)| target)
    }

    fn active(&self) -> impl Iterator<Item = (u8, LayerId)> {
        (0u8..).zip(self.layers).filter(|(target, _)| self.is_active(*target))
    }
}

/// True when neither layer is above the limit.
pub(crate) fn is_within(layer: LayerId, limit: LayerId) -> bool {
    layer.spatial <= limit.spatial && layer.temporal <= limit.temporal
}

/// The bit of a decode target.
pub(super) fn bit(target: u8) -> u32 {
    1u32.checked_shl(u32::from(target)).unwrap_or(0)
}
