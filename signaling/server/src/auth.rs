//! Tokens: checked when somebody comes, signed for guests and for those who stay.
//!
//! The claims are LiveKit's; verification and signing are the crate `livekit-token`'s (HS256 only).

use std::time::Duration;

use livekit_protocol::{ParticipantPermission, TrackSource, participant_info};
use livekit_token::{AccessToken, AccessTokenError, Claims, TokenVerifier, VideoGrants};
use sluice_rooms::{Grants, TokenClaims, valid_identity, valid_room_name};

/// Tokens larger than this are not looked at: each costs a signature check.
const TOKEN_BYTES: usize = 8 * 1024;
/// Life of the tokens signed here. A client in a room gets a fresh one every 5 minutes.
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

/// A token that opens a room.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    /// Which room.
    pub(crate) room: String,
    /// Who, and what it may do there.
    pub(crate) grants: Grants,
    /// How the room shall be made if it is not there yet.
    pub(crate) room_config: Option<livekit_protocol::RoomConfiguration>,
}

/// What a token lets its bearer see of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pass {
    /// Which room.
    pub(crate) room: String,
    /// Who.
    pub(crate) identity: String,
    /// Whether it administrates the room, or is only in it.
    pub(crate) is_admin: bool,
}

/// The API keys of this server.
pub(crate) struct Keys(Vec<(String, String)>);

impl Keys {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    fn verify(&self, token: &str) -> Result<Claims, AuthError> {
        if token.len() > TOKEN_BYTES {
            return Err(AuthError::Malformed);
        }
        let issuer = Claims::from_unverified(token).map_err(|_| AuthError::Malformed)?.iss;
        let (key, secret) = self.0.iter().find(|(key, _)| *key == issuer).ok_or(AuthError::UnknownKey)?;
        TokenVerifier::with_api_key(key, secret).verify(token).map_err(|_| AuthError::Refused)
    }

    /// Checks a token for joining a room.
    pub(crate) fn admit(&self, token: Option<&str>) -> Result<Admission, AuthError> {
        let claims = self.verify(token.ok_or(AuthError::Missing)?)?;
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
            identity: claims.sub,
            name: claims.name,
            metadata: claims.metadata,
            attributes: claims.attributes,
            permission: permission(&claims.video),
            kind: kind(&claims.kind),
        };
        Ok(Admission { room: claims.video.room, grants, room_config: claims.room_config })
    }

    /// Checks a token for looking into a room: an administrator's (`roomAdmin`), or a participant's.
    pub(crate) fn pass(&self, token: Option<&str>) -> Result<Pass, AuthError> {
        let claims = self.verify(token.ok_or(AuthError::Missing)?)?;
        if !claims.video.room_admin && !claims.video.room_join {
            return Err(AuthError::NoJoin);
        }
        if !valid_room_name(&claims.video.room) {
            return Err(AuthError::NoRoom);
        }
        Ok(Pass { room: claims.video.room, identity: claims.sub, is_admin: claims.video.room_admin })
    }

    /// Signs a token for a room.
    pub(crate) fn sign(&self, room: &str, claims: &TokenClaims) -> Result<String, AccessTokenError> {
        let (key, secret) = self.0.first().ok_or(AccessTokenError::InvalidKeys)?;
        AccessToken::with_api_key(key, secret)
            .with_ttl(TOKEN_LIFE)
            .with_identity(&claims.identity)
            .with_name(&claims.name)
            .with_metadata(&claims.metadata)
            .with_attributes(&claims.attributes)
            .with_kind(kind_name(claims.kind))
            .with_grants(video_grants(room, &claims.permission))
            .to_jwt()
    }
}

#[expect(deprecated, reason = "old clients read `recorder` and `agent`")]
fn permission(video: &VideoGrants) -> ParticipantPermission {
    ParticipantPermission {
        can_subscribe: video.can_subscribe(),
        can_publish: video.can_publish(),
        can_publish_data: video.can_publish_data(),
        can_publish_sources: video.can_publish_sources.iter().map(|source| source_of(source) as i32).collect(),
        hidden: video.hidden,
        recorder: video.recorder,
        can_update_metadata: video.can_update_own_metadata(),
        agent: video.agent,
        ..Default::default()
    }
}

#[expect(deprecated, reason = "see `permission`")]
fn video_grants(room: &str, permission: &ParticipantPermission) -> VideoGrants {
    let sources = permission
        .can_publish_sources
        .iter()
        .filter_map(|source| TrackSource::try_from(*source).ok());
    VideoGrants {
        room_join: true,
        room: room.to_owned(),
        can_publish: Some(permission.can_publish),
        can_subscribe: Some(permission.can_subscribe),
        can_publish_data: Some(permission.can_publish_data),
        can_publish_sources: sources.map(|source| source.as_str_name().to_lowercase()).collect(),
        can_update_own_metadata: Some(permission.can_update_metadata),
        hidden: permission.hidden,
        recorder: permission.recorder,
        agent: permission.agent,
        ..Default::default()
    }
}

/// `screen_share` and the like; something else is a source nobody publishes from.
fn source_of(name: &str) -> TrackSource {
    TrackSource::from_str_name(&name.to_uppercase()).unwrap_or(TrackSource::Unknown)
}

fn kind(name: &str) -> participant_info::Kind {
    participant_info::Kind::from_str_name(&name.to_uppercase()).unwrap_or(participant_info::Kind::Standard)
}

fn kind_name(kind: participant_info::Kind) -> &'static str {
    match kind {
        // What a token says that says nothing.
        participant_info::Kind::Standard => "",
        participant_info::Kind::Ingress => "ingress",
        participant_info::Kind::Egress => "egress",
        participant_info::Kind::Sip => "sip",
        participant_info::Kind::Agent => "agent",
        participant_info::Kind::Connector => "connector",
        participant_info::Kind::Bridge => "bridge",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

    use super::*;

    fn keys() -> Keys {
        Keys::new(vec![("one".into(), "secret-one".into()), ("two".into(), "secret-two".into())])
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
    fn a_look_into_a_room_is_for_its_people_and_administrators() {
        let pass = |grants| keys().pass(Some(&token("one", "secret-one", grants)));
        let ada = Pass { room: "math".into(), identity: "ada".into(), is_admin: false };
        assert_eq!(pass(join()), Ok(ada.clone()));
        let admin = VideoGrants { room_admin: true, room: "math".into(), ..Default::default() };
        assert_eq!(pass(admin), Ok(Pass { is_admin: true, ..ada }));
        let nothing = VideoGrants { room: "math".into(), ..Default::default() };
        assert_eq!(pass(nothing), Err(AuthError::NoJoin));
        let nowhere = VideoGrants { room_admin: true, ..Default::default() };
        assert_eq!(pass(nowhere), Err(AuthError::NoRoom));
        assert_eq!(keys().pass(None), Err(AuthError::Missing));
        assert_eq!(keys().pass(Some(&token("one", "secret-two", join()))), Err(AuthError::Refused));
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
        };
        let second = keys().admit(Some(&keys().sign("math", &claims).unwrap())).unwrap();
        assert_eq!(second.grants.permission, first.grants.permission);
        assert_eq!(second.grants.attributes, claims.attributes);
        assert_eq!(second.grants.kind, participant_info::Kind::Agent);
        assert_eq!(second.room, "math");
    }
}
