//! What goes into a room: arrivals, signal messages, media events, moderation. Values only.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use livekit_protocol::{JoinRequest, ParticipantInfo, ParticipantPermission, Room, participant_info, signal_request};

use crate::{ChatPost, ConnectionId, DataChannel, ForwardId, ParticipantSid, Portrait, TrackSid};

/// The time at which something happens: one clock to count with, one to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic: every deadline counts on it.
    pub at: Instant,
    /// Milliseconds since 1970, for people and logs; may jump.
    pub unix_ms: i64,
}

/// Something happened to the room.
#[derive(Debug)]
pub enum Command {
    /// Somebody with a valid token wants in.
    Join(Box<Join>),
    /// Somebody whose signal connection broke is back.
    Resume(Box<Resume>),
    /// A message came on a signal connection.
    Signal {
        /// Which connection.
        connection: ConnectionId,
        /// The message.
        message: Box<signal_request::Message>,
    },
    /// A signal connection ended without `leave`; its participant may come back within the resume window.
    SignalLost {
        /// Which connection.
        connection: ConnectionId,
    },
    /// The media plane reports.
    Media(MediaEvent),
    /// A guest, see [`Moderation::AdmitGuest`], is now as its own room says.
    GuestChanged {
        /// Which.
        forward: ForwardId,
        /// How it is.
        portrait: Box<Portrait>,
    },
    /// What happens here is recorded, from now on or no more. Everybody is told.
    Recorded {
        /// By which recording.
        recording: String,
        /// Whether it goes on.
        goes_on: bool,
    },
    /// A forward is over on its other side: who was forwarded left its room, or is a guest no longer.
    ForwardOver {
        /// Which.
        forward: ForwardId,
    },
    /// The server stops: everybody is told, the room ends.
    Shutdown,
}

/// Which signal protocol a client came with; it decides how many peer connections it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalVersion {
    /// `/rtc`: the client publishes on one connection and answers the server's offers on another.
    V0,
    /// `/rtc/v1`: one connection, and only the client offers.
    V1,
}

/// What the token says of its bearer. The server has checked the signature and that it is for this room.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// `sub`: unique in a room, a second bearer replaces the first.
    pub identity: String,
    /// Display name.
    pub name: String,
    /// Free text for the application.
    pub metadata: String,
    /// Free pairs for the application.
    pub attributes: HashMap<String, String>,
    /// What it may do.
    pub permission: ParticipantPermission,
    /// What it is: a person, an agent, ...
    pub kind: participant_info::Kind,
    /// What it may ask of the server API in this room's name; kept for its renewed tokens.
    pub rights: Rights,
    /// When the token was signed, in seconds since 1970; 0 when it does not say.
    pub signed_at_s: u64,
}

/// What a token grants beside its place in the room. A room only carries it from one token to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights {
    /// `roomAdmin`: moderate this room.
    pub room_admin: bool,
    /// `roomCreate`: make and end rooms.
    pub room_create: bool,
    /// `roomList`: list rooms.
    pub room_list: bool,
    /// `roomRecord`: record.
    pub room_record: bool,
}

/// The way in that both arrivals share.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The signal connection it came on.
    pub connection: ConnectionId,
    /// The door it took.
    pub version: SignalVersion,
    /// What its token says.
    pub grants: Grants,
    /// Its request; the v0 door writes one from the query parameters.
    pub request: JoinRequest,
}

/// A new participant.
#[derive(Debug, Clone)]
pub struct Join(pub Arrival);

/// A known participant on a new signal connection.
#[derive(Debug, Clone)]
pub struct Resume {
    /// The participant session it wants back.
    pub participant: ParticipantSid,
    /// The way it came.
    pub arrival: Arrival,
}

/// `a=mid` of a section and the track it carries to the client.
pub type MidToTrack = Vec<(String, TrackSid)>;

/// Sound level of one track since the last report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioLevel {
    /// Who speaks.
    pub participant: ParticipantSid,
    /// Loudest level in the interval in -dBov (RFC 6464): 0 is loudest, 127 silence.
    pub level_dbov: u8,
    /// Share of the interval at or above the speaking threshold, in per cent.
    pub active_percent: u8,
}

/// How one participant's connection fared since the last report.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityReport {
    /// Whose.
    pub participant: ParticipantSid,
    /// Share of the packets it sent that never came, 0.0 to 1.0.
    pub upstream_loss: f32,
    /// Share of the packets sent to it that it reports lost, 0.0 to 1.0.
    pub downstream_loss: f32,
    /// Round trip in milliseconds, when known.
    pub rtt_ms: Option<u32>,
    /// Jitter of what it receives in milliseconds, when known.
    pub jitter_ms: Option<u32>,
    /// Bits per second sent to it as media.
    pub delivered_bps: u64,
    /// Bits per second that what it asked for would take; 0 when it asks for nothing.
    pub wanted_bps: u64,
    /// Nothing at all came from it for the interval.
    pub silent: bool,
}

