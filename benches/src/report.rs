//! The figures of a run, next to the committed ones: a table for people, `BASELINE.json` for the next run.
//!
//! A ratio is worth something only on the machine that made the baseline; the file says which.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

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
    /// Only figures whose names contain this.
    pub only: Option<String>,
}

impl Options {
    /// Reads `--once`, `--save` and `--only PART`.
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
                "--only" => options.only = Some(arguments.next().context("--only wants a part of a name")?),
                other => anyhow::bail!("{other}: there are --once, --save and --only PART"),
            }
        }
        anyhow::ensure!(!(options.is_trial && options.saves), "--once measures nothing that is worth keeping");
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

    /// Prints the table, and keeps the figures where that was asked for.
    ///
    /// # Errors
    ///
    /// When the baseline cannot be read or written.
    pub fn finish(self) -> anyhow::Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("BASELINE.json");
        let mut baseline = read(&path)?;
        std::io::stdout().write_all(self.table(&baseline).as_bytes())?;
        if self.options.saves {
            let machine = machine();
            for (name, value) in self.figures {
                baseline.insert(name, json!({ "value": round(value), "unit": self.unit, "machine": machine }));
            }
            let text = serde_json::to_string_pretty(&baseline)?;
            std::fs::write(&path, text + "\n").with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    fn table(&self, baseline: &BTreeMap<String, Value>) -> String {
        let width = self.figures.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut table = format!("{:width$}  {:>10}  {:>10}  ratio\n", "", self.unit, "baseline");
        for (name, value) in &self.figures {
            let before = baseline.get(name).and_then(|figure| figure["value"].as_f64());
            let compared =
                before.map_or(format!("{:>10}", "-"), |before| format!("{before:>10}  {:>5.2}", value / before));
            table += &format!("{name:width$}  {:>10}  {compared}\n", round(*value));
        }
        table
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
