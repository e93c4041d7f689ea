//! Where a recording's files go when it is over: they stay here, or a bucket has them.
//!
//! A recording is over only when its files are where they belong. What the recording will be then (its `EgressInfo`)
//! travels with the files, as the note of their parcel: so whoever comes after a killed server knows it, too.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use livekit_protocol::{EgressInfo, EgressStatus, Room};
use serde::{Deserialize, Serialize};
use sluice_objects::{
    Destination, Item, Kept, LONGEST_LIFE, ObjectKey, Outbox, OutboxConfig, Outcome, Parcel, Patience, Receipt,
    S3Settings, ShelfError, SignedUrl, Stored,
};
use sluice_recordings::{Destination as Asked, Facts, Order, Output, RecordingId, S3Target, Source, UnixSeconds};
use sluice_rooms::{RecordingStep, RoomEvent, RoomEventKind};
use sluice_store::Recording;

use super::feed::Feed;
use super::kept::{KeptFile, content_type, is_playlist};
use super::segments::Segments;
use super::{RecordingsConfig, Shared, folder};
use crate::clock::moment;
use crate::outbound::is_public;
use crate::random::random_secret;

/// Most requests at once, to the configured bucket and to all others. One holds 8 MiB of a file.
const PARALLEL: usize = 4;

/// The way of files to buckets.
pub(super) struct Delivery {
    outbox: Outbox,
    keep_local: bool,
}

impl Delivery {
    pub(super) fn new(config: &RecordingsConfig) -> Result<Self, ShelfError> {
        let outbox = Outbox::new(OutboxConfig {
            ours: config.s3.clone(),
            parallel: PARALLEL,
            reach: (!config.allow_private).then_some(is_public),
            patience: Patience::ENDLESS,
            random: Arc::new(|| u64::from_le_bytes(random_secret())),
        })?;
        Ok(Self { outbox, keep_local: config.keep_local })
    }

    /// Where the files of an order go; `None`: they stay here.
    ///
    /// # Errors
    /// A bucket of the order's own cannot be sent to.
    pub(super) fn destination(&self, order: &Order) -> Result<Option<Destination>, ShelfError> {
        // It is the same for all.
        match order.outputs.iter().find_map(Output::destination) {
            Some(Asked::S3(target)) => {
                let destination = Destination::Theirs(Box::new(settings(target)));
                self.outbox.check(&destination)?;
                Ok(Some(destination))
            }
            _ => Ok(self.outbox.shelf().map(|_| Destination::Ours)),
        }
    }

