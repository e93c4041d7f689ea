//! Carries a plan out: starts media threads, lets people in, waits until media flows, measures, lets people out, and
//! collects what everybody saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::attendance::{Attendance, Attendee, Phase, Venue};
use crate::clock::Clock;
use crate::error::LoadError;
use crate::media_thread::{Keeping, MediaHandle, MediaThread, Order, ThreadReport};
use crate::participant::TrackPlan;
use crate::plan::{Plan, Visit};
use crate::process::{self, Reading};
use crate::progress::{Progress, Stage};
use crate::recordings::{Recorded, Recordings};
use crate::server::Server;
use crate::signal::SignalVersion;
use crate::tally::Live;
use crate::window::{Announced, Window};

/// Media that does not begin to flow for so long will not.
const FLOW_PATIENCE: Duration = Duration::from_secs(8);
/// Between the last stream's begin and measuring: estimates settle, key frames are over.
const SETTLE: Duration = Duration::from_secs(2);
/// After the window: what was sent in it may still arrive, repairs included.
const DRAIN: Duration = Duration::from_secs(1);
/// For everybody to say goodbye.
const GOODBYE: Duration = Duration::from_secs(10);
/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What a run needs besides its plan.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Whom to load.
    pub server: Server,
    /// The server's process on this machine, to be weighed.
    pub server_pid: Option<u32>,
    /// Threads for media.
    pub threads: usize,
    /// The signal protocol to speak. Where there is no v1, v0 is spoken.
    pub version: SignalVersion,
}

/// A second of the server's life.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerSample {
    /// Since the window began.
    pub(crate) at: Duration,
    pub(crate) reading: Reading,
}

/// Everything a run brought.
pub(crate) struct Observed {
    pub(crate) window: Window,
    pub(crate) attendances: Vec<Attendance>,
    pub(crate) threads: Vec<ThreadReport>,
    pub(crate) server: Vec<ServerSample>,
    pub(crate) version: SignalVersion,
    pub(crate) flowing: u64,
    /// Where anybody was to be recorded.
    pub(crate) recorded: Option<Recorded>,
}

/// Runs a plan.
pub(crate) fn conduct(plan: &Plan, setup: &Setup, progress: &mut Progress) -> Result<Observed, LoadError> {
    if let Some(pid) = setup.server_pid {
        process::read(pid).map_err(|error| LoadError::Process(pid, error))?;
    }
    process::raise_open_files();
    let clock = Clock::of_machine();
    let (announced, live) = (Arc::new(Announced::default()), Arc::new(Live::default()));
    let mut handles = Vec::new();
    let mut threads = Vec::new();
    for index in 0..setup.threads.max(1) {
        let (handle, thread) = MediaThread::start(index, clock, announced.clone(), live.clone(), Keeping::Outcomes)
            .map_err(|error| LoadError::System("start a thread for media", error))?;
        handles.push(handle);
        threads.push(thread);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| LoadError::System("start the runtime for signaling", error))?;
    let conductor = Conductor { plan, setup, clock, announced, live, handles };
    runtime.block_on(conductor.run(progress, threads))
}

struct Conductor<'a> {
    plan: &'a Plan,
    setup: &'a Setup,
    clock: Clock,
    announced: Arc<Announced>,
    live: Arc<Live>,
    handles: Vec<MediaHandle>,
}

