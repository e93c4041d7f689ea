//! Packets into groups sent together, and how the gap between two groups changed on the way.
//!
//! Groups are 5 ms of sending (draft-ietf-rmcat-gcc-02 section 5.2): a pacer's burst is one observation. Owned by the
//! controller. It does not judge.

use crate::clock::{MILLISECOND, Micros, SECOND};

/// Packets sent within this time of the first are one group.
const GROUP: Micros = 5 * MILLISECOND;
/// Packets that arrive this close behind each other, faster than they were sent, left a queue together: still one
/// group, however far apart they were sent.
const BURST: Micros = 5 * MILLISECOND;
/// but not for longer than this.
const MAX_BURST: Micros = 100 * MILLISECOND;
/// The receiver's clock jumped if the gaps differ by more: begin anew.
const CLOCK_JUMP: Micros = 3 * SECOND;
/// After so many groups in a row that arrived before the one sent before them, the clock has stepped back.
const MAX_REORDERED: u32 = 3;

/// The gap from one group to the next, at both ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Delta {
    pub(crate) sent: Micros,
    pub(crate) arrived: Micros,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: Micros,
    last_sent: Micros,
    first_arrived: Micros,
    last_arrived: Micros,
}

/// The grouping.
#[derive(Debug, Default)]
pub(crate) struct InterArrival {
    current: Option<Group>,
    previous: Option<Group>,
    reordered: u32,
}

impl InterArrival {
    /// Begins anew, so that what happened between the packets before and after is not seen.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes a packet, in order of arrival. Gives the gap between the two groups before the one that it begins.
    pub(crate) fn add(&mut self, sent: Micros, arrived: Micros) -> Option<Delta> {
        let Some(current) = &mut self.current else {
            self.current = Some(Group::new(sent, arrived));
            return None;
        };
        if sent < current.first_sent {
            // Out of order: belongs to a group that is closed.
            return None;
        }
        if arrived.abs_diff(current.last_arrived) > CLOCK_JUMP.unsigned_abs() + sent.abs_diff(current.last_sent) {
            self.reset();
            self.current = Some(Group::new(sent, arrived));
            return None;
        }
        if current.takes(sent, arrived) {
            current.last_sent = current.last_sent.max(sent);
            current.last_arrived = current.last_arrived.max(arrived);
            return None;
        }
        let closed = *current;
        *current = Group::new(sent, arrived);
        let previous = self.previous.replace(closed)?;
        let delta =
            Delta { sent: closed.last_sent - previous.last_sent, arrived: closed.last_arrived - previous.last_arrived };
        if delta.arrived < 0 {
            self.reordered += 1;
            if self.reordered >= MAX_REORDERED {
                self.reset();
            }
            return None;
        }
        self.reordered = 0;
        Some(delta)
    }
}

impl Group {
    fn new(sent: Micros, arrived: Micros) -> Self {
        Self { first_sent: sent, last_sent: sent, first_arrived: arrived, last_arrived: arrived }
    }

    fn takes(&self, sent: Micros, arrived: Micros) -> bool {
        let arrived_gap = arrived - self.last_arrived;
        let is_burst =
            arrived_gap <= BURST && arrived_gap < sent - self.last_sent && arrived - self.first_arrived < MAX_BURST;
        sent - self.first_sent <= GROUP || is_burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Micros = MILLISECOND;

    #[test]
    fn a_burst_is_one_group_and_groups_are_compared_by_their_last_packets() {
        let mut grouping = InterArrival::default();
        assert_eq!(grouping.add(0, 50 * MS), None);
        assert_eq!(grouping.add(4 * MS, 56 * MS), None);
        assert_eq!(grouping.add(20 * MS, 72 * MS), None, "two groups begun, one closed");
        assert_eq!(grouping.add(40 * MS, 95 * MS), Some(Delta { sent: 16 * MS, arrived: 16 * MS }));
        assert_eq!(grouping.add(60 * MS, 112 * MS), Some(Delta { sent: 20 * MS, arrived: 23 * MS }));
    }

    #[test]
    fn what_left_a_queue_together_is_one_group() {
        let mut grouping = InterArrival::default();
        for (sent, arrived) in [(0, 200), (20, 201), (40, 202), (60, 203)] {
            assert_eq!(grouping.add(sent * MS, arrived * MS), None);
        }
        assert!(grouping.previous.is_none(), "still the first group");
    }

    #[test]
    fn a_clock_that_jumps_begins_anew() {
        let mut grouping = InterArrival::default();
        for at in 0..3 {
            grouping.add(at * 20 * MS, at * 20 * MS);
        }
        assert_eq!(grouping.add(60 * MS, 60 * MS + 3600 * SECOND), None);
        assert_eq!(grouping.add(80 * MS, 80 * MS + 3600 * SECOND), None);
        assert_eq!(grouping.add(100 * MS, 100 * MS + 3600 * SECOND), Some(Delta { sent: 20 * MS, arrived: 20 * MS }));
    }
}
