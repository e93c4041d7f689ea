//! How many recordings go on at once: of the server, and of one room.
//!
//! A place is taken before anything is begun, and free again when nothing more is written: files that wait for their
//! bucket keep nobody from being recorded. Knows neither rooms nor recordings.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whose wish a recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WishOf {
    /// A room's: of its host, or made with it. All of them share the server, and one room takes no more than its share.
    Room,
    /// A back end's, by LiveKit's API with the server's key. It may record every room, so a share of one would bound
    /// nothing, and LiveKit's servers know none.
    BackEnd,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPlace {
    #[error("as many recordings go on as may at once (`recordings.at_once`)")]
    OnServer,
    #[error("as many recordings of this room go on as may of one room at once (`recordings.at_once_in_room`)")]
    InRoom,
}

/// The places there are.
pub(super) struct Places {
    most: usize,
    most_of_room: usize,
    /// How many are taken, by room. A room without any is not in it.
    taken: Mutex<BTreeMap<String, usize>>,
}

/// A place that is taken, for as long as this is kept.
pub(super) struct Place {
    places: Arc<Places>,
    room: String,
}

impl Places {
    pub(super) fn new(most: usize, most_of_room: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_room, taken: Mutex::default() })
    }

    /// Takes one for a recording of a room. Those of back ends count in a room's share, and are not bound by it.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(super) fn take(self: &Arc<Self>, room: &str, wish: WishOf) -> Result<Place, NoPlace> {
        let mut taken = self.lock();
        if taken.values().sum::<usize>() >= self.most {
            return Err(NoPlace::OnServer);
        }
        let of_room = taken.get(room).copied().unwrap_or(0);
        if wish == WishOf::Room && of_room >= self.most_of_room {
            return Err(NoPlace::InRoom);
        }
        taken.insert(room.to_owned(), of_room + 1);
        Ok(Place { places: Arc::clone(self), room: room.to_owned() })
    }

    /// Held for as long as it takes to count. Nobody panics in between.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        match taken.get_mut(&self.room) {
            Some(of_room) if *of_room > 1 => *of_room -= 1,
            _ => drop(taken.remove(&self.room)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_room_has_its_share_and_back_ends_what_the_server_has() {
        let places = Places::new(4, 2);
        let take = |room: &str, wish| places.take(room, wish).map(drop).err();
        let mut kept = Vec::new();
        for (room, wish) in
            [("math", WishOf::Room), ("math", WishOf::Room), ("math", WishOf::BackEnd), ("art", WishOf::Room)]
        {
            if room == "math" && kept.len() == 2 {
                assert_eq!(take(room, WishOf::Room), Some(NoPlace::InRoom));
            }
            kept.push(places.take(room, wish).unwrap());
        }
        for wish in [WishOf::Room, WishOf::BackEnd] {
            assert_eq!(take("art", wish), Some(NoPlace::OnServer));
        }

        // One of three goes: the room still has as many as its share.
        kept.remove(0);
        assert_eq!(take("math", WishOf::Room), Some(NoPlace::InRoom));
        kept.remove(0);
        assert_eq!(take("math", WishOf::Room), None);
        kept.clear();
        assert!(places.lock().is_empty(), "rooms that came and went leave nothing");
    }
}
