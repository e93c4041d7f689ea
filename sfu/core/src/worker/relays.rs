//! The origin's half of a relay: what other workers are told of tracks, and get of them.

use std::sync::Arc;
use std::time::Instant;

use super::{Span, Worker};
use crate::relay::{
    AnnouncedBackup, AnnouncedCodec, Announcement, MirrorKey, OriginKey, Relay, RelayMessage, RelayedCounts,
    RelayedPacket, Wish,
};
use crate::track::{Ingested, Role, Track};
use crate::{RoomId, TrackKey, WorkerId, allocator};

impl Worker {
    /// A room has other workers from now on.
    pub(super) fn span_room(&mut self, id: &RoomId, span: Span, now: Instant) {
        let room = self.rooms.entry(id.clone()).or_default();
        let (peers, home) = (span.peers.clone(), span.home);
        let before = room.span.replace(Box::new(span));
        let former = before.as_ref().map(|span| span.peers.clone()).unwrap_or_default();
        let has_moved = before.is_none_or(|span| span.home != home);
        for gone in former.iter().filter(|peer| !peers.contains(peer)) {
            self.forget_peer(id, *gone, now);
        }
        self.settle_ruling(id);
        for peer in &peers {
            let is_new = !former.contains(peer);
            if is_new {
                // It may have said everything before this worker knew of the room.
                self.relayed.push_back((*peer, RelayMessage::Hello { room: id.clone() }));
            }
            if is_new || has_moved {
                self.tell_everything(id, *peer);
            }
        }
    }

    /// Whether a room is on another worker, too, as far as is known here.
    pub(super) fn has_peer(&self, room: &RoomId, worker: WorkerId) -> bool {
        let span = self.rooms.get(room).and_then(|room| room.span.as_ref());
        span.is_some_and(|span| span.peers.contains(&worker))
    }

    /// A room is on that worker no more, by its will or by its end: all that came from there goes.
    fn forget_peer(&mut self, id: &RoomId, worker: WorkerId, now: Instant) {
        // What is borrowed from there stays: the worker may be there all the same.
        self.remove_mirrors(id, |origin| origin == worker);
        for (key, track) in self.tracks.iter_mut().filter(|(_, track)| track.room == *id) {
            let count = track.relays.len();
            track.relays.retain(|relay| relay.worker != worker || relay.room != *id);
            if track.relays.len() < count {
                self.reconsidered.insert(key);
            }
        }
        if let Some(room) = self.rooms.get_mut(id) {
            room.limits.forget(worker);
        }
        self.follow_limits(id);
        self.reconsider(now);
    }

    /// Says to another worker all it needs to know of a room.
    pub(super) fn tell_everything(&mut self, id: &RoomId, to: WorkerId) {
        let Some(room) = self.rooms.get(id) else { return };
        if room.span.as_ref().is_some_and(|span| span.home == Some(to)) {
            for participant in room.participants.iter().filter_map(|key| self.participants.get(*key)) {
                let (room, participant) = (id.clone(), participant.id.clone());
                self.relayed.push_back((to, RelayMessage::Presence { room, participant, is_there: true }));
            }
        }
        for key in self.tracks_of(id) {
            if let Some(announcement) = self.announcement(key) {
                self.relayed.push_back((to, RelayMessage::Announce(Box::new(announcement))));
            }
        }
        self.tell_left_out(id, to);
    }

    /// Something of a track is new: the other workers of its room hear all of it.
    pub(super) fn announce(&mut self, key: TrackKey) {
        let key = match self.tracks.get(key).map(|track| track.role) {
            Some(Role::Backup { primary }) => primary,
            Some(Role::Only | Role::Primary { .. }) => key,
            None => return,
        };
        let Some(track) = self.tracks.get(key) else { return };
        let room = self.rooms.get(&track.room);
        let peers = room.and_then(|room| room.span.as_ref()).map_or(&[][..], |span| &span.peers);
        if peers.is_empty() && track.loans.is_empty() {
            return;
        }
        let Some(announcement) = self.announcement(key) else { return };
        for peer in peers {
            self.relayed.push_back((*peer, RelayMessage::Announce(Box::new(announcement.clone()))));
        }
        for (worker, loan) in track.loans.clone() {
            self.say(worker, RelayMessage::Announce(Box::new(announcement.clone().lent(&loan))));
        }
    }

