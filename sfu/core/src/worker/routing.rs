//! Who gets what: tracks come and go, subscriptions are made, bounded and ended.

use std::time::Instant;

use super::Worker;
use crate::participant::Subscription;
use crate::publications::Binding;
use crate::track::Track;
use crate::transport::Label;
use crate::{Demand, Event, ExpectedTrack, Kind, ParticipantKey, SubscriptionKey, TrackId, TrackKey};

impl Worker {
    pub(super) fn expect_track(&mut self, key: ParticipantKey, expected: ExpectedTrack) {
        if let Some(binding) = self.participants[key].publications.expect(expected) {
            self.add_track(key, binding);
        }
    }

    pub(super) fn add_track(&mut self, publisher: ParticipantKey, binding: Binding) {
        let participant = &mut self.participants[publisher];
        let Binding { mid, expected, is_simulcast, mime_type } = binding;
        let id = expected.track.clone();
        if self.tracks_by_id.contains_key(&id) {
            tracing::warn!(track = %id, "announced twice");
            return;
        }
        let key = self.tracks.insert(Track::new(expected, publisher, participant.publisher, mid));
        participant.publications.bind(mid, key);
        self.tracks_by_id.insert(id.clone(), key);
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
            self.attach(subscription, key);
        }
    }

    /// Takes a track out of the worker; its subscriptions end.
    pub(super) fn remove_track(&mut self, key: TrackKey) -> Option<TrackId> {
        let track = self.tracks.remove(key)?;
        self.tracks_by_id.remove(&track.id);
        for subscription in track.subscriptions {
            self.remove_subscription(subscription);
        }
        Some(track.id)
    }

    pub(super) fn retire_track(&mut self, id: &TrackId) {
        if let Some(key) = self.tracks_by_id.get(id).copied() {
            let publisher = self.tracks[key].publisher;
            self.participants[publisher].publications.retire(key);
            self.remove_track(key);
        } else {
            for participant in self.participants.values_mut() {
                participant.publications.forget_expected(id);
            }
        }
    }

    pub(super) fn mute_track(&mut self, id: &TrackId, muted: bool) {
        let Some(track) = self.tracks_by_id.get(id).and_then(|key| self.tracks.get_mut(*key)) else { return };
        track.is_muted = muted;
        if muted {
            for key in &track.subscriptions {
                if let Some(subscription) = self.subscriptions.get_mut(*key) {
                    subscription.forwarder.pause();
                }
            }
        }
    }

    pub(super) fn subscribe(&mut self, subscriber: ParticipantKey, track_id: &TrackId, kind: Kind, stream: String) {
        if self.subscription(subscriber, track_id).is_some() {
            return;
        }
        let label = Label { stream, track: track_id.clone() };
        let key = self.subscriptions.insert(Subscription::new(subscriber, track_id.clone(), kind, label));
        self.participants[subscriber].subscriptions.push(key);
        if let Some(track) = self.tracks_by_id.get(track_id).copied() {
            self.attach(key, track);
        }
    }

    /// Joins a subscription to its track and queues it for a section.
    pub(super) fn attach(&mut self, key: SubscriptionKey, track: TrackKey) {
        let Some(subscription) = self.subscriptions.get_mut(key) else { return };
        subscription.track = Some(track);
        self.tracks[track].subscriptions.push(key);
        self.unsettled.insert(subscription.subscriber);
        let transport = self.participants[subscription.subscriber].subscriber;
        self.transports[transport]
            .transport
            .want_section(key, subscription.kind, subscription.label.clone());
    }

    pub(super) fn subscription(&self, subscriber: ParticipantKey, track: &TrackId) -> Option<SubscriptionKey> {
        let of = self.participants.get(subscriber)?.subscriptions.iter().copied();
        of.into_iter()
            .find(|key| self.subscriptions.get(*key).is_some_and(|s| s.track_id == *track))
    }

    pub(super) fn unsubscribe(&mut self, subscriber: ParticipantKey, track: &TrackId) {
        if let Some(key) = self.subscription(subscriber, track) {
            self.remove_subscription(key);
        }
    }

    pub(super) fn remove_subscription(&mut self, key: SubscriptionKey) {
        let Some(subscription) = self.subscriptions.remove(key) else { return };
        if let Some(track) = subscription.track.and_then(|track| self.tracks.get_mut(track)) {
            track.subscriptions.retain(|s| *s != key);
        }
        if let Some(participant) = self.participants.get_mut(subscription.subscriber) {
            participant.subscriptions.retain(|s| *s != key);
            if let Some(slot) = self.transports.get_mut(participant.subscriber) {
                slot.transport.release_section(key);
                self.unsettled.insert(subscription.subscriber);
            }
        }
    }

    pub(super) fn set_demand(&mut self, subscriber: ParticipantKey, track: &TrackId, demand: Demand, now: Instant) {
        let Some(key) = self.subscription(subscriber, track) else { return };
        let subscription = &mut self.subscriptions[key];
        subscription.demand = demand;
        if demand.enabled {
            self.ask_for_target(key, now);
        } else {
            subscription.forwarder.pause();
        }
    }
}
