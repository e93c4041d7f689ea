//! The one log of what happens in rooms: from the rooms' tasks into the store, and from there to webhooks.
//!
//! A room's task hands its events to [`EventLog::note`] and waits for nobody. [`writer`] takes them out of a bounded
//! queue into the store, in order, together with what webhooks are owed for them and what they mean for sessions;
//! [`wire`] says how they look outside; [`gaps`] remembers what found no place. [`delivery`] has a task for each
//! receiver, [`post`] speaks HTTP to it. [`aftermath`] ends what a killed server left open, and [`keeper`] deletes what was
//! kept for long enough. Knows no door and no room's state.
//!
//! Whoever acknowledges something that is in the log waits for [`EventLog::written`] first.

mod aftermath;
mod delivery;
mod gaps;
mod keeper;
mod post;
mod wire;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sluice_rooms::RoomEvent;
use sluice_store::outbox::Receiver;
use sluice_store::{ReceiverId, RoomName, Store};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::ServerError;
use crate::clock::moment as now;
use crate::config::ServerConfig;
use crate::history::{Sampler, Samples, Sampling};
use crate::metrics::Metrics;
use delivery::Delivery;
use gaps::Gaps;
pub use post::WebhookError;
use writer::Writer;

/// Events that may wait for the store. At one to four KiB each that is at most some 64 MiB. At a thousand events a
/// second it is sixteen seconds: longer than the store waits for its database before it says so. What finds no place is
/// counted, logged, and marked in the log as `events_lost` (see [`gaps`]).
const QUEUE: usize = 16 * 1024;

/// How long an acknowledgement waits for the log. A commit takes milliseconds; whoever asks waits for some seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far the log must be written for something to be in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(u64);

impl Mark {
    /// Of what found no place.
    pub(crate) const LOST: Self = Self(u64::MAX);

    pub(crate) fn is_lost(self) -> bool {
        self == Self::LOST
    }
}

/// What was done is not in the log, and might never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotWritten;

/// The way into the log.
pub(crate) struct EventLog {
    queue: mpsc::Sender<Box<RoomEvent>>,
    /// Events that found a place so far.
    noted: AtomicU64,
    /// How many of them the store has.
    settled: watch::Receiver<u64>,
    gaps: Arc<Gaps>,
    sampling: Sampling,
    metrics: Metrics,
}

impl EventLog {
    /// Keeps how everybody in a room fares, if there is a place. Never waits.
    pub(crate) fn sample(&self, samples: Samples) {
        self.sampling.note(samples);
    }

    /// Writes down what happened, soon. Never waits.
    pub(crate) fn note(&self, event: Box<RoomEvent>) -> Mark {
        let mut mark = Mark::LOST;
        // Only one at a time passes, so marks are in the order of the queue.
        let lost = self.gaps.pass(event, |event| {
            self.queue.try_send(event).map_err(|error| error.into_inner())?;
            mark = Mark(self.noted.fetch_add(1, Ordering::Relaxed) + 1);
            Ok(())
        });
        if lost {
            self.metrics.events_lost.inc();
        }
        mark
    }

    /// Waits until all up to this is on the disk, but not for long.
    pub(crate) async fn written(&self, mark: Mark) -> Result<(), NotWritten> {
        let mut settled = self.settled.clone();
        let written = async { !mark.is_lost() && settled.wait_for(|settled| *settled >= mark.0).await.is_ok() };
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => {
                self.metrics.answers_unwritten.inc();
                Err(NotWritten)
            }
        }
    }
}

/// The tasks behind the log, while the server runs.
pub(crate) struct EventTasks {
    stop_writing: watch::Sender<bool>,
    stop_posting: watch::Sender<bool>,
    writer: JoinHandle<()>,
    sampler: JoinHandle<()>,
    couriers: Vec<JoinHandle<()>>,
    keeper: Option<JoinHandle<()>>,
}

/// Opens the log: from here on it is written, and what is owed is posted. What a server before this one still owed is
/// owed by this one.
pub(crate) async fn open(
    config: &ServerConfig,
    store: &Store,
    metrics: &Metrics,
) -> Result<(EventLog, EventTasks), ServerError> {
    open_with(QUEUE, config, store, metrics).await
}

pub(crate) async fn open_with(
    places: usize,
    config: &ServerConfig,
    store: &Store,
    metrics: &Metrics,
) -> Result<(EventLog, EventTasks), ServerError> {
    let posters = post::posters(config)?;
    let receivers: Vec<_> = config
        .webhooks
        .iter()
        .map(|webhook| Receiver {
            id: ReceiverId::from(webhook.url.as_str()),
            url: webhook.url.clone(),
            api_key: webhook.api_key.clone(),
        })
        .collect();
    store.set_receivers(&receivers).await?;
    let interrupted = aftermath::settle(store, now()).await?;
    if interrupted > 0 {
        tracing::warn!(rooms = interrupted, "the server before was killed: its rooms are ended in the log");
    }
    let (queue, waiting) = mpsc::channel(places);
    let (tell_settled, settled) = watch::channel(0);
    let gaps = Arc::new(Gaps::default());
    let written = watch::Sender::new(0);
    let (stop_writing, stop_posting) = (watch::Sender::new(false), watch::Sender::new(false));
    let couriers = receivers
        .iter()
        .zip(posters)
        .map(|(receiver, poster)| {
            let delivery = Delivery {
                store: store.clone(),
                receiver: receiver.id.clone(),
                poster: Arc::new(poster),
                written: written.subscribe(),
                stop: stop_posting.subscribe(),
                metrics: metrics.clone(),
            };
            tokio::spawn(delivery.run())
        })
        .collect();
    let writer = Writer {
        store: store.clone(),
        queue: waiting,
        gaps: gaps.clone(),
        written,
        settled: tell_settled,
        stop: stop_writing.subscribe(),
        metrics: metrics.clone(),
    };
    let writer = tokio::spawn(writer.run());
    let (sampling, sampler) = Sampler::new(store.clone(), metrics.samples_lost.clone());
    let sampler = tokio::spawn(sampler.run(stop_writing.subscribe()));
    let log = EventLog { queue, noted: AtomicU64::new(0), settled, gaps, sampling, metrics: metrics.clone() };
    Ok((log, EventTasks { stop_writing, stop_posting, writer, sampler, couriers, keeper: None }))
}

