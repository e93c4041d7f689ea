//! What is kept comes back as it was, on either database.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "tests")]

mod databases;

use std::time::Duration;

use databases::Database;
use sluice_store::{
    BANS_OF_A_ROOM, Ban, BanSubject, DeedState, ForeignAccount, Identity, Lifetime, NewChatMessage, NewSession,
    OwedDeed, PasswordHash, Phase, Quality, QualitySample, RefreshToken, Retention, Room, RoomName, Rotation, Sender,
    SessionId, SessionKind, SessionState, Stay, Store, StoreError, StoreOptions, Successor, Swept, UnixMillis, User,
    UserId,
};
use sqlx::{Connection as _, SqliteConnection};

const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

fn later(seconds: u64) -> UnixMillis {
    NOW.plus(Duration::from_secs(seconds))
}

fn room(name: &str) -> Room {
    Room {
        name: name.into(),
        title: "Füße & Zeug 🎥".to_owned(),
        lifetime: Lifetime::Lasting,
        settings: serde_json::json!({"last_cameras": 9, "codecs": ["vp9"]}),
        password_hash: None,
        lobby: true,
        locked: false,
        guests: true,
        keeps_chat: true,
        max_participants: u32::MAX,
        default_roles: vec!["participant".to_owned(), "patient".to_owned()],
        created_by: Some("ann".to_owned()),
        created: NOW,
        updated: NOW,
    }
}

fn ban(id: &str, room: Option<&str>, subject: BanSubject, expires: Option<u64>) -> Ban {
    Ban {
        id: id.into(),
        room: room.map(RoomName::from),
        subject,
        account: None,
        reason: "shouting".to_owned(),
        banned_by: "host".to_owned(),
        created: NOW,
        expires: expires.map(later),
    }
}

fn user(id: &str, login: &str) -> User {
    User {
        id: id.into(),
        login: login.to_owned(),
        name: "Ann".to_owned(),
        password_hash: None,
        foreign: None,
        roles: vec!["host".to_owned()],
        disabled: false,
        created: NOW,
        updated: NOW,
    }
}

fn stay(participant: &str, identity: &str, at: UnixMillis) -> Stay {
    Stay {
        participant: participant.into(),
        identity: identity.into(),
        user: None,
        name: identity.to_uppercase(),
        role: "participant".to_owned(),
        joined: at,
        left: None,
        left_because: None,
    }
}

#[tokio::test]
async fn rooms_are_kept() {
    for database in Database::all().await {
        let store = database.open().await;
        let mut lobby = room("lobby");
        store.create_room(&lobby).await.unwrap();
        assert_eq!(store.room(&lobby.name).await.unwrap().as_ref(), Some(&lobby), "{}", database.name);
        assert!(matches!(store.create_room(&lobby).await, Err(StoreError::Exists { what: "room" })));

        lobby.password_hash = Some(PasswordHash::new("open sesame", [1; 16]).await.unwrap());
        lobby.lifetime = Lifetime::Temporary { expires: later(60) };
        lobby.locked = true;
        let seen = std::mem::replace(&mut lobby.updated, later(1));
        store.update_room(&lobby, seen).await.unwrap();
        let late = store.update_room(&room("lobby"), seen).await;
        assert!(matches!(late, Err(StoreError::Conflict { .. })), "{}: {late:?}", database.name);
        let mut transaction = store.begin().await.unwrap();
        transaction.prolong_room(&lobby.name, later(10)).await.unwrap();
        transaction.prolong_room(&lobby.name, later(90)).await.unwrap();
        transaction.commit().await.unwrap();
        lobby.lifetime = Lifetime::Temporary { expires: later(90) };
        let stored = store.room(&lobby.name).await.unwrap().unwrap();
        assert_eq!(stored, lobby);
        assert!(stored.password_hash.unwrap().matches("open sesame").await.unwrap());

        store.create_room(&room("a")).await.unwrap();
        store.create_room(&room("b")).await.unwrap();
        let page = store.rooms(Some(&RoomName::from("a")), 1).await.unwrap();
        assert_eq!(page.iter().map(|room| room.name.as_str()).collect::<Vec<_>>(), ["b"]);
        assert!(store.delete_room(&lobby.name).await.unwrap());
        assert!(!store.delete_room(&lobby.name).await.unwrap());
        let gone = store.update_room(&lobby, lobby.updated).await;
        assert!(matches!(gone, Err(StoreError::Missing { what: "room" })));
        store.close().await;
    }
}

