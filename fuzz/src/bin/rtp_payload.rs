//! Codec descriptors: every payload, for every codec.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_rtp::{VideoCodec, av1, red, starts_keyframe, vp8};

fuzz_target!(|payload: &[u8]| {
    for codec in [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::H264, VideoCodec::Av1] {
        let _ = starts_keyframe(codec, payload, None);
    }
    let _ = av1::DependencyDescriptor::parse(payload);
    if let Some((_, primary)) = red::primary(payload) {
        assert!(primary.len() < payload.len());
    }
    if let Some(descriptor) = vp8::Descriptor::parse(payload) {
        assert!(descriptor.len < payload.len());
        let mut rewriter = vp8::PictureIdRewriter::default();
        rewriter.switch(&descriptor);
        let (picture_id, _) = rewriter.rewrite(&descriptor);
        assert_eq!(picture_id.is_some(), descriptor.picture_id.is_some());
    }
});
