//! When packets leave: spread over time, so that a picture does not land in the bottleneck's queue at once, in small
//! bursts, so that they can leave in one system call as one GSO train.
//!
//! Owned by the egress of one transport. It does not know what a packet is: `T` is the caller's. Packets that need not
//! wait are never given to it ([`Pacer::try_send`]).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::probe::{ClusterId, Probe};

/// Kinds of packets, in the order they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Never waits; what it takes, video waits for.
    Audio,
    /// The receiver is waiting for it.
    Retransmission,
    /// What the pacing is for.
    Video,
    /// Padding that is no probe (a probe's is asked for by [`Pacer::poll_padding`]).
    Padding,
}

const CLASSES: usize = 4;
/// Who goes first when the queue is too long.
const DROP_ORDER: [Class; CLASSES] = [Class::Padding, Class::Video, Class::Retransmission, Class::Audio];
/// Nanoseconds for a byte have so many bits behind the point.
const FRACTION_BITS: u32 = 16;
const SECOND_NS: u64 = 1_000_000_000;
/// A burst is this long while no queue stands, so that a usual picture leaves as it came, in one train. (Libwebrtc's are
/// of 40 ms. Over seeds of the simulation those make no difference that can be told from chance.)
const BURST_NS: u64 = 15_000_000;
/// Where a queue stands it is this long, not to make it longer,
const QUEUED_BURST_NS: u64 = 5_000_000;
/// but so many full packets on a slow link,
const BURST_PACKETS: u64 = 3;
const FULL_PACKET_BYTES: u64 = 1_250;
/// within reason.
const MAX_BURST_NS: u64 = 40_000_000;
/// A probe's packets leave in shorter bursts: it measures the link, not our timer.
const PROBE_BURST_NS: u64 = 2_000_000;
/// A probe that could not be sent in this time is given up.
const PROBE_LIMIT_NS: u64 = 300_000_000;
/// No debt lasts longer: after a drop of the rate what was sent before counts at the old one.
const MAX_DEBT_NS: u64 = 500_000_000;
/// Pacing rate over the estimate while a queue stands: after a drop the estimate is 85 % of the link.
const QUEUED_FACTOR: f64 = 1.2;
/// No rate is slower: the arithmetic needs a bound.
const MIN_RATE_BPS: u64 = 10_000;

/// How a pacer paces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PacerConfig {
    /// Pacing rate over the estimate: pictures are not all the same size, and a key frame should not take half a
    /// second.
    pub factor: f32,
    /// A packet that waited longer is of no use any more.
    pub max_wait: Duration,
    /// What may wait, bytes of datagrams.
    pub max_bytes: usize,
}

impl Default for PacerConfig {
    /// 2.5 times the estimate; 250 ms, after which a picture is late anyway; 512 KiB, a key frame for each of a dozen
    /// tiles.
    fn default() -> Self {
        Self { factor: 2.5, max_wait: Duration::from_millis(250), max_bytes: 512 * 1024 }
    }
}

/// Padding wanted for a probe, one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Padding {
    /// Mark it with this.
    pub cluster: ClusterId,
    /// So many bytes are missing in the probe; the packet may be shorter or longer.
    pub bytes: u64,
}

#[derive(Debug)]
struct Queued<T> {
    bytes: usize,
    since_ns: u64,
    item: T,
}

/// A rate as the time a byte takes, and the time at which what was sent is paid for.
#[derive(Debug, Clone, Copy)]
struct Meter {
    ns_per_byte: u64,
    free_at_ns: u64,
}

#[derive(Debug)]
struct ProbeRun {
    cluster: ClusterId,
    meter: Meter,
    bytes: u64,
    packets: u32,
    give_up_at_ns: u64,
    /// Its first packet is out. The controller counts from there, and so does this.
    has_begun: bool,
}

/// The pacer of one transport.
#[derive(Debug)]
pub struct Pacer<T> {
    epoch: Instant,
    config: PacerConfig,
    rate_bps: u64,
    is_queued: bool,
    meter: Meter,
    burst_ns: u64,
    /// The burst is spent: the next begins when it is paid for.
    is_resting: bool,
    queues: [VecDeque<Queued<T>>; CLASSES],
    queued: usize,
    queued_bytes: usize,
    dropped: u64,
    probe: Option<ProbeRun>,
}

impl<T> Pacer<T> {
    /// A pacer for an estimate of `target_bps`.
    #[must_use]
    pub fn new(config: PacerConfig, target_bps: u64, now: Instant) -> Self {
        let mut pacer = Self {
            epoch: now,
            config,
            rate_bps: 0,
            is_queued: false,
            meter: Meter { ns_per_byte: 0, free_at_ns: 0 },
            burst_ns: BURST_NS,
            is_resting: false,
            queues: [const { VecDeque::new() }; CLASSES],
            queued: 0,
            queued_bytes: 0,
            dropped: 0,
            probe: None,
        };
        pacer.set_rate(target_bps, false);
        pacer
    }

