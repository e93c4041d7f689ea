//! Reads each packet of a stream once: where it can be entered, which layers it is of, what it counts.
//!
//! Belongs to a track, one for each of its encodings. Keeps what a packet alone does not say: the turns of the
//! counters and the structure its dependency descriptors refer to, which has limits of its own. Chooses nothing.

use sluice_rtp::dependency_descriptor::{self, DecodeTarget, Mandatory, Structure};
use sluice_rtp::{PictureId, Unwrap, VideoCodec, starts_keyframe, vp8, vp9};

use crate::allocator::LayerId;

use super::packet::{
    DecodeTargets, DependentFrame, LayerInfo, PacketInfo, PayloadDescriptor, Picture, SpatialPicture, TemporalPicture,
    bit,
};

/// What is further behind is not late: the stream counts anew.
const MAX_LATE_PACKETS: u64 = 1024;

/// A packet as it came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received<'a> {
    /// `None` for sound.
    pub(crate) codec: Option<VideoCodec>,
    /// Extended.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: &'a [u8],
    /// The raw header extension, where there is one.
    pub(crate) dependency_descriptor: Option<&'a [u8]>,
}

/// The reader of one stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inspector {
    stream: u8,
    is_simulcast: bool,
    newest: Option<u64>,
    pictures: Unwrap,
    frames: Unwrap,
    dependencies: Option<Dependencies>,
}

/// What holds from one key frame to the next.
#[derive(Debug, Clone)]
struct Dependencies {
    structure: Structure,
    /// The frame that brought it.
    since: u64,
    targets: DecodeTargets,
}

impl Inspector {
    /// For one encoding of a track: `stream` counts from the lowest; `is_simulcast` where there may be others.
    pub(crate) fn new(stream: u8, is_simulcast: bool) -> Self {
        Self { stream, is_simulcast, ..Self::default() }
    }

    /// Reads a packet.
    pub(crate) fn inspect(&mut self, packet: Received<'_>) -> PacketInfo {
        let mut info = PacketInfo {
            stream: self.stream,
            is_simulcast: self.is_simulcast,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            is_entry: true,
            is_overtaken: false,
            codec: packet.codec,
            layers: LayerInfo::Whole,
            descriptor: PayloadDescriptor::None,
            picture: Picture::default(),
            frame_number: None,
        };
        let Some(codec) = packet.codec else { return info };
        let is_newest = self.newest.is_none_or(|newest| packet.sequence > newest);
        if is_newest {
            self.newest = Some(packet.sequence);
        }
        let newest = self.newest.unwrap_or(packet.sequence);
        info.is_overtaken = (1..=MAX_LATE_PACKETS).contains(&newest.saturating_sub(packet.sequence));
        if packet.payload.is_empty() {
            info.is_entry = false;
            info.layers = LayerInfo::Padding;
            return info;
        }
        info.is_entry = starts_keyframe(codec, packet.payload, packet.dependency_descriptor);
        info.descriptor = match codec {
            VideoCodec::Vp8 => vp8::Descriptor::parse(packet.payload).map(PayloadDescriptor::Vp8),
            VideoCodec::Vp9 => vp9::Descriptor::parse(packet.payload).map(PayloadDescriptor::Vp9),
            _ => None,
        }
        .unwrap_or_default();
        info.picture = self.picture(&info.descriptor, is_newest);
        let frame = packet
            .dependency_descriptor
            .and_then(|bytes| self.frame(bytes, is_newest, &mut info.frame_number));
        // VP8's own descriptor says all there is to say. VP9's does not say which of the lower spatial layers a
        // picture does without; the dependency descriptor does.
        info.layers = match (&info.descriptor, frame) {
            (PayloadDescriptor::Vp8(descriptor), frame) => {
                temporal(descriptor, info.picture).or_else(|| frame.map(LayerInfo::Dependency))
            }
            (_, Some(frame)) => Some(LayerInfo::Dependency(frame)),
            (PayloadDescriptor::Vp9(descriptor), None) => spatial(descriptor, info.picture),
            (PayloadDescriptor::None, None) => None,
        }
        .unwrap_or(LayerInfo::Whole);
        info
    }

