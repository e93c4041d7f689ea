//! Codecs with layers in one stream.

use super::super::{Arrival, Forwarder, Inspector, MAX_FINISHING_PACKETS, OutNumbers, Received, Verdict};
use super::model::{Call, layer};
use super::source::Kind;
use crate::allocator::LayerId;

const L3T3: Kind = Kind::Described { spatial: 3, is_key_only: false };
const L3T3_KEY: Kind = Kind::Described { spatial: 3, is_key_only: true };

/// A call that shows `target` for two groups of pictures.
fn showing(kind: Kind, target: Option<LayerId>) -> Call {
    let mut call = Call::new(kind, 1);
    call.forwarder.set_target(target);
    call.run(8);
    assert_eq!(call.forwarder.current(), target);
    call
}

#[test]
fn vp8_drops_upper_temporal_layers_at_once_and_leaves_no_hole() {
    let mut call = showing(Kind::Vp8, layer(0, 2));
    call.run(1);
    let from = call.out.len();
    call.forwarder.set_target(layer(0, 0));
    call.run(7);
    assert_eq!(call.frames_since(from), [(0, 0, 0)], "four pictures on comes the next of the base");
    assert_eq!(call.forwarder.waits_for_keyframe(), None);
    call.assert_decodable();
}

#[test]
fn vp8_goes_up_one_layer_at_a_time_where_a_picture_builds_on_the_base_only() {
    let mut call = showing(Kind::Vp8, layer(0, 0));
    let from = call.out.len();
    call.forwarder.set_target(layer(0, 2));
    // The next group is the third: its upper layers build on the base.
    call.run(8);
    let temporal: Vec<u8> = call.frames_since(from).iter().map(|frame| frame.2).collect();
    assert_eq!(temporal, [0, 1, 0, 1], "in the tangled group the top layer builds on its past");
    call.run(4);
    assert_eq!(call.forwarder.current(), layer(0, 2));
    call.assert_decodable();
}

#[test]
fn a_late_packet_gets_the_answer_its_picture_got() {
    let mut call = showing(Kind::Vp8, layer(0, 2));
    call.run(1);
    let late = call.capture(false, 2, false);
    call.receive(&late[0]).unwrap();
    call.forwarder.set_target(layer(0, 0));
    call.run(3);
    let place = call.receive(&late[1]).unwrap();
    assert!(place.marker, "the rest of a picture that was begun");
    assert_eq!(place.sequence, call.out[call.out.len() - 2].place.sequence - 2, "its place was kept");
    assert_eq!(call.receive(&late[1]), None, "but not twice");
}

#[test]
fn a_picture_lost_on_the_way_here_leaves_its_hole() {
    let mut call = showing(Kind::Vp8, layer(0, 2));
    let before = call.out.last().unwrap().place;
    call.capture(false, 2, false);
    call.run(1);
    let after = call.out[call.out.len() - 2].place;
    assert_eq!(after.sequence, before.sequence + 3);
    let step = after.picture_id.unwrap().wrapping_sub(before.picture_id.unwrap()) & 0x7fff;
    assert_eq!(step, 2);
}

#[test]
fn vp9_drops_upper_spatial_layers_at_the_next_picture_and_ends_it_with_the_highest_that_goes_out() {
    let mut call = showing(Kind::Vp9, layer(2, 2));
    let from = call.out.len();
    let half = call.capture(false, 2, false);
    call.receive(&half[0]);
    call.forwarder.set_target(layer(1, 2));
    for sent in &half[1..] {
        call.receive(sent);
    }
    assert_eq!(call.frames_since(from), [(0, 0, 0), (0, 1, 0), (0, 2, 0)], "a picture begun is finished");
    let from = call.out.len();
    call.run(2);
    assert_eq!(call.frames_since(from), [(0, 0, 2), (0, 1, 2), (0, 0, 1), (0, 1, 1)]);
    assert!(call.out.last().unwrap().place.marker);
    call.assert_decodable();
}

