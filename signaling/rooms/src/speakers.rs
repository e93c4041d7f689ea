//! Who is speaking, as clients shall see it: smoothed, quantised, and told only when it changes.
//!
//! The constants are LiveKit's defaults (`pkg/sfu/audio/audiolevel.go`, `pkg/rtc/room.go`), so that an
//! application tuned there looks the same here.
//!
//! The media plane may report in parts, each of those who are on it, each in its own time.

use std::collections::BTreeMap;

use livekit_protocol::SpeakerInfo;

use crate::{AudioLevel, ParticipantSid};

/// A speaker is active from this level on, in -dBov.
const ACTIVE_DBOV: f32 = 35.0;
/// Share of an interval at or above the threshold that makes it speech rather than a click, in per cent.
const ACTIVE_PERCENT: u8 = 40;
/// Weight of the newest interval: an exponential average with the centre of mass of two intervals.
const SMOOTHING: f32 = 2.0 / 3.0;
/// Levels are told in so many steps, so that small changes are none.
const STEPS: f32 = 8.0;

/// The speakers of a room.
#[derive(Debug, Default)]
pub(crate) struct Speakers {
    /// Smoothed linear level of everybody who made a sound in the last interval.
    smoothed: BTreeMap<ParticipantSid, Voice>,
    /// Guests who speak, as loud as their own rooms say.
    relayed: BTreeMap<ParticipantSid, f32>,
    /// What clients were told: quantised level of the active ones.
    told: BTreeMap<ParticipantSid, f32>,
}

/// How loud somebody is, and which part of the media plane says so.
#[derive(Debug, Clone, Copy)]
struct Voice {
    level: f32,
    part: u16,
}

fn linear(dbov: f32) -> f32 {
    10_f32.powf(-dbov / 20.0)
}

fn info(participant: &ParticipantSid, level: f32) -> SpeakerInfo {
    SpeakerInfo { sid: participant.to_string(), level, active: level > 0.0 }
}

/// Old SDKs take the first for the dominant speaker.
fn loudest_first(speakers: &mut [SpeakerInfo]) {
    speakers.sort_by(|a, b| b.level.total_cmp(&a.level));
}

impl Speakers {
    /// Takes an interval's report of a part and answers what changed for clients. Who was in its last report and is not in
    /// this one is silent.
    pub(crate) fn observe(&mut self, part: u16, report: &[AudioLevel]) -> Vec<SpeakerInfo> {
        let mut loudest: BTreeMap<&ParticipantSid, f32> = BTreeMap::new();
        for heard in report.iter().filter(|heard| heard.active_percent >= ACTIVE_PERCENT) {
            // A level heard for half the interval counts 6 dB less than one heard throughout.
            let weight = 20.0 * (f32::from(heard.active_percent.min(100)) / 100.0).log10();
            let level = linear(f32::from(heard.level_dbov) - weight);
            let entry = loudest.entry(&heard.participant).or_default();
            *entry = entry.max(level);
        }
        let before = std::mem::take(&mut self.smoothed);
        self.smoothed = loudest
            .into_iter()
            .map(|(participant, level)| {
                let before = before.get(participant).map_or(0.0, |voice| voice.level);
                let level = before + (level - before) * SMOOTHING;
                (participant.clone(), Voice { level, part })
            })
            .collect();
        for (participant, voice) in before.into_iter().filter(|(_, voice)| voice.part != part) {
            self.smoothed.entry(participant).or_insert(voice);
        }
        self.tell()
    }

    /// How loud a guest speaks, 0.0 for silence, and what that changes for clients.
    pub(crate) fn relay(&mut self, participant: &ParticipantSid, level: f32) -> Vec<SpeakerInfo> {
        let before = self.relayed.get(participant).copied().unwrap_or_default();
        if before.total_cmp(&level).is_eq() {
            return Vec::new();
        }
        match level > 0.0 {
            true => self.relayed.insert(participant.clone(), level),
            false => self.relayed.remove(participant),
        };
        self.tell()
    }

    /// How loud somebody speaks, as clients were told; 0.0 for silence.
    pub(crate) fn level(&self, participant: &ParticipantSid) -> f32 {
        self.told.get(participant).copied().unwrap_or_default()
    }

    fn tell(&mut self) -> Vec<SpeakerInfo> {
        let heard = self.smoothed.iter().filter(|(_, voice)| voice.level >= linear(ACTIVE_DBOV));
        let heard = heard.map(|(who, voice)| (who.clone(), (voice.level * STEPS).ceil().min(STEPS) / STEPS));
        let active: BTreeMap<_, _> = heard.chain(self.relayed.clone()).collect();
        let stopped = self.told.keys().filter(|who| !active.contains_key(*who)).map(|who| info(who, 0.0));
        let changed = active.iter().filter(|(who, level)| self.told.get(*who) != Some(level));
        let mut changes: Vec<_> = changed.map(|(who, level)| info(who, *level)).collect();
        loudest_first(&mut changes);
        changes.extend(stopped);
        self.told = active;
        changes
    }

