//! What is done to accounts from the command line while this server runs. The server has the audit trail open, so whoever
//! is about to do something there asks it, by a row in the store, to write that down first.
//!
//! Knows neither what is done nor who may: who can write to the database can do all of it without asking. So an entry made
//! here says that it came from the command line, whatever the row says, and speaks of accounts alone.

use std::sync::Arc;
use std::time::Duration;

use sluice_audit::Outcome;
use sluice_store::{OwedDeed, StoreError, UnixMillis};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::App;
use crate::clock::moment;
use crate::trail::{Deed, Unrecorded, Whence};

/// How often the store is asked. Somebody waits at a terminal.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Rows read at a time.
const AT_ONCE: u32 = 100;
/// Whoever asked does not wait any more: it was killed, or no server ran.
const TOO_OLD: Duration = Duration::from_secs(60);

/// What the command line does.
const DEEDS: [&str; 2] = ["user.create", "user.change"];

/// As it stands in the trail. `None` for what is not the command line's.
pub(crate) fn deed(owed: &OwedDeed) -> Option<Deed> {
    let what = DEEDS.into_iter().find(|what| *what == owed.what)?;
    let mut deed = Deed::new(format!("{} (command line)", owed.who), what, Whence::default());
    if let Some(whom) = &owed.whom {
        deed = deed.to(whom);
    }
    Some(match &owed.detail {
        Some(detail) => deed.with(detail.clone()),
        None => deed,
    })
}

/// The task that writes down what is owed, for as long as this is there.
pub(crate) struct Clerk(JoinHandle<()>);

impl Clerk {
    pub(crate) fn start(app: Arc<App>) -> Self {
        Self(tokio::spawn(async move {
            let mut looks = interval(LOOK_EVERY);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                looks.tick().await;
                if let Err(error) = write(&app, moment()).await {
                    tracing::debug!(%error, "what is done from the command line cannot be read");
                }
            }
        }))
    }

    /// It has let go of the trail when this answers.
    pub(crate) async fn stop(mut self) {
        self.0.abort();
        // Aborted, it ends with an error.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn write(app: &App, now: UnixMillis) -> Result<(), StoreError> {
    for owed in app.store.owed_deeds(AT_ONCE).await? {
        let Some(deed) = deed(&owed) else {
            tracing::error!(what = owed.what, "the store owes the audit trail what is not done from the command line");
            app.store.settle_deed(&owed.id).await?;
            continue;
        };
        let came_to_nothing = owed.failed || now.since(owed.at) > TOO_OLD;
        let outcome = if came_to_nothing { Outcome::Failed } else { Outcome::Done };
        // The trail has logged why, and is asked again.
        let Ok(()) = app.trail.record(&deed, outcome).await else { return Ok(()) };
        let was_waited_for = app.store.settle_deed(&owed.id).await?;
        if !was_waited_for && !came_to_nothing {
            // Taken back in this moment, and not done.
            app.trail.refused(&deed).await;
        }
    }
    Ok(())
}

impl crate::AuditTrail {
    /// Writes down what the command line is about to do where no server runs.
    ///
    /// # Errors
    /// Then it must not be done.
    pub async fn record_beside(&self, owed: &OwedDeed) -> Result<(), Unrecorded> {
        let Some(deed) = deed(owed) else { return Ok(()) };
        self.record(&deed, if owed.failed { Outcome::Failed } else { Outcome::Done }).await
    }
}
