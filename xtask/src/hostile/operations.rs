//! What befalls a server from its own side: keys that can be guessed, few descriptors, a clock that jumps, a trail that somebody
//! changed. Each play has a server of its own.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::grounds::{Alone, Grounds, ensure_served};
use super::plays::{Outcome, Played};
use super::wire::{PATIENCE, Socket, Target, now_s};
use crate::browsers::{apt_install, is_root};
use crate::command::find;
use crate::running::{LOOK, pause};

/// Who is in a call waits no longer, whatever happens to strangers.
const SLOWEST: Duration = Duration::from_secs(2);

/// Keys, further arguments, and what the refusal must speak of.
const GUESSED: &[(&str, &[&str], &str)] = &[
    ("", &[], "no API keys"),
    ("APIguess: secret", &[], "at least 32 are needed"),
    ("APIguess: one-byte-less-than-it-has-to-be", &[], "at least 32 are needed"),
    // Good, and on its way in the open.
    ("APIgood: as-long-as-it-has-to-be-and-secret", &[], "http.behind_proxy"),
    ("devkey: secret", &[], "everybody knows"),
    ("devkey: a-secret-that-is-long-enough-for-any-hash", &[], "everybody knows"),
    ("", &["--dev", "--listen", "0.0.0.0:0"], "loopback only"),
];

pub(crate) fn guessed_secrets(grounds: &Grounds) -> Played {
    for (keys, arguments, expected) in GUESSED {
        let mut serve = grounds.sluice(&["serve"]);
        serve.args(*arguments);
        if !keys.is_empty() {
            serve.env("SLUICE_KEYS", keys);
        }
        let said = grounds.refusal(serve).with_context(|| format!("with {keys:?} {arguments:?}"))?;
        ensure!(said.contains(expected), "with {keys:?} {arguments:?} it says {said:?}");
        let secret = keys.split_once(": ").map_or("", |(_, secret)| secret);
        // The word alone is also the name of the thing.
        ensure!(secret.len() < 10 || !said.contains(secret), "the secret is in what it says");
    }
    Ok(Outcome::Pass)
}

/// More connections than there are descriptors.
const CONNECTIONS: usize = 400;

pub(crate) fn few_descriptors(grounds: &Grounds) -> Played {
    if find("sh").is_none() {
        return Ok(Outcome::NotPlayed("descriptors are bounded by a shell, and there is none".to_owned()));
    }
    let server = grounds.start_after("ulimit -n 256", "descriptors", "limits.connections_per_ip = 100000")?;
    let mut call = [server.target.join("call", "ada")?, server.target.join("call", "bob")?];
    let began = Instant::now();
    let strangers: Vec<TcpStream> = (0..CONNECTIONS).map(|_| server.target.connect()).collect::<anyhow::Result<_>>()?;
    // What cannot be accepted is noticed a moment later.
    let mut refused = 0;
    while refused == 0 && began.elapsed() < PATIENCE {
        refused = server.said()?.matches("cannot accept a connection").count();
        for person in &mut call {
            ensure_served(person, "a person in the call", SLOWEST)?;
        }
        pause(LOOK)?;
    }
    ensure!(refused > 0, "{CONNECTIONS} connections fit into 256 descriptors");
    drop(strangers);
    let left = Instant::now();
    let mut late = server.target.join("call", "carl").context("who comes after the strangers")?;
    ensure!(left.elapsed() <= PATIENCE, "a join takes {} ms afterwards", left.elapsed().as_millis());
    ensure_served(&mut late, "who came late", SLOWEST)?;
    // A full disk is no better than no connection.
    let lines = server.said()?.matches("cannot accept a connection").count();
    let most = usize::try_from(began.elapsed().as_secs() + 1)? * 10;
    ensure!(lines <= most, "{lines} lines of log in {} s", began.elapsed().as_secs());
    server.ensure_well()?;
    Ok(Outcome::Pass)
}

