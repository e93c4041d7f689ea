//! What networks do to people: loss, other addresses, ICE restarts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use sluice_core::Connection::{self, Dual, Single};
use sluice_core::{Command, Event, Failure, TrackId};
use sluice_sim::{Conditions, Media, Publication, Simulation, Structure};

fn ann_and_bob(seed: u64, ann: Connection, bob: Connection) -> (Simulation, [TrackId; 2]) {
    let mut sim = Simulation::new(seed);
    sim.join("ann", ann);
    sim.join("bob", bob);
    let tracks = [sim.publish("ann", "mic", Publication::MICROPHONE), sim.publish("ann", "cam", Publication::CAMERA)];
    sim.run(Duration::from_secs(2));
    (sim, tracks)
}

/// Lost packets are asked for again on both legs, and come in time.
#[test]
fn five_per_cent_loss_is_repaired() {
    for (lossy, seed) in [("ann", 31), ("bob", 32)] {
        let (mut sim, [mic, cam]) = ann_and_bob(seed, Single, Dual);
        let conditions = Conditions { delay: Duration::from_millis(50), ..Conditions::with_loss(0.05) };
        sim.network(lossy, conditions);
        let frames = sim.frames_during(Duration::from_secs(10), "bob", &cam);
        let sink = sim.sink("bob", &cam);
        assert!(frames > 280, "{lossy}: {frames} of 300 frames");
        assert!(sink.longest_freeze < Duration::from_millis(500), "{lossy}: frozen for {:?}", sink.longest_freeze);
        assert!(sim.sink("bob", &mic).frames > 500, "{lossy}: sound goes on");
        sim.audit(false);
    }
}

/// Where repairs are lost as well they are sent twice: a second round trip is what freezes pictures.
#[test]
fn a_way_that_loses_gets_each_repair_twice() {
    let mut sim = Simulation::new(35);
    sim.join("ann", Single);
    sim.join("bob", Single);
    let cam = sim.publish("ann", "cam", Publication::CAMERA);
    sim.run(Duration::from_secs(2));
    sim.network("bob", Conditions { delay: Duration::from_millis(50), ..Conditions::with_loss(0.1) });
    // For five seconds the longer way is taken for a queue, whose losses say nothing.
    sim.run(Duration::from_secs(10));
    let before = sim.stats();
    let frames = sim.frames_during(Duration::from_secs(20), "bob", &cam);
    let after = sim.stats();
    let asked = after.packets_nacked - before.packets_nacked;
    let repaired = after.packets_repaired - before.packets_repaired;
    assert!(asked > 50 && repaired > asked * 4 / 3, "{repaired} repairs of {asked} packets asked for");
    assert!(frames > 590, "{frames} of 600 frames");
    sim.audit(false);
}

#[test]
fn reordered_and_jittered_packets_play() {
    let (mut sim, [_, cam]) = ann_and_bob(33, Dual, Single);
    let conditions = Conditions { jitter: Duration::from_millis(10), reorder: 0.05, ..Conditions::CLEAN };
    sim.network("ann", conditions);
    sim.network("bob", conditions);
    let frames = sim.frames_during(Duration::from_secs(5), "bob", &cam);
    assert!(frames > 140, "{frames} of 150 frames");
    sim.audit(false);
}

/// A bottleneck below what is sent: much is lost, the rest is sound, and it recovers.
#[test]
fn a_narrow_link_recovers_when_it_widens() {
    let (mut sim, [_, cam]) = ann_and_bob(34, Single, Single);
    sim.links(
        "bob",
        Conditions::CLEAN,
        Conditions { rate_bps: Some(150_000), queue_len: 8 << 10, ..Conditions::CLEAN },
    );
    sim.run(Duration::from_secs(5));
    sim.network("bob", Conditions::CLEAN);
    sim.run(Duration::from_secs(2));
    assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam) >= 29);
    sim.audit(false);
}

