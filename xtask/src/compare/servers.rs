//! The servers: how each is found, started, and ended. Each run gets a fresh one, so that none carries what an earlier
//! load left behind; those that somebody else started go on as they are.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::cage::{Cage, Guest};
use super::janus;
use super::options::{Foreign, Options};
use crate::command::{cargo, find, run};
use crate::running::{LOOK, Running, pause};
use crate::workspace;

const SLUICE_PORT: u16 = 17_880;
const SLUICE_MEDIA_PORT: u16 = 17_882;
const LIVEKIT_PORT: u16 = 17_890;
const LIVEKIT_TCP_PORT: u16 = 17_891;
const LIVEKIT_MEDIA_PORT: u16 = 17_892;
const JANUS_PORT: u16 = 17_893;
/// Of a server for a few seconds on loopback. LiveKit wants 32 bytes.
const KEY: &str = "compare";
const SECRET: &str = "only-for-a-few-seconds-on-loopback";
/// Of LiveKit-compatible servers.
const LIVEKIT_SIGNAL: &str = "v1";
const START_PATIENCE: Duration = Duration::from_secs(15);

/// A server that takes part.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    /// As it says itself.
    pub(super) version: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sluice(PathBuf),
    LiveKit(PathBuf),
    Janus(PathBuf),
    Foreign { server: Foreign, key: String, secret: String },
}

/// A server that can be loaded. One that was started for it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Serving<'a> {
    pub(super) url: String,
    /// The signal protocol, as the load tester calls it.
    pub(super) signal: &'static str,
    pub(super) pid: u32,
    pub(super) key: String,
    pub(super) secret: String,
    child: Option<Running>,
    _guest: Option<Guest<'a>>,
}

/// Ours, built as it ships. It is the load tester, too.
pub(super) fn sluice(options: &Options) -> anyhow::Result<PathBuf> {
    if let Some(built) = &options.sluice {
        return built.canonicalize().with_context(|| built.display().to_string());
    }
    run(&mut cargo(&["build", "--release", "--package", "sluice"]))?;
    workspace::release_server()
}

/// Everybody who is here, ours first, and who is not, with the reason.
pub(super) fn contenders(options: &Options, sluice: &Path) -> anyhow::Result<(Vec<Contender>, Vec<String>)> {
    let mut present =
        vec![Contender { name: "sluice".to_owned(), version: version(sluice), kind: Kind::Sluice(sluice.to_owned()) }];
    let mut absent = Vec::new();
    let livekit = match &options.livekit_server {
        Some(path) => Some(path.canonicalize().with_context(|| path.display().to_string())?),
        None => find("livekit-server"),
    };
    match livekit {
        Some(path) => present.push(Contender {
            name: "livekit-server".to_owned(),
            version: version(&path),
            kind: Kind::LiveKit(path),
        }),
        None => absent.push(
            "livekit-server: not found. Put it on the PATH, or say where it is with --livekit-server FILE.".to_owned(),
        ),
    }
    match janus::program(options.installs) {
        Ok(path) => present.push(Contender {
            name: "janus".to_owned(),
            version: janus::version(&path),
            kind: Kind::Janus(path),
        }),
        Err(reason) => absent.push(reason),
    }
    for server in &options.foreign {
        present.push(Contender {
            name: server.name.clone(),
            version: "started by somebody else; keeps what earlier loads left in its memory".to_owned(),
            kind: Kind::Foreign { server: server.clone(), key: options.key.clone(), secret: options.secret.clone() },
        });
    }
    absent.push(
        "mediasoup: not driven: its worker has no signaling, so that needs an application of its own, and its package \
         brings no worker and fetches or builds one from elsewhere."
            .to_owned(),
    );
    Ok((present, absent))
}

