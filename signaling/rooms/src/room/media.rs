//! Reports of the media plane.

use std::sync::Arc;

use livekit_protocol::{
    DisconnectReason, MediaSectionsRequirement, SessionDescription, TrackSubscribed, leave_request, signal_response,
};

use super::{RoomState, SILENCE_AFTER, Timer};
use crate::data::{Envelope, stamp};
use crate::effect::{DataChannel, MediaCommand};
use crate::log::RoomEventKind;
use crate::participant::Participant;
use crate::{AudioLevel, MediaEvent, MediaFailure, MidToTrack, Now, ParticipantSid, TrackSid};

impl RoomState {
    pub(super) fn handle_media(&mut self, event: MediaEvent, now: Now) {
        match event {
            MediaEvent::Answer { participant, id, sdp, mid_to_track } => {
                let answer = description("answer", id, sdp, mid_to_track);
                self.send(&participant, signal_response::Message::Answer(answer));
            }
            MediaEvent::Offer { participant, id, sdp, mid_to_track } => {
                let offer = description("offer", id, sdp, mid_to_track);
                self.send(&participant, signal_response::Message::Offer(offer));
            }
            MediaEvent::SectionsNeeded { participant, audio, video } => {
                let needed = MediaSectionsRequirement { num_audios: audio, num_videos: video };
                self.send(&participant, signal_response::Message::MediaSectionsRequirement(needed));
            }
            MediaEvent::NegotiationFailed { participant } => {
                // The two sides no longer agree on what was negotiated; only beginning anew mends that.
                let action = leave_request::Action::Reconnect;
                self.remove(&participant, DisconnectReason::MediaFailure, Some(action), now);
            }
            MediaEvent::Connected { participant } => self.handle_connected(&participant, now),
            MediaEvent::TrackAdded { participant, track, mid, mime_type, simulcast } => {
                self.handle_track_added(&participant, &track, (&mid, &mime_type, simulcast), now);
            }
            MediaEvent::TrackRemoved { participant, track } => {
                if self.publishers.get(&track) == Some(&participant) {
                    self.unpublish(&track, false, now);
                }
            }
            MediaEvent::LayersWanted { participant, track, max_spatial } => {
                self.handle_layers_wanted(&participant, &track, max_spatial);
            }
            MediaEvent::BackupWanted { participant, track, max_spatial } => {
                self.handle_backup_wanted(&participant, &track, max_spatial);
            }
            MediaEvent::BackupAdded { participant, track, mid } => {
                self.handle_backup_section(&participant, &track, Some(&mid));
            }
            MediaEvent::BackupRemoved { participant, track } => self.handle_backup_section(&participant, &track, None),
            MediaEvent::StreamStates { subscriber, paused } => self.handle_stream_states(&subscriber, &paused),
            MediaEvent::NotDecodable { subscriber, track } => self.handle_not_decodable(&subscriber, &track),
            MediaEvent::Subscribed { subscriber, track } => self.handle_subscribed(&subscriber, &track),
            MediaEvent::Data { participant, channel, payload } => {
                self.handle_data(&participant, channel, &payload, now);
            }
            MediaEvent::AudioLevels { part, levels } => self.handle_audio_levels(part, &levels, now),
            MediaEvent::Quality(reports) => self.handle_quality(reports),
            MediaEvent::Failed { participant, failure } => {
                let reason = match failure {
                    MediaFailure::ConnectionLost => DisconnectReason::ConnectionTimeout,
                    MediaFailure::DataBacklog | MediaFailure::Internal => DisconnectReason::MediaFailure,
                };
                self.remove(&participant, reason, Some(leave_request::Action::Reconnect), now);
            }
        }
    }

    fn handle_connected(&mut self, sid: &ParticipantSid, now: Now) {
        let Some(participant) = self.participants.get_mut(sid) else { return };
        participant.connect_by = None;
        if std::mem::replace(&mut participant.active, true) {
            return;
        }
        self.unsettled = true;
        self.announce(sid);
        if let Some(participant) = self.participants.get(sid).map(Participant::record) {
            self.log(RoomEventKind::ParticipantActive { participant }, now);
        }
        self.greet(sid);
    }

