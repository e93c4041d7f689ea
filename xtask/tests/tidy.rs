//! House rules that neither the compiler nor clippy knows.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};

/// A file longer than this, without its tests, hides a second concept.
const MAX_LINES: usize = 800;

/// Directories that hold nothing of ours, or nothing written by hand.
const SKIPPED: &[&str] = &["target", "node_modules", "dist"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All files below the root with this name or extension, and their text.
fn files(wanted: impl Fn(&Path) -> bool) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut ahead = vec![root().to_owned()];
    while let Some(directory) = ahead.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if name.starts_with('.') || SKIPPED.contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                ahead.push(path);
            } else if wanted(&path) {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// What ships: not the files of tests.
fn sources() -> Vec<(PathBuf, String)> {
    files(|path| {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        is_rust && path.iter().any(|part| part == "src") && !path.ends_with("tests.rs")
    })
}

/// Lines before the module of unit tests.
fn own_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

#[test]
fn no_file_hides_a_second_concept() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(path, text)| (path, own_lines(text)))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| format!("{}: {lines}", path.display()))
        .collect();
    assert!(long.is_empty(), "more than {MAX_LINES} lines without tests: {long:#?}");
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "no `//!` on the first line: {silent:#?}");
}

#[test]
fn every_crate_keeps_the_lints_of_the_workspace() {
    // Nothing is inherited in part. Where `unsafe` may be, all others stand there once more.
    const UNSAFE_IS_IN: &str = "sfu/net/Cargo.toml";
    let manifests = files(|path| path.ends_with("Cargo.toml"));
    let all = &manifests.iter().find(|(_, text)| text.contains("[workspace.lints.rust]")).unwrap().1;
    let lints = all
        .lines()
        .skip_while(|line| !line.starts_with("[workspace.lints"))
        .take_while(|line| line.starts_with("[workspace.lints") || !line.starts_with('['));
    let lints: Vec<&str> = lints.filter(|line| line.contains(" = ") && !line.starts_with("unsafe_code")).collect();
    assert!(lints.len() > 5, "{lints:?}");
    for (path, text) in &manifests {
        if path.ends_with(UNSAFE_IS_IN) {
            let missing: Vec<_> = lints.iter().filter(|lint| !text.lines().any(|line| line == **lint)).collect();
            assert!(missing.is_empty(), "{UNSAFE_IS_IN} lacks {missing:?}");
        } else {
            let is_whole = text.contains("[lints]\nworkspace = true\n");
            assert!(is_whole, "{} opts out of the workspace's lints", path.display());
        }
    }
}

/// Clippy takes the nearest file alone, so each sans-IO crate holds the whole list.
#[test]
fn sans_io_crates_forbid_the_same() {
    let lists = files(|path| path.ends_with("clippy.toml") && path.parent() != Some(root()));
    assert!(lists.len() > 1);
    for (path, text) in &lists {
        assert_eq!(*text, lists[0].1, "{} and {} differ", path.display(), lists[0].0.display());
    }
}
