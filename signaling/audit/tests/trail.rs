//! A trail from its beginning: written, continued, torn, and changed in every way somebody may think of.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use sluice_audit::{
    AuditError, AuditLog, Entry, Flaw, Head, Outcome, SigningKey, Trail, TrailError, VerifyError, VerifyingKey, export,
    head_path, verify,
};
use tempfile::TempDir;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn entry(what: &str) -> Entry {
    Entry {
        who: Some("host".to_owned()),
        what: what.to_owned(),
        whom: Some("guest \"5\"\n".to_owned()),
        room: Some("lobby".to_owned()),
        from: Some("0123456789abcdef".to_owned()),
        result: Outcome::Done,
        request_id: Some("req-1".to_owned()),
        detail: None,
    }
}

/// A trail of six records: one that it was opened, five entries.
fn trail() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let mut log = AuditLog::open(&path, key(1), 1_000).unwrap();
    for (number, at_ms) in (2..=6).zip((2_000..).step_by(1_000)) {
        assert_eq!(log.append(&entry(&format!("participant.mute{number}")), at_ms).unwrap(), number);
    }
    (directory, path)
}

fn first_bad(path: &Path) -> (u64, Flaw) {
    match verify(path, Some(&key(1).verifying_key()), None) {
        Err(VerifyError::Bad(bad)) => (bad.number, bad.flaw),
        other => panic!("{other:?}"),
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(ToOwned::to_owned).collect()
}

fn rewrite(path: &Path, lines: &[String]) {
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn what_was_written_is_found_good_and_exported() {
    let (_directory, path) = trail();
    let verified = verify(&path, None, None).unwrap();
    assert_eq!((verified.records, verified.torn_bytes), (6, 0));
    assert_eq!(verified.key, Some(key(1).verifying_key()));

    let mut out = Vec::new();
    export(&path, None, 2_000..4_000, &mut out).unwrap();
    let exported: Vec<serde_json::Value> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(exported.len(), 2);
    assert_eq!(exported[0]["what"], "participant.mute2");
    assert_eq!(exported[0]["whom"], "guest \"5\"\n");
    assert_eq!(exported[1]["previous"], exported[0]["hash"]);
}

#[test]
fn a_trail_is_continued_where_it_ended() {
    let (_directory, path) = trail();
    let mut log = AuditLog::open(&path, key(1), 7_000).unwrap();
    assert_eq!(log.append_all(&[entry("a"), entry("b")], 8_000).unwrap(), 9);
    assert_eq!(log.append_all(&[], 8_000).unwrap(), 9);
    assert_eq!(verify(&path, None, None).unwrap().records, 9);
    assert_eq!(log.head().unwrap().number, 9);
}

#[test]
fn each_change_is_named_by_its_record() {
    type Change = fn(&mut Vec<String>);
    let cases: [(&str, Change, u64, Flaw); 7] = [
        ("a word changed", |l| l[3] = l[3].replace("mute4", "mute9"), 4, Flaw::Chain),
        ("a line removed", |l| drop(l.remove(2)), 3, Flaw::Number { found: 4 }),
        ("two lines exchanged", |l| l.swap(1, 2), 2, Flaw::Number { found: 3 }),
        ("a line twice", |l| l.insert(4, l[3].clone()), 5, Flaw::Number { found: 4 }),
        ("the end cut off", |l| l.truncate(4), 5, Flaw::CutOff { head: 6 }),
        ("everything cut off", |l| l.clear(), 1, Flaw::CutOff { head: 6 }),
        ("a line of something else", |l| l[5] = "{}".to_owned(), 6, Flaw::Unreadable),
    ];
    for (name, change, number, flaw) in cases {
        let (_directory, path) = trail();
        let mut changed = lines(&path);
        change(&mut changed);
        rewrite(&path, &changed);
        assert_eq!(first_bad(&path), (number, flaw), "{name}");
        // And nobody writes on as if nothing had happened.
        assert!(matches!(AuditLog::open(&path, key(1), 9_000), Err(AuditError::Bad(_))), "{name}");
    }
}

#[test]
fn a_signature_cannot_be_exchanged() {
    let (_directory, path) = trail();
    let mut changed = lines(&path);
    let signature = |line: &str| line[line.len() - 130..].to_owned();
    let other = signature(&changed[1]);
    let own = signature(&changed[2]);
    changed[2] = changed[2].replace(&own, &other);
    rewrite(&path, &changed);
    assert_eq!(first_bad(&path), (3, Flaw::Signature));
}

#[test]
fn another_history_needs_the_key() {
    let (_directory, path) = trail();
    let (_other_directory, other) = {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let mut log = AuditLog::open(&path, key(2), 1_000).unwrap();
        log.append(&entry("nothing happened"), 2_000).unwrap();
        (directory, path)
    };
    fs::copy(&other, &path).unwrap();
    fs::copy(head_path(&other), head_path(&path)).unwrap();
    // It is good in itself: whoever verifies has to know the key.
    assert!(verify(&path, None, None).is_ok());
    assert_eq!(first_bad(&path).1, Flaw::OtherKey);
    assert!(AuditLog::open(&path, key(1), 9_000).is_err());
}

#[test]
fn a_head_that_was_kept_elsewhere_finds_what_both_files_hide() {
    let (_directory, path) = trail();
    let early = fs::read(&path).unwrap();
    let early_head = fs::read_to_string(head_path(&path)).unwrap();
    let mut log = AuditLog::open(&path, key(1), 7_000).unwrap();
    log.append(&entry("what is to be hidden"), 8_000).unwrap();
    let kept = log.head().unwrap();
    drop(log);
    fs::write(&path, early).unwrap();
    fs::write(head_path(&path), &early_head).unwrap();
    assert!(verify(&path, None, None).is_ok(), "both files were set back");
    let Err(VerifyError::Bad(bad)) = verify(&path, None, Some(&kept)) else { panic!("not seen") };
    assert_eq!((bad.number, bad.flaw), (7, Flaw::CutOff { head: 8 }));
    assert_eq!(Head::parse(&kept.to_string()), Some(kept));
}

#[test]
fn a_head_that_is_gone_is_missed() {
    let (_directory, path) = trail();
    fs::remove_file(head_path(&path)).unwrap();
    assert_eq!(first_bad(&path), (6, Flaw::HeadMissing));
    assert!(AuditLog::open(&path, key(1), 9_000).is_err());
}

#[test]
fn two_processes_do_not_write_one_trail() {
    let (_directory, path) = trail();
    let _log = AuditLog::open(&path, key(1), 7_000).unwrap();
    assert!(matches!(AuditLog::open(&path, key(1), 7_000), Err(AuditError::InUse)));
}

#[test]
fn another_key_does_not_continue_a_trail() {
    let (_directory, path) = trail();
    assert!(matches!(AuditLog::open(&path, key(2), 7_000), Err(AuditError::OtherKey)));
}

#[test]
fn a_clock_that_went_back_is_recorded_once() {
    let (_directory, path) = trail();
    let mut log = AuditLog::open(&path, key(1), 7_000).unwrap();
    log.append(&entry("a"), 3_000).unwrap();
    log.append(&entry("b"), 4_000).unwrap();
    log.append(&entry("c"), 9_000).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("clock_moved_back\",\"who\"").count(), 1);
    assert!(text.contains("the clock shows 3000, the record before 7000"));
    assert_eq!(verify(&path, None, None).unwrap().records, 11);
}

#[test]
fn after_a_failure_nothing_is_acknowledged() {
    let (directory, path) = trail();
    let mut log = AuditLog::open(&path, key(1), 7_000).unwrap();
    // Where the new head is to be written stands something else.
    let obstacle = directory.path().join("audit.jsonl.head.new");
    fs::create_dir(&obstacle).unwrap();
    assert!(matches!(log.append(&entry("a"), 8_000), Err(AuditError::Io(_))));
    assert!(matches!(log.append(&entry("b"), 8_000), Err(AuditError::Broken)));
    drop(log);
    fs::remove_dir(&obstacle).unwrap();
    let mut log = AuditLog::open(&path, key(1), 9_000).unwrap();
    log.append(&entry("c"), 9_000).unwrap();
    assert!(verify(&path, None, None).is_ok());
}

#[test]
fn a_killed_process_leaves_a_trail_that_goes_on() {
    let (_directory, path) = trail();
    let whole = fs::read(&path).unwrap();
    let begin = whole.len() - lines(&path)[5].len() - 1;
    // As if record 7 had been cut at any byte, also one that is no boundary of a character.
    for cut in [1, 10, 300, whole.len() - begin - 1] {
        let torn = [&whole[..], &whole[begin..begin + cut]].concat();
        fs::write(&path, torn).unwrap();
        assert_eq!(verify(&path, None, None).unwrap().torn_bytes, cut as u64);
        let mut log = AuditLog::open(&path, key(1), 7_000).unwrap();
        log.append(&entry("after"), 8_000).unwrap();
        let verified = verify(&path, None, None).unwrap();
        assert_eq!((verified.records, verified.torn_bytes), (9, 0));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(&format!("\"detail\":\"{cut} bytes of an unfinished record")), "{text}");
        drop(log);
        // Back to six records.
        fs::write(&path, &whole).unwrap();
        fs::remove_file(head_path(&path)).unwrap();
        fs::write(head_path(&path), head_of(&whole)).unwrap();
    }
}