    /// What is to be known of a track; `None` of a mirror, of which its origin speaks.
    pub(super) fn announcement(&self, key: TrackKey) -> Option<Announcement> {
        let track = self.tracks.get(key).filter(|track| track.section().is_some())?;
        let codec = |key: TrackKey, track: &Track| AnnouncedCodec {
            track: OriginKey(key),
            expected: track.expected.clone(),
            mime_type: track.mime_type.clone(),
            is_simulcast: track.is_simulcast,
        };
        let backup = match track.role {
            Role::Primary { backup: key, policy, has_moved } => self.tracks.get(key).map(|backup| AnnouncedBackup {
                codec: codec(key, backup),
                policy,
                is_published: backup.section().is_some_and(|section| section.mid.is_some()),
                has_moved,
            }),
            Role::Only | Role::Backup { .. } => None,
        };
        Some(Announcement {
            room: track.room.clone(),
            publisher: track.publisher.clone(),
            is_lent: false,
            is_muted: track.is_muted,
            codec: codec(key, track),
            backup,
        })
    }

    /// A track was taken out: who has mirrors of it takes them out as well.
    pub(super) fn withdraw(&mut self, key: TrackKey, track: &Track) {
        if track.section().is_none() {
            return;
        }
        let withdrawn = |room: &RoomId| RelayMessage::Withdraw { track: OriginKey(key), room: room.clone() };
        for (worker, loan) in &track.loans {
            self.say(*worker, withdrawn(&loan.room));
        }
        let Some(span) = self.rooms.get(&track.room).and_then(|room| room.span.as_ref()) else { return };
        for peer in &span.peers {
            self.relayed.push_back((*peer, withdrawn(&track.room)));
        }
    }

    /// A mirror wants more or less of a track.
    pub(super) fn hear_wish(
        &mut self,
        (from, room): (WorkerId, RoomId),
        key: TrackKey,
        (mirror, wish): (MirrorKey, Wish),
        now: Instant,
    ) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        let place = track.relays.iter().position(|relay| relay.worker == from && relay.room == room);
        let place = place.unwrap_or_else(|| {
            track.relays.push(Relay::new((from, room), mirror, now));
            track.relays.len() - 1
        });
        if let Some(relay) = track.relays.get_mut(place) {
            relay.set_wish(mirror, wish, now);
        }
        if wish.max_spatial.is_some() && !wish.is_left_out && track.has_come() {
            let counts = RelayedCounts(track.counts());
            self.say(from, RelayMessage::Counts { track: mirror, counts });
        }
        // Less takes effect after a while.
        self.next_balance_at.get_or_insert(now + allocator::PERIOD);
        self.reconsidered.insert(key);
    }

    /// Somebody on another worker waits for a key frame.
    pub(super) fn hear_keyframe_request(&mut self, key: TrackKey, stream: u8, now: Instant) {
        let Some(track) = self.tracks.get_mut(key).filter(|track| track.section().is_some()) else { return };
        if track.request_keyframe(stream, now) {
            self.request_keyframe(key, stream);
        }
    }

    /// A packet of a track goes to the workers that want it, once to each.
    pub(super) fn relay(&mut self, key: TrackKey, ingested: &Arc<Ingested>, now: Instant) {
        let Some(track) = self.tracks.get(key).filter(|track| !track.relays.is_empty() && !track.is_muted) else {
            return;
        };
        let lowest = track.lowest_stream(now);
        for relay in track.relays.iter().filter(|relay| relay.admits(&ingested.info, lowest)) {
            self.stats.packets_relayed += 1;
            let packet = RelayedPacket(Arc::clone(ingested));
            let message = RelayMessage::Packet { track: relay.mirror, packet };
            match relay.worker == self.shared.worker {
                true => self.own.push_back(message),
                false => self.relayed.push_back((relay.worker, message)),
            }
        }
    }
}
