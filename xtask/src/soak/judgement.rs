//! What must be as it was once everybody is gone, and what counts as that.
//!
//! Whatever can be counted must be exactly as it was before anybody came, after every wave. Memory cannot: an allocator
//! that was given something back keeps it, and takes more in steps of some MiB when what it has does not fit. So the first
//! waves do not count, and of the others the lowest rest of the second half is held against the lowest of the first: a
//! step up and down is neither, and what is left behind by every wave is in all of the second half.

use std::fmt::Write as _;

use super::reading::Reading;

/// Waves before memory counts, two of each kind: the first brings buffers and pools to their size, the second finds them.
const WARM_UP: usize = 6;
/// So that there are two halves worth the name, however short the soak.
const LEAST: usize = WARM_UP + 4;
/// What memory may differ by: one step of the allocator. The largest seen was 5 MiB, on a machine busy with other work.
/// In two minutes 100 KiB for each person who came are more than that, in half an hour 5.
const MARGIN_KIB: u64 = 8 * 1024;

/// All readings of a soak, each taken when nobody was there.
#[derive(Debug)]
pub(super) struct Judgement {
    fresh: Reading,
    rests: Vec<Reading>,
    served: Vec<Option<u64>>,
}

/// One thing that had to be so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) holds: bool,
    pub(super) text: String,
}

/// Above the rows.
pub(super) fn head() -> String {
    format!(
        "{:>4}  {:<20}  {:>6}  {:>10}  {:>11}  {:>7}  {}",
        "wave", "", "served", "memory", "descriptors", "threads", "left"
    )
}

impl Judgement {
    pub(super) fn new(fresh: Reading) -> Self {
        Self { fresh, rests: Vec::new(), served: Vec::new() }
    }

    pub(super) fn waves(&self) -> usize {
        self.rests.len()
    }

    /// There have been enough waves to judge by.
    pub(super) fn has_enough(&self) -> bool {
        self.waves() >= LEAST
    }

    /// A wave has served so many, where somebody was left to count, and then it was like this.
    pub(super) fn add(&mut self, served: Option<u64>, rest: Reading) {
        self.served.push(served);
        self.rests.push(rest);
    }

    /// Everything that can be counted is as it was before anybody came.
    pub(super) fn has_returned(&self, reading: &Reading) -> bool {
        self.left(reading).is_empty()
    }

    /// What can be counted and is not as it was.
    fn left(&self, reading: &Reading) -> String {
        let mut left = String::new();
        let mut compare = |what: &str, now: u64, before: u64| {
            if now != before {
                // Writing to a text cannot fail.
                let _ = write!(left, "{}{what} {now} (were {before})", if left.is_empty() { "" } else { ", " });
            }
        };
        compare("descriptors", reading.descriptors, self.fresh.descriptors);
        compare("threads", reading.threads, self.fresh.threads);
        for (name, count) in &reading.counts {
            compare(name, *count, self.fresh.counts.get(name).copied().unwrap_or(0));
        }
        left
    }

    /// The last rest as a row of the table.
    pub(super) fn row(&self, name: &str) -> String {
        let reading = self.rests.last().unwrap_or(&self.fresh);
        let served = self
            .served
            .last()
            .copied()
            .flatten()
            .map_or_else(String::new, |served| served.to_string());
        let Reading { memory_kib, descriptors, threads, .. } = reading;
        let (memory, left) = (mib(*memory_kib), self.left(reading));
        let wave = self.waves();
        format!("{wave:>4}  {name:<20}  {served:>6}  {memory:>10}  {descriptors:>11}  {threads:>7}  {left}")
    }

    /// What held and what did not.
    pub(super) fn conclude(&self) -> Vec<Finding> {
        let returned = self.rests.iter().all(|rest| self.has_returned(rest));
        let text = match self.rests.iter().position(|rest| !self.has_returned(rest)) {
            None => "descriptors, threads, rooms and all that was in them were as before, after every wave".to_owned(),
            Some(wave) => format!("after wave {}: {}", wave + 1, self.left(&self.rests[wave])),
        };
        let mut findings = vec![Finding { holds: returned, text }];

        let counted = self.rests.get(WARM_UP..).unwrap_or_default();
        let (first, second) = counted.split_at(counted.len() / 2);
        let lowest = |rests: &[Reading]| rests.iter().map(|rest| rest.memory_kib).min();
        if let (Some(before), Some(after)) = (lowest(first), lowest(second)) {
            let [before_mib, after_mib, margin] = [before, after, MARGIN_KIB].map(mib);
            findings.push(Finding {
                holds: after <= before + MARGIN_KIB,
                text: format!(
                    "memory was {before_mib} and is {after_mib}; {margin} more would be one step of the allocator"
                ),
            });
        }

        let unserved = self.served.iter().position(|served| *served == Some(0));
        findings.push(Finding {
            holds: unserved.is_none(),
            text: match unserved {
                None => {
                    format!("{} people were served, and who was cut off", self.served.iter().flatten().sum::<u64>())
                }
                Some(wave) => format!("wave {} was not served at all, which proves nothing", wave + 1),
            },
        });
        findings
    }
}

fn mib(kib: u64) -> String {
    format!("{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(memory_mib: u64) -> Reading {
        Reading { memory_kib: memory_mib * 1024, descriptors: 24, threads: 6, counts: [("sluice_rooms", 0)].into() }
    }

    fn after(rests: impl IntoIterator<Item = Reading>) -> Judgement {
        let mut judgement = Judgement::new(reading(10));
        rests.into_iter().for_each(|rest| judgement.add(Some(20), rest));
        judgement
    }

    fn holds(judgement: &Judgement) -> [bool; 3] {
        let findings = judgement.conclude();
        [0, 1, 2].map(|place| findings.get(place).is_some_and(|finding| finding.holds))
    }

    #[test]
    fn what_the_first_waves_bring_and_steps_of_the_allocator_are_no_leak() {
        let warm = [25, 26, 26, 36, 36, 36];
        assert_eq!(holds(&after(warm.into_iter().chain([36, 37, 36, 36, 37, 36, 41, 41]).map(reading))), [true; 3]);
        assert_eq!(holds(&after(warm.into_iter().chain([36, 41, 36, 36, 37, 46, 46, 46]).map(reading))), [true; 3]);
    }

    #[test]
    fn what_every_wave_leaves_behind_is_a_leak() {
        assert_eq!(holds(&after((0..14).map(|wave| reading(25 + 2 * wave)))), [true, true, true], "within one step");
        assert_eq!(holds(&after((0..14).map(|wave| reading(25 + 3 * wave)))), [true, false, true]);
        assert_eq!(holds(&after((0..60).map(|wave| reading(25 + wave / 2)))), [true, false, true]);
    }

    #[test]
    fn whatever_can_be_counted_must_be_exactly_as_it_was_after_every_wave() {
        let fine = || vec![reading(20); LEAST];
        let mut behind = [(); 3].map(|()| fine());
        behind[0][3].descriptors += 1;
        behind[1][4].threads += 1;
        behind[2][5].counts.insert("sluice_rooms", 1);
        assert_eq!(holds(&after(fine())), [true; 3]);
        for rests in behind {
            assert_eq!(holds(&after(rests)), [false, true, true]);
        }
    }

    #[test]
    fn a_soak_of_nobody_proves_nothing() {
        let mut judgement = after(vec![reading(20); LEAST]);
        judgement.add(None, reading(20));
        assert_eq!(holds(&judgement), [true; 3], "nobody counts those who were cut off");
        judgement.add(Some(0), reading(20));
        assert_eq!(holds(&judgement), [true, true, false]);
    }
}
