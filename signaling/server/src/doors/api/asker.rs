//! Who asks the native API, and what they may. Knows tokens and their grants, and accounts with their roles; what somebody is in a room at the moment,
//! the room knows.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use crate::App;
use crate::accounts::{Account, AccountError, Shown, is_access_token};
use crate::auth::AuthError;
use crate::auth::claims::Claims;
use crate::doors::error::ApiError;
use crate::doors::knock::{Client, checked, looked_at};
use crate::gate::{Asked, Denied};

pub(super) const NO_TOKEN: ApiError =
    ApiError::new(StatusCode::UNAUTHORIZED, "no_token", "send a token as `Authorization: Bearer`");
pub(super) const BAD_TOKEN: ApiError =
    ApiError::new(StatusCode::UNAUTHORIZED, "bad_token", "the token is not valid here, or not any more");
pub(super) const NOT_PERMITTED: ApiError =
    ApiError::new(StatusCode::FORBIDDEN, "not_permitted", "the token does not let its bearer do that");

/// Somebody, and what they showed. Asked for as `Option<Asker>` where a request without a token is one too.
#[derive(Debug, Clone)]
pub(super) enum Asker {
    /// A bearer of a LiveKit token: a participant, a back end, or both.
    Token(Box<Claims>),
    /// Somebody who signed in.
    Account(Box<Account>),
    /// Nobody showed anything, on a server in development mode: there everybody may everything.
    Developer,
}

impl Asker {
    /// May everything (role `admin`).
    pub(super) fn is_admin(&self) -> bool {
        match self {
            Self::Token(_) => false,
            Self::Account(account) => account.is_admin(),
            Self::Developer => true,
        }
    }

    /// May see every room and all that happened (`roomList`, role `admin`).
    pub(super) fn oversees(&self) -> bool {
        match self {
            Self::Token(claims) => claims.video.room_list,
            Self::Account(_) | Self::Developer => self.is_admin(),
        }
    }

    /// May steer the room by what was shown alone (`roomAdmin`, role `admin`). A host whom the room made one shows nothing of it.
    pub(super) fn administers(&self, room: &str) -> bool {
        match self {
            Self::Token(claims) => claims.video.room_admin && claims.video.room == room,
            Self::Account(_) | Self::Developer => self.is_admin(),
        }
    }

    /// Who they are in the room, when their token is for it.
    pub(super) fn identity_in(&self, room: &str) -> Option<&str> {
        match self {
            Self::Token(claims) if claims.video.room_join && claims.video.room == room => Some(&claims.sub),
            Self::Token(_) | Self::Account(_) | Self::Developer => None,
        }
    }
}

/// Development mode wants no token; one that is shown counts there as well, and a wrong one is refused.
impl FromRequestParts<Arc<App>> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        <Self as OptionalFromRequestParts<_>>::from_request_parts(parts, app)
            .await?
            .ok_or(NO_TOKEN)
    }
}

impl OptionalFromRequestParts<Arc<App>> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Option<Self>, ApiError> {
        let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(token) = bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")) else {
            return Ok(app.config.dev.then_some(Self::Developer));
        };
        let client = parts.extensions.get::<Client>().copied().unwrap_or_default();
        if let Some(accounts) = app.accounts.as_ref().filter(|_| is_access_token(token)) {
            return match looked_at(app, accounts, client, token).await? {
                Ok(Shown::Good(account)) => Ok(Some(Self::Account(account))),
                Ok(Shown::Over | Shown::Forged) => Err(BAD_TOKEN),
                Err(error) => Err(AccountError::from(error).into()),
            };
        }
        let claims = checked(app, client, Asked::Api, |keys| keys.verify(Some(token)), |claims| &claims.iss);
        claims.map(|claims| Some(Self::Token(Box::new(claims)))).map_err(|denied| match denied {
            Denied::Auth(AuthError::Missing) => NO_TOKEN,
            Denied::Auth(_) => BAD_TOKEN,
            Denied::TooOften(too_often) => too_often.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::claims::VideoGrants;

    fn bearer(video: VideoGrants) -> Asker {
        Asker::Token(Box::new(Claims { sub: "ada".into(), video, ..Claims::default() }))
    }

    #[test]
    fn a_look_into_a_room_is_for_its_people_and_administrators() {
        let room = || String::from("math");
        let ada = bearer(VideoGrants { room_join: true, room: room(), ..VideoGrants::default() });
        assert_eq!((ada.identity_in("math"), ada.administers("math")), (Some("ada"), false));
        assert_eq!((ada.identity_in("physics"), ada.oversees()), (None, false));
        let admin = bearer(VideoGrants { room_admin: true, room: room(), ..VideoGrants::default() });
        assert_eq!((admin.identity_in("math"), admin.administers("math")), (None, true));
        assert!(!admin.administers("physics") && !admin.oversees());
        let nobody = bearer(VideoGrants { room: room(), ..VideoGrants::default() });
        assert_eq!((nobody.identity_in("math"), nobody.administers("math"), nobody.oversees()), (None, false, false));
        assert!(bearer(VideoGrants { room_list: true, ..VideoGrants::default() }).oversees());
    }
}