impl Conductor<'_> {
    async fn run(self, progress: &mut Progress, threads: Vec<JoinHandle<ThreadReport>>) -> Result<Observed, LoadError> {
        let venue = Arc::new(Venue {
            server: self.setup.server.clone(),
            clock: self.clock,
            version: self.setup.version,
            has_no_v1: AtomicBool::new(false),
        });
        let (phase, phases) = watch::channel(Phase::Gathering);
        let mut people = self.invite(&venue, &phases)?;
        drop(phases);
        let mut attendances = Vec::new();

        self.gather(&mut people, &mut attendances, progress).await;
        let recordings = match self.plan.recordings {
            0 => None,
            _ => Some(Recordings::begin(&self.setup.server, self.plan).await?),
        };
        if !people.is_empty() {
            sleep(SETTLE).await;
        }
        let begin = Instant::now() + Duration::from_millis(20);
        let end = begin + self.plan.duration;
        let window = Window { begin_ns: self.clock.nanos(begin), end_ns: self.clock.nanos(end) };
        let flowing = self.live.flowing.load(Ordering::Relaxed);
        let mut server = Vec::new();
        if flowing > 0 || self.plan.subscriptions_before() == 0 {
            self.announced.announce(window);
            phase.send_replace(Phase::Measuring(begin));
            server = self.measure(begin, end, progress).await?;
            sleep(DRAIN).await;
        }
        let recorded = match recordings {
            None => None,
            Some(recordings) => Some(recordings.end().await?),
        };
        phase.send_replace(Phase::Over);
        progress.stage(Stage::Leaving);
        let goodbye = async {
            while let Some(attended) = people.join_next().await {
                attendances.extend(attended);
            }
        };
        // Who does not get out in time is cut off; the report has been measured already.
        let _ = timeout(GOODBYE, goodbye).await;
        people.shutdown().await;
        for handle in &self.handles {
            handle
                .tell(Order::Finish)
                .await
                .map_err(|_| LoadError::Bug("a media thread ended early"))?;
        }
        let threads = threads.into_iter().map(JoinHandle::join).collect::<Result<_, _>>();
        let threads = threads.map_err(|_| LoadError::Bug("a media thread panicked"))?;
        let version = venue.version();
        Ok(Observed { window, attendances, threads, server, version, flowing, recorded })
    }

    fn invite(&self, venue: &Arc<Venue>, phases: &watch::Receiver<Phase>) -> Result<JoinSet<Attendance>, LoadError> {
        let mut people = JoinSet::new();
        let mut next_track = 0;
        let started_at = Instant::now();
        for (id, visit) in self.plan.visits.iter().enumerate() {
            let tracks = visit
                .publishes
                .iter()
                .map(|content| {
                    next_track += 1;
                    let seed = self.plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(u64::from(next_track));
                    TrackPlan { number: next_track, content: *content, seed }
                })
                .collect();
            let attendee = Attendee {
                id,
                tracks,
                token: venue.server.token(&visit.room, &visit.identity, &visit.identity)?,
                visit: visit.clone(),
                venue: venue.clone(),
                media: self.thread_for(id, visit).clone(),
                phase: phases.clone(),
                started_at,
            };
            people.spawn(attendee.attend());
        }
        Ok(people)
    }

    /// Who only publishes has a thread apart, where there are several: he must not be late because others are busy.
    fn thread_for(&self, id: usize, visit: &Visit) -> &MediaHandle {
        match &*self.handles {
            [first, others @ ..] if !others.is_empty() => {
                if visit.subscribes {
                    &others[id % others.len()]
                } else {
                    first
                }
            }
            handles => &handles[id % handles.len()],
        }
    }

    /// Until everybody who comes first is there and media flows, or does not begin to.
    async fn gather(
        &self,
        people: &mut JoinSet<Attendance>,
        attendances: &mut Vec<Attendance>,
        progress: &mut Progress,
    ) {
        let expected = self.plan.subscriptions_before();
        progress.stage(Stage::Gathering { subscriptions: expected });
        let mut grown_at = Instant::now() + self.plan.last_join();
        let mut before = (0, 0);
        loop {
            // Those who leave now could not get in, or not stay.
            while let Some(attended) = people.try_join_next() {
                if let Ok(attended) = attended {
                    if attended.failure.is_some() {
                        Live::count(&self.live.failed);
                    }
                    attendances.push(attended);
                }
            }
            progress.look(&self.live);
            let flowing = self.live.flowing.load(Ordering::Relaxed);
            let now = (self.live.connected.load(Ordering::Relaxed), flowing);
            if now != before {
                before = now;
                grown_at = grown_at.max(Instant::now());
            }
            let is_complete = flowing >= expected && Instant::now() >= grown_at;
            if is_complete || grown_at.elapsed() > FLOW_PATIENCE || people.is_empty() {
                break;
            }
            sleep(LOOK).await;
        }
    }

    async fn measure(
        &self,
        begin: Instant,
        end: Instant,
        progress: &mut Progress,
    ) -> Result<Vec<ServerSample>, LoadError> {
        progress.stage(Stage::Measuring { duration: self.plan.duration });
        let mut samples = Vec::new();
        let mut next = begin;
        loop {
            sleep_until(next.into()).await;
            if let Some(pid) = self.setup.server_pid {
                let reading = process::read(pid).map_err(|error| LoadError::Process(pid, error))?;
                samples.push(ServerSample { at: begin.elapsed(), reading });
            }
            if next >= end {
                return Ok(samples);
            }
            let second = (next + Duration::from_secs(1)).min(end);
            while Instant::now() + LOOK < second {
                sleep(LOOK).await;
                progress.look(&self.live);
            }
            next = second;
        }
    }
}
