//! The allocator: who gets which layer when a subscriber's link does not carry everything.
//!
//! A pure function, [`allocate`], called by a subscriber's transport whenever its estimate, its tracks or their
//! rates change, and at least every [`PERIOD`] while anything is short. Knows neither packets nor codecs nor
//! congestion control: a budget in, a layer for each track out. What it has to remember between two calls is a
//! [`Memory`] that the caller keeps for each track and hands back unread.
//!
//! # What is asked
//!
//! A subscriber takes tracks. Each track has *layers* that live now, and what each of them takes with everything
//! it builds on. The subscriber's demand bounds them: no spatial layer above `max_spatial` (but the lowest that lives), no temporal layer
//! beyond the lowest one with `max_fps` frames (less a tenth). A camera, in its better spatial layers, keeps at
//! least half of its frames: movement is worth more than sharpness in a face. A screen may have few: text must be
//! readable. What is left, lowest first, is the track's *ladder*; its lowest step is the *base*, its highest the
//! *wish*. A track with a ladder of one step is all or nothing.
//!
//! # The order of service
//!
//! 1. **Audio always and first.** What it takes comes off the budget. It is never paused, also where it is more
//!    than the budget: then there is no video.
//! 2. **Rank.** Video is ranked: screens before everything else; then the subscriber's own priority, higher
//!    first; then the larger area; then the order the caller gave. An area not said is the smallest.
//! 3. **Stage.** On stage is a screen, a track with a priority, and a track whose area is at least four times the
//!    median of the areas of the others.
//! 4. **A base for all before anything better for one.** Bases are given by rank. A base that does not fit in what
//!    those before it left is passed over, its track is paused, and the next is looked at: one large screen that
//!    can never fit does not take the pictures from everybody. Whose subscriber will have no pauses has its base
//!    whether it fits or not.
//! 5. **Better layers**, to those who have their base, in rounds: in the first round everybody climbs to the end
//!    of its lowest spatial layer, in the second to the end of the next, and so on; by rank within a round.
//!    Who is on stage is one spatial layer ahead: in the first round it climbs two. The first step that does not
//!    fit ends it. Nobody behind overtakes, even with a step that would fit: that room is what the one in front
//!    is waiting for, and it is what makes more budget never worse.
//!
//! # Holding still
//!
//! Layers must not flap: each switch costs a key frame. A step asks for a share of the *total*, which is all that
//! comes before it in the order of service and itself. The budget must be at least
//!
//! | for | of the total | why |
//! |---|---|---|
//! | a base, not paused before | 100 % | a newcomer sees a picture at once |
//! | a base that is held | 90 % | a single layer is not lost for being ten per cent over; the encoder and the estimate breathe |
//! | the same, in the first 500 ms in which the held bases ask for more than that | 80 % | the estimate often dips for a moment; the queue this builds (100 ms) does not hurt audio yet |
//! | a base that was paused | 115 % | and 2 s since it was paused; it would be paused again |
//! | the same, while somebody has better than a base | 105 % | there is room, it only has to be taken from the better off: nobody waits for it |
//! | a better step that is held | 95 % | |
//! | a better step that is not held | 115 % | and 2 s since its track last gave way |
//!
//! - A better step is also given, without headroom and without delay, where the total is no more than what is held
//!   already, or where one after it in the order of service is held and stays: room in use changes hands when ranks
//!   change.
//! - While a paused base would fit and waits only for headroom or for its 2 s, nobody takes a better step: it
//!   would be the room the base waits for.
//! - Without an estimate (`budget_bps` of `None`) everybody has its wish.
//!
//! # What holds
//!
//! - What is allocated is at most the budget, and where something is held at most 1/0.95 of it for better
//!   layers, 1/0.9 of it for bases, 1/0.8 for 500 ms. Audio alone may be more, and so may bases that must not pause.
//! - More budget never gives anybody a worse layer, with one exception that rule 4 wants: where it lets in a base
//!   that did not fit before, others pay for it, with better layers, or, behind it, with their base; and where it
//!   brings a paused base so near that it waits only for headroom or time, others do not take what they do not
//!   hold.
//! - Nobody has better than a base while a base, ranked before or behind, would fit (with 5 % to spare where it
//!   was paused).
//! - A budget that wavers by 5 % around any point moves no track up and down again, nor down and up, but where it
//!   lets in a base that others pay for: then once.
//! - The same question has the same answer. Time is linear in the number of layers, besides sorting the tracks.

