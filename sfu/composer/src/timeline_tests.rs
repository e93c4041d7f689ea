//! Manifests and what they show when, as stories.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use sluice_recorder::manifest::{Participant, Speaker};

use super::*;
use crate::composition::{Canvas, Layout, Media};

const S: u64 = 1_000_000;

fn track(participant: &str, kind: TrackKind, source: &str, from_us: u64, to_us: u64) -> Track {
    Track {
        track_sid: format!("TR_{participant}_{source}"),
        participant: participant.into(),
        kind,
        source: source.into(),
        codec: "vp8".into(),
        file: format!("{participant}.webm"),
        offset_us: from_us,
        duration_us: to_us.saturating_sub(from_us),
        gaps: Vec::new(),
        resolutions: Vec::new(),
        bytes: 0,
        frames: 0,
    }
}

fn camera(participant: &str, from_us: u64, to_us: u64) -> Track {
    track(participant, TrackKind::Video, "camera", from_us, to_us)
}

fn there(identity: &str, joined_us: u64, left_us: Option<u64>) -> Participant {
    Participant { identity: identity.into(), name: identity.to_uppercase(), joined_us, left_us }
}

fn composition(layout: Layout) -> Composition {
    Composition { layout, canvas: Canvas { width: 320, height: 180, fps: 30 }, ..Composition::default() }
}

/// Who is seen from when on: `0: ADA+ BOB-` says that at second 0 Ada has a picture and Bob an avatar.
fn story(timeline: &Timeline) -> Vec<String> {
    let tile = |tile: &crate::stage::Tile| {
        let guest = &timeline.guests[tile.guest.0];
        let screen = if guest.is_screen { "'s screen" } else { "" };
        format!("{}{screen}{}", guest.name, if tile.feed.is_some() { "+" } else { "-" })
    };
    let scene = |(from_us, scene): &(u64, Scene)| {
        let tiles: Vec<_> = scene.tiles.iter().map(tile).collect();
        format!("{}: {}", from_us / S, tiles.join(" "))
    };
    timeline.scenes.iter().map(scene).collect()
}

#[test]
fn people_come_mute_their_cameras_and_go() {
    let mut ada = camera("ada", 0, 60 * S);
    ada.gaps = vec![
        Gap { from_us: 10 * S, to_us: 25 * S, reason: GapReason::Muted },
        Gap { from_us: 30 * S, to_us: 31 * S, reason: GapReason::Lost },
        Gap { from_us: 40 * S, to_us: 45 * S, reason: GapReason::Lost },
    ];
    let manifest = Manifest {
        participants: vec![there("ada", 0, None), there("bob", 5 * S, Some(50 * S)), there("viewer", 0, None)],
        tracks: vec![ada, track("bob", TrackKind::Audio, "microphone", 5 * S, 50 * S)],
        ..Manifest::default()
    };
    let timeline = Timeline::of(&manifest, &composition(Layout::Grid));
    let expected =
        ["0: ADA+", "5: ADA+ BOB-", "10: ADA- BOB-", "25: ADA+ BOB-", "40: ADA- BOB-", "45: ADA+ BOB-", "50: ADA+"];
    assert_eq!(story(&timeline), expected);
    assert_eq!(timeline.duration_us, 60 * S);
    // Fifteen seconds of nothing are not decoded, five are. The second time she is alone and large for a while.
    let spans: Vec<_> = timeline.pictures.iter().map(|span| (span.from_us / S, span.to_us / S)).collect();
    assert_eq!(spans, [(0, 10), (25, 60)]);
    assert!(timeline.pictures.iter().all(|span| span.size == Some((320, 180))));
    assert_eq!(timeline.voices, [Span { track: 1, from_us: 5 * S, to_us: 50 * S, size: None }]);
}

#[test]
fn a_screen_is_there_while_it_is_shared() {
    let manifest = Manifest {
        tracks: vec![
            camera("ada", 0, 9 * S),
            camera("bob", 0, 9 * S),
            track("bob", TrackKind::Video, "screen_share", 3 * S, 6 * S),
        ],
        speakers: vec![Speaker { from_us: S, to_us: 2 * S, participant: "bob".into() }],
        ..Manifest::default()
    };
    let timeline = Timeline::of(&manifest, &composition(Layout::SingleSpeaker));
    assert_eq!(story(&timeline), ["0: ada+", "1: bob+", "2: bob+", "3: bob's screen+", "6: ada+"]);
}

