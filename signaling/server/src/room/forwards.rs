//! The ways between rooms by which people are in two of them.
//!
//! Each forward has a way of its own: a task between the task of the participant's room and that of the other. It holds the
//! newest portrait only, so it is never full, and neither room waits for the other: two that forward to each other could
//! wait for ever. It ends when either side lets go of it, by whatever end that side comes to, and tells both. What is said
//! over it is the rooms' own.

use std::collections::HashMap;

use sluice_core::WorkerId;
use sluice_rooms::{ForwardId, ModerationError, ParticipantSid, Portrait};
use tokio::sync::{oneshot, watch};

use super::RoomHandle;
use super::task::ToRoom;
use crate::events::Mark;

/// Whether somebody is in the other room now, and how far the log must be written to say so.
pub(crate) type ForwardReply = oneshot::Sender<Result<Mark, ModerationError>>;

/// What a room hears of a participant of another.
pub(crate) enum GuestNews {
    /// It is to be there.
    Arrives {
        /// How it is.
        portrait: Box<Portrait>,
        /// The worker it is on.
        from: WorkerId,
        /// To be held as long as it is there.
        stay: oneshot::Sender<()>,
        /// Told whether it is.
        reply: ForwardReply,
    },
    /// It is otherwise than before.
    Changed(Box<Portrait>),
}

/// The forwards a room takes part in.
#[derive(Default)]
pub(super) struct Forwards {
    /// Of its participants to other rooms.
    sent: HashMap<ForwardId, Sent>,
    /// Of others' participants to this one.
    guests: HashMap<ForwardId, Stay>,
}

struct Sent {
    participant: ParticipantSid,
    /// The number of the other room.
    to: u64,
    portraits: watch::Sender<Option<Box<Portrait>>>,
}

struct Stay {
    /// The worker its tracks come from.
    from: WorkerId,
    /// Dropping it ends the way.
    _held: oneshot::Sender<()>,
}

impl Forwards {
    /// Whether a participant is forwarded to a room already.
    pub(super) fn is_sent(&self, participant: &ParticipantSid, to: &RoomHandle) -> bool {
        self.sent.values().any(|sent| sent.participant == *participant && sent.to == to.number)
    }

    /// Opens a way from one room (`here`) to another, for a participant on that worker. The first portrait makes it a guest
    /// there, of which `reply` tells.
    pub(super) fn open(
        &mut self,
        forward: ForwardId,
        (participant, from): (ParticipantSid, WorkerId),
        (here, to): (RoomHandle, RoomHandle),
        reply: ForwardReply,
    ) {
        let (portraits, newest) = watch::channel(None);
        self.sent.insert(forward, Sent { participant, to: to.number, portraits });
        tokio::spawn(way(forward, from, newest, (here, to), reply));
    }

    /// Says how a participant is now.
    pub(super) fn tell(&self, forward: ForwardId, portrait: Box<Portrait>) {
        if let Some(sent) = self.sent.get(&forward) {
            sent.portraits.send_replace(Some(portrait));
        }
    }

    /// A guest has been let in.
    pub(super) fn welcome(&mut self, forward: ForwardId, from: WorkerId, stay: oneshot::Sender<()>) {
        self.guests.insert(forward, Stay { from, _held: stay });
    }

    /// The worker a guest's tracks come from.
    pub(super) fn origin(&self, forward: ForwardId) -> Option<WorkerId> {
        self.guests.get(&forward).map(|stay| stay.from)
    }

    /// It is over on this side.
    pub(super) fn end(&mut self, forward: ForwardId) {
        self.sent.remove(&forward);
        self.guests.remove(&forward);
    }
}

/// Carries what is said of one participant, until one side lets go.
async fn way(
    forward: ForwardId,
    from: WorkerId,
    mut newest: watch::Receiver<Option<Box<Portrait>>>,
    (here, to): (RoomHandle, RoomHandle),
    reply: ForwardReply,
) {
    let (stay, gone) = oneshot::channel();
    let carried = async {
        let mut arrival = Some((stay, reply));
        while newest.changed().await.is_ok() {
            let Some(portrait) = newest.borrow_and_update().clone() else { continue };
            let news = match arrival.take() {
                Some((stay, reply)) => GuestNews::Arrives { portrait, from, stay, reply },
                None => GuestNews::Changed(portrait),
            };
            if !to.send(ToRoom::Guest { forward, news }).await {
                return;
            }
        }
    };
    tokio::select! {
        () = carried => {}
        _ = gone => {}
    }
    // Who ended it knows, and passes this over.
    to.send(ToRoom::ForwardOver { forward }).await;
    here.send(ToRoom::ForwardOver { forward }).await;
}
