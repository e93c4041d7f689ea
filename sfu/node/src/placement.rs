//! Which worker a room goes to, or grows onto: a pure function of what the workers show of themselves.

use sluice_core::WorkerId;

/// What is known of a worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Stuck or gone.
    pub(crate) is_lost: bool,
    /// Share of its last second that it had something to do, of a thousand.
    pub(crate) busy_permille: u32,
    /// Peer connections there.
    pub(crate) connections: u64,
    /// Rooms open there, those without connections too.
    pub(crate) rooms: u32,
}

/// Loads this close are alike: what was measured in one second says no more.
const STEP_PERMILLE: u32 = 100;

/// The worker that has least to do; among those that have as little, the one with fewest connections, then with fewest
/// rooms: many rooms may open before anybody is in them. `None` when every worker is lost.
pub(crate) fn choose(loads: impl IntoIterator<Item = (WorkerId, Load)>) -> Option<WorkerId> {
    loads
        .into_iter()
        .filter(|(_, load)| !load.is_lost)
        .min_by_key(|(id, load)| (load.busy_permille / STEP_PERMILLE, load.connections, load.rooms, *id))
        .map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first is worker 0.
    fn choose(loads: &[Load]) -> Option<u8> {
        super::choose(WorkerId::all().zip(loads.iter().copied())).map(|worker| worker.0)
    }

    #[test]
    fn a_room_goes_to_the_worker_with_least_to_do() {
        let busy = |busy_permille, connections, rooms| Load { is_lost: false, busy_permille, connections, rooms };
        assert_eq!(
            choose(&[busy(700, 4, 1), busy(300, 90, 9)]),
            Some(1),
            "few with cameras weigh more than many without"
        );
        assert_eq!(choose(&[busy(340, 90, 1), busy(360, 4, 9)]), Some(1), "alike: fewer connections");
        assert_eq!(choose(&[busy(0, 0, 2), busy(0, 0, 1), busy(0, 0, 2)]), Some(1), "nobody has come yet");
        assert_eq!(choose(&[busy(0, 0, 0), busy(0, 0, 0)]), Some(0));
    }

    #[test]
    fn no_room_goes_to_a_worker_that_is_lost() {
        let lost = Load { is_lost: true, ..Load::default() };
        let full = Load { busy_permille: 1000, connections: 1000, ..Load::default() };
        assert_eq!(choose(&[lost, full]), Some(1));
        assert_eq!(choose(&[lost, lost]), None);
    }

    #[test]
    fn rooms_that_open_together_are_spread() {
        let mut loads = [Load::default(); 4];
        for _ in 0..40 {
            loads[usize::from(choose(&loads).unwrap_or(0))].rooms += 1;
        }
        assert!(loads.iter().all(|load| load.rooms == 10));
    }
}
