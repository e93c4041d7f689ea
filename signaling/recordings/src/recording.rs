//! One recording, from the request to its last file: told what happens, it says what to do.
//!
//! ```text
//! Starting ── the first media ──▶ Active ── stopped, or nothing left to record ──▶ Ending ── files closed, put together,
//!    │                                                                               │      and kept where they belong
//!    └── stopped before there was any ──▶ Aborted                                    └──▶ Complete, Failed, LimitReached
//! ```
//!
//! Every track is written into a *part* of its own as it comes. What was asked for (one file of a participant, one of a
//! room, segments) is made of the parts once they are closed: so nothing that fails later can lose what was said.
//! Streams to others cannot wait; they are fed while the parts are written and are not the business of parts.

use std::collections::BTreeMap;

use crate::{Composition, Media, ObjectPath, Order, Output, Source};

/// Parts of one recording. Tracks come and go; somebody who publishes and unpublishes for ever must not make files for
/// ever.
const PARTS: usize = 1000;
/// Of them, those of one person, where everybody is recorded: nobody ends the recording of the others.
const PARTS_OF_ONE: usize = 100;
/// Why what is encrypted is not recorded, for whoever wanted it.
pub const ENCRYPTED: &str = "the room is encrypted from end to end: only its participants can see and hear it";

/// Names a recording: `EG_...`, from [`RecordingId::from_random`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordingId(String);

impl RecordingId {
    /// `EG_` and twelve letters and digits, as LiveKit's ids are.
    #[must_use]
    pub fn from_random(random: [u8; 12]) -> Self {
        const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let letters = random.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
        Self("EG_".chars().chain(letters).collect())
    }

    /// An id read back from where it was kept, or from a request; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let random = text.strip_prefix("EG_")?;
        let is_id = random.len() == 12 && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_id.then(|| Self(text.to_owned()))
    }

    /// The id as text. Plain letters: it may name a directory.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Sound or pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// A published track, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackFacts {
    /// Its id.
    pub track: String,
    /// Who publishes it.
    pub identity: String,
    /// Sound or pictures.
    pub kind: TrackKind,
    /// It is of a screen, or the sound of one.
    pub is_screen: bool,
    /// Its payload is encrypted between the participants: nobody else can play it.
    pub is_encrypted: bool,
}

/// The number of a part, in the order they were opened.
pub type PartNumber = u32;

/// A part: one track in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackFile {
    /// Of which track.
    pub track: TrackFacts,
    /// When it was opened, milliseconds since 1970.
    pub opened_ms: i64,
    /// What came of it, once it is closed.
    pub closed: Option<Written>,
    /// Media is in it.
    has_media: bool,
    is_closing: bool,
}

/// What a closed part holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the file; 0: there is none.
    pub bytes: u64,
    /// Milliseconds of media.
    pub duration_ms: u64,
    /// Why it ended before it was told to, in a sentence. The file plays up to there.
    pub failed: Option<String>,
}

/// What was asked for, made and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Product {
    /// One file.
    File {
        /// Its name, as asked for.
        name: ObjectPath,
        /// Where it is: an address, or a path of this server's API.
        location: String,
        /// How large.
        bytes: u64,
        /// How long.
        duration_ms: u64,
    },
    /// A playlist and its segments.
    Segments {
        /// Name of the playlist.
        playlist: ObjectPath,
        /// Where it is.
        location: String,
        /// Name of the playlist of the last few, and where it is, if it is wanted.
        live: Option<(ObjectPath, String)>,
        /// Segments in it.
        segments: u32,
        /// How large they are together.
        bytes: u64,
        /// How long.
        duration_ms: u64,
    },
}

/// Somebody it is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The address as it may be shown.
    pub shown: String,
    /// Since when, milliseconds since 1970.
    pub started_ms: i64,
    /// Until when.
    pub ended_ms: Option<i64>,
    /// Why it does not arrive, in a sentence: for good where it has ended.
    pub failed: Option<String>,
}

/// How far a recording has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing came yet.
    Starting,
    /// Media is written.
    Active,
    /// Nothing more is written; files are closed, put together and stored.
    Ending(End),
    /// It is over.
    Ended(End),
}

