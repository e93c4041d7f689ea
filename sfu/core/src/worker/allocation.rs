//! Sharing a participant's link among what it takes: asks the allocator, and carries out what it says.
//!
//! The policy is [`crate::allocator`]'s; who the loudest are, [`crate::limits`]'. Here is when they are asked, and
//! who hears of what they say: forwarders, publishers (dynacast), the subscriber (paused or not).

use std::time::Instant;

use super::Worker;
use crate::allocator::{self, LayerRate, Want};
use crate::explain::{LinkReport, Reason, SubscriptionReport};
use crate::participant::BackupWait;
use crate::track::{Section, Track};
use crate::{Event, Kind, ParticipantKey, SubscriptionKey, TrackKey, TransportKey};

/// Of the estimate, what is shared out: the rest is for reports, repairs and the unevenness of encoders.
const USABLE_PERCENT: u64 = 95;

impl Worker {
    /// The shares of a participant no longer fit: settled with the rest of the batch.
    pub(super) fn unbalance(&mut self, subscriber: ParticipantKey) {
        self.unbalanced.insert(subscriber);
    }

    /// A link that has become too narrow for what was shared out is not left full until the next round.
    pub(super) fn follow_estimate(&mut self, key: TransportKey) {
        let Some(slot) = self.transports.get(key) else { return };
        let egress = slot.transport.egress();
        let Some(participant) = self.participants.get(slot.participant) else { return };
        let is_too_narrow = || usable(egress.estimate().target_bps) < participant.allocated_bps;
        if participant.subscriber == key && participant.allocated_bps > 0 && egress.is_estimated() && is_too_narrow() {
            self.unbalanced.insert(slot.participant);
        }
    }

    /// The layers of a track changed, or who may have it: everybody who takes it is looked at again.
    pub(super) fn unbalance_takers(&mut self, track: TrackKey) {
        let Some(track) = self.tracks.get(track) else { return };
        for key in &track.subscriptions {
            if let Some(subscription) = self.subscriptions.get(*key) {
                self.unbalanced.insert(subscription.subscriber);
            }
        }
    }

    /// Everybody who takes anything, at intervals: estimates and rates move all the time.
    pub(super) fn balance_all(&mut self, now: Instant) {
        // A layer that somebody wanted is given up also when that was the last there was to take anything.
        let is_wanted = |track: &Track| !track.relays.is_empty() || track.dynacast.poll_timeout().is_some();
        let takes = !self.subscriptions.is_empty() || !self.taps.is_empty();
        let is_due = takes || self.tracks.values().any(is_wanted);
        self.next_balance_at = is_due.then_some(now + allocator::PERIOD);
        let takers = self.participants.iter().filter(|(_, p)| !p.subscriptions.is_empty()).map(|(key, _)| key);
        self.unbalanced.extend(takers);
        for track in self.tracks.values_mut() {
            track.relays.retain(|relay| !relay.is_done());
            track.relays.iter_mut().for_each(|relay| relay.handle_timeout(now));
        }
        let due: Vec<TrackKey> = self
            .tracks
            .iter()
            .filter(|(_, track)| track.dynacast.poll_timeout().is_some_and(|at| at <= now))
            .map(|(key, _)| key)
            .collect();
        for key in due {
            let Some(track) = self.tracks.get_mut(key) else { continue };
            if let Some(wanted) = track.dynacast.handle_timeout(now) {
                self.tell_publisher(key, wanted);
            }
        }
        self.tell_who_waits_in_vain(now);
        let tapped: Vec<TrackKey> = self.taps.values().filter_map(|tap| tap.track).collect();
        tapped.into_iter().for_each(|key| self.aim_taps(key, now));
    }

    /// Settles what was unbalanced.
    pub(super) fn balance(&mut self, now: Instant) {
        while let Some(key) = self.unbalanced.pop_first() {
            self.contain(key, |worker| worker.share_out(key, now));
        }
        if self.next_balance_at.is_none() && !self.subscriptions.is_empty() {
            self.next_balance_at = Some(now + allocator::PERIOD);
        }
    }

