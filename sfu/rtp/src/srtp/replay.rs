//! Which indices of which senders have been seen (RFC 3711 section 3.3.2).

/// How far behind the newest an index may be.
const WINDOW: u32 = 128;

/// Senders remembered. Only authenticated ones get here: a client's own SSRCs, a few for each section it has. The
/// one silent longest is forgotten for a newcomer; a replay of its old feedback would then be believed, which is
/// less bad than being deaf to a client that has changed its SSRCs many times.
const MAX_SENDERS: usize = 128;

/// Replay windows of all senders behind one key, the most recent first.
#[derive(Debug, Default)]
pub(super) struct ReplayWindows(Vec<Window>);

#[derive(Debug)]
struct Window {
    ssrc: u32,
    newest: u32,
    /// Bit n: `newest - n` was seen.
    seen: u128,
}

impl ReplayWindows {
    /// True when the index is new. Asked before a packet is authenticated, so it changes nothing.
    pub(super) fn is_fresh(&self, ssrc: u32, index: u32) -> bool {
        self.0
            .iter()
            .find(|window| window.ssrc == ssrc)
            .is_none_or(|window| window.is_fresh(index))
    }

    /// Remembers an index whose packet was authentic.
    pub(super) fn insert(&mut self, ssrc: u32, index: u32) {
        let known = self.0.iter().position(|window| window.ssrc == ssrc);
        let at = known.unwrap_or_else(|| {
            self.0.truncate(MAX_SENDERS - 1);
            self.0.push(Window { ssrc, newest: index, seen: 0 });
            self.0.len() - 1
        });
        self.0[at].insert(index);
        self.0[..=at].rotate_right(1);
    }
}

impl Window {
    fn is_fresh(&self, index: u32) -> bool {
        match self.newest.checked_sub(index) {
            None => true,
            Some(behind) => behind < WINDOW && self.seen & (1 << behind) == 0,
        }
    }

    fn insert(&mut self, index: u32) {
        if let Some(ahead) = index.checked_sub(self.newest) {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.newest = index;
        } else if let Some(bit) = 1u128.checked_shl(self.newest - index) {
            self.seen |= bit;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_sender_silent_longest_is_forgotten() {
        let mut windows = ReplayWindows::default();
        for ssrc in 0..128 {
            windows.insert(ssrc, 5);
        }
        windows.insert(0, 6);
        windows.insert(999, 1);
        assert!(!windows.is_fresh(0, 5) && !windows.is_fresh(999, 1) && !windows.is_fresh(2, 5));
        assert!(windows.is_fresh(1, 5), "forgotten");
        assert_eq!(windows.0.len(), MAX_SENDERS);
    }

    proptest! {
        #[test]
        fn an_index_is_fresh_once(indices in prop::collection::vec((0u32..3, 0u32..400), 1..300)) {
            let mut windows = ReplayWindows::default();
            let mut seen = std::collections::HashSet::new();
            let mut newest = [None::<u32>; 3];
            for (ssrc, index) in indices {
                let newest = &mut newest[usize::try_from(ssrc).unwrap()];
                let in_window = newest.is_none_or(|newest| index + WINDOW > newest);
                let fresh = windows.is_fresh(ssrc, index);
                prop_assert_eq!(fresh, in_window && !seen.contains(&(ssrc, index)));
                if fresh {
                    windows.insert(ssrc, index);
                    seen.insert((ssrc, index));
                    *newest = (*newest).max(Some(index));
                }
            }
        }
    }
}
