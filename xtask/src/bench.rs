//! `cargo xtask bench`: what operations of the media plane cost, next to `benches/BASELINE.json`. What it accepts is
//! said in `benches/src/report.rs`.

use crate::command::{cargo, run};
use crate::report::Verdict;

/// Builds the figures as the server is built, and takes them. Time, memory and instructions apart: counting costs time.
pub(crate) fn bench(arguments: &[String]) -> anyhow::Result<Verdict> {
    let judges = arguments.iter().any(|argument| argument == "--diff");
    let mut verdict = Verdict::Passed;
    for binary in ["figures", "memory", "instructions"] {
        let mut command = cargo(&["run", "--quiet", "--release", "--package", "sluice-benches", "--bin", binary]);
        match run(command.arg("--").args(arguments)) {
            Ok(()) => {}
            // One that became worse is no reason not to look at the others.
            Err(error) if judges => {
                eprintln!("{error:#}");
                verdict = Verdict::Failed;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(verdict)
}
