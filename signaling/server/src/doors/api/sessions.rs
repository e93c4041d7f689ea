//! What was: sessions, who was in them, and how they fared. As JSON, or as CSV for a spreadsheet.
//!
//! Open in development mode. Otherwise for administrators and tokens that list rooms (`roomList`), who see all; a token for
//! administrators of a room (`roomAdmin`) sees the sessions of that room, and an account those that it was in or whose
//! room it made.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sluice_audit::Outcome;
use sluice_rooms::valid_room_name;
use sluice_store::{
    NewSession, QualitySample, SessionFilter, SessionId, SessionKind, SessionPlace, SessionSummary, Stay, StoreError,
    UnixMillis,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asker::{Asker, NOT_PERMITTED};
use super::body;
use super::export::{self, Format, Frame, Limit, Page, whole};
use crate::App;
use crate::doors::error::ApiError;
use crate::random::random_id;
use crate::room::now;
use crate::trail::{Deed, Whence};

/// Sessions in an answer when nobody says how many, and the most.
const PAGE: u32 = 50;
const MOST: u32 = 1_000;
/// Samples in an answer that is no table: an hour of fifty people.
const MOST_SAMPLES: u32 = 20_000;
/// What the audit trail calls it when somebody takes a table home.
const EXPORT: &str = "history.export";
/// Letters of an appointment's id.
const ID_LETTERS: usize = 16;
/// Longest id of a companion, in bytes.
const COMPANION_BYTES: usize = 256;
/// Appointments are for the time from an hour ago to five years ahead, in milliseconds.
const PAST_MS: i64 = 3_600_000;
const AHEAD_MS: i64 = 5 * 366 * 24 * 3_600_000;

const BAD_QUERY: ApiError = ApiError::new(
    StatusCode::BAD_REQUEST,
    "bad_query",
    "`before` is the id of a session, `limit` 1 to 1000 or all, `from` Unix milliseconds, `format` json or csv",
);
const SESSION_NOT_FOUND: ApiError =
    ApiError::new(StatusCode::NOT_FOUND, "session_not_found", "there is no such session, or it is not kept any more");
const BAD_APPOINTMENT: ApiError = ApiError::new(
    StatusCode::BAD_REQUEST,
    "bad_appointment",
    "`room_id` is the name of a room, `scheduled_at` Unix milliseconds in the next five years",
);

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, appoint))
        .routes(routes!(look))
        .routes(routes!(quality))
}

/// A session, with the names that people's tools know. Times are Unix milliseconds.
#[derive(Debug, Serialize, ToSchema)]
struct Session<P> {
    session_id: String,
    room_id: String,
    room_name: String,
    /// `instant` or `appointment`.
    kind: &'static str,
    /// `scheduled`, `active` or `ended`.
    phase: &'static str,
    state: &'static str,
    companion_id: Option<String>,
    scheduled_at: Option<i64>,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    /// Of one that is over.
    duration_seconds: Option<u64>,
    /// How many came; of one that is looked at, who.
    participants: P,
    message_count: u64,
    transcript_preview: String,
}

impl<P> Session<P> {
    fn of(session: sluice_store::Session, title: Option<String>, participants: P) -> Self {
        let duration = session.duration();
        Self {
            session_id: session.id.to_string(),
            room_name: title.unwrap_or_else(|| session.room.to_string()),
            room_id: session.room.to_string(),
            kind: session.kind.as_str(),
            phase: session.phase.as_str(),
            state: session.state.as_str(),
            companion_id: session.companion,
            scheduled_at: session.scheduled.map(|at| at.0),
            started_at: session.started.map(|at| at.0),
            ended_at: session.ended.map(|at| at.0),
            duration_seconds: duration.map(|duration| duration.as_secs()),
            participants,
            message_count: session.message_count,
            transcript_preview: session.transcript_preview,
        }
    }
}

/// As a list shows it.
fn line(summary: SessionSummary) -> Session<u64> {
    Session::of(summary.session, summary.title, summary.participants)
}

/// Nothing was found out about the store's trouble that concerns whoever asks.
fn unavailable(error: &StoreError) -> ApiError {
    tracing::error!(%error, "cannot read or write the history");
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", "the history cannot be reached now")
}

