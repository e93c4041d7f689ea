//! Temporal layers of VP8, by its payload descriptor.
//!
//! Down at once: nothing builds on a higher layer. Up at a picture that builds on the base layer only (Y bit), one
//! layer at a time: of the layer above it says nothing.

use super::history::History;
use super::packet::TemporalPicture;

/// What goes out of one stream.
#[derive(Debug, Clone)]
pub(super) struct TemporalSelector {
    /// Highest layer that goes out.
    limit: u8,
    /// The limit at each picture.
    history: History,
}

impl TemporalSelector {
    /// Begins with a key frame.
    pub(super) fn new(entry: TemporalPicture, target: u8) -> Self {
        Self { limit: target, history: History::new(entry.number, target) }
    }

    pub(super) fn limit(&self) -> u8 {
        self.limit
    }

    /// True when the packet goes out.
    pub(super) fn admits(&mut self, picture: TemporalPicture, is_entry: bool, target: u8) -> bool {
        if picture.number > self.history.newest() {
            let before = self.limit;
            if is_entry || target < before {
                self.limit = target;
            } else if picture.temporal == before + 1 && picture.temporal <= target && picture.is_sync {
                self.limit = picture.temporal;
            }
            self.history.advance(picture.number, before, self.limit);
        }
        self.history.get(picture.number).is_some_and(|limit| picture.temporal <= limit)
    }
}
