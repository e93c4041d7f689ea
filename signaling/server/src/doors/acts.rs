//! What was asked for is carried to its end, whether or not who asked waits for the answer. Half an act would be worse than
//! none: it stands in the audit trail, and has shut a door and sent nobody away.
//!
//! Knows nothing of what is done. There are at most as many such acts as requests came in: the gate bounds them before, and
//! each is bounded by the patience of the store, the trail and the room it asks, and of who hashes passwords.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::App;

/// Gives a request that may change something a task of its own, which this waits for. Reading is not carried on for nobody;
/// a door where a GET changes something says so itself, by [`to_its_end`].
///
/// Who hangs up before all of the request is there has asked for nothing.
pub(super) async fn carry_through(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let (_here, gone) = oneshot::channel();
    let request = request.map(|body| while_awaited(body, gone));
    to_its_end(&app, next.run(request)).await
}

/// Gives an act a task of its own, and waits for it.
pub(super) async fn to_its_end<T: Send + 'static>(app: &App, act: impl Future<Output = T> + Send + 'static) -> T {
    // The server waits for it when it stops, as for a connection.
    let guest = app.guests.enter();
    let act = async move {
        let done = act.await;
        drop(guest);
        done
    };
    match tokio::spawn(act.in_current_span()).await {
        Ok(done) => done,
        // As if it had happened here: the connection ends, and it is told like any other bug.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// A body that fails once nobody waits for the answer any more.
fn while_awaited(body: Body, gone: oneshot::Receiver<Infallible>) -> Body {
    let frames = body.into_data_stream();
    Body::from_stream(stream::unfold((frames, gone), |(mut frames, mut gone)| async move {
        let frame: Option<Result<Bytes, axum::Error>> = tokio::select! {
            biased;
            _ = &mut gone => {
                let abandoned = io::Error::from(io::ErrorKind::ConnectionAborted);
                Some(Err(axum::Error::new(abandoned)))
            }
            frame = frames.next() => frame,
        };
        frame.map(|frame| (frame, (frames, gone)))
    }))
}
