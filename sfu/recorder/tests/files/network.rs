//! A bad network in front of the recorder, the same one each time: whatever it does, the file decodes without an error,
//! and what is missing is marked.

use std::time::{Duration, Instant};

use sluice_recorder::{Format, GapReason, Kind, Request, TrackRecorder};

use super::clip;
use super::packets::{self, Lay, Line, Packet};
use super::player::{Disk, assert_near, play};

/// Packets as they come through: three of a hundred are lost, of which a NACK brings most back, some too late; all
/// others jitter by up to 80 ms and overtake each other.
fn spoiled(packets: &[Packet], seed: u64) -> Vec<Packet> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut came = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        let mut packet = packet.clone();
        // A tap begins with the begin of a key frame.
        let is_lost = index > 0 && random.u8(..100) < 3;
        if is_lost && random.u8(..100) < 40 {
            continue;
        }
        let delay_ms = if is_lost { random.u64(60..700) } else { random.u64(0..80) };
        packet.head.received_at += Duration::from_millis(if index == 0 { 0 } else { delay_ms });
        came.push(packet);
    }
    came.sort_by_key(|packet| packet.head.received_at);
    came
}

#[test]
fn what_a_bad_network_lets_through_decodes_without_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let source = clip::pictures(160, 120, 5);
    let clips: [(&str, Vec<Vec<u8>>, Lay); 4] = [
        ("video/VP8", clip::vp8(directory.path(), &source, "15"), packets::vp8),
        ("video/VP9", clip::vp9(directory.path(), &source, "15"), packets::vp9),
        ("video/H264", clip::h264(directory.path(), &source, "15"), packets::h264),
        ("video/H265", clip::h265(directory.path(), &source, "15"), packets::h265),
    ];
    let start = Instant::now();
    for (mime_type, frames, lay) in clips {
        for seed in 1..=2 {
            let sent = Line::video(start).clip(&frames, lay);
            let mut recorder = TrackRecorder::new(Kind::Matroska, start);
            let mut disk = Disk::default();
            recorder.handle_format(Format::new(mime_type, 90_000, 0, Line::FIRST_OF_VIDEO).unwrap(), start);
            disk.record(&mut recorder, &spoiled(&sent, seed));

            let track = recorder.summaries()[0].tracks[0].clone();
            assert!(track.frames > frames.len() as u64 / 4 && track.frames < frames.len() as u64, "{}", track.frames);
            assert!(matches!(recorder.poll_request(), Some(Request::Keyframe(_))), "something was lost");
            // What is not in the file is marked, but for what was missing at the end.
            assert!(track.gaps.iter().all(|gap| gap.reason == GapReason::Lost));
            let gaps_us: u64 = track.gaps.iter().map(|gap| gap.to_us - gap.from_us).sum();
            let shown_s = (track.end_us - track.begin_us - gaps_us) as f64 / 1e6;
            assert_near(shown_s, track.frames as f64 / 30.0);

            let played = play(&disk.save(directory.path(), 0));
            assert_eq!(played.streams[0].frames, track.frames, "{mime_type} {seed}");
            assert_near(played.duration_s, (track.end_us - track.origin_us) as f64 / 1e6);
        }
    }
}

#[test]
fn seeking_finds_the_key_frame_in_front() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::h264(directory.path(), &clip::pictures(160, 120, 8), "30");
    let start = Instant::now();
    for kind in [Kind::Matroska, Kind::FragmentedMp4] {
        let mut recorder = TrackRecorder::new(kind, start);
        let mut disk = Disk::default();
        recorder.handle_format(Format::new("video/H264", 90_000, 0, Line::FIRST_OF_VIDEO).unwrap(), start);
        for packet in Line::video(start).clip(&frames, packets::h264) {
            recorder.handle_packet(&packet.head, &packet.payload, packet.head.received_at);
        }
        recorder.finish(start);
        disk.drain(&mut recorder);
        let path = disk.save(directory.path(), 0).display().to_string();
        let entries = ["-show_entries", "packet=pts_time,flags", "-of", "csv=p=0", &path];
        let output = clip::run("ffprobe", &[&["-v", "error", "-read_intervals", "5.5%+#1"][..], &entries].concat());
        let packet = String::from_utf8_lossy(&output.stdout).into_owned();
        let (time, flags) = packet.trim().split_once(',').unwrap();
        assert_near(time.parse().unwrap(), 5.0);
        assert!(flags.starts_with('K'), "{packet}");
    }
}
