//! A participant as the worker sees it: its transports, what it publishes, what it takes.

use std::time::Instant;

use str0m::media::{Mid, Pt};

use crate::transport::{OutFormat, StreamIndex};

use crate::allocator::{Grant, Memory};
use crate::forwarder::Forwarder;
use crate::publications::Publications;
use crate::rate::{FrameRateMeter, RateMeter};
use crate::transport::Label;
use crate::{
    Connection, Demand, Kind, ParticipantId, ParticipantKey, RoomId, SubscriptionKey, TrackId, TrackKey, TransportKey,
};

#[derive(Debug)]
pub(crate) struct Participant {
    pub(crate) id: ParticipantId,
    pub(crate) room: RoomId,
    pub(crate) connection: Connection,
    /// Its pictures may be paused for want of bandwidth.
    pub(crate) allows_pauses: bool,
    /// Takes what the client publishes; with one connection also sends to it.
    pub(crate) publisher: TransportKey,
    /// Sends to the client.
    pub(crate) subscriber: TransportKey,
    pub(crate) publications: Publications,
    pub(crate) subscriptions: Vec<SubscriptionKey>,
    /// Since when ICE has lost it.
    pub(crate) unreachable_since: Option<Instant>,
    /// What the last allocation came to, bits per second.
    pub(crate) allocated_bps: u64,
    pub(crate) wanted_bps: u64,
    /// A connection of it was closed for good.
    pub(crate) has_ended: bool,
    /// Its end was reported; it waits for the control plane to remove it.
    pub(crate) has_failed: bool,
}

/// How long a subscriber who takes only the second codec of a track has waited for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum BackupWait {
    /// It need not.
    #[default]
    Over,
    /// Since then.
    Since(Instant),
    /// Too long: it was told. What comes after all is forwarded.
    InVain,
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
    /// Its outgoing stream.
    pub(crate) stream: Option<StreamIndex>,
    pub(crate) forwarder: Forwarder,
    /// What the allocator gave it, and what limits it.
    pub(crate) grant: Option<Grant<SubscriptionKey>>,
    pub(crate) memory: Memory,
    /// The subscriber was told that it is paused.
    pub(crate) is_paused: bool,
    /// The room's limits leave it out.
    pub(crate) is_left_out: bool,
    /// The subscriber was told that it cannot decode it.
    pub(crate) is_undecodable: bool,
    /// Of a track in two codecs: the subscriber takes the first, or the second, of them not.
    pub(crate) lacks_primary: bool,
    pub(crate) lacks_backup: bool,
    /// It depends on the second, and that is not there.
    pub(crate) wait: BackupWait,
    pub(crate) sent: RateMeter,
    pub(crate) frames: FrameRateMeter,
    /// The publisher's payload types and how the subscriber numbers the same format; `None` where it has none.
    formats: Vec<(Pt, Option<OutFormat>)>,
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
            stream: None,
            forwarder: Forwarder::default(),
            grant: None,
            memory: Memory::default(),
            is_paused: false,
            is_left_out: false,
            is_undecodable: false,
            lacks_primary: false,
            lacks_backup: false,
            wait: BackupWait::Over,
            sent: RateMeter::default(),
            frames: FrameRateMeter::default(),
            formats: Vec::new(),
        }
    }

    /// A section was negotiated (again): formats may have changed.
    pub(crate) fn open(&mut self, section: Mid, stream: Option<StreamIndex>) {
        self.section = Some(section);
        self.stream = stream;
        self.formats.clear();
        (self.is_undecodable, self.lacks_primary, self.lacks_backup) = (false, false, false);
        self.wait = BackupWait::Over;
        self.forwarder.pause();
    }

    /// Reads something of every part that forwarding a packet needs.
    pub(crate) fn touch(&self) -> impl Copy + use<> {
        let format = self.formats.first().map(|(pt, _)| *pt);
        (self.section, self.forwarder.touch(), self.sent.touch(), self.frames.touch(), format)
    }

    /// How the subscriber numbers the publisher's format, looked up once.
    pub(crate) fn format(&mut self, from: Pt, look_up: impl FnOnce() -> Option<OutFormat>) -> Option<OutFormat> {
        if let Some((_, to)) = self.formats.iter().find(|(pt, _)| *pt == from) {
            return *to;
        }
        let to = look_up();
        self.formats.push((from, to));
        to
    }
}