impl EventTasks {
    /// From here on what was kept for long enough is deleted, but no room that is `in_use`.
    pub(crate) fn keep(
        &mut self,
        config: &ServerConfig,
        store: &Store,
        metrics: &Metrics,
        in_use: impl Fn() -> Vec<RoomName> + Send + Sync + 'static,
    ) {
        let keeping = keeper::keep(store.clone(), config.retention.clone(), metrics.clone(), in_use);
        self.keeper = Some(tokio::spawn(keeping));
    }

    /// Writes down what waits and tells what is due, until then at most. What is owed after that is owed by the next
    /// server.
    pub(crate) async fn close(mut self, deadline: Instant) {
        self.keeper.iter().for_each(JoinHandle::abort);
        self.stop_writing.send_replace(true);
        if tokio::time::timeout_at(deadline, &mut self.writer).await.is_err() {
            self.writer.abort();
            tracing::error!("storage did not take the last events in time: they are lost");
        }
        if tokio::time::timeout_at(deadline, &mut self.sampler).await.is_err() {
            self.sampler.abort();
        }
        self.stop_posting.send_replace(true);
        let all = async {
            for courier in &mut self.couriers {
                // One that failed has said so.
                let _ = courier.await;
            }
        };
        if tokio::time::timeout_at(deadline, all).await.is_err() {
            tracing::info!("a receiver of webhooks was not waited for; it will be told by the next server");
        }
    }
}

/// Nobody may be left behind that uses a store which is closed.
impl Drop for EventTasks {
    fn drop(&mut self) {
        self.writer.abort();
        self.sampler.abort();
        self.keeper.iter().for_each(JoinHandle::abort);
        self.couriers.iter().for_each(JoinHandle::abort);
    }
}

/// Waits until a task is told to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Nobody is left who could say so: that is the end as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use livekit_protocol::Room;
    use sluice_rooms::RoomEventKind;
    use sluice_store::StoreOptions;

    use super::*;

    const PLACES: usize = 8;

    fn event(room: &str, sequence: u64) -> Box<RoomEvent> {
        let room = Room { name: room.into(), sid: format!("RM_{room}"), ..Room::default() };
        Box::new(RoomEvent { sequence, unix_ms: now().0, room, kind: RoomEventKind::RoomStarted })
    }

    /// Somebody else holds the database; rooms go on and notice nothing. What is missing afterwards is marked where it
    /// would stand, and the next events of the room come after the mark.
    #[tokio::test]
    async fn while_storage_is_held_nobody_waits_and_what_is_lost_is_marked() {
        let home = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", home.path().join("sluice.db").display());
        let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let config = ServerConfig::development();
        let (log, tasks) = open_with(PLACES, &config, &store, &metrics).await.unwrap();

        let held = store.begin().await.unwrap();
        let mut noted = 0;
        while metrics.events_lost.get() < 3 {
            noted += 1;
            log.note(event("math", noted));
            // On one thread: the writer has its turn, and takes what it can.
            tokio::task::yield_now().await;
        }
        assert!(log.note(event("physics", 1)).is_lost());
        assert_eq!(metrics.events_lost.get(), 4, "a full queue is full for everybody");
        drop(held);
        while metrics.events_written.get() < noted - 3 + 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mark = log.note(event("math", noted + 1));
        assert_eq!(log.written(mark).await, Ok(()));
        assert_eq!(log.written(Mark::LOST).await, Err(NotWritten), "nobody waits for what is lost");
        assert_eq!(store.last_event().await.unwrap(), noted, "three lost, two marks, one more");
        tasks.close(Instant::now() + Duration::from_secs(20)).await;

        let events = store.events(0, Some(&"math".into()), 1_000).await.unwrap().events;
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        let before = usize::try_from(noted).unwrap() - 3;
        assert!(before >= PLACES, "{before}");
        assert_eq!(kinds[..before], vec!["room_started"; before]);
        assert_eq!(kinds[before..], ["events_lost", "room_started"]);
        assert!(events[before].payload.contains("\"numDropped\":3"), "{}", events[before].payload);
        let physics = store.events(0, Some(&"physics".into()), 10).await.unwrap().events;
        assert_eq!(physics.len(), 1);
        assert_eq!(physics[0].kind.as_str(), "events_lost");
    }
}
