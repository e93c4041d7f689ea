//! A composite that is made while the call goes on.
//!
//! A thread asks the [`program`] for a picture and the sound to it, many times a second, and hands them to an encoder
//! whose output is an MPEG transport stream. What is seen is three seconds old: recorders give clusters of a second,
//! after they have waited for repairs. Sources come and go; one that is slow or dead takes nobody along. An encoder that
//! stands still is ended, and the composite with it.

mod program;
mod source;

use std::io::{self, Read};
use std::process::ChildStdout;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::block::BlockWriter;
use crate::composition::{Composition, Layout};
use crate::decoder::{Decoder, Wanted};
use crate::encoder::{self, Target};
use crate::ffmpeg::Ffmpeg;
use crate::offline::ComposeError;
use crate::painter::Face;
use crate::process::{Ends, Killer, Process, lock};
use crate::stage::GuestId;
use program::Program;
pub use source::SourceWriter;

/// How old is what is seen: a cluster of a second, its wait for repairs and for the other track, and the time a decoder
/// takes to start.
const DELAY: Duration = Duration::from_secs(3);

/// Most sources at one time. Two processes decode each.
pub const MAX_SOURCES: usize = 64;

/// Up to so many sources, each is decoded as large as the canvas: any of them may be alone on it. With more, cameras are
/// decoded half as large, as hardly ever one is.
const FULL_SIZE: usize = 4;

/// Commands that wait for the next picture. A source makes a handful, and a picture comes many times a second. Beyond,
/// who speaks and who is muted is not heard, as those who say so must not wait; for all else one waits, at most until an
/// encoder that stands still is ended.
const MAX_COMMANDS: usize = 1024;

/// Behind its time by more, pictures are left out rather than made later; sound is not.
const BEHIND: Duration = Duration::from_secs(1);

/// Behind by more, sound is left out as well: the machine has slept.
const FAR_BEHIND: Duration = Duration::from_secs(10);

/// How long the encoder may take to end.
const LAST_WORK: Duration = Duration::from_secs(30);

/// An encoder that takes nothing for so long is stuck, and ended.
const STANDSTILL: Duration = Duration::from_secs(30);

/// How often it is looked whether it moves.
const LOOK: Duration = Duration::from_millis(200);

/// How it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveEncoding {
    /// Seconds between key frames: segments can begin there.
    pub keyframe_s: u16,
}

impl Default for LiveEncoding {
    fn default() -> Self {
        Self { keyframe_s: 2 }
    }
}

/// Whose a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceKey {
    /// Whose.
    pub identity: String,
    /// What stands in the picture.
    pub name: String,
    /// Their screen rather than themselves.
    pub is_screen: bool,
}

/// There are [`MAX_SOURCES`] already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {MAX_SOURCES} sources already")]
pub struct TooManySources;

/// What was composed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streamed {
    /// For how long.
    pub duration: Duration,
    /// Pictures that were left out, because the machine was too slow.
    pub skipped: u64,
}

/// See the module. Dropped, it ends at once.
#[derive(Debug)]
pub struct LiveComposer {
    shared: Arc<Shared>,
    composition: Composition,
    sources: Arc<AtomicUsize>,
    next_id: AtomicUsize,
    thread: Option<JoinHandle<Result<Streamed, ComposeError>>>,
    killer: Killer,
}

/// What was encoded. It must be read all the time: nothing is composed while nobody does, and after half a minute the
/// encoder is ended.
///
/// It ends where the composer finished. Where the encoder ends before, that is an error, and not the end of what was to
/// come.
#[derive(Debug)]
pub struct EncodedReader {
    stdout: ChildStdout,
    shared: Arc<Shared>,
}

impl Read for EncodedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stdout.read(buffer)?;
        if count == 0 && !buffer.is_empty() && !self.shared.is_complete.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the encoder ended before its work"));
        }
        Ok(count)
    }
}

/// What the composer's thread is told.
#[derive(Debug)]
enum Command {
    Source { id: GuestId, key: SourceKey },
    Removed(GuestId),
    Face(GuestId, Face),
    Muted(GuestId, bool),
    Speaker(Option<String>),
    Layout(Layout),
    Decoder { id: GuestId, part: u32, line_us: u64, wanted: Wanted, decoder: Decoder },
    Finish,
}

