//! What a worker shows of itself to others without being asked: that it moves, how much it has to do, and whether it is
//! lost.
//!
//! A worker is *lost* once it is found stuck or gone, by whoever finds it first, and stays so: nobody speaks to it any
//! more, and should it move again it ends. To take it back would be to serve people whom everybody else has forgotten.
//! Whom a lost worker concerns hears of it from the [caretaker](crate::caretaker).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::placement::Load;

/// Over how long the load is measured, at least.
const WINDOW: Duration = Duration::from_secs(1);

/// Written by a worker's thread, read by others.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Goes up when the worker wakes, to an odd number, and when it falls asleep, to an even one.
    beats: AtomicU64,
    /// How long it was awake, all in all.
    awake_us: AtomicU64,
    connections: AtomicU64,
    /// Rooms open there.
    pub(crate) rooms: AtomicU32,
    /// By the eye on it: share of its last second that it was awake, of a thousand.
    busy_permille: AtomicU32,
    /// Stuck or gone. Never taken back.
    is_lost: AtomicBool,
    /// It is time to stop.
    is_stopping: AtomicBool,
}

impl Pulse {
    pub(crate) fn show_connections(&self, connections: u64) {
        self.connections.store(connections, Ordering::Relaxed);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// The worker is lost from now on.
    pub(crate) fn give_up(&self) {
        self.is_lost.store(true, Ordering::Release);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// The worker ends with its pass, when somebody wakes it. No message: its queue may be full.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    /// For placing rooms.
    pub(crate) fn load(&self) -> Load {
        Load {
            is_lost: self.is_lost(),
            busy_permille: self.busy_permille.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            rooms: self.rooms.load(Ordering::Relaxed),
        }
    }
}

/// The worker's own hand on its pulse.
pub(crate) struct Stride {
    pulse: Arc<Pulse>,
    woke_at: Instant,
}

impl Stride {
    /// Awake.
    pub(crate) fn new(pulse: Arc<Pulse>, now: Instant) -> Self {
        pulse.beats.store(1, Ordering::Relaxed);
        Self { pulse, woke_at: now }
    }

    /// About to sleep.
    pub(crate) fn sleep(&mut self, now: Instant) {
        let awake = now.saturating_duration_since(self.woke_at).as_micros();
        self.pulse.awake_us.fetch_add(u64::try_from(awake).unwrap_or(0), Ordering::Relaxed);
        self.pulse.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Awake again.
    pub(crate) fn wake(&mut self, now: Instant) {
        self.pulse.beats.fetch_add(1, Ordering::Relaxed);
        self.woke_at = now;
    }
}

/// Somebody else's eye on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    beats: u64,
    /// Since when it has been the same beat.
    since: Instant,
    awake_us: u64,
    window_began_at: Instant,
}

impl Watch {
    pub(crate) fn new(now: Instant) -> Self {
        Self { beats: 0, since: now, awake_us: 0, window_began_at: now }
    }

    /// Nothing is known of what was before.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.since = now;
    }

    /// Looks, and measures the load. True when the worker has been awake in one and the same pass for longer than
    /// `longest`: a pass takes microseconds, asleep it may be for as long as nothing comes.
    pub(crate) fn is_stuck(&mut self, pulse: &Pulse, longest: Duration, now: Instant) -> bool {
        let window = now.saturating_duration_since(self.window_began_at);
        if window >= WINDOW {
            let awake_us = pulse.awake_us.load(Ordering::Relaxed);
            let permille = u128::from(awake_us.wrapping_sub(self.awake_us)) * 1000 / window.as_micros().max(1);
            pulse
                .busy_permille
                .store(u32::try_from(permille).unwrap_or(1000).min(1000), Ordering::Relaxed);
            (self.awake_us, self.window_began_at) = (awake_us, now);
        }
        let beats = pulse.beats.load(Ordering::Relaxed);
        if self.beats != beats {
            (self.beats, self.since) = (beats, now);
        }
        let is_awake = beats % 2 == 1;
        is_awake && now.saturating_duration_since(self.since) > longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(3);

    #[test]
    fn a_worker_that_sleeps_is_well_and_one_that_stays_awake_is_stuck() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let pulse = Arc::new(Pulse::default());
        let mut stride = Stride::new(pulse.clone(), begin);
        let mut watch = Watch::new(begin);
        stride.sleep(at(1));
        assert!(!watch.is_stuck(&pulse, LONGEST, at(100)));
        assert!(!watch.is_stuck(&pulse, LONGEST, at(90_000)), "nothing to do all the time");
        stride.wake(at(90_001));
        assert!(!watch.is_stuck(&pulse, LONGEST, at(90_100)));
        assert!(!watch.is_stuck(&pulse, LONGEST, at(93_000)));
        assert!(watch.is_stuck(&pulse, LONGEST, at(93_200)));
        watch.restart(at(93_300));
        assert!(!watch.is_stuck(&pulse, LONGEST, at(93_400)), "nobody looked for a while");
        stride.sleep(at(94_000));
        assert!(!watch.is_stuck(&pulse, LONGEST, at(94_100)), "it came back");
        // Busy, and moving: another pass each time somebody looks.
        for pass in 0..100 {
            stride.wake(at(95_000 + pass * 1000));
            assert!(!watch.is_stuck(&pulse, LONGEST, at(95_001 + pass * 1000)));
            stride.sleep(at(95_999 + pass * 1000));
        }
    }

    #[test]
    fn load_is_the_share_of_time_awake_and_falls_when_nothing_comes() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let pulse = Arc::new(Pulse::default());
        let mut stride = Stride::new(pulse.clone(), begin);
        let mut watch = Watch::new(begin);
        stride.sleep(begin);
        for ms in 0..=1000 {
            stride.wake(at(ms));
            stride.sleep(at(ms) + Duration::from_micros(300));
        }
        watch.is_stuck(&pulse, LONGEST, at(1001));
        assert!((295..=305).contains(&pulse.load().busy_permille), "{:?}", pulse.load());
        watch.is_stuck(&pulse, LONGEST, at(2002));
        assert_eq!(pulse.load().busy_permille, 0);
    }
}
