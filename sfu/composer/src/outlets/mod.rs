//! Where an encoded stream goes: to receivers elsewhere, and into segments.
//!
//! One thread reads the stream and gives each outlet its part of it through a bounded queue; each outlet has a thread and an
//! ffmpeg that copies. They are added and taken away while the stream goes on. One that fails is tried again, later and
//! later; one that is slow loses some of the stream, and the others none.

mod backoff;
mod push;
mod segments;

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ChildStdout;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::ffmpeg::Ffmpeg;
use crate::process::{Ends, Killer, Process, lock};
use backoff::Backoff;
pub use push::{NotAnAddress, PushAddress, Reason};
pub use segments::{NotAName, Playlist, Segment, SegmentPlan};

/// Most outlets of a stream at one time.
pub const MAX_OUTLETS: usize = 16;

/// Most outlets whose state is remembered, with those that have ended. The oldest of these are forgotten.
const MAX_REMEMBERED: usize = 64;

/// What waits for an outlet at most: ten seconds at 3 Mbit/s. Beyond, parts of the stream are dropped and counted.
const MAX_BYTES: usize = 4 << 20;
const MAX_PARTS: usize = 4096;

/// Read at once: a whole number of packets of the transport stream.
const READ: usize = 188 * 348;

/// An outlet that takes nothing for so long is ended, and tried again.
const STALL: Duration = Duration::from_secs(20);

/// How long an outlet may take to end well.
const LAST_WORK: Duration = Duration::from_secs(10);

/// An attempt that lasted so long had worked.
const WORKED: Duration = Duration::from_secs(10);

/// How often the playlist of the last few segments is written.
const LIVE_PLAYLIST: Duration = Duration::from_secs(1);

/// An outlet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutletId(u64);

/// How an outlet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutletState {
    /// It connects for the first time.
    Starting,
    /// What is sent arrives.
    Active,
    /// It failed and is tried again.
    Retrying(Reason),
    /// It failed for good, or the stream broke off.
    Failed(Reason),
    /// It came to its end: that of the stream, or it was taken away.
    Ended,
}

/// Why there is no such outlet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutletRefused {
    /// [`MAX_OUTLETS`].
    #[error("a stream goes to {MAX_OUTLETS} places at most")]
    TooMany,
    /// The stream is over.
    #[error("the stream is over")]
    Over,
    /// The folder is not there.
    #[error("there is no folder for the segments")]
    NoFolder,
    /// Names of files.
    #[error(transparent)]
    Name(#[from] NotAName),
    /// No thread.
    #[error("the system starts no thread")]
    NoThread,
}

/// See the module. Dropped, all outlets end at once.
#[derive(Debug)]
pub struct Outlets {
    ffmpeg: Ffmpeg,
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
    next_id: AtomicU64,
}

#[derive(Debug, Default)]
struct Shared {
    outlets: Mutex<BTreeMap<OutletId, Outlet>>,
    is_over: AtomicBool,
}

/// An outlet as those see it who are not its thread.
#[derive(Debug)]
struct Outlet {
    /// Gone when nothing more is to come.
    parts: Option<SyncSender<Arc<[u8]>>>,
    status: Arc<Status>,
    thread: Option<JoinHandle<()>>,
    /// When it must have ended.
    ends_by: Option<Instant>,
    /// Since when its queue takes nothing.
    full_since: Option<Instant>,
}

/// What an outlet's thread says and is told.
#[derive(Debug)]
struct Status {
    state: Mutex<OutletState>,
    killer: Mutex<Option<Killer>>,
    waiting: AtomicUsize,
    dropped: AtomicU64,
    is_stopped: AtomicBool,
    /// The stream broke off while this one had its part of it.
    is_cut_off: AtomicBool,
}

/// What an outlet is.
#[derive(Debug, Clone)]
enum Kind {
    Push(PushAddress),
    Segments(SegmentPlan),
}

