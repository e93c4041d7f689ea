//! Signing in, staying so, signing out.
//!
//! The access token goes to the page, which keeps it in its memory; the refresh token into a cookie that no script reads and
//! no other page's request carries. Who is no browser may send it as `refresh_token` instead, and gets the next one back so.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use sluice_audit::Outcome;
use sluice_store::{StoreError, User};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asker::{Asker, NO_TOKEN};
use super::browser::{REFRESH, is_own_page, is_secure};
use super::{INTERNAL, body};
use crate::App;
use crate::accounts::{Account, AccountError, Accounts, NewUser, Session};
use crate::doors::Peer;
use crate::doors::error::ApiError;
use crate::doors::knock::{Client, may_sign_in};
use crate::trail::{Deed, Whence};

const ACCOUNTS_OFF: ApiError =
    ApiError::new(StatusCode::NOT_FOUND, "accounts_off", "nobody signs in at this server: `accounts.enabled` is false");
const NOT_AN_ACCOUNT: ApiError = ApiError::new(
    StatusCode::FORBIDDEN,
    "not_an_account",
    "this is for accounts: sign in, and send the access token that comes back",
);

/// What the audit trail calls it when somebody makes themselves an account.
const REGISTER: &str = "account.register";
/// The code where an account of that login is there already.
pub(super) const LOGIN_TAKEN: &str = "login_taken";

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(login))
        .routes(routes!(register))
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(me))
        .routes(routes!(password))
}

/// What everybody may know of how to sign in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountsInfo {
    enabled: bool,
    registration: bool,
    oidc: Option<ProviderInfo>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProviderInfo {
    /// What the button says.
    name: String,
}

impl AccountsInfo {
    pub(super) fn of(app: &App) -> Self {
        let accounts = app.accounts.as_ref();
        let provider = accounts.and_then(Accounts::provider);
        Self {
            enabled: accounts.is_some(),
            registration: accounts.is_some_and(|accounts| accounts.config.registration),
            oidc: provider.map(|provider| ProviderInfo { name: provider.name().to_owned() }),
        }
    }
}

/// An account as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserView {
    id: String,
    login: String,
    name: String,
    roles: Vec<String>,
    disabled: bool,
    /// Milliseconds since 1970.
    created_at: i64,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            login: user.login,
            name: user.name,
            roles: user.roles,
            disabled: user.disabled,
            created_at: user.created.0,
        }
    }
}

/// Somebody who is signed in.
#[derive(Debug, Serialize, ToSchema)]
struct SignedIn {
    access_token: String,
    expires_in_s: u64,
    user: UserView,
    /// For those who showed theirs in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// The accounts, where there are any.
pub(super) fn on(app: &App) -> Result<&Accounts, ApiError> {
    app.accounts.as_ref().ok_or(ACCOUNTS_OFF)
}

fn account(asker: Option<Asker>) -> Result<Account, ApiError> {
    match asker {
        Some(Asker::Account(account)) => Ok(*account),
        Some(Asker::Token(_)) => Err(NOT_AN_ACCOUNT),
        Some(Asker::Developer) | None => Err(NO_TOKEN),
    }
}

/// The answer to somebody who is signed in now, with the refresh token as a cookie.
fn welcome(
    status: StatusCode,
    app: &App,
    peer: Peer,
    headers: &HeaderMap,
    session: Session,
) -> Result<Response, ApiError> {
    let config = &on(app)?.config;
    let secure = is_secure(app, peer, headers);
    let cookie = REFRESH
        .set(&session.refresh_token, config.refresh_life.as_secs(), secure)
        .ok_or(INTERNAL)?;
    Ok((status, [(header::SET_COOKIE, cookie)], secret(signed_in(app, session, false)?)).into_response())
}

fn signed_in(app: &App, session: Session, in_body: bool) -> Result<SignedIn, ApiError> {
    Ok(SignedIn {
        access_token: session.access_token,
        expires_in_s: on(app)?.config.access_life.as_secs(),
        user: session.user.into(),
        refresh_token: in_body.then_some(session.refresh_token),
    })
}

/// Counts a sign-in, by how somebody came.
pub(super) fn counted<T, E>(app: &App, way: &str, signed_in: Result<T, E>) -> Result<T, E> {
    let result = if signed_in.is_ok() { "signed_in" } else { "refused" };
    app.metrics.sign_ins.with_label_values(&[way, result]).inc();
    signed_in
}

/// Writes a sign-in down before its tokens are handed out; one that cannot be is none. Who was not let in is nobody known, and what
/// it typed is not written: people type passwords where logins go.
pub(super) async fn witnessed(
    app: &App,
    whence: Whence,
    what: &'static str,
    signed_in: Result<Session, AccountError>,
) -> Result<Session, ApiError> {
    let session = match signed_in {
        Ok(session) => session,
        Err(error) => {
            let is_refusal = !matches!(error, AccountError::Busy | AccountError::Storage(_) | AccountError::Sign(_));
            if is_refusal {
                app.trail
                    .refused(&Deed::new("nobody known".to_owned(), what, whence).with(error.to_string()))
                    .await;
            }
            return Err(error.into());
        }
    };
    let who = format!("{} ({})", session.user.login, session.user.id);
    let deed = Deed::new(who, what, whence).to(session.user.id.as_str());
    if let Err(unrecorded) = app.trail.record(&deed, Outcome::Done).await {
        on(app)?.sign_out(Some(&session.refresh_token), None).await?;
        return Err(unrecorded.into());
    }
    Ok(session)
}

/// JSON that nobody on its way keeps.
fn secret<T: Serialize>(answer: T) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(answer))
}

