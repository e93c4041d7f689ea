//! JSON Web Tokens as they travel (RFC 7519, compact form): read, checked against a key, signed.
//!
//! Knows signatures and times, not what claims mean. An algorithm belongs to a key: what a token's header says of it
//! must agree and chooses nothing.

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::claims::Claims;

/// Tokens larger than this are not looked at: each costs a signature check.
const TOKEN_BYTES: usize = 8 * 1024;
/// Clocks differ by so much.
const LEEWAY_S: u64 = 60;

/// The algorithms there are (RFC 7518 section 3.1, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    /// By its name, letter by letter: there is no `none` here, nor `hs256`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::Hs256),
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// What a token is checked with.
pub(crate) enum Key {
    Secret(Box<hmac::Key>),
    Public(Algorithm, ParsedPublicKey),
    /// An RSA key as a JWKS spells it.
    Rsa(PublicKeyComponents<Vec<u8>>),
}

impl Key {
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Secret(_) => Algorithm::Hs256,
            Self::Public(algorithm, _) => *algorithm,
            Self::Rsa(_) => Algorithm::Rs256,
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(_, key) => key.verify_sig(message, signature).is_ok(),
            Self::Rsa(key) => key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok(),
        }
    }
}

/// The header, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515 section 4.1.11). None is.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// Who says to have signed. Read before the signature is checked, to know with which key.
#[derive(Debug, Deserialize)]
struct Issuer {
    iss: String,
}

/// A token that can be read; whether it is true is not known yet.
pub(crate) struct Unverified<'a> {
    pub(crate) issuer: String,
    pub(crate) key_id: Option<String>,
    algorithm: Algorithm,
    signed: &'a [u8],
    signature: Vec<u8>,
    payload: Vec<u8>,
}

/// Seconds since 1970, and how far from them a token may end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validity {
    pub(crate) now_s: u64,
    pub(crate) max_life_s: u64,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart; `None` when it is none.
    pub(crate) fn read(token: &'a str) -> Option<Self> {
        if token.len() > TOKEN_BYTES {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        // Strict: no padding, no stray bits, so that a token is written in one way only.
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
        let payload = decode(payload)?;
        if header.crit.is_some() {
            return None;
        }
        Some(Self {
            issuer: serde_json::from_slice::<Issuer>(&payload).ok()?.iss,
            key_id: header.kid,
            algorithm: Algorithm::named(&header.alg)?,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
            payload,
        })
    }

    /// What the key signed, if it did; whose time it is, is not looked at.
    pub(crate) fn signed_by<C: DeserializeOwned>(&self, key: &Key) -> Option<C> {
        if key.algorithm() != self.algorithm || !key.verifies(self.signed, &self.signature) {
            return None;
        }
        serde_json::from_slice(&self.payload).ok()
    }

    /// The claims, when the key signed them and it is their time; else `None`.
    pub(crate) fn verify(&self, key: &Key, validity: Validity) -> Option<Claims> {
        let claims: Claims = self.signed_by(key)?;
        let soon = validity.now_s.saturating_add(LEEWAY_S);
        let ends = claims.exp?;
        let in_time = ends.saturating_add(LEEWAY_S) > validity.now_s
            && ends <= soon.saturating_add(validity.max_life_s)
            && claims.nbf.unwrap_or(0) <= soon
            && claims.iat.unwrap_or(0) <= soon;
        in_time.then_some(claims)
    }
}

/// Signs claims with a secret.
pub(crate) fn sign(claims: &impl Serialize, secret: &[u8]) -> Result<String, serde_json::Error> {
    let payload = serde_json::to_vec(claims)?;
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let mut token = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, token.as_bytes()));
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}
