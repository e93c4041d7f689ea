//! The way into a worker's thread for whoever has something to say to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use sluice_net::Waker;

use crate::WorkerUnavailable;
use crate::worker_thread::Message;

/// Messages that may wait for a worker. A pass of the worker takes well under a millisecond; a queue this long
/// means it is stuck, and its rooms are better told so.
const QUEUE_LEN: usize = 16 << 10;

/// See the module's documentation.
#[derive(Clone)]
pub(crate) struct Mailbox {
    messages: SyncSender<Message>,
    waker: Waker,
    is_alive: Arc<AtomicBool>,
}

/// The worker's end.
pub(crate) struct Inbox {
    pub(crate) messages: Receiver<Message>,
    is_alive: Arc<AtomicBool>,
}

/// A mailbox, and the end its worker holds.
pub(crate) fn mailbox(waker: Waker) -> (Mailbox, Inbox) {
    let (sender, messages) = sync_channel(QUEUE_LEN);
    let is_alive = Arc::new(AtomicBool::new(true));
    (Mailbox { messages: sender, waker, is_alive: is_alive.clone() }, Inbox { messages, is_alive })
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
        if !self.is_alive() {
            return Err(WorkerUnavailable);
        }
        self.messages.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) | TrySendError::Disconnected(_) => WorkerUnavailable,
        })
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// False once the worker's thread is at its end, or was given up.
    pub(crate) fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Acquire)
    }

    /// The worker is stuck: nobody is to wait for it any more. Should it go on after all, it ends.
    pub(crate) fn give_up(&self) {
        self.is_alive.store(false, Ordering::Release);
        self.wake();
    }
}

impl Inbox {
    /// False once others have given the worker up.
    pub(crate) fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Acquire)
    }

    /// Nothing is taken out any more.
    pub(crate) fn close(&self) {
        self.is_alive.store(false, Ordering::Release);
    }
}
