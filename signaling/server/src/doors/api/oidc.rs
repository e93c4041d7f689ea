//! Signing in by a provider: a browser is sent there, and comes back.
//!
//! People see what is answered here, not programs: a browser that is refused is sent to the web client's page for signing in,
//! with the code of the error.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sluice_store::User;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::INTERNAL;
use super::accounts::{LOGIN_TAKEN, counted, on, witnessed};
use super::browser::{REFRESH, TICKET, is_secure, own_url};
use crate::App;
use crate::accounts::{AccountError, Callback, Met, OidcError, Provider, TICKET_LIFE_S, Vouched};
use crate::doors::error::ApiError;
use crate::doors::{Peer, acts};
use crate::trail::{Deed, Whence};

/// Where a provider sends people back to.
const CALLBACK: &str = "/api/accounts/oidc/callback";
/// The page for signing in.
const PAGE: &str = "/signin";

const NO_PROVIDER: ApiError =
    ApiError::new(StatusCode::NOT_FOUND, "no_provider", "no provider is configured: `accounts.oidc.issuer` names one");
const BAD_QUERY: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_query", "the query is not the one that is expected here");

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(start)).routes(routes!(callback))
}

fn provider(app: &App) -> Result<&Provider, ApiError> {
    on(app)?.provider().ok_or(NO_PROVIDER)
}

#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    next: Option<String>,
}

/// Begin to sign in by the provider
///
/// For browsers, which are sent on.
#[utoipa::path(get, path = "/api/accounts/oidc/start", tag = "accounts",
    params(("next" = Option<String>, Query, description = "Where to in the end: a path of this server")), responses(
    (status = 303, description = "To the provider"),
    (status = 400, description = "`bad_next`"),
    (status = 404, description = "`no_provider`"),
    (status = 502, description = "`provider_unavailable`"),
))]
async fn start(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    query: Result<Query<Start>, QueryRejection>,
) -> Result<Response, ApiError> {
    let started = begin(&app, peer, &headers, query).await;
    shown(&app, peer, &headers, started)
}

async fn begin(
    app: &App,
    peer: Peer,
    headers: &HeaderMap,
    query: Result<Query<Start>, QueryRejection>,
) -> Result<Response, ApiError> {
    let provider = provider(app)?;
    let Query(Start { next }) = query.map_err(|_| BAD_QUERY)?;
    let redirect_uri = format!("{}{CALLBACK}", own_url(app, peer, headers));
    let started = provider.start(redirect_uri, next.as_deref().unwrap_or("/")).await?;
    let life_s = u64::try_from(TICKET_LIFE_S).unwrap_or(0);
    let ticket = TICKET.set(&started.ticket, life_s, is_secure(app, peer, headers)).ok_or(INTERNAL)?;
    go(&started.location, [ticket])
}

/// Come back from the provider
///
/// With the parameters that OpenID Connect says.
#[utoipa::path(get, path = "/api/accounts/oidc/callback", tag = "accounts", responses(
    (status = 303, description = "To where one wanted to go, with the cookie `sluice_refresh`"),
    (status = 400, description = "`bad_state`"),
    (status = 401, description = "`provider_not_believed`"),
    (status = 403, description = "`sign_in_declined`, `account_disabled`"),
))]
async fn callback(
    State(app): State<Arc<App>>,
    whence: Whence,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    query: Result<Query<Callback>, QueryRejection>,
) -> Result<Response, ApiError> {
    let act = {
        let (app, headers) = (app.clone(), headers.clone());
        async move { counted(&app, "provider", end(&app, whence, peer, &headers, query).await) }
    };
    // A GET, since browsers are sent back by one, that may make an account: a closed tab must not halve that.
    let ended = acts::to_its_end(&app, act).await;
    shown(&app, peer, &headers, ended)
}

