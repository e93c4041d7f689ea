//! The rate the loss allows: how much of it is the path's own, and how much comes of sending too fast?
//!
//! The idea of loss-based control of the second kind: a model of the link with two unknowns, its capacity and the share
//! `q` it loses of anything, is held against what was observed at different rates. Sending at a rate `s` above the
//! capacity `c` delivers `(1 - q) c / s`. The answer is the highest capacity that the observations do not speak
//! against; mostly that is "no bound". Owned by the controller; it knows nothing of delay.

use std::collections::VecDeque;

use crate::clock::{MILLISECOND, Micros, SECOND, bits, seconds};

/// One observation lasts at least so long, and has so many packets.
const OBSERVATION: Micros = 250 * MILLISECOND;
const MIN_PACKETS: u32 = 12;
/// Observations kept: some five seconds and more.
const WINDOW: usize = 20;
/// Fewer losses than this may be chance: five seconds of sound alone are 250 packets.
const TELLING_LOSSES: f64 = 3.0;
/// Weight of an observation against the next newer one.
const AGEING: f64 = 0.93;
/// Losses come in bursts: so many packets are as telling as one independent one.
const BURSTINESS: f64 = 4.0;
/// How much less likely than the likeliest an answer may be (natural logarithm) and still count.
const DOUBT: f64 = 2.0;
/// A path may lose this share of its own, and more on a thin link: there is a rate below which backing off does not
/// pay.
const OWN_LOSS: f64 = 0.08;
/// but hardly any while the queue is long: that loss is its overflow.
const OWN_LOSS_QUEUED: f64 = 0.02;
const OWN_LOSS_THIN_BPS: f64 = 20e3;
const OWN_LOSS_MAX: f64 = 0.5;
/// Capacities tried, each this share of the one before.
const CANDIDATES: u32 = 22;
const CANDIDATE_STEP: f64 = 0.91;
/// Two observations in a row that lost more, after others that lost less than half of it on average: the link is not
/// what it was.
const BREAK: f64 = 0.25;
/// Growth of a bound with each observation.
const GROWTH: f64 = 1.05;

#[derive(Debug, Clone, Copy)]
struct Observation {
    sent_bps: f64,
    arrived: f64,
    lost: f64,
    is_queued: bool,
}

fn share_lost<'a>(observations: impl Iterator<Item = &'a Observation>) -> f64 {
    let (arrived, lost) = observations.fold((0.0, 0.0), |(a, l), seen| (a + seen.arrived, l + seen.lost));
    if arrived + lost > 0.0 { lost / (arrived + lost) } else { 0.0 }
}

/// The estimator.
#[derive(Debug)]
pub(crate) struct LossBound {
    observations: VecDeque<Observation>,
    /// The observation being made.
    begun_at: Option<Micros>,
    newest: Micros,
    bytes: u64,
    arrived: u32,
    lost: u32,
    bound_bps: Option<f64>,
}

impl LossBound {
    pub(crate) fn new() -> Self {
        Self {
            observations: VecDeque::new(),
            begun_at: None,
            newest: 0,
            bytes: 0,
            arrived: 0,
            lost: 0,
            bound_bps: None,
        }
    }

    /// A packet was reported for the first time.
    pub(crate) fn add(&mut self, sent: Micros, size: u16, has_arrived: bool) {
        let begun_at = *self.begun_at.get_or_insert(sent);
        self.newest = self.newest.max(sent).max(begun_at);
        self.bytes += u64::from(size);
        if has_arrived { self.arrived += 1 } else { self.lost += 1 }
    }

    /// A packet reported missing has arrived.
    pub(crate) fn recover(&mut self) {
        if self.lost > 0 {
            self.lost -= 1;
            self.arrived += 1;
        } else if let Some(last) = self.observations.back_mut().filter(|last| last.lost >= 1.0) {
            last.lost -= 1.0;
            last.arrived += 1.0;
        }
    }

    /// The most that may be sent, bits per second.
    pub(crate) fn bound_bps(&self) -> Option<f64> {
        self.bound_bps
    }

    /// Share lost lately, 0 to 1.
    pub(crate) fn fraction(&self) -> f64 {
        share_lost(self.observations.iter().rev().take(4))
    }

    /// Share the path loses of its own, 0 to 1, over all observations kept: without those made while a queue stood,
    /// whose losses may be its overflow. 0 while too few were lost to tell.
    pub(crate) fn path_fraction(&self) -> f64 {
        let unqueued = self.observations.iter().filter(|seen| !seen.is_queued);
        let lost: f64 = unqueued.clone().map(|seen| seen.lost).sum();
        if lost < TELLING_LOSSES { 0.0 } else { share_lost(unqueued) }
    }

