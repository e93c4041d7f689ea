//! `cargo xtask compare`: the same load against our server and the peers found on this machine, one after the other,
//! each with the same processor time.
//!
//! `options.rs` reads the flags, `servers.rs` finds and starts servers, `cage.rs` bounds them, `load.rs` runs the load
//! tester, `search.rs` finds where a server breaks, `results.rs` writes it all down.

mod cage;
mod load;
mod options;
mod results;
mod search;
mod servers;
mod table;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use self::cage::Cage;
use self::load::{Load, Outcome, People};
use self::options::Options;
use self::results::{Broke, Results, Series};
use self::search::Judged;
use self::servers::Contender;
use crate::report::Verdict;
use crate::workspace;

/// A tile of a meeting: 0.5 Mbit/s.
const TILE: u32 = 60;
const MEETING: u32 = 20;
/// Subscribers of the one publisher.
const AUDIENCES: &[u32] = &[10, 50, 100, 200];
/// Evenly spaced, and as encoders write pictures.
const BURSTS: &[u32] = &[1, 8];
/// The search for the break point begins here, and ends here.
const FIRST: u32 = 25;
const MOST: u32 = 800;
const SEARCH_DURATION: Duration = Duration::from_secs(3);
/// A load is given up when it broke so often: one disturbance of the machine is no limit of a server.
const ATTEMPTS: usize = 2;

/// Where reports and logs of servers lie meanwhile.
fn workshop() -> anyhow::Result<PathBuf> {
    let directory = workspace::target()?.join("compare");
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    Ok(directory)
}

/// Compares, prints, and writes `benches/RESULTS.md` where that was asked for.
pub(crate) fn compare(arguments: &[String]) -> anyhow::Result<Verdict> {
    let options = Options::read(arguments)?;
    let sluice = servers::sluice(&options)?;
    let (contenders, absent) = servers::contenders(&options, &sluice)?;
    for missing in &absent {
        eprintln!("not compared: {missing}");
    }
    let cage = Cage::build();
    let arena = Arena { options: &options, sluice, cage: &cage, contenders: &contenders };
    let mut results = Results::begin(&options, &contenders, absent, cage.describe());
    for load_series in series(&options) {
        results.series.push(arena.play(load_series)?);
    }
    if !options.is_quick {
        for contender in &contenders {
            results.broke.push(arena.push(contender)?);
        }
    }
    write!(std::io::stdout(), "\n{results}")?;
    if options.saves {
        let path = workspace::root().join("benches/RESULTS.md");
        std::fs::write(&path, results.to_string()).with_context(|| path.display().to_string())?;
    }
    Ok(Verdict::Passed)
}

/// The loads of a run, in tables.
fn series(options: &Options) -> Vec<(String, Vec<Load>)> {
    let audiences = if options.is_quick { &AUDIENCES[1..2] } else { AUDIENCES };
    let camera = options.camera;
    let webinar = |burst: u32| {
        let spacing = if burst == 1 { "evenly spaced".to_owned() } else { format!("in bursts of {burst}") };
        let load = |people: &u32| Load { people: People::Webinar(*people), packets_per_second: camera, burst };
        (format!("One publisher, {camera} packets/s, {spacing}"), audiences.iter().map(load).collect())
    };
    let meeting = Load { people: People::Meeting(MEETING), packets_per_second: TILE, burst: 1 };
    let mut all: Vec<_> = BURSTS.iter().map(|burst| webinar(*burst)).collect();
    all.push((format!("A meeting of {MEETING}, each sends {TILE} packets/s to all others"), vec![meeting]));
    all
}

/// The place of a comparison.
struct Arena<'a> {
    options: &'a Options,
    /// The load tester.
    sluice: PathBuf,
    cage: &'a Cage,
    contenders: &'a [Contender],
}

impl Arena<'_> {
    /// Everybody under each of these loads. By turns, so that what else the machine does disturbs all alike.
    fn play(&self, (title, loads): (String, Vec<Load>)) -> anyhow::Result<Series> {
        eprintln!("\n== {title}");
        self.cage.set_cpu(self.options.cpu)?;
        let mut rows = Vec::new();
        for load in loads {
            for contender in self.contenders {
                rows.push((load.people(), contender.name.clone(), self.run(contender, load, self.options.duration)?));
            }
        }
        Ok(Series { title, rows })
    }

    /// How far a server goes on little processor time.
    fn push(&self, contender: &Contender) -> anyhow::Result<Broke> {
        eprintln!("\n== where {} breaks, with {} cores", contender.name, self.options.break_cpu);
        self.cage.set_cpu(self.options.break_cpu)?;
        let mut best = Outcome::default();
        let found = search::search(FIRST, MOST, |people| {
            let load = Load { people: People::Webinar(people), packets_per_second: self.options.camera, burst: 1 };
            let mut judged = Judged::Breaks;
            for _ in 0..ATTEMPTS {
                let outcome = self.run(contender, load, SEARCH_DURATION)?;
                judged = outcome.judge();
                if judged == Judged::Holds {
                    best = outcome;
                    break;
                }
            }
            anyhow::Ok(judged)
        })?;
        Ok(Broke { server: contender.name.clone(), found, best })
    }

    fn run(&self, contender: &Contender, load: Load, duration: Duration) -> anyhow::Result<Outcome> {
        let server = contender.serve(self.cage)?;
        let outcome = load.run(&self.sluice, self.cage, &server, duration)?;
        let (us, p99) = (table::figure(outcome.cpu_us_per_packet), table::figure(outcome.p99_ms));
        let loss = outcome.loss * 100.0;
        eprintln!("{:>5} {:<16} {us:>6} us a packet, loss {loss:.3} %, p99 {p99} ms", load.people(), contender.name);
        for trouble in outcome.troubles.iter().chain(&outcome.warning) {
            eprintln!("      {trouble}");
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_short_run_has_every_kind_of_load_once() {
        let count = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            series(&Options::read(&words).unwrap())
                .iter()
                .map(|(_, loads)| loads.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(count(&["--quick"]), [1, 1, 1]);
        assert_eq!(count(&[]), [AUDIENCES.len(), AUDIENCES.len(), 1]);
    }
}
