//! The way between each client and the worker: delay, jitter, loss in single packets and in bursts, reordering, a
//! bottleneck with a queue that other people's traffic shares, and a NAT that can change its mind. Seeded; does not
//! look into what it carries, but for one thing: see [`Conditions::loss`].

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::estimate::Estimate;

/// How one direction of a way behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// One way.
    pub delay: Duration,
    /// Up to this much more; order is kept.
    pub jitter: Duration,
    /// Share of datagrams lost. The handshakes of DTLS and SCTP are spared: the retransmission timer of the one has
    /// a jitter nobody can seed, that of the other reads the real clock, and a run would not repeat.
    pub loss: f64,
    /// Loss in bursts, on top of `loss`.
    pub burst: Option<Burst>,
    /// Share of datagrams held up by [`Self::REORDER_BY`] while others pass.
    pub reorder: f64,
    /// A bottleneck, in bits per second.
    pub rate_bps: Option<u64>,
    /// Bytes that wait in front of the bottleneck; what comes on top is lost.
    pub queue_len: usize,
    /// Somebody else's traffic through the same bottleneck.
    pub rival: Rival,
}

/// Loss as Gilbert and Elliott model it: a good state that loses nothing and a bad one that loses much. Both
/// are left by chance, datagram by datagram. The mean loss is `enter / (enter + leave) * loss`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// Chance to turn bad with a datagram.
    pub enter: f64,
    /// Chance to turn good again.
    pub leave: f64,
    /// Share lost while bad.
    pub loss: f64,
}

impl Burst {
    /// Bursts of three datagrams on average, 70 % of each burst lost, so that `mean` of all datagrams are.
    #[must_use]
    pub fn of(mean: f64) -> Self {
        let (leave, loss) = (1.0 / 3.0, 0.7);
        Self { enter: leave * mean / (loss - mean), leave, loss }
    }
}

/// Traffic that competes for a bottleneck.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rival {
    /// Nobody.
    None,
    /// So many bits per second, whatever happens: another call, a game.
    Constant(u64),
    /// A download: takes what it can get and halves when the queue overflows, as TCP (RFC 5681) does, with this
    /// round trip.
    Greedy(Duration),
}

impl Conditions {
    /// How much later a reordered datagram comes.
    pub const REORDER_BY: Duration = Duration::from_millis(15);

    /// 20 ms and nothing bad.
    pub const CLEAN: Self = Self {
        delay: Duration::from_millis(20),
        jitter: Duration::ZERO,
        loss: 0.0,
        burst: None,
        reorder: 0.0,
        rate_bps: None,
        queue_len: 64 << 10,
        rival: Rival::None,
    };

    /// Nothing comes through.
    pub const DOWN: Self = Self { loss: 1.0, ..Self::CLEAN };

    /// Otherwise clean.
    #[must_use]
    pub const fn with_loss(loss: f64) -> Self {
        Self { loss, ..Self::CLEAN }
    }

    /// A bottleneck with so long a way, and a queue of 300 ms (but at least 16 KiB), as home routers have.
    #[must_use]
    pub fn narrow(rate_bps: u64, delay: Duration) -> Self {
        let queue_len = usize::try_from(rate_bps * 300 / 8000).unwrap_or(usize::MAX).max(16 << 10);
        Self { rate_bps: Some(rate_bps), delay, queue_len, ..Self::CLEAN }
    }

    /// True when everything sent arrives, in order.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        self.loss == 0.0 && self.burst.is_none() && self.reorder == 0.0 && self.rate_bps.is_none()
    }
}

/// INIT and COOKIE ECHO, or their answers, and the first to open a channel.
const SCTP_HANDSHAKE_RECORDS: usize = 3;

/// Bytes of IP and UDP around each datagram: the bottleneck carries them too.
const HEADERS_LEN: usize = 28;
/// Size of a rival's packets.
const RIVAL_PACKET_LEN: f64 = 1228.0;
/// How finely a rival's traffic is laid between the datagrams.
const RIVAL_STEP: Duration = Duration::from_millis(5);
/// A rival is not followed through longer pauses of ours: by then it has what there is.
const MAX_RIVAL_STEPS: u32 = 400;

/// What became of a datagram that was carried or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passage {
    pub(crate) sent_at: Instant,
    pub(crate) len: usize,
    /// How long it waited for the bottleneck; `None` when it was lost.
    pub(crate) queued: Option<Duration>,
}

