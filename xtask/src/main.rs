//! The verbs, the same for people and for CI: `cargo xtask run | build | test | check | fuzz | sim | soak | bystanders | recordings |
//! hostile | bench | compare`.
//!
//! Each prepares what it needs on a machine that has only Rust and Node, or names what to install. Knows the
//! layout of the workspace; nothing of the product depends on it.

mod bench;
mod browsers;
mod bystanders;
mod check;
mod command;
mod compare;
mod fuzz;
mod hostile;
mod local_server;
mod measured;
mod npm;
mod postgres;
mod python;
mod recordings;
mod report;
mod run;
mod running;
mod sim;
mod soak;
mod test;
mod workspace;

use std::process::ExitCode;

use report::Verdict;

const USAGE: &str = "\
Usage: cargo xtask <VERB>

  run [FLAGS]                 build the web client and the server, serve both in development mode on
                              http://localhost:7880; FLAGS go to `sluice serve --dev`
  build                       the server as one file to copy, web client inside: target/release/sluice
  test [--only SUITE]...      run every test, or these suites: rust, web, fuzz, soak, hostile, e2e,
                              sdk;
                              what is missing is installed
  check                       format, clippy, rustdoc, TypeScript, lint, licences and advisories
  fuzz [TARGET]... [--seconds N]
                              every fuzz target, or these, for so long (60 s)
  sim [--seeds N] [--from F] [--seed S --scenario NAME] [--strict]
                              rooms on simulated networks: writes sfu/sim/SCOREBOARD.md, then plays N
                              generated ones (100) and fails where an invariant breaks; --from F plays
                              only the generated ones, from seed F on
  soak [--minutes N] [--sluice FILE]
                              people come and go in waves for so long (30); what the server holds when
                              nobody is there must not grow; --sluice FILE is a server built already
  bystanders [--sluice FILE]  what slow and dead viewers cost the others: latency with and without them
  recordings [--sluice FILE]  what recording people costs: latency and processor time with 0, 10 and 50
                              recordings, and how soon their files are there
  hostile [--only ROW]... [--sluice FILE | --server ADDRESS:PORT --key KEY --secret SECRET [--media ADDRESS:PORT]]
                              hostile inputs against a server of its own, or a running one that speaks plain
                              HTTP, while an honest call goes on; a line for each row
  bench [--save] [--diff] [--only PART]
                              what an operation costs, in time, memory and instructions, next to
                              benches/BASELINE.json; --save makes these figures the baseline, --diff fails where
                              one has become worse
  compare [--quick] [--save] [--install] [--livekit-server FILE] [--server NAME=URL,PID]...
                              the same load against our server and the peers on this machine, each with the same
                              processor time; --install installs what Debian has (janus), --save rewrites
                              benches/RESULTS.md";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(mut compile) = fuzz::as_wrapper(&arguments) {
        let succeeded = compile.status().is_ok_and(|status| status.success());
        return if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let mut arguments = arguments.into_iter();
    let verb = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let verdict = match verb.as_deref() {
        Some("run") => run::run(&rest),
        Some("build") if rest.is_empty() => run::build(),
        Some("test") => test::test(&rest),
        Some("fuzz") => fuzz::fuzz(&rest),
        Some("sim") => sim::sim(&rest),
        Some("soak") => soak::soak(&rest),
        Some("bystanders") => bystanders::bystanders(&rest),
        Some("recordings") => recordings::recordings(&rest),
        Some("hostile") => hostile::hostile(&rest),
        Some("bench") => bench::bench(&rest),
        Some("compare") => compare::compare(&rest),
        Some("check") if rest.is_empty() => check::check(),
        Some("help" | "--help" | "-h") => {
            eprintln!("{USAGE}");
            Ok(Verdict::Passed)
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match verdict {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
