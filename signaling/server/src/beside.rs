//! What is done to accounts from the command line while this server runs. The server has the audit trail open, so whoever
//! is about to do something there asks it, by a row in the store, to write that down first.
//!
//! It says there what became of that, and whoever asked takes the row away before acting: what is not taken within a minute
//! nobody will do. So neither side concludes anything from a row that is gone, nor from the other's clock.
//!
//! Knows neither what is done nor who may: who can write to the database can do all of it without asking. So an entry made
//! here says that it came from the command line, whatever the row says, and speaks of accounts alone.

use std::sync::Arc;
use std::time::Duration;

use sluice_audit::Outcome;
use sluice_store::{DeedState, OwedDeed, StoreError, UnixMillis};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::App;
use crate::clock::moment;
use crate::trail::{Deed, Unrecorded, Whence};

/// How often the store is asked. Somebody waits at a terminal.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Rows read at a time.
const AT_ONCE: u32 = 100;
/// Whoever asked does not come any more: it was killed, or asked when no server ran. Nobody waits for as long.
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
            let mut is_away = false;
            loop {
                looks.tick().await;
                let looked = round(&app, moment()).await;
                if let Err(error) = &looked
                    && !is_away
                {
                    tracing::warn!(%error, "storage does not say what is done from the command line: asking again");
                }
                is_away = looked.is_err();
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

/// Sees to all that is owed at this moment.
async fn round(app: &App, now: UnixMillis) -> Result<(), StoreError> {
    for owed in app.store.owed_deeds(AT_ONCE).await? {
        let is_over = now.since(owed.at) > TOO_OLD;
        match owed.state {
            DeedState::Asked | DeedState::Failed => {
                // The trail has logged why, and is asked again.
                let Ok(()) = write(app, &owed).await else { return Ok(()) };
            }
            // So it stands in the trail as done, and was not.
            DeedState::Written if is_over => {
                app.store.move_deed(&owed.id, DeedState::Written, DeedState::Failed, now).await?;
            }
            DeedState::Refused if is_over => {
                app.store.take_deed(&owed.id, DeedState::Refused).await?;
            }
            DeedState::Written | DeedState::Refused => {}
        }
    }
    Ok(())
}

/// Writes one of them down, and says in its row that it did.
async fn write(app: &App, owed: &OwedDeed) -> Result<(), Unrecorded> {
    let deed = deed(owed);
    match &deed {
        Some(deed) => app.trail.record(deed, outcome(owed)).await?,
        None => {
            tracing::error!(what = owed.what, "the store owes the audit trail what is not done from the command line");
        }
    }
    let answer = if deed.is_some() { DeedState::Written } else { DeedState::Refused };
    let mut was_said = false;
    loop {
        // Taken back meanwhile it stays as it is: a failed one, which is written down with the next look.
        let told = match owed.state {
            DeedState::Failed => app.store.take_deed(&owed.id, DeedState::Failed).await,
            asked => app.store.move_deed(&owed.id, asked, answer, moment()).await,
        };
        let Err(error) = told else { return Ok(()) };
        // Until it is told: asked anew, the trail would have it twice.
        if !std::mem::replace(&mut was_said, true) {
            tracing::warn!(%error, "storage does not take that a deed is in the audit trail: trying again");
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Done, as far as is known now.
fn outcome(owed: &OwedDeed) -> Outcome {
    if owed.state == DeedState::Failed { Outcome::Failed } else { Outcome::Done }
}

impl crate::AuditTrail {
    /// Writes down what the command line is about to do where no server runs.
    ///
    /// # Errors
    /// Then it must not be done.
    pub async fn record_beside(&self, owed: &OwedDeed) -> Result<(), Unrecorded> {
        let Some(deed) = deed(owed) else { return Ok(()) };
        self.record(&deed, outcome(owed)).await
    }
}
