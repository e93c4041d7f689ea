//! The web app: files of `client-web/dist`, in the binary in release builds, from disk in debug builds.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::ApiError;
use super::safety;

#[derive(RustEmbed)]
// From the manifest of this crate.
#[folder = "../../client-web/dist"]
#[allow_missing = true]
struct WebApp;

const INDEX: &str = "index.html";
/// The bundler puts a hash of the content into these names.
const HASHED: &str = "assets/";

/// First steps of the addresses of the app's own pages; the app reads the rest of them itself.
const PAGES: [&str; 5] = ["r", "signin", "sessions", "admin", "docs"];

/// Style of the page that stands in for the web app.
const STYLE: &str = "body{font:16px/1.6 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem}\
code{background:#eee;padding:.1em .3em}";

/// What is to be seen where the web app is not built.
fn not_built() -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sluice</title><style>{STYLE}</style>\
        <h1>Sluice is running</h1><p>The server is up, but the web app is not built. Build it with</p>\
        <p><code>cargo xtask run</code></p><p>or, in the folder <code>client-web</code>,</p>\
        <p><code>npm ci &amp;&amp; npm run build</code></p>\
        <p>and load this page again. LiveKit SDKs can connect already.</p></html>"
    );
    let policy = safety::with_style(STYLE);
    let fields =
        [(header::CACHE_CONTROL, HeaderValue::from_static("no-store")), (header::CONTENT_SECURITY_POLICY, policy)];
    (StatusCode::OK, fields, Html(page)).into_response()
}

/// Whatever no other door takes.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no such resource").into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::NOT_FOUND, "not found").into_response();
    }
    let page = path.is_empty() || path == INDEX || PAGES.contains(&path.split('/').next().unwrap_or_default());
    let name = if page { INDEX } else { path };
    match WebApp::get(name) {
        Some(file) => answer(name, file, &headers),
        None if page => not_built(),
        None if is_for_a_person(&headers) => lost(),
        None => (StatusCode::NOT_FOUND, "not found").into_response(),
    }
}

/// Whether a browser asks for something to read, and not for a part of a page.
fn is_for_a_person(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

/// The app, at an address where nothing is: it says so in words, and leads on.
fn lost() -> Response {
    // As if nobody had it: what is not there is not unchanged either.
    let page = WebApp::get(INDEX).map_or_else(not_built, |file| answer(INDEX, file, &HeaderMap::new()));
    (StatusCode::NOT_FOUND, page).into_response()
}

fn answer(name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{hash}\"");
    let cache = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|known| known.trim() == etag)) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag), (header::CACHE_CONTROL, cache.into())])
            .into_response();
    }
    let mime = match file.metadata.mimetype() {
        // Scripts and pages say in which letters they are written.
        mime if mime.starts_with("text/") => format!("{mime}; charset=utf-8"),
        mime => mime.to_owned(),
    };
    let fields = [(header::CONTENT_TYPE, mime), (header::ETAG, etag), (header::CACHE_CONTROL, cache.into())];
    (fields, file.data).into_response()
}
