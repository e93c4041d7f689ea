//! How long to wait before something is tried again: twice as long each time, by chance anything up to that. Without
//! chance, all that an outage stopped would come back at the same moment.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Where randomness comes from: 64 evenly distributed bits a call.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How often, and how far apart, something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Most that is waited after the first failure.
    pub first: Duration,
    /// Most that is ever waited.
    pub longest: Duration,
    /// How often one request is tried; `None`: until it works.
    pub attempts: Option<NonZeroU32>,
}

impl Default for Patience {
    /// For somebody who waits for the answer: four tries within a few seconds.
    fn default() -> Self {
        Self { first: Duration::from_millis(250), longest: Duration::from_secs(5), attempts: NonZeroU32::new(4) }
    }
}

impl Patience {
    /// For what is owed: however long it takes. A bucket that is back has it within half a minute.
    pub const ENDLESS: Self =
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(30), attempts: None };

    /// For who waits in another way.
    pub const ONCE: Self = Self { first: Duration::ZERO, longest: Duration::ZERO, attempts: Some(NonZeroU32::MIN) };

    /// How long to wait after so many failures in a row (full jitter). `random`: 64 evenly distributed bits.
    #[must_use]
    pub fn delay(&self, failures: u32, random: u64) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let most = doubled.min(self.longest);
        let share = most.as_nanos().saturating_mul(u128::from(random)) >> 64;
        // At most `most`, which is a Duration.
        Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX)).min(most)
    }

    pub(crate) fn is_spent(&self, failures: u32) -> bool {
        self.attempts.is_some_and(|attempts| failures >= attempts.get())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let patience = Patience { first: Duration::from_millis(500), longest: Duration::from_secs(30), attempts: None };
        let most = |failures| patience.delay(failures, u64::MAX).as_millis() + 1;
        assert_eq!([1, 2, 3, 6].map(most), [500, 1000, 2000, 16_000]);
        assert_eq!([7, 8, 32, 33, 64, u32::MAX].map(most), [30_000; 6]);
        assert_eq!(patience.delay(9, 0), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_longest(failures: u32, random: u64, first in 0_u64..1 << 40, longest in 0_u64..1 << 40) {
            let patience = Patience {
                first: Duration::from_nanos(first),
                longest: Duration::from_nanos(longest),
                attempts: None,
            };
            prop_assert!(patience.delay(failures, random) <= patience.longest);
        }
    }
}
