//! The table of templates that a key frame brings (sections A.8.2 and A.8.3).

use super::bits::{Reader, Writer};
use super::lists::{ChainDiffs, DecodeTarget, Dtis, FrameDiffs};
use super::{MAX_DECODE_TARGETS, MAX_SPATIAL_LAYERS, MAX_TEMPLATES, MAX_TEMPORAL_LAYERS};

/// `next_layer_idc` (table A.2).
const SAME_LAYER: u32 = 0;
const NEXT_TEMPORAL: u32 = 1;
const NEXT_SPATIAL: u32 = 2;
const NO_MORE: u32 = 3;

/// What frames that name it have in common.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Template {
    /// Spatial layer, 0 the lowest.
    pub spatial_id: u8,
    /// Temporal layer, 0 the lowest.
    pub temporal_id: u8,
    /// What the frame is to each decode target.
    pub dtis: Dtis,
    /// The frames it builds on: distances from 1 to 16.
    pub frame_diffs: FrameDiffs,
    /// The frames before it in each chain: distances up to 15.
    pub chain_diffs: ChainDiffs,
}

/// A dependency structure: holds until a key frame brings another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Structure {
    template_id_offset: u8,
    decode_targets: u8,
    /// At most 64, in order of their layers.
    templates: Vec<Template>,
    chains: u8,
    /// For each decode target its chain; empty when there are no chains.
    protected_by: Vec<u8>,
    /// Width and height in pixels for each spatial layer, or nothing.
    resolutions: Vec<(u32, u32)>,
}

impl Structure {
    /// How many decode targets there are: 1 to 32.
    #[must_use]
    pub fn decode_targets(&self) -> u8 {
        self.decode_targets
    }

    /// All decode targets as a bitmask.
    #[must_use]
    pub fn all_decode_targets(&self) -> u32 {
        u32::MAX >> (32 - u32::from(self.decode_targets.clamp(1, 32)))
    }

    /// The templates, at most 64, in order of spatial, then temporal layer.
    #[must_use]
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// The template a frame names. `None` when the structure has none of that id: then the frame belongs to another
    /// structure, whose key frame was missed.
    #[must_use]
    pub fn template(&self, id: u8) -> Option<&Template> {
        let index = id.wrapping_sub(self.template_id_offset) & 0x3f;
        self.templates.get(usize::from(index))
    }

    /// The id of a template by its place among [`Structure::templates`].
    #[must_use]
    pub fn id_of(&self, index: usize) -> u8 {
        let index = u8::try_from(index % MAX_TEMPLATES).unwrap_or_default();
        self.template_id_offset.wrapping_add(index) & 0x3f
    }

    /// How many chains there are.
    #[must_use]
    pub fn chains(&self) -> u8 {
        self.chains
    }

    /// The chain that must be unbroken for a decode target to be decodable. `None` when the structure has no chains.
    #[must_use]
    pub fn chain_of(&self, decode_target: usize) -> Option<usize> {
        self.protected_by.get(decode_target).map(|chain| usize::from(*chain))
    }

    /// The highest spatial and temporal layer that a decode target has. `None` when no template belongs to it.
    #[must_use]
    pub fn layer_of(&self, decode_target: usize) -> Option<(u8, u8)> {
        let of_target = self.templates.iter().filter(|t| t.dtis.get(decode_target) != DecodeTarget::NotPresent);
        of_target
            .map(|t| (t.spatial_id, t.temporal_id))
            .reduce(|(s, t), (s2, t2)| (s.max(s2), t.max(t2)))
    }

    /// For each decode target a bitmask of those whose frames all belong to it as well, as far as templates tell.
    /// [`Structure::decode_targets`] of them count.
    #[must_use]
    pub fn contained(&self) -> [u32; MAX_DECODE_TARGETS] {
        let mut contained = [self.all_decode_targets(); MAX_DECODE_TARGETS];
        for template in &self.templates {
            let present = template.dtis.present();
            for (target, contained) in contained.iter_mut().enumerate() {
                if present >> target & 1 == 0 {
                    *contained &= !present;
                }
            }
        }
        contained
    }

    /// The decode target that has exactly these layers at the top.
    #[must_use]
    pub fn decode_target_for(&self, spatial_id: u8, temporal_id: u8) -> Option<usize> {
        (0..usize::from(self.decode_targets)).find(|target| self.layer_of(*target) == Some((spatial_id, temporal_id)))
    }

    /// How many spatial layers the templates have.
    #[must_use]
    pub fn spatial_layers(&self) -> u8 {
        self.templates.last().map_or(0, |template| template.spatial_id + 1)
    }

    /// How many temporal layers the templates have.
    #[must_use]
    pub fn temporal_layers(&self) -> u8 {
        self.templates.iter().map(|template| template.temporal_id + 1).max().unwrap_or(0)
    }

