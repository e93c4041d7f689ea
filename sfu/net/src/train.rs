//! Which datagrams may leave as one message that the kernel cuts up: all as long as the first, but for the last.

/// The kernel's own bound (UDP_MAX_SEGMENTS); newer ones take twice as many.
pub(crate) const MAX_DATAGRAMS: usize = 64;
/// What an IPv4 datagram can carry: the train is one until a device cuts it.
pub(crate) const MAX_LEN: usize = 65_507;

/// A train as it grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Train {
    /// Length of each datagram but perhaps the last, bytes.
    pub(crate) segment_len: usize,
    /// Length of all, bytes.
    pub(crate) len: usize,
    pub(crate) datagrams: usize,
    /// The last one was shorter: nothing may follow.
    is_closed: bool,
}

impl Train {
    /// A train of one. One without bytes, or too long to be cut, stays alone.
    pub(crate) fn new(len: usize) -> Self {
        Self { segment_len: len, len, datagrams: 1, is_closed: len == 0 || len > MAX_LEN }
    }

    /// Takes one more datagram. False when it cannot be part of this train.
    pub(crate) fn join(&mut self, len: usize) -> bool {
        let fits = !self.is_closed
            && len > 0
            && len <= self.segment_len
            && self.datagrams < MAX_DATAGRAMS
            && self.len + len <= MAX_LEN;
        if fits {
            self.is_closed = len < self.segment_len;
            self.len += len;
            self.datagrams += 1;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the kernel does with each message.
    fn cut(trains: &[Train]) -> Vec<usize> {
        let mut lens = Vec::new();
        for train in trains {
            let mut left = train.len;
            for _ in 0..train.datagrams {
                lens.push(left.min(train.segment_len));
                left -= left.min(train.segment_len);
            }
            assert_eq!(left, 0);
        }
        lens
    }

    fn trains(lens: &[usize]) -> Vec<Train> {
        let mut trains: Vec<Train> = Vec::new();
        for len in lens {
            if !trains.last_mut().is_some_and(|train| train.join(*len)) {
                trains.push(Train::new(*len));
            }
        }
        trains
    }

    #[test]
    fn a_picture_is_one_message_and_the_sound_after_it_another() {
        let lens = [1100, 1100, 1100, 340, 90, 90, 1100];
        let counts: Vec<_> = trains(&lens).iter().map(|train| train.datagrams).collect();
        assert_eq!(counts, [4, 2, 1]);
    }

    #[test]
    fn a_train_ends_where_the_kernel_would_refuse_it() {
        assert_eq!(trains(&[10; 65]).iter().map(|train| train.datagrams).collect::<Vec<_>>(), [64, 1]);
        assert_eq!(trains(&[2000; 40]).iter().map(|train| train.datagrams).collect::<Vec<_>>(), [32, 8]);
        assert_eq!(trains(&[0, 0, 70_000, 5]).len(), 4);
    }

    proptest! {
        #[test]
        fn the_kernel_cuts_what_was_joined(lens in prop::collection::vec(0usize..2000, 0..300)) {
            let trains = trains(&lens);
            prop_assert_eq!(cut(&trains), lens);
            prop_assert!(trains.iter().all(|train| train.datagrams <= MAX_DATAGRAMS && train.len <= MAX_LEN));
        }
    }
}
