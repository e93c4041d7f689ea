//! Sessions as people look through them, over both databases.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

mod databases;

use std::time::Duration;

use databases::Database;
use sluice_store::{
    NewSession, Phase, Quality, QualitySample, SessionFilter, SessionId, SessionKind, SessionState, Stay, Store,
    UnixMillis,
};

const HOUR_MS: i64 = 3_600_000;
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn after(hours: i64) -> UnixMillis {
    UnixMillis(NOW.0 + hours * HOUR_MS)
}

fn stay(participant: &str, identity: &str) -> Stay {
    Stay {
        participant: participant.into(),
        identity: identity.into(),
        user: Some(format!("U_{identity}").into()),
        name: identity.to_owned(),
        role: "participant".to_owned(),
        joined: NOW,
        left: None,
        left_because: None,
    }
}

async fn begin(store: &Store, id: &str, room: &str, at: UnixMillis, stays: &[Stay]) {
    let mut transaction = store.begin().await.unwrap();
    transaction.begin_session(&id.into(), &room.into(), at).await.unwrap();
    for stay in stays {
        transaction.join_session(&id.into(), stay).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

async fn end(store: &Store, id: &str, at: UnixMillis) {
    let mut transaction = store.begin().await.unwrap();
    transaction.move_session(&id.into(), SessionState::Ended, at).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn an_appointment_is_kept_by_the_room_that_begins_around_its_time() {
    for database in Database::all().await {
        let store = database.open().await;
        let appointment = |id: &str, scheduled| NewSession {
            id: id.into(),
            room: "math".into(),
            kind: SessionKind::Appointment,
            scheduled: Some(scheduled),
            companion: None,
        };
        for (id, hours) in [("SE_missed", -13), ("SE_now", 1), ("SE_later", 2)] {
            store.open_session(&appointment(id, after(hours)), NOW).await.unwrap();
        }
        begin(&store, "RM_1", "math", NOW, &[]).await;
        begin(&store, "RM_1", "math", after(1), &[]).await;
        begin(&store, "RM_2", "physics", NOW, &[]).await;

        let by_its_old_id = store.session_summary(&"SE_now".into()).await.unwrap().unwrap().session;
        assert_eq!(by_its_old_id.id, SessionId::from("RM_1"), "{}", database.name);
        assert_eq!((by_its_old_id.kind, by_its_old_id.phase), (SessionKind::Appointment, Phase::Active));
        assert_eq!((by_its_old_id.started, by_its_old_id.scheduled), (Some(NOW), Some(after(1))));
        for (id, phase, kind) in [
            ("SE_missed", Phase::Scheduled, SessionKind::Appointment),
            ("SE_later", Phase::Scheduled, SessionKind::Appointment),
            ("RM_2", Phase::Active, SessionKind::Instant),
        ] {
            let session = store.session(&id.into()).await.unwrap().unwrap();
            assert_eq!((session.phase, session.kind), (phase, kind), "{id}");
        }
        assert_eq!(store.active_sessions().await.unwrap().len(), 2);
        store.close().await;
    }
}

#[tokio::test]
async fn a_list_counts_people_and_shows_an_account_its_own() {
    for database in Database::all().await {
        let store = database.open().await;
        begin(&store, "RM_1", "math", NOW, &[stay("PA_1", "ann"), stay("PA_2", "ann"), stay("PA_3", "bob")]).await;
        begin(&store, "RM_2", "physics", after(1), &[stay("PA_4", "cem")]).await;
        let list = async |room: Option<&str>, of: Option<&str>| {
            let filter = SessionFilter { room: room.map(Into::into), of: of.map(Into::into) };
            let found = store.session_summaries(&filter, None, 9).await.unwrap();
            found.iter().map(|one| (one.session.id.to_string(), one.participants)).collect::<Vec<_>>()
        };
        let (math, physics) = (("RM_1".to_owned(), 2), ("RM_2".to_owned(), 1));
        assert_eq!(list(None, None).await, [physics.clone(), math.clone()], "{}", database.name);
        assert_eq!(list(Some("math"), None).await, std::slice::from_ref(&math));
        assert_eq!(list(None, Some("U_ann")).await, [math]);
        assert_eq!(list(Some("physics"), Some("U_ann")).await, []);
        let session = store.session(&"RM_2".into()).await.unwrap().unwrap();
        assert!(store.is_session_of(&session, &"U_cem".into()).await.unwrap());
        assert!(!store.is_session_of(&session, &"U_ann".into()).await.unwrap());
        let page = store.session_summaries(&SessionFilter::default(), Some(&session), 9).await.unwrap();
        assert_eq!(page.len(), 1);
        store.close().await;
    }
}

/// A long list is read page by page, and meanwhile people talk, come and go.
#[tokio::test]
async fn what_happens_between_two_pages_takes_no_session_off_the_list() {
    for database in Database::all().await {
        let store = database.open().await;
        for (id, hours) in [("RM_1", 0), ("RM_2", 1), ("RM_3", 1), ("RM_4", 2)] {
            begin(&store, id, "math", after(hours), &[]).await;
        }
        let appointment = NewSession {
            id: "SE_late".into(),
            room: "physics".into(),
            kind: SessionKind::Appointment,
            scheduled: Some(after(0)),
            companion: None,
        };
        store.open_session(&appointment, NOW).await.unwrap();
        let filter = SessionFilter::default();
        let (mut seen, mut last) = (Vec::new(), None);
        loop {
            let page = store.session_summaries_in_place(&filter, last.as_ref(), 2).await.unwrap();
            let Some(end) = page.last() else { break };
            last = Some(end.place().clone());
            seen.extend(page.iter().map(|one| one.session.id.to_string()));
            // In the first, which is still to be shown; and the appointment is kept, later than it was made for.
            let mut transaction = store.begin().await.unwrap();
            transaction.count_message(&"RM_1".into(), after(9)).await.unwrap();
            transaction.commit().await.unwrap();
            begin(&store, "RM_5", "physics", after(9), &[]).await;
        }
        assert_eq!(seen, ["RM_4", "RM_3", "RM_2", "RM_5", "RM_1"], "{}", database.name);
        let of_math = SessionFilter { room: Some("math".into()), of: None };
        let found = store.session_summaries_in_place(&of_math, None, 9).await.unwrap();
        assert_eq!(found.len(), 4);
        store.close().await;
    }
}

#[tokio::test]
async fn figures_are_sums_over_what_is_kept() {
    for database in Database::all().await {
        let store = database.open().await;
        assert_eq!(store.session_figures(NOW).await.unwrap().average, Duration::ZERO, "{}", database.name);
        begin(&store, "RM_1", "math", NOW, &[stay("PA_1", "ann"), stay("PA_2", "bob")]).await;
        begin(&store, "RM_2", "math", NOW, &[]).await;
        end(&store, "RM_2", after(1)).await;
        begin(&store, "RM_3", "math", NOW, &[]).await;
        end(&store, "RM_3", after(2)).await;
        let sample = |participant: &str, quality, at: UnixMillis| QualitySample {
            participant: participant.into(),
            at,
            bitrate_bps: 1,
            frame_rate: 25.0,
            resolution: String::new(),
            packet_loss_percent: 0.0,
            latency_ms: 1.0,
            jitter_ms: 1.0,
            quality,
        };
        let (before, now) = (UnixMillis(NOW.0 - 10_000), NOW);
        let samples = [
            sample("PA_1", Quality::Poor, before),
            sample("PA_1", Quality::Excellent, now),
            sample("PA_2", Quality::Fair, now),
        ];
        let mut transaction = store.begin().await.unwrap();
        transaction.keep_quality(&"RM_1".into(), &samples).await.unwrap();
        transaction.commit().await.unwrap();

        let figures = store.session_figures(NOW).await.unwrap();
        assert_eq!((figures.active, figures.total, figures.aborted), (1, 3, 0));
        assert_eq!(figures.average, Duration::from_secs(3600 * 3 / 2));
        assert_eq!(figures.quality, [1, 0, 1, 0]);
        let of_ann = store.quality_from(&"RM_1".into(), "ann", UnixMillis(0), "", 9).await.unwrap();
        assert_eq!(of_ann, samples[..2]);
        let of_bob = store.quality_from(&"RM_1".into(), "PA_2", UnixMillis(0), "", 9).await.unwrap();
        assert_eq!(of_bob, samples[2..]);
        // In pages: the second one begins in the middle of a moment.
        let first = store.quality_from(&"RM_1".into(), "", UnixMillis(0), "", 2).await.unwrap();
        assert_eq!(first, samples[..2], "{}", database.name);
        let second = store.quality_from(&"RM_1".into(), "", now, "PA_1", 2).await.unwrap();
        assert_eq!(second, samples[2..]);
        assert!(store.size_bytes().await.unwrap() > 10_000);
        store.close().await;
    }
}