impl Outlets {
    /// Of this stream, which is read to its end whether there are outlets or not. Outlets of one that ends with an error
    /// have failed, however well they sent what there was.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(ffmpeg: &Ffmpeg, stream: impl Read + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let reader = thread::Builder::new()
            .name("outlets".to_owned())
            .spawn(move || distribute(stream, &theirs))?;
        Ok(Self { ffmpeg: ffmpeg.clone(), shared, reader: Some(reader), next_id: AtomicU64::new(0) })
    }

    /// Sends it there as well, from now on.
    ///
    /// # Errors
    /// [`OutletRefused`].
    pub fn push(&self, address: PushAddress) -> Result<OutletId, OutletRefused> {
        self.add(Kind::Push(address))
    }

    /// Writes it into segments as well, from now on.
    ///
    /// # Errors
    /// [`OutletRefused`].
    pub fn segment(&self, plan: SegmentPlan) -> Result<OutletId, OutletRefused> {
        plan.check()?;
        if !plan.folder.is_dir() {
            return Err(OutletRefused::NoFolder);
        }
        self.add(Kind::Segments(plan))
    }

    fn add(&self, kind: Kind) -> Result<OutletId, OutletRefused> {
        let mut outlets = lock(&self.shared.outlets);
        if self.shared.is_over.load(Ordering::Relaxed) {
            return Err(OutletRefused::Over);
        }
        if outlets.values().filter(|outlet| outlet.parts.is_some()).count() >= MAX_OUTLETS {
            return Err(OutletRefused::TooMany);
        }
        let (parts, queue) = sync_channel(MAX_PARTS);
        let status = Arc::new(Status {
            state: Mutex::new(OutletState::Starting),
            killer: Mutex::default(),
            waiting: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
            is_cut_off: AtomicBool::new(false),
        });
        let (ffmpeg, theirs) = (self.ffmpeg.clone(), Arc::clone(&status));
        let thread = thread::Builder::new()
            .name("outlet".to_owned())
            .spawn(move || serve(&ffmpeg, &kind, &queue, &theirs))
            .map_err(|_| OutletRefused::NoThread)?;
        let has_ended = |outlet: &Outlet| outlet.thread.as_ref().is_none_or(JoinHandle::is_finished);
        while outlets.len() >= MAX_REMEMBERED
            && let Some(id) = outlets.iter().find(|(_, outlet)| has_ended(outlet)).map(|(id, _)| *id)
        {
            outlets.remove(&id);
        }
        let id = OutletId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let outlet = Outlet { parts: Some(parts), status, thread: Some(thread), ends_by: None, full_since: None };
        outlets.insert(id, outlet);
        Ok(id)
    }

    /// Ends an outlet, once what it has was sent. Its state stays to be read.
    pub fn remove(&self, id: OutletId) {
        if let Some(outlet) = lock(&self.shared.outlets).get_mut(&id) {
            outlet.end();
        }
    }

    /// How an outlet is, and how many bytes it has lost because it was slow or away.
    #[must_use]
    pub fn state(&self, id: OutletId) -> Option<(OutletState, u64)> {
        let outlets = lock(&self.shared.outlets);
        outlets
            .get(&id)
            .map(|outlet| (*lock(&outlet.status.state), outlet.status.dropped.load(Ordering::Relaxed)))
    }

    /// Waits until the stream and then all outlets have ended.
    pub fn finish(mut self) -> Vec<(OutletId, OutletState)> {
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
        let outlets = lock(&self.shared.outlets);
        outlets.iter().map(|(id, outlet)| (*id, *lock(&outlet.status.state))).collect()
    }
}

impl Drop for Outlets {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for outlet in lock(&self.shared.outlets).values_mut() {
            outlet.parts = None;
            outlet.status.stop();
        }
    }
}

impl Outlet {
    /// Nothing more comes. It has a while to end well.
    fn end(&mut self) {
        if self.parts.take().is_some() {
            self.ends_by = Some(Instant::now() + LAST_WORK);
        }
    }

