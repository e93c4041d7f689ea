//! Bytes of a real encoder, and structures of all shapes there and back.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The first packet of a stream that a browser sent: three spatial and three temporal layers.
const KEY: &str = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926e082b0\
    4a0941b820ac1282503157f974000ca864330e222222eca8655304224230eca877530077004200ef008601df010d";

#[test]
fn a_browsers_key_frame_is_read() {
    let key = Descriptor::parse(&hex(KEY), None).unwrap();
    assert!(key.is_keyframe() && key.start_of_frame && key.end_of_frame);
    assert_eq!((key.frame_number, key.template_id, key.spatial_id, key.temporal_id), (0x0172, 1, 0, 0));
    assert_eq!(key.frame_diffs.as_slice(), [0u16; 0], "builds on nothing");
    assert_eq!(key.active_decode_targets, Some(0x1ff));
    let structure = key.structure.unwrap();
    assert_eq!((structure.spatial_layers(), structure.temporal_layers(), structure.decode_targets()), (3, 3, 9));
    assert_eq!(structure.chains(), 3);
    for target in 0..9u8 {
        assert_eq!(structure.layer_of(target.into()), Some((target / 3, target % 3)));
        assert_eq!(structure.chain_of(target.into()), Some((target / 3).into()), "a chain for each spatial layer");
        assert_eq!(structure.decode_target_for(target / 3, target % 3), Some(target.into()));
    }
    let resolutions: Vec<_> = (0..4).map(|layer| structure.resolution(layer)).collect();
    assert_eq!(resolutions, [Some((120, 67)), Some((240, 135)), Some((480, 270)), None]);
    // And written by us it is the same, to the bit.
    let key = Descriptor::parse(&hex(KEY), None).unwrap();
    let mut written = Vec::new();
    assert_eq!(key.write(None, &mut written), Some(hex(KEY).len()));
    assert_eq!(written, hex(KEY));
}

#[test]
fn the_packets_behind_it_are_read_with_its_structure() {
    let structure = Descriptor::parse(&hex(KEY), None).unwrap().structure.unwrap();
    let read = |text| Descriptor::parse(&hex(text), Some(&structure)).unwrap();
    // Two layers active of three: the decode targets of the lower six.
    let upper = read("86017340fc");
    assert_eq!((upper.spatial_id, upper.temporal_id, upper.start_of_frame, upper.end_of_frame), (1, 0, true, false));
    assert_eq!(upper.active_decode_targets, Some(0x3f));
    assert_eq!(upper.frame_diffs.as_slice(), [1], "builds on the base layer of the same picture");
    let delta = read("c30175");
    assert_eq!((delta.spatial_id, delta.temporal_id, delta.frame_number), (0, 2, 0x0175));
    assert_eq!(delta.active_decode_targets, None);
    assert_eq!(delta.dtis.get(0), DecodeTarget::NotPresent);
    assert_eq!(delta.dtis.get(2), DecodeTarget::Discardable);
    for text in ["86017340fc", "46017340fc", "c3017540fc", "88017640fc", "c2017840fc", "860173", "8b0174", "0b0174"] {
        let mut written = Vec::new();
        read(text).write(Some(&structure), &mut written).unwrap();
        assert_eq!(written, hex(text));
    }
}

#[test]
fn without_its_structure_only_the_mandatory_fields_are_read() {
    let delta = hex("c30175");
    assert_eq!(Descriptor::parse(&delta, None), None);
    assert_eq!(Mandatory::parse(&delta).unwrap().frame_number, 0x0175);
    assert!(Mandatory::parse(&hex(KEY)).unwrap().starts_keyframe());
    assert!(!Mandatory::parse(&hex("410172800814")).unwrap().starts_keyframe(), "not the start of the frame");
    assert_eq!(Mandatory::parse(&delta[..2]), None);
    let structure = Descriptor::parse(&hex(KEY), None).unwrap().structure.unwrap();
    assert_eq!(Descriptor::parse(&hex("bf0175"), Some(&structure)), None, "a template of another structure");
}

#[test]
fn a_forwarder_renumbers_and_says_which_targets_it_forwards() {
    let mut bytes = hex(KEY);
    assert!(set_frame_number(&mut bytes, 7));
    let mut key = Descriptor::parse(&bytes, None).unwrap();
    assert_eq!(key.frame_number, 7);
    key.active_decode_targets = Some(0b111);
    let mut written = vec![1, 2, 3];
    let len = key.write(None, &mut written).unwrap();
    assert_eq!(Descriptor::parse(&written[3..3 + len], None), Some(key));
    assert!(!set_frame_number(&mut bytes[..2], 8));
}

