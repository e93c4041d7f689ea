//! A track, one subscription to it, and the receiver behind it: what comes out is held against what a decoder
//! needs.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use sluice_rtp::dependency_descriptor::{Descriptor, MAX_LEN, Structure};

use super::super::{Arrival, Forwarder, Inspector, LayerInfo, OutNumbers, PacketInfo, Placement, Verdict};
use super::source::{Encoder, Frame, Kind, Sent};
use crate::allocator::LayerId;

pub(super) fn layer(spatial: u8, temporal: u8) -> Option<LayerId> {
    Some(LayerId { spatial, temporal })
}

/// A packet that went out.
#[derive(Debug, Clone)]
pub(super) struct Out {
    pub(super) sent: Sent,
    pub(super) place: Placement,
    /// The dependency descriptor as it leaves.
    descriptor: Vec<u8>,
}

pub(super) struct Call {
    pub(super) kind: Kind,
    pub(super) encoders: Vec<Encoder>,
    pub(super) inspectors: Vec<Inspector>,
    pub(super) forwarder: Forwarder,
    pub(super) numbers: OutNumbers,
    pub(super) log: Vec<Frame>,
    pub(super) out: Vec<Out>,
    pub(super) now: Instant,
    /// Decode targets that each frame belongs to, and those that can be begun with it, once it came.
    targets: HashMap<usize, (u32, u32)>,
    /// The publisher answers requests with a key frame of its next picture.
    pub(super) answers: bool,
}

impl Call {
    pub(super) fn new(kind: Kind, streams: u8) -> Self {
        let is_simulcast = streams > 1;
        #[expect(clippy::disallowed_methods, reason = "a test needs a first instant")]
        let now = Instant::now();
        Self {
            kind,
            encoders: (0..streams).map(|stream| Encoder::new(kind, stream)).collect(),
            inspectors: (0..streams).map(|stream| Inspector::new(stream, is_simulcast)).collect(),
            forwarder: Forwarder::new(is_simulcast),
            numbers: OutNumbers::default(),
            log: Vec::new(),
            out: Vec::new(),
            now,
            targets: HashMap::new(),
            answers: true,
        }
    }

    /// The packets of the next picture of every encoding. `mixed`: packets of the encodings take turns.
    pub(super) fn capture(&mut self, is_key: bool, packets: usize, mixed: bool) -> Vec<Sent> {
        self.now += Duration::from_micros(33_333);
        let wanted = self.forwarder.waits_for_keyframe().filter(|_| self.answers).map(usize::from);
        let mut pictures = Vec::new();
        for (stream, encoder) in self.encoders.iter_mut().enumerate() {
            let is_key = is_key || wanted == Some(stream);
            pictures.push(encoder.picture(is_key, packets, &mut self.log));
        }
        let mut all: Vec<(usize, Sent)> = Vec::new();
        for picture in pictures {
            let shift = if mixed { 0 } else { all.len() };
            all.extend(picture.into_iter().enumerate().map(|(i, sent)| (i + shift, sent)));
        }
        all.sort_by_key(|(turn, _)| *turn);
        all.into_iter().map(|(_, sent)| sent).collect()
    }

    pub(super) fn receive(&mut self, sent: &Sent) -> Option<Placement> {
        let info = sent.inspect(&mut self.inspectors[usize::from(sent.stream)]);
        if let LayerInfo::Dependency(frame) = &info.layers {
            self.targets.insert(sent.frame, (frame.present, frame.switch));
        }
        let arrival = Arrival { at: self.now, clock_rate_hz: 90_000 };
        match self.forwarder.forward(&info, &mut self.numbers, arrival) {
            Verdict::Drop => None,
            Verdict::Forward(place) => {
                self.out.push(Out { sent: sent.clone(), place, descriptor: patched(sent, &info, place) });
                Some(place)
            }
        }
    }

    pub(super) fn receive_all(&mut self, packets: &[Sent]) {
        for sent in packets {
            self.receive(sent);
        }
    }

    /// Pictures that arrive as they were sent.
    pub(super) fn run(&mut self, pictures: usize) {
        for _ in 0..pictures {
            let packets = self.capture(false, 2, true);
            self.receive_all(&packets);
        }
    }

    /// Spatial and temporal layers of the pictures that went out since `from`, once for each layer frame.
    pub(super) fn frames_since(&self, from: usize) -> Vec<(u8, u8, u8)> {
        let mut frames: Vec<usize> = self.out[from..].iter().map(|out| out.sent.frame).collect();
        frames.dedup();
        frames
            .iter()
            .map(|frame| (self.log[*frame].stream, self.log[*frame].spatial, self.log[*frame].temporal))
            .collect()
    }

