//! The story of a recording, told to its machine.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::{Destination, FileKind, Layout, Template};

const NO_FACTS: crate::Facts<'static> = crate::Facts {
    room_name: "",
    room_id: "",
    time: crate::UnixSeconds(0),
    publisher_identity: "",
    track_id: "",
    track_type: "",
    track_source: "",
};

fn order(source: Source) -> Order {
    let name = Template::parse("x", "x").unwrap();
    let file =
        Output::File { name, kind: FileKind::ByCodec, destination: Destination::Configured, with_manifest: true };
    Order { room: "call".to_owned(), source, outputs: vec![file], encoding: None }
}

fn room() -> Source {
    Source::Room(Composition { layout: Layout::Grid, media: Media::Both })
}

fn track(track: &str, identity: &str, kind: TrackKind) -> TrackFacts {
    TrackFacts { track: track.to_owned(), identity: identity.to_owned(), kind, is_screen: false, is_encrypted: false }
}

fn closed(part: PartNumber, bytes: u64) -> Happened {
    Happened::PartClosed { part, written: Written { bytes, duration_ms: 1000, failed: None } }
}

fn broken(part: PartNumber) -> Happened {
    let failed = Some("no space is left on the disk".to_owned());
    Happened::PartClosed { part, written: Written { bytes: 10, duration_ms: 1000, failed } }
}

#[test]
fn a_track_is_recorded_until_it_is_gone() {
    let mut recording = Recording::new(order(Source::Track { track: "cam".to_owned() }), 0);
    assert_eq!(recording.handle(Happened::Published(track("mic", "ada", TrackKind::Audio)), 1), []);
    let opened = recording.handle(Happened::Published(track("cam", "ada", TrackKind::Video)), 2);
    assert_eq!(opened, [Action::Open { part: 0, track: "cam".to_owned() }]);
    assert_eq!(recording.handle(Happened::MediaCame { part: 0 }, 3), [Action::Tell]);
    assert_eq!(*recording.state(), State::Active);
    let ending = recording.handle(Happened::Unpublished { track: "cam".to_owned() }, 4);
    assert_eq!(ending, [Action::Close { part: 0 }, Action::Tell]);
    assert_eq!(recording.handle(closed(0, 100), 5), [Action::Deliver]);
    assert_eq!(recording.handle(Happened::Delivered(Ok(Vec::new())), 6), [Action::Tell]);
    assert_eq!(*recording.state(), State::Ended(End::Complete));
    assert_eq!(recording.times_ms(), (0, 6, Some(6)));
}

#[test]
fn what_is_stopped_before_it_began_is_aborted() {
    let mut recording = Recording::new(order(room()), 0);
    assert_eq!(recording.handle(Happened::Stop, 1), [Action::Deliver, Action::Tell]);
    assert_eq!(*recording.state(), State::Ending(End::Aborted));
    recording.handle(Happened::Delivered(Ok(Vec::new())), 2);
    assert_eq!(*recording.state(), State::Ended(End::Aborted));
    assert_eq!(recording.handle(Happened::Stop, 3), []);
}

#[test]
fn nobody_waits_for_ever_for_what_is_not_there() {
    let pair = || Source::Pair { audio: Some("mic".to_owned()), video: Some("cam".to_owned()) };
    let of_ada = || Source::Participant { identity: "ada".to_owned(), prefers_screen: false, media: Media::Both };
    for (source, is_participant_there, failed) in [
        (Source::Track { track: "cam".to_owned() }, false, Some("the track is not there")),
        (pair(), false, Some("the tracks are not there")),
        (of_ada(), false, Some("the participant is not in the room")),
        (of_ada(), true, None),
        (room(), false, None),
    ] {
        let mut recording = Recording::new(order(source), 0);
        let actions = recording.handle(Happened::Waited { is_participant_there }, 30_000);
        let end = failed.map(|reason| State::Ending(End::Failed(reason.to_owned())));
        assert_eq!(*recording.state(), end.unwrap_or(State::Starting));
        assert_eq!(actions.contains(&Action::Deliver), failed.is_some());
    }
    // One of two is enough, and a muted one, too.
    let mut recording = Recording::new(order(pair()), 0);
    recording.handle(Happened::Published(track("mic", "ada", TrackKind::Audio)), 0);
    assert_eq!(recording.handle(Happened::Waited { is_participant_there: false }, 30_000), []);
}

