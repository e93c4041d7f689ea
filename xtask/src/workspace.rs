//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The root of the checkout.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// The web client.
pub(crate) fn client_web() -> PathBuf {
    root().join("client-web")
}

/// Cargo's target directory: this program runs from its `debug/`.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    Ok(profile()?.parent().context("a program in the root directory")?.to_owned())
}

/// The server that `cargo build` and `cargo test` leave beside this program.
pub(crate) fn server() -> anyhow::Result<PathBuf> {
    Ok(profile()?.join("sluice").with_extension(std::env::consts::EXE_EXTENSION))
}

/// The bad network of the browser tests, beside the server once it is built.
pub(crate) fn link() -> anyhow::Result<PathBuf> {
    Ok(profile()?.join("sluice-link").with_extension(std::env::consts::EXE_EXTENSION))
}

/// The server that `cargo build --release` leaves.
pub(crate) fn release_server() -> anyhow::Result<PathBuf> {
    Ok(target()?.join("release/sluice").with_extension(std::env::consts::EXE_EXTENSION))
}

/// This program. Not as the system names it: an earlier step may have built it anew, and put it in this one's place.
pub(crate) fn this_program() -> anyhow::Result<PathBuf> {
    Ok(profile()?.join(env!("CARGO_BIN_NAME")).with_extension(std::env::consts::EXE_EXTENSION))
}

fn profile() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("where am I?")?;
    Ok(this.parent().context("a program is in a directory")?.to_owned())
}