/// Of these records the trail consists, after the one it begins with.
const ROOMS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// What is done to the lines of the trail, and the record that is named.
type Change = (&'static str, fn(&mut Vec<String>), &'static str);

const CHANGES: &[Change] = &[
    ("a record is edited", |lines| lines[3] = lines[3].replace("third", "thirD"), "record 4: its hash"),
    ("the end is cut off", |lines| lines.truncate(4), "record 5: the head says that there were 6"),
    ("a record is removed", |lines| drop(lines.remove(2)), "record 3: record 4 stands in its place"),
    ("two records change places", |lines| lines.swap(1, 4), "record 2: record 5 stands in its place"),
    ("a record is there twice", |lines| lines.insert(5, lines[4].clone()), "record 6: record 5 stands"),
    ("half of the last record is cut off", |lines| cut_in_half(lines), "record 6: the head says that there were 6"),
    ("a record is made unreadable", |lines| lines[1] = "{}".to_owned(), "record 2: it is not a record"),
    ("the beginning is cut off", |lines| drop(lines.drain(..2)), "record 1: record 3 stands in its place"),
    ("everything is removed", Vec::clear, "record 1: the head says that there were 6"),
];

fn cut_in_half(lines: &mut [String]) {
    if let Some(last) = lines.last_mut() {
        last.truncate(last.len() / 2);
    }
}

pub(crate) fn changed_trails(grounds: &Grounds) -> Played {
    let trail = grounds.folder("trail")?.join("audit.log");
    let server = grounds.start("audit", &format!("audit.path = {:?}", trail.display().to_string()))?;
    for room in ROOMS {
        server.administer("CreateRoom", &json!({ "name": room }).to_string(), now_s())?;
    }
    server.ensure_well()?;
    server.kill();
    let (good, said) = grounds.audit("verify", &trail)?;
    ensure!(good && said.contains("good: 6 records"), "what the server wrote is found so: {said}");
    let written = std::fs::read_to_string(&trail)?;
    let named_by = |what: &str, expected: &str| {
        let (good, said) = grounds.audit("verify", &trail)?;
        ensure!(!good && said.contains(expected), "{what}, and it is found so: {said}");
        anyhow::Ok(())
    };
    for (what, change, expected) in CHANGES {
        let mut lines: Vec<String> = written.lines().map(str::to_owned).collect();
        ensure!(lines.len() == 6, "{} lines for six records", lines.len());
        change(&mut lines);
        let whole_lines = if *what == "half of the last record is cut off" { "" } else { "\n" };
        let end = if lines.is_empty() { "" } else { whole_lines };
        std::fs::write(&trail, lines.join("\n") + end)?;
        named_by(what, expected)?;
    }
    std::fs::write(&trail, &written)?;
    let head = trail.with_file_name("audit.log.head");
    std::fs::rename(&head, trail.with_file_name("kept.head"))?;
    named_by("the head is removed", "the file of the head is missing")?;
    Ok(Outcome::Pass)
}

/// The library by which a program sees another time, where it is or can be installed.
fn other_time() -> anyhow::Result<Result<PathBuf, String>> {
    let installed = || {
        let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
        folders
            .map(|folder| folder.join("faketime/libfaketimeMT.so.1"))
            .find(|library| library.is_file())
    };
    if let Some(library) = installed() {
        return Ok(Ok(library));
    }
    if !cfg!(target_os = "linux") || find("apt-get").is_none() || !is_root() {
        return Ok(Err("the package libfaketime is not installed".to_owned()));
    }
    apt_install(&["libfaketime"])?;
    Ok(installed().ok_or_else(|| "libfaketime is not where it should be".to_owned()))
}

/// A server whose wall clock is what a file says. Time that only passes is not touched, as when an administrator sets a clock.
struct Clock {
    file: PathBuf,
    offset_s: i64,
}

