//! Public keys of those who sign tokens elsewhere: PEM files and JSON Web Key Sets (RFC 7517).
//!
//! Each key has one algorithm, from its own kind, before any token is read.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use super::jwt::{Algorithm, Key};

/// A modulus of 2048 bits; what is shorter can be taken apart.
const RSA_MODULUS_BYTES: usize = 256;
/// The same with what surrounds it in a SubjectPublicKeyInfo.
const RSA_SPKI_BYTES: usize = 294;

/// Why a public key is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// No `PUBLIC KEY` in the PEM text.
    #[error("no PEM block `PUBLIC KEY` in it")]
    NoKey,
    /// Another kind of key, or none.
    #[error("a key that is neither RSA, P-256 nor Ed25519")]
    Kind,
    /// RSA under 2048 bits.
    #[error("an RSA key under 2048 bits")]
    Weak,
    /// Not a JSON Web Key Set.
    #[error("not a JSON Web Key Set")]
    NotJwks,
    /// A JWKS holds a private or symmetric key, which does not belong where public keys are kept.
    #[error("a private or symmetric key in it: only public keys belong there")]
    Private,
    /// No key of a JWKS can be used: it needs a `kid`, and be RSA, P-256 or Ed25519.
    #[error("no key in it can be used (each needs a `kid`, and to be RSA, P-256 or Ed25519)")]
    Empty,
}

/// The keys of a PEM text.
pub(crate) fn from_pem(pem: &str) -> Result<Vec<Key>, TrustError> {
    let mut keys = Vec::new();
    for block in SubjectPublicKeyInfoDer::pem_slice_iter(pem.as_bytes()) {
        keys.push(from_spki(&block.map_err(|_| TrustError::NoKey)?)?);
    }
    if keys.is_empty() { Err(TrustError::NoKey) } else { Ok(keys) }
}

fn from_spki(der: &[u8]) -> Result<Key, TrustError> {
    let kinds: [(Algorithm, &'static dyn VerificationAlgorithm); 3] = [
        (Algorithm::EdDsa, &signature::ED25519),
        (Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED),
        (Algorithm::Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
    ];
    for (algorithm, kind) in kinds {
        if let Ok(key) = ParsedPublicKey::new(kind, der) {
            if algorithm == Algorithm::Rs256 && der.len() < RSA_SPKI_BYTES {
                return Err(TrustError::Weak);
            }
            return Ok(Key::Public(algorithm, key));
        }
    }
    Err(TrustError::Kind)
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct WebKey {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    d: Option<String>,
}

/// The keys of a JWKS, by their `kid`. Keys for other purposes or of other kinds are left out (RFC 7517 section 5).
pub(crate) fn from_jwks(json: &str) -> Result<Vec<(String, Key)>, TrustError> {
    let set: KeySet = serde_json::from_str(json).map_err(|_| TrustError::NotJwks)?;
    let mut keys = Vec::new();
    for value in set.keys {
        let key: WebKey = serde_json::from_value(value).map_err(|_| TrustError::NotJwks)?;
        if key.d.is_some() || key.kty == "oct" {
            return Err(TrustError::Private);
        }
        if let (Some(id), Some(usable)) = (key.kid.clone(), from_web_key(&key)?) {
            keys.push((id, usable));
        }
    }
    if keys.is_empty() { Err(TrustError::Empty) } else { Ok(keys) }
}

fn from_web_key(key: &WebKey) -> Result<Option<Key>, TrustError> {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| TrustError::NotJwks);
    let parsed = |kind: &'static dyn VerificationAlgorithm, bytes: Vec<u8>| {
        ParsedPublicKey::new(kind, bytes).map_err(|_| TrustError::NotJwks)
    };
    let algorithm = match (key.kty.as_str(), key.crv.as_str()) {
        ("RSA", _) => Algorithm::Rs256,
        ("EC", "P-256") => Algorithm::Es256,
        ("OKP", "Ed25519") => Algorithm::EdDsa,
        _ => return Ok(None),
    };
    let is_other = key.alg.as_deref().is_some_and(|name| Algorithm::named(name) != Some(algorithm));
    if is_other || key.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return Ok(None);
    }
    Ok(Some(match algorithm {
        Algorithm::Rs256 => {
            let (n, e) = (bytes(&key.n)?, bytes(&key.e)?);
            if n.len() < RSA_MODULUS_BYTES {
                return Err(TrustError::Weak);
            }
            Key::Rsa(PublicKeyComponents { n, e })
        }
        Algorithm::Es256 => {
            // An uncompressed point (SEC 1 section 2.3.3).
            let point = [vec![4], bytes(&key.x)?, bytes(&key.y)?].concat();
            Key::Public(algorithm, parsed(&signature::ECDSA_P256_SHA256_FIXED, point)?)
        }
        Algorithm::EdDsa | Algorithm::Hs256 => Key::Public(algorithm, parsed(&signature::ED25519, bytes(&key.x)?)?),
    }))
}