/// One direction.
#[derive(Debug)]
struct Link {
    conditions: Conditions,
    /// One for each kind of datagram: what the engine sends at one instant has no order, and the draws of media must
    /// not depend on it.
    random: [ChaCha8Rng; KINDS],
    seed: u64,
    first_report_at: Option<Instant>,
    /// When the bottleneck has sent what waits.
    free_at: Option<Instant>,
    /// The last arrival of each kind: jitter keeps order.
    last_arrival: [Option<Instant>; KINDS],
    /// DTLS application records carried: the first are SCTP's handshake.
    records: usize,
    is_bad: bool,
    rival_bps: f64,
    rival_at: Option<Instant>,
    rival_halved_at: Option<Instant>,
    passages: Option<Vec<Passage>>,
    has_harmed: bool,
}

/// Media, reports, and the rest.
const KINDS: usize = 3;
const REPORTS: usize = 1;

fn kind(datagram: &[u8]) -> usize {
    match datagram {
        [128..=191, 192..=223, ..] => REPORTS,
        [128..=191, ..] => 0,
        _ => 2,
    }
}

impl Link {
    fn new(seed: u64) -> Self {
        Self {
            conditions: Conditions::CLEAN,
            random: [0, 1, 2].map(|kind| ChaCha8Rng::seed_from_u64(seed ^ kind << 56)),
            seed,
            first_report_at: None,
            free_at: None,
            last_arrival: [None; KINDS],
            records: 0,
            is_bad: false,
            rival_bps: 0.0,
            rival_at: None,
            rival_halved_at: None,
            passages: None,
            has_harmed: false,
        }
    }

    /// When the datagram arrives; `None` when it is lost.
    fn carry(&mut self, datagram: &[u8], now: Instant) -> Option<Instant> {
        let passage = self.pass(datagram, now);
        if let Some(passages) = &mut self.passages {
            let queued = passage.map(|(_, queued)| queued);
            passages.push(Passage { sent_at: now, len: datagram.len() + HEADERS_LEN, queued });
        }
        self.has_harmed |= passage.is_none();
        passage.map(|(arrives, _)| arrives)
    }

    /// When the datagram arrives and how long it waited.
    fn pass(&mut self, datagram: &[u8], now: Instant) -> Option<(Instant, Duration)> {
        let Conditions { delay, jitter, loss, burst, reorder, rate_bps, queue_len, .. } = self.conditions;
        let kind = kind(datagram);
        if kind == REPORTS {
            // How many datagrams the engine makes of its reports at one instant is not the same in every run: all of
            // them have one fate, and none changes the next.
            let first = *self.first_report_at.get_or_insert(now);
            let nanos = u64::try_from((now - first).as_nanos()).unwrap_or(0);
            self.random[kind] = ChaCha8Rng::seed_from_u64(self.seed ^ nanos);
        }
        // One draw each, whatever the conditions are: switching one does not shift the others.
        let [lost, held_up, late, turns, lost_in_burst] = [(); 5].map(|()| self.random[kind].random::<f64>());
        let is_record = datagram.first() == Some(&23);
        self.records += usize::from(is_record);
        let is_handshake = datagram.first().is_some_and(|first| matches!(first, 20..=22))
            || is_record && self.records <= SCTP_HANDSHAKE_RECORDS;
        if let Some(burst) = burst {
            self.is_bad = if self.is_bad { turns >= burst.leave } else { turns < burst.enter };
        }
        let is_burst = self.is_bad && burst.is_some_and(|burst| lost_in_burst < burst.loss);
        if (lost < loss || is_burst) && !(is_handshake && loss < 1.0) {
            return None;
        }
        let mut leaves = now;
        let mut queued = Duration::ZERO;
        if let Some(rate_bps) = rate_bps {
            self.compete(rate_bps, now);
            let free_at = self.free_at.map_or(now, |at| at.max(now));
            queued = free_at - now;
            if queued.as_secs_f64() * rate_bps as f64 / 8.0 > queue_len as f64 && !is_handshake {
                return None;
            }
            let len = (datagram.len() + HEADERS_LEN) as f64;
            leaves = free_at + Duration::from_secs_f64(len * 8.0 / rate_bps as f64);
            self.free_at = Some(leaves);
        }
        let arrives = leaves + delay + jitter.mul_f64(late);
        if held_up < reorder {
            self.has_harmed = true;
            return Some((arrives + Conditions::REORDER_BY, queued));
        }
        let arrives = self.last_arrival[kind].map_or(arrives, |last| last.max(arrives));
        self.last_arrival[kind] = Some(arrives);
        Some((arrives, queued))
    }