/// Why a recording ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// As it should: it was stopped, or what it recorded is over.
    Complete,
    /// Before anything was recorded.
    Aborted,
    /// It was as long, or as large, as one may be.
    LimitReached,
    /// Something went wrong, in a sentence. What was written until then is there.
    Failed(String),
}

/// What a recording is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// A track is there. Told of all that are when the recording begins, too.
    Published(TrackFacts),
    /// It is there no more.
    Unpublished {
        /// Which.
        track: String,
    },
    /// Somebody left the room.
    Left {
        /// Who.
        identity: String,
    },
    /// The room is over.
    RoomEnded,
    /// Somebody asked for the end.
    Stop,
    /// It is as long, or as large, as one may be.
    LimitReached,
    /// What it names had the time to come that it is given.
    Waited {
        /// Whom it names is in the room.
        is_participant_there: bool,
    },
    /// It cannot go on, for a reason in a sentence.
    Failed(String),
    /// The first media of a part was written.
    MediaCame {
        /// Of which.
        part: PartNumber,
    },
    /// A part is closed, because it was to be or because it had to.
    PartClosed {
        /// Which.
        part: PartNumber,
        /// What it holds.
        written: Written,
    },
    /// What was asked for is put together and where it belongs, or is not.
    Delivered(Result<Vec<Product>, String>),
    /// Only these are; why not all, in a sentence.
    DeliveredInPart {
        /// What there is.
        products: Vec<Product>,
        /// Why there is no more.
        reason: String,
    },
}

/// What a recording wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write a track into a part. The answer is [`Happened::MediaCame`], and some time [`Happened::PartClosed`].
    Open {
        /// The part's number.
        part: PartNumber,
        /// The track.
        track: String,
    },
    /// End a part. The answer is [`Happened::PartClosed`].
    Close {
        /// Which.
        part: PartNumber,
    },
    /// Make what was asked for of the parts, and keep it where it belongs. The answer is [`Happened::Delivered`].
    Deliver,
    /// Say that its state changed, to whoever wants to know (webhooks, the room's indicator).
    Tell,
}

/// A recording.
#[derive(Debug, Clone)]
pub struct Recording {
    order: Order,
    state: State,
    parts: BTreeMap<PartNumber, TrackFile>,
    next_part: PartNumber,
    started_ms: i64,
    updated_ms: i64,
    ended_ms: Option<i64>,
    products: Vec<Product>,
    streams: Vec<Stream>,
    /// Somebody's track was encrypted, and is not in it.
    has_left_out: bool,
}

impl Recording {
    /// A recording that has just been asked for. It is told next of every track that is there.
    #[must_use]
    pub const fn new(order: Order, now_ms: i64) -> Self {
        Self {
            order,
            state: State::Starting,
            parts: BTreeMap::new(),
            next_part: 0,
            started_ms: now_ms,
            updated_ms: now_ms,
            ended_ms: None,
            products: Vec::new(),
            streams: Vec::new(),
            has_left_out: false,
        }
    }

    /// What was asked for.
    #[must_use]
    pub const fn order(&self) -> &Order {
        &self.order
    }

    /// How far it has come.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Its parts, in the order they were opened.
    pub fn parts(&self) -> impl Iterator<Item = (PartNumber, &TrackFile)> {
        self.parts.iter().map(|(part, file)| (*part, file))
    }

    /// What came of it; empty until it has ended.
    #[must_use]
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// Whom it is sent to, and was.
    #[must_use]
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Whom it is sent to is another, or fares otherwise; whether that is news.
    pub fn set_streams(&mut self, streams: Vec<Stream>, now_ms: i64) -> bool {
        let is_news = self.streams != streams;
        if is_news {
            self.streams = streams;
            self.updated_ms = now_ms;
        }
        is_news
    }

    /// When it was asked for, when it changed, and when it ended: milliseconds since 1970.
    #[must_use]
    pub const fn times_ms(&self) -> (i64, i64, Option<i64>) {
        (self.started_ms, self.updated_ms, self.ended_ms)
    }

