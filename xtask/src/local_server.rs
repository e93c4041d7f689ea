//! A server of ours on loopback, for as long as a verb needs it, and the load tester pointed at it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::command::{cargo, run};
use crate::running::{LOOK, Running, pause};
use crate::workspace;

const PORT: u16 = 17_900;
const MEDIA_PORT: u16 = 17_902;
/// Of a server for some minutes on loopback.
const KEY: &str = "local";
const SECRET: &str = "only-for-some-minutes-on-loopback";
const START_PATIENCE: Duration = Duration::from_secs(15);

/// A server that listens. It ends when this is dropped.
pub(crate) struct LocalServer {
    program: PathBuf,
    running: Running,
    log: PathBuf,
    report: PathBuf,
}

/// The one that was built already, or the one that ships.
pub(crate) fn program(built: Option<&str>) -> anyhow::Result<PathBuf> {
    if let Some(built) = built {
        return Path::new(built).canonicalize().with_context(|| built.to_owned());
    }
    run(&mut cargo(&["build", "--release", "--package", "sluice"]))?;
    workspace::release_server()
}

/// The one of a verb's only flag.
pub(crate) fn asked_for(arguments: &[String]) -> anyhow::Result<PathBuf> {
    match arguments {
        [] => program(None),
        [flag, file] if flag == "--sluice" => program(Some(file)),
        _ => bail!("unknown arguments\n  accepted: --sluice FILE"),
    }
}

impl LocalServer {
    /// Starts one in development mode, with these variables besides those it needs to be found. What it says goes to a file
    /// of that name.
    pub(crate) fn start(program: &Path, name: &str, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let directory = workspace::target()?.join(name);
        std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let log = directory.join("server.log");
        let out = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(program);
        command.arg("serve").args(["--dev", "--listen", &address().to_string()]);
        command.args(["--udp-port", &MEDIA_PORT.to_string(), "--log", "warn"]);
        command.env("SLUICE_KEYS", format!("{KEY}: {SECRET}")).envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let running = Running::start(&mut command)?;
        let server = Self { program: program.to_owned(), running, log, report: directory.join("report.json") };
        let began = Instant::now();
        while TcpStream::connect_timeout(&address(), LOOK).is_err() {
            server.ensure_runs()?;
            if began.elapsed() > START_PATIENCE {
                bail!("the server does not listen on {}; see {}", address(), server.log.display());
            }
            pause(LOOK)?;
        }
        // Somebody else may listen there.
        server.ensure_runs()?;
        Ok(server)
    }

    /// An error once it has ended.
    pub(crate) fn ensure_runs(&self) -> anyhow::Result<()> {
        match self.running.ended()? {
            None => Ok(()),
            Some(status) => bail!("the server ended ({status}); see {}", self.log.display()),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    pub(crate) fn address(&self) -> SocketAddr {
        address()
    }

    /// The load tester, to be started with more arguments; and where its report will be, where nothing is yet.
    pub(crate) fn tester(&self, scenario: &str) -> (Command, &Path) {
        // What an earlier run left is not this one's.
        let _ = std::fs::remove_file(&self.report);
        let mut command = Command::new(&self.program);
        command.args(["loadtest", scenario, "--url", &format!("ws://{}", address())]);
        command.args(["--api-key", KEY, "--api-secret", SECRET]).arg("--json").arg(&self.report);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        (command, &self.report)
    }
}

fn address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))
}
