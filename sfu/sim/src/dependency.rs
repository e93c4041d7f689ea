//! The dependency descriptor of AV1 (AV1 RTP payload specification, appendix A), written as encoders do and read as
//! receivers do, without the code under test.

use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues};

use crate::descriptor::{Frame, resolution};
use crate::media::{Stamp, Structure};
use crate::targets::Told;

const URI: &str = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
const TEMPLATES_PER_LAYER: u8 = 4;

/// One kind of frame of a structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    frame_diffs: Vec<u8>,
    chain_diffs: Vec<u8>,
    /// Decode target indications, 2 bits each: absent, discardable, switch, required.
    indications: Vec<u8>,
}

/// Key frame, then the temporal layers in order, for each size in order.
fn templates(structure: Structure) -> Vec<Template> {
    let (sizes, rates) = (structure.spatial_layers(), structure.temporal_layers());
    let mut templates = Vec::new();
    for spatial in 0..sizes {
        for kind in 0..=rates {
            let (is_key, temporal) = (kind == 0, kind.saturating_sub(1));
            let pictures_back = match (rates, temporal) {
                (1, _) => 1,
                (_, 0) => 4,
                (_, 1) => 2,
                _ => 1,
            };
            let mut frame_diffs = if is_key { Vec::new() } else { vec![pictures_back * sizes] };
            if spatial > 0 && (is_key || structure == Structure::Svc) {
                frame_diffs.push(1);
            }
            let indications = (0..sizes).flat_map(|size| {
                (0..rates).map(move |rate| indication(structure, is_key, (spatial, temporal), (size, rate)))
            });
            templates.push(Template {
                spatial,
                temporal,
                frame_diffs,
                chain_diffs: vec![0; usize::from(sizes)],
                indications: indications.collect(),
            });
        }
    }
    templates
}

/// What a frame is to the decode target of a size and a rate.
fn indication(structure: Structure, is_key: bool, (spatial, temporal): (u8, u8), (size, rate): (u8, u8)) -> u8 {
    let builds_on_smaller = is_key || structure == Structure::Svc;
    if spatial > size || temporal > rate || spatial < size && !builds_on_smaller {
        0
    } else if spatial < size && !is_key {
        3
    } else if temporal > 0 && temporal == rate {
        1
    } else {
        2
    }
}

/// The raw bytes of a descriptor, as a header extension carries them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency(pub(crate) Vec<u8>);

/// What holds from one structure to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    templates: Vec<Template>,
    /// For each decode target its chain; empty where there are no chains.
    chains: Vec<u8>,
}

impl Table {
    fn targets(&self) -> usize {
        self.templates[0].indications.len()
    }

    /// Decode targets that have the highest rate there is.
    fn full_rate(&self) -> u32 {
        let rate =
            |target: usize| self.templates.iter().filter(|t| t.indications[target] != 0).map(|t| t.temporal).max();
        let top = self.templates.iter().map(|template| template.temporal).max();
        mask((0..self.targets()).map(|target| rate(target) == top))
    }
}

fn mask(bits: impl Iterator<Item = bool>) -> u32 {
    bits.enumerate().fold(0, |mask, (place, bit)| mask | u32::from(bit) << place)
}

/// What a descriptor says of its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) begins: bool,
    pub(crate) ends: bool,
    pub(crate) number: u16,
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    /// How many frames back those are that it builds on; `None` when the structure is not known.
    pub(crate) diffs: Option<Vec<u16>>,
    /// And of decode targets.
    pub(crate) told: Option<Told>,
}

