//! What is due when, as a room goes on.

#![allow(clippy::unwrap_used, reason = "tests")]

use livekit_protocol::{
    AutoParticipantEgress, AutoTrackEgress, DisconnectReason, EncodedFileOutput, ParticipantPermission,
    RoomCompositeEgressRequest, RoomEgress,
};
use sluice_recordings::{Media, Refusal, Source};

use super::*;
use crate::recordings::NoPlace;

fn duties(egress: RoomEgress, everybody: bool) -> Duties {
    Duties::new("math".into(), Automatic { egress, everybody })
}

fn people() -> RoomEgress {
    let participant = AutoParticipantEgress { file_outputs: vec![EncodedFileOutput::default()], ..Default::default() };
    RoomEgress { participant: Some(participant), ..RoomEgress::default() }
}

fn tracks() -> RoomEgress {
    RoomEgress { tracks: Some(AutoTrackEgress::default()), ..RoomEgress::default() }
}

fn person(sid: &str, identity: &str) -> ParticipantInfo {
    ParticipantInfo { sid: sid.into(), identity: identity.into(), ..ParticipantInfo::default() }
}

fn joined(participant: &ParticipantInfo) -> RoomEventKind {
    RoomEventKind::ParticipantJoined { participant: participant.clone() }
}

fn published(participant: &ParticipantInfo, sid: &str, source: TrackSource) -> RoomEventKind {
    let track = TrackInfo { sid: sid.into(), source: source.into(), ..TrackInfo::default() };
    RoomEventKind::TrackPublished { participant: participant.clone(), track }
}

fn unpublished(participant: &ParticipantInfo, sid: &str) -> RoomEventKind {
    let track = TrackInfo { sid: sid.into(), ..TrackInfo::default() };
    RoomEventKind::TrackUnpublished { participant: participant.clone(), track }
}

fn left(participant: &ParticipantInfo) -> RoomEventKind {
    let reason = DisconnectReason::ClientInitiated;
    RoomEventKind::ParticipantLeft { participant: participant.clone(), reason, was_active: true }
}

fn empty() -> RoomSnapshot {
    RoomSnapshot { room: Room::default(), participants: Vec::new() }
}

/// What is to begin of these, each begun well under an id of its own.
fn begin(duties: &mut Duties, due: Vec<Duty>, id: u8) -> Vec<Source> {
    let mut begun = Vec::new();
    for duty in due {
        let Duty::Begin(subject, asked) = duty else { continue };
        duties.done(subject, Ok(RecordingId::from_random([id; 12])));
        begun.push(asked.order.unwrap().source);
    }
    begun
}

fn of(identity: &str) -> Source {
    Source::Participant { identity: identity.into(), prefers_screen: false, media: Media::Both }
}

#[test]
fn somebody_is_recorded_from_their_first_track_on_once_and_again_when_they_come_back() {
    let mut duties = duties(people(), false);
    assert_eq!(duties.see(&empty()), []);
    let ann = person("PA_1", "ann");
    assert_eq!(duties.handle(&joined(&ann)), [], "who only listens leaves no empty recording behind");
    assert_eq!(duties.handle(&published(&ann, "TR_0", TrackSource::ScreenShare)), [], "their screen is not in it");
    let due = duties.handle(&published(&ann, "TR_1", TrackSource::Microphone));
    assert_eq!(begin(&mut duties, due, 1), [of("ann")]);
    assert_eq!(duties.handle(&published(&ann, "TR_2", TrackSource::Camera)), [], "not twice");
    assert_eq!(duties.handle(&unpublished(&ann, "TR_1")), []);

    // It ends by itself; had it begun just after they left, it would wait for them for ever.
    assert_eq!(duties.handle(&left(&ann)), [Duty::End(RecordingId::from_random([1; 12]))]);
    let back = person("PA_2", "ann");
    let due = duties.handle(&published(&back, "TR_3", TrackSource::Microphone));
    assert_eq!(begin(&mut duties, due, 2), [of("ann")]);
}

#[test]
fn each_track_is_recorded_while_it_is_there() {
    let mut duties = duties(tracks(), false);
    let ann = person("PA_1", "ann");
    for (number, source) in [(1, TrackSource::Microphone), (2, TrackSource::ScreenShare)] {
        let sid = format!("TR_{number}");
        let due = duties.handle(&published(&ann, &sid, source));
        assert_eq!(begin(&mut duties, due, number), [Source::Track { track: sid }]);
    }
    assert_eq!(duties.handle(&unpublished(&ann, "TR_1")), [Duty::End(RecordingId::from_random([1; 12]))]);
    assert_eq!(duties.handle(&unpublished(&ann, "TR_1")), []);
}

