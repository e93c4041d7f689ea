//! The native API: rooms. Make one, look at it, change it, end it.
//!
//! A room is a record in the store, and an open room while somebody is there. What both know, the open room says.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use sluice_rooms::{Moderation, NameError, RoomState, display_name, valid_room_name};
use sluice_store::{Lifetime, PasswordError, PasswordHash, StoreError};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::AccountsInfo;
use super::asker::Asker;
use super::place::{Host, Place};
use super::{INTERNAL, NOT_WRITTEN, PASSWORDS_BUSY, ROOM_NOT_FOUND, body, idempotency};
use crate::App;
use crate::clock::moment;
use crate::doors::error::ApiError;
use crate::doors::knock::Client;
use crate::random::random_id;
use crate::records::{self, RecordingSettings, Settings, TEMPORARY_LIFE, digest};
use crate::roles;
use crate::room::{RoomStatus, Show};
use crate::trail::Whence;

/// Letters of a room id: 31^8 of them, too many to guess one.
const ROOM_ID_LETTERS: usize = 8;
/// Letters of the key that makes a host: 109 bits.
const HOST_KEY_LETTERS: usize = 22;
/// Rooms in a list at most, of those that are not open.
const LISTED: u32 = 1_000;

pub(super) const BAD_NAME: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_name", "a name has 1 to 64 letters and at most 256 bytes");
const BAD_ID: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_id", "the id of a room has 1 to 256 bytes of plain text");
const BAD_PASSWORD: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_password", "a password has between 1 and 1024 bytes");
pub(super) const NO_GUESTS: ApiError =
    ApiError::new(StatusCode::FORBIDDEN, "guests_not_allowed", "this server lets nobody in without a token");
pub(super) const SIGN_IN: ApiError = ApiError::new(
    StatusCode::FORBIDDEN,
    "sign_in_required",
    "that is for people who are signed in, and for back ends with a `roomCreate` token",
);
const ROOM_EXISTS: ApiError = ApiError::new(
    StatusCode::CONFLICT,
    "room_exists",
    "there is a room of this id already: look at it, or choose another",
);
const ONLY_OPEN: ApiError = ApiError::new(
    StatusCode::CONFLICT,
    "room_not_kept",
    "nothing is kept of this room: only `lobby`, `locked` and `max_participants` can change, while it is open",
);
const ROOM_CHANGED: ApiError = ApiError::new(
    StatusCode::CONFLICT,
    "room_changed",
    "others keep changing the room, and nothing was changed now: look at it, and try again",
);
const RECORDINGS_DISABLED: ApiError = ApiError::new(
    StatusCode::CONFLICT,
    "recordings_disabled",
    "this server records nothing: its operator has to set `recordings.path`",
);
pub(super) const UNKNOWN_ROLE: ApiError = ApiError::new(
    StatusCode::BAD_REQUEST,
    "unknown_role",
    "there is no such role: the configuration names those there are",
);
const RATE_LIMITED: ApiError =
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "too many rooms were made in the last minute")
        .after_s(60);

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(info))
        .routes(routes!(create, list))
        .routes(routes!(look, change, forget))
        .routes(routes!(end))
}

/// A room.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Room {
    /// Eight letters, or the name somebody gave it; what tokens call `room`.
    id: String,
    name: String,
    num_participants: usize,
    /// 0 for no bound.
    max_participants: u32,
    /// Cameras each participant receives at most, of those who spoke last; 0 for all.
    last_cameras: u16,
    /// Microphones each participant receives at most, the loudest; 0 for all.
    loudest_microphones: u16,
    /// Unix milliseconds.
    created_at: i64,
    /// It stays until it is deleted; others go when nobody has been in them for a day.
    lasting: bool,
    has_password: bool,
    /// Guests wait until a host lets them in.
    lobby: bool,
    /// Nobody new comes in but hosts.
    locked: bool,
    /// May be entered by link, without an account.
    guests: bool,
    /// Whether what people write is kept.
    keeps_chat: bool,
    /// How it is recorded without anybody asking.
    recording: RecordingSettings,
    /// A recording goes on.
    is_recorded: bool,
    /// Who joins has to agree to be recorded: `consents_to_recording`.
    asks_consent: bool,
    /// It is open: somebody is there, or was a moment ago.
    live: bool,
    /// Of this time that it is open (`sid`).
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    /// What people do in it: `WaitingForParticipants`, `Connected`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    session_state: Option<String>,
    /// Nobody else finds a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    full: Option<bool>,
    /// Who made it; shown to hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    /// Who joins with it is host. Shown once, to who made the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    host_key: Option<String>,
}

