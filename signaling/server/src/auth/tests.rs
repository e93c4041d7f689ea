//! Who is let in, and by whose signature.

#![allow(clippy::needless_pass_by_value, reason = "claims are written where they are used")]
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use livekit_protocol::participant_info;
use livekit_token::{AccessToken, VideoGrants};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn keys() -> Keys {
    let pairs = [("one", "secret-one"), ("two", "secret-two")].map(|(key, secret)| (key.into(), secret.into()));
    Keys::new(&ServerConfig::new(pairs.into())).unwrap()
}

fn token(key: &str, secret: &str, grants: VideoGrants) -> String {
    AccessToken::with_api_key(key, secret)
        .with_identity("ada")
        .with_grants(grants)
        .to_jwt()
        .unwrap()
}

fn join() -> VideoGrants {
    VideoGrants { room_join: true, room: "math".into(), ..Default::default() }
}

#[test]
fn every_configured_key_opens_and_no_other() {
    assert_eq!(keys().admit(Some(&token("two", "secret-two", join()))).unwrap().room, "math");
    assert_eq!(keys().admit(Some(&token("two", "secret-one", join()))).unwrap_err(), AuthError::Refused);
    assert_eq!(keys().admit(Some(&token("three", "secret-two", join()))).unwrap_err(), AuthError::UnknownKey);
    assert_eq!(keys().admit(None).unwrap_err(), AuthError::Missing);
    assert_eq!(keys().admit(Some("a.b.c")).unwrap_err(), AuthError::Malformed);
    assert_eq!(keys().admit(Some(&"x".repeat(1 << 20))).unwrap_err(), AuthError::Malformed);
}

#[test]
fn a_token_without_join_opens_nothing() {
    let grants = VideoGrants { room: "math".into(), ..Default::default() };
    assert_eq!(keys().admit(Some(&token("one", "secret-one", grants))).unwrap_err(), AuthError::NoJoin);
}

#[test]
fn a_renewed_token_says_what_the_first_said() {
    let grants = VideoGrants {
        can_publish_sources: vec!["camera".into(), "screen_share_audio".into()],
        can_subscribe: Some(false),
        can_update_own_metadata: Some(true),
        hidden: true,
        ..join()
    };
    let first = keys().admit(Some(&token("one", "secret-one", grants))).unwrap();
    let claims = TokenClaims {
        identity: first.grants.identity.clone(),
        name: first.grants.name.clone(),
        metadata: "m".into(),
        attributes: [("k".to_owned(), "v".to_owned())].into(),
        permission: first.grants.permission.clone(),
        kind: participant_info::Kind::Agent,
        rights: first.grants.rights,
    };
    let second = keys().admit(Some(&keys().sign("math", &claims).unwrap())).unwrap();
    assert_eq!(second.grants.permission, first.grants.permission);
    assert_eq!(second.grants.attributes, claims.attributes);
    assert_eq!(second.grants.kind, participant_info::Kind::Agent);
    assert_eq!(second.room, "math");
}

/// Who signs elsewhere.
enum Signer {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

impl Signer {
    fn ed25519() -> Self {
        Self::Ed(Ed25519KeyPair::generate().unwrap())
    }

    fn p256() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn rsa() -> Self {
        Self::Rsa(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed(_) => "EdDSA",
            Self::Ec(_) => "ES256",
            Self::Rsa(_) => "RS256",
        }
    }

    fn spki(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Ed(pair) => pair.public_key().as_der().unwrap(),
            Self::Ec(pair) => pair.public_key().as_der().unwrap(),
            Self::Rsa(pair) => pair.public_key().as_der().unwrap(),
        };
        der.as_ref().to_vec()
    }

    fn pem(&self) -> String {
        let body = base64::engine::general_purpose::STANDARD.encode(self.spki());
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }

