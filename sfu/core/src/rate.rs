//! How much came as of late: bits per second and frames per second over a sliding second.
//!
//! Owned by whatever is measured (a layer of a track, a subscription, a transport). Knows neither packets nor
//! streams, only amounts and when they came. Fixed in size; nothing here allocates.

use std::time::{Duration, Instant};

const BUCKETS: usize = 10;
/// Buckets of a second's window, in milliseconds,
const SECOND: u64 = 100;
/// and of a window of three: a key frame is then one part of what a layer takes, and not most of it.
const THREE_SECONDS: u64 = 300;
/// What just began is measured over the time since, but no less: one packet says nothing about a rate.
const MIN_SPAN: Duration = Duration::from_millis(200);
/// After so long without anything a stream begins anew. Longer than the pause between two frames of a still
/// screen, which would otherwise look like a new and much faster stream each time.
const SILENCE: Duration = Duration::from_secs(2);

/// Bits per second over the last second.
#[derive(Debug, Clone, Default)]
pub(crate) struct RateMeter {
    bytes: SlidingSum<SECOND>,
}

impl RateMeter {
    /// Reads something of every part that [`Self::add`] needs.
    pub(crate) fn touch(&self) -> impl Copy + use<> {
        self.bytes.touch()
    }

    /// So many bytes came.
    pub(crate) fn add(&mut self, bytes: usize, now: Instant) {
        self.bytes.add(u64::try_from(bytes).unwrap_or(u64::MAX), now);
    }

    /// Bits per second; 0 once nothing came for a second.
    pub(crate) fn bps(&self, now: Instant) -> u64 {
        self.bytes.bits_per_second(now)
    }
}

/// Frames per second over the last second.
#[derive(Debug, Clone, Default)]
pub(crate) struct FrameRateMeter {
    frames: SlidingSum<SECOND>,
}

impl FrameRateMeter {
    /// Reads something of every part that [`Self::add`] needs.
    pub(crate) fn touch(&self) -> impl Copy + use<> {
        self.frames.touch()
    }

    /// A frame came: the caller counts each once, at its first packet or its last.
    pub(crate) fn add(&mut self, now: Instant) {
        self.frames.add(1, now);
    }

    /// Frames per second; 0 once nothing came for a second.
    pub(crate) fn fps(&self, now: Instant) -> f32 {
        let (frames, span) = self.frames.recent(now);
        // A window holds a few hundred frames: exact in an f32.
        frames as f32 / span.as_secs_f32()
    }
}

/// Bits per second over the last three seconds: for what is decided on, where a moment's peak must not count.
#[derive(Debug, Clone, Default)]
pub(crate) struct SteadyRateMeter {
    bytes: SlidingSum<THREE_SECONDS>,
}

impl SteadyRateMeter {
    /// So many bytes came.
    pub(crate) fn add(&mut self, bytes: usize, now: Instant) {
        self.bytes.add(u64::try_from(bytes).unwrap_or(u64::MAX), now);
    }

    /// Bits per second; 0 once nothing came for three seconds.
    pub(crate) fn bps(&self, now: Instant) -> u64 {
        self.bytes.bits_per_second(now)
    }
}

/// Amounts of late in a ring of buckets, of so many milliseconds each.
#[derive(Debug, Clone, Default)]
struct SlidingSum<const BUCKET_MS: u64> {
    buckets: [u64; BUCKETS],
    /// Buckets are numbered from here. `None` before anything came.
    origin: Option<Instant>,
    /// Number of the newest bucket.
    newest: u64,
    /// When the last amount came.
    last: Option<Instant>,
}

impl<const BUCKET_MS: u64> SlidingSum<BUCKET_MS> {
    fn touch(&self) -> impl Copy + use<BUCKET_MS> {
        (self.newest, self.last, self.buckets[Self::slot(self.newest)])
    }

    fn add(&mut self, amount: u64, now: Instant) {
        if self.last.is_none_or(|last| now.saturating_duration_since(last) >= SILENCE) {
            *self = Self { origin: Some(now), ..Self::default() };
        }
        // A clock that steps back counts as standing still.
        let number = self.number(now).max(self.newest);
        for stale in (self.newest + 1..=number).take(BUCKETS) {
            self.buckets[Self::slot(stale)] = 0;
        }
        self.newest = number;
        let bucket = &mut self.buckets[Self::slot(number)];
        *bucket = bucket.saturating_add(amount);
        self.last = self.last.max(Some(now));
    }

    /// Amounts taken for bytes.
    fn bits_per_second(&self, now: Instant) -> u64 {
        let (bytes, span) = self.recent(now);
        let bits_ms = u128::from(bytes) * 8 * 1000;
        u64::try_from(bits_ms / span.as_millis().max(1)).unwrap_or(u64::MAX)
    }

    /// What came in the window, and how long the window is.
    fn recent(&self, now: Instant) -> (u64, Duration) {
        let Some(origin) = self.origin else { return (0, MIN_SPAN) };
        let number = self.number(now).max(self.newest);
        // The window is the bucket of `now`, as far as it has come, and the nine before it.
        let oldest = (number + 1).saturating_sub(BUCKETS as u64);
        let sum =
            (oldest..=self.newest).fold(0_u64, |sum, bucket| sum.saturating_add(self.buckets[Self::slot(bucket)]));
        let before = Duration::from_millis(BUCKET_MS) * u32::try_from(oldest).unwrap_or(u32::MAX);
        let span = now.saturating_duration_since(origin).saturating_sub(before);
        (sum, span.max(MIN_SPAN))
    }

