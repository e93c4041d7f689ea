//! Taps: made, fed and ended beside subscriptions. Whatever ends a track ends its taps, and says so once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::Worker;
use crate::tap::{Tap, TapId, TapMessage};
use crate::track::Ingested;
use crate::{Kind, TrackKey, allocator};

impl Worker {
    /// What the next tap gives, with the tap it is of.
    pub fn poll_tapped(&mut self) -> Option<(TapId, TapMessage)> {
        self.tapped.pop_front()
    }

    /// A track is to be tapped, now or when it comes. Where nobody is who could bring it, the tap ends at once.
    pub(super) fn add_tap(&mut self, id: TapId, tap: Tap, now: Instant) {
        if self.taps.contains_key(&id) {
            tracing::warn!(tap = id.0, "tapped twice");
            return;
        }
        let key = self.tracks_by_id.get(&tap.track_id).copied();
        let is_of_room = key.and_then(|key| self.tracks.get(key)).is_some_and(|track| track.room == tap.room);
        let may_come = key.is_none()
            && (self.participants_by_id.contains_key(&tap.publisher) || self.borrowed.contains_key(&tap.track_id));
        if !is_of_room && !may_come {
            self.tapped.push_back((id, TapMessage::Ended));
            return;
        }
        self.taps.insert(id, tap);
        if let Some(key) = key {
            self.attach_tap(id, key, now);
        }
    }

    /// Nobody wants it any more.
    pub(super) fn untap(&mut self, id: TapId, now: Instant) {
        let Some(track) = self.taps.get(&id).map(|tap| tap.track) else { return };
        if let Some((key, track)) = track.and_then(|key| Some((key, self.tracks.get_mut(key)?))) {
            track.taps.retain(|tap| *tap != id);
            self.weigh_taps(key, now);
        }
        self.end_taps([id]);
    }

    /// Taps that came before the track.
    pub(super) fn attach_early_taps(&mut self, key: TrackKey, now: Instant) {
        let Some(track) = self.tracks.get(key) else { return };
        let waits = |tap: &Tap| tap.track.is_none() && tap.track_id == track.id && tap.room == track.room;
        let early: Vec<TapId> = self.taps.iter().filter(|(_, tap)| waits(tap)).map(|(id, _)| *id).collect();
        for id in early {
            self.attach_tap(id, key, now);
        }
    }

    fn attach_tap(&mut self, id: TapId, key: TrackKey, now: Instant) {
        let fed_from = self.first_codec(key);
        let (Some(tap), Some(track)) = (self.taps.get_mut(&id), self.tracks.get_mut(fed_from)) else { return };
        tap.feed(fed_from, track.is_simulcast);
        track.taps.push(id);
        self.tapped.extend(tap.set_muted(track.is_muted, now).map(|message| (id, message)));
        tap.aim(track, now);
        self.weigh_taps(fed_from, now);
        self.ask_for_tap(id, now);
    }

    /// More or less is wanted of a track. Less takes effect after a while.
    fn weigh_taps(&mut self, key: TrackKey, now: Instant) {
        self.next_balance_at.get_or_insert(now + allocator::PERIOD);
        self.reconsidered.insert(key);
    }

    /// The best spatial layer of a track that its taps want.
    pub(super) fn wanted_by_taps(&self, key: TrackKey) -> Option<u8> {
        let taps = self.tracks.get(key)?.taps.iter();
        taps.filter_map(|id| self.taps.get(id)).map(Tap::max_spatial).max()
    }

    /// The layers of a track changed.
    pub(super) fn aim_taps(&mut self, key: TrackKey, now: Instant) {
        let Some(track) = self.tracks.get(key) else { return };
        for id in &track.taps {
            if let Some(tap) = self.taps.get_mut(id) {
                tap.aim(track, now);
            }
        }
    }

    /// A packet of a track goes to its taps, by reference.
    pub(super) fn tap(&mut self, key: TrackKey, ingested: &Arc<Ingested>, now: Instant) {
        let Some(track) = self.tracks.get(key) else { return };
        let (kind, mut wanted, mut broken) = (track.kind, None, Vec::new());
        for id in &track.taps {
            let Some(tap) = self.taps.get_mut(id) else { continue };
            let (tapped, stats) = (&mut self.tapped, &mut self.stats);
            let taken = catch_unwind(AssertUnwindSafe(|| {
                tap.take(kind, ingested, |message| {
                    stats.packets_tapped += u64::from(matches!(message, TapMessage::Packet(_)));
                    tapped.push_back((*id, message));
                })
            }));
            match taken {
                Ok(true) => {}
                Ok(false) => wanted = wanted.or(tap.waits_for_keyframe().filter(|s| *s == ingested.info.stream)),
                // The tap's state is broken, the publisher's is not.
                Err(_) => broken.push(*id),
            }
        }
        for id in broken {
            self.stats.contained_panics += 1;
            self.untap(id, now);
        }
        if let Some(stream) = wanted {
            self.ask_for_tapped(key, stream, now);
        }
    }

    /// Whoever drains a tap cannot go on without a key frame, or it has nothing to begin with.
    pub(super) fn ask_for_tap(&mut self, id: TapId, now: Instant) {
        let Some(tap) = self.taps.get(&id) else { return };
        if let (Some(key), Some(stream)) = (tap.track, tap.stream()) {
            self.ask_for_tapped(key, stream, now);
        }
    }

    fn ask_for_tapped(&mut self, key: TrackKey, stream: u8, now: Instant) {
        let is_picture = |track: &&mut crate::track::Track| track.kind == Kind::Video && !track.is_muted;
        let Some(track) = self.tracks.get_mut(key).filter(is_picture) else { return };
        if track.request_keyframe(stream, now) {
            self.request_keyframe(key, stream);
        }
    }

    /// A track was muted, or is not any more.
    pub(super) fn mute_taps(&mut self, key: TrackKey, is_muted: bool, now: Instant) {
        let Some(track) = self.tracks.get(key) else { return };
        for id in &track.taps {
            let said = self.taps.get_mut(id).and_then(|tap| tap.set_muted(is_muted, now));
            self.tapped.extend(said.map(|message| (*id, message)));
        }
    }

    /// Whoever taps a track in two codecs gets them from that one.
    pub(super) fn feed_taps(&mut self, (from, to): (TrackKey, TrackKey), now: Instant) {
        let Some(moved) = self.tracks.get_mut(from).map(|track| std::mem::take(&mut track.taps)) else { return };
        let Some(track) = self.tracks.get_mut(to).filter(|_| !moved.is_empty()) else { return };
        track.taps.extend(&moved);
        let is_simulcast = track.is_simulcast;
        for id in &moved {
            if let Some(tap) = self.taps.get_mut(id) {
                tap.feed(to, is_simulcast);
            }
        }
        self.aim_taps(to, now);
        for id in moved {
            self.ask_for_tap(id, now);
        }
    }

    /// Taps whose track will not come.
    pub(super) fn end_waiting_taps(&mut self, is_over: impl Fn(&Tap) -> bool) {
        let waiting = self.taps.iter().filter(|(_, tap)| tap.track.is_none() && is_over(tap));
        let over: Vec<TapId> = waiting.map(|(id, _)| *id).collect();
        self.end_taps(over);
    }

    /// They are no more, and say so: each once, since it is forgotten with that.
    pub(super) fn end_taps(&mut self, over: impl IntoIterator<Item = TapId>) {
        for id in over {
            if self.taps.remove(&id).is_some() {
                self.tapped.push_back((id, TapMessage::Ended));
            }
        }
    }
}
