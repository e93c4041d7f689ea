//! Looks after what lies in the store: deletes what has been kept for long enough, and counts what is owed.
//!
//! Knows nothing of a room but that somebody is in it: then its record stays.

use std::time::Duration;

use sluice_store::{Retention, RoomName, Store, StoreError, Swept, UnixMillis};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::moment as now;
use crate::metrics::Metrics;
use crate::records::TEMPORARY_LIFE;

/// How often what was kept for long enough is deleted.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// How often webhooks that are owed are counted, for the metrics.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// Rooms whose time is prolonged in one transaction: others write between two of them.
const AT_ONCE: usize = 64;

/// Until it is aborted.
pub(super) async fn keep(
    store: Store,
    retention: Retention,
    metrics: Metrics,
    in_use: impl Fn() -> Vec<RoomName> + Send + Sync,
) {
    let (mut sweeps, mut counts) = (interval(SWEEP_EVERY), interval(COUNT_EVERY));
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    counts.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = sweeps.tick() => match sweep(&store, &retention, &in_use(), now()).await {
                Ok(swept) => tracing::debug!(?swept, "deleted what was kept for long enough"),
                Err(error) => tracing::warn!(%error, "cannot delete what was kept for long enough"),
            },
            _ = counts.tick() => match store.outbox().await {
                Ok(standings) => {
                    let owed = standings.iter().map(|standing| standing.pending).sum::<u64>();
                    metrics.webhooks_owed.set(i64::try_from(owed).unwrap_or(i64::MAX));
                }
                Err(error) => tracing::warn!(%error, "cannot count the webhooks that are owed"),
            },
        }
    }
}

/// First the time of rooms that are in use is prolonged. Where that cannot be written nothing is deleted either.
async fn sweep(
    store: &Store,
    retention: &Retention,
    in_use: &[RoomName],
    now: UnixMillis,
) -> Result<Swept, StoreError> {
    let until = now.plus(TEMPORARY_LIFE);
    for rooms in in_use.chunks(AT_ONCE) {
        let mut transaction = store.begin().await?;
        for room in rooms {
            transaction.prolong_room(room, until).await?;
        }
        transaction.commit().await?;
    }
    store.sweep(retention, now).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use sluice_store::{Lifetime, Room, StoreOptions};

    use super::*;

    fn temporary(name: &str, expires: UnixMillis) -> Room {
        Room {
            name: name.into(),
            title: String::new(),
            lifetime: Lifetime::Temporary { expires },
            settings: serde_json::json!({}),
            password_hash: None,
            lobby: false,
            locked: false,
            guests: true,
            keeps_chat: false,
            max_participants: 0,
            default_roles: Vec::new(),
            created_by: None,
            created: UnixMillis(1),
            updated: UnixMillis(1),
        }
    }

    /// People stay for days and nobody comes or goes.
    #[tokio::test]
    async fn a_room_that_is_in_use_keeps_its_record_and_another_loses_it() {
        let home = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", home.path().join("sluice.db").display());
        let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
        let made = UnixMillis(1_795_000_000_000);
        for name in ["math", "physics"] {
            store.create_room(&temporary(name, made.plus(TEMPORARY_LIFE))).await.unwrap();
        }
        let hour = Duration::from_secs(3600);
        let next_day = made.plus(TEMPORARY_LIFE + hour);
        let swept = sweep(&store, &Retention::default(), &["math".into()], next_day).await.unwrap();
        assert_eq!(swept.rooms, 1);
        assert_eq!(store.room(&"physics".into()).await.unwrap(), None);
        let kept = store.room(&"math".into()).await.unwrap().unwrap();
        assert_eq!(kept.lifetime, Lifetime::Temporary { expires: next_day.plus(TEMPORARY_LIFE) });

        let swept = sweep(&store, &Retention::default(), &[], next_day.plus(TEMPORARY_LIFE + hour))
            .await
            .unwrap();
        assert_eq!(swept.rooms, 1, "a day after the last one has gone");
    }
}
