//! Errors of the native API: `{ "error": { "code", "type", "message", "request_id" } }`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::gate::TooOften;

/// Why a native API request failed. The code is for programs and never changes; the message is for people. The type is one
/// of the few that every client knows (see [`ApiError::kind`]).
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    /// Seconds until it is worth another try.
    retry_after_s: Option<u64>,
}

impl ApiError {
    pub(crate) const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message, retry_after_s: None }
    }

    /// For programs.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The same, with when to come again.
    pub(crate) const fn after_s(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// What was asked about is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// What a client that knows no codes can tell people: whether to try again, to sign in, or to ask differently.
    fn kind(&self) -> &'static str {
        match self.status.as_u16() {
            401 | 403 => "permission_error",
            429 => "security_error",
            408 | 500.. => "network_error",
            _ => "signaling_error",
        }
    }

    /// The answer, once the request's id is known (see `edge::guard`).
    pub(crate) fn render(&self, request_id: &str) -> Response {
        let (code, kind, message) = (self.code, self.kind(), self.message);
        let body = json!({ "error": { "code": code, "type": kind, "message": message, "request_id": request_id } });
        let mut response = (self.status, axum::Json(body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<TooOften> for ApiError {
    fn from(too_often: TooOften) -> Self {
        let message = "too many requests: wait as long as `Retry-After` says";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).after_s(too_often.retry_after_s())
    }
}

/// Carries the error out to `edge::guard`, which knows the request's id.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
