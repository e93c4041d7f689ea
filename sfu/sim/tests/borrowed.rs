//! Tracks that are in another room, too: who is there sees them as if they were published there, and nothing of them
//! stays behind.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use rand::RngExt as _;
use sluice_core::Connection::{Dual, Single};
use sluice_core::{Command, Demand, Event, Kind, RoomId, RoomLimits, TrackId, WorkerId};
use sluice_sim::{Media, Publication, Simulation, Structure};

const SIMULCAST: Publication = Publication::camera(Media::Vp8, true, Structure::Flat);
const SVC: Publication = Publication::camera(Media::Vp9, false, Structure::Svc);

fn there() -> RoomId {
    "RM_2".into()
}

/// A track of ann's is to be in the other room, where somebody takes it.
fn borrow(sim: &mut Simulation, of: &TrackId, from: u8, kind: Kind, viewers: &[&str]) -> TrackId {
    let track = TrackId::from(format!("{of}@there"));
    let (room, participant) = (there(), "PA_guest".into());
    let from = WorkerId(from);
    sim.command(Command::BorrowTrack { room, participant, track: track.clone(), of: of.clone(), from });
    viewers.iter().for_each(|viewer| take(sim, viewer, &track, kind));
    track
}

fn take(sim: &mut Simulation, viewer: &str, track: &TrackId, kind: Kind) {
    let (subscriber, stream) = (format!("PA_{viewer}").as_str().into(), "PA_guest|camera".into());
    sim.command(Command::Subscribe { subscriber, track: track.clone(), kind, stream });
}

fn layers_wanted(sim: &Simulation) -> Option<u8> {
    let wanted = sim.events.iter().rev().find_map(|(_, event)| match event {
        Event::LayersWanted { max_spatial, .. } => Some(*max_spatial),
        _ => None,
    });
    wanted.unwrap_or(Some(2))
}

/// Ann in her room, on the first worker; bob in the other room, on the second where there are two.
fn two_rooms(seed: u64, workers: u16) -> Simulation {
    let mut sim = Simulation::spanning(seed, workers);
    sim.dynacast = true;
    sim.auto_subscribe = false;
    sim.join("ann", Single);
    sim.room = there();
    sim.join("bob", Dual);
    sim
}

#[test]
fn who_is_in_the_other_room_sees_and_hears_it_with_all_its_layers() {
    for (workers, camera) in [(1, SIMULCAST), (2, SIMULCAST), (1, SVC), (2, SVC)] {
        let mut sim = two_rooms(1, workers);
        let cam = sim.publish("ann", "cam", camera);
        let mic = sim.publish("ann", "mic", Publication::MICROPHONE);
        sim.run_ms(500);
        let cam_there = borrow(&mut sim, &cam, 0, Kind::Video, &["bob"]);
        let mic_there = borrow(&mut sim, &mic, 0, Kind::Audio, &["bob"]);
        sim.run_ms(4_000);
        assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam_there) >= 28, "{workers} workers");
        assert!(sim.frames_during(Duration::from_secs(1), "bob", &mic_there) >= 45, "{workers} workers");
        assert_eq!(sim.sink("bob", &cam_there).layer(), Some(2), "{workers} workers");
        assert!(sim.find_sink("bob", &cam).is_none(), "under the name it has there only");

        // What is wanted there is what its publisher hears, who has no other viewers.
        sim.demand("bob", &cam_there, Demand { max_spatial: 0, ..Demand::default() });
        sim.run_ms(7_000);
        assert_eq!(sim.sink("bob", &cam_there).layer(), Some(0), "{workers} workers");
        assert_eq!(layers_wanted(&sim), Some(0), "{workers} workers");
        sim.demand("bob", &cam_there, Demand::default());
        sim.run_ms(3_000);
        assert_eq!(sim.sink("bob", &cam_there).layer(), Some(2), "{workers} workers");

        // Muted where it is published, it is muted there.
        sim.mute(&cam, true);
        sim.run_ms(100);
        assert_eq!(sim.frames_during(Duration::from_secs(1), "bob", &cam_there), 0, "{workers} workers");
        // The other room has no say in it.
        sim.mute(&cam_there, false);
        assert_eq!(sim.frames_during(Duration::from_secs(1), "bob", &cam_there), 0, "{workers} workers");
        sim.mute(&cam, false);
        sim.run_ms(500);
        assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam_there) >= 28, "{workers} workers");

        // Given back, it costs its publisher nothing more.
        sim.command(Command::RemoveTrack { track: cam_there.clone() });
        sim.command(Command::RemoveTrack { track: mic_there.clone() });
        sim.run_ms(6_000);
        assert!(sim.sink("bob", &cam_there).closed_at.is_some());
        assert_eq!((sim.stats().mirrors, sim.stats().subscriptions), (0, 0), "{workers} workers");
        assert_eq!(layers_wanted(&sim), None, "{workers} workers");
        assert!(sim.is_published(&cam), "in its own room it stays");
        sim.audit(true);
    }
}

