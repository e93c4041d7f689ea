//! Whether what is stored is whole: for after a crash, and for tests.

use crate::query::Query;
use crate::{Store, StoreError};

/// What must give no row, and what it means when it does. Every statement gives a text `what`.
const RULES: &[(&str, &str)] = &[
    (
        "events beyond their count",
        "SELECT 'event' AS what FROM events WHERE number > COALESCE(
         (SELECT last FROM sequences WHERE scope = 'events' AND name = ''), 0) LIMIT 1",
    ),
    (
        "a count that is not what is queued for a room",
        "SELECT webhook_lanes.room AS what FROM webhook_lanes WHERE pending <> (SELECT COUNT(*) FROM webhook_outbox
         WHERE webhook_outbox.receiver = webhook_lanes.receiver AND webhook_outbox.room = webhook_lanes.room) LIMIT 1",
    ),
    (
        "webhooks that nobody would post",
        "SELECT webhook_outbox.room AS what FROM webhook_outbox WHERE NOT EXISTS (SELECT 1 FROM webhook_lanes
         WHERE webhook_outbox.receiver = webhook_lanes.receiver AND webhook_outbox.room = webhook_lanes.room) LIMIT 1",
    ),
    (
        "a session that is over and somebody in it",
        "SELECT sessions.id AS what FROM sessions JOIN session_participants ON session_id = sessions.id
         WHERE phase = 'ended' AND left_ms IS NULL LIMIT 1",
    ),
];

impl Store {
    /// Looks through everything, and says what is wrong; nothing, when all is well. Reads the whole database.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        let mut findings = self.check_file().await?;
        for (meaning, sql) in RULES {
            if let Some(row) = self.fetch_optional(Query::new(sql)).await? {
                findings.push(format!("{meaning}: {}", row.text("what")?));
            }
        }
        Ok(findings)
    }

    /// What SQLite says of its file. PostgreSQL looks after its own.
    async fn check_file(&self) -> Result<Vec<String>, StoreError> {
        if !self.is_sqlite() {
            return Ok(Vec::new());
        }
        let rows = self
            .fetch_all(Query::new("SELECT integrity_check AS what FROM pragma_integrity_check"))
            .await?;
        let mut findings: Vec<String> = rows.iter().map(|row| row.text("what")).collect::<Result<_, _>>()?;
        findings.retain(|finding| finding != "ok");
        let orphans = Query::new("SELECT \"table\" AS what FROM pragma_foreign_key_check LIMIT 1");
        if let Some(row) = self.fetch_optional(orphans).await? {
            findings.push(format!("a row without what it belongs to: {}", row.text("what")?));
        }
        Ok(findings)
    }
}
