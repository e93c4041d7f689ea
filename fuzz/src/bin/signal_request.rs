//! Signal frames, protobuf and JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_server::{decode_json, decode_protobuf};

fuzz_target!(|bytes: &[u8]| {
    let _ = decode_protobuf(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = decode_json(text);
    }
});
