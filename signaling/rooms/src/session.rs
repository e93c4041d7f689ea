//! What a room is doing, in one word, for people who look at it from outside.
//!
//! [`SessionState::next`] is the whole machine: a function of where the session stands and of who is there. The room
//! asks it after each thing that happens (`room/session.rs`).

use std::fmt;

/// Where a session stands. People are those whom others see, agents among them, recorders not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionState {
    /// The room was made, nobody has come.
    #[default]
    Initializing,
    /// Fewer than two people are here.
    WaitingForParticipants,
    /// Two or more are here, and fewer than two are reached: their media is not up yet.
    Connecting,
    /// Two or more are reached.
    Connected,
    /// The same, and a recorder is here.
    Recording,
    /// Two or more are here, and fewer than two are reached, since somebody's connection broke.
    Reconnecting,
    /// Somebody's connection was lost, and fewer than two are left. Who comes back makes it good.
    Failed,
    /// The room is being ended.
    Ending,
    /// It is over.
    Ended,
}

/// Who is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Presence {
    /// How many people.
    pub(crate) people: usize,
    /// Of them, whose media and signal are up.
    pub(crate) reached: usize,
    /// Of them, whose media was up and whose signal connection is broken.
    pub(crate) broken: usize,
    /// Whether a recorder is at work.
    pub(crate) recorded: bool,
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

    /// Where the session stands with these people there. `lost` when somebody's connection was given up meanwhile.
    pub(crate) fn next(self, presence: Presence, lost: bool) -> Self {
        let Presence { people, reached, broken, recorded } = presence;
        match (self, people) {
            (Self::Ending | Self::Ended, _) => self,
            _ if reached >= 2 && recorded => Self::Recording,
            _ if reached >= 2 => Self::Connected,
            (_, 2..) if broken > 0 => Self::Reconnecting,
            (_, 2..) => Self::Connecting,
            (Self::Connecting | Self::Connected | Self::Recording | Self::Reconnecting, _) if lost => Self::Failed,
            (Self::Failed, 1) => Self::Failed,
            (Self::Initializing, 0) => Self::Initializing,
            _ => Self::WaitingForParticipants,
        }
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
