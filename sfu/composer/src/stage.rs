//! Who is on the canvas, and where: a machine that is told what happens in a room, and says the scene.
//!
//! Times are microseconds on whichever line its owner has. It knows neither pictures nor where they come from: a feed is a
//! number its owner gave. The same machine is driven by a manifest and by a call.

use crate::composition::{Canvas, Layout};
use crate::layout::{self, Rect};

/// Whoever was made large stays so for so long, in microseconds: two people who answer each other would make the picture
/// jump.
const LEAST_LARGE_US: u64 = 1_500_000;

/// Most people and screens that are remembered. Beyond, newcomers are not shown.
const MAX_GUESTS: usize = 1024;

/// Somebody, or a screen, as its owner counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestId(pub usize);

/// What gives a picture, as its owner counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedId(pub usize);

/// A tile of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Where.
    pub rect: Rect,
    /// Who.
    pub guest: GuestId,
    /// What gives the picture; without one, an avatar stands there.
    pub feed: Option<FeedId>,
    /// Whether they speak.
    pub is_speaking: bool,
}

/// What is on the canvas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scene {
    /// Apart from each other.
    pub tiles: Vec<Tile>,
}

#[derive(Debug, Clone)]
struct Guest {
    id: GuestId,
    is_screen: bool,
    feed: Option<FeedId>,
    /// Since when they speak.
    speaks_since_us: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct Stage {
    canvas: Canvas,
    layout: Layout,
    /// In the order in which they came.
    guests: Vec<Guest>,
    /// Who is large, and until when nobody else becomes it.
    large: Option<(GuestId, u64)>,
}

impl Stage {
    /// An empty one.
    #[must_use]
    pub fn new(canvas: Canvas, layout: Layout) -> Self {
        Self { canvas: canvas.sane(), layout, guests: Vec::new(), large: None }
    }

    /// Somebody came, or a screen is shared. Who is there already stays as they are.
    pub fn handle_joined(&mut self, id: GuestId, is_screen: bool, now_us: u64) {
        if self.guests.len() < MAX_GUESTS && self.guest(id).is_none() {
            self.guests.push(Guest { id, is_screen, feed: None, speaks_since_us: None });
        }
        self.choose(now_us);
    }

    /// Somebody left.
    pub fn handle_left(&mut self, id: GuestId, now_us: u64) {
        self.guests.retain(|guest| guest.id != id);
        self.choose(now_us);
    }

    /// From here on their picture comes from there, or there is none.
    pub fn handle_feed(&mut self, id: GuestId, feed: Option<FeedId>, now_us: u64) {
        if let Some(guest) = self.guest(id) {
            guest.feed = feed;
        }
        self.choose(now_us);
    }

    /// Somebody speaks, or no longer.
    pub fn handle_speaking(&mut self, id: GuestId, is_speaking: bool, now_us: u64) {
        if let Some(guest) = self.guest(id) {
            guest.speaks_since_us = is_speaking.then(|| guest.speaks_since_us.unwrap_or(now_us));
        }
        self.choose(now_us);
    }

    /// Another layout is wished for.
    pub fn handle_layout(&mut self, layout: Layout, now_us: u64) {
        self.layout = layout;
        self.choose(now_us);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now_us: u64) {
        self.choose(now_us);
    }

    /// When it wants to be told that time has passed: somebody waits for their turn to be large.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let (large, until_us) = self.large?;
        let waits = self.spotlight() == Spotlight::Speaker
            && self.next_speaker().is_some_and(|speaker| speaker != large)
            && !self.guests.iter().any(|guest| guest.id == large && guest.speaks_since_us.is_some());
        waits.then_some(until_us)
    }

