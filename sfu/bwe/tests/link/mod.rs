//! A bottleneck in virtual time, with a forwarder in front of it and a receiver that reports behind it.
//!
//! Steps of one millisecond; within a step packets leave the queue at exact times. One seed is one run.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sluice_bwe::{Class, Config, CongestionController, Estimate, Pacer, PacerConfig, PacketResult, Probe, SentKind};

/// What lies between sender and receiver. Changes while running.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub rate_bps: f64,
    pub delay: Duration,
    /// Up to so much is added to the delay of a packet.
    pub jitter: Duration,
    /// Packets overtake each other by jitter; without it they keep their order.
    pub reorders: bool,
    /// Share lost at random.
    pub loss: f64,
    /// Mean length of a run of losses, 1 for independent ones.
    pub burst: f64,
    /// Longest queue, as time at the rate. What does not fit is dropped.
    pub queue: Duration,
    /// Bits per second of somebody else in the same queue.
    pub cross_bps: f64,
    /// Feedback gets through.
    pub has_feedback: bool,
}

impl Link {
    pub fn of(rate_bps: f64) -> Self {
        Self {
            rate_bps,
            delay: Duration::from_millis(25),
            jitter: Duration::ZERO,
            reorders: false,
            loss: 0.0,
            burst: 1.0,
            queue: Duration::from_millis(300),
            cross_bps: 0.0,
            has_feedback: true,
        }
    }
}

/// What is sent.
#[derive(Debug, Clone)]
pub enum Traffic {
    /// The highest of these rates that fits the estimate, changed like an allocator would, with hysteresis.
    Layers(Vec<f64>),
    /// A constant rate, whatever the estimate.
    Constant(f64),
    /// All the estimate allows.
    Greedy,
}

struct InLink {
    sequence: Option<u16>,
    size: usize,
    queued_us: i64,
    sent_us: i64,
}

/// A second of a run.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub at_s: f64,
    pub estimate: Estimate,
    pub sent_bps: f64,
    pub delivered_bps: f64,
    pub queue_ms: f64,
    pub layer: usize,
}

pub struct Call {
    pub link: Link,
    pub traffic: Traffic,
    pub controller: CongestionController,
    pub min_bps: u64,
    pub max_bps: u64,
    pub samples: Vec<Sample>,
    /// Every change of layer: when, and to which.
    pub layer_changes: Vec<(f64, usize)>,
    pub probe_bytes: u64,
    pub dropped_in_link: u64,
    /// The receiver sends transport-wide feedback.
    pub answers_twcc: bool,
    /// The receiver sends REMB of this rate every half second.
    pub remb_bps: Option<u64>,
    /// The receiver's clock: this much ahead, and this much too fast.
    pub clock_offset_us: i64,
    pub clock_drift: f64,
    pacer: Pacer<usize>,
    epoch: Instant,
    now_us: i64,
    random: fastrand::Rng,
    queue: VecDeque<InLink>,
    queue_bytes: usize,
    link_free_us: i64,
    is_losing: bool,
    cross_debt: f64,
    last_arrival_us: i64,
    /// (arrival, sequence) still on the way.
    flying: Vec<(i64, u16)>,
    arrived: Vec<(u16, i64)>,
    next_sequence: u16,
    reported_to: u16,
    feedback_due_us: i64,
    /// Feedback on the way back: (arrives, results).
    returning: VecDeque<(i64, Vec<PacketResult>)>,
    layer: usize,
    layer_up_allowed_us: i64,
    frame_due_us: i64,
    sent_bytes: usize,
    delivered_bytes: usize,
    sampled_us: i64,
}

const FRAME_US: i64 = 33_333;
const PACKET: usize = 1_100;
const HEADERS: usize = 28;
const FEEDBACK_US: i64 = 50_000;

impl Call {
    pub fn new(link: Link, traffic: Traffic, seed: u64) -> Self {
        Self::with_config(link, traffic, seed, Config { start_bps: 300_000, min_bps: 50_000, max_bps: 10_000_000 })
    }

