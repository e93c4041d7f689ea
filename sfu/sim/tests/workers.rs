//! A room on several workers: the same people see the same, and what breaks between workers breaks nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use sluice_core::Connection::{Dual, Single};
use sluice_core::{Demand, Event, Failure, RoomLimits, TrackId};
use sluice_sim::{Conditions, Media, Publication, Simulation, Structure, generated, play_on, scenarios};

const SIMULCAST: Publication = Publication::camera(Media::Vp8, true, Structure::Flat);
const SVC: Publication = Publication::camera(Media::Vp9, false, Structure::Svc);

/// What somebody had of a track by the end.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    who: String,
    track: TrackId,
    frames: u64,
    /// The layer shown in the end.
    layer: Option<u8>,
    freezes: usize,
}

/// Four people who publish and watch, one who only watches and one who comes late; wishes, a mute and a leaving.
fn a_meeting(workers: u16) -> (Vec<Seen>, Simulation) {
    let mut sim = Simulation::spanning(7, workers);
    sim.dynacast = true;
    let people = ["ann", "bob", "cem", "dan"];
    let mut tracks = Vec::new();
    for (name, connection) in people.into_iter().zip([Single, Dual, Dual, Single]) {
        sim.join(name, connection);
        tracks.push((name, sim.publish(name, "mic", Publication::MICROPHONE)));
    }
    for (name, camera) in [("ann", SIMULCAST), ("bob", SVC), ("cem", Publication::CAMERA)] {
        tracks.push((name, sim.publish(name, "cam", camera)));
    }
    sim.takes_nothing.insert("wanda".into());
    sim.join("wanda", Single);
    sim.run_ms(3_000);
    let track = |name: &str, label: &str| TrackId::from(format!("TR_{name}_{label}"));
    sim.demand("bob", &track("ann", "cam"), Demand { max_spatial: 0, ..Demand::default() });
    sim.demand("dan", &track("ann", "cam"), Demand::NOTHING);
    sim.mute(&track("cem", "mic"), true);
    sim.subscribe("wanda", &track("ann", "cam"));
    sim.run_ms(1_000);
    sim.join("eve", Dual);
    sim.run_ms(2_000);
    sim.demand("dan", &track("ann", "cam"), Demand::default());
    sim.mute(&track("cem", "mic"), false);
    sim.leave("cem");
    sim.run_ms(2_000);
    let mut seen = Vec::new();
    for who in ["ann", "bob", "cem", "dan", "eve", "wanda"] {
        for (_, track) in &tracks {
            if let Some(sink) = sim.find_sink(who, track) {
                let layer = sink.layers.last().map(|(_, layer)| *layer);
                let freezes = sink.freezes.len();
                seen.push(Seen { who: who.into(), track: track.clone(), frames: sink.frames, layer, freezes });
            }
        }
    }
    sim.audit(true);
    (seen, sim)
}

#[test]
fn the_same_meeting_on_one_two_and_four_workers_is_the_same() {
    let (alone, sim) = a_meeting(1);
    assert_eq!(sim.stats().packets_relayed, 0);
    for workers in [2, 4] {
        let (together, sim) = a_meeting(workers);
        let stats = sim.stats();
        let on_their_way = stats.packets_relayed - stats.packets_mirrored;
        assert!(stats.packets_mirrored > 1_000 && on_their_way < 20, "{stats:?}");
        assert_eq!(together.len(), alone.len());
        for (one, other) in alone.iter().zip(&together) {
            assert_eq!((&one.who, &one.track, one.layer), (&other.who, &other.track, other.layer), "{workers} workers");
            // A hop is less than a frame; a layer may begin a key frame later.
            let least = one.frames.saturating_sub(12);
            assert!(other.frames >= least, "{workers} workers: {other:?}, alone {one:?}");
            assert!(other.freezes <= one.freezes, "{workers} workers: {other:?}, alone {one:?}");
        }
    }
}

fn longest_freeze(sim: &Simulation, who: &str, track: &TrackId, since: std::time::Instant) -> Duration {
    let freezes = sim.sink(who, track).freezes.iter().filter(|freeze| freeze.ended_at > since);
    freezes.map(|freeze| freeze.lasted).max().unwrap_or_default()
}

