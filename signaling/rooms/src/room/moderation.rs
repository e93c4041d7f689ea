//! What the server API asks of a room.

use livekit_protocol::{
    DisconnectReason, ParticipantInfo, ParticipantPermission, ParticipantUpdate, Room, RoomMovedResponse,
    UpdateParticipantMetadata, leave_request, participant_info, signal_response,
};

use super::RoomState;
use crate::data::stamp;
use crate::effect::MediaCommand;
use crate::log::EndReason;
use crate::participant::Participant;
use crate::role::{USER_ATTRIBUTE, is_reserved};
use crate::text::baggage_fits;
use crate::{Effect, LobbyOutcome, Moderation, Now, ParticipantSid};

/// Identities sent away that a room remembers; the one sent away first is forgotten first. Its token still ends.
const REVOKED: usize = 1024;

/// Identities kept out of a room. Forgetting one would let it in, so the next is refused instead.
const KEPT_OUT: usize = 4096;

/// Why a room refused what the server API asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModerationError {
    /// Nobody of that identity is here, or it has no such track. (A track of another room is none here.)
    #[error("not found")]
    NotFound,
    /// Name, metadata or attributes are too large, or a packet cannot be read.
    #[error("the argument is not acceptable: {0}")]
    Invalid(&'static str),
    /// The configuration forbids it.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// There is too much of it already.
    #[error("too many: {0}")]
    TooMany(&'static str),
    /// The room is over.
    #[error("the room has ended")]
    Finished,
}

impl RoomState {
    /// Carries out what the server API asks; the caller has checked that it may.
    ///
    /// # Errors
    /// [`ModerationError`]; nothing has changed then.
    pub fn moderate(&mut self, moderation: Moderation, now: Now) -> Result<Vec<Effect>, ModerationError> {
        if self.finished {
            return Err(ModerationError::Finished);
        }
        if moderation.of_residents().is_some_and(|identity| self.is_guest(identity)) {
            return Err(ModerationError::NotAllowed("a forwarded participant is governed in its own room"));
        }
        match moderation {
            Moderation::RemoveParticipant { identity, revoke_before_s, keep_out } => {
                self.send_away(identity, revoke_before_s, keep_out, now)?;
            }
            Moderation::Readmit { identity } => {
                if !self.kept_out.remove(&identity) {
                    return Err(ModerationError::NotFound);
                }
            }
            Moderation::Knock { ticket, identity, name } => self.knock(&ticket, identity, &name, now)?,
            Moderation::StillThere { ticket } => self.lobby.ask(&ticket, now),
            Moderation::Withdraw { ticket } => self.decide(&ticket, LobbyOutcome::Gone, now)?,
            Moderation::Admit { ticket } => self.decide(&ticket, LobbyOutcome::Admitted, now)?,
            Moderation::Refuse { ticket } => self.decide(&ticket, LobbyOutcome::Refused, now)?,
            Moderation::SetEntry { locked, lobby } => self.set_entry(locked, lobby, now),
            Moderation::SetRole { identity, role, permission, rights } => {
                let sid = self.bearer(&identity)?;
                self.set_role(&sid, role, permission, rights, now)?;
            }
            Moderation::SetHand { identity, raised } => {
                let sid = self.bearer(&identity)?;
                self.set_hand(&sid, raised, now);
            }
            Moderation::MuteAll { except } => self.mute_all(&except),
            Moderation::AskToUnmute { identity, track, by } => {
                let sid = self.bearer(&identity)?;
                self.ask_to_unmute(&sid, &track, &by)?;
            }
            Moderation::PostChat { message } => self.post_chat(message, now)?,
            Moderation::DeleteChat { id } => self.delete_chat(&id)?,
            Moderation::MuteTrack { identity, track, muted } => {
                let sid = self.bearer(&identity)?;
                if !muted && !self.config.remote_unmute {
                    return Err(ModerationError::NotAllowed("remote unmute is not enabled"));
                }
                if !self.set_muted(&sid, track.as_str(), muted, true) {
                    return Err(ModerationError::NotFound);
                }
            }
            Moderation::UpdateParticipant { identity, name, metadata, attributes, permission } => {
                let sid = self.bearer(&identity)?;
                let update = UpdateParticipantMetadata {
                    name: name.unwrap_or_default(),
                    metadata: metadata.unwrap_or_default(),
                    attributes,
                    request_id: 0,
                };
                if let Some(participant) = self.participants.get_mut(&sid) {
                    participant.apply(&update).map_err(ModerationError::Invalid)?;
                }
                if let Some(permission) = permission {
                    self.appointments.amend(&identity, &permission, next_second(now));
                    if let Some(account) = self.participants.get(&sid).and_then(Participant::account) {
                        self.accounts.amend(account, &permission, next_second(now));
                    }
                    self.set_permission(&sid, permission, now);
                }
                self.announce(&sid);
                self.refresh_token(&sid);
            }
            Moderation::UpdateSubscriptions { identity, tracks, subscribe } => {
                let sid = self.bearer(&identity)?;
                self.wish(&sid, tracks.iter().map(|track| track.as_str()), Some(subscribe), None);
            }
            Moderation::UpdateRoomMetadata { metadata } => {
                if !baggage_fits(&metadata, &Default::default()) {
                    return Err(ModerationError::Invalid("exceeds metadata size limit"));
                }
                self.config.metadata = metadata;
                self.tell_room();
            }
            Moderation::Reconfigure { empty_timeout, departure_timeout, max_participants, metadata } => {
                let metadata = metadata.filter(|metadata| *metadata != self.config.metadata);
                if metadata.as_ref().is_some_and(|metadata| !baggage_fits(metadata, &Default::default())) {
                    return Err(ModerationError::Invalid("exceeds metadata size limit"));
                }
                let config = &mut self.config;
                config.empty_timeout = empty_timeout.unwrap_or(config.empty_timeout);
                config.departure_timeout = departure_timeout.unwrap_or(config.departure_timeout);
                config.max_participants = max_participants.unwrap_or(config.max_participants);
                if let Some(metadata) = metadata {
                    config.metadata = metadata;
                    self.tell_room();
                }
            }
            Moderation::PerformRpc { call, identity, method, payload, timeout } => {
                let sid = self.bearer(&identity)?;
                self.perform_rpc(call, &sid, (method, payload), timeout, now)?;
            }
            Moderation::MoveParticipant { identity, to, others } => {
                let sid = self.bearer(&identity)?;
                self.send_to(&sid, *to, others, now)?;
            }
            Moderation::ForwardParticipant { identity, forward } => self.forward(&identity, forward)?,
            Moderation::AdmitGuest { forward, portrait } => self.admit_guest(forward, &portrait, now)?,
            Moderation::SendData { channel, payload } => {
                let envelope =
                    stamp(&payload, "", "", channel).map_err(|_| ModerationError::Invalid("not a data packet"))?;
                if envelope.forged_notice {
                    return Err(ModerationError::Invalid("the topic is the server's own"));
                }
                let to = self.receivers(&envelope, None);
                if !to.is_empty() {
                    self.media(MediaCommand::SendData { to, channel, payload: envelope.bytes.into() });
                }
            }
            Moderation::DeleteRoom => {
                let action = leave_request::Action::Disconnect;
                self.finish(EndReason::Deleted, DisconnectReason::RoomDeleted, action, now);
            }
        }
        self.settle_session(now);
        Ok(self.take_effects())
    }

    fn bearer(&self, identity: &str) -> Result<ParticipantSid, ModerationError> {
        self.identities.get(identity).cloned().ok_or(ModerationError::NotFound)
    }

    /// New permissions, and what follows from them at once: tracks it may no longer publish end, tracks it may
    /// no longer receive stop.
    pub(super) fn set_permission(&mut self, sid: &ParticipantSid, permission: ParticipantPermission, now: Now) {
        let Some(participant) = self.participants.get_mut(sid) else { return };
        let was_visible = participant.visible();
        participant.permission = permission;
        self.unsettled = true;
        let is_visible = participant.visible();
        let forbidden: Vec<_> = participant
            .tracks
            .iter()
            .filter(|(_, track)| !participant.may_publish(track.info.source))
            .map(|(track, _)| track.clone())
            .collect();
        for track in forbidden {
            self.unpublish(&track, true, now);
        }
        self.reconcile_subscriber(sid);
        if was_visible && !is_visible {
            self.vanish(sid);
        }
        if was_visible != is_visible {
            let tracks = self.participants.get(sid).map(|participant| participant.tracks.keys().cloned().collect());
            let tracks: Vec<_> = tracks.unwrap_or_default();
            if is_visible {
                // Others shall know whose tracks these are.
                self.announce(sid);
            }
            tracks.iter().for_each(|track| self.reconcile_track(track));
            self.note_room_change(now);
        }
    }

    /// To others it has left.
    fn vanish(&mut self, sid: &ParticipantSid) {
        if let Some(silent) = self.speakers.remove(sid) {
            self.tell_speakers(vec![silent]);
        }
        let Some(participant) = self.participants.get_mut(sid) else { return };
        participant.revision += 1;
        let mut info = participant.info();
        info.state = participant_info::State::Disconnected as i32;
        let update = ParticipantUpdate { participants: vec![info] };
        self.broadcast(signal_response::Message::Update(update), |other| other.sid != *sid);
    }

    /// Ends somebody's session, for now or for good.
    fn send_away(
        &mut self,
        identity: String,
        revoke_before_s: Option<u64>,
        keep_out: bool,
        now: Now,
    ) -> Result<(), ModerationError> {
        let sid = self.identities.get(&identity).cloned();
        if sid.is_none() && !keep_out {
            return Err(ModerationError::NotFound);
        }
        if keep_out {
            if self.kept_out.len() >= KEPT_OUT && !self.kept_out.contains(&identity) {
                return Err(ModerationError::TooMany("identities that are kept out"));
            }
            self.kept_out.insert(identity.clone());
            self.refuse_all_of(&identity, now);
        }
        let mut gone: Vec<_> = sid.into_iter().collect();
        if let Some(account) = self.account_of(&identity).map(str::to_owned) {
            self.accounts.send_away(&account, revoke_before_s.unwrap_or_else(|| next_second(now)));
            if keep_out {
                gone.extend(self.others_of(&account, &identity, revoke_before_s, now));
            }
        }
        self.revoke(identity, revoke_before_s, now);
        for sid in gone {
            let action = leave_request::Action::Disconnect;
            self.remove(&sid, DisconnectReason::ParticipantRemoved, Some(action), now);
        }
        Ok(())
    }

    /// As whom else somebody is here who is kept out, from another device perhaps; none of its tokens is good any more.
    fn others_of(
        &mut self,
        account: &str,
        identity: &str,
        revoke_before_s: Option<u64>,
        now: Now,
    ) -> Vec<ParticipantSid> {
        let mut identities = self.identities_of(account);
        identities.remove(identity);
        let here = identities.iter().filter_map(|identity| self.identities.get(identity).cloned()).collect();
        for identity in identities {
            self.revoke(identity, revoke_before_s, now);
        }
        here
    }

    /// Mutes microphones of those who do not moderate.
    fn mute_all(&mut self, except: &[String]) {
        let muted = self.participants.values().filter(|participant| !participant.moderates());
        let muted = muted.filter(|participant| !except.contains(&participant.identity));
        let open: Vec<_> = muted.flat_map(|participant| participant.open_microphones()).collect();
        for (publisher, track) in open {
            self.set_muted(&publisher, track.as_str(), true, true);
        }
    }

    /// From now on only a token signed later lets this identity in.
    fn revoke(&mut self, identity: String, before_s: Option<u64>, now: Now) {
        let next_second = next_second(now);
        if self.revoked.len() >= REVOKED
            && let Some(oldest) = self.revoked.iter().min_by_key(|(_, before)| **before)
        {
            let oldest = oldest.0.clone();
            self.revoked.remove(&oldest);
        }
        self.revoked.insert(identity, before_s.unwrap_or(next_second));
    }

    /// Tells a participant that it is in another room now, and ends its session here. Its peer connections belong to
    /// this room's media, so its client makes new ones there: it is told to join anew, with the token it was given.
    fn send_to(
        &mut self,
        sid: &ParticipantSid,
        to: Room,
        others: Vec<ParticipantInfo>,
        now: Now,
    ) -> Result<(), ModerationError> {
        let Some(participant) = self.participants.get(sid) else { return Err(ModerationError::NotFound) };
        let Some(connection) = participant.connection else {
            return Err(ModerationError::NotAllowed("the participant's connection is broken: it cannot be told"));
        };
        let others = others.into_iter().map(|mut other| {
            // The server API sees more of people than they of each other.
            other.attributes.remove(USER_ATTRIBUTE);
            other
        });
        let me = ParticipantInfo { tracks: Vec::new(), version: participant.revision + 1, ..participant.info() };
        let moved = RoomMovedResponse {
            room: Some(to),
            token: String::new(),
            participant: Some(me),
            other_participants: others.collect(),
        };
        let mut claims = Box::new(participant.token_claims());
        // Who moderates this room was not said to moderate that one.
        claims.rights.room_admin = false;
        claims.attributes.retain(|key, _| !is_reserved(key));
        self.effects.push(Effect::Move { connection, claims, moved: Box::new(moved) });
        self.remove(sid, DisconnectReason::Migration, Some(leave_request::Action::Reconnect), now);
        Ok(())
    }
}

/// The first second, since 1970, in which a token is surely signed later than now: one signed within this second may be
/// the one somebody has.
pub(super) fn next_second(now: Now) -> u64 {
    u64::try_from(now.unix_ms / 1000).unwrap_or(0) + 1
}
