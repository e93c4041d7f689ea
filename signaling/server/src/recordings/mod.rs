//! Recordings of rooms: from a request to files that play.
//!
//! [`Recordings`] begins, finds and stops them. Each is a task of its own ([`course`]): it follows its room, lets the
//! node's recorder write what `sluice_recordings` decides, and tells the log and the store how far it has come.
//! [`automatic`] begins those that nobody asks for, [`places`] says how many there may be. [`files`] knows which tracks share a file, [`delivery`] which bucket
//! files go to when it is over,
//! [`folder`] where files lie, [`filed`] what they were asked for as, [`ledger`] what is remembered of the room for the manifest; [`leftovers`] finishes
//! what a killed server left open, with [`repair`]. Knows no door.

mod automatic;
mod composites;
mod course;
mod delivery;
mod expiry;
mod feed;
mod filed;
mod files;
mod folder;
mod kept;
mod ledger;
mod leftovers;
mod live;
mod places;
mod repair;
mod segments;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use livekit_protocol::{EgressInfo, EgressStatus, egress_info};
use sluice_node::Recorder;
use sluice_objects::{Patience, S3Settings};
use sluice_recordings::{Composition, ENCRYPTED, Layout, Order, Output, RecordingId, Refusal, Request, StreamUrl};
use sluice_rooms::RoomSnapshot;
use sluice_store::{RecordingFilter, RoomName, Store, StoreError, UnixMillis};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use crate::clock::moment;
use crate::outbound::is_public;
use crate::random::random_secret;
use crate::room::Rooms;
pub use composites::FfmpegAt;
use composites::{Composites, Wish};
pub(crate) use composites::{Making, NotBegun, is_composite};
use course::Course;
pub(crate) use delivery::Whereabouts;
use delivery::{Delivery, facts_at_start};
use expiry::NotDeleted;
pub(crate) use kept::KeptFile;
use live::{Found, Live};
pub(crate) use places::{NoPlace, WishOf};
use places::{Place, Places};
use segments::Segments;

/// How recordings are kept.
#[derive(Debug, Clone)]
pub struct RecordingsConfig {
    /// The directory for them; `None`: nothing is recorded.
    pub folder: Option<PathBuf>,
    /// Most that go on at once.
    pub at_once: usize,
    /// Most of them that are of one room, where a back end does not ask for more.
    pub at_once_in_room: usize,
    /// Longest.
    pub max_time: Duration,
    /// Largest, of each file.
    pub max_bytes: u64,
    /// How long one is kept after its end; `None`: until somebody deletes it.
    pub keep: Option<Duration>,
    /// What makes one video of a recording.
    pub ffmpeg: FfmpegAt,
    /// Most videos that are made at once.
    pub compositions_at_once: usize,
    /// The bucket they are kept in when they are over; `None`: they stay in the directory.
    pub s3: Option<S3Settings>,
    /// Files stay in the directory, too, when a bucket has them.
    pub keep_local: bool,
    /// Buckets that requests bring along may be on this machine or in a private network.
    pub allow_private: bool,
}

impl RecordingsConfig {
    fn expiry(&self, ended: UnixMillis) -> Option<UnixMillis> {
        self.keep.map(|keep| ended.plus(keep))
    }
}

impl Default for RecordingsConfig {
    fn default() -> Self {
        Self {
            folder: None,
            at_once: 100,
            at_once_in_room: 25,
            max_time: Duration::from_secs(12 * 3600),
            max_bytes: 64 << 30,
            keep: None,
            ffmpeg: FfmpegAt::Path,
            compositions_at_once: 1,
            s3: None,
            keep_local: true,
            allow_private: false,
        }
    }
}

