//! `cargo xtask hostile`: the hostile inputs a server has to bear, over the network alone, while two honest people are in a
//! call. A line for each: passed, failed, or where else it is played, or why not.
//!
//! `rows.rs` is the list, and `elsewhere.rs` that of what is played by other tests or by nobody. `plays.rs` carries rows out,
//! `rooms.rs` those about rooms and their hosts, `recordings.rs` and `passes.rs` those about what is kept of them, `media.rs` those about ports
//! for media, `operations.rs` and `receivers.rs` those about how a server is run; `grounds.rs` starts servers for rows that need their own, `afterwards.rs` looks at what is
//! left of it all, `wire.rs` is a stranger's hands, `honest.rs` the call. Knows the server from outside only.

mod afterwards;
mod elsewhere;
mod grounds;
mod honest;
mod media;
mod operations;
mod passes;
mod plays;
mod receivers;
mod recordings;
mod rooms;
mod rows;
mod wire;

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::local_server;
use crate::report::{Line, Verdict, timed};
use crate::running::ensure_wanted;
use crate::workspace;
use afterwards::Own;
use elsewhere::NOT_HERE;
use grounds::Grounds;
use honest::Honest;
use plays::Outcome;
use rows::{ROWS, Row};
use wire::Target;

/// Honest people never wait longer for a sign of life, on a machine that also has to do the attacking.
const SLOWEST: Duration = Duration::from_secs(2);

/// What a server needs to be told so that every row can be played against it on one machine. It believes what is said of where
/// requests come from, and has bounds that are reached soon.
const CONFIGURATION: &str = r#"
http.trusted_proxies = ["127.0.0.1"]
http.allowed_origins = ["https://good.example"]
rooms.open = true
limits.room_creations_per_minute = 120
limits.joins_per_minute_per_ip = 300
limits.api_requests_per_minute_per_ip = 300
limits.failed_tokens_per_minute_per_ip = 30
"#;

/// What was asked for.
#[derive(Debug, Default)]
struct Wanted {
    built: Option<String>,
    server: Option<String>,
    media: Option<String>,
    key: Option<String>,
    secret: Option<String>,
    only: Vec<String>,
}

impl Wanted {
    fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let mut wanted = Self::default();
        let mut arguments = arguments.iter();
        while let Some(flag) = arguments.next() {
            let value = arguments.next().cloned().with_context(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--sluice" => wanted.built = Some(value),
                "--server" => wanted.server = Some(value),
                "--media" => wanted.media = Some(value),
                "--key" => wanted.key = Some(value),
                "--secret" => wanted.secret = Some(value),
                "--only" => wanted.only.push(value),
                _ => bail!(
                    "unknown argument {flag}\n  accepted: --sluice FILE, --only ROW, --server ADDRESS:PORT --key KEY \
                     --secret SECRET, --media ADDRESS:PORT"
                ),
            }
        }
        let (server, key, secret) = (wanted.server.is_some(), wanted.key.is_some(), wanted.secret.is_some());
        ensure!(server == key && key == secret, "--server, --key and --secret go together");
        Ok(wanted)
    }

    /// The server that was named, if one was.
    fn target(&self) -> anyhow::Result<Option<Target>> {
        let (Some(server), Some(key), Some(secret)) = (&self.server, &self.key, &self.secret) else { return Ok(None) };
        let address = server.parse().with_context(|| format!("{server} is not ADDRESS:PORT"))?;
        let media = self.media.as_deref().map(str::parse).transpose().context("--media is not ADDRESS:PORT")?;
        Ok(Some(Target::new(address, media, key.clone(), secret.clone())))
    }

    fn has(&self, row: &Row) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| row.id.starts_with(only.as_str()))
    }
}

/// Plays all rows, or those whose names begin with one of `--only`.
pub(crate) fn hostile(arguments: &[String]) -> anyhow::Result<Verdict> {
    let (_, failed) = play(&Wanted::read(arguments)?)?;
    Ok(if failed == 0 { Verdict::Passed } else { Verdict::Failed })
}

/// Plays all of them against the server that tests use, as one line of many.
pub(crate) fn all(lines: &mut Vec<Line>) {
    timed(lines, "hostile", || {
        let built = workspace::server()?.to_str().context("a path that is text")?.to_owned();
        play(&Wanted { built: Some(built), ..Wanted::default() })
    });
}

