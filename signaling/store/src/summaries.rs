//! Sessions as people look through them: with their room's title and how many came; and a few sums over all of them.

use std::time::Duration;

use crate::query::{Query, Row};
use crate::{Quality, RoomName, Session, SessionId, Store, StoreError, UnixMillis, UserId};

/// How far back a sample counts as how somebody fares now: everybody has one in each ten seconds.
const NOW: Duration = Duration::from_secs(10);

/// Whose sessions, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Those of one room.
    pub room: Option<RoomName>,
    /// Those that somebody was in with their account, or in a room that they made.
    pub of: Option<UserId>,
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// The session.
    pub session: Session,
    /// What people call its room, where that is kept.
    pub title: Option<String>,
    /// How many came. Who came twice is one; all who have been forgotten are one.
    pub participants: u64,
}

/// Sums over all sessions that are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SessionFigures {
    /// Those that go on.
    pub active: u64,
    /// All that ever began.
    pub total: u64,
    /// How long one lasts, of those that are over.
    pub average: Duration,
    /// How participants fare now: `excellent`, `good`, `fair`, `poor`.
    pub quality: [u64; 4],
    /// Calls of the last day whose media never came up.
    pub aborted: u64,
}

/// One statement for a list and for one: `id` is empty for a list.
const SUMMARIES: &str = "SELECT sessions.*,
    (SELECT title FROM rooms WHERE rooms.name = sessions.room) AS title,
    (SELECT COUNT(DISTINCT identity) FROM session_participants WHERE session_id = sessions.id) AS participants
    FROM sessions
    WHERE (active_ms < $1 OR (active_ms = $1 AND id < $2)) AND ($4 = '' OR room = $4) AND ($5 = ''
        OR id IN (SELECT session_id FROM session_participants WHERE user_id = $5)
        OR EXISTS (SELECT name FROM rooms WHERE name = sessions.room AND created_by = $5
            AND created_ms <= COALESCE(sessions.started_ms, sessions.active_ms)))
    ORDER BY active_ms DESC, id DESC LIMIT $3";

impl SessionSummary {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            session: Session::read(row)?,
            title: row.text_or_none("title")?.filter(|title| !title.is_empty()),
            participants: row.count("participants")?,
        })
    }
}

impl Store {
    /// Sessions, those in which something last happened first. `before` is the last one of the page before.
    pub async fn session_summaries(
        &self,
        filter: &SessionFilter,
        before: Option<&Session>,
        limit: u32,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        let (active, id) = before.map_or((i64::MAX, ""), |session| (session.active.0, session.id.as_str()));
        let query = Query::new(SUMMARIES).bind(active).bind(id).bind(limit);
        let query = query
            .bind(filter.room.as_ref().map_or("", RoomName::as_str))
            .bind(filter.of.as_ref().map_or("", UserId::as_str));
        self.fetch_all(query).await?.iter().map(SessionSummary::read).collect()
    }

    /// One session, by its id or that of its appointment.
    pub async fn session_summary(&self, id: &SessionId) -> Result<Option<SessionSummary>, StoreError> {
        let query = Query::new(
            "SELECT sessions.*, (SELECT title FROM rooms WHERE rooms.name = sessions.room) AS title,
             (SELECT COUNT(DISTINCT identity) FROM session_participants WHERE session_id = sessions.id) AS participants
             FROM sessions WHERE id = $1 OR appointment = $1",
        );
        let row = self.fetch_optional(query.bind(id)).await?;
        row.as_ref().map(SessionSummary::read).transpose()
    }

    /// Whether a session is one of those that a list for this account has.
    pub async fn is_session_of(&self, session: &Session, user: &UserId) -> Result<bool, StoreError> {
        let query = Query::new(
            "SELECT id FROM sessions WHERE id = $1 AND (
             id IN (SELECT session_id FROM session_participants WHERE user_id = $2)
             OR EXISTS (SELECT name FROM rooms WHERE name = sessions.room AND created_by = $2
                 AND created_ms <= COALESCE(sessions.started_ms, sessions.active_ms)))",
        );
        Ok(self.fetch_optional(query.bind(&session.id).bind(user)).await?.is_some())
    }

    /// Sums over what is kept. It reads all sessions.
    pub async fn session_figures(&self, now: UnixMillis) -> Result<SessionFigures, StoreError> {
        let query = Query::new(
            "SELECT (SELECT COUNT(*) FROM sessions WHERE phase = 'active') AS active,
             (SELECT COUNT(*) FROM sessions WHERE started_ms IS NOT NULL) AS total,
             (SELECT CAST(COALESCE(AVG(ended_ms - started_ms), 0) AS DOUBLE PRECISION) FROM sessions
              WHERE phase = 'ended' AND started_ms IS NOT NULL) AS average,
             (SELECT COUNT(*) FROM events WHERE kind = 'participant_connection_aborted' AND at_ms >= $1) AS aborted",
        );
        let row = self.fetch_one(query.bind(now.minus(Duration::from_secs(24 * 3600)))).await?;
        let mut figures = SessionFigures {
            active: row.count("active")?,
            total: row.count("total")?,
            average: Duration::try_from_secs_f64(row.real("average")? / 1000.0).unwrap_or_default(),
            aborted: row.count("aborted")?,
            quality: [0; 4],
        };
        let query =
            Query::new("SELECT quality, COUNT(*) AS samples FROM quality_samples WHERE at_ms > $1 GROUP BY quality");
        for row in self.fetch_all(query.bind(now.minus(NOW))).await? {
            let word: Quality = row.word("quality")?;
            let places = Quality::ALL.iter().zip(&mut figures.quality);
            for (_, count) in places.filter(|(quality, _)| **quality == word) {
                *count = row.count("samples")?;
            }
        }
        Ok(figures)
    }

    /// Bytes that the database takes on its disk.
    pub async fn size_bytes(&self) -> Result<u64, StoreError> {
        if self.is_sqlite() {
            return Ok(self.file_bytes());
        }
        let row = self.fetch_one(Query::new("SELECT pg_database_size(current_database()) AS bytes")).await?;
        row.count("bytes")
    }
}
