//! What is remembered of a room while it is recorded, for the manifest: who was there, what was written, what happened.

use std::collections::BTreeMap;

use livekit_protocol::{ParticipantInfo, SpeakerInfo, TrackSource};
use sluice_recorder::manifest::{Event, Manifest, Message, Participant, Room, Speaker, Track, VERSION};
use sluice_recordings::rfc3339;
use sluice_rooms::{RoomEvent, RoomEventKind, RoomSnapshot};

/// People, messages and events remembered, each. A longer list would make a manifest that no page reads.
const REMEMBERED: usize = 10_000;

pub(super) struct Ledger {
    manifest: Manifest,
    began_ms: i64,
    /// Identities of those who are or were there, by their sids, which is what speakers are told by.
    names: BTreeMap<String, String>,
    /// Who speaks, by sid, and since when.
    speaking: BTreeMap<String, u64>,
}

impl Ledger {
    /// From the room as it is when the recording begins.
    pub(super) fn new(seen: &RoomSnapshot, began_ms: i64) -> Self {
        let manifest = Manifest {
            version: VERSION,
            room: Room { sid: seen.room.sid.clone(), name: seen.room.name.clone() },
            started_at: rfc3339(began_ms),
            ..Manifest::default()
        };
        let mut ledger = Self { manifest, began_ms, names: BTreeMap::new(), speaking: BTreeMap::new() };
        seen.participants.iter().for_each(|participant| ledger.arrived(participant, 0));
        ledger
    }

    pub(super) fn note(&mut self, event: &RoomEvent) {
        let at_us = self.since_begin_us(event.unix_ms);
        match &event.kind {
            RoomEventKind::ParticipantJoined { participant } => self.arrived(participant, at_us),
            RoomEventKind::ParticipantLeft { participant, .. } => {
                let is_theirs =
                    |there: &&mut Participant| there.identity == participant.identity && there.left_us.is_none();
                if let Some(there) = self.manifest.participants.iter_mut().rev().find(is_theirs) {
                    there.left_us = Some(at_us);
                }
            }
            RoomEventKind::ChatMessage { identity, text: Some(text), .. } => {
                if self.manifest.chat.len() < REMEMBERED {
                    let message = Message { at_us, participant: identity.clone(), text: text.clone() };
                    self.manifest.chat.push(message);
                }
            }
            kind => {
                if subject(kind).is_none_or(is_shown) && self.manifest.events.len() < REMEMBERED {
                    let event = Event { at_us, kind: kind.name().to_owned(), fields: fields(kind) };
                    self.manifest.events.push(event);
                }
            }
        }
    }

    /// Who that is, of those who are or were there.
    pub(super) fn identity_of(&self, sid: &str) -> Option<String> {
        self.names.get(sid).cloned()
    }

    /// What somebody is called, or their identity.
    pub(super) fn name_of(&self, identity: &str) -> String {
        let known = self
            .manifest
            .participants
            .iter()
            .rev()
            .find(|participant| participant.identity == identity);
        known
            .map(|participant| participant.name.as_str())
            .filter(|name| !name.is_empty())
            .unwrap_or(identity)
            .to_owned()
    }

    /// Somebody began to speak, or fell silent, or became louder.
    pub(super) fn heard(&mut self, changed: &[SpeakerInfo], unix_ms: i64) {
        let at_us = self.since_begin_us(unix_ms);
        for speaker in changed {
            if speaker.active {
                self.speaking.entry(speaker.sid.clone()).or_insert(at_us);
            } else if let Some(from_us) = self.speaking.remove(&speaker.sid) {
                self.spoke(&speaker.sid, from_us, at_us);
            }
        }
    }

    /// The manifest as it is now, for whoever is left with it if this is killed.
    pub(super) fn so_far(&self, tracks: Vec<Track>, now_ms: i64) -> Manifest {
        let now_us = self.since_begin_us(now_ms);
        let mut manifest = Manifest { tracks, ..self.manifest.clone() };
        for (sid, from_us) in &self.speaking {
            if let Some(identity) = self.names.get(sid) {
                manifest
                    .speakers
                    .push(Speaker { from_us: *from_us, to_us: now_us, participant: identity.clone() });
            }
        }
        manifest.speakers.sort_by_key(|speaker| speaker.from_us);
        manifest
    }

    /// The manifest of a recording that is over.
    pub(super) fn manifest(&self, tracks: Vec<Track>, ended_ms: i64, reason: Option<String>) -> Manifest {
        Manifest { ended_at: Some(rfc3339(ended_ms)), reason, ..self.so_far(tracks, ended_ms) }
    }

    fn spoke(&mut self, sid: &str, from_us: u64, to_us: u64) {
        let Some(identity) = self.names.get(sid) else { return };
        if self.manifest.speakers.len() < REMEMBERED {
            self.manifest.speakers.push(Speaker { from_us, to_us, participant: identity.clone() });
        }
    }

