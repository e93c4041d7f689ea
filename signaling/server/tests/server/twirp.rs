//! The server API as back ends use it: grants, forms, errors, and what it does to a room.

use livekit_protocol::{CreateRoomRequest, ListRoomsRequest, ListRoomsResponse, Room, signal_response as told};
use livekit_token::{AccessToken, VideoGrants};
use prost::Message;
use serde_json::{Value, json};
use sluice_server::ServerConfig;
use tokio::io::AsyncWriteExt;

use crate::fixture::{Answer, Fixture, join_request, wrap};

fn sign(grants: VideoGrants) -> String {
    AccessToken::with_api_key("devkey", "secret")
        .with_identity("back end")
        .with_grants(grants)
        .to_jwt()
        .unwrap()
}

fn creator() -> String {
    sign(VideoGrants { room_create: true, room_list: true, ..Default::default() })
}

fn admin(room: &str) -> String {
    sign(VideoGrants { room_admin: true, room: room.into(), ..Default::default() })
}

async fn call(server: &Fixture, token: &str, method: &str, body: Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let target = format!("/twirp/livekit.RoomService/{method}");
    server.request("POST", &target, &[("authorization", &bearer)], &body.to_string()).await
}

async fn good(server: &Fixture, token: &str, method: &str, body: Value) -> Value {
    let answer = call(server, token, method, body).await;
    assert_eq!(answer.status, 200, "{method}: {}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/json");
    answer.json()
}

