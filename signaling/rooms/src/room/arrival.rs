//! Coming and going: join, resume, signal lost, removal.

use std::time::Duration;

use livekit_protocol::{
    DisconnectReason, JoinResponse, ParticipantUpdate, ReconnectResponse, RoomUpdate, SpeakersChanged,
    SubscriptionPermissionUpdate, leave_request, participant_info, signal_response,
};

use super::{CONNECT_TIMEOUT, RoomState, TOKEN_REFRESH, Timer};
use crate::account::account_in;
use crate::effect::MediaCommand;
use crate::log::RoomEventKind;
use crate::participant::Participant;
use crate::publication::enabled_codecs;
use crate::{Arrival, ConnectionId, Effect, Grants, Now, ParticipantSid, Resume, SignalVersion};

/// What clients are told to ping: every so many seconds, and to give up after so many without an answer.
/// SDKs divide by the first: never 0.
const PING_INTERVAL_S: i32 = 5;
const PING_TIMEOUT_S: i32 = 15;
/// Two clients that fight for one identity would take it from each other for ever; past so many takeovers
/// within [`TAKEOVER_WINDOW`] the newcomer is refused. A client with a bad network needs a few for its own
/// full reconnects.
const TAKEOVERS: usize = 8;
const TAKEOVER_WINDOW: Duration = Duration::from_secs(10);

/// Who was lost, and not sent away, finds a locked room open for so long: SDKs try for about a minute.
const RETURN_WINDOW: Duration = Duration::from_secs(60);
/// So many at once. When more are lost, a network is down, and a host can open the room.
const RETURNING: usize = 1024;

impl RoomState {
    pub(super) fn handle_join(&mut self, arrival: &Arrival, now: Now) {
        let identity = &arrival.grants.identity;
        let older = self.identities.get(identity).cloned();
        if older.is_some() && !self.may_take_over(identity, now) {
            let reason = DisconnectReason::DuplicateIdentity;
            return self.dismiss(arrival.connection, reason, leave_request::Action::Disconnect);
        }
        if self.is_revoked(&arrival.grants) {
            let reason = DisconnectReason::ParticipantRemoved;
            return self.dismiss(arrival.connection, reason, leave_request::Action::Disconnect);
        }
        let sid = self.sids.participant();
        let mut participant = Participant::new(sid.clone(), arrival, now.unix_ms, now.at + TOKEN_REFRESH);
        let frees_a_place = older.as_ref().and_then(|older| self.participants.get(older));
        let frees_a_place = frees_a_place.is_some_and(|older| !older.is_dependent());
        if self.is_full() && !frees_a_place && !participant.is_dependent() {
            return self.dismiss(arrival.connection, DisconnectReason::JoinFailure, leave_request::Action::Disconnect);
        }
        // Who is here from another room is not somebody who came in.
        let is_here = older.is_some() && !self.is_guest(identity);
        if !is_here && !self.opens_to(&participant, now) {
            return self.dismiss(arrival.connection, DisconnectReason::JoinFailure, leave_request::Action::Disconnect);
        }
        if let Some(older) = older {
            let action = leave_request::Action::Disconnect;
            self.remove(&older, DisconnectReason::DuplicateIdentity, Some(action), now);
        }

        let refresh_at = participant.refresh_at;
        let connect_by = now.at + CONNECT_TIMEOUT;
        participant.connect_by = Some(connect_by);
        let (info, record, visible) = (participant.info(), participant.record(), participant.visible());
        let (takes_trailers, allows_pauses) = (participant.takes_trailers(), participant.allows_pauses);
        self.timers.insert((refresh_at, Timer::RefreshToken(sid.clone())));
        self.timers.insert((connect_by, Timer::Connect(sid.clone())));
        if !participant.is_dependent() {
            self.expires_at = None;
            self.held_until = None;
        }
        self.connections.insert(arrival.connection, sid.clone());
        self.identities.insert(identity.clone(), sid.clone());
        if let Some(account) = participant.account() {
            self.accounts.came(identity, account);
        }
        let seen = self.participants.values().filter(|other| other.visible()).map(Participant::info);
        let other_participants: Vec<_> = seen.collect();
        self.participants.insert(sid.clone(), participant);
        self.unsettled = true;

        let (participant, version) = (sid.clone(), arrival.version);
        self.media(MediaCommand::AddParticipant { participant, version, takes_trailers, allows_pauses });
        let join = JoinResponse {
            room: Some(self.info()),
            participant: Some(info.clone()),
            other_participants,
            server_version: self.config.server_info.version.clone(),
            ice_servers: self.config.ice_servers.clone(),
            // "Connected" for a v0 client is its receiving connection, which this server offers.
            subscriber_primary: arrival.version == SignalVersion::V0,
            ping_timeout: PING_TIMEOUT_S,
            ping_interval: PING_INTERVAL_S,
            server_info: Some(self.config.server_info.clone()),
            enabled_publish_codecs: enabled_codecs(),
            fast_publish: true,
            ..Default::default()
        };
        self.send_on(arrival.connection, signal_response::Message::Join(join));
        self.refresh_token(&sid);
        let speakers = self.speakers.active();
        if !speakers.is_empty() {
            self.send(&sid, signal_response::Message::SpeakersChanged(SpeakersChanged { speakers }));
        }
        if visible {
            // Others see it at once, as JOINED; they shall not wait for a client whose media is stuck.
            let update = ParticipantUpdate { participants: vec![info] };
            self.broadcast(signal_response::Message::Update(update), |other| other.sid != sid);
        }
        self.log(RoomEventKind::ParticipantJoined { participant: record }, now);
        self.note_room_change(now);

        // Subscriptions and announcements before the offer: the first answer can carry all of it.
        self.reconcile_subscriber(&sid);
        for request in &arrival.request.add_track_requests {
            self.handle_add_track(&sid, request);
        }
        if let Some(offer) = &arrival.request.publisher_offer {
            self.handle_offer(&sid, offer.clone(), now);
        }
    }

