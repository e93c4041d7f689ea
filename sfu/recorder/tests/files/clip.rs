//! Clips of real media: frames as an encoder made them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs one of ffmpeg's programs, which has to succeed.
pub fn run(program: &str, arguments: &[&str]) -> std::process::Output {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| {
        panic!("cannot run {program} ({error}): install Debian's ffmpeg, as `cargo xtask test` does")
    });
    assert!(output.status.success(), "{program} {arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Makes a file by ffmpeg.
pub fn encode(directory: &Path, name: &str, source: &str, arguments: &[&str]) -> Vec<u8> {
    let file: PathBuf = directory.join(name);
    let path = file.display().to_string();
    let mut all = vec!["-v", "error", "-y", "-f", "lavfi", "-i", source];
    all.extend(arguments);
    all.push(&path);
    run("ffmpeg", &all);
    std::fs::read(file).unwrap()
}

/// Moving pictures of this size, 30 a second.
pub fn pictures(width: u32, height: u32, seconds: u32) -> String {
    format!("testsrc2=size={width}x{height}:rate=30:duration={seconds}")
}

/// The frames of an IVF file.
fn ivf(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &bytes[32..];
    let mut frames = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<12>() {
        let (frame, after) = after.split_at(u32::from_le_bytes(head[..4].try_into().unwrap()) as usize);
        frames.push(frame.to_vec());
        rest = after;
    }
    frames
}

const REALTIME: &[&str] =
    &["-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-auto-alt-ref", "0", "-b:v", "400k"];

/// VP8, a key frame every `gop` frames.
pub fn vp8(directory: &Path, source: &str, gop: &str) -> Vec<Vec<u8>> {
    ivf(&encode(directory, "vp8.ivf", source, &[&["-c:v", "libvpx", "-g", gop][..], REALTIME].concat()))
}

/// VP9.
pub fn vp9(directory: &Path, source: &str, gop: &str) -> Vec<Vec<u8>> {
    ivf(&encode(directory, "vp9.ivf", source, &[&["-c:v", "libvpx-vp9", "-g", gop][..], REALTIME].concat()))
}

/// AV1: temporal units.
pub fn av1(directory: &Path, source: &str, gop: &str) -> Vec<Vec<u8>> {
    let arguments = ["-c:v", "libaom-av1", "-g", gop, "-usage", "realtime", "-cpu-used", "8", "-lag-in-frames", "0"];
    ivf(&encode(directory, "av1.ivf", source, &arguments))
}

/// H264 as browsers send it: no pictures out of order, parameter sets with every key frame. Access units.
pub fn h264(directory: &Path, source: &str, gop: &str) -> Vec<Vec<u8>> {
    let parameters = "aud=1:repeat-headers=1:scenecut=0:slices=2";
    let arguments = ["-c:v", "libx264", "-profile:v", "high", "-pix_fmt", "yuv420p", "-g", gop, "-bf", "0"];
    let rest = ["-preset", "ultrafast", "-tune", "zerolatency", "-x264-params", parameters];
    let bytes = encode(directory, "h264.h264", source, &[&arguments[..], &rest].concat());
    access_units(&bytes, |unit| unit[0] & 0x1f == 9)
}

/// H265, likewise.
pub fn h265(directory: &Path, source: &str, gop: &str) -> Vec<Vec<u8>> {
    let parameters = "aud=1:repeat-headers=1:scenecut=0:bframes=0:open-gop=0:log-level=none:pools=1";
    let arguments = ["-c:v", "libx265", "-pix_fmt", "yuv420p", "-g", gop, "-preset", "ultrafast"];
    let rest = ["-tune", "zerolatency", "-x265-params", parameters];
    let bytes = encode(directory, "h265.hevc", source, &[&arguments[..], &rest].concat());
    access_units(&bytes, |unit| unit[0] >> 1 & 0x3f == 35)
}

/// Opus packets of 20 ms, without the two that describe the stream.
pub fn opus(directory: &Path, seconds: u32) -> Vec<Vec<u8>> {
    opus_of(directory, &format!("sine=frequency=440:sample_rate=48000:duration={seconds}"))
}

/// The same of any sound that ffmpeg makes.
pub fn opus_of(directory: &Path, source: &str) -> Vec<Vec<u8>> {
    let bytes = encode(directory, "opus.ogg", source, &["-c:a", "libopus", "-b:a", "32k", "-ac", "2"]);
    ogg(&bytes).split_off(2)
}

/// The units of an Annex B stream.
pub fn units(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = (0..bytes.len().saturating_sub(2)).filter(|at| bytes[*at..*at + 3] == [0, 0, 1]).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let cut = |(start, end): (&usize, usize)| {
        let unit = &bytes[start + 3..end];
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        &unit[..unit.len() - zeros]
    };
    starts.iter().zip(ends).map(cut).collect()
}

/// Annex B cut in front of each delimiter.
pub fn access_units(bytes: &[u8], is_delimiter: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for unit in units(bytes) {
        if is_delimiter(unit) {
            all.push(Vec::new());
        }
        let last = all.last_mut().unwrap();
        last.extend([0, 0, 0, 1]);
        last.extend(unit);
    }
    all
}

/// The packets of an Ogg file.
fn ogg(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut packets, mut open) = (bytes, Vec::new(), Vec::new());
    while rest.len() > 27 {
        let lacing = &rest[27..27 + usize::from(rest[26])];
        let mut body = &rest[27 + lacing.len()..];
        for len in lacing {
            open.extend(&body[..usize::from(*len)]);
            body = &body[usize::from(*len)..];
            if *len < 255 {
                packets.push(std::mem::take(&mut open));
            }
        }
        rest = body;
    }
    packets
}
