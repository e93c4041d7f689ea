//! What somebody is in a room beyond its permissions: its role, its raised hand, and the attributes that show both.
//!
//! Attributes that begin with [`RESERVED`] are the server's. Only a token signed by an API key and the room itself set
//! them, so that nobody makes itself a host in the eyes of others. One of them says whose account somebody is, and is
//! shown to nobody.

use std::collections::{BTreeMap, HashMap};

use livekit_protocol::ParticipantPermission;

use crate::{Grants, Rights};

/// Attributes that clients cannot set.
pub(crate) const RESERVED: &str = "sluice.";
/// The attribute that names a participant's role.
pub const ROLE_ATTRIBUTE: &str = "sluice.role";
/// The attribute that says since when a hand is up: milliseconds since 1970. Not there while it is down.
pub const HAND_ATTRIBUTE: &str = "sluice.hand";
/// The attribute that says whose account somebody is. Told to those who keep the server, and not to people in rooms.
pub const USER_ATTRIBUTE: &str = "sluice.user";
/// The attribute that says that somebody agreed to be recorded, and when: milliseconds since 1970.
pub const CONSENT_ATTRIBUTE: &str = "sluice.consent";
/// Longest name of a role in bytes; it is shown beside names.
pub(crate) const ROLE_BYTES: usize = 64;
/// Roles given in a room that it remembers. The one given first is forgotten first; its token is the oldest.
const APPOINTMENTS: usize = 1024;

/// Whether only the server sets this attribute.
pub(crate) fn is_reserved(attribute: &str) -> bool {
    attribute.starts_with(RESERVED)
}

/// What a client may say of itself.
pub(crate) fn without_reserved(attributes: &HashMap<String, String>) -> HashMap<String, String> {
    let own = attributes.iter().filter(|(key, _)| !is_reserved(key));
    own.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A role that was given in the room.
#[derive(Debug, Clone)]
pub(crate) struct Appointment {
    pub(crate) role: String,
    pub(crate) permission: ParticipantPermission,
    pub(crate) rights: Rights,
    /// Tokens signed before, in seconds since 1970, do not know of it.
    pub(crate) before_s: u64,
}

impl Appointment {
    /// Makes of what a token grants what was given since.
    pub(crate) fn apply(self, grants: &mut Grants) {
        grants.permission = self.permission;
        grants.rights = self.rights;
        set(&mut grants.attributes, ROLE_ATTRIBUTE, &self.role);
    }
}

/// Roles given, by identity. A token from before a promotion or demotion is good until it runs out; without this
/// memory who joins anew with it would be again what it was.
#[derive(Debug, Default)]
pub(crate) struct Appointments(BTreeMap<String, Appointment>);

impl Appointments {
    pub(crate) fn note(&mut self, identity: String, appointment: Appointment) {
        if self.0.len() >= APPOINTMENTS
            && !self.0.contains_key(&identity)
            && let Some(oldest) = self.0.iter().min_by_key(|(_, known)| known.before_s)
        {
            let oldest = oldest.0.clone();
            self.0.remove(&oldest);
        }
        self.0.insert(identity, appointment);
    }

    /// Whose permission is changed otherwise keeps it as it keeps its role.
    pub(crate) fn amend(&mut self, identity: &str, permission: &ParticipantPermission, before_s: u64) {
        if let Some(known) = self.0.get_mut(identity) {
            known.permission = permission.clone();
            known.before_s = before_s;
        }
    }

    /// The role that was given last.
    pub(crate) fn of(&self, identity: &str) -> Option<&Appointment> {
        self.0.get(identity)
    }

    /// What was given after a token was signed, of which it does not know.
    pub(crate) fn since(&self, identity: &str, signed_at_s: u64) -> Option<&Appointment> {
        self.of(identity).filter(|known| signed_at_s < known.before_s)
    }

    /// No role was given any more.
    pub(crate) fn forget(&mut self, identity: &str) {
        self.0.remove(identity);
    }
}

/// Sets an attribute; an empty one goes. True when that changed anything.
pub(crate) fn set(attributes: &mut HashMap<String, String>, key: &str, value: &str) -> bool {
    if attributes.get(key).map_or("", String::as_str) == value {
        return false;
    }
    match value {
        "" => drop(attributes.remove(key)),
        _ => drop(attributes.insert(key.to_owned(), value.to_owned())),
    }
    true
}
