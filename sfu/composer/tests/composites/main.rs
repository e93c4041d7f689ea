//! Composites of recordings that ffmpeg made, looked at and listened to by ffmpeg.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod live;
mod media;
mod outlets;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use media::{Composite, camera, ffmpeg, microphone};
use sluice_composer::layout;
use sluice_composer::{
    Canvas, ComposeError, Composed, Composition, Ffmpeg, FileKind, FileOutput, Layout, Media, compose,
};
use sluice_recorder::manifest::{Gap, GapReason, Manifest, Participant, Speaker, Track, TrackKind};

const CANVAS: Canvas = Canvas { width: 320, height: 180, fps: 30 };
const SIZE: (usize, usize) = (320, 180);

fn track(participant: &str, kind: TrackKind, file: &str, from_s: f64, seconds: f64) -> Track {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds")]
    let us = |seconds: f64| (seconds * 1e6) as u64;
    Track {
        track_sid: format!("TR_{file}"),
        participant: participant.into(),
        kind,
        source: if kind == TrackKind::Video { "camera" } else { "microphone" }.into(),
        codec: if kind == TrackKind::Video { "vp8" } else { "opus" }.into(),
        file: file.into(),
        offset_us: us(from_s),
        duration_us: us(seconds),
        gaps: Vec::new(),
        resolutions: Vec::new(),
        bytes: 1,
        frames: 1,
    }
}

fn composition(layout: Layout) -> Composition {
    Composition { layout, canvas: CANVAS, video_bps: 500_000, names: false, ..Composition::default() }
}

fn made(folder: &Path, manifest: &Manifest, composition: &Composition, kind: FileKind) -> (Composed, Composite) {
    let path = folder.join("composite");
    let output = FileOutput { path: path.clone(), kind };
    let mut shares = Vec::new();
    let composed = compose(
        &Ffmpeg::find(None).unwrap(),
        folder,
        manifest,
        composition,
        &output,
        |share| shares.push(share),
        &AtomicBool::new(false),
    )
    .unwrap();
    assert!(shares.windows(2).all(|pair| pair[0] <= pair[1]) && shares.last() == Some(&1.0), "{shares:?}");
    assert_eq!(composed.bytes, path.metadata().unwrap().len());
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{left:?}");
    let composite = Composite::read(&path, SIZE, f64::from(composition.canvas.fps));
    assert!((composite.duration_s - composed.duration.as_secs_f64()).abs() < 0.1, "{}", composite.duration_s);
    (composed, composite)
}

/// Ada is red and hums at 440 Hz from the begin; Bob is blue, comes after a second and hums at 1 kHz. Her camera rests from
/// 2 to 3.
fn two_people(folder: &Path) -> Manifest {
    camera(&folder.join("ada.webm"), "color=red:s=320x180:r=30:d=4");
    microphone(&folder.join("ada_voice.webm"), "sine=440:d=4");
    let both = folder.join("bob.webm");
    ffmpeg(
        &[
            &["-f", "lavfi", "-i", "color=blue:s=240x320:r=15:d=3", "-f", "lavfi", "-i", "sine=1000:d=3"][..],
            &["-c:v", "libvpx", "-b:v", "400k", "-c:a", "libopus", both.to_str().unwrap()],
        ]
        .concat(),
    );
    let mut ada = track("ada", TrackKind::Video, "ada.webm", 0.0, 4.0);
    ada.gaps.push(Gap { from_us: 2_000_000, to_us: 3_000_000, reason: GapReason::Muted });
    Manifest {
        participants: vec![Participant {
            identity: "ada".into(),
            name: "%{pts}';:[in]\\".into(),
            joined_us: 0,
            left_us: None,
        }],
        tracks: vec![
            ada,
            track("ada", TrackKind::Audio, "ada_voice.webm", 0.0, 4.0),
            track("bob", TrackKind::Video, "bob.webm", 1.0, 3.0),
            track("bob", TrackKind::Audio, "bob.webm", 1.0, 3.0),
        ],
        speakers: vec![Speaker { from_us: 3_000_000, to_us: 4_000_000, participant: "bob".into() }],
        ..Manifest::default()
    }
}

