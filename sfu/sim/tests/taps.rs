//! Tracks that are given away as packets: a decoder can follow them whatever happens to the call, and the call does not
//! notice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use rand::RngExt as _;
use sluice_core::Connection::{Dual, Single};
use sluice_core::{BackupPolicy, Command, Event, TapId, TapWish, TrackId, WorkerId};
use sluice_sim::{Conditions, Media, Publication, Simulation, Structure};

const SIMULCAST: Publication = Publication::camera(Media::Vp8, true, Structure::Flat);
const BEST: TapWish = TapWish { max_spatial: None };

fn up_to(max_spatial: u8) -> TapWish {
    TapWish { max_spatial: Some(max_spatial) }
}

/// Frames a tap's decoder decodes within the next while.
fn frames_during(sim: &mut Simulation, seconds: u64, tap: TapId) -> u64 {
    let before = sim.tapped(tap).sink().frames;
    sim.run(Duration::from_secs(seconds));
    sim.tapped(tap).sink().frames - before
}

fn layers_wanted(sim: &Simulation) -> Option<u8> {
    let wanted = sim.events.iter().rev().find_map(|(_, event)| match event {
        Event::LayersWanted { max_spatial, .. } => Some(*max_spatial),
        _ => None,
    });
    wanted.unwrap_or(Some(2))
}

/// Ann publishes, nobody watches.
fn ann(seed: u64, publication: Publication) -> (Simulation, TrackId) {
    let mut sim = Simulation::new(seed);
    sim.join("ann", Single);
    let track = sim.publish("ann", "it", publication);
    sim.run_ms(1_000);
    (sim, track)
}

#[test]
fn whatever_is_published_can_be_decoded_from_a_tap() {
    let scalable = [(Media::Vp9, Structure::Svc), (Media::Av1, Structure::KeySvc), (Media::Vp8, Structure::Temporal)];
    let videos = Media::VIDEO.into_iter().map(Publication::video);
    let scalable = scalable.map(|(media, structure)| Publication::camera(media, false, structure));
    let trailing = Publication { has_trailers: true, is_encrypted: true, ..Publication::SIMULCAST };
    for publication in videos.chain(scalable).chain([Publication::SIMULCAST, trailing, Publication::MICROPHONE]) {
        let (mut sim, track) = ann(1, publication);
        let tap = sim.tap("ann", &track, BEST);
        sim.run_ms(500);
        assert!(frames_during(&mut sim, 2, tap) >= 59, "{publication:?}");
        let tapped = sim.tapped(tap);
        assert_eq!(tapped.formats.len(), 1, "{publication:?}: {:?}", tapped.formats);
        assert!(tapped.formats[0].eq_ignore_ascii_case(publication.media.mime_type()));
        if publication.media.is_video() {
            let best = if publication.is_simulcast { 2 } else { publication.structure.spatial_layers() - 1 };
            assert_eq!(tapped.sink().layer(), Some(best), "{publication:?}");
        }
        sim.audit(true);
    }
}

#[test]
fn red_is_unwrapped_and_what_it_brings_back_is_there() {
    let mut sim = Simulation::new(2);
    sim.has_red = true;
    sim.join("ann", Single);
    sim.network("ann", Conditions { delay: Duration::from_millis(50), ..Conditions::with_loss(0.05) });
    let mic = sim.publish("ann", "mic", Publication { repeats: 1, ..Publication::MICROPHONE });
    let tap = sim.tap("ann", &mic, BEST);
    sim.run(Duration::from_secs(20));
    let heard = &sim.tapped(tap).sink().sound;
    let all = heard.keys().next_back().unwrap() - heard.keys().next().unwrap() + 1;
    assert_eq!(sim.tapped(tap).formats, ["audio/opus"]);
    assert!(heard.len() as f64 > f64::from(all) * 0.99, "{} of {all}", heard.len());
    sim.audit(false);
}