async fn end(
    app: &App,
    whence: Whence,
    peer: Peer,
    headers: &HeaderMap,
    query: Result<Query<Callback>, QueryRejection>,
) -> Result<Response, ApiError> {
    let (accounts, provider) = (on(app)?, provider(app)?);
    let Query(callback) = query.map_err(|_| BAD_QUERY)?;
    let (vouched, next) = provider.finish(TICKET.of(headers), &callback).await?;
    let signed_in = match known(app, &whence, &vouched).await? {
        Ok(user) => accounts.begin(user).await,
        Err(refused) => Err(refused),
    };
    let session = witnessed(app, whence, "account.login", signed_in).await?;
    let secure = is_secure(app, peer, headers);
    let refresh = REFRESH.set(&session.refresh_token, accounts.config.refresh_life.as_secs(), secure);
    go(&next, [refresh.ok_or(INTERNAL)?, TICKET.set("", 0, secure).ok_or(INTERNAL)?])
}

/// The account of whom the provider vouches for. That one is made, or becomes something else, is in the trail before it is so.
async fn known(app: &App, whence: &Whence, vouched: &Vouched) -> Result<Result<User, AccountError>, ApiError> {
    let (accounts, provider) = (on(app)?, provider(app)?);
    let deed = |what, user: &User| {
        Deed::new(format!("provider ({})", provider.name()), what, whence.clone()).to(user.id.as_str())
    };
    let roles_are = |roles: &[String]| format!("roles: {}", roles.join(", "));
    let mut is_first = true;
    loop {
        let met = match accounts.meet(vouched).await {
            Ok(met) => met,
            Err(refused) => return Ok(Err(refused)),
        };
        let made = match met {
            Met::Known(user) => return Ok(Ok(user)),
            Met::Changed { user, roles } => {
                let deed = deed("account.role", &user).with(roles_are(&roles));
                let change = async { Ok(accounts.appoint(&user.id, roles).await?) };
                app.trail.carry_out::<_, ApiError>(deed, change).await
            }
            Met::New(user) => {
                let deed = deed("account.create", &user).with(roles_are(&user.roles));
                let make = async { Ok(accounts.welcome(user).await?) };
                app.trail.carry_out::<_, ApiError>(deed, make).await
            }
        };
        match made {
            // Perhaps the same person came in another window: then they are known now.
            Err(error) if error.code() == LOGIN_TAKEN && std::mem::take(&mut is_first) => {}
            made => return made.map(Ok),
        }
    }
}

/// What a browser is shown; others are answered as everywhere.
fn shown(app: &App, peer: Peer, headers: &HeaderMap, answer: Result<Response, ApiError>) -> Result<Response, ApiError> {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match answer {
        Err(error) if accepts.contains("text/html") => {
            let ticket = TICKET.set("", 0, is_secure(app, peer, headers)).ok_or(INTERNAL)?;
            go(&format!("{PAGE}?error={}", error.code()), [ticket])
        }
        other => other,
    }
}

/// Sends a browser on.
fn go<const N: usize>(location: &str, cookies: [HeaderValue; N]) -> Result<Response, ApiError> {
    let location = HeaderValue::from_str(location).map_err(|_| INTERNAL)?;
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

impl From<OidcError> for ApiError {
    fn from(error: OidcError) -> Self {
        let (status, code, message) = match &error {
            OidcError::BadNext => (StatusCode::BAD_REQUEST, "bad_next", "`next` has to be a path of this server"),
            OidcError::BadState => (
                StatusCode::BAD_REQUEST,
                "bad_state",
                "this browser did not begin that sign-in, or too long ago: begin again",
            ),
            OidcError::Declined => {
                tracing::info!(%error, "sign-in by the provider failed");
                (StatusCode::FORBIDDEN, "sign_in_declined", "the provider did not sign you in")
            }
            OidcError::Silent(_) => {
                tracing::warn!(%error, "sign-in by the provider failed");
                (StatusCode::BAD_GATEWAY, "provider_unavailable", "the provider could not be asked: try again later")
            }
            OidcError::Untrue(_) => {
                tracing::warn!(%error, "sign-in by the provider failed");
                (StatusCode::UNAUTHORIZED, "provider_not_believed", "what the provider said is not right: begin again")
            }
            OidcError::Sign(source) => {
                tracing::error!(error = %source, "cannot sign a ticket");
                return INTERNAL;
            }
        };
        Self::new(status, code, message)
    }
}