impl Contender {
    /// A server inside the cage that answers.
    pub(super) fn serve<'a>(&self, cage: &'a Cage) -> anyhow::Result<Serving<'a>> {
        let (command, port) = match &self.kind {
            Kind::Sluice(program) => (sluice_command(cage, program), SLUICE_PORT),
            Kind::LiveKit(program) => (livekit_command(cage, program)?, LIVEKIT_PORT),
            Kind::Janus(program) => (janus::server(cage, program, JANUS_PORT)?, JANUS_PORT),
            Kind::Foreign { server, key, secret } => {
                let guest = cage.admit(server.pid).with_context(|| format!("cannot bound {}", server.name))?;
                return Ok(Serving {
                    url: server.url.clone(),
                    signal: LIVEKIT_SIGNAL,
                    pid: server.pid,
                    key: key.clone(),
                    secret: secret.clone(),
                    child: None,
                    _guest: Some(guest),
                });
            }
        };
        let log = super::workshop()?.join(format!("{}.log", self.name));
        let child = start(command, &log).with_context(|| format!("cannot start {}", self.name))?;
        let serving = Serving {
            url: format!("ws://127.0.0.1:{port}"),
            signal: if matches!(self.kind, Kind::Janus(_)) { "janus" } else { LIVEKIT_SIGNAL },
            pid: child.pid(),
            key: KEY.to_owned(),
            secret: SECRET.to_owned(),
            child: Some(child),
            _guest: None,
        };
        serving.wait(port).with_context(|| format!("{} (see {})", self.name, log.display()))?;
        Ok(serving)
    }
}

impl Serving<'_> {
    /// Until it takes connections.
    fn wait(&self, port: u16) -> anyhow::Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let began = Instant::now();
        while TcpStream::connect_timeout(&address, LOOK).is_err() {
            if let Some(status) = self.child.as_ref().and_then(|child| child.ended().transpose()).transpose()? {
                bail!("ended as soon as it was started ({status})");
            }
            if began.elapsed() > START_PATIENCE {
                bail!("does not listen on {address}");
            }
            pause(LOOK)?;
        }
        Ok(())
    }
}

fn start(mut command: Command, log: &Path) -> anyhow::Result<Running> {
    let out = File::create(log).with_context(|| log.display().to_string())?;
    let errors = out.try_clone()?;
    // A port that is still taken would answer in this server's name.
    Running::start(command.stdin(Stdio::null()).stdout(out).stderr(errors))
}

fn sluice_command(cage: &Cage, program: &Path) -> Command {
    let mut command = cage.server(program);
    command.args(["serve", "--dev", "--listen", &format!("127.0.0.1:{SLUICE_PORT}")]);
    command.args(["--udp-port", &SLUICE_MEDIA_PORT.to_string(), "--log", "warn"]);
    command.env("SLUICE_KEYS", format!("{KEY}: {SECRET}"));
    command
}

/// As LiveKit's own sample recommends, with one port for each core it has here, which is one. No flag of development: it
/// would log every step.
fn livekit_command(cage: &Cage, program: &Path) -> anyhow::Result<Command> {
    let config = format!(
        "port: {LIVEKIT_PORT}\n\
         bind_addresses: [\"127.0.0.1\"]\n\
         rtc:\n  \
           udp_port: {LIVEKIT_MEDIA_PORT}\n  \
           tcp_port: {LIVEKIT_TCP_PORT}\n  \
           use_external_ip: false\n  \
           node_ip: 127.0.0.1\n  \
           enable_loopback_candidate: true\n\
         keys:\n  {KEY}: {SECRET}\n\
         logging:\n  level: error\n"
    );
    let path = super::workshop()?.join("livekit.yaml");
    std::fs::write(&path, config).with_context(|| path.display().to_string())?;
    let mut command = cage.server(program);
    command.arg("--config").arg(path).args(["--node-ip", "127.0.0.1"]);
    Ok(command)
}

/// The last line of `--version`.
fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    text.lines()
        .last()
        .map_or_else(|| "of an unknown version".to_owned(), |line| line.trim().to_owned())
}
