//! From the keying material of the DTLS handshake to the keys of one direction.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

/// Protection profiles spoken (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// `SRTP_AEAD_AES_128_GCM`.
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`.
    AeadAes256Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80`.
    Aes128CmSha1_80,
}

impl Profile {
    /// Bytes of a master key, and of a session's encryption key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::Aes128CmSha1_80 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of a master salt.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmSha1_80 => 14,
        }
    }

    /// Bytes of the authentication tag behind every packet.
    #[must_use]
    pub const fn tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmSha1_80 => 10,
        }
    }

    /// Bytes to ask the DTLS handshake for: two keys and two salts.
    #[must_use]
    pub const fn keying_material_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }
}

/// Master keys of both directions of a transport.
#[derive(Clone)]
pub struct Keys {
    pub(super) profile: Profile,
    pub(super) ours: Master,
    pub(super) theirs: Master,
}

impl Keys {
    /// Cuts the keying material (RFC 5764 section 4.2): client key, server key, client salt, server salt.
    /// `is_client`: we were the client of the DTLS handshake. `None` when the material is not exactly as long as
    /// the profile needs, [`Profile::keying_material_len`].
    #[must_use]
    pub fn from_keying_material(profile: Profile, material: &[u8], is_client: bool) -> Option<Self> {
        if material.len() != profile.keying_material_len() {
            return None;
        }
        let (keys, salts) = material.split_at_checked(2 * profile.key_len())?;
        let (client_key, server_key) = keys.split_at_checked(profile.key_len())?;
        let (client_salt, server_salt) = salts.split_at_checked(profile.salt_len())?;
        let client = Master::new(client_key, client_salt);
        let server = Master::new(server_key, server_salt);
        let (ours, theirs) = if is_client { (client, server) } else { (server, client) };
        Some(Self { profile, ours, theirs })
    }

    /// The profile negotiated.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }
}

impl std::fmt::Debug for Keys {
    /// Says which profile, and nothing secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// What a derived key is for (RFC 3711 section 4.3.2). The three of SRTCP follow those of SRTP.
#[derive(Debug, Clone, Copy)]
pub(super) enum Traffic {
    Rtp = 0,
    Rtcp = 3,
}

/// Keys and salt for one kind of traffic in one direction.
pub(super) struct Session {
    /// Its first `key_len` bytes.
    pub(super) encryption: [u8; 32],
    /// Only AES-CM uses it.
    pub(super) authentication: [u8; 20],
    /// Its first `salt_len` bytes.
    pub(super) salt: [u8; 14],
}

/// Master key and salt of one direction.
#[derive(Clone)]
pub(super) struct Master {
    key: [u8; 32],
    key_len: usize,
    /// Padded with zeros on the right to the 112 bits that the derivation works with (RFC 7714 section 11).
    salt: [u8; 14],
}

impl Master {
    pub(super) fn new(key: &[u8], salt: &[u8]) -> Self {
        let mut master = Self { key: [0; 32], key_len: key.len(), salt: [0; 14] };
        master.key[..key.len()].copy_from_slice(key);
        master.salt[..salt.len()].copy_from_slice(salt);
        master
    }

    /// The keys for one kind of traffic. They are derived once: no key derivation rate is ever signalled.
    pub(super) fn session(&self, traffic: Traffic) -> Session {
        let label = traffic as u8;
        let mut session = Session { encryption: [0; 32], authentication: [0; 20], salt: [0; 14] };
        self.derive(label, &mut session.encryption[..self.key_len]);
        self.derive(label + 1, &mut session.authentication);
        self.derive(label + 2, &mut session.salt);
        session
    }

    /// Fills `out` with the key stream of AES counter mode under the master key (RFC 3711 section 4.3.3).
    fn derive(&self, label: u8, out: &mut [u8]) {
        let mut counter = [0; 16];
        counter[..14].copy_from_slice(&self.salt);
        counter[7] ^= label;
        out.fill(0);
        let algorithm = if self.key_len == 32 { &AES_256 } else { &AES_128 };
        counter_mode(algorithm, &self.key[..self.key_len])
            .less_safe_encrypt(out, EncryptionContext::Iv128(FixedLength::from(&counter)))
            .expect("counter mode takes any length");
    }
}

/// AES in counter mode under a key of the algorithm's length.
pub(super) fn counter_mode(algorithm: &'static aws_lc_rs::cipher::Algorithm, key: &[u8]) -> EncryptingKey {
    UnboundCipherKey::new(algorithm, key)
        .and_then(EncryptingKey::ctr)
        .expect("the key has the algorithm's length")
}

#[cfg(test)]
mod tests {
    use super::super::tests::hex;
    use super::*;

    #[test]
    fn derives_the_keys_of_rfc_3711_appendix_b_3() {
        let master = Master::new(&hex("E1F97A0D3E018BE0D64FA32C06DE4139"), &hex("0EC675AD498AFEEBB6960B3AABE6"));
        let session = master.session(Traffic::Rtp);
        assert_eq!(session.encryption[..16], hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(session.salt[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(session.authentication[..], hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    #[test]
    fn material_of_another_length_makes_no_keys() {
        for profile in [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::Aes128CmSha1_80] {
            let len = profile.keying_material_len();
            assert!(Keys::from_keying_material(profile, &vec![7; len], true).is_some());
            assert!(Keys::from_keying_material(profile, &vec![7; len - 1], true).is_none());
            assert!(Keys::from_keying_material(profile, &vec![7; len + 1], true).is_none());
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let keys = Keys::from_keying_material(Profile::AeadAes128Gcm, &[0xab; 56], true);
        assert_eq!(format!("{keys:?}"), "Some(Keys { profile: AeadAes128Gcm, .. })");
    }
}
