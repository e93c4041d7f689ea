//! Two people meet: every pairing of connection modes exchanges sound and pictures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use sluice_core::Connection::{self, Dual, Single};
use sluice_core::Event;
use sluice_sim::{Media, Publication, Simulation, Structure};

fn two_people_talk(ann: Connection, bob: Connection) {
    let mut sim = Simulation::new(1);
    sim.join("ann", ann);
    sim.join("bob", bob);
    let tracks: Vec<_> = ["ann", "bob"]
        .into_iter()
        .map(|who| {
            (who, sim.publish(who, "mic", Publication::MICROPHONE), sim.publish(who, "cam", Publication::CAMERA))
        })
        .collect();
    sim.run(Duration::from_secs(5));
    for (who, mic, cam) in &tracks {
        let other = if *who == "ann" { "bob" } else { "ann" };
        let (sound, picture) = (sim.sink(other, mic), sim.sink(other, cam));
        assert!(sound.frames > 200, "{other} heard {} packets of {who}", sound.frames);
        assert!(picture.frames > 120, "{other} saw {} frames of {who}", picture.frames);
        assert!(picture.longest_freeze < Duration::from_millis(50), "{:?}", picture.longest_freeze);
    }
    sim.audit(true);
}

#[test]
fn one_connection_each() {
    two_people_talk(Single, Single);
}

#[test]
fn two_connections_each() {
    two_people_talk(Dual, Dual);
}

#[test]
fn one_connection_meets_two() {
    two_people_talk(Single, Dual);
}

#[test]
fn every_codec_arrives_as_it_was_sent() {
    let mut sim = Simulation::new(2);
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let tracks = Media::VIDEO.map(|media| sim.publish("ann", media.mime_type(), Publication::video(media)));
    sim.run(Duration::from_secs(3));
    for track in &tracks {
        assert!(sim.sink("bob", track).frames > 60, "{track}: {} frames", sim.sink("bob", track).frames);
    }
    sim.audit(true);
}

/// Nobody sends periodic key frames here: whoever sees something fast was served on request.
#[test]
fn a_late_joiner_sees_a_picture_at_once() {
    let cameras = [
        ("VP8 simulcast", Publication::camera(Media::Vp8, true, Structure::Flat)),
        ("H264 simulcast", Publication::camera(Media::H264, true, Structure::Flat)),
        ("VP9 SVC", Publication::camera(Media::Vp9, false, Structure::KeySvc)),
        ("AV1 SVC", Publication::camera(Media::Av1, false, Structure::Svc)),
    ];
    for (connection, (what, camera)) in [Single, Dual].into_iter().flat_map(|c| cameras.map(|camera| (c, camera))) {
        let mut sim = Simulation::new(3);
        sim.join("ann", Single);
        let cam = sim.publish("ann", "cam", camera);
        sim.run(Duration::from_secs(10));
        sim.join("bob", connection);
        let is_connected = |(_, event): &(_, Event)| matches!(event, Event::Connected { participant } if participant.as_str() == "PA_bob");
        sim.run_until(Duration::from_secs(3), "a connection", |sim| sim.events.iter().any(is_connected));
        let took = sim.run_until(Duration::from_secs(3), "a picture", |sim| {
            sim.find_sink("bob", &cam).is_some_and(|sink| sink.frames > 0)
        });
        assert!(took < Duration::from_millis(200), "{what}, {connection:?}: {took:?}");
        sim.run(Duration::from_secs(1));
        sim.audit(true);
    }
}

#[test]
fn thirty_people_come_at_once() {
    let mut sim = Simulation::new(4);
    sim.join("host", Single);
    let mic = sim.publish("host", "mic", Publication::MICROPHONE);
    let cam = sim.publish("host", "cam", Publication::SIMULCAST);
    sim.run(Duration::from_secs(2));
    let names: Vec<String> = (0..30).map(|n| format!("guest{n}")).collect();
    for (name, connection) in names.iter().zip([Single, Dual].into_iter().cycle()) {
        sim.join(name, connection);
        sim.run(Duration::from_millis(5));
    }
    sim.run(Duration::from_secs(2));
    for name in &names {
        assert!(sim.sink(name, &mic).frames > 50, "{name}: {} of sound", sim.sink(name, &mic).frames);
        assert!(sim.sink(name, &cam).frames > 25, "{name}: {} pictures", sim.sink(name, &cam).frames);
    }
    sim.audit(true);
}

#[test]
fn fifty_screaming_decoders_cost_the_publisher_two_key_frames_a_second() {
    let mut sim = Simulation::new(5);
    sim.join("ann", Single);
    let cam = sim.publish("ann", "cam", Publication::CAMERA);
    let names: Vec<String> = (0..50).map(|n| format!("guest{n}")).collect();
    for name in &names {
        sim.join(name, Single);
    }
    sim.run(Duration::from_secs(2));
    let before = sim.client("ann").keyframe_requests(&cam).len();
    for _ in 0..20 {
        for name in &names {
            sim.ask_for_keyframe(name, &cam);
        }
        sim.run(Duration::from_millis(100));
    }
    let asked = sim.client("ann").keyframe_requests(&cam).len() - before;
    assert!((3..=5).contains(&asked), "{asked} requests in two seconds");
    sim.audit(true);
}

#[test]
fn who_leaves_is_gone_and_the_others_stay() {
    for connection in [Single, Dual] {
        let mut sim = Simulation::new(6);
        for name in ["ann", "bob", "cem"] {
            sim.join(name, connection);
        }
        let mics = ["ann", "bob", "cem"].map(|name| sim.publish(name, "mic", Publication::MICROPHONE));
        sim.run(Duration::from_secs(2));
        sim.leave("ann");
        sim.run(Duration::from_secs(1));
        assert!(sim.sink("bob", &mics[0]).closed_at.is_some(), "{connection:?}: bob's page still shows ann");
        assert_eq!(sim.frames_during(Duration::from_secs(1), "bob", &mics[0]), 0);
        assert!(sim.frames_during(Duration::from_secs(1), "bob", &mics[2]) >= 49);
        let per_person = if connection == Single { 1 } else { 2 };
        let stats = sim.stats();
        assert_eq!((stats.transports, stats.tracks, stats.subscriptions), (2 * per_person, 2, 2));
        sim.leave("bob");
        sim.leave("cem");
        sim.run(Duration::from_secs(1));
        let stats = sim.stats();
        assert_eq!((stats.transports, stats.tracks, stats.subscriptions), (0, 0, 0));
        sim.audit(true);
    }
}