async fn bad(server: &Fixture, token: &str, method: &str, body: Value) -> (u16, String) {
    let answer = call(server, token, method, body).await;
    let error = answer.json();
    assert!(error["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{}", answer.body);
    (answer.status, error["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_room_is_made_seen_and_ended() {
    let server = Fixture::start().await;
    let back_end = creator();
    let settings = json!({
        "name": "math", "empty_timeout": 60, "departureTimeout": 30, "maxParticipants": 2, "metadata": "lesson",
        "min_playout_delay": 100, "syncStreams": true, "futureField": { "a": [1] },
    });
    let room = good(&server, &back_end, "CreateRoom", settings).await;
    assert!(room["sid"].as_str().unwrap().starts_with("RM_"));
    assert_eq!((&room["name"], &room["metadata"]), (&json!("math"), &json!("lesson")));
    assert_eq!(
        (&room["emptyTimeout"], &room["departureTimeout"], &room["maxParticipants"]),
        (&json!(60), &json!(30), &json!(2))
    );
    assert!(room["creationTime"].as_str().is_some(), "64 bits are text in proto3 JSON");

    let again = good(&server, &back_end, "CreateRoom", json!({ "name": "math", "metadata": "lesson 2" })).await;
    assert_eq!(
        (&again["sid"], &again["metadata"], &again["maxParticipants"]),
        (&room["sid"], &json!("lesson 2"), &json!(2))
    );

    good(&server, &back_end, "CreateRoom", json!({ "name": "physics" })).await;
    let listed = good(&server, &back_end, "ListRooms", json!({})).await;
    assert_eq!(listed["rooms"].as_array().unwrap().len(), 2);
    let listed = good(&server, &back_end, "ListRooms", json!({ "names": ["physics", "nowhere"] })).await;
    assert_eq!(listed["rooms"][0]["name"], "physics");

    let mut ada = server.join("math", "ada").await;
    good(&server, &back_end, "DeleteRoom", json!({ "room": "math" })).await;
    let leave = ada.wait(|message| if let told::Message::Leave(leave) = message { Some(leave.clone()) } else { None });
    assert_eq!(leave.await.reason(), livekit_protocol::DisconnectReason::RoomDeleted);
    assert_eq!(bad(&server, &back_end, "DeleteRoom", json!({ "room": "math" })).await, (404, "not_found".into()));
    for _ in 0..20 {
        let anew = good(&server, &back_end, "CreateRoom", json!({ "name": "math" })).await;
        assert_ne!(anew["sid"], room["sid"]);
        good(&server, &back_end, "DeleteRoom", json!({ "room": "math" })).await;
    }
}

#[tokio::test]
async fn people_are_seen_changed_and_sent_away() {
    let server = Fixture::start().await;
    let host = admin("math");
    let (mut ada, mut bob) = (server.join("math", "ada").await, server.join("math", "bob").await);
    let people = good(&server, &host, "ListParticipants", json!({ "room": "math" })).await;
    assert_eq!(people["participants"].as_array().unwrap().len(), 2);
    let change = json!({
        "room": "math", "identity": "ada", "name": "Ada", "metadata": "m", "attributes": { "hand": "up" },
        "permission": { "canSubscribe": true, "can_publish": false },
    });
    let changed = good(&server, &host, "UpdateParticipant", change).await;
    assert_eq!((&changed["name"], &changed["attributes"]["hand"]), (&json!("Ada"), &json!("up")));
    let seen = bob.update(|info| info.identity == "ada" && info.name == "Ada").await;
    assert!(!seen.permission.unwrap().can_publish);
    let looked = good(&server, &host, "GetParticipant", json!({ "room": "math", "identity": "ada" })).await;
    assert_eq!(looked["metadata"], "m");

    good(&server, &host, "UpdateRoomMetadata", json!({ "room": "math", "metadata": "break" })).await;
    bob.wait(|message| match message {
        told::Message::RoomUpdate(update) => (update.room.as_ref()?.metadata == "break").then_some(()),
        _ => None,
    })
    .await;

    good(&server, &host, "SendData", json!({ "room": "math", "data": "aGVsbG8=", "kind": "LOSSY" })).await;
    let update = json!({ "room": "math", "identity": "bob", "trackSids": ["TR_1"], "subscribe": false });
    good(&server, &host, "UpdateSubscriptions", update).await;
    let nobody = json!({ "room": "math", "identity": "eve" });
    for (method, body) in [
        ("GetParticipant", nobody.clone()),
        ("RemoveParticipant", nobody.clone()),
        ("UpdateParticipant", nobody.clone()),
        ("UpdateSubscriptions", nobody),
        ("PerformRpc", json!({ "room": "math", "destinationIdentity": "eve", "method": "m" })),
        ("MutePublishedTrack", json!({ "room": "math", "identity": "ada", "trackSid": "TR_1", "muted": true })),
    ] {
        assert_eq!(bad(&server, &host, method, body).await, (404, "not_found".into()), "{method}");
    }

    let old = crate::fixture::token("math", "ada");
    good(&server, &host, "RemoveParticipant", json!({ "room": "math", "identity": "ada" })).await;
    let leave = ada.wait(|message| if let told::Message::Leave(leave) = message { Some(leave.clone()) } else { None });
    assert_eq!(leave.await.reason(), livekit_protocol::DisconnectReason::ParticipantRemoved);
    let target = format!("/rtc/v1?join_request={}", wrap(&join_request()));
    let mut back = server.open(server.stream().await, &target, Some(&old)).await.unwrap();
    assert!(matches!(back.next().await, told::Message::Leave(_)), "the token it had does not bring it back");
}

#[tokio::test]
async fn since_when_tokens_count_is_said_in_seconds_or_milliseconds() {
    let server = Fixture::start().await;
    let host = admin("math");
    let now_s = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for (since, comes_back) in [(now_s - 3600, true), ((now_s - 3600) * 1000, true), ((now_s + 60) * 1000, false)] {
        server.join("math", "ada").await;
        let removal = json!({ "room": "math", "identity": "ada", "revokeTokenTs": since.to_string() });
        good(&server, &host, "RemoveParticipant", removal).await;
        let target = format!("/rtc/v1?join_request={}", wrap(&join_request()));
        let token = crate::fixture::token("math", "ada");
        let mut back = server.open(server.stream().await, &target, Some(&token)).await.unwrap();
        assert_eq!(matches!(back.next().await, told::Message::Join(_)), comes_back, "{since}");
    }
}

#[tokio::test]
async fn each_method_wants_its_grant() {
    let server = Fixture::start().await;
    let _ada = server.join("math", "ada").await;
    let everything_else = sign(VideoGrants {
        room_list: true,
        room_record: true,
        room_admin: true,
        room: "other".into(),
        destination_room: "physics".into(),
        ..Default::default()
    });
    let room = json!({ "room": "math", "identity": "ada", "name": "math", "destinationRoom": "physics",
        "destinationIdentity": "ada", "method": "m" });
    let of_room = [
        "ListParticipants",
        "GetParticipant",
        "RemoveParticipant",
        "MutePublishedTrack",
        "UpdateParticipant",
        "UpdateSubscriptions",
        "SendData",
        "UpdateRoomMetadata",
        "MoveParticipant",
        "ForwardParticipant",
        "PerformRpc",
    ];
    let denied = (401, "unauthenticated".to_owned());
    // A host's token has roomRecord, too: it is for the room it hosts, and for the native API.
    let host = VideoGrants { room_join: true, room_record: true, room: "math".into(), ..Default::default() };
    for method in ["ListEgress", "StopEgress", "StartRoomCompositeEgress", "UpdateStream", "UpdateLayout"] {
        let target = format!("/twirp/livekit.Egress/{method}");
        let answer =
            crate::control::ask(&server, "POST", &target, &sign(host.clone()), json!({ "room_name": "other" })).await;
        assert_eq!((answer.status, answer.json()["code"].as_str().unwrap()), (401, "unauthenticated"), "{method}");
    }
    for method in of_room.into_iter().chain(["CreateRoom", "DeleteRoom"]) {
        assert_eq!(bad(&server, &everything_else, method, room.clone()).await, denied, "{method}");
    }
    assert_eq!(bad(&server, &admin("math"), "ListRooms", json!({})).await, denied);
    for method in ["MoveParticipant", "ForwardParticipant"] {
        assert_eq!(bad(&server, &admin("math"), method, room.clone()).await, denied, "the other room is not named");
    }
    let guest = crate::fixture::token("math", "ada");
    assert_eq!(bad(&server, &guest, "ListParticipants", room.clone()).await, denied);
    let stranger = AccessToken::with_api_key("devkey", "guessed")
        .with_grants(VideoGrants { room_create: true, ..Default::default() })
        .to_jwt()
        .unwrap();
    for token in ["", "x.y.z", stranger.as_str()] {
        assert_eq!(bad(&server, token, "CreateRoom", room.clone()).await, (401, "unauthenticated".into()));
    }
    let in_query = format!("/twirp/livekit.RoomService/ListRooms?access_token={}", creator());
    assert_eq!(server.request("POST", &in_query, &[], "{}").await.status, 401, "what is in a URL ends up in logs");
}

#[tokio::test]
async fn protobuf_is_answered_with_protobuf() {
    let server = Fixture::start().await;
    let ask = async |method: &str, body: Vec<u8>| {
        let mut stream = server.stream().await;
        let head = format!(
            "POST /twirp/livekit.RoomService/{method} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             content-type: application/protobuf\r\ncontent-length: {}\r\n\r\n",
            creator(),
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await.unwrap();
        let split = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        (String::from_utf8_lossy(&answer[..split]).into_owned(), answer[split + 4..].to_vec())
    };
    let request = CreateRoomRequest { name: "math".into(), max_participants: 3, ..Default::default() };
    let (head, body) = ask("CreateRoom", request.encode_to_vec()).await;
    assert!(head.contains("content-type: application/protobuf"), "{head}");
    assert_eq!(Room::decode(&body[..]).unwrap().max_participants, 3);
    let (_, body) = ask("ListRooms", ListRoomsRequest::default().encode_to_vec()).await;
    assert_eq!(ListRoomsResponse::decode(&body[..]).unwrap().rooms.len(), 1);
    let (head, body) = ask("ListRooms", b"\xff\xff".to_vec()).await;
    assert!(head.starts_with("HTTP/1.1 400") && head.contains("application/json"), "{head}");
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["code"], "malformed");
}

#[tokio::test]
async fn what_is_no_call_is_told_so() {
    let server = Fixture::start().await;
    let back_end = creator();
    let bearer = format!("Bearer {back_end}");
    let method = |name: &str| format!("/twirp/livekit.RoomService/{name}");
    let auth = [("authorization", bearer.as_str())];
    for (verb, target) in [
        ("GET", method("ListRooms")),
        ("POST", method("Rooms")),
        ("POST", "/twirp/livekit.SIP/CreateSIPTrunk".into()),
        ("POST", "/twirp/x".into()),
    ] {
        let answer = server.request(verb, &target, &auth, "{}").await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (404, Some("bad_route")), "{target}");
    }
    for body in ["[", "{\"names\":3}", "null x", &"[".repeat(20_000), "{\"names\":[\"\\ud800\"]}"] {
        let answer = server.request("POST", &method("ListRooms"), &auth, body).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("malformed")), "{body:.20}");
    }
    let answer = server.request("POST", &method("ListRooms"), &auth, "").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (415, Some("bad_route")));
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20));
    let answer = server.request("POST", &method("CreateRoom"), &auth, &huge).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("resource_exhausted")));
    for name in ["", "a\nb", &"x".repeat(257)] {
        let refused = bad(&server, &back_end, "CreateRoom", json!({ "name": name })).await;
        assert_eq!(refused, (400, "invalid_argument".into()));
    }
    let elsewhere = bad(&server, &back_end, "CreateRoom", json!({ "name": "math", "nodeId": "ND_other" })).await;
    assert_eq!(elsewhere, (412, "failed_precondition".into()));
    let none = good(&server, &admin("nowhere"), "ListParticipants", json!({ "room": "nowhere" })).await;
    assert_eq!(none, json!({}), "nobody is in a room that is not open");
    let update = json!({ "room": "nowhere", "metadata": "m" });
    let refused = bad(&server, &admin("nowhere"), "UpdateRoomMetadata", update).await;
    assert_eq!(refused, (404, "not_found".into()));
}

