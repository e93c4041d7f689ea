//! The native API: recordings made of rooms, and what becomes of them.
//!
//! They belong to the room: whoever's it is sees and deletes them, hosts who may record see those of the session they host.
//! To everybody else there are none. How they are made and kept is `crate::recordings`'; [`super::playback`] shows them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use livekit_protocol::{EgressInfo, EgressStatus};
use serde::{Deserialize, Deserializer, Serialize};
use sluice_recordings::{Composition, Layout, Media, RecordingId, Refusal, Source, request};
use sluice_store::{RecordingFilter, RoomName, UnixMillis};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asker::{Asker, NOT_PERMITTED};
use super::body;
use super::place::{Host, Rank, rank};
use crate::App;
use crate::doors::error::ApiError;
use crate::recordings::{KeptFile, Making, NoPlace, NotBegun, RecordingError, Recordings, WishOf, is_composite};
use crate::trail::{Deed, Whence};

/// Recordings in an answer when nobody says how many, and the most.
const PAGE: u32 = 50;
const MOST: u32 = 1_000;
/// A hundred years: whoever keeps something for longer means for ever.
const MOST_DAYS: u32 = 36_525;

pub(super) const RECORDING_NOT_FOUND: ApiError =
    ApiError::new(StatusCode::NOT_FOUND, "recording_not_found", "there is no such recording");
const BAD_QUERY: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_query", "`before` is the `next` of the list before, `limit` 1 to 1000");
const BAD_CHANGE: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_change", "`keep_days` is 1 to 36525, or null to keep it for ever");
const GOING_ON: ApiError = ApiError::new(StatusCode::CONFLICT, "going_on", "it is still recorded: stop it first");
const HELD: ApiError =
    ApiError::new(StatusCode::CONFLICT, "held", "somebody holds it, so that nobody deletes it: let go of it first");

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(stop))
        .routes(routes!(list))
        .routes(routes!(look, change, delete))
        .routes(routes!(manifest))
        .routes(routes!(compose))
}

/// What of the room.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum WhatOf {
    /// Everybody: a file for each, and for each shared screen.
    Room {
        /// `grid`, `speaker` or `single-speaker`, where one picture is made of it.
        #[serde(default)]
        layout: String,
    },
    /// Somebody's camera and microphone.
    Participant { identity: String },
    /// One track.
    Track { track_sid: String },
}

#[derive(Debug, Deserialize, ToSchema)]
struct StartRecording {
    source: WhatOf,
    /// One video is made of it when it is over.
    #[serde(default)]
    composite: bool,
}

/// A recording. Times are Unix milliseconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recording {
    id: String,
    room: String,
    /// The session it was made in.
    session: String,
    /// `starting`, `active`, `ending`, `complete`, `failed`, `aborted` (before anything was recorded) or `limit_reached`.
    state: &'static str,
    /// Why it ended, where nobody stopped it.
    reason: Option<String>,
    started_at: i64,
    ended_at: Option<i64>,
    /// Of the longest file, once it is over.
    duration_ms: i64,
    bytes: u64,
    files: Vec<RecordingFile>,
    /// There is a manifest, by which its files play in step.
    has_manifest: bool,
    composite: Composite,
    /// Nobody deletes it.
    is_held: bool,
    /// When it is deleted; null: not by itself.
    expires_at: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct RecordingFile {
    name: String,
    bytes: u64,
    content_type: &'static str,
}

/// One video of all that was recorded.
#[derive(Debug, Serialize, ToSchema)]
struct Composite {
    /// `none`, `waiting`, `running`, `done` or `failed`.
    state: &'static str,
    /// 0 to 1.
    progress: f32,
    /// The name of the file that was made.
    file: Option<String>,
    reason: Option<String>,
}

