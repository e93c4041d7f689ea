//! Passwords, as they are kept: Argon2id in a PHC string, which carries its own parameters and salt.
//!
//! Hashing takes tens of milliseconds of a core and 19 MiB, on purpose. So it is done on threads for that, at most
//! [`AT_ONCE`] at a time: a flood of sign-ins waits, and takes neither the memory nor the cores that calls need.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

/// How many passwords are hashed or checked at a time, in this process.
const AT_ONCE: usize = 2;

/// The longest password, in bytes. Longer ones are no safer and only cost time.
const LONGEST: usize = 1_024;

static GATE: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(AT_ONCE));

/// Why a password could not be taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordError {
    /// It is empty, or too long.
    #[error("a password has between 1 and 1024 bytes")]
    Length,
    /// The process is ending, or out of memory.
    #[error("the password could not be hashed: try again")]
    Failed,
}

/// A password's hash. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes a password with OWASP's first choice of parameters (Argon2id, 19 MiB, two passes, one lane). The salt is
    /// fresh randomness.
    ///
    /// # Errors
    /// A password of no length, or of too much.
    pub async fn new(password: &str, salt: [u8; 16]) -> Result<Self, PasswordError> {
        if password.is_empty() || password.len() > LONGEST {
            return Err(PasswordError::Length);
        }
        let password = password.to_owned();
        let hash = aside(move || {
            Argon2::default()
                .hash_password_with_salt(password.as_bytes(), &salt)
                .map(|hash: Phc| hash.to_string())
        })
        .await?;
        hash.map(Self).map_err(|_| PasswordError::Failed)
    }

    /// Whether this is the password. Takes as long for a wrong one. A hash that is not readable is nobody's.
    ///
    /// # Errors
    /// [`PasswordError::Failed`] says nothing about the password.
    pub async fn matches(&self, password: &str) -> Result<bool, PasswordError> {
        if password.len() > LONGEST {
            return Ok(false);
        }
        let (password, hash) = (password.to_owned(), self.0.clone());
        aside(move || {
            Phc::new(&hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        })
        .await
    }

    pub(crate) fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// Runs it where it holds nobody up.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
    let permit = GATE.acquire().await.map_err(|_| PasswordError::Failed)?;
    tokio::task::spawn_blocking(move || {
        // Held by the work, not by who waits for it: who gives up does not make room for one more.
        let _permit = permit;
        work()
    })
    .await
    .map_err(|_| PasswordError::Failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_another_is_not() {
        let hash = PasswordHash::new("correct horse", [7; 16]).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        assert!(hash.matches("correct horse").await.unwrap());
        assert!(!hash.matches("correct house").await.unwrap());
        assert!(!hash.matches("").await.unwrap());
        assert!(!hash.matches(&"x".repeat(LONGEST + 1)).await.unwrap());
        assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
    }

    #[tokio::test]
    async fn a_password_without_length_is_refused() {
        assert_eq!(PasswordHash::new("", [0; 16]).await, Err(PasswordError::Length));
        assert_eq!(PasswordHash::new(&"x".repeat(LONGEST + 1), [0; 16]).await, Err(PasswordError::Length));
    }

    #[tokio::test]
    async fn a_hash_that_is_none_is_nobodys() {
        for text in ["", "secret", "$argon2id$", "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$aGFzaA"] {
            assert!(!PasswordHash::from_stored(text.to_owned()).matches("secret").await.unwrap(), "{text}");
        }
    }
}
