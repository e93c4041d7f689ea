//! `cargo xtask recordings`: what recording costs a server and whoever is in its calls, and when the files are there.

use anyhow::ensure;

use crate::local_server::{self, LocalServer};
use crate::measured::Measured;
use crate::report::Verdict;

/// Calls of two, so that everybody who is recorded is watched as well. So few that two cores carry them beside the load tester:
/// with fifty people it was late itself.
const ROOMS: &str = "5";
/// Recordings: none, one of everybody, five of everybody.
const RECORDED: [u32; 3] = [0, 10, 50];
const SECONDS: &str = "15s";
/// Runs of each kind, by turns.
const TURNS: usize = 3;
/// Packets of everybody may be later by no more than this.
const MARGIN_MS: f64 = 1.0;
/// The files are there by then.
const THERE_MS: f64 = 1000.0;

/// Loads a server in which everybody is recorded never, once and five times.
pub(crate) fn recordings(arguments: &[String]) -> anyhow::Result<Verdict> {
    let sluice = local_server::asked_for(arguments)?;
    let server = LocalServer::start(&sluice, "recordings", &[])?;
    eprintln!("{ROOMS} calls of two with cameras of 720 lines, and {RECORDED:?} recordings of them");
    let mut runs = RECORDED.map(|_| Vec::new());
    for turn in 0..TURNS {
        for (recorded, runs) in RECORDED.iter().zip(&mut runs) {
            runs.push(load(&server, *recorded, turn)?);
        }
    }
    let [alone, ..] = &runs;
    let nobody = Measured::best(alone)?;
    let cores = median(alone, "/server_cpu_cores")?;
    let mut holds = true;
    for (recorded, runs) in RECORDED.iter().zip(&runs).skip(1) {
        let best = Measured::best(runs)?;
        let later = best.p99_ms - nobody.p99_ms;
        let there = median(runs, "/recordings/until_there_ms/max")?;
        let share = (median(runs, "/server_cpu_cores")? - cores) / f64::from(*recorded);
        let is_so = later <= MARGIN_MS && there <= THERE_MS && best.loss <= nobody.loss;
        holds &= is_so;
        eprintln!(
            "{} {recorded} recordings: p99 {later:+.2} ms, loss {:.3} %, {:.3} % of a core for each, all files there {there:.0} ms after \
             the end",
            if is_so { "ok  " } else { "FAIL" },
            best.loss * 100.0,
            share * 100.0,
        );
    }
    Ok(if holds { Verdict::Passed } else { Verdict::Failed })
}

fn load(server: &LocalServer, recorded: u32, turn: usize) -> anyhow::Result<Measured> {
    let (pid, recordings) = (server.pid().to_string(), recorded.to_string());
    let room = format!("recorded-{recorded}-{turn}-");
    let load = ["--rooms", ROOMS, "--participants", "2", "--duration", SECONDS, "--server-pid", &pid, "--room", &room];
    let name = format!("{recorded} recordings");
    let measured = Measured::run(server, &name, "many-rooms", &[&load[..], &["--recordings", &recordings]].concat())?;
    if recorded > 0 {
        let complete = measured.number("/recordings/complete")?;
        ensure!((complete - f64::from(recorded)).abs() < 0.5, "{complete} of {recorded} recordings were complete");
    }
    Ok(measured)
}

/// Of all runs: what else the machine does changes a figure both ways.
fn median(runs: &[Measured], path: &str) -> anyhow::Result<f64> {
    let mut figures = runs.iter().map(|run| run.number(path)).collect::<anyhow::Result<Vec<_>>>()?;
    figures.sort_by(f64::total_cmp);
    Ok(figures[figures.len() / 2])
}