#[tokio::test]
async fn rooms_may_be_the_back_ends_to_make() {
    let mut config = ServerConfig::development();
    config.rooms.auto_create = false;
    let server = Fixture::with(config).await;
    let token = crate::fixture::token("math", "ada");
    let request = wrap(&join_request());
    for door in ["/rtc", "/rtc/v1"] {
        let answer = server.get(&format!("{door}/validate?access_token={token}&join_request={request}")).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, "requested room does not exist"));
        let target = format!("{door}?join_request={request}");
        assert_eq!(server.open(server.stream().await, &target, Some(&token)).await.err(), Some(404));
    }
    good(&server, &creator(), "CreateRoom", json!({ "name": "math" })).await;
    assert!(server.join("math", "ada").await.sid.starts_with("PA_"));

    let grants = VideoGrants { room_join: true, room_create: true, room: "physics".into(), ..Default::default() };
    let target = format!("/rtc/v1?join_request={request}");
    let mut bob = server.open(server.stream().await, &target, Some(&sign(grants))).await.unwrap();
    assert!(matches!(bob.next().await, told::Message::Join(_)), "roomCreate makes the room by joining");
}

#[tokio::test]
async fn a_token_says_how_its_room_is_made() {
    let server = Fixture::start().await;
    let config = livekit_protocol::RoomConfiguration {
        max_participants: 1,
        departure_timeout: 40,
        metadata: "from the token".into(),
        ..Default::default()
    };
    let token = AccessToken::with_api_key("devkey", "secret")
        .with_identity("ada")
        .with_grants(VideoGrants { room_join: true, room: "math".into(), ..Default::default() })
        .with_room_config(config)
        .to_jwt()
        .unwrap();
    let target = format!("/rtc/v1?join_request={}", wrap(&join_request()));
    let mut ada = server.open(server.stream().await, &target, Some(&token)).await.unwrap();
    let room = ada.joined().await.room.unwrap();
    assert_eq!((room.max_participants, room.departure_timeout, room.metadata.as_str()), (1, 40, "from the token"));
    let mut bob = server
        .open(server.stream().await, &target, Some(&crate::fixture::token("math", "bob")))
        .await
        .unwrap();
    assert!(matches!(bob.next().await, told::Message::Leave(_)), "the bound holds");
}

