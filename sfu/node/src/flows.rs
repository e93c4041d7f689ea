//! Which worker has the connection at a path: shared by all workers of a node, written where connectivity checks are
//! verified, read where a datagram of nobody's comes.
//!
//! Soft state: a client checks its path every few seconds, and what was not checked for a while is nobody's. So
//! nothing is ever removed, the table cannot grow, and no lock is needed. A place keeps 40 bits of a keyed hash; that
//! two paths share them costs a datagram that its receiver refuses.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use sluice_core::WorkerId;

/// Remote and local end.
pub(crate) type Path = (SocketAddr, SocketAddr);

/// Sets, each of some places. 65,536 paths in half a megabyte: more than a machine has clients.
const SETS: usize = 1 << 13;
const PLACES: usize = 8;
/// A path nobody has checked for so long is nobody's. RFC 7675 lets consent expire after 30 s.
const LIFETIME_S: u64 = 30;

// A place: 40 bits of hash, 16 bits of seconds, 8 bits of worker.
const SECONDS: u64 = 0xffff;
const TAG: u64 = !0 << 24;

pub(crate) struct Flows {
    places: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Flows {
    pub(crate) fn new() -> Self {
        Self { places: (0..SETS * PLACES).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }

    /// The path belongs to this worker's connection. Says who had it before, if it was another.
    /// `now_s`: seconds since the node started.
    pub(crate) fn claim(&self, path: Path, worker: WorkerId, now_s: u64) -> Option<WorkerId> {
        let (set, tag) = self.find(path);
        let claimed = tag | (now_s & SECONDS) << 8 | u64::from(worker.0);
        let mut oldest = (&set[0], 0);
        for place in set {
            let value = place.load(Ordering::Relaxed);
            let age = if value == 0 { u64::MAX } else { age(value, now_s) };
            if value & TAG == tag && value != 0 {
                place.store(claimed, Ordering::Relaxed);
                return Some(owner(value)).filter(|before| *before != worker && age <= LIFETIME_S);
            }
            if age >= oldest.1 {
                oldest = (place, age);
            }
        }
        oldest.0.store(claimed, Ordering::Relaxed);
        None
    }

    /// Whose it is.
    pub(crate) fn worker(&self, path: Path, now_s: u64) -> Option<WorkerId> {
        let (set, tag) = self.find(path);
        set.iter()
            .map(|place| place.load(Ordering::Relaxed))
            .find(|value| *value != 0 && value & TAG == tag && age(*value, now_s) <= LIFETIME_S)
            .map(owner)
    }

    fn find(&self, path: Path) -> (&[AtomicU64], u64) {
        let hash = self.hasher.hash_one(path);
        let set = usize::try_from(hash & 0xff_ffff).unwrap_or(0) % SETS * PLACES;
        (&self.places[set..set + PLACES], hash & TAG)
    }
}

fn owner(value: u64) -> WorkerId {
    let [worker, ..] = value.to_le_bytes();
    WorkerId(worker)
}

/// Seconds since it was checked. They come round after 18 hours: a path that old may seem young once, and then costs
/// a datagram that is refused.
fn age(value: u64, now_s: u64) -> u64 {
    now_s.wrapping_sub(value >> 8) & SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        (SocketAddr::from(([10, 0, 0, 1], port)), SocketAddr::from(([10, 0, 0, 2], 7882)))
    }

    #[test]
    fn a_path_is_whose_check_was_last_verified() {
        let flows = Flows::new();
        assert_eq!(flows.worker(path(1), 0), None);
        assert_eq!(flows.claim(path(1), WorkerId(3), 0), None);
        assert_eq!(flows.claim(path(1), WorkerId(3), 2), None, "the same again");
        assert_eq!((flows.worker(path(1), 2), flows.worker(path(2), 2)), (Some(WorkerId(3)), None));
        // A page is loaded again, keeps its port, and meets another worker.
        assert_eq!(flows.claim(path(1), WorkerId(0), 4), Some(WorkerId(3)));
        assert_eq!(flows.worker(path(1), 4), Some(WorkerId(0)));
    }

    #[test]
    fn what_nobody_checks_is_nobodys() {
        let flows = Flows::new();
        flows.claim(path(1), WorkerId(3), 100);
        assert_eq!(flows.worker(path(1), 130), Some(WorkerId(3)));
        assert_eq!(flows.worker(path(1), 131), None);
        assert_eq!(flows.claim(path(1), WorkerId(4), 131), None, "who had it has lost it long since");
        // Seconds come round.
        flows.claim(path(2), WorkerId(1), 65_530);
        assert_eq!(flows.worker(path(2), 65_540), Some(WorkerId(1)));
    }

    #[test]
    fn ten_thousand_clients_find_room_and_a_million_strangers_take_no_more() {
        let flows = Flows::new();
        let worker = |port: u16| WorkerId(u8::try_from(port % 16).unwrap_or(0));
        for port in 1..=10_000 {
            flows.claim(path(port), worker(port), 5);
        }
        let lost = (1..=10_000).filter(|port| flows.worker(path(*port), 6) != Some(worker(*port))).count();
        assert!(lost <= 3, "{lost} of 10,000");
        for stranger in 0..1_000_000u32 {
            flows.claim((SocketAddr::from((stranger.to_be_bytes(), 9)), path(1).1), WorkerId(1), 6);
        }
        assert_eq!(flows.places.len(), SETS * PLACES);
    }
}
