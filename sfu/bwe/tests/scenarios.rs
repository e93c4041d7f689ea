//! The controller and the pacer against a simulated bottleneck: what the estimate does, and how soon.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "tests")]
#![allow(clippy::print_stderr, clippy::disallowed_macros, missing_docs, unreachable_pub, reason = "tests")]

mod link;

use std::time::Duration;

use link::{Call, Link, Traffic};
use sluice_bwe::{Config, PacketResult, SentKind, Source};

const SEEDS: std::ops::Range<u64> = 0..3;

/// Simulcast of one camera, with room for something between the steps.
fn layers() -> Traffic {
    Traffic::Layers(vec![150e3, 500e3, 1.0e6, 1.7e6])
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What must hold from the eighth second to the fortieth: shares of the capacity.
struct Scene {
    name: &'static str,
    link: Link,
    traffic: Traffic,
    /// The target, on average.
    mean: std::ops::Range<f64>,
    /// The target, always.
    always: std::ops::Range<f64>,
    /// 95 of 100 times the queue is no longer.
    queue_ms: f64,
    /// Changes of layer.
    changes: usize,
}

impl Scene {
    fn play(&self) {
        let capacity = self.link.rate_bps - self.link.cross_bps;
        for seed in SEEDS {
            let mut call = Call::new(self.link, self.traffic.clone(), seed);
            call.run_seconds(40.0);
            let (low, high) = call.range_since(8.0);
            let (low, high) = (low / capacity, high / capacity);
            let mean = call.mean_since(8.0, |sample| sample.estimate.target_bps as f64) / capacity;
            let mut queues: Vec<f64> = call.samples.iter().map(|sample| sample.queue_ms).collect();
            queues.sort_by(f64::total_cmp);
            let queue_ms = queues[queues.len() * 95 / 100];
            let changes = call.layer_changes.iter().filter(|(at, _)| *at > 8.0).count();
            let holds = self.mean.contains(&mean)
                && self.always.contains(&low)
                && self.always.contains(&high)
                && queue_ms <= self.queue_ms
                && changes <= self.changes;
            if !holds {
                call.print();
            }
            assert!(
                holds,
                "{} seed {seed}: target {low:.2}..{high:.2}, mean {mean:.2}, queue {queue_ms:.0} ms, {changes} changes",
                self.name
            );
        }
    }
}

/// A sender that uses all it may.
fn greedy(name: &'static str, link: Link) -> Scene {
    let queue_ms = 200.0;
    Scene { name, link, traffic: Traffic::Greedy, mean: 0.8..1.05, always: 0.7..1.15, queue_ms, changes: 0 }
}

#[test]
fn a_sender_that_uses_everything_converges_to_the_capacity() {
    for (name, rate_bps) in [("300k", 3e5), ("600k", 6e5), ("1M", 1e6), ("2M", 2e6), ("5M", 5e6)] {
        greedy(name, Link::of(rate_bps)).play();
    }
    greedy("long way", Link { delay: ms(150), ..Link::of(2e6) }).play();
}

#[test]
fn layers_settle_and_stay() {
    let scene = |name, link| Scene { traffic: layers(), queue_ms: 60.0, always: 0.8..1.1, ..greedy(name, link) };
    scene("2M", Link::of(2e6)).play();
    scene("1M", Link::of(1e6)).play();
    scene("long way", Link { delay: ms(150), ..Link::of(2e6) }).play();
    scene("short queue", Link { queue: ms(60), ..Link::of(2e6) }).play();
    Scene { mean: 0.8..1.08, ..scene("a little jitter", Link { jitter: ms(10), ..Link::of(2e6) }) }.play();
    // The allocator could use only 1.785 Mbit/s of this: nobody probes for the rest.
    Scene { always: 0.35..0.5, mean: 0.35..0.5, ..scene("5M", Link::of(5e6)) }.play();
}

#[test]
fn random_loss_is_not_taken_for_congestion() {
    for (name, loss, burst) in [("2 %", 0.02, 1.0), ("5 %", 0.05, 1.0), ("5 % in bursts", 0.05, 4.0)] {
        let link = Link { loss, burst, ..Link::of(2e6) };
        Scene { always: 0.6..1.15, ..greedy(name, link) }.play();
        Scene { traffic: layers(), always: 0.6..1.1, changes: 4, ..greedy(name, link) }.play();
    }
    let link = Link { loss: 0.10, ..Link::of(2e6) };
    Scene { always: 0.55..1.15, mean: 0.7..1.05, ..greedy("10 %", link) }.play();
}

#[test]
fn loss_of_an_overflowing_queue_is_taken_for_congestion() {
    // The queue holds 20 ms: no delay to speak of, everything above the capacity is lost.
    let link = Link { queue: ms(20), ..Link::of(2e6) };
    for seed in SEEDS {
        let mut call = Call::new(link, layers(), seed);
        call.run_seconds(10.0);
        call.link.rate_bps = 5e5;
        call.run_seconds(10.0);
        let (_, high) = call.range_since(12.0);
        assert!(high < 1.05e6, "seed {seed}: {high}");
        let delivered = call.mean_since(12.0, |sample| sample.delivered_bps);
        let sent = call.mean_since(12.0, |sample| sample.sent_bps);
        assert!(delivered > 0.8 * sent, "seed {seed}: {delivered} of {sent}");
    }
}

#[test]
fn jitter_does_not_make_the_rate_collapse() {
    for reorders in [false, true] {
        let link = Link { jitter: ms(50), reorders, ..Link::of(2e6) };
        Scene { always: 0.4..1.9, mean: 0.7..1.1, ..greedy("greedy", link) }.play();
        // Of ten seeds four with reordering stay at 0.67 to 0.69, where the layer above is out of reach of a probe.
        let scene = Scene { always: 0.5..1.15, mean: 0.65..1.1, changes: 8, ..greedy("layers", link) };
        Scene { traffic: layers(), ..scene }.play();
    }
}

#[test]
fn an_unyielding_neighbour_leaves_us_the_rest() {
    let link = Link { cross_bps: 1e6, ..Link::of(2e6) };
    Scene { always: 0.6..1.7, mean: 0.75..1.1, queue_ms: 301.0, ..greedy("greedy", link) }.play();
    Scene { traffic: layers(), always: 0.5..1.85, mean: 0.7..1.35, changes: 12, ..greedy("layers", link) }.play();
}

/// Down within 2 s and up within 5 s of relief, whenever in the rhythm of the probes the relief comes.
#[test]
fn two_megabits_to_half_a_megabit_and_back() {
    for seed in 0..12 {
        let mut call = Call::new(Link::of(2e6), layers(), seed);
        call.run_seconds(10.0);
        assert!(call.target() > 1.7e6, "seed {seed}: {}", call.target());
        call.link.rate_bps = 5e5;
        let down = call.run_until(2.0, |call| call.target() <= 5.25e5);
        assert!(down.is_some(), "seed {seed}: still {} after 2 s", call.target());
        call.run_seconds(20.0 + seed as f64 * 0.37);
        let constrained = call.layer_changes.iter().filter(|(at, _)| (11.0..call.seconds()).contains(at)).count();
        assert!(constrained <= 2, "seed {seed}: flaps {:?}", call.layer_changes);
        call.link.rate_bps = 2e6;
        let up = call.run_until(5.0, |call| call.target() >= 1.7e6);
        if up.is_none() {
            call.print();
        }
        assert!(up.is_some(), "seed {seed}: only {} after 5 s", call.target());
        let before = call.layer_changes.len();
        call.run_seconds(20.0);
        let after = call.layer_changes.len() - before;
        assert!(after <= 2, "seed {seed}: flaps {:?}", call.layer_changes);
    }
}

#[test]
fn a_slow_squeeze_is_followed_without_a_long_queue() {
    for seed in SEEDS {
        let mut call = Call::new(Link::of(2e6), layers(), seed);
        call.run_seconds(10.0);
        for step in 0..30 {
            call.link.rate_bps = 2e6 - 5e4 * f64::from(step);
            call.run_seconds(1.0);
        }
        call.run_seconds(8.0);
        let (_, high) = call.range_since(45.0);
        if high > 8e5 {
            call.print();
        }
        assert!(high < 8e5, "seed {seed}: {high}");
        let mut queues: Vec<f64> = call.samples.iter().map(|sample| sample.queue_ms).collect();
        queues.sort_by(f64::total_cmp);
        assert!(queues[queues.len() * 98 / 100] < 150.0, "seed {seed}");
    }
}

/// The publisher sends little for a minute. What the link was known to carry is neither forgotten nor exceeded.
#[test]
fn a_quiet_publisher_leaves_the_estimate_where_it_was() {
    for seed in SEEDS {
        let mut call = Call::new(Link::of(2e6), layers(), seed);
        call.run_seconds(10.0);
        let before = call.target();
        call.traffic = Traffic::Constant(150e3);
        call.run_seconds(60.0);
        let (low, high) = call.range_since(10.0);
        assert!(low > 0.9 * before && high < 1.02 * before, "seed {seed}: {before} became {low}..{high}");
        assert!(call.controller.estimate().is_application_limited);
    }
}

#[test]
fn nothing_is_probed_for_that_nobody_wants() {
    let mut call = Call::new(Link::of(5e6), Traffic::Constant(450e3), 1);
    call.run_seconds(10.0);
    let (begun_with, target) = (call.probe_bytes, call.target());
    assert!((450e3..450e3 * 1.3).contains(&target), "{target}");
    call.run_seconds(50.0);
    assert_eq!(call.probe_bytes, begun_with);
    assert!(call.target() <= 450e3 * 1.3, "{}", call.target());
}

#[test]
fn two_seconds_without_feedback_change_nothing_and_a_broken_path_does() {
    for seed in SEEDS {
        let mut call = Call::new(Link::of(2e6), layers(), seed);
        call.run_seconds(10.0);
        let before = call.target();
        call.link.has_feedback = false;
        call.run_seconds(2.0);
        assert!(call.target() > 0.95 * before, "seed {seed}");
        call.link.has_feedback = true;
        call.run_seconds(3.0);
        let (low, high) = call.range_since(10.0);
        assert!(low > 0.8 * before && high < 1.1 * before, "seed {seed}: {low}..{high}");
        call.link.has_feedback = false;
        call.run_seconds(7.0);
        assert!(call.target() < 0.3 * before, "seed {seed}: {}", call.target());
        call.link.has_feedback = true;
        let back = call.run_until(5.0, |call| call.target() > 0.85 * before);
        assert!(back.is_some(), "seed {seed}: {}", call.target());
    }
}

#[test]
fn the_receivers_clock_may_drift_and_jump() {
    for seed in SEEDS {
        for drift in [-500e-6, 500e-6] {
            let mut call = Call::new(Link::of(2e6), layers(), seed);
            call.clock_drift = drift;
            call.run_seconds(10.0);
            let before = call.target();
            for jump in [3_600_000_000, -7_200_000_000, 40_000, -40_000, i64::from(i32::MAX) * 1000] {
                call.clock_offset_us += jump;
                call.run_seconds(3.0);
            }
            let (low, high) = call.range_since(10.0);
            assert!(low > 0.2 * before && high < 1.15 * before, "seed {seed}: {before} became {low}..{high}");
            call.run_seconds(3.0);
            assert!(call.target() > 0.85 * before, "seed {seed}: {}", call.target());
        }
    }
}

#[test]
fn without_feedback_the_receivers_own_estimate_counts() {
    let mut call = Call::new(Link::of(2e6), layers(), 1);
    call.answers_twcc = false;
    call.run_seconds(10.0);
    assert_eq!(call.controller.estimate().source, Source::Initial);
    assert_eq!(call.controller.estimate().target_bps, 300_000);
    let probed = call.probe_bytes;
    call.remb_bps = Some(1_200_000);
    call.run_seconds(2.0);
    assert_eq!(call.controller.estimate().source, Source::Remb);
    assert_eq!(call.controller.estimate().target_bps, 1_200_000);
    assert_eq!(call.probe_bytes, probed, "nobody would answer");
    let now = call.now();
    call.controller.handle_report(0.3, Some(ms(80)), now);
    assert!(call.controller.estimate().target_bps < 1_050_000);
    assert_eq!(call.controller.estimate().rtt, Some(ms(80)));
    call.answers_twcc = true;
    call.run_seconds(5.0);
    assert_eq!(call.controller.estimate().source, Source::Transport);
    assert!(call.target() > 1.7e6, "{}", call.target());
    call.answers_twcc = false;
    call.run_seconds(7.0);
    assert_eq!(call.controller.estimate().source, Source::Remb, "the receiver changed its mind");
}

/// A person goes from one network to another: what looks like a queue for ever is a longer way.
#[test]
fn a_longer_way_is_no_queue() {
    for seed in SEEDS {
        for longer_ms in [60, 120, 300] {
            let mut call = Call::new(Link::of(4e6), layers(), seed);
            call.run_seconds(10.0);
            call.link.delay += ms(longer_ms);
            call.run_seconds(16.0);
            assert!(call.target() > 1.7e6, "seed {seed}, {longer_ms} ms more: {}", call.target());
        }
    }
}

/// Sound is sent again under the number it had. That the second copy came does not undo that the way lost the first;
/// a packet that was only late was not lost.
#[test]
fn what_comes_by_its_second_copy_was_lost_all_the_same() {
    for (is_repeated, lost) in [(true, 0.05), (false, 0.0)] {
        let Call { mut controller, .. } = Call::new(Link::of(2e6), layers(), 1);
        let begin = Call::new(Link::of(2e6), layers(), 1).now();
        for sequence in 0..400u16 {
            let now = begin + ms(20) * u32::from(sequence);
            controller.handle_sent(sequence, 150, now, SentKind::Media);
            let arrived = PacketResult { sequence, arrived_at_us: Some(20_000 * i64::from(sequence)) };
            if sequence % 20 == 7 {
                let missing = PacketResult { arrived_at_us: None, ..arrived };
                controller.handle_feedback([missing].into_iter(), now + ms(5));
                if is_repeated {
                    controller.handle_repeated(sequence);
                }
            }
            controller.handle_feedback([arrived].into_iter(), now + ms(10));
        }
        let told = controller.path_loss();
        assert!((told - lost).abs() < 0.01, "{told} where copies were sent: {is_repeated}");
    }
}

#[test]
fn bounds_hold() {
    let config = Config { start_bps: 600_000, min_bps: 400_000, max_bps: 800_000 };
    for rate_bps in [1e5, 5e6] {
        let mut call = Call::with_config(Link::of(rate_bps), Traffic::Greedy, 1, config);
        call.run_seconds(20.0);
        let (low, high) = call.range_since(0.0);
        assert!(low >= 4e5 && high <= 8e5, "{low}..{high}");
    }
}
