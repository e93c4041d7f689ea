//! Who receives what: wishes and permissions on one side, the media plane's state on the other, and one
//! function that makes the second follow the first.

use livekit_protocol::{SubscriptionPermissionUpdate, signal_response};

use super::RoomState;
use crate::effect::MediaCommand;
use crate::publication::media_kind;
use crate::subscription::Setting;
use crate::{ParticipantSid, TrackSid};

/// Wishes one participant may have for tracks that do not exist (yet): it may know of a track from another
/// participant before the room does, but not of thousands.
const UNKNOWN_TRACKS: usize = 256;

impl RoomState {
    /// Notes what a participant wants of tracks. `None` leaves that half of the wish alone.
    pub(super) fn wish<'a>(
        &mut self,
        subscriber: &ParticipantSid,
        tracks: impl Iterator<Item = &'a str>,
        choice: Option<bool>,
        setting: Option<Setting>,
    ) {
        for track in tracks {
            let known = self.publishers.contains_key(track);
            let Some(participant) = self.participants.get_mut(subscriber) else { return };
            let unknown = participant.subscriptions.keys().filter(|track| !self.publishers.contains_key(*track));
            if !known && (track.len() > 64 || unknown.count() >= UNKNOWN_TRACKS) {
                continue;
            }
            let track = TrackSid::from(track);
            let subscription = participant.subscriptions.entry(track.clone()).or_default();
            subscription.choice = choice.or(subscription.choice);
            subscription.setting = setting.or(subscription.setting);
            self.reconcile(subscriber, &track);
        }
    }

    /// Makes what the media plane forwards of one track to one participant what it shall be.
    pub(super) fn reconcile(&mut self, subscriber: &ParticipantSid, track: &TrackSid) {
        let Some((publisher, publication)) = self.publication(track.as_str()) else { return };
        let Some(receiver) = self.participants.get(subscriber) else { return };
        if !publication.live || publisher.sid == *subscriber || receiver.guest.is_some() {
            return;
        }
        let wish = receiver.subscriptions.get(track);
        let wanted = wish.and_then(|wish| wish.choice).unwrap_or(receiver.auto_subscribe);
        let allowed = publisher.audience.allows(&receiver.identity, publisher.original(track).as_str());
        // Of who is hidden others were not told: to them its tracks belong to nobody.
        let open = receiver.permission.can_subscribe && wanted && allowed && publisher.visible();
        let denied = wanted && !allowed;
        let demand = wish
            .and_then(|wish| wish.setting)
            .map(|setting| setting.demand(publication.layers()))
            .unwrap_or_default();
        let (publisher_sid, kind) = (publisher.sid.clone(), media_kind(&publication.info));
        let stream = receiver.stream_of(&publisher.sid, publication);

        let Some(receiver) = self.participants.get_mut(subscriber) else { return };
        let subscription = receiver.subscriptions.entry(track.clone()).or_default();
        let (was_open, was_denied) = (subscription.open, subscription.denied);
        let demand_before = if was_open { subscription.demand } else { Default::default() };
        subscription.open = open;
        subscription.denied = denied;
        subscription.demand = demand;
        subscription.give_up_at = None;
        if !open {
            (subscription.paused, subscription.undecodable) = (None, false);
        }

        let (subscriber, track) = (subscriber.clone(), track.clone());
        if denied != was_denied {
            let update = SubscriptionPermissionUpdate {
                participant_sid: publisher_sid.to_string(),
                track_sid: track.to_string(),
                allowed: !denied,
            };
            self.send(&subscriber, signal_response::Message::SubscriptionPermissionUpdate(update));
        }
        if open && !was_open {
            self.media(MediaCommand::Subscribe { subscriber: subscriber.clone(), track: track.clone(), kind, stream });
        }
        if !open && was_open {
            self.media(MediaCommand::Unsubscribe { subscriber, track });
        } else if open && demand != demand_before {
            self.media(MediaCommand::Demand { subscriber, track, demand });
        }
    }

    /// After something changed for a subscriber: every track there is.
    pub(super) fn reconcile_subscriber(&mut self, subscriber: &ParticipantSid) {
        for track in self.publishers.keys().cloned().collect::<Vec<_>>() {
            self.reconcile(subscriber, &track);
        }
    }

    /// After something changed for a track: every participant.
    pub(super) fn reconcile_track(&mut self, track: &TrackSid) {
        for subscriber in self.participants.keys().cloned().collect::<Vec<_>>() {
            self.reconcile(&subscriber, track);
        }
    }

    /// The track is gone; the media plane has closed its subscriptions with it.
    pub(super) fn forget_subscriptions(&mut self, track: &TrackSid) {
        for participant in self.participants.values_mut() {
            participant.subscriptions.remove(track);
        }
    }
}
