//! Accounts, for administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sluice_store::UserId;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::{UserView, on};
use super::asker::{Asker, NOT_PERMITTED};
use super::body;
use crate::App;
use crate::accounts::{NewUser, UserChange};
use crate::doors::error::ApiError;
use crate::roles::ADMIN;
use crate::trail::{Deed, Whence};

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

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(change, remove))
}

/// Who is none and tries is written down.
async fn administrator(app: &App, asker: Asker, whence: &Whence, what: &'static str) -> Result<Asker, ApiError> {
    if asker.is_admin() {
        return Ok(asker);
    }
    app.trail.refused(&Deed::new(asker.name(), what, whence.clone())).await;
    Err(NOT_PERMITTED)
}

/// Whether it is about who asks.
fn is_own(asker: &Asker, id: &str) -> bool {
    matches!(asker, Asker::Account(account) if account.user.id.as_str() == id)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// The last login that is known.
    after: Option<String>,
    /// 100 unless said, at most 1000.
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserList)]
struct List {
    users: Vec<UserView>,
    /// There are more after these.
    more: bool,
}

/// All accounts
///
/// For administrators, in the order of logins.
#[utoipa::path(get, path = "/api/users", tag = "accounts", operation_id = "list_users", params(Asked), responses(
    (status = 200, body = List),
    (status = 400, description = "`bad_query`"),
    (status = 403, description = "`not_permitted`"),
))]
async fn list(
    State(app): State<Arc<App>>,
    whence: Whence,
    asker: Asker,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<List>, ApiError> {
    let accounts = on(&app)?;
    administrator(&app, asker, &whence, "user.list").await?;
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

#[derive(Deserialize, ToSchema)]
#[schema(as = UserCreate)]
struct Create {
    login: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

/// Make an account
///
/// For administrators.
#[utoipa::path(post, path = "/api/users", tag = "accounts", operation_id = "create_user", request_body = Create, responses(
    (status = 201, body = UserView),
    (status = 400, description = "`bad_login`, `bad_name`, `bad_password`, `unknown_role`"),
    (status = 403, description = "`not_permitted`"),
    (status = 409, description = "`login_taken`"),
))]
async fn create(
    State(app): State<Arc<App>>,
    whence: Whence,
    asker: Asker,
    json: Result<Json<Create>, JsonRejection>,
) -> Result<(StatusCode, Json<UserView>), ApiError> {
    let accounts = on(&app)?;
    let asker = administrator(&app, asker, &whence, "user.create").await?;
    let Create { login, name, password, roles } = body(json)?;
    let deed = Deed::new(asker.name(), "user.create", whence)
        .to(&login)
        .with(format!("roles: {}", roles.join(", ")));
    let create =
        async { Ok::<_, ApiError>(accounts.directory.create(NewUser { login, name, password, roles }).await?) };
    let user = app.trail.carry_out(deed, create).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = UserChange)]
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

/// Change an account
///
/// For administrators. A new password, and `disabled`, sign it out everywhere.
#[utoipa::path(patch, path = "/api/users/{id}", tag = "accounts", operation_id = "change_user", params(("id" = String, Path, description = "The account")),
    request_body = Change, responses(
    (status = 200, body = UserView),
    (status = 403, description = "`not_permitted`"),
    (status = 404, description = "`user_not_found`"),
    (status = 409, description = "`own_account`"),
))]
async fn change(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    whence: Whence,
    asker: Asker,
    json: Result<Json<Change>, JsonRejection>,
) -> Result<Json<UserView>, ApiError> {
    let accounts = on(&app)?;
    let asker = administrator(&app, asker, &whence, "user.change").await?;
    let Change { name, roles, disabled, password } = body(json)?;
    let demotes = roles.as_ref().is_some_and(|roles| !roles.iter().any(|role| role == ADMIN));
    if is_own(&asker, &id) && (demotes || disabled == Some(true)) {
        return Err(OWN_ACCOUNT);
    }
    let deed = Deed::new(asker.name(), "user.change", whence)
        .to(&id)
        .with(words(&name, &roles, disabled, &password));
    let change = UserChange { name, roles, disabled, password };
    let change = async { Ok::<_, ApiError>(accounts.directory.change(&UserId::from(id), change).await?) };
    Ok(Json(app.trail.carry_out(deed, change).await?.into()))
}

/// Delete an account
///
/// For administrators.
#[utoipa::path(delete, path = "/api/users/{id}", tag = "accounts", operation_id = "delete_user", params(("id" = String, Path, description = "The account")), responses(
    (status = 204, description = "Gone"),
    (status = 403, description = "`not_permitted`"),
    (status = 404, description = "`user_not_found`"),
    (status = 409, description = "`own_account`"),
))]
async fn remove(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    whence: Whence,
    asker: Asker,
) -> Result<StatusCode, ApiError> {
    let accounts = on(&app)?;
    let asker = administrator(&app, asker, &whence, "user.delete").await?;
    if is_own(&asker, &id) {
        return Err(OWN_ACCOUNT);
    }
    let deed = Deed::new(asker.name(), "user.delete", whence).to(&id);
    let remove = async { Ok::<_, ApiError>(accounts.directory.remove(&UserId::from(id)).await?) };
    app.trail.carry_out(deed, remove).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What changes, for the trail: roles in full, since they are what matters later; of a password that it does.
fn words(
    name: &Option<String>,
    roles: &Option<Vec<String>>,
    disabled: Option<bool>,
    password: &Option<String>,
) -> String {
    let said = [
        name.as_ref().map(|_| "name".to_owned()),
        roles.as_ref().map(|roles| format!("roles: {}", roles.join(", "))),
        disabled.map(|disabled| format!("disabled: {disabled}")),
        password.as_ref().map(|_| "password".to_owned()),
    ];
    said.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
