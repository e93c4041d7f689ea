//! Recordings: what was asked for, how far it has come, what there is of it, and how long that is kept.

use std::time::Duration;

use crate::query::{Query, Row, column};
use crate::{RoomName, SessionId, Store, StoreError, UnixMillis, UserId};

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Its id, which names its directory, too.
    pub id: String,
    /// The room it is of.
    pub room: RoomName,
    /// The session it is of.
    pub session: SessionId,
    /// The account whose room it was.
    pub owner: Option<String>,
    /// How it looks outside. Only who wrote it knows the fields.
    pub info: String,
    /// The files there are, in the words of who wrote them.
    pub files: String,
    /// Nothing about it changes by itself any more.
    pub is_over: bool,
    /// Nobody may delete it.
    pub is_held: bool,
    /// When it was asked for.
    pub created: UnixMillis,
    /// When it was over.
    pub ended: Option<UnixMillis>,
    /// When it is to be deleted.
    pub expires: Option<UnixMillis>,
    /// Bytes of its files.
    pub bytes: u64,
}

/// Which recordings are listed.
#[derive(Debug, Clone, Default)]
pub struct RecordingFilter {
    /// Those of a room.
    pub room: Option<RoomName>,
    /// Those of a session.
    pub session: Option<SessionId>,
    /// Those of the rooms of an account.
    pub owner: Option<UserId>,
    /// Those that are not over.
    pub going_on: bool,
}

impl Store {
    /// Keeps a recording as it is now, whether or not it is known. Whether it is held, and how long it is kept, is not
    /// changed by this once it is said.
    ///
    /// # Errors
    /// Of storage.
    pub async fn put_recording(&self, recording: &Recording) -> Result<(), StoreError> {
        let query = Query::new(
            "INSERT INTO recordings
                 (id, room, session_id, owner, info, files, is_over, is_held, created_ms, ended_ms, expires_ms, bytes)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (id) DO UPDATE SET info = $5, files = $6, is_over = $7, ended_ms = $10,
                 expires_ms = CASE WHEN recordings.is_keep_said THEN $10 + recordings.keep_ms
                     ELSE COALESCE(recordings.expires_ms, $11) END,
                 bytes = $12",
        )
        .bind(recording.id.as_str())
        .bind(&recording.room)
        .bind(&recording.session)
        .bind(recording.owner.as_deref())
        .bind(recording.info.as_str())
        .bind(recording.files.as_str())
        .bind(recording.is_over)
        .bind(recording.is_held)
        .bind(recording.created)
        .bind(recording.ended)
        .bind(recording.expires)
        .bind(column(recording.bytes, "bytes of a recording")?);
        self.execute(query).await.map(drop)
    }

    /// One recording. None that is being deleted.
    ///
    /// # Errors
    /// Of storage.
    pub async fn recording(&self, id: &str) -> Result<Option<Recording>, StoreError> {
        let row = self
            .fetch_optional(Query::new("SELECT * FROM recordings WHERE id = $1 AND NOT is_deleting").bind(id))
            .await?;
        row.as_ref().map(Recording::read).transpose()
    }

    /// Up to `limit` recordings, the newest first, those before `before`: when the last one of the page before was asked for,
    /// and its id. It may be gone since. None that is being deleted.
    ///
    /// # Errors
    /// Of storage.
    pub async fn recordings(
        &self,
        filter: &RecordingFilter,
        before: Option<(UnixMillis, &str)>,
        limit: u32,
    ) -> Result<Vec<Recording>, StoreError> {
        let (created, id) = before.unwrap_or((UnixMillis(i64::MAX), ""));
        let query = Query::new(
            "SELECT * FROM recordings
             WHERE ($1 = '' OR room = $1) AND ($2 = '' OR session_id = $2) AND ($3 = '' OR owner = $3)
                 AND NOT ($4 AND is_over) AND NOT is_deleting
                 AND (created_ms < $5 OR created_ms = $5 AND id < $6)
             ORDER BY created_ms DESC, id DESC LIMIT $7",
        )
        .bind(filter.room.as_ref().map_or("", RoomName::as_str))
        .bind(filter.session.as_ref().map_or("", SessionId::as_str))
        .bind(filter.owner.as_ref().map_or("", UserId::as_str))
        .bind(filter.going_on)
        .bind(created)
        .bind(id)
        .bind(limit);
        self.fetch_all(query).await?.iter().map(Recording::read).collect()
    }

