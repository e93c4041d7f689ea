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
use crate::metrics::Metrics;

/// Events in one transaction: others write between two of them.
const AT_ONCE: usize = 64;
/// After a failure; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The task.
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) queue: mpsc::Receiver<Box<RoomEvent>>,
    pub(super) gaps: Arc<Gaps>,
    /// The number of the newest event, for whoever waits for one.
    pub(super) written: watch::Sender<u64>,
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
            self.write(&gaps.iter().map(wire::lost).collect::<Vec<_>>()).await;
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
            let mut events = Vec::with_capacity(batch.len());
            for event in batch.drain(..) {
                let gap = Gap::at(&event);
                events.push((wire::event(*event), gap));
            }
            self.write_rooms(events).await;
        }
    }

    /// One event that cannot be stored does not take the others along.
    async fn write_rooms(&self, events: Vec<(NewEvent, Gap)>) {
        let (events, gaps): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        if self.write(&events).await {
            return;
        }
        for (event, gap) in events.into_iter().zip(gaps) {
            if !self.write(std::slice::from_ref(&event)).await {
                self.metrics.events_lost.inc();
                self.write(&[wire::lost(&gap)]).await;
            }
        }
    }

    /// Writes these in one transaction, however long the store is away. False when it does not take them.
    async fn write(&self, events: &[NewEvent]) -> bool {
        let mut wait = FIRST_WAIT;
        while !events.is_empty() {
            match self.attempt(events).await {
                Ok(number) => {
                    self.metrics.events_written.inc_by(events.len() as u64);
                    self.written.send_replace(number);
                    break;
                }
                Err(error @ (StoreError::Busy(_) | StoreError::Full(_) | StoreError::Unavailable(_))) => {
                    tracing::warn!(%error, "cannot write events, trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                Err(error) => {
                    tracing::error!(%error, events = events.len(), "storage does not take an event");
                    return false;
                }
            }
        }
        true
    }

    /// The number of the last of them.
    async fn attempt(&self, events: &[NewEvent]) -> Result<u64, StoreError> {
        let mut transaction = self.store.begin().await?;
        let mut number = 0;
        for event in events {
            number = transaction.append(event).await?;
        }
        transaction.commit().await?;
        Ok(number)
    }
}