#[test]
fn another_address_goes_on_without_a_word() {
    for (connection, who) in [(Single, "ann"), (Single, "bob"), (Dual, "ann"), (Dual, "bob")] {
        let (mut sim, tracks) = ann_and_bob(35, connection, connection);
        sim.rebind(who);
        let packets = sim.sink("bob", &tracks[1]).packets;
        let gap = sim.run_until(Duration::from_secs(6), "media on the new address", |sim| {
            sim.sink("bob", &tracks[1]).packets > packets + 30
        });
        assert!(gap < Duration::from_secs(5), "{connection:?} {who}: {gap:?}");
        sim.run(Duration::from_secs(2));
        for (track, frames) in tracks.iter().zip([49, 29]) {
            let came = sim.frames_during(Duration::from_secs(1), "bob", track);
            assert!(came >= frames, "{connection:?} {who} {track}: {came}");
        }
        sim.audit(false);
    }
}

#[test]
fn a_client_restarts_ice_and_media_flows_on() {
    for connection in [Single, Dual] {
        let (mut sim, tracks) = ann_and_bob(36, connection, connection);
        for who in ["ann", "bob"] {
            sim.restart_ice(who);
            sim.run(Duration::from_secs(1));
            for (track, frames) in tracks.iter().zip([49, 29]) {
                let came = sim.frames_during(Duration::from_secs(1), "bob", track);
                assert!(came >= frames, "{connection:?} {who} {track}: {came}");
            }
        }
        sim.audit(false);
    }
}

/// The signal connection was lost for a while, and with it the network: the server offers with new credentials.
#[test]
fn a_participant_resumes() {
    for outage_ms in [0, 3_000] {
        let (mut sim, tracks) = ann_and_bob(37, Dual, Dual);
        sim.network("bob", Conditions::DOWN);
        sim.run_ms(outage_ms);
        sim.network("bob", Conditions::CLEAN);
        sim.rebind("bob");
        sim.command(Command::Resume { participant: "PA_bob".into() });
        sim.restart_ice("bob");
        sim.run(Duration::from_secs(2));
        for (track, frames) in tracks.iter().zip([49, 29]) {
            let came = sim.frames_during(Duration::from_secs(1), "bob", track);
            assert!(came >= frames, "{outage_ms} {track}: {came}");
        }
        sim.audit(false);
    }
}

/// The offer before the resume may never have reached the client, with all it carried.
#[test]
fn a_resume_repeats_what_an_unanswered_offer_said() {
    for (ahead_ms, with_zero) in [0, 5, 16, 25].into_iter().flat_map(|ms| [(ms, false), (ms, true)]) {
        let mut sim = Simulation::new(38);
        sim.join("ann", Single);
        sim.join("bob", Dual);
        if with_zero {
            sim.answer_with_zero("bob");
        }
        sim.run(Duration::from_secs(1));
        let cam = sim.publish("ann", "cam", Publication::CAMERA);
        sim.run_until(Duration::from_secs(1), "the track", |sim| sim.stats().tracks == 1);
        sim.run_ms(ahead_ms);
        sim.command(Command::Resume { participant: "PA_bob".into() });
        sim.run(Duration::from_secs(2));
        let came = sim.frames_during(Duration::from_secs(1), "bob", &cam);
        assert!(came >= 29, "{ahead_ms} ms ahead, numbered 0: {with_zero}: {came}");
        assert!(
            sim.client("bob").refusals.is_empty(),
            "{:?}: the room would throw bob out",
            sim.client("bob").refusals
        );
        sim.audit(false);
    }
}

#[test]
fn who_is_gone_for_good_is_reported_and_nobody_else() {
    let (mut sim, _) = ann_and_bob(39, Single, Single);
    sim.network("bob", Conditions::DOWN);
    sim.run_until(Duration::from_secs(60), "the report", |sim| !sim.failures().is_empty());
    assert_eq!(sim.failures(), [("PA_bob".into(), Failure::ConnectionLost)]);
    assert!(sim.elapsed() > Duration::from_secs(15), "{:?}: an outage is no end", sim.elapsed());
}

fn credentials(sim: &Simulation) -> Vec<String> {
    let is_secret = |line: &&str| line.starts_with("a=ice-ufrag:") || line.starts_with("a=ice-pwd:");
    let mut all: Vec<String> = sim.descriptions().flat_map(str::lines).filter(is_secret).map(str::to_owned).collect();
    all.sort();
    all.dedup();
    all
}

