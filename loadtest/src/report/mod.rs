//! What a run found out: one value with names that stay stable, from which text, JSON and a page are made.

mod build;
mod machine;
mod page;
mod plot;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::capacity::Certificate;

pub(crate) use build::build;
pub use machine::Machine;

/// The outcome of a run. Field names are those of the JSON file and stay as they are.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Version of the load tester.
    pub loadtest_version: &'static str,
    /// Name of the scenario.
    pub scenario: &'static str,
    /// What was asked for.
    pub parameters: BTreeMap<&'static str, String>,
    /// With this seed the same load comes again.
    pub seed: u64,
    /// Where it ran.
    pub machine: Machine,
    /// What the server says it is.
    pub server_version: String,
    /// `v1`, `v0` or `janus`.
    pub signal_protocol: &'static str,
    /// Seconds measured.
    pub duration_s: f64,

    /// Participants of the plan, and what became of them.
    pub participants: Participants,
    /// Streams that subscribers should receive, and those they did.
    pub subscriptions: Subscriptions,

    /// Packets sent by publishers while measured.
    pub published_packets: u64,
    /// Of those, packets that subscribers received, all subscribers together.
    pub forwarded_packets: u64,
    /// Packets owed to subscribers that never came, repairs included.
    pub lost_packets: u64,
    /// Lost of all owed.
    pub loss_ratio: f64,
    /// From a publisher's socket to a subscriber's, repairs included.
    pub latency_ms: Latency,
    /// Latency that shares of all packets do not exceed, for a curve.
    pub latency_distribution: Vec<Percentile>,
    /// Variation of latency (RFC 3550), over all streams.
    pub jitter_ms: Spread,
    /// Payload received by all subscribers.
    pub received_bps: f64,
    /// Payload received on one subscription, on average.
    pub subscription_bps: f64,
    /// Pictures that stood still.
    pub freezes: Freezes,

    /// From beginning to join to a connected media path.
    pub join_ms: Spread,
    /// From beginning to join (of whichever of the two came later) to the first complete frame on a subscription.
    pub first_frame_ms: Spread,
    /// From a broken signal connection to one that works again.
    pub resume_ms: Spread,

    /// Processor time of the server for each forwarded packet, in microseconds. With `--server-pid`.
    pub server_cpu_us_per_packet: Option<f64>,
    /// Processors the server kept busy.
    pub server_cpu_cores: Option<f64>,
    /// Most memory the server held.
    pub server_rss_bytes: Option<u64>,

    /// Who was recorded meanwhile; null where nobody was to be.
    pub recordings: Option<Recordings>,

    /// Whether the load tester itself kept up.
    pub loadtest: Own,
    /// What went wrong, and how often.
    pub failures: BTreeMap<String, u64>,
    /// Second by second.
    pub series: Vec<SeriesPoint>,
}

/// Participants by what became of them.
#[derive(Debug, Clone, Serialize)]
pub struct Participants {
    /// In the plan.
    pub planned: u64,
    /// Whose time came.
    pub came: u64,
    /// Whose media connected.
    pub connected: u64,
    /// Who could not take part to the end.
    pub failed: u64,
}

/// Streams at subscribers.
#[derive(Debug, Clone, Serialize)]
pub struct Subscriptions {
    /// Owed when measuring began.
    pub expected: u64,
    /// Of which media had come by then.
    pub flowing: u64,
    /// Over which nothing came while measured, though something had before.
    pub silent: u64,
}

/// Latencies in milliseconds; null when nothing was received.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    /// Half are below.
    pub p50: Option<f64>,
    /// Nine of ten are below.
    pub p90: Option<f64>,
    /// 99 of 100 are below.
    pub p99: Option<f64>,
    /// 999 of 1000 are below.
    pub p999: Option<f64>,
    /// None is above.
    pub max: Option<f64>,
    /// On average.
    pub mean: Option<f64>,
}

/// A point of a distribution.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Percentile {
    /// Of all, between 0 and 1.
    pub share: f64,
    /// What they do not exceed.
    pub ms: f64,
}

/// Times in milliseconds; null when there were none.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Spread {
    /// Half are below.
    pub p50: Option<f64>,
    /// 19 of 20 are below.
    pub p95: Option<f64>,
    /// None is above.
    pub max: Option<f64>,
    /// How many there were.
    pub count: u64,
}

/// Recordings while it was measured. They end all at once.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Recordings {
    /// Begun.
    pub begun: u64,
    /// Ended with their files.
    pub complete: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// From asking for the end to files that are there.
    pub until_there_ms: Spread,
}

/// Pictures that stood still for 150 ms more than their interval, and three times as long.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Freezes {
    /// How often, over all subscriptions.
    pub count: u64,
    /// For how long, over all subscriptions.
    pub total_ms: f64,
    /// Share of the time pictures were watched.
    pub ratio: f64,
}

/// The load tester's own health. A tester that cannot keep up measures itself.
#[derive(Debug, Clone, Serialize)]
pub struct Own {
    /// Threads for media.
    pub threads: usize,
    /// Share of the time the busiest of them worked.
    pub busiest_thread: f64,
    /// Processor time of these threads for each packet received.
    pub cpu_us_per_packet: Option<f64>,
    /// How late packets were sent.
    pub send_late_ms: Latency,
    /// Packets received whose payload nobody here sent.
    pub foreign_packets: u64,
    /// Why the figures may flatter or slander the server; null when there is no reason.
    pub warning: Option<String>,
}

/// One second.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct SeriesPoint {
    /// Seconds since measuring began.
    pub second: u64,
    /// Packets sent in this second that were received.
    pub packets: u64,
    /// Their payload, in bits.
    pub bits: u64,
    /// Median latency.
    pub p50_ms: Option<f64>,
    /// 99th percentile of latency.
    pub p99_ms: Option<f64>,
    /// Largest latency.
    pub max_ms: Option<f64>,
    /// Processors the server kept busy.
    pub server_cpu_cores: Option<f64>,
    /// Memory the server held.
    pub server_rss_bytes: Option<u64>,
}

impl Report {
    /// As text for a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        text::write(self)
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// As one HTML file that needs no network.
    #[must_use]
    pub fn to_html(&self) -> String {
        page::of_run(self)
    }
}

impl Certificate {
    /// As one HTML file that needs no network.
    #[must_use]
    pub fn to_html(&self) -> String {
        page::of_certificate(self)
    }
}
