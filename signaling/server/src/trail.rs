//! The audit trail, as the doors write it: who does what to whom, in which room, from where; on the disk before it is done.
//!
//! Knows requests and what is said of them. The file, its chain and its keys are `sluice_audit`'s; whether somebody may do
//! a thing is decided before, what happens then is the room's.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, StatusCode};
use sluice_audit::{AddressKey, Entry, Outcome, Trail, TrailError};

use crate::App;
use crate::doors::error::ApiError;
use crate::doors::knock::Client;
use crate::room::now;

/// A disk answers in milliseconds. What it has not taken after this is not done.
const PATIENCE: Duration = Duration::from_secs(5);

/// The trail of one server, and what hides addresses in it.
pub struct AuditTrail {
    trail: Trail,
    addresses: AddressKey,
}

impl AuditTrail {
    /// Entries go to `trail`; with `addresses` they say where from, so that nobody reads an address in them.
    #[must_use]
    pub fn new(trail: Trail, addresses: AddressKey) -> Self {
        Self { trail, addresses }
    }

    /// Writes what became of a deed. When this has answered, it is on the disk.
    pub(crate) async fn record(&self, deed: &Deed, result: Outcome) -> Result<(), Unrecorded> {
        let Deed { who, what, whom, room, detail, whence } = deed;
        let from = whence.client.address().map(|address| self.addresses.hash(address.ip()));
        let entry = Entry {
            who: Some(who.clone()),
            what: (*what).to_owned(),
            whom: whom.clone(),
            room: room.clone(),
            from,
            result,
            request_id: whence.request_id.as_ref().map(|RequestId(id)| id.clone()),
            detail: detail.clone(),
        };
        let written = tokio::time::timeout(PATIENCE, self.trail.append(entry.clone(), now().unix_ms)).await;
        if written.is_err() {
            // It waits for the disk still, and will be written: so will be that nothing came of it.
            let trail = self.trail.clone();
            tokio::spawn(async move { trail.append(Entry { result: Outcome::Failed, ..entry }, now().unix_ms).await });
        }
        written.map_err(|_| Unrecorded::TooSlow)?.map_err(Unrecorded::Trail).inspect_err(|error| {
            tracing::error!(%error, what, "the audit trail cannot be written");
        })
    }

    /// Writes a deed down, then does it. What went wrong with it is a second entry, since nothing in the trail is changed.
    /// An act that is not written down is not begun.
    pub(crate) async fn carry_out<T, E: From<Unrecorded>>(
        &self,
        deed: Deed,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.record(&deed, Outcome::Done).await?;
        let done = act.await;
        if done.is_err() {
            // It is not done: nothing hangs on whether this can be written.
            let _ = self.record(&deed, Outcome::Failed).await;
        }
        done
    }

    /// Writes that somebody was not allowed to. It stays refused whether or not that can be written.
    pub(crate) async fn refused(&self, deed: &Deed) {
        let _ = self.record(deed, Outcome::Refused).await;
    }
}

/// Why a deed is not known to be in the trail.
#[derive(Debug, thiserror::Error)]
pub enum Unrecorded {
    /// It cannot be written.
    #[error(transparent)]
    Trail(TrailError),
    /// It was not written in time; it may be yet, with a second entry that nothing came of it.
    #[error("the disk takes too long")]
    TooSlow,
}

impl From<Unrecorded> for ApiError {
    fn from(_: Unrecorded) -> Self {
        let message =
            "nothing was done, since the server cannot write it to its audit trail: its operator has to see to it";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", message)
    }
}

/// What somebody is about to do.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    who: String,
    what: &'static str,
    whom: Option<String>,
    room: Option<String>,
    detail: Option<String>,
    whence: Whence,
}

impl Deed {
    /// `what` is a thing and what is done to it: `participant.remove`.
    pub(crate) fn new(who: String, what: &'static str, whence: Whence) -> Self {
        Self { who, what, whom: None, room: None, detail: None, whence }
    }

    pub(crate) fn in_room(self, room: &str) -> Self {
        Self { room: Some(room.to_owned()), ..self }
    }

    pub(crate) fn to(self, whom: &str) -> Self {
        Self { whom: Some(whom.to_owned()), ..self }
    }

    /// More to say, in words. Never a secret.
    pub(crate) fn with(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

/// Which request it is. `edge::guard` attaches it to every request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Where a request came from, and which it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whence {
    client: Client,
    request_id: Option<RequestId>,
}

impl Whence {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        Self { client: extensions.get().copied().unwrap_or_default(), request_id: extensions.get().cloned() }
    }

    pub(crate) fn client(&self) -> Client {
        self.client
    }
}

impl FromRequestParts<Arc<App>> for Whence {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.extensions))
    }
}
