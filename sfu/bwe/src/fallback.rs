//! The rate without transport-wide feedback: what the receiver estimates itself (REMB, draft-alvestrand-rmcat-remb-03),
//! and below it the loss of the receiver reports.
//!
//! Owned by the controller.

use crate::clock::{MILLISECOND, Micros};

/// Loss below which the rate may grow, and above which it falls (draft-ietf-rmcat-gcc-02 section 6).
const LITTLE: f64 = 0.02;
const MUCH: f64 = 0.10;
/// Growth with a report.
const GROWTH: f64 = 1.08;
/// Reports of several streams come together and say the same.
const REPORTS_APART: Micros = 500 * MILLISECOND;

/// The state.
#[derive(Debug)]
pub(crate) struct Fallback {
    /// By loss alone.
    by_loss_bps: f64,
    remb_bps: Option<f64>,
    loss: f64,
    changed_at: Option<Micros>,
}

impl Fallback {
    pub(crate) fn new(start_bps: f64) -> Self {
        Self { by_loss_bps: start_bps, remb_bps: None, loss: 0.0, changed_at: None }
    }

    pub(crate) fn has_remb(&self) -> bool {
        self.remb_bps.is_some()
    }

    pub(crate) fn loss(&self) -> f64 {
        self.loss
    }

    pub(crate) fn remb_bps(&self) -> Option<f64> {
        self.remb_bps
    }

    pub(crate) fn by_loss_bps(&self) -> f64 {
        self.by_loss_bps
    }

    pub(crate) fn target_bps(&self) -> f64 {
        self.remb_bps.unwrap_or(f64::MAX).min(self.by_loss_bps)
    }

    /// The receiver's estimate.
    pub(crate) fn handle_remb(&mut self, bps: f64) {
        // The first one is evidence, and so is one that rises while the loss bounds nothing.
        if self.loss < LITTLE {
            self.by_loss_bps = self.by_loss_bps.max(bps);
        }
        self.remb_bps = Some(bps);
    }

    /// The receiver's loss, 0 to 1.
    pub(crate) fn handle_loss(&mut self, loss: f64, is_application_limited: bool, max_bps: f64, now: Micros) {
        self.loss = loss;
        if self.changed_at.is_some_and(|at| now - at < REPORTS_APART) {
            return;
        }
        if loss > MUCH {
            self.by_loss_bps = self.target_bps() * (1.0 - 0.5 * loss);
        } else if loss < LITTLE && (self.has_remb() || !is_application_limited) {
            self.by_loss_bps = (self.by_loss_bps * GROWTH).min(max_bps);
        } else {
            return;
        }
        self.changed_at = Some(now);
    }
}
