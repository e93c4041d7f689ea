//! Counts as fractions and back, in one place: what is lost on the way is a count beyond 2^53.

/// A count for arithmetic with fractions.
#[expect(clippy::cast_precision_loss, reason = "counts here stay far below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// The next whole number; 0 for what is negative or no number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
pub(crate) fn ceil(value: f64) -> u64 {
    value.ceil() as u64
}

/// `part` of `whole`, 0 when there is nothing.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}
