//! One participant's way through a run on the signaling side: it comes when the plan says, keeps its WebSocket,
//! resumes it when it breaks, and leaves. Its media lives on a media thread; the two exchange messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use livekit_protocol::{
    DisconnectReason, LeaveRequest, Ping, leave_request, signal_request as ask, signal_response as told,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::clock::Clock;
use crate::error::PeerError;
use crate::media_thread::{Entrance, MediaHandle, Order, VisitId};
use crate::participant::TrackPlan;
use crate::plan::{Arrival, Visit};
use crate::server::Server;
use crate::signal::{Signal, SignalVersion};

/// Requests of one participant on their way to its WebSocket: more than it has tracks to announce. When full, the
/// participant has failed: it no longer does what a client would.
const MAX_REQUESTS: usize = 64;
/// Clients ping this often.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// A server answers a join with its first message in this time, as LiveKit's clients expect.
const JOIN_PATIENCE: Duration = Duration::from_secs(20);

/// Where a run stands, as everybody in it sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// People come.
    Gathering,
    /// Measuring began at this time.
    Measuring(Instant),
    /// Everybody leaves.
    Over,
}

/// What all attendances share.
#[derive(Debug)]
pub(crate) struct Venue {
    pub(crate) server: Server,
    pub(crate) clock: Clock,
    /// What was asked for.
    pub(crate) version: SignalVersion,
    /// The server turned out not to know v1.
    pub(crate) has_no_v1: AtomicBool,
}

impl Venue {
    /// What is spoken.
    pub(crate) fn version(&self) -> SignalVersion {
        match self.version {
            SignalVersion::V1 if self.has_no_v1.load(Ordering::Relaxed) => SignalVersion::V0,
            version => version,
        }
    }
}

/// What became of one participant's signaling.
#[derive(Debug)]
pub(crate) struct Attendance {
    pub(crate) id: VisitId,
    /// When it began to join, in nanoseconds of the run's clock. `None`: its time did not come.
    pub(crate) came_ns: Option<u64>,
    /// When its signal connection broke on purpose.
    pub(crate) broke_ns: Option<u64>,
    pub(crate) failure: Option<PeerError>,
}

/// One visit under way.
pub(crate) struct Attendee {
    pub(crate) id: VisitId,
    pub(crate) visit: Visit,
    pub(crate) tracks: Vec<TrackPlan>,
    pub(crate) token: String,
    pub(crate) venue: Arc<Venue>,
    pub(crate) media: MediaHandle,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) started_at: Instant,
}

impl Attendee {
    /// From coming to leaving.
    pub(crate) async fn attend(mut self) -> Attendance {
        let mut attendance = Attendance { id: self.id, came_ns: None, broke_ns: None, failure: None };
        let Some(comes_at) = self.comes_at().await else { return attendance };
        tokio::select! {
            () = sleep_until(comes_at.into()) => {}
            _ = self.phase.wait_for(|phase| *phase == Phase::Over) => return attendance,
        }
        let came_at = Instant::now();
        attendance.came_ns = Some(self.venue.clock.nanos(came_at));
        if let Err(failure) = self.take_part(came_at, &mut attendance).await {
            attendance.failure = Some(failure);
        }
        attendance
    }

    /// The moment measuring began; `None` when the run is over before.
    async fn measured_from(&mut self) -> Option<Instant> {
        match *self.phase.wait_for(|phase| *phase != Phase::Gathering).await.ok()? {
            Phase::Measuring(begin) => Some(begin),
            Phase::Gathering | Phase::Over => None,
        }
    }

    async fn comes_at(&mut self) -> Option<Instant> {
        match self.visit.arrival {
            Arrival::Before(after) => Some(self.started_at + after),
            Arrival::During(after) => Some(self.measured_from().await? + after),
        }
    }

    async fn connect(&self, resumes: Option<&str>) -> Result<(Signal, SignalVersion), PeerError> {
        let Self { venue, token, visit, .. } = self;
        let version = venue.version();
        match Signal::connect(&venue.server, version, visit, token, resumes).await {
            // As LiveKit's clients fall back.
            Err(PeerError::Refused(404)) if version == SignalVersion::V1 => {
                venue.has_no_v1.store(true, Ordering::Relaxed);
                let signal = Signal::connect(&venue.server, SignalVersion::V0, visit, token, resumes).await?;
                Ok((signal, SignalVersion::V0))
            }
            connected => Ok((connected?, version)),
        }
    }

    async fn take_part(&mut self, came_at: Instant, attendance: &mut Attendance) -> Result<(), PeerError> {
        let (mut signal, version) = self.connect(None).await?;
        let (sender, mut requests) = mpsc::channel(MAX_REQUESTS);
        let entrance = Entrance {
            id: self.id,
            version,
            local: signal.local(),
            tracks: std::mem::take(&mut self.tracks),
            subscribes: self.visit.subscribes,
            uptake: self.visit.uptake,
            requests: sender,
        };
        self.media.tell(Order::Enter(Box::new(entrance))).await?;
        let first = tokio::time::timeout(JOIN_PATIENCE, signal.hear()).await.unwrap_or(Err(PeerError::Late))?;
        let sid = match &first {
            told::Message::Join(join) => join.participant.as_ref().map(|info| info.sid.clone()).unwrap_or_default(),
            told::Message::Leave(leave) => return Err(PeerError::Leave(format!("{:?}", leave.reason()))),
            _ => return Err(PeerError::Closed),
        };
        self.media.tell(Order::Hear(self.id, Box::new(first))).await?;

        let leaves_at = self.visit.stays.map(|stays| came_at + stays);
        let mut ping = interval(PING_INTERVAL);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut breaks = self.visit.breaks;
        let mut breaks_at = None;
        loop {
            let phase = *self.phase.borrow_and_update();
            if let (Phase::Measuring(begin), Some(after)) = (phase, breaks) {
                breaks_at = Some(begin + after);
            }
            tokio::select! {
                message = signal.hear() => {
                    self.media.tell(Order::Hear(self.id, Box::new(message?))).await?;
                }
                request = requests.recv() => {
                    // The media thread has given up on it, and knows why.
                    signal.say(request.ok_or(PeerError::Closed)?).await?;
                }
                _ = ping.tick() => {
                    let timestamp = i64::try_from(came_at.elapsed().as_millis()).unwrap_or(0);
                    signal.say(ask::Message::PingReq(Ping { timestamp, rtt: 0 })).await?;
                }
                _ = self.phase.changed() => {}
                () = at(leaves_at) => break,
                () = at(breaks_at) => {
                    (breaks, breaks_at) = (None, None);
                    attendance.broke_ns = Some(self.venue.clock.nanos(Instant::now()));
                    // Dropped, not closed: as a network that goes away.
                    drop(signal);
                    (signal, _) = self.connect(Some(&sid)).await?;
                }
            }
            if *self.phase.borrow() == Phase::Over {
                break;
            }
        }
        let leave = LeaveRequest {
            reason: DisconnectReason::ClientInitiated as i32,
            action: leave_request::Action::Disconnect as i32,
            ..Default::default()
        };
        // Media ends first: what comes after goodbye is nobody's loss.
        self.media.tell(Order::Leave(self.id)).await?;
        let _ = signal.say(ask::Message::Leave(leave)).await;
        signal.close().await;
        Ok(())
    }
}

/// Never, when there is no time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
