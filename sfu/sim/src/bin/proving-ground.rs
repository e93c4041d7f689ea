//! `cargo xtask sim`: plays the scenarios, writes the scoreboard, and holds the invariants over generated runs.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a program for people and CI")]

use std::path::Path;
use std::process::ExitCode;

use sluice_sim::{Outcome, Scenario, generated, play, scenarios, scoreboard};

const USAGE: &str = "\
Usage: cargo xtask sim [--seeds N] [--from F] [--seed S --scenario NAME] [--strict]

  without --scenario: plays every scenario with seed 1, writes sfu/sim/SCOREBOARD.md, then plays N generated ones (100)
  --from F: plays the N generated ones from seed F on, and nothing else: a long night goes on where it ended
  --seed S --scenario NAME: plays one and prints what came of it; NAME may be `generated` or part of names
  --strict: a missed target is a failure";
/// The scoreboard is of this seed.
const SEED: u64 = 1;
const GENERATED: u64 = 100;

#[derive(Debug, Default)]
struct Wanted {
    seeds: Option<u64>,
    from: Option<u64>,
    seed: Option<u64>,
    scenario: Option<String>,
    is_strict: bool,
}

fn main() -> ExitCode {
    let Some(wanted) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if run(&wanted) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Wanted> {
    let mut wanted = Wanted::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seeds" => wanted.seeds = Some(arguments.next()?.parse().ok()?),
            "--from" => wanted.from = Some(arguments.next()?.parse().ok()?),
            "--seed" => wanted.seed = Some(arguments.next()?.parse().ok()?),
            "--scenario" => wanted.scenario = Some(arguments.next()?),
            "--strict" => wanted.is_strict = true,
            _ => return None,
        }
    }
    Some(wanted)
}

fn run(wanted: &Wanted) -> bool {
    let seed = wanted.seed.unwrap_or(SEED);
    if let Some(name) = &wanted.scenario {
        let mut chosen: Vec<Scenario> = scenarios::all()
            .into_iter()
            .filter(|scenario| scenario.name.contains(name.as_str()))
            .collect();
        if name == generated::NAME {
            chosen.push(generated::scenario(seed));
        }
        if chosen.is_empty() {
            let names: Vec<String> = scenarios::all().into_iter().map(|scenario| scenario.name).collect();
            eprintln!("no scenario is called {name}\n  accepted: {}, {}", names.join(", "), generated::NAME);
            return false;
        }
        let mut is_good = true;
        for scenario in chosen {
            let outcome = play(&scenario, seed);
            println!("{scenario:#?}\n{outcome:#?}");
            is_good &= judge(&scenario, &outcome, seed, wanted.is_strict);
        }
        return is_good;
    }
    let is_good = wanted.from.is_some() || play_all(seed, wanted.is_strict);
    play_generated(wanted.from.unwrap_or(0), wanted.seeds.unwrap_or(GENERATED)) && is_good
}

/// Every scenario, and the scoreboard of them.
fn play_all(seed: u64, is_strict: bool) -> bool {
    let mut is_good = true;
    let mut rows = Vec::new();
    for scenario in scenarios::all() {
        eprintln!("{}", scenario.name);
        let outcome = play(&scenario, seed);
        is_good &= judge(&scenario, &outcome, seed, is_strict);
        rows.push((scenario, outcome));
    }
    let board = scoreboard::render(&rows);
    println!("{board}");
    if seed == SEED {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("SCOREBOARD.md");
        if let Err(error) = std::fs::write(&path, board) {
            eprintln!("cannot write {}: {error}", path.display());
            is_good = false;
        }
    }
    is_good
}

fn play_generated(from: u64, count: u64) -> bool {
    let seeds = from..from.saturating_add(count);
    let broken = seeds.filter(|seed| {
        let scenario = generated::scenario(*seed);
        !judge(&scenario, &play(&scenario, *seed), *seed, false)
    });
    let broken = broken.count();
    println!("{count} generated scenarios from seed {from} on, {broken} broke an invariant");
    broken == 0
}

/// Says what is wrong, with the words that play it again.
fn judge(scenario: &Scenario, outcome: &Outcome, seed: u64, is_strict: bool) -> bool {
    let again = format!("cargo xtask sim --seed {seed} --scenario {}", scenario.name);
    if !outcome.violations.is_empty() {
        println!(
            "BROKEN: {} violations in {} with seed {seed}; again: {again}",
            outcome.violations.len(),
            scenario.name
        );
        for violation in outcome.violations.iter().take(5) {
            println!("  {violation}");
        }
    }
    let missed = if is_strict { scoreboard::misses(scenario, outcome) } else { Vec::new() };
    if !missed.is_empty() {
        println!("MISSED: {} in {} with seed {seed}; again: {again}", missed.join(", "), scenario.name);
    }
    outcome.violations.is_empty() && missed.is_empty()
}
