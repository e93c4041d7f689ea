//! How everybody fared, sample by sample, on the way into the store.
//!
//! Samples are statistics: where there is no place for one it is counted and dropped, and no room waits. Those of many
//! rooms are written together once a second, since every commit is a wait for the disk.

use std::time::Duration;

use livekit_protocol::ConnectionQuality;
use prometheus::IntCounter;
use sluice_store::{Quality, QualitySample, SessionId, Store, StoreError, UnixMillis};
use tokio::sync::{mpsc, watch};

use crate::room::Fared;

/// Rooms whose samples may wait. Each brings some every ten seconds, so that this is ten thousand rooms' worth of four
/// seconds.
const QUEUE: usize = 4096;
/// Rooms whose samples are written in one transaction: nobody else waits long for it.
const AT_ONCE: usize = 128;
/// Samples are gathered so long.
const EVERY: Duration = Duration::from_secs(1);
/// A mean opinion score below which calls cannot be recommended (ITU-T G.107: 50 points).
const POOR_BELOW: f32 = 2.6;

/// How everybody in a room fares at one moment.
pub(crate) struct Samples {
    pub(crate) session: SessionId,
    pub(crate) samples: Vec<QualitySample>,
}

/// One of them.
pub(crate) fn sample(fared: &Fared, at: UnixMillis) -> QualitySample {
    let Fared { rated, picture } = fared;
    let report = &rated.report;
    let size = picture.and_then(|picture| picture.size);
    QualitySample {
        participant: rated.participant.as_str().into(),
        at,
        bitrate_bps: report.delivered_bps,
        frame_rate: picture.map_or(0.0, |picture| finite(picture.fps)),
        resolution: size.map(|(width, height)| format!("{width}x{height}")).unwrap_or_default(),
        packet_loss_percent: 100.0 * finite(report.upstream_loss.max(report.downstream_loss)),
        latency_ms: report.rtt_ms.unwrap_or(0).into(),
        jitter_ms: report.jitter_ms.unwrap_or(0).into(),
        quality: word(rated.quality, rated.score),
    }
}

/// LiveKit's word below good is poor, and lost below that; here fair and poor are.
fn word(quality: ConnectionQuality, score: f32) -> Quality {
    match quality {
        ConnectionQuality::Excellent => Quality::Excellent,
        ConnectionQuality::Good => Quality::Good,
        ConnectionQuality::Poor if score >= POOR_BELOW => Quality::Fair,
        ConnectionQuality::Poor | ConnectionQuality::Lost => Quality::Poor,
    }
}

/// A number that a peer reported.
fn finite(number: f32) -> f64 {
    if number.is_finite() { number.into() } else { 0.0 }
}

/// The way to the sampler.
pub(crate) struct Sampling {
    queue: mpsc::Sender<Samples>,
    lost: IntCounter,
}

impl Sampling {
    /// Never waits.
    pub(crate) fn note(&self, samples: Samples) {
        let count = samples.samples.len() as u64;
        if count > 0 && self.queue.try_send(samples).is_err() {
            self.lost.inc_by(count);
        }
    }
}

/// The task that writes samples.
pub(crate) struct Sampler {
    store: Store,
    queue: mpsc::Receiver<Samples>,
    lost: IntCounter,
}