#[test]
fn vp9_goes_up_a_spatial_layer_with_a_key_picture_and_asks_for_it() {
    let mut call = showing(Kind::Vp9, layer(0, 2));
    call.answers = false;
    call.forwarder.set_target(layer(2, 2));
    call.run(8);
    assert_eq!(call.forwarder.current(), layer(0, 2));
    assert_eq!(call.forwarder.waits_for_keyframe(), Some(0));
    call.answers = true;
    call.run(1);
    assert_eq!(call.forwarder.current(), layer(2, 2));
    assert_eq!(call.forwarder.waits_for_keyframe(), None);
    call.assert_decodable();
}

#[test]
fn vp9_keeps_the_places_of_pictures_left_out() {
    let mut call = showing(Kind::Vp9, layer(2, 0));
    let ids: Vec<u16> = call.out.iter().map(|out| out.place.picture_id.unwrap()).collect();
    assert_eq!(ids.last().unwrap().wrapping_sub(ids[0]) & 0x7fff, 4, "references are counted in pictures");
    call.forwarder.set_target(layer(2, 2));
    call.run(4);
    assert_eq!(call.forwarder.current(), layer(2, 2), "the base of an untangled group is a switching point");
    call.assert_decodable();
}

#[test]
fn by_dependency_descriptor_layers_that_build_on_each_other_go_down_at_once() {
    let mut call = showing(L3T3, layer(2, 2));
    let from = call.out.len();
    call.forwarder.set_target(layer(0, 1));
    call.run(4);
    assert_eq!(call.frames_since(from), [(0, 0, 0), (0, 0, 1)]);
    assert!(call.out[from..].iter().filter(|out| out.place.marker).count() == 2);
    call.assert_decodable();
}

#[test]
fn by_dependency_descriptor_nobody_gets_lower_layers_it_can_do_without() {
    let mut call = showing(L3T3_KEY, layer(2, 2));
    let from = call.out.len();
    call.run(2);
    assert_eq!(call.frames_since(from), [(0, 2, 0), (0, 2, 2)]);
    // The layer below was not sent here: it cannot begin in the middle.
    call.answers = false;
    call.forwarder.set_target(layer(1, 2));
    call.run(4);
    assert_eq!(call.forwarder.current(), layer(2, 2));
    assert_eq!(call.forwarder.waits_for_keyframe(), Some(0));
    call.answers = true;
    call.run(2);
    assert_eq!(call.forwarder.current(), layer(1, 2));
    call.assert_decodable();
}

#[test]
fn by_dependency_descriptor_temporal_layers_go_up_where_a_frame_is_a_switch() {
    let mut call = showing(L3T3_KEY, layer(1, 0));
    call.answers = false;
    let from = call.out.len();
    call.forwarder.set_target(layer(1, 2));
    call.run(4);
    assert_eq!(call.frames_since(from), [(0, 1, 0), (0, 1, 2), (0, 1, 1), (0, 1, 2)]);
    call.assert_decodable();
}

#[test]
fn by_dependency_descriptor_nothing_begins_on_frames_that_are_under_way() {
    let mut call = Call::new(Kind::Described { spatial: 1, is_key_only: false }, 1);
    call.forwarder.set_target(layer(0, 0));
    call.run(1);
    call.forwarder.set_target(layer(0, 2));
    // All of the top layer went out so far, since there was none.
    let late = [call.capture(false, 1, false), call.capture(false, 1, false)].concat();
    let overtaking = call.capture(false, 1, false);
    assert_eq!(call.receive(&overtaking[0]), None);
    call.forwarder.set_target(layer(0, 0));
    call.run(1);
    assert!(late.iter().all(|sent| call.receive(sent).is_none()));
    call.assert_references();
}