    /// Something happened.
    pub fn handle(&mut self, happened: Happened, now_ms: i64) -> Vec<Action> {
        let before = self.state.clone();
        let mut actions = Vec::new();
        match happened {
            Happened::Published(track) => self.handle_published(track, now_ms, &mut actions),
            Happened::Unpublished { track } => {
                self.close(&mut actions, |file| file.track.track == track);
                if self.is_spent() {
                    self.end_if(|_| true, &mut actions);
                }
            }
            Happened::Left { identity } => {
                self.close(&mut actions, |file| file.track.identity == identity);
                let is_theirs =
                    |source: &Source| matches!(source, Source::Participant { identity: who, .. } if *who == identity);
                self.end_if(is_theirs, &mut actions);
            }
            Happened::RoomEnded | Happened::Stop => self.end_if(|_| true, &mut actions),
            Happened::LimitReached => self.end(End::LimitReached, &mut actions),
            Happened::Waited { is_participant_there } => {
                if self.parts.is_empty()
                    && let Some(missing) = self.order.source.missing(is_participant_there)
                {
                    self.end(End::Failed(missing.to_owned()), &mut actions);
                }
            }
            Happened::Failed(reason) => self.end(End::Failed(reason), &mut actions),
            Happened::MediaCame { part } => self.handle_media(part),
            Happened::PartClosed { part, written } => self.handle_closed(part, written, &mut actions),
            Happened::Delivered(Ok(products)) => self.handle_delivered(products, None, now_ms),
            Happened::Delivered(Err(reason)) => self.handle_delivered(Vec::new(), Some(reason), now_ms),
            Happened::DeliveredInPart { products, reason } => self.handle_delivered(products, Some(reason), now_ms),
        }
        if self.state != before {
            self.updated_ms = now_ms;
            actions.push(Action::Tell);
        }
        actions
    }

    fn handle_published(&mut self, track: TrackFacts, now_ms: i64, actions: &mut Vec<Action>) {
        let is_wanted = matches!(self.state, State::Starting | State::Active) && self.order.source.wants(&track);
        let is_written = self.parts.values().any(|file| file.track.track == track.track && file.is_open());
        if !is_wanted || is_written {
            return;
        }
        let is_everybody = matches!(self.order.source, Source::Room(_));
        if track.is_encrypted {
            // Of everybody it is left out: nobody ends the recording of the others.
            self.has_left_out = true;
            if !is_everybody {
                self.end(End::Failed(ENCRYPTED.to_owned()), actions);
            }
            return;
        }
        let theirs = self.parts.values().filter(|file| file.track.identity == track.identity).count();
        if is_everybody && theirs >= PARTS_OF_ONE {
            return;
        }
        if self.parts.len() >= PARTS {
            self.end(End::LimitReached, actions);
            return;
        }
        let part = self.next_part;
        self.next_part += 1;
        actions.push(Action::Open { part, track: track.track.clone() });
        let file = TrackFile { track, opened_ms: now_ms, closed: None, has_media: false, is_closing: false };
        self.parts.insert(part, file);
    }

    fn handle_media(&mut self, part: PartNumber) {
        let Some(file) = self.parts.get_mut(&part) else { return };
        file.has_media = true;
        if self.state == State::Starting {
            self.state = State::Active;
        }
    }

    fn handle_closed(&mut self, part: PartNumber, written: Written, actions: &mut Vec<Action>) {
        let Some(file) = self.parts.get_mut(&part).filter(|file| file.closed.is_none()) else { return };
        // Whoever writes says that it began before it says that it ended; of a tiny file both may be one.
        file.has_media |= written.bytes > 0;
        let failed = written.failed.clone();
        file.closed = Some(written);
        if let Some(reason) = failed {
            // A part that cannot be written is the end of what it was part of: nobody wants to find out later.
            self.end(End::Failed(reason), actions);
        }
        self.deliver_if_closed(actions);
    }

    fn handle_delivered(&mut self, products: Vec<Product>, failed: Option<String>, now_ms: i64) {
        let State::Ending(end) = &self.state else { return };
        if !self.is_closed() {
            // Nobody was asked to.
            return;
        }
        let mut end = end.clone();
        // What came was still on its way to the disk when the end was asked for.
        if end == End::Aborted && !products.is_empty() {
            end = End::Complete;
        }
        self.products = products;
        if end == End::Aborted && self.has_left_out {
            end = End::Failed(ENCRYPTED.to_owned());
        }
        // What went wrong first is the reason.
        if let (false, Some(reason)) = (matches!(end, End::Failed(_)), failed) {
            end = End::Failed(reason);
        }
        self.state = State::Ended(end);
        self.ended_ms = Some(now_ms);
    }

