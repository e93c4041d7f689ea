//! The rate the delay allows: up while the queue is still, down below what arrived when it grows.
//!
//! draft-ietf-rmcat-gcc-02 section 5.5 and 6. Owned by the controller; it knows neither packets nor loss.

use crate::clock::{MILLISECOND, Micros, SECOND, seconds};
use crate::throughput::Throughput;
use crate::trendline::Usage;

/// After congestion: this share of what the link delivered, so that the queue drains.
const BETA: f64 = 0.85;
/// Growth in a second while the capacity is unknown.
const GROWTH: f64 = 1.08;
/// The estimate stays within this share of what was delivered while it grows: it is evidence that lifts it.
const EVIDENCE: f64 = 1.1;
const EVIDENCE_SLACK_BPS: f64 = 5e3;
/// Less than this share of the estimate delivered, and the estimate is not what the link was loaded with.
const LOADED: f64 = 0.8;
/// A span stretched by less than this on the way delivered all that was sent into it.
const STRETCHED: f64 = 1.15;

/// The state.
#[derive(Debug)]
pub(crate) struct Aimd {
    target_bps: f64,
    min_bps: f64,
    max_bps: f64,
    phase: Phase,
    capacity: LinkCapacity,
    updated_at: Option<Micros>,
    changed_at: Micros,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A queue drains, or has just begun to.
    Hold,
    Increase,
}

/// What the rate is decided by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation {
    pub(crate) usage: Usage,
    /// Delivered lately, long and short window.
    pub(crate) smooth: Option<Throughput>,
    pub(crate) recent: Option<Throughput>,
    pub(crate) rtt: Micros,
    /// False while the sender uses little of the rate, so that what arrives proves nothing, and while a queue stands.
    pub(crate) may_grow: bool,
}

impl Aimd {
    pub(crate) fn new(start_bps: f64, min_bps: f64, max_bps: f64) -> Self {
        Self {
            target_bps: start_bps.clamp(min_bps, max_bps),
            min_bps,
            max_bps,
            phase: Phase::Hold,
            capacity: LinkCapacity::default(),
            updated_at: None,
            changed_at: 0,
        }
    }

    pub(crate) fn target_bps(&self) -> f64 {
        self.target_bps
    }

    /// Sets the rate: a probe showed it, or feedback has been missing for long.
    pub(crate) fn set(&mut self, target_bps: f64, now: Micros) {
        self.target_bps = target_bps.clamp(self.min_bps, self.max_bps);
        self.changed_at = now;
    }

    /// A probe was delivered at a rate above what was held for the link's capacity: forget that.
    pub(crate) fn forget_capacity(&mut self) {
        self.capacity = LinkCapacity::default();
    }

    /// Decides after a feedback. True when the rate was lowered.
    pub(crate) fn update(&mut self, situation: Situation, now: Micros) -> bool {
        let elapsed = now - self.updated_at.replace(now).unwrap_or(now);
        match situation.usage {
            Usage::Underusing => self.phase = Phase::Hold,
            Usage::Normal if self.phase == Phase::Hold => self.phase = Phase::Increase,
            Usage::Normal => self.increase(situation, elapsed),
            Usage::Overusing => return self.decrease(situation, now),
        }
        false
    }

    fn increase(&mut self, situation: Situation, elapsed: Micros) {
        let Some(delivered) = situation.smooth.map(|smooth| smooth.bps) else { return };
        if self.capacity.upper().is_some_and(|upper| delivered > upper) {
            self.capacity = LinkCapacity::default();
        }
        let limit = delivered * EVIDENCE + EVIDENCE_SLACK_BPS;
        if !situation.may_grow || self.target_bps >= limit {
            return;
        }
        // A pause in the feedback is not a time of growth.
        let elapsed = seconds(elapsed.clamp(0, SECOND / 2));
        let grown = if self.capacity.lower().is_some_and(|lower| delivered > lower) {
            self.target_bps + additive_bps_per_second(self.target_bps, situation.rtt) * elapsed
        } else {
            (self.target_bps * GROWTH.powf(elapsed)).max(self.target_bps + 1e3 * elapsed)
        };
        self.target_bps = grown.min(limit).clamp(self.min_bps, self.max_bps);
    }