#[test]
fn everybody_is_seen_and_heard_where_and_when_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = two_people(folder.path());
    let named = Composition { names: true, ..composition(Layout::Grid) };
    let (composed, composite) = made(folder.path(), &manifest, &named, FileKind::Mp4);
    assert_eq!((composed.incomplete, composed.duration.as_secs(), composite.frames()), (0, 4, 120));

    let (alone, both) = (layout::single(CANVAS, 1), layout::grid(CANVAS, 2));
    assert_eq!(composite.colour(0.5, alone[0]), "red");
    for (at_s, ada) in [(1.5, "red"), (1.9, "red"), (2.5, "calm"), (3.2, "red")] {
        let seen = both.iter().map(|tile| composite.colour(at_s, *tile)).collect::<Vec<_>>();
        assert_eq!(seen, [ada, "blue"], "at {at_s} s");
    }
    // Bob's camera is upright: dark beside it, and not cut.
    let bob = both[1];
    let column = |x: usize| composite.pixel(45, (bob.x + x, bob.y + bob.height / 2));
    assert!(column(4)[2] < 60 && column(bob.width / 2)[2] > 128, "{:?}", column(4));

    let tones = |from_s: f64| [440.0, 1000.0].map(|hertz| composite.tone(hertz, from_s, from_s + 0.5) > 0.05);
    assert_eq!([tones(0.2), tones(1.4), tones(3.2)], [[true, false], [true, true], [true, true]]);
    assert!(composite.tone(700.0, 1.2, 2.2) < 0.005, "nothing else is heard");
}

#[test]
fn who_speaks_is_large_and_files_are_what_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = two_people(folder.path());
    let (_, webm) = made(folder.path(), &manifest, &composition(Layout::Speaker), FileKind::WebM);
    let tiles = layout::speaker(CANVAS, 2);
    let seen = |at_s| tiles.iter().map(|tile| webm.colour(at_s, *tile)).collect::<Vec<_>>();
    assert_eq!([seen(1.5), seen(3.5)], [["red", "blue"], ["blue", "red"]]);

    for kind in [FileKind::Ogg, FileKind::Mp3] {
        let (_, sound) = made(folder.path(), &manifest, &composition(Layout::Grid), kind);
        assert_eq!(sound.frames(), 0);
        assert!(sound.tone(440.0, 0.5, 1.0) > 0.05 && sound.tone(1000.0, 2.0, 2.5) > 0.05);
    }
    let silent = Composition { media: Media::VideoOnly, ..composition(Layout::SingleSpeaker) };
    let (_, silent) = made(folder.path(), &manifest, &silent, FileKind::Mp4);
    assert!(silent.samples.is_empty());
    assert_eq!(silent.colour(3.5, layout::single(CANVAS, 1)[0]), "blue");
}

#[test]
fn a_clap_is_seen_and_heard_at_one_time() {
    let folder = tempfile::tempdir().unwrap();
    // The clap is at 1.5 s of the recording; both files begin at odd times of their own.
    let picture = "color=black:s=320x180:r=30:d=2,drawbox=c=white:t=fill:enable='between(t,1.1,1.3)'";
    camera(&folder.path().join("seen.webm"), picture);
    microphone(&folder.path().join("heard.webm"), "aevalsrc='0.5*sin(2*PI*1000*t)*between(t,1.263,1.463)':s=48000:d=2");
    let manifest = Manifest {
        tracks: vec![
            track("ada", TrackKind::Video, "seen.webm", 0.4, 2.0),
            track("ada", TrackKind::Audio, "heard.webm", 0.237, 2.0),
        ],
        ..Manifest::default()
    };
    let (_, composite) = made(folder.path(), &manifest, &composition(Layout::Grid), FileKind::Mp4);
    let flash = (0..composite.frames()).find(|frame| composite.pixel(*frame, (160, 90))[0] > 128).unwrap();
    let beep = composite.samples.iter().position(|sample| sample.abs() > 0.05).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
    let (flash_s, beep_s) = (flash as f64 / 30.0, beep as f64 / 48_000.0);
    eprintln!("flash at {flash_s:.3} s, beep at {beep_s:.3} s");
    assert!((flash_s - 1.5).abs() < 0.04 && (beep_s - 1.5).abs() < 0.04, "{flash_s} {beep_s}");
    assert!((flash_s - beep_s).abs() < 0.04, "{flash_s} {beep_s}");
}