    fn share_out(&mut self, key: ParticipantKey, now: Instant) {
        let Some(participant) = self.participants.get(key) else { return };
        let transport = participant.subscriber;
        let Some(slot) = self.transports.get(transport) else { return };
        let egress = slot.transport.egress();
        // Whoever is sent sound twice has that much less for pictures.
        let room = || usable(egress.estimate().target_bps).saturating_sub(egress.echoed_bps(now));
        let budget = egress.is_estimated().then(room);
        let is_guessed = egress.is_guessed(now);
        // What is not there yet, or cannot be shown, takes no room.
        let taken: Vec<(SubscriptionKey, TrackKey, Vec<LayerRate>)> = participant
            .subscriptions
            .iter()
            .filter_map(|key| {
                let subscription = self.subscriptions.get(*key).filter(|s| s.section.is_some() && !s.is_undecodable)?;
                let track = subscription.track?;
                let granted = subscription.grant.as_ref().and_then(|grant| grant.target);
                let held = granted.max(subscription.forwarder.current()).map(|layer| layer.spatial);
                Some((*key, track, self.tracks.get(track)?.layer_rates(held, now)))
            })
            .collect();
        let wants: Vec<Want<'_, SubscriptionKey>> = taken
            .iter()
            .filter_map(|(key, track, layers)| {
                let (subscription, track) = (self.subscriptions.get(*key)?, self.tracks.get(*track)?);
                let layers: &[LayerRate] = if subscription.is_left_out { &[] } else { layers };
                let fps = track.fps(now).round();
                Some(Want {
                    key: *key,
                    kind: track.kind,
                    source: track.expected.source,
                    is_muted: track.is_muted,
                    demand: subscription.demand,
                    layers,
                    fps: (fps >= 1.0).then(|| whole(fps)),
                    announced_spatial: track.expected.layers.iter().map(|layer| layer.spatial).max(),
                    may_pause: participant.allows_pauses,
                    memory: subscription.memory,
                })
            })
            .collect();
        // Of a link that was never tried nothing is known: a guess keeps nobody from the one picture there is, and with
        // nothing sent the link would never be known.
        let guess = if is_guessed { one_picture(&wants) } else { 0 };
        let outcome = allocator::allocate(budget.map(|budget| budget.max(guess)), &wants, now);
        let wanted_bps = outcome.grants.iter().map(|grant| grant.wanted_bps).sum();
        if let Some(participant) = self.participants.get_mut(key) {
            participant.allocated_bps = outcome.allocated_bps;
            participant.wanted_bps = wanted_bps;
        }
        if let Some(slot) = self.transports.get_mut(transport) {
            // A step wants headroom on top of what it takes: without it nobody would ever find enough.
            let next = outcome.next_step_bps.unwrap_or(0) / USABLE_PERCENT * 100;
            slot.transport.egress_mut().set_desired(Some(outcome.desired_bps.max(next)));
        }
        let mut changed = Vec::new();
        for grant in outcome.grants {
            let Some(subscription) = self.subscriptions.get_mut(grant.key) else { continue };
            subscription.memory = grant.memory;
            subscription.forwarder.set_target(grant.target);
            if subscription.forwarder.is_held_up() && budget.is_some_and(|budget| subscription.sent.bps(now) > budget) {
                // Until the key frame comes the larger layer would fill the link's queue, and the key frame would wait
                // behind it.
                subscription.forwarder.stop();
            }
            if let (Some(stream), Some(slot)) = (subscription.stream, self.transports.get_mut(transport)) {
                // Nor do repairs of what was left take its place.
                slot.transport.egress_mut().set_useful(stream, subscription.forwarder.useful());
            }
            let is_paused = grant.reason == Reason::Paused;
            if subscription.kind == Kind::Video
                && std::mem::replace(&mut subscription.is_paused, is_paused) != is_paused
            {
                changed.push((subscription.track_id.clone(), is_paused));
            }
            let (subscription_key, track) = (grant.key, subscription.track);
            let waits_for = subscription.forwarder.waits_for_keyframe();
            subscription.grant = Some(grant);
            if let (Some(stream), Some(track)) = (waits_for, track) {
                self.ask_for_stream(subscription_key, track, stream, now);
            }
        }
        if !changed.is_empty() {
            self.report(key, |subscriber| Event::StreamStates { subscriber, paused: changed });
        }
        self.schedule(transport);
    }

    /// Somebody wants more or less of a track: its publisher may switch layers on or off.
    pub(super) fn weigh_demand(&mut self, key: TrackKey, now: Instant) {
        let Some(track) = self.tracks.get(key) else { return };
        if track.section().is_none() {
            return self.weigh_mirror(key);
        }
        if track.kind != Kind::Video {
            return;
        }
        let elsewhere = track.relays.iter().filter_map(|relay| relay.wish.max_spatial).max();
        let wanted = self.wanted_here(key).max(elsewhere);
        let Some(track) = self.tracks.get_mut(key) else { return };
        if let Some(wanted) = track.dynacast.update(wanted, now) {
            self.tell_publisher(key, wanted);
        }
    }

