//! Instants as microseconds since the machine was made, and rates between the worlds of `f64` and `u64`.

use std::time::{Duration, Instant};

/// Microseconds since an [`Epoch`]; arrival times count from an epoch of the receiver's.
pub(crate) type Micros = i64;

/// One millisecond.
pub(crate) const MILLISECOND: Micros = 1_000;
/// One second.
pub(crate) const SECOND: Micros = 1_000_000;

/// Where this machine's time begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch(pub(crate) Instant);

impl Epoch {
    /// Time before the epoch is the epoch.
    pub(crate) fn micros(self, now: Instant) -> Micros {
        let since = now.saturating_duration_since(self.0);
        let seconds = Micros::try_from(since.as_secs())
            .unwrap_or(Micros::MAX / SECOND / 2)
            .min(Micros::MAX / SECOND / 2);
        seconds * SECOND + Micros::from(since.subsec_micros())
    }

    pub(crate) fn instant(self, micros: Micros) -> Instant {
        let since = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        self.0.checked_add(since).unwrap_or(self.0)
    }
}

/// Seconds in `micros`.
#[expect(clippy::cast_precision_loss, reason = "microseconds of a day need 37 of the 52 bits")]
pub(crate) fn seconds(micros: Micros) -> f64 {
    micros as f64 / 1e6
}

/// Milliseconds in `micros`.
pub(crate) fn milliseconds(micros: Micros) -> f64 {
    seconds(micros) * 1e3
}

/// Bits in so many bytes.
#[expect(clippy::cast_precision_loss, reason = "counts of bytes within seconds")]
pub(crate) fn bits(bytes: u64) -> f64 {
    bytes as f64 * 8.0
}

/// A rate as a number of bits per second; nothing negative, nothing that is no number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and what is not a number is 0")]
pub(crate) fn bps(rate: f64) -> u64 {
    rate as u64
}

/// A rate in `f64`, as it is computed with.
#[expect(clippy::cast_precision_loss, reason = "rates stay far below 2^52")]
pub(crate) fn rate(bps: u64) -> f64 {
    bps as f64
}

/// A span of seconds as microseconds, saturating.
#[expect(clippy::cast_possible_truncation, reason = "saturates")]
pub(crate) fn micros_of(seconds: f64) -> Micros {
    (seconds * 1e6) as Micros
}
