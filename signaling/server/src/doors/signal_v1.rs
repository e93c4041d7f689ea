//! `/rtc/v1`: LiveKit signal v1, one peer connection; the client says all it wants in its `join_request`.

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
use crate::signal::request::join_request_v1;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/rtc/v1", get(connect)).route("/rtc/v1/validate", get(validate))
}

async fn visit(app: &App, client: Client, uri: &Uri, headers: &HeaderMap) -> Result<Visit, Refusal> {
    let query = query(uri)?;
    let admission = admit(app, client, headers, &query).await?;
    Ok(Visit { admission, version: SignalVersion::V1, request: join_request_v1(&query)? })
}

async fn connect(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let visit = match &socket {
        Ok(_) => visit(&app, client, &uri, &headers).await,
        Err(_) => Err(Refusal::NotWebSocket),
    };
    let visit = visit.inspect_err(|refusal| refusal.count(&app, "v1"));
    visit.and_then(|visit| upgrade(app, socket, visit)).unwrap_or_else(Refusal::into_response)
}

async fn validate(
    State(app): State<Arc<App>>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    visit(&app, client, &uri, &headers)
        .await
        .map_or_else(Refusal::into_response, |_| "success".into_response())
}
