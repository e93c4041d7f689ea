//! Open rooms: by name, one task each.
//!
//! [`Rooms`] finds or opens a room; [`task`] owns its state machine and carries out its effects; [`explain`] is
//! what the task knows of why people see what they see; [`forwards`] the ways between rooms.

mod explain;
mod forwards;
mod task;
#[cfg(test)]
mod tests;
mod watchers;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use livekit_protocol::{RoomConfiguration, RoomEgress, RpcError, ServerInfo};
use sluice_node::{Node, TapReader, TapWake};
use sluice_rooms::{
    Moderation, ModerationError, RoomConfig, RoomEvent, RoomLimits, RoomSnapshot, RoomState, SidSource, TrackSid,
};
use tokio::sync::{mpsc, oneshot};

use crate::auth::Keys;
use crate::clock::moment;
use crate::config::ServerConfig;
use crate::events::{EventLog, Mark};
use crate::metrics::Metrics;
use crate::random::random_id;

#[cfg(test)]
pub(crate) use explain::Picture;
pub(crate) use explain::{Asker, ExplainError, Explained, Fared, code, kind_name};
pub(crate) use task::{Show, ToRoom};
pub(crate) use watchers::{Events, Watched, Witnessed};

/// The version clients are told. SDKs compare it with those of LiveKit's server to know what they may use (RPC
/// wants 1.8.0), and unwrap its parse; so it is the version whose signaling this server speaks, with our own
/// as build metadata.
const SERVER_VERSION: &str = concat!("1.9.0+sluice.", env!("CARGO_PKG_VERSION"));
/// The signal protocol this server speaks (LiveKit, August 2026).
const PROTOCOL: i32 = 17;
/// Commands that may wait for a room. Whoever sends one waits for a place: a room that is behind slows its
/// own clients down, and nobody else.
const COMMANDS: usize = 1024;
/// Letters of a node's id.
const NODE_ID_LETTERS: usize = 12;
/// Media events that may wait for a room. A worker never waits, so this is large: data packets come in
/// thousands a second, and a lost answer costs a client its negotiation.
const MEDIA_EVENTS: usize = 8192;

/// There are as many rooms as the configuration allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are too many rooms")]
pub(crate) struct TooManyRooms;

/// Why a room did not do what the server API asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdministerError {
    /// It is not open.
    NoRoom,
    /// It said no.
    Refused(ModerationError),
    /// It did it, and the log does not have it in time: were the server killed now, nobody would know.
    NotWritten,
}

/// What can be known of a room without asking it.
#[derive(Debug)]
pub(crate) struct RoomStatus {
    /// The name by which tokens know it.
    pub(crate) id: String,
    /// The name people gave it.
    pub(crate) name: String,
    /// Milliseconds since 1970.
    pub(crate) created_at: i64,
    /// 0 for no bound.
    max_participants: AtomicU32,
    /// Nobody else finds a place.
    full: AtomicBool,
    pub(crate) limits: RoomLimits,
    participants: AtomicUsize,
}

impl AdministerError {
    /// It was not open, or ended in this moment: then it has no say any more.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::NoRoom | Self::Refused(ModerationError::Finished))
    }
}

impl RoomStatus {
    pub(crate) fn num_participants(&self) -> usize {
        self.participants.load(Ordering::Relaxed)
    }

    /// 0 for no bound.
    pub(crate) fn max_participants(&self) -> u32 {
        self.max_participants.load(Ordering::Relaxed)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }
}

/// The way to a room's task.
#[derive(Clone)]
pub(crate) struct RoomHandle {
    /// Tells a room from its successor of the same name.
    number: u64,
    commands: mpsc::Sender<ToRoom>,
    pub(crate) status: Arc<RoomStatus>,
}

impl RoomHandle {
    /// Waits for a place in the room's queue. False when the room has ended.
    pub(crate) async fn send(&self, command: ToRoom) -> bool {
        self.commands.send(command).await.is_ok()
    }

    /// The room as it is, and what happens in it from then on; `None` when it has ended.
    pub(crate) async fn watch(&self) -> Option<Watched> {
        let (reply, answer) = oneshot::channel();
        self.send(ToRoom::Watch { reply }).await;
        answer.await.ok()
    }
}

