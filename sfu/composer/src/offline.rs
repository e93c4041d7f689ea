//! A composite of a recording that is over, from its manifest and its files.
//!
//! The clock is the number of the picture: for each, every track that is seen gives what it shows at that time, every
//! track that is heard the sound until the next one. Nothing is left out when the machine is slow; it takes longer.
//! Blocks the thread it is called on. A file that is missing or broken is an avatar and silence;
//! where all are missing there is no composite.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use sluice_recorder::manifest::{Manifest, Track};

use crate::block::BlockWriter;
use crate::composition::{Canvas, Composition};
use crate::decoder::{Block, Decoder, Input, Next, Wanted};
use crate::encoder::{self, FileOutput, NoEncoder, Target};
use crate::ffmpeg::Ffmpeg;
use crate::painter::{Face, Painter, Shown};
use crate::process::{Ends, Killer, Process};
use crate::sound::{Voice, moment_of, samples_of, soften};
use crate::stage::{FeedId, GuestId};
use crate::timeline::{Span, Timeline};

/// A process that does nothing for so long is stuck, and ended.
const STUCK: Duration = Duration::from_secs(60);
/// How long the encoder may take after its last picture: it moves the index of a file of hours to the begin.
const LAST_WORK: Duration = Duration::from_secs(600);
/// How long before a span its file is read from, in microseconds: the picture that is seen then began before.
const BEFORE_US: u64 = 2_000_000;
/// How often it is looked whether the job is to stop.
const LOOK: Duration = Duration::from_millis(200);

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Composed {
    /// How long it plays.
    pub duration: Duration,
    /// How large it is.
    pub bytes: u64,
    /// Tracks that could not be read to their end, or are not heard as too many others are.
    pub incomplete: usize,
}

