//! What can go wrong with stored things, the same for both databases. Never contains an address with its password.

use std::error::Error;

/// Why a call of the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address of the database cannot be used.
    #[error("storage address not understood: {reason}; write sqlite:PATH or postgres://USER@HOST/DATABASE")]
    Address {
        /// What is wrong with it.
        reason: String,
    },
    /// The thing that was to be changed, or that the new thing belongs to, is not there.
    #[error("no such {what}")]
    Missing {
        /// What was looked for.
        what: &'static str,
    },
    /// A thing of this name is there already.
    #[error("there is already such a {what}")]
    Exists {
        /// What there is.
        what: &'static str,
    },
    /// The thing is there and in a state that does not allow the change.
    #[error("{what}")]
    Conflict {
        /// What stands against it.
        what: &'static str,
    },
    /// There are as many as there may be.
    #[error("there are too many {what}: remove some first")]
    TooMany {
        /// Of what.
        what: &'static str,
    },
    /// A text holds the character NUL, which PostgreSQL cannot store; so neither database takes it.
    #[error("text with a NUL character cannot be stored")]
    Nul,
    /// A number is beyond what a database column holds.
    #[error("{what} is out of range")]
    Range {
        /// Which number.
        what: &'static str,
    },
    /// The database did not answer in time: others hold it for too long, or it is not there. Nothing was changed; the
    /// same call may be made again.
    #[error("storage does not answer in time, nothing was changed: try again")]
    Busy(#[source] Source),
    /// There is no room left where the database lies.
    #[error("storage is full: free space where the database lies")]
    Full(#[source] Source),
    /// The database cannot be reached. Whether a commit that was under way came through is not known.
    #[error("storage cannot be reached: is the database running, and may this process read and write it?")]
    Unavailable(#[source] Source),
    /// What was read is not what this version writes.
    #[error("stored {column} is not readable: was the database changed by hand, or by a newer version?")]
    Unreadable {
        /// The column.
        column: &'static str,
        /// Why, where there is more to say.
        #[source]
        source: Option<Source>,
    },
    /// The tables could not be brought to this version.
    #[error("storage cannot be brought to this version: restore a backup, or run the version that wrote it")]
    Migration(#[source] Source),
    /// Another server uses the database. Two would end each other's rooms in the log.
    #[error("another server uses this storage: stop it first, or give this one storage of its own")]
    HasServer,
    /// The database is one that is backed up by its own means.
    #[error("PostgreSQL is backed up by its own means: pg_dump --format=custom --file=BACKUP DATABASE")]
    BackupElsewhere,
    /// The backup could not be written.
    #[error("the backup could not be written")]
    Backup(#[source] std::io::Error),
    /// Anything else the database says.
    #[error("storage refused a statement; this is a bug, please report it")]
    Refused(#[source] Source),
}

/// A cause, as the database's driver tells it.
pub type Source = Box<dyn Error + Send + Sync>;

impl StoreError {
    /// Whether the same call may succeed a moment later, and has changed nothing so far.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_))
    }

    /// Whether it is about how the database is and not about what it was given, so that it may take the same once it is well.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Full(_) | Self::Unavailable(_))
    }

    /// Names the thing a statement was about, where a key was taken or missing.
    pub(crate) fn about(self, what: &'static str) -> Self {
        match self {
            Self::Exists { .. } => Self::Exists { what },
            Self::Missing { .. } => Self::Missing { what },
            other => other,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::Busy(error.into()),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error.into()),
            sqlx::Error::Configuration(reason) => Self::Address { reason: reason.to_string() },
            sqlx::Error::Database(database) if database.is_unique_violation() => Self::Exists { what: "record" },
            sqlx::Error::Database(database) if database.is_foreign_key_violation() => Self::Missing { what: "record" },
            sqlx::Error::Database(database) => match Kind::of(database.code().as_deref().unwrap_or_default()) {
                Kind::Busy => Self::Busy(error.into()),
                Kind::Full => Self::Full(error.into()),
                Kind::Unavailable => Self::Unavailable(error.into()),
                Kind::Other => Self::Refused(error.into()),
            },
            _ => Self::Refused(error.into()),
        }
    }
}

/// What a database's own code means to a caller.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Busy,
    Full,
    Unavailable,
    Other,
}

impl Kind {
    /// SQLite's codes are its result codes in decimal, the lower eight bits of which are the primary one
    /// (<https://www.sqlite.org/rescode.html>); PostgreSQL's are five characters (SQLSTATE, PostgreSQL manual, appendix A).
    fn of(code: &str) -> Self {
        if code.len() == 5 && !code.starts_with("0x") {
            return match code {
                // Serialization failure, deadlock, lock not available, canceled by the statement timeout.
                "40001" | "40P01" | "55P03" | "57014" => Self::Busy,
                "53100" => Self::Full,
                // Too many connections; the server goes down or comes up; it takes no writes (a standby).
                "53300" | "57P01" | "57P02" | "57P03" | "25006" => Self::Unavailable,
                _ if code.starts_with("08") => Self::Unavailable,
                _ => Self::Other,
            };
        }
        match code.parse::<u32>().map(|code| code & 0xff) {
            // SQLITE_BUSY, SQLITE_LOCKED.
            Ok(5 | 6) => Self::Busy,
            // SQLITE_FULL.
            Ok(13) => Self::Full,
            // SQLITE_READONLY, SQLITE_IOERR, SQLITE_CANTOPEN.
            Ok(8 | 10 | 14) => Self::Unavailable,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn codes_of_both_databases_are_told_apart() {
        assert_eq!(Kind::of("5"), Kind::Busy);
        assert_eq!(Kind::of("517"), Kind::Busy, "SQLITE_BUSY_SNAPSHOT");
        assert_eq!(Kind::of("13"), Kind::Full);
        assert_eq!(Kind::of("57014"), Kind::Busy);
        assert_eq!(Kind::of("53100"), Kind::Full);
        assert_eq!(Kind::of("08006"), Kind::Unavailable);
        assert_eq!(Kind::of("42601"), Kind::Other, "a syntax error");
        assert_eq!(Kind::of(""), Kind::Other);
    }
}