/// What all who write to a composer share.
#[derive(Debug)]
struct Shared {
    ffmpeg: Ffmpeg,
    started_at: Instant,
    /// Gone when the composer is.
    commands: Mutex<Option<SyncSender<Command>>>,
    is_stopped: AtomicBool,
    /// The encoder has all it is to get.
    is_complete: AtomicBool,
    encoded_us: AtomicU64,
}

impl Shared {
    /// A time on the composer's line.
    fn line_us(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started_at).as_micros()).unwrap_or(u64::MAX)
    }

    /// Says something, if anybody listens.
    fn tell(&self, command: Command) {
        let sender = lock(&self.commands).clone();
        if let Some(sender) = sender {
            // Nobody listens any more when this fails.
            drop(sender.send(command));
        }
    }

    /// Says something whose speaker must not wait. It is lost when too much waits already.
    fn mention(&self, command: Command) {
        let sender = lock(&self.commands).clone();
        if let Some(sender) = sender
            && let Err(TrySendError::Full(_)) = sender.try_send(command)
        {
            tracing::warn!("a composer is too busy to be told who speaks or is muted");
        }
    }
}

impl LiveComposer {
    /// Starts one at `now`. The reader has the MPEG transport stream.
    ///
    /// # Errors
    /// [`ComposeError`]: an encoder is missing, or the system starts no process or thread.
    pub fn start(
        ffmpeg: &Ffmpeg,
        composition: &Composition,
        encoding: LiveEncoding,
        now: Instant,
    ) -> Result<(Self, EncodedReader), ComposeError> {
        Self::start_watched(ffmpeg, composition, encoding, now, STANDSTILL)
    }

    fn start_watched(
        ffmpeg: &Ffmpeg,
        composition: &Composition,
        encoding: LiveEncoding,
        now: Instant,
        standstill: Duration,
    ) -> Result<(Self, EncodedReader), ComposeError> {
        let composition = Composition { canvas: composition.canvas.sane(), ..*composition };
        let target = Target::TransportStream { keyframe_s: encoding.keyframe_s };
        let command = encoder::command(ffmpeg, &composition, target)?;
        let mut encoder = Process::spawn(command, Ends { stdin: true, stdout: true })?;
        let stdout = encoder.take_stdout().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        let killer = encoder.killer();
        let (sender, commands) = sync_channel(MAX_COMMANDS);
        let shared = Arc::new(Shared {
            ffmpeg: ffmpeg.clone(),
            started_at: now,
            commands: Mutex::new(Some(sender)),
            is_stopped: AtomicBool::new(false),
            is_complete: AtomicBool::new(false),
            encoded_us: AtomicU64::new(0),
        });
        let reader = EncodedReader { stdout, shared: Arc::clone(&shared) };
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("composer".to_owned())
            .spawn(move || run(&theirs, &composition, &commands, encoder, standstill))?;
        let composer = Self {
            shared,
            composition,
            sources: Arc::default(),
            next_id: AtomicUsize::new(0),
            thread: Some(thread),
            killer,
        };
        Ok((composer, reader))
    }

    /// Somebody comes, or shares a screen.
    ///
    /// # Errors
    /// [`TooManySources`].
    pub fn source(&self, key: SourceKey) -> Result<SourceWriter, TooManySources> {
        let count = self.sources.fetch_add(1, Ordering::Relaxed);
        if count >= MAX_SOURCES {
            self.sources.fetch_sub(1, Ordering::Relaxed);
            return Err(TooManySources);
        }
        let id = GuestId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let canvas = self.composition.canvas;
        let mut wanted = Vec::new();
        if self.composition.media.has_video() {
            let coarse = if count < FULL_SIZE || key.is_screen { 1 } else { 2 };
            let side = |pixels: u16| crate::layout::even(usize::from(pixels) / coarse);
            wanted.push(Wanted::Pictures { width: side(canvas.width), height: side(canvas.height) });
        }
        if self.composition.media.has_audio() {
            wanted.push(Wanted::Sound);
        }
        self.shared.tell(Command::Source { id, key: key.clone() });
        if self.composition.media.has_video() {
            let (shared, names) = (Arc::clone(&self.shared), self.composition.names && !key.is_screen);
            // Letters are drawn by a process; nobody waits for that.
            let drawn = thread::Builder::new().name("composer-face".to_owned()).spawn(move || {
                let face = Face::of(&shared.ffmpeg, &key.identity, &key.name, names);
                shared.tell(Command::Face(id, face));
            });
            if let Err(error) = drawn {
                tracing::debug!(%error, "a name is not drawn");
            }
        }
        Ok(SourceWriter::new(Arc::clone(&self.shared), id, wanted))
    }

