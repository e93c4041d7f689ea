//! One track, one file.

use std::time::{Duration, Instant};

use sluice_recorder::{Format, GapReason, Kind, Request, TrackRecorder};

use super::clip;
use super::packets::{self, Lay, Line, Packet};
use super::player::{Disk, assert_near, play};

/// Records packets in the order of this list, each at the time it came, and finishes with the last one.
fn record(kind: Kind, format: &Format, start: Instant, packets: &[Packet]) -> (Disk, TrackRecorder) {
    let mut recorder = TrackRecorder::new(kind, start);
    let mut disk = Disk::default();
    recorder.handle_format(*format, start);
    let mut now = start;
    for packet in packets {
        now = now.max(packet.head.received_at);
        recorder.handle_packet(&packet.head, &packet.payload, now);
        disk.drain(&mut recorder);
    }
    recorder.finish(now);
    disk.drain(&mut recorder);
    (disk, recorder)
}

fn video(mime_type: &str) -> Format {
    Format::new(mime_type, 90_000, 0, Line::FIRST_OF_VIDEO).unwrap()
}

/// Records a clip of two seconds, neighbours swapped and some packets twice, and has it played.
fn plays(kind: Kind, mime_type: &str, codec: &str, extension: &str, frames: &[Vec<u8>], lay: Lay) {
    let directory = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let mut sent = Line::video(start + Duration::from_secs(1)).clip(frames, lay);
    let doubled = sent[3].clone();
    sent.insert(9, doubled);
    // Never the first: a tap begins with the begin of a key frame.
    for pair in sent[1..].chunks_mut(2) {
        if let [one, other] = pair {
            std::mem::swap(one, other);
        }
    }
    let (disk, recorder) = record(kind, &video(mime_type), start, &sent);
    let part = &recorder.summaries()[0];
    assert_eq!((disk.0.len(), part.extension.as_str()), (1, extension));
    let track = &part.tracks[0];
    assert_eq!((track.frames, track.gaps.len()), (frames.len() as u64, 0));
    assert_eq!(track.begin_us, 1_000_000, "where it lies on the recording's line");

    let played = play(&disk.save(directory.path(), 0));
    let stream = &played.streams[0];
    assert_eq!((stream.codec.as_str(), stream.frames), (codec, frames.len() as u64));
    assert_eq!((stream.width, stream.height), (160, 120));
    assert_near(played.duration_s, frames.len() as f64 / 30.0);
}

#[test]
fn vp8_plays() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::vp8(directory.path(), &clip::pictures(160, 120, 2), "30");
    plays(Kind::Matroska, "video/VP8", "vp8", "webm", &frames, packets::vp8);
}

#[test]
fn vp9_plays() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::vp9(directory.path(), &clip::pictures(160, 120, 2), "30");
    plays(Kind::Matroska, "video/VP9", "vp9", "webm", &frames, packets::vp9);
}

/// A picture of two spatial layers, each of which builds on its own earlier pictures only: what a key-picture SVC is
/// between its key pictures.
fn two_layers(low: &[u8], high: &[u8]) -> Vec<Vec<u8>> {
    let with_layer = |frame: &[u8], layer: u8| {
        // L bit, and the layer's byte and TL0PICIDX behind the first.
        let add = |payload: Vec<u8>| [&[payload[0] | 0x20, layer << 1, 0], &payload[1..]].concat();
        packets::vp9(frame).into_iter().map(add).collect::<Vec<_>>()
    };
    [with_layer(low, 0), with_layer(high, 1)].concat()
}

#[test]
fn of_vp9_with_spatial_layers_the_highest_plays_and_when_it_goes_a_key_frame_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let low = clip::vp9(directory.path(), &clip::pictures(80, 60, 2), "30");
    let high = clip::vp9(directory.path(), &clip::pictures(160, 120, 2), "30");
    let start = Instant::now();
    let mut line = Line::video(start);
    let mut sent: Vec<Packet> = Vec::new();
    for (index, (low, high)) in low.iter().zip(&high).enumerate() {
        // The publisher puts the upper layer away after picture 40, and sends a key frame at 30 only.
        let mut payloads = two_layers(low, high);
        if index > 40 {
            let of_low = packets::vp9(low).len();
            payloads.truncate(of_low);
        }
        sent.extend(line.frame(payloads));
    }
    let (disk, mut recorder) = record(Kind::Matroska, &video("video/VP9"), start, &sent);
    assert!(recorder.poll_request().is_some());
    let played = play(&disk.save(directory.path(), 0));
    assert_eq!((played.streams[0].frames, played.streams[0].width), (41, 160));
}

#[test]
fn h264_plays_in_matroska_and_in_mp4() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::h264(directory.path(), &clip::pictures(160, 120, 2), "30");
    plays(Kind::Matroska, "video/H264", "h264", "mkv", &frames, packets::h264);
    plays(Kind::FragmentedMp4, "video/H264", "h264", "mp4", &frames, packets::h264);
}

