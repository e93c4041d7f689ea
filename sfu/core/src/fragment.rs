//! Which of a node's workers an ICE user name fragment belongs to: its first two letters say so.
//!
//! Workers share a port, and a client's first datagram is a connectivity check with the fragment we gave it. So that
//! any worker, and even a filter in the kernel, knows whose it is, the fragment begins with the worker's code. The
//! connection is found by the whole fragment; what follows the code is random.

use sluice_rtp::stun;

use crate::WorkerId;

/// Letters of the code: sixteen, so that a letter less the first is four bits.
const FIRST: u8 = b'A';

impl WorkerId {
    /// Its code as it stands at the beginning of a fragment: four bits in each letter, `A` to `P`, the higher first.
    #[must_use]
    pub fn letters(self) -> [u8; 2] {
        [FIRST + (self.0 >> 4), FIRST + (self.0 & 0xf)]
    }

    /// The worker whose code a fragment begins with.
    #[must_use]
    pub fn of_fragment(ufrag: &str) -> Option<Self> {
        let [high, low, ..] = *ufrag.as_bytes() else { return None };
        let bits = |letter: u8| letter.checked_sub(FIRST).filter(|bits| *bits < 16);
        Some(Self(bits(high)? << 4 | bits(low)?))
    }

    /// Whose connection a connectivity check is for. `None` for anything else. Nothing is verified here.
    #[must_use]
    pub fn of_check(datagram: &[u8]) -> Option<Self> {
        stun::receiver_ufrag(datagram).and_then(Self::of_fragment)
    }

    /// A fragment of this worker.
    pub(crate) fn fragment(self, random: &str) -> String {
        let [high, low] = self.letters();
        format!("{}{}{random}", char::from(high), char::from(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_finds_itself_in_its_fragments() {
        for code in 0..=u8::MAX {
            let fragment = WorkerId(code).fragment("x+/9Ab");
            assert_eq!(WorkerId::of_fragment(&fragment), Some(WorkerId(code)));
            assert_eq!(fragment.len(), 8);
        }
        assert_eq!(WorkerId(0x1f).letters(), *b"BP");
    }

    #[test]
    fn a_fragment_of_somebody_else_names_nobody() {
        for fragment in ["", "A", "AQxxxx", "aaxxxx", "@Axxxx", "éé"] {
            assert_eq!(WorkerId::of_fragment(fragment), None, "{fragment}");
        }
    }
}
