//! A room as a request finds it: its record, the room itself where it is open, and what who asks is there.
//!
//! Who holds a participant's token is what the room says at this moment, whatever the token says: so a promotion counts
//! at once, and a demotion too. A back end's token (`roomAdmin` and no `roomJoin`), an administrator's account and that of who
//! made the room are what they are whether they are in it or not.

use std::sync::Arc;

use axum::http::StatusCode;
use livekit_protocol::ParticipantInfo;
use sluice_rooms::{Moderation, ModerationError, Rights, RoomState};
use sluice_store::StoreError;

use super::asker::{Asker, BAD_TOKEN, NOT_PERMITTED};
use super::{NOT_WRITTEN, ROOM_NOT_FOUND};
use crate::App;
use crate::doors::error::ApiError;
use crate::records::{self, Settings};
use crate::room::{AdministerError, RoomHandle, Show, TooManyRooms};
use crate::trail::{Deed, Whence};

pub(super) const NO_STORAGE: ApiError = ApiError::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "storage_unavailable",
    "what is kept of rooms cannot be read or written now: try again",
);
pub(super) const NOBODY: ApiError = ApiError::new(
    StatusCode::NOT_FOUND,
    "participant_not_found",
    "nobody of that identity is in the room, or has such a track there",
);
const NOT_OPEN: ApiError =
    ApiError::new(StatusCode::CONFLICT, "room_not_open", "nobody is in the room now, so there is nothing to do there");
const TOO_MANY: ApiError =
    ApiError::new(StatusCode::CONFLICT, "too_many", "the room remembers as many of these as it can");
pub(super) const TOO_MANY_ROOMS: ApiError =
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_rooms", "this server has no place for another room");

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        // Nothing is kept under such a name.
        if matches!(error, StoreError::Nul) {
            return ROOM_NOT_FOUND;
        }
        tracing::error!(%error, "storage failed the native API");
        NO_STORAGE
    }
}

impl From<TooManyRooms> for ApiError {
    fn from(_: TooManyRooms) -> Self {
        TOO_MANY_ROOMS
    }
}

impl From<AdministerError> for ApiError {
    fn from(error: AdministerError) -> Self {
        match error {
            AdministerError::NoRoom | AdministerError::Refused(ModerationError::Finished) => NOT_OPEN,
            AdministerError::Refused(ModerationError::NotFound) => NOBODY,
            AdministerError::Refused(ModerationError::Invalid(what)) => {
                Self::new(StatusCode::BAD_REQUEST, "bad_argument", what)
            }
            AdministerError::Refused(ModerationError::NotAllowed(what)) => {
                Self::new(StatusCode::CONFLICT, "not_allowed", what)
            }
            AdministerError::Refused(ModerationError::TooMany(_)) => TOO_MANY,
            AdministerError::NotWritten => NOT_WRITTEN,
        }
    }
}

/// What somebody is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// Whose it is: who made it, a back end, an administrator. Alone may forget it for good.
    Owner,
    /// Moderates it, being in it.
    Host(Rights),
    /// Has a token for it.
    Member,
    /// Has nothing to do with it, and is not told whether it is there.
    Stranger,
}

/// Of an owner: all that there is to do in a room.
const OVER: Rights = Rights { room_admin: true, room_create: false, room_list: false, room_record: true };

/// A room, or what is kept of it; or both.
pub(super) struct Place {
    pub(super) id: String,
    pub(super) record: Option<sluice_store::Room>,
    pub(super) live: Option<RoomHandle>,
}

impl Place {
    /// `None` where there is neither.
    pub(super) async fn find(app: &App, id: &str) -> Result<Option<Self>, ApiError> {
        let record = records::find(app, id).await?;
        let live = app.rooms.get(id);
        Ok((record.is_some() || live.is_some()).then(|| Self { id: id.to_owned(), record, live }))
    }

    /// Whether who comes in has to agree to be recorded.
    pub(super) fn asks_consent(&self) -> bool {
        self.record.as_ref().is_some_and(|record| Settings::of(record).recording.consent)
    }

    /// The room, opened from its record where it is not open.
    pub(super) fn opened(&mut self, app: &App) -> Result<RoomHandle, ApiError> {
        if let Some(live) = &self.live {
            return Ok(live.clone());
        }
        let record = self.record.as_ref().ok_or(ROOM_NOT_FOUND)?;
        let live = records::open(app, record)?;
        self.live = Some(live.clone());
        Ok(live)
    }

