//! Dependency descriptors of one stream, its structure kept between them: each is refused, or comes back as the same
//! once written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_rtp::dependency_descriptor::{Descriptor, MAX_LEN, MAX_TEMPLATES, Mandatory, set_frame_number};

fuzz_target!(|descriptors: Vec<Vec<u8>>| {
    let mut structure = None;
    for mut bytes in descriptors {
        if let Some(mandatory) = Mandatory::parse(&bytes) {
            assert!(set_frame_number(&mut bytes, !mandatory.frame_number));
        }
        let Some(descriptor) = Descriptor::parse(&bytes, structure.as_ref()) else { continue };
        let mut written = Vec::new();
        if let Some(len) = descriptor.write(structure.as_ref(), &mut written) {
            assert!(len == written.len() && len <= MAX_LEN);
            assert_eq!(Descriptor::parse(&written, structure.as_ref()).as_ref(), Some(&descriptor));
        }
        if let Some(new) = descriptor.structure {
            assert!((1..=MAX_TEMPLATES).contains(&new.templates().len()));
            for target in 0..usize::from(new.decode_targets()) {
                let _ = (new.layer_of(target), new.chain_of(target));
            }
            structure = Some(new);
        }
    }
});
