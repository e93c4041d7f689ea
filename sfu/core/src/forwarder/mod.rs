//! Which packets of a track a subscriber gets: the mechanism that carries a target layer out.
//!
//! The target comes from outside, from the allocator. An [`Inspector`] reads each packet of a stream once, for
//! all subscriptions; a [`Forwarder`] belongs to one subscription and chooses; [`OutNumbers`] belongs to the media
//! section and counts. None of them sees a payload: what they read is in headers and descriptors, which end-to-end
//! encryption leaves readable.
//!
//! What goes out is decodable at every moment, unless the network lost something of it. Layers go down at once
//! where the codec lets them, and up where a decoder can follow; until then what went out goes on.
//!
//! **Simulcast.** Another encoding begins with a key frame, and the old one ends there, in the middle of a picture
//! if need be. That picture is lost, and nothing else is: numbers go on without a hole, so no receiver asks for
//! what cannot come, and the picture behind the incomplete one has another timestamp and needs no other picture.
//! Holding the new encoding back until the old picture ends would delay the key frame and its repair, and would
//! have to give up anyway when the old one's last packet is the one that got lost. Late packets of the old
//! encoding are dropped: their places are in front of the switch, and partly given.
//!
//! **Who pauses** gets the rest of the picture on its way: a picture without its end is room spent on nothing. A
//! publisher that does not end it is not waited for ([`MAX_FINISHING_PACKETS`]).
//!
//! **Nothing is entered late.** Where the first packet of a key frame comes behind later ones, those are gone: they
//! were not sent, or under other numbers, in a picture that was cut. Entered there, the stream would begin with a hole
//! that no repair can fill. Another key frame is asked for instead.
//!
//! **Waiting for a smaller encoding** only its lowest temporal layer goes out: there is no room for more. Where even
//! that is too much, the worker stops what is left ([`Forwarder::stop`]); so it does with a spatial layer that only a
//! key frame can take the place of.

mod dependency;
mod history;
mod inspector;
mod numbers;
mod packet;
mod spatial;
mod temporal;
#[cfg(test)]
mod tests;

pub(crate) use inspector::{Inspector, Received};
pub(crate) use numbers::{Arrival, OutNumbers, Placement};
pub(crate) use packet::{LayerInfo, PacketInfo, is_within};

use crate::allocator::LayerId;

use dependency::DependencySelector;
use spatial::SpatialSelector;
use temporal::TemporalSelector;

/// So many packets of a picture may follow when it is the last: a key frame of 720 lines has 60. What a pause costs
/// at most, also where a publisher never ends its picture.
const MAX_FINISHING_PACKETS: u8 = 64;
/// No layer of a stream is above it.
const ALL: LayerId = LayerId { spatial: 7, temporal: 7 };

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not this subscriber's.
    Drop,
    /// It goes out, there.
    Forward(Placement),
}

/// Chooses what goes out to one subscription.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forwarder {
    target: Option<LayerId>,
    is_simulcast: bool,
    source: Option<Source>,
    /// The newest picture of the source that went out.
    last: Option<LastPicture>,
    /// Stops when that is whole, or after so many more packets.
    stops_within: Option<u8>,
}

/// What goes out now.
#[derive(Debug, Clone)]
struct Source {
    stream: u8,
    /// The highest layers that were wanted of it when anything was.
    limit: LayerId,
    selector: Selector,
}

/// A picture that goes out.
#[derive(Debug, Clone, Copy)]
struct LastPicture {
    /// Its source's.
    timestamp: u32,
    /// Its end went out.
    is_whole: bool,
}

#[derive(Debug, Clone)]
enum Selector {
    Whole,
    Temporal(TemporalSelector),
    Spatial(SpatialSelector),
    Dependency(DependencySelector),
}

/// What a selector says of a packet.
enum Choice {
    LeaveOut,
    Forward { ends_picture: bool },
}

impl Forwarder {
    /// `is_simulcast`: the track is known to have several encodings. Its packets have the last word.
    pub(crate) fn new(is_simulcast: bool) -> Self {
        Self { is_simulcast, ..Self::default() }
    }

    /// Reads something of every part that a packet needs.
    pub(crate) fn touch(&self) -> impl Copy + use<> {
        (self.target, self.source.as_ref().map(|source| source.stream), self.last, self.stops_within)
    }

    /// What is to go out: of a simulcast track the encoding `spatial`, of another one its spatial layers up to
    /// that, and temporal layers up to `temporal`. `None` pauses as soon as the picture on its way is whole.
    pub(crate) fn set_target(&mut self, target: Option<LayerId>) {
        self.target = target;
        // Taken back before the picture is whole, it still happens: of a muted track no packets come here meanwhile.
        if target.is_none() {
            self.stop();
        }
    }