    /// Asks the open room, if it is open.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        app: &App,
        question: impl FnOnce(&RoomState) -> T + Send + 'static,
    ) -> Option<T> {
        app.rooms.look(&self.id, question).await
    }

    /// Somebody who is in the open room.
    pub(super) async fn participant(&self, app: &App, identity: &str) -> Result<ParticipantInfo, ApiError> {
        let seen = app.rooms.administer(&self.id, None, Show::Participant(identity.to_owned())).await;
        let seen = match seen {
            Err(AdministerError::NoRoom) => return Err(NOBODY),
            seen => seen?,
        };
        seen.participants.into_iter().next().ok_or(NOBODY)
    }
}

/// What somebody is in a room.
pub(super) async fn rank(app: &App, asker: &Asker, id: &str) -> Result<Rank, ApiError> {
    if asker.is_over(id) {
        return Ok(Rank::Owner);
    }
    if let Some(account) = asker.account() {
        let record = records::find(app, id).await?;
        let is_own = record.is_some_and(|record| record.created_by.as_deref() == Some(account));
        return Ok(if is_own { Rank::Owner } else { Rank::Stranger });
    }
    let Some(shown) = asker.stay_in(id) else { return Ok(Rank::Stranger) };
    // First: a token from before somebody was sent away is none of who has come in its name since.
    if records::kept_out(app, id, shown.identity, shown.account, Some(shown.signed_at_s))
        .await?
        .is_some()
    {
        return Err(BAD_TOKEN);
    }
    let identity = shown.identity.to_owned();
    match app.rooms.look(id, move |room| room.rights_of(&identity)).await.flatten() {
        Some(rights) if rights.room_admin => Ok(Rank::Host(rights)),
        Some(_) | None => Ok(Rank::Member),
    }
}

/// Somebody who moderates, and where.
pub(super) struct Host {
    pub(super) app: Arc<App>,
    pub(super) asker: Asker,
    pub(super) place: Place,
    pub(super) rights: Rights,
    whence: Whence,
}

impl Host {
    /// Lets hosts of the room pass. Who is in it and is none is told so, and the trail too; to all others it is not there.
    pub(super) async fn at(
        app: Arc<App>,
        asker: Asker,
        whence: Whence,
        id: &str,
        what: &'static str,
    ) -> Result<Self, ApiError> {
        match rank(&app, &asker, id).await? {
            Rank::Owner => Self::over(app, asker, whence, id).await,
            Rank::Host(rights) => Ok(Self { rights, ..Self::over(app, asker, whence, id).await? }),
            Rank::Member => Err(Self::refused(&app, &asker, whence, id, what).await),
            Rank::Stranger => Err(ROOM_NOT_FOUND),
        }
    }

    /// Lets those pass whose room it is. Hosts are told that it takes more.
    pub(super) async fn owning(
        app: Arc<App>,
        asker: Asker,
        whence: Whence,
        id: &str,
        what: &'static str,
    ) -> Result<Self, ApiError> {
        match rank(&app, &asker, id).await? {
            Rank::Owner => Self::over(app, asker, whence, id).await,
            Rank::Host(_) | Rank::Member => Err(Self::refused(&app, &asker, whence, id, what).await),
            Rank::Stranger => Err(ROOM_NOT_FOUND),
        }
    }

    async fn refused(app: &App, asker: &Asker, whence: Whence, id: &str, what: &'static str) -> ApiError {
        app.trail.refused(&Deed::new(asker.name(), what, whence).in_room(id)).await;
        NOT_PERMITTED
    }

    /// A host who may moderate, and not do this. The trail has it.
    pub(super) async fn refuses(&self, what: &'static str) -> ApiError {
        self.app.trail.refused(&self.deed(what)).await;
        NOT_PERMITTED
    }

    /// Who may end any room, as the server API lets it.
    pub(super) async fn over(app: Arc<App>, asker: Asker, whence: Whence, id: &str) -> Result<Self, ApiError> {
        let place = Place::find(&app, id).await?.ok_or(ROOM_NOT_FOUND)?;
        Ok(Self { app, asker, place, rights: OVER, whence })
    }

    /// Whether somebody of these rights is of no higher rank: such a role may be given, and taken from its bearer.
    pub(super) fn is_up_to(&self, rights: Rights) -> bool {
        (self.rights.room_admin || !rights.room_admin) && (self.rights.room_record || !rights.room_record)
    }

    /// Something the host is about to do here.
    pub(super) fn deed(&self, what: &'static str) -> Deed {
        Deed::new(self.asker.name(), what, self.whence.clone()).in_room(&self.place.id)
    }

    /// Asks the open room for something, once the trail has it.
    pub(super) async fn moderate(&self, deed: Deed, moderation: Moderation) -> Result<(), ApiError> {
        let act =
            async { Ok(self.app.rooms.administer(&self.place.id, Some(moderation), Show::Room).await.map(drop)?) };
        self.app.trail.carry_out(deed, act).await
    }
}
