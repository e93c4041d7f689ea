//! The native API: what hosts do with people in a room, who is kept out of it, and raised hands.
//!
//! The room carries it out; what has to hold after its end (bans, tokens that open nothing any more) is the store's.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use livekit_protocol::{ParticipantInfo, TrackSource};
use serde::{Deserialize, Serialize};
use sluice_rooms::{Moderation, valid_identity};
use sluice_store::{BanId, BanSubject, Identity, RoomName, StoreError, UnixMillis, UserId};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asker::{Asker, NOT_PERMITTED};
use super::body;
use super::place::{Host, NOBODY, Rank, rank};
use super::rooms::UNKNOWN_ROLE;
use crate::App;
use crate::clock::moment;
use crate::doors::error::ApiError;
use crate::random::random_id;
use crate::roles;
use crate::room::{AdministerError, Show};
use crate::trail::Whence;

/// Letters of a ban's id.
const BAN_ID_LETTERS: usize = 12;
/// Bans in a list at most.
const LISTED: u32 = 1_000;
/// Longest reason, in bytes.
const REASON_BYTES: usize = 512;

const WHICH_TRACK: ApiError = ApiError::new(
    StatusCode::BAD_REQUEST,
    "bad_source",
    "say which track: `track_sid`, or `source` (`microphone`, `camera`, `screen_share` or `screen_share_audio`)",
);
const BAD_REASON: ApiError = ApiError::new(StatusCode::BAD_REQUEST, "bad_reason", "a reason has at most 512 bytes");
const BAN_NOT_FOUND: ApiError =
    ApiError::new(StatusCode::NOT_FOUND, "ban_not_found", "nobody is kept out of this room by that ban");
const BAD_QUERY: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_query", "`limit` is a number, `after` the `next` of the list before");
const BAD_CURSOR: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_after", "`after` is the `next` of the list before");
const BANS_FULL: ApiError = ApiError::new(
    StatusCode::CONFLICT,
    "too_many_bans",
    "this room keeps as many people out as it can: lift bans, lock it, or give it a lobby",
);

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(mute))
        .routes(routes!(ask_to_unmute))
        .routes(routes!(remove))
        .routes(routes!(set_role))
        .routes(routes!(set_hand))
        .routes(routes!(mute_all))
        .routes(routes!(bans))
        .routes(routes!(lift_ban))
}

/// Which of somebody's tracks.
#[derive(Debug, Deserialize, ToSchema)]
struct Which {
    #[serde(default)]
    track_sid: Option<String>,
    /// `microphone`, `camera`, `screen_share` or `screen_share_audio`.
    #[serde(default)]
    source: Option<String>,
}

impl Which {
    fn of(&self, publisher: &ParticipantInfo) -> Result<String, ApiError> {
        let mut tracks = publisher.tracks.iter();
        let found = match (&self.track_sid, &self.source) {
            (Some(sid), _) => tracks.find(|track| track.sid == *sid),
            (None, Some(source)) => {
                let source = TrackSource::from_str_name(&source.to_uppercase()).ok_or(WHICH_TRACK)?;
                tracks.find(|track| track.source() == source)
            }
            (None, None) => return Err(WHICH_TRACK),
        };
        found.map(|track| track.sid.clone()).ok_or(NOBODY)
    }
}

/// Mute somebody
///
/// For hosts. Nobody is unmuted by others: ask it to.
#[utoipa::path(post, path = "/api/rooms/{id}/participants/{identity}/mute", tag = "moderation", request_body = Which,
    params(("id" = String, Path, description = "The room"), ("identity" = String, Path, description = "Whom")),
    responses(
        (status = 204, description = "Muted"),
        (status = 400, description = "`bad_source`"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`, `participant_not_found`"),
    ))]
async fn mute(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path((id, identity)): Path<(String, String)>,
    json: Result<Json<Which>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    let which = body(json)?;
    let host = Host::at(app, asker, whence, &id, "participant.mute").await?;
    let track = which.of(&host.place.participant(&host.app, &identity).await?)?;
    let deed = host.deed("participant.mute").to(&identity).with(track.clone());
    let mute = Moderation::MuteTrack { identity, track: track.as_str().into(), muted: true };
    host.moderate(deed, mute).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask somebody to unmute
///
/// For hosts. The client shows who asks, and whoever was asked decides.
#[utoipa::path(post, path = "/api/rooms/{id}/participants/{identity}/ask-to-unmute", tag = "moderation",
    request_body = Which,
    params(("id" = String, Path, description = "The room"), ("identity" = String, Path, description = "Whom")),
    responses(
        (status = 204, description = "Asked"),
        (status = 400, description = "`bad_source`"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`, `participant_not_found`"),
    ))]
