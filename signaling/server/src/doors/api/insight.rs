//! A look into a room's media: why somebody sees what it sees, and how everybody fares.
//!
//! Open in development mode. Otherwise with a token: an administrator's of the room (`roomAdmin`) for everybody in
//! it, a participant's for itself.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use livekit_protocol::ConnectionQuality;
use serde::Serialize;
use sluice_core::{LinkReport, Reason, SubscriptionReport};
use tokio::sync::oneshot;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ROOM_NOT_FOUND;
use super::asker::{Asker, NOT_PERMITTED};
use crate::App;
use crate::doors::error::ApiError;
use crate::room::{Asker as View, ExplainError, Explained, Fared, RoomHandle, ToRoom, code, kind_name};

/// A worker answers between two batches of packets. One that takes so long is stuck or gone.
const PATIENCE: Duration = Duration::from_secs(2);

const PARTICIPANT_NOT_FOUND: ApiError =
    ApiError::new(StatusCode::NOT_FOUND, "participant_not_found", "nobody of that identity or sid is in the room");
const BUSY: ApiError =
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many such questions are open in this room");
const MEDIA_UNAVAILABLE: ApiError =
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "media_unavailable", "the media plane did not answer in time");

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(subscriptions)).routes(routes!(quality))
}

/// What who asks may know of this room.
async fn view(app: &App, asker: &Asker, room: &str) -> Result<View, ApiError> {
    if asker.administers_now(app, room).await? {
        return Ok(View::Administrator);
    }
    let identity = asker.identity_in(room).ok_or(NOT_PERMITTED)?;
    Ok(View::Participant(identity.to_owned()))
}

/// Asks a room's task and waits for its answer, for a while.
async fn ask<T>(
    app: &App,
    room: &RoomHandle,
    question: impl FnOnce(oneshot::Sender<T>) -> ToRoom,
) -> Result<T, ApiError> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        if !room.send(question(reply)).await {
            return Err(ROOM_NOT_FOUND);
        }
        answer.await.map_err(|_| ROOM_NOT_FOUND)
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
        app.metrics.explanations_missed.inc();
        Err(MEDIA_UNAVAILABLE)
    })
}

/// Why somebody sees what it sees
///
/// For the room's administrators (`roomAdmin`), and for a participant about itself.
#[utoipa::path(get, path = "/api/rooms/{id}/subscriptions/{participant}", tag = "insight",
    params(("id" = String, Path, description = "The room"), ("participant" = String, Path, description = "Identity or sid")),
    responses(
        (status = 200, body = Explanation),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`, `participant_not_found`"),
        (status = 503, description = "`media_unavailable`, `busy`"),
    ))]
async fn subscriptions(
    State(app): State<Arc<App>>,
    asker: Asker,
    Path((id, whom)): Path<(String, String)>,
) -> Result<Json<Explanation>, ApiError> {
    let asker = view(&app, &asker, &id).await?;
    let room = app.rooms.get(&id).ok_or(ROOM_NOT_FOUND)?;
    let explained = ask(&app, &room, |reply| ToRoom::Explain { whom, asker, reply }).await?;
    let explained = explained.map_err(|error| match error {
        ExplainError::NoParticipant => PARTICIPANT_NOT_FOUND,
        ExplainError::Forbidden => NOT_PERMITTED,
        ExplainError::Busy => BUSY,
        ExplainError::Unavailable => MEDIA_UNAVAILABLE,
    })?;
    Ok(Json(Explanation::of(&explained)))
}

/// How everybody's connection fares
///
/// For the room's administrators (`roomAdmin`); a participant is told of itself.
#[utoipa::path(get, path = "/api/rooms/{id}/quality", tag = "insight",
    params(("id" = String, Path, description = "The room")),
    responses(
        (status = 200, body = Qualities),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`"),
        (status = 503, description = "`media_unavailable`"),
    ))]
async fn quality(
    State(app): State<Arc<App>>,
    asker: Asker,
    Path(id): Path<String>,
) -> Result<Json<Qualities>, ApiError> {
    let asker = view(&app, &asker, &id).await?;
    let room = app.rooms.get(&id).ok_or(ROOM_NOT_FOUND)?;
    let fared = ask(&app, &room, |reply| ToRoom::Fared { asker, reply }).await?;
    Ok(Json(Qualities { participants: fared.iter().map(Quality::of).collect() }))
}

