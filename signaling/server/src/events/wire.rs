//! How events look outside: LiveKit's `WebhookEvent` as proto3 JSON, both in the log and in webhooks.
//!
//! Names are LiveKit's. Its `participant_joined` is told when media is up, and who never came so far leaves as
//! `participant_connection_aborted`. What LiveKit has no webhook for (`participant_entered`, `participant_resumed`) is in
//! the log alone.

use livekit_protocol::{
    DisconnectReason, EgressInfo, ParticipantInfo, Room, RoomEndReason, TrackInfo, WebhookEvent, participant_info,
};
use serde_json::{Value, json};
use sluice_rooms::{EndReason, RoomEvent, RoomEventKind};
use sluice_store::{EventKind, Identity, NewEvent, RoomName, SessionId, UnixMillis};

use super::gaps::Gap;
use crate::random::random_id;

/// Letters of an event's id.
const ID_LETTERS: usize = 16;

/// What one kind of event says beside the room.
#[derive(Default)]
struct Told {
    name: &'static str,
    webhook: bool,
    participant: Option<ParticipantInfo>,
    track: Option<TrackInfo>,
    end: RoomEndReason,
    egress: Option<EgressInfo>,
    /// Whom it is about, where that is nobody in the room.
    about: Option<String>,
    /// What LiveKit's message has no field for: the member `sluice`.
    more: Option<Value>,
}

impl Told {
    fn of(kind: RoomEventKind) -> Self {
        let webhook = |name| Self { name, webhook: true, ..Self::default() };
        let of = |name, participant| Self { participant: Some(participant), ..webhook(name) };
        let logged = |name, more| Self { name, more: Some(more), ..Self::default() };
        match kind {
            RoomEventKind::RoomStarted => webhook("room_started"),
            RoomEventKind::RoomFinished { reason } => Self { end: end(reason), ..webhook("room_finished") },
            RoomEventKind::ParticipantJoined { participant } => {
                Self { webhook: false, ..of("participant_entered", participant) }
            }
            RoomEventKind::ParticipantActive { participant } => of("participant_joined", participant),
            RoomEventKind::ParticipantResumed { participant } => {
                Self { webhook: false, ..of("participant_resumed", participant) }
            }
            RoomEventKind::ParticipantLeft { participant, reason, was_active } => {
                let name = if was_active { "participant_left" } else { "participant_connection_aborted" };
                of(name, gone(participant, reason))
            }
            RoomEventKind::TrackPublished { participant, track } => {
                Self { track: Some(track), ..of("track_published", participant) }
            }
            RoomEventKind::TrackUnpublished { participant, track } => {
                Self { track: Some(track), ..of("track_unpublished", participant) }
            }
            RoomEventKind::RoleChanged { participant, from, to } => {
                Self { participant: Some(participant), ..logged("role_changed", json!({ "from": from, "to": to })) }
            }
            RoomEventKind::HandRaised { participant } => Self { webhook: false, ..of("hand_raised", participant) },
            RoomEventKind::HandLowered { participant } => Self { webhook: false, ..of("hand_lowered", participant) },
            RoomEventKind::EntryChanged { entry } => {
                logged("entry_changed", json!({ "lobby": entry.lobby, "locked": entry.locked }))
            }
            RoomEventKind::LobbyJoined { identity, name } => {
                let more = json!({ "identity": identity, "name": name });
                Self { about: Some(identity), ..logged("lobby_joined", more) }
            }
            RoomEventKind::LobbyLeft { identity, name, outcome } => {
                let more = json!({ "identity": identity, "name": name, "outcome": outcome.name() });
                Self { about: Some(identity), ..logged("lobby_left", more) }
            }
            // What was said is kept with the chat, where it can be deleted.
            RoomEventKind::ChatMessage { id, identity, name, text: _, bytes } => {
                let more = json!({ "id": id, "identity": identity, "name": name, "bytes": bytes });
                Self { about: Some(identity).filter(|who| !who.is_empty()), ..logged("chat_message", more) }
            }
            RoomEventKind::Recording { step, info } => Self { egress: Some(*info), ..webhook(step.name()) },
            RoomEventKind::SessionChanged { from, to } => {
                logged("session_changed", json!({ "from": from.name(), "to": to.name() }))
            }
        }
    }
}