#[tokio::test]
async fn a_session_is_told_from_its_beginning_to_its_end() {
    for database in Database::all().await {
        let store = database.open().await;
        let id = SessionId::from("S1");
        let session = NewSession {
            id: id.clone(),
            room: "lobby".into(),
            kind: SessionKind::Appointment,
            scheduled: Some(later(100)),
            companion: Some("tutor".to_owned()),
        };
        let mut transaction = store.begin().await.unwrap();
        transaction.open_session(&session, NOW).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(store.session(&id).await.unwrap().unwrap().phase, Phase::Scheduled);

        let mut transaction = store.begin().await.unwrap();
        transaction
            .move_session(&id, SessionState::WaitingForParticipants, later(100))
            .await
            .unwrap();
        transaction.join_session(&id, &stay("PA_1", "ann", later(101))).await.unwrap();
        transaction.join_session(&id, &stay("PA_2", "bob", later(102))).await.unwrap();
        transaction.move_session(&id, SessionState::Connected, later(102)).await.unwrap();
        transaction
            .leave_session(&id, &"PA_1".into(), "CLIENT_INITIATED", later(110))
            .await
            .unwrap();
        transaction.commit().await.unwrap();

        let mut transaction = store.begin().await.unwrap();
        let again = transaction.leave_session(&id, &"PA_1".into(), "CLIENT_INITIATED", later(111)).await;
        assert!(matches!(again, Err(StoreError::Missing { .. })));
        drop(transaction);

        let mut transaction = store.begin().await.unwrap();
        transaction.move_session(&id, SessionState::Ended, later(200)).await.unwrap();
        transaction.commit().await.unwrap();
        let session = store.session(&id).await.unwrap().unwrap();
        assert_eq!((session.phase, session.state), (Phase::Ended, SessionState::Ended));
        assert_eq!(session.duration(), Some(Duration::from_secs(100)), "{}", database.name);
        assert_eq!(session.companion.as_deref(), Some("tutor"));
        let stays = store.stays(&id).await.unwrap();
        assert_eq!(stays[0].duration(), Some(Duration::from_secs(9)));
        assert_eq!((stays[1].left, stays[1].left_because.as_deref()), (Some(later(200)), Some("ROOM_CLOSED")));

        let mut transaction = store.begin().await.unwrap();
        let after = transaction.move_session(&id, SessionState::Connected, later(201)).await;
        assert!(matches!(after, Err(StoreError::Conflict { .. })));
        drop(transaction);
        store.close().await;
    }
}

#[tokio::test]
async fn what_a_killed_server_left_open_is_ended() {
    for database in Database::all().await {
        let store = database.open().await;
        let mut transaction = store.begin().await.unwrap();
        for (id, room) in [("S1", "lobby"), ("S2", "other")] {
            let session = NewSession {
                id: id.into(),
                room: room.into(),
                kind: SessionKind::Instant,
                scheduled: None,
                companion: None,
            };
            transaction.open_session(&session, NOW).await.unwrap();
            transaction.join_session(&id.into(), &stay("PA_1", "ann", later(5))).await.unwrap();
        }
        transaction.commit().await.unwrap();

        let mut transaction = store.begin().await.unwrap();
        let ended = transaction.end_interrupted_sessions(Some(&"lobby".into())).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(ended, [SessionId::from("S1")], "{}", database.name);
        let session = store.session(&"S1".into()).await.unwrap().unwrap();
        assert_eq!((session.state, session.ended), (SessionState::Failed, Some(later(5))));
        let stay = &store.stays(&"S1".into()).await.unwrap()[0];
        assert_eq!((stay.left, stay.left_because.as_deref()), (Some(later(5)), Some("INTERRUPTED")));
        assert_eq!(store.session(&"S2".into()).await.unwrap().unwrap().phase, Phase::Active);
        store.close().await;
    }
}

#[tokio::test]
async fn sessions_are_listed_newest_first() {
    for database in Database::all().await {
        let store = database.open().await;
        let mut transaction = store.begin().await.unwrap();
        // Two at the same moment: a page may end between them.
        for (number, at) in [(1, 0), (2, 10), (3, 10), (4, 20)] {
            let session = NewSession {
                id: format!("S{number}").into(),
                room: "lobby".into(),
                kind: SessionKind::Instant,
                scheduled: None,
                companion: None,
            };
            transaction.open_session(&session, later(at)).await.unwrap();
        }
        transaction.commit().await.unwrap();
        let mut seen = Vec::new();
        let mut last = None;
        while let Some(session) = store.sessions(Some(&"lobby".into()), last.as_ref(), 1).await.unwrap().pop() {
            seen.push(session.id.to_string());
            last = Some(session);
        }
        assert_eq!(seen, ["S4", "S3", "S2", "S1"], "{}", database.name);
        assert!(store.sessions(Some(&"other".into()), None, 9).await.unwrap().is_empty());
        store.close().await;
    }
}

