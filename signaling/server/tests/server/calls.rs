//! Clients of both signal protocols, in rooms.

use livekit_protocol::{
    AddTrackRequest, DisconnectReason, JoinRequest, LeaveRequest, Ping, SessionDescription, TrackSource, TrackType,
    UpdateParticipantMetadata, leave_request, participant_info, signal_request as ask, signal_response as told,
};
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::fixture::{Fixture, join_request, token, within, wrap};

/// What a browser offers for data channels only.
const OFFER: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
a=msid-semantic: WMS\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle\r\na=fingerprint:sha-256 \
19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2\r\na=setup:actpass\r\n\
a=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n";

fn leave(message: &told::Message) -> Option<LeaveRequest> {
    match message {
        told::Message::Leave(leave) => Some(leave.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn both_protocols_join_and_see_each_other() {
    let server = Fixture::start().await;
    let mut ada = server.join("math", "ada").await;

    // v0, as JavaScript does it: the token in the query, and a doubled slash.
    let target = format!("//rtc?access_token={}&protocol=16&auto_subscribe=1&sdk=js", token("math", "bob"));
    let mut bob = server.open(server.stream().await, &target, None).await.unwrap();
    let join = bob.joined().await;
    assert!(join.subscriber_primary);
    assert_eq!(join.other_participants[0].identity, "ada");
    let version = join.server_info.unwrap().version;
    assert!(version.starts_with("1.9.0") && version.ends_with(env!("CARGO_PKG_VERSION")), "SDKs compare it: {version}");
    let offer = bob
        .wait(|m| match m {
            told::Message::Offer(offer) => Some(offer.clone()),
            _ => None,
        })
        .await;
    assert!(offer.id > 0 && offer.sdp.contains("m=application"), "the v0 server offers first");

    let seen = ada.update(|info| info.identity == "bob").await;
    assert_eq!(seen.state(), participant_info::State::Joined);
    bob.send(ask::Message::Leave(LeaveRequest::default())).await;
    assert!(bob.closed().await.is_some());
    let gone = ada
        .update(|info| info.identity == "bob" && info.state() == participant_info::State::Disconnected)
        .await;
    assert_eq!(gone.disconnect_reason(), DisconnectReason::ClientInitiated);
    assert_eq!(server.metric("sluice_joins_total", "joined").await, 2.0);
    server.counts("sluice_participants", "", 1.0).await;
}

#[tokio::test]
async fn an_offer_in_the_join_request_is_answered() {
    let server = Fixture::start().await;
    let offer = SessionDescription { r#type: "offer".into(), sdp: OFFER.into(), id: 5, ..Default::default() };
    let announced = AddTrackRequest {
        cid: "mic".into(),
        r#type: TrackType::Audio as i32,
        source: TrackSource::Microphone as i32,
        ..Default::default()
    };
    let request = JoinRequest { publisher_offer: Some(offer), add_track_requests: vec![announced], ..join_request() };
    let mut ada = server.join_with("math", "ada", request).await;
    let published = ada
        .wait(|m| match m {
            told::Message::TrackPublished(p) => Some(p.clone()),
            _ => None,
        })
        .await;
    assert_eq!((published.cid.as_str(), &published.track.unwrap().sid[..5]), ("mic", "TR_AM"));
    let answer = ada
        .wait(|m| match m {
            told::Message::Answer(answer) => Some(answer.clone()),
            _ => None,
        })
        .await;
    assert_eq!((answer.id, answer.r#type.as_str()), (5, "answer"));
    assert!(answer.sdp.starts_with("v=0") && answer.sdp.contains("a=ice-lite"));
    let refresh = ada
        .wait(|m| match m {
            told::Message::RefreshToken(token) => Some(token.clone()),
            _ => None,
        })
        .await;
    let validated = server.get(&format!("/rtc/validate?access_token={refresh}")).await;
    assert_eq!((validated.status, validated.body.as_str()), (200, "success"));
}

#[tokio::test]
async fn json_is_answered_with_json() {
    let server = Fixture::start().await;
    let mut ada = server.join("math", "ada").await;
    ada.send_json(ask::Message::PingReq(Ping { timestamp: 7, rtt: 0 })).await;
    loop {
        match ada.frame().await.unwrap() {
            Frame::Text(text) => {
                assert!(text.contains("pongResp"), "{text}");
                break;
            }
            Frame::Binary(_) => {}
            other => panic!("{other:?}"),
        }
    }
    ada.send(ask::Message::Ping(1)).await;
    loop {
        if let Frame::Binary(_) = ada.frame().await.unwrap() {
            break;
        }
    }
}

#[tokio::test]
async fn metadata_travels() {
    let server = Fixture::start().await;
    let (mut ada, mut bob) = (server.join("math", "ada").await, server.join("math", "bob").await);
    let update = UpdateParticipantMetadata {
        metadata: "here".into(),
        attributes: [("hand".to_owned(), "up".to_owned())].into(),
        request_id: 3,
        ..Default::default()
    };
    ada.send(ask::Message::UpdateMetadata(update)).await;
    assert_eq!(bob.update(|info| info.metadata == "here").await.attributes["hand"], "up");
    let answer = ada
        .wait(|m| match m {
            told::Message::RequestResponse(r) => Some(r.clone()),
            _ => None,
        })
        .await;
    assert_eq!((answer.request_id, answer.reason), (3, 0));
}

#[tokio::test]
async fn a_broken_connection_is_resumed() {
    let server = Fixture::start().await;
    let (mut ada, bob) = (server.join("math", "ada").await, server.join("math", "bob").await);
    let sid = bob.sid.clone();
    drop(bob);
    let request = JoinRequest { reconnect: true, participant_sid: sid.clone(), ..join_request() };
    let target = format!("/rtc/v1?join_request={}", wrap(&request));
    let mut bob = server.open(server.stream().await, &target, Some(&token("math", "bob"))).await.unwrap();
    assert!(matches!(bob.next().await, told::Message::Reconnect(_)));
    bob.update(|info| info.identity == "ada").await;
    bob.send(ask::Message::UpdateMetadata(UpdateParticipantMetadata { name: "Bob".into(), ..Default::default() }))
        .await;
    assert_eq!(ada.update(|info| info.name == "Bob").await.sid, sid, "the same session");

    // Somebody else's session, and a room that is not there.
    for (room, identity) in [("math", "ada"), ("physics", "bob")] {
        let mut thief = server.open(server.stream().await, &target, Some(&token(room, identity))).await.unwrap();
        let told::Message::Leave(leave) = thief.next().await else { panic!("refused with leave") };
        assert_eq!(
            (leave.reason(), leave.action()),
            (DisconnectReason::StateMismatch, leave_request::Action::Reconnect)
        );
        assert!(thief.closed().await.is_some());
    }
}

#[tokio::test]
async fn a_second_bearer_of_an_identity_replaces_the_first() {
    let server = Fixture::start().await;
    let mut first = server.join("math", "ada").await;
    let _second = server.join("math", "ada").await;
    let told = first.wait(leave).await;
    assert_eq!(
        (told.reason(), told.action()),
        (DisconnectReason::DuplicateIdentity, leave_request::Action::Disconnect)
    );
    assert!(first.closed().await.is_some());
}

#[tokio::test]
async fn a_stopping_server_says_goodbye_and_closes() {
    let mut server = Fixture::start().await;
    let (mut ada, mut bob) = (server.join("math", "ada").await, server.join("physics", "bob").await);
    server.stop();
    for client in [&mut ada, &mut bob] {
        let told = client.wait(leave).await;
        assert_eq!(told.reason(), DisconnectReason::ServerShutdown);
        assert_eq!(told.action(), leave_request::Action::Reconnect);
        assert!(client.closed().await.is_some());
    }
    within(&mut server.task).await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_room_ends_when_it_stays_empty_and_begins_anew() {
    let mut config = sluice_server::ServerConfig::development();
    config.rooms.departure_timeout = std::time::Duration::from_millis(200);
    let server = Fixture::with(config).await;
    let mut ada = server.join("math", "ada").await;
    ada.send(ask::Message::Leave(LeaveRequest::default())).await;
    ada.closed().await;
    within(async {
        while server.get("/api/rooms/math").await.status != 404 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    server.counts("sluice_rooms", "", 0.0).await;
    let again = server.join("math", "ada").await;
    assert_ne!(again.sid, ada.sid);
}

/// People of one room on three media workers: each worker answers its own, and what people say of themselves goes to all.
#[tokio::test]
async fn a_room_on_several_workers_is_one_room() {
    let server = Fixture::spanning(3).await;
    let mut people = Vec::new();
    for (id, name) in (1..).zip(["ada", "bob", "eve", "dan"]) {
        let offer = SessionDescription { r#type: "offer".into(), sdp: OFFER.into(), id, ..Default::default() };
        let request = JoinRequest { publisher_offer: Some(offer), ..join_request() };
        people.push(server.join_with("math", name, request).await);
    }
    for (id, person) in (1..).zip(&mut people) {
        let answer = person
            .wait(|m| match m {
                told::Message::Answer(answer) => Some(answer.clone()),
                _ => None,
            })
            .await;
        assert_eq!(answer.id, id);
        assert!(answer.sdp.contains("a=candidate:"));
    }
    let [ada, .., dan] = &mut people[..] else { unreachable!() };
    ada.update(|info| info.identity == "dan").await;
    dan.send(ask::Message::Leave(LeaveRequest::default())).await;
    ada.update(|info| info.identity == "dan" && info.state() == participant_info::State::Disconnected)
        .await;
    server.counts("sluice_participants", "", 3.0).await;
}
