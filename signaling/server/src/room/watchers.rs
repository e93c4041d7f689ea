//! Who follows a room's log while it goes on: recordings.
//!
//! A watcher is told of every event from the moment it saw the room, and that there are no more when the room is over. One
//! that does not keep up is left behind, and told so after what it was told in time: a room never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use livekit_protocol::SpeakerInfo;
use sluice_rooms::{RoomEvent, RoomSnapshot};
use tokio::sync::mpsc;

/// Events that may wait for a watcher: some thousand people who come at once.
const EVENTS: usize = 4096;

/// A room as it was, and what happens from then on.
pub(crate) struct Watched {
    pub(crate) seen: RoomSnapshot,
    pub(crate) events: Events,
}

/// What a watcher is told, in order.
pub(crate) struct Events {
    told: mpsc::Receiver<Witnessed>,
    left_behind: Arc<AtomicBool>,
    is_over: bool,
}

impl Events {
    /// The next event. `None` when the room is over; [`Witnessed::LeftBehind`] is the last one before that, where there were
    /// more than this was told. Nothing is lost when it is given up while it waits.
    pub(crate) async fn recv(&mut self) -> Option<Witnessed> {
        if let Some(witnessed) = self.told.recv().await {
            return Some(witnessed);
        }
        let is_news = !std::mem::replace(&mut self.is_over, true);
        (is_news && self.left_behind.load(Ordering::Acquire)).then_some(Witnessed::LeftBehind)
    }

    /// Wants no more.
    pub(crate) fn close(&mut self) {
        self.told.close();
        self.is_over = true;
    }
}

/// What a watcher is told.
#[derive(Debug, Clone)]
pub(crate) enum Witnessed {
    /// Something happened.
    Event(Arc<RoomEvent>),
    /// Somebody began to speak, fell silent, or became louder.
    Speakers { changed: Arc<[SpeakerInfo]>, unix_ms: i64 },
    /// It did not keep up: the room goes on, and nothing more is told.
    LeftBehind,
}

/// The watchers of a room.
#[derive(Default)]
pub(super) struct Watchers(Vec<Watcher>);

struct Watcher {
    tell: mpsc::Sender<Witnessed>,
    left_behind: Arc<AtomicBool>,
}

impl Watchers {
    pub(super) fn add(&mut self, seen: RoomSnapshot) -> Watched {
        let (tell, told) = mpsc::channel(EVENTS);
        let left_behind = Arc::<AtomicBool>::default();
        self.0.push(Watcher { tell, left_behind: Arc::clone(&left_behind) });
        Watched { seen, events: Events { told, left_behind, is_over: false } }
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
        self.0.retain(|Watcher { tell, left_behind }| match tell.try_send(witnessed.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::warn!("somebody who follows the room does not keep up, and is told no more");
                left_behind.store(true, Ordering::Release);
                false
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use livekit_protocol::Room;

    use super::*;

    fn seen() -> RoomSnapshot {
        RoomSnapshot { room: Room::default(), participants: Vec::new() }
    }

    #[tokio::test]
    async fn who_does_not_keep_up_is_told_so_after_what_came_in_time() {
        let mut watchers = Watchers::default();
        let (mut slow, mut quick) = (watchers.add(seen()), watchers.add(seen()));
        for unix_ms in 0..=EVENTS {
            watchers.tell_speakers(Vec::new(), i64::try_from(unix_ms).unwrap_or(0));
            assert!(matches!(quick.events.recv().await, Some(Witnessed::Speakers { .. })));
        }
        for _ in 0..EVENTS {
            assert!(matches!(slow.events.recv().await, Some(Witnessed::Speakers { .. })));
        }
        assert!(matches!(slow.events.recv().await, Some(Witnessed::LeftBehind)));
        assert!(slow.events.recv().await.is_none() && slow.events.recv().await.is_none());
        drop(watchers);
        assert!(quick.events.recv().await.is_none(), "the room is over, and it was told of all");
    }

    #[tokio::test]
    async fn who_wants_no_more_was_not_left_behind() {
        let mut watchers = Watchers::default();
        let mut watched = watchers.add(seen());
        watched.events.close();
        for _ in 0..=EVENTS {
            watchers.tell_speakers(Vec::new(), 0);
        }
        assert!(watched.events.recv().await.is_none());
    }
}
