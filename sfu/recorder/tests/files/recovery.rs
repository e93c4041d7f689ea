//! A file that was cut anywhere is finished, and nothing whole of it is lost.

use std::io::Cursor;
use std::time::Instant;

use sluice_recorder::{FileRecorder, Format, Input, Kind, NotRecoverable, recover};

use super::packets::{self, Line};
use super::player::{Disk, assert_near, play};
use super::{b_frames, clip};

/// A file after its repair.
pub struct Repaired {
    pub bytes: Vec<u8>,
    pub duration_s: f64,
    pub kept: usize,
}

/// Repairs a file that was cut off, as its owner does.
pub fn repaired(cut: &[u8]) -> Result<Repaired, NotRecoverable> {
    let Some(repair) = recover(&mut Cursor::new(cut))? else {
        return Ok(Repaired { bytes: cut.to_vec(), duration_s: f64::NAN, kept: cut.len() });
    };
    let kept = usize::try_from(repair.keep).unwrap();
    let mut bytes = cut[..kept].to_vec();
    bytes.extend(&repair.append);
    for patch in &repair.patches {
        let at = usize::try_from(patch.offset).unwrap();
        bytes[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
    }
    Ok(Repaired { bytes, duration_s: repair.duration_us as f64 / 1e6, kept })
}

/// A recording that was never finished, and where its chunks end.
fn unfinished(kind: Kind, seconds: u32) -> (Vec<u8>, Vec<usize>, Disk) {
    let directory = tempfile::tempdir().unwrap();
    let frames = clip::h264(directory.path(), &clip::pictures(32, 32, seconds), "15");
    let sound = clip::opus(directory.path(), seconds);
    let start = Instant::now();
    let (mut video, mut audio) = (Line::video(start), Line::audio(start));
    let mut all: Vec<_> = video.clip(&frames, packets::h264).into_iter().map(|packet| (Input(0), packet)).collect();
    all.extend(audio.clip(&sound, packets::opus).into_iter().map(|packet| (Input(1), packet)));
    all.sort_by_key(|(_, packet)| packet.head.received_at);
    let mut recorder = FileRecorder::new(kind, 2, start);
    recorder.handle_format(Input(0), Format::new("video/H264", 90_000, 0, Line::FIRST_OF_VIDEO).unwrap(), start);
    recorder.handle_format(Input(1), Format::new("audio/opus", 48_000, 2, Line::FIRST_OF_AUDIO).unwrap(), start);
    let mut disk = Disk::default();
    let mut ends = Vec::new();
    let mut drain = |recorder: &mut FileRecorder| {
        while let Some(chunk) = recorder.poll_write() {
            disk.write(&chunk);
            ends.push(disk.0[&0].1.len());
        }
    };
    for (input, packet) in &all {
        recorder.handle_packet(*input, &packet.head, &packet.payload, packet.head.received_at);
        drain(&mut recorder);
    }
    let bytes = disk.0[&0].1.clone();
    recorder.finish(start);
    let mut whole = Disk::default();
    whole.0.insert(0, disk.0[&0].clone());
    while let Some(chunk) = recorder.poll_write() {
        whole.write(&chunk);
    }
    (bytes, ends, whole)
}

#[test]
fn what_a_full_disk_has_no_room_to_finish_is_finished_without_its_last_piece() {
    for kind in [Kind::Matroska, Kind::FragmentedMp4] {
        let (bytes, ends, _) = unfinished(kind, 5);
        let mut shorter = 0;
        for cut in ends {
            let Ok(Some(repair)) = recover(&mut Cursor::new(&bytes[..cut])) else { continue };
            let Some(without_last) = repair.without_last else { continue };
            let again = recover(&mut Cursor::new(&bytes[..usize::try_from(without_last).unwrap()]))
                .unwrap()
                .unwrap();
            assert!(without_last < repair.keep && again.keep == without_last, "cut at {cut}");
            let lost_us = repair.duration_us - again.duration_us;
            assert!((1..=2_100_000).contains(&lost_us), "cut at {cut}: {lost_us} us are lost");
            shorter += 1;
        }
        assert!(shorter > 1, "{kind:?}");
    }
}

#[test]
fn a_file_cut_at_any_byte_keeps_all_that_was_written_whole() {
    for kind in [Kind::Matroska, Kind::FragmentedMp4] {
        let (bytes, ends, _) = unfinished(kind, 2);
        let mut recovered = 0;
        for cut in 0..=bytes.len() {
            let whole = ends.iter().copied().filter(|end| *end <= cut).max().unwrap_or(0);
            match repaired(&bytes[..cut]) {
                Ok(repaired) => {
                    assert_eq!(repaired.kept, whole, "cut at {cut}");
                    // A repaired file is whole: there is nothing more to do.
                    assert!(recover(&mut Cursor::new(&repaired.bytes)).unwrap().is_none(), "cut at {cut}");
                    recovered += 1;
                }
                // Only what ends within its head, or right behind it.
                Err(NotRecoverable::Empty) => assert!(whole <= ends[0], "cut at {cut}"),
                Err(error) => panic!("cut at {cut}: {error}"),
            }
        }
        assert!(recovered > bytes.len() / 4);
    }
}

#[test]
fn what_was_recovered_plays() {
    for (kind, extension) in [(Kind::Matroska, "mkv"), (Kind::FragmentedMp4, "mp4")] {
        let (bytes, ends, _) = unfinished(kind, 4);
        for end in &ends[1..] {
            let directory = tempfile::tempdir().unwrap();
            // In the middle of the next cluster, or at the end.
            let cut = (end + 1000).min(bytes.len());
            let repaired = repaired(&bytes[..cut]).unwrap();
            let path = directory.path().join(format!("cut.{extension}"));
            std::fs::write(&path, &repaired.bytes).unwrap();
            assert_near(play(&path).duration_s, repaired.duration_s);
        }
    }
}

#[test]
fn a_file_that_was_finished_is_left_alone_and_a_strange_one_refused() {
    for kind in [Kind::Matroska, Kind::FragmentedMp4] {
        let (_, _, whole) = unfinished(kind, 2);
        assert!(recover(&mut Cursor::new(&whole.0[&0].1)).unwrap().is_none());
    }
    assert!(matches!(recover(&mut Cursor::new(b"RIFF....WAVE")), Err(NotRecoverable::Foreign)));
    assert!(matches!(recover(&mut Cursor::new(b"")), Err(NotRecoverable::Empty)));
}

/// A box of MP4.
fn mp4_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(8 + body.len()).unwrap();
    [&size.to_be_bytes()[..], kind, body].concat()
}