/// The publisher's link loses and reorders, and its encodings go and come, at any time. What the tap gives is one stream
/// all the same: no number twice, time that advances, and every frame decodable that was not lost. The audit says so.
#[test]
fn a_tap_is_one_stream_whatever_happens_to_its_publisher() {
    for seed in 0..8 {
        let mut sim = Simulation::new(100 + seed);
        let mut random = sim.random();
        sim.join("ann", Single);
        let bad = Conditions {
            loss: 0.02 * f64::from(u32::try_from(seed).unwrap() % 3),
            reorder: 0.02,
            jitter: Duration::from_millis(5),
            ..Conditions::CLEAN
        };
        sim.network("ann", bad);
        let cam = sim.publish("ann", "cam", SIMULCAST);
        let (best, small) = (sim.tap("ann", &cam, BEST), sim.tap("ann", &cam, up_to(0)));
        sim.run_ms(2_000);
        for _ in 0..6 {
            match random.random_range(0..5) {
                0 => {
                    sim.mute(&cam, true);
                    sim.run_ms(random.random_range(0..900));
                    sim.mute(&cam, false);
                }
                1 => sim.restart_ice("ann"),
                _ => sim.set_layer("ann", &cam, random.random_range(0..3), random.random_bool(0.5)),
            }
            sim.run_ms(random.random_range(0..2_500));
        }
        (0..3).for_each(|layer| sim.set_layer("ann", &cam, layer, true));
        sim.run_ms(4_000);
        for (tap, layer) in [(best, 2), (small, 0)] {
            let frames = frames_during(&mut sim, 2, tap);
            assert!(frames >= 50, "seed {seed}: {frames} frames of {tap:?}");
            assert_eq!(sim.tapped(tap).sink().layer(), Some(layer), "seed {seed}");
        }
        sim.audit(false);
    }
}

#[test]
fn a_layer_that_dies_is_replaced_and_time_goes_on_as_its_publisher_counts_it() {
    let (mut sim, cam) = ann(3, SIMULCAST);
    let tap = sim.tap("ann", &cam, BEST);
    sim.run_ms(3_000);
    for (layer, is_on) in [(2, false), (1, false), (1, true), (2, true)] {
        sim.set_layer("ann", &cam, layer, is_on);
        sim.run_ms(3_000);
    }
    let shown: Vec<u8> = sim.tapped(tap).sink().layers.iter().map(|(_, layer)| *layer).collect();
    assert!(shown.ends_with(&[2, 1, 0, 1, 2]), "{shown:?}");
    assert!(sim.tapped(tap).sink().longest_freeze < Duration::from_millis(1_200));
    // Encodings have clocks of their own. The reports of each put its frames where they were captured.
    let tapped = sim.tapped(tap);
    assert!(tapped.reports.len() >= 5, "{} reports", tapped.reports.len());
    assert!(tapped.clock_error() < 0.040, "{} s apart", tapped.clock_error());
    sim.audit(true);
}

#[test]
fn who_taps_between_two_reports_is_not_told_of_the_past() {
    let mut sim = Simulation::new(13);
    sim.join("ann", Single);
    let tracks = [("mic", Publication::MICROPHONE), ("cam", SIMULCAST)];
    let tracks = tracks.map(|(label, publication)| sim.publish("ann", label, publication));
    sim.run_ms(7_500);
    // When on the publisher's clock what came was captured, and how long it was under way, up to the clocks' difference.
    let mut under_way: Vec<f64> = Vec::new();
    let start = sim.now();
    for n in 0..8 {
        let taps: Vec<TapId> = tracks.iter().map(|track| sim.tap("ann", track, BEST)).collect();
        sim.run_ms(730);
        if n % 4 == 3 {
            tracks.iter().for_each(|track| sim.mute(track, true));
            sim.run_ms(2_000);
            tracks.iter().for_each(|track| sim.mute(track, false));
            sim.run_ms(730);
        }
        for tap in taps {
            let reports = &sim.tapped(tap).reports;
            assert!(!reports.is_empty(), "{n}: {tap:?}");
            under_way.extend(reports.iter().map(|(came, captured)| (*came - start).as_secs_f64() - captured));
        }
    }
    let (least, most) = under_way
        .iter()
        .fold((f64::MAX, f64::MIN), |(least, most), t| (least.min(*t), most.max(*t)));
    assert!(most - least < 0.150, "{} s apart", most - least);
    // A mute may cut a picture short.
    sim.audit(false);
}