#[test]
fn h265_plays_in_matroska_and_in_mp4() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::h265(directory.path(), &clip::pictures(160, 120, 2), "30");
    plays(Kind::Matroska, "video/H265", "hevc", "mkv", &frames, packets::h265);
    plays(Kind::FragmentedMp4, "video/H265", "hevc", "mp4", &frames, packets::h265);
}

#[test]
fn av1_plays_in_webm_and_in_mp4() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::av1(directory.path(), &clip::pictures(160, 120, 2), "30");
    plays(Kind::Matroska, "video/AV1", "av1", "webm", &frames, packets::av1);
    plays(Kind::FragmentedMp4, "video/AV1", "av1", "mp4", &frames, packets::av1);
}

#[test]
fn opus_plays_in_webm_and_in_mp4() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::opus(directory.path(), 3);
    let start = Instant::now();
    let mut sent = Line::audio(start).clip(&frames, packets::opus);
    sent.swap(20, 22);
    for kind in [Kind::Matroska, Kind::FragmentedMp4] {
        let (disk, recorder) =
            record(kind, &Format::new("audio/opus", 48_000, 2, Line::FIRST_OF_AUDIO).unwrap(), start, &sent);
        assert_eq!(recorder.summaries()[0].tracks[0].frames, frames.len() as u64);
        let played = play(&disk.save(directory.path(), 0));
        assert_eq!((played.streams[0].codec.as_str(), played.streams[0].frames), ("opus", frames.len() as u64));
        assert_near(played.duration_s, frames.len() as f64 / 50.0);
    }
}

#[test]
fn after_a_loss_that_nobody_repairs_the_file_goes_on_with_the_next_key_frame() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::vp8(directory.path(), &clip::pictures(160, 120, 3), "30");
    let start = Instant::now();
    let mut line = Line::video(start);
    let mut sent: Vec<Packet> = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let packets = line.frame(packets::vp8(frame));
        // A packet of frame 40 is lost, and nothing brings it back.
        sent.extend(packets.into_iter().skip(usize::from(index == 40)));
    }
    let (disk, mut recorder) = record(Kind::Matroska, &video("video/VP8"), start, &sent);
    assert_eq!(recorder.poll_request(), Some(Request::Keyframe(sluice_recorder::Input(0))));
    let track = recorder.summaries()[0].tracks[0].clone();
    let gap = track.gaps[0];
    assert_eq!((track.frames, track.gaps.len(), gap.reason), (70, 1, GapReason::Lost));
    assert_near(gap.from_us as f64 / 1e6, 40.0 / 30.0);
    assert_near(gap.to_us as f64 / 1e6, 60.0 / 30.0);
    let played = play(&disk.save(directory.path(), 0));
    assert_eq!(played.streams[0].frames, 70);
    assert_near(played.duration_s, 3.0);
}

#[test]
fn pictures_may_change_their_size_within_a_file_and_mp4_begins_another() {
    let directory = tempfile::tempdir().unwrap();
    let small = clip::h264(directory.path(), &clip::pictures(160, 120, 1), "30");
    let large = clip::h264(directory.path(), &clip::pictures(320, 240, 1), "30");
    let start = Instant::now();
    let mut line = Line::video(start);
    let sent = [line.clip(&small, packets::h264), line.clip(&large, packets::h264)].concat();

    let (disk, recorder) = record(Kind::Matroska, &video("video/H264"), start, &sent);
    let sizes: Vec<u16> = recorder.summaries()[0].tracks[0].resolutions.iter().map(|size| size.width).collect();
    assert_eq!((disk.0.len(), sizes), (1, vec![160, 320]));
    let played = play(&disk.save(directory.path(), 0));
    assert_eq!(played.streams[0].frames, 60);
    assert_near(played.duration_s, 2.0);

    let (disk, recorder) = record(Kind::FragmentedMp4, &video("video/H264"), start, &sent);
    assert_eq!(disk.0.len(), 2);
    for (part, width) in [(0, 160), (1, 320)] {
        let played = play(&disk.save(directory.path(), part));
        assert_eq!((played.streams[0].frames, played.streams[0].width), (30, width));
        assert_near(played.duration_s, 1.0);
        let sizes = &recorder.summaries()[part as usize].tracks[0].resolutions;
        assert_eq!(sizes.iter().map(|size| u64::from(size.width)).collect::<Vec<_>>(), [width]);
    }
}