    fn arrived(&mut self, participant: &ParticipantInfo, joined_us: u64) {
        if is_shown(participant) && self.manifest.participants.len() < REMEMBERED {
            self.names.insert(participant.sid.clone(), participant.identity.clone());
            let (identity, name) = (participant.identity.clone(), participant.name.clone());
            self.manifest.participants.push(Participant { identity, name, joined_us, left_us: None });
        }
    }

    fn since_begin_us(&self, unix_ms: i64) -> u64 {
        u64::try_from(unix_ms.saturating_sub(self.began_ms)).unwrap_or(0).saturating_mul(1000)
    }
}

/// Whether others in the room are shown them: nobody is to find afterwards whom nobody saw.
fn is_shown(participant: &ParticipantInfo) -> bool {
    participant.permission.as_ref().is_none_or(|permission| !permission.hidden)
}

/// Whom an event is about.
const fn subject(kind: &RoomEventKind) -> Option<&ParticipantInfo> {
    match kind {
        RoomEventKind::TrackPublished { participant, .. }
        | RoomEventKind::TrackUnpublished { participant, .. }
        | RoomEventKind::ParticipantActive { participant }
        | RoomEventKind::ParticipantResumed { participant }
        | RoomEventKind::RoleChanged { participant, .. }
        | RoomEventKind::HandRaised { participant }
        | RoomEventKind::HandLowered { participant } => Some(participant),
        _ => None,
    }
}

/// What is remembered of an event.
fn fields(kind: &RoomEventKind) -> BTreeMap<String, String> {
    let who = subject(kind).map(|participant| ("participant", participant.identity.clone()));
    let what = match kind {
        RoomEventKind::TrackPublished { track, .. } | RoomEventKind::TrackUnpublished { track, .. } => {
            Some(("track_sid", track.sid.clone()))
        }
        RoomEventKind::SessionChanged { to, .. } => Some(("state", to.name().to_owned())),
        _ => None,
    };
    who.into_iter().chain(what).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// As LiveKit's protocol names it, in small letters.
pub(super) const fn source_name(source: TrackSource) -> &'static str {
    match source {
        TrackSource::Unknown => "unknown",
        TrackSource::Camera => "camera",
        TrackSource::Microphone => "microphone",
        TrackSource::ScreenShare => "screen_share",
        TrackSource::ScreenShareAudio => "screen_share_audio",
    }
}

#[cfg(test)]
mod tests {
    use livekit_protocol::{DisconnectReason, ParticipantPermission, TrackInfo};

    use super::*;

    fn person(identity: &str, hidden: bool) -> ParticipantInfo {
        let permission = Some(ParticipantPermission { hidden, ..ParticipantPermission::default() });
        ParticipantInfo {
            sid: format!("PA_{identity}"),
            identity: identity.into(),
            permission,
            ..ParticipantInfo::default()
        }
    }

    /// What somebody does in a room, all of it.
    fn visit(participant: &ParticipantInfo) -> Vec<RoomEventKind> {
        let (who, track) = (|| participant.clone(), || TrackInfo { sid: "TR_1".into(), ..TrackInfo::default() });
        vec![
            RoomEventKind::ParticipantJoined { participant: who() },
            RoomEventKind::ParticipantActive { participant: who() },
            RoomEventKind::TrackPublished { participant: who(), track: track() },
            RoomEventKind::RoleChanged { participant: who(), from: String::new(), to: "host".into() },
            RoomEventKind::HandRaised { participant: who() },
            RoomEventKind::HandLowered { participant: who() },
            RoomEventKind::ParticipantResumed { participant: who() },
            RoomEventKind::TrackUnpublished { participant: who(), track: track() },
            RoomEventKind::ParticipantLeft {
                participant: who(),
                reason: DisconnectReason::ClientInitiated,
                was_active: true,
            },
        ]
    }

    #[test]
    fn whom_the_room_does_not_show_its_manifest_does_not_name() {
        let watcher = person("watcher", true);
        let seen = RoomSnapshot { room: livekit_protocol::Room::default(), participants: vec![watcher.clone()] };
        let mut ledger = Ledger::new(&seen, 0);
        for kind in [&watcher, &person("ann", false), &person("auditor", true)].into_iter().flat_map(visit) {
            ledger.note(&RoomEvent { sequence: 0, unix_ms: 1, room: livekit_protocol::Room::default(), kind });
        }
        ledger.heard(&[SpeakerInfo { sid: watcher.sid, active: true, ..SpeakerInfo::default() }], 1);
        let manifest = ledger.manifest(Vec::new(), 2, None);
        let said = format!("{manifest:?}");
        assert!(!said.contains("watcher") && !said.contains("auditor"), "{said}");
        assert_eq!(manifest.participants.len(), 1);
        assert_eq!(manifest.events.len(), 7, "all that Ann did but for coming and going: {:?}", manifest.events);
        let published = &manifest.events[1].fields;
        assert_eq!((published["participant"].as_str(), published["track_sid"].as_str()), ("ann", "TR_1"));
    }
}
