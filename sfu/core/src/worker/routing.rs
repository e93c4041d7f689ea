//! Who gets what: tracks come and go, subscriptions are made, bounded and ended.

use std::time::Instant;

use super::Worker;
use crate::forwarder::Forwarder;
use crate::participant::Subscription;
use crate::publications::Binding;
use crate::track::{Origin, Role, Section, Track};
use crate::transport::Label;
use crate::{CodecRole, Demand, Event, ExpectedTrack, Kind, ParticipantKey, SubscriptionKey, TrackId, TrackKey};

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
        let origin = Origin::Here(Section { publisher, transport: participant.publisher, mid: Some(mid) });
        let owner = (participant.room.clone(), participant.id.clone());
        let key = self.tracks.insert(Track::new(expected, owner, origin, is_simulcast));
        participant.publications.bind(mid, key);
        self.tracks_by_id.insert(id.clone(), key);
        self.tracks[key].mime_type = mime_type.clone().unwrap_or_default();
        self.add_backup(key, now);
        self.weigh_demand(key, now);
        self.limit_track(key);
        self.announce(key);
        let (track, mid, mime_type) = (id.clone(), mid.to_string(), mime_type.unwrap_or_default());
        self.report(publisher, |participant| Event::TrackAdded {
            participant,
            track,
            mid,
            mime_type,
            simulcast: is_simulcast,
        });
        self.attach_early(key, now);
    }

    /// Subscriptions that came before the track.
    pub(super) fn attach_early(&mut self, key: TrackKey, now: Instant) {
        let Some(id) = self.tracks.get(key).map(|track| track.id.clone()) else { return };
        let early: Vec<SubscriptionKey> =
            self.subscriptions.iter().filter(|(_, s)| s.track_id == id).map(|(key, _)| key).collect();
        for subscription in early {
            self.attach(subscription, key, now);
        }
        self.attach_early_taps(key, now);
    }

    /// Takes a track out of the worker; its subscriptions end.
    pub(super) fn remove_track(&mut self, key: TrackKey) -> Option<TrackId> {
        if self.is_backup(key) {
            // Goes with its primary.
            return None;
        }
        let track = self.tracks.remove(key)?;
        self.tracks_by_id.remove(&track.id);
        if let Origin::Elsewhere { worker, track: origin, .. } = track.origin {
            self.mirrors.remove(&(worker, origin, track.room.clone()));
        }
        let backup = match track.role {
            Role::Primary { backup, .. } => self.tracks.remove(backup),
            Role::Only | Role::Backup { .. } => None,
        };
        self.withdraw(key, &track);
        self.unlimit_track(key, &track);
        let codecs = || std::iter::once(&track).chain(&backup);
        self.end_taps(codecs().flat_map(|codec| codec.taps.iter().copied()));
        for subscription in codecs().flat_map(|codec| codec.subscriptions.iter().copied()) {
            self.remove_subscription(subscription);
        }
        Some(track.id)
    }

    pub(super) fn retire_track(&mut self, id: &TrackId) {
        self.end_waiting_taps(|tap| tap.track_id == *id);
        if self.return_track(id) {
            return;
        }
        if let Some(key) = self.tracks_by_id.get(id).copied() {
            // A mirror goes when its origin says so.
            let Some(Section { publisher, .. }) = self.tracks[key].section() else { return };
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

    pub(super) fn mute_track(&mut self, id: &TrackId, muted: bool, now: Instant) {
        let own = self.tracks_by_id.get(id).copied();
        // A mirror hears of it from its origin.
        let Some(key) = own.filter(|key| self.tracks[*key].section().is_some()) else { return };
        self.set_muted(key, muted, now);
        self.announce(key);
    }

    pub(super) fn set_muted(&mut self, key: TrackKey, muted: bool, now: Instant) {
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
            self.mute_taps(key, muted, now);
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
        subscription.is_left_out = room.is_some_and(|room| room.limits.leave_out(track, &subscription.track_id));
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
}
