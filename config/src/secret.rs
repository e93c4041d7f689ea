//! API secrets. They are read, compared by length and handed to whoever signs; they are never shown.

use std::fmt;

use serde::Deserialize;

/// The shortest secret accepted outside development mode, in bytes: HS256 wants a key as long as its hash
/// (RFC 7518, section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// An API secret. `Debug` never shows it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for signing and verifying. Whoever calls this must not log the result.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
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
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_it() {
        assert_eq!(format!("{:?}", Secret::from("hunter2-hunter2")), "Secret(redacted)");
    }
}
