//! The event log, for programs that read it: what happened in rooms after event N.
//!
//! Open in development mode. Otherwise with a token: one that lists rooms (`roomList`) reads all of it, an
//! administrator's of a room (`roomAdmin`) what happened in that room.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_audit::Outcome;
use sluice_store::{Event, EventPage, RoomName};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asker::{Asker, NOT_PERMITTED};
use super::export::{self, Frame, Limit, whole};
use crate::App;
use crate::doors::error::ApiError;
use crate::trail::{Deed, Whence};

/// Events in an answer when nobody says how many.
const PAGE: u32 = 100;

const BAD_QUERY: ApiError = ApiError::new(
    StatusCode::BAD_REQUEST,
    "bad_query",
    "`after` is the number of an event, `limit` how many to send, `room` the name of a room",
);
const NO_STORAGE: ApiError =
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", "the event log cannot be read now");

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(events))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// The number of the last event that is known; 0 for from the beginning.
    #[serde(default)]
    after: u64,
    /// 100 unless said, at most 1000; `all`: to the end of the log.
    #[param(value_type = Option<String>)]
    limit: Option<Limit>,
    /// Only of this room.
    room: Option<String>,
}

/// A piece of the log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventPage)]
struct Page {
    events: Vec<Entry>,
    /// There are more after these.
    more: bool,
    /// The oldest event there is. Above `after` plus one, some are not kept any more.
    oldest: Option<u64>,
    /// The newest that was ever written, of whatever room; 0 before the first. Who wants the end of the log begins
    /// some way before it.
    newest: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
struct Entry {
    /// From 1 on, without holes.
    number: u64,
    /// The same among the events of this room's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    room_sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
    /// The room's sid: its name may be used again.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    kind: String,
    /// Milliseconds since 1970.
    at: i64,
    /// Somebody it was about has been forgotten, and the event's words with them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    /// LiveKit's `WebhookEvent`, as webhooks carry it.
    event: Value,
}

impl Entry {
    /// `None` for what is not JSON, which nobody writes.
    fn of(event: Event) -> Option<Self> {
        Some(Self {
            number: event.number,
            room_sequence: event.room_sequence,
            room: event.room.map(|room| room.to_string()),
            session: event.session.map(|session| session.to_string()),
            kind: event.kind.to_string(),
            at: event.at.0,
            erased: event.erased,
            event: serde_json::from_str(&event.payload).ok()?,
        })
    }
}

/// What happened after an event
///
/// For administrators (`roomList`); with `roomAdmin` of a room, what happened there. Open in development mode. With `limit=all` it is
/// sent as it is read, and breaks off where it cannot be read to its end.
#[utoipa::path(get, path = "/api/events", tag = "history", params(Asked), responses(
    (status = 200, body = Page),
    (status = 400, description = "`bad_query`"),
    (status = 403, description = "`not_permitted`"),
))]
async fn events(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(Asked { after, limit, room }) = asked.map_err(|_| BAD_QUERY)?;
    let may_read = match room.as_deref() {
        _ if asker.oversees() => true,
        Some(room) => asker.administers_now(&app, room).await?,
        None => false,
    };
    if !may_read {
        return Err(NOT_PERMITTED);
    }
    if i64::try_from(after).is_err() || limit == Some(Limit::Rows(0)) {
        return Err(BAD_QUERY);
    }
    let room = room.map(RoomName::from);
    let unreadable = |error| {
        tracing::error!(%error, "cannot read the event log");
        NO_STORAGE
    };
    let rows = match limit {
        None => PAGE,
        Some(Limit::Rows(rows)) => rows,
        // One says what there is.
        Some(Limit::All) => 1,
    };
    let page = app.store.events(after, room.as_ref(), rows).await.map_err(unreadable)?;
    let newest = app.store.last_event().await.map_err(unreadable)?;
    let EventPage { events, more, oldest } = page;
    if limit == Some(Limit::All) {
        let deed = Deed::new(asker.name(), "history.export", whence).with("events");
        let deed = match &room {
            Some(room) => deed.in_room(room.as_str()),
            None => deed,
        };
        app.trail.record(&deed, Outcome::Done).await?;
        let store = app.store.clone();
        let read = move |after: u64| {
            let (store, room) = (store.clone(), room.clone());
            async move {
                let page = store.events(after, room.as_ref(), export::PAGE).await.map_err(unreadable)?;
                // What is written meanwhile is another time's: a log that grows has no end.
                let last = page.events.last().map(|last| last.number);
                let next = last.filter(|last| page.more && *last < newest);
                Ok(export::Page { rows: page.events.into_iter().filter_map(Entry::of).collect(), next })
            }
        };
        let tail = json!({ "more": false, "oldest": oldest, "newest": newest }).to_string();
        let frame = Frame::Json(r#"{"events":["#, format!("],{}", &tail[1..]));
        return whole(frame, after, read).await;
    }
    Ok(Json(Page { events: events.into_iter().filter_map(Entry::of).collect(), more, oldest, newest }).into_response())
}