    /// Writes down the keys that came with an order, since nobody else has them after a crash.
    pub(super) async fn remember(
        &self,
        folder: &Path,
        order: &Order,
        (facts, segments): (&Facts<'_>, Option<&Segments>),
    ) -> Result<(), std::io::Error> {
        let Ok(Some(destination @ Destination::Theirs(_))) = self.destination(order) else { return Ok(()) };
        let name = order.outputs.iter().find_map(Output::name);
        let wish = Wish {
            name: name.map_or_else(String::new, |name| name.fill(facts, "").to_string()),
            beside: segments.map(Segments::beside).unwrap_or_default(),
            with_manifest: with_manifest(order),
        };
        self.outbox.remember(folder.to_owned(), destination, serde_json::to_string(&wish)?).await
    }

    /// What is to be sent of a recording's directory, and the address of each: files with the names they were asked for
    /// under, and the manifest last.
    ///
    /// # Errors
    /// A name that no bucket takes.
    pub(super) fn pack(
        &self,
        id: &RecordingId,
        destination: &Destination,
        with_manifest: bool,
        files: &[(String, String)],
    ) -> Result<Vec<(Item, String)>, ShelfError> {
        let mut packed: Vec<(Item, String)> = Vec::new();
        let mut taken = HashSet::new();
        for (file, name) in files {
            let (key, location) = match destination {
                Destination::Ours => self.our_key(id, file)?,
                Destination::Theirs(theirs) => {
                    let key = free_key(theirs, name, &taken)?;
                    let location = theirs.location(&key);
                    (key, location)
                }
            };
            let item =
                Item { name: file.clone(), key, content_type: content_type(file).to_owned(), stays: self.keep_local };
            taken.insert(item.key.clone());
            packed.push((item, location));
        }
        let Some((first, _)) = packed.first() else { return Ok(packed) };
        let (key, location) = match destination {
            Destination::Ours => self.our_key(id, folder::MANIFEST)?,
            // Beside the first, named after the recording, as LiveKit's servers do.
            Destination::Theirs(theirs) if with_manifest => {
                let beside = first.key.as_str().rsplit_once('/').map_or(String::new(), |(path, _)| format!("{path}/"));
                let key = theirs.key(&format!("{beside}{}.json", id.as_str()))?;
                let location = theirs.location(&key);
                (key, location)
            }
            Destination::Theirs(_) => return Ok(packed),
        };
        let (name, content_type) = (folder::MANIFEST.to_owned(), content_type(folder::MANIFEST).to_owned());
        // It is small, and who plays the recording asks here.
        packed.push((Item { name, key, content_type, stays: true }, location));
        Ok(packed)
    }

    /// The key in our bucket: names that people choose name nothing there.
    fn our_key(&self, id: &RecordingId, file: &str) -> Result<(ObjectKey, String), ShelfError> {
        let shelf = self.outbox.shelf().ok_or(ShelfError::NoShelf)?;
        let key = shelf.settings().key(&format!("{}/{file}", id.as_str()))?;
        let location = shelf.location(&key);
        Ok((key, location))
    }

    /// Brings segments to their bucket while a recording goes on, if they go to one.
    pub(super) fn feed(&self, id: &RecordingId, order: &Order, segments: &Segments) -> Option<Feed> {
        // Who has asked for a bucket that cannot be one was told so.
        let destination = self.destination(order).ok()??;
        let shelf = self.outbox.open(&destination).ok()?;
        let beside = match destination {
            Destination::Ours => format!("{}/", id.as_str()),
            Destination::Theirs(_) => segments.beside(),
        };
        Some(Feed::start(&shelf, beside, segments.plan().clone()))
    }

    /// Sends files, and waits until they are where they belong: playlists when all they name is there, and the manifest last.
    /// `sent`: what is there already. `after`: how the recording is then.
    ///
    /// # Errors
    /// Why they are not, in a sentence. They are still here.
    pub(super) async fn send(
        &self,
        folder: PathBuf,
        destination: Destination,
        (mut items, sent): (Vec<Item>, Vec<Stored>),
        after: &EgressInfo,
    ) -> Result<(), String> {
        if items.is_empty() {
            // Nothing came of it, and of its keys nothing is left.
            return self
                .outbox
                .forget(folder)
                .await
                .map_err(|error| format!("the keys of a bucket stay: {error}"));
        }
        let is_ours = destination == Destination::Ours;
        let note = serde_json::to_string(after).unwrap_or_default();
        let places: HashMap<_, _> = sent.iter().map(|stored| &stored.key).zip(0_usize..).collect();
        items.sort_by_cached_key(|item| {
            let is_manifest = item.name == folder::MANIFEST;
            (places.get(&item.key).copied().unwrap_or(usize::MAX), is_manifest, is_playlist(&item.name))
        });
        let parcel = Parcel::new(destination, note, Some(items)).begun(sent);
        let receipt = match self.outbox.send(folder.clone(), parcel).await {
            Ok(receipt) => receipt,
            Err(error) => {
                tracing::error!(%error, ?folder, "what is to be sent to a bucket cannot be written down");
                self.drop_keys(folder, is_ours).await;
                return Err("the recording could not be sent to its bucket: the directory cannot be written".to_owned());
            }
        };
        match receipt.outcome().await {
            Some(Outcome::Stored(_)) => Ok(()),
            Some(Outcome::Refused(error)) => Err(self.refused(folder, is_ours, &error).await),
            // Only who ends closes it, and waits for nobody.
            None => Err("the server ended before the recording was where it belongs".to_owned()),
        }
    }

    /// Where files of a recording are at this moment, by their names. One that is nowhere is not among them.
    ///
    /// # Errors
    /// What is kept cannot be read.
    pub(super) async fn whereabouts(
        &self,
        folder: &Path,
        files: &[KeptFile],
    ) -> Result<BTreeMap<String, Whereabouts>, ShelfError> {
        let (at, names) = (folder.to_owned(), files.iter().map(|file| file.name.clone()).collect::<Vec<_>>());
        let looked = tokio::task::spawn_blocking(move || {
            let (here, mut not_here): (Vec<_>, Vec<_>) =
                names.into_iter().map(|name| (at.join(&name), name)).partition(|(path, _)| path.is_file());
            let kept = if not_here.is_empty() { None } else { Kept::read(&at)?.filter(|kept| kept.is_ours) };
            let stored: BTreeMap<_, _> = kept.into_iter().flat_map(|kept| kept.files).collect();
            not_here.retain(|(_, name)| stored.contains_key(name));
            Ok((here, not_here, stored))
        });
        let looked = looked.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let (here, not_here, stored) = looked.map_err(ShelfError::Local)?;
        let mut found: BTreeMap<_, _> = here.into_iter().map(|(path, name)| (name, Whereabouts::Here(path))).collect();
        for (_, name) in not_here {
            let Some(stored) = stored.get(&name) else { continue };
            let place = match self.outbox.shelf().filter(|shelf| shelf.is_of(stored)) {
                Some(shelf) => Whereabouts::InBucket(shelf.presign(&stored.key, LONGEST_LIFE).await?),
                None => Whereabouts::Elsewhere,
            };
            found.insert(name, place);
        }
        Ok(found)
    }

    /// Brings a file that was made of a recording later to where its others are, if our bucket has them.
    ///
    /// # Errors
    /// Why it is here alone.
    pub(super) async fn add(&self, id: &RecordingId, folder: PathBuf, file: &str) -> Result<(), ShelfError> {
        let (at, shelf) = (folder.clone(), self.outbox.shelf().cloned());
        let read = tokio::task::spawn_blocking(move || Ok((Kept::read(&at)?, Parcel::is_in(&at)))).await;
        let read = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let (kept, is_on_its_way) = read.map_err(ShelfError::Local)?;
        let is_there = |kept: &Kept| {
            let is_of = |(_, stored): &(String, Stored)| shelf.as_ref().is_some_and(|shelf| shelf.is_of(stored));
            kept.is_ours && kept.files.iter().all(is_of)
        };
        // What its bucket refused waits for the next start, and is not to be forgotten for this.
        if is_on_its_way || !kept.is_some_and(|kept| is_there(&kept)) {
            return Ok(());
        }
        let (key, _) = self.our_key(id, file)?;
        let content_type = content_type(file).to_owned();
        let item = Item { name: file.to_owned(), key, content_type, stays: self.keep_local };
        let parcel = Parcel::new(Destination::Ours, ADDED.to_owned(), Some(vec![item]));
        let receipt = self.outbox.send(folder, parcel).await.map_err(ShelfError::Local)?;
        match receipt.outcome().await {
            Some(Outcome::Refused(error)) => Err(error),
            // The server after this one goes on, where this one ended.
            Some(Outcome::Stored(_)) | None => Ok(()),
        }
    }

    /// Takes away what our bucket keeps of a recording. Its directory is somebody else's to remove, afterwards.
    ///
    /// # Errors
    /// The bucket does not, or not now: asking again takes the rest.
    pub(super) async fn discard(&self, folder: &Path) -> Result<(), ShelfError> {
        self.outbox.discard(folder).await
    }

    /// Keys that are refused are of no use to keep; ours may be put right.
    pub(super) async fn drop_keys(&self, folder: PathBuf, is_ours: bool) {
        if !is_ours && let Err(error) = self.outbox.forget(folder).await {
            tracing::error!(%error, "the keys of a bucket stay");
        }
    }

    /// A recording is not where it belongs, and will not be by itself: says so, in a sentence.
    pub(super) async fn refused(&self, folder: PathBuf, is_ours: bool, error: &ShelfError) -> String {
        tracing::error!(%error, ?folder, "a recording stays here: its bucket does not take it");
        self.drop_keys(folder, is_ours).await;
        format!("the recording is kept, but not in its bucket: {error}")
    }
}

/// The note of a parcel that changes nothing of how its recording is.
const ADDED: &str = "";

/// Where a file of a recording is.
#[derive(Debug)]
pub(crate) enum Whereabouts {
    /// In its directory.
    Here(PathBuf),
    /// In our bucket alone: an address that opens it without keys, for five minutes.
    InBucket(SignedUrl),
    /// In a bucket that is configured no more.
    Elsewhere,
}

/// What of an order has to outlast a crash besides the keys, so that its files come to lie where they were asked for.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Wish {
    /// The name, as far as it was known before there was a file; empty: none was asked for.
    name: String,
    /// The directory of segments, which have their names here already.
    beside: String,
    with_manifest: bool,
}

