//! Scenarios nobody thought of: short runs whose people, codecs and networks follow from a seed. Only the
//! invariants are held, not targets.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sluice_core::Connection;

use crate::media::{Media, Structure};
use crate::network::{Burst, Conditions, Rival};
use crate::scenario::{Act, Scenario, Target};
use crate::source::{Load, Publication};

/// The name under which a generated scenario is asked for again.
pub const NAME: &str = "generated";

/// The scenario of a seed.
#[must_use]
pub fn scenario(seed: u64) -> Scenario {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x5ce0_a210);
    let viewers = random.random_range(1..=3);
    let seconds = random.random_range(2..=4);
    let mut publishers: Vec<_> = (0..random.random_range(1..=2)).map(|_| tracks(&mut random)).collect();
    let mut script = Vec::new();
    for _ in 0..random.random_range(0..=4) {
        let at_ms = random.random_range(0..seconds * 1000);
        script.push((at_ms, act(&mut random, viewers)));
    }
    script.sort_by_key(|(at_ms, _)| *at_ms);
    for sound in publishers.iter_mut().flatten().filter(|track: &&mut Publication| !track.media.is_video()) {
        sound.repeats = (seed % 3) as u8;
    }
    Scenario {
        name: NAME.to_owned(),
        publishers,
        viewers,
        connection: if random.random() { Connection::Single } else { Connection::Dual },
        join_every_ms: random.random_range(0..100),
        warm_up_ms: random.random_range(500..1000),
        seconds,
        script,
        is_adaptive: random.random_bool(0.2),
        has_red: seed % 2 == 1,
        // None of those that found something before there were taps.
        is_tapped: seed.is_multiple_of(5),
        target: Target::NONE,
    }
}

fn tracks(random: &mut ChaCha8Rng) -> Vec<Publication> {
    let mut tracks = vec![picture(random)];
    if random.random_bool(0.6) {
        tracks.push(Publication { load: Load::Speech, ..Publication::MICROPHONE });
    }
    tracks
}

/// Any codec and structure, at a rate that keeps a run short.
fn picture(random: &mut ChaCha8Rng) -> Publication {
    let media = [Media::Vp8, Media::Vp9, Media::H264, Media::Av1][random.random_range(0..4)];
    let structures: &[Structure] = match media {
        Media::H264 | Media::H265 | Media::Opus => &[Structure::Flat],
        Media::Vp8 => &[Structure::Flat, Structure::Temporal],
        Media::Vp9 | Media::Av1 => &[Structure::Flat, Structure::Temporal, Structure::KeySvc, Structure::Svc],
    };
    let structure = structures[random.random_range(0..structures.len())];
    let load = match random.random_range(0..5) {
        0 => Load::Screen { kbps: 300 },
        1 => Load::Camera { fps: 30, kbps: [60, 120, 240] },
        _ => Load::Camera { fps: 12, kbps: [50, 120, 300] },
    };
    Publication {
        media,
        is_simulcast: structure.spatial_layers() == 1 && !matches!(load, Load::Screen { .. }) && random.random(),
        structure,
        load,
        is_encrypted: random.random_bool(0.3),
        has_trailers: false,
        repeats: 0,
    }
}

fn act(random: &mut ChaCha8Rng, viewers: u16) -> Act {
    match random.random_range(0..10) {
        0..3 => Act::Down(conditions(random)),
        3..6 => Act::DownTo(random.random_range(0..viewers), conditions(random)),
        6 => Act::Up(conditions(random)),
        7 => Act::Publish(picture(random)),
        8 => Act::Unpublish,
        _ => Act::Want(random.random_range(0..3)),
    }
}

fn conditions(random: &mut ChaCha8Rng) -> Conditions {
    let rate_bps = random.random_bool(0.6).then(|| random.random_range(100_000..2_000_000));
    Conditions {
        delay: Duration::from_millis(random.random_range(1..200)),
        jitter: Duration::from_millis(if random.random() { random.random_range(0..60) } else { 0 }),
        loss: if random.random_bool(0.4) { random.random_range(0.0..0.2) } else { 0.0 },
        burst: random.random_bool(0.2).then(|| Burst::of(random.random_range(0.01..0.15))),
        reorder: if random.random_bool(0.2) { random.random_range(0.0..0.1) } else { 0.0 },
        rate_bps,
        queue_len: random.random_range(8..128) << 10,
        rival: match (rate_bps, random.random_range(0..6)) {
            (Some(rate), 0) => Rival::Constant(rate / 2),
            (Some(_), 1) => Rival::Greedy(Duration::from_millis(50)),
            _ => Rival::None,
        },
    }
}
