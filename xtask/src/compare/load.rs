//! A load that every server gets, and what came of it as `sluice loadtest` reports. Knows the load tester by its flags
//! and its JSON alone.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::cage::Cage;
use super::servers::Serving;
use super::table::median;
use crate::running::Running;

/// Bytes of payload in a packet, in the middle of pictures of any rate.
pub(super) const PACKET_BYTES: u32 = 1100;
/// So many join in a second: what the slowest server takes without losing what others watch. Who joins a meeting changes
/// the connection of everybody in it.
const JOINS_PER_SECOND: u32 = 50;
const MEETING_JOINS_PER_SECOND: u32 = 10;
/// What counts as served.
const MAX_LOSS: f64 = 0.001;
const MAX_P99_MS: f64 = 20.0;
/// Publishers that send less than this part of what they should are another load.
const MIN_OFFERED: f64 = 0.97;

/// Who sends to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum People {
    /// Some send, others receive.
    Stage { publishers: u32, subscribers: u32 },
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
    /// The median of the seconds measured, and the cheapest and dearest of them.
    pub(super) cpu_us_per_packet: Option<f64>,
    pub(super) cpu_us_range: Option<(f64, f64)>,
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
    /// How many there are, as tables say it.
    pub(super) fn label(&self) -> String {
        match self.people {
            People::Stage { publishers: 1, subscribers } => subscribers.to_string(),
            People::Stage { publishers, subscribers } => format!("{publishers} to {subscribers}"),
            People::Meeting(people) => people.to_string(),
        }
    }

    /// How many receive.
    pub(super) fn audience(&self) -> u32 {
        match self.people {
            People::Stage { subscribers: people, .. } | People::Meeting(people) => people,
        }
    }

    /// How many send.
    pub(super) fn publishers(&self) -> u32 {
        match self.people {
            People::Stage { publishers: people, .. } | People::Meeting(people) => people,
        }
    }

    /// Packets that all publishers should send in a second.
    fn offered_per_second(&self) -> f64 {
        f64::from(self.publishers()) * f64::from(self.packets_per_second)
    }

    fn arguments(&self) -> Vec<String> {
        let (scenario, people, join_rate) = match self.people {
            People::Stage { publishers, subscribers } => {
                ("webinar", vec![("--publishers", publishers), ("--subscribers", subscribers)], JOINS_PER_SECOND)
            }
            People::Meeting(people) => ("meeting", vec![("--participants", people)], MEETING_JOINS_PER_SECOND),
        };
        let mut words = vec![scenario.to_owned()];
        let packets = [
            ("--pps", self.packets_per_second),
            ("--packet-bytes", PACKET_BYTES),
            ("--burst", self.burst),
            ("--join-rate", join_rate),
        ];
        for (flag, number) in people.into_iter().chain(packets) {
            words.extend([flag.to_owned(), number.to_string()]);
        }
        words
    }

    /// Loads a server for so many seconds. A load tester that gives up is an outcome like any other.
    pub(super) fn run(
        &self,
        tester: &Path,
        cage: &Cage,
        server: &Serving<'_>,
        seconds: u32,
    ) -> anyhow::Result<Outcome> {
        match Tester::new(tester, cage, server, self, seconds)?.output()? {
            Ok((_, report)) => Ok(Outcome::read(&report)?.of(self)),
            Err(said) => Ok(Outcome { troubles: vec![said], ..Outcome::default() }),
        }
    }
}

/// The load tester, about to load a server.
pub(super) struct Tester {
    pub(super) command: Command,
    json: PathBuf,
}

impl Tester {
    pub(super) fn new(
        program: &Path,
        cage: &Cage,
        server: &Serving<'_>,
        load: &Load,
        seconds: u32,
    ) -> anyhow::Result<Self> {
        let json = super::workshop()?.join("report.json");
        let mut command = cage.tester(program);
        command.arg("loadtest").args(load.arguments());
        command.args(["--url", &server.url, "--signal", server.signal]);
        command.args(["--api-key", &server.key, "--api-secret", &server.secret]);
        command.args(["--duration", &format!("{seconds}s"), "--server-pid", &server.pid.to_string()]);
        command.arg("--json").arg(&json);
        Ok(Self { command, json })
    }

    /// Runs it to its end: what it prints and what it writes, or its last words.
    pub(super) fn output(mut self) -> anyhow::Result<Result<(String, Value), String>> {
        // What an earlier run left is not this one's.
        let _ = std::fs::remove_file(&self.json);
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let tester = Running::start(&mut self.command).context("the load tester")?;
        let (mut printed, mut said) = (String::new(), String::new());
        // It prints its report when all is over, which fits a pipe; until then it only says how it fares.
        if let Some(mut complaints) = tester.take_stderr() {
            complaints.read_to_string(&mut said)?;
        }
        if let Some(mut report) = tester.take_stdout() {
            report.read_to_string(&mut printed)?;
        }
        if !tester.wait()?.success() {
            let said = said.lines().rfind(|line| line.starts_with("error: "));
            return Ok(Err(said.unwrap_or("the load tester failed").trim_start_matches("error: ").to_owned()));
        }
        let text = std::fs::read_to_string(&self.json).context("the load tester's report")?;
        let report = serde_json::from_str(&text).context("the load tester's report")?;
        Ok(Ok((printed, report)))
    }
}

