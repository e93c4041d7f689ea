//! Names. The control plane's are opaque here: the worker compares them and writes them into SDP, it never takes them
//! apart. Workers are numbered by whoever owns them.

use std::fmt;
use std::sync::Arc;

macro_rules! id {
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
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
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

/// A worker of a process, by its number. At most 255 of them, 0 to 254: connections name theirs in two letters, see
/// [`WorkerId::letters`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u8);

impl WorkerId {
    /// Every worker there can be, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..u8::MAX).map(Self)
    }

    /// Its place in a list of all workers.
    #[must_use]
    pub fn index(self) -> usize {
        self.0.into()
    }

    /// The worker at this place of a list of all. `None` where no worker can be.
    #[must_use]
    pub fn at(index: usize) -> Option<Self> {
        u8::try_from(index).ok().filter(|number| *number < u8::MAX).map(Self)
    }
}

id! {
    /// A room session (`RM_…`).
    RoomId
}
id! {
    /// A participant session (`PA_…`): new on every join, kept through a resume.
    ParticipantId
}
id! {
    /// A published track (`TR_…`).
    TrackId
}
