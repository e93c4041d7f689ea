//! Roles: what somebody may do in a room, by one word. A pure table, made once from the configuration.
//!
//! Knows neither who somebody is nor how they came by their role.

use std::collections::BTreeMap;

use livekit_protocol::{ParticipantPermission, TrackSource};
use sluice_rooms::Rights;

use crate::config::Role;

/// Moderates its room, and may record it.
pub(crate) const HOST: &str = "host";
/// Who is nothing else.
pub(crate) const PARTICIPANT: &str = "participant";
/// May in every room what a host may in its own, and everything outside of rooms.
pub(crate) const ADMIN: &str = "admin";

/// What a role lets its bearer do in a room.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Powers {
    /// With media and data.
    pub(crate) permission: ParticipantPermission,
    /// Over the room: who moderates has `room_admin`.
    pub(crate) rights: Rights,
}

impl Powers {
    fn of(role: &Role) -> Self {
        let sources = role.publish_sources.iter();
        Self {
            permission: ParticipantPermission {
                can_subscribe: role.subscribe,
                can_publish: role.publish,
                can_publish_data: role.data,
                // What is no source is one nobody publishes from.
                can_publish_sources: sources
                    .map(|name| TrackSource::from_str_name(&name.to_uppercase()).unwrap_or_default() as i32)
                    .collect(),
                hidden: role.hidden,
                // Everybody may rename themselves.
                can_update_metadata: true,
                ..ParticipantPermission::default()
            },
            rights: Rights { room_admin: role.moderate, room_record: role.record, ..Rights::default() },
        }
    }
}

/// All roles there are.
#[derive(Debug, Clone)]
pub(crate) struct Roles(BTreeMap<String, Powers>);

impl Roles {
    /// Those that are always there, and the application's. The latter cannot redefine the former.
    pub(crate) fn new(defined: &BTreeMap<String, Role>) -> Self {
        let mut roles: BTreeMap<_, _> = defined.iter().map(|(name, role)| (name.clone(), Powers::of(role))).collect();
        let moderator = Role { moderate: true, record: true, ..Role::default() };
        roles.insert(PARTICIPANT.to_owned(), Powers::of(&Role::default()));
        roles.insert(HOST.to_owned(), Powers::of(&moderator));
        roles.insert(ADMIN.to_owned(), Powers::of(&moderator));
        Self(roles)
    }

    /// What a role lets its bearer do; `None` when there is no such role.
    pub(crate) fn powers(&self, role: &str) -> Option<&Powers> {
        self.0.get(role)
    }

    /// All names, in the order of the alphabet.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_application_adds_roles_and_redefines_none() {
        let therapist = Role { moderate: true, record: false, ..Role::default() };
        let patient = Role { publish_sources: vec!["microphone".into(), "nose".into()], ..Role::default() };
        let silent = Role { publish: false, data: false, hidden: true, ..Role::default() };
        let defined = [("therapist", therapist), ("patient", patient), ("auditor", silent.clone()), ("host", silent)];
        let roles = Roles::new(&defined.map(|(name, role)| (name.to_owned(), role)).into());

        assert_eq!(
            roles.names().collect::<Vec<_>>(),
            ["admin", "auditor", "host", "participant", "patient", "therapist"]
        );
        assert_eq!(roles.powers("nobody"), None);
        let rights = |name: &str| roles.powers(name).unwrap().rights;
        assert!(rights("therapist").room_admin && !rights("therapist").room_record);
        assert!(rights(HOST).room_admin && rights(HOST).room_record && rights(ADMIN).room_admin);
        assert!(!rights(PARTICIPANT).room_admin && !rights("patient").room_admin);
        // Over other rooms no role says anything.
        assert!(roles.0.values().all(|powers| !powers.rights.room_create && !powers.rights.room_list));
        let may = |name: &str| roles.powers(name).unwrap().permission.clone();
        assert_eq!(may("patient").can_publish_sources, [TrackSource::Microphone as i32, TrackSource::Unknown as i32]);
        assert!(!may("auditor").can_publish && may("auditor").can_subscribe && may("auditor").hidden);
        assert!(may(HOST).can_publish && may(PARTICIPANT).can_publish_data && may(PARTICIPANT).can_update_metadata);
    }
}