/// Why there is no composite.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// No track has anything of what is asked for, or its file is gone.
    #[error("the recording holds nothing to compose")]
    Nothing,
    /// A file of the manifest is not beside it.
    #[error("the manifest names a file outside of the recording's folder")]
    OutsideOfFolder,
    /// The encoder that would be needed.
    #[error(transparent)]
    NoEncoder(#[from] NoEncoder),
    /// It was told to stop.
    #[error("the composition was stopped")]
    Stopped,
    /// The encoder did nothing any more.
    #[error("the encoder was stuck and has been ended")]
    Stuck,
    /// The encoder ended before its work.
    #[error("the encoder failed: {0}")]
    Encoder(String),
    /// Files or processes.
    #[error("the composite could not be written: {0}")]
    Io(#[from] io::Error),
}

/// Makes a composite. `progress` is told from 0 to 1 how far it is; set `stop` to end it early.
///
/// # Errors
/// [`ComposeError`]; nothing is left behind then.
pub fn compose(
    ffmpeg: &Ffmpeg,
    folder: &Path,
    manifest: &Manifest,
    composition: &Composition,
    output: &FileOutput,
    mut progress: impl FnMut(f32),
    stop: &AtomicBool,
) -> Result<Composed, ComposeError> {
    let unfinished = Unfinished(unfinished(&output.path)?);
    let target = Target::File { kind: output.kind, path: &unfinished.0 };
    let canvas = composition.canvas.sane();
    let composition = Composition { canvas, media: target.media(composition.media), ..*composition };
    if manifest.tracks.iter().any(|track| !is_plain(&track.file)) {
        return Err(ComposeError::OutsideOfFolder);
    }
    let timeline = Timeline::of(manifest, &composition);
    let ticks = canvas.tick_at(timeline.duration_us);
    if ticks == 0 || (timeline.pictures.is_empty() && timeline.voices.is_empty()) {
        return Err(ComposeError::Nothing);
    }
    // Hours of avatars and silence would look like the recording.
    let is_there = |span: &Span| {
        let track = manifest.tracks.get(span.track);
        track.is_some_and(|track| folder.join(&track.file).is_file())
    };
    if !timeline.pictures.iter().chain(&timeline.voices).any(is_there) {
        return Err(ComposeError::Nothing);
    }

    let command = encoder::command(ffmpeg, &composition, target)?;
    let mut encoder = Process::spawn(command, Ends { stdin: true, stdout: false })?;
    let stdin = encoder.take_stdin().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
    let mut job = Job::new(ffmpeg, folder, manifest, &composition, &timeline);
    let moved = AtomicU64::new(0);
    let played = thread::scope(|scope| {
        let (over, is_over) = channel::<()>();
        // Writing to an encoder that is stuck would wait for ever, and nobody could stop it.
        let killer = encoder.killer();
        let watched = &moved;
        let watch = thread::Builder::new()
            .name("composer-watch".to_owned())
            .spawn_scoped(scope, move || watch(&killer, watched, stop, &is_over))?;
        let played = job.play(stdin, ticks, stop, |tick| {
            moved.store(tick, Ordering::Relaxed);
            let permille = u16::try_from(tick.saturating_mul(1000) / ticks).unwrap_or(1000);
            progress(f32::from(permille) / 1000.0);
        });
        drop(over);
        match watch.join() {
            Ok(Some(ended)) => Err(ended),
            Ok(None) | Err(_) => Ok(played),
        }
    })?;
    finish(&mut encoder, &played, stop, &unfinished.0)?;
    let incomplete = job.incomplete + timeline.unheard;
    fs::rename(&unfinished.0, &output.path)?;
    progress(1.0);
    let bytes = fs::metadata(&output.path)?.len();
    Ok(Composed { duration: Duration::from_micros(canvas.time_us(ticks)), bytes, incomplete })
}

/// Ends an encoder that does not move, or is to stop. Says why, if it did.
fn watch(killer: &Killer, moved: &AtomicU64, stop: &AtomicBool, is_over: &Receiver<()>) -> Option<ComposeError> {
    let (mut last, mut still) = (0, Duration::ZERO);
    loop {
        match is_over.recv_timeout(LOOK) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if stop.load(Ordering::Relaxed) {
            killer.kill();
            return Some(ComposeError::Stopped);
        }
        let now = moved.load(Ordering::Relaxed);
        still = if now == last { still + LOOK } else { Duration::ZERO };
        last = now;
        // Decoders that are stuck are ended first, which takes a while of its own.
        if still > 3 * STUCK {
            killer.kill();
            return Some(ComposeError::Stuck);
        }
    }
}

/// Waits for the encoder's last work.
fn finish(encoder: &mut Process, played: &io::Result<()>, stop: &AtomicBool, path: &Path) -> Result<(), ComposeError> {
    let mut waited = Duration::ZERO;
    while !encoder.has_ended_within(LOOK) {
        waited += LOOK;
        if stop.load(Ordering::Relaxed) {
            return Err(ComposeError::Stopped);
        }
        if waited > LAST_WORK {
            return Err(ComposeError::Stuck);
        }
    }
    let status = encoder.wait(LOOK).map_err(|_| ComposeError::Stuck)?;
    if stop.load(Ordering::Relaxed) {
        return Err(ComposeError::Stopped);
    }
    if !status.success() || played.is_err() {
        // Where things lie on this machine is nobody's business.
        let words = encoder.last_words().replace(&*path.to_string_lossy(), "the file");
        return Err(ComposeError::Encoder(words));
    }
    Ok(())
}

/// What a name begins and ends with until the file is whole.
const UNFINISHED: (&str, &str) = (".", ".unfinished");

/// A file that is removed unless it was renamed.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        match fs::remove_file(&self.0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "an unfinished composite could not be removed"),
        }
    }
}

/// Beside the file that is to be made.
fn unfinished(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut unfinished = std::ffi::OsString::from(UNFINISHED.0);
    unfinished.push(name);
    unfinished.push(UNFINISHED.1);
    Ok(path.with_file_name(unfinished))
}

/// Whether a file is a composite that is being made, by its name; one that nobody makes was left by a process that was killed.
#[must_use]
pub fn is_unfinished(name: &str) -> bool {
    name.strip_prefix(UNFINISHED.0).is_some_and(|name| name.ends_with(UNFINISHED.1))
}

/// A name of a file, and no way to another folder.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(part)), None) if part == name)
}

/// Everything that plays.
struct Job<'a> {
    ffmpeg: &'a Ffmpeg,
    folder: &'a Path,
    tracks: &'a [Track],
    composition: &'a Composition,
    timeline: &'a Timeline,
    painter: Painter,
    feeds: BTreeMap<FeedId, Shown>,
    pictures: Vec<Seen>,
    voices: Vec<Heard>,
    /// Spans that have not begun.
    next_picture: usize,
    next_voice: usize,
    incomplete: usize,
}

