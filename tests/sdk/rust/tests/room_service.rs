//! The server API by LiveKit's own crate for back ends, `livekit-api`, unmodified.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use livekit_api::services::room::{
    CreateRoomOptions, RemoveParticipantOptions, RoomClient, SendDataOptions, UpdateParticipantOptions,
};
use livekit_api::services::{ServerError, ServiceError};
use livekit_protocol::ParticipantPermission;
use serde_json::Value;
use sluice_sdk_tests::{Person, Server};

fn back_end(server: &Server, secret: &str) -> RoomClient {
    RoomClient::with_api_key(&server.url(), "devkey", secret)
}

fn code<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> String {
    match result {
        Err(ServiceError::Twirp(ServerError::Twirp(error))) => error.code,
        other => panic!("an error of the server was expected, not {other:?}"),
    }
}

async fn farewell(person: &mut Person) -> Value {
    person.hears("leave").await.unwrap()["reason"].take()
}

/// Waits until somebody is seen as expected.
async fn sees(person: &mut Person, identity: &str, is_so: impl Fn(&Value) -> bool) {
    loop {
        let update = person.hears("update").await.unwrap();
        let people = update["participants"].as_array().unwrap();
        if people.iter().any(|info| info["identity"] == identity && is_so(info)) {
            return;
        }
    }
}

#[tokio::test]
async fn rooms_are_made_listed_and_ended() {
    let mut server = Server::start().await.unwrap();
    let rooms = back_end(&server, "secret");
    let options = CreateRoomOptions {
        empty_timeout: 60,
        departure_timeout: 40,
        max_participants: 2,
        metadata: "lesson".into(),
        ..Default::default()
    };
    let made = rooms.create_room("math", options).await.unwrap();
    assert_eq!((made.empty_timeout, made.departure_timeout, made.max_participants), (60, 40, 2));

    let mut ada = server.join("math", "ada").await.unwrap();
    let listed = rooms.list_rooms(vec!["math".into()]).await.unwrap();
    assert_eq!((listed[0].sid.as_str(), listed[0].num_participants), (made.sid.as_str(), 1));
    assert_eq!(rooms.update_room_metadata("math", "break").await.unwrap().metadata, "break");
    assert_eq!(ada.hears("roomUpdate").await.unwrap()["room"]["metadata"], "break");

    rooms.delete_room("math").await.unwrap();
    assert_eq!(farewell(&mut ada).await, "ROOM_DELETED");
    assert!(rooms.list_rooms(Vec::new()).await.unwrap().is_empty());
    let elsewhere = CreateRoomOptions { node_id: "ND_elsewhere".into(), ..Default::default() };
    assert_eq!(code(rooms.create_room("math", elsewhere).await), "failed_precondition");
    assert!(server.is_running().unwrap());
}

#[tokio::test]
async fn people_are_changed_and_sent_away() {
    let server = Server::start().await.unwrap();
    let rooms = back_end(&server, "secret");
    let (_ada, mut bob) = (server.join("math", "ada").await.unwrap(), server.join("math", "bob").await.unwrap());
    assert_eq!(rooms.list_participants("math").await.unwrap().len(), 2);

    let options = UpdateParticipantOptions {
        name: "Ada".into(),
        permission: Some(ParticipantPermission { can_subscribe: true, ..Default::default() }),
        ..Default::default()
    };
    let changed = rooms.update_participant("math", "ada", options).await.unwrap();
    assert!(changed.name == "Ada" && !changed.permission.unwrap().can_publish);
    sees(&mut bob, "ada", |info| info["name"] == "Ada").await;
    assert_eq!(rooms.get_participant("math", "bob").await.unwrap().identity, "bob");

    rooms.send_data("math", b"hello".to_vec(), SendDataOptions::default()).await.unwrap();
    rooms.update_subscriptions("math", "bob", vec!["TR_none".into()], false).await.unwrap();
    assert_eq!(code(rooms.mute_published_track("math", "bob", "TR_none", true).await), "not_found");

    rooms.remove_participant("math", "bob").await.unwrap();
    assert_eq!(farewell(&mut bob).await, "PARTICIPANT_REMOVED");
    assert_eq!(code(rooms.get_participant("math", "bob").await), "not_found");
}

#[tokio::test]
async fn somebody_is_moved_with_what_it_may() {
    let server = Server::start().await.unwrap();
    let rooms = back_end(&server, "secret");
    let mut ada = server.join("math", "ada").await.unwrap();
    let permission = Some(ParticipantPermission { can_subscribe: true, ..Default::default() });
    let options = UpdateParticipantOptions { permission, ..Default::default() };
    rooms.update_participant("math", "ada", options).await.unwrap();
    // A room to move to is there already.
    let _bob = server.join("physics", "bob").await.unwrap();

    rooms.move_participant("math", "ada", "physics").await.unwrap();

    let moved = ada.hears("roomMoved").await.unwrap();
    assert_eq!(moved["room"]["name"], "physics");
    let _ada = server.enter(moved["token"].as_str().unwrap()).await.unwrap();
    let there = rooms.get_participant("physics", "ada").await.unwrap();
    assert!(!there.permission.unwrap().can_publish, "no more than before");
}

#[tokio::test]
async fn tokens_are_revoked_by_this_crates_milliseconds() {
    let server = Server::start().await.unwrap();
    let rooms = back_end(&server, "secret");
    let mut bob = server.join("math", "bob").await.unwrap();
    let mut eve = server.join("math", "eve").await.unwrap();
    let now_ms = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();

    // The protocol means the seconds of `nbf`: both are understood.
    let future = RemoveParticipantOptions { revoke_token_ts: now_ms + 60_000 };
    rooms.remove_participant_with_options("math", "bob", future).await.unwrap();
    assert_eq!(farewell(&mut bob).await, "PARTICIPANT_REMOVED");
    assert!(server.join("math", "bob").await.is_err(), "its token is older than that");

    let past = RemoveParticipantOptions { revoke_token_ts: now_ms - 3_600_000 };
    rooms.remove_participant_with_options("math", "eve", past).await.unwrap();
    assert_eq!(farewell(&mut eve).await, "PARTICIPANT_REMOVED");
    server.join("math", "eve").await.unwrap();
}

#[tokio::test]
async fn who_guesses_the_secret_is_told_so() {
    let server = Server::start().await.unwrap();
    assert_eq!(code(back_end(&server, "guessed").list_rooms(Vec::new()).await), "unauthenticated");
    assert_eq!(code(back_end(&server, "secret").delete_room("nowhere").await), "not_found");
}
