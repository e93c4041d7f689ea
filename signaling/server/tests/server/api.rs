//! The native API, and the tokens it hands out.

use serde_json::json;
use sluice_server::ServerConfig;

use crate::fixture::{Fixture, join_request, wrap};

#[tokio::test]
async fn a_link_becomes_a_call() {
    let server = Fixture::start().await;
    let info = server.get("/api/info").await.json();
    let accounts = json!({ "enabled": false, "registration": false, "oidc": null });
    let version = env!("CARGO_PKG_VERSION");
    let expected = json!({ "name": "sluice", "version": version, "dev": true, "accounts": accounts, "guests": true });
    assert_eq!(info, expected);

    let created = server.post("/api/rooms", &json!({ "name": " Weekly\u{202E} " })).await;
    assert_eq!(created.status, 201);
    let room = created.json();
    let id = room["id"].as_str().unwrap();
    assert!(id.len() == 8 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{id}");
    assert_eq!((room["name"].as_str(), room["num_participants"].as_u64()), (Some("Weekly"), Some(0)));
    assert!(room["created_at"].as_i64().unwrap() > 1_600_000_000_000);

    let joined = server.post(&format!("/api/rooms/{id}/join"), &json!({ "name": "Ada Lovelace" })).await;
    assert_eq!(joined.status, 200);
    let joined = joined.json();
    assert_eq!(joined["url"], format!("ws://{}", server.address));
    assert_eq!(joined["room"]["id"], id);
    assert!(joined["identity"].as_str().unwrap().starts_with("ada-lovelace-"));

    let target = format!("/rtc/v1?join_request={}", wrap(&join_request()));
    let mut ada = server.open(server.stream().await, &target, joined["token"].as_str()).await.unwrap();
    let join = ada.joined().await;
    let me = join.participant.unwrap();
    assert_eq!((me.name.as_str(), me.permission.unwrap().can_update_metadata), ("Ada Lovelace", true));
    assert_eq!(join.room.unwrap().name, id);

    let looked = server.get(&format!("/api/rooms/{id}")).await.json();
    assert_eq!((looked["num_participants"].as_u64(), looked["full"].as_bool()), (Some(1), Some(false)));
}

#[tokio::test]
async fn rooms_of_sdks_are_rooms_too() {
    let server = Fixture::start().await;
    let _ada = server.join("made by an SDK", "ada").await;
    server.post("/api/rooms", &json!({})).await;
    let rooms = server.get("/api/rooms").await.json();
    let names: Vec<_> = rooms["rooms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|room| room["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&"made by an SDK"));
    let looked = server.get("/api/rooms/made%20by%20an%20SDK").await;
    assert_eq!((looked.status, looked.json()["num_participants"].as_u64()), (200, Some(1)));
}

#[tokio::test]
async fn each_failure_has_its_code() {
    let mut config = ServerConfig::development();
    config.rooms.max_participants = 1;
    config.limits.room_creations_per_minute = 3;
    let server = Fixture::with(config).await;
    let id = server.post("/api/rooms", &json!({})).await.json()["id"].as_str().unwrap().to_owned();
    let join = format!("/api/rooms/{id}/join");

    for (name, identity) in
        [(json!(""), json!(null)), (json!("x".repeat(65)), json!(null)), (json!("\u{202E}"), json!("a"))]
    {
        let answer = server.post(&join, &json!({ "name": name, "identity": identity })).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "bad_name"));
    }
    let answer = server.post(&join, &json!({ "name": "Ada", "identity": "a\nb" })).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (400, "bad_identity"));
    let answer = server.post("/api/rooms/nowhere/join", &json!({ "name": "Ada" })).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (404, "room_not_found"));
    let answer = server.get("/api/rooms/nowhere").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (404, "room_not_found"));
    let answer = server.post(&join, &json!({ "nam": "Ada" })).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (400, "bad_json"));
    let answer = server.request("POST", &join, &[], "").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (415, "not_json"));
    let answer = server.post(&join, &json!({ "name": "x".repeat(100_000) })).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (413, "body_too_large"));
    let answer = server.post("/api/rooms", &json!({ "name": "x".repeat(65) })).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (400, "bad_name"));
    let answer = server.get("/api/nothing").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (404, "not_found"));

    let _ada = server.join(&id, "ada").await;
    let answer = server.post(&join, &json!({ "name": "Bob" })).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (409, "room_full"));
    assert_eq!(server.get(&format!("/api/rooms/{id}")).await.json()["full"], true);

    server.post("/api/rooms", &json!({})).await;
    server.post("/api/rooms", &json!({})).await;
    let answer = server.post("/api/rooms", &json!({})).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (429, "rate_limited"));
    assert_eq!(answer.headers["retry-after"], "60");
}

#[tokio::test]
async fn outside_of_development_strangers_get_nothing() {
    let keys = vec![("devkey".to_owned(), "secret".to_owned())];
    let server = Fixture::with(ServerConfig::new(keys)).await;
    for (target, body) in [("/api/rooms", json!({})), ("/api/rooms/x/join", json!({ "name": "Ada" }))] {
        let answer = server.post(target, &body).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (403, "guests_not_allowed"));
    }
    assert_eq!(server.get("/api/rooms").await.error_code(), "not_found");
    assert_eq!(server.get("/api/info").await.json()["dev"], false);
    assert!(server.join("math", "ada").await.sid.starts_with("PA_"), "a token opens the door");
}

#[tokio::test]
async fn the_url_follows_the_way_the_client_came() {
    let server = Fixture::start().await;
    let id = server.post("/api/rooms", &json!({})).await.json()["id"].as_str().unwrap().to_owned();
    let target = format!("/api/rooms/{id}/join");
    let proxied = [("x-forwarded-proto", "https")];
    let joined = server.request("POST", &target, &proxied, r#"{"name":"Ada"}"#).await.json();
    assert_eq!(joined["url"], format!("wss://{}", server.address));

    let public_url = Some("wss://call.example.org".to_owned());
    let server = Fixture::with(ServerConfig { public_url, ..ServerConfig::development() }).await;
    let id = server.post("/api/rooms", &json!({})).await.json()["id"].as_str().unwrap().to_owned();
    let joined = server.post(&format!("/api/rooms/{id}/join"), &json!({ "name": "Ada" })).await.json();
    assert_eq!(joined["url"], "wss://call.example.org");
}