    /// What must hold when nothing was lost on the way here.
    pub(super) fn assert_decodable(&self) {
        let mut pictures: BTreeMap<usize, (u32, Vec<&Out>)> = BTreeMap::new();
        let mut part = 0;
        for (i, out) in self.out.iter().enumerate() {
            assert_eq!(out.place.sequence, i as u64 + 1, "a hole in what went out");
            let frame = &self.log[out.sent.frame];
            if out.place.is_switch {
                assert!(frame.is_key, "a source is entered at a key frame");
            }
            if i == 0 || out.place.timestamp != self.out[i - 1].place.timestamp {
                if i > 0 {
                    let step = out.place.timestamp.wrapping_sub(self.out[i - 1].place.timestamp);
                    assert!(step.cast_signed() > 0, "time went back");
                }
                part += 1;
            }
            pictures.entry(part).or_insert((out.sent.timestamp, Vec::new())).1.push(out);
        }
        self.assert_references();
        self.assert_told_what_is_left();
        let packets = self.packets_of_frames();
        let is_complete = |frame: usize| packets.get(&frame) == Some(&self.log[frame].packets);
        let last = self.out.last().map(|out| out.sent.frame);
        let all: Vec<_> = pictures.into_values().collect();
        for (i, (_, picture)) in all.iter().enumerate() {
            // By another encoding only: who pauses gets the rest of the picture.
            let next = all.get(i + 1).map(|next| next.1[0]);
            let is_cut = next.is_none_or(|next| next.place.is_switch && next.sent.stream != picture[0].sent.stream);
            let frames_complete = picture.iter().all(|out| is_complete(out.sent.frame));
            assert!(frames_complete || is_cut || picture.iter().any(|o| Some(o.sent.frame) == last), "cut");
            if !is_cut {
                let markers: Vec<bool> = picture.iter().map(|out| out.place.marker).collect();
                assert_eq!(markers.iter().filter(|marker| **marker).count(), 1, "one end of a picture");
                assert_eq!(markers.last(), Some(&true), "at its end");
            }
        }
        self.assert_picture_ids(&all);
    }

    /// All that a frame builds on went out, and its number says so.
    pub(super) fn assert_references(&self) {
        let packets = self.packets_of_frames();
        let numbers: HashMap<usize, Option<u16>> =
            self.out.iter().map(|out| (out.sent.frame, out.place.frame_number)).collect();
        for out in &self.out {
            let frame = out.sent.frame;
            for base in &self.log[frame].builds_on {
                let is_complete = packets.get(base) == Some(&self.log[*base].packets);
                assert!(is_complete, "frame {frame} builds on {base}, which did not go out");
                if let (Some(from), Some(to)) = (numbers[base], out.place.frame_number) {
                    let told = u16::try_from(self.distance(*base, frame)).unwrap();
                    assert_eq!(to.wrapping_sub(from), told, "a distance between frame numbers changed");
                }
            }
        }
    }

    /// Decode targets that the receiver knows to be active behind each packet, as descriptors tell it; `None` where
    /// there are no descriptors.
    pub(super) fn active_targets(&self) -> Vec<Option<u32>> {
        let mut structure: Option<Structure> = None;
        let mut active = None;
        let read = |out: &Out| {
            let descriptor = Descriptor::parse(&out.descriptor, structure.as_ref())?;
            active = descriptor.active_decode_targets.or(active);
            structure = descriptor.structure.or(structure.take());
            active
        };
        self.out.iter().map(read).collect()
    }

    /// Each frame that goes out belongs to a target said to be active, and no frame of such a target stays behind,
    /// unless the next that goes out begins the target anew: in between there was nothing to tell it with.
    fn assert_told_what_is_left(&self) {
        let active = self.active_targets();
        for (i, out) in self.out.iter().enumerate() {
            let told = active[i].zip(self.targets.get(&out.sent.frame));
            let Some((active_now, (present, switch))) = told else { continue };
            assert_ne!(present & active_now, 0, "frame {} is of no target that is active", out.sent.frame);
            let Some(before) = i.checked_sub(1).filter(|_| !out.place.is_switch) else { continue };
            let counted_on = active_now & active[before].unwrap_or(0) & !switch;
            let between = self.out[before].sent.frame + 1..out.sent.frame;
            for frame in between.filter(|frame| self.log[*frame].stream == out.sent.stream) {
                let missed = counted_on & self.targets.get(&frame).map_or(0, |(present, _)| *present);
                assert_eq!(missed, 0, "frame {frame} stayed behind, though its target was said to be active");
            }
        }
    }

    fn packets_of_frames(&self) -> HashMap<usize, usize> {
        let mut packets = HashMap::new();
        for out in &self.out {
            *packets.entry(out.sent.frame).or_default() += 1;
        }
        packets
    }

    fn assert_picture_ids(&self, pictures: &[(u32, Vec<&Out>)]) {
        let mut last: Option<(u16, u8)> = None;
        for (_, picture) in pictures {
            let first = picture[0];
            let (Some(id), Some(tl0)) = (first.place.picture_id, first.place.tl0_pic_idx) else { continue };
            assert!(picture.iter().all(|o| o.place.picture_id == Some(id) && o.place.tl0_pic_idx == Some(tl0)));
            if let Some((last_id, last_tl0)) = last {
                let step = id.wrapping_sub(last_id) & 0x7fff;
                // VP9 keeps the places of pictures that were left out: a group has four.
                let most = if self.kind == Kind::Vp8 { 1 } else { 4 };
                assert!((1..=most).contains(&step), "picture id {last_id} -> {id}");
                let is_base = self.log[first.sent.frame].temporal == 0;
                assert_eq!(tl0.wrapping_sub(last_tl0), u8::from(is_base), "TL0PICIDX counts base pictures");
            }
            last = Some((id, tl0));
        }
    }

    /// Frames of the same encoding between two of them, and one more.
    fn distance(&self, from: usize, to: usize) -> usize {
        let stream = self.log[to].stream;
        self.log[from + 1..=to].iter().filter(|frame| frame.stream == stream).count()
    }
}

/// The dependency descriptor of a packet as it leaves; empty where there is none.
fn patched(sent: &Sent, info: &PacketInfo, place: Placement) -> Vec<u8> {
    let raw = sent.descriptor.as_deref().unwrap_or_default();
    let mut bytes = [0; MAX_LEN];
    bytes[..raw.len()].copy_from_slice(raw);
    let len = info.patch_dependency(&mut bytes, raw.len(), place.frame_number, place.active_targets);
    bytes[..len.unwrap_or(0)].to_vec()
}
