//! From what everybody saw to the report.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::{
    Freezes, Latency, Machine, Own, Participants, Percentile, Recordings, Report, SeriesPoint, Spread, Subscriptions,
};
use crate::conductor::{Observed, ServerSample};
use crate::histogram::Histogram;
use crate::media_thread::MediaOutcome;
use crate::number::{float, ratio};
use crate::plan::Plan;
use crate::reception::Stream;
use crate::source::Sent;
use crate::tally::{Live, Tally};
use crate::uptake::Uptake;
use crate::window::Window;

/// A thread busier than this queues packets itself.
const BUSY: f64 = 0.85;
/// Publishers later than this are not the load that was asked for.
const LATE: Duration = Duration::from_millis(10);

/// Makes the report of a run.
pub(crate) fn build(plan: &Plan, observed: &Observed) -> Report {
    let window = observed.window;
    let mut tally = Tally::new(std::sync::Arc::new(Live::default()));
    observed.threads.iter().for_each(|thread| tally.merge(&thread.tally));
    let outcomes: Vec<&MediaOutcome> = observed.threads.iter().flat_map(|thread| &thread.outcomes).collect();

    let people = People::of(plan, observed, &outcomes);
    let received = Received::of(plan, &outcomes, &people, window);
    let duration_s = plan.duration.as_secs_f64();
    let busy_ns: u64 = observed.threads.iter().map(|thread| thread.busy_ns).sum();
    let busiest_ns = observed.threads.iter().map(|thread| thread.busy_ns).max().unwrap_or(0);
    let busiest_thread = float(busiest_ns) / plan.duration.as_nanos().max(1) as f64;
    let server_cpu_ns = observed.server.first().zip(observed.server.last());
    let server_cpu_ns = server_cpu_ns.map(|(first, last)| last.reading.cpu_ns.saturating_sub(first.reading.cpu_ns));
    let per_packet = |ns: u64| (received.packets > 0).then(|| float(ns) / 1000.0 / float(received.packets));

    Report {
        loadtest_version: env!("CARGO_PKG_VERSION"),
        scenario: plan.scenario,
        parameters: plan.parameters.iter().cloned().collect(),
        seed: plan.seed,
        machine: Machine::this(),
        server_version: outcomes
            .iter()
            .map(|outcome| outcome.server_version.clone())
            .find(|version| !version.is_empty())
            .unwrap_or_default(),
        signal_protocol: observed.version.name(),
        duration_s,
        participants: people.counted,
        subscriptions: Subscriptions {
            expected: plan.subscriptions_before(),
            flowing: observed.flowing,
            silent: received.silent,
        },
        published_packets: tally.published,
        forwarded_packets: received.packets,
        lost_packets: received.lost,
        loss_ratio: ratio(received.lost, received.packets + received.lost),
        latency_ms: latency(&tally.latency),
        latency_distribution: distribution(&tally.latency),
        jitter_ms: spread(&received.jitter),
        received_bps: float(received.bytes) * 8.0 / duration_s,
        subscription_bps: ratio(received.bytes * 8, received.streams) / duration_s,
        freezes: Freezes {
            count: received.freezes,
            total_ms: float(received.frozen_ns) / 1e6,
            ratio: float(received.frozen_ns) / 1e9 / (duration_s * float(received.pictures).max(1.0)),
        },
        join_ms: spread(&people.join),
        first_frame_ms: spread(&received.first_frame),
        resume_ms: spread(&people.resume),
        server_cpu_us_per_packet: server_cpu_ns.and_then(per_packet),
        server_cpu_cores: server_cpu_ns.map(|ns| float(ns) / 1e9 / duration_s),
        server_rss_bytes: observed.server.iter().map(|sample| sample.reading.rss_bytes).max(),
        recordings: observed.recorded.as_ref().map(|recorded| Recordings {
            begun: recorded.begun,
            complete: recorded.complete,
            bytes: recorded.bytes,
            until_there_ms: spread(&recorded.until_there),
        }),
        loadtest: Own {
            threads: observed.threads.len(),
            busiest_thread,
            cpu_us_per_packet: per_packet(busy_ns),
            send_late_ms: latency(&tally.lateness),
            foreign_packets: tally.foreign,
            warning: warning(busiest_thread, &tally),
        },
        failures: people.failures,
        series: series(&tally, &observed.server),
    }
}

