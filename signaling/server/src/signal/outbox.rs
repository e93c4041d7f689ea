//! The way from a room to one of its clients: bounded, and closed when the client does not keep up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

use super::frame::Response;

/// Messages that may wait for a client: more than a room of a hundred says in a second, and a client that is
/// behind by so much will not catch up.
const MESSAGES: usize = 256;
/// Bytes that may wait; the first message (a join with everybody in it) may be larger than this alone.
const BYTES: usize = 1024 * 1024;

/// What a connection is to do.
pub(crate) enum Outgoing {
    /// Send this.
    Response(Arc<Response>),
    /// Close the WebSocket.
    Close,
}

/// The client does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

struct Shared {
    bytes: AtomicUsize,
    overflow: Notify,
}

/// The room's end.
pub(crate) struct Outbox {
    queue: mpsc::Sender<Outgoing>,
    shared: Arc<Shared>,
}

/// The connection's end.
pub(crate) struct Outgoings {
    queue: mpsc::Receiver<Outgoing>,
    shared: Arc<Shared>,
}

pub(crate) fn outbox() -> (Outbox, Outgoings) {
    let (sender, receiver) = mpsc::channel(MESSAGES);
    let shared = Arc::new(Shared { bytes: AtomicUsize::new(0), overflow: Notify::new() });
    (Outbox { queue: sender, shared: shared.clone() }, Outgoings { queue: receiver, shared })
}

impl Outbox {
    /// Queues an instruction; never blocks. When there is no place the connection is told to end, at once and
    /// without what is queued. A connection that has ended says so itself, behind what its client said last: to take
    /// it for lost here would be ahead of a goodbye.
    pub(crate) fn push(&self, outgoing: Outgoing) -> Result<(), Full> {
        let bytes = match &outgoing {
            Outgoing::Response(response) => response.len(),
            Outgoing::Close => 0,
        };
        let queued = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = queued == 0 || queued + bytes <= BYTES;
        let sent = if fits { self.queue.try_send(outgoing) } else { Err(TrySendError::Full(outgoing)) };
        if matches!(sent, Err(TrySendError::Full(_))) {
            self.shared.overflow.notify_one();
            return Err(Full);
        }
        Ok(())
    }
}

impl Outgoings {
    /// The next instruction; `None` when the room has let go of the connection.
    pub(crate) async fn next(&mut self) -> Option<Outgoing> {
        let outgoing = self.queue.recv().await?;
        if let Outgoing::Response(response) = &outgoing {
            self.shared.bytes.fetch_sub(response.len(), Ordering::Relaxed);
        }
        Some(outgoing)
    }

    /// Resolves when the room gave up on this client.
    pub(crate) fn overflow(&self) -> impl Future<Output = ()> + use<> {
        let shared = self.shared.clone();
        async move { shared.overflow.notified().await }
    }
}

#[cfg(test)]
mod tests {
    use livekit_protocol::signal_response::Message;

    use super::*;

    fn pong() -> Outgoing {
        Outgoing::Response(Arc::new(Response::new(Arc::new(Message::Pong(1)))))
    }

    fn token(bytes: usize) -> Outgoing {
        Outgoing::Response(Arc::new(Response::new(Arc::new(Message::RefreshToken("x".repeat(bytes))))))
    }

    #[tokio::test]
    async fn too_many_messages_end_the_connection() {
        let (outbox, outgoings) = outbox();
        for _ in 0..MESSAGES {
            assert_eq!(outbox.push(pong()), Ok(()));
        }
        assert_eq!(outbox.push(pong()), Err(Full));
        outgoings.overflow().await;
    }

    #[tokio::test]
    async fn a_connection_that_has_ended_is_not_slow() {
        let (outbox, outgoings) = outbox();
        drop(outgoings);
        assert_eq!(outbox.push(pong()), Ok(()));
    }

    #[tokio::test]
    async fn too_many_bytes_end_the_connection_but_one_large_message_passes() {
        let (outbox, mut outgoings) = outbox();
        assert_eq!(outbox.push(token(2 * BYTES)), Ok(()));
        assert_eq!(outbox.push(pong()), Err(Full));
        assert!(outgoings.next().await.is_some());
    }
}
