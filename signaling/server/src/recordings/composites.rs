//! One video of a recording that is over, made by ffmpeg from its files and its manifest.
//!
//! It takes about as long as the recording did and all of a core, so few are made at once, and the others wait. A job that is
//! cut off leaves nothing behind; the tracks stay, and it can be asked for again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use sluice_composer::{Canvas, ComposeError, Composition, Ffmpeg, FileKind, FileOutput, compose, is_unfinished};
use sluice_recordings as asked;
use sluice_recordings::{Order, Output, RecordingId, Refusal, Source};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::folder;
use super::kept::KeptFile;
use super::live::Live;

/// Jobs that wait, are under way, or failed and are remembered for those who ask why.
const JOBS: usize = 1_000;
const NO_FFMPEG: Refusal = Refusal::NotOffered(
    "this server has no ffmpeg, which makes videos: record participants or tracks, each into a file of its own",
);

/// Where ffmpeg is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FfmpegAt {
    /// Wherever the `PATH` leads.
    #[default]
    Path,
    /// There.
    File(PathBuf),
    /// It is not used.
    Off,
}

/// What makes composites on this server.
pub(super) struct Composites {
    ffmpeg: Option<Ffmpeg>,
    places: Semaphore,
    live_places: Arc<Semaphore>,
    jobs: DashMap<RecordingId, Arc<Job>>,
    stop: Arc<AtomicBool>,
}

/// One that is to be made.
#[derive(Debug, Default)]
struct Job {
    is_running: AtomicBool,
    permille: AtomicU32,
    failed: std::sync::OnceLock<String>,
}

/// How far a composite is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Making {
    /// Others come first.
    Waiting,
    /// From 0 to 1.
    Running(f32),
    /// Why there is none.
    Failed(String),
}

/// Why no job is begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotBegun {
    #[error("this server has no ffmpeg, which makes videos")]
    NoFfmpeg,
    #[error("one is being made of it")]
    UnderWay,
    #[error("as many wait as may")]
    TooMany,
}

/// What is to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) composition: Composition,
    pub(super) kind: FileKind,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) file: KeptFile,
    pub(super) duration: Duration,
}

impl Composites {
    /// Looks for ffmpeg, once.
    pub(super) async fn open(at: FfmpegAt, at_once: usize) -> Self {
        let looked = tokio::task::spawn_blocking(move || match at {
            FfmpegAt::Off => None,
            FfmpegAt::Path => Some(Ffmpeg::find(None)),
            FfmpegAt::File(path) => Some(Ffmpeg::find(Some(&path))),
        });
        let ffmpeg = match looked.await {
            Ok(Some(Ok(ffmpeg))) => {
                tracing::info!(version = ffmpeg.version(), path = %ffmpeg.path().display(), "recordings are composed with ffmpeg");
                Some(ffmpeg)
            }
            Ok(Some(Err(error))) => {
                tracing::info!("tracks are recorded, and no composites are made of them: {error}");
                None
            }
            Ok(None) | Err(_) => None,
        };
        Self {
            ffmpeg,
            places: Semaphore::new(at_once.max(1)),
            live_places: Arc::new(Semaphore::new(at_once.max(1))),
            jobs: DashMap::new(),
            stop: Arc::default(),
        }
    }

    /// What composes while a recording goes on: as many do so at once as may, and for as long as this is kept.
    pub(super) fn live(&self) -> Option<(Ffmpeg, OwnedSemaphorePermit)> {
        Some((self.ffmpeg.clone()?, Arc::clone(&self.live_places).try_acquire_owned().ok()?))
    }

    pub(super) fn is_possible(&self) -> bool {
        self.ffmpeg.is_some()
    }

    /// Whether what an order asks for can be made here.
    ///
    /// # Errors
    /// [`Refusal::NotOffered`].
    pub(super) fn offer(&self, order: &Order) -> Result<(), Refusal> {
        let needs = Live::is_wanted(order) || order.outputs.iter().any(|output| wish(order, output).is_some());
        if needs && self.ffmpeg.is_none() { Err(NO_FFMPEG) } else { Ok(()) }
    }

