//! What the media plane gives and takes for want of bandwidth, told to those it concerns: layers a publisher may
//! switch off, tracks that are paused, tracks that cannot be had, and how good each connection is.
//!
//! Nothing is decided here. Kept is what a client was told last, for when it comes back and may have missed it.

use std::time::Duration;

use livekit_protocol::{
    ConnectionQuality, ConnectionQualityInfo, ConnectionQualityUpdate, StreamState, StreamStateInfo, StreamStateUpdate,
    SubscriptionError, SubscriptionResponse, signal_response,
};

use super::{RoomState, Timer};
use crate::layers::{HIGHEST, subscribed_quality};
use crate::participant::PROTOCOL_QUALITY_LOST;
use crate::quality::Rating;
use crate::{Now, ParticipantSid, QualityReport, TrackSid};

/// Somebody who asked for a track that nobody publishes is told so after this time (LiveKit's). It may know of a
/// track before the room does, and its publisher may be about to come back.
const NOT_FOUND_AFTER: Duration = Duration::from_secs(60);

impl RoomState {
    /// The publisher may switch off what nobody wants, and must switch on what somebody does.
    pub(super) fn handle_layers_wanted(&mut self, publisher: &ParticipantSid, track: &TrackSid, wanted: Option<u8>) {
        let found = self
            .participants
            .get_mut(publisher)
            .and_then(|participant| participant.tracks.get_mut(track));
        let Some(publication) = found else { return };
        if publication.layers_wanted.replace(wanted) != Some(wanted) {
            self.tell_layers_wanted(publisher, track);
        }
    }

    /// The publisher is to publish the second codec of a track, or some layers of it, or need not any more.
    pub(super) fn handle_backup_wanted(&mut self, publisher: &ParticipantSid, track: &TrackSid, wanted: Option<u8>) {
        let found = self
            .participants
            .get_mut(publisher)
            .and_then(|participant| participant.tracks.get_mut(track));
        let Some(backup) = found.and_then(|publication| publication.backup.as_mut()) else { return };
        if backup.wanted.replace(wanted) != Some(wanted) {
            self.tell_layers_wanted(publisher, track);
        }
    }

    /// Says it again, or for the first time once the track is live and its codec known. Sent to every publisher, as
    /// LiveKit does: whether its client switches layers off is the client's choice.
    pub(super) fn tell_layers_wanted(&mut self, publisher: &ParticipantSid, track: &TrackSid) {
        let found = self.participants.get(publisher).and_then(|participant| participant.tracks.get(track));
        let Some(publication) = found.filter(|publication| publication.live && publication.has_been_weighed()) else {
            return;
        };
        // Everything of the first codec is on as long as nothing was said of it.
        let wanted = publication.layers_wanted.unwrap_or(Some(HIGHEST));
        let backup = publication.backup_wanted();
        let update = subscribed_quality(track.as_str(), &publication.info.mime_type, wanted, backup);
        self.send(publisher, signal_response::Message::SubscribedQualityUpdate(update));
    }

    /// A picture that stands still needs a reason.
    pub(super) fn handle_stream_states(&mut self, subscriber: &ParticipantSid, paused: &[(TrackSid, bool)]) {
        let mut changed = Vec::new();
        for (track, paused) in paused {
            let found = self
                .participants
                .get_mut(subscriber)
                .and_then(|participant| participant.subscriptions.get_mut(track));
            let Some(subscription) = found.filter(|subscription| subscription.open) else { continue };
            // What was never paused goes on anyway.
            if subscription.paused.replace(*paused).unwrap_or(false) != *paused {
                changed.push((track.clone(), *paused));
            }
        }
        self.tell_stream_states(subscriber, &changed);
    }

    fn tell_stream_states(&mut self, subscriber: &ParticipantSid, states: &[(TrackSid, bool)]) {
        let stream_states: Vec<_> = states
            .iter()
            .filter_map(|(track, paused)| {
                let state = if *paused { StreamState::Paused } else { StreamState::Active };
                Some(StreamStateInfo {
                    participant_sid: self.publishers.get(track)?.to_string(),
                    track_sid: track.to_string(),
                    state: state as i32,
                })
            })
            .collect();
        if !stream_states.is_empty() {
            let update = StreamStateUpdate { stream_states };
            self.send(subscriber, signal_response::Message::StreamStateUpdate(update));
        }
    }

    /// The subscriber takes none of the track's codecs: it is told once.
    pub(super) fn handle_not_decodable(&mut self, subscriber: &ParticipantSid, track: &TrackSid) {
        let found = self
            .participants
            .get_mut(subscriber)
            .and_then(|participant| participant.subscriptions.get_mut(track));
        let Some(subscription) = found.filter(|subscription| subscription.open) else { return };
        if !std::mem::replace(&mut subscription.undecodable, true) {
            self.tell_subscription_failed(subscriber, track, SubscriptionError::SeCodecUnsupported);
        }
    }

