//! How good a participant's connection is, in the words clients show.
//!
//! # How a connection is rated
//!
//! 1. *The network.* ITU-T G.107's E-model with its default of 93.2 points, less what delay takes (one point each
//!    40 ms, four times that beyond 160 ms) and 2.5 points for each per cent of loss, the worse direction
//!    counting. Delay is half a round trip, twice the jitter (a receiver's buffer grows with it) and 20 ms.
//! 2. *What is delivered.* 93.2 points less 20 for each factor of e between what it asked for and what it gets:
//!    60 % of it costs nothing that shows, 30 % is a step, 19 % is two. A participant whose network is perfect
//!    because nearly everything was taken away from it is not well served. A share counts once it was low in two
//!    reports in a row: layers that were just asked for need a moment to come. Below [`WANTED_MIN_BPS`]
//!    the share says nothing: silence is sent at a tenth of the rate of speech.
//! 3. *The worse of the two counts.*
//! 4. *Slowly up, quickly down.* A report moves the rating 70 % of the way when it is worse and 40 % when it is
//!    better, and never below 20 points, so that a short disaster does not last (LiveKit's factors).
//! 5. *The word* is excellent above 82 points, good above 60 (a mean opinion score of 4.1 and 3.1, LiveKit's old
//!    bounds). A better word needs two points more, so that a rating on the bound does not flap.
//! 6. *Lost* is told at once when nothing at all came for an interval, and forgotten at once when something does:
//!    the next report begins anew.

use livekit_protocol::ConnectionQuality;

use crate::QualityReport;

/// What the E-model gives a connection without fault.
const FLAWLESS: f32 = 93.2;
/// A rating goes no lower.
const WORST: f32 = 20.0;
/// Time a receiver's jitter buffer adds in any case, in milliseconds.
const BUFFER_MS: f32 = 20.0;
/// Points for each per cent of loss.
const POINTS_PER_PERCENT: f32 = 2.5;
/// Points for each factor of e between wanted and delivered.
const POINTS_PER_SHARE: f32 = 20.0;
/// Whoever asks for less than this listens, mostly.
const WANTED_MIN_BPS: u64 = 100_000;
/// A step towards a worse rating.
const DOWN: f32 = 0.7;
/// A step towards a better one.
const UP: f32 = 0.4;
/// Above this a connection is excellent.
const EXCELLENT: f32 = 82.0;
/// Above this it is good.
const GOOD: f32 = 60.0;
/// What it takes beyond the bound to get the better word back.
const MARGIN: f32 = 2.0;

/// A participant's rating, from report to report.
#[derive(Debug, Clone)]
pub(crate) struct Rating {
    /// Points of the E-model, smoothed.
    points: f32,
    /// Share delivered of what was wanted, in the last report.
    share: f32,
    /// The word clients are told.
    pub(crate) quality: ConnectionQuality,
    /// What it was rated by last.
    pub(crate) report: QualityReport,
}

impl Rating {
    /// Rates the first report of a participant.
    pub(crate) fn new(report: QualityReport) -> Self {
        let points = network_points(&report);
        let quality = if report.silent { ConnectionQuality::Lost } else { word(points) };
        Self { points, share: share(&report), quality, report }
    }

    /// Takes the next report. True when there is another word now.
    pub(crate) fn update(&mut self, report: QualityReport) -> bool {
        let before = self.quality;
        if report.silent {
            self.quality = ConnectionQuality::Lost;
            self.report = report;
        } else if before == ConnectionQuality::Lost {
            *self = Self::new(report);
        } else {
            let share_now = share(&report);
            let delivery = FLAWLESS + POINTS_PER_SHARE * share_now.max(self.share).ln();
            let rated = network_points(&report).min(delivery).max(WORST);
            self.points += (rated - self.points) * if rated < self.points { DOWN } else { UP };
            self.share = share_now;
            self.report = report;
            self.quality = match (word(self.points), word(self.points - MARGIN)) {
                (now, _) if rank(now) <= rank(before) => now,
                // Above the bound, perhaps not by enough; from poor it may still be enough for good.
                (_, surely) if rank(surely) > rank(before) => surely,
                _ => before,
            };
        }
        self.quality != before
    }

    /// Mean opinion score, 1 to 4.5; 0 when the connection is lost.
    pub(crate) fn score(&self) -> f32 {
        if self.quality == ConnectionQuality::Lost {
            return 0.0;
        }
        let r = self.points;
        1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)
    }
}

fn word(points: f32) -> ConnectionQuality {
    match points {
        points if points > EXCELLENT => ConnectionQuality::Excellent,
        points if points > GOOD => ConnectionQuality::Good,
        _ => ConnectionQuality::Poor,
    }
}

/// The better, the higher. (The protocol numbers `LOST` last.)
fn rank(quality: ConnectionQuality) -> u8 {
    match quality {
        ConnectionQuality::Lost => 0,
        ConnectionQuality::Poor => 1,
        ConnectionQuality::Good => 2,
        ConnectionQuality::Excellent => 3,
    }
}

#[expect(clippy::cast_precision_loss, reason = "both are bounded far below 2^24 ms")]
fn network_points(report: &QualityReport) -> f32 {
    let ms = |value: Option<u32>| value.unwrap_or(0).min(10_000) as f32;
    let delay_ms = ms(report.rtt_ms) / 2.0 + 2.0 * ms(report.jitter_ms) + BUFFER_MS;
    let from_delay = if delay_ms < 160.0 { delay_ms / 40.0 } else { (delay_ms - 120.0) / 10.0 };
    let loss_percent = 100.0 * report.upstream_loss.max(report.downstream_loss).clamp(0.0, 1.0);
    (FLAWLESS - from_delay - POINTS_PER_PERCENT * loss_percent).max(WORST)
}

