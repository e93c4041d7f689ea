//! `cargo xtask bench`: what operations of the media plane cost, next to `benches/BASELINE.json`. What it accepts is
//! said in `benches/src/report.rs`.

use crate::command::{cargo, run};
use crate::report::Verdict;

/// Builds the figures as the server is built, and takes them. Time and memory apart: counting costs time.
pub(crate) fn bench(arguments: &[String]) -> anyhow::Result<Verdict> {
    for binary in ["figures", "memory"] {
        let mut command = cargo(&["run", "--quiet", "--release", "--package", "sluice-benches", "--bin", binary]);
        run(command.arg("--").args(arguments))?;
    }
    Ok(Verdict::Passed)
}