    /// Somebody left, or stopped sharing.
    pub fn remove(&self, source: SourceWriter) {
        self.shared.tell(Command::Removed(source.id()));
        self.sources.fetch_sub(1, Ordering::Relaxed);
        drop(source);
    }

    /// Who speaks.
    pub fn set_speaker(&self, identity: Option<&str>) {
        self.shared.mention(Command::Speaker(identity.map(str::to_owned)));
    }

    /// Another layout, from the next picture on.
    pub fn set_layout(&self, layout: Layout) {
        self.shared.tell(Command::Layout(layout));
    }

    /// How much was composed so far.
    #[must_use]
    pub fn composed(&self) -> Duration {
        Duration::from_micros(self.shared.encoded_us.load(Ordering::Relaxed))
    }

    /// Ends when what has come was seen, which takes some seconds. The reader must be read meanwhile, by somebody else.
    ///
    /// # Errors
    /// [`ComposeError`], where the encoder did not come to its end by itself. One that is stuck is ended after a while.
    pub fn finish(mut self) -> Result<Streamed, ComposeError> {
        self.shared.tell(Command::Finish);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => Err(ComposeError::Stopped),
        }
    }
}

impl Drop for LiveComposer {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        drop(lock(&self.shared.commands).take());
        if let Some(thread) = self.thread.take() {
            // It may be writing to an encoder that nobody reads from.
            self.killer.kill();
            drop(thread.join());
        }
    }
}

/// The composer's thread.
fn run(
    shared: &Shared,
    composition: &Composition,
    commands: &Receiver<Command>,
    mut encoder: Process,
    standstill: Duration,
) -> Result<Streamed, ComposeError> {
    let (played, was_stuck) = thread::scope(|scope| {
        let (over, is_over) = sync_channel::<()>(1);
        let killer = encoder.killer();
        let watch = thread::Builder::new()
            .name("composer-watch".to_owned())
            .spawn_scoped(scope, move || watch(&killer, &shared.encoded_us, standstill, &is_over));
        let Ok(watch) = watch else { return (Err(io::ErrorKind::WouldBlock.into()), false) };
        let played = play(shared, composition, commands, &mut encoder);
        drop(over);
        (played, watch.join().unwrap_or_default())
    });
    // Whoever still writes is not heard any more.
    drop(lock(&shared.commands).take());
    if shared.is_stopped.load(Ordering::Relaxed) {
        return Err(ComposeError::Stopped);
    }
    if was_stuck {
        return Err(ComposeError::Stuck);
    }
    let status = encoder.wait(LAST_WORK).map_err(|_| ComposeError::Stuck)?;
    match played {
        Ok(streamed) if status.success() => Ok(streamed),
        _ => Err(ComposeError::Encoder(encoder.last_words())),
    }
}

/// Ends an encoder that stands still. True if it did.
fn watch(killer: &Killer, encoded_us: &AtomicU64, standstill: Duration, is_over: &Receiver<()>) -> bool {
    let (mut last, mut still) = (0, Duration::ZERO);
    // Each look counts as long as it was meant to last: a machine that sleeps does not make anybody stuck.
    while is_over.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let now = encoded_us.load(Ordering::Relaxed);
        still = if now == last { still + LOOK } else { Duration::ZERO };
        last = now;
        if still >= standstill {
            tracing::warn!("an encoder stood still, and is ended");
            killer.kill();
            return true;
        }
    }
    false
}