impl Room {
    /// As it is now.
    pub(super) async fn of(app: &App, place: &Place) -> Self {
        let mut room = match (&place.live, &place.record) {
            (Some(live), _) => Self::open(app, &live.status),
            (None, Some(record)) => Self::kept(app, record),
            (None, None) => Self::default(),
        };
        if let Some(record) = &place.record {
            room.keep(record);
        }
        let seen =
            |room: &RoomState| (room.entry(), room.sid().to_string(), room.session_state().name(), room.is_recorded());
        if let Some((entry, session, state, is_recorded)) = place.ask(app, seen).await {
            (room.lobby, room.locked, room.is_recorded) = (entry.lobby, entry.locked, is_recorded);
            (room.session_id, room.session_state) = (Some(session), Some(state.to_owned()));
        }
        room
    }

    /// What its status says, for one that nobody set up.
    fn open(app: &App, status: &RoomStatus) -> Self {
        Self {
            id: status.id.clone(),
            name: status.name.clone(),
            num_participants: status.num_participants(),
            max_participants: status.max_participants(),
            last_cameras: status.limits.last_cameras.unwrap_or(0),
            loudest_microphones: status.limits.loudest_microphones.unwrap_or(0),
            created_at: status.created_at,
            guests: app.config.open_rooms,
            live: true,
            full: Some(status.is_full()),
            ..Self::default()
        }
    }

    fn kept(app: &App, record: &sluice_store::Room) -> Self {
        let (settings, defaults) = (Settings::of(record), &app.config.rooms);
        Self {
            id: record.name.to_string(),
            max_participants: match record.max_participants {
                0 => defaults.max_participants,
                bound => bound,
            },
            last_cameras: settings.last_cameras.unwrap_or(defaults.last_cameras),
            loudest_microphones: settings.loudest_microphones.unwrap_or(defaults.loudest_microphones),
            lobby: record.lobby,
            locked: record.locked,
            full: Some(false),
            ..Self::default()
        }
    }

    /// What only the record knows.
    fn keep(&mut self, record: &sluice_store::Room) {
        self.name = match record.title.as_str() {
            "" => self.id.clone(),
            title => title.to_owned(),
        };
        self.created_at = record.created.0;
        self.lasting = record.lifetime == Lifetime::Lasting;
        self.has_password = record.password_hash.is_some();
        self.guests = record.guests;
        self.keeps_chat = record.keeps_chat;
        self.recording = Settings::of(record).recording;
        self.asks_consent = self.recording.consent;
    }
}

/// What this server is.
#[derive(Debug, Serialize, ToSchema)]
struct Info {
    name: &'static str,
    version: &'static str,
    /// Development mode: everybody may everything.
    dev: bool,
    accounts: AccountsInfo,
    /// Whether people without an account may make rooms and join them.
    guests: bool,
}

/// What this server is
#[utoipa::path(get, path = "/api/info", tag = "about", responses((status = 200, body = Info)))]
async fn info(State(app): State<Arc<App>>) -> Json<Info> {
    Json(Info {
        name: "sluice",
        version: env!("CARGO_PKG_VERSION"),
        dev: app.config.dev,
        accounts: AccountsInfo::of(&app),
        guests: app.config.open_rooms,
    })
}

/// How a room shall be. What is left out is as configured.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
struct Create {
    /// What people read; at most 64 letters.
    name: Option<String>,
    /// Of one's own choice; for people who are signed in and for back ends.
    id: Option<String>,
    /// It stays until it is deleted; for the same.
    #[serde(default)]
    lasting: bool,
    /// Who joins has to know it; at most 1024 bytes.
    password: Option<String>,
    /// Guests wait until a host lets them in.
    #[serde(default)]
    lobby: bool,
    /// Nobody comes in but hosts.
    #[serde(default)]
    locked: bool,
    /// May be entered by link, without an account. Left out: as the server allows it (`rooms.open`).
    guests: Option<bool>,
    /// Keep what people write.
    #[serde(default)]
    keeps_chat: bool,
    /// 0 for as configured.
    #[serde(default)]
    max_participants: u32,
    /// What people are who join without a role of their own (`participant`); for people who are signed in and for back ends.
    default_role: Option<String>,
    /// Cameras forwarded at once; 0 for all.
    last_cameras: Option<u16>,
    /// Microphones forwarded at once; 0 for all.
    loudest_microphones: Option<u16>,
    /// How it is recorded without anybody asking.
    #[serde(default)]
    recording: RecordingSettings,
}

