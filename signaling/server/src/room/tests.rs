//! Rooms and the log they write to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use livekit_protocol::JoinRequest;
use sluice_node::NodeConfig;
use sluice_rooms::{Arrival, ConnectionId, Grants, SignalVersion};
use sluice_store::{Store, StoreOptions};
use tempfile::TempDir;

use super::*;
use crate::events::{self, EventTasks};
use crate::signal::outbox::outbox;

/// Events that may wait in these tests.
const PLACES: usize = 8;

fn lock(locked: bool) -> Option<Moderation> {
    Some(Moderation::SetEntry { locked: Some(locked), lobby: None })
}

/// No room yet, the store behind their log, and what has to stay for as long as that is written.
async fn no_rooms() -> (Arc<Rooms>, Store, (EventTasks, TempDir)) {
    let home = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", home.path().join("sluice.db").display());
    let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    let config = ServerConfig::development();
    let keys = Arc::new(Keys::new(&config).unwrap());
    let bind = vec!["127.0.0.1:0".parse().unwrap()];
    let node = Node::start(&NodeConfig { workers: 1, bind, ..NodeConfig::default() }, &registry).unwrap();
    let (log, tasks) = events::open_with(PLACES, &config, &store, &metrics).await.unwrap();
    (Rooms::new(config, node, keys, metrics, log), store, (tasks, home))
}

/// Somebody else holds the database for a while. What is done meanwhile is not acknowledged; when the log goes on, the next
/// act is, also in a room whose beginning was lost.
#[tokio::test]
async fn what_was_lost_is_told_to_who_did_it_and_to_nobody_after() {
    let (rooms, store, _held) = no_rooms().await;
    rooms.open("math", RoomWish::default()).unwrap();
    rooms.written("math").await.unwrap();

    let held = store.begin().await.unwrap();
    let mut locked = false;
    loop {
        locked = !locked;
        let (_, mark) = rooms.ask("math", lock(locked), Show::Room).await.unwrap();
        if mark.is_lost() {
            break;
        }
    }
    rooms.open("physics", RoomWish::default()).unwrap();
    assert_eq!(rooms.written("physics").await, Err(AdministerError::NotWritten), "its beginning found no place");
    drop(held);
    let marked = async {
        loop {
            let events = store.events(0, Some(&"physics".into()), 10).await.unwrap().events;
            if events.iter().any(|event| event.kind.as_str() == "events_lost") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), marked).await.expect("the gap is marked");

    for room in ["math", "physics"] {
        let done = rooms.administer(room, lock(room == "physics" || !locked), Show::Room).await;
        assert!(done.is_ok(), "{room}: {done:?}");
        assert_eq!(rooms.written(room).await, Ok(()), "{room}");
    }
}

/// Else a stranger would keep a room for ever.
#[tokio::test]
async fn who_waits_at_the_door_of_a_room_is_not_in_it() {
    let (rooms, _store, _held) = no_rooms().await;
    let entry = sluice_rooms::Entry { lobby: true, locked: false };
    let math = rooms.open("math", RoomWish { entry, ..RoomWish::default() }).unwrap();
    let knock = Moderation::Knock { ticket: "T1".into(), identity: "mallory".into(), name: "Mallory".into() };
    rooms.administer("math", Some(knock), Show::Room).await.unwrap();
    assert_eq!(rooms.look("math", |room| room.waiting().len()).await, Some(1));
    assert!(rooms.occupied().is_empty());

    let grants = Grants { identity: "ada".into(), ..Grants::default() };
    let (connection, version) = (ConnectionId(1), SignalVersion::V1);
    let arrival = Box::new(Arrival { connection, version, grants, request: JoinRequest::default() });
    let (outbox, _outgoings) = outbox();
    assert!(math.send(ToRoom::Join { arrival, outbox }).await);
    assert_eq!(rooms.look("math", |room| room.occupancy()).await, Some(1));
    assert_eq!(rooms.occupied(), ["math"]);
}
