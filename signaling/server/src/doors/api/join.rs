//! The native API: getting into a room. Who knows its link says a name and is given a token, or waits in the lobby.
//!
//! Who is asked for what: the password those who are not hosts; to wait, where there is a lobby, guests and people of
//! accounts alike. Who was in this session of the room and shows it is asked for neither, and alone says itself who it is:
//! everybody in a room reads everybody's identity. What an account is by its role it is in every room that lets it in, unless a
//! host there made something else of it.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use livekit_protocol::participant_info;
use serde::{Deserialize, Serialize};
use sluice_rooms::{
    CONSENT_ATTRIBUTE, Moderation, ROLE_ATTRIBUTE, TokenClaims, USER_ATTRIBUTE, display_name, valid_identity,
};
use sluice_store::User;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asker::{Asker, own_role};
use super::lobby::Knocking;
use super::place::Place;
use super::rooms::{BAD_NAME, NO_GUESTS, Room};
use super::{INTERNAL, PASSWORDS_BUSY, ROOM_NOT_FOUND, body};
use crate::App;
use crate::auth::now_s;
use crate::clock::moment;
use crate::doors::Peer;
use crate::doors::error::ApiError;
use crate::doors::knock::Client;
use crate::random::random_id;
use crate::records::{self, KeptOut, Settings, digest};
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
    "somebody in this room has that identity: leave it out, and one of your own is made; or show your `return_key`",
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

const CONSENT_REQUIRED: ApiError = ApiError::new(
    StatusCode::CONFLICT,
    "consent_required",
    "who joins this room agrees to be recorded: join with `consents_to_recording`, or not at all",
);

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(join))
}

/// Who wants in.
#[derive(Deserialize, ToSchema)]
struct Join {
    /// At most 64 letters.
    name: String,
    /// Of hosts, and of who shows to have been in the room under it (`return_key`, or a participant's token); of all others
    /// it is not taken, and one is made of the name.
    #[serde(default)]
    identity: Option<String>,
    /// Of the same identity, from joining before: its bearer comes back, is asked for no password and does not wait.
    #[serde(default)]
    return_key: Option<String>,
    #[serde(default)]
    password: Option<String>,
    /// Makes a host of who has it.
    #[serde(default)]
    host_key: Option<String>,
    /// Agrees to be recorded. Written down; needed where the room `asks_consent`.
    #[serde(default)]
    consents_to_recording: bool,
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
    /// To be the same person after a reload, as long as this session of the room goes on. A secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    return_key: Option<String>,
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
/// Of those who keep somebody out the first is told: wrong host key, banned, identity taken, not a guest's room, locked, full,
/// password, consent.
#[utoipa::path(post, path = "/api/rooms/{id}/join", tag = "rooms", params(("id" = String, Path, description = "The room")),
    request_body = Join, responses(
        (status = 200, body = Joined),
        (status = 202, description = "A host has to let you in", body = Wait),
        (status = 400, description = "`bad_name`, `bad_identity`"),
        (status = 401, description = "`password_required`"),
        (status = 403, description = "`wrong_password`, `wrong_host_key`, `room_locked`, `banned`, `sign_in_required`, `guests_not_allowed`"),
        (status = 404, description = "`room_not_found`"),
        (status = 409, description = "`room_full`, `identity_taken`, `consent_required`, `too_many` in the lobby"),
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
    if request.identity.as_deref().is_some_and(|identity| !valid_identity(identity)) {
        return Err(BAD_IDENTITY);
    }
    let is_developer = asker.as_ref().is_some_and(Asker::is_developer);
    let is_over = asker.as_ref().is_some_and(|asker| asker.is_over(&id) && !is_developer);
    let is_host =
        is_over || owns(asker.as_ref(), &place) || host_key(&app, client, &place, request.host_key.as_deref())?;
    let stay = asker.as_ref().and_then(|asker| asker.stay_in(&id));
    let own_account = asker.as_ref().and_then(Asker::account);
    let account = own_account.or(stay.and_then(|stay| stay.account));
    // Before anything it is here: that its last identity is kept out says nothing of its next one.
    if records::account_is_kept_out(&app, &id, account).await? {
        return Err(BANNED);
    }
    let (asked, is_there) = match request.identity {
        Some(asked) => {
            let wanted = asked.clone();
            let there = place.ask(&app, move |room| room.rights_of(&wanted)).await.flatten();
            (Some(asked), there.is_some())
        }
        None => (None, false),
    };
    // Who shows to have been in this session under the identity comes back; when what it shows was signed.
    let shown = match (&asked, stay) {
        (None, _) => None,
        // A token alone shows it while its bearer is here, or it would renew itself for ever.
        (Some(asked), Some(stay)) if stay.identity == asked && is_there => Some(stay.signed_at_s),
        (Some(asked), _) => returning(&app, &place, request.return_key.as_deref(), asked).await,
    };
    let returning = match &asked {
        None => None,
        Some(asked) => match records::kept_out(&app, &id, asked, account, shown).await? {
            Some(KeptOut::Banned) => return Err(BANNED),
            // Sent away since: it may come as somebody new.
            Some(KeptOut::Revoked) => None,
            None => shown,
        },
    };
    if is_there && returning.is_none() && !is_host {
        return Err(IDENTITY_TAKEN);
    }
    // Nobody else says who it is: an identity that is free now may be somebody's who comes in a moment, and a token for it
    // would be worth what that one becomes.
    let says_who = returning.is_some() || is_host || is_developer;
    let is_there = is_there && says_who;
    let identity = asked
        .filter(|_| says_who)
        .unwrap_or_else(|| format!("{}-{}", slug(&name), random_id(IDENTITY_LETTERS)));
    let is_guest = returning.is_none() && !is_over && !asker.as_ref().is_some_and(Asker::is_signed_in);
    if is_guest && place.record.as_ref().is_some_and(|record| !record.guests) {
        return Err(SIGN_IN_REQUIRED);
    }
    let (entry, is_full) = match &place.live {
        Some(live) => (place.ask(&app, |room| room.entry()).await.unwrap_or_default(), live.status.is_full()),
        None => (place.record.as_ref().map(records::entry).unwrap_or_default(), false),
    };
    if entry.locked && !is_host && !is_there {
        return Err(ROOM_LOCKED);
    }
    if is_full && !is_there {
        return Err(ROOM_FULL);
    }
    if !is_host && returning.is_none() {
        password(&app, client, &place, request.password.as_deref()).await?;
    }
    // Of hosts and of those who come back as well: they are heard and seen like everybody else.
    if place.asks_consent() && !request.consents_to_recording {
        return Err(CONSENT_REQUIRED);
    }
    let consented = request.consents_to_recording.then(moment);

    let role_here = match (is_host, returning) {
        (true, _) => Some(roles::HOST.to_owned()),
        // What it became here counts, and what its token says of it.
        (false, Some(_)) => role_there(&app, &place, &identity).await,
        (false, None) => None,
    };
    let role = match role_here {
        Some(role) => role,
        None => role_anew(&app, &place, asker.as_ref().and_then(Asker::user)).await,
    };
    // Who comes back is who it was; to be somebody new with an account takes signing in.
    let account = if returning.is_some() { account } else { own_account }.map(str::to_owned);
    place.opened(&app)?;
    let knocking = Knocking { room: id.clone(), identity, name, role, account, consented };
    if entry.lobby && !is_host && returning.is_none() {
        let (ticket, position) = wait(&app, knocking).await?;
        return Ok((StatusCode::ACCEPTED, Json(Wait { waiting: Turn { ticket, position } })).into_response());
    }
    // Not for who only knocks: a stranger would keep a room for ever.
    if let Some(record) = &place.record {
        records::prolong(&app, record).await;
    }
    let url = url(&app, peer, &headers);
    Ok(Json(joined(&app, &place, knocking, url).await?).into_response())
}

/// When a return key was given, if it is one of this identity in the session that goes on.
async fn returning(app: &App, place: &Place, key: Option<&str>, identity: &str) -> Option<u64> {
    let key = key?;
    let session = place.ask(app, |room| room.sid().to_string()).await?;
    app.return_keys.read(key, &session, identity)
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
        Err(_) => Err(PASSWORDS_BUSY),
    }
}