/// What of a room is to be recorded without anybody asking while it goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Automatic {
    /// What whoever made it asked for.
    pub(crate) egress: RoomEgress,
    /// The tracks of everybody, as the room was set up.
    pub(crate) everybody: bool,
}

/// What is told of each room that opens and asks for [`Automatic`] recordings.
type Opened = Box<dyn Fn(RoomHandle, Automatic) + Send + Sync>;

/// How a room shall be made, where it differs from the defaults.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoomWish {
    /// The name people gave it; empty means that of the tokens.
    pub(crate) display_name: String,
    /// What the token of the first participant asks for.
    pub(crate) config: Option<RoomConfiguration>,
    /// Cameras forwarded at once; 0 for all.
    pub(crate) last_cameras: Option<u16>,
    /// Microphones forwarded at once; 0 for all.
    pub(crate) loudest_microphones: Option<u16>,
    /// How people get in.
    pub(crate) entry: sluice_rooms::Entry,
    /// Whether the log is told what people write.
    pub(crate) keeps_chat: bool,
    /// Whether everybody is recorded who comes.
    pub(crate) records: bool,
}

impl RoomWish {
    /// The same as the server API asks for it: what it does not say is as it was.
    pub(crate) fn asked_for(self, mut config: RoomConfiguration) -> Self {
        if config.max_participants == 0 {
            config.max_participants = self.config.as_ref().map_or(0, |config| config.max_participants);
        }
        Self { config: Some(config), ..self }
    }

    /// The same, recorded as the token of the first participant asks for it: the room was set up by others, and its record does
    /// not say.
    pub(crate) fn recorded_as(mut self, config: Option<&RoomConfiguration>) -> Self {
        if let Some(egress) = config.and_then(|config| config.egress.clone()) {
            self.config.get_or_insert_default().egress = Some(egress);
        }
        self
    }
}

/// All open rooms.
pub(crate) struct Rooms {
    open: DashMap<String, RoomHandle>,
    numbers: AtomicU64,
    config: ServerConfig,
    node: Node,
    keys: Arc<Keys>,
    metrics: Metrics,
    log: EventLog,
    node_id: String,
    /// Who records rooms that ask for it as they open.
    recorder: OnceLock<Opened>,
}

impl Rooms {
    pub(crate) fn new(config: ServerConfig, node: Node, keys: Arc<Keys>, metrics: Metrics, log: EventLog) -> Arc<Self> {
        let node_id = format!("ND_{}", random_id(NODE_ID_LETTERS));
        let (open, numbers, recorder) = (DashMap::new(), AtomicU64::new(0), OnceLock::new());
        Arc::new(Self { open, numbers, config, node, keys, metrics, log, node_id, recorder })
    }

    /// What clients and back ends know this server by; new with each start.
    pub(crate) fn node_id(&self) -> &str {
        &self.node_id
    }

    /// Asks an open room for something, or only to be shown. What it did is in the log when this answers.
    pub(crate) async fn administer(
        &self,
        id: &str,
        moderation: Option<Moderation>,
        show: Show,
    ) -> Result<RoomSnapshot, AdministerError> {
        let is_change = moderation.is_some();
        let (seen, mark) = self.ask(id, moderation, show).await?;
        if is_change {
            self.log.written(mark).await.map_err(|_| AdministerError::NotWritten)?;
        }
        Ok(seen)
    }

    /// Waits until the log has what happened in an open room so far: before its making is acknowledged.
    pub(crate) async fn written(&self, id: &str) -> Result<(), AdministerError> {
        let (_, mark) = self.ask(id, None, Show::Room).await?;
        self.log.written(mark).await.map_err(|_| AdministerError::NotWritten)
    }

    async fn ask(
        &self,
        id: &str,
        moderation: Option<Moderation>,
        show: Show,
    ) -> Result<(RoomSnapshot, Mark), AdministerError> {
        let (reply, answer) = oneshot::channel();
        let room = self.get(id).ok_or(AdministerError::NoRoom)?;
        room.send(ToRoom::Administer { moderation: moderation.map(Box::new), show, reply }).await;
        // A room that ends drops what it was asked.
        answer.await.unwrap_or(Err(ModerationError::Finished)).map_err(AdministerError::Refused)
    }

