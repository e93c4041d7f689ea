//! Tracks that are in other rooms than the one they are published in.
//!
//! The other room *borrows* the track: each of its workers asks the origin, which may be itself, and has a mirror of the
//! track under the names it bears there. From then on a borrowed track is a mirror like any other: wishes and key frame
//! requests go to the origin, packets, mute and the end of the track come from it. Two things are different. A mirror of
//! the same room goes when the room is on the other worker no more, a borrowed one when the room gives it back, or ends.
//! And what a worker says to itself goes through no link ([`Worker::say`]).

use std::collections::BTreeMap;
use std::time::Instant;

use slotmap::SlotMap;

use super::Worker;
use crate::levels::Reading;
use crate::relay::{Announcement, Loan, OriginKey, Relay, RelayMessage, RelayedLevel};
use crate::track::Track;
use crate::{ParticipantId, RoomId, TrackId, TrackKey, WorkerId, allocator};

/// A track of another room as a room here has it.
pub(super) struct Borrowed {
    pub(super) room: RoomId,
    pub(super) participant: ParticipantId,
    /// Its id where it is published.
    pub(super) of: TrackId,
    /// The worker it is published on.
    pub(super) from: WorkerId,
}

impl Worker {
    /// Another worker is gone: nothing goes there any more. To be called by whoever carries what
    /// [`Worker::poll_relay`] gives, when there is nobody to bring it to.
    pub fn handle_lost(&mut self, worker: WorkerId, now: Instant) {
        for key in self.tracks.keys().collect::<Vec<_>>() {
            self.end_relays(key, |relay| relay.worker == worker, now);
            self.tracks[key].loans.retain(|(borrower, _)| *borrower != worker);
        }
    }

    /// Some mirrors of a track are no more.
    fn end_relays(&mut self, key: TrackKey, is_meant: impl Fn(&Relay) -> bool, now: Instant) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        for relay in track.relays.iter_mut().filter(|relay| is_meant(relay)) {
            relay.end(now);
            self.reconsidered.insert(key);
            // Less takes effect after a while.
            self.next_balance_at.get_or_insert(now + allocator::PERIOD);
        }
    }

    /// Says something to a worker, which may be this one.
    pub(super) fn say(&mut self, to: WorkerId, message: RelayMessage) {
        if to == self.shared.worker {
            self.own.push_back(message);
        } else {
            self.relayed.push_back((to, message));
        }
    }

    /// Hears what it said to itself. True when there was anything.
    pub(super) fn hear_itself(&mut self, now: Instant) -> bool {
        let had_anything = !self.own.is_empty();
        // An answer may be among what is said meanwhile; nothing is answered twice.
        while let Some(message) = self.own.pop_front() {
            self.handle_relayed(self.shared.worker, message, now);
        }
        had_anything
    }

    // The room that has it.

    /// A track of another room is to be in one here, too.
    pub(super) fn borrow_track(&mut self, track: TrackId, borrowed: Borrowed) {
        if self.borrowed.contains_key(&track) || self.tracks_by_id.contains_key(&track) {
            tracing::warn!(%track, "borrowed twice");
            return;
        }
        let (of, from) = (borrowed.of.clone(), borrowed.from);
        let loan = Loan { room: borrowed.room.clone(), publisher: borrowed.participant.clone(), track: track.clone() };
        self.borrowed.insert(track, borrowed);
        self.say(from, RelayMessage::Borrow { of, loan });
    }

    /// Whether what a worker announces is for a room here: as one of its workers, or since it was borrowed and has not been
    /// given back meanwhile.
    pub(super) fn expects(&self, announced: &Announcement, from: WorkerId) -> bool {
        if !announced.is_lent {
            return self.has_peer(&announced.room, from);
        }
        let borrowed = self.borrowed.get(&announced.codec.expected.track);
        borrowed.is_some_and(|borrowed| borrowed.from == from && borrowed.room == announced.room)
    }

    /// A track is in the room no more. False when it is not a borrowed one.
    pub(super) fn return_track(&mut self, track: &TrackId) -> bool {
        let Some(Borrowed { room, participant, of, from }) = self.borrowed.remove(track) else { return false };
        if let Some(key) = self.tracks_by_id.get(track).copied() {
            self.remove_track(key);
        }
        let is_last = !self.borrowed.values().any(|other| other.room == room && other.participant == participant);
        if is_last {
            self.forget_owner(&room, &participant);
        }
        self.say(from, RelayMessage::Return { of, room });
        true
    }

    /// A room is over: it gives back all it has of others.
    pub(super) fn return_all(&mut self, room: &RoomId) {
        let of_room = self.borrowed.iter().filter(|(_, borrowed)| borrowed.room == *room);
        for track in of_room.map(|(track, _)| track.clone()).collect::<Vec<_>>() {
            self.return_track(&track);
        }
    }

    // The room that lends it.

    /// Another room is to have a track, on that worker. One that is gone meanwhile it hears of from its own room.
    pub(super) fn lend(&mut self, to: WorkerId, of: &TrackId, loan: Loan) {
        let Some(key) = self.tracks_by_id.get(of).copied() else { return };
        let Some(announcement) = self.announcement(key) else { return };
        let Some(track) = self.tracks.get_mut(key) else { return };
        track.loans.retain(|(worker, other)| *worker != to || other.room != loan.room);
        let lent = announcement.lent(&loan);
        track.loans.push((to, loan));
        self.say(to, RelayMessage::Announce(Box::new(lent)));
    }

    /// Another room has a track no more, on that worker.
    pub(super) fn take_back(&mut self, from: WorkerId, of: &TrackId, room: &RoomId, now: Instant) {
        let Some(primary) = self.tracks_by_id.get(of).copied() else { return };
        for key in self.codecs_of(primary) {
            let Some(track) = self.tracks.get_mut(key) else { continue };
            track.loans.retain(|(worker, loan)| *worker != from || loan.room != *room);
            self.end_relays(key, |relay| relay.worker == from && relay.room == *room, now);
        }
    }
}

/// How loud tracks were that other rooms have, for each of those rooms' workers: the one that decides who is heard there
/// is among them.
pub(super) fn lent_levels(
    readings: &[(TrackKey, Reading)],
    tracks: &SlotMap<TrackKey, Track>,
) -> Vec<(WorkerId, RoomId, Vec<RelayedLevel>)> {
    let mut lent: BTreeMap<(WorkerId, RoomId), Vec<RelayedLevel>> = BTreeMap::new();
    for (key, reading) in readings {
        let loans = tracks.get(*key).into_iter().flat_map(|track| &track.loans);
        for (worker, loan) in loans {
            let levels = lent.entry((*worker, loan.room.clone())).or_default();
            levels.push(RelayedLevel { track: OriginKey(*key), reading: *reading });
        }
    }
    lent.into_iter().map(|((worker, room), levels)| (worker, room, levels)).collect()
}
