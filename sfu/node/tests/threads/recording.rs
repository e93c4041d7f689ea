//! What one says is written into a file.

use std::fs::{self, File};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use sluice_core::TapWish;
use sluice_node::{Container, FileId, FileNews, FilePlan, FileSink, Recorded, Recorder};

use crate::stage::Stage;

fn plan(folder: &Path, name: &str, max_bytes: u64) -> FilePlan {
    FilePlan {
        folder: folder.to_owned(),
        name: name.to_owned(),
        container: Container::Matroska,
        inputs: 2,
        started_at: Instant::now(),
        max_bytes,
        is_kept: true,
    }
}

fn news() -> (FileSink, Receiver<FileNews>) {
    let (sender, news) = channel();
    (Box::new(move |said| drop(sender.send(said))), news)
}

fn feed(stage: &mut Stage, recorder: &Recorder, file: FileId, name: &str) {
    let (publisher, track) = (stage.page(name).id.clone(), stage.page(name).track());
    let reader = stage.link.tap(&publisher, &track, TapWish::default(), recorder.wake()).unwrap();
    recorder.feed(file, 0, reader).unwrap();
}

/// Until the recorder has said something of the file.
fn said(stage: &mut Stage, news: &Receiver<FileNews>) -> FileNews {
    let heard = std::cell::RefCell::new(None);
    stage.run_until("the recorder says something", |_| {
        // What is in it so far is said now and then.
        if let Some(said) = news.try_iter().find(|said| !matches!(said, FileNews::SoFar(_))) {
            heard.replace(Some(said));
        }
        heard.borrow().is_some()
    });
    heard.take().unwrap()
}

fn closed(stage: &mut Stage, news: &Receiver<FileNews>) -> Recorded {
    match said(stage, news) {
        FileNews::Closed(recorded) => *recorded,
        other => panic!("closed, and not {other:?}"),
    }
}

/// It plays from its begin to its end, and nothing is missing in it.
fn is_whole(path: &Path) -> bool {
    sluice_recorder::recover(&mut File::open(path).unwrap()).unwrap().is_none()
}

#[test]
fn what_somebody_says_is_written_into_a_file_and_goes_on_with_another_tap() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = Stage::open();
    stage.enter("ann", true);
    stage.enter("bob", true);
    let recorder = Recorder::start().unwrap();

    let (sink, news) = news();
    recorder.open(FileId(1), plan(home.path(), "call", u64::MAX), sink, None).unwrap();
    feed(&mut stage, &recorder, FileId(1), "ann");
    assert_eq!(said(&mut stage, &news), FileNews::Began);
    let ann = stage.page("ann").track();
    stage.run_until("bob hears ann for a second", |stage| stage.page("bob").heard(&ann) > 100);
    recorder.leave(FileId(1), 0).unwrap();
    // Its numbers begin anew, and so do its timestamps: it is another publisher's.
    feed(&mut stage, &recorder, FileId(1), "bob");
    let bob = stage.page("bob").track();
    stage.run_until("ann hears bob for longer", |stage| stage.page("ann").heard(&bob) > 300);
    recorder.close(FileId(1)).unwrap();

    let recorded = closed(&mut stage, &news);
    assert_eq!((recorded.failed.as_deref(), recorded.is_full, recorded.dropped), (None, false, 0));
    let [part] = recorded.parts.as_slice() else { panic!("one file: {recorded:?}") };
    let [track] = part.tracks.as_slice() else { panic!("one track: {part:?}") };
    assert!(track.frames > 150, "of both: {track:?}");
    let path = home.path().join(part.file_name("call"));
    assert!(is_whole(&path));
    assert_eq!(fs::metadata(&path).unwrap().len(), recorded.bytes);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
    }
}

#[test]
fn a_file_that_cannot_be_written_ends_with_its_reason_and_others_go_on() {
    let home = tempfile::tempdir().unwrap();
    let mut stage = Stage::open();
    stage.enter("ann", true);
    let recorder = Recorder::start().unwrap();
    fs::write(home.path().join("taken.webm"), "somebody else's").unwrap();
    let mut files = Vec::new();
    for (number, plan) in [
        (1, plan(home.path(), "taken", u64::MAX)),
        (2, plan(&home.path().join("nowhere"), "call", u64::MAX)),
        (3, plan(home.path(), "small", 10_000)),
        (4, plan(home.path(), "call", u64::MAX)),
    ] {
        let (sink, news) = news();
        recorder.open(FileId(number), plan, sink, None).unwrap();
        feed(&mut stage, &recorder, FileId(number), "ann");
        files.push(news);
    }
    let [taken, nowhere, small, fine] = files.as_slice() else { panic!("four") };
    assert_eq!(
        closed(&mut stage, taken).failed.as_deref(),
        Some("the recording could not be written: a file of its name is there already")
    );
    assert_eq!(fs::read_to_string(home.path().join("taken.webm")).unwrap(), "somebody else's");
    assert_eq!(
        closed(&mut stage, nowhere).failed.as_deref(),
        Some("the recording could not be written: its directory is gone")
    );
    assert_eq!(said(&mut stage, small), FileNews::Began);
    let full = closed(&mut stage, small);
    assert!(full.is_full && full.failed.is_none() && full.bytes < 30_000, "{full:?}");
    assert!(is_whole(&home.path().join("small.webm")));
    assert_eq!(said(&mut stage, fine), FileNews::Began);
    // Who lets go of the recorder ends its files as if it had said so.
    drop(recorder);
    assert!(closed(&mut stage, fine).failed.is_none());
    assert!(is_whole(&home.path().join("call.webm")));
}
