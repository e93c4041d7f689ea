//! What every request passes on its way in and out: the gate, its id, its span, its time limit, its count.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::error::ApiError;
use super::knock::{Closed, knock};
use super::twirp;
use crate::App;
use crate::random::random_id;
use crate::trail::RequestId;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Letters of a request id.
const REQUEST_ID_LETTERS: usize = 16;

/// Gives the request an id and a span, bounds its time, renders errors, counts.
///
/// The span holds neither query nor headers: tokens travel there.
pub(super) async fn guard(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let id = random_id(REQUEST_ID_LETTERS);
    let path = without_secrets(request.uri().path());
    let span = tracing::info_span!("request", id, method = %request.method(), path);
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = match knock(&app, &mut request) {
        Err(Closed::TooOften(too_often)) if twirp::is_path(request.uri().path()) => twirp::refused(too_often),
        Err(closed) => ApiError::from(closed).into_response(),
        Ok(()) => {
            // An upgrade answers at once and lives on outside of this.
            let answered = tokio::time::timeout(app.config.timeouts.request_body, next.run(request)).instrument(span);
            match answered.await {
                Ok(response) => response,
                Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
            }
        }
    };
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = error.render(&id);
    }
    let class = match response.status().as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    app.metrics.api_requests.with_label_values(&[class]).inc();
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A path for the log: tickets of the lobby let in who has them.
fn without_secrets(path: &str) -> String {
    let shown = match path.split_once("/lobby/") {
        Some((room, _)) => format!("{room}/lobby/..."),
        None => path.to_owned(),
    };
    shown.chars().take(128).collect()
}

/// `//rtc` is `/rtc`: some SDKs join a URL that ends in a slash with a path that begins with one.
pub(crate) fn collapse_slashes(uri: &Uri) -> Option<Uri> {
    if !uri.path().contains("//") {
        return None;
    }
    let mut path = String::with_capacity(uri.path().len());
    for c in uri.path().chars() {
        if c != '/' || !path.ends_with('/') {
            path.push(c);
        }
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_stay_out_of_the_log() {
        assert_eq!(without_secrets("/api/rooms/math/lobby/abc/admit"), "/api/rooms/math/lobby/...");
        assert_eq!(without_secrets("/api/rooms/math/lobby"), "/api/rooms/math/lobby");
    }

    #[test]
    fn slashes_collapse_in_the_path_and_not_in_the_query() {
        let collapsed = collapse_slashes(&Uri::from_static("//rtc///v1?next=//evil")).map(|uri| uri.to_string());
        assert_eq!(collapsed.as_deref(), Some("/rtc/v1?next=//evil"));
        assert!(collapse_slashes(&Uri::from_static("/rtc?a=//")).is_none());
    }
}
