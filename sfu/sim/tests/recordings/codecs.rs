//! On a network that does nothing wrong, each codec in each container, over the end of every number.

use sluice_recorder::Kind;
use sluice_sim::Media;

use super::films::{self, Reel};
use super::shown::TO_THE_MILLISECOND;
use super::studio::ann;

const KINDS: [Kind; 2] = [Kind::Matroska, Kind::FragmentedMp4];

fn is_whole(reel: &Reel, kind: Kind) {
    let (mut studio, _) = ann(1, kind, &[reel]);
    studio.run_ms(8_000);
    let recorded = studio.finish();
    let part = recorded.only();
    let frames = part.frames(reel, TO_THE_MILLISECOND);
    let count = (7.0 / reel.film.interval.as_secs_f64()) as i64;
    assert!(frames.span() > count, "{kind:?} {}", frames.span());
    frames.assert_whole();
    assert_eq!(part.track(reel.publication.media.is_video()).gaps, []);
    let lasts = frames.span() as f64 * reel.film.interval.as_secs_f64();
    assert!((part.played.duration_s - lasts).abs() < 0.1, "{} s, {lasts} s were sent", part.played.duration_s);
}

#[test]
fn each_codec_comes_out_as_it_was_sent() {
    for media in Media::VIDEO {
        let reel = films::pictures(media, 160);
        KINDS.into_iter().for_each(|kind| is_whole(&reel, kind));
    }
    let sound = films::sound();
    KINDS.into_iter().for_each(|kind| is_whole(&sound, kind));
}

#[test]
fn numbers_and_timestamps_wrap_and_nothing_is_seen_of_it() {
    for mut reel in [films::pictures(Media::Vp8, 160), films::pictures(Media::H264, 160), films::sound()] {
        // Ann was there for a second, and sends for eight.
        reel.film.begins_at = Some((65_436, u32::MAX - 300_000));
        KINDS.into_iter().for_each(|kind| is_whole(&reel, kind));
    }
}