    /// Largest width and height of a spatial layer in pixels, where the encoder says so.
    #[must_use]
    pub fn resolution(&self, spatial_id: u8) -> Option<(u32, u32)> {
        self.resolutions.get(usize::from(spatial_id)).copied()
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let template_id_offset = reader.small(6)?;
        let decode_targets = reader.small(5)? + 1;
        let mut templates = read_layers(reader)?;
        for template in &mut templates {
            template.dtis = Dtis::read(reader, decode_targets)?;
        }
        for template in &mut templates {
            template.frame_diffs = FrameDiffs::read_template(reader)?;
        }
        let chains = reader.non_symmetric(u32::from(decode_targets) + 1)?;
        let mut protected_by = Vec::new();
        if chains > 0 {
            for _ in 0..decode_targets {
                protected_by.push(reader.non_symmetric(u32::from(chains))?);
            }
            for template in &mut templates {
                template.chain_diffs = ChainDiffs::read(reader, chains, 4)?;
            }
        }
        let mut structure =
            Self { template_id_offset, decode_targets, templates, chains, protected_by, resolutions: Vec::new() };
        if reader.flag()? {
            for _ in 0..structure.spatial_layers() {
                structure.resolutions.push((reader.bits(16)? + 1, reader.bits(16)? + 1));
            }
        }
        Some(structure)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.bits(u32::from(self.template_id_offset), 6);
        writer.bits(u32::from(self.decode_targets - 1), 5);
        for pair in self.templates.windows(2) {
            writer.bits(step(&pair[0], &pair[1]).unwrap_or(SAME_LAYER), 2);
        }
        writer.bits(NO_MORE, 2);
        self.templates.iter().for_each(|template| template.dtis.write(writer));
        self.templates.iter().for_each(|template| template.frame_diffs.write_template(writer));
        writer.non_symmetric(u32::from(self.chains), u32::from(self.decode_targets) + 1);
        if self.chains > 0 {
            for chain in &self.protected_by {
                writer.non_symmetric(u32::from(*chain), u32::from(self.chains));
            }
            self.templates.iter().for_each(|template| template.chain_diffs.write(writer, 4));
        }
        writer.flag(!self.resolutions.is_empty());
        for (width, height) in &self.resolutions {
            writer.bits(width - 1, 16);
            writer.bits(height - 1, 16);
        }
    }

    /// A structure of one's own making: for tests, and for clients in simulations. `protected_by` names a chain for
    /// each decode target, or is empty when there are no chains; `resolutions` has one entry for each spatial
    /// layer, or none. `None` when the parts do not fit each other or the limits of the format.
    #[must_use]
    pub fn new(
        template_id_offset: u8,
        templates: &[Template],
        protected_by: &[u8],
        resolutions: &[(u32, u32)],
    ) -> Option<Self> {
        let decode_targets = templates.first()?.dtis.len();
        let chains = templates[0].chain_diffs.as_slice().len();
        let structure = Self {
            template_id_offset,
            decode_targets: u8::try_from(decode_targets).ok()?,
            templates: templates.to_vec(),
            chains: u8::try_from(chains).ok()?,
            protected_by: protected_by.to_vec(),
            resolutions: resolutions.to_vec(),
        };
        let fits = |t: &Template| {
            let bounded = t.frame_diffs.as_slice().iter().all(|diff| *diff <= 16)
                && t.chain_diffs.as_slice().iter().all(|diff| *diff <= 15);
            bounded && t.dtis.len() == decode_targets && t.chain_diffs.as_slice().len() == chains
        };
        let first = &templates[0];
        let fits = template_id_offset < 64
            && decode_targets > 0
            && chains <= decode_targets
            && templates.len() <= MAX_TEMPLATES
            && (first.spatial_id, first.temporal_id) == (0, 0)
            && templates.windows(2).all(|pair| step(&pair[0], &pair[1]).is_some())
            && structure.spatial_layers() <= MAX_SPATIAL_LAYERS
            && structure.temporal_layers() <= MAX_TEMPORAL_LAYERS
            && templates.iter().all(fits)
            && protected_by.len() == if chains == 0 { 0 } else { decode_targets }
            && protected_by.iter().all(|chain| *chain < structure.chains)
            && (resolutions.is_empty() || resolutions.len() == usize::from(structure.spatial_layers()))
            && resolutions.iter().all(|(w, h)| (1..=65_536).contains(w) && (1..=65_536).contains(h));
        fits.then_some(structure)
    }
}

/// The layers of all templates, everything else empty.
fn read_layers(reader: &mut Reader<'_>) -> Option<Vec<Template>> {
    let mut templates = Vec::new();
    let mut template = Template::default();
    loop {
        if templates.len() == MAX_TEMPLATES {
            return None;
        }
        templates.push(template);
        match reader.bits(2)? {
            NO_MORE => return Some(templates),
            NEXT_TEMPORAL => template.temporal_id += 1,
            NEXT_SPATIAL => {
                template.temporal_id = 0;
                template.spatial_id += 1;
            }
            _ => {}
        }
        if template.temporal_id >= MAX_TEMPORAL_LAYERS || template.spatial_id >= MAX_SPATIAL_LAYERS {
            return None;
        }
    }
}

/// How one template's layers follow the other's. `None` when the format cannot say it.
fn step(from: &Template, to: &Template) -> Option<u32> {
    match (to.spatial_id.checked_sub(from.spatial_id)?, to.temporal_id) {
        (0, temporal_id) if temporal_id == from.temporal_id => Some(SAME_LAYER),
        (0, temporal_id) if temporal_id == from.temporal_id + 1 => Some(NEXT_TEMPORAL),
        (1, 0) => Some(NEXT_SPATIAL),
        _ => None,
    }
}