    fn jwk(&self, id: &str) -> Value {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": b64(pair.public_key().as_ref()) })
            }
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "alg": "ES256",
                    "x": b64(&point[1..33]), "y": b64(&point[33..]) })
            }
            Self::Rsa(pair) => {
                // An RSAPublicKey (RFC 8017 appendix A.1.1): heads, a zero, the modulus of 2048 bits, a head, 65537.
                let der = pair.public_key().as_ref();
                let (n, e) = (&der[9..265], &der[267..]);
                json!({ "kty": "RSA", "kid": id, "alg": "RS256", "n": b64(n), "e": b64(e) })
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Ec(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    /// A token of this signer's with these claims.
    fn token(&self, header: Value, claims: &Value) -> String {
        let mut whole = json!({ "alg": self.algorithm(), "typ": "JWT" });
        whole.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        forge(&whole, claims, |message| self.sign(message))
    }
}

fn forge(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn hs256(secret: &[u8]) -> impl FnOnce(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    move |message| hmac::sign(&key, message).as_ref().to_vec()
}

/// Claims that join the room math, signed by `iss` and good for ten minutes.
fn claims(iss: &str) -> Value {
    let now = now_s();
    json!({ "iss": iss, "sub": "ada", "nbf": now, "exp": now + 600, "video": { "roomJoin": true, "room": "math" } })
}

fn with(mut claims: Value, change: Value) -> Value {
    claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    claims
}

fn config() -> ServerConfig {
    let pairs = [("one", "secret-one"), ("two", "secret-two")].map(|(key, secret)| (key.into(), secret.into()));
    ServerConfig::new(pairs.into())
}

#[test]
fn who_signs_elsewhere_is_believed_by_its_public_key() {
    for signer in [Signer::ed25519(), Signer::p256(), Signer::rsa()] {
        let name = signer.algorithm();
        let trusted_keys = vec![("https://id.example".to_owned(), signer.pem())];
        let by_name = Keys::new(&ServerConfig { trusted_keys, ..config() }).unwrap();
        let jwks = Some(json!({ "keys": [signer.jwk("k1"), { "kty": "EC", "crv": "P-521", "kid": "x" }] }).to_string());
        let by_set = Keys::new(&ServerConfig { jwks: jwks.clone(), ..config() }).unwrap();

        let token = signer.token(json!({}), &claims("https://id.example"));
        assert_eq!(by_name.admit(Some(&token)).unwrap().room, "math", "{name}");
        assert_eq!(by_set.admit(Some(&token)).unwrap_err(), AuthError::UnknownKey, "{name}: no kid");
        let token = signer.token(json!({ "kid": "k1" }), &claims("https://id.example"));
        assert_eq!(by_set.admit(Some(&token)).unwrap().grants.identity, "ada", "{name}");
        let token = signer.token(json!({ "kid": "../k1" }), &claims("https://id.example"));
        assert_eq!(by_set.admit(Some(&token)).unwrap_err(), AuthError::UnknownKey, "{name}");

        let jwks_issuer = Some("https://other.example".to_owned());
        let strict = Keys::new(&ServerConfig { jwks, jwks_issuer, ..config() }).unwrap();
        let token = signer.token(json!({ "kid": "k1" }), &claims("https://id.example"));
        assert_eq!(strict.admit(Some(&token)).unwrap_err(), AuthError::UnknownKey, "{name}");
        let token = signer.token(json!({ "kid": "k1" }), &claims("https://other.example"));
        assert!(strict.admit(Some(&token)).is_ok(), "{name}");
        // Nor does a key of the set sign in the name of an API key.
        let token = signer.token(json!({ "kid": "k1" }), &claims("one"));
        assert_eq!(by_set.admit(Some(&token)).unwrap_err(), AuthError::Refused, "{name}");

        let token = signer.token(json!({}), &claims("https://id.example"));
        let mut forged = token.clone().into_bytes();
        let last = forged.len() - 20;
        forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(by_name.admit(Some(&forged)).unwrap_err(), AuthError::Refused, "{name}");
    }
}

#[test]
fn a_key_has_one_algorithm_whatever_a_token_says() {
    let signer = Signer::rsa();
    let trusted_keys = vec![("id".to_owned(), signer.pem())];
    let keys = Keys::new(&ServerConfig { trusted_keys, ..config() }).unwrap();
    assert!(keys.admit(Some(&signer.token(json!({}), &claims("id")))).is_ok());

    // The classic: the public key, which everybody has, used as the secret of an HMAC.
    for secret in [signer.pem().into_bytes(), signer.spki()] {
        let forged = forge(&json!({ "alg": "HS256" }), &claims("id"), hs256(&secret));
        assert_eq!(keys.admit(Some(&forged)).unwrap_err(), AuthError::Refused);
    }
    // An API key's tokens are HMACs and nothing else.
    assert_eq!(keys.admit(Some(&signer.token(json!({}), &claims("one")))).unwrap_err(), AuthError::Refused);
    let ec = Signer::p256();
    assert_eq!(keys.admit(Some(&ec.token(json!({}), &claims("id")))).unwrap_err(), AuthError::Refused);
    // A good signature under another name.
    let renamed = forge(&json!({ "alg": "EdDSA" }), &claims("id"), |message| signer.sign(message));
    assert_eq!(keys.admit(Some(&renamed)).unwrap_err(), AuthError::Refused);
    for alg in ["none", "None", "NONE", "nOnE", "", "hs256", "HS384", "HS512", "RS1", "PS256", "ES384"] {
        for (iss, secret) in [("one", &b"secret-one"[..]), ("id", b"")] {
            let forged = forge(&json!({ "alg": alg }), &claims(iss), hs256(secret));
            assert_eq!(keys.admit(Some(&forged)).unwrap_err(), AuthError::Malformed, "{alg}");
            let unsigned = forge(&json!({ "alg": alg }), &claims(iss), |_| Vec::new());
            assert_eq!(keys.admit(Some(&unsigned)).unwrap_err(), AuthError::Malformed, "{alg}");
        }
    }
    let unsigned = forge(&json!({ "alg": "HS256" }), &claims("one"), |_| Vec::new());
    assert_eq!(keys.admit(Some(&unsigned)).unwrap_err(), AuthError::Refused);
    let critical = forge(&json!({ "alg": "HS256", "crit": ["exp"] }), &claims("one"), hs256(b"secret-one"));
    assert_eq!(keys.admit(Some(&critical)).unwrap_err(), AuthError::Malformed, "extensions nobody here knows");
    // Keys that a token brings along are nobody's.
    let brought = signer
        .token(json!({ "jwk": ec.jwk("k"), "jku": "http://169.254.169.254/", "x5u": "file:///etc" }), &claims("who"));
    assert_eq!(keys.admit(Some(&brought)).unwrap_err(), AuthError::UnknownKey);
}

#[test]
fn times_are_whole_seconds_and_tokens_do_not_live_for_ever() {
    let now = now_s();
    let opens = |change: Value| {
        let token = forge(&json!({ "alg": "HS256" }), &with(claims("one"), change), hs256(b"secret-one"));
        keys().admit(Some(&token)).is_ok()
    };
    assert!(opens(json!({})));
    assert!(opens(json!({ "nbf": 0, "iat": now })));
    assert!(opens(json!({ "exp": now - 30 })), "clocks differ");
    assert!(opens(json!({ "exp": now + 6 * 3600 })));
    assert!(opens(json!({ "nbf": null })), "a beginning need not be said");
    for change in [
        json!({ "exp": null }),
        json!({ "exp": (now + 600).to_string() }),
        json!({ "exp": 1e308 }),
        json!({ "exp": now as f64 + 600.5 }),
        json!({ "exp": -1 }),
        json!({ "exp": 0 }),
        json!({ "exp": now - 61 }),
        json!({ "exp": u64::MAX }),
        // The year 9999.
        json!({ "exp": 253_402_300_799_u64 }),
        json!({ "exp": true }),
        json!({ "exp": [now + 600] }),
        json!({ "nbf": now + 120 }),
        json!({ "nbf": "0" }),
        json!({ "nbf": -1 }),
        json!({ "iat": now + 120 }),
        json!({ "iat": u64::MAX }),
    ] {
        assert!(!opens(change.clone()), "{change}");
    }
    let text = claims("one").to_string();
    let twice = text.replacen('{', "{\"sub\":\"eve\",", 1);
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(twice));
    let signature = URL_SAFE_NO_PAD.encode(hs256(b"secret-one")(signed.as_bytes()));
    assert!(keys().admit(Some(&format!("{signed}.{signature}"))).is_err(), "two readers could read two names");
}

#[test]
fn no_token_is_read_in_two_ways() {
    let good = forge(&json!({ "alg": "HS256" }), &claims("one"), hs256(b"secret-one"));
    assert!(keys().admit(Some(&good)).is_ok());
    let parts: Vec<_> = good.split('.').collect();
    for bad in [
        format!("{good}="),
        format!("{good}."),
        format!(".{good}"),
        format!(" {good}"),
        format!("{good}\n"),
        parts[..2].join("."),
        format!("{}.{}.{}.{}", parts[0], parts[1], parts[2], parts[2]),
        format!("{}..{}", parts[0], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1].replace('-', "+"), "é"),
        String::new(),
    ] {
        assert_eq!(keys().admit(Some(&bad)).unwrap_err(), AuthError::Malformed, "{bad}");
    }
    let deep = format!("{}1{}", "[".repeat(3000), "]".repeat(3000));
    let token = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(deep));
    assert_eq!(keys().admit(Some(&token)).unwrap_err(), AuthError::Malformed);
}

