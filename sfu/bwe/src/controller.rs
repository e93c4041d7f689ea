//! The controller: what was sent goes in, what came back goes in, the rate comes out.
//!
//! Owned by the egress of one transport. It knows neither the wire format of feedback nor how a probe is made.

use std::time::{Duration, Instant};

use sluice_rtp::rtcp::Arrival;

use crate::aimd::{Aimd, Situation};
use crate::application_limit::ApplicationLimit;
use crate::clock::{Epoch, MILLISECOND, Micros, SECOND, bps, rate};
use crate::fallback::Fallback;
use crate::history::{History, Reported};
use crate::inter_arrival::InterArrival;
use crate::loss::LossBound;
use crate::own_queue::OwnQueue;
use crate::probe::{ClusterId, Finding, Probe, Prober, Room};
use crate::queue::QueueDelay;
use crate::throughput::AcknowledgedThroughput;
use crate::trendline::{Trendline, Usage};

/// IPv4 and UDP headers around a datagram. (IPv6 has 20 more; the estimate is then a little high at its top and the
/// link says so.)
const IP_UDP_HEADERS: usize = 28;
/// Packets of one feedback that are looked at: what its 16-bit count can claim. The rest is ignored.
pub const MAX_RESULTS: usize = 65_535;
/// Arrival times beyond this, about 36,000 years, are no times.
const ARRIVAL_LIMIT: Micros = 1 << 60;
/// So long without transport-wide feedback, and REMB counts again.
const TRANSPORT_STALE: Micros = 5 * SECOND;
/// Packets sent and nothing heard for so long: the path may be broken. The rate halves, and again every second.
const SILENCE: Micros = 3 * SECOND;
const SILENCE_AGAIN: Micros = SECOND;
/// Assumed until measured.
const RTT_ASSUMED: Micros = 200 * MILLISECOND;
/// A shorter queue is none, nor is one shorter than twice the delay's noise: jitter misled the trend.
const QUEUE_MIN: Micros = 8 * MILLISECOND;
/// But this is a queue, whatever the noise.
const QUEUE_SURE: Micros = 40 * MILLISECOND;
/// The queue never was shorter of late: the link is full, and loss is the queue's overflow, not the path's own.
const QUEUE_STANDING: Micros = 25 * MILLISECOND;
/// A queue that stands for so long, neither growing nor draining whatever was given up meanwhile, is none: the way has
/// become longer.
const PATH_CHANGED_AFTER: Micros = 5 * SECOND;
/// Longer than this and the rate does not grow.
const QUEUE_LONG: Micros = 80 * MILLISECOND;
/// Longer than this and the rate is lowered though the queue does not grow: it is full, or somebody else keeps it so.
const QUEUE_FULL: Micros = 150 * MILLISECOND;
/// A drain takes about so long to show.
const DRAIN_APART: Micros = 2 * SECOND;
/// If it is still there after so many, it is not ours: giving way for ever would leave us nothing.
const MAX_DRAINS: u32 = 2;
/// No round trip is longer.
const RTT_LIMIT: Duration = Duration::from_secs(10);
/// Scratch space that one large feedback made is given back above this many packets.
const SCRATCH_KEPT: usize = 1024;

/// Bounds of the estimate, bits per second with all headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Before anything is known.
    pub start_bps: u64,
    /// Never below.
    pub min_bps: u64,
    /// Never above.
    pub max_bps: u64,
}

/// One packet of a feedback, in order of transport-wide sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketResult {
    /// Transport-wide sequence number.
    pub sequence: u16,
    /// On the receiver's clock, in microseconds, from any epoch. `None`: it has not arrived.
    pub arrived_at_us: Option<i64>,
}

impl From<Arrival> for PacketResult {
    fn from(arrival: Arrival) -> Self {
        Self { sequence: arrival.sequence, arrived_at_us: arrival.at }
    }
}

/// What a packet was sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentKind {
    /// Audio or video for the first time.
    Media,
    /// Media that was lost.
    Retransmission,
    /// Padding, or media repeated, for a probe.
    Probe(ClusterId),
    /// Padding for another reason, such as keeping a stream's numbers going.
    Padding,
}

/// Where the estimate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Nothing has been heard of the link but, perhaps, receiver reports.
    Initial,
    /// Transport-wide feedback.
    Transport,
    /// The receiver's own estimate.
    Remb,
}