/// A track that is seen.
struct Seen {
    span: Span,
    offset_us: u64,
    wanted: Wanted,
    decoder: Option<Decoder>,
    /// A picture that is not due yet.
    ahead: Option<Block>,
    number: u64,
}

/// A track that is heard.
struct Heard {
    span: Span,
    offset_us: u64,
    decoder: Option<Decoder>,
    voice: Voice,
}

impl<'a> Job<'a> {
    fn new(
        ffmpeg: &'a Ffmpeg,
        folder: &'a Path,
        manifest: &'a Manifest,
        composition: &'a Composition,
        timeline: &'a Timeline,
    ) -> Self {
        Self {
            ffmpeg,
            folder,
            tracks: &manifest.tracks,
            composition,
            timeline,
            painter: Painter::new(composition.canvas),
            feeds: BTreeMap::new(),
            pictures: Vec::new(),
            voices: Vec::new(),
            next_picture: 0,
            next_voice: 0,
            incomplete: 0,
        }
    }

    /// Plays it into the encoder. It ends early when that ends, or it is to stop.
    fn play(
        &mut self,
        stdin: ChildStdin,
        ticks: u64,
        stop: &AtomicBool,
        mut played: impl FnMut(u64),
    ) -> io::Result<()> {
        let (canvas, media) = (self.composition.canvas, self.composition.media);
        let mut writer = BlockWriter::begin(stdin, media.has_video().then_some(canvas), media.has_audio())?;
        let mut mix = Vec::new();
        for tick in 0..ticks {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let time_us = canvas.time_us(tick);
            if media.has_video() {
                self.look(canvas, time_us, stop);
            }
            if media.has_audio() {
                self.listen(canvas, tick, &mut mix, stop);
            }
            let picture = media.has_video().then(|| self.painter.canvas().bytes());
            writer.write(time_us, picture, media.has_audio().then_some(mix.as_slice()))?;
            played(tick);
        }
        Ok(())
    }

    /// Paints what is seen at this time.
    fn look(&mut self, canvas: Canvas, time_us: u64, stop: &AtomicBool) {
        while let Some(span) = self.timeline.pictures.get(self.next_picture).filter(|span| span.from_us <= time_us) {
            self.next_picture += 1;
            let seen = self.open_picture(*span);
            self.pictures.push(seen);
        }
        let feeds = &mut self.feeds;
        self.pictures.retain(|seen| {
            let goes_on = seen.span.to_us > time_us;
            if !goes_on {
                feeds.remove(&FeedId(seen.span.track));
            }
            goes_on
        });
        // The picture that is nearest: up to half a picture's time ahead.
        let until_us = time_us + canvas.time_us(1) / 2;
        for seen in &mut self.pictures {
            self.incomplete += usize::from(!seen.advance(until_us, &mut self.feeds, stop));
        }
        let Some((_, scene)) = self.timeline.scenes.get(self.timeline.scene_at(time_us)) else { return };
        for tile in &scene.tiles {
            if !self.painter.knows(tile.guest) {
                self.painter
                    .set_face(tile.guest, face(self.ffmpeg, self.timeline, tile.guest, self.composition.names));
            }
        }
        self.painter.paint(scene, &self.feeds);
    }

    /// Mixes what is heard from this picture to the next.
    fn listen(&mut self, canvas: Canvas, tick: u64, mix: &mut Vec<f32>, stop: &AtomicBool) {
        let time_us = canvas.time_us(tick);
        let (from, to) = (moment_of(tick, canvas.fps), moment_of(tick + 1, canvas.fps));
        mix.clear();
        mix.resize(usize::try_from((to - from) * 2).unwrap_or_default(), 0.0);
        while let Some(span) = self.timeline.voices.get(self.next_voice).filter(|span| span.from_us <= time_us) {
            self.next_voice += 1;
            let heard = self.open_voice(*span, from);
            self.voices.push(heard);
        }
        self.voices.retain(|heard| heard.span.to_us > time_us);
        for heard in &mut self.voices {
            self.incomplete += usize::from(!heard.fill(to, stop));
            heard.voice.mix(from, mix);
        }
        soften(mix);
    }

    fn open_picture(&mut self, span: Span) -> Seen {
        let (width, height) = span.size.unwrap_or((2, 2));
        let wanted = Wanted::Pictures { width, height };
        let (decoder, offset_us) = self.open(span, wanted);
        Seen { span, offset_us, wanted, decoder, ahead: None, number: 0 }
    }