    /// What is on the canvas now.
    #[must_use]
    pub fn scene(&self) -> Scene {
        let has_screen = self.guests.iter().any(|guest| guest.is_screen);
        let large = self.large.map(|(id, _)| id);
        let first_large = || {
            let is_large = |guest: &&Guest| Some(guest.id) == large;
            self.guests
                .iter()
                .filter(is_large)
                .chain(self.guests.iter().filter(move |guest| !is_large(guest)))
        };
        let (order, places): (Vec<&Guest>, _) = match self.layout {
            Layout::Grid if !has_screen => {
                let places = layout::grid(self.canvas, self.guests.len());
                (self.in_grid(places.len()), places)
            }
            Layout::Grid | Layout::Speaker => {
                (first_large().collect(), layout::speaker(self.canvas, self.guests.len()))
            }
            Layout::SingleSpeaker => (first_large().collect(), layout::single(self.canvas, self.guests.len())),
        };
        let tile = |(guest, rect): (&Guest, Rect)| Tile {
            rect,
            guest: guest.id,
            feed: guest.feed,
            is_speaking: guest.speaks_since_us.is_some(),
        };
        Scene { tiles: order.into_iter().zip(places).map(tile).collect() }
    }

    /// Everybody as they came; where there is not enough room, those who speak or have a picture rather than others.
    fn in_grid(&self, room: usize) -> Vec<&Guest> {
        let mut ranked: Vec<(usize, &Guest)> = self.guests.iter().enumerate().collect();
        if ranked.len() > room {
            // The sort is stable: of equals, who came first.
            ranked.sort_by_key(|(_, guest)| (guest.speaks_since_us.is_none(), guest.feed.is_none()));
            ranked.truncate(room);
            ranked.sort_by_key(|(place, _)| *place);
        }
        ranked.into_iter().map(|(_, guest)| guest).collect()
    }

    fn guest(&mut self, id: GuestId) -> Option<&mut Guest> {
        self.guests.iter_mut().find(|guest| guest.id == id)
    }

    fn spotlight(&self) -> Spotlight {
        match self.guests.iter().rev().find(|guest| guest.is_screen) {
            Some(screen) => Spotlight::Screen(screen.id),
            None => Spotlight::Speaker,
        }
    }

    /// Who has been speaking for longest.
    fn next_speaker(&self) -> Option<GuestId> {
        self.guests
            .iter()
            .filter_map(|guest| guest.speaks_since_us.map(|since| (since, guest.id)))
            .min_by_key(|(since, _)| *since)
            .map(|(_, id)| id)
    }

    /// Decides who is large.
    fn choose(&mut self, now_us: u64) {
        if let Spotlight::Screen(screen) = self.spotlight() {
            if self.large.is_none_or(|(large, _)| large != screen) {
                self.large = Some((screen, now_us.saturating_add(LEAST_LARGE_US)));
            }
            return;
        }
        let current = self
            .large
            .and_then(|(id, until)| self.guests.iter().find(|guest| guest.id == id).map(|guest| (guest, until)));
        match (current, self.next_speaker()) {
            (Some((Guest { id, speaks_since_us: Some(since_us), .. }, until_us)), _) => {
                self.large = Some((*id, until_us.max(since_us.saturating_add(LEAST_LARGE_US))));
            }
            (Some((_, until_us)), Some(_)) if now_us < until_us => {}
            (_, Some(next)) => self.large = Some((next, now_us.saturating_add(LEAST_LARGE_US))),
            // Nobody speaks: who was large stays so.
            (Some(_), None) => {}
            // Or somebody with a picture, until somebody speaks.
            (None, None) => {
                let seen = self.guests.iter().find(|guest| guest.feed.is_some()).or(self.guests.first());
                self.large = seen.map(|guest| (guest.id, 0));
            }
        }
    }
}

