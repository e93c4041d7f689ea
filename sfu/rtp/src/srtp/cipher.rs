//! One key of one profile, ready for use: how a packet's nonce is made, encrypted and authenticated.
//!
//! Everything works in place. Who uses which nonce when is decided above.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::keys::{Master, Profile, Traffic, counter_mode};

/// Bytes of an RTCP packet that stay readable: its first header and the sender's SSRC.
pub(super) const RTCP_CLEAR_LEN: usize = 8;

/// The index word behind an SRTCP packet; its top bit, E, says that the packet is encrypted.
pub(super) const INDEX_LEN: usize = 4;
pub(super) const ENCRYPTED: u32 = 1 << 31;

const SHA1_80_LEN: usize = 10;

/// A key and its salt. The difference in size between the two costs nothing: a transport has four of them.
#[expect(clippy::large_enum_variant, reason = "boxing the key would cost every packet a step")]
pub(super) enum Cipher {
    Gcm { key: LessSafeKey, salt: [u8; 12] },
    Counter { key: EncryptingKey, authentication: hmac::Key, salt: [u8; 14] },
}

impl Cipher {
    pub(super) fn new(profile: Profile, master: &Master, traffic: Traffic) -> Self {
        let session = master.session(traffic);
        let key = &session.encryption[..profile.key_len()];
        let algorithm = match profile {
            Profile::AeadAes128Gcm => &AES_128_GCM,
            Profile::AeadAes256Gcm => &AES_256_GCM,
            Profile::Aes128CmSha1_80 => {
                return Self::Counter {
                    key: counter_mode(&AES_128, key),
                    authentication: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &session.authentication),
                    salt: session.salt,
                };
            }
        };
        let mut salt = [0; 12];
        salt.copy_from_slice(&session.salt[..12]);
        let key = UnboundKey::new(algorithm, key).expect("the key has the profile's length");
        Self::Gcm { key: LessSafeKey::new(key), salt }
    }

    /// Encrypts `buf[start + header_len..]` and appends the tag. `index` is the packet's 48 bits.
    pub(super) fn protect_rtp(&self, ssrc: u32, index: u64, buf: &mut Vec<u8>, start: usize, header_len: usize) {
        let (header, payload) = buf[start..].split_at_mut(header_len);
        match self {
            Self::Gcm { key, salt } => {
                let nonce = gcm_rtp_nonce(salt, ssrc, index);
                let tag = key
                    .seal_in_place_separate_tag(nonce, Aad::from(&*header), payload)
                    .expect("a packet is far below the limits of AES-GCM");
                buf.extend_from_slice(tag.as_ref());
            }
            Self::Counter { key, authentication, salt } => {
                apply_key_stream(key, salt, ssrc, index, payload);
                let mut mac = hmac::Context::with_key(authentication);
                mac.update(&buf[start..]);
                mac.update(&roll_over_counter(index).to_be_bytes());
                buf.extend_from_slice(&mac.sign().as_ref()[..SHA1_80_LEN]);
            }
        }
    }

    /// Encrypts the RTCP packet `buf[start..]` behind its first eight bytes, and appends tag and index as the
    /// profile orders them.
    pub(super) fn protect_rtcp(&self, ssrc: u32, index: u32, buf: &mut Vec<u8>, start: usize) {
        let word = (index | ENCRYPTED).to_be_bytes();
        let (header, rest) = buf[start..].split_at_mut(RTCP_CLEAR_LEN);
        match self {
            Self::Gcm { key, salt } => {
                let aad = rtcp_aad(header, word);
                let tag = key
                    .seal_in_place_separate_tag(gcm_rtcp_nonce(salt, ssrc, index), Aad::from(aad), rest)
                    .expect("a packet is far below the limits of AES-GCM");
                buf.extend_from_slice(tag.as_ref());
                buf.extend_from_slice(&word);
            }
            Self::Counter { key, authentication, salt } => {
                apply_key_stream(key, salt, ssrc, u64::from(index), rest);
                buf.extend_from_slice(&word);
                let tag = hmac::sign(authentication, &buf[start..]);
                buf.extend_from_slice(&tag.as_ref()[..SHA1_80_LEN]);
            }
        }
    }

    /// The index word of an SRTCP packet, unauthenticated. `None` when it is too short to have one.
    pub(super) fn index_word(&self, packet: &[u8]) -> Option<u32> {
        let behind = match self {
            Self::Gcm { .. } => 0,
            Self::Counter { .. } => SHA1_80_LEN,
        };
        let word = packet.get(..packet.len().checked_sub(behind)?)?.last_chunk::<INDEX_LEN>()?;
        Some(u32::from_be_bytes(*word))
    }

    /// Authenticates and decrypts an SRTCP packet in place; the length of what it holds. `None` when it is too
    /// short or forged: then `packet` holds nothing of use.
    pub(super) fn unprotect_rtcp(&self, ssrc: u32, index: u32, packet: &mut [u8]) -> Option<usize> {
        let word = (index | ENCRYPTED).to_be_bytes();
        match self {
            Self::Gcm { key, salt } => {
                let without_word = packet.len().checked_sub(INDEX_LEN)?;
                let (header, sealed) = packet.get_mut(..without_word)?.split_at_mut_checked(RTCP_CLEAR_LEN)?;
                let aad = rtcp_aad(header, word);
                let rest = key.open_in_place(gcm_rtcp_nonce(salt, ssrc, index), Aad::from(aad), sealed).ok()?;
                Some(RTCP_CLEAR_LEN + rest.len())
            }
            Self::Counter { key, authentication, salt } => {
                let (signed, tag) = packet.split_at_mut_checked(packet.len().checked_sub(SHA1_80_LEN)?)?;
                let expected = hmac::sign(authentication, signed);
                verify_slices_are_equal(&expected.as_ref()[..SHA1_80_LEN], tag).ok()?;
                let len = signed.len().checked_sub(INDEX_LEN)?;
                let (_, rest) = signed.get_mut(..len)?.split_at_mut_checked(RTCP_CLEAR_LEN)?;
                apply_key_stream(key, salt, ssrc, u64::from(index), rest);
                Some(len)
            }
        }
    }
}