async fn role_there(app: &App, place: &Place, identity: &str) -> Option<String> {
    let identity = identity.to_owned();
    let role = place.ask(app, move |room| room.role_of(&identity).map(str::to_owned)).await.flatten();
    role.filter(|role| app.roles.powers(role).is_some())
}

/// What somebody is who comes as somebody new, with this account or none. What a host made of the account since the room is
/// open counts more than what it is elsewhere; where it was sent away, it is nothing special.
pub(super) async fn role_anew(app: &App, place: &Place, user: Option<&User>) -> String {
    let given = match user {
        None => None,
        Some(user) => {
            let account = user.id.to_string();
            place
                .ask(app, move |room| room.role_given_to(&account).map(str::to_owned))
                .await
                .flatten()
        }
    };
    let role = match given {
        Some(given) => Some(given).filter(|role| app.roles.powers(role).is_some()),
        None => user.and_then(|user| own_role(user, &app.roles)).map(str::to_owned),
    };
    role.unwrap_or_else(|| default_role(place))
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
    let Knocking { identity, name, role, account, consented, .. } = who;
    let consented = consented.map(|at| at.0.to_string());
    let powers = app.roles.powers(&role).or_else(|| app.roles.powers(roles::PARTICIPANT)).ok_or(INTERNAL)?;
    let claims = TokenClaims {
        identity: identity.clone(),
        name,
        metadata: String::new(),
        attributes: [(ROLE_ATTRIBUTE, Some(role.clone())), (USER_ATTRIBUTE, account), (CONSENT_ATTRIBUTE, consented)]
            .into_iter()
            .filter_map(|(attribute, value)| Some((attribute.to_owned(), value?)))
            .collect(),
        permission: powers.permission.clone(),
        kind: participant_info::Kind::Standard,
        rights: powers.rights,
    };
    let token = app.keys.sign(&place.id, &claims).map_err(|error| {
        tracing::error!(%error, "cannot sign a token");
        INTERNAL
    })?;
    let session = place.ask(app, |room| room.sid().to_string()).await;
    let return_key = session.map(|session| app.return_keys.give(&session, &identity, now_s()));
    Ok(Joined { token, url, identity, role, return_key, room: Room::of(app, place).await })
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
