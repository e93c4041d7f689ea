//! For operators: is it alive, does it take calls, what does it count.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use prometheus::{Encoder, TextEncoder};

use super::Peer;
use crate::App;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

/// The same where operators alone come.
pub(super) fn admin_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(async |State(app): State<Arc<App>>| show_metrics(&app)))
}

async fn healthz() -> &'static str {
    "ok"
}

async fn readyz(State(app): State<Arc<App>>) -> Response {
    let refusal = if !app.is_ready() {
        "stopping"
    } else if !app.rooms.has_workers() {
        "no media worker is left: restart"
    } else {
        return "ready".into_response();
    };
    (StatusCode::SERVICE_UNAVAILABLE, refusal).into_response()
}

/// Numbers about a server are nobody's business outside: unless opened, only a peer on this machine that came
/// directly gets them, and others do not learn that there are any.
async fn metrics(State(app): State<Arc<App>>, Extension(peer): Extension<Peer>, headers: HeaderMap) -> Response {
    let proxied = headers.contains_key("x-forwarded-for") || headers.contains_key(header::FORWARDED);
    let local = peer.address.ip().to_canonical().is_loopback() && !proxied;
    if app.config.separate_admin || !app.config.metrics_open && !local {
        return (StatusCode::NOT_FOUND, "not found").into_response();
    }
    show_metrics(&app)
}

fn show_metrics(app: &App) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&app.registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
