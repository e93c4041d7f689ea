//! Who follows a room's log while it goes on: recordings.
//!
//! A watcher is told of every event from the moment it saw the room, and that there are no more when the room is over. One
//! that does not keep up is left behind: its queue ends, and a room never waits.

use std::sync::Arc;

use livekit_protocol::SpeakerInfo;
use sluice_rooms::{RoomEvent, RoomSnapshot};
use tokio::sync::mpsc;

/// Events that may wait for a watcher: some thousand people who come at once.
const EVENTS: usize = 4096;

/// A room as it was, and what happens from then on.
pub(crate) struct Watched {
    pub(crate) seen: RoomSnapshot,
    /// Ends with the room.
    pub(crate) events: mpsc::Receiver<Witnessed>,
}

/// What a watcher is told.
#[derive(Debug, Clone)]
pub(crate) enum Witnessed {
    /// Something happened.
    Event(Arc<RoomEvent>),
    /// Somebody began to speak, fell silent, or became louder.
    Speakers { changed: Arc<[SpeakerInfo]>, unix_ms: i64 },
}

/// The watchers of a room.
#[derive(Default)]
pub(super) struct Watchers(Vec<mpsc::Sender<Witnessed>>);

impl Watchers {
    pub(super) fn add(&mut self, seen: RoomSnapshot) -> Watched {
        let (sender, events) = mpsc::channel(EVENTS);
        self.0.push(sender);
        Watched { seen, events }
    }

    pub(super) fn tell(&mut self, event: &RoomEvent) {
        if !self.0.is_empty() {
            self.say(&Witnessed::Event(Arc::new(event.clone())));
        }
    }

    pub(super) fn tell_speakers(&mut self, changed: Vec<SpeakerInfo>, unix_ms: i64) {
        self.say(&Witnessed::Speakers { changed: changed.into(), unix_ms });
    }

    fn say(&mut self, witnessed: &Witnessed) {
        self.0.retain(|watcher| match watcher.try_send(witnessed.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::warn!("somebody who follows the room does not keep up, and is told no more");
                false
            }
        });
    }
}
