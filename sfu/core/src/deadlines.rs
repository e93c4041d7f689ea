//! Who wants to be called when, the earliest first.
//!
//! Owned by the worker. An ordered set and no timer wheel: a thousand connections move theirs some twenty times a
//! second each, at a tenth of a microsecond (`cargo xtask bench --only deadline`), which is below half a per cent of
//! what a forwarding worker does; and a set fires to the nanosecond, so that a simulation needs no ticks.
#![cfg_attr(not(feature = "bench"), allow(unreachable_pub, reason = "benches measure it alone"))]

use std::collections::BTreeSet;
use std::time::Instant;

/// Deadlines of keys, one each at most. Who sets one says which it had, and so nobody keeps it twice.
#[derive(Debug)]
pub struct Deadlines<K> {
    ordered: BTreeSet<(Instant, K)>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self { ordered: BTreeSet::new() }
    }
}

impl<K: Copy + Ord> Deadlines<K> {
    /// The deadline of `key` was `before` and is `after` from now on.
    pub fn reschedule(&mut self, key: K, before: Option<Instant>, after: Option<Instant>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.ordered.remove(&(before, key));
        }
        self.ordered.extend(after.map(|after| (after, key)));
    }

    /// The earliest, and whose it is.
    #[must_use]
    pub fn first(&self) -> Option<(Instant, K)> {
        self.ordered.first().copied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test's clock starts anywhere")]

    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However deadlines are set, moved and given up: the first is the earliest of those that stand.
        #[test]
        fn the_first_is_the_earliest(steps in prop::collection::vec((0u8..10, prop::option::of(0u64..50)), 1..200)) {
            let start = Instant::now();
            let (mut deadlines, mut model) = (Deadlines::default(), BTreeMap::new());
            for (key, ms) in steps {
                let after = ms.map(|ms| start + Duration::from_millis(ms));
                let before = match after {
                    Some(at) => model.insert(key, at),
                    None => model.remove(&key),
                };
                deadlines.reschedule(key, before, after);
                prop_assert_eq!(deadlines.first(), model.iter().map(|(key, at)| (*at, *key)).min());
            }
        }
    }
}
