//! Is a queue growing? The slope of the delay over the last groups, against a threshold that adapts to the path.
//!
//! draft-ietf-rmcat-gcc-02 section 5.3 and 5.4, with the linear fit that took the place of its Kalman filter (Carlucci
//! et al., "Congestion Control for Web Real-Time Communication", 2017). Owned by the controller. It knows nothing of
//! rates.

use std::collections::VecDeque;

use crate::clock::milliseconds;
use crate::inter_arrival::Delta;

/// Groups in the fit: at 30 pictures a second some 300 to 600 ms.
const WINDOW: usize = 20;
/// Share of the old in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// The slope is scaled by the number of groups, up to this, and by the gain, to the scale of the threshold.
const MAX_GROUPS: u32 = 60;
const GAIN: f64 = 4.0;
/// How fast the threshold follows a trend above and below it, per millisecond.
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
const THRESHOLD_START: f64 = 12.5;
const THRESHOLD_MIN: f64 = 6.0;
const THRESHOLD_MAX: f64 = 600.0;
/// A trend further above the threshold is congestion, not the path's jitter: it does not raise the threshold.
const THRESHOLD_REACH: f64 = 15.0;
/// The trend must stay above the threshold for so long, in milliseconds.
const OVERUSE_MS: f64 = 10.0;

/// What the delay says about the bottleneck's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Usage {
    /// The queue drains.
    Underusing,
    /// The queue does not change.
    #[default]
    Normal,
    /// The queue grows.
    Overusing,
}

/// The estimator.
#[derive(Debug)]
pub(crate) struct Trendline {
    /// Arrival and smoothed delay, in milliseconds.
    points: VecDeque<(f64, f64)>,
    groups: u32,
    arrived_ms: f64,
    accumulated_ms: f64,
    smoothed_ms: f64,
    threshold: f64,
    previous_trend: f64,
    over_ms: Option<f64>,
    over_count: u32,
    usage: Usage,
}

impl Trendline {
    pub(crate) fn new() -> Self {
        Self {
            points: VecDeque::with_capacity(WINDOW + 1),
            groups: 0,
            arrived_ms: 0.0,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            threshold: THRESHOLD_START,
            previous_trend: 0.0,
            over_ms: None,
            over_count: 0,
            usage: Usage::Normal,
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// Takes the gap between two groups.
    pub(crate) fn add(&mut self, delta: Delta) {
        self.groups = (self.groups + 1).min(MAX_GROUPS);
        self.arrived_ms += milliseconds(delta.arrived);
        self.accumulated_ms += milliseconds(delta.arrived - delta.sent);
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        self.points.push_back((self.arrived_ms, self.smoothed_ms));
        if self.points.len() > WINDOW {
            self.points.pop_front();
        }
        let slope = if self.points.len() == WINDOW { slope(&self.points) } else { None };
        let trend = slope.unwrap_or(0.0);
        self.detect(trend, delta);
    }

    fn detect(&mut self, trend: f64, delta: Delta) {
        let sent_ms = milliseconds(delta.sent);
        let scaled = trend * f64::from(self.groups) * GAIN;
        if scaled > self.threshold {
            let over_ms = self.over_ms.map_or(sent_ms / 2.0, |over| over + sent_ms);
            self.over_ms = Some(over_ms);
            self.over_count += 1;
            if over_ms > OVERUSE_MS && self.over_count > 1 && trend >= self.previous_trend {
                self.over_ms = Some(0.0);
                self.over_count = 0;
                self.usage = Usage::Overusing;
            }
        } else {
            self.over_ms = None;
            self.over_count = 0;
            self.usage = if scaled < -self.threshold { Usage::Underusing } else { Usage::Normal };
        }
        self.previous_trend = trend;
        self.adapt(scaled.abs(), milliseconds(delta.arrived));
    }

    fn adapt(&mut self, scaled: f64, elapsed_ms: f64) {
        if scaled > self.threshold + THRESHOLD_REACH {
            return;
        }
        let gain = if scaled < self.threshold { THRESHOLD_DOWN } else { THRESHOLD_UP };
        let step = gain * (scaled - self.threshold) * elapsed_ms.clamp(0.0, 100.0);
        self.threshold = (self.threshold + step).clamp(THRESHOLD_MIN, THRESHOLD_MAX);
    }
}

/// Least squares. `None` when all points share one time.
fn slope(points: &VecDeque<(f64, f64)>) -> Option<f64> {
    let (mut sum_x, mut sum_y, mut count) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        sum_x += x;
        sum_y += y;
        count += 1.0;
    }
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (x, y) in points {
        covariance += (x - mean_x) * (y - mean_y);
        variance += (x - mean_x) * (x - mean_x);
    }
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{MILLISECOND, Micros};

    /// Feeds groups 20 ms apart, each `extra_us` later than the one before, until the verdict is `usage`.
    fn groups_until(trendline: &mut Trendline, extra_us: Micros, usage: Usage) -> Option<u32> {
        (1..200).find(|_| {
            let sent = 20 * MILLISECOND;
            trendline.add(Delta { sent, arrived: sent + extra_us });
            trendline.usage() == usage
        })
    }

    #[test]
    fn a_growing_queue_is_seen_and_a_draining_one() {
        let mut trendline = Trendline::new();
        assert_eq!(groups_until(&mut trendline, 0, Usage::Overusing), None);
        let groups = groups_until(&mut trendline, 4_000, Usage::Overusing);
        assert!(groups.is_some_and(|groups| groups <= 15), "20 % too fast, seen after {groups:?} groups");
        let groups = groups_until(&mut trendline, -4_000, Usage::Underusing);
        assert!(groups.is_some_and(|groups| groups <= 60), "drains, seen after {groups:?} groups");
        assert!(groups_until(&mut trendline, 0, Usage::Normal).is_some());
    }
}