impl Recording {
    fn of(app: &App, kept: &sluice_store::Recording, info: &EgressInfo) -> Self {
        let files = Recordings::files(kept);
        let ms = |ns: i64| ns / 1_000_000;
        let composite = Composite::of(app.recordings.making(kept), &files);
        Self {
            id: kept.id.clone(),
            room: kept.room.to_string(),
            session: kept.session.to_string(),
            state: match info.status() {
                EgressStatus::EgressStarting => "starting",
                EgressStatus::EgressActive => "active",
                EgressStatus::EgressEnding => "ending",
                EgressStatus::EgressComplete => "complete",
                EgressStatus::EgressFailed => "failed",
                EgressStatus::EgressAborted => "aborted",
                EgressStatus::EgressLimitReached => "limit_reached",
            },
            reason: Some(info.error.clone()).filter(|reason| !reason.is_empty()),
            started_at: if info.started_at > 0 { ms(info.started_at) } else { kept.created.0 },
            ended_at: kept.ended.map(|at| at.0),
            duration_ms: longest(info) / 1_000_000,
            bytes: kept.bytes,
            has_manifest: !files.is_empty(),
            files: files
                .into_iter()
                .map(|file| RecordingFile { content_type: file.content_type(), bytes: file.bytes, name: file.name })
                .collect(),
            composite,
            is_held: kept.is_held,
            expires_at: kept.expires.map(|at| at.0),
        }
    }
}

/// Of what there is, in nanoseconds.
fn longest(info: &EgressInfo) -> i64 {
    let files = info.file_results.iter().map(|file| file.duration);
    files
        .chain(info.segment_results.iter().map(|segments| segments.duration))
        .max()
        .unwrap_or(0)
}

impl Composite {
    fn of(making: Option<Making>, files: &[KeptFile]) -> Self {
        // Another one may be made of what has one.
        let file = files.iter().rev().find(|file| is_composite(&file.name)).map(|file| file.name.clone());
        let (state, progress, reason) = match making {
            Some(Making::Waiting) => ("waiting", 0.0, None),
            Some(Making::Running(progress)) => ("running", progress, None),
            Some(Making::Failed(reason)) => ("failed", 0.0, Some(reason)),
            None if file.is_some() => ("done", 1.0, None),
            None => ("none", 0.0, None),
        };
        Self { state, progress, file, reason }
    }
}

/// What somebody may do with a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// All.
    Owner,
    /// See, play and stop it.
    Host,
}

/// A recording, and what who asks may do with it. To everybody else it is not there, and the trail is told that they asked.
pub(super) async fn found(
    app: &App,
    asker: &Asker,
    whence: &Whence,
    id: &str,
    what: &'static str,
) -> Result<(sluice_store::Recording, Hold), ApiError> {
    let recording = app.recordings.find(id).await?.ok_or(RECORDING_NOT_FOUND)?;
    match hold(app, asker, &recording).await? {
        Some(hold) => Ok((recording, hold)),
        None => {
            let deed = Deed::new(asker.name(), what, whence.clone()).to(id).in_room(recording.room.as_str());
            app.trail.refused(&deed).await;
            Err(RECORDING_NOT_FOUND)
        }
    }
}

async fn hold(app: &App, asker: &Asker, recording: &sluice_store::Recording) -> Result<Option<Hold>, ApiError> {
    let room = recording.room.as_str();
    if asker.governs() || asker.is_over(room) {
        return Ok(Some(Hold::Owner));
    }
    if let Some(account) = asker.account() {
        // Whose the room was then: one of the same name may be somebody else's by now.
        return Ok((recording.owner.as_deref() == Some(account)).then_some(Hold::Owner));
    }
    let session = recording.session.to_string();
    let is_same_session = app.rooms.look(room, move |room| room.sid().as_str() == session).await == Some(true);
    match rank(app, asker, room).await? {
        Rank::Host(rights) if rights.room_record && is_same_session => Ok(Some(Hold::Host)),
        _ => Ok(None),
    }
}

async fn shown(app: &App, recording: sluice_store::Recording) -> Result<Json<Recording>, ApiError> {
    let info = app.recordings.info(&recording).ok_or(RECORDING_NOT_FOUND)?;
    Ok(Json(Recording::of(app, &recording, &info)))
}

