//! The program `ffmpeg`: where it is, whether it is new enough, what it can.
//!
//! Looked for once, at start. Knows nothing of what it is used for.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::process::{Ends, Process};

/// The oldest that will do, by its library `libavutil`: ffmpeg 5.0. Versions of builds from a repository are no numbers;
/// those of the library are.
const OLDEST_LIBRARY: (u32, u32) = (57, 17);
/// From here on `-vsync` is `-fps_mode`: ffmpeg 5.1.
const FPS_MODE: (u32, u32) = (57, 28);
/// How much more politely than we it asks for the processor, where `nice` is there.
const NICENESS: &str = "10";
/// How long it may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most bytes it says about that. A full build's list of encoders has 20 KiB.
const MAX_ANSWER: u64 = 1 << 20;

/// An ffmpeg that will do. Cheap to clone.
#[derive(Clone)]
pub struct Ffmpeg(Arc<Found>);

struct Found {
    path: PathBuf,
    nice: Option<PathBuf>,
    version: String,
    library: (u32, u32),
    encoders: BTreeSet<String>,
    draws_text: bool,
    threads: u8,
}

/// Why there is no ffmpeg to use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FfmpegMissing {
    /// None on the `PATH`.
    #[error("there is no ffmpeg on the PATH: install it (Debian's package is `ffmpeg`), or say where it is")]
    NotFound,
    /// What was found does not say what ffmpeg says.
    #[error("{0} does not answer as ffmpeg does")]
    NotFfmpeg(PathBuf),
    /// Too old.
    #[error("{path} is ffmpeg {version}, and 5.0 is needed")]
    TooOld {
        /// Where it is.
        path: PathBuf,
        /// As it says itself.
        version: String,
    },
}

impl Ffmpeg {
    /// Looks for it: at `path`, or else on the `PATH`.
    ///
    /// # Errors
    /// [`FfmpegMissing`]: everything but composites works without.
    pub fn find(path: Option<&Path>) -> Result<Self, FfmpegMissing> {
        let path = path.map(Path::to_owned).or_else(|| on_path("ffmpeg")).ok_or(FfmpegMissing::NotFound)?;
        let ask = |question: &str| ask(&path, question).ok_or_else(|| FfmpegMissing::NotFfmpeg(path.clone()));
        let about = ask("-version")?;
        let version = version(&about).ok_or_else(|| FfmpegMissing::NotFfmpeg(path.clone()))?.to_owned();
        let library = library(&about).ok_or_else(|| FfmpegMissing::NotFfmpeg(path.clone()))?;
        if library < OLDEST_LIBRARY {
            return Err(FfmpegMissing::TooOld { path, version });
        }
        let encoders = names(&ask("-encoders")?);
        let draws_text = names(&ask("-filters")?).contains("drawtext");
        let nice = on_path("nice");
        Ok(Self(Arc::new(Found { path, nice, version, library, encoders, draws_text, threads: 2 })))
    }

    /// The same, with at most so many threads in each process that encodes (1 or more). Two where nothing is said.
    #[must_use]
    pub fn with_threads(self, threads: u8) -> Self {
        let found = &self.0;
        Self(Arc::new(Found {
            path: found.path.clone(),
            nice: found.nice.clone(),
            version: found.version.clone(),
            encoders: found.encoders.clone(),
            threads: threads.max(1),
            ..*self.0
        }))
    }

    /// As it says itself.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether it has an encoder of this name, such as `libx264`.
    #[must_use]
    pub fn encodes(&self, encoder: &str) -> bool {
        self.0.encoders.contains(encoder)
    }

    /// Whether it can draw names.
    #[must_use]
    pub fn draws_text(&self) -> bool {
        self.0.draws_text
    }

    /// Of a process that encodes.
    pub(crate) fn threads(&self) -> u8 {
        self.0.threads
    }

