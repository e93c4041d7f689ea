//! What is composed live: a machine that takes what was decoded and gives the next picture and sound.
//!
//! Time is the number of the picture; it comes in, and so does everything else. The machine takes from each source what
//! is due and never waits: one that has nothing shows its last picture, then an avatar, and is silent. Knows neither
//! processes nor threads.

use std::collections::BTreeMap;

use crate::composition::{Canvas, Composition, Layout};
use crate::decoder::{Block, Decoder, Next, Wanted};
use crate::painter::{Face, Painter, Shown};
use crate::picture::Picture;
use crate::sound::{Voice, moment_of, samples_of, soften};
use crate::stage::{FeedId, GuestId, Stage};

/// A camera without a new picture for so long is an avatar. A shared screen that stands still gives few pictures.
const STALE_US: u64 = 5_000_000;
/// What is later than this is not caught up with: from here on its source is shown so much later.
const LATE_US: u64 = 500_000;
/// Most files of a source at one time: the one that ends and the one that begins, and one more.
const MAX_RUNS: usize = 3;
/// Most pictures taken of a source at once, and blocks of sound: a second of each.
const AT_ONCE: usize = 64;

/// Where decoded blocks come from.
pub(crate) trait Blocks {
    /// The next one, without waiting.
    fn next(&mut self) -> Next;
    /// A buffer that is free again.
    fn give_back(&mut self, bytes: Vec<u8>);
}

impl Blocks for Decoder {
    fn next(&mut self) -> Next {
        Decoder::next(self, std::time::Duration::ZERO)
    }

    fn give_back(&mut self, bytes: Vec<u8>) {
        Decoder::give_back(self, bytes);
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Program<B> {
    canvas: Canvas,
    stage: Stage,
    painter: Painter,
    feeds: BTreeMap<FeedId, Shown>,
    sources: BTreeMap<GuestId, Source<B>>,
    speaker: Option<String>,
    next_feed: usize,
    mix: Vec<f32>,
}

#[derive(Debug)]
struct Source<B> {
    identity: String,
    is_screen: bool,
    is_muted: bool,
    runs: Vec<Run<B>>,
    /// What the stage shows of it.
    staged: Option<FeedId>,
}

/// A file of a source, as it goes on.
#[derive(Debug)]
struct Run<B> {
    part: u32,
    /// When time 0 of it is shown.
    line_us: u64,
    feed: FeedId,
    pictures: Option<(B, Wanted)>,
    sound: Option<B>,
    ahead: Option<Block>,
    voice: Voice,
    /// When its last picture came.
    seen_us: Option<u64>,
    number: u64,
}

impl<B: Blocks> Program<B> {
    /// With nobody there.
    pub(crate) fn new(composition: &Composition) -> Self {
        let canvas = composition.canvas.sane();
        Self {
            canvas,
            stage: Stage::new(canvas, composition.layout),
            painter: Painter::new(canvas),
            feeds: BTreeMap::new(),
            sources: BTreeMap::new(),
            speaker: None,
            next_feed: 0,
            mix: Vec::new(),
        }
    }

    /// Somebody is there from here on. A screen is, when its first picture is.
    pub(crate) fn handle_source(&mut self, id: GuestId, identity: String, is_screen: bool, now_us: u64) {
        self.painter.set_face(id, Face::plain(&identity));
        let speaks = !is_screen && self.speaker.as_ref() == Some(&identity);
        self.sources
            .insert(id, Source { identity, is_screen, is_muted: false, runs: Vec::new(), staged: None });
        if !is_screen {
            self.stage.handle_joined(id, false, now_us);
            self.stage.handle_speaking(id, speaks, now_us);
        }
    }

    /// Somebody is not there any more.
    pub(crate) fn handle_removed(&mut self, id: GuestId, now_us: u64) {
        if let Some(source) = self.sources.remove(&id) {
            for run in source.runs {
                self.feeds.remove(&run.feed);
            }
        }
        self.stage.handle_left(id, now_us);
        self.painter.drop_face(id);
    }

    /// How somebody looks, when it is drawn.
    pub(crate) fn handle_face(&mut self, id: GuestId, face: Face) {
        if self.sources.contains_key(&id) {
            self.painter.set_face(id, face);
        }
    }

    /// Their picture is not to be shown, or again.
    pub(crate) fn handle_muted(&mut self, id: GuestId, is_muted: bool) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.is_muted = is_muted;
        }
    }

    /// Who speaks.
    pub(crate) fn handle_speaker(&mut self, speaker: Option<String>, now_us: u64) {
        for (id, source) in self.sources.iter().filter(|(_, source)| !source.is_screen) {
            self.stage.handle_speaking(*id, speaker.as_ref() == Some(&source.identity), now_us);
        }
        self.speaker = speaker;
    }

    /// Another layout.
    pub(crate) fn handle_layout(&mut self, layout: Layout, now_us: u64) {
        self.stage.handle_layout(layout, now_us);
    }