    /// Ends as it should, if nothing is left that it could record.
    fn end_if(&mut self, is_over: impl FnOnce(&Source) -> bool, actions: &mut Vec<Action>) {
        if is_over(&self.order.source) {
            let has_media = self.parts.values().any(|file| file.has_media);
            self.end(if has_media { End::Complete } else { End::Aborted }, actions);
        }
    }

    /// The tracks it names were there, and are no more. Who records somebody waits for other tracks of theirs.
    fn is_spent(&self) -> bool {
        let is_over = |track: &str| {
            let mut parts = self.parts.values().filter(|file| file.track.track == track).peekable();
            parts.peek().is_some() && parts.all(|file| !file.is_open())
        };
        self.order.source.named().count() > 0 && self.order.source.named().all(is_over)
    }

    fn end(&mut self, end: End, actions: &mut Vec<Action>) {
        if !matches!(self.state, State::Starting | State::Active) {
            return;
        }
        self.state = State::Ending(end);
        self.close(actions, |_| true);
        self.deliver_if_closed(actions);
    }

    fn close(&mut self, actions: &mut Vec<Action>, is_meant: impl Fn(&TrackFile) -> bool) {
        for (part, file) in &mut self.parts {
            if file.is_open() && is_meant(file) {
                file.is_closing = true;
                actions.push(Action::Close { part: *part });
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.parts.values().all(|file| file.closed.is_some())
    }

    fn deliver_if_closed(&mut self, actions: &mut Vec<Action>) {
        if matches!(self.state, State::Ending(_)) && self.is_closed() && !actions.contains(&Action::Deliver) {
            actions.push(Action::Deliver);
        }
    }
}

impl TrackFile {
    const fn is_open(&self) -> bool {
        !self.is_closing && self.closed.is_none()
    }
}

impl Media {
    fn holds(self, kind: TrackKind) -> bool {
        match self {
            Self::Both => true,
            Self::AudioOnly => kind == TrackKind::Audio,
            Self::VideoOnly => kind == TrackKind::Video,
        }
    }
}

impl Source {
    /// Whether a track is one of those that are recorded.
    #[must_use]
    pub fn wants(&self, facts: &TrackFacts) -> bool {
        match self {
            Self::Track { track } => *track == facts.track,
            Self::Pair { audio, video } => [audio, video].into_iter().flatten().any(|track| *track == facts.track),
            Self::Participant { identity, prefers_screen, media } => {
                *identity == facts.identity && facts.is_screen == *prefers_screen && media.holds(facts.kind)
            }
            Self::Room(Composition { media, .. }) => media.holds(facts.kind),
        }
    }

    /// The tracks it names.
    fn named(&self) -> impl Iterator<Item = &str> {
        let (one, other) = match self {
            Self::Track { track } => (Some(track), None),
            Self::Pair { audio, video } => (audio.as_ref(), video.as_ref()),
            Self::Participant { .. } | Self::Room(_) => (None, None),
        };
        one.into_iter().chain(other).map(String::as_str)
    }

    /// Why nothing will come, where nothing has so far. A track has its id from when it is published: nobody publishes one of
    /// this id later. Who is in the room may publish whenever they like; who is not may have been misspelt.
    const fn missing(&self, is_participant_there: bool) -> Option<&'static str> {
        match self {
            Self::Track { .. } => Some("the track is not there"),
            Self::Pair { .. } => Some("the tracks are not there"),
            Self::Participant { .. } if !is_participant_there => Some("the participant is not in the room"),
            Self::Participant { .. } | Self::Room(_) => None,
        }
    }
}

impl Order {
    /// Whether anything of it goes out while it is recorded.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.outputs.iter().any(|output| match output {
            Output::Stream { .. } => true,
            Output::Segments { names, .. } => names.is_live(),
            Output::File { .. } | Output::Tracks { .. } => false,
        })
    }
}

#[cfg(test)]
#[path = "recording_tests.rs"]
mod tests;
