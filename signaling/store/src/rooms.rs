//! Rooms as they were set up: what a room is while nobody is in it.

use crate::query::{Query, Row, texts};
use crate::{PasswordHash, RoomName, Store, StoreError, Transaction, UnixMillis};

/// How long a room stays when nobody is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is deleted.
    Lasting,
    /// Until then, unless [`Transaction::prolong_room`] says later.
    Temporary {
        /// When it goes.
        expires: UnixMillis,
    },
}

/// A room.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    /// Its name, also its link.
    pub name: RoomName,
    /// What people read.
    pub title: String,
    /// How long it stays.
    pub lifetime: Lifetime,
    /// What the room machine is to be started with; only it knows the fields.
    pub settings: serde_json::Value,
    /// Who enters has to know it.
    pub password_hash: Option<PasswordHash>,
    /// Who enters waits until a host admits them.
    pub lobby: bool,
    /// Nobody enters.
    pub locked: bool,
    /// May be entered by link, without an account.
    pub guests: bool,
    /// Whether chat is written down.
    pub keeps_chat: bool,
    /// 0: no limit.
    pub max_participants: u32,
    /// Roles of those who enter without one of their own.
    pub default_roles: Vec<String>,
    /// Who made it: an account or an API key.
    pub created_by: Option<String>,
    /// When it was made.
    pub created: UnixMillis,
    /// When it was last changed.
    pub updated: UnixMillis,
}

impl Transaction {
    /// Makes a room.
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn create_room(&mut self, room: &Room) -> Result<(), StoreError> {
        let query = Query::new(
            "INSERT INTO rooms (name, title, expires_ms, settings, password_hash, lobby, locked, guests, keeps_chat,
             max_participants, default_roles, created_by, created_ms, updated_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        );
        self.execute(fields(query, room)).await.map_err(|error| error.about("room"))?;
        Ok(())
    }

    /// Makes a room, in the place of one of this name whose time is over. What is still kept under its name is forgotten:
    /// chat and bans of another room, or of one that nobody had set up. Of several that do so at once, one makes it.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where there is one whose time is not over.
    pub async fn make_room(&mut self, room: &Room, now: UnixMillis) -> Result<(), StoreError> {
        let query = Query::new("DELETE FROM rooms WHERE name = $1 AND expires_ms <= $2");
        self.execute(query.bind(&room.name).bind(now)).await?;
        // Before anything is forgotten: it may be another's.
        self.create_room(room).await?;
        self.forget_what_goes_with(&room.name).await
    }

    /// Replaces all of a room but who made it and when, and does not take from the time it has. The room must be as it
    /// was read at its [`Room::updated`] of `seen`, so that of two who change it neither undoes what the other did.
    /// `room.updated` must be another moment than that.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody changed it meanwhile, [`StoreError::Missing`].
    pub async fn update_room(&mut self, room: &Room, seen: UnixMillis) -> Result<(), StoreError> {
        let query = Query::new(
            "UPDATE rooms SET title = $2,
             expires_ms = CASE WHEN $3 IS NULL OR expires_ms IS NULL OR expires_ms < $3 THEN $3 ELSE expires_ms END,
             settings = $4, password_hash = $5, lobby = $6, locked = $7, guests = $8, keeps_chat = $9,
             max_participants = $10, default_roles = $11, updated_ms = $12
             WHERE name = $1 AND created_ms = $13 AND updated_ms = $14",
        );
        let query = settings(query, room).bind(room.updated).bind(room.created).bind(seen);
        if self.execute(query).await? > 0 {
            return Ok(());
        }
        let there = Query::new("SELECT name FROM rooms WHERE name = $1 AND created_ms = $2");
        match self.fetch_optional(there.bind(&room.name).bind(room.created)).await? {
            Some(_) => Err(StoreError::Conflict { what: "others changed the room meanwhile" }),
            None => Err(StoreError::Missing { what: "room" }),
        }
    }

    /// Lets a temporary room stay until then at least. A lasting one, or none, is no error: there is nothing to do.
    pub async fn prolong_room(&mut self, name: &RoomName, until: UnixMillis) -> Result<(), StoreError> {
        let query = Query::new("UPDATE rooms SET expires_ms = $2 WHERE name = $1 AND expires_ms < $2");
        self.execute(query.bind(name).bind(until)).await?;
        Ok(())
    }

