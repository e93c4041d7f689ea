//! Bytes of heap that a worker holds for a subscription. `--once`, `--save`, `--diff`, `--only PART`.
//!
//! Two rooms differ in their number of subscriptions; what more the larger one's worker gives back when it is dropped
//! belongs to them.

use std::alloc::System;
use std::process::ExitCode;
use std::time::Duration;

use sluice_benches::report::{Options, Report};
use sluice_benches::room::{Room, Shape};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes in use.
fn live() -> f64 {
    let stats = HEAP.stats();
    stats.bytes_allocated as f64 - stats.bytes_deallocated as f64
}

/// Bytes a worker holds after its room was busy for so long.
fn held(shape: Shape, busy: Duration) -> f64 {
    let mut room = Room::open(shape);
    room.play(busy);
    let Room { worker, .. } = room;
    let before = live();
    drop(worker);
    before - live()
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::read(std::env::args().skip(1))?;
    let mut report = Report::new("bytes", options.clone());
    let (few, many) = if options.is_trial { (1, 2) } else { (1, 41) };
    let more = f64::from(u32::try_from(many - few)?);
    let busy = Duration::from_secs(if options.is_trial { 0 } else { 5 });
    for (word, time) in [("idle", Duration::ZERO), ("busy", busy)] {
        report.measure(format!("a subscriber of one camera, {word}"), |_| {
            Some((held(Shape::camera_for(many), time) - held(Shape::camera_for(few), time)) / more)
        });
        report.measure(format!("one more camera for a subscriber, {word}"), |_| {
            // As many tracks in both; a tenth of the rate, so that one link carries them.
            let interval = Duration::from_micros(5_870);
            let shape = |taken| Shape { tracks: many, subscribers: 1, taken, payload_len: 110, interval };
            Some((held(shape(many), time) - held(shape(few), time)) / more)
        });
    }
    report.finish()
}