#[test]
fn the_first_person_is_enough_to_record_everybody() {
    let mut duties = duties(RoomEgress::default(), true);
    assert_eq!(duties.see(&empty()), [], "of an empty room there is nothing to record");
    let due = duties.handle(&joined(&person("PA_1", "ann")));
    assert!(matches!(begin(&mut duties, due, 1)[..], [Source::Room(_)]));
    assert_eq!(duties.handle(&joined(&person("PA_2", "bob"))), []);
    assert_eq!(duties.handle(&left(&person("PA_1", "ann"))), [], "it ends with the room");
}

#[test]
fn the_picture_of_a_room_begins_with_the_room() {
    let room = RoomCompositeEgressRequest { file_outputs: vec![EncodedFileOutput::default()], ..Default::default() };
    let mut duties = duties(RoomEgress { room: Some(room), ..RoomEgress::default() }, false);
    let due = duties.see(&empty());
    assert!(matches!(begin(&mut duties, due, 1)[..], [Source::Room(_)]));
    assert_eq!(duties.see(&empty()), [], "not again for who looks again");
}

#[test]
fn who_is_hidden_and_who_records_is_not_recorded() {
    #[expect(deprecated, reason = "old recorders say so in their permission")]
    let recorder = ParticipantPermission { recorder: true, ..ParticipantPermission::default() };
    let hidden = ParticipantPermission { hidden: true, ..ParticipantPermission::default() };
    let apart = [
        ParticipantInfo { permission: Some(hidden), ..person("PA_1", "auditor") },
        ParticipantInfo { permission: Some(recorder), ..person("PA_2", "old") },
        ParticipantInfo { kind: participant_info::Kind::Egress.into(), ..person("PA_3", "recorder") },
    ];
    let mut duties = duties(RoomEgress { tracks: Some(AutoTrackEgress::default()), ..people() }, true);
    for participant in &apart {
        assert_eq!(duties.handle(&joined(participant)), []);
        assert_eq!(duties.handle(&published(participant, "TR_1", TrackSource::Camera)), []);
    }
    assert_eq!(duties.see(&RoomSnapshot { participants: apart.into(), ..empty() }), []);
    assert_eq!(duties.handle(&joined(&person("PA_4", "ann"))).len(), 1);
}

#[test]
fn who_missed_something_looks_again() {
    let mut duties = duties(RoomEgress { tracks: Some(AutoTrackEgress::default()), ..people() }, false);
    let ann = person("PA_1", "ann");
    let due = duties.handle(&published(&ann, "TR_1", TrackSource::Camera));
    assert_eq!(begin(&mut duties, due, 1).len(), 2);
    // Ann has gone, Bob is there.
    let track = TrackInfo { sid: "TR_2".into(), source: TrackSource::Camera.into(), ..TrackInfo::default() };
    let bob = ParticipantInfo { tracks: vec![track], ..person("PA_2", "bob") };
    let due = duties.see(&RoomSnapshot { participants: vec![bob], ..empty() });
    let ended = due.iter().filter(|duty| matches!(duty, Duty::End(_))).count();
    assert_eq!(ended, 2);
    assert_eq!(begin(&mut duties, due, 2), [of("bob"), Source::Track { track: "TR_2".into() }]);
}

#[test]
fn what_is_refused_is_not_asked_for_again_and_what_fails_is() {
    let mut duties = duties(RoomEgress { tracks: Some(AutoTrackEgress::default()), ..people() }, false);
    let ann = person("PA_1", "ann");
    let fail = |duties: &mut Duties, due: Vec<Duty>, error: &RecordingError| {
        let mut subjects = Vec::new();
        for duty in due {
            let Duty::Begin(subject, _) = duty else { continue };
            duties.done(subject.clone(), Err(error));
            subjects.push(subject);
        }
        subjects
    };
    let due = duties.handle(&published(&ann, "TR_1", TrackSource::Camera));
    let refused = RecordingError::Refused(Refusal::NotOffered("not here"));
    let (first, second): (Vec<_>, Vec<_>) =
        due.into_iter().partition(|duty| matches!(duty, Duty::Begin(Subject::Track(_), _)));
    assert_eq!(fail(&mut duties, first, &refused), [Subject::Track("TR_1".into())]);
    assert_eq!(
        fail(&mut duties, second, &RecordingError::NoPlace(NoPlace::InRoom)),
        [Subject::Participant("PA_1".into())]
    );
    let due = duties.handle(&published(&ann, "TR_2", TrackSource::Microphone));
    assert_eq!(fail(&mut duties, due, &refused), [Subject::Participant("PA_1".into())]);
    assert_eq!(duties.handle(&published(&person("PA_2", "bob"), "TR_3", TrackSource::Microphone)), []);
}

#[test]
fn who_publishes_for_ever_is_not_recorded_for_ever() {
    let mut duties = duties(tracks(), false);
    let ann = person("PA_1", "ann");
    let mut begun = 0;
    for number in 0..MOST * 2 {
        let sid = format!("TR_{number}");
        begun += duties.handle(&published(&ann, &sid, TrackSource::Camera)).len();
        duties.handle(&unpublished(&ann, &sid));
    }
    assert_eq!((begun, duties.begun.len()), (MOST, 0));
}
