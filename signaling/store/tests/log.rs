//! The event log: its numbers, its readers, what is deleted and what is forgotten, and a copy of all of it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "tests")]

mod databases;

use std::collections::BTreeMap;
use std::time::Duration;

use databases::Database;
use sluice_store::outbox::Receiver;
use sluice_store::{
    Erased, EventKind, Lifetime, NewChatMessage, NewEvent, NewSession, Person, Quality, QualitySample, RefreshToken,
    Retention, Room, Sender, SessionKind, SessionState, Stay, Store, StoreError, StoreOptions, Swept, UnixMillis, User,
};

const NOW: UnixMillis = UnixMillis(1_795_000_000_000);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn event(room: Option<&str>, kind: &str, at: UnixMillis, subjects: &[&str]) -> NewEvent {
    NewEvent {
        kind: kind.into(),
        at,
        room: room.map(Into::into),
        session: Some("S1".into()),
        subjects: subjects.iter().map(|subject| (*subject).into()).collect(),
        payload: format!("{{\"event\":\"{kind}\",\"who\":{subjects:?}}}"),
        webhook: true,
    }
}

fn receiver(id: &str) -> Receiver {
    Receiver { id: id.into(), url: format!("https://{id}.example/hook"), api_key: "key".to_owned() }
}

async fn numbers(store: &Store, after: u64) -> Vec<u64> {
    store
        .events(after, None, 1_000)
        .await
        .unwrap()
        .events
        .iter()
        .map(|event| event.number)
        .collect()
}

#[tokio::test]
async fn events_are_numbered_in_all_and_in_their_room() {
    for database in Database::all().await {
        let store = database.open().await;
        assert_eq!(store.last_event().await.unwrap(), 0);
        for (room, expected) in [(Some("a"), 1), (Some("b"), 2), (None, 3), (Some("a"), 4)] {
            assert_eq!(store.append(&event(room, "room_started", NOW, &[])).await.unwrap(), expected);
        }
        let page = store.events(1, None, 2).await.unwrap();
        assert_eq!(page.events.iter().map(|event| event.number).collect::<Vec<_>>(), [2, 3], "{}", database.name);
        assert!(page.more);
        assert_eq!(page.oldest, Some(1));
        let page = store.events(3, None, 2).await.unwrap();
        assert!(!page.more);
        let of_a = store.events(0, Some(&"a".into()), 9).await.unwrap().events;
        let sequences: Vec<_> = of_a.iter().map(|event| (event.number, event.room_sequence)).collect();
        assert_eq!(sequences, [(1, Some(1)), (4, Some(2))]);
        assert_eq!(of_a[0].payload, "{\"event\":\"room_started\",\"who\":[]}");
        assert_eq!(store.last_event().await.unwrap(), 4);
        store.close().await;
    }
}

#[tokio::test]
async fn an_event_is_there_when_what_it_tells_of_is() {
    for database in Database::all().await {
        let store = database.open().await;
        let session = NewSession {
            id: "S1".into(),
            room: "a".into(),
            kind: SessionKind::Instant,
            scheduled: None,
            companion: None,
        };
        let mut transaction = store.begin().await.unwrap();
        transaction.open_session(&session, NOW).await.unwrap();
        assert_eq!(transaction.append(&event(Some("a"), "room_started", NOW, &[])).await.unwrap(), 1);
        drop(transaction);
        assert_eq!(numbers(&store, 0).await, [] as [u64; 0], "{}", database.name);
        assert_eq!(store.session(&"S1".into()).await.unwrap(), None);
        // The number was not used up: there are no holes.
        assert_eq!(store.append(&event(Some("a"), "room_started", NOW, &[])).await.unwrap(), 1);
        store.close().await;
    }
}

/// Twelve writers, of which each third gives up, and a reader that follows: it sees every number, each once, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_follows_misses_nothing() {
    for database in Database::all().await {
        let store = database.open_with(&StoreOptions { connections: 6, ..StoreOptions::default() }).await;
        let writers: Vec<_> = (0..12)
            .map(|writer| {
                let store = store.clone();
                tokio::spawn(async move {
                    for turn in 0..5 {
                        let mut transaction = store.begin().await.unwrap();
                        let room = format!("r{}", (writer + turn) % 3);
                        transaction.append(&event(Some(&room), "track_published", NOW, &["ann"])).await.unwrap();
                        if writer % 3 > 0 {
                            transaction.commit().await.unwrap();
                        }
                    }
                })
            })
            .collect();
        let mut seen = Vec::new();
        while seen.len() < 40 {
            let after = seen.last().copied().unwrap_or(0);
            seen.extend(numbers(&store, after).await);
        }
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(seen, (1..=40).collect::<Vec<_>>(), "{}", database.name);
        assert_eq!(store.check().await.unwrap(), [] as [String; 0], "{}", database.name);
        store.close().await;
    }
}

