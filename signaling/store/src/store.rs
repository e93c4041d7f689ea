//! The store: two databases behind one type, its transactions, and how it is opened. The only place that knows which
//! database it is talking to, but for the few statements that say so.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgConnection, Postgres, Sqlite, SqliteConnection};

use crate::StoreError;
use crate::migrations;
use crate::query::{Query, Row};

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Connections to PostgreSQL, and readers of SQLite. Beyond these, callers wait for at most `patience`.
    pub connections: u32,
    /// How long a call waits for a connection, for a lock, or for one statement (PostgreSQL), before it fails with
    /// [`StoreError::Busy`].
    pub patience: Duration,
}

impl Default for StoreOptions {
    /// Eight connections: more would wait for the same disk. Ten seconds: what people wait for before they give up.
    fn default() -> Self {
        Self { connections: 8, patience: Duration::from_secs(10) }
    }
}

/// Everything durable of the control plane. Cheap to clone; every clone is the same store.
///
/// A call that was answered is on the disk. A call whose future is dropped has happened or has not, never halfway.
#[derive(Debug, Clone)]
pub struct Store {
    pools: Pools,
}

#[derive(Debug, Clone)]
enum Pools {
    /// SQLite has one writer. Ours is a pool of one connection, where writers queue in fairness rather than wake up in
    /// turns to see whether the file is free.
    Sqlite {
        reader: SqlitePool,
        writer: SqlitePool,
        file: PathBuf,
    },
    Postgres(PgPool),
}

