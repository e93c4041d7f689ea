//! The native API: the files of recordings, for players and for those who take them home.
//!
//! A `<video>` shows no token. So who may see a recording gets addresses with a *pass* in them: what for and until when,
//! signed by this server for itself. It opens one file for minutes; who still watches then asks again.

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sluice_audit::Outcome;
use tower::ServiceExt as _;
use tower_http::services::ServeFile;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asker::{Asker, NO_TOKEN};
use super::recordings::{RECORDING_NOT_FOUND, found};
use crate::App;
use crate::clock::moment;
use crate::doors::error::ApiError;
use crate::recordings::{KeptFile, Recordings, Whereabouts};
use crate::trail::{Deed, Whence};

/// How long a pass opens its file. Whoever it is leaked to has as long.
const PASS_S: i64 = 300;
/// Longest pass that is looked at: twenty digits and a signature.
const PASS_BYTES: usize = 80;
/// Most that a player gets at once of a file whose end it left open. A browser has six connections to a host of HTTP/1.1,
/// and a player that has read enough for now keeps its own until it needs more: of a call of nine, three were never shown.
/// One that gets pieces lets go in between. A MiB is eight seconds of a camera at 1 Mbit/s.
const PIECE_BYTES: u64 = 1 << 20;
const PLAY: &str = "recording.play";

const BUCKET_NOT_CONFIGURED: ApiError = ApiError::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "bucket_not_configured",
    "the recording is in a bucket that this server is configured for no more: its operator has to see to it",
);
const PASS_OVER: ApiError =
    ApiError::new(StatusCode::FORBIDDEN, "pass_over", "the time of this address is over: ask for another one");

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(addresses)).routes(routes!(file))
}

/// Gives passes and knows its own.
pub(crate) struct PlaybackKeys(hmac::Key);

impl PlaybackKeys {
    /// Drawn from a secret that signs tokens, and no such secret itself: a pass is never a token, nor the other way round.
    pub(crate) fn derive(secret: &str) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let drawn = hmac::sign(&root, b"sluice: playback of recordings");
        Self(hmac::Key::new(hmac::HMAC_SHA256, drawn.as_ref()))
    }

    /// For one file, until then (seconds since 1970).
    fn give(&self, recording: &str, file: &str, until_s: i64) -> String {
        let signature = hmac::sign(&self.0, &signed(recording, file, until_s));
        format!("{until_s}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Whether this is a pass for the file, and now in its time.
    fn opens(&self, pass: &str, recording: &str, file: &str, now_s: i64) -> bool {
        let read = || {
            let (until, signature) = Some(pass).filter(|pass| pass.len() <= PASS_BYTES)?.split_once('.')?;
            let until_s: i64 = until.parse().ok()?;
            let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
            hmac::verify(&self.0, &signed(recording, file, until_s), &signature).ok()?;
            Some(until_s)
        };
        read().is_some_and(|until_s| now_s < until_s)
    }
}

/// No two of these are the same bytes: a recording's id has neither spaces nor line ends, and the name comes last.
fn signed(recording: &str, file: &str, until_s: i64) -> Vec<u8> {
    format!("{until_s} {recording}\n{file}").into_bytes()
}

/// Where files can be had for some minutes.
#[derive(Debug, Serialize, ToSchema)]
struct Addresses {
    /// Unix milliseconds.
    expires_at: i64,
    files: Vec<Address>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Address {
    name: String,
    url: String,
}

/// Play a recording
///
/// Answers with addresses that a `<video>` opens without a token, for five minutes. Ask again when one does not open any more.
#[utoipa::path(post, operation_id = "play_recording", path = "/api/recordings/{id}/playback", tag = "recordings",
    params(("id" = String, Path, description = "The recording")),
    responses(
        (status = 200, body = Addresses),
        (status = 404, description = "`recording_not_found`"),
        (status = 503, description = "`bucket_not_configured`, `storage_unavailable`, `audit_unavailable`"),
    ))]
async fn addresses(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(id): Path<String>,
) -> Result<Json<Addresses>, ApiError> {
    let (recording, _) = found(&app, &asker, &whence, &id, PLAY).await?;
    tell(&app, &asker, whence, &recording).await?;
    let until_s = moment().0 / 1000 + PASS_S;
    let files = Recordings::files(&recording);
    let mut places = app.recordings.whereabouts(&recording, &files).await?;
    let address = |file: KeptFile| {
        let url = match places.remove(&file.name) {
            Some(Whereabouts::Elsewhere) => return Err(BUCKET_NOT_CONFIGURED),
            Some(Whereabouts::InBucket(url)) => url.reveal().to_owned(),
            Some(Whereabouts::Here(_)) | None => {
                let location = Recordings::location(&recording, &file).ok_or(RECORDING_NOT_FOUND)?;
                format!("{location}?pass={}", app.playback_keys.give(&id, &file.name, until_s))
            }
        };
        Ok(Address { name: file.name, url })
    };
    let files = files.into_iter().map(address).collect::<Result<_, ApiError>>()?;
    Ok(Json(Addresses { expires_at: until_s * 1000, files }))
}