fn warning(busiest_thread: f64, tally: &Tally) -> Option<String> {
    if busiest_thread > BUSY {
        let percent = busiest_thread * 100.0;
        Some(format!(
            "a media thread of the load tester was {percent:.0} % busy: latencies are in part its own; \
             use more --threads or another machine"
        ))
    } else if tally.lateness.quantile(0.99).is_some_and(|late| late > LATE) {
        Some("publishers sent late: the machine is too busy for this load".to_owned())
    } else {
        None
    }
}

/// Who came and how it went.
struct People {
    counted: Participants,
    came_ns: HashMap<usize, u64>,
    join: Histogram,
    resume: Histogram,
    failures: BTreeMap<String, u64>,
}

impl People {
    fn of(plan: &Plan, observed: &Observed, outcomes: &[&MediaOutcome]) -> Self {
        let by_id: HashMap<usize, &MediaOutcome> = outcomes.iter().map(|outcome| (outcome.id, *outcome)).collect();
        let mut came_ns = HashMap::new();
        let (mut join, mut resume) = (Histogram::default(), Histogram::default());
        let mut failures = BTreeMap::new();
        let mut counted = Participants { planned: plan.visits.len() as u64, came: 0, connected: 0, failed: 0 };
        for attendance in &observed.attendances {
            let Some(came) = attendance.came_ns else { continue };
            came_ns.insert(attendance.id, came);
            counted.came += 1;
            let outcome = by_id.get(&attendance.id);
            if let Some(connected) = outcome.and_then(|outcome| outcome.connected_ns) {
                counted.connected += 1;
                join.record(Duration::from_nanos(connected.saturating_sub(came)));
            }
            let resumed = outcome.and_then(|outcome| outcome.resumed_ns);
            if let (Some(broke), Some(resumed)) = (attendance.broke_ns, resumed) {
                resume.record(Duration::from_nanos(resumed.saturating_sub(broke)));
            }
            // The media side knows more of what it ended itself.
            let failure = outcome.and_then(|outcome| outcome.failure.as_ref()).or(attendance.failure.as_ref());
            if let Some(failure) = failure {
                counted.failed += 1;
                *failures.entry(failure.to_string()).or_insert(0) += 1;
            }
        }
        Self { counted, came_ns, join, resume, failures }
    }
}

/// What all subscribers received.
#[derive(Default)]
struct Received {
    packets: u64,
    bytes: u64,
    lost: u64,
    streams: u64,
    pictures: u64,
    silent: u64,
    freezes: u64,
    frozen_ns: u64,
    jitter: Histogram,
    first_frame: Histogram,
}

impl Received {
    fn of(plan: &Plan, outcomes: &[&MediaOutcome], people: &People, window: Window) -> Self {
        let mut sent: HashMap<u32, (usize, &[Option<Sent>])> = HashMap::new();
        for outcome in outcomes {
            sent.extend(outcome.sent.iter().map(|(track, sent)| (*track, (outcome.id, &**sent))));
        }
        let has_pictures = plan.visits.iter().flat_map(|visit| &visit.publishes).any(|content| content.is_video());
        let mut received = Self::default();
        let is_measured =
            |outcome: &&&MediaOutcome| plan.visits.get(outcome.id).is_none_or(|visit| visit.uptake == Uptake::Whole);
        for outcome in outcomes.iter().filter(is_measured) {
            let stays = plan.visits.get(outcome.id).is_some_and(|visit| visit.stays.is_none());
            for (track, streams) in by_track(&outcome.streams) {
                let publisher = sent.get(&track);
                received.add(&streams, publisher.map(|(_, sent)| *sent), stays, window);
                let began = streams.iter().filter_map(|stream| stream.first_frame_ns).min();
                let came = [Some(outcome.id), publisher.map(|(id, _)| *id)];
                let came = came.into_iter().flatten().filter_map(|id| people.came_ns.get(&id)).max();
                let is_shown = streams.iter().any(|stream| stream.is_video == has_pictures);
                if let (Some(began), Some(came), true) = (began, came, is_shown) {
                    received.first_frame.record(Duration::from_nanos(began.saturating_sub(*came)));
                }
            }
        }
        received
    }