impl Outcome {
    /// Reads the report of the load tester.
    pub(super) fn read(report: &Value) -> anyhow::Result<Self> {
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
        let seconds_us = microseconds(report);
        let range = seconds_us
            .iter()
            .copied()
            .reduce(f64::min)
            .zip(seconds_us.iter().copied().reduce(f64::max));
        Ok(Self {
            published_per_second: needed("/published_packets")? / seconds,
            packets_per_second: needed("/forwarded_packets")? / seconds,
            cpu_us_per_packet: median(&seconds_us).or(number("/server_cpu_us_per_packet")),
            cpu_us_range: range,
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
    pub(super) fn holds(&self) -> bool {
        self.troubles.is_empty() && self.loss <= MAX_LOSS && self.p99_ms.is_some_and(|p99| p99 <= MAX_P99_MS)
    }

    /// Whether more people need not be tried.
    pub(super) fn has_broken_down(&self) -> bool {
        !self.troubles.is_empty() || self.loss > super::BROKEN_DOWN
    }
}

/// What a packet cost in each second: one that the machine disturbed is no server's.
fn microseconds(report: &Value) -> Vec<f64> {
    let series = report.get("series").and_then(Value::as_array).into_iter().flatten();
    let cost = |second: &Value| {
        let cores = second.get("server_cpu_cores")?.as_f64()?;
        let packets = second.get("packets")?.as_f64().filter(|packets| *packets > 0.0)?;
        Some(cores * 1e6 / packets)
    };
    series.filter_map(cost).collect()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    pub(in super::super) fn report() -> Value {
        json!({
            "duration_s": 4.0, "published_packets": 960, "forwarded_packets": 96_000, "loss_ratio": 0.0005,
            "latency_ms": { "p50": 0.2, "p99": 1.5 },
            "subscriptions": { "expected": 100, "flowing": 100, "silent": 0 }, "participants": { "failed": 0 },
            "server_cpu_us_per_packet": 1.5, "server_cpu_cores": 0.036, "server_rss_bytes": 1_000_000,
            "loadtest": { "warning": null },
            "series": [
                { "server_cpu_cores": 0.030, "packets": 24_000 }, { "server_cpu_cores": 0.036, "packets": 24_000 },
                { "server_cpu_cores": 0.200, "packets": 24_000 }, { "server_cpu_cores": null, "packets": 24_000 },
                { "server_cpu_cores": 0.001, "packets": 0 },
            ],
        })
    }

    #[test]
    fn the_report_of_the_load_tester_is_read_and_judged() {
        let outcome = Outcome::read(&report()).unwrap();
        assert!(outcome.holds());
        assert_eq!(outcome.packets_per_second, 24_000.0);
        let holds_with = |path: &str, value: Value| {
            let mut report = report();
            *report.pointer_mut(path).unwrap() = value;
            Outcome::read(&report).unwrap().holds()
        };
        assert!(!holds_with("/loss_ratio", json!(0.002)));
        assert!(!holds_with("/latency_ms/p99", json!(20.5)));
        assert!(!holds_with("/latency_ms/p99", Value::Null));
        // Who was never served lost nothing.
        assert!(!holds_with("/subscriptions/flowing", json!(99)));
        assert!(!holds_with("/participants/failed", json!(1)));
        assert!(holds_with("/loadtest/warning", json!("busy")));
    }

    #[test]
    fn a_disturbed_second_is_not_a_servers_cost() {
        let outcome = Outcome::read(&report()).unwrap();
        let us = outcome.cpu_us_per_packet.unwrap();
        assert!((us - 1.5).abs() < 1e-9, "{us}");
        let (least, most) = outcome.cpu_us_range.unwrap();
        assert!((least - 1.25).abs() < 1e-9 && (most - 8.333).abs() < 0.001, "{least} {most}");
        // Where there are no seconds, there is the whole.
        let mut report = report();
        report["series"] = json!([]);
        report["server_cpu_us_per_packet"] = json!(1.7);
        assert_eq!(Outcome::read(&report).unwrap().cpu_us_per_packet, Some(1.7));
    }

    #[test]
    fn a_load_that_was_not_offered_is_no_equal_load() {
        let under = |packets_per_second| {
            let people = People::Stage { publishers: 1, subscribers: 100 };
            Outcome::read(&report()).unwrap().of(&Load { people, packets_per_second, burst: 1 })
        };
        assert!(under(240).holds());
        assert!(!under(480).holds());
        assert_eq!(under(480).troubles, ["publishers sent only 50 % of this load"]);
    }

    #[test]
    fn a_report_of_another_kind_is_an_error() {
        assert!(Outcome::read(&json!({})).is_err());
        assert!(Outcome::read(&json!({ "duration_s": 0.0 })).is_err());
    }

    #[test]
    fn a_load_is_said_in_the_flags_of_the_load_tester() {
        let people = People::Stage { publishers: 2, subscribers: 50 };
        let load = Load { people, packets_per_second: 240, burst: 8 };
        let words = load.arguments().join(" ");
        let expected = "webinar --publishers 2 --subscribers 50 --pps 240 --packet-bytes 1100 --burst 8 --join-rate 50";
        assert_eq!(words, expected);
    }
}
