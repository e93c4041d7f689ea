//! The path of a packet, and of the key frame requests that travel against it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use sluice_rtp::VideoCodec;
use str0m::media::{Mid, Rid};

use super::{LEVELS_INTERVAL, Worker};
use crate::forwarder::Verdict;
use crate::track::Ingested;
use crate::transport::{Happening, Packet, Step};
use crate::{Event, Kind, ParticipantKey, SubscriptionKey, TrackKey, TransportKey};

impl Worker {
    /// A transport was driven: acts on what came out, then notes when it wants to be driven again.
    pub(super) fn after_transport(&mut self, key: TransportKey, now: Instant) {
        let mut happenings = std::mem::take(&mut self.outbox.happenings);
        for happening in happenings.drain(..) {
            self.handle_happening(key, happening, now);
        }
        // Acting may have driven other transports: their happenings were acted on there.
        self.outbox.happenings = happenings;
        self.schedule(key);
    }

    pub(super) fn handle_happening(&mut self, key: TransportKey, happening: Happening, now: Instant) {
        let Some(owner) = self.transports.get(key).map(|slot| slot.participant) else { return };
        match happening {
            Happening::Packet(packet) => self.ingest(owner, &packet, now),
            Happening::KeyframeWanted(mid) => self.forward_keyframe_request(owner, mid, now),
            Happening::Data(channel, payload) => {
                self.report(owner, |participant| Event::Data { participant, channel, payload });
            }
            Happening::Connected => {
                if self.participants[owner].subscriber == key {
                    self.report(owner, |participant| Event::Connected { participant });
                    for subscription in self.participants[owner].subscriptions.clone() {
                        self.ask_for_picture(subscription, now);
                    }
                }
            }
            Happening::Reachable(reachable) => {
                self.participants[owner].unreachable_since = (!reachable).then_some(now);
            }
            Happening::Ended => {
                // A client that leaves closes its connection and says so on the signal connection; the
                // datagram is often first. Who is not removed by then is reported lost.
                let participant = &mut self.participants[owner];
                participant.has_ended = true;
                participant.unreachable_since.get_or_insert(now);
            }
        }
    }

    /// A packet of a published track: noted, then handed to each subscription.
    pub(super) fn ingest(&mut self, publisher: ParticipantKey, packet: &Packet, now: Instant) {
        self.stats.packets_received += 1;
        let Some(key) = self.participants[publisher].publications.track(packet.mid) else { return };
        let Some(track) = self.tracks.get_mut(key) else { return };
        let Some(format) = track.format(packet.payload_type).or_else(|| {
            let format = self.transports.get(track.transport)?.transport.format(packet.payload_type)?;
            track.learn_format(packet.payload_type, format);
            Some(format)
        }) else {
            return;
        };
        let Some(ingested) = track.ingest(packet, format) else { return };
        if track.kind == Kind::Audio && self.next_levels_at.is_none() {
            self.next_levels_at = Some(now + LEVELS_INTERVAL);
        }
        if !track.is_muted {
            let subscriptions = std::mem::take(&mut track.subscriptions);
            for subscription in &subscriptions {
                self.forward(*subscription, key, packet, &ingested, now);
            }
            if let Some(track) = self.tracks.get_mut(key) {
                track.subscriptions = subscriptions;
            }
        }
        if let Some(rid) = self.tracks.get_mut(key).and_then(|track| track.poll_keyframe_request(now)) {
            self.request_keyframe(key, rid);
        }
    }

    pub(super) fn forward(
        &mut self,
        key: SubscriptionKey,
        track: TrackKey,
        packet: &Packet,
        ingested: &Ingested,
        now: Instant,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(key) else { return };
        let Some(section) = subscription.section else { return };
        if !subscription.demand.enabled {
            return;
        }
        let subscriber = subscription.subscriber;
        let transport = self.participants[subscriber].subscriber;
        let Some(slot) = self.transports.get_mut(transport) else { return };
        if !slot.transport.is_connected() {
            return;
        }
        let Some(track_state) = self.tracks.get_mut(track) else { return };
        let target = track_state.best_layer(subscription.demand.max_spatial, now);
        let verdict = subscription.forwarder.forward(ingested.layer, ingested.is_entry, target);
        let is_switch = match verdict {
            Verdict::Forward => false,
            Verdict::Switch => {
                tracing::debug!(track = %track_state.id, layer = ingested.layer, ?target, "entered a layer");
                true
            }
            Verdict::Drop => return,
            Verdict::DropAndAsk => {
                if let Some(rid) = track_state.request_keyframe(ingested.layer, now) {
                    self.request_keyframe(track, rid);
                }
                return;
            }
        };
        let look_up = || slot.transport.payload_type(section, ingested.format);
        let Some(pt) = subscription.payload_type(packet.payload_type, look_up) else { return };
        let spec = ingested.format.spec();
        let step = Step {
            is_switch,
            clock_rate_hz: spec.clock_rate.get(),
            is_vp8: ingested.codec == Some(VideoCodec::Vp8),
            is_video: ingested.codec.is_some(),
        };
        let written = catch_unwind(AssertUnwindSafe(|| slot.transport.write(section, pt, packet, step)));
        if written.is_err() {
            // The receiver's state is broken, the publisher's and the others' are not.
            self.fail_internally(subscriber);
            return;
        }
        self.stats.packets_forwarded += 1;
        self.mark_dirty(transport);
    }

