//! Over networks that lose, delay and turn round: what comes through is shown in its time, what does not is marked.

use std::time::Duration;

use sluice_recorder::{GapReason, Kind};
use sluice_sim::{Conditions, Media};

use super::films;
use super::shown::Within;
use super::studio::ann;

/// Times are the arrival of the first packet at first, which was as late as any other.
const JITTERED: Within = Within { jitter: 0.003, drift: 0.060 };

const BAD: Conditions = Conditions {
    delay: Duration::from_millis(40),
    jitter: Duration::from_millis(30),
    loss: 0.03,
    reorder: 0.03,
    ..Conditions::CLEAN
};

#[test]
fn what_is_lost_or_late_is_repaired_or_marked() {
    for (seed, media) in (1..).zip(Media::VIDEO) {
        let reel = films::pictures(media, 160);
        for kind in [Kind::Matroska, Kind::FragmentedMp4] {
            let (mut studio, _) = ann(seed, kind, &[&reel]);
            studio.sim.network("ann", BAD);
            studio.run_ms(9_000);
            let recorded = studio.finish();
            let part = recorded.only();
            let (frames, track) = (part.frames(&reel, JITTERED), part.track(true));
            assert!(frames.span() > 230 && track.frames > 180, "{media:?}: {} of {}", track.frames, frames.span());
            frames.assert_marked(track, &format!("{media:?} {kind:?}"));
        }
    }
}

#[test]
fn sound_that_is_lost_is_marked_and_the_rest_is_heard_when_it_was_said() {
    let reel = films::sound();
    for kind in [Kind::Matroska, Kind::FragmentedMp4] {
        let (mut studio, _) = ann(7, kind, &[&reel]);
        studio.sim.network("ann", BAD);
        studio.run_ms(9_000);
        let recorded = studio.finish();
        let part = recorded.only();
        let frames = part.frames(&reel, JITTERED);
        assert!(!frames.holes().is_empty() && part.track(false).frames > 370, "{:?}", part.track(false));
        frames.assert_marked(part.track(false), &format!("{kind:?}"));
    }
}

#[test]
fn a_network_that_goes_away_for_a_while_leaves_a_hole_that_is_marked() {
    let (pictures, sound) = (films::pictures(Media::Vp8, 160), films::sound());
    let (mut studio, _) = ann(3, Kind::Matroska, &[&pictures, &sound]);
    studio.run_ms(4_000);
    studio.sim.network("ann", Conditions::DOWN);
    studio.run_ms(2_000);
    studio.sim.network("ann", Conditions::CLEAN);
    studio.run_ms(4_000);
    let recorded = studio.finish();
    let part = recorded.only();
    for reel in [&pictures, &sound] {
        let (frames, track) = (part.frames(reel, JITTERED), part.track(reel.publication.media.is_video()));
        let (hole, gap) = (frames.holes(), &track.gaps);
        assert_eq!((hole.len(), gap.len(), gap[0].reason), (1, 1, GapReason::Lost), "{hole:?} {gap:?}");
        // Pictures of its end were sent again when it was back.
        assert!((1.2..2.7).contains(&(hole[0].1 - hole[0].0)), "{hole:?}");
        frames.assert_marked(track, "away");
    }
}
