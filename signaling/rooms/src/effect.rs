//! What comes out of a room. The server carries effects out in order.

use std::collections::HashMap;
use std::sync::Arc;

use livekit_protocol::{
    ParticipantPermission, RoomMovedResponse, RpcError, SpeakerInfo, TrackSource, participant_info, signal_response,
};

use crate::{ConnectionId, ForwardId, ParticipantSid, Portrait, Rights, RoomEvent, SignalVersion, TrackSid};

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
    /// Sign a token for another room and tell the client on this connection that it was moved there.
    Move {
        /// To whom.
        connection: ConnectionId,
        /// What the token shall say, for the room named in `moved`.
        claims: Box<TokenClaims>,
        /// What the client is told, but for the token.
        moved: Box<RoomMovedResponse>,
    },
    /// A procedure call of the server API is over.
    RpcAnswered {
        /// Its number.
        call: u64,
        /// What the participant answered, or why there is no answer.
        outcome: Result<String, RpcError>,
    },
    /// Tell the other room of a forward how its participant is now. What was said before need not arrive any more.
    Forward {
        /// Which.
        forward: ForwardId,
        /// All of it.
        portrait: Box<Portrait>,
    },
    /// A forward is over on this side. The other room is to hear of it.
    ForwardOver {
        /// Which.
        forward: ForwardId,
    },
    /// Tell the media plane that a guest has a track, whose packets come from another room. It ends like any other, by
    /// [`MediaCommand::RemoveTrack`].
    Borrow {
        /// By which forward.
        forward: ForwardId,
        /// Whose it is here.
        guest: ParticipantSid,
        /// Its id here.
        track: TrackSid,
        /// Its id in the other room.
        of: TrackSid,
    },
    /// Tell the media plane.
    Media(MediaCommand),
    /// An entry of the room's log.
    Event(Box<RoomEvent>),
    /// Somebody began to speak, fell silent, or became louder. Only told while the room is recorded.
    Speakers {
        /// Who, by sid, and how loud.
        changed: Vec<SpeakerInfo>,
    },
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
    /// What it may ask of the server API.
    pub rights: Rights,
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
    /// What it shows or sounds of: it decides what gives way first.
    pub source: TrackSource,
    /// Its layers, lowest first.
    pub layers: Vec<DeclaredLayer>,
    /// Codecs the client prefers, best first, as MIME types.
    pub codecs: Vec<String>,
    /// Music.
    pub stereo: bool,
    /// Opus may fall silent.
    pub dtx: bool,
    /// Opus may come with redundancy (RFC 2198).
    pub red: bool,
    /// Its frames may end in a packet trailer.
    pub has_trailers: bool,
    /// Which of its codecs the section will bring.
    pub role: CodecRole,
}

/// Which codec of a track a section brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CodecRole {
    /// The one there is.
    #[default]
    Only,
    /// The preferred one of two.
    Primary(BackupCodec),
    /// The second, of a track that was announced before.
    Backup,
}

/// The second codec of a track, which its publisher sends when it is asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupCodec {
    /// `video/VP8`.
    pub mime_type: String,
    /// Who gets it.
    pub policy: BackupPolicy,
}

/// Who gets the second codec of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupPolicy {
    /// Who cannot decode the first: the publisher encodes both.
    Simulcast,
    /// Everybody who can decode it, once somebody cannot decode the first: the publisher encodes one.
    Regression,
}

/// A layer as its publisher announced it. What it really sends is the media plane's to measure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeclaredLayer {
    /// 0 = `q` or the lowest spatial layer, up to 2.
    pub spatial: u8,
    /// Pixels; 0 when not said.
    pub width: u32,
    /// Pixels; 0 when not said.
    pub height: u32,
    /// Bits per second; 0 when not said.
    pub bitrate_bps: u32,
}

/// How much of a track a subscriber wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// False while the subscriber looks elsewhere.
    pub enabled: bool,
    /// Highest layer wanted: 0 = `q`, 1 = `h`, 2 = `f`.
    pub max_spatial: u8,
    /// Frames per second enough for the subscriber; `None`: as many as there are.
    pub max_fps: Option<u16>,
    /// Pixels of the area it is shown in; 0 when not said.
    pub area_px: u32,
    /// Higher is served first; 0 when not said.
    pub priority: u32,
}

impl Demand {
    /// Nothing, for now.
    pub const NOTHING: Self = Self { enabled: false, max_spatial: 2, max_fps: None, area_px: 0, priority: 0 };
}

impl Default for Demand {
    /// Everything there is.
    fn default() -> Self {
        Self { enabled: true, ..Self::NOTHING }
    }
}

/// Bounds on what is forwarded in a room, whatever its subscribers ask. For large rooms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoomLimits {
    /// Only so many cameras, of those who spoke last, reach each subscriber; `None`: all. Screens always do.
    pub last_cameras: Option<u16>,
    /// Only so many microphones, the loudest, reach each subscriber; `None`: all.
    pub loudest_microphones: Option<u16>,
}

impl RoomLimits {
    /// Whether there is any bound at all.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
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
        /// The client takes packet trailers off frames itself.
        takes_trailers: bool,
        /// Its pictures may be paused for want of bandwidth.
        allows_pauses: bool,
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
    /// Bound what is forwarded in this room, from now on.
    LimitRoom(RoomLimits),
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
