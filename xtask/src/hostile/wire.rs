//! What a stranger has: connections, bytes, and a key to sign with. HTTP/1.1 and WebSockets (RFC 6455) by hand, since what
//! is sent here no library would send.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Any answer comes in this time, of a server that is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// More than any answer has.
const ANSWER_BYTES: usize = 1 << 20;

/// Whom it goes against.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Where media goes, when it is known.
    pub(crate) media: Option<SocketAddr>,
    pub(crate) key: String,
    pub(crate) secret: String,
    /// The address the next requests say to come from: each row has its own, so that none pays for another.
    client: AtomicU16,
    /// Names that were used.
    names: AtomicU16,
}

/// Behind all clients of rows.
const HONEST_CLIENT: u16 = u16::MAX;

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").context("closed without an answer")?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .context("not an HTTP answer")?;
        Ok(Self { status, head: head.to_owned(), body: body.to_owned() })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// How a connection ended, when it was waited for.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) bytes: Vec<u8>,
    /// `None`: it had not, when patience was over.
    pub(crate) after: Option<Duration>,
}

impl Target {
    pub(crate) fn new(address: SocketAddr, media: Option<SocketAddr>, key: String, secret: String) -> Self {
        Self { address, media, key, secret, client: AtomicU16::new(0), names: AtomicU16::new(0) }
    }

    /// The same server, for somebody else.
    pub(crate) fn same(&self) -> Self {
        let (key, secret) = (self.key.clone(), self.secret.clone());
        Self { client: AtomicU16::new(HONEST_CLIENT), ..Self::new(self.address, self.media, key, secret) }
    }

    /// Somebody else from now on: an address of the network for tests between networks (RFC 2544).
    pub(crate) fn be_somebody_else(&self) {
        self.client.fetch_add(1, Ordering::Relaxed);
    }

    fn client(&self) -> String {
        let [high, low] = self.client.load(Ordering::Relaxed).to_be_bytes();
        format!("198.18.{high}.{low}")
    }

    pub(crate) fn connect(&self) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// The head of a request, as a proxy that the server trusts would pass it on.
    pub(crate) fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in [("X-Forwarded-For", self.client().as_str())].iter().chain(headers) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "\r\n"
    }

    /// One request, one answer.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> anyhow::Result<Answer> {
        let length = body.len().to_string();
        let mut headers = headers.to_vec();
        headers.push(("Connection", "close"));
        if !body.is_empty() {
            headers.push(("Content-Length", &length));
        }
        let ended = self.send(&[self.head(method, path, &headers).as_bytes(), body.as_bytes()].concat(), PATIENCE)?;
        Answer::read(&ended.bytes)
    }

    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask("GET", path, &[], "")
    }

    /// The same as the operator, who comes from no proxy.
    pub(crate) fn get_directly(&self, path: &str) -> anyhow::Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        Answer::read(&self.send(request.as_bytes(), PATIENCE)?.bytes)
    }

    /// Sends these bytes and waits for the end of the connection.
    pub(crate) fn send(&self, bytes: &[u8], patience: Duration) -> anyhow::Result<Ended> {
        let mut stream = self.connect()?;
        // A server may refuse what it has not read to the end.
        let _ = stream.write_all(bytes);
        Ok(until_closed(&mut stream, patience))
    }

    /// A token with these claims, and the issuer that makes it one.
    pub(crate) fn token(&self, mut claims: Value) -> String {
        if let Some(claims) = claims.as_object_mut() {
            claims.entry("iss").or_insert_with(|| self.key.as_str().into());
        }
        self.signed(r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string(), &self.secret)
    }

    /// Any header over any claims, signed with HMAC-SHA256.
    pub(crate) fn signed(&self, header: &str, claims: &str, secret: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// What opens a room.
    pub(crate) fn pass(&self, room: &str, identity: &str) -> String {
        let video = json!({ "roomJoin": true, "room": room, "canUpdateOwnMetadata": true });
        self.token(json!({ "sub": identity, "exp": now_s() + 600, "video": video }))
    }

    /// Enters the room of rows, under a name nobody has.
    pub(crate) fn enter(&self) -> anyhow::Result<Socket> {
        self.join("row", &format!("eve-{}", self.names.fetch_add(1, Ordering::Relaxed)))
    }

    /// Enters a room, and speaks JSON there from then on.
    pub(crate) fn join(&self, room: &str, identity: &str) -> anyhow::Result<Socket> {
        let path = format!("/rtc?access_token={}", self.pass(room, identity));
        let mut socket = match Socket::open(self, &path, &[])? {
            Ok(socket) => socket,
            Err(answer) => bail!("an honest join is answered {}", answer.status),
        };
        match socket.next(PATIENCE)? {
            Some(Frame::Binary) => Ok(socket),
            other => bail!("no join message, but {other:?}"),
        }
    }
}

/// Seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Reads to the end, or as long as patience lasts.
pub(crate) fn until_closed(stream: &mut TcpStream, patience: Duration) -> Ended {
    let began = Instant::now();
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let left = patience.saturating_sub(began.elapsed());
        if left.is_zero() || bytes.len() > ANSWER_BYTES || stream.set_read_timeout(Some(left)).is_err() {
            return Ended { bytes, after: None };
        }
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => bytes.extend_from_slice(&buffer[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(0) | Err(_) => return Ended { bytes, after: Some(began.elapsed()) },
        }
    }
}

/// What comes from a WebSocket. Pings are not shown, nor what is in a binary frame: here everybody speaks JSON.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    Text(String),
    Binary,
    /// The connection is over; the code, when there was one.
    Closed(Option<u16>),
}

/// A WebSocket.
pub(crate) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens one, or shows what was answered in its place.
    pub(crate) fn open(target: &Target, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Result<Self, Answer>> {
        let mut all = vec![
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        all.extend(headers);
        let mut stream = target.connect()?;
        stream.write_all(target.head("GET", path, &all).as_bytes())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && head.len() < ANSWER_BYTES {
            stream.read_exact(&mut byte).context("no answer to an upgrade")?;
            head.push(byte[0]);
        }
        let mut answer = Answer::read(&head)?;
        if answer.status == 101 && answer.header("sec-websocket-extensions").is_none() {
            return Ok(Ok(Self { stream, buffer: Vec::new() }));
        }
        let body = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut rest = vec![0; ANSWER_BYTES.min(body)];
        stream.read_exact(&mut rest).context("an answer without its end")?;
        answer.body = String::from_utf8_lossy(&rest).into_owned();
        Ok(Err(answer))
    }

    /// Sends a text frame. The mask is none to anybody (RFC 6455 section 10.3 protects proxies, of which there are none).
    pub(crate) fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.frame(0x81, text.as_bytes())
    }

    /// Sends a frame with this first byte.
    pub(crate) fn frame(&mut self, first: u8, payload: &[u8]) -> std::io::Result<()> {
        let mut frame = vec![first];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(length @ ..126), _) => frame.push(0x80 | length),
            (_, Ok(length)) => frame.extend([&[0x80 | 126], &length.to_be_bytes()[..]].concat()),
            _ => frame.extend([&[0x80 | 127], &(payload.len() as u64).to_be_bytes()[..]].concat()),
        }
        frame.extend([0; 4]);
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame)
    }

    /// The next frame; `None` when none comes in this time.
    pub(crate) fn next(&mut self, patience: Duration) -> anyhow::Result<Option<Frame>> {
        let began = Instant::now();
        let mut bytes = [0; 64 * 1024];
        loop {
            if let Some((opcode, payload)) = self.take() {
                match opcode {
                    1 => return Ok(Some(Frame::Text(String::from_utf8_lossy(&payload).into_owned()))),
                    2 => return Ok(Some(Frame::Binary)),
                    8 => {
                        let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                        return Ok(Some(Frame::Closed(code)));
                    }
                    _ => continue,
                }
            }
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut bytes) {
                Ok(read @ 1..) => self.buffer.extend_from_slice(&bytes[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Ok(0) | Err(_) => return Ok(Some(Frame::Closed(None))),
            }
        }
    }

    /// Takes a whole frame out of what came.
    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&first, rest) = self.buffer.split_first()?;
        let (&short, rest) = rest.split_first()?;
        let (length, from) = match short & 0x7f {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?, 10_usize),
            short => (usize::from(short), 2),
        };
        let payload = self.buffer.get(from..from.checked_add(length)?)?.to_vec();
        self.buffer.drain(..from + length);
        Some((first & 0x0f, payload))
    }

    /// Waits for a message of this name, or the end.
    pub(crate) fn wait_for(&mut self, message: &str, patience: Duration) -> anyhow::Result<Option<Value>> {
        let began = Instant::now();
        loop {
            match self.next(patience.saturating_sub(began.elapsed()))? {
                Some(Frame::Text(text)) => {
                    let value: Value = serde_json::from_str(&text).context("the server sends JSON that is none")?;
                    if let Some(found) = value.get(message) {
                        return Ok(Some(found.clone()));
                    }
                }
                Some(Frame::Binary) => {}
                Some(Frame::Closed(_)) | None => return Ok(None),
            }
        }
    }

    /// Whether the server still answers here.
    pub(crate) fn is_served(&mut self) -> anyhow::Result<bool> {
        if self.say(PING).is_err() {
            return Ok(false);
        }
        Ok(self.wait_for("pongResp", PATIENCE)?.is_some())
    }
}

/// What an SDK sends every few seconds.
pub(crate) const PING: &str = r#"{"pingReq":{"timestamp":"1","rtt":"0"}}"#;
