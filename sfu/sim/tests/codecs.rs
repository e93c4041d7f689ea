//! Clients are not alike: some take packet trailers, some lack a codec. Each is sent what it can show.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use sluice_core::Connection::{Dual, Single};
use sluice_core::{Command, Demand, Event, Reason, TrackId};
use sluice_sim::{Conditions, Media, Publication, Simulation, Structure};

const WITHOUT_H265: [Media; 4] = [Media::Vp8, Media::Vp9, Media::H264, Media::Av1];

fn was_told_not_decodable(sim: &Simulation, name: &str, track: &TrackId) -> usize {
    let told = |event: &&Event| matches!(event, Event::NotDecodable { subscriber, track: of } if subscriber.as_str() == format!("PA_{name}") && of == track);
    sim.events.iter().map(|(_, event)| event).filter(told).count()
}

fn reason(sim: &mut Simulation, name: &str, track: &TrackId) -> Reason {
    let before = sim.events.len();
    sim.command(Command::Explain { participant: format!("PA_{name}").into(), request: 1 });
    let explained = sim.events[before..].iter().find_map(|(_, event)| match event {
        Event::Explained { report, .. } => report
            .subscriptions
            .iter()
            .find(|report| report.track == *track)
            .map(|report| report.reason),
        _ => None,
    });
    explained.unwrap()
}

/// Bob's client takes trailers off frames itself; eve's decoder would be handed them.
fn trailers(publication: Publication, conditions: Conditions) {
    let mut sim = Simulation::new(31);
    sim.takes_trailers.insert("bob".to_owned());
    sim.join("ann", Single);
    sim.join("bob", Single);
    sim.join("eve", Dual);
    let cam = sim.publish("ann", "cam", Publication { has_trailers: true, ..publication });
    for name in ["bob", "eve"] {
        sim.network(name, conditions);
    }
    sim.run(Duration::from_secs(4));
    let (bob, eve) = (sim.sink("bob", &cam), sim.sink("eve", &cam));
    assert!(bob.frames > 80 && eve.frames > 80, "{publication:?}: {} and {} frames", bob.frames, eve.frames);
    assert!(bob.trailers >= bob.frames, "{publication:?}: {} trailers in {} frames", bob.trailers, bob.frames);
    assert_eq!(eve.trailers, 0, "{publication:?}");
    sim.audit(conditions == Conditions::CLEAN);
}

#[test]
fn a_packet_trailer_is_cut_off_for_whoever_does_not_take_it() {
    for media in Media::VIDEO {
        trailers(Publication::video(media), Conditions::CLEAN);
    }
    trailers(Publication { is_encrypted: true, ..Publication::SIMULCAST }, Conditions::CLEAN);
}

#[test]
fn each_spatial_layer_of_a_picture_has_its_own_trailer() {
    for media in [Media::Vp9, Media::Av1] {
        trailers(Publication { structure: Structure::KeySvc, ..Publication::video(media) }, Conditions::CLEAN);
    }
}

#[test]
fn what_is_sent_again_has_no_trailer_either() {
    trailers(Publication::CAMERA, Conditions { loss: 0.05, ..Conditions::CLEAN });
}

#[test]
fn trailers_that_were_not_announced_are_part_of_the_frame() {
    let mut sim = Simulation::new(32);
    sim.join("ann", Single);
    sim.join("bob", Single);
    sim.announces_trailers = false;
    let cam = sim.publish("ann", "cam", Publication { has_trailers: true, ..Publication::CAMERA });
    sim.run(Duration::from_secs(2));
    assert!(sim.sink("bob", &cam).trailers > 30);
    sim.audit(true);
}

#[test]
fn h265_simulcast_walks_through_its_layers() {
    let mut sim = Simulation::new(33);
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let cam = sim.publish("ann", "cam", Publication { is_simulcast: true, ..Publication::video(Media::H265) });
    sim.run(Duration::from_secs(2));
    for layer in [0, 2, 1] {
        sim.demand("bob", &cam, Demand { max_spatial: layer, ..Demand::default() });
        let took = sim.run_until(Duration::from_secs(4), &format!("layer {layer}"), |sim| {
            sim.sink("bob", &cam).layer() == Some(layer)
        });
        assert!(took < Duration::from_millis(200), "layer {layer} took {took:?}");
    }
    sim.run(Duration::from_secs(1));
    sim.audit(true);
}

#[test]
fn who_lacks_the_codec_is_sent_nothing_and_told_why() {
    for connection in [Single, Dual] {
        let mut sim = Simulation::new(34);
        sim.speaks.insert("eve".to_owned(), WITHOUT_H265.to_vec());
        sim.join("ann", Single);
        sim.join("bob", connection);
        sim.join("eve", connection);
        let cam = sim.publish("ann", "cam", Publication::video(Media::H265));
        sim.run(Duration::from_secs(2));
        assert!(sim.sink("bob", &cam).frames > 30);
        assert_eq!(sim.sink("eve", &cam).packets, 0);
        assert_eq!(was_told_not_decodable(&sim, "eve", &cam), 1);
        assert_eq!(was_told_not_decodable(&sim, "bob", &cam), 0);
        assert_eq!(reason(&mut sim, "eve", &cam), Reason::NotDecodable);
        assert_eq!(reason(&mut sim, "bob", &cam), Reason::Full);
        sim.audit(true);
    }
}
