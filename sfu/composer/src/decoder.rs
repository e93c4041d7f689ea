//! A process that decodes one track, and the thread that reads it.
//!
//! What it decodes comes out with the times of its file, in microseconds from there. It decodes a little ahead and then
//! waits for whoever takes blocks, so that what is decoded never piles up. When it dies, the track ends.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::block::{BlockReader, SAMPLE_RATE};
use crate::ffmpeg::Ffmpeg;
use crate::picture::Picture;
use crate::process::{Ends, Process};

/// Pictures that are decoded ahead: as many as keep both processes busy. Of 720p each has 1.4 MB.
const PICTURES_AHEAD: usize = 3;
/// Blocks of sound, some 20 ms each.
const SOUND_AHEAD: usize = 32;
/// How long it may take to end after its last block.
const LAST_WORK: Duration = Duration::from_secs(2);
/// All times are moved by so much on their way, as Matroska knows none before 0.
const SHIFT_S: u64 = 10;

/// Pixels of the largest picture that is decoded: 8192x4320. A few bytes can say that one is far larger, and a decoder
/// makes room for it first.
const MAX_PIXELS: u32 = 8192 * 4320;

/// What is decoded, with its time in the file.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) time_us: u64,
    pub(crate) bytes: Vec<u8>,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    Block(Block),
    /// Nothing yet.
    Later,
    /// Nothing more.
    End,
}

/// What is read.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// A file of the recorder, from this time of it on.
    File { path: PathBuf, from_us: u64 },
    /// What [`Decoder::take_stdin`] is given: Matroska as it is made.
    Matroska,
}

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Pictures of this size, whatever size those of the track are.
    Pictures { width: usize, height: usize },
    /// Sound of two channels.
    Sound,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Decoder {
    process: Process,
    blocks: Receiver<Block>,
    spent: SyncSender<Vec<u8>>,
}

impl Decoder {
    /// Starts one.
    ///
    /// # Errors
    /// When the system starts no process or no thread.
    pub(crate) fn start(ffmpeg: &Ffmpeg, input: &Input, wanted: Wanted) -> io::Result<Self> {
        let command = command(ffmpeg, input, wanted);
        let stdin = matches!(input, Input::Matroska);
        let mut process = Process::spawn(command, Ends { stdin, stdout: true })?;
        let stdout = process.take_stdout().ok_or(io::ErrorKind::BrokenPipe)?;
        let ahead = if wanted == Wanted::Sound { SOUND_AHEAD } else { PICTURES_AHEAD };
        let (sender, blocks) = sync_channel(ahead);
        let (spent, buffers) = sync_channel::<Vec<u8>>(ahead);
        thread::Builder::new().name("ffmpeg-blocks".to_owned()).spawn(move || {
            let mut reader = BlockReader::new(io::BufReader::with_capacity(64 << 10, stdout));
            loop {
                let mut bytes = buffers.try_recv().unwrap_or_default();
                match reader.read(&mut bytes) {
                    Ok(Some(time_ms)) => {
                        let time_us = time_ms.saturating_mul(1000).saturating_sub(SHIFT_S * 1_000_000);
                        if sender.send(Block { time_us, bytes }).is_err() {
                            return;
                        }
                    }
                    Ok(None) => return,
                    Err(error) => {
                        tracing::debug!(%error, "a decoder's output was cut off");
                        return;
                    }
                }
            }
        })?;
        Ok(Self { process, blocks, spent })
    }

    /// What it reads, once, where that is given to it.
    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.process.take_stdin()
    }

    /// The next block. [`Next::Later`] when there is none within this time.
    pub(crate) fn next(&self, within: Duration) -> Next {
        let next = if within.is_zero() {
            self.blocks.try_recv().map_err(|error| error == TryRecvError::Disconnected)
        } else {
            self.blocks.recv_timeout(within).map_err(|error| error == RecvTimeoutError::Disconnected)
        };
        match next {
            Ok(block) => Next::Block(block),
            Err(true) => Next::End,
            Err(false) => Next::Later,
        }
    }

    /// Bytes of a block that nobody needs any more, for the next one.
    pub(crate) fn give_back(&self, bytes: Vec<u8>) {
        match self.spent.try_send(bytes) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    /// Why it ended, where it did not end well. One that does not end is a reason as well.
    pub(crate) fn complaint(&self) -> Option<String> {
        match self.process.ended(LAST_WORK) {
            Some(status) if status.success() => None,
            Some(_) => Some(self.process.last_words()),
            None => Some("it did nothing any more".to_owned()),
        }
    }
}

fn command(ffmpeg: &Ffmpeg, input: &Input, wanted: Wanted) -> Command {
    let mut command = ffmpeg.command();
    // One thread for each: there are many of them.
    command.args(["-threads", "1", "-filter_threads", "1"]);
    if matches!(wanted, Wanted::Pictures { .. }) {
        command.args(["-max_pixels", &MAX_PIXELS.to_string()]);
    }
    // Times as they are in the file.
    command.args(["-copyts", "-itsoffset", &SHIFT_S.to_string()]);
    match input {
        Input::File { path, from_us } => {
            // What it is, is said rather than guessed, and it may name no other files.
            let is_mp4 = path.extension().is_some_and(|extension| extension == "mp4");
            command.args(["-f", if is_mp4 { "mov" } else { "matroska" }, "-protocol_whitelist", "file"]);
            if *from_us > 0 {
                command.args(["-ss", &format!("{}.{:06}", from_us / 1_000_000, from_us % 1_000_000)]);
            }
            let mut address = OsString::from("file:");
            address.push(path);
            command.arg("-i").arg(address);
        }
        Input::Matroska => {
            command.args(["-f", "matroska", "-probesize", "65536", "-analyzeduration", "0"]);
            command.args(["-protocol_whitelist", "pipe", "-i", "pipe:0"]);
        }
    }
    match wanted {
        Wanted::Pictures { width, height } => {
            // Sizes change within a track. Black bars rather than cut pictures; brightness and colours as WebRTC has them.
            let filter = format!(
                "scale=w={width}:h={height}:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=bilinear\
                 :out_color_matrix=bt601:out_range=tv:eval=frame,\
                 pad=w={width}:h={height}:x=(ow-iw)/2:y=(oh-ih)/2:eval=frame,setsar=1,format=yuv420p"
            );
            command.args(["-map", "0:v:0", "-an", "-sn", "-dn", "-vf", &filter, "-c:v", "rawvideo"]);
            // Each picture once, at its own time.
            command.args([ffmpeg.pacing(), "passthrough", "-enc_time_base", "1:90000"]);
        }
        Wanted::Sound => {
            command.args(["-map", "0:a:0", "-vn", "-sn", "-dn", "-c:a", "pcm_f32le", "-ac", "2"]);
            command.args(["-ar", &SAMPLE_RATE.to_string()]);
        }
    }
    command.args(["-map_metadata", "-1", "-f", "matroska", "-live", "1", "-write_crc32", "0"]);
    command.args(["-cluster_time_limit", "100", "-flush_packets", "1", "pipe:1"]);
    command
}

impl Wanted {
    /// A block as a picture of this size, if it is one.
    pub(crate) fn picture(self, bytes: Vec<u8>) -> Option<Picture> {
        match self {
            Self::Pictures { width, height } => Picture::of(width, height, bytes).ok(),
            Self::Sound => None,
        }
    }
}