#[test]
fn of_a_pair_one_may_go_before_the_other() {
    let pair = Source::Pair { audio: Some("mic".to_owned()), video: Some("cam".to_owned()) };
    let mut recording = Recording::new(order(pair), 0);
    recording.handle(Happened::Published(track("mic", "ada", TrackKind::Audio)), 0);
    recording.handle(Happened::Published(track("cam", "bob", TrackKind::Video)), 0);
    recording.handle(Happened::MediaCame { part: 1 }, 0);
    assert_eq!(recording.handle(Happened::Unpublished { track: "cam".to_owned() }, 1), [Action::Close { part: 1 }]);
    assert_eq!(recording.handle(closed(1, 9), 1), []);
    let ending = recording.handle(Happened::Unpublished { track: "mic".to_owned() }, 2);
    assert_eq!(ending, [Action::Close { part: 0 }, Action::Tell]);
}

#[test]
fn somebody_may_turn_the_camera_off_and_on() {
    let source = Source::Participant { identity: "ada".to_owned(), prefers_screen: false, media: Media::Both };
    let mut recording = Recording::new(order(source), 0);
    recording.handle(Happened::Published(track("cam1", "ada", TrackKind::Video)), 0);
    recording.handle(Happened::Published(track("cam2", "bob", TrackKind::Video)), 0);
    recording.handle(Happened::Unpublished { track: "cam1".to_owned() }, 0);
    recording.handle(closed(0, 9), 0);
    let again = recording.handle(Happened::Published(track("cam3", "ada", TrackKind::Video)), 0);
    assert_eq!(again, [Action::Open { part: 1, track: "cam3".to_owned() }]);
    let ending = recording.handle(Happened::Left { identity: "ada".to_owned() }, 1);
    assert_eq!(ending, [Action::Close { part: 1 }, Action::Tell]);
    assert_eq!(*recording.state(), State::Ending(End::Complete));
}

#[test]
fn of_somebody_who_is_to_be_heard_alone_no_picture_is_taken() {
    for (media, wanted) in
        [(Media::AudioOnly, [true, false]), (Media::VideoOnly, [false, true]), (Media::Both, [true, true])]
    {
        let source = Source::Participant { identity: "ada".to_owned(), prefers_screen: false, media };
        let kinds = [TrackKind::Audio, TrackKind::Video];
        assert_eq!(kinds.map(|kind| source.wants(&track("one", "ada", kind))), wanted, "{media:?}");
    }
}

#[test]
fn a_full_disk_ends_it_with_its_reason_and_keeps_what_there_is() {
    let mut recording = Recording::new(order(room()), 0);
    for (number, who) in ["ada", "bob"].into_iter().enumerate() {
        recording.handle(Happened::Published(track(&number.to_string(), who, TrackKind::Audio)), 0);
    }
    recording.handle(Happened::MediaCame { part: 0 }, 1);
    assert_eq!(recording.handle(broken(0), 2), [Action::Close { part: 1 }, Action::Tell]);
    assert_eq!(recording.handle(closed(1, 50), 3), [Action::Deliver]);
    recording.handle(Happened::Delivered(Err("something else".to_owned())), 4);
    assert_eq!(*recording.state(), State::Ended(End::Failed("no space is left on the disk".to_owned())));
}

#[test]
fn of_everybody_what_is_encrypted_is_left_out_and_nobody_ends_the_recording_of_others() {
    let everybody = || Recording::new(order(Source::Room(Composition::default())), 0);
    let encrypted = TrackFacts { is_encrypted: true, ..track("cam", "eve", TrackKind::Video) };
    let mut recording = everybody();
    assert_eq!(recording.handle(Happened::Published(encrypted.clone()), 0), []);
    for number in 0..2 * PARTS_OF_ONE {
        recording.handle(Happened::Published(track(&format!("cam{number}"), "eve", TrackKind::Video)), 0);
    }
    let actions = recording.handle(Happened::Published(track("mic", "ada", TrackKind::Audio)), 0);
    assert!(matches!(actions[..], [Action::Open { .. }]), "{actions:?}");
    assert_eq!(recording.parts().count(), PARTS_OF_ONE + 1);

    let mut alone = everybody();
    alone.handle(Happened::Published(encrypted), 0);
    alone.handle(Happened::Stop, 0);
    alone.handle(Happened::Delivered(Ok(Vec::new())), 0);
    assert!(matches!(alone.state(), State::Ended(End::Failed(reason)) if reason.contains("encrypted")));
}

#[test]
fn what_there_is_is_delivered_where_not_all_could_be_made() {
    let mut recording = Recording::new(order(Source::Room(Composition::default())), 0);
    recording.handle(Happened::Stop, 0);
    let file = Product::File {
        name: Template::parse("x", "x").unwrap().fill(&NO_FACTS, ".webm"),
        location: "here".to_owned(),
        bytes: 1,
        duration_ms: 1,
    };
    recording.handle(Happened::DeliveredInPart { products: vec![file.clone()], reason: "no video".to_owned() }, 0);
    assert_eq!((recording.products(), recording.state()), (&[file][..], &State::Ended(End::Failed("no video".into()))));
}

