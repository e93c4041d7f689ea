//! A process that writes to store and audit trail is killed, twenty times, in the middle of whatever it does. What it
//! said was written is there, both are whole, and the next one goes on.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "tests")]

mod databases;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use databases::Database;
use sluice_audit::{AuditLog, Entry, Outcome, SigningKey, VerifyError, verify};
use sluice_store::outbox::{Receiver, Settlement};
use sluice_store::{NewEvent, NewSession, SessionKind, SessionState, Stay, Store, StoreOptions, UnixMillis};

const KILLS: usize = 20;
const URL: &str = "SLUICE_TEST_KILLED_URL";
const TRAIL: &str = "SLUICE_TEST_KILLED_TRAIL";
const RUN: &str = "SLUICE_TEST_KILLED_RUN";

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// Not a test of its own: what is killed. It says each thing that was written, after it was.
#[test]
fn writer() {
    let (Ok(url), Ok(trail), Ok(run)) = (std::env::var(URL), std::env::var(TRAIL), std::env::var(RUN)) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(write(&url, Path::new(&trail), run.parse().unwrap()));
}

/// Writes for ever.
async fn write(url: &str, trail: &Path, run: i64) {
    let mut audit = AuditLog::open(trail, key(), run).unwrap();
    let store = Store::open(url, &StoreOptions { connections: 2, ..StoreOptions::default() })
        .await
        .unwrap();
    let receiver = Receiver { id: "crm".into(), url: "https://crm.example".to_owned(), api_key: "key".to_owned() };
    store.set_receivers(&[receiver]).await.unwrap();
    store.free_leases().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    transaction.end_interrupted_sessions(None).await.unwrap();
    transaction.commit().await.unwrap();
    for turn in 0.. {
        let (session, room) = (format!("S{run}-{turn}"), format!("room {}", turn % 3));
        let now = UnixMillis(run * 1_000_000 + turn);
        let mut transaction = store.begin().await.unwrap();
        let new = NewSession {
            id: session.as_str().into(),
            room: room.as_str().into(),
            kind: SessionKind::Instant,
            scheduled: None,
            companion: None,
        };
        transaction.open_session(&new, now).await.unwrap();
        let stay = Stay {
            participant: "PA_1".into(),
            identity: "ann".into(),
            user: None,
            name: "Ann".to_owned(),
            role: "host".to_owned(),
            joined: now,
            left: None,
            left_because: None,
        };
        transaction.join_session(&new.id, &stay).await.unwrap();
        let event = NewEvent {
            kind: "room_started".into(),
            at: now,
            room: Some(new.room.clone()),
            session: Some(new.id.clone()),
            subjects: vec!["ann".into()],
            payload: format!("{{\"session\":\"{session}\"}}"),
            webhook: true,
        };
        let number = transaction.append(&event).await.unwrap();
        transaction.commit().await.unwrap();
        say(&format!("event {number} {session}"));

        for delivery in store
            .claim(&"crm".into(), &session.as_str().into(), now, UnixMillis(i64::MAX), 1)
            .await
            .unwrap()
        {
            // As a receiver would: it has it before anybody settles it.
            say(&format!("posted {}", delivery.event.number));
            store.settle(&delivery, Settlement::Delivered, now).await.unwrap();
        }
        if turn % 2 == 0 {
            let mut transaction = store.begin().await.unwrap();
            transaction.move_session(&new.id, SessionState::Ended, now).await.unwrap();
            transaction.commit().await.unwrap();
        }
        let entry = Entry {
            who: Some("host".to_owned()),
            what: "session.open".to_owned(),
            whom: Some(session),
            room: Some(room),
            from: None,
            result: Outcome::Done,
            request_id: None,
            detail: None,
        };
        say(&format!("audit {}", audit.append(&entry, now.0).unwrap()));
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "wrote {line}").unwrap();
    out.flush().unwrap();
}

/// What a writer said before it was killed.
#[derive(Default)]
struct Said {
    events: Vec<(u64, String)>,
    posted: Vec<u64>,
    audit: u64,
}

/// Kills a writer after so many lines.
fn kill_after(lines: usize, url: &str, trail: &Path, run: usize, said: &mut Said) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["writer", "--exact", "--nocapture"])
        .env(URL, url)
        .env(TRAIL, trail)
        .env(RUN, (run + 1).to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut count = 0;
    for line in out.lines().map(Result::unwrap) {
        let words: Vec<&str> = line.split_once("wrote ").map_or(Vec::new(), |(_, words)| words.split(' ').collect());
        match words[..] {
            ["event", number, session] => said.events.push((number.parse().unwrap(), session.to_owned())),
            ["posted", number] => said.posted.push(number.parse().unwrap()),
            ["audit", number] => said.audit = number.parse().unwrap(),
            _ => continue,
        }
        count += 1;
        if count == lines {
            // SIGKILL; what it manages to write until then is read on.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(count >= lines, "the writer ended by itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twenty_times_nothing_that_was_said_is_lost() {
    for database in Database::all().await {
        let trail: PathBuf = database.directory.path().join("audit.jsonl");
        let mut said = Said::default();
        let mut torn = 0;
        for run in 0..KILLS {
            // Nowhere in particular: after another line each time.
            kill_after(2 + run * 7 % 31, &database.url, &trail, run, &mut said);

            let verified = match verify(&trail, Some(&key().verifying_key()), None) {
                Ok(verified) => verified,
                Err(VerifyError::Bad(bad)) => panic!("{}, run {run}: {bad}", database.name),
                Err(error) => panic!("{error}"),
            };
            assert!(verified.records >= said.audit, "record {} was acknowledged", said.audit);
            torn += usize::from(verified.torn_bytes > 0);

            let store = database.open().await;
            assert_eq!(store.check().await.unwrap(), [] as [String; 0], "{}, run {run}", database.name);
            let mut kept = Vec::new();
            loop {
                let after = kept.last().map_or(0, |(number, _)| *number);
                let page = store.events(after, None, 1_000).await.unwrap();
                kept.extend(page.events.into_iter().map(|event| (event.number, event.session.unwrap().to_string())));
                if !page.more {
                    break;
                }
            }
            assert!(kept.iter().map(|(number, _)| *number).eq(1..=kept.len() as u64), "without holes");
            for event in &said.events {
                assert!(kept.contains(event), "{}, run {run}: {event:?} is lost", database.name);
            }
            for (_, session) in &kept {
                assert!(store.session(&session.as_str().into()).await.unwrap().is_some(), "each with its session");
            }
            store.close().await;
        }
        // What is owed now, and what was posted, is everything.
        let store = database.open().await;
        store.free_leases().await.unwrap();
        let mut arrived: BTreeSet<u64> = said.posted.iter().copied().collect();
        loop {
            let (now, until) = (UnixMillis(i64::MAX - 1), UnixMillis(i64::MAX));
            let claimed = store.claim(&"crm".into(), &"end".into(), now, until, 9).await.unwrap();
            if claimed.is_empty() {
                break;
            }
            for delivery in claimed {
                arrived.insert(delivery.event.number);
                said.posted.push(delivery.event.number);
                store.settle(&delivery, Settlement::Delivered, UnixMillis(0)).await.unwrap();
            }
        }
        let last = store.last_event().await.unwrap();
        assert!(arrived.iter().copied().eq(1..=last), "{}: events lost", database.name);
        eprintln!(
            "{}: killed {KILLS} times over {last} events and {} audit records, torn {torn} times; lost 0, posted twice {}",
            database.name,
            said.audit,
            said.posted.len() as u64 - last
        );
        store.close().await;
    }
}
