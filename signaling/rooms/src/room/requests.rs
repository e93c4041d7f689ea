//! What clients ask on their signal connection.

use livekit_protocol::{
    DisconnectReason, MuteTrackRequest, Pong, RequestResponse, SessionDescription, SubscriptionPermission, SyncState,
    UpdateParticipantMetadata, UpdateSubscription, leave_request, request_response, signal_request, signal_response,
};

use super::RoomState;
use crate::effect::MediaCommand;
use crate::role::without_reserved;
use crate::sdp::plausible;
use crate::subscription::{Audience, Setting};
use crate::text::{baggage_fits, display_name, merge_attributes};
use crate::{Now, ParticipantSid, SignalVersion, TrackSid};

impl RoomState {
    pub(super) fn handle_request(&mut self, sender: &ParticipantSid, message: signal_request::Message, now: Now) {
        use signal_request::Message;
        match message {
            Message::Offer(offer) => self.handle_offer(sender, offer, now),
            Message::Answer(answer) => self.handle_answer(sender, answer, now),
            Message::AddTrack(request) => self.handle_add_track(sender, &request),
            Message::Mute(request) => self.handle_mute(sender, &request),
            Message::Subscription(update) => self.handle_subscription(sender, &update, now),
            Message::TrackSetting(update) => {
                let tracks = update.track_sids.iter().map(String::as_str);
                self.wish(sender, tracks, None, Some(Setting::from(&update)));
            }
            Message::Leave(_) => self.remove(sender, DisconnectReason::ClientInitiated, None, now),
            Message::SubscriptionPermission(permission) => self.handle_subscription_permission(sender, &permission),
            Message::SyncState(state) => self.handle_sync_state(sender, &state, now),
            Message::Simulate(scenario) => self.handle_simulate(sender, scenario, now),
            Message::Ping(_) => self.send(sender, signal_response::Message::Pong(now.unix_ms)),
            Message::PingReq(ping) => {
                let pong = Pong { last_ping_timestamp: ping.timestamp, timestamp: now.unix_ms };
                self.send(sender, signal_response::Message::PongResp(pong));
            }
            Message::UpdateMetadata(update) => self.handle_update_metadata(sender, update),
            Message::UpdateAudioTrack(update) => {
                self.update_track(sender, &update.track_sid, |info| {
                    info.audio_features = update.features.iter().copied().take(16).collect();
                });
            }
            Message::UpdateVideoTrack(update) => {
                self.update_track(sender, &update.track_sid, |info| {
                    (info.width, info.height) = (update.width, update.height);
                });
            }
            // ICE-lite: this server's candidates are in its SDP, and the client's are learnt from its checks.
            Message::Trickle(_)
            // Data tracks and blobs are not offered by this server; clients that ask go on without.
            | Message::PublishDataTrackRequest(_)
            | Message::UnpublishDataTrackRequest(_)
            | Message::UpdateDataSubscription(_)
            | Message::StoreDataBlobRequest(_)
            | Message::GetDataBlobRequest(_) => {}
            #[expect(deprecated, reason = "old clients send it; layers stand in `add_track`")]
            Message::UpdateLayers(_) => {}
        }
    }

    pub(super) fn handle_offer(&mut self, sender: &ParticipantSid, offer: SessionDescription, now: Now) {
        if plausible(&offer.sdp) {
            self.media(MediaCommand::Offer { participant: sender.clone(), id: offer.id, sdp: offer.sdp });
        } else {
            let action = leave_request::Action::Disconnect;
            self.remove(sender, DisconnectReason::MediaFailure, Some(action), now);
        }
    }

    fn handle_answer(&mut self, sender: &ParticipantSid, answer: SessionDescription, now: Now) {
        let dual = self
            .participants
            .get(sender)
            .is_some_and(|participant| participant.version == SignalVersion::V0);
        if !dual {
            return;
        }
        if plausible(&answer.sdp) {
            self.media(MediaCommand::Answer { participant: sender.clone(), id: answer.id, sdp: answer.sdp });
        } else {
            let action = leave_request::Action::Disconnect;
            self.remove(sender, DisconnectReason::MediaFailure, Some(action), now);
        }
    }

    fn handle_mute(&mut self, sender: &ParticipantSid, request: &MuteTrackRequest) {
        if !self.set_muted(sender, &request.sid, request.muted, false) {
            let unknown = RequestResponse {
                reason: request_response::Reason::NotFound as i32,
                request: Some(request_response::Request::Mute(request.clone())),
                ..Default::default()
            };
            self.send(sender, signal_response::Message::RequestResponse(unknown));
        }
    }

