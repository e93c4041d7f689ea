//! What strangers and half-connected peers send to where media goes: connectivity checks (RFC 8445, RFC 8489), handshakes
//! (RFC 9147, RFC 6347) and frames over TCP (RFC 4571). As far as one comes without keys; behind them the simulator and the fuzz
//! targets go on.

use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::hmac;
use serde_json::json;

use super::grounds::{Alone, Grounds};
use super::plays::{Outcome, Played};
use super::wire::{Frame, PATIENCE, Socket, Target, until_closed};

/// Nothing answers within this time, when something would at once.
const SILENCE: Duration = Duration::from_millis(300);
/// Longer than the server waits for anything.
const LONG: Duration = Duration::from_secs(25);
const UNKNOWN: &str = "--media does not say where";

/// What a peer and the server told each other to know each other by.
struct Credentials {
    /// Of the server, and of the peer.
    fragments: (String, String),
    password: String,
}

/// An offer of a data channel, with more lines in its section.
fn offer(fragment: &str, more: &str) -> String {
    let sum = ["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=application 9 UDP/DTLS/SCTP \
         webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{fragment}\r\na=ice-pwd:{fragment}-and-a-long-password\r\n\
         a=ice-options:trickle\r\na=fingerprint:sha-256 {sum}\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n{more}"
    )
}

fn say_offer(socket: &mut Socket, sdp: &str) -> anyhow::Result<()> {
    Ok(socket.say(&json!({ "offer": { "type": "offer", "sdp": sdp } }).to_string())?)
}

/// Somebody who is in a room, has had an offer answered, and could now begin.
fn negotiated(target: &Target, more: &str) -> anyhow::Result<(Socket, Credentials)> {
    let mut socket = target.enter()?;
    say_offer(&mut socket, &offer("strange", more))?;
    let answer = socket.wait_for("answer", PATIENCE)?.context("an offer is not answered")?;
    let sdp = answer["sdp"].as_str().context("an answer without a description")?;
    let value = |name: &str| {
        let mut lines = sdp.lines().filter_map(|line| line.strip_prefix(name));
        lines.next().map(str::to_owned).with_context(|| format!("no {name} in {sdp}"))
    };
    let fragments = (value("a=ice-ufrag:")?, "strange".to_owned());
    Ok((socket, Credentials { fragments, password: value("a=ice-pwd:")? }))
}

impl Credentials {
    /// A check that nominates its own path. `number` makes it one of many.
    fn check(&self, number: u16, password: &str) -> Vec<u8> {
        let mut check = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        check.extend([[7; 10].as_slice(), &number.to_be_bytes()].concat());
        let user = format!("{}:{}", self.fragments.0, self.fragments.1);
        // USERNAME, PRIORITY, ICE-CONTROLLING, USE-CANDIDATE.
        attribute(&mut check, 0x0006, user.as_bytes());
        attribute(&mut check, 0x0024, &[0x6e, 0, 0, 1]);
        attribute(&mut check, 0x802a, &[1; 8]);
        attribute(&mut check, 0x0025, &[]);
        // MESSAGE-INTEGRITY: over all before it, with a length that counts it (section 14.5 of RFC 8489).
        set_length(&mut check, 24);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let sum = hmac::sign(&key, &check);
        attribute(&mut check, 0x0008, sum.as_ref());
        // FINGERPRINT, in the same way (section 14.7).
        set_length(&mut check, 8);
        let sum = crc32(&check) ^ 0x5354_554e;
        attribute(&mut check, 0x8028, &sum.to_be_bytes());
        check
    }
}

/// Appends one, padded to words, and counts it.
fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
    set_length(message, 0);
}

