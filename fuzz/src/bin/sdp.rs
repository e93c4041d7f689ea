//! Session descriptions: whatever parses survives every edit and parses again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_sdp::Sdp;

fuzz_target!(|text: &str| {
    let Ok(mut sdp) = Sdp::parse(text) else { return };
    sdp.drop_candidates();
    sdp.set_ice_credentials("ufrag", "password");
    for section in &mut sdp.sections {
        section.prefer_codecs(&["video/VP9".into(), "audio/opus".into()]);
        section.set_msid("PA_a|camera", "TR_b");
        section.add_format_parameters("opus", "usedtx=1");
        let _ = (section.first_mime_type(), section.extension_id("urn:x"), section.direction(), section.media());
        section.deactivate();
        assert!(!section.direction().is_sending());
    }
    assert!(Sdp::parse(&sdp.to_string()).is_ok());
});
