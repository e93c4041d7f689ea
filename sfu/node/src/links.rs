//! What workers hand to each other: a ring of packets into each worker, and its mailbox for everything else.
//!
//! Owned by a worker's thread. Packets are put into the ring as they come and the other thread is woken once for a
//! batch. A full ring means that its owner is behind by [`RING_LEN`] packets: media drops, and is counted. The rest goes
//! the way of commands and must not be lost; when that way is full or gone, the worker there counts as lost.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use sluice_core::{RelayMessage, WorkerId};

use crate::mailbox::Mailbox;
use crate::worker_thread::Message;

/// Packets that may wait for a worker. It takes a few hundred thousand in a second, so this is about 20 ms of all it can
/// do: what has waited longer comes too late to be shown in time.
pub(crate) const RING_LEN: usize = 4096;

/// A message, and who it is from.
pub(crate) type Relayed = (WorkerId, RelayMessage);

/// The way to a worker, for every other.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) mailbox: Mailbox,
    pub(crate) packets: SyncSender<Relayed>,
}

/// A ring of packets: the way in, and the end that its worker holds.
pub(crate) fn ring(len: usize) -> (SyncSender<Relayed>, Receiver<Relayed>) {
    sync_channel(len)
}

/// Another worker takes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkerLost;

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LinkStats {
    /// Packets the ring of another worker had no room for.
    pub(crate) dropped: u64,
}

/// A worker's links to and from all others.
pub(crate) struct Links {
    own: WorkerId,
    inbox: Receiver<Relayed>,
    /// By the number of the worker; its own is among them, and never used.
    others: Vec<Other>,
    stats: LinkStats,
}

struct Other {
    link: Link,
    /// Something was handed to it since it was woken.
    is_due: bool,
    is_lost: bool,
}

impl Links {
    pub(crate) fn new(own: WorkerId, inbox: Receiver<Relayed>, links: Vec<Link>) -> Self {
        let others = links.into_iter().map(|link| Other { link, is_due: false, is_lost: false });
        Self { own, inbox, others: others.collect(), stats: LinkStats::default() }
    }

    pub(crate) fn stats(&self) -> LinkStats {
        self.stats
    }

    /// Hands a message over. A lost worker is reported once.
    pub(crate) fn send(&mut self, to: WorkerId, message: RelayMessage) -> Result<(), WorkerLost> {
        let Some(other) = self.others.get_mut(usize::from(to.0)).filter(|other| !other.is_lost) else { return Ok(()) };
        let is_taken = if matches!(message, RelayMessage::Packet { .. }) {
            match other.link.packets.try_send((self.own, message)) {
                Err(TrySendError::Full(_)) => {
                    self.stats.dropped += 1;
                    true
                }
                result => result.is_ok(),
            }
        } else {
            other.link.mailbox.post(Message::Relayed { from: self.own, message }).is_ok()
        };
        if !is_taken {
            other.is_lost = true;
            tracing::error!(worker = to.0, "a worker takes nothing any more; rooms go on without it");
            return Err(WorkerLost);
        }
        other.is_due = true;
        Ok(())
    }

    /// Wakes whoever something was handed to.
    pub(crate) fn wake(&mut self) {
        for other in self.others.iter_mut().filter(|other| other.is_due) {
            other.is_due = false;
            other.link.mailbox.wake();
        }
    }

    /// Packets that wait here, as many as a ring holds.
    pub(crate) fn receive(&self) -> impl Iterator<Item = Relayed> {
        self.inbox.try_iter().take(RING_LEN)
    }
}