    /// Looks into an open room; `None` when it is not open.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        id: &str,
        question: impl FnOnce(&RoomState) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let question = Box::new(move |room: &RoomState| {
            // Whoever asked may have gone.
            let _ = reply.send(question(room));
        });
        self.get(id)?.send(ToRoom::Ask { question }).await;
        // A room that ends drops what it was asked.
        answer.await.ok()
    }

    /// An open room as it is, and what happens in it from then on.
    pub(crate) async fn watch(&self, id: &str) -> Option<Watched> {
        self.get(id)?.watch().await
    }

    /// Says who is told of rooms that open and ask to be recorded. The first one stays; it must not block.
    pub(crate) fn record_by(&self, recorder: impl Fn(RoomHandle, Automatic) + Send + Sync + 'static) {
        let _ = self.recorder.set(Box::new(recorder));
    }

    /// Tells an open room, and all in it, that it is recorded, or is no more.
    pub(crate) async fn recorded(&self, id: &str, recording: &str, goes_on: bool) {
        if let Some(room) = self.get(id) {
            room.send(ToRoom::Recorded { recording: recording.to_owned(), goes_on }).await;
        }
    }

    /// Taps a track of somebody in an open room; `None` when one of them has gone.
    pub(crate) async fn tap(&self, id: &str, identity: &str, track: &str, wake: TapWake) -> Option<TapReader> {
        let (reply, answer) = oneshot::channel();
        let (identity, track) = (identity.to_owned(), TrackSid::from(track));
        self.get(id)?.send(ToRoom::Tap { identity, track, wake, reply }).await;
        answer.await.ok().flatten()
    }

    /// Writes into the log what happened of a room, but not in it.
    pub(crate) fn note(&self, event: Box<RoomEvent>) {
        self.metrics.room_events.with_label_values(&[event.kind.name()]).inc();
        // What is lost is counted there.
        let _ = self.log.note(event);
    }

    /// Lets a participant of an open room be in another, too. It is there, and the log says so, when this answers; it stays
    /// until it leaves its own room, is sent away there, or one of the rooms ends. Who is there already stays.
    pub(crate) async fn forward(&self, id: &str, identity: String, to: RoomHandle) -> Result<(), AdministerError> {
        let (reply, answer) = oneshot::channel();
        let room = self.get(id).ok_or(AdministerError::NoRoom)?;
        room.send(ToRoom::Forward { identity, to, reply }).await;
        let there = answer.await.unwrap_or(Err(ModerationError::Finished));
        let mark = there.map_err(AdministerError::Refused)?;
        self.log.written(mark).await.map_err(|_| AdministerError::NotWritten)
    }

    /// Calls a procedure (its name and argument) of a participant; what it answered.
    pub(crate) async fn call(
        &self,
        id: &str,
        identity: String,
        (method, payload): (String, String),
        timeout: Duration,
    ) -> Result<Result<String, RpcError>, AdministerError> {
        let (reply, answer) = oneshot::channel();
        let room = self.get(id).ok_or(AdministerError::NoRoom)?;
        room.send(ToRoom::Call { identity, method, payload, timeout, reply }).await;
        answer.await.unwrap_or(Err(ModerationError::Finished)).map_err(AdministerError::Refused)
    }

    /// A room that is open.
    pub(crate) fn get(&self, id: &str) -> Option<RoomHandle> {
        self.open
            .get(id)
            .filter(|handle| !handle.commands.is_closed())
            .map(|handle| handle.clone())
    }

    /// Every open room.
    pub(crate) fn list(&self) -> Vec<Arc<RoomStatus>> {
        let mut rooms: Vec<_> = self.open.iter().map(|handle| handle.status.clone()).collect();
        rooms.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        rooms
    }

    /// Ids of those that somebody is in. Who waits at the door of one is not in it.
    pub(crate) fn occupied(&self) -> Vec<String> {
        let occupied = self.open.iter().filter(|handle| handle.status.num_participants() > 0);
        occupied.map(|handle| handle.status.id.clone()).collect()
    }

    /// The room of that name, opened if need be.
    pub(crate) fn open(self: &Arc<Self>, id: &str, wish: RoomWish) -> Result<RoomHandle, TooManyRooms> {
        let full = self.open.len() >= self.config.limits.rooms;
        match self.open.entry(id.to_owned()) {
            Entry::Occupied(entry) if !entry.get().commands.is_closed() => Ok(entry.get().clone()),
            Entry::Vacant(_) if full => Err(TooManyRooms),
            entry => {
                let handle = self.start(id, wish);
                entry.insert(handle.clone());
                Ok(handle)
            }
        }
    }

    fn start(self: &Arc<Self>, id: &str, wish: RoomWish) -> RoomHandle {
        let defaults = &self.config.rooms;
        let asked = wish.config.unwrap_or_default();
        let seconds = |asked: u32, default: Duration| match asked {
            0 => default,
            seconds => Duration::from_secs(seconds.into()),
        };
        let max_participants = match asked.max_participants {
            0 => defaults.max_participants,
            asked => asked,
        };
        let bound = |asked: Option<u16>, default: u16| Some(asked.unwrap_or(default)).filter(|bound| *bound > 0);
        let automatic = match (&asked.egress, wish.records) {
            (None, false) => None,
            (egress, everybody) => Some(Automatic { egress: egress.clone().unwrap_or_default(), everybody }),
        };
        let limits = RoomLimits {
            last_cameras: bound(wish.last_cameras, defaults.last_cameras),
            loudest_microphones: bound(wish.loudest_microphones, defaults.loudest_microphones),
        };
        let config = RoomConfig {
            name: id.to_owned(),
            metadata: asked.metadata.clone(),
            empty_timeout: seconds(asked.empty_timeout, defaults.empty_timeout),
            departure_timeout: seconds(asked.departure_timeout, defaults.departure_timeout),
            max_participants,
            limits,
            resume_window: self.config.timeouts.resume,
            server_info: ServerInfo {
                version: SERVER_VERSION.into(),
                protocol: PROTOCOL,
                node_id: self.node_id.clone(),
                ..Default::default()
            },
            ice_servers: Vec::new(),
            remote_unmute: defaults.remote_unmute,
            entry: wish.entry,
            keeps_chat: wish.keeps_chat,
            asked,
        };
        let now = now();
        let (state, effects) = RoomState::open(config, SidSource::new(system_random), now);
        let (media_events, media) = mpsc::channel(MEDIA_EVENTS);
        let dropped = self.metrics.media_events_dropped.clone();
        let sink = move |event| {
            let taken = media_events.try_send(event).is_ok();
            if !taken {
                dropped.inc();
            }
            taken
        };
        let worker_room = sluice_core::RoomId::from(state.sid().as_str());
        let link = self.node.open_room(worker_room.clone(), Arc::new(sink));
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let handle = RoomHandle {
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            commands,
            status: Arc::new(RoomStatus {
                id: id.to_owned(),
                name: if wish.display_name.is_empty() { id.to_owned() } else { wish.display_name },
                created_at: now.unix_ms,
                max_participants: AtomicU32::new(max_participants),
                full: AtomicBool::new(false),
                limits,
                participants: AtomicUsize::new(0),
            }),
        };
        let task = task::RoomTask::new(self.clone(), &handle, state, worker_room, link);
        tokio::spawn(task.run(effects, inbox, media));
        if let Some((record, automatic)) = self.recorder.get().zip(automatic) {
            record(handle.clone(), automatic);
        }
        handle
    }

    /// Whether the media plane has a worker that takes rooms.
    pub(crate) fn has_workers(&self) -> bool {
        self.node.is_able()
    }

    /// The room's task has ended.
    fn forget(&self, id: &str, number: u64) {
        self.open.remove_if(id, |_, handle| handle.number == number);
    }

    /// Waits until no room is open.
    pub(crate) async fn all_ended(&self) {
        let handles: Vec<_> = self.open.iter().map(|handle| handle.clone()).collect();
        for handle in handles {
            handle.commands.closed().await;
        }
    }

    /// Ends every room: their participants are told that the server stops.
    pub(crate) async fn shutdown(&self) {
        let handles: Vec<_> = self.open.iter().map(|handle| handle.clone()).collect();
        for handle in handles {
            handle.send(ToRoom::Shutdown).await;
        }
    }
}

/// Randomness of the system. It does not fail once the system is up; if it did, sids would repeat, so the
/// room would rather not be.
fn system_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system's randomness is there once the process runs");
}

/// The time, for a room.
pub(crate) fn now() -> sluice_rooms::Now {
    sluice_rooms::Now { at: std::time::Instant::now(), unix_ms: moment().0 }
}
