//! The way between each client and the worker: delay, jitter, loss, reordering, a bottleneck with a queue, and
//! a NAT that can change its mind. Seeded; does not look into what it carries, but for one thing: see
//! [`Conditions::loss`].

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

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
    /// Share of datagrams held up by [`Self::REORDER_BY`] while others pass.
    pub reorder: f64,
    /// A bottleneck, in bits per second.
    pub rate_bps: Option<u64>,
    /// Bytes that wait in front of the bottleneck; what comes on top is lost.
    pub queue_len: usize,
}

impl Conditions {
    /// How much later a reordered datagram comes.
    pub const REORDER_BY: Duration = Duration::from_millis(15);

    /// 20 ms and nothing bad.
    pub const CLEAN: Self = Self {
        delay: Duration::from_millis(20),
        jitter: Duration::ZERO,
        loss: 0.0,
        reorder: 0.0,
        rate_bps: None,
        queue_len: 64 << 10,
    };

    /// Nothing comes through.
    pub const DOWN: Self = Self { loss: 1.0, ..Self::CLEAN };

    /// Otherwise clean.
    #[must_use]
    pub const fn with_loss(loss: f64) -> Self {
        Self { loss, ..Self::CLEAN }
    }
}

/// INIT and COOKIE ECHO, or their answers, and the first to open a channel.
const SCTP_HANDSHAKE_RECORDS: usize = 3;

/// One direction.
#[derive(Debug)]
struct Link {
    conditions: Conditions,
    random: ChaCha8Rng,
    /// When the bottleneck has sent what waits.
    free_at: Option<Instant>,
    /// The last arrival: jitter keeps order.
    last_arrival: Option<Instant>,
    /// DTLS application records carried: the first are SCTP's handshake.
    records: usize,
}

impl Link {
    fn new(seed: u64) -> Self {
        Self {
            conditions: Conditions::CLEAN,
            random: ChaCha8Rng::seed_from_u64(seed),
            free_at: None,
            last_arrival: None,
            records: 0,
        }
    }

    /// When the datagram arrives; `None` when it is lost.
    fn carry(&mut self, datagram: &[u8], now: Instant) -> Option<Instant> {
        let Conditions { delay, jitter, loss, reorder, rate_bps, queue_len } = self.conditions;
        // One draw each, whatever the conditions are: switching one does not shift the others.
        let [lost, held_up, late] = [(); 3].map(|()| self.random.random::<f64>());
        let is_record = datagram.first() == Some(&23);
        self.records += usize::from(is_record);
        let is_handshake = datagram.first().is_some_and(|first| matches!(first, 20..=22))
            || is_record && self.records <= SCTP_HANDSHAKE_RECORDS;
        if lost < loss && !(is_handshake && loss < 1.0) {
            return None;
        }
        let mut leaves = now;
        if let Some(rate_bps) = rate_bps {
            let free_at = self.free_at.map_or(now, |at| at.max(now));
            let backlog_len = (free_at - now).as_secs_f64() * rate_bps as f64 / 8.0;
            if backlog_len > queue_len as f64 {
                return None;
            }
            leaves = free_at + Duration::from_secs_f64(datagram.len() as f64 * 8.0 / rate_bps as f64);
            self.free_at = Some(leaves);
        }
        let arrives = leaves + delay + jitter.mul_f64(late);
        if held_up < reorder {
            return Some(arrives + Conditions::REORDER_BY);
        }
        let arrives = self.last_arrival.map_or(arrives, |last| last.max(arrives));
        self.last_arrival = Some(arrives);
        Some(arrives)
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
    rebindings: u8,
    /// Share of what goes up that is damaged.
    pub(crate) mangled: f64,
    damage: ChaCha8Rng,
}

impl Way {
    pub(crate) fn new(inside: SocketAddr, seed: u64) -> Self {
        Self {
            up: Link::new(seed),
            down: Link::new(!seed),
            inside,
            outside: inside,
            rebindings: 0,
            mangled: 0.0,
            damage: ChaCha8Rng::seed_from_u64(seed ^ 1),
        }
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
        self.outside = address;
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
