//! What a service must hold: `p99<20ms loss<0.1%`. Says of a report whether it holds, and where it does not.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::report::Report;

/// What can be bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    P50,
    P90,
    P99,
    P999,
    Max,
    Loss,
    Freeze,
    FirstFrame,
    Join,
    Resume,
}

const FIGURES: [(&str, Figure); 10] = [
    ("p50", Figure::P50),
    ("p90", Figure::P90),
    ("p99", Figure::P99),
    ("p999", Figure::P999),
    ("max", Figure::Max),
    ("loss", Figure::Loss),
    ("freeze", Figure::Freeze),
    ("first_frame", Figure::FirstFrame),
    ("join", Figure::Join),
    ("resume", Figure::Resume),
];

impl Figure {
    fn name(self) -> &'static str {
        FIGURES.iter().find(|(_, figure)| *figure == self).map_or("", |(name, _)| name)
    }

    fn unit(self) -> &'static str {
        if matches!(self, Self::Loss | Self::Freeze) { "%" } else { "ms" }
    }

    /// In its unit; `None` when there was nothing to measure.
    fn of(self, report: &Report) -> Option<f64> {
        match self {
            Self::P50 => report.latency_ms.p50,
            Self::P90 => report.latency_ms.p90,
            Self::P99 => report.latency_ms.p99,
            Self::P999 => report.latency_ms.p999,
            Self::Max => report.latency_ms.max,
            Self::Loss => Some(report.loss_ratio * 100.0),
            Self::Freeze => Some(report.freezes.ratio * 100.0),
            Self::FirstFrame => report.first_frame_ms.p95,
            Self::Join => report.join_ms.p95,
            Self::Resume => report.resume_ms.p95,
        }
    }
}

/// Bounds that must all hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    bounds: Vec<(Figure, f64)>,
}

impl Slo {
    /// What does not hold; nothing when all does. People who could not take part, streams that never flowed and
    /// streams that fell silent break every promise.
    #[must_use]
    pub fn broken_by(&self, report: &Report) -> Vec<String> {
        let mut broken = Vec::new();
        let (people, streams) = (&report.participants, &report.subscriptions);
        let absent = people.failed.max(people.came.saturating_sub(people.connected));
        if absent > 0 {
            broken.push(format!("{absent} of {} participants could not take part", people.came));
        }
        if streams.flowing < streams.expected {
            broken.push(format!("{} of {} streams never flowed", streams.expected - streams.flowing, streams.expected));
        }
        if streams.silent > 0 {
            broken.push(format!("{} streams fell silent", streams.silent));
        }
        if report.forwarded_packets == 0 {
            broken.push("nothing was forwarded".to_owned());
        }
        for (figure, bound) in &self.bounds {
            if let Some(value) = figure.of(report).filter(|value| value >= bound) {
                let (name, unit) = (figure.name(), figure.unit());
                broken.push(format!("{name} {value:.3} {unit}, not below {bound} {unit}"));
            }
        }
        broken
    }
}

impl FromStr for Slo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let accepted = || {
            let names: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
            format!("accepted: bounds such as \"p99<20ms loss<0.1%\", of {}", names.join(", "))
        };
        let bounds = text.split([' ', ',']).filter(|term| !term.is_empty()).map(|term| {
            let (name, bound) = term.split_once('<')?;
            let (_, figure) = FIGURES.iter().find(|(known, _)| *known == name)?;
            let bound = bound.strip_suffix(figure.unit())?.parse::<f64>().ok()?;
            (bound.is_finite() && bound > 0.0).then_some((*figure, bound))
        });
        let bounds: Vec<(Figure, f64)> = bounds.collect::<Option<_>>().ok_or_else(accepted)?;
        if bounds.is_empty() { Err(accepted()) } else { Ok(Self { bounds }) }
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (figure, bound)) in self.bounds.iter().enumerate() {
            let space = if place > 0 { " " } else { "" };
            write!(f, "{space}{}<{bound}{}", figure.name(), figure.unit())?;
        }
        Ok(())
    }
}

impl Serialize for Slo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn bounds_are_read_and_written_back() {
        for text in ["p99<20ms loss<0.1%", "max<5ms", "first_frame<500ms join<300ms freeze<1%"] {
            assert_eq!(text.parse::<Slo>().unwrap().to_string(), text);
        }
        assert_eq!("p99<20ms, loss<0.1%".parse::<Slo>(), "p99<20ms loss<0.1%".parse());
    }

    #[test]
    fn what_is_no_bound_is_refused_with_those_there_are() {
        for bad in ["", "p99", "p99<20", "p99<20%", "loss<1ms", "p98<1ms", "p99>1ms", "p99<-1ms", "p99<nanms"] {
            assert!(bad.parse::<Slo>().unwrap_err().contains("first_frame"), "{bad}");
        }
    }
}
