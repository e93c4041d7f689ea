//! A small model of what a browser's congestion control makes of its way up: it grows slowly, probes now and then,
//! falls to what came through when the delay grows, gives way to heavy loss, and collapses when the server sends no
//! feedback any more. Told by the way itself, which it asks as feedback would: no server can flatter it.

use std::time::{Duration, Instant};

use crate::network::Passage;

/// How often it thinks.
const EVERY: Duration = Duration::from_millis(100);
/// What it looks back at.
const WINDOW: Duration = Duration::from_millis(500);
/// Packets waiting longer than this mean that more is sent than fits.
const OVERUSE: Duration = Duration::from_millis(40);
/// Loss that a sender takes for congestion.
const HEAVY_LOSS: f64 = 0.1;
/// Growth per second without complaint.
const GROWTH: f64 = 1.08;
/// How often it probes for more than it sends, and how far.
const PROBE_EVERY: Duration = Duration::from_secs(3);
const PROBE_FACTOR: f64 = 2.0;
/// No feedback for so long: something is wrong.
const DEAF_AFTER: Duration = Duration::from_secs(2);
const START_BPS: f64 = 1_000_000.0;
const BOUNDS_BPS: (f64, f64) = (50_000.0, 4_000_000.0);

#[derive(Debug)]
pub(crate) struct Estimate {
    bps: f64,
    thought_at: Instant,
    probed_at: Instant,
    fell_at: Instant,
    heard_at: Instant,
}

impl Estimate {
    pub(crate) fn new(now: Instant) -> Self {
        Self { bps: START_BPS, thought_at: now, probed_at: now, fell_at: now, heard_at: now }
    }

    /// Feedback came.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// The estimate, when it is time for a new one. `capacity_bps` is what a probe would find.
    pub(crate) fn poll(&mut self, sent: &mut Vec<Passage>, capacity_bps: Option<u64>, now: Instant) -> Option<u64> {
        if now < self.thought_at + EVERY {
            return None;
        }
        let elapsed = (now - self.thought_at).as_secs_f64();
        self.thought_at = now;
        sent.retain(|passage| passage.sent_at + WINDOW > now);
        let lost = sent.iter().filter(|passage| passage.queued.is_none()).count() as f64 / sent.len().max(1) as f64;
        let came: usize = sent.iter().filter(|passage| passage.queued.is_some()).map(|passage| passage.len).sum();
        let acknowledged = came as f64 * 8.0 / WINDOW.as_secs_f64();
        let queued = sent.iter().filter_map(|passage| passage.queued).next_back().unwrap_or_default();
        let has_settled = now >= self.fell_at + WINDOW;
        if now > self.heard_at + DEAF_AFTER {
            self.bps *= 0.9;
        } else if queued > OVERUSE {
            if has_settled {
                self.bps = self.bps.min(acknowledged * 0.85);
                self.fell_at = now;
            }
        } else if lost > HEAVY_LOSS {
            if has_settled {
                self.bps *= 1.0 - lost / 2.0;
                self.fell_at = now;
            }
        } else {
            self.bps *= GROWTH.powf(elapsed);
            if now >= self.probed_at + PROBE_EVERY && has_settled {
                self.probed_at = now;
                let found = capacity_bps.map_or(f64::MAX, |capacity| capacity as f64 * 0.9);
                self.bps = self.bps.max((self.bps * PROBE_FACTOR).min(found));
            }
        }
        self.bps = self.bps.clamp(BOUNDS_BPS.0, BOUNDS_BPS.1);
        Some(self.bps as u64)
    }
}
