//! `cargo xtask test`: every test there is. A suite that cannot run fails and says why; the others still run.

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};

use crate::command::{cargo, command, run, run_tests};
use crate::postgres::Postgres;
use crate::report::{Dialect, Line, Verdict, conclude, timed, totals};
use crate::{browsers, fuzz, hostile, npm, python, soak, workspace};

/// What can be asked for with `--only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suite {
    /// `cargo test` of the workspace.
    Rust,
    /// Each fuzz target for a few seconds.
    Fuzz,
    /// Waves of people at a real server for two minutes.
    Soak,
    /// Hostile inputs at a real server: `cargo xtask hostile`.
    Hostile,
    /// Unit tests of the web client.
    Web,
    /// Browsers against a real server: `client-web/e2e/`.
    E2e,
    /// LiveKit SDKs against a real server: `tests/sdk/`.
    Sdk,
}

/// In the order they run: the quickest answer first.
const SUITES: [(&str, Suite); 7] = [
    ("rust", Suite::Rust),
    ("web", Suite::Web),
    ("fuzz", Suite::Fuzz),
    ("soak", Suite::Soak),
    ("hostile", Suite::Hostile),
    ("e2e", Suite::E2e),
    ("sdk", Suite::Sdk),
];

/// Seconds for each fuzz target: long enough to find what a change just broke. `cargo xtask fuzz` takes longer.
const FUZZ_SECONDS: u32 = 5;

/// Runs the suites asked for.
pub(crate) fn test(arguments: &[String]) -> anyhow::Result<Verdict> {
    let suites = chosen(arguments)?;
    let needs_server = suites
        .iter()
        .any(|(_, suite)| matches!(suite, Suite::Soak | Suite::Hostile | Suite::E2e | Suite::Sdk));
    let mut lines = Vec::new();

    if suites.iter().any(|(_, suite)| *suite == Suite::Rust) {
        // Together with the tests, so that the server and its crates are compiled once.
        timed(&mut lines, "build", || built(&["test", "--workspace", "--no-run"]));
    } else if needs_server {
        timed(&mut lines, "build", || built(&["build", "--package", "sluice"]));
    }
    // Nothing else makes sense with code that does not compile.
    if totals(&lines).1 == 0 {
        for (name, suite) in suites {
            match suite {
                Suite::Rust => timed(&mut lines, name, rust),
                Suite::Web => timed(&mut lines, name, web),
                Suite::Fuzz => fuzz::briefly(&mut lines, FUZZ_SECONDS),
                Suite::Soak => soak::briefly(&mut lines),
                Suite::Hostile => hostile::all(&mut lines),
                Suite::E2e => timed(&mut lines, name, e2e),
                Suite::Sdk => sdk(&mut lines),
            }
        }
    }

    conclude(&lines)
}

fn chosen(arguments: &[String]) -> anyhow::Result<Vec<(&'static str, Suite)>> {
    let mut chosen = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let name = match argument.split_once('=') {
            Some(("--only", name)) => name,
            _ if argument == "--only" => arguments.next().context("--only needs the name of a suite")?,
            _ => bail!("unknown argument {argument}\n  accepted: --only SUITE, where SUITE is {}", names()),
        };
        let suite = SUITES.iter().find(|(known, _)| *known == name);
        chosen.push(*suite.with_context(|| format!("unknown suite {name}\n  accepted: {}", names()))?);
    }
    Ok(if chosen.is_empty() { SUITES.to_vec() } else { chosen })
}

fn names() -> String {
    SUITES.map(|(name, _)| name).join(", ")
}

/// A build is no test: nothing passed, and an error fails.
fn built(arguments: &[&str]) -> anyhow::Result<(u32, u32)> {
    run(&mut cargo(arguments))?;
    Ok((0, 0))
}

/// With a PostgreSQL, without which a part of them would be skipped.
fn rust() -> anyhow::Result<(u32, u32)> {
    let postgres = Postgres::start()?;
    browsers::install_ffmpeg()?;
    let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"]);
    postgres.tell(&mut tests);
    run_tests(&mut tests, Dialect::Cargo)
}

fn web() -> anyhow::Result<(u32, u32)> {
    let project = workspace::client_web();
    npm::install(&project)?;
    run_tests(&mut npm::npm(&project, &["test"])?, Dialect::Vitest)
}

/// `client-web/e2e/` is an npm project of its own: the web client ships without its drivers of browsers.
fn e2e() -> anyhow::Result<(u32, u32)> {
    let project = workspace::client_web().join("e2e");
    npm::build_client()?;
    npm::install(&project)?;
    browsers::install()?;
    // Recordings are looked at, and composed.
    browsers::install_ffmpeg()?;
    // Some browsers are put behind a bad network, where there can be namespaces.
    browsers::install_ip()?;
    run(&mut cargo(&["build", "--package", "sluice-link"]))?;
    // One call has a Python program in it, with the newest SDK.
    let python = python::environment(&workspace::root().join("tests/sdk/python/requirements/livekit-latest.txt"))?;
    let mut suite = npm::npm(&project, &["test"])?;
    suite
        .env("SLUICE_BIN", workspace::server()?)
        .env("SLUICE_LINK_BIN", workspace::link()?)
        .env("SLUICE_SDK_PYTHON", python);
    run_tests(&mut suite, Dialect::Node)
}

/// `tests/sdk/python/`: pytest, once for each `requirements/*.txt`; `tests/sdk/node/`: `npm test`. Both find the
/// server by `SLUICE_BIN`.
fn sdk(lines: &mut Vec<Line>) {
    let directory = workspace::root().join("tests/sdk");
    let python_tests = directory.join("python");
    match requirements(&python_tests.join("requirements")) {
        Ok(files) => {
            for file in files {
                let name = format!("sdk python {}", file.file_stem().unwrap_or_default().to_string_lossy());
                timed(lines, &name, || {
                    browsers::install_ffmpeg()?;
                    let python = python::environment(&file)?;
                    let mut pytest = command(&python_tests, python, &["-m", "pytest", "-p", "no:cacheprovider"]);
                    pytest.env("SLUICE_BIN", workspace::server()?).env("PYTHONDONTWRITEBYTECODE", "1");
                    run_tests(&mut pytest, Dialect::Pytest)
                });
            }
        }
        Err(error) => timed(lines, "sdk python", || Err(error)),
    }
    timed(lines, "sdk node", || {
        let project = directory.join("node");
        npm::install(&project)?;
        // One of its tests drives livekit-client in Chromium.
        browsers::install()?;
        run_tests(npm::npm(&project, &["test"])?.env("SLUICE_BIN", workspace::server()?), Dialect::Node)
    });
}

/// The files of requirements, sorted.
fn requirements(directory: &std::path::Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    ensure!(!files.is_empty(), "no *.txt in {}", directory.display());
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn chosen_names(arguments: &[&str]) -> Vec<&'static str> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        chosen(&arguments).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn suites_are_chosen_by_name() {
        assert_eq!(chosen_names(&[]), ["rust", "web", "fuzz", "soak", "hostile", "e2e", "sdk"]);
        assert_eq!(chosen_names(&["--only", "web", "--only=rust"]), ["web", "rust"]);
        assert!(chosen(&["--only".to_owned(), "unit".to_owned()]).is_err());
        assert!(chosen(&["--fast".to_owned()]).is_err());
    }
}