/// Somebody takes a list home: the audit trail tells of it.
async fn tell(app: &App, deed: Deed, name: &'static str) -> Result<(), ApiError> {
    Ok(app.trail.record(&deed.with(name), Outcome::Done).await?)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    room: Option<String>,
    before: Option<String>,
    /// How many to send: 50 unless said, at most 1000; `all`, or a table when nothing is said: to the end of the list.
    #[param(value_type = Option<String>)]
    limit: Option<Limit>,
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

#[derive(Debug, Serialize, ToSchema)]
struct SessionList {
    sessions: Vec<Session<u64>>,
    /// There are more before these.
    more: bool,
}

/// List sessions
///
/// Those in which something last happened first; to the end of the list, those that began last, or are to begin, first. As CSV
/// with `format=csv`, all of them unless `limit` says otherwise. A long list is sent as it is read, and breaks off where it
/// cannot be read to its end.
#[utoipa::path(get, operation_id = "list_sessions", path = "/api/sessions", tag = "history", params(ListQuery),
    responses(
        (status = 200, body = SessionList),
        (status = 400, description = "`bad_query`"),
        (status = 403, description = "`not_permitted`"),
        (status = 503, description = "`storage_unavailable`, `audit_unavailable`"),
    ))]
async fn list(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    asked: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(ListQuery { room, before, limit, format }) = asked.map_err(|_| BAD_QUERY)?;
    let of = asker.plain_account();
    let may_read = match room.as_deref() {
        _ if asker.oversees() || of.is_some() => true,
        Some(room) => asker.administers_now(&app, room).await?,
        None => false,
    };
    if !may_read {
        return Err(NOT_PERMITTED);
    }
    let limit = limit.unwrap_or(if format == Format::Csv { Limit::All } else { Limit::Rows(PAGE) });
    if matches!(limit, Limit::Rows(rows) if !(1..=MOST).contains(&rows)) {
        return Err(BAD_QUERY);
    }
    let before = match before {
        None => None,
        // One that is somebody else's gives no more away than when it was.
        Some(id) => Some(find(&app, &id).await?.ok_or(BAD_QUERY)?),
    };
    if room.as_ref().is_some_and(|room| room.contains('\0')) {
        return Err(BAD_QUERY);
    }
    let filter = SessionFilter { room: room.map(Into::into), of: of.cloned() };
    let deed = Deed::new(asker.name(), EXPORT, whence);
    let deed = match &filter.room {
        Some(room) => deed.in_room(room.as_str()),
        None => deed,
    };
    let limit = match limit {
        Limit::Rows(limit) => limit,
        Limit::All => {
            let store = app.store.clone();
            // Not by what happens in them: meanwhile something does, and a session that moved would be on no page.
            let read = move |before: Option<SessionPlace>| {
                let (store, filter) = (store.clone(), filter.clone());
                async move {
                    let found = store.session_summaries_in_place(&filter, before.as_ref(), export::PAGE).await;
                    let found = found.map_err(|error| unavailable(&error))?;
                    Ok(Page::of(found, |last| Some(last.place().clone()), line))
                }
            };
            let frame = Frame::new(format, "sessions", r#"{"sessions":["#);
            tell(&app, deed, "sessions").await?;
            return whole(frame, before.map(|before| before.place().clone()), read).await;
        }
    };
    let before = before.map(|before| before.session);
    // One more says whether there are more.
    let found = app.store.session_summaries(&filter, before.as_ref(), limit + 1).await;
    let mut sessions: Vec<_> = found.map_err(|error| unavailable(&error))?.into_iter().map(line).collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = sessions.len() > limit;
    sessions.truncate(limit);
    match format {
        Format::Json => Ok(Json(SessionList { sessions, more }).into_response()),
        Format::Csv => {
            tell(&app, deed, "sessions").await?;
            export::table("sessions", &sessions)
        }
    }
}

async fn find(app: &App, id: &str) -> Result<Option<SessionSummary>, ApiError> {
    // The databases take no NUL.
    if id.contains('\0') {
        return Ok(None);
    }
    app.store.session_summary(&SessionId::from(id)).await.map_err(|error| unavailable(&error))
}

/// Who may not see a session does not learn whether there is one, but for those who may see any.
async fn visible(app: &App, asker: &Asker, id: &str) -> Result<SessionSummary, ApiError> {
    let found = find(app, id).await?;
    if let (Some(found), Some(user)) = (&found, asker.plain_account())
        && app.store.is_session_of(&found.session, user).await.map_err(|error| unavailable(&error))?
    {
        return Ok(found.clone());
    }
    match found {
        None if asker.oversees() => Err(SESSION_NOT_FOUND),
        None => Err(NOT_PERMITTED),
        Some(found) if asker.oversees() => Ok(found),
        Some(found) => match asker.administers_now(app, found.session.room.as_str()).await? {
            true => Ok(found),
            false => Err(NOT_PERMITTED),
        },
    }
}

/// One stay. Who has been forgotten has no name any more.
#[derive(Debug, Serialize, ToSchema)]
struct SessionParticipant {
    participant_id: String,
    identity: String,
    name: String,
    role: String,
    user_id: Option<String>,
    joined_at: i64,
    left_at: Option<i64>,
    /// Of one that is over.
    duration_seconds: Option<u64>,
    left_because: Option<String>,
}

impl SessionParticipant {
    fn of(stay: Stay) -> Self {
        Self {
            duration_seconds: stay.duration().map(|duration| duration.as_secs()),
            participant_id: stay.participant.to_string(),
            identity: stay.identity.to_string(),
            name: stay.name,
            role: stay.role,
            user_id: stay.user.map(|user| user.to_string()),
            joined_at: stay.joined.0,
            left_at: stay.left.map(|at| at.0),
            left_because: stay.left_because,
        }
    }
}

/// Look at a session
///
/// With who was in it: a line for each stay. As CSV with `format=csv`.
#[utoipa::path(get, operation_id = "look_at_session", path = "/api/sessions/{id}", tag = "history", params(FormatQuery,
        ("id" = String, Path, description = "The session's id, or its appointment's")),
    responses(
        (status = 200, body = Session<Vec<SessionParticipant>>),
        (status = 404, description = "`session_not_found`"),
        (status = 403, description = "`not_permitted`"),
        (status = 503, description = "`storage_unavailable`, `audit_unavailable`"),
    ))]
