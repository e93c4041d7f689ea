//! Each frame is shown or heard at its time, whatever is missing in front of it.

use std::time::{Duration, Instant};

use sluice_recorder::{Format, Kind, TrackRecorder};

use super::clip;
use super::packets::{self, Line, Packet};
use super::player::{Disk, times_s};

/// Records into a file, and says when its packets are played.
fn recorded(kind: Kind, format: Format, start: Instant, packets: &[Packet]) -> Vec<f64> {
    let mut recorder = TrackRecorder::new(kind, start);
    let mut disk = Disk::default();
    recorder.handle_format(format, start);
    disk.record(&mut recorder, packets);
    let directory = tempfile::tempdir().unwrap();
    times_s(&disk.save(directory.path(), 0))
}

/// Nothing is sent for so long.
fn pause(line: &mut Line, ms: u32) {
    line.timestamp = line.timestamp.wrapping_add(line.ticks / 20 * ms);
    line.at += Duration::from_millis(ms.into());
}

#[test]
fn sound_behind_silence_and_losses_is_heard_when_it_was_said() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::opus(directory.path(), 3);
    let start = Instant::now();
    let mut line = Line::audio(start);
    let mut sent = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        // The publisher's encoder sends nothing while nothing is said (DTX), but for a packet every 400 ms.
        if (10..14).contains(&index) {
            pause(&mut line, 380);
        }
        let packets = line.frame(packets::opus(frame));
        // Five are lost, and five more a second later.
        if !matches!(index, 30..35 | 85..90) {
            sent.extend(packets);
        }
    }
    let format = Format::new("audio/opus", 48_000, 2, Line::FIRST_OF_AUDIO).unwrap();
    let expected: Vec<f64> = sent
        .iter()
        .map(|packet| packet.head.received_at.duration_since(start).as_secs_f64())
        .collect();
    for kind in [Kind::FragmentedMp4, Kind::Matroska] {
        let times = recorded(kind, format, start, &sent);
        assert_eq!(times.len(), expected.len());
        for (time, expected) in times.iter().zip(&expected) {
            assert!((time - expected).abs() < 0.002, "{kind:?}: {time} s instead of {expected} s");
        }
    }
}

#[test]
fn pictures_that_come_sooner_than_those_before_are_not_bunched() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::h264(directory.path(), &clip::pictures(64, 48, 1), "30");
    let start = Instant::now();
    let mut line = Line::video(start);
    let (steady_ticks, steady) = (line.ticks, line.interval);
    let mut sent = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        // A shared screen on which little happens, and then much.
        (line.ticks, line.interval) = match index {
            0 => (81_000, Duration::from_millis(900)),
            1 => (13_500, Duration::from_millis(150)),
            _ => (steady_ticks, steady),
        };
        sent.extend(line.frame(packets::h264(frame)));
    }
    let ends = sent.iter().filter(|packet| packet.head.marker);
    let expected: Vec<f64> = ends.map(|packet| packet.head.received_at.duration_since(start).as_secs_f64()).collect();
    let format = Format::new("video/H264", 90_000, 0, Line::FIRST_OF_VIDEO).unwrap();
    let times = recorded(Kind::FragmentedMp4, format, start, &sent);
    assert_eq!(times.len(), expected.len());
    for (time, expected) in times.iter().zip(&expected) {
        assert!((time - expected).abs() < 0.002, "{time} s instead of {expected} s");
    }
}
