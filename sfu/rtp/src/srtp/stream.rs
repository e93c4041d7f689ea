//! One outgoing SSRC, and the memory of the sequence numbers it has used up.

/// How far behind the newest a packet may still be sent. Four seconds of a fast video stream; what is later than
/// that, no receiver waits for. A power of two, in whole words.
const WINDOW: u64 = 2048;
const WORDS: usize = (WINDOW / 64) as usize;

/// Sequence numbers on the wire and the roll-over counter together are 48 bits.
const END: u64 = 1 << 48;

/// The sequence number cannot be used: it was used before, it is too far behind to tell, or the 48 bits are spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sequence number used before or too old: drop the packet")]
pub struct Reused;

/// One outgoing SSRC of a transport.
///
/// **One for each SSRC, as long as the keys live.** A second one with the same SSRC would not know what the first
/// has sent.
#[derive(Debug, Clone)]
pub struct OutboundStream {
    ssrc: u32,
    /// One above the highest extended sequence number used; 0 before the first.
    next: u64,
    /// A bit for each of the last [`WINDOW`] numbers below `next`, in a ring.
    used: [u64; WORDS],
}

impl OutboundStream {
    /// A stream that has sent nothing.
    #[must_use]
    pub fn new(ssrc: u32) -> Self {
        Self { ssrc, next: 0, used: [0; WORDS] }
    }

    /// Reads something of every part that the next packet needs.
    #[must_use]
    pub fn touch(&self) -> impl Copy + use<> {
        let (word, _) = place(self.next);
        (self.ssrc, self.used[word])
    }

    /// Synchronisation source.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Uses a number up, for good: also when the packet is then lost on its way.
    pub(super) fn take(&mut self, sequence: u64) -> Result<(), Reused> {
        if sequence >= END || sequence + WINDOW < self.next {
            return Err(Reused);
        }
        if sequence >= self.next {
            // What lies between was not used: its places in the ring still tell of numbers a window older.
            let first = self.next.max((sequence + 1).saturating_sub(WINDOW));
            for skipped in first..=sequence {
                let (word, bit) = place(skipped);
                self.used[word] &= !bit;
            }
            self.next = sequence + 1;
        }
        let (word, bit) = place(sequence);
        if self.used[word] & bit != 0 {
            return Err(Reused);
        }
        self.used[word] |= bit;
        Ok(())
    }
}

/// Word and bit of a number in the ring.
fn place(sequence: u64) -> (usize, u64) {
    let at = sequence % WINDOW;
    (usize::try_from(at / 64).unwrap_or_default(), 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_used_once_and_a_late_one_still_finds_its_place() {
        let mut stream = OutboundStream::new(1);
        assert_eq!(stream.take(10), Ok(()));
        assert_eq!(stream.take(10), Err(Reused));
        assert_eq!(stream.take(0), Ok(()));
        assert_eq!(stream.take(10 + WINDOW - 1), Ok(()));
        assert_eq!(stream.take(10), Err(Reused), "still remembered at the far end of the window");
        assert_eq!(stream.take(11), Ok(()));
        assert_eq!(stream.take(9), Err(Reused), "behind the window: nobody remembers");
        assert_eq!(stream.take(END - 1), Ok(()));
        assert_eq!(stream.take(END), Err(Reused), "48 bits are spent");
    }

    proptest! {
        /// Steps forward, back and far ahead, near a roll-over: a number is taken at most once, and one that is
        /// inside the window and unused is never refused.
        #[test]
        fn no_number_twice_and_none_refused_without_reason(
            start in prop_oneof![Just(0u64), Just(65_000), Just((1 << 32) - 700), 0u64..1 << 47],
            steps in prop::collection::vec(prop_oneof![8 => -40i64..40, 1 => -3000i64..3000, 1 => Just(0i64)], 1..400),
        ) {
            let mut stream = OutboundStream::new(1);
            let mut used = HashSet::new();
            let mut at = start;
            let mut newest = None;
            for step in steps {
                at = at.saturating_add_signed(step);
                let in_window = newest.is_none_or(|newest: u64| at + WINDOW > newest);
                prop_assert_eq!(stream.take(at).is_ok(), in_window && used.insert(at));
                if in_window {
                    newest = newest.max(Some(at));
                }
            }
        }
    }
}
