//! Access tokens: what an account shows at the doors for a quarter of an hour. JSON Web Tokens of this server for itself.
//!
//! Knows neither the store nor whether the account is still one: that is asked at each request.

use aws_lc_rs::{hkdf, hmac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sluice_store::{UnixMillis, UserId};

use crate::auth::{Key, Unverified, sign};

/// What `iss` and `aud` of access tokens are. No API key can be taken for it: the doors look at it first.
const ACCESS: &str = "sluice:accounts";

/// A key for one purpose, of this server alone. Drawn from the first API secret (HKDF, RFC 5869), so that it survives a
/// restart and is no API secret: what it signs opens no room, and no API key signs for accounts.
pub(super) struct OwnKey {
    secret: [u8; 32],
    key: Key,
}

impl OwnKey {
    /// The same secret and purpose make the same key.
    pub(super) fn derive(api_secret: &str, purpose: &str) -> Self {
        let mut secret = [0; 32];
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"sluice accounts");
        salt.extract(api_secret.as_bytes())
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut secret))
            .expect("the length is that of the hash");
        Self { key: Key::secret(&secret), secret }
    }

    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<String, serde_json::Error> {
        sign(claims, &self.secret)
    }

    /// A secret that follows from another, and that only this key makes of it (HMAC-SHA-256, RFC 2104).
    pub(super) fn following(&self, secret: &str) -> [u8; 32] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.secret), secret.as_bytes());
        tag.as_ref().try_into().expect("the length is that of the hash")
    }

    /// What this key signed.
    pub(super) fn open<C: DeserializeOwned>(&self, token: &str) -> Option<C> {
        Unverified::read(token)?.signed_by(&self.key)
    }
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct AccessClaims {
    iss: String,
    aud: String,
    /// The account.
    sub: String,
    /// This token, so that one can be made worthless.
    pub(super) jti: String,
    /// Seconds since 1970.
    iat: i64,
    /// Seconds since 1970.
    exp: i64,
    /// When it was signed, in milliseconds: signing out and in again takes less than a second.
    issued_ms: i64,
}

impl AccessClaims {
    pub(super) fn new(user: &UserId, id: String, now: UnixMillis, life_s: i64) -> Self {
        Self {
            iss: ACCESS.to_owned(),
            aud: ACCESS.to_owned(),
            sub: user.as_str().to_owned(),
            jti: id,
            iat: now.0.div_euclid(1000),
            exp: now.0.div_euclid(1000).saturating_add(life_s),
            issued_ms: now.0,
        }
    }

    pub(super) fn user(&self) -> UserId {
        UserId::from(self.sub.as_str())
    }

    pub(super) fn issued(&self) -> UnixMillis {
        UnixMillis(self.issued_ms)
    }

    /// Until when it counts.
    pub(super) fn expires(&self) -> UnixMillis {
        UnixMillis(self.exp.saturating_mul(1000))
    }

    /// It is for us. One clock signs and checks, so there is no leeway.
    pub(super) fn is_for_us(&self) -> bool {
        self.iss == ACCESS && self.aud == ACCESS
    }
}

/// Whether a token says to be an access token of ours. To be asked before anything costly.
pub(super) fn is_one(token: &str) -> bool {
    Unverified::read(token).is_some_and(|token| token.issuer == ACCESS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_123);

    #[test]
    fn a_key_is_for_one_purpose_and_survives_a_restart() {
        let claims = AccessClaims::new(&"u1".into(), "t1".into(), NOW, 900);
        let token = OwnKey::derive("secret", "access").sign(&claims).unwrap();
        let open = |secret: &str, purpose: &str| OwnKey::derive(secret, purpose).open::<AccessClaims>(&token);

        assert_eq!(open("secret", "access"), Some(claims));
        assert_eq!(open("secret", "state"), None);
        assert_eq!(open("other", "access"), None);
        let by_the_api_secret = Unverified::read(&token).unwrap().signed_by::<AccessClaims>(&Key::secret(b"secret"));
        assert_eq!(by_the_api_secret, None, "what an API secret signs is none, and the other way round");
        assert!(is_one(&token) && !is_one("x.y.z"));
    }

    #[test]
    fn times_are_whole_seconds_and_the_moment() {
        let claims = AccessClaims::new(&"u1".into(), "t1".into(), NOW, 900);
        assert_eq!((claims.issued(), claims.expires()), (NOW, UnixMillis(1_700_000_900_000)));
        assert!(claims.is_for_us());
        assert!(!AccessClaims { aud: "another".into(), ..claims }.is_for_us());
    }
}
