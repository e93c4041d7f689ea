//! Who is let in, and by whose signature.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use livekit_protocol::participant_info;
use livekit_token::{AccessToken, VideoGrants};

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
        rights: first.grants.rights,
    };
    let second = keys().admit(Some(&keys().sign("math", &claims).unwrap())).unwrap();
    assert_eq!(second.grants.permission, first.grants.permission);
    assert_eq!(second.grants.attributes, claims.attributes);
    assert_eq!(second.grants.kind, participant_info::Kind::Agent);
    assert_eq!(second.room, "math");
}
