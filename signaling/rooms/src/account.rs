//! Accounts: by which of them people came, and what a host made of an account in this room.
//!
//! Who has an account joins as somebody new whenever it likes, under an identity that nobody has heard of. So what a host
//! decides about somebody holds for its account, too, as long as this session of the room goes on. To the room an account is
//! a name in a token ([`USER_ATTRIBUTE`]): whether there is one, and who is kept out for longer, the server knows.

use std::collections::{BTreeMap, HashMap};

use livekit_protocol::ParticipantPermission;

use crate::role::{Appointment, Appointments, USER_ATTRIBUTE};

/// Identities whose account a room remembers, also of people who have left. Of more, any one is forgotten: who is here says
/// itself whose account it is.
const BEARERS: usize = 4096;
/// Accounts sent away that a room remembers; the one sent away first is forgotten first.
const SENT_AWAY: usize = 1024;

/// Whose account somebody is who has these attributes.
pub(crate) fn account_in(attributes: &HashMap<String, String>) -> Option<&str> {
    attributes.get(USER_ATTRIBUTE).map(String::as_str).filter(|account| !account.is_empty())
}

/// What a room knows of accounts.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    /// The account behind an identity.
    bearers: BTreeMap<String, String>,
    /// Roles given, by account.
    appointments: Appointments,
    /// Since when an account's tokens must be (seconds since 1970), by account.
    sent_away: BTreeMap<String, u64>,
}

impl Accounts {
    /// An account comes in under this identity.
    pub(crate) fn came(&mut self, identity: &str, account: &str) {
        if self.bearers.len() >= BEARERS && !self.bearers.contains_key(identity) {
            self.bearers.pop_first();
        }
        self.bearers.insert(identity.to_owned(), account.to_owned());
    }

    /// Whose account came under this identity.
    pub(crate) fn behind(&self, identity: &str) -> Option<&str> {
        self.bearers.get(identity).map(String::as_str)
    }

    /// Under which identities an account came.
    pub(crate) fn identities<'a>(&'a self, account: &'a str) -> impl Iterator<Item = &'a str> {
        self.bearers
            .iter()
            .filter(move |(_, of)| *of == account)
            .map(|(identity, _)| identity.as_str())
    }

    /// An account is this here from now on, also under its next identity.
    pub(crate) fn appoint(&mut self, account: String, appointment: Appointment) {
        self.appointments.note(account, appointment);
    }

    /// Its permission is changed otherwise.
    pub(crate) fn amend(&mut self, account: &str, permission: &ParticipantPermission, before_s: u64) {
        self.appointments.amend(account, permission, before_s);
    }

    /// An account is sent away: no token from before lets it in as somebody else, and it is nothing special any more.
    pub(crate) fn send_away(&mut self, account: &str, before_s: u64) {
        self.appointments.forget(account);
        if self.sent_away.len() >= SENT_AWAY
            && !self.sent_away.contains_key(account)
            && let Some(oldest) = self.sent_away.iter().min_by_key(|(_, before)| **before)
        {
            let oldest = oldest.0.clone();
            self.sent_away.remove(&oldest);
        }
        self.sent_away.insert(account.to_owned(), before_s);
    }

    /// What an account was made here; empty where it was sent away, and `None` where nothing was decided about it.
    pub(crate) fn role(&self, account: &str) -> Option<&str> {
        let given = self.appointments.of(account).map(|given| given.role.as_str());
        given.or_else(|| self.sent_away.contains_key(account).then_some(""))
    }

    /// What it was made after a token was signed.
    pub(crate) fn since(&self, account: &str, signed_at_s: u64) -> Option<&Appointment> {
        self.appointments.since(account, signed_at_s)
    }

    /// Whether it was sent away after a token was signed.
    pub(crate) fn has_gone_since(&self, account: &str, signed_at_s: u64) -> bool {
        self.sent_away.get(account).is_some_and(|before_s| signed_at_s < *before_s)
    }
}
