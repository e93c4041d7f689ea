//! Names of objects. They are made by the server; that they are what they should be is checked again here.

use std::fmt;

use object_store::path::Path;

use crate::ShelfError;

/// Bytes of a key, with its prefix: what S3 takes.
const BYTES: usize = 1024;

/// The name of an object: a relative path of plain parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// A key.
    ///
    /// # Errors
    /// [`ShelfError::Key`] when it is empty or longer than 1024 bytes, when a part of it is empty, `.` or `..`, or when
    /// it has control characters or backslashes.
    pub fn parse(text: &str) -> Result<Self, ShelfError> {
        if text.len() > BYTES {
            return Err(ShelfError::Key("is too long"));
        }
        if text.chars().any(|c| c.is_control() || c == '\\') {
            return Err(ShelfError::Key("has characters that no key should have"));
        }
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(ShelfError::Key("has a part that is empty or leads elsewhere"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in an address.
    pub(crate) fn encoded(&self) -> String {
        let mut text = String::with_capacity(self.0.len());
        for byte in self.0.bytes() {
            // RFC 3986, section 2.3, and what parts paths.
            if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
        text
    }

    pub(crate) fn path(&self) -> Result<Path, ShelfError> {
        Path::parse(&self.0).map_err(|_| ShelfError::Key("is none a bucket takes"))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_lead_nowhere_else() {
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0", "a\nb", "a\\b"] {
            assert!(matches!(ObjectKey::parse(bad), Err(ShelfError::Key(_))), "{bad:?}");
        }
        assert!(ObjectKey::parse(&"x".repeat(1025)).is_err());
        assert_eq!(ObjectKey::parse("calls/Team call #1.webm").unwrap().encoded(), "calls/Team%20call%20%231.webm");
        assert_eq!(ObjectKey::parse("ü~.webm").unwrap().encoded(), "%C3%BC~.webm");
    }

    proptest! {
        #[test]
        fn a_key_that_is_taken_is_taken_as_it_is(text in ".{0,60}") {
            if let Ok(key) = ObjectKey::parse(&text) {
                let path = key.path().unwrap();
                prop_assert_eq!(path.as_ref(), text.as_str());
                prop_assert!(key.encoded().is_ascii());
            }
        }
    }
}
