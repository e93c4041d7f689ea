//! Sound on networks that lose: RED, and packets sent again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use sluice_core::Connection::{self, Dual, Single};
use sluice_core::{Event, TrackId};
use sluice_sim::{Conditions, Publication, Simulation};

/// A microphone whose packets repeat the one before.
const REDUNDANT: Publication = Publication { repeats: 1, ..Publication::MICROPHONE };

fn lossy(share: f64) -> Conditions {
    Conditions { delay: Duration::from_millis(50), ..Conditions::with_loss(share) }
}

/// Ann speaks with RED or without; Bob's client has RED, Cat's has not.
fn ann_bob_and_cat(
    seed: u64,
    ann_has_red: bool,
    connection: Connection,
    publication: Publication,
) -> (Simulation, TrackId) {
    let mut sim = Simulation::new(seed);
    sim.has_red = ann_has_red;
    sim.join("ann", connection);
    sim.has_red = true;
    sim.join("bob", connection);
    sim.has_red = false;
    sim.join("cat", connection);
    let track = sim.publish("ann", "mic", publication);
    sim.run(Duration::from_secs(2));
    (sim, track)
}

/// Share of the pieces of sound, from the first heard to the last, that did not come in time.
fn lost(sim: &Simulation, name: &str, track: &TrackId) -> f64 {
    let heard = &sim.sink(name, track).sound;
    let (first, last) = (heard.keys().next().unwrap(), heard.keys().next_back().unwrap());
    1.0 - heard.len() as f64 / f64::from(last - first + 1)
}

fn mime_type(sim: &Simulation, of: &TrackId) -> String {
    let added = sim.events.iter().find_map(|(_, event)| match event {
        Event::TrackAdded { track, mime_type, .. } if track == of => Some(mime_type.clone()),
        _ => None,
    });
    added.unwrap()
}

#[test]
fn red_goes_to_those_who_take_it_and_opus_to_the_others() {
    for connection in [Single, Dual] {
        let (sim, mic) = ann_bob_and_cat(41, true, connection, REDUNDANT);
        assert_eq!(mime_type(&sim, &mic), "audio/red");
        assert!(sim.sink("bob", &mic).repeated > 50, "{connection:?}: Bob gets RED");
        assert_eq!(sim.sink("cat", &mic).repeated, 0, "{connection:?}: Cat gets Opus");
        for name in ["bob", "cat"] {
            assert!(sim.sink(name, &mic).frames > 50, "{connection:?}: {name} hears");
            assert!(lost(&sim, name, &mic) == 0.0, "{connection:?}: {name} hears all of it");
        }
        sim.audit(true);
    }
}

#[test]
fn opus_reaches_a_client_that_takes_red() {
    let (sim, mic) = ann_bob_and_cat(42, false, Single, REDUNDANT);
    assert_eq!(mime_type(&sim, &mic), "audio/opus");
    assert!(sim.sink("bob", &mic).frames > 50);
    assert_eq!(sim.sink("bob", &mic).repeated, 0);
    sim.audit(true);
}

/// Its blocks could not be told apart: nobody tries.
#[test]
fn an_encrypted_voice_is_not_asked_for_red() {
    let (sim, mic) = ann_bob_and_cat(43, true, Single, Publication { is_encrypted: true, ..REDUNDANT });
    assert_eq!(mime_type(&sim, &mic), "audio/opus");
    for name in ["bob", "cat"] {
        assert!(sim.sink(name, &mic).frames > 50, "{name} hears");
        assert_eq!(sim.sink(name, &mic).repeated, 0);
    }
    sim.audit(true);
}

fn both_hear_all_but_half_a_per_cent(sim: &Simulation, mic: &TrackId) {
    for name in ["bob", "cat"] {
        let lost = lost(sim, name, mic);
        assert!(lost < 0.005, "{name} missed {:.2} %", lost * 100.0);
    }
    sim.audit(false);
}

/// What was lost on the way up is in the next packet; who takes no RED gets it all the same.
#[test]
fn what_a_publishers_link_loses_reaches_even_those_without_red() {
    let (mut sim, mic) = ann_bob_and_cat(44, true, Single, REDUNDANT);
    sim.links("ann", lossy(0.05), Conditions::CLEAN);
    sim.run(Duration::from_secs(40));
    both_hear_all_but_half_a_per_cent(&sim, &mic);
}

/// Five per cent lost at a round trip of 100 ms: what is asked for again comes in time once at most. Bob has the next
/// packet for it; Cat, and everybody where sound is encrypted, a second copy of each.
#[test]
fn what_a_viewers_link_loses_is_repeated_or_sent_twice() {
    for is_encrypted in [false, true] {
        let (mut sim, mic) = ann_bob_and_cat(45, true, Dual, Publication { is_encrypted, ..REDUNDANT });
        sim.network("bob", lossy(0.05));
        sim.network("cat", lossy(0.05));
        sim.run(Duration::from_secs(40));
        both_hear_all_but_half_a_per_cent(&sim, &mic);
    }
}

/// Where nothing is lost nothing is sent twice.
#[test]
fn a_clean_way_carries_sound_once() {
    let (mut sim, mic) = ann_bob_and_cat(46, false, Single, Publication::MICROPHONE);
    let (datagrams, pieces) = (sim.datagrams_sent, sim.sink("cat", &mic).frames);
    sim.run(Duration::from_secs(10));
    let pieces = sim.sink("cat", &mic).frames - pieces;
    let datagrams = sim.datagrams_sent - datagrams;
    assert!(datagrams < 3 * pieces, "{datagrams} datagrams to two for {pieces} pieces");
    sim.audit(true);
}
