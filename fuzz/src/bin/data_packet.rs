//! Data packets: whatever is relayed is hardly longer than it came, and says the same when it is stamped again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_rooms::{DataChannel, StampError, stamp};

fuzz_target!(|packet: &[u8]| {
    let Ok(once) = stamp(packet, "PA_sender", "sender", DataChannel::Reliable) else { return };
    assert!(once.bytes.len() <= 2 * packet.len() + 256, "{} became {}", packet.len(), once.bytes.len());
    match stamp(&once.bytes, "PA_sender", "sender", DataChannel::Reliable) {
        Ok(twice) => assert_eq!(once.bytes, twice.bytes),
        Err(error) => assert_eq!(error, StampError::TooLarge),
    }
});