async fn ask_to_unmute(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path((id, identity)): Path<(String, String)>,
    json: Result<Json<Which>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    let which = body(json)?;
    let host = Host::at(app, asker, whence, &id, "participant.ask_to_unmute").await?;
    let track = which.of(&host.place.participant(&host.app, &identity).await?)?;
    let by = host.asker.identity_in(&id).unwrap_or_default().to_owned();
    let deed = host.deed("participant.ask_to_unmute").to(&identity).with(track.clone());
    let ask = Moderation::AskToUnmute { identity, track: track.as_str().into(), by };
    host.moderate(deed, ask).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How somebody goes.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct Removal {
    /// For good, until the ban is lifted or the room forgotten. It need not be there.
    #[serde(default)]
    keep_out: bool,
    /// For other hosts; at most 512 bytes.
    #[serde(default)]
    reason: Option<String>,
}

/// Send somebody away, for now or for good
///
/// For hosts. No token that was signed until now opens this room to it any more. With `keep_out` no token does: neither
/// after the room has ended nor after the server was started anew. Who came by an account is sent away with whatever that
/// is here: until the room ends it comes back as nobody special, and with `keep_out` as nobody at all. Only whose room it is
/// and administrators are kept out by their identity alone.
#[utoipa::path(post, path = "/api/rooms/{id}/participants/{identity}/remove", tag = "moderation", request_body = Removal,
    params(("id" = String, Path, description = "The room"), ("identity" = String, Path, description = "Whom")),
    responses(
        (status = 204, description = "Gone"),
        (status = 400, description = "`bad_reason`"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`, `participant_not_found`"),
        (status = 409, description = "`too_many_bans`: with `keep_out`, when the room has 1000"),
    ))]
async fn remove(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path((id, identity)): Path<(String, String)>,
    json: Result<Json<Removal>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    let Removal { keep_out, reason } = body(json)?;
    let reason = reason.unwrap_or_default();
    if reason.len() > REASON_BYTES {
        return Err(BAD_REASON);
    }
    let host = Host::at(app.clone(), asker, whence, &id, "participant.remove").await?;
    if !valid_identity(&identity) {
        return Err(NOBODY);
    }
    if !keep_out {
        host.place.participant(&app, &identity).await?;
    }
    let what = if keep_out { "participant.keep_out" } else { "participant.remove" };
    let deed = host.deed(what).to(&identity).with(reason.clone());
    let act = async {
        // What lasts first: who is sent away and is back at once must find the door shut.
        shut(&host, &identity, keep_out.then_some(reason)).await?;
        let removal = Moderation::RemoveParticipant { identity: identity.clone(), revoke_before_s: None, keep_out };
        match app.rooms.administer(&id, Some(removal), Show::Room).await {
            Err(error) if keep_out && error.is_over() => Ok(()),
            done => Ok(done.map(drop)?),
        }
    };
    app.trail.carry_out::<_, ApiError>(deed, act).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes somebody's tokens worthless, and with a reason keeps it out: with its account, and all that this was here.
async fn shut(host: &Host, identity: &str, ban: Option<String>) -> Result<(), ApiError> {
    let now = moment();
    let account = match ban {
        Some(_) => account_to_keep_out(host, identity).await?,
        None => None,
    };
    let others = match account.clone() {
        Some(account) => host.place.ask(&host.app, move |room| room.identities_of(account.as_str())).await,
        None => None,
    };
    let (room, subject) = (RoomName::from(host.place.id.as_str()), Identity::from(identity));
    // A token says its time in seconds: one signed within this second may be the one it has.
    let not_before = UnixMillis((now.0 / 1000 + 1) * 1000);
    let mut transaction = host.app.store.begin().await?;
    let expires = now.plus(host.app.config.max_token_life);
    transaction.raise_token_floor(&room, &subject, not_before, expires).await?;
    for other in others.unwrap_or_default() {
        transaction.raise_token_floor(&room, &other.into(), not_before, expires).await?;
    }
    if let Some(reason) = ban {
        let ban = sluice_store::Ban {
            id: BanId::from(random_id(BAN_ID_LETTERS)),
            room: Some(room),
            subject: BanSubject::Identity(subject),
            account,
            reason,
            banned_by: host.asker.name(),
            created: now,
            expires: None,
        };
        transaction.ban(&ban).await.map_err(|error| match error {
            StoreError::TooMany { .. } => BANS_FULL,
            error => error.into(),
        })?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Whose account somebody is who is in the open room or was: it is kept out as well. Not that of who could let itself in again.
async fn account_to_keep_out(host: &Host, identity: &str) -> Result<Option<UserId>, ApiError> {
    let identity = identity.to_owned();
    let account = host.place.ask(&host.app, move |room| room.account_of(&identity).map(str::to_owned));
    let Some(account) = account.await.flatten().map(UserId::from) else { return Ok(None) };
    let owner = host.place.record.as_ref().and_then(|record| record.created_by.as_deref());
    if owner == Some(account.as_str()) {
        return Ok(None);
    }
    let user = host.app.store.user(&account).await?;
    let is_admin = user.is_some_and(|user| user.roles.iter().any(|role| role == roles::ADMIN));
    Ok((!is_admin).then_some(account))
}

/// A role.
#[derive(Debug, Deserialize, ToSchema)]
struct NewRole {
    /// `host`, `participant`, or one of the application's.
    role: String,
}

/// Give somebody a role
///
/// For hosts, who give no role above their own at this moment, and take none from who has a higher one. It counts at once, with
/// the token somebody has.
#[utoipa::path(post, path = "/api/rooms/{id}/participants/{identity}/role", tag = "moderation", request_body = NewRole,
    params(("id" = String, Path, description = "The room"), ("identity" = String, Path, description = "Whom")),
    responses(
        (status = 204, description = "It is that now"),
        (status = 400, description = "`unknown_role`"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`, `participant_not_found`"),
    ))]