#[test]
fn a_picture_that_turns_stays_whole_and_in_time() {
    let folder = tempfile::tempdir().unwrap();
    camera(&folder.path().join("wide.webm"), "color=red:s=320x180:r=30:d=1");
    camera(&folder.path().join("high.webm"), "color=green:s=180x320:r=30:d=1");
    let list = folder.path().join("list");
    std::fs::write(&list, "file wide.webm\nfile high.webm\nfile wide.webm\n").unwrap();
    let turned = folder.path().join("turned.webm");
    ffmpeg(&["-f", "concat", "-i", list.to_str().unwrap(), "-c", "copy", turned.to_str().unwrap()]);
    let manifest =
        Manifest { tracks: vec![track("ada", TrackKind::Video, "turned.webm", 0.0, 3.0)], ..Manifest::default() };
    let (_, composite) = made(folder.path(), &manifest, &composition(Layout::Grid), FileKind::Mp4);
    let whole = layout::single(CANVAS, 1)[0];
    let seen = [0.9, 1.1, 1.9, 2.1].map(|at_s| composite.colour(at_s, whole));
    assert_eq!(seen, ["red", "green", "green", "red"]);
    assert_eq!([composite.pixel(15, (8, 90))[0] > 128, composite.pixel(45, (8, 90))[1] > 60], [true, false]);
    assert_eq!(composite.frames(), 90);
}

#[test]
fn fragmented_mp4_is_read_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ada.mp4");
    ffmpeg(
        &[
            &["-f", "lavfi", "-i", "color=red:s=320x180:r=30:d=2,drawbox=c=blue:t=fill:enable='gte(t,1)'"][..],
            &["-f", "lavfi", "-i", "sine=440:d=2", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "libopus"],
            &["-strict", "-2", "-movflags", "frag_keyframe+empty_moov+default_base_moof", path.to_str().unwrap()],
        ]
        .concat(),
    );
    let both = [TrackKind::Video, TrackKind::Audio].map(|kind| track("ada", kind, "ada.mp4", 0.5, 2.0));
    let manifest = Manifest { tracks: both.into(), ..Manifest::default() };
    let (composed, composite) = made(folder.path(), &manifest, &composition(Layout::Grid), FileKind::Mp4);
    let whole = layout::single(CANVAS, 1)[0];
    let seen = [0.3, 0.6, 1.45, 1.55, 2.4].map(|at_s| composite.colour(at_s, whole));
    assert_eq!((seen, composed.incomplete), (["calm", "red", "red", "blue", "blue"], 0));
    assert!(composite.tone(440.0, 0.0, 0.4) < 0.01 && composite.tone(440.0, 0.8, 1.2) > 0.05);
}

#[test]
fn a_camera_that_rested_long_goes_on_at_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let colours = "color=red:s=160x90:r=10:d=16,drawbox=c=green:t=fill:enable='gte(t,8)',\
                   drawbox=c=blue:t=fill:enable='gte(t,15)'";
    camera(&folder.path().join("ada.webm"), colours);
    let mut ada = track("ada", TrackKind::Video, "ada.webm", 0.0, 16.0);
    ada.gaps.push(Gap { from_us: 2_000_000, to_us: 13_000_000, reason: GapReason::Muted });
    let manifest = Manifest { tracks: vec![ada], ..Manifest::default() };
    let slow = Composition { canvas: Canvas { fps: 10, ..CANVAS }, ..composition(Layout::Grid) };
    let (_, composite) = made(folder.path(), &manifest, &slow, FileKind::Mp4);
    let whole = layout::single(CANVAS, 1)[0];
    let seen = [1.5, 5.0, 13.0, 14.85, 15.15].map(|at_s| composite.colour(at_s, whole));
    assert_eq!(seen, ["red", "calm", "green", "green", "blue"]);
}