/// How many passed, and how many failed.
fn play(wanted: &Wanted) -> anyhow::Result<(u32, u32)> {
    let named = wanted.target()?;
    let grounds = match (&named, &wanted.built) {
        (Some(_), None) => None,
        (_, built) => Some(Grounds::new(local_server::program(built.as_deref())?)?),
    };
    let server = match (&named, &grounds) {
        (None, Some(grounds)) => Some(grounds.start("server", CONFIGURATION)?),
        _ => None,
    };
    let target = named.as_ref().or(server.as_ref().map(|own| &own.target)).context("no server")?;
    let honest = Honest::begin(target)?;
    let own = server.as_ref().map(Own::new).transpose()?;
    let (mut passed, mut failed, mut elsewhere, mut missing, mut not_played) = (0, 0, 0, 0, 0);
    for row in ROWS.iter().chain(NOT_HERE).filter(|row| wanted.has(row)) {
        ensure_wanted()?;
        target.be_somebody_else();
        let outcome = plays::play(target, grounds.as_ref(), own.as_ref(), &row.play)
            .unwrap_or_else(|error| Outcome::Fail(format!("{error:#}")));
        let outcome = match outcome {
            Outcome::Pass => bystanders(target, &honest).unwrap_or_else(|error| Outcome::Fail(format!("{error:#}"))),
            other => other,
        };
        let (count, word, why) = match &outcome {
            Outcome::Pass => (&mut passed, "ok", String::new()),
            Outcome::Fail(why) => (&mut failed, "FAIL", format!(": {why}")),
            Outcome::Elsewhere(tests) => (&mut elsewhere, "tests", format!(": {tests}")),
            Outcome::Missing(what) => (&mut missing, "not yet", format!(": needs {what}")),
            Outcome::NotPlayed(why) => (&mut not_played, "not", format!(": {why}")),
        };
        *count += 1;
        eprintln!("{word:<8} {:<16} {}{why}", row.id, row.input);
    }
    eprintln!(
        "{passed} passed, {failed} failed; {elsewhere} played by other tests, {missing} with nothing to attack yet, \
         {not_played} not played"
    );
    Ok((passed, failed))
}

/// Whether all others are as well as before.
fn bystanders(target: &Target, honest: &Honest) -> anyhow::Result<Outcome> {
    target.be_somebody_else();
    let health = target.get_directly("/healthz").context("the server does not answer any more")?;
    ensure!(health.status == 200, "/healthz is {}", health.status);
    // Where operators' figures are elsewhere there is no more to be seen from here.
    let metrics = target.get_directly("/metrics")?.body;
    let panics = metrics.lines().find(|line| line.starts_with("sluice_contained_panics_total"));
    if let Some(panics) = panics.filter(|line| !line.ends_with(" 0")) {
        bail!("{panics}: this or another row met a bug");
    }
    let had = honest.had();
    if let Some(broken) = had.broken {
        bail!("the honest call broke: {broken}");
    }
    ensure!(had.slowest <= SLOWEST, "honest people waited {} ms", had.slowest.as_millis());
    Ok(Outcome::Pass)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn rows_have_names_of_their_own_and_a_layer() {
        let all: Vec<_> = ROWS.iter().chain(NOT_HERE).collect();
        for (place, row) in all.iter().enumerate() {
            assert!(
                row.id.starts_with(['A', 'S', 'W', 'O', 'U', 'R']) && row.id.chars().nth(1) == Some('-'),
                "{}",
                row.id
            );
            assert!(all[..place].iter().all(|other| other.id != row.id), "{}", row.id);
        }
    }

    #[test]
    fn a_server_is_named_with_its_key() {
        let read = |arguments: &[&str]| Wanted::read(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(read(&["--server", "127.0.0.1:1", "--key", "k", "--secret", "s"]).is_ok());
        assert!(read(&["--server", "127.0.0.1:1"]).is_err());
        assert!(read(&["--only"]).is_err() && read(&["--what", "x"]).is_err());
        let wanted = read(&["--only", "A-"]).unwrap();
        assert!(ROWS.iter().all(|row| wanted.has(row) == row.id.starts_with('A')));
    }
}