    /// Stops in the middle of a picture if need be: the next packet sent will be an entry, whatever came in between.
    pub(crate) fn pause(&mut self) {
        self.source = None;
        self.last = None;
        self.stops_within = None;
    }

    /// Stops as soon as the picture on its way is whole.
    pub(crate) fn stop(&mut self) {
        self.stops_within.get_or_insert(MAX_FINISHING_PACKETS);
        self.stop_between_pictures(None);
    }

    /// Carries [`Self::stop`] out. `next` is the timestamp of the packet that comes, of the same source.
    fn stop_between_pictures(&mut self, next: Option<u32>) {
        let Some(packets_left) = self.stops_within else { return };
        let is_between = self
            .last
            .is_none_or(|last| last.is_whole || next.is_some_and(|next| is_newer(next, last.timestamp)));
        if is_between || packets_left == 0 {
            self.pause();
        }
    }

    /// A packet goes out.
    fn went_out(&mut self, timestamp: u32, marker: bool) {
        match &mut self.last {
            Some(last) if last.timestamp == timestamp => last.is_whole |= marker,
            // Late.
            Some(last) if is_newer(last.timestamp, timestamp) => {}
            last => *last = Some(LastPicture { timestamp, is_whole: marker }),
        }
        if let Some(packets_left) = &mut self.stops_within {
            *packets_left = packets_left.saturating_sub(1);
        }
        self.stop_between_pictures(None);
    }

    /// The layer forwarded now. Layers that cannot be told apart count as the lowest.
    pub(crate) fn current(&self) -> Option<LayerId> {
        let source = self.source.as_ref()?;
        let within = match &source.selector {
            Selector::Whole => LayerId::default(),
            Selector::Temporal(selector) => LayerId { spatial: 0, temporal: selector.limit() },
            Selector::Spatial(selector) => selector.limit(),
            Selector::Dependency(selector) => selector.layer(),
        };
        Some(if self.is_simulcast { LayerId { spatial: source.stream, ..within } } else { within })
    }

    /// The encoding forwarded now.
    pub(crate) fn stream(&self) -> Option<u8> {
        self.source.as_ref().map(|source| source.stream)
    }

    /// The encoding of which a key frame is needed to carry the target out.
    pub(crate) fn waits_for_keyframe(&self) -> Option<u8> {
        let target = self.target?;
        let wanted = self.wanted_stream(target);
        let waits = self.source.as_ref().is_none_or(|source| {
            let limit = self.limit_within(source.stream, target);
            source.stream != wanted
                || match &source.selector {
                    Selector::Whole | Selector::Temporal(_) => false,
                    Selector::Spatial(selector) => selector.limit().spatial < limit.spatial,
                    Selector::Dependency(selector) => selector.waits_for_keyframe(limit),
                }
        });
        waits.then_some(wanted)
    }

    /// True when what goes out is above the target, and only a key frame lets it down.
    pub(crate) fn is_held_up(&self) -> bool {
        let is_above = |current: LayerId| self.target.is_some_and(|target| current.spatial > target.spatial);
        self.current().is_some_and(is_above) && self.waits_for_keyframe().is_some()
    }

    /// The highest layers that are still of use to the receiver: those of the target, and of what goes out until the
    /// target can. `None` when nothing is.
    pub(crate) fn useful(&self) -> Option<LayerId> {
        let target = self.target?;
        Some(match self.current().filter(|_| self.waits_for_keyframe().is_some()) {
            Some(current) => LayerId {
                spatial: target.spatial.max(current.spatial),
                temporal: target.temporal.max(current.temporal),
            },
            None => target,
        })
    }

    /// Decides on a packet of the track, and places it in the outgoing stream.
    pub(crate) fn forward(&mut self, packet: &PacketInfo, numbers: &mut OutNumbers, arrival: Arrival) -> Verdict {
        if self.target.is_none() && self.source.is_none() {
            return Verdict::Drop;
        }
        self.is_simulcast = packet.is_simulcast;
        let wanted = self.target.map(|target| self.limit_within(packet.stream, target));
        if self.stream() == Some(packet.stream) {
            self.stop_between_pictures(Some(packet.timestamp));
        }
        let entered = wanted.filter(|_| self.enters(packet));
        let is_switch = entered.is_some();
        if let Some(limit) = entered {
            numbers.switch(packet, arrival);
            // What was to stop has been left.
            self.pause();
            self.source = Some(Source { stream: packet.stream, limit, selector: Selector::new(packet, limit) });
        }
        let Some(source) = self.source.as_mut().filter(|source| source.stream == packet.stream) else {
            return Verdict::Drop;
        };
        source.limit = wanted.unwrap_or(source.limit);
        match source.selector.choose(packet, source.limit) {
            Choice::LeaveOut => {
                numbers.leave_out(packet);
                if !matches!(packet.layers, LayerInfo::Padding) {
                    numbers.leave_out_picture(packet);
                }
                Verdict::Drop
            }
            Choice::Forward { ends_picture } => {
                let Some(place) = numbers.place(packet, arrival) else { return Verdict::Drop };
                let active_targets = source.selector.active_targets(packet);
                let marker = place.marker || ends_picture;
                // Sound comes in whole packets, and marks where a voice begins.
                self.went_out(packet.timestamp, marker || packet.codec.is_none());
                Verdict::Forward(Placement { marker, active_targets, is_switch, ..place })
            }
        }
    }

