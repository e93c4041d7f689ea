//! Who gets in: the lobby, the lock, and those who are kept out.

use super::*;
use crate::lobby::{LobbyOutcome, Standing};
use crate::{Entry, Rights};

const LOBBY: Entry = Entry { lobby: true, locked: false };

fn knock(ticket: &str) -> Moderation {
    Moderation::Knock { ticket: ticket.into(), identity: format!("guest {ticket}"), name: ticket.to_uppercase() }
}

fn still_there(ticket: &str) -> Moderation {
    Moderation::StillThere { ticket: ticket.into() }
}

fn admit(ticket: &str) -> Moderation {
    Moderation::Admit { ticket: ticket.into() }
}

fn locked(locked: bool) -> Moderation {
    Moderation::SetEntry { locked: Some(locked), lobby: None }
}

fn outcomes(world: &World) -> Vec<(&str, LobbyOutcome)> {
    let left = world.events.iter().filter_map(|event| match &event.kind {
        RoomEventKind::LobbyLeft { name, outcome, .. } => Some((name.as_str(), *outcome)),
        _ => None,
    });
    left.collect()
}

fn tries(world: &mut World, identity: &str, change: impl FnOnce(&mut Arrival)) -> Option<Client> {
    let mut arrival = world.arrival(identity, SignalVersion::V1);
    change(&mut arrival);
    world.enter(arrival)
}

#[test]
fn who_knocks_waits_in_line_until_a_host_decides() {
    let mut world = World::with(|config| config.entry = LOBBY);
    for ticket in ["a", "b", "c"] {
        world.moderate(knock(ticket)).unwrap();
    }
    world.moderate(knock("a")).unwrap();
    assert_eq!(world.room.standing_of("c"), Standing::Waiting { position: 3 });
    let line: Vec<_> = world.room.waiting().iter().map(|waiting| waiting.name.as_str()).collect();
    assert_eq!(line, ["A", "B", "C"]);

    world.moderate(admit("a")).unwrap();
    world.moderate(Moderation::Refuse { ticket: "b".into() }).unwrap();
    assert_eq!(world.room.standing_of("a"), Standing::Admitted);
    assert_eq!(world.room.standing_of("b"), Standing::Refused);
    assert_eq!(world.room.standing_of("c"), Standing::Waiting { position: 1 });
    world.moderate(Moderation::Withdraw { ticket: "c".into() }).unwrap();
    assert_eq!(world.room.standing_of("c"), Standing::Gone);
    assert_eq!(world.moderate(admit("c")), Err(ModerationError::NotFound));
    let told = [("A", LobbyOutcome::Admitted), ("B", LobbyOutcome::Refused), ("C", LobbyOutcome::Gone)];
    assert_eq!(outcomes(&world), told);

    world.pass(Duration::from_secs(60));
    assert_eq!(world.room.standing_of("a"), Standing::Gone, "decisions are remembered for a minute");
}

#[test]
fn who_does_not_ask_any_more_is_gone() {
    let mut world = World::with(|config| config.entry = LOBBY);
    world.moderate(knock("patient")).unwrap();
    world.moderate(knock("silent")).unwrap();
    for _ in 0..50 {
        world.pass(Duration::from_secs(2));
        world.moderate(still_there("patient")).unwrap();
    }
    assert_eq!(world.room.standing_of("silent"), Standing::Gone);
    assert_eq!(world.room.standing_of("patient"), Standing::Waiting { position: 1 });
    assert_eq!(outcomes(&world), [("SILENT", LobbyOutcome::Gone)]);
}

#[test]
fn two_hundred_wait_and_the_next_is_told_so() {
    let mut world = World::with(|config| config.entry = LOBBY);
    for n in 0..200 {
        world.moderate(knock(&n.to_string())).unwrap();
    }
    assert!(matches!(world.moderate(knock("200")), Err(ModerationError::TooMany(_))));
    world.moderate(knock("7")).unwrap();
    world.moderate(admit("7")).unwrap();
    world.moderate(knock("200")).unwrap();
}

#[test]
fn opening_the_door_lets_everybody_in_who_waits() {
    let mut world = World::with(|config| config.entry = LOBBY);
    world.moderate(knock("a")).unwrap();
    world.moderate(Moderation::SetEntry { locked: Some(true), lobby: Some(false) }).unwrap();
    assert_eq!(world.room.standing_of("a"), Standing::Waiting { position: 1 }, "a locked door is not open");
    world.moderate(locked(false)).unwrap();
    assert_eq!(world.room.standing_of("a"), Standing::Admitted);
    // Whoever was on the way to the lobby meanwhile.
    world.moderate(knock("late")).unwrap();
    assert_eq!(world.room.standing_of("late"), Standing::Admitted);
}