    fn picture(&mut self, descriptor: &PayloadDescriptor, is_newest: bool) -> Picture {
        let (id, tl0_pic_idx) = match descriptor {
            PayloadDescriptor::None => return Picture::default(),
            PayloadDescriptor::Vp8(descriptor) => (descriptor.picture_id, descriptor.tl0_pic_idx),
            PayloadDescriptor::Vp9(descriptor) => (descriptor.picture_id, descriptor.tl0_pic_idx),
        };
        let is_long = id.is_some_and(|id| id.is_long);
        let number =
            id.map(|PictureId { value, .. }| self.pictures.extend(value, if is_long { 15 } else { 7 }, is_newest));
        Picture { number, is_long, tl0_pic_idx }
    }

    /// Reads a dependency descriptor. `None` when it does not go with the structure known; its number is read
    /// all the same.
    fn frame(&mut self, bytes: &[u8], is_newest: bool, number: &mut Option<u64>) -> Option<DependentFrame> {
        let mandatory = Mandatory::parse(bytes)?;
        let extended = self.frames.extend(mandatory.frame_number, 16, is_newest);
        *number = Some(extended);
        let known = self.dependencies.as_ref();
        let structure = known.map(|known| &known.structure);
        let (descriptor, active_field) = dependency_descriptor::Descriptor::parse_with_field(bytes, structure)?;
        let mut targets = known.map(|known| known.targets);
        if let Some(structure) = descriptor.structure {
            let layers = (0..usize::from(structure.decode_targets())).map(|target| structure.layer_of(target));
            let layers = layers.map(|layer| layer.map(|(spatial, temporal)| LayerId { spatial, temporal }));
            let active = descriptor.active_decode_targets.unwrap_or(u32::MAX);
            let own = DecodeTargets::new(layers, structure.contained(), active);
            targets = Some(own);
            // A key frame that comes late does not bring back what was replaced.
            if known.is_none_or(|known| extended >= known.since) {
                self.dependencies = Some(Dependencies { structure, since: extended, targets: own });
            }
        } else if let (Some(active), Some(known), true) =
            (descriptor.active_decode_targets, self.dependencies.as_mut(), is_newest)
        {
            known.targets.set_active(active);
            targets = Some(known.targets);
        }
        let mask = |is: fn(DecodeTarget) -> bool| {
            (0u8..)
                .zip(descriptor.dtis.iter())
                .filter(|(_, dti)| is(*dti))
                .fold(0, |mask, (target, _)| mask | bit(target))
        };
        Some(DependentFrame {
            number: extended,
            layer: LayerId { spatial: descriptor.spatial_id, temporal: descriptor.temporal_id },
            starts_frame: descriptor.start_of_frame,
            ends_frame: descriptor.end_of_frame,
            active_field,
            present: descriptor.dtis.present(),
            switch: mask(|dti| dti == DecodeTarget::Switch),
            builds_on: descriptor.frame_diffs,
            targets: targets?,
        })
    }
}

fn temporal(descriptor: &vp8::Descriptor, picture: Picture) -> Option<LayerInfo> {
    Some(LayerInfo::Temporal(TemporalPicture {
        number: picture.number?,
        temporal: descriptor.temporal_layer?,
        is_sync: descriptor.layer_sync,
    }))
}

fn spatial(descriptor: &vp9::Descriptor, picture: Picture) -> Option<LayerInfo> {
    let layer = descriptor.layer?;
    Some(LayerInfo::Spatial(SpatialPicture {
        number: picture.number?,
        layer: LayerId { spatial: layer.spatial_id, temporal: layer.temporal_id },
        is_key: layer.spatial_id == 0 && !descriptor.is_inter_predicted,
        is_switching_point: layer.is_switching_up_point,
        ends_frame: descriptor.ends_frame,
    }))
}
