//! Data channels, relayed: the room hears a message and sends it to the others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use sluice_core::Connection::{Dual, Single};
use sluice_core::{Command, DataChannel, Failure};
use sluice_sim::{Conditions, Simulation};

fn three_people(seed: u64) -> Simulation {
    let mut sim = Simulation::new(seed);
    sim.join("ann", Single);
    sim.join("bob", Dual);
    sim.join("cem", Single);
    sim.run(Duration::from_secs(1));
    sim
}

fn bodies(sim: &Simulation, name: &str, channel: DataChannel) -> Vec<Vec<u8>> {
    sim.client(name)
        .inbox()
        .iter()
        .filter(|(c, _)| *c == channel)
        .map(|(_, body)| body.clone())
        .collect()
}

fn send_to_bob(sim: &mut Simulation, body: Vec<u8>) {
    let (to, channel) = (vec!["PA_bob".into()], DataChannel::Reliable);
    sim.command(Command::SendData { to, channel, payload: body.into() });
}

#[test]
fn messages_reach_everybody_else_in_order() {
    let mut sim = three_people(41);
    for name in ["ann", "bob", "cem"] {
        sim.network(name, Conditions::with_loss(0.03));
    }
    let sent: Vec<Vec<u8>> = (0..200_u8).map(|n| vec![n; 500]).collect();
    for body in &sent {
        assert!(sim.send_data("ann", DataChannel::Reliable, body));
        sim.run_ms(2);
    }
    sim.run(Duration::from_secs(5));
    assert_eq!(bodies(&sim, "bob", DataChannel::Reliable), sent);
    assert_eq!(bodies(&sim, "cem", DataChannel::Reliable), sent);
    assert!(bodies(&sim, "ann", DataChannel::Reliable).is_empty(), "no echo");
    assert!(sim.send_data("bob", DataChannel::Reliable, b"from two connections"));
    sim.run(Duration::from_secs(3));
    assert_eq!(bodies(&sim, "ann", DataChannel::Reliable), [b"from two connections"]);
}

#[test]
fn lossy_messages_are_sent_once() {
    let mut sim = three_people(42);
    sim.network("cem", Conditions::with_loss(0.2));
    for n in 0..100 {
        assert!(sim.send_data("ann", DataChannel::Lossy, &[n; 100]));
        sim.run_ms(10);
    }
    sim.run(Duration::from_secs(2));
    assert_eq!(bodies(&sim, "bob", DataChannel::Lossy).len(), 100);
    let came = bodies(&sim, "cem", DataChannel::Lossy).len();
    assert!((50..=95).contains(&came), "{came} of 100");
}

/// What does not fit the channel waits in the worker, and goes on as soon as there is room.
#[test]
fn a_file_waits_for_a_slow_reader() {
    let mut sim = three_people(43);
    sim.network("bob", Conditions { rate_bps: Some(20_000_000), queue_len: 256 << 10, ..Conditions::CLEAN });
    let sent: Vec<Vec<u8>> = (0..100_u8).map(|n| vec![n; 40_000]).collect();
    for body in &sent {
        send_to_bob(&mut sim, body.clone());
    }
    let took = sim.run_until(Duration::from_secs(20), "the file", |sim| sim.client("bob").inbox().len() == 100);
    // 4 MB over 20 Mbit/s take 1.6 s; slow start and the wait for acknowledgements are allowed for.
    assert!(took < Duration::from_secs(6), "{took:?}");
    assert_eq!(bodies(&sim, "bob", DataChannel::Reliable), sent);
}

#[test]
fn messages_sent_before_the_channel_is_open_arrive() {
    let mut sim = Simulation::new(44);
    sim.join("bob", Dual);
    for n in 0..5 {
        send_to_bob(&mut sim, vec![n; 10]);
    }
    let took = sim.run_until(Duration::from_secs(5), "the messages", |sim| sim.client("bob").inbox().len() == 5);
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn a_message_too_long_for_the_receiver_does_not_block_the_others() {
    let mut sim = three_people(45);
    send_to_bob(&mut sim, vec![1; 1 << 20]);
    send_to_bob(&mut sim, vec![2; 10]);
    sim.run(Duration::from_secs(3));
    assert_eq!(bodies(&sim, "bob", DataChannel::Reliable).last().map(Vec::len), Some(10));
    assert!(sim.failures().is_empty());
}

#[test]
fn who_never_reads_is_given_up() {
    let mut sim = three_people(46);
    sim.network("bob", Conditions::DOWN);
    for _ in 0..400 {
        send_to_bob(&mut sim, vec![0; 60_000]);
        sim.run_ms(1);
    }
    assert_eq!(sim.failures(), [("PA_bob".into(), Failure::DataBacklog)]);
    sim.run(Duration::from_secs(1));
    assert_eq!(sim.stats().transports, 2, "the other two stay");
}
