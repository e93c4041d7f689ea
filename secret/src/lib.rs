//! What must never be shown: keys, passwords, addresses that are one.
//!
//! Owned by whoever was handed a secret. Knows nobody; it is a crate of its own because the configuration, the decisions about
//! recordings and the way to buckets all hold secrets and know nothing of each other.

use std::fmt;

use serde::Deserialize;

/// A secret somebody handed us: neither logs, answers nor errors have it. `Debug` does not show it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// What is written instead.
    pub const HIDDEN: &str = "<hidden>";

    /// The secret itself, for the one call that needs it. Whoever calls this must not log the result.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.0.len()
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self(secret.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_it() {
        assert_eq!(format!("{:?}", Some(Secret::from("hunter2-hunter2"))), "Some(<hidden>)");
    }
}
