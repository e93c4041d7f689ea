//! The way of finished files to a bucket, for as long as it takes.
//!
//! A parcel is on the disk before it is on its way ([`Parcel`]), and files that are there are noted soon: a server that
//! is killed goes on about where it was, and sending a file twice changes nothing. The order at the end is: `outbox.json`
//! says that all is there, so that nobody looks for files that went; `stored.json` says what is kept; then local files go;
//! then `outbox.json` does. Whoever comes in between does the rest again, which changes nothing.
//!
//! A disk that is full ends nothing that is on its way, since that makes room: what cannot be written down waits, and so do
//! the local files. A parcel that found no room to be written down is on its way from memory.
//!
//! How many parcels wait is bounded by the disk they wait on; one takes a task and a few kilobytes. What is in memory of
//! files is bounded by the permits: one part each.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{Instant, sleep};

use crate::digest::blocking;
use crate::{
    Destination, Item, Kept, Parcel, Patience, Random, Reach, S3Settings, Shelf, ShelfError, Stored, Tries, durable,
};

/// How often a parcel is tried that a bucket refuses. Keys that are new take some seconds until all of a bucket knows
/// them; what is refused longer has to be seen by somebody.
const REFUSALS: u32 = 5;
const REFUSED: Patience = Patience { first: Duration::from_secs(2), longest: Duration::from_secs(30), attempts: None };

/// How much may be there and not be noted: so many files, so many bytes, or what came in so long. Each note writes the
/// whole list, and waits for the disk twice; what is not noted is sent again after a kill.
const UNNOTED_FILES: usize = 50;
const UNNOTED_BYTES: u64 = 8 << 20;
const UNNOTED: Duration = Duration::from_secs(5);

/// How an outbox works.
pub struct OutboxConfig {
    /// The configured bucket, if there is one.
    pub ours: Option<S3Settings>,
    /// Most requests with a bucket at once: as many to the configured one, and as many to all others together, so that
    /// a bucket somebody brought along and that hangs holds up others like it only.
    pub parallel: usize,
    /// Where buckets may be that requests bring along; `None`: anywhere.
    pub reach: Option<Reach>,
    /// How long one is waited for.
    pub patience: Patience,
    /// Randomness, for waits.
    pub random: Random,
}

/// What became of a parcel.
#[derive(Debug)]
pub enum Outcome {
    /// All of it is where it belongs, and was seen there.
    Stored(Kept),
    /// It is not, and will not be by itself. The files are where they were, and so is the note about them: it is tried
    /// again when it is [resumed](Outbox::resume).
    Refused(ShelfError),
}

/// The way to what becomes of a parcel.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Outcome>);

impl Receipt {
    /// Waits for it. `None`: the outbox was closed before; the parcel is on the disk.
    pub async fn outcome(self) -> Option<Outcome> {
        self.0.await.ok()
    }
}

/// All that is on its way.
pub struct Outbox {
    shared: Arc<Shared>,
}

struct Shared {
    ours: Option<Shelf>,
    theirs: Tries,
    reach: Option<Reach>,
    open_shelf: Box<OpenShelf>,
    /// Directories with a parcel on its way.
    under_way: Mutex<HashSet<PathBuf>>,
    closed: watch::Sender<bool>,
}

/// Whether it is the configured one is the third.
type OpenShelf = dyn Fn(S3Settings, Tries, bool) -> Result<Shelf, ShelfError> + Send + Sync;

impl Outbox {
    /// Nothing is on its way yet.
    ///
    /// # Errors
    /// [`ShelfError::Settings`] of the configured bucket.
    pub fn new(config: OutboxConfig) -> Result<Self, ShelfError> {
        let reach = config.reach;
        Self::with(config, move |settings, tries, is_ours| Shelf::open(settings, tries, reach.filter(|_| !is_ours)))
    }

    pub(crate) fn with(
        config: OutboxConfig,
        open_shelf: impl Fn(S3Settings, Tries, bool) -> Result<Shelf, ShelfError> + Send + Sync + 'static,
    ) -> Result<Self, ShelfError> {
        let tries = || Tries {
            patience: config.patience,
            random: config.random.clone(),
            turns: Arc::new(Semaphore::new(config.parallel.clamp(1, Semaphore::MAX_PERMITS))),
        };
        let shared = Shared {
            ours: config.ours.map(|settings| open_shelf(settings, tries(), true)).transpose()?,
            theirs: tries(),
            reach: config.reach,
            open_shelf: Box::new(open_shelf),
            under_way: Mutex::default(),
            closed: watch::Sender::new(false),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The configured bucket.
    #[must_use]
    pub fn shelf(&self) -> Option<&Shelf> {
        self.shared.ours.as_ref()
    }

    /// The bucket of a destination, for files that go there before their parcel does. They take turns with all others.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn open(&self, destination: &Destination) -> Result<Shelf, ShelfError> {
        self.shared.shelf(destination)
    }

    /// Whether files could be sent there, as far as that is known without asking anybody.
    ///
    /// # Errors
    /// [`ShelfError::Settings`], [`ShelfError::OffLimits`] and [`ShelfError::NoShelf`].
    pub fn check(&self, destination: &Destination) -> Result<(), ShelfError> {
        match destination {
            Destination::Ours => self.shared.ours.as_ref().map(|_| ()).ok_or(ShelfError::NoShelf),
            Destination::Theirs(settings) => {
                settings.check()?;
                settings.check_reach(self.shared.reach)
            }
        }
    }

    /// Writes down in a directory where its files are to go, once there are any.
    ///
    /// # Errors
    /// It cannot be written down.
    pub async fn remember(&self, folder: PathBuf, destination: Destination, note: String) -> std::io::Result<()> {
        let write = move || Parcel::new(destination, note, None).write(&folder);
        blocking(write).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
    }

    /// Forgets what is to go out of a directory, and with it the keys that came with a request.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub async fn forget(&self, folder: PathBuf) -> std::io::Result<()> {
        let remove = move || Parcel::remove(&folder);
        blocking(remove).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
    }

