//! A subscriber who is slow, or dead, costs the others nothing: they get the same packets.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::time::Duration;

use sluice_core::Connection::{Dual, Single};
use sluice_core::TrackId;
use sluice_sim::{Conditions, Media, Publication, Simulation, Structure};

const CAMERA: Publication = Publication::camera(Media::Vp8, true, Structure::Flat);
/// What is well before it happens.
const BEFORE: Duration = Duration::from_secs(3);
/// A picture for somebody on a smaller layer begins with a key frame of that, which its publisher sends between the
/// packets of the others: it delays pictures, on the publisher's own way up, and nothing else.
const KEY_FRAME: Duration = Duration::from_millis(30);

/// What becomes of one subscriber in the middle of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// As good a link as everybody's.
    Well,
    /// Nothing comes or goes any more.
    Dead,
    /// Everything comes, and nothing is said of it.
    Silent,
    /// 300 kbit/s for two cameras and two microphones.
    Slow,
}

impl Fate {
    fn befall(self, sim: &mut Simulation, whom: &str) {
        let (up, down) = match self {
            Self::Well => (Conditions::CLEAN, Conditions::CLEAN),
            Self::Dead => (Conditions::DOWN, Conditions::DOWN),
            Self::Silent => (Conditions::DOWN, Conditions::CLEAN),
            Self::Slow => (Conditions::CLEAN, Conditions::narrow(300_000, Duration::from_millis(20))),
        };
        sim.links(whom, up, down);
    }
}

/// What somebody got of a track.
#[derive(Debug, Clone)]
struct Got {
    who: &'static str,
    track: TrackId,
    packets: u64,
    /// All of them as one number.
    fingerprint: u64,
    /// When each was played, since the track came.
    played: Vec<Duration>,
}

/// Two who publish, two who watch, and one more on whom something comes. What all but that one got by the end, and how
/// much that one did.
fn a_room(workers: u16, fate: Fate, lasts: Duration) -> (Vec<Got>, u64) {
    let mut sim = Simulation::spanning(11, workers);
    let mut tracks = Vec::new();
    for (name, connection) in [("ann", Single), ("bob", Dual)] {
        sim.join(name, connection);
        tracks.push(sim.publish(name, "mic", Publication::MICROPHONE));
        tracks.push(sim.publish(name, "cam", CAMERA));
    }
    for (name, connection) in [("eve", Dual), ("cem", Single), ("dan", Dual)] {
        sim.join(name, connection);
    }
    sim.run(BEFORE);
    fate.befall(&mut sim, "eve");
    sim.run(lasts);
    assert_eq!(sim.stats().contained_panics, 0);
    let sim = &sim;
    let of = |who: &'static str| {
        let sinks = tracks.iter().filter_map(move |track| sim.find_sink(who, track));
        sinks.map(move |sink| Got {
            who,
            track: sink.track.clone(),
            packets: sink.packets,
            fingerprint: sink.fingerprint,
            played: sink.delivered.iter().map(|(at, _)| *at - sink.opened_at).collect(),
        })
    };
    let others = ["ann", "bob", "cem", "dan"].into_iter().flat_map(&of).collect();
    (others, of("eve").map(|got| got.packets).sum())
}

/// What others got when `fate` befell one is what they get otherwise, and no later; but for key frames.
fn assert_same(workers: u16, fate: Fate, others: &[Got], same: &[Got]) {
    assert_eq!(same.len(), others.len());
    for (same, other) in same.iter().zip(others) {
        let what = format!("{} from {}, {fate:?}, {workers} workers", same.who, same.track);
        assert_eq!((same.packets, same.fingerprint), (other.packets, other.fingerprint), "{what}");
        let latest = same.played.iter().zip(&other.played).map(|(at, then)| at.saturating_sub(*then)).max();
        let is_sound = same.track.as_str().ends_with("mic");
        let late = if is_sound { Duration::ZERO } else { KEY_FRAME };
        assert!(latest.unwrap() <= late, "{what}: {latest:?} later");
    }
}

#[test]
fn others_get_the_same_packets_whatever_befalls_one() {
    let lasts = Duration::from_secs(20);
    let (others, eve) = a_room(1, Fate::Well, lasts);
    assert_eq!(others.len(), 2 + 2 + 4 + 4);
    assert!(others.iter().all(|got| got.packets > 1_000), "{others:?}");
    for fate in [Fate::Dead, Fate::Silent, Fate::Slow] {
        let (same, poor_eve) = a_room(1, fate, lasts);
        assert_same(1, fate, &others, &same);
        assert!(poor_eve < eve, "something did befall her: {fate:?}, {poor_eve} packets and not {eve}");
    }
}

#[test]
fn nor_does_it_matter_on_which_worker_that_is() {
    let lasts = Duration::from_secs(8);
    let (others, _) = a_room(2, Fate::Well, lasts);
    for fate in [Fate::Dead, Fate::Slow] {
        let (same, _) = a_room(2, fate, lasts);
        assert_same(2, fate, &others, &same);
    }
}
