//! What an append costs. Not run by itself: `cargo test -p sluice-store --test figures -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "tests")]

mod databases;

use std::time::Instant;

use databases::Database;
use sluice_audit::{AuditLog, Entry, Outcome, SigningKey};
use sluice_store::outbox::Receiver;
use sluice_store::{NewEvent, UnixMillis};

const APPENDS: u32 = 500;

#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn appends_to_the_log_and_to_the_trail() {
    for database in Database::all().await {
        let store = database.open().await;
        let receiver = Receiver { id: "crm".into(), url: "https://crm.example".to_owned(), api_key: "key".to_owned() };
        store.set_receivers(&[receiver]).await.unwrap();
        let begin = Instant::now();
        for number in 0..APPENDS {
            let event = NewEvent {
                kind: "participant_joined".into(),
                at: UnixMillis(number.into()),
                room: Some(format!("room {}", number % 10).into()),
                session: None,
                subjects: vec!["ann".into()],
                payload: "x".repeat(600),
                webhook: true,
            };
            store.append(&event).await.unwrap();
        }
        eprintln!("{}: {:?} for an event with one webhook, alone", database.name, begin.elapsed() / APPENDS);
        store.close().await;
    }

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let mut trail = AuditLog::open(&path, SigningKey::from_seed(&[1; 32]).unwrap(), 0).unwrap();
    let entry = Entry {
        who: Some("host".to_owned()),
        what: "participant.remove".to_owned(),
        whom: Some("guest".to_owned()),
        room: Some("lobby".to_owned()),
        from: Some("0123456789abcdef0123456789abcdef".to_owned()),
        result: Outcome::Done,
        request_id: Some("req-1".to_owned()),
        detail: None,
    };
    let begin = Instant::now();
    for _ in 0..APPENDS {
        trail.append(&entry, 1).unwrap();
    }
    eprintln!("audit trail: {:?} for a record alone", begin.elapsed() / APPENDS);
    let begin = Instant::now();
    for _ in 0..10 {
        trail.append_all(&vec![entry.clone(); 1_000], 1).unwrap();
    }
    eprintln!("audit trail: {:?} for a record among a thousand", begin.elapsed() / 10_000);
    let begin = Instant::now();
    let verified = sluice_audit::verify(&path, None, None).unwrap();
    let records = u32::try_from(verified.records).unwrap();
    eprintln!("audit trail: {:?} to verify a record, of {records}", begin.elapsed() / records);
}