    fn tell_subscription_failed(&mut self, subscriber: &ParticipantSid, track: &TrackSid, error: SubscriptionError) {
        let response = SubscriptionResponse { track_sid: track.to_string(), err: error as i32 };
        self.send(subscriber, signal_response::Message::SubscriptionResponse(response));
    }

    /// Starts the time within which tracks somebody asked for have to appear.
    pub(super) fn expect_soon(&mut self, subscriber: &ParticipantSid, now: Now) {
        let Some(participant) = self.participants.get_mut(subscriber) else { return };
        let give_up_at = now.at + NOT_FOUND_AFTER;
        let mut waits = false;
        for (track, subscription) in &mut participant.subscriptions {
            let unknown = subscription.choice == Some(true) && !self.publishers.contains_key(track);
            if unknown && subscription.give_up_at.is_none() {
                subscription.give_up_at = Some(give_up_at);
                waits = true;
            }
        }
        if waits {
            self.timers.insert((give_up_at, Timer::GiveUp(subscriber.clone())));
        }
    }

    /// Says of the tracks that did not appear that there are none such, and forgets that they were asked for.
    pub(super) fn give_up(&mut self, subscriber: &ParticipantSid, now: Now) {
        let Some(participant) = self.participants.get_mut(subscriber) else { return };
        let mut missing = Vec::new();
        participant.subscriptions.retain(|track, subscription| {
            let over = subscription.give_up_at.is_some_and(|at| at <= now.at);
            let gone = over && subscription.choice == Some(true) && !self.publishers.contains_key(track);
            if gone {
                missing.push(track.clone());
            }
            !gone
        });
        for track in missing {
            self.tell_subscription_failed(subscriber, &track, SubscriptionError::SeTrackNotfound);
        }
    }

    /// What a client that resumes may not have heard: which of its layers are wanted, which tracks are paused.
    pub(super) fn retell_adaptation(&mut self, sid: &ParticipantSid) {
        let Some(participant) = self.participants.get(sid) else { return };
        let published: Vec<_> = participant.tracks.keys().cloned().collect();
        let states = participant.subscriptions.iter();
        let states: Vec<_> = states.filter_map(|(track, sub)| Some((track.clone(), sub.paused?))).collect();
        for track in published {
            self.tell_layers_wanted(sid, &track);
        }
        self.tell_stream_states(sid, &states);
    }

    /// Tells everybody its own quality and that of those it receives, when any of it is news to it: a rating changed,
    /// or it receives somebody it did not before.
    pub(super) fn handle_quality(&mut self, reports: Vec<QualityReport>) {
        for report in reports {
            if !self.participants.get(&report.participant).is_some_and(|participant| participant.active) {
                continue;
            }
            match self.ratings.get_mut(&report.participant) {
                Some(rating) => {
                    rating.update(report);
                }
                None => {
                    self.ratings.insert(report.participant.clone(), Rating::new(report));
                }
            }
        }
        let mut messages = Vec::new();
        for reader in self.participants.values_mut() {
            let publishers = reader.subscriptions.iter().filter(|(_, subscription)| subscription.open);
            let mut about: Vec<_> = publishers.filter_map(|(track, _)| self.publishers.get(track)).collect();
            about.push(&reader.sid);
            about.sort_unstable();
            about.dedup();
            let rated: Vec<_> =
                about.into_iter().filter_map(|sid| Some((sid.clone(), self.ratings.get(sid)?))).collect();
            if rated.iter().all(|(sid, rating)| reader.qualities_told.get(sid) == Some(&rating.quality)) {
                continue;
            }
            let knows_lost = reader.client.protocol >= PROTOCOL_QUALITY_LOST;
            let updates: Vec<_> = rated
                .iter()
                .map(|(sid, rating)| {
                    let unknown = rating.quality == ConnectionQuality::Lost && !knows_lost;
                    let quality = if unknown { ConnectionQuality::Poor } else { rating.quality };
                    let (participant_sid, score) = (sid.to_string(), rating.score());
                    ConnectionQualityInfo { participant_sid, quality: quality as i32, score }
                })
                .collect();
            messages.push((reader.sid.clone(), updates));
            reader.qualities_told = rated.into_iter().map(|(sid, rating)| (sid, rating.quality)).collect();
        }
        for (reader, updates) in messages {
            self.send(&reader, signal_response::Message::ConnectionQuality(ConnectionQualityUpdate { updates }));
        }
    }
}