    fn handle_subscription(&mut self, sender: &ParticipantSid, update: &UpdateSubscription, now: Now) {
        let of_participants = update.participant_tracks.iter().flat_map(|tracks| &tracks.track_sids);
        let tracks = update.track_sids.iter().chain(of_participants).map(String::as_str);
        self.wish(sender, tracks, Some(update.subscribe), None);
        if update.subscribe {
            self.expect_soon(sender, now);
        }
    }

    fn handle_subscription_permission(&mut self, sender: &ParticipantSid, permission: &SubscriptionPermission) {
        let identity_of = |sid: &str| self.participants.get(sid).map(|participant| participant.identity.as_str());
        let audience = Audience::read(permission, identity_of);
        let Some(participant) = self.participants.get_mut(sender) else { return };
        participant.audience = audience;
        for track in participant.tracks.keys().cloned().collect::<Vec<_>>() {
            self.reconcile_track(&track);
        }
    }

    /// What a client that resumes believes: its wishes, and the data it saw last.
    pub(super) fn handle_sync_state(&mut self, sender: &ParticipantSid, state: &SyncState, now: Now) {
        if let Some(subscription) = &state.subscription {
            self.handle_subscription(sender, subscription, now);
        }
        for track in &state.track_sids_disabled {
            let wish = self
                .participants
                .get(sender)
                .and_then(|participant| participant.subscriptions.get(track.as_str()));
            let setting = wish.and_then(|wish| wish.setting).unwrap_or_else(|| Setting::from(&Default::default()));
            let setting = Setting { disabled: true, ..setting };
            self.wish(sender, std::iter::once(track.as_str()), None, Some(setting));
        }
        let mut missed = Vec::new();
        for seen in &state.datachannel_receive_states {
            if let Some(publisher) = self.participants.get(seen.publisher_sid.as_str()) {
                missed.extend(publisher.reliable.missed(sender, seen.last_seq));
            }
        }
        for payload in missed {
            let channel = crate::DataChannel::Reliable;
            self.media(MediaCommand::SendData { to: vec![sender.clone()], channel, payload });
        }
    }

    fn handle_update_metadata(&mut self, sender: &ParticipantSid, update: UpdateParticipantMetadata) {
        let Some(participant) = self.participants.get_mut(sender) else { return };
        let (reason, message) = if participant.permission.can_update_metadata {
            match participant.apply(&update) {
                Ok(()) => (request_response::Reason::Ok, ""),
                Err(what) => (request_response::Reason::LimitExceeded, what),
            }
        } else {
            (request_response::Reason::NotAllowed, "does not have permission to update own metadata")
        };
        let answer = RequestResponse {
            request_id: update.request_id,
            reason: reason as i32,
            message: message.into(),
            request: Some(request_response::Request::UpdateMetadata(update)),
        };
        self.send(sender, signal_response::Message::RequestResponse(answer));
        if reason == request_response::Reason::Ok {
            self.announce(sender);
        }
    }

    fn update_track(
        &mut self,
        sender: &ParticipantSid,
        track: &str,
        change: impl FnOnce(&mut livekit_protocol::TrackInfo),
    ) {
        let track = TrackSid::from(track);
        let found = self
            .participants
            .get_mut(sender)
            .and_then(|participant| participant.tracks.get_mut(&track));
        let Some(publication) = found else { return };
        change(&mut publication.info);
        if publication.live {
            self.announce(sender);
        }
    }
}

impl crate::participant::Participant {
    /// Takes new name, metadata and attributes, or none of them when one does not fit. Empty fields are left
    /// alone; an attribute set to the empty string goes. Reserved ones are left alone.
    pub(super) fn apply(&mut self, update: &UpdateParticipantMetadata) -> Result<(), &'static str> {
        let name = match update.name.as_str() {
            "" => None,
            name => Some(display_name(name).map_err(|_| "exceeds name length limit")?),
        };
        let metadata = if update.metadata.is_empty() { &self.metadata } else { &update.metadata };
        let mut attributes = self.attributes.clone();
        merge_attributes(&mut attributes, &without_reserved(&update.attributes));
        if !baggage_fits(metadata, &attributes) {
            return Err("exceeds metadata and attributes size limit");
        }
        self.metadata = metadata.clone();
        self.attributes = attributes;
        self.name = name.unwrap_or_else(|| std::mem::take(&mut self.name));
        Ok(())
    }
}
