//! A receiver that reports what it likes: nothing panics, and the estimate stays within its bounds.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sluice_bwe::{Class, Config, CongestionController, Pacer, PacerConfig, PacketResult, SentKind};

const MIN: u64 = 50_000;
const MAX: u64 = 3_000_000;

#[derive(Debug, Clone)]
enum Event {
    /// Packets of this size, so many microseconds apart.
    Send {
        packets: u16,
        size: usize,
        gap_us: u32,
        step: u16,
    },
    /// Anything.
    Feedback(Vec<(u16, Option<i64>)>),
    /// About the packets sent last, with arrivals that follow each other by these microseconds.
    Plausible {
        packets: u16,
        gaps_us: Vec<i64>,
        lost_every: u16,
    },
    Remb(u64),
    Report(f32, Option<u64>),
    Desired(Option<u64>),
    Wait {
        ms: u32,
    },
    Probe {
        packets: u8,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..60u16, 0..70_000usize, 0..20_000u32, prop_oneof![9 => Just(1u16), 1 => any::<u16>()])
            .prop_map(|(packets, size, gap_us, step)| Event::Send { packets, size, gap_us, step }),
        2 => prop::collection::vec((any::<u16>(), any::<Option<i64>>()), 0..80).prop_map(Event::Feedback),
        4 => (1..80u16, prop::collection::vec(prop_oneof![-1_000i64..60_000, any::<i64>()], 1..8), 2..30u16)
            .prop_map(|(packets, gaps_us, lost_every)| Event::Plausible { packets, gaps_us, lost_every }),
        1 => any::<u64>().prop_map(Event::Remb),
        1 => (any::<f32>(), any::<Option<u64>>()).prop_map(|(loss, rtt)| Event::Report(loss, rtt)),
        1 => any::<Option<u64>>().prop_map(Event::Desired),
        2 => (0..4_000u32).prop_map(|ms| Event::Wait { ms }),
        2 => (0..30u8).prop_map(|packets| Event::Probe { packets }),
    ]
}

#[expect(clippy::disallowed_methods, reason = "a first instant; time is virtual from here")]
fn epoch() -> Instant {
    Instant::now()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_reported_the_estimate_keeps_its_bounds(events in prop::collection::vec(event(), 1..80)) {
        let mut now = epoch();
        let config = Config { start_bps: 300_000, min_bps: MIN, max_bps: MAX };
        let mut controller = CongestionController::new(config, now);
        let (mut sequence, mut clock) = (0u16, 0i64);
        for event in events {
            match event {
                Event::Send { packets, size, gap_us, step } => {
                    for _ in 0..packets {
                        sequence = sequence.wrapping_add(step);
                        controller.handle_sent(sequence, size, now, SentKind::Media);
                        now += Duration::from_micros(gap_us.into());
                    }
                }
                Event::Feedback(results) => {
                    let results = results.into_iter();
                    let results = results.map(|(sequence, arrived_at_us)| PacketResult { sequence, arrived_at_us });
                    controller.handle_feedback(results, now);
                }
                Event::Plausible { packets, gaps_us, lost_every } => {
                    let results: Vec<_> = (0..packets)
                        .map(|index| {
                            clock = clock.wrapping_add(gaps_us[usize::from(index) % gaps_us.len()]);
                            let sequence = sequence.wrapping_sub(packets).wrapping_add(index + 1);
                            let arrived_at_us = (index % lost_every != 1).then_some(clock);
                            PacketResult { sequence, arrived_at_us }
                        })
                        .collect();
                    controller.handle_feedback(results.into_iter(), now);
                }
                Event::Remb(bps) => controller.handle_remb(bps, now),
                Event::Report(loss, rtt) => controller.handle_report(loss, rtt.map(Duration::from_micros), now),
                Event::Desired(bps) => controller.set_desired(bps),
                Event::Wait { ms } => {
                    now += Duration::from_millis(ms.into());
                    controller.handle_timeout(now);
                }
                Event::Probe { packets } => {
                    if let Some(probe) = controller.poll_probe(now) {
                        prop_assert!(probe.rate_bps <= MAX);
                        for _ in 0..packets {
                            sequence = sequence.wrapping_add(1);
                            controller.handle_sent(sequence, 255, now, SentKind::Probe(probe.cluster));
                            now += Duration::from_millis(2);
                        }
                    }
                }
            }
            let estimate = controller.estimate();
            prop_assert!((MIN..=MAX).contains(&estimate.target_bps), "{:?}", estimate);
            prop_assert!((MIN..=MAX).contains(&estimate.delay_based_bps), "{:?}", estimate);
            prop_assert!((MIN..=MAX).contains(&estimate.loss_based_bps), "{:?}", estimate);
            prop_assert!((0.0..=1.0).contains(&estimate.loss), "{:?}", estimate);
        }
    }

    /// A timeout that was served is not asked for again at once: no busy loop.
    #[test]
    fn timeouts_move_on(events in prop::collection::vec((0..3_000u32, any::<bool>()), 1..60)) {
        let mut now = epoch();
        let config = Config { start_bps: 300_000, min_bps: MIN, max_bps: MAX };
        let mut controller = CongestionController::new(config, now);
        let mut sequence = 0u16;
        for (ms, has_feedback) in events {
            sequence = sequence.wrapping_add(1);
            controller.handle_sent(sequence, 1_000, now, SentKind::Media);
            if has_feedback {
                let result = PacketResult { sequence, arrived_at_us: Some(i64::from(ms)) };
                controller.handle_feedback(std::iter::once(result), now);
            }
            now += Duration::from_millis(ms.into());
            controller.handle_timeout(now);
            controller.poll_probe(now);
            prop_assert!(controller.poll_timeout().is_none_or(|at| at > now));
        }
    }

    /// Whatever is pushed: every packet comes out once or is counted as dropped, nothing waits beyond the bounds, and
    /// waking when asked to is enough.
    #[test]
    fn the_pacer_keeps_every_packet_or_counts_it(
        packets in prop::collection::vec((0..4u8, 0..3_000usize, 0..20_000u32), 1..300),
        target in 1_000..20_000_000u64,
    ) {
        let classes = [Class::Audio, Class::Retransmission, Class::Video, Class::Padding];
        let mut now = epoch();
        let config = PacerConfig { max_bytes: 40_000, ..PacerConfig::default() };
        let mut pacer = Pacer::new(config, target, now);
        let (mut given, mut out) = (0u64, 0u64);
        for (class, bytes, gap_us) in packets {
            let class = classes[usize::from(class)];
            given += 1;
            if pacer.try_send(class, bytes, now) {
                out += 1;
            } else {
                prop_assert!(class != Class::Audio);
                pacer.push(class, bytes, (), now);
            }
            prop_assert!(pacer.queued_bytes() <= 40_000);
            now += Duration::from_micros(gap_us.into());
            while pacer.poll(now).is_some() {
                out += 1;
            }
        }
        for _ in 0..2_000 {
            let Some(at) = pacer.poll_timeout() else { break };
            now = now.max(at);
            let before = (out, pacer.dropped());
            while pacer.poll(now).is_some() {
                out += 1;
            }
            prop_assert!(before != (out, pacer.dropped()), "woken for nothing");
        }
        prop_assert!(pacer.is_empty());
        prop_assert_eq!(given, out + pacer.dropped());
    }
}
