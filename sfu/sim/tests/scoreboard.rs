//! What the scoreboard says is held stays held: the quick ones of its scenarios, played again with its seed.
//!
//! `cargo xtask sim --strict` holds all of them, and takes minutes. A change that gives up a target must take the
//! scenario off this list, and say why.

#![allow(clippy::panic, reason = "tests")]

use sluice_sim::{play, scenarios, scoreboard};

const BOARD: &str = include_str!("../SCOREBOARD.md");
/// The board's.
const SEED: u64 = 1;

fn hold(names: &[&str]) {
    for name in names {
        let row = BOARD.lines().find(|line| line.starts_with(&format!("| {name} |")));
        let row = row.unwrap_or_else(|| panic!("{name} is not on the board"));
        assert!(!row.contains('('), "the board has given up a target of {name}: {row}");
        let scenario = scenarios::all().into_iter().find(|scenario| scenario.name == *name);
        let scenario = scenario.unwrap_or_else(|| panic!("no scenario is called {name}"));
        let outcome = play(&scenario, SEED);
        let missed = scoreboard::misses(&scenario, &outcome);
        assert!(
            missed.is_empty() && outcome.violations.is_empty(),
            "missed {missed:?}, again with `cargo xtask sim --seed {SEED} --scenario {name} --strict`: {outcome:#?}"
        );
    }
}

#[test]
fn links_that_lose_are_held() {
    hold(&["loss-5", "burst-5", "reorder-5", "loss-2"]);
}

#[test]
fn narrow_links_are_held() {
    hold(&[
        "slow-squeeze",
        "vp8-temporal-1200",
        "vp9-svc-1200",
        "av1-svc-1200",
        "wish-changes",
        "vp8-flat-4000-of-6000",
    ]);
}