    /// The estimate has changed, or whether a queue stands before the bottleneck. As long as one does, what leaves
    /// faster than the link takes it only makes the queue longer, or is lost where it is full.
    pub fn set_rate(&mut self, target_bps: u64, is_queued: bool) {
        let factor = if self.config.factor.is_finite() { f64::from(self.config.factor.clamp(1.0, 100.0)) } else { 1.0 };
        let factor = if is_queued { factor.min(QUEUED_FACTOR) } else { factor };
        let rate_bps = crate::clock::bps(crate::clock::rate(target_bps) * factor).max(MIN_RATE_BPS);
        if (rate_bps, is_queued) != (self.rate_bps, self.is_queued) {
            (self.rate_bps, self.is_queued) = (rate_bps, is_queued);
            self.meter.ns_per_byte = ns_per_byte(rate_bps);
            let shortest = if is_queued { QUEUED_BURST_NS } else { BURST_NS };
            self.burst_ns = self.meter.cost_ns(BURST_PACKETS * FULL_PACKET_BYTES).clamp(shortest, MAX_BURST_NS);
        }
    }

    /// Reads something of every part that [`Self::try_send`] needs.
    #[must_use]
    pub fn touch(&self) -> impl Copy + use<T> {
        (self.epoch, self.queued, self.meter, self.burst_ns, self.is_resting)
    }

    /// May a packet of so many bytes leave at once? If so it is counted, and the caller sends it. If not, it goes to
    /// [`push`](Self::push).
    #[inline]
    pub fn try_send(&mut self, class: Class, bytes: usize, now: Instant) -> bool {
        let now = self.nanos(now);
        if class != Class::Audio && (self.queued != 0 || !self.has_budget(now)) {
            return false;
        }
        self.spend(bytes, now);
        true
    }

    /// Queues a packet. When that is more than may wait, the oldest go: padding first, then video, then
    /// retransmissions. A packet larger than the whole queue is itself what is dropped.
    pub fn push(&mut self, class: Class, bytes: usize, item: T, now: Instant) {
        let since_ns = self.nanos(now);
        if bytes > self.config.max_bytes {
            self.dropped += 1;
            return;
        }
        while self.queued_bytes + bytes > self.config.max_bytes {
            let Some(class) = DROP_ORDER.into_iter().find(|&class| !self.queues[class as usize].is_empty()) else {
                break;
            };
            drop(self.take(class));
            self.dropped += 1;
        }
        self.queues[class as usize].push_back(Queued { bytes, since_ns, item });
        self.queued += 1;
        self.queued_bytes += bytes;
    }

    /// The next packet to send now. Ask until `None`: a burst leaves together.
    pub fn poll(&mut self, now: Instant) -> Option<T> {
        if self.queued == 0 {
            return None;
        }
        let now = self.nanos(now);
        if let Some(audio) = self.take(Class::Audio) {
            self.spend(audio.bytes, now);
            return Some(audio.item);
        }
        self.drop_late(now);
        if !self.has_budget(now) {
            return None;
        }
        let class = [Class::Retransmission, Class::Video, Class::Padding];
        let next = class.into_iter().find_map(|class| self.take(class))?;
        self.spend(next.bytes, now);
        Some(next.item)
    }

