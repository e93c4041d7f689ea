//! What the audit trail says of what was done, and what is not done without it.

use livekit_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};

use sluice_server::{AccountsConfig, Directory, NewUser, ServerConfig};

use crate::fixture::{Answer, Fixture, open_store};

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

/// A server where root, an administrator, can sign in; and root's token.
async fn with_root() -> (Fixture, tempfile::TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let accounts = AccountsConfig { enabled: true, ..AccountsConfig::default() };
    let config = ServerConfig { dev: false, accounts, ..ServerConfig::development() };
    let directory = Directory::new(store.clone(), &config);
    let roles = vec!["admin".to_owned()];
    let root = NewUser { login: "root".into(), password: Some("correct horse".into()), roles, ..NewUser::default() };
    directory.create(root).await.unwrap();
    let server = Fixture::over(store, config).await;
    let signed_in = log_in(&server, "correct horse").await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.body);
    let token = signed_in.json()["access_token"].as_str().unwrap().to_owned();
    (server, home, token)
}

async fn log_in(server: &Fixture, password: &str) -> Answer {
    server
        .post("/api/accounts/login", &json!({ "login": "root", "password": password }))
        .await
}

async fn as_root(server: &Fixture, token: &str, method: &str, target: &str, body: Value) -> Answer {
    let bearer = format!("Bearer {token}");
    server.request(method, target, &[("authorization", &bearer)], &body.to_string()).await
}

#[tokio::test]
async fn who_signs_in_and_who_is_made_what_stands_in_the_trail() {
    let (server, _home, root) = with_root().await;
    assert_eq!(log_in(&server, "wrong pony").await.status, 401);
    let ada = json!({ "login": "ada", "password": "battery staple", "roles": ["host"] });
    let made = as_root(&server, &root, "POST", "/api/users", ada).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let target = format!("/api/users/{}", made.json()["id"].as_str().unwrap());
    let change = json!({ "roles": ["admin"], "password": "tr0ub4dor and 3" });
    assert_eq!(as_root(&server, &root, "PATCH", &target, change).await.status, 200);
    assert_eq!(as_root(&server, &root, "DELETE", "/api/users/nobody", Value::Null).await.status, 404);

    let records = server.trail();
    let said: Vec<_> = records[1..]
        .iter()
        .map(|record| (record["what"].as_str().unwrap(), record["result"].as_str().unwrap()))
        .collect();
    let expected = [
        ("account.login", "done"),
        ("account.login", "refused"),
        ("user.create", "done"),
        ("user.change", "done"),
        ("user.delete", "done"),
        ("user.delete", "failed"),
    ];
    assert_eq!(said, expected);
    assert!(records[1]["who"].as_str().unwrap().starts_with("root ("));
    assert_eq!((&records[4]["detail"], &records[3]["whom"]), (&json!("roles: admin; password"), &json!("ada")));
    let all = serde_json::to_string(&records).unwrap();
    for secret in ["correct horse", "wrong pony", "battery staple", "tr0ub4dor"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn nobody_signs_in_unwritten() {
    let (server, _home, root) = with_root().await;
    server.break_trail();
    let signed_in = log_in(&server, "correct horse").await;
    assert_eq!((signed_in.status, signed_in.error_code().as_str()), (503, "audit_unavailable"));
    assert!(!signed_in.headers.contains_key("set-cookie"));
    let ada = json!({ "login": "ada", "password": "battery staple" });
    let made = as_root(&server, &root, "POST", "/api/users", ada).await;
    assert_eq!((made.status, made.error_code().as_str()), (503, "audit_unavailable"));
    let users = server
        .request("GET", "/api/users", &[("authorization", &format!("Bearer {root}"))], "")
        .await;
    assert_eq!(users.json()["users"].as_array().unwrap().len(), 1);
}
