//! A publisher's encoder: pictures as packets with real descriptors, and what each frame builds on.
//!
//! Pictures come in groups of four with temporal layers 0 2 1 2. In every second group the upper layers build on
//! their own past too, so that it is no place to go up.

use sluice_rtp::VideoCodec;
use sluice_rtp::dependency_descriptor::{ChainDiffs, DecodeTarget, Descriptor, Dtis, FrameDiffs, Structure, Template};

use super::super::{Inspector, PacketInfo, Received};

pub(super) const TICKS: u32 = 3_000;
const TEMPORAL: [u8; 4] = [0, 2, 1, 2];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    H264,
    Vp8,
    /// Three spatial layers, by its payload descriptor.
    Vp9,
    /// By the dependency descriptor; `is_key_only`: spatial layers build on each other in key pictures only.
    Described {
        spatial: u8,
        is_key_only: bool,
    },
}

impl Kind {
    pub(super) fn spatial(self) -> u8 {
        match self {
            Self::H264 | Self::Vp8 => 1,
            Self::Vp9 => 3,
            Self::Described { spatial, .. } => spatial,
        }
    }

    pub(super) fn has_temporal(self) -> bool {
        self != Self::H264
    }

    fn codec(self) -> VideoCodec {
        match self {
            Self::H264 => VideoCodec::H264,
            Self::Vp8 => VideoCodec::Vp8,
            Self::Vp9 => VideoCodec::Vp9,
            Self::Described { .. } => VideoCodec::Av1,
        }
    }
}

/// A frame of one spatial layer, by its place in the log of all frames.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) stream: u8,
    pub(super) spatial: u8,
    pub(super) temporal: u8,
    pub(super) packets: usize,
    pub(super) builds_on: Vec<usize>,
    pub(super) is_key: bool,
}

/// A packet on its way from the publisher.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) frame: usize,
    pub(super) stream: u8,
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: Vec<u8>,
    pub(super) descriptor: Option<Vec<u8>>,
    pub(super) codec: VideoCodec,
}

impl Sent {
    /// First packet of its frame, as the dependency descriptor says.
    pub(super) fn starts_frame(&self) -> bool {
        self.descriptor.as_ref().is_some_and(|bytes| bytes[0] & 0x80 != 0)
    }

    pub(super) fn inspect(&self, inspector: &mut Inspector) -> PacketInfo {
        inspector.inspect(Received {
            codec: Some(self.codec),
            sequence: self.sequence,
            timestamp: self.timestamp,
            marker: self.marker,
            payload: &self.payload,
            dependency_descriptor: self.descriptor.as_deref(),
        })
    }
}

/// One encoding.
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    kind: Kind,
    stream: u8,
    sequence: u64,
    timestamp: u32,
    picture_id: u16,
    tl0: u8,
    frame_number: u16,
    /// Pictures since the key picture.
    since_key: Option<usize>,
    /// The last frame of each spatial and temporal layer, with its number.
    last: [[Option<(usize, u16)>; 3]; 3],
    structures: u8,
    /// Spatial layers that are sent now; the dependency descriptor says so.
    pub(super) sends: u8,
    /// Templates say that all sizes build on each other; where they do not, each frame says so itself.
    pub(super) has_plain_templates: bool,
}

impl Encoder {
    pub(super) fn new(kind: Kind, stream: u8) -> Self {
        let seed = u32::from(stream);
        Self {
            kind,
            stream,
            sequence: 65_530 + 1_000 * u64::from(stream),
            timestamp: u32::MAX - 10 * TICKS + 77 * seed,
            picture_id: 0x7ffa - 900 * u16::from(stream),
            tl0: 253 - 20 * stream,
            frame_number: 65_530 - 777 * u16::from(stream),
            since_key: None,
            last: [[None; 3]; 3],
            structures: 0,
            sends: kind.spatial(),
            has_plain_templates: false,
        }
    }

    /// The next picture; the first is a key picture in any case.
    pub(super) fn picture(&mut self, is_key: bool, packets: usize, log: &mut Vec<Frame>) -> Vec<Sent> {
        let is_key = is_key || self.since_key.is_none();
        let position = if is_key { 0 } else { self.since_key.unwrap() + 1 };
        self.since_key = Some(position);
        self.timestamp = self.timestamp.wrapping_add(TICKS);
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        let temporal = if self.kind.has_temporal() { TEMPORAL[position % 4] } else { 0 };
        if temporal == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        let is_tangled = position / 4 % 2 == 1;
        if is_key {
            self.last = [[None; 3]; 3];
            self.structures += 1;
        }
        let mut sent = Vec::new();
        let mut below = None;
        for spatial in 0..self.sends {
            self.frame_number = self.frame_number.wrapping_add(1);
            let builds_on = self.builds_on(
                spatial,
                temporal,
                position,
                is_tangled,
                below.filter(|_| is_key || !matches!(self.kind, Kind::Described { is_key_only: true, .. })),
            );
            let this = (log.len(), self.frame_number);
            log.push(Frame {
                stream: self.stream,
                spatial,
                temporal,
                packets,
                builds_on: builds_on.iter().map(|(frame, _)| *frame).collect(),
                is_key: is_key && spatial == 0,
            });
            let diffs: Vec<u16> = builds_on.iter().map(|(_, number)| self.frame_number.wrapping_sub(*number)).collect();
            for i in 0..packets {
                let (starts, ends) = (i == 0, i + 1 == packets);
                let is_sync = temporal > 0 && builds_on.iter().all(|(frame, _)| log[*frame].temporal == 0);
                sent.push(Sent {
                    frame: this.0,
                    stream: self.stream,
                    sequence: self.sequence,
                    timestamp: self.timestamp,
                    marker: ends && spatial + 1 == self.sends,
                    payload: self.payload(spatial, temporal, is_key, starts, ends, is_sync, is_tangled),
                    descriptor: self.descriptor(spatial, temporal, is_key, starts, ends, is_tangled, &diffs),
                    codec: self.kind.codec(),
                });
                self.sequence += 1;
            }
            self.last[usize::from(spatial)][usize::from(temporal)] = Some(this);
            below = Some(this);
        }
        sent
    }

