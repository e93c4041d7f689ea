//! The vectors of the standards, and conversations with an implementation by other hands on other primitives.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;

use aws_lc_rs::aead::{AES_128_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptionContext};
use aws_lc_rs::iv::FixedLength;
use proptest::prelude::*;
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

use super::cipher::Cipher;
use super::keys::counter_mode;
use super::{Exhausted, Keys, MAX_OVERHEAD, MAX_RTCP_OVERHEAD, OutboundStream, Profile, Receiver, Reused, Sender};

const PROFILES: [Profile; 3] = [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::Aes128CmSha1_80];
const SSRC: u32 = 0x5501_a0b2;

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The cipher of RFC 7714 sections 16 and 17: session key and salt are given.
fn rfc_7714() -> Cipher {
    let key = UnboundKey::new(&AES_128_GCM, &hex("000102030405060708090a0b0c0d0e0f")).unwrap();
    Cipher::Gcm { key: LessSafeKey::new(key), salt: *b"Quid pro quo" }
}

#[test]
fn the_key_stream_is_that_of_rfc_3711_appendix_b_2() {
    let mut text = [0; 48];
    let counter: [u8; 16] = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().unwrap();
    counter_mode(&AES_128, &hex("2B7E151628AED2A6ABF7158809CF4F3C"))
        .less_safe_encrypt(&mut text, EncryptionContext::Iv128(FixedLength::from(counter)))
        .unwrap();
    let expected = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(text[..], hex(expected));
}

#[test]
fn an_rtp_packet_becomes_that_of_rfc_7714_section_16_1_1() {
    let header = hex("8040f17b 8041f8d3 5501a0b2");
    let mut buf = b"in front".to_vec();
    buf.extend_from_slice(&header);
    buf.extend_from_slice(b"Gallia est omnis divisa in partes tres");
    rfc_7714().protect_rtp(SSRC, 0xf17b, &mut buf, 8, header.len());
    let expected = "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a
        51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce";
    assert_eq!(buf[..8], *b"in front");
    assert_eq!(buf[8..], hex(expected));
}

#[test]
fn an_rtcp_packet_becomes_that_of_rfc_7714_section_17_1_and_back() {
    let plain = hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
        deadbeef deadbeef deadbeef deadbeef deadbeef");
    let mut buf = plain.clone();
    rfc_7714().protect_rtcp(0x4d61_7273, 0x5d4, &mut buf, 0);
    let expected = "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda
        4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4";
    assert_eq!(buf, hex(expected));
    assert_eq!(rfc_7714().index_word(&buf), Some(0x8000_05d4));
    let len = rfc_7714().unprotect_rtcp(0x4d61_7273, 0x5d4, &mut buf).unwrap();
    assert_eq!(buf[..len], plain);
}

/// Both ends of a handshake whose material is bytes counting up.
fn both_ends(profile: Profile) -> (Keys, Keys) {
    let material: Vec<u8> = (0..profile.keying_material_len()).map(|n| u8::try_from(n).unwrap()).collect();
    let end = |is_client| Keys::from_keying_material(profile, &material, is_client).unwrap();
    (end(false), end(true))
}

