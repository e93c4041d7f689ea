//! Carries rows out. Each play says what came of it: an error is a failure, in words.

use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::json;

use super::afterwards::Own;
use super::grounds::Grounds;
use super::rows::{Play, Request, Text};
use super::wire::{Frame, PATIENCE, Socket, Target, now_s, until_closed};

/// What came of a row.
#[derive(Debug)]
pub(crate) enum Outcome {
    Pass,
    Fail(String),
    /// Where it is played.
    Elsewhere(String),
    /// What there is not to be attacked.
    Missing(String),
    /// Why it is not.
    NotPlayed(String),
}

/// What plays have: an error says how the server failed.
pub(crate) type Played = anyhow::Result<Outcome>;

/// Nothing answers within this time, when something would at once.
const SILENCE: Duration = Duration::from_millis(300);
/// Longer than the server waits for anything.
const LONG: Duration = Duration::from_secs(25);
const MB: usize = 1_000_000;

/// Without `grounds` there is only the server that runs; `own` is that server, when this command started it.
pub(crate) fn play(target: &Target, grounds: Option<&Grounds>, own: Option<&Own<'_>>, play: &Play) -> Played {
    match play {
        Play::Claims(claims) => refused_claims(target, claims),
        Play::Requests(requests) => answered(target, requests),
        Play::Texts(texts) => survived(target, texts),
        Play::Silence(datagrams) => {
            let datagrams: Vec<Vec<u8>> = datagrams.iter().map(|text| whole(text).into_bytes()).collect();
            silence(target, &datagrams)
        }
        Play::Own(act) => act(target),
        Play::Alone(act) => match grounds {
            Some(grounds) => act(grounds),
            None => Ok(Outcome::NotPlayed("needs a server of its own: --sluice says of which program".to_owned())),
        },
        Play::After(look) => match own {
            Some(own) => look(own),
            None => Ok(Outcome::NotPlayed("it is somebody else's server".to_owned())),
        },
        Play::Elsewhere(tests) => {
            let tests: Vec<_> = tests.iter().map(|(file, test)| format!("{test} in {file}")).collect();
            Ok(Outcome::Elsewhere(tests.join(", ")))
        }
        Play::Missing(what) => Ok(Outcome::Missing((*what).to_owned())),
        Play::NotPlayed(why) => Ok(Outcome::NotPlayed((*why).to_owned())),
    }
}

fn whole(text: &Text) -> String {
    format!("{}{}{}", text.before, text.repeated.repeat(text.times), text.after)
}

/// Puts times in for `@N`.
fn at_times(claims: &str) -> anyhow::Result<String> {
    let mut parts = claims.split('@');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(part.len());
        let (offset, rest) = part.split_at(end);
        filled.push_str(&format!("{}{rest}", i64::try_from(now_s())? + offset.parse::<i64>()?));
    }
    Ok(filled)
}

fn validated(target: &Target, token: &str) -> anyhow::Result<u16> {
    Ok(target
        .ask("GET", "/rtc/validate", &[("Authorization", &format!("Bearer {token}"))], "")?
        .status)
}

