//! The doors: each turns one kind of request into a visit to a room, and knows nothing of the others.

mod assets;
mod edge;
mod error;
mod events;
mod insight;
mod native;
mod ops;
mod signal;
mod signal_v0;
mod signal_v1;
mod twirp;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::App;

pub(crate) use edge::collapse_slashes;

/// How a request reached this server. The accept loop attaches it to every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// The other end of the TCP connection: the client, or a proxy.
    pub(crate) address: SocketAddr,
    /// It came over TLS that ends here.
    pub(crate) secure: bool,
}

const CONTENT_SECURITY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; \
    connect-src 'self' ws: wss:; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; \
    style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";

/// All doors of the server.
pub(crate) fn router(app: Arc<App>) -> Router {
    // Tokens, not cookies, open rooms, so any page may knock. The header is set outside of everything: SDKs
    // fall back to the older protocol only when their script may read the 404 (livekit-contract, trap 1).
    // `*` would not cover `Authorization` (Fetch standard), so the headers a page asks for are named.
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(AllowHeaders::mirror_request());
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    Router::new()
        .merge(signal_v0::routes())
        .merge(signal_v1::routes())
        .merge(native::routes(&app.config.limits))
        .merge(events::routes())
        .merge(insight::routes())
        .merge(twirp::routes())
        .merge(ops::routes())
        .fallback(assets::serve)
        .layer(middleware::from_fn_with_state(app.clone(), edge::guard))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY))
        .layer(header(
            HeaderName::from_static("permissions-policy"),
            "camera=(self), microphone=(self), display-capture=(self)",
        ))
        .layer(cors)
        .with_state(app)
}