#[test]
fn what_is_missing_is_an_avatar_and_what_cannot_be_made_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = two_people(folder.path());
    std::fs::write(folder.path().join("ada.webm"), b"no picture at all").unwrap();
    std::fs::remove_file(folder.path().join("ada_voice.webm")).unwrap();
    let (composed, composite) = made(folder.path(), &manifest, &composition(Layout::Grid), FileKind::Mp4);
    let seen = layout::grid(CANVAS, 2)
        .iter()
        .map(|tile| composite.colour(1.5, *tile))
        .collect::<Vec<_>>();
    assert_eq!((seen.as_slice(), composed.incomplete), (&["calm", "blue"][..], 2));
    std::fs::remove_file(folder.path().join("composite")).unwrap();

    let attempt = |manifest: &Manifest, path: &Path, stop: bool| {
        let output = FileOutput { path: path.to_owned(), kind: FileKind::Mp4 };
        let ffmpeg = Ffmpeg::find(None).unwrap();
        let stop = AtomicBool::new(stop);
        let error =
            compose(&ffmpeg, folder.path(), manifest, &composition(Layout::Grid), &output, |_| (), &stop).unwrap_err();
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 2, "{error}");
        error
    };
    let path = folder.path().join("composite");
    assert!(matches!(attempt(&manifest, &path, true), ComposeError::Stopped));
    let nowhere = folder.path().join("nowhere/composite");
    let refused = attempt(&manifest, &nowhere, false);
    assert!(matches!(&refused, ComposeError::Encoder(words) if words.contains("the file")), "{refused}");
    assert!(!refused.to_string().contains(folder.path().to_str().unwrap()), "{refused}");
    manifest.tracks[0].file = "../ada.webm".into();
    assert!(matches!(attempt(&manifest, &path, false), ComposeError::OutsideOfFolder));
    assert!(matches!(attempt(&Manifest::default(), &path, false), ComposeError::Nothing));
}

#[test]
fn a_recording_whose_files_are_gone_is_no_composite() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = Manifest {
        tracks: vec![
            track("ada", TrackKind::Video, "ada.webm", 0.0, 1.0),
            track("bob", TrackKind::Audio, "bob.webm", 0.0, 1.0),
        ],
        ..Manifest::default()
    };
    let output = FileOutput { path: folder.path().join("composite"), kind: FileKind::Mp4 };
    let attempt = |manifest: &Manifest, composition: &Composition| {
        let (ffmpeg, stop) = (Ffmpeg::find(None).unwrap(), AtomicBool::new(false));
        compose(&ffmpeg, folder.path(), manifest, composition, &output, |_| (), &stop)
    };
    let grid = composition(Layout::Grid);
    assert!(matches!(attempt(&manifest, &grid), Err(ComposeError::Nothing)));
    // A folder is no file, and one that is not asked for is of no use.
    manifest.tracks[0].file = "folder".into();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    microphone(&folder.path().join("bob.webm"), "sine=1000:d=1");
    let silent = Composition { media: Media::VideoOnly, ..grid };
    assert!(matches!(attempt(&manifest, &silent), Err(ComposeError::Nothing)));
    assert!(attempt(&manifest, &grid).is_ok());
}

#[test]
fn a_picture_that_is_far_too_large_is_not_decoded() {
    let folder = tempfile::tempdir().unwrap();
    for (size, expected) in [("4096x4096", ("red", 0)), ("8704x4096", ("calm", 1))] {
        let picture = format!("color=red:s={size}:r=1:d=1");
        let path = folder.path().join("ada.mkv");
        ffmpeg(&["-f", "lavfi", "-i", &picture, "-frames:v", "1", "-c:v", "mjpeg", path.to_str().unwrap()]);
        let manifest =
            Manifest { tracks: vec![track("ada", TrackKind::Video, "ada.mkv", 0.0, 0.5)], ..Manifest::default() };
        let (composed, composite) = made(folder.path(), &manifest, &composition(Layout::Grid), FileKind::Mp4);
        let seen = composite.colour(0.3, layout::single(CANVAS, 1)[0]);
        assert_eq!((seen, composed.incomplete), expected, "{size}");
    }
}
