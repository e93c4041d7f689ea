//! Takes events out of the queue into the store, in order, some at a time: a commit waits for the disk, and one commit
//! serves all that came meanwhile.
//!
//! While the store cannot be reached the writer tries again and again, and the queue fills up behind it.

use std::sync::Arc;
use std::time::Duration;

use sluice_rooms::RoomEvent;
use sluice_store::{NewEvent, Store, StoreError};
use tokio::sync::{mpsc, watch};

use super::gaps::{Gap, Gaps};
use super::{stopped, wire};
use crate::history::Step;
use crate::metrics::Metrics;

/// Events in one transaction: others write between two of them.
const AT_ONCE: usize = 64;
/// After a failure; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// An event, and what it means for its session.
struct Entry {
    event: NewEvent,
    step: Option<Step>,
}

impl Entry {
    fn plain(event: NewEvent) -> Self {
        Self { event, step: None }
    }
}

/// The task.
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) queue: mpsc::Receiver<Box<RoomEvent>>,
    pub(super) gaps: Arc<Gaps>,
    /// The number of the newest event, for whoever waits for one.
    pub(super) written: watch::Sender<u64>,
    /// How many events of the queue are settled: written, or marked as lost.
    pub(super) settled: watch::Sender<u64>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) metrics: Metrics,
}

impl Writer {
    /// Until it is told to stop; then it writes what is left.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(AT_ONCE);
        let mut is_stopping = false;
        loop {
            let queue = &self.queue;
            let gaps = self.gaps.close(|| queue.is_empty());
            self.write(&gaps.iter().map(|gap| Entry::plain(wire::lost(gap))).collect::<Vec<_>>())
                .await;
            tokio::select! {
                taken = self.queue.recv_many(&mut batch, AT_ONCE) => if taken == 0 {
                    return;
                },
                () = stopped(&mut self.stop), if !is_stopping => {
                    is_stopping = true;
                    // What comes from now on is a gap that nobody closes; it is counted.
                    self.queue.close();
                    continue;
                }
            }
            let taken = batch.len() as u64;
            let mut entries = Vec::with_capacity(batch.len());
            for event in batch.drain(..) {
                let gap = Gap::at(&event);
                let step = Step::of(&event);
                entries.push((Entry { event: wire::event(*event), step }, gap));
            }
            self.write_rooms(entries).await;
            self.settled.send_modify(|settled| *settled += taken);
        }
    }

    /// One event that cannot be stored does not take the others along, and what it means for its session does not take the
    /// event along.
    async fn write_rooms(&self, entries: Vec<(Entry, Gap)>) {
        let (entries, gaps): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        if self.write(&entries).await {
            return;
        }
        for (entry, gap) in entries.into_iter().zip(gaps) {
            if self.write(std::slice::from_ref(&entry)).await {
                continue;
            }
            if entry.step.is_some() && self.write(&[Entry::plain(entry.event)]).await {
                continue;
            }
            self.metrics.events_lost.inc();
            self.write(&[Entry::plain(wire::lost(&gap))]).await;
        }
    }

    /// Writes these in one transaction, however long the store is away. False when it does not take them.
    async fn write(&self, entries: &[Entry]) -> bool {
        let mut wait = FIRST_WAIT;
        while !entries.is_empty() {
            match self.attempt(entries).await {
                Ok(number) => {
                    self.metrics.events_written.inc_by(entries.len() as u64);
                    self.written.send_replace(number);
                    break;
                }
                Err(error) if error.may_pass() => {
                    tracing::warn!(%error, "cannot write events, trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                Err(error) => {
                    tracing::error!(%error, events = entries.len(), "storage does not take an event");
                    return false;
                }
            }
        }
        true
    }

    /// The number of the last of them.
    async fn attempt(&self, entries: &[Entry]) -> Result<u64, StoreError> {
        let mut transaction = self.store.begin().await?;
        let mut number = 0;
        for step in entries.iter().filter_map(|entry| entry.step.as_ref()) {
            step.write(&mut transaction).await?;
        }
        // Last: from the first of them on, other events wait.
        for entry in entries {
            number = transaction.append(&entry.event).await?;
        }
        transaction.commit().await?;
        Ok(number)
    }
}
