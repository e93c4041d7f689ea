//! The real binary as a server on a free port, for the tests beside this folder.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// The binary in an environment without variables of ours.
pub(crate) fn sluice(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(arguments);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SLUICE_")) {
        command.env_remove(name);
    }
    command
}

/// A server in development mode on free ports.
pub(crate) const DEV: [&str; 6] = ["serve", "--dev", "--listen", "127.0.0.1:0", "--udp-port", "0"];

/// A server of our own; ended when dropped.
pub(crate) struct Serving {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    pub(crate) port: u16,
}

impl Serving {
    /// Starts one and reads its log until it says where it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// The same, with variables in its environment.
    pub(crate) fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = sluice(&[&DEV, arguments].concat());
        command.envs(variables.iter().copied());
        Self::run(command)
    }

    /// One that is started by a command, which becomes it.
    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let port = loop {
            let start = seen.len();
            assert_ne!(log.read_line(&mut seen).unwrap(), 0, "the server ended: {seen}");
            if let Some((_, rest)) = seen[start..].split_once("://localhost:") {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                break digits.parse().unwrap();
            }
        };
        Self { child, log, port }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads its log up to a line with these words; false when it ended before.
    pub(crate) fn logs(&mut self, words: &str) -> bool {
        self.log.by_ref().lines().map_while(Result::ok).any(|line| line.contains(words))
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Calls a method of LiveKit's server API.
    pub(crate) fn call(&self, method: &str, token: &str, body: &str) -> String {
        self.call_of("RoomService", method, token, body)
    }

    /// Calls a method of one of the services of LiveKit's server API.
    pub(crate) fn call_of(&self, service: &str, method: &str, token: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /twirp/livekit.{service}/{method} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits for the end; the rest of the log and whether it ended well.
    pub(crate) fn ended(mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