/// Which SQL a statement is to be written in, for the few that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Store {
    /// Opens the database at a URL, makes it where it is a file that is not there, and brings its tables to this
    /// version: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    /// An address that is not understood, a database that cannot be reached, tables of a newer version.
    pub async fn open(url: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        let pools = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => open_sqlite(url, options).await?,
            Some("postgres" | "postgresql") => open_postgres(url, options).await?,
            // Not repeated: there may be a password in it.
            _ => return Err(StoreError::Address { reason: "it begins with neither sqlite: nor postgres:".to_owned() }),
        };
        Ok(Self { pools })
    }

    /// Begins a transaction: what is done through it happens as a whole, at [`Transaction::commit`], or not at all.
    ///
    /// With SQLite nobody else writes until it ends, so hold it for statements only, never over a wait for anything
    /// else.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when others write for too long.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(Transaction(match &self.pools {
            // At once as a writer: one that first reads and then wants to write can fail in the middle.
            Pools::Sqlite { writer, .. } => Open::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Pools::Postgres(pool) => Open::Postgres(pool.begin().await?),
        }))
    }

    /// Ends all connections, and with SQLite folds the log of writes into the file.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { reader, writer, .. } => {
                reader.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    /// Writes a copy of the database, as it is at one moment, to a file that must not exist yet. Others read and write
    /// meanwhile. The copy is a database that [`Store::open`] opens.
    ///
    /// # Errors
    /// [`StoreError::BackupElsewhere`] with PostgreSQL, which has better means.
    pub async fn backup(&self, path: &Path) -> Result<(), StoreError> {
        let Pools::Sqlite { file, .. } = &self.pools else { return Err(StoreError::BackupElsewhere) };
        Self::backup_of(file, path).await
    }

    /// The same of a file of SQLite that is not opened here: its tables stay as the version that wrote them made them, so
    /// that a copy from before an upgrade can be gone back to.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the copy is there already.
    pub async fn backup_of(database: &Path, path: &Path) -> Result<(), StoreError> {
        let name = path
            .to_str()
            .ok_or_else(|| StoreError::Backup(io::Error::other("its path is not Unicode")))?;
        let copy = make_private(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StoreError::Exists { what: "file" },
            _ => StoreError::Backup(error),
        })?;
        if let Err(error) = copy_into(database, name).await {
            // Half a copy is none. What cannot be removed is told by the error that comes first.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        // SQLite has written the copy, the kernel perhaps not yet.
        tokio::task::spawn_blocking(move || copy.sync_all())
            .await
            .map_err(|_| StoreError::Backup(io::Error::other("it was abandoned")))?
            .map_err(StoreError::Backup)
    }

    /// What the file takes, with the log of writes beside it; nothing with PostgreSQL.
    pub(crate) fn file_bytes(&self) -> u64 {
        let Pools::Sqlite { file, .. } = &self.pools else { return 0 };
        let mut log = file.clone().into_os_string();
        log.push("-wal");
        let bytes = |path: &Path| path.metadata().map_or(0, |file| file.len());
        bytes(file) + bytes(Path::new(&log))
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.pools, Pools::Sqlite { .. })
    }

    pub(crate) async fn fetch_all(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        Ok(match &self.pools {
            Pools::Sqlite { reader, .. } => {
                query.for_sqlite()?.fetch_all(reader).await?.into_iter().map(Row::Sqlite).collect()
            }
            Pools::Postgres(pool) => {
                query.for_postgres()?.fetch_all(pool).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    pub(crate) async fn fetch_optional(&self, query: Query) -> Result<Option<Row>, StoreError> {
        Ok(match &self.pools {
            Pools::Sqlite { reader, .. } => query.for_sqlite()?.fetch_optional(reader).await?.map(Row::Sqlite),
            Pools::Postgres(pool) => query.for_postgres()?.fetch_optional(pool).await?.map(Row::Postgres),
        })
    }

    /// For statements that always give a row.
    pub(crate) async fn fetch_one(&self, query: Query) -> Result<Row, StoreError> {
        self.fetch_optional(query).await?.ok_or(StoreError::Missing { what: "row" })
    }

    /// One statement that is a transaction of its own; the number of rows it changed.
    pub(crate) async fn execute(&self, query: Query) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let changed = transaction.execute(query).await?;
        transaction.commit().await?;
        Ok(changed)
    }
}

/// Changes that happen together. Dropped without [`Transaction::commit`], they do not happen.
#[derive(Debug)]
pub struct Transaction(Open);

#[derive(Debug)]
enum Open {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// Makes it happen; when this has answered, it is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] leaves open whether it happened.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.0 {
            Open::Sqlite(transaction) => transaction.commit().await?,
            Open::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self.0 {
            Open::Sqlite(_) => Dialect::Sqlite,
            Open::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The number of rows it changed.
    pub(crate) async fn execute(&mut self, query: Query) -> Result<u64, StoreError> {
        Ok(match &mut self.0 {
            Open::Sqlite(transaction) => query.for_sqlite()?.execute(&mut **transaction).await?.rows_affected(),
            Open::Postgres(transaction) => query.for_postgres()?.execute(&mut **transaction).await?.rows_affected(),
        })
    }

    pub(crate) async fn fetch_all(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        Ok(match &mut self.0 {
            Open::Sqlite(transaction) => query
                .for_sqlite()?
                .fetch_all(&mut **transaction)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect(),
            Open::Postgres(transaction) => query
                .for_postgres()?
                .fetch_all(&mut **transaction)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect(),
        })
    }

    pub(crate) async fn fetch_optional(&mut self, query: Query) -> Result<Option<Row>, StoreError> {
        Ok(match &mut self.0 {
            Open::Sqlite(transaction) => query.for_sqlite()?.fetch_optional(&mut **transaction).await?.map(Row::Sqlite),
            Open::Postgres(transaction) => {
                query.for_postgres()?.fetch_optional(&mut **transaction).await?.map(Row::Postgres)
            }
        })
    }

    /// The next number of a count that has no holes and follows the order of commits: who counts on holds the count
    /// until its transaction ends. So nobody who has read up to N misses a number below it.
    pub(crate) async fn next(&mut self, scope: &'static str, name: &str) -> Result<u64, StoreError> {
        let row = self
            .fetch_optional(
                Query::new(
                    "INSERT INTO sequences (scope, name, last) VALUES ($1, $2, 1)
                     ON CONFLICT (scope, name) DO UPDATE SET last = sequences.last + 1 RETURNING last",
                )
                .bind(scope)
                .bind(name),
            )
            .await?
            .ok_or(StoreError::Missing { what: "sequence" })?;
        row.count("last")
    }
}

/// Between two attempts to open a file that another process is just opening, which takes it some milliseconds.
const LOCKED_RETRY: Duration = Duration::from_millis(5);

/// Over a connection of its own: readers must not write, not even elsewhere.
async fn copy_into(file: &Path, copy: &str) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new().filename(file);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    Query::new("VACUUM INTO $1").bind(copy).for_sqlite()?.execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// A new and empty file, for its owner alone where systems have owners: hashes of passwords are to be in it. SQLite takes
/// it as a database without tables, and gives the files beside it the same permissions.
fn make_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

async fn open_sqlite(url: &str, options: &StoreOptions) -> Result<Pools, StoreError> {
    let connect = SqliteConnectOptions::from_str(url)?;
    let file = connect.get_filename().to_owned();
    if url.contains(":memory:") || url.contains("mode=memory") {
        // Each connection would have a database of its own.
        return Err(StoreError::Address { reason: "a database in memory keeps nothing".to_owned() });
    }
    match make_private(&file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(StoreError::Unavailable(error.into()));
        }
        _ => {}
    }
    let connect = connect
        .foreign_keys(true)
        // Readers and the writer do not wait for each other.
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is on the disk when it is answered. NORMAL would lose the last ones when the power goes.
        .synchronous(SqliteSynchronous::Full)
        // Other processes may have the file open: a backup, a person who looks.
        .busy_timeout(options.patience);
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            // All of them now, and for good: each is a thread and two descriptors, and what the process holds must not
            // depend on how busy it once was. A connection to a file does not age.
            .min_connections(connections)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(options.patience)
    };
    let writer = patiently(options.patience, || pool(1).connect_with(connect.clone())).await?;
    make_tables(&writer).await?;
    let reader = patiently(options.patience, || {
        pool(options.connections.max(1)).connect_with(connect.clone().pragma("query_only", "on"))
    })
    .await?;
    Ok(Pools::Sqlite { reader, writer, file })
}

/// Tries again while another process holds the file. `busy_timeout` does not cover this: SQLite asks nobody to wait where
/// a connection changes the journal's mode, and says at once that the database is locked.
async fn patiently<T, F>(patience: Duration, mut attempt: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let until = tokio::time::Instant::now() + patience;
    loop {
        match attempt().await.map_err(StoreError::from) {
            Err(error) if error.is_transient() && tokio::time::Instant::now() < until => {
                tokio::time::sleep(LOCKED_RETRY).await;
            }
            outcome => return outcome,
        }
    }
}

/// SQLite has no lock for this. Of several processes that begin together one makes the tables; the others find them made
/// in the middle of their own attempt, which fails as a whole, and then in the next one before it.
async fn make_tables(writer: &SqlitePool) -> Result<(), StoreError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match migrations::all().run(writer).await {
            Ok(()) => return Ok(()),
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) if attempts < 20 => {
                tokio::time::sleep(LOCKED_RETRY).await;
            }
            Err(error) => return Err(StoreError::Migration(error.into())),
        }
    }
}

