//! Clients that are wrong, slow, noisy or worse. Rows of shared knowledge about hostile input: S and A.

use futures_util::SinkExt;
use livekit_protocol::{Ping, UpdateParticipantMetadata, signal_request as ask, signal_response as told};
use livekit_token::{AccessToken, VideoGrants};
use sluice_server::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::fixture::{Fixture, join_request, token, within, wrap};

#[tokio::test]
async fn bad_tokens_are_told_so_where_scripts_can_read_it() {
    let server = Fixture::start().await;
    let request = wrap(&join_request());
    let wrong_secret = AccessToken::with_api_key("devkey", "other")
        .with_identity("ada")
        .with_grants(VideoGrants { room_join: true, room: "math".into(), ..Default::default() })
        .to_jwt()
        .unwrap();
    for (door, bad) in [("/rtc", ""), ("/rtc/v1", "x.y.z"), ("/rtc", wrong_secret.as_str())] {
        let target = format!("{door}/validate?access_token={bad}&join_request={request}");
        let answer = server.request("GET", &target, &[("origin", "https://app.example.org")], "").await;
        assert_eq!(answer.status, 401, "{}", answer.body);
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        assert!(answer.body.contains("token") && (bad.is_empty() || !answer.body.contains(bad)));
        let target = format!("{door}?access_token={bad}&join_request={request}");
        assert_eq!(server.open(server.stream().await, &target, None).await.err(), Some(401));
    }
    let good = token("math", "ada");
    // A token in the header is the one that counts.
    let target = format!("/rtc?access_token={good}");
    assert_eq!(server.open(server.stream().await, &target, Some("x.y.z")).await.err(), Some(401));
    assert_eq!(server.metric("sluice_joins_total", "unauthorized").await, 4.0);
}

#[tokio::test]
async fn what_is_not_a_websocket_or_not_there_is_404_with_cors() {
    let server = Fixture::start().await;
    let good = token("math", "ada");
    for target in ["/rtc", "/rtc/v1", "/rtc/v2/validate", "/twirp/livekit.RoomService/ListRooms", "/settings/regions"] {
        let answer = server.get(&format!("{target}?access_token={good}")).await;
        assert_eq!((answer.status, answer.headers["access-control-allow-origin"].as_str()), (404, "*"), "{target}");
        assert!(!answer.body.contains("requested room does not exist"));
    }
    let preflight = [("origin", "https://x.example"), ("access-control-request-method", "GET")];
    let answer = server.request("OPTIONS", "/rtc/validate", &preflight, "").await;
    assert_eq!((answer.status, answer.headers["access-control-allow-origin"].as_str()), (200, "*"));
}

#[tokio::test]
async fn a_v1_door_wants_its_join_request() {
    let server = Fixture::start().await;
    let good = token("math", "ada");
    for query in ["", "?join_request=%21", "?join_request=AAAA", "?join_request=CAESAQ"] {
        let target = format!("/rtc/v1{query}");
        assert_eq!(server.open(server.stream().await, &target, Some(&good)).await.err(), Some(400), "{query}");
    }
    let answer = server.get(&format!("/rtc/v1/validate?access_token={good}")).await;
    assert_eq!(answer.status, 400);
    let answer = server
        .get(&format!("/rtc/v1/validate?access_token={good}&join_request={}", wrap(&join_request())))
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "success"));
}