impl Clock {
    fn start(grounds: &Grounds, library: &Path, trail: &Path) -> anyhow::Result<(Self, Alone)> {
        let folder = grounds.folder("clock")?;
        let clock = Self { file: folder.join("clock"), offset_s: 0 };
        std::fs::write(&clock.file, "+0")?;
        let mut command = grounds.sluice(&[]);
        command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &clock.file);
        for name in ["FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC"] {
            command.env(name, "1");
        }
        let server = Alone::start(command, &folder, &format!("audit.path = {:?}", trail.display().to_string()))?;
        Ok((clock, server))
    }

    /// Sets it, to so many seconds before or after the right time.
    fn jump(&mut self, offset_s: i64) -> anyhow::Result<()> {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{offset_s:+}"))?;
        // Never seen half written.
        std::fs::rename(new, &self.file)?;
        self.offset_s = offset_s;
        Ok(())
    }

    fn now_s(&self) -> anyhow::Result<u64> {
        now_s().checked_add_signed(self.offset_s).context("before 1970")
    }
}

const HOUR_S: i64 = 3600;

pub(crate) fn jumping_clock(grounds: &Grounds) -> Played {
    let library = match other_time()? {
        Ok(library) => library,
        Err(why) => return Ok(Outcome::NotPlayed(why)),
    };
    let trail = grounds.folder("clock-trail")?.join("audit.log");
    let (mut clock, server) = Clock::start(grounds, &library, &trail)?;
    let target = &server.target;
    server.administer("CreateRoom", r#"{"name":"before"}"#, clock.now_s()?)?;
    let mut call = [target.join("clock", "ada")?, target.join("clock", "bob")?];
    for offset_s in [HOUR_S, -HOUR_S, 1, 0] {
        clock.jump(offset_s)?;
        let jumped = || format!("at {offset_s} s");
        for person in &mut call {
            ensure_served(person, "a person in the call", SLOWEST).with_context(jumped)?;
        }
        // It is the server's clock that says whether a token counts, give or take a minute.
        let now_s = clock.now_s()?;
        for (exp, expected) in [(now_s + 600, 200), (now_s - 600, 401)] {
            let status = validated_at(target, exp, now_s)?;
            ensure!(status == expected, "{offset_s} s off, a token until {exp} is answered {status}, it is {now_s}");
        }
        ensure!(validated_at(target, now_s + 1800, now_s + 600)? == 401, "a token of later counts {}", jumped());
        let mut newcomer = join_at(target, now_s).with_context(jumped)?;
        ensure_served(&mut newcomer, "who came after", SLOWEST).with_context(jumped)?;
        server.administer("CreateRoom", &json!({ "name": format!("after {offset_s}") }).to_string(), now_s)?;
    }
    server.ensure_well()?;
    server.kill();
    let (good, said) = grounds.audit("verify", &trail)?;
    ensure!(good, "the trail of that time is found so: {said}");
    let (_, records) = grounds.audit("export", &trail)?;
    ensure!(records.contains("the clock shows"), "the trail does not say that the clock was set back: {records}");
    Ok(Outcome::Pass)
}

fn token_at(target: &Target, identity: &str, exp: u64, nbf: u64) -> String {
    let video = json!({ "roomJoin": true, "room": "clock" });
    target.token(json!({ "sub": identity, "exp": exp, "nbf": nbf, "video": video }))
}

fn validated_at(target: &Target, exp: u64, nbf: u64) -> anyhow::Result<u16> {
    let bearer = format!("Bearer {}", token_at(target, "ada", exp, nbf.min(exp)));
    Ok(target.ask("GET", "/rtc/validate", &[("Authorization", &bearer)], "")?.status)
}

fn join_at(target: &Target, now_s: u64) -> anyhow::Result<Socket> {
    let path = format!("/rtc?access_token={}", token_at(target, "carl", now_s + 600, now_s));
    match Socket::open(target, &path, &[])? {
        Ok(socket) => Ok(socket),
        Err(answer) => anyhow::bail!("a join is answered {}: {}", answer.status, answer.body),
    }
}