    /// Recordings that a server which was killed left as if they went on.
    ///
    /// # Errors
    /// Of storage.
    pub async fn recordings_left_open(&self) -> Result<Vec<Recording>, StoreError> {
        let rows = self
            .fetch_all(Query::new("SELECT * FROM recordings WHERE NOT is_over ORDER BY created_ms"))
            .await?;
        rows.iter().map(Recording::read).collect()
    }

    /// Up to `limit` recordings whose time is over, none that goes on or is held; after them those that somebody began to
    /// delete and did not finish.
    ///
    /// # Errors
    /// Of storage.
    pub async fn recordings_expired(&self, now: UnixMillis, limit: u32) -> Result<Vec<Recording>, StoreError> {
        let query = Query::new(
            "SELECT * FROM recordings WHERE expires_ms <= $1 AND is_over AND NOT is_held OR is_deleting
             ORDER BY is_deleting, expires_ms LIMIT $2",
        );
        self.fetch_all(query.bind(now).bind(limit)).await?.iter().map(Recording::read).collect()
    }

    /// Holds a recording, or lets go of it: while it is held nobody deletes it. `None` when there is none.
    ///
    /// # Errors
    /// Of storage.
    pub async fn hold_recording(&self, id: &str, is_held: bool) -> Result<Option<Recording>, StoreError> {
        let query = Query::new("UPDATE recordings SET is_held = $2 WHERE id = $1 AND NOT is_deleting")
            .bind(id)
            .bind(is_held);
        self.change_recording(id, query).await
    }

    /// Says how long after its end a recording is kept; `None`: until somebody deletes it. `None` when there is none.
    ///
    /// # Errors
    /// Of storage.
    pub async fn keep_recording_for(&self, id: &str, keep: Option<Duration>) -> Result<Option<Recording>, StoreError> {
        let query = Query::new(
            "UPDATE recordings SET is_keep_said = TRUE, keep_ms = $2, expires_ms = ended_ms + $2
             WHERE id = $1 AND NOT is_deleting",
        );
        // As a time after the beginning of time it is a number of milliseconds.
        let keep_ms = keep.map(|keep| UnixMillis(0).plus(keep));
        self.change_recording(id, query.bind(id).bind(keep_ms)).await
    }

    /// Says which files there are of a recording that is known; whether it is.
    ///
    /// # Errors
    /// Of storage.
    pub async fn put_files_of_recording(&self, id: &str, files: &str, bytes: u64) -> Result<bool, StoreError> {
        let query = Query::new("UPDATE recordings SET files = $2, bytes = $3 WHERE id = $1")
            .bind(id)
            .bind(files);
        Ok(self.execute(query.bind(column(bytes, "bytes of a recording")?)).await? > 0)
    }

    async fn change_recording(&self, id: &str, query: Query) -> Result<Option<Recording>, StoreError> {
        self.execute(query).await?;
        self.recording(id).await
    }

    /// Begins to delete a recording that is over and not held; whether it did, now or before. From here on nobody sees or
    /// holds it, and it comes with the expired ones until it is [forgotten](Self::forget_recording): who asks takes its
    /// files away first.
    ///
    /// # Errors
    /// Of storage.
    pub async fn begin_to_delete_recording(&self, id: &str) -> Result<bool, StoreError> {
        let query =
            Query::new("UPDATE recordings SET is_deleting = TRUE WHERE id = $1 AND is_over AND NOT is_held").bind(id);
        Ok(self.execute(query).await? > 0)
    }

    /// Forgets a recording whose files are gone.
    ///
    /// # Errors
    /// Of storage.
    pub async fn forget_recording(&self, id: &str) -> Result<(), StoreError> {
        let query = Query::new("DELETE FROM recordings WHERE id = $1 AND is_deleting").bind(id);
        self.execute(query).await.map(drop)
    }
}

impl Recording {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            room: row.id("room")?,
            session: row.id("session_id")?,
            owner: row.text_or_none("owner")?,
            info: row.text("info")?,
            files: row.text("files")?,
            is_over: row.flag("is_over")?,
            is_held: row.flag("is_held")?,
            created: row.time("created_ms")?,
            ended: row.time_or_none("ended_ms")?,
            expires: row.time_or_none("expires_ms")?,
            bytes: u64::try_from(row.number("bytes")?).unwrap_or(0),
        })
    }
}
