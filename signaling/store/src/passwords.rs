//! Passwords, as they are kept: Argon2id in a PHC string, which carries its own parameters and salt.
//!
//! Hashing takes tens of milliseconds of a core and 19 MiB, on purpose. So it is done on threads for that, at most
//! [`AT_ONCE`] at a time: a flood of sign-ins waits, and takes neither the memory nor the cores that calls need. Whoever waits
//! longer than [`PATIENCE`] is turned away: the line is as long as a flood makes it, and who stands at its end has gone.
//!
//! The memory is kept from one to the next. Given back, it would stay with the allocator, and more of it with each thread
//! that ever hashed: after a hundred sign-ins some 200 MiB of glibc's.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::password_hash::{CustomizedPasswordHasher, PasswordVerifier as _, Result as HashResult};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::Semaphore;

/// How many passwords are hashed or checked at a time, in this process.
const AT_ONCE: usize = 2;

/// The longest password, in bytes. Longer ones are no safer and only cost time.
const LONGEST: usize = 1_024;

/// How long somebody stands in line. Some two hundred have their turn in this time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who hashes, and who waits for that.
static GATE: Gate = Gate { turns: Semaphore::const_new(AT_ONCE), patience: PATIENCE };

/// Memory that nobody hashes in at this moment. At most [`AT_ONCE`] pieces: only who passed the gate takes one.
static MEMORY: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

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
    /// Too many wait for theirs.
    #[error("too many passwords are being checked: try again later")]
    Busy,
}

/// A password's hash. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes a password with OWASP's first choice of parameters (Argon2id, 19 MiB, two passes, one lane). The salt is
    /// fresh randomness.
    ///
    /// # Errors
    /// A password of no length, or of too much; [`PasswordError::Busy`], [`PasswordError::Failed`].
    pub async fn new(password: &str, salt: [u8; 16]) -> Result<Self, PasswordError> {
        if password.is_empty() || password.len() > LONGEST {
            return Err(PasswordError::Length);
        }
        let password = password.to_owned();
        let hash = GATE.aside(move || {
            InKeptMemory
                .hash_password_with_params(password.as_bytes(), &salt, Params::default())
                .map(|hash: Phc| hash.to_string())
        });
        hash.await?.map(Self).map_err(|_| PasswordError::Failed)
    }

    /// Whether this is the password. Takes as long for a wrong one. A hash that is not readable is nobody's.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] and [`PasswordError::Failed`] say nothing about the password.
    pub async fn matches(&self, password: &str) -> Result<bool, PasswordError> {
        if password.len() > LONGEST {
            return Ok(false);
        }
        let (password, hash) = (password.to_owned(), self.0.clone());
        let matches = GATE.aside(move || {
            Phc::new(&hash).is_ok_and(|hash| InKeptMemory.verify_password(password.as_bytes(), &hash).is_ok())
        });
        matches.await
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

/// [`Argon2`], in memory that is kept.
struct InKeptMemory;

impl CustomizedPasswordHasher<Phc> for InKeptMemory {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> HashResult<Phc> {
        let ours = Params::DEFAULT.block_count();
        if params.block_count() > ours {
            // By other hands, or by a later version of ours: it takes what it takes.
            return Argon2::default().hash_password_customized(password, salt, algorithm, version, params);
        }
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(Version::try_from).transpose()?.unwrap_or_default();
        let salt = Salt::new(salt)?;
        let mut output = [0; Output::MAX_LENGTH];
        let output = output
            .get_mut(..params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN))
            .ok_or(argon2::password_hash::Error::OutputSize)?;
        let mut memory = locked().pop().unwrap_or_else(|| vec![Block::new(); ours]);
        let parameters = ParamsString::try_from(&params)?;
        let hashed = Argon2::new(algorithm, version, params).hash_password_into_with_memory(
            password,
            &salt,
            output,
            memory.as_mut_slice(),
        );
        locked().push(memory);
        hashed?;
        Ok(Phc {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: parameters,
            salt: Some(salt),
            hash: Some(Output::new(output)?),
        })
    }
}

fn locked() -> std::sync::MutexGuard<'static, Vec<Vec<Block>>> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where some work at a time, and others stand in line.
struct Gate {
    turns: Semaphore,
    patience: Duration,
}

impl Gate {
    /// Runs it where it holds nobody up.
    async fn aside<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = tokio::time::timeout(self.patience, self.turns.acquire());
        let turn = turn.await.map_err(|_| PasswordError::Busy)?.map_err(|_| PasswordError::Failed)?;
        tokio::task::spawn_blocking(move || {
            // Held by the work, not by who waits for it: who gives up does not make room for one more.
            let _turn = turn;
            work()
        })
        .await
        .map_err(|_| PasswordError::Failed)
    }
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
    async fn memory_that_was_used_makes_the_hashes_that_fresh_memory_makes() {
        use argon2::password_hash::PasswordHasher as _;

        for (password, salt) in [("correct horse", [7; 16]), ("correct house", [7; 16]), ("correct horse", [8; 16])] {
            let fresh: Phc = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).unwrap();
            let ours = PasswordHash::new(password, salt).await.unwrap();
            assert_eq!(ours.as_str(), fresh.to_string());
        }
        assert!(locked().len() <= AT_ONCE);
        // With less memory and other parameters, as who brings accounts along from elsewhere may have them.
        let params = Params::new(64, 3, 1, Some(24)).unwrap();
        let foreign: Phc = Argon2::default()
            .hash_password_customized(b"correct horse", &[9; 16], Some("argon2i"), None, params)
            .unwrap();
        let foreign = PasswordHash::from_stored(foreign.to_string());
        assert!(foreign.matches("correct horse").await.unwrap());
        assert!(!foreign.matches("correct house").await.unwrap());
    }

    #[tokio::test]
    async fn nobody_stands_in_line_for_ever() {
        static FEW: Gate = Gate { turns: Semaphore::const_new(1), patience: Duration::from_millis(1) };
        let (begun, at_work) = tokio::sync::oneshot::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn(FEW.aside(move || {
            begun.send(()).unwrap();
            ended.recv().unwrap();
        }));
        at_work.await.unwrap();
        assert_eq!(FEW.aside(|| ()).await, Err(PasswordError::Busy));
        end.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(()));
        // The turn came back before the work was known to be over.
        assert_eq!(FEW.aside(|| ()).await, Ok(()), "the next one has a turn");
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