/// Plays until it is told to finish, and what has come by then was seen.
fn play(
    shared: &Shared,
    composition: &Composition,
    commands: &Receiver<Command>,
    encoder: &mut Process,
) -> io::Result<Streamed> {
    let (canvas, media) = (composition.canvas, composition.media);
    let stdin = encoder.take_stdin().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut writer = BlockWriter::begin(stdin, media.has_video().then_some(canvas), media.has_audio())?;
    let mut program = Program::new(composition);
    let (mut tick, mut skipped) = (0_u64, 0_u64);
    let mut until: Option<Instant> = None;
    loop {
        let due = shared.started_at + Duration::from_micros(canvas.time_us(tick));
        // What is said before the picture's time counts for it.
        loop {
            let wait = due.saturating_duration_since(Instant::now());
            match commands.recv_timeout(wait) {
                Ok(Command::Finish) => until = Some(Instant::now() + DELAY),
                Ok(command) => obey(&mut program, command, canvas.time_us(tick)),
                Err(RecvTimeoutError::Timeout) => break,
                // The composer was dropped.
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
        let now = Instant::now();
        if until.is_some_and(|until| now >= until) {
            // Before its input is closed, and so before whoever reads sees the end.
            shared.is_complete.store(true, Ordering::Relaxed);
            return Ok(Streamed { duration: Duration::from_micros(canvas.time_us(tick)), skipped });
        }
        if now > due + BEHIND {
            let next = canvas.tick_at(shared.line_us(now)).max(tick);
            skipped += next - tick;
            let far = canvas.tick_at(shared.line_us(now.checked_sub(FAR_BEHIND).unwrap_or(now)));
            for missed in tick.max(far)..next {
                let samples = program.hear(missed);
                writer.write(canvas.time_us(missed), None, media.has_audio().then_some(samples))?;
            }
            tick = next;
        }
        let (picture, samples) = program.play(tick);
        let picture = media.has_video().then(|| picture.bytes());
        writer.write(canvas.time_us(tick), picture, media.has_audio().then_some(samples))?;
        tick += 1;
        shared.encoded_us.store(canvas.time_us(tick), Ordering::Relaxed);
    }
}

fn obey(program: &mut Program<Decoder>, command: Command, now_us: u64) {
    match command {
        Command::Source { id, key } => program.handle_source(id, key.identity, key.is_screen, now_us),
        Command::Removed(id) => program.handle_removed(id, now_us),
        Command::Face(id, face) => program.handle_face(id, face),
        Command::Muted(id, is_muted) => program.handle_muted(id, is_muted),
        Command::Speaker(speaker) => program.handle_speaker(speaker, now_us),
        Command::Layout(layout) => program.handle_layout(layout, now_us),
        Command::Decoder { id, part, line_us, wanted, decoder } => {
            program.handle_decoder(id, part, line_us, wanted, decoder, now_us);
        }
        // Obeyed where the time is known.
        Command::Finish => {}
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Answers questions as ffmpeg does, and then does nothing.
    fn stuck(folder: &std::path::Path) -> Ffmpeg {
        let (real, text, path) = (Ffmpeg::find(None).unwrap(), folder.join("text"), folder.join("ffmpeg"));
        let script =
            "#!/bin/sh\ncase \"$2\" in -version|-encoders|-filters) exec REAL \"$@\";; esac\nexec sleep 1000\n";
        fs::write(&text, script.replace("REAL", real.path().to_str().unwrap())).unwrap();
        fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
        // Nobody here must have it open for writing when it is run, and other tests start processes at this moment.
        assert!(std::process::Command::new("cp").args([&text, &path]).status().unwrap().success());
        Ffmpeg::find(Some(&path)).unwrap()
    }

    fn key() -> SourceKey {
        SourceKey { identity: "ada".to_owned(), name: String::new(), is_screen: false }
    }

    #[test]
    fn an_encoder_that_stands_still_is_ended_and_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let (ffmpeg, composition) = (stuck(folder.path()), Composition::default());
        let started = |standstill| {
            let (encoding, now) = (LiveEncoding::default(), Instant::now());
            LiveComposer::start_watched(&ffmpeg, &composition, encoding, now, standstill).unwrap()
        };
        // Nothing is read from it, and it reads nothing.
        let (composer, reader) = started(Duration::MAX);
        let source = composer.source(key()).unwrap();
        for _ in 0..2 * MAX_COMMANDS {
            source.set_muted(true);
            composer.set_speaker(Some("ada"));
        }
        drop((composer, reader));

        let (composer, mut reader) = started(LOOK);
        let outcome = composer.finish();
        assert!(matches!(outcome, Err(ComposeError::Stuck)), "{outcome:?}");
        assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
