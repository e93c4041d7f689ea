//! Where rooms are, for those who cannot ask them: so many are on a worker, and these are to be told when it is lost.
//!
//! Written by the rooms' links, read by the [caretaker](crate::caretaker). No worker waits for the lock in here. What a
//! room or a worker has no place for at once is said again at the caretaker's next look: a room must hear that a worker is
//! lost, and a worker must not keep a room that is over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sluice_core::{Event, RoomId, TapId, WorkerId};

use crate::mailbox::Mailbox;
use crate::placement::Load;
use crate::worker_thread::Message;
use crate::{EventSink, WorkerUnavailable};

/// The rooms of a node, and the ways to the workers they are on.
pub(crate) struct Rooms {
    /// By the workers' numbers.
    mailboxes: Vec<Mailbox>,
    places: Mutex<Places>,
    /// Of the next tap.
    next_tap: AtomicU64,
}

#[derive(Default)]
struct Places {
    open: HashMap<RoomId, Open>,
    /// Where a room is to be closed that the worker has not been told of, its queue being full. As many as rooms have
    /// been opened there at most.
    unclosed: Vec<(RoomId, WorkerId)>,
}

struct Open {
    events: EventSink,
    workers: Vec<WorkerId>,
    /// It has yet to hear that one of its workers is lost.
    is_untold: bool,
}

impl Rooms {
    pub(crate) fn new(mailboxes: Vec<Mailbox>) -> Self {
        Self { mailboxes, places: Mutex::default(), next_tap: AtomicU64::new(1) }
    }

    /// The way to a worker.
    pub(crate) fn mailbox(&self, worker: WorkerId) -> Option<&Mailbox> {
        self.mailboxes.get(worker.index())
    }

    /// The ways to all workers, in the order of their numbers.
    pub(crate) fn mailboxes(&self) -> &[Mailbox] {
        &self.mailboxes
    }

    /// What all workers have to do.
    pub(crate) fn loads(&self) -> impl Iterator<Item = (WorkerId, Load)> {
        WorkerId::all().zip(self.mailboxes.iter().map(|mailbox| mailbox.pulse().load()))
    }

    /// A number that no tap of the node has had.
    pub(crate) fn next_tap(&self) -> TapId {
        TapId(self.next_tap.fetch_add(1, Ordering::Relaxed))
    }

    /// A room begins, on no worker yet.
    pub(crate) fn begin(&self, room: RoomId, events: EventSink) {
        self.locked().open.insert(room, Open { events, workers: Vec::new(), is_untold: false });
    }

