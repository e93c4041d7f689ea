//! Tracks in two codecs: which of them each subscriber is fed, and when the second is asked for.
//!
//! A publisher whose codec (VP9, AV1, H265) is not for everybody announces a backup (VP8). In here the backup is a track of its
//! own, under the same id and there from the beginning, so that subscriptions can wait for it. That it is wanted its
//! publisher hears as it hears of layers (dynacast), and publishes it then.
//!
//! A subscriber who takes only the backup, as its description says, is fed that. Who takes both stays with the first; where the
//! publisher is to encode one codec only (regression), everybody who takes the backup moves to it when its first
//! packet has come, and the first one is wanted no more. There is no way back while the backup is published: it
//! would cost everybody a freeze, and the next one to come may need the backup again.
//!
//! A publisher may announce a backup and not bring it when it is asked to: clients have reasons and do not tell them.
//! Who depends on it is told, after [`BACKUP_PATIENCE`], that it cannot decode the track. It stays wanted, and is
//! forwarded when it comes after all.

use std::time::{Duration, Instant};

use super::Worker;
use crate::forwarder::Forwarder;
use crate::participant::BackupWait;
use crate::publications::Binding;
use crate::track::{Origin, Role, Section, Track};
use crate::{BackupPolicy, CodecRole, Event, Kind, ParticipantKey, SubscriptionKey, TrackKey};

/// How long a second codec may take to come, once somebody depends on it: the publisher is asked, announces, offers and
/// sends a key frame, which on a bad link is some round trips and repairs.
const BACKUP_PATIENCE: Duration = Duration::from_secs(5);

impl Worker {
    pub(super) fn is_backup(&self, key: TrackKey) -> bool {
        self.tracks.get(key).is_some_and(Track::is_backup)
    }

    /// The track itself and the other codecs of it.
    pub(super) fn codecs_of(&self, key: TrackKey) -> impl Iterator<Item = TrackKey> + use<> {
        let other = match self.tracks.get(key).map(|track| track.role) {
            None | Some(Role::Only) => None,
            Some(Role::Primary { backup, .. }) => Some(backup),
            Some(Role::Backup { primary }) => Some(primary),
        };
        std::iter::once(key).chain(other)
    }

    /// What a new subscription to a track is fed from, until its section says what it takes.
    pub(super) fn first_codec(&self, key: TrackKey) -> TrackKey {
        match self.tracks.get(key).map(|track| track.role) {
            Some(Role::Primary { backup, has_moved: true, .. }) => backup,
            _ => key,
        }
    }

    /// Whoever takes a track, in whichever codec.
    pub(super) fn takers(&self, key: TrackKey) -> Vec<SubscriptionKey> {
        let tracks = self.codecs_of(key).filter_map(|key| self.tracks.get(key));
        tracks.flat_map(|track| track.subscriptions.iter().copied()).collect()
    }

    /// A new track may have announced a second codec.
    pub(super) fn add_backup(&mut self, key: TrackKey, now: Instant) {
        let Some(track) = self.tracks.get(key) else { return };
        let CodecRole::Primary(codec) = &track.expected.role else { return };
        // What was agreed on may be the second itself.
        if track.kind != Kind::Video || codec.mime_type.eq_ignore_ascii_case(&track.mime_type) {
            return;
        }
        let Some(section) = track.section() else { return };
        let policy = codec.policy;
        let origin = Origin::Here(Section { mid: None, ..section });
        let backup = Track::backup_of(key, track, origin, codec.mime_type.clone(), now);
        let backup = self.tracks.insert(backup);
        self.tracks[key].role = Role::Primary { backup, policy, has_moved: false };
    }

    /// The second codec of a track met its section.
    pub(super) fn publish_backup(&mut self, publisher: ParticipantKey, binding: Binding) {
        let (id, mid) = (binding.expected.track.clone(), binding.mid);
        let primary = self.tracks_by_id.get(&id).and_then(|key| self.tracks.get(*key));
        let is_of = |track: &&Track| track.section().is_some_and(|section| section.publisher == publisher);
        let Some(Role::Primary { backup, .. }) = primary.filter(is_of).map(|t| t.role) else {
            tracing::debug!(track = %id, "a backup of nothing");
            return;
        };
        let is_free = |track: &&mut Track| track.section().is_some_and(|section| section.mid.is_none());
        let Some(track) = self.tracks.get_mut(backup).filter(is_free) else {
            tracing::warn!(track = %id, "backup announced twice");
            return;
        };
        if track.publish(binding) {
            self.forget_lack_of(backup);
        }
        self.participants[publisher].publications.bind(mid, backup);
        self.announce(backup);
        self.unbalance_takers(backup);
        let mid = mid.to_string();
        self.report(publisher, |participant| Event::BackupAdded { participant, track: id, mid });
    }

    /// A second codec is another than the one announced, of which was read who takes it.
    pub(super) fn forget_lack_of(&mut self, backup: TrackKey) {
        for key in self.takers(backup) {
            if let Some(subscription) = self.subscriptions.get_mut(key) {
                (subscription.lacks_backup, subscription.is_undecodable) = (false, false);
            }
        }
        self.reconsidered.insert(backup);
    }