    fn builds_on(
        &self,
        spatial: u8,
        temporal: u8,
        position: usize,
        is_tangled: bool,
        below: Option<(usize, u16)>,
    ) -> Vec<(usize, u16)> {
        let [base, middle, top] = self.last[usize::from(spatial)];
        let past = match (temporal, position % 4) {
            (0, _) => [base, None],
            (1, _) => [base, middle.filter(|_| is_tangled)],
            (_, 1) => [base, top.filter(|_| is_tangled)],
            _ => [base, middle],
        };
        past.into_iter().flatten().chain(below).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a descriptor")]
    fn payload(
        &self,
        spatial: u8,
        temporal: u8,
        is_key: bool,
        starts: bool,
        ends: bool,
        is_sync: bool,
        is_tangled: bool,
    ) -> Vec<u8> {
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        match self.kind {
            Kind::H264 => vec![0x7c, flag(starts, 0x80) | if is_key { 5 } else { 1 }, 0],
            Kind::Vp8 => {
                let layer = temporal << 6 | flag(is_sync, 0x20);
                vec![0x80 | flag(starts, 0x10), 0xe0, high, low, self.tl0, layer, u8::from(!is_key), 0]
            }
            Kind::Vp9 => {
                let first = 0xa0 | flag(!is_key, 0x40) | flag(starts, 0x08) | flag(ends, 0x04);
                let is_switching_point = !(temporal == 0 && is_tangled);
                let layer = temporal << 5 | flag(is_switching_point, 0x10) | spatial << 1 | flag(spatial > 0, 0x01);
                vec![first, high, low, layer, self.tl0, 0xff]
            }
            Kind::Described { .. } => vec![0x10, 0xff],
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a descriptor")]
    fn descriptor(
        &self,
        spatial: u8,
        temporal: u8,
        is_key: bool,
        starts: bool,
        ends: bool,
        is_tangled: bool,
        diffs: &[u16],
    ) -> Option<Vec<u8>> {
        let Kind::Described { spatial: layers, is_key_only } = self.kind else { return None };
        let structure = structure(layers, is_key_only && !self.has_plain_templates, self.structures);
        let dtis: Dtis = (0..layers * 3)
            .map(|target| dti(spatial, temporal, target, is_key, is_key_only, is_tangled))
            .collect();
        let brings_structure = is_key && starts && spatial == 0;
        let descriptor = Descriptor {
            start_of_frame: starts,
            end_of_frame: ends,
            template_id: structure.id_of(usize::from(spatial * 3 + temporal)),
            frame_number: self.frame_number,
            spatial_id: spatial,
            temporal_id: temporal,
            dtis,
            frame_diffs: FrameDiffs::new(diffs).unwrap(),
            chain_diffs: ChainDiffs::default(),
            active_decode_targets: (starts && self.sends < layers).then(|| (1 << (self.sends * 3)) - 1),
            structure: brings_structure.then(|| structure.clone()),
        };
        let mut bytes = Vec::new();
        descriptor.write(Some(&structure), &mut bytes).unwrap();
        Some(bytes)
    }
}

/// What a frame is to a decode target; there is one for each pair of layers, temporal first.
fn dti(spatial: u8, temporal: u8, target: u8, is_key: bool, is_key_only: bool, is_tangled: bool) -> DecodeTarget {
    let (of_spatial, of_temporal) = (target / 3, target % 3);
    let is_present =
        temporal <= of_temporal && if is_key_only && !is_key { spatial == of_spatial } else { spatial <= of_spatial };
    let is_switch = match temporal {
        0 => !is_tangled || of_temporal == 0,
        1 => true,
        _ => false,
    };
    match (is_present, is_key || is_switch && spatial == of_spatial) {
        (false, _) => DecodeTarget::NotPresent,
        (true, true) => DecodeTarget::Switch,
        (true, false) => DecodeTarget::Required,
    }
}

/// A template for each layer; every frame says for itself what it builds on. Each key frame brings other ids.
fn structure(layers: u8, is_key_only: bool, generation: u8) -> Structure {
    let templates: Vec<Template> = (0..layers * 3)
        .map(|i| Template {
            spatial_id: i / 3,
            temporal_id: i % 3,
            dtis: (0..layers * 3)
                .map(|target| dti(i / 3, i % 3, target, false, is_key_only, false))
                .collect(),
            frame_diffs: FrameDiffs::default(),
            chain_diffs: ChainDiffs::default(),
        })
        .collect();
    Structure::new(generation.wrapping_mul(layers * 3) & 0x3f, &templates, &[], &[]).unwrap()
}