/// What is known of the link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Send no more than this, bits per second with all headers.
    pub target_bps: u64,
    /// What the delay (or the receiver, for [`Source::Remb`]) allows.
    pub delay_based_bps: u64,
    /// What the loss allows; the configured maximum when it bounds nothing.
    pub loss_based_bps: u64,
    /// What arrived over the last half second for which there is feedback.
    pub acknowledged_bps: Option<u64>,
    /// Share of packets lost lately, 0 to 1.
    pub loss: f32,
    /// From receiver reports, or from the feedback (then with the receiver's wait in it).
    pub rtt: Option<Duration>,
    /// What the delay says.
    pub state: Usage,
    /// A queue stands before the bottleneck, longer than what is sent would make of itself.
    pub is_queued: bool,
    /// Clearly less is being sent than could be.
    pub is_application_limited: bool,
    /// Where all this comes from.
    pub source: Source,
}

#[derive(Debug, Clone, Copy)]
struct Arrived {
    arrived: Micros,
    sent: Micros,
    size: u16,
    /// What it would have waited on a link just as fast as the estimate.
    own_wait: Micros,
    is_shaded: bool,
    is_repeated: bool,
}

/// Congestion control of one transport.
///
/// Call [`handle_timeout`](Self::handle_timeout) and then [`poll_probe`](Self::poll_probe) when
/// [`poll_timeout`](Self::poll_timeout) says so, and [`estimate`](Self::estimate) after any input.
#[derive(Debug)]
pub struct CongestionController {
    epoch: Epoch,
    min_bps: f64,
    max_bps: f64,
    desired_bps: Option<f64>,
    history: History,
    inter_arrival: InterArrival,
    trendline: Trendline,
    queue: QueueDelay,
    own_queue: OwnQueue,
    throughput: AcknowledgedThroughput,
    aimd: Aimd,
    loss: LossBound,
    limit: ApplicationLimit,
    prober: Prober,
    fallback: Fallback,
    /// Kept up to date, because every packet sent is weighed against it.
    target_bps: f64,
    feedback_at: Option<Micros>,
    reported_rtt: Option<Micros>,
    feedback_rtt: Option<Micros>,
    /// When the rate halves unless something is heard; `None` while nothing is on its way.
    silence_at: Option<Micros>,
    /// Attempts to drain a full queue since it last was short, and when the next may be.
    drains: u32,
    drain_at: Micros,
    /// Since when a queue stands that nothing of ours feeds.
    standing_since: Option<Micros>,
    /// The last packet was in a probe's shade and is not in the trend.
    trend_is_broken: bool,
    /// When the newest packet that arrived was sent.
    newest_arrived: Micros,
    scratch: Vec<Arrived>,
}

