//! The lock by which a database has one server at a time: the next one ends in the log what the one before left open, so
//! a second one beside it would end calls that go on.
//!
//! Owned by the composition root, which takes it before it opens the store to serve from. [`crate::Store::open`] does not
//! ask for it: backups, accounts from the command line and whoever looks open the store beside a server. However its
//! holder ends, the lock is free: a file's goes with the descriptor, a session's with the connection.

use std::fs::{File, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, PgConnection};

use crate::StoreError;
use crate::query::{Query, Row};

/// Between two attempts to take it.
const RETRY: Duration = Duration::from_millis(50);
/// How long the database may take to say that the lock is held.
const PATIENCE: Duration = Duration::from_secs(5);

/// The lock is PostgreSQL's advisory one of two numbers: this one ("slui"), and one of the schema, since that has the tables.
const TAKE: &str = "SELECT COALESCE(pg_try_advisory_lock(1936487785, \
                    ('x' || substr(md5(COALESCE(current_schema(), '')), 1, 8))::bit(32)::int), FALSE) AS taken, \
                    pg_backend_pid()::bigint AS session, \
                    (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint FROM pg_stat_activity \
                    WHERE pid = pg_backend_pid()) AS begun";
/// Ends a session of ours that has the lock still, where the network went and the database does not know it yet. Numbers of
/// processes come again: one that began at another time is somebody else's.
const FREE: &str = "SELECT COALESCE(bool_or(pg_terminate_backend(pid)), FALSE) AS taken \
                    FROM pg_locks JOIN pg_stat_activity USING (pid) \
                    WHERE locktype = 'advisory' AND classid = 1936487785 AND objsubid = 2 AND granted \
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                    AND objid = ('x' || substr(md5(COALESCE(current_schema(), '')), 1, 8))::bit(32)::bigint::oid \
                    AND pid = $1 \
                    AND (extract(epoch FROM backend_start) * 1000000)::bigint IS NOT DISTINCT FROM $2";

/// A database has this server. Freed when dropped.
#[derive(Debug)]
pub struct ServerLock(Held);

#[derive(Debug)]
enum Held {
    File {
        /// Locked as long as it is open.
        _file: File,
    },
    Session(Box<Session>),
}

/// A connection that does nothing but hold the lock.
#[derive(Debug)]
struct Session {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    /// The process at the database's end.
    number: i64,
    /// When that began, in microseconds since 1970 by the database's clock. Nothing where a role may not see it.
    begun: Option<i64>,
}

/// What became of a lock that was held.
#[derive(Debug)]
pub enum LockNews {
    /// The database does not answer: it is not known who has the lock. It is tried again.
    Away(StoreError),
    /// It is held again.
    Back,
    /// Another server has it. This one has to end.
    Lost,
}

