//! `cargo xtask fuzz`: each target of `fuzz/` for a while, guided by coverage.
//!
//! Works on the stable toolchain: the instrumentation libFuzzer reads is a pass of LLVM that rustc can be asked
//! for, only the sanitizers need nightly, and code without `unsafe` has little use for them. What was found stays:
//! the corpus in the target directory for the next run, an input that crashed in `fuzz/artifacts/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::browsers::apt_install;
use crate::command::{cargo, command, find, output, run};
use crate::report::{Line, Verdict, conclude, timed};
use crate::workspace;

/// Seconds for each target when nobody says otherwise.
const DEFAULT_SECONDS: u32 = 60;

/// What cargo-fuzz passes as well, without the sanitizers.
const INSTRUMENTATION: [&str; 7] = [
    "--cfg",
    "fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// An input for which a target needs longer than this is a finding.
const TIMEOUT: &str = "-timeout=5";

/// Builds and runs the targets named, or all.
pub(crate) fn fuzz(arguments: &[String]) -> anyhow::Result<Verdict> {
    let (wanted, seconds) = parse(arguments)?;
    let mut targets = targets()?;
    if let Some(unknown) = wanted.iter().find(|name| !targets.contains(name)) {
        bail!("unknown fuzz target {unknown}\n  accepted: {}", targets.join(", "));
    }
    targets.retain(|target| wanted.is_empty() || wanted.contains(target));
    let mut lines = Vec::new();
    run_targets(&mut lines, &targets, seconds);
    conclude(&lines)
}

/// All targets, briefly: for the test command.
pub(crate) fn briefly(lines: &mut Vec<Line>, seconds: u32) {
    match targets() {
        Ok(targets) => run_targets(lines, &targets, seconds),
        Err(error) => timed(lines, "fuzz", || Err(error)),
    }
}

fn run_targets(lines: &mut Vec<Line>, targets: &[String], seconds: u32) {
    let mut built = None;
    timed(lines, "fuzz build", || {
        built = Some(build(targets)?);
        Ok((0, 0))
    });
    for (target, program) in built.unwrap_or_default() {
        timed(lines, &format!("fuzz {target}"), || run_target(&program, &target, seconds).map(|()| (1, 0)));
    }
}

/// The names of the programs in `fuzz/src/bin/`.
fn targets() -> anyhow::Result<Vec<String>> {
    let directory = workspace::root().join("fuzz/src/bin");
    let entries = std::fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut targets = Vec::new();
    for entry in entries {
        let path = entry?.path();
        targets.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    targets.sort();
    ensure!(!targets.is_empty(), "no fuzz target in {}", directory.display());
    Ok(targets)
}

/// Builds the targets; where each is.
fn build(targets: &[String]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    // libFuzzer itself is C++.
    if !["c++", "g++", "clang++"].iter().any(|compiler| find(compiler).is_some()) {
        apt_install(&["g++"])?;
    }
    // As tests of the whole workspace: whatever is not ours is compiled for those with the same features already.
    let mut build = cargo(&["test", "--workspace", "--no-run", "--features", "sluice-fuzz/run"]);
    build.args(["--message-format", "json-render-diagnostics"]);
    build.args(targets.iter().flat_map(|target| ["--bin", target]));
    // Cargo calls this program in place of rustc for the workspace's own crates (see `as_wrapper`). Only these are
    // instrumented: it is their paths that the fuzzer shall explore.
    build.env("RUSTC_WORKSPACE_WRAPPER", workspace::this_program()?);
    let built = programs(&output(&mut build)?);
    let missing = targets.iter().find(|target| !built.contains_key(*target));
    ensure!(missing.is_none(), "cargo has not said where it put {}", missing.map_or("", String::as_str));
    Ok(built)
}

/// The programs that cargo says it has built, in lines of JSON.
fn programs(said: &str) -> BTreeMap<String, PathBuf> {
    let artifacts = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs = artifacts.filter_map(|artifact| {
        let name = artifact.pointer("/target/name")?.as_str()?;
        Some((name.to_owned(), artifact.get("executable")?.as_str()?.into()))
    });
    programs.collect()
}

/// The call to rustc that cargo makes through this program, when it is one: the compiler and its arguments.
pub(crate) fn as_wrapper(arguments: &[String]) -> Option<Command> {
    let (rustc, arguments) = arguments.split_first()?;
    if Path::new(rustc).file_stem()? != "rustc" {
        return None;
    }
    let mut compile = Command::new(rustc);
    compile.args(arguments);
    // Questions about the compiler come this way as well, and build scripts, which nobody links with libFuzzer.
    let name = arguments.iter().skip_while(|argument| *argument != "--crate-name").nth(1);
    if name.is_some_and(|name| !name.starts_with("build_script_")) {
        compile.args(INSTRUMENTATION);
    }
    Some(compile)
}

fn run_target(program: &Path, target: &str, seconds: u32) -> anyhow::Result<()> {
    let make = |path: PathBuf| {
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        anyhow::Ok(path)
    };
    let corpus = make(workspace::target()?.join("fuzz/corpus").join(target))?;
    let artifacts = make(workspace::root().join("fuzz/artifacts"))?;
    let mut fuzzer = command(workspace::root(), program, &[TIMEOUT, "-verbosity=0", "-print_final_stats=1"]);
    fuzzer.arg(format!("-max_total_time={seconds}"));
    fuzzer.arg(format!("-artifact_prefix={}/{target}-", artifacts.display()));
    run(fuzzer.arg(corpus)).with_context(|| format!("a finding of {target}, kept in fuzz/artifacts/"))
}

fn parse(arguments: &[String]) -> anyhow::Result<(Vec<String>, u32)> {
    let mut wanted = Vec::new();
    let mut seconds = DEFAULT_SECONDS;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                // libFuzzer takes 0 as "for ever".
                seconds = number.filter(|&seconds| seconds > 0).context("--seconds needs a whole number above 0")?;
            }
            flag if flag.starts_with('-') => bail!("unknown argument {flag}\n  accepted: [TARGET]... [--seconds N]"),
            target => wanted.push(target.to_owned()),
        }
    }
    Ok((wanted, seconds))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_crates_are_instrumented_and_only_when_cargo_calls() {
        let compiled = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            as_wrapper(&words).map(|command| command.get_args().count())
        };
        assert_eq!(compiled(&["fuzz", "sdp"]), None);
        assert_eq!(compiled(&["/usr/bin/rustc", "-vV"]), Some(1));
        assert_eq!(compiled(&["rustc", "--crate-name", "build_script_build"]), Some(2));
        assert_eq!(compiled(&["rustc", "--crate-name", "sluice_rtp"]), Some(2 + INSTRUMENTATION.len()));
    }

    #[test]
    fn programs_are_where_cargo_says_they_are() {
        let said = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"sluice_rtp"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"sdp"},"executable":"/t/debug/deps/sdp-1"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(programs(said), [("sdp".to_owned(), "/t/debug/deps/sdp-1".into())].into());
    }

    #[test]
    fn targets_and_seconds_come_in_any_order() {
        let read = |words: &[&str]| parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read(&[]).unwrap(), (vec![], DEFAULT_SECONDS));
        assert_eq!(read(&["sdp", "--seconds", "5"]).unwrap(), (vec!["sdp".to_owned()], 5));
        assert!(read(&["--seconds"]).is_err() && read(&["--seconds", "0"]).is_err() && read(&["--all"]).is_err());
    }
}
