//! `/rtc`: LiveKit signal v0, two peer connections. For SDKs from before 2026.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use sluice_rooms::SignalVersion;

use super::knock::Client;
use super::signal::{Refusal, admit, query, upgrade};
use crate::App;
use crate::signal::connection::Visit;
use crate::signal::request::join_request_v0;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/rtc", get(connect)).route("/rtc/validate", get(validate))
}

async fn connect(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let visit = async {
        if socket.is_err() {
            return Err(Refusal::NotWebSocket);
        }
        let query = query(&uri)?;
        let admission = admit(&app, client, &headers, &query).await?;
        Ok(Visit { admission, version: SignalVersion::V0, request: join_request_v0(&query) })
    };
    let visit = visit.await.inspect_err(|refusal| refusal.count(&app, "v0"));
    visit.and_then(|visit| upgrade(app, socket, visit)).unwrap_or_else(Refusal::into_response)
}

async fn validate(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let admitted = async { admit(&app, client, &headers, &query(&uri)?).await };
    admitted.await.map_or_else(Refusal::into_response, |_| "success".into_response())
}