#[test]
fn by_dependency_descriptor_a_late_frame_goes_out_when_it_is_needed_by_now() {
    let mut call = Call::new(L3T3_KEY, 1);
    call.forwarder.set_target(layer(2, 2));
    call.run(1);
    let late = call.capture(false, 1, false);
    call.forwarder.set_target(layer(1, 2));
    call.run(1);
    assert_eq!(call.forwarder.current(), layer(1, 2), "key frames build on each other: all of it went out");
    let went_out: Vec<bool> = late.iter().map(|sent| call.receive(sent).is_some()).collect();
    assert_eq!(went_out, [false, true, true], "not the lowest, the one needed now, and the one due then");
    call.run(6);
    call.assert_references();
}

/// Decode targets with these layers at the top, three temporal ones for each size.
fn targets(layers: &[(u8, u8)]) -> Option<u32> {
    Some(layers.iter().map(|(spatial, temporal)| 1 << (spatial * 3 + temporal)).sum())
}

#[test]
fn the_receiver_is_told_which_targets_are_left_to_it() {
    let mut call = showing(L3T3, layer(2, 2));
    assert!(call.out.iter().all(|out| out.place.active_targets.is_none()), "it has all that the publisher sends");
    call.answers = false;
    call.forwarder.set_target(layer(1, 0));
    let from = call.out.len();
    call.run(1);
    assert_eq!(call.active_targets().pop().unwrap(), targets(&[(0, 0), (1, 0)]));
    call.run(4);
    let (starts, rest): (Vec<_>, Vec<_>) = call.out[from..].iter().partition(|out| out.sent.starts_frame());
    assert!(starts.iter().all(|out| out.place.active_targets.is_some()), "with each frame: no loss hides it");
    assert!(rest.iter().all(|out| out.place.active_targets.is_none()), "and only once for each");
    // Up again in time, where a frame is a switch; in size with a key frame only.
    call.forwarder.set_target(layer(1, 2));
    call.run(8);
    let lower = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)];
    assert_eq!(call.active_targets().pop().unwrap(), targets(&lower));
    call.answers = true;
    call.forwarder.set_target(layer(2, 2));
    call.run(1);
    let from = call.out.len();
    call.run(4);
    assert_eq!(call.active_targets().pop().unwrap(), Some(0x1ff));
    assert!(call.out[from..].iter().all(|out| out.place.active_targets.is_none()), "the structure says it");
    call.assert_decodable();
}

#[test]
fn the_receiver_of_one_size_is_not_told_of_those_it_could_do_without() {
    let mut call = showing(L3T3_KEY, layer(2, 2));
    let own = targets(&[(2, 0), (2, 1), (2, 2)]);
    assert!(call.active_targets().iter().all(|active| *active == own), "from the key frame on");
    call.answers = false;
    call.forwarder.set_target(layer(2, 1));
    call.run(4);
    assert_eq!(call.active_targets().pop().unwrap(), targets(&[(2, 0), (2, 1)]));
    call.forwarder.set_target(layer(2, 2));
    call.run(4);
    assert_eq!(call.active_targets().pop().unwrap(), own);
    call.assert_decodable();
}

/// Lost on the way here and sent again, it comes behind the next picture.
#[test]
fn a_frame_tells_of_targets_though_its_first_packet_comes_late() {
    let mut call = showing(L3T3, layer(2, 2));
    call.answers = false;
    call.forwarder.set_target(layer(0, 2));
    let picture = call.capture(false, 2, true);
    let (late, rest) = picture.split_first().unwrap();
    for packet in rest {
        let _ = call.receive(packet);
    }
    call.run(1);
    let told = call.receive(late).unwrap().active_targets;
    assert_eq!(told, targets(&[(0, 0), (0, 1), (0, 2)]));
}

