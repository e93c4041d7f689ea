//! Datagrams that came to the socket of a worker whose they are not.
//!
//! Workers share a port, and the kernel shares datagrams out, as well as [steering](crate::steering) lets it. What
//! comes to the wrong worker is handed on once, over a bounded queue, all of a pass together and with one wake. Whose
//! it is says the user name of a connectivity check, and for everything else the [table of flows](Flows).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sluice_core::{Random, WorkerId};
use sluice_net::Waker;

use crate::flows::{Flows, Path};
use crate::steering::{Buckets, Key};

/// Batches that may wait for a worker: it takes all of them in each pass. When it does not keep up, media that waits is
/// media too late: dropped and counted.
pub(crate) const MAX_BATCHES: usize = 16;
/// Datagrams of a batch: half a megabyte at most.
const MAX_STRAYS: usize = 256;

/// What one pass of a worker has for another.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Where each came from and to, and how long it is.
    strays: Vec<(Path, usize)>,
    /// Paths that the other had, and a connection of this one has now.
    lost: Vec<Path>,
}

impl Batch {
    /// The datagrams: from, to, bytes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr, &[u8])> {
        let mut rest = &self.bytes[..];
        self.strays.iter().map(move |((source, destination), len)| {
            let (bytes, after) = rest.split_at_checked(*len).unwrap_or((rest, &[]));
            rest = after;
            (*source, *destination, bytes)
        })
    }

    /// Paths that are no longer those of whoever gets this.
    pub(crate) fn lost(&self) -> &[Path] {
        &self.lost
    }

    fn push(&mut self, path: Path, datagram: &[u8]) -> bool {
        let has_room = self.strays.len() < MAX_STRAYS;
        if has_room {
            self.bytes.extend_from_slice(datagram);
            self.strays.push((path, datagram.len()));
        }
        has_room
    }
}

/// The way to a worker.
#[derive(Clone)]
pub(crate) struct Door {
    waker: Waker,
    batches: SyncSender<Batch>,
}

/// A way to a worker, and the end the worker holds.
pub(crate) fn door(waker: Waker) -> (Door, Receiver<Batch>) {
    let (batches, strays) = sync_channel(MAX_BATCHES);
    (Door { waker, batches }, strays)
}

/// What all workers of a port know together.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) flows: Arc<Flows>,
    pub(crate) buckets: Arc<Buckets>,
}

impl Shared {
    /// For so many workers.
    pub(crate) fn new(workers: u8, random: &mut dyn Random) -> Self {
        let mut key = [[0; 4]; 2];
        key.iter_mut().for_each(|word| random.fill(word));
        let buckets = Arc::new(Buckets::new(workers, Key(key.map(u32::from_ne_bytes))));
        Self { flows: Arc::new(Flows::new()), buckets }
    }
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StrayStats {
    /// Handed on to the worker whose they are.
    pub(crate) handed_on: u64,
    /// Dropped, the worker whose they are does not keep up.
    pub(crate) dropped: u64,
}

/// A worker's way to the others.
pub(crate) struct Outlet {
    own: WorkerId,
    shared: Shared,
    /// One for each worker, this one too.
    doors: Vec<Door>,
    batches: Vec<Batch>,
    stats: StrayStats,
}

impl Outlet {
    pub(crate) fn new(own: WorkerId, shared: Shared, doors: Vec<Door>) -> Self {
        let batches = doors.iter().map(|_| Batch::default()).collect();
        Self { own, shared, doors, batches, stats: StrayStats::default() }
    }

    pub(crate) fn stats(&self) -> StrayStats {
        self.stats
    }

    /// Nobody here knows this datagram: perhaps another does.
    pub(crate) fn hand_on(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8], now_s: u64) {
        let owner = WorkerId::of_check(datagram).or_else(|| self.shared.flows.worker((source, destination), now_s));
        let Some(owner) = owner.filter(|owner| *owner != self.own) else { return };
        let Some(batch) = self.batches.get_mut(owner.index()) else { return };
        if batch.push((source, destination), datagram) {
            self.stats.handed_on += 1;
        } else {
            self.stats.dropped += 1;
        }
    }

