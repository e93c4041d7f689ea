//! Spatial and temporal layers of any codec, by the dependency descriptor.
//!
//! The descriptor names decode targets, and says for each frame to which of them it belongs. One target goes out
//! at a time: the frames that belong to it and no others. Another one can take over
//! - with a key frame;
//! - with a frame that is marked as a switch for it, when all that the frame builds on went out;
//! - at the start of a picture, when it is a lower one and everything that belongs to it went out so far anyway.
//!   So layers go down at once, except where the lower spatial layers were left out: `L3T3_KEY` and its kin send
//!   them for their own viewers only.
//!
//! Spatial layers change at the start of a picture only, since the layer below has ended the picture by then.
//!
//! The receiver is told which targets are left to it (`active_decode_targets_bitmask`): it counts on an unbroken chain
//! for each one that is active. As long as that is what the publisher says, nothing is told. From the first
//! difference on every frame tells, until a structure comes: whatever gets lost, who has a frame knows.

use crate::allocator::LayerId;

use super::history::History;
use super::packet::{DecodeTargets, DependentFrame, bit, is_within};

/// Marks of frames: decided or still missed, gone out or not, and the decode target in the low bits.
const DECIDED: u8 = 0x80;
const GONE_OUT: u8 = 0x40;
const TARGET: u8 = 0x1f;

/// What goes out of one stream.
#[derive(Debug, Clone)]
pub(super) struct DependencySelector {
    /// The decode target that goes out.
    target: u8,
    /// Decode targets of which everything went out since they could be begun.
    intact: u32,
    targets: DecodeTargets,
    /// Those that go out along with the target, by their structure.
    along: u32,
    /// Since the structure something else went out than the publisher says.
    is_telling: bool,
    /// Of the newest frame: frames of one picture share it.
    timestamp: u32,
    history: History,
}

impl DependencySelector {
    /// Begins with a key frame. `None` when nothing of the stream is sent.
    pub(super) fn new(entry: &DependentFrame, timestamp: u32, limit: LayerId) -> Option<Self> {
        let target = entry.targets.best(limit)?;
        let mark = DECIDED | GONE_OUT | target;
        let history = History::new(entry.number, mark);
        let (targets, along) = (entry.targets, entry.targets.along_with(target));
        Some(Self { target, intact: entry.switch, targets, along, is_telling: false, timestamp, history })
    }

    /// The layers that go out.
    pub(super) fn layer(&self) -> LayerId {
        self.targets.layer(self.target)
    }

    /// True when the spatial layer wanted can only begin with a key frame.
    pub(super) fn waits_for_keyframe(&self, limit: LayerId) -> bool {
        self.targets.best(limit).is_some_and(|wanted| {
            self.targets.layer(wanted).spatial != self.layer().spatial && !self.can_sink_to(wanted)
        })
    }

    /// True when all of a lower target went out so far. Of a higher one that is never certain: what it needs may
    /// be under way still, and would be left out when it comes.
    fn can_sink_to(&self, target: u8) -> bool {
        self.intact & bit(target) != 0 && is_within(self.targets.layer(target), self.layer())
    }

    /// `None` when the packet stays behind; else whether the picture ends with it.
    pub(super) fn admits(
        &mut self,
        frame: &DependentFrame,
        timestamp: u32,
        is_entry: bool,
        limit: LayerId,
    ) -> Option<bool> {
        if frame.number > self.history.newest() {
            self.take_in(frame, timestamp, is_entry, limit);
        }
        let mut mark = self.history.get(frame.number)?;
        if mark & DECIDED == 0 {
            mark = self.make_up_for(frame, timestamp, is_entry, mark & TARGET);
        }
        let layer = self.targets.layer(mark & TARGET);
        (mark & GONE_OUT != 0).then_some(frame.ends_frame && frame.layer.spatial == layer.spatial)
    }