mod ladder;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::{Demand, Kind, Reason, Source};

use ladder::Step;

/// How often the caller asks again while a track has less than it wishes: delays end in between.
pub(crate) const PERIOD: Duration = Duration::from_millis(250);

/// An area so many times the median of the others is on stage.
const STAGE_FACTOR: u64 = 4;
/// Who gave way stays so long: shorter than the five seconds in which relief should be seen, longer than an
/// estimate takes to settle after it fell.
const SETTLE: Duration = Duration::from_secs(2);
/// How long held bases may ask for [`DIP_PERCENT`].
const DIP: Duration = Duration::from_millis(500);

// Shares of the total the budget must cover; the table above says what for.
const BEGIN_PERCENT: u8 = 100;
const BASE_STAY_PERCENT: u8 = 90;
const DIP_PERCENT: u8 = 80;
const RISE_PERCENT: u8 = 115;
const TAKE_PERCENT: u8 = 105;
const STAY_PERCENT: u8 = 95;

/// A layer: spatial (or simulcast) step and temporal step, both 0 = lowest. Ordered by spatial, then temporal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LayerId {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
}

/// What it takes to send a layer with all it builds on, headers included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerRate {
    pub(crate) layer: LayerId,
    /// Measured where it can be, else as announced; 0 is taken at its word.
    pub(crate) bps: u64,
}

/// What the allocator keeps of a track between two calls. New ones are `default()`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The layer it was given last.
    target: Option<LayerId>,
    /// When it last got less for want of room, pausing included.
    gave_way_at: Option<Instant>,
    /// Since when held bases ask for more than they may for long.
    crowded_since: Option<Instant>,
}

impl Memory {
    /// It had a picture and lost it for want of room.
    fn is_paused(&self) -> bool {
        self.target.is_none() && self.gave_way_at.is_some()
    }

    fn is_settled(&self, now: Instant) -> bool {
        self.gave_way_at.is_none_or(|at| now.saturating_duration_since(at) >= SETTLE)
    }
}

/// One track a subscriber takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want<'a, K> {
    /// The caller's name for it.
    pub(crate) key: K,
    pub(crate) kind: Kind,
    pub(crate) source: Source,
    pub(crate) is_muted: bool,
    /// What the subscriber asked for.
    pub(crate) demand: Demand,
    /// The layers that live now, ascending by [`LayerId`], not bounded by the demand. Sound has one.
    pub(crate) layers: &'a [LayerRate],
    /// Frames per second of the highest temporal layer; each one below has half. `None`: not known, then
    /// `max_fps` bounds nothing.
    pub(crate) fps: Option<u16>,
    /// The highest spatial layer its publisher announced; `None`: not known.
    pub(crate) announced_spatial: Option<u8>,
    /// The subscriber lets it be paused where there is no room for its base.
    pub(crate) may_pause: bool,
    /// From the [`Grant`] of the call before.
    pub(crate) memory: Memory,
}

/// What a track gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant<K> {
    pub(crate) key: K,
    /// The layer to forward; `None`: nothing.
    pub(crate) target: Option<LayerId>,
    /// Bits per second set aside for it.
    pub(crate) bps: u64,
    /// The layer wished for, within the demand and what lives.
    pub(crate) wanted: Option<LayerId>,
    /// Bits per second it would take.
    pub(crate) wanted_bps: u64,
    /// What limits it, as far as is known here.
    pub(crate) reason: Reason,
    /// To hand back in the next call.
    pub(crate) memory: Memory,
}

/// What a subscriber gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome<K> {
    /// One for each [`Want`], in the same order.
    pub(crate) grants: Vec<Grant<K>>,
    /// Bits per second set aside for all.
    pub(crate) allocated_bps: u64,
    /// Bits per second that every wish would take.
    pub(crate) desired_bps: u64,
    /// The smallest budget in bits per second with which somebody would get better, delays aside: what to
    /// probe for. `None` when every wish is granted.
    pub(crate) next_step_bps: Option<u64>,
}

