//! The signal connection of a participant, which speaks LiveKit's messages whatever the server speaks. Knows whom it has
//! in front of it, not what is said.

use std::net::IpAddr;

use livekit_protocol::{signal_request as ask, signal_response as told};

use crate::error::PeerError;
use crate::plan::Visit;
use crate::server::Server;
use crate::{janus, livekit};

/// Which signal protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalVersion {
    /// LiveKit's `/rtc/v1`: one peer connection.
    V1,
    /// LiveKit's `/rtc`: two peer connections.
    V0,
    /// The API of Janus for its rooms with pictures: two peer connections, used as in v0.
    Janus,
}

impl SignalVersion {
    /// As flags and reports name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V0 => "v0",
            Self::Janus => "janus",
        }
    }

    /// Connections of media that a participant has.
    pub(crate) fn connections(self) -> usize {
        if self == Self::V1 { 1 } else { 2 }
    }
}

/// An open signal connection.
pub(crate) enum Signal {
    LiveKit(Box<livekit::Connection>),
    Janus(Box<janus::Connection>),
}

impl Signal {
    /// Connects. `resumes`: the session to take up again.
    pub(crate) async fn connect(
        server: &Server,
        version: SignalVersion,
        visit: &Visit,
        token: &str,
        resumes: Option<&str>,
    ) -> Result<Self, PeerError> {
        if version == SignalVersion::Janus {
            return Ok(Self::Janus(Box::new(janus::Connection::connect(server, visit).await?)));
        }
        let is_v1 = version == SignalVersion::V1;
        let connection = livekit::Connection::connect(server, is_v1, token, visit.subscribes, resumes).await?;
        Ok(Self::LiveKit(Box::new(connection)))
    }

    /// Our address on the way to the server; media goes the same way.
    pub(crate) fn local(&self) -> IpAddr {
        match self {
            Self::LiveKit(connection) => connection.local,
            Self::Janus(connection) => connection.local,
        }
    }

    /// The next message; safe to cancel.
    pub(crate) async fn hear(&mut self) -> Result<told::Message, PeerError> {
        match self {
            Self::LiveKit(connection) => connection.hear().await,
            Self::Janus(connection) => connection.hear().await,
        }
    }

    pub(crate) async fn say(&mut self, message: ask::Message) -> Result<(), PeerError> {
        match self {
            Self::LiveKit(connection) => connection.say(message).await,
            Self::Janus(connection) => connection.say(message).await,
        }
    }

    /// Closes the connection in good order.
    pub(crate) async fn close(self) {
        match self {
            Self::LiveKit(connection) => connection.close().await,
            Self::Janus(connection) => connection.close().await,
        }
    }
}