#[test]
fn a_room_at_whose_door_somebody_waits_lives_on_and_ends_after_it() {
    let mut world = World::with(|config| config.entry = LOBBY);
    world.moderate(knock("early")).unwrap();
    for _ in 0..200 {
        world.pass(Duration::from_secs(2));
        world.moderate(still_there("early")).unwrap();
    }
    assert!(!world.finished, "a patient waits for its doctor");
    world.pass(Duration::from_secs(90 + 120));
    assert!(world.finished);
    assert_eq!(outcomes(&world), [("EARLY", LobbyOutcome::Gone)]);
}

#[test]
fn knocking_keeps_no_room_open_for_ever() {
    let mut world = World::with(|config| config.entry = LOBBY);
    let wait = |world: &mut World, minutes: u64| {
        for minute in 0..minutes {
            // Another one each time is no way around it.
            world.moderate(knock(&format!("t{minute}"))).unwrap();
            world.pass(Duration::from_secs(60));
            if world.finished {
                return Some(minute + 1);
            }
        }
        None
    };
    assert_eq!(wait(&mut world, 60), None, "an hour is nothing to a patient");
    // Who comes in has made it a room that is used.
    let host = world.join("host");
    world.says(&host, signal_request::Message::Leave(LeaveRequest::default()));
    assert_eq!(wait(&mut world, 60), None);
    let more = wait(&mut world, 10);
    assert!(more.is_some(), "an hour after its time it ends, whoever knocks");
    assert!(world.room.waiting().is_empty());
}

#[test]
fn a_room_that_ends_leaves_nobody_at_its_door() {
    let mut world = World::with(|config| config.entry = LOBBY);
    world.moderate(knock("a")).unwrap();
    world.moderate(Moderation::DeleteRoom).unwrap();
    assert_eq!(world.event_names(), ["room_started", "lobby_joined", "lobby_left", "room_finished"]);
    assert_eq!(world.moderate(still_there("a")), Err(ModerationError::Finished));
    assert_eq!(world.room.standing_of("a"), Standing::Gone);
}

#[test]
fn a_locked_room_takes_hosts_and_those_who_were_let_in() {
    let mut world = World::with(|config| config.entry = LOBBY);
    let ada = world.join("ada");
    world.moderate(knock("g")).unwrap();
    world.moderate(locked(true)).unwrap();
    assert!(tries(&mut world, "bob", |_| {}).is_none());
    assert!(matches!(world.moderate(knock("other")), Err(ModerationError::NotAllowed(_))));
    assert!(tries(&mut world, "host", |arrival| arrival.grants.rights.room_admin = true).is_some());
    let recorder = tries(&mut world, "rec", |arrival| {
        arrival.grants.kind = livekit_protocol::participant_info::Kind::Egress;
    });
    assert!(recorder.is_some());

    world.moderate(admit("g")).unwrap();
    assert!(tries(&mut world, "guest g", |_| {}).is_some());
    // Who is here may come anew, as after a reload of the page.
    let again = world.join("ada");
    assert_ne!(again.sid, ada.sid);
    world.moderate(locked(false)).unwrap();
    assert!(tries(&mut world, "bob", |_| {}).is_some());
    let changes = world.event_names().iter().filter(|name| **name == "entry_changed").count();
    assert_eq!(changes, 2);
}

#[test]
fn who_is_kept_out_stays_out_whatever_its_token_says() {
    let mut world = World::with(|config| config.entry = LOBBY);
    let ada = world.join("guest a");
    world.moderate(knock("a")).unwrap();
    let away = |keep_out| Moderation::RemoveParticipant { identity: "guest a".into(), revoke_before_s: None, keep_out };
    world.moderate(away(true)).unwrap();
    assert_eq!(world.farewell(&ada).unwrap().0, DisconnectReason::ParticipantRemoved);
    assert_eq!(world.room.standing_of("a"), Standing::Refused, "its other page does not get in either");
    let from_tomorrow = |arrival: &mut Arrival| {
        arrival.grants.signed_at_s = u64::MAX;
        arrival.grants.rights = Rights { room_admin: true, ..Default::default() };
    };
    assert!(tries(&mut world, "guest a", from_tomorrow).is_none());
    assert_eq!(world.resume(&ada).sid, ada.sid);
    assert_eq!(world.room.occupancy(), 0);
    assert!(matches!(world.moderate(knock("a")), Err(ModerationError::NotAllowed(_))));
    // Somebody who has just left can be kept out; otherwise there is nobody to send away.
    world.moderate(away(true)).unwrap();
    assert_eq!(world.moderate(away(false)), Err(ModerationError::NotFound));

    world.moderate(Moderation::Readmit { identity: "guest a".into() }).unwrap();
    assert!(tries(&mut world, "guest a", |_| {}).is_none(), "tokens from before are worthless");
    assert!(tries(&mut world, "guest a", |arrival| arrival.grants.signed_at_s = u64::MAX).is_some());
}

