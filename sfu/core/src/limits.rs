//! Last-N cameras and loudest-N microphones: what of a large room is forwarded at all, whoever asks.
//!
//! Owned by a room in the worker. Knows neither subscriptions nor packets: it hears who is there and how loud
//! each microphone was, and says which tracks may be forwarded. Screens and what they sound, and everything it
//! never heard of, always may.
//!
//! # Microphones
//!
//! - There are as many places as the limit says, and they are always all taken while there are microphones: a
//!   silent one costs next to nothing, and its first word is not lost.
//! - A free place goes to who spoke last; among those who never spoke, to who joined first.
//! - Somebody who speaks without a place takes one from a holder who never spoke, or fell silent [`HOLD`] ago: from
//!   the last to join where some never spoke, else from the one silent longest.
//! - While all holders speak or pause for less than that, only somebody clearly louder (by [`CLEARLY_DB`]) takes
//!   the place of the quietest. A pause does not count as quiet: what counts is how loud the holder spoke.
//!
//! # Cameras
//!
//! - The cameras of those who spoke last are forwarded; who never spoke comes after them, by when they joined.
//! - Speaking means on a microphone that is itself forwarded, in two reports in a row: a cough does not turn
//!   pictures over.
//! - Among those who speak at the same time, who is forwarded stays.
//! - The set is the room's, the same for all: who is in it sees one less, because nobody is sent back to itself.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::levels::Reading;
use crate::{RoomLimits, Source};

/// A place is kept so long after falling silent: a breath, a thought, not a listener.
pub(crate) const HOLD: Duration = Duration::from_secs(2);
/// So much louder is clearly louder: about twice as loud is 10 dB, a change anybody notices 3 dB.
const CLEARLY_DB: u8 = 6;
/// Quieter than this is no speech: LiveKit's threshold for an active speaker.
const SPEECH_DBOV: u8 = 35;
/// So much of an interval must be speech: a key struck is one packet of fifteen.
const SPEECH_PERCENT: u8 = 30;
/// Reports in a row that are speech before a camera follows.
const REPORTS_TO_TURN: u8 = 2;

/// The limits of a room and how they fall out. `T` names tracks, `P` participants.
#[derive(Debug)]
pub(crate) struct LimitedRoom<T, P> {
    limits: RoomLimits,
    participants: BTreeMap<P, Participant>,
    microphones: BTreeMap<T, Microphone<P>>,
    cameras: BTreeMap<T, Camera<P>>,
    joined: u64,
    /// Something changed since the last [`Self::poll_changes`].
    is_dirty: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Participant {
    /// Place in the order of joining.
    joined: u64,
    spoke_at: Option<Instant>,
    /// Reports of speech in a row, up to what is needed.
    reports: u8,
}

#[derive(Debug)]
struct Microphone<P> {
    owner: P,
    /// Copied from its owner: it never changes.
    joined: u64,
    spoke_at: Option<Instant>,
    /// How loud it speaks when it speaks, smoothed: -dBov, 0 is loudest.
    level_dbov: u8,
    is_forwarded: bool,
    was_forwarded: bool,
}

#[derive(Debug)]
struct Camera<P> {
    owner: P,
    is_forwarded: bool,
    was_forwarded: bool,
}

impl<T: Copy + Ord, P: Clone + Ord> LimitedRoom<T, P> {
    /// A room without tracks.
    pub(crate) fn new(limits: RoomLimits) -> Self {
        Self {
            limits,
            participants: BTreeMap::new(),
            microphones: BTreeMap::new(),
            cameras: BTreeMap::new(),
            joined: 0,
            is_dirty: false,
        }
    }

    /// From now on.
    pub(crate) fn set_limits(&mut self, limits: RoomLimits) {
        if limits != self.limits {
            self.limits = limits;
            self.share_microphones();
            self.share_cameras();
        }
    }

    /// Somebody joined: who joins first comes first among those who never spoke.
    pub(crate) fn add_participant(&mut self, participant: P) {
        let joined = self.joined;
        self.participants
            .entry(participant)
            .or_insert_with(|| Participant { joined, ..Participant::default() });
        self.joined += 1;
    }

    /// Somebody left, with all tracks.
    pub(crate) fn remove_participant(&mut self, participant: &P) {
        self.participants.remove(participant);
        self.microphones.retain(|_, microphone| microphone.owner != *participant);
        self.cameras.retain(|_, camera| camera.owner != *participant);
        self.share_microphones();
        self.share_cameras();
    }