impl Dependency {
    /// The descriptor of a packet of a frame.
    pub(crate) fn write(frame: &Frame, stamp: &Stamp) -> Self {
        let templates = templates(frame.structure);
        let rates = frame.structure.temporal_layers();
        let kind = if stamp.is_keyframe { 0 } else { stamp.temporal + 1 };
        let id = stamp.spatial * (rates + 1) + kind;
        debug_assert!(rates < TEMPLATES_PER_LAYER);
        let template = &templates[usize::from(id)];
        let has_structure = stamp.is_entry();
        let targets = template.indications.len();
        let has_mask =
            stamp.is_first() && stamp.temporal == 0 && frame.active_layers < frame.structure.spatial_layers();
        let custom_frames = frame.frame_diffs != template.frame_diffs;
        let custom_chains = frame.chain_diffs != template.chain_diffs;
        let mut bits = Bits::default();
        bits.put(u32::from(stamp.is_first()), 1);
        bits.put(u32::from(stamp.is_last()), 1);
        bits.put(u32::from(id), 6);
        bits.put(stamp.frame & 0xffff, 16);
        if has_structure || has_mask || custom_frames || custom_chains {
            for flag in [has_structure, has_mask, false, custom_frames, custom_chains] {
                bits.put(u32::from(flag), 1);
            }
            if has_structure {
                write_structure(&mut bits, &templates, frame.structure);
            }
            if has_mask {
                // The first target is the lowest bit.
                let active = u32::from(frame.active_layers) * u32::from(rates);
                bits.put((1 << active) - 1, targets);
            }
            if custom_frames {
                for diff in &frame.frame_diffs {
                    let size = if *diff <= 16 { 1 } else { 2 };
                    bits.put(size, 2);
                    bits.put(u32::from(*diff) - 1, 4 * size as usize);
                }
                bits.put(0, 2);
            }
            if custom_chains {
                for diff in &frame.chain_diffs {
                    bits.put(u32::from(*diff), 8);
                }
            }
        }
        Self(bits.into_bytes())
    }

    /// What it says, given the last structure seen, which it may replace.
    pub(crate) fn read(&self, known: &mut Option<Table>) -> Option<Reading> {
        let mut bits = Reader { bytes: &self.0, at: 0 };
        let (begins, ends) = (bits.take(1)? == 1, bits.take(1)? == 1);
        let (id, number) = (bits.take(6)?, bits.take(16)? as u16);
        let mut flags = [false; 5];
        if self.0.len() > 3 {
            for flag in &mut flags {
                *flag = bits.take(1)? == 1;
            }
        }
        let [has_structure, has_mask, custom_indications, custom_frames, custom_chains] = flags;
        if has_structure {
            *known = Some(read_structure(&mut bits)?);
        }
        let Some(table) = known.as_ref() else {
            return Some(Reading { begins, ends, number, spatial: 0, temporal: 0, diffs: None, told: None });
        };
        let template = table.templates.get(id as usize)?;
        let mut active = has_structure.then(|| mask(template.indications.iter().map(|_| true)));
        if has_mask {
            active = Some(bits.take(table.targets())?);
        }
        let mut indications = template.indications.clone();
        if custom_indications {
            for indication in &mut indications {
                *indication = bits.take(2)? as u8;
            }
        }
        let mut diffs: Vec<u16> = template.frame_diffs.iter().map(|diff| u16::from(*diff)).collect();
        if custom_frames {
            diffs.clear();
            loop {
                let size = bits.take(2)?;
                if size == 0 {
                    break;
                }
                diffs.push(bits.take(4 * size as usize)? as u16 + 1);
            }
        }
        let mut chain_diffs = template.chain_diffs.clone();
        if custom_chains {
            for diff in &mut chain_diffs {
                *diff = bits.take(8)? as u8;
            }
        }
        let told = Told {
            number,
            active,
            present: mask(indications.iter().map(|indication| *indication != 0)),
            switch: mask(indications.iter().map(|indication| *indication == 2)),
            full_rate: table.full_rate(),
            chain_diffs: table.chains.iter().map(|chain| chain_diffs[usize::from(*chain)]).collect(),
        };
        let (spatial, temporal) = (template.spatial, template.temporal);
        Some(Reading { begins, ends, number, spatial, temporal, diffs: Some(diffs), told: Some(told) })
    }

    /// The header extension that carries it.
    pub(crate) fn extension() -> Extension {
        Extension::with_serializer(URI, Carry)
    }
}

