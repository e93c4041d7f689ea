//! What found no place in the queue of events: never lost without a word.
//!
//! While a room has a gap, its further events fall into it, so that the gap lies in one place of its log. The writer
//! closes gaps when the queue is empty, and writes one `events_lost` for each. Order holds by that: what came before the
//! gap has left the queue, and what comes after it enters the queue later.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use livekit_protocol::Room;
use sluice_rooms::RoomEvent;

/// Rooms whose gaps are told apart, by default as many as there can be at once. What further rooms lose is counted
/// together: a database that is away for hours sees many rooms come and go.
const ROOMS: usize = 10_000;

/// Events of one room, or of no room in particular, that are not in the log.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gap {
    /// Which room, as it was at the first of them.
    pub(super) room: Option<Room>,
    /// How many.
    pub(super) events: u32,
    /// When the last of them happened, in milliseconds since 1970.
    pub(super) unix_ms: i64,
}

impl Gap {
    /// One that begins with this event.
    pub(super) fn at(event: &RoomEvent) -> Self {
        Self { room: Some(event.room.clone()), events: 1, unix_ms: event.unix_ms }
    }

    fn widen(&mut self, event: &RoomEvent) {
        self.events = self.events.saturating_add(1);
        self.unix_ms = event.unix_ms;
    }
}

/// All open gaps.
#[derive(Debug, Default)]
pub(super) struct Gaps(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    by_room: BTreeMap<String, Gap>,
    elsewhere: Option<Gap>,
}

impl Gaps {
    /// Lets an event pass into the queue, unless its room has a gap or the queue gives it back; then it is lost. Whether
    /// it was lost.
    pub(super) fn pass(
        &self,
        event: Box<RoomEvent>,
        push: impl FnOnce(Box<RoomEvent>) -> Result<(), Box<RoomEvent>>,
    ) -> bool {
        // Held over the push: the writer must not find the queue empty between the two.
        let mut open = self.lock();
        let open = &mut *open;
        if let Some(gap) = open.by_room.get_mut(&event.room.name) {
            gap.widen(&event);
            return true;
        }
        let Err(event) = push(event) else { return false };
        tracing::error!(room = %event.room.name, "the queue of events is full: events of this room are lost");
        let places = ROOMS.saturating_sub(open.by_room.len());
        match (open.by_room.entry(event.room.name.clone()), places) {
            (Entry::Vacant(entry), 1..) => {
                entry.insert(Gap::at(&event));
            }
            _ => match &mut open.elsewhere {
                Some(gap) => gap.widen(&event),
                none => *none = Some(Gap { room: None, ..Gap::at(&event) }),
            },
        }
        true
    }

    /// Closes all gaps, if the queue is empty.
    pub(super) fn close(&self, is_empty: impl FnOnce() -> bool) -> Vec<Gap> {
        let mut open = self.lock();
        if !is_empty() {
            return Vec::new();
        }
        let open = std::mem::take(&mut *open);
        open.by_room.into_values().chain(open.elsewhere).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use sluice_rooms::RoomEventKind;

    use super::*;

    fn event(room: &str, sequence: u64) -> Box<RoomEvent> {
        let room = Room { name: room.into(), ..Room::default() };
        let unix_ms = i64::try_from(sequence).unwrap_or(0);
        Box::new(RoomEvent { sequence, unix_ms, room, kind: RoomEventKind::RoomStarted })
    }

    #[test]
    fn a_gap_lies_in_one_place() {
        let gaps = Gaps::default();
        let mut queue = Vec::new();
        assert!(!gaps.pass(event("a", 1), |event| {
            queue.push(event.sequence);
            Ok(())
        }));
        assert!(gaps.pass(event("a", 2), Err), "the queue is full");
        assert!(gaps.pass(event("a", 3), |_| Ok(())), "it has room again, and the gap is still open");
        assert!(!gaps.pass(event("b", 1), |_| Ok(())), "another room goes on");
        assert!(gaps.close(|| false).is_empty(), "what came before the gap is still in the queue");
        let closed = gaps.close(|| true);
        assert_eq!(closed.len(), 1);
        assert_eq!((closed[0].events, closed[0].unix_ms), (2, 3));
        assert!(!gaps.pass(event("a", 4), |_| Ok(())), "the gap is closed");
        assert_eq!(queue, [1]);
    }

    #[test]
    fn gaps_of_ever_new_rooms_take_no_more_memory() {
        let gaps = Gaps::default();
        for number in 0..ROOMS + 5 {
            assert!(gaps.pass(event(&number.to_string(), 1), Err));
        }
        let closed = gaps.close(|| true);
        assert_eq!(closed.len(), ROOMS + 1);
        assert_eq!(closed.iter().map(|gap| gap.events).sum::<u32>(), u32::try_from(ROOMS + 5).unwrap_or(0));
    }
}