    /// The client stopped sending a second codec.
    pub(super) fn unpublish_backup(&mut self, key: TrackKey, now: Instant) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        track.unpublish(now);
        let Some(Section { publisher, .. }) = track.section() else { return };
        let (id, role) = (track.id.clone(), track.role);
        if let Role::Backup { primary } = role
            && let Some(Role::Primary { has_moved, .. }) = self.tracks.get_mut(primary).map(|track| &mut track.role)
        {
            *has_moved = false;
        }
        self.reconsidered.insert(key);
        self.announce(key);
        self.report(publisher, |participant| Event::BackupRemoved { participant, track: id });
    }

    /// Settles of which codec everybody is fed, and what is wanted of each, where it may have changed.
    pub(super) fn reconsider(&mut self, now: Instant) {
        while let Some(key) = self.reconsidered.pop_first() {
            let Some(track) = self.tracks.get(key) else { continue };
            let primary = match track.role {
                Role::Only => {
                    self.weigh_demand(key, now);
                    continue;
                }
                Role::Primary { .. } => key,
                Role::Backup { primary } => primary,
            };
            self.choose_codecs(primary, now);
        }
    }

    /// Feeds everybody who takes a track the codec that suits.
    pub(super) fn choose_codecs(&mut self, primary: TrackKey, now: Instant) {
        let Some(Role::Primary { backup, policy, mut has_moved }) = self.tracks.get(primary).map(|t| t.role) else {
            return;
        };
        let takers = self.takers(primary);
        let mut is_needed = false;
        for key in &takers {
            self.read_codecs(*key, primary, backup);
            is_needed |= self.subscriptions.get(*key).is_some_and(|s| s.lacks_primary && !s.lacks_backup);
        }
        let has_come = self.tracks.get(backup).is_some_and(Track::has_come);
        let origin = self.tracks.get(primary).filter(|track| track.section().is_some());
        is_needed |= origin.is_some_and(|track| track.relays.iter().any(|relay| relay.wish.needs_backup));
        // For all workers of the room at once.
        let is_decided_here = origin.is_some();
        if policy == BackupPolicy::Regression && is_needed && has_come && !has_moved && is_decided_here {
            has_moved = true;
            if let Some(track) = self.tracks.get_mut(primary) {
                track.role = Role::Primary { backup, policy, has_moved };
            }
            self.announce(primary);
        }
        let is_muted = self.tracks.get(primary).is_some_and(|track| track.is_muted);
        for key in takers {
            let Some(subscription) = self.subscriptions.get_mut(key) else { continue };
            let (lacks_primary, lacks_backup) = (subscription.lacks_primary, subscription.lacks_backup);
            let depends = lacks_primary && !lacks_backup && !has_come;
            // Nothing comes of what is muted, or not looked at.
            let is_due = !is_muted && subscription.demand.enabled;
            subscription.wait = match subscription.wait {
                BackupWait::Since(since) if depends && is_due => BackupWait::Since(since),
                BackupWait::Over if depends && is_due => BackupWait::Since(now),
                BackupWait::InVain if depends => BackupWait::InVain,
                _ => BackupWait::Over,
            };
            if lacks_primary && lacks_backup {
                self.tell_not_decodable(key);
            }
            let is_for_backup = !lacks_backup && (lacks_primary || has_moved);
            self.feed(key, if is_for_backup { backup } else { primary });
        }
        self.feed_taps(if has_moved { (primary, backup) } else { (backup, primary) }, now);
        self.weigh_demand(primary, now);
        self.weigh_demand(backup, now);
    }

    /// Time went by: tells whoever has waited too long for a second codec.
    pub(super) fn tell_who_waits_in_vain(&mut self, now: Instant) {
        for (_, subscription) in &mut self.subscriptions {
            let BackupWait::Since(since) = subscription.wait else { continue };
            if now.saturating_duration_since(since) < BACKUP_PATIENCE {
                continue;
            }
            subscription.wait = BackupWait::InVain;
            // Not `is_undecodable`: that nobody wants, and the publisher would be told so.
            let track = subscription.track_id.clone();
            if let Some(participant) = self.participants.get(subscription.subscriber) {
                let (room, subscriber) = (participant.room.clone(), participant.id.clone());
                self.events.push_back((room, Event::NotDecodable { subscriber, track }));
            }
        }
    }

    /// What a subscriber's description says of both codecs. Packets have the last word, which is no.
    fn read_codecs(&mut self, key: SubscriptionKey, primary: TrackKey, backup: TrackKey) {
        let Some(subscription) = self.subscriptions.get_mut(key) else { return };
        let transport = self.participants.get(subscription.subscriber).map(|participant| participant.subscriber);
        let slot = transport.and_then(|transport| self.transports.get(transport));
        let (Some(section), Some(slot)) = (subscription.section, slot) else { return };
        let lacks = |key| self.tracks.get(key).is_some_and(|t| !slot.transport.takes_codec(section, &t.mime_type));
        subscription.lacks_primary |= lacks(primary);
        subscription.lacks_backup |= lacks(backup);
    }

    /// From now on a subscription gets its packets from that track.
    fn feed(&mut self, key: SubscriptionKey, to: TrackKey) {
        let Some(subscription) = self.subscriptions.get_mut(key).filter(|s| s.track != Some(to)) else { return };
        let from = subscription.track.replace(to);
        let subscriber = subscription.subscriber;
        let is_simulcast = self.tracks.get(to).is_some_and(|track| track.is_simulcast);
        subscription.forwarder = Forwarder::new(is_simulcast);
        if let Some(track) = from.and_then(|from| self.tracks.get_mut(from)) {
            track.subscriptions.retain(|s| *s != key);
        }
        if let Some(track) = self.tracks.get_mut(to) {
            track.subscriptions.push(key);
        }
        self.unbalance(subscriber);
    }
}