    /// When [`poll`](Self::poll) or [`poll_padding`](Self::poll_padding) has something; may be in the past.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let media = match (self.queued, self.queues[Class::Audio as usize].is_empty()) {
            (0, _) => None,
            (_, false) => Some(0),
            (_, true) if self.is_resting => Some(self.meter.free_at_ns),
            (_, true) => Some(0),
        };
        let probe = self.probe.as_ref().map(|probe| probe.meter.free_at_ns);
        let next = [media, probe].into_iter().flatten().min()?;
        Some(self.epoch + Duration::from_nanos(next))
    }

    /// Begins a probe, in place of one that is still running: what is sent from now on counts for it, and
    /// [`poll_padding`](Self::poll_padding) asks for the rest.
    pub fn start_probe(&mut self, probe: Probe, now: Instant) {
        let now = self.nanos(now);
        self.probe = Some(ProbeRun {
            cluster: probe.cluster,
            meter: Meter { ns_per_byte: ns_per_byte(probe.rate_bps.max(MIN_RATE_BPS)), free_at_ns: now },
            bytes: probe.min_bytes,
            packets: probe.min_packets,
            give_up_at_ns: now + PROBE_LIMIT_NS,
            has_begun: false,
        });
    }

    /// Padding to send now for the probe, one packet, to be reported with [`padding_sent`](Self::padding_sent) (or the
    /// probe ended with [`cancel_probe`](Self::cancel_probe)). Ask until `None`.
    pub fn poll_padding(&mut self, now: Instant) -> Option<Padding> {
        let now = self.nanos(now);
        let probe = self.probe.as_ref()?;
        if now >= probe.give_up_at_ns {
            self.probe = None;
            return None;
        }
        let is_due = probe.meter.free_at_ns <= now;
        is_due.then(|| Padding { cluster: probe.cluster, bytes: probe.bytes.max(1) })
    }

    /// A packet of so many bytes was sent for the probe.
    pub fn padding_sent(&mut self, bytes: usize, now: Instant) {
        let now = self.nanos(now);
        if let Some(probe) = &mut self.probe {
            probe.has_begun = true;
        }
        self.count_for_probe(bytes, now);
    }

    /// There is nothing to pad with.
    pub fn cancel_probe(&mut self) {
        self.probe = None;
    }

    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queued == 0
    }

    /// Bytes that wait.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Packets dropped because they waited too long or were too many, ever.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn take(&mut self, class: Class) -> Option<Queued<T>> {
        let taken = self.queues[class as usize].pop_front()?;
        self.queued -= 1;
        self.queued_bytes -= taken.bytes;
        Some(taken)
    }

    fn drop_late(&mut self, now: u64) {
        let max_wait = u64::try_from(self.config.max_wait.as_nanos()).unwrap_or(u64::MAX);
        for class in [Class::Retransmission, Class::Video, Class::Padding] {
            let is_late = |queued: &Queued<T>| now.saturating_sub(queued.since_ns) > max_wait;
            while self.queues[class as usize].front().is_some_and(is_late) {
                drop(self.take(class));
                self.dropped += 1;
            }
        }
    }

    fn has_budget(&mut self, now: u64) -> bool {
        self.is_resting &= now < self.meter.free_at_ns;
        !self.is_resting
    }

    fn spend(&mut self, bytes: usize, now: u64) {
        self.meter.spend(bytes, now);
        self.meter.free_at_ns = self.meter.free_at_ns.min(now + MAX_DEBT_NS);
        self.is_resting |= self.meter.free_at_ns >= now + self.burst_ns;
        if self.probe.is_some() {
            self.count_for_probe(bytes, now);
        }
    }

    fn count_for_probe(&mut self, bytes: usize, now: u64) {
        let Some(probe) = self.probe.as_mut().filter(|probe| probe.has_begun) else { return };
        // Idle time is made up for, but only a little: a late timer must not slow the probe, nor make it a volley.
        probe.meter.free_at_ns = probe.meter.free_at_ns.max(now.saturating_sub(PROBE_BURST_NS));
        probe.meter.free_at_ns += probe.meter.cost_ns(bytes as u64);
        probe.bytes = probe.bytes.saturating_sub(bytes as u64);
        probe.packets = probe.packets.saturating_sub(1);
        if probe.bytes == 0 && probe.packets == 0 {
            self.probe = None;
        }
    }

    fn nanos(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch);
        since.as_secs().saturating_mul(SECOND_NS).saturating_add(u64::from(since.subsec_nanos()))
    }
}

impl Meter {
    fn cost_ns(&self, bytes: u64) -> u64 {
        (bytes.min(1 << 20) * self.ns_per_byte) >> FRACTION_BITS
    }

    fn spend(&mut self, bytes: usize, now: u64) {
        self.free_at_ns = self.free_at_ns.max(now) + self.cost_ns(bytes as u64);
    }
}