    fn number(&self, now: Instant) -> u64 {
        let age = self.origin.map_or(Duration::ZERO, |origin| now.saturating_duration_since(origin));
        let millis = age.as_secs().saturating_mul(1000).saturating_add(u64::from(age.subsec_millis()));
        // As many as the span's multiplication can take: 13 years.
        (millis / BUCKET_MS).min(u64::from(u32::MAX))
    }

    fn slot(number: u64) -> usize {
        usize::try_from(number % BUCKETS as u64).expect("a remainder of ten")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test's clock starts anywhere")]

    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// 125 bytes each millisecond: one megabit per second.
    fn megabit(meter: &mut RateMeter, start: Instant, from_ms: u64, to_ms: u64) {
        for at in from_ms..to_ms {
            meter.add(125, start + ms(at));
        }
    }

    #[test]
    fn a_steady_stream_reads_as_what_it_is() {
        let start = Instant::now();
        let mut meter = RateMeter::default();
        megabit(&mut meter, start, 0, 10_000);
        for at in [9_999, 10_000, 10_050] {
            let bps = meter.bps(start + ms(at));
            assert!((940_000..=1_060_000).contains(&bps), "{bps} at {at}");
        }
    }

    #[test]
    fn a_stream_that_just_began_is_not_underestimated() {
        let start = Instant::now();
        let mut meter = RateMeter::default();
        megabit(&mut meter, start, 0, 300);
        let bps = meter.bps(start + ms(300));
        assert!((990_000..=1_010_000).contains(&bps), "{bps}");
        let mut one_packet = RateMeter::default();
        one_packet.add(1_000, start);
        assert_eq!(one_packet.bps(start), 40_000, "over 200 ms, no less");
    }

    #[test]
    fn a_silent_stream_reads_zero_and_begins_anew() {
        let start = Instant::now();
        let mut meter = RateMeter::default();
        assert_eq!(meter.bps(start), 0);
        megabit(&mut meter, start, 0, 5_000);
        assert_eq!(meter.bps(start + ms(7_000)), 0);
        megabit(&mut meter, start, 60_000, 60_300);
        let bps = meter.bps(start + ms(60_300));
        assert!((990_000..=1_010_000).contains(&bps), "{bps}");
    }

    #[test]
    fn half_the_rate_is_seen_within_a_second() {
        let start = Instant::now();
        let mut meter = RateMeter::default();
        megabit(&mut meter, start, 0, 3_000);
        for at in 3_000..4_000 {
            meter.add(62, start + ms(at));
        }
        let bps = meter.bps(start + ms(4_000));
        assert!((480_000..=520_000).contains(&bps), "{bps}");
    }

    #[test]
    fn a_still_screen_at_a_frame_a_second_is_not_a_new_stream_each_time() {
        let start = Instant::now();
        let mut meter = RateMeter::default();
        for second in 0..10 {
            meter.add(10_000, start + Duration::from_secs(second));
        }
        let bps = meter.bps(start + Duration::from_secs(9));
        assert!(bps <= 100_000, "{bps}");
    }

    #[test]
    fn frames_are_counted_per_second() {
        let start = Instant::now();
        let mut meter = FrameRateMeter::default();
        for frame in 0..90 {
            meter.add(start + ms(frame * 100 / 3));
        }
        let fps = meter.fps(start + ms(3_000));
        assert!((28.0..=32.0).contains(&fps), "{fps}");
        assert_eq!(meter.fps(start + ms(5_000)), 0.0);
    }

    proptest! {
        /// Whatever comes whenever, even from a clock that steps back: no panic, and never more than all that
        /// came over the shortest span.
        #[test]
        fn a_meter_never_reads_more_than_came(
            packets in prop::collection::vec((0..5_000_u64, 0..100_000_usize), 1..200),
            read_at in 0..10_000_u64,
        ) {
            let start = Instant::now();
            let mut meter = RateMeter::default();
            let mut total = 0;
            for (at, bytes) in packets {
                meter.add(bytes, start + ms(at));
                total += bytes as u64;
                prop_assert!(meter.bps(start + ms(read_at)) <= total * 40);
            }
        }

        /// A constant rate is read within ten per cent at any time after the first half second.
        #[test]
        fn any_constant_rate_is_read_right(bytes in 10..2_000_usize, gap_ms in 1..20_u64, read_ms in 500..5_000_u64) {
            let start = Instant::now();
            let mut meter = RateMeter::default();
            for packet in 0..=read_ms / gap_ms {
                meter.add(bytes, start + ms(packet * gap_ms));
            }
            let expected = bytes as u64 * 8 * 1000 / gap_ms;
            let read = meter.bps(start + ms(read_ms));
            prop_assert!(read.abs_diff(expected) * 10 <= expected, "{} for {}", read, expected);
        }
    }
}
