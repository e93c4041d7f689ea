//! Tokens: checked when somebody comes, signed for guests and for those who stay.
//!
//! [`Keys`] says who may sign and what a token opens. [`jwt`] reads and signs, [`claims`] is what tokens say,
//! [`trusted`] the public keys of those who sign elsewhere.

pub(crate) mod claims;
mod jwt;
mod trusted;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_rooms::{Grants, TokenClaims, valid_identity, valid_room_name};

use crate::App;
use crate::config::ServerConfig;
use crate::gate::Bearer;
use crate::room::RoomWish;
use claims::Claims;
use jwt::Validity;
pub(crate) use jwt::{Key, Unverified, sign};
pub use trusted::TrustError;
pub(crate) use trusted::from_jwks;

/// Life of the tokens signed here. A client in a room gets a fresh one when it comes and every 5 minutes.
const TOKEN_LIFE: Duration = Duration::from_secs(10 * 60);

/// Why a token does not open the door. The texts are what SDKs show to developers; none repeats the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("no token: send it as `Authorization: Bearer` or as the query parameter `access_token`")]
    Missing,
    #[error("invalid token: not a JWT with the expected claims")]
    Malformed,
    #[error("invalid token: it was issued with an API key this server does not know")]
    UnknownKey,
    #[error("invalid token: wrong signature, expired, or not valid yet")]
    Refused,
    #[error("permission denied: the token does not grant `roomJoin`")]
    NoJoin,
    #[error("permission denied: the token names no valid room")]
    NoRoom,
    #[error("permission denied: the token has no valid identity")]
    NoIdentity,
}

impl AuthError {
    /// Nobody vouched for the token. The others are good ones at a wrong door.
    pub(crate) fn is_forgery(self) -> bool {
        matches!(self, Self::Malformed | Self::UnknownKey | Self::Refused)
    }
}

/// Why the keys of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no API key, and somebody has to sign what the server hands out.
    #[error("no API key is configured")]
    NoKeys,
    /// The public key of that issuer.
    #[error("the trusted key of {issuer}: {error}")]
    Trusted {
        /// Whose.
        issuer: String,
        /// What is wrong with it.
        error: TrustError,
    },
    /// The key set.
    #[error("the key set: {0}")]
    KeySet(TrustError),
    /// One name for two kinds of key: it would be open which of them a token means.
    #[error("{0} is the name of an API key and cannot be the issuer of a trusted key too")]
    SharedName(String),
}

/// A token that opens a room.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    /// Who signed.
    pub(crate) key: String,
    /// Which room.
    pub(crate) room: String,
    /// Who, and what it may do there.
    pub(crate) grants: Grants,
    /// How the room shall be made if it is not there yet.
    pub(crate) room_config: Option<livekit_protocol::RoomConfiguration>,
    /// How the room was set up, where that is known and it is not open.
    pub(crate) set_up: Option<RoomWish>,
    /// The token may make the room even where joining alone may not.
    pub(crate) may_create: bool,
}

impl Admission {
    /// Whose attempts to enter with it are.
    pub(crate) fn counts_to(&self) -> Bearer<'_> {
        Bearer::Participant { key: &self.key, room: &self.room, identity: &self.grants.identity }
    }

    /// Whether its bearer may open the room where it is not.
    pub(crate) fn may_open(&self, app: &App) -> bool {
        app.config.rooms.auto_create || self.may_create || self.set_up.is_some()
    }
}

/// Everybody whose signature counts.
pub(crate) struct Keys {
    /// API keys with their secrets, by name.
    secrets: BTreeMap<String, Key>,
    /// Public keys by the issuer they belong to.
    trusted: BTreeMap<String, Vec<Key>>,
    /// Public keys of the key set, by `kid`.
    set: Vec<(String, Key)>,
    /// Whose tokens the key set is for; `None`: everybody's who has no key by name.
    set_issuer: Option<String>,
    /// The first API key, which signs.
    signer: (String, String),
    max_life: Duration,
}