impl Wish {
    /// The name of a file that a killed server left.
    fn name_of(&self, file: &str) -> String {
        let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
        match self.name.rsplit_once('.') {
            _ if self.name.is_empty() => file.to_owned(),
            _ if matches!(ending, "ts" | "m3u8") => format!("{}{file}", self.beside),
            Some((_, said)) if said.eq_ignore_ascii_case(ending) => self.name.clone(),
            _ => format!("{}.{ending}", self.name),
        }
    }
}

/// Whether an order wants its manifest in its bucket, too.
pub(super) fn with_manifest(order: &Order) -> bool {
    order.outputs.iter().any(|output| match output {
        Output::File { with_manifest, .. } | Output::Segments { with_manifest, .. } => *with_manifest,
        Output::Tracks { .. } => true,
        Output::Stream { .. } => false,
    })
}

/// Where the manifest is, of what is packed; empty where it is not sent.
pub(super) fn manifest_location(packed: &[(Item, String)]) -> String {
    let manifest = packed.iter().find(|(item, _)| item.name == folder::MANIFEST);
    manifest.map_or_else(String::new, |(_, location)| location.clone())
}

/// What a server before this one left on its way, or did not come to send.
pub(super) enum Left {
    /// Nothing is to go anywhere, or it is not known where to.
    Nothing,
    /// It is there; how the recording is now.
    Arrived(Kept),
    /// It is on its way again.
    OnItsWay(Parcel, Receipt),
    /// It was still recorded; where it is to go, and how.
    NotSent(Destination, Wish),
}

