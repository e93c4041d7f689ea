//! The native API: the lobby. Who waits asks where it stands; hosts let in, or do not.
//!
//! The room holds the line and decides. Here is only whom a ticket belongs to: a token is made for it once it is let in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use serde::Serialize;
use sluice_rooms::{Moderation, Standing};
use sluice_store::UnixMillis;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asker::Asker;
use super::join::{Joined, joined, role_anew, url};
use super::place::{Host, Place};
use crate::App;
use crate::doors::Peer;
use crate::doors::error::ApiError;
use crate::records;
use crate::room::Show;
use crate::trail::Whence;

/// Letters of a ticket: who has it is let in with it.
pub(super) const TICKET_LETTERS: usize = 22;
/// Longer than a room remembers anybody at its door who does not ask any more.
const LIFE: Duration = Duration::from_secs(300);
/// Tickets that are remembered, some hundred bytes each; of more the oldest goes first.
const TICKETS: usize = 16 * 1024;

const TICKET_NOT_FOUND: ApiError = ApiError::new(
    StatusCode::NOT_FOUND,
    "ticket_not_found",
    "nobody waits with this ticket, or not any more: ask to join again",
);

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(line))
        .routes(routes!(admit_all))
        .routes(routes!(stand, withdraw))
        .routes(routes!(admit))
        .routes(routes!(refuse))
}

/// Somebody at the door of a room.
#[derive(Debug, Clone)]
pub(super) struct Knocking {
    pub(super) room: String,
    pub(super) identity: String,
    pub(super) name: String,
    /// What it would be now. Made anew when it is let in.
    pub(super) role: String,
    /// The id of its account, where it showed one.
    pub(super) account: Option<String>,
    /// When it agreed to be recorded, if it did.
    pub(super) consented: Option<UnixMillis>,
}

/// Whose tickets are.
#[derive(Default)]
pub(crate) struct Knocks(Mutex<HashMap<String, (Instant, Knocking)>>);

impl Knocks {
    pub(super) fn note(&self, ticket: String, who: Knocking) {
        let now = Instant::now();
        // Whole after every step.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TICKETS {
            known.retain(|_, (at, _)| now.duration_since(*at) < LIFE);
        }
        if known.len() >= TICKETS
            && let Some(oldest) = known.iter().min_by_key(|(_, (at, _))| *at).map(|(ticket, _)| ticket.clone())
        {
            known.remove(&oldest);
        }
        known.insert(ticket, (now, who));
    }

    /// Whose it is; it is remembered for as long again.
    fn of(&self, room: &str, ticket: &str) -> Option<Knocking> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, who) = known.get_mut(ticket).filter(|(_, who)| who.room == room)?;
        *at = Instant::now();
        Some(who.clone())
    }

    fn forget(&self, ticket: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(ticket);
    }
}

/// Where somebody stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
enum Stand {
    /// Ask again in two seconds. Who does not ask for 90 s is gone.
    Waiting {
        /// From 1.
        position: usize,
    },
    /// Connect within a minute.
    Admitted {
        #[serde(flatten)]
        joined: Box<Joined>,
    },
    /// A host said no.
    Refused,
}

/// Ask where one stands
///
/// With the ticket that joining was answered with; no token is needed. Who knocked with an account comes in as what that is
/// by now, and not at all once it is disabled or gone.
#[utoipa::path(get, path = "/api/rooms/{id}/lobby/{ticket}", tag = "lobby",
    params(("id" = String, Path, description = "The room"), ("ticket" = String, Path, description = "One's own")),
    responses((status = 200, body = Stand), (status = 404, description = "`ticket_not_found`")))]
async fn stand(
    State(app): State<Arc<App>>,
    Path((id, ticket)): Path<(String, String)>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Json<Stand>, ApiError> {
    let who = app.knocks.of(&id, &ticket).ok_or(TICKET_NOT_FOUND)?;
    let still_there = Moderation::StillThere { ticket: ticket.clone() };
    // A ticket that the room has decided on is not in the line any more.
    let _ = app.rooms.administer(&id, Some(still_there), Show::Room).await;
    let asked = ticket.clone();
    let standing = app.rooms.look(&id, move |room| room.standing_of(&asked)).await.unwrap_or(Standing::Gone);
    Ok(Json(match standing {
        Standing::Waiting { position } => Stand::Waiting { position },
        Standing::Refused => Stand::Refused,
        Standing::Gone => {
            app.knocks.forget(&ticket);
            return Err(TICKET_NOT_FOUND);
        }
        Standing::Admitted => {
            let place = Place::find(&app, &id).await?.ok_or(TICKET_NOT_FOUND)?;
            // Since it was let in; or it stood in line more than once.
            if records::kept_out(&app, &id, &who.identity, who.account.as_deref(), None).await?.is_some() {
                return Ok(Json(Stand::Refused));
            }
            // It was not asked when it knocked: it is when it does so again.
            if place.asks_consent() && who.consented.is_none() {
                app.knocks.forget(&ticket);
                return Err(TICKET_NOT_FOUND);
            }
            let Some(who) = as_of_now(&app, &place, who).await? else {
                app.knocks.forget(&ticket);
                return Err(TICKET_NOT_FOUND);
            };
            let url = url(&app, peer, &headers);
            Stand::Admitted { joined: Box::new(joined(&app, &place, who, url).await?) }
        }
    }))
}

/// Who knocked, as it is now: people wait for long, and what their account was may be over. `None` where the account is.
async fn as_of_now(app: &App, place: &Place, who: Knocking) -> Result<Option<Knocking>, ApiError> {
    let user = match &who.account {
        None => None,
        Some(account) => match app.store.user(&account.as_str().into()).await? {
            Some(user) if !user.disabled => Some(user),
            Some(_) | None => return Ok(None),
        },
    };
    Ok(Some(Knocking { role: role_anew(app, place, user.as_ref()).await, ..who }))
}

/// Wait no more
#[utoipa::path(delete, path = "/api/rooms/{id}/lobby/{ticket}", tag = "lobby",
    params(("id" = String, Path, description = "The room"), ("ticket" = String, Path, description = "One's own")),
    responses((status = 204, description = "Gone"), (status = 404, description = "`ticket_not_found`")))]
