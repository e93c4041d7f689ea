//! The way into a worker's thread for whoever has something to say to it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sluice_net::Waker;

use crate::WorkerUnavailable;
use crate::pulse::Pulse;
use crate::worker_thread::Message;

/// Messages that may wait for a worker. A pass of the worker takes well under a millisecond; a queue this long
/// means that it does not keep up, and whoever finds it full does without this worker.
const QUEUE_LEN: usize = 16 << 10;

/// See the module's documentation.
#[derive(Clone)]
pub(crate) struct Mailbox {
    messages: SyncSender<Message>,
    waker: Waker,
    pulse: Arc<Pulse>,
}

/// The mailbox of a worker, and the end the worker holds.
pub(crate) fn mailbox(waker: Waker, pulse: Arc<Pulse>) -> (Mailbox, Receiver<Message>) {
    let (messages, inbox) = sync_channel(QUEUE_LEN);
    (Mailbox { messages, waker, pulse }, inbox)
}

impl Mailbox {
    /// Puts a message in and wakes the worker.
    pub(crate) fn send(&self, message: Message) -> Result<(), WorkerUnavailable> {
        let result = self.post(message);
        self.wake();
        result
    }

    /// Puts a message in, for somebody who wakes the worker later.
    pub(crate) fn post(&self, message: Message) -> Result<(), WorkerUnavailable> {
        if self.pulse.is_lost() {
            return Err(WorkerUnavailable);
        }
        self.messages.try_send(message).map_err(|_| WorkerUnavailable)
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// What the worker shows of itself.
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }
}