impl Delivery {
    pub(super) async fn left(&self, folder: &Path) -> std::io::Result<Left> {
        let at = folder.to_owned();
        let read = move || Ok::<_, std::io::Error>((Parcel::read(&at)?, Kept::read(&at)?));
        let found = tokio::task::spawn_blocking(read).await;
        let (parcel, kept) = found.unwrap_or_else(|error| Err(std::io::Error::other(error)))?;
        match (parcel, kept) {
            (Some(parcel), _) if parcel.items.is_some() => {
                let receipt = self.outbox.resume(folder.to_owned()).await?;
                Ok(receipt.map_or(Left::Nothing, |receipt| Left::OnItsWay(parcel, receipt)))
            }
            (None, Some(kept)) => Ok(Left::Arrived(kept)),
            (Some(parcel), _) => {
                let wish = serde_json::from_str(&parcel.note).unwrap_or_default();
                Ok(Left::NotSent(parcel.destination, wish))
            }
            (None, None) if self.outbox.shelf().is_some() => Ok(Left::NotSent(Destination::Ours, Wish::default())),
            (None, None) => Ok(Left::Nothing),
        }
    }
}

impl Shared {
    /// Sends what a killed server did not come to send. `ended`: how it is without that.
    pub(super) async fn send_left(
        &self,
        ended: Recording,
        id: &RecordingId,
        folder: PathBuf,
        destination: Destination,
        wish: Wish,
    ) {
        let mut after: EgressInfo = serde_json::from_str(&ended.info).unwrap_or_default();
        let files = after
            .file_results
            .iter()
            .map(|file| (file.filename.clone(), wish.name_of(&file.filename)));
        let files: Vec<(String, String)> = files.collect();
        // Nothing more is recorded, and it is not over.
        let status = EgressStatus::EgressEnding.into();
        let info = EgressInfo { status, error: String::new(), ended_at: 0, ..after.clone() };
        let info = serde_json::to_string(&info).unwrap_or_else(|_| ended.info.clone());
        let waiting = Recording { info, is_over: false, ended: None, ..ended.clone() };
        if let Err(error) = self.store.put_recording(&waiting).await {
            tracing::error!(%error, id = ended.id, "a recording's state cannot be kept");
        }
        let sent = match self.delivery.pack(id, &destination, wish.with_manifest, &files) {
            Ok(packed) => {
                for (file, (_, location)) in after.file_results.iter_mut().zip(&packed) {
                    file.location.clone_from(location);
                }
                after.manifest_location = manifest_location(&packed);
                let items = packed.into_iter().map(|(item, _)| item).collect();
                self.delivery.send(folder, destination, (items, Vec::new()), &after).await
            }
            Err(error) => Err(self.delivery.refused(folder, destination == Destination::Ours, &error).await),
        };
        match sent {
            Ok(()) => {
                let note = serde_json::to_string(&after).unwrap_or_default();
                self.over(ended, &note, None, RecordingStep::Ended).await;
            }
            Err(error) => self.over(ended, "", Some(error), RecordingStep::Ended).await,
        }
    }

