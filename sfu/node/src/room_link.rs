//! A room's way to its workers, and where its participants go.

use std::sync::Arc;

use sluice_core::{Command, Event, Failure, ParticipantId, RoomId, RoomSpan, TapWish, TrackId, WorkerId};

use crate::placement::{Load, choose};
use crate::rooms::Rooms;
use crate::taps::{TapReader, TapWake, ring};
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
    rooms: Arc<Rooms>,
    participants_per_worker: usize,
    events: EventSink,
    /// Where the room is open.
    open: Vec<WorkerId>,
    /// Workers it does without from now on: they are lost, or did not take a command.
    left: Vec<WorkerId>,
}

impl RoomLink {
    pub(crate) fn open(
        room: RoomId,
        worker: WorkerId,
        rooms: Arc<Rooms>,
        participants_per_worker: usize,
        events: EventSink,
    ) -> Self {
        let span = RoomSpan::new(room.clone(), worker);
        rooms.begin(room.clone(), Arc::clone(&events));
        let (open, left) = (Vec::new(), Vec::new());
        let mut link = Self { room, span, rooms, participants_per_worker, events, open, left };
        // A worker that has gone since it was chosen shows on the first command.
        let _ = link.deliver(vec![(worker, None)]);
        link
    }

    /// Queues a command for the workers it is for; never blocks. Whoever was on a worker that takes no commands is
    /// reported failed, and the room goes on where it still is.
    ///
    /// # Errors
    /// [`WorkerUnavailable`] when no worker of the room takes commands, or nobody hears of those who failed: the room
    /// cannot go on.
    pub fn send(&mut self, command: Command) -> Result<(), WorkerUnavailable> {
        let Self { span, rooms, left, participants_per_worker: most, .. } = self;
        let mut routed = Vec::new();
        let loads = || rooms.loads().filter(|(worker, _)| !left.contains(worker));
        span.route(
            command,
            |span| place(span, &loads().collect::<Vec<_>>(), *most),
            |worker, command| routed.push((worker, Some(command))),
        );
        self.deliver(routed)
    }

    /// Gives a track away to whoever holds the reader, too, from its next key frame on; `wake` is called when something
    /// waits there. The track may be published later. The tap ends with the track, with its publisher, with the room and
    /// with the reader; where its publisher is not in the room it has ended already.
    ///
    /// # Errors
    /// [`WorkerUnavailable`] when the room cannot go on, see [`Self::send`].
    pub fn tap(
        &mut self,
        publisher: &ParticipantId,
        track: &TrackId,
        wish: TapWish,
        wake: TapWake,
    ) -> Result<TapReader, WorkerUnavailable> {
        let tap = self.rooms.next_tap();
        let (room, publisher, track) = (self.room.clone(), publisher.clone(), track.clone());
        let command = Command::Tap { tap, room, publisher, track, wish };
        let mut routed = Vec::new();
        // No newcomer: nobody is to be placed.
        self.span
            .route(command, |_| WorkerId::default(), |worker, command| routed.push((worker, Some(command))));
        let mailbox = routed.first().and_then(|(worker, _)| self.rooms.mailbox(*worker)).cloned();
        let (ring, reader) = ring(tap, mailbox.clone(), wake);
        // A worker that takes no ring takes no command behind it either; without its ring the reader sees the end.
        let _ = mailbox.map(|mailbox| mailbox.post(Message::Tap(ring)));
        self.deliver(routed)?;
        Ok(reader)
    }

    /// The worker somebody of the room is on, for other rooms that borrow its tracks.
    #[must_use]
    pub fn worker_of(&self, participant: &ParticipantId) -> Option<WorkerId> {
        self.span.place_of(participant)
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
            self.rooms.close(&self.room, worker);
            self.left.push(worker);
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
        if !self.open.contains(&worker) {
            self.rooms.open(&self.room, worker)?;
            self.open.push(worker);
        }
        let mailbox = self.rooms.mailbox(worker).ok_or(WorkerUnavailable)?;
        match command {
            Some(command) => mailbox.send(Message::Command(command)),
            None if mailbox.pulse().is_lost() => Err(WorkerUnavailable),
            None => Ok(()),
        }
    }
}

impl Drop for RoomLink {
    fn drop(&mut self) {
        self.rooms.end(&self.room);
    }
}

/// Where somebody who comes to a room goes: to the first of its workers that has fewer of its participants than `most`;
/// else to the one with least to do of those it is not on yet; else to where it has the fewest. `loads` are those of the
/// workers the room may be on.
fn place(span: &RoomSpan, loads: &[(WorkerId, Load)], most: usize) -> WorkerId {
    let lives = |worker| loads.iter().any(|(id, load)| *id == worker && !load.is_lost);
    let own = || span.workers().filter(|part| lives(part.worker));
    let others = loads.iter().copied().filter(|(id, _)| span.workers().all(|part| part.worker != *id));
    let roomy = own().find(|part| part.participants < most.max(1)).map(|part| part.worker);
    let fewest = || own().min_by_key(|part| part.participants).map(|part| part.worker);
    // With nobody left any will do: it does not take the command, and the room ends.
    roomy.or_else(|| choose(others)).or_else(fewest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use sluice_core::{Client, Connection};

    use super::*;

    /// Workers that all have as little to do.
    fn idle(count: u8) -> Vec<(WorkerId, Load)> {
        (0..count).map(|worker| (WorkerId(worker), Load::default())).collect()
    }

    /// Where so many people go, one after the other.
    fn fill(first: u8, loads: &[(WorkerId, Load)], most: usize, people: usize) -> Vec<u8> {
        let mut span = RoomSpan::new("RM_1".into(), WorkerId(first));
        let client = Client { connection: Connection::Single, takes_trailers: false, allows_pauses: true };
        let places = (0..people).map(|n| {
            let participant = ParticipantId::from(format!("PA_{n}"));
            let add = Command::AddParticipant { room: "RM_1".into(), participant: participant.clone(), client };
            span.route(add, |span| place(span, loads, most), |_, _| {});
            span.place_of(&participant).unwrap_or_default().0
        });
        places.collect()
    }

    #[test]
    fn a_room_fills_a_worker_before_it_grows_onto_the_next() {
        assert_eq!(fill(2, &idle(4), 2, 6), [2, 2, 0, 0, 1, 1]);
        assert_eq!(fill(0, &idle(1), 2, 4), [0, 0, 0, 0], "there is no other");
    }

    #[test]
    fn a_room_grows_onto_the_worker_with_least_to_do() {
        let mut loads = idle(4);
        loads[1].1.busy_permille = 600;
        loads[2].1.connections = 7;
        assert_eq!(fill(0, &loads, 1, 4), [0, 3, 2, 1]);
    }

    #[test]
    fn who_comes_when_all_are_full_goes_where_the_fewest_are() {
        assert_eq!(fill(0, &idle(3), 1, 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn nobody_is_placed_on_a_worker_that_is_lost_or_left() {
        let mut loads = idle(3);
        loads[1].1.is_lost = true;
        assert_eq!(fill(0, &loads, 1, 4), [0, 2, 0, 2]);
        assert_eq!(fill(1, &loads, 1, 2), [0, 2], "the room's first worker died before anybody came");
        assert_eq!(fill(0, &idle(3)[1..], 1, 2), [1, 2], "it does without its first one");
    }
}