/// Make a room
///
/// Open to everybody where the server has guests, and to who is signed in or has a `roomCreate` token. With an
/// `Idempotency-Key` the same request, sent again within ten minutes, is answered as before and makes no second room.
#[utoipa::path(post, path = "/api/rooms", tag = "rooms", request_body = Create,
    params(("idempotency-key" = Option<String>, Header, description = "At most 255 characters, new for each room")),
    responses(
        (status = 201, description = "The room, with its `host_key`", body = Room),
        (status = 400, description = "`bad_name`, `bad_id`, `bad_password`, `unknown_role`, `bad_idempotency_key`"),
        (status = 403, description = "`guests_not_allowed`, `sign_in_required`"),
        (status = 409, description = "`room_exists`, `idempotency_conflict`, `recordings_disabled`"),
        (status = 429, description = "`rate_limited`"),
    ))]
async fn create(
    State(app): State<Arc<App>>,
    asker: Option<Asker>,
    whence: Whence,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    json: Result<Json<Create>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let request = body(json)?;
    // Anonymous people are told apart by where they come from, and by a key that nobody else there thinks of: the answer
    // has the room's host key in it.
    let who = match (&asker, client.address()) {
        (Some(asker), _) => asker.name(),
        (None, Some(address)) if idempotency::is_long(&headers) => address.to_string(),
        (None, _) if headers.contains_key(idempotency::KEY) => return Err(idempotency::BAD_KEY),
        (None, _) => String::new(),
    };
    let said = serde_json::to_string(&request).map_err(|_| INTERNAL)?;
    let make = async {
        let room = make(&app, asker.as_ref(), whence, request).await?;
        serde_json::to_value(room).map_err(|_| INTERNAL)
    };
    let room = app.answers.once(&headers, &who, &digest(&said), make).await?;
    Ok((StatusCode::CREATED, Json(room)))
}

async fn make(app: &Arc<App>, asker: Option<&Asker>, whence: Whence, request: Create) -> Result<Room, ApiError> {
    let maker = asker.filter(|asker| asker.makes_rooms());
    if maker.is_none() && !app.config.open_rooms {
        return Err(NO_GUESTS);
    }
    if maker.is_none() && (request.lasting || request.id.is_some() || request.default_role.is_some()) {
        return Err(SIGN_IN);
    }
    let title = title(request.name.as_deref())?;
    if request.id.as_deref().is_some_and(|id| !valid_room_name(id)) {
        return Err(BAD_ID);
    }
    if request
        .default_role
        .as_deref()
        .is_some_and(|role| role == roles::ADMIN || app.roles.powers(role).is_none())
    {
        return Err(UNKNOWN_ROLE);
    }
    records_here(app, request.recording.auto)?;
    if !app.creations.take() {
        return Err(RATE_LIMITED);
    }
    let id = request.id.unwrap_or_else(|| random_id(ROOM_ID_LETTERS));
    let host_key = random_id(HOST_KEY_LETTERS);
    let settings = Settings {
        host_key: Some(digest(&host_key)),
        last_cameras: request.last_cameras,
        loudest_microphones: request.loudest_microphones,
        recording: request.recording,
    };
    let now = moment();
    let record = sluice_store::Room {
        name: id.as_str().into(),
        title,
        lifetime: match request.lasting {
            true => Lifetime::Lasting,
            false => Lifetime::Temporary { expires: now.plus(TEMPORARY_LIFE) },
        },
        settings: settings.to_json(),
        password_hash: hash(request.password.as_deref()).await?,
        lobby: request.lobby,
        locked: request.locked,
        guests: request.guests.unwrap_or(app.config.open_rooms),
        keeps_chat: request.keeps_chat,
        max_participants: request.max_participants,
        default_roles: request.default_role.into_iter().collect(),
        created_by: asker.and_then(Asker::owner).map(str::to_owned),
        created: now,
        updated: now,
    };
    let mut place = Place { id: id.clone(), live: app.rooms.get(&id), record: None };
    if place.live.is_some() {
        return Err(ROOM_EXISTS);
    }
    let set_up = async {
        app.store.make_room(&record, now).await.map_err(|error| match error {
            StoreError::Exists { .. } => ROOM_EXISTS,
            error => error.into(),
        })
    };
    match maker {
        Some(maker) => {
            let deed = crate::trail::Deed::new(maker.name(), "room.create", whence).in_room(&id);
            app.trail.carry_out(deed, set_up).await?;
        }
        None => set_up.await?,
    }
    let lasting = record.lifetime == Lifetime::Lasting;
    place.record = Some(record);
    // A lasting room opens when somebody comes. One that guests make is there as soon as it is made.
    if !lasting {
        if let Err(error) = place.opened(app) {
            app.store.delete_room(&id.as_str().into()).await?;
            return Err(error);
        }
        app.rooms.written(&id).await.map_err(|_| NOT_WRITTEN)?;
    }
    let room = Room::of(app, &place).await;
    Ok(Room { host_key: Some(host_key), full: None, ..room })
}

