//! The room's log: one growing sequence that webhooks, audit, history and analytics read.

use livekit_protocol::{DisconnectReason, ParticipantInfo, Room, TrackInfo};

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomEvent {
    /// Counts from 1 in each room session, without gaps.
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