/// Share delivered of what was wanted, 0.001 to 1.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more than seven digits")]
fn share(report: &QualityReport) -> f32 {
    if report.wanted_bps < WANTED_MIN_BPS {
        return 1.0;
    }
    (report.delivered_bps as f32 / report.wanted_bps as f32).clamp(0.001, 1.0)
}

#[cfg(test)]
mod tests {
    use ConnectionQuality::{Excellent, Good, Lost, Poor};

    use super::*;

    /// Loss, round trip and jitter in milliseconds, kbit/s delivered and wanted.
    type Row = (f32, u32, u32, u64, u64);

    const FINE: Row = (0.0, 40, 5, 2000, 2000);

    fn report((loss, rtt_ms, jitter_ms, delivered, wanted): Row) -> QualityReport {
        QualityReport {
            participant: "PA_ada".into(),
            upstream_loss: 0.0,
            downstream_loss: loss,
            rtt_ms: Some(rtt_ms),
            jitter_ms: Some(jitter_ms),
            delivered_bps: delivered * 1000,
            wanted_bps: wanted * 1000,
            silent: false,
        }
    }

    /// The words of a story, report by report.
    fn words(rows: &[Row]) -> Vec<ConnectionQuality> {
        let mut rating = Rating::new(report(rows[0]));
        let mut words = vec![rating.quality];
        for row in &rows[1..] {
            rating.update(report(*row));
            words.push(rating.quality);
        }
        words
    }

    #[test]
    fn a_connection_that_stays_as_it_is_gets_the_word_it_deserves() {
        for (row, word) in [
            (FINE, Excellent),
            ((0.01, 100, 10, 2000, 2000), Excellent),
            ((0.0, 280, 10, 2000, 2000), Excellent),
            ((0.06, 100, 10, 2000, 2000), Good),
            ((0.0, 500, 20, 2000, 2000), Good),
            ((0.0, 40, 150, 2000, 2000), Good),
            ((0.2, 100, 10, 2000, 2000), Poor),
            ((0.0, 1500, 10, 2000, 2000), Poor),
            ((0.0, 40, 5, 1300, 2000), Excellent),
            ((0.0, 40, 5, 600, 2000), Good),
            ((0.0, 40, 5, 200, 2000), Poor),
            ((0.0, 40, 5, 0, 2000), Poor),
            ((0.0, 40, 5, 4, 40), Excellent),
            ((0.0, 40, 5, 0, 0), Excellent),
            ((1.0, 10_000, 10_000, 0, 2000), Poor),
        ] {
            assert_eq!(words(&[row; 8]).last(), Some(&word), "{row:?}");
        }
    }

    #[test]
    fn bad_news_comes_at_once_and_good_news_when_it_holds() {
        let lossy = (0.2, 40, 5, 2000, 2000);
        assert_eq!(words(&[FINE, FINE, lossy]), [Excellent, Excellent, Poor]);
        let back = words(&[lossy, FINE, FINE, FINE, FINE, FINE]);
        assert_eq!(back, [Poor, Poor, Good, Good, Excellent, Excellent]);
        let worst = (1.0, 10_000, 10_000, 0, 2000);
        assert!(words(&[worst, worst, worst, FINE, FINE, FINE, FINE, FINE, FINE]).ends_with(&[Excellent]));
    }

    #[test]
    fn one_low_share_is_a_beginning_and_two_are_a_state() {
        let starved = (0.0, 40, 5, 200, 2000);
        assert_eq!(words(&[starved, FINE, FINE]), [Excellent; 3], "somebody who just came");
        assert_eq!(words(&[FINE, starved, FINE]), [Excellent; 3], "a layer that was just asked for");
        assert_eq!(words(&[FINE, starved, starved, starved])[2..], [Good, Poor]);
    }

    #[test]
    fn a_rating_on_the_bound_does_not_flap() {
        // 4.0 % and 3.7 % of loss lie 0.75 points apart, around the bound of 82.
        let (under, over) = ((0.040, 40, 5, 2000, 2000), (0.037, 40, 5, 2000, 2000));
        assert!(network_points(&report(under)) < EXCELLENT && network_points(&report(over)) > EXCELLENT);
        let story: Vec<Row> = [under, over].repeat(20);
        assert_eq!(words(&story), [Good; 40]);
        let story: Vec<Row> = [over, under].repeat(20);
        let changes = words(&story).windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes <= 1, "{changes} changes");
    }

    #[test]
    fn lost_is_told_at_once_and_over_at_once() {
        let silent = QualityReport { silent: true, ..report(FINE) };
        let mut rating = Rating::new(report(FINE));
        assert!(rating.update(silent.clone()));
        assert_eq!((rating.quality, rating.score()), (Lost, 0.0));
        assert!(!rating.update(silent.clone()), "no news");
        assert!(rating.update(report(FINE)));
        assert_eq!(rating.quality, Excellent);
        assert_eq!(Rating::new(silent).quality, Lost);
    }

    #[test]
    fn scores_stay_between_one_and_four_and_a_half() {
        for row in [FINE, (1.0, u32::MAX, u32::MAX, 0, u64::MAX / 1000), (f32::NAN, 0, 0, u64::MAX / 1000, 100)] {
            let mut rating = Rating::new(report(row));
            for _ in 0..4 {
                rating.update(report(row));
                assert!((1.0..=4.5).contains(&rating.score()), "{row:?}: {}", rating.score());
            }
        }
    }
}
