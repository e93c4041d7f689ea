//! What one event of a room means for its session.

use livekit_protocol::ParticipantInfo;
use sluice_rooms::{ROLE_ATTRIBUTE, RoomEvent, RoomEventKind, USER_ATTRIBUTE};
use sluice_store::{
    NewChatMessage, RoomName, Sender, SessionId, SessionState, Stay, StoreError, Transaction, UnixMillis,
};

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
    /// By the sid of the stay, and to which role.
    Became(String, String),
    Moved(SessionState),
    /// A message that is counted, and no more.
    Counted,
    /// A message that is kept.
    Said(Box<NewChatMessage>),
}

impl Step {
    /// `None` for an event that means nothing for its session.
    pub(crate) fn of(event: &RoomEvent) -> Option<Self> {
        let at = UnixMillis(event.unix_ms);
        let what = match &event.kind {
            RoomEventKind::RoomStarted => What::Began,
            RoomEventKind::ParticipantJoined { participant } => What::Came(stay(participant, at)),
            RoomEventKind::ParticipantLeft { participant, reason, .. } => {
                What::Left(participant.sid.clone(), reason.as_str_name())
            }
            RoomEventKind::RoleChanged { participant, to, .. } => {
                let role = if to.is_empty() { PLAIN_ROLE } else { to };
                What::Became(participant.sid.clone(), role.to_owned())
            }
            // It is over when the room is: others may still leave before that.
            RoomEventKind::SessionChanged { to: sluice_rooms::SessionState::Ended, .. } => return None,
            RoomEventKind::SessionChanged { to, .. } => What::Moved(state(*to)),
            RoomEventKind::RoomFinished { .. } => What::Moved(SessionState::Ended),
            RoomEventKind::ChatMessage { text: None, .. } => What::Counted,
            RoomEventKind::ChatMessage { id, identity, text: Some(text), .. } => {
                // The databases take no NUL, and clients send anything.
                let plain = |text: &str| text.replace('\0', "\u{fffd}");
                What::Said(Box::new(NewChatMessage {
                    id: plain(id).into(),
                    room: RoomName::from(event.room.name.as_str()),
                    session: Some(SessionId::from(event.room.sid.as_str())),
                    identity: plain(identity).into(),
                    user: None,
                    sender: Sender::User,
                    message: plain(text),
                    audio_url: None,
                    at,
                }))
            }
            RoomEventKind::ParticipantActive { .. }
            | RoomEventKind::ParticipantResumed { .. }
            | RoomEventKind::TrackPublished { .. }
            | RoomEventKind::TrackUnpublished { .. }
            | RoomEventKind::HandRaised { .. }
            | RoomEventKind::HandLowered { .. }
            | RoomEventKind::EntryChanged { .. }
            | RoomEventKind::LobbyJoined { .. }
            | RoomEventKind::LobbyLeft { .. }
            | RoomEventKind::Recording { .. } => return None,
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
            What::Became(stay, role) => transaction.change_role(session, &stay.as_str().into(), role).await,
            What::Counted => transaction.count_message(session, self.at).await,
            What::Said(message) => match transaction.keep_message(message).await {
                // Its sender chose the id, and chose one that there is.
                Err(StoreError::Exists { .. }) => transaction.count_message(session, self.at).await,
                kept => kept.map(|_| ()),
            },
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

/// The same word.
fn state(state: sluice_rooms::SessionState) -> SessionState {
    SessionState::parse(state.name()).unwrap_or(SessionState::Initializing)
}

fn stay(participant: &ParticipantInfo, joined: UnixMillis) -> Stay {
    let said = |attribute| participant.attributes.get(attribute).filter(|said| !said.is_empty());
    Stay {
        participant: participant.sid.as_str().into(),
        identity: participant.identity.as_str().into(),
        user: said(USER_ATTRIBUTE).map(|user| user.as_str().into()),
        name: participant.name.clone(),
        role: said(ROLE_ATTRIBUTE).map_or(PLAIN_ROLE, String::as_str).to_owned(),
        joined,
        left: None,
        left_because: None,
    }
}