/// Record a room
///
/// For hosts who may record. Everybody in the room is told, from now until nothing is written any more.
#[utoipa::path(post, operation_id = "start_recording", path = "/api/rooms/{id}/recordings", tag = "recordings",
    request_body = StartRecording, params(("id" = String, Path, description = "The room")),
    responses(
        (status = 201, body = Recording),
        (status = 400, description = "`bad_recording`"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`"),
        (status = 409, description = "`room_not_open`, `recordings_off`"),
        (status = 429, description = "`too_many_recordings`"),
        (status = 501, description = "`not_offered`"),
        (status = 503, description = "`storage_unavailable`, `audit_unavailable`"),
    ))]
async fn start(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
    json: Result<Json<StartRecording>, JsonRejection>,
) -> Result<(StatusCode, Json<Recording>), ApiError> {
    const WHAT: &str = "recording.start";
    let StartRecording { source, composite } = body(json)?;
    let host = Host::at(app, asker, whence, &id, WHAT).await?;
    let deed = host.deed(WHAT);
    if !host.rights.room_record {
        host.app.trail.refused(&deed).await;
        return Err(NOT_PERMITTED);
    }
    let (source, deed) = match source {
        WhatOf::Room { layout } => {
            let layout = Layout::named(&layout).map_err(RecordingError::from)?;
            (Source::Room(Composition { layout, media: Media::Both }), deed)
        }
        WhatOf::Participant { identity } => {
            host.place.participant(&host.app, &identity).await?;
            let deed = deed.to(&identity);
            (Source::Participant { identity, prefers_screen: false, media: Media::Both }, deed)
        }
        WhatOf::Track { track_sid: track } => {
            let deed = deed.with(track.clone());
            (Source::Track { track }, deed)
        }
    };
    let composed = match &source {
        Source::Room(composition) => *composition,
        _ => Composition { layout: Layout::SingleSpeaker, media: Media::Both },
    };
    let (order, request) = request::as_it_comes(&id, source);
    let then = composite.then_some(composed);
    let app = &host.app;
    let begun = app
        .trail
        .carry_out(deed, async {
            Ok::<_, ApiError>(app.recordings.start_and_compose(order, request, WishOf::Room, then).await?)
        })
        .await?;
    let recording = app.recordings.find(&begun.egress_id).await?.ok_or(RECORDING_NOT_FOUND)?;
    Ok((StatusCode::CREATED, Json(Recording::of(app, &recording, &begun))))
}

/// Stop a recording
///
/// For who may see it. Nothing more is written when this is answered; its files are there a moment later.
#[utoipa::path(post, operation_id = "stop_recording", path = "/api/recordings/{id}/stop", tag = "recordings",
    params(("id" = String, Path, description = "The recording")),
    responses(
        (status = 200, body = Recording),
        (status = 404, description = "`recording_not_found`"),
        (status = 503, description = "`storage_unavailable`, `audit_unavailable`"),
    ))]
async fn stop(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
) -> Result<Json<Recording>, ApiError> {
    const WHAT: &str = "recording.stop";
    let (recording, _) = found(&app, &asker, &whence, &id, WHAT).await?;
    let deed = Deed::new(asker.name(), WHAT, whence).to(&id).in_room(recording.room.as_str());
    let act = async {
        match app.recordings.stop(&id).await {
            // Who stops what is over has what was wanted.
            Ok(_) | Err(RecordingError::Over) => Ok(()),
            Err(error) => Err(ApiError::from(error)),
        }
    };
    app.trail.carry_out(deed, act).await?;
    shown(&app, app.recordings.find(&id).await?.ok_or(RECORDING_NOT_FOUND)?).await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Those of this room.
    room: Option<String>,
    /// 50 unless said, at most 1000.
    limit: Option<u32>,
    /// The `next` of the list before.
    before: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct RecordingList {
    recordings: Vec<Recording>,
    /// For `before`, as it is, where there are more: also when what was listed last is gone by then.
    next: Option<String>,
}

/// List recordings
///
/// The newest first. Accounts see those of their rooms; a host and a back end of a room those of it, who have to name it.
#[utoipa::path(get, operation_id = "list_recordings", path = "/api/recordings", tag = "recordings", params(ListQuery),
    responses(
        (status = 200, body = RecordingList),
        (status = 400, description = "`bad_query`"),
        (status = 403, description = "`not_permitted`"),
        (status = 503, description = "`storage_unavailable`"),
    ))]
async fn list(
    State(app): State<Arc<App>>,
    asker: Asker,
    asked: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<RecordingList>, ApiError> {
    let Query(ListQuery { room, limit, before }) = asked.map_err(|_| BAD_QUERY)?;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&limit) || room.as_ref().is_some_and(|room| room.contains('\0')) {
        return Err(BAD_QUERY);
    }
    let mut filter = RecordingFilter { room: room.as_deref().map(RoomName::from), ..RecordingFilter::default() };
    if !asker.governs() {
        filter.owner = asker.plain_account().cloned();
        if filter.owner.is_none() {
            let room = room.as_deref().ok_or(NOT_PERMITTED)?;
            if !asker.is_over(room) {
                match rank(&app, &asker, room).await? {
                    Rank::Host(rights) if rights.room_record => {}
                    _ => return Err(NOT_PERMITTED),
                }
                // Of a room that a host is in: those of this session alone, as everywhere else. It may have ended meanwhile.
                let session = app.rooms.look(room, |room| room.sid().to_string()).await.ok_or(NOT_PERMITTED)?;
                filter.session = Some(session.into());
            }
        }
    }
    let before = match before {
        None => None,
        Some(next) => Some(read_place(&next).ok_or(BAD_QUERY)?),
    };
    let before = before.as_ref().map(|(created, id)| (*created, id.as_str()));
    // One more says whether there are more.
    let mut found = app.store.recordings(&filter, before, limit + 1).await?;
    let is_more = found.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = found.last().filter(|_| is_more).map(place);
    let shown = |recording: &sluice_store::Recording| {
        let info = app.recordings.info(recording)?;
        Some(Recording::of(&app, recording, &info))
    };
    Ok(Json(RecordingList { recordings: found.iter().filter_map(shown).collect(), next }))
}

/// Where a page ends. It says so by itself: somebody may delete the recording it ends with.
fn place(last: &sluice_store::Recording) -> String {
    format!("{}.{}", last.created.0, last.id)
}

fn read_place(next: &str) -> Option<(UnixMillis, RecordingId)> {
    let (created_ms, id) = next.split_once('.')?;
    Some((UnixMillis(created_ms.parse().ok()?), RecordingId::parse(id)?))
}

/// Look at a recording
#[utoipa::path(get, operation_id = "look_at_recording", path = "/api/recordings/{id}", tag = "recordings",
    params(("id" = String, Path, description = "The recording")),
    responses(
        (status = 200, body = Recording),
        (status = 404, description = "`recording_not_found`"),
        (status = 503, description = "`storage_unavailable`"),
    ))]
async fn look(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
) -> Result<Json<Recording>, ApiError> {
    let (recording, _) = found(&app, &asker, &whence, &id, "recording.look").await?;
    shown(&app, recording).await
}

/// What changes about a recording; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
struct ChangeRecording {
    is_held: Option<bool>,
    /// From its end on; null: until somebody deletes it.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u32>)]
    keep_days: Option<Option<u32>>,
}

/// Tells null from nothing.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::<u32>::deserialize(deserializer).map(Some)
}

/// Hold a recording, or say how long it is kept
///
/// For whose room it was. What is held is deleted by nobody, whether or not its time is over.
#[utoipa::path(patch, operation_id = "change_recording", path = "/api/recordings/{id}", tag = "recordings",
    request_body = ChangeRecording, params(("id" = String, Path, description = "The recording")),
    responses(
        (status = 200, body = Recording),
        (status = 400, description = "`bad_change`"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`recording_not_found`"),
        (status = 503, description = "`storage_unavailable`, `audit_unavailable`"),
    ))]
async fn change(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
    json: Result<Json<ChangeRecording>, JsonRejection>,
) -> Result<Json<Recording>, ApiError> {
    let ChangeRecording { is_held, keep_days } = body(json)?;
    if keep_days.flatten().is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
        return Err(BAD_CHANGE);
    }
    let (mut recording, deed) = owned(&app, &asker, whence, &id, "recording.change").await?;
    if let Some(is_held) = is_held {
        let deed = deed.clone().with(if is_held { "held" } else { "let go" });
        let act = async { app.recordings.hold(&id, is_held).await?.ok_or(RECORDING_NOT_FOUND) };
        recording = app.trail.carry_out(deed, act).await?;
    }
    if let Some(days) = keep_days {
        let keep = days.map(|days| Duration::from_secs(u64::from(days) * 24 * 3600));
        let deed = deed.with(days.map_or("kept for ever".to_owned(), |days| format!("kept for {days} days")));
        let act = async { app.recordings.keep(&recording, keep).await?.ok_or(RECORDING_NOT_FOUND) };
        recording = app.trail.carry_out(deed, act).await?;
    }
    shown(&app, recording).await
}

/// Delete a recording
///
/// For whose room it was. Its files are gone when this is answered.
#[utoipa::path(delete, operation_id = "delete_recording", path = "/api/recordings/{id}", tag = "recordings",
    params(("id" = String, Path, description = "The recording")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`recording_not_found`"),
        (status = 409, description = "`held`, `going_on`"),
        (status = 503, description = "`storage_unavailable`, `audit_unavailable`"),
    ))]
async fn delete(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (recording, deed) = owned(&app, &asker, whence, &id, "recording.delete").await?;
    let act = async {
        if app.recordings.delete(&recording).await? {
            return Ok(());
        }
        match app.recordings.find(&id).await? {
            None => Err(RECORDING_NOT_FOUND),
            Some(recording) if recording.is_held => Err(HELD),
            Some(_) => Err(GOING_ON),
        }
    };
    app.trail.carry_out(deed, act).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// For whose room it was. Hosts are told that it takes more.
async fn owned(
    app: &App,
    asker: &Asker,
    whence: Whence,
    id: &str,
    what: &'static str,
) -> Result<(sluice_store::Recording, Deed), ApiError> {
    let (recording, hold) = found(app, asker, &whence, id, what).await?;
    let deed = Deed::new(asker.name(), what, whence).to(id).in_room(recording.room.as_str());
    if hold != Hold::Owner {
        app.trail.refused(&deed).await;
        return Err(NOT_PERMITTED);
    }
    Ok((recording, deed))
}

/// What a recording consists of
///
/// Tracks and where each begins, who was there, who spoke and what was written, on one clock. While it goes on: as far as is
/// written.
#[utoipa::path(get, operation_id = "manifest_of_recording", path = "/api/recordings/{id}/manifest", tag = "recordings",
    params(("id" = String, Path, description = "The recording")),
    responses(
        (status = 200, description = "The manifest, version 1", content_type = "application/json"),
        (status = 404, description = "`recording_not_found`"),
        (status = 503, description = "`storage_unavailable`"),
    ))]
async fn manifest(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let (recording, _) = found(&app, &asker, &whence, &id, "recording.manifest").await?;
    let text = app.recordings.manifest(&recording).await?.ok_or(RECORDING_NOT_FOUND)?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "private, no-cache")], text))
}

#[derive(Debug, Deserialize, ToSchema)]
struct ComposeRecording {
    /// `grid`, `speaker` or `single-speaker`.
    #[serde(default)]
    layout: String,
}

/// Make one video of a recording
///
/// For who may see it, when it is over. It takes about as long as the recording did; `composite` of the recording says how far
/// it is.
#[utoipa::path(post, operation_id = "compose_recording", path = "/api/recordings/{id}/composite", tag = "recordings",
    request_body = ComposeRecording, params(("id" = String, Path, description = "The recording")),
    responses(
        (status = 202, body = Recording),
        (status = 400, description = "`bad_recording`"),
        (status = 404, description = "`recording_not_found`"),
        (status = 409, description = "`going_on`, `under_way`"),
        (status = 429, description = "`too_many_recordings`"),
        (status = 501, description = "`ffmpeg_missing`, `not_offered`: its files are not kept here"),
        (status = 503, description = "`storage_unavailable`, `audit_unavailable`"),
    ))]
async fn compose(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
    json: Result<Json<ComposeRecording>, JsonRejection>,
) -> Result<(StatusCode, Json<Recording>), ApiError> {
    const WHAT: &str = "recording.compose";
    let ComposeRecording { layout } = body(json)?;
    let layout = Layout::named(&layout).map_err(RecordingError::from)?;
    let (recording, _) = found(&app, &asker, &whence, &id, WHAT).await?;
    let deed = Deed::new(asker.name(), WHAT, whence).to(&id).in_room(recording.room.as_str());
    let composition = Composition { layout, media: Media::Both };
    let act = async { Ok::<_, ApiError>(app.recordings.compose(&recording, composition).await?) };
    app.trail.carry_out(deed, act).await?;
    Ok((StatusCode::ACCEPTED, shown(&app, recording).await?))
}

impl From<RecordingError> for ApiError {
    fn from(error: RecordingError) -> Self {
        match error {
            RecordingError::Disabled => {
                let message = "this server records nothing: its operator has to set `recordings.path`";
                Self::new(StatusCode::CONFLICT, "recordings_off", message)
            }
            RecordingError::Refused(Refusal::NotOffered(message)) => {
                Self::new(StatusCode::NOT_IMPLEMENTED, "not_offered", message)
            }
            RecordingError::Refused(_) | RecordingError::Bucket(_) => {
                Self::new(StatusCode::BAD_REQUEST, "bad_recording", "that cannot be recorded: look at `source`")
            }
            RecordingError::NoRoom => Self::new(
                StatusCode::CONFLICT,
                "room_not_open",
                "nobody is in the room now: there is nothing to record",
            ),
            RecordingError::NoRecording | RecordingError::Over => RECORDING_NOT_FOUND,
            RecordingError::GoingOn => GOING_ON,
            RecordingError::NotLive | RecordingError::NotSent(_) => Self::new(
                StatusCode::BAD_REQUEST,
                "bad_recording",
                "nothing of that recording goes out while it goes on",
            ),
            RecordingError::NotComposed(NotBegun::NoFfmpeg) => Self::new(
                StatusCode::NOT_IMPLEMENTED,
                "ffmpeg_missing",
                "this server has no ffmpeg, which makes videos",
            ),
            RecordingError::NotComposed(NotBegun::UnderWay) => {
                Self::new(StatusCode::CONFLICT, "under_way", "a video is being made of it already")
            }
            RecordingError::NotComposed(NotBegun::TooMany) => {
                let message = "as many videos wait to be made as may";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_recordings", message)
            }
            RecordingError::NoPlace(NoPlace::InRoom) => {
                let message = "as many recordings of this room go on as one room may have at once: stop one first";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_recordings", message)
            }
            RecordingError::NoPlace(NoPlace::OnServer) | RecordingError::TooManyLive => {
                let message = "as many recordings go on as this server makes at once";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_recordings", message)
            }
            RecordingError::Folder(error) => {
                tracing::error!(%error, "the directory for recordings cannot be used");
                let message = "the server cannot use its directory for recordings: its operator has to see to it";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", message)
            }
            RecordingError::Store(error) => error.into(),
        }
    }
}
