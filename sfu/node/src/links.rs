//! What workers hand to each other: a ring of packets into each worker, and a queue for what else they say.
//!
//! Owned by a worker's thread. Things are put in as they come and the other thread is woken once for a batch. A full ring
//! means that its owner is behind by [`RING_LEN`] packets: media drops, and is counted. The rest must not be lost, so a
//! worker that leaves [`CONTROL_LEN`] of it lying is given up, for everybody (see [`crate::pulse`]): it is stuck, and
//! those who are on it had better come back elsewhere. Neither queue is one that rooms or clients can fill.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use sluice_core::{RelayMessage, WorkerId};

use crate::mailbox::Mailbox;

/// Packets that may wait for a worker. It takes a few hundred thousand in a second, so this is about 20 ms of all it can
/// do: what has waited longer comes too late to be shown in time.
pub(crate) const RING_LEN: usize = 4096;
/// Other messages that may wait. A room of a thousand people and tracks says some four thousand things to a worker it
/// grows onto; all are taken in one pass.
const CONTROL_LEN: usize = 16 << 10;

/// A message, and who it is from.
pub(crate) type Relayed = (WorkerId, RelayMessage);

/// The way to a worker, for every other.
#[derive(Clone)]
pub(crate) struct Link {
    mailbox: Mailbox,
    packets: SyncSender<Relayed>,
    control: SyncSender<Relayed>,
}

/// The end of it that the worker holds.
pub(crate) struct LinkEnd {
    packets: Receiver<Relayed>,
    control: Receiver<Relayed>,
}

/// The way to the worker of a mailbox.
pub(crate) fn link(mailbox: Mailbox) -> (Link, LinkEnd) {
    let (packets, packets_end) = sync_channel(RING_LEN);
    let (control, control_end) = sync_channel(CONTROL_LEN);
    (Link { mailbox, packets, control }, LinkEnd { packets: packets_end, control: control_end })
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LinkStats {
    /// Packets the ring of another worker had no room for.
    pub(crate) dropped: u64,
}

/// A worker's links to and from all others.
pub(crate) struct Links {
    own: WorkerId,
    end: LinkEnd,
    /// By the number of the worker; its own is among them, and never used.
    others: Vec<Other>,
    stats: LinkStats,
}

struct Other {
    link: Link,
    /// Something was handed to it since it was woken.
    is_due: bool,
}

impl Links {
    pub(crate) fn new(own: WorkerId, end: LinkEnd, links: Vec<Link>) -> Self {
        let others = links.into_iter().map(|link| Other { link, is_due: false });
        Self { own, end, others: others.collect(), stats: LinkStats::default() }
    }

    pub(crate) fn stats(&self) -> LinkStats {
        self.stats
    }

    /// Hands a message over. False when the worker is lost: there is nothing to say to it.
    pub(crate) fn send(&mut self, to: WorkerId, message: RelayMessage) -> bool {
        let Some(other) = self.others.get_mut(to.index()) else { return false };
        if other.link.mailbox.pulse().is_lost() {
            return false;
        }
        let is_packet = matches!(message, RelayMessage::Packet { .. });
        let queue = if is_packet { &other.link.packets } else { &other.link.control };
        match queue.try_send((self.own, message)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) if is_packet => self.stats.dropped += 1,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => other.link.mailbox.pulse().give_up(),
        }
        other.is_due = true;
        true
    }

    /// Wakes whoever something was handed to.
    pub(crate) fn wake(&mut self) {
        for other in self.others.iter_mut().filter(|other| other.is_due) {
            other.is_due = false;
            other.link.mailbox.wake();
        }
    }

    /// What waits here, no more than was there to begin with by much.
    pub(crate) fn receive(&self) -> impl Iterator<Item = Relayed> {
        let control = self.end.control.try_iter().take(CONTROL_LEN);
        control.chain(self.end.packets.try_iter().take(RING_LEN))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use sluice_core::RoomId;
    use sluice_net::{UdpOptions, UdpPorts};

    use super::*;
    use crate::mailbox::mailbox;
    use crate::pulse::Pulse;

    fn hello() -> RelayMessage {
        RelayMessage::Hello { room: RoomId::from("RM_1") }
    }

    /// Two workers' ends; the mailbox of the second.
    fn two() -> (Links, Links, Mailbox) {
        let ports = UdpPorts::bind(&[], UdpOptions::default()).unwrap();
        let mailboxes = [(); 2].map(|()| mailbox(ports.waker(), Arc::new(Pulse::default())).0);
        let (links, ends): (Vec<_>, Vec<_>) = mailboxes.iter().cloned().map(link).unzip();
        let mut ends = (0u8..).zip(ends).map(|(own, end)| Links::new(WorkerId(own), end, links.clone()));
        let (a, b) = (ends.next().unwrap(), ends.next().unwrap());
        let [_, mailbox] = mailboxes;
        (a, b, mailbox)
    }

    #[test]
    fn what_is_handed_over_comes_in_order_and_says_whose_it_is() {
        let (mut a, b, _) = two();
        for _ in 0..3 {
            a.send(WorkerId(1), hello());
        }
        let came: Vec<_> = b.receive().collect();
        assert!(came.len() == 3 && came.iter().all(|(from, _)| *from == WorkerId(0)));
        assert_eq!(b.receive().count(), 0);
        assert_eq!(a.receive().count(), 0);
    }

    #[test]
    fn a_worker_that_takes_nothing_is_given_up_for_everybody() {
        let (mut a, b, mailbox) = two();
        for _ in 0..CONTROL_LEN {
            a.send(WorkerId(1), hello());
        }
        assert!(!mailbox.pulse().is_lost());
        a.send(WorkerId(1), hello());
        assert!(mailbox.pulse().is_lost(), "rooms see it as well");
        assert!(!a.send(WorkerId(1), hello()), "so does whoever speaks to it");
        assert_eq!(b.receive().count(), CONTROL_LEN);
        a.send(WorkerId(1), hello());
        assert_eq!(b.receive().count(), 0, "nobody speaks to it any more");
    }

    #[test]
    fn a_worker_whose_thread_ended_is_lost() {
        let (mut a, b, mailbox) = two();
        drop(b);
        a.send(WorkerId(1), hello());
        assert!(mailbox.pulse().is_lost());
    }
}