    /// The option that says how frames are paced: `-fps_mode`, or as it was called before.
    pub(crate) fn pacing(&self) -> &'static str {
        if self.0.library < FPS_MODE { "-vsync" } else { "-fps_mode" }
    }

    /// A command of it that says errors only, asks nobody, and leaves the processor to others.
    pub(crate) fn command(&self) -> Command {
        let mut command = match &self.0.nice {
            Some(nice) => {
                let mut command = Command::new(nice);
                command.args(["-n", NICENESS]).arg(&self.0.path);
                command
            }
            None => Command::new(&self.0.path),
        };
        command.args(["-hide_banner", "-loglevel", "error", "-nostats", "-nostdin"]);
        command
    }
}

impl fmt::Debug for Ffmpeg {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Ffmpeg")
            .field("path", &self.0.path)
            .field("version", &self.0.version)
            .finish_non_exhaustive()
    }
}

/// A program of this name on the `PATH`.
fn on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// What it says when asked, if it ends well and in time.
fn ask(path: &Path, question: &str) -> Option<String> {
    let mut command = Command::new(path);
    command.args([OsStr::new("-hide_banner"), OsStr::new(question)]);
    let mut process = Process::spawn(command, Ends { stdin: false, stdout: true }).ok()?;
    let stdout = process.take_stdout()?;
    // Reading is bounded by the answer's size; whoever says nothing is ended when the patience is.
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let reads = std::thread::Builder::new().name("ffmpeg-answer".to_owned()).spawn(move || {
        let mut answer = Vec::new();
        let read = stdout.take(MAX_ANSWER).read_to_end(&mut answer);
        // Nobody waits any more when this fails.
        drop(sender.send(read.map(|_| answer)));
    });
    reads.ok()?;
    let answer = receiver.recv_timeout(PATIENCE).ok()?.ok()?;
    process
        .wait(PATIENCE)
        .ok()?
        .success()
        .then(|| String::from_utf8_lossy(&answer).into_owned())
}

/// `ffmpeg version 5.1.9-0+deb12u1 Copyright ...`.
fn version(about: &str) -> Option<&str> {
    about.strip_prefix("ffmpeg version ")?.split_whitespace().next()
}

/// `libavutil      57. 28.100 / 57. 28.100`: the first two numbers.
fn library(about: &str) -> Option<(u32, u32)> {
    let line = about.lines().find_map(|line| line.trim().strip_prefix("libavutil"))?;
    let mut numbers = line.split('.').map(|number| number.trim().parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// The second word of each line: `V....D libx264   libx264 H.264`.
fn names(list: &str) -> BTreeSet<String> {
    list.lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn versions_are_read_as_distributions_and_repositories_write_them() {
        let debian = "ffmpeg version 5.1.9-0+deb12u1 Copyright (c)\nlibavutil      57. 28.100 / 57. 28.100\n";
        assert_eq!((version(debian), library(debian)), (Some("5.1.9-0+deb12u1"), Some((57, 28))));
        let git = "ffmpeg version N-111-g22 Copyright\nbuilt with\n  libavutil      60.  3.100 / 60.  3.100";
        assert_eq!((version(git), library(git)), (Some("N-111-g22"), Some((60, 3))));
        assert_eq!((version("hello"), library("hello")), (None, None));
    }

    #[test]
    fn what_is_no_ffmpeg_is_said_to_be_none() {
        for path in ["/bin/true", "/nowhere/ffmpeg"] {
            assert_eq!(Ffmpeg::find(Some(Path::new(path))).unwrap_err(), FfmpegMissing::NotFfmpeg(path.into()));
        }
    }

    #[test]
    fn the_one_of_this_machine_encodes() {
        let ffmpeg = Ffmpeg::find(None).unwrap().with_threads(0);
        assert!(ffmpeg.encodes("libx264") && ffmpeg.encodes("aac") && !ffmpeg.encodes("nothing"));
        assert!(ffmpeg.draws_text());
        assert_eq!(ffmpeg.threads(), 1);
    }
}
