//! Packets back in their order: waits for what is repaired, a bounded time and in bounded memory, then goes on.
//!
//! Owned by an intake. Knows sequence numbers only. A tap numbers its packets on one line of 64 bits, so that nothing
//! wraps here; a number that never comes was lost, or dropped where the tap's ring was full.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a hole may hold up what is behind it. A repair needs one round trip and the NACK's delay; 500 ms is two
/// attempts at the worst path we speak of.
pub(crate) const WAIT: Duration = Duration::from_millis(500);

/// Most bytes behind a hole: half a second at 32 Mbit/s, more than any browser sends.
const MAX_BYTES: usize = 2 << 20;

/// Most packets behind a hole, so that empty ones cost no memory either: half a second at 8,000 a second.
const MAX_PACKETS: usize = 4096;

/// What a tap says of a packet beside its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketHead {
    /// Number on the tap's one line, extended; a hole is a packet lost or not yet repaired.
    pub sequence: u64,
    /// RTP timestamp, in ticks of the format's clock, on the tap's one line.
    pub timestamp: u32,
    /// RTP marker: the last packet of a picture.
    pub marker: bool,
    /// When the packet came to this machine.
    pub received_at: Instant,
}

/// The next of the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A packet in its place.
    Packet(PacketHead, Vec<u8>),
    /// Nothing will come here any more.
    Lost,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Reorder {
    /// Number of the next packet.
    next: u64,
    held: BTreeMap<u64, (PacketHead, Vec<u8>)>,
    bytes: usize,
}

impl Reorder {
    /// Begins with this number.
    pub(crate) fn starting_at(next: u64) -> Self {
        Self { next, held: BTreeMap::new(), bytes: 0 }
    }

    /// Takes a packet. One whose place has passed, or that is there already, is dropped: `false`.
    pub(crate) fn insert(&mut self, head: PacketHead, payload: &[u8]) -> bool {
        if head.sequence < self.next || self.held.contains_key(&head.sequence) {
            return false;
        }
        self.bytes += payload.len();
        self.held.insert(head.sequence, (head, payload.to_vec()));
        true
    }

    /// What is next, as far as it is known by `now`. To be called until there is nothing.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Next> {
        let is_over = self.deadline().is_some_and(|deadline| deadline <= now);
        self.take(is_over || self.is_full())
    }

    /// No more is held than that.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes > MAX_BYTES || self.held.len() > MAX_PACKETS
    }

    /// What is next when nothing more will come.
    pub(crate) fn drain(&mut self) -> Option<Next> {
        self.take(true)
    }

    /// When a hole is given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let (sequence, (head, _)) = self.held.first_key_value()?;
        (*sequence != self.next).then(|| head.received_at + WAIT)
    }

    fn take(&mut self, gives_up: bool) -> Option<Next> {
        let first = self.held.first_entry()?;
        let sequence = *first.key();
        if sequence != self.next {
            if !gives_up {
                return None;
            }
            self.next = sequence;
            return Some(Next::Lost);
        }
        let (head, payload) = first.remove();
        self.bytes -= payload.len();
        // The end of the line is half a million years of packets away; what claims to be there stays there.
        self.next = sequence.saturating_add(1);
        Some(Next::Packet(head, payload))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

    use super::*;

    fn head(sequence: u64, received_at: Instant) -> PacketHead {
        PacketHead { sequence, timestamp: 0, marker: false, received_at }
    }

    fn all(reorder: &mut Reorder, now: Instant) -> Vec<Option<u64>> {
        std::iter::from_fn(|| reorder.poll(now))
            .map(|next| if let Next::Packet(head, _) = next { Some(head.sequence) } else { None })
            .collect()
    }

    #[test]
    fn a_hole_waits_for_its_repair_and_then_no_longer() {
        let (mut reorder, start) = (Reorder::starting_at(7), Instant::now());
        assert!(!reorder.insert(head(6, start), &[1]), "of the format before");
        for sequence in [7, 9, 10] {
            assert!(reorder.insert(head(sequence, start), &[1]));
        }
        assert_eq!(all(&mut reorder, start), [Some(7)]);
        assert_eq!(reorder.deadline(), Some(start + WAIT));
        assert!(reorder.insert(head(8, start), &[1]));
        assert_eq!(all(&mut reorder, start), [Some(8), Some(9), Some(10)]);
        assert!(!reorder.insert(head(9, start), &[1]), "its place has passed");

        reorder.insert(head(12, start), &[1]);
        assert_eq!(all(&mut reorder, start + WAIT / 2), []);
        assert_eq!(all(&mut reorder, start + WAIT), [None, Some(12)]);
    }

    #[test]
    fn what_waits_behind_a_hole_is_bounded_in_bytes_and_in_packets() {
        for payload in [vec![0; 1200], Vec::new()] {
            let (mut reorder, start) = (Reorder::starting_at(0), Instant::now());
            reorder.insert(head(0, start), &[]);
            for sequence in 2..20_000 {
                reorder.insert(head(sequence, start), &payload);
                all(&mut reorder, start);
                assert!(reorder.bytes <= MAX_BYTES && reorder.held.len() <= MAX_PACKETS);
            }
        }
    }

    #[test]
    fn the_last_number_there_is_ends_the_line_without_a_panic() {
        let (mut reorder, start) = (Reorder::starting_at(u64::MAX), Instant::now());
        reorder.insert(head(u64::MAX, start), &[]);
        assert_eq!(all(&mut reorder, start), [Some(u64::MAX)]);
        reorder.insert(head(u64::MAX, start), &[]);
        assert_eq!(all(&mut reorder, start), [Some(u64::MAX)]);
    }
}
