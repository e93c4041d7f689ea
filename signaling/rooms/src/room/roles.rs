//! Who is what: roles given in the room, and raised hands.

use livekit_protocol::ParticipantPermission;

use super::moderation::next_second;
use super::{ModerationError, RoomState};
use crate::log::RoomEventKind;
use crate::participant::Participant;
use crate::role::{self, Appointment, HAND_ATTRIBUTE, ROLE_ATTRIBUTE, ROLE_BYTES};
use crate::text::valid_key;
use crate::{Now, ParticipantSid, Rights};

impl RoomState {
    /// What somebody who is here may ask of the server API in this room's name, whatever its token says.
    #[must_use]
    pub fn rights_of(&self, identity: &str) -> Option<Rights> {
        self.bearer_of(identity).map(|participant| participant.rights)
    }

    /// The role of somebody who is here, or the one that was given to somebody who was; empty for none.
    #[must_use]
    pub fn role_of(&self, identity: &str) -> Option<&str> {
        let here = self.bearer_of(identity).map(Participant::role);
        here.or_else(|| self.appointments.of(identity).map(|given| given.role.as_str()))
    }

    /// Whether a token that says its bearer moderates (`roomAdmin`) still says so truly: who is here is what it is here, and
    /// who has left is what it was made after the token was signed.
    #[must_use]
    pub fn still_moderates(&self, identity: &str, signed_at_s: u64) -> bool {
        let here = self.bearer_of(identity).map(|participant| participant.rights);
        let rights = here.or_else(|| self.appointments.since(identity, signed_at_s).map(|given| given.rights));
        rights.is_none_or(|rights| rights.room_admin)
    }

    fn bearer_of(&self, identity: &str) -> Option<&Participant> {
        self.participants.get(self.identities.get(identity)?)
    }

    pub(super) fn set_role(
        &mut self,
        sid: &ParticipantSid,
        role: String,
        permission: ParticipantPermission,
        rights: Rights,
        now: Now,
    ) -> Result<(), ModerationError> {
        if role.len() > ROLE_BYTES || !(role.is_empty() || valid_key(&role)) {
            return Err(ModerationError::Invalid("not a name for a role"));
        }
        let Some(participant) = self.participants.get_mut(sid) else { return Err(ModerationError::NotFound) };
        let from = participant.role().to_owned();
        role::set(&mut participant.attributes, ROLE_ATTRIBUTE, &role);
        let moderated = participant.moderates();
        participant.rights = rights;
        let identity = participant.identity.clone();
        let before_s = next_second(now);
        let appointment = Appointment { role: role.clone(), permission: permission.clone(), rights, before_s };
        self.appointments.note(identity, appointment);
        self.set_permission(sid, permission, now);
        self.announce(sid);
        self.refresh_token(sid);
        if from.is_empty() {
            self.greet(sid);
        } else if rights.room_admin && !moderated {
            self.tell_lobby_to(|participant| participant.sid == *sid);
        }
        if from != role
            && let Some(participant) = self.participants.get(sid).map(Participant::info)
        {
            self.log(RoomEventKind::RoleChanged { participant, from, to: role }, now);
        }
        Ok(())
    }

    pub(super) fn set_hand(&mut self, sid: &ParticipantSid, raised: bool, now: Now) {
        let Some(participant) = self.participants.get_mut(sid) else { return };
        if participant.attributes.contains_key(HAND_ATTRIBUTE) == raised {
            return;
        }
        let since = if raised { now.unix_ms.to_string() } else { String::new() };
        role::set(&mut participant.attributes, HAND_ATTRIBUTE, &since);
        self.announce(sid);
        if let Some(participant) = self.participants.get(sid).map(Participant::info) {
            let kind = match raised {
                true => RoomEventKind::HandRaised { participant },
                false => RoomEventKind::HandLowered { participant },
            };
            self.log(kind, now);
        }
    }
}
