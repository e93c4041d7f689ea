//! The scenarios of the scoreboard, as a table.

use std::time::Duration;

use sluice_core::Connection;

use crate::media::{Media, Structure};
use crate::network::{Burst, Conditions, Rival};
use crate::scenario::{Act, Scenario, Target};
use crate::source::{Load, Publication};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const SPEECH: Publication = Publication { load: Load::Speech, ..Publication::MICROPHONE };
const CAMERA: Publication = Publication::camera(Media::Vp8, true, Structure::Flat);
const SCREEN: Publication = Publication { load: Load::Screen { kbps: 1200 }, ..Publication::CAMERA };

/// One publisher with a camera and a microphone, one viewer, 20 seconds.
fn base(name: &str) -> Scenario {
    Scenario {
        name: name.to_owned(),
        publishers: vec![vec![CAMERA, SPEECH]],
        viewers: 1,
        connection: Connection::Dual,
        join_every_ms: 0,
        warm_up_ms: 2_000,
        seconds: 20,
        script: Vec::new(),
        is_adaptive: false,
        has_red: false,
        is_tapped: false,
        target: Target { freeze_ms: Some(400), flaps: Some(0), ..Target::NONE },
    }
}

fn narrow(kbps: u64) -> Conditions {
    Conditions::narrow(kbps * 1000, ms(25))
}

/// A camera of one layer that takes so much.
fn heavy(kbps: u16) -> Publication {
    let load = Load::Camera { fps: 30, kbps: [kbps; 3] };
    Publication { load, ..Publication::camera(Media::Vp8, false, Structure::Flat) }
}

fn steps(name: &str, publication: Publication) -> Scenario {
    Scenario {
        publishers: vec![vec![publication, SPEECH]],
        seconds: 30,
        script: vec![(0, Act::Down(narrow(2500))), (8_000, Act::Down(narrow(500))), (18_000, Act::Down(narrow(2500)))],
        target: Target {
            delivered: Some(0.7),
            down_ms: Some(2_000),
            up_ms: Some(5_000),
            freeze_ms: Some(200),
            flaps: Some(0),
            queue_ms: Some(150),
            ..Target::NONE
        },
        ..base(name)
    }
}

fn down(name: &str, conditions: Conditions, target: Target) -> Scenario {
    Scenario { script: vec![(0, Act::Down(conditions))], target, ..base(name) }
}

fn lossy(name: &str, share: f64, is_burst: bool, freeze_ms: u64) -> Scenario {
    let conditions = Conditions {
        delay: ms(50),
        loss: if is_burst { 0.0 } else { share },
        burst: is_burst.then(|| Burst::of(share)),
        ..Conditions::CLEAN
    };
    let recovered = Some(if share > 0.1 { 0.8 } else { 0.95 });
    let target = Target { delivered: Some(0.7), freeze_ms: Some(freeze_ms), flaps: Some(0), recovered, ..Target::NONE };
    down(name, conditions, target)
}

