//! A room on several workers: the same people see the same, and what breaks between workers breaks nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use sluice_core::Connection::{Dual, Single};
use sluice_core::{Demand, Event, Failure, RoomLimits, TrackId};
use sluice_sim::{Media, Publication, Simulation, Structure};

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
