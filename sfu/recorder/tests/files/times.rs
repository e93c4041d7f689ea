//! Each frame is shown or heard at its time, whatever is missing in front of it.

use std::time::{Duration, Instant};

use sluice_recorder::{Format, Kind, TrackRecorder, TrackSummary};

use super::b_frames::{self, Reordered};
use super::clip;
use super::packets::Lay;
use super::packets::{self, Line, Packet};
use super::player::{Disk, decoded_and_shown_s, play, play_with_pauses, times_s};

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

/// Packets of pictures that are sent in another order than they are shown in: timestamps say when they are shown. Those in
/// front of one that others build on are sent behind it, and it is not sent before it was captured.
pub fn reordered(start: Instant, frames: &[Reordered], lay: Lay) -> Vec<Packet> {
    let mut line = Line::video(start);
    let (begin, mut captured) = (line.timestamp, 0);
    let packets = frames.iter().map(|(frame, shown)| {
        captured = captured.max(*shown);
        (line.timestamp, line.at) = (begin.wrapping_add(shown * line.ticks), start + captured * line.interval);
        line.frame(lay(frame))
    });
    packets.collect::<Vec<_>>().concat()
}

fn record(kind: Kind, mime_type: &str, start: Instant, packets: &[Packet]) -> (Disk, TrackSummary) {
    let mut recorder = TrackRecorder::new(kind, start);
    let mut disk = Disk::default();
    recorder.handle_format(Format::new(mime_type, 90_000, 0, Line::FIRST_OF_VIDEO).unwrap(), start);
    disk.record(&mut recorder, packets);
    (disk, recorder.summaries()[0].tracks[0].clone())
}

fn assert_close(times: &[f64], expected: &[f64]) {
    assert_eq!(times.len(), expected.len());
    for (time, expected) in times.iter().zip(expected) {
        assert!((time - expected).abs() < 0.002, "{time} s instead of {expected} s");
    }
}

#[test]
fn pictures_that_are_sent_in_another_order_are_shown_in_theirs() {
    let directory = tempfile::tempdir().unwrap();
    let source = clip::pictures(64, 48, 5);
    for (mime_type, frames, lay) in [
        ("video/H264", b_frames::h264(directory.path(), &source), packets::h264 as Lay),
        ("video/H265", b_frames::h265(directory.path(), &source), packets::h265),
    ] {
        let sent: Vec<f64> = frames.iter().map(|(_, shown)| f64::from(*shown) / 30.0).collect();
        let mut shown = sent.clone();
        shown.sort_by(f64::total_cmp);
        let start = Instant::now();
        let packets = reordered(start, &frames, lay);
        for kind in [Kind::Matroska, Kind::FragmentedMp4] {
            let (disk, track) = record(kind, mime_type, start, &packets);
            assert_eq!((disk.0.len(), track.frames, track.gaps.len()), (1, 150, 0));
            assert!(track.end_us.abs_diff(5_000_000) < 10_000, "{track:?}");
            let path = disk.save(directory.path(), 0);
            assert_eq!(play(&path).streams[0].frames, 150, "{mime_type} {kind:?}");
            assert_close(&times_s(&path), &sent);
            let (decoded_at, shown_at) = decoded_and_shown_s(&path);
            assert_close(&shown_at, &shown);
            assert!(decoded_at.is_sorted_by(|one, next| one < next), "{mime_type} {kind:?}: {decoded_at:?}");
        }
    }
}

#[test]
fn behind_a_loss_nothing_is_shown_that_is_to_be_before_the_key_frame_it_goes_on_with() {
    let directory = tempfile::tempdir().unwrap();
    let frames = b_frames::h265(directory.path(), &clip::pictures(64, 48, 3));
    let start = Instant::now();
    let all = reordered(start, &frames, packets::h265);
    // A picture in front of the second key frame, which others build on, is lost.
    let lost = all.iter().filter(|packet| packet.head.marker).nth(21).unwrap().head.timestamp;
    let packets: Vec<Packet> = all.into_iter().filter(|packet| packet.head.timestamp != lost).collect();
    for kind in [Kind::Matroska, Kind::FragmentedMp4] {
        let (disk, track) = record(kind, "video/H265", start, &packets);
        assert_eq!(track.gaps.len(), 1);
        let path = disk.save(directory.path(), 0);
        assert_eq!(play_with_pauses(&path).streams[0].frames, track.frames, "all that is there is shown");
        let before = frames.iter().take(21).count();
        let behind = frames.iter().filter(|(_, shown)| *shown >= 30).count();
        assert_eq!(track.frames, (before + behind) as u64);
    }
}