fn end(reason: EndReason) -> RoomEndReason {
    match reason {
        EndReason::Empty => RoomEndReason::RoomEndIdleTimeout,
        EndReason::Deleted => RoomEndReason::RoomEndApiDelete,
        EndReason::Shutdown => RoomEndReason::RoomEndServerShutdown,
    }
}

fn gone(participant: ParticipantInfo, reason: DisconnectReason) -> ParticipantInfo {
    ParticipantInfo {
        state: participant_info::State::Disconnected as i32,
        disconnect_reason: reason as i32,
        ..participant
    }
}

/// A room's event for the log.
pub(super) fn event(event: RoomEvent) -> NewEvent {
    let RoomEvent { unix_ms, room, kind, .. } = event;
    let Told { name, webhook, participant, track, end, egress, about, more } = Told::of(kind);
    let subject = participant.as_ref().map(|participant| participant.identity.clone()).or(about);
    let subject = subject.as_deref().map(Identity::from);
    let session = SessionId::from(room.sid.as_str());
    let room_name = RoomName::from(room.name.as_str());
    let said = WebhookEvent {
        event: name.into(),
        id: id(),
        created_at: unix_ms / 1000,
        room: Some(room),
        participant,
        track,
        room_end_reason: end as i32,
        egress_info: egress,
        ..WebhookEvent::default()
    };
    NewEvent {
        kind: EventKind::from(name),
        at: UnixMillis(unix_ms),
        room: Some(room_name),
        session: Some(session),
        subjects: subject.into_iter().collect(),
        payload: with(more, spelled(&said)),
        webhook,
    }
}

/// The mark of a gap. LiveKit's message has a field for it, and lets names be any.
pub(super) fn lost(gap: &Gap) -> NewEvent {
    let name = "events_lost";
    #[allow(deprecated, reason = "LiveKit counts what it did not tell in later events; here it is one of its own")]
    let said = WebhookEvent {
        event: name.into(),
        id: id(),
        created_at: gap.unix_ms / 1000,
        num_dropped: i32::try_from(gap.events).unwrap_or(i32::MAX),
        room: gap.room.clone(),
        ..WebhookEvent::default()
    };
    NewEvent {
        kind: EventKind::from(name),
        at: UnixMillis(gap.unix_ms),
        room: gap.room.as_ref().map(|room| RoomName::from(room.name.as_str())),
        session: gap.room.as_ref().map(|room| SessionId::from(room.sid.as_str())),
        subjects: Vec::new(),
        payload: spelled(&said),
        webhook: true,
    }
}

fn id() -> String {
    format!("EV_{}", random_id(ID_LETTERS))
}

/// A client may have said a number that no enumeration knows, and proto3 JSON has names for the known only. Then the
/// event goes without the details.
fn spelled(said: &WebhookEvent) -> String {
    serde_json::to_string(said)
        .or_else(|_| serde_json::to_string(&plain(said)))
        .unwrap_or_else(|_| "{}".to_owned())
}

/// Adds what LiveKit's message has no field for.
fn with(more: Option<Value>, payload: String) -> String {
    let Some(more) = more else { return payload };
    match serde_json::from_str(&payload) {
        Ok(Value::Object(mut members)) => {
            members.insert("sluice".to_owned(), more);
            Value::Object(members).to_string()
        }
        _ => payload,
    }
}

fn plain(said: &WebhookEvent) -> WebhookEvent {
    let said = said.clone();
    WebhookEvent {
        room: said.room.map(|room| Room { sid: room.sid, name: room.name, ..Room::default() }),
        participant: said.participant.map(|participant| ParticipantInfo {
            sid: participant.sid,
            identity: participant.identity,
            name: participant.name,
            ..ParticipantInfo::default()
        }),
        track: said
            .track
            .map(|track| TrackInfo { sid: track.sid, name: track.name, ..TrackInfo::default() }),
        ..said
    }
}

#[cfg(test)]
mod tests {
    use sluice_rooms::{LobbyOutcome, SessionState};

    use super::*;

    fn told(kind: RoomEventKind) -> (NewEvent, Value) {
        let room = Room { name: "lobby".into(), sid: "RM_1".into(), ..Room::default() };
        let event = event(RoomEvent { sequence: 1, unix_ms: 5_999, room, kind });
        let value = serde_json::from_str(&event.payload).unwrap_or_default();
        (event, value)
    }