impl ServerLock {
    /// Takes the database at a URL ([`crate::Store::open`]) for one server. Waits as long as `patience` for one that is just
    /// ending. With SQLite the lock is on a file beside the database, which stays.
    ///
    /// # Errors
    /// [`StoreError::HasServer`] when another one has it; a database that cannot be reached.
    pub async fn take(url: &str, patience: Duration) -> Result<Self, StoreError> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            let taken = match url.split_once(':').map(|(scheme, _)| scheme) {
                Some("sqlite") => take_file(url)?,
                Some("postgres" | "postgresql") => take_session(url).await?,
                // Not repeated: there may be a password in it.
                _ => {
                    let reason = "it begins with neither sqlite: nor postgres:".to_owned();
                    return Err(StoreError::Address { reason });
                }
            };
            match taken {
                Some(held) => return Ok(Self(held)),
                None if tokio::time::Instant::now() >= until => return Err(StoreError::HasServer),
                None => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// Waits until something becomes of the lock, and looks so often. With SQLite nothing does.
    pub async fn news(&mut self, look_every: Duration) -> LockNews {
        let Held::Session(session) = &mut self.0 else { return std::future::pending().await };
        loop {
            tokio::time::sleep(look_every).await;
            if session.is_alive().await {
                continue;
            }
            let was_held = session.connection.take().is_some();
            match tokio::time::timeout(PATIENCE, session.take_again()).await {
                Ok(Ok(true)) => return LockNews::Back,
                Ok(Ok(false)) => return LockNews::Lost,
                Ok(Err(error)) if was_held => return LockNews::Away(error),
                Err(_) if was_held => {
                    let silent = io::Error::from(io::ErrorKind::TimedOut);
                    return LockNews::Away(StoreError::Unavailable(silent.into()));
                }
                // It was said.
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }
}

fn take_file(url: &str) -> Result<Option<Held>, StoreError> {
    let database = SqliteConnectOptions::from_str(url)?.get_filename().to_owned();
    let unavailable = |error: io::Error| StoreError::Unavailable(error.into());
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(lock_path(&database)).map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(unavailable(error)),
    }
    // For people who look whose it is; nothing hangs on it.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(Some(Held::File { _file: file }))
}

/// Beside the file itself, by whichever link it is reached.
fn lock_path(database: &Path) -> PathBuf {
    let mut path = std::fs::canonicalize(database)
        .or_else(|_| {
            // Not made yet.
            let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = std::fs::canonicalize(folder.unwrap_or(Path::new(".")))?;
            Ok::<_, io::Error>(folder.join(database.file_name().unwrap_or_default()))
        })
        .unwrap_or_else(|_| database.to_owned())
        .into_os_string();
    path.push("-server");
    path.into()
}

async fn take_session(url: &str) -> Result<Option<Held>, StoreError> {
    let options = PgConnectOptions::from_str(url)?
        .application_name("sluice server")
        // A machine that is gone does not say so: its session, and the lock, go after a minute.
        .options([("tcp_keepalives_idle", "30"), ("tcp_keepalives_interval", "10"), ("tcp_keepalives_count", "3")]);
    let mut session = Session { options, connection: None, number: 0, begun: None };
    Ok(session.take().await?.then(|| Held::Session(Box::new(session))))
}

impl Session {
    /// Whether it is ours now. Anything else leaves no connection.
    async fn take(&mut self) -> Result<bool, StoreError> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        let row = Row::Postgres(Query::new(TAKE).for_postgres()?.fetch_one(&mut connection).await?);
        if !row.flag("taken")? {
            connection.close().await?;
            return Ok(false);
        }
        self.number = row.number("session")?;
        self.begun = row.number_or_none("begun")?;
        self.connection = Some(connection);
        Ok(true)
    }

    /// After the connection was lost.
    async fn take_again(&mut self) -> Result<bool, StoreError> {
        if self.take().await? {
            return Ok(true);
        }
        let mut connection = PgConnection::connect_with(&self.options).await?;
        let free = Query::new(FREE).bind(self.number).bind(self.begun).for_postgres()?;
        let was_ours = Row::Postgres(free.fetch_one(&mut connection).await?).flag("taken")?;
        connection.close().await?;
        if !was_ours {
            return Ok(false);
        }
        // It ends a moment after it was told to.
        tokio::time::sleep(RETRY).await;
        self.take().await
    }

    async fn is_alive(&mut self) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        matches!(tokio::time::timeout(PATIENCE, connection.ping()).await, Ok(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

    use super::*;

    /// The network went: the database has the session still, and nobody is at this end of it.
    #[tokio::test]
    async fn a_session_that_the_database_does_not_know_to_be_gone_is_ended() {
        let Ok(url) = std::env::var("TEST_POSTGRES") else {
            return eprintln!("TEST_POSTGRES is not set: skipped");
        };
        let Some(Held::Session(mut session)) = take_session(&url).await.unwrap() else { panic!("it is free") };
        let gone = session.connection.take();
        assert!(gone.is_some() && !session.take().await.unwrap(), "it is held by who is gone");
        let begun = session.begun.replace(0);
        assert!(!session.take_again().await.unwrap(), "the same number, and somebody else's session");
        assert!(begun.is_some());
        session.begun = begun;
        assert!(session.take_again().await.unwrap());
        assert!(session.is_alive().await);
    }
}
