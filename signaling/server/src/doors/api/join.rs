//! The native API: getting into a room. Who knows its link says a name and is given a token, or waits in the lobby.
//!
//! Who is asked for what: the password those who are not hosts; to wait, where there is a lobby, guests and people of
//! accounts alike. Who shows a token for the room could enter with it, so it is asked for neither.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use livekit_protocol::participant_info;
use serde::{Deserialize, Serialize};
use sluice_rooms::{Moderation, TokenClaims, display_name, valid_identity};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asker::Asker;
use super::lobby::Knocking;
use super::place::Place;
use super::rooms::{BAD_NAME, NO_GUESTS, Room};
use super::{INTERNAL, ROOM_NOT_FOUND, body};
use crate::App;
use crate::doors::Peer;
use crate::doors::error::ApiError;
use crate::doors::knock::Client;
use crate::random::random_id;
use crate::records::{self, Settings, digest};
use crate::roles;
use crate::room::Show;

/// Letters that tell two people of one name apart.
const IDENTITY_LETTERS: usize = 4;
/// Longest name that goes into an identity.
const SLUG_BYTES: usize = 32;

const ROOM_FULL: ApiError = ApiError::new(StatusCode::CONFLICT, "room_full", "the room is full");
const BAD_IDENTITY: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_identity", "an identity has 1 to 256 bytes of plain text");
const IDENTITY_TAKEN: ApiError = ApiError::new(
    StatusCode::CONFLICT,
    "identity_taken",
    "a host of this room has that identity: leave it out, and one of your own is made",
);
const PASSWORD_REQUIRED: ApiError =
    ApiError::new(StatusCode::UNAUTHORIZED, "password_required", "who joins this room has to know its password");
const WRONG_PASSWORD: ApiError =
    ApiError::new(StatusCode::FORBIDDEN, "wrong_password", "that is not the password of this room");
const WRONG_HOST_KEY: ApiError =
    ApiError::new(StatusCode::FORBIDDEN, "wrong_host_key", "that is not the host key of this room");
const ROOM_LOCKED: ApiError =
    ApiError::new(StatusCode::FORBIDDEN, "room_locked", "the room is locked: its host has to unlock it");
const BANNED: ApiError = ApiError::new(StatusCode::FORBIDDEN, "banned", "a host of this room keeps you out");
const SIGN_IN_REQUIRED: ApiError =
    ApiError::new(StatusCode::FORBIDDEN, "sign_in_required", "this room is for people who are signed in");

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(join))
}

/// Who wants in.
#[derive(Deserialize, ToSchema)]
struct Join {
    /// At most 64 letters.
    name: String,
    /// Left out: made of the name. Whoever is in the room under the same is replaced.
    #[serde(default)]
    identity: Option<String>,
    #[serde(default)]
    password: Option<String>,
    /// Makes a host of who has it.
    #[serde(default)]
    host_key: Option<String>,
}

/// A token, and where it is good.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Joined {
    /// A LiveKit token: connect with it within ten minutes.
    token: String,
    /// Where to connect.
    url: String,
    identity: String,
    /// `host`, `participant`, or one of the application's.
    role: String,
    room: Room,
}

/// Not yet.
#[derive(Debug, Serialize, ToSchema)]
struct Wait {
    waiting: Turn,
}

/// A place in the lobby.
#[derive(Debug, Serialize, ToSchema)]
struct Turn {
    /// Ask with it every two seconds: `GET /api/rooms/{id}/lobby/{ticket}`. A secret.
    ticket: String,
    /// From 1.
    position: usize,
}

/// Join a room
///
/// Of those who keep somebody out the first is told: not a guest's room, banned, wrong host key, locked, full, password.
#[utoipa::path(post, path = "/api/rooms/{id}/join", tag = "rooms", params(("id" = String, Path, description = "The room")),
    request_body = Join, responses(
        (status = 200, body = Joined),
        (status = 202, description = "A host has to let you in", body = Wait),
        (status = 400, description = "`bad_name`, `bad_identity`"),
        (status = 401, description = "`password_required`"),
        (status = 403, description = "`wrong_password`, `wrong_host_key`, `room_locked`, `banned`, `sign_in_required`, `guests_not_allowed`"),
        (status = 404, description = "`room_not_found`"),
        (status = 409, description = "`room_full`, `identity_taken`, `too_many` in the lobby"),
        (status = 429, description = "`rate_limited`: too many wrong passwords"),
    ))]
