//! Files as a recorder writes them, made by ffmpeg, and what can be seen and heard in a composite of them, by ffmpeg.

use std::path::Path;
use std::process::Command;

use sluice_composer::layout::Rect;

/// Runs ffmpeg, which must like it.
pub(crate) fn ffmpeg(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A camera that shows this, as WebM: `graph` is what `-f lavfi` takes.
pub(crate) fn camera(path: &Path, graph: &str) {
    let path = path.to_str().unwrap();
    ffmpeg(&["-f", "lavfi", "-i", graph, "-c:v", "libvpx", "-b:v", "400k", "-deadline", "realtime", "-g", "15", path]);
}

/// A microphone that hears this.
pub(crate) fn microphone(path: &Path, graph: &str) {
    ffmpeg(&["-f", "lavfi", "-i", graph, "-c:a", "libopus", "-b:a", "64k", path.to_str().unwrap()]);
}

/// A composite, decoded.
pub(crate) struct Composite {
    width: usize,
    height: usize,
    fps: f64,
    pictures: Vec<u8>,
    /// 48,000 a second.
    pub(crate) samples: Vec<f32>,
    /// In seconds, as its container says.
    pub(crate) duration_s: f64,
}

impl Composite {
    pub(crate) fn read(path: &Path, (width, height): (usize, usize), fps: f64) -> Self {
        let name = path.to_str().unwrap();
        let said = Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", name])
            .output()
            .unwrap();
        let streams = Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", name])
            .output()
            .unwrap();
        let streams = String::from_utf8(streams.stdout).unwrap();
        let raw = |has: &str, arguments: &[&str]| {
            if streams.contains(has) { ffmpeg(&[&["-i", name], arguments].concat()) } else { Vec::new() }
        };
        let rate = fps.to_string();
        let pictures = raw("video", &["-map", "0:v:0", "-pix_fmt", "rgb24", "-r", &rate, "-f", "rawvideo", "pipe:1"]);
        let sound = raw("audio", &["-map", "0:a:0", "-ac", "1", "-ar", "48000", "-f", "f32le", "pipe:1"]);
        let samples = sound.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        let duration_s = String::from_utf8(said.stdout).unwrap().trim().parse().unwrap();
        assert_eq!(pictures.len() % (width * height * 3), 0);
        Self { width, height, fps, pictures, samples, duration_s }
    }

    pub(crate) fn frames(&self) -> usize {
        self.pictures.len() / (self.width * self.height * 3)
    }

    /// Red, green and blue of a pixel of a picture.
    pub(crate) fn pixel(&self, frame: usize, (x, y): (usize, usize)) -> [u8; 3] {
        let place = ((frame * self.height + y) * self.width + x) * 3;
        self.pictures[place..place + 3].try_into().unwrap()
    }

    /// What is in the middle of a part, in one word.
    pub(crate) fn colour(&self, at_s: f64, rect: Rect) -> &'static str {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few pictures")]
        let frame = (at_s * self.fps) as usize;
        named(self.pixel(frame, (rect.x + rect.width / 2, rect.y + rect.height / 2)))
    }

    /// How strong a tone is there, as its amplitude (Goertzel).
    pub(crate) fn tone(&self, hertz: f64, from_s: f64, to_s: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few samples")]
        let [from, to] = [from_s, to_s].map(|at| (at * 48_000.0) as usize);
        let end = self.samples.len();
        let samples = &self.samples[from.min(end)..to.min(end)];
        let step = 2.0 * (std::f64::consts::TAU * hertz / 48_000.0).cos();
        let (last, before) = samples
            .iter()
            .fold((0.0, 0.0), |(last, before), sample| (f64::from(*sample) + step * last - before, last));
        let power = last * last + before * before - step * last * before;
        #[expect(clippy::cast_precision_loss, reason = "a few samples")]
        let count = samples.len() as f64;
        2.0 * power.max(0.0).sqrt() / count
    }
}

fn named([red, green, blue]: [u8; 3]) -> &'static str {
    match (red, green, blue) {
        (180.., ..60, ..60) => "red",
        (..60, 100.., ..60) => "green",
        (..60, ..60, 180..) => "blue",
        // An avatar, or nothing at all.
        _ => "calm",
    }
}
