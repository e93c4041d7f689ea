//! The thread that receives TCP connections: it waits for what each says first, and shows it to the worker it names.
//!
//! Connections come to listeners of its own, or to somebody else's who hands them over. Whose one is says the user name
//! of the connectivity check that comes first, as over UDP. What the worker makes of it is the worker's: until the check
//! is verified there, the connection is on trial (see [`sluice_net::Streams`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use sluice_core::WorkerId;
use sluice_net::{Lobby, LobbyStats, Newcomer, Waker};

use crate::metrics::ReceptionMetrics;
use crate::pulse::Pulse;

/// Connections that may wait for a worker, which takes all of them in a pass. One that does not keep up gets no more:
/// clients come again.
const QUEUE_LEN: usize = 256;

/// The way to a worker for connections.
pub(crate) struct Desk {
    newcomers: SyncSender<Newcomer>,
    waker: Waker,
    pulse: Arc<Pulse>,
}

/// A way to a worker, and the end the worker holds.
pub(crate) fn desk(waker: Waker, pulse: Arc<Pulse>) -> (Desk, Receiver<Newcomer>) {
    let (newcomers, end) = sync_channel(QUEUE_LEN);
    (Desk { newcomers, waker, pulse }, end)
}

pub(crate) struct Reception {
    lobby: Lobby,
    /// By the workers' numbers.
    desks: Vec<Desk>,
    is_stopping: Arc<AtomicBool>,
    metrics: ReceptionMetrics,
    published: LobbyStats,
    /// Named no worker, or one that is lost or does not keep up.
    nobodys: u64,
}

/// Ends the reception.
pub(crate) struct ReceptionHandle {
    is_stopping: Arc<AtomicBool>,
    waker: Waker,
    thread: JoinHandle<()>,
}

impl ReceptionHandle {
    /// Closes the listeners, and waits until that is done.
    pub(crate) fn close(self) {
        self.is_stopping.store(true, Ordering::Release);
        self.waker.wake();
        // A thread that panicked has said so already.
        let _ = self.thread.join();
    }
}

impl Reception {
    pub(crate) fn start(lobby: Lobby, desks: Vec<Desk>, metrics: ReceptionMetrics) -> std::io::Result<ReceptionHandle> {
        let (is_stopping, waker) = (Arc::new(AtomicBool::new(false)), lobby.waker());
        let reception = Self {
            lobby,
            desks,
            is_stopping: is_stopping.clone(),
            metrics,
            published: LobbyStats::default(),
            nobodys: 0,
        };
        let thread = std::thread::Builder::new().name("reception".into()).spawn(move || reception.run())?;
        Ok(ReceptionHandle { is_stopping, waker, thread })
    }

    fn run(mut self) {
        while !self.is_stopping.load(Ordering::Acquire) {
            let before = Instant::now();
            let timeout = self.lobby.poll_timeout().map(|at| at.saturating_duration_since(before));
            if let Err(error) = self.lobby.wait(timeout) {
                tracing::error!(%error, "cannot wait for TCP connections: clients without UDP will not get in");
                return;
            }
            let Self { lobby, desks, nobodys, .. } = &mut self;
            lobby.receive(Instant::now(), |newcomer| {
                if !show_in(desks, newcomer) {
                    *nobodys += 1;
                }
            });
            self.publish();
        }
    }

    fn publish(&mut self) {
        let stats = self.lobby.stats();
        self.metrics.publish(&self.published, &stats, std::mem::take(&mut self.nobodys));
        self.published = stats;
    }
}

/// Brings a connection to the worker it names. Otherwise it is closed.
fn show_in(desks: &[Desk], newcomer: Newcomer) -> bool {
    let worker = WorkerId::of_check(&newcomer.first);
    let Some(desk) = worker.and_then(|worker| desks.get(worker.index())) else { return false };
    let is_taken = !desk.pulse.is_lost() && desk.newcomers.try_send(newcomer).is_ok();
    desk.waker.wake();
    is_taken
}
