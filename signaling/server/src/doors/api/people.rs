//! Forgetting a person.
//!
//! Open in development mode. Otherwise for administrators, and for back ends whose token may make and list rooms (`roomCreate` and `roomList`): it
//! concerns every room there ever was.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use sluice_rooms::valid_identity;
use sluice_store::{Erased, Person, UnixMillis};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asker::{Asker, NOT_PERMITTED};
use crate::App;
use crate::doors::error::ApiError;
use crate::room::now;
use crate::trail::{Deed, Whence};

const BAD_IDENTITY: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_identity", "an identity has 1 to 256 bytes of plain text");
const NO_STORAGE: ApiError = ApiError::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "storage_unavailable",
    "storage cannot be reached now, and nothing was forgotten: ask again",
);

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(forget))
}

/// What there was of somebody.
#[derive(Debug, Serialize, ToSchema)]
struct Forgotten {
    /// Chat messages that were deleted.
    messages: u64,
    /// Stays in sessions that have no name any more.
    stays: u64,
    /// Events whose words were taken out.
    events: u64,
}

/// Forget a person
///
/// What was kept about them goes, what happened stays, in number and time.
#[utoipa::path(delete, operation_id = "forget_person", path = "/api/people/{identity}", tag = "history",
    params(("identity" = String, Path, description = "Who they were in rooms")),
    responses(
        (status = 200, body = Forgotten),
        (status = 400, description = "`bad_identity`"),
        (status = 403, description = "`not_permitted`"),
        (status = 503, description = "`storage_unavailable`, `audit_unavailable`"),
    ))]
async fn forget(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path(identity): Path<String>,
) -> Result<Json<Forgotten>, ApiError> {
    if !asker.governs() {
        let refusal = Deed::new(asker.name(), "person.forget", whence).to(&identity);
        app.trail.refused(&refusal).await;
        return Err(NOT_PERMITTED);
    }
    if !valid_identity(&identity) {
        return Err(BAD_IDENTITY);
    }
    let deed = Deed::new(asker.name(), "person.forget", whence).to(&identity);
    let person = Person { identities: vec![identity.into()], user: None };
    let act = async {
        app.store.erase(&person, UnixMillis(now().unix_ms)).await.map_err(|error| {
            tracing::error!(%error, "cannot forget a person");
            NO_STORAGE
        })
    };
    let erased = app.trail.carry_out(deed, act).await?;
    let Erased { messages, stays, events, .. } = erased;
    Ok(Json(Forgotten { messages, stays, events }))
}
