//! What was decided on the last pictures, so that a late packet gets the answer its picture got.

/// Pictures remembered: some seconds at 30 pictures a second and three spatial layers.
const WINDOW: usize = 256;

/// One byte for each of the last picture numbers; what it says is the selector's.
#[derive(Debug, Clone)]
pub(super) struct History {
    marks: [u8; WINDOW],
    first: u64,
    newest: u64,
}

impl History {
    pub(super) fn new(first: u64, mark: u8) -> Self {
        Self { marks: [mark; WINDOW], first, newest: first }
    }

    /// The newest picture seen.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// A newer picture. Those in between were not seen yet and are marked `missed`.
    pub(super) fn advance(&mut self, number: u64, missed: u8, mark: u8) {
        let from = self.newest.saturating_add(1).max(number.saturating_sub(WINDOW as u64 - 1));
        for between in from..number {
            self.marks[slot(between)] = missed;
        }
        self.marks[slot(number)] = mark;
        self.newest = self.newest.max(number);
    }

    /// `None` for a picture from before the first, one not seen yet, and one too old.
    pub(super) fn get(&self, number: u64) -> Option<u8> {
        let is_remembered = number >= self.first && number <= self.newest && self.newest - number < WINDOW as u64;
        is_remembered.then(|| self.marks[slot(number)])
    }

    /// Another mark for a picture that is remembered.
    pub(super) fn set(&mut self, number: u64, mark: u8) {
        if self.get(number).is_some() {
            self.marks[slot(number)] = mark;
        }
    }
}

fn slot(number: u64) -> usize {
    // The remainder is smaller than a usize.
    usize::try_from(number % WINDOW as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_a_window_and_knows_what_it_missed() {
        let mut history = History::new(10, 1);
        history.advance(13, 2, 3);
        assert_eq!([10, 11, 12, 13].map(|n| history.get(n)), [Some(1), Some(2), Some(2), Some(3)]);
        assert_eq!((history.get(9), history.get(14)), (None, None));
        history.set(11, 9);
        history.set(14, 9);
        assert_eq!((history.get(11), history.get(14)), (Some(9), None));
        history.advance(13 + 256, 4, 5);
        assert_eq!((history.get(13), history.get(14), history.newest()), (None, Some(4), 269));
    }
}
