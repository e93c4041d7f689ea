//! `cargo xtask sim`: the proving ground of the media plane, which writes `sfu/sim/SCOREBOARD.md`. What it accepts
//! and what it prints is said in `sfu/sim/src/bin/proving-ground.rs`.

use crate::command::{cargo, run};
use crate::report::Verdict;

/// More generated runs than this are worth an optimised build.
const MANY_SEEDS: u64 = 1_000;

/// Builds the proving ground and runs it.
pub(crate) fn sim(arguments: &[String]) -> anyhow::Result<Verdict> {
    let mut command = cargo(&["run", "--quiet", "--package", "sluice-sim", "--bin", "proving-ground"]);
    if is_long(arguments) {
        command.arg("--release");
    }
    run(command.arg("--").args(arguments)).map(|()| Verdict::Passed)
}

fn is_long(arguments: &[String]) -> bool {
    let seeds = arguments.iter().skip_while(|argument| *argument != "--seeds").nth(1);
    seeds.and_then(|seeds| seeds.parse().ok()).is_some_and(|seeds: u64| seeds > MANY_SEEDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_is_worth_an_optimised_build() {
        let is_long = |words: &[&str]| is_long(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(is_long(&["--seeds", "10000"]) && is_long(&["--strict", "--seeds", "5000"]));
        assert!(!is_long(&["--seeds", "100"]) && !is_long(&["--seeds"]) && !is_long(&[]));
    }
}