/// The other implementation as the client: its own context, and the server's, to open what we send.
fn other_hands(profile: Profile) -> (Context, Context) {
    let material: Vec<u8> = (0..profile.keying_material_len()).map(|n| u8::try_from(n).unwrap()).collect();
    let name = match profile {
        Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        Profile::Aes128CmSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let (keys, salts) = material.split_at(2 * profile.key_len());
    let (client_key, server_key) = keys.split_at(profile.key_len());
    let (client_salt, server_salt) = salts.split_at(profile.salt_len());
    let context = |key, salt| Context::new(key, salt, name, None, None).unwrap();
    (context(client_key, client_salt), context(server_key, server_salt))
}

fn rtp(ssrc: u32, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let [.., high, low] = sequence.to_be_bytes();
    let mut packet = vec![0x80, 96, high, low, 0, 0, 0x30, 0x39];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// A receiver report without blocks.
fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
    packet
}

#[test]
fn another_implementation_reads_our_rtp_over_a_roll_over() {
    for profile in PROFILES {
        let (ours, _) = both_ends(profile);
        let (_, mut reader) = other_hands(profile);
        let sender = Sender::new(&ours);
        let mut stream = OutboundStream::new(SSRC);
        for sequence in 65_000..66_100 {
            let plain = rtp(SSRC, sequence, &[0x5a; 333]);
            let mut buf = plain.clone();
            sender.protect(&mut stream, sequence, &mut buf, 0, 12).unwrap();
            assert_eq!(buf.len(), plain.len() + sender.overhead());
            assert!(sender.overhead() <= MAX_OVERHEAD);
            assert_eq!(reader.decrypt_rtp(&buf).unwrap(), plain, "{profile:?} {sequence}");
        }
    }
}

#[test]
fn another_implementation_and_ours_read_each_others_rtcp() {
    for profile in PROFILES {
        let (ours, _) = both_ends(profile);
        let (mut client, mut reader) = other_hands(profile);
        let mut sender = Sender::new(&ours);
        let mut receiver = Receiver::new(&ours);
        let mut out = Vec::new();
        for _ in 0..300 {
            let plain = rtcp(7);
            let mut buf = plain.clone();
            sender.protect_rtcp(&mut buf, 0).unwrap();
            assert!(buf.len() <= plain.len() + MAX_RTCP_OVERHEAD);
            assert_eq!(reader.decrypt_rtcp(&buf).unwrap(), plain, "{profile:?}");
            let theirs = client.encrypt_rtcp(&plain).unwrap();
            assert_eq!(receiver.unprotect_rtcp(&theirs, &mut out), Some(&plain[..]), "{profile:?}");
            assert_eq!(receiver.unprotect_rtcp(&theirs, &mut out), None, "a replay");
        }
    }
}

#[test]
fn what_was_altered_cut_or_reflected_is_not_read_and_does_no_harm() {
    for profile in PROFILES {
        let (ours, theirs) = both_ends(profile);
        let mut receiver = Receiver::new(&ours);
        let mut out = Vec::new();
        let mut packet = rtcp(7);
        Sender::new(&theirs).protect_rtcp(&mut packet, 0).unwrap();
        for at in 0..packet.len() {
            let mut altered = packet.clone();
            altered[at] ^= 0x80;
            assert_eq!(receiver.unprotect_rtcp(&altered, &mut out), None, "{profile:?} byte {at}");
            assert_eq!(receiver.unprotect_rtcp(&packet[..at], &mut out), None, "{profile:?} cut to {at}");
        }
        let mut reflected = rtcp(7);
        Sender::new(&ours).protect_rtcp(&mut reflected, 0).unwrap();
        assert_eq!(receiver.unprotect_rtcp(&reflected, &mut out), None, "our own, sent back");
        assert_eq!(receiver.unprotect_rtcp(&packet, &mut out), Some(&rtcp(7)[..]));
    }
}

#[test]
fn indices_of_rtcp_end() {
    let (ours, theirs) = both_ends(Profile::AeadAes128Gcm);
    let mut sender = Sender::new(&theirs).with_rtcp_index((1 << 31) - 1);
    let mut buf = rtcp(7);
    assert_eq!(sender.protect_rtcp(&mut buf, 0), Ok(()));
    assert_eq!(Receiver::new(&ours).unprotect_rtcp(&buf, &mut Vec::new()), Some(&rtcp(7)[..]));
    let mut buf = rtcp(7);
    assert_eq!(sender.protect_rtcp(&mut buf, 0), Err(Exhausted));
    assert_eq!(buf, rtcp(7));
    assert_eq!(sender.protect_rtcp(&mut vec![0; 7], 0), Err(Exhausted), "too short to be RTCP");
    assert_eq!(sender.protect_rtcp(&mut vec![0; 7], 8), Err(Exhausted));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two streams, sent in order, late, twice, near a roll-over: no SSRC and index is protected twice, a refused
    /// packet is left as it was, and what is sent within a receiver's reach is read by another implementation.
    #[test]
    fn no_nonce_goes_out_twice(
        profile in prop::sample::select(&PROFILES[..]),
        sends in prop::collection::vec((prop::bool::ANY, prop_oneof![6 => 0i64..3, 2 => -40i64..0, 1 => 40i64..3000]), 1..120),
    ) {
        let (ours, _) = both_ends(profile);
        let (_, mut reader) = other_hands(profile);
        let sender = Sender::new(&ours);
        let mut streams = [OutboundStream::new(1), OutboundStream::new(2)];
        let mut newest = [65_400u64; 2];
        let mut nonces = HashSet::new();
        // The first packet of a stream lies below the roll-over.
        let sends = [(false, 0), (true, 0)].into_iter().chain(sends);
        for (which, step) in sends {
            let which = usize::from(which);
            let ssrc = streams[which].ssrc();
            let sequence = newest[which].saturating_add_signed(step);
            let plain = rtp(ssrc, sequence, b"payload");
            let mut buf = plain.clone();
            match sender.protect(&mut streams[which], sequence, &mut buf, 0, 12) {
                Ok(()) => {
                    prop_assert!(nonces.insert((ssrc, sequence >> 16, sequence & 0xffff)));
                    prop_assert_eq!(reader.decrypt_rtp(&buf).unwrap(), &plain[..]);
                }
                Err(Reused) => {
                    prop_assert!(nonces.contains(&(ssrc, sequence >> 16, sequence & 0xffff)));
                    prop_assert_eq!(buf, plain);
                }
            }
            newest[which] = newest[which].max(sequence);
        }
    }

    #[test]
    fn never_panics(profile in prop::sample::select(&PROFILES[..]), bytes: Vec<u8>) {
        let (ours, _) = both_ends(profile);
        let mut receiver = Receiver::new(&ours);
        let mut out = Vec::new();
        prop_assert_eq!(receiver.unprotect_rtcp(&bytes, &mut out), None);
    }
}
