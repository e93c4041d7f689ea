//! What is about to be done beside the server, with its database alone: the server has the audit trail, so it is asked by a
//! row to write it down, and says in the row what became of that. Who asked takes the row away, and does it.

use crate::query::{Query, Row};
use crate::values::words;
use crate::{Store, StoreError, UnixMillis};

words! {
    /// How far the writing down of a deed is. Both sides move a row on, each from where it knows it to be.
    DeedState {
        /// The server is asked to write it down.
        Asked = "asked",
        /// The server has. Whoever then takes the row away may do it, and nobody else.
        Written = "written",
        /// The server does not write such a thing down: it must not be done.
        Refused = "refused",
        /// It came to nothing, which the server has to write down as well. That one takes the row away.
        Failed = "failed",
    }
}

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
    /// How far it is.
    pub state: DeedState,
    /// Since when, by the clock of the side that brought it there.
    pub at: UnixMillis,
}

impl Store {
    /// Asks the server to write something down.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the id is taken.
    pub async fn owe_deed(&self, deed: &OwedDeed) -> Result<(), StoreError> {
        let query = Query::new(
            "INSERT INTO owed_deeds (id, who, what, whom, detail, state, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&deed.id)
        .bind(&deed.who)
        .bind(&deed.what)
        .bind(deed.whom.as_deref())
        .bind(deed.detail.as_deref())
        .bind(deed.state)
        .bind(deed.at);
        self.execute(query).await.map_err(|error| error.about("deed"))?;
        Ok(())
    }

    /// Up to `limit` of them, in whatever state, the oldest first.
    pub async fn owed_deeds(&self, limit: u32) -> Result<Vec<OwedDeed>, StoreError> {
        let query = Query::new("SELECT * FROM owed_deeds ORDER BY at_ms, id LIMIT $1").bind(limit);
        self.fetch_all(query).await?.iter().map(OwedDeed::read).collect()
    }

    /// How far it is. `None` when the row is not there.
    pub async fn deed_state(&self, id: &str) -> Result<Option<DeedState>, StoreError> {
        let query = Query::new("SELECT state FROM owed_deeds WHERE id = $1").bind(id);
        self.fetch_optional(query).await?.map(|row| row.word("state")).transpose()
    }

    /// Brings it from one state to another. False, and nothing is changed, when it is not in the first.
    pub async fn move_deed(
        &self,
        id: &str,
        from: DeedState,
        to: DeedState,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let query = Query::new("UPDATE owed_deeds SET state = $3, at_ms = $4 WHERE id = $1 AND state = $2")
            .bind(id)
            .bind(from)
            .bind(to)
            .bind(now);
        Ok(self.execute(query).await? > 0)
    }

    /// Takes the row away. False, and nothing is changed, when it is not in that state.
    pub async fn take_deed(&self, id: &str, state: DeedState) -> Result<bool, StoreError> {
        let query = Query::new("DELETE FROM owed_deeds WHERE id = $1 AND state = $2").bind(id).bind(state);
        Ok(self.execute(query).await? > 0)
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
            state: row.word("state")?,
            at: row.time("at_ms")?,
        })
    }
}
