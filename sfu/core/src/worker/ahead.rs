//! What a packet will need of its next subscribers, fetched ahead.
//!
//! Between two packets of a track the kernel has sent the last one to everybody and thrown what we know of them out of
//! the near caches. Each subscriber then costs a chain of waits for memory, one behind the other: to its connection,
//! to its stream there, to the packet that leaves the stream's ring. Here a few subscribers' chains are followed side
//! by side, a link of all of them at a time, so that their waits fall together. What is read is of no importance; that
//! it was read is. Without `unsafe` there is no asking for memory without reading it.

use std::hint::black_box;

use super::Worker;
use crate::forwarder::PacketInfo;
use crate::{SubscriptionKey, TransportKey};

/// So many subscribers side by side: a processor has some twenty reads on their way at once.
pub(super) const AHEAD: usize = 16;

impl Worker {
    /// Fetches what forwarding this packet to these subscriptions will touch; to the first [`AHEAD`] of them.
    pub(super) fn look_ahead(&self, subscriptions: &[SubscriptionKey], packet: &PacketInfo) {
        if subscriptions.len() < 2 {
            return;
        }
        let mut ways = [None; AHEAD];
        for (way, key) in ways.iter_mut().zip(subscriptions) {
            let Some(subscription) = self.subscriptions.get(*key) else { continue };
            black_box(subscription.touch());
            *way = subscription.stream.map(|stream| (subscription.subscriber, stream));
        }
        let mut transports: [Option<TransportKey>; AHEAD] = [None; AHEAD];
        for (transport, way) in transports.iter_mut().zip(&ways) {
            *transport = way.and_then(|(subscriber, _)| self.participants.get(subscriber)).map(|p| p.subscriber);
        }
        let egresses = transports.map(|key| self.transports.get(key?).map(|slot| (slot, slot.transport.egress())));
        for (slot, egress) in egresses.iter().flatten() {
            black_box((slot.is_dirty, slot.transport.is_connected(), egress.touch()));
        }
        for (egress, way) in egresses.iter().zip(&ways) {
            if let (Some((_, egress)), Some((_, stream))) = (egress, way) {
                black_box(egress.touch_stream(*stream, packet));
            }
        }
        for (egress, way) in egresses.iter().zip(&ways) {
            if let (Some((_, egress)), Some((_, stream))) = (egress, way) {
                black_box(egress.touch_ring(*stream));
            }
        }
    }
}
