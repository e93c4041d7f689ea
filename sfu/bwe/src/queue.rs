//! How long the bottleneck's queue is: the least delay of late against the least delay in memory.
//!
//! Owned by the controller. The trend says whether the delay grows, and on a path with jitter it errs; this says whether
//! there is a queue at all, and on a path with jitter it does not, for the least of many delays hardly has any.
//!
//! "Of late" is on the receiver's clock: behind a link that carries a third of what it is sent, what was sent in a tenth
//! of a second arrives in three tenths.

use crate::clock::{MILLISECOND, Micros, SECOND};

/// Memory of the empty path, in two halves. Clocks that drift by 100 parts in a million differ by 6 ms in that time.
const BASE_HALF: Micros = 30 * SECOND;
/// "Of late", in two halves.
const RECENT_HALF: Micros = 100 * MILLISECOND;
/// The delay changed by more: a clock jumped.
const CLOCK_JUMP: Micros = 3 * SECOND;
/// How fast the noise follows, per packet.
const NOISE_GAIN: f64 = 1.0 / 64.0;
/// Noise above this is the hostile's, or no network to measure.
const MAX_NOISE: Micros = 200 * MILLISECOND;

/// The smallest of the values in a window that moves by halves.
#[derive(Debug, Clone, Copy)]
struct Least {
    half: Micros,
    begun_at: Micros,
    current: Micros,
    previous: Micros,
}

impl Least {
    fn new(half: Micros, now: Micros, value: Micros) -> Self {
        Self { half, begun_at: now, current: value, previous: value }
    }

    fn add(&mut self, now: Micros, value: Micros) {
        if now - self.begun_at >= self.half {
            let is_stale = now - self.begun_at >= 2 * self.half;
            self.previous = if is_stale { value } else { self.current };
            (self.begun_at, self.current) = (now, value);
        }
        self.current = self.current.min(value);
    }

    fn get(&self) -> Micros {
        self.current.min(self.previous)
    }
}

#[derive(Debug, Clone, Copy)]
struct Delays {
    base: Least,
    recent: Least,
    last: Micros,
}

/// The measure.
#[derive(Debug, Default)]
pub(crate) struct QueueDelay {
    delays: Option<Delays>,
    noise_us: f64,
}

impl QueueDelay {
    /// Takes a packet, in order of arrival. Times are those it was sent and arrived at, on two clocks; `own_wait` is
    /// what it waited for those sent with it, as far as that is no fault of the estimate.
    pub(crate) fn add(&mut self, sent: Micros, arrived: Micros, own_wait: Micros) {
        let delay = arrived - sent;
        let fresh = Delays {
            base: Least::new(BASE_HALF, arrived, delay),
            recent: Least::new(RECENT_HALF, arrived, delay - own_wait),
            last: delay,
        };
        let delays = self.delays.get_or_insert(fresh);
        if delay.abs_diff(delays.last) > CLOCK_JUMP.unsigned_abs() {
            *delays = fresh;
            return;
        }
        let change = crate::clock::seconds((delay - delays.last).abs().min(MAX_NOISE)) * 1e6;
        self.noise_us += (change - self.noise_us) * NOISE_GAIN;
        delays.last = delay;
        delays.base.add(arrived, delay);
        delays.recent.add(arrived, delay - own_wait);
    }

    /// What the queue adds to the delay.
    pub(crate) fn get(&self) -> Micros {
        self.delays.map_or(0, |delays| (delays.recent.get() - delays.base.get()).max(0))
    }

    /// What the delay is now is what it is without a queue.
    pub(crate) fn take_for_empty(&mut self) {
        if let Some(delays) = &mut self.delays {
            let recent = delays.recent.get();
            (delays.base.current, delays.base.previous) = (recent, recent);
        }
    }

    /// How much the delay differs from one packet to the next, on average.
    pub(crate) fn noise(&self) -> Micros {
        crate::clock::micros_of(self.noise_us / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_no_queue_and_a_queue_is_one_under_jitter() {
        let mut queue = QueueDelay::default();
        for packet in 0..2_000 {
            let jitter = packet * 7_919 % 50_000;
            queue.add(packet * 10_000, packet * 10_000 + 1_000_000 + jitter, 0);
        }
        assert!(queue.get() < 6_000, "{}", queue.get());
        assert!((5_000..30_000).contains(&queue.noise()), "{}", queue.noise());
        for packet in 2_000..2_060 {
            let jitter = packet * 7_919 % 50_000;
            queue.add(packet * 10_000, packet * 10_000 + 1_080_000 + jitter, 0);
        }
        assert!((74_000..90_000).contains(&queue.get()), "{}", queue.get());
    }

    #[test]
    fn a_queue_shows_in_the_time_it_takes_to_arrive() {
        let mut queue = QueueDelay::default();
        for packet in 0..100 {
            queue.add(packet * 10_000, packet * 10_000 + 20_000, 0);
        }
        // A third of it gets through: each packet waits 20 ms longer than the last.
        for packet in 0..11 {
            queue.add(1_000_000 + packet * 10_000, 1_020_000 + packet * 30_000, 0);
        }
        assert!(queue.get() >= 50_000, "{} after 300 ms", queue.get());
    }

    #[test]
    fn what_waits_for_its_own_is_no_queue() {
        let mut queue = QueueDelay::default();
        queue.add(0, 20_000, 0);
        // A burst of 300 ms, at once: as it leaves a link as fast as the estimate, and one half as fast.
        for packet in 0..30 {
            queue.add(1_000_000, 1_020_000 + packet * 10_000, packet * 10_000);
        }
        assert_eq!(queue.get(), 0);
        for packet in 0..30 {
            queue.add(2_000_000, 2_020_000 + packet * 20_000, packet * 10_000);
        }
        assert!(queue.get() >= 100_000, "{}", queue.get());
    }
}
