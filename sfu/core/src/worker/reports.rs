//! What the control plane hears at intervals: sound levels and connection quality.

use std::time::{Duration, Instant};

use super::loans::lent_levels;
use super::{LEVELS_INTERVAL, Worker};
use crate::event::{AudioLevel, QualityReport};
use crate::relay::{OriginKey, RelayMessage, RelayedLevel};
use crate::transport::{Egress, STATS_INTERVAL, Transport};
use crate::{Event, Failure};

/// How long a client may be out of reach before its media is given up: longer than a change of network,
/// shorter than a person's patience.
const UNREACHABLE_LIMIT: Duration = Duration::from_secs(20);
/// The same for a client that closed its connection: long enough for its goodbye to come by the other way.
const ENDED_LIMIT: Duration = Duration::from_secs(2);

impl Worker {
    pub(super) fn report_levels(&mut self, now: Instant) {
        self.next_levels_at = None;
        let mut limited = Vec::new();
        for (id, room) in &mut self.rooms {
            let mut levels = Vec::new();
            let mut readings = Vec::new();
            for key in &room.participants {
                let Some(participant) = self.participants.get(*key) else { continue };
                for track_key in participant.publications.tracks() {
                    let Some(track) = self.tracks.get_mut(track_key) else { continue };
                    let Some(reading) = track.levels.take() else { continue };
                    readings.push((track_key, reading));
                    levels.push(AudioLevel {
                        participant: participant.id.clone(),
                        track: track.id.clone(),
                        level_dbov: reading.level_dbov,
                        active_percent: reading.active_percent,
                    });
                }
            }
            let is_heard = !levels.is_empty();
            let home = room.span.as_ref().and_then(|span| span.home);
            if let Some(home) = home.filter(|_| room.limits.any() && (is_heard || room.was_heard)) {
                let levels = readings
                    .iter()
                    .map(|(key, reading)| RelayedLevel { track: OriginKey(*key), reading: *reading });
                let levels = levels.collect();
                let message = RelayMessage::Levels { room: id.clone(), of: id.clone(), levels };
                self.relayed.push_back((home, message));
            }
            for (worker, room, levels) in lent_levels(&readings, &self.tracks) {
                let message = RelayMessage::Levels { room, of: id.clone(), levels };
                match worker == self.shared.worker {
                    true => self.own.push_back(message),
                    false => self.relayed.push_back((worker, message)),
                }
            }
            let mirror = |worker, track| self.mirrors.get(&(worker, track, id.clone())).copied();
            if room.limits.handle_levels(readings, mirror, now) {
                limited.push(id.clone());
            }
            if is_heard {
                self.next_levels_at = Some(now + LEVELS_INTERVAL);
            }
            let part = room.span.as_ref().map_or(0, |span| span.part);
            if is_heard || std::mem::replace(&mut room.was_heard, is_heard) {
                room.was_heard = is_heard;
                self.events.push_back((id.clone(), Event::AudioLevels { room: id.clone(), part, levels }));
            }
        }
        for room in limited {
            self.follow_limits(&room);
        }
    }

    pub(super) fn report_quality(&mut self, now: Instant) {
        self.next_quality_at = (!self.rooms.is_empty()).then_some(now + STATS_INTERVAL);
        let mut lost = Vec::new();
        for (id, room) in &self.rooms {
            let mut reports = Vec::new();
            for key in &room.participants {
                let Some(participant) = self.participants.get(*key) else { continue };
                let transport = |key| self.transports.get(key).map(|slot| &slot.transport);
                let up = transport(participant.publisher).map(Transport::stats).unwrap_or_default();
                let down = transport(participant.subscriber).map(Transport::egress);
                let received = down.and_then(Egress::reception);
                let rtt = down.and_then(|egress| egress.estimate().rtt).map(millis);
                reports.push(QualityReport {
                    participant: participant.id.clone(),
                    upstream_loss: up.upstream_loss,
                    downstream_loss: received.map_or(0.0, |(loss, _)| loss),
                    jitter_ms: received.map(|(_, jitter)| millis(jitter)),
                    delivered_bps: down.map_or(0, |egress| egress.sent_bps(now)),
                    wanted_bps: participant.wanted_bps,
                    rtt_ms: rtt.or(up.rtt_ms),
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

pub(super) fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
