//! Who may look into a room, and what there is to see.

use livekit_token::{AccessToken, VideoGrants};
use serde_json::json;
use sluice_server::ServerConfig;

use crate::fixture::{Answer, Fixture, token};

fn admin(room: &str) -> String {
    let grants = VideoGrants { room_admin: true, room: room.into(), ..Default::default() };
    AccessToken::with_api_key("devkey", "secret")
        .with_identity("operator")
        .with_grants(grants)
        .to_jwt()
        .unwrap()
}

async fn ask(server: &Fixture, target: &str, token: Option<&str>) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    server.request("GET", target, &headers, "").await
}

#[tokio::test]
async fn outside_of_development_a_look_needs_a_token_of_the_room() {
    let keys = vec![("devkey".to_owned(), "secret".to_owned())];
    let server = Fixture::with(ServerConfig::new(keys)).await;
    let _ada = server.join("math", "ada").await;
    let refusal = async |target: &str, token: Option<&str>| {
        let answer = ask(&server, target, token).await;
        (answer.status, answer.error_code())
    };
    for target in ["/api/rooms/math/subscriptions/ada", "/api/rooms/math/quality"] {
        assert_eq!(refusal(target, None).await, (401, "no_token".into()));
        assert_eq!(refusal(target, Some("x.y.z")).await, (401, "bad_token".into()));
        assert_eq!(refusal(target, Some(&token("art", "ada"))).await, (403, "not_permitted".into()));
        assert_eq!(refusal(target, Some(&admin("art"))).await, (403, "not_permitted".into()));
    }
    let others = "/api/rooms/math/subscriptions/bob";
    assert_eq!(refusal(others, Some(&token("math", "ada"))).await, (403, "not_permitted".into()));
    assert_eq!(refusal(others, Some(&admin("math"))).await, (404, "participant_not_found".into()));
    let gone = "/api/rooms/art/quality";
    assert_eq!(refusal(gone, Some(&admin("art"))).await, (404, "room_not_found".into()));

    let quality = ask(&server, "/api/rooms/math/quality", Some(&token("math", "ada"))).await;
    assert_eq!((quality.status, quality.json()), (200, json!({ "participants": [] })), "no report yet");
}

#[tokio::test]
async fn in_development_everybody_may_look() {
    let server = Fixture::start().await;
    let ada = server.join("math", "ada").await;
    let nobody = server.get("/api/rooms/math/subscriptions/nobody").await;
    assert_eq!((nobody.status, nobody.error_code().as_str()), (404, "participant_not_found"));
    for whom in ["ada", ada.sid.as_str()] {
        let answer = server.get(&format!("/api/rooms/math/subscriptions/{whom}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let explained = answer.json();
        assert_eq!(explained["participant"], json!({ "sid": ada.sid, "identity": "ada" }));
        assert_eq!(explained["tracks"], json!([]));
        assert!(explained["link"]["estimate_bps"].is_u64() && explained["link"]["loss"].is_number());
    }
}

#[tokio::test]
async fn a_page_elsewhere_may_send_its_token() {
    let server = Fixture::start().await;
    let headers = [
        ("origin", "https://dashboard.example.org"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let answer = server.request("OPTIONS", "/api/rooms/math/quality", &headers, "").await;
    assert_eq!(answer.headers["access-control-allow-headers"], "authorization");
}

#[tokio::test]
async fn a_room_is_made_with_its_own_bounds_or_those_of_the_configuration() {
    let mut config = ServerConfig::development();
    (config.rooms.last_cameras, config.rooms.loudest_microphones) = (9, 3);
    let server = Fixture::with(config).await;
    let bounds = async |wish: serde_json::Value| {
        let room = server.post("/api/rooms", &wish).await.json();
        let looked = server.get(&format!("/api/rooms/{}", room["id"].as_str().unwrap())).await.json();
        assert_eq!(looked["last_cameras"], room["last_cameras"]);
        (room["last_cameras"].as_u64().unwrap(), room["loudest_microphones"].as_u64().unwrap())
    };
    assert_eq!(bounds(json!({})).await, (9, 3));
    assert_eq!(bounds(json!({ "last_cameras": 4 })).await, (4, 3));
    assert_eq!(bounds(json!({ "last_cameras": 0, "loudest_microphones": 0 })).await, (0, 0), "none at all");
    let answer = server.post("/api/rooms", &json!({ "last_cameras": -1 })).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (400, "bad_json"));
}
