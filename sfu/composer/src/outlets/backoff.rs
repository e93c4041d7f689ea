//! How long to wait before the next attempt.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// At most.
const LONGEST: Duration = Duration::from_secs(30);
/// So many failures in a row are the last: some four minutes.
const MOST: u32 = 12;

/// Failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// An attempt failed; one that had worked until then begins a new row. How long to wait, or nothing when it is to be
    /// given up.
    pub(crate) fn handle_failure(&mut self, had_worked: bool) -> Option<Duration> {
        self.failures = if had_worked { 1 } else { self.failures + 1 };
        (self.failures < MOST).then(|| (FIRST * 2_u32.saturating_pow(self.failures - 1)).min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_end() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = std::iter::from_fn(|| backoff.handle_failure(false)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30]);
        assert_eq!(backoff.handle_failure(true), Some(FIRST), "it worked meanwhile");
    }
}
