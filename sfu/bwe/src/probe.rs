//! Looking for room: when to probe, how fast, and what came of it.
//!
//! A probe is a short run of packets at a rate above the estimate. What the allocator has no use for is not probed for,
//! and probes that find nothing become rarer. Owned by the controller; the egress sends the packets.

use crate::clock::{MILLISECOND, Micros, SECOND, bits, bps, milliseconds, rate, seconds};

/// Name of a probe: packets sent for it carry it in [`SentKind::Probe`](crate::SentKind::Probe).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClusterId(pub(crate) u32);

impl ClusterId {
    /// The number, for logs.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// What a packet in the history remembers of it; never 0.
    fn label(self) -> u8 {
        u8::try_from(self.0 % 255 + 1).unwrap_or(1)
    }
}

/// A run of packets to send now, as fast as it says. Media sent meanwhile counts; padding or retransmissions make up
/// the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Its name.
    pub cluster: ClusterId,
    /// At this rate, bits per second with all headers.
    pub rate_bps: u64,
    /// At least so many bytes, with IP and UDP headers.
    pub min_bytes: u64,
    /// and at least so many packets. Small ones do: 255 bytes of padding burden the link less than full packets.
    pub min_packets: u32,
}

/// How long a probe lasts, if its packets are small enough. Longer is surer, and a longer queue when it fails.
const DURATION_SECONDS: f64 = 0.025;
/// On a path with jitter it lasts this many times the delay's noise,
const DURATION_IN_NOISE: f64 = 4.0;
/// within reason.
const MAX_DURATION_SECONDS: f64 = 0.08;
const MIN_PACKETS: u32 = 6;
/// A probe reaches this far above what the allocator could use: arriving at it must not hang on the last percent.
const BEYOND_DESIRED: f64 = 1.2;
/// Room enough: the estimate is this far above the desire.
const ENOUGH: f64 = 1.05;
/// Nothing is learned from a probe hardly faster than the estimate.
const MIN_STEP: f64 = 1.08;
/// The first probes are bold: nothing is known, and nothing is on the link yet.
const FIRST_STEPS: [f64; 2] = [3.0, 2.0];
const STEP: f64 = 2.0;
/// So much of a probe delivered, and the next follows at once.
const CONTINUE: f64 = 0.7;
/// Time between probes: after one that found room, or a drop; longer each time none is found.
const INTERVAL: Micros = SECOND;
const BACKOFF: f64 = 1.5;
/// The longest, so that relief is found within seconds. With three probes from a quarter of the old rate back to it.
const MAX_INTERVAL: Micros = 3_300 * MILLISECOND;
/// The longest where probes have raised the estimate and the link then broke down under it, again and again (a token
/// bucket lets a short probe pass at any rate).
const MAX_INTERVAL_MISLED: Micros = 30 * SECOND;
/// A breakdown within this time of a probe's success is its fault.
const MISLED_WITHIN: Micros = 4 * SECOND;
/// A queue that a drop left should be gone before the next probe.
const AFTER_DROP: Micros = SECOND;
/// A probe not sent or not reported by then has failed.
const TIMEOUT: Micros = SECOND;
/// Probes nobody ever reported on; then it is taken that nobody will.
const MAX_UNANSWERED: u32 = 3;
/// Share of a cluster that must have arrived.
const MIN_ARRIVED: f64 = 0.6;
/// A run that arrives at this share of the pace it was sent at has not filled the link.
const UNSATURATED: f64 = 0.98;
/// and one that arrives at so many times its pace was held up on the way.
const BUNCHED: f64 = 4.0;
/// So much less than the estimate measured, so many times in a row: the estimate is out of date. (What is sent need not
/// have shown it, when it is less than both.)
const BELOW: f64 = 0.85;
const BELOW_TIMES: u32 = 2;
/// Of a full link's measured capacity, what is safe to use.
const SAFE: f64 = 0.95;

/// The packets of the probe on its way.
#[derive(Debug)]
struct Cluster {
    probe: Probe,
    handed_out_at: Micros,
    sent_bytes: u64,
    sent_packets: u32,
    begun_at: Micros,
    /// Packets whose fate is known, and their bytes.
    reported_packets: u32,
    reported_bytes: u64,
    /// Of those that arrived: when they were sent, and when they arrived.
    sent: Pace,
    arrived: Pace,
}

/// Packets of a run, and when: a line through bytes and times, and not first against last, because jitter makes the
/// time between two packets longer but does not tilt the line.
#[derive(Debug, Default, Clone, Copy)]
struct Pace {
    packets: u32,
    /// Time of the first; sums are of the milliseconds since, and of bytes.
    origin: Micros,
    bytes: f64,
    time: f64,
    bytes_squared: f64,
    time_squared: f64,
    product: f64,
}

impl Pace {
    /// Takes a packet with which so many bytes of the run had been sent.
    fn add(&mut self, bytes: u64, at: Micros) {
        if self.packets == 0 {
            self.origin = at;
        }
        let (x, y) = (bits(bytes) / 8.0, milliseconds(at - self.origin));
        self.packets += 1;
        self.bytes += x;
        self.time += y;
        self.bytes_squared += x * x;
        self.time_squared += y * y;
        self.product += x * y;
    }

