//! A recording that is composed while it goes on: for streams to others, and segments.
//!
//! Whatever is recorded goes to the composer too, piece by piece, from the recorder's thread; what that encodes goes to the
//! *outlets*. Starting and ending take processes, and block: whoever owns this does that elsewhere. Nothing here stops the
//! files of a recording, where it has some.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use livekit_protocol::SpeakerInfo;
use sluice_composer::{
    ComposeError, Ffmpeg, LiveComposer, LiveEncoding, NotAnAddress, OutletId, OutletRefused, OutletState, Outlets,
    PushAddress, SourceKey, SourceWriter,
};
use sluice_node::Listener;
use sluice_recorder::Chunk;
use sluice_recordings::{Layout, Order, Output, Stream, StreamUrl};

use super::composites;
use super::kept::KeptFile;
use super::segments::Segments;

/// The input of a file that has pictures, see [`super::files`].
const PICTURES: usize = 1;

/// Why nothing goes out.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotLive {
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error(transparent)]
    Address(#[from] NotAnAddress),
    #[error(transparent)]
    Outlet(#[from] OutletRefused),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What the hosts of streams were found at when that was looked at; empty where it need not be.
pub(super) type Found = BTreeMap<String, IpAddr>;

pub(super) struct Live {
    composer: LiveComposer,
    outlets: Outlets,
    streams: Vec<Sent>,
    segments: Option<(OutletId, Segments)>,
    sources: BTreeMap<usize, Writer>,
    /// How loud those are who speak, by identity.
    speaking: BTreeMap<String, f32>,
}

/// Somebody it is sent to.
struct Sent {
    url: StreamUrl,
    id: OutletId,
    shown: Stream,
}

/// The recorder's thread writes, and whoever closes the file takes it away.
type Writer = Arc<Mutex<Option<SourceWriter>>>;

struct Tee(Writer);

/// What came of it.
pub(super) struct Ended {
    pub(super) streams: Vec<Stream>,
    pub(super) cut: Option<Cut>,
    /// What went wrong, for the log.
    pub(super) error: Option<ComposeError>,
}

/// What was cut into segments.
pub(super) struct Cut {
    pub(super) segments: Segments,
    /// Playlists and segments, as files of the recording.
    pub(super) files: Vec<KeptFile>,
    /// How many segments, and how long they play, in microseconds.
    pub(super) count: u32,
    pub(super) duration_us: u64,
}

/// How its outlets are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Health {
    Well,
    /// Nothing goes out any more.
    Over,
}

impl Live {
    /// Whether an order takes this.
    pub(super) fn is_wanted(order: &Order) -> bool {
        order
            .outputs
            .iter()
            .any(|output| matches!(output, Output::Stream { .. } | Output::Segments { .. }))
    }

    /// Starts what composes and what it goes to. Blocks for as long as processes take to start.
    pub(super) fn start(
        ffmpeg: &Ffmpeg,
        order: &Order,
        found: &Found,
        segments: Option<Segments>,
        now_ms: i64,
    ) -> Result<Self, NotLive> {
        let composition = composites::composition(composites::composed(order), order.encoding);
        let keyframe_s = order.encoding.and_then(|encoding| encoding.keyframe_s).unwrap_or(2);
        let encoding = LiveEncoding { keyframe_s: u16::try_from(keyframe_s).unwrap_or(2) };
        let (composer, encoded) = LiveComposer::start(ffmpeg, &composition, encoding, Instant::now())?;
        let outlets = Outlets::start(ffmpeg, encoded)?;
        let mut live = Self {
            composer,
            outlets,
            streams: Vec::new(),
            segments: None,
            sources: BTreeMap::new(),
            speaking: BTreeMap::new(),
        };
        for output in &order.outputs {
            if let Output::Stream { urls } = output {
                urls.iter().try_for_each(|url| live.send_to(url, found, now_ms))?;
            }
        }
        if let Some(segments) = segments {
            live.segments = Some((live.outlets.segment(segments.plan().clone())?, segments));
        }
        Ok(live)
    }

    /// Sends it there as well. Whom it goes to already it goes to once.
    pub(super) fn send_to(&mut self, url: &StreamUrl, found: &Found, now_ms: i64) -> Result<(), NotLive> {
        if self.streams.iter().any(|sent| sent.url == *url && sent.shown.ended_ms.is_none()) {
            return Ok(());
        }
        let address = PushAddress::parse(url.reveal())?;
        let id = self.outlets.push(match found.get(url.host()) {
            Some(found) => address.resolved_to(*found),
            None => address,
        })?;
        let shown = Stream { shown: url.shown(), started_ms: now_ms, ended_ms: None, failed: None };
        self.streams.push(Sent { url: url.clone(), id, shown });
        Ok(())
    }

    /// Sends it there no more; whether it did.
    pub(super) fn stop_sending(&mut self, url: &StreamUrl, now_ms: i64) -> bool {
        let mut was = false;
        for sent in self.streams.iter_mut().filter(|sent| sent.url == *url && sent.shown.ended_ms.is_none()) {
            self.outlets.remove(sent.id);
            sent.shown.ended_ms = Some(now_ms);
            was = true;
        }
        was
    }

    pub(super) fn set_layout(&self, layout: Layout) {
        self.composer.set_layout(composites::layout(layout));
    }

    /// A file is begun, of this number: what hears it. `None` where there are as many as may be seen.
    pub(super) fn source(&mut self, file: usize, key: SourceKey) -> Option<Box<dyn Listener>> {
        let source = self.composer.source(key).ok()?;
        let writer = Arc::new(Mutex::new(Some(source)));
        self.sources.insert(file, Arc::clone(&writer));
        Some(Box::new(Tee(writer)))
    }

    /// A file is closed.
    pub(super) fn source_ended(&mut self, file: usize) {
        if let Some(writer) = self.sources.remove(&file) {
            self.remove(&writer);
        }
    }

    fn remove(&self, writer: &Writer) {
        // On a line of its own: the recorder's thread must not wait for the composer.
        let source = lock(writer).take();
        if let Some(source) = source {
            self.composer.remove(source);
        }
    }

    /// Somebody began to speak, fell silent, or became louder.
    pub(super) fn heard(&mut self, changed: &[SpeakerInfo], identity_of: impl Fn(&str) -> Option<String>) {
        for speaker in changed {
            let Some(identity) = identity_of(&speaker.sid) else { continue };
            if speaker.active {
                self.speaking.insert(identity, speaker.level);
            } else {
                self.speaking.remove(&identity);
            }
        }
        let loudest = self.speaking.iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
        // Who spoke last stays where nobody does.
        if let Some((identity, _)) = loudest {
            self.composer.set_speaker(Some(identity));
        }
    }

    /// How its outlets are at this moment.
    pub(super) fn look(&mut self, now_ms: i64) -> (Health, Vec<Stream>) {
        let mut goes_on = false;
        for sent in &mut self.streams {
            if sent.shown.ended_ms.is_some() {
                continue;
            }
            match self.outlets.state(sent.id).map(|(state, _)| state) {
                Some(OutletState::Starting | OutletState::Active) => sent.shown.failed = None,
                Some(OutletState::Retrying(reason)) => sent.shown.failed = Some(reason.to_string()),
                Some(OutletState::Failed(reason)) => {
                    sent.shown.failed = Some(reason.to_string());
                    sent.shown.ended_ms = Some(now_ms);
                }
                Some(OutletState::Ended) | None => sent.shown.ended_ms = Some(now_ms),
            }
            goes_on |= sent.shown.ended_ms.is_none();
        }
        if let Some((id, _)) = &self.segments {
            let state = self.outlets.state(*id).map(|(state, _)| state);
            goes_on |= !matches!(state, Some(OutletState::Failed(_) | OutletState::Ended) | None);
        }
        (if goes_on { Health::Well } else { Health::Over }, self.shown())
    }

    fn shown(&self) -> Vec<Stream> {
        self.streams.iter().map(|sent| sent.shown.clone()).collect()
    }

    /// Ends it when what has come was seen and sent. Blocks for seconds.
    pub(super) fn finish(mut self, now_ms: i64) -> Ended {
        for writer in std::mem::take(&mut self.sources).into_values() {
            self.remove(&writer);
        }
        let error = self.composer.finish().err();
        let states: BTreeMap<OutletId, OutletState> = self.outlets.finish().into_iter().collect();
        for sent in self.streams.iter_mut().filter(|sent| sent.shown.ended_ms.is_none()) {
            sent.shown.ended_ms = Some(now_ms);
            sent.shown.failed = match states.get(&sent.id) {
                Some(OutletState::Failed(reason) | OutletState::Retrying(reason)) => Some(reason.to_string()),
                _ => None,
            };
        }
        let cut = self.segments.map(|(_, segments)| Cut::of(segments)).transpose();
        let (cut, unread) = cut.map_or_else(|error| (None, Some(error.into())), |cut| (cut.flatten(), None));
        let streams = self.streams.into_iter().map(|sent| sent.shown).collect();
        Ended { streams, cut, error: error.or(unread) }
    }
}

impl Cut {
    /// What there is on the disk; `None`: nothing. The error: the playlist cannot be read.
    fn of(segments: Segments) -> std::io::Result<Option<Self>> {
        let plan = segments.plan();
        let cut = plan.segments()?;
        if cut.is_empty() {
            return Ok(None);
        }
        let count = u32::try_from(cut.len()).unwrap_or(u32::MAX);
        let duration_us = cut.iter().map(|segment| segment.duration_us).sum();
        let playlists = [Some(plan.playlist.clone()), plan.live_playlist.clone()].into_iter().flatten();
        let names = playlists.chain(cut.into_iter().map(|segment| segment.name));
        let file = |name: String| {
            let bytes = plan.folder.join(&name).metadata().ok()?.len();
            Some(KeptFile { name, bytes })
        };
        let files = names.filter_map(file).collect();
        Ok(Some(Self { segments, files, count, duration_us }))
    }
}

impl Listener for Tee {
    fn chunk(&mut self, chunk: &Chunk, began_at: Option<Instant>, now: Instant) {
        if let Some(source) = lock(&self.0).as_mut() {
            source.append(chunk, began_at, now);
        }
    }

    fn muted(&mut self, input: usize, is_muted: bool) {
        if input == PICTURES
            && let Some(source) = lock(&self.0).as_ref()
        {
            source.set_muted(is_muted);
        }
    }
}

/// Held while a piece is handed over, which waits for nobody, or to take the source away. Nobody panics in between.
fn lock(writer: &Writer) -> std::sync::MutexGuard<'_, Option<SourceWriter>> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}
