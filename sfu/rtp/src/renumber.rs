//! Numbers without holes of our own making.
//!
//! A forwarder leaves packets and pictures out on purpose. A receiver that saw the hole would take it for loss,
//! ask for what is missing and wait. [`Renumber`] closes such holes and keeps those the network made: what is
//! missing may still come, and its place is kept. Sequence numbers and VP8 picture ids are lines of this kind.
//!
//! Owned by an outgoing stream. Knows numbers, not packets: that a number is one of a picture, or how many bits
//! of it go on the wire, is the caller's. Numbers come in and go out extended, far from the end of a `u64`;
//! [`Unwrap`] extends them.

/// What became of a source number.
const HOLE: u16 = 0;
const GIVEN: u16 = 1;
const LEFT_OUT: u16 = 2;
/// Bits of a slot that say so; the rest counts what was left out in front of the number.
const FATE: u16 = 0b11;
const COUNT_BITS: u32 = 14;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// An outgoing number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// Extended; its low bits go on the wire.
    pub value: u64,
    /// The same source number was given this number before: another packet of the same picture, or a duplicate.
    pub is_repeated: bool,
}

/// Maps the numbers of changing sources to one outgoing line. Remembers the fate of the last `WINDOW` source
/// numbers; what is older is refused. Two bytes each, no allocation.
#[derive(Debug, Clone)]
pub struct Renumber<const WINDOW: usize> {
    slots: [u16; WINDOW],
    source: Option<Source>,
    highest: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    first: u64,
    /// Outgoing number of `first`.
    start: u64,
    /// Highest source number whose fate is known.
    newest: Option<u64>,
    /// Source numbers left out up to there.
    left_out: u64,
}

impl<const WINDOW: usize> Default for Renumber<WINDOW> {
    fn default() -> Self {
        const { assert!(WINDOW > 0 && WINDOW < 1 << COUNT_BITS, "a slot counts to its window") };
        Self { slots: [HOLE; WINDOW], source: None, highest: None }
    }
}

impl<const WINDOW: usize> Renumber<WINDOW> {
    /// Reads something of every part that [`Self::forward`] needs.
    #[must_use]
    pub fn touch(&self, number: u64) -> impl Copy + use<WINDOW> {
        (self.slots[slot_of::<WINDOW>(number)], self.source.map(|source| source.newest), self.highest)
    }

    /// Another source follows, from its number `first` on: it goes on behind the highest number given, or at
    /// `start` when none was given yet. What comes of it from before `first` is refused.
    pub fn switch(&mut self, first: u64, start: u64) {
        let start = self.highest.map_or(start, |highest| highest.wrapping_add(1));
        self.source = Some(Source { first, start, newest: None, left_out: 0 });
    }

    /// No source is followed until the next switch.
    pub fn end(&mut self) {
        self.source = None;
    }

    /// True between a switch and an end.
    #[must_use]
    pub fn has_source(&self) -> bool {
        self.source.is_some()
    }

    /// The highest number given.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// The number of what is forwarded. `None` when it was left out, comes from before the switch, or is too
    /// old to be remembered.
    pub fn forward(&mut self, number: u64) -> Option<Number> {
        let source = self.reach(number)?;
        let slot = &mut self.slots[slot_of::<WINDOW>(number)];
        let is_repeated = match *slot & FATE {
            LEFT_OUT => return None,
            fate => fate == GIVEN,
        };
        *slot = (*slot & !FATE) | GIVEN;
        let left_out_since = source.left_out.wrapping_sub(u64::from(*slot >> 2)) & COUNT;
        let left_out_before = source.left_out.wrapping_sub(left_out_since);
        let value = source.start.wrapping_add(number - source.first).wrapping_sub(left_out_before);
        if self.highest.is_none_or(|highest| value > highest) {
            self.highest = Some(value);
        }
        Some(Number { value, is_repeated })
    }