    /// Whether the bearer, or its account under another identity, was sent away after its token was signed, or for good.
    fn is_revoked(&self, grants: &Grants) -> bool {
        let is_old = self.revoked.get(&grants.identity).is_some_and(|before| grants.signed_at_s < *before);
        // Who is still here under this identity was not meant.
        let account = account_in(&grants.attributes).filter(|_| !self.identities.contains_key(&grants.identity));
        let is_of_old = account.is_some_and(|account| self.accounts.has_gone_since(account, grants.signed_at_s));
        is_old || is_of_old || self.kept_out.contains(&grants.identity)
    }

    /// Whether somebody who is not here may come in. Who was let in by hand may, and who has just been lost and comes
    /// back; recorders and agents are sent by back ends, which know what they do.
    fn opens_to(&self, newcomer: &Participant, now: Now) -> bool {
        let comes_back = self.returning.get(&newcomer.identity).is_some_and(|until| *until > now.at);
        !self.config.entry.locked
            || comes_back
            || newcomer.rights.room_admin
            || newcomer.is_dependent()
            || self.lobby.expects(&newcomer.identity)
    }

    /// Somebody was lost and will come back: no lock shall keep it out.
    fn expect_back(&mut self, identity: &str, now: Now) {
        self.returning.retain(|_, until| *until > now.at);
        if self.returning.len() < RETURNING {
            self.returning.insert(identity.to_owned(), now.at + RETURN_WINDOW);
        }
    }

    fn may_take_over(&mut self, identity: &str, now: Now) -> bool {
        self.takeovers.retain(|_, at| {
            at.retain(|at| *at + TAKEOVER_WINDOW > now.at);
            !at.is_empty()
        });
        let lately = self.takeovers.entry(identity.to_owned()).or_default();
        lately.push(now.at);
        lately.len() <= TAKEOVERS
    }

    pub(super) fn handle_resume(&mut self, resume: &Resume, now: Now) {
        let arrival = &resume.arrival;
        let connection = arrival.connection;
        if self.is_revoked(&arrival.grants) {
            let reason = DisconnectReason::ParticipantRemoved;
            return self.dismiss(connection, reason, leave_request::Action::Disconnect);
        }
        let known = self.participants.get_mut(&resume.participant).filter(|participant| {
            let is_it = participant.identity == arrival.grants.identity && participant.version == arrival.version;
            is_it && participant.guest.is_none()
        });
        let Some(participant) = known else {
            let reason = DisconnectReason::StateMismatch;
            return self.dismiss(connection, reason, leave_request::Action::Reconnect);
        };
        let sid = participant.sid.clone();
        let old = participant.connection.replace(connection);
        participant.departs_at = None;
        participant.refresh_at = now.at + TOKEN_REFRESH;
        let last_message_seq = participant.reliable.last_sequence();
        self.connections.insert(connection, sid.clone());
        self.unsettled = true;
        if let Some(old) = old {
            self.connections.remove(&old);
            self.effects.push(Effect::Close { connection: old });
        }
        if self.closes_before_resume(&sid, now) {
            return self.break_signal(&sid, now);
        }

        let reconnect = ReconnectResponse {
            ice_servers: self.config.ice_servers.clone(),
            server_info: Some(self.config.server_info.clone()),
            last_message_seq,
            ..Default::default()
        };
        self.send_on(connection, signal_response::Message::Reconnect(reconnect));
        let visible = self.participants.values().filter(|other| other.visible() || other.sid == sid);
        let participants = visible.map(Participant::info).collect();
        self.send(&sid, signal_response::Message::Update(ParticipantUpdate { participants }));
        let room = Some(self.info());
        self.send(&sid, signal_response::Message::RoomUpdate(RoomUpdate { room }));
        self.refresh_token(&sid);
        let speakers = self.speakers.active();
        self.send(&sid, signal_response::Message::SpeakersChanged(SpeakersChanged { speakers }));
        self.retell_permissions(&sid);
        self.retell_adaptation(&sid);
        self.greet(&sid);
        self.media(MediaCommand::Resume { participant: sid.clone() });
        if let Some(participant) = self.participants.get(&sid).map(Participant::record) {
            self.log(RoomEventKind::ParticipantResumed { participant }, now);
        }
        if let Some(state) = &arrival.request.sync_state {
            self.handle_sync_state(&sid, state, now);
        }
        for request in &arrival.request.add_track_requests {
            self.handle_add_track(&sid, request);
        }
        if let Some(offer) = &arrival.request.publisher_offer {
            self.handle_offer(&sid, offer.clone(), now);
        }
        if self.closes_on_resume(&sid, now) {
            self.break_signal(&sid, now);
        }
    }