fn write_structure(bits: &mut Bits, templates: &[Template], structure: Structure) {
    let (sizes, rates) = (structure.spatial_layers(), structure.temporal_layers());
    let (targets, chains) = (u32::from(sizes) * u32::from(rates), u32::from(sizes));
    bits.put(0, 6);
    bits.put(targets - 1, 5);
    for (n, template) in templates.iter().enumerate() {
        bits.put(
            match templates.get(n + 1) {
                None => 3,
                Some(next) if next.spatial > template.spatial => 2,
                Some(next) if next.temporal > template.temporal => 1,
                Some(_) => 0,
            },
            2,
        );
    }
    for indication in templates.iter().flat_map(|template| &template.indications) {
        bits.put(u32::from(*indication), 2);
    }
    for template in templates {
        for diff in &template.frame_diffs {
            bits.put(1, 1);
            bits.put(u32::from(*diff) - 1, 4);
        }
        bits.put(0, 1);
    }
    bits.put_non_symmetric(chains, targets + 1);
    for target in 0..targets {
        bits.put_non_symmetric(target / u32::from(rates), chains);
    }
    for diff in templates.iter().flat_map(|template| &template.chain_diffs) {
        bits.put(u32::from(*diff), 4);
    }
    bits.put(1, 1);
    for spatial in 0..sizes {
        let (width, height) = resolution(spatial, structure);
        bits.put(u32::from(width) - 1, 16);
        bits.put(u32::from(height) - 1, 16);
    }
}

fn read_structure(bits: &mut Reader<'_>) -> Option<Table> {
    bits.take(6)?;
    let targets = bits.take(5)? + 1;
    let mut templates = Vec::new();
    let (mut spatial, mut temporal) = (0, 0);
    loop {
        templates.push(Template {
            spatial,
            temporal,
            frame_diffs: Vec::new(),
            chain_diffs: Vec::new(),
            indications: Vec::new(),
        });
        match bits.take(2)? {
            0 => {}
            1 => temporal += 1,
            2 => (spatial, temporal) = (spatial + 1, 0),
            _ => break,
        }
    }
    for template in &mut templates {
        for _ in 0..targets {
            template.indications.push(bits.take(2)? as u8);
        }
    }
    for template in &mut templates {
        while bits.take(1)? == 1 {
            template.frame_diffs.push(bits.take(4)? as u8 + 1);
        }
    }
    let count = bits.take_non_symmetric(targets + 1)?;
    let mut chains = Vec::new();
    if count > 0 {
        for _ in 0..targets {
            chains.push(bits.take_non_symmetric(count)? as u8);
        }
        for template in &mut templates {
            for _ in 0..count {
                template.chain_diffs.push(bits.take(4)? as u8);
            }
        }
    }
    if bits.take(1)? == 1 {
        for _ in 0..=spatial {
            bits.take(16)?;
            bits.take(16)?;
        }
    }
    Some(Table { templates, chains })
}

#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    fn put(&mut self, value: u32, count: usize) {
        for bit in (0..count).rev() {
            if self.len.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.len() - 1;
            self.bytes[last] |= ((value >> bit & 1) as u8) << (7 - self.len % 8);
            self.len += 1;
        }
    }

    /// `ns(n)`: section A.8.1 of the specification.
    fn put_non_symmetric(&mut self, value: u32, n: u32) {
        let width = (n.ilog2() + 1) as usize;
        let short = (1 << width) - n;
        if value < short {
            self.put(value, width - 1);
        } else {
            self.put(value + short, width);
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    fn take_non_symmetric(&mut self, n: u32) -> Option<u32> {
        let width = (n.ilog2() + 1) as usize;
        let short = (1 << width) - n;
        let value = self.take(width - 1)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1 | self.take(1)?) - short)
    }
}

#[derive(Debug)]
struct Carry;

impl ExtensionSerializer for Carry {
    fn write_to(&self, buf: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(Dependency(bytes)) = values.user_values.get() else { return 0 };
        buf[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, buf: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(Dependency(buf.to_vec()));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values.user_values.get::<Dependency>().is_some_and(|d| d.0.len() > 16)
    }
}