    /// The rate along the line, less what the scatter about it leaves in doubt (one standard error of the slope). `None`
    /// when the packets are too few, or all at once, or in disorder.
    fn bps(&self) -> Option<f64> {
        let count = f64::from(self.packets);
        let bytes = self.bytes_squared - self.bytes * self.bytes / count;
        let time = self.time_squared - self.time * self.time / count;
        let both = self.product - self.bytes * self.time / count;
        if self.packets < 4 || bytes <= 0.0 || both <= 0.0 {
            return None;
        }
        let slope = both / bytes;
        let scatter = (time - slope * both).max(0.0) / (count - 2.0);
        let doubt = (scatter / bytes).sqrt() / slope;
        Some(8e3 / slope / (1.0 + doubt))
    }
}

impl Cluster {
    fn new(probe: Probe, now: Micros) -> Self {
        Self {
            probe,
            handed_out_at: now,
            sent_bytes: 0,
            sent_packets: 0,
            begun_at: now,
            reported_packets: 0,
            reported_bytes: 0,
            sent: Pace::default(),
            arrived: Pace::default(),
        }
    }

    fn is_sent(&self) -> bool {
        self.sent_bytes >= self.probe.min_bytes && self.sent_packets >= self.probe.min_packets
    }

    fn is_reported(&self) -> bool {
        self.is_sent() && self.reported_packets >= self.sent_packets
    }

    /// The rate that was delivered. `None` when too little arrived to tell.
    fn delivered_bps(&self, path_loss: f64) -> Option<f64> {
        let (packets, arrived) = (f64::from(self.sent_packets), f64::from(self.arrived.packets));
        if !self.is_sent() || arrived < packets * MIN_ARRIVED {
            return None;
        }
        // A short queue overflows before the run is stretched. One packet proves nothing.
        let kept = 1.0 - ((packets - arrived - 1.0) / packets - path_loss).max(0.0);
        let (sent, arrived) = (self.sent.bps()?, self.arrived.bps()?);
        let delivered = if arrived < UNSATURATED * sent || kept < 1.0 { SAFE * kept * arrived } else { arrived };
        // Far faster than it was sent: held up on the way and let go at once, it says nothing.
        (arrived < BUNCHED * sent).then(|| delivered.min(sent).min(rate(self.probe.rate_bps)))
    }
}

/// When to probe next.
#[derive(Debug)]
pub(crate) struct Prober {
    next_id: u32,
    cluster: Option<Cluster>,
    next_at: Micros,
    interval: Micros,
    first_steps: usize,
    unanswered: u32,
    has_feedback: bool,
    /// Packets sent until then travel in the shade of a probe.
    shade_until: Micros,
    raised_at: Option<Micros>,
    /// The best of the latest probes, all of which were delivered below the estimate, and their number.
    below: Option<(f64, u32)>,
    misled: u32,
}

/// What probes found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Finding {
    /// The link carries this much, more than was thought.
    Above(f64),
    /// The link carries no more than this, less than was thought.
    Below(f64),
}

/// What bounds a probe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) target_bps: f64,
    pub(crate) desired_bps: Option<f64>,
    pub(crate) max_bps: f64,
    pub(crate) is_congested: bool,
    /// How much the path's delay differs from packet to packet.
    pub(crate) noise: Micros,
}

impl Room {
    /// The rate of the next probe, `None` when there is nothing to find.
    fn next_rate(self, step: f64) -> Option<f64> {
        let desired = self.desired_bps.unwrap_or(self.max_bps);
        if self.is_congested || self.target_bps >= (desired * ENOUGH).min(self.max_bps) {
            return None;
        }
        let rate = (self.target_bps * step).min(desired * BEYOND_DESIRED).min(self.max_bps);
        (rate > self.target_bps * MIN_STEP || rate >= self.max_bps).then_some(rate)
    }
}

impl Prober {
    pub(crate) fn new() -> Self {
        Self {
            next_id: 1,
            cluster: None,
            next_at: 0,
            interval: INTERVAL,
            first_steps: 0,
            unanswered: 0,
            has_feedback: false,
            shade_until: 0,
            raised_at: None,
            below: None,
            misled: 0,
        }
    }

    /// The probe to send now, if any.
    pub(crate) fn poll(&mut self, room: Room, now: Micros) -> Option<Probe> {
        if now < self.due_at(room)? {
            return None;
        }
        let rate_bps = room.next_rate(self.step())?;
        self.first_steps = (self.first_steps + 1).min(FIRST_STEPS.len());
        let duration = (seconds(room.noise) * DURATION_IN_NOISE).clamp(DURATION_SECONDS, MAX_DURATION_SECONDS);
        let probe = Probe {
            cluster: ClusterId(self.next_id),
            rate_bps: bps(rate_bps),
            min_bytes: bps(rate_bps * duration / 8.0),
            min_packets: MIN_PACKETS,
        };
        self.next_id = self.next_id.wrapping_add(1);
        self.cluster = Some(Cluster::new(probe, now));
        Some(probe)
    }

