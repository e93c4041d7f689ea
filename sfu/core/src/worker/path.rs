//! The path of a packet, and of the key frame requests that travel against it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use str0m::format::PayloadParams;
use str0m::media::Mid;

use super::ahead::AHEAD;
use super::{LEVELS_INTERVAL, Worker};
use crate::forwarder::{Arrival, Verdict};
use crate::relay::RelayMessage;
use crate::track::{Ingested, Origin, Role, Section};
use crate::transport::{Happening, Packet};
use crate::{Event, Kind, ParticipantKey, SubscriptionKey, TrackKey, TransportKey};

/// What a packet has around its payload: header, extensions, authentication tag, UDP and IP. Roughly.
const OVERHEAD: usize = 80;

impl Worker {
    /// A transport was driven: acts on what came out, then notes when it wants to be driven again.
    pub(super) fn after_transport(&mut self, key: TransportKey, now: Instant) {
        let mut happenings = std::mem::take(&mut self.outbox.happenings);
        for happening in happenings.drain(..) {
            self.handle_happening(key, happening, now);
        }
        // Acting may have driven other transports: their happenings were acted on there.
        self.outbox.happenings = happenings;
        self.follow_estimate(key);
        self.schedule(key);
    }

    pub(super) fn handle_happening(&mut self, key: TransportKey, happening: Happening, now: Instant) {
        let Some(owner) = self.transports.get(key).map(|slot| slot.participant) else { return };
        match happening {
            Happening::Packet(packet) => self.ingest(owner, packet, now),
            Happening::KeyframeWanted(mid) => self.forward_keyframe_request(owner, mid, now),
            Happening::Data(channel, payload) => {
                self.report(owner, |participant| Event::Data { participant, channel, payload });
            }
            Happening::Connected => {
                if self.participants[owner].subscriber == key {
                    self.report(owner, |participant| Event::Connected { participant });
                    self.unbalance(owner);
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
    pub(super) fn ingest(&mut self, publisher: ParticipantKey, packet: Packet, now: Instant) {
        self.stats.packets_received += 1;
        if let Some(slot) = self.transports.get_mut(self.participants[publisher].publisher) {
            slot.policer.spend(packet.payload.len() + OVERHEAD, now);
        }
        let Some(key) = self.participants[publisher].publications.track(packet.mid) else { return };
        let Some(track) = self.tracks.get_mut(key) else { return };
        let Some(format) = track.format(packet.payload_type).or_else(|| {
            let transport = track.section()?.transport;
            let format = self.transports.get(transport)?.transport.format(packet.payload_type)?;
            track.learn_format(packet.payload_type, format);
            Some(format)
        }) else {
            return;
        };
        let mut primary_at = 0;
        if track.kind == Kind::Audio {
            self.next_levels_at.get_or_insert(now + LEVELS_INTERVAL);
            let Some((at, recovered)) = track.unfold(&packet, format) else { return };
            primary_at = at;
            for packet in recovered {
                self.distribute(key, packet, format, 0, now);
            }
        }
        self.distribute(key, packet, format, primary_at, now);
    }

    /// A packet of a track goes to everybody who takes it.
    fn distribute(&mut self, key: TrackKey, packet: Packet, format: PayloadParams, primary_at: usize, now: Instant) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        if track.kind == Kind::Audio && !track.sound.admits(packet.payload.len() + OVERHEAD, now) {
            self.stats.packets_policed += 1;
            return;
        }
        let Some((ingested, is_news)) = track.ingest(packet, format, primary_at) else { return };
        let ingested = Arc::new(ingested);
        self.relay(key, &ingested, now);
        self.deliver(key, &ingested, is_news, now);
    }

    /// A packet that was read, here or by the worker of its publisher, goes to the subscriptions. `is_news`: the layers
    /// to choose from have changed with it.
    pub(super) fn deliver(&mut self, key: TrackKey, ingested: &Arc<Ingested>, is_news: bool, now: Instant) {
        if is_news {
            if let Some(Role::Backup { primary }) = self.tracks.get(key).map(|track| track.role) {
                self.choose_codecs(primary, now);
            }
            // Before it is forwarded: a layer begins with the key frame that lets receivers in.
            self.unbalance_takers(key);
            self.balance(now);
            self.aim_taps(key, now);
        }
        let Some(track) = self.tracks.get_mut(key) else { return };
        if !track.is_muted {
            let subscriptions = std::mem::take(&mut track.subscriptions);
            for near in subscriptions.chunks(AHEAD) {
                self.look_ahead(near, &ingested.info);
                for subscription in near {
                    self.forward(*subscription, key, ingested, now);
                }
            }
            if let Some(track) = self.tracks.get_mut(key) {
                track.subscriptions = subscriptions;
                if !track.taps.is_empty() {
                    self.tap(key, ingested, now);
                }
            }
        }
        if let Some(stream) = self.tracks.get_mut(key).and_then(|track| track.poll_keyframe_request(now)) {
            self.request_keyframe(key, stream);
        }
    }

    pub(super) fn forward(&mut self, key: SubscriptionKey, track: TrackKey, ingested: &Arc<Ingested>, now: Instant) {
        let Some(subscription) = self.subscriptions.get_mut(key) else { return };
        let (Some(section), Some(stream)) = (subscription.section, subscription.stream) else { return };
        let subscriber = subscription.subscriber;
        let transport = self.participants[subscriber].subscriber;
        let Some(slot) = self.transports.get_mut(transport).filter(|slot| slot.transport.is_connected()) else {
            return;
        };
        let Ingested { packet, info, .. } = &**ingested;
        let look_up = || slot.transport.out_format(section, ingested.format, ingested.is_redundant());
        let Some(format) = subscription.format(packet.payload_type, look_up) else {
            return self.cannot_decode(key, track);
        };
        let arrival = Arrival { at: packet.arrived_at, clock_rate_hz: format.clock_rate_hz };
        let (forwarder, outbox) = (&mut subscription.forwarder, &mut self.outbox);
        let written = catch_unwind(AssertUnwindSafe(|| {
            let egress = slot.transport.egress_mut();
            match forwarder.forward(info, egress.numbers(stream), arrival) {
                Verdict::Drop => None,
                Verdict::Forward(placement) => {
                    Some((placement.marker, egress.write(stream, ingested, placement, format, now, outbox)))
                }
            }
        }));
        let Ok(written) = written else {
            // The receiver's state is broken, the publisher's and the others' are not.
            self.fail_internally(subscriber);
            return;
        };
        if let Some((ends_picture, needs_attention)) = written {
            self.stats.packets_forwarded += 1;
            subscription.sent.add(ingested.payload(format).len(), now);
            if ends_picture {
                subscription.frames.add(now);
            }
            if needs_attention {
                self.mark_dirty(transport);
            }
        } else if subscription.forwarder.waits_for_keyframe() == Some(info.stream) {
            self.ask_for_stream(key, track, info.stream, now);
        }
    }

    /// The subscriber takes none of the formats the track comes in.
    fn cannot_decode(&mut self, key: SubscriptionKey, track: TrackKey) {
        let Some(subscription) = self.subscriptions.get_mut(key) else { return };
        let is_news = match self.tracks.get(track).map(|track| track.role) {
            None | Some(Role::Only) => return self.tell_not_decodable(key),
            Some(Role::Primary { .. }) => !std::mem::replace(&mut subscription.lacks_primary, true),
            Some(Role::Backup { .. }) => !std::mem::replace(&mut subscription.lacks_backup, true),
        };
        if is_news {
            // It may take the other codec.
            self.reconsidered.insert(track);
        }
    }

    /// The subscriber takes nothing of what the track comes in: said once.
    pub(super) fn tell_not_decodable(&mut self, key: SubscriptionKey) {
        let Some(subscription) = self.subscriptions.get_mut(key) else { return };
        if !std::mem::replace(&mut subscription.is_undecodable, true) {
            // Nobody else may want it.
            self.reconsidered.extend(subscription.track);
            let (subscriber, track) = (subscription.subscriber, subscription.track_id.clone());
            self.unbalance(subscriber);
            self.report(subscriber, |subscriber| Event::NotDecodable { subscriber, track });
        }
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
        let Some(slot) = self.transports.get_mut(key) else { return };
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
        self.deadlines.reschedule(key, slot.deadline, next);
        slot.deadline = next;
    }

    pub(super) fn request_keyframe(&mut self, track: TrackKey, stream: u8) {
        let Some(track) = self.tracks.get(track) else { return };
        tracing::debug!(track = %track.id, stream, "asked for a key frame");
        match track.origin {
            Origin::Here(Section { transport, mid: Some(mid), .. }) => {
                let rid = track.rid(stream);
                if let Some(slot) = self.transports.get_mut(transport) {
                    slot.transport.request_keyframe(mid, rid);
                    self.stats.keyframe_requests += 1;
                    self.mark_dirty(transport);
                }
            }
            Origin::Here(Section { mid: None, .. }) => {}
            Origin::Elsewhere { worker, track, .. } => {
                self.say(worker, RelayMessage::Keyframe { track, stream });
            }
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

    /// Asks the publisher for a key frame of the encoding a subscription shows, or is about to show.
    pub(super) fn ask_for_picture(&mut self, key: SubscriptionKey, now: Instant) {
        let Some(subscription) = self.subscriptions.get(key) else { return };
        let forwarder = &subscription.forwarder;
        let stream = forwarder.stream().or_else(|| forwarder.waits_for_keyframe());
        if let (Some(stream), Some(track)) = (stream, subscription.track) {
            self.ask_for_stream(key, track, stream, now);
        }
    }

    pub(super) fn ask_for_stream(&mut self, key: SubscriptionKey, track_key: TrackKey, stream: u8, now: Instant) {
        let Some(subscription) = self.subscriptions.get(key) else { return };
        if subscription.kind != Kind::Video || !subscription.demand.enabled || subscription.section.is_none() {
            return;
        }
        // What comes before the client is there would be dropped, and the next request would have to wait.
        let transport = self.participants[subscription.subscriber].subscriber;
        if !self.transports.get(transport).is_some_and(|slot| slot.transport.is_connected()) {
            return;
        }
        let Some(track) = self.tracks.get_mut(track_key) else { return };
        if track.request_keyframe(stream, now) {
            self.request_keyframe(track_key, stream);
        }
    }
}