/// Why recordings cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum RecordingsError {
    /// The directory for them cannot be made.
    #[error("cannot make the directory for recordings (`recordings.path`): {0}")]
    Folder(std::io::Error),
    /// The thread that writes them cannot be started.
    #[error(transparent)]
    Thread(#[from] sluice_node::NodeError),
    /// The bucket for them cannot be one.
    #[error("recordings cannot be kept in the bucket of `recordings.s3`: {0}")]
    Bucket(sluice_objects::ShelfError),
    /// It cannot be read what a server before this one left open.
    #[error("cannot use storage: {0}")]
    Storage(#[from] StoreError),
}

/// Why something is not recorded, or not stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingError {
    #[error("this server records nothing: its operator has to set `recordings.path`")]
    Disabled,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("files cannot be sent to that bucket: {0}")]
    Bucket(sluice_objects::ShelfError),
    #[error("requested room does not exist")]
    NoRoom,
    #[error("egress does not exist")]
    NoRecording,
    #[error("the egress has ended")]
    Over,
    #[error("it is still recorded")]
    GoingOn,
    #[error(transparent)]
    NotComposed(#[from] NotBegun),
    #[error("as many recordings are composed while they go on as may at once")]
    TooManyLive,
    #[error("nothing of it goes out while it goes on")]
    NotLive,
    #[error("it cannot be sent there: {0}")]
    NotSent(String),
    #[error(transparent)]
    NoPlace(#[from] NoPlace),
    #[error("the directory for recordings cannot be written")]
    Folder(#[source] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NotDeleted> for RecordingError {
    fn from(error: NotDeleted) -> Self {
        match error {
            NotDeleted::Files(error) => Self::Folder(error),
            NotDeleted::Bucket(error) => Self::Folder(std::io::Error::other(error)),
            NotDeleted::Store(error) => Self::Store(error),
        }
    }
}

/// All recordings of this server.
#[derive(Clone)]
pub(crate) struct Recordings {
    shared: Arc<Shared>,
}

/// What every course reaches.
struct Shared {
    config: RecordingsConfig,
    recorder: Option<Recorder>,
    places: Arc<Places>,
    composites: Composites,
    delivery: Delivery,
    rooms: Arc<Rooms>,
    store: Store,
    /// Numbers of files.
    files: AtomicU64,
    going_on: DashMap<RecordingId, Handle>,
}

/// The way to a recording that goes on.
#[derive(Clone)]
struct Handle {
    ask: mpsc::Sender<Ask>,
    seen: watch::Receiver<EgressInfo>,
}

/// What is asked of a recording that goes on.
enum Ask {
    Stop,
    /// Another layout of what is composed.
    Layout(Layout, oneshot::Sender<Result<(), RecordingError>>),
    /// Others to send it to.
    Streams {
        add: Vec<StreamUrl>,
        found: Found,
        remove: Vec<StreamUrl>,
        reply: oneshot::Sender<Result<(), RecordingError>>,
    },
}

/// Which recordings somebody wants to see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) id: Option<String>,
    pub(crate) room: Option<String>,
    pub(crate) going_on: bool,
}

const NOT_HERE: Refusal =
    Refusal::NotOffered("videos are made of files that are kept here, and none are (`recordings.s3.keep_local`)");
/// Questions that may wait for a recording. Who stops it when these are many has not been the first to.
const ASKS: usize = 16;
/// Most recordings one answer lists.
const LISTED: u32 = 1000;

impl Recordings {
    /// Nothing is recorded yet. What a killed server left open is finished in the background.
    ///
    /// # Errors
    /// The directory cannot be made, or the recorder's thread cannot start.
    pub(crate) async fn open(
        config: RecordingsConfig,
        rooms: Arc<Rooms>,
        store: Store,
    ) -> Result<Self, RecordingsError> {
        let recorder = match &config.folder {
            None => None,
            Some(path) => {
                folder::make(path).map_err(RecordingsError::Folder)?;
                Some(Recorder::start()?)
            }
        };
        let composites = Composites::open(config.ffmpeg.clone(), config.compositions_at_once).await;
        let delivery = Delivery::new(&config).map_err(RecordingsError::Bucket)?;
        let left_open = store.recordings_left_open().await?;
        let (files, going_on) = (AtomicU64::new(0), DashMap::new());
        let places = Places::new(config.at_once, config.at_once_in_room);
        let shared = Arc::new(Shared { config, recorder, places, composites, delivery, rooms, store, files, going_on });
        tokio::spawn(leftovers::finish(shared.clone(), left_open));
        tokio::spawn(expiry::sweep(Arc::downgrade(&shared)));
        // The rooms are not to keep alive what keeps them.
        let recordings = Arc::downgrade(&shared);
        shared.rooms.record_by(move |room, wanted| {
            if let Some(shared) = recordings.upgrade() {
                tokio::spawn(automatic::follow(Self { shared }, room, wanted));
            }
        });
        Ok(Self { shared })
    }

    /// Begins one. It is in the store when this answers.
    pub(crate) async fn start(
        &self,
        order: Order,
        request: egress_info::Request,
        wish: WishOf,
    ) -> Result<EgressInfo, RecordingError> {
        self.start_and_compose(order, request, wish, None).await
    }

    /// The same; when it is over, one video is made of it as well.
    pub(crate) async fn start_and_compose(
        &self,
        order: Order,
        request: egress_info::Request,
        wish: WishOf,
        then: Option<Composition>,
    ) -> Result<EgressInfo, RecordingError> {
        // Who asked may leave meanwhile: what is in the store has to go on, too.
        let recordings = self.clone();
        let started = tokio::spawn(async move { recordings.begin(order, request, wish, then).await });
        started
            .await
            .unwrap_or_else(|error| Err(RecordingError::Folder(std::io::Error::other(error))))
    }

    async fn begin(
        &self,
        order: Order,
        request: egress_info::Request,
        wish: WishOf,
        then: Option<Composition>,
    ) -> Result<EgressInfo, RecordingError> {
        let shared = &self.shared;
        let (Some(recorder), Some(path)) = (&shared.recorder, &shared.config.folder) else {
            return Err(RecordingError::Disabled);
        };
        shared.composites.offer(&order)?;
        if then.is_some() && !shared.composites.is_possible() {
            return Err(NotBegun::NoFfmpeg.into());
        }
        if then.is_some() && shared.config.s3.is_some() && !shared.config.keep_local {
            return Err(NOT_HERE.into());
        }
        shared.delivery.destination(&order).map_err(RecordingError::Bucket)?;
        let place = shared.places.take(&order.room, wish)?;
        let mut found = Found::new();
        for output in &order.outputs {
            if let Output::Stream { urls } = output {
                found.extend(shared.reachable(urls).await?);
            }
        }
        let watched = shared.rooms.watch(&order.room).await.ok_or(RecordingError::NoRoom)?;
        if is_encrypted(&order, &watched.seen) {
            return Err(Refusal::NotOffered(ENCRYPTED).into());
        }
        let owner = shared.owner_of(&order.room).await?;
        let id = RecordingId::from_random(random_secret());
        let folder = folder::of(path, &id);
        folder::make(&folder).map_err(RecordingError::Folder)?;
        let begun = async {
            let facts = facts_at_start(&order, &watched.seen.room);
            let segments = Segments::of(&order, &facts, &folder);
            let remembered = shared.delivery.remember(&folder, &order, (&facts, segments.as_ref())).await;
            remembered.map_err(RecordingError::Folder)?;
            let live = match Live::is_wanted(&order) {
                true => Some(start_live(shared, &order, found, segments.clone()).await?),
                false => None,
            };
            let feed = segments.and_then(|segments| shared.delivery.feed(&id, &order, &segments));
            let (ask, asks) = mpsc::channel(ASKS);
            let by = (id.clone(), owner, Request::without_secrets(request));
            let (course, seen) =
                Course::new(shared.clone(), recorder.clone(), by, order, watched, (folder.clone(), live, feed), place);
            let info = seen.borrow().clone();
            // What is in the store can be stopped.
            shared.going_on.insert(id.clone(), Handle { ask, seen });
            course.keep().await.inspect_err(|_| drop(shared.going_on.remove(&id)))?;
            Ok((course, asks, info))
        };
        let (course, asks, info) = match begun.await {
            Ok(begun) => begun,
            Err(error) => {
                // The keys of a bucket may be in it.
                let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
                if let Err(error) = removed.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
                    tracing::error!(%error, id = id.as_str(), "what a recording began with cannot be removed");
                }
                return Err(error);
            }
        };
        let (shared, known) = (shared.clone(), info.egress_id.clone());
        tokio::spawn(async move {
            course.run(asks).await;
            if let Some(composition) = then {
                compose_after(&shared, &known, composition).await;
            }
        });
        Ok(info)
    }

    /// Ends one. How it is once that is under way.
    pub(crate) async fn stop(&self, id: &str) -> Result<EgressInfo, RecordingError> {
        let Some(id) = RecordingId::parse(id) else { return Err(RecordingError::NoRecording) };
        let Some(mut handle) = self.shared.going_on.get(&id).map(|handle| handle.clone()) else {
            let known = self.shared.store.recording(id.as_str()).await?;
            return Err(if known.is_some() { RecordingError::Over } else { RecordingError::NoRecording });
        };
        // Full: somebody else has asked already.
        let _ = handle.ask.try_send(Ask::Stop);
        let ends = |info: &EgressInfo| info.status >= EgressStatus::EgressEnding as i32;
        match handle.seen.wait_for(ends).await {
            Ok(info) => Ok(info.clone()),
            Err(_) => Err(RecordingError::Over),
        }
    }

    /// Shows one that is composed in another layout from now on.
    pub(crate) async fn set_layout(&self, id: &str, layout: Layout) -> Result<EgressInfo, RecordingError> {
        self.ask(id, |reply| Ask::Layout(layout, reply)).await
    }

    /// Sends one to these as well, and to those no more.
    pub(crate) async fn set_streams(
        &self,
        id: &str,
        add: Vec<StreamUrl>,
        remove: Vec<StreamUrl>,
    ) -> Result<EgressInfo, RecordingError> {
        let found = self.shared.reachable(&add).await?;
        self.ask(id, |reply| Ask::Streams { add, found, remove, reply }).await
    }

    async fn ask(
        &self,
        id: &str,
        ask: impl FnOnce(oneshot::Sender<Result<(), RecordingError>>) -> Ask,
    ) -> Result<EgressInfo, RecordingError> {
        let Some(id) = RecordingId::parse(id) else { return Err(RecordingError::NoRecording) };
        let Some(handle) = self.shared.going_on.get(&id).map(|handle| handle.clone()) else {
            let known = self.shared.store.recording(id.as_str()).await?;
            return Err(if known.is_some() { RecordingError::Over } else { RecordingError::NoRecording });
        };
        let (reply, answer) = oneshot::channel();
        let mut seen = handle.seen.clone();
        let asked = async {
            handle.ask.send(ask(reply)).await.map_err(|_| RecordingError::Over)?;
            answer.await.map_err(|_| RecordingError::Over)?
        };
        // From then on nobody listens: files are put together and sent, which may take days.
        let ends = |info: &EgressInfo| info.status >= EgressStatus::EgressEnding as i32;
        tokio::select! {
            biased;
            _ = seen.wait_for(ends) => return Err(RecordingError::Over),
            answered = asked => answered?,
        }
        Ok(handle.seen.borrow().clone())
    }

    /// Those that are wanted, the newest first.
    pub(crate) async fn list(&self, wanted: &Wanted) -> Result<Vec<EgressInfo>, RecordingError> {
        let found: Vec<_> = match &wanted.id {
            Some(id) => {
                let is_wanted = |recording: &sluice_store::Recording| {
                    wanted.room.as_deref().is_none_or(|room| recording.room.as_str() == room)
                        && (!wanted.going_on || !recording.is_over)
                };
                self.shared.store.recording(id).await?.filter(is_wanted).into_iter().collect()
            }
            None => {
                let room = wanted.room.as_deref().map(RoomName::from);
                let filter = RecordingFilter { room, going_on: wanted.going_on, ..RecordingFilter::default() };
                self.shared.store.recordings(&filter, None, LISTED).await?
            }
        };
        Ok(found.iter().filter_map(|recording| self.info(recording)).collect())
    }

    /// How it is at this moment. That it is over is said by what is kept alone, where its files are: it may have ended since
    /// that was read.
    pub(crate) fn info(&self, recording: &sluice_store::Recording) -> Option<EgressInfo> {
        use EgressStatus::{EgressActive, EgressEnding, EgressStarting};
        let goes_on = |info: &EgressInfo| matches!(info.status(), EgressStarting | EgressActive | EgressEnding);
        self.going_on(&recording.id).filter(goes_on).filter(|_| !recording.is_over).or_else(|| {
            let read = serde_json::from_str(&recording.info);
            read.inspect_err(|error| tracing::error!(%error, "a recording cannot be read")).ok()
        })
    }

    /// Begins to make one video of a recording that is over.
    pub(crate) async fn compose(
        &self,
        recording: &sluice_store::Recording,
        composition: Composition,
    ) -> Result<(), RecordingError> {
        let id = RecordingId::parse(&recording.id).ok_or(RecordingError::NoRecording)?;
        if !recording.is_over {
            return Err(RecordingError::GoingOn);
        }
        let mut tracks = Self::files(recording);
        tracks.retain(|file| !is_composite(&file.name));
        let is_here = |place: &Whereabouts| matches!(place, Whereabouts::Here(_));
        if !tracks.is_empty() && !self.whereabouts(recording, &tracks).await?.values().any(is_here) {
            return Err(NOT_HERE.into());
        }
        self.shared.composites.begin(&id)?;
        let shared = self.shared.clone();
        tokio::spawn(async move { make_composite(&shared, &id, composition).await });
        Ok(())
    }

    /// How far the video of a recording is, while it is made, or why it was not.
    pub(crate) fn making(&self, recording: &sluice_store::Recording) -> Option<Making> {
        self.shared.composites.of(&RecordingId::parse(&recording.id)?)
    }

    /// One recording, as it is kept.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<sluice_store::Recording>, RecordingError> {
        match RecordingId::parse(id) {
            Some(id) => Ok(self.shared.store.recording(id.as_str()).await?),
            None => Ok(None),
        }
    }

    /// Its files, once it is over.
    pub(crate) fn files(recording: &sluice_store::Recording) -> Vec<KeptFile> {
        KeptFile::read(&recording.files)
    }

    /// Where a file of it lies, if it is here.
    fn path_of(&self, recording: &sluice_store::Recording, file: &KeptFile) -> Option<PathBuf> {
        let id = RecordingId::parse(&recording.id)?;
        Some(folder::of(self.shared.config.folder.as_ref()?, &id).join(&file.name))
    }

    /// The path of a file of it in this server's API.
    pub(crate) fn location(recording: &sluice_store::Recording, file: &KeptFile) -> Option<String> {
        Some(folder::location(&RecordingId::parse(&recording.id)?, &file.name))
    }

    /// Where these files of it are at this moment, by their names. One that is not there is nowhere.
    pub(crate) async fn whereabouts(
        &self,
        recording: &sluice_store::Recording,
        files: &[KeptFile],
    ) -> Result<BTreeMap<String, Whereabouts>, RecordingError> {
        let (Some(path), Some(id)) = (&self.shared.config.folder, RecordingId::parse(&recording.id)) else {
            return Ok(BTreeMap::new());
        };
        let found = self.shared.delivery.whereabouts(&folder::of(path, &id), files).await;
        found.map_err(|error| RecordingError::Folder(std::io::Error::other(error)))
    }

    /// The manifest's text; `None` when there is none yet.
    pub(crate) async fn manifest(
        &self,
        recording: &sluice_store::Recording,
    ) -> Result<Option<Vec<u8>>, RecordingError> {
        let manifest = KeptFile { name: folder::MANIFEST.to_owned(), bytes: 0 };
        let Some(path) = self.path_of(recording, &manifest) else { return Ok(None) };
        match tokio::fs::read(path).await {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RecordingError::Folder(error)),
        }
    }

    /// Holds it, or lets go of it. `None` when it is gone.
    pub(crate) async fn hold(
        &self,
        id: &str,
        is_held: bool,
    ) -> Result<Option<sluice_store::Recording>, RecordingError> {
        Ok(self.shared.store.hold_recording(id, is_held).await?)
    }

    /// Says how long it is kept after its end, which may be to come; `None`: until somebody deletes it.
    pub(crate) async fn keep(
        &self,
        recording: &sluice_store::Recording,
        keep: Option<Duration>,
    ) -> Result<Option<sluice_store::Recording>, RecordingError> {
        Ok(self.shared.store.keep_recording_for(&recording.id, keep).await?)
    }

    /// Whether it is gone; not so while it goes on, or is held.
    pub(crate) async fn delete(&self, recording: &sluice_store::Recording) -> Result<bool, RecordingError> {
        Ok(expiry::delete(&self.shared, recording).await?)
    }

    fn going_on(&self, id: &str) -> Option<EgressInfo> {
        let id = RecordingId::parse(id)?;
        Some(self.shared.going_on.get(&id)?.seen.borrow().clone())
    }

    /// Waits until none goes on. Rooms have ended by then, so all are about to.
    pub(crate) async fn all_ended(&self) {
        // They take as long as the recording did. They can be asked for again.
        self.shared.composites.stop();
        loop {
            let Some(mut handle) = self.shared.going_on.iter().next().map(|handle| handle.clone()) else { return };
            // The sender goes with the course.
            while handle.seen.changed().await.is_ok() {}
            tokio::task::yield_now().await;
        }
    }
}