async fn join(
    State(app): State<Arc<App>>,
    asker: Option<Asker>,
    Path(id): Path<String>,
    Extension(peer): Extension<Peer>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    json: Result<Json<Join>, JsonRejection>,
) -> Result<Response, ApiError> {
    let request = body(json)?;
    let place = Place::find(&app, &id).await?;
    // Without a record only those who run the server have said whether strangers may come.
    if !app.config.open_rooms && place.as_ref().is_none_or(|place| place.record.is_none()) {
        return Err(NO_GUESTS);
    }
    let mut place = place.ok_or(ROOM_NOT_FOUND)?;
    let name = display_name(&request.name).map_err(|_| BAD_NAME)?;
    let stay = asker.as_ref().and_then(|asker| asker.stay_in(&id));
    let identity = match request.identity {
        Some(identity) if valid_identity(&identity) => identity,
        Some(_) => return Err(BAD_IDENTITY),
        None => format!("{}-{}", slug(&name), random_id(IDENTITY_LETTERS)),
    };
    // A token for the room vouches for its own identity alone.
    let returning = stay.filter(|stay| stay.identity == identity);
    let is_over = asker.as_ref().is_some_and(|asker| asker.is_over(&id) && !asker.is_developer());
    let is_guest = returning.is_none() && !is_over && !asker.as_ref().is_some_and(Asker::is_signed_in);
    if is_guest && place.record.as_ref().is_some_and(|record| !record.guests) {
        return Err(SIGN_IN_REQUIRED);
    }
    if records::kept_out(&app, &id, &identity, returning.map(|stay| stay.signed_at_s))
        .await?
        .is_some()
    {
        return Err(BANNED);
    }

    let is_host =
        is_over || owns(asker.as_ref(), &place) || host_key(&app, client, &place, request.host_key.as_deref())?;
    let wanted = identity.clone();
    let there = place.ask(&app, move |room| room.rights_of(&wanted)).await.flatten();
    if there.is_some_and(|rights| rights.room_admin) && returning.is_none() && !is_host {
        return Err(IDENTITY_TAKEN);
    }
    let (entry, is_full) = match &place.live {
        Some(live) => (place.ask(&app, |room| room.entry()).await.unwrap_or_default(), live.status.is_full()),
        None => (place.record.as_ref().map(records::entry).unwrap_or_default(), false),
    };
    if entry.locked && !is_host && there.is_none() {
        return Err(ROOM_LOCKED);
    }
    if is_full && there.is_none() {
        return Err(ROOM_FULL);
    }
    if !is_host && returning.is_none() {
        password(&app, client, &place, request.password.as_deref()).await?;
    }

    let role = match (is_host, returning) {
        (true, _) => roles::HOST.to_owned(),
        // What it became here counts, and what its token says of it.
        (false, Some(_)) => role_there(&app, &place, &identity).await,
        (false, None) => default_role(&place),
    };
    place.opened(&app)?;
    if let Some(record) = &place.record {
        records::prolong(&app, record).await;
    }
    let knocking = Knocking { room: id.clone(), identity, name, role };
    if entry.lobby && !is_host && returning.is_none() {
        let (ticket, position) = wait(&app, knocking).await?;
        return Ok((StatusCode::ACCEPTED, Json(Wait { waiting: Turn { ticket, position } })).into_response());
    }
    let url = url(&app, peer, &headers);
    Ok(Json(joined(&app, &place, knocking, url).await?).into_response())
}

/// Whether the room is its asker's own.
fn owns(asker: Option<&Asker>, place: &Place) -> bool {
    let owner = place.record.as_ref().and_then(|record| record.created_by.as_deref());
    asker.and_then(Asker::account).is_some_and(|account| owner == Some(account))
}

