//! How the server itself fares, for operators' dashboards: SystemMetrics, their last hours, and the settings in force.
//!
//! Open in development mode, otherwise for administrators and tokens that list rooms (`roomList`).

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use prometheus::IntGaugeVec;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_store::{SessionFigures, UnixMillis};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asker::{Asker, NOT_PERMITTED};
use crate::App;
use crate::config::ServerConfig;
use crate::doors::error::ApiError;
use crate::history::LoadSample;
use crate::room::now;

/// What keeps a subscription from being as it should (see `room::explain`).
const ISSUES: &[&str] = &["bandwidth", "paused", "not_decodable"];
/// Minutes of history that there can be.
const MOST_MINUTES: u32 = 360;

const NO_STORAGE: ApiError =
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", "the history cannot be reached now");
const BAD_QUERY: ApiError = ApiError::new(StatusCode::BAD_REQUEST, "bad_query", "`minutes` is 1 to 360");

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(system))
        .routes(routes!(history))
        .routes(routes!(settings))
}

/// `SystemMetrics`.
#[derive(Debug, Serialize, ToSchema)]
struct SystemMetrics {
    sessions: SessionSums,
    performance: ServerCost,
    errors: ErrorCounts,
    node: NodeState,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionSums {
    active: u64,
    /// All that are kept.
    total: u64,
    /// Seconds.
    avg_duration: f64,
    quality_distribution: QualityDistribution,
}

/// Participants by how they fare now.
#[derive(Debug, Serialize, ToSchema)]
struct QualityDistribution {
    excellent: u64,
    good: u64,
    fair: u64,
    poor: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ServerCost {
    /// Per cent of all cores, over the last ten seconds.
    cpu_usage: Option<f64>,
    /// Bytes.
    memory_usage: Option<u64>,
    /// Bits per second.
    network_bandwidth: f64,
    /// Bytes that storage takes.
    disk_usage: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ErrorCounts {
    /// Calls of the last day whose media never came up.
    connection_failures: u64,
    /// Subscriptions of sound that something keeps from being as they should, now.
    audio_issues: i64,
    /// The same of pictures.
    video_issues: i64,
    /// What was lost since the server began: events, samples, news of the media plane.
    system_errors: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct NodeState {
    id: String,
    version: &'static str,
    uptime_s: u64,
    rooms: i64,
    participants: i64,
    /// Whether any worker takes rooms.
    able: bool,
}

fn issues(subscriptions: &IntGaugeVec, kind: &str) -> i64 {
    ISSUES.iter().map(|reason| subscriptions.with_label_values(&[kind, reason]).get()).sum()
}

/// See how the server fares
///
/// SystemMetrics.
#[utoipa::path(get, operation_id = "system_metrics", path = "/api/system", tag = "system", responses(
    (status = 200, body = SystemMetrics),
    (status = 403, description = "`not_permitted`"),
    (status = 503, description = "`storage_unavailable`"),
))]
async fn system(State(app): State<Arc<App>>, asker: Asker) -> Result<Json<SystemMetrics>, ApiError> {
    if !asker.oversees() {
        return Err(NOT_PERMITTED);
    }
    let no_storage = |error| {
        tracing::error!(%error, "cannot read the history");
        NO_STORAGE
    };
    let figures = app.store.session_figures(UnixMillis(now().unix_ms)).await.map_err(no_storage)?;
    let disk_usage = app.store.size_bytes().await.map_err(no_storage)?;
    let SessionFigures { active, total, average, quality: [excellent, good, fair, poor], aborted } = figures;
    let latest = app.load.latest();
    let metrics = &app.metrics;
    Ok(Json(SystemMetrics {
        sessions: SessionSums {
            active,
            total,
            avg_duration: average.as_secs_f64(),
            quality_distribution: QualityDistribution { excellent, good, fair, poor },
        },
        performance: ServerCost {
            cpu_usage: latest.and_then(|latest| latest.cpu_usage),
            memory_usage: latest.and_then(|latest| latest.memory_usage),
            network_bandwidth: latest.map_or(0.0, |latest| latest.network_bandwidth),
            disk_usage,
        },
        errors: ErrorCounts {
            connection_failures: aborted,
            audio_issues: issues(&metrics.subscriptions, "audio"),
            video_issues: issues(&metrics.subscriptions, "video"),
            system_errors: metrics.events_lost.get()
                + metrics.samples_lost.get()
                + metrics.media_events_dropped.get()
                + metrics.explanations_missed.get(),
        },
        node: NodeState {
            id: app.rooms.node_id().to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: app.load.uptime().as_secs(),
            rooms: metrics.rooms.get(),
            participants: metrics.participants.get(),
            able: app.rooms.has_workers(),
        },
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    minutes: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
struct LoadHistory {
    samples: Vec<LoadSample>,
}

/// See how it fared
///
/// A sample every ten seconds, of six hours at most.
#[utoipa::path(get, operation_id = "system_history", path = "/api/system/history", tag = "system", params(HistoryQuery), responses(
    (status = 200, body = LoadHistory),
    (status = 400, description = "`bad_query`"),
    (status = 403, description = "`not_permitted`"),
))]
async fn history(
    State(app): State<Arc<App>>,
    asker: Asker,
    asked: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Json<LoadHistory>, ApiError> {
    if !asker.oversees() {
        return Err(NOT_PERMITTED);
    }
    let Query(HistoryQuery { minutes }) = asked.map_err(|_| BAD_QUERY)?;
    let minutes = minutes.unwrap_or(60);
    if !(1..=MOST_MINUTES).contains(&minutes) {
        return Err(BAD_QUERY);
    }
    Ok(Json(LoadHistory { samples: app.load.since(now().unix_ms - i64::from(minutes) * 60_000) }))
}

/// See the settings in force
///
/// In the sections of the configuration file. Of a secret only whether it is set, of a webhook's URL the origin.
#[utoipa::path(get, operation_id = "system_settings", path = "/api/system/settings", tag = "system", responses(
    (status = 200, body = Value),
    (status = 403, description = "`not_permitted`"),
))]
async fn settings(State(app): State<Arc<App>>, asker: Asker) -> Result<Json<Value>, ApiError> {
    if !asker.oversees() {
        return Err(NOT_PERMITTED);
    }
    Ok(Json(in_force(&app.config)))
}

