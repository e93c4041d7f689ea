//! Sessions: the times that people met in a room, who was there and for how long.

use std::time::Duration;

use crate::query::{Query, Row};
use crate::values::words;
use crate::{Identity, ParticipantId, RoomName, SessionId, Store, StoreError, Transaction, UnixMillis, UserId};

words! {
    /// How a session came about.
    SessionKind {
        /// It was made for a time.
        Appointment = "appointment",
        /// Somebody came.
        Instant = "instant",
    }
}

words! {
    /// Where a session stands, for lists.
    Phase {
        /// Nobody has come yet.
        Scheduled = "scheduled",
        /// It goes on.
        Active = "active",
        /// It is over.
        Ended = "ended",
    }
}

words! {
    /// Where a session stands, exactly. Which arcs there are is the room's to say.
    SessionState {
        /// It is being set up.
        Initializing = "Initializing",
        /// Nobody, or one alone.
        WaitingForParticipants = "WaitingForParticipants",
        /// Media is not there yet.
        Connecting = "Connecting",
        /// People hear each other.
        Connected = "Connected",
        /// The same, and it is recorded.
        Recording = "Recording",
        /// Somebody was lost and is expected back.
        Reconnecting = "Reconnecting",
        /// It cannot go on.
        Failed = "Failed",
        /// It is being taken down.
        Ending = "Ending",
        /// It is over.
        Ended = "Ended",
    }
}

/// A session that begins, or is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Its id, fresh.
    pub id: SessionId,
    /// In which room.
    pub room: RoomName,
    /// How it came about.
    pub kind: SessionKind,
    /// For when it was made; `None` begins it at once.
    pub scheduled: Option<UnixMillis>,
    /// The artificial participant it is held with.
    pub companion: Option<String>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// `session_id`.
    pub id: SessionId,
    /// `room_id`.
    pub room: RoomName,
    /// How it came about.
    pub kind: SessionKind,
    /// Where it stands, for lists.
    pub phase: Phase,
    /// Where it stands, exactly.
    pub state: SessionState,
    /// `companion_id`.
    pub companion: Option<String>,
    /// For when it was made.
    pub scheduled: Option<UnixMillis>,
    /// `started_at`.
    pub started: Option<UnixMillis>,
    /// `ended_at`.
    pub ended: Option<UnixMillis>,
    /// When something last happened in it.
    pub active: UnixMillis,
    /// `message_count`, whether or not chat is kept.
    pub message_count: u64,
    /// `transcript_preview`: the first hundred characters of what was written, where chat is kept.
    pub transcript_preview: String,
}

impl Session {
    /// `duration_seconds` of a session that is over.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        Some(self.ended?.since(self.started?))
    }

    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id("id")?,
            room: row.id("room")?,
            kind: row.word("kind")?,
            phase: row.word("phase")?,
            state: row.word("state")?,
            companion: row.text_or_none("companion_id")?,
            scheduled: row.time_or_none("scheduled_ms")?,
            started: row.time_or_none("started_ms")?,
            ended: row.time_or_none("ended_ms")?,
            active: row.time("active_ms")?,
            message_count: row.count("message_count")?,
            transcript_preview: row.text("transcript_preview")?,
        })
    }
}

/// One stay of a participant in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    /// Which stay.
    pub participant: ParticipantId,
    /// Who.
    pub identity: Identity,
    /// With which account.
    pub user: Option<UserId>,
    /// Under which name.
    pub name: String,
    /// In which role.
    pub role: String,
    /// `joined_at`.
    pub joined: UnixMillis,
    /// `left_at`.
    pub left: Option<UnixMillis>,
    /// Why, as LiveKit names it (`CLIENT_INITIATED`) or `INTERRUPTED`.
    pub left_because: Option<String>,
}

impl Stay {
    /// For how long, once it is over.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        Some(self.left?.since(self.joined))
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            participant: row.id("participant")?,
            identity: row.id("identity")?,
            user: row.id_or_none("user_id")?,
            name: row.text("name")?,
            role: row.text("role")?,
            joined: row.time("joined_ms")?,
            left: row.time_or_none("left_ms")?,
            left_because: row.text_or_none("left_because")?,
        })
    }
}

/// An appointment is kept so long after its time, and so long before it: people come early, and some late.
const LATE: Duration = Duration::from_secs(12 * 3600);
const EARLY: Duration = Duration::from_secs(3600);

/// Said of those who were there when the server was killed.
const INTERRUPTED: &str = "INTERRUPTED";