/// Whether that is the room's host key. A wrong one is refused rather than passed over: its bearer means to be host.
fn host_key(app: &App, client: Client, place: &Place, shown: Option<&str>) -> Result<bool, ApiError> {
    let Some(shown) = shown else { return Ok(false) };
    let attempt = app.gate.guess(client.address(), &place.id)?;
    let kept = place.record.as_ref().and_then(|record| Settings::of(record).host_key);
    let shown = digest(shown);
    let is_right = kept.is_some_and(|kept| {
        aws_lc_rs::constant_time::verify_slices_are_equal(kept.as_bytes(), shown.as_bytes()).is_ok()
    });
    match is_right {
        true => {
            attempt.was_right();
            Ok(true)
        }
        false => Err(WRONG_HOST_KEY),
    }
}

/// Whether the password is right, where there is one. Counted before it is looked at, so that many at once are as slow as
/// one after the other.
async fn password(app: &App, client: Client, place: &Place, shown: Option<&str>) -> Result<(), ApiError> {
    let Some(hash) = place.record.as_ref().and_then(|record| record.password_hash.as_ref()) else { return Ok(()) };
    let shown = shown.filter(|shown| !shown.is_empty()).ok_or(PASSWORD_REQUIRED)?;
    let attempt = app.gate.guess(client.address(), &place.id)?;
    match hash.matches(shown).await {
        Ok(true) => {
            attempt.was_right();
            Ok(())
        }
        Ok(false) => Err(WRONG_PASSWORD),
        Err(_) => Err(INTERNAL),
    }
}

async fn role_there(app: &App, place: &Place, identity: &str) -> String {
    let identity = identity.to_owned();
    let role = place.ask(app, move |room| room.role_of(&identity).map(str::to_owned)).await.flatten();
    role.filter(|role| app.roles.powers(role).is_some())
        .unwrap_or_else(|| default_role(place))
}

fn default_role(place: &Place) -> String {
    let roles = place.record.as_ref().map(|record| record.default_roles.as_slice()).unwrap_or_default();
    roles.first().cloned().unwrap_or_else(|| roles::PARTICIPANT.to_owned())
}

/// Stands in line.
async fn wait(app: &App, knocking: Knocking) -> Result<(String, usize), ApiError> {
    let ticket = random_id(super::lobby::TICKET_LETTERS);
    let Knocking { room, identity, name, .. } = knocking.clone();
    let knock = Moderation::Knock { ticket: ticket.clone(), identity, name };
    app.rooms.administer(&room, Some(knock), Show::Room).await?;
    app.knocks.note(ticket.clone(), knocking);
    let asked = ticket.clone();
    let standing = app.rooms.look(&room, move |room| room.standing_of(&asked)).await;
    let position = match standing {
        Some(sluice_rooms::Standing::Waiting { position }) => position,
        // Let in by now: the next question is answered so.
        _ => 1,
    };
    Ok((ticket, position))
}

/// A token for who may enter.
pub(super) async fn joined(app: &App, place: &Place, who: Knocking, url: String) -> Result<Joined, ApiError> {
    let Knocking { identity, name, role, .. } = who;
    let powers = app.roles.powers(&role).or_else(|| app.roles.powers(roles::PARTICIPANT)).ok_or(INTERNAL)?;
    let claims = TokenClaims {
        identity: identity.clone(),
        name,
        metadata: String::new(),
        attributes: [(sluice_rooms::ROLE_ATTRIBUTE.to_owned(), role.clone())].into(),
        permission: powers.permission.clone(),
        kind: participant_info::Kind::Standard,
        rights: powers.rights,
    };
    let token = app.keys.sign(&place.id, &claims).map_err(|error| {
        tracing::error!(%error, "cannot sign a token");
        INTERNAL
    })?;
    Ok(Joined { token, url, identity, role, room: Room::of(app, place).await })
}

/// Where the client shall connect: as configured, else where this request came to.
pub(super) fn url(app: &App, peer: Peer, headers: &HeaderMap) -> String {
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
