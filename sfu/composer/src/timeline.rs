//! What a recording shows and when: scenes and spans, from its manifest. Pure.
//!
//! A *scene* holds until the next one. A *span* is a time in which a track is seen or heard; outside of them nothing of
//! it is decoded. Times are microseconds since the recording's start.

use std::collections::BTreeMap;

use sluice_recorder::manifest::{Gap, GapReason, Manifest, Track, TrackKind};

use crate::composition::Composition;
use crate::stage::{FeedId, GuestId, Scene, Stage};

/// A picture that has nothing for so long is no picture: an avatar takes its place. Shorter, the last frame stands.
const LONG_GAP_US: u64 = 2_000_000;

/// Two spans that are less apart are one: to look for a key frame again costs more than to go on decoding.
const SPANS_APART_US: u64 = 10_000_000;

/// Most tracks that are heard at one time. Those that began first; a process decodes each.
const MAX_VOICES: usize = 64;

/// Most scenes: one each second of a day. What changes then is not shown.
const MAX_SCENES: usize = 86_400;

/// Somebody, or a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// Whose.
    pub identity: String,
    /// What stands in the picture.
    pub name: String,
    /// Their screen rather than themselves.
    pub is_screen: bool,
}

/// A time in which a track is seen or heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Which of the manifest's tracks.
    pub track: usize,
    /// Begin.
    pub from_us: u64,
    /// End.
    pub to_us: u64,
    /// The largest tile it is seen in, in pixels; nothing for sound.
    pub size: Option<(usize, usize)>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    /// By their ids.
    pub guests: Vec<Guest>,
    /// Each with its begin; in order, the first at 0. A feed is an index into the manifest's tracks.
    pub scenes: Vec<(u64, Scene)>,
    /// Tracks that are seen, by their begin.
    pub pictures: Vec<Span>,
    /// Tracks that are heard, by their begin.
    pub voices: Vec<Span>,
    /// Until the end of the last track.
    pub duration_us: u64,
    /// Tracks that are not heard because too many others are.
    pub unheard: usize,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    // What ends comes before what begins at the same time.
    Spoke(GuestId),
    Hides(GuestId, FeedId),
    Leaves(GuestId),
    Joins(GuestId),
    Shows(GuestId, FeedId),
    Speaks(GuestId),
}

/// From begin to end.
type Interval = (u64, u64);

impl Timeline {
    /// Reads a manifest. What it says may be anything: ends before begins, gaps outside of tracks.
    #[must_use]
    pub fn of(manifest: &Manifest, composition: &Composition) -> Self {
        let duration_us = manifest.tracks.iter().map(end_us).max().unwrap_or_default();
        let mut timeline = Self { duration_us, ..Self::default() };
        if composition.media.has_video() {
            let acts = timeline.cast(manifest);
            timeline.play(&acts, composition);
            timeline.pictures = seen(&timeline.scenes, duration_us);
        }
        if composition.media.has_audio() {
            (timeline.voices, timeline.unheard) = heard(manifest);
        }
        timeline
    }

    /// Who takes part, and what they do.
    fn cast(&mut self, manifest: &Manifest) -> Vec<(u64, Act)> {
        let mut acts = Vec::new();
        let mut presence: BTreeMap<&str, Vec<Interval>> = BTreeMap::new();
        // Who never published anything is audience.
        for track in &manifest.tracks {
            presence.entry(&track.participant).or_default().push((track.offset_us, end_us(track)));
        }
        let mut names = BTreeMap::new();
        for participant in &manifest.participants {
            names.insert(participant.identity.as_str(), participant.name.as_str());
            if let Some(there) = presence.get_mut(participant.identity.as_str()) {
                there.push((participant.joined_us, participant.left_us.unwrap_or(self.duration_us)));
            }
        }
        let mut people: Vec<(&str, Vec<Interval>)> =
            presence.into_iter().map(|(identity, there)| (identity, merged(there, 0))).collect();
        people.sort_by_key(|(_, there)| there.first().map_or(u64::MAX, |(from, _)| *from));

        for (identity, there) in people {
            let name = names.get(identity).filter(|name| !name.is_empty()).copied().unwrap_or(identity);
            let id = self.guest(identity, name, false);
            for (from, to) in there {
                acts.extend([(from, Act::Joins(id)), (to, Act::Leaves(id))]);
            }
            let is_theirs = |track: &&(usize, &Track)| track.1.participant == identity;
            let videos: Vec<_> = manifest.tracks.iter().enumerate().collect();
            for (index, track) in videos.iter().filter(is_theirs).filter(|(_, track)| track.kind == TrackKind::Video) {
                let id = if is_screen(track) { self.guest(identity, name, true) } else { id };
                for (from, to) in present(track, is_long) {
                    acts.extend([(from, Act::Shows(id, FeedId(*index))), (to, Act::Hides(id, FeedId(*index)))]);
                }
            }
            for speaker in manifest.speakers.iter().filter(|speaker| speaker.participant == identity) {
                if speaker.from_us < speaker.to_us {
                    acts.extend([(speaker.from_us, Act::Speaks(id)), (speaker.to_us, Act::Spoke(id))]);
                }
            }
        }
        acts.sort_unstable();
        acts
    }

