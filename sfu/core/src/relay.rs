//! Relays: how a room lives on several workers.
//!
//! A track has one *origin*, the worker its publisher is on. That worker decrypts, inspects and polices each packet
//! once, and gives one copy to each other worker of the room that wants it. There the track is a *mirror*: a track
//! whose packets come from a link, with layers, rates and subscriptions of its own. Nothing is relayed further than
//! that: each origin speaks to each mirror itself.
//!
//! ```text
//!  origin                                                  mirror
//!    Announcement  ── all there is to know of a track ──▶  made, or brought up to date
//!    keeps a Relay ◀── Wish: which layers somebody wants ─ what its subscriptions come to
//!    Counts        ── which layers, how much they take ─▶  begins with it
//!    Packet        ── by the mirror's own key ──────────▶  counted, then forwarded
//!    asks publisher ◀── Keyframe ───────────────────────── somebody waits for one
//! ```
//!
//! What is said is values, and what says how something *is* says all of it: an announcement, a wish and the list of
//! tracks left out replace what was said before. So they may be repeated at will, and a worker that meets another
//! says [`RelayMessage::Hello`] without knowing who of the two is newer.
//!
//! A track may have mirrors in other rooms as well, on other workers or its own: whoever is to have one asks the origin
//! for it ([`RelayMessage::Borrow`]) and is told of the track under the names it has there. What a worker says to itself
//! goes through no queue of others, but is said in the same words.
//!
//! This module has the words, and the origin's memory of one mirror. Who says them when is `worker/relays.rs` (origin)
//! and `worker/mirrors.rs` (mirror). What carries them, and what happens when it is full, is whoever owns the workers:
//! packets may be lost and are repaired like any loss, everything else must not be, and comes in order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crate::dynacast::Dynacast;
use crate::forwarder::PacketInfo;
use crate::levels::Reading;
use crate::track::{Ingested, MAX_STREAMS, Stream};
use crate::{BackupPolicy, ExpectedTrack, ParticipantId, RoomId, TrackId, TrackKey, WorkerId};

/// A track where its publisher is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginKey(pub(crate) TrackKey);

/// A track where its packets come from another worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MirrorKey(pub(crate) TrackKey);

/// A packet read once for everybody, on whichever worker. Cloning counts a reference.
#[derive(Debug, Clone)]
pub struct RelayedPacket(pub(crate) Arc<Ingested>);

/// What was counted of a track's layers so far.
#[derive(Debug, Clone)]
pub struct RelayedCounts(pub(crate) Box<[Option<Stream>; MAX_STREAMS]>);

/// How loud a track was, told to the worker that decides who of a room is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayedLevel {
    pub(crate) track: OriginKey,
    pub(crate) reading: Reading,
}

/// From one worker to another.
#[derive(Debug, Clone)]
pub enum RelayMessage {
    /// The one that may be lost.
    Packet {
        /// Of which track, in the words of the worker it goes to.
        track: MirrorKey,
        /// What came.
        packet: RelayedPacket,
    },
    /// Whoever says it takes part in a room and wants to be told everything.
    Hello {
        /// Which.
        room: RoomId,
    },
    /// A track, as it is now.
    Announce(Box<Announcement>),
    /// A track is gone.
    Withdraw {
        /// Which.
        track: OriginKey,
        /// In which room.
        room: RoomId,
    },
    /// A track is to be in another room, too: its origin announces it there.
    Borrow {
        /// Which, by its name where it is published.
        of: TrackId,
        /// What it is in the other room.
        loan: Loan,
    },
    /// It is in that room no more.
    Return {
        /// Which, by its name where it is published.
        of: TrackId,
        /// The other room.
        room: RoomId,
    },
    /// What is wanted of a track, as of now.
    Wish {
        /// Which.
        track: OriginKey,
        /// The room of the mirror.
        room: RoomId,
        /// Where its packets shall go.
        mirror: MirrorKey,
        /// What.
        wish: Wish,
    },
    /// What there was of a track before its packets come: without it whoever shares links out there would take the first
    /// packets for a rate, and wait for each layer to show.
    Counts {
        /// Of which track, in the words of the worker it goes to.
        track: MirrorKey,
        /// What.
        counts: RelayedCounts,
    },
    /// Somebody waits for a key frame.
    Keyframe {
        /// Of which track.
        track: OriginKey,
        /// Of which encoding, 0 the lowest.
        stream: u8,
    },
    /// Somebody came to a room, or left it. For the worker that decides who of the room is forwarded.
    Presence {
        /// Which room.
        room: RoomId,
        /// Who.
        participant: ParticipantId,
        /// Came, or left.
        is_there: bool,
    },
    /// How loud tracks were, for the same worker.
    Levels {
        /// Which room.
        room: RoomId,
        /// The room they are published in: the same, but for tracks that are borrowed.
        of: RoomId,
        /// What was not silent.
        levels: Vec<RelayedLevel>,
    },
    /// From the same worker: the tracks that the room's limits leave out, all of them.
    LeftOut {
        /// Which room.
        room: RoomId,
        /// Which tracks.
        tracks: Arc<BTreeSet<TrackId>>,
    },
}

