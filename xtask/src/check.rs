//! `cargo xtask check`: everything that can be said about the code without running it. All of it is reported,
//! not only the first complaint.

use std::process::Command;

use anyhow::bail;

use crate::command::{cargo, run, succeeds};
use crate::report::{Line, Verdict, conclude, timed};
use crate::{npm, workspace};

/// Runs all checks.
///
/// # Errors
/// When a component of the toolchain is missing.
pub(crate) fn check() -> anyhow::Result<Verdict> {
    let mut lines = Vec::new();

    let components = [("fmt", "rustfmt"), ("clippy", "clippy")];
    let missing = components.iter().find(|(verb, _)| !succeeds(&mut cargo(&[verb, "--version"])));
    if let Some((_, component)) = missing {
        bail!("{component} is missing\n  rustup component add {component}");
    }
    one(&mut lines, "rustfmt", || Ok(cargo(&["fmt", "--all", "--check"])));
    one(&mut lines, "clippy", || {
        Ok(cargo(&["clippy", "--workspace", "--all-targets", "--keep-going", "--", "-D", "warnings"]))
    });
    one(&mut lines, "rustdoc", || {
        let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--keep-going"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        Ok(doc)
    });
    if succeeds(&mut cargo(&["deny", "--version"])) {
        one(&mut lines, "licences, advisories", || Ok(cargo(&["deny", "check"])));
    } else {
        eprintln!("\n== licences, advisories: not checked, cargo-deny is missing (cargo install --locked cargo-deny)");
    }

    let client = workspace::client_web();
    for (name, script) in [("typescript", "typecheck"), ("eslint", "lint"), ("prettier", "format:check")] {
        one(&mut lines, name, || {
            npm::install(&client)?;
            npm::npm(&client, &["run", "--silent", script])
        });
    }

    conclude(&lines)
}

fn one(lines: &mut Vec<Line>, name: &str, check: impl FnOnce() -> anyhow::Result<Command>) {
    timed(lines, name, || {
        run(&mut check()?)?;
        Ok((1, 0))
    });
}
