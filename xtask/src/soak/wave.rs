//! The waves of people that a soak's server serves. Knows the load tester by its flags and its JSON alone.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::local_server::LocalServer;
use crate::running::{LOOK, Running, pause};

/// A passer publishes and receives, and two speakers stay: some ten people at a time, which a server built for tests
/// serves beside the load tester on two cores.
const JOINS_PER_SECOND: &str = "4";
const STAY: &str = "2s";
/// What the load tester takes over the time it was told, with everybody gone; beyond it something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first of a wave are there, and passers come, before it is cut off.
const GATHERING: Duration = Duration::from_secs(4);

/// How people come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wave {
    /// One connection each.
    Single,
    /// By the older signal protocol, with two.
    Dual,
    /// They vanish without a word: the load tester is killed.
    CutOff,
}

impl Wave {
    /// By turns.
    pub(super) fn of(place: usize) -> Self {
        [Self::Single, Self::Dual, Self::CutOff][place % 3]
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Single => "one connection each",
            Self::Dual => "two connections each",
            Self::CutOff => "cut off",
        }
    }

    /// In a room of its own, until its people are gone. How many were served, where somebody is left to tell.
    pub(super) fn play(self, server: &LocalServer, number: usize, time: Duration) -> anyhow::Result<Option<u64>> {
        let (mut command, report) = server.tester("churn");
        command.args(["--publish", "--joins-per-second", JOINS_PER_SECOND, "--stay", STAY]);
        command.args(["--duration", &format!("{}ms", time.as_millis()), "--room", &format!("wave-{number}-")]);
        command.args(["--signal", if self == Self::Dual { "v0" } else { "v1" }]);
        let tester = Running::start(&mut command)?;
        let began = Instant::now();
        if self == Self::CutOff {
            while began.elapsed() < GATHERING + time / 2 {
                ensure!(tester.ended()?.is_none(), "the load tester ended early");
                pause(LOOK)?;
            }
            tester.end();
            return Ok(None);
        }
        let status = loop {
            if let Some(status) = tester.ended()? {
                break status;
            }
            ensure!(began.elapsed() < time + PATIENCE, "the load tester does not end");
            pause(LOOK)?;
        };
        ensure!(status.success(), "the load tester failed ({status})");
        let text = std::fs::read_to_string(report).context("the load tester's report")?;
        let report: Value = serde_json::from_str(&text).context("the load tester's report")?;
        let connected = report.pointer("/participants/connected").and_then(Value::as_u64);
        connected.context("the load tester's report does not say who came").map(Some)
    }
}