    /// Which decode targets the receiver is told to be left with, in a packet that goes out: what its descriptor tells
    /// by itself, and where it must tell, is replaced.
    pub(super) fn active_targets(&mut self, frame: &DependentFrame) -> Option<u32> {
        let active = self.left_with(self.target, self.along);
        self.is_telling |= active != self.targets.all_active();
        let tells = self.is_telling && frame.starts_frame;
        // Of a frame of another structure, late, nothing is known any more.
        if !(tells || frame.active_field.is_present()) || self.targets != frame.targets {
            return None;
        }
        // A late frame may have gone out of another target.
        let due = self.history.get(frame.number).map_or(self.target, |mark| mark & TARGET);
        Some(if due == self.target { active } else { self.left_with(due, self.targets.along_with(due)) })
    }

    /// The targets a receiver can count on while one goes out, along with others.
    fn left_with(&self, target: u8, along: u32) -> u32 {
        along & (self.intact | bit(target))
    }

    /// Decides on a new frame.
    fn take_in(&mut self, frame: &DependentFrame, timestamp: u32, is_entry: bool, limit: LayerId) {
        let before = self.target;
        let is_decodable = self.is_decodable(frame);
        let has_other_targets = self.targets != frame.targets;
        self.targets = frame.targets;
        if is_entry {
            self.target = frame.targets.best(limit).unwrap_or(before);
            self.intact = 0;
            self.is_telling = false;
        } else {
            let starts_picture = timestamp != self.timestamp;
            self.target = self.choose(frame, starts_picture, is_decodable, limit);
        }
        if has_other_targets || self.target != before {
            self.along = self.targets.along_with(self.target);
        }
        // The structure and the stream's parameters come with the entry: it goes out whatever it belongs to.
        let goes_out = is_entry || frame.present & bit(self.target) != 0;
        if !goes_out {
            self.intact &= !frame.present;
        } else if is_decodable || is_entry {
            self.intact |= frame.switch;
        }
        let mark = DECIDED | if goes_out { GONE_OUT } else { 0 } | self.target;
        self.history.advance(frame.number, before, mark);
        self.timestamp = timestamp;
    }

    /// Decides on a frame that comes late: as it would have been when it was due, or now when it is needed now.
    fn make_up_for(&mut self, frame: &DependentFrame, timestamp: u32, is_entry: bool, due: u8) -> u8 {
        let belongs_to = |target| frame.present & bit(target) != 0;
        let target = if timestamp == self.timestamp { self.target } else { due };
        let was_left_out = |mark: Option<u8>| mark.is_some_and(|mark| mark & (DECIDED | GONE_OUT) == DECIDED);
        let is_due = belongs_to(target) && !self.bases(frame).any(was_left_out);
        let goes_out = is_entry || is_due || belongs_to(self.target) && self.is_decodable(frame);
        if !goes_out {
            self.intact &= !frame.present;
        }
        let mark = DECIDED | if goes_out { GONE_OUT } else { 0 } | target;
        self.history.set(frame.number, mark);
        mark
    }

    /// True when all that the frame builds on went out.
    fn is_decodable(&self, frame: &DependentFrame) -> bool {
        self.bases(frame).all(|mark| mark.is_some_and(|mark| mark & GONE_OUT != 0))
    }

    /// The marks of the frames that a frame builds on.
    fn bases(&self, frame: &DependentFrame) -> impl Iterator<Item = Option<u8>> {
        let number = frame.number;
        let distances = frame.builds_on.as_slice().iter();
        distances.map(move |distance| self.history.get(number.checked_sub(u64::from(*distance))?))
    }

    /// The best target that can go out from this frame on: the one that does, or one within the limit.
    fn choose(&self, frame: &DependentFrame, starts_picture: bool, is_decodable: bool, limit: LayerId) -> u8 {
        let current = self.layer();
        let can_begin = |target: u8, layer: LayerId| {
            let is_intact = starts_picture && self.can_sink_to(target);
            let is_switch = is_decodable && frame.switch & bit(target) != 0;
            is_intact || is_switch && (starts_picture || layer.spatial == current.spatial)
        };
        let may_stay = is_within(current, limit) && self.targets.is_active(self.target);
        self.targets
            .within(limit)
            .filter(|(target, layer)| can_begin(*target, *layer) && !(may_stay && *layer <= current))
            .max_by_key(|(_, layer)| *layer)
            .map_or(self.target, |(target, _)| target)
    }
}
