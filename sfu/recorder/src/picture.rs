//! What a key frame says of the pictures from there on: their size, and what a decoder is told before the first.
//!
//! The bitstreams are read by `shiguredo_mp4`, which bounds what it reads and answers with errors.

use std::collections::BTreeMap;

use shiguredo_mp4::Encode;
use shiguredo_mp4::bitstream::{av1, h264, h265, vp8, vp9};
use shiguredo_mp4::boxes::SampleEntry;
use sluice_rtp::VideoCodec;

use crate::depacketize::{Built, units};

/// What a file says of its pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VideoConfig {
    pub(crate) codec: VideoCodec,
    /// Pixels.
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Matroska's CodecPrivate: avcC, hvcC or av1C without box; empty where there is none.
    pub(crate) private: Vec<u8>,
    /// The same for MP4, where it can hold the codec.
    pub(crate) entry: Option<SampleEntry>,
}

/// Remembers parameter sets, which need not come with every key frame.
#[derive(Debug, Default)]
pub(crate) struct ParameterSets {
    /// By type and by what a set begins with, which its id is a part of; one of a kind and id replaces the other.
    sets: BTreeMap<(u8, u8), Vec<u8>>,
}

/// Sets of one stream: encoders use one of each. More than these are not kept.
const MAX_SETS: usize = 16;

/// Longer ones do not fit the format.
const MAX_SET_BYTES: usize = 4096;

impl ParameterSets {
    /// Keeps the sets that are in a frame.
    pub(crate) fn observe(&mut self, codec: VideoCodec, data: &[u8]) {
        if !matches!(codec, VideoCodec::H264 | VideoCodec::H265) {
            return;
        }
        let mut fresh: BTreeMap<(u8, u8), Vec<u8>> = BTreeMap::new();
        for unit in units(data) {
            if let Some(kind) = set_kind(codec, unit)
                && unit.len() <= MAX_SET_BYTES
                && fresh.len() < MAX_SETS
            {
                let place = u8::try_from(fresh.keys().filter(|(other, _)| *other == kind).count()).unwrap_or(u8::MAX);
                fresh.insert((kind, place), unit.to_vec());
            }
        }
        // What comes with a picture replaces what came before, kind by kind: an id is told only by a decoder.
        for kind in fresh.keys().map(|(kind, _)| *kind).collect::<std::collections::BTreeSet<_>>() {
            self.sets.retain(|(other, _), _| *other != kind);
        }
        self.sets.extend(fresh);
    }

    fn of(&self, kind: u8) -> Vec<Vec<u8>> {
        self.sets
            .iter()
            .filter(|((other, _), _)| *other == kind)
            .map(|(_, set)| set.clone())
            .collect()
    }
}

const H264_SPS: u8 = 7;
const H264_PPS: u8 = 8;
const H265_VPS: u8 = 32;
const H265_SPS: u8 = 33;
const H265_PPS: u8 = 34;

fn set_kind(codec: VideoCodec, unit: &[u8]) -> Option<u8> {
    let first = *unit.first()?;
    let (kind, sets) = match codec {
        VideoCodec::H264 => (first & 0x1f, H264_SPS..=H264_PPS),
        _ => (first >> 1 & 0x3f, H265_VPS..=H265_PPS),
    };
    sets.contains(&kind).then_some(kind)
}

/// Reads a key frame. Nothing when it is none, or when what a decoder needs is not there.
pub(crate) fn describe(codec: VideoCodec, frame: &Built, sets: &ParameterSets) -> Option<VideoConfig> {
    let (width, height, private, entry) = match codec {
        VideoCodec::Vp8 => {
            let key = vp8::parse_frame_header(&frame.data).ok()?.keyframe?;
            (key.width, key.height, Vec::new(), None)
        }
        VideoCodec::Vp9 => {
            let header = vp9::parse_frame_header(&frame.data).ok()?;
            let vp9::Vp9FrameSize::Resolved { width, height } = header.frame_size else { return None };
            let of_frame = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
            let (width, height) = frame.size.unwrap_or(of_frame);
            (width, height, Vec::new(), None)
        }
        VideoCodec::H264 => {
            let config = h264::H264SampleEntryConfig { length_size: h264::LengthSize::FourBytes };
            let entry = h264::build_avc1_box(&sets.of(H264_SPS), &sets.of(H264_PPS), &config).ok()?;
            let private = without_box_header(&entry.avcc_box)?;
            (entry.visual.width, entry.visual.height, private, Some(SampleEntry::Avc1(entry)))
        }
        VideoCodec::H265 => {
            let config = h265::H265SampleEntryConfig {
                length_size: h265::LengthSize::FourBytes,
                avg_frame_rate: h265::H265SampleEntryConfig::AVG_FRAME_RATE_UNSPECIFIED,
                constant_frame_rate: h265::H265ConstantFrameRate::Unknown,
            };
            let (vps, sps, pps) = (sets.of(H265_VPS), sets.of(H265_SPS), sets.of(H265_PPS));
            let entry = h265::build_hvc1_box(&vps, &sps, &pps, &config).ok()?;
            let private = without_box_header(&entry.hvcc_box)?;
            (entry.visual.width, entry.visual.height, private, Some(SampleEntry::Hvc1(entry)))
        }
        VideoCodec::Av1 => {
            let obus = av1::parse_obus(&frame.data, av1::Av1ObuParseContext::Sample).ok()?;
            let header = obus.iter().find(|obu| matches!(obu.obu_type, av1::Av1ObuType::SequenceHeader))?;
            let sequence = av1::parse_sequence_header(header.payload).ok()?;
            let picture = obus
                .iter()
                .find(|obu| matches!(obu.obu_type, av1::Av1ObuType::Frame | av1::Av1ObuType::FrameHeader))?;
            // A sequence header may be repeated in front of pictures that are no entry.
            if !av1::parse_frame_header_prefix(picture.payload, &sequence).ok()?.is_rap() {
                return None;
            }
            let config = av1::Av1SampleEntryConfig { initial_presentation_delay_minus_one: None };
            let entry = av1::build_av01_box(&sequence, header.obu, &config).ok()?;
            let private = without_box_header(&entry.av1c_box)?;
            (entry.visual.width, entry.visual.height, private, Some(SampleEntry::Av01(entry)))
        }
    };
    Some(VideoConfig { codec, width, height, private, entry })
}

/// What a box of the small form holds.
fn without_box_header(of: &impl Encode) -> Option<Vec<u8>> {
    let bytes = of.encode_to_vec().ok()?;
    bytes.get(8..).map(<[u8]>::to_vec)
}
