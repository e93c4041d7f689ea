//! What takes long, and what a publisher's clock does meanwhile: files stay valid, and times true.

use std::time::{Duration, Instant};

use sluice_recorder::{FileRecorder, Format, GapReason, Input, Kind, TrackSummary};

use super::clip;
use super::packets::{self, Line, Packet};
use super::player::{Disk, Played, play, play_with_pauses, times_s};

const KINDS: [Kind; 2] = [Kind::Matroska, Kind::FragmentedMp4];

fn h264() -> Format {
    Format::new("video/H264", 90_000, 0, Line::FIRST_OF_VIDEO).unwrap()
}

fn opus() -> Format {
    Format::new("audio/opus", 48_000, 2, Line::FIRST_OF_AUDIO).unwrap()
}

/// Records a track; what is said of its only file, how that plays, and when its packets do.
fn recorded(kind: Kind, format: Format, start: Instant, packets: &[Packet]) -> (TrackSummary, Played, Vec<f64>) {
    let mut recorder = sluice_recorder::TrackRecorder::new(kind, start);
    let mut disk = Disk::default();
    recorder.handle_format(format, start);
    disk.record(&mut recorder, packets);
    let directory = tempfile::tempdir().unwrap();
    let path = disk.save(directory.path(), 0);
    assert_eq!(disk.0.len(), 1);
    (recorder.summaries()[0].tracks[0].clone(), play_with_pauses(&path), times_s(&path))
}

/// When each frame came, in seconds from the first.
fn arrivals(packets: &[Packet]) -> Vec<f64> {
    let frames: Vec<&Packet> = packets.iter().filter(|packet| packet.head.marker).collect();
    frames
        .iter()
        .map(|packet| packet.head.received_at.duration_since(frames[0].head.received_at).as_secs_f64())
        .collect()
}

fn assert_same(times: &[f64], expected: &[f64], what: &str) {
    assert_eq!(times.len(), expected.len(), "{what}");
    for (time, expected) in times.iter().zip(expected) {
        assert!((time - expected).abs() < 0.002, "{what}: {time} s instead of {expected} s");
    }
}

#[test]
fn two_days_are_two_days_though_timestamps_wrap_every_half() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::h264(directory.path(), &clip::pictures(64, 48, 2), "15");
    let start = Instant::now();
    // A picture every half minute: a slide that is looked at.
    let interval = Duration::from_secs(30);
    let mut line = Line { ticks: 30 * 90_000, interval, ..Line::video(start) };
    let count = 48 * 3600 / 30;
    let sent: Vec<Packet> = (0..count).flat_map(|n| line.frame(packets::h264(&frames[n % frames.len()]))).collect();
    for kind in KINDS {
        let (track, played, times) = recorded(kind, h264(), start, &sent);
        assert_same(&times, &arrivals(&sent), &format!("{kind:?}"));
        assert_eq!((track.frames, track.gaps.len(), played.streams[0].frames), (count as u64, 0, count as u64));
        assert!((played.duration_s - (48.0 * 3600.0 - 30.0)).abs() < 1.1, "{}", played.duration_s);
    }
}

#[test]
fn ten_minutes_in_which_nothing_comes_are_ten_minutes() {
    let directory = tempfile::tempdir().unwrap();
    let (sound, pictures) =
        (clip::opus(directory.path(), 1), clip::h264(directory.path(), &clip::pictures(64, 48, 1), "15"));
    let start = Instant::now();
    for kind in KINDS {
        for (format, frames, mut line) in
            [(opus(), &sound, Line::audio(start)), (h264(), &pictures, Line::video(start))]
        {
            let lay = if format.codec.is_video() { packets::h264 } else { packets::opus };
            let before = line.clip(&frames[..30], lay);
            let ticks = 600 * format.clock_rate.get();
            line.timestamp = line.timestamp.wrapping_add(ticks);
            line.at += Duration::from_secs(600);
            let mut sent = [before, line.clip(frames, lay)].concat();
            // Each packet of sound is one.
            sent.iter_mut().for_each(|packet| packet.head.marker |= !format.codec.is_video());
            let (track, played, times) = recorded(kind, format, start, &sent);
            assert_same(&times, &arrivals(&sent), &format!("{kind:?} {:?}", format.codec));
            assert_eq!(track.gaps, [], "nothing was lost");
            assert!(played.duration_s > 600.0);
        }
    }
}

#[test]
fn a_clock_that_jumps_does_not_move_what_comes_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::h264(directory.path(), &clip::pictures(64, 48, 1), "15");
    let start = Instant::now();
    // Half around, an hour back, and a minute forth.
    for jump in [1 << 31, 0_u32.wrapping_sub(3600 * 90_000), 60 * 90_000] {
        for kind in KINDS {
            let mut line = Line::video(start);
            let before = line.clip(&frames, packets::h264);
            line.timestamp = line.timestamp.wrapping_add(jump);
            // It stood still meanwhile, too.
            line.at += Duration::from_secs(1);
            let sent = [before, line.clip(&frames, packets::h264)].concat();
            let (track, _, times) = recorded(kind, h264(), start, &sent);
            assert_same(&times, &arrivals(&sent), &format!("{kind:?} {jump}"));
            let marked: Vec<_> = track.gaps.iter().map(|gap| gap.reason).collect();
            assert_eq!(marked, [GapReason::Restarted], "{kind:?} {jump}");
        }
    }
}

#[test]
fn who_comes_back_is_recorded_by_the_clock_they_have_then() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::vp8(directory.path(), &clip::pictures(64, 48, 1), "15");
    let start = Instant::now();
    let mut line = Line::video(start);
    let mut recorder = FileRecorder::new(Kind::Matroska, 1, start);
    let mut disk = Disk::default();
    let mut sent = Vec::new();
    for _ in 0..2 {
        let format = Format { from_sequence: line.sequence, ..Format::new("video/VP8", 90_000, 0, 0).unwrap() };
        recorder.handle_format(Input(0), format, line.at);
        let packets = line.clip(&frames, packets::vp8);
        for packet in &packets {
            recorder.handle_packet(Input(0), &packet.head, &packet.payload, packet.head.received_at);
        }
        sent.extend(packets);
        recorder.handle_ended(Input(0), line.at);
        // Their new timestamps happen to lie close to the old ones.
        line.timestamp = line.timestamp.wrapping_add(90_000);
        line.at += Duration::from_secs(5);
    }
    recorder.finish(line.at);
    disk.drain_file(&mut recorder);
    let path = disk.save(directory.path(), 0);
    play(&path);
    assert_same(&times_s(&path), &arrivals(&sent), "back");
    let gaps = &recorder.summaries()[0].tracks[0].gaps;
    assert_eq!((gaps.len(), gaps[0].reason), (1, GapReason::Unpublished));
    assert!((4_900_000..5_100_000).contains(&(gaps[0].to_us - gaps[0].from_us)), "{gaps:?}");
}
