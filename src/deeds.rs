//! What the command line does to accounts, written to the audit trail before it is done: by itself where no server runs, and
//! by the server where one does, which has the trail open.

use std::time::Duration;

use anyhow::{Context as _, bail};
use sluice_config::{AuditPath, Config};
use sluice_server::AccountError;
use sluice_store::{DeedState, OwedDeed, ServerLock, Store, StoreError, UnixMillis};

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
            state: DeedState::Asked,
            at: now(),
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
            let _ = trail.record_beside(&OwedDeed { state: DeedState::Failed, ..deed }).await;
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
        let answered = tokio::time::timeout(PATIENCE, self.answer(&deed.id)).await;
        // Who takes the row may act. It may be written down in this very moment, whatever was heard before.
        match self.store.take_deed(&deed.id, DeedState::Written).await {
            Ok(true) => {}
            Ok(false) => {
                self.take_back(&deed.id).await;
                let answer = answered.ok().transpose().context("nothing was done")?;
                bail!(
                    "nothing was done: the server that uses the storage did not write it to its audit trail{}",
                    why_not(answer)
                );
            }
            Err(error) => {
                // Perhaps it was taken, and then nobody else sees that nothing comes of it.
                self.came_to_nothing(deed).await;
                return Err(error).context("nothing was done");
            }
        }
        let done = act.await;
        if done.is_err() {
            self.came_to_nothing(deed).await;
        }
        Ok(done?)
    }

    /// Waits for what the server says. `None`: the row is gone.
    async fn answer(&self, id: &str) -> Result<Option<DeedState>, StoreError> {
        loop {
            match self.store.deed_state(id).await? {
                Some(DeedState::Asked) => tokio::time::sleep(LOOK_EVERY).await,
                answer => return Ok(answer),
            }
        }
    }

    /// Has it written down that nothing came of what was asked. What cannot be taken back is nobody's: the server sees that
    /// after a while.
    async fn take_back(&self, id: &str) {
        for state in [DeedState::Asked, DeedState::Written] {
            let _ = self.store.move_deed(id, state, DeedState::Failed, now()).await;
        }
        let _ = self.store.take_deed(id, DeedState::Refused).await;
    }

    /// Has a second entry written. It is not done: nothing hangs on whether that succeeds.
    async fn came_to_nothing(&self, deed: OwedDeed) {
        let Ok(id) = keys::random_text(ID_CHARS) else { return };
        let failed = OwedDeed { id, state: DeedState::Failed, at: now(), ..deed };
        let _ = self.store.owe_deed(&failed).await;
    }
}

/// What an operator can do about it.
fn why_not(answer: Option<Option<DeedState>>) -> String {
    match answer {
        None => format!(
            " in {} s\n  see what its log says of the trail (`audit.path`); if it has just been stopped, try again",
            PATIENCE.as_secs()
        ),
        Some(Some(DeedState::Refused)) => "\n  it does not know such a thing: see its log".to_owned(),
        Some(_) => "\n  the question was taken away from storage by somebody else: try again".to_owned(),
    }
}

fn now() -> UnixMillis {
    UnixMillis(now_ms())
}

/// Who types, as far as the system says; nothing checks it.
fn whoever() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let name: String = named.unwrap_or_default().chars().filter(|c| !c.is_control()).take(64).collect();
    if name.is_empty() { "somebody".to_owned() } else { name }
}