    /// Waits for what is on its way again, and writes down what became of it.
    pub(super) async fn settle(&self, recording: Recording, parcel: Parcel, receipt: Receipt) {
        let Some(outcome) = receipt.outcome().await else { return };
        if parcel.note == ADDED {
            if let Outcome::Refused(error) = outcome {
                tracing::error!(%error, id = recording.id, "a composite still stays here: its bucket does not take it");
            }
            return;
        }
        let (note, error) = match outcome {
            Outcome::Stored(kept) => (kept.note, None),
            Outcome::Refused(error) if recording.is_over => {
                tracing::error!(%error, id = recording.id, "a recording still stays here: its bucket does not take it");
                return;
            }
            Outcome::Refused(error) => {
                let is_ours = parcel.destination == Destination::Ours;
                let Some(path) = &self.config.folder else { return };
                let folder = path.join(&recording.id);
                (parcel.note, Some(self.delivery.refused(folder, is_ours, &error).await))
            }
        };
        // Somebody may have deleted it meanwhile: it must not come back.
        if matches!(self.store.recording(&recording.id).await, Ok(None)) {
            return;
        }
        // It ends once, and who counts was told: this is news of one that has ended.
        let step = if recording.is_over { RecordingStep::Updated } else { RecordingStep::Ended };
        self.over(recording, &note, error, step).await;
    }

    /// A recording of a server before this one is over. `note`: how it is; `error`: where its files are not; `step`: what that is
    /// to those who heard of it before.
    pub(super) async fn over(&self, recording: Recording, note: &str, error: Option<String>, step: RecordingStep) {
        let now = moment();
        // One that was over before it came to be where it belongs is as old as it was.
        let ended = recording.ended.unwrap_or(now);
        let known = || serde_json::from_str(&recording.info).unwrap_or_default();
        let mut info: EgressInfo = serde_json::from_str(note).unwrap_or_else(|_| known());
        info.ended_at = ended.0.saturating_mul(1_000_000);
        info.updated_at = now.0.saturating_mul(1_000_000);
        if let Some(error) = error {
            info.status = EgressStatus::EgressFailed.into();
            info.error = error;
            info.file_results.clear();
            info.manifest_location.clear();
            info.result = None;
        }
        let text = serde_json::to_string(&info).unwrap_or_else(|_| recording.info.clone());
        let expires = recording.expires.or_else(|| self.config.expiry(ended));
        let ended = Recording { info: text, is_over: true, ended: Some(ended), expires, ..recording };
        tracing::info!(id = ended.id, bytes = ended.bytes, "a recording of a server before this one is over");
        self.keep_end(&ended).await;
        let room = Room { sid: info.room_id.clone(), name: info.room_name.clone(), ..Room::default() };
        let kind = RoomEventKind::Recording { step, info: Box::new(info) };
        self.rooms.note(Box::new(RoomEvent { sequence: 0, unix_ms: now.0, room, kind }));
    }
}