/// A reason in words, for people. `code` is what programs read.
fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::Connecting => "the connection for it is being set up",
        Reason::Full => "it is the best its publisher sends",
        Reason::SubscriberAsked => "it is as much as the receiver asked for",
        Reason::Disabled => "the receiver asked for nothing",
        Reason::Bandwidth => "the receiver's connection has no room for a better layer",
        Reason::Paused => "paused, since the receiver's connection has no room for any layer",
        Reason::PublisherNotSending => "its publisher sends nothing better at the moment",
        Reason::Muted => "its publisher muted it",
        Reason::WaitingForKeyframe => "the chosen layer begins with the next key frame",
        Reason::RoomLimit => "the room forwards only so many at once, and this is not among them",
        Reason::NotDecodable => "the receiver takes none of the codecs it comes in",
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Explanation {
    participant: Named,
    link: Link,
    tracks: Vec<Track>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Named {
    sid: String,
    identity: String,
}

/// The way to the participant. Rates in bits per second, times in milliseconds, loss from 0 to 1.
#[derive(Debug, Serialize, ToSchema)]
struct Link {
    estimate_bps: u64,
    allocated_bps: u64,
    sent_bps: u64,
    loss: f32,
    rtt_ms: Option<u32>,
    jitter_ms: Option<u32>,
}

impl Link {
    fn of(report: &LinkReport) -> Self {
        let LinkReport { estimate_bps, allocated_bps, sent_bps, loss, rtt_ms, jitter_ms, .. } = *report;
        Self { estimate_bps, allocated_bps, sent_bps, loss, rtt_ms, jitter_ms }
    }
}

/// A layer: spatial (or simulcast) 0 to 2, temporal from 0.
#[derive(Debug, Serialize, ToSchema)]
struct Layer {
    spatial: u8,
    temporal: u8,
}

#[derive(Debug, Serialize, ToSchema)]
struct Size {
    width: u32,
    height: u32,
}

impl Size {
    fn of((width, height): (u32, u32)) -> Self {
        Self { width, height }
    }
}

/// One track the participant takes.
#[derive(Debug, Serialize, ToSchema)]
struct Track {
    sid: String,
    /// Its publisher.
    publisher: Named,
    kind: &'static str,
    /// `camera`, `microphone`, `screen_share`, `screen_share_audio` or `unknown`.
    source: String,
    /// What its publisher calls it.
    name: String,
    codec: String,
    allocated_bps: u64,
    delivered_bps: u64,
    wanted_bps: u64,
    /// What the participant asked for, bounded by what there can be.
    wanted_layer: Option<Layer>,
    /// What it was given.
    target_layer: Option<Layer>,
    /// What is forwarded now.
    current_layer: Option<Layer>,
    resolution: Option<Size>,
    fps: f32,
    reason: &'static str,
    explanation: &'static str,
}

impl Track {
    fn of(report: &SubscriptionReport, named: Option<&(String, livekit_protocol::TrackInfo)>) -> Self {
        let layer = |layer: Option<(u8, u8)>| layer.map(|(spatial, temporal)| Layer { spatial, temporal });
        let info = named.map(|(_, info)| info);
        Self {
            sid: report.track.to_string(),
            publisher: Named {
                sid: report.publisher.to_string(),
                identity: named.map(|(identity, _)| identity.clone()).unwrap_or_default(),
            },
            kind: kind_name(report.kind),
            source: info.map_or("unknown".into(), |info| info.source().as_str_name().to_lowercase()),
            name: info.map(|info| info.name.clone()).unwrap_or_default(),
            codec: report.mime_type.clone(),
            allocated_bps: report.allocated_bps,
            delivered_bps: report.delivered_bps,
            wanted_bps: report.wanted_bps,
            wanted_layer: layer(report.wanted),
            target_layer: layer(report.target),
            current_layer: layer(report.current),
            resolution: report.resolution.map(Size::of),
            fps: report.fps,
            reason: code(report.reason),
            explanation: words(report.reason),
        }
    }
}

impl Explanation {
    fn of(explained: &Explained) -> Self {
        let Explained { identity, report, tracks } = explained;
        let named = report.subscriptions.iter().zip(tracks);
        Self {
            participant: Named { sid: report.participant.to_string(), identity: identity.clone() },
            link: Link::of(report),
            tracks: named.map(|(report, named)| Track::of(report, named.as_ref())).collect(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Qualities {
    participants: Vec<Quality>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Quality {
    sid: String,
    identity: String,
    metrics: QualityMetrics,
}

/// What the last report said of a participant's connection. The names are those of the product's metrics, which
/// dashboards share.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct QualityMetrics {
    /// Bits per second sent to it.
    bitrate: u64,
    /// Bits per second that what it asked for would take.
    wanted_bitrate: u64,
    /// Frames per second of the largest picture it receives.
    frame_rate: Option<f32>,
    /// Pixels of that picture.
    resolution: Option<Size>,
    /// From 0 to 1, the worse direction.
    packet_loss: f32,
    /// Round trip in milliseconds.
    latency: Option<u32>,
    /// Milliseconds.
    jitter: Option<u32>,
    /// `excellent`, `good`, `poor` or `lost`.
    quality: &'static str,
    /// Mean opinion score, 1 to 4.5; 0 when lost.
    score: f32,
}

impl Quality {
    fn of(fared: &Fared) -> Self {
        let Fared { rated, picture } = fared;
        let report = &rated.report;
        Self {
            sid: rated.participant.to_string(),
            identity: rated.identity.clone(),
            metrics: QualityMetrics {
                bitrate: report.delivered_bps,
                wanted_bitrate: report.wanted_bps,
                frame_rate: picture.map(|picture| picture.fps),
                resolution: picture.and_then(|picture| picture.size).map(Size::of),
                packet_loss: report.upstream_loss.max(report.downstream_loss),
                latency: report.rtt_ms,
                jitter: report.jitter_ms,
                quality: match rated.quality {
                    ConnectionQuality::Excellent => "excellent",
                    ConnectionQuality::Good => "good",
                    ConnectionQuality::Poor => "poor",
                    ConnectionQuality::Lost => "lost",
                },
                score: rated.score,
            },
        }
    }
}