    /// When the next probe, or the end of the wait for the last, is due.
    pub(crate) fn due_at(&self, room: Room) -> Option<Micros> {
        if let Some(cluster) = &self.cluster {
            return Some(cluster.handed_out_at + TIMEOUT);
        }
        if !self.has_feedback && self.unanswered >= MAX_UNANSWERED {
            return None;
        }
        room.next_rate(self.step()).map(|_| self.next_at)
    }

    fn step(&self) -> f64 {
        FIRST_STEPS.get(self.first_steps).copied().unwrap_or(STEP)
    }

    /// A packet leaves. Gives its label and whether its delay is in a probe's shade.
    pub(crate) fn on_sent(&mut self, of: Option<ClusterId>, at: Micros, size: u16, target_bps: f64) -> (u8, bool) {
        let Some(cluster) = self.cluster.as_mut().filter(|cluster| !cluster.is_sent()) else {
            return (0, at < self.shade_until);
        };
        let begins = of == Some(cluster.probe.cluster);
        if cluster.sent_packets == 0 && !begins {
            return (0, at < self.shade_until);
        }
        // Media between the packets of a probe loads the link with them.
        if cluster.sent_packets == 0 {
            cluster.begun_at = at;
        }
        cluster.sent_packets += 1;
        cluster.sent_bytes += u64::from(size);
        let lasted = seconds(at - cluster.begun_at);
        let excess_seconds = lasted * (rate(cluster.probe.rate_bps) / target_bps.max(1.0) - 1.0);
        let drain = excess_seconds.clamp(0.02, 0.3);
        self.shade_until = at + crate::clock::micros_of(drain);
        (cluster.probe.cluster.label(), true)
    }

    /// A packet was reported for the first time; in the order of sending, so that the bytes before it are known.
    pub(crate) fn on_reported(&mut self, label: u8, size: u16, sent: Micros, arrived: Option<Micros>) {
        let Some(cluster) = self.labelled(label) else { return };
        cluster.reported_packets += 1;
        cluster.reported_bytes += u64::from(size);
        if let Some(arrived) = arrived {
            cluster.sent.add(cluster.reported_bytes, sent);
            cluster.arrived.add(cluster.reported_bytes, arrived);
        }
    }

    fn labelled(&mut self, label: u8) -> Option<&mut Cluster> {
        self.cluster.as_mut().filter(|cluster| cluster.probe.cluster.label() == label)
    }

    /// After a feedback or a timeout: what a finished probe says of the estimate, if anything.
    pub(crate) fn finish(
        &mut self,
        target_bps: f64,
        path_loss: f64,
        is_congested: bool,
        now: Micros,
    ) -> Option<Finding> {
        let cluster = self.cluster.as_ref()?;
        let is_late = now - cluster.handed_out_at >= TIMEOUT;
        if !cluster.is_reported() && !is_late {
            return None;
        }
        let cluster = self.cluster.take()?;
        if cluster.reported_packets == 0 {
            self.unanswered += 1;
        }
        let delivered = cluster.delivered_bps(path_loss).filter(|_| !is_congested);
        if let Some(delivered) = delivered.filter(|&delivered| delivered > target_bps * 1.02) {
            self.interval = INTERVAL;
            let goes_on = delivered >= CONTINUE * rate(cluster.probe.rate_bps);
            self.next_at = if goes_on { now } else { now + self.interval };
            self.raised_at = Some(now);
            self.below = None;
            return Some(Finding::Above(delivered));
        }
        self.next_at = now + self.interval;
        self.back_off();
        let delivered = delivered?;
        if delivered > target_bps * BELOW {
            self.below = None;
            return None;
        }
        let (best, times) = self.below.map_or((delivered, 1), |(best, times)| (delivered.max(best), times + 1));
        if times < BELOW_TIMES {
            self.below = Some((best, times));
            return None;
        }
        self.below = None;
        Some(Finding::Below(best))
    }

    /// The estimate was lowered because of the link.
    pub(crate) fn on_drop(&mut self, now: Micros) {
        match self.raised_at.take() {
            Some(raised_at) if now - raised_at < MISLED_WITHIN => self.misled = (self.misled + 1).min(8),
            Some(raised_at) if now - raised_at > 4 * MISLED_WITHIN => self.misled = 0,
            _ => {}
        }
        self.below = None;
        self.interval = INTERVAL;
        for _ in 0..self.misled {
            self.back_off();
        }
        self.next_at = self.next_at.max(now + AFTER_DROP.max(if self.misled > 0 { self.interval } else { 0 }));
    }

    /// There is feedback.
    pub(crate) fn on_feedback(&mut self) {
        self.has_feedback = true;
        self.unanswered = 0;
    }

    fn back_off(&mut self) {
        // Misled once is bad luck, twice is a pattern.
        let longest = if self.misled > 1 { MAX_INTERVAL_MISLED } else { MAX_INTERVAL };
        let longer = crate::clock::micros_of(seconds(self.interval) * if self.misled > 1 { 2.0 } else { BACKOFF });
        self.interval = longer.min(longest);
    }
}