    /// A check that came this way was verified here: so does what follows it.
    pub(crate) fn claim(&mut self, source: SocketAddr, destination: SocketAddr, now_s: u64) {
        self.shared.buckets.note(source, self.own, now_s);
        if let Some(before) = self.shared.flows.claim((source, destination), self.own, now_s)
            && let Some(batch) = self.batches.get_mut(before.index())
            && batch.lost.len() < MAX_STRAYS
        {
            batch.lost.push((source, destination));
        }
    }

    /// The end of a pass: what is for others goes.
    pub(crate) fn flush(&mut self) {
        for (batch, door) in self.batches.iter_mut().zip(&self.doors) {
            if batch.strays.is_empty() && batch.lost.is_empty() {
                continue;
            }
            let batch = std::mem::take(batch);
            let count = batch.strays.len();
            if door.batches.try_send(batch).is_ok() {
                door.waker.wake();
            } else {
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                self.stats.handed_on -= count;
                self.stats.dropped += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use sluice_net::{UdpOptions, UdpPorts};

    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn local() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 2], 7882))
    }

    /// Two workers' outlets, and what comes to each.
    fn workers() -> ([Outlet; 2], [Receiver<Batch>; 2]) {
        let ports = UdpPorts::bind(&[SocketAddr::from(([127, 0, 0, 1], 0))], UdpOptions::default()).unwrap();
        let shared = Shared { flows: Arc::new(Flows::new()), buckets: Arc::new(Buckets::new(2, Key([1, 2]))) };
        let (doors, receivers): (Vec<_>, Vec<_>) = (0..2).map(|_| door(ports.waker())).unzip();
        let outlet = |own| Outlet::new(WorkerId(own), shared.clone(), doors.clone());
        ([outlet(0), outlet(1)], receivers.try_into().unwrap_or_else(|_| unreachable!("two of two")))
    }

    #[test]
    fn what_came_astray_reaches_its_worker_whole_and_in_order() {
        let ([mut here, mut there], [_, inbox]) = workers();
        there.claim(address(1), local(), 0);
        here.hand_on(address(1), local(), b"one", 1);
        here.hand_on(address(2), local(), b"nobody's", 1);
        here.hand_on(address(1), local(), b"", 1);
        here.hand_on(address(1), local(), b"three", 1);
        here.flush();
        let batch = inbox.try_recv().unwrap();
        let got: Vec<_> = batch.iter().collect();
        assert_eq!(
            got,
            [(address(1), local(), &b"one"[..]), (address(1), local(), b""), (address(1), local(), b"three")]
        );
        assert_eq!(here.stats(), StrayStats { handed_on: 3, dropped: 0 });
        here.flush();
        assert!(inbox.try_recv().is_err(), "nothing to say, nobody is woken");
        // Its own, which it does not know: nobody's.
        there.hand_on(address(1), local(), b"late", 1);
        assert_eq!(there.stats(), StrayStats::default());
    }

    #[test]
    fn a_worker_that_does_not_keep_up_costs_a_bounded_queue_and_is_counted() {
        let ([mut here, mut there], [_, inbox]) = workers();
        there.claim(address(1), local(), 0);
        for _ in 0..MAX_BATCHES + 5 {
            for _ in 0..MAX_STRAYS + 10 {
                here.hand_on(address(1), local(), &[0; 100], 1);
            }
            here.flush();
        }
        let kept = MAX_BATCHES * MAX_STRAYS;
        let all = (MAX_BATCHES + 5) * (MAX_STRAYS + 10);
        let count = |n: usize| u64::try_from(n).unwrap();
        assert_eq!(here.stats(), StrayStats { handed_on: count(kept), dropped: count(all - kept) });
        assert_eq!(inbox.try_iter().map(|batch| batch.iter().count()).sum::<usize>(), kept);
    }

    #[test]
    fn who_had_a_path_hears_that_it_has_it_no_more() {
        let ([mut here, mut there], [inbox, _]) = workers();
        here.claim(address(1), local(), 0);
        there.claim(address(1), local(), 1);
        there.flush();
        assert_eq!(inbox.try_recv().unwrap().lost(), [(address(1), local())]);
        there.claim(address(1), local(), 2);
        there.flush();
        assert!(inbox.try_recv().is_err(), "once");
    }
}