    /// What was denied while the client was away, it may not have heard.
    fn retell_permissions(&mut self, sid: &ParticipantSid) {
        let Some(participant) = self.participants.get(sid) else { return };
        let denied = participant.subscriptions.iter().filter(|(_, subscription)| subscription.denied);
        let updates: Vec<_> = denied
            .filter_map(|(track, _)| {
                let participant_sid = self.publishers.get(track)?.to_string();
                Some(SubscriptionPermissionUpdate { participant_sid, track_sid: track.to_string(), allowed: false })
            })
            .collect();
        for update in updates {
            self.send(sid, signal_response::Message::SubscriptionPermissionUpdate(update));
        }
    }

    /// A signal connection is gone. Its participant is kept for a while: media goes on without it.
    pub(super) fn handle_signal_lost(&mut self, connection: ConnectionId, now: Now) {
        let Some(sid) = self.connections.remove(&connection) else { return };
        let Some(participant) = self.participants.get_mut(&sid) else { return };
        let departs_at = now.at + self.config.resume_window;
        participant.connection = None;
        participant.departs_at = Some(departs_at);
        self.unsettled = true;
        self.timers.insert((departs_at, Timer::Departure(sid)));
    }

    /// Ends a participant and tells the others. With an action its client is told as well.
    pub(super) fn remove(
        &mut self,
        sid: &ParticipantSid,
        reason: DisconnectReason,
        action: Option<leave_request::Action>,
        now: Now,
    ) {
        let Some(mut info) = self.remove_quietly(sid, reason, action, now) else { return };
        self.note_loss(reason);
        let was_lost = action == Some(leave_request::Action::Reconnect) && reason != DisconnectReason::Migration;
        if was_lost || reason == DisconnectReason::SignalClose {
            self.expect_back(&info.identity, now);
        }
        if let Some(silent) = self.speakers.remove(sid) {
            // Before the farewell: clients look the speaker up among those present.
            self.tell_speakers(vec![silent]);
        }
        if info.permission.as_ref().is_none_or(|permission| !permission.hidden) {
            info.state = participant_info::State::Disconnected as i32;
            info.disconnect_reason = reason as i32;
            let update = ParticipantUpdate { participants: vec![info] };
            self.broadcast(signal_response::Message::Update(update), |_| true);
        }
        self.note_room_change(now);
        let is_attended = self.participants.values().any(|participant| !participant.is_dependent());
        if !is_attended && self.expires_at.is_none() {
            let expires_at = now.at + self.config.departure_timeout;
            self.expires_at = Some(expires_at);
            self.timers.insert((expires_at, Timer::Expiry));
        }
    }

    /// Takes a participant out of everything, without a word to the others. Answers the last they may know.
    pub(super) fn remove_quietly(
        &mut self,
        sid: &ParticipantSid,
        reason: DisconnectReason,
        action: Option<leave_request::Action>,
        now: Now,
    ) -> Option<livekit_protocol::ParticipantInfo> {
        let mut participant = self.participants.remove(sid)?;
        participant.revision += 1;
        self.identities.remove(&participant.identity);
        self.unsettled = true;
        self.ratings.remove(sid);
        self.end_calls(|to| to == sid);
        if let Some(connection) = participant.connection {
            match action {
                Some(action) => self.dismiss(connection, reason, action),
                None => self.effects.push(Effect::Close { connection }),
            }
            self.connections.remove(&connection);
        }
        self.withdraw_media(&participant);
        let (info, record) = (participant.info(), participant.record());
        for (track, publication) in &participant.tracks {
            self.publishers.remove(track);
            self.forget_subscriptions(track);
            if publication.live {
                let (participant, track) = (record.clone(), publication.info.clone());
                self.log(RoomEventKind::TrackUnpublished { participant, track }, now);
            }
        }
        let was_active = participant.active;
        self.log(RoomEventKind::ParticipantLeft { participant: record, reason, was_active }, now);
        Some(info)
    }
}