    /// A track was published. It counts as forwarded until [`Self::poll_changes`] says otherwise, so ask
    /// before its first packet.
    pub(crate) fn add_track(&mut self, track: T, owner: P, source: Source, is_video: bool) {
        if matches!(source, Source::Screen | Source::ScreenAudio) {
            return;
        }
        self.add_participant(owner.clone());
        let joined = self.participants.get(&owner).map_or(self.joined, |participant| participant.joined);
        if is_video {
            self.cameras
                .entry(track)
                .or_insert(Camera { owner, is_forwarded: false, was_forwarded: true });
            self.share_cameras();
        } else {
            self.microphones.entry(track).or_insert(Microphone {
                owner,
                joined,
                spoke_at: None,
                level_dbov: SPEECH_DBOV,
                is_forwarded: false,
                was_forwarded: true,
            });
            self.share_microphones();
        }
    }

    /// A track is gone.
    pub(crate) fn remove_track(&mut self, track: T) {
        if self.microphones.remove(&track).is_some() {
            self.share_microphones();
        }
        if self.cameras.remove(&track).is_some() {
            self.share_cameras();
        }
    }

    /// How loud each track was in the interval that just ended. What is not named was silent.
    pub(crate) fn handle_levels(&mut self, readings: impl IntoIterator<Item = (T, Reading)>, now: Instant) {
        for (track, reading) in readings {
            let Some(microphone) = self.microphones.get_mut(&track) else { continue };
            if reading.level_dbov <= SPEECH_DBOV && reading.active_percent >= SPEECH_PERCENT {
                microphone.handle_speech(reading.level_dbov, now);
            }
        }
        self.take_over(now);
        self.note_speakers(now);
        self.share_cameras();
    }

    /// Whether a track may be forwarded now.
    pub(crate) fn is_forwarded(&self, track: T) -> bool {
        let microphone = self.microphones.get(&track).map(|microphone| microphone.is_forwarded);
        microphone
            .or_else(|| self.cameras.get(&track).map(|camera| camera.is_forwarded))
            .unwrap_or(true)
    }

    /// Every track that may not be forwarded now.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = T> {
        let microphones = self.microphones.iter().map(|(track, it)| (*track, it.is_forwarded));
        let cameras = self.cameras.iter().map(|(track, it)| (*track, it.is_forwarded));
        microphones
            .chain(cameras)
            .filter_map(|(track, is_forwarded)| (!is_forwarded).then_some(track))
    }

    /// The tracks that may be forwarded now and might not before, or the other way round.
    pub(crate) fn poll_changes(&mut self) -> Vec<(T, bool)> {
        if !std::mem::take(&mut self.is_dirty) {
            return Vec::new();
        }
        let microphones = self
            .microphones
            .iter_mut()
            .map(|(track, it)| (*track, it.is_forwarded, &mut it.was_forwarded));
        let cameras = self
            .cameras
            .iter_mut()
            .map(|(track, it)| (*track, it.is_forwarded, &mut it.was_forwarded));
        microphones
            .chain(cameras)
            .filter_map(|(track, is, was)| (std::mem::replace(was, is) != is).then_some((track, is)))
            .collect()
    }

    /// Gives out free places and takes away those beyond the limit.
    fn share_microphones(&mut self) {
        self.is_dirty = true;
        let places = self.limits.loudest_microphones.map_or(usize::MAX, usize::from);
        let mut ranked: Vec<_> = self.microphones.values_mut().collect();
        // Who holds a place keeps it before anybody gets one: only speaking takes a place away.
        ranked.sort_by_key(|it| (!it.is_forwarded, Reverse(it.spoke_at), it.joined));
        for (place, microphone) in ranked.into_iter().enumerate() {
            microphone.is_forwarded = place < places;
        }
    }

