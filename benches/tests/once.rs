//! Every bench still runs. What it measures is nobody's business here.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::process::Command;

fn run_once(binary: &str, figure: &str) {
    let output = Command::new(binary).arg("--once").output().unwrap();
    let (table, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{complaint}");
    assert!(table.contains(figure), "{table}{complaint}");
}

#[test]
fn figures_of_time_can_be_taken() {
    run_once(env!("CARGO_BIN_EXE_figures"), "packet forwarded, all in all");
}

#[test]
fn figures_of_memory_can_be_taken() {
    run_once(env!("CARGO_BIN_EXE_memory"), "a subscriber of one camera, busy");
}

#[test]
fn parts_whose_instructions_are_counted_can_be_run() {
    run_once(env!("CARGO_BIN_EXE_instructions"), "instructions");
}