#[tokio::test]
async fn somebody_is_moved_and_joins_there_with_the_token_it_was_given() {
    let server = Fixture::start().await;
    let (mut ada, mut bob) = (server.join("math", "ada").await, server.join("math", "bob").await);
    let _eve = server.join("physics", "eve").await;
    let mover = sign(VideoGrants {
        room_admin: true,
        room: "math".into(),
        destination_room: "physics".into(),
        ..Default::default()
    });
    let ask = |identity: &str| json!({ "room": "math", "identity": identity, "destinationRoom": "physics" });
    assert_eq!(bad(&server, &mover, "MoveParticipant", ask("nobody")).await, (404, "not_found".into()));
    good(&server, &mover, "MoveParticipant", ask("ada")).await;
    let moved =
        ada.wait(|message| if let told::Message::RoomMoved(moved) = message { Some(moved.clone()) } else { None });
    let moved = moved.await;
    assert_eq!(moved.room.unwrap().name, "physics");
    assert_eq!(moved.other_participants[0].identity, "eve");
    let leave = ada.wait(|message| if let told::Message::Leave(leave) = message { Some(leave.clone()) } else { None });
    assert_eq!(leave.await.action(), livekit_protocol::leave_request::Action::Reconnect);
    bob.update(|info| {
        info.identity == "ada" && info.state() == livekit_protocol::participant_info::State::Disconnected
    })
    .await;
    let target = format!("/rtc/v1?join_request={}", wrap(&join_request()));
    let mut ada = server.open(server.stream().await, &target, Some(&moved.token)).await.unwrap();
    let join = ada.joined().await;
    assert_eq!((join.room.unwrap().name.as_str(), join.participant.unwrap().identity.as_str()), ("physics", "ada"));
}

