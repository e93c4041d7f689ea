//! Plays a scenario and measures what its viewers saw.

use std::time::{Duration, Instant};

use sluice_core::{Connection, Demand, Event, TapWish, TrackId};

use crate::network::{Conditions, Rival};
use crate::scenario::{Act, Scenario};
use crate::simulation::Simulation;
use crate::sink::Sink;
use crate::source::Publication;

/// A picture that fits takes at most this share of the link: the rest is headers, sound and repairs.
const FITS: f64 = 0.85;
/// Sound and a little more.
const SOUND_BPS: u64 = 40_000;
/// A change of quality is a flap when it is undone within this time.
const FLAP_WITHIN: Duration = Duration::from_secs(10);
/// Freezes while the first picture of a track comes are part of joining.
const SETTLING: Duration = Duration::from_secs(1);

/// What came of a scenario.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The scenario.
    pub name: String,
    /// Delivered video and sound against what links and publishers allowed.
    pub delivered: f64,
    /// Until a fitting picture was shown after a step down, the longest; `Some(None)` when it never was.
    pub down: Option<Option<Duration>>,
    /// The same upwards.
    pub up: Option<Option<Duration>>,
    /// Freezes of all viewers.
    pub freezes: usize,
    /// The longest.
    pub longest_freeze: Duration,
    /// Pictures that stood because the worker had paused them, and said so.
    pub pauses: usize,
    /// Changes of quality undone again while nothing called for it.
    pub flaps: usize,
    /// Share of video packets lost on the way down that came in the end; `None` when none was lost.
    pub recovered: Option<f64>,
    /// Share of sound that did not come in time, the worst viewer; `None` where there was no sound.
    pub sound_lost: Option<f64>,
    /// 95th percentile of waiting before the bottleneck.
    pub queue: Duration,
    /// From joining to the first picture, the longest of all viewers.
    pub first_picture: Option<Duration>,
    /// Invariants broken.
    pub violations: Vec<String>,
    /// Packets the worker received and forwarded.
    pub packets: (u64, u64),
}

/// Plays a scenario with a seed.
#[must_use]
pub fn play(scenario: &Scenario, seed: u64) -> Outcome {
    play_on(1, scenario, seed)
}

/// Plays a scenario with a seed on several workers: publishers first, then viewers, in turns.
#[must_use]
pub fn play_on(workers: u16, scenario: &Scenario, seed: u64) -> Outcome {
    Stage::open(scenario, seed, workers).play()
}

/// Taps a track, where the scenario wants that: the audit looks at what comes.
fn tap(sim: &mut Simulation, scenario: &Scenario, publisher: &str, track: &TrackId) {
    if scenario.is_tapped {
        sim.tap(publisher, track, TapWish::default());
        sim.tap(publisher, track, TapWish { max_spatial: Some(0) });
    }
}

struct Stage<'a> {
    scenario: &'a Scenario,
    sim: Simulation,
    tracks: Vec<(TrackId, Publication)>,
    /// What was begun and not ended since.
    extra: Vec<TrackId>,
    /// How many were begun: no name is given twice, as no server gives one twice.
    extras: usize,
    began: Instant,
    /// What the way down to each viewer was, from when.
    links: Vec<Vec<(Instant, Conditions)>>,
    /// What the way up from each publisher was, from when.
    ups: Vec<(Instant, Conditions)>,
    /// Up to which quality the viewers look, from when.
    wants: Vec<(Instant, u8)>,
    /// Whenever something happened that calls for another picture.
    calls: Vec<Instant>,
    joined: Vec<Instant>,
    is_lossless: bool,
}