/// What is large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spotlight {
    Screen(GuestId),
    Speaker,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CANVAS: Canvas = Canvas { width: 1280, height: 720, fps: 30 };
    const ADA: GuestId = GuestId(0);
    const BOB: GuestId = GuestId(1);
    const SCREEN: GuestId = GuestId(2);

    fn stage(layout: Layout) -> Stage {
        let mut stage = Stage::new(CANVAS, layout);
        stage.handle_joined(ADA, false, 0);
        stage.handle_joined(BOB, false, 0);
        stage
    }

    fn large(stage: &Stage) -> GuestId {
        stage.scene().tiles[0].guest
    }

    #[test]
    fn who_speaks_becomes_large_and_stays_so_in_silence() {
        let mut stage = stage(Layout::Speaker);
        assert_eq!(large(&stage), ADA);
        stage.handle_speaking(BOB, true, 1_000_000);
        assert_eq!(large(&stage), BOB);
        stage.handle_speaking(BOB, false, 3_000_000);
        assert_eq!((large(&stage), stage.poll_timeout()), (BOB, None));
    }

    #[test]
    fn a_quick_answer_waits_for_its_turn() {
        let mut stage = stage(Layout::SingleSpeaker);
        stage.handle_speaking(ADA, true, 0);
        stage.handle_speaking(BOB, true, 300_000);
        assert_eq!((large(&stage), stage.poll_timeout()), (ADA, None), "who speaks is not interrupted");
        stage.handle_speaking(ADA, false, 500_000);
        assert_eq!((large(&stage), stage.poll_timeout()), (ADA, Some(1_500_000)));
        stage.handle_timeout(1_500_000);
        assert_eq!((large(&stage), stage.scene().tiles.len()), (BOB, 1));
    }

    #[test]
    fn a_screen_comes_before_who_speaks_even_in_a_grid() {
        let mut stage = stage(Layout::Grid);
        assert_eq!(stage.scene().tiles[0].rect.width, stage.scene().tiles[1].rect.width);
        stage.handle_joined(SCREEN, true, 5);
        stage.handle_speaking(BOB, true, 6);
        let scene = stage.scene();
        assert_eq!(scene.tiles.iter().map(|tile| tile.guest).collect::<Vec<_>>(), [SCREEN, ADA, BOB]);
        assert!(scene.tiles[0].rect.width > 3 * scene.tiles[1].rect.width);
        stage.handle_left(SCREEN, 7);
        assert_eq!(large(&stage), ADA, "the grid again");
    }

    #[test]
    fn in_a_full_grid_who_speaks_has_a_place() {
        let mut stage = Stage::new(CANVAS, Layout::Grid);
        for id in 0..40 {
            stage.handle_joined(GuestId(id), false, 0);
        }
        stage.handle_speaking(GuestId(39), true, 1);
        let scene = stage.scene();
        assert_eq!(scene.tiles.len(), layout::MAX_GRID);
        assert_eq!(scene.tiles.last().map(|tile| tile.guest), Some(GuestId(39)));
    }

    proptest! {
        #[test]
        fn whatever_happens_nobody_is_there_twice_and_nobody_who_left(
            layout in prop_oneof![Just(Layout::Grid), Just(Layout::Speaker), Just(Layout::SingleSpeaker)],
            acts in prop::collection::vec((0..5, 0_usize..30, 0_u64..1_000_000), 0..200),
        ) {
            let mut stage = Stage::new(CANVAS, layout);
            let mut there = std::collections::BTreeSet::new();
            let mut now_us = 0;
            for (act, id, later) in acts {
                now_us += later;
                let guest = GuestId(id);
                match act {
                    0 => { stage.handle_joined(guest, id % 7 == 0, now_us); there.insert(guest); }
                    1 => { stage.handle_left(guest, now_us); there.remove(&guest); }
                    2 => stage.handle_speaking(guest, later % 2 == 0, now_us),
                    3 => stage.handle_feed(guest, (later % 2 == 0).then_some(FeedId(id)), now_us),
                    _ => stage.handle_timeout(now_us),
                }
                if let Some(at) = stage.poll_timeout() {
                    prop_assert!(at > now_us, "no timer that has run out stays");
                }
                let scene = stage.scene();
                let shown: std::collections::BTreeSet<_> = scene.tiles.iter().map(|tile| tile.guest).collect();
                prop_assert_eq!(shown.len(), scene.tiles.len());
                prop_assert!(shown.is_subset(&there));
                prop_assert_eq!(shown.is_empty(), there.is_empty());
            }
        }
    }
}
