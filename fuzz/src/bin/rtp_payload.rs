//! Codec descriptors: every payload, for every codec.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_rtp::{VideoCodec, red, starts_keyframe, trailer, vp8, vp9};

fuzz_target!(|payload: &[u8]| {
    for codec in [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::H264, VideoCodec::H265, VideoCodec::Av1] {
        let _ = starts_keyframe(codec, payload, None);
    }
    assert!(trailer::len(payload).is_none_or(|len| len <= payload.len()));
    for codec in [VideoCodec::H264, VideoCodec::H265] {
        let mut cut = payload.to_vec();
        trailer::mend_length(codec, &mut cut);
        assert_eq!(cut.len(), payload.len());
    }
    if let Some(blocks) = red::blocks(payload) {
        let total: usize = blocks.map(|block| block.data.len() + 1).sum();
        assert!(total <= payload.len());
    }
    // A patched descriptor is read as what was patched in, and nothing behind it changes.
    let mut copy = payload.to_vec();
    if let Some(descriptor) = vp8::Descriptor::parse(payload) {
        let picture_id = descriptor.picture_id.map(|id| id.value);
        descriptor.patch(&mut copy, picture_id, descriptor.tl0_pic_idx);
        assert_eq!(vp8::Descriptor::parse(&copy), Some(descriptor));
        assert_eq!(copy[descriptor.len..], payload[descriptor.len..]);
    }
    if let Some(descriptor) = vp9::Descriptor::parse(payload) {
        copy.copy_from_slice(payload);
        descriptor.patch(&mut copy, Some(0xffff), Some(0));
        let patched = vp9::Descriptor::parse(&copy).expect("the shape stays");
        assert_eq!(patched.tl0_pic_idx, descriptor.tl0_pic_idx.map(|_| 0));
        assert_eq!(patched.picture_id.map(|id| id.is_long), descriptor.picture_id.map(|id| id.is_long));
        assert_eq!(copy[descriptor.len..], payload[descriptor.len..]);
    }
});
