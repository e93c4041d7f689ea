//! One trail for many who write: a thread of its own, and one wait for the disk for all who come meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use crate::log::{AuditError, AuditLog};
use crate::record::Entry;

/// Entries that wait, and the most that are written at once. Somebody waits for each of them, and a disk that takes ten
/// milliseconds for a batch empties it in those: who finds it full is told so, rather than made to wait longer.
const CAPACITY: usize = 1_024;

/// Why an entry is not known to be in the trail. What it speaks of must not be done.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TrailError {
    /// The trail refused.
    #[error(transparent)]
    Refused(#[from] Arc<AuditError>),
    /// More is to be recorded than the disk takes.
    #[error("too much waits to be written to the audit trail: try again")]
    Full,
    /// The trail has been closed.
    #[error("the audit trail has been closed")]
    Closed,
}

/// A trail, cheap to clone; every clone is the same one. It is closed when the last is gone and all is written.
#[derive(Debug, Clone)]
pub struct Trail {
    queue: SyncSender<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    entry: Entry,
    at_ms: i64,
    answer: oneshot::Sender<Result<(), Arc<AuditError>>>,
}

impl Trail {
    /// Gives a log a thread. Joined, it has written everything.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(log: AuditLog) -> io::Result<(Self, JoinHandle<()>)> {
        let (queue, waiting) = sync_channel(CAPACITY);
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(move || serve(log, &waiting))?;
        Ok((Self { queue }, thread))
    }

    /// Records an entry; when this has answered, it is on the disk. A future that is dropped may have recorded it or
    /// not.
    ///
    /// # Errors
    /// Then what it speaks of must not be done.
    pub async fn append(&self, entry: Entry, at_ms: i64) -> Result<(), TrailError> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { entry, at_ms, answer }).map_err(|error| match error {
            TrySendError::Full(_) => TrailError::Full,
            TrySendError::Disconnected(_) => TrailError::Closed,
        })?;
        Ok(answered.await.map_err(|_| TrailError::Closed)??)
    }
}

/// Until nobody is left who could send.
fn serve(mut log: AuditLog, waiting: &Receiver<Waiting>) {
    while let Ok(first) = waiting.recv() {
        let batch: Vec<Waiting> = std::iter::once(first).chain(waiting.try_iter()).take(CAPACITY).collect();
        let timed: Vec<(Entry, i64)> = batch.iter().map(|waiting| (waiting.entry.clone(), waiting.at_ms)).collect();
        let result = log.append_timed(&timed).map(drop).map_err(Arc::new);
        for waiting in batch {
            // Who does not wait any more does not need to hear it.
            let _ = waiting.answer.send(result.clone());
        }
    }
}
