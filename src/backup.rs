//! `sluice backup`: a copy of the database, while the server goes on.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use sluice_config::StorageUrl;
use sluice_store::{Store, StoreError};

use crate::cli::SourceArgs;

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The file to write; it must not exist
    path: PathBuf,
}

const HELP: &str = "\
The copy is a database as it was at one moment, readable by its owner alone: to go back to it, stop the server and put
it where `storage.url` says, without the old `-wal` and `-shm` files. It holds what people said, so guard it likewise.

Example:
  sluice backup --config /etc/sluice.toml /var/backups/sluice-2026-11-22.db";

/// Writes the copy.
pub(crate) fn run(args: &BackupArgs) -> anyhow::Result<()> {
    let config = args.source.load_unchecked()?;
    let database = match &config.storage.url {
        StorageUrl::Sqlite(path) => path,
        StorageUrl::Postgres(_) => {
            bail!("storage is PostgreSQL, which makes copies itself: pg_dump --format=custom --file=FILE URL")
        }
        StorageUrl::Temporary => bail!("storage is temporary (`storage.url`): there is nothing to keep"),
    };
    // Opening makes a file where there is none, and a copy of nothing would look like one.
    if !database.is_file() {
        bail!("there is no database at {} (`storage.url`)", database.display());
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(copy(database, &args.path))?;
    eprintln!("wrote {}", args.path.display());
    Ok(())
}

async fn copy(database: &Path, path: &Path) -> anyhow::Result<()> {
    let copied = Store::backup_of(database, path).await;
    match copied {
        Err(StoreError::Exists { .. }) => bail!("{} exists already: choose another name", path.display()),
        copied => copied.with_context(|| format!("cannot write {}", path.display())),
    }
}