impl<'a> Stage<'a> {
    fn open(scenario: &'a Scenario, seed: u64, workers: u16) -> Self {
        let mut sim = Simulation::spanning(seed, workers);
        sim.dynacast = true;
        sim.adaptive = scenario.is_adaptive;
        sim.has_red = scenario.has_red;
        let mut tracks = Vec::new();
        for (n, publications) in scenario.publishers.iter().enumerate() {
            let name = publisher(n);
            sim.takes_nothing.insert(name.clone());
            sim.join(&name, Connection::Single);
            for (label, publication) in publications.iter().enumerate() {
                let track = sim.publish(&name, &label.to_string(), *publication);
                tap(&mut sim, scenario, &name, &track);
                tracks.push((track, *publication));
            }
        }
        sim.adaptive = false;
        sim.run_ms(scenario.warm_up_ms);
        let mut joined = Vec::new();
        for n in 0..scenario.viewers {
            joined.push(sim.now());
            sim.join(&viewer(n), scenario.connection);
            sim.run_ms(scenario.join_every_ms);
        }
        sim.run_ms(scenario.warm_up_ms);
        for n in 0..scenario.viewers {
            sim.watch(&viewer(n));
        }
        let began = sim.now();
        let links = vec![vec![(began, Conditions::CLEAN)]; scenario.viewers.into()];
        Self {
            scenario,
            sim,
            tracks,
            extra: Vec::new(),
            extras: 0,
            began,
            links,
            ups: Vec::new(),
            wants: Vec::new(),
            calls: Vec::new(),
            joined,
            is_lossless: true,
        }
    }

    fn play(mut self) -> Outcome {
        for (at_ms, act) in &self.scenario.script {
            let at = self.began + Duration::from_millis(*at_ms);
            self.sim.run(at.saturating_duration_since(self.sim.now()));
            self.act(*act);
        }
        let end = self.began + Duration::from_secs(self.scenario.seconds);
        self.sim.run(end.saturating_duration_since(self.sim.now()));
        self.outcome(end)
    }

    fn act(&mut self, act: Act) {
        self.calls.push(self.sim.now());
        match act {
            Act::Down(conditions) => (0..self.scenario.viewers).for_each(|n| self.narrow(n, conditions)),
            Act::DownTo(n, conditions) => self.narrow(n, conditions),
            Act::Up(conditions) => {
                self.ups.push((self.sim.now(), conditions));
                self.is_lossless &= conditions.is_lossless();
                let back = Conditions { delay: conditions.delay, ..Conditions::CLEAN };
                for n in 0..self.scenario.publishers.len() {
                    self.sim.links(&publisher(n), conditions, back);
                }
            }
            Act::Publish(publication) => {
                let label = format!("extra{}", self.extras);
                self.extras += 1;
                let track = self.sim.publish(&publisher(0), &label, publication);
                tap(&mut self.sim, self.scenario, &publisher(0), &track);
                self.extra.push(track);
            }
            Act::Unpublish => {
                if let Some(track) = self.extra.pop() {
                    self.sim.unpublish(&publisher(0), &track);
                }
            }
            Act::Want(max_spatial) => {
                self.wants.push((self.sim.now(), max_spatial));
                for n in 0..self.scenario.viewers {
                    for (track, _) in &self.tracks {
                        self.sim.demand(&viewer(n), track, Demand { max_spatial, ..Demand::default() });
                    }
                }
            }
        }
    }

    /// Feedback goes back over as long a way, and is lost as often, but has room.
    fn narrow(&mut self, n: u16, conditions: Conditions) {
        self.is_lossless &= conditions.is_lossless();
        let up = Conditions { rate_bps: None, rival: Rival::None, ..conditions };
        self.sim.links(&viewer(n), up, conditions);
        self.links[usize::from(n)].push((self.sim.now(), conditions));
    }