#[test]
fn nobody_drains_a_tap_and_the_call_loses_nothing() {
    let mut sim = Simulation::new(4);
    sim.join("ann", Single);
    sim.join("bob", Dual);
    let cam = sim.publish("ann", "cam", SIMULCAST);
    let (stalled, other) = (sim.tap("ann", &cam, BEST), sim.tap("ann", &cam, BEST));
    sim.run_ms(2_000);
    sim.stall_tap(stalled, Some(64));
    let (before, since) = (sim.sink("bob", &cam).frames, sim.now());
    assert!(frames_during(&mut sim, 5, other) >= 149, "another tap of the track");
    assert!(sim.sink("bob", &cam).frames - before >= 149, "who watches");
    assert!(sim.tapped(stalled).lost > 100);
    sim.stall_tap(stalled, None);
    sim.run_ms(2_000);
    assert!(frames_during(&mut sim, 1, stalled) >= 29, "it goes on behind the gap");
    assert!(sim.frames_during(Duration::from_secs(1), "bob", &cam) >= 29);
    assert!(sim.sink("bob", &cam).freezes.iter().all(|freeze| freeze.ended_at < since));
    sim.audit(true);
}

#[test]
fn while_only_a_tap_wants_it_the_best_layer_is_kept_on_and_no_longer() {
    for connection in [Single, Dual] {
        let mut sim = Simulation::new(5);
        sim.dynacast = true;
        sim.join("ann", connection);
        let cam = sim.publish("ann", "cam", SIMULCAST);
        let tap = sim.tap("ann", &cam, BEST);
        sim.run_ms(8_000);
        assert_eq!((layers_wanted(&sim), sim.tapped(tap).sink().layer()), (Some(2), Some(2)));
        assert!(frames_during(&mut sim, 1, tap) >= 29);
        // Another one that wants less, and then only that.
        let small = sim.tap("ann", &cam, up_to(0));
        sim.run_ms(7_000);
        assert_eq!(layers_wanted(&sim), Some(2), "the first still does");
        sim.untap(tap);
        sim.run_ms(7_000);
        assert_eq!(layers_wanted(&sim), Some(0));
        assert!(frames_during(&mut sim, 1, small) >= 29);
        sim.untap(small);
        sim.run_ms(7_000);
        assert_eq!(layers_wanted(&sim), None, "nobody wants anything");
        assert_eq!((sim.tapped(tap).ends, sim.tapped(small).ends, sim.stats().taps), (1, 1, 0));
        // Somebody comes back to it.
        let again = sim.tap("ann", &cam, BEST);
        sim.run_ms(2_000);
        assert_eq!(layers_wanted(&sim), Some(2));
        assert!(frames_during(&mut sim, 1, again) >= 29);
        sim.audit(true);
    }
}