/// Who asks for recordings is not to believe that there are any where there are none.
fn records_here(app: &App, auto: bool) -> Result<(), ApiError> {
    if auto && app.config.recordings.folder.is_none() { Err(RECORDINGS_DISABLED) } else { Ok(()) }
}

fn title(name: Option<&str>) -> Result<String, ApiError> {
    match name.map(display_name) {
        None | Some(Err(NameError::Empty)) => Ok(String::new()),
        Some(Ok(name)) => Ok(name),
        Some(Err(NameError::TooLong)) => Err(BAD_NAME),
    }
}

async fn hash(password: Option<&str>) -> Result<Option<PasswordHash>, ApiError> {
    let Some(password) = password else { return Ok(None) };
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| INTERNAL)?;
    PasswordHash::new(password, salt).await.map(Some).map_err(|error| match error {
        PasswordError::Length => BAD_PASSWORD,
        _ => PASSWORDS_BUSY,
    })
}

/// Rooms.
#[derive(Debug, Serialize, ToSchema)]
struct List {
    rooms: Vec<Room>,
}

/// All rooms, open or kept
///
/// In development mode, and for administrators (`roomList`); who knows a room's id may try to enter it.
#[utoipa::path(get, path = "/api/rooms", tag = "rooms", responses(
    (status = 200, description = "Up to 1000 that are kept, and all that are open", body = List),
    (status = 404, description = "`not_found`: for all others"),
))]
async fn list(State(app): State<Arc<App>>, asker: Option<Asker>) -> Result<Json<List>, ApiError> {
    if !asker.is_some_and(|asker| asker.oversees()) {
        let message = "rooms are listed for administrators (`roomList`), and in development mode";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", message));
    }
    let mut rooms = Vec::new();
    let kept = app.store.rooms(None, LISTED).await?;
    let open = app.rooms.list();
    let is_kept = |id: &str| kept.iter().any(|record| record.name.as_str() == id);
    let unkept: Vec<_> = open
        .iter()
        .filter(|status| !is_kept(&status.id))
        .map(|status| status.id.clone())
        .collect();
    for record in kept.into_iter().filter(records::is_current) {
        let id = record.name.to_string();
        let place = Place { live: app.rooms.get(&id), record: Some(record), id };
        rooms.push(Room::of(&app, &place).await);
    }
    for id in unkept {
        // One that has ended meanwhile is none.
        if let Some(live) = app.rooms.get(&id) {
            rooms.push(Room::of(&app, &Place { id, record: None, live: Some(live) }).await);
        }
    }
    rooms.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    for room in &mut rooms {
        room.full = None;
    }
    Ok(Json(List { rooms }))
}

/// Look at a room
#[utoipa::path(get, path = "/api/rooms/{id}", tag = "rooms", params(("id" = String, Path, description = "The room")),
    responses((status = 200, body = Room), (status = 404, description = "`room_not_found`")))]