#[tokio::test]
async fn somebody_is_forwarded_and_stays() {
    let server = Fixture::start().await;
    let (mut ada, mut eve) = (server.join("math", "ada").await, server.join("physics", "eve").await);
    let token = |room: &str, destination: &str| {
        let (room, destination_room) = (room.into(), destination.into());
        sign(VideoGrants { room_admin: true, room, destination_room, ..Default::default() })
    };
    let back_end = token("math", "physics");
    let ask = |identity: &str| json!({ "room": "math", "identity": identity, "destinationRoom": "physics" });
    let forward = async |identity: &str| good(&server, &back_end, "ForwardParticipant", ask(identity)).await;
    assert_eq!(bad(&server, &back_end, "ForwardParticipant", ask("nobody")).await, (404, "not_found".into()));
    let itself = json!({ "room": "math", "identity": "ada", "destinationRoom": "math" });
    let refused = bad(&server, &token("math", "math"), "ForwardParticipant", itself).await;
    assert_eq!(refused, (400, "invalid_argument".into()));

    forward("ada").await;
    let seen = eve.update(|info| info.identity == "ada").await;
    assert_eq!(seen.kind_details, [livekit_protocol::participant_info::KindDetail::Forwarded as i32]);
    assert_ne!(seen.sid, ada.sid);
    // Asked again, nothing changes.
    forward("ada").await;
    let people = good(&server, &admin("physics"), "ListParticipants", json!({ "room": "physics" })).await;
    assert_eq!(people["participants"].as_array().unwrap().len(), 2);
    // Its name follows; what it is, is decided at home.
    let named = json!({ "room": "math", "identity": "ada", "name": "Ada" });
    good(&server, &admin("math"), "UpdateParticipant", named).await;
    eve.update(|info| info.identity == "ada" && info.name == "Ada").await;
    let named = json!({ "room": "physics", "identity": "ada", "name": "Nobody" });
    let refused = bad(&server, &admin("physics"), "UpdateParticipant", named).await;
    assert_eq!(refused, (412, "failed_precondition".into()));

    // Sent away there it is at home all the same, and may be forwarded again.
    let gone = |info: &livekit_protocol::ParticipantInfo| {
        info.identity == "ada" && info.state() == livekit_protocol::participant_info::State::Disconnected
    };
    let removal = json!({ "room": "physics", "identity": "ada" });
    good(&server, &admin("physics"), "RemoveParticipant", removal).await;
    eve.update(gone).await;
    let people = good(&server, &admin("math"), "ListParticipants", json!({ "room": "math" })).await;
    assert_eq!(people["participants"].as_array().unwrap().len(), 1);
    // Its own room hears of it a moment later; until then it says that it is there.
    let mut is_back = false;
    for _ in 0..200 {
        forward("ada").await;
        let people = good(&server, &admin("physics"), "ListParticipants", json!({ "room": "physics" })).await;
        is_back = people["participants"].as_array().unwrap().len() == 2;
        if is_back {
            break;
        }
    }
    assert!(is_back);

    // Who has that identity there already is not replaced.
    let _bob = (server.join("math", "bob").await, server.join("physics", "bob").await);
    assert_eq!(bad(&server, &back_end, "ForwardParticipant", ask("bob")).await, (412, "failed_precondition".into()));

    // It leaves there with its own room.
    good(&server, &creator(), "DeleteRoom", json!({ "room": "math" })).await;
    eve.update(gone).await;
    ada.wait(|message| if let told::Message::Leave(_) = message { Some(()) } else { None })
        .await;
}

