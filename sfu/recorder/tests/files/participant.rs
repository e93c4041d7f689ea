//! Sound and pictures of a participant in one file.

use std::time::{Duration, Instant};

use sluice_recorder::{FileRecorder, Format, Input, Kind, SenderReport};

use super::clip;
use super::packets::{self, Line, Packet};
use super::player::{Disk, assert_near, play};

const VIDEO: Input = Input(0);
const AUDIO: Input = Input(1);

/// Both tracks' packets in the order in which they came.
fn merged(video: &[Packet], audio: &[Packet]) -> Vec<(Input, Packet)> {
    let mut all: Vec<(Input, Packet)> = video
        .iter()
        .map(|packet| (VIDEO, packet.clone()))
        .chain(audio.iter().map(|packet| (AUDIO, packet.clone())))
        .collect();
    all.sort_by_key(|(_, packet)| packet.head.received_at);
    all
}

fn formats(recorder: &mut FileRecorder, video: &str, start: Instant) {
    recorder.handle_format(VIDEO, Format::new(video, 90_000, 0, Line::FIRST_OF_VIDEO).unwrap(), start);
    recorder.handle_format(AUDIO, Format::new("audio/opus", 48_000, 2, Line::FIRST_OF_AUDIO).unwrap(), start);
}

fn give(recorder: &mut FileRecorder, disk: &mut Disk, all: &[(Input, Packet)]) {
    for (input, packet) in all {
        recorder.handle_packet(*input, &packet.head, &packet.payload, packet.head.received_at);
        disk.drain_file(recorder);
    }
}

#[test]
fn both_play_together_in_every_container() {
    let directory = tempfile::tempdir().unwrap();
    let sound = clip::opus(directory.path(), 3);
    let vp8 = clip::vp8(directory.path(), &clip::pictures(160, 120, 3), "30");
    let h264 = clip::h264(directory.path(), &clip::pictures(160, 120, 3), "30");
    let start = Instant::now();
    for (kind, mime_type, extension, pictures) in [
        (Kind::Matroska, "video/VP8", "webm", Line::video(start).clip(&vp8, packets::vp8)),
        (Kind::Matroska, "video/H264", "mkv", Line::video(start).clip(&h264, packets::h264)),
        (Kind::FragmentedMp4, "video/H264", "mp4", Line::video(start).clip(&h264, packets::h264)),
        (Kind::FragmentedMp4, "video/VP8", "webm", Line::video(start).clip(&vp8, packets::vp8)),
    ] {
        // Sound begins half a second later than the pictures.
        let audio = Line::audio(start + Duration::from_millis(500)).clip(&sound, packets::opus);
        let mut recorder = FileRecorder::new(kind, 2, start);
        let mut disk = Disk::default();
        formats(&mut recorder, mime_type, start);
        give(&mut recorder, &mut disk, &merged(&pictures, &audio));
        recorder.finish(start + Duration::from_secs(4));
        disk.drain_file(&mut recorder);
        assert_eq!((disk.0.len(), disk.0[&0].0), (1, extension));
        let played = play(&disk.save(directory.path(), 0));
        assert_eq!((played.streams[0].frames, played.streams[1].frames), (90, sound.len() as u64), "{extension}");
        assert_near(played.end_s, 0.5 + sound.len() as f64 / 50.0);
        assert_near(played.streams[0].start_s, 0.0);
        assert_near(played.streams[1].start_s, 0.5);
    }
}

#[test]
fn reports_put_pictures_and_sound_of_one_instant_together_however_long_their_ways_were() {
    let directory = tempfile::tempdir().unwrap();
    let seconds = 20;
    let sound = clip::opus(directory.path(), seconds);
    let vp8 = clip::vp8(directory.path(), &clip::pictures(64, 48, seconds), "30");
    let start = Instant::now();
    // All was made at once; pictures are 300 ms longer on their way, reports are not.
    let begin = start + Duration::from_secs(1);
    let (mut video_line, mut audio_line) = (Line::video(begin + Duration::from_millis(300)), Line::audio(begin));
    let (video_zero, audio_zero) = (video_line.timestamp, audio_line.timestamp);
    let all = merged(&video_line.clip(&vp8, packets::vp8), &audio_line.clip(&sound, packets::opus));
    let mut recorder = FileRecorder::new(Kind::Matroska, 2, start);
    let mut disk = Disk::default();
    formats(&mut recorder, "video/VP8", start);
    // The first report comes when pictures are placed already, by when they came.
    let mut second = 1_u32;
    for (input, packet) in &all {
        recorder.handle_packet(*input, &packet.head, &packet.payload, packet.head.received_at);
        if packet.head.received_at > begin + Duration::from_secs(second.into()) {
            let ntp = u64::from(3_900_000_000_u32 + second) << 32;
            let received_at = begin + Duration::from_secs(second.into());
            let report = |timestamp| SenderReport { ntp, timestamp, received_at };
            recorder.handle_sender_report(VIDEO, &report(video_zero.wrapping_add(second * 90_000)));
            recorder.handle_sender_report(AUDIO, &report(audio_zero.wrapping_add(second * 48_000)));
            second += 1;
        }
    }
    recorder.finish(start + Duration::from_secs(30));
    disk.drain_file(&mut recorder);
    let tracks = &recorder.summaries()[0].tracks;
    let apart_us = (tracks[0].end_us as i64 - tracks[1].end_us as i64).abs();
    assert!(apart_us < 60_000, "the ends are {apart_us} us apart");
    let played = play(&disk.save(directory.path(), 0));
    assert_eq!(played.streams[0].frames, vp8.len() as u64);
}

