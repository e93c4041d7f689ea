//! What the two signal doors share: the token, the upgrade, the answers to those who are not let in.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use sluice_rooms::{SignalVersion, USER_ATTRIBUTE};
use sluice_store::StoreError;
use tracing::Instrument;

use super::error::ApiError;
use super::knock::{Client, checked};
use crate::App;
use crate::auth::{Admission, AuthError};
use crate::gate::{Asked, Denied, TooOften};
use crate::records;
use crate::signal::connection::{Visit, serve};
use crate::signal::request::{Query, RequestError};

/// Read buffer of a socket; axum's default of 128 KiB each is for few sockets that carry much.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Largest frame that may wait in a socket's write buffer: a join to a large room.
const WRITE_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Why a visitor is not let in, as the answer it gets.
pub(super) enum Refusal {
    NotWebSocket,
    Auth(AuthError),
    TooOften(TooOften),
    BadQuery,
    BadRequest(RequestError),
    Stopping,
    NoRoom,
    /// A host keeps its bearer out, or its token was signed before it was sent away.
    KeptOut,
    /// Nobody knows whether it is to be kept out.
    NoStorage,
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Auth(error) => Self::Auth(error),
            Denied::TooOften(too_often) => Self::TooOften(too_often),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "storage does not say who is kept out");
        Self::NoStorage
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self::BadRequest(error)
    }
}

impl From<QueryRejection> for Refusal {
    fn from(_: QueryRejection) -> Self {
        Self::BadQuery
    }
}

impl Refusal {
    pub(super) fn count(&self, app: &App, door: &str) {
        let result = match self {
            Self::Auth(_) => "unauthorized",
            Self::Stopping | Self::NoRoom | Self::TooOften(_) | Self::KeptOut | Self::NoStorage => "refused",
            Self::NotWebSocket | Self::BadQuery | Self::BadRequest(_) => "bad_request",
        };
        app.metrics.joins.with_label_values(&[door, result]).inc();
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NotWebSocket => (StatusCode::NOT_FOUND, "not found").into_response(),
            Self::Auth(error) => (StatusCode::UNAUTHORIZED, error.to_string()).into_response(),
            Self::TooOften(too_often) => ApiError::from(too_often).into_response(),
            Self::BadQuery => (StatusCode::BAD_REQUEST, "the query cannot be read").into_response(),
            Self::BadRequest(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
            // SDKs know this sentence: another 404 means to them that the door is not there.
            Self::NoRoom => (StatusCode::NOT_FOUND, "requested room does not exist").into_response(),
            // As for any token that is not good any more.
            Self::KeptOut => (StatusCode::UNAUTHORIZED, "the token opens this room no more").into_response(),
            Self::NoStorage => (StatusCode::SERVICE_UNAVAILABLE, "storage does not answer").into_response(),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "the server is stopping").into_response(),
        }
    }
}

/// The query's parameters.
pub(super) fn query(uri: &Uri) -> Result<Query, Refusal> {
    Ok(axum::extract::Query::<Query>::try_from_uri(uri)?.0)
}

/// Checks the token: the header's if there is one, else the query's; and whether a host keeps its bearer out. A room that is not
/// open is looked up, for how it was set up.
pub(super) async fn admit(app: &App, client: Client, headers: &HeaderMap, query: &Query) -> Result<Admission, Refusal> {
    if !app.is_ready() {
        return Err(Refusal::Stopping);
    }
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = match bearer {
        Some(bearer) => bearer.strip_prefix("Bearer "),
        None => query.get("access_token").map(String::as_str),
    };
    let mut admission = checked(app, client, Asked::Join, |keys| keys.admit(token), Admission::counts_to)?;
    let grants = &admission.grants;
    let account = grants.attributes.get(USER_ATTRIBUTE).map(String::as_str);
    let kept_out = records::kept_out(app, &admission.room, &grants.identity, account, Some(grants.signed_at_s));
    if kept_out.await?.is_some() {
        return Err(Refusal::KeptOut);
    }
    if app.rooms.get(&admission.room).is_none() {
        let record = records::find(app, &admission.room).await?;
        if let Some(record) = &record {
            records::prolong(app, record).await;
        }
        admission.set_up = record.as_ref().map(records::wish);
    }
    if app.rooms.get(&admission.room).is_none() && !admission.may_open(app) {
        return Err(Refusal::NoRoom);
    }
    Ok(admission)
}

/// Takes the upgrade and serves the connection.
pub(super) fn upgrade(
    app: Arc<App>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    visit: Visit,
) -> Result<Response, Refusal> {
    let upgrade = upgrade.map_err(|_| Refusal::NotWebSocket)?;
    let span = tracing::info_span!(
        parent: tracing::Span::current(),
        "signal",
        room = %visit.admission.room,
        version = match visit.version { SignalVersion::V0 => 0, SignalVersion::V1 => 1 },
        participant = tracing::field::Empty,
    );
    let guest = app.guests.enter();
    let message_bytes = app.config.limits.signal_message_bytes;
    Ok(upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(message_bytes)
        .max_frame_size(message_bytes)
        .on_upgrade(move |socket| {
            async move {
                serve(socket, app, visit).await;
                drop(guest);
            }
            .instrument(span)
        }))
}
