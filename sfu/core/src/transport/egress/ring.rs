//! What was sent, for as long as a receiver may ask for it again: of pictures references to the packets, not copies.
//!
//! Of sound the datagrams themselves: clients agree on no repair stream for it, so it is sent again under its own
//! number, and under one number (one nonce) no other bytes may ever leave. A second of a voice is 8 KB.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::stream::OutFormat;
use crate::allocator::LayerId;
use crate::forwarder::{Placement, is_within};
use crate::track::Ingested;

/// Older packets are of no use: a receiver has shown the picture or asked for a new one.
const MAX_AGE: Duration = Duration::from_millis(1000);
/// A second of 8 Mbit/s. Beyond it the oldest go.
pub(super) const MAX_PACKETS: usize = 800;
/// A second of the shortest frames that browsers send, 10 ms. Beyond it the oldest go.
pub(super) const MAX_SOUNDS: usize = 100;
/// A packet may be lost again. What did not come through in so many tries will not.
const MAX_RESENDS: u8 = 5;
/// Asked for again sooner than this (or than a round trip), the last copy is still on its way.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// How a packet is sent again.
#[derive(Debug, Clone)]
pub(super) enum Again {
    /// On the repair stream, in the format it left in: the section may carry another track by then.
    Repair(Arc<Ingested>, OutFormat),
    /// As it left, with its transport-wide number if it has one.
    Copy(Vec<u8>, Option<u16>),
}

/// A packet sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) placement: Placement,
    pub(super) again: Again,
    layer: LayerId,
    sent_at: Instant,
    resent_at: Option<Instant>,
    resends: u8,
}

/// The last packets of one outgoing stream, in order of their numbers.
#[derive(Debug)]
pub(super) struct Ring {
    sent: VecDeque<Sent>,
    capacity: usize,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self { sent: VecDeque::new(), capacity }
    }

    /// Reads something of the oldest and the newest, beside which the next will lie.
    pub(super) fn touch(&self) -> impl Copy + use<> {
        let ends = |sent: &Sent| (sent.placement.sequence, sent.sent_at, sent.resends);
        (self.sent.front().map(ends), self.sent.back().map(ends))
    }

    /// Keeps a datagram, in the room of one that is too old now.
    pub(super) fn push_copy(
        &mut self,
        layer: LayerId,
        placement: Placement,
        (datagram, number): (&[u8], Option<u16>),
        now: Instant,
    ) {
        let mut copy = match self.make_room(now).map(|sent| sent.again) {
            Some(Again::Copy(copy, _)) => copy,
            Some(Again::Repair(..)) | None => Vec::new(),
        };
        copy.clear();
        copy.extend_from_slice(datagram);
        self.push(layer, placement, Again::Copy(copy, number), now);
    }

    /// Forgets what is too old, or too much for one more; the last of it.
    fn make_room(&mut self, now: Instant) -> Option<Sent> {
        let mut last = None;
        while self.sent.len() >= self.capacity || self.sent.front().is_some_and(|sent| is_old(sent, now)) {
            last = self.sent.pop_front();
        }
        last
    }

    pub(super) fn push(&mut self, layer: LayerId, placement: Placement, again: Again, now: Instant) {
        self.make_room(now);
        let sent = Sent { placement, again, layer, sent_at: now, resent_at: None, resends: 0 };
        if self.sent.back().is_none_or(|newest| newest.placement.sequence < sent.placement.sequence) {
            self.sent.push_back(sent);
            return;
        }
        // A late packet goes where its number belongs.
        let place = self.sent.partition_point(|s| s.placement.sequence < sent.placement.sequence);
        if self.sent.get(place).is_none_or(|s| s.placement.sequence != sent.placement.sequence) {
            self.sent.insert(place, sent);
        }
    }

    /// The packet whose number ends in these 16 bits, to be sent again now. `None`: gone, just resent, resent too
    /// often, or of a layer above what is `useful`: its receiver has been taken to a smaller one meanwhile.
    pub(super) fn resend(
        &mut self,
        sequence: u16,
        round_trip: Duration,
        now: Instant,
        useful: Option<LayerId>,
    ) -> Option<Sent> {
        let newest = self.sent.back()?.placement.sequence;
        let [.., high, low] = newest.to_be_bytes();
        let behind = u16::from_be_bytes([high, low]).wrapping_sub(sequence);
        let wanted = newest.checked_sub(u64::from(behind))?;
        let place = self.sent.binary_search_by_key(&wanted, |s| s.placement.sequence).ok()?;
        let sent = self.sent.get_mut(place)?;
        if !useful.is_some_and(|useful| is_within(sent.layer, useful)) {
            return None;
        }
        let too_soon = |at: Instant| now.saturating_duration_since(at) < round_trip.max(MIN_INTERVAL);
        if is_old(sent, now) || sent.resends == MAX_RESENDS || sent.resent_at.is_some_and(too_soon) {
            return None;
        }
        sent.resends += 1;
        sent.resent_at = Some(now);
        Some(sent.clone())
    }

    /// The packet in front of the newest, when it left no longer ago than that and only once.
    pub(super) fn before_newest(&self, within: Duration, now: Instant) -> Option<&Sent> {
        let before = self.sent.iter().nth_back(1)?;
        let is_fresh = now.saturating_duration_since(before.sent_at) <= within;
        (is_fresh && before.resends == 0).then_some(before)
    }

    /// Forgets what nobody will ask for any more.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.sent.front().is_some_and(|sent| is_old(sent, now)) {
            self.sent.pop_front();
        }
    }
}

fn is_old(sent: &Sent, now: Instant) -> bool {
    now.saturating_duration_since(sent.sent_at) > MAX_AGE
}
