//! What a receiver counts on: of each decode target that it was told is active, an unbroken chain and every frame.
//!
//! Belongs to a decoder, and reads what the dependency descriptor tells of frames in the order they are decoded. What
//! is missing though nothing was lost, somebody left out without telling.

use std::collections::VecDeque;

/// Frames remembered: chains reach back 255.
const REMEMBERED: usize = 512;
/// Pictures between two holes that nothing came in to tell of them.
const EXCUSED_EVERY: u32 = 8;

/// What a descriptor says of its frame and decode targets. These are bits, the first one the lowest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) number: u16,
    /// Targets that are active from here on, where the packet says so.
    pub(crate) active: Option<u32>,
    /// Targets the frame belongs to.
    pub(crate) present: u32,
    /// Targets that can be begun with it.
    pub(crate) switch: u32,
    /// Targets that have every picture.
    pub(crate) full_rate: u32,
    /// For each target how many frames back the last one of its chain is; 0 where the chain begins.
    pub(crate) chain_diffs: Vec<u8>,
}

#[derive(Debug, Default)]
pub(crate) struct Targets {
    active: u32,
    decoded: VecDeque<u16>,
    /// The last one decoded.
    picture: u32,
    /// The last one behind a hole that nobody could tell of.
    excused: Option<u32>,
}

impl Targets {
    /// A frame of that picture is decoded. `is_begin`: with it everything begins anew. What is wrong about what came
    /// before it, given that nothing was lost.
    pub(crate) fn follow(&mut self, told: &Told, picture: u32, is_begin: bool) -> Option<String> {
        let before = self.active;
        self.active = told.active.unwrap_or(before);
        let wrong = if is_begin { None } else { self.wrong(told, before & self.active, picture) };
        if is_begin {
            self.decoded.clear();
            self.excused = None;
        }
        self.decoded.push_back(told.number);
        if self.decoded.len() > REMEMBERED {
            self.decoded.pop_front();
        }
        self.picture = picture;
        wrong
    }

    /// `counted_on`: targets that were and are active.
    fn wrong(&mut self, told: &Told, counted_on: u32, picture: u32) -> Option<String> {
        let active = self.active;
        if told.present & active == 0 {
            return Some(format!("is of none of the targets {active:#b} that are active: {told:?}"));
        }
        if picture > self.picture + 1 && counted_on & told.full_rate != 0 {
            // Down and up again before anything else was sent: the target begins anew.
            let is_anew = counted_on & told.full_rate & !told.switch == 0;
            if !is_anew || self.excused.is_some_and(|excused| picture - excused <= EXCUSED_EVERY) {
                return Some(format!("comes after a hole, and all pictures of {counted_on:#b} should come: {told:?}"));
            }
            self.excused = Some(picture);
        }
        let counted_on = counted_on & !told.switch;
        let is_broken = |(target, diff): (usize, &u8)| {
            let last = told.number.wrapping_sub(u16::from(*diff));
            counted_on >> target & 1 == 1 && *diff > 0 && !self.decoded.contains(&last)
        };
        let broken = told.chain_diffs.iter().enumerate().find(|link| is_broken(*link))?.0;
        Some(format!("finds the chain of target {broken} broken, of {counted_on:#b} that are active: {told:?}"))
    }
}