#[test]
fn one_track_is_in_three_rooms_whose_people_want_different_things() {
    for workers in [1, 2] {
        let mut sim = two_rooms(2, workers);
        sim.room = "RM_1".into();
        sim.join("cem", Dual);
        sim.join("dan", Dual);
        sim.room = "RM_3".into();
        sim.join("eve", Dual);
        let cam = sim.publish("ann", "cam", SIMULCAST);
        sim.run_ms(500);
        let second = borrow(&mut sim, &cam, 0, Kind::Video, &["bob"]);
        let third = TrackId::from("TR_ann_cam@third");
        let (room, participant) = ("RM_3".into(), "PA_other_guest".into());
        let from = WorkerId(0);
        sim.command(Command::BorrowTrack { room, participant, track: third.clone(), of: cam.clone(), from });
        take(&mut sim, "eve", &third, Kind::Video);
        sim.subscribe("cem", &cam);
        sim.subscribe("dan", &cam);
        sim.demand("bob", &second, Demand { max_spatial: 0, ..Demand::default() });
        sim.demand("eve", &third, Demand { max_spatial: 1, ..Demand::default() });
        sim.run_ms(8_000);
        let layers = [("bob", &second), ("eve", &third), ("cem", &cam), ("dan", &cam)];
        let layers = layers.map(|(who, track)| sim.sink(who, track).layer());
        assert_eq!(layers, [Some(0), Some(1), Some(2), Some(2)], "{workers} workers");
        // One room ends; the others have it still.
        sim.command(Command::CloseRoom { room: there() });
        sim.run_ms(1_000);
        assert!(sim.frames_during(Duration::from_secs(1), "eve", &third) >= 28);
        assert!(sim.frames_during(Duration::from_secs(1), "cem", &cam) >= 28);
        sim.command(Command::CloseRoom { room: "RM_1".into() });
        sim.run_ms(500);
        assert_eq!(sim.frames_during(Duration::from_secs(1), "eve", &third), 0, "it ended where it was published");
        assert_eq!(sim.stats().mirrors, 0);
    }
}

#[test]
fn who_comes_to_the_other_room_on_another_worker_has_it_there() {
    let mut sim = two_rooms(3, 3);
    let cam = sim.publish("ann", "cam", SIMULCAST);
    sim.run_ms(500);
    let cam_there = borrow(&mut sim, &cam, 0, Kind::Video, &["bob"]);
    // On the third, then on the first, where it is published.
    for name in ["cem", "dan"] {
        sim.join(name, Single);
        take(&mut sim, name, &cam_there, Kind::Video);
    }
    sim.run_ms(3_000);
    for name in ["bob", "cem", "dan"] {
        assert!(sim.frames_during(Duration::from_secs(1), name, &cam_there) >= 28, "{name}");
    }
    // Nobody on a worker that died wants anything any more.
    sim.demand("bob", &cam_there, Demand { max_spatial: 1, ..Demand::default() });
    sim.demand("dan", &cam_there, Demand { max_spatial: 0, ..Demand::default() });
    sim.run_ms(7_000);
    assert_eq!(layers_wanted(&sim), Some(2), "cem does");
    sim.kill(2);
    sim.run_ms(7_000);
    assert_eq!(layers_wanted(&sim), Some(1));
    assert!(sim.frames_during(Duration::from_secs(1), "dan", &cam_there) >= 28);
    sim.audit(false);
}