    /// Writes a parcel down in its directory, and sends it on its way if it has files. On a full disk it is not written
    /// down before all of it is there.
    ///
    /// # Errors
    /// It cannot be written down for another reason. Nothing is on its way then.
    pub async fn send(&self, folder: PathBuf, parcel: Parcel) -> std::io::Result<Receipt> {
        let (at, written) = (folder.clone(), parcel.clone());
        let outcome = blocking(move || written.write(&at)).await;
        match outcome.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Err(error) if durable::is_full(&error) => {
                tracing::warn!(%error, ?folder, "what is on its way to a bucket cannot be written down yet");
            }
            outcome => outcome?,
        }
        Ok(self.carry(folder, parcel))
    }

    /// Sends on what a server before this one left. `None`: nothing is on its way from there, or it is already.
    ///
    /// # Errors
    /// What is written there cannot be read.
    pub async fn resume(&self, folder: PathBuf) -> std::io::Result<Option<Receipt>> {
        let at = folder.clone();
        let read = blocking(move || Parcel::read(&at)).await;
        let parcel = read.unwrap_or_else(|error| Err(std::io::Error::other(error)))?;
        let is_ready = |parcel: &Parcel| parcel.items.is_some() && !self.shared.is_under_way(&folder);
        Ok(parcel.filter(is_ready).map(|parcel| self.carry(folder, parcel)))
    }

    /// Takes away what the configured bucket keeps of a directory's files. The directory itself stays.
    ///
    /// # Errors
    /// [`ShelfError::Unavailable`] and what a bucket can refuse; some may be gone then, and asking again takes the rest.
    /// [`ShelfError::NoShelf`] when they are in a bucket that is configured no more.
    pub async fn discard(&self, folder: &Path) -> Result<(), ShelfError> {
        let at = folder.to_owned();
        let read = blocking(move || Ok((Kept::read(&at)?, Parcel::read(&at)?))).await?;
        let (kept, parcel): (Option<Kept>, Option<Parcel>) = read.map_err(ShelfError::Local)?;
        let kept = kept.filter(|kept| kept.is_ours).map(|kept| kept.files).unwrap_or_default();
        let sent = parcel
            .filter(|parcel| parcel.destination == Destination::Ours)
            .map(|parcel| parcel.stored);
        let keys: Vec<_> = kept.into_iter().map(|(_, stored)| stored).chain(sent.unwrap_or_default()).collect();
        if keys.is_empty() {
            return Ok(());
        }
        // Somebody waits for this one.
        let shelf = self.shared.ours.as_ref().ok_or(ShelfError::NoShelf)?.with_patience(Patience::default());
        // The same keys in another bucket may be somebody else's.
        if keys.iter().any(|stored| !shelf.is_of(stored)) {
            return Err(ShelfError::NoShelf);
        }
        for stored in keys {
            shelf.delete(&stored.key).await?;
        }
        Ok(())
    }

    /// Stops all that is on its way. It is on the disk, and [resumed](Self::resume) by the server after this one.
    pub fn close(&self) {
        self.shared.closed.send_replace(true);
    }

    fn carry(&self, folder: PathBuf, parcel: Parcel) -> Receipt {
        let (tell, told) = oneshot::channel();
        let Some(items) = parcel.items.clone() else { return Receipt(told) };
        let shared = self.shared.clone();
        let under_way = UnderWay::enter(&shared, folder.clone());
        let mut closed = shared.closed.subscribe();
        tokio::spawn(async move {
            let under_way = under_way;
            let outcome = tokio::select! {
                outcome = shared.deliver(&folder, parcel, &items) => Some(outcome),
                _ = closed.wait_for(|is_closed| *is_closed) => None,
            };
            drop(under_way);
            if let Some(outcome) = outcome {
                // Nobody waits: it stands in the directory.
                let _ = tell.send(outcome);
            }
        });
        Receipt(told)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.close();
    }
}