#[test]
fn of_mp4_that_is_somebody_elses_nothing_is_cut_off() {
    let (ours, ends, _) = unfinished(Kind::FragmentedMp4, 2);
    let head = &ours[..ends[0]];
    let ftyp_len = usize::try_from(u32::from_be_bytes(*head.first_chunk().unwrap())).unwrap();
    let (ftyp, moov) = head.split_at(ftyp_len);
    let fragment = &ours[ends[0]..ends[1]];
    let mdat = mp4_box(b"mdat", &[7; 100]);
    // Larger than 4 GB, as far as it says, and so cut off.
    let large_mdat = [&[0, 0, 0, 1], &b"mdat"[..], &[0, 0, 0, 2], &[0; 100]].concat();
    let without_fragments = mp4_box(b"moov", &mp4_box(b"mvhd", &[0; 100]));
    let files: [(&str, Vec<&[u8]>); 8] = [
        ("as telephones write them", vec![ftyp, &mdat, &without_fragments]),
        ("the same, made to be played while it is loaded", vec![ftyp, &without_fragments, &mdat]),
        ("one of an hour", vec![ftyp, &large_mdat]),
        ("frames of no fragment", vec![ftyp, moov, &mdat]),
        ("other frames behind a fragment", vec![ftyp, moov, fragment, &mdat]),
        ("its description at the end", vec![ftyp, moov, fragment, moov]),
        ("fragments of another hand", vec![ftyp, &without_fragments, fragment]),
        ("more behind the end", vec![ftyp, moov, fragment, &[0, 0, 0, 8, b'm', b'f', b'r', b'a'], &mdat]),
    ];
    for (what, parts) in files {
        let file = parts.concat();
        for end in [file.len(), file.len() - 1] {
            assert!(matches!(recover(&mut Cursor::new(&file[..end])), Err(NotRecoverable::Foreign)), "{what}");
        }
    }
    // Ours, although what was made longer was not all written.
    let longer = [ftyp, moov, fragment, &[0; 5000]].concat();
    assert_eq!(repaired(&longer).unwrap().kept, ends[1]);
}

#[test]
fn a_count_of_samples_is_believed_only_where_they_follow() {
    let (ours, ends, _) = unfinished(Kind::FragmentedMp4, 2);
    let (head, fragment) = (&ours[..ends[0]], &ours[ends[0]..ends[1]]);
    let trun = fragment.windows(4).position(|window| window == b"trun").unwrap() + 4;
    // Sixteen million samples of which nothing is said.
    for (flags, count) in [([0, 0, 0, 1], 16_000_000), ([0, 0, 7, 1], 16_000_000_u32)] {
        let mut lying = fragment.to_vec();
        lying[trun..trun + 4].copy_from_slice(&flags);
        lying[trun + 4..trun + 8].copy_from_slice(&count.to_be_bytes());
        let file = [head, &lying].concat();
        assert!(matches!(recover(&mut Cursor::new(&file)), Err(NotRecoverable::Foreign)));
    }
    let large = [head, &mp4_box(b"moof", &vec![0; 1 << 20]), &mp4_box(b"mdat", &[])].concat();
    assert!(matches!(recover(&mut Cursor::new(&large)), Err(NotRecoverable::Foreign)));
}

