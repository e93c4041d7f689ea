//! The descriptor of one packet.

use super::MAX_LEN;
use super::active::{ActiveTargetsField, FLAGS_END};
use super::bits::{Reader, Writer};
use super::lists::{ChainDiffs, Dtis, FrameDiffs};
use super::structure::Structure;

/// What every descriptor says, readable without a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mandatory {
    /// First packet of a frame.
    pub start_of_frame: bool,
    /// Last packet of a frame.
    pub end_of_frame: bool,
    /// Frame dependency template in use.
    pub template_id: u8,
    /// Frame number, wrapping at 16 bits.
    pub frame_number: u16,
    /// The packet brings a template structure: only key frames do.
    pub has_structure: bool,
}

impl Mandatory {
    /// Reads the mandatory fields and the structure flag. `None` when there are fewer than three bytes.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (mandatory, extended) = bytes.split_first_chunk::<3>()?;
        Some(Self {
            start_of_frame: mandatory[0] & 0x80 != 0,
            end_of_frame: mandatory[0] & 0x40 != 0,
            template_id: mandatory[0] & 0x3f,
            frame_number: u16::from_be_bytes([mandatory[1], mandatory[2]]),
            has_structure: extended.first().is_some_and(|flags| flags & 0x80 != 0),
        })
    }

    /// True for the first packet of a key frame.
    #[must_use]
    pub fn starts_keyframe(&self) -> bool {
        self.start_of_frame && self.has_structure
    }
}

/// A descriptor read with its structure: everything about the frame the packet belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// First packet of a frame.
    pub start_of_frame: bool,
    /// Last packet of a frame.
    pub end_of_frame: bool,
    /// Frame dependency template in use, below 64.
    pub template_id: u8,
    /// Frame number, wrapping at 16 bits; all layers count together.
    pub frame_number: u16,
    /// Spatial layer, 0 the lowest.
    pub spatial_id: u8,
    /// Temporal layer, 0 the lowest.
    pub temporal_id: u8,
    /// What the frame is to each decode target.
    pub dtis: Dtis,
    /// The frames it builds on.
    pub frame_diffs: FrameDiffs,
    /// The frames before it in each chain.
    pub chain_diffs: ChainDiffs,
    /// Decode targets that can be decoded from here on, as a bitmask, when the packet tells: all of them with a new
    /// structure, unless it says otherwise. What was told holds until the next (section A.4).
    pub active_decode_targets: Option<u32>,
    /// The structure the packet brings, to be kept. Only a key frame's first packet does.
    pub structure: Option<Structure>,
}

impl Descriptor {
    /// Reads a descriptor with the structure that holds, `None` before the first. `None` when it is malformed or
    /// does not go with the structure; [`Mandatory::parse`] reads what does not need one.
    #[must_use]
    pub fn parse(bytes: &[u8], known: Option<&Structure>) -> Option<Self> {
        Self::parse_with_field(bytes, known).map(|(descriptor, _)| descriptor)
    }