    /// Lets the rival send what it sent since the last datagram.
    fn compete(&mut self, rate_bps: u64, now: Instant) {
        let began = self
            .rival_at
            .unwrap_or(now)
            .max(now.checked_sub(RIVAL_STEP * MAX_RIVAL_STEPS).unwrap_or(now));
        let mut at = began;
        while at + RIVAL_STEP <= now {
            at += RIVAL_STEP;
            match self.conditions.rival {
                Rival::None => self.rival_bps = 0.0,
                Rival::Constant(bps) => self.rival_bps = bps as f64,
                Rival::Greedy(round_trip) => {
                    let waits = self.free_at.map_or(Duration::ZERO, |free| free.saturating_duration_since(at));
                    let is_full = waits.as_secs_f64() * rate_bps as f64 / 8.0 > self.conditions.queue_len as f64;
                    // One packet more in flight per round trip, over the round trip as it is now.
                    let round = (round_trip + waits).as_secs_f64();
                    let gain = RIVAL_PACKET_LEN * 8.0 / (round * round) * RIVAL_STEP.as_secs_f64();
                    if !is_full && self.rival_halved_at.is_none() {
                        // Slow start: ten packets, then twice as many in each round trip.
                        let least = 10.0 * RIVAL_PACKET_LEN * 8.0 / round;
                        self.rival_bps = self.rival_bps.max(least) * (1.0 + RIVAL_STEP.as_secs_f64() / round);
                    } else if !is_full {
                        self.rival_bps += gain;
                    } else if self.rival_halved_at.is_none_or(|halved| at >= halved + round_trip + waits) {
                        // Once in a round trip, however much of it was lost.
                        self.rival_bps /= 2.0;
                        self.rival_halved_at = Some(at);
                    }
                }
            }
            let share = self.rival_bps / rate_bps as f64;
            let waits = self.free_at.map_or(Duration::ZERO, |free| free.saturating_duration_since(at));
            let has_room = waits.as_secs_f64() * rate_bps as f64 / 8.0 <= self.conditions.queue_len as f64;
            if share > 0.0 && has_room {
                let free_at = self.free_at.map_or(at, |free| free.max(at));
                self.free_at = Some(free_at + RIVAL_STEP.mul_f64(share));
            }
        }
        self.rival_at = Some(at);
    }
}

/// The way of one socket of a client: both directions and the NAT in front of it.
#[derive(Debug)]
pub(crate) struct Way {
    up: Link,
    down: Link,
    /// The socket, as the client knows it.
    pub(crate) inside: SocketAddr,
    /// The socket, as the worker sees it.
    pub(crate) outside: SocketAddr,
    /// Addresses it had before.
    before: Vec<SocketAddr>,
    rebindings: u8,
    /// Share of what goes up that is damaged.
    pub(crate) mangled: f64,
    damage: ChaCha8Rng,
    estimate: Option<Estimate>,
}

impl Way {
    pub(crate) fn new(inside: SocketAddr, seed: u64) -> Self {
        Self {
            up: Link::new(seed),
            down: Link::new(!seed),
            inside,
            outside: inside,
            before: Vec::new(),
            rebindings: 0,
            mangled: 0.0,
            damage: ChaCha8Rng::seed_from_u64(seed ^ 1),
            estimate: None,
        }
    }

    /// Keeps account from now on of what goes down.
    pub(crate) fn watch(&mut self) {
        self.down.passages = Some(Vec::new());
    }

    /// What went down since it is watched.
    pub(crate) fn passages(&self) -> &[Passage] {
        self.down.passages.as_deref().unwrap_or_default()
    }

    /// Something that went up was lost, held up or damaged.
    pub(crate) fn has_harmed_up(&self) -> bool {
        self.up.has_harmed || self.mangled > 0.0 || self.rebindings > 0
    }

    pub(crate) fn set_conditions(&mut self, up: Conditions, down: Conditions) {
        self.up.conditions = up;
        self.down.conditions = down;
    }

    /// The NAT forgets the client and gives it another address.
    pub(crate) fn rebind(&mut self) {
        self.rebindings += 1;
        let mut address = self.inside;
        if let IpAddr::V4(inside) = self.inside.ip() {
            let [_, _, high, low] = inside.octets();
            address.set_ip([198, self.rebindings, high, low].into());
        }
        self.before.push(self.outside);
        self.outside = address;
    }

    /// True for an address the client had before: what is sent there is lost.
    pub(crate) fn was(&self, address: SocketAddr) -> bool {
        self.outside != address && self.before.contains(&address)
    }