    fn outcome(self, end: Instant) -> Outcome {
        let mut outcome = Outcome {
            name: self.scenario.name.clone(),
            violations: self.sim.violations(self.is_lossless),
            packets: (self.sim.stats().packets_received, self.sim.stats().packets_forwarded),
            ..Outcome::default()
        };
        if self.sim.stats().contained_panics > 0 {
            outcome.violations.push("the worker contained a panic".to_owned());
        }
        let (mut delivered, mut possible) = (0.0, 0.0);
        let (mut lost, mut came) = (0, 0);
        let mut queued = Vec::new();
        for n in 0..self.scenario.viewers {
            let name = viewer(n);
            let client = self.sim.client(&name);
            let sinks: Vec<&Sink> = client.all_sinks().collect();
            let bytes = sinks.iter().flat_map(|sink| &sink.delivered).filter(|(at, _)| *at >= self.began);
            delivered += bytes.map(|(_, len)| *len as f64 * 8.0).sum::<f64>();
            possible += self.possible_bits(&self.links[usize::from(n)], end);
            for sink in sinks.iter().filter(|sink| self.is_video(sink)) {
                let settled = sink.first_frame_at.map(|at| at + SETTLING);
                let counts = |at: Instant| at >= self.began && settled.is_some_and(|settled| at >= settled);
                let mut freezes: Vec<Duration> = Vec::new();
                for freeze in sink.freezes.iter().filter(|freeze| counts(freeze.ended_at)) {
                    if self.was_paused(&name, &sink.track, freeze.ended_at - freeze.lasted, freeze.ended_at) {
                        outcome.pauses += 1;
                    } else {
                        freezes.push(freeze.lasted);
                    }
                }
                // The picture that stands at the end.
                let last = sink.last_frame_at.unwrap_or(sink.opened_at).max(self.began);
                let stands = end.saturating_duration_since(last);
                if sink.closed_at.is_none() && stands > Duration::from_secs(2) {
                    if self.was_paused(&name, &sink.track, last, end) {
                        outcome.pauses += 1;
                    } else {
                        freezes.push(stands);
                    }
                }
                outcome.freezes += freezes.len();
                outcome.longest_freeze = freezes.into_iter().fold(outcome.longest_freeze, Duration::max);
                outcome.flaps += flaps(sink, &self.calls);
            }
            for sink in sinks.iter().filter(|sink| !self.is_video(sink)) {
                let came: Vec<u32> = sink
                    .sound
                    .iter()
                    .filter(|(_, at)| **at >= self.began)
                    .map(|(number, _)| *number)
                    .collect();
                if let (Some(first), Some(last)) = (came.first(), came.last()) {
                    let lost = 1.0 - came.len() as f64 / f64::from(last - first + 1);
                    outcome.sound_lost = Some(outcome.sound_lost.unwrap_or(0.0).max(lost));
                }
            }
            let first = sinks.iter().filter(|sink| self.is_video(sink) && sink.opened_at < self.began);
            for sink in first {
                let took = sink.first_frame_at.unwrap_or(end) - self.joined[usize::from(n)];
                outcome.first_picture = outcome.first_picture.max(Some(took));
            }
            self.adaptation(n, end, &mut outcome);
            let (l, c) = self.sim.recovered(&name);
            (lost, came) = (lost + l, came + c);
            queued.extend(self.sim.passages(&name).filter_map(|passage| passage.queued));
        }
        queued.sort();
        outcome.queue = queued.get(queued.len() * 95 / 100).copied().unwrap_or_default();
        outcome.recovered = (lost > 0).then(|| came as f64 / lost as f64);
        outcome.delivered = if possible > 0.0 { delivered / possible } else { 1.0 };
        outcome
    }

    /// True when the viewer was told of a pause of the track that fell into this time.
    fn was_paused(&self, viewer: &str, track: &TrackId, from: Instant, until: Instant) -> bool {
        let start = self.sim.now() - self.sim.elapsed();
        let mut is_paused = false;
        for (at, event) in &self.sim.events {
            let Event::StreamStates { subscriber, paused } = event else { continue };
            if start + *at > until || subscriber.as_str().strip_prefix("PA_") != Some(viewer) {
                continue;
            }
            for (_, now_paused) in paused.iter().filter(|(of, _)| of == track) {
                // A pause that ended before does not count.
                is_paused = *now_paused || is_paused && start + *at > from;
            }
        }
        is_paused
    }

    fn is_video(&self, sink: &Sink) -> bool {
        sink.keyframe_requests > 0 || !sink.layers.is_empty() || {
            let of = self.tracks.iter().find(|(track, _)| *track == sink.track);
            of.is_some_and(|(_, publication)| publication.media.is_video())
        }
    }

    /// What a link lets through of what its viewer could take.
    fn possible_bits(&self, links: &[(Instant, Conditions)], end: Instant) -> f64 {
        let wanted = |time: Instant| -> u64 {
            let want = self.wants.iter().rev().find(|(at, _)| *at <= time).map_or(2, |(_, want)| *want);
            let of = |publication: &Publication| {
                publication.qualities_bps().into_iter().take(usize::from(want) + 1).next_back()
            };
            self.tracks.iter().filter_map(|(_, publication)| of(publication)).sum()
        };
        let publishers = self.scenario.publishers.len() as u64;
        let mut times: Vec<Instant> = links.iter().chain(&self.ups).map(|(at, _)| *at).collect();
        times.extend(self.wants.iter().map(|(at, _)| *at).chain([self.began, end]));
        times.sort();
        let at = |steps: &[(Instant, Conditions)], time: Instant| {
            let step = steps.iter().rev().find(|(at, _)| *at <= time);
            step.and_then(|(_, conditions)| share_of(conditions)).unwrap_or(u64::MAX)
        };
        let spans = times.windows(2).map(|pair| {
            let [from, until] = pair else { return 0.0 };
            let up = at(&self.ups, *from).saturating_mul(publishers);
            let rate = wanted(*from).min(up).min(at(links, *from));
            rate as f64 * until.saturating_duration_since(*from).as_secs_f64()
        });
        spans.sum()
    }