#[test]
fn pictures_that_change_their_size_all_the_time_go_on_in_matroska_instead_of_in_ever_more_mp4() {
    let directory = tempfile::tempdir().unwrap();
    let small = clip::h264(directory.path(), &clip::pictures(160, 120, 2), "1");
    let large = clip::h264(directory.path(), &clip::pictures(320, 240, 2), "1");
    let start = Instant::now();
    let mut line = Line::video(start);
    let in_turn: Vec<Vec<u8>> =
        small.iter().zip(&large).flat_map(|(one, other)| [one.clone(), other.clone()]).collect();
    let sent = line.clip(&in_turn, packets::h264);
    let (disk, recorder) = record(Kind::FragmentedMp4, &video("video/H264"), start, &sent);
    let extensions: Vec<&str> = disk.0.values().map(|(extension, _)| *extension).collect();
    assert_eq!(extensions, [&["mp4"; 8][..], &["mkv"]].concat());
    let frames: u64 = recorder.summaries().iter().map(|part| part.tracks[0].frames).sum();
    assert_eq!((frames, recorder.end_reason()), (120, None));
    assert_eq!(play(&disk.save(directory.path(), 8)).streams[0].frames, 112);
}

#[test]
fn webm_goes_on_where_pictures_change_their_size() {
    let directory = tempfile::tempdir().unwrap();
    type Encode = fn(&std::path::Path, &str, &str) -> Vec<Vec<u8>>;
    let codecs: [(&str, Encode, Lay); 2] =
        [("video/VP8", clip::vp8, packets::vp8), ("video/VP9", clip::vp9, packets::vp9)];
    for (mime_type, encode, lay) in codecs {
        let mut line = Line::video(Instant::now());
        let start = line.at;
        let mut sent = Vec::new();
        for width in [160, 320, 80] {
            sent.extend(line.clip(&encode(directory.path(), &clip::pictures(width, width / 2, 1), "30"), lay));
        }
        let (disk, recorder) = record(Kind::Matroska, &video(mime_type), start, &sent);
        let sizes: Vec<u16> = recorder.summaries()[0].tracks[0].resolutions.iter().map(|size| size.width).collect();
        assert_eq!((disk.0.len(), sizes), (1, vec![160, 320, 80]));
        let played = play(&disk.save(directory.path(), 0));
        assert_eq!(played.streams[0].frames, 90);
        assert_near(played.duration_s, 3.0);
    }
}

#[test]
fn another_codec_begins_another_file() {
    let directory = tempfile::tempdir().unwrap();
    let vp8 = clip::vp8(directory.path(), &clip::pictures(160, 120, 1), "30");
    let vp9 = clip::vp9(directory.path(), &clip::pictures(160, 120, 1), "30");
    let start = Instant::now();
    let mut line = Line::video(start);
    let mut recorder = TrackRecorder::new(Kind::Matroska, start);
    let mut disk = Disk::default();
    let (before, after) = (line.clip(&vp8, packets::vp8), line.clip(&vp9, packets::vp9));
    let late = before[7].clone();
    for (mime_type, sent) in [("video/VP8", before), ("video/VP9", after)] {
        let format = Format { from_sequence: sent[0].head.sequence, ..video(mime_type) };
        recorder.handle_format(format, sent[0].head.received_at);
        if mime_type == "video/VP9" {
            // One of the codec before.
            recorder.handle_packet(&late.head, &late.payload, sent[0].head.received_at);
        }
        for packet in &sent {
            recorder.handle_packet(&packet.head, &packet.payload, packet.head.received_at);
        }
    }
    recorder.finish(line.at);
    disk.drain(&mut recorder);
    for (part, codec) in [(0, "vp8"), (1, "vp9")] {
        let played = play(&disk.save(directory.path(), part));
        assert_eq!((played.streams[0].codec.as_str(), played.streams[0].frames), (codec, 30));
    }
    assert_near(recorder.summaries()[1].tracks[0].begin_us as f64 / 1e6, 1.0);
}

#[test]
fn what_is_muted_leaves_a_gap_in_the_file_as_long_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::opus(directory.path(), 2);
    let start = Instant::now();
    let mut line = Line::audio(start);
    let (first, second) = frames.split_at(50);
    let mut recorder = TrackRecorder::new(Kind::Matroska, start);
    recorder.handle_format(Format::new("audio/opus", 48_000, 2, Line::FIRST_OF_AUDIO).unwrap(), start);
    for packet in line.clip(first, packets::opus) {
        recorder.handle_packet(&packet.head, &packet.payload, packet.head.received_at);
    }
    recorder.handle_muted(true, line.at);
    line.timestamp = line.timestamp.wrapping_add(5 * 48_000);
    line.at += Duration::from_secs(5);
    recorder.handle_muted(false, line.at);
    for packet in line.clip(second, packets::opus) {
        recorder.handle_packet(&packet.head, &packet.payload, packet.head.received_at);
    }
    recorder.finish(line.at);
    let mut disk = Disk::default();
    disk.drain(&mut recorder);
    let track = &recorder.summaries()[0].tracks[0];
    assert_eq!(track.gaps.len(), 1);
    assert_eq!((track.gaps[0].from_us, track.gaps[0].to_us), (1_000_000, 6_000_000));
    assert_eq!(track.gaps[0].reason, GapReason::Muted);
    let played = play(&disk.save(directory.path(), 0));
    assert_near(played.duration_s, frames.len() as f64 / 50.0 + 5.0);
}
