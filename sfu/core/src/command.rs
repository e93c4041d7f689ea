//! What the control plane asks of a worker. Values only: a command crosses a thread.

use std::sync::Arc;

use crate::{ParticipantId, RoomId, TapId, TapWish, TrackId, WorkerId};

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

/// What a track shows or sounds of. Decides what gives way first when there is little room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// Not said.
    #[default]
    Unknown,
    /// A face.
    Camera,
    /// A voice.
    Microphone,
    /// A screen: text must stay readable.
    Screen,
    /// What a shared screen sounds.
    ScreenAudio,
}

/// A layer as its publisher announced it (`VideoLayer` of `AddTrackRequest`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeclaredLayer {
    /// 0 = `q` or lowest spatial layer, up to 2.
    pub spatial: u8,
    /// Pixels; 0 when not said.
    pub width: u32,
    /// Pixels; 0 when not said.
    pub height: u32,
    /// Bits per second it was announced with; 0 when not said. What it really sends is measured.
    pub bitrate_bps: u32,
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
    /// What it shows.
    pub source: Source,
    /// Its layers, lowest first, as far as they were announced.
    pub layers: Vec<DeclaredLayer>,
    /// Codecs in order of preference as MIME types (`video/VP9`); the answer lists them first.
    pub codecs: Vec<String>,
    /// Music: the answer asks for stereo Opus at 510 kbit/s.
    pub stereo: bool,
    /// The answer lets Opus fall silent (`usedtx=1`).
    pub dtx: bool,
    /// Opus may come with redundancy (RFC 2198): the answer prefers `audio/red`.
    pub red: bool,
    /// Its frames may end in a packet trailer, which is cut off for participants that do not take any.
    pub has_trailers: bool,
    /// Which of its codecs the section will bring.
    pub role: CodecRole,
}

/// Which codec of a track a section brings. A publisher whose codec is not for everybody may announce a second one,
/// and sends it on a section of its own once it is asked to.
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

/// The second codec of a track.
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

/// How much of a track a subscriber wants. The forwarder never sends more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// False while the subscriber looks elsewhere: nothing is sent, the section stays.
    pub enabled: bool,
    /// Highest spatial (or simulcast) layer wanted: 0 = `q`, 1 = `h`, 2 = `f`.
    pub max_spatial: u8,
    /// Frames per second enough for the subscriber; `None`: as many as there are.
    pub max_fps: Option<u16>,
    /// Pixels of the area it is shown in; 0 when not said. Larger tiles are served first.
    pub area_px: u32,
    /// The subscriber's own order (`UpdateTrackSettings.priority`): higher is served before larger tiles.
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

/// Bounds on what is forwarded in a room, whatever its subscribers ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoomLimits {
    /// Only so many cameras, of those who spoke last, reach each subscriber. Screens always do.
    pub last_cameras: Option<u16>,
    /// Only so many microphones, the loudest, reach each subscriber.
    pub loudest_microphones: Option<u16>,
}

/// What a participant's client said of itself when it came.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// One connection or two.
    pub connection: Connection,
    /// It takes packet trailers off frames itself. For others they are cut off here.
    pub takes_trailers: bool,
    /// Its pictures may be paused while its link does not even carry their lowest layers.
    pub allows_pauses: bool,
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
        /// What its client is like.
        client: Client,
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
    /// A track of another room is to be in this one, too, as if somebody published it here: a mirror of it, under names
    /// of its own. It is muted when its original is, and goes with it, by [`Command::RemoveTrack`] or with the room. Whose
    /// it is here has no connection, and need not be added.
    BorrowTrack {
        /// The room that is to have it.
        room: RoomId,
        /// Whose it is there.
        participant: ParticipantId,
        /// Its id there.
        track: TrackId,
        /// Its id where it is published.
        of: TrackId,
        /// The worker its publisher is on, which may be the same.
        from: WorkerId,
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
    /// A track is to be given away as packets, too, see [`crate::TapMessage`]. It may be published later; where its publisher
    /// is not there to do so, the tap ends at once. It ends with the track.
    Tap {
        /// Its number, which nothing else has had.
        tap: TapId,
        /// The room.
        room: RoomId,
        /// Whose track it is: the tap is made where they are.
        publisher: ParticipantId,
        /// What.
        track: TrackId,
        /// How much of it.
        wish: TapWish,
    },
    /// Nobody takes from a tap any more: it ends.
    Untap {
        /// Which.
        tap: TapId,
    },
    /// Whoever takes from a tap cannot go on without a key frame. Publishers are asked twice a second at most.
    TapKeyframe {
        /// Which.
        tap: TapId,
    },
    /// Bounds of a room; may change while it goes on. Without it there are none.
    LimitRoom {
        /// Which.
        room: RoomId,
        /// From now on.
        limits: RoomLimits,
    },
    /// The room is on other workers, too, from now on on these. Sent by whoever places its participants, see
    /// [`crate::RoomSpan`]; a room nobody says it of is here only.
    SpanRoom {
        /// Which.
        room: RoomId,
        /// Which of the room's workers this is, from 0; a number is never used again in the room.
        part: u16,
        /// The others.
        peers: Vec<WorkerId>,
        /// The one that decides whom the room's limits leave out; `None` when it is this one.
        home: Option<WorkerId>,
    },
    /// Why does this participant see what it sees? Answered by [`crate::Event::Explained`]; nothing comes when
    /// there is no such participant.
    Explain {
        /// Who.
        participant: ParticipantId,
        /// Echoed in the answer.
        request: u64,
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
