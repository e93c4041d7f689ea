//! Files and what their taps say, without threads. A packet cannot be made out here: the recorder is given it directly.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use sluice_core::{TapFormat, TapId};
use sluice_recorder::Kind;

use super::super::{FileId, Recorder};
use super::*;
use crate::taps::{Taps, ring};

/// A file of two inputs that only its listener has, if any.
fn plan() -> FilePlan {
    FilePlan {
        folder: PathBuf::new(),
        name: "call".into(),
        container: Kind::Matroska,
        inputs: 2,
        started_at: Instant::now(),
        max_bytes: u64::MAX,
        is_kept: false,
    }
}

fn file(listener: Option<Box<dyn Listener>>, sink: FileSink) -> RecordedFile {
    RecordedFile::new(plan(), sink, listener, Closer::start(Arc::new(File::sync_data)).unwrap())
}

/// Nobody hears what is said of it.
fn unheard() -> FileSink {
    Box::new(|_| {})
}

/// What is said of it.
fn heard() -> (FileSink, Receiver<FileNews>) {
    let (sender, news) = channel();
    (Box::new(move |said| drop(sender.send(said))), news)
}

/// A tap and where it is read.
fn tap(number: u64) -> (Taps, TapReader) {
    let (ring, reader) = ring(TapId(number), None, Arc::new(|| {}));
    let mut taps = Taps::default();
    taps.add(ring);
    (taps, reader)
}

/// Says which inputs were muted.
struct Mutes(Sender<usize>);

impl Listener for Mutes {
    fn chunk(&mut self, _: &Chunk, _: Option<Instant>, _: Instant) {}

    fn muted(&mut self, input: usize, _: bool) {
        self.0.send(input).unwrap();
    }
}

fn mutes() -> (Option<Box<dyn Listener>>, Receiver<usize>) {
    let (sender, mutes) = channel();
    (Some(Box::new(Mutes(sender))), mutes)
}

fn muted(at: Instant) -> TapMessage {
    TapMessage::Muted { is_muted: true, at }
}

fn format_of_opus() -> TapMessage {
    TapMessage::Format(TapFormat {
        from_sequence: 0,
        mime_type: "audio/opus".into(),
        clock_rate_hz: 48_000,
        channels: Some(2),
        fmtp: String::new(),
    })
}

fn opus(from_sequence: u64) -> Format {
    Format::new("audio/opus", 48_000, 2, from_sequence).unwrap()
}

/// Of sound that comes as it is made.
fn head(sequence: u64, start: Instant) -> PacketHead {
    let timestamp = u32::try_from(sequence).unwrap() * 960;
    PacketHead { sequence, timestamp, marker: true, received_at: start + Duration::from_millis(20 * sequence) }
}

/// CELT, 20 ms.
const SOUND: &[u8] = &[0x98, 1];

#[test]
fn a_hole_is_not_given_up_while_its_repair_may_be_among_what_waits() {
    let mut file = file(None, unheard());
    let start = file.plan.started_at;
    let (mut taps, reader) = tap(1);
    file.feed(0, reader, start);
    for is_muted in [true, false].repeat(TURN / 2).into_iter().chain([false]) {
        taps.give(TapId(1), TapMessage::Muted { is_muted, at: start });
    }
    file.recorder.handle_format(Input(1), opus(0), start);
    file.recorder.handle_packet(Input(1), &head(0, start), SOUND, start);
    file.recorder.handle_packet(Input(1), &head(2, start), SOUND, start);
    let later = start + Duration::from_secs(2);
    assert_eq!(file.turn(later), Some(AT_ONCE));
    file.recorder.handle_packet(Input(1), &head(1, start), SOUND, later);
    file.turn(later);
    file.recorder.finish(later);
    let track = &file.recorder.summaries()[0].tracks[0];
    assert_eq!((track.frames, track.gaps.len()), (3, 0));
}

