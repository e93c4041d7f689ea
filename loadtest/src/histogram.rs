//! A histogram of durations: fixed memory, a few nanoseconds for a value, quantiles within 1.6 %.

use std::time::Duration;

/// Steps into which each doubling is cut.
const STEPS: u64 = STEP_COUNT as u64;
const STEP_COUNT: usize = 64;
/// Doublings above the exact part: up to 2^32 microseconds, more than an hour.
const DOUBLINGS: usize = 26;
const BUCKETS: usize = (DOUBLINGS + 1) * STEP_COUNT;

/// Durations, counted by the microsecond up to 64 and in steps of a 64th of a doubling above.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum_us: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0, sum_us: 0, max_us: 0 }
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, max_us, .. } = self;
        f.debug_struct("Histogram")
            .field("count", count)
            .field("max_us", max_us)
            .finish_non_exhaustive()
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, value: Duration) {
        self.record_us(u64::try_from(value.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn record_us(&mut self, us: u64) {
        self.counts[bucket(us)] += 1;
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
        self.max_us = self.max_us.max(us);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn max(&self) -> Option<Duration> {
        (self.count > 0).then(|| Duration::from_micros(self.max_us))
    }

    pub(crate) fn mean(&self) -> Option<Duration> {
        self.sum_us.checked_div(self.count).map(Duration::from_micros)
    }

    /// The value that a share of all does not exceed: the upper end of its bucket, never more than the maximum.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let mut left = crate::number::ceil(share.clamp(0.0, 1.0) * crate::number::float(self.count)).max(1);
        for (index, count) in self.counts.iter().enumerate() {
            if *count >= left {
                return Some(Duration::from_micros(upper(index).min(self.max_us)));
            }
            left -= count;
        }
        None
    }
}

fn bucket(us: u64) -> usize {
    let doubling = (us / STEPS).checked_ilog2().map_or(0, |log| log + 1);
    let step = if doubling == 0 { us } else { us >> (doubling - 1) };
    // In a doubling the highest bit of `step` is always set: it says nothing, and the doubling takes its place.
    let index = u64::from(doubling) * STEPS + (step & (STEPS - 1));
    usize::try_from(index).map_or(BUCKETS - 1, |index| index.min(BUCKETS - 1))
}

fn upper(index: usize) -> u64 {
    let (doubling, step) = (index as u64 / STEPS, index as u64 % STEPS);
    if doubling == 0 { step } else { ((STEPS + step + 1) << (doubling - 1)) - 1 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_of_an_even_spread() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.quantile(0.5), histogram.max(), histogram.mean()), (None, None, None));
        for us in 1..=10_000 {
            histogram.record_us(us);
        }
        for (share, exact) in [(0.5, 5_000.0), (0.9, 9_000.0), (0.99, 9_900.0), (1.0, 10_000.0)] {
            let found = histogram.quantile(share).unwrap().as_secs_f64() * 1e6;
            assert!((found / exact - 1.0).abs() < 0.016, "{share}: {found}");
        }
        assert_eq!(histogram.max(), Some(Duration::from_micros(10_000)));
    }

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(us in 0_u64..1 << 32) {
            let index = bucket(us);
            prop_assert!(us <= upper(index));
            prop_assert!(index == 0 || us > upper(index - 1));
            prop_assert!(upper(index) as f64 <= us as f64 * 1.016 + 1.0);
        }

        #[test]
        fn merged_is_as_recorded_in_one(a: Vec<u32>, b: Vec<u32>) {
            let of = |values: &mut dyn Iterator<Item = &u32>| {
                let mut histogram = Histogram::default();
                values.for_each(|us| histogram.record_us(u64::from(*us)));
                histogram
            };
            let mut merged = of(&mut a.iter());
            merged.merge(&of(&mut b.iter()));
            let whole = of(&mut a.iter().chain(&b));
            prop_assert_eq!(merged.counts, whole.counts);
            prop_assert_eq!((merged.count, merged.sum_us, merged.max_us), (whole.count, whole.sum_us, whole.max_us));
        }
    }

    #[test]
    fn the_unthinkable_is_counted_in_the_last_bucket() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        assert_eq!(histogram.count(), 1);
        assert_eq!(histogram.quantile(0.5), Some(Duration::from_micros(upper(BUCKETS - 1))));
    }
}
