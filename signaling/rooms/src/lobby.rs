//! Who waits to be let in, and for how long anybody remembers.
//!
//! A ticket is a secret of who waits: it asks where it stands with it, and is given a token for it. So tickets stay
//! out of logs. [`Lobby`] counts and forgets; the room decides who may wait and tells the others (`room/lobby.rs`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::Now;

/// People who wait at once: as many as a host can still read. The next is refused.
const WAITING: usize = 200;
/// Who waits asks every two seconds; who has not asked for so long is gone.
const PATIENCE: Duration = Duration::from_secs(90);
/// A decision is remembered so long: time enough to ask once more, and to join.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Decisions remembered at once: a host would have to let everybody in five times a minute. The oldest goes first.
const DECIDED: usize = 1000;

/// How people get into a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entry {
    /// Guests wait until somebody who moderates lets them in.
    pub lobby: bool,
    /// Nobody new comes in, but for those who moderate.
    pub locked: bool,
}

impl Entry {
    /// Whether people come in unasked.
    pub(crate) fn is_free(self) -> bool {
        !self.lobby && !self.locked
    }
}

/// Somebody who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its secret.
    pub ticket: String,
    /// Who it will be.
    pub identity: String,
    /// How it will be shown.
    pub name: String,
    /// Since when it waits, in milliseconds since 1970.
    pub since_unix_ms: i64,
    asked_at: Instant,
}

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It waits.
    Waiting {
        /// Its place in the line, from 1.
        position: usize,
    },
    /// It may come in.
    Admitted,
    /// It may not.
    Refused,
    /// Nobody knows it, or not any more.
    Gone,
}

/// How waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LobbyOutcome {
    /// Let in.
    Admitted,
    /// Not let in.
    Refused,
    /// It went away, or the room ended.
    Gone,
}

impl LobbyOutcome {
    /// As logs and APIs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Gone => "gone",
        }
    }
}

#[derive(Debug)]
struct Decided {
    identity: String,
    admitted: bool,
    at: Instant,
}

/// The line, and the decisions of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Lobby {
    /// In the order they came.
    waiting: Vec<Waiting>,
    /// By ticket.
    decided: BTreeMap<String, Decided>,
}

/// What became of a knock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Knocked {
    /// It waits now.
    Waits,
    /// Its ticket was known: it has asked where it stands.
    Known,
    /// There are too many.
    Full,
}

impl Lobby {
    pub(crate) fn waiting(&self) -> &[Waiting] {
        &self.waiting
    }

    /// Whether anybody waits, or was let in and may not be here yet.
    pub(crate) fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || self.decided.values().any(|decided| decided.admitted)
    }

    pub(crate) fn standing_of(&self, ticket: &str) -> Standing {
        if let Some(place) = self.waiting.iter().position(|waiting| waiting.ticket == ticket) {
            return Standing::Waiting { position: place + 1 };
        }
        match self.decided.get(ticket) {
            Some(decided) if decided.admitted => Standing::Admitted,
            Some(_) => Standing::Refused,
            None => Standing::Gone,
        }
    }

    /// Whether this identity was let in just now.
    pub(crate) fn expects(&self, identity: &str) -> bool {
        self.decided.values().any(|decided| decided.admitted && decided.identity == identity)
    }

    pub(crate) fn knock(&mut self, ticket: String, identity: String, name: String, now: Now) -> Knocked {
        if self.standing_of(&ticket) != Standing::Gone {
            self.ask(&ticket, now);
            return Knocked::Known;
        }
        if self.waiting.len() >= WAITING {
            return Knocked::Full;
        }
        self.waiting
            .push(Waiting { ticket, identity, name, since_unix_ms: now.unix_ms, asked_at: now.at });
        Knocked::Waits
    }

    /// The bearer of the ticket is still there.
    pub(crate) fn ask(&mut self, ticket: &str, now: Now) {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.ticket == ticket) {
            waiting.asked_at = now.at;
        }
    }

    /// Takes somebody out of the line, and remembers what was decided.
    pub(crate) fn decide(&mut self, ticket: &str, outcome: LobbyOutcome, now: Now) -> Option<Waiting> {
        let place = self.waiting.iter().position(|waiting| waiting.ticket == ticket)?;
        let waiting = self.waiting.remove(place);
        if outcome != LobbyOutcome::Gone {
            let oldest = self.decided.iter().min_by_key(|(_, decided)| decided.at);
            if self.decided.len() >= DECIDED
                && let Some(oldest) = oldest.map(|(ticket, _)| ticket.clone())
            {
                self.decided.remove(&oldest);
            }
            let admitted = outcome == LobbyOutcome::Admitted;
            let decided = Decided { identity: waiting.identity.clone(), admitted, at: now.at };
            self.decided.insert(waiting.ticket.clone(), decided);
        }
        Some(waiting)
    }

    /// Nobody of this identity is expected any more.
    pub(crate) fn disown(&mut self, identity: &str) {
        for decided in self.decided.values_mut().filter(|decided| decided.identity == identity) {
            decided.admitted = false;
        }
    }

    /// Forgets old decisions; answers who has gone without a word, still in the line.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<String> {
        self.decided.retain(|_, decided| decided.at + REMEMBERED > now);
        let gone = self.waiting.iter().filter(|waiting| waiting.asked_at + PATIENCE <= now);
        gone.map(|waiting| waiting.ticket.clone()).collect()
    }

    /// When [`Self::overdue`] has something to say or to forget.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let patience = self.waiting.iter().map(|waiting| waiting.asked_at + PATIENCE);
        let memory = self.decided.values().map(|decided| decided.at + REMEMBERED);
        patience.chain(memory).min()
    }

    /// Everybody goes; those who waited.
    pub(crate) fn clear(&mut self) -> Vec<Waiting> {
        self.decided.clear();
        std::mem::take(&mut self.waiting)
    }
}
