//! The keys of the trail: one that signs, one that verifies, one that hides addresses.

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::record::{Digest, from_hex, to_hex};

/// Set before what is signed, so that no signature of the trail means anything elsewhere.
const CONTEXT: &[u8] = b"sluice audit trail 1";

/// A key that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Not 32 bytes in hexadecimal.
    #[error("a key of the audit trail is 64 hexadecimal digits")]
    Form,
}

/// Signs records. `Debug` does not show it.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// From its seed: 32 random bytes, which are the secret.
    ///
    /// # Errors
    /// None that a seed of this length can cause.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| KeyError::Form)
    }

    /// What others verify with.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        VerifyingKey(bytes)
    }

    pub(crate) fn sign(&self, number: u64, hash: &Digest) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(&message(number, hash)).as_ref());
        signature
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.verifying_key())
    }
}

/// Verifies records. `Display` and [`VerifyingKey::parse`] are hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`KeyError::Form`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        from_hex(text.trim()).map(Self).ok_or(KeyError::Form)
    }

    pub(crate) fn verifies(&self, number: u64, hash: &Digest, signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(&message(number, hash), signature).is_ok()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

fn message(number: u64, hash: &Digest) -> Vec<u8> {
    [CONTEXT, &number.to_be_bytes(), hash.as_bytes()].concat()
}

/// Hides addresses: the same one has the same hash, and without the key nobody finds it by trying all there are.
pub struct AddressKey(hmac::Key);

impl AddressKey {
    /// From 32 random bytes that are kept: with another key, hashes of the same address differ.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The first 128 bits of HMAC-SHA-256 (RFC 2104) of an address, in hexadecimal. An IPv4 address in IPv6's clothes
    /// is the IPv4 address.
    #[must_use]
    pub fn hash(&self, address: IpAddr) -> String {
        let tag = match address.to_canonical() {
            IpAddr::V4(address) => hmac::sign(&self.0, &address.octets()),
            IpAddr::V6(address) => hmac::sign(&self.0, &address.octets()),
        };
        to_hex(tag.as_ref().get(..16).unwrap_or_default())
    }
}

impl fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressKey(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_address_is_known_again_but_not_read() {
        let key = AddressKey::new(&[1; 32]);
        let hash = key.hash("192.0.2.7".parse().unwrap());
        assert_eq!(hash, key.hash("::ffff:192.0.2.7".parse().unwrap()));
        assert_ne!(hash, key.hash("192.0.2.8".parse().unwrap()));
        assert_ne!(hash, AddressKey::new(&[2; 32]).hash("192.0.2.7".parse().unwrap()));
        assert_eq!(hash.len(), 32);
    }

    #[test]
    fn a_signature_holds_for_its_number_and_hash_only() {
        let key = SigningKey::from_seed(&[9; 32]).unwrap();
        let (hash, other) = (Digest::of(&[b"a"]), Digest::of(&[b"b"]));
        let signature = key.sign(1, &hash);
        let verifying = VerifyingKey::parse(&key.verifying_key().to_string()).unwrap();
        assert!(verifying.verifies(1, &hash, &signature));
        assert!(!verifying.verifies(2, &hash, &signature));
        assert!(!verifying.verifies(1, &other, &signature));
        assert!(!SigningKey::from_seed(&[8; 32]).unwrap().verifying_key().verifies(1, &hash, &signature));
        assert_eq!(VerifyingKey::parse("abc"), Err(KeyError::Form));
    }
}