    /// From now on the client adapts to its way up.
    pub(crate) fn estimate(&mut self, now: Instant) {
        self.up.passages = Some(Vec::new());
        self.estimate = Some(Estimate::new(now));
    }

    /// Feedback came to the client.
    pub(crate) fn heard(&mut self, now: Instant) {
        if let Some(estimate) = &mut self.estimate {
            estimate.heard(now);
        }
    }

    /// What the client believes its way up carries, when it thinks anew.
    pub(crate) fn poll_estimate(&mut self, now: Instant) -> Option<u64> {
        let conditions = self.up.conditions;
        let passages = self.up.passages.as_mut()?;
        self.estimate.as_mut()?.poll(passages, conditions.rate_bps, now)
    }

    pub(crate) fn carry_up(&mut self, datagram: &[u8], now: Instant) -> Option<Instant> {
        self.up.carry(datagram, now)
    }

    /// What becomes of a datagram that arrives: most often itself.
    pub(crate) fn mangle(&mut self, mut datagram: Vec<u8>) -> Vec<Vec<u8>> {
        // Handshakes are spared for the reason they are not lost.
        let is_handshake = datagram.first().is_some_and(|first| matches!(first, 20..=22));
        if datagram.is_empty() || is_handshake || self.damage.random::<f64>() >= self.mangled {
            return vec![datagram];
        }
        let at = self.damage.random_range(0..datagram.len());
        match self.damage.random_range(0..3) {
            0 => datagram.truncate(at),
            1 => datagram[at] ^= 1 << self.damage.random_range(0..8),
            _ => return vec![datagram.clone(), datagram],
        }
        vec![datagram]
    }

    pub(crate) fn carry_down(&mut self, datagram: &[u8], now: Instant) -> Option<Instant> {
        self.down.carry(datagram, now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const MEDIA: [u8; 1172] = [0x80; 1172];

    fn link(conditions: Conditions) -> Link {
        Link { conditions, ..Link::new(7) }
    }

    #[test]
    fn bursts_lose_their_mean_and_cluster() {
        for mean in [0.02, 0.05, 0.2] {
            let mut link = link(Conditions { burst: Some(Burst::of(mean)), ..Conditions::CLEAN });
            let now = Instant::now();
            let lost: Vec<bool> = (0..40_000).map(|_| link.carry(&MEDIA, now).is_none()).collect();
            let share = |of: usize, all: usize| of as f64 / all as f64;
            let total = lost.iter().filter(|lost| **lost).count();
            assert!((share(total, lost.len()) - mean).abs() < mean * 0.15, "{mean}: {total}");
            let pairs = lost.windows(2).filter(|pair| pair[0] && pair[1]).count();
            assert!(share(pairs, total) > 0.4, "after a loss the next is likely");
        }
    }

    #[test]
    fn a_bottleneck_carries_its_rate_and_shares_it() {
        let carried = |rival, every_ms: u64| {
            let mut link = link(Conditions { rival, ..Conditions::narrow(1_000_000, Duration::from_millis(20)) });
            let start = Instant::now();
            let at = |n| start + Duration::from_millis(every_ms * n);
            let came = (0..20_000 / every_ms).filter(|n| link.carry(&MEDIA, at(*n)).is_some());
            came.count() * (MEDIA.len() + HEADERS_LEN) * 8 / 20
        };
        // 1.92 Mbit/s are offered; what waits in the end counts as carried.
        let alone = carried(Rival::None, 5);
        assert!((980_000..1_020_000).contains(&alone), "{alone}");
        let with_call = carried(Rival::Constant(400_000), 5);
        // A full queue drops of both alike.
        assert!((720_000..850_000).contains(&with_call), "{with_call}");
    }

    #[test]
    fn a_download_fills_the_queue_and_gives_way() {
        let rival = Rival::Greedy(Duration::from_millis(40));
        let mut link = link(Conditions { rival, ..Conditions::narrow(1_000_000, Duration::from_millis(20)) });
        let start = Instant::now();
        // 0.48 Mbit/s, for 60 s.
        let at = |n: u64| start + Duration::from_millis(20 * n);
        let waits: Vec<Duration> =
            (0..3000_u64).filter_map(|n| link.pass(&MEDIA, at(n))).map(|(_, waits)| waits).collect();
        assert!(waits.len() > 2_700, "{}: most of it comes", waits.len());
        assert!(waits.iter().any(|wait| *wait > Duration::from_millis(250)));
        assert!(waits[1500..].iter().any(|wait| *wait < Duration::from_millis(200)), "it halves");
    }
}
