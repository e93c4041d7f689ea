//! What the control plane hears at intervals: sound levels and connection quality.

use std::time::{Duration, Instant};

use super::{LEVELS_INTERVAL, Worker};
use crate::event::{AudioLevel, QualityReport};
use crate::transport::STATS_INTERVAL;
use crate::{Event, Failure};

/// How long a client may be out of reach before its media is given up: longer than a change of network,
/// shorter than a person's patience.
const UNREACHABLE_LIMIT: Duration = Duration::from_secs(20);
/// The same for a client that closed its connection: long enough for its goodbye to come by the other way.
const ENDED_LIMIT: Duration = Duration::from_secs(2);

impl Worker {
    pub(super) fn report_levels(&mut self, now: Instant) {
        self.next_levels_at = None;
        for (id, room) in &mut self.rooms {
            let mut levels = Vec::new();
            for key in &room.participants {
                let Some(participant) = self.participants.get(*key) else { continue };
                for track in participant.publications.tracks() {
                    let Some(track) = self.tracks.get_mut(track) else { continue };
                    let Some(reading) = track.levels.take() else { continue };
                    levels.push(AudioLevel {
                        participant: participant.id.clone(),
                        track: track.id.clone(),
                        level_dbov: reading.level_dbov,
                        active_percent: reading.active_percent,
                    });
                }
            }
            let is_heard = !levels.is_empty();
            if is_heard {
                self.next_levels_at = Some(now + LEVELS_INTERVAL);
            }
            if is_heard || std::mem::replace(&mut room.was_heard, is_heard) {
                room.was_heard = is_heard;
                self.events.push_back((id.clone(), Event::AudioLevels { room: id.clone(), levels }));
            }
        }
    }

    pub(super) fn report_quality(&mut self, now: Instant) {
        self.next_quality_at = (!self.rooms.is_empty()).then_some(now + STATS_INTERVAL);
        let mut lost = Vec::new();
        for (id, room) in &self.rooms {
            let mut reports = Vec::new();
            for key in &room.participants {
                let Some(participant) = self.participants.get(*key) else { continue };
                let stats = |key| self.transports.get(key).map(|slot| slot.transport.stats()).unwrap_or_default();
                let (up, down) = (stats(participant.publisher), stats(participant.subscriber));
                reports.push(QualityReport {
                    participant: participant.id.clone(),
                    upstream_loss: up.upstream_loss,
                    downstream_loss: down.downstream_loss,
                    jitter_ms: None,
                    delivered_bps: 0,
                    wanted_bps: 0,
                    rtt_ms: down.rtt_ms.or(up.rtt_ms),
                    silent: participant.unreachable_since.is_some(),
                });
                let since = participant.unreachable_since;
                let limit = if participant.has_ended { ENDED_LIMIT } else { UNREACHABLE_LIMIT };
                if since.is_some_and(|since| now.saturating_duration_since(since) >= limit) {
                    lost.push(*key);
                }
            }
            self.events.push_back((id.clone(), Event::Quality { room: id.clone(), reports }));
        }
        for key in lost {
            self.report_failure(key, Failure::ConnectionLost);
        }
    }
}