    /// Opens a room on a worker. Whoever wakes the worker does so later.
    pub(crate) fn open(&self, id: &RoomId, worker: WorkerId) -> Result<(), WorkerUnavailable> {
        let mailbox = self.mailbox(worker).ok_or(WorkerUnavailable)?;
        let mut places = self.locked();
        let room = places.open.get_mut(id).ok_or(WorkerUnavailable)?;
        // Under the lock: a worker is lost first and its rooms are told then, so whoever is let in is told.
        mailbox.post(Message::Open { room: id.clone(), events: room.events.clone() })?;
        room.workers.push(worker);
        mailbox.pulse().rooms.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// A room goes on without a worker.
    pub(crate) fn close(&self, id: &RoomId, worker: WorkerId) {
        let mut places = self.locked();
        let Some(room) = places.open.get_mut(id) else { return };
        let count = room.workers.len();
        room.workers.retain(|open| *open != worker);
        if room.workers.len() < count {
            places.unclosed.push((id.clone(), worker));
            self.close_all(&mut places);
        }
    }

    /// A room is over.
    pub(crate) fn end(&self, id: &RoomId) {
        let mut places = self.locked();
        let Some(room) = places.open.remove(id) else { return };
        places.unclosed.extend(room.workers.into_iter().map(|worker| (id.clone(), worker)));
        self.close_all(&mut places);
    }

    /// A worker is lost. Says how many rooms are to hear of it.
    pub(crate) fn lose(&self, worker: WorkerId) -> usize {
        let mut places = self.locked();
        let concerned = places.open.values_mut().filter(|room| room.workers.contains(&worker));
        concerned.map(|room| room.is_untold = true).count()
    }

    /// Says what was not said yet, as far as there is room for it.
    pub(crate) fn catch_up(&self) {
        let mut places = self.locked();
        for room in places.open.values_mut().filter(|room| room.is_untold) {
            room.is_untold = !(room.events)(Event::WorkerLost);
        }
        self.close_all(&mut places);
    }

    fn close_all(&self, places: &mut Places) {
        places.unclosed.retain(|(room, worker)| {
            let Some(mailbox) = self.mailbox(*worker) else { return false };
            let is_closed = mailbox.send(Message::Close { room: room.clone() }).is_ok() || mailbox.pulse().is_lost();
            if is_closed {
                mailbox.pulse().rooms.fetch_sub(1, Ordering::Relaxed);
            }
            !is_closed
        });
    }

    fn locked(&self) -> MutexGuard<'_, Places> {
        // Nothing in here panics half way.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, sync_channel};

    use sluice_net::{UdpOptions, UdpPorts};

    use super::*;
    use crate::mailbox::mailbox;
    use crate::pulse::Pulse;

    /// Two workers whose threads take nothing, and a room that has heard so much already.
    fn a_room(room_len: usize) -> (Rooms, Vec<Receiver<Message>>, RoomId, Receiver<Event>) {
        let ports = UdpPorts::bind(&[], UdpOptions::default()).unwrap();
        let workers = [(); 2].map(|()| mailbox(ports.waker(), Arc::new(Pulse::default())));
        let (mailboxes, inboxes) = workers.into_iter().unzip();
        let (rooms, id, (sender, events)) = (Rooms::new(mailboxes), RoomId::from("RM_1"), sync_channel(room_len));
        rooms.begin(id.clone(), Arc::new(move |event| sender.try_send(event).is_ok()));
        (rooms, inboxes, id, events)
    }

    fn counts(rooms: &Rooms) -> Vec<u32> {
        rooms.loads().map(|(_, load)| load.rooms).collect()
    }

    #[test]
    fn a_room_that_is_behind_hears_of_a_lost_worker_all_the_same() {
        let (rooms, _inboxes, id, events) = a_room(1);
        rooms.open(&id, WorkerId(1)).unwrap();
        rooms.mailbox(WorkerId(1)).unwrap().pulse().give_up();
        assert_eq!((rooms.lose(WorkerId(0)), rooms.lose(WorkerId(1))), (0, 1));
        rooms.catch_up();
        assert!(matches!(events.try_recv(), Ok(Event::WorkerLost)));
        rooms.catch_up();
        assert!(events.try_recv().is_err(), "said once");

        // Another one, while the room has no place for it.
        rooms.open(&id, WorkerId(0)).unwrap();
        rooms.lose(WorkerId(1));
        rooms.catch_up();
        rooms.lose(WorkerId(0));
        rooms.catch_up();
        assert!(events.try_recv().is_ok() && events.try_recv().is_err());
        rooms.catch_up();
        assert!(events.try_recv().is_ok());
    }

    #[test]
    fn a_worker_whose_queue_is_full_closes_the_room_once_it_takes_messages() {
        let (rooms, inboxes, id, _events) = a_room(1);
        rooms.open(&id, WorkerId(0)).unwrap();
        rooms.open(&id, WorkerId(1)).unwrap();
        let full = rooms.mailbox(WorkerId(0)).unwrap();
        while full.post(Message::Close { room: RoomId::from("RM_other") }).is_ok() {}
        rooms.end(&id);
        assert_eq!(counts(&rooms), [1, 0]);
        inboxes[0].try_iter().for_each(drop);
        rooms.catch_up();
        assert_eq!(counts(&rooms), [0, 0]);
        let came: Vec<_> = inboxes[0].try_iter().collect();
        assert!(matches!(&came[..], [Message::Close { room }] if *room == id));
    }

    #[test]
    fn a_lost_worker_lets_nobody_in_and_is_asked_to_close_nothing() {
        let (rooms, inboxes, id, _events) = a_room(1);
        rooms.open(&id, WorkerId(0)).unwrap();
        rooms.mailbox(WorkerId(0)).unwrap().pulse().give_up();
        rooms.close(&id, WorkerId(0));
        assert_eq!(counts(&rooms), [0, 0]);
        assert_eq!(rooms.open(&id, WorkerId(0)), Err(WorkerUnavailable));
        assert_eq!(inboxes[0].try_iter().count(), 1, "the first opening only");
    }
}