impl Transaction {
    /// Begins a session, or writes down that it is to begin.
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub async fn open_session(&mut self, session: &NewSession, now: UnixMillis) -> Result<(), StoreError> {
        let (phase, started) = match session.scheduled {
            Some(_) => (Phase::Scheduled, None),
            None => (Phase::Active, Some(now)),
        };
        let query = Query::new(
            "INSERT INTO sessions (id, room, kind, phase, state, companion_id, scheduled_ms, started_ms, active_ms,
             message_count, transcript_preview) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '')",
        )
        .bind(&session.id)
        .bind(&session.room)
        .bind(session.kind)
        .bind(phase)
        .bind(SessionState::Initializing)
        .bind(session.companion.as_deref())
        .bind(session.scheduled)
        .bind(started)
        .bind(now);
        self.execute(query).await.map_err(|error| error.about("session"))?;
        Ok(())
    }

    /// Begins the session of a room at this moment, unless it is known already: whoever missed its beginning can still
    /// write down what follows. An appointment of this room for about now becomes this session, and otherwise it is an
    /// instant one.
    pub async fn begin_session(
        &mut self,
        id: &SessionId,
        room: &RoomName,
        started: UnixMillis,
    ) -> Result<(), StoreError> {
        let query = Query::new(
            "UPDATE sessions SET id = $1, appointment = id, phase = 'active', started_ms = $3, active_ms = $3 WHERE id = (
                 SELECT id FROM sessions WHERE room = $2 AND phase = 'scheduled' AND scheduled_ms >= $4
                 AND scheduled_ms <= $5 ORDER BY scheduled_ms LIMIT 1)
             AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = $1)",
        );
        let query = query.bind(id).bind(room).bind(started);
        self.execute(query.bind(started.minus(LATE)).bind(started.plus(EARLY))).await?;
        let query = Query::new(
            "INSERT INTO sessions (id, room, kind, phase, state, started_ms, active_ms, message_count,
             transcript_preview) VALUES ($1, $2, $3, $4, $5, $6, $6, 0, '') ON CONFLICT (id) DO NOTHING",
        );
        let query = query.bind(id).bind(room).bind(SessionKind::Instant).bind(Phase::Active);
        self.execute(query.bind(SessionState::Initializing).bind(started)).await?;
        Ok(())
    }

    /// Says where a session stands. The first state after `Initializing` starts one that was scheduled; `Ended` ends it
    /// and whoever is still in it. One that has `Failed` may recover.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Conflict`] when it is over.
    pub async fn move_session(
        &mut self,
        id: &SessionId,
        state: SessionState,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let session = self.session(id).await?;
        if session.phase == Phase::Ended {
            return Err(StoreError::Conflict { what: "the session is over" });
        }
        let (phase, ended) = match state {
            SessionState::Initializing => (session.phase, None),
            SessionState::Ended => (Phase::Ended, Some(now)),
            _ => (Phase::Active, None),
        };
        let started = session.started.or((phase == Phase::Active).then_some(now));
        let query = Query::new(
            "UPDATE sessions SET phase = $2, state = $3, started_ms = $4, ended_ms = $5, active_ms = $6 WHERE id = $1",
        );
        self.execute(query.bind(id).bind(phase).bind(state).bind(started).bind(ended).bind(now))
            .await?;
        if phase == Phase::Ended {
            let query = Query::new(
                "UPDATE session_participants SET left_ms = $2, left_because = $3
                 WHERE session_id = $1 AND left_ms IS NULL",
            );
            self.execute(query.bind(id).bind(now).bind("ROOM_CLOSED")).await?;
        }
        Ok(())
    }

    /// Somebody came.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such session, [`StoreError::Exists`] when they are there already.
    pub async fn join_session(&mut self, id: &SessionId, stay: &Stay) -> Result<(), StoreError> {
        let query = Query::new(
            "INSERT INTO session_participants (session_id, participant, identity, user_id, name, role, joined_ms,
             left_ms, left_because) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(id)
        .bind(&stay.participant)
        .bind(&stay.identity)
        .bind(stay.user.as_ref())
        .bind(&stay.name)
        .bind(&stay.role)
        .bind(stay.joined)
        .bind(stay.left)
        .bind(stay.left_because.as_deref());
        self.execute(query).await.map_err(|error| match error {
            StoreError::Exists { .. } => StoreError::Exists { what: "stay in this session" },
            other => other.about("session"),
        })?;
        self.touch_session(id, stay.joined).await
    }

    /// Somebody left.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when they are not there (any more).
    pub async fn leave_session(
        &mut self,
        id: &SessionId,
        participant: &ParticipantId,
        because: &str,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let query = Query::new(
            "UPDATE session_participants SET left_ms = $3, left_because = $4
             WHERE session_id = $1 AND participant = $2 AND left_ms IS NULL",
        );
        match self.execute(query.bind(id).bind(participant).bind(now).bind(because)).await? {
            0 => Err(StoreError::Missing { what: "stay in this session" }),
            _ => self.touch_session(id, now).await,
        }
    }

    /// Somebody is in another role from now on. Nothing happens when they are not there.
    pub async fn change_role(
        &mut self,
        id: &SessionId,
        participant: &ParticipantId,
        role: &str,
    ) -> Result<(), StoreError> {
        let query = Query::new(
            "UPDATE session_participants SET role = $3 WHERE session_id = $1 AND participant = $2 AND left_ms IS NULL",
        );
        self.execute(query.bind(id).bind(participant).bind(role)).await?;
        Ok(())
    }

    pub(crate) async fn touch_session(&mut self, id: &SessionId, now: UnixMillis) -> Result<(), StoreError> {
        let query = Query::new("UPDATE sessions SET active_ms = $2 WHERE id = $1 AND active_ms < $2");
        self.execute(query.bind(id).bind(now)).await?;
        Ok(())
    }

    /// A session, as this transaction sees it. With PostgreSQL it is held until the end, so that nobody else changes it.
    pub(crate) async fn session(&mut self, id: &SessionId) -> Result<Session, StoreError> {
        let query = match self.dialect() {
            crate::store::Dialect::Sqlite => Query::new("SELECT * FROM sessions WHERE id = $1"),
            crate::store::Dialect::Postgres => Query::new("SELECT * FROM sessions WHERE id = $1 FOR UPDATE"),
        };
        let row = self
            .fetch_optional(query.bind(id))
            .await?
            .ok_or(StoreError::Missing { what: "session" })?;
        Session::read(&row)
    }

    /// Ends one session as [`Self::end_interrupted_sessions`] does; false when it is over already.
    pub async fn end_interrupted_session(&mut self, id: &SessionId) -> Result<bool, StoreError> {
        let query = Query::new(
            "UPDATE sessions SET phase = 'ended', state = 'Failed', ended_ms = active_ms
             WHERE id = $1 AND phase = 'active'",
        );
        let was_active = self.execute(query.bind(id)).await? > 0;
        if was_active {
            self.interrupt_stays(id).await?;
        }
        Ok(was_active)
    }

    async fn interrupt_stays(&mut self, id: &SessionId) -> Result<(), StoreError> {
        let query = Query::new(
            "UPDATE session_participants SET left_because = $2,
             left_ms = (SELECT active_ms FROM sessions WHERE sessions.id = session_participants.session_id)
             WHERE session_id = $1 AND left_ms IS NULL",
        );
        self.execute(query.bind(id).bind(INTERRUPTED)).await?;
        Ok(())
    }

    /// Ends what the process before left open in these rooms when it was killed: the sessions failed when something
    /// last happened in them, and people left them then. Which sessions it was.
    ///
    /// For the start of a server that is alone with its database; where there are several, each ends those of the rooms
    /// it takes over.
    pub async fn end_interrupted_sessions(&mut self, room: Option<&RoomName>) -> Result<Vec<SessionId>, StoreError> {
        let query = Query::new(
            "UPDATE sessions SET phase = 'ended', state = 'Failed', ended_ms = active_ms
             WHERE phase = 'active' AND ($1 = '' OR room = $1) RETURNING id",
        );
        let rows = self.fetch_all(query.bind(room.map_or("", RoomName::as_str))).await?;
        let ids: Vec<SessionId> = rows.iter().map(|row| row.id("id")).collect::<Result<_, _>>()?;
        for id in &ids {
            self.interrupt_stays(id).await?;
        }
        Ok(ids)
    }
}