/// The length in the head: of what is there without the head, and of what will be.
fn set_length(message: &mut [u8], more: usize) {
    let length = u16::try_from(message.len() + more - 20).unwrap_or_default();
    message[2..4].copy_from_slice(&length.to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

/// A port of one's own, that hears when nobody listens at the other end.
fn port(media: SocketAddr) -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(media)?;
    socket.set_read_timeout(Some(SILENCE))?;
    Ok(socket)
}

/// All that comes until nothing does; `most` at most.
fn heard(socket: &UdpSocket, most: usize) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while all.len() < most {
        match socket.recv(&mut buffer) {
            Ok(length) => all.push(buffer[..length].to_vec()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => return Err(error).context("nobody listens there"),
        }
    }
    Ok(all)
}

/// A check that must be answered, and by nothing but its answer.
fn checked(socket: &UdpSocket, credentials: &Credentials, number: u16) -> anyhow::Result<()> {
    let check = credentials.check(number, &credentials.password);
    socket.send(&check)?;
    let heard = heard(socket, 10)?;
    ensure!(heard.iter().any(|answer| answer.starts_with(&[1, 1])), "a good check is not answered");
    let bytes: usize = heard.iter().map(Vec::len).sum();
    ensure!(bytes * 2 <= check.len() * 3, "{} bytes are answered with {bytes}", check.len());
    Ok(())
}

/// Whoever knows a peer's credentials can have answers sent to anybody: to each check its own, which is not worth while.
pub(crate) fn checks(target: &Target) -> Played {
    let Some(media) = target.media else { return Ok(Outcome::NotPlayed(UNKNOWN.to_owned())) };
    let (_signal, credentials) = negotiated(target, "")?;
    let wrong = port(media)?;
    wrong.send(&credentials.check(0, "a password that is none of both"))?;
    ensure!(heard(&wrong, 1)?.is_empty(), "a check with a wrong password is answered");
    for number in 1..=20 {
        checked(&port(media)?, &credentials, number)?;
    }
    Ok(Outcome::Pass)
}

/// A flight of the first message of a handshake: of this version, with one cipher.
fn hello(version: [u8; 2], cipher: [u8; 2]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([9; 32]);
    // No session, no cookie, one cipher, no compression.
    body.extend([0, 0, 0, 2, cipher[0], cipher[1], 1, 0]);
    fragment(1, body.len(), 0, &body)
}

/// A record with a piece of a handshake message, which says how long the whole is and where this belongs.
fn fragment(kind: u8, whole: usize, offset: usize, piece: &[u8]) -> Vec<u8> {
    let three = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()[1..].to_vec();
    let message = [&[kind], &three(whole)[..], &[0, 0], &three(offset)[..], &three(piece.len())[..], piece].concat();
    let length = u16::try_from(message.len()).unwrap_or_default().to_be_bytes();
    [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1], &length[..], &message[..]].concat()
}

/// Handshakes of nobody: TLS_RSA_WITH_NULL_SHA, and a cipher that all have.
pub(crate) fn hellos(target: &Target) -> Played {
    let Some(media) = target.media else { return Ok(Outcome::NotPlayed(UNKNOWN.to_owned())) };
    let ports = (0..200).map(|_| port(media)).collect::<anyhow::Result<Vec<_>>>()?;
    for socket in &ports {
        for cipher in [[0, 2], [0xc0, 0x2b]] {
            socket.send(&hello([0xfe, 0xfd], cipher))?;
        }
    }
    for socket in &ports {
        socket.set_read_timeout(Some(Duration::from_millis(5)))?;
        ensure!(heard(socket, 1)?.is_empty(), "a handshake of nobody is answered");
    }
    Ok(Outcome::Pass)
}

/// Memory may waver so much by itself.
const GROWTH_KB: u64 = 32 * 1024;

/// Pieces of handshakes that never become whole, on a path that was checked.
pub(crate) fn pieces(grounds: &Grounds) -> Played {
    let server = grounds.start("pieces", "")?;
    let target = &server.target;
    let media = target.media.context("it was started with a port")?;
    let (_signal, credentials) = negotiated(target, "")?;
    let socket = port(media)?;
    checked(&socket, &credentials, 1)?;
    let before = resident_kb(&server)?;
    let piece = [5; 1000];
    for number in 0..10_000_usize {
        let datagram = match number % 5 {
            0 => fragment(1, 0, 0, &[]),
            1 => fragment(1, 0x00ff_ffff, number * 500, &piece),
            2 => fragment(11, 0x00ff_ffff, 0x00ff_ff00, &piece),
            3 => fragment(1, 100, 90, &piece),
            _ => fragment(20, 5000, number % 4000, &piece),
        };
        socket.send(&datagram)?;
        // As fast as it is taken: what the system throws away harms nobody.
        if number % 50 == 0 {
            target.get_directly("/healthz")?;
        }
    }
    server.ensure_well()?;
    let (_other, credentials) = negotiated(target, "").context("after the pieces")?;
    checked(&port(media)?, &credentials, 2).context("after the pieces")?;
    if let (Some(before), Some(after)) = (before, resident_kb(&server)?) {
        ensure!(after <= before + GROWTH_KB, "{before} KB became {after} KB");
    }
    Ok(Outcome::Pass)
}

