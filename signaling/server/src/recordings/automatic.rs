//! Recordings that begin by themselves, because the room was made so.
//!
//! One task for each such room follows its log: [`follow`]. What is due when is decided by [`Duties`], which knows neither
//! clock nor network: the picture of a room with the room, everybody's tracks with the first person, somebody with the first
//! of their tracks, a track with itself. Each once, and again for who comes back. Who is hidden and who records is not
//! recorded. What cannot be recorded is told as an egress that failed, and lets everybody in all the same.

use std::collections::BTreeMap;

use livekit_protocol::{EgressInfo, EgressSourceType, EgressStatus, ParticipantInfo, Room, TrackInfo, TrackSource};
use livekit_protocol::{egress_info, participant_info};
use sluice_recordings::automatic::{self, Asked};
use sluice_recordings::{RecordingId, Request};
use sluice_rooms::{RecordingStep, RoomEvent, RoomEventKind, RoomSnapshot};
use sluice_store::{RoomName, SessionId};

use super::{RecordingError, Recordings, WishOf};
use crate::clock::moment;
use crate::random::random_secret;
use crate::room::{Automatic, RoomHandle, Watched, Witnessed};

/// Most recordings begun by themselves as long as a room is open, also in vain. Who publishes and unpublishes for ever makes
/// no directories for ever.
const MOST: usize = 1000;

/// What is recorded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// The room as one picture.
    Picture,
    /// Everybody's tracks.
    Everybody,
    /// Somebody, by sid: who comes back has another.
    Participant(String),
    /// A track, by sid.
    Track(String),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
enum Duty {
    /// Begin. [`Duties::done`] takes what became of it.
    Begin(Subject, Box<Asked>),
    /// End this recording, if it goes on: what it records is gone.
    End(RecordingId),
}

/// What is due in one room.
struct Duties {
    room: String,
    automatic: Automatic,
    /// What was begun, and by which recording it is recorded.
    begun: BTreeMap<Subject, Option<RecordingId>>,
    /// How many may begin yet.
    left: usize,
}

impl Duties {
    fn new(room: String, automatic: Automatic) -> Self {
        Self { room, automatic, begun: BTreeMap::new(), left: MOST }
    }

    /// With the room as it is: when it was just made, or when what happened meanwhile was missed.
    fn see(&mut self, seen: &RoomSnapshot) -> Vec<Duty> {
        let is_there = |subject: &Subject| match subject {
            Subject::Picture | Subject::Everybody => true,
            Subject::Participant(sid) => seen.participants.iter().any(|participant| participant.sid == *sid),
            Subject::Track(sid) => {
                let mut tracks = seen.participants.iter().flat_map(|participant| &participant.tracks);
                tracks.any(|track| track.sid == *sid)
            }
        };
        let gone: Vec<_> = self.begun.keys().filter(|subject| !is_there(subject)).cloned().collect();
        let mut duties: Vec<_> = gone.iter().filter_map(|subject| self.forget(subject)).collect();
        if let Some(asked) = &self.automatic.egress.room {
            let asked = automatic::room(asked, &self.room);
            duties.extend(self.begin(Subject::Picture, asked));
        }
        for participant in &seen.participants {
            duties.extend(self.arrived(participant));
            for track in &participant.tracks {
                duties.extend(self.published(participant, track));
            }
        }
        duties
    }

