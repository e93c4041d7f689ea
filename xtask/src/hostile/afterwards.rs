//! What all rows together leave behind on the server they were played against: what it holds, and what it wrote down.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::grounds::{Alone, SECRET};
use super::plays::{Outcome, Played};
use crate::running::pause;
use crate::soak::Reading;

/// Who is gone without a goodbye is kept for 15 s, so that it can come back; a room that all left for 20.
const REST: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(500);
/// Readings that agree are no accident.
const ALIKE: u32 = 4;
/// Descriptors come and go with the honest call and with storage.
const DESCRIPTORS: u64 = 12;
/// In use by an allocator that was asked for much once, and by 700 rooms that wait for their first guest. In a debug build.
const GROWTH_KIB: u64 = 64 * 1024;

/// The server of a whole run, and how it was without anything hostile.
pub(crate) struct Own<'a> {
    server: &'a Alone,
    before: Option<Reading>,
}

impl<'a> Own<'a> {
    /// To be called while the honest call is on and nothing else has been.
    pub(crate) fn new(server: &'a Alone) -> anyhow::Result<Self> {
        // Other systems than Linux do not tell.
        let Ok(mut before) = Reading::take(server.pid(), server.target.address) else {
            return Ok(Self { server, before: None });
        };
        // Workers say what they have about once a second.
        let mut alike = 0;
        while alike < ALIKE {
            pause(LOOK)?;
            let next = Reading::take(server.pid(), server.target.address)?;
            alike = if next.counts == before.counts { alike + 1 } else { 0 };
            before = next;
        }
        Ok(Self { server, before: Some(before) })
    }
}

/// The honest call stays, the rest is gone.
pub(crate) fn held(own: &Own<'_>) -> Played {
    let Some(before) = &own.before else { return Ok(Outcome::NotPlayed("only Linux tells".to_owned())) };
    let began = Instant::now();
    loop {
        let after = Reading::take(own.server.pid(), own.server.target.address)?;
        let more = more_than(before, &after);
        if more.is_empty() {
            eprintln!(
                "         memory {} KiB before, {} after; descriptors {} and {}",
                before.memory_kib, after.memory_kib, before.descriptors, after.descriptors
            );
            return Ok(Outcome::Pass);
        }
        if began.elapsed() > REST {
            bail!("after {} s: {}", REST.as_secs(), more.join(", "));
        }
        pause(LOOK)?;
    }
}

/// What there is more of.
fn more_than(before: &Reading, after: &Reading) -> Vec<String> {
    let mut more = Vec::new();
    let mut compare = |what: &str, before: u64, after: u64, allowed: u64| {
        if after > before + allowed {
            more.push(format!("{what} {before}, then {after}"));
        }
    };
    compare("descriptors", before.descriptors, after.descriptors, DESCRIPTORS);
    // Those that wait for the disk come as they are needed.
    compare("threads", before.threads, after.threads, 8);
    compare("KiB of memory", before.memory_kib, after.memory_kib, GROWTH_KIB);
    for (name, count) in &before.counts {
        // Rooms nobody ever joined are kept for five minutes.
        let allowed = if *name == "sluice_rooms" { u64::MAX / 2 } else { 0 };
        compare(name, *count, after.counts.get(name).copied().unwrap_or(0), allowed);
    }
    more
}

/// What peers said, sent or signed with has no place in a log. Each was sent by some row.
const NEVER_LOGGED: &[&str] = &[
    SECRET,
    // Every token begins so: `{"alg":` and `{"typ":` in base64. Not shorter: ids are letters at random.
    "eyJhbGciOi",
    "eyJ0eXAiOi",
    "access_token=",
    "ice-pwd",
    "a-long-password",
    "correct horse",
    "<svg",
    "onerror",
    "mmmmmmmm",
    "\u{202e}",
];

pub(crate) fn logged(own: &Own<'_>) -> Played {
    let said = own.server.said()?;
    for word in NEVER_LOGGED {
        let line = said.lines().find(|line| line.contains(word));
        // Without the word itself.
        ensure!(
            line.is_none(),
            "{:?} is in the log: {:?}",
            word.chars().take(8).collect::<String>(),
            line.map(str::len)
        );
    }
    ensure!(said.lines().all(|line| line.len() < 1000), "a line of the log is as long as somebody wanted it");
    ensure!(!said.contains("panicked"), "a bug is in the log");
    Ok(Outcome::Pass)
}