#[tokio::test]
async fn chat_is_kept_in_order_and_counted() {
    for database in Database::all().await {
        let store = database.open().await;
        let id = SessionId::from("S1");
        let message = |number: u32, text: &str| NewChatMessage {
            id: format!("m{number}").into(),
            room: "lobby".into(),
            session: Some("S1".into()),
            identity: "ann".into(),
            user: None,
            sender: if number == 2 { Sender::Ai } else { Sender::User },
            message: text.to_owned(),
            audio_url: (number == 2).then(|| "https://example.org/a.ogg".to_owned()),
            at: later(number.into()),
        };
        let mut transaction = store.begin().await.unwrap();
        let session = NewSession {
            id: id.clone(),
            room: "lobby".into(),
            kind: SessionKind::Instant,
            scheduled: None,
            companion: None,
        };
        transaction.open_session(&session, NOW).await.unwrap();
        transaction.create_room(&room("lobby")).await.unwrap();
        assert_eq!(transaction.keep_message(&message(1, "Grüß dich")).await.unwrap(), Some(1));
        assert_eq!(transaction.keep_message(&message(2, &"ü".repeat(200))).await.unwrap(), Some(2));
        transaction.count_message(&id, later(9)).await.unwrap();
        transaction.commit().await.unwrap();

        let mut transaction = store.begin().await.unwrap();
        let again = transaction.keep_message(&message(1, "Grüß dich")).await.unwrap();
        assert_eq!(again, Some(1), "it is kept already");
        let other = transaction.keep_message(&message(1, "Pfiat di")).await;
        assert!(matches!(other, Err(StoreError::Exists { what: "chat message" })), "{}", database.name);
        // With PostgreSQL a statement that failed would have ended it.
        assert_eq!(transaction.keep_message(&message(3, "still here")).await.unwrap(), Some(3));
        drop(transaction);

        let messages = store.messages(&"lobby".into(), 0, 10).await.unwrap();
        assert_eq!(messages.iter().map(|kept| kept.sequence).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(messages[1].sent, message(2, &"ü".repeat(200)));
        assert_eq!(store.messages(&"lobby".into(), 1, 10).await.unwrap().len(), 1);
        let second = store.message(&"lobby".into(), &"m2".into()).await.unwrap();
        assert_eq!(second.as_ref(), messages.get(1));
        assert_eq!(store.message(&"elsewhere".into(), &"m2".into()).await.unwrap(), None);
        let session = store.session(&id).await.unwrap().unwrap();
        assert_eq!(session.message_count, 3);
        assert_eq!(session.transcript_preview.chars().count(), 100);
        assert!(session.transcript_preview.starts_with("Grüß dich\nü"));
        store.close().await;
    }
}

#[tokio::test]
async fn a_room_of_the_same_name_is_another_room() {
    for database in Database::all().await {
        let store = database.open().await;
        for (name, lifetime) in [
            ("deleted", Lifetime::Lasting),
            ("over", Lifetime::Temporary { expires: later(10) }),
            ("other", Lifetime::Lasting),
        ] {
            store.create_room(&Room { lifetime, ..room(name) }).await.unwrap();
            let message = NewChatMessage {
                id: format!("m-{name}").into(),
                room: name.into(),
                session: None,
                identity: "ann".into(),
                user: None,
                sender: Sender::User,
                message: "between us".to_owned(),
                audio_url: None,
                at: NOW,
            };
            let mut transaction = store.begin().await.unwrap();
            transaction.keep_message(&message).await.unwrap();
            transaction.commit().await.unwrap();
        }
        assert!(store.delete_room(&"deleted".into()).await.unwrap());
        let swept = store.sweep(&Retention::default(), later(11)).await.unwrap();
        assert_eq!(swept, Swept { rooms: 1, ..Swept::default() }, "{}", database.name);
        for name in ["deleted", "over"] {
            store.create_room(&room(name)).await.unwrap();
            assert_eq!(store.messages(&name.into(), 0, 9).await.unwrap(), [], "{}: {name}", database.name);
        }
        assert_eq!(store.messages(&"other".into(), 0, 9).await.unwrap().len(), 1);
        store.close().await;
    }
}

/// People go on talking in a room while it is being forgotten, and what they say is written down a moment later.
#[tokio::test]
async fn what_is_written_late_does_not_outlive_its_room() {
    for database in Database::all().await {
        let store = database.open().await;
        let lobby = RoomName::from("lobby");
        let message = |id: &str| NewChatMessage {
            id: id.into(),
            room: "lobby".into(),
            session: Some("S1".into()),
            identity: "ann".into(),
            user: None,
            sender: Sender::User,
            message: "between us".to_owned(),
            audio_url: None,
            at: NOW,
        };
        store.create_room(&room("lobby")).await.unwrap();
        let mut transaction = store.begin().await.unwrap();
        transaction.begin_session(&"S1".into(), &lobby, NOW).await.unwrap();
        assert_eq!(transaction.keep_message(&message("m1")).await.unwrap(), Some(1));
        transaction.commit().await.unwrap();

        // Who deletes the room waits for who writes in it.
        let mut writing = store.begin().await.unwrap();
        assert_eq!(writing.keep_message(&message("m2")).await.unwrap(), Some(2));
        let deleting = tokio::spawn({
            let (store, lobby) = (store.clone(), lobby.clone());
            async move { store.delete_room(&lobby).await }
        });
        tokio::task::yield_now().await;
        writing.commit().await.unwrap();
        assert!(deleting.await.unwrap().unwrap());
        assert_eq!(store.messages(&lobby, 0, 9).await.unwrap(), [], "{}", database.name);

        let mut transaction = store.begin().await.unwrap();
        assert_eq!(transaction.keep_message(&message("m3")).await.unwrap(), None);
        transaction.commit().await.unwrap();
        assert_eq!(store.messages(&lobby, 0, 9).await.unwrap(), [], "{}", database.name);
        assert_eq!(store.session(&"S1".into()).await.unwrap().unwrap().message_count, 3, "it was said, though");
        store.close().await;
    }
}

/// Who comes with a token opens a room that nobody set up; a back end may keep people out of it.
#[tokio::test]
async fn who_makes_a_room_finds_nothing_of_another_of_its_name() {
    for database in Database::all().await {
        let store = database.open().await;
        let lobby = RoomName::from("lobby");
        let keep_out = async |id: &str| {
            let mut transaction = store.begin().await.unwrap();
            transaction
                .ban(&ban(id, Some("lobby"), BanSubject::Identity("bob".into()), None))
                .await
                .unwrap();
            transaction.commit().await.unwrap();
        };
        keep_out("B1").await;
        store.make_room(&room("lobby"), NOW).await.unwrap();
        assert_eq!(store.bans(Some(&lobby), None, 9).await.unwrap(), [], "{}", database.name);

        keep_out("B2").await;
        let taken = store.make_room(&room("lobby"), NOW).await;
        assert!(matches!(taken, Err(StoreError::Exists { what: "room" })), "{}: {taken:?}", database.name);
        assert_eq!(store.bans(Some(&lobby), None, 9).await.unwrap().len(), 1, "those of the room that is there");
        store.close().await;
    }
}

#[tokio::test]
async fn quality_is_kept_and_a_number_that_is_none_is_not() {
    for database in Database::all().await {
        let store = database.open().await;
        let sample = |seconds: u64, jitter_ms: f64| QualitySample {
            participant: "PA_1".into(),
            at: later(seconds),
            bitrate_bps: 1_500_000,
            frame_rate: 29.97,
            resolution: "1280x720".to_owned(),
            packet_loss_percent: 0.25,
            latency_ms: 41.5,
            jitter_ms,
            quality: Quality::Good,
        };
        let mut transaction = store.begin().await.unwrap();
        let session = NewSession {
            id: "S1".into(),
            room: "lobby".into(),
            kind: SessionKind::Instant,
            scheduled: None,
            companion: None,
        };
        transaction.open_session(&session, NOW).await.unwrap();
        transaction
            .keep_quality(&"S1".into(), &[sample(1, 3.5), sample(2, 4.5), sample(2, 9.0)])
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(store.quality_from(&"S1".into(), "", NOW, "", 9).await.unwrap(), [sample(1, 3.5), sample(2, 4.5)]);
        assert_eq!(store.quality_from(&"S1".into(), "", later(2), "", 9).await.unwrap().len(), 1);

        let mut transaction = store.begin().await.unwrap();
        let none = transaction.keep_quality(&"S1".into(), &[sample(3, f64::NAN)]).await;
        assert!(matches!(none, Err(StoreError::Range { .. })), "{}", database.name);
        drop(transaction);
        let mut transaction = store.begin().await.unwrap();
        let lost = transaction.keep_quality(&"S9".into(), &[sample(3, 1.0)]).await;
        assert!(matches!(lost, Err(StoreError::Missing { what: "session" })), "{}: {lost:?}", database.name);
        drop(transaction);
        store.close().await;
    }
}

#[tokio::test]
async fn accounts_have_logins_of_their_own() {
    for database in Database::all().await {
        let store = database.open().await;
        let mut ann = user("U1", "ann");
        ann.password_hash = Some(PasswordHash::new("secret", [2; 16]).await.unwrap());
        store.create_user(&ann).await.unwrap();
        let mut bob = user("U2", "bob");
        bob.foreign = Some(ForeignAccount { issuer: "https://id.example".to_owned(), subject: "42".to_owned() });
        store.create_user(&bob).await.unwrap();
        assert!(matches!(store.create_user(&user("U3", "ann")).await, Err(StoreError::Exists { what: "account" })));

        assert_eq!(store.user_by_login("ann").await.unwrap().as_ref(), Some(&ann), "{}", database.name);
        assert_eq!(store.user_by_foreign(bob.foreign.as_ref().unwrap()).await.unwrap().as_ref(), Some(&bob));
        assert_eq!(store.user(&UserId::from("U9")).await.unwrap(), None);
        assert_eq!(store.users(Some("ann"), 9).await.unwrap(), [bob.clone()]);
        bob.login = "ann".to_owned();
        let mut transaction = store.begin().await.unwrap();
        assert!(matches!(transaction.update_user(&bob).await, Err(StoreError::Exists { .. })));
        drop(transaction);

        // Two read her account and change it: the second is told.
        let (mut first, mut second) = (ann.clone(), ann.clone());
        (first.disabled, first.updated) = (true, later(1));
        (second.name, second.updated) = ("Anna".to_owned(), later(2));
        let mut transaction = store.begin().await.unwrap();
        transaction.update_seen_user(&first, ann.updated).await.unwrap();
        let told = transaction.update_seen_user(&second, ann.updated).await;
        assert!(matches!(told, Err(StoreError::Conflict { .. })), "{}: {told:?}", database.name);
        transaction.commit().await.unwrap();
        assert_eq!(store.user(&ann.id).await.unwrap(), Some(first));

        store.delete_user(&ann.id).await.unwrap();
        assert_eq!(store.user_by_login("ann").await.unwrap(), None);
        assert!(matches!(store.delete_user(&ann.id).await, Err(StoreError::Missing { what: "account" })));
        store.close().await;
    }
}

#[tokio::test]
async fn a_refresh_token_is_used_once_and_a_copy_ends_them_all() {
    for database in Database::all().await {
        let store = database.open().await;
        store.create_user(&user("U1", "ann")).await.unwrap();
        let token = RefreshToken { user: "U1".into(), family: "F1".into(), issued: NOW, expires: later(1_000) };
        let mut transaction = store.begin().await.unwrap();
        transaction.give_refresh_token("first", &token).await.unwrap();
        assert!(matches!(transaction.use_refresh_token("other", later(1)).await.unwrap(), Rotation::Refused));
        let used = transaction.use_refresh_token("first", later(1)).await.unwrap();
        assert_eq!(used, Rotation::Used { user: "U1".into(), family: "F1".into() });
        transaction.give_refresh_token("second", &token).await.unwrap();
        // The copy.
        let reused = transaction.use_refresh_token("first", later(2)).await.unwrap();
        assert_eq!(reused, Rotation::Reused { user: "U1".into() }, "{}", database.name);
        assert_eq!(transaction.use_refresh_token("second", later(3)).await.unwrap(), Rotation::Refused);

        let old = RefreshToken { family: "F2".into(), ..token.clone() };
        transaction.give_refresh_token("third", &old).await.unwrap();
        assert_eq!(transaction.use_refresh_token("third", later(1_000)).await.unwrap(), Rotation::Refused);
        transaction.commit().await.unwrap();

        let mut transaction = store.begin().await.unwrap();
        let nobody = RefreshToken { user: "U9".into(), ..token };
        let given = transaction.give_refresh_token("fourth", &nobody).await;
        assert!(matches!(given, Err(StoreError::Missing { what: "account" })), "{given:?}");
        drop(transaction);
        store.close().await;
    }
}

#[tokio::test]
async fn a_refresh_token_whose_answer_was_lost_is_answered_again_until_somebody_has_the_answer() {
    for database in Database::all().await {
        let store = database.open().await;
        store.create_user(&user("U1", "ann")).await.unwrap();
        let at = |ms: u64| NOW.plus(Duration::from_millis(ms));
        let token = RefreshToken { user: "U1".into(), family: "F1".into(), issued: NOW, expires: at(90_000) };
        let mut transaction = store.begin().await.unwrap();
        transaction.give_refresh_token("first", &token).await.unwrap();
        transaction.commit().await.unwrap();
        // Each in a transaction of its own, as requests are.
        let rotate = async |shown: &str, next: &str, at_ms: u64| {
            let grace = Duration::from_secs(10);
            let successor = Successor { secret: next, expires: at(90_000 + at_ms), grace };
            let mut transaction = store.begin().await.unwrap();
            let rotation = transaction.rotate_refresh_token(shown, &successor, at(at_ms)).await.unwrap();
            transaction.commit().await.unwrap();
            rotation
        };
        let used = || Rotation::Used { user: "U1".into(), family: "F1".into() };
        let repeated = || Rotation::Repeated { user: "U1".into() };
        let reused = || Rotation::Reused { user: "U1".into() };
        // Two pages at once.
        let mut both: [Rotation; 2] = tokio::join!(rotate("first", "second", 0), rotate("first", "second", 0)).into();
        both.sort_by_key(|rotation| *rotation != used());
        assert_eq!(both, [used(), repeated()], "{}", database.name);
        assert_eq!(rotate("first", "second", 9_999).await, repeated());
        assert_eq!(rotate("second", "third", 9_999).await, used());
        assert_eq!(rotate("second", "third", 19_998).await, repeated());
        // The answer has reached somebody: who comes with the token before has a copy.
        assert_eq!(rotate("first", "second", 9_999).await, reused());
        assert_eq!(rotate("second", "third", 19_998).await, reused());
        assert_eq!(rotate("third", "fourth", 20_000).await, Rotation::Refused);

        let mut transaction = store.begin().await.unwrap();
        let other = RefreshToken { family: "F2".into(), ..token };
        transaction.give_refresh_token("fifth", &other).await.unwrap();
        transaction.commit().await.unwrap();
        assert!(matches!(rotate("fifth", "sixth", 0).await, Rotation::Used { .. }));
        assert_eq!(rotate("fifth", "sixth", 10_000).await, reused(), "too late");
        assert_eq!(rotate("sixth", "seventh", 10_000).await, Rotation::Refused);
        store.close().await;
    }
}

#[tokio::test]
async fn who_was_removed_does_not_return_with_an_old_token() {
    for database in Database::all().await {
        let store = database.open().await;
        let (lobby, bob): (RoomName, Identity) = ("lobby".into(), "bob".into());
        let mut transaction = store.begin().await.unwrap();
        transaction.raise_token_floor(&lobby, &bob, later(10), later(9_000)).await.unwrap();
        transaction.raise_token_floor(&lobby, &bob, later(5), later(9_000)).await.unwrap();
        transaction.revoke_token("jti-1", later(9_000)).await.unwrap();
        transaction.revoke_token("jti-1", later(9_000)).await.unwrap();
        transaction.commit().await.unwrap();
        let revoked = async |jti: Option<&str>, room: &str, issued: Option<u64>| {
            store.token_revoked(jti, &room.into(), &bob, issued.map(later)).await.unwrap()
        };
        assert!(revoked(None, "lobby", Some(9)).await, "{}", database.name);
        assert!(revoked(None, "lobby", None).await);
        assert!(!revoked(None, "lobby", Some(10)).await);
        assert!(!revoked(None, "other", Some(9)).await);
        assert!(revoked(Some("jti-1"), "other", Some(11)).await);
        assert!(!revoked(Some("jti-2"), "other", Some(11)).await);
        store.close().await;
    }
}

#[tokio::test]
async fn a_ban_holds_until_it_is_over() {
    for database in Database::all().await {
        let store = database.open().await;
        let bob = BanSubject::Identity("bob".into());
        let address = BanSubject::Address("0123".to_owned());
        let mut transaction = store.begin().await.unwrap();
        transaction.ban(&ban("B1", Some("lobby"), bob.clone(), Some(10))).await.unwrap();
        transaction.ban(&ban("B2", None, address.clone(), None)).await.unwrap();
        transaction.commit().await.unwrap();
        let banned = async |room: &str, known_by: &[BanSubject], at: u64| {
            store
                .banned(&room.into(), known_by, later(at))
                .await
                .unwrap()
                .map(|ban| ban.id.to_string())
        };
        let both = [bob.clone(), BanSubject::User("U1".into()), address];
        assert_eq!(banned("lobby", &both[..2], 9).await.as_deref(), Some("B1"), "{}", database.name);
        assert_eq!(banned("lobby", &both[..2], 10).await, None);
        assert_eq!(banned("other", &both[..2], 9).await, None);
        assert_eq!(banned("other", &both, 99).await.as_deref(), Some("B2"));
        assert_eq!(store.bans(Some(&"lobby".into()), None, 9).await.unwrap().len(), 1);
        assert_eq!(store.bans(None, None, 9).await.unwrap().len(), 1);
        let mut transaction = store.begin().await.unwrap();
        assert!(transaction.lift_ban(&"B2".into()).await.unwrap());
        transaction.commit().await.unwrap();
        assert_eq!(banned("other", &both, 99).await, None);
        store.close().await;
    }
}

/// Two hosts keep the same one out at the same moment, and neither sees the ban of the other.
#[tokio::test]
async fn a_ban_that_is_lifted_lets_in_however_many_there_were() {
    for database in Database::all().await {
        let store = database.open().await;
        let bob = BanSubject::Identity("bob".into());
        let mut one = store.begin().await.unwrap();
        one.ban(&ban("B1", Some("lobby"), bob.clone(), None)).await.unwrap();
        if database.name == "PostgreSQL" {
            let mut other = store.begin().await.unwrap();
            other.ban(&ban("B2", Some("lobby"), bob.clone(), None)).await.unwrap();
            other.commit().await.unwrap();
        }
        one.ban(&ban("B3", Some("other"), bob.clone(), None)).await.unwrap();
        one.ban(&ban("B4", None, bob.clone(), None)).await.unwrap();
        one.ban(&ban("B5", None, bob.clone(), None)).await.unwrap();
        one.commit().await.unwrap();
        if database.name == "SQLite" {
            // It has one writer at a time: there it takes somebody else's hand.
            let mut hand = SqliteConnection::connect(&database.url).await.unwrap();
            let again =
                "INSERT INTO bans SELECT 'B2', room, subject_kind, subject, reason, banned_by, created_ms, expires_ms,
                account FROM bans WHERE id = 'B1'";
            sqlx::query(again).execute(&mut hand).await.unwrap();
            hand.close().await.unwrap();
        }
        let left =
            async |room: Option<&str>| store.bans(room.map(RoomName::from).as_ref(), None, 9).await.unwrap().len();
        assert_eq!(left(Some("lobby")).await, 2, "{}", database.name);
        for (id, is_there) in [("B1", true), ("B2", false), ("B4", true)] {
            let mut transaction = store.begin().await.unwrap();
            assert_eq!(transaction.lift_ban(&id.into()).await.unwrap(), is_there, "{}: {id}", database.name);
            transaction.commit().await.unwrap();
            assert_eq!(left(Some("lobby")).await, 0);
        }
        assert_eq!((left(Some("other")).await, left(None).await), (1, 0), "{}", database.name);
        store.close().await;
    }
}

/// Who signs in is somebody new in every session; what is kept out is the person.
#[tokio::test]
async fn an_account_is_kept_out_with_its_identity_and_let_in_with_it() {
    for database in Database::all().await {
        let store = database.open().await;
        let (lobby, ruth) = (RoomName::from("lobby"), BanSubject::User("u1".into()));
        let of_identity = |id: &str, account: Option<&str>| Ban {
            account: account.map(UserId::from),
            ..ban(id, Some("lobby"), BanSubject::Identity("ruth-1".into()), None)
        };
        let banned = async |room: &str, subject: &BanSubject| {
            let ban = store.banned(&room.into(), std::slice::from_ref(subject), NOW).await.unwrap();
            ban.map(|ban| ban.id.to_string())
        };
        let mut transaction = store.begin().await.unwrap();
        transaction.ban(&of_identity("B1", Some("u1"))).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(banned("lobby", &ruth).await.as_deref(), Some("B1"), "{}", database.name);
        assert_eq!(banned("other", &ruth).await, None);
        assert_eq!(banned("lobby", &BanSubject::User("u2".into())).await, None);
        assert_eq!(banned("lobby", &BanSubject::Identity("u1".into())).await, None, "an account is no identity");

        // Banned again when nobody knows any more whose identity it was.
        let mut transaction = store.begin().await.unwrap();
        transaction.ban(&of_identity("B2", None)).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(banned("lobby", &ruth).await.as_deref(), Some("B2"));
        let bans = store.bans(Some(&lobby), None, 9).await.unwrap();
        assert_eq!(bans, [of_identity("B2", Some("u1"))], "it is one ban");

        let mut transaction = store.begin().await.unwrap();
        assert!(transaction.lift_ban(&"B2".into()).await.unwrap());
        transaction.commit().await.unwrap();
        assert_eq!(banned("lobby", &ruth).await, None);
        store.close().await;
    }
}

#[tokio::test]
async fn bans_of_a_room_have_a_bound_and_go_with_it() {
    for database in Database::all().await {
        let store = database.open().await;
        store.create_room(&room("lobby")).await.unwrap();
        let subject = |number: u32| BanSubject::Identity(format!("mallory {number}").into());
        let id = |number: u32| format!("B{number:04}");
        let mut transaction = store.begin().await.unwrap();
        for number in 0..BANS_OF_A_ROOM {
            transaction.ban(&ban(&id(number), Some("lobby"), subject(number), None)).await.unwrap();
        }
        transaction.commit().await.unwrap();

        let mut transaction = store.begin().await.unwrap();
        let one_more = transaction.ban(&ban("one more", Some("lobby"), subject(BANS_OF_A_ROOM), None)).await;
        assert!(matches!(one_more, Err(StoreError::TooMany { .. })), "{}: {one_more:?}", database.name);
        transaction.ban(&ban("elsewhere", Some("other"), subject(1), None)).await.unwrap();
        transaction.ban(&ban("again", Some("lobby"), subject(1), None)).await.unwrap();
        transaction.commit().await.unwrap();

        let lobby = RoomName::from("lobby");
        let mut all: Vec<String> = Vec::new();
        let mut last = None;
        loop {
            let after = last.as_ref().map(|(at, id)| (*at, id));
            let page = store.bans(Some(&lobby), after, 300).await.unwrap();
            let Some(end) = page.last() else { break };
            last = Some((end.created, end.id.clone()));
            all.extend(page.iter().map(|ban| ban.id.to_string()));
        }
        let mut expected: Vec<_> = (0..BANS_OF_A_ROOM).filter(|number| *number != 1).map(id).collect();
        expected.push("again".to_owned());
        all.sort_unstable();
        expected.sort_unstable();
        assert_eq!(all, expected, "each of them once, the second of Mallory 1 in the place of the first");
        assert_eq!(store.ban(&lobby, &"again".into()).await.unwrap().unwrap().subject, subject(1));
        assert_eq!(store.ban(&lobby, &"elsewhere".into()).await.unwrap(), None, "another room's");

        assert!(store.delete_room(&lobby).await.unwrap());
        assert_eq!(store.bans(Some(&lobby), None, 9).await.unwrap(), []);
        assert_eq!(store.bans(Some(&"other".into()), None, 9).await.unwrap().len(), 1);
        store.close().await;
    }
}

#[tokio::test]
async fn whether_tables_are_of_this_version_is_told_without_making_them() {
    for database in Database::all().await {
        if database.name == "SQLite" {
            assert!(Store::has_tables_of_this_version(&database.url).await.is_err(), "there is no file");
            std::fs::write(database.directory.path().join("store.sqlite"), "").unwrap();
        }
        assert!(!Store::has_tables_of_this_version(&database.url).await.unwrap(), "{}", database.name);
        database.open().await.close().await;
        assert!(Store::has_tables_of_this_version(&database.url).await.unwrap(), "{}", database.name);
    }
}

/// What the command line asks the server to write down.
#[tokio::test]
async fn a_deed_is_moved_on_and_taken_from_where_one_knows_it_to_be() {
    use DeedState::{Asked, Failed, Refused, Written};
    for database in Database::all().await {
        let store = database.open().await;
        let deed = OwedDeed {
            id: "D1".to_owned(),
            who: "ruth".to_owned(),
            what: "user.create".to_owned(),
            whom: Some("ann".to_owned()),
            detail: None,
            state: Asked,
            at: NOW,
        };
        store.owe_deed(&deed).await.unwrap();
        assert!(matches!(store.owe_deed(&deed).await, Err(StoreError::Exists { what: "deed" })), "{}", database.name);
        assert_eq!(store.owed_deeds(9).await.unwrap(), std::slice::from_ref(&deed));
        assert!(!store.take_deed("D1", Written).await.unwrap(), "it is not written down yet");
        assert!(store.move_deed("D1", Asked, Written, later(1)).await.unwrap());
        assert!(!store.move_deed("D1", Asked, Failed, later(2)).await.unwrap(), "the other side was first");
        assert_eq!(store.deed_state("D1").await.unwrap(), Some(Written));
        let written = OwedDeed { state: Written, at: later(1), ..deed.clone() };
        assert_eq!(store.owed_deeds(9).await.unwrap(), [written]);
        assert!(store.take_deed("D1", Written).await.unwrap());
        assert!(!store.take_deed("D1", Written).await.unwrap(), "one takes it");
        assert_eq!(store.deed_state("D1").await.unwrap(), None);
        for state in [Failed, Refused] {
            store.owe_deed(&OwedDeed { state, ..deed.clone() }).await.unwrap();
            assert!(store.take_deed("D1", state).await.unwrap());
        }
        store.close().await;
    }
}

/// Many think at once that the time of a room is over, and make one of its name.
#[tokio::test]
async fn of_those_who_make_a_room_anew_one_makes_it() {
    for database in Database::all().await {
        let store = database.open().await;
        let mut over = room("lobby");
        over.lifetime = Lifetime::Temporary { expires: later(10) };
        store.make_room(&over, later(0)).await.unwrap();
        let early = store.make_room(&room("lobby"), later(9)).await;
        assert!(matches!(early, Err(StoreError::Exists { what: "room" })), "{}: {early:?}", database.name);

        let makers: Vec<_> = (0..8)
            .map(|number| {
                let store = store.clone();
                let made = Room { title: format!("of {number}"), ..room("lobby") };
                tokio::spawn(async move { (store.make_room(&made, later(10)).await, made) })
            })
            .collect();
        let mut winners = Vec::new();
        for maker in makers {
            match maker.await.unwrap() {
                (Ok(()), made) => winners.push(made),
                (Err(StoreError::Exists { what: "room" }), _) => {}
                (Err(error), _) => panic!("{}: {error:?}", database.name),
            }
        }
        assert_eq!(winners.len(), 1, "{}", database.name);
        assert_eq!(store.room(&"lobby".into()).await.unwrap().as_ref(), winners.first());
        store.close().await;
    }
}

#[tokio::test]
async fn a_transaction_that_is_dropped_has_not_happened() {
    for database in Database::all().await {
        let store = database.open().await;
        let mut transaction = store.begin().await.unwrap();
        transaction.create_room(&room("lobby")).await.unwrap();
        drop(transaction);
        assert_eq!(store.room(&"lobby".into()).await.unwrap(), None, "{}", database.name);
        // And holds nobody up.
        store.create_room(&room("lobby")).await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn text_that_only_one_database_would_take_neither_takes() {
    for database in Database::all().await {
        let store = database.open().await;
        assert!(matches!(store.create_room(&room("a\0b")).await, Err(StoreError::Nul)), "{}", database.name);
        assert!(matches!(store.room(&"a\0b".into()).await, Err(StoreError::Nul)));
        // Nothing that looks like SQL is any.
        let name = "'; DROP TABLE rooms; --";
        store.create_room(&room(name)).await.unwrap();
        assert_eq!(store.room(&name.into()).await.unwrap().unwrap().name.as_str(), name);
        store.close().await;
    }
}

#[tokio::test]
async fn who_waits_for_too_long_is_told_so() {
    for database in Database::all().await {
        let options = StoreOptions { connections: 2, patience: Duration::from_secs(1) };
        let store = database.open_with(&options).await;
        store.create_room(&room("lobby")).await.unwrap();
        let mut holder = store.begin().await.unwrap();
        holder.prolong_room(&"lobby".into(), later(1)).await.unwrap();
        let mut held = room("lobby");
        held.title = "held".to_owned();
        holder.update_room(&held, held.updated).await.unwrap();
        let error = store.update_room(&held, held.updated).await.unwrap_err();
        assert!(error.is_transient(), "{}: {error:?}", database.name);
        drop(holder);
        store.close().await;
    }
}

#[tokio::test]
async fn what_is_answered_is_there_after_reopening() {
    for database in Database::all().await {
        let store = database.open().await;
        store.create_room(&room("lobby")).await.unwrap();
        store.close().await;
        // The steps that were taken are not taken again.
        let store = database.open().await;
        assert_eq!(store.room(&"lobby".into()).await.unwrap().unwrap(), room("lobby"), "{}", database.name);
        store.close().await;
    }
}

#[tokio::test]
async fn addresses_that_cannot_be_used_are_refused_with_a_reason() {
    for url in ["", "store.sqlite", "mysql://ann:secret@db/sluice", "sqlite::memory:", "sqlite://x?mode=memory"] {
        let error = Store::open(url, &StoreOptions::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Address { .. }), "{url}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
    for url in ["postgres://ann:secret@127.0.0.1:99999/x", "postgres://ann:secret@127.0.0.1:1/x"] {
        let error = Store::open(url, &StoreOptions::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Address { .. } | StoreError::Unavailable(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
    let error = Store::open("sqlite:/nowhere/at/all.sqlite", &StoreOptions::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_make_the_tables_once() {
    for database in Database::all().await {
        let stores: Vec<_> = (0..4)
            .map(|_| {
                let url = database.url.clone();
                tokio::spawn(async move { Store::open(&url, &StoreOptions::default()).await })
            })
            .collect();
        for store in stores {
            let store = store.await.unwrap().unwrap();
            assert_eq!(store.rooms(None, 1).await.unwrap(), [], "{}", database.name);
            store.close().await;
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let database = Database::sqlite();
    let store = database.open().await;
    store.create_room(&room("lobby")).await.unwrap();
    store.backup(&database.directory.path().join("copy.sqlite")).await.unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(database.directory.path()).unwrap().map(Result::unwrap) {
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        files += 1;
    }
    assert!(files >= 4, "the database, what lies beside it, the copy");
    store.close().await;
}
