//! Servers of a row's own: started as the row needs one, and ended with it. The honest call is elsewhere and hears nothing of them.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::wire::{PATIENCE, Socket, Target};
use crate::running::{LOOK, Running, pause};
use crate::workspace;

/// A debug build needs a while to begin.
const START_PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const KEY: &str = "local";
pub(crate) const SECRET: &str = "only-for-some-seconds-on-loopback";

/// Where such servers are started: the program, and a folder for what they leave.
pub(crate) struct Grounds {
    program: PathBuf,
    folder: PathBuf,
}

/// A server that runs.
pub(crate) struct Alone {
    running: Running,
    log: PathBuf,
    pub(crate) target: Target,
}

impl Grounds {
    pub(crate) fn new(program: PathBuf) -> anyhow::Result<Self> {
        Ok(Self { program, folder: workspace::target()?.join("hostile") })
    }

    /// An empty folder of this name.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    }

    /// The program in an environment that says nothing to it.
    pub(crate) fn sluice(&self, arguments: &[&str]) -> Command {
        without_ours(Command::new(&self.program), arguments)
    }

    /// A server with this configuration besides what it needs to be found and to leave nothing behind.
    pub(crate) fn start(&self, name: &str, configuration: &str) -> anyhow::Result<Alone> {
        Alone::start(self.sluice(&[]), &self.folder(name)?, configuration)
    }

    /// The same from a shell that has something to say first, as `ulimit`.
    pub(crate) fn start_after(&self, first: &str, name: &str, configuration: &str) -> anyhow::Result<Alone> {
        let mut shell = without_ours(Command::new("sh"), &["-c", &format!("{first} && exec \"$0\" \"$@\"")]);
        shell.arg(&self.program);
        Alone::start(shell, &self.folder(name)?, configuration)
    }

    /// What it says when it does not start; an error when it does.
    pub(crate) fn refusal(&self, mut command: Command) -> anyhow::Result<String> {
        let log = self.folder("refusal")?.join("server.log");
        let out = File::create(&log)?;
        let running = Running::start(command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out))?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = running.ended()? {
                ensure!(!status.success(), "it ends as if all were well");
                return Ok(std::fs::read_to_string(log)?);
            }
            pause(LOOK)?;
        }
        bail!("it starts, and says {:?}", std::fs::read_to_string(log)?)
    }

    /// Whether an audit trail is found good, and what is said of it.
    pub(crate) fn audit(&self, verb: &str, trail: &Path) -> anyhow::Result<(bool, String)> {
        let output = self.sluice(&["audit", verb]).arg(trail).output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }
}

fn without_ours(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SLUICE_")) {
        command.env_remove(name);
    }
    command
}

impl Alone {
    /// Starts it, and reads in its log where it listens.
    pub(crate) fn start(mut command: Command, folder: &Path, configuration: &str) -> anyhow::Result<Self> {
        let file = folder.join("sluice.toml");
        std::fs::write(&file, format!("http.behind_proxy = true\n{configuration}\n[keys]\n{KEY} = \"{SECRET}\"\n"))?;
        let log = folder.join("server.log");
        let out = File::create(&log)?;
        // Otherwise glibc keeps what was allocated for hashing passwords, 19 MiB each time and 200 MiB in the end (seen: with
        // this 0.4), and a leak could not be told from that.
        command.env("MALLOC_MMAP_THRESHOLD_", "1048576");
        let media = free_port()?;
        command.args(["serve", "--listen", "127.0.0.1:0", "--udp-port", &media.port().to_string()]);
        // Otherwise media is for other machines only.
        command.env("SLUICE_RTC__BIND", "127.0.0.1").arg("--config").arg(file);
        for (name, value) in [("SLUICE_STORAGE__URL", "temporary"), ("SLUICE_AUDIT__PATH", "temporary")] {
            // What the row says of these counts.
            if !configuration.contains(if name.contains("STORAGE") { "storage.url" } else { "audit.path" }) {
                command.env(name, value);
            }
        }
        if !configuration.contains("rtc.tcp_port") {
            command.env("SLUICE_RTC__TCP_PORT", "0");
        }
        let running = Running::start(command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out))?;
        let began = Instant::now();
        loop {
            let said = std::fs::read_to_string(&log)?;
            if let Some(port) =
                said.split_once("ready: open http://localhost:").and_then(|(_, rest)| first_number(rest))
            {
                let address = ([127, 0, 0, 1], port).into();
                let target = Target::new(address, Some(media), KEY.to_owned(), SECRET.to_owned());
                return Ok(Self { running, log, target });
            }
            if let Some(status) = running.ended()? {
                bail!("the server does not start ({status}): {said}");
            }
            ensure!(began.elapsed() < START_PATIENCE, "the server does not start: {said}");
            pause(LOOK)?;
        }
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(&self.log).with_context(|| self.log.display().to_string())
    }

    /// A request of a back end that may make rooms.
    pub(crate) fn administer(&self, method: &str, body: &str, now_s: u64) -> anyhow::Result<()> {
        let claims = serde_json::json!({ "sub": "back end", "exp": now_s + 600, "video": { "roomCreate": true } });
        let bearer = format!("Bearer {}", self.target.token(claims));
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let answer = self.target.ask("POST", &format!("/twirp/livekit.RoomService/{method}"), &headers, body)?;
        ensure!(answer.status == 200, "{method} is answered {}: {}", answer.status, answer.body);
        Ok(())
    }

    /// An error unless it goes on and has met no bug.
    pub(crate) fn ensure_well(&self) -> anyhow::Result<()> {
        if let Some(status) = self.running.ended()? {
            bail!("the server ended ({status}); see {}", self.log.display());
        }
        let health = self.target.get_directly("/healthz").context("the server does not answer any more")?;
        ensure!(health.status == 200, "/healthz is {}", health.status);
        let said = self.said()?;
        ensure!(!said.contains("panicked"), "the server met a bug; see {}", self.log.display());
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Now and without a word, as a power cut would.
    pub(crate) fn kill(self) {
        self.running.end();
    }
}

/// Somebody who must be served, and soon.
pub(crate) fn ensure_served(socket: &mut Socket, who: &str, within: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    ensure!(socket.is_served()?, "{who} is not served any more");
    ensure!(began.elapsed() <= within, "{who} waited {} ms", began.elapsed().as_millis());
    Ok(())
}

/// Free a moment ago: what is asked of the server's UDP port is to be known beforehand.
fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn first_number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}
