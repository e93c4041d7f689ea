//! What one event of a room means for its session.

use livekit_protocol::ParticipantInfo;
use sluice_rooms::{RoomEvent, RoomEventKind};
use sluice_store::{RoomName, SessionId, SessionState, Stay, StoreError, Transaction, UnixMillis};

/// The attribute that says what somebody is in a room.
const ROLE: &str = "sluice.role";
/// What somebody is of whom nothing is said.
const PLAIN_ROLE: &str = "participant";

/// What is to be written beside an event.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    session: SessionId,
    room: RoomName,
    started: UnixMillis,
    at: UnixMillis,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Began,
    Came(Stay),
    /// By the sid of the stay, and why.
    Left(String, &'static str),
    Moved(SessionState),
}

impl Step {
    /// `None` for an event that means nothing for its session.
    pub(crate) fn of(event: &RoomEvent) -> Option<Self> {
        let at = UnixMillis(event.unix_ms);
        let what = match &event.kind {
            RoomEventKind::RoomStarted => What::Began,
            RoomEventKind::ParticipantJoined { participant } => What::Came(stay(participant, at)),
            RoomEventKind::ParticipantActive { .. } => What::Moved(SessionState::Connected),
            RoomEventKind::ParticipantLeft { participant, reason, .. } => {
                What::Left(participant.sid.clone(), reason.as_str_name())
            }
            RoomEventKind::RoomFinished { .. } => What::Moved(SessionState::Ended),
            _ => return None,
        };
        Some(Self {
            session: SessionId::from(event.room.sid.as_str()),
            room: RoomName::from(event.room.name.as_str()),
            started: UnixMillis(event.room.creation_time_ms),
            at,
            what,
        })
    }

    /// Writes it. What does not fit, since events before it were lost, is left out: the log says so by itself.
    pub(crate) async fn write(&self, transaction: &mut Transaction) -> Result<(), StoreError> {
        let session = &self.session;
        let done = match &self.what {
            What::Began => transaction.begin_session(session, &self.room, self.at).await,
            What::Came(stay) => {
                // Its beginning may be among the events that were lost.
                transaction.begin_session(session, &self.room, self.started).await?;
                transaction.join_session(session, stay).await
            }
            What::Left(stay, because) => {
                transaction.leave_session(session, &stay.as_str().into(), because, self.at).await
            }
            What::Moved(state) => transaction.move_session(session, *state, self.at).await,
        };
        match done {
            Err(error @ (StoreError::Missing { .. } | StoreError::Conflict { .. })) => {
                tracing::debug!(%session, %error, "the history of a session is not whole");
                Ok(())
            }
            done => done,
        }
    }
}

fn stay(participant: &ParticipantInfo, joined: UnixMillis) -> Stay {
    let role = participant.attributes.get(ROLE).filter(|role| !role.is_empty());
    Stay {
        participant: participant.sid.as_str().into(),
        identity: participant.identity.as_str().into(),
        user: None,
        name: participant.name.clone(),
        role: role.map_or(PLAIN_ROLE, String::as_str).to_owned(),
        joined,
        left: None,
        left_because: None,
    }
}
