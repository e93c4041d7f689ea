//! The doors: each turns one kind of request into a visit to a room, and knows nothing of the others.

mod acts;
pub(crate) mod api;
mod assets;
mod edge;
pub(crate) mod error;
pub(crate) mod knock;
mod ops;
mod safety;
mod signal;
mod signal_v0;
mod signal_v1;
mod standing;
mod twirp;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::middleware;
use sluice_objects::S3Settings;
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

use crate::App;
use crate::gate::Origins;
use safety::Safety;

pub(crate) use edge::collapse_slashes;

/// How a request reached this server. The accept loop attaches it to every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// The other end of the TCP connection: the client, or a proxy.
    pub(crate) address: SocketAddr,
    /// It came over TLS that ends here.
    pub(crate) secure: bool,
}

/// All doors of the server.
pub(crate) fn router(app: Arc<App>) -> Router {
    // Tokens, not cookies, open rooms, so a page gains nothing by who looks at it. Credentials are not allowed: the cookie of
    // accounts is for pages of this server alone. The header is set outside of everything:
    // SDKs fall back to the older protocol only when their script may read the 404 (livekit-contract, trap 1).
    // `*` would not cover `Authorization` (Fetch standard), so the headers a page asks for are named.
    let cors = CorsLayer::new()
        .allow_origin(allowed(app.gate.origins()))
        .allow_methods(Any)
        .allow_headers(AllowHeaders::mirror_request())
        // When to come again, and what to name in a report: scripts of other pages see neither unasked.
        .expose_headers([header::RETRY_AFTER, edge::REQUEST_ID]);
    let bucket = app.config.recordings.s3.as_ref().map(S3Settings::address);
    let safety = Safety::new(app.config.public_url.as_deref(), bucket.as_deref());
    let acts = Router::new().merge(api::routes(&app.config.limits)).merge(twirp::routes());
    Router::new()
        .merge(signal_v0::routes())
        .merge(signal_v1::routes())
        .merge(acts.layer(middleware::from_fn_with_state(app.clone(), acts::carry_through)))
        .merge(ops::routes())
        .fallback(assets::serve)
        .layer(middleware::from_fn_with_state(app.clone(), edge::guard))
        .layer(middleware::from_fn_with_state(safety, safety::set))
        .layer(cors)
        .with_state(app)
}

/// The doors for operators.
pub(crate) fn admin_router(app: Arc<App>) -> Router {
    ops::admin_routes()
        .layer(middleware::from_fn_with_state(app.clone(), edge::guard))
        .layer(middleware::from_fn_with_state(Safety::new(None, None), safety::set))
        .with_state(app)
}

fn allowed(origins: &Origins) -> AllowOrigin {
    match origins {
        Origins::Any => AllowOrigin::any(),
        Origins::These(_) => {
            let origins = origins.clone();
            AllowOrigin::predicate(move |origin, request| origins.allow(origin, request.headers.get(header::HOST)))
        }
    }
}