#[test]
fn a_forwarder_says_in_a_browsers_packets_what_it_leaves_active() {
    let structure = Descriptor::parse(&hex(KEY), None).unwrap().structure.unwrap();
    let tell = |text: &str, active| {
        let bytes = hex(text);
        let (_, field) = Descriptor::parse_with_field(&bytes, Some(&structure)).unwrap();
        let mut told = [0; MAX_LEN];
        told[..bytes.len()].copy_from_slice(&bytes);
        let len = field.write(active, &mut told, bytes.len()).unwrap();
        told[..len].to_vec()
    };
    assert_eq!(tell("c30175", 0b0_0000_0111), hex("c30175401c"), "five flags and nine targets: two bytes more");
    assert_eq!(tell("86017340fc", 0b111), hex("860173401c"), "it told already: no byte more, and what follows stays");
    let mut key = Descriptor::parse(&hex(KEY), None).unwrap();
    key.active_decode_targets = Some(0b111);
    let told = tell(KEY, 0b111);
    assert_eq!(Descriptor::parse(&told, None), Some(key));
    assert!(told.len() <= hex(KEY).len() + 2);
}

#[test]
fn a_mask_that_does_not_fit_is_not_told() {
    let structure = Descriptor::parse(&hex(KEY), None).unwrap().structure.unwrap();
    let mut bytes = [0; MAX_LEN];
    bytes[..4].copy_from_slice(&hex("c3017500"));
    let (_, field) = Descriptor::parse_with_field(&bytes, Some(&structure)).unwrap();
    let before = bytes;
    assert_eq!((field.write(1, &mut bytes, MAX_LEN), bytes), (None, before));
    assert!(field.write(1, &mut bytes, MAX_LEN - 2).is_some());
}

#[test]
fn targets_contain_each_other_as_their_frames_do() {
    // L3T3: each size builds on the one below.
    let structure = Descriptor::parse(&hex(KEY), None).unwrap().structure.unwrap();
    let target = |spatial, temporal| structure.decode_target_for(spatial, temporal).unwrap();
    let contained = structure.contained();
    assert_eq!(contained[target(2, 2)], structure.all_decode_targets());
    let below = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(spatial, temporal)| 1 << target(spatial, temporal));
    assert_eq!(contained[target(1, 1)], below.iter().sum::<u32>());
    // L2T1_KEY: a key frame and the frames behind it, for each size.
    let template = |spatial_id, dtis: [DecodeTarget; 2]| Template {
        spatial_id,
        dtis: Dtis::from_iter(dtis),
        ..Template::default()
    };
    let (switch, none) = (DecodeTarget::Switch, DecodeTarget::NotPresent);
    let templates = [[switch, switch], [switch, none], [none, switch], [none, switch]];
    let templates: Vec<_> = [0, 0, 1, 1].into_iter().zip(templates).map(|(s, dtis)| template(s, dtis)).collect();
    let key_only = Structure::new(0, &templates, &[], &[]).unwrap();
    assert_eq!(key_only.contained()[..2], [0b01, 0b10], "the smaller size is not sent along");
}

#[test]
fn a_structure_without_end_is_refused() {
    // Same layer for ever: more than 64 templates.
    let mut endless = hex("800000800000");
    endless.resize(200, 0);
    assert_eq!(Descriptor::parse(&endless, None), None);
    assert_eq!(Descriptor::parse(&[0; 256], None), None, "longer than an extension can be");
    let key = hex(KEY);
    for cut in 0..key.len() {
        assert_eq!(Descriptor::parse(&key[..cut], None), None, "cut to {cut}");
    }
}

fn dtis(count: usize) -> impl Strategy<Value = Dtis> {
    use DecodeTarget::{Discardable, NotPresent, Required, Switch};
    let dti = prop::sample::select(vec![NotPresent, Discardable, Switch, Required]);
    prop::collection::vec(dti, count).prop_map(Dtis::from_iter)
}

fn frame_diffs(most: u16) -> impl Strategy<Value = FrameDiffs> {
    prop::collection::vec(1..=most, 0..4).prop_map(|diffs| FrameDiffs::new(&diffs).unwrap())
}

fn chain_diffs(count: usize, most: u8) -> impl Strategy<Value = ChainDiffs> {
    prop::collection::vec(0..=most, count).prop_map(|diffs| ChainDiffs::new(&diffs))
}

fn structure() -> impl Strategy<Value = Structure> {
    let steps = prop::collection::vec(0u8..3, 0..10);
    (1usize..12, 0usize..5, steps, 0u8..64, any::<bool>()).prop_flat_map(|(targets, chains, steps, offset, sized)| {
        let chains = chains.min(targets);
        let mut layers = vec![(0u8, 0u8)];
        for step in steps {
            let (spatial, temporal) = layers[layers.len() - 1];
            layers.push(match step {
                1 if temporal < 7 => (spatial, temporal + 1),
                2 if spatial < 3 => (spatial + 1, 0),
                _ => (spatial, temporal),
            });
        }
        let spatial_layers = usize::from(layers[layers.len() - 1].0) + 1;
        let rest = prop::collection::vec((dtis(targets), frame_diffs(16), chain_diffs(chains, 15)), layers.len());
        let protected_by =
            prop::collection::vec(0..u8::try_from(chains.max(1)).unwrap(), if chains == 0 { 0 } else { targets });
        let resolutions = prop::collection::vec((1u32..=65_536, 1u32..=65_536), if sized { spatial_layers } else { 0 });
        (rest, protected_by, resolutions).prop_map(move |(rest, protected_by, resolutions)| {
            let templates: Vec<Template> = layers
                .iter()
                .zip(rest)
                .map(|(&(spatial_id, temporal_id), (dtis, frame_diffs, chain_diffs))| Template {
                    spatial_id,
                    temporal_id,
                    dtis,
                    frame_diffs,
                    chain_diffs,
                })
                .collect();
            Structure::new(offset, &templates, &protected_by, &resolutions).unwrap()
        })
    })
}