#[test]
fn somebody_who_is_encrypted_cannot_be_recorded() {
    let mut recording = Recording::new(
        order(Source::Participant { identity: "ada".to_owned(), prefers_screen: false, media: Media::Both }),
        0,
    );
    let encrypted = TrackFacts { is_encrypted: true, ..track("cam", "ada", TrackKind::Video) };
    assert_eq!(recording.handle(Happened::Published(encrypted), 0), [Action::Deliver, Action::Tell]);
    assert!(matches!(recording.state(), State::Ending(End::Failed(reason)) if reason.contains("encrypted")));
}

fn happened() -> impl Strategy<Value = Happened> {
    let names = || prop::sample::select(vec!["a", "b", "c"]);
    prop_oneof![
        4 => (names(), names(), any::<bool>(), prop::bool::weighted(0.02)).prop_map(|(name, who, is_sound, is_encrypted)| {
            let kind = if is_sound { TrackKind::Audio } else { TrackKind::Video };
            Happened::Published(TrackFacts { is_encrypted, ..track(name, who, kind) })
        }),
        2 => names().prop_map(|name| Happened::Unpublished { track: name.to_owned() }),
        1 => names().prop_map(|who| Happened::Left { identity: who.to_owned() }),
        1 => Just(Happened::RoomEnded),
        1 => Just(Happened::Stop),
        1 => Just(Happened::LimitReached),
        1 => any::<bool>().prop_map(|is_participant_there| Happened::Waited { is_participant_there }),
        3 => (0u32..6).prop_map(|part| Happened::MediaCame { part }),
        3 => (0u32..6, any::<bool>()).prop_map(|(part, is_broken)| if is_broken { broken(part) } else { closed(part, 9) }),
        1 => Just(Happened::Delivered(Ok(Vec::new()))),
        1 => Just(Happened::Delivered(Err("lost".to_owned()))),
    ]
}

proptest! {
    /// Whatever happens in whatever order: each part is opened once and told to close at most once, nothing is opened once
    /// the end began, it is delivered at most once and only when all parts are closed, states only go forward, and a
    /// recording that is stopped comes to its end as soon as its parts are closed.
    #[test]
    fn no_sequence_leaves_a_part_open(events in prop::collection::vec(happened(), 0..60), source in 0..3) {
        let source = match source {
            0 => room(),
            1 => Source::Pair { audio: Some("a".to_owned()), video: Some("b".to_owned()) },
            _ => Source::Participant { identity: "a".to_owned(), prefers_screen: false, media: Media::Both },
        };
        let mut recording = Recording::new(order(source), 0);
        let (mut opened, mut told_to_close, mut delivered) = (Vec::new(), Vec::new(), 0);
        let rank = |state: &State| match state {
            State::Starting => 0,
            State::Active => 1,
            State::Ending(_) => 2,
            State::Ended(_) => 3,
        };
        let closing = [Happened::Stop].into_iter().chain((0..100).map(|part| closed(part, 1)));
        for event in events.into_iter().chain(closing) {
            let before = recording.state().clone();
            let actions = recording.handle(event, 0);
            prop_assert!(rank(recording.state()) >= rank(&before));
            prop_assert_eq!(actions.contains(&Action::Tell), *recording.state() != before);
            for action in actions {
                match action {
                    Action::Open { part, .. } => {
                        prop_assert!(rank(recording.state()) < 2 && !opened.contains(&part));
                        opened.push(part);
                    }
                    Action::Close { part } => {
                        prop_assert!(opened.contains(&part) && !told_to_close.contains(&part));
                        told_to_close.push(part);
                    }
                    Action::Deliver => {
                        delivered += 1;
                        prop_assert!(recording.parts().all(|(_, file)| file.closed.is_some()));
                    }
                    Action::Tell => {}
                }
            }
            let mut open: Vec<_> = recording.parts().filter(|(_, file)| file.is_open()).map(|(_, file)| &file.track.track).collect();
            let count = open.len();
            open.sort();
            open.dedup();
            prop_assert_eq!(open.len(), count, "one track is written twice at once");
        }
        prop_assert_eq!(delivered, 1);
        recording.handle(Happened::Delivered(Ok(Vec::new())), 0);
        prop_assert!(matches!(recording.state(), State::Ended(_)));
    }
}
