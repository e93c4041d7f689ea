//! Names of things, in the form clients expect: `RM_…`, `PA_…`, `TR_…`.

use std::fmt;
use std::sync::Arc;

use livekit_protocol::{TrackSource, TrackType};

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(sid: &str) -> Self {
                Self(sid.into())
            }
        }

        impl From<String> for $name {
            fn from(sid: String) -> Self {
                Self(sid.into())
            }
        }

        /// Lets maps be asked with the text a client sent.
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

sid! {
    /// A room session (`RM_…`): a room that ended and began anew has another.
    RoomSid
}
sid! {
    /// A participant session (`PA_…`): new on every join, kept through a resume.
    ParticipantSid
}
sid! {
    /// A published track (`TR_…`; two letters tell kind and source, as `TR_VC…` for a camera).
    TrackSid
}

/// A signal connection. The server numbers them; a participant that resumes comes back on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Letters of a sid: no look-alikes, and 32 of them, so that five random bits are one letter without bias.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyzACDEFGHJK";
/// 14 letters are 70 bits: sids are unique without asking anybody.
const LETTERS: usize = 14;

/// Writes random bytes.
type Fill = Box<dyn FnMut(&mut [u8]) + Send>;

/// Draws sids from randomness given from outside.
pub struct SidSource {
    fill: Fill,
}

impl SidSource {
    /// `fill` writes random bytes: the system's in production, a seeded generator in tests.
    #[must_use]
    pub fn new(fill: impl FnMut(&mut [u8]) + Send + 'static) -> Self {
        Self { fill: Box::new(fill) }
    }

    fn draw(&mut self, prefix: &str) -> String {
        let mut bytes = [0; LETTERS];
        (self.fill)(&mut bytes);
        let mut sid = String::with_capacity(prefix.len() + LETTERS);
        sid.push_str(prefix);
        sid.extend(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])));
        sid
    }

    pub(crate) fn room(&mut self) -> RoomSid {
        self.draw("RM_").into()
    }

    pub(crate) fn participant(&mut self) -> ParticipantSid {
        self.draw("PA_").into()
    }

    pub(crate) fn track(&mut self, kind: TrackType, source: TrackSource) -> TrackSid {
        let prefix = match (kind, source) {
            (TrackType::Audio, TrackSource::Microphone) => "TR_AM",
            (TrackType::Audio, TrackSource::ScreenShareAudio) => "TR_As",
            (TrackType::Video, TrackSource::Camera) => "TR_VC",
            (TrackType::Video, TrackSource::ScreenShare) => "TR_VS",
            (TrackType::Audio, _) => "TR_A",
            (TrackType::Video, _) => "TR_V",
            (TrackType::Data, _) => "TR_D",
        };
        self.draw(prefix).into()
    }
}

impl fmt::Debug for SidSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SidSource")
    }
}
