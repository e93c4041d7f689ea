//! The figures of a run, next to the committed ones: a table for people, `BASELINE.json` for the next run.
//!
//! A ratio of times is worth something only on the machine that made the baseline; the file says which. Bytes and
//! instructions hardly depend on it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use crate::measure::Effort;

/// What a binary of figures was asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Each bench only so often that one sees it runs.
    pub is_trial: bool,
    /// What was measured becomes the baseline.
    pub saves: bool,
    /// Fails where a figure is worse than the baseline by more than its tolerance.
    pub judges: bool,
    /// Only figures whose names contain this.
    pub only: Option<String>,
}

impl Options {
    /// Reads `--once`, `--save`, `--diff` and `--only PART`.
    ///
    /// # Errors
    ///
    /// For anything else.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--once" => options.is_trial = true,
                "--save" => options.saves = true,
                "--diff" => options.judges = true,
                "--only" => options.only = Some(arguments.next().context("--only wants a part of a name")?),
                other => anyhow::bail!("{other}: there are --once, --save, --diff and --only PART"),
            }
        }
        let keeps = options.saves || options.judges;
        anyhow::ensure!(!(options.is_trial && keeps), "--once measures nothing that is worth keeping or judging");
        Ok(options)
    }

    /// How much work goes into each figure.
    #[must_use]
    pub fn effort(&self) -> Effort {
        if self.is_trial { Effort::ONCE } else { Effort::FULL }
    }

    /// Whether a figure is asked for.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }
}

/// Figures by name, in the order they were taken.
#[derive(Debug)]
pub struct Report {
    unit: &'static str,
    options: Options,
    figures: Vec<(String, f64)>,
}

impl Report {
    /// An empty one. `unit`: of every figure.
    #[must_use]
    pub fn new(unit: &'static str, options: Options) -> Self {
        Self { unit, options, figures: Vec::new() }
    }

    /// Takes a figure down. Work that came to nothing has none, which is wrong but in a trial.
    pub fn add(&mut self, name: impl Into<String>, value: Option<f64>) {
        let name = name.into();
        match value {
            Some(value) => self.figures.push((name, value)),
            None => assert!(self.options.is_trial, "{name}: nothing was measured"),
        }
    }

    /// Takes the figure where it is asked for.
    pub fn measure(&mut self, name: impl Into<String>, figure: impl FnOnce(Effort) -> Option<f64>) {
        let name = name.into();
        if self.options.wants(&name) {
            let value = figure(self.options.effort());
            self.add(name, value);
        }
    }

    /// Prints the table, and keeps the figures or judges them where that was asked for. Failure is a figure that has
    /// become worse.
    ///
    /// # Errors
    ///
    /// When the baseline cannot be read or written.
    pub fn finish(self) -> anyhow::Result<ExitCode> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("BASELINE.json");
        let mut baseline = read(&path)?;
        let machine = machine();
        let mut out = std::io::stdout();
        out.write_all(self.table(&baseline).as_bytes())?;
        let worse = if self.options.judges { self.worse(&baseline, &machine) } else { Vec::new() };
        for line in &worse {
            writeln!(out, "WORSE  {line}")?;
        }
        if self.options.saves {
            for (name, value) in self.figures {
                baseline.insert(name, json!({ "value": round(value), "unit": self.unit, "machine": machine }));
            }
            let text = serde_json::to_string_pretty(&baseline)?;
            std::fs::write(&path, text + "\n").with_context(|| path.display().to_string())?;
        }
        Ok(if worse.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Figures above the baseline by more than what comes and goes by itself.
    fn worse(&self, baseline: &BTreeMap<String, Value>, machine: &str) -> Vec<String> {
        let tolerance = tolerance(self.unit);
        let mut worse = Vec::new();
        for (name, value) in &self.figures {
            let Some(figure) = baseline.get(name) else { continue };
            // Another machine has other times.
            let Some(before) = figure["value"].as_f64().filter(|_| self.unit != "ns" || figure["machine"] == machine)
            else {
                continue;
            };
            if *value > before * (1.0 + tolerance) {
                let (more, bound) = ((value / before - 1.0) * 100.0, tolerance * 100.0);
                worse.push(format!("{name}: {more:.1} % more than the baseline; {bound} % are allowed"));
            }
        }
        worse
    }

    fn table(&self, baseline: &BTreeMap<String, Value>) -> String {
        let width = self.figures.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut table = format!("{:width$}  {:>12}  {:>10}  ratio\n", "", self.unit, "baseline");
        for (name, value) in &self.figures {
            let before = baseline.get(name).and_then(|figure| figure["value"].as_f64());
            let compared =
                before.map_or(format!("{:>10}", "-"), |before| format!("{before:>10}  {:>6.3}", value / before));
            table += &format!("{name:width$}  {:>12}  {compared}\n", round(*value));
        }
        table
    }
}

/// By what part of it a figure may grow before it counts as worse. Time varies with whoever else uses the machine's
/// caches and clock; memory with what an allocator rounds up; instructions with keys and hash seeds only.
fn tolerance(unit: &str) -> f64 {
    match unit {
        "instructions" => 0.02,
        "bytes" => 0.05,
        _ => 0.5,
    }
}

/// Whole numbers, but for the small ones.
fn round(value: f64) -> f64 {
    if value < 10.0 { (value * 10.0).round() / 10.0 } else { value.round() }
}

fn read(path: &PathBuf) -> anyhow::Result<BTreeMap<String, Value>> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// The processor, as the system calls it.
fn machine() -> String {
    let described = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = described.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(unit: &'static str, value: f64) -> Report {
        Report { unit, options: Options::default(), figures: vec![("sealing".to_owned(), value)] }
    }

    fn baseline(value: f64, machine: &str) -> BTreeMap<String, Value> {
        BTreeMap::from([("sealing".to_owned(), json!({ "value": value, "machine": machine }))])
    }

    #[test]
    fn what_grew_beyond_its_tolerance_is_worse() {
        let is_worse = |unit, value, machine| !report(unit, value).worse(&baseline(100.0, "here"), machine).is_empty();
        assert!(is_worse("instructions", 102.1, "here") && !is_worse("instructions", 101.9, "here"));
        assert!(is_worse("bytes", 106.0, "here") && !is_worse("bytes", 104.0, "here"));
        assert!(is_worse("ns", 151.0, "here") && !is_worse("ns", 149.0, "here"));
        assert!(!is_worse("instructions", 50.0, "here"), "less is better");
    }

    #[test]
    fn times_of_another_machine_are_not_judged_but_its_instructions_are() {
        assert!(report("ns", 900.0).worse(&baseline(100.0, "there"), "here").is_empty());
        assert!(!report("instructions", 900.0).worse(&baseline(100.0, "there"), "here").is_empty());
    }

    #[test]
    fn a_new_figure_has_nothing_to_be_worse_than() {
        assert!(report("bytes", 1.0).worse(&BTreeMap::new(), "here").is_empty());
    }

    #[test]
    fn a_trial_is_neither_kept_nor_judged() {
        let read = |words: &[&str]| Options::read(words.iter().map(ToString::to_string));
        assert!(read(&["--once", "--diff"]).is_err() && read(&["--once", "--save"]).is_err());
        assert!(read(&["--diff", "--only", "seal"]).is_ok_and(|options| options.judges));
    }
}
