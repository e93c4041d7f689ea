//! Running other programs: each is shown, each failure names the command that failed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::report::{Dialect, Tally};

/// A command in a directory.
pub(crate) fn command(directory: &Path, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).args(arguments);
    command
}

/// The cargo that runs this program.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = command(crate::workspace::root(), cargo, arguments);
    // `cargo xtask` itself leaves these behind; they would make build scripts of the inner cargo run anew.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    announce(command);
    let status = command.status().with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("{} failed ({status})", describe(command));
    }
    Ok(())
}

/// Runs it to its end; its standard output.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    announce(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| cannot_start(command))?;
    if !output.status.success() {
        bail!("{} failed ({})", describe(command), output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs it to its end, shows its output, and reads from it how many tests passed and failed (in this order).
pub(crate) fn run_tests(command: &mut Command, dialect: Dialect) -> anyhow::Result<(u32, u32)> {
    announce(command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| cannot_start(command))?;
    let output = child.stdout.take().context("standard output was piped")?;
    let mut tally = Tally::new(dialect);
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        std::io::stdout().write_all(&line)?;
        tally.read_line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait()?;
    Ok(tally.ended(status.success()))
}

/// Whether it can be run and says yes; its output is not shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A program of the PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program).with_extension(std::env::consts::EXE_EXTENSION))
        .find(|candidate| candidate.is_file())
}

fn announce(command: &Command) {
    eprintln!("+ {}", describe(command));
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start {}", describe(command))
}

/// The command as a person would type it from the root of the checkout.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = if program.is_absolute() { program.file_name().unwrap_or_default() } else { program.as_os_str() };
    let mut words = vec![program.to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    let directory = command
        .get_current_dir()
        .and_then(|directory| directory.strip_prefix(crate::workspace::root()).ok());
    match directory {
        Some(directory) if directory != Path::new("") => format!("(cd {} && {})", directory.display(), words.join(" ")),
        _ => words.join(" "),
    }
}