    /// The best spatial layer of a track that its subscriptions and taps want.
    pub(super) fn wanted_here(&self, key: TrackKey) -> Option<u8> {
        let subscriptions = self.tracks.get(key)?.subscriptions.iter();
        let demands = subscriptions
            .filter_map(|key| self.subscriptions.get(*key))
            .filter(|s| !s.is_undecodable)
            .map(|s| s.demand);
        let demanded = demands.filter(|demand| demand.enabled).map(|demand| demand.max_spatial).max();
        demanded.max(self.wanted_by_taps(key))
    }

    fn tell_publisher(&mut self, key: TrackKey, max_spatial: Option<u8>) {
        let Some(track) = self.tracks.get(key) else { return };
        let Some(Section { publisher, .. }) = track.section() else { return };
        let (track, is_backup) = (track.id.clone(), self.is_backup(key));
        self.report(publisher, |participant| match is_backup {
            false => Event::LayersWanted { participant, track, max_spatial },
            true => Event::BackupWanted { participant, track, max_spatial },
        });
    }

    /// Why a participant sees what it sees.
    pub(super) fn explain(&mut self, key: ParticipantKey, request: u64, now: Instant) {
        let Some(participant) = self.participants.get(key) else { return };
        let Some(slot) = self.transports.get(participant.subscriber) else { return };
        let egress = slot.transport.egress();
        let (estimate, reception) = (egress.estimate(), egress.reception());
        let subscriptions = participant.subscriptions.iter().filter_map(|key| self.explain_one(*key, now));
        let report = Box::new(LinkReport {
            participant: participant.id.clone(),
            estimate_bps: estimate.target_bps,
            allocated_bps: participant.allocated_bps,
            sent_bps: egress.sent_bps(now),
            loss: reception.map_or(estimate.loss, |(loss, _)| loss.max(estimate.loss)),
            rtt_ms: estimate.rtt.map(super::reports::millis),
            jitter_ms: reception.map(|(_, jitter)| super::reports::millis(jitter)),
            subscriptions: subscriptions.collect(),
        });
        self.report(key, |_| Event::Explained { request, report });
    }

    fn explain_one(&self, key: SubscriptionKey, now: Instant) -> Option<SubscriptionReport> {
        let subscription = self.subscriptions.get(key)?;
        let track = self.tracks.get(subscription.track?)?;
        let grant = subscription.grant.as_ref();
        let current = subscription.forwarder.current();
        let pair = |layer: allocator::LayerId| (layer.spatial, layer.temporal);
        let reason = match grant {
            _ if subscription.is_undecodable || subscription.wait == BackupWait::InVain => Reason::NotDecodable,
            _ if subscription.section.is_none() => Reason::Connecting,
            _ if subscription.is_left_out => Reason::RoomLimit,
            None => Reason::Connecting,
            Some(grant) if grant.target.is_some() && subscription.forwarder.waits_for_keyframe().is_some() => {
                Reason::WaitingForKeyframe
            }
            Some(grant) => grant.reason,
        };
        Some(SubscriptionReport {
            track: track.id.clone(),
            publisher: track.publisher.clone(),
            kind: track.kind,
            mime_type: track.mime_type.clone(),
            allocated_bps: grant.map_or(0, |grant| grant.bps),
            delivered_bps: subscription.sent.bps(now),
            wanted_bps: grant.map_or(0, |grant| grant.wanted_bps),
            current: current.map(pair),
            target: grant.and_then(|grant| grant.target).map(pair),
            wanted: grant.and_then(|grant| grant.wanted).map(pair),
            resolution: current
                .and_then(|layer| track.announced(layer.spatial))
                .filter(|layer| layer.width > 0 && layer.height > 0)
                .map(|layer| (layer.width, layer.height)),
            fps: subscription.frames.fps(now),
            reason,
        })
    }
}

fn usable(estimate_bps: u64) -> u64 {
    estimate_bps / 100 * USABLE_PERCENT
}

/// What all sound takes, and the cheapest picture.
fn one_picture(wants: &[Want<'_, SubscriptionKey>]) -> u64 {
    let bases = |kind| {
        wants
            .iter()
            .filter(move |want| want.kind == kind && want.demand.enabled && !want.is_muted)
    };
    let base = |want: &Want<'_, SubscriptionKey>| want.layers.first().map(|layer| layer.bps);
    let sound: u64 = bases(Kind::Audio).filter_map(base).sum();
    sound + bases(Kind::Video).filter_map(base).min().unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and a rate is positive")]
fn whole(fps: f32) -> u16 {
    fps as u16
}
