//! A server goes in the middle of everything, and another one takes its place. Over both databases, where there are both.

use livekit_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};
use sluice_store::{Phase, SessionState};

use crate::databases::Database;
use crate::fixture::{Fixture, within};
use crate::webhooks::Receiver;

async fn administer(server: &Fixture, method: &str, body: Value) {
    let grants = VideoGrants { room_create: true, room_admin: true, room: "math".into(), ..Default::default() };
    let token = AccessToken::with_api_key("devkey", "secret").with_identity("back end");
    let bearer = format!("Bearer {}", token.with_grants(grants).to_jwt().unwrap());
    let target = format!("/twirp/livekit.RoomService/{method}");
    let answer = server.request("POST", &target, &[("authorization", &bearer)], &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Ann is in a room and Bob was sent away, as a back end was told; the receiver of webhooks was down. Then the server is
/// gone without a word.
#[tokio::test]
async fn in_the_middle_of_webhooks_and_sessions_nothing_acknowledged_is_lost() {
    for database in Database::all().await {
        let mut receiver = Receiver::start(&["503 Service Unavailable"]).await;
        let config = receiver.config(true);
        let store = database.open().await;
        let server = Fixture::over(store.clone(), config.clone()).await;
        administer(&server, "CreateRoom", json!({ "name": "math" })).await;
        let _ann = server.join("math", "ann").await;
        let _bob = server.join("math", "bob").await;
        administer(&server, "RemoveParticipant", json!({ "room": "math", "identity": "bob" })).await;
        let first = receiver.next().await;
        // Its writer, its couriers, all of it; nothing is said any more.
        server.task.abort();
        store.close().await;

        let store = database.open().await;
        // A claim of the server that is gone would hold the next one up for its time.
        store.free_leases().await.unwrap();
        let next = Fixture::over(store.clone(), config).await;

        let mut told = vec![first];
        while told.last().unwrap()["event"] != "room_finished" {
            told.push(receiver.next().await);
        }
        told.dedup();
        let names: Vec<_> = told.iter().map(|event| event["event"].as_str().unwrap()).collect();
        let gone = "participant_connection_aborted";
        assert_eq!(names, ["room_started", gone, gone, "room_finished"], "{}", database.name);
        let identities = [&told[1]["participant"]["identity"], &told[2]["participant"]["identity"]];
        assert_eq!(identities, ["bob", "ann"]);
        let session = told[0]["room"]["sid"].as_str().unwrap();
        assert_eq!(told[3]["room"]["sid"], session);
        let kept = store.session(&session.into()).await.unwrap().unwrap();
        assert_eq!((kept.phase, kept.state), (Phase::Ended, SessionState::Failed), "{}", database.name);
        let shown = next.get(&format!("/api/sessions/{session}")).await.json();
        let left: Vec<_> = shown["participants"].as_array().unwrap().iter().map(|one| &one["left_because"]).collect();
        assert_eq!(left, ["INTERRUPTED", "PARTICIPANT_REMOVED"]);
        assert_eq!(store.check().await.unwrap(), [] as [String; 0], "{}", database.name);
        // All of the history, over this database as well.
        for path in ["/api/sessions?room=math", "/api/sessions?format=csv", "/api/system", "/api/events"] {
            assert_eq!(next.get(path).await.status, 200, "{}: {path}", database.name);
        }
        let quality = next.get(&format!("/api/sessions/{session}/quality?participant=ann")).await;
        assert_eq!(quality.json()["samples"], json!([]), "{}", database.name);
        let forgotten = within(next.request("DELETE", "/api/people/ann", &[], "")).await;
        assert_eq!(forgotten.json()["stays"], 1, "{}", database.name);
        drop(next);
        store.close().await;
    }
}
