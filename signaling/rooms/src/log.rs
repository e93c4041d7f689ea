//! The room's log: one growing sequence that webhooks, audit, history and analytics read.

use livekit_protocol::{DisconnectReason, EgressInfo, ParticipantInfo, Room, TrackInfo};

use crate::{Entry, LobbyOutcome, SessionState};

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomEvent {
    /// Counts from 1 in each room session, without gaps. 0: it did not happen in the room, see [`RoomEventKind::Recording`].
    pub sequence: u64,
    /// Milliseconds since 1970.
    pub unix_ms: i64,
    /// The room as it was then.
    pub room: Room,
    /// What happened.
    pub kind: RoomEventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomEventKind {
    /// The room was made.
    RoomStarted,
    /// The room ended.
    RoomFinished {
        /// Why.
        reason: EndReason,
    },
    /// Somebody entered; its media is not up yet.
    ParticipantJoined {
        /// Who.
        participant: ParticipantInfo,
    },
    /// Its media is up.
    ParticipantActive {
        /// Who.
        participant: ParticipantInfo,
    },
    /// Its signal connection broke and it came back in time.
    ParticipantResumed {
        /// Who.
        participant: ParticipantInfo,
    },
    /// Somebody left.
    ParticipantLeft {
        /// Who.
        participant: ParticipantInfo,
        /// Why.
        reason: DisconnectReason,
        /// Whether its media was ever up; if not, others may call this an aborted connection.
        was_active: bool,
    },
    /// A track can be heard or seen.
    TrackPublished {
        /// By whom.
        participant: ParticipantInfo,
        /// What.
        track: TrackInfo,
    },
    /// A track is gone.
    TrackUnpublished {
        /// By whom.
        participant: ParticipantInfo,
        /// What.
        track: TrackInfo,
    },
    /// Somebody was given a role.
    RoleChanged {
        /// Who, as it is now.
        participant: ParticipantInfo,
        /// What it was; empty for nothing.
        from: String,
        /// What it is; empty for nothing.
        to: String,
    },
    /// A hand went up.
    HandRaised {
        /// Whose.
        participant: ParticipantInfo,
    },
    /// A hand went down.
    HandLowered {
        /// Whose.
        participant: ParticipantInfo,
    },
    /// The way in changed.
    EntryChanged {
        /// To what.
        entry: Entry,
    },
    /// Somebody waits to be let in.
    LobbyJoined {
        /// Who it will be.
        identity: String,
        /// How it will be shown.
        name: String,
    },
    /// Somebody waits no more.
    LobbyLeft {
        /// Who it would be.
        identity: String,
        /// How it would be shown.
        name: String,
        /// Why.
        outcome: LobbyOutcome,
    },
    /// Somebody wrote to everybody in the room.
    ChatMessage {
        /// The message's id, as its sender chose it.
        id: String,
        /// Who wrote; empty for somebody hidden.
        identity: String,
        /// How its author is shown.
        name: String,
        /// What it says; `None` when the room keeps no chat, or it is encrypted, too long or unreadable.
        text: Option<String>,
        /// Its length on the wire.
        bytes: u64,
    },
    /// A recording of the room is in another state. Not told by the room itself, and also after its end.
    Recording {
        /// Which step.
        step: RecordingStep,
        /// The recording as it is now.
        info: Box<EgressInfo>,
    },
    /// The session is in another state.
    SessionChanged {
        /// It was.
        from: SessionState,
        /// It is.
        to: SessionState,
    },
}

impl RoomEventKind {
    /// The event's name, as webhooks spell it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RoomStarted => "room_started",
            Self::RoomFinished { .. } => "room_finished",
            Self::ParticipantJoined { .. } => "participant_joined",
            Self::ParticipantActive { .. } => "participant_active",
            Self::ParticipantResumed { .. } => "participant_resumed",
            Self::ParticipantLeft { .. } => "participant_left",
            Self::TrackPublished { .. } => "track_published",
            Self::TrackUnpublished { .. } => "track_unpublished",
            Self::RoleChanged { .. } => "role_changed",
            Self::HandRaised { .. } => "hand_raised",
            Self::HandLowered { .. } => "hand_lowered",
            Self::EntryChanged { .. } => "entry_changed",
            Self::LobbyJoined { .. } => "lobby_joined",
            Self::LobbyLeft { .. } => "lobby_left",
            Self::ChatMessage { .. } => "chat_message",
            Self::Recording { step, .. } => step.name(),
            Self::SessionChanged { .. } => "session_changed",
        }
    }
}

/// What became of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingStep {
    /// It was asked for.
    Started,
    /// It is in another state.
    Updated,
    /// It is over.
    Ended,
}

impl RecordingStep {
    /// The event's name, as webhooks spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "egress_started",
            Self::Updated => "egress_updated",
            Self::Ended => "egress_ended",
        }
    }
}

/// Why a room ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Nobody was in it for its empty or departure timeout.
    Empty,
    /// Somebody deleted it.
    Deleted,
    /// The server stopped.
    Shutdown,
}
