//! The course of one recording: a task from the request to the last file.
//!
//! It tells the machine of `sluice_recordings` what happens in the room and on the disk, and does what it says. Which
//! tracks share a file is the business of [`files`](super::files): parts, of which there is one for each track, are open
//! as long as their taps are, and a file until whose it is has left, or all is over.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit_protocol::{EgressInfo, ParticipantInfo, TrackInfo, TrackSource, TrackType, encryption};
use sluice_composer::SourceKey;
use sluice_node::{Container, FileNews, FilePlan, Recorded, Recorder};
use sluice_objects::Destination;
use sluice_recorder::manifest::{Manifest, Track};
use sluice_recordings::{
    Action, End, Facts, FileKind, Happened, Order, Output, PartNumber, Product, Recording, RecordingId, Request,
    Source, State, StreamUrl, Template, TrackFacts, TrackKind, UnixSeconds, Written, egress_info,
};
use sluice_rooms::{RecordingStep, RoomEvent, RoomEventKind, RoomSnapshot, RoomState};
use sluice_store::{RoomName, SessionId, StoreError, UnixMillis};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::composites::{self, Made, Wish};
use super::delivery::{manifest_location, with_manifest};
use super::feed::Feed;
use super::filed::{Filed, distinct};
use super::files::{Files, INPUTS, Sharing, Slot, input_of};
use super::kept::KeptFile;
use super::ledger::{Ledger, source_name};
use super::live::{Cut, Found, Health, Live, NotLive};
use super::repair::repair_named;
use super::{Ask, Place, RecordingError, Shared, automatic, folder};
use crate::clock::moment;
use crate::room::{Events, Watched, Witnessed};

/// News of files that may wait: two of each, and there are as many files as parts at most.
const NEWS: usize = 2048;
/// How often the manifest is written while the recording goes on.
const WRITE_EVERY: Duration = Duration::from_secs(5);
/// How long what it names is waited for: as long as by LiveKit's servers.
const WAIT: Duration = Duration::from_secs(30);
/// How often it is looked how those fare whom it is sent to.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// It may have missed whose tracks came, so that nobody could rely on what it went on with.
const LEFT_BEHIND: &str = "the server could not follow all that happened in the room";
const UNAVAILABLE: &str = "the recorder does not keep up";

pub(super) struct Course {
    shared: Arc<Shared>,
    recorder: Recorder,
    id: RecordingId,
    /// The account whose room it is.
    owner: Option<String>,
    request: Request,
    recording: Recording,
    /// The room as it was.
    seen: RoomSnapshot,
    events: Events,
    folder: PathBuf,
    began: Instant,
    ledger: Ledger,
    files: Files,
    /// What composes it while it goes on, and its place among those that do.
    live: Option<(Live, OwnedSemaphorePermit)>,
    /// Its place among those that go on, until nothing more is written.
    place: Option<Place>,
    /// What brings its segments to a bucket meanwhile.
    feed: Option<Feed>,
    /// All parts are closed: when all files are, too, what was asked for is made of them.
    is_to_deliver: bool,
    /// The files there are, once it is over.
    kept: Vec<KeptFile>,
    /// Where a bucket has the manifest; empty: none has.
    manifest_location: String,
    /// When the manifest was last written, and the parts of files that were named there.
    written_at: Option<Instant>,
    written: Vec<(usize, u32)>,
    /// More is known than was written.
    is_behind: bool,
    /// The writing of it.
    writing: tokio::task::JoinHandle<()>,
    news: mpsc::Receiver<(usize, FileNews)>,
    tell_news: mpsc::Sender<(usize, FileNews)>,
    show: watch::Sender<EgressInfo>,
}

