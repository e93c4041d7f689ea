//! One direction of the link. Packets wait in a queue for the bottleneck, leave it at its rate, may vanish behind it,
//! and travel for a while. Time and randomness come from outside; it knows no devices.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::loss::Loss;
use crate::settings::Settings;

/// Packets that travel at one time: a second of delay at the speed of a fast LAN. Who comes then is dropped.
const MOST_TRAVELLING: usize = 50_000;

/// UDP in the protocol field of an IP packet.
const UDP: u8 = 17;

/// What became of the packets so far. Those that still wait or travel are not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    pub(crate) delivered_bytes: u64,
    /// By the settings' share, or for being UDP where none is let through.
    pub(crate) lost: u64,
    /// Found the queue full.
    pub(crate) overflowed: u64,
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Path {
    settings: Settings,
    random: fastrand::Rng,
    loss: Loss,
    counts: Counts,
    /// The first one is on its way through the bottleneck.
    queue: VecDeque<Vec<u8>>,
    queued_bytes: usize,
    /// When the first of the queue is through.
    through_at: Option<Instant>,
    /// In the order they set out, each with its time of arrival: nobody overtakes.
    travelling: VecDeque<(Instant, Vec<u8>)>,
}

impl Path {
    /// A perfect one.
    pub(crate) fn new(random: fastrand::Rng) -> Self {
        Self {
            settings: Settings::default(),
            random,
            loss: Loss::default(),
            counts: Counts::default(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            through_at: None,
            travelling: VecDeque::new(),
        }
    }

    /// From now on. What travels already arrives when it would have; the packet in the bottleneck leaves it at the old
    /// rate, those behind it at the new one.
    pub(crate) fn set(&mut self, settings: Settings, now: Instant) {
        self.advance(now);
        self.settings = settings;
        self.advance(now);
    }

    /// What became of the packets so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// A packet enters.
    pub(crate) fn handle_packet(&mut self, packet: &[u8], now: Instant) {
        self.advance(now);
        if !self.settings.lets_udp_through && is_udp(packet) {
            self.counts.lost += 1;
        } else if self.settings.rate_bps.is_none() && self.queue.is_empty() {
            self.travel(packet.to_vec(), now);
        } else if self.queued_bytes + packet.len() > self.settings.queue_bytes {
            self.counts.overflowed += 1;
        } else {
            self.queued_bytes += packet.len();
            self.queue.push_back(packet.to_vec());
            self.start_first(now);
        }
    }

    /// The next packet that has arrived.
    pub(crate) fn poll_packet(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.advance(now);
        let (_, packet) = self.travelling.pop_front_if(|(arrives_at, _)| *arrives_at <= now)?;
        self.counts.delivered += 1;
        self.counts.delivered_bytes += packet.len() as u64;
        Some(packet)
    }

    /// When to ask for packets again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let arrival = self.travelling.front().map(|(arrives_at, _)| *arrives_at);
        [self.through_at, arrival].into_iter().flatten().min()
    }

    /// Lets out of the bottleneck what is through.
    fn advance(&mut self, now: Instant) {
        while let Some(through_at) = self.through_at.take_if(|through_at| *through_at <= now) {
            if let Some(packet) = self.queue.pop_front() {
                self.queued_bytes -= packet.len();
                self.travel(packet, through_at);
            }
            self.start_first(through_at);
        }
    }

    /// The first of the queue enters the bottleneck, unless it is there already.
    fn start_first(&mut self, at: Instant) {
        if let (None, Some(first)) = (self.through_at, self.queue.front()) {
            self.through_at =
                Some(at + self.settings.rate_bps.map_or(Duration::ZERO, |rate| duration(first.len(), rate)));
        }
    }

    fn travel(&mut self, packet: Vec<u8>, from: Instant) {
        if self.loss.takes_next(&self.settings, &mut self.random) {
            self.counts.lost += 1;
        } else if self.travelling.len() >= MOST_TRAVELLING {
            self.counts.overflowed += 1;
        } else {
            let arrives_at = from + self.settings.delay + self.settings.jitter.mul_f64(self.random.f64());
            self.travelling.push_back((arrives_at, packet));
        }
    }
}

/// IPv6 packets with headers in between are none that browsers send.
fn is_udp(packet: &[u8]) -> bool {
    match packet {
        [0x40..0x50, ..] => packet.get(9) == Some(&UDP),
        [0x60..0x70, ..] => packet.get(6) == Some(&UDP),
        _ => false,
    }
}