    /// How far that of a recording is; `None`: none is being made, and none failed.
    pub(super) fn of(&self, id: &RecordingId) -> Option<Making> {
        let job = self.jobs.get(id)?;
        Some(match job.failed.get() {
            Some(reason) => Making::Failed(reason.clone()),
            None if job.is_running.load(Ordering::Relaxed) => {
                let permille = u16::try_from(job.permille.load(Ordering::Relaxed)).unwrap_or(1000);
                Making::Running(f32::from(permille) / 1000.0)
            }
            None => Making::Waiting,
        })
    }

    /// Takes a place in the line. What is begun is to be made by [`Self::make`].
    ///
    /// # Errors
    /// [`NotBegun`].
    pub(super) fn begin(&self, id: &RecordingId) -> Result<(), NotBegun> {
        if self.ffmpeg.is_none() {
            return Err(NotBegun::NoFfmpeg);
        }
        if self.jobs.len() >= JOBS {
            // Those that failed are only remembered.
            self.jobs.retain(|_, job| job.failed.get().is_none());
        }
        if self.jobs.len() >= JOBS {
            return Err(NotBegun::TooMany);
        }
        match self.jobs.entry(id.clone()) {
            Entry::Occupied(job) if job.get().failed.get().is_none() => Err(NotBegun::UnderWay),
            Entry::Occupied(mut job) => {
                job.insert(Arc::default());
                Ok(())
            }
            Entry::Vacant(place) => {
                place.insert(Arc::default());
                Ok(())
            }
        }
    }

    /// Makes what was begun, when it is its turn.
    ///
    /// # Errors
    /// Why there is none, in a sentence.
    pub(super) async fn make(&self, id: &RecordingId, folder: PathBuf, wish: Wish) -> Result<Made, String> {
        let job = self.jobs.get(id).map(|job| Arc::clone(&job)).unwrap_or_default();
        let made = self.run(&job, folder, wish).await.map_err(|error| reason(id, &error));
        match &made {
            Ok(_) => drop(self.jobs.remove(id)),
            // Nobody else says so.
            Err(reason) => drop(job.failed.set(reason.clone())),
        }
        made
    }

    async fn run(&self, job: &Arc<Job>, folder: PathBuf, wish: Wish) -> Result<Made, ComposeError> {
        let _place = self.places.acquire().await.map_err(|_| ComposeError::Stopped)?;
        let Some(ffmpeg) = self.ffmpeg.clone() else { return Err(ComposeError::Nothing) };
        job.is_running.store(true, Ordering::Relaxed);
        let (job, stop) = (Arc::clone(job), Arc::clone(&self.stop));
        let made = tokio::task::spawn_blocking(move || {
            let manifest = folder::read_manifest(&folder.join(folder::MANIFEST))?.ok_or(ComposeError::Nothing)?;
            let name = file_name(wish);
            let output = FileOutput { path: folder.join(&name), kind: wish.kind };
            let progress = |done: f32| job.permille.store(permille(done), Ordering::Relaxed);
            let made = compose(&ffmpeg, &folder, &manifest, &wish.composition, &output, progress, &stop)?;
            if made.incomplete > 0 {
                tracing::warn!(tracks = made.incomplete, file = name, "not all of a recording is in its composite");
            }
            Ok(Made { file: KeptFile { name, bytes: made.bytes }, duration: made.duration })
        });
        made.await.unwrap_or_else(|error| Err(ComposeError::Io(io::Error::other(error))))
    }

    /// Takes away what a killed server left of composites of a recording that it had not finished. Blocks.
    ///
    /// # Errors
    /// The directory cannot be read, or not be written.
    pub(super) fn remove_unfinished(&self, id: &RecordingId, folder: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(is_unfinished) {
                continue;
            }
            // While its place is held nobody begins another, which would be written under the same name.
            let Entry::Vacant(_place) = self.jobs.entry(id.clone()) else { return Ok(()) };
            std::fs::remove_file(entry.path())?;
        }
        Ok(())
    }

    /// Ends those under way, and begins none.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.places.close();
    }
}