async fn look(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Room>, ApiError> {
    let place = Place::find(&app, &id).await?.ok_or(ROOM_NOT_FOUND)?;
    Ok(Json(Room::of(&app, &place).await))
}

/// What shall be different. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    name: Option<String>,
    /// `null` takes it away.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    password: Option<Option<String>>,
    lobby: Option<bool>,
    locked: Option<bool>,
    guests: Option<bool>,
    /// Counts from the next time on that the room opens.
    keeps_chat: Option<bool>,
    /// 0 for as configured. Who is there stays.
    max_participants: Option<u32>,
    /// For who may record. `auto` counts from the next time on that the room opens, `consent` at once.
    recording: Option<RecordingChange>,
}

/// What shall be different of how a room is recorded. What is left out stays.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecordingChange {
    auto: Option<bool>,
    consent: Option<bool>,
}

/// Tells `null` from nothing.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Change a room
///
/// For its hosts. People who are in it are told at once whether it is locked and has a lobby.
#[utoipa::path(patch, path = "/api/rooms/{id}", tag = "rooms", params(("id" = String, Path, description = "The room")),
    request_body = Change, responses(
        (status = 200, body = Room),
        (status = 400, description = "`bad_name`, `bad_password`"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`"),
        (status = 409, description = "`room_not_kept`, `room_changed`, `recordings_disabled`"),
    ))]
async fn change(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
    json: Result<Json<Change>, JsonRejection>,
) -> Result<Json<Room>, ApiError> {
    let change = body(json)?;
    let mut host = Host::at(app.clone(), asker, whence, &id, "room.update").await?;
    let words = change.name.is_some() || change.password.is_some();
    let kept = change.guests.is_some() || change.keeps_chat.is_some() || change.recording.is_some();
    if host.place.record.is_none() && (words || kept) {
        return Err(ONLY_OPEN);
    }
    if let Some(recording) = change.recording {
        if !host.rights.room_record {
            return Err(host.refuses("room.update").await);
        }
        records_here(&app, recording.auto == Some(true))?;
    }
    let difference = Difference::of(&change).await?;
    let deed = host.deed("room.update").with(change.fields());
    let live = host.place.live.is_some();
    let read = host.place.record.take();
    let act = async {
        let record = match read {
            Some(read) => Some(write(&app, read, &difference).await?),
            None => None,
        };
        let mut steps = Vec::new();
        if change.locked.is_some() || change.lobby.is_some() {
            steps.push(Moderation::SetEntry { locked: change.locked, lobby: change.lobby });
        }
        if let Some(most) = change.max_participants {
            let most = if most == 0 { app.config.rooms.max_participants } else { most };
            steps.push(Moderation::Reconfigure {
                empty_timeout: None,
                departure_timeout: None,
                max_participants: Some(most),
                metadata: None,
            });
        }
        for step in steps.into_iter().filter(|_| live) {
            match app.rooms.administer(&id, Some(step), Show::Room).await {
                Ok(_) => {}
                // It has ended meanwhile; the next one opens as the record says.
                Err(error) if record.is_some() && error.is_over() => {}
                Err(error) => return Err(ApiError::from(error)),
            }
        }
        Ok(record)
    };
    host.place.record = app.trail.carry_out(deed, act).await?;
    Ok(Json(shown_to_host(&app, &host.place).await))
}

/// A room with what only hosts see.
async fn shown_to_host(app: &App, place: &Place) -> Room {
    let created_by = place.record.as_ref().and_then(|record| record.created_by.clone());
    Room { created_by, ..Room::of(app, place).await }
}

impl Change {
    /// Which fields are named, for the trail. Not what they say: one is a password.
    fn fields(&self) -> String {
        let named = [
            ("name", self.name.is_some()),
            ("password", self.password.is_some()),
            ("lobby", self.lobby.is_some()),
            ("locked", self.locked.is_some()),
            ("guests", self.guests.is_some()),
            ("keeps_chat", self.keeps_chat.is_some()),
            ("max_participants", self.max_participants.is_some()),
            ("recording", self.recording.is_some()),
        ];
        named
            .iter()
            .filter(|(_, named)| *named)
            .map(|(field, _)| *field)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// What shall be different of a record.
struct Difference<'a> {
    change: &'a Change,
    title: Option<String>,
    password_hash: Option<Option<PasswordHash>>,
}

impl<'a> Difference<'a> {
    async fn of(change: &'a Change) -> Result<Self, ApiError> {
        let title = change.name.as_deref().map(|name| title(Some(name))).transpose()?;
        let password_hash = match &change.password {
            Some(password) => Some(hash(password.as_deref()).await?),
            None => None,
        };
        Ok(Self { change, title, password_hash })
    }

    fn applied(&self, record: sluice_store::Room) -> sluice_store::Room {
        let Self { change, title, password_hash } = self;
        let settings = match change.recording {
            None => record.settings.clone(),
            Some(RecordingChange { auto, consent }) => {
                let mut settings = Settings::of(&record);
                let RecordingSettings { auto: was_auto, consent: was_consent } = settings.recording;
                settings.recording =
                    RecordingSettings { auto: auto.unwrap_or(was_auto), consent: consent.unwrap_or(was_consent) };
                settings.to_json()
            }
        };
        sluice_store::Room {
            settings,
            title: title.clone().unwrap_or(record.title),
            password_hash: password_hash.clone().unwrap_or(record.password_hash),
            lobby: change.lobby.unwrap_or(record.lobby),
            locked: change.locked.unwrap_or(record.locked),
            guests: change.guests.unwrap_or(record.guests),
            keeps_chat: change.keeps_chat.unwrap_or(record.keeps_chat),
            max_participants: change.max_participants.unwrap_or(record.max_participants),
            // By it others see that the room is not as they read it, within a millisecond too.
            updated: moment().max(record.updated.plus(Duration::from_millis(1))),
            ..record
        }
    }
}

/// Writes what shall be different into the record as it was read; where somebody else changes it at this moment, into what
/// they made of it. The record as it is then.
async fn write(
    app: &App,
    mut read: sluice_store::Room,
    difference: &Difference<'_>,
) -> Result<sluice_store::Room, ApiError> {
    for _ in 0..2 {
        let written = difference.applied(read.clone());
        match app.store.update_room(&written, read.updated).await {
            Ok(()) => return Ok(written),
            Err(StoreError::Conflict { .. }) => {
                let present = app.store.room(&read.name).await?;
                // Another one of this name is nobody's here.
                read = present.filter(|present| present.created == read.created).ok_or(ROOM_NOT_FOUND)?;
            }
            Err(StoreError::Missing { .. }) => return Err(ROOM_NOT_FOUND),
            Err(error) => return Err(error.into()),
        }
    }
    Err(ROOM_CHANGED)
}

/// End a room and forget it
///
/// For those whose it is: the account that made it, back ends (`roomCreate`, or `roomAdmin` of it without `roomJoin`) and
/// administrators. Who is a host in it may end it and no more. Its chat goes with it; what happened in it stays in the event
/// log.
#[utoipa::path(delete, path = "/api/rooms/{id}", tag = "rooms", params(("id" = String, Path, description = "The room")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`"),
    ))]
