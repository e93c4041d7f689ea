//! Whatever is wanted, whenever.

use std::collections::HashSet;

use proptest::prelude::*;

use sluice_rtp::VideoCodec;
use sluice_rtp::dependency_descriptor::MAX_LEN;

use super::super::{Arrival, Received, Verdict};
use super::model::Call;
use super::source::Kind;
use crate::allocator::LayerId;

fn track() -> impl Strategy<Value = (Kind, u8)> {
    let kind = prop_oneof![
        Just(Kind::H264),
        Just(Kind::Vp8),
        Just(Kind::Vp9),
        (1u8..=3, any::<bool>()).prop_map(|(spatial, is_key_only)| Kind::Described { spatial, is_key_only }),
    ];
    (kind, 1u8..=3)
}

fn target() -> impl Strategy<Value = Option<LayerId>> {
    let layer = (0u8..3, 0u8..3).prop_map(|(spatial, temporal)| LayerId { spatial, temporal });
    prop_oneof![1 => Just(None), 9 => layer.prop_map(Some)]
}

/// Layers that the track has, at most those wanted.
fn reachable(kind: Kind, streams: u8, wanted: LayerId) -> LayerId {
    let spatial = if streams > 1 { streams } else { kind.spatial() };
    LayerId {
        spatial: wanted.spatial.min(spatial - 1),
        temporal: if kind.has_temporal() { wanted.temporal } else { 0 },
    }
}