    /// How long each step of a link took to show in the first picture.
    fn adaptation(&self, n: u16, end: Instant, outcome: &mut Outcome) {
        let Some((track, publication)) = self.tracks.iter().find(|(_, p)| p.media.is_video()) else { return };
        let Some(sink) = self.sim.find_sink(&viewer(n), track) else { return };
        let (full, least) = (publication.qualities_bps(), publication.least_bps());
        let others = self.tracks.iter().filter(|(t, p)| t != track && p.media.is_video());
        let base: u64 = others.filter_map(|(_, p)| p.qualities_bps().first().copied()).sum();
        let fits = |rates: &[u64], conditions: &Conditions| {
            let room = share_of(conditions).map_or(f64::MAX, |rate| rate as f64 * FITS) - (SOUND_BPS + base) as f64;
            rates.iter().rposition(|rate| *rate as f64 <= room).unwrap_or(0) as u8
        };
        let links = &self.links[usize::from(n)];
        for (step, pair) in links.windows(2).enumerate() {
            let [(_, before), (at, after)] = pair else { continue };
            // A quality fits as long as half of its frames do; whoever comes up is to have them all.
            let [(was, is), (was_full, is_full)] =
                [&least, &full].map(|rates| (fits(rates, before), fits(rates, after)));
            let until = links.get(step + 2).map_or(end, |(at, _)| *at);
            let reached = |fits: &dyn Fn(u8) -> bool| {
                // What is shown now counts once another picture of it was.
                let shown = sink.delivered.iter().find(|(t, _)| t > at).map(|(t, _)| *t);
                let now = sink.layers.iter().rev().find(|(t, _)| t <= at).map(|(_, layer)| *layer);
                let at_step = shown.filter(|t| *t < until).zip(now);
                let since = at_step
                    .into_iter()
                    .chain(sink.layers.iter().copied().filter(|(t, _)| t > at && *t < until));
                since.into_iter().find(|(_, layer)| fits(*layer)).map(|(t, _)| t - *at)
            };
            // `None` is worse than any time.
            let worse = |a: Option<Option<Duration>>, b: Option<Duration>| match (a, b) {
                (Some(None), _) | (_, None) => Some(None),
                (Some(Some(a)), Some(b)) => Some(Some(a.max(b))),
                (None, Some(b)) => Some(Some(b)),
            };
            if is < was {
                outcome.down = worse(outcome.down, reached(&|layer| layer <= is));
            } else if is_full > was_full {
                outcome.up = worse(outcome.up, reached(&|layer| layer >= is_full));
            }
        }
    }
}

/// What a link has for its viewer: all of it, or what a rival leaves.
fn share_of(conditions: &Conditions) -> Option<u64> {
    let rate = conditions.rate_bps?;
    Some(match conditions.rival {
        Rival::None => rate,
        Rival::Constant(bps) => rate.saturating_sub(bps),
        Rival::Greedy(_) => rate / 2,
    })
}

/// Changes up that were undone soon, or down that were: A, B, A again, with nothing to call for it.
fn flaps(sink: &Sink, calls: &[Instant]) -> usize {
    let called_for = |from: Instant, to: Instant| calls.iter().any(|at| *at >= from && *at <= to);
    let undone = sink.layers.windows(3).filter(|window| {
        let [(_, a), (from, b), (to, c)] = window else { return false };
        let is_back = (*b > *a && *c < *b) || (*b < *a && *c > *b);
        is_back && *to - *from < FLAP_WITHIN && !called_for(*from, *to)
    });
    undone.count()
}

fn publisher(n: usize) -> String {
    format!("p{n:02}")
}

fn viewer(n: u16) -> String {
    format!("v{n:02}")
}
