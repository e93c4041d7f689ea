//! The server of a soak, and the waves of people it serves. Knows the load tester by its flags and its JSON alone.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::reading::Reading;
use crate::running::{LOOK, Running, pause};
use crate::workspace;

const PORT: u16 = 17_900;
const MEDIA_PORT: u16 = 17_902;
/// Of a server for some minutes on loopback.
const KEY: &str = "soak";
const SECRET: &str = "only-for-some-minutes-on-loopback";
const START_PATIENCE: Duration = Duration::from_secs(15);
/// A passer publishes and receives, and two speakers stay: some ten people at a time, which a server built for tests
/// serves beside the load tester on two cores.
const JOINS_PER_SECOND: &str = "4";
const STAY: &str = "2s";
/// What the load tester takes over the time it was told, with everybody gone; beyond it something is wrong.
const TESTER_PATIENCE: Duration = Duration::from_secs(60);
/// The first of a wave are there, and passers come, before it is cut off.
const GATHERING: Duration = Duration::from_secs(4);

/// How people come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wave {
    /// One connection each.
    Single,
    /// By the older signal protocol, with two.
    Dual,
    /// They vanish without a word: the load tester is killed.
    CutOff,
}

/// A server of ours.
pub(super) struct Server {
    program: PathBuf,
    running: Running,
    log: PathBuf,
    report: PathBuf,
}

impl Wave {
    /// By turns.
    pub(super) fn of(place: usize) -> Self {
        [Self::Single, Self::Dual, Self::CutOff][place % 3]
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Single => "one connection each",
            Self::Dual => "two connections each",
            Self::CutOff => "cut off",
        }
    }
}

impl Server {
    /// A fresh one that answers.
    pub(super) fn start(program: &Path) -> anyhow::Result<Self> {
        let directory = workspace::target()?.join("soak");
        std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let log = directory.join("server.log");
        let out = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(program);
        command.args(["serve", "--dev", "--listen", &address().to_string()]);
        command.args(["--udp-port", &MEDIA_PORT.to_string(), "--log", "warn"]);
        command.env("SLUICE_KEYS", format!("{KEY}: {SECRET}"));
        // Who is gone is gone soon, so that waves need not be minutes apart.
        command
            .env("SLUICE_ROOMS__DEPARTURE_TIMEOUT_S", "1")
            .env("SLUICE_ROOMS__RESUME_TIMEOUT_S", "2");
        // glibc's allocator keeps what it was given back, for each thread and in steps of many MiB; here it has one place
        // for all and keeps little, so that what is left is held by somebody.
        command.env("MALLOC_ARENA_MAX", "1");
        command.env("MALLOC_TRIM_THRESHOLD_", "65536").env("MALLOC_MMAP_THRESHOLD_", "65536");
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let running = Running::start(&mut command)?;
        let server = Self { program: program.to_owned(), running, log, report: directory.join("report.json") };
        server.wait().with_context(|| format!("the server (see {})", server.log.display()))?;
        Ok(server)
    }

    fn wait(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.running.ended()? {
                bail!("ended as soon as it was started ({status})");
            }
            match self.read() {
                Ok(_) => return Ok(()),
                Err(error) if began.elapsed() > START_PATIENCE => return Err(error),
                Err(_) => pause(LOOK)?,
            }
        }
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// What it holds now.
    pub(super) fn read(&self) -> anyhow::Result<Reading> {
        if let Some(status) = self.running.ended()? {
            bail!("the server ended ({status}); see {}", self.log.display());
        }
        Reading::take(self.running.pid(), address())
    }

    /// A wave in a room of its own, until its people are gone. How many were served, where somebody is left to tell.
    pub(super) fn load(&self, wave: Wave, number: usize, time: Duration) -> anyhow::Result<Option<u64>> {
        // What an earlier wave left is not this one's.
        let _ = std::fs::remove_file(&self.report);
        let mut command = Command::new(&self.program);
        command.args(["loadtest", "churn", "--publish", "--joins-per-second", JOINS_PER_SECOND, "--stay", STAY]);
        command.args(["--url", &format!("ws://{}", address()), "--api-key", KEY, "--api-secret", SECRET]);
        command.args(["--duration", &format!("{}ms", time.as_millis()), "--room", &format!("wave-{number}-")]);
        command.args(["--signal", if wave == Wave::Dual { "v0" } else { "v1" }]);
        command.arg("--json").arg(&self.report);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let tester = Running::start(&mut command)?;
        let began = Instant::now();
        if wave == Wave::CutOff {
            while began.elapsed() < GATHERING + time / 2 {
                ensure!(tester.ended()?.is_none(), "the load tester ended early");
                pause(LOOK)?;
            }
            tester.end();
            return Ok(None);
        }
        let status = loop {
            if let Some(status) = tester.ended()? {
                break status;
            }
            ensure!(began.elapsed() < time + TESTER_PATIENCE, "the load tester does not end");
            pause(LOOK)?;
        };
        ensure!(status.success(), "the load tester failed ({status})");
        let text = std::fs::read_to_string(&self.report).context("the load tester's report")?;
        let report: Value = serde_json::from_str(&text).context("the load tester's report")?;
        let connected = report.pointer("/participants/connected").and_then(Value::as_u64);
        connected.context("the load tester's report does not say who came").map(Some)
    }
}

fn address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))
}