#[test]
fn a_track_has_one_tap_and_the_late_end_of_the_one_before_ends_nothing() {
    let (listener, mutes) = mutes();
    let mut file = file(listener, unheard());
    let start = file.plan.started_at;
    let ((mut old, of_old), (mut new, of_new)) = (tap(1), tap(2));
    file.feed(0, of_old, start);
    old.give(TapId(1), format_of_opus());
    old.give(TapId(1), muted(start));
    file.feed(0, of_new, start);
    assert_eq!(mutes.try_iter().count(), 1, "what the old one has given is taken");
    new.give(TapId(2), format_of_opus());
    file.turn(start);
    assert!(old.give(TapId(1), muted(start)).is_some(), "nobody reads it any more");
    drop(old);
    file.turn(start);
    // The new one's packets, right behind.
    for sequence in 0..3 {
        file.recorder.handle_packet(Input(0), &head(sequence, start), SOUND, start);
    }
    file.recorder.finish(start);
    assert_eq!(mutes.try_iter().count(), 0);
    assert_eq!(file.recorder.summaries()[0].tracks[0].frames, 3);
    drop(new);
}

#[test]
fn a_file_whose_publisher_changes_too_often_ends_and_says_so() {
    let (sink, news) = heard();
    let mut file = file(None, sink);
    let start = file.plan.started_at;
    let mut packets = 0..1000_u64;
    while !file.is_over() {
        let sequence = packets.next().expect("it ends");
        let at = start + Duration::from_millis(20 * sequence);
        let channels = if sequence % 2 == 0 { 1 } else { 2 };
        let format = Format::new("audio/opus", 48_000, channels, sequence).unwrap();
        file.recorder.handle_format(Input(0), format, at);
        file.recorder.handle_packet(Input(0), &head(sequence, start), SOUND, at);
        file.turn(at);
    }
    file.close(start);
    let Some(FileNews::Closed(recorded)) = news.iter().last() else { panic!("closed") };
    assert_eq!(recorded.failed.as_deref(), Some("the publisher changed what it sends too often"));
    assert!(recorded.parts.len() > 200 && recorded.bytes > 0, "what there was stays");
}

#[test]
fn a_fault_in_one_file_ends_that_file_and_no_other() {
    /// It cannot take a mute.
    struct Faulty;
    impl Listener for Faulty {
        fn chunk(&mut self, _: &Chunk, _: Option<Instant>, _: Instant) {}
        fn muted(&mut self, _: usize, _: bool) {
            panic!("on purpose");
        }
    }
    let recorder = Recorder::start().unwrap();
    let ((bad, of_bad), (good, of_good)) = (heard(), heard());
    let (listener, mutes) = mutes();
    recorder.open(FileId(1), plan(), bad, Some(Box::new(Faulty))).unwrap();
    recorder.open(FileId(2), plan(), good, listener).unwrap();
    let (mut taps, reader) = tap(1);
    taps.give(TapId(1), muted(Instant::now()));
    recorder.feed(FileId(1), 0, reader).unwrap();
    let Ok(FileNews::Closed(recorded)) = of_bad.recv() else { panic!("closed") };
    assert_eq!(recorded.failed.as_deref(), Some("a fault of the server"));
    // The other one is taken from as before.
    let (mut taps, reader) = tap(2);
    taps.give(TapId(2), muted(Instant::now()));
    recorder.feed(FileId(2), 0, reader).unwrap();
    assert_eq!(mutes.recv(), Ok(0));
    recorder.close(FileId(2)).unwrap();
    let Ok(FileNews::Closed(recorded)) = of_good.recv() else { panic!("closed") };
    assert_eq!(recorded.failed, None);
}

/// Two parts: one channel, then two.
fn record(file: &mut RecordedFile) {
    let start = file.plan.started_at;
    for sequence in 0..2 {
        let channels = u8::try_from(sequence).unwrap() + 1;
        let format = Format::new("audio/opus", 48_000, channels, sequence).unwrap();
        file.recorder.handle_format(Input(0), format, start);
        file.recorder.handle_packet(Input(0), &head(sequence, start), SOUND, start);
    }
}

