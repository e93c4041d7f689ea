//! Receivers of webhooks that mean no good, and receivers where nobody should look: how far a server goes for whoever may name
//! addresses to it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::grounds::{Grounds, KEY, SECRET};
use super::plays::{Outcome, Played};
use super::wire::now_s;
use crate::running::{LOOK, pause};

/// Longer than the server waits for an answer, and then some.
const PATIENCE: Duration = Duration::from_secs(25);
/// More than sockets hold on loopback: whoever takes so much reads on and on.
const TOO_MUCH: usize = 64 << 20;

/// What a receiver does with a post.
#[derive(Clone, Copy)]
enum Manner {
    Takes,
    /// Leads to this address.
    Redirects(SocketAddr),
    /// Never answers.
    Keeps,
    /// Answers with a body that does not end.
    Floods,
}

/// A post as it came.
struct Post {
    authorization: String,
    body: Vec<u8>,
}

/// A receiver, until it is dropped.
struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    posts: Mutex<Vec<Post>>,
    connections: AtomicUsize,
    /// Connections that the other end closed before it had an answer.
    given_up: AtomicUsize,
    /// Bytes of answers that somebody took.
    taken: AtomicUsize,
    is_over: AtomicBool,
}

impl Receiver {
    fn start(manner: Manner) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                for stream in listener.incoming().map_while(Result::ok) {
                    if own.is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    own.connections.fetch_add(1, Ordering::Relaxed);
                    // Whoever breaks off in the middle has been counted.
                    scope.spawn(|| own.answer(stream, manner).unwrap_or_default());
                }
            });
        });
        Ok(Self { address, shared, thread: Some(thread) })
    }

    fn posts(&self) -> std::sync::MutexGuard<'_, Vec<Post>> {
        self.shared.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // It waits for somebody to come.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream, manner: Manner) -> anyhow::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let post = read(&mut stream)?;
        self.posts.lock().unwrap_or_else(PoisonError::into_inner).push(post);
        match manner {
            Manner::Takes => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?,
            Manner::Redirects(to) => stream.write_all(
                format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{to}/\r\nContent-Length: 0\r\n\r\n")
                    .as_bytes(),
            )?,
            Manner::Keeps => {
                self.wait_for_the_end(&mut stream)?;
                self.given_up.fetch_add(1, Ordering::Relaxed);
            }
            Manner::Floods => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")?;
                let piece = [b'x'; 64 * 1024];
                while self.taken.load(Ordering::Relaxed) < TOO_MUCH {
                    self.taken.fetch_add(stream.write(&piece)?, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    }

    fn wait_for_the_end(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(LOOK))?;
        while !self.is_over.load(Ordering::Relaxed) {
            match stream.read(&mut [0; 64]) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::Interrupted.into())
    }
}

fn read(stream: &mut TcpStream) -> anyhow::Result<Post> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = stream.read(&mut buffer)?;
        ensure!(read > 0, "closed in the middle of a post");
        bytes.extend_from_slice(&buffer[..read]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let field = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(':'));
            fields
                .find(|(own, _)| own.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        let length: usize = field("content-length").context("a post without a length")?.parse()?;
        if bytes.len() >= end + 4 + length {
            let authorization = field("authorization").context("a post that is not signed")?;
            return Ok(Post { authorization, body: bytes.split_off(end + 4) });
        }
    }
}

impl Post {
    /// What it says, when it is signed as it should be.
    fn verified(&self) -> anyhow::Result<Value> {
        let (signed, signature) = self.authorization.rsplit_once('.').context("no token")?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let signature = URL_SAFE_NO_PAD.decode(signature)?;
        ensure!(hmac::verify(&key, signed.as_bytes(), &signature).is_ok(), "somebody else signed it");
        let (_, claims) = signed.split_once('.').context("no claims")?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
        ensure!(claims["iss"] == KEY, "it is signed as {}", claims["iss"]);
        let life_s = claims["exp"].as_u64().unwrap_or(u64::MAX).saturating_sub(now_s());
        ensure!((1..=600).contains(&life_s), "its signature counts for {life_s} s");
        let sum = STANDARD.encode(digest::digest(&digest::SHA256, &self.body));
        ensure!(claims["sha256"] == sum.as_str(), "what is signed is something else");
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let began = Instant::now();
    while !is_so()? {
        ensure!(began.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        pause(LOOK)?;
    }
    Ok(())
}

pub(crate) fn webhooks(grounds: &Grounds) -> Played {
    let inner = Receiver::start(Manner::Takes)?;
    let port = inner.address.port();
    // Ways to write this machine, which is what a name that was made to lead here resolves to as well; and the address where
    // clouds keep secrets.
    let private = [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("2130706433:{port}"),
        format!("127.1:{port}"),
        format!("0.0.0.0:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("[::ffff:7f00:1]:{port}"),
        "169.254.169.254".to_owned(),
    ];
    let honest = Receiver::start(Manner::Takes)?;
    let redirects = Receiver::start(Manner::Redirects(inner.address))?;
    let keeps = Receiver::start(Manner::Keeps)?;
    let floods = Receiver::start(Manner::Floods)?;
    let mut configuration = String::from("webhooks = [\n");
    for (authority, allow) in private
        .iter()
        .map(|authority| (authority.clone(), false))
        .chain([&honest, &redirects, &keeps, &floods].map(|receiver| (receiver.address.to_string(), true)))
    {
        configuration +=
            &format!("  {{ url = \"http://{authority}/hook\", api_key = \"{KEY}\", allow_private = {allow} }},\n");
    }
    let server = grounds.start("webhooks", &(configuration + "]"))?;
    let began = Instant::now();
    server.administer("CreateRoom", r#"{"name":"math"}"#, now_s())?;
    server.administer("DeleteRoom", r#"{"room":"math"}"#, now_s())?;

    // One that hangs holds up nobody else.
    until("an honest receiver hears of a room", || Ok(honest.posts().len() >= 2))?;
    ensure!(began.elapsed() < Duration::from_secs(5), "it took {} ms", began.elapsed().as_millis());
    for (post, expected) in honest.posts().iter().zip(["room_started", "room_finished"]) {
        let event = post.verified().context("an honest receiver's post")?;
        ensure!(event["event"] == expected, "{expected} is told as {}", event["event"]);
    }
    for authority in &private {
        until(&format!("{authority} is refused"), || {
            let said = server.said()?;
            Ok(said
                .lines()
                .any(|line| line.contains(authority) && line.contains("not on the open internet")))
        })?;
    }
    until("a redirecting receiver is told again", || Ok(redirects.posts().len() >= 2))?;
    until("a receiver that never answers is given up", || Ok(keeps.shared.given_up.load(Ordering::Relaxed) > 0))?;
    until("a receiver that floods has the second event", || Ok(floods.posts().len() >= 2))?;
    let taken = floods.shared.taken.load(Ordering::Relaxed);
    ensure!(taken < TOO_MUCH, "{taken} bytes of an endless answer are read");
    let reached = inner.shared.connections.load(Ordering::Relaxed);
    ensure!(reached == 0, "somebody came {reached} times where nobody may");
    server.ensure_well()?;
    Ok(Outcome::Pass)
}
