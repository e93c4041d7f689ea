//! `cargo xtask bystanders`: what viewers who are slow or dead cost the others, as the others' latency with and without
//! them.

use crate::local_server::{self, LocalServer};
use crate::measured::Measured;
use crate::report::Verdict;

/// Who is looked at. One camera for each, so that two cores carry them beside the load tester.
const OTHERS: &str = "10";
const SLOW: &str = "3";
const DEAD: &str = "3";
/// Shorter than a dead connection takes to be given up: it is to be there all the time.
const SECONDS: &str = "10s";
/// Runs of each kind, by turns; the best of a kind counts.
const TURNS: usize = 3;
/// The others may be later by no more than this.
const MARGIN_MS: f64 = 5.0;

/// Loads a server with and without them.
pub(crate) fn bystanders(arguments: &[String]) -> anyhow::Result<Verdict> {
    let sluice = local_server::asked_for(arguments)?;
    let server = LocalServer::start(&sluice, "bystanders", &[])?;
    eprintln!("{OTHERS} viewers of a camera, and with them nobody, or {SLOW} who are slow and {DEAD} who are dead");
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        alone.push(load(&server, "alone", turn, &[])?);
        together.push(load(&server, "with slow and dead", turn, &["--slow", SLOW, "--dead", DEAD])?);
    }
    let (alone, together) = (Measured::best(&alone)?, Measured::best(&together)?);
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

fn load(server: &LocalServer, name: &str, turn: usize, poor: &[&str]) -> anyhow::Result<Measured> {
    let room = format!("{}-{turn}-", name.replace(' ', "-"));
    let load = ["--subscribers", OTHERS, "--duration", SECONDS, "--pps", "120", "--room", &room];
    Measured::run(server, name, "webinar", &[&load, poor].concat())
}
