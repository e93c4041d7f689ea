//! The scoreboard: outcomes as a Markdown table, rounded so that it changes when behaviour does.

use std::fmt::Write as _;
use std::time::Duration;

use crate::scenario::{Scenario, Target};
use crate::stage::Outcome;

const HEAD: &str = "\
# Scoreboard

What viewers saw in the scenarios of `src/scenarios.rs`, in virtual time, with seed 1. Written by `cargo xtask sim`; a
change that moves a figure commits the moved table.

- **delivered**: media that could be played against what links and publishers allowed; the target is a lower bound.
- **down**, **up**: from a change of the link to the first picture that fits it; `never`: not before the next change.
- **freezes**: pictures that stood more than 200 ms beyond their time: how many, and the longest in ms.
- **pauses**: pictures that stood because the worker said that it paused them for want of bandwidth.
- **flaps**: changes of quality undone within 10 s though the network did not change.
- **recovered**: video packets lost on the way down that came in the end.
- **sound lost**: pieces of sound that did not come, by themselves, again or repeated by another packet, within 150 ms
  of a later one: a player makes them up. The worst viewer.
- **queue**: what packets waited before the bottleneck, 95th percentile: the delay caused.
- **first picture**: from joining, the slowest viewer.

A figure that misses its target is followed by the target in parentheses.

| scenario | delivered | down s | up s | freezes | longest ms | pauses | flaps | recovered | sound lost | queue ms | first picture ms |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
";

/// The whole file.
#[must_use]
pub fn render(rows: &[(Scenario, Outcome)]) -> String {
    let mut text = HEAD.to_owned();
    for (scenario, outcome) in rows {
        let _ = writeln!(text, "{}", row(scenario, outcome));
    }
    let missed: usize = rows.iter().map(|(scenario, outcome)| misses(scenario, outcome).len()).sum();
    let _ = writeln!(text, "\n{missed} targets missed in {} scenarios.", rows.len());
    text
}

/// The targets missed, by name.
#[must_use]
pub fn misses(scenario: &Scenario, outcome: &Outcome) -> Vec<&'static str> {
    let Target { delivered, down_ms, up_ms, freeze_ms, flaps, recovered, sound_lost, queue_ms } = scenario.target;
    let late = |took: Option<Option<Duration>>, limit_ms: Option<u64>| match (took, limit_ms) {
        (Some(took), Some(limit)) => took.is_none_or(|took| took > Duration::from_millis(limit)),
        _ => false,
    };
    let viewers = usize::from(scenario.viewers.max(1));
    [
        ("delivered", delivered.is_some_and(|least| outcome.delivered < least)),
        ("down", late(outcome.down, down_ms)),
        ("up", late(outcome.up, up_ms)),
        ("freeze", freeze_ms.is_some_and(|most| outcome.longest_freeze > Duration::from_millis(most))),
        ("flaps", flaps.is_some_and(|most| outcome.flaps > most as usize * viewers)),
        ("recovered", recovered.is_some_and(|least| outcome.recovered.is_some_and(|share| share < least))),
        ("sound", sound_lost.is_some_and(|most| outcome.sound_lost.is_some_and(|lost| lost > most))),
        ("queue", queue_ms.is_some_and(|most| outcome.queue > Duration::from_millis(most))),
    ]
    .into_iter()
    .filter_map(|(name, is_missed)| is_missed.then_some(name))
    .collect()
}

fn row(scenario: &Scenario, outcome: &Outcome) -> String {
    let missed = misses(scenario, outcome);
    let target = &scenario.target;
    let with = |name: &str, figure: String, target: Option<String>| match target.filter(|_| missed.contains(&name)) {
        Some(target) => format!("{figure} ({target})"),
        None => figure,
    };
    let seconds = |took: Option<Option<Duration>>| match took {
        None => "–".to_owned(),
        Some(None) => "never".to_owned(),
        Some(Some(took)) => format!("{:.1}", took.as_secs_f64()),
    };
    let limit = |ms: u64| format!("{:.1}", ms as f64 / 1000.0);
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let tenths = |share: f64| format!("{:.1} %", share * 100.0);
    // To tens: a figure in single milliseconds says nothing.
    let tens = |time: Duration| format!("{}", (time.as_millis() + 5) / 10 * 10);
    let cells = [
        scenario.name.clone(),
        with("delivered", percent(outcome.delivered), target.delivered.map(percent)),
        with("down", seconds(outcome.down), target.down_ms.map(limit)),
        with("up", seconds(outcome.up), target.up_ms.map(limit)),
        outcome.freezes.to_string(),
        with("freeze", tens(outcome.longest_freeze), target.freeze_ms.map(|ms| ms.to_string())),
        outcome.pauses.to_string(),
        with("flaps", outcome.flaps.to_string(), target.flaps.map(|flaps| flaps.to_string())),
        with("recovered", outcome.recovered.map_or("–".to_owned(), percent), target.recovered.map(percent)),
        with("sound", outcome.sound_lost.map_or("–".to_owned(), tenths), target.sound_lost.map(tenths)),
        with("queue", tens(outcome.queue), target.queue_ms.map(|ms| ms.to_string())),
        outcome.first_picture.map_or("–".to_owned(), tens),
    ];
    format!("| {} |", cells.join(" | "))
}