    /// The guest of this name, who may be new.
    fn guest(&mut self, identity: &str, name: &str, is_screen: bool) -> GuestId {
        let known = |guest: &Guest| guest.identity == identity && guest.is_screen == is_screen;
        let place = self.guests.iter().position(known).unwrap_or_else(|| {
            self.guests
                .push(Guest { identity: identity.to_owned(), name: name.to_owned(), is_screen });
            self.guests.len() - 1
        });
        GuestId(place)
    }

    fn is_screen(&self, id: GuestId) -> bool {
        self.guests.get(id.0).is_some_and(|guest| guest.is_screen)
    }

    /// Plays it all on a stage.
    fn play(&mut self, acts: &[(u64, Act)], composition: &Composition) {
        let mut stage = Stage::new(composition.canvas, composition.layout);
        self.scenes.push((0, stage.scene()));
        // Of each guest: what shows them at the moment. Two files of a track may overlap by a little.
        let mut feeds: BTreeMap<GuestId, Vec<FeedId>> = BTreeMap::new();
        let mut ahead = acts.iter().peekable();
        while let Some(&&(next_us, act)) = ahead.peek() {
            // A timer is due before what happens then.
            let (at_us, act) = match stage.poll_timeout() {
                Some(timeout_us) if timeout_us < next_us => (timeout_us, None),
                _ => (next_us, Some(act)),
            };
            if at_us >= self.duration_us {
                return;
            }
            match act {
                None => stage.handle_timeout(at_us),
                Some(act) => {
                    ahead.next();
                    self.perform(&mut stage, &mut feeds, act, at_us);
                }
            }
            let scene = stage.scene();
            let has_room = self.scenes.len() < MAX_SCENES;
            match self.scenes.last_mut() {
                Some((_, last)) if *last == scene => {}
                Some((from_us, last)) if *from_us == at_us => *last = scene,
                _ if has_room => self.scenes.push((at_us, scene)),
                _ => return,
            }
        }
    }

    fn perform(&self, stage: &mut Stage, feeds: &mut BTreeMap<GuestId, Vec<FeedId>>, act: Act, at_us: u64) {
        match act {
            Act::Joins(id) => stage.handle_joined(id, false, at_us),
            Act::Leaves(id) => stage.handle_left(id, at_us),
            Act::Speaks(id) => stage.handle_speaking(id, true, at_us),
            Act::Spoke(id) => stage.handle_speaking(id, false, at_us),
            Act::Shows(id, feed) => {
                feeds.entry(id).or_default().push(feed);
                // A screen is there while it is shared, and only then.
                if self.is_screen(id) {
                    stage.handle_joined(id, true, at_us);
                }
                stage.handle_feed(id, Some(feed), at_us);
            }
            Act::Hides(id, feed) => {
                let left = feeds.entry(id).or_default();
                left.retain(|other| *other != feed);
                stage.handle_feed(id, left.last().copied(), at_us);
                if left.is_empty() && self.is_screen(id) {
                    stage.handle_left(id, at_us);
                }
            }
        }
    }

    /// The scene at a time.
    #[must_use]
    pub fn scene_at(&self, time_us: u64) -> usize {
        self.scenes.partition_point(|(from_us, _)| *from_us <= time_us).saturating_sub(1)
    }
}