    /// Gives it a part of the stream.
    fn offer(&mut self, part: &Arc<[u8]>) {
        let Some(parts) = &self.parts else { return };
        let status = &self.status;
        let waiting = status.waiting.fetch_add(part.len(), Ordering::Relaxed);
        let has_room = waiting + part.len() <= MAX_BYTES;
        match if has_room { parts.try_send(Arc::clone(part)) } else { Err(TrySendError::Full(Arc::clone(part))) } {
            Ok(()) => {
                self.full_since = None;
                return;
            }
            Err(TrySendError::Full(_)) => {
                let now = Instant::now();
                if now.duration_since(*self.full_since.get_or_insert(now)) > STALL {
                    self.full_since = None;
                    status.kill();
                }
            }
            // It has failed for good, and makes room for another.
            Err(TrySendError::Disconnected(_)) => self.parts = None,
        }
        status.waiting.fetch_sub(part.len(), Ordering::Relaxed);
        status.dropped.fetch_add(u64::try_from(part.len()).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Ends it when it has had its time.
    fn watch(&self, now: Instant) {
        if self.ends_by.is_some_and(|by| now > by) {
            self.status.stop();
        }
    }
}

impl Status {
    fn kill(&self) {
        if let Some(killer) = &*lock(&self.killer) {
            killer.kill();
        }
    }

    fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.kill();
    }

    fn set(&self, state: OutletState) {
        *lock(&self.state) = state;
    }

    /// Nothing more comes.
    fn set_over(&self) {
        let is_cut_off = self.is_cut_off.load(Ordering::Relaxed);
        self.set(if is_cut_off { OutletState::Failed(Reason::Other) } else { OutletState::Ended });
    }

    fn is_active(&self) -> bool {
        *lock(&self.state) == OutletState::Active
    }
}

/// Reads the stream and gives every outlet what is read.
fn distribute(mut stream: impl Read, shared: &Shared) {
    let mut buffer = vec![0; READ];
    let mut filled = 0;
    let mut is_cut_off = false;
    loop {
        match stream.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::warn!(%error, "a stream broke off");
                is_cut_off = true;
                break;
            }
        }
        // Whole packets only: whoever comes later, and whoever lost some, begins with one.
        let whole = filled / 188 * 188;
        let part: Arc<[u8]> = buffer.get(..whole).unwrap_or_default().into();
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
        let now = Instant::now();
        for outlet in lock(&shared.outlets).values_mut() {
            if !part.is_empty() {
                outlet.offer(&part);
            }
            outlet.watch(now);
        }
    }
    shared.is_over.store(true, Ordering::Relaxed);
    let mut ending = Vec::new();
    for outlet in lock(&shared.outlets).values_mut() {
        // One that was taken away before has all it was to get.
        outlet.status.is_cut_off.store(is_cut_off && outlet.parts.is_some(), Ordering::Relaxed);
        outlet.end();
        ending.extend(outlet.thread.take().map(|thread| (thread, Arc::clone(&outlet.status))));
    }
    let (over, is_over) = sync_channel::<()>(1);
    let statuses: Vec<_> = ending.iter().map(|(_, status)| Arc::clone(status)).collect();
    let watch = thread::Builder::new().name("outlets-end".to_owned()).spawn(move || {
        if is_over.recv_timeout(LAST_WORK) == Err(RecvTimeoutError::Timeout) {
            statuses.iter().for_each(|status| status.stop());
        }
    });
    for (thread, status) in ending {
        if watch.is_err() {
            status.stop();
        }
        drop(thread.join());
    }
    drop(over);
}

/// How an attempt ended.
enum Attempt {
    /// The stream is over, or it was taken away.
    Over,
    Failed(Reason),
}

/// An outlet's thread.
fn serve(ffmpeg: &Ffmpeg, kind: &Kind, queue: &Receiver<Arc<[u8]>>, status: &Arc<Status>) {
    let mut backoff = Backoff::default();
    let mut is_again = false;
    loop {
        let started_at = Instant::now();
        let outcome = attempt(ffmpeg, kind, queue, status, is_again);
        if status.is_stopped.load(Ordering::Relaxed) {
            status.set_over();
            return;
        }
        let reason = match outcome {
            Attempt::Over => {
                status.set_over();
                return;
            }
            Attempt::Failed(reason) => reason,
        };
        is_again = true;
        // One that is taken and thrown out at once has not worked.
        let had_worked = status.is_active() && started_at.elapsed() > WORKED;
        let Some(wait) = backoff.handle_failure(had_worked) else {
            status.set(OutletState::Failed(reason));
            return;
        };
        status.set(OutletState::Retrying(reason));
        if !pass(queue, status, Instant::now() + wait) {
            // It was away when the stream ended.
            status.set(OutletState::Failed(reason));
            return;
        }
    }
}

