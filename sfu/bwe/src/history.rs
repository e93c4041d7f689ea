//! What was sent, until feedback tells its fate: a ring indexed by the transport-wide sequence number.
//!
//! Owned by the controller. It does not know what loss or delay mean.

use crate::clock::{Micros, SECOND};

/// What one transport remembers at first: 4 KiB, enough for audio.
const INITIAL_LEN: usize = 256;
/// The ring stops growing here (128 KiB): 9 MB of packets of 1100 bytes on their way. Beyond it the oldest are
/// forgotten, and feedback about them is ignored.
const MAX_LEN: usize = 8192;
/// A packet unreported for so long is not waited for: its place is taken before the ring grows.
const WAIT: Micros = 2 * SECOND;

/// What is known of a packet on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// When it was handed to the network.
    pub(crate) at: Micros,
    /// Low half of the extended sequence number; the ring is far shorter than its period.
    sequence: u32,
    /// Bytes on the wire, with IP and UDP headers.
    pub(crate) size: u16,
    /// Label of the probe cluster it counts for; 0 is none.
    pub(crate) cluster: u8,
    state: u8,
}

const EMPTY: u8 = 0;
const IN_FLIGHT: u8 = 1;
const MISSING: u8 = 2;
const ARRIVED: u8 = 3;
const STATE: u8 = 0x0f;
/// Delay of this packet says more about a probe than about the media.
const SHADED: u8 = 0x10;
/// It left twice under one number.
const REPEATED: u8 = 0x20;

impl Sent {
    const NONE: Self = Self { at: 0, sequence: 0, size: 0, cluster: 0, state: EMPTY };

    /// The packet was part of a probe, or sent while the queue a probe may have left was draining.
    pub(crate) fn is_shaded(self) -> bool {
        self.state & SHADED != 0
    }

    /// It left twice: nobody can tell which of the two arrived.
    pub(crate) fn is_repeated(self) -> bool {
        self.state & REPEATED != 0
    }
}

/// What feedback changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reported {
    /// First report: it arrived.
    Arrived(Sent),
    /// Reported missing before, it has arrived after all.
    Recovered(Sent),
    /// First report: it did not arrive (so far).
    Missing(Sent),
}