/// Why a participant's media ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaFailure {
    /// The network lost it.
    ConnectionLost,
    /// It does not read its reliable data channel.
    DataBacklog,
    /// A bug of ours.
    Internal,
}

/// What the media plane reports. Mirrors `sluice_core::Event`; the server maps one to the other.
#[derive(Debug, Clone)]
pub enum MediaEvent {
    /// Answer to the client's offer.
    Answer {
        /// For whom.
        participant: ParticipantSid,
        /// Id of the offer.
        id: u32,
        /// The SDP.
        sdp: String,
        /// Sections that carry tracks to the client.
        mid_to_track: MidToTrack,
    },
    /// The server's offer (v0).
    Offer {
        /// For whom.
        participant: ParticipantSid,
        /// Its number.
        id: u32,
        /// The SDP.
        sdp: String,
        /// Sections that carry tracks to the client.
        mid_to_track: MidToTrack,
    },
    /// The client must offer again with so many more receiving sections (v1).
    SectionsNeeded {
        /// Who.
        participant: ParticipantSid,
        /// More audio sections.
        audio: u32,
        /// More video sections.
        video: u32,
    },
    /// An offer or answer was refused.
    NegotiationFailed {
        /// Whose.
        participant: ParticipantSid,
    },
    /// The participant's primary connection is up.
    Connected {
        /// Who.
        participant: ParticipantSid,
    },
    /// A track met its media section.
    TrackAdded {
        /// Publisher.
        participant: ParticipantSid,
        /// Which.
        track: TrackSid,
        /// Its section.
        mid: String,
        /// The codec agreed for it (`video/VP8`).
        mime_type: String,
        /// It comes in several encodings.
        simulcast: bool,
    },
    /// The client stopped sending the section: that is how it unpublishes.
    TrackRemoved {
        /// Publisher.
        participant: ParticipantSid,
        /// Which.
        track: TrackSid,
    },
    /// The subscription's section is negotiated and carries the track.
    Subscribed {
        /// Receiver.
        subscriber: ParticipantSid,
        /// What.
        track: TrackSid,
    },
    /// The best layer of a track that anybody wants changed; what is above may be switched off (dynacast).
    LayersWanted {
        /// Publisher.
        participant: ParticipantSid,
        /// Which.
        track: TrackSid,
        /// Highest layer wanted; `None` when nobody wants any.
        max_spatial: Option<u8>,
    },
    /// The same of a track's second codec. Until the first of these nobody wants it.
    BackupWanted {
        /// Publisher.
        participant: ParticipantSid,
        /// Which.
        track: TrackSid,
        /// Highest layer wanted; `None` when nobody needs the codec.
        max_spatial: Option<u8>,
    },
    /// The second codec of a track met its media section.
    BackupAdded {
        /// Publisher.
        participant: ParticipantSid,
        /// Which.
        track: TrackSid,
        /// Its section.
        mid: String,
    },
    /// The client stopped sending the second codec.
    BackupRemoved {
        /// Publisher.
        participant: ParticipantSid,
        /// Which.
        track: TrackSid,
    },
    /// Tracks were paused for want of bandwidth, or go on.
    StreamStates {
        /// Receiver.
        subscriber: ParticipantSid,
        /// Track, and whether it is paused now.
        paused: Vec<(TrackSid, bool)>,
    },
    /// The subscriber takes none of the codecs a track comes in.
    NotDecodable {
        /// Receiver.
        subscriber: ParticipantSid,
        /// What.
        track: TrackSid,
    },
    /// A message came on a data channel.
    Data {
        /// From whom.
        participant: ParticipantSid,
        /// On which channel.
        channel: DataChannel,
        /// The message.
        payload: Vec<u8>,
    },
    /// Sound levels of participants.
    AudioLevels {
        /// Of which part of the media plane: whoever is on it and is not named was silent, of others nothing is said.
        part: u16,
        /// What was heard.
        levels: Vec<AudioLevel>,
    },
    /// Connection reports of participants, of as many as whoever reports knows.
    Quality(Vec<QualityReport>),
    /// A participant's media ended.
    Failed {
        /// Who.
        participant: ParticipantSid,
        /// Why.
        failure: MediaFailure,
    },
}