impl Store {
    /// Writes down that a session is to begin, or begins it; see [`Transaction::open_session`].
    pub async fn open_session(&self, session: &NewSession, now: UnixMillis) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        transaction.open_session(session, now).await?;
        transaction.commit().await
    }

    /// One session.
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let row = self.fetch_optional(Query::new("SELECT * FROM sessions WHERE id = $1").bind(id)).await?;
        row.as_ref().map(Session::read).transpose()
    }

    /// Sessions, those in which something last happened first; of one room, if one is named. `before` is the last one of
    /// the page before.
    pub async fn sessions(
        &self,
        room: Option<&RoomName>,
        before: Option<&Session>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let (active, id) = before.map_or((i64::MAX, ""), |session| (session.active.0, session.id.as_str()));
        let query = match room {
            None => Query::new(
                "SELECT * FROM sessions WHERE (active_ms < $1 OR (active_ms = $1 AND id < $2))
                 ORDER BY active_ms DESC, id DESC LIMIT $3",
            ),
            Some(_) => Query::new(
                "SELECT * FROM sessions WHERE room = $4 AND (active_ms < $1 OR (active_ms = $1 AND id < $2))
                 ORDER BY active_ms DESC, id DESC LIMIT $3",
            ),
        };
        let query = query.bind(active).bind(id).bind(limit);
        let query = if room.is_some() { query.bind(room) } else { query };
        self.fetch_all(query).await?.iter().map(Session::read).collect()
    }

    /// Sessions that go on, as far as the store knows: after a process was killed, also those that went with it.
    pub async fn active_sessions(&self) -> Result<Vec<Session>, StoreError> {
        let query = Query::new("SELECT * FROM sessions WHERE phase = 'active' ORDER BY active_ms, id");
        self.fetch_all(query).await?.iter().map(Session::read).collect()
    }

    /// Who was in a session, in the order they came.
    pub async fn stays(&self, id: &SessionId) -> Result<Vec<Stay>, StoreError> {
        let query =
            Query::new("SELECT * FROM session_participants WHERE session_id = $1 ORDER BY joined_ms, participant");
        self.fetch_all(query.bind(id)).await?.iter().map(Stay::read).collect()
    }
}
