//! What is on its way between clients, networks and the worker, in the order of time.

use std::net::SocketAddr;
use std::time::Instant;

use sluice_core::{Command, Event, ParticipantId};

use crate::client::End;

/// Something that will arrive.
pub(crate) enum Delivery {
    ToWorker { source: SocketAddr, contents: Vec<u8> },
    ToClient { name: String, end: End, contents: Vec<u8> },
    Said(Command),
    Heard { name: String, event: Box<Event> },
}

impl Delivery {
    /// On somebody's signal connection.
    pub(crate) fn is_signal_of(&self, who: &str) -> bool {
        match self {
            Self::Said(
                Command::Offer { participant, .. }
                | Command::Answer { participant, .. }
                | Command::ExpectTrack { participant, .. },
            ) => name(participant) == who,
            Self::Heard { name, .. } => name == who,
            _ => false,
        }
    }
}

/// When it will arrive; what arrives at once does so in the order it was sent.
pub(crate) struct Queued {
    pub(crate) at: Instant,
    pub(crate) order: u64,
    pub(crate) delivery: Delivery,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Whose id it is.
pub(crate) fn name(participant: &ParticipantId) -> &str {
    participant.as_str().trim_start_matches("PA_")
}