#[test]
fn the_other_rooms_limits_know_how_loud_it_is() {
    for workers in [1, 2] {
        let mut sim = two_rooms(4, workers);
        let (room, limits) = (there(), RoomLimits { last_cameras: Some(1), loudest_microphones: None });
        sim.command(Command::LimitRoom { room, limits });
        // Cem was there first, and says nothing.
        sim.join("cem", Dual);
        let of_cem = sim.publish("cem", "cam", SIMULCAST);
        sim.run_ms(1_000);
        sim.subscribe("bob", &of_cem);
        let (cam, mic) = (sim.publish("ann", "cam", SIMULCAST), sim.publish("ann", "mic", Publication::MICROPHONE));
        sim.run_ms(500);
        assert!(sim.frames_during(Duration::from_secs(1), "bob", &of_cem) >= 28, "{workers} workers");
        let of_ann = borrow(&mut sim, &cam, 0, Kind::Video, &["bob"]);
        borrow(&mut sim, &mic, 0, Kind::Audio, &["bob"]);
        sim.run_ms(3_000);
        assert!(sim.frames_during(Duration::from_secs(1), "bob", &of_ann) >= 28, "{workers} workers");
        assert_eq!(sim.frames_during(Duration::from_secs(1), "bob", &of_cem), 0, "{workers} workers");
        sim.audit(false);
    }
}

/// The other room is on the worker the track is from, too: what comes from there is not all its own.
#[test]
fn what_was_given_back_before_it_was_announced_does_not_come() {
    let mut sim = two_rooms(5, 2);
    sim.join("cem", Dual);
    let cam = sim.publish("ann", "cam", SIMULCAST);
    sim.run_ms(1_000);
    let cam_there = borrow(&mut sim, &cam, 0, Kind::Video, &["bob", "cem"]);
    sim.command(Command::RemoveTrack { track: cam_there });
    sim.run_ms(1_000);
    assert_eq!(sim.stats().mirrors, 0);
}

/// Whatever happens, in whichever order: at the end nothing of a borrowed track is left, and who has it sees it.
#[test]
fn no_order_of_things_leaves_anything_behind() {
    for seed in 0..12 {
        let workers = 1 + (seed % 3) as u16;
        let mut sim = two_rooms(100 + seed, workers);
        let mut random = sim.random();
        let cam = sim.publish("ann", "cam", SIMULCAST);
        sim.run_ms(800);
        let (mut has_it, mut is_there, mut is_muted) = (None::<TrackId>, true, false);
        for step in 0..14_u8 {
            match random.random_range(0..7) {
                0 | 1 if has_it.is_none() => {
                    let track = TrackId::from(format!("{cam}@{step}"));
                    let (room, participant) = (there(), "PA_guest".into());
                    let (of, from) = (cam.clone(), WorkerId(0));
                    sim.command(Command::BorrowTrack { room, participant, track: track.clone(), of, from });
                    if is_there {
                        take(&mut sim, "bob", &track, Kind::Video);
                    }
                    has_it = Some(track);
                }
                0 | 1 => sim.command(Command::RemoveTrack { track: has_it.take().unwrap() }),
                2 if is_there => {
                    sim.leave("bob");
                    is_there = false;
                }
                2 => {
                    sim.join("bob", Single);
                    has_it.iter().for_each(|track| take(&mut sim, "bob", track, Kind::Video));
                    is_there = true;
                }
                3 => {
                    is_muted = !is_muted;
                    sim.mute(&cam, is_muted);
                }
                4 => {
                    sim.command(Command::CloseRoom { room: there() });
                    if is_there {
                        sim.leave("bob");
                    }
                    (has_it, is_there) = (None, false);
                }
                5 => has_it.iter().for_each(|track| {
                    sim.demand("bob", track, Demand { max_spatial: step % 3, ..Demand::default() });
                }),
                _ => {}
            }
            sim.run_ms(random.random_range(0..700));
        }
        sim.mute(&cam, false);
        sim.run_ms(2_500);
        if let Some(track) = has_it.as_ref().filter(|_| is_there) {
            assert!(sim.frames_during(Duration::from_secs(1), "bob", track) >= 28, "seed {seed}");
        }
        match random.random_bool(0.5) {
            true => sim.command(Command::CloseRoom { room: there() }),
            false => sim.leave("ann"),
        }
        has_it.into_iter().for_each(|track| sim.command(Command::RemoveTrack { track }));
        sim.run_ms(7_000);
        assert_eq!(sim.stats().mirrors, 0, "seed {seed}");
        sim.audit(false);
    }
}
