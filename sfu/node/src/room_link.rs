//! A room's way to its workers, and where its participants go.

use std::sync::Arc;

use sluice_core::{Command, Event, Failure, RoomId, RoomSpan, WorkerId};

use crate::mailbox::Mailbox;
use crate::worker_thread::Message;
use crate::{EventSink, WorkerUnavailable};

/// Participants of one room on a worker before newcomers go to another. Somebody who watches 25 pictures and hears the
/// speakers takes some 2,000 packets a second, at about 1.2 us each: so many keep a core half busy. Fewer would have
/// each track cross to more workers for nothing.
pub const PARTICIPANTS_PER_WORKER: usize = 200;

/// See the module's documentation. Dropping it closes the room on all its workers.
pub struct RoomLink {
    room: RoomId,
    span: RoomSpan,
    /// Of all workers, by their number.
    mailboxes: Arc<[Mailbox]>,
    participants_per_worker: usize,
    events: EventSink,
    /// Where the room is open.
    open: Vec<WorkerId>,
}

impl RoomLink {
    pub(crate) fn open(
        room: RoomId,
        worker: WorkerId,
        mailboxes: Arc<[Mailbox]>,
        participants_per_worker: usize,
        events: EventSink,
    ) -> Self {
        let span = RoomSpan::new(room.clone(), worker);
        let mut link = Self { room, span, mailboxes, participants_per_worker, events, open: Vec::new() };
        // A worker that has gone since it was chosen shows on the first command.
        let _ = link.deliver(vec![(worker, None)]);
        link
    }

    /// Queues a command for the workers it is for; never blocks. Whoever was on a worker that is gone is reported
    /// failed, and the room goes on where it still is.
    ///
    /// # Errors
    /// [`WorkerUnavailable`] when no worker of the room takes commands, or nobody hears of those who failed: the room
    /// cannot go on.
    pub fn send(&mut self, command: Command) -> Result<(), WorkerUnavailable> {
        let (mailboxes, most) = (&self.mailboxes, self.participants_per_worker);
        let is_alive = |worker: WorkerId| mailboxes.get(worker.index()).is_some_and(Mailbox::is_alive);
        let mut routed = Vec::new();
        self.span.route(
            command,
            |span| place(span, mailboxes.len(), is_alive, most),
            |worker, command| routed.push((worker, Some(command))),
        );
        self.deliver(routed)
    }

    /// Looks whether the room's workers are there: to be called when an [`Event::WorkerLost`] came.
    ///
    /// # Errors
    /// [`WorkerUnavailable`] when none is: the room cannot go on.
    pub fn check(&mut self) -> Result<(), WorkerUnavailable> {
        self.deliver(self.span.workers().map(|part| (part.worker, None)).collect())
    }

    /// `None` says nothing: the worker only has to be there.
    fn deliver(&mut self, routed: Vec<(WorkerId, Option<Command>)>) -> Result<(), WorkerUnavailable> {
        let (mut lost, mut is_told) = (Vec::new(), true);
        for (worker, command) in routed {
            if !lost.contains(&worker) && self.hand_over(worker, command).is_err() {
                lost.push(worker);
            }
        }
        // Those who are told of it may be gone as well: each is lost once, so this ends.
        while let Some(worker) = lost.pop() {
            let mut routed = Vec::new();
            let gone = self.span.lose(worker, |worker, command| routed.push((worker, command)));
            for participant in gone {
                is_told &= (self.events)(Event::ParticipantFailed { participant, failure: Failure::Internal });
            }
            for (worker, command) in routed {
                if !lost.contains(&worker) && self.hand_over(worker, Some(command)).is_err() {
                    lost.push(worker);
                }
            }
        }
        // A room that does not take it is behind by thousands of events: it cannot look after them.
        self.span.workers().next().filter(|_| is_told).map(|_| ()).ok_or(WorkerUnavailable)
    }

    fn hand_over(&mut self, worker: WorkerId, command: Option<Command>) -> Result<(), WorkerUnavailable> {
        let mailbox = self.mailboxes.get(worker.index()).ok_or(WorkerUnavailable)?;
        if !self.open.contains(&worker) {
            let (room, events) = (self.room.clone(), Arc::clone(&self.events));
            mailbox.post(Message::Open { room, events })?;
            self.open.push(worker);
        }
        match command {
            Some(command) => mailbox.send(Message::Command(command)),
            None if mailbox.is_alive() => Ok(()),
            None => Err(WorkerUnavailable),
        }
    }
}

impl Drop for RoomLink {
    fn drop(&mut self) {
        for worker in &self.open {
            if let Some(mailbox) = self.mailboxes.get(worker.index()) {
                // A worker that is gone has no room to close.
                let _ = mailbox.send(Message::Close { room: self.room.clone() });
            }
        }
    }
}

/// Where somebody who comes to a room goes: to the first of its workers that has fewer of its participants than `most`;
/// else to a worker it is not on yet; else to where it has the fewest. `workers` counts all there are.
fn place(span: &RoomSpan, workers: usize, is_alive: impl Fn(WorkerId) -> bool, most: usize) -> WorkerId {
    let alive = || span.workers().filter(|part| is_alive(part.worker));
    let fewest = || alive().min_by_key(|part| part.participants).map(|part| part.worker);
    let first = span.workers().next().map(|part| part.worker).unwrap_or_default();
    // In turn from the first one, so that rooms grow onto different workers.
    let all = (0..workers).map(|step| (first.index() + step) % workers);
    let mut others = all.filter_map(WorkerId::at).filter(|worker| is_alive(*worker));
    let roomy = alive().find(|part| part.participants < most.max(1)).map(|part| part.worker);
    roomy
        .or_else(|| others.find(|worker| span.workers().all(|part| part.worker != *worker)))
        .or_else(fewest)
        .unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use sluice_core::{Client, Connection};

    use super::*;

    fn fill(first: u8, workers: usize, most: usize, people: usize, dead: &[u8]) -> Vec<u8> {
        let mut span = RoomSpan::new("RM_1".into(), WorkerId(first));
        let client = Client { connection: Connection::Single, takes_trailers: false, allows_pauses: true };
        let is_alive = |worker: WorkerId| !dead.contains(&worker.0);
        let places = (0..people).map(|n| {
            let participant = sluice_core::ParticipantId::from(format!("PA_{n}"));
            let add = Command::AddParticipant { room: "RM_1".into(), participant: participant.clone(), client };
            span.route(add, |span| place(span, workers, is_alive, most), |_, _| {});
            span.place_of(&participant).unwrap_or_default().0
        });
        places.collect()
    }

    #[test]
    fn a_room_fills_a_worker_before_it_grows_onto_the_next() {
        assert_eq!(fill(2, 4, 2, 6, &[]), [2, 2, 3, 3, 0, 0]);
        assert_eq!(fill(0, 1, 2, 4, &[]), [0, 0, 0, 0], "there is no other");
    }

    #[test]
    fn who_comes_when_all_are_full_goes_where_the_fewest_are() {
        assert_eq!(fill(0, 3, 1, 7, &[]), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn nobody_is_placed_on_a_worker_that_is_gone() {
        assert_eq!(fill(0, 3, 1, 4, &[1]), [0, 2, 0, 2]);
        assert_eq!(fill(0, 3, 1, 2, &[0]), [1, 2], "the room's first worker died before anybody came");
    }
}