/// Everybody speaks RED, and a packet of sound repeats the one before it, as in Chromium.
fn with_red(scenario: Scenario) -> Scenario {
    let name = format!("{}-red", scenario.name);
    let speech = Publication { repeats: 1, ..SPEECH };
    let target = Target { sound_lost: scenario.target.sound_lost.or(Some(0.005)), ..scenario.target };
    Scenario { name, publishers: vec![vec![CAMERA, speech]], has_red: true, target, ..scenario }
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Scenario> {
    use Media::{Av1, H264, Vp8, Vp9};
    use Structure::{Flat, KeySvc, Svc, Temporal};
    let calm = Target { delivered: Some(0.85), freeze_ms: Some(200), flaps: Some(0), ..Target::NONE };
    let fits =
        Target { delivered: Some(0.5), freeze_ms: Some(400), flaps: Some(1), queue_ms: Some(150), ..Target::NONE };
    let mut all = vec![
        base("clean"),
        steps("step-2500-500-2500", CAMERA),
        steps("step-vp8-temporal", Publication::camera(Vp8, true, Temporal)),
        steps("step-h264-simulcast", Publication::camera(H264, true, Flat)),
        steps("step-vp9-l3t3-key", Publication::camera(Vp9, false, KeySvc)),
        steps("step-av1-l3t3", Publication::camera(Av1, false, Svc)),
        steps("step-encrypted", Publication { is_encrypted: true, ..CAMERA }),
        Scenario {
            seconds: 40,
            script: (0..12_u64).map(|n| (n * 3_000, Act::Down(narrow(2400 - n * 180)))).collect(),
            target: fits,
            ..base("slow-squeeze")
        },
        down("narrow-300", narrow(300), fits),
        down("narrow-1000", narrow(1000), fits),
        lossy("loss-2", 0.02, false, 400),
        lossy("loss-5", 0.05, false, 400),
        lossy("loss-10", 0.10, false, 600),
        lossy("loss-20", 0.20, false, 1_500),
        lossy("burst-2", 0.02, true, 400),
        lossy("burst-5", 0.05, true, 600),
        lossy("burst-10", 0.10, true, 1_000),
        lossy("burst-20", 0.20, true, 2_000),
        with_red(lossy("loss-5", 0.05, false, 400)),
        with_red(lossy("loss-10", 0.10, false, 600)),
        with_red(lossy("burst-5", 0.05, true, 600)),
        down("delay-20", Conditions { delay: ms(20), ..Conditions::CLEAN }, calm),
        down("delay-100", Conditions { delay: ms(100), ..Conditions::CLEAN }, calm),
        down("delay-300", Conditions { delay: ms(300), ..Conditions::CLEAN }, calm),
        down("jitter-50", Conditions { jitter: ms(50), ..Conditions::CLEAN }, calm),
        down("reorder-5", Conditions { reorder: 0.05, ..Conditions::CLEAN }, calm),
        down("narrow-and-loss", Conditions { loss: 0.05, ..narrow(1000) }, fits),
        down("rival-call", Conditions { rival: Rival::Constant(1_000_000), ..narrow(2000) }, fits),
        down(
            "rival-download",
            Conditions { rival: Rival::Greedy(ms(60)), ..narrow(4000) },
            Target { queue_ms: None, delivered: Some(0.3), ..fits },
        ),
        Scenario { viewers: 30, seconds: 5, target: calm, ..base("thirty-watch") },
        Scenario {
            viewers: 30,
            seconds: 10,
            script: (0..30)
                .map(|n| (0, Act::DownTo(n, narrow([300, 600, 1200, 2500, 8000][usize::from(n) % 5]))))
                .collect(),
            target: fits,
            ..base("thirty-links")
        },
        Scenario {
            viewers: 30,
            join_every_ms: 20,
            seconds: 5,
            connection: Connection::Single,
            target: calm,
            ..base("join-storm")
        },
        Scenario {
            publishers: (0..9).map(|_| vec![CAMERA, SPEECH]).collect(),
            seconds: 15,
            script: vec![(0, Act::Down(narrow(3000)))],
            target: fits,
            ..base("nine-cameras-3000")
        },
        Scenario {
            seconds: 30,
            script: vec![(0, Act::Down(narrow(1800))), (6_000, Act::Publish(SCREEN)), (18_000, Act::Unpublish)],
            target: fits,
            ..base("screen-on-off")
        },
        Scenario {
            is_adaptive: true,
            seconds: 30,
            script: vec![(0, Act::Up(narrow(4000))), (8_000, Act::Up(narrow(700))), (18_000, Act::Up(narrow(4000)))],
            ..base("publisher-step")
        },
        Scenario {
            script: vec![(0, Act::Up(Conditions { loss: 0.05, delay: ms(50), ..Conditions::CLEAN }))],
            ..base("publisher-loss-5")
        },
        with_red(Scenario {
            script: vec![(0, Act::Up(Conditions { loss: 0.05, delay: ms(50), ..Conditions::CLEAN }))],
            // The simulated publisher sends no sound again: packets of pauses, too far apart to be repeated, are missed.
            target: Target { sound_lost: Some(0.01), ..base("").target },
            ..base("publisher-loss-5")
        }),
        Scenario { script: vec![(4_000, Act::Want(0)), (10_000, Act::Want(2))], ..base("wish-changes") },
        // More than any link is taken for at first, and nothing of it can be left out.
        Scenario {
            publishers: vec![vec![heavy(4000), SPEECH]],
            script: vec![(0, Act::Down(narrow(6000)))],
            target: Target { delivered: Some(0.95), ..base("").target },
            ..base("vp8-flat-4000-of-6000")
        },
        Scenario {
            publishers: vec![vec![heavy(4000), SPEECH]],
            script: vec![(0, Act::Down(narrow(1000)))],
            target: Target { delivered: None, freeze_ms: None, sound_lost: Some(0.005), ..base("").target },
            ..base("vp8-flat-4000-of-1000")
        },
    ];
    for media in [Vp8, Vp9, H264, Av1] {
        for structure in [Flat, Temporal, KeySvc, Svc] {
            let is_possible = match media {
                H264 => structure == Flat,
                Vp8 => matches!(structure, Flat | Temporal),
                _ => true,
            };
            if is_possible {
                // Of a flat stream nothing can be left out: it must fit.
                let kbps = if structure == Flat { 2500 } else { 1200 };
                let name = format!("{media:?}-{structure:?}-{kbps}").to_lowercase();
                let publication = Publication::camera(media, false, structure);
                all.push(Scenario {
                    publishers: vec![vec![publication, SPEECH]],
                    seconds: 12,
                    ..down(&name, narrow(kbps), fits)
                });
            }
        }
    }
    all
}
