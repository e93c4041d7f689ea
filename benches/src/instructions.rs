//! What an operation costs in instructions, counted by callgrind: the same on a busy machine as on an idle one, so that a
//! shared one can compare.
//!
//! A part is one of the benches that exist for time. Callgrind runs the program for each part, counts inside
//! `measure::counted` alone, and begins anew at `measure::counting_begins`. It shows programs a processor without
//! AVX-512, so sealing costs more here than it does outside.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use sluice_rtp::srtp::Profile;

use crate::measure::Effort;
use crate::pieces::{self, ALLOCATIONS, CALLS};
use crate::room::{Room, Shape};
use crate::send_side;

/// Counts inside this function. Names in full and an asterisk at the end only: callgrind takes two patterns that begin
/// with one for the same.
const COUNTED: &str = "--toggle-collect=sluice_benches::measure::counted*";
/// Forgets what was counted before this function.
const BEGINS: &str = "--zero-before=sluice_benches::measure::counting_begins*";

/// Something to count.
pub struct Part {
    /// Its name in the baseline.
    pub name: &'static str,
    /// Does it, and says how many operations it was.
    pub run: fn(Effort) -> usize,
}

/// All of them.
pub const PARTS: &[Part] = &[
    Part { name: "counted: SRTP seal, AES-128-GCM, 1100 B", run: |effort| seal(Profile::AeadAes128Gcm, effort) },
    Part { name: "counted: SRTP seal, AES-256-GCM, 1100 B", run: |effort| seal(Profile::AeadAes256Gcm, effort) },
    Part {
        name: "counted: dependency descriptor, read and renumbered",
        run: |effort| calls(pieces::dependency_descriptor(effort), CALLS, effort),
    },
    Part {
        name: "counted: ingest, a packet of VP8 read",
        run: |effort| calls(pieces::ingest(1100, effort), CALLS, effort),
    },
    Part { name: "counted: demux, a stranger's packet refused among 10", run: |effort| refuse(false, effort) },
    Part {
        name: "counted: demux, a stranger's connectivity check refused among 10",
        run: |effort| refuse(true, effort),
    },
    Part { name: "counted: allocator, 9 cameras of 9 layers", run: |effort| allocate(9, effort) },
    Part { name: "counted: allocator, 50 cameras of 9 layers", run: |effort| allocate(50, effort) },
    Part {
        name: "counted: forward and egress, 4 connections of 1 stream, 1100 B: packet, all in all",
        run: |effort| send_side::run(4, 1, 1100, effort).packets,
    },
    Part {
        name: "counted: forward and egress, 1 connection of 50 streams, 1100 B: packet, all in all",
        run: |effort| send_side::run(1, 50, 1100, effort).packets,
    },
    Part {
        name: "counted: worker, a camera for 10: packet forwarded, all in all",
        run: |effort| Room::open(Shape::camera_for(10)).measure(effort).packets,
    },
];

fn calls(figure: Option<f64>, in_a_stretch: usize, effort: Effort) -> usize {
    figure.map_or(0, |_| in_a_stretch * effort.samples)
}

fn seal(profile: Profile, effort: Effort) -> usize {
    calls(pieces::seal(profile, 1100, effort), CALLS, effort)
}

fn allocate(tracks: usize, effort: Effort) -> usize {
    calls(pieces::allocate(tracks, effort), ALLOCATIONS, effort)
}

fn refuse(is_check: bool, effort: Effort) -> usize {
    calls(Room::open(Shape::camera_for(10)).refuse(is_check, effort), CALLS, effort)
}

/// Whether there is a valgrind to count with.
#[must_use]
pub fn can_count() -> bool {
    let asked = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// Instructions for an operation of a part. `program` must do it when it is given `--part NAME`, and print how many
/// operations that was.
///
/// # Errors
///
/// When callgrind cannot run the program, or counted nothing.
pub fn count(program: &Path, part: &Part) -> anyhow::Result<f64> {
    let out = std::env::temp_dir().join(format!("sluice-instructions-{}.out", std::process::id()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", COUNTED, BEGINS])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["--part", part.name])
        .output()
        .context("cannot start valgrind")?;
    ensure!(output.status.success(), "callgrind failed: {}", String::from_utf8_lossy(&output.stderr));
    let operations = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse::<u32>()
        .context("operations of a part")?;
    let profile = std::fs::read_to_string(&out).with_context(|| out.display().to_string())?;
    // It is of no use to anybody now.
    let _ = std::fs::remove_file(&out);
    let counted = total(&profile)
        .filter(|counted| *counted > 0.0)
        .context("callgrind counted nothing: are symbols there?")?;
    ensure!(operations > 0, "{}: nothing was done", part.name);
    Ok(counted / f64::from(operations))
}

/// The sum of a profile of callgrind.
fn total(profile: &str) -> Option<f64> {
    let line = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")));
    line?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_profile_is_read() {
        assert_eq!(total("version: 1\nevents: Ir\nfn=(1) a\n1 2\n\ntotals: 1234\n"), Some(1234.0));
        assert_eq!(total("events: Ir\nsummary: 77\n"), Some(77.0));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn parts_have_names_of_their_own() {
        let mut names: Vec<_> = PARTS.iter().map(|part| part.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PARTS.len());
    }
}
