//! ID tokens: whom the provider vouches for (OpenID Connect Core 1.0, sections 2 and 3.1.3.7). Pure: the time comes in.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::auth::{Key, Unverified};

/// Clocks differ by so much.
const LEEWAY_S: u64 = 60;
/// Longest `sub` (section 2: at most 255 ASCII characters).
const SUBJECT_BYTES: usize = 255;

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    /// What the sign-in began with.
    pub(super) nonce: &'a str,
    /// Seconds since 1970.
    pub(super) now_s: u64,
}

/// What it said.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct IdClaims {
    iss: String,
    pub(super) sub: String,
    aud: Audience,
    #[serde(default)]
    azp: Option<String>,
    exp: u64,
    iat: u64,
    #[serde(default)]
    nonce: Option<String>,
    /// All others.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// One or several (RFC 7519 section 4.1.3).
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Untrue {
    #[error("it is no signed token")]
    NoToken,
    #[error("it is signed with a key that is not among the provider's")]
    UnknownKey,
    #[error("its signature is wrong, or its claims are not those of an ID token")]
    Signature,
    #[error("its `iss` is another")]
    Issuer,
    #[error("it is for somebody else")]
    Audience,
    #[error("it is over, or not valid yet")]
    Time,
    #[error("it belongs to another sign-in")]
    Nonce,
    #[error("its `sub` is empty or too long")]
    Subject,
}

/// The claims of a token that one of the keys signed, for this client and this sign-in. Which algorithm is a key's own
/// matter: there is neither `none` nor a shared secret among them.
pub(super) fn verify(token: &str, keys: &[(String, Key)], expected: Expected<'_>) -> Result<IdClaims, Untrue> {
    let token = Unverified::read(token).ok_or(Untrue::NoToken)?;
    let candidates = keys.iter().filter(|(id, _)| token.key_id.as_ref().is_none_or(|named| named == id));
    let mut candidates = candidates.map(|(_, key)| key).peekable();
    candidates.peek().ok_or(Untrue::UnknownKey)?;
    let claims: IdClaims = candidates.find_map(|key| token.signed_by(key)).ok_or(Untrue::Signature)?;

    if claims.iss != expected.issuer {
        return Err(Untrue::Issuer);
    }
    let (is_for_us, others) = match &claims.aud {
        Audience::One(audience) => (audience == expected.client_id, false),
        Audience::Several(several) => (several.iter().any(|one| one == expected.client_id), several.len() > 1),
    };
    // With others among the audience, it must say that we are who asked for it.
    let party = claims.azp.as_deref();
    if !is_for_us || party.is_some_and(|party| party != expected.client_id) || others && party.is_none() {
        return Err(Untrue::Audience);
    }
    if claims.exp.saturating_add(LEEWAY_S) <= expected.now_s || claims.iat > expected.now_s.saturating_add(LEEWAY_S) {
        return Err(Untrue::Time);
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(Untrue::Nonce);
    }
    if claims.sub.is_empty() || claims.sub.len() > SUBJECT_BYTES || claims.sub.chars().any(char::is_control) {
        return Err(Untrue::Subject);
    }
    Ok(claims)
}