impl Shared {
    /// Nobody sends into our own network by asking us to, unless the operator says so. Whatever a name means a moment later, it is
    /// sent to what was found here.
    async fn reachable(&self, urls: &[StreamUrl]) -> Result<Found, RecordingError> {
        let mut hosts = Found::new();
        if self.config.allow_private {
            return Ok(hosts);
        }
        for url in urls {
            let found = tokio::net::lookup_host((url.host(), 0))
                .await
                .map(Iterator::collect::<Vec<_>>)
                .unwrap_or_default();
            match found.first() {
                Some(first) if found.iter().all(|address| is_public(address.ip())) => {
                    hosts.insert(url.host().to_owned(), first.ip());
                }
                _ => {
                    return Err(RecordingError::NotSent(format!(
                        "{} is not on the open internet (see `recordings.allow_private`)",
                        url.shown()
                    )));
                }
            }
        }
        Ok(hosts)
    }

    /// The account whose room it is.
    async fn owner_of(&self, room: &str) -> Result<Option<String>, StoreError> {
        Ok(self.store.room(&RoomName::from(room)).await?.and_then(|room| room.created_by))
    }

    /// Writes down that a recording is over, however long storage is away: whoever told of the end before that would leave a
    /// recording open that the next start ends, and tells of, once more. A server that stops meanwhile leaves it to that.
    async fn keep_end(&self, recording: &sluice_store::Recording) {
        for failures in 1.. {
            match self.store.put_recording(recording).await {
                Ok(()) => return,
                Err(error) if error.may_pass() => {
                    tracing::warn!(%error, id = recording.id, "the end of a recording cannot be kept, trying again");
                }
                Err(error) => {
                    tracing::error!(%error, id = recording.id, "storage does not take the end of a recording");
                    return;
                }
            }
            tokio::time::sleep(Patience::ENDLESS.delay(failures, u64::from_le_bytes(random_secret()))).await;
        }
    }

