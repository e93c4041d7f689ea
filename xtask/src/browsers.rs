//! The browsers of the end-to-end tests, what puts them in networks of their own, and Debian's packages in general.

use anyhow::bail;

use crate::command::{command, find, run, succeeds};
use crate::workspace::root;

/// Makes sure that Chromium and Firefox can be started.
pub(crate) fn install() -> anyhow::Result<()> {
    let missing: Vec<&str> = ["chromium", "firefox-esr"]
        .into_iter()
        .filter(|browser| find(browser).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    // Without a font every letter of a page is a box.
    apt_install(&[&missing[..], &["fonts-liberation"]].concat())
}

/// Makes sure of `ip` where it would be of use: only root makes network namespaces. Elsewhere the tests that need one
/// say why they are skipped.
pub(crate) fn install_ip() -> anyhow::Result<()> {
    if find("ip").is_some() || find("apt-get").is_none() || !is_root() {
        return Ok(());
    }
    apt_install(&["iproute2"])
}

/// Makes sure of `ffmpeg` and `ffprobe`, which make what the recorder is given and judge what it writes.
pub(crate) fn install_ffmpeg() -> anyhow::Result<()> {
    if ["ffmpeg", "ffprobe"].into_iter().all(|program| find(program).is_some()) {
        return Ok(());
    }
    apt_install(&["ffmpeg"])
}

/// Installs Debian packages when this machine allows it, else names them.
pub(crate) fn apt_install(packages: &[&str]) -> anyhow::Result<()> {
    let names = packages.join(" ");
    if find("apt-get").is_none() {
        bail!(
            "missing: {names}\n  these are Debian's names; install them so that they are in the PATH under these names"
        );
    }
    if !is_root() {
        bail!("missing: {names}\n  sudo apt-get update && sudo apt-get install --yes {names}");
    }
    run(&mut command(root(), "apt-get", &["update", "--quiet"]))?;
    let mut install = command(root(), "apt-get", &["install", "--yes", "--quiet", "--no-install-recommends"]);
    run(install.args(packages).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Whether this process may do everything.
pub(crate) fn is_root() -> bool {
    succeeds(&mut command(root(), "sh", &["-c", "test \"$(id -u)\" = 0"]))
}
