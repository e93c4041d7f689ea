//! What is about to be done beside the server, with its database alone: the server has the audit trail, so it is asked by a
//! row to write it down, and takes the row away when it has.

use crate::query::{Query, Row};
use crate::{Store, StoreError, UnixMillis};

/// Something that somebody is about to do, or that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedDeed {
    /// Its id.
    pub id: String,
    /// Who does it.
    pub who: String,
    /// What: a thing and what is done to it, `user.create`.
    pub what: String,
    /// To whom.
    pub whom: Option<String>,
    /// More to say, in words. Never a secret.
    pub detail: Option<String>,
    /// It was written down and then came to nothing.
    pub failed: bool,
    /// Since when it is owed.
    pub at: UnixMillis,
}

impl Store {
    /// Asks the server to write something down.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the id is taken.
    pub async fn owe_deed(&self, deed: &OwedDeed) -> Result<(), StoreError> {
        let query = Query::new(
            "INSERT INTO owed_deeds (id, who, what, whom, detail, failed, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&deed.id)
        .bind(&deed.who)
        .bind(&deed.what)
        .bind(deed.whom.as_deref())
        .bind(deed.detail.as_deref())
        .bind(deed.failed)
        .bind(deed.at);
        self.execute(query).await.map_err(|error| error.about("deed"))?;
        Ok(())
    }

    /// Up to `limit` of what is to be written down, the oldest first.
    pub async fn owed_deeds(&self, limit: u32) -> Result<Vec<OwedDeed>, StoreError> {
        let query = Query::new("SELECT * FROM owed_deeds ORDER BY at_ms, id LIMIT $1").bind(limit);
        self.fetch_all(query).await?.iter().map(OwedDeed::read).collect()
    }

    /// Whether that has still to be written down.
    pub async fn is_owed(&self, id: &str) -> Result<bool, StoreError> {
        let query = Query::new("SELECT id FROM owed_deeds WHERE id = $1").bind(id);
        Ok(self.fetch_optional(query).await?.is_some())
    }

    /// It is written down, or not owed any more. False when the other side has said so before.
    pub async fn settle_deed(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.execute(Query::new("DELETE FROM owed_deeds WHERE id = $1").bind(id)).await? > 0)
    }
}

impl OwedDeed {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            who: row.text("who")?,
            what: row.text("what")?,
            whom: row.text_or_none("whom")?,
            detail: row.text_or_none("detail")?,
            failed: row.flag("failed")?,
            at: row.time("at_ms")?,
        })
    }
}