/// Every credential the worker ever shows follows from the randomness it was given, and from nothing else: other
/// randomness, other credentials; another state of str0m's own generator, the same.
#[test]
fn credentials_come_from_the_injected_randomness_alone() {
    let story = |worker_seed, seed| {
        let mut sim = Simulation::with_seeds(worker_seed, seed);
        sim.join("ann", Single);
        sim.join("bob", Dual);
        sim.publish("ann", "cam", Publication::CAMERA);
        sim.run(Duration::from_secs(1));
        for _ in 0..2 {
            sim.restart_ice("ann");
            sim.restart_ice("bob");
            sim.command(Command::Resume { participant: "PA_bob".into() });
            sim.run(Duration::from_secs(1));
        }
        credentials(&sim)
    };
    let (all, same, other) = (story(1, 1), story(1, 2), story(2, 1));
    // Ann's connection, bob's two; two restarts of each; a fragment and a password each time.
    assert_eq!(all.len(), 3 * 3 * 2, "{all:?}");
    assert_eq!(all, same);
    assert!(all.iter().all(|line| !other.contains(line)));
}

/// On a link too narrow for any picture one viewer's are paused; another, who will have no pauses, gets of them what
/// the link lets through.
#[test]
fn pictures_pause_only_where_they_may() {
    let mut sim = Simulation::new(42);
    sim.forbids_pauses.insert("cyd".to_owned());
    for name in ["ann", "bob", "cyd"] {
        sim.join(name, Single);
    }
    sim.publish("ann", "cam", Publication::camera(Media::Vp8, true, Structure::Flat));
    sim.run(Duration::from_secs(5));
    for viewer in ["bob", "cyd"] {
        sim.links(viewer, Conditions::CLEAN, Conditions::narrow(100_000, Duration::from_millis(25)));
    }
    sim.run(Duration::from_secs(10));
    let packets = |sim: &Simulation| ["bob", "cyd"].map(|viewer| sim.client(viewer).video_packets());
    let before = packets(&sim);
    sim.run(Duration::from_secs(10));
    let after = packets(&sim);
    let [paused, unpaused] = [after[0] - before[0], after[1] - before[1]];
    assert!(unpaused > 50 && paused * 5 < unpaused, "{paused} packets of a paused picture, {unpaused} of the other");
    let of_cyd = |(_, event): &&(Duration, Event)| matches!(event, Event::StreamStates { subscriber, .. } if subscriber.as_str() == "PA_cyd");
    assert_eq!(sim.events.iter().filter(of_cyd).count(), 0, "nothing to tell");
}

/// The worker's transport-wide feedback is true: a publisher that has nothing else to go by finds out what its way up
/// carries, more than it began with and then less, and what it sends arrives.
#[test]
fn a_publisher_finds_its_way_up_by_the_feedback() {
    let mut sim = Simulation::new(41);
    sim.reads_feedback = true;
    sim.join("ann", Single);
    sim.join("bob", Single);
    sim.run(Duration::from_secs(1));
    let cam = sim.publish("ann", "cam", Publication::camera(Media::Vp8, true, Structure::Flat));
    let estimate = |sim: &Simulation| sim.client("ann").estimate_bps.unwrap();
    let delay = Duration::from_millis(25);
    // Nothing disproves an estimate somewhat above the narrow link once what is sent fits.
    for (kbps, bounds) in [(4000, 1_500_000..4_500_000), (800, 300_000..1_200_000)] {
        sim.links("ann", Conditions::narrow(kbps * 1000, delay), Conditions::CLEAN);
        sim.run(Duration::from_secs(15));
        assert!(bounds.contains(&estimate(&sim)), "{kbps} kbit/s: believed to be {}", estimate(&sim));
        let frames = sim.frames_during(Duration::from_secs(2), "bob", &cam);
        assert!(frames > 50, "{kbps} kbit/s: {frames} of 60 frames");
    }
    sim.audit(false);
}