/// The head that belongs to these bytes, from their last line.
fn head_of(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    serde_json::json!({
        "number": line["record"]["number"], "hash": line["hash"], "signature": line["signature"]
    })
    .to_string()
}

#[test]
fn killed_at_the_very_beginning_it_begins_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    fs::write(&path, "{\"record\":{\"num").unwrap();
    let log = AuditLog::open(&path, key(1), 1_000).unwrap();
    assert_eq!(log.records(), 2, "opened, repaired");
    drop(log);
    assert!(verify(&path, None, None).is_ok());
    // Killed between the first record and its head.
    let first = format!("{}\n", lines(&path)[0]);
    fs::write(&path, first).unwrap();
    fs::remove_file(head_path(&path)).unwrap();
    assert_eq!(verify(&path, None, None).unwrap().records, 1);
    assert_eq!(AuditLog::open(&path, key(1), 2_000).unwrap().records(), 2);
}

#[test]
fn a_key_is_read_as_it_is_shown() {
    let key = key(1).verifying_key();
    assert_eq!(VerifyingKey::parse(&key.to_string()), Ok(key));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_write_one_trail() {
    let (_directory, path) = trail();
    let (shared, thread) = Trail::start(AuditLog::open(&path, key(1), 7_000).unwrap()).unwrap();
    let writers: Vec<_> = (0..50)
        .map(|writer| {
            let shared = shared.clone();
            tokio::spawn(async move {
                for turn in 0..4 {
                    shared.append(entry(&format!("w{writer}.{turn}")), 8_000 + turn).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    drop(shared);
    thread.join().unwrap();
    // Their times cross, which is no news.
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("\"kind\":\"entry\"").count(), 5 + 200);
    assert!(!text.contains("clock_moved_back"));
    assert!(verify(&path, Some(&key(1).verifying_key()), None).is_ok());
}

#[tokio::test]
async fn who_shares_a_broken_trail_is_refused() {
    let (directory, path) = trail();
    let (shared, thread) = Trail::start(AuditLog::open(&path, key(1), 7_000).unwrap()).unwrap();
    fs::create_dir(directory.path().join("audit.jsonl.head.new")).unwrap();
    let first = shared.append(entry("a"), 8_000).await.unwrap_err();
    assert!(matches!(first, TrailError::Refused(error) if matches!(*error, AuditError::Io(_))));
    let second = shared.append(entry("b"), 8_000).await.unwrap_err();
    assert!(matches!(second, TrailError::Refused(error) if matches!(*error, AuditError::Broken)));
    drop(shared);
    thread.join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_changed_byte_goes_unnoticed(position in any::<prop::sample::Index>(), change in 1_u8..) {
        let (_directory, path) = trail();
        let mut bytes = fs::read(&path).unwrap();
        let position = position.index(bytes.len());
        bytes[position] ^= change;
        let record = 1 + bytes[..position].iter().filter(|byte| **byte == b'\n').count() as u64;
        fs::write(&path, &bytes).unwrap();
        let (number, flaw) = first_bad(&path);
        // A changed end of the last line leaves five records and a torn one.
        prop_assert!(number == record || number == record + 1, "record {record} was changed, {number} named: {flaw}");
    }

    #[test]
    fn no_shortened_file_goes_unnoticed(length in any::<prop::sample::Index>()) {
        let (_directory, path) = trail();
        let bytes = fs::read(&path).unwrap();
        let length = length.index(bytes.len());
        fs::write(&path, &bytes[..length]).unwrap();
        let whole = bytes[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
        prop_assert_eq!(first_bad(&path), (whole + 1, Flaw::CutOff { head: 6 }));
    }
}
