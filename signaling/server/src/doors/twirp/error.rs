//! Errors as Twirp writes them: an HTTP status and `{"code","msg","meta"}`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use livekit_protocol::RpcError;
use serde::Serialize;
use sluice_rooms::ModerationError;
use sluice_store::StoreError;

use crate::gate::{Denied, TooOften};
use crate::room::{AdministerError, TooManyRooms};
use crate::trail::Unrecorded;

/// The codes used here, of those in the Twirp specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
    Aborted,
    BadRoute,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    Malformed,
    NotFound,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Self::Aborted => StatusCode::CONFLICT,
            Self::BadRoute | Self::NotFound => StatusCode::NOT_FOUND,
            Self::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
            Self::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::InvalidArgument | Self::Malformed => StatusCode::BAD_REQUEST,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        }
    }
}

/// Why a call failed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TwirpError {
    #[serde(skip)]
    status: StatusCode,
    code: Code,
    msg: Cow<'static, str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    meta: BTreeMap<&'static str, String>,
    /// Seconds until it is worth another try.
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

impl TwirpError {
    pub(super) fn new(code: Code, msg: impl Into<Cow<'static, str>>) -> Self {
        Self { status: code.status(), code, msg: msg.into(), meta: BTreeMap::new(), retry_after_s: None }
    }

    pub(super) fn no_route(msg: &'static str) -> Self {
        Self::new(Code::BadRoute, msg)
    }

    /// The token is good, and does not grant what was asked.
    pub(super) fn is_refusal(&self) -> bool {
        self.code == Code::Unauthenticated
    }

    pub(super) fn internal() -> Self {
        Self::new(Code::Internal, "something went wrong on the server")
    }

    pub(super) fn no_room() -> Self {
        Self::new(Code::NotFound, "requested room does not exist")
    }

    pub(super) fn nobody() -> Self {
        Self::new(Code::NotFound, "participant does not exist")
    }

    // For these two HTTP has better words than Twirp.

    pub(super) fn wrong_form() -> Self {
        let error = Self::new(Code::BadRoute, "the request must be application/json or application/protobuf");
        Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, ..error }
    }

    pub(super) fn too_large() -> Self {
        let error = Self::new(Code::ResourceExhausted, "the request is larger than 1 MiB");
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, ..error }
    }
}

impl IntoResponse for TwirpError {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after_s.map(HeaderValue::from);
        let mut response = (self.status, axum::Json(self)).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

impl From<TooOften> for TwirpError {
    fn from(too_often: TooOften) -> Self {
        let error = Self::new(Code::ResourceExhausted, "too many requests: wait as long as `Retry-After` says");
        Self { retry_after_s: Some(too_often.retry_after_s()), ..error }
    }
}

impl From<Denied> for TwirpError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Auth(error) => Self::new(Code::Unauthenticated, error.to_string()),
            Denied::TooOften(too_often) => too_often.into(),
        }
    }
}

impl From<TooManyRooms> for TwirpError {
    fn from(error: TooManyRooms) -> Self {
        Self::new(Code::ResourceExhausted, error.to_string())
    }
}

/// What is kept of rooms cannot be read.
impl From<StoreError> for TwirpError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "storage failed the server API");
        Self::new(Code::Unavailable, "what is kept of rooms cannot be read now: try again")
    }
}

impl From<AdministerError> for TwirpError {
    fn from(error: AdministerError) -> Self {
        match error {
            AdministerError::NoRoom | AdministerError::Refused(ModerationError::Finished) => Self::no_room(),
            AdministerError::NotWritten => {
                Self::new(Code::Unavailable, "it is done, but storage has not taken it: ask again whether it lasts")
            }
            AdministerError::Refused(ModerationError::NotFound) => Self::nobody(),
            AdministerError::Refused(ModerationError::Invalid(what)) => Self::new(Code::InvalidArgument, what),
            AdministerError::Refused(ModerationError::NotAllowed(what)) => Self::new(Code::FailedPrecondition, what),
            AdministerError::Refused(error @ ModerationError::TooMany(_)) => {
                Self::new(Code::ResourceExhausted, error.to_string())
            }
        }
    }
}

impl From<Unrecorded> for TwirpError {
    fn from(_: Unrecorded) -> Self {
        Self::new(Code::Unavailable, "audit_unavailable: nothing was done, since the audit trail cannot be written")
    }
}

/// What a participant's procedure, or the way to it, said. Codes of the protocol of calls, not of Twirp, are in `meta`.
impl From<RpcError> for TwirpError {
    fn from(error: RpcError) -> Self {
        let code = match error.code {
            1400 => Code::Unimplemented,
            1501 | 1502 => Code::DeadlineExceeded,
            1503 => Code::Unavailable,
            _ => Code::Aborted,
        };
        let mut meta = BTreeMap::from([("rpc_code", error.code.to_string())]);
        if !error.data.is_empty() {
            meta.insert("rpc_data", error.data);
        }
        Self { meta, ..Self::new(code, error.message) }
    }
}
