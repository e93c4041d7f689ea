//! A load that every server gets, and what came of it as `sluice loadtest` reports. Knows the load tester by its flags
//! and its JSON alone.

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::cage::Cage;
use super::search::Judged;
use super::servers::Serving;
use crate::running::Running;

/// Bytes of payload in a packet, in the middle of pictures of any rate.
pub(super) const PACKET_BYTES: u32 = 1100;
/// So many join in a second: what the slowest server takes without losing what others watch.
const JOINS_PER_SECOND: u32 = 25;
/// What counts as served.
const MAX_LOSS: f64 = 0.001;
const MAX_P99_MS: f64 = 20.0;
/// Publishers that send less than this part of what they should are another load.
const MIN_OFFERED: f64 = 0.97;

/// Who sends to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum People {
    /// One sends, so many receive.
    Webinar(u32),
    /// So many send to each other.
    Meeting(u32),
}

/// A load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) people: People,
    /// Packets each sender sends in a second.
    pub(super) packets_per_second: u32,
    /// How many of them leave together.
    pub(super) burst: u32,
}

/// What one server made of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) published_per_second: f64,
    pub(super) packets_per_second: f64,
    pub(super) cpu_us_per_packet: Option<f64>,
    pub(super) cpu_cores: Option<f64>,
    pub(super) loss: f64,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) rss_bytes: Option<f64>,
    /// Why this is no equal load, or not served at all.
    pub(super) troubles: Vec<String>,
    /// Why the figures may be the load tester's own.
    pub(super) warning: Option<String>,
}

impl Load {
    /// How many there are, as the table counts.
    pub(super) fn people(&self) -> u32 {
        match self.people {
            People::Webinar(people) | People::Meeting(people) => people,
        }
    }

    /// Packets that all publishers should send in a second.
    fn offered_per_second(&self) -> f64 {
        let publishers = match self.people {
            People::Webinar(_) => 1,
            People::Meeting(people) => people,
        };
        f64::from(publishers) * f64::from(self.packets_per_second)
    }

    fn arguments(&self) -> Vec<String> {
        let (scenario, flag, people) = match self.people {
            People::Webinar(people) => ("webinar", "--subscribers", people),
            People::Meeting(people) => ("meeting", "--participants", people),
        };
        let mut words = vec![scenario.to_owned(), flag.to_owned(), people.to_string()];
        for (flag, number) in [
            ("--pps", self.packets_per_second),
            ("--packet-bytes", PACKET_BYTES),
            ("--burst", self.burst),
            ("--join-rate", JOINS_PER_SECOND),
        ] {
            words.extend([flag.to_owned(), number.to_string()]);
        }
        words
    }

    /// Loads a server for so long. A load tester that gives up is an outcome like any other.
    pub(super) fn run(
        &self,
        tester: &Path,
        cage: &Cage,
        server: &Serving<'_>,
        duration: Duration,
    ) -> anyhow::Result<Outcome> {
        let json = super::workshop()?.join("report.json");
        // What an earlier run left is not this one's.
        let _ = std::fs::remove_file(&json);
        let mut command = cage.tester(tester);
        command.arg("loadtest").args(self.arguments());
        command.args(["--url", &server.url, "--api-key", &server.key, "--api-secret", &server.secret]);
        command.args(["--duration", &format!("{}s", duration.as_secs()), "--server-pid", &server.pid.to_string()]);
        command
            .arg("--json")
            .arg(&json)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let tester = Running::start(&mut command).context("the load tester")?;
        let mut said = Vec::new();
        if let Some(mut complaints) = tester.take_stderr() {
            complaints.read_to_end(&mut said)?;
        }
        if !tester.wait()?.success() {
            let said = String::from_utf8_lossy(&said);
            let said = said
                .lines()
                .last()
                .unwrap_or("the load tester failed")
                .trim_start_matches("error: ")
                .to_owned();
            return Ok(Outcome { troubles: vec![said], ..Outcome::default() });
        }
        let text = std::fs::read_to_string(&json).context("the load tester's report")?;
        let report = serde_json::from_str(&text).context("the load tester's report")?;
        Ok(Outcome::read(&report)?.of(self))
    }
}