    /// A probe was delivered at this rate: what was lost above the bound before is out of date.
    pub(crate) fn raise(&mut self, delivered_bps: f64) {
        if self.bound_bps.is_some_and(|bound| bound < delivered_bps) {
            self.observations.clear();
            self.bound_bps = Some(delivered_bps);
        }
    }

    /// After a feedback. True when the bound is new or lower. `target_bps` is the rate now aimed at, and whether a
    /// long queue stands.
    pub(crate) fn update(&mut self, target_bps: f64, is_queued: bool) -> bool {
        let Some(begun_at) = self.begun_at else { return false };
        let span = self.newest - begun_at;
        if span < OBSERVATION || self.arrived + self.lost < MIN_PACKETS {
            if span > 4 * SECOND {
                // Hardly anything sent: nothing to learn.
                self.restart();
            }
            return false;
        }
        self.observations.push_back(Observation {
            sent_bps: bits(self.bytes) / seconds(span),
            arrived: f64::from(self.arrived),
            lost: f64::from(self.lost),
            is_queued,
        });
        if self.observations.len() > WINDOW {
            self.observations.pop_front();
        }
        self.restart();
        self.forget_a_better_link();
        let before = self.bound_bps;
        let allowed = self.highest_credible_bps();
        self.bound_bps = match (before, allowed) {
            (None, None) => None,
            (None, Some(allowed)) => (allowed < target_bps).then_some(allowed),
            (Some(before), allowed) => {
                let next = (before * GROWTH).min(allowed.unwrap_or(f64::MAX));
                // Nothing to bound any more.
                (next < 1.5 * target_bps || allowed.is_some()).then_some(next)
            }
        };
        match (before, self.bound_bps) {
            (None, Some(after)) => after < target_bps,
            (Some(before), Some(after)) => after < before,
            _ => false,
        }
    }

    /// The model takes the link for the same all along. When far more is lost from one moment to the next, it is not:
    /// what was seen before speaks for another link.
    fn forget_a_better_link(&mut self) {
        let older = self.observations.len().saturating_sub(2);
        let is_bad = self.observations.iter().skip(older).all(|seen| seen.loss() > BREAK);
        let lost: f64 = self.observations.iter().take(older).map(Observation::loss).sum();
        if older > 0 && is_bad && lost < BREAK / 2.0 * f64::from(u32::try_from(older).unwrap_or(u32::MAX)) {
            self.observations.drain(..older);
        }
    }

    fn restart(&mut self) {
        (self.begun_at, self.bytes, self.arrived, self.lost) = (Some(self.newest), 0, 0, 0);
    }

    /// The highest capacity the observations do not speak against; `None` for any.
    fn highest_credible_bps(&self) -> Option<f64> {
        if self.observations.iter().all(|seen| seen.lost == 0.0) {
            return None;
        }
        let fastest = self.observations.iter().fold(0.0_f64, |fastest, seen| fastest.max(seen.sent_bps));
        let unbounded = self.likelihood(fastest);
        let mut candidates = [0.0; CANDIDATES as usize];
        let mut capacity = fastest;
        let mut best = unbounded;
        for likelihood in &mut candidates {
            capacity *= CANDIDATE_STEP;
            *likelihood = self.likelihood(capacity);
            best = best.max(*likelihood);
        }
        if unbounded >= best - DOUBT {
            return None;
        }
        let mut capacity = fastest;
        for likelihood in candidates {
            capacity *= CANDIDATE_STEP;
            if likelihood >= best - DOUBT {
                break;
            }
        }
        Some(capacity)
    }

    /// Logarithm of how likely the observations are on a link of this capacity, with the loss of its own that suits
    /// them best.
    fn likelihood(&self, capacity_bps: f64) -> f64 {
        let is_queued = self.observations.back().is_some_and(|seen| seen.is_queued);
        let own = if is_queued { OWN_LOSS_QUEUED } else { OWN_LOSS };
        let most_own = (own + OWN_LOSS_THIN_BPS / capacity_bps.max(1.0)).min(OWN_LOSS_MAX);
        // The likelihood is concave in the share `kept` that the path does not lose: halve towards its top.
        let (mut low, mut high) = (1.0 - most_own, 1.0 - 1e-4);
        for _ in 0..8 {
            let kept = f64::midpoint(low, high);
            let rises = self.weighted().map(|(weight, seen)| {
                let fits = seen.fits(capacity_bps);
                weight * (seen.arrived / kept - seen.lost * fits / (1.0 - kept * fits))
            });
            if rises.sum::<f64>() > 0.0 { low = kept } else { high = kept }
        }
        let kept = f64::midpoint(low, high);
        let logs = self.weighted().map(|(weight, seen)| {
            let passes = kept * seen.fits(capacity_bps);
            weight * (seen.arrived * passes.ln() + seen.lost * (1.0 - passes).ln())
        });
        logs.sum::<f64>() / BURSTINESS
    }

