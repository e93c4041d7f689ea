//! Taps into files: one thread for all recordings of a node, and one that closes files.
//!
//! A [`Recorder`] is told which files to write and which taps feed them, and says when a file began and what became of
//! it. The thread sleeps until a tap has something or a file has waited long enough. Writing may take as long as the
//! disk takes: meanwhile packets wait in the taps' rings, and what finds a ring full is a gap in the file. Workers never
//! wait for it. A fault in what is done with one file ends that file.
//!
//! Knows neither rooms nor why something is recorded. What the bytes are is `sluice-recorder`'s.

mod closer;
mod file;
mod thread;

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Instant;

pub use sluice_recorder::Kind as Container;
use sluice_recorder::{Chunk, PartSummary};

use crate::{NodeError, TapReader, TapWake};
use closer::Closer;
use thread::RecorderThread;

/// What may wait for the recorder: far more than rooms begin to record while a disk stands still.
const COMMANDS: usize = 4096;

/// A file that is recorded, by a number that is used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);

/// Where and how a file is written.
#[derive(Debug, Clone)]
pub struct FilePlan {
    /// The directory; it is there.
    pub folder: PathBuf,
    /// The name without its ending. A file of that name is not overwritten: recording it fails.
    pub name: String,
    /// The container.
    pub container: Container,
    /// Tracks that may be in it at once.
    pub inputs: usize,
    /// Time 0 of the recording it belongs to.
    pub started_at: Instant,
    /// Bytes after which it ends, as [`Recorded::is_full`].
    pub max_bytes: u64,
    /// It is written to the disk. Otherwise only its [`Listener`] has it.
    pub is_kept: bool,
}

/// What became of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// What was written: one file, or several where a track changed to what one file cannot hold. Names follow from
    /// [`PartSummary::file_name`].
    pub parts: Vec<PartSummary>,
    /// Bytes in all of them.
    pub bytes: u64,
    /// Packets that came while the disk was too slow.
    pub dropped: u64,
    /// It was as large as it may be.
    pub is_full: bool,
    /// Why it ended before it was to, in a sentence. What was written until then plays.
    pub failed: Option<String>,
}

/// What the recorder says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileNews {
    /// Its first media is on the disk.
    Began,
    /// What is in its parts so far, every few seconds and when one begins, for whoever writes that down in case of a crash.
    SoFar(Vec<PartSummary>),
    /// It is closed, and on the disk. The last that is said of it.
    Closed(Box<Recorded>),
}

/// Takes what is said of a file, on the recorder's thread and at last on the one that closes files; must not block.
pub type FileSink = Box<dyn FnMut(FileNews) + Send>;

/// Hears a file while it is recorded, on the recorder's thread; must not block.
pub trait Listener: Send {
    /// The next piece of the file. `began_at` is when time 0 of this part of it was.
    fn chunk(&mut self, chunk: &Chunk, began_at: Option<Instant>, now: Instant);

    /// The publisher has muted a track, or no longer.
    fn muted(&mut self, input: usize, is_muted: bool);
}

/// The recorder takes nothing more: as many commands wait as it holds, or its thread is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the recorder does not keep up")]
pub struct RecorderUnavailable;

enum ToRecorder {
    Open { file: FileId, plan: Box<FilePlan>, sink: FileSink, listener: Option<Box<dyn Listener>> },
    Feed { file: FileId, input: usize, reader: TapReader },
    Leave { file: FileId, input: usize },
    Close { file: FileId },
}

/// Files to close for which there was no room among the commands: each is named once, so there are no more than files.
type Closing = Arc<Mutex<Vec<FileId>>>;

/// The way to the recorder's thread. The thread ends, and closes its files, when the last of these is dropped.
#[derive(Clone)]
pub struct Recorder {
    commands: SyncSender<ToRecorder>,
    closing: Closing,
    thread: Thread,
    wake: TapWake,
}

impl Recorder {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`NodeError::Thread`].
    pub fn start() -> Result<Self, NodeError> {
        let (commands, inbox) = sync_channel(COMMANDS);
        let closer = Closer::start(Arc::new(File::sync_data))?;
        let builder = std::thread::Builder::new().name("sluice-recorder".to_owned());
        let closing = Closing::default();
        let of_thread = Arc::clone(&closing);
        let handle = builder
            .spawn(move || RecorderThread::new(inbox, of_thread, closer).run())
            .map_err(NodeError::Thread)?;
        let thread = handle.thread().clone();
        let wake = {
            let thread = thread.clone();
            Arc::new(move || thread.unpark()) as TapWake
        };
        Ok(Self { commands, closing, thread, wake })
    }

    /// What taps that feed it are to call.
    #[must_use]
    pub fn wake(&self) -> TapWake {
        Arc::clone(&self.wake)
    }

    /// Begins a file. It appears on the disk with its first media.
    ///
    /// # Errors
    /// [`RecorderUnavailable`].
    pub fn open(
        &self,
        file: FileId,
        plan: FilePlan,
        sink: FileSink,
        listener: Option<Box<dyn Listener>>,
    ) -> Result<(), RecorderUnavailable> {
        self.say(ToRecorder::Open { file, plan: Box::new(plan), sink, listener })
    }

    /// What this tap gives goes into the file from now on, as this track of it. A track that was fed before by another tap goes
    /// on; of one that has not ended, what it has given by now is taken, and nothing more.
    ///
    /// # Errors
    /// [`RecorderUnavailable`].
    pub fn feed(&self, file: FileId, input: usize, reader: TapReader) -> Result<(), RecorderUnavailable> {
        self.say(ToRecorder::Feed { file, input, reader })
    }

    /// Nothing more of this track, until another tap feeds it. What its tap has given by now is taken.
    ///
    /// # Errors
    /// [`RecorderUnavailable`].
    pub fn leave(&self, file: FileId, input: usize) -> Result<(), RecorderUnavailable> {
        self.say(ToRecorder::Leave { file, input })
    }

    /// Ends a file, with all that its taps have given by now. However much waits, this is taken: people are told that nothing
    /// more is recorded.
    ///
    /// # Errors
    /// [`RecorderUnavailable`]: its thread is gone.
    pub fn close(&self, file: FileId) -> Result<(), RecorderUnavailable> {
        match self.commands.try_send(ToRecorder::Close { file }) {
            Err(TrySendError::Full(_)) => self.closing.lock().unwrap_or_else(PoisonError::into_inner).push(file),
            said => said.map_err(|_| RecorderUnavailable)?,
        }
        self.thread.unpark();
        Ok(())
    }

    fn say(&self, command: ToRecorder) -> Result<(), RecorderUnavailable> {
        self.commands.try_send(command).map_err(|_| RecorderUnavailable)?;
        self.thread.unpark();
        Ok(())
    }
}
