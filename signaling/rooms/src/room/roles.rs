//! Who is what: roles given in the room, and raised hands.

use std::collections::BTreeSet;

use livekit_protocol::ParticipantPermission;

use super::moderation::next_second;
use super::{ModerationError, RoomState};
use crate::account::account_in;
use crate::log::RoomEventKind;
use crate::participant::Participant;
use crate::role::{self, Appointment, HAND_ATTRIBUTE, ROLE_ATTRIBUTE, ROLE_BYTES};
use crate::text::valid_key;
use crate::{Grants, Now, ParticipantSid, Rights};

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
        let account = || self.accounts.behind(identity).and_then(|account| self.accounts.role(account));
        here.or_else(account)
            .or_else(|| self.appointments.of(identity).map(|given| given.role.as_str()))
    }

    /// Whose account somebody is who is here, or was.
    #[must_use]
    pub fn account_of(&self, identity: &str) -> Option<&str> {
        let here = self.bearer_of(identity).and_then(Participant::account);
        here.or_else(|| self.accounts.behind(identity))
    }

    /// Under which identities an account is here, or was.
    #[must_use]
    pub fn identities_of(&self, account: &str) -> BTreeSet<String> {
        let here = self.participants.values().filter(|participant| participant.account() == Some(account));
        let here = here.map(|participant| participant.identity.as_str());
        here.chain(self.accounts.identities(account)).map(str::to_owned).collect()
    }

    /// What an account was made in this session of the room, whoever it comes as: a role, or nothing of its own (empty) where
    /// it was sent away. `None` where nobody decided anything.
    #[must_use]
    pub fn role_given_to(&self, account: &str) -> Option<&str> {
        self.accounts.role(account)
    }

    /// Whether a token that says its bearer moderates (`roomAdmin`) still says so truly: who is here is what it is here, and
    /// who is not is what it, or its account, was made after the token was signed.
    #[must_use]
    pub fn still_moderates(&self, identity: &str, account: Option<&str>, signed_at_s: u64) -> bool {
        if let Some(participant) = self.bearer_of(identity) {
            return participant.moderates();
        }
        if account.is_some_and(|account| self.accounts.has_gone_since(account, signed_at_s)) {
            return false;
        }
        let given = self.given_since(identity, account, signed_at_s);
        given.is_none_or(|given| given.rights.room_admin)
    }

    /// What a token grants in this room: what it says, unless a role was given after it was signed.
    pub(super) fn appoint(&self, grants: &mut Grants) {
        // Who is here is known by its identity, and may have been given another role than its account under another one.
        let account = account_in(&grants.attributes).filter(|_| self.bearer_of(&grants.identity).is_none());
        if let Some(given) = self.given_since(&grants.identity, account, grants.signed_at_s).cloned() {
            given.apply(grants);
        }
    }

    fn given_since(&self, identity: &str, account: Option<&str>, signed_at_s: u64) -> Option<&Appointment> {
        let to_account = account.and_then(|account| self.accounts.since(account, signed_at_s));
        to_account.or_else(|| self.appointments.since(identity, signed_at_s))
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
        if let Some(account) = participant.account() {
            self.accounts.appoint(account.to_owned(), appointment.clone());
        }
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
            && let Some(participant) = self.participants.get(sid).map(Participant::record)
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
        if let Some(participant) = self.participants.get(sid).map(Participant::record) {
            let kind = match raised {
                true => RoomEventKind::HandRaised { participant },
                false => RoomEventKind::HandLowered { participant },
            };
            self.log(kind, now);
        }
    }
}