    /// One subscription: all streams that carried one track to one participant.
    fn add(&mut self, streams: &[&Stream], sent: Option<&[Option<Sent>]>, stays: bool, window: Window) {
        let packets: u64 = streams.iter().map(|stream| stream.packets).sum();
        let is_uniform = streams.iter().all(|stream| stream.is_uniform);
        let had_begun = streams.iter().any(|stream| stream.began_ns < window.begin_ns);
        self.streams += 1;
        self.packets += packets;
        self.bytes += streams.iter().map(|stream| stream.bytes).sum::<u64>();
        self.lost += match sent.and_then(|sent| sent.first().copied().flatten()).filter(|_| is_uniform) {
            // Exact: every packet from the first to the last is owed. To those who came late from their first on,
            // to those who left up to their last.
            Some(sent) => {
                let numbers = || streams.iter().filter_map(|stream| stream.numbers);
                let first = if had_begun { Some(sent.first) } else { numbers().map(|(first, _)| first).min() };
                let last = if stays { Some(sent.last) } else { numbers().map(|(_, last)| last).max() };
                let owed = first.zip(last).map_or(0, |(first, last)| u64::from(last.saturating_sub(first)) + 1);
                owed.saturating_sub(packets)
            }
            // Sizes and temporal layers come and go as the server chooses: gaps in its own numbers are losses.
            None => streams.iter().map(|stream| stream.missing()).sum(),
        };
        self.silent += u64::from(packets == 0 && had_begun && stays);
        for stream in streams {
            self.freezes += stream.freezes;
            self.frozen_ns += stream.frozen_ns;
            self.pictures += u64::from(stream.is_video);
            if stream.packets > 0 {
                self.jitter.record(Duration::from_nanos(stream.jitter_ns));
            }
        }
    }
}

fn by_track(streams: &[Stream]) -> BTreeMap<u32, Vec<&Stream>> {
    let mut by_track: BTreeMap<u32, Vec<&Stream>> = BTreeMap::new();
    for stream in streams {
        by_track.entry(stream.track).or_default().push(stream);
    }
    by_track
}

fn series(tally: &Tally, server: &[ServerSample]) -> Vec<SeriesPoint> {
    let points = (0_u64..).zip(&tally.seconds).map(|(second, seen)| SeriesPoint {
        second,
        packets: seen.packets,
        bits: seen.bytes * 8,
        p50_ms: seen.latency.quantile(0.5).map(ms),
        p99_ms: seen.latency.quantile(0.99).map(ms),
        max_ms: seen.latency.max().map(ms),
        ..SeriesPoint::default()
    });
    let mut points: Vec<SeriesPoint> = points.collect();
    for (point, pair) in points.iter_mut().zip(server.windows(2)) {
        let seconds = (pair[1].at.saturating_sub(pair[0].at)).as_secs_f64();
        let cpu_ns = pair[1].reading.cpu_ns.saturating_sub(pair[0].reading.cpu_ns);
        point.server_cpu_cores = (seconds > 0.0).then(|| float(cpu_ns) / 1e9 / seconds);
        point.server_rss_bytes = Some(pair[1].reading.rss_bytes);
    }
    points
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn latency(histogram: &Histogram) -> Latency {
    let quantile = |share| histogram.quantile(share).map(ms);
    Latency {
        p50: quantile(0.5),
        p90: quantile(0.9),
        p99: quantile(0.99),
        p999: quantile(0.999),
        max: histogram.max().map(ms),
        mean: histogram.mean().map(ms),
    }
}

/// Ten steps to every tenth that is left above, to 99.99 %.
fn distribution(histogram: &Histogram) -> Vec<Percentile> {
    let shares = (0..=40).map(|step| 1.0 - 10_f64.powf(f64::from(step) / -10.0));
    let points = shares.map(|share| Some(Percentile { share, ms: histogram.quantile(share).map(ms)? }));
    points.collect::<Option<_>>().unwrap_or_default()
}

fn spread(histogram: &Histogram) -> Spread {
    let quantile = |share| histogram.quantile(share).map(ms);
    Spread { p50: quantile(0.5), p95: quantile(0.95), max: histogram.max().map(ms), count: histogram.count() }
}
