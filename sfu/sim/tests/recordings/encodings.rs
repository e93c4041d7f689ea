//! What a publisher sends changes while it is recorded: sizes, layers, streams.

use sluice_recorder::Kind;
use sluice_sim::Media;

use super::films::{self, Reel};
use super::shown::{Sequence, TO_THE_MILLISECOND, Within};
use super::studio::{Recorded, ann};

/// Between encodings, whose clocks meet by their reports.
const SWITCHED: Within = Within { jitter: 0.040, drift: 0.040 };

/// All that is shown, one file after the other, on the recording's line.
fn all_frames(recorded: &Recorded, reel: &Reel, within: Within) -> Sequence {
    let of_part = |part: &super::studio::Part| {
        let origin = part.track(true).origin_us as f64 / 1e6;
        part.pictures
            .iter()
            .map(move |(at, look)| (at + origin, look.clone()))
            .collect::<Vec<_>>()
    };
    let all: Vec<_> = recorded.parts.iter().flat_map(of_part).collect();
    Sequence::find(&all, &reel.looks, reel.film.interval, within)
}

fn widths(recorded: &Recorded) -> Vec<u16> {
    let tracks = recorded.parts.iter().flat_map(|part| &part.summary.tracks);
    tracks.flat_map(|track| &track.resolutions).map(|size| size.width).collect()
}

#[test]
fn pictures_change_their_size() {
    let all = [
        (Media::Vp8, Kind::Matroska, 1),
        (Media::Vp9, Kind::Matroska, 1),
        (Media::H264, Kind::Matroska, 1),
        (Media::H264, Kind::FragmentedMp4, 3),
        (Media::H265, Kind::FragmentedMp4, 3),
        (Media::Av1, Kind::Matroska, 1),
    ];
    for (media, kind, files) in all {
        let (small, large) = (films::pictures(media, 160), films::pictures(media, 320));
        let (mut studio, tracks) = ann(1, kind, &[&small]);
        studio.run_ms(3_000);
        studio.sim.change_film("ann", &tracks[0], &large.film);
        studio.run_ms(3_000);
        studio.sim.change_film("ann", &tracks[0], &small.film);
        studio.run_ms(3_000);
        let recorded = studio.finish();
        assert_eq!((recorded.parts.len(), widths(&recorded)), (files, vec![160, 320, 160]), "{media:?} {kind:?}");
        let frames = all_frames(&recorded, &small.clone().and(large), TO_THE_MILLISECOND);
        assert_eq!(frames.encodings(), [0, 1, 0]);
        // The other one begins with its next key frame.
        assert!(frames.frames.len() > 240 - 30, "{media:?}: {}", frames.frames.len());
    }
}

#[test]
fn layers_of_a_simulcast_die_and_come_back() {
    for (media, kind) in
        [(Media::Vp8, Kind::Matroska), (Media::H264, Kind::Matroska), (Media::H264, Kind::FragmentedMp4)]
    {
        let [q, h, f] = [80, 160, 320].map(|width| films::pictures(media, width));
        let reel = q.and(h).and(f);
        let (mut studio, tracks) = ann(5, kind, &[&reel]);
        studio.run_ms(5_000);
        for (layer, is_on) in [(2, false), (1, false), (1, true), (2, true)] {
            studio.sim.set_layer("ann", &tracks[0], layer, is_on);
            studio.run_ms(4_000);
        }
        let recorded = studio.finish();
        let frames = all_frames(&recorded, &reel, SWITCHED);
        assert!(frames.encodings().ends_with(&[2, 1, 0, 1, 2]), "{:?}", frames.encodings());
        assert!(frames.holes().iter().all(|(from, to)| to - from < 1.3), "{:?}", frames.holes());
        assert!(widths(&recorded).ends_with(&[320, 160, 80, 160, 320]), "{:?}", widths(&recorded));
        assert_eq!(recorded.parts.len() > 1, kind == Kind::FragmentedMp4, "{media:?} {kind:?}");
    }
}

#[test]
fn a_publisher_whose_encoder_begins_anew_under_another_ssrc_goes_on() {
    for reel in [films::pictures(Media::Vp8, 160), films::pictures(Media::H264, 160)] {
        let (mut studio, tracks) = ann(9, Kind::Matroska, &[&reel]);
        studio.run_ms(4_000);
        // Another one claims a section whose stream has been silent.
        studio.sim.set_layer("ann", &tracks[0], 0, false);
        studio.run_ms(6_000);
        studio.sim.change_ssrcs("ann", &tracks[0]);
        studio.sim.set_layer("ann", &tracks[0], 0, true);
        studio.run_ms(6_000);
        let recorded = studio.finish();
        let frames = recorded.only().frames(&reel, SWITCHED);
        assert!(frames.frames.len() > 240, "{}", frames.frames.len());
        let holes = frames.holes();
        assert!(holes.len() == 1 && (5.9..6.7).contains(&(holes[0].1 - holes[0].0)), "{holes:?}");
    }
}
