//! The process that encodes what was composed.
//!
//! It is given raw pictures and sound in one stream, and writes a file, or bytes for others.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::composition::{Composition, Media};
use crate::ffmpeg::Ffmpeg;

/// What kind of file a composite is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// H264 and AAC.
    Mp4,
    /// VP9, or VP8 where that cannot be encoded, and Opus.
    WebM,
    /// Opus, sound only.
    Ogg,
    /// MP3, sound only.
    Mp3,
}

/// A file to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOutput {
    /// Where. It is there when it is whole, and not before.
    pub path: PathBuf,
    /// What.
    pub kind: FileKind,
}

/// ffmpeg cannot encode what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this ffmpeg has no encoder {0}: install a build that has it")]
pub struct NoEncoder(pub &'static str);

/// Where it goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    File {
        kind: FileKind,
        path: &'a Path,
    },
    /// An MPEG transport stream of H264 and AAC on its standard output, with a key frame each so many seconds.
    TransportStream {
        keyframe_s: u16,
    },
}

impl Target<'_> {
    /// What of a composition such a target can hold.
    pub(crate) fn media(self, wanted: Media) -> Media {
        match self {
            Self::File { kind: FileKind::Ogg | FileKind::Mp3, .. } => Media::AudioOnly,
            _ => wanted,
        }
    }
}

/// The command that encodes, of a composition whose canvas is sane and whose media the target can hold.
///
/// # Errors
/// [`NoEncoder`].
pub(crate) fn command(ffmpeg: &Ffmpeg, composition: &Composition, target: Target<'_>) -> Result<Command, NoEncoder> {
    let has = |encoder: &'static str| if ffmpeg.encodes(encoder) { Ok(encoder) } else { Err(NoEncoder(encoder)) };
    let mut command = ffmpeg.command();
    command.args(["-y", "-f", "matroska", "-protocol_whitelist", "pipe", "-i", "pipe:0"]);
    if composition.media.has_video() {
        let encoder = match target {
            Target::File { kind: FileKind::WebM, .. } => has("libvpx-vp9").or_else(|_| has("libvpx"))?,
            _ => has("libx264")?,
        };
        command.args(["-map", "0:v:0", "-c:v", encoder, "-pix_fmt", "yuv420p"]);
        command.args(["-threads", &ffmpeg.threads().to_string()]);
        video(&mut command, composition, encoder, target);
    }
    if composition.media.has_audio() {
        let encoder = match target {
            Target::File { kind: FileKind::WebM | FileKind::Ogg, .. } => has("libopus")?,
            Target::File { kind: FileKind::Mp3, .. } => has("libmp3lame")?,
            Target::File { kind: FileKind::Mp4, .. } | Target::TransportStream { .. } => has("aac")?,
        };
        let bps = composition.audio_bps.clamp(32_000, 320_000).to_string();
        command.args(["-map", "0:a:0", "-c:a", encoder, "-b:a", &bps, "-ac", "2", "-ar", "48000"]);
    }
    match target {
        Target::File { kind, path } => {
            let format: &[&str] = match kind {
                // The index at the begin, so that it plays while it is fetched.
                FileKind::Mp4 => &["-movflags", "+faststart", "-f", "mp4"],
                FileKind::WebM => &["-f", "webm"],
                FileKind::Ogg => &["-f", "ogg"],
                FileKind::Mp3 => &["-f", "mp3"],
            };
            let mut address = OsString::from("file:");
            address.push(path);
            command.args(format).arg(address);
        }
        Target::TransportStream { .. } => {
            command.args(["-f", "mpegts", "-flush_packets", "1", "-muxdelay", "0", "-muxpreload", "0", "pipe:1"]);
        }
    }
    Ok(command)
}

fn video(command: &mut Command, composition: &Composition, encoder: &str, target: Target<'_>) {
    let bps = composition.video_bps.clamp(50_000, 50_000_000);
    let fps = composition.canvas.fps.max(1);
    let keyframe_s = match target {
        Target::File { .. } => 4,
        Target::TransportStream { keyframe_s } => keyframe_s.clamp(1, 30),
    };
    command.args(["-r", &fps.to_string(), "-g", &(u32::from(keyframe_s) * u32::from(fps)).to_string()]);
    command.args(["-b:v", &bps.to_string(), "-maxrate", &bps.to_string(), "-bufsize", &(2 * bps).to_string()]);
    match encoder {
        "libx264" => {
            command.args(["-preset", "veryfast", "-profile:v", "high"]);
            if matches!(target, Target::TransportStream { .. }) {
                // Key frames where they are expected: segments begin with them.
                command.args(["-tune", "zerolatency", "-sc_threshold", "0"]);
            }
        }
        _ => {
            command.args(["-deadline", "realtime", "-cpu-used", "6", "-row-mt", "1"]);
        }
    }
    // What decoders give; said, as players take pictures of this size for something else.
    command.args(["-colorspace", "smpte170m", "-color_primaries", "smpte170m", "-color_trc", "smpte170m"]);
    command.args(["-color_range", "tv"]);
}