    /// Those who speak without a place take one where they may.
    fn take_over(&mut self, now: Instant) {
        let (mut holders, mut challengers) = (Vec::new(), Vec::new());
        for microphone in self.microphones.values_mut() {
            if microphone.is_forwarded {
                holders.push(microphone);
            } else if microphone.spoke_at == Some(now) {
                challengers.push(microphone);
            }
        }
        if challengers.is_empty() {
            return;
        }
        // First to go: who never spoke, the last joined first; then the longest silent; then the quietest.
        holders.sort_by_key(|it| match it.spoke_at {
            None => (0, None, Reverse(0), Reverse(it.joined)),
            Some(at) if it.is_silent(now) => (1, Some(at), Reverse(0), Reverse(it.joined)),
            Some(_) => (2, None, Reverse(it.level_dbov), Reverse(it.joined)),
        });
        challengers.sort_by_key(|it| (it.level_dbov, it.joined));
        for (holder, challenger) in holders.into_iter().zip(challengers) {
            let is_clearly_louder = challenger.level_dbov.saturating_add(CLEARLY_DB) <= holder.level_dbov;
            if !holder.is_silent(now) && !is_clearly_louder {
                break;
            }
            holder.is_forwarded = false;
            challenger.is_forwarded = true;
            self.is_dirty = true;
        }
    }

    /// Who was heard, for the order of cameras.
    fn note_speakers(&mut self, now: Instant) {
        let mut heard: Vec<P> = self
            .microphones
            .values()
            .filter(|it| it.is_forwarded && it.spoke_at == Some(now))
            .map(|it| it.owner.clone())
            .collect();
        heard.sort_unstable();
        for (name, participant) in &mut self.participants {
            if heard.binary_search(name).is_err() {
                participant.reports = 0;
                continue;
            }
            participant.reports = (participant.reports + 1).min(REPORTS_TO_TURN);
            if participant.reports == REPORTS_TO_TURN {
                participant.spoke_at = Some(now);
            }
        }
    }

    fn share_cameras(&mut self) {
        let places = self.limits.last_cameras.map_or(usize::MAX, usize::from);
        let participants = &self.participants;
        let mut ranked: Vec<_> = self.cameras.values_mut().collect();
        ranked.sort_by_cached_key(|it| {
            let owner = participants.get(&it.owner).copied().unwrap_or_default();
            let is_newcomer = owner.spoke_at.is_some() && !it.is_forwarded;
            (Reverse(owner.spoke_at), is_newcomer, owner.joined)
        });
        for (place, camera) in ranked.into_iter().enumerate() {
            camera.is_forwarded = place < places;
        }
        self.is_dirty = true;
    }
}

impl<P> Microphone<P> {
    fn is_silent(&self, now: Instant) -> bool {
        self.spoke_at.is_none_or(|at| now.saturating_duration_since(at) >= HOLD)
    }