#[test]
fn a_cluster_at_the_end_of_all_time_ends_there() {
    let (mut ours, ends, _) = unfinished(Kind::Matroska, 2);
    ours.truncate(ends[0]);
    // The cluster's time, moved to where no more milliseconds are.
    let cluster =
        [&[0x1f, 0x43, 0xb6, 0x75, 0x90, 0xe7, 0x88][..], &[0xff; 8], &[0xa3, 0x84, 0x81, 0, 0, 0x80]].concat();
    ours.extend(cluster);
    let repair = recover(&mut Cursor::new(&ours)).unwrap().unwrap();
    assert_eq!(repair.duration_us, u64::MAX);
}

#[test]
fn a_file_whose_end_was_written_but_for_one_piece_is_finished_with_it() {
    // Everything a recorder writes at the end, in order, and cut off behind each piece.
    for kind in [Kind::Matroska, Kind::FragmentedMp4] {
        let (ours, _, whole) = unfinished(kind, 2);
        let whole = &whole.0[&0].1;
        // All was appended, and nothing written over yet.
        let mut appended = whole.clone();
        appended[..ours.len()].copy_from_slice(&ours);
        let repaired = repaired(&appended).unwrap();
        assert!(repaired.duration_s > 1.9, "{kind:?}");
        assert!(recover(&mut Cursor::new(&repaired.bytes)).unwrap().is_none(), "{kind:?}");
        assert_eq!(repaired.bytes.len(), whole.len(), "{kind:?}: its index is there already");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_may_be_called_a_recording(kind in 0usize..3, bytes: Vec<u8>) {
        let heads: [&[u8]; 3] = [&[], &[0x1a, 0x45, 0xdf, 0xa3], b"\0\0\0\x08ftyp"];
        let _ = recover(&mut Cursor::new([heads[kind], &bytes].concat()));
    }
}

#[test]
fn a_recording_with_bytes_of_somebody_elses_is_repaired_within_its_bounds_or_refused() {
    let mut random = fastrand::Rng::with_seed(6);
    for kind in [Kind::Matroska, Kind::FragmentedMp4] {
        let (bytes, ..) = unfinished(kind, 2);
        let head = bytes.len().min(1500);
        for _ in 0..3000 {
            let mut changed = bytes.clone();
            for _ in 0..random.usize(1..4) {
                // Most of what is read is at the begin.
                let at = if random.bool() { random.usize(..head) } else { random.usize(..bytes.len()) };
                changed[at] = random.u8(..);
            }
            changed.truncate(random.usize(..=bytes.len()));
            if let Ok(Some(repair)) = recover(&mut Cursor::new(&changed)) {
                let end = repair.keep + repair.append.len() as u64;
                assert!(repair.keep <= changed.len() as u64);
                assert!(repair.patches.iter().all(|patch| patch.offset + patch.bytes.len() as u64 <= end));
            }
        }
    }
}

#[test]
fn what_was_recovered_of_pictures_in_another_order_than_theirs_plays() {
    let directory = tempfile::tempdir().unwrap();
    let frames = b_frames::h264(directory.path(), &clip::pictures(32, 32, 4));
    let start = Instant::now();
    let packets = super::times::reordered(start, &frames, packets::h264);
    for (kind, extension) in [(Kind::Matroska, "mkv"), (Kind::FragmentedMp4, "mp4")] {
        let mut recorder = FileRecorder::new(kind, 1, start);
        recorder.handle_format(Input(0), Format::new("video/H264", 90_000, 0, Line::FIRST_OF_VIDEO).unwrap(), start);
        let mut disk = Disk::default();
        for packet in &packets {
            recorder.handle_packet(Input(0), &packet.head, &packet.payload, packet.head.received_at);
            disk.drain_file(&mut recorder);
        }
        let repaired = repaired(&disk.0[&0].1).unwrap();
        assert!(repaired.duration_s > 2.5, "{} s", repaired.duration_s);
        let path = directory.path().join(format!("cut.{extension}"));
        std::fs::write(&path, &repaired.bytes).unwrap();
        let played = play(&path);
        assert_near(played.duration_s, repaired.duration_s);
        assert!(played.streams[0].frames as f64 > repaired.duration_s * 29.0, "{played:?}");
    }
}