    fn open_voice(&mut self, span: Span, moment: u64) -> Heard {
        let (decoder, offset_us) = self.open(span, Wanted::Sound);
        Heard { span, offset_us, decoder, voice: Voice::from(moment) }
    }

    /// A decoder that begins a little before a span. Without one, the track is not there.
    fn open(&mut self, span: Span, wanted: Wanted) -> (Option<Decoder>, u64) {
        let Some(track) = self.tracks.get(span.track) else { return (None, 0) };
        let from_us = span.from_us.saturating_sub(track.offset_us).saturating_sub(BEFORE_US);
        let input = Input::File { path: self.folder.join(&track.file), from_us };
        match Decoder::start(self.ffmpeg, &input, wanted) {
            Ok(decoder) => (Some(decoder), track.offset_us),
            Err(error) => {
                tracing::warn!(%error, "a track of a composite could not be read");
                self.incomplete += 1;
                (None, track.offset_us)
            }
        }
    }
}

/// How somebody looks.
fn face(ffmpeg: &Ffmpeg, timeline: &Timeline, id: GuestId, names: bool) -> Face {
    match timeline.guests.get(id.0) {
        // A screen is all picture: a name would hide what is on it.
        Some(guest) => Face::of(ffmpeg, &guest.identity, &guest.name, names && !guest.is_screen),
        None => Face::default(),
    }
}

impl Seen {
    /// Shows the last picture until this time. False when the track ended as it should not.
    fn advance(&mut self, until_us: u64, feeds: &mut BTreeMap<FeedId, Shown>, stop: &AtomicBool) -> bool {
        let mut newest = None;
        let mut is_well = true;
        while let Some(decoder) = &self.decoder {
            let block = match self.ahead.take() {
                Some(block) => block,
                None => match next(decoder, stop) {
                    Some(block) => block,
                    None => {
                        is_well = ended_well(decoder, stop);
                        self.decoder = None;
                        break;
                    }
                },
            };
            if self.offset_us.saturating_add(block.time_us) > until_us {
                self.ahead = Some(block);
                break;
            }
            if let Some(Block { bytes, .. }) = newest.replace(block) {
                decoder.give_back(bytes);
            }
        }
        if let Some(picture) = newest.and_then(|block| self.wanted.picture(block.bytes)) {
            self.number += 1;
            let shown = Shown { picture, number: self.number };
            let before = feeds.insert(FeedId(self.span.track), shown);
            if let (Some(decoder), Some(before)) = (&self.decoder, before) {
                decoder.give_back(before.picture.into_bytes());
            }
        }
        is_well
    }
}

impl Heard {
    /// Reads until this moment. False when the track ended as it should not.
    fn fill(&mut self, until: u64, stop: &AtomicBool) -> bool {
        while self.voice.end() < until
            && let Some(decoder) = &self.decoder
        {
            match next(decoder, stop) {
                Some(block) => {
                    let samples = samples_of(&block.bytes);
                    self.voice.push(self.offset_us.saturating_add(block.time_us), samples);
                    decoder.give_back(block.bytes);
                }
                None => {
                    let is_well = ended_well(decoder, stop);
                    self.decoder = None;
                    return is_well;
                }
            }
        }
        true
    }
}

/// The next block. `None` when there is none, also when the decoder is stuck or all is to stop.
fn next(decoder: &Decoder, stop: &AtomicBool) -> Option<Block> {
    let mut waited = Duration::ZERO;
    while waited < STUCK && !stop.load(Ordering::Relaxed) {
        match decoder.next(LOOK) {
            Next::Block(block) => return Some(block),
            Next::Later => waited += LOOK,
            Next::End => return None,
        }
    }
    None
}

/// Whether a decoder that gives nothing more has read its file to the end.
fn ended_well(decoder: &Decoder, stop: &AtomicBool) -> bool {
    if stop.load(Ordering::Relaxed) {
        return true;
    }
    match decoder.complaint() {
        Some(reason) => {
            tracing::warn!(reason, "a track of a composite could not be read to its end");
            false
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_lead_nowhere_else() {
        for name in ["ada.webm", "-y.webm", "ä b.mkv", "..webm"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["", ".", "..", "/etc/passwd", "../ada.webm", "a/b.webm", "ada.webm/", "./ada.webm"] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