#[test]
fn a_part_that_begins_is_told_of_at_once() {
    let home = tempfile::tempdir().unwrap();
    let (sink, news) = heard();
    let plan = FilePlan { folder: home.path().into(), inputs: 1, is_kept: true, ..plan() };
    let mut file = RecordedFile::new(plan, sink, None, Closer::start(Arc::new(File::sync_data)).unwrap());
    let start = file.plan.started_at;
    // Parts that follow each other within the five seconds in which nothing is said of what is known.
    for sequence in 0..240_u64 {
        let at = start + Duration::from_millis(20 * sequence);
        if let Some(channels) = [(0, 1), (100, 2)]
            .into_iter()
            .find_map(|(from, channels)| (from == sequence).then_some(channels))
        {
            let format = Format::new("audio/opus", 48_000, channels, sequence).unwrap();
            file.recorder.handle_format(Input(0), format, at);
        }
        file.recorder.handle_packet(Input(0), &head(sequence, start), SOUND, at);
        file.turn(at);
    }
    let parts = |said| match said {
        FileNews::SoFar(parts) => Some(parts.len()),
        FileNews::Began | FileNews::Closed(_) => None,
    };
    assert_eq!(news.try_iter().filter_map(parts).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_file_is_closed_also_where_as_much_waits_as_may() {
    /// Holds up the thread.
    struct Slow(Sender<()>, Receiver<()>);
    impl Listener for Slow {
        fn chunk(&mut self, _: &Chunk, _: Option<Instant>, _: Instant) {}
        fn muted(&mut self, _: usize, _: bool) {
            self.0.send(()).unwrap();
            self.1.recv().unwrap();
        }
    }
    let recorder = Recorder::start().unwrap();
    let ((sink, news), (tell, stands), (let_go, gate)) = (heard(), channel(), channel());
    recorder.open(FileId(1), plan(), sink, Some(Box::new(Slow(tell, gate)))).unwrap();
    let (mut taps, reader) = tap(1);
    taps.give(TapId(1), muted(Instant::now()));
    recorder.feed(FileId(1), 0, reader).unwrap();
    stands.recv().unwrap();
    while recorder.leave(FileId(2), 0).is_ok() {}
    recorder.close(FileId(1)).unwrap();
    let_go.send(()).unwrap();
    assert!(news.iter().any(|said| matches!(said, FileNews::Closed(_))));
    assert!(taps.give(TapId(1), muted(Instant::now())).is_some(), "nobody reads it any more");
}

#[test]
fn a_disk_that_takes_its_time_for_one_file_holds_up_no_other_and_all_is_on_it_before_that_is_said() {
    let home = tempfile::tempdir().unwrap();
    let (let_go, gate) = channel();
    let gate = Mutex::new(gate);
    let sync = move |_: &File| gate.lock().unwrap().recv().map_err(io::Error::other);
    let closer = Closer::start(Arc::new(sync)).unwrap();
    let news = ["ann", "bob"].map(|name| {
        let plan = FilePlan { folder: home.path().into(), name: name.into(), is_kept: true, ..plan() };
        let (sink, news) = heard();
        let mut file = RecordedFile::new(plan, sink, None, closer.clone());
        record(&mut file);
        let now = file.plan.started_at;
        file.close(now);
        news
    });
    let is_closed = |said: &FileNews| matches!(said, FileNews::Closed(_));
    // Both parts of the one come first. The disk has not answered for the second.
    let_go.send(()).unwrap();
    assert!(!news.iter().any(|news| news.try_iter().any(|said| is_closed(&said))));
    for (name, news) in ["ann", "bob"].into_iter().zip(news) {
        (0..2).for_each(|_| let_go.send(()).unwrap());
        let Some(FileNews::Closed(recorded)) = news.iter().find(is_closed) else { panic!("closed") };
        assert_eq!((recorded.failed, recorded.parts.len()), (None, 2), "{name}");
    }
}

#[test]
fn a_part_that_does_not_come_to_the_disk_is_told_of_at_the_end() {
    let home = tempfile::tempdir().unwrap();
    let results = Mutex::new(vec![Ok(()), Err(io::ErrorKind::StorageFull.into())]);
    let closer = Closer::start(Arc::new(move |_: &File| results.lock().unwrap().pop().unwrap())).unwrap();
    let (sink, news) = heard();
    let plan = FilePlan { folder: home.path().into(), is_kept: true, ..plan() };
    let mut file = RecordedFile::new(plan, sink, None, closer);
    record(&mut file);
    let now = file.plan.started_at;
    file.close(now);
    let Some(FileNews::Closed(recorded)) = news.iter().last() else { panic!("closed") };
    let failed = "the recording could not be written: no space is left on the disk";
    assert_eq!(recorded.failed.as_deref(), Some(failed));
}
