//! What a room is doing, in one word, for people who look at it from outside.

use std::fmt;

/// Where a session stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionState {
    /// The room was made, nobody has come.
    #[default]
    Initializing,
    /// Fewer than two people are here.
    WaitingForParticipants,
    /// Two or more are here, and media of fewer than two is up.
    Connecting,
    /// Media of two or more is up.
    Connected,
    /// The same, and a recorder is here.
    Recording,
    /// Fewer than two are reached, since somebody's connection broke.
    Reconnecting,
    /// Somebody was lost, and fewer than two are left.
    Failed,
    /// The room is being ended.
    Ending,
    /// It is over.
    Ended,
}

impl SessionState {
    /// As events and APIs spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Initializing => "Initializing",
            Self::WaitingForParticipants => "WaitingForParticipants",
            Self::Connecting => "Connecting",
            Self::Connected => "Connected",
            Self::Recording => "Recording",
            Self::Reconnecting => "Reconnecting",
            Self::Failed => "Failed",
            Self::Ending => "Ending",
            Self::Ended => "Ended",
        }
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