impl IdClaims {
    /// A claim that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.rest.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// The texts of a claim that is a list of them, or one. Its name may be a path through objects.
    pub(super) fn texts(&self, path: &str) -> Vec<String> {
        let found = self.rest.get(path).or_else(|| {
            let mut names = path.split('.');
            let first = self.rest.get(names.next()?)?;
            names.try_fold(first, |value, name| value.get(name))
        });
        match found {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::auth::from_jwks;

    const NOW_S: u64 = 1_700_000_000;

    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn new() -> Self {
            Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
        }

        fn keys(&self, id: &str) -> Vec<(String, Key)> {
            let point = self.0.public_key().as_ref();
            let coordinate = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
            let key =
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": coordinate(1..33), "y": coordinate(33..65) });
            from_jwks(&json!({ "keys": [key] }).to_string()).unwrap()
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", encode(header), encode(claims));
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        }
    }

    fn header() -> Value {
        json!({ "alg": "ES256", "kid": "k1" })
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example.org", "sub": "248289761001", "aud": "sluice", "nonce": "n1",
            "exp": NOW_S + 300, "iat": NOW_S, "name": "Ada", "roles": ["admin", 7],
            "realm": { "access": { "roles": "therapist" } }, "https://example.org/roles": ["patient"],
        })
    }

    fn expected() -> Expected<'static> {
        Expected { issuer: "https://id.example.org", client_id: "sluice", nonce: "n1", now_s: NOW_S }
    }

    /// The claims with some of them otherwise; `null` for one that is not there.
    fn with(changes: &Value) -> Value {
        let mut claims = claims();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(name),
                value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        claims
    }

    #[test]
    fn whom_the_provider_vouches_for_is_believed() {
        let signer = Signer::new();
        let keys = signer.keys("k1");
        let said = verify(&signer.sign(&header(), &claims()), &keys, expected()).unwrap();
        assert_eq!((said.sub.as_str(), said.text("name"), said.text("email")), ("248289761001", Some("Ada"), None));
        assert_eq!(said.texts("roles"), ["admin"]);
        assert_eq!(said.texts("realm.access.roles"), ["therapist"]);
        assert_eq!(said.texts("https://example.org/roles"), ["patient"], "a name may have dots of its own");
        assert!(said.texts("realm.roles").is_empty() && said.texts("").is_empty() && said.texts("name.x").is_empty());

        for fine in [
            json!({ "aud": ["sluice"] }),
            json!({ "aud": ["sluice", "other"], "azp": "sluice" }),
            json!({ "exp": NOW_S - 59 }),
            json!({ "iat": NOW_S + 59 }),
        ] {
            assert!(verify(&signer.sign(&header(), &with(&fine)), &keys, expected()).is_ok(), "{fine}");
        }
        let nameless = signer.sign(&json!({ "alg": "ES256" }), &claims());
        assert!(verify(&nameless, &keys, expected()).is_ok(), "a provider with one key may not name it");
    }

    #[test]
    fn a_token_that_is_not_for_this_sign_in_is_not() {
        let signer = Signer::new();
        let keys = signer.keys("k1");
        for (changes, why) in [
            (json!({ "iss": "https://id.example.org/" }), Untrue::Issuer),
            (json!({ "aud": "another" }), Untrue::Audience),
            (json!({ "aud": [] }), Untrue::Audience),
            (json!({ "aud": ["sluice", "other"] }), Untrue::Audience),
            (json!({ "azp": "another" }), Untrue::Audience),
            (json!({ "exp": NOW_S - 60 }), Untrue::Time),
            (json!({ "iat": NOW_S + 61 }), Untrue::Time),
            (json!({ "nonce": "n2" }), Untrue::Nonce),
            (json!({ "nonce": null }), Untrue::Nonce),
            (json!({ "sub": "" }), Untrue::Subject),
            (json!({ "sub": "x".repeat(256) }), Untrue::Subject),
            (json!({ "exp": null }), Untrue::Signature),
            (json!({ "exp": "soon" }), Untrue::Signature),
            (json!({ "sub": null }), Untrue::Signature),
        ] {
            let refused = verify(&signer.sign(&header(), &with(&changes)), &keys, expected());
            assert_eq!(refused.err(), Some(why), "{changes}");
        }
    }

    #[test]
    fn only_the_providers_keys_count_in_their_own_algorithm() {
        let (signer, stranger) = (Signer::new(), Signer::new());
        let keys = signer.keys("k1");
        let why = |token: &str| verify(token, &keys, expected()).err();
        assert_eq!(why(&stranger.sign(&header(), &claims())), Some(Untrue::Signature));
        assert_eq!(why(&signer.sign(&json!({ "alg": "ES256", "kid": "k2" }), &claims())), Some(Untrue::UnknownKey));
        assert_eq!(why(&signer.sign(&json!({ "alg": "RS256", "kid": "k1" }), &claims())), Some(Untrue::Signature));
        assert_eq!(why(&signer.sign(&json!({ "alg": "none", "kid": "k1" }), &claims())), Some(Untrue::NoToken));
        // The public key as if it were a shared secret.
        let payload = crate::auth::sign(&claims(), signer.0.public_key().as_ref()).unwrap();
        assert_eq!(why(&payload), Some(Untrue::Signature));
        assert_eq!(why("a.b.c"), Some(Untrue::NoToken));
    }
}