#[test]
fn what_frames_say_of_targets_counts_more_than_their_templates() {
    let mut call = Call::new(L3T3_KEY, 1);
    call.encoders[0].has_plain_templates = true;
    call.forwarder.set_target(layer(2, 2));
    call.run(1);
    assert_eq!(call.active_targets().pop().unwrap(), Some(0x1ff), "nothing else is known yet");
    call.run(4);
    assert_eq!(call.active_targets().pop().unwrap(), targets(&[(2, 0), (2, 1), (2, 2)]));
    call.assert_decodable();
}

#[test]
fn what_the_publisher_says_of_active_targets_holds_for_what_is_left() {
    let mut call = showing(L3T3, layer(2, 0));
    call.answers = false;
    call.encoders[0].sends = 2;
    call.run(4);
    assert_eq!(call.active_targets().pop().unwrap(), targets(&[(0, 0), (1, 0)]));
    call.assert_decodable();
}

#[test]
fn what_the_publisher_no_longer_sends_is_not_waited_for() {
    let mut call = showing(L3T3, layer(2, 2));
    call.answers = false;
    call.encoders[0].sends = 2;
    call.run(4);
    assert_eq!(call.forwarder.current(), layer(1, 2));
    assert_eq!(call.forwarder.waits_for_keyframe(), None);
    call.assert_decodable();
    // What nobody sent can be begun with a key frame only.
    call.encoders[0].sends = 3;
    call.answers = true;
    call.run(1);
    assert_eq!(call.forwarder.current(), layer(1, 2), "it cannot know yet");
}

#[test]
fn after_a_pause_a_key_frame_is_awaited_and_the_line_goes_on() {
    for kind in [Kind::H264, Kind::Vp8, Kind::Vp9, L3T3, L3T3_KEY] {
        let mut call = showing(kind, layer(0, 0));
        call.answers = false;
        let from = call.out.len();
        call.forwarder.set_target(None);
        assert_eq!((call.forwarder.current(), call.forwarder.waits_for_keyframe()), (None, None));
        call.run(30);
        call.forwarder.set_target(layer(0, 0));
        call.run(30);
        assert_eq!(call.out.len(), from, "{kind:?}: no picture begins in the middle");
        call.answers = true;
        call.run(1);
        let (before, entry) = (call.out[from - 1].place, call.out[from].place);
        assert!(entry.is_switch);
        let elapsed = entry.timestamp.wrapping_sub(before.timestamp);
        // From the last picture that went out, which may be one of the base layer.
        assert!((60 * 3_000..=65 * 3_000).contains(&elapsed), "{kind:?}: the clock went on: {elapsed}");
        call.assert_decodable();
    }
}

#[test]
fn packets_that_say_nothing_of_their_layers_go_out_whole() {
    let mut call = showing(L3T3, layer(0, 0));
    let from = call.out.len();
    for mut sent in call.capture(false, 1, false) {
        sent.descriptor = None;
        call.receive(&sent);
    }
    assert_eq!(call.out.len(), from + 3);
}

#[test]
fn padding_stays_behind() {
    let mut call = showing(Kind::Vp8, layer(0, 2));
    let from = call.out.len();
    let mut padding = call.capture(false, 1, false).remove(0);
    padding.payload.clear();
    assert_eq!(call.receive(&padding), None);
    call.run(1);
    assert_eq!(call.out[from].place.sequence, call.out[from - 1].place.sequence + 1);
}

#[test]
fn who_stops_finishes_the_picture_on_its_way() {
    let mut call = Call::new(Kind::Vp8, 1);
    call.forwarder.set_target(layer(0, 2));
    call.run(4);
    let picture = call.capture(false, 3, true);
    call.receive(&picture[0]);
    call.forwarder.stop();
    assert_eq!(call.forwarder.current(), layer(0, 2), "in the middle of a picture");
    for sent in &picture[1..] {
        call.receive(sent);
    }
    assert!(call.out.last().unwrap().place.marker, "the picture is whole");
    call.answers = false;
    let from = call.out.len();
    call.run(4);
    assert_eq!(call.out.len(), from, "and nothing comes behind it");
    assert_eq!(call.forwarder.waits_for_keyframe(), Some(0));
    call.answers = true;
    call.run(2);
    assert!(call.out[from].place.is_switch, "but a key frame");
    call.assert_decodable();
}

