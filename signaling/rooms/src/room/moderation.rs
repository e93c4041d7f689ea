//! What the server API asks of a room.

use livekit_protocol::{DisconnectReason, ParticipantPermission, UpdateParticipantMetadata, leave_request};

use super::RoomState;
use crate::data::stamp;
use crate::effect::MediaCommand;
use crate::log::EndReason;
use crate::text::baggage_fits;
use crate::{Effect, Moderation, Now, ParticipantSid};

/// Why a room refused what the server API asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModerationError {
    /// Nobody of that identity is here, or it has no such track. (A track of another room is none here.)
    #[error("not found")]
    NotFound,
    /// Name, metadata or attributes are too large, or a packet cannot be read.
    #[error("the argument is not acceptable: {0}")]
    Invalid(&'static str),
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
        match moderation {
            Moderation::RemoveParticipant { identity } => {
                let sid = self.bearer(&identity)?;
                let action = leave_request::Action::Disconnect;
                self.remove(&sid, DisconnectReason::ParticipantRemoved, Some(action), now);
            }
            Moderation::MuteTrack { identity, track, muted } => {
                let sid = self.bearer(&identity)?;
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
            Moderation::SendData { channel, payload } => {
                let envelope =
                    stamp(&payload, "", "", channel).map_err(|_| ModerationError::Invalid("not a data packet"))?;
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
        Ok(std::mem::take(&mut self.effects))
    }

    fn bearer(&self, identity: &str) -> Result<ParticipantSid, ModerationError> {
        self.identities.get(identity).cloned().ok_or(ModerationError::NotFound)
    }

    /// New permissions, and what follows from them at once: tracks it may no longer publish end, tracks it may
    /// no longer receive stop.
    fn set_permission(&mut self, sid: &ParticipantSid, permission: ParticipantPermission, now: Now) {
        let Some(participant) = self.participants.get_mut(sid) else { return };
        // Hidden is for life: others were or were not told of it.
        let hidden = participant.permission.hidden;
        participant.permission = ParticipantPermission { hidden, ..permission };
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
    }
}