async fn forget(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let owner = match asker.ends_rooms() {
        true => Host::over(app.clone(), asker, whence, &id).await?,
        false => Host::owning(app.clone(), asker, whence, &id, "room.delete").await?,
    };
    let act = async {
        // First: then it does not open again, and what was said in it and is still to be written is not kept.
        app.store.delete_room(&id.as_str().into()).await?;
        end_now(&app, &id).await
    };
    app.trail.carry_out(owner.deed("room.delete"), act).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// End a room for all
///
/// For its hosts, and for back ends (`roomCreate`). The room stays as it was set up, and opens when somebody comes.
#[utoipa::path(post, path = "/api/rooms/{id}/end", tag = "moderation",
    params(("id" = String, Path, description = "The room")),
    responses(
        (status = 204, description = "Nobody is in it any more"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`"),
    ))]
async fn end(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let host = over_or_host(app.clone(), asker, whence, &id, "room.end").await?;
    let act = async { end_now(&app, &id).await };
    app.trail.carry_out(host.deed("room.end"), act).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// One that is not open has ended.
async fn end_now(app: &App, id: &str) -> Result<(), ApiError> {
    match app.rooms.administer(id, Some(Moderation::DeleteRoom), Show::Room).await {
        Err(error) if !error.is_over() => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Back ends that make rooms end them too, as with the server API.
async fn over_or_host(
    app: Arc<App>,
    asker: Asker,
    whence: Whence,
    id: &str,
    what: &'static str,
) -> Result<Host, ApiError> {
    if asker.ends_rooms() {
        return Host::over(app, asker, whence, id).await;
    }
    Host::at(app, asker, whence, id, what).await
}
