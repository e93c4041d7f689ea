//! What the audit trail says of what was done, and what is not done without it.

use livekit_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture};

fn admin(room: &str) -> String {
    let grants = VideoGrants { room_admin: true, room: room.into(), ..Default::default() };
    let token = AccessToken::with_api_key("devkey", "secret").with_identity("back end");
    token.with_grants(grants).to_jwt().unwrap()
}

async fn call(server: &Fixture, token: &str, method: &str, body: Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let target = format!("/twirp/livekit.RoomService/{method}");
    server.request("POST", &target, &[("authorization", &bearer)], &body.to_string()).await
}

#[tokio::test]
async fn who_did_what_to_whom_stands_in_the_trail_with_what_came_of_it() {
    let server = Fixture::start().await;
    let host = admin("math");
    let _ada = server.join("math", "ada").await;
    let removed = call(&server, &host, "RemoveParticipant", json!({ "room": "math", "identity": "ada" })).await;
    assert_eq!(removed.status, 200);
    let nobody = call(&server, &host, "RemoveParticipant", json!({ "room": "math", "identity": "ada" })).await;
    assert_eq!(nobody.status, 404);
    let strange = call(&server, &admin("physics"), "DeleteRoom", json!({ "room": "math" })).await;
    assert_eq!(strange.status, 401);
    call(&server, "no token", "DeleteRoom", json!({ "room": "math" })).await;

    let records = server.trail();
    let said: Vec<_> = records
        .iter()
        .map(|record| (record["what"].as_str().unwrap(), record["result"].as_str().unwrap()))
        .collect();
    let expected = [
        ("audit.opened", "done"),
        ("participant.remove", "done"),
        ("participant.remove", "done"),
        ("participant.remove", "failed"),
        ("twirp.call", "refused"),
    ];
    assert_eq!(said, expected, "nobody who showed nothing is written down");
    let done = &records[1];
    assert_eq!((&done["who"], &done["whom"]), (&json!("back end (devkey)"), &json!("ada")));
    assert_eq!((&done["room"], &done["request_id"]), (&json!("math"), &json!(removed.headers["x-request-id"])));
    let from = done["from"].as_str().unwrap();
    assert!(from.len() == 32 && !from.contains("127"), "an address is hashed: {from}");
    assert_eq!(records[4]["detail"], "DeleteRoom");
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    let server = Fixture::start().await;
    let host = admin("math");
    let _ada = server.join("math", "ada").await;
    server.break_trail();
    for _ in 0..2 {
        let refused = call(&server, &host, "RemoveParticipant", json!({ "room": "math", "identity": "ada" })).await;
        assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("unavailable")));
        assert!(refused.body.contains("audit_unavailable"), "{}", refused.body);
    }
    let ada = call(&server, &host, "GetParticipant", json!({ "room": "math", "identity": "ada" })).await;
    assert_eq!(ada.status, 200, "she is still there");
    let sent = call(&server, &host, "SendData", json!({ "room": "math", "data": "aGVsbG8=" })).await;
    assert_eq!(sent.status, 200, "a call goes on");
}
