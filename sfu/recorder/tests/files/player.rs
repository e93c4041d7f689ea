//! Files as others see them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sluice_recorder::{Chunk, FileRecorder, Place, TrackRecorder};

use super::clip::run;
use super::packets::Packet;

/// What was written, part by part.
#[derive(Debug, Default)]
pub struct Disk(pub BTreeMap<u32, (&'static str, Vec<u8>)>);

impl Disk {
    pub fn write(&mut self, chunk: &Chunk) {
        let file = &mut self.0.entry(chunk.part).or_insert((chunk.extension.as_str(), Vec::new())).1;
        match chunk.place {
            Place::Append => file.extend(&chunk.bytes),
            Place::Patch { offset } => {
                let at = usize::try_from(offset).unwrap();
                file[at..at + chunk.bytes.len()].copy_from_slice(&chunk.bytes);
            }
        }
    }

    pub fn drain(&mut self, recorder: &mut TrackRecorder) {
        while let Some(chunk) = recorder.poll_write() {
            self.write(&chunk);
        }
    }

    pub fn drain_file(&mut self, recorder: &mut FileRecorder) {
        while let Some(chunk) = recorder.poll_write() {
            self.write(&chunk);
        }
    }

    /// Records packets to their end, as somebody does who wakes when the recorder wants it. It has its format already.
    pub fn record(&mut self, recorder: &mut TrackRecorder, packets: &[Packet]) {
        for packet in packets {
            let now = packet.head.received_at;
            // Time passes between packets, too.
            while let Some(at) = recorder.poll_timeout().filter(|at| *at < now) {
                recorder.handle_timeout(at);
            }
            recorder.handle_packet(&packet.head, &packet.payload, now);
            self.drain(recorder);
        }
        if let Some(last) = packets.last() {
            recorder.finish(last.head.received_at);
        }
        self.drain(recorder);
    }

    /// Writes a part to a directory.
    pub fn save(&self, directory: &Path, part: u32) -> PathBuf {
        let (extension, bytes) = &self.0[&part];
        let path = directory.join(format!("part{part}.{extension}"));
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// What ffprobe says of a stream.
#[derive(Debug)]
pub struct Stream {
    pub codec: String,
    pub frames: u64,
    pub width: u64,
    pub height: u64,
    pub start_s: f64,
}

/// What ffprobe says of a file that ffmpeg decodes without a word.
#[derive(Debug)]
pub struct Played {
    pub duration_s: f64,
    /// End of the last packet of all. ffprobe adds the begin of a track of MP4 to its end, which is the duration then.
    pub end_s: f64,
    pub streams: Vec<Stream>,
}

/// Decodes all of a file; any error and any warning fails the test.
pub fn play(path: &Path) -> Played {
    played(path, "warning")
}

/// The same of a file with a pause that ffmpeg remarks on. Errors fail the test.
pub fn play_with_pauses(path: &Path) -> Played {
    played(path, "error")
}

fn played(path: &Path, most: &str) -> Played {
    let path = path.display().to_string();
    // Times as they are, not as a steady rate would have them.
    let decode = ["-v", most, "-xerror", "-err_detect", "explode", "-i", &path];
    let to_nothing = ["-fps_mode", "passthrough", "-enc_time_base:v", "-1", "-f", "null", "-"];
    let decoded = run("ffmpeg", &[&decode[..], &to_nothing].concat());
    let said = String::from_utf8_lossy(&decoded.stderr).into_owned();
    assert!(said.is_empty(), "{path}: {said}");
    let entries =
        "stream=codec_name,nb_read_frames,width,height,start_time:format=duration:packet=pts_time,duration_time";
    let output = run("ffprobe", &["-v", "error", "-count_frames", "-show_entries", entries, "-of", "json", &path]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    let streams = json["streams"].as_array().unwrap().iter().map(|stream| Stream {
        codec: stream["codec_name"].as_str().unwrap().to_owned(),
        // A track of which nothing came has none.
        frames: stream["nb_read_frames"].as_str().map_or(0, |frames| frames.parse().unwrap()),
        width: stream["width"].as_u64().unwrap_or(0),
        height: stream["height"].as_u64().unwrap_or(0),
        start_s: number(&stream["start_time"]),
    });
    let ends = json["packets"].as_array().unwrap().iter().map(|packet| {
        let duration_s = number(&packet["duration_time"]);
        number(&packet["pts_time"]) + if duration_s.is_nan() { 0.0 } else { duration_s }
    });
    let end_s = ends.fold(0.0, f64::max);
    Played { end_s, duration_s: number(&json["format"]["duration"]), streams: streams.collect() }
}

/// When each packet of a file's only track is shown or heard, as ffprobe says it.
pub fn times_s(path: &Path) -> Vec<f64> {
    let entries = ["-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0", &path.display().to_string()];
    let output = run("ffprobe", &entries);
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines.lines().map(|line| line.trim_end_matches(',').parse().unwrap()).collect()
}

/// What ffprobe says of the file's only track: when each packet is decoded, and when each picture is shown, in order.
pub fn decoded_and_shown_s(path: &Path) -> (Vec<f64>, Vec<f64>) {
    let say = |entries: &str| {
        let path = path.display().to_string();
        let output = run("ffprobe", &["-v", "error", "-show_entries", entries, "-of", "csv=p=0", &path]);
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let first = |line: &str| line.split(',').next().and_then(|time| time.parse().ok());
        lines.lines().filter_map(first).collect()
    };
    (say("packet=dts_time"), say("frame=pts_time"))
}

/// Fails unless two times are within 100 ms.
pub fn assert_near(measured_s: f64, expected_s: f64) {
    assert!((measured_s - expected_s).abs() < 0.1, "{measured_s} s instead of {expected_s} s");
}
