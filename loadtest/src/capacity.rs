//! The search for the largest load under which a promise holds: doubling until it breaks, then halving the
//! distance. Each step is a run of its own. What is found is written down so that anybody can repeat it.

use std::fmt::Write as _;

use serde::Serialize;

use crate::report::Report;
use crate::slo::Slo;

/// The search ends when the load that breaks is this close to the one that holds.
const CLOSE_PERCENT: u64 = 5;
/// A load is given up when it broke so often: one disturbance of the machine is no limit of the server.
const ATTEMPTS: usize = 2;

/// One run of the search.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// How much was loaded.
    pub load: u64,
    /// Why it does not hold; empty when it does.
    pub broken: Vec<String>,
    /// Packets forwarded in a second.
    pub forwarded_per_second: f64,
    /// 99th percentile of latency.
    pub p99_ms: Option<f64>,
    /// Lost of all owed.
    pub loss_ratio: f64,
    /// Processors the server kept busy.
    pub server_cpu_cores: Option<f64>,
    /// Why the load tester may be the limit.
    pub warning: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Certificate {
    /// What is counted, such as `subscribers`.
    pub unit: &'static str,
    /// The largest load that held; null when even the smallest broke.
    pub capacity: Option<u64>,
    /// The smallest load that broke; null when the search ended before any did.
    pub broke_at: Option<u64>,
    /// What had to hold.
    pub slo: Slo,
    /// At the limit the load tester was too busy itself: the server may do more.
    pub is_limited_by_tester: bool,
    /// Every run, in order.
    pub steps: Vec<Step>,
    /// The report of the largest load that held.
    pub report: Option<Report>,
}

/// Searches between 1 and `most`, beginning at `first`. `run` loads so much and reports.
pub(crate) fn search<E>(
    unit: &'static str,
    first: u64,
    most: u64,
    slo: &Slo,
    mut run: impl FnMut(u64) -> Result<Report, E>,
) -> Result<Certificate, E> {
    let mut found = Certificate {
        unit,
        capacity: None,
        broke_at: None,
        slo: slo.clone(),
        is_limited_by_tester: false,
        steps: Vec::new(),
        report: None,
    };
    let mut load = first.clamp(1, most.max(1));
    loop {
        if let Some(report) = found.try_load(load, &mut run)? {
            found.capacity = Some(load);
            found.report = Some(report);
        } else {
            found.broke_at = Some(load);
        }
        match next(found.capacity, found.broke_at, most) {
            Some(next) => load = next,
            None => return Ok(found),
        }
    }
}

/// The load to try next; `None` when the limit is known closely enough.
fn next(holds: Option<u64>, breaks: Option<u64>, most: u64) -> Option<u64> {
    match (holds, breaks) {
        (Some(holds), None) => Some(holds.saturating_mul(2).min(most)).filter(|next| *next > holds),
        (holds, Some(breaks)) => {
            let holds = holds.unwrap_or(0);
            let is_close = breaks - holds <= (holds * CLOSE_PERCENT / 100).max(1);
            (!is_close).then(|| holds + (breaks - holds) / 2)
        }
        (None, None) => None,
    }
}

impl Certificate {
    /// The report when the load held.
    fn try_load<E>(&mut self, load: u64, run: &mut impl FnMut(u64) -> Result<Report, E>) -> Result<Option<Report>, E> {
        for _ in 0..ATTEMPTS {
            let report = run(load)?;
            let broken = self.slo.broken_by(&report);
            let holds = broken.is_empty();
            self.is_limited_by_tester = if holds { false } else { report.loadtest.warning.is_some() };
            self.steps.push(Step {
                load,
                broken,
                forwarded_per_second: crate::number::float(report.forwarded_packets) / report.duration_s,
                p99_ms: report.latency_ms.p99,
                loss_ratio: report.loss_ratio,
                server_cpu_cores: report.server_cpu_cores,
                warning: report.loadtest.warning.clone(),
            });
            if holds {
                return Ok(Some(report));
            }
        }
        Ok(None)
    }

    /// As text for a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.report.as_ref().map(Report::to_text).unwrap_or_default();
        let mut line = |name: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:>16}  {value}");
        };
        for step in &self.steps {
            let verdict = if step.broken.is_empty() { "holds".to_owned() } else { step.broken.join("; ") };
            line("step", format!("{} {}: {verdict}", step.load, self.unit));
        }
        line("promise", self.slo.to_string());
        match self.capacity {
            Some(capacity) => line("capacity", format!("{capacity} {}", self.unit)),
            None => line("capacity", format!("none: 1 of {} is too much", self.unit)),
        }
        if self.is_limited_by_tester {
            line("limited by", "the load tester itself; the server may do more".to_owned());
        } else if self.broke_at.is_none() {
            line("limited by", "--most; the server may do more".to_owned());
        }
        text
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_limit_is_found_within_five_percent(limit in 0_u64..3000, first in 1_u64..300, most in 300_u64..2000) {
            let (mut holds, mut breaks) = (None, None);
            let mut load = first;
            let mut runs = 0;
            loop {
                if load <= limit { holds = Some(load) } else { breaks = Some(load) }
                runs += 1;
                prop_assert!(runs < 30);
                match next(holds, breaks, most) {
                    Some(next) => {
                        prop_assert!(next >= 1 && next <= most);
                        prop_assert!(Some(next) > holds && breaks.is_none_or(|breaks| next < breaks));
                        load = next;
                    }
                    None => break,
                }
            }
            if limit >= most {
                prop_assert_eq!((holds, breaks), (Some(most), None));
            } else if limit >= 1 {
                let found = holds.unwrap();
                prop_assert!(found <= limit && limit - found <= (found / 20).max(1));
            } else {
                prop_assert_eq!((holds, breaks), (None, Some(1)));
            }
        }
    }
}
