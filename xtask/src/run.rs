//! `cargo xtask run` and `build`: the newest client and server, serving or ready to copy.

use std::process::Command;

use anyhow::Context as _;

use crate::command::{cargo, command, run as run_command};
use crate::report::Verdict;
use crate::{npm, workspace};

/// `cargo xtask build`: one file to copy, web client inside.
pub(crate) fn build() -> anyhow::Result<Verdict> {
    npm::build_client().context("cannot build the web client")?;
    run_command(&mut cargo(&["build", "--release", "--package", "sluice"]))?;
    eprintln!("{}", workspace::release_server()?.display());
    Ok(Verdict::Passed)
}

/// Builds both and becomes the server.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<Verdict> {
    npm::build_client().context("cannot build the web client")?;
    run_command(&mut cargo(&["build", "--package", "sluice"]))?;

    let mut server = command(workspace::root(), workspace::server()?, &["serve", "--dev"]);
    server.args(arguments.iter().skip_while(|argument| *argument == "--"));
    eprintln!("+ sluice serve --dev (end it with Ctrl-C)");
    become_process(&mut server)
}

#[cfg(unix)]
fn become_process(server: &mut Command) -> anyhow::Result<Verdict> {
    use std::os::unix::process::CommandExt as _;
    // Signals then go to the server itself.
    Err(server.exec()).context("cannot start the server")
}

#[cfg(not(unix))]
fn become_process(server: &mut Command) -> anyhow::Result<Verdict> {
    run_command(server)?;
    Ok(Verdict::Passed)
}