    fn ann() -> ParticipantInfo {
        ParticipantInfo { sid: "PA_1".into(), identity: "ann".into(), ..ParticipantInfo::default() }
    }

    #[test]
    fn names_and_moments_are_livekits() {
        let name = |kind| {
            let (event, value) = told(kind);
            assert_eq!(value["event"], event.kind.as_str());
            assert_eq!((&value["createdAt"], event.at), (&json!("5"), UnixMillis(5_999)));
            assert_eq!(value["room"]["name"], "lobby");
            (event.kind.as_str().to_owned(), event.webhook)
        };
        let left = |was_active| RoomEventKind::ParticipantLeft {
            participant: ann(),
            reason: DisconnectReason::ClientInitiated,
            was_active,
        };
        let entered = name(RoomEventKind::ParticipantJoined { participant: ann() });
        assert_eq!(entered, ("participant_entered".to_owned(), false));
        let joined = name(RoomEventKind::ParticipantActive { participant: ann() });
        assert_eq!(joined, ("participant_joined".to_owned(), true));
        assert_eq!(name(left(true)), ("participant_left".to_owned(), true));
        assert_eq!(name(left(false)), ("participant_connection_aborted".to_owned(), true));
    }

    #[test]
    fn who_left_is_shown_as_gone_and_can_be_found_by_identity() {
        let kind = RoomEventKind::ParticipantLeft {
            participant: ann(),
            reason: DisconnectReason::DuplicateIdentity,
            was_active: true,
        };
        let (event, value) = told(kind);
        assert_eq!(value["participant"]["state"], "DISCONNECTED");
        assert_eq!(value["participant"]["disconnectReason"], "DUPLICATE_IDENTITY");
        assert_eq!(event.subjects, [Identity::from("ann")]);
    }

    #[test]
    fn a_number_without_a_name_does_not_cost_the_event() {
        let track = TrackInfo { sid: "TR_1".into(), source: 77, ..TrackInfo::default() };
        let (_, value) = told(RoomEventKind::TrackPublished { participant: ann(), track });
        assert_eq!((&value["track"]["sid"], &value["participant"]["identity"]), (&json!("TR_1"), &json!("ann")));
    }

    #[test]
    fn what_only_this_server_knows_is_in_the_log_alone_and_reads_as_livekits_message() {
        let logged = |kind| {
            let (event, value) = told(kind);
            assert!(!event.webhook);
            assert_eq!(value["event"], event.kind.as_str());
            let read: Result<WebhookEvent, _> = serde_json::from_str(&event.payload);
            assert!(read.is_ok_and(|read| read.event == event.kind.as_str()), "LiveKit's readers pass over `sluice`");
            (event.subjects, value["sluice"].clone())
        };
        let (identity, name) = ("ann".to_owned(), "Ann".to_owned());
        let outcome = LobbyOutcome::Refused;
        let (whom, more) = logged(RoomEventKind::LobbyLeft { identity: identity.clone(), name: name.clone(), outcome });
        assert_eq!(more, json!({ "identity": "ann", "name": "Ann", "outcome": "refused" }));
        assert_eq!(whom, [Identity::from("ann")], "so that it can be erased");
        let text = Some("secret".to_owned());
        let (_, more) = logged(RoomEventKind::ChatMessage { id: "m".into(), identity, name, text, bytes: 6 });
        assert_eq!(more, json!({ "id": "m", "identity": "ann", "name": "Ann", "bytes": 6 }));
        let (from, to) = (SessionState::Connected, SessionState::Recording);
        let (whom, more) = logged(RoomEventKind::SessionChanged { from, to });
        assert_eq!((whom.len(), more), (0, json!({ "from": "Connected", "to": "Recording" })));
        let kind = RoomEventKind::RoleChanged { participant: ann(), from: String::new(), to: "host".into() };
        assert_eq!(logged(kind).0, [Identity::from("ann")]);
    }

    #[test]
    fn a_gap_says_how_much_is_missing() {
        let room = Room { name: "lobby".into(), ..Room::default() };
        let mark = lost(&Gap { room: Some(room), events: 3, unix_ms: 1 });
        let value: Value = serde_json::from_str(&mark.payload).unwrap_or_default();
        assert_eq!((&value["event"], &value["numDropped"]), (&json!("events_lost"), &json!(3)));
        assert!(mark.webhook);
    }
}
