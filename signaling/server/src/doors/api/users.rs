//! Accounts, for administrators.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, patch};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sluice_store::UserId;

use super::accounts::{UserView, on};
use super::asker::{Asker, NOT_PERMITTED};
use super::body;
use crate::App;
use crate::accounts::{NewUser, UserChange};
use crate::doors::error::ApiError;
use crate::roles::ADMIN;

/// Accounts in an answer when nobody says how many, and at most.
const PAGE: u32 = 100;
const MOST: u32 = 1_000;

const BAD_QUERY: ApiError = ApiError::new(
    StatusCode::BAD_REQUEST,
    "bad_query",
    "`after` is the login of an account, `limit` how many to send, 1 to 1000",
);
const OWN_ACCOUNT: ApiError = ApiError::new(
    StatusCode::CONFLICT,
    "own_account",
    "nobody disables, demotes or deletes themselves: another administrator does",
);

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/users", get(list).post(create))
        .route("/api/users/{id}", patch(change).delete(remove))
}

fn administrator(asker: Asker) -> Result<Asker, ApiError> {
    if asker.is_admin() { Ok(asker) } else { Err(NOT_PERMITTED) }
}

/// Whether it is about who asks.
fn is_own(asker: &Asker, id: &str) -> bool {
    matches!(asker, Asker::Account(account) if account.user.id.as_str() == id)
}

#[derive(Debug, Deserialize)]
struct Asked {
    /// The last login that is known.
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
struct List {
    users: Vec<UserView>,
    /// There are more after these.
    more: bool,
}

async fn list(
    State(app): State<Arc<App>>,
    asker: Asker,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<List>, ApiError> {
    let accounts = on(&app)?;
    administrator(asker)?;
    let Query(Asked { after, limit }) = asked.map_err(|_| BAD_QUERY)?;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&limit) {
        return Err(BAD_QUERY);
    }
    let mut users = accounts.directory.list(after.as_deref(), limit + 1).await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = users.len() > most;
    users.truncate(most);
    Ok(Json(List { users: users.into_iter().map(UserView::from).collect(), more }))
}

#[derive(Deserialize)]
struct Create {
    login: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

async fn create(
    State(app): State<Arc<App>>,
    asker: Asker,
    json: Result<Json<Create>, JsonRejection>,
) -> Result<(StatusCode, Json<UserView>), ApiError> {
    let accounts = on(&app)?;
    administrator(asker)?;
    let Create { login, name, password, roles } = body(json)?;
    let user = accounts.directory.create(NewUser { login, name, password, roles }).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    roles: Option<Vec<String>>,
    #[serde(default)]
    disabled: Option<bool>,
    #[serde(default)]
    password: Option<String>,
}

async fn change(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asker: Asker,
    json: Result<Json<Change>, JsonRejection>,
) -> Result<Json<UserView>, ApiError> {
    let accounts = on(&app)?;
    let asker = administrator(asker)?;
    let Change { name, roles, disabled, password } = body(json)?;
    let demotes = roles.as_ref().is_some_and(|roles| !roles.iter().any(|role| role == ADMIN));
    if is_own(&asker, &id) && (demotes || disabled == Some(true)) {
        return Err(OWN_ACCOUNT);
    }
    let change = UserChange { name, roles, disabled, password };
    Ok(Json(accounts.directory.change(&UserId::from(id), change).await?.into()))
}

async fn remove(State(app): State<Arc<App>>, Path(id): Path<String>, asker: Asker) -> Result<StatusCode, ApiError> {
    let accounts = on(&app)?;
    let asker = administrator(asker)?;
    if is_own(&asker, &id) {
        return Err(OWN_ACCOUNT);
    }
    accounts.directory.remove(&UserId::from(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