#[test]
fn what_is_shared_again_later_is_neither_seen_nor_heard_meanwhile() {
    let gaps = vec![Gap { from_us: 3 * S, to_us: 20 * S, reason: GapReason::Unpublished }];
    let screen = Track { gaps: gaps.clone(), ..track("ada", TrackKind::Video, "screen_share", 0, 30 * S) };
    let sound = Track { gaps, ..track("ada", TrackKind::Audio, "screen_share_audio", 0, 30 * S) };
    let manifest = Manifest { tracks: vec![camera("ada", 0, 30 * S), screen, sound], ..Manifest::default() };
    let timeline = Timeline::of(&manifest, &composition(Layout::SingleSpeaker));
    assert_eq!(story(&timeline), ["0: ada's screen+", "3: ada+", "20: ada's screen+"]);
    let heard: Vec<_> = timeline.voices.iter().map(|span| (span.from_us / S, span.to_us / S)).collect();
    assert_eq!(heard, [(0, 3), (20, 30)]);
}

#[test]
fn a_second_file_of_a_track_takes_over() {
    let manifest =
        Manifest { tracks: vec![camera("ada", 0, 5 * S), camera("ada", 5 * S, 9 * S)], ..Manifest::default() };
    let timeline = Timeline::of(&manifest, &composition(Layout::Grid));
    let feeds: Vec<_> = timeline.scenes.iter().map(|(_, scene)| scene.tiles[0].feed).collect();
    assert_eq!(feeds, [Some(FeedId(0)), Some(FeedId(1))]);
}

#[test]
fn of_a_hundred_voices_the_first_are_heard() {
    let voice = |at: u64| track("ada", TrackKind::Audio, "microphone", at, 1000 + at);
    let manifest = Manifest { tracks: (0..100).map(voice).collect(), ..Manifest::default() };
    let timeline = Timeline::of(&manifest, &Composition { media: Media::AudioOnly, ..Composition::default() });
    assert_eq!((timeline.voices.len(), timeline.unheard, timeline.scenes.len()), (MAX_VOICES, 36, 0));
}

fn any_track() -> impl Strategy<Value = Track> {
    let reason = prop_oneof![Just(GapReason::Lost), Just(GapReason::Muted), Just(GapReason::Unpublished)];
    let gaps = prop::collection::vec((0..40 * S, 0..40 * S, reason), 0..5);
    (0..4_usize, any::<bool>(), any::<bool>(), 0..30 * S, 0..30 * S, gaps).prop_map(
        |(who, is_video, is_screen, from_us, to_us, gaps)| {
            let kind = if is_video { TrackKind::Video } else { TrackKind::Audio };
            let mut track = track(
                ["a", "b", "c", "d"][who],
                kind,
                if is_screen { "screen_share" } else { "camera" },
                from_us,
                to_us,
            );
            let gap = |(from_us, to_us, reason)| Gap { from_us, to_us, reason };
            track.gaps = gaps.into_iter().map(gap).collect();
            track
        },
    )
}

proptest! {
    #[test]
    fn whatever_a_manifest_says_scenes_are_in_order_and_show_what_is_decoded(
        tracks in prop::collection::vec(any_track(), 0..12),
        speakers in prop::collection::vec((0..4_usize, 0..40 * S, 0..40 * S), 0..12),
        people in prop::collection::vec((0..4_usize, 0..40 * S, prop::option::of(0..40 * S)), 0..6),
        layout in prop_oneof![Just(Layout::Grid), Just(Layout::Speaker), Just(Layout::SingleSpeaker)],
    ) {
        let name = |who: usize| ["a", "b", "c", "d"][who];
        let manifest = Manifest {
            tracks,
            speakers: speakers
                .into_iter()
                .map(|(who, from_us, to_us)| Speaker { from_us, to_us, participant: name(who).into() })
                .collect(),
            participants: people.into_iter().map(|(who, from, to)| there(name(who), from, to)).collect(),
            ..Manifest::default()
        };
        let timeline = Timeline::of(&manifest, &composition(layout));
        prop_assert_eq!(timeline.scenes[0].0, 0);
        prop_assert!(timeline.scenes.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (place, (from_us, scene)) in timeline.scenes.iter().enumerate() {
            prop_assert_eq!(timeline.scene_at(*from_us), place);
            for tile in &scene.tiles {
                let Some(FeedId(feed)) = tile.feed else { continue };
                let track = &manifest.tracks[feed];
                prop_assert!(track.offset_us <= *from_us && *from_us < end_us(track));
                let covered = timeline.pictures.iter().any(|span| {
                    span.track == feed
                        && (span.from_us..span.to_us).contains(from_us)
                        && span.size.is_some_and(|size| size.0 >= tile.rect.width && size.1 >= tile.rect.height)
                });
                prop_assert!(covered);
            }
        }
        for span in timeline.pictures.iter().chain(&timeline.voices) {
            prop_assert!(span.from_us < span.to_us && span.to_us <= timeline.duration_us);
        }
    }
}
