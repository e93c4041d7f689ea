//! What happens before a door opens: may this page ask at all, does this address ask too often, is the token one, does its
//! bearer ask too often. Which door it is, and how it says no, is the door's.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use sluice_store::StoreError;

use super::Peer;
use super::error::ApiError;
use crate::App;
use crate::accounts::{Accounts, Shown};
use crate::auth::{AuthError, Keys};
use crate::gate::{Asked, Bearer, ClientAddress, Denied, TooOften};

const ORIGIN_NOT_ALLOWED: ApiError = ApiError::new(
    StatusCode::FORBIDDEN,
    "origin_not_allowed",
    "pages of this origin may not use this server: `http.allowed_origins` names those that may",
);

/// Whose a request is; `None` where that cannot be told. `edge::guard` attaches it to every request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Client(Option<ClientAddress>);

impl Client {
    pub(crate) fn address(self) -> Option<ClientAddress> {
        self.0
    }
}

/// Why nobody opens.
pub(super) enum Closed {
    TooOften(TooOften),
    Origin,
}

impl From<Closed> for ApiError {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::TooOften(too_often) => too_often.into(),
            Closed::Origin => ORIGIN_NOT_ALLOWED,
        }
    }
}

/// What a path leads to, as far as there are bounds on it. Files of the web client cost next to nothing, and whoever watches
/// over health must not be told to wait.
fn asked(path: &str) -> Option<Asked> {
    let mut parts = path.split('/').skip(1);
    match parts.next() {
        Some("rtc") => Some(Asked::Join),
        Some("api" | "twirp") => Some(Asked::Api),
        _ => None,
    }
}

/// Says whose the request is, and whether it is heard at all.
pub(super) fn knock(app: &App, request: &mut Request) -> Result<(), Closed> {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.address.ip());
    let client = peer.and_then(|peer| app.gate.client(peer, request.headers()));
    request.extensions_mut().insert(Client(client));
    let Some(asked) = asked(request.uri().path()) else { return Ok(()) };
    let headers = request.headers();
    if let Some(origin) = headers.get(header::ORIGIN)
        && !app.gate.origins().allow(origin, headers.get(header::HOST))
    {
        app.metrics.origins_refused.inc();
        return Err(Closed::Origin);
    }
    app.gate.enter(asked, client).map_err(|too_often| {
        app.metrics.rate_limited.with_label_values(&[asked.name(), "address"]).inc();
        Closed::TooOften(too_often)
    })
}

/// Checks a token, unless too many from there were wrong; then counts it to its bearer.
pub(super) fn checked<T>(
    app: &App,
    Client(client): Client,
    asked: Asked,
    check: impl FnOnce(&Keys) -> Result<T, AuthError>,
    bearer: impl FnOnce(&T) -> Bearer<'_>,
) -> Result<T, Denied> {
    let limited = |(bound, too_often): (&'static str, TooOften)| {
        app.metrics.rate_limited.with_label_values(&[asked.name(), bound]).inc();
        Denied::TooOften(too_often)
    };
    app.gate
        .may_try_token(client)
        .map_err(|too_often| limited(("failed_tokens", too_often)))?;
    let shown = check(&app.keys).map_err(|error| {
        if error.is_forgery() {
            app.gate.token_failed(client);
        }
        Denied::Auth(error)
    })?;
    app.gate.with_token(asked, bearer(&shown)).map_err(limited)?;
    Ok(shown)
}

/// One more attempt to sign in, from there and as that; whether or not there is such an account.
pub(super) fn may_sign_in(app: &App, Client(client): Client, login: &str) -> Result<(), TooOften> {
    let limited = |bound: &'static str| {
        move |too_often| {
            app.metrics.rate_limited.with_label_values(&["login", bound]).inc();
            too_often
        }
    };
    app.gate.sign_in_from(client).map_err(limited("address"))?;
    app.gate.sign_in_as(login).map_err(limited("login"))
}

/// What an account's access token is worth, unless too many tokens from there were wrong.
pub(super) async fn looked_at(
    app: &App,
    accounts: &Accounts,
    Client(client): Client,
    token: &str,
) -> Result<Result<Shown, StoreError>, TooOften> {
    app.gate.may_try_token(client).inspect_err(|_| {
        app.metrics.rate_limited.with_label_values(&[Asked::Api.name(), "failed_tokens"]).inc();
    })?;
    let shown = accounts.look_at(token).await;
    if matches!(shown, Ok(Shown::Forged)) {
        app.gate.token_failed(client);
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_on_what_costs() {
        for (path, expected) in [
            ("/rtc", Some(Asked::Join)),
            ("/rtc/v1/validate", Some(Asked::Join)),
            ("/api/rooms", Some(Asked::Api)),
            ("/twirp/livekit.RoomService/ListRooms", Some(Asked::Api)),
            ("/", None),
            ("/rtcx", None),
            ("/assets/api/x.js", None),
            ("/healthz", None),
        ] {
            assert_eq!(asked(path), expected, "{path}");
        }
    }
}