async fn open_postgres(url: &str, options: &StoreOptions) -> Result<Pools, StoreError> {
    let patience_ms = options.patience.as_millis().to_string();
    let forgotten_ms = options.patience.saturating_mul(6).as_millis().to_string();
    let plain = PgConnectOptions::from_str(url)?.application_name("sluice");
    // A pool would try again and again, and not say why it cannot.
    PgConnection::connect_with(&plain).await?.close().await?;
    // Without the limits below: a step may have to rewrite a large table. Several processes take turns.
    let once = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(options.patience)
        .connect_with(plain.clone())
        .await?;
    let migrated = migrations::all().run(&once).await;
    once.close().await;
    migrated.map_err(|error| StoreError::Migration(error.into()))?;
    let connect = plain.options([
        ("statement_timeout", patience_ms.as_str()),
        ("lock_timeout", patience_ms.as_str()),
        // A transaction that was forgotten holds locks; nobody waits on purpose inside one. Later than those who wait for
        // the lock give up, so that what they are told does not depend on who is first.
        ("idle_in_transaction_session_timeout", forgotten_ms.as_str()),
    ]);
    let pool = PgPoolOptions::new()
        .max_connections(options.connections.max(1))
        .acquire_timeout(options.patience)
        .connect_with(connect)
        .await?;
    Ok(Pools::Postgres(pool))
}