async fn look(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
    asked: Result<Query<FormatQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(FormatQuery { format }) = asked.map_err(|_| BAD_QUERY)?;
    let found = visible(&app, &asker, &id).await?;
    let deed = Deed::new(asker.name(), EXPORT, whence).in_room(found.session.room.as_str());
    let stays = app.store.stays(&found.session.id).await.map_err(|error| unavailable(&error))?;
    let participants: Vec<_> = stays.into_iter().map(SessionParticipant::of).collect();
    match format {
        Format::Json => Ok(Json(Session::of(found.session, found.title, participants)).into_response()),
        Format::Csv => {
            tell(&app, deed, "participants").await?;
            export::table("participants", &participants)
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FormatQuery {
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct QualityQuery {
    /// Identity or participant id.
    participant: Option<String>,
    /// Samples from this moment on, in Unix milliseconds.
    #[serde(default)]
    from: i64,
    /// `all`, or a table: to the end of the session. Otherwise 20,000.
    #[param(value_type = Option<String>)]
    limit: Option<Limit>,
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

#[derive(Debug, Serialize, ToSchema)]
struct QualityList {
    samples: Vec<QualityView>,
    /// There are more from the last of these on.
    more: bool,
}

/// `QualityMetrics` of one participant at one moment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct QualityView {
    #[serde(rename = "participant_id")]
    participant: String,
    identity: String,
    /// Unix milliseconds.
    at: i64,
    /// Bits per second.
    bitrate: u64,
    frame_rate: f64,
    /// Such as `1280x720`; empty without a picture.
    resolution: String,
    /// Per cent.
    packet_loss: f64,
    /// Milliseconds.
    latency: f64,
    /// Milliseconds.
    jitter: f64,
    quality: &'static str,
}

impl QualityView {
    fn of(sample: QualitySample, identities: &HashMap<String, String>) -> Self {
        let participant = sample.participant.to_string();
        Self {
            identity: identities.get(&participant).cloned().unwrap_or_default(),
            participant,
            at: sample.at.0,
            bitrate: sample.bitrate_bps,
            frame_rate: sample.frame_rate,
            resolution: sample.resolution,
            packet_loss: sample.packet_loss_percent,
            latency: sample.latency_ms,
            jitter: sample.jitter_ms,
            quality: sample.quality.as_str(),
        }
    }
}

/// See how participants fared
///
/// A sample of each every ten seconds. As CSV with `format=csv`, all of them: it is sent as it is read, and breaks off where it
/// cannot be read to its end.
#[utoipa::path(get, operation_id = "session_quality", path = "/api/sessions/{id}/quality", tag = "history", params(QualityQuery,
        ("id" = String, Path, description = "The session's id, or its appointment's")),
    responses(
        (status = 200, body = QualityList),
        (status = 404, description = "`session_not_found`"),
        (status = 403, description = "`not_permitted`"),
        (status = 503, description = "`storage_unavailable`, `audit_unavailable`"),
    ))]
async fn quality(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
    asked: Result<Query<QualityQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(QualityQuery { participant, from, limit, format }) = asked.map_err(|_| BAD_QUERY)?;
    if matches!(limit, Some(Limit::Rows(_))) || participant.as_ref().is_some_and(|whom| whom.contains('\0')) {
        return Err(BAD_QUERY);
    }
    let session = visible(&app, &asker, &id).await?.session;
    let deed = Deed::new(asker.name(), EXPORT, whence).in_room(session.room.as_str());
    let session = session.id;
    let stays = app.store.stays(&session).await.map_err(|error| unavailable(&error))?;
    let identities: HashMap<_, _> = stays
        .into_iter()
        .map(|stay| (stay.participant.to_string(), stay.identity.to_string()))
        .collect();
    let whom = participant.unwrap_or_default();
    if format == Format::Csv || limit == Some(Limit::All) {
        let (store, identities) = (app.store.clone(), Arc::new(identities));
        let read = move |(from, after): (UnixMillis, String)| {
            let (store, session, whom) = (store.clone(), session.clone(), whom.clone());
            let identities = identities.clone();
            async move {
                let found = store.quality_from(&session, &whom, from, &after, export::PAGE).await;
                let found = found.map_err(|error| unavailable(&error))?;
                let cursor = |last: &QualitySample| (last.at, last.participant.to_string());
                Ok(Page::of(found, cursor, |sample| QualityView::of(sample, &identities)))
            }
        };
        tell(&app, deed, "quality").await?;
        let frame = Frame::new(format, "quality", r#"{"samples":["#);
        return whole(frame, (UnixMillis(from), String::new()), read).await;
    }
    let found = app.store.quality_from(&session, &whom, UnixMillis(from), "", MOST_SAMPLES + 1).await;
    let found = found.map_err(|error| unavailable(&error))?;
    let mut samples: Vec<_> = found.into_iter().map(|sample| QualityView::of(sample, &identities)).collect();
    let most = usize::try_from(MOST_SAMPLES).unwrap_or(usize::MAX);
    let more = samples.len() > most;
    samples.truncate(most);
    Ok(Json(QualityList { samples, more }).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
struct Appointment {
    room_id: String,
    scheduled_at: i64,
    companion_id: Option<String>,
}

/// Make an appointment
///
/// When its room begins, it is that session, found under the same id.
#[utoipa::path(post, operation_id = "appoint_session", path = "/api/sessions", tag = "history", request_body = Appointment,
    responses(
        (status = 201, body = Session<u64>),
        (status = 400, description = "`bad_appointment`"),
        (status = 403, description = "`not_permitted`"),
        (status = 503, description = "`storage_unavailable`"),
    ))]
async fn appoint(
    State(app): State<Arc<App>>,
    asker: Asker,
    json: Result<Json<Appointment>, JsonRejection>,
) -> Result<(StatusCode, Json<Session<u64>>), ApiError> {
    let Appointment { room_id, scheduled_at, companion_id } = body(json)?;
    if !valid_room_name(&room_id)
        || companion_id.as_ref().is_some_and(|id| id.len() > COMPANION_BYTES || id.contains('\0'))
    {
        return Err(BAD_APPOINTMENT);
    }
    if !asker.oversees() && !asker.administers_now(&app, &room_id).await? {
        return Err(NOT_PERMITTED);
    }
    let now = now().unix_ms;
    if !(now - PAST_MS..now + AHEAD_MS).contains(&scheduled_at) {
        return Err(BAD_APPOINTMENT);
    }
    let id = SessionId::from(format!("SE_{}", random_id(ID_LETTERS)));
    let session = NewSession {
        id: id.clone(),
        room: room_id.into(),
        kind: SessionKind::Appointment,
        scheduled: Some(UnixMillis(scheduled_at)),
        companion: companion_id,
    };
    app.store
        .open_session(&session, UnixMillis(now))
        .await
        .map_err(|error| unavailable(&error))?;
    let made = find(&app, id.as_str()).await?.ok_or(SESSION_NOT_FOUND)?;
    Ok((StatusCode::CREATED, Json(line(made))))
}
