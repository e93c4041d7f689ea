//! Media sections: who gets which, when they are given to somebody else, and that nobody hears what is not theirs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use sluice_core::Connection::{self, Dual, Single};
use sluice_core::{Command, Kind, TrackId};
use sluice_sim::{Publication, Simulation};

const ROUND: Duration = Duration::from_millis(600);

#[test]
fn ten_rounds_of_publishing_again_do_not_grow_the_sdp() {
    for connection in [Dual, Single] {
        let mut sim = Simulation::new(21);
        sim.join("ann", Single);
        sim.join("bob", connection);
        let mut sections = Vec::new();
        for round in 0..10 {
            let cam = sim.publish("ann", &format!("cam{round}"), Publication::CAMERA);
            sim.run(ROUND);
            assert!(sim.sink("bob", &cam).frames > 8, "{connection:?} {round}: {}", sim.sink("bob", &cam).frames);
            sim.unpublish("ann", &cam);
            sim.run(ROUND);
            assert!(sim.sink("bob", &cam).closed_at.is_some(), "{connection:?} {round}: the page still shows it");
            sections.push(sim.client("bob").sections());
        }
        let last = *sections.last().unwrap();
        assert!(sections[1..].iter().all(|n| *n == last), "{connection:?}: sections grew: {sections:?}");
        sim.audit(true);
    }
}

/// The page of a client with one connection may keep an element on a section's receiver. Whoever was unsubscribed
/// from ann must not hear bob through what was ann's element.
#[test]
fn an_unsubscribed_sink_never_hears_somebody_else() {
    for connection in [Single, Dual] {
        let mut sim = Simulation::new(22);
        for name in ["ann", "bob", "cem"] {
            sim.join(name, if name == "cem" { connection } else { Single });
        }
        let mut mics: Vec<TrackId> = Vec::new();
        for turn in 0..6 {
            // The old one is let go and a new one wanted in the same breath.
            let speaker = ["ann", "bob"][turn % 2];
            let mic = sim.publish(speaker, &format!("mic{turn}"), Publication::MICROPHONE);
            if let Some(last) = mics.last().cloned() {
                sim.unsubscribe("cem", &last);
            }
            sim.run(ROUND);
            assert!(sim.frames_during(Duration::from_secs(1), "cem", &mic) >= 49, "{connection:?}: turn {turn}");
            for old in &mics {
                let sink = sim.sink("cem", old);
                assert!(sink.closed_at.is_some(), "{connection:?}: {old} still open");
            }
            mics.push(mic);
        }
        assert!(sim.client("cem").sections() <= 6 + 3, "{connection:?}: {} sections", sim.client("cem").sections());
        // The audit knows of every packet on whose sink it came, and of sections that changed hands in one round.
        sim.audit(true);
    }
}

/// A room may say who takes what before the track has met its section.
#[test]
fn a_subscription_made_before_the_track_opens_when_the_track_comes() {
    for connection in [Single, Dual] {
        let mut sim = Simulation::new(23);
        sim.auto_subscribe = false;
        sim.join("ann", Single);
        sim.join("bob", connection);
        sim.run(Duration::from_secs(1));
        sim.command(Command::Subscribe {
            subscriber: "PA_bob".into(),
            track: "TR_ann_cam".into(),
            kind: Kind::Video,
            stream: "PA_ann|camera".to_owned(),
        });
        sim.run(Duration::from_secs(1));
        let cam = sim.publish("ann", "cam", Publication::CAMERA);
        sim.run(Duration::from_secs(1));
        assert!(sim.find_sink("bob", &cam).is_some_and(|sink| sink.frames > 15), "{connection:?}");
        sim.audit(true);
    }
}

#[test]
fn a_track_taken_away_by_the_server_stops_and_its_section_is_closed() {
    for connection in [Single, Dual] {
        let mut sim = Simulation::new(24);
        sim.join("ann", Single);
        sim.join("bob", connection);
        let mic = sim.publish("ann", "mic", Publication::MICROPHONE);
        sim.run(Duration::from_secs(1));
        sim.command(Command::RemoveTrack { track: mic.clone() });
        sim.run(Duration::from_millis(500));
        assert!(sim.sink("bob", &mic).closed_at.is_some(), "{connection:?}");
        assert_eq!(sim.frames_during(Duration::from_secs(1), "bob", &mic), 0);
        let again = sim.publish("ann", "mic2", Publication::MICROPHONE);
        sim.run(Duration::from_secs(1));
        assert!(sim.sink("bob", &again).frames > 20);
        sim.audit(true);
    }
}

/// More tracks than a first offer has sections for.
#[test]
fn a_client_is_asked_for_as_many_sections_as_it_needs() {
    let mut sim = Simulation::new(25);
    let names = ["ann", "bob", "cem", "dan", "eve", "fay"];
    for name in names {
        sim.join(name, Connection::Single);
        sim.publish(name, "cam", Publication::CAMERA);
        sim.publish(name, "mic", Publication::MICROPHONE);
    }
    sim.run(Duration::from_secs(3));
    for name in names {
        let playing = sim.client(name).all_sinks().filter(|sink| sink.frames > 20).count();
        assert_eq!(playing, 10, "{name}");
        assert!(sim.client(name).sections() <= 16, "{name}: {} sections", sim.client(name).sections());
    }
    sim.audit(true);
}

/// Subscriptions that come and go while a round of negotiation is on its way.
#[test]
fn wishes_that_change_during_a_round_settle_on_the_last() {
    for connection in [Single, Dual] {
        let mut sim = Simulation::new(26);
        sim.join("ann", Single);
        sim.join("bob", connection);
        let cam = sim.publish("ann", "cam", Publication::CAMERA);
        sim.run(Duration::from_secs(1));
        for pause_ms in [0, 1, 5, 10, 20, 30, 40, 60, 80] {
            sim.unsubscribe("bob", &cam);
            sim.run_ms(pause_ms);
            sim.subscribe("bob", &cam);
            sim.run_ms(pause_ms);
        }
        sim.run(Duration::from_secs(1));
        assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam) >= 29, "{connection:?}");
        sim.audit(true);
    }
}