impl Course {
    pub(super) fn new(
        shared: Arc<Shared>,
        recorder: Recorder,
        (id, owner, request): (RecordingId, Option<String>, Request),
        order: Order,
        watched: Watched,
        (folder, live, feed): (PathBuf, Option<(Live, OwnedSemaphorePermit)>, Option<Feed>),
        place: Place,
    ) -> (Self, watch::Receiver<EgressInfo>) {
        let now_ms = moment().0;
        let recording = Recording::new(order, now_ms);
        let Watched { seen, events } = watched;
        let (show, shown) = watch::channel(egress_info(&id, &seen.room.sid, &request, &recording));
        let (tell_news, news) = mpsc::channel(NEWS);
        let ledger = Ledger::new(&seen, now_ms);
        let course = Self {
            shared,
            recorder,
            id,
            owner,
            request,
            recording,
            seen,
            events,
            folder,
            began: Instant::now(),
            ledger,
            files: Files::default(),
            live,
            place: Some(place),
            feed,
            is_to_deliver: false,
            kept: Vec::new(),
            manifest_location: String::new(),
            written_at: None,
            written: Vec::new(),
            is_behind: false,
            writing: tokio::spawn(std::future::ready(())),
            news,
            tell_news,
            show,
        };
        (course, shown)
    }