/// Scheme, host and port of a URL. Many a receiver is one by a secret in its path, its query or before its host.
fn origin(url: &str) -> String {
    let parsed: Option<Uri> = url.parse().ok();
    let parts = parsed.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri.port_u16())));
    match parts {
        Some((scheme, host, Some(port))) => format!("{scheme}://{host}:{port}"),
        Some((scheme, host, None)) => format!("{scheme}://{host}"),
        None => String::new(),
    }
}

/// What holds, in the sections of the configuration file. Of a secret only whether there is one.
fn in_force(config: &ServerConfig) -> Value {
    let set = |is_set: bool| if is_set { "set" } else { "not set" };
    let days = |age: Option<std::time::Duration>| age.map_or(0, |age| age.as_secs() / (24 * 3600));
    let keys: serde_json::Map<_, _> = config
        .keys
        .iter()
        .map(|(key, secret)| (key.clone(), json!(set(!secret.is_empty()))))
        .collect();
    let trusted: Vec<_> = config.trusted_keys.iter().map(|(issuer, _)| issuer).collect();
    let proxies: Vec<_> = config.trusted_proxies.iter().map(|(address, bits)| format!("{address}/{bits}")).collect();
    let receivers = config.webhooks.iter().map(|webhook| {
        json!({ "url": origin(&webhook.url), "api_key": webhook.api_key, "allow_private": webhook.allow_private })
    });
    json!({
        "dev": config.dev,
        "keys": keys,
        "auth": {
            "trusted_keys": trusted,
            "jwks": set(config.jwks.is_some()),
            "jwks_issuer": config.jwks_issuer,
            "max_token_life_s": config.max_token_life.as_secs(),
        },
        "http": {
            "public_url": config.public_url,
            "behind_proxy": config.behind_proxy,
            "trusted_proxies": proxies,
            "allowed_origins": config.allowed_origins,
            "admin_listen": set(config.separate_admin),
            "drain_timeout_s": config.timeouts.drain.as_secs(),
        },
        "rooms": {
            "open": config.open_rooms,
            "auto_create": config.rooms.auto_create,
            "remote_unmute": config.rooms.remote_unmute,
            "empty_timeout_s": config.rooms.empty_timeout.as_secs(),
            "departure_timeout_s": config.rooms.departure_timeout.as_secs(),
            "resume_timeout_s": config.timeouts.resume.as_secs(),
            "max_participants": config.rooms.max_participants,
            "last_cameras": config.rooms.last_cameras,
            "loudest_microphones": config.rooms.loudest_microphones,
        },
        "limits": {
            "connections": config.limits.connections,
            "connections_per_ip": config.limits.connections_per_ip,
            "rooms": config.limits.rooms,
            "room_creations_per_minute": config.limits.room_creations_per_minute,
            "signal_message_bytes": config.limits.signal_message_bytes,
            "body_bytes": config.limits.body_bytes,
            "joins_per_minute_per_ip": config.rates.joins_per_ip,
            "api_requests_per_minute_per_ip": config.rates.api_requests_per_ip,
            "failed_tokens_per_minute_per_ip": config.rates.failed_tokens_per_ip,
            "joins_per_minute_per_key": config.rates.joins_per_key,
            "api_requests_per_minute_per_key": config.rates.api_requests_per_key,
        },
        "retention": {
            "events_days": days(config.retention.events),
            "chat_days": days(config.retention.chat),
            "sessions_days": days(config.retention.sessions),
            "quality_days": days(config.retention.quality),
        },
        "roles": config.roles.keys().collect::<Vec<_>>(),
        "webhooks": receivers.collect::<Vec<_>>(),
        "metrics": { "open": config.metrics_open },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Webhook;

    #[test]
    fn settings_show_no_secret() {
        let config = ServerConfig {
            jwks: Some("{\"keys\":[]}".into()),
            webhooks: vec![Webhook {
                url: "https://me:hunter2@app.example.org:8443/services/hunter2?token=hunter2#hunter2".into(),
                api_key: "APIone".into(),
                allow_private: false,
            }],
            ..ServerConfig::new(vec![("APIone".into(), "correct horse battery staple".into())])
        };
        let shown = in_force(&config);
        assert_eq!((&shown["keys"]["APIone"], &shown["auth"]["jwks"]), (&json!("set"), &json!("set")));
        assert_eq!(shown["webhooks"][0]["url"], "https://app.example.org:8443");
        assert_eq!(shown["retention"]["quality_days"], 7);
        let text = shown.to_string();
        assert!(!text.contains("horse") && !text.contains("hunter2"), "{text}");
    }
}