    fn handle_speech(&mut self, level_dbov: u8, now: Instant) {
        // Smoothed over about a second of one turn of speaking; a new turn begins with its own level.
        self.level_dbov = if self.is_silent(now) {
            level_dbov
        } else {
            u8::try_from((u16::from(self.level_dbov) * 2 + u16::from(level_dbov) + 1) / 3).unwrap_or(level_dbov)
        };
        self.spoke_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test's clock starts anywhere")]

    use proptest::prelude::*;

    use super::*;

    const REPORT: Duration = Duration::from_millis(300);

    /// Participant `p` has camera `p` and microphone `1000 + p`.
    type Room = LimitedRoom<u32, u32>;

    fn room(participants: u32, cameras: Option<u16>, microphones: Option<u16>) -> Room {
        let limits = RoomLimits { last_cameras: cameras, loudest_microphones: microphones };
        let mut room = Room::new(limits);
        for participant in 0..participants {
            room.add_participant(participant);
            room.add_track(participant, participant, Source::Camera, true);
            room.add_track(1_000 + participant, participant, Source::Microphone, false);
        }
        room
    }

    fn cameras(room: &Room) -> Vec<u32> {
        room.cameras.keys().copied().filter(|track| room.is_forwarded(*track)).collect()
    }

    fn microphones(room: &Room) -> Vec<u32> {
        room.microphones
            .keys()
            .copied()
            .filter(|track| room.is_forwarded(*track))
            .map(|track| track - 1_000)
            .collect()
    }

    /// Some speak at some level for so many reports.
    fn speak(room: &mut Room, now: &mut Instant, speakers: &[(u32, u8)], reports: u32) {
        for _ in 0..reports {
            *now += REPORT;
            let readings = speakers.iter().map(|(participant, level_dbov)| {
                (1_000 + participant, Reading { level_dbov: *level_dbov, active_percent: 90 })
            });
            room.handle_levels(readings.collect::<Vec<_>>(), *now);
        }
    }

    #[test]
    fn without_limits_everything_is_forwarded() {
        let mut room = room(3, None, None);
        assert_eq!((cameras(&room), microphones(&room)), (vec![0, 1, 2], vec![0, 1, 2]));
        assert_eq!(room.poll_changes(), []);
        assert!(room.is_forwarded(77), "nothing is known against it");
    }

    #[test]
    fn who_never_spoke_comes_by_joining() {
        let mut room = room(4, Some(2), Some(3));
        assert_eq!((cameras(&room), microphones(&room)), (vec![0, 1], vec![0, 1, 2]));
        assert_eq!(room.poll_changes(), [(1_003, false), (2, false), (3, false)]);
        room.remove_participant(&0);
        assert_eq!((cameras(&room), microphones(&room)), (vec![1, 2], vec![1, 2, 3]));
        assert_eq!(room.poll_changes(), [(1_003, true), (2, true)]);
        assert_eq!(room.poll_changes(), []);
    }

    #[test]
    fn screens_are_always_forwarded() {
        let mut room = room(2, Some(0), Some(0));
        room.add_track(50, 0, Source::Screen, true);
        room.add_track(51, 0, Source::ScreenAudio, false);
        assert_eq!((cameras(&room), microphones(&room)), (vec![], vec![]));
        assert!(room.is_forwarded(50) && room.is_forwarded(51));
    }

    #[test]
    fn who_speaks_takes_the_place_of_who_does_not() {
        let (mut room, mut now) = (room(4, Some(2), Some(2)), Instant::now());
        speak(&mut room, &mut now, &[(3, 30)], 1);
        assert_eq!(microphones(&room), [0, 3], "the last to join of the silent goes");
        assert_eq!(cameras(&room), [0, 1], "a cough turns no picture over");
        speak(&mut room, &mut now, &[(3, 30)], 1);
        assert_eq!(cameras(&room), [0, 3]);
    }

    #[test]
    fn a_key_struck_is_not_speech() {
        let (mut room, now) = (room(4, Some(2), Some(2)), Instant::now());
        room.handle_levels([(1_003, Reading { level_dbov: 10, active_percent: 6 })], now);
        room.handle_levels([(1_003, Reading { level_dbov: 50, active_percent: 100 })], now + REPORT);
        assert_eq!(microphones(&room), [0, 1]);
    }

    #[test]
    fn a_pause_of_less_than_two_seconds_keeps_the_place() {
        let (mut room, mut now) = (room(3, None, Some(1)), Instant::now());
        speak(&mut room, &mut now, &[(0, 25)], 5);
        speak(&mut room, &mut now, &[(1, 22)], 6);
        assert_eq!(microphones(&room), [0], "1.8 s of silence, and not clearly louder");
        speak(&mut room, &mut now, &[(1, 22)], 1);
        assert_eq!(microphones(&room), [1]);
    }

    #[test]
    fn only_somebody_clearly_louder_takes_a_place_from_a_speaker() {
        let (mut room, mut now) = (room(4, None, Some(2)), Instant::now());
        speak(&mut room, &mut now, &[(0, 20), (1, 28)], 5);
        speak(&mut room, &mut now, &[(0, 20), (1, 28), (2, 23)], 20);
        assert_eq!(microphones(&room), [0, 1]);
        speak(&mut room, &mut now, &[(0, 20), (1, 28), (2, 23), (3, 22)], 1);
        assert_eq!(microphones(&room), [0, 3], "the quietest goes");
        speak(&mut room, &mut now, &[(0, 20), (1, 28), (2, 23), (3, 22)], 50);
        assert_eq!(microphones(&room), [0, 3], "and that is that");
    }

    #[test]
    fn cameras_follow_those_who_speak_on_a_forwarded_microphone() {
        let (mut room, mut now) = (room(5, Some(2), Some(1)), Instant::now());
        speak(&mut room, &mut now, &[(4, 20), (3, 24)], 4);
        assert_eq!((microphones(&room), cameras(&room)), (vec![4], vec![0, 4]), "3 is not heard");
        speak(&mut room, &mut now, &[(3, 24)], 10);
        assert_eq!((microphones(&room), cameras(&room)), (vec![3], vec![3, 4]));
        speak(&mut room, &mut now, &[(2, 24)], 20);
        assert_eq!(cameras(&room), [2, 3], "who spoke longest ago goes");
        speak(&mut room, &mut now, &[], 1_000);
        assert_eq!(cameras(&room), [2, 3], "silence changes nothing");
    }

    #[test]
    fn three_who_speak_at_once_do_not_take_turns_on_two_places() {
        let (mut room, mut now) = (room(5, Some(2), None), Instant::now());
        speak(&mut room, &mut now, &[(2, 20), (3, 20), (4, 20)], 2);
        let shown = cameras(&room);
        for _ in 0..50 {
            speak(&mut room, &mut now, &[(4, 20), (3, 20), (2, 20)], 1);
            assert_eq!(cameras(&room), shown);
        }
    }

    #[test]
    fn limits_change_while_the_room_goes_on() {
        let (mut room, mut now) = (room(4, None, None), Instant::now());
        speak(&mut room, &mut now, &[(3, 20)], 2);
        room.set_limits(RoomLimits { last_cameras: Some(2), loudest_microphones: Some(1) });
        assert_eq!((cameras(&room), microphones(&room)), (vec![0, 3], vec![3]));
        room.set_limits(RoomLimits::default());
        assert_eq!((cameras(&room), microphones(&room)), (vec![0, 1, 2, 3], vec![0, 1, 2, 3]));
    }

    #[derive(Debug, Clone)]
    enum Event {
        Join(u32),
        Leave(u32),
        Mute(u32),
        Limit(Option<u16>, Option<u16>),
        Speak(Vec<(u32, u8, u8)>, u64),
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let limit = || prop::option::of(0..6_u16);
        prop_oneof![
            3 => (0..12_u32).prop_map(Event::Join),
            1 => (0..12_u32).prop_map(Event::Leave),
            1 => (0..12_u32).prop_map(Event::Mute),
            1 => (limit(), limit()).prop_map(|(cameras, microphones)| Event::Limit(cameras, microphones)),
            8 => (prop::collection::vec((0..12_u32, 0..128_u8, 0..=100_u8), 0..8), 0..3_000_u64)
                .prop_map(|(heard, gap)| Event::Speak(heard, gap)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whoever comes, goes and speaks: the places are all taken and no more, and the changes told add up to
        /// what is forwarded.
        #[test]
        fn places_are_all_taken_and_changes_add_up(events in prop::collection::vec(any_event(), 1..80)) {
            let mut now = Instant::now();
            let mut limits = RoomLimits::default();
            let mut room = Room::new(limits);
            let mut told = BTreeMap::new();
            for event in events {
                match event {
                    Event::Join(who) => {
                        room.add_participant(who);
                        room.add_track(who, who, Source::Camera, true);
                        room.add_track(1_000 + who, who, Source::Microphone, false);
                        told.entry(who).or_insert(true);
                        told.entry(1_000 + who).or_insert(true);
                    }
                    Event::Leave(who) => {
                        room.remove_participant(&who);
                        told.remove(&who);
                        told.remove(&(1_000 + who));
                    }
                    Event::Mute(who) => {
                        room.remove_track(1_000 + who);
                        told.remove(&(1_000 + who));
                    }
                    Event::Limit(last_cameras, loudest_microphones) => {
                        limits = RoomLimits { last_cameras, loudest_microphones };
                        room.set_limits(limits);
                    }
                    Event::Speak(heard, gap_ms) => {
                        now += Duration::from_millis(gap_ms);
                        let readings = heard.into_iter().map(|(who, level_dbov, active_percent)| {
                            (1_000 + who, Reading { level_dbov, active_percent })
                        });
                        room.handle_levels(readings, now);
                    }
                }
                for (track, is_forwarded) in room.poll_changes() {
                    prop_assert_eq!(told.insert(track, is_forwarded), Some(!is_forwarded));
                }
                for (track, is_forwarded) in &told {
                    prop_assert_eq!(room.is_forwarded(*track), *is_forwarded);
                }
                let places = |limit: Option<u16>, there: usize| limit.map_or(there, |limit| there.min(limit.into()));
                prop_assert_eq!(cameras(&room).len(), places(limits.last_cameras, room.cameras.len()));
                prop_assert_eq!(microphones(&room).len(), places(limits.loudest_microphones, room.microphones.len()));
            }
        }
    }
}
