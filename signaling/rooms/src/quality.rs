//! How good a participant's connection is, in the words clients show.

use livekit_protocol::ConnectionQuality;

use crate::QualityReport;

/// Time a receiver's jitter buffer adds on top of half a round trip, in milliseconds.
const BUFFER_MS: f32 = 20.0;

/// Rates a report: the word, and a mean opinion score from 1 to 4.5.
///
/// The score is ITU-T G.107's E-model with its default of 93.2, less what delay takes (one point each 40 ms,
/// four times that beyond 160 ms) and 2.5 points for each per cent of loss. The bounds of the words are
/// LiveKit's (`pkg/rtc/types`, MOS above 4.1 excellent, above 3.1 good).
pub(crate) fn rate(report: &QualityReport) -> (ConnectionQuality, f32) {
    if report.silent {
        return (ConnectionQuality::Lost, 0.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "a round trip of 2^24 ms is not a connection")]
    let delay_ms = report.rtt_ms.unwrap_or(0).min(10_000) as f32 / 2.0 + BUFFER_MS;
    let from_delay = if delay_ms < 160.0 { delay_ms / 40.0 } else { (delay_ms - 120.0) / 10.0 };
    let loss = report.upstream_loss.max(report.downstream_loss).clamp(0.0, 1.0);
    let rating = (93.2 - from_delay - 250.0 * loss).clamp(0.0, 100.0);
    let score = 1.0 + 0.035 * rating + 7e-6 * rating * (rating - 60.0) * (100.0 - rating);
    let quality = match score {
        score if score > 4.1 => ConnectionQuality::Excellent,
        score if score > 3.1 => ConnectionQuality::Good,
        _ => ConnectionQuality::Poor,
    };
    (quality, score)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(loss: f32, rtt_ms: u32) -> QualityReport {
        QualityReport {
            participant: "PA_ada".into(),
            upstream_loss: 0.0,
            downstream_loss: loss,
            rtt_ms: Some(rtt_ms),
            silent: false,
        }
    }

    #[test]
    fn words_follow_loss_and_delay() {
        assert_eq!(rate(&report(0.0, 50)).0, ConnectionQuality::Excellent);
        assert_eq!(rate(&report(0.01, 100)).0, ConnectionQuality::Excellent);
        assert_eq!(rate(&report(0.06, 100)).0, ConnectionQuality::Good);
        assert_eq!(rate(&report(0.2, 100)).0, ConnectionQuality::Poor);
        assert_eq!(rate(&report(0.0, 1500)).0, ConnectionQuality::Poor);
        assert_eq!(rate(&QualityReport { silent: true, ..report(0.0, 50) }).0, ConnectionQuality::Lost);
    }
}
