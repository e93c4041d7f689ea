//! Nanoseconds of processor time for an operation. `--once`, `--save`, `--diff`, `--only PART`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use sluice_benches::report::{Options, Report};
use sluice_benches::room::{Room, Shape};
use sluice_benches::{engine, network, pieces, recording, rooms, send_side};
use sluice_net::Io;
use sluice_rtp::srtp::Profile;

const SIZES: [usize; 2] = [1100, 100];
const MANY: [usize; 3] = [1, 50, 200];
const FEW: [usize; 3] = [1, 2, 3];

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::read(std::env::args().skip(1))?;
    let mut report = Report::new("ns", options.clone());
    let many = if options.is_trial { FEW } else { MANY };
    for size in SIZES {
        for (profile, name) in [
            (Profile::AeadAes128Gcm, "AES-128-GCM"),
            (Profile::AeadAes256Gcm, "AES-256-GCM"),
            (Profile::Aes128CmSha1_80, "AES-CM-128-SHA1-80"),
        ] {
            report.measure(format!("SRTP seal, {name}, {size} B"), |effort| pieces::seal(profile, size, effort));
        }
    }
    report.measure("dependency descriptor, read and renumbered", pieces::dependency_descriptor);
    report.measure("ingest, a packet of VP8 read", |effort| pieces::ingest(1100, effort));
    report.measure("recorder, a second of a camera of 720 lines and a microphone", recording::second);
    for (is_check, word) in [(false, "packet"), (true, "connectivity check")] {
        report.measure(format!("demux, a stranger's {word} refused among 10"), |effort| {
            Room::open(Shape::camera_for(10)).refuse(is_check, effort)
        });
    }
    for tracks in [9, 50, 200] {
        report.measure(format!("allocator, {tracks} cameras of 9 layers"), |effort| pieces::allocate(tracks, effort));
    }
    for connections in [50, 1000] {
        report.measure(format!("deadline moved, {connections} connections"), |effort| {
            pieces::deadlines(connections, effort)
        });
    }
    for size in SIZES {
        for (connections, streams) in many.map(|n| (1, n)).into_iter().chain(many[1..].iter().map(|n| (*n, 1))) {
            let shape = format!("{connections} connections of {streams} streams, {size} B");
            let name = format!("egress, {shape}");
            if options.wants(&name) {
                let costs = send_side::run(connections, streams, size, options.effort());
                report.add(format!("{name}: packet"), costs.packet);
                report.add(format!("{name}: datagram of feedback"), costs.feedback);
                report.add(format!("{name}: packet repaired"), costs.repair);
                let (kbps, told) = (costs.estimate_bps / 1000, costs.feedback_packets);
                eprintln!("{name}: link taken for {kbps} kbit/s, feedback tells of {told:.0} packets");
            }
            for (is_estimating, word) in [(false, "no estimate"), (true, "estimate")] {
                let name = format!("str0m write_rtp, {word}, {shape}: packet");
                report.measure(name, |effort| engine::run(connections, streams, size, is_estimating, effort));
            }
        }
    }
    for subscribers in many {
        let name = format!("worker, a camera for {subscribers}");
        if options.wants(&name) {
            let figures = Room::open(Shape::camera_for(subscribers)).measure(options.effort());
            report.add(format!("{name}: packet forwarded, all in all"), figures.forwarded);
            report.add(format!("{name}: packet published, handed to all"), figures.published);
            report.add(format!("{name}: datagram of feedback"), figures.feedback);
        }
    }
    two_workers(&mut report, &options, many[many.len() - 1].min(50));
    report.measure("worker, a camera for nobody: packet published", |effort| {
        Room::open(Shape::camera_for(0)).measure(effort).published
    });
    let cameras = if options.is_trial { vec![1, 2] } else { vec![1, 10, 50] };
    let meeting = if options.is_trial { 3 } else { 8 };
    for (people, shape) in cameras
        .into_iter()
        .map(|n| (format!("a camera for {n}"), rooms::Shape::camera_for(n)))
        .chain([(format!("a meeting of {meeting}"), rooms::Shape::meeting_of(meeting))])
    {
        same_room(&mut report, &options, &people, shape);
    }
    for (io, word) in [(Io::Batched, "batched"), (Io::Portable, "portable")] {
        for (destinations, train) in [(1, 1), (1, 8), (1, 16), (64, 1), (64, 8), (64, 16)] {
            let name = format!("net, {word}: datagram sent, {destinations} destinations, trains of {train}");
            report.measure(name, |effort| network::send(io, destinations, train, effort));
        }
        for train in [1, 16] {
            let name = format!("net, {word}: datagram received, trains of {train}");
            report.measure(name, |effort| network::receive(io, train, effort));
        }
    }
    report.finish()
}

/// Two workers at once, each on a core of its own with a room of its own: they share nothing but the machine.
fn two_workers(report: &mut Report, options: &Options, subscribers: usize) {
    let name = format!("worker, two at once, a camera for {subscribers} each: packet forwarded, all in all");
    if !options.wants(&name) {
        return;
    }
    let effort = options.effort();
    let run = || Room::open(Shape::camera_for(subscribers)).measure(effort).forwarded;
    let alone = run();
    let together = std::thread::scope(|threads| {
        let both = [threads.spawn(run), threads.spawn(run)];
        both.map(|thread| thread.join().expect("a room that plays alone plays beside another"))
    });
    let [Some(first), Some(second)] = together else { return report.add(name, None) };
    if let Some(alone) = alone {
        eprintln!("{name}: two workers do {:.2} times what one does", alone / first + alone / second);
    }
    report.add(name, Some((first + second) / 2.0));
}

/// Our worker and plain str0m with the same people: who got what, and what a packet cost each.
fn same_room(report: &mut Report, options: &Options, people: &str, shape: rooms::Shape) {
    let name = format!("same room, {people}");
    if !options.wants(&name) {
        return;
    }
    let effort = options.effort();
    let ours = rooms::Room::<rooms::Ours>::open(shape).measure(effort);
    let plain = rooms::Room::<rooms::Plain<false>>::open(shape).measure(effort);
    let estimating = rooms::Room::<rooms::Plain<true>>::open(shape).measure(effort);
    assert!(ours.delivered == plain.delivered && ours.delivered == estimating.delivered, "{name}: others are served");
    let each: BTreeSet<usize> = ours.delivered.values().map(Vec::len).collect();
    eprintln!("{name}: from each camera everybody got the same {each:?} packets in all three");
    if let (Some(ours), Some(plain), Some(estimating)) = (ours.packet_ns, plain.packet_ns, estimating.packet_ns) {
        let (times, more) = (plain / ours, estimating / ours);
        eprintln!("{name}: str0m takes {times:.1} times what ours takes, {more:.1} times with its estimate");
    }
    report.add(format!("{name}, ours: packet forwarded"), ours.packet_ns);
    report.add(format!("{name}, str0m, no estimate: packet forwarded"), plain.packet_ns);
    report.add(format!("{name}, str0m, estimate: packet forwarded"), estimating.packet_ns);
}
