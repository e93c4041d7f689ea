//! A server and the people in its rooms, for tests of what stands beside them. Knows the server from outside only: its program,
//! its log and its signal door.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use livekit_token::{AccessToken, VideoGrants};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// What an SDK sends every few seconds: from then on the server speaks JSON.
const PING: &str = r#"{"pingReq":{"timestamp":"1","rtt":"0"}}"#;

/// A server in development mode on a free port; ended when dropped.
#[derive(Debug)]
pub struct Server {
    child: tokio::process::Child,
    port: u16,
}

impl Server {
    /// Starts the program named by `SLUICE_BIN`, else the one that cargo built beside these tests.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let program = program()?;
        let mut command = tokio::process::Command::new(&program);
        command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--udp-port", "0"]);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SLUICE_")) {
            command.env_remove(name);
        }
        command.env("SLUICE_RTC__TCP_PORT", "0").stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("no server at {}", program.display()))?;
        let log = child.stderr.take().context("standard error was piped")?;
        let mut lines = BufReader::new(log).lines();
        let port = loop {
            let line = timeout(PATIENCE, lines.next_line()).await??.context("the server ended")?;
            if let Some((_, rest)) = line.split_once("ready: open http://localhost:") {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                break digits.parse()?;
            }
        };
        // A pipe that nobody reads would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, port })
    }

    /// Where back ends ask.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether it goes on.
    ///
    /// # Errors
    /// The system does not say.
    pub fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Somebody enters a room with a token of its own.
    ///
    /// # Errors
    /// It is not let in.
    pub async fn join(&self, room: &str, identity: &str) -> anyhow::Result<Person> {
        let grants = VideoGrants { room_join: true, room: room.to_owned(), ..VideoGrants::default() };
        let token = AccessToken::with_api_key("devkey", "secret").with_identity(identity).with_grants(grants);
        self.enter(&token.to_jwt()?).await
    }

    /// Somebody enters with this token.
    ///
    /// # Errors
    /// It is not let in.
    pub async fn enter(&self, token: &str) -> anyhow::Result<Person> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let url = format!("ws://127.0.0.1:{}/rtc?access_token={token}", self.port);
        let (mut socket, _) = client_async(url, stream).await?;
        socket.send(Message::text(PING)).await?;
        let mut person = Person { socket };
        person.hears("pongResp").await?;
        Ok(person)
    }
}

/// Somebody in a room, who listens.
#[derive(Debug)]
pub struct Person {
    socket: WebSocketStream<TcpStream>,
}

impl Person {
    /// Waits for a message of this name.
    ///
    /// # Errors
    /// It does not come.
    pub async fn hears(&mut self, message: &str) -> anyhow::Result<Value> {
        let heard = async {
            while let Some(frame) = self.socket.next().await {
                let Message::Text(text) = frame? else { continue };
                let mut value: Value = serde_json::from_str(&text)?;
                if let Some(found) = value.get_mut(message) {
                    return Ok(found.take());
                }
            }
            bail!("the connection ended before {message}")
        };
        timeout(PATIENCE, heard).await.with_context(|| format!("no {message}"))?
    }
}

fn program() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("SLUICE_BIN") {
        return Ok(named.into());
    }
    // target/debug/deps/this
    let this = std::env::current_exe()?;
    let profile = this.parent().and_then(std::path::Path::parent).context("where am I?")?;
    let program = profile.join("sluice").with_extension(std::env::consts::EXE_EXTENSION);
    if !program.is_file() {
        bail!("no server at {}: run `cargo build`, or set SLUICE_BIN to the program", program.display());
    }
    Ok(program)
}