async fn set_role(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path((id, identity)): Path<(String, String)>,
    json: Result<Json<NewRole>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    let NewRole { role } = body(json)?;
    let host = Host::at(app.clone(), asker, whence, &id, "participant.role").await?;
    // What an administrator is, it is everywhere: no room makes one.
    let powers = app.roles.powers(&role).filter(|_| role != roles::ADMIN).ok_or(UNKNOWN_ROLE)?;
    let deed = host.deed("participant.role").to(&identity).with(role.clone());
    let whom = identity.clone();
    let present = host
        .place
        .ask(&app, move |room| room.rights_of(&whom))
        .await
        .flatten()
        .unwrap_or_default();
    if !host.is_up_to(powers.rights) || !host.is_up_to(present) {
        app.trail.refused(&deed).await;
        return Err(NOT_PERMITTED);
    }
    let (permission, rights) = (powers.permission.clone(), powers.rights);
    host.moderate(deed, Moderation::SetRole { identity, role, permission, rights }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A hand.
#[derive(Debug, Deserialize, ToSchema)]
struct Hand {
    raised: bool,
}

/// Raise or lower a hand
///
/// One's own; a host anybody's. Others see it as the attribute `sluice.hand`: since when, in Unix milliseconds.
#[utoipa::path(post, path = "/api/rooms/{id}/participants/{identity}/hand", tag = "moderation", request_body = Hand,
    params(("id" = String, Path, description = "The room"), ("identity" = String, Path, description = "Whose")),
    responses(
        (status = 204, description = "So it is"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`, `participant_not_found`"),
    ))]
async fn set_hand(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path((id, identity)): Path<(String, String)>,
    json: Result<Json<Hand>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    let Hand { raised } = body(json)?;
    let hand = Moderation::SetHand { identity: identity.clone(), raised };
    if asker.identity_in(&id) == Some(&identity) && rank(&app, &asker, &id).await? != Rank::Stranger {
        match app.rooms.administer(&id, Some(hand), Show::Room).await {
            Err(AdministerError::NoRoom) => return Err(NOBODY),
            done => done?,
        };
    } else {
        let host = Host::at(app, asker, whence, &id, "participant.hand").await?;
        host.moderate(host.deed("participant.hand").to(&identity), hand).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Mute everybody
///
/// For hosts: every microphone but those of hosts.
#[utoipa::path(post, path = "/api/rooms/{id}/mute-all", tag = "moderation",
    params(("id" = String, Path, description = "The room")),
    responses(
        (status = 204, description = "Muted"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`"),
        (status = 409, description = "`room_not_open`"),
    ))]
async fn mute_all(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let host = Host::at(app, asker, whence, &id, "room.mute_all").await?;
    host.moderate(host.deed("room.mute_all"), Moderation::MuteAll { except: Vec::new() })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is kept out.
#[derive(Debug, Serialize, ToSchema)]
struct Bans {
    bans: Vec<Ban>,
    /// There are more: give it as `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// Those that follow: the `next` of the list before.
    after: Option<String>,
    /// 1 to 1000, and 1000 when it is left out.
    limit: Option<u32>,
}

/// Where a list ends: when its last ban was made, and its id.
fn cursor(ban: &sluice_store::Ban) -> String {
    format!("{}-{}", ban.created.0, ban.id)
}

fn after(cursor: &str) -> Result<(UnixMillis, BanId), ApiError> {
    let (at, id) = cursor.split_once('-').ok_or(BAD_CURSOR)?;
    Ok((UnixMillis(at.parse().map_err(|_| BAD_CURSOR)?), BanId::from(id)))
}

/// Somebody who is kept out.
#[derive(Debug, Serialize, ToSchema)]
struct Ban {
    id: String,
    /// By what it is known: `identity`, `user` or `address`.
    kind: &'static str,
    /// Its identity, its account, or the hash of its address.
    subject: String,
    /// The account behind the identity is kept out with it, and let in with it.
    with_account: bool,
    reason: String,
    banned_by: String,
    /// Unix milliseconds.
    created_at: i64,
    /// The same; `null`: until it is lifted.
    expires_at: Option<i64>,
}

impl Ban {
    fn of(ban: sluice_store::Ban) -> Self {
        let (kind, subject) = match ban.subject {
            BanSubject::Identity(identity) => ("identity", identity.to_string()),
            BanSubject::User(user) => ("user", user.to_string()),
            BanSubject::Address(hash) => ("address", hash),
        };
        Self {
            id: ban.id.to_string(),
            kind,
            subject,
            with_account: ban.account.is_some(),
            reason: ban.reason,
            banned_by: ban.banned_by,
            created_at: ban.created.0,
            expires_at: ban.expires.map(|at| at.0),
        }
    }
}

/// Who is kept out of a room
///
/// For hosts, the newest first.
#[utoipa::path(get, path = "/api/rooms/{id}/bans", tag = "moderation",
    params(("id" = String, Path, description = "The room"), Page),
    responses(
        (status = 200, body = Bans),
        (status = 400, description = "`bad_after`, `bad_query`"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`"),
    ))]
async fn bans(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
    query: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Bans>, ApiError> {
    let Query(page) = query.map_err(|_| BAD_QUERY)?;
    let limit = page.limit.unwrap_or(LISTED).clamp(1, LISTED);
    let last = page.after.as_deref().map(after).transpose()?;
    let host = Host::at(app, asker, whence, &id, "ban.look").await?;
    let last = last.as_ref().map(|(at, id)| (*at, id));
    let bans = host.app.store.bans(Some(&id.as_str().into()), last, limit).await?;
    let is_whole = u32::try_from(bans.len()).is_ok_and(|length| length < limit);
    let next = bans.last().filter(|_| !is_whole).map(cursor);
    Ok(Json(Bans { bans: bans.into_iter().map(Ban::of).collect(), next }))
}

/// Let somebody in again
///
/// For hosts. Its tokens from before stay worthless: it joins anew.
#[utoipa::path(delete, path = "/api/rooms/{id}/bans/{ban}", tag = "moderation",
    params(("id" = String, Path, description = "The room"), ("ban" = String, Path, description = "Which")),
    responses(
        (status = 204, description = "Lifted"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`, `ban_not_found`"),
    ))]
async fn lift_ban(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path((id, ban)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let host = Host::at(app.clone(), asker, whence, &id, "ban.lift").await?;
    // By its id alone a host could lift another room's.
    let known = app.store.ban(&id.as_str().into(), &ban.as_str().into()).await?.ok_or(BAN_NOT_FOUND)?;
    let Ban { subject, .. } = Ban::of(known.clone());
    let act = async {
        let mut transaction = app.store.begin().await?;
        transaction.lift_ban(&known.id).await?;
        transaction.commit().await?;
        if let BanSubject::Identity(identity) = &known.subject {
            let readmit = Moderation::Readmit { identity: identity.to_string() };
            // The room may not be open, or not remember it.
            let _ = app.rooms.administer(&id, Some(readmit), Show::Room).await;
        }
        Ok::<_, ApiError>(())
    };
    app.trail.carry_out(host.deed("ban.lift").to(&subject), act).await?;
    Ok(StatusCode::NO_CONTENT)
}
