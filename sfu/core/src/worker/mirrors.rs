//! The mirror's half of a relay: tracks whose packets come from another worker.
//!
//! A mirror is a track like any other to its subscriptions, to the allocator and to whoever asks why. Only what goes
//! up from it goes to its origin: what is wanted of it, and requests for key frames.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::Worker;
use crate::relay::{AnnouncedBackup, AnnouncedCodec, Announcement, MirrorKey, RelayMessage, RelayedCounts, Wish};
use crate::track::{Ingested, Origin, Role, Track};
use crate::{Kind, RoomId, TrackKey, WorkerId};

impl Worker {
    /// Another worker says something. What concerns rooms that are not shared with it is passed over: they may have
    /// ended here.
    pub fn handle_relayed(&mut self, from: WorkerId, message: RelayMessage, now: Instant) {
        let mirror = match &message {
            RelayMessage::Packet { track, .. } => Some(track.0),
            _ => None,
        };
        if catch_unwind(AssertUnwindSafe(|| self.hear(from, message, now))).is_err() {
            self.stats.contained_panics += 1;
            self.outbox.happenings.clear();
            tracing::error!(worker = from.0, "a message of another worker met a bug");
            if let Some(mirror) = mirror {
                self.remove_track(mirror);
            }
        }
    }

    fn hear(&mut self, from: WorkerId, message: RelayMessage, now: Instant) {
        match message {
            RelayMessage::Packet { track, packet } => self.mirror_packet(track, &packet.0, now),
            RelayMessage::Counts { track, counts } => self.mirror_counts(track, counts, now),
            RelayMessage::Hello { room } if self.has_peer(&room, from) => self.tell_everything(&room, from),
            RelayMessage::Announce(announcement) if self.expects(&announcement, from) => {
                self.mirror(from, *announcement, now);
            }
            RelayMessage::Borrow { of, loan } => self.lend(from, &of, loan),
            RelayMessage::Return { of, room } => self.take_back(from, &of, &room, now),
            RelayMessage::Withdraw { track, room } => {
                if let Some(key) = self.mirrors.get(&(from, track, room)) {
                    self.remove_track(*key);
                }
            }
            RelayMessage::Wish { track, room, mirror, wish } => {
                self.hear_wish((from, room), track.0, (mirror, wish), now);
            }
            RelayMessage::Keyframe { track, stream } => self.hear_keyframe_request(track.0, stream, now),
            RelayMessage::Presence { room, participant, is_there } if self.has_peer(&room, from) => {
                self.hear_presence(from, &room, participant, is_there);
            }
            RelayMessage::Levels { room, of, levels } if room != of || self.has_peer(&room, from) => {
                self.hear_levels((from, of), &room, levels, now);
            }
            RelayMessage::LeftOut { room, tracks } if self.has_peer(&room, from) => self.hear_left_out(&room, tracks),
            RelayMessage::Hello { .. }
            | RelayMessage::Announce(_)
            | RelayMessage::Presence { .. }
            | RelayMessage::Levels { .. }
            | RelayMessage::LeftOut { .. } => {}
        }
    }

    /// A packet of a mirror: counted as where it was received, then handed to each subscription.
    fn mirror_packet(&mut self, MirrorKey(key): MirrorKey, packet: &Arc<Ingested>, now: Instant) {
        let Some(track) = self.tracks.get_mut(key).filter(|track| track.section().is_none()) else { return };
        self.stats.packets_mirrored += 1;
        let is_news = track.note(&packet.packet, &packet.info);
        self.deliver(key, packet, is_news, now);
    }

    /// What there was of a mirror before its packets come.
    fn mirror_counts(&mut self, MirrorKey(key): MirrorKey, RelayedCounts(counts): RelayedCounts, now: Instant) {
        let Some(track) = self.tracks.get_mut(key).filter(|track| track.section().is_none()) else { return };
        track.adopt(*counts);
        if let Role::Backup { primary } = track.role {
            self.choose_codecs(primary, now);
        }
        self.unbalance_takers(key);
    }