impl Outcome {
    /// Reads the report of the load tester.
    fn read(report: &Value) -> anyhow::Result<Self> {
        let number = |path: &str| report.pointer(path).and_then(Value::as_f64);
        let needed = |path: &str| number(path).with_context(|| format!("the load tester's report has no {path}"));
        let seconds = needed("/duration_s")?;
        ensure!(seconds > 0.0, "the load tester measured nothing");
        let mut troubles = Vec::new();
        let (expected, flowing) = (needed("/subscriptions/expected")?, needed("/subscriptions/flowing")?);
        if flowing < expected {
            troubles.push(format!("{flowing} of {expected} subscriptions flowed"));
        }
        for (path, what) in [("/participants/failed", "participants failed"), ("/subscriptions/silent", "fell silent")]
        {
            let count = needed(path)?;
            if count > 0.0 {
                troubles.push(format!("{count} {what}"));
            }
        }
        Ok(Self {
            published_per_second: needed("/published_packets")? / seconds,
            packets_per_second: needed("/forwarded_packets")? / seconds,
            cpu_us_per_packet: number("/server_cpu_us_per_packet"),
            cpu_cores: number("/server_cpu_cores"),
            loss: needed("/loss_ratio")?,
            p50_ms: number("/latency_ms/p50"),
            p99_ms: number("/latency_ms/p99"),
            rss_bytes: number("/server_rss_bytes"),
            troubles,
            warning: report.pointer("/loadtest/warning").and_then(Value::as_str).map(str::to_owned),
        })
    }

    /// The load tester is to blame where publishers did not send what they should.
    fn of(mut self, load: &Load) -> Self {
        let part = self.published_per_second / load.offered_per_second();
        if self.troubles.is_empty() && part < MIN_OFFERED {
            self.troubles.push(format!("publishers sent only {:.0} % of this load", part * 100.0));
            self.warning.get_or_insert_with(|| "the load tester did not keep up".to_owned());
        }
        self
    }

    /// Whether everybody was served.
    pub(super) fn judge(&self) -> Judged {
        let holds =
            self.troubles.is_empty() && self.loss <= MAX_LOSS && self.p99_ms.is_some_and(|p99| p99 <= MAX_P99_MS);
        match (holds, &self.warning) {
            (true, _) => Judged::Holds,
            (false, Some(_)) => Judged::TesterBreaks,
            (false, None) => Judged::Breaks,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn report() -> Value {
        json!({
            "duration_s": 4.0, "published_packets": 960, "forwarded_packets": 96_000, "loss_ratio": 0.0005,
            "latency_ms": { "p50": 0.2, "p99": 1.5 },
            "subscriptions": { "expected": 100, "flowing": 100, "silent": 0 }, "participants": { "failed": 0 },
            "server_cpu_us_per_packet": 1.5, "server_cpu_cores": 0.036, "server_rss_bytes": 1_000_000,
            "loadtest": { "warning": null },
        })
    }

    #[test]
    fn the_report_of_the_load_tester_is_read_and_judged() {
        let outcome = Outcome::read(&report()).unwrap();
        assert_eq!((outcome.packets_per_second, outcome.cpu_us_per_packet), (24_000.0, Some(1.5)));
        assert_eq!(outcome.judge(), Judged::Holds);
        let with = |path: &str, value: Value| {
            let mut report = report();
            *report.pointer_mut(path).unwrap() = value;
            Outcome::read(&report).unwrap().judge()
        };
        assert_eq!(with("/loss_ratio", json!(0.002)), Judged::Breaks);
        assert_eq!(with("/latency_ms/p99", json!(20.5)), Judged::Breaks);
        assert_eq!(with("/latency_ms/p99", Value::Null), Judged::Breaks);
        // Who was never served lost nothing.
        assert_eq!(with("/subscriptions/flowing", json!(99)), Judged::Breaks);
        assert_eq!(with("/participants/failed", json!(1)), Judged::Breaks);
        assert_eq!(with("/loadtest/warning", json!("busy")), Judged::Holds);
    }

    #[test]
    fn what_an_overloaded_tester_measures_is_not_held_against_the_server() {
        let mut report = report();
        report["loss_ratio"] = json!(0.5);
        report["loadtest"]["warning"] = json!("a media thread was 99 % busy");
        assert_eq!(Outcome::read(&report).unwrap().judge(), Judged::TesterBreaks);
    }

    #[test]
    fn a_load_that_was_not_offered_is_no_equal_load() {
        let under = |packets_per_second| {
            let load = Load { people: People::Webinar(100), packets_per_second, burst: 1 };
            Outcome::read(&report()).unwrap().of(&load)
        };
        assert_eq!(under(240).judge(), Judged::Holds);
        assert_eq!(under(480).judge(), Judged::TesterBreaks);
        assert_eq!(under(480).troubles, ["publishers sent only 50 % of this load"]);
    }

    #[test]
    fn a_report_of_another_kind_is_an_error() {
        assert!(Outcome::read(&json!({})).is_err());
        assert!(Outcome::read(&json!({ "duration_s": 0.0 })).is_err());
    }

    #[test]
    fn a_load_is_said_in_the_flags_of_the_load_tester() {
        let load = Load { people: People::Webinar(50), packets_per_second: 240, burst: 8 };
        let words = load.arguments().join(" ");
        assert_eq!(words, "webinar --subscribers 50 --pps 240 --packet-bytes 1100 --burst 8 --join-rate 25");
    }
}