#[derive(Deserialize, ToSchema)]
struct Login {
    login: String,
    password: String,
}

/// Sign in
#[utoipa::path(post, path = "/api/accounts/login", tag = "accounts", request_body = Login, responses(
    (status = 200, description = "And the cookie `sluice_refresh`", body = SignedIn),
    (status = 401, description = "`wrong_credentials`"),
    (status = 429, description = "`rate_limited`"),
))]
async fn login(
    State(app): State<Arc<App>>,
    whence: Whence,
    Extension(peer): Extension<Peer>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    json: Result<Json<Login>, JsonRejection>,
) -> Result<Response, ApiError> {
    let accounts = on(&app)?;
    let Login { login, password } = body(json)?;
    may_sign_in(&app, client, &login)?;
    let signed_in = counted(&app, "password", accounts.sign_in(&login, &password).await);
    let session = witnessed(&app, whence, "account.login", signed_in).await?;
    welcome(StatusCode::OK, &app, peer, &headers, session)
}

#[derive(Deserialize, ToSchema)]
struct Register {
    login: String,
    password: String,
    #[serde(default)]
    name: Option<String>,
}

/// Make an account and sign in
///
/// Where `accounts.registration` allows it.
#[utoipa::path(post, path = "/api/accounts/register", tag = "accounts", request_body = Register, responses(
    (status = 201, description = "And the cookie `sluice_refresh`", body = SignedIn),
    (status = 400, description = "`bad_login`, `bad_name`, `bad_password`"),
    (status = 403, description = "`registration_closed`"),
    (status = 409, description = "`login_taken`"),
))]
async fn register(
    State(app): State<Arc<App>>,
    whence: Whence,
    Extension(peer): Extension<Peer>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    json: Result<Json<Register>, JsonRejection>,
) -> Result<Response, ApiError> {
    let accounts = on(&app)?;
    let Register { login, password, name } = body(json)?;
    may_sign_in(&app, client, &login)?;
    let new = NewUser { login, name, password: Some(password), roles: Vec::new() };
    let session = counted(&app, "registration", registered(&app, accounts, whence, new).await)?;
    welcome(StatusCode::CREATED, &app, peer, &headers, session)
}

/// Makes the account once the trail has it. What was typed is not written where it cannot be an account's.
async fn registered(app: &App, accounts: &Accounts, whence: Whence, new: NewUser) -> Result<Session, ApiError> {
    let user = match accounts.registration(new).await {
        Ok(user) => user,
        Err(refused) => return witnessed(app, whence, REGISTER, Err(refused)).await,
    };
    let deed = Deed::new(format!("{} ({})", user.login, user.id), REGISTER, whence).to(user.id.as_str());
    app.trail.carry_out(deed, async { Ok(accounts.register(user).await?) }).await
}

#[derive(Deserialize, ToSchema)]
struct Refresh {
    #[serde(default)]
    refresh_token: Option<String>,
}

/// A refresh token that was shown.
enum Refreshing {
    Cookie(String),
    Body(String),
}

/// The one in the body, where there is one; else the cookie, of an own page.
fn refreshing(headers: &HeaderMap, bytes: &Bytes) -> Result<Option<Refreshing>, ApiError> {
    if !bytes.is_empty() {
        let Refresh { refresh_token } = body(Json::from_bytes(bytes))?;
        if let Some(token) = refresh_token {
            return Ok(Some(Refreshing::Body(token)));
        }
    }
    let cookie = REFRESH.of(headers).filter(|_| is_own_page(headers));
    Ok(cookie.map(|token| Refreshing::Cookie(token.to_owned())))
}

/// Stay signed in
///
/// By the cookie, or by `refresh_token` for who is no browser. Each is good once; asked again within ten seconds, as for an
/// answer that was lost, the answer has the same next one, until that is used.
#[utoipa::path(post, path = "/api/accounts/refresh", tag = "accounts", request_body = Option<Refresh>, responses(
    (status = 200, body = SignedIn),
    (status = 401, description = "`not_signed_in`, `session_ended`"),
))]
async fn refresh(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let accounts = on(&app)?;
    match refreshing(&headers, &bytes)?.ok_or(AccountError::NotSignedIn)? {
        Refreshing::Cookie(token) => {
            let session = accounts.refresh(&token).await?;
            welcome(StatusCode::OK, &app, peer, &headers, session)
        }
        Refreshing::Body(token) => {
            let session = accounts.refresh(&token).await?;
            Ok(secret(signed_in(&app, session, true)?).into_response())
        }
    }
}

