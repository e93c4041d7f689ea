//! Token buckets by name, a bounded number of them. Time comes from outside.
//!
//! A bucket is kept as one instant, the one at which it is full again (the generic cell rate algorithm, as in ITU-T
//! I.371 annex A): a bucket that is full needs no memory, and the fullest is the one whose loss matters least.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// What a bucket fills up in.
const MINUTE: Duration = Duration::from_secs(60);

/// Buckets of one size. Each holds so many tokens, and gets as many in a minute.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    /// Until the next token.
    interval: Duration,
    /// From empty to full. A little less than a minute, where that has no whole number of nanoseconds for each.
    whole: Duration,
    /// Buckets that are not full, at most.
    most: usize,
    full_at: HashMap<K, Instant>,
    /// The same, the fullest first.
    fullest: BTreeSet<(Instant, K)>,
}

impl<K: Clone + Eq + Hash + Ord> Buckets<K> {
    /// Of `per_minute` tokens each, and no more than `most` of them at once.
    pub(crate) fn new(per_minute: NonZeroU32, most: usize) -> Self {
        let interval = MINUTE / per_minute.get();
        let whole = interval * per_minute.get();
        Self { interval, whole, most: most.max(1), full_at: HashMap::new(), fullest: BTreeSet::new() }
    }

    /// How long until the bucket has a token; zero when it has one.
    pub(crate) fn wait(&self, key: &K, now: Instant) -> Duration {
        let full_at = self.full_at.get(key).copied().unwrap_or(now).max(now);
        (full_at + self.interval).saturating_duration_since(now + self.whole)
    }

    /// Takes a token, or says how long there will be none. Who is refused does not wait longer for having asked.
    pub(crate) fn take(&mut self, key: &K, now: Instant) -> Result<(), Duration> {
        match self.wait(key, now) {
            Duration::ZERO => {
                self.put(key, self.full_at.get(key).copied().unwrap_or(now).max(now) + self.interval);
                self.forget(now);
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// Puts a token back that should not have been taken.
    pub(crate) fn give_back(&mut self, key: &K, now: Instant) {
        if let Some(full_at) = self.full_at.get(key).copied() {
            self.put(key, full_at.checked_sub(self.interval).map_or(now, |full_at| full_at.max(now)));
        }
    }

    fn put(&mut self, key: &K, full_at: Instant) {
        if let Some(before) = self.full_at.insert(key.clone(), full_at) {
            self.fullest.remove(&(before, key.clone()));
        }
        self.fullest.insert((full_at, key.clone()));
    }

    /// Drops two that are full by now, so that they are gone faster than they come; and the fullest when there are too
    /// many. Whoever has so many addresses gets past any bound on one, and no bound holds everybody.
    fn forget(&mut self, now: Instant) {
        for _ in 0..2 {
            let is_full = |fullest: &&(Instant, K)| fullest.0 <= now || self.full_at.len() > self.most;
            let Some(fullest) = self.fullest.first().filter(is_full).cloned() else { return };
            self.full_at.remove(&fullest.1);
            self.fullest.remove(&fullest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buckets(per_minute: u32, most: usize) -> Buckets<u16> {
        Buckets::new(NonZeroU32::new(per_minute).expect("not zero"), most)
    }

    #[test]
    fn a_burst_then_a_steady_rate() {
        let now = Instant::now();
        let mut buckets = buckets(60, 10);
        for _ in 0..60 {
            assert_eq!(buckets.take(&1, now), Ok(()));
        }
        assert_eq!(buckets.take(&1, now), Err(Duration::from_secs(1)));
        assert_eq!(buckets.take(&2, now), Ok(()), "another has its own");
        let later = now + Duration::from_secs(1);
        assert_eq!(buckets.take(&1, later), Ok(()));
        assert_eq!(buckets.take(&1, later), Err(Duration::from_secs(1)));
        assert_eq!(buckets.wait(&1, later + Duration::from_millis(400)), Duration::from_millis(600));
    }

    #[test]
    fn full_buckets_are_forgotten_and_the_fullest_makes_room() {
        let now = Instant::now();
        let mut buckets = buckets(60, 3);
        for (key, taken) in [(1, 5), (2, 1), (3, 9)] {
            for _ in 0..taken {
                assert_eq!(buckets.take(&key, now), Ok(()));
            }
        }
        for _ in 0..2 {
            assert_eq!(buckets.take(&4, now), Ok(()));
        }
        let mut kept: Vec<u16> = buckets.full_at.keys().copied().collect();
        kept.sort_unstable();
        // The first token of 4 made it the fullest beside 2, and 2 came first.
        assert_eq!(kept, [1, 3, 4]);
        let later = now + Duration::from_secs(60);
        assert_eq!(buckets.take(&5, later), Ok(()));
        assert_eq!(buckets.take(&5, later), Ok(()));
        assert_eq!(buckets.full_at.len(), 1, "all others were full again");
    }

    proptest! {
        /// Whatever is asked and when: in any stretch of time nobody gets more than a bucket and what drips meanwhile,
        /// whoever is refused gets a token exactly when it was told, and memory is bounded.
        #[test]
        fn nobody_gets_more_than_the_rate_and_refusals_tell_the_truth(
            per_minute in 1_u32..60,
            asks in prop::collection::vec((0_u16..4, 0_u64..500), 1..300),
        ) {
            let mut buckets = buckets(per_minute, 8);
            let mut now = Instant::now();
            let mut granted: Vec<Vec<Instant>> = vec![Vec::new(); 4];
            for (key, later_ms) in asks {
                now += Duration::from_millis(later_ms);
                match buckets.take(&key, now) {
                    Ok(()) => granted[usize::from(key)].push(now),
                    Err(wait) => {
                        prop_assert!(!wait.is_zero());
                        let before = now + wait - Duration::from_nanos(1);
                        prop_assert_eq!(buckets.wait(&key, before), Duration::from_nanos(1));
                        prop_assert_eq!(buckets.wait(&key, now + wait), Duration::ZERO);
                    }
                }
            }
            for times in granted {
                for (first, from) in times.iter().enumerate() {
                    for (last, to) in times.iter().enumerate().skip(first) {
                        let dripped = (*to - *from).as_nanos() / buckets.interval.as_nanos();
                        let most = u128::from(per_minute) + dripped;
                        prop_assert!((last - first + 1) as u128 <= most);
                    }
                }
            }
        }

        #[test]
        fn memory_is_bounded_and_both_views_agree(
            most in 1_usize..20,
            asks in prop::collection::vec((0_u16..200, 0_u64..50), 1..400),
        ) {
            let mut buckets = buckets(10, most);
            let mut now = Instant::now();
            for (key, later_ms) in asks {
                now += Duration::from_millis(later_ms);
                let _ = buckets.take(&key, now);
                prop_assert!(buckets.full_at.len() <= most);
                prop_assert_eq!(buckets.full_at.len(), buckets.fullest.len());
                for (full_at, key) in &buckets.fullest {
                    prop_assert_eq!(buckets.full_at.get(key), Some(full_at));
                }
            }
        }
    }
}