#[tokio::test]
async fn each_kind_is_kept_for_its_time_and_what_is_owed_for_longer() {
    for database in Database::all().await {
        let store = database.open().await;
        store.set_receivers(&[receiver("crm")]).await.unwrap();
        let old = NOW.minus(DAY * 40);
        let quiet = |kind: &str, at: UnixMillis| NewEvent { webhook: false, ..event(Some("a"), kind, at, &["ann"]) };
        store.append(&quiet("room_started", old)).await.unwrap();
        store.append(&event(Some("a"), "room_finished", old, &[])).await.unwrap(); // owed
        store.append(&quiet("moderation", old)).await.unwrap(); // kept for a year
        store.append(&quiet("room_started", NOW.minus(DAY))).await.unwrap();
        store.append(&quiet("speaking", NOW.minus(DAY * 2))).await.unwrap(); // kept for a day

        let year = Some(DAY * 365);
        let retention = Retention {
            events_of_kind: BTreeMap::from([
                (EventKind::from("moderation"), year),
                (EventKind::from("speaking"), Some(DAY)),
            ]),
            ..Retention::default()
        };
        let swept = store.sweep(&retention, NOW).await.unwrap();
        assert_eq!(swept, Swept { events: 2, ..Swept::default() }, "{}", database.name);
        assert_eq!(numbers(&store, 0).await, [2, 3, 4]);
        assert_eq!(store.events(0, None, 9).await.unwrap().oldest, Some(2));

        // Settled, it may go; its number is not given to another.
        let delivery = store.claim(&"crm".into(), &"L".into(), NOW, NOW.plus(DAY), 9).await.unwrap().remove(0);
        assert!(store.settle(&delivery, sluice_store::outbox::Settlement::Delivered, NOW).await.unwrap());
        assert_eq!(store.sweep(&retention, NOW).await.unwrap().events, 1);
        assert_eq!(store.append(&quiet("room_started", NOW)).await.unwrap(), 6);
        let forever = Retention { events: None, ..Retention::default() };
        assert_eq!(store.sweep(&forever, NOW.plus(DAY * 999)).await.unwrap().events, 0);
        store.close().await;
    }
}

