//! What of a large room is forwarded at all, here and on the room's other workers.
//!
//! The rules are [`crate::limits`]'. One worker of a room follows them, its *home*: it hears of the participants and tracks of
//! all workers and how loud they are, and tells the others which tracks are left out. So everybody in the room
//! misses the same, and two workers whose clocks of reports differ cannot turn cameras over one against the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::{LEVELS_INTERVAL, Worker};
use crate::levels::Reading;
use crate::limits::LimitedRoom;
use crate::relay::{OriginKey, RelayMessage, RelayedLevel};
use crate::track::Track;
use crate::{Kind, ParticipantId, RoomId, RoomLimits, TrackId, TrackKey, WorkerId};

/// The bounds of a room and how they fall out.
#[derive(Default)]
pub(super) struct Limits {
    asked: RoomLimits,
    ruling: Ruling,
    /// Participants on other workers, in the order they came. Known at the home only.
    elsewhere: Vec<(ParticipantId, WorkerId)>,
    /// What each other worker last reported of tracks published in which room, and when. Known at the home only.
    heard: BTreeMap<(WorkerId, RoomId), (Instant, Vec<RelayedLevel>)>,
}

/// Who decides.
#[derive(Default)]
enum Ruling {
    /// There are no bounds.
    #[default]
    None,
    Here(LimitedRoom<TrackKey, ParticipantId>),
    /// Another worker, which says what is left out.
    Elsewhere(Arc<BTreeSet<TrackId>>),
}

impl Limits {
    /// Whether there are any bounds.
    pub(super) fn any(&self) -> bool {
        self.asked != RoomLimits::default()
    }

    /// Whether a track is not forwarded now.
    pub(super) fn leave_out(&self, key: TrackKey, id: &TrackId) -> bool {
        match &self.ruling {
            Ruling::None => false,
            Ruling::Here(limited) => !limited.is_forwarded(key),
            Ruling::Elsewhere(left_out) => left_out.contains(id),
        }
    }

    /// An interval is over: how loud the tracks here were, and with them those of other workers. True when it is
    /// decided here what that changes.
    pub(super) fn handle_levels(
        &mut self,
        here: Vec<(TrackKey, Reading)>,
        mirror: impl Fn(WorkerId, OriginKey) -> Option<TrackKey>,
        now: Instant,
    ) -> bool {
        let Ruling::Here(limited) = &mut self.ruling else { return false };
        // Reports of others come as often as this is asked, and now and then two or none in between.
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < LEVELS_INTERVAL * 2;
        let others = self.heard.iter().filter(|(_, (at, _))| is_fresh(*at));
        let others = others.flat_map(|((worker, _), (_, levels))| {
            let mirror = &mirror;
            levels
                .iter()
                .filter_map(move |level| Some((mirror(*worker, level.track)?, level.reading)))
        });
        limited.handle_levels(here.into_iter().chain(others), now);
        true
    }

    /// Nothing more is known of a worker.
    pub(super) fn forget(&mut self, worker: WorkerId) {
        self.heard.retain(|(of, _), _| *of != worker);
        let (gone, there) = std::mem::take(&mut self.elsewhere).into_iter().partition(|(_, of)| *of == worker);
        self.elsewhere = there;
        if let Ruling::Here(limited) = &mut self.ruling {
            let gone: Vec<(ParticipantId, WorkerId)> = gone;
            gone.iter().for_each(|(participant, _)| limited.remove_participant(participant));
        }
    }
}

impl Worker {
    /// Bounds on what is forwarded in a room, from now on.
    pub(super) fn limit_room(&mut self, id: &RoomId, limits: RoomLimits) {
        if limits == RoomLimits::default() && !self.rooms.contains_key(id) {
            return;
        }
        // Often before anybody is there.
        let room = self.rooms.entry(id.clone()).or_default();
        room.limits.asked = limits;
        match &mut room.limits.ruling {
            Ruling::Here(limited) => {
                limited.set_limits(limits);
                self.follow_limits(id);
            }
            Ruling::None | Ruling::Elsewhere(_) => self.settle_ruling(id),
        }
    }

