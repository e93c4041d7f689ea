//! The native API, `/api`: JSON for people's own pages and back ends, where LiveKit has no words for what is asked.
//!
//! [`asker`] says who asks and what they may, [`place`] what they are in a room; the others are one kind of thing each, and
//! [`openapi`] describes them. They hold no room logic: a room
//! decides what happens in it, the store keeps what lasts.

mod accounts;
mod asker;
mod browser;
mod chat;
mod events;
mod export;
mod idempotency;
mod insight;
mod join;
mod lobby;
mod moderation;
mod oidc;
mod openapi;
mod people;
mod place;
mod playback;
mod recordings;
mod returning;
mod rooms;
mod sessions;
mod system;
mod table;
mod users;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::{Json, Router};
use utoipa_axum::router::OpenApiRouter;

use super::error::ApiError;
use crate::App;
use crate::config::Limits;

pub(crate) use idempotency::Answers;
pub(crate) use lobby::Knocks;
pub(crate) use playback::PlaybackKeys;
pub(crate) use returning::ReturnKeys;

const ROOM_NOT_FOUND: ApiError = ApiError::new(StatusCode::NOT_FOUND, "room_not_found", "there is no such room");
const INTERNAL: ApiError =
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on the server");
/// A password could not be looked at, or kept.
const PASSWORDS_BUSY: ApiError = ApiError::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "busy",
    "too many passwords are being checked at this moment: try again",
);
/// It is done, but nobody would know after a crash.
const NOT_WRITTEN: ApiError = ApiError::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "storage_unavailable",
    "it is done, but storage has not taken it in time: ask again whether it lasts",
);

pub(super) fn routes(limits: &Limits) -> Router<Arc<App>> {
    let (router, _) = all().split_for_parts();
    router.layer(DefaultBodyLimit::max(limits.body_bytes))
}

/// What is served, with what is said of it.
fn all() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::frame())
        .merge(rooms::routes())
        .merge(join::routes())
        .merge(lobby::routes())
        .merge(moderation::routes())
        .merge(chat::routes())
        .merge(events::routes())
        .merge(insight::routes())
        .merge(accounts::routes())
        .merge(oidc::routes())
        .merge(users::routes())
        .merge(openapi::routes())
        .merge(sessions::routes())
        .merge(system::routes())
        .merge(people::routes())
        .merge(recordings::routes())
        .merge(playback::routes())
}

/// A JSON body, or why it is none.
fn body<T>(json: Result<Json<T>, JsonRejection>) -> Result<T, ApiError> {
    json.map(|Json(body)| body).map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the request body is too large")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            let message = "the request body must be application/json";
            ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message)
        }
        _ => ApiError::new(StatusCode::BAD_REQUEST, "bad_json", "the request body is not the expected JSON"),
    })
}