/// Where the system tells.
fn resident_kb(server: &Alone) -> anyhow::Result<Option<u64>> {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", server.pid())) else { return Ok(None) };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(Some(line.trim().trim_end_matches(" kB").parse()?))
}

/// Other credentials of one's own with every offer, as when a network changes.
pub(crate) fn restarts(target: &Target) -> Played {
    let (mut socket, _) = negotiated(target, "")?;
    for number in 0..200 {
        // It may close in the middle.
        if say_offer(&mut socket, &offer(&format!("again{number}"), "")).is_err() {
            return Ok(Outcome::Pass);
        }
    }
    let mut answers = 0;
    socket.say(super::wire::PING)?;
    loop {
        match socket.next(PATIENCE)? {
            Some(Frame::Text(text)) if text.contains("\"answer\"") => answers += 1,
            Some(Frame::Text(text)) if text.contains("\"pongResp\"") => break,
            Some(Frame::Closed(_)) => break,
            Some(_) => {}
            None => bail!("the connection hangs after {answers} answers"),
        }
    }
    ensure!(answers <= 200, "{answers} answers to 200 offers");
    Ok(Outcome::Pass)
}

/// A server that checked what it is told would speak to whatever is beside it.
pub(crate) fn candidates(target: &Target) -> Played {
    let (udp, tcp) = (UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?, TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
    udp.set_read_timeout(Some(SILENCE))?;
    tcp.set_nonblocking(true)?;
    let (udp_port, tcp_port) = (udp.local_addr()?.port(), tcp.local_addr()?.port());
    let of = |number: u16| {
        format!(
            "candidate:{number} 1 udp 2130706431 127.0.0.1 {udp_port} typ host\ncandidate:{number} 1 tcp 2130706431 127.0.0.1 \
             {tcp_port} typ host tcptype passive\ncandidate:{number} 1 udp 1 169.254.169.254 80 typ host"
        )
    };
    let lines: String = of(0).lines().map(|line| format!("a={line}\r\n")).collect();
    let (mut socket, _) = negotiated(target, &lines)?;
    for number in 1..500 {
        for candidate in of(number).lines() {
            let candidate = json!({ "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0 }).to_string();
            // It may close in the middle.
            let _ = socket.say(&json!({ "trickle": { "candidateInit": candidate } }).to_string());
        }
    }
    let came = udp.recv(&mut [0; 64]);
    ensure!(came.is_err(), "a datagram comes where a candidate led to");
    ensure!(tcp.accept().is_err(), "a connection comes where a candidate led to");
    Ok(Outcome::Pass)
}

/// Frames that lie about their length, and connections that say nothing, where media comes over TCP.
pub(crate) fn frames(grounds: &Grounds) -> Played {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let server = grounds.start("frames", &format!("rtc.tcp_port = {}", free.port()))?;
    for (what, bytes) in [
        ("a frame of 65,535 bytes", &b"\xff\xff"[..]),
        ("a frame that is no check", b"\0\x04GET "),
        ("half a frame", b"\0\x40\0\x01"),
        ("half a length", b"\0"),
        ("empty frames", &[0; 2000]),
        ("nothing", b""),
    ] {
        let mut stream = TcpStream::connect(free).context("nobody listens")?;
        let _ = stream.write_all(bytes);
        let ended = until_closed(&mut stream, LONG);
        ensure!(ended.after.is_some(), "{what}: still open after {} s", LONG.as_secs());
        ensure!(ended.bytes.is_empty(), "{what} is answered with {} bytes", ended.bytes.len());
    }
    let began = Instant::now();
    let mut silent = (0..500).map(|_| TcpStream::connect(free)).collect::<std::io::Result<Vec<_>>>()?;
    server.ensure_well()?;
    for stream in &mut silent {
        let ended = until_closed(stream, LONG.saturating_sub(began.elapsed()));
        ensure!(ended.after.is_some(), "500 connections: one is still open after {} s", LONG.as_secs());
    }
    server.ensure_well()?;
    Ok(Outcome::Pass)
}