/// The ring.
#[derive(Debug)]
pub(crate) struct History {
    ring: Vec<Sent>,
    newest: Option<u64>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { ring: vec![Sent::NONE; INITIAL_LEN], newest: None }
    }

    /// The highest number noted.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Reads the place of a number.
    pub(crate) fn touch(&self, sequence: u16) -> Micros {
        self.ring[self.index(u64::from(sequence))].at
    }

    /// Notes a packet. Numbers go up; one that does not is not noted, for its feedback could not be told from that of
    /// another. Allocates only when the ring doubles, at most five times in its life.
    pub(crate) fn insert(&mut self, sequence: u16, at: Micros, size: u16, cluster: u8, is_shaded: bool) {
        let extended = match self.newest {
            // Starts one period up, so that what was before the first has a number too.
            None => u64::from(sequence) + (1 << 16),
            Some(newest) => {
                let step = sequence.wrapping_sub(low16(newest));
                if step == 0 || step >= 1 << 15 {
                    return;
                }
                newest + u64::from(step)
            }
        };
        self.newest = Some(extended);
        let in_the_way = self.ring[self.index(extended)];
        let is_waited_for = in_the_way.state & STATE == IN_FLIGHT && at.saturating_sub(in_the_way.at) < WAIT;
        if is_waited_for && self.ring.len() < MAX_LEN {
            self.grow();
        }
        let index = self.index(extended);
        let state = if is_shaded { IN_FLIGHT | SHADED } else { IN_FLIGHT };
        self.ring[index] = Sent { at, sequence: low32(extended), size, cluster, state };
    }

    /// Applies one line of feedback. `None`: never sent, too old, or already known.
    pub(crate) fn report(&mut self, sequence: u16, has_arrived: bool) -> Option<Reported> {
        let newest = self.newest?;
        // Feedback is about the past: of the numbers with these bits, the newest not above what was sent.
        let extended = newest.checked_sub(u64::from(low16(newest).wrapping_sub(sequence)))?;
        let index = self.index(extended);
        let sent = &mut self.ring[index];
        if sent.sequence != low32(extended) {
            return None;
        }
        let before = sent.state & STATE;
        let after = if has_arrived { ARRIVED } else { MISSING };
        let was = *sent;
        match (before, has_arrived) {
            (IN_FLIGHT, _) | (MISSING, true) => sent.state = (sent.state & !STATE) | after,
            _ => return None,
        }
        Some(match (before, has_arrived) {
            (MISSING, _) => Reported::Recovered(was),
            (_, true) => Reported::Arrived(was),
            (_, false) => Reported::Missing(was),
        })
    }

    /// Feedback about what was sent so far is of no interest any more.
    pub(crate) fn forget(&mut self) {
        self.ring.fill(Sent::NONE);
    }

    /// A packet was sent once more under its number.
    pub(crate) fn repeat(&mut self, sequence: u16) {
        let Some(newest) = self.newest else { return };
        let Some(extended) = newest.checked_sub(u64::from(low16(newest).wrapping_sub(sequence))) else { return };
        let index = self.index(extended);
        let sent = &mut self.ring[index];
        if sent.sequence == low32(extended) && sent.state != EMPTY {
            sent.state |= REPEATED;
        }
    }

    fn index(&self, extended: u64) -> usize {
        // The length is a power of two, so the low half of the number is enough.
        low32(extended) as usize & (self.ring.len() - 1)
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.ring);
        self.ring = vec![Sent::NONE; old.len() * 2];
        for sent in old.into_iter().filter(|sent| sent.state != EMPTY) {
            let index = self.index(u64::from(sent.sequence));
            self.ring[index] = sent;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
fn low16(extended: u64) -> u16 {
    extended as u16
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
fn low32(extended: u64) -> u32 {
    extended as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn sent_at(reported: Option<Reported>) -> Option<Micros> {
        match reported? {
            Reported::Arrived(sent) | Reported::Recovered(sent) | Reported::Missing(sent) => Some(sent.at),
        }
    }

    #[test]
    fn a_packet_is_reported_once_and_may_turn_up_late() {
        let mut history = History::new();
        history.insert(u16::MAX, 10, 100, 0, false);
        history.insert(0, 20, 100, 0, true);
        assert!(matches!(history.report(u16::MAX, true), Some(Reported::Arrived(sent)) if sent.at == 10));
        assert_eq!(history.report(u16::MAX, true), None, "known");
        assert!(matches!(history.report(0, false), Some(Reported::Missing(sent)) if sent.is_shaded()));
        assert_eq!(history.report(0, false), None, "known");
        assert!(matches!(history.report(0, true), Some(Reported::Recovered(sent)) if sent.at == 20));
        assert_eq!(history.report(1, true), None, "never sent");
        assert_eq!(history.report(40_000, true), None, "never sent");
    }

    #[test]
    fn a_packet_sent_twice_is_known_by_it() {
        let mut history = History::new();
        history.insert(7, 10, 100, 0, false);
        history.insert(8, 20, 100, 0, false);
        history.repeat(7);
        history.repeat(9);
        assert!(matches!(history.report(7, true), Some(Reported::Arrived(sent)) if sent.is_repeated()));
        assert!(matches!(history.report(8, true), Some(Reported::Arrived(sent)) if !sent.is_repeated()));
    }

    #[test]
    fn the_ring_grows_while_packets_are_waited_for_and_then_forgets() {
        let mut history = History::new();
        let mut sequence = 65_000u16;
        for at in 0..20_000 {
            history.insert(sequence, at, 1, 0, false);
            sequence = sequence.wrapping_add(1);
        }
        assert_eq!(history.ring.len(), MAX_LEN);
        let last = sequence.wrapping_sub(1);
        assert_eq!(sent_at(history.report(last, true)), Some(19_999));
        assert_eq!(sent_at(history.report(last.wrapping_sub(8_191), true)), Some(11_808));
        assert_eq!(sent_at(history.report(last.wrapping_sub(8_192), true)), None, "forgotten");
    }

    #[test]
    fn a_ring_whose_packets_are_reported_stays_small() {
        let mut history = History::new();
        for at in 0..10_000u16 {
            history.insert(at, i64::from(at), 1, 0, false);
            if at >= 100 {
                assert!(history.report(at - 100, true).is_some());
            }
        }
        assert_eq!(history.ring.len(), INITIAL_LEN);
    }

    #[test]
    fn what_is_forgotten_is_not_reported_and_numbers_go_on() {
        let mut history = History::new();
        history.insert(7, 1, 1, 0, false);
        history.forget();
        assert_eq!(history.report(7, false), None);
        history.insert(8, 2, 1, 0, false);
        assert_eq!(sent_at(history.report(8, true)), Some(2));
    }

    #[test]
    fn a_number_that_does_not_go_up_is_not_noted() {
        let mut history = History::new();
        history.insert(7, 1, 1, 0, false);
        history.insert(7, 2, 1, 0, false);
        history.insert(6, 3, 1, 0, false);
        assert_eq!(sent_at(history.report(7, true)), Some(1));
        assert_eq!(history.report(6, true), None);
    }
}
