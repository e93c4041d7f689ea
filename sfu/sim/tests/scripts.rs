//! Whatever people do in whatever order: in the end everybody is shown what they are to be shown, and nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sluice_core::Connection::{Dual, Single};
use sluice_core::{Client, Command, Demand, TrackId};
use sluice_sim::{Conditions, Media, Publication, Simulation};

const SEEDS: std::ops::Range<u64> = 1000..1030;
const STEPS: usize = 40;
const NAMES: [&str; 5] = ["ann", "bob", "cem", "dan", "eve"];

#[derive(Debug, Clone)]
enum Step {
    Join(&'static str, bool),
    Leave(&'static str),
    Publish(&'static str, u32, Publication),
    Unpublish(&'static str, TrackId),
    Subscribe(&'static str, TrackId),
    Unsubscribe(&'static str, TrackId),
    Demand(&'static str, TrackId, Demand),
    Mute(TrackId, bool),
    Network(&'static str, Conditions),
    Rebind(&'static str),
    RestartIce(&'static str),
    Wait(Duration),
}

/// What is to be so when all has settled.
#[derive(Debug, Default)]
struct Model {
    present: BTreeMap<&'static str, bool>,
    tracks: BTreeMap<TrackId, (&'static str, Publication, bool)>,
    wishes: BTreeMap<(&'static str, TrackId), Demand>,
    published: u32,
}

impl Model {
    /// A step that makes sense now.
    fn next(&mut self, random: &mut ChaCha8Rng) -> Step {
        loop {
            let who = NAMES[random.random_range(0..NAMES.len())];
            let is_present = self.present.contains_key(who);
            let track = (!self.tracks.is_empty())
                .then(|| self.tracks.keys().nth(random.random_range(0..self.tracks.len())).cloned())
                .flatten();
            let chosen = random.random_range(0..100);
            return match (chosen, track) {
                (0..15, _) if !is_present => Step::Join(who, random.random()),
                (15..18, _) if is_present && self.present.len() > 2 => Step::Leave(who),
                (18..36, _) if is_present && self.of(who).len() < 3 => {
                    self.published += 1;
                    let kinds = [
                        Publication::MICROPHONE,
                        Publication::CAMERA,
                        Publication::SIMULCAST,
                        Publication::video(Media::Vp9),
                        Publication::video(Media::Av1),
                        Publication::video(Media::H264),
                    ];
                    Step::Publish(who, self.published, kinds[random.random_range(0..kinds.len())])
                }
                (36..44, Some(track)) => Step::Unpublish(self.tracks[&track].0, track),
                (44..54, Some(track))
                    if is_present
                        && !self.wishes.contains_key(&(who, track.clone()))
                        && self.tracks[&track].0 != who =>
                {
                    Step::Subscribe(who, track)
                }
                (54..64, Some(track)) if self.wishes.contains_key(&(who, track.clone())) => {
                    Step::Unsubscribe(who, track)
                }
                (64..74, Some(track)) if self.wishes.contains_key(&(who, track.clone())) => {
                    let demand = Demand {
                        enabled: random.random_bool(0.7),
                        max_spatial: random.random_range(0..3),
                        ..Demand::default()
                    };
                    Step::Demand(who, track, demand)
                }
                (74..80, Some(track)) => Step::Mute(track, random.random()),
                (80..86, _) if is_present => {
                    let conditions = Conditions {
                        delay: Duration::from_millis(random.random_range(5..80)),
                        jitter: Duration::from_millis(random.random_range(0..20)),
                        loss: random.random_range(0.0..0.1),
                        reorder: random.random_range(0.0..0.05),
                        ..Conditions::CLEAN
                    };
                    Step::Network(who, conditions)
                }
                (86..88, _) if is_present => Step::Rebind(who),
                (88..90, _) if is_present => Step::RestartIce(who),
                (90..100, _) => Step::Wait(Duration::from_millis(random.random_range(1..400))),
                _ => continue,
            };
        }
    }

    fn of(&self, who: &str) -> Vec<TrackId> {
        self.tracks
            .iter()
            .filter(|(_, (owner, ..))| *owner == who)
            .map(|(track, _)| track.clone())
            .collect()
    }

    fn forget(&mut self, track: &TrackId) {
        self.tracks.remove(track);
        self.wishes.retain(|(_, wished), _| wished != track);
    }

    fn play(&mut self, sim: &mut Simulation, step: &Step) {
        match step.clone() {
            Step::Join(who, is_single) => {
                self.present.insert(who, is_single);
                for track in self.tracks.keys() {
                    self.wishes.insert((who, track.clone()), Demand::default());
                }
                sim.join(who, if is_single { Single } else { Dual });
            }
            Step::Leave(who) => {
                self.present.remove(who);
                self.wishes.retain(|(wisher, _), _| *wisher != who);
                for track in self.of(who) {
                    self.forget(&track);
                }
                sim.leave(who);
            }
            Step::Publish(who, n, publication) => {
                let track = sim.publish(who, &n.to_string(), publication);
                // Whoever publishes waits for the server to take note, as people do.
                sim.run_until(Duration::from_secs(10), "the track", |sim| sim.is_published(&track));
                for other in self.present.keys().filter(|other| **other != who) {
                    self.wishes.insert((other, track.clone()), Demand::default());
                }
                self.tracks.insert(track, (who, publication, false));
            }
            Step::Unpublish(who, track) => {
                self.forget(&track);
                sim.unpublish(who, &track);
                sim.run_until(Duration::from_secs(10), "the end of the track", |sim| !sim.is_published(&track));
            }
            Step::Subscribe(who, track) => {
                sim.subscribe(who, &track);
                self.wishes.insert((who, track), Demand::default());
            }
            Step::Unsubscribe(who, track) => {
                sim.unsubscribe(who, &track);
                self.wishes.remove(&(who, track));
            }
            Step::Demand(who, track, demand) => {
                sim.demand(who, &track, demand);
                self.wishes.insert((who, track), demand);
            }
            Step::Mute(track, muted) => {
                sim.mute(&track, muted);
                self.tracks.get_mut(&track).unwrap().2 = muted;
            }
            Step::Network(who, conditions) => sim.network(who, conditions),
            Step::Rebind(who) => {
                // Before, it would be a handshake that starts over: seconds of its timers, and no story of ours.
                sim.run_until(Duration::from_secs(10), "the connection", |sim| sim.client(who).is_connected());
                sim.rebind(who);
            }
            Step::RestartIce(who) => sim.restart_ice(who),
            Step::Wait(span) => sim.run(span),
        }
    }

    /// Everything wished for comes, nothing else does.
    fn check(&self, sim: &mut Simulation) -> Vec<String> {
        for who in self.present.keys() {
            sim.network(who, Conditions::CLEAN);
        }
        sim.run(Duration::from_secs(6));
        let mut before = BTreeMap::new();
        let all: BTreeSet<TrackId> = self
            .present
            .keys()
            .flat_map(|who| sim.client(who).all_sinks())
            .map(|s| s.track.clone())
            .collect();
        let packets = |sim: &Simulation, who: &str, track: &TrackId| -> (u64, u64) {
            sim.client(who)
                .sinks(track)
                .fold((0, 0), |(p, f), sink| (p + sink.packets, f + sink.frames))
        };
        for who in self.present.keys() {
            for track in &all {
                before.insert((*who, track.clone()), packets(sim, who, track));
            }
        }
        sim.run(Duration::from_secs(1));
        let mut wrong = Vec::new();
        for who in self.present.keys() {
            for track in &all {
                let (packets_before, _) = before[&(*who, track.clone())];
                if packets(sim, who, track).0 > packets_before && !self.is_due(who, track) {
                    wrong.push(format!("{who} is sent {track}"));
                }
            }
            for track in self.tracks.keys().filter(|track| self.is_due(who, track)) {
                let (_, frames_before) = before.get(&(*who, track.clone())).copied().unwrap_or_default();
                let frames = packets(sim, who, track).1 - frames_before;
                if frames < 25 {
                    wrong.push(format!("{who} gets {frames} frames of {track}"));
                }
            }
        }
        wrong
    }

    fn is_due(&self, who: &'static str, track: &TrackId) -> bool {
        let muted = self.tracks.get(track).is_none_or(|(_, _, muted)| *muted);
        self.wishes.get(&(who, track.clone())).is_some_and(|demand| demand.enabled) && !muted
    }
}

fn run(seed: u64, workers: u16) {
    let mut sim = Simulation::spanning(seed, workers);
    let mut random = sim.random();
    let mut model = Model::default();
    for n in 0..STEPS {
        let first = NAMES[..3].get(n).map(|who| Step::Join(who, random.random()));
        let step = first.unwrap_or_else(|| model.next(&mut random));
        // Shown when the run fails.
        eprintln!("seed {seed} at {:?}: {step:?}", sim.elapsed());
        model.play(&mut sim, &step);
    }
    let wrong = model.check(&mut sim);
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    assert!(sim.failures().is_empty(), "seed {seed}: {:?}", sim.failures());
    sim.audit(false);
}

macro_rules! halves {
    ($($name:ident: $part:expr),*) => {$(
        #[test]
        fn $name() {
            for seed in SEEDS.filter(|seed| seed % 2 == $part) {
                run(seed, 1);
            }
        }
    )*};
}

// Two tests, so that two cores share them.
halves!(even_seeds: 0, odd_seeds: 1);

/// Whoever comes goes to the next worker: publishers and those who watch them are apart more often than not.
#[test]
fn on_several_workers() {
    for (seed, workers) in [(1001, 2), (1003, 3), (1004, 2), (1004, 4), (1005, 4), (1007, 2), (1009, 3), (1011, 4)] {
        run(seed, workers);
    }
}

#[test]
fn commands_for_nobody_are_ignored() {
    let mut sim = Simulation::new(7);
    sim.join("ann", Single);
    let (nobody, track) = ("PA_nobody", TrackId::from("TR_none"));
    for command in [
        Command::RemoveParticipant { participant: nobody.into() },
        Command::Offer { participant: nobody.into(), id: 1, sdp: String::new() },
        Command::Answer { participant: nobody.into(), id: 1, sdp: String::new() },
        Command::RemoveTrack { track: track.clone() },
        Command::MuteTrack { track: track.clone(), muted: true },
        Command::Unsubscribe { subscriber: "PA_ann".into(), track: track.clone() },
        Command::Demand { subscriber: "PA_ann".into(), track, demand: Demand::default() },
        Command::Resume { participant: nobody.into() },
        Command::CloseRoom { room: "RM_none".into() },
        Command::AddParticipant {
            room: "RM_1".into(),
            participant: "PA_ann".into(),
            client: Client { connection: Single, takes_trailers: false, allows_pauses: true },
        },
    ] {
        sim.command(command);
    }
    sim.run(Duration::from_secs(1));
    assert_eq!(sim.stats().transports, 1);
    sim.audit(true);
}