    /// As [`Descriptor::parse`], with the place where a forwarder can tell which decode targets it leaves active.
    #[must_use]
    pub fn parse_with_field(bytes: &[u8], known: Option<&Structure>) -> Option<(Self, ActiveTargetsField)> {
        if bytes.len() > MAX_LEN {
            return None;
        }
        let mandatory = Mandatory::parse(bytes)?;
        let mut reader = Reader::new(bytes);
        reader.bits(24)?;
        let mut flags = [false; 5];
        if bytes.len() > 3 {
            for flag in &mut flags {
                *flag = reader.flag()?;
            }
        }
        let [brings_structure, tells_active, has_dtis, has_frame_diffs, has_chain_diffs] = flags;
        let structure = if brings_structure { Some(Structure::read(&mut reader)?) } else { None };
        let holding = structure.as_ref().or(known)?;
        // A descriptor of three bytes has no flags yet.
        let at = reader.position().max(FLAGS_END);
        let field = ActiveTargetsField::new(at, holding.decode_targets(), tells_active)?;
        let active_decode_targets = if tells_active {
            Some(reader.bits(u32::from(holding.decode_targets()))?)
        } else {
            structure.as_ref().map(Structure::all_decode_targets)
        };
        let template = *holding.template(mandatory.template_id)?;
        let (mut dtis, mut frame_diffs, mut chain_diffs) = (template.dtis, template.frame_diffs, template.chain_diffs);
        if has_dtis {
            dtis = Dtis::read(&mut reader, holding.decode_targets())?;
        }
        if has_frame_diffs {
            frame_diffs = FrameDiffs::read_custom(&mut reader)?;
        }
        if has_chain_diffs {
            chain_diffs = ChainDiffs::read(&mut reader, holding.chains(), 8)?;
        }
        let descriptor = Self {
            start_of_frame: mandatory.start_of_frame,
            end_of_frame: mandatory.end_of_frame,
            template_id: mandatory.template_id,
            frame_number: mandatory.frame_number,
            spatial_id: template.spatial_id,
            temporal_id: template.temporal_id,
            dtis,
            frame_diffs,
            chain_diffs,
            active_decode_targets,
            structure,
        };
        Some((descriptor, field))
    }

    /// True for a packet of a key frame that brings the structure with it.
    #[must_use]
    pub fn is_keyframe(&self) -> bool {
        self.structure.is_some()
    }

    /// Appends the descriptor as bytes, its own structure or the one that holds beside it. What equals the template
    /// is left to the template. `None`, and nothing appended, when the template is not of the structure, when a
    /// list does not fit it, or when it would be longer than [`MAX_LEN`]; otherwise the length.
    pub fn write(&self, known: Option<&Structure>, buf: &mut Vec<u8>) -> Option<usize> {
        let holding = self.structure.as_ref().or(known)?;
        let template = holding.template(self.template_id)?;
        if self.dtis.len() != template.dtis.len()
            || self.chain_diffs.as_slice().len() != template.chain_diffs.as_slice().len()
        {
            return None;
        }
        let implied = self.structure.as_ref().map(Structure::all_decode_targets);
        let active = self.active_decode_targets.filter(|active| Some(*active) != implied);
        let flags = [
            self.structure.is_some(),
            active.is_some(),
            self.dtis != template.dtis,
            self.frame_diffs != template.frame_diffs,
            self.chain_diffs != template.chain_diffs,
        ];
        let start = buf.len();
        let mut writer = Writer::new(buf);
        writer.flag(self.start_of_frame);
        writer.flag(self.end_of_frame);
        writer.bits(u32::from(self.template_id), 6);
        writer.bits(u32::from(self.frame_number), 16);
        if flags.contains(&true) {
            flags.iter().for_each(|flag| writer.flag(*flag));
            if let Some(structure) = &self.structure {
                structure.write(&mut writer);
            }
            if let Some(active) = active {
                writer.bits(active, u32::from(holding.decode_targets()));
            }
            let [.., has_dtis, has_frame_diffs, has_chain_diffs] = flags;
            if has_dtis {
                self.dtis.write(&mut writer);
            }
            if has_frame_diffs {
                self.frame_diffs.write_custom(&mut writer);
            }
            if has_chain_diffs {
                self.chain_diffs.write(&mut writer, 8);
            }
        }
        let len = buf.len() - start;
        if len > MAX_LEN {
            buf.truncate(start);
            return None;
        }
        Some(len)
    }
}

/// Writes another frame number into a descriptor in place. False, and nothing changed, when it is cut short.
pub fn set_frame_number(bytes: &mut [u8], frame_number: u16) -> bool {
    let Some(place) = bytes.get_mut(1..3) else { return false };
    place.copy_from_slice(&frame_number.to_be_bytes());
    true
}