    /// Until it is over, and known to be.
    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        self.tell(RecordingStep::Started);
        self.tell_room(true).await;
        for participant in std::mem::take(&mut self.seen.participants) {
            if !self.is_wanted(&participant) {
                continue;
            }
            for track in &participant.tracks {
                self.handle(Happened::Published(facts(&participant, track)), Some(track)).await;
            }
        }
        let limit = tokio::time::sleep(self.shared.config.max_time);
        let wait = tokio::time::sleep(WAIT);
        tokio::pin!(limit, wait);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_room_there = true;
        let mut is_limit_near = true;
        let mut is_waiting = true;
        while !matches!(self.recording.state(), State::Ended(_)) {
            tokio::select! {
                witnessed = self.events.recv(), if is_room_there => match witnessed {
                    Some(Witnessed::Event(event)) => self.handle_event(&event).await,
                    Some(Witnessed::Speakers { changed, unix_ms }) => {
                        self.ledger.heard(&changed, unix_ms);
                        if let Some((live, _)) = &mut self.live {
                            live.heard(&changed, |sid| self.ledger.identity_of(sid));
                        }
                    }
                    Some(Witnessed::LeftBehind) => {
                        self.handle(Happened::Failed(LEFT_BEHIND.to_owned()), None).await;
                    }
                    None => {
                        is_room_there = false;
                        self.handle(Happened::RoomEnded, None).await;
                    }
                },
                Some(ask) = asks.recv() => self.handle_ask(ask).await,
                _ = looks.tick(), if self.live.is_some() || self.is_behind => {
                    self.look().await;
                    if self.is_behind {
                        self.write_so_far();
                    }
                }
                Some((file, news)) = self.news.recv() => self.handle_news(file, news).await,
                () = &mut limit, if is_limit_near => {
                    is_limit_near = false;
                    self.handle(Happened::LimitReached, None).await;
                }
                () = &mut wait, if is_waiting => {
                    is_waiting = false;
                    let is_participant_there = self.is_participant_there().await;
                    self.handle(Happened::Waited { is_participant_there }, None).await;
                }
            }
        }
        self.shared.going_on.remove(&self.id);
    }

    async fn handle_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Stop => self.handle(Happened::Stop, None).await,
            Ask::Layout(layout, reply) => {
                let done = self.live.as_ref().map(|(live, _)| live.set_layout(layout)).ok_or(RecordingError::NotLive);
                let _ = reply.send(done);
            }
            Ask::Streams { add, found, remove, reply } => {
                let done = self.set_streams(&add, &found, &remove);
                self.look().await;
                // Whoever asked may have gone.
                let _ = reply.send(done);
            }
        }
    }

    fn set_streams(&mut self, add: &[StreamUrl], found: &Found, remove: &[StreamUrl]) -> Result<(), RecordingError> {
        let Some((live, _)) = &mut self.live else { return Err(RecordingError::NotLive) };
        let now_ms = moment().0;
        for url in remove {
            live.stop_sending(url, now_ms);
        }
        let refused = |error: NotLive| RecordingError::NotSent(error.to_string());
        add.iter().try_for_each(|url| live.send_to(url, found, now_ms)).map_err(refused)
    }

    /// How those fare that it is sent to.
    async fn look(&mut self) {
        let Some((live, _)) = &mut self.live else { return };
        let now_ms = moment().0;
        let (health, streams) = live.look(now_ms);
        if self.recording.set_streams(streams, now_ms) {
            self.change().await;
        }
        // Files that are made as well go on.
        if health == Health::Over && !self.is_kept() {
            // Whoever takes the last one away wants no more of it.
            if self.recording.streams().iter().all(|stream| stream.failed.is_none()) && self.has_streams_only() {
                return self.handle(Happened::Stop, None).await;
            }
            let reason = "nobody it was sent to takes it, or it could not be encoded any more".to_owned();
            self.handle(Happened::Failed(reason), None).await;
        }
    }

    async fn handle_event(&mut self, event: &RoomEvent) {
        self.ledger.note(event);
        match &event.kind {
            RoomEventKind::TrackPublished { participant, track } if self.is_wanted(participant) => {
                self.handle(Happened::Published(facts(participant, track)), Some(track)).await;
            }
            RoomEventKind::TrackUnpublished { track, .. } => {
                self.handle(Happened::Unpublished { track: track.sid.clone() }, None).await;
            }
            RoomEventKind::ParticipantLeft { participant, .. } => {
                self.handle(Happened::Left { identity: participant.identity.clone() }, None).await;
                self.close_files(Some(&participant.identity)).await;
            }
            _ => {}
        }
    }

    /// Who records everybody records nobody whom the room does not show.
    fn is_wanted(&self, participant: &ParticipantInfo) -> bool {
        !matches!(self.recording.order().source, Source::Room(_)) || automatic::is_recorded(participant)
    }

    /// Whether it records somebody who is in the room now.
    async fn is_participant_there(&self) -> bool {
        let Source::Participant { identity, .. } = &self.recording.order().source else { return false };
        let identity = identity.clone();
        let is_there = move |room: &RoomState| room.participant(&identity).is_some();
        self.shared.rooms.look(&self.seen.room.name, is_there).await == Some(true)
    }

    async fn handle_news(&mut self, file: usize, news: FileNews) {
        match news {
            FileNews::Began => {
                for part in self.files.parts_of(file) {
                    self.handle(Happened::MediaCame { part }, None).await;
                }
            }
            FileNews::SoFar(parts) => {
                self.files.so_far(file, parts);
                self.write_so_far();
            }
            FileNews::Closed(recorded) => self.file_closed(file, *recorded).await,
        }
    }

    async fn file_closed(&mut self, file: usize, recorded: Recorded) {
        let (failed, bytes) = (recorded.failed.clone(), recorded.bytes);
        let is_full = recorded.is_full;
        self.files.closed(file, recorded);
        if let Some((live, _)) = &mut self.live {
            live.source_ended(file);
        }
        if is_full {
            self.handle(Happened::LimitReached, None).await;
        }
        for part in self.files.parts_of(file) {
            self.files.remove_part(part);
            let written = Written { bytes, duration_ms: 0, failed: failed.clone() };
            self.handle(Happened::PartClosed { part, written }, None).await;
        }
        self.deliver_if_closed().await;
    }

    /// Tells the machine, and does what it says. `track`: what was published, if that is what happened.
    async fn handle(&mut self, happened: Happened, track: Option<&TrackInfo>) {
        let mut waiting = vec![happened];
        while let Some(happened) = waiting.pop() {
            let published = match &happened {
                Happened::Published(facts) => Some(facts.clone()),
                _ => None,
            };
            for action in self.recording.handle(happened, moment().0) {
                match action {
                    Action::Open { part, .. } => {
                        let Some((facts, track)) = published.clone().zip(track) else { continue };
                        if let Err(failed) = self.open(part, facts, track).await {
                            let written = Written { bytes: 0, duration_ms: 0, failed };
                            waiting.push(Happened::PartClosed { part, written });
                        }
                    }
                    // Its file says how it went, as all files are closed now.
                    Action::Close { .. } if matches!(self.recording.state(), State::Ending(_)) => {}
                    Action::Close { part } => {
                        if let Some((file, slot)) = self.files.remove_part(part) {
                            // A recorder that is gone says so of the file.
                            let _ = self.recorder.leave(file, slot.input);
                        }
                        let written = Written { bytes: 0, duration_ms: 0, failed: None };
                        waiting.push(Happened::PartClosed { part, written });
                    }
                    Action::Deliver => self.is_to_deliver = true,
                    Action::Tell => self.change().await,
                }
            }
        }
        if matches!(self.recording.state(), State::Ending(_)) {
            Box::pin(self.close_files(None)).await;
        }
    }

    /// Closes the files of somebody who left, or all.
    async fn close_files(&mut self, of: Option<&str>) {
        for (number, file) in self.files.closing(of) {
            if self.recorder.close(file).is_err() {
                let recorded = Recorded { failed: Some(UNAVAILABLE.to_owned()), ..Recorded::default() };
                Box::pin(self.file_closed(number, recorded)).await;
            }
        }
        Box::pin(self.deliver_if_closed()).await;
    }

    async fn deliver_if_closed(&mut self) {
        if self.is_to_deliver && self.files.are_all_closed() {
            self.is_to_deliver = false;
            let delivered = self.deliver().await;
            self.handle(delivered, None).await;
        }
    }

    /// Lets a track be written. The error says why it is not; `None`: it has gone meanwhile.
    async fn open(&mut self, part: PartNumber, facts: TrackFacts, track: &TrackInfo) -> Result<(), Option<String>> {
        let unavailable = |_| Some(UNAVAILABLE.to_owned());
        let source = &self.recording.order().source;
        let sharing = Sharing::of(source, &facts);
        let input = input_of(&facts);
        let file = match self.files.open_for(&sharing, input) {
            Some(file) => file,
            None => {
                let (id, name) = (self.shared.next_file(), self.files.next_name(source));
                let plan = self.plan(name.clone());
                let file = self.files.add(id, name, sharing);
                let news = self.tell_news.clone();
                // There is room for two of each file. What is in it so far is said again, if it finds none.
                let sink = Box::new(move |said| {
                    if !matches!(said, FileNews::SoFar(_)) || news.capacity() > NEWS / 2 {
                        drop(news.try_send((file, said)));
                    }
                });
                let key = SourceKey {
                    identity: facts.identity.clone(),
                    name: self.ledger.name_of(&facts.identity),
                    is_screen: facts.is_screen,
                };
                let listener = self.live.as_mut().and_then(|(live, _)| live.source(file, key));
                if self.recorder.open(id, plan, sink, listener).is_err() {
                    self.files.closed(file, Recorded::default());
                    return Err(Some(UNAVAILABLE.to_owned()));
                }
                file
            }
        };
        let slot = Slot { file, input };
        let (room, wake) = (&self.seen.room.name, self.recorder.wake());
        let reader = self.shared.rooms.tap(room, &facts.identity, &track.sid, wake).await.ok_or(None)?;
        let id = self.files.id(file).ok_or(None)?;
        self.recorder.feed(id, slot.input, reader).map_err(unavailable)?;
        let from_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.files.feed(part, slot, facts, track.clone(), from_us);
        Ok(())
    }

    fn has_streams_only(&self) -> bool {
        self.recording
            .order()
            .outputs
            .iter()
            .all(|output| matches!(output, Output::Stream { .. }))
    }

    /// Whether its tracks are written to the disk. Nobody asked for files where all of it goes out.
    fn is_kept(&self) -> bool {
        !self.recording.order().outputs.iter().all(is_live)
    }

    /// The tracks that a manifest names: those there are files of.
    fn tracks(&self) -> Vec<Track> {
        if self.is_kept() { self.files.tracks() } else { Vec::new() }
    }

    fn plan(&self, name: String) -> FilePlan {
        let is_mp4 = |output: &Output| matches!(output, Output::File { kind: FileKind::Mp4, .. });
        // What composes meanwhile reads Matroska.
        let container = match self.live.is_none() && self.recording.order().outputs.iter().any(is_mp4) {
            true => Container::FragmentedMp4,
            false => Container::Matroska,
        };
        FilePlan {
            folder: self.folder.clone(),
            name,
            container,
            inputs: INPUTS,
            started_at: self.began,
            max_bytes: self.shared.config.max_bytes,
            is_kept: self.is_kept(),
        }
    }

    /// Writes the manifest as it is now; later where that was just done and all files are named there, or where a slow disk
    /// still has it. What it does not name is lost to whoever is left with it.
    fn write_so_far(&mut self) {
        let parts = self.files.parts();
        let was_just_done = self.written_at.is_some_and(|at| at.elapsed() < WRITE_EVERY) && self.written == parts;
        self.is_behind = was_just_done || !self.writing.is_finished();
        if self.is_behind {
            return;
        }
        (self.written_at, self.written) = (Some(Instant::now()), parts);
        let manifest = self.ledger.so_far(self.tracks(), moment().0);
        let (path, id) = (self.folder.join(folder::MANIFEST), self.id.clone());
        self.writing = tokio::task::spawn_blocking(move || {
            if let Err(error) = folder::write_manifest(&path, &manifest) {
                tracing::warn!(%error, id = id.as_str(), "a recording's manifest cannot be written");
            }
        });
    }

    /// Writes the manifest, and says what there is. Nothing has to be put together: the recorder wrote what was asked for.
    async fn deliver(&mut self) -> Happened {
        let (now_ms, tracks) = (moment().0, self.tracks());
        let reason = match self.recording.state() {
            State::Ending(End::Failed(reason)) => Some(reason.clone()),
            State::Ending(End::LimitReached) => Some("the recording is as long, or as large, as one may be".to_owned()),
            _ => None,
        };
        let mut manifest = self.ledger.manifest(tracks, now_ms, reason);
        // One that is being written must not come after it.
        let _ = (&mut self.writing).await;
        let (folder, has_failed) = (self.folder.clone(), self.files.has_failed());
        let written = tokio::task::spawn_blocking(move || {
            if has_failed {
                repair_named(&folder, &mut manifest);
            }
            let size = |track: &Track| Some((track.file.clone(), folder.join(&track.file).metadata().ok()?.len()));
            let sizes: BTreeMap<String, u64> = manifest.tracks.iter().filter_map(size).collect();
            let written = folder::write_manifest(&folder.join(folder::MANIFEST), &manifest);
            (manifest, sizes, written)
        });
        let Ok((manifest, sizes, written)) = written.await else {
            return Happened::Delivered(Err("the files could not be looked through".to_owned()));
        };
        // What is there is delivered all the same.
        let mut failed = written.err().map(|error| {
            tracing::error!(%error, id = self.id.as_str(), "a recording's manifest cannot be written");
            "the manifest could not be written".to_owned()
        });
        self.kept = sizes.iter().map(|(name, bytes)| KeptFile { name: name.clone(), bytes: *bytes }).collect();
        // It can be played from here on, whatever is made of it.
        if let Err(error) = self.keep().await {
            tracing::error!(%error, id = self.id.as_str(), "a recording's state cannot be kept");
        }
        let (mut made, cut_off) = self.finish_live().await;
        failed = failed.or(cut_off);
        // Composites of one recording differ in their kind alone: each is made once, whatever it is called.
        let mut composed: Vec<(sluice_composer::FileKind, Result<Made, String>)> = Vec::new();
        for output in self.recording.order().outputs.clone() {
            let Some(name) = output.name() else { continue };
            match composites::wish(self.recording.order(), &output) {
                // Nothing came of which it could be made.
                Some(_) if sizes.is_empty() => {}
                Some(wish) => {
                    let known = composed.iter().find(|(kind, _)| *kind == wish.kind);
                    let one = match known.map(|(_, one)| one.clone()) {
                        Some(one) => one,
                        None => {
                            let one = self.compose(wish).await;
                            composed.push((wish.kind, one.clone()));
                            one
                        }
                    };
                    match one {
                        Ok(one) => made.push(self.composite(&one, name)),
                        // The tracks are there, and belong to who asked.
                        Err(reason) => {
                            failed.get_or_insert(reason);
                            made.extend(self.as_they_came(&manifest, &sizes, name));
                        }
                    }
                }
                None if is_live(&output) => {}
                None => made.extend(self.as_they_came(&manifest, &sizes, name)),
            }
        }
        self.send(distinct(made), failed).await
    }

    /// Ends what was composed meanwhile: what there is of it, and why there is no more.
    async fn finish_live(&mut self) -> (Vec<Filed>, Option<String>) {
        const CUT_OFF: &str = "what went out while it was recorded could not be encoded to its end";
        let cut_off = || Some(CUT_OFF.to_owned());
        let Some((live, place)) = self.live.take() else { return (Vec::new(), None) };
        let Ok(ended) = tokio::task::spawn_blocking(move || live.finish(moment().0)).await else {
            return (Vec::new(), cut_off());
        };
        drop(place);
        if let Some(error) = &ended.error {
            tracing::error!(%error, id = self.id.as_str(), "what was composed while it was recorded did not end well");
        }
        let failed = ended.error.is_some().then(cut_off).flatten();
        self.recording.set_streams(ended.streams, moment().0);
        let Some(Cut { segments, files, count, duration_us }) = ended.cut else { return (Vec::new(), failed) };
        let (asked, plan) = (segments.asked(), segments.plan());
        let location = |file: &String| folder::location(&self.id, file);
        let product = Product::Segments {
            playlist: asked.playlist.clone(),
            location: location(&plan.playlist),
            live: asked.live_playlist.clone().zip(plan.live_playlist.as_ref().map(location)),
            segments: count,
            bytes: files.iter().map(|file| file.bytes).sum(),
            duration_ms: duration_us / 1000,
        };
        let names = files.iter().map(|file| (file.name.clone(), segments.name_of(&file.name))).collect();
        self.kept.extend(files);
        (vec![Filed { product, names }], failed)
    }

    /// The files the recorder wrote.
    fn as_they_came(&self, manifest: &Manifest, sizes: &BTreeMap<String, u64>, name: &Template) -> Vec<Filed> {
        let mut made: Vec<Filed> = Vec::new();
        let mut written: Vec<&str> = Vec::new();
        for track in &manifest.tracks {
            if written.contains(&track.file.as_str()) {
                continue;
            }
            written.push(&track.file);
            let of_file = || manifest.tracks.iter().filter(|other| other.file == track.file);
            let begin_us = of_file().map(|track| track.offset_us).min().unwrap_or(0);
            let end_us = of_file().map(|track| track.offset_us + track.duration_us).max().unwrap_or(begin_us);
            let bytes = sizes.get(&track.file).copied().unwrap_or(0);
            let ending = track.file.rsplit_once('.').map_or("", |(_, ending)| ending);
            let facts = self.facts(&track.participant);
            let name = name.fill(&facts, &format!(".{ending}"));
            let file = KeptFile { name: track.file.clone(), bytes };
            made.push(Filed::file(&self.id, &file, end_us.saturating_sub(begin_us) / 1000, name));
        }
        made
    }

    /// Brings files to their bucket, if they go to one.
    async fn send(&mut self, mut made: Vec<Filed>, failed: Option<String>) -> Happened {
        // It may take as long as the bucket is away, and what happens in the room meanwhile is nothing to this.
        self.events.close();
        let delivered = |made: Vec<Filed>, failed: Option<String>| {
            let products = made.into_iter().map(|made| made.product).collect();
            match failed {
                None => Happened::Delivered(Ok(products)),
                Some(reason) => Happened::DeliveredInPart { products, reason },
            }
        };
        let (delivery, order) = (&self.shared.delivery, self.recording.order());
        let folder = self.folder.clone();
        let destination = match delivery.destination(order) {
            Ok(Some(destination)) => destination,
            Ok(None) => return delivered(made, failed),
            // One of the order's own: ours was looked at before anything was recorded.
            Err(error) => return Happened::Delivered(Err(delivery.refused(folder, false, &error).await)),
        };
        let is_ours = destination == Destination::Ours;
        let names: Vec<_> = made.iter().flat_map(|made| made.names.iter().cloned()).collect();
        let packed = match delivery.pack(&self.id, &destination, with_manifest(order), &names) {
            Ok(packed) => packed,
            Err(error) => return Happened::Delivered(Err(delivery.refused(folder, is_ours, &error).await)),
        };
        let mut first = 0;
        for made in &mut made {
            let packed = packed.get(first..).unwrap_or_default();
            let address_of = |file: usize, location: &mut String| {
                if let Some((_, address)) = packed.get(file) {
                    location.clone_from(address);
                }
            };
            match &mut made.product {
                Product::File { location, .. } => address_of(0, location),
                Product::Segments { location, live, .. } => {
                    address_of(0, location);
                    live.iter_mut().for_each(|(_, location)| address_of(1, location));
                }
            }
            first += made.names.len();
        }
        let delivered = delivered(made, failed);
        // How it will be when all has arrived.
        let mut after = self.recording.clone();
        after.handle(delivered.clone(), moment().0);
        let after = EgressInfo {
            manifest_location: manifest_location(&packed),
            ..egress_info(&self.id, &self.seen.room.sid, &self.request, &after)
        };
        // What was made is known from here on, also to a server after this one.
        if let Err(error) = self.keep().await {
            tracing::error!(%error, id = self.id.as_str(), "a recording's state cannot be kept");
        }
        let items = packed.into_iter().map(|(item, _)| item).collect();
        let sent = match self.feed.take() {
            Some(feed) => feed.end().await,
            None => Vec::new(),
        };
        match delivery.send(folder, destination, (items, sent), &after).await {
            Ok(()) => {
                self.manifest_location = after.manifest_location;
                delivered
            }
            Err(reason) => Happened::Delivered(Err(reason)),
        }
    }

    /// Makes one file of all there is.
    async fn compose(&mut self, wish: Wish) -> Result<Made, String> {
        let composites = &self.shared.composites;
        composites.begin(&self.id).map_err(|error| error.to_string())?;
        let made = composites.make(&self.id, self.folder.clone(), wish).await?;
        self.kept.push(made.file.clone());
        Ok(made)
    }

    fn composite(&self, made: &Made, name: &Template) -> Filed {
        let ending = made.file.name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let name = name.fill(&self.facts(""), &format!(".{ending}"));
        let duration_ms = u64::try_from(made.duration.as_millis()).unwrap_or(u64::MAX);
        Filed::file(&self.id, &made.file, duration_ms, name)
    }

    /// What the words of a file's name stand for.
    fn facts<'a>(&'a self, publisher_identity: &'a str) -> Facts<'a> {
        let mut fed = self.files.fed();
        let only = fed.next().filter(|_| fed.next().is_none()).map(|(_, track)| track);
        Facts {
            room_name: &self.seen.room.name,
            room_id: &self.seen.room.sid,
            time: UnixSeconds(self.recording.times_ms().0.div_euclid(1000)),
            publisher_identity,
            track_id: only.map_or("", |track| &track.sid),
            track_type: only.map_or("", |track| if track.r#type() == TrackType::Audio { "audio" } else { "video" }),
            track_source: only.map_or("", |track| source_name(track.source())),
        }
    }

    /// Its state is another: whoever asks sees it, the store has it, the log says it.
    async fn change(&mut self) {
        if matches!(self.recording.state(), State::Ending(_)) {
            self.place = None;
            self.tell_room(false).await;
        }
        let is_over = matches!(self.recording.state(), State::Ended(_));
        // Whoever sees that it is over finds its files.
        if is_over {
            self.shared.keep_end(&self.as_kept()).await;
        } else if let Err(error) = self.keep().await {
            tracing::error!(%error, id = self.id.as_str(), "a recording's state cannot be kept");
        }
        let info = self.info();
        self.show.send_replace(info);
        self.tell(if is_over { RecordingStep::Ended } else { RecordingStep::Updated });
    }

    /// Everybody in the room is to know as long as anything is written.
    async fn tell_room(&self, goes_on: bool) {
        self.shared.rooms.recorded(&self.seen.room.name, self.id.as_str(), goes_on).await;
    }

    fn tell(&self, step: RecordingStep) {
        let info = Box::new(self.info());
        let kind = RoomEventKind::Recording { step, info };
        let room = self.seen.room.clone();
        self.shared
            .rooms
            .note(Box::new(RoomEvent { sequence: 0, unix_ms: moment().0, room, kind }));
    }

    fn info(&self) -> EgressInfo {
        EgressInfo {
            manifest_location: self.manifest_location.clone(),
            ..egress_info(&self.id, &self.seen.room.sid, &self.request, &self.recording)
        }
    }

    /// Writes down how it is.
    pub(super) async fn keep(&self) -> Result<(), StoreError> {
        self.shared.store.put_recording(&self.as_kept()).await
    }

    fn as_kept(&self) -> sluice_store::Recording {
        let info = self.info();
        let (created_ms, _, ended_ms) = self.recording.times_ms();
        sluice_store::Recording {
            id: self.id.as_str().to_owned(),
            room: RoomName::from(self.seen.room.name.as_str()),
            session: SessionId::from(self.seen.room.sid.as_str()),
            owner: self.owner.clone(),
            files: KeptFile::write(&self.kept),
            is_held: false,
            expires: ended_ms.and_then(|ended_ms| self.shared.config.expiry(UnixMillis(ended_ms))),
            bytes: self.kept.iter().map(|file| file.bytes).sum(),
            info: serde_json::to_string(&info).unwrap_or_else(|_| "{}".to_owned()),
            is_over: matches!(self.recording.state(), State::Ended(_)),
            created: UnixMillis(created_ms),
            ended: ended_ms.map(UnixMillis),
        }
    }
}

/// A published track in the words of recordings.
pub(super) fn facts(participant: &ParticipantInfo, track: &TrackInfo) -> TrackFacts {
    let is_screen = matches!(track.source(), TrackSource::ScreenShare | TrackSource::ScreenShareAudio);
    TrackFacts {
        track: track.sid.clone(),
        identity: participant.identity.clone(),
        kind: if track.r#type() == TrackType::Audio { TrackKind::Audio } else { TrackKind::Video },
        is_screen,
        is_encrypted: track.encryption() != encryption::Type::None,
    }
}

/// Whether it is made while the recording goes on, of nothing that has to be kept.
const fn is_live(output: &Output) -> bool {
    matches!(output, Output::Stream { .. } | Output::Segments { .. })
}
