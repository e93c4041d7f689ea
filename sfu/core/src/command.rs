//! What the control plane asks of a worker. Values only: a command crosses a thread.

use std::sync::Arc;

use crate::{ParticipantId, RoomId, TrackId};

/// How many peer connections a participant uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// One connection for both ways; only the client offers (LiveKit signal v1).
    Single,
    /// The client publishes on one connection, the server offers another (LiveKit signal v0).
    Dual,
}

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// The data channels every participant has, by their LiveKit labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataChannel {
    /// `_reliable`: ordered, retransmitted.
    Reliable,
    /// `_lossy`: unordered, sent once.
    Lossy,
}

/// A track the client said it will publish; the next offers bind it to a media section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedTrack {
    /// The id the control plane gave it.
    pub track: TrackId,
    /// Client track ids that may stand in the section's `a=msid` (a backup codec brings its own).
    pub cids: Vec<String>,
    /// Audio or video.
    pub kind: Kind,
    /// Codecs in order of preference as MIME types (`video/VP9`); the answer lists them first.
    pub codecs: Vec<String>,
    /// Music: the answer asks for stereo Opus at 510 kbit/s.
    pub stereo: bool,
    /// The answer lets Opus fall silent (`usedtx=1`).
    pub dtx: bool,
}

/// How much of a track a subscriber wants. The forwarder never sends more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// False while the subscriber looks elsewhere: nothing is sent, the section stays.
    pub enabled: bool,
    /// Highest simulcast layer wanted: 0 = `q`, 1 = `h`, 2 = `f`.
    pub max_spatial: u8,
}

impl Default for Demand {
    /// Everything there is.
    fn default() -> Self {
        Self { enabled: true, max_spatial: 2 }
    }
}

/// A request to the worker that owns the room.
#[derive(Debug, Clone)]
pub enum Command {
    /// A participant enters; its transports are made.
    AddParticipant {
        /// Its room.
        room: RoomId,
        /// Its id.
        participant: ParticipantId,
        /// One connection or two.
        connection: Connection,
    },
    /// A participant leaves: transports, tracks and subscriptions go. Answered by [`crate::Event::TrackRemoved`]
    /// for nothing: whoever removes a participant knows its tracks.
    RemoveParticipant {
        /// Who.
        participant: ParticipantId,
    },
    /// The client's offer, for its publishing (or only) connection. Answered by [`crate::Event::Answer`] or
    /// [`crate::Event::NegotiationFailed`].
    Offer {
        /// From whom.
        participant: ParticipantId,
        /// The client's number for it, echoed in the answer.
        id: u32,
        /// The SDP.
        sdp: String,
    },
    /// The client's answer to the last [`crate::Event::Offer`] (two connections only).
    Answer {
        /// From whom.
        participant: ParticipantId,
        /// Number of the offer it answers; 0 means the outstanding one (some SDKs always send 0).
        id: u32,
        /// The SDP.
        sdp: String,
    },
    /// The client will publish a track. May come before or after the offer that carries it.
    ExpectTrack {
        /// The publisher.
        participant: ParticipantId,
        /// What will come.
        expected: ExpectedTrack,
    },
    /// The control plane takes a track away (moderation, permission revoked).
    RemoveTrack {
        /// Which.
        track: TrackId,
    },
    /// While muted nothing of the track is forwarded, whatever the client sends.
    MuteTrack {
        /// Which.
        track: TrackId,
        /// Muted or not.
        muted: bool,
    },
    /// Forward a track to a participant. The track may be published later (then it opens when it appears).
    Subscribe {
        /// The receiver.
        subscriber: ParticipantId,
        /// What.
        track: TrackId,
        /// Audio or video; needed before the track has bound.
        kind: Kind,
        /// Stream id the receiver sees in `a=msid` (`PA_xxx|camera`); tracks of one stream play in sync.
        stream: String,
    },
    /// Stop forwarding it.
    Unsubscribe {
        /// The receiver.
        subscriber: ParticipantId,
        /// What.
        track: TrackId,
    },
    /// Bound what a subscription sends.
    Demand {
        /// The receiver.
        subscriber: ParticipantId,
        /// What.
        track: TrackId,
        /// The bound.
        demand: Demand,
    },
    /// Send one message on a data channel of each receiver. A receiver whose buffer is full loses a lossy
    /// message (counted); a full reliable buffer ends that receiver with
    /// [`crate::Event::ParticipantFailed`].
    SendData {
        /// Receivers.
        to: Vec<ParticipantId>,
        /// Which channel.
        channel: DataChannel,
        /// The message, encoded once for all.
        payload: Arc<[u8]>,
    },
    /// The room is over: whoever is left in it is removed.
    CloseRoom {
        /// Which.
        room: RoomId,
    },
    /// The client came back after losing its signal connection: for two connections the server offers again
    /// with an ICE restart.
    Resume {
        /// Who.
        participant: ParticipantId,
    },
}
