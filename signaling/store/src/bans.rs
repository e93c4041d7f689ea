//! Who is kept out, of a room or of all.

use crate::query::{Query, Row};
use crate::{BanId, Identity, RoomName, Store, StoreError, Transaction, UnixMillis, UserId};

/// Bans of one room at most. Each is looked through at every join, and is some hundred bytes; a room that needs more has to let
/// in whom it knows rather than keep out whom it does not.
pub const BANS_OF_A_ROOM: u32 = 1_000;

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
    /// Their account, where the subject is an identity of one: as whoever else it comes, it is kept out with it.
    pub account: Option<UserId>,
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
    /// Keeps somebody out. Who is kept out of that room already is so by this ban from now on, and so is the account that
    /// the ban before knew.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the id is taken, [`StoreError::TooMany`] when the room has [`BANS_OF_A_ROOM`]; those who
    /// ban at the same moment may each pass that by one.
    pub async fn ban(&mut self, ban: &Ban) -> Result<(), StoreError> {
        let (kind, subject) = ban.subject.columns();
        let mut account = ban.account.clone();
        if let Some(room) = &ban.room {
            if account.is_none() {
                let before = Query::new(
                    "SELECT account FROM bans WHERE room = $1 AND subject_kind = $2 AND subject = $3
                     AND account IS NOT NULL LIMIT 1",
                );
                let row = self.fetch_optional(before.bind(room).bind(kind).bind(subject)).await?;
                account = row.map(|row| row.id("account")).transpose()?;
            }
            let same = Query::new("DELETE FROM bans WHERE room = $1 AND subject_kind = $2 AND subject = $3");
            self.execute(same.bind(room).bind(kind).bind(subject)).await?;
            let count = Query::new("SELECT COUNT(*) AS bans FROM bans WHERE room = $1").bind(room);
            let row = self.fetch_optional(count).await?.ok_or(StoreError::Missing { what: "row" })?;
            if row.count("bans")? >= u64::from(BANS_OF_A_ROOM) {
                return Err(StoreError::TooMany { what: "bans of this room" });
            }
        }
        let query = Query::new(
            "INSERT INTO bans (id, room, subject_kind, subject, reason, banned_by, created_ms, expires_ms, account)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&ban.id)
        .bind(ban.room.as_ref())
        .bind(kind)
        .bind(subject)
        .bind(&ban.reason)
        .bind(&ban.banned_by)
        .bind(ban.created)
        .bind(ban.expires)
        .bind(account.as_ref());
        self.execute(query).await.map_err(|error| error.about("ban"))?;
        Ok(())
    }

    /// Lifts a ban, and with it all others of the same subject there: with PostgreSQL, two who ban at the same moment make
    /// two. Whether there was such a ban.
    pub async fn lift_ban(&mut self, id: &BanId) -> Result<bool, StoreError> {
        let query = Query::new(
            "DELETE FROM bans WHERE id IN (SELECT same.id FROM bans AS lifted JOIN bans AS same
             ON same.subject_kind = lifted.subject_kind AND same.subject = lifted.subject
             AND same.room IS NOT DISTINCT FROM lifted.room WHERE lifted.id = $1)",
        );
        Ok(self.execute(query.bind(id)).await? > 0)
    }

    pub(crate) async fn forget_bans(&mut self, room: &RoomName) -> Result<(), StoreError> {
        self.execute(Query::new("DELETE FROM bans WHERE room = $1").bind(room)).await?;
        Ok(())
    }
}

impl Store {
    /// A ban that keeps somebody out of a room now, who is known by all of these. An account is kept out by a ban of its own,
    /// and by that of an identity it had.
    pub async fn banned(
        &self,
        room: &RoomName,
        known_by: &[BanSubject],
        now: UnixMillis,
    ) -> Result<Option<Ban>, StoreError> {
        for subject in known_by {
            let (kind, text) = subject.columns();
            let query = match subject {
                BanSubject::User(_) => Query::new(
                    "SELECT * FROM bans WHERE ((subject_kind = $1 AND subject = $2) OR account = $2)
                     AND (room IS NULL OR room = $3)
                     AND (expires_ms IS NULL OR expires_ms > $4) ORDER BY created_ms LIMIT 1",
                ),
                BanSubject::Identity(_) | BanSubject::Address(_) => Query::new(
                    "SELECT * FROM bans WHERE subject_kind = $1 AND subject = $2 AND (room IS NULL OR room = $3)
                     AND (expires_ms IS NULL OR expires_ms > $4) ORDER BY created_ms LIMIT 1",
                ),
            };
            let row = self.fetch_optional(query.bind(kind).bind(text).bind(room).bind(now)).await?;
            if let Some(row) = row {
                return Ban::read(&row).map(Some);
            }
        }
        Ok(None)
    }

    /// One ban of a room.
    pub async fn ban(&self, room: &RoomName, id: &BanId) -> Result<Option<Ban>, StoreError> {
        let query = Query::new("SELECT * FROM bans WHERE id = $1 AND room = $2").bind(id).bind(room);
        self.fetch_optional(query).await?.as_ref().map(Ban::read).transpose()
    }

    /// Up to `limit` bans of a room, or with `None` of those from all rooms, the newest first: those that follow after the
    /// one that was made then and has that id.
    pub async fn bans(
        &self,
        room: Option<&RoomName>,
        after: Option<(UnixMillis, &BanId)>,
        limit: u32,
    ) -> Result<Vec<Ban>, StoreError> {
        let query = match room {
            Some(_) => Query::new(
                "SELECT * FROM bans WHERE (created_ms < $2 OR (created_ms = $2 AND id > $3)) AND room = $4
                 ORDER BY created_ms DESC, id LIMIT $1",
            ),
            None => Query::new(
                "SELECT * FROM bans WHERE (created_ms < $2 OR (created_ms = $2 AND id > $3)) AND room IS NULL
                 ORDER BY created_ms DESC, id LIMIT $1",
            ),
        };
        let (at, id) = after.map_or((UnixMillis(i64::MAX), ""), |(at, id)| (at, id.as_str()));
        let mut query = query.bind(limit).bind(at).bind(id);
        if let Some(room) = room {
            query = query.bind(room);
        }
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
            account: row.id_or_none("account")?,
            reason: row.text("reason")?,
            banned_by: row.text("banned_by")?,
            created: row.time("created_ms")?,
            expires: row.time_or_none("expires_ms")?,
        })
    }
}