    /// Makes a mirror, or brings it up to date.
    fn mirror(&mut self, from: WorkerId, announced: Announcement, now: Instant) {
        let place = (from, announced.codec.track, announced.room.clone());
        if let Some(key) = self.mirrors.get(&place).copied() {
            return self.update_mirror(key, announced, now);
        }
        let Announcement { room, publisher, is_muted, codec, backup, .. } = announced;
        let id = codec.expected.track.clone();
        if self.tracks_by_id.contains_key(&id) {
            tracing::warn!(track = %id, worker = from.0, "announced by two workers");
            return;
        }
        let origin =
            |codec: &AnnouncedCodec| Origin::Elsewhere { worker: from, track: codec.track, told: Wish::default() };
        let here = origin(&codec);
        let AnnouncedCodec { expected, mime_type, is_simulcast, .. } = codec;
        let mut track = Track::new(expected, (room, publisher), here, is_simulcast);
        (track.mime_type, track.is_muted) = (mime_type, is_muted);
        let key = self.tracks.insert(track);
        self.tracks_by_id.insert(id, key);
        self.mirrors.insert(place, key);
        if let Some(AnnouncedBackup { codec, policy, has_moved, .. }) = backup {
            let origin = origin(&codec);
            let mut backup = Track::backup_of(key, &self.tracks[key], origin, codec.mime_type, now);
            (backup.expected, backup.is_simulcast) = (codec.expected, codec.is_simulcast);
            let backup = self.tracks.insert(backup);
            self.tracks[key].role = Role::Primary { backup, policy, has_moved };
        }
        self.limit_track(key);
        self.attach_early(key, now);
    }

    fn update_mirror(&mut self, key: TrackKey, announced: Announcement, now: Instant) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        let (role, was_muted) = (track.role, track.is_muted);
        if let (Role::Primary { backup, policy, .. }, Some(announced)) = (role, announced.backup) {
            track.role = Role::Primary { backup, policy, has_moved: announced.has_moved };
            self.update_backup(backup, announced, now);
            self.reconsidered.insert(key);
        }
        if was_muted != announced.is_muted {
            self.set_muted(key, announced.is_muted, now);
        }
    }

    /// A second codec was published, or is no longer.
    fn update_backup(&mut self, key: TrackKey, announced: AnnouncedBackup, now: Instant) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        let AnnouncedBackup { codec: AnnouncedCodec { expected, mime_type, is_simulcast, .. }, is_published, .. } =
            announced;
        if !is_published {
            if track.has_come() {
                track.unpublish(now);
            }
            return;
        }
        let is_another = !track.mime_type.eq_ignore_ascii_case(&mime_type);
        (track.expected, track.mime_type, track.is_simulcast) = (expected, mime_type, is_simulcast);
        if is_another {
            self.forget_lack_of(key);
        }
        self.unbalance_takers(key);
    }

    /// What the subscriptions of a mirror come to is told to its origin, when it is something else than before.
    pub(super) fn weigh_mirror(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get(key) else { return };
        let Origin::Elsewhere { worker, track: origin, told } = track.origin else { return };
        let (primary, is_backup) = match track.role {
            Role::Backup { primary } => (primary, true),
            Role::Only | Role::Primary { .. } => (key, false),
        };
        let max_spatial = match track.kind {
            Kind::Video => self.wanted_here(key),
            Kind::Audio => self.wanted_here(key).map(|_| 0),
        };
        // Where nobody takes it there is nothing to leave out. Taps are under no limits.
        let limits = self.rooms.get(&track.room).map(|room| &room.limits);
        let is_taken = max_spatial.is_some() && track.taps.is_empty();
        let is_left_out = is_taken && limits.is_some_and(|limits| limits.leave_out(primary, &track.id));
        let depends = |key| self.subscriptions.get(key).is_some_and(|s| s.lacks_primary && !s.lacks_backup);
        let needs_backup = !is_backup && self.takers(key).into_iter().any(depends);
        let (wish, room) = (Wish { max_spatial, is_left_out, needs_backup }, track.room.clone());
        if wish == told {
            return;
        }
        if let Some(track) = self.tracks.get_mut(key) {
            track.origin = Origin::Elsewhere { worker, track: origin, told: wish };
        }
        self.say(worker, RelayMessage::Wish { track: origin, room, mirror: MirrorKey(key), wish });
    }

    /// Takes out the mirrors of a room, of some workers; their subscriptions end. Borrowed tracks are not meant.
    pub(super) fn remove_mirrors(&mut self, id: &RoomId, is_of: impl Fn(WorkerId) -> bool) {
        let is_own = |key: &TrackKey| self.tracks.get(*key).is_some_and(|track| !self.borrowed.contains_key(&track.id));
        let mirrors = self
            .mirrors
            .iter()
            .filter(|((worker, _, room), key)| room == id && is_of(*worker) && is_own(key));
        for key in mirrors.map(|(_, key)| *key).collect::<Vec<_>>() {
            self.remove_track(key);
        }
    }
}
