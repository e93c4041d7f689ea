//! A run of the load tester against a [`LocalServer`], as a verb that compares runs needs it. Knows the load tester by its
//! flags and its JSON alone.

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::local_server::LocalServer;
use crate::running::Running;

/// What a run measured.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) loss: f64,
    /// The load tester says that its figures are in part its own.
    pub(crate) is_doubtful: bool,
    report: Value,
}

impl Measured {
    /// Loads the server and says so in a line.
    pub(crate) fn run(server: &LocalServer, name: &str, scenario: &str, flags: &[&str]) -> anyhow::Result<Self> {
        let (mut command, report) = server.tester(scenario);
        command.args(flags);
        let status = Running::start(&mut command)?.wait()?;
        server.ensure_runs()?;
        ensure!(status.success(), "the load tester failed ({status})");
        let text = std::fs::read_to_string(report).context("the load tester's report")?;
        let measured = Self::read(serde_json::from_str(&text).context("the load tester's report")?)?;
        let Self { p50_ms, p99_ms, loss, is_doubtful, .. } = measured;
        let doubt = if is_doubtful { "; the load tester was late" } else { "" };
        eprintln!("     {name:<20} p50 {p50_ms:>6.2} ms, p99 {p99_ms:>6.2} ms, loss {:.3} %{doubt}", loss * 100.0);
        Ok(measured)
    }

    fn read(report: Value) -> anyhow::Result<Self> {
        let (p50_ms, p99_ms) = (number(&report, "/latency_ms/p50")?, number(&report, "/latency_ms/p99")?);
        let loss = number(&report, "/loss_ratio")?;
        let is_doubtful = report.pointer("/loadtest/warning").is_some_and(|warning| !warning.is_null());
        Ok(Self { p50_ms, p99_ms, loss, is_doubtful, report })
    }

    /// Another figure of its report.
    pub(crate) fn number(&self, path: &str) -> anyhow::Result<f64> {
        number(&self.report, path)
    }

    /// The run that was disturbed least: what else the machine does makes any run worse, and none better.
    pub(crate) fn best(runs: &[Self]) -> anyhow::Result<&Self> {
        let by = |a: &&Self, b: &&Self| a.is_doubtful.cmp(&b.is_doubtful).then(a.p99_ms.total_cmp(&b.p99_ms));
        let best = runs.iter().min_by(by).context("no runs")?;
        if best.is_doubtful {
            bail!("this machine is too busy to tell: in every run the load tester itself was late");
        }
        Ok(best)
    }
}

fn number(report: &Value, path: &str) -> anyhow::Result<f64> {
    let number = report.pointer(path).and_then(Value::as_f64);
    number.with_context(|| format!("the load tester's report has no {path}: nobody was served"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn the_least_disturbed_run_counts_and_one_that_served_nobody_is_none() {
        let report = |p99: Value, warning: Value| {
            let latency = json!({ "p50": 0.5, "p99": p99 });
            json!({ "latency_ms": latency, "loss_ratio": 0.0, "loadtest": { "warning": warning } })
        };
        let fine = |p99: f64| Measured::read(report(json!(p99), Value::Null)).unwrap();
        let doubtful = Measured::read(report(json!(1.0), json!("busy"))).unwrap();
        let runs = [fine(7.0), doubtful.clone(), fine(2.0), fine(9.0)];
        assert!((Measured::best(&runs).unwrap().p99_ms - 2.0).abs() < f64::EPSILON);
        assert!(Measured::best(&[doubtful]).is_err());
        assert!(Measured::read(report(Value::Null, Value::Null)).is_err());
    }
}