/// Shares out a budget. The module documentation is the specification.
pub(crate) fn allocate<K: Copy>(budget_bps: Option<u64>, wants: &[Want<'_, K>], now: Instant) -> Outcome<K> {
    let mut table = Table::new(wants);
    let next_step_bps = match budget_bps {
        Some(budget_bps) => Service { table: &mut table, budget_bps, now, next_step_bps: None }.run(),
        None => {
            table.grant_wishes();
            None
        }
    };
    table.outcome(wants, next_step_bps, now)
}

/// A video track that can be sent.
struct Candidate {
    /// Where it stands in the wants.
    want: usize,
    /// Its ladder, in [`Table::steps`]. Never empty.
    ladder: Range<usize>,
    memory: Memory,
    may_pause: bool,
    is_on_stage: bool,
    /// How many of its steps it holds from the call before.
    held: usize,
    /// How many of its steps it is given.
    given: usize,
    crowded_since: Option<Instant>,
}

/// Everybody's ladders, and what is given of them.
struct Table {
    steps: Vec<Step>,
    /// By rank.
    candidates: Vec<Candidate>,
    audio_bps: u64,
}

impl Table {
    fn new<K>(wants: &[Want<'_, K>]) -> Self {
        let mut steps = Vec::with_capacity(wants.iter().map(|want| want.layers.len()).sum());
        let mut candidates = Vec::with_capacity(wants.len());
        let mut audio_bps = 0_u64;
        for (index, want) in wants.iter().enumerate() {
            if !is_sendable(want) {
                continue;
            }
            if want.kind == Kind::Audio {
                audio_bps = audio_bps.saturating_add(want.layers.last().map_or(0, |layer| layer.bps));
                continue;
            }
            let begin = steps.len();
            ladder::climb(want, &mut steps);
            if steps.len() == begin {
                continue;
            }
            let held = want
                .memory
                .target
                .map_or(0, |target| steps[begin..].iter().take_while(|step| step.layer <= target).count());
            candidates.push(Candidate {
                want: index,
                ladder: begin..steps.len(),
                memory: want.memory,
                may_pause: want.may_pause,
                is_on_stage: false,
                held,
                given: 0,
                crowded_since: None,
            });
        }
        rank(&mut candidates, wants);
        Self { steps, candidates, audio_bps }
    }

    fn step(&self, candidate: &Candidate, step: usize) -> Step {
        self.steps[candidate.ladder.start + step]
    }

    fn grant_wishes(&mut self) {
        for candidate in &mut self.candidates {
            candidate.given = candidate.ladder.len();
        }
    }

    fn outcome<K: Copy>(self, wants: &[Want<'_, K>], next_step_bps: Option<u64>, now: Instant) -> Outcome<K> {
        let mut grants: Vec<_> = wants.iter().map(without_video).collect();
        for candidate in &self.candidates {
            let wish = self.step(candidate, candidate.ladder.len() - 1);
            let given = candidate.given.checked_sub(1).map(|step| self.step(candidate, step));
            let target = given.map(|step| step.layer);
            let has_wish = target == Some(wish.layer);
            let gives_way = target < candidate.memory.target && !has_wish;
            let want = &wants[candidate.want];
            let grant = &mut grants[candidate.want];
            grant.target = target;
            grant.bps = given.map_or(0, |step| step.bps);
            grant.wanted = Some(wish.layer);
            grant.wanted_bps = wish.bps;
            grant.reason = match target {
                None => Reason::Paused,
                Some(_) if !has_wish => Reason::Bandwidth,
                Some(_) => ladder::what_bounds(want, wish.layer),
            };
            grant.memory = Memory {
                target,
                gave_way_at: if gives_way { Some(now) } else { candidate.memory.gave_way_at },
                crowded_since: candidate.crowded_since,
            };
        }
        let allocated_bps = grants.iter().fold(0_u64, |sum, grant| sum.saturating_add(grant.bps));
        let desired_bps = grants.iter().fold(0_u64, |sum, grant| sum.saturating_add(grant.wanted_bps));
        Outcome { grants, allocated_bps, desired_bps, next_step_bps }
    }
}

/// Whether anything of a track can be sent to a subscriber who asked for it.
fn is_sendable<K>(want: &Want<'_, K>) -> bool {
    want.demand.enabled && !want.is_muted && !want.layers.is_empty()
}

/// The whole grant for sound, and for what cannot be sent. What begins anew begins without a memory.
fn without_video<K: Copy>(want: &Want<'_, K>) -> Grant<K> {
    let sound = want.layers.last().filter(|_| want.kind == Kind::Audio && is_sendable(want));
    let target = sound.map(|sound| sound.layer);
    let bps = sound.map_or(0, |sound| sound.bps);
    let reason = match target {
        Some(_) => Reason::Full,
        None if !want.demand.enabled => Reason::Disabled,
        None if want.is_muted => Reason::Muted,
        None => Reason::PublisherNotSending,
    };
    Grant { key: want.key, target, bps, wanted: target, wanted_bps: bps, reason, memory: Memory::default() }
}

/// Puts candidates in the order of rank and says who is on stage.
fn rank<K>(candidates: &mut [Candidate], wants: &[Want<'_, K>]) {
    let demand = |candidate: &Candidate| wants[candidate.want].demand;
    let is_screen = |candidate: &Candidate| wants[candidate.want].source == Source::Screen;
    candidates.sort_unstable_by_key(|candidate| demand(candidate).area_px);
    let areas: Vec<u64> = candidates.iter().map(|candidate| demand(candidate).area_px.into()).collect();
    for (place, candidate) in candidates.iter_mut().enumerate() {
        // The (lower) median of the others: skip the place of this one.
        let median = areas.len().checked_sub(2).map(|others| {
            let middle = others / 2;
            areas[if middle < place { middle } else { middle + 1 }]
        });
        let is_large = median.is_some_and(|median| median > 0 && areas[place] >= STAGE_FACTOR * median);
        candidate.is_on_stage = is_screen(candidate) || demand(candidate).priority > 0 || is_large;
    }
    candidates.sort_unstable_by_key(|candidate| {
        let demand = demand(candidate);
        (!is_screen(candidate), std::cmp::Reverse((demand.priority, demand.area_px)), candidate.want)
    });
}

/// A better step in the order of service.
struct Rung {
    candidate: usize,
    /// Everything up to and with it, bits per second.
    total_bps: u64,
    is_held: bool,
}

/// One sharing out of a budget.
struct Service<'a> {
    table: &'a mut Table,
    budget_bps: u64,
    now: Instant,
    next_step_bps: Option<u64>,
}

impl Service<'_> {
    /// Returns the smallest budget that would change something for the better.
    fn run(mut self) -> Option<u64> {
        let bases = self.give_bases();
        self.give_better(bases);
        self.next_step_bps
    }

    fn covers(&self, percent: u8, total_bps: u64) -> bool {
        u128::from(self.budget_bps) * 100 >= u128::from(total_bps) * u128::from(percent)
    }

    /// This would be better, and takes so much of the total.
    fn note_next_step(&mut self, percent: u8, total_bps: u64) {
        let needed = (u128::from(total_bps) * u128::from(percent)).div_ceil(100);
        let needed = u64::try_from(needed).unwrap_or(u64::MAX);
        self.next_step_bps = Some(self.next_step_bps.map_or(needed, |next| next.min(needed)));
    }

    /// Rules 1 to 4.
    fn give_bases(&mut self) -> Bases {
        let stay_percent = self.hold_through_a_dip();
        let is_anybody_better_off = self.table.candidates.iter().any(|candidate| candidate.held > 1);
        let mut bases = Bases { total_bps: self.table.audio_bps, is_one_waiting: false };
        for index in 0..self.table.candidates.len() {
            let candidate = &self.table.candidates[index];
            let total_bps = bases.total_bps.saturating_add(self.table.step(candidate, 0).bps);
            let (is_paused, may_pause) = (candidate.memory.is_paused(), candidate.may_pause);
            let (fits, percent_to_begin) = if candidate.held > 0 {
                (self.covers(stay_percent, total_bps), RISE_PERCENT)
            } else if !is_paused {
                (self.covers(BEGIN_PERCENT, total_bps), BEGIN_PERCENT)
            } else if is_anybody_better_off {
                (self.covers(TAKE_PERCENT, total_bps), RISE_PERCENT)
            } else {
                (candidate.memory.is_settled(self.now) && self.covers(RISE_PERCENT, total_bps), RISE_PERCENT)
            };
            if fits || !may_pause {
                bases.total_bps = total_bps;
                self.table.candidates[index].given = 1;
            } else {
                bases.is_one_waiting |= is_paused && self.covers(TAKE_PERCENT, total_bps);
                self.note_next_step(percent_to_begin, total_bps);
            }
        }
        bases
    }

    /// What share of the total the budget must be for a held base to stay.
    fn hold_through_a_dip(&mut self) -> u8 {
        let held = |candidate: &&Candidate| candidate.held > 0;
        let held_bps = self
            .table
            .candidates
            .iter()
            .filter(held)
            .map(|candidate| self.table.step(candidate, 0).bps)
            .fold(self.table.audio_bps, u64::saturating_add);
        if self.covers(BASE_STAY_PERCENT, held_bps) {
            return BASE_STAY_PERCENT;
        }
        let since = self.table.candidates.iter().filter_map(|candidate| candidate.memory.crowded_since).min();
        let since = since.unwrap_or(self.now);
        for candidate in self.table.candidates.iter_mut().filter(|candidate| candidate.held > 0) {
            candidate.crowded_since = Some(since);
        }
        let is_dip = self.now.saturating_duration_since(since) < DIP && self.covers(DIP_PERCENT, held_bps);
        if is_dip { DIP_PERCENT } else { BASE_STAY_PERCENT }
    }

    /// Rule 5.
    fn give_better(&mut self, bases: Bases) {
        let rungs = self.rungs(bases.total_bps);
        let in_use_bps = self.in_use_bps();
        let is_kept =
            |rung: &Rung| (rung.is_held || rung.total_bps <= in_use_bps) && self.covers(STAY_PERCENT, rung.total_bps);
        let kept = rungs.iter().rposition(is_kept);
        let mut given = kept.map_or(0, |last| last + 1);
        let may_rise = |rung: &Rung| {
            let memory = &self.table.candidates[rung.candidate].memory;
            !bases.is_one_waiting && memory.is_settled(self.now) && self.covers(RISE_PERCENT, rung.total_bps)
        };
        given += rungs[given..].iter().take_while(|rung| may_rise(rung)).count();
        for rung in &rungs[..given] {
            self.table.candidates[rung.candidate].given += 1;
        }
        // While a base waits nobody climbs, so that more for them would change nothing.
        if let Some(next) = rungs.get(given).filter(|_| !bases.is_one_waiting) {
            self.note_next_step(RISE_PERCENT, next.total_bps);
        }
    }

    /// What audio and those who have their base hold from the call before, bits per second.
    fn in_use_bps(&self) -> u64 {
        let held = |candidate: &Candidate| match candidate.held.checked_sub(1) {
            Some(step) if candidate.given > 0 => self.table.step(candidate, step).bps,
            _ => 0,
        };
        self.table.candidates.iter().map(held).fold(self.table.audio_bps, u64::saturating_add)
    }

    /// All better steps of those who have their base, in the order of service.
    fn rungs(&self, mut total_bps: u64) -> Vec<Rung> {
        let table = &*self.table;
        let mut rungs = Vec::with_capacity(table.steps.len());
        // Who climbs, by rank, and the next step of each.
        let mut climbers: Vec<(usize, usize)> = (0..table.candidates.len())
            .filter(|index| table.candidates[*index].given > 0)
            .map(|index| (index, 1))
            .collect();
        let mut round = 0_u8;
        while !climbers.is_empty() {
            climbers.retain_mut(|(index, next)| {
                let candidate = &table.candidates[*index];
                let end = round.saturating_add(u8::from(candidate.is_on_stage));
                while *next < candidate.ladder.len() && table.step(candidate, *next).spatial_rank <= end {
                    let more = table.step(candidate, *next).bps - table.step(candidate, *next - 1).bps;
                    total_bps = total_bps.saturating_add(more);
                    rungs.push(Rung { candidate: *index, total_bps, is_held: *next < candidate.held });
                    *next += 1;
                }
                *next < candidate.ladder.len()
            });
            round = round.saturating_add(1);
        }
        rungs
    }
}

/// What the bases left.
#[derive(Clone, Copy)]
struct Bases {
    /// Audio and all bases given, bits per second.
    total_bps: u64,
    /// A paused base would fit and waits for headroom or its time.
    is_one_waiting: bool,
}