    pub fn with_config(link: Link, traffic: Traffic, seed: u64, config: Config) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a first instant; time is virtual from here")]
        let epoch = Instant::now();
        Self {
            link,
            traffic,
            controller: CongestionController::new(config, epoch),
            min_bps: config.min_bps,
            max_bps: config.max_bps,
            samples: Vec::new(),
            layer_changes: Vec::new(),
            probe_bytes: 0,
            dropped_in_link: 0,
            answers_twcc: true,
            remb_bps: None,
            clock_offset_us: 1_234_567_890,
            clock_drift: 0.0,
            pacer: Pacer::new(PacerConfig::default(), config.start_bps, epoch),
            epoch,
            now_us: 0,
            random: fastrand::Rng::with_seed(seed),
            queue: VecDeque::new(),
            queue_bytes: 0,
            link_free_us: 0,
            is_losing: false,
            cross_debt: 0.0,
            last_arrival_us: 0,
            flying: Vec::new(),
            arrived: Vec::new(),
            next_sequence: 65_000,
            reported_to: 65_000,
            feedback_due_us: FEEDBACK_US,
            returning: VecDeque::new(),
            layer: 0,
            layer_up_allowed_us: 0,
            frame_due_us: 0,
            sent_bytes: 0,
            delivered_bytes: 0,
            sampled_us: 0,
        }
    }

    pub fn now(&self) -> Instant {
        self.epoch + Duration::from_micros(u64::try_from(self.now_us).unwrap())
    }

    pub fn seconds(&self) -> f64 {
        self.now_us as f64 / 1e6
    }

    pub fn target(&self) -> f64 {
        self.controller.estimate().target_bps as f64
    }

    pub fn run_seconds(&mut self, seconds: f64) {
        let end = self.now_us + (seconds * 1e6) as i64;
        while self.now_us < end {
            self.step();
        }
    }

    /// Runs until the condition holds; how long that took, `None` if not within `limit` seconds.
    pub fn run_until(&mut self, limit: f64, condition: impl Fn(&Self) -> bool) -> Option<f64> {
        let begin = self.seconds();
        while self.seconds() < begin + limit {
            if condition(self) {
                return Some(self.seconds() - begin);
            }
            self.step();
        }
        None
    }

    /// Smallest and largest target sampled since a time.
    pub fn range_since(&self, at_s: f64) -> (f64, f64) {
        let targets = self
            .samples
            .iter()
            .filter(|sample| sample.at_s >= at_s)
            .map(|sample| sample.estimate.target_bps as f64);
        targets.fold((f64::MAX, 0.0), |(low, high), target| (low.min(target), high.max(target)))
    }

    pub fn mean_since(&self, at_s: f64, of: impl Fn(&Sample) -> f64) -> f64 {
        let all: Vec<f64> = self.samples.iter().filter(|sample| sample.at_s >= at_s).map(of).collect();
        all.iter().sum::<f64>() / all.len().max(1) as f64
    }

    fn step(&mut self) {
        self.now_us += 1_000;
        self.serve_link();
        self.receive();
        self.give_feedback();
        if self.controller.poll_timeout().is_some_and(|at| at <= self.now()) {
            self.controller.handle_timeout(self.now());
        }
        if let Some(bps) = self.remb_bps.filter(|_| self.now_us % 500_000 == 0) {
            self.controller.handle_remb(bps, self.now());
        }
        self.allocate();
        let estimate = self.controller.estimate();
        self.pacer.set_rate(estimate.target_bps, estimate.is_queued);
        if let Some(probe) = self.controller.poll_probe(self.now()) {
            self.check_probe(probe);
            self.pacer.start_probe(probe, self.now());
        }
        self.make_frames();
        while let Some(bytes) = self.pacer.poll(self.now()) {
            self.send(bytes, SentKind::Media);
        }
        while let Some(padding) = self.pacer.poll_padding(self.now()) {
            let bytes = 255;
            self.probe_bytes += bytes as u64;
            self.pacer.padding_sent(bytes, self.now());
            self.send(bytes, SentKind::Probe(padding.cluster));
        }
        self.sample();
    }

    fn check_probe(&self, probe: Probe) {
        assert!(probe.rate_bps <= self.max_bps);
        if let Some(desired) = self.desired() {
            let bound = (desired * 1.25).max(self.target());
            assert!(probe.rate_bps as f64 <= bound, "{probe:?} beyond {desired}");
        }
    }

    fn desired(&self) -> Option<f64> {
        match &self.traffic {
            Traffic::Layers(layers) => layers.last().copied().map(|top| top * 1.05),
            Traffic::Constant(rate) => Some(*rate),
            Traffic::Greedy => None,
        }
    }

    fn allocate(&mut self) {
        self.controller.set_desired(self.desired().map(|desired| desired as u64));
        let Traffic::Layers(layers) = &self.traffic else { return };
        let target = self.controller.estimate().target_bps as f64;
        let fitting = layers.iter().rposition(|&rate| rate <= target).unwrap_or(0);
        let with_room = layers.iter().rposition(|&rate| rate * 1.05 <= target).unwrap_or(0);
        let next = if fitting < self.layer {
            fitting
        } else if with_room > self.layer && self.now_us >= self.layer_up_allowed_us {
            with_room
        } else {
            return;
        };
        if next < self.layer {
            self.layer_up_allowed_us = self.now_us + 500_000;
        }
        self.layer = next;
        self.layer_changes.push((self.seconds(), next));
    }

    fn media_bps(&self) -> f64 {
        match &self.traffic {
            Traffic::Layers(layers) => layers[self.layer],
            Traffic::Constant(rate) => *rate,
            Traffic::Greedy => self.target(),
        }
    }

    fn make_frames(&mut self) {
        while self.frame_due_us <= self.now_us {
            self.frame_due_us += FRAME_US;
            let mean = self.media_bps() * FRAME_US as f64 / 8e6;
            let mut left = (mean * (0.7 + 0.6 * self.random.f64())) as usize;
            while left > 0 {
                // Headers are in the rate.
                let bytes = left.clamp(60, PACKET + HEADERS) - HEADERS;
                left = left.saturating_sub(bytes + HEADERS);
                if self.pacer.try_send(Class::Video, bytes, self.now()) {
                    self.send(bytes, SentKind::Media);
                } else {
                    self.pacer.push(Class::Video, bytes, bytes, self.now());
                }
            }
        }
    }

    fn send(&mut self, bytes: usize, kind: SentKind) {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        self.controller.handle_sent(sequence, bytes, self.now(), kind);
        self.sent_bytes += bytes + HEADERS;
        self.enqueue(Some(sequence), bytes + HEADERS);
    }

    fn enqueue(&mut self, sequence: Option<u16>, size: usize) {
        let limit = (self.link.rate_bps * self.link.queue.as_secs_f64() / 8.0).max(3_000.0);
        if self.queue_bytes as f64 + size as f64 > limit {
            self.dropped_in_link += u64::from(sequence.is_some());
            return;
        }
        self.queue_bytes += size;
        self.queue
            .push_back(InLink { sequence, size, queued_us: self.now_us, sent_us: self.now_us });
    }

    fn serve_link(&mut self) {
        self.cross_debt += self.link.cross_bps / 8.0 * 1e-3;
        while self.cross_debt >= 1_200.0 {
            self.cross_debt -= 1_200.0;
            self.enqueue(None, 1_200);
        }
        while let Some(head) = self.queue.front() {
            let begin = self.link_free_us.max(head.queued_us);
            let done = begin + (head.size as f64 * 8e6 / self.link.rate_bps) as i64;
            if done > self.now_us {
                break;
            }
            self.link_free_us = done;
            let head = self.queue.pop_front().unwrap();
            self.queue_bytes -= head.size;
            let Some(sequence) = head.sequence else { continue };
            if self.is_lost() {
                continue;
            }
            let jitter = (self.link.jitter.as_micros() as f64 * self.random.f64()) as i64;
            let mut arrival = done + self.link.delay.as_micros() as i64 + jitter;
            if !self.link.reorders {
                arrival = arrival.max(self.last_arrival_us);
                self.last_arrival_us = arrival;
            }
            self.delivered_bytes += head.size;
            self.flying.push((arrival, sequence));
        }
    }

    fn is_lost(&mut self) -> bool {
        let loss = self.link.loss;
        if loss <= 0.0 {
            return false;
        }
        // Gilbert: runs of mean length `burst`, the share `loss` overall.
        let leave = 1.0 / self.link.burst.max(1.0);
        let enter = (loss * leave / (1.0 - loss)).min(1.0);
        let stays = if self.is_losing { self.random.f64() >= leave } else { self.random.f64() < enter };
        self.is_losing = stays;
        stays
    }

    fn receive(&mut self) {
        let now = self.now_us;
        let (landed, flying) = std::mem::take(&mut self.flying).into_iter().partition(|(at, _)| *at <= now);
        self.flying = flying;
        let landed: Vec<(i64, u16)> = landed;
        for (at, sequence) in landed {
            self.arrived.push((sequence, self.receiver_clock(at)));
        }
    }

    /// With the resolution of the feedback, 250 us.
    fn receiver_clock(&self, at: i64) -> i64 {
        let local = at + self.clock_offset_us + (at as f64 * self.clock_drift) as i64;
        local / 250 * 250
    }

    fn give_feedback(&mut self) {
        if self.now_us >= self.feedback_due_us {
            self.feedback_due_us += FEEDBACK_US;
            let base = self.reported_to;
            let newest = self.arrived.iter().map(|(sequence, _)| sequence.wrapping_sub(base).cast_signed()).max();
            if let Some(newest) = newest.filter(|&newest| newest >= 0) {
                // Late ones of the last report come again, as receivers do.
                let oldest = self
                    .arrived
                    .iter()
                    .map(|(s, _)| s.wrapping_sub(base).cast_signed())
                    .min()
                    .unwrap_or(0)
                    .min(0);
                let results = (oldest..=newest).filter_map(|offset| {
                    let sequence = base.wrapping_add_signed(offset);
                    let arrived = self.arrived.iter().find(|(s, _)| *s == sequence).map(|(_, at)| *at);
                    (offset >= 0 || arrived.is_some()).then_some(PacketResult { sequence, arrived_at_us: arrived })
                });
                let results: Vec<_> = results.collect();
                self.reported_to = base.wrapping_add_signed(newest).wrapping_add(1);
                if self.link.has_feedback && self.answers_twcc {
                    self.returning.push_back((self.now_us + self.link.delay.as_micros() as i64, results));
                }
            }
            self.arrived.clear();
        }
        while self.returning.front().is_some_and(|(at, _)| *at <= self.now_us) {
            let (_, results) = self.returning.pop_front().unwrap();
            self.controller.handle_feedback(results.into_iter(), self.now());
            let estimate = self.controller.estimate();
            assert!((self.min_bps..=self.max_bps).contains(&estimate.target_bps), "{estimate:?}");
        }
    }

    fn sample(&mut self) {
        if self.now_us - self.sampled_us < 100_000 {
            return;
        }
        let span = (self.now_us - self.sampled_us) as f64 / 1e6;
        self.sampled_us = self.now_us;
        self.samples.push(Sample {
            at_s: self.seconds(),
            estimate: self.controller.estimate(),
            sent_bps: self.sent_bytes as f64 * 8.0 / span,
            delivered_bps: self.delivered_bytes as f64 * 8.0 / span,
            queue_ms: self.queue_bytes as f64 * 8e3 / self.link.rate_bps,
            layer: self.layer,
        });
        (self.sent_bytes, self.delivered_bytes) = (0, 0);
    }

    /// The run, twice a second, for whoever debugs a test.
    pub fn print(&self) {
        for sample in self.samples.iter().step_by(5) {
            let e = sample.estimate;
            eprintln!(
                "{:6.1}s target {:5} delay {:5} loss-based {:5} ({:4.1}%) acked {:5} sent {:5.0} got {:5.0} queue {:4.0} ms layer {} {:?}{}",
                sample.at_s,
                e.target_bps / 1000,
                e.delay_based_bps / 1000,
                e.loss_based_bps / 1000,
                e.loss * 100.0,
                e.acknowledged_bps.unwrap_or(0) / 1000,
                sample.sent_bps / 1e3,
                sample.delivered_bps / 1e3,
                sample.queue_ms,
                sample.layer,
                e.state,
                if e.is_application_limited { " limited" } else { "" },
            );
        }
    }
}