#[tokio::test]
async fn nonsense_ends_the_connection_after_a_while() {
    let server = Fixture::start().await;
    let mut ada = server.join("math", "ada").await;
    for _ in 0..10 {
        ada.socket.send(Frame::Binary(vec![0xff; 9].into())).await.unwrap();
        ada.socket.send(Frame::Text("{\"nothing\":1}".into())).await.unwrap();
    }
    assert_eq!(ada.closed().await, Some(CloseCode::from(4400)));
    let mut bob = server.join("math", "bob").await;
    bob.socket.send(Frame::Text("[".repeat(10_000).into())).await.unwrap();
    bob.send(ask::Message::PingReq(Ping::default())).await;
    bob.wait(|m| matches!(m, told::Message::PongResp(_)).then_some(())).await;
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_connection() {
    let server = Fixture::start().await;
    let mut ada = server.join("math", "ada").await;
    let _ = ada.socket.send(Frame::Binary(vec![0; 600 * 1024].into())).await;
    server.counts("sluice_signal_connections", "", 0.0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go_and_harms_nobody() {
    let server = Fixture::start().await;
    let target = format!("/rtc/v1?join_request={}", wrap(&join_request()));
    let sleeper = server
        .open(server.narrow_stream().await, &target, Some(&token("math", "sleeper")))
        .await
        .unwrap();
    let mut ada = server.join("math", "ada").await;
    let mut bob = server.join("math", "bob").await;
    let mut rounds = 0;
    while server.metric("sluice_signal_closed_total", "slow").await < 1.0 {
        rounds += 1;
        assert!(rounds < 100, "the sleeper was never let go");
        for n in 0..5 {
            let metadata = format!("{rounds}.{n}.{}", "m".repeat(60_000));
            let update = UpdateParticipantMetadata { metadata: metadata.clone(), ..Default::default() };
            ada.send(ask::Message::UpdateMetadata(update)).await;
            ada.update(|info| info.metadata == metadata).await;
            bob.update(|info| info.metadata == metadata).await;
        }
    }
    drop(sleeper);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_let_go() {
    let mut config = ServerConfig::development();
    config.timeouts.signal_idle = std::time::Duration::from_millis(300);
    let server = Fixture::with(config).await;
    let mut ada = server.join("math", "ada").await;
    assert_eq!(ada.closed().await, Some(CloseCode::Away));
}

#[tokio::test]
async fn who_does_not_finish_a_request_is_not_waited_for() {
    let mut config = ServerConfig::development();
    config.timeouts.request_head = std::time::Duration::from_millis(300);
    config.timeouts.request_body = std::time::Duration::from_millis(300);
    let server = Fixture::with(config).await;
    for head in [
        "GET /rtc HT",
        "POST /api/rooms HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
    ] {
        let mut stream = server.stream().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.unwrap();
    }
}

#[tokio::test]
async fn who_does_not_read_answers_is_not_kept() {
    let mut config = ServerConfig::development();
    config.timeouts.response_write = std::time::Duration::from_millis(300);
    let server = Fixture::with(config).await;
    let mut stream = server.narrow_stream().await;
    let asks = "GET /api/info HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    // It asks on and on: what ends this is the server.
    within(async { while stream.write_all(asks.as_bytes()).await.is_ok() {} }).await;
}

#[tokio::test]
async fn one_address_holds_so_many_connections() {
    let mut config = ServerConfig::development();
    config.limits.connections_per_ip = 2;
    let server = Fixture::with(config).await;
    let held = [server.stream().await, server.stream().await];
    let mut third = server.stream().await;
    let _ = third.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = within(third.read_to_end(&mut answer)).await;
    assert!(answer.is_empty(), "turned away without a word");
    drop(held);
    within(async {
        loop {
            let mut again = server.stream().await;
            let mut answer = [0; 15];
            let _ = again.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
            if again.read_exact(&mut answer).await.is_ok() {
                assert_eq!(&answer, b"HTTP/1.1 200 OK");
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn heads_out_of_all_proportion_are_refused() {
    let server = Fixture::start().await;
    let long = "x".repeat(200 * 1024);
    let many: Vec<_> = (0..500).map(|n| format!("x-{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "1")).collect();
    assert!((400..500).contains(&server.request("GET", "/", &many, "").await.status));
    let mut stream = server.stream().await;
    let _ = stream.write_all(format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await;
    let mut answer = Vec::new();
    let _ = within(stream.read_to_end(&mut answer)).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn too_many_rooms_are_refused() {
    let mut config = ServerConfig::development();
    config.limits.rooms = 1;
    let server = Fixture::with(config).await;
    let _ada = server.join("math", "ada").await;
    let answer = server.post("/api/rooms", &serde_json::json!({})).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "too_many_rooms"));
    let target = format!("/rtc?access_token={}", token("physics", "bob"));
    let mut bob = server.open(server.stream().await, &target, None).await.unwrap();
    assert!(matches!(bob.next().await, told::Message::Leave(_)));
}
