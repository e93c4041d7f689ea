//! SRTCP: forgeries are refused, and what was protected comes back once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_rtp::srtp::{Keys, Profile, Receiver, Sender};

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let profile = match choice % 3 {
        0 => Profile::AeadAes128Gcm,
        1 => Profile::AeadAes256Gcm,
        _ => Profile::Aes128CmSha1_80,
    };
    let material = vec![choice; profile.keying_material_len()];
    let keys = |is_client| Keys::from_keying_material(profile, &material, is_client).expect("as long as asked for");
    let mut receiver = Receiver::new(&keys(true));
    let mut out = Vec::new();
    assert_eq!(receiver.unprotect_rtcp(bytes, &mut out), None, "forged");
    let mut packet = bytes.to_vec();
    if Sender::new(&keys(false)).protect_rtcp(&mut packet, 0).is_ok() {
        assert_eq!(receiver.unprotect_rtcp(&packet, &mut out), Some(bytes));
        assert_eq!(receiver.unprotect_rtcp(&packet, &mut out), None, "a replay");
    }
});