fn ns_per_byte(rate_bps: u64) -> u64 {
    ((8 * SECOND_NS) << FRACTION_BITS) / rate_bps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Factor 1, so that rates are what they say.
    fn pacer(target_bps: u64) -> (Pacer<&'static str>, Instant) {
        #[expect(clippy::disallowed_methods, reason = "a first instant")]
        let now = Instant::now();
        (Pacer::new(PacerConfig { factor: 1.0, ..PacerConfig::default() }, target_bps, now), now)
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn packets_leave_in_bursts_at_the_rate() {
        // 1000 bytes a millisecond.
        for (is_queued, wanted) in
            [(false, ([vec![15; 13], vec![5]].concat(), 195 * MS)), (true, (vec![5; 40], 195 * MS))]
        {
            let (mut pacer, begin) = pacer(8_000_000);
            pacer.set_rate(8_000_000, is_queued);
            for _ in 0..200 {
                pacer.push(Class::Video, 1_000, "video", begin);
            }
            let mut now = begin;
            let mut trains = Vec::new();
            while let Some(at) = pacer.poll_timeout() {
                now = now.max(at);
                trains.push(std::iter::from_fn(|| pacer.poll(now)).count());
            }
            assert_eq!((trains, now - begin), wanted, "with a queue: {is_queued}");
        }
    }

    #[test]
    fn what_fits_the_budget_never_sees_the_queue() {
        let (mut pacer, now) = pacer(8_000_000);
        assert!((0..15).all(|_| pacer.try_send(Class::Video, 1_000, now)));
        assert!(!pacer.try_send(Class::Video, 1_000, now), "the burst is spent");
        assert!(pacer.try_send(Class::Audio, 100, now), "audio never waits");
        assert!(!pacer.try_send(Class::Video, 1_000, now + 15 * MS), "but video waits for it");
        assert!(pacer.try_send(Class::Video, 1_000, now + 16 * MS));
        pacer.push(Class::Video, 1_000, "video", now + 16 * MS);
        assert!(!pacer.try_send(Class::Video, 1_000, now + 16 * MS), "no overtaking");
    }

    #[test]
    fn a_queue_before_the_bottleneck_is_not_fed_faster_than_it_drains() {
        #[expect(clippy::disallowed_methods, reason = "a first instant")]
        let begin = Instant::now();
        // 42 ms and 88 ms of the pace, less the last burst, which leaves at once.
        for (is_queued, took_ms) in [(false, 30), (true, 81)] {
            let mut pacer = Pacer::new(PacerConfig::default(), 8_000_000, begin);
            pacer.set_rate(8_000_000, is_queued);
            for _ in 0..105 {
                pacer.push(Class::Video, 1_000, "video", begin);
            }
            let mut now = begin;
            while let Some(at) = pacer.poll_timeout() {
                now = now.max(at);
                while pacer.poll(now).is_some() {}
            }
            let took = now - begin;
            assert_eq!(took.as_millis(), took_ms, "with a queue: {is_queued}");
        }
    }

    #[test]
    fn repairs_go_first_and_padding_last() {
        let (mut pacer, now) = pacer(8_000_000);
        for (class, item) in [
            (Class::Padding, "padding"),
            (Class::Video, "video"),
            (Class::Retransmission, "repair"),
            (Class::Audio, "audio"),
        ] {
            pacer.push(class, 1_000, item, now);
        }
        let order: Vec<_> = std::iter::from_fn(|| pacer.poll(now)).collect();
        assert_eq!(order, ["audio", "repair", "video", "padding"]);
    }

    #[test]
    fn too_many_and_too_old_packets_are_dropped_and_counted() {
        let (mut pacer, now) = pacer(100_000);
        for _ in 0..600 {
            pacer.push(Class::Video, 1_000, "video", now);
        }
        assert_eq!((pacer.queued_bytes(), pacer.dropped()), (524_000, 76));
        pacer.push(Class::Retransmission, 1_000, "repair", now + 200 * MS);
        assert_eq!(pacer.dropped(), 77, "video makes room");
        assert_eq!(pacer.poll(now + 300 * MS), Some("repair"), "all the video is late");
        assert!(pacer.is_empty());
        pacer.push(Class::Video, 600_000, "giant", now + 300 * MS);
        assert!(pacer.is_empty());
    }

    #[test]
    fn a_probe_asks_for_what_media_leaves() {
        let (mut pacer, begin) = pacer(800_000);
        let cluster = ClusterId(7);
        let probe = Probe { cluster, rate_bps: 1_600_000, min_bytes: 5_000, min_packets: 6 };
        pacer.start_probe(probe, begin);
        let (mut now, mut padded) = (begin, 0);
        for tick in 0..100u32 {
            now = begin + tick * MS;
            if tick == 4 {
                assert!(pacer.try_send(Class::Video, 1_000, now), "media is not held up");
            }
            while let Some(padding) = pacer.poll_padding(now) {
                assert_eq!(padding.cluster, cluster);
                pacer.padding_sent(250, now);
                padded += 250;
            }
            if pacer.poll_timeout().is_none() {
                break;
            }
        }
        assert_eq!(padded, 4_000, "and counts");
        let took = now - begin;
        assert!((20 * MS..27 * MS).contains(&took), "5000 bytes at 200 bytes a millisecond, took {took:?}");
    }

    #[test]
    fn a_probe_nobody_can_pad_ends() {
        let (mut pacer, now) = pacer(800_000);
        let probe = Probe { cluster: ClusterId(1), rate_bps: 1_600_000, min_bytes: 5_000, min_packets: 6 };
        pacer.start_probe(probe, now);
        assert!(pacer.poll_padding(now + 400 * MS).is_none());
        assert!(pacer.poll_timeout().is_none());
    }
}