fn settings(target: &S3Target) -> S3Settings {
    S3Settings {
        bucket: target.bucket.clone(),
        region: target.region.clone(),
        // Back ends say hosts, too.
        endpoint: target.endpoint.as_ref().map(|endpoint| match endpoint.contains("://") {
            true => endpoint.clone(),
            false => format!("https://{endpoint}"),
        }),
        access_key: target.access_key.clone(),
        secret_key: target.secret.clone(),
        session_token: target.session_token.clone(),
        path_style: target.path_style,
        prefix: String::new(),
    }
}

/// What the words of an order's names stand for, as far as that is known before there is a file: what is under them after a
/// crash.
pub(super) fn facts_at_start<'a>(order: &'a Order, room: &'a Room) -> Facts<'a> {
    let identity = match &order.source {
        Source::Participant { identity, .. } => identity.as_str(),
        _ => "",
    };
    Facts {
        room_name: &room.name,
        room_id: &room.sid,
        time: UnixSeconds(moment().0.div_euclid(1000)),
        publisher_identity: identity,
        track_id: "",
        track_type: "",
        track_source: "",
    }
}

/// A key that no other file of the recording has.
fn free_key(theirs: &S3Settings, name: &str, taken: &HashSet<ObjectKey>) -> Result<ObjectKey, ShelfError> {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let mut key = theirs.key(name)?;
    // Of as many names as there are files, and one more, one is free.
    for number in 2..=taken.len() + 2 {
        if !taken.contains(&key) {
            break;
        }
        key = theirs.key(&format!("{stem}-{number}.{ending}"))?;
    }
    Ok(key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_that_a_request_brought_go_where_its_bucket_cannot_be_sent_to() {
        let folder = tempfile::tempdir().unwrap();
        let delivery = Delivery::new(&RecordingsConfig::default()).unwrap();
        let theirs = Destination::Theirs(Box::new(S3Settings {
            bucket: "calls".to_owned(),
            region: "eu-1".to_owned(),
            endpoint: None,
            access_key: "AKIA".to_owned().into(),
            secret_key: "hush".to_owned().into(),
            session_token: None,
            path_style: false,
            prefix: String::new(),
        }));
        let at = folder.path().to_owned();
        delivery.outbox.remember(at.clone(), theirs.clone(), String::new()).await.unwrap();
        assert!(Parcel::is_in(&at));
        // Nothing can be written down any more.
        std::fs::create_dir(at.join("outbox.json.new")).unwrap();
        let key = ObjectKey::parse("a.webm").unwrap();
        let item = Item { name: "a.webm".to_owned(), key, content_type: String::new(), stays: true };
        let sent = delivery.send(at.clone(), theirs, (vec![item], Vec::new()), &EgressInfo::default()).await;
        assert!(sent.is_err_and(|reason| reason.contains("cannot be written")));
        assert!(!Parcel::is_in(&at));
    }

    #[test]
    fn what_a_killed_server_left_is_named_so_that_its_playlist_plays() {
        let wish = Wish { name: "files/call".to_owned(), beside: "lessons/".to_owned(), with_manifest: false };
        for (file, name) in [
            ("call.m3u8", "lessons/call.m3u8"),
            ("now.m3u8", "lessons/now.m3u8"),
            ("part_00000.ts", "lessons/part_00000.ts"),
            ("recording.webm", "files/call.webm"),
        ] {
            assert_eq!(wish.name_of(file), name);
        }
        assert_eq!(Wish::default().name_of("segment_00000.ts"), "segment_00000.ts");
    }
}