    pub(super) fn mark_dirty(&mut self, key: TransportKey) {
        if let Some(slot) = self.transports.get_mut(key)
            && !slot.is_dirty
        {
            slot.is_dirty = true;
            self.dirty.push(key);
        }
    }

    pub(super) fn flush_transport(&mut self, key: TransportKey, now: Instant) {
        let Some(slot) = self.transports.get_mut(key) else {
            self.deadlines.retain(|(_, k)| *k != key);
            return;
        };
        slot.is_dirty = false;
        let owner = slot.participant;
        self.contain(owner, |worker| {
            if let Some(slot) = worker.transports.get_mut(key) {
                slot.transport.flush(now, &mut worker.outbox);
            }
            worker.after_transport(key, now);
        });
    }

    pub(super) fn schedule(&mut self, key: TransportKey) {
        let Some(slot) = self.transports.get_mut(key) else { return };
        let next = slot.transport.deadline();
        if next == slot.deadline {
            return;
        }
        if let Some(before) = slot.deadline {
            self.deadlines.remove(&(before, key));
        }
        slot.deadline = next;
        if let Some(next) = next {
            self.deadlines.insert((next, key));
        }
    }

    pub(super) fn request_keyframe(&mut self, track: TrackKey, rid: Option<Rid>) {
        let Some(track) = self.tracks.get(track) else { return };
        tracing::debug!(track = %track.id, ?rid, "asked for a key frame");
        let (transport, mid) = (track.transport, track.mid);
        if let Some(slot) = self.transports.get_mut(transport) {
            slot.transport.request_keyframe(mid, rid);
            self.stats.keyframe_requests += 1;
            self.mark_dirty(transport);
        }
    }

    /// A subscriber's PLI or FIR goes to the publisher of what it sees on that section.
    pub(super) fn forward_keyframe_request(&mut self, subscriber: ParticipantKey, mid: Mid, now: Instant) {
        let wanted = self.participants[subscriber]
            .subscriptions
            .iter()
            .copied()
            .find(|key| self.subscriptions.get(*key).is_some_and(|s| s.section == Some(mid)));
        tracing::debug!(%mid, found = wanted.is_some(), "subscriber wants a key frame");
        if let Some(subscription) = wanted {
            self.ask_for_picture(subscription, now);
        }
    }

    /// Asks the publisher for a key frame of the layer a subscription shows, or is about to show.
    pub(super) fn ask_for_picture(&mut self, key: SubscriptionKey, now: Instant) {
        match self.subscriptions.get(key).and_then(|s| s.forwarder.current()) {
            Some(shown) => self.ask_for_layer(key, shown, now),
            None => self.ask_for_target(key, now),
        }
    }

    /// Asks for a key frame of the layer a subscription is to show, unless it shows that already.
    pub(super) fn ask_for_target(&mut self, key: SubscriptionKey, now: Instant) {
        let Some(subscription) = self.subscriptions.get(key) else { return };
        let Some(track) = subscription.track.and_then(|track| self.tracks.get(track)) else { return };
        let target = track.best_layer(subscription.demand.max_spatial, now);
        if let Some(target) = target.filter(|target| subscription.forwarder.current() != Some(*target)) {
            self.ask_for_layer(key, target, now);
        }
    }

    fn ask_for_layer(&mut self, key: SubscriptionKey, layer: u8, now: Instant) {
        let Some(subscription) = self.subscriptions.get(key) else { return };
        let Some(track_key) = subscription.track else { return };
        if subscription.kind != Kind::Video || !subscription.demand.enabled || subscription.section.is_none() {
            return;
        }
        // What comes before the client is there would be dropped, and the next request would have to wait.
        let transport = self.participants[subscription.subscriber].subscriber;
        if !self.transports.get(transport).is_some_and(|slot| slot.transport.is_connected()) {
            return;
        }
        let Some(track) = self.tracks.get_mut(track_key) else { return };
        if let Some(rid) = track.request_keyframe(layer, now) {
            self.request_keyframe(track_key, rid);
        }
    }
}