#[test]
fn nothing_of_a_track_crosses_to_a_worker_where_nobody_wants_it() {
    let mut sim = Simulation::spanning(8, 2);
    sim.dynacast = true;
    sim.auto_subscribe = false;
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let cam = sim.publish("ann", "cam", SIMULCAST);
    sim.run_ms(1_000);
    assert_eq!((sim.stats().packets_relayed, sim.stats().mirrors), (0, 1));
    sim.subscribe("bob", &cam);
    sim.run_ms(3_000);
    assert_eq!(sim.sink("bob", &cam).layers.last().map(|(_, layer)| *layer), Some(2));
    // One encoding of three, once the two that are wanted no more were given time.
    sim.demand("bob", &cam, Demand { max_spatial: 0, ..Demand::default() });
    sim.run_ms(6_000);
    assert_eq!(sim.sink("bob", &cam).layers.last().map(|(_, layer)| *layer), Some(0));
    let wanted = sim.events.iter().rev().find_map(|(_, event)| match event {
        Event::LayersWanted { max_spatial, .. } => Some(*max_spatial),
        _ => None,
    });
    assert_eq!(wanted, Some(Some(0)), "its publisher hears what is wanted on another worker");
    // All three come, since somebody on their publisher's own worker wants them; one crosses.
    sim.join("cem", Dual);
    sim.subscribe("cem", &cam);
    sim.run_ms(3_000);
    let before = sim.stats();
    sim.run_ms(1_000);
    let crossed = sim.stats().packets_relayed - before.packets_relayed;
    let received = sim.stats().packets_received - before.packets_received;
    assert!(crossed >= 29 && crossed * 3 < received, "{crossed} of {received} crossed");
    sim.unsubscribe("bob", &cam);
    sim.run_ms(6_000);
    let before = sim.stats().packets_relayed;
    sim.run_ms(1_000);
    assert_eq!(sim.stats().packets_relayed, before);
    sim.audit(true);
}

/// A key frame of the smaller picture takes a round trip to the publisher: until then the larger one goes on crossing.
#[test]
fn who_steps_down_on_another_worker_sees_no_freeze() {
    let mut sim = Simulation::spanning(13, 2);
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let cam = sim.publish("ann", "cam", SIMULCAST);
    sim.network("ann", Conditions { delay: Duration::from_millis(150), ..Conditions::CLEAN });
    sim.run_ms(4_000);
    assert_eq!(sim.sink("bob", &cam).layers.last().map(|(_, layer)| *layer), Some(2));
    let began = sim.now();
    sim.demand("bob", &cam, Demand { max_spatial: 0, ..Demand::default() });
    sim.run_ms(2_000);
    assert_eq!(sim.sink("bob", &cam).layers.last().map(|(_, layer)| *layer), Some(0));
    assert_eq!(longest_freeze(&sim, "bob", &cam, began), Duration::ZERO);
    sim.audit(true);
}

#[test]
fn packets_a_worker_had_no_room_for_cost_its_people_a_key_frame_and_others_nothing() {
    let mut sim = Simulation::spanning(9, 2);
    for name in ["ann", "bob", "cem", "dan"] {
        sim.join(name, Dual);
    }
    // Ann and cem are on the first worker, bob and dan on the second.
    let cam = sim.publish("ann", "cam", SIMULCAST);
    let mic = sim.publish("ann", "mic", Publication::MICROPHONE);
    sim.run_ms(3_000);
    let began = sim.now();
    sim.slow_down(1, Duration::from_micros(50), 0);
    sim.run_ms(100);
    assert_eq!(sim.frames_during(Duration::from_millis(600), "bob", &cam), 0);
    assert!(sim.lost_between_workers() > 50, "{}", sim.lost_between_workers());
    sim.slow_down(1, Duration::from_micros(50), 4096);
    let asked = sim.client("ann").keyframe_requests(&cam).len();
    let took = sim.run_until(Duration::from_secs(3), "pictures again", |sim| {
        let seen = |who: &str| {
            sim.sink(who, &cam)
                .last_frame_at
                .is_some_and(|at| sim.now() - at < Duration::from_millis(100))
        };
        seen("bob") && seen("dan")
    });
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    assert!(sim.client("ann").keyframe_requests(&cam).len() > asked);
    assert!(sim.frames_during(Duration::from_secs(2), "dan", &cam) > 50);
    assert!(sim.frames_during(Duration::from_secs(1), "bob", &mic) > 45);
    assert_eq!(longest_freeze(&sim, "cem", &cam, began), Duration::ZERO);
    sim.audit(false);
}

