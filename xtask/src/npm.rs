//! npm projects: packages installed when the lock changed, the web client built when its sources did.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, bail};

use crate::command::{command, find, run};
use crate::workspace::client_web;

/// Copy of the lock that the installed packages came from.
const STAMP: &str = "node_modules/.xtask-package-lock.json";

/// `npm` with arguments, in a project.
pub(crate) fn npm(project: &Path, arguments: &[&str]) -> anyhow::Result<Command> {
    // On Windows npm is a script, which has to be named in full.
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    if !cfg!(windows) && find(npm).is_none() {
        bail!("npm is missing\n  install Node.js 20.19 or newer: https://nodejs.org");
    }
    Ok(command(project, npm, arguments))
}

/// Makes `node_modules` what the lock says. Does nothing when it is.
pub(crate) fn install(project: &Path) -> anyhow::Result<()> {
    let lock_path = project.join("package-lock.json");
    let lock = std::fs::read(&lock_path).with_context(|| format!("cannot read {}", lock_path.display()))?;
    let stamp = project.join(STAMP);
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    run(&mut npm(project, &["ci", "--no-audit", "--no-fund"])?)?;
    std::fs::write(&stamp, lock).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Builds the web client into `dist/` when a source is newer.
pub(crate) fn build_client() -> anyhow::Result<()> {
    let project = client_web();
    install(&project)?;
    if is_built(&project)? {
        return Ok(());
    }
    run(&mut npm(&project, &["run", "build"])?)
}

fn is_built(project: &Path) -> anyhow::Result<bool> {
    let Ok(built) = std::fs::metadata(project.join("dist/index.html")).and_then(|file| file.modified()) else {
        return Ok(false);
    };
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in std::fs::read_dir(project)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // What is built, and what does not go into it.
        let is_source = !name.starts_with('.') && !["dist", "node_modules", "e2e", "test-results"].contains(&&*name);
        if is_source && !name.ends_with(".tsbuildinfo") {
            newest = newest.max(newest_below(&entry.path())?);
        }
    }
    Ok(newest <= built)
}

/// When the newest file of a tree was changed.
fn newest_below(path: &Path) -> anyhow::Result<SystemTime> {
    let metadata = std::fs::symlink_metadata(path)?;
    let mut newest = metadata.modified()?;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path)? {
            newest = newest.max(newest_below(&entry?.path())?);
        }
    }
    Ok(newest)
}
