//! Whatever stands in the file or the environment: an answer, never a panic.
#![allow(missing_docs, reason = "tests")]

use std::ffi::OsString;

use proptest::prelude::*;
use sluice_config::{Config, File, SAMPLE};

/// The sample with a run of its bytes replaced: near enough to the real thing to get far.
fn damaged_sample() -> impl Strategy<Value = String> {
    (0..SAMPLE.len(), 0..64_usize, "\\PC{0,16}").prop_map(|(start, length, patch)| {
        let end = (start + length).min(SAMPLE.len());
        let mut bytes = SAMPLE.as_bytes().to_vec();
        bytes.splice(start..end, patch.bytes());
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn any_variable() -> impl Strategy<Value = (OsString, OsString)> {
    let name = prop_oneof![
        sluice_keys().prop_map(|key| format!("SLUICE_{}", key.to_uppercase().replace('.', "__"))),
        "SLUICE_[A-Z_.]{0,12}",
        "\\PC{0,12}",
    ];
    let value = prop_oneof!["\\PC{0,40}", "-?[0-9]{1,22}", "[a-z:,= \"'\\[\\]\n]{0,30}"];
    (name, value).prop_map(|(name, value)| (name.into(), value.into()))
}

fn sluice_keys() -> impl Strategy<Value = &'static str> {
    prop::sample::select(sluice_config::keys().collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_answered(text in damaged_sample()) {
        if let Err(error) = Config::load(Some(File { name: "sluice.toml", text: &text }), [], Vec::new()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        let _ = Config::load(Some(File { name: "sluice.toml", text: &text }), [], Vec::new());
    }

    #[test]
    fn any_environment_is_answered(variables in prop::collection::vec(any_variable(), 0..6)) {
        let _ = Config::load(None, variables, Vec::new());
    }

    #[test]
    fn a_port_in_the_environment_is_the_port_in_the_file(port: u16) {
        let text = format!("[rtc]\nudp_port = {port}\n");
        let file = Config::load_unchecked(Some(File { name: "sluice.toml", text: &text }), [], Vec::new());
        let variable = (OsString::from("SLUICE_RTC__UDP_PORT"), OsString::from(port.to_string()));
        prop_assert_eq!(file, Config::load_unchecked(None, [variable], Vec::new()));
    }
}
