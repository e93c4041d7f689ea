//! The native API: rooms for people with a link. Create one, look at it, get a token for it.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use livekit_protocol::{ParticipantPermission, participant_info};
use serde::{Deserialize, Serialize};
use sluice_rooms::{NameError, Rights, TokenClaims, display_name, valid_identity};

use super::accounts::AccountsInfo;
use super::{INTERNAL, NOT_WRITTEN, ROOM_NOT_FOUND, body};
use crate::App;
use crate::doors::Peer;
use crate::doors::error::ApiError;
use crate::random::random_id;
use crate::room::{RoomStatus, RoomWish};

/// Letters of a room id: 31^8 of them, too many to guess one.
const ROOM_ID_LETTERS: usize = 8;
/// Letters that tell two people of one name apart.
const IDENTITY_LETTERS: usize = 4;
/// Longest name that goes into an identity.
const SLUG_BYTES: usize = 32;

const ROOM_FULL: ApiError = ApiError::new(StatusCode::CONFLICT, "room_full", "the room is full");
const BAD_NAME: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_name", "a name has 1 to 64 letters and at most 256 bytes");
const BAD_IDENTITY: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_identity", "an identity has 1 to 256 bytes of plain text");
const NO_GUESTS: ApiError =
    ApiError::new(StatusCode::FORBIDDEN, "guests_not_allowed", "this server lets nobody in without a token");
const RATE_LIMITED: ApiError =
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "too many rooms were made in the last minute")
        .after_s(60);
const TOO_MANY_ROOMS: ApiError =
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_rooms", "this server has no place for another room");
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/info", get(info))
        .route("/api/rooms", post(create).get(list))
        .route("/api/rooms/{id}", get(look))
        .route("/api/rooms/{id}/join", post(join))
}

/// A room as the API shows it.
#[derive(Debug, Serialize)]
struct Room {
    /// Eight letters, or the name SDKs gave it; what tokens call `room`.
    id: String,
    name: String,
    num_participants: usize,
    /// 0 for no bound.
    max_participants: u32,
    /// Cameras each participant receives at most, of those who spoke last; 0 for all.
    last_cameras: u16,
    /// Microphones each participant receives at most, the loudest; 0 for all.
    loudest_microphones: u16,
    /// Milliseconds since 1970.
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    full: Option<bool>,
}

impl Room {
    fn of(status: &RoomStatus) -> Self {
        Self {
            id: status.id.clone(),
            name: status.name.clone(),
            num_participants: status.num_participants(),
            max_participants: status.max_participants(),
            last_cameras: status.limits.last_cameras.unwrap_or(0),
            loudest_microphones: status.limits.loudest_microphones.unwrap_or(0),
            created_at: status.created_at,
            full: None,
        }
    }
}

#[derive(Debug, Serialize)]
struct Info {
    name: &'static str,
    version: &'static str,
    dev: bool,
    accounts: AccountsInfo,
    /// Whether people without an account may make rooms and join them.
    guests: bool,
}

async fn info(State(app): State<Arc<App>>) -> Json<Info> {
    Json(Info {
        name: "sluice",
        version: env!("CARGO_PKG_VERSION"),
        dev: app.config.dev,
        accounts: AccountsInfo::of(&app),
        guests: app.config.open_rooms,
    })
}

#[derive(Debug, Deserialize)]
struct Create {
    #[serde(default)]
    name: Option<String>,
    /// Where the room shall differ from the configuration; 0 for no bound.
    #[serde(default)]
    last_cameras: Option<u16>,
    #[serde(default)]
    loudest_microphones: Option<u16>,
}

