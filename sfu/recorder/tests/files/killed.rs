//! Who writes is killed, wherever it happens to be in fifty files of fragmented MP4. Real processes, files and time: what the
//! kernel has of a file is what there is of it.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "a process that writes a file, and what was measured"
)]

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sluice_recorder::{FileRecorder, Format, Input, Kind, Place};

use super::clip;
use super::packets::{self, Lay, Line};
use super::player::play;
use super::recovery::repaired;

/// Files of each codec.
const FILES: u64 = 25;
const CODECS: [(&str, Lay); 2] = [("video/H264", packets::h264), ("video/AV1", packets::av1)];

/// A fragment is at most a second, and what is under way to it less than another.
const MOST_LOST_S: f64 = 2.0;
/// Of scheduling: a writer that gets no time from the machine has taken nothing that could be lost.
const MOST_AHEAD_S: f64 = 0.5;

/// The first is killed after so long, and the last after as much more again as there are files.
const FIRST: Duration = Duration::from_millis(1_500);
const APART: Duration = Duration::from_millis(110);
const SECONDS: u32 = 10;

/// Tells a process of this test that it is one that writes: which codec, and where.
const WRITER: &str = "SLUICE_TEST_WRITER";

fn unix_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Frames in a file, for those who write.
fn keep(path: &Path, frames: &[Vec<u8>]) {
    let with_len = |frame: &Vec<u8>| [&u32::try_from(frame.len()).unwrap().to_be_bytes(), frame.as_slice()].concat();
    std::fs::write(path, frames.iter().flat_map(with_len).collect::<Vec<_>>()).unwrap();
}

fn kept(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let (mut rest, mut frames) = (bytes.as_slice(), Vec::new());
    while let Some((len, after)) = rest.split_first_chunk::<4>() {
        let (frame, after) = after.split_at(u32::from_be_bytes(*len) as usize);
        frames.push(frame.to_vec());
        rest = after;
    }
    frames
}

/// Records at the pace of time, until it is killed. Nothing, where nobody asked for it.
#[test]
fn a_writer_that_is_killed() {
    let Ok(asked) = std::env::var(WRITER) else { return };
    let (codec, folder) = asked.split_once(' ').unwrap();
    let (mime_type, lay) = CODECS[codec.parse::<usize>().unwrap()];
    let folder = Path::new(folder);
    let home = folder.parent().unwrap();
    let (pictures, sound) = (kept(&home.join(codec)), kept(&home.join("sound")));
    let start = Instant::now();
    std::fs::write(folder.join("began"), unix_s().to_string()).unwrap();

    let pictures = Line::video(start).clip(&pictures, lay).into_iter().map(|packet| (Input(0), packet));
    let sound = Line::audio(start)
        .clip(&sound, packets::opus)
        .into_iter()
        .map(|packet| (Input(1), packet));
    let mut all: Vec<_> = pictures.chain(sound).collect();
    all.sort_by_key(|(_, packet)| packet.head.received_at);
    let mut recorder = FileRecorder::new(Kind::FragmentedMp4, 2, start);
    recorder.handle_format(Input(0), Format::new(mime_type, 90_000, 0, Line::FIRST_OF_VIDEO).unwrap(), start);
    recorder.handle_format(Input(1), Format::new("audio/opus", 48_000, 2, Line::FIRST_OF_AUDIO).unwrap(), start);
    let mut file = File::create(folder.join("it.mp4")).unwrap();
    for (input, packet) in all {
        std::thread::sleep(packet.head.received_at.saturating_duration_since(Instant::now()));
        recorder.handle_packet(input, &packet.head, &packet.payload, packet.head.received_at);
        while let Some(chunk) = recorder.poll_write() {
            let place = match chunk.place {
                Place::Append => SeekFrom::End(0),
                Place::Patch { offset } => SeekFrom::Start(offset),
            };
            file.seek(place).unwrap();
            file.write_all(&chunk.bytes).unwrap();
        }
    }
    panic!("it was to be killed by now");
}

fn writer(codec: usize, folder: &Path) -> Child {
    std::fs::create_dir(folder).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "killed::a_writer_that_is_killed", "--nocapture"]);
    command.env(WRITER, format!("{codec} {}", folder.display())).spawn().unwrap()
}

#[test]
fn fifty_files_of_killed_writers_play_to_within_two_seconds_of_the_kill() {
    let home = tempfile::tempdir().unwrap();
    let source = clip::pictures(160, 120, SECONDS);
    keep(&home.path().join("0"), &clip::h264(home.path(), &source, "30"));
    keep(&home.path().join("1"), &clip::av1(home.path(), &source, "30"));
    keep(&home.path().join("sound"), &clip::opus(home.path(), SECONDS));
    let folder = |codec: usize, number: u64| home.path().join(format!("{codec}-{number}"));
    let all = (0..FILES).flat_map(|number| [(0, number), (1, number)]);
    let mut writers: Vec<_> = all
        .map(|(codec, number)| (codec, number, writer(codec, &folder(codec, number))))
        .collect();
    let began = Instant::now();
    let mut killed_s = Vec::new();
    for ((_, _, writer), place) in writers.iter_mut().zip(0_u32..) {
        // SIGKILL, at another place of the fragment each time.
        std::thread::sleep((FIRST + APART * place).saturating_sub(began.elapsed()));
        killed_s.push(unix_s());
        writer.kill().unwrap();
    }
    let mut all_lost = Vec::new();
    for ((codec, number, mut writer), killed_s) in writers.into_iter().zip(killed_s) {
        assert!(!writer.wait().unwrap().success());
        let folder = folder(codec, number);
        let began_s: f64 = std::fs::read_to_string(folder.join("began")).unwrap().parse().unwrap();
        let path = folder.join("it.mp4");
        let repaired = repaired(&std::fs::read(&path).unwrap()).unwrap();
        std::fs::write(&path, &repaired.bytes).unwrap();
        let played = play(&path);
        assert_eq!(played.streams.len(), 2);
        assert!((played.duration_s - repaired.duration_s).abs() < 0.1, "{} s, {played:?}", repaired.duration_s);
        assert!((played.end_s - repaired.duration_s).abs() < 0.1, "{} s, {played:?}", repaired.duration_s);
        all_lost.push((killed_s - began_s - played.end_s, codec, number));
    }
    all_lost.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (least, median, most) = (all_lost[0], all_lost[all_lost.len() / 2], all_lost[all_lost.len() - 1]);
    eprintln!("{} files: {:.2} s lost at most, {:.2} s by half of them", all_lost.len(), most.0, median.0);
    assert!(most.0 <= MOST_LOST_S, "{most:?}");
    assert!(least.0 >= -MOST_AHEAD_S, "{least:?}");
}
