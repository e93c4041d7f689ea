//! Several encodings of one picture.

use super::model::{Call, layer};
use super::source::Kind;

#[test]
fn the_old_encoding_goes_on_until_the_new_one_can_be_entered() {
    for kind in [Kind::H264, Kind::Vp8, Kind::Described { spatial: 1, is_key_only: false }] {
        let mut call = Call::new(kind, 3);
        call.forwarder.set_target(layer(0, 2));
        call.run(4);
        assert_eq!(call.forwarder.current().unwrap().spatial, 0);
        call.answers = false;
        call.forwarder.set_target(layer(2, 2));
        assert_eq!(call.forwarder.waits_for_keyframe(), Some(2));
        let from = call.out.len();
        call.run(4);
        assert!(call.frames_since(from).iter().all(|frame| frame.0 == 0));
        call.answers = true;
        call.run(4);
        assert_eq!(call.frames_since(call.out.len() - 2)[0].0, 2);
        assert_eq!(call.forwarder.waits_for_keyframe(), None);
        call.assert_decodable();
    }
}

#[test]
fn from_nothing_a_smaller_encoding_will_do_until_the_one_wanted_is_there() {
    let mut call = Call::new(Kind::Vp8, 3);
    call.forwarder.set_target(layer(1, 2));
    let key = call.capture(true, 2, false);
    let place = call.receive(&key[0]).unwrap();
    assert!(place.is_switch && key[0].stream == 0, "a picture at once");
    assert_eq!(call.forwarder.waits_for_keyframe(), Some(1));
    for sent in &key[1..] {
        call.receive(sent);
    }
    assert_eq!(call.forwarder.current(), layer(1, 2));
    assert!(call.out.iter().all(|out| out.sent.stream < 2), "but never a larger one");
    call.assert_decodable();
}

#[test]
fn a_larger_encoding_shrinks_to_its_base_layer_while_the_smaller_one_is_awaited() {
    let mut call = Call::new(Kind::Vp8, 3);
    call.forwarder.set_target(layer(2, 2));
    call.run(4);
    call.answers = false;
    call.forwarder.set_target(layer(1, 2));
    let from = call.out.len();
    call.run(8);
    assert_eq!(call.frames_since(from), [(2, 0, 0), (2, 0, 0)]);
    call.answers = true;
    call.run(4);
    assert_eq!(call.forwarder.current(), layer(1, 2));
    call.assert_decodable();
}

#[test]
fn late_packets_of_the_old_encoding_are_dropped_and_a_cut_picture_is_all_that_is_lost() {
    let mut call = Call::new(Kind::Vp8, 2);
    call.forwarder.set_target(layer(0, 2));
    call.run(4);
    call.forwarder.set_target(layer(1, 2));
    let all = call.capture(true, 3, false);
    let (old, new): (Vec<_>, Vec<_>) = all.into_iter().partition(|sent| sent.stream == 0);
    call.receive(&old[0]).unwrap();
    let cut = call.out.last().unwrap().place;
    let entry = call.receive(&new[0]).unwrap();
    assert_eq!(entry.sequence, cut.sequence + 1);
    assert!(entry.is_switch && entry.timestamp != cut.timestamp);
    assert_eq!(call.receive(&old[1]), None);
    for sent in &new[1..] {
        call.receive(sent);
    }
    call.run(4);
    call.assert_decodable();
}

/// The larger encoding was to stop behind its picture, since it fills the link; the smaller one comes first, and goes on.
#[test]
fn who_was_to_stop_goes_on_in_the_encoding_it_enters() {
    let mut call = Call::new(Kind::Vp8, 2);
    call.forwarder.set_target(layer(1, 2));
    call.run(4);
    call.forwarder.set_target(layer(0, 2));
    let all = call.capture(true, 3, false);
    let (new, old): (Vec<_>, Vec<_>) = all.into_iter().partition(|sent| sent.stream == 0);
    call.receive(&old[0]).unwrap();
    call.forwarder.stop();
    for sent in &new {
        call.receive(sent).unwrap();
    }
    call.answers = false;
    let from = call.out.len();
    call.run(4);
    assert_eq!(call.frames_since(from).len(), 4);
    assert_eq!(call.forwarder.waits_for_keyframe(), None);
    call.assert_decodable();
}
