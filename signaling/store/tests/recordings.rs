//! Recordings in the store: what takes them away, and what keeps them, on either database.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "tests")]

mod databases;

use std::time::Duration;

use databases::Database;
use sluice_store::{Recording, RecordingFilter, UnixMillis};

const ENDED: UnixMillis = UnixMillis(1_795_000_000_000);

fn recording(id: &str) -> Recording {
    Recording {
        id: id.into(),
        room: "math".into(),
        session: "RM_1".into(),
        owner: Some("ann".to_owned()),
        info: "{}".to_owned(),
        files: "[]".to_owned(),
        is_over: true,
        is_held: false,
        created: UnixMillis(ENDED.0 - 1000),
        ended: Some(ENDED),
        expires: None,
        bytes: 10,
    }
}

#[tokio::test]
async fn what_somebody_began_to_delete_nobody_sees_or_holds_until_it_is_finished() {
    for database in Database::all().await {
        let store = database.open().await;
        let held = Recording { is_held: true, ..recording("held") };
        let goes_on = Recording { is_over: false, ended: None, ..recording("goes-on") };
        let expired = Recording { expires: Some(ENDED), ..recording("expired") };
        for kept in [&recording("gone"), &held, &goes_on, &expired] {
            store.put_recording(kept).await.unwrap();
        }
        for (id, is_begun) in [("held", false), ("goes-on", false), ("nowhere", false), ("gone", true), ("gone", true)]
        {
            assert_eq!(store.begin_to_delete_recording(id).await.unwrap(), is_begun, "{id} on {}", database.name);
        }

        assert_eq!(store.recording("gone").await.unwrap(), None);
        let listed = store.recordings(&RecordingFilter::default(), None, 10).await.unwrap();
        assert!(listed.len() == 3 && listed.iter().all(|seen| seen.id != "gone"), "{listed:?}");
        assert_eq!(store.hold_recording("gone", true).await.unwrap(), None);
        let left = store.recordings_expired(ENDED, 10).await.unwrap();
        let left: Vec<_> = left.iter().map(|left| left.id.as_str()).collect();
        assert_eq!(left, ["expired", "gone"], "what fails again and again is in nobody's way");

        for id in ["gone", "expired"] {
            store.forget_recording(id).await.unwrap();
        }
        let left = store.recordings_expired(ENDED, 10).await.unwrap();
        assert_eq!(left, [expired], "nothing is forgotten that nobody began to delete");
        store.close().await;
    }
}

#[tokio::test]
async fn a_page_is_full_as_long_as_there_are_more_of_what_is_meant() {
    let mine = RecordingFilter { owner: Some("ann".into()), ..RecordingFilter::default() };
    let of_math = RecordingFilter { room: Some("math".into()), ..RecordingFilter::default() };
    let of_session = RecordingFilter { session: Some("RM_1".into()), ..of_math.clone() };
    let going_on = RecordingFilter { going_on: true, ..RecordingFilter::default() };
    for database in Database::all().await {
        let store = database.open().await;
        // What is not meant is newer, and more than a page.
        for number in 0_i64..40 {
            let is_meant = number < 10;
            let mut kept = Recording { created: UnixMillis(number / 2), ..recording(&format!("EG_{number:02}")) };
            if is_meant {
                (kept.is_over, kept.ended) = (false, None);
            } else {
                (kept.room, kept.session, kept.owner) = ("art".into(), "RM_2".into(), Some("bob".to_owned()));
            }
            store.put_recording(&kept).await.unwrap();
        }
        let other_session = Recording { session: "RM_0".into(), created: UnixMillis(99), ..recording("EG_other") };
        store.put_recording(&other_session).await.unwrap();
        for (filter, first, others) in
            [(&mine, "EG_other", 10), (&of_math, "EG_other", 10), (&of_session, "EG_09", 9), (&going_on, "EG_09", 9)]
        {
            let mut pages: Vec<Vec<Recording>> = Vec::new();
            loop {
                let before = pages.last().and_then(|page| page.last()).map(|last| (last.created, last.id.as_str()));
                let page = store.recordings(filter, before, 4).await.unwrap();
                let is_last = page.len() < 4;
                pages.push(page);
                if is_last {
                    break;
                }
            }
            let seen: Vec<_> = pages.iter().flatten().map(|seen| seen.id.as_str()).collect();
            let (is_first, is_all) = (seen.first() == Some(&first), seen.len() == 1 + others);
            assert!(is_first && is_all, "{filter:?} on {}: {seen:?}", database.name);
        }
        store.close().await;
    }
}

#[tokio::test]
async fn who_says_how_long_a_recording_is_kept_is_heard_from_its_end_on() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let configured = Some(ENDED.plus(30 * DAY));
    for database in Database::all().await {
        let store = database.open().await;
        for (id, keep, expires) in [
            ("for-ever", Some(None), None),
            ("a-day", Some(Some(DAY)), Some(ENDED.plus(DAY))),
            ("nothing-said", None, configured),
        ] {
            let over = Recording { expires: configured, ..recording(id) };
            let goes_on = Recording { is_over: false, ended: None, ..recording(id) };
            store.put_recording(&goes_on).await.unwrap();
            if let Some(keep) = keep {
                let kept = store.keep_recording_for(id, keep).await.unwrap().unwrap();
                assert_eq!(kept.expires, None, "nobody knows when it ends: {id} on {}", database.name);
            }
            for _ in 0..2 {
                store.put_recording(&over).await.unwrap();
                assert_eq!(store.recording(id).await.unwrap().unwrap().expires, expires, "{id} on {}", database.name);
            }
        }
        // Who thinks again is heard, too.
        let kept = store.keep_recording_for("for-ever", Some(2 * DAY)).await.unwrap().unwrap();
        assert_eq!(kept.expires, Some(ENDED.plus(2 * DAY)));
        let kept = store.keep_recording_for("nothing-said", None).await.unwrap().unwrap();
        assert_eq!(kept.expires, None);
        assert_eq!(store.keep_recording_for("nowhere", None).await.unwrap(), None);
        store.close().await;
    }
}
