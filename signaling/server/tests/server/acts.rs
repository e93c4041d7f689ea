//! What hosts do at the same moment, and what becomes of it when one of them hangs up in the middle.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_server::ServerConfig;
use sluice_store::Store;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::fixture::{Answer, Fixture, open_store, within};
use crate::oidc::{begin, house};
use crate::provider::{IdProvider, Signer};

/// A server with a room, and its store.
async fn with_room() -> (Fixture, TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let server = Fixture::over(store.clone(), ServerConfig::development()).await;
    let made = server.post("/api/rooms", &json!({ "id": "math", "lasting": true })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    (server, home, store)
}

/// Waits until so many deeds of that name stand in the trail.
async fn deeds(server: &Fixture, what: &str, number: usize) {
    within(async {
        while server.trail().iter().filter(|record| record["what"] == what).count() < number {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Waits until there are no more connections than that, the one that asks among them.
async fn connections(server: &Fixture, most: f64) {
    within(async {
        while server.metric("sluice_http_connections", "").await > most {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn change(server: &Fixture, change: Value) -> Answer {
    server.request("PATCH", "/api/rooms/math", &[], &change.to_string()).await
}

#[tokio::test]
async fn what_two_hosts_change_at_once_is_both_changed() {
    let (server, _home, store) = with_room().await;
    // Nobody writes until both have read.
    let held = store.begin().await.unwrap();
    let release = async {
        deeds(&server, "room.update", 2).await;
        drop(held);
    };
    let (named, locked, ()) = tokio::join!(
        change(&server, json!({ "name": "Algebra" })),
        change(&server, json!({ "locked": true })),
        release
    );
    assert_eq!((named.status, locked.status), (200, 200), "{} {}", named.body, locked.body);
    let room = server.get("/api/rooms/math").await.json();
    assert_eq!((&room["name"], &room["locked"]), (&json!("Algebra"), &json!(true)));
}

#[tokio::test]
async fn who_changes_a_room_that_is_deleted_meanwhile_does_not_bring_it_back() {
    let (server, _home, store) = with_room().await;
    let mut held = store.begin().await.unwrap();
    held.delete_room(&"math".into()).await.unwrap();
    let release = async {
        deeds(&server, "room.update", 1).await;
        held.commit().await.unwrap();
    };
    let (named, ()) = tokio::join!(change(&server, json!({ "name": "Algebra" })), release);
    assert_eq!((named.status, named.error_code().as_str()), (404, "room_not_found"));
    assert_eq!(server.get("/api/rooms/math").await.status, 404);
}

/// It waits to be written down while the room is deleted.
#[tokio::test]
async fn what_was_said_last_in_a_room_is_forgotten_with_it() {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let server = Fixture::over(store.clone(), ServerConfig::development()).await;
    let settings = json!({ "id": "math", "lasting": true, "keeps_chat": true });
    assert_eq!(server.post("/api/rooms", &settings).await.status, 201);
    let _ada = server.join("math", "ada").await;
    let say = async |what: &str| server.post("/api/rooms/math/chat", &json!({ "message": what })).await;
    assert_eq!(say("hello").await.json()["sequence"], 1);
    // Nobody writes until the room is on its way out and somebody has said something in it.
    let held = store.begin().await.unwrap();
    let last_word = async {
        deeds(&server, "room.delete", 1).await;
        say("between us").await
    };
    let release = async {
        server.counts("sluice_room_events_total", "chat_message", 2.0).await;
        drop(held);
    };
    let forget = server.request("DELETE", "/api/rooms/math", &[], "");
    let (forgotten, _, ()) = tokio::join!(forget, last_word, release);
    assert_eq!(forgotten.status, 204, "{}", forgotten.body);
    assert_eq!(store.messages(&"math".into(), 0, 9).await.unwrap(), []);
    assert_eq!(server.post("/api/rooms", &settings).await.status, 201);
    assert_eq!(server.get("/api/rooms/math/chat").await.json()["messages"], json!([]));
}

#[tokio::test]
async fn who_hangs_up_in_the_middle_halves_nothing() {
    let (server, _home, store) = with_room().await;
    let mut mallory = server.join("math", "mallory").await;
    let held = store.begin().await.unwrap();
    let others = server.metric("sluice_http_connections", "").await;
    let mut host = server.stream().await;
    let body = json!({ "keep_out": true }).to_string();
    let request = format!(
        "POST /api/rooms/math/participants/mallory/remove HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    host.write_all(request.as_bytes()).await.unwrap();
    deeds(&server, "participant.keep_out", 1).await;
    drop(host);
    connections(&server, others).await;
    drop(held);

    assert!(mallory.closed().await.is_some() || mallory.frame().await.is_none());
    let bans = server.get("/api/rooms/math/bans").await.json();
    assert_eq!(bans["bans"][0]["subject"], "mallory");
    let results: Vec<_> = server.trail().iter().filter(|record| record["room"] == "math").cloned().collect();
    assert!(results.iter().all(|record| record["result"] == "done"), "{results:?}");
}

/// The way back from a provider is a GET.
#[tokio::test]
async fn who_closes_the_tab_on_the_way_back_from_a_provider_is_known_all_the_same() {
    let provider = IdProvider::start(Signer::es256()).await;
    let house = house(provider.config()).await;
    let begun = begin(&house, "/").await;
    let (_, code) = provider.sign_in(&begun.location, "ada", &json!({ "preferred_username": "ada" }));
    let others = house.server.metric("sluice_http_connections", "").await;
    let held = house.store.begin().await.unwrap();
    let mut browser = house.server.stream().await;
    let (target, ticket) = (begun.way_back(&code), &begun.ticket);
    let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\ncookie: {ticket}\r\n\r\n");
    browser.write_all(request.as_bytes()).await.unwrap();
    deeds(&house.server, "account.create", 1).await;
    drop(browser);
    connections(&house.server, others).await;
    drop(held);

    // What follows the account.
    deeds(&house.server, "account.login", 1).await;
    assert_eq!(house.directory.find("ada").await.unwrap().name, "ada");
    assert!(house.server.trail().iter().all(|record| record["result"] == "done"));
}

#[tokio::test]
async fn who_hangs_up_before_the_end_of_a_request_has_asked_for_nothing() {
    let (server, _home, _store) = with_room().await;
    let others = server.metric("sluice_http_connections", "").await;
    let mut host = server.stream().await;
    let request = "PATCH /api/rooms/math HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                   content-length: 100\r\n\r\n{\"locked\":true}";
    host.write_all(request.as_bytes()).await.unwrap();
    drop(host);
    connections(&server, others).await;
    assert_eq!(server.get("/api/rooms/math").await.json()["locked"], false);
    assert!(server.trail().iter().all(|record| record["what"] != "room.update"));
}

#[tokio::test]
async fn all_who_are_kept_out_are_listed_page_by_page_and_let_in_with_the_room() {
    let (server, _home, store) = with_room().await;
    for identity in ["mallory", "trudy", "eve"] {
        let target = format!("/api/rooms/math/participants/{identity}/remove");
        let kept_out = server.post(&target, &json!({ "keep_out": true })).await;
        assert_eq!(kept_out.status, 204, "{}", kept_out.body);
    }
    let mut subjects = Vec::new();
    let mut target = "/api/rooms/math/bans?limit=2".to_owned();
    loop {
        let page = server.get(&target).await.json();
        let bans = page["bans"].as_array().unwrap();
        assert!(bans.len() <= 2);
        subjects.extend(bans.iter().map(|ban| ban["subject"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        target = format!("/api/rooms/math/bans?limit=2&after={next}");
    }
    subjects.sort_unstable();
    assert_eq!(subjects, ["eve", "mallory", "trudy"]);
    let bad = server.get("/api/rooms/math/bans?after=yesterday").await;
    assert_eq!((bad.status, bad.error_code().as_str()), (400, "bad_after"));

    assert_eq!(server.request("DELETE", "/api/rooms/math", &[], "").await.status, 204);
    assert_eq!(store.bans(Some(&"math".into()), None, 9).await.unwrap(), []);
}
