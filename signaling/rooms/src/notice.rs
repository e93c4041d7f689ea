//! What the server tells clients beside LiveKit's protocol: data packets on one topic, from nobody.
//!
//! Only who has a role is told (`Participant::knows_notices`): LiveKit's server sends nothing of the kind, and not every
//! application looks at the topic of what it gets.

use livekit_protocol::{DataPacket, TrackSource, UserPacket, data_packet::Value};
use prost::Message;
use serde_json::json;

use crate::{Entry, SessionState, TrackSid};

/// The topic. Packets of others with it are dropped: hidden senders have no name either, and could speak as the server.
pub(crate) const TOPIC: &str = "sluice.room";

/// Something to tell.
#[derive(Debug)]
pub(crate) enum Notice<'a> {
    /// So many wait to be let in; for those who decide.
    Lobby { waiting: usize },
    /// Somebody asks that a track be unmuted; for its publisher.
    UnmuteRequest { track: &'a TrackSid, source: TrackSource, by: &'a str },
    /// How people get in.
    Entry(Entry),
    /// Where the session stands.
    Session(SessionState),
    /// A message of the chat is deleted.
    ChatDeleted { id: &'a str },
}

impl Notice<'_> {
    /// The packet that says so.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let said = match self {
            Self::Lobby { waiting } => json!({ "type": "lobby", "waiting": waiting }),
            Self::UnmuteRequest { track, source, by } => {
                let source = source_name(*source);
                json!({ "type": "unmute_request", "track_sid": track.as_str(), "source": source, "by": by })
            }
            Self::Entry(entry) => json!({ "type": "entry", "locked": entry.locked, "lobby": entry.lobby }),
            Self::Session(state) => json!({ "type": "session", "state": state.name() }),
            Self::ChatDeleted { id } => json!({ "type": "chat_deleted", "id": id }),
        };
        let user = UserPacket {
            payload: said.to_string().into_bytes(),
            topic: Some(TOPIC.to_owned()),
            ..UserPacket::default()
        };
        DataPacket { value: Some(Value::User(user)), ..DataPacket::default() }.encode_to_vec()
    }
}

fn source_name(source: TrackSource) -> &'static str {
    match source {
        TrackSource::Unknown => "unknown",
        TrackSource::Camera => "camera",
        TrackSource::Microphone => "microphone",
        TrackSource::ScreenShare => "screen_share",
        TrackSource::ScreenShareAudio => "screen_share_audio",
    }
}