#[test]
fn mutes_are_told_in_their_place_and_nothing_passes_meanwhile() {
    let mut sim = Simulation::new(6);
    sim.join("ann", Single);
    for publication in [Publication::MICROPHONE, SIMULCAST] {
        let track = sim.publish("ann", if publication.is_simulcast { "cam" } else { "mic" }, publication);
        let tap = sim.tap("ann", &track, BEST);
        sim.run_ms(1_500);
        assert!(sim.tapped(tap).mutes.is_empty());
        for _ in 0..3 {
            sim.mute(&track, true);
            sim.mute(&track, true);
            assert_eq!(frames_during(&mut sim, 1, tap), 0);
            // Who comes meanwhile is told first of all.
            let late = sim.tap("ann", &track, BEST);
            assert_eq!(sim.tapped(late).mutes, [true]);
            sim.mute(&track, false);
            sim.run_ms(300);
            assert!(frames_during(&mut sim, 1, tap) >= 29);
            assert_eq!((&*sim.tapped(late).mutes, sim.tapped(late).formats.len()), (&[true, false][..], 1));
        }
        assert_eq!(sim.tapped(tap).mutes, [true, false, true, false, true, false]);
        assert!(sim.tapped(tap).clock_error() < 0.040, "{} s apart", sim.tapped(tap).clock_error());
    }
    sim.audit(true);
}

#[test]
fn each_end_of_a_track_ends_its_taps_once() {
    type End = fn(&mut Simulation, &TrackId);
    let ends: [(&str, End); 5] = [
        ("unpublished", |sim, track| sim.unpublish("ann", track)),
        ("taken away", |sim, track| sim.command(Command::RemoveTrack { track: track.clone() })),
        ("its publisher left", |sim, _| sim.leave("ann")),
        ("the room closed", |sim, _| sim.command(Command::CloseRoom { room: "RM_1".into() })),
        ("untapped", |sim, _| (0..3).for_each(|tap| sim.untap(TapId(tap)))),
    ];
    for (what, end) in ends {
        let (mut sim, cam) = ann(7, SIMULCAST);
        let taps = [sim.tap("ann", &cam, BEST), sim.tap("ann", &cam, up_to(1))];
        // Of this one nothing ever came.
        let early = sim.tap("ann", &"TR_never".into(), BEST);
        sim.run_ms(1_000);
        assert_eq!(sim.stats().taps, 3);
        end(&mut sim, &cam);
        sim.run_ms(500);
        for tap in taps {
            assert_eq!(sim.tapped(tap).ends, 1, "{what}");
            assert!(sim.tapped(tap).sink().frames > 20, "{what}");
        }
        let is_over_for_all = !matches!(what, "unpublished" | "taken away");
        assert_eq!(sim.tapped(early).ends, u64::from(is_over_for_all), "{what}");
        sim.command(Command::RemoveTrack { track: "TR_never".into() });
        taps.into_iter().chain([early]).for_each(|tap| sim.untap(tap));
        sim.run_ms(500);
        assert!(taps.into_iter().chain([early]).all(|tap| sim.tapped(tap).ends == 1), "{what}");
        assert_eq!(sim.stats().taps, 0, "{what}");
    }
}

#[test]
fn a_tap_may_come_before_its_track_and_not_from_another_room() {
    let mut sim = Simulation::new(8);
    sim.join("ann", Single);
    let id = TrackId::from("TR_ann_cam");
    let early = sim.tap("ann", &id, BEST);
    sim.run_ms(2_000);
    sim.publish("ann", "cam", SIMULCAST);
    sim.run_ms(2_000);
    assert!(frames_during(&mut sim, 1, early) >= 29);
    let elsewhere = sim.tap_in("RM_2".into(), "ann", &id, BEST);
    sim.run_ms(500);
    assert_eq!((sim.tapped(elsewhere).ends, sim.tapped(elsewhere).sink().packets), (1, 0));
    sim.audit(true);
}

#[test]
fn tapped_and_untapped_a_thousand_times() {
    let (mut sim, cam) = ann(9, SIMULCAST);
    let never = TrackId::from("TR_never");
    for n in 0..1_000 {
        let tap = sim.tap("ann", if n % 3 == 0 { &never } else { &cam }, BEST);
        if n % 7 == 0 {
            sim.run_ms(7);
        }
        sim.untap(tap);
        assert_eq!((sim.tapped(tap).ends, sim.stats().taps), (1, 0));
    }
    let asked = sim.client("ann").keyframe_requests(&cam).len();
    assert!(asked < 20, "asked for {asked} key frames in a second");
    let tap = sim.tap("ann", &cam, BEST);
    sim.run_ms(2_000);
    assert!(frames_during(&mut sim, 1, tap) >= 29);
    sim.audit(true);
}

