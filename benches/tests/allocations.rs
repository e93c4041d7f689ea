//! In steady state nothing is allocated for a packet that is forwarded, on its whole way through the worker: datagram,
//! engine, track, forwarder, egress, what is to be sent. What `sluice-net` does with it then, its own test counts. Alone in
//! its process, so that nobody else allocates.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::alloc::System;
use std::time::Duration;

use sluice_benches::room::{HeapRequests, Room, Shape};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Until links have shown what they carry and every buffer has its size: rings keep a second of packets.
const SETTLE: Duration = Duration::from_secs(15);
const WATCHED: Duration = Duration::from_secs(2);
/// Of a packet that comes: str0m copies its payload and makes a text of its section's name, and what was read goes behind
/// one reference for all subscribers.
const FOR_RECEIVED: usize = 3;

fn watch(shape: Shape) -> HeapRequests {
    let mut room = Room::open(shape);
    room.play(SETTLE);
    let requests = room.heap_requests(WATCHED);
    assert_eq!(requests.forwarded, requests.received * shape.subscribers, "everybody takes everything");
    requests
}

/// Asked for over what the same room asks for at half the rate, in feedback and timers: what packets cost there.
fn for_twice_the_packets(subscribers: usize) -> usize {
    let slow = Shape::camera_for(subscribers);
    let fast = Shape { interval: slow.interval / 2, ..slow };
    let [slow, fast] = [slow, fast].map(watch).map(|requests| requests.for_feedback + requests.for_timers);
    fast.saturating_sub(slow)
}

#[test]
fn nothing_is_allocated_for_a_packet_forwarded() {
    for (tracks, subscribers) in [(1, 1), (1, 2), (1, 12), (1, 40), (4, 2), (4, 12)] {
        let requests = watch(Shape { tracks, taken: tracks, ..Shape::camera_for(subscribers) });
        assert!(requests.received > 300, "the room is busy");
        assert_eq!(requests.for_media, FOR_RECEIVED * requests.received, "{tracks} tracks for {subscribers}");
    }
    // Reports, feedback and shares of links come by the clock and may allocate; packets are counted in there and not
    // told apart, so the same rooms with twice the packets ask for as much more whether these go to two or to twenty-four.
    let (few, many) = (for_twice_the_packets(2), for_twice_the_packets(24));
    assert!(many.abs_diff(few) < 24, "{few} for two, {many} for twenty-four: that grows with packets forwarded");
}