#[test]
fn who_is_paused_gets_the_rest_of_the_picture_and_no_more() {
    for (kind, target) in
        [(Kind::H264, layer(0, 0)), (Kind::Vp8, layer(0, 2)), (Kind::Vp9, layer(1, 2)), (L3T3_KEY, layer(1, 2))]
    {
        let mut call = showing(kind, target);
        let picture = call.capture(false, 3, true);
        call.receive(&picture[0]);
        call.forwarder.set_target(None);
        // The allocator says it again with each balance.
        call.forwarder.set_target(None);
        assert_eq!(call.forwarder.waits_for_keyframe(), None, "{kind:?}: nothing is wanted");
        call.receive_all(&picture[1..]);
        assert!(call.out.last().unwrap().place.marker, "{kind:?}: the picture is whole");
        assert_eq!(call.forwarder.current(), None, "{kind:?}");
        let from = call.out.len();
        call.run(4);
        let key = call.capture(true, 2, true);
        call.receive_all(&key);
        assert_eq!(call.out.len(), from, "{kind:?}: not even a key frame");
        call.assert_decodable();
    }
}

/// Of a muted track nothing comes to the forwarder: a pause that waits for the picture's end must not be forgotten.
#[test]
fn a_pause_in_the_middle_of_a_picture_holds_though_nothing_came_since() {
    for kind in [Kind::H264, Kind::Vp8, Kind::Vp9, L3T3, L3T3_KEY] {
        let mut call = showing(kind, layer(0, 0));
        let picture = call.capture(false, 3, true);
        assert!(call.receive(&picture[0]).is_some());
        call.forwarder.set_target(None);
        (0..30).for_each(|_| drop(call.capture(false, 2, true)));
        call.forwarder.set_target(layer(0, 0));
        call.answers = false;
        let from = call.out.len();
        call.run(5);
        assert_eq!(call.out.len(), from, "{kind:?}: no picture begins in the middle");
        assert_eq!(call.forwarder.waits_for_keyframe(), Some(0), "{kind:?}");
        call.answers = true;
        call.run(1);
        assert!(call.out[from].place.is_switch, "{kind:?}");
        assert_eq!(call.out[from].place.sequence, call.out[from - 1].place.sequence + 1, "{kind:?}: no hole");
    }
}

#[test]
fn sound_is_paused_at_once_and_goes_on_without_a_hole() {
    let (mut inspector, mut forwarder) = (Inspector::new(0, false), Forwarder::new(false));
    let (call, mut numbers) = (Call::new(Kind::H264, 1), OutNumbers::default());
    let mut forward = |forwarder: &mut Forwarder, sequence: u64, timestamp| {
        let (payload, marker) = ([1; 20].as_slice(), false);
        let packet = Received { codec: None, sequence, timestamp, marker, payload, dependency_descriptor: None };
        let arrival = Arrival { at: call.now, clock_rate_hz: 48_000 };
        match forwarder.forward(&inspector.inspect(packet), &mut numbers, arrival) {
            Verdict::Drop => None,
            Verdict::Forward(place) => Some(place.sequence),
        }
    };
    forwarder.set_target(layer(0, 0));
    assert_eq!(forward(&mut forwarder, 100, 0), Some(1));
    forwarder.set_target(None);
    assert_eq!(forwarder.current(), None);
    assert_eq!(forward(&mut forwarder, 101, 960), None);
    forwarder.set_target(layer(0, 0));
    assert_eq!(forward(&mut forwarder, 150, 48_000), Some(2));
}