impl CongestionController {
    /// A controller that knows nothing yet. Bounds in disorder are put in order: `min <= start <= max`, at least
    /// 1 kbit/s.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let min_bps = rate(config.min_bps.max(1_000));
        let max_bps = rate(config.max_bps).max(min_bps);
        let start_bps = rate(config.start_bps).clamp(min_bps, max_bps);
        Self {
            epoch: Epoch(now),
            min_bps,
            max_bps,
            desired_bps: None,
            history: History::new(),
            inter_arrival: InterArrival::default(),
            trendline: Trendline::new(),
            queue: QueueDelay::default(),
            own_queue: OwnQueue::default(),
            throughput: AcknowledgedThroughput::default(),
            aimd: Aimd::new(start_bps, min_bps, max_bps),
            loss: LossBound::new(),
            limit: ApplicationLimit::new(),
            prober: Prober::new(),
            fallback: Fallback::new(start_bps),
            target_bps: start_bps,
            feedback_at: None,
            reported_rtt: None,
            feedback_rtt: None,
            silence_at: None,
            drains: 0,
            drain_at: 0,
            standing_since: None,
            trend_is_broken: false,
            newest_arrived: Micros::MIN,
            scratch: Vec::new(),
        }
    }

    /// Reads something of every part that [`Self::handle_sent`] needs: what lies here,
    #[must_use]
    pub fn touch(&self) -> impl Copy + use<> {
        (self.epoch.0, self.limit.is_limited(), self.target_bps, self.silence_at, self.history.newest())
    }

    /// and where the packet of that number will be noted.
    #[must_use]
    pub fn touch_history(&self, sequence: u16) -> impl Copy + use<> {
        self.history.touch(sequence)
    }

    /// A packet with a transport-wide sequence number leaves. Numbers go up by one each. `size_bytes` is the whole
    /// datagram; the headers below it are added here.
    ///
    /// Does not allocate, but for the few times the history doubles while more packets are on their way than ever
    /// before.
    pub fn handle_sent(&mut self, sequence: u16, size_bytes: usize, now: Instant, kind: SentKind) {
        let now = self.epoch.micros(now);
        let size = u16::try_from(size_bytes.saturating_add(IP_UDP_HEADERS)).unwrap_or(u16::MAX);
        let cluster = match kind {
            SentKind::Media | SentKind::Retransmission => {
                self.limit.on_sent(size, now, self.target_bps);
                None
            }
            SentKind::Padding => None,
            SentKind::Probe(cluster) => Some(cluster),
        };
        let (label, is_shaded) = self.prober.on_sent(cluster, now, size, self.target_bps);
        self.history.insert(sequence, now, size, label, is_shaded);
        if self.silence_at.is_none() {
            self.silence_at = Some(now + SILENCE);
        }
    }

    /// Share of packets lost over the last seconds while no queue stood, 0 to 1: the path's own loss, not that of
    /// sending too much. 0 while so few were lost that it may be chance.
    #[must_use]
    pub fn path_loss(&self) -> f32 {
        let estimate = self.estimate();
        if estimate.source == Source::Transport { share(self.loss.path_fraction()) } else { estimate.loss }
    }

    /// A packet left once more, with the number it had. Overtaken by others it is taken for the second, whose delay says
    /// nothing.
    pub fn handle_repeated(&mut self, sequence: u16) {
        self.history.repeat(sequence);
    }

    /// What is sent takes another path from now on, since the client has moved. What is still on its way was lost to an
    /// address where nobody is any more, or arrives with another path's delay: neither says anything about the link.
    /// What was known of the link is believed until it shows otherwise.
    pub fn handle_path_change(&mut self) {
        self.history.forget();
        self.queue = QueueDelay::default();
        self.trend_is_broken = true;
        self.silence_at = None;
    }

    /// A transport-wide feedback. Reports about packets never sent, or reported before, are ignored; a feedback of
    /// nothing else is none.
    pub fn handle_feedback(&mut self, results: impl Iterator<Item = PacketResult>, now: Instant) {
        let now = self.epoch.micros(now);
        if !self.take_results(results) {
            return;
        }
        self.silence_at = None;
        self.feedback_at = Some(now);
        self.prober.on_feedback();
        if let Some(newest) = self.scratch.iter().map(|arrived| arrived.sent).max() {
            let sample = (now - newest).max(0);
            self.feedback_rtt = Some(self.feedback_rtt.map_or(sample, |rtt| rtt + (sample - rtt) / 8));
        }
        self.follow_arrivals();
        self.limit.update(now, self.target_bps);
        self.adapt(now);
    }

    /// The receiver's estimated maximum bitrate. Counts only while there is no transport-wide feedback.
    pub fn handle_remb(&mut self, bps: u64, now: Instant) {
        let now = self.epoch.micros(now);
        self.fallback.handle_remb(rate(bps).clamp(self.min_bps, self.max_bps));
        self.retarget(now);
    }

    /// A receiver report: the share lost since the last (0 to 1), and the round trip where it tells one. The loss
    /// counts only while there is no transport-wide feedback.
    pub fn handle_report(&mut self, fraction_lost: f32, rtt: Option<Duration>, now: Instant) {
        let now = self.epoch.micros(now);
        if let Some(rtt) = rtt {
            self.reported_rtt = Micros::try_from(rtt.min(RTT_LIMIT).as_micros()).ok();
        }
        let loss = if fraction_lost.is_finite() { f64::from(fraction_lost.clamp(0.0, 1.0)) } else { 0.0 };
        self.limit.update(now, self.target_bps);
        self.fallback.handle_loss(loss, self.limit.is_limited(), self.max_bps, now);
        self.retarget(now);
    }

    /// What the allocator could use if there were room: what it sends with every stream one layer up, or all it is
    /// asked for. Probes go only a little beyond. `None` bounds them by the configured maximum alone.
    pub fn set_desired(&mut self, bps: Option<u64>) {
        self.desired_bps = bps.map(rate);
    }

    /// Time passed. Needed at [`poll_timeout`](Self::poll_timeout), harmless at any time.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.epoch.micros(now);
        self.limit.update(now, self.target_bps);
        self.finish_probe(now);
        if self.silence_at.is_some_and(|at| now >= at) && self.feedback_at.is_some() {
            self.silence_at = Some(now + SILENCE_AGAIN);
            self.aimd.set(self.target_bps / 2.0, now);
            self.prober.on_drop(now);
        }
        self.retarget(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) and [`poll_probe`](Self::poll_probe) have something to do, at the
    /// latest; may be in the past.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let silence = self.silence_at.filter(|_| self.feedback_at.is_some());
        let next = [self.prober.due_at(self.room()), silence].into_iter().flatten().min()?;
        Some(self.epoch.instant(next))
    }

    /// A probe to send now. The transport must be able to send: asking is what begins it. Its packets are marked
    /// [`SentKind::Probe`]; media sent between them counts without.
    pub fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        let now = self.epoch.micros(now);
        self.finish_probe(now);
        self.prober.poll(self.room(), now)
    }

    /// What is known of the link.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let source = self.source();
        let (delay_based, loss_based, loss) = match source {
            Source::Transport => {
                (self.aimd.target_bps(), self.loss.bound_bps().unwrap_or(self.max_bps), self.loss.fraction())
            }
            Source::Remb | Source::Initial => {
                (self.fallback.remb_bps().unwrap_or(self.max_bps), self.fallback.by_loss_bps(), self.fallback.loss())
            }
        };
        let acknowledged = self.throughput.smooth().filter(|_| source == Source::Transport);
        Estimate {
            target_bps: bps(self.target_bps),
            delay_based_bps: bps(delay_based.clamp(self.min_bps, self.max_bps)),
            loss_based_bps: bps(loss_based.clamp(self.min_bps, self.max_bps)),
            acknowledged_bps: acknowledged.map(|throughput| bps(throughput.bps)),
            loss: share(loss),
            rtt: self.rtt().and_then(|rtt| u64::try_from(rtt).ok()).map(Duration::from_micros),
            state: self.usage(),
            is_queued: self.is_queued(),
            is_application_limited: self.limit.is_limited(),
            source,
        }
    }

    /// Matches a feedback with what was sent: losses are counted, arrivals collected in order of arrival. True when
    /// it said anything new.
    fn take_results(&mut self, results: impl Iterator<Item = PacketResult>) -> bool {
        self.scratch.clear();
        self.scratch.shrink_to(SCRATCH_KEPT);
        let mut is_news = false;
        for result in results.take(MAX_RESULTS) {
            let arrived = result.arrived_at_us.filter(|at| (-ARRIVAL_LIMIT..=ARRIVAL_LIMIT).contains(at));
            let Some(reported) = self.history.report(result.sequence, arrived.is_some()) else { continue };
            is_news = true;
            let own_wait = match reported {
                Reported::Missing(sent) | Reported::Arrived(sent) => {
                    self.own_queue.add(sent.at, sent.size, self.target_bps)
                }
                Reported::Recovered(_) => 0,
            };
            let sent = match reported {
                Reported::Missing(sent) => {
                    self.prober.on_reported(sent.cluster, sent.size, sent.at, None);
                    if sent.cluster == 0 {
                        self.loss.add(sent.at, sent.size, false);
                    }
                    continue;
                }
                Reported::Recovered(sent) => {
                    // What came of a packet that left twice is most likely the second: the first was lost all the same.
                    if sent.cluster == 0 && !sent.is_repeated() {
                        self.loss.recover();
                    }
                    sent
                }
                Reported::Arrived(sent) => {
                    self.prober.on_reported(sent.cluster, sent.size, sent.at, arrived);
                    if sent.cluster == 0 {
                        self.loss.add(sent.at, sent.size, true);
                    }
                    sent
                }
            };
            if let Some(arrived) = arrived {
                let is_shaded = sent.is_shaded();
                let is_repeated = sent.is_repeated();
                self.scratch.push(Arrived {
                    arrived,
                    sent: sent.at,
                    size: sent.size,
                    own_wait,
                    is_shaded,
                    is_repeated,
                });
            }
        }
        self.scratch.sort_by_key(|arrived| (arrived.arrived, arrived.sent));
        is_news
    }

    /// Feeds throughput, delay and probes.
    fn follow_arrivals(&mut self) {
        for arrived in &self.scratch {
            self.throughput.add(arrived.sent, arrived.arrived, arrived.size);
            if arrived.is_repeated && arrived.sent < self.newest_arrived {
                continue;
            }
            self.newest_arrived = self.newest_arrived.max(arrived.sent);
            if arrived.is_shaded {
                // The queue a probe leaves is its own doing and drains: no reason to slow down.
                self.trend_is_broken = true;
                continue;
            }
            self.queue.add(arrived.sent, arrived.arrived, arrived.own_wait);
            if std::mem::take(&mut self.trend_is_broken) {
                self.inter_arrival.reset();
            }
            if let Some(delta) = self.inter_arrival.add(arrived.sent, arrived.arrived) {
                self.trendline.add(delta);
            }
        }
    }

    /// Moves the rate after a feedback.
    fn adapt(&mut self, now: Micros) {
        self.follow_path(now);
        let usage = if self.drains_now(now) { Usage::Overusing } else { self.usage() };
        let situation = Situation {
            usage,
            smooth: self.throughput.smooth(),
            recent: self.throughput.recent(),
            rtt: self.rtt().unwrap_or(RTT_ASSUMED),
            may_grow: !self.limit.is_limited() && self.queue.get() < QUEUE_LONG,
        };
        let mut is_lowered = self.aimd.update(situation, now);
        if self.loss.update(self.target_bps, self.is_queued())
            && let Some(bound) = self.loss.bound_bps().filter(|&bound| bound < self.aimd.target_bps())
        {
            // One rate, not two: when the bound lifts, what the delay allowed long ago is no evidence.
            self.aimd.set(bound, now);
            is_lowered = true;
        }
        if is_lowered {
            self.prober.on_drop(now);
        }
        self.retarget(now);
        self.finish_probe(now);
    }

    /// A queue that neither grows nor shrinks is invisible to the trend.
    fn drains_now(&mut self, now: Micros) -> bool {
        let queue = self.queue.get();
        if queue < QUEUE_LONG {
            self.drains = 0;
        }
        let is_due = now >= self.drain_at && self.drains < MAX_DRAINS;
        if queue < QUEUE_FULL || self.usage() != Usage::Normal || !is_due {
            return false;
        }
        self.drains += 1;
        self.drain_at = now + DRAIN_APART;
        true
    }

    fn finish_probe(&mut self, now: Micros) {
        let is_congested = self.room().is_congested;
        let finding = self.prober.finish(self.target_bps, self.loss.fraction(), is_congested, now);
        match finding {
            Some(Finding::Above(delivered)) => {
                self.loss.raise(delivered);
                if delivered > self.aimd.target_bps() {
                    self.aimd.forget_capacity();
                    self.aimd.set(delivered, now);
                }
            }
            Some(Finding::Below(delivered)) => {
                let acknowledged = self.throughput.smooth().map_or(0.0, |throughput| throughput.bps);
                self.aimd.set(delivered.max(acknowledged).min(self.target_bps), now);
            }
            None => return,
        }
        self.retarget(now);
    }

    fn retarget(&mut self, now: Micros) {
        // Feedback that stopped while REMB goes on: the receiver changed its mind (a new description).
        if self.fallback.has_remb() && self.feedback_at.is_some_and(|at| now - at > TRANSPORT_STALE) {
            self.feedback_at = None;
        }
        let target = match self.source() {
            Source::Transport => self.aimd.target_bps().min(self.loss.bound_bps().unwrap_or(f64::MAX)),
            Source::Remb | Source::Initial => self.fallback.target_bps(),
        };
        self.target_bps = target.clamp(self.min_bps, self.max_bps);
    }

    fn source(&self) -> Source {
        match (self.feedback_at, self.fallback.has_remb()) {
            (Some(_), _) => Source::Transport,
            (None, true) => Source::Remb,
            (None, false) => Source::Initial,
        }
    }

    /// Learns that the way has become longer.
    fn follow_path(&mut self, now: Micros) {
        let stands = self.is_queued() && self.usage() == Usage::Normal;
        let since = if stands { *self.standing_since.get_or_insert(now) } else { now };
        if now - since >= PATH_CHANGED_AFTER {
            self.queue.take_for_empty();
        }
        if !stands || now - since >= PATH_CHANGED_AFTER {
            self.standing_since = None;
        }
    }

    fn room(&self) -> Room {
        Room {
            target_bps: self.target_bps,
            desired_bps: self.desired_bps,
            max_bps: self.max_bps,
            // A probe into a standing queue shows what share of the link can be taken from others, not what is free.
            is_congested: self.usage() == Usage::Overusing || self.is_queued() || self.source() == Source::Remb,
            noise: self.queue.noise(),
        }
    }

    /// What the trend says, where there is a queue for it to be about.
    fn usage(&self) -> Usage {
        match self.trendline.usage() {
            Usage::Overusing if self.queue.get() < self.queue_floor() => Usage::Normal,
            usage => usage,
        }
    }

    fn is_queued(&self) -> bool {
        self.queue.get() > self.queue_floor().max(QUEUE_STANDING)
    }

    /// The shortest queue that is more than noise.
    fn queue_floor(&self) -> Micros {
        (2 * self.queue.noise()).clamp(QUEUE_MIN, QUEUE_SURE)
    }

    fn rtt(&self) -> Option<Micros> {
        self.reported_rtt.or(self.feedback_rtt)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a share, between 0 and 1")]
fn share(of: f64) -> f32 {
    of as f32
}
