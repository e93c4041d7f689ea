//! Breaking a worker on purpose, for the tests of whoever holds a node. Built with the feature `drill` only.
//!
//! The product never turns the feature on.

use std::sync::Arc;

use sluice_core::WorkerId;

use crate::rooms::Rooms;
use crate::worker_thread::Message;
use crate::{Node, WorkerUnavailable};

/// A hand on the workers of a node that somebody else may own.
#[derive(Clone)]
pub struct Drill(Arc<Rooms>);

impl Node {
    /// See [`Drill`].
    #[must_use]
    pub fn drill(&self) -> Drill {
        Drill(Arc::clone(&self.rooms))
    }
}

impl Drill {
    /// A worker's thread panics at its next pass.
    ///
    /// # Errors
    /// [`WorkerUnavailable`] when it is lost already, or there is none of that number.
    pub fn kill(&self, worker: u8) -> Result<(), WorkerUnavailable> {
        self.0.mailbox(WorkerId(worker)).ok_or(WorkerUnavailable)?.send(Message::Panic)
    }
}
