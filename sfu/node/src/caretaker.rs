//! The thread beside the workers: sees that each of them moves, measures their load, and has the kernel steer what comes
//! to the shared port.
//!
//! A worker that is stuck or gone is lost (see [`crate::pulse`]): no room is placed there any more, and the rooms that are
//! there are told. They go on where they still are, and see to those who were there. The process lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sluice_core::WorkerId;
use sluice_net::PortHold;

use crate::metrics::CareMetrics;
use crate::pulse::{Pulse, Watch};
use crate::rooms::Rooms;
use crate::steering::{Buckets, WORDS};

/// How often it looks. A client's first second of media may be handed on between workers until the kernel knows it.
const INTERVAL: Duration = Duration::from_millis(250);
/// Who was away for so long (the process stopped, the machine paused) cannot tell who was stuck meanwhile.
const LONGEST_ABSENCE: Duration = Duration::from_secs(1);
/// How often it looks whether the workers have stopped.
const STOPPING_INTERVAL: Duration = Duration::from_millis(5);
/// The longest a pass of a worker may take. A pass takes microseconds, a join some milliseconds.
pub(crate) const LONGEST_PASS: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 5 });

/// A worker in its care.
pub(crate) struct Charge {
    pulse: Arc<Pulse>,
    thread: JoinHandle<()>,
    watch: Watch,
    /// Its rooms have been told that it is lost.
    is_reported: bool,
    /// Keeps the worker's place among those that share the port, and lets the port be steered. `None` when nothing is
    /// steered: then the port had better forget a worker that is gone.
    hold: Option<PortHold>,
}

impl Charge {
    pub(crate) fn new(pulse: Arc<Pulse>, thread: JoinHandle<()>, hold: PortHold) -> Self {
        Self { pulse, thread, watch: Watch::new(Instant::now()), is_reported: false, hold: Some(hold) }
    }
}

pub(crate) struct Caretaker {
    /// By the workers' numbers.
    charges: Vec<Charge>,
    rooms: Arc<Rooms>,
    /// `None` when nothing is steered.
    buckets: Option<Arc<Buckets>>,
    /// Words of the table, as many as the kernel takes. Nought: it takes no program.
    words: &'static [usize],
    metrics: CareMetrics,
    looked_at: Instant,
    is_stopping: Arc<AtomicBool>,
}

/// Ends the care, and with it the workers, which have been told to stop.
pub(crate) struct CareHandle {
    is_stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl CareHandle {
    /// Waits for the workers.
    pub(crate) fn join(self) {
        self.is_stopping.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // A thread that panicked has said so already.
        let _ = self.thread.join();
    }
}

impl Caretaker {
    pub(crate) fn start(
        charges: Vec<Charge>,
        rooms: Arc<Rooms>,
        buckets: Option<Arc<Buckets>>,
        metrics: CareMetrics,
    ) -> std::io::Result<CareHandle> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let mut caretaker = Self {
            charges,
            rooms,
            buckets,
            words: &WORDS,
            metrics,
            looked_at: Instant::now(),
            is_stopping: is_stopping.clone(),
        };
        // Before the first client comes.
        caretaker.steer();
        if caretaker.buckets.is_none() || caretaker.words.is_empty() {
            caretaker.charges.iter_mut().for_each(|charge| charge.hold = None);
        }
        let thread = std::thread::Builder::new().name("caretaker".into()).spawn(move || caretaker.run())?;
        Ok(CareHandle { is_stopping, thread })
    }

    fn run(mut self) {
        while !self.is_stopping.load(Ordering::Acquire) {
            std::thread::park_timeout(INTERVAL);
            self.look(Instant::now());
            self.steer();
        }
        // One that is stuck will not stop for being waited for.
        let patience = Instant::now() + LONGEST_PASS;
        while Instant::now() < patience && self.charges.iter().any(|charge| !charge.thread.is_finished()) {
            std::thread::park_timeout(STOPPING_INTERVAL);
        }
    }

    fn look(&mut self, now: Instant) {
        if now.saturating_duration_since(self.looked_at) > LONGEST_ABSENCE {
            self.charges.iter_mut().for_each(|charge| charge.watch.restart(now));
        }
        self.looked_at = now;
        for (worker, charge) in WorkerId::all().zip(&mut self.charges) {
            let is_gone = charge.thread.is_finished();
            if charge.watch.is_stuck(&charge.pulse, LONGEST_PASS, now) || is_gone {
                charge.pulse.give_up();
            }
            // Others may have given it up.
            if charge.is_reported || !charge.pulse.is_lost() || charge.pulse.is_stopping() {
                continue;
            }
            charge.is_reported = true;
            let rooms = self.rooms.lose(worker);
            let why = if is_gone { "gone" } else { "stuck" };
            tracing::error!(worker = worker.0, rooms, "a media worker is {why}: its rooms go on without it");
            self.metrics.lost.inc();
            if let Some(buckets) = &self.buckets {
                buckets.change();
            }
        }
        self.rooms.catch_up();
    }

    /// Lets the kernel know where clients are now, when that has changed.
    fn steer(&mut self) {
        let Some(buckets) = self.buckets.as_ref().filter(|buckets| !self.words.is_empty() && buckets.take_change())
        else {
            return;
        };
        let Some(hold) = self.charges.iter().find_map(|charge| charge.hold.as_ref()) else { return };
        let lives = |worker: WorkerId| self.charges.get(worker.index()).is_some_and(|c| !c.pulse.is_lost());
        while let Some(words) = self.words.first() {
            let attached = [true, false].map(|v4| hold.steer(v4, &buckets.program(v4, *words, lives)));
            match attached.into_iter().collect::<std::io::Result<()>>() {
                Ok(()) => {
                    self.metrics.steered.inc();
                    return;
                }
                Err(error) if self.words.len() == 1 || error.kind() == std::io::ErrorKind::Unsupported => {
                    tracing::info!(%error, "the kernel steers no datagrams: workers hand them on");
                    self.words = &[];
                }
                Err(_) => self.words = &self.words[1..],
            }
        }
    }
}
