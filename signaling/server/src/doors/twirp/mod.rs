//! `/twirp`: LiveKit's server API, for back ends. Twirp (version 7): POST, protobuf or proto3 JSON by content type, the
//! answer in the same; errors as JSON with a code.
//!
//! Reads who asks and what, and writes the answer; `room_service` has the methods. Tokens come in the `Authorization`
//! header only: what is in a URL ends up in logs.

mod egress;
mod error;
mod room_service;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_rooms::valid_room_name;

use super::knock::checked;
use super::standing;
use crate::App;
use crate::auth::claims::{Claims, VideoGrants};
use crate::gate::{Asked, TooOften};
use crate::trail::{Deed, Whence};
use error::{Code, TwirpError};

/// Largest request: the largest data packet, in base64.
const BODY_BYTES: usize = 1024 * 1024;

const ROOM_SERVICE: &str = "livekit.RoomService";
const EGRESS: &str = "livekit.Egress";
const SERVICES: [&str; 2] = [ROOM_SERVICE, EGRESS];

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/twirp/{*path}", any(serve))
}

/// Whether errors are to be of this form.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with("/twirp/")
}

/// The answer to whoever asks too often.
pub(super) fn refused(too_often: TooOften) -> Response {
    TwirpError::from(too_often).into_response()
}

async fn serve(State(app): State<Arc<App>>, Path(path): Path<String>, request: Request) -> Response {
    let Some((service, method)) = path.split_once('/').filter(|(service, _)| SERVICES.contains(service)) else {
        return TwirpError::no_route("no such service").into_response();
    };
    if request.method() != Method::POST {
        return TwirpError::no_route("Twirp methods are called by POST").into_response();
    }
    let answered = match Call::begin(app, request).await {
        Ok(call) => {
            let refusal = call.caller.deed("twirp.call", "").with(method);
            let app = call.caller.app.clone();
            let answered = match service {
                EGRESS => egress::serve(method, call).await,
                _ => room_service::serve(method, call).await,
            };
            if answered.as_ref().is_err_and(TwirpError::is_refusal) {
                app.trail.refused(&refusal).await;
            }
            answered
        }
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}

/// The forms a message travels in.
#[derive(Debug, Clone, Copy)]
enum Form {
    Protobuf,
    Json,
}

impl Form {
    fn of(headers: &HeaderMap) -> Result<Self, TwirpError> {
        let text = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        match text.split(';').next().unwrap_or_default().trim() {
            "application/protobuf" => Ok(Self::Protobuf),
            "application/json" => Ok(Self::Json),
            _ => Err(TwirpError::wrong_form()),
        }
    }
}

/// A call with a good token. What the token grants is for the method to ask.
struct Call {
    caller: Caller,
    form: Form,
    body: axum::body::Bytes,
}

impl Call {
    async fn begin(app: Arc<App>, request: Request) -> Result<Self, TwirpError> {
        let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = bearer.and_then(|bearer| bearer.strip_prefix("Bearer "));
        // Without knowing where it comes from there is nothing to hold against it.
        let whence = Whence::of(request.extensions());
        let claims = checked(&app, whence.client(), Asked::Api, |keys| keys.verify(token), Claims::counts_to)?;
        if !app.is_ready() {
            return Err(TwirpError::new(Code::Unavailable, "the server is stopping"));
        }
        let form = Form::of(request.headers())?;
        let body = to_bytes(request.into_body(), BODY_BYTES).await.map_err(|_| TwirpError::too_large())?;
        Ok(Self { caller: Caller { app, claims, whence }, form, body })
    }

    /// Reads the request, lets the method answer it, writes the answer.
    async fn answer<Q, R, F>(self, method: impl FnOnce(Caller, Q) -> F) -> Result<Response, TwirpError>
    where
        Q: Message + Default + DeserializeOwned,
        R: Message + Serialize,
        F: Future<Output = Result<R, TwirpError>>,
    {
        let unreadable = || TwirpError::new(Code::Malformed, "the request is not the expected message");
        let request = match self.form {
            Form::Protobuf => Q::decode(self.body).map_err(|_| unreadable())?,
            Form::Json => serde_json::from_slice(&self.body).map_err(|_| unreadable())?,
        };
        let answer = method(self.caller, request).await?;
        let (form, body) = match self.form {
            Form::Protobuf => ("application/protobuf", answer.encode_to_vec()),
            Form::Json => ("application/json", serde_json::to_vec(&answer).map_err(|_| TwirpError::internal())?),
        };
        Ok(([(header::CONTENT_TYPE, form)], Body::from(body)).into_response())
    }
}

/// Who calls.
struct Caller {
    app: Arc<App>,
    claims: Claims,
    whence: Whence,
}

impl Caller {
    /// Something the caller is about to do in a room, for the audit trail.
    fn deed(&self, what: &'static str, room: &str) -> Deed {
        let deed = Deed::new(self.claims.bearer(), what, self.whence.clone());
        if room.is_empty() { deed } else { deed.in_room(room) }
    }

    /// LiveKit's servers answer a missing grant as they answer a bad token, and back ends go by the code.
    fn may(&self, granted: impl FnOnce(&VideoGrants) -> bool, what: &str) -> Result<(), TwirpError> {
        match granted(&self.claims.video) {
            true => Ok(()),
            false => Err(TwirpError::new(Code::Unauthenticated, format!("the token does not grant {what}"))),
        }
    }

    fn may_create(&self) -> Result<(), TwirpError> {
        self.may(|video| video.room_create, "roomCreate")
    }

    /// Recordings of every room are a back end's business, as with LiveKit. Hosts have `roomRecord` in their tokens, too, for
    /// the room that they host: they record by the native API, which looks at what they are there now.
    fn may_record(&self) -> Result<(), TwirpError> {
        self.may(|video| video.room_record && !video.room_join, "roomRecord to a back end")
    }

    fn may_list(&self) -> Result<(), TwirpError> {
        self.may(|video| video.room_list, "roomList")
    }

    /// Administrators are those of one room; a participant's token, as long as it is one there.
    async fn may_administer(&self, room: &str) -> Result<(), TwirpError> {
        named(room)?;
        let administers = standing::administers(&self.app, &self.claims, room).await?;
        self.may(|_| administers, "roomAdmin for this room")
    }

    /// To take somebody elsewhere a token names both rooms.
    async fn may_send(&self, from: &str, to: &str) -> Result<(), TwirpError> {
        named(to)?;
        self.may_administer(from).await?;
        self.may(|video| video.destination_room == to, "destinationRoom for that room")
    }
}

/// A room must have a name that tokens could have.
fn named(room: &str) -> Result<(), TwirpError> {
    match valid_room_name(room) {
        true => Ok(()),
        false => Err(TwirpError::new(Code::InvalidArgument, "a room has a name of 1 to 256 bytes of plain text")),
    }
}