    /// The publisher learns of its first subscriber; SDKs offer to wait for it.
    fn handle_subscribed(&mut self, subscriber: &ParticipantSid, track: &TrackSid) {
        let subscribed = |participant: &Participant| {
            participant.subscriptions.get(track).is_some_and(|subscription| subscription.open)
        };
        if !self.participants.get(subscriber).is_some_and(subscribed) {
            return;
        }
        let Some(publisher) = self.publishers.get(track).cloned() else { return };
        let found = self
            .participants
            .get_mut(&publisher)
            .and_then(|participant| participant.tracks.get_mut(track));
        let Some(publication) = found else { return };
        if !std::mem::replace(&mut publication.heard, true) {
            let heard = TrackSubscribed { track_sid: track.to_string() };
            self.send(&publisher, signal_response::Message::TrackSubscribed(heard));
        }
    }

    /// Relays a data packet: stamped, to whom it is for, never back to its sender.
    fn handle_data(&mut self, sender: &ParticipantSid, channel: DataChannel, payload: &[u8], now: Now) {
        if self.take_rpc_answer(sender, payload) {
            return;
        }
        let Some(participant) = self.participants.get(sender) else { return };
        if !participant.permission.can_publish_data {
            return;
        }
        let (sid, identity) = match participant.visible() {
            true => (sender.as_str(), participant.identity.as_str()),
            false => ("", ""),
        };
        let Ok(envelope) = stamp(payload, sid, identity, channel) else { return };
        let reliable = channel == DataChannel::Reliable;
        let forged = envelope.forged_speakers || envelope.forged_notice;
        if forged || (reliable && !participant.reliable.is_new(envelope.sequence)) {
            return;
        }
        let to = self.receivers(&envelope, Some(sender));
        let payload: Arc<[u8]> = envelope.bytes.into();
        if reliable && let Some(participant) = self.participants.get_mut(sender) {
            participant.reliable.keep(envelope.sequence, &to, &payload);
        }
        if !to.is_empty() {
            let payload = payload.clone();
            self.media(MediaCommand::SendData { to, channel, payload });
        }
        // What is said to some is theirs.
        if reliable && envelope.identities.is_empty() && envelope.sids.is_empty() {
            self.hear_chat(sender, &payload, now);
        }
    }

    /// Whom a packet reaches: everybody whose media is up, or those it names.
    pub(super) fn receivers(&self, envelope: &Envelope, sender: Option<&ParticipantSid>) -> Vec<ParticipantSid> {
        let addressed = |participant: &Participant| {
            let everybody = envelope.identities.is_empty() && envelope.sids.is_empty();
            everybody
                || envelope.identities.contains(&participant.identity)
                || envelope.sids.iter().any(|sid| sid == participant.sid.as_str())
        };
        self.participants
            .values()
            .filter(|participant| participant.is_reachable())
            .filter(|participant| Some(&participant.sid) != sender && addressed(participant))
            .filter(|participant| !envelope.metrics || participant.permission.can_subscribe_metrics)
            .map(|participant| participant.sid.clone())
            .collect()
    }

    fn handle_audio_levels(&mut self, part: u16, levels: &[AudioLevel], now: Now) {
        let seen = |level: &&AudioLevel| self.participants.get(&level.participant).is_some_and(Participant::visible);
        let levels: Vec<_> = levels.iter().filter(seen).cloned().collect();
        if self.silence_at.insert(part, now.at + SILENCE_AFTER).is_none() {
            self.timers.insert((now.at + SILENCE_AFTER, Timer::Silence(part)));
        }
        let changes = self.speakers.observe(part, &levels);
        self.tell_speakers(changes);
    }
}

fn description(kind: &str, id: u32, sdp: String, mid_to_track: MidToTrack) -> SessionDescription {
    let mid_to_track_id = mid_to_track.into_iter().map(|(mid, track)| (mid, track.to_string())).collect();
    SessionDescription { r#type: kind.into(), sdp, id, mid_to_track_id }
}
