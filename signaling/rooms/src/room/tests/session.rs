//! The states of a session: each arc, walked by what people do.

use livekit_protocol::participant_info::Kind;

use super::*;
use crate::MediaFailure;
use crate::SessionState::{
    Connected, Connecting, Ended, Ending, Failed, Initializing, Reconnecting, Recording,
    WaitingForParticipants as Waiting,
};

/// Every arc there is, and a shortest way to it. `+a` comes, `^a` brings up media, `-a` leaves, `~a` loses its signal,
/// `=a` resumes, `!a` loses its media, `?a` is hidden, `*a` is shown; `r` records; `x` ends the room.
pub(super) const ARCS: &[(SessionState, SessionState, &str)] = &[
    (Initializing, Waiting, "+a"),
    (Initializing, Ending, "x"),
    (Waiting, Connecting, "+a +b"),
    (Waiting, Connected, "+a ^a +b ?b ^b *b"),
    (Waiting, Recording, "+r ^r +a ^a +b ?b ^b *b"),
    (Waiting, Reconnecting, "+a ^a ~a +b"),
    (Waiting, Ending, "+a x"),
    (Connecting, Waiting, "+a +b -b"),
    (Connecting, Connected, "+a ^a +b ^b"),
    (Connecting, Recording, "+r ^r +a ^a +b ^b"),
    (Connecting, Reconnecting, "+a ^a +b ~a"),
    (Connecting, Failed, "+a ^a +b !b"),
    (Connecting, Ending, "+a +b x"),
    (Connected, Waiting, "+a ^a +b ^b -b"),
    (Connected, Connecting, "+a ^a +b ^b +c -b"),
    (Connected, Recording, "+a ^a +b ^b +r ^r"),
    (Connected, Reconnecting, "+a ^a +b ^b ~b"),
    (Connected, Failed, "+a ^a +b ^b !b"),
    (Connected, Ending, "+a ^a +b ^b x"),
    (Recording, Waiting, "+r ^r +a ^a +b ^b -b"),
    (Recording, Connecting, "+r ^r +a ^a +b ^b +c -b"),
    (Recording, Connected, "+r ^r +a ^a +b ^b -r"),
    (Recording, Reconnecting, "+r ^r +a ^a +b ^b ~b"),
    (Recording, Failed, "+r ^r +a ^a +b ^b !b"),
    (Recording, Ending, "+r ^r +a ^a +b ^b x"),
    (Reconnecting, Waiting, "+a ^a +b ^b ~b -a"),
    (Reconnecting, Connecting, "+a ^a +b +c ~a !a"),
    (Reconnecting, Connected, "+a ^a +b ^b ~b =b"),
    (Reconnecting, Recording, "+r ^r +a ^a +b ^b ~b =b"),
    (Reconnecting, Failed, "+a ^a +b ^b ~b !b"),
    (Reconnecting, Ending, "+a ^a +b ^b ~b x"),
    (Failed, Waiting, "+a ^a +b ^b !b -a"),
    (Failed, Connecting, "+a ^a +b ^b !b +b"),
    (Failed, Connected, "+h ?h ^h +a ^a +b ^b !b *h"),
    (Failed, Recording, "+h ?h ^h +r ^r +a ^a +b ^b !b *h"),
    (Failed, Reconnecting, "+a ^a +b ^b !b ~a +b"),
    (Failed, Ending, "+a ^a +b ^b !b x"),
    (Ending, Ended, "+a x"),
];