async fn create(
    State(app): State<Arc<App>>,
    json: Result<Json<Create>, JsonRejection>,
) -> Result<(StatusCode, Json<Room>), ApiError> {
    let request = body(json)?;
    if !app.config.open_rooms {
        return Err(NO_GUESTS);
    }
    let name = match request.name.as_deref().map(display_name) {
        None | Some(Err(NameError::Empty)) => String::new(),
        Some(Ok(name)) => name,
        Some(Err(NameError::TooLong)) => return Err(BAD_NAME),
    };
    if !app.creations.take() {
        return Err(RATE_LIMITED);
    }
    let id = random_id(ROOM_ID_LETTERS);
    let wish = RoomWish {
        display_name: name,
        last_cameras: request.last_cameras,
        loudest_microphones: request.loudest_microphones,
        ..Default::default()
    };
    let room = app.rooms.open(&id, wish).map_err(|_| TOO_MANY_ROOMS)?;
    app.rooms.written(&id).await.map_err(|_| NOT_WRITTEN)?;
    Ok((StatusCode::CREATED, Json(Room::of(&room.status))))
}

#[derive(Debug, Serialize)]
struct List {
    rooms: Vec<Room>,
}

/// In development mode only: who knows a room's id may enter it.
async fn list(State(app): State<Arc<App>>) -> Result<Json<List>, ApiError> {
    if !app.config.dev {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", "rooms are listed in development mode only"));
    }
    Ok(Json(List { rooms: app.rooms.list().iter().map(|status| Room::of(status)).collect() }))
}

async fn look(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Room>, ApiError> {
    let room = app.rooms.get(&id).ok_or(ROOM_NOT_FOUND)?;
    Ok(Json(Room { full: Some(room.status.is_full()), ..Room::of(&room.status) }))
}

#[derive(Debug, Deserialize)]
struct Join {
    name: String,
    #[serde(default)]
    identity: Option<String>,
}

#[derive(Debug, Serialize)]
struct Joined {
    token: String,
    url: String,
    identity: String,
    room: Room,
}

async fn join(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    json: Result<Json<Join>, JsonRejection>,
) -> Result<Json<Joined>, ApiError> {
    let request = body(json)?;
    if !app.config.open_rooms {
        return Err(NO_GUESTS);
    }
    let room = app.rooms.get(&id).ok_or(ROOM_NOT_FOUND)?;
    let name = display_name(&request.name).map_err(|_| BAD_NAME)?;
    let identity = match request.identity {
        Some(identity) if valid_identity(&identity) => identity,
        Some(_) => return Err(BAD_IDENTITY),
        None => format!("{}-{}", slug(&name), random_id(IDENTITY_LETTERS)),
    };
    if room.status.is_full() {
        return Err(ROOM_FULL);
    }
    let claims = TokenClaims {
        identity: identity.clone(),
        name,
        metadata: String::new(),
        attributes: Default::default(),
        permission: ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            // Raised hands and renames are the guest's own metadata.
            can_update_metadata: true,
            ..Default::default()
        },
        kind: participant_info::Kind::Standard,
        rights: Rights::default(),
    };
    let token = app.keys.sign(&id, &claims).map_err(|error| {
        tracing::error!(%error, "cannot sign a token");
        INTERNAL
    })?;
    Ok(Json(Joined { token, url: url(&app, peer, &headers), identity, room: Room::of(&room.status) }))
}

/// Where the client shall connect: as configured, else where this request came to.
fn url(app: &App, peer: Peer, headers: &HeaderMap) -> String {
    if let Some(url) = &app.config.public_url {
        return url.clone();
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let secure = peer.secure || text("x-forwarded-proto") == Some("https");
    // It goes back to the one who sent it, and nowhere else.
    let host = text(header::HOST.as_str()).unwrap_or("localhost");
    format!("{}://{host}", if secure { "wss" } else { "ws" })
}

/// A name as plain letters: readable in logs of applications, never empty.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if slug.len() >= SLUG_BYTES {
            break;
        }
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    match slug.trim_end_matches('-') {
        "" => "guest".into(),
        slug => slug.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_readable() {
        assert_eq!(slug("Ada Lovelace"), "ada-lovelace");
        assert_eq!(slug("  --  "), "guest");
        assert_eq!(slug("日本"), "guest");
        assert_eq!(slug("é clair!"), "clair");
    }
}
