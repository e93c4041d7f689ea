//! What the command line does to accounts, written to the audit trail before it is done: by itself where no server runs, and
//! by the server where one does, which has the trail open.

use std::time::Duration;

use anyhow::{Context as _, bail};
use sluice_config::{AuditPath, Config};
use sluice_server::AccountError;
use sluice_store::{OwedDeed, ServerLock, Store, UnixMillis};

use crate::trail::{TrailFile, now_ms};
use crate::{keys, storage};

/// The server looks twice a second; its disk may be slow.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Letters and digits of a deed's id: nobody has to guess it, two must not be the same.
const ID_CHARS: usize = 20;

/// The store, and who writes down what is done to it.
pub(crate) struct Recorded {
    pub(crate) store: Store,
    /// Held where no server runs.
    lock: Option<ServerLock>,
    trail: AuditPath,
}

impl Recorded {
    /// The configured store and trail.
    ///
    /// # Errors
    /// As [`storage::beside_a_server`].
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let (store, lock) = storage::beside_a_server(&config.storage.url).await?;
        Ok(Self { store, lock, trail: config.audit.path.clone() })
    }

    /// Has it written down that somebody does `what` to an account, then does it. What goes wrong with it is written down as
    /// well.
    ///
    /// # Errors
    /// Where it cannot be written down it is not done.
    pub(crate) async fn carry_out<T>(
        &self,
        (what, whom, detail): (&str, &str, String),
        act: impl Future<Output = Result<T, AccountError>>,
    ) -> anyhow::Result<T> {
        let deed = OwedDeed {
            id: keys::random_text(ID_CHARS)?,
            who: whoever(),
            what: what.to_owned(),
            whom: Some(whom.to_owned()),
            detail: Some(detail),
            failed: false,
            at: UnixMillis(now_ms()),
        };
        match self.lock {
            Some(_) => self.by_itself(deed, act).await,
            None => self.by_the_server(deed, act).await,
        }
    }

    async fn by_itself<T>(
        &self,
        deed: OwedDeed,
        act: impl Future<Output = Result<T, AccountError>>,
    ) -> anyhow::Result<T> {
        // A temporary trail is one of a server that does not run.
        let AuditPath::File(_) = &self.trail else { return Ok(act.await?) };
        let (file, trail) = TrailFile::open(&self.trail)?;
        trail
            .record_beside(&deed)
            .await
            .context("nothing was done: the audit trail cannot be written")?;
        let done = act.await;
        if done.is_err() {
            // It is not done: nothing hangs on whether this can be written.
            let _ = trail.record_beside(&OwedDeed { failed: true, ..deed }).await;
        }
        drop(trail);
        file.close();
        Ok(done?)
    }

    async fn by_the_server<T>(
        &self,
        deed: OwedDeed,
        act: impl Future<Output = Result<T, AccountError>>,
    ) -> anyhow::Result<T> {
        self.store.owe_deed(&deed).await?;
        let written = async {
            while self.store.is_owed(&deed.id).await? {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            anyhow::Ok(())
        };
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(written) => written?,
            // Written down in this moment it may be done.
            Err(_) if !self.store.settle_deed(&deed.id).await? => {}
            Err(_) => bail!(
                "nothing was done: the server that uses the storage did not write it to its audit trail in {} s\n  \
                 see what its log says of the trail (`audit.path`); if it has just been stopped, try again",
                PATIENCE.as_secs()
            ),
        }
        let done = act.await;
        if done.is_err() {
            let failed = OwedDeed { id: keys::random_text(ID_CHARS)?, failed: true, at: UnixMillis(now_ms()), ..deed };
            // It is not done: nothing hangs on whether this can be written.
            let _ = self.store.owe_deed(&failed).await;
        }
        Ok(done?)
    }
}

/// Who types, as far as the system says; nothing checks it.
fn whoever() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let name: String = named.unwrap_or_default().chars().filter(|c| !c.is_control()).take(64).collect();
    if name.is_empty() { "somebody".to_owned() } else { name }
}
