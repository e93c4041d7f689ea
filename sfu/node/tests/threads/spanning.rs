//! What one publishes on one thread comes out of another.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sluice_core::{Command, Failure, TapMessage, TapWish};
use sluice_node::{TAP_RING_LEN, TapReader};

use crate::stage::Stage;

#[test]
fn three_people_on_three_threads_hear_each_other_and_outlive_a_thread() {
    let mut stage = Stage::open();
    for (name, publishes) in [("ann", true), ("bob", true), ("cem", false)] {
        stage.enter(name, publishes);
    }
    let (ann, bob) = (stage.page("ann").track(), stage.page("bob").track());
    stage.run_until("everybody hears everybody", |stage| {
        stage.page("ann").heard(&bob) > 50
            && stage.page("bob").heard(&ann) > 50
            && stage.page("cem").heard(&ann) > 50
            && stage.page("cem").heard(&bob) > 50
    });
    // What ann said came to both others over a ring, and what bob said too.
    stage.run_until("the figures", |stage| stage.metric("sluice_packets_mirrored_total") > 150.0);
    assert_eq!(stage.metric("sluice_packets_relay_dropped_total"), 0.0);
    assert_eq!((stage.metric("sluice_tracks"), stage.metric("sluice_mirrors")), (2.0, 4.0));
    for (_, timestamps) in stage.pages.iter().flat_map(|page| &page.heard) {
        assert!(timestamps.is_sorted(), "in order");
    }
    stage.run_until("levels of both speakers", |stage| {
        let parts: std::collections::BTreeSet<u16> = stage.levels.iter().map(|(_, part)| *part).collect();
        parts.len() == 2
    });
    // Each thread speaks for its own part only.
    let threads: HashMap<u16, String> = stage.levels.iter().map(|(thread, part)| (*part, thread.clone())).collect();
    assert_eq!(threads.len(), 2);

    // Bob's thread dies.
    stage.doomed.lock().unwrap().clone_from(&threads[&1]);
    stage.run_until("bob is told", |stage| !stage.failed.is_empty());
    assert_eq!(stage.failed, [(stage.page("bob").id.clone(), Failure::Internal)]);
    let before = stage.page("cem").heard(&ann);
    stage.run_until("the others go on", |stage| stage.page("cem").heard(&ann) > before + 50);

    // Somebody comes, to a thread that lives, and is heard.
    stage.enter("dan", true);
    let dan = stage.page("dan").track();
    stage.run_until("dan is heard", |stage| stage.page("ann").heard(&dan) > 20 && stage.page("cem").heard(&dan) > 20);
    assert_eq!(stage.failed.len(), 1);
}

/// All that waits in a tap: what it said besides packets, and their numbers.
fn drained(reader: &mut TapReader) -> (Vec<String>, Vec<u64>) {
    let (mut said, mut numbers) = (Vec::new(), Vec::new());
    while let Some(message) = reader.poll() {
        match message {
            TapMessage::Packet(packet) => numbers.push(packet.sequence()),
            TapMessage::Format(format) => said.push(format.mime_type),
            TapMessage::Muted { is_muted, .. } => said.push(format!("muted {is_muted}")),
            TapMessage::Ended => said.push("ended".to_owned()),
            TapMessage::SenderReport(_) => {}
        }
    }
    (said, numbers)
}

#[test]
fn what_somebody_says_can_be_tapped_on_whichever_thread_they_are() {
    let mut stage = Stage::open();
    for (name, publishes) in [("ann", true), ("bob", true), ("cem", false)] {
        stage.enter(name, publishes);
    }
    let bob = stage.page("bob").track();
    // Before they are connected, and of somebody who publishes nothing.
    let ((mut of_bob, woken), (mut of_cem, _)) = (stage.tap("bob"), stage.tap("cem"));
    stage.run_until("bob is heard", |stage| stage.page("cem").heard(&bob) > 50);
    stage.run_until("the reader is woken", |_| woken.load(Ordering::Relaxed) > 20);
    let (said, numbers) = drained(&mut of_bob);
    assert_eq!(said, ["audio/opus"]);
    assert!(numbers.len() > 20 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");

    // Nobody takes any for a while: the ring holds what it can, the rest is dropped and counted, and cem loses nothing.
    stage.link.send(Command::MuteTrack { track: bob.clone(), muted: true }).unwrap();
    stage.link.send(Command::MuteTrack { track: bob.clone(), muted: false }).unwrap();
    let page = stage.pages.iter_mut().find(|page| page.track() == bob).unwrap();
    page.pace = Duration::from_millis(2);
    stage.run_until("the ring is full", |_| of_bob.dropped() > 50);
    stage.run_until("the figures", |stage| stage.metric("sluice_tap_dropped_total") > 50.0);
    assert_eq!(stage.metric("sluice_taps"), 2.0);
    let (said, numbers) = drained(&mut of_bob);
    assert_eq!((&*said, numbers.len() + 2), (&["muted true".to_owned(), "muted false".to_owned()][..], TAP_RING_LEN));
    let before = woken.load(Ordering::Relaxed);
    stage.run_until("it goes on", |_| woken.load(Ordering::Relaxed) > before + 5);
    let (_, again) = drained(&mut of_bob);
    assert!(again[0] > numbers[numbers.len() - 1] + 50, "behind a gap");

    // Whose publisher is not there has ended from the start; whose publisher leaves ends then.
    let mut of_nobody = stage.link.tap(&"PA_nobody".into(), &bob, TapWish::default(), Arc::new(|| {})).unwrap();
    assert_eq!(drained(&mut of_nobody).0, ["ended"]);
    let cem = stage.page("cem").id.clone();
    stage.link.send(Command::RemoveParticipant { participant: cem }).unwrap();
    stage.run_until("the figures", |stage| stage.metric("sluice_taps") == 1.0);
    assert_eq!(drained(&mut of_cem).0, ["ended"]);
    drop(of_cem);
    // A reader that goes takes its tap along.
    let (second, _) = stage.tap("bob");
    stage.run_until("the figures", |stage| stage.metric("sluice_taps") == 2.0);
    drop(second);
    stage.run_until("the figures", |stage| stage.metric("sluice_taps") == 1.0);
    // Bob's thread dies, and with it the tap.
    let thread = stage
        .levels
        .iter()
        .rev()
        .find(|(_, part)| *part == 1)
        .map(|(thread, _)| thread.clone())
        .unwrap();
    *stage.doomed.lock().unwrap() = thread;
    stage.run_until("bob is told", |stage| !stage.failed.is_empty());
    let (said, _) = drained(&mut of_bob);
    assert_eq!(said, ["ended"]);
}
