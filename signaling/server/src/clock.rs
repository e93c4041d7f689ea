//! The system's wall clock, read in one place. Deadlines do not count on it: they have `Instant`.

use std::time::{SystemTime, UNIX_EPOCH};

use sluice_store::UnixMillis;

/// The time, for people, logs and the store.
pub(crate) fn moment() -> UnixMillis {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}
