//! `cargo xtask compare`: the same load against our server and the peers found on this machine, one after the other,
//! each with the same processor time.
//!
//! `options.rs` reads the flags, `servers.rs` and `janus.rs` find and start servers, `cage.rs` bounds them, `load.rs` runs
//! the load tester, `capacity.rs` lets it find where a server breaks, `kernel.rs` takes the yardstick, `results.rs` writes
//! it all down.

mod cage;
mod capacity;
mod janus;
mod kernel;
mod load;
mod options;
mod results;
mod servers;
mod table;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use self::cage::Cage;
use self::kernel::Yardstick;
use self::load::{Load, Outcome, People};
use self::options::Options;
use self::results::{Broke, Results, Row, Series};
use self::servers::Contender;
use crate::report::Verdict;
use crate::workspace;

/// Subscribers of the one publisher, evenly spaced, and in bursts as encoders write pictures.
const AUDIENCES: &[u32] = &[10, 50, 100, 200, 500];
const BURST_AUDIENCES: &[u32] = &[10, 100, 200];
const BURST: u32 = 8;
/// Loads of a short run.
const QUICK_AUDIENCES: &[u32] = &[50];
/// People of a meeting and packets each sends in a second: tiles of 0.5 and 0.13 Mbit/s. More, and the load tester would
/// be the limit.
const MEETINGS: &[(u32, u32)] = &[(20, 60), (50, 15)];
/// Media sections of one subscriber's connection. All of them carry the same packets altogether.
const SECTIONS: &[u32] = &[1, 10, 25, 50];
const SECTIONS_AUDIENCE: u32 = 5;
const SECTIONS_PACKETS: u32 = 2400;
/// A server that loses more has broken down, and is spared what is heavier.
const BROKEN_DOWN: f64 = 0.01;

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
    let mut yardstick = Yardstick::default();
    for course in courses(&options) {
        yardstick.measure(cage.server_core())?;
        results.series.push(arena.play(course)?);
    }
    if !options.is_quick {
        for contender in &contenders {
            let cost = results.cost_of(&contender.name);
            results.broke.push(arena.push(contender, cost)?);
        }
    }
    yardstick.measure(cage.server_core())?;
    results.kernel = yardstick.kernel();
    write!(std::io::stdout(), "\n{results}")?;
    if options.saves {
        let path = workspace::root().join("benches/RESULTS.md");
        std::fs::write(&path, results.to_string()).with_context(|| path.display().to_string())?;
    }
    Ok(Verdict::Passed)
}

/// Loads that belong together.
struct Course {
    title: String,
    loads: Vec<Load>,
    /// How our own cost grows; others need not run.
    is_ours_alone: bool,
}

/// The loads of a run, in tables. The first is that of the audiences.
fn courses(options: &Options) -> Vec<Course> {
    let camera = options.camera;
    let webinar = |spacing: &str, burst: u32, audiences: &[u32]| {
        let audiences = if options.is_quick { QUICK_AUDIENCES } else { audiences };
        let load = |subscribers: &u32| Load {
            people: People::Stage { publishers: 1, subscribers: *subscribers },
            packets_per_second: camera,
            burst,
        };
        let title = format!("One publisher, {camera} packets/s, {spacing}");
        Course { title, loads: audiences.iter().map(load).collect(), is_ours_alone: false }
    };
    let mut all =
        vec![webinar("evenly spaced", 1, AUDIENCES), webinar(&format!("in bursts of {BURST}"), BURST, BURST_AUDIENCES)];
    for (people, packets_per_second) in if options.is_quick { &MEETINGS[..1] } else { MEETINGS } {
        let load = Load { people: People::Meeting(*people), packets_per_second: *packets_per_second, burst: 1 };
        let title = format!("A meeting of {people}, each sends {packets_per_second} packets/s to all others");
        all.push(Course { title, loads: vec![load], is_ours_alone: false });
    }
    if !options.is_quick {
        let load = |publishers: &u32| Load {
            people: People::Stage { publishers: *publishers, subscribers: SECTIONS_AUDIENCE },
            packets_per_second: SECTIONS_PACKETS / publishers,
            burst: 1,
        };
        let title =
            format!("{SECTIONS_PACKETS} packets/s from one publisher or many, to {SECTIONS_AUDIENCE} subscribers");
        all.push(Course { title, loads: SECTIONS.iter().map(load).collect(), is_ours_alone: true });
    }
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
    fn play(&self, course: Course) -> anyhow::Result<Series> {
        eprintln!("\n== {}", course.title);
        self.cage.set_cpu(self.options.cpu)?;
        let mut rows: Vec<Row> = Vec::new();
        let contenders =
            if course.is_ours_alone { self.contenders.get(..1).unwrap_or_default() } else { self.contenders };
        for load in course.loads {
            for contender in contenders {
                let name = contender.name.clone();
                let outcome = if rows.iter().any(|row| row.server == name && row.outcome.has_broken_down()) {
                    Outcome { troubles: vec!["not tried: less was too much".to_owned()], ..Outcome::default() }
                } else {
                    self.run_undisturbed(contender, load)?
                };
                rows.push(Row { load, server: name, outcome });
            }
        }
        Ok(Series { title: course.title, rows })
    }

    /// How far a server goes on little processor time; `cost`: microseconds of a packet, to begin near the limit.
    fn push(&self, contender: &Contender, cost: Option<f64>) -> anyhow::Result<Broke> {
        let cores = self.options.break_cpu;
        let first = capacity::first_guess(cores, cost, self.options.camera);
        eprintln!("\n== where {} breaks, with {cores} cores: from {first} subscribers", contender.name);
        self.cage.set_cpu(cores)?;
        let server = contender.serve(self.cage)?;
        let found = capacity::find(&self.sluice, self.cage, &server, self.options.camera, first)?;
        eprintln!("{}", found.certificate.trim_end());
        Ok(Broke { server: contender.name.clone(), found })
    }

    /// Once more where the load tester itself was disturbed and it went badly: that is no server's doing.
    fn run_undisturbed(&self, contender: &Contender, load: Load) -> anyhow::Result<Outcome> {
        let first = self.run(contender, load)?;
        if first.holds() || first.warning.is_none() {
            return Ok(first);
        }
        let second = self.run(contender, load)?;
        let is_first_better = (first.troubles.len(), first.loss) < (second.troubles.len(), second.loss);
        Ok(if is_first_better { first } else { second })
    }

    fn run(&self, contender: &Contender, load: Load) -> anyhow::Result<Outcome> {
        let server = contender.serve(self.cage)?;
        let outcome = load.run(&self.sluice, self.cage, &server, self.options.seconds)?;
        let (us, p99) = (table::figure(outcome.cpu_us_per_packet), table::figure(outcome.p99_ms));
        let loss = outcome.loss * 100.0;
        eprintln!("{:>9} {:<16} {us:>6} us a packet, loss {loss:.3} %, p99 {p99} ms", load.label(), contender.name);
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
            let courses = courses(&Options::read(&words).unwrap());
            courses.iter().map(|course| course.loads.len()).collect::<Vec<_>>()
        };
        assert_eq!(count(&["--quick"]), [1, 1, 1]);
        assert_eq!(count(&[]), [AUDIENCES.len(), BURST_AUDIENCES.len(), 1, 1, SECTIONS.len()]);
    }

    #[test]
    fn many_sections_carry_no_more_packets_than_one() {
        assert!(SECTIONS.iter().all(|sections| SECTIONS_PACKETS.is_multiple_of(*sections)));
    }
}
