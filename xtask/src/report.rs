//! What happened: the counts of a test runner read from its output, and the table at the end.

use std::io::Write as _;
use std::time::{Duration, Instant};

/// How a test runner reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `test result: ok. 3 passed; 0 failed; …`, once for each test program.
    Cargo,
    /// `Tests  1 failed | 12 passed (13)`, once.
    Vitest,
    /// `=== 1 failed, 5 passed in 3.2s ===`, last.
    Pytest,
    /// `ℹ pass 4` and `ℹ fail 1`, once each (`node --test`).
    Node,
}

/// Tests passed and failed.
#[derive(Debug)]
pub(crate) struct Tally {
    dialect: Dialect,
    pub(crate) passed: u32,
    pub(crate) failed: u32,
}

impl Tally {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, passed: 0, failed: 0 }
    }

    /// Reads one line of output.
    pub(crate) fn read_line(&mut self, line: &str) {
        let line = without_colours(line);
        let line = line.trim();
        match self.dialect {
            Dialect::Cargo => {
                if line.starts_with("test result:") {
                    self.passed += count(line, "passed").unwrap_or(0);
                    self.failed += count(line, "failed").unwrap_or(0);
                }
            }
            Dialect::Vitest => {
                if line.starts_with("Tests ") {
                    self.passed = count(line, "passed").unwrap_or(0);
                    self.failed = count(line, "failed").unwrap_or(0);
                }
            }
            Dialect::Pytest => {
                if line.starts_with("==") {
                    self.passed = count(line, "passed").unwrap_or(0);
                    self.failed = count(line, "failed").unwrap_or(0)
                        + count(line, "errors").or(count(line, "error")).unwrap_or(0);
                }
            }
            Dialect::Node => match line
                .strip_prefix("ℹ ")
                .or_else(|| line.strip_prefix("# "))
                .and_then(|line| line.split_once(' '))
            {
                Some(("pass", number)) => self.passed = number.parse().unwrap_or(0),
                Some(("fail", number)) => self.failed = number.parse().unwrap_or(0),
                _ => {}
            },
        }
    }

    /// The runner ended; passed and failed. Its exit code has the last word: one that failed without a count failed
    /// once, one that is content without a count passed once.
    pub(crate) fn ended(self, success: bool) -> (u32, u32) {
        match (self.passed, self.failed) {
            (passed, 0) if !success => (passed, 1),
            (0, 0) => (1, 0),
            counts => counts,
        }
    }
}

/// A line without its terminal escapes (`ESC [ … letter`): some runners colour what they write to a pipe.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += part
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
            .get(1..)
            .unwrap_or_default();
    }
    plain
}

/// The number before a word: 12 in `1 failed | 12 passed (13)`.
fn count(line: &str, word: &str) -> Option<u32> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words
        .windows(2)
        .find(|pair| pair[1].trim_end_matches([',', ';']) == word)
        .and_then(|pair| pair[0].parse().ok())
}

/// One line of the table at the end.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) took: Duration,
    /// Why it could not run, or what it did without.
    pub(crate) note: Option<String>,
}

/// The table, ending in `N passed, N failed`.
pub(crate) fn table(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let mark = if line.failed == 0 { "ok  " } else { "FAIL" };
        let Line { name, passed, failed, took, note } = line;
        text += &format!("{mark} {name:<24} {passed:>5} passed {failed:>4} failed {:>8.1} s", took.as_secs_f64());
        if let Some(note) = note {
            text += &format!("  {}", note.replace('\n', "\n     "));
        }
        text.push('\n');
    }
    let (passed, failed) = totals(lines);
    text += &format!("{passed} passed, {failed} failed\n");
    text
}

/// Does one thing of many into the table: it answers how many passed and failed, an error fails once.
pub(crate) fn timed(lines: &mut Vec<Line>, name: &str, part: impl FnOnce() -> anyhow::Result<(u32, u32)>) {
    eprintln!("\n== {name}");
    let start = Instant::now();
    let outcome = part();
    let took = start.elapsed();
    let ((passed, failed), note) = match outcome {
        Ok(counts) => (counts, None),
        Err(error) => ((0, 1), Some(format!("{error:#}"))),
    };
    lines.push(Line { name: name.to_owned(), passed, failed, took, note });
}

/// How it all ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
}

/// Shows the table, as the last thing that is said.
pub(crate) fn conclude(lines: &[Line]) -> anyhow::Result<Verdict> {
    write!(std::io::stdout(), "\n{}", table(lines))?;
    Ok(if totals(lines).1 == 0 { Verdict::Passed } else { Verdict::Failed })
}

/// Sums of the table.
pub(crate) fn totals(lines: &[Line]) -> (u32, u32) {
    (lines.iter().map(|line| line.passed).sum(), lines.iter().map(|line| line.failed).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dialect: Dialect, output: &str, success: bool) -> (u32, u32) {
        let mut tally = Tally::new(dialect);
        output.lines().for_each(|line| tally.read_line(line));
        tally.ended(success)
    }

    #[test]
    fn cargo_reports_each_test_program() {
        let output = "test result: ok. 3 passed; 0 failed; 1 ignored\nnoise: 9 passed\ntest result: FAILED. 4 passed; 2 failed; 0";
        assert_eq!(read(Dialect::Cargo, output, false), (7, 2));
    }

    #[test]
    fn vitest_reports_tests_not_files() {
        let output = " Test Files  1 failed | 2 passed (3)\n      Tests  1 failed | 12 passed (13)\n";
        assert_eq!(read(Dialect::Vitest, output, false), (12, 1));
        let coloured = "\x1b[2m      Tests \x1b[22m \x1b[1m\x1b[32m194 passed\x1b[39m\x1b[22m\x1b[90m (194)\x1b[39m";
        assert_eq!(read(Dialect::Vitest, coloured, true), (194, 0));
    }

    #[test]
    fn pytest_reports_last() {
        let output = "=== FAILURES ===\nlog: 7 passed\n=== 1 failed, 5 passed, 2 errors in 3.2s ===";
        assert_eq!(read(Dialect::Pytest, output, false), (5, 3));
        assert_eq!(read(Dialect::Pytest, "==== 8 passed, 1 skipped in 0.1s ====", true), (8, 0));
    }

    #[test]
    fn node_reports_passes_and_failures_apart() {
        assert_eq!(read(Dialect::Node, "ℹ tests 5\nℹ pass 4\nℹ fail 1\nℹ skipped 0\nlog: 9 passed", false), (4, 1));
        assert_eq!(read(Dialect::Node, "# pass 4\n# fail 0", true), (4, 0));
    }

    #[test]
    fn the_exit_code_has_the_last_word() {
        assert_eq!(read(Dialect::Cargo, "error: could not compile", false), (0, 1));
        assert_eq!(read(Dialect::Pytest, "=== 5 passed ===", false), (5, 1));
        assert_eq!(read(Dialect::Node, "", true), (1, 0));
    }

    #[test]
    fn the_last_line_is_the_sum() {
        let line = |passed, failed| Line { name: "x".into(), passed, failed, took: Duration::ZERO, note: None };
        let table = table(&[line(3, 0), line(4, 1)]);
        assert!(table.ends_with("\n7 passed, 1 failed\n"), "{table}");
    }
}