#[test]
fn who_was_let_in_and_then_kept_out_finds_the_door_shut() {
    let mut world = World::with(|config| config.entry = LOBBY);
    world.moderate(knock("a")).unwrap();
    world.moderate(admit("a")).unwrap();
    world
        .moderate(Moderation::RemoveParticipant { identity: "guest a".into(), revoke_before_s: None, keep_out: true })
        .unwrap();
    assert_eq!(world.room.standing_of("a"), Standing::Refused, "no token is given for it any more");
}

#[test]
fn hosts_hear_how_many_wait_and_nobody_else_does() {
    let mut world = World::with(|config| config.entry = LOBBY);
    let guest = world.join_as("guest", "participant");
    let as_host = |arrival: &mut Arrival| {
        arrival.grants.rights.room_admin = true;
        arrival.grants.attributes.insert(crate::ROLE_ATTRIBUTE.into(), "host".into());
    };
    let host = tries(&mut world, "host", as_host).unwrap();
    world.moderate(knock("a")).unwrap();
    assert!(world.notices(&host, "lobby").is_empty(), "its media is not up yet");
    world.media(MediaEvent::Connected { participant: host.sid.clone() });
    let counts = |world: &World, who| -> Vec<_> {
        world.notices(who, "lobby").iter().map(|said| said["waiting"].as_u64().unwrap()).collect()
    };
    assert_eq!(counts(&world, &host), [1]);
    world.moderate(knock("b")).unwrap();
    world.moderate(still_there("b")).unwrap();
    world.moderate(admit("a")).unwrap();
    world.pass(Duration::from_secs(90));
    assert_eq!(counts(&world, &host), [1, 2, 1, 0]);
    assert_eq!(counts(&world, &guest), [0_u64; 0]);

    // A new host is told at once, and one that comes back again.
    let rights = Rights { room_admin: true, ..Default::default() };
    let promotion =
        Moderation::SetRole { identity: "guest".into(), role: "host".into(), permission: permission(), rights };
    world.moderate(promotion).unwrap();
    assert_eq!(counts(&world, &guest), [0]);
    world.lose(&guest);
    let guest = world.resume(&guest);
    assert_eq!(counts(&world, &guest), [0, 0]);
}

#[test]
fn everybody_hears_how_people_get_in() {
    let mut world = World::new();
    let ada = world.join_as("ada", "participant");
    let told = |locked, lobby| serde_json::json!({ "type": "entry", "locked": locked, "lobby": lobby });
    assert_eq!(world.notices(&ada, "entry"), [told(false, false)]);
    world.moderate(locked(true)).unwrap();
    world.moderate(locked(true)).unwrap();
    assert_eq!(world.notices(&ada, "entry"), [told(false, false), told(true, false)]);
}

#[test]
fn a_lock_does_not_keep_out_who_was_lost_and_comes_back() {
    let mut world = World::new();
    let [ada, bob, eve] = ["ada", "bob", "eve"].map(|who| world.join(who));
    world.moderate(locked(true)).unwrap();
    for lost in [&ada, &bob] {
        world.media(MediaEvent::Failed { participant: lost.sid.clone(), failure: crate::MediaFailure::ConnectionLost });
    }
    world.says(&eve, signal_request::Message::Leave(Default::default()));
    assert!(tries(&mut world, "ada", |_| {}).is_some());
    assert!(tries(&mut world, "eve", |_| {}).is_none(), "who left has left");
    world.pass(Duration::from_secs(60));
    assert!(tries(&mut world, "bob", |_| {}).is_none(), "nor for ever");
}

#[test]
fn an_application_that_knows_nothing_of_notices_gets_none_until_it_is_given_a_role() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    world.moderate(locked(true)).unwrap();
    world.moderate(Moderation::DeleteChat { id: "m".into() }).unwrap();
    assert!(world.notices.is_empty());
    let (identity, role, rights) = ("ada".to_owned(), "pupil".to_owned(), Rights::default());
    world
        .moderate(Moderation::SetRole { identity, role, permission: permission(), rights })
        .unwrap();
    assert_eq!((world.notices(&ada, "entry").len(), world.notices(&ada, "session").len()), (1, 1));
    assert!(world.notices(&bob, "entry").is_empty());
}