    /// Everybody active, the loudest first, for somebody who just came.
    pub(crate) fn active(&self) -> Vec<SpeakerInfo> {
        let mut active: Vec<_> = self.told.iter().map(|(who, level)| info(who, *level)).collect();
        loudest_first(&mut active);
        active
    }

    /// Somebody left; answers what others must be told.
    pub(crate) fn remove(&mut self, participant: &ParticipantSid) -> Option<SpeakerInfo> {
        self.smoothed.remove(participant);
        self.relayed.remove(participant);
        self.told.remove(participant).map(|_| info(participant, 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(participant: &str, level_dbov: u8, active_percent: u8) -> AudioLevel {
        AudioLevel { participant: participant.into(), level_dbov, active_percent }
    }

    #[test]
    fn speech_is_told_once_and_its_end_once() {
        let mut speakers = Speakers::default();
        let started = speakers.observe(0, &[heard("PA_ada", 10, 100)]);
        assert!(matches!(&started[..], [s] if s.active && s.level > 0.0), "{started:?}");
        speakers.observe(0, &[heard("PA_ada", 10, 100)]);
        speakers.observe(0, &[heard("PA_ada", 10, 100)]);
        assert_eq!(speakers.observe(0, &[heard("PA_ada", 10, 100)]), [], "a steady voice is no news");
        let stopped = speakers.observe(0, &[]);
        assert!(matches!(&stopped[..], [s] if !s.active && s.level == 0.0), "{stopped:?}");
        assert_eq!(speakers.observe(0, &[]), []);
    }

    #[test]
    fn a_click_and_a_whisper_are_not_speech() {
        let mut speakers = Speakers::default();
        assert_eq!(speakers.observe(0, &[heard("PA_ada", 0, 10)]), []);
        assert_eq!(speakers.observe(0, &[heard("PA_ada", 60, 100)]), []);
    }

    #[test]
    fn levels_come_in_eighths_and_small_changes_are_none() {
        let mut speakers = Speakers::default();
        for dbov in [0, 3, 10, 20, 34] {
            for told in speakers.observe(0, &[heard("PA_ada", dbov, 100)]) {
                assert!((1.0..=8.0).contains(&(told.level * 8.0)) && (told.level * 8.0).fract() == 0.0, "{told:?}");
            }
        }
        for _ in 0..10 {
            speakers.observe(0, &[heard("PA_ada", 20, 100)]);
        }
        for dbov in [19, 21, 20, 22, 19] {
            assert_eq!(speakers.observe(0, &[heard("PA_ada", dbov, 100)]), [], "within a step");
        }
        let quieter = speakers.observe(0, &[heard("PA_ada", 20, 50)]);
        assert_eq!(quieter, [], "half of an interval is 6 dB less, which is still the lowest step");
    }

    #[test]
    fn only_who_changed_is_told_and_the_loudest_first() {
        let mut speakers = Speakers::default();
        let all = [heard("PA_ada", 20, 100), heard("PA_bob", 2, 100), heard("PA_eve", 12, 100)];
        let order = |told: &[SpeakerInfo]| told.iter().map(|info| info.sid.clone()).collect::<Vec<_>>();
        assert_eq!(order(&speakers.observe(0, &all)), ["PA_bob", "PA_eve", "PA_ada"]);
        for _ in 0..10 {
            speakers.observe(0, &all);
        }
        assert_eq!(order(&speakers.active()), ["PA_bob", "PA_eve", "PA_ada"]);
        let changes = speakers.observe(0, &[heard("PA_ada", 20, 100), heard("PA_eve", 0, 100)]);
        assert_eq!(order(&changes), ["PA_eve", "PA_bob"], "ada goes on as before");
        assert!(changes[0].active && !changes[1].active);
    }

    #[test]
    fn somebody_who_leaves_while_speaking_is_told_silent() {
        let mut speakers = Speakers::default();
        speakers.observe(0, &[heard("PA_ada", 5, 100), heard("PA_bob", 5, 100)]);
        assert_eq!(speakers.active().len(), 2);
        assert!(speakers.remove(&"PA_ada".into()).is_some_and(|info| !info.active));
        assert!(speakers.remove(&"PA_ada".into()).is_none());
        assert_eq!(speakers.observe(0, &[]).len(), 1);
    }

    #[test]
    fn what_one_part_reports_silences_nobody_of_another() {
        let mut speakers = Speakers::default();
        speakers.observe(0, &[heard("PA_ada", 5, 100)]);
        let joined = speakers.observe(1, &[heard("PA_bob", 5, 100)]);
        assert!(joined.iter().all(|info| info.sid == "PA_bob" && info.active), "{joined:?}");
        for _ in 0..10 {
            assert!(speakers.observe(1, &[heard("PA_bob", 5, 100)]).iter().all(|info| info.active));
        }
        assert_eq!(speakers.active().len(), 2);
        let stopped = speakers.observe(0, &[]);
        assert!(matches!(&stopped[..], [info] if info.sid == "PA_ada" && !info.active), "{stopped:?}");
        assert_eq!(speakers.active().len(), 1);
    }
}