    /// Newest first.
    fn weighted(&self) -> impl Iterator<Item = (f64, &Observation)> {
        let mut weight = 1.0 / AGEING;
        self.observations.iter().rev().map(move |seen| {
            weight *= AGEING;
            (weight, seen)
        })
    }
}

impl Observation {
    fn loss(&self) -> f64 {
        self.lost / (self.lost + self.arrived).max(1.0)
    }

    /// Share of what was sent that a link of this capacity has room for.
    fn fits(&self, capacity_bps: f64) -> f64 {
        if self.sent_bps > capacity_bps { capacity_bps / self.sent_bps } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends at rates (bits per second, seconds, loss) and gives the last answer.
    fn after(script: &[(f64, f64, f64)]) -> Option<f64> {
        let mut bound = LossBound::new();
        let (mut now, mut debt) = (0, 0.0);
        for &(rate_bps, seconds, loss) in script {
            let end = now + crate::clock::micros_of(seconds);
            while now < end {
                now += crate::clock::micros_of(8_000.0 / rate_bps);
                debt += loss;
                let is_lost = debt >= 1.0;
                if is_lost {
                    debt -= 1.0;
                }
                bound.add(now, 1000, !is_lost);
                bound.update(rate_bps, false);
            }
        }
        bound.bound_bps()
    }

    #[test]
    fn a_path_that_loses_the_same_at_every_rate_is_not_bounded() {
        assert_eq!(after(&[(1e6, 5.0, 0.0)]), None);
        for loss in [0.02, 0.05, 0.1] {
            assert_eq!(after(&[(5e5, 3.0, loss), (1.5e6, 5.0, loss)]), None, "{loss}");
        }
    }

    #[test]
    fn what_a_queue_may_have_lost_is_not_the_paths_own() {
        let mut bound = LossBound::new();
        for (step, is_queued) in (1..).zip([false, true]) {
            for packet in 0..40 {
                let is_lost = if is_queued { packet % 2 == 0 } else { packet % 10 == 3 };
                bound.add(step * SECOND + packet * 10 * MILLISECOND, 1000, !is_lost);
            }
            bound.update(1e6, is_queued);
        }
        assert!((bound.path_fraction() - 0.1).abs() < 1e-9, "{}", bound.path_fraction());
        assert!(bound.fraction() > 0.2, "{}", bound.fraction());
    }

    /// The share the path loses as it is known at each packet of sound alone, 50 a second, when one of so many is lost.
    fn of_path(one_in: i64, packets: i64) -> Vec<f64> {
        let mut bound = LossBound::new();
        let shares = (1..=packets).map(|packet| {
            bound.add(packet * 20 * MILLISECOND, 150, packet % one_in != 0);
            bound.update(1e5, false);
            bound.path_fraction()
        });
        shares.collect()
    }

    #[test]
    fn a_packet_lost_in_a_while_is_not_told_for_a_path_that_loses() {
        assert!(of_path(1000, 5000).iter().all(|share| *share == 0.0), "one in a thousand");
        for (one_in, within) in [(20, 80), (50, 170)] {
            let shares = of_path(one_in, 1000);
            let known_at = shares.iter().position(|share| *share >= 0.01);
            assert!(known_at.is_some_and(|at| at < within), "one in {one_in} after {known_at:?} packets");
            assert!(shares[within..].iter().all(|share| *share >= 0.01), "and it stays known");
        }
    }

    #[test]
    fn what_is_cut_off_above_a_rate_is_bounded_there() {
        // 2 Mbit/s into 500 kbit/s.
        let bound = after(&[(5e5, 3.0, 0.0), (2e6, 2.0, 0.75)]);
        assert!(bound.is_some_and(|bound| (4.5e5..7.5e5).contains(&bound)), "{bound:?}");
        // 1.4 Mbit/s into 1 Mbit/s, with a path that loses 2 % of its own.
        let bound = after(&[(5e5, 4.0, 0.02), (1.4e6, 3.0, 0.3)]);
        assert!(bound.is_some_and(|bound| (9e5..1.25e6).contains(&bound)), "{bound:?}");
    }

    #[test]
    fn heavy_loss_lowers_the_rate_though_it_explains_nothing() {
        let bound = after(&[(2e6, 10.0, 0.3)]);
        assert!(bound.is_some_and(|bound| bound < 1.8e6), "{bound:?}");
    }
}