impl Keys {
    pub(crate) fn new(config: &ServerConfig) -> Result<Self, KeyError> {
        let signer = config.keys.first().cloned().ok_or(KeyError::NoKeys)?;
        let secrets: BTreeMap<_, _> = config
            .keys
            .iter()
            .map(|(key, secret)| (key.clone(), Key::secret(secret.as_bytes())))
            .collect();
        let mut trusted = BTreeMap::new();
        for (issuer, pem) in &config.trusted_keys {
            if secrets.contains_key(issuer) {
                return Err(KeyError::SharedName(issuer.clone()));
            }
            let keys = trusted::from_pem(pem).map_err(|error| KeyError::Trusted { issuer: issuer.clone(), error })?;
            trusted.insert(issuer.clone(), keys);
        }
        let set = config.jwks.as_deref().map(trusted::from_jwks).transpose().map_err(KeyError::KeySet)?;
        let set_issuer = config.jwks_issuer.clone();
        if let Some(issuer) = set_issuer.as_ref().filter(|issuer| secrets.contains_key(*issuer)) {
            return Err(KeyError::SharedName(issuer.clone()));
        }
        let max_life = config.max_token_life;
        Ok(Self { secrets, trusted, set: set.unwrap_or_default(), set_issuer, signer, max_life })
    }

    /// The claims of a token that one of the keys signed and whose time it is.
    pub(crate) fn verify(&self, token: Option<&str>) -> Result<Claims, AuthError> {
        let token = Unverified::read(token.ok_or(AuthError::Missing)?).ok_or(AuthError::Malformed)?;
        let candidates = self.candidates(&token);
        if candidates.is_empty() {
            return Err(AuthError::UnknownKey);
        }
        let validity = Validity { now_s: now_s(), max_life_s: self.max_life.as_secs() };
        candidates
            .into_iter()
            .find_map(|key| token.verify(key, validity))
            .ok_or(AuthError::Refused)
    }

    /// The keys a token may be signed with: those of its issuer, else the one of the key set that it names.
    fn candidates(&self, token: &Unverified<'_>) -> Vec<&Key> {
        if let Some(secret) = self.secrets.get(&token.issuer) {
            return vec![secret];
        }
        if let Some(keys) = self.trusted.get(&token.issuer) {
            return keys.iter().collect();
        }
        if self.set_issuer.as_ref().is_some_and(|issuer| *issuer != token.issuer) {
            return Vec::new();
        }
        let named = self.set.iter().filter(|(id, _)| Some(id) == token.key_id.as_ref());
        named.map(|(_, key)| key).collect()
    }

    /// Checks a token for joining a room.
    pub(crate) fn admit(&self, token: Option<&str>) -> Result<Admission, AuthError> {
        let claims = self.verify(token)?;
        if !claims.video.room_join {
            return Err(AuthError::NoJoin);
        }
        if !valid_room_name(&claims.video.room) {
            return Err(AuthError::NoRoom);
        }
        if !valid_identity(&claims.sub) {
            return Err(AuthError::NoIdentity);
        }
        let grants = Grants {
            permission: claims.video.permission(),
            kind: claims.participant_kind(),
            rights: claims.rights(),
            signed_at_s: claims.signed_at_s(),
            identity: claims.sub,
            name: claims.name,
            metadata: claims.metadata,
            attributes: claims.attributes,
        };
        let may_create = claims.video.room_create;
        Ok(Admission {
            key: claims.iss,
            room: claims.video.room,
            grants,
            room_config: claims.room_config,
            set_up: None,
            may_create,
        })
    }

    /// Signs a token for a room.
    pub(crate) fn sign(&self, room: &str, claims: &TokenClaims) -> Result<String, serde_json::Error> {
        let (key, secret) = &self.signer;
        let now_s = now_s();
        let claims = Claims {
            iss: key.clone(),
            nbf: Some(now_s),
            exp: Some(now_s + TOKEN_LIFE.as_secs()),
            ..Claims::renewed(room, claims)
        };
        jwt::sign(&claims, secret.as_bytes())
    }
}

/// Seconds since 1970, as tokens count.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