#[test]
fn who_is_on_a_worker_that_dies_is_told_and_the_others_go_on() {
    let mut sim = Simulation::spanning(10, 3);
    for name in ["ann", "bob", "cem", "dan", "eve", "fay"] {
        sim.join(name, Dual);
    }
    let cams = ["ann", "bob", "cem"].map(|name| sim.publish(name, "cam", Publication::CAMERA));
    sim.run_ms(3_000);
    // Ann and dan were on it, and it was the room's home.
    sim.kill(0);
    let failures = sim.failures();
    assert_eq!(failures, [("PA_ann".into(), Failure::Internal), ("PA_dan".into(), Failure::Internal)]);
    sim.leave("ann");
    sim.leave("dan");
    sim.run_ms(100);
    assert_eq!(sim.frames_during(Duration::from_secs(1), "bob", &cams[0]), 0);
    for (who, cam) in [("bob", 2), ("cem", 1), ("eve", 2), ("fay", 1)] {
        let frames = sim.frames_during(Duration::from_secs(1), who, &cams[cam]);
        assert!(frames >= 28, "{who} sees {frames}");
        assert!(sim.sink(who, &cams[0]).closed_at.is_some(), "{who}'s page still shows ann");
    }
    // They come back, to workers that live.
    sim.join("ann", Dual);
    let again = sim.publish("ann", "cam2", Publication::CAMERA);
    sim.run_ms(2_000);
    for who in ["bob", "cem", "eve", "fay"] {
        assert!(sim.frames_during(Duration::from_secs(1), who, &again) >= 28, "{who}");
    }
    assert!(sim.frames_during(Duration::from_secs(1), "ann", &cams[1]) >= 28);
    assert_eq!(sim.stats().contained_panics, 0);
}

#[test]
fn a_worker_that_is_slow_is_late_and_makes_nobody_else_late() {
    let mut sim = Simulation::spanning(11, 2);
    for name in ["ann", "bob", "cem"] {
        sim.join(name, Single);
    }
    let cam = sim.publish("ann", "cam", SIMULCAST);
    sim.run_ms(3_000);
    let began = sim.now();
    sim.slow_down(1, Duration::from_millis(300), 4096);
    sim.run_ms(5_000);
    assert_eq!(longest_freeze(&sim, "cem", &cam, began), Duration::ZERO);
    let freeze = longest_freeze(&sim, "bob", &cam, began);
    assert!(freeze < Duration::from_millis(400), "once: {freeze:?}");
    let (late, prompt) = (sim.sink("bob", &cam), sim.sink("cem", &cam));
    assert!(late.frames + 15 > prompt.frames, "{} and {}", late.frames, prompt.frames);
    assert_eq!(sim.lost_between_workers(), 0);
    sim.audit(true);
}

/// To a viewer it makes no difference whether its publisher is on another worker: what was counted of the layers crosses
/// before their packets do, so that links are shared out alike from the first picture on.
#[test]
fn a_measured_scenario_comes_out_the_same() {
    for name in ["step-2500-500-2500", "wish-changes", "loss-5"] {
        let scenario = scenarios::all().into_iter().find(|scenario| scenario.name == name).unwrap();
        let [alone, apart] = [1, 2].map(|workers| play_on(workers, &scenario, 1));
        assert!(apart.violations.is_empty(), "{name}: {:?}", apart.violations);
        assert_eq!((apart.flaps, apart.freezes), (alone.flaps, alone.freezes), "{name}");
        assert!(
            (apart.delivered - alone.delivered).abs() < 0.02,
            "{name}: {} and {}",
            apart.delivered,
            alone.delivered
        );
        let (soon, later) = (alone.first_picture.unwrap(), apart.first_picture.unwrap());
        assert!(later.saturating_sub(soon) < Duration::from_millis(5), "{name}: {later:?}, alone {soon:?}");
        let settled = |took: Option<Option<Duration>>| took.map(Option::unwrap).unwrap_or_default();
        let (up, up_alone) = (settled(apart.up), settled(alone.up));
        assert!(up.saturating_sub(up_alone) < Duration::from_millis(100), "{name}: {up:?}, alone {up_alone:?}");
    }
}

