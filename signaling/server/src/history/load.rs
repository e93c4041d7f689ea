//! What the server itself costs, over the last hours: processor, memory, network, and how many are there.
//!
//! Kept in memory alone, a sample each ten seconds; whoever wants more has the metrics scraped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::Registry;
use serde::Serialize;
use tokio::time::MissedTickBehavior;
use utoipa::ToSchema;

use crate::metrics::Metrics;
use crate::room::now;

/// Between two samples.
const EVERY: Duration = Duration::from_secs(10);
/// Six hours of them: some 150 KiB.
const KEPT: usize = 6 * 360;
/// What the media plane counts of the bytes it moves.
const TRAFFIC: &[&str] = &[
    "sluice_datagram_bytes_received_total",
    "sluice_datagram_bytes_sent_total",
    "sluice_tcp_bytes_received_total",
    "sluice_tcp_bytes_sent_total",
];

/// One look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoadSample {
    /// Unix milliseconds.
    pub(crate) at: i64,
    /// Per cent of all cores; `None` where the system does not say.
    pub(crate) cpu_usage: Option<f64>,
    /// Bytes of memory; `None` where the system does not say.
    pub(crate) memory_usage: Option<u64>,
    /// Bits per second of media, both ways together.
    pub(crate) network_bandwidth: f64,
    /// Open.
    pub(crate) rooms: i64,
    /// In them.
    pub(crate) participants: i64,
}

/// The samples there are.
pub(crate) struct Load {
    started: Instant,
    samples: Mutex<VecDeque<LoadSample>>,
}

impl Load {
    /// Begins to look; the task ends with the last owner of what it returns.
    pub(crate) fn watch(registry: Registry, metrics: Metrics) -> Arc<Self> {
        let load = Arc::new(Self { started: Instant::now(), samples: Mutex::default() });
        let watched = Arc::downgrade(&load);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut before = Reading::take(&registry);
            // The first tick comes at once.
            ticks.tick().await;
            loop {
                ticks.tick().await;
                let Some(load) = watched.upgrade() else { return };
                let reading = Reading::take(&registry);
                load.note(reading.since(&before, &metrics));
                before = reading;
            }
        });
        load
    }

    fn note(&self, sample: LoadSample) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == KEPT {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// How long the server has been up.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The newest sample; none in the first seconds.
    pub(crate) fn latest(&self) -> Option<LoadSample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).back().copied()
    }

    /// Samples from a moment on, in order.
    pub(crate) fn since(&self, at: i64) -> Vec<LoadSample> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.iter().filter(|sample| sample.at >= at).copied().collect()
    }
}

/// What can be counted at a moment.
struct Reading {
    at: Instant,
    processor: Option<Duration>,
    bytes: f64,
}

impl Reading {
    fn take(registry: &Registry) -> Self {
        let families = registry.gather();
        let moved = families.iter().filter(|family| TRAFFIC.contains(&family.name()));
        let bytes = moved
            .flat_map(|family| family.get_metric())
            .map(|metric| metric.get_counter().get_value())
            .sum();
        Self { at: Instant::now(), processor: processor_time(), bytes }
    }

    fn since(&self, before: &Self, metrics: &Metrics) -> LoadSample {
        let seconds = self.at.duration_since(before.at).as_secs_f64().max(0.001);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let busy = self.processor.zip(before.processor).map(|(now, before)| now.saturating_sub(before));
        let cores = f64::from(u32::try_from(cores).unwrap_or(u32::MAX));
        LoadSample {
            at: now().unix_ms,
            cpu_usage: busy.map(|busy| 100.0 * busy.as_secs_f64() / seconds / cores),
            memory_usage: resident_bytes(),
            network_bandwidth: 8.0 * (self.bytes - before.bytes).max(0.0) / seconds,
            rooms: metrics.rooms.get(),
            participants: metrics.participants.get(),
        }
    }
}

/// What all threads have used.
#[cfg(unix)]
fn processor_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(unix))]
fn processor_time() -> Option<Duration> {
    None
}

/// What is in memory, of this process; Linux says so in a file.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn load() -> Load {
        Load { started: Instant::now(), samples: Mutex::default() }
    }

    #[test]
    fn the_oldest_sample_makes_room() {
        let load = load();
        assert_eq!(load.latest(), None);
        let sample = |at| LoadSample {
            at,
            cpu_usage: None,
            memory_usage: None,
            network_bandwidth: 0.0,
            rooms: 0,
            participants: 0,
        };
        let last = i64::try_from(KEPT).unwrap() + 5;
        (0..=last).for_each(|at| load.note(sample(at)));
        assert_eq!(load.latest().unwrap().at, last);
        let kept = load.since(0);
        assert_eq!((kept.len(), kept[0].at), (KEPT, 6));
        assert_eq!(load.since(last).len(), 1);
    }

    #[test]
    fn what_was_used_in_between_counts() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let sent = prometheus::IntCounter::new("sluice_datagram_bytes_sent_total", "test").unwrap();
        registry.register(Box::new(sent.clone())).unwrap();
        sent.inc_by(1_000);
        let before = Reading::take(&registry);
        sent.inc_by(500);
        let mut after = Reading::take(&registry);
        after.at = before.at + Duration::from_secs(2);
        after.processor = before.processor.map(|time| time + Duration::from_secs(1));
        let sample = after.since(&before, &metrics);
        assert!((sample.network_bandwidth - 2_000.0).abs() < 1e-6, "{sample:?}");
        let cores = f64::from(u32::try_from(std::thread::available_parallelism().unwrap().get()).unwrap());
        assert!(sample.cpu_usage.is_none_or(|usage| (usage - 50.0 / cores).abs() < 1e-6), "{sample:?}");
        #[cfg(target_os = "linux")]
        assert!(sample.memory_usage.unwrap() > 1 << 20, "{sample:?}");
    }
}
