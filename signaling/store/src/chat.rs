//! Chat that rooms keep, and what sessions remember of it.

use crate::query::{Query, Row, column};
use crate::store::Dialect;
use crate::values::words;
use crate::{Identity, MessageId, RoomName, SessionId, Store, StoreError, Transaction, UnixMillis, UserId};

/// Characters of a session's `transcript_preview`.
const PREVIEW: usize = 100;

words! {
    /// Who speaks.
    Sender {
        /// A person.
        User = "user",
        /// A machine.
        Ai = "ai",
    }
}

/// A message that was just sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChatMessage {
    /// Its id, as the sender made it.
    pub id: MessageId,
    /// In which room.
    pub room: RoomName,
    /// In which session.
    pub session: Option<SessionId>,
    /// Who sent it.
    pub identity: Identity,
    /// With which account.
    pub user: Option<UserId>,
    /// Person or machine.
    pub sender: Sender,
    /// `message`.
    pub message: String,
    /// `audio_url`: the same, spoken.
    pub audio_url: Option<String>,
    /// `timestamp`.
    pub at: UnixMillis,
}

/// A message that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Which one of its room, from 1 on.
    pub sequence: u64,
    /// What was sent.
    pub sent: NewChatMessage,
}

impl Transaction {
    /// Keeps a message, and counts it for its session; its number. One that is kept already is neither kept nor counted
    /// again. Of a room that nobody keeps (any more) it is counted alone, and has none: what is written down late does not
    /// outlive the room it was said in.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when another one has this id. Nothing has happened then.
    pub async fn keep_message(&mut self, message: &NewChatMessage) -> Result<Option<u64>, StoreError> {
        // Before the insert: one that fails takes the whole transaction along, with PostgreSQL.
        let query = Query::new("SELECT * FROM chat_messages WHERE id = $1");
        if let Some(row) = self.fetch_optional(query.bind(&message.id)).await? {
            let ChatMessage { sequence, sent } = ChatMessage::read(&row)?;
            let content = |of: &NewChatMessage| (of.room.clone(), of.identity.clone(), of.message.clone());
            let is_same = content(&sent) == content(message);
            return if is_same { Ok(Some(sequence)) } else { Err(StoreError::Exists { what: "chat message" }) };
        }
        if !self.is_kept(&message.room).await? {
            if let Some(session) = &message.session {
                self.count_message(session, message.at).await?;
            }
            return Ok(None);
        }
        let sequence = self.next("chat", message.room.as_str()).await?;
        let query = Query::new(
            "INSERT INTO chat_messages (room, sequence, id, session_id, identity, user_id, sender, message, audio_url,
             at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(&message.room)
        .bind(column(sequence, "sequence")?)
        .bind(&message.id)
        .bind(message.session.as_ref())
        .bind(&message.identity)
        .bind(message.user.as_ref())
        .bind(message.sender)
        .bind(&message.message)
        .bind(message.audio_url.as_deref())
        .bind(message.at);
        self.execute(query).await.map_err(|error| error.about("chat message"))?;
        if let Some(id) = &message.session {
            let session = self.session(id).await?;
            let preview = preview(&session.transcript_preview, &message.message);
            let query = Query::new("UPDATE sessions SET transcript_preview = $2 WHERE id = $1");
            self.execute(query.bind(id).bind(preview)).await?;
            self.count_message(id, message.at).await?;
        }
        Ok(Some(sequence))
    }

    /// Whether there is such a room. With PostgreSQL nobody deletes it until the end of this transaction.
    async fn is_kept(&mut self, room: &RoomName) -> Result<bool, StoreError> {
        let query = match self.dialect() {
            Dialect::Sqlite => Query::new("SELECT name FROM rooms WHERE name = $1"),
            Dialect::Postgres => Query::new("SELECT name FROM rooms WHERE name = $1 FOR KEY SHARE"),
        };
        Ok(self.fetch_optional(query.bind(room)).await?.is_some())
    }

    /// Counts a message for its session without keeping anything of it.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such session.
    pub async fn count_message(&mut self, session: &SessionId, at: UnixMillis) -> Result<(), StoreError> {
        let query = Query::new("UPDATE sessions SET message_count = message_count + 1 WHERE id = $1");
        match self.execute(query.bind(session)).await? {
            0 => Err(StoreError::Missing { what: "session" }),
            _ => self.touch_session(session, at).await,
        }
    }

    /// Deletes all messages of a room. Their numbers are not given out again.
    pub(crate) async fn forget_chat(&mut self, room: &RoomName) -> Result<(), StoreError> {
        self.execute(Query::new("DELETE FROM chat_messages WHERE room = $1").bind(room)).await?;
        Ok(())
    }

    /// Whether there was such a message.
    pub async fn delete_message(&mut self, room: &RoomName, id: &MessageId) -> Result<bool, StoreError> {
        let query = Query::new("DELETE FROM chat_messages WHERE room = $1 AND id = $2");
        Ok(self.execute(query.bind(room).bind(id)).await? > 0)
    }
}

impl Store {
    /// Messages of a room after the one of this sequence, in order.
    pub async fn messages(&self, room: &RoomName, after: u64, limit: u32) -> Result<Vec<ChatMessage>, StoreError> {
        let query =
            Query::new("SELECT * FROM chat_messages WHERE room = $1 AND sequence > $2 ORDER BY sequence LIMIT $3");
        let query = query.bind(room).bind(column(after, "sequence")?).bind(limit);
        self.fetch_all(query).await?.iter().map(ChatMessage::read).collect()
    }
}

impl Store {
    /// One message of a room.
    pub async fn message(&self, room: &RoomName, id: &MessageId) -> Result<Option<ChatMessage>, StoreError> {
        let query = Query::new("SELECT * FROM chat_messages WHERE room = $1 AND id = $2");
        let row = self.fetch_optional(query.bind(room).bind(id)).await?;
        row.as_ref().map(ChatMessage::read).transpose()
    }
}

impl ChatMessage {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            sequence: row.count("sequence")?,
            sent: NewChatMessage {
                id: row.id("id")?,
                room: row.id("room")?,
                session: row.id_or_none("session_id")?,
                identity: row.id("identity")?,
                user: row.id_or_none("user_id")?,
                sender: row.word("sender")?,
                message: row.text("message")?,
                audio_url: row.text_or_none("audio_url")?,
                at: row.time("at_ms")?,
            },
        })
    }
}

/// What a preview becomes when this is said next.
fn preview(so_far: &str, message: &str) -> String {
    let between = if so_far.is_empty() { "" } else { "\n" };
    so_far.chars().chain(between.chars()).chain(message.chars()).take(PREVIEW).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_a_hundred_characters_not_bytes() {
        assert_eq!(preview("", "Grüß Gott"), "Grüß Gott");
        assert_eq!(preview("hello", "there"), "hello\nthere");
        assert_eq!(preview("", &"ü".repeat(300)).chars().count(), PREVIEW);
        let full = "x".repeat(PREVIEW);
        assert_eq!(preview(&full, "more"), full);
    }
}