async fn withdraw(
    State(app): State<Arc<App>>,
    Path((id, ticket)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.knocks.of(&id, &ticket).ok_or(TICKET_NOT_FOUND)?;
    app.knocks.forget(&ticket);
    // Whoever is not in the line any more has nothing to leave.
    let _ = app.rooms.administer(&id, Some(Moderation::Withdraw { ticket }), Show::Room).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Those who wait.
#[derive(Debug, Serialize, ToSchema)]
struct Line {
    waiting: Vec<InLine>,
}

/// Somebody who waits.
#[derive(Debug, Serialize, ToSchema)]
struct InLine {
    /// To let it in by. Who has it is let in with it: show it to nobody.
    ticket: String,
    name: String,
    identity: String,
    /// Unix milliseconds.
    since: i64,
}

/// Who waits
///
/// For hosts, in the order they came.
#[utoipa::path(get, path = "/api/rooms/{id}/lobby", tag = "lobby", params(("id" = String, Path, description = "The room")),
    responses(
        (status = 200, body = Line),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`"),
    ))]
async fn line(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
) -> Result<Json<Line>, ApiError> {
    let host = Host::at(app, asker, whence, &id, "lobby.look").await?;
    Ok(Json(Line { waiting: waiting(&host).await }))
}

async fn waiting(host: &Host) -> Vec<InLine> {
    let line = host.place.ask(&host.app, |room| {
        let line = room.waiting().iter().map(|waiting| InLine {
            ticket: waiting.ticket.clone(),
            name: waiting.name.clone(),
            identity: waiting.identity.clone(),
            since: waiting.since_unix_ms,
        });
        line.collect()
    });
    line.await.unwrap_or_default()
}

/// Let somebody in
///
/// For hosts.
#[utoipa::path(post, path = "/api/rooms/{id}/lobby/{ticket}/admit", tag = "lobby",
    params(("id" = String, Path, description = "The room"), ("ticket" = String, Path, description = "Whose")),
    responses(
        (status = 204, description = "It may come in, within a minute"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`, `ticket_not_found`"),
    ))]
async fn admit(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path((id, ticket)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let host = Host::at(app, asker, whence, &id, "lobby.admit").await?;
    decide(&host, "lobby.admit", &ticket, Moderation::Admit { ticket: ticket.clone() }).await
}

/// Do not let somebody in
///
/// For hosts.
#[utoipa::path(post, path = "/api/rooms/{id}/lobby/{ticket}/refuse", tag = "lobby",
    params(("id" = String, Path, description = "The room"), ("ticket" = String, Path, description = "Whose")),
    responses(
        (status = 204, description = "It is told so"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`, `ticket_not_found`"),
    ))]
async fn refuse(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path((id, ticket)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let host = Host::at(app, asker, whence, &id, "lobby.refuse").await?;
    decide(&host, "lobby.refuse", &ticket, Moderation::Refuse { ticket: ticket.clone() }).await
}

async fn decide(host: &Host, what: &'static str, ticket: &str, decision: Moderation) -> Result<StatusCode, ApiError> {
    // The trail names people, not tickets: those are secrets.
    let line = waiting(host).await;
    let whom = line.iter().find(|waiting| waiting.ticket == ticket).ok_or(TICKET_NOT_FOUND)?;
    host.moderate(host.deed(what).to(&whom.identity), decision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How many.
#[derive(Debug, Serialize, ToSchema)]
struct Admitted {
    admitted: usize,
}

/// Let everybody in who waits
///
/// For hosts.
#[utoipa::path(post, path = "/api/rooms/{id}/lobby/admit-all", tag = "lobby",
    params(("id" = String, Path, description = "The room")),
    responses(
        (status = 200, body = Admitted),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`"),
    ))]
async fn admit_all(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
) -> Result<Json<Admitted>, ApiError> {
    let host = Host::at(app, asker, whence, &id, "lobby.admit").await?;
    let mut admitted = 0;
    for InLine { ticket, identity, .. } in waiting(&host).await {
        match host.moderate(host.deed("lobby.admit").to(&identity), Moderation::Admit { ticket }).await {
            Ok(()) => admitted += 1,
            // Gone in this moment; what keeps all of them out is told.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Json(Admitted { admitted }))
}
