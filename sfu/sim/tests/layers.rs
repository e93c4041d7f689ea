//! Which layer somebody is sent: as much as they want of what there is, entered at key frames.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use sluice_core::Connection::{Dual, Single};
use sluice_core::{Demand, TrackId};
use sluice_sim::{Conditions, Media, Publication, Simulation, Structure};

fn up_to(max_spatial: u8) -> Demand {
    Demand { max_spatial, ..Demand::default() }
}

const NOTHING: Demand = Demand::NOTHING;

/// Ann publishes three layers, bob watches.
fn ann_and_bob(seed: u64) -> (Simulation, TrackId) {
    let mut sim = Simulation::new(seed);
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let cam = sim.publish("ann", "cam", Publication::SIMULCAST);
    sim.run(Duration::from_secs(2));
    (sim, cam)
}

/// Until bob decodes the layer; how long that took.
fn until_layer(sim: &mut Simulation, cam: &TrackId, layer: u8) -> Duration {
    sim.run_until(Duration::from_secs(4), &format!("layer {layer}"), |sim| {
        sim.find_sink("bob", cam).and_then(|sink| sink.layer()) == Some(layer)
    })
}

#[test]
fn a_viewer_walks_through_the_layers() {
    let (mut sim, cam) = ann_and_bob(11);
    assert_eq!(sim.sink("bob", &cam).layer(), Some(2), "the best there is");
    for layer in [0, 1, 2, 0] {
        sim.demand("bob", &cam, up_to(layer));
        let took = until_layer(&mut sim, &cam, layer);
        assert!(took < Duration::from_millis(200), "layer {layer} took {took:?}");
        sim.run(Duration::from_secs(1));
        assert_eq!(sim.sink("bob", &cam).layer(), Some(layer), "and it stays");
    }
    let freeze = sim.sink("bob", &cam).longest_freeze;
    assert!(freeze < Duration::from_millis(100), "switching froze the picture for {freeze:?}");
    // That each switch was at a key frame and nothing of another layer came in between, the audit says.
    sim.audit(true);
}

#[test]
fn asking_for_another_size_costs_no_key_frame_of_the_layer_left() {
    let (mut sim, cam) = ann_and_bob(12);
    sim.run(Duration::from_secs(1));
    let before = sim.client("ann").keyframe_requests(&cam).len();
    sim.demand("bob", &cam, up_to(0));
    sim.run(Duration::from_secs(1));
    let asked = sim.client("ann").keyframe_requests(&cam).split_off(before);
    let layers: Vec<u8> = asked.iter().map(|(_, layer)| *layer).collect();
    assert_eq!(layers, [0]);
}

#[test]
fn a_layer_that_dies_is_replaced_by_the_one_below() {
    let (mut sim, cam) = ann_and_bob(13);
    sim.set_layer("ann", &cam, 2, false);
    let took = until_layer(&mut sim, &cam, 1);
    assert!(took < Duration::from_secs(2), "{took:?}");
    sim.set_layer("ann", &cam, 2, true);
    let took = until_layer(&mut sim, &cam, 2);
    assert!(took < Duration::from_millis(300), "{took:?}");
    sim.run(Duration::from_secs(1));
    sim.audit(true);
}

#[test]
fn who_wants_little_is_sent_more_when_there_is_nothing_less() {
    let (mut sim, cam) = ann_and_bob(14);
    sim.demand("bob", &cam, up_to(0));
    until_layer(&mut sim, &cam, 0);
    sim.set_layer("ann", &cam, 0, false);
    until_layer(&mut sim, &cam, 1);
    sim.audit(true);
}

#[test]
fn who_looks_elsewhere_is_sent_nothing_and_comes_back_to_a_key_frame() {
    let (mut sim, cam) = ann_and_bob(15);
    sim.demand("bob", &cam, NOTHING);
    sim.run(Duration::from_millis(100));
    let packets = sim.sink("bob", &cam).packets;
    sim.run(Duration::from_secs(3));
    assert_eq!(sim.sink("bob", &cam).packets, packets);
    sim.demand("bob", &cam, Demand::default());
    let came_back = sim.run_until(Duration::from_secs(1), "a picture", |sim| sim.sink("bob", &cam).packets > packets);
    assert!(came_back < Duration::from_millis(150), "{came_back:?}");
    assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam) >= 29);
    sim.audit(true);
}

#[test]
fn the_server_mutes_and_nothing_passes() {
    let mut sim = Simulation::new(16);
    sim.join("ann", Single);
    sim.join("bob", Single);
    let mic = sim.publish("ann", "mic", Publication::MICROPHONE);
    let cam = sim.publish("ann", "cam", Publication::CAMERA);
    sim.run(Duration::from_secs(2));
    for track in [&mic, &cam] {
        sim.mute(track, true);
    }
    sim.run(Duration::from_millis(50));
    for track in [&mic, &cam] {
        assert_eq!(sim.frames_during(Duration::from_secs(1), "bob", track), 0);
    }
    for track in [&mic, &cam] {
        sim.mute(track, false);
    }
    sim.run(Duration::from_millis(200));
    for track in [&mic, &cam] {
        assert!(sim.frames_during(Duration::from_secs(1), "bob", track) >= 29);
    }
    sim.audit(true);
}

/// Between key frames the sizes of `L3T3_KEY` do without each other: a viewer of the largest takes 1500 kbit/s, not the
/// 2110 of all three, and has it where those would not fit.
#[test]
fn sizes_that_stand_alone_are_not_counted_together() {
    let mut sim = Simulation::new(17);
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let cam = sim.publish("ann", "cam", Publication::camera(Media::Vp9, false, Structure::KeySvc));
    sim.network("bob", Conditions::narrow(2_000_000, Duration::from_millis(20)));
    sim.run(Duration::from_secs(10));
    assert_eq!(sim.sink("bob", &cam).layer(), Some(2));
    assert!(sim.frames_during(Duration::from_secs(2), "bob", &cam) >= 58, "with all of its pictures");
    sim.audit(false);
}

/// The link breaks down under the large encoding. What was lost of that is asked for again, and is of no use: the key
/// frame of the small one goes first.
#[test]
fn what_was_left_behind_is_not_repaired() {
    let mut sim = Simulation::new(18);
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let cam = sim.publish("ann", "cam", Publication::camera(Media::Vp8, true, Structure::Flat));
    sim.network("bob", Conditions::narrow(2_500_000, Duration::from_millis(25)));
    sim.run(Duration::from_secs(5));
    let before = sim.stats();
    sim.network("bob", Conditions::narrow(500_000, Duration::from_millis(25)));
    sim.run(Duration::from_secs(2));
    assert_eq!(sim.sink("bob", &cam).layer(), Some(0));
    let after = sim.stats();
    assert!(
        after.packets_nacked > before.packets_nacked + 10,
        "bob asked for {}",
        after.packets_nacked - before.packets_nacked
    );
    assert!(
        after.packets_repaired < before.packets_repaired + 5,
        "{} sent again",
        after.packets_repaired - before.packets_repaired
    );
    sim.audit(false);
}
