//! A recording that is composed while it goes on: for streams to others, and segments.
//!
//! Whatever is recorded goes to the composer too, piece by piece, from the recorder's thread; what that encodes goes to the
//! *outlets*. Starting and ending take processes, and block: whoever owns this does that elsewhere. Nothing here stops the
//! files of a recording, where it has some.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use livekit_protocol::SpeakerInfo;
use sluice_composer::{
    ComposeError, Ffmpeg, LiveComposer, LiveEncoding, NotAnAddress, OutletId, OutletRefused, OutletState, Outlets,
    PushAddress, SegmentPlan, SourceKey, SourceWriter,
};
use sluice_node::Listener;
use sluice_recorder::Chunk;
use sluice_recordings::{Layout, Order, Output, SegmentNames, Stream, StreamUrl};

use super::composites;
use super::kept::KeptFile;

const PLAYLIST: &str = "playlist.m3u8";
pub(super) const LIVE_PLAYLIST: &str = "live.m3u8";
/// Seconds of a segment, where nobody says.
const SEGMENT_S: u32 = 6;
const LONGEST_SEGMENT_S: u32 = 60;
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
    segments: Vec<(OutletId, SegmentPlan)>,
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
    /// Playlists and segments, as files of the recording.
    pub(super) files: Vec<KeptFile>,
    /// How many segments, and how long they play, in microseconds.
    pub(super) segments: u32,
    pub(super) duration_us: u64,
    /// What went wrong, for the log.
    pub(super) error: Option<ComposeError>,
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
        folder: &Path,
        found: &Found,
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
            segments: Vec::new(),
            sources: BTreeMap::new(),
            speaking: BTreeMap::new(),
        };
        for output in &order.outputs {
            match output {
                Output::Stream { urls } => urls.iter().try_for_each(|url| live.send_to(url, found, now_ms))?,
                // A second one would be the same.
                Output::Segments { names, .. } if live.segments.is_empty() => {
                    let plan = segment_plan(names, folder);
                    live.segments.push((live.outlets.segment(plan.clone())?, plan));
                }
                Output::Segments { .. } | Output::File { .. } | Output::Tracks { .. } => {}
            }
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
        let Some(writer) = self.sources.remove(&file) else { return };
        if let Some(source) = lock(&writer).take() {
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
        for (id, _) in &self.segments {
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
            if let Some(source) = lock(&writer).take() {
                self.composer.remove(source);
            }
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
        let mut ended = Ended { streams: Vec::new(), files: Vec::new(), segments: 0, duration_us: 0, error };
        for (_, plan) in &self.segments {
            let segments = plan.segments().unwrap_or_else(|error| {
                tracing::error!(%error, "the playlist of a recording cannot be read");
                Vec::new()
            });
            ended.segments += u32::try_from(segments.len()).unwrap_or(u32::MAX);
            ended.duration_us += segments.iter().map(|segment| segment.duration_us).sum::<u64>();
            let playlists = [Some(plan.playlist.clone()), plan.live_playlist.clone()].into_iter().flatten();
            for name in playlists.chain(segments.into_iter().map(|segment| segment.name)) {
                if let Ok(metadata) = plan.folder.join(&name).metadata() {
                    ended.files.push(KeptFile { name, bytes: metadata.len() });
                }
            }
        }
        ended.streams = self.streams.into_iter().map(|sent| sent.shown).collect();
        ended
    }
}

/// The folder is named after the recording, and so are its segments: in a bucket they lie beside those of others.
fn segment_plan(names: &SegmentNames, folder: &Path) -> SegmentPlan {
    let asked = if names.segment_s == 0 { SEGMENT_S } else { names.segment_s.min(LONGEST_SEGMENT_S) };
    let recording = folder.file_name().unwrap_or_default().to_string_lossy();
    SegmentPlan {
        folder: folder.to_owned(),
        playlist: PLAYLIST.to_owned(),
        live_playlist: names.live_playlist.is_some().then(|| LIVE_PLAYLIST.to_owned()),
        prefix: format!("{recording}-segment"),
        segment_s: u16::try_from(asked).unwrap_or(6),
        by_time: names.by_time,
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

/// Held for as long as it takes to copy a pointer. Nobody panics in between.
fn lock(writer: &Writer) -> std::sync::MutexGuard<'_, Option<SourceWriter>> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use sluice_recordings::Template;

    use super::*;

    #[test]
    fn segments_of_two_recordings_lie_beside_each_other_in_one_bucket() {
        let name = Template::parse("live/call", "").unwrap();
        let names =
            SegmentNames { prefix: name.clone(), playlist: name, live_playlist: None, segment_s: 0, by_time: false };
        let prefix_of = |id: &str| segment_plan(&names, &Path::new("recordings").join(id)).prefix;
        assert_eq!(prefix_of("EG_aaaaaaaaaaaa"), "EG_aaaaaaaaaaaa-segment");
        assert_ne!(prefix_of("EG_aaaaaaaaaaaa"), prefix_of("EG_bbbbbbbbbbbb"));
    }
}