/// What somebody outside the room asks of it: the server API, an administrator. See
/// [`crate::RoomState::moderate`].
#[derive(Debug, Clone)]
pub enum Moderation {
    /// Send a participant away, and let it come back with a newer token only. Neither does its account come in as somebody
    /// new with an older one, and what it was made here it is no more.
    RemoveParticipant {
        /// Whom.
        identity: String,
        /// Tokens signed before this, in seconds since 1970, do not open the room to it any more. `None`: those
        /// signed until now.
        revoke_before_s: Option<u64>,
        /// No token lets this identity in any more, as long as the room lives; it need not be here. Whoever else is here by
        /// its account is sent away with it. To keep the account itself out is the server's.
        keep_out: bool,
    },
    /// Let an identity in again that was kept out. Tokens from before stay worthless.
    Readmit {
        /// Whom.
        identity: String,
    },
    /// Somebody wants in and asks for it. Who knocks where people come in unasked is let in at once. The same ticket again
    /// is [`Self::StillThere`].
    Knock {
        /// Its secret, and its name for the following.
        ticket: String,
        /// Who it will be.
        identity: String,
        /// How it will be shown.
        name: String,
    },
    /// Who waits asks where it stands ([`crate::RoomState::standing_of`]); without that for 30 s it is gone.
    StillThere {
        /// Whose.
        ticket: String,
    },
    /// Who waits does not want in any more.
    Withdraw {
        /// Whose.
        ticket: String,
    },
    /// Let somebody in who waits. For a minute it may join, locked or not.
    Admit {
        /// Whose.
        ticket: String,
    },
    /// Do not let it in.
    Refuse {
        /// Whose.
        ticket: String,
    },
    /// Change how people get in. `None` leaves it. Who waits when everybody may come in is let in.
    SetEntry {
        /// Nobody new comes in.
        locked: Option<bool>,
        /// Guests wait to be let in.
        lobby: Option<bool>,
    },
    /// Make somebody a host, a participant, or whatever roles the application has. Counts at once, whatever its token
    /// says, and for tokens signed until now.
    SetRole {
        /// Whom.
        identity: String,
        /// The name, which others see; empty for none.
        role: String,
        /// What it may do.
        permission: ParticipantPermission,
        /// What it may ask of the server API.
        rights: Rights,
    },
    /// Raise or lower somebody's hand.
    SetHand {
        /// Whose.
        identity: String,
        /// Up or down.
        raised: bool,
    },
    /// Mute every microphone but those of people who moderate.
    MuteAll {
        /// Identities that stay as they are.
        except: Vec<String>,
    },
    /// Ask somebody to unmute: its client shows who asks, and it decides.
    AskToUnmute {
        /// Whom.
        identity: String,
        /// Which track.
        track: TrackSid,
        /// Who asks.
        by: String,
    },
    /// Write in the room's chat.
    PostChat {
        /// What.
        message: ChatPost,
    },
    /// Tell everybody that a message of the chat is deleted.
    DeleteChat {
        /// Which.
        id: String,
    },
    /// Mute a track at its publisher, or ask to unmute it.
    MuteTrack {
        /// Whose.
        identity: String,
        /// Which.
        track: TrackSid,
        /// Muted or not.
        muted: bool,
    },
    /// Change what others see of a participant, or what it may do. `None` leaves a field alone; an attribute
    /// set to the empty string goes.
    UpdateParticipant {
        /// Whom.
        identity: String,
        /// New display name.
        name: Option<String>,
        /// New metadata.
        metadata: Option<String>,
        /// Attributes to set.
        attributes: HashMap<String, String>,
        /// New permissions.
        permission: Option<ParticipantPermission>,
    },
    /// Change a participant's subscriptions as if it had asked.
    UpdateSubscriptions {
        /// Whose.
        identity: String,
        /// Which tracks.
        tracks: Vec<TrackSid>,
        /// Subscribe or not.
        subscribe: bool,
    },
    /// Change the room's metadata.
    UpdateRoomMetadata {
        /// The new text.
        metadata: String,
    },
    /// Change how the room lives. `None` leaves a setting alone.
    Reconfigure {
        /// A room nobody ever joined ends after this time; of no effect once somebody has.
        empty_timeout: Option<Duration>,
        /// A room everybody left ends after this time; counts from the next farewell on.
        departure_timeout: Option<Duration>,
        /// Most participants at once; those who are there stay.
        max_participants: Option<u32>,
        /// New metadata.
        metadata: Option<String>,
    },
    /// Call a procedure of a participant; [`crate::Effect::RpcAnswered`] brings what it answered.
    PerformRpc {
        /// Number under which the answer comes.
        call: u64,
        /// Whose.
        identity: String,
        /// Which.
        method: String,
        /// Its argument.
        payload: String,
        /// How long to wait for the answer.
        timeout: Duration,
    },
    /// Send a participant to another room: it is told where, given a token for it, and joins there anew.
    MoveParticipant {
        /// Whom.
        identity: String,
        /// The other room, as it is now.
        to: Box<Room>,
        /// Who is there.
        others: Vec<ParticipantInfo>,
    },
    /// Let a participant be in another room, too: that one is told of it by [`crate::Effect::Forward`], until
    /// [`crate::Effect::ForwardOver`].
    ForwardParticipant {
        /// Whom.
        identity: String,
        /// The number of its stay there.
        forward: ForwardId,
    },
    /// Show a participant of another room as one of this. It takes nobody's place and keeps no room alive. Refused when
    /// its identity is taken here, or kept out.
    AdmitGuest {
        /// The number of its stay here.
        forward: ForwardId,
        /// How it is.
        portrait: Box<Portrait>,
    },
    /// Send a data packet from the server. `payload` is an encoded `DataPacket`.
    SendData {
        /// On which channel.
        channel: DataChannel,
        /// The packet; its destination identities are honoured.
        payload: Vec<u8>,
    },
    /// End the room now.
    DeleteRoom,
}