    /// Leaves a number out: what follows closes up. What was forwarded before stays so; a late one that falls
    /// into a hole leaves it, since its neighbours have their numbers.
    pub fn drop(&mut self, number: u64) {
        let was_newest = self.source.and_then(|source| source.newest);
        if self.reach(number).is_none() {
            return;
        }
        let slot = &mut self.slots[slot_of::<WINDOW>(number)];
        if *slot & FATE == HOLE {
            *slot = (*slot & !FATE) | LEFT_OUT;
            if let Some(source) = self.source.as_mut()
                && was_newest.is_none_or(|newest| number > newest)
            {
                source.left_out = source.left_out.wrapping_add(1);
            }
        }
    }

    /// Makes sure that the slot of a number is its own. `None` when it can have none.
    fn reach(&mut self, number: u64) -> Option<Source> {
        let source = self.source.as_mut()?;
        let window = u64::try_from(WINDOW).unwrap_or(u64::MAX);
        if number < source.first {
            return None;
        }
        let next = source.newest.map_or(source.first, |newest| newest.saturating_add(1));
        if number < next {
            return (next - number <= window).then_some(*source);
        }
        // Of a long jump only the last numbers can still be asked for.
        let count = u16::try_from(source.left_out & COUNT).unwrap_or(0);
        for passed in next.max(number.saturating_sub(window - 1))..=number {
            self.slots[slot_of::<WINDOW>(passed)] = count << 2 | HOLE;
        }
        source.newest = Some(number);
        Some(*source)
    }
}

fn slot_of<const WINDOW: usize>(number: u64) -> usize {
    // The remainder is smaller than a usize.
    usize::try_from(number % u64::try_from(WINDOW).unwrap_or(1)).unwrap_or(0)
}

/// Extends a number of a few bits that counts up and wraps, packet by packet.
///
/// It goes by what the sequence number of the packet says: a newer packet has the same or a later number, be it
/// half a circle ahead. So a publisher whose encoder begins anew somewhere else is followed, not waited for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwrap {
    last: Option<u64>,
}

/// Room below the first number for late packets.
const BASE: u64 = 1 << 32;

