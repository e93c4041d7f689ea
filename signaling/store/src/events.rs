//! The event log: what happened, numbered without holes, and within each room counted again. Webhooks, analytics and
//! `GET /api/events?after=` are readers of this one log.
//!
//! An event is written in the transaction of what it tells of: neither is there without the other. What webhooks are
//! owed for it is queued in the same transaction (see [`crate::outbox`]).

use crate::query::{Query, Row, column};
use crate::{EventKind, Identity, RoomName, Session, SessionId, Store, StoreError, Transaction, UnixMillis};

/// At most so many events in one answer.
const PAGE: u32 = 1_000;

/// An event that has just happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What kind of.
    pub kind: EventKind,
    /// When.
    pub at: UnixMillis,
    /// In which room; `None` for what concerns the server.
    pub room: Option<RoomName>,
    /// In which session.
    pub session: Option<SessionId>,
    /// Whom it is about: everybody whose data is in the payload. It is what finds the event when one of them asks to be
    /// forgotten.
    pub subjects: Vec<Identity>,
    /// What it says, as JSON: for webhooks, the body that will be posted.
    pub payload: String,
    /// Whether receivers of webhooks are told.
    pub webhook: bool,
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// From 1 on, without holes, in the order of commits.
    pub number: u64,
    /// The same within its room.
    pub room_sequence: Option<u64>,
    /// What kind of.
    pub kind: EventKind,
    /// When.
    pub at: UnixMillis,
    /// In which room.
    pub room: Option<RoomName>,
    /// In which session.
    pub session: Option<SessionId>,
    /// JSON; `{}` when it was erased.
    pub payload: String,
    /// Whether somebody whom it was about has been forgotten.
    pub erased: bool,
}

/// A piece of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// In order.
    pub events: Vec<Event>,
    /// Whether there are more after these.
    pub more: bool,
    /// The number of the oldest event that is still kept. Above what was asked for plus one, something was missed.
    pub oldest: Option<u64>,
}

impl Transaction {
    /// Writes an event down; its number.
    ///
    /// Let it be the last thing a transaction does: from here on until it ends, other events wait. With PostgreSQL, two
    /// transactions that do other things in another order can wait for each other; one of them is told
    /// [`StoreError::Busy`] then.
    pub async fn append(&mut self, event: &NewEvent) -> Result<u64, StoreError> {
        // In this order for everybody: two who append to the same room cannot wait for each other.
        let number = self.next("events", "").await?;
        let room_sequence = match &event.room {
            Some(room) => Some(self.next("room events", room.as_str()).await?),
            None => None,
        };
        let number_column = column(number, "event number")?;
        self.execute(
            Query::new(
                "INSERT INTO events (number, room, room_sequence, session_id, kind, at_ms, payload, erased)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(number_column)
            .bind(event.room.as_ref())
            .bind(room_sequence.map(|sequence| column(sequence, "room sequence")).transpose()?)
            .bind(event.session.as_ref())
            .bind(&event.kind)
            .bind(event.at)
            .bind(&event.payload)
            .bind(false),
        )
        .await?;
        for subject in &event.subjects {
            let query =
                Query::new("INSERT INTO event_subjects (subject, number) VALUES ($1, $2) ON CONFLICT DO NOTHING");
            self.execute(query.bind(subject).bind(number_column)).await?;
        }
        if event.webhook {
            self.queue(number_column, event.room.as_ref(), event.at).await?;
        }
        Ok(number)
    }
}

impl Store {
    /// Writes an event down that belongs to no other change; its number.
    pub async fn append(&self, event: &NewEvent) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let number = transaction.append(event).await?;
        transaction.commit().await?;
        Ok(number)
    }

    /// The events after the one of this number, at most `limit` and at most a thousand; of one room, if one is named.
    pub async fn events(&self, after: u64, room: Option<&RoomName>, limit: u32) -> Result<EventPage, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let after = column(after, "event number")?;
        // One more than asked for says whether there are more.
        let query = match room {
            None => Query::new("SELECT * FROM events WHERE number > $1 ORDER BY number LIMIT $2")
                .bind(after)
                .bind(limit + 1),
            Some(room) => Query::new("SELECT * FROM events WHERE number > $1 AND room = $3 ORDER BY number LIMIT $2")
                .bind(after)
                .bind(limit + 1)
                .bind(room),
        };
        let mut events: Vec<Event> = self.fetch_all(query).await?.iter().map(Event::read).collect::<Result<_, _>>()?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = events.len() > wanted;
        events.truncate(wanted);
        let oldest = self.fetch_one(Query::new("SELECT MIN(number) AS oldest FROM events")).await?;
        let oldest = oldest.number_or_none("oldest")?.and_then(|number| u64::try_from(number).ok());
        Ok(EventPage { events, more, oldest })
    }

    /// The events of one session after the one of this number, at most `limit` and at most a thousand. It reads the log of
    /// the session's room.
    pub async fn events_of_session(&self, session: &Session, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let query = Query::new(
            "SELECT * FROM events WHERE room = $1 AND session_id = $2 AND number > $3 ORDER BY number LIMIT $4",
        );
        let query = query.bind(&session.room).bind(&session.id).bind(column(after, "event number")?);
        self.fetch_all(query.bind(limit.clamp(1, PAGE))).await?.iter().map(Event::read).collect()
    }

    /// The number of the newest event that was ever written; 0 when there was none.
    pub async fn last_event(&self) -> Result<u64, StoreError> {
        let query = Query::new("SELECT last FROM sequences WHERE scope = 'events' AND name = ''");
        self.fetch_optional(query).await?.map_or(Ok(0), |row| row.count("last"))
    }
}

impl Event {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            number: row.count("number")?,
            room_sequence: row.number_or_none("room_sequence")?.and_then(|sequence| u64::try_from(sequence).ok()),
            kind: row.id("kind")?,
            at: row.time("at_ms")?,
            room: row.id_or_none("room")?,
            session: row.id_or_none("session_id")?,
            payload: row.text("payload")?,
            erased: row.flag("erased")?,
        })
    }
}
