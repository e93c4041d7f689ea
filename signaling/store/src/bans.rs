//! Who is kept out, of a room or of all.

use crate::query::{Query, Row};
use crate::{BanId, Identity, RoomName, Store, StoreError, Transaction, UnixMillis, UserId};

/// By what somebody is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BanSubject {
    /// By who they are in rooms.
    Identity(Identity),
    /// By their account.
    User(UserId),
    /// By the keyed hash of where they come from.
    Address(String),
}

impl BanSubject {
    fn columns(&self) -> (&'static str, &str) {
        match self {
            Self::Identity(identity) => ("identity", identity.as_str()),
            Self::User(user) => ("user", user.as_str()),
            Self::Address(hash) => ("address", hash),
        }
    }
}

/// A ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Its id.
    pub id: BanId,
    /// From which room; `None`: from all.
    pub room: Option<RoomName>,
    /// Who.
    pub subject: BanSubject,
    /// Why, for other hosts.
    pub reason: String,
    /// Who said so.
    pub banned_by: String,
    /// When.
    pub created: UnixMillis,
    /// Until when; `None`: until it is lifted.
    pub expires: Option<UnixMillis>,
}

impl Transaction {
    /// Keeps somebody out.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the id is taken.
    pub async fn ban(&mut self, ban: &Ban) -> Result<(), StoreError> {
        let (kind, subject) = ban.subject.columns();
        let query = Query::new(
            "INSERT INTO bans (id, room, subject_kind, subject, reason, banned_by, created_ms, expires_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&ban.id)
        .bind(ban.room.as_ref())
        .bind(kind)
        .bind(subject)
        .bind(&ban.reason)
        .bind(&ban.banned_by)
        .bind(ban.created)
        .bind(ban.expires);
        self.execute(query).await.map_err(|error| error.about("ban"))?;
        Ok(())
    }

    /// Whether there was such a ban.
    pub async fn lift_ban(&mut self, id: &BanId) -> Result<bool, StoreError> {
        Ok(self.execute(Query::new("DELETE FROM bans WHERE id = $1").bind(id)).await? > 0)
    }
}

impl Store {
    /// A ban that keeps somebody out of a room now, who is known by all of these.
    pub async fn banned(
        &self,
        room: &RoomName,
        known_by: &[BanSubject],
        now: UnixMillis,
    ) -> Result<Option<Ban>, StoreError> {
        for subject in known_by {
            let (kind, text) = subject.columns();
            let query = Query::new(
                "SELECT * FROM bans WHERE subject_kind = $1 AND subject = $2 AND (room IS NULL OR room = $3)
                 AND (expires_ms IS NULL OR expires_ms > $4) ORDER BY created_ms LIMIT 1",
            );
            let row = self.fetch_optional(query.bind(kind).bind(text).bind(room).bind(now)).await?;
            if let Some(row) = row {
                return Ban::read(&row).map(Some);
            }
        }
        Ok(None)
    }

    /// The bans of a room, or with `None` those from all rooms, the newest first.
    pub async fn bans(&self, room: Option<&RoomName>, limit: u32) -> Result<Vec<Ban>, StoreError> {
        let query = match room {
            Some(room) => Query::new("SELECT * FROM bans WHERE room = $2 ORDER BY created_ms DESC, id LIMIT $1")
                .bind(limit)
                .bind(room),
            None => {
                Query::new("SELECT * FROM bans WHERE room IS NULL ORDER BY created_ms DESC, id LIMIT $1").bind(limit)
            }
        };
        self.fetch_all(query).await?.iter().map(Ban::read).collect()
    }
}

impl Ban {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let subject = row.text("subject")?;
        Ok(Self {
            id: row.id("id")?,
            room: row.id_or_none("room")?,
            subject: match row.text("subject_kind")?.as_str() {
                "identity" => BanSubject::Identity(subject.into()),
                "user" => BanSubject::User(subject.into()),
                "address" => BanSubject::Address(subject),
                _ => return Err(StoreError::Unreadable { column: "subject_kind", source: None }),
            },
            reason: row.text("reason")?,
            banned_by: row.text("banned_by")?,
            created: row.time("created_ms")?,
            expires: row.time_or_none("expires_ms")?,
        })
    }
}