    /// Whether there was such a room. Its chat and its bans go with it: another room of this name is another room. Its
    /// sessions and events stay: they happened.
    pub async fn delete_room(&mut self, name: &RoomName) -> Result<bool, StoreError> {
        // First: it waits for who keeps a message of it at this moment, and who comes later keeps none.
        let was_there = self.execute(Query::new("DELETE FROM rooms WHERE name = $1").bind(name)).await? > 0;
        self.forget_what_goes_with(name).await?;
        Ok(was_there)
    }

    pub(crate) async fn forget_what_goes_with(&mut self, name: &RoomName) -> Result<(), StoreError> {
        self.forget_chat(name).await?;
        self.forget_bans(name).await
    }
}

impl Store {
    /// Makes a room; see [`Transaction::create_room`].
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn create_room(&self, room: &Room) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        transaction.create_room(room).await?;
        transaction.commit().await
    }

    /// Makes a room; see [`Transaction::make_room`].
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn make_room(&self, room: &Room, now: UnixMillis) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        transaction.make_room(room, now).await?;
        transaction.commit().await
    }

    /// Replaces a room; see [`Transaction::update_room`].
    ///
    /// # Errors
    /// [`StoreError::Conflict`], [`StoreError::Missing`].
    pub async fn update_room(&self, room: &Room, seen: UnixMillis) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        transaction.update_room(room, seen).await?;
        transaction.commit().await
    }

    /// Whether there was such a room.
    pub async fn delete_room(&self, name: &RoomName) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let deleted = transaction.delete_room(name).await?;
        transaction.commit().await?;
        Ok(deleted)
    }

    /// One room.
    pub async fn room(&self, name: &RoomName) -> Result<Option<Room>, StoreError> {
        let row = self.fetch_optional(Query::new("SELECT * FROM rooms WHERE name = $1").bind(name)).await?;
        row.as_ref().map(Room::read).transpose()
    }

    /// Up to `limit` rooms in the order of their names, those after `after`.
    pub async fn rooms(&self, after: Option<&RoomName>, limit: u32) -> Result<Vec<Room>, StoreError> {
        let query = Query::new("SELECT * FROM rooms WHERE name > $1 ORDER BY name LIMIT $2");
        let rows = self.fetch_all(query.bind(after.map_or("", RoomName::as_str)).bind(limit)).await?;
        rows.iter().map(Room::read).collect()
    }
}

/// `$1` to `$11`: the name, and what can be changed.
fn settings(query: Query, room: &Room) -> Query {
    let expires = match room.lifetime {
        Lifetime::Lasting => None,
        Lifetime::Temporary { expires } => Some(expires),
    };
    query
        .bind(&room.name)
        .bind(&room.title)
        .bind(expires)
        .bind(room.settings.to_string())
        .bind(room.password_hash.as_ref().map(PasswordHash::as_str))
        .bind(room.lobby)
        .bind(room.locked)
        .bind(room.guests)
        .bind(room.keeps_chat)
        .bind(room.max_participants)
        .bind(texts(&room.default_roles))
}

/// `$1` to `$14`: all of it.
fn fields(query: Query, room: &Room) -> Query {
    settings(query, room)
        .bind(room.created_by.as_deref())
        .bind(room.created)
        .bind(room.updated)
}

impl Room {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.id("name")?,
            title: row.text("title")?,
            lifetime: match row.time_or_none("expires_ms")? {
                None => Lifetime::Lasting,
                Some(expires) => Lifetime::Temporary { expires },
            },
            settings: row.json("settings")?,
            password_hash: row.text_or_none("password_hash")?.map(PasswordHash::from_stored),
            lobby: row.flag("lobby")?,
            locked: row.flag("locked")?,
            guests: row.flag("guests")?,
            keeps_chat: row.flag("keeps_chat")?,
            max_participants: row.small("max_participants")?,
            default_roles: row.texts("default_roles")?,
            created_by: row.text_or_none("created_by")?,
            created: row.time("created_ms")?,
            updated: row.time("updated_ms")?,
        })
    }
}