/// Ann and Bob in a session, with everything that is kept of them.
async fn a_life(store: &Store, at: UnixMillis) {
    let mut transaction = store.begin().await.unwrap();
    let user = User {
        id: "U1".into(),
        login: "ann".to_owned(),
        name: "Ann".to_owned(),
        password_hash: None,
        foreign: None,
        roles: Vec::new(),
        disabled: false,
        created: at,
        updated: at,
    };
    transaction.create_user(&user).await.unwrap();
    let room = Room {
        name: "a".into(),
        title: String::new(),
        lifetime: Lifetime::Lasting,
        settings: serde_json::json!({}),
        password_hash: None,
        lobby: false,
        locked: false,
        guests: true,
        keeps_chat: true,
        max_participants: 0,
        default_roles: Vec::new(),
        created_by: None,
        created: at,
        updated: at,
    };
    transaction.create_room(&room).await.unwrap();
    let token = RefreshToken { user: "U1".into(), family: "F".into(), issued: at, expires: at.plus(DAY) };
    transaction.give_refresh_token("secret", &token).await.unwrap();
    let session =
        NewSession { id: "S1".into(), room: "a".into(), kind: SessionKind::Instant, scheduled: None, companion: None };
    transaction.open_session(&session, at).await.unwrap();
    for (participant, identity, user) in [("PA_1", "ann", Some("U1")), ("PA_2", "bob", None)] {
        let stay = Stay {
            participant: participant.into(),
            identity: identity.into(),
            user: user.map(Into::into),
            name: identity.to_owned(),
            role: "participant".to_owned(),
            joined: at,
            left: None,
            left_because: None,
        };
        transaction.join_session(&"S1".into(), &stay).await.unwrap();
        let message = NewChatMessage {
            id: format!("m-{identity}").into(),
            room: "a".into(),
            session: Some("S1".into()),
            identity: identity.into(),
            user: user.map(Into::into),
            sender: Sender::User,
            message: format!("I am {identity}"),
            audio_url: None,
            at,
        };
        transaction.keep_message(&message).await.unwrap();
        let sample = QualitySample {
            participant: participant.into(),
            at,
            bitrate_bps: 1,
            frame_rate: 1.0,
            resolution: String::new(),
            packet_loss_percent: 0.0,
            latency_ms: 0.0,
            jitter_ms: 0.0,
            quality: Quality::Fair,
        };
        transaction.keep_quality(&"S1".into(), &[sample]).await.unwrap();
        transaction
            .append(&event(Some("a"), "participant_joined", at, &[identity]))
            .await
            .unwrap();
    }
    transaction
        .append(&event(Some("a"), "participant_muted", at, &["bob", "ann"]))
        .await
        .unwrap();
    transaction.move_session(&"S1".into(), SessionState::Ended, at).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_person_is_forgotten_and_others_are_not() {
    for database in Database::all().await {
        let store = database.open().await;
        store.set_receivers(&[receiver("crm"), receiver("log")]).await.unwrap();
        a_life(&store, NOW).await;
        let person = Person { identities: Vec::new(), user: Some("U1".into()) };
        let erased = store.erase(&person, NOW).await.unwrap();
        assert_eq!(erased, Erased { messages: 1, stays: 1, events: 2, account: true }, "{}", database.name);

        assert_eq!(store.user(&"U1".into()).await.unwrap(), None);
        let messages = store.messages(&"a".into(), 0, 9).await.unwrap();
        assert_eq!(messages.iter().map(|kept| kept.sent.message.as_str()).collect::<Vec<_>>(), ["I am bob"]);
        let stays = store.stays(&"S1".into()).await.unwrap();
        assert_eq!((stays[0].identity.as_str(), stays[0].name.as_str(), &stays[0].user), ("", "", &None));
        assert_eq!(stays[1].identity.as_str(), "bob");
        let session = store.session(&"S1".into()).await.unwrap().unwrap();
        assert_eq!((session.transcript_preview.as_str(), session.message_count), ("", 2));
        let events = store.events(0, None, 9).await.unwrap().events;
        let payloads: Vec<_> = events.iter().map(|event| (event.erased, event.payload.contains("ann"))).collect();
        assert_eq!(payloads, [(true, false), (false, false), (true, false)]);
        // Webhooks owed for those events are dropped; what is about Bob alone is delivered.
        let standings = store.outbox().await.unwrap();
        assert!(standings.iter().all(|standing| (standing.pending, standing.dropped) == (1, 2)), "{standings:?}");
        let owed = store.claim(&"crm".into(), &"L".into(), NOW, NOW.plus(DAY), 9).await.unwrap();
        assert_eq!(owed[0].event.number, 2);
        assert_eq!(store.check().await.unwrap(), [] as [String; 0], "{}", database.name);
        let nothing = store.erase(&person, NOW).await.unwrap();
        assert_eq!(nothing, Erased::default());
        store.close().await;
    }
}

#[tokio::test]
async fn what_has_been_kept_for_long_enough_goes() {
    for database in Database::all().await {
        let store = database.open().await;
        a_life(&store, NOW).await;
        let nothing = store.sweep(&Retention::default(), NOW.plus(DAY)).await.unwrap();
        assert_eq!(nothing, Swept::default(), "{}", database.name);
        let week = store.sweep(&Retention::default(), NOW.plus(DAY * 8)).await.unwrap();
        assert_eq!(week, Swept { samples: 2, expired: 1, ..Swept::default() }, "{}", database.name);
        let month = store.sweep(&Retention::default(), NOW.plus(DAY * 31)).await.unwrap();
        assert_eq!(month, Swept { events: 3, messages: 2, sessions: 1, ..Swept::default() });
        assert!(store.stays(&"S1".into()).await.unwrap().is_empty());
        store.close().await;
    }
}

#[tokio::test]
async fn a_backup_is_a_store_of_that_moment() {
    for database in Database::all().await {
        let store = database.open().await;
        a_life(&store, NOW).await;
        let copy = database.directory.path().join("it's a copy.sqlite");
        let backup = store.backup(&copy).await;
        if database.name == "PostgreSQL" {
            assert!(matches!(backup, Err(StoreError::BackupElsewhere)));
            assert!(backup.unwrap_err().to_string().contains("pg_dump"));
            continue;
        }
        backup.unwrap();
        store.append(&event(Some("a"), "room_finished", NOW, &[])).await.unwrap();
        assert!(matches!(store.backup(&copy).await, Err(StoreError::Exists { what: "file" })));

        let copied = Store::open(&format!("sqlite:{}", copy.display()), &StoreOptions::default())
            .await
            .unwrap();
        assert_eq!(numbers(&copied, 0).await, [1, 2, 3]);
        assert_eq!(numbers(&store, 0).await, [1, 2, 3, 4]);
        assert_eq!(copied.check().await.unwrap(), [] as [String; 0]);
        copied.close().await;
        store.close().await;
    }
}

/// The new version makes the copy, before it is started and changes the tables.
#[tokio::test]
async fn a_copy_from_before_an_upgrade_is_what_the_old_version_wrote() {
    use sqlx::{Connection as _, SqliteConnection};
    let home = tempfile::tempdir().unwrap();
    let (old, copy) = (home.path().join("old.sqlite"), home.path().join("copy.sqlite"));
    let mut written = SqliteConnection::connect(&format!("sqlite:{}?mode=rwc", old.display())).await.unwrap();
    sqlx::query("CREATE TABLE of_the_old_version (x)").execute(&mut written).await.unwrap();
    written.close().await.unwrap();
    sluice_store::Store::backup_of(&old, &copy).await.unwrap();
    for file in [&old, &copy] {
        let mut read = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_master").fetch_all(&mut read).await.unwrap();
        assert_eq!(tables, ["of_the_old_version"]);
    }
}