#[test]
fn who_taps_follows_everybody_to_the_second_codec_and_back() {
    for policy in [BackupPolicy::Regression, BackupPolicy::Simulcast] {
        let mut sim = Simulation::new(10);
        sim.dynacast = true;
        sim.speaks.insert("eve".to_owned(), vec![Media::Vp8]);
        sim.join("ann", Single);
        let backup = (Publication::CAMERA, policy);
        let cam = sim.publish_with_backup("ann", "cam", Publication::video(Media::Vp9), backup);
        let tap = sim.tap("ann", &cam, BEST);
        sim.run_ms(2_000);
        assert_eq!(sim.tapped(tap).formats, ["video/VP9"]);
        sim.join("eve", Dual);
        sim.run_ms(8_000);
        assert!(sim.frames_during(Duration::from_secs(1), "eve", &cam) >= 29);
        let told: &[&str] = match policy {
            BackupPolicy::Regression => &["video/VP9", "video/VP8"],
            BackupPolicy::Simulcast => &["video/VP9"],
        };
        assert_eq!(sim.tapped(tap).formats, told, "{policy:?}");
        assert!(frames_during(&mut sim, 1, tap) >= 29, "{policy:?}");
        sim.unpublish("ann", &cam);
        sim.run_ms(500);
        assert_eq!(sim.tapped(tap).ends, 1, "{policy:?}");
        sim.audit(true);
    }
}

#[test]
fn in_a_room_on_several_workers_a_tap_is_where_its_publisher_is() {
    let mut sim = Simulation::spanning(11, 3);
    sim.auto_subscribe = false;
    for name in ["ann", "bob", "cem"] {
        sim.join(name, Single);
    }
    let cam = sim.publish("bob", "cam", SIMULCAST);
    let tap = sim.tap("bob", &cam, BEST);
    sim.run_ms(2_000);
    assert!(frames_during(&mut sim, 1, tap) >= 29);
    assert_eq!(sim.stats().packets_relayed, 0, "nothing crosses for it");
    sim.mute(&cam, true);
    sim.run_ms(100);
    assert_eq!(sim.tapped(tap).mutes, [true]);
    sim.mute(&cam, false);
    // Others die, it lives.
    sim.kill(0);
    sim.run_ms(500);
    assert!(frames_during(&mut sim, 1, tap) >= 29);
    sim.leave("bob");
    sim.run_ms(100);
    assert_eq!(sim.tapped(tap).ends, 1);
    sim.audit(true);
}

#[test]
fn a_track_of_another_room_is_tapped_where_it_is_borrowed() {
    for workers in [1, 2] {
        let mut sim = Simulation::spanning(12, workers);
        sim.auto_subscribe = false;
        sim.join("ann", Single);
        sim.room = "RM_2".into();
        sim.join("bob", Dual);
        let cam = sim.publish("ann", "cam", SIMULCAST);
        sim.run_ms(500);
        let track = TrackId::from("TR_ann_cam@there");
        let (room, participant, of) = (sim.room.clone(), "PA_guest".into(), cam.clone());
        sim.command(Command::BorrowTrack { room, participant, track: track.clone(), of, from: WorkerId(0) });
        // Before the mirror is there, where it has to cross.
        let tap = sim.tap("guest", &track, BEST);
        sim.run_ms(3_000);
        assert!(frames_during(&mut sim, 1, tap) >= 29, "{workers} workers");
        assert_eq!(sim.tapped(tap).sink().layer(), Some(2), "{workers} workers");
        sim.command(Command::RemoveTrack { track });
        sim.run_ms(100);
        assert_eq!(sim.tapped(tap).ends, 1, "{workers} workers");
    }
}