fn refused_claims(target: &Target, claims: &[&str]) -> Played {
    let honest = validated(target, &target.pass("row", "ada"))?;
    ensure!(honest == 200, "an honest token is answered {honest}");
    for claims in claims {
        let grant = r#""video":{"roomJoin":true,"room":"row"}"#;
        let whole = format!(r#"{{"iss":"{}","sub":"ada",{},{grant}}}"#, target.key, at_times(claims)?);
        let status = validated(target, &target.signed(r#"{"alg":"HS256"}"#, &whole, &target.secret))?;
        ensure!(status == 401, "{claims} is answered {status}");
    }
    Ok(Outcome::Pass)
}

fn answered(target: &Target, requests: &[Request]) -> Played {
    let token = target.pass("row", "ada");
    for request in requests {
        let headers: Vec<_> = request.headers.iter().map(|(n, value)| (*n, value.replace("{token}", &token))).collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = target.ask(request.method, request.path, &headers, request.body)?;
        let (path, status) = (request.path, answer.status);
        ensure!(request.statuses.contains(&status), "{path} is answered {status}");
        ensure!(answer.header("location").is_none(), "{path} leads elsewhere");
        ensure!(!answer.body.contains("<svg"), "{path} comes back in the page");
    }
    Ok(Outcome::Pass)
}

fn survived(target: &Target, texts: &[Text]) -> Played {
    for text in texts {
        let mut socket = target.enter()?;
        // It may close in the middle of what is sent.
        let _ = socket.say(&whole(text));
        still_served_or_closed(socket).with_context(|| format!("after {}…", text.before))?;
    }
    Ok(Outcome::Pass)
}

/// Both are well; a connection that hangs is not.
fn still_served_or_closed(mut socket: Socket) -> anyhow::Result<()> {
    if socket.is_served()? {
        return Ok(());
    }
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match socket.next(PATIENCE)? {
            Some(Frame::Closed(_)) => return Ok(()),
            Some(_) => {}
            None => break,
        }
    }
    bail!("the connection hangs")
}

fn silence(target: &Target, datagrams: &[Vec<u8>]) -> Played {
    let Some(media) = target.media else {
        return Ok(Outcome::NotPlayed("--media does not say where".to_owned()));
    };
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    // Who is connected hears of it when nobody listens there: that would be no silence.
    socket.connect(media)?;
    socket.set_read_timeout(Some(SILENCE))?;
    for datagram in datagrams {
        socket.send(datagram).context("cannot send")?;
    }
    match socket.recv(&mut [0; 2048]) {
        Ok(bytes) => bail!("a stranger is answered with {bytes} bytes"),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => bail!("nobody listens at {media}"),
        Err(_) => Ok(Outcome::Pass),
    }
}

/// Waits for a close frame with this code.
fn closed_with(socket: &mut Socket, expected: &[u16]) -> Played {
    loop {
        match socket.next(PATIENCE)? {
            Some(Frame::Closed(Some(code))) if expected.contains(&code) => return Ok(Outcome::Pass),
            Some(Frame::Closed(code)) => bail!("closed with {code:?}"),
            Some(_) => {}
            None => bail!("not closed"),
        }
    }
}

pub(crate) fn algorithms(target: &Target) -> Played {
    let exp = now_s() + 600;
    let (iss, secret) = (&target.key, target.secret.as_str());
    let claims = format!(r#"{{"iss":"{iss}","sub":"ada","exp":{exp},"video":{{"roomJoin":true,"room":"row"}}}}"#);
    for (header, secret) in [
        (r#"{"alg":"none"}"#, secret),
        (r#"{"alg":"None"}"#, secret),
        (r#"{"alg":"hs256"}"#, secret),
        (r#"{"alg":"RS256"}"#, secret),
        (r#"{"alg":"HS256","crit":["exp"]}"#, secret),
        (r#"{}"#, secret),
        (r#"{"alg":"HS256"}"#, ""),
        (r#"{"alg":"HS256"}"#, "secret"),
    ] {
        let token = target.signed(header, &claims, secret);
        let status = validated(target, &token)?;
        ensure!(status == 401, "{header} is answered {status}");
    }
    let unsigned = target.signed(r#"{"alg":"none"}"#, &claims, secret);
    let unsigned = unsigned.rsplit_once('.').map(|(signed, _)| format!("{signed}.")).unwrap_or_default();
    ensure!(validated(target, &unsigned)? == 401, "a token without a signature is taken");
    Ok(Outcome::Pass)
}

pub(crate) fn large_tokens(target: &Target) -> Played {
    for (bytes, expected) in [(9_000, &[401][..]), (MB, &[400, 401, 413, 414, 431])] {
        let claims = json!({ "sub": "ada", "exp": now_s() + 600, "metadata": "m".repeat(bytes),
            "video": { "roomJoin": true, "room": "row" } });
        let status = validated(target, &target.token(claims));
        // Who sends so much may be cut off before it has read the answer.
        let is_refused = status.as_ref().map_or(bytes >= MB, |status| expected.contains(status));
        ensure!(is_refused, "a token of {bytes} bytes is answered {status:?}");
    }
    Ok(Outcome::Pass)
}

pub(crate) fn token_in_query(target: &Target) -> Played {
    let token = target.pass("row", "ada");
    let answer = target.get(&format!("/rtc/validate?access_token={token}"))?;
    ensure!(answer.header("referrer-policy") == Some("no-referrer"), "no Referrer-Policy");
    ensure!(!answer.body.contains(&token), "the token comes back");
    let refused = target.get(&format!("/rtc/validate?access_token={token}x"))?;
    ensure!(refused.status == 401 && !refused.body.contains(&token), "the token comes back in an error");
    Ok(Outcome::Pass)
}

pub(crate) fn bodies(target: &Target) -> Played {
    let status = |headers: &[(&str, &str)], body: &[u8]| {
        let head = target.head("POST", "/api/rooms", headers);
        let ended = target.send(&[head.as_bytes(), body].concat(), LONG)?;
        ensure!(ended.after.is_some(), "{headers:?}: still open after {} s", LONG.as_secs());
        let text = String::from_utf8_lossy(&ended.bytes).into_owned();
        Ok(text.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()))
    };
    let json = ("Content-Type", "application/json");
    let close = ("Connection", "close");
    let got = status(&[json, close, ("Content-Length", "1000000000")], b"{")?;
    ensure!(matches!(got, Some(413 | 408) | None), "1 GB is answered {got:?}");
    let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000)).repeat(100);
    let got = status(&[json, close, ("Transfer-Encoding", "chunked")], chunk.as_bytes())?;
    ensure!(matches!(got, Some(413) | None), "chunks without end are answered {got:?}");
    let got = status(&[json, close, ("Content-Encoding", "gzip"), ("Content-Length", "4")], b"\x1f\x8b\x08\x00")?;
    ensure!(matches!(got, Some(400 | 415)), "a compressed body is answered {got:?}");
    let got = status(&[("Content-Type", "text/plain"), close, ("Content-Length", "2")], b"{}")?;
    ensure!(got == Some(415), "text/plain is answered {got:?}");
    let got = status(&[json, close, ("Content-Length", "2"), ("Transfer-Encoding", "chunked")], b"0\r\n\r\n")?;
    ensure!(!matches!(got, Some(200..=299)), "two lengths are answered {got:?}");
    Ok(Outcome::Pass)
}

/// Whether the server names pages that may use it, and so keeps others out.
fn is_open_to_all_pages(target: &Target) -> anyhow::Result<bool> {
    let answer = target.ask("GET", "/api/info", &[("Origin", "https://evil.example")], "")?;
    Ok(answer.header("access-control-allow-origin") == Some("*"))
}

const OPEN: &str = "all pages may: http.allowed_origins is \"*\"";

pub(crate) fn origins(target: &Target) -> Played {
    if is_open_to_all_pages(target)? {
        return Ok(Outcome::NotPlayed(OPEN.to_owned()));
    }
    let path = format!("/rtc?access_token={}", target.pass("row", "ada"));
    for evil in ["https://evil.example", "null", "https://good.example.evil"] {
        match Socket::open(target, &path, &[("Origin", evil), ("Cookie", "session=1")])? {
            Ok(_) => bail!("{evil} gets a WebSocket"),
            Err(answer) => ensure!(answer.status == 403, "{evil} is answered {}", answer.status),
        }
    }
    // A cookie alone opens nothing, wherever it comes from.
    match Socket::open(target, "/rtc", &[("Cookie", "access_token=1")])? {
        Ok(_) => bail!("a cookie opens a WebSocket"),
        Err(answer) => ensure!(answer.status == 401, "a cookie is answered {}", answer.status),
    }
    Ok(Outcome::Pass)
}

pub(crate) fn preflights(target: &Target) -> Played {
    let is_open = is_open_to_all_pages(target)?;
    for evil in ["https://evil.example", "null", "https://good.example.evil"] {
        let headers = [("Origin", evil), ("Access-Control-Request-Method", "POST")];
        let answer = target.ask("OPTIONS", "/api/rooms", &headers, "")?;
        let allowed = answer.header("access-control-allow-origin");
        ensure!(allowed.is_none() || is_open && allowed == Some("*"), "{evil} may, as {allowed:?}");
        ensure!(answer.header("access-control-allow-credentials").is_none(), "credentials are allowed");
    }
    Ok(if is_open { Outcome::NotPlayed(OPEN.to_owned()) } else { Outcome::Pass })
}

pub(crate) fn compression(target: &Target) -> Played {
    let path = format!("/rtc?access_token={}", target.pass("row", "ada"));
    match Socket::open(target, &path, &[("Sec-WebSocket-Extensions", "permessage-deflate")])? {
        Ok(_) => Ok(Outcome::Pass),
        Err(answer) => bail!("answered {} {:?}", answer.status, answer.header("sec-websocket-extensions")),
    }
}

pub(crate) fn silent_connections(target: &Target) -> Played {
    let mut streams = (0..100).map(|_| target.connect()).collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(target.get("/healthz")?.status == 200, "nobody else is served");
    let last = streams.last_mut().context("a hundred connections")?;
    let ended = until_closed(last, LONG);
    ensure!(ended.after.is_some(), "still open after {} s", LONG.as_secs());
    Ok(Outcome::Pass)
}

pub(crate) fn slow_body(target: &Target) -> Played {
    let headers = [("Content-Type", "application/json"), ("Content-Length", "100")];
    let ended = target.send(&[target.head("POST", "/api/rooms", &headers).as_bytes(), b"{"].concat(), LONG)?;
    ensure!(ended.after.is_some(), "still open after {} s", LONG.as_secs());
    Ok(Outcome::Pass)
}

pub(crate) fn unread_answers(target: &Target) -> Played {
    let mut stream = target.connect()?;
    stream.set_write_timeout(Some(LONG))?;
    let asks = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    loop {
        match stream.write_all(asks.as_bytes()) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                bail!("still open after {} s", LONG.as_secs())
            }
            Err(_) => return Ok(Outcome::Pass),
        }
    }
}

/// Of one who reads nothing: more than the server's queue and all buffers of the system hold.
const UNREAD_UPDATES: usize = 500;
/// Of one update, close to the bound on metadata.
const UPDATE_BYTES: usize = 60_000;

pub(crate) fn slow_reader(target: &Target) -> Played {
    let mut sleeper = target.join("sleepers", "sleeper")?;
    let mut ada = target.join("sleepers", "ada")?;
    ensure!(ada.is_served()?, "who talks is not served");
    for n in 0..UNREAD_UPDATES {
        let metadata = format!("{n} {}", "m".repeat(UPDATE_BYTES));
        ada.say(&json!({ "updateMetadata": { "metadata": metadata } }).to_string())?;
        ada.wait_for("update", PATIENCE)?.context("who talks is held up")?;
    }
    // What comes now is what was under way, and then the end.
    let mut unread_bytes = 0;
    loop {
        match sleeper.next(PATIENCE)? {
            Some(Frame::Closed(_)) => break,
            Some(Frame::Text(text)) => unread_bytes += text.len(),
            Some(Frame::Binary) => {}
            None => bail!("who reads nothing is kept, with {unread_bytes} bytes that waited"),
        }
    }
    ensure!(unread_bytes < UNREAD_UPDATES * UPDATE_BYTES / 2, "{unread_bytes} bytes waited for who reads nothing");
    ensure!(ada.is_served()?, "who talks is not served any more");
    Ok(Outcome::Pass)
}

pub(crate) fn heads(target: &Target) -> Played {
    let many: String = (0..500).map(|n| format!("X-{n}: 1\r\n")).collect();
    let large: String = (0..20).map(|n| format!("X-{n}: {}\r\n", "x".repeat(16 * 1024))).collect();
    let url = "x".repeat(200_000);
    for head in [
        format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{large}\r\n"),
        format!("GET /{url} HTTP/1.1\r\nHost: x\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost : x\r\nX\0: 1\r\n\r\n".to_owned(),
    ] {
        let ended = target.send(head.as_bytes(), LONG)?;
        let start = head.chars().take(24).collect::<String>();
        ensure!(ended.after.is_some(), "{start:?} keeps a connection open");
        ensure!(ended.bytes.is_empty() || ended.bytes.starts_with(b"HTTP/1.1 4"), "{start:?} is answered");
    }
    Ok(Outcome::Pass)
}

pub(crate) fn nonsense(target: &Target) -> Played {
    let mut socket = target.enter()?;
    for _ in 0..20 {
        let _ = socket.say(r#"{"nothing":1}"#);
    }
    closed_with(&mut socket, &[4400])
}

pub(crate) fn broken_frames(target: &Target) -> Played {
    for (first, payload) in [(0x81, &b"\xff\xfe"[..]), (0x83, b"x"), (0xc1, b"x"), (0x89, &[0; 126]), (0x80, b"x")] {
        let mut socket = target.enter()?;
        let _ = socket.frame(first, payload);
        loop {
            match socket.next(PATIENCE)? {
                Some(Frame::Closed(_)) => break,
                Some(_) => {}
                None => bail!("a frame that begins with {first:#x} does not end the connection"),
            }
        }
    }
    Ok(Outcome::Pass)
}

pub(crate) fn flood(target: &Target) -> Played {
    let mut socket = target.enter()?;
    for _ in 0..5000 {
        if socket.say(r#"{"ping":"1"}"#).is_err() {
            return Ok(Outcome::Pass);
        }
    }
    loop {
        match socket.next(PATIENCE)? {
            Some(Frame::Closed(_)) => return Ok(Outcome::Pass),
            Some(_) => {}
            None => bail!("five thousand messages are taken"),
        }
    }
}

pub(crate) fn large_message(target: &Target) -> Played {
    let mut socket = target.enter()?;
    if socket.say(&"x".repeat(16 * MB)).is_err() {
        return Ok(Outcome::Pass);
    }
    match socket.is_served()? {
        true => bail!("16 MB are taken"),
        false => Ok(Outcome::Pass),
    }
}

/// What one participant may announce (the catalogue's bound, and this server's).
const TRACKS: usize = 32;

pub(crate) fn tracks(target: &Target) -> Played {
    let mut socket = target.enter()?;
    for n in 0..1000 {
        let _ = socket.say(&json!({ "addTrack": { "cid": format!("c{n}"), "type": "AUDIO" } }).to_string());
    }
    let _ = socket.say(super::wire::PING);
    let mut published = 0;
    loop {
        match socket.next(PATIENCE)? {
            Some(Frame::Text(text)) if text.contains("\"trackPublished\"") => published += 1,
            Some(Frame::Text(text)) if text.contains("\"pongResp\"") => break,
            Some(Frame::Closed(_)) => break,
            Some(_) => {}
            None => bail!("no answer any more"),
        }
    }
    ensure!(published <= TRACKS, "{published} tracks are published");
    Ok(Outcome::Pass)
}

pub(crate) fn toggle(target: &Target) -> Played {
    let mut socket = target.enter()?;
    for n in 0..500 {
        let wish = json!({ "subscription": { "trackSids": ["TR_x"], "subscribe": n % 2 == 0 } });
        socket.say(&wish.to_string())?;
    }
    still_served_or_closed(socket)?;
    Ok(Outcome::Pass)
}

pub(crate) fn names(target: &Target) -> Played {
    let json = [("Content-Type", "application/json")];
    let made = target.ask("POST", "/api/rooms", &json, "{}")?;
    if made.status == 403 {
        return Ok(Outcome::NotPlayed("guests cannot make rooms: rooms.open is false".to_owned()));
    }
    let made: serde_json::Value = serde_json::from_str(&made.body).context("no room is made")?;
    let path = format!("/api/rooms/{}/join", made["id"].as_str().unwrap_or_default());
    for (name, expected) in [
        ("x".repeat(1000), 400),
        ("x".repeat(MB), 413),
        ("\u{202e}\u{0}\n".to_owned(), 400),
        (String::new(), 400),
        ("e\u{301}".repeat(200), 400),
        ("<img src=x onerror=alert(1)>".to_owned(), 200),
        ("A\u{202e}da\u{0}\n".to_owned(), 200),
    ] {
        let answer = target.ask("POST", &path, &json, &json!({ "name": name }).to_string())?;
        let shown: String = name.chars().take(12).collect();
        ensure!(answer.status == expected, "{shown:?} is answered {}", answer.status);
        // Names go into identities as plain letters.
        let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let identity = answer["identity"].as_str().unwrap_or_default();
        ensure!(identity.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{shown:?} is {identity:?}");
    }
    Ok(Outcome::Pass)
}

pub(crate) fn metadata(target: &Target) -> Played {
    let attributes: serde_json::Map<_, _> = (0..1000).map(|n| (format!("k{n}"), json!("v"))).collect();
    for (request, update) in [
        (1, json!({ "requestId": 1, "metadata": "m".repeat(100_000) })),
        (2, json!({ "requestId": 2, "attributes": attributes })),
    ] {
        let mut socket = target.enter()?;
        socket.say(&json!({ "updateMetadata": update }).to_string())?;
        let answer = socket.wait_for("requestResponse", PATIENCE)?.context("no answer")?;
        let refused = answer["reason"].as_str().is_some_and(|reason| reason != "OK");
        ensure!(refused && answer["requestId"] == request, "answered {answer}");
    }
    Ok(Outcome::Pass)
}

pub(crate) fn takeover(target: &Target) -> Played {
    let mut first = target.join("row", "twin")?;
    ensure!(first.is_served()?, "the first is not served");
    let mut second = target.join("row", "twin")?;
    let leave = first.wait_for("leave", PATIENCE)?.context("the first is told nothing")?;
    ensure!(leave["reason"] == "DUPLICATE_IDENTITY", "the first is told {leave}");
    ensure!(second.is_served()?, "the second is not served");
    Ok(Outcome::Pass)
}

pub(crate) fn strangers_room(target: &Target) -> Played {
    if target.get("/api/info")?.body.contains("\"dev\":true") {
        return Ok(Outcome::NotPlayed("in development mode everybody may look into rooms".to_owned()));
    }
    let token = format!("Bearer {}", target.pass("row", "eve"));
    let ask = |room: &str| target.ask("GET", &format!("/api/rooms/{room}/quality"), &[("Authorization", &token)], "");
    let (there, nowhere) = (ask("honest")?, ask("no-such-room")?);
    ensure!(
        there.status == nowhere.status,
        "a room that is there is answered {}, one that is not {}",
        there.status,
        nowhere.status
    );
    ensure!((400..500).contains(&there.status), "answered {}", there.status);
    Ok(Outcome::Pass)
}

pub(crate) fn room_names(target: &Target) -> Played {
    for name in ["", &"x".repeat(300), "a\0b", "a\nb", "a\u{202e}b"] {
        let status = validated(target, &target.pass(name, "ada"))?;
        ensure!(status == 401, "{:?} is answered {status}", name.chars().take(8).collect::<String>());
    }
    Ok(Outcome::Pass)
}

pub(crate) fn frames(target: &Target) -> Played {
    let answer = target.get("/")?;
    let policy = answer.header("content-security-policy").context("no content security policy")?;
    ensure!(policy.contains("frame-ancestors 'none'"), "the page may be framed");
    ensure!(
        !policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"),
        "the policy lets scripts in: {policy}"
    );
    let permissions = answer.header("permissions-policy").context("no permissions policy")?;
    ensure!(
        permissions.contains("camera=(self)") && permissions.contains("microphone=(self)"),
        "cameras: {permissions}"
    );
    ensure!(answer.header("x-content-type-options") == Some("nosniff"), "types are guessed");
    Ok(Outcome::Pass)
}

pub(crate) fn herd(target: &Target) -> Played {
    let began = Instant::now();
    let slowest = Duration::from_secs(10);
    std::thread::scope(|scope| {
        let groups: Vec<_> = (0..8)
            .map(|group| {
                scope.spawn(move || -> anyhow::Result<Vec<Socket>> {
                    (0..25).map(|n| target.join(&format!("herd-{group}"), &format!("p{n}"))).collect()
                })
            })
            .collect();
        let joined = groups
            .into_iter()
            .map(|group| group.join().map_err(|_| anyhow::anyhow!("a bug in this row"))?);
        let joined = joined.collect::<anyhow::Result<Vec<_>>>()?;
        let took = began.elapsed();
        ensure!(took <= slowest, "the last of them is back after {} ms", took.as_millis());
        drop(joined);
        Ok(Outcome::Pass)
    })
}

pub(crate) fn random_datagrams(target: &Target) -> Played {
    // Any will do, and these are the same each time (Knuth's multiplier).
    let mut state = 1_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    let datagrams: Vec<Vec<u8>> = (1..2000).map(|length| (0..length).map(|_| byte()).collect()).collect();
    silence(target, &datagrams)
}

/// The bound on how often, as it is found: after so many nobody can say there is one.
fn refused_at_last(most: usize, mut ask: impl FnMut() -> anyhow::Result<(u16, bool)>) -> Played {
    for _ in 0..most {
        let (status, says_when) = ask()?;
        if status == 429 {
            ensure!(says_when, "429 without Retry-After");
            return Ok(Outcome::Pass);
        }
        ensure!(status < 500, "answered {status}");
    }
    Ok(Outcome::NotPlayed(format!("{most} are taken: the bound is higher, or 0")))
}

pub(crate) fn many_rooms(target: &Target) -> Played {
    refused_at_last(1000, || {
        target.be_somebody_else();
        let answer = target.ask("POST", "/api/rooms", &[("Content-Type", "application/json")], "{}")?;
        Ok((answer.status, answer.header("retry-after").is_some()))
    })
}

pub(crate) fn wrong_tokens(target: &Target) -> Played {
    refused_at_last(200, || {
        let answer = target.get("/rtc/validate?access_token=x.y.z")?;
        Ok((answer.status, answer.header("retry-after").is_some()))
    })
}

pub(crate) fn many_requests(target: &Target) -> Played {
    refused_at_last(3000, || {
        let answer = target.get("/api/info")?;
        Ok((answer.status, answer.header("retry-after").is_some()))
    })
}
