//! Rooms that are recorded without anybody asking, and people who are asked whether they agree.

use livekit_protocol::signal_response as told;
use livekit_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};
use sluice_server::{RecordingsConfig, Role, ServerConfig};
use tempfile::TempDir;

use crate::control::{ask, back_end, connect, production, refusal, room, token_of};
use crate::fixture::{Answer, Fixture, join_request, within, wrap};

/// A server that records, and where.
async fn recording() -> (Fixture, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let recordings = RecordingsConfig { folder: Some(home.path().join("recordings")), ..RecordingsConfig::default() };
    (Fixture::with(ServerConfig { recordings, ..production() }).await, home)
}

fn sign(grants: VideoGrants) -> String {
    AccessToken::with_api_key("devkey", "secret")
        .with_identity("back end")
        .with_grants(grants)
        .to_jwt()
        .unwrap()
}

async fn join(server: &Fixture, id: &str, who: Value) -> Answer {
    server.post(&format!("/api/rooms/{id}/join"), &who).await
}

async fn twirp(server: &Fixture, method: &str, body: Value) -> Answer {
    let token = sign(VideoGrants { room_create: true, room_record: true, ..Default::default() });
    ask(server, "POST", &format!("/twirp/livekit.{method}"), &token, body).await
}

/// Recordings of a room, once they are as expected.
async fn egresses(server: &Fixture, room: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    within(async {
        loop {
            let listed = twirp(server, "Egress/ListEgress", json!({ "roomName": room })).await;
            let items = listed.json()["items"].as_array().cloned().unwrap_or_default();
            if listed.status == 200 && holds(&items) {
                return items;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// What the log says of a room, once it has an event of this name.
async fn events(server: &Fixture, room: &str, name: &str) -> Vec<Value> {
    let token = sign(VideoGrants { room_list: true, ..Default::default() });
    within(async {
        loop {
            let page = ask(server, "GET", &format!("/api/events?room={room}"), &token, Value::Null).await.json();
            // Who asks all the time is told to wait.
            let told = page["events"].as_array().into_iter().flatten();
            let found: Vec<_> = told.filter(|told| told["kind"] == name).map(|told| told["event"].clone()).collect();
            if !found.is_empty() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_room_that_records_everybody_does_so_from_the_first_person_on() {
    let (server, home) = recording().await;
    let (id, _) = room(&server, json!({ "recording": { "auto": true } })).await;
    let looked = server.get(&format!("/api/rooms/{id}")).await.json();
    assert_eq!(looked["recording"], json!({ "auto": true, "consent": false }));
    assert_eq!((&looked["is_recorded"], &looked["asks_consent"]), (&json!(false), &json!(false)));
    assert_eq!(egresses(&server, &id, |_| true).await, [] as [Value; 0], "an empty room is not recorded");

    let token = token_of(&join(&server, &id, json!({ "name": "Ann" })).await);
    let mut ann = connect(&server, &token).await.unwrap();
    let is_told = |message: &told::Message| match message {
        told::Message::RoomUpdate(update) => update.room.as_ref().map(|room| room.active_recording),
        _ => None,
    };
    assert!(ann.wait(is_told).await, "whoever is recorded is told");
    let token = token_of(&join(&server, &id, json!({ "name": "Bob" })).await);
    let _bob = connect(&server, &token).await.unwrap();
    let [egress] = &egresses(&server, &id, |items| !items.is_empty()).await[..] else { panic!("once for all") };
    // What is EGRESS_STARTING, the first of all, proto3 leaves out.
    assert_eq!((&egress["status"], &egress["roomName"]), (&Value::Null, &json!(id)));
    assert_eq!(server.get(&format!("/api/rooms/{id}")).await.json()["is_recorded"], true);

    // It ends with the room; nothing was said, so there is nothing.
    let ended = ask(&server, "POST", &format!("/api/rooms/{id}/end"), &back_end(&id), Value::Null).await;
    assert_eq!(ended.status, 204, "{}", ended.body);
    egresses(&server, &id, |items| items.iter().any(|item| item["status"] == "EGRESS_ABORTED")).await;
    assert_eq!(std::fs::read_dir(home.path().join("recordings")).unwrap().count(), 1);
}

#[tokio::test]
async fn what_cannot_be_recorded_by_itself_is_told_and_keeps_nobody_out() {
    let (server, _home) = recording().await;
    let s3 = json!({ "accessKey": "key", "secret": "hush", "bucket": "b" });
    let composite = json!({ "fileOutputs": [{ "filepath": "x", "s3": s3 }], "layout": "sideways" });
    let asked = json!({ "name": "math", "egress": { "room": composite } });
    assert_eq!(twirp(&server, "RoomService/CreateRoom", asked).await.status, 200, "the room is made all the same");
    let _ada = server.join("math", "ada").await;
    let [event] = &events(&server, "math", "egress_ended").await[..] else { panic!("one") };
    let info = &event["egressInfo"];
    assert_eq!((&info["status"], &info["roomName"]), (&json!("EGRESS_FAILED"), &json!("math")));
    assert!(info["error"].as_str().unwrap().contains("layout"), "{info}");
    assert!(!info.to_string().contains("hush"));
    let [listed] = &egresses(&server, "math", |items| !items.is_empty()).await[..] else { panic!("one") };
    assert_eq!((&listed["egressId"], &listed["error"]), (&info["egressId"], &info["error"]));
}

#[tokio::test]
async fn a_token_says_that_its_room_is_recorded_also_where_it_was_set_up() {
    let (server, _home) = recording().await;
    let (id, _) = room(&server, json!({ "id": null })).await;
    // A lasting one: it opens when somebody comes.
    let token = sign(VideoGrants { room_create: true, ..Default::default() });
    let made = ask(&server, "POST", "/api/rooms", &token, json!({ "id": "lasting", "lasting": true })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    for (name, begins) in [("lasting", true), ("fresh", true), (id.as_str(), false)] {
        let composite =
            livekit_protocol::RoomCompositeEgressRequest { layout: "sideways".into(), ..Default::default() };
        let egress = livekit_protocol::RoomEgress { room: Some(composite), ..Default::default() };
        let config = livekit_protocol::RoomConfiguration { egress: Some(egress), ..Default::default() };
        let token = AccessToken::with_api_key("devkey", "secret")
            .with_identity("ada")
            .with_grants(VideoGrants { room_join: true, room: name.into(), ..Default::default() })
            .with_room_config(config);
        let target = format!("/rtc/v1?join_request={}", wrap(&join_request()));
        let mut ada = server.open(server.stream().await, &target, Some(&token.to_jwt().unwrap())).await.unwrap();
        ada.joined().await;
        match begins {
            true => drop(egresses(&server, name, |items| !items.is_empty()).await),
            // It was open already: only whoever makes a room says how.
            false => assert_eq!(egresses(&server, name, |_| true).await, [] as [Value; 0]),
        }
    }
}

#[tokio::test]
async fn who_joins_where_consent_is_asked_agrees_first_and_that_is_written_down() {
    let (server, _home) = recording().await;
    let settings = json!({ "recording": { "consent": true }, "password": "s3cret" });
    let (id, host_key) = room(&server, settings).await;
    let looked = server.get(&format!("/api/rooms/{id}")).await.json();
    assert_eq!((&looked["asks_consent"], &looked["is_recorded"]), (&json!(true), &json!(false)));

    let stranger = join(&server, &id, json!({ "name": "Ann", "consents_to_recording": true })).await;
    assert_eq!(refusal(&stranger), (401, "password_required".into()), "who may not come in is not asked");
    for (name, more) in [("Ann", json!("s3cret")), ("Host", Value::Null)] {
        let key = if more.is_null() { json!(host_key) } else { Value::Null };
        let mut who = json!({ "name": name, "password": more, "host_key": key });
        assert_eq!(refusal(&join(&server, &id, who.clone()).await), (409, "consent_required".into()), "{name}");
        who["consents_to_recording"] = json!(false);
        assert_eq!(refusal(&join(&server, &id, who.clone()).await), (409, "consent_required".into()), "{name}");
        who["consents_to_recording"] = json!(true);
        let token = token_of(&join(&server, &id, who).await);
        let _client = connect(&server, &token).await.unwrap();
    }
    // A back end lets people in as it likes, and has asked them itself.
    let _bob = server.join(&id, "bob").await;

    let looked = within(async {
        loop {
            let entered = events(&server, &id, "participant_entered").await;
            if entered.len() == 3 {
                return entered;
            }
        }
    });
    let consents: Vec<_> = looked
        .await
        .iter()
        .map(|event| event["participant"]["attributes"]["sluice.consent"].clone())
        .collect();
    assert_eq!(consents.iter().filter(|consent| consent.is_null()).count(), 1, "{consents:?}");
    let since_ms = |consent: &Value| consent.as_str().and_then(|at| at.parse::<u64>().ok());
    assert_eq!(consents.iter().filter_map(since_ms).filter(|at| *at > 1_700_000_000_000).count(), 2, "{consents:?}");
}

#[tokio::test]
async fn consent_is_asked_of_those_who_wait_also_when_that_was_decided_since() {
    let (server, _home) = recording().await;
    let (id, _) = room(&server, json!({ "lobby": true })).await;
    let knock = async |who: Value| {
        let waits = join(&server, &id, who).await;
        assert_eq!(waits.status, 202, "{}", waits.body);
        waits.json()["waiting"]["ticket"].as_str().unwrap().to_owned()
    };
    let (ann, bob) =
        (knock(json!({ "name": "Ann" })).await, knock(json!({ "name": "Bob", "consents_to_recording": true })).await);
    let asks = json!({ "recording": { "consent": true } });
    let changed = ask(&server, "PATCH", &format!("/api/rooms/{id}"), &back_end(&id), asks).await;
    assert_eq!((changed.status, &changed.json()["asks_consent"]), (200, &json!(true)));
    assert_eq!(refusal(&join(&server, &id, json!({ "name": "Carl" })).await), (409, "consent_required".into()));

    let admitted = ask(&server, "POST", &format!("/api/rooms/{id}/lobby/admit-all"), &back_end(&id), Value::Null).await;
    assert_eq!(admitted.json()["admitted"], 2);
    let stand = async |ticket: &str| server.get(&format!("/api/rooms/{id}/lobby/{ticket}")).await;
    let of_bob = stand(&bob).await;
    assert_eq!(of_bob.json()["state"], "admitted", "{}", of_bob.body);
    let claims = of_bob.json()["token"].as_str().unwrap().to_owned();
    let _bob = connect(&server, &claims).await.unwrap();
    assert_eq!(refusal(&stand(&ann).await), (404, "ticket_not_found".into()), "she knocks again, and is asked then");
}

#[tokio::test]
async fn who_may_not_record_does_not_decide_that_it_happens_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let recordings = RecordingsConfig { folder: Some(home.path().join("recordings")), ..RecordingsConfig::default() };
    let moderator = Role { moderate: true, record: false, ..Role::default() };
    let roles = [("moderator".to_owned(), moderator)].into();
    let server = Fixture::with(ServerConfig { recordings, roles, ..production() }).await;
    let token = sign(VideoGrants { room_create: true, ..Default::default() });
    let settings = json!({ "id": "math", "default_role": "moderator", "recording": { "consent": true } });
    assert_eq!(ask(&server, "POST", "/api/rooms", &token, settings).await.status, 201);
    let token = token_of(&join(&server, "math", json!({ "name": "Mo", "consents_to_recording": true })).await);
    let _mo = connect(&server, &token).await.unwrap();
    let change = async |token: &str, recording: Value| {
        ask(&server, "PATCH", "/api/rooms/math", token, json!({ "recording": recording })).await
    };
    for recording in [json!({ "auto": true }), json!({ "consent": false })] {
        assert_eq!(refusal(&change(&token, recording).await), (403, "not_permitted".into()));
    }
    let changed = change(&back_end("math"), json!({ "auto": true })).await;
    assert_eq!(changed.json()["recording"], json!({ "auto": true, "consent": true }), "what is left out stays");
    let refused = server.trail().iter().any(|entry| entry.to_string().contains("room.update"));
    assert!(refused, "the trail has it");
}

#[tokio::test]
async fn nobody_is_told_that_a_room_is_recorded_where_nothing_is() {
    let server = Fixture::start().await;
    let wanted = json!({ "recording": { "auto": true } });
    assert_eq!(refusal(&server.post("/api/rooms", &wanted).await), (409, "recordings_disabled".into()));
    // Recorders of others may come, and people may be asked for them.
    let (id, _) = room(&server, json!({ "recording": { "consent": true } })).await;
    let changed = ask(&server, "PATCH", &format!("/api/rooms/{id}"), &back_end(&id), wanted).await;
    assert_eq!(refusal(&changed), (409, "recordings_disabled".into()));
}