    fn next_file(&self) -> sluice_node::FileId {
        sluice_node::FileId(self.files.fetch_add(1, Ordering::Relaxed))
    }
}

/// All that there is to record at this moment is encrypted: somebody would wait for nothing.
fn is_encrypted(order: &Order, seen: &RoomSnapshot) -> bool {
    let tracks = seen
        .participants
        .iter()
        .flat_map(|participant| participant.tracks.iter().map(|track| course::facts(participant, track)));
    let mut wanted = tracks.filter(|facts| order.source.wants(facts)).peekable();
    wanted.peek().is_some() && wanted.all(|facts| facts.is_encrypted)
}

/// What composes it while it goes on.
async fn start_live(
    shared: &Shared,
    order: &Order,
    found: Found,
    segments: Option<Segments>,
) -> Result<(Live, OwnedSemaphorePermit), RecordingError> {
    let (ffmpeg, place) = shared.composites.live().ok_or(RecordingError::TooManyLive)?;
    let order = order.clone();
    let started = tokio::task::spawn_blocking(move || Live::start(&ffmpeg, &order, &found, segments, moment().0)).await;
    match started {
        Ok(Ok(live)) => Ok((live, place)),
        Ok(Err(error)) => Err(RecordingError::NotSent(error.to_string())),
        Err(error) => Err(RecordingError::Folder(std::io::Error::other(error))),
    }
}