async fn tell(app: &App, asker: &Asker, whence: Whence, recording: &sluice_store::Recording) -> Result<(), ApiError> {
    let deed = Deed::new(asker.name(), PLAY, whence).to(&recording.id).in_room(recording.room.as_str());
    Ok(app.trail.record(&deed, Outcome::Done).await?)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FileQuery {
    /// From an address that was given.
    pass: Option<String>,
    /// `1`: to be kept rather than shown.
    download: Option<String>,
}

/// The beginning of a range that has no end (`bytes=N-`), which is how players ask. The answer says how much it is, and they
/// go on (RFC 9110, 15.3.7). A range that names its end is answered whole: who does, as Safari, may count on it.
fn piece(range: &HeaderValue) -> Option<HeaderValue> {
    let from = range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?;
    let first: u64 = from.parse().ok()?;
    let last = first.checked_add(PIECE_BYTES - 1)?;
    HeaderValue::try_from(format!("bytes={first}-{last}")).ok()
}

/// A file of a recording
///
/// Whole, or the part that `Range` asks for. With a token, or the pass of an address: then, unless it is a download, at most
/// the first MiB of a range that has no end.
#[utoipa::path(get, operation_id = "file_of_recording", path = "/api/recordings/{id}/files/{name}", tag = "recordings",
    params(FileQuery, ("id" = String, Path, description = "The recording"), ("name" = String, Path, description = "The file")),
    responses(
        (status = 200, description = "The file", content_type = "video/webm"),
        (status = 206, description = "A part of it"),
        (status = 304, description = "It is as it was"),
        (status = 307, description = "It is in a bucket, at an address that opens for five minutes"),
        (status = 401, description = "`no_token`"),
        (status = 403, description = "`pass_over`"),
        (status = 404, description = "`recording_not_found`"),
        (status = 416, description = "It has no such part"),
        (status = 503, description = "`bucket_not_configured`, `storage_unavailable`, `audit_unavailable`"),
    ))]
async fn file(
    State(app): State<Arc<App>>,
    asker: Option<Asker>,
    whence: Whence,
    Path((id, name)): Path<(String, String)>,
    Query(FileQuery { pass, download }): Query<FileQuery>,
    mut request: Request,
) -> Result<Response, ApiError> {
    // Who takes a file home and goes on after a break means all the rest.
    let is_player = pass.is_some() && download.is_none();
    let recording = match (pass, asker) {
        (Some(pass), _) => {
            if !app.playback_keys.opens(&pass, &id, &name, moment().0 / 1000) {
                return Err(PASS_OVER);
            }
            app.recordings.find(&id).await?.ok_or(RECORDING_NOT_FOUND)?
        }
        (None, Some(asker)) => {
            let (recording, _) = found(&app, &asker, &whence, &id, PLAY).await?;
            tell(&app, &asker, whence, &recording).await?;
            recording
        }
        (None, None) => return Err(NO_TOKEN),
    };
    // A name from outside is looked up, and never a path.
    let kept = Recordings::files(&recording)
        .into_iter()
        .find(|file| file.name == name)
        .ok_or(RECORDING_NOT_FOUND)?;
    let path = match app.recordings.whereabouts(&recording, std::slice::from_ref(&kept)).await?.remove(&name) {
        Some(Whereabouts::Here(path)) => path,
        Some(Whereabouts::InBucket(url)) => return Ok(Redirect::temporary(url.reveal()).into_response()),
        Some(Whereabouts::Elsewhere) => return Err(BUCKET_NOT_CONFIGURED),
        None => return Err(RECORDING_NOT_FOUND),
    };
    if is_player && let Some(piece) = request.headers().get(header::RANGE).and_then(piece) {
        request.headers_mut().insert(header::RANGE, piece);
    }
    let Ok(served) = ServeFile::new(path).oneshot(request).await;
    let mut response = served.into_response();
    if response.status() == StatusCode::NOT_FOUND {
        // It went to its bucket at this very moment: there it is the next time.
        return Err(RECORDING_NOT_FOUND);
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kept.content_type()));
    // Chromium's cache would ask for the rest as a range with an end.
    let cache = if is_player { "no-store" } else { "private, max-age=300" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if download.is_some() {
        // A name has no quotation marks, whoever gave it.
        let kind = HeaderValue::try_from(format!("attachment; filename=\"{id}-{name}\""));
        headers.insert(header::CONTENT_DISPOSITION, kind.map_err(|_| RECORDING_NOT_FOUND)?);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_opens_one_file_until_its_time_is_over() {
        let keys = PlaybackKeys::derive("secret");
        let pass = keys.give("EG_1", "recording.webm", 1_300);
        assert!(keys.opens(&pass, "EG_1", "recording.webm", 1_299));
        assert!(!keys.opens(&pass, "EG_1", "recording.webm", 1_300));
        assert!(!keys.opens(&pass, "EG_2", "recording.webm", 1_000));
        assert!(!keys.opens(&pass, "EG_1", "recording-2.webm", 1_000));
        assert!(!PlaybackKeys::derive("another").opens(&pass, "EG_1", "recording.webm", 1_000));
        let longer = pass.replacen("1300", "9300", 1);
        assert!(!keys.opens(&longer, "EG_1", "recording.webm", 1_000));
    }

    #[test]
    fn an_open_end_is_a_piece_and_all_else_is_as_it_was_asked_for() {
        let asked = |range| piece(&HeaderValue::from_static(range));
        for (open, first) in [("bytes=0-", "bytes=0-1048575"), ("bytes=1048576-", "bytes=1048576-2097151")] {
            assert_eq!(asked(open), Some(HeaderValue::from_static(first)));
        }
        for as_it_is in
            ["bytes=0-1", "bytes=5-99999999", "bytes=-500", "bytes=0-1,5-", "bytes=-", "bytes", "", "lines=0-"]
        {
            assert_eq!(asked(as_it_is), None, "{as_it_is}");
        }
        assert_eq!(asked("bytes=18446744073709551615-"), None);
    }

    #[test]
    fn what_is_no_pass_opens_nothing() {
        let keys = PlaybackKeys::derive("secret");
        for bad in ["", ".", "1", "9999.", "9999.!", "-1.AAAA", "99999999999999999999.AAAA"] {
            assert!(!keys.opens(bad, "EG_1", "x", 1), "{bad}");
        }
        assert!(!keys.opens(&"9".repeat(100_000), "EG_1", "x", 1));
    }
}
