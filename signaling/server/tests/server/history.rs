//! What was, for those who look at it afterwards.

use livekit_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};
use sluice_server::ServerConfig;

use crate::fixture::{Answer, Fixture, within};

fn bearer(grants: VideoGrants) -> String {
    let token = AccessToken::with_api_key("devkey", "secret")
        .with_identity("back end")
        .with_grants(grants);
    format!("Bearer {}", token.to_jwt().unwrap())
}

/// What the API says of sessions, once it is so.
async fn sessions(server: &Fixture, query: &str, holds: impl Fn(&Value) -> bool) -> Vec<Value> {
    within(async {
        loop {
            let page = server.get(&format!("/api/sessions{query}")).await.json();
            let sessions = page["sessions"].as_array().unwrap();
            if !sessions.is_empty() && sessions.iter().all(&holds) {
                return sessions.clone();
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn end(server: &Fixture, room: &str) {
    let create = bearer(VideoGrants { room_create: true, ..Default::default() });
    let body = json!({ "room": room }).to_string();
    let deleted = server
        .request("POST", "/twirp/livekit.RoomService/DeleteRoom", &[("authorization", &create)], &body)
        .await;
    assert_eq!(deleted.status, 200, "{}", deleted.body);
}

fn lines(table: &Answer) -> Vec<&str> {
    assert_eq!(table.status, 200, "{}", table.body);
    assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
    // After the chunk's length.
    table.body.lines().filter(|line| line.contains(',')).collect()
}

#[tokio::test]
async fn a_call_that_is_over_says_who_was_there_and_for_how_long() {
    let server = Fixture::start().await;
    let ann = server.join("math", "ann").await;
    let bob = server.join("math", "bob").await;
    assert_eq!(sessions(&server, "", |session| session["participants"] == 2).await[0]["phase"], "active");
    drop((ann, bob));
    end(&server, "math").await;

    let found = sessions(&server, "?room=math", |session| session["phase"] == "ended").await;

    let session = &found[0];
    assert_eq!((&session["room_id"], &session["kind"]), (&json!("math"), &json!("instant")));
    assert_eq!((&session["state"], &session["participants"]), (&json!("Ended"), &json!(2)));
    assert!(session["ended_at"].as_i64() >= session["started_at"].as_i64());
    assert!(session["duration_seconds"].is_u64());
    assert_eq!((&session["message_count"], &session["transcript_preview"]), (&json!(0), &json!("")));
    let id = session["session_id"].as_str().unwrap();
    let detail = server.get(&format!("/api/sessions/{id}")).await.json();
    let people = detail["participants"].as_array().unwrap();
    let identities: Vec<_> = people.iter().map(|person| person["identity"].as_str().unwrap()).collect();
    assert_eq!((identities, &people[0]["role"]), (vec!["ann", "bob"], &json!("participant")));
    assert!(people.iter().all(|person| person["left_at"].as_i64() >= person["joined_at"].as_i64()));
    assert_eq!(people[0]["left_because"], "ROOM_DELETED");

    let table = server.get("/api/sessions?format=csv").await;
    let rows = lines(&table);
    assert!(rows[0].starts_with("session_id,room_id,room_name,kind,phase,state"), "{rows:?}");
    assert!(rows[1].starts_with(&format!("{id},math,math,instant,ended,Ended")), "{rows:?}");
    let people = server.get(&format!("/api/sessions/{id}?format=csv")).await;
    assert_eq!(lines(&people).len(), 3);
    assert_eq!(server.get(&format!("/api/sessions/{id}/quality")).await.json()["samples"], json!([]));
}

#[tokio::test]
async fn an_appointment_becomes_the_session_of_its_room() {
    let server = Fixture::start().await;
    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() + 600_000;
    let wish = json!({ "room_id": "math", "scheduled_at": soon, "companion_id": "tutor" });
    let made = server.post("/api/sessions", &wish).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made = made.json();
    assert_eq!((&made["kind"], &made["phase"]), (&json!("appointment"), &json!("scheduled")));
    assert_eq!(made["started_at"], Value::Null);

    let _ann = server.join("math", "ann").await;
    let now = sessions(&server, "", |session| session["participants"] == 1).await;

    assert_eq!(now.len(), 1, "it is the same one");
    assert_eq!((&now[0]["kind"], &now[0]["companion_id"]), (&json!("appointment"), &json!("tutor")));
    let by_its_old_id = server.get(&format!("/api/sessions/{}", made["session_id"].as_str().unwrap())).await;
    assert_eq!(by_its_old_id.json()["session_id"], now[0]["session_id"]);
    for bad in [json!({ "room_id": "", "scheduled_at": soon }), json!({ "room_id": "math", "scheduled_at": 1 })] {
        assert_eq!(server.post("/api/sessions", &bad).await.error_code(), "bad_appointment");
    }
}

#[tokio::test]
async fn lists_come_in_pages_the_newest_first() {
    let server = Fixture::start().await;
    for room in ["one", "two", "three"] {
        server.join(room, "ann").await;
        end(&server, room).await;
    }
    sessions(&server, "", |session| session["phase"] == "ended").await;
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = server.get(&format!("/api/sessions{query}")).await.json();
        let found = page["sessions"].as_array().unwrap();
        seen.extend(found.iter().map(|session| session["room_id"].as_str().unwrap().to_owned()));
        if page["more"] == false {
            break;
        }
        query = format!("?limit=2&before={}", found.last().unwrap()["session_id"].as_str().unwrap());
    }
    assert_eq!(seen, ["three", "two", "one"]);
    for bad in ["?limit=0", "?limit=1001", "?before=RM_nobody", "?format=xml"] {
        assert_eq!(server.get(&format!("/api/sessions{bad}")).await.error_code(), "bad_query", "{bad}");
    }
}

#[tokio::test]
async fn outside_development_mode_history_is_for_those_who_oversee() {
    let server = Fixture::with(ServerConfig { dev: false, ..ServerConfig::development() }).await;
    server.join("math", "ann").await;
    end(&server, "math").await;
    let ask = async |target: &str, grants: VideoGrants| {
        let answer = server.request("GET", target, &[("authorization", &bearer(grants))], "").await;
        (answer.status, if answer.status == 200 { answer.json() } else { json!(answer.error_code()) })
    };
    let list = || VideoGrants { room_list: true, ..Default::default() };
    let admin = || VideoGrants { room_admin: true, room: "math".into(), ..Default::default() };
    let (status, page) = ask("/api/sessions", list()).await;
    assert_eq!(status, 200);
    let id = page["sessions"][0]["session_id"].as_str().unwrap();
    assert_eq!(server.get("/api/sessions").await.error_code(), "no_token");
    let forbidden = (403, json!("not_permitted"));
    assert_eq!(ask("/api/sessions", admin()).await, forbidden);
    assert_eq!(ask("/api/sessions?room=math", admin()).await.0, 200);
    for part in ["", "/quality"] {
        assert_eq!(ask(&format!("/api/sessions/{id}{part}"), admin()).await.0, 200);
        let other = VideoGrants { room_admin: true, room: "physics".into(), ..Default::default() };
        assert_eq!(ask(&format!("/api/sessions/{id}{part}"), other).await, forbidden);
        let other = VideoGrants { room_admin: true, room: "physics".into(), ..Default::default() };
        assert_eq!(ask(&format!("/api/sessions/RM_nobody{part}"), other).await, forbidden, "no hint");
    }
    assert_eq!(ask("/api/sessions/RM_nobody", list()).await, (404, json!("session_not_found")));
    let guest = VideoGrants { room_join: true, room: "math".into(), ..Default::default() };
    assert_eq!(ask("/api/sessions?room=math", guest).await, forbidden);
}

#[tokio::test]
async fn whoever_asks_is_forgotten_and_what_happened_stays() {
    let server = Fixture::start().await;
    server.join("math", "ann").await;
    end(&server, "math").await;
    let session = sessions(&server, "", |session| session["phase"] == "ended").await[0].clone();

    let forgotten = server.request("DELETE", "/api/people/ann", &[], "").await;

    assert_eq!(forgotten.status, 200, "{}", forgotten.body);
    assert_eq!(forgotten.json(), json!({ "messages": 0, "stays": 1, "events": 2 }));
    let id = session["session_id"].as_str().unwrap();
    let detail = server.get(&format!("/api/sessions/{id}")).await.json();
    let nobody = &detail["participants"][0];
    assert_eq!((&nobody["identity"], &nobody["name"]), (&json!(""), &json!("")));
    assert!(nobody["left_at"].is_i64());
    assert!(!server.get("/api/events").await.body.contains("\"ann\""));
    let trail = server.trail();
    let entry = trail.iter().find(|entry| entry["what"] == "person.forget").unwrap();
    assert_eq!((&entry["who"], &entry["whom"], &entry["result"]), (&json!("developer"), &json!("ann"), &json!("done")));
    let again = server.request("DELETE", "/api/people/ann", &[], "").await;
    assert_eq!(again.json(), json!({ "messages": 0, "stays": 0, "events": 0 }));
}

#[tokio::test]
async fn nobody_is_forgotten_nor_anything_exported_without_a_trail() {
    let server = Fixture::start().await;
    server.join("math", "ann").await;
    end(&server, "math").await;
    sessions(&server, "", |session| session["phase"] == "ended").await;
    let table = server.get("/api/sessions?format=csv").await;
    assert_eq!(lines(&table).len(), 2);
    assert!(
        server
            .trail()
            .iter()
            .any(|entry| entry["what"] == "history.export" && entry["detail"] == "sessions")
    );

    server.break_trail();

    let kept = server.request("DELETE", "/api/people/ann", &[], "").await;
    assert_eq!((kept.status, kept.error_code().as_str()), (503, "audit_unavailable"));
    assert_eq!(server.get("/api/sessions?format=csv").await.error_code(), "audit_unavailable");
    assert_eq!(sessions(&server, "", |session| session["participants"] == 1).await.len(), 1, "looking is no export");
}

#[tokio::test]
async fn operators_see_how_the_server_fares_and_no_secret() {
    let server = Fixture::start().await;
    let _ann = server.join("math", "ann").await;
    sessions(&server, "", |session| session["participants"] == 1).await;

    let system = server.get("/api/system").await.json();

    assert_eq!((&system["sessions"]["active"], &system["sessions"]["total"]), (&json!(1), &json!(1)));
    assert_eq!(system["sessions"]["qualityDistribution"], json!({ "excellent": 0, "good": 0, "fair": 0, "poor": 0 }));
    assert!(system["performance"]["diskUsage"].as_u64() > Some(0));
    assert_eq!((&system["node"]["rooms"], &system["node"]["participants"]), (&json!(1), &json!(1)));
    assert_eq!(system["errors"]["systemErrors"], 0);
    assert!(server.get("/api/system/history?minutes=1").await.json()["samples"].is_array());
    assert_eq!(server.get("/api/system/history?minutes=0").await.error_code(), "bad_query");
    let settings = server.get("/api/system/settings").await;
    assert_eq!(settings.json()["keys"], json!({ "devkey": "set" }));
    assert!(!settings.body.contains("\"secret\""), "{}", settings.body);

    let closed = Fixture::with(ServerConfig { dev: false, ..ServerConfig::development() }).await;
    let admin = bearer(VideoGrants { room_admin: true, room: "math".into(), ..Default::default() });
    for (method, path) in [
        ("GET", "/api/system"),
        ("GET", "/api/system/history"),
        ("GET", "/api/system/settings"),
        ("DELETE", "/api/people/ann"),
    ] {
        assert_eq!(closed.request(method, path, &[], "").await.error_code(), "no_token", "{path}");
        let answer = closed.request(method, path, &[("authorization", &admin)], "").await;
        assert_eq!(answer.error_code(), "not_permitted", "{path}");
    }
}