/// Lets the stream pass by until then. False when it is over.
fn pass(queue: &Receiver<Arc<[u8]>>, status: &Status, until: Instant) -> bool {
    loop {
        match queue.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(part) => {
                status.waiting.fetch_sub(part.len(), Ordering::Relaxed);
                status.dropped.fetch_add(u64::try_from(part.len()).unwrap_or_default(), Ordering::Relaxed);
            }
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

fn attempt(ffmpeg: &Ffmpeg, kind: &Kind, queue: &Receiver<Arc<[u8]>>, status: &Arc<Status>, is_again: bool) -> Attempt {
    let mut command = push::command(ffmpeg);
    match kind {
        Kind::Push(address) => address.output(&mut command),
        Kind::Segments(plan) => plan.output(&mut command, is_again),
    }
    let Ok(mut process) = Process::spawn(command, Ends { stdin: true, stdout: true }) else {
        return Attempt::Failed(Reason::Other);
    };
    let (Some(mut stdin), Some(stdout)) = (process.take_stdin(), process.take_stdout()) else {
        return Attempt::Failed(Reason::Other);
    };
    let killer = process.killer();
    *lock(&status.killer) = Some(killer.clone());
    if status.is_stopped.load(Ordering::Relaxed) {
        return Attempt::Over;
    }
    let (theirs, dies) = (Arc::clone(status), killer);
    // Ends one that never connects; ends with it.
    let (connected, is_connected) = sync_channel::<()>(1);
    let watched = thread::Builder::new().name("outlet-start".to_owned()).spawn(move || {
        let timed_out = is_connected.recv_timeout(STALL) == Err(RecvTimeoutError::Timeout);
        if timed_out {
            dies.kill();
        }
        timed_out
    });
    let followed = thread::Builder::new()
        .name("outlet-progress".to_owned())
        .spawn(move || follow(stdout, &theirs, &connected));
    let (Ok(watched), Ok(followed)) = (watched, followed) else { return Attempt::Failed(Reason::Other) };

    let is_over = write(&mut stdin, kind, queue, status);
    drop(stdin);
    let ended = process.wait(LAST_WORK);
    drop(followed.join());
    let timed_out = watched.join().unwrap_or_default();
    if is_over {
        if let Kind::Segments(plan) = kind
            && let Err(error) = plan.write_live(true)
        {
            tracing::warn!(%error, "the last segments could not be listed");
        }
        // What is said at the very end of sending is about closing, and has no consequence.
        let was_sent = matches!(kind, Kind::Push(_)) && status.is_active();
        if was_sent || ended.is_ok_and(|ended| ended.success()) {
            return Attempt::Over;
        }
    }
    Attempt::Failed(if timed_out { Reason::TimedOut } else { Reason::of(&process.last_words()) })
}

/// Writes the stream to an outlet. True when it is over, false when nobody reads any more.
fn write(stdin: &mut impl Write, kind: &Kind, queue: &Receiver<Arc<[u8]>>, status: &Status) -> bool {
    let mut live_at = Instant::now() + LIVE_PLAYLIST;
    for part in queue {
        status.waiting.fetch_sub(part.len(), Ordering::Relaxed);
        if stdin.write_all(&part).is_err() {
            return false;
        }
        let now = Instant::now();
        if let Kind::Segments(plan) = kind
            && now >= live_at
        {
            live_at = now + LIVE_PLAYLIST;
            if let Err(error) = plan.write_live(false) {
                tracing::warn!(%error, "the last segments could not be listed");
            }
        }
    }
    true
}

/// Reads how it goes. It says so only when it has connected.
fn follow(stdout: ChildStdout, status: &Status, connected: &SyncSender<()>) {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stdout);
    loop {
        line.clear();
        // A line is some twenty bytes.
        match (&mut reader).take(1024).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if line.starts_with(b"progress=continue") && !status.is_active() => {
                status.set(OutletState::Active);
                // Once in an attempt, so there is room.
                connected.try_send(()).unwrap_or_default();
            }
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlet_that_failed_for_good_makes_room() {
        let (parts, queue) = sync_channel(1);
        let status = Arc::new(Status {
            state: Mutex::new(OutletState::Starting),
            killer: Mutex::default(),
            waiting: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
            is_cut_off: AtomicBool::new(false),
        });
        let mut outlet = Outlet { parts: Some(parts), status, thread: None, ends_by: None, full_since: None };
        let part: Arc<[u8]> = [0; 188].into();
        // One that is slow keeps its place.
        outlet.offer(&part);
        outlet.offer(&part);
        assert!(outlet.parts.is_some());
        drop(queue);
        outlet.offer(&part);
        assert!(outlet.parts.is_none());
        assert_eq!(outlet.status.dropped.load(Ordering::Relaxed), 2 * 188);
    }
}
