//! How calls were, sample by sample.

use crate::query::{Query, Row, column};
use crate::values::words;
use crate::{ParticipantId, SessionId, Store, StoreError, Transaction, UnixMillis};

words! {
    /// A participant's quality in a word.
    Quality {
        /// Nothing to complain about.
        Excellent = "excellent",
        /// Nobody complains.
        Good = "good",
        /// People notice.
        Fair = "fair",
        /// People mind.
        Poor = "poor",
    }
}

/// `QualityMetrics` of one participant at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct QualitySample {
    /// Whose.
    pub participant: ParticipantId,
    /// When.
    pub at: UnixMillis,
    /// `bitrate`, bit/s.
    pub bitrate_bps: u64,
    /// `frameRate`, frames/s.
    pub frame_rate: f64,
    /// `resolution`, such as `1280x720`.
    pub resolution: String,
    /// `packetLoss`, percent.
    pub packet_loss_percent: f64,
    /// `latency`, ms.
    pub latency_ms: f64,
    /// `jitter`, ms.
    pub jitter_ms: f64,
    /// `quality`.
    pub quality: Quality,
}

impl Transaction {
    /// Keeps samples of a session. A second one of the same participant and moment changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such session.
    pub async fn keep_quality(&mut self, session: &SessionId, samples: &[QualitySample]) -> Result<(), StoreError> {
        for sample in samples {
            let query = Query::new(
                "INSERT INTO quality_samples (session_id, participant, at_ms, bitrate_bps, frame_rate, resolution,
                 packet_loss_percent, latency_ms, jitter_ms, quality)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
            )
            .bind(session)
            .bind(&sample.participant)
            .bind(sample.at)
            .bind(column(sample.bitrate_bps, "bitrate")?)
            .bind(finite(sample.frame_rate)?)
            .bind(&sample.resolution)
            .bind(finite(sample.packet_loss_percent)?)
            .bind(finite(sample.latency_ms)?)
            .bind(finite(sample.jitter_ms)?)
            .bind(sample.quality);
            self.execute(query).await.map_err(|error| error.about("session"))?;
        }
        match samples.iter().map(|sample| sample.at).max() {
            Some(latest) => self.touch_session(session, latest).await,
            None => Ok(()),
        }
    }
}

/// SQLite stores a NaN as NULL, PostgreSQL as itself: neither is a measurement.
fn finite(number: f64) -> Result<f64, StoreError> {
    if number.is_finite() { Ok(number) } else { Err(StoreError::Range { what: "quality sample" }) }
}

impl Store {
    /// At most `limit` samples of a session from a moment on, in the order of time; of one participant if `whom` is its
    /// identity or stay, of all if it is empty. `after`, if it is not empty, is whose sample of that very moment is known
    /// already: with moment and participant of the last one of a page the next page begins.
    pub async fn quality_from(
        &self,
        session: &SessionId,
        whom: &str,
        from: UnixMillis,
        after: &str,
        limit: u32,
    ) -> Result<Vec<QualitySample>, StoreError> {
        let query = Query::new(
            "SELECT * FROM quality_samples WHERE session_id = $1 AND at_ms >= $2 AND (at_ms > $2 OR participant > $3)
             AND ($5 = '' OR participant = $5 OR participant IN (
                 SELECT participant FROM session_participants WHERE session_id = $1 AND identity = $5))
             ORDER BY at_ms, participant LIMIT $4",
        );
        let query = query.bind(session).bind(from).bind(after).bind(limit).bind(whom);
        self.fetch_all(query).await?.iter().map(QualitySample::read).collect()
    }
}

impl QualitySample {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            participant: row.id("participant")?,
            at: row.time("at_ms")?,
            bitrate_bps: row.count("bitrate_bps")?,
            frame_rate: row.real("frame_rate")?,
            resolution: row.text("resolution")?,
            packet_loss_percent: row.real("packet_loss_percent")?,
            latency_ms: row.real("latency_ms")?,
            jitter_ms: row.real("jitter_ms")?,
            quality: row.word("quality")?,
        })
    }
}