proptest! {
    /// Nothing is lost: all that goes out is decodable, its numbers have no hole and its pictures an end. A target
    /// that stays is reached when the publisher answers requests.
    #[test]
    fn what_goes_out_is_decodable_and_targets_are_reached(
        (kind, streams) in track(),
        steps in prop::collection::vec((target(), 1usize..14, 1usize..4, any::<bool>(), any::<bool>()), 1..12),
        last in (0u8..3, 0u8..3),
    ) {
        let mut call = Call::new(kind, streams);
        for (wanted, pictures, packets, mixed, answers) in steps {
            call.answers = answers;
            let wanted = wanted.map(|wanted| reachable(kind, streams, wanted));
            for picture in 0..pictures {
                let packets = call.capture(false, packets, mixed);
                // In the middle of a picture as well.
                let turn = packets.len() / 2;
                for (i, sent) in packets.iter().enumerate() {
                    if picture == 0 && i == turn {
                        call.forwarder.set_target(wanted);
                    }
                    call.receive(sent);
                }
            }
        }
        call.answers = true;
        let wanted = reachable(kind, streams, LayerId { spatial: last.0, temporal: last.1 });
        call.forwarder.set_target(Some(wanted));
        call.run(17);
        prop_assert_eq!(call.forwarder.current(), Some(wanted));
        prop_assert_eq!(call.forwarder.waits_for_keyframe(), None);
        let from = call.out.len();
        call.run(8);
        for (stream, spatial, temporal) in call.frames_since(from) {
            prop_assert!(temporal <= wanted.temporal);
            let is_wanted = if streams > 1 { stream == wanted.spatial } else { spatial <= wanted.spatial };
            prop_assert!(is_wanted);
        }
        call.assert_decodable();
    }

    /// Nothing is lost, but packets overtake each other: what goes out is decodable all the same. Key pictures come
    /// in order: of one whose first packet comes last nothing but that packet can go out. A pause would cut what
    /// is under way.
    #[test]
    fn what_goes_out_in_disorder_is_decodable(
        (kind, _) in track(),
        steps in prop::collection::vec((target(), 1usize..10, 1usize..4), 1..12),
        lateness in prop::collection::vec(0usize..9, 50),
    ) {
        let mut call = Call::new(kind, 1);
        let mut lateness = lateness.into_iter().cycle();
        call.forwarder.set_target(Some(LayerId::default()));
        let (mut under_way, mut turn) = (Vec::new(), 0);
        for (wanted, pictures, packets) in steps {
            let wanted = wanted.map(|wanted| reachable(kind, 1, wanted));
            for _ in 0..pictures {
                let picture = call.capture(false, packets, false);
                if call.log[picture[0].frame].is_key {
                    under_way.drain(..).for_each(|(_, sent)| { call.receive(&sent); });
                    picture.iter().for_each(|sent| { call.receive(sent); });
                    continue;
                }
                for sent in picture {
                    turn += 1;
                    under_way.push((turn + lateness.next().unwrap(), sent));
                }
                under_way.sort_by_key(|(at, _)| *at);
                let arrived = under_way.partition_point(|(at, _)| *at <= turn);
                for (i, (_, sent)) in under_way.drain(..arrived).enumerate() {
                    if i == arrived / 2 && wanted.is_some() {
                        call.forwarder.set_target(wanted);
                    }
                    call.receive(&sent);
                }
            }
        }
        under_way.drain(..).for_each(|(_, sent)| { call.receive(&sent); });
        call.assert_references();
    }

    /// A stranger's bytes: nothing panics, and no number goes out twice.
    #[test]
    fn any_bytes_are_survived(
        packets in prop::collection::vec(
            (0u8..5, 0u64..3_000, any::<u32>(), any::<Vec<u8>>(), any::<Option<Vec<u8>>>(), target()), 1..60),
    ) {
        let codecs = [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1, VideoCodec::H264];
        let mut call = Call::new(Kind::H264, 1);
        let mut seen = HashSet::new();
        for (codec, sequence, timestamp, payload, descriptor, wanted) in packets {
            let codec = codecs.get(usize::from(codec)).copied();
            if wanted.is_some() {
                call.forwarder.set_target(wanted);
            }
            let info = call.inspectors[0].inspect(Received {
                codec,
                sequence,
                timestamp,
                marker: false,
                payload: &payload,
                dependency_descriptor: descriptor.as_deref(),
            });
            let arrival = Arrival { at: call.now, clock_rate_hz: 90_000 };
            if let Verdict::Forward(place) = call.forwarder.forward(&info, &mut call.numbers, arrival) {
                prop_assert!(seen.insert(place.sequence));
                info.descriptor.patch(&mut payload.clone(), place.picture_id, place.tl0_pic_idx);
                let mut bytes = [0; MAX_LEN];
                let raw = descriptor.unwrap_or_default();
                bytes[..raw.len()].copy_from_slice(&raw);
                let len = info.patch_dependency(&mut bytes, raw.len(), place.frame_number, place.active_targets);
                prop_assert!(len.is_none_or(|len| (raw.len()..=raw.len() + 5).contains(&len)));
            }
        }
    }

    /// Packets are lost, late and doubled: no number goes out twice, and between two switches the order of what
    /// goes out is that of the source.
    #[test]
    fn numbers_hold_on_any_network(
        (kind, streams) in track(),
        steps in prop::collection::vec((target(), 1usize..10, 1usize..4, any::<bool>()), 1..8),
        fates in prop::collection::vec((prop::bool::weighted(0.1), prop::bool::weighted(0.1), 0usize..12), 50),
    ) {
        let mut call = Call::new(kind, streams);
        let mut fates = fates.into_iter().cycle();
        let mut under_way = Vec::new();
        let mut turn = 0;
        for (wanted, pictures, packets, mixed) in steps {
            call.forwarder.set_target(wanted);
            for _ in 0..pictures {
                for sent in call.capture(false, packets, mixed) {
                    let (is_lost, is_doubled, late) = fates.next().unwrap();
                    turn += 1;
                    if !is_lost {
                        under_way.push((turn + late, sent.clone()));
                    }
                    if is_doubled {
                        under_way.push((turn + 2 * late, sent));
                    }
                }
                under_way.sort_by_key(|(at, _)| *at);
                let arrived = under_way.partition_point(|(at, _)| *at <= turn);
                for (_, sent) in under_way.drain(..arrived) {
                    call.receive(&sent);
                }
            }
        }
        let mut seen = HashSet::new();
        let mut source: Vec<(u64, u64)> = Vec::new();
        let mut highest = 0;
        for out in &call.out {
            prop_assert!(seen.insert(out.place.sequence), "{} twice", out.place.sequence);
            if out.place.is_switch {
                prop_assert_eq!(out.place.sequence, highest + 1);
                source.clear();
            }
            highest = highest.max(out.place.sequence);
            source.push((out.sent.sequence, out.place.sequence));
            let (from, to) = (source[0], source[source.len() - 1]);
            prop_assert!(to.1 - from.1 <= to.0 - from.0, "a hole of our own making");
            let before = source[..source.len() - 1].iter();
            for (sequence, placed) in before {
                prop_assert_eq!(sequence < &out.sent.sequence, placed < &out.place.sequence);
            }
        }
    }
}
