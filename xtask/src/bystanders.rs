//! `cargo xtask bystanders`: what viewers who are slow or dead cost the others, as the others' latency with and without
//! them. Knows the load tester by its flags and its JSON alone.

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::local_server::{self, LocalServer};
use crate::report::Verdict;
use crate::running::Running;

/// Who is looked at. One camera for each, so that two cores carry them beside the load tester.
const OTHERS: &str = "10";
const SLOW: &str = "3";
const DEAD: &str = "3";
/// Shorter than a dead connection takes to be given up: it is to be there all the time.
const SECONDS: &str = "10s";
/// Runs of each kind, by turns; the best of a kind counts. What else the machine does makes any run worse, and none better.
const TURNS: usize = 3;
/// The others may be later by no more than this.
const MARGIN_MS: f64 = 5.0;

/// What the others had.
#[derive(Debug, Clone, Copy)]
struct Had {
    p50_ms: f64,
    p99_ms: f64,
    loss: f64,
    /// The load tester says that its figures are in part its own.
    is_doubtful: bool,
}

/// Loads a server with and without them.
pub(crate) fn bystanders(arguments: &[String]) -> anyhow::Result<Verdict> {
    let built = match arguments {
        [] => None,
        [flag, file] if flag == "--sluice" => Some(file.as_str()),
        _ => bail!("unknown arguments\n  accepted: --sluice FILE"),
    };
    let sluice = local_server::program(built)?;
    let server = LocalServer::start(&sluice, "bystanders", &[])?;
    eprintln!("{OTHERS} viewers of a camera, and with them nobody, or {SLOW} who are slow and {DEAD} who are dead");
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        alone.push(load(&server, "alone", turn, &[])?);
        together.push(load(&server, "with slow and dead", turn, &["--slow", SLOW, "--dead", DEAD])?);
    }
    let (alone, together) = (best(&alone)?, best(&together)?);
    if alone.is_doubtful || together.is_doubtful {
        bail!("this machine is too busy to tell: in every run the load tester itself was late");
    }
    let later = together.p99_ms - alone.p99_ms;
    let holds = later <= MARGIN_MS && together.loss <= alone.loss;
    eprintln!(
        "{} p99 of the others is {:.2} ms and was {:.2} ms, {MARGIN_MS} ms later would be too much; loss {:.3} %",
        if holds { "ok  " } else { "FAIL" },
        together.p99_ms,
        alone.p99_ms,
        together.loss * 100.0
    );
    Ok(if holds { Verdict::Passed } else { Verdict::Failed })
}

fn load(server: &LocalServer, name: &str, turn: usize, poor: &[&str]) -> anyhow::Result<Had> {
    let (mut command, report) = server.tester("webinar");
    command.args(["--subscribers", OTHERS, "--duration", SECONDS, "--pps", "120"]).args(poor);
    command.args(["--room", &format!("{}-{turn}-", name.replace(' ', "-"))]);
    let status = Running::start(&mut command)?.wait()?;
    server.ensure_runs()?;
    ensure!(status.success(), "the load tester failed ({status})");
    let text = std::fs::read_to_string(report).context("the load tester's report")?;
    let had = Had::read(&serde_json::from_str(&text).context("the load tester's report")?)?;
    let Had { p50_ms, p99_ms, loss, is_doubtful } = had;
    let doubt = if is_doubtful { "; the load tester was late" } else { "" };
    eprintln!("     {name:<20} p50 {p50_ms:>6.2} ms, p99 {p99_ms:>6.2} ms, loss {:.3} %{doubt}", loss * 100.0);
    Ok(had)
}

/// The run that was disturbed least.
fn best(runs: &[Had]) -> anyhow::Result<Had> {
    let by = |a: &Had, b: &Had| a.is_doubtful.cmp(&b.is_doubtful).then(a.p99_ms.total_cmp(&b.p99_ms));
    runs.iter().copied().min_by(by).context("no runs")
}

impl Had {
    fn read(report: &Value) -> anyhow::Result<Self> {
        let number = |path: &str| {
            let number = report.pointer(path).and_then(Value::as_f64);
            number.with_context(|| format!("the load tester's report has no {path}: nobody was served"))
        };
        Ok(Self {
            p50_ms: number("/latency_ms/p50")?,
            p99_ms: number("/latency_ms/p99")?,
            loss: number("/loss_ratio")?,
            is_doubtful: report.pointer("/loadtest/warning").is_some_and(|warning| !warning.is_null()),
        })
    }
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
        let fine = |p99: f64| Had::read(&report(json!(p99), Value::Null)).unwrap();
        let doubtful = Had::read(&report(json!(1.0), json!("busy"))).unwrap();
        assert!((best(&[fine(7.0), doubtful, fine(2.0), fine(9.0)]).unwrap().p99_ms - 2.0).abs() < f64::EPSILON);
        assert!(best(&[doubtful]).unwrap().is_doubtful);
        assert!(Had::read(&report(Value::Null, Value::Null)).is_err());
    }
}