/// What has to be composed for an output; `None` where the tracks' own files are what was asked for.
pub(super) fn wish(order: &Order, output: &Output) -> Option<Wish> {
    let Output::File { kind, .. } = output else { return None };
    let composed = match (&order.source, kind) {
        (Source::Room(_), _) => composed(order),
        (_, asked::FileKind::Ogg | asked::FileKind::Mp3) => {
            asked::Composition { media: asked::Media::AudioOnly, ..asked::Composition::default() }
        }
        _ if order.encoding.is_some() => composed(order),
        _ => return None,
    };
    let kind = match kind {
        asked::FileKind::Ogg => FileKind::Ogg,
        asked::FileKind::Mp3 => FileKind::Mp3,
        asked::FileKind::ByCodec | asked::FileKind::Mp4 => FileKind::Mp4,
    };
    Some(Wish { composition: composition(composed, order.encoding), kind })
}

/// How an order is composed, where it is.
pub(super) fn composed(order: &Order) -> asked::Composition {
    match &order.source {
        Source::Room(composed) => *composed,
        Source::Participant { media, .. } => asked::Composition { layout: asked::Layout::SingleSpeaker, media: *media },
        Source::Track { .. } | Source::Pair { .. } => {
            asked::Composition { layout: asked::Layout::SingleSpeaker, ..asked::Composition::default() }
        }
    }
}

/// In the words of who composes.
pub(super) const fn layout(layout: asked::Layout) -> sluice_composer::Layout {
    match layout {
        asked::Layout::Grid => sluice_composer::Layout::Grid,
        asked::Layout::Speaker => sluice_composer::Layout::Speaker,
        asked::Layout::SingleSpeaker => sluice_composer::Layout::SingleSpeaker,
    }
}

/// In the words of who composes.
pub(super) fn composition(composed: asked::Composition, encoding: Option<asked::Encoding>) -> Composition {
    let usual = Composition {
        layout: layout(composed.layout),
        media: match composed.media {
            asked::Media::Both => sluice_composer::Media::Both,
            asked::Media::AudioOnly => sluice_composer::Media::AudioOnly,
            asked::Media::VideoOnly => sluice_composer::Media::VideoOnly,
        },
        ..Composition::default()
    };
    let Some(asked::Encoding { width, height, fps, video_bps, audio_bps, .. }) = encoding else { return usual };
    // What is too large is made as large as may be, by who composes.
    let small = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    let canvas = Canvas { width: small(width), height: small(height), fps: small(fps) };
    Composition { canvas, video_bps, audio_bps, ..usual }
}

/// One for each layout: another one of the same takes its place.
fn file_name(wish: Wish) -> String {
    let layout = match wish.composition.layout {
        sluice_composer::Layout::Grid => "grid",
        sluice_composer::Layout::Speaker => "speaker",
        sluice_composer::Layout::SingleSpeaker => "single-speaker",
    };
    let ending = match wish.kind {
        FileKind::Mp4 => "mp4",
        FileKind::WebM => "webm",
        FileKind::Ogg => "ogg",
        FileKind::Mp3 => "mp3",
    };
    format!("{PREFIX}{layout}.{ending}")
}

const PREFIX: &str = "composite-";

/// Whether a file of a recording was composed, by its name.
pub(crate) fn is_composite(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// For people outside: no paths, and no words of ffmpeg, which the log has.
fn reason(id: &RecordingId, error: &ComposeError) -> String {
    match error {
        ComposeError::Nothing => "the recording holds nothing to compose".to_owned(),
        ComposeError::Stopped => "the server was stopped while the video was made: ask for it again".to_owned(),
        error => {
            tracing::error!(%error, id = id.as_str(), "a composite cannot be made");
            "ffmpeg could not make the video: the server's log says why".to_owned()
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
fn permille(done: f32) -> u32 {
    (done.clamp(0.0, 1.0) * 1000.0) as u32
}
