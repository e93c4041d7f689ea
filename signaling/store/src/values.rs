//! The words the store's calls are made of: names that cannot be mixed up, and time.

use std::fmt;
use std::time::Duration;

/// Makes a name of its own out of a text.
macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is; what it must look like is for those who give it out.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&$name> for crate::query::Value {
            fn from(id: &$name) -> Self {
                id.as_str().into()
            }
        }

        impl From<Option<&$name>> for crate::query::Value {
            fn from(id: Option<&$name>) -> Self {
                id.map($name::as_str).into()
            }
        }
    )*};
}

/// Makes an enum whose values are stored as the words given.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word that is stored, and spoken by the API.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The value a word stands for.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl From<$name> for crate::query::Value {
            fn from(value: $name) -> Self {
                value.as_str().into()
            }
        }

        impl crate::query::Word for $name {
            fn from_word(word: &str) -> Option<Self> {
                Self::parse(word)
            }
        }
    };
}
pub(crate) use words;

text_id! {
    /// A room's name, which is also what its link carries.
    RoomName;
    /// One time that people met in a room.
    SessionId;
    /// One stay of a participant, `PA_...`: somebody who leaves and comes back has another one.
    ParticipantId;
    /// Who somebody is in rooms: `sub` of the access token.
    Identity;
    /// An account.
    UserId;
    /// A chat message.
    MessageId;
    /// What kind of event: a webhook's name (`participant_joined`) or one of our own.
    EventKind;
    /// A receiver of webhooks, as named in the configuration.
    ReceiverId;
    /// A ban.
    BanId;
    /// Refresh tokens that follow from one sign-in.
    TokenFamily;
    /// One holding of a lane of webhooks; fresh for each claim.
    LeaseId;
}

/// A moment, in milliseconds since 1970, UTC. Comes in from outside: the store reads no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// This much later; at the end of time it stays there.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This much earlier; at the beginning of time it stays there.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long after another moment this is; nothing when it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<UnixMillis> for crate::query::Value {
    fn from(moment: UnixMillis) -> Self {
        moment.0.into()
    }
}

impl From<Option<UnixMillis>> for crate::query::Value {
    fn from(moment: Option<UnixMillis>) -> Self {
        moment.map(|moment| moment.0).into()
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_wrap() {
        assert_eq!(UnixMillis(i64::MAX).plus(Duration::MAX), UnixMillis(i64::MAX));
        assert_eq!(UnixMillis(0).minus(Duration::MAX), UnixMillis(-i64::MAX));
        assert_eq!(UnixMillis(5).since(UnixMillis(7)), Duration::ZERO);
        assert_eq!(UnixMillis(i64::MAX).since(UnixMillis(i64::MIN)), Duration::from_millis(i64::MAX.unsigned_abs()));
    }
}
