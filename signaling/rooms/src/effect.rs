//! What comes out of a room. The server carries effects out in order.

use std::collections::HashMap;
use std::sync::Arc;

use livekit_protocol::{ParticipantPermission, participant_info, signal_response};

use crate::{ConnectionId, ParticipantSid, RoomEvent, SignalVersion, TrackSid};

/// Something to carry out.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Send one message on these signal connections; encoded once for all.
    Signal {
        /// Receivers; all of them live.
        to: Vec<ConnectionId>,
        /// The message.
        message: Arc<signal_response::Message>,
    },
    /// End a signal connection after what was sent to it before.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Sign a fresh token and send it on this connection, so that the client can come back when the one it
    /// joined with is over.
    RefreshToken {
        /// To whom.
        connection: ConnectionId,
        /// What the token shall say.
        claims: Box<TokenClaims>,
    },
    /// Tell the media plane.
    Media(MediaCommand),
    /// An entry of the room's log.
    Event(Box<RoomEvent>),
    /// The room is over: drop it. The last effect there is.
    Finished,
}

/// What a refreshed token says of its bearer.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenClaims {
    /// Identity.
    pub identity: String,
    /// Display name.
    pub name: String,
    /// Metadata.
    pub metadata: String,
    /// Attributes.
    pub attributes: HashMap<String, String>,
    /// Permissions as they are now.
    pub permission: ParticipantPermission,
    /// What it is.
    pub kind: participant_info::Kind,
}

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// The data channels every participant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataChannel {
    /// `_reliable`: ordered, retransmitted.
    Reliable,
    /// `_lossy`: unordered, sent once.
    Lossy,
}

/// A track a client announced; the next offers bind it to a media section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedTrack {
    /// Its id.
    pub track: TrackSid,
    /// Client track ids that may stand in the section's `a=msid`.
    pub cids: Vec<String>,
    /// Audio or video.
    pub kind: MediaKind,
    /// Codecs the client prefers, best first, as MIME types.
    pub codecs: Vec<String>,
    /// Music.
    pub stereo: bool,
    /// Opus may fall silent.
    pub dtx: bool,
}

/// How much of a track a subscriber wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// False while the subscriber looks elsewhere.
    pub enabled: bool,
    /// Highest layer wanted: 0 = `q`, 1 = `h`, 2 = `f`.
    pub max_spatial: u8,
}

impl Default for Demand {
    /// Everything there is.
    fn default() -> Self {
        Self { enabled: true, max_spatial: 2 }
    }
}

/// What the room asks of the media plane. Mirrors `sluice_core::Command`; the server maps one to the other.
#[derive(Debug, Clone)]
pub enum MediaCommand {
    /// Make its transports.
    AddParticipant {
        /// Whose.
        participant: ParticipantSid,
        /// One connection or two.
        version: SignalVersion,
    },
    /// Take away transports, tracks and subscriptions.
    RemoveParticipant {
        /// Whose.
        participant: ParticipantSid,
    },
    /// The client's offer.
    Offer {
        /// From whom.
        participant: ParticipantSid,
        /// Its number.
        id: u32,
        /// The SDP.
        sdp: String,
    },
    /// The client's answer (v0).
    Answer {
        /// From whom.
        participant: ParticipantSid,
        /// Number of the offer, or 0 for the outstanding one.
        id: u32,
        /// The SDP.
        sdp: String,
    },
    /// The client will publish a track.
    ExpectTrack {
        /// The publisher.
        participant: ParticipantSid,
        /// What will come.
        expected: ExpectedTrack,
    },
    /// Take a track away.
    RemoveTrack {
        /// Which.
        track: TrackSid,
    },
    /// Forward nothing of it while muted.
    MuteTrack {
        /// Which.
        track: TrackSid,
        /// Muted or not.
        muted: bool,
    },
    /// Forward a track to a participant.
    Subscribe {
        /// The receiver.
        subscriber: ParticipantSid,
        /// What.
        track: TrackSid,
        /// Audio or video.
        kind: MediaKind,
        /// Stream id the receiver sees.
        stream: String,
    },
    /// Stop forwarding it.
    Unsubscribe {
        /// The receiver.
        subscriber: ParticipantSid,
        /// What.
        track: TrackSid,
    },
    /// Bound what a subscription sends.
    Demand {
        /// The receiver.
        subscriber: ParticipantSid,
        /// What.
        track: TrackSid,
        /// The bound.
        demand: Demand,
    },
    /// Send one message on a data channel of each receiver.
    SendData {
        /// Receivers.
        to: Vec<ParticipantSid>,
        /// Which channel.
        channel: DataChannel,
        /// The message.
        payload: Arc<[u8]>,
    },
    /// The client is back.
    Resume {
        /// Who.
        participant: ParticipantSid,
    },
}