    fn handle(&mut self, kind: &RoomEventKind) -> Vec<Duty> {
        match kind {
            RoomEventKind::ParticipantJoined { participant } => self.arrived(participant).into_iter().collect(),
            RoomEventKind::TrackPublished { participant, track } => self.published(participant, track),
            RoomEventKind::TrackUnpublished { track, .. } => {
                self.forget(&Subject::Track(track.sid.clone())).into_iter().collect()
            }
            RoomEventKind::ParticipantLeft { participant, .. } => {
                self.forget(&Subject::Participant(participant.sid.clone())).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn arrived(&mut self, participant: &ParticipantInfo) -> Option<Duty> {
        if !self.automatic.everybody || !is_recorded(participant) {
            return None;
        }
        let asked = automatic::everybody(&self.room);
        self.begin(Subject::Everybody, asked)
    }

    fn published(&mut self, participant: &ParticipantInfo, track: &TrackInfo) -> Vec<Duty> {
        if !is_recorded(participant) {
            return Vec::new();
        }
        let egress = &self.automatic.egress;
        // Of a shared screen nothing is in it.
        let is_screen = matches!(track.source(), TrackSource::ScreenShare | TrackSource::ScreenShareAudio);
        let of_participant = egress.participant.as_ref().filter(|_| !is_screen).map(|asked| {
            let asked = automatic::participant(asked, &self.room, &participant.identity);
            (Subject::Participant(participant.sid.clone()), asked)
        });
        let of_track = egress
            .tracks
            .as_ref()
            .map(|asked| (Subject::Track(track.sid.clone()), automatic::track(asked, &self.room, &track.sid)));
        let due: Vec<_> = of_participant.into_iter().chain(of_track).collect();
        due.into_iter().filter_map(|(subject, asked)| self.begin(subject, asked)).collect()
    }

    fn begin(&mut self, subject: Subject, asked: Asked) -> Option<Duty> {
        if self.begun.contains_key(&subject) || self.left == 0 {
            return None;
        }
        self.left -= 1;
        if self.left == 0 {
            tracing::warn!(
                room = self.room,
                "as many recordings began by themselves as may in one room: this is the last"
            );
        }
        self.begun.insert(subject.clone(), None);
        Some(Duty::Begin(subject, Box::new(asked)))
    }

    fn forget(&mut self, subject: &Subject) -> Option<Duty> {
        self.begun.remove(subject).flatten().map(Duty::End)
    }

    /// What became of something that was to begin. What could not now may with the next occasion; what was refused once is
    /// refused always, and not asked for again.
    fn done(&mut self, subject: Subject, outcome: Result<RecordingId, &RecordingError>) {
        match outcome {
            Ok(id) => drop(self.begun.insert(subject, Some(id))),
            Err(RecordingError::Disabled | RecordingError::Refused(_)) => match subject {
                Subject::Picture => self.automatic.egress.room = None,
                Subject::Everybody => self.automatic.everybody = false,
                Subject::Participant(_) => self.automatic.egress.participant = None,
                Subject::Track(_) => self.automatic.egress.tracks = None,
            },
            Err(_) => drop(self.begun.remove(&subject)),
        }
    }
}

/// Whether somebody is recorded at all. Whom nobody is to know of is not, and who records others neither.
pub(super) fn is_recorded(participant: &ParticipantInfo) -> bool {
    #[expect(deprecated, reason = "old recorders say so in their permission")]
    let is_apart = |permission: &livekit_protocol::ParticipantPermission| permission.hidden || permission.recorder;
    participant.kind() != participant_info::Kind::Egress && !participant.permission.as_ref().is_some_and(is_apart)
}

/// Records a room as it asks, until it is over.
pub(super) async fn follow(recordings: Recordings, room: RoomHandle, automatic: Automatic) {
    let mut duties = Duties::new(room.status.id.clone(), automatic);
    // Who does not keep up is told no more, and looks again.
    while let Some(Watched { seen, mut events }) = room.watch().await {
        let mut due = duties.see(&seen);
        let mut known = seen.room;
        loop {
            for duty in due {
                carry_out(&recordings, &mut duties, &known, duty).await;
            }
            due = match events.recv().await {
                None => break,
                Some(Witnessed::Speakers { .. } | Witnessed::LeftBehind) => Vec::new(),
                Some(Witnessed::Event(event)) => {
                    let due = duties.handle(&event.kind);
                    known.clone_from(&event.room);
                    due
                }
            };
        }
    }
}

async fn carry_out(recordings: &Recordings, duties: &mut Duties, room: &Room, duty: Duty) {
    let (subject, asked) = match duty {
        Duty::Begin(subject, asked) => (subject, *asked),
        Duty::End(id) => {
            if recordings.going_on(id.as_str()).is_some() {
                // It ended by itself just now.
                let _ = recordings.stop(id.as_str()).await;
            }
            return;
        }
    };
    let begun = match asked.order {
        Ok(order) => recordings.start(order, asked.request.clone(), WishOf::Room).await,
        Err(refusal) => Err(refusal.into()),
    };
    match &begun {
        // The room ended in this moment.
        Err(RecordingError::NoRoom) => {}
        Err(error) => {
            tracing::warn!(room = room.name, %error, "what a room asks to be recorded by itself is not recorded");
            tell_failed(recordings, room, asked.request, error).await;
        }
        Ok(_) => {}
    }
    let outcome = begun.as_ref().map(|info| RecordingId::parse(&info.egress_id));
    match outcome {
        Ok(Some(id)) => duties.done(subject, Ok(id)),
        Ok(None) => {}
        Err(error) => duties.done(subject, Err(error)),
    }
}

/// Nobody waits for the answer, so it is kept and told like that of a recording that failed.
async fn tell_failed(recordings: &Recordings, room: &Room, request: egress_info::Request, error: &RecordingError) {
    let shared = &recordings.shared;
    let (now, id) = (moment(), RecordingId::from_random(random_secret()));
    let now_ns = now.0.saturating_mul(1_000_000);
    let source = match request {
        egress_info::Request::RoomComposite(_) => EgressSourceType::Web,
        _ => EgressSourceType::Sdk,
    };
    let info = EgressInfo {
        egress_id: id.as_str().to_owned(),
        room_id: room.sid.clone(),
        room_name: room.name.clone(),
        source_type: source.into(),
        status: EgressStatus::EgressFailed.into(),
        error: match error {
            // What is wrong with it is for the server's own log.
            RecordingError::Store(_) => "storage does not answer".to_owned(),
            error => error.to_string(),
        },
        request: Some(Request::without_secrets(request).shown().clone()),
        started_at: now_ns,
        updated_at: now_ns,
        ended_at: now_ns,
        ..EgressInfo::default()
    };
    let kept = sluice_store::Recording {
        id: info.egress_id.clone(),
        room: RoomName::from(room.name.as_str()),
        session: SessionId::from(room.sid.as_str()),
        // Nobody's, where storage does not say so: back ends see it all the same.
        owner: shared.owner_of(&room.name).await.unwrap_or_default(),
        info: serde_json::to_string(&info).unwrap_or_else(|_| "{}".to_owned()),
        files: "[]".to_owned(),
        is_over: true,
        is_held: false,
        created: now,
        ended: Some(now),
        expires: shared.config.expiry(now),
        bytes: 0,
    };
    if let Err(error) = shared.store.put_recording(&kept).await {
        tracing::error!(%error, id = info.egress_id, "a recording's state cannot be kept");
    }
    let kind = RoomEventKind::Recording { step: RecordingStep::Ended, info: Box::new(info) };
    let event = RoomEvent { sequence: 0, unix_ms: now.0, room: room.clone(), kind };
    shared.rooms.note(Box::new(event));
}

#[cfg(test)]
#[path = "automatic_tests.rs"]
mod tests;