    /// Who decides in a room may have changed.
    pub(super) fn settle_ruling(&mut self, id: &RoomId) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        let is_here = room.span.as_ref().is_none_or(|span| span.home.is_none());
        match (&room.limits.ruling, is_here) {
            (Ruling::Here(_), true) | (Ruling::Elsewhere(_), false) => return,
            (Ruling::Here(limited), false) => {
                // Until the other one says so, nothing changes.
                let left_out = limited.left_out().filter_map(|key| Some(self.tracks.get(key)?.id.clone()));
                room.limits.ruling = Ruling::Elsewhere(Arc::new(left_out.collect()));
                room.limits.elsewhere.clear();
                room.limits.heard.clear();
                return;
            }
            (Ruling::None, false) => {
                room.limits.ruling = Ruling::Elsewhere(Arc::default());
                return;
            }
            (Ruling::None, true) if !room.limits.any() => return,
            (Ruling::None | Ruling::Elsewhere(_), true) => {}
        }
        let mut limited = LimitedRoom::new(room.limits.asked);
        let here = room.participants.iter().filter_map(|key| Some(self.participants.get(*key)?.id.clone()));
        let elsewhere = room.limits.elsewhere.iter().map(|(participant, _)| participant.clone());
        here.chain(elsewhere).for_each(|participant| limited.add_participant(participant));
        room.limits.ruling = Ruling::Here(limited);
        for key in self.tracks_of(id) {
            self.limit_track(key);
        }
        self.apply_limits(id);
    }

    /// Every track of a room, those of other workers among them, second codecs not.
    pub(super) fn tracks_of(&self, room: &RoomId) -> Vec<TrackKey> {
        let tracks = self.tracks.iter().filter(|(_, track)| track.room == *room && !track.is_backup());
        tracks.map(|(key, _)| key).collect()
    }

    /// A new track counts.
    pub(super) fn limit_track(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get(key) else { return };
        let (room, publisher, source) = (track.room.clone(), track.publisher.clone(), track.expected.source);
        if let Some(Ruling::Here(limited)) = self.rooms.get_mut(&room).map(|room| &mut room.limits.ruling) {
            limited.add_track(key, publisher, source, track.kind == Kind::Video);
            self.follow_limits(&room);
        }
    }

    /// A track is gone.
    pub(super) fn unlimit_track(&mut self, key: TrackKey, track: &Track) {
        if let Some(Ruling::Here(limited)) = self.rooms.get_mut(&track.room).map(|room| &mut room.limits.ruling) {
            limited.remove_track(key);
            self.follow_limits(&track.room);
        }
    }

    /// Somebody came to the room here, or left it.
    pub(super) fn note_presence(&mut self, id: &RoomId, participant: &ParticipantId, is_there: bool) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        if let Some(home) = room.span.as_ref().and_then(|span| span.home) {
            let (room, participant) = (id.clone(), participant.clone());
            self.relayed.push_back((home, RelayMessage::Presence { room, participant, is_there }));
        } else if let Ruling::Here(limited) = &mut room.limits.ruling {
            match is_there {
                true => limited.add_participant(participant.clone()),
                false => limited.remove_participant(participant),
            }
            self.follow_limits(id);
        }
    }

    /// Somebody of another room has no tracks in this one any more.
    pub(super) fn forget_owner(&mut self, id: &RoomId, participant: &ParticipantId) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        if let Ruling::Here(limited) = &mut room.limits.ruling {
            limited.remove_participant(participant);
            self.follow_limits(id);
        }
    }

    /// The same, on another worker. It may be said again.
    pub(super) fn hear_presence(&mut self, from: WorkerId, id: &RoomId, participant: ParticipantId, is_there: bool) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        let known = room.limits.elsewhere.iter().position(|(of, _)| *of == participant);
        match (is_there, known) {
            (true, None) => room.limits.elsewhere.push((participant.clone(), from)),
            (false, Some(place)) => drop(room.limits.elsewhere.remove(place)),
            _ => return,
        }
        if let Ruling::Here(limited) = &mut room.limits.ruling {
            match is_there {
                true => limited.add_participant(participant),
                false => limited.remove_participant(&participant),
            }
            self.follow_limits(id);
        }
    }

    /// How loud the tracks of another worker were.
    pub(super) fn hear_levels(
        &mut self,
        from: (WorkerId, RoomId),
        id: &RoomId,
        levels: Vec<RelayedLevel>,
        now: Instant,
    ) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        if from.1 != *id && !matches!(room.limits.ruling, Ruling::Here(_)) {
            // Who lends a track tells all who have it.
            return;
        }
        // Rooms that lent a track once and do no more are not remembered.
        room.limits
            .heard
            .retain(|_, (at, _)| now.saturating_duration_since(*at) < LEVELS_INTERVAL * 2);
        room.limits.heard.insert(from, (now, levels));
        // Nobody may sound here.
        self.next_levels_at.get_or_insert(now + LEVELS_INTERVAL);
    }

    /// The home has decided.
    pub(super) fn hear_left_out(&mut self, id: &RoomId, tracks: Arc<BTreeSet<TrackId>>) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        if let Ruling::Elsewhere(left_out) = &mut room.limits.ruling {
            *left_out = tracks;
            self.apply_limits(id);
        }
    }

    /// Who is forwarded in a room may have changed: where it is decided here.
    pub(super) fn follow_limits(&mut self, id: &RoomId) {
        let Some(Ruling::Here(limited)) = self.rooms.get_mut(id).map(|room| &mut room.limits.ruling) else { return };
        let changes = limited.poll_changes();
        if changes.is_empty() {
            return;
        }
        for (track, is_forwarded) in changes {
            self.leave_out(track, !is_forwarded);
        }
        let peers = self.rooms.get(id).and_then(|room| room.span.as_ref()).map(|span| span.peers.clone());
        for peer in peers.unwrap_or_default() {
            self.tell_left_out(id, peer);
        }
    }

    /// Tells another worker what is left out, where it is decided here.
    pub(super) fn tell_left_out(&mut self, id: &RoomId, to: WorkerId) {
        let Some(Ruling::Here(limited)) = self.rooms.get(id).map(|room| &room.limits.ruling) else { return };
        let tracks = limited.left_out().filter_map(|key| Some(self.tracks.get(key)?.id.clone()));
        let (room, tracks) = (id.clone(), Arc::new(tracks.collect()));
        self.relayed.push_back((to, RelayMessage::LeftOut { room, tracks }));
    }

    /// Brings all subscriptions of a room to what its limits say now.
    fn apply_limits(&mut self, id: &RoomId) {
        for key in self.tracks_of(id) {
            let (Some(room), Some(track)) = (self.rooms.get(id), self.tracks.get(key)) else { continue };
            self.leave_out(key, room.limits.leave_out(key, &track.id));
        }
    }

    fn leave_out(&mut self, track: TrackKey, is_left_out: bool) {
        for key in self.takers(track) {
            let Some(subscription) = self.subscriptions.get_mut(key) else { continue };
            if std::mem::replace(&mut subscription.is_left_out, is_left_out) != is_left_out {
                self.unbalanced.insert(subscription.subscriber);
                // Of a mirror: its origin need not send it, or must.
                self.reconsidered.insert(track);
            }
        }
    }
}