/// Which tracks scenes show, and how large.
fn seen(scenes: &[(u64, Scene)], duration_us: u64) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    // Of each track, the span that may go on.
    let mut open: BTreeMap<usize, usize> = BTreeMap::new();
    let ends = scenes.iter().skip(1).map(|(from_us, _)| *from_us).chain([duration_us]);
    for ((from_us, scene), to_us) in scenes.iter().zip(ends) {
        for tile in &scene.tiles {
            let Some(FeedId(track)) = tile.feed else { continue };
            let (width, height) = (tile.rect.width, tile.rect.height);
            let last = open.get(&track).and_then(|place| spans.get_mut(*place));
            match last.filter(|span| from_us.saturating_sub(span.to_us) < SPANS_APART_US) {
                Some(span) => {
                    span.to_us = to_us;
                    span.size = span.size.map(|size| (size.0.max(width), size.1.max(height)));
                }
                None => {
                    open.insert(track, spans.len());
                    spans.push(Span { track, from_us: *from_us, to_us, size: Some((width, height)) });
                }
            }
        }
    }
    spans.sort_by_key(|span| span.from_us);
    spans
}

/// Which tracks are heard, and how many are not.
fn heard(manifest: &Manifest) -> (Vec<Span>, usize) {
    let is_silent = |gap: &Gap| {
        let is_meant = matches!(gap.reason, GapReason::Muted | GapReason::Unpublished);
        is_meant && gap.to_us.saturating_sub(gap.from_us) > SPANS_APART_US
    };
    let sounds = manifest.tracks.iter().enumerate().filter(|(_, track)| track.kind == TrackKind::Audio);
    let mut spans: Vec<Span> = sounds
        .flat_map(|(index, track)| {
            let intervals = merged(present(track, is_silent), SPANS_APART_US);
            intervals
                .into_iter()
                .map(move |(from_us, to_us)| Span { track: index, from_us, to_us, size: None })
        })
        .collect();
    spans.sort_by_key(|span| span.from_us);
    let mut ends: Vec<u64> = Vec::new();
    let before = spans.len();
    spans.retain(|span| {
        ends.retain(|end_us| *end_us > span.from_us);
        let has_room = ends.len() < MAX_VOICES;
        if has_room {
            ends.push(span.to_us);
        }
        has_room
    });
    let unheard = before - spans.len();
    (spans, unheard)
}

fn end_us(track: &Track) -> u64 {
    track.offset_us.saturating_add(track.duration_us)
}

fn is_screen(track: &Track) -> bool {
    track.source.starts_with("screen")
}

fn is_long(gap: &Gap) -> bool {
    gap.reason == GapReason::Muted || gap.to_us.saturating_sub(gap.from_us) > LONG_GAP_US
}

/// Where a track has something: all of it but these gaps.
fn present(track: &Track, is_absent: impl Fn(&Gap) -> bool) -> Vec<Interval> {
    let mut gaps: Vec<Interval> = track
        .gaps
        .iter()
        .filter(|gap| is_absent(gap))
        .map(|gap| (gap.from_us, gap.to_us))
        .collect();
    gaps.sort_unstable();
    let mut from_us = track.offset_us;
    let mut intervals = Vec::new();
    for (gap_from_us, gap_to_us) in gaps {
        intervals.push((from_us, gap_from_us.min(end_us(track))));
        from_us = from_us.max(gap_to_us);
    }
    intervals.push((from_us, end_us(track)));
    intervals.retain(|(from_us, to_us)| from_us < to_us);
    intervals
}

/// In order, with those that overlap or are less than so much apart made one.
fn merged(mut intervals: Vec<Interval>, apart_us: u64) -> Vec<Interval> {
    intervals.retain(|(from_us, to_us)| from_us < to_us);
    intervals.sort_unstable();
    let mut merged: Vec<Interval> = Vec::new();
    for (from_us, to_us) in intervals {
        match merged.last_mut() {
            Some(last) if from_us <= last.1.saturating_add(apart_us) => last.1 = last.1.max(to_us),
            _ => merged.push((from_us, to_us)),
        }
    }
    merged
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