/// The video that was asked for with the recording, when that is over.
async fn compose_after(shared: &Shared, id: &str, composition: Composition) {
    let Some(id) = RecordingId::parse(id) else { return };
    match shared.composites.begin(&id) {
        Ok(()) => make_composite(shared, &id, composition).await,
        Err(error) => tracing::warn!(%error, id = id.as_str(), "no video is made of a recording"),
    }
}

/// Makes what was begun, and adds it to the recording's files.
async fn make_composite(shared: &Shared, id: &RecordingId, composition: Composition) {
    let Some(path) = &shared.config.folder else { return };
    let wish = Wish { composition: composites::composition(composition, None), kind: sluice_composer::FileKind::Mp4 };
    // Why there is none is remembered there.
    let Ok(made) = shared.composites.make(id, folder::of(path, id), wish).await else { return };
    let file = made.file.name.clone();
    let added = async {
        let Some(recording) = shared.store.recording(id.as_str()).await? else { return Ok(()) };
        let mut files = KeptFile::read(&recording.files);
        files.retain(|file| file.name != made.file.name);
        files.push(made.file);
        let bytes = files.iter().map(|file| file.bytes).sum();
        shared
            .store
            .put_files_of_recording(id.as_str(), &KeptFile::write(&files), bytes)
            .await
            .map(drop)
    };
    if let Err(error) = added.await as Result<(), StoreError> {
        tracing::error!(%error, id = id.as_str(), "a composite cannot be added to its recording");
        return;
    }
    if let Err(error) = shared.delivery.add(id, folder::of(path, id), &file).await {
        tracing::error!(%error, id = id.as_str(), "a composite stays here: the bucket of its recording does not take it");
    }
}
