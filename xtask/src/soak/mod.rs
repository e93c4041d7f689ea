//! `cargo xtask soak`: people come and go in waves, and what the server holds between waves must not grow.
//!
//! `wave.rs` brings the people, `reading.rs` says what it holds, `judgement.rs` what of it must not be.

mod judgement;
mod reading;
mod wave;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use self::judgement::Judgement;
pub(crate) use self::reading::Reading;
use self::wave::Wave;
use crate::local_server::{self, LocalServer};
use crate::report::{Line, Verdict, timed};
use crate::{running, workspace};

const MINUTES: u64 = 30;
/// In the test run.
const BRIEF: Duration = Duration::from_secs(120);
/// Waves of a soak, about: enough that what is left behind adds up, few enough that most of the time is load.
const WAVES: u32 = 30;
const SHORTEST_WAVE: Duration = Duration::from_secs(4);
const LONGEST_WAVE: Duration = Duration::from_secs(30);
/// Until everything that must be gone is. The server is told to keep nobody for longer than seconds; what takes longest
/// is the clients' own silence after they were cut off.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOK: Duration = Duration::from_millis(200);
/// A server at which nobody has been shows the same for so long before it counts as fresh: the threads that looked through
/// its storage when it started wait 10 s for more to do before they end (tokio's `thread_keep_alive`).
const STILL: Duration = Duration::from_secs(12);
/// Who is gone is gone soon, so that waves need not be minutes apart. And glibc's allocator, which keeps what it was given
/// back, for each thread and in steps of many MiB, has one place for all and keeps little: what is left is held by somebody.
const VARIABLES: &[(&str, &str)] = &[
    ("SLUICE_ROOMS__DEPARTURE_TIMEOUT_S", "1"),
    ("SLUICE_ROOMS__RESUME_TIMEOUT_S", "2"),
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
];

/// Soaks the server as it ships.
pub(crate) fn soak(arguments: &[String]) -> anyhow::Result<Verdict> {
    let (mut minutes, mut built) = (MINUTES, None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--minutes" => minutes = value()?.parse().context("--minutes takes a whole number")?,
            "--sluice" => built = Some(value()?.clone()),
            _ => bail!("unknown argument {argument}\n  accepted: --minutes N, --sluice FILE"),
        }
    }
    ensure!(minutes > 0, "--minutes takes a whole number above 0");
    let sluice = local_server::program(built.as_deref())?;
    let (_, failed) = soak_for(&sluice, Duration::from_secs(minutes * 60))?;
    Ok(if failed == 0 { Verdict::Passed } else { Verdict::Failed })
}

/// Soaks the server that tests use, as one line of many.
pub(crate) fn briefly(lines: &mut Vec<Line>) {
    timed(lines, "soak", || {
        // Nobody else tells what a process holds.
        if cfg!(not(target_os = "linux")) {
            return Ok((0, 0));
        }
        soak_for(&workspace::server()?, BRIEF)
    });
}

/// How many things held, and how many did not.
fn soak_for(sluice: &Path, time: Duration) -> anyhow::Result<(u32, u32)> {
    let server = LocalServer::start(sluice, "soak", VARIABLES)?;
    let fresh = at_rest(&server)?;
    let began = Instant::now();
    let wave_time = (time / WAVES).clamp(SHORTEST_WAVE, LONGEST_WAVE);
    let mut judgement = Judgement::new(fresh);
    eprintln!("{}", judgement::head());
    eprintln!("{}", judgement.row("before any"));
    while began.elapsed() < time || !judgement.has_enough() {
        let wave = Wave::of(judgement.waves());
        let came = wave.play(&server, judgement.waves(), wave_time)?;
        judgement.add(came, rest(&server, &judgement)?);
        eprintln!("{}", judgement.row(wave.name()));
    }
    let (mut passed, mut failed) = (0, 0);
    for finding in judgement.conclude() {
        let (mark, count) = if finding.holds { ("ok  ", &mut passed) } else { ("FAIL", &mut failed) };
        *count += 1;
        eprintln!("{mark} {}", finding.text);
    }
    if failed > 0 {
        eprintln!("the server's log: {}", server.log().display());
    }
    Ok((passed, failed))
}

/// What the server holds now.
fn read(server: &LocalServer) -> anyhow::Result<Reading> {
    server.ensure_runs()?;
    Reading::take(server.pid(), server.address())
}

/// What a server holds at which nobody has been: once it is the same for a while, since it has just started, and was called
/// to see whether it listens.
fn at_rest(server: &LocalServer) -> anyhow::Result<Reading> {
    let (mut reading, mut since) = (read(server)?, Instant::now());
    while since.elapsed() < STILL {
        running::pause(LOOK)?;
        let next = read(server)?;
        if (next.descriptors, next.threads) != (reading.descriptors, reading.threads) {
            since = Instant::now();
        }
        reading = next;
    }
    Ok(reading)
}

/// What the server holds once all are gone, or once that has taken too long.
fn rest(server: &LocalServer, judgement: &Judgement) -> anyhow::Result<Reading> {
    let began = Instant::now();
    loop {
        let reading = read(server)?;
        if judgement.has_returned(&reading) || began.elapsed() > PATIENCE {
            return Ok(reading);
        }
        running::pause(LOOK)?;
    }
}
