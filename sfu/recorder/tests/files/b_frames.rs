//! Clips whose pictures are sent in another order than they are shown in, made by ffmpeg.

use std::path::Path;

use crate::clip::{access_units, encode, run};

/// A picture as it is sent, and which one it is of those that are shown.
pub type Reordered = (Vec<u8>, u32);

/// H264 with pictures in another order than they are shown in, as encoders of hardware and of ingress make it.
pub fn h264(directory: &Path, source: &str) -> Vec<Reordered> {
    let parameters = "scenecut=0:bframes=3:b-adapt=0:b-pyramid=normal";
    let arguments = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "30", "-preset", "veryfast"];
    let all = [&arguments[..], &["-x264-params", parameters]].concat();
    reordered(directory, source, &all, "h264", |unit| unit[0] & 0x1f == 9)
}

/// H265, likewise. Its key frames are followed by pictures that are shown before them, and build on the ones before.
pub fn h265(directory: &Path, source: &str) -> Vec<Reordered> {
    let parameters = "scenecut=0:bframes=3:b-adapt=0:open-gop=1:log-level=none:pools=1";
    let arguments = ["-c:v", "libx265", "-pix_fmt", "yuv420p", "-g", "30", "-preset", "veryfast"];
    let all = [&arguments[..], &["-x265-params", parameters]].concat();
    reordered(directory, source, &all, "hevc", |unit| unit[0] >> 1 & 0x3f == 35)
}

fn reordered(
    directory: &Path,
    source: &str,
    arguments: &[&str],
    format: &str,
    is_delimiter: fn(&[u8]) -> bool,
) -> Vec<Reordered> {
    encode(directory, "reordered.mp4", source, arguments);
    let path = directory.join("reordered.mp4").display().to_string();
    let stream = directory.join("reordered.bin").display().to_string();
    let filters = format!("{format}_mp4toannexb,{format}_metadata=aud=insert");
    run("ffmpeg", &["-v", "error", "-y", "-i", &path, "-c", "copy", "-bsf:v", &filters, "-f", format, &stream]);
    let probed = run("ffprobe", &["-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0", &path]);
    let lines = String::from_utf8_lossy(&probed.stdout).into_owned();
    let shown = lines
        .lines()
        .map(|line| (line.trim_end_matches(',').parse::<f64>().unwrap() * 30.0).round() as i64);
    let units = access_units(&std::fs::read(stream).unwrap(), is_delimiter);
    let shown = shown.map(|shown| u32::try_from(shown).unwrap());
    let all: Vec<Reordered> = units.into_iter().zip(shown).collect();
    assert!(!all.is_sorted_by_key(|(_, shown)| *shown), "the encoder was asked for it");
    all
}
