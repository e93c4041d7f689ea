//! What a pass of the worker sends: the bytes of all datagrams one behind the other in one buffer, strung into a train
//! for each destination.
//!
//! Owned by the worker, read by whoever has the sockets once the pass is over. A kernel takes several datagrams for one
//! destination in one piece for little more than it takes one, so they are kept together; and nothing is allocated for
//! a datagram, since the buffers stay.

use crate::Path;

/// What is kept of the buffer after a pass that took more: a burst of a large room, not a flood of repairs.
const KEPT_BYTES: usize = 4 << 20;
/// The end of a train.
const NONE: usize = usize::MAX;

/// Datagrams to send, in trains.
#[derive(Debug)]
pub struct Outgoing {
    bytes: Vec<u8>,
    datagrams: Vec<Datagram>,
    trains: Vec<Head>,
    /// Counts what was sent off: trains of an earlier pass are gone.
    pass: u64,
}

/// A datagram's bytes, and the next of its train.
#[derive(Debug, Clone, Copy)]
struct Datagram {
    start: usize,
    end: usize,
    next: usize,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    path: Path,
    first: usize,
    last: usize,
}

/// A way out: its path, and the train that waits there.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    path: Path,
    pass: u64,
    train: usize,
}

impl Way {
    pub(crate) fn new(path: Path) -> Self {
        Self { path, pass: 0, train: 0 }
    }

    /// Reads something of it.
    pub(crate) fn touch(&self) -> impl Copy + use<> {
        (self.path.local.port(), self.pass)
    }

    pub(crate) fn path(&self) -> Path {
        self.path
    }
}

/// Datagrams for one destination, in order.
#[derive(Debug, Clone, Copy)]
pub struct Train<'a> {
    /// The way they take.
    pub path: Path,
    first: usize,
    outgoing: &'a Outgoing,
}

impl<'a> Train<'a> {
    /// Their bytes.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let outgoing = self.outgoing;
        let at = |place: usize| outgoing.datagrams.get(place);
        std::iter::successors(at(self.first), move |datagram| at(datagram.next))
            .map(|datagram| &outgoing.bytes[datagram.start..datagram.end])
    }
}

impl Default for Outgoing {
    fn default() -> Self {
        Self { bytes: Vec::new(), datagrams: Vec::new(), trains: Vec::new(), pass: 1 }
    }
}

impl Outgoing {
    /// The trains, in the order in which their first datagrams were written.
    pub fn trains(&self) -> impl Iterator<Item = Train<'_>> {
        self.trains
            .iter()
            .map(|head| Train { path: head.path, first: head.first, outgoing: self })
    }

    /// True when there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trains.is_empty()
    }

    /// Bytes that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// A datagram more on its way. `write` appends it to the buffer, where it begins at the given place; what it
    /// refuses is not there.
    pub(crate) fn write<E>(
        &mut self,
        way: &mut Way,
        write: impl FnOnce(&mut Vec<u8>, usize) -> Result<(), E>,
    ) -> Result<&[u8], E> {
        let start = self.bytes.len();
        if let Err(error) = write(&mut self.bytes, start) {
            self.bytes.truncate(start);
            return Err(error);
        }
        let (place, end) = (self.datagrams.len(), self.bytes.len());
        self.datagrams.push(Datagram { start, end, next: NONE });
        if way.pass == self.pass {
            let head = &mut self.trains[way.train];
            self.datagrams[head.last].next = place;
            head.last = place;
        } else {
            (way.pass, way.train) = (self.pass, self.trains.len());
            self.trains.push(Head { path: way.path, first: place, last: place });
        }
        Ok(&self.bytes[start..end])
    }

    /// A datagram more, as it is.
    pub(crate) fn copy(&mut self, way: &mut Way, datagram: &[u8]) {
        let Ok(_) = self.write(way, |bytes, _| {
            bytes.extend_from_slice(datagram);
            Ok::<(), std::convert::Infallible>(())
        });
    }

    /// All was sent.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.datagrams.clear();
        self.trains.clear();
        self.pass += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;

    fn way(port: u16) -> Way {
        Way::new(Path::udp(SocketAddr::from(([198, 51, 100, 1], port)), SocketAddr::from(([192, 0, 2, 1], 7882))))
    }

    fn sent(outgoing: &Outgoing) -> Vec<(u16, Vec<Vec<u8>>)> {
        let train = |train: Train<'_>| (train.path.remote.port(), train.datagrams().map(<[u8]>::to_vec).collect());
        outgoing.trains().map(train).collect()
    }

    #[test]
    fn what_goes_to_one_place_goes_together_and_in_order() {
        let (mut outgoing, mut near, mut far) = (Outgoing::default(), way(1), way(2));
        outgoing.copy(&mut near, b"a");
        outgoing.copy(&mut far, b"b");
        outgoing.copy(&mut near, b"c");
        outgoing.copy(&mut far, b"d");
        assert_eq!(sent(&outgoing), [(1, vec![b"a".into(), b"c".into()]), (2, vec![b"b".into(), b"d".into()])]);
    }

    #[test]
    fn what_is_refused_leaves_nothing() {
        let (mut outgoing, mut way) = (Outgoing::default(), way(1));
        let refused = outgoing.write(&mut way, |bytes, _| {
            bytes.extend_from_slice(b"half a pack");
            Err(())
        });
        assert!(refused.is_err());
        assert_eq!((outgoing.len(), outgoing.is_empty()), (0, true));
    }

    proptest! {
        /// Passes of datagrams to some places: each arrives once, in order, and with its pass.
        #[test]
        fn no_datagram_is_lost_or_moved(passes in prop::collection::vec(prop::collection::vec(0u16..5, 0..40), 1..6)) {
            let (mut outgoing, mut ways) = (Outgoing::default(), [0, 1, 2, 3, 4].map(way));
            let mut number = 0u32;
            for pass in passes {
                let mut wanted = vec![Vec::new(); ways.len()];
                for port in pass {
                    number += 1;
                    let datagram = number.to_be_bytes().to_vec();
                    outgoing.copy(&mut ways[usize::from(port)], &datagram);
                    wanted[usize::from(port)].push(datagram);
                }
                let mut got = vec![Vec::new(); ways.len()];
                for (port, datagrams) in sent(&outgoing) {
                    prop_assert!(got[usize::from(port)].is_empty(), "one train for each place");
                    got[usize::from(port)] = datagrams;
                }
                prop_assert_eq!(got, wanted);
                outgoing.clear();
                prop_assert!(outgoing.is_empty());
            }
        }
    }
}
