//! Offers and answers of both sides, and the sections they open.

use std::time::Instant;

use sluice_sdp::Sdp;
use str0m::media::Mid;

use super::Worker;
use crate::participant::Participant;
use crate::publications::Binding;
use crate::transport::{Need, NegotiationError, Offered, Opened};
use crate::{Connection, Event, ExpectedTrack, ParticipantKey, TransportKey};

impl Worker {
    pub(super) fn handle_offer(&mut self, key: ParticipantKey, id: u32, sdp: &str, now: Instant) {
        let Participant { publisher: transport, publications, .. } = &self.participants[key];
        let transport = *transport;
        let result = Sdp::parse(sdp).map_err(NegotiationError::from).and_then(|offer| {
            let plan = publications.plan(&offer);
            // Every answer repeats the preferences of tracks bound earlier.
            let bound = publications
                .tracks()
                .filter_map(|t| self.tracks.get(t))
                .filter_map(|t| Some((t.section()?.mid?, &t.expected)));
            let new = plan.bindings.iter().map(|b| (b.mid, &b.expected));
            let published: Vec<(Mid, &ExpectedTrack)> = new.chain(bound).collect();
            let transport = &mut self.transports[transport].transport;
            let answered = transport.handle_offer(offer, &published, self.random.as_mut(), &mut self.outbox)?;
            Ok((plan, answered))
        });
        self.follow_credentials(transport);
        let (plan, answered) = match result {
            Ok(done) => done,
            Err(error) => {
                self.refuse_negotiation(key, id, &error);
                // str0m may have acted on a part of it.
                return self.after_transport(transport, now);
            }
        };
        self.participants[key].publications.apply(&plan);
        for track in &plan.removed {
            if self.is_backup(*track) {
                self.unpublish_backup(*track, now);
            } else if let Some(track) = self.remove_track(*track) {
                // Of its second codec, too.
                self.participants[key].publications.forget_expected(&track);
                self.report(key, |participant| Event::TrackRemoved { participant, track });
            }
        }
        let agreed = |mid: Mid| {
            answered
                .sdp
                .sections
                .iter()
                .find(|s| Mid::from(s.mid()) == mid)
                .and_then(|s| s.first_mime_type())
        };
        let bindings: Vec<_> = plan.bindings.into_iter().map(|b| Binding { mime_type: agreed(b.mid), ..b }).collect();
        let mid_to_track = self.transports[transport].transport.mid_to_track();
        let sdp = answered.sdp.to_string();
        self.report(key, |participant| Event::Answer { participant, id, sdp, mid_to_track });
        for binding in bindings {
            self.add_track(key, binding, now);
        }
        self.open_sections(&answered.opened);
        self.after_transport(transport, now);
        self.unsettled.insert(key);
    }

    pub(super) fn handle_answer(&mut self, key: ParticipantKey, id: u32, sdp: &str, now: Instant) {
        let transport = self.participants[key].subscriber;
        if self.participants[key].connection == Connection::Single {
            return self.refuse_negotiation(key, id, &NegotiationError::Stale(id));
        }
        let result = self.transports[transport].transport.handle_answer(id, sdp, &mut self.outbox);
        self.follow_credentials(transport);
        match result {
            Ok(opened) => self.open_sections(&opened),
            Err(error) => self.refuse_negotiation(key, id, &error),
        }
        self.after_transport(transport, now);
        self.unsettled.insert(key);
    }

    /// A transport may have new credentials: its client's checks name them from now on.
    fn follow_credentials(&mut self, transport: TransportKey) {
        let ufrag = self.transports[transport].transport.ufrag().to_owned();
        self.demux.set_ufrag(transport, &ufrag);
    }

    /// Says to whoever's sections changed what must be negotiated next. Once for all that a batch of input
    /// brought, so that ten new tracks are one offer.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some(key) = self.unsettled.pop_first() {
            self.contain(key, |worker| worker.negotiate(key, now));
        }
    }

    pub(super) fn refuse_negotiation(&mut self, key: ParticipantKey, id: u32, error: &NegotiationError) {
        let reason = error.to_string();
        self.report(key, |participant| Event::NegotiationFailed { participant, id, reason });
    }

    /// Says what must be negotiated next, if anything.
    fn negotiate(&mut self, key: ParticipantKey, now: Instant) {
        let Some(participant) = self.participants.get(key) else { return };
        let subscriber = participant.subscriber;
        let transport = &mut self.transports[subscriber].transport;
        match participant.connection {
            Connection::Single => {
                if let Some(Need { audio, video }) = transport.poll_need() {
                    self.report(key, |participant| Event::SectionsNeeded { participant, audio, video });
                }
            }
            Connection::Dual => {
                if let Some(Offered { id, sdp }) = transport.poll_offer(self.random.as_mut(), &mut self.outbox) {
                    let mid_to_track = transport.mid_to_track();
                    self.report(key, |participant| Event::Offer { participant, id, sdp, mid_to_track });
                    self.after_transport(subscriber, now);
                }
            }
        }
    }

    pub(super) fn open_sections(&mut self, opened: &[Opened]) {
        for Opened { subscription: key, mid } in opened {
            let Some(subscription) = self.subscriptions.get_mut(*key) else { continue };
            let transport = self.participants.get(subscription.subscriber).map(|p| p.subscriber);
            let slot = transport.and_then(|transport| self.transports.get(transport));
            subscription.open(*mid, slot.and_then(|slot| slot.transport.stream(*mid)));
            self.reconsidered.extend(subscription.track);
            let (subscriber, track) = (subscription.subscriber, subscription.track_id.clone());
            self.unbalance(subscriber);
            self.report(subscriber, |subscriber| Event::Subscribed { subscriber, track });
        }
    }
}
