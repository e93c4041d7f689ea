//! What a server that ended without a word left open: rooms without an end, people who never left.
//!
//! The next server writes down how they end, before anything else. It goes by the log, and tells webhooks like any other
//! end; their session has failed, at the moment something last happened in it.

use std::collections::BTreeMap;

use livekit_protocol::{DisconnectReason, ParticipantInfo, Room, TrackInfo, WebhookEvent};
use sluice_rooms::{EndReason, RoomEvent, RoomEventKind};
use sluice_store::{Event, NewEvent, Session, Store, StoreError, UnixMillis};

use super::wire;

/// Events that are read at once.
const PAGE: u32 = 1_000;
/// Sessions that are ended in one transaction: a wait for the disk is some milliseconds, and there may be thousands.
const SESSIONS_AT_ONCE: usize = 32;

/// Ends what is open; how many sessions that were. Killed in the middle, the next server goes on with the rest.
pub(super) async fn settle(store: &Store, now: UnixMillis) -> Result<usize, StoreError> {
    let open = store.active_sessions().await?;
    for sessions in open.chunks(SESSIONS_AT_ONCE) {
        let mut ends = Vec::new();
        for session in sessions {
            ends.push((session, end_of(store, session, now).await?));
        }
        let mut transaction = store.begin().await?;
        for (session, _) in &ends {
            transaction.end_interrupted_session(&session.id).await?;
        }
        for event in ends.iter().flat_map(|(_, events)| events) {
            transaction.append(event).await?;
        }
        transaction.commit().await?;
    }
    Ok(open.len())
}

async fn end_of(store: &Store, session: &Session, now: UnixMillis) -> Result<Vec<NewEvent>, StoreError> {
    let mut remains = Remains::default();
    let mut after = 0;
    loop {
        let events = store.events_of_session(session, after, PAGE).await?;
        let Some(last) = events.last() else { break };
        after = last.number;
        events.iter().for_each(|event| remains.note(event));
    }
    if remains.is_finished {
        // Its session was not told, which a database that was mended by hand may say.
        return Ok(Vec::new());
    }
    let unknown = || Room {
        sid: session.id.to_string(),
        name: session.room.to_string(),
        creation_time_ms: session.started.map_or(0, |started| started.0),
        ..Room::default()
    };
    let room = remains.room.take().unwrap_or_else(unknown);
    Ok(remains.end(&room, now.0))
}

/// What of a session is still open, after the events so far.
#[derive(Default)]
struct Remains {
    room: Option<Room>,
    people: BTreeMap<String, Person>,
    is_finished: bool,
}

struct Person {
    info: ParticipantInfo,
    was_active: bool,
    tracks: BTreeMap<String, TrackInfo>,
}

impl Remains {
    fn note(&mut self, event: &Event) {
        self.is_finished |= event.kind.as_str() == "room_finished";
        // One that was erased says nothing of anybody, and neither does what is written here.
        let Ok(said) = serde_json::from_str::<WebhookEvent>(&event.payload) else { return };
        self.room = said.room.or(self.room.take());
        let Some(info) = said.participant else { return };
        let sid = info.sid.clone();
        let person = self.people.entry(sid.clone()).or_insert_with(|| Person {
            info: info.clone(),
            was_active: false,
            tracks: BTreeMap::new(),
        });
        person.info = info;
        match (event.kind.as_str(), said.track) {
            ("participant_joined", _) => person.was_active = true,
            ("participant_left" | "participant_connection_aborted", _) => {
                self.people.remove(&sid);
            }
            ("track_published", Some(track)) => {
                person.tracks.insert(track.sid.clone(), track);
            }
            ("track_unpublished", Some(track)) => {
                person.tracks.remove(&track.sid);
            }
            _ => {}
        }
    }