/// A track as another room has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loan {
    pub(crate) room: RoomId,
    pub(crate) publisher: ParticipantId,
    pub(crate) track: TrackId,
}

/// All there is to know of a track before its first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    pub(crate) room: RoomId,
    pub(crate) publisher: ParticipantId,
    /// It is published in another room, and this one asked for it.
    pub(crate) is_lent: bool,
    pub(crate) is_muted: bool,
    pub(crate) codec: AnnouncedCodec,
    pub(crate) backup: Option<AnnouncedBackup>,
}

/// A track in one codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnnouncedCodec {
    pub(crate) track: OriginKey,
    pub(crate) expected: ExpectedTrack,
    pub(crate) mime_type: String,
    pub(crate) is_simulcast: bool,
}

/// The second codec of a track, and who gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnnouncedBackup {
    pub(crate) codec: AnnouncedCodec,
    pub(crate) policy: BackupPolicy,
    pub(crate) is_published: bool,
    /// Whoever can has moved to it.
    pub(crate) has_moved: bool,
}

/// What the subscriptions of a mirror come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// Best spatial layer anybody there wants; `None` when nobody wants any. Of sound, 0 or `None`.
    pub(crate) max_spatial: Option<u8>,
    /// The room's limits leave it out: nothing need be sent, but it stays wanted.
    pub(crate) is_left_out: bool,
    /// Somebody there takes only the second codec of it.
    pub(crate) needs_backup: bool,
}

impl Announcement {
    /// The same track as another room has it.
    pub(crate) fn lent(mut self, loan: &Loan) -> Self {
        (self.room, self.publisher, self.is_lent) = (loan.room.clone(), loan.publisher.clone(), true);
        for codec in std::iter::once(&mut self.codec).chain(self.backup.as_mut().map(|backup| &mut backup.codec)) {
            codec.expected.track = loan.track.clone();
        }
        self
    }
}

/// A mirror as its origin knows it: one of the three kinds of sink a track has.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) worker: WorkerId,
    /// The room of the mirror.
    pub(crate) room: RoomId,
    pub(crate) mirror: MirrorKey,
    pub(crate) wish: Wish,
    /// The mirror is no more. What it wanted is given up in its own time, as if nobody wanted it there.
    is_over: bool,
    /// The layers that are sent. More at once, less after a while: who steps down goes on with the larger layer until the
    /// smaller one shows a key frame.
    carried: Dynacast,
}

impl Relay {
    pub(crate) fn new((worker, room): (WorkerId, RoomId), mirror: MirrorKey, now: Instant) -> Self {
        Self { worker, room, mirror, wish: Wish::default(), is_over: false, carried: Dynacast::off(now) }
    }

    /// Something else is wanted from now on.
    pub(crate) fn set_wish(&mut self, mirror: MirrorKey, wish: Wish, now: Instant) {
        (self.mirror, self.wish, self.is_over) = (mirror, wish, false);
        self.carried.update(wish.max_spatial, now);
    }

    /// The mirror is no more.
    pub(crate) fn end(&mut self, now: Instant) {
        self.set_wish(self.mirror, Wish::default(), now);
        self.is_over = true;
    }

    /// Nothing is left to do for it.
    pub(crate) fn is_done(&self) -> bool {
        self.is_over && self.carried.told().is_none()
    }

    /// Time went by.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.carried.handle_timeout(now);
    }

    /// Whether a packet is to be sent. Encodings nobody there wants are not, but for the lowest that lives: it is
    /// shown where all are larger than wanted. Layers within an encoding share its numbers, and all go: what nobody
    /// there wants must be known to be left out, or its number would be taken for a loss.
    pub(crate) fn admits(&self, packet: &PacketInfo, lowest: u8) -> bool {
        let carried = self.carried.told().filter(|_| !self.wish.is_left_out && !self.is_over);
        carried.is_some_and(|carried| !packet.is_simulcast || packet.stream <= carried.max(lowest))
    }
}
