//! What is owed to a bucket, over outages and kills.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use super::bucket::{Bucket, Fault, SECRET, even, file};
use crate::parcel::{OUTBOX, STORED};
use crate::{
    Destination, Item, Kept, ObjectKey, Outbox, OutboxConfig, Outcome, Parcel, Patience, S3Settings, ShelfError,
};

const LARGE: usize = (8 << 20) + 11;

fn outbox_to(bucket: &Arc<Bucket>, settings: S3Settings) -> Outbox {
    let config =
        OutboxConfig { ours: Some(settings), parallel: 3, reach: None, patience: Patience::ENDLESS, random: even() };
    let bucket = bucket.clone();
    Outbox::with(config, move |settings, tries, _| bucket.open(settings, tries)).unwrap()
}

fn outbox(bucket: &Arc<Bucket>) -> Outbox {
    outbox_to(bucket, bucket.settings())
}

fn item(folder: &str, name: &str, stays: bool) -> Item {
    let key = ObjectKey::parse(&format!("{folder}/{name}")).unwrap();
    Item { name: name.to_owned(), key, content_type: "video/webm".to_owned(), stays }
}

/// A recording's directory with a file that goes and one that stays.
fn recording(under: &TempDir, id: &str, bytes: usize) -> (PathBuf, Vec<u8>, Parcel) {
    let (path, content) = file(under, id, bytes);
    let folder = under.path().join(format!("{id}.d"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::rename(path, folder.join("recording.webm")).unwrap();
    std::fs::write(folder.join("manifest.json"), "{}").unwrap();
    let items = vec![item(id, "recording.webm", false), item(id, "manifest.json", true)];
    (folder, content, Parcel::new(Destination::Ours, String::new(), Some(items)))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn what_is_there_goes_here() {
    let (bucket, under) = (Bucket::new(), tempfile::tempdir().unwrap());
    let outbox = outbox(&bucket);
    let (folder, content, parcel) = recording(&under, "EG_1", LARGE);
    let receipt = outbox.send(folder.clone(), parcel).await.unwrap();
    let Some(Outcome::Stored(kept)) = receipt.outcome().await else { panic!() };
    assert_eq!(kept.files[0].1.location, "http://bucket.test/calls/EG_1/recording.webm");
    assert!(bucket.object("EG_1/recording.webm").unwrap() == content);
    assert_eq!(names(&folder), ["manifest.json", STORED]);
    assert_eq!(Kept::read(&folder).unwrap(), Some(kept));
    assert!(outbox.resume(folder.clone()).await.unwrap().is_none());

    // Another bucket is configured, and has the same keys.
    let elsewhere = S3Settings { endpoint: Some("http://other.test".to_owned()), ..bucket.settings() };
    let outcome = outbox_to(&bucket, elsewhere).discard(&folder).await;
    assert!(matches!(outcome, Err(ShelfError::NoShelf)), "{outcome:?}");
    assert!(bucket.object("EG_1/recording.webm").is_some());

    outbox.discard(&folder).await.unwrap();
    outbox.discard(&folder).await.unwrap();
    assert_eq!((bucket.object("EG_1/recording.webm"), bucket.object("EG_1/manifest.json")), (None, None));
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_a_bucket_lose_nothing() {
    let (bucket, under) = (Bucket::new(), tempfile::tempdir().unwrap());
    let outbox = outbox(&bucket);
    let began = Instant::now();
    let mut sent = Vec::new();
    for number in 0..20 {
        let (folder, content, parcel) =
            recording(&under, &format!("EG_{number}"), if number < 3 { LARGE } else { 9000 });
        // The first ones are in the middle of it when the bucket goes away.
        if number == 2 {
            tokio::task::yield_now().await;
            bucket.fail_always(Some(Fault::Connect));
        }
        sent.push((outbox.send(folder.clone(), parcel).await.unwrap(), folder, content));
    }
    for fault in [Fault::Connect, Fault::Hang, Fault::Status(503, "SlowDown"), Fault::Cut, Fault::Status(500, "")] {
        bucket.fail_always(Some(fault));
        tokio::time::sleep(Duration::from_secs(120)).await;
    }
    let away = sent.iter().filter(|(_, folder, _)| folder.join("recording.webm").exists()).count();
    assert!(away >= 18, "{away} are still here, and all of those are");
    bucket.fail_always(None);
    for (number, (receipt, folder, content)) in sent.into_iter().enumerate() {
        let Some(Outcome::Stored(kept)) = receipt.outcome().await else { panic!("{number}") };
        assert_eq!(kept.files.len(), 2);
        assert!(bucket.object(&format!("EG_{number}/recording.webm")).unwrap() == content);
        assert_eq!(names(&folder), ["manifest.json", STORED]);
    }
    let took = began.elapsed();
    assert!((Duration::from_secs(600)..Duration::from_secs(700)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_killed_at_any_request_goes_on_where_it_was() {
    // Begin, two parts, end, look; put, look. The request hangs, and the server is no more.
    for killed_at in 0..7 {
        let (bucket, under) = (Bucket::new(), tempfile::tempdir().unwrap());
        let (folder, content, parcel) = recording(&under, "EG_1", LARGE);
        bucket.fail((0..killed_at).map(|_| Fault::None).chain([Fault::Hang]));
        let first = outbox(&bucket);
        let receipt = first.send(folder.clone(), parcel).await.unwrap();
        // All that does not hang is done within the second, on a clock that waits for it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(first);
        assert!(receipt.outcome().await.is_none());
        assert!(std::fs::read(folder.join("recording.webm")).unwrap() == content, "killed at {killed_at}");
        let asked = bucket.asked().len();
        assert_eq!(asked, killed_at);

        let receipt = outbox(&bucket).resume_kept(&folder).await;
        assert_eq!(receipt.files.len(), 2);
        assert!(bucket.object("EG_1/recording.webm").unwrap() == content, "killed at {killed_at}");
        assert_eq!(names(&folder), ["manifest.json", STORED]);
        let again = bucket.asked().iter().any(|asked| asked.starts_with("PUT /calls/EG_1/recording"));
        assert_eq!(again, killed_at < 5, "what was there is not sent again");
    }
}

impl Outbox {
    /// Resumes, and waits.
    async fn resume_kept(&self, folder: &Path) -> Kept {
        match self.resume(folder.to_owned()).await.unwrap().unwrap().outcome().await {
            Some(Outcome::Stored(kept)) => kept,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_killed_while_tidying_up_tidies_up_again() {
    let (bucket, under) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (folder, content, parcel) = recording(&under, "EG_1", 9000);
    let items = vec![item("EG_1", "recording.webm", false), item("EG_1", "manifest.json", false)];
    let outbox = outbox(&bucket);
    // Put, look; put, look, which takes its time.
    bucket.fail([Fault::None, Fault::None, Fault::None, Fault::Status(503, "SlowDown")]);
    let receipt = outbox.send(folder.clone(), Parcel { items: Some(items), ..parcel }).await.unwrap();
    while bucket.object("EG_1/manifest.json").is_none() {
        tokio::task::yield_now().await;
    }
    // Tidying up ends at the second file, as a kill would end it: what is a directory now is not removed as a file.
    let manifest = folder.join("manifest.json");
    std::fs::remove_file(&manifest).unwrap();
    std::fs::create_dir(&manifest).unwrap();
    let outcome = receipt.outcome().await;
    assert!(matches!(outcome, Some(Outcome::Refused(ShelfError::Local(_)))), "{outcome:?}");
    assert_eq!(names(&folder), ["manifest.json", OUTBOX, STORED]);
    std::fs::remove_dir(&manifest).unwrap();
    std::fs::write(&manifest, "{}").unwrap();

    bucket.asked();
    let kept = outbox.resume_kept(&folder).await;
    assert_eq!((kept.files.len(), bucket.asked().len()), (2, 0));
    assert_eq!(names(&folder), [STORED]);
    assert!(bucket.object("EG_1/recording.webm").unwrap() == content);
}

/// Where this test finds a disk of its own, when it runs once more as a process that has one.
#[cfg(target_os = "linux")]
const DISK: &str = "SLUICE_TEST_DISK";

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_does_not_end_what_makes_room_on_it() {
    if let Some(disk) = std::env::var_os(DISK) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        return runtime.block_on(send_from_a_full_disk(Path::new(&disk)));
    }
    let home = tempfile::tempdir().unwrap();
    let on_a_disk = |script: &str| {
        let mut command = std::process::Command::new("unshare");
        let script = format!("mount -t tmpfs -o size=256k disk \"${DISK}\" && exec {script}");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .env(DISK, home.path());
        command
    };
    if !on_a_disk("true").output().is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: file systems of one's own are for root here");
        return;
    }
    let name = "tests::outbox::a_full_disk_does_not_end_what_makes_room_on_it";
    let output = on_a_disk("\"$0\" \"$@\"")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[cfg(target_os = "linux")]
async fn send_from_a_full_disk(disk: &Path) {
    let (bucket, under) = (Bucket::new(), tempfile::tempdir_in(disk).unwrap());
    let (folder, content, parcel) = recording(&under, "EG_1", 90_000);
    let filler = disk.join("filler");
    std::fs::write(&filler, vec![0; 1 << 20]).unwrap_err();

    let outbox = outbox(&bucket);
    let receipt = outbox.send(folder.clone(), parcel).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(bucket.object("EG_1/recording.webm").unwrap() == content && bucket.object("EG_1/manifest.json").is_some());
    assert_eq!(
        names(&folder),
        ["manifest.json", "recording.webm"],
        "nothing is lost track of, and nothing is half written"
    );
    let asked = bucket.asked().len();
    assert_eq!(asked, 4, "each is put and looked at once");

    std::fs::remove_file(&filler).unwrap();
    assert!(matches!(receipt.outcome().await, Some(Outcome::Stored(_))));
    assert_eq!(names(&folder), ["manifest.json", STORED]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_stays_here_until_the_keys_are_right() {
    let (bucket, under) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (folder, content, parcel) = recording(&under, "EG_1", 9000);
    let wrong = S3Settings { secret_key: "wrong".to_owned().into(), ..bucket.settings() };
    let outcome = outbox_to(&bucket, wrong).send(folder.clone(), parcel).await.unwrap().outcome().await;
    let Some(Outcome::Refused(ShelfError::Denied { status: 403, .. })) = outcome else { panic!("{outcome:?}") };
    assert_eq!(names(&folder), ["manifest.json", OUTBOX, "recording.webm"]);

    let kept = outbox(&bucket).resume_kept(&folder).await;
    assert!(kept.is_ours && bucket.object("EG_1/recording.webm").unwrap() == content);

    let (folder, _, parcel) = recording(&under, "EG_2", 9000);
    let config = OutboxConfig { ours: None, parallel: 1, reach: None, patience: Patience::ENDLESS, random: even() };
    let outcome = Outbox::new(config).unwrap().send(folder, parcel).await.unwrap().outcome().await;
    assert!(matches!(outcome, Some(Outcome::Refused(ShelfError::NoShelf))), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn keys_of_a_request_outlast_a_kill_and_go_when_all_is_done() {
    let (bucket, under) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (folder, content, parcel) = recording(&under, "EG_1", 9000);
    let theirs = || Destination::Theirs(Box::new(bucket.settings()));
    let without = || {
        let config = OutboxConfig { ours: None, parallel: 1, reach: None, patience: Patience::ENDLESS, random: even() };
        let bucket = bucket.clone();
        Outbox::with(config, move |settings, tries, _| bucket.open(settings, tries)).unwrap()
    };
    // While it is recorded: only the destination is known.
    let reserved = Parcel::new(theirs(), "calls/a".to_owned(), None);
    without().check(&theirs()).unwrap();
    assert!(matches!(without().check(&Destination::Ours), Err(ShelfError::NoShelf)));
    without().remember(folder.clone(), theirs(), "calls/a".to_owned()).await.unwrap();
    assert!(std::fs::read_to_string(folder.join(OUTBOX)).unwrap().contains(SECRET));
    assert!(without().resume(folder.clone()).await.unwrap().is_none(), "there is nothing to send yet");
    let remembered = Parcel::read(&folder).unwrap().unwrap();
    assert_eq!(remembered, reserved);

    let items = parcel.items;
    let outbox = without();
    let receipt = outbox.send(folder.clone(), Parcel { items, ..remembered }).await.unwrap();
    let Some(Outcome::Stored(kept)) = receipt.outcome().await else { panic!() };
    assert_eq!(kept.note, "calls/a");
    assert!(!kept.is_ours && bucket.object("EG_1/recording.webm").unwrap() == content);
    for name in names(&folder) {
        let text = std::fs::read(folder.join(&name)).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(SECRET), "{name}");
    }
    // Nor do they stay where nothing came of a recording.
    outbox.remember(folder.clone(), theirs(), String::new()).await.unwrap();
    outbox.forget(folder.clone()).await.unwrap();
    assert_eq!(Parcel::read(&folder).unwrap(), None);
    // What is somebody else's is not taken away.
    outbox.discard(&folder).await.unwrap();
    assert!(bucket.object("EG_1/recording.webm").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_parcel_whose_task_panics_can_be_sent_again() {
    let (bucket, under) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (folder, content, parcel) = recording(&under, "EG_1", 9000);
    let destination = Destination::Theirs(Box::new(bucket.settings()));
    let config = OutboxConfig { ours: None, parallel: 1, reach: None, patience: Patience::ENDLESS, random: even() };
    let (theirs, is_broken) = (bucket.clone(), std::sync::atomic::AtomicBool::new(true));
    let outbox = Outbox::with(config, move |settings, tries, _| {
        assert!(!is_broken.swap(false, std::sync::atomic::Ordering::Relaxed), "as it is to be");
        theirs.open(settings, tries)
    })
    .unwrap();
    let receipt = outbox.send(folder.clone(), Parcel { destination, ..parcel }).await.unwrap();
    assert!(receipt.outcome().await.is_none());
    assert!(!outbox.resume_kept(&folder).await.is_ours);
    assert!(bucket.object("EG_1/recording.webm").unwrap() == content);
}

#[tokio::test(start_paused = true)]
async fn of_many_files_some_are_sent_again_after_a_kill() {
    let (bucket, under) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (folder, _, parcel) = recording(&under, "EG_1", 9000);
    let items: Vec<_> = (0..70).map(|number| item("EG_1", &format!("{number}.ts"), false)).collect();
    for item in &items {
        std::fs::write(folder.join(&item.name), &item.name).unwrap();
    }
    // Each file is put and looked at.
    bucket.fail((0..120).map(|_| Fault::None).chain([Fault::Hang]));
    let first = outbox(&bucket);
    let receipt = first.send(folder.clone(), Parcel { items: Some(items), ..parcel }).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(first);
    assert!(receipt.outcome().await.is_none());
    assert_eq!(bucket.asked().len(), 120);
    assert_eq!(Parcel::read(&folder).unwrap().unwrap().stored.len(), 50, "a list is not written for each of its lines");

    let kept = outbox(&bucket).resume_kept(&folder).await;
    assert_eq!((kept.files.len(), bucket.asked().len()), (70, 40));
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_noted_when_the_next_is_refused() {
    let (bucket, under) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (folder, _, parcel) = recording(&under, "EG_1", 9000);
    std::fs::remove_file(folder.join("manifest.json")).unwrap();
    let outcome = outbox(&bucket).send(folder.clone(), parcel).await.unwrap().outcome().await;
    assert!(matches!(outcome, Some(Outcome::Refused(ShelfError::Local(_)))), "{outcome:?}");
    assert_eq!(Parcel::read(&folder).unwrap().unwrap().stored.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_somebody_brought_along_holds_up_nobody_else() {
    let (bucket, hanging, under) = (Bucket::new(), Bucket::new(), tempfile::tempdir().unwrap());
    hanging.fail_always(Some(Fault::Hang));
    let config = OutboxConfig {
        ours: Some(bucket.settings()),
        parallel: 1,
        reach: None,
        patience: Patience::ENDLESS,
        random: even(),
    };
    let (ours, theirs) = (bucket.clone(), hanging.clone());
    let outbox = Outbox::with(config, move |settings, tries, _| {
        let bucket = if settings.prefix.is_empty() { &ours } else { &theirs };
        bucket.open(settings, tries)
    })
    .unwrap();
    let destination = Destination::Theirs(Box::new(S3Settings { prefix: "x".to_owned(), ..bucket.settings() }));
    let mut waiting = Vec::new();
    for number in 0..5 {
        let (folder, _, parcel) = recording(&under, &format!("EG_{number}"), 9000);
        waiting.push(outbox.send(folder, Parcel { destination: destination.clone(), ..parcel }).await.unwrap());
    }
    let (folder, _, parcel) = recording(&under, "EG_9", 9000);
    let began = Instant::now();
    let outcome = outbox.send(folder, parcel).await.unwrap().outcome().await;
    assert!(matches!(outcome, Some(Outcome::Stored(_))));
    assert!(began.elapsed() < Duration::from_secs(1));
    hanging.fail_always(None);
    for receipt in waiting {
        assert!(matches!(receipt.outcome().await, Some(Outcome::Stored(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn what_went_before_its_parcel_goes_once() {
    let (bucket, under) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (folder, content, parcel) = recording(&under, "EG_1", 9000);
    let outbox = outbox(&bucket);
    let shelf = outbox.open(&Destination::Ours).unwrap();
    let put = |name: &'static str| {
        let (shelf, path) = (shelf.clone(), folder.join(name));
        async move { shelf.put_file(&item("EG_1", name, false).key, &path, "video/webm").await.unwrap() }
    };
    let (file, manifest) = (put("recording.webm").await, put("manifest.json").await);
    bucket.asked();
    // What is not the next one in order is sent again.
    assert_eq!(parcel.clone().begun(vec![manifest]).stored, []);
    let receipt = outbox.send(folder.clone(), parcel.begun(vec![file.clone()])).await.unwrap();
    let Some(Outcome::Stored(kept)) = receipt.outcome().await else { panic!() };
    assert_eq!((kept.files.len(), &kept.files[0].1), (2, &file));
    assert_eq!(bucket.asked().len(), 2, "the manifest is put and looked at");
    assert!(bucket.object("EG_1/recording.webm").unwrap() == content);
    assert_eq!(names(&folder), ["manifest.json", STORED]);
}

#[tokio::test(start_paused = true)]
async fn what_is_made_later_is_kept_beside_what_is_there() {
    let (bucket, under) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (folder, _, parcel) = recording(&under, "EG_1", 9000);
    let outbox = outbox(&bucket);
    let parcel = Parcel { note: "as it is".to_owned(), ..parcel };
    outbox.send(folder.clone(), parcel).await.unwrap().outcome().await.unwrap();
    let later = |stays| Parcel::new(Destination::Ours, String::new(), Some(vec![item("EG_1", "grid.mp4", stays)]));
    for text in ["made", "made again"] {
        std::fs::write(folder.join("grid.mp4"), text).unwrap();
        let receipt = outbox.send(folder.clone(), later(false)).await.unwrap();
        let Some(Outcome::Stored(kept)) = receipt.outcome().await else { panic!() };
        let names: Vec<_> = kept.files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            (kept.note.as_str(), &names[..]),
            ("as it is", &["recording.webm", "manifest.json", "grid.mp4"][..])
        );
        assert_eq!(bucket.object("EG_1/grid.mp4").unwrap(), text.as_bytes());
    }
    assert_eq!(names(&folder), ["manifest.json", STORED]);

    // Somebody deletes it all while another one is on its way, and comes to the bucket first.
    outbox.discard(&folder).await.unwrap();
    std::fs::write(folder.join("grid.mp4"), "once more").unwrap();
    bucket.fail([Fault::None, Fault::Status(503, "SlowDown")]);
    let receipt = outbox.send(folder.clone(), later(true)).await.unwrap();
    while bucket.object("EG_1/grid.mp4").is_none() {
        tokio::task::yield_now().await;
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let outcome = receipt.outcome().await;
    assert!(matches!(outcome, Some(Outcome::Refused(ShelfError::Local(_)))), "{outcome:?}");
    assert_eq!(bucket.object("EG_1/grid.mp4"), None);
}