    /// How it ends, in the order a room would say it.
    fn end(self, room: &Room, unix_ms: i64) -> Vec<NewEvent> {
        let reason = DisconnectReason::ServerShutdown;
        let mut kinds = Vec::new();
        for Person { info, was_active, tracks } in self.people.into_values() {
            for track in tracks.into_values() {
                kinds.push(RoomEventKind::TrackUnpublished { participant: info.clone(), track });
            }
            kinds.push(RoomEventKind::ParticipantLeft { participant: info, reason, was_active });
        }
        kinds.push(RoomEventKind::RoomFinished { reason: EndReason::Shutdown });
        let room = Room { num_participants: 0, num_publishers: 0, ..room.clone() };
        // The log counts for itself.
        let event = |kind| wire::event(RoomEvent { sequence: 0, unix_ms, room: room.clone(), kind });
        kinds.into_iter().map(event).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use sluice_store::{Phase, SessionState, StoreOptions};

    use super::*;
    use crate::history::Step;

    fn participant(identity: &str) -> ParticipantInfo {
        ParticipantInfo { sid: format!("PA_{identity}"), identity: identity.into(), ..ParticipantInfo::default() }
    }

    async fn write(store: &Store, room: &str, unix_ms: i64, kind: RoomEventKind) {
        let room = Room { name: room.into(), sid: format!("RM_{room}"), creation_time_ms: 1, ..Room::default() };
        let event = RoomEvent { sequence: 0, unix_ms, room, kind };
        let mut transaction = store.begin().await.unwrap();
        if let Some(step) = Step::of(&event) {
            step.write(&mut transaction).await.unwrap();
        }
        transaction.append(&wire::event(event)).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Ann speaks, Bob is still connecting, Cem has gone; then the server is killed. What is over stays as it was.
    #[tokio::test]
    async fn what_was_open_is_ended_once_and_in_order() {
        let home = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", home.path().join("sluice.db").display());
        let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
        let track = TrackInfo { sid: "TR_1".into(), ..TrackInfo::default() };
        let reason = DisconnectReason::ClientInitiated;
        for (at, kind) in [
            (1, RoomEventKind::RoomStarted),
            (2, RoomEventKind::ParticipantJoined { participant: participant("ann") }),
            (3, RoomEventKind::ParticipantActive { participant: participant("ann") }),
            (4, RoomEventKind::TrackPublished { participant: participant("ann"), track }),
            (5, RoomEventKind::ParticipantJoined { participant: participant("cem") }),
            (6, RoomEventKind::ParticipantLeft { participant: participant("cem"), reason, was_active: false }),
            (7, RoomEventKind::ParticipantJoined { participant: participant("bob") }),
        ] {
            write(&store, "math", at, kind).await;
        }
        write(&store, "over", 8, RoomEventKind::RoomStarted).await;
        write(&store, "over", 9, RoomEventKind::RoomFinished { reason: EndReason::Deleted }).await;

        assert_eq!(settle(&store, UnixMillis(100)).await.unwrap(), 1);

        let events = store.events(9, None, 100).await.unwrap().events;
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, ["track_unpublished", "participant_left", "participant_connection_aborted", "room_finished"]);
        assert!(events[1].payload.contains("\"identity\":\"ann\""), "{}", events[1].payload);
        assert!(events[3].payload.contains("ROOM_END_SERVER_SHUTDOWN"), "{}", events[3].payload);
        let session = store.session(&"RM_math".into()).await.unwrap().unwrap();
        assert_eq!((session.phase, session.state), (Phase::Ended, SessionState::Failed));
        assert_eq!(session.ended, Some(UnixMillis(7)), "when something last happened");
        let stays = store.stays(&session.id).await.unwrap();
        let because: Vec<_> = stays.iter().map(|stay| stay.left_because.as_deref().unwrap()).collect();
        assert_eq!(because, ["INTERRUPTED", "CLIENT_INITIATED", "INTERRUPTED"]);
        assert_eq!(store.check().await.unwrap(), [] as [String; 0]);
        assert_eq!(settle(&store, UnixMillis(200)).await.unwrap(), 0, "once");
    }

    #[tokio::test]
    async fn a_session_whose_events_are_not_kept_any_more_ends_all_the_same() {
        let home = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", home.path().join("sluice.db").display());
        let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
        let mut transaction = store.begin().await.unwrap();
        transaction.begin_session(&"RM_1".into(), &"math".into(), UnixMillis(5)).await.unwrap();
        transaction.commit().await.unwrap();

        settle(&store, UnixMillis(100)).await.unwrap();

        let events = store.events(0, None, 100).await.unwrap().events;
        assert_eq!((events.len(), events[0].kind.as_str()), (1, "room_finished"));
        assert!(events[0].payload.contains("\"sid\":\"RM_1\""), "{}", events[0].payload);
    }
}