/// Plays what stands in the table.
fn play(script: &str) -> World {
    let mut world = World::new();
    let mut people = BTreeMap::<String, Client>::new();
    for word in script.split(' ') {
        let (deed, who) = word.split_at(1);
        let client = people.get(who).cloned();
        let client = || client.clone().unwrap();
        match deed {
            "+" => {
                let mut arrival = world.arrival(who, SignalVersion::V1);
                arrival.grants.kind = if who == "r" { Kind::Egress } else { Kind::Standard };
                people.insert(who.into(), world.enter(arrival).unwrap());
            }
            "^" => world.media(MediaEvent::Connected { participant: client().sid }),
            "-" => world.says(&client(), signal_request::Message::Leave(Default::default())),
            "~" => world.lose(&client()),
            "=" => drop(people.insert(who.into(), world.resume(&client()))),
            "!" => {
                let (participant, failure) = (client().sid, MediaFailure::ConnectionLost);
                world.media(MediaEvent::Failed { participant, failure });
            }
            "?" | "*" => {
                let permission = ParticipantPermission { hidden: deed == "?", ..permission() };
                let update = Moderation::UpdateParticipant {
                    identity: who.into(),
                    name: None,
                    metadata: None,
                    attributes: Default::default(),
                    permission: Some(permission),
                };
                world.moderate(update).unwrap();
            }
            "x" => world.moderate(Moderation::DeleteRoom).unwrap(),
            other => unreachable!("{other:?} is no deed"),
        }
    }
    world
}

#[test]
fn every_arc_is_walked() {
    for (from, to, script) in ARCS {
        let world = play(script);
        let walked = world.session_states();
        let last = if script.ends_with('x') && *to == Ending { walked.len() - 2 } else { walked.len() - 1 };
        assert_eq!(walked[last], (*from, *to), "{script}: {walked:?}");
        assert!(walked.windows(2).all(|pair| pair[0].1 == pair[1].0), "{script}: a leap in {walked:?}");
        assert!(walked.iter().all(|arc| is_known(*arc)), "{script}: {walked:?}");
    }
}

/// Whether the table has this arc.
pub(super) fn is_known(arc: (SessionState, SessionState)) -> bool {
    ARCS.iter().any(|(from, to, _)| (*from, *to) == arc)
}

#[test]
fn everybody_hears_where_the_session_stands_and_newcomers_are_told() {
    let mut world = World::new();
    let (ada, bob) = (world.join_as("ada", "host"), world.join_as("bob", "participant"));
    let states = |world: &World, who| -> Vec<_> {
        world
            .notices(who, "session")
            .iter()
            .map(|said| said["state"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(states(&world, &ada), ["WaitingForParticipants", "Connecting", "Connected"]);
    assert_eq!(states(&world, &bob), ["Connecting", "Connected"]);
    world.lose(&bob);
    assert_eq!(world.room.session_state(), Reconnecting);
    world.pass(Duration::from_secs(15));
    assert_eq!(world.room.session_state(), Failed, "it did not come back in time");
    world.join("bob");
    assert_eq!(world.room.session_state(), Connected);
    world.moderate(Moderation::DeleteRoom).unwrap();
    assert_eq!(world.room.session_state(), Ended);
    let names: Vec<_> = world.events.iter().map(|event| event.kind.name()).collect();
    assert_eq!(names[names.len() - 2..], ["session_changed", "room_finished"]);
    assert_eq!(states(&world, &ada).last().map(String::as_str), Some("Ending"), "before the farewell");
}

#[test]
fn who_never_gets_through_fails_the_session() {
    let mut world = World::new();
    world.join("ada");
    let arrival = world.arrival("bob", SignalVersion::V1);
    world.enter(arrival).unwrap();
    assert_eq!(world.room.session_state(), Connecting);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.room.session_state(), Failed);
}

#[test]
fn an_agent_is_company_and_a_recorder_is_not() {
    let mut world = World::new();
    world.join("ada");
    let mut enter = |identity: &str, kind| {
        let mut arrival = world.arrival(identity, SignalVersion::V1);
        arrival.grants.kind = kind;
        let client = world.enter(arrival).unwrap();
        world.media(MediaEvent::Connected { participant: client.sid });
        world.room.session_state()
    };
    assert_eq!(enter("recorder", Kind::Egress), Waiting);
    assert_eq!(enter("tutor", Kind::Agent), Recording);
}