/// A directory with a parcel on its way, until dropped: also when the task panics, or is never run.
struct UnderWay {
    shared: Arc<Shared>,
    folder: PathBuf,
}

impl UnderWay {
    fn enter(shared: &Arc<Shared>, folder: PathBuf) -> Self {
        shared.lock().insert(folder.clone());
        Self { shared: shared.clone(), folder }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.shared.lock().remove(&self.folder);
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_under_way(&self, folder: &Path) -> bool {
        self.lock().contains(folder)
    }

    fn shelf(&self, destination: &Destination) -> Result<Shelf, ShelfError> {
        match destination {
            Destination::Ours => self.ours.clone().ok_or(ShelfError::NoShelf),
            Destination::Theirs(settings) => (self.open_shelf)(settings.as_ref().clone(), self.theirs.clone(), false),
        }
    }

    async fn deliver(&self, folder: &Path, mut parcel: Parcel, items: &[Item]) -> Outcome {
        let shelf = match self.shelf(&parcel.destination) {
            Ok(shelf) => shelf,
            Err(error) => return Outcome::Refused(error),
        };
        let (mut refusals, mut without_room) = (0, 0_u32);
        loop {
            let error = match put_all(&shelf, folder, &mut parcel, items).await {
                Ok(kept) => return Outcome::Stored(kept),
                Err(error) => error,
            };
            if error.is_full_disk() {
                without_room = without_room.saturating_add(1);
                if without_room.is_power_of_two() {
                    tracing::warn!(%error, ?folder, tries = without_room, "what is kept in a bucket cannot be written down yet");
                }
                sleep(REFUSED.delay(without_room, (self.theirs.random)())).await;
                continue;
            }
            refusals += 1;
            tracing::warn!(%error, bucket = %shelf.settings(), refusals, "a bucket does not take what is to be kept in it");
            let is_here = matches!(error, ShelfError::Local(_) | ShelfError::Key(_) | ShelfError::TooLarge);
            if is_here && parcel.destination == Destination::Ours && !folder.exists() {
                take_back(&shelf, &parcel.stored).await;
            }
            if is_here || refusals >= REFUSALS {
                return Outcome::Refused(error);
            }
            sleep(REFUSED.delay(refusals, (self.theirs.random)())).await;
        }
    }
}

/// Puts what is not there yet, one file after the other, and tidies up.
async fn put_all(shelf: &Shelf, folder: &Path, parcel: &mut Parcel, items: &[Item]) -> Result<Kept, ShelfError> {
    let (mut noted_at, mut files, mut bytes) = (Instant::now(), 0, 0);
    for item in items.iter().skip(parcel.stored.len()) {
        if files >= UNNOTED_FILES || bytes >= UNNOTED_BYTES || noted_at.elapsed() >= UNNOTED {
            note(folder, parcel).await?;
            (noted_at, files, bytes) = (Instant::now(), 0, 0);
        }
        let stored = match shelf.put_file(&item.key, &folder.join(&item.name), &item.content_type).await {
            Ok(stored) => stored,
            Err(error) => {
                // It may be long until the next try. That the disk is full is not why there is one.
                return match note(folder, parcel).await {
                    Err(unnoted) if !unnoted.is_full_disk() => Err(unnoted),
                    _ => Err(error),
                };
            }
        };
        (files, bytes) = (files + 1, stored.bytes.saturating_add(bytes));
        parcel.stored.push(stored);
    }
    note(folder, parcel).await?;
    let names = items.iter().map(|item| item.name.clone());
    let kept = Kept {
        is_ours: parcel.destination == Destination::Ours,
        note: parcel.note.clone(),
        files: names.zip(parcel.stored.iter().cloned()).collect(),
    };
    let at = folder.to_owned();
    let before = blocking(move || Kept::read(&at)).await?.map_err(ShelfError::Local)?;
    let kept = kept.after(before);
    let leaving = items.iter().filter(|item| !item.stays).map(|item| folder.join(&item.name)).collect();
    let (at, written) = (folder.to_owned(), kept.clone());
    blocking(move || tidy(&at, &written, leaving)).await?.map_err(ShelfError::Local)?;
    Ok(kept)
}

/// Takes away what was sent out of a directory that somebody deleted meanwhile: nobody would know of it.
async fn take_back(shelf: &Shelf, sent: &[Stored]) {
    for stored in sent {
        if let Err(error) = shelf.delete(&stored.key).await {
            tracing::error!(%error, bucket = %shelf.settings(), "what is left of a deleted directory stays in its bucket");
        }
    }
}

/// Notes what is there.
async fn note(folder: &Path, parcel: &Parcel) -> Result<(), ShelfError> {
    let (at, written) = (folder.to_owned(), parcel.clone());
    blocking(move || written.write(&at)).await?.map_err(ShelfError::Local)
}

fn tidy(folder: &Path, kept: &Kept, leaving: Vec<PathBuf>) -> std::io::Result<()> {
    kept.write(folder)?;
    for path in leaving {
        durable::remove(&path)?;
    }
    Parcel::remove(folder)
}