#[test]
fn keys_that_are_none_are_refused_at_the_start() {
    let trusted = |pem: &str| {
        let trusted_keys = vec![("id".to_owned(), pem.to_owned())];
        match Keys::new(&ServerConfig { trusted_keys, ..config() }) {
            Err(KeyError::Trusted { error, .. }) => Some(error),
            _ => None,
        }
    };
    let set = |json: Value| match Keys::new(&ServerConfig { jwks: Some(json.to_string()), ..config() }) {
        Err(KeyError::KeySet(error)) => Some(error),
        _ => None,
    };
    assert_eq!(trusted(""), Some(TrustError::NoKey));
    assert_eq!(trusted(&Signer::rsa().pem().replace("PUBLIC KEY", "PRIVATE KEY")), Some(TrustError::NoKey));
    let p384 = EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let der: PublicKeyX509Der<'_> = p384.public_key().as_der().unwrap();
    let body = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    assert_eq!(trusted(&pem), Some(TrustError::Kind));
    assert_eq!(set(json!({})), Some(TrustError::NotJwks));
    assert_eq!(set(json!({ "keys": [] })), Some(TrustError::Empty));
    assert_eq!(set(json!({ "keys": [{ "kty": "oct", "kid": "k", "k": "c2VjcmV0" }] })), Some(TrustError::Private));
    let private = with(Signer::ed25519().jwk("k"), json!({ "d": "AAAA" }));
    assert_eq!(set(json!({ "keys": [private] })), Some(TrustError::Private));
    let short = json!({ "kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode([0xc5; 128]), "e": "AQAB" });
    assert_eq!(set(json!({ "keys": [short] })), Some(TrustError::Weak));
    let encrypts = with(Signer::p256().jwk("k"), json!({ "use": "enc" }));
    assert_eq!(set(json!({ "keys": [encrypts] })), Some(TrustError::Empty));
    let other = with(Signer::ed25519().jwk("k"), json!({ "alg": "HS256" }));
    assert_eq!(set(json!({ "keys": [other] })), Some(TrustError::Empty), "no key is another kind by its own word");

    let trusted_keys = vec![("one".to_owned(), Signer::ed25519().pem())];
    let shared = Keys::new(&ServerConfig { trusted_keys, ..config() });
    assert!(matches!(shared, Err(KeyError::SharedName(name)) if name == "one"));
    assert!(matches!(Keys::new(&ServerConfig::new(Vec::new())), Err(KeyError::NoKeys)));
}

#[test]
fn a_file_of_several_keys_lets_its_signer_change_them() {
    let (old, new, stranger) = (Signer::ed25519(), Signer::ed25519(), Signer::ed25519());
    let trusted_keys = vec![("id".to_owned(), old.pem() + &new.pem())];
    let keys = Keys::new(&ServerConfig { trusted_keys, ..config() }).unwrap();
    for (signer, opens) in [(&old, true), (&new, true), (&stranger, false)] {
        assert_eq!(keys.admit(Some(&signer.token(json!({}), &claims("id")))).is_ok(), opens);
    }
}

#[test]
fn every_grant_is_understood_and_renewed() {
    let video = json!({
        "roomJoin": true, "room": "math", "roomAdmin": true, "roomCreate": true, "roomList": true, "roomRecord": true,
        "canPublish": true, "canSubscribe": false, "canPublishData": false, "canPublishSources": ["camera", "microphone"],
        "canUpdateOwnMetadata": true, "canSubscribeMetrics": true, "canManageAgentSession": true, "hidden": true,
        "recorder": true, "agent": true, "destinationRoom": "physics", "ingressAdmin": true, "newGrant": [1],
    });
    let claims = with(claims("one"), json!({ "video": video, "kind": "agent", "sip": { "call": true }, "jti": "x" }));
    let first = keys()
        .admit(Some(&forge(&json!({ "alg": "HS256" }), &claims, hs256(b"secret-one"))))
        .unwrap();
    let permission = &first.grants.permission;
    assert!(permission.can_subscribe_metrics && permission.can_manage_agent_session && permission.hidden);
    assert!(!permission.can_subscribe && !permission.can_publish_data && permission.can_publish);
    assert!(first.may_create && first.grants.rights.room_admin);
    let renewed = TokenClaims {
        identity: "ada".into(),
        name: String::new(),
        metadata: String::new(),
        attributes: Default::default(),
        permission: permission.clone(),
        kind: first.grants.kind,
        rights: first.grants.rights,
    };
    let second = keys().admit(Some(&keys().sign("math", &renewed).unwrap())).unwrap();
    assert_eq!(second.grants.permission, *permission);
    assert_eq!((second.grants.rights, second.grants.kind), (first.grants.rights, first.grants.kind));
    assert!(second.grants.signed_at_s + 5 >= now_s());

    let kind = |video: Value| {
        let claims =
            with(self::claims("one"), json!({ "video": with(json!({ "roomJoin": true, "room": "m" }), video) }));
        keys()
            .admit(Some(&forge(&json!({ "alg": "HS256" }), &claims, hs256(b"secret-one"))))
            .unwrap()
            .grants
    };
    assert_eq!(kind(json!({ "recorder": true })).kind, participant_info::Kind::Egress);
    assert_eq!(kind(json!({ "agent": true })).kind, participant_info::Kind::Agent);
    let silent = kind(json!({ "canPublish": false })).permission;
    assert!(!silent.can_publish_data, "who may not publish may not publish data, unless it is said");
}

proptest! {
    #[test]
    fn any_text_is_a_token_or_not(text in any::<String>(), header in any::<String>(), payload in any::<String>()) {
        let _ = keys().admit(Some(&text));
        let token = format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload), "AAAA");
        prop_assert!(keys().admit(Some(&token)).is_err());
    }

    #[test]
    fn any_text_is_a_key_or_not(text in any::<String>()) {
        let _ = trusted::from_pem(&text);
        let _ = trusted::from_jwks(&text);
        let _ = trusted::from_pem(&format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----"));
    }
}
