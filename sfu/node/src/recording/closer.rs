//! Closes files: what is written goes to the disk for good, and only then it is said that a file is closed.
//!
//! Has a thread of its own, as a disk takes its time for that: where a meeting ends, fifty files end at once, and all other
//! recordings would stand still meanwhile. Knows neither media nor taps.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use super::{FileNews, FileSink, Recorded};
use crate::NodeError;

/// Endings that may wait: as many files as a few large meetings have, each of which holds a descriptor. Whoever has one more
/// waits for the disk.
const WAITING: usize = 512;

/// How a file is brought to the disk.
pub(super) type Sync = Arc<dyn Fn(&File) -> io::Result<()> + Send + std::marker::Sync>;

/// The way to the thread, which ends with what waits when the last of these is dropped.
#[derive(Clone)]
pub(super) struct Closer {
    endings: SyncSender<Ending>,
    sync: Sync,
}

/// What is to be closed.
pub(super) struct Ending {
    /// Of the part that was written last, if any was.
    pub(super) file: Option<File>,
    /// Why a part did not come to the disk, for all parts of a file.
    pub(super) failed: Arc<OnceLock<String>>,
    /// Who is told, and what, where this is the last part.
    pub(super) last: Option<(FileSink, Recorded)>,
}

impl Closer {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`NodeError::Thread`].
    pub(super) fn start(sync: Sync) -> Result<Self, NodeError> {
        let (endings, inbox) = sync_channel::<Ending>(WAITING);
        let of_thread = Arc::clone(&sync);
        let builder = std::thread::Builder::new().name("sluice-closer".to_owned());
        builder
            .spawn(move || inbox.into_iter().for_each(|ending| ending.finish(&of_thread)))
            .map_err(NodeError::Thread)?;
        Ok(Self { endings, sync })
    }

    /// In order: the parts of a file are on the disk when it is said that it is closed.
    pub(super) fn close(&self, ending: Ending) {
        if let Err(unsent) = self.endings.send(ending) {
            // Its thread is gone; nobody is to wait for ever.
            unsent.0.finish(&self.sync);
        }
    }
}

impl Ending {
    fn finish(self, sync: &Sync) {
        if let Some(Err(error)) = self.file.map(|file| sync(&file)) {
            tracing::warn!(%error, "a recording did not come to the disk");
            self.failed.get_or_init(|| super::file::why(&error));
        }
        let Some((mut sink, mut outcome)) = self.last else { return };
        outcome.failed = outcome.failed.or_else(|| self.failed.get().cloned());
        // A fault in who hears it is not the thread's.
        if catch_unwind(AssertUnwindSafe(|| sink(FileNews::Closed(Box::new(outcome))))).is_err() {
            tracing::error!("whoever waits for a file of a recording was not told that it is closed");
        }
    }
}
