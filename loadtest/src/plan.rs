//! A run as data: who joins which room when, publishes what, stays how long. Scenarios make plans; the conductor
//! carries them out. The same plan and seed is the same load.

use std::collections::HashMap;
use std::time::Duration;

use crate::publication::Content;
use crate::uptake::Uptake;

/// When somebody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Before anything is measured, so long after the run began.
    Before(Duration),
    /// So long after measuring began.
    During(Duration),
}

/// One participant.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Its room.
    pub room: String,
    /// Unique in the room.
    pub identity: String,
    /// When it comes.
    pub arrival: Arrival,
    /// It leaves so long after it came; `None`: when the run ends.
    pub stays: Option<Duration>,
    /// What it publishes.
    pub publishes: Vec<Content>,
    /// It receives what the others publish.
    pub subscribes: bool,
    /// How it takes that.
    pub uptake: Uptake,
    /// Its signal connection breaks so long after measuring began, and is resumed at once.
    pub breaks: Option<Duration>,
}

/// Everybody.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name of the scenario.
    pub scenario: &'static str,
    /// What was asked for, as the report repeats it.
    pub parameters: Vec<(&'static str, String)>,
    /// In the order they come.
    pub visits: Vec<Visit>,
    /// So many recordings go on while it is measured, of those who are seen in turns.
    pub recordings: usize,
    /// How long is measured.
    pub duration: Duration,
    /// Decides every size and pause.
    pub seed: u64,
}

impl Plan {
    /// Subscriptions that must carry media before measuring begins.
    pub(crate) fn subscriptions_before(&self) -> u64 {
        let is_first = |visit: &&Visit| matches!(visit.arrival, Arrival::Before(_));
        let mut tracks: HashMap<&str, usize> = HashMap::new();
        for visit in self.visits.iter().filter(is_first) {
            *tracks.entry(&visit.room).or_default() += visit.publishes.len();
        }
        let subscribers = self.visits.iter().filter(is_first).filter(|visit| visit.subscribes);
        subscribers
            .map(|visit| (tracks.get(&*visit.room).copied().unwrap_or(0) - visit.publishes.len()) as u64)
            .sum()
    }

    /// When the last of those who come first begins to join.
    pub(crate) fn last_join(&self) -> Duration {
        let joins = self.visits.iter().filter_map(|visit| match visit.arrival {
            Arrival::Before(at) => Some(at),
            Arrival::During(_) => None,
        });
        joins.max().unwrap_or_default()
    }
}