impl Sampler {
    pub(crate) fn new(store: Store, lost: IntCounter) -> (Sampling, Self) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        (Sampling { queue, lost: lost.clone() }, Self { store, queue: waiting, lost })
    }

    /// Until it is told to stop; then it writes what is there.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut is_stopping = false;
        let mut waiting = Vec::with_capacity(AT_ONCE);
        while !is_stopping {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => is_stopping = true,
            }
            while let Ok(samples) = self.queue.try_recv() {
                waiting.push(samples);
                if waiting.len() == AT_ONCE {
                    self.write(&mut waiting).await;
                }
            }
            self.write(&mut waiting).await;
        }
    }

    /// One session that is not there does not take the others along.
    async fn write(&self, waiting: &mut Vec<Samples>) {
        if waiting.is_empty() {
            return;
        }
        match self.attempt(waiting).await {
            Ok(()) => return waiting.clear(),
            Err(StoreError::Missing { .. } | StoreError::Conflict { .. } | StoreError::Nul) => {}
            // Storage is away, and one by one they would wait for it as long as all together.
            Err(error) => {
                let lost = waiting.drain(..).map(|samples| samples.samples.len() as u64).sum();
                self.lost.inc_by(lost);
                tracing::warn!(%error, lost, "cannot keep samples of quality");
                return;
            }
        }
        for samples in waiting.drain(..) {
            if let Err(error) = self.attempt(std::slice::from_ref(&samples)).await {
                self.lost.inc_by(samples.samples.len() as u64);
                tracing::warn!(%error, session = %samples.session, "cannot keep samples of quality");
            }
        }
    }

    async fn attempt(&self, waiting: &[Samples]) -> Result<(), StoreError> {
        let mut transaction = self.store.begin().await?;
        for Samples { session, samples } in waiting {
            transaction.keep_quality(session, samples).await?;
        }
        transaction.commit().await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use sluice_rooms::{ParticipantQuality, QualityReport};
    use sluice_store::StoreOptions;

    use super::*;
    use crate::room::Picture;

    fn fared(quality: ConnectionQuality, score: f32) -> Fared {
        let report = QualityReport {
            participant: "PA_ann".into(),
            upstream_loss: 0.25,
            downstream_loss: 0.5,
            rtt_ms: Some(40),
            jitter_ms: None,
            delivered_bps: 1_000,
            wanted_bps: 2_000,
            silent: false,
        };
        let rated = ParticipantQuality { participant: "PA_ann".into(), identity: "ann".into(), quality, score, report };
        Fared { rated, picture: Some(Picture { size: Some((640, 360)), fps: f32::NAN }) }
    }

    #[test]
    fn a_sample_has_the_metrics_units() {
        let sample = sample(&fared(ConnectionQuality::Poor, 2.9), UnixMillis(7));
        assert_eq!((sample.packet_loss_percent, sample.latency_ms, sample.jitter_ms), (50.0, 40.0, 0.0));
        assert_eq!((sample.resolution.as_str(), sample.frame_rate), ("640x360", 0.0), "what is no number is none");
        assert_eq!(sample.quality, Quality::Fair);
        for (quality, score, word) in [
            (ConnectionQuality::Excellent, 4.4, Quality::Excellent),
            (ConnectionQuality::Good, 3.5, Quality::Good),
            (ConnectionQuality::Poor, 2.0, Quality::Poor),
            (ConnectionQuality::Lost, 0.0, Quality::Poor),
        ] {
            assert_eq!(super::word(quality, score), word);
        }
    }

    #[tokio::test]
    async fn a_session_nobody_knows_costs_only_its_own_samples() {
        let home = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", home.path().join("sluice.db").display());
        let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
        let mut transaction = store.begin().await.unwrap();
        transaction.begin_session(&"RM_1".into(), &"math".into(), UnixMillis(1)).await.unwrap();
        transaction.commit().await.unwrap();
        let lost = IntCounter::new("lost", "lost").unwrap();
        let (sampling, sampler) = Sampler::new(store.clone(), lost.clone());
        for session in ["RM_1", "RM_9"] {
            let samples = vec![sample(&fared(ConnectionQuality::Good, 3.5), UnixMillis(5))];
            sampling.note(Samples { session: session.into(), samples });
        }
        let (_stop, stopped) = watch::channel(true);
        sampler.run(stopped).await;
        assert_eq!(store.quality_from(&"RM_1".into(), "", UnixMillis(0), "", 9).await.unwrap().len(), 1);
        assert_eq!(lost.get(), 1);
    }
}