/// Sign out
///
/// Always done, whatever is shown: who signs out wants to be out.
#[utoipa::path(post, path = "/api/accounts/logout", tag = "accounts", request_body = Option<Refresh>, responses(
    (status = 204, description = "Signed out"),
))]
async fn logout(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    asker: Result<Option<Asker>, ApiError>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let accounts = on(&app)?;
    let token = refreshing(&headers, &bytes)?.map(|refreshing| match refreshing {
        Refreshing::Cookie(token) | Refreshing::Body(token) => token,
    });
    let account = asker.ok().flatten().and_then(|asker| account(Some(asker)).ok());
    accounts.sign_out(token.as_deref(), account.as_ref()).await?;
    let cookie = REFRESH.set("", 0, is_secure(&app, peer, &headers)).ok_or(INTERNAL)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Who one is
#[utoipa::path(get, path = "/api/accounts/me", tag = "accounts", responses(
    (status = 200, body = UserView),
    (status = 401, description = "`no_token`, `bad_token`"),
    (status = 403, description = "`not_an_account`"),
))]
async fn me(State(app): State<Arc<App>>, asker: Option<Asker>) -> Result<Response, ApiError> {
    on(&app)?;
    Ok(secret(UserView::from(account(asker)?.user)).into_response())
}

#[derive(Deserialize, ToSchema)]
struct Password {
    old: String,
    new: String,
}

/// Change one's password
///
/// Everybody else who is signed in to the account is signed out.
#[utoipa::path(post, path = "/api/accounts/password", tag = "accounts", request_body = Password, responses(
    (status = 200, description = "And the cookie `sluice_refresh`", body = SignedIn),
    (status = 400, description = "`bad_password`"),
    (status = 401, description = "`wrong_credentials`"),
    (status = 409, description = "`no_password`"),
))]
async fn password(
    State(app): State<Arc<App>>,
    whence: Whence,
    Extension(peer): Extension<Peer>,
    Extension(client): Extension<Client>,
    asker: Option<Asker>,
    headers: HeaderMap,
    json: Result<Json<Password>, JsonRejection>,
) -> Result<Response, ApiError> {
    let accounts = on(&app)?;
    let who = asker.as_ref().map(Asker::name).unwrap_or_default();
    let account = account(asker)?;
    let Password { old, new } = body(json)?;
    // Whoever found a page left open guesses no faster than others.
    may_sign_in(&app, client, &account.user.login)?;
    let deed = Deed::new(who, "account.password", whence).to(account.user.id.as_str());
    let change = async { Ok::<_, ApiError>(accounts.change_password(&account, &old, &new).await?) };
    let session = app.trail.carry_out(deed, change).await?;
    welcome(StatusCode::OK, &app, peer, &headers, session)
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        let (status, code, message) = match &error {
            AccountError::BadLogin => (400, "bad_login", "a login has 1 to 128 bytes: letters, digits and . _ - + @"),
            AccountError::BadName => (400, "bad_name", "a name has 1 to 64 letters and at most 256 bytes"),
            AccountError::BadPassword => {
                (400, "bad_password", "a password has at least 8 characters and at most 1024 bytes")
            }
            AccountError::UnknownRole => (
                400,
                "unknown_role",
                "there is no such role: `[roles]` defines those besides host, participant and admin",
            ),
            AccountError::LoginTaken => (409, LOGIN_TAKEN, "there is already an account with this login"),
            AccountError::NoUser => (404, "user_not_found", "there is no such account"),
            AccountError::WrongCredentials => (401, "wrong_credentials", "no account has this login and this password"),
            AccountError::Disabled => (403, "account_disabled", "this account cannot be used: ask an administrator"),
            AccountError::NoPassword => (409, "no_password", "this account has no password: it signs in by a provider"),
            AccountError::NotSignedIn => (401, "not_signed_in", "nobody is signed in: sign in again"),
            AccountError::Reused => {
                (401, "session_ended", "this sign-in was ended, since its refresh token came twice: sign in again")
            }
            AccountError::RegistrationClosed => {
                (403, "registration_closed", "accounts are made by administrators here")
            }
            AccountError::Busy => (503, "busy", "that could not be done now: try again"),
            AccountError::Storage(StoreError::Nul) => (400, "bad_text", "text with a NUL character cannot be stored"),
            AccountError::Storage(source) => {
                tracing::error!(error = %source, "cannot use the accounts in storage");
                (503, "storage_unavailable", "accounts cannot be read now: try again")
            }
            AccountError::Sign(source) => {
                tracing::error!(error = %source, "cannot sign a token");
                return INTERNAL;
            }
        };
        Self::new(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), code, message)
    }
}