/// What of a large room is forwarded is one decision for all its workers.
#[test]
fn a_rooms_limits_leave_out_the_same_on_every_worker() {
    let forwarded = |workers: u16| {
        let mut sim = Simulation::spanning(12, workers);
        let limits = RoomLimits { last_cameras: Some(2), loudest_microphones: Some(2) };
        sim.command(sluice_core::Command::LimitRoom { room: "RM_1".into(), limits });
        let people = ["ann", "bob", "cem", "dan"];
        for name in people {
            sim.join(name, Dual);
        }
        let cams = people.map(|name| sim.publish(name, "cam", Publication::CAMERA));
        // Only cem and dan are ever heard.
        let mics = ["cem", "dan"].map(|name| sim.publish(name, "mic", Publication::MICROPHONE));
        let shown = |sim: &mut Simulation, tracks: &[TrackId]| {
            let before: Vec<u64> = people.iter().flat_map(|who| tracks.iter().map(|t| frames(sim, who, t))).collect();
            sim.run_ms(1_000);
            let after = people.iter().flat_map(|who| tracks.iter().map(|t| frames(sim, who, t)));
            after.zip(before).map(|(after, before)| after - before >= 25).collect::<Vec<_>>()
        };
        sim.run_ms(6_000);
        let speakers = shown(&mut sim, &cams);
        let heard = shown(&mut sim, &mics);
        sim.leave("cem");
        sim.run_ms(3_000);
        let afterwards = shown(&mut sim, &[cams[0].clone(), cams[1].clone(), cams[3].clone()]);
        sim.audit(true);
        (speakers, heard, afterwards)
    };
    fn frames(sim: &Simulation, who: &str, track: &TrackId) -> u64 {
        sim.client(who).sinks(track).map(|sink| sink.frames).sum()
    }
    let alone = forwarded(1);
    assert!(alone.0.iter().any(|is| *is) && alone.0.iter().any(|is| !*is));
    for workers in [2, 4] {
        assert_eq!(forwarded(workers), alone, "{workers} workers");
    }
}

/// The worker that decided who is forwarded is gone: another one goes on with that.
#[test]
fn a_rooms_limits_outlive_the_worker_that_decided_them() {
    let mut sim = Simulation::spanning(14, 3);
    let limits = RoomLimits { last_cameras: Some(1), loudest_microphones: None };
    sim.command(sluice_core::Command::LimitRoom { room: "RM_1".into(), limits });
    for name in ["ann", "bob", "cem", "dan", "eve", "fay"] {
        sim.join(name, Dual);
    }
    let cams = ["bob", "cem", "eve"].map(|name| sim.publish(name, "cam", Publication::CAMERA));
    sim.run_ms(2_000);
    let shown = |sim: &mut Simulation| {
        let before = cams.each_ref().map(|cam| sim.find_sink("fay", cam).map_or(0, |sink| sink.frames));
        sim.run_ms(1_000);
        let mut after = cams.iter().zip(before);
        [(); 3].map(|()| {
            after
                .next()
                .is_some_and(|(cam, before)| sim.find_sink("fay", cam).map_or(0, |s| s.frames) > before + 20)
        })
    };
    assert_eq!(shown(&mut sim), [true, false, false], "who joined first");
    // Ann and dan go with it.
    sim.kill(0);
    sim.leave("ann");
    sim.leave("dan");
    sim.run_ms(500);
    assert_eq!(shown(&mut sim), [true, false, false]);
    sim.leave("bob");
    sim.run_ms(1_000);
    assert_eq!(shown(&mut sim).into_iter().filter(|is| *is).count(), 1, "the place goes to another");
    sim.audit(true);
}

/// Invariants over networks nobody thought of, on two workers; the same scenarios run on one in `generated.rs`.
#[test]
fn no_invariant_breaks_on_two_workers() {
    for seed in 500..520 {
        let outcome = play_on(2, &generated::scenario(seed), seed);
        let shown: Vec<&String> = outcome.violations.iter().take(10).collect();
        assert!(outcome.violations.is_empty(), "seed {seed}: {} violations: {shown:#?}", outcome.violations.len());
    }
}