/// Each room shows the other's people, and neither waits for the other.
#[tokio::test]
async fn two_rooms_forward_to_each_other() {
    let server = Fixture::start().await;
    let (_ada, mut eve) = (server.join("math", "ada").await, server.join("physics", "eve").await);
    for (from, to, who) in [("math", "physics", "ada"), ("physics", "math", "eve")] {
        let (room, destination_room) = (from.into(), to.into());
        let token = sign(VideoGrants { room_admin: true, room, destination_room, ..Default::default() });
        let ask = json!({ "room": from, "identity": who, "destinationRoom": to });
        good(&server, &token, "ForwardParticipant", ask).await;
    }
    // A guest is not forwarded on.
    let (room, destination_room) = ("physics".into(), "chemistry".into());
    let token = sign(VideoGrants { room_admin: true, room, destination_room, ..Default::default() });
    let ask = json!({ "room": "physics", "identity": "ada", "destinationRoom": "chemistry" });
    assert_eq!(bad(&server, &token, "ForwardParticipant", ask).await, (412, "failed_precondition".into()));
    for room in ["math", "physics"] {
        let people = good(&server, &admin(room), "ListParticipants", json!({ "room": room })).await;
        assert_eq!(people["participants"].as_array().unwrap().len(), 2);
    }
    good(&server, &creator(), "DeleteRoom", json!({ "room": "math" })).await;
    eve.update(|info| {
        info.identity == "ada" && info.state() == livekit_protocol::participant_info::State::Disconnected
    })
    .await;
    let people = good(&server, &admin("physics"), "ListParticipants", json!({ "room": "physics" })).await;
    assert_eq!(people["participants"].as_array().unwrap().len(), 1);
}
