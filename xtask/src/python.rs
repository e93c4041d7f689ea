//! Python environments of the SDK tests: one for each file of requirements, since versions of one package are
//! tested side by side.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::browsers::apt_install;
use crate::command::{command, find, run, succeeds};
use crate::workspace::{root, target};

/// Copy of the requirements that the environment holds.
const STAMP: &str = "xtask-requirements.txt";

/// Makes the environment `target/venv/<name of the file>` hold what the file asks for; its interpreter.
pub(crate) fn environment(requirements: &Path) -> anyhow::Result<PathBuf> {
    let name = requirements.file_stem().context("a file of requirements has a name")?;
    let directory = target()?.join("venv").join(name);
    let python = directory.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let stamp = directory.join(STAMP);
    let wanted = std::fs::read(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted)
        && succeeds(&mut command(root(), &python, &["--version"]))
    {
        return Ok(python);
    }

    create(&directory)?;
    let requirements = requirements.to_string_lossy();
    run(&mut command(
        root(),
        &python,
        &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", &requirements],
    ))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}

fn create(directory: &Path) -> anyhow::Result<()> {
    let Some(system) = find("python3").or_else(|| find("python")) else {
        apt_install(&["python3", "python3-venv"])?;
        return create_with(Path::new("python3"), directory);
    };
    // Debian ships Python without what makes environments.
    if !succeeds(&mut command(root(), &system, &["-c", "import ensurepip, venv"])) {
        apt_install(&["python3-venv"])?;
    }
    create_with(&system, directory)
}

fn create_with(system: &Path, directory: &Path) -> anyhow::Result<()> {
    if !succeeds(&mut command(root(), system, &["-c", "import sys; sys.exit(sys.version_info < (3, 9))"])) {
        bail!("the SDK tests need Python 3.9 or newer: https://www.python.org");
    }
    run(&mut command(root(), system, &["-m", "venv", "--clear", &directory.to_string_lossy()]))
}
