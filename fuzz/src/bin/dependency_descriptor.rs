//! Dependency descriptors of one stream, its structure kept between them: each is refused, or comes back as the same
//! once written, and with another mask of active decode targets once that is told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_rtp::dependency_descriptor::{Descriptor, MAX_LEN, MAX_TEMPLATES, Mandatory, set_frame_number};

fuzz_target!(|descriptors: Vec<Vec<u8>>| {
    let mut structure = None;
    for mut bytes in descriptors {
        if let Some(mandatory) = Mandatory::parse(&bytes) {
            assert!(set_frame_number(&mut bytes, !mandatory.frame_number));
        }
        let Some((descriptor, field)) = Descriptor::parse_with_field(&bytes, structure.as_ref()) else { continue };
        let mut told = [0; MAX_LEN];
        told[..bytes.len()].copy_from_slice(&bytes);
        if let Some(len) = field.write(1, &mut told, bytes.len()) {
            let told = Descriptor::parse(&told[..len], structure.as_ref());
            assert_eq!(told, Some(Descriptor { active_decode_targets: Some(1), ..descriptor.clone() }));
        }
        let mut written = Vec::new();
        if let Some(len) = descriptor.write(structure.as_ref(), &mut written) {
            assert!(len == written.len() && len <= MAX_LEN);
            assert_eq!(Descriptor::parse(&written, structure.as_ref()).as_ref(), Some(&descriptor));
        }
        if let Some(new) = descriptor.structure {
            assert!((1..=MAX_TEMPLATES).contains(&new.templates().len()));
            let _ = new.contained();
            for target in 0..usize::from(new.decode_targets()) {
                let _ = (new.layer_of(target), new.chain_of(target));
            }
            structure = Some(new);
        }
    }
});