    /// A file of a source is decoded. Its time 0 is shown at `line_us`.
    pub(crate) fn handle_decoder(
        &mut self,
        id: GuestId,
        part: u32,
        line_us: u64,
        wanted: Wanted,
        blocks: B,
        now_us: u64,
    ) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        let place = match source.runs.iter().position(|run| run.part == part) {
            Some(place) => place,
            None => {
                if source.runs.len() == MAX_RUNS {
                    let oldest = source.runs.remove(0);
                    self.feeds.remove(&oldest.feed);
                }
                let feed = FeedId(self.next_feed);
                self.next_feed += 1;
                let voice = Voice::from(moment_of(self.canvas.tick_at(now_us), self.canvas.fps));
                source.runs.push(Run {
                    part,
                    line_us,
                    feed,
                    pictures: None,
                    sound: None,
                    ahead: None,
                    voice,
                    seen_us: None,
                    number: 0,
                });
                source.runs.len() - 1
            }
        };
        if let Some(run) = source.runs.get_mut(place) {
            match wanted {
                Wanted::Pictures { .. } => run.pictures = Some((blocks, wanted)),
                Wanted::Sound => run.sound = Some(blocks),
            }
        }
    }

    /// The picture of this number, and the sound until the next one.
    pub(crate) fn play(&mut self, tick: u64) -> (&Picture, &[f32]) {
        self.hear(tick);
        let picture = self.painter.paint(&self.stage.scene(), &self.feeds);
        (picture, &self.mix)
    }

    /// The sound from the picture of this number to the next one. Nothing is painted.
    pub(crate) fn hear(&mut self, tick: u64) -> &[f32] {
        let now_us = self.canvas.time_us(tick);
        let until_us = now_us + self.canvas.time_us(1) / 2;
        let (from, to) = (moment_of(tick, self.canvas.fps), moment_of(tick + 1, self.canvas.fps));
        self.mix.clear();
        self.mix.resize(usize::try_from((to - from) * 2).unwrap_or_default(), 0.0);
        for (id, source) in &mut self.sources {
            for run in &mut source.runs {
                run.look(until_us, now_us, &mut self.feeds);
                run.listen(to, now_us);
                run.voice.mix(from, &mut self.mix);
            }
            let feeds = &mut self.feeds;
            source.runs.retain(|run| {
                let is_over = run.is_over(now_us);
                if is_over {
                    feeds.remove(&run.feed);
                }
                !is_over
            });
            let feed = source.shown(now_us);
            if feed != source.staged {
                if source.is_screen {
                    match feed {
                        Some(_) => self.stage.handle_joined(*id, true, now_us),
                        None => self.stage.handle_left(*id, now_us),
                    }
                }
                self.stage.handle_feed(*id, feed, now_us);
                source.staged = feed;
            }
        }
        soften(&mut self.mix);
        self.stage.handle_timeout(now_us);
        &self.mix
    }
}

impl<B> Source<B> {
    /// The feed that is seen: of the newest file that has given pictures lately.
    fn shown(&self, now_us: u64) -> Option<FeedId> {
        if self.is_muted {
            return None;
        }
        let stale_us = if self.is_screen { 12 * STALE_US } else { STALE_US };
        let is_fresh = |run: &&Run<B>| run.seen_us.is_some_and(|seen_us| now_us.saturating_sub(seen_us) < stale_us);
        self.runs.iter().rev().find(is_fresh).map(|run| run.feed)
    }
}

impl<B: Blocks> Run<B> {
    /// Nothing more comes, and the last was shown.
    fn is_over(&self, now_us: u64) -> bool {
        let is_shown = self.seen_us.is_none_or(|seen_us| now_us.saturating_sub(seen_us) > STALE_US);
        self.pictures.is_none() && self.sound.is_none() && self.ahead.is_none() && is_shown
    }

    /// What is due when time 0 of the file is shown at `line_us`; if that was long ago, the line is moved.
    fn due_us(&mut self, time_us: u64, now_us: u64) -> u64 {
        let due_us = self.line_us.saturating_add(time_us);
        let late_us = now_us.saturating_sub(due_us);
        if late_us <= LATE_US {
            return due_us;
        }
        self.line_us = self.line_us.saturating_add(late_us);
        now_us
    }

    fn look(&mut self, until_us: u64, now_us: u64, feeds: &mut BTreeMap<FeedId, Shown>) {
        let Some((mut blocks, wanted)) = self.pictures.take() else { return };
        let mut newest: Option<Block> = None;
        for _ in 0..AT_ONCE {
            let block = match self.ahead.take().map_or_else(|| blocks.next(), Next::Block) {
                Next::Block(block) => block,
                Next::Later => break,
                Next::End => {
                    self.show(newest, wanted, now_us, feeds);
                    return;
                }
            };
            if self.due_us(block.time_us, now_us) > until_us {
                self.ahead = Some(block);
                break;
            }
            if let Some(Block { bytes, .. }) = newest.replace(block) {
                blocks.give_back(bytes);
            }
        }
        if let Some(bytes) = self.show(newest, wanted, now_us, feeds) {
            blocks.give_back(bytes);
        }
        self.pictures = Some((blocks, wanted));
    }

    /// Shows a picture, and gives the bytes of the last one.
    fn show(
        &mut self,
        block: Option<Block>,
        wanted: Wanted,
        now_us: u64,
        feeds: &mut BTreeMap<FeedId, Shown>,
    ) -> Option<Vec<u8>> {
        let picture = wanted.picture(block?.bytes)?;
        self.seen_us = Some(now_us);
        self.number += 1;
        feeds
            .insert(self.feed, Shown { picture, number: self.number })
            .map(|before| before.picture.into_bytes())
    }

    fn listen(&mut self, until: u64, now_us: u64) {
        let Some(mut blocks) = self.sound.take() else { return };
        for _ in 0..AT_ONCE {
            if self.voice.end() >= until {
                break;
            }
            match blocks.next() {
                Next::Block(block) => {
                    let due_us = self.due_us(block.time_us, now_us);
                    let samples = samples_of(&block.bytes);
                    self.voice.push(due_us, samples);
                    blocks.give_back(block.bytes);
                }
                Next::Later => break,
                Next::End => return,
            }
        }
        self.sound = Some(blocks);
    }
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