impl Unwrap {
    /// Extends `value`, of which the low `bits` count (at most 16). `is_newest`: no packet with a higher sequence
    /// number was seen.
    pub fn extend(&mut self, value: u16, bits: u32, is_newest: bool) -> u64 {
        let mask = (1u64 << bits.min(16)) - 1;
        let value = u64::from(value) & mask;
        let Some(last) = self.last else {
            self.last = Some(BASE + value);
            return BASE + value;
        };
        if is_newest {
            let extended = last.wrapping_add(value.wrapping_sub(last) & mask);
            self.last = Some(extended);
            extended
        } else {
            last.wrapping_sub(last.wrapping_sub(value) & mask)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn line() -> Renumber<64> {
        let mut line = Renumber::default();
        line.switch(100, 1);
        line
    }

    fn value(number: Option<Number>) -> Option<u64> {
        number.map(|number| number.value)
    }

    #[test]
    fn what_is_left_out_leaves_no_hole_and_what_is_missing_does() {
        let mut line = line();
        assert_eq!(value(line.forward(100)), Some(1));
        line.drop(101);
        assert_eq!(value(line.forward(102)), Some(2));
        assert_eq!(value(line.forward(104)), Some(4), "103 may still come");
        assert_eq!(value(line.forward(103)), Some(3));
        assert_eq!(line.forward(103), Some(Number { value: 3, is_repeated: true }));
        assert_eq!(line.forward(101), None, "left out for good");
    }

    #[test]
    fn a_late_one_that_is_left_out_keeps_its_hole() {
        let mut line = line();
        line.forward(100);
        line.forward(102);
        line.drop(101);
        assert_eq!(value(line.forward(103)), Some(4));
        assert_eq!(line.forward(101), None);
    }

    #[test]
    fn what_is_older_than_the_window_or_the_switch_is_refused() {
        let mut line = line();
        assert_eq!(line.forward(99), None);
        line.forward(100);
        line.forward(100 + 64);
        assert_eq!(line.forward(100), None, "its slot is another's");
        assert_eq!(value(line.forward(101)), Some(2));
        line.switch(7, 1);
        assert_eq!(value(line.forward(7)), Some(66), "behind the highest given");
        assert_eq!(line.forward(6), None);
        line.end();
        assert_eq!(line.forward(8), None);
        line.switch(1 << 40, 1);
        assert_eq!(value(line.forward((1 << 40) + 1_000_000)), Some(1_000_067), "a long jump is as long as it was");
    }

    #[test]
    fn a_number_that_wraps_goes_on_and_one_that_begins_anew_is_followed() {
        let mut numbers = Unwrap::default();
        let first = numbers.extend(0x7ffe, 15, true);
        assert_eq!(numbers.extend(0x0001, 15, true), first + 3);
        assert_eq!(numbers.extend(0x7fff, 15, false), first + 1, "late");
        assert_eq!(numbers.extend(0x0001, 15, true), first + 3, "another packet of the same picture");
        let anew = numbers.extend(0x0000, 15, true);
        assert_eq!((anew & 0x7fff, anew > first + 3), (0, true));
        assert_eq!(Unwrap::default().extend(5, 7, false) & 0x7f, 5);
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Fate {
        Lost,
        Forwarded,
        LeftOut,
    }

    /// Source numbers with their fates, and the order they come in: up to 40 late, some twice.
    fn source() -> impl Strategy<Value = (Vec<Fate>, Vec<usize>)> {
        let fate = prop_oneof![1 => Just(Fate::Lost), 5 => Just(Fate::Forwarded), 3 => Just(Fate::LeftOut)];
        prop::collection::vec((fate, 0usize..40, any::<bool>(), prop::bool::weighted(0.1)), 1..150).prop_map(|all| {
            let mut order = Vec::new();
            for (i, (fate, late, is_late, is_twice)) in all.iter().enumerate() {
                if *fate != Fate::Lost {
                    order.push((i + if *is_late { *late } else { 0 }, i));
                }
                if *fate != Fate::Lost && *is_twice {
                    order.push((i + 45, i));
                }
            }
            order.sort_unstable();
            (all.into_iter().map(|(fate, ..)| fate).collect(), order.into_iter().map(|(_, i)| i).collect())
        })
    }

    proptest! {
        /// Whatever is lost, late, doubled, left out or switched: numbers are unique and in the order of the
        /// source; between two neighbours are as many holes as numbers were lost, or left out too late.
        #[test]
        fn holes_are_the_networks(sources in prop::collection::vec(((0u64..1 << 45), source()), 1..5)) {
            let mut line = Renumber::<64>::default();
            let mut highest = 0;
            for (first, (fates, order)) in sources {
                line.switch(first, 1);
                let mut given = BTreeMap::new();
                let mut closed_up = vec![false; fates.len()];
                let mut newest = None;
                for i in order {
                    let number = first + i as u64;
                    let is_newest = newest.is_none_or(|newest| i > newest);
                    if is_newest { newest = Some(i) }
                    if fates[i] == Fate::LeftOut {
                        line.drop(number);
                        closed_up[i] |= is_newest;
                        continue;
                    }
                    match line.forward(number) {
                        Some(out) => {
                            let before = given.insert(i, out.value);
                            prop_assert_eq!(before.is_some(), out.is_repeated);
                            prop_assert!(before.is_none_or(|before| before == out.value));
                        }
                        None => prop_assert!(i + 64 <= newest.unwrap()),
                    }
                }
                let mut before = (None, highest);
                for (&i, &out) in &given {
                    let from = before.0.map_or(0, |before: usize| before + 1);
                    let holes = (from..i).filter(|i| !closed_up[*i]).count() as u64;
                    prop_assert_eq!(out, before.1 + 1 + holes);
                    before = (Some(i), out);
                }
                highest = before.1;
                prop_assert_eq!(line.highest().unwrap_or(0), highest);
            }
        }

        #[test]
        fn never_panics_and_never_gives_a_number_twice(steps: Vec<(u8, u64)>) {
            let mut line = Renumber::<16>::default();
            let mut seen = std::collections::HashSet::new();
            for (step, number) in steps {
                let number = if step & 0x80 == 0 { number % 64 } else { number >> 8 };
                match step & 3 {
                    0 => line.switch(number, 1),
                    1 => line.drop(number),
                    _ => if let Some(out) = line.forward(number) {
                        prop_assert!(out.is_repeated != seen.insert(out.value));
                    }
                }
            }
        }
    }
}
