//! What is on its way between clients, networks and the worker, in the order of time.

use std::net::SocketAddr;
use std::time::Instant;

use sluice_core::{Command, Event, Kind, ParticipantId, TrackId};

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

/// The id of somebody.
pub(crate) fn participant(name: &str) -> ParticipantId {
    ParticipantId::from(format!("PA_{name}"))
}

/// Somebody is to get a track.
pub(crate) fn subscribe(who: &str, track: &TrackId, kind: Kind, publisher: &str) -> Command {
    let stream = format!("PA_{publisher}|camera");
    Command::Subscribe { subscriber: participant(who), track: track.clone(), kind, stream }
}

/// Of a datagram, what repeats from run to run: its length, but for DTLS records (signatures differ in length) and
/// RTCP (what a transport's streams feed back comes in no particular order).
pub(crate) fn shape(datagram: &[u8]) -> String {
    match datagram {
        [20..=63, ..] => "dtls".to_owned(),
        [128..=191, 192..=223, ..] => "rtcp".to_owned(),
        _ => format!("{} bytes", datagram.len()),
    }
}

/// str0m keeps a connection's streams in a hash map, so that retransmissions of several streams that are due at
/// once leave in an order of their own each run. Here they leave in the order of their SSRCs, those of a stream
/// as they were.
pub(crate) fn in_order_of_streams<D: PartialEq + Clone>(datagrams: &mut [(D, Vec<u8>)]) {
    fn ssrc(datagram: &[u8]) -> Option<&[u8]> {
        let is_rtp = matches!(datagram, [128..=191, second, ..] if !(192..=223).contains(second));
        is_rtp.then(|| datagram.get(8..12)).flatten()
    }
    for run in datagrams.chunk_by_mut(|(a, x), (b, y)| a == b && ssrc(x).is_some() == ssrc(y).is_some()) {
        run.sort_by(|(_, x), (_, y)| ssrc(x).cmp(&ssrc(y)));
    }
}
