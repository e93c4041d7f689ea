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
    place: SessionPlace,
}

/// Where a session stands among all, by when it began or was to begin: there it stays, whatever happens in it, and when an
/// appointment becomes the session of its room too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPlace {
    at: UnixMillis,
    id: SessionId,
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

/// A list, by a moment and a name of each session, the latest first. Only for those of a page is more looked up.
macro_rules! summaries_by {
    ($at:literal, $id:literal) => {
        concat!(
            "SELECT sessions.*,
             (SELECT title FROM rooms WHERE rooms.name = sessions.room) AS title,
             (SELECT COUNT(DISTINCT identity) FROM session_participants WHERE session_id = sessions.id) AS participants
             FROM (SELECT * FROM sessions WHERE (",
            $at, " < $1 OR (", $at, " = $1 AND ", $id, " < $2)) AND ($4 = '' OR room = $4) AND ($5 = ''
                 OR id IN (SELECT session_id FROM session_participants WHERE user_id = $5)
                 OR EXISTS (SELECT name FROM rooms WHERE name = sessions.room AND created_by = $5
                     AND created_ms <= COALESCE(sessions.started_ms, sessions.active_ms)))
                 ORDER BY ", $at, " DESC, ", $id, " DESC LIMIT $3) AS sessions
             ORDER BY ", $at, " DESC, ", $id, " DESC"
        )
    };
}

const BY_ACTIVITY: &str = summaries_by!("active_ms", "id");
const BY_PLACE: &str = summaries_by!("COALESCE(scheduled_ms, started_ms, 0)", "COALESCE(appointment, id)");

impl SessionSummary {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let session = Session::read(row)?;
        // As `BY_PLACE` says it.
        let at = session.scheduled.or(session.started).unwrap_or(UnixMillis(0));
        let id = row.id_or_none("appointment")?.unwrap_or_else(|| session.id.clone());
        Ok(Self {
            session,
            title: row.text_or_none("title")?.filter(|title| !title.is_empty()),
            participants: row.count("participants")?,
            place: SessionPlace { at, id },
        })
    }

    /// Where it stands among all.
    #[must_use]
    pub fn place(&self) -> &SessionPlace {
        &self.place
    }
}

impl Store {
    /// Sessions, those in which something last happened first. `before` is the last one of the page before. What happens in
    /// a session between two pages moves it out of those that follow.
    pub async fn session_summaries(
        &self,
        filter: &SessionFilter,
        before: Option<&Session>,
        limit: u32,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        let before = before.map(|session| (session.active, &session.id));
        self.summaries(BY_ACTIVITY, filter, before, limit).await
    }

    /// Sessions, those that began last, or are to begin, first. `before` is the place of the last one of the page before.
    /// Page by page each comes once that was there at the first of them.
    pub async fn session_summaries_in_place(
        &self,
        filter: &SessionFilter,
        before: Option<&SessionPlace>,
        limit: u32,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        let before = before.map(|place| (place.at, &place.id));
        self.summaries(BY_PLACE, filter, before, limit).await
    }

    async fn summaries(
        &self,
        list: &'static str,
        filter: &SessionFilter,
        before: Option<(UnixMillis, &SessionId)>,
        limit: u32,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        let (at, id) = before.map_or((UnixMillis(i64::MAX), ""), |(at, id)| (at, id.as_str()));
        let query = Query::new(list).bind(at).bind(id).bind(limit);
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
