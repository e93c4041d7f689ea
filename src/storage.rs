//! Opens what must outlive the server, and closes it in the end.

use std::path::Path;

use std::time::Duration;

use anyhow::Context as _;
use sluice_config::StorageUrl;
use sluice_store::{LockNews, ServerLock, Store, StoreError, StoreOptions};
use tempfile::TempDir;

/// A server that was told to end, or was killed, has let go of its storage after this.
const TAKEOVER: Duration = Duration::from_secs(3);
/// Another command from the command line has let go of it after this; what holds it for longer is a server.
const ANOTHER_COMMAND: Duration = Duration::from_millis(500);
/// How often it is asked whether the storage is still this server's alone.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The open store.
pub(crate) struct Storage {
    pub(crate) store: Store,
    /// Taken out by who watches it.
    lock: Option<ServerLock>,
    /// Goes with this value, and all that is in it.
    temporary: Option<TempDir>,
}

impl Storage {
    /// Opens the database, makes it where it is a file that is not there, and brings it to this version.
    ///
    /// # Errors
    /// What is wrong, and what the operator can do.
    pub(crate) async fn open(url: &StorageUrl) -> anyhow::Result<Self> {
        let (address, temporary) = match url {
            StorageUrl::Postgres(url) => (url.reveal().to_owned(), None),
            StorageUrl::Sqlite(path) => {
                make_folder(path, "storage (`storage.url`)")?;
                (sqlite(path), None)
            }
            StorageUrl::Temporary => {
                let folder = tempfile::Builder::new().prefix("sluice-").tempdir();
                let folder = folder.context("cannot make a folder for temporary storage")?;
                tracing::info!("storage is temporary: the event log goes when the server ends (`storage.url`)");
                (sqlite(&folder.path().join("sluice.db")), Some(folder))
            }
        };
        // First: all that follows writes.
        let lock = ServerLock::take(&address, TAKEOVER).await;
        let lock = Some(lock.context("cannot open storage (`storage.url`)")?);
        let store = Store::open(&address, &StoreOptions::default()).await;
        let store = store.context("cannot open storage (`storage.url`)")?;
        if !matches!(url, StorageUrl::Postgres(_)) {
            // A file has one server: claims of the one before, which may have been killed, hold nobody up.
            store.free_leases().await.context("cannot use storage (`storage.url`)")?;
        }
        Ok(Self { store, lock, temporary })
    }

    /// Waits until another server has this storage. The lock is held for as long as the future is there.
    pub(crate) fn lost(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let lock = self.lock.take();
        async move {
            let Some(mut lock) = lock else { return std::future::pending().await };
            loop {
                match lock.news(LOOK_EVERY).await {
                    LockNews::Away(error) => {
                        tracing::error!(%error, "storage does not say that it is this server's alone; asking again");
                    }
                    LockNews::Back => tracing::info!("storage is this server's alone again"),
                    LockNews::Lost => {
                        tracing::error!("another server has taken the storage (`storage.url`): this one ends");
                        return;
                    }
                }
            }
        }
    }

    /// Closes the database, and forgets it if it was temporary.
    pub(crate) async fn close(self) {
        self.store.close().await;
        if let Some(folder) = self.temporary
            && let Err(error) = folder.close()
        {
            tracing::warn!(%error, "cannot remove temporary storage");
        }
    }
}

/// The store that a server may be using at this moment: nothing of what it holds is taken from it, and its tables stay as it
/// knows them. Where none does, with the lock that keeps one from starting meanwhile.
///
/// # Errors
/// As [`Storage::open`]; that temporary storage is its server's alone; and that the server is of another version.
pub(crate) async fn beside_a_server(url: &StorageUrl) -> anyhow::Result<(Store, Option<ServerLock>)> {
    let address = match url {
        StorageUrl::Postgres(url) => url.reveal().to_owned(),
        StorageUrl::Sqlite(path) => {
            make_folder(path, "storage (`storage.url`)")?;
            sqlite(path)
        }
        StorageUrl::Temporary => anyhow::bail!(
            "temporary storage is its server's alone (`storage.url`)\n  \
             give --config, or SLUICE_STORAGE__URL with the storage that the server uses"
        ),
    };
    let cannot = "cannot open storage (`storage.url`)";
    let lock = match ServerLock::take(&address, ANOTHER_COMMAND).await {
        Ok(lock) => Some(lock),
        Err(StoreError::HasServer) => None,
        Err(error) => return Err(error).context(cannot),
    };
    if lock.is_none() && !Store::has_tables_of_this_version(&address).await.context(cannot)? {
        anyhow::bail!(
            "the server that uses the storage (`storage.url`) is of another version\n  \
             use the `sluice` that it was started from, or stop it first"
        );
    }
    let store = Store::open(&address, &StoreOptions::default()).await.context(cannot)?;
    Ok((store, lock))
}

fn sqlite(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// For its owner alone: there is what people said of themselves.
pub(crate) fn make_folder(path: &Path, what: &str) -> anyhow::Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .with_context(|| format!("cannot make the folder {} for {what}", folder.display()))
}