/// A descriptor, and the structure it goes with.
fn descriptor() -> impl Strategy<Value = (Descriptor, Structure)> {
    structure().prop_flat_map(|structure| {
        let template = 0..structure.templates().len();
        let targets = usize::from(structure.decode_targets());
        let chains = usize::from(structure.chains());
        let mask = structure.all_decode_targets();
        let custom = (
            prop::option::of(dtis(targets)),
            prop::option::of(frame_diffs(4096)),
            prop::option::of(chain_diffs(chains, 255)),
            prop::option::of(any::<u32>().prop_map(move |active| active & mask)),
        );
        (any::<(bool, bool, u16, bool)>(), template, custom).prop_map(move |(fields, index, custom)| {
            let (start_of_frame, end_of_frame, frame_number, brings) = fields;
            let template = structure.templates()[index];
            let (dtis, frame_diffs, chain_diffs, active) = custom;
            let implied = brings.then(|| structure.all_decode_targets());
            let descriptor = Descriptor {
                start_of_frame,
                end_of_frame,
                template_id: structure.id_of(index),
                frame_number,
                spatial_id: template.spatial_id,
                temporal_id: template.temporal_id,
                dtis: dtis.unwrap_or(template.dtis),
                frame_diffs: frame_diffs.unwrap_or(template.frame_diffs),
                chain_diffs: chain_diffs.unwrap_or(template.chain_diffs),
                active_decode_targets: active.or(implied),
                structure: brings.then(|| structure.clone()),
            };
            (descriptor, structure.clone())
        })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back((descriptor, structure) in descriptor()) {
        let mut buf = Vec::new();
        if descriptor.write(Some(&structure), &mut buf).is_some() {
            prop_assert!(buf.len() <= MAX_LEN);
            prop_assert_eq!(Descriptor::parse(&buf, Some(&structure)), Some(descriptor));
        } else {
            prop_assert!(buf.is_empty() && descriptor.structure.is_some(), "only a structure can be too long");
        }
    }

    /// A forwarder puts its own mask in, or over another, and changes nothing else.
    #[test]
    fn who_is_active_can_be_told_in_any_descriptor((descriptor, structure) in descriptor(), mask: u32) {
        let mut written = Vec::new();
        prop_assume!(descriptor.write(Some(&structure), &mut written).is_some());
        let (_, field) = Descriptor::parse_with_field(&written, Some(&structure)).unwrap();
        let mut bytes = [0xa5; MAX_LEN];
        bytes[..written.len()].copy_from_slice(&written);
        let active = mask & structure.all_decode_targets();
        let Some(len) = field.write(active, &mut bytes, written.len()) else {
            prop_assert!(written.len() + 5 > MAX_LEN, "there was room");
            prop_assert_eq!(&bytes[..written.len()], &written[..]);
            return Ok(());
        };
        prop_assert!(len <= written.len() + 5 && (!field.is_present() || len == written.len()));
        let (read, field) = Descriptor::parse_with_field(&bytes[..len], Some(&structure)).unwrap();
        prop_assert!(field.is_present());
        prop_assert_eq!(read, Descriptor { active_decode_targets: Some(active), ..descriptor });
    }

    /// Whatever a stranger sends: it is refused, or it comes back as the same once written.
    #[test]
    fn never_panics_and_what_was_read_can_be_written(bytes in prop::collection::vec(any::<u8>(), 0..260), flags: u8) {
        let key = Descriptor::parse(&hex(KEY), None).unwrap().structure;
        let mut bytes = bytes;
        if let Some(byte) = bytes.get_mut(3) {
            *byte = flags;
        }
        let _ = Mandatory::parse(&bytes);
        for known in [None, key.as_ref()] {
            let Some((read, field)) = Descriptor::parse_with_field(&bytes, known) else { continue };
            let mut told = [0; MAX_LEN];
            told[..bytes.len()].copy_from_slice(&bytes);
            if let Some(len) = field.write(1, &mut told, bytes.len()) {
                let told = Descriptor::parse(&told[..len], known);
                prop_assert_eq!(told, Some(Descriptor { active_decode_targets: Some(1), ..read.clone() }));
            }
            let mut written = Vec::new();
            if read.write(known, &mut written).is_some() {
                prop_assert_eq!(Descriptor::parse(&written, known), Some(read));
            }
        }
    }
}
