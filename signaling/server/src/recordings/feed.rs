//! Segments on their way to a bucket while a recording goes on, for those who watch meanwhile.
//!
//! One after the other, and after each the playlists as they were with it: no playlist names what is not there. A bucket that
//! is away makes them late and nothing else. What waits is on the disk, and whatever is missing at the end goes with the
//! recording's other files ([`delivery`](super::delivery)), as it does when a server is killed.

use std::time::Duration;

use sluice_composer::{Playlist, SegmentPlan};
use sluice_objects::{Patience, Shelf, ShelfError, Stored};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::kept::content_type;
use crate::random::random_secret;

/// How often new segments are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the last request may take when the recording is over.
const LAST_REQUEST: Duration = Duration::from_secs(5);

/// The segments of a recording on their way. Dropped, nothing more is sent.
pub(super) struct Feed {
    end: oneshot::Sender<()>,
    task: JoinHandle<Vec<Stored>>,
}

/// How far it has come.
struct Progress {
    shelf: Shelf,
    /// What the names of its files begin with there.
    beside: String,
    plan: SegmentPlan,
    playlist: Playlist,
    /// The names in it.
    segments: Vec<String>,
    /// What is there. All requests wait for the one before, so there is no queue.
    stored: Vec<Stored>,
    /// How many of these the playlists name that are there.
    listed: usize,
}

impl Feed {
    /// Sends what is cut by this plan to a bucket, each under `beside` and its own name.
    pub(super) fn start(shelf: &Shelf, beside: String, plan: SegmentPlan) -> Self {
        let (end, mut ended) = oneshot::channel();
        let mut progress = Progress {
            // Nobody waits for a request that has to be given up when the recording ends.
            shelf: shelf.with_patience(Patience::ONCE),
            beside,
            plan,
            playlist: Playlist::default(),
            segments: Vec::new(),
            stored: Vec::new(),
            listed: 0,
        };
        let task = tokio::spawn(async move {
            let mut failures: u32 = 0;
            loop {
                let pause = match progress.step().await {
                    Ok(has_sent) => {
                        failures = 0;
                        if has_sent { Duration::ZERO } else { LOOK_EVERY }
                    }
                    Err(error) => {
                        failures = failures.saturating_add(1);
                        // Once in a while: an outage of a day is not a million lines.
                        if failures.is_power_of_two() {
                            let bucket = progress.shelf.settings();
                            tracing::warn!(%error, %bucket, tries = failures, "segments of a recording are late");
                        }
                        Patience::ENDLESS.delay(failures, u64::from_le_bytes(random_secret()))
                    }
                };
                tokio::select! {
                    biased;
                    _ = &mut ended => return progress.stored,
                    () = sleep(pause) => {}
                }
            }
        });
        Self { end, task }
    }

    /// Sends no more, and says what is there. A request that is under way is waited for, since a playlist of before must not
    /// come after the last one; not for long, since a server that ends waits too.
    pub(super) async fn end(mut self) -> Vec<Stored> {
        let _ = self.end.send(());
        match timeout(LAST_REQUEST, &mut self.task).await {
            Ok(stored) => stored.unwrap_or_default(),
            Err(_) => {
                self.task.abort();
                // All of it is sent again, which changes nothing.
                Vec::new()
            }
        }
    }
}

impl Progress {
    /// Sends the next one, or the playlists; whether there was anything to send.
    async fn step(&mut self) -> Result<bool, ShelfError> {
        if self.listed < self.stored.len() {
            self.list().await?;
            return Ok(true);
        }
        if self.stored.len() == self.segments.len() {
            self.look().await?;
        }
        let Some(name) = self.segments.get(self.stored.len()) else { return Ok(false) };
        let key = self.shelf.settings().key(&format!("{}{name}", self.beside))?;
        let stored = self.shelf.put_file(&key, &self.plan.folder.join(name), content_type(name)).await?;
        self.stored.push(stored);
        Ok(true)
    }

    async fn look(&mut self) -> Result<(), ShelfError> {
        let plan = self.plan.clone();
        let read = tokio::task::spawn_blocking(move || {
            let playlist = plan.read()?;
            let names = playlist.segments().into_iter().map(|segment| segment.name).collect();
            Ok((playlist, names))
        });
        let read = read.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        (self.playlist, self.segments) = read.map_err(ShelfError::Local)?;
        Ok(())
    }

    /// The live playlist first: who watches waits for it.
    async fn list(&mut self) -> Result<(), ShelfError> {
        let count = self.stored.len();
        let live = self.plan.live_playlist.as_ref().map(|name| (name, self.playlist.last_of(count)));
        for (name, text) in live.into_iter().chain([(&self.plan.playlist, self.playlist.up_to(count))]) {
            let key = self.shelf.settings().key(&format!("{}{name}", self.beside))?;
            self.shelf.put_text(&key, text, content_type(name)).await?;
        }
        self.listed = count;
        Ok(())
    }
}
