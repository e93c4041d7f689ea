//! How long things are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::query::Query;
use crate::{EventKind, Store, StoreError, UnixMillis};

/// So many rows go in one transaction, so that nobody waits long for it.
const AT_ONCE: u32 = 1_000;

/// So many rooms, each of which may have as much chat as was said in it.
const ROOMS_AT_ONCE: u32 = 50;

/// How long things are kept; `None`: for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Events, but for those below. One that a webhook is still owed for stays until it is settled.
    pub events: Option<Duration>,
    /// Events of these kinds.
    pub events_of_kind: BTreeMap<EventKind, Option<Duration>>,
    /// Chat messages.
    pub chat: Option<Duration>,
    /// Sessions that are over, with their participants and samples, since something last happened in them, and
    /// appointments that nobody kept.
    pub sessions: Option<Duration>,
    /// Quality samples.
    pub quality: Option<Duration>,
}

impl Default for Retention {
    /// Thirty days; quality seven, since it is by far the most.
    fn default() -> Self {
        let days = |days: u64| Some(Duration::from_secs(days * 24 * 3600));
        Self { events: days(30), events_of_kind: BTreeMap::new(), chat: days(30), sessions: days(30), quality: days(7) }
    }
}

/// How much was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Events.
    pub events: u64,
    /// Chat messages.
    pub messages: u64,
    /// Sessions.
    pub sessions: u64,
    /// Quality samples (not counting those that went with their session).
    pub samples: u64,
    /// Temporary rooms whose time has come.
    pub rooms: u64,
    /// Refresh tokens, revocations and bans that are over.
    pub expired: u64,
}

impl Store {
    /// Deletes what has been kept for long enough. In small steps: others write in between, and a process that ends in
    /// the middle has deleted only a part.
    pub async fn sweep(&self, retention: &Retention, now: UnixMillis) -> Result<Swept, StoreError> {
        let mut swept = Swept { events: self.sweep_events(retention, now).await?, ..Swept::default() };
        if let Some(age) = retention.chat {
            let sql = "DELETE FROM chat_messages WHERE id IN (
                SELECT id FROM chat_messages WHERE at_ms < $1 ORDER BY at_ms LIMIT $2)";
            swept.messages = self.delete_before(sql, now.minus(age)).await?;
        }
        if let Some(age) = retention.quality {
            // By moment rather than by row: the key has three columns, and one moment is a sample for each participant.
            let sql = "DELETE FROM quality_samples WHERE at_ms < $1 AND at_ms <= COALESCE(
                (SELECT at_ms FROM quality_samples WHERE at_ms < $1 ORDER BY at_ms LIMIT 1 OFFSET $2), $1)";
            swept.samples = self.delete_before(sql, now.minus(age)).await?;
        }
        if let Some(age) = retention.sessions {
            let sql = "DELETE FROM sessions WHERE id IN (
                SELECT id FROM sessions WHERE active_ms < $1
                AND (phase = 'ended' OR (phase = 'scheduled' AND scheduled_ms < $1)) ORDER BY active_ms LIMIT $2)";
            swept.sessions = self.delete_before(sql, now.minus(age)).await?;
        }
        swept.rooms = self.sweep_rooms(now).await?;
        for sql in [
            "DELETE FROM refresh_tokens WHERE digest IN (
                SELECT digest FROM refresh_tokens WHERE expires_ms < $1 LIMIT $2)",
            "DELETE FROM revoked_tokens WHERE token_id IN (
                SELECT token_id FROM revoked_tokens WHERE expires_ms < $1 LIMIT $2)",
            "DELETE FROM token_floors WHERE (room, identity) IN (
                SELECT room, identity FROM token_floors WHERE expires_ms < $1 LIMIT $2)",
            "DELETE FROM bans WHERE id IN (SELECT id FROM bans WHERE expires_ms < $1 LIMIT $2)",
        ] {
            swept.expired += self.delete_before(sql, now).await?;
        }
        Ok(swept)
    }

    async fn sweep_events(&self, retention: &Retention, now: UnixMillis) -> Result<u64, StoreError> {
        let kinds = self.fetch_all(Query::new("SELECT DISTINCT kind FROM events")).await?;
        let mut deleted = 0;
        for row in kinds {
            let kind: EventKind = row.id("kind")?;
            let age = retention.events_of_kind.get(&kind).copied().unwrap_or(retention.events);
            let Some(age) = age else { continue };
            let query = Query::new(
                "DELETE FROM events WHERE number IN (
                 SELECT number FROM events WHERE kind = $3 AND at_ms < $1
                 AND NOT EXISTS (SELECT 1 FROM webhook_outbox WHERE webhook_outbox.number = events.number)
                 ORDER BY at_ms LIMIT $2)",
            );
            deleted += self.repeat(query.bind(now.minus(age)).bind(AT_ONCE).bind(&kind)).await?;
        }
        Ok(deleted)
    }

    /// With their chat and bans, as if they had been deleted.
    async fn sweep_rooms(&self, now: UnixMillis) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let query = Query::new(
                "DELETE FROM rooms WHERE name IN (
                 SELECT name FROM rooms WHERE expires_ms < $1 ORDER BY expires_ms LIMIT $2) RETURNING name",
            );
            let mut transaction = self.begin().await?;
            let rows = transaction.fetch_all(query.bind(now).bind(ROOMS_AT_ONCE)).await?;
            for row in &rows {
                transaction.forget_what_goes_with(&row.id("name")?).await?;
            }
            transaction.commit().await?;
            let deleted = u64::try_from(rows.len()).unwrap_or(u64::MAX);
            total += deleted;
            if deleted < u64::from(ROOMS_AT_ONCE) {
                return Ok(total);
            }
        }
    }

    /// Repeats a statement that deletes up to `$2` of what is older than `$1`.
    async fn delete_before(&self, sql: &'static str, before: UnixMillis) -> Result<u64, StoreError> {
        self.repeat(Query::new(sql).bind(before).bind(AT_ONCE)).await
    }

    async fn repeat(&self, query: Query) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let deleted = self.execute(query.clone()).await?;
            total += deleted;
            if deleted < u64::from(AT_ONCE) {
                return Ok(total);
            }
        }
    }
}