    fn decrease(&mut self, situation: Situation, now: Micros) -> bool {
        let delivered = match (situation.recent, situation.smooth) {
            (Some(recent), Some(smooth)) if smooth.bps < recent.bps => Some(smooth),
            (recent, smooth) => recent.or(smooth),
        };
        // What a lower rate does shows after a round trip.
        let patience = situation.rtt.clamp(10 * MILLISECOND, 200 * MILLISECOND) + 50 * MILLISECOND;
        let is_far_off = delivered.is_some_and(|delivered| delivered.bps < self.target_bps / 2.0);
        let is_due = now - self.changed_at >= patience;
        self.phase = Phase::Hold;
        let Some(delivered) = delivered else {
            if is_due {
                self.set(self.target_bps / 2.0, now);
            }
            return is_due;
        };
        let below_delivered = BETA * delivered.bps;
        let is_loaded = delivered.bps > LOADED * self.target_bps || delivered.stretch > STRETCHED;
        // A forwarder mostly sends less than it could. If all of that still arrives at the pace it was sent at, the
        // delay says "a little less", and what was sent says nothing about how much.
        let lowered = if is_loaded { below_delivered } else { below_delivered.max(BETA * self.target_bps) };
        if !(is_due || is_far_off && is_loaded) || lowered >= self.target_bps {
            return false;
        }
        if is_loaded {
            self.capacity.note(delivered.bps);
        }
        self.set(lowered, now);
        true
    }
}

/// About one packet in each response time.
fn additive_bps_per_second(target_bps: f64, rtt: Micros) -> f64 {
    let picture_bits = target_bps / 30.0;
    let packets = (picture_bits / (1200.0 * 8.0)).ceil().max(1.0);
    let response = seconds(rtt.clamp(0, 2 * SECOND) + 100 * MILLISECOND);
    (picture_bits / packets / response).max(4e3)
}

/// Where congestion was met before: mean and spread of what was delivered then.
#[derive(Debug, Default)]
struct LinkCapacity {
    kbps: Option<f64>,
    /// Variance over the mean.
    deviation_kbps: f64,
}

impl LinkCapacity {
    /// How much one meeting counts.
    const GAIN: f64 = 0.05;

    fn note(&mut self, delivered_bps: f64) {
        let sample = delivered_bps / 1e3;
        if self.lower().is_some_and(|lower| delivered_bps < lower) {
            *self = Self::default();
        }
        let mean = self.kbps.map_or(sample, |mean| mean + Self::GAIN * (sample - mean));
        let error = mean - sample;
        let spread = error * error / mean.max(1.0);
        let deviation = if self.kbps.is_some() { self.deviation_kbps } else { 0.4 };
        self.deviation_kbps = ((1.0 - Self::GAIN) * deviation + Self::GAIN * spread).clamp(0.4, 2.5);
        self.kbps = Some(mean);
    }

    fn upper(&self) -> Option<f64> {
        self.kbps.map(|mean| (mean + 3.0 * (self.deviation_kbps * mean).sqrt()) * 1e3)
    }

    fn lower(&self) -> Option<f64> {
        self.kbps.map(|mean| (mean - 3.0 * (self.deviation_kbps * mean).sqrt()).max(0.0) * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(bps: f64, stretch: f64) -> Option<Throughput> {
        Some(Throughput { bps, stretch })
    }

    fn situation(usage: Usage, throughput: Option<Throughput>) -> Situation {
        Situation { usage, smooth: throughput, recent: throughput, rtt: 50_000, may_grow: true }
    }

    #[test]
    fn it_grows_by_evidence_only() {
        let mut aimd = Aimd::new(1e6, 5e4, 5e6);
        for feedback in 1..200 {
            aimd.update(situation(Usage::Normal, delivered(1e6, 1.0)), feedback * 100_000);
        }
        assert!((1.09e6..1.12e6).contains(&aimd.target_bps()), "{}", aimd.target_bps());
        let before = aimd.target_bps();
        let limited = Situation { may_grow: false, ..situation(Usage::Normal, delivered(5e6, 1.0)) };
        aimd.update(limited, 21_000_000);
        assert_eq!(aimd.target_bps().to_bits(), before.to_bits());
    }

    #[test]
    fn a_link_that_delivers_less_than_it_is_sent_sets_the_rate() {
        let mut aimd = Aimd::new(2e6, 5e4, 5e6);
        assert!(aimd.update(situation(Usage::Overusing, delivered(5e5, 2.0)), 1_000_000));
        assert!((4.2e5..4.3e5).contains(&aimd.target_bps()));
    }

    #[test]
    fn a_quarter_sent_and_delivered_costs_little_when_the_delay_complains() {
        let mut aimd = Aimd::new(2e6, 5e4, 5e6);
        assert!(aimd.update(situation(Usage::Overusing, delivered(5e5, 1.02)), 1_000_000));
        assert!((1.69e6..1.71e6).contains(&aimd.target_bps()));
        assert!(!aimd.update(situation(Usage::Overusing, delivered(5e5, 1.02)), 1_050_000), "one at a time");
    }
}
