//! Deletes recordings: those whose time is over, and those somebody wants gone. None that is held.

use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use sluice_objects::ShelfError;
use sluice_recordings::RecordingId;
use sluice_store::{Recording, StoreError};
use tokio::time::{MissedTickBehavior, interval};

use super::{Shared, folder};
use crate::clock::moment;

/// How often what was kept for long enough is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// Deleted at a time.
const AT_ONCE: u32 = 100;

/// Why a recording is not deleted.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDeleted {
    #[error("its files cannot be deleted: {0}")]
    Files(#[from] io::Error),
    #[error("its files in the bucket cannot be deleted: {0}")]
    Bucket(#[from] ShelfError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// As long as the server is there.
pub(super) async fn sweep(shared: Weak<Shared>) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let expired = match shared.store.recordings_expired(moment(), AT_ONCE).await {
            Ok(expired) => expired,
            Err(error) => {
                tracing::warn!(%error, "cannot look for recordings that were kept for long enough");
                continue;
            }
        };
        for recording in expired {
            match delete(&shared, &recording).await {
                Ok(true) => tracing::info!(id = recording.id, "deleted a recording that was kept for long enough"),
                // Somebody holds it since.
                Ok(false) => {}
                Err(error) => tracing::error!(%error, id = recording.id, "cannot delete a recording"),
            }
        }
    }
}

/// Whether it is gone. It is marked first, so that nobody holds it from then on; its files go next, and then it is forgotten.
/// What is cut off in between is finished when expired ones are looked for. Whoever asked may leave meanwhile.
pub(super) async fn delete(shared: &Arc<Shared>, recording: &Recording) -> Result<bool, NotDeleted> {
    let (shared, id) = (shared.clone(), RecordingId::parse(&recording.id));
    let deletion = tokio::spawn(async move {
        let (Some(path), Some(id)) = (&shared.config.folder, id) else { return Ok(false) };
        if !shared.store.begin_to_delete_recording(id.as_str()).await? {
            return Ok(false);
        }
        let folder = folder::of(path, &id);
        // What says what is in the bucket stays, if it is not taken away there.
        shared.delivery.discard(&folder).await?;
        let removed = tokio::task::spawn_blocking(move || remove(&folder)).await;
        removed.unwrap_or_else(|error| Err(io::Error::other(error)))?;
        shared.store.forget_recording(id.as_str()).await?;
        Ok(true)
    });
    deletion.await.unwrap_or_else(|error| Err(io::Error::other(error).into()))
}

fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
