//! What one media thread has seen: histograms and series of its own, merged when the run is over; and the few
//! numbers that are watched while it lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::histogram::Histogram;
use crate::window::Window;

/// Seconds of a series at most; a longer run is plotted for its first hours.
const MAX_SECONDS: usize = 4 * 3600;

/// Watched while the run lasts.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Participants whose media connection is up.
    pub(crate) connected: AtomicU64,
    /// Subscriptions of which at least one packet came.
    pub(crate) flowing: AtomicU64,
    /// Participants that could not take part.
    pub(crate) failed: AtomicU64,
    /// Packets of media that subscribers received.
    pub(crate) packets: AtomicU64,
}

/// What subscribers received in one second of the window.
#[derive(Debug, Clone, Default)]
pub(crate) struct Second {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) latency: Histogram,
}

/// What one thread has seen.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) live: Arc<Live>,
    /// From sent to received, of packets in the window.
    pub(crate) latency: Histogram,
    /// How late packets were sent by the load tester itself.
    pub(crate) lateness: Histogram,
    /// Packets sent by publishers in the window.
    pub(crate) published: u64,
    /// Packets without a stamp of this run.
    pub(crate) foreign: u64,
    /// Packets received, in the window or not.
    pub(crate) received: u64,
    pub(crate) seconds: Vec<Second>,
}

impl Tally {
    pub(crate) fn new(live: Arc<Live>) -> Self {
        Self {
            live,
            latency: Histogram::default(),
            lateness: Histogram::default(),
            published: 0,
            foreign: 0,
            received: 0,
            seconds: Vec::new(),
        }
    }

    /// A packet of the window came.
    pub(crate) fn record(&mut self, window: Window, sent_ns: u64, latency: Duration, bytes: u64) {
        self.latency.record(latency);
        let second = sent_ns.saturating_sub(window.begin_ns) / 1_000_000_000;
        let Some(second) = usize::try_from(second).ok().filter(|second| *second < MAX_SECONDS) else { return };
        while self.seconds.len() <= second {
            self.seconds.push(Second::default());
        }
        let second = &mut self.seconds[second];
        second.packets += 1;
        second.bytes += bytes;
        second.latency.record(latency);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        self.lateness.merge(&other.lateness);
        self.published += other.published;
        self.foreign += other.foreign;
        self.received += other.received;
        for (index, theirs) in other.seconds.iter().enumerate() {
            if self.seconds.len() <= index {
                self.seconds.push(Second::default());
            }
            let mine = &mut self.seconds[index];
            mine.packets += theirs.packets;
            mine.bytes += theirs.bytes;
            mine.latency.merge(&theirs.latency);
        }
    }
}

impl Live {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The present, as a media thread hands it to its participants.
pub(crate) struct Present<'a> {
    pub(crate) now: Instant,
    pub(crate) clock: Clock,
    pub(crate) window: Window,
    pub(crate) tally: &'a mut Tally,
}

impl Present<'_> {
    pub(crate) fn ns(&self) -> u64 {
        self.clock.nanos(self.now)
    }
}