/// How long a packet takes through the bottleneck.
fn duration(bytes: usize, rate_bps: u64) -> Duration {
    Duration::from_nanos((bytes as u64 * 8).saturating_mul(1_000_000_000) / rate_bps.max(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn path(settings: &str, now: Instant) -> Path {
        let mut path = Path::new(fastrand::Rng::with_seed(1));
        path.set(Settings::parse(settings).unwrap(), now);
        path
    }

    #[test]
    fn a_firewall_lets_everything_through_but_udp() {
        let now = Instant::now();
        let mut path = path("udp=0", now);
        let v4 = |protocol| [&[0x45, 0, 0, 20, 0, 0, 0, 0, 64, protocol][..], &[0; 10]].concat();
        let v6 = |protocol| [&[0x60, 0, 0, 0, 0, 0, protocol][..], &[0; 33]].concat();
        let packets = [v4(17), v4(6), v6(17), v6(6), v4(1)];
        packets.iter().for_each(|packet| path.handle_packet(packet, now));
        let through: Vec<_> = std::iter::from_fn(|| path.poll_packet(now)).collect();
        assert_eq!(through, [v4(6), v6(6), v4(1)]);
        assert_eq!(path.counts().lost, 2);
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Everything that is still to come, with the time of its arrival.
    fn drain(path: &mut Path, mut now: Instant) -> Vec<(Instant, Vec<u8>)> {
        let mut arrived = Vec::new();
        loop {
            arrived.extend(std::iter::from_fn(|| path.poll_packet(now)).map(|packet| (now, packet)));
            match path.poll_timeout() {
                Some(next) => now = next,
                None => return arrived,
            }
        }
    }

    #[test]
    fn a_perfect_path_lets_through_at_once() {
        let now = Instant::now();
        let mut path = path("", now);
        path.handle_packet(b"hello", now);
        assert_eq!(path.poll_packet(now).as_deref(), Some(&b"hello"[..]));
        assert_eq!(path.poll_timeout(), None);
    }

    #[test]
    fn a_packet_travels_for_its_delay() {
        let now = Instant::now();
        let mut path = path("delay=25", now);
        path.handle_packet(b"hello", now);
        assert_eq!(path.poll_packet(now + ms(24)), None);
        assert_eq!(path.poll_timeout(), Some(now + ms(25)));
        assert!(path.poll_packet(now + ms(25)).is_some());
    }

    #[test]
    fn packets_leave_the_bottleneck_at_its_rate() {
        let now = Instant::now();
        // 1000 bytes take 8 ms.
        let mut path = path("rate=1000000 delay=10", now);
        (0..3).for_each(|_| path.handle_packet(&[0; 1000], now));
        let times: Vec<_> = drain(&mut path, now).iter().map(|(at, _)| *at - now).collect();
        assert_eq!(times, [ms(18), ms(26), ms(34)]);
    }

    #[test]
    fn a_full_queue_drops_who_comes_last() {
        let now = Instant::now();
        let mut path = path("rate=1000000 queue=2500", now);
        (0..4).for_each(|n| path.handle_packet(&[n; 1000], now));
        let arrived: Vec<_> = drain(&mut path, now).into_iter().map(|(_, packet)| packet[0]).collect();
        assert_eq!(arrived, [0, 1]);
        assert_eq!(path.counts().overflowed, 2);
    }

    #[test]
    fn a_new_rate_counts_for_those_who_wait() {
        let now = Instant::now();
        let mut path = path("rate=1000000", now);
        (0..3).for_each(|_| path.handle_packet(&[0; 1000], now));
        path.set(Settings::parse("rate=500000").unwrap(), now + ms(1));
        let times: Vec<_> = drain(&mut path, now).iter().map(|(at, _)| *at - now).collect();
        assert_eq!(times, [ms(8), ms(24), ms(40)]);
    }

    #[test]
    fn a_rate_that_is_lifted_empties_the_queue() {
        let now = Instant::now();
        let mut path = path("rate=1000", now);
        (0..3).for_each(|_| path.handle_packet(&[0; 100], now));
        path.set(Settings::default(), now);
        path.handle_packet(b"last", now);
        let arrived = drain(&mut path, now);
        assert_eq!(arrived.len(), 4);
        assert_eq!(arrived[3].1, b"last");
        assert_eq!(arrived[3].0, arrived[0].0, "only the one in the bottleneck took its time");
    }

    proptest! {
        /// Whatever is set meanwhile: order is kept, the rate is never exceeded, every packet is counted once.
        #[test]
        fn a_path_is_a_path(
            steps in prop::collection::vec((0_u64..20, 20_usize..1500, prop::option::weighted(0.1, 0_usize..4)), 1..200),
        ) {
            const SETTINGS: [&str; 4] =
                ["rate=2000000 delay=25 queue=20000", "rate=500000 delay=5 jitter=50", "loss=20 burst=3 rate=900000", "rate=100000 queue=5000"];
            const FASTEST_BPS: u64 = 2_000_000;
            let start = Instant::now();
            let mut path = path(SETTINGS[0], start);
            let mut now = start;
            let mut arrived = Vec::new();
            for (number, (pause, length, setting)) in (0_u16..).zip(&steps) {
                now += ms(*pause);
                if let Some(setting) = setting {
                    path.set(Settings::parse(SETTINGS[*setting]).unwrap(), now);
                }
                let mut packet = vec![0; *length];
                packet[..2].copy_from_slice(&number.to_be_bytes());
                path.handle_packet(&packet, now);
                arrived.extend(std::iter::from_fn(|| path.poll_packet(now)).map(|packet| (now, packet)));
            }
            arrived.extend(drain(&mut path, now));

            let numbers: Vec<_> = arrived.iter().map(|(_, packet)| (packet[0], packet[1])).collect();
            prop_assert!(numbers.is_sorted(), "order is kept");
            let counts = path.counts();
            prop_assert_eq!(counts.delivered + counts.lost + counts.overflowed, steps.len() as u64);
            prop_assert_eq!(counts.delivered, arrived.len() as u64);
            let bits: u64 = arrived.iter().map(|(_, packet)| packet.len() as u64 * 8).sum();
            if let Some((last, _)) = arrived.last() {
                let most = (*last - start).as_secs_f64() * FASTEST_BPS as f64;
                prop_assert!(bits as f64 <= most + 1.0, "{bits} bits, {most} at most");
            }
        }
    }
}
