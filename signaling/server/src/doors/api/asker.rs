//! Who asks the native API, and what they may. Knows tokens and their grants, and accounts with their roles; what somebody is in a room at the moment,
//! the room knows.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use sluice_store::{User, UserId};

use crate::App;
use crate::accounts::{Account, AccountError, Shown, is_access_token};
use crate::auth::AuthError;
use crate::auth::claims::Claims;
use crate::doors::error::ApiError;
use crate::doors::knock::{Client, checked, looked_at};
use crate::doors::standing;
use crate::gate::{Asked, Denied};
use crate::roles::{ADMIN, PARTICIPANT, Roles};

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

    /// The same at this moment: a participant's token is as good as its bearer is a host in the room.
    pub(super) async fn administers_now(&self, app: &App, room: &str) -> Result<bool, ApiError> {
        match self {
            Self::Token(claims) => Ok(standing::administers(app, claims, room).await?),
            Self::Account(_) | Self::Developer => Ok(self.is_admin()),
        }
    }

    /// May do what concerns every room there ever was (`roomCreate` and `roomList`, role `admin`).
    pub(super) fn governs(&self) -> bool {
        match self {
            Self::Token(claims) => claims.video.room_create && claims.video.room_list,
            Self::Account(_) | Self::Developer => self.is_admin(),
        }
    }

    /// Whose account it is, when it is one that does not oversee everything.
    pub(super) fn plain_account(&self) -> Option<&UserId> {
        match self {
            Self::Account(account) if !account.is_admin() => Some(&account.user.id),
            Self::Token(_) | Self::Account(_) | Self::Developer => None,
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

/// Somebody with a participant's token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stay<'a> {
    pub(super) identity: &'a str,
    /// The account it came by.
    pub(super) account: Option<&'a str>,
    /// Seconds since 1970; 0 when the token does not say.
    pub(super) signed_at_s: u64,
}

impl Asker {
    /// Who asks, in words, for the audit trail.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Token(claims) => claims.bearer(),
            Self::Account(account) => format!("{} ({})", account.user.login, account.user.id),
            Self::Developer => "developer".to_owned(),
        }
    }

    /// Moderates the room whether it is in it or not: a back end whose token is of no participant, an administrator.
    pub(super) fn is_over(&self, room: &str) -> bool {
        match self {
            Self::Token(claims) => !claims.video.room_join && self.administers(room),
            Self::Account(_) | Self::Developer => self.administers(room),
        }
    }

    /// Makes rooms of any name, lasting ones too: back ends, and who is signed in.
    pub(super) fn makes_rooms(&self) -> bool {
        match self {
            Self::Token(claims) => claims.video.room_create,
            Self::Account(_) | Self::Developer => true,
        }
    }

    /// Ends rooms that it has nothing else to do with (`roomCreate`, as with the server API; role `admin`).
    pub(super) fn ends_rooms(&self) -> bool {
        match self {
            Self::Token(claims) => claims.video.room_create,
            Self::Account(_) | Self::Developer => self.is_admin(),
        }
    }

    /// Whose the rooms are that it makes.
    pub(super) fn owner(&self) -> Option<&str> {
        match self {
            Self::Token(claims) => Some(&claims.iss),
            Self::Account(account) => Some(account.user.id.as_str()),
            Self::Developer => None,
        }
    }

    /// Nobody has to show anything here, and nobody did.
    pub(super) fn is_developer(&self) -> bool {
        matches!(self, Self::Developer)
    }

    /// Is no guest: somebody vouches for it.
    pub(super) fn is_signed_in(&self) -> bool {
        self.makes_rooms() && !self.is_developer()
    }

    /// Which account it is, if any.
    pub(super) fn account(&self) -> Option<&str> {
        match self {
            Self::Account(account) => Some(account.user.id.as_str()),
            Self::Token(_) | Self::Developer => None,
        }
    }

    /// The account it is, if any, as the store has it at this request.
    pub(super) fn user(&self) -> Option<&User> {
        match self {
            Self::Account(account) => Some(&account.user),
            Self::Token(_) | Self::Developer => None,
        }
    }

    /// In whose name it writes to a room it is not in: identity, and how that is shown.
    pub(super) fn author(&self) -> (String, String) {
        match self {
            Self::Token(claims) => {
                let identity = if claims.sub.is_empty() { &claims.iss } else { &claims.sub };
                let name = if claims.name.is_empty() { identity } else { &claims.name };
                (identity.clone(), name.clone())
            }
            Self::Account(account) => (account.user.login.clone(), account.user.name.clone()),
            Self::Developer => ("developer".to_owned(), "Developer".to_owned()),
        }
    }

    /// As whom it is in the room, by a participant's token.
    pub(super) fn stay_in(&self, room: &str) -> Option<Stay<'_>> {
        let identity = self.identity_in(room)?;
        match self {
            Self::Token(claims) => {
                Some(Stay { identity, account: claims.account(), signed_at_s: claims.signed_at_s() })
            }
            Self::Account(_) | Self::Developer => None,
        }
    }
}

/// What an account is in every room it gets into: the first of its roles that says more than that it is a participant. An
/// administrator's says nothing of a room: who is one is its host by [`Asker::is_over`].
pub(super) fn own_role<'a>(user: &'a User, roles: &Roles) -> Option<&'a str> {
    let mut own = user.roles.iter().map(String::as_str);
    own.find(|role| ![ADMIN, PARTICIPANT].contains(role) && roles.powers(role).is_some())
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
        let claims = checked(app, client, Asked::Api, |keys| keys.verify(Some(token)), Claims::counts_to);
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
