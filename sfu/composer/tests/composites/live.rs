//! What is composed while it goes on, of files that come piece by piece.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use sluice_composer::layout;
use sluice_composer::{
    Canvas, Composition, Ffmpeg, Layout, LiveComposer, LiveEncoding, MAX_SOURCES, SourceKey, SourceWriter,
    TooManySources,
};
use sluice_recorder::{Chunk, Extension, Place};

use crate::media::{Composite, ffmpeg};

const CANVAS: Canvas = Canvas { width: 320, height: 180, fps: 15 };

pub(crate) fn composition() -> Composition {
    Composition { layout: Layout::Grid, canvas: CANVAS, video_bps: 400_000, names: true, ..Composition::default() }
}

pub(crate) fn key(identity: &str) -> SourceKey {
    SourceKey { identity: identity.into(), name: identity.to_uppercase(), is_screen: false }
}

/// A file as a recorder gives it: its head, and one cluster after the other.
pub(crate) fn recorded(folder: &Path, picture: &str, sound: &str) -> Vec<Chunk> {
    let path = folder.join("recorded.webm");
    ffmpeg(
        &[
            &["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-c:v", "libvpx", "-deadline", "realtime"][..],
            &["-b:v", "300k", "-g", "15", "-c:a", "libopus", "-cluster_time_limit", "1000", path.to_str().unwrap()],
        ]
        .concat(),
    );
    let file = std::fs::read(path).unwrap();
    let cluster = [0x1f, 0x43, 0xb6, 0x75];
    // The seek head names the id as well. Behind a cluster's, there are its size and its time.
    let is_cluster = |at: &usize| {
        let size_length = file[at + 4].leading_zeros() as usize + 1;
        file[*at..].starts_with(&cluster) && file.get(at + 4 + size_length) == Some(&0xe7)
    };
    let mut cuts: Vec<usize> = (0..file.len() - 4).filter(is_cluster).collect();
    assert!(cuts.len() > 1, "{cuts:?}");
    cuts.insert(0, 0);
    cuts.push(file.len());
    let chunk =
        |bytes: &[u8]| Chunk { part: 0, extension: Extension::Webm, place: Place::Append, bytes: bytes.to_vec() };
    cuts.windows(2).map(|pair| chunk(&file[pair[0]..pair[1]])).collect()
}

pub(crate) fn append(writer: &mut SourceWriter, chunks: &[Chunk]) {
    for chunk in chunks {
        writer.append(chunk, None, Instant::now());
    }
}

#[test]
fn a_call_is_seen_and_heard_while_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let ffmpeg = Ffmpeg::find(None).unwrap();
    let red = recorded(folder.path(), "color=red:s=320x180:r=15:d=6", "sine=440:d=6");
    let blue = recorded(folder.path(), "color=blue:s=160x90:r=15:d=6", "sine=1000:d=6");
    let (composer, mut reader) =
        LiveComposer::start(&ffmpeg, &composition(), LiveEncoding::default(), Instant::now()).unwrap();
    let mut ada = composer.source(key("ada")).unwrap();
    let mut bob = composer.source(key("bob")).unwrap();
    let mut broken = composer.source(key("broken")).unwrap();
    append(&mut ada, &red);
    append(&mut bob, &blue);
    let nonsense = Chunk { part: 0, extension: Extension::Webm, place: Place::Append, bytes: vec![7; 5000] };
    append(&mut broken, &[nonsense.clone(), nonsense.clone(), nonsense]);

    let mut stream = Vec::new();
    let mut buffer = [0; 4096];
    while composer.composed() < Duration::from_secs(7) {
        let count = reader.read(&mut buffer).unwrap();
        assert!(count > 0, "the stream goes on");
        stream.extend_from_slice(&buffer[..count]);
    }
    composer.remove(broken);
    composer.set_layout(Layout::SingleSpeaker);
    let ending = std::thread::spawn(move || composer.finish());
    reader.read_to_end(&mut stream).unwrap();
    let streamed = ending.join().unwrap().unwrap();
    assert!(streamed.duration > Duration::from_secs(7));
    assert_eq!((ada.dropped(), bob.dropped()), (0, 0));

    let path = folder.path().join("stream.ts");
    std::fs::write(&path, &stream).unwrap();
    let composite = Composite::read(&path, (320, 180), 15.0);
    let tiles = layout::grid(CANVAS, 3);
    #[expect(clippy::cast_precision_loss, reason = "a few pictures")]
    let seen = |frame: usize| {
        let at_s = (frame as f64 + 0.5) / 15.0;
        tiles.iter().map(|tile| composite.colour(at_s, *tile)).collect::<Vec<_>>()
    };
    let together = (0..composite.frames()).filter(|frame| seen(*frame) == ["red", "blue", "calm"]).count();
    assert!(together > 10, "{together} of {} pictures", composite.frames());
    let heard = (0..30).map(|part| f64::from(part) * 0.25).filter(|from_s| {
        composite.tone(440.0, *from_s, from_s + 0.25) > 0.04 && composite.tone(1000.0, *from_s, from_s + 0.25) > 0.04
    });
    assert!(heard.count() > 2, "both at one time");
}

#[test]
fn there_is_a_most_of_sources_and_a_dropped_composer_is_gone() {
    let ffmpeg = Ffmpeg::find(None).unwrap();
    let nameless = Composition { names: false, ..composition() };
    let (composer, mut reader) =
        LiveComposer::start(&ffmpeg, &nameless, LiveEncoding::default(), Instant::now()).unwrap();
    let mut writers: Vec<_> = (0..MAX_SOURCES).map(|_| composer.source(key("")).unwrap()).collect();
    assert_eq!(composer.source(key("")).unwrap_err(), TooManySources);
    composer.remove(writers.pop().unwrap());
    drop(composer.source(key("")).unwrap());
    drop(composer);
    let mut rest = Vec::new();
    assert!(reader.read_to_end(&mut rest).is_err(), "it was broken off");
    writers[0].set_muted(true);
}
