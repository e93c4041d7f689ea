//! The thread of the recorder: gives each file its turn, sleeps in between.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use super::closer::Closer;
use super::file::RecordedFile;
use super::{Closing, FileId, ToRecorder};

/// Longest sleep. A wake-up is never lost; this is for a clock that is.
const LONGEST: Duration = Duration::from_secs(1);

pub(super) struct RecorderThread {
    inbox: Receiver<ToRecorder>,
    closing: Closing,
    closer: Closer,
    files: BTreeMap<FileId, RecordedFile>,
}

impl RecorderThread {
    pub(super) const fn new(inbox: Receiver<ToRecorder>, closing: Closing, closer: Closer) -> Self {
        Self { inbox, closing, closer, files: BTreeMap::new() }
    }

    /// Runs until nobody can say anything any more.
    pub(super) fn run(mut self) {
        loop {
            // First, as what was said of these files before is among the commands.
            let closing = std::mem::take(&mut *self.closing.lock().unwrap_or_else(PoisonError::into_inner));
            let is_over = !self.take_commands();
            closing.into_iter().for_each(|file| self.close(file));
            if is_over {
                let now = Instant::now();
                std::mem::take(&mut self.files).into_values().for_each(|file| file.close(now));
                return;
            }
            let sleep = self.turn();
            if !sleep.is_zero() {
                std::thread::park_timeout(sleep);
            }
        }
    }

    /// False when all ends of the queue are dropped.
    fn take_commands(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(ToRecorder::Open { file, plan, sink, listener }) => {
                    self.files.insert(file, RecordedFile::new(*plan, sink, listener, self.closer.clone()));
                }
                Ok(ToRecorder::Feed { file, input, reader }) => {
                    // A file that is over needs none: dropping the reader ends the tap.
                    if let Some(file) = self.files.get_mut(&file) {
                        file.feed(input, reader, Instant::now());
                    }
                }
                Ok(ToRecorder::Leave { file, input }) => {
                    if let Some(file) = self.files.get_mut(&file) {
                        file.leave(input, Instant::now());
                    }
                }
                Ok(ToRecorder::Close { file }) => self.close(file),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// How long nobody has anything to do.
    fn turn(&mut self) -> Duration {
        let mut sleep = LONGEST;
        let mut over = Vec::new();
        for (id, file) in &mut self.files {
            // Writing takes its time: each file has its own present.
            if let Some(wait) = file.turn(Instant::now()) {
                sleep = sleep.min(wait);
            }
            if file.is_over() {
                over.push(*id);
            }
        }
        over.into_iter().for_each(|file| self.close(file));
        sleep
    }

    fn close(&mut self, file: FileId) {
        if let Some(file) = self.files.remove(&file) {
            file.close(Instant::now());
        }
    }
}