/// The upper 32 of an index of 48 bits.
fn roll_over_counter(index: u64) -> u32 {
    let [_, _, a, b, c, d, _, _] = index.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Two zero bytes, SSRC, roll-over counter, sequence number, XOR the salt (RFC 7714 section 8.1).
fn gcm_rtp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let index = index.to_be_bytes();
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[6..], &index[2..]);
    Nonce::assume_unique_for_key(nonce)
}

/// Two zero bytes, SSRC, two zero bytes, index, XOR the salt (RFC 7714 section 9.1).
fn gcm_rtcp_nonce(salt: &[u8; 12], ssrc: u32, index: u32) -> Nonce {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[8..], &index.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// What AES-GCM authenticates of an encrypted SRTCP packet besides the text (RFC 7714 section 9.2).
fn rtcp_aad(header: &[u8], word: [u8; INDEX_LEN]) -> [u8; RTCP_CLEAR_LEN + INDEX_LEN] {
    let mut aad = [0; RTCP_CLEAR_LEN + INDEX_LEN];
    aad[..RTCP_CLEAR_LEN].copy_from_slice(header);
    aad[RTCP_CLEAR_LEN..].copy_from_slice(&word);
    aad
}

/// Encrypts or decrypts in AES counter mode (RFC 3711 section 4.1.1): salt, SSRC and index start the counter, its
/// last two bytes count blocks.
fn apply_key_stream(key: &EncryptingKey, salt: &[u8; 14], ssrc: u32, index: u64, text: &mut [u8]) {
    let mut counter = [0; 16];
    counter[..14].copy_from_slice(salt);
    xor(&mut counter[4..8], &ssrc.to_be_bytes());
    xor(&mut counter[8..14], &index.to_be_bytes()[2..]);
    key.less_safe_encrypt(text, EncryptionContext::Iv128(FixedLength::from(&counter)))
        .expect("counter mode takes any length");
}

fn xor(bytes: &mut [u8], with: &[u8]) {
    for (byte, with) in bytes.iter_mut().zip(with) {
        *byte ^= with;
    }
}