    /// True when another source begins with the packet. From nothing a smaller encoding will do until the one
    /// wanted shows a key frame: a picture at once.
    fn enters(&self, packet: &PacketInfo) -> bool {
        let Some(wanted) = self.target.map(|target| self.wanted_stream(target)) else { return false };
        packet.is_entry
            && !packet.is_overtaken
            && !matches!(packet.layers, LayerInfo::Padding)
            && match &self.source {
                None => packet.stream <= wanted,
                Some(source) => source.stream != packet.stream && packet.stream == wanted,
            }
    }

    fn wanted_stream(&self, target: LayerId) -> u8 {
        if self.is_simulcast { target.spatial } else { 0 }
    }

    /// The highest layers within an encoding, while `target` is wanted of the track.
    fn limit_within(&self, stream: u8, target: LayerId) -> LayerId {
        if !self.is_simulcast {
            return target;
        }
        match stream.cmp(&target.spatial) {
            std::cmp::Ordering::Less => ALL,
            std::cmp::Ordering::Equal => LayerId { spatial: ALL.spatial, temporal: target.temporal },
            std::cmp::Ordering::Greater => LayerId { spatial: ALL.spatial, temporal: 0 },
        }
    }
}

impl Selector {
    /// For a stream that is entered with this packet.
    fn new(entry: &PacketInfo, limit: LayerId) -> Self {
        match &entry.layers {
            LayerInfo::Padding | LayerInfo::Whole => Self::Whole,
            LayerInfo::Temporal(picture) => Self::Temporal(TemporalSelector::new(*picture, limit.temporal)),
            LayerInfo::Spatial(picture) => Self::Spatial(SpatialSelector::new(*picture, limit)),
            LayerInfo::Dependency(frame) => {
                DependencySelector::new(frame, entry.timestamp, limit).map_or(Self::Whole, Self::Dependency)
            }
        }
    }

    /// What the receiver is told of decode targets with a packet that goes out.
    fn active_targets(&mut self, packet: &PacketInfo) -> Option<u32> {
        match (self, &packet.layers) {
            (Self::Dependency(selector), LayerInfo::Dependency(frame)) => selector.active_targets(frame),
            _ => None,
        }
    }

    fn choose(&mut self, packet: &PacketInfo, limit: LayerId) -> Choice {
        const WHOLE: Choice = Choice::Forward { ends_picture: false };
        match (&mut *self, &packet.layers) {
            (_, LayerInfo::Padding) => Choice::LeaveOut,
            (Self::Temporal(selector), LayerInfo::Temporal(picture)) => {
                if selector.admits(*picture, packet.is_entry, limit.temporal) { WHOLE } else { Choice::LeaveOut }
            }
            (Self::Spatial(selector), LayerInfo::Spatial(picture)) => selector
                .admits(*picture, limit)
                .map_or(Choice::LeaveOut, |ends_picture| Choice::Forward { ends_picture }),
            (Self::Dependency(selector), LayerInfo::Dependency(frame)) => selector
                .admits(frame, packet.timestamp, packet.is_entry, limit)
                .map_or(Choice::LeaveOut, |ends_picture| Choice::Forward { ends_picture }),
            (Self::Whole, LayerInfo::Whole) => WHOLE,
            // The stream is described in another way than it began: it is followed from an entry on. Until
            // then nothing is known of what went out, and everything does.
            _ => {
                if packet.is_entry {
                    *self = Self::new(packet, limit);
                    if !matches!(self, Self::Whole) {
                        return self.choose(packet, limit);
                    }
                }
                WHOLE
            }
        }
    }
}

/// True for the timestamp of a later picture.
fn is_newer(timestamp: u32, than: u32) -> bool {
    timestamp.wrapping_sub(than).cast_signed() > 0
}
