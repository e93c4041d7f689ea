//! Dynacast: up to which layer a published track is wanted by anybody, so that its publisher can switch off what
//! nobody sees.
//!
//! Owned by a track. Knows neither subscribers nor the publisher's answer: somebody tells it the best layer
//! wanted now, and it says when the publisher is to hear of a change.
//!
//! - More is told at once: somebody is waiting for it.
//! - A layer is given up once nobody wanted it for [`PATIENCE`]. Each layer is counted on its own: what was
//!   wanted a moment ago stays when the one above it goes.
//! - At first everything is on, because a publisher begins with everything on. The first [`Dynacast::update`]
//!   starts the clock, so a new track hears one with `None`.

use std::time::{Duration, Instant};

/// Turning a head, changing a page or joining again takes less; an encoder that stops and starts costs a key
/// frame. LiveKit waits as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Layers are `q`, `h` and `f`, or as many spatial layers.
const LAYERS: usize = 3;
const HIGHEST: u8 = 2;

/// One published track's layers.
#[derive(Debug)]
pub(crate) struct Dynacast {
    /// For each layer since when nobody wants it; `None` while somebody does.
    unwanted_since: [Option<Instant>; LAYERS],
    /// What the publisher was told last.
    told: Option<u8>,
}

impl Default for Dynacast {
    /// Everything is on.
    fn default() -> Self {
        Self { unwanted_since: [None; LAYERS], told: Some(HIGHEST) }
    }
}

impl Dynacast {
    /// Nothing is on: what is not published yet.
    pub(crate) fn off(now: Instant) -> Self {
        Self { unwanted_since: [Some(now.checked_sub(PATIENCE).unwrap_or(now)); LAYERS], told: None }
    }

    /// The best spatial layer anybody wants is now `wanted`; `None` when nobody wants any. Higher ones than
    /// there can be count as the highest.
    ///
    /// Returns what to tell the publisher, if anything: the highest layer to send, or `None` for no layer.
    pub(crate) fn update(&mut self, wanted: Option<u8>, now: Instant) -> Option<Option<u8>> {
        for (layer, unwanted_since) in (0..=HIGHEST).zip(&mut self.unwanted_since) {
            if wanted.is_some_and(|wanted| layer <= wanted) {
                *unwanted_since = None;
            } else {
                unwanted_since.get_or_insert(now);
            }
        }
        self.handle_timeout(now)
    }

    /// The highest layer that is on.
    pub(crate) fn told(&self) -> Option<u8> {
        self.told
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        // The layers above it are off already, those below it were wanted at least as long.
        let since = self.unwanted_since[usize::from(self.told?)]?;
        Some(since + PATIENCE)
    }

    /// Time went by. Returns what to tell the publisher, if anything.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Option<u8>> {
        let is_on = |since: &Option<Instant>| match since {
            Some(since) => now.saturating_duration_since(*since) < PATIENCE,
            None => true,
        };
        let wanted = (0..=HIGHEST)
            .zip(&self.unwanted_since)
            .rfind(|(_, since)| is_on(since))
            .map(|(layer, _)| layer);
        (wanted != self.told).then(|| {
            self.told = wanted;
            wanted
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test's clock starts anywhere")]

    use proptest::prelude::*;

    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_track_nobody_takes_is_switched_off_after_five_seconds() {
        let start = Instant::now();
        let mut track = Dynacast::default();
        assert_eq!(track.poll_timeout(), None);
        assert_eq!(track.update(None, start), None);
        assert_eq!(track.poll_timeout(), Some(start + s(5)));
        assert_eq!(track.handle_timeout(start + Duration::from_millis(4_999)), None);
        assert_eq!(track.handle_timeout(start + s(5)), Some(None));
        assert_eq!(track.poll_timeout(), None);
        assert_eq!(track.update(None, start + s(60)), None, "told once");
    }

    #[test]
    fn more_is_told_at_once() {
        let start = Instant::now();
        let mut track = Dynacast::default();
        track.update(None, start);
        track.handle_timeout(start + s(5));
        assert_eq!(track.update(Some(1), start + s(6)), Some(Some(1)));
        assert_eq!(track.update(Some(2), start + s(6)), Some(Some(2)));
        assert_eq!(track.update(Some(7), start + s(7)), None, "there is no more than everything");
    }

    #[test]
    fn who_looks_away_for_a_moment_costs_nothing() {
        let start = Instant::now();
        let mut track = Dynacast::default();
        assert_eq!(track.update(Some(0), start), None);
        assert_eq!(track.update(Some(2), start + s(4)), None);
        assert_eq!(track.handle_timeout(start + s(6)), None);
        assert_eq!(track.update(Some(0), start + s(7)), None);
        assert_eq!(track.poll_timeout(), Some(start + s(12)), "the five seconds begin again");
        assert_eq!(track.handle_timeout(start + s(12)), Some(Some(0)));
    }

    #[test]
    fn each_layer_goes_in_its_own_time() {
        let start = Instant::now();
        let mut track = Dynacast::default();
        track.update(Some(1), start);
        track.update(Some(0), start + s(3));
        assert_eq!(track.handle_timeout(start + s(5)), Some(Some(1)), "h was wanted two seconds ago");
        assert_eq!(track.poll_timeout(), Some(start + s(8)));
        assert_eq!(track.handle_timeout(start + s(8)), Some(Some(0)));
        assert_eq!(track.told, Some(0));
    }

    proptest! {
        /// Whatever is wanted when: the publisher always sends at least what somebody wants, and once wishes
        /// rest for five seconds, exactly that. No more messages than changes of wish.
        #[test]
        fn nobody_lacks_a_layer_and_nothing_is_on_for_long(
            wishes in prop::collection::vec((prop::option::of(0..3_u8), 0..8_000_u64), 1..60),
        ) {
            let mut now = Instant::now();
            let mut track = Dynacast::default();
            for (wanted, pause_ms) in wishes {
                let raised = track.update(wanted, now);
                prop_assert!(track.told >= wanted);
                prop_assert!(raised.is_none_or(|told| told == track.told));
                let until = now + Duration::from_millis(pause_ms);
                let mut steps = 0;
                while let Some(due) = track.poll_timeout().filter(|due| *due <= until) {
                    let told = track.handle_timeout(due.max(now));
                    prop_assert!(told.is_some(), "a timeout that is due changes something");
                    steps += 1;
                }
                prop_assert!(steps <= LAYERS);
                prop_assert!(track.told >= wanted);
                if until >= now + PATIENCE {
                    prop_assert_eq!(track.told, wanted);
                }
                now = until;
            }
        }
    }
}
