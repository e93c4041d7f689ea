//! What a worker tells the control plane. Values only.

use crate::{DataChannel, LinkReport, ParticipantId, RoomId, TrackId};

/// `a=mid` of a section and the track it carries to the client.
pub type MidToTrack = Vec<(String, TrackId)>;

/// Sound level of one track since the last report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioLevel {
    /// Who speaks.
    pub participant: ParticipantId,
    /// On which track.
    pub track: TrackId,
    /// Loudest level in the interval in -dBov (RFC 6464): 0 is loudest, 127 silence.
    pub level_dbov: u8,
    /// Packets at or above the speaking threshold, in per cent of the interval's packets.
    pub active_percent: u8,
}

/// How one participant's connection fared since the last report.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityReport {
    /// Whose.
    pub participant: ParticipantId,
    /// Share of the packets it sent that never came, 0.0 to 1.0.
    pub upstream_loss: f32,
    /// Share of the packets sent to it that it reports lost, 0.0 to 1.0.
    pub downstream_loss: f32,
    /// Round trip in milliseconds, when known.
    pub rtt_ms: Option<u32>,
    /// Jitter of what it receives, as its receiver reports say, in milliseconds.
    pub jitter_ms: Option<u32>,
    /// Bits per second sent to it as media.
    pub delivered_bps: u64,
    /// Bits per second that what it asked for would take: the share delivered is how well it is served.
    pub wanted_bps: u64,
    /// True when nothing at all came from it for the interval.
    pub silent: bool,
}

/// Why a participant's media ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// ICE lost the client and it did not come back within the time allowed.
    ConnectionLost,
    /// The client stopped reading its reliable data channel.
    DataBacklog,
    /// A bug of ours, contained to this participant.
    Internal,
}

/// A report from the worker that owns the room.
#[derive(Debug, Clone)]
pub enum Event {
    /// Answer to the client's offer.
    Answer {
        /// For whom.
        participant: ParticipantId,
        /// Id of the offer.
        id: u32,
        /// The SDP.
        sdp: String,
        /// Sections that carry tracks to the client (one connection).
        mid_to_track: MidToTrack,
    },
    /// An offer of ours (two connections).
    Offer {
        /// For whom.
        participant: ParticipantId,
        /// Our number for it.
        id: u32,
        /// The SDP.
        sdp: String,
        /// Sections that carry tracks to the client.
        mid_to_track: MidToTrack,
    },
    /// One connection: the client must offer again, with so many more receiving sections; (0, 0) asks for a
    /// plain re-offer so that sections can change.
    SectionsNeeded {
        /// Who.
        participant: ParticipantId,
        /// More audio sections.
        audio: u32,
        /// More video sections.
        video: u32,
    },
    /// An offer or answer was refused.
    NegotiationFailed {
        /// Whose.
        participant: ParticipantId,
        /// Id of the offer.
        id: u32,
        /// For the log and the client: what was wrong. Holds no secret of the SDP.
        reason: String,
    },
    /// The participant's primary connection is up (ICE and DTLS): the only one, or the server's.
    Connected {
        /// Who.
        participant: ParticipantId,
    },
    /// A track met its media section.
    TrackAdded {
        /// Publisher.
        participant: ParticipantId,
        /// Which.
        track: TrackId,
        /// Its section.
        mid: String,
        /// The codec agreed for it (`video/VP8`).
        mime_type: String,
        /// True when it comes in several encodings.
        simulcast: bool,
    },
    /// The client stopped sending a section: that is how it unpublishes.
    TrackRemoved {
        /// Publisher.
        participant: ParticipantId,
        /// Which.
        track: TrackId,
    },
    /// The second codec of a track met its media section.
    BackupAdded {
        /// Publisher.
        participant: ParticipantId,
        /// Which.
        track: TrackId,
        /// Its section.
        mid: String,
    },
    /// The client stopped sending the second codec of a track, which goes on with the first.
    BackupRemoved {
        /// Publisher.
        participant: ParticipantId,
        /// Which.
        track: TrackId,
    },
    /// The subscription's section is negotiated and carries the track.
    Subscribed {
        /// Receiver.
        subscriber: ParticipantId,
        /// What.
        track: TrackId,
    },
    /// A message came on a data channel.
    Data {
        /// From whom.
        participant: ParticipantId,
        /// On which channel.
        channel: DataChannel,
        /// The message.
        payload: Vec<u8>,
    },
    /// Sound levels of a room's participants here, every 300 ms while anything sounds, and once when all fell silent.
    AudioLevels {
        /// Which room.
        room: RoomId,
        /// Of which of the room's workers, where it has several: nothing is said of the others' participants.
        part: u16,
        /// The tracks heard.
        levels: Vec<AudioLevel>,
    },
    /// Connection reports of a room's participants here, every 5 s.
    Quality {
        /// Which room.
        room: RoomId,
        /// One for each participant.
        reports: Vec<QualityReport>,
    },
    /// The best layer of a published track that anybody wants changed: what is above may be switched off
    /// (dynacast). Sent at once when more is wanted and after a while when less is.
    LayersWanted {
        /// Publisher.
        participant: ParticipantId,
        /// Which.
        track: TrackId,
        /// Highest spatial layer wanted; `None` when nobody wants any.
        max_spatial: Option<u8>,
    },
    /// The same of a track's second codec, which is to be published when a layer of it is wanted. Nothing is before
    /// the first of these.
    BackupWanted {
        /// Publisher.
        participant: ParticipantId,
        /// Which.
        track: TrackId,
        /// Highest spatial layer wanted; `None` when nobody needs the codec.
        max_spatial: Option<u8>,
    },
    /// Tracks were paused for want of bandwidth, or go on.
    StreamStates {
        /// Receiver.
        subscriber: ParticipantId,
        /// Track, and whether it is paused now.
        paused: Vec<(TrackId, bool)>,
    },
    /// The subscriber takes none of the codecs a track comes in, or only a second one that was announced and does not
    /// come. Should it come after all, it is forwarded.
    NotDecodable {
        /// Receiver.
        subscriber: ParticipantId,
        /// What.
        track: TrackId,
    },
    /// Answer to [`crate::Command::Explain`].
    Explained {
        /// As asked.
        request: u64,
        /// What is sent to whom, and why.
        report: Box<LinkReport>,
    },
    /// A worker of the room is lost, with all participants it had. Not said by a worker: by whoever owns it, so that the
    /// room looks after those who were on it, and tells its other workers.
    WorkerLost,
    /// A participant's media ended; the control plane decides what to tell it, then removes it.
    ParticipantFailed {
        /// Who.
        participant: ParticipantId,
        /// Why.
        failure: Failure,
    },
}
