//! Who gets what: tracks come and go, subscriptions are made, bounded and ended.

use std::time::Instant;

use super::Worker;
use crate::forwarder::Forwarder;
use crate::limits::LimitedRoom;
use crate::participant::Subscription;
use crate::publications::Binding;
use crate::track::{Role, Track};
use crate::transport::Label;
use crate::{
    CodecRole, Demand, Event, ExpectedTrack, Kind, ParticipantKey, RoomId, RoomLimits, SubscriptionKey, TrackId,
    TrackKey,
};

impl Worker {
    pub(super) fn expect_track(&mut self, key: ParticipantKey, expected: ExpectedTrack, now: Instant) {
        if let Some(binding) = self.participants[key].publications.expect(expected) {
            self.add_track(key, binding, now);
        }
    }

    pub(super) fn add_track(&mut self, publisher: ParticipantKey, binding: Binding, now: Instant) {
        if binding.expected.role == CodecRole::Backup {
            return self.publish_backup(publisher, binding);
        }
        let participant = &mut self.participants[publisher];
        let Binding { mid, expected, is_simulcast, mime_type } = binding;
        let id = expected.track.clone();
        if self.tracks_by_id.contains_key(&id) {
            tracing::warn!(track = %id, "announced twice");
            return;
        }
        let key = self
            .tracks
            .insert(Track::new(expected, publisher, participant.publisher, Some(mid), is_simulcast));
        participant.publications.bind(mid, key);
        self.tracks_by_id.insert(id.clone(), key);
        self.tracks[key].mime_type = mime_type.clone().unwrap_or_default();
        self.add_backup(key, now);
        self.weigh_demand(key, now);
        if let Some(track) = self.tracks.get(key) {
            let (source, is_video) = (track.expected.source, track.kind == Kind::Video);
            let room = self.participants[publisher].room.clone();
            if let Some(limited) = self.rooms.get_mut(&room).and_then(|room| room.limited.as_mut()) {
                limited.add_track(key, publisher, source, is_video);
                self.follow_limits(&room);
            }
        }
        let (track, mid, mime_type) = (id.clone(), mid.to_string(), mime_type.unwrap_or_default());
        self.report(publisher, |participant| Event::TrackAdded {
            participant,
            track,
            mid,
            mime_type,
            simulcast: is_simulcast,
        });
        // Subscriptions that came before the track.
        let early: Vec<SubscriptionKey> =
            self.subscriptions.iter().filter(|(_, s)| s.track_id == id).map(|(key, _)| key).collect();
        for subscription in early {
            self.attach(subscription, key, now);
        }
    }

    /// Takes a track out of the worker; its subscriptions end.
    pub(super) fn remove_track(&mut self, key: TrackKey) -> Option<TrackId> {
        if self.is_backup(key) {
            // Goes with its primary.
            return None;
        }
        let track = self.tracks.remove(key)?;
        self.tracks_by_id.remove(&track.id);
        let backup = match track.role {
            Role::Primary { backup, .. } => self.tracks.remove(backup),
            Role::Only | Role::Backup { .. } => None,
        };
        let room = self.participants.get(track.publisher).map(|participant| participant.room.clone());
        if let Some(room) = room
            && let Some(limited) = self.rooms.get_mut(&room).and_then(|room| room.limited.as_mut())
        {
            limited.remove_track(key);
            self.follow_limits(&room);
        }
        for subscription in track.subscriptions.into_iter().chain(backup.into_iter().flat_map(|b| b.subscriptions)) {
            self.remove_subscription(subscription);
        }
        Some(track.id)
    }

    pub(super) fn retire_track(&mut self, id: &TrackId) {
        if let Some(key) = self.tracks_by_id.get(id).copied() {
            let publisher = self.tracks[key].publisher;
            let publications = &mut self.participants[publisher].publications;
            publications.retire(key);
            if let Role::Primary { backup, .. } = self.tracks[key].role {
                publications.retire(backup);
            }
            publications.forget_expected(id);
            self.remove_track(key);
        } else {
            for participant in self.participants.values_mut() {
                participant.publications.forget_expected(id);
            }
        }
    }

    pub(super) fn mute_track(&mut self, id: &TrackId, muted: bool) {
        let Some(key) = self.tracks_by_id.get(id).copied() else { return };
        self.reconsidered.insert(key);
        for key in self.codecs_of(key) {
            let Some(track) = self.tracks.get_mut(key) else { continue };
            track.is_muted = muted;
            if muted {
                // Not even the rest of a picture passes.
                for subscription in &track.subscriptions {
                    if let Some(subscription) = self.subscriptions.get_mut(*subscription) {
                        subscription.forwarder.pause();
                    }
                }
            }
            self.unbalance_takers(key);
        }
    }