#[test]
fn a_picture_that_loses_its_end_holds_no_pause_up() {
    let mut call = showing(Kind::Vp8, layer(0, 2));
    let picture = call.capture(false, 3, true);
    call.receive(&picture[0]);
    call.forwarder.set_target(None);
    let from = call.out.len();
    call.run(1);
    assert_eq!((call.out.len(), call.forwarder.current()), (from, None), "the next picture has begun");
}

#[test]
fn a_picture_without_end_holds_no_pause_up() {
    let mut call = showing(Kind::H264, layer(0, 0));
    let picture = call.capture(false, 1_000, true);
    call.receive(&picture[0]);
    call.forwarder.set_target(None);
    let from = call.out.len();
    for sent in &picture[1..] {
        call.forwarder.set_target(None);
        call.receive(sent);
    }
    assert_eq!(call.out.len() - from, usize::from(MAX_FINISHING_PACKETS));
    assert_eq!(call.forwarder.current(), None);
}

/// It was lost on the way here, and sent again.
#[test]
fn a_key_frame_whose_first_packet_comes_late_is_not_entered() {
    for kind in [Kind::H264, Kind::Vp8, Kind::Vp9, L3T3, L3T3_KEY] {
        let mut call = Call::new(kind, 1);
        call.forwarder.set_target(layer(0, 0));
        let picture = call.capture(true, 3, true);
        picture[1..].iter().for_each(|sent| assert_eq!(call.receive(sent), None, "{kind:?}"));
        assert_eq!(call.receive(&picture[0]), None, "{kind:?}: what follows it has passed");
        assert_eq!(call.forwarder.waits_for_keyframe(), Some(0), "{kind:?}: another one is asked for");
        call.run(2);
        assert!(call.out[0].place.is_switch);
        call.assert_decodable();
    }
}

/// The upper size of a key picture went out while the lowest was lost on the way here; then came a pause.
#[test]
fn a_picture_that_was_cut_is_not_entered_again_under_another_timestamp() {
    let mut call = showing(L3T3_KEY, layer(1, 2));
    let picture = call.capture(true, 2, false);
    call.receive_all(&picture[2..4]);
    let cut = call.out.last().unwrap().place;
    call.forwarder.pause();
    assert!(picture[..2].iter().all(|sent| call.receive(sent).is_none()));
    assert_eq!(call.out.last().unwrap().place, cut);
    call.run(1);
    assert!(call.out.last().unwrap().place.timestamp != cut.timestamp, "but another key frame");
}

#[test]
fn a_stream_that_counts_anew_is_entered_all_the_same() {
    let mut call = Call::new(Kind::Vp8, 1);
    call.forwarder.set_target(layer(0, 2));
    let mut picture = call.capture(true, 2, false);
    call.run(1);
    call.forwarder.pause();
    picture.iter_mut().for_each(|sent| sent.sequence -= 60_000);
    assert!(call.receive(&picture[0]).unwrap().is_switch);
}

#[test]
fn who_stops_between_pictures_stops_at_once() {
    let mut call = showing(Kind::Vp8, layer(0, 2));
    call.forwarder.stop();
    assert_eq!(call.forwarder.current(), None);
}

#[test]
fn a_size_that_cannot_shrink_without_a_key_frame_says_so() {
    for (kind, is_held_up) in [(L3T3_KEY, true), (L3T3, false)] {
        let mut call = showing(kind, layer(2, 2));
        call.answers = false;
        call.forwarder.set_target(layer(0, 2));
        assert_eq!(call.forwarder.is_held_up(), is_held_up, "{kind:?}");
        let useful = if is_held_up { layer(2, 2) } else { layer(0, 2) };
        assert_eq!(call.forwarder.useful(), useful, "{kind:?}: what is left is of no use");
        if is_held_up {
            call.forwarder.stop();
            assert_eq!(call.forwarder.useful(), layer(0, 2), "nor is what was stopped");
        }
        call.forwarder.set_target(None);
        assert_eq!(call.forwarder.useful(), None);
    }
}