#[test]
fn sound_that_is_published_later_begins_another_part_with_a_key_frame() {
    let directory = tempfile::tempdir().unwrap();
    let sound = clip::opus(directory.path(), 4);
    let vp8 = clip::vp8(directory.path(), &clip::pictures(64, 48, 12), "30");
    let start = Instant::now();
    let pictures = Line::video(start).clip(&vp8, packets::vp8);
    let audio_at = start + Duration::from_millis(8_500);
    let audio = Line::audio(audio_at).clip(&sound, packets::opus);
    let mut recorder = FileRecorder::new(Kind::Matroska, 2, start);
    let mut disk = Disk::default();
    recorder.handle_format(VIDEO, Format::new("video/VP8", 90_000, 0, Line::FIRST_OF_VIDEO).unwrap(), start);
    let (before, after): (Vec<_>, Vec<_>) = merged(&pictures, &audio)
        .into_iter()
        .partition(|(_, packet)| packet.head.received_at < audio_at);
    give(&mut recorder, &mut disk, &before);
    while recorder.poll_request().is_some() {}
    recorder.handle_format(AUDIO, Format::new("audio/opus", 48_000, 2, Line::FIRST_OF_AUDIO).unwrap(), audio_at);
    assert!(recorder.poll_request().is_some(), "a key frame to begin with");
    give(&mut recorder, &mut disk, &after);
    recorder.finish(start + Duration::from_secs(13));
    disk.drain_file(&mut recorder);
    assert_eq!(disk.0.len(), 2);
    let (first, second) = (play(&disk.save(directory.path(), 0)), play(&disk.save(directory.path(), 1)));
    assert_eq!((first.streams.len(), second.streams.len()), (1, 2));
    assert_eq!(first.streams[0].frames + second.streams[0].frames, vp8.len() as u64, "no picture is lost over it");
    assert_near(first.duration_s, 9.0);
    // Nor is any sound: it was there before that key frame.
    assert_eq!(second.streams[1].frames, sound.len() as u64);
    let tracks = &recorder.summaries()[1].tracks;
    let begins_us: Vec<u64> = tracks.iter().map(|track| track.begin_us).collect();
    assert_eq!((tracks[0].origin_us, begins_us), (8_500_000, vec![9_000_000, 8_500_000]));
    assert_near(second.streams[0].start_s, 0.5);
    assert_near(second.streams[1].start_s, 0.0);
}

#[test]
fn sound_that_is_published_later_does_not_wait_for_pictures_that_are_muted_or_gone() {
    let directory = tempfile::tempdir().unwrap();
    let sound = clip::opus(directory.path(), 4);
    let vp8 = clip::vp8(directory.path(), &clip::pictures(64, 48, 2), "30");
    let start = Instant::now();
    for is_muted in [true, false] {
        let mut recorder = FileRecorder::new(Kind::Matroska, 2, start);
        let mut disk = Disk::default();
        recorder.handle_format(VIDEO, Format::new("video/VP8", 90_000, 0, Line::FIRST_OF_VIDEO).unwrap(), start);
        give(&mut recorder, &mut disk, &merged(&Line::video(start).clip(&vp8, packets::vp8), &[]));
        let audio_at = start + Duration::from_secs(4);
        if is_muted {
            recorder.handle_muted(VIDEO, true, start + Duration::from_secs(2));
        }
        // The file begins without the sound, of which nothing was heard.
        recorder.handle_timeout(start + Duration::from_millis(3_500));
        recorder.handle_format(AUDIO, Format::new("audio/opus", 48_000, 2, Line::FIRST_OF_AUDIO).unwrap(), audio_at);
        give(&mut recorder, &mut disk, &merged(&[], &Line::audio(audio_at).clip(&sound, packets::opus)));
        recorder.finish(start + Duration::from_secs(9));
        disk.drain_file(&mut recorder);
        let written = recorder.summaries()[1].tracks.iter().map(|track| track.frames).sum::<u64>();
        assert_eq!((disk.0.len(), written), (2, sound.len() as u64));
        assert_near(play(&disk.save(directory.path(), 1)).duration_s, 4.0);
    }
}

#[test]
fn a_track_that_is_silent_holds_up_the_other_for_a_moment_only() {
    let directory = tempfile::tempdir().unwrap();
    let vp8 = clip::vp8(directory.path(), &clip::pictures(64, 48, 4), "30");
    let start = Instant::now();
    let pictures = Line::video(start).clip(&vp8, packets::vp8);
    let mut recorder = FileRecorder::new(Kind::Matroska, 2, start);
    let mut disk = Disk::default();
    formats(&mut recorder, "video/VP8", start);
    give(&mut recorder, &mut disk, &merged(&pictures, &[]));
    // The writer is killed here: what is on the disk is less than two seconds behind.
    let repaired = super::recovery::repaired(&disk.0[&0].1).unwrap();
    assert!(repaired.duration_s > 2.0, "{}", repaired.duration_s);
}
