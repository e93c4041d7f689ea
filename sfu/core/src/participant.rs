//! A participant as the worker sees it: its transports, what it publishes, what it takes.

use std::time::Instant;

use str0m::media::{Mid, Pt};

use crate::forwarder::Forwarder;
use crate::publications::Publications;
use crate::transport::Label;
use crate::{
    Connection, Demand, Kind, ParticipantId, ParticipantKey, RoomId, SubscriptionKey, TrackId, TrackKey, TransportKey,
};

#[derive(Debug)]
pub(crate) struct Participant {
    pub(crate) id: ParticipantId,
    pub(crate) room: RoomId,
    pub(crate) connection: Connection,
    /// Takes what the client publishes; with one connection also sends to it.
    pub(crate) publisher: TransportKey,
    /// Sends to the client.
    pub(crate) subscriber: TransportKey,
    pub(crate) publications: Publications,
    pub(crate) subscriptions: Vec<SubscriptionKey>,
    /// Since when ICE has lost it.
    pub(crate) unreachable_since: Option<Instant>,
    /// A connection of it was closed for good.
    pub(crate) has_ended: bool,
    /// Its end was reported; it waits for the control plane to remove it.
    pub(crate) has_failed: bool,
}

/// A participant's wish for a track, and how far it got.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) subscriber: ParticipantKey,
    pub(crate) track_id: TrackId,
    /// The track, once it is published.
    pub(crate) track: Option<TrackKey>,
    pub(crate) kind: Kind,
    pub(crate) label: Label,
    pub(crate) demand: Demand,
    /// The negotiated section.
    pub(crate) section: Option<Mid>,
    pub(crate) forwarder: Forwarder,
    /// The publisher's payload types and the subscriber's for the same format; `None` where it has none.
    payload_types: Vec<(Pt, Option<Pt>)>,
}

impl Subscription {
    pub(crate) fn new(subscriber: ParticipantKey, track_id: TrackId, kind: Kind, label: Label) -> Self {
        Self {
            subscriber,
            track_id,
            track: None,
            kind,
            label,
            demand: Demand::default(),
            section: None,
            forwarder: Forwarder::default(),
            payload_types: Vec::new(),
        }
    }

    /// A section was negotiated (again): formats may have changed.
    pub(crate) fn open(&mut self, section: Mid) {
        self.section = Some(section);
        self.payload_types.clear();
        self.forwarder.pause();
    }

    /// The subscriber's payload type for the publisher's, looked up once.
    pub(crate) fn payload_type(&mut self, from: Pt, look_up: impl FnOnce() -> Option<Pt>) -> Option<Pt> {
        if let Some((_, to)) = self.payload_types.iter().find(|(pt, _)| *pt == from) {
            return *to;
        }
        let to = look_up();
        self.payload_types.push((from, to));
        to
    }
}
