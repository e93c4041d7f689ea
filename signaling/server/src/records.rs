//! Rooms as they were set up: what the store keeps of a room, and how one is opened from it.
//!
//! Knows the store and open rooms. Who may set a room up, and who gets into it, is asked at the doors.

use std::time::Duration;

use livekit_protocol::RoomConfiguration;
use serde::{Deserialize, Serialize};
use sluice_rooms::Entry;
use sluice_store::{BanSubject, Identity, Lifetime, Room, RoomName, StoreError, UnixMillis};
use utoipa::ToSchema;

use crate::App;
use crate::clock::moment;
use crate::room::{RoomHandle, RoomWish, TooManyRooms};

/// A temporary room goes when nobody has been in it for so long.
pub(crate) const TEMPORARY_LIFE: Duration = Duration::from_secs(24 * 3600);

/// What is kept of a room beside the columns that the store has for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// SHA-256 of the key that makes who joins with it the host, in hexadecimal. The key is random: no salt is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host_key: Option<String>,
    /// Where the room differs from the configuration; 0 for no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_cameras: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loudest_microphones: Option<u16>,
    #[serde(skip_serializing_if = "RecordingSettings::is_unset")]
    pub(crate) recording: RecordingSettings,
}

/// How a room is recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct RecordingSettings {
    /// Everybody is, without anybody asking, from the first person on.
    pub(crate) auto: bool,
    /// Who joins by the native API has to agree to be recorded.
    pub(crate) consent: bool,
}

impl RecordingSettings {
    fn is_unset(&self) -> bool {
        *self == Self::default()
    }
}

impl Settings {
    /// Those of a record; what cannot be read is not set.
    pub(crate) fn of(record: &Room) -> Self {
        serde_json::from_value(record.settings.clone()).unwrap_or_else(|error| {
            tracing::error!(room = %record.name, %error, "the settings of a room cannot be read");
            Self::default()
        })
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        // Texts and numbers in a struct: none of it can fail.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// The record of a room, unless its time is over and nobody is there.
pub(crate) async fn find(app: &App, id: &str) -> Result<Option<Room>, StoreError> {
    let record = app.store.room(&RoomName::from(id)).await?;
    Ok(record.filter(|record| is_current(record) || app.rooms.get(id).is_some()))
}

/// Whether its time is not over.
pub(crate) fn is_current(record: &Room) -> bool {
    match record.lifetime {
        Lifetime::Lasting => true,
        Lifetime::Temporary { expires } => expires > moment(),
    }
}

/// How people get into it while it is not open.
pub(crate) fn entry(record: &Room) -> Entry {
    Entry { lobby: record.lobby, locked: record.locked }
}

/// SHA-256 in hexadecimal: what is kept of a secret that is random.
pub(crate) fn digest(secret: &str) -> String {
    use std::fmt::Write as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// How a room is opened that was set up so.
pub(crate) fn wish(record: &Room) -> RoomWish {
    let settings = Settings::of(record);
    RoomWish {
        display_name: record.title.clone(),
        config: Some(RoomConfiguration { max_participants: record.max_participants, ..Default::default() }),
        last_cameras: settings.last_cameras,
        loudest_microphones: settings.loudest_microphones,
        entry: entry(record),
        keeps_chat: record.keeps_chat,
        records: settings.recording.auto,
    }
}

/// How a room is opened that may have been set up: from its record, if there is one.
pub(crate) async fn set_up(app: &App, id: &str) -> Result<RoomWish, StoreError> {
    Ok(find(app, id).await?.as_ref().map(wish).unwrap_or_default())
}

/// The room, opened from its record where it is not open.
pub(crate) fn open(app: &App, record: &Room) -> Result<RoomHandle, TooManyRooms> {
    app.rooms.open(record.name.as_str(), wish(record))
}

/// Somebody comes: a temporary room stays for as long again. Nothing hangs on whether that can be written now.
pub(crate) async fn prolong(app: &App, record: &Room) {
    let Lifetime::Temporary { expires } = record.lifetime else { return };
    let until = moment().plus(TEMPORARY_LIFE);
    // Once an hour is enough, and spares a write for each of a crowd.
    if until.since(expires) < Duration::from_secs(3600) {
        return;
    }
    let written = async {
        let mut transaction = app.store.begin().await?;
        transaction.prolong_room(&record.name, until).await?;
        transaction.commit().await
    };
    if let Err(error) = written.await {
        tracing::warn!(room = %record.name, %error, "the time of a room cannot be prolonged");
    }
}

/// A temporary room that was ended from outside does not open again. Nothing hangs on whether that can be written now.
pub(crate) async fn forget_temporary(app: &App, id: &str) {
    let forgotten = async {
        match app.store.room(&RoomName::from(id)).await? {
            Some(Room { lifetime: Lifetime::Temporary { .. }, name, .. }) => app.store.delete_room(&name).await,
            Some(_) | None => Ok(false),
        }
    };
    if let Err(error) = forgotten.await {
        tracing::warn!(room = id, %error, "a room that was ended is still kept");
    }
}

/// Why somebody with a good token, or with none, is kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeptOut {
    /// It is banned from the room, or from all.
    Banned,
    /// The token was signed before its bearer was sent away.
    Revoked,
}

/// Whether somebody is kept out of a room, who has that identity or that account; with a token, by when it was signed
/// (seconds since 1970; 0: it does not say).
pub(crate) async fn kept_out(
    app: &App,
    room: &str,
    identity: &str,
    account: Option<&str>,
    signed_at_s: Option<u64>,
) -> Result<Option<KeptOut>, StoreError> {
    if account_is_kept_out(app, room, account).await? {
        return Ok(Some(KeptOut::Banned));
    }
    let (room, identity) = (RoomName::from(room), Identity::from(identity));
    let known_by = [BanSubject::Identity(identity.clone())];
    if app.store.banned(&room, &known_by, moment()).await?.is_some() {
        return Ok(Some(KeptOut::Banned));
    }
    let Some(signed_at_s) = signed_at_s else { return Ok(None) };
    let issued = i64::try_from(signed_at_s.saturating_mul(1000)).ok().filter(|at| *at > 0).map(UnixMillis);
    let revoked = app.store.token_revoked(None, &room, &identity, issued).await?;
    Ok(revoked.then_some(KeptOut::Revoked))
}

/// Whether an account is kept out of a room, as whomever it comes.
pub(crate) async fn account_is_kept_out(app: &App, room: &str, account: Option<&str>) -> Result<bool, StoreError> {
    let Some(account) = account else { return Ok(false) };
    let known_by = [BanSubject::User(account.into())];
    Ok(app.store.banned(&RoomName::from(room), &known_by, moment()).await?.is_some())
}
