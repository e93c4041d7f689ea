//! Forgetting a person: what was kept about them goes, what happened stays.
//!
//! Sessions, stays and events remain in number and time, without who it was; messages, the account and tokens are
//! deleted. Bans stay: to be forgotten is no way back in. The audit trail is a file of its own, and is not changed.

use std::collections::BTreeMap;

use crate::query::Query;
use crate::{Identity, ReceiverId, Store, StoreError, Transaction, UnixMillis, UserId};

/// Who is to be forgotten: everything of either name goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who they were in rooms.
    pub identities: Vec<Identity>,
    /// Their account.
    pub user: Option<UserId>,
}

/// How much there was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Chat messages that were deleted.
    pub messages: u64,
    /// Stays in sessions that are nobody's now.
    pub stays: u64,
    /// Events whose payload was taken out.
    pub events: u64,
    /// Whether there was an account.
    pub account: bool,
}

impl Transaction {
    /// Forgets a person. Webhooks that were still owed for events about them are dropped, and counted as such. What
    /// backups hold is not touched.
    pub async fn erase(&mut self, person: &Person, now: UnixMillis) -> Result<Erased, StoreError> {
        let mut erased = Erased::default();
        if let Some(user) = &person.user {
            // Who they were in rooms with this account, too.
            let query = Query::new("SELECT DISTINCT identity FROM session_participants WHERE user_id = $1");
            let rows = self.fetch_all(query.bind(user)).await?;
            let mut identities = person.identities.clone();
            for row in rows {
                let identity = row.id("identity")?;
                if !identities.contains(&identity) {
                    identities.push(identity);
                }
            }
            for identity in &identities {
                self.erase_identity(identity, &mut erased, now).await?;
            }
            self.erase_user(user, &mut erased).await?;
        } else {
            for identity in &person.identities {
                self.erase_identity(identity, &mut erased, now).await?;
            }
        }
        Ok(erased)
    }

    async fn erase_user(&mut self, user: &UserId, erased: &mut Erased) -> Result<(), StoreError> {
        erased.messages += self
            .execute(Query::new("DELETE FROM chat_messages WHERE user_id = $1").bind(user))
            .await?;
        self.execute(Query::new("UPDATE rooms SET created_by = NULL WHERE created_by = $1").bind(user))
            .await?;
        self.execute(Query::new("UPDATE recordings SET owner = NULL WHERE owner = $1").bind(user))
            .await?;
        // Refresh tokens go with it.
        erased.account = self.execute(Query::new("DELETE FROM users WHERE id = $1").bind(user)).await? > 0;
        Ok(())
    }

    async fn erase_identity(
        &mut self,
        identity: &Identity,
        erased: &mut Erased,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        // The preview of a session they were in may quote them.
        let query = Query::new(
            "UPDATE sessions SET transcript_preview = '' WHERE id IN (
             SELECT session_id FROM session_participants WHERE identity = $1)
             OR id IN (SELECT session_id FROM chat_messages WHERE identity = $1 AND session_id IS NOT NULL)",
        );
        self.execute(query.bind(identity)).await?;
        erased.messages += self
            .execute(Query::new("DELETE FROM chat_messages WHERE identity = $1").bind(identity))
            .await?;
        let query =
            Query::new("UPDATE session_participants SET identity = '', name = '', user_id = NULL WHERE identity = $1");
        erased.stays += self.execute(query.bind(identity)).await?;
        self.execute(Query::new("DELETE FROM token_floors WHERE identity = $1").bind(identity))
            .await?;
        self.drop_owed_about(identity, now).await?;
        self.execute(Query::new("UPDATE rooms SET created_by = NULL WHERE created_by = $1").bind(identity))
            .await?;
        let query = Query::new(
            "UPDATE events SET payload = '{}', erased = $2
             WHERE number IN (SELECT number FROM event_subjects WHERE subject = $1)",
        );
        erased.events += self.execute(query.bind(identity).bind(true)).await?;
        self.execute(Query::new("DELETE FROM event_subjects WHERE subject = $1").bind(identity))
            .await?;
        Ok(())
    }

    /// Without their payload they would say nothing.
    async fn drop_owed_about(&mut self, identity: &Identity, now: UnixMillis) -> Result<(), StoreError> {
        let receivers = self.fetch_all(Query::new("SELECT id FROM webhook_receivers ORDER BY id")).await?;
        for row in receivers {
            let receiver: ReceiverId = row.id("id")?;
            self.lock_lanes(&receiver).await?;
            let query = Query::new(
                "DELETE FROM webhook_outbox WHERE receiver = $2
                 AND number IN (SELECT number FROM event_subjects WHERE subject = $1) RETURNING room",
            );
            let mut lanes = BTreeMap::new();
            for row in self.fetch_all(query.bind(identity).bind(&receiver)).await? {
                *lanes.entry(row.text("room")?).or_insert(0) += 1;
            }
            if !lanes.is_empty() {
                self.drop_queued(&receiver, &lanes, now).await?;
            }
        }
        Ok(())
    }
}

impl Store {
    /// Forgets a person; see [`Transaction::erase`].
    pub async fn erase(&self, person: &Person, now: UnixMillis) -> Result<Erased, StoreError> {
        let mut transaction = self.begin().await?;
        let erased = transaction.erase(person, now).await?;
        transaction.commit().await?;
        Ok(erased)
    }
}
