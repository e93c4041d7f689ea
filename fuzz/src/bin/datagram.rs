//! What is read of a datagram before anything is authenticated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_rtp::header::{NamingExtensions, StreamNames};
use sluice_rtp::stun;

fuzz_target!(|datagram: &[u8]| {
    let ids = NamingExtensions { mid: Some(4), rid: Some(10), repaired_rid: Some(11) };
    if let Some(names) = StreamNames::parse(datagram, ids) {
        assert!(names.payload_type < 128);
    }
    if let Some(ufrag) = stun::receiver_ufrag(datagram) {
        assert!(!ufrag.contains(':'));
    }
});