    pub(super) fn subscribe(
        &mut self,
        subscriber: ParticipantKey,
        track_id: &TrackId,
        kind: Kind,
        stream: String,
        now: Instant,
    ) {
        if self.subscription(subscriber, track_id).is_some() {
            return;
        }
        let label = Label { stream, track: track_id.clone() };
        let key = self.subscriptions.insert(Subscription::new(subscriber, track_id.clone(), kind, label));
        self.participants[subscriber].subscriptions.push(key);
        if let Some(track) = self.tracks_by_id.get(track_id).copied() {
            self.attach(key, track, now);
        }
    }

    /// Joins a subscription to its track and queues it for a section.
    pub(super) fn attach(&mut self, key: SubscriptionKey, track: TrackKey, now: Instant) {
        let fed_from = self.first_codec(track);
        let Some(subscription) = self.subscriptions.get_mut(key) else { return };
        subscription.track = Some(fed_from);
        self.tracks[fed_from].subscriptions.push(key);
        let subscriber = subscription.subscriber;
        self.unsettled.insert(subscriber);
        self.unbalanced.insert(subscriber);
        let room = self.rooms.get(&self.participants[subscriber].room);
        let is_forwarded = room.and_then(|room| room.limited.as_ref()).is_none_or(|room| room.is_forwarded(track));
        subscription.is_left_out = !is_forwarded;
        subscription.forwarder = Forwarder::new(self.tracks[fed_from].is_simulcast);
        let transport = self.participants[subscriber].subscriber;
        self.transports[transport]
            .transport
            .want_section(key, subscription.kind, subscription.label.clone());
        self.weigh_demand(fed_from, now);
    }

    pub(super) fn subscription(&self, subscriber: ParticipantKey, track: &TrackId) -> Option<SubscriptionKey> {
        let of = self.participants.get(subscriber)?.subscriptions.iter().copied();
        of.into_iter()
            .find(|key| self.subscriptions.get(*key).is_some_and(|s| s.track_id == *track))
    }

    pub(super) fn unsubscribe(&mut self, subscriber: ParticipantKey, track: &TrackId, now: Instant) {
        if let Some(key) = self.subscription(subscriber, track) {
            self.remove_subscription(key);
        }
        self.reconsider(now);
    }

    pub(super) fn remove_subscription(&mut self, key: SubscriptionKey) {
        let Some(subscription) = self.subscriptions.remove(key) else { return };
        if let Some((track_key, track)) = subscription.track.and_then(|key| Some((key, self.tracks.get_mut(key)?))) {
            track.subscriptions.retain(|s| *s != key);
            self.reconsidered.insert(track_key);
        }
        if let Some(participant) = self.participants.get_mut(subscription.subscriber) {
            participant.subscriptions.retain(|s| *s != key);
            if let Some(slot) = self.transports.get_mut(participant.subscriber) {
                slot.transport.release_section(key);
                self.unsettled.insert(subscription.subscriber);
                self.unbalanced.insert(subscription.subscriber);
            }
        }
    }

    pub(super) fn set_demand(&mut self, subscriber: ParticipantKey, track: &TrackId, demand: Demand, now: Instant) {
        let Some(key) = self.subscription(subscriber, track) else { return };
        let subscription = &mut self.subscriptions[key];
        subscription.demand = demand;
        let track = subscription.track;
        self.unbalance(subscriber);
        self.reconsidered.extend(track);
        self.reconsider(now);
    }

    /// Bounds on what is forwarded in a room, from now on.
    pub(super) fn limit_room(&mut self, id: &RoomId, limits: RoomLimits) {
        if limits == RoomLimits::default() && !self.rooms.contains_key(id) {
            return;
        }
        // Often before anybody is there.
        let room = self.rooms.entry(id.clone()).or_default();
        match &mut room.limited {
            Some(limited) => limited.set_limits(limits),
            None if limits == RoomLimits::default() => return,
            None => {
                let mut limited = LimitedRoom::new(limits);
                for key in &room.participants {
                    limited.add_participant(*key);
                    let Some(participant) = self.participants.get(*key) else { continue };
                    for track_key in participant.publications.tracks() {
                        if let Some(track) = self.tracks.get(track_key).filter(|track| !track.is_backup()) {
                            limited.add_track(track_key, *key, track.expected.source, track.kind == Kind::Video);
                        }
                    }
                }
                room.limited = Some(limited);
            }
        }
        self.follow_limits(id);
    }

    /// Who is forwarded in a room may have changed.
    pub(super) fn follow_limits(&mut self, id: &RoomId) {
        let Some(limited) = self.rooms.get_mut(id).and_then(|room| room.limited.as_mut()) else { return };
        for (track, is_forwarded) in limited.poll_changes() {
            for key in self.takers(track) {
                if let Some(subscription) = self.subscriptions.get_mut(key) {
                    subscription.is_left_out = !is_forwarded;
                    self.unbalanced.insert(subscription.subscriber);
                }
            }
        }
    }
}
