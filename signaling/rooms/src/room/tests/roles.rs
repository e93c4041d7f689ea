//! Roles given in the room, and raised hands.

use std::collections::HashMap;

use livekit_protocol::UpdateParticipantMetadata;

use super::*;
use crate::{HAND_ATTRIBUTE, ROLE_ATTRIBUTE, Rights, USER_ATTRIBUTE};

const HOST: Rights = Rights { room_admin: true, room_create: false, room_list: false, room_record: false };

fn role(identity: &str, role: &str, rights: Rights) -> Moderation {
    Moderation::SetRole { identity: identity.into(), role: role.into(), permission: permission(), rights }
}

fn shown(world: &World, identity: &str, attribute: &str) -> Option<String> {
    world.room.participant(identity).unwrap().attributes.get(attribute).cloned()
}

fn hand(identity: &str, raised: bool) -> Moderation {
    Moderation::SetHand { identity: identity.into(), raised }
}

#[test]
fn a_promotion_counts_at_once_and_everybody_sees_it() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    assert_eq!(world.room.rights_of("ada"), Some(Rights::default()));
    world.moderate(role("ada", "host", HOST)).unwrap();
    assert_eq!((world.room.rights_of("ada"), world.room.role_of("ada")), (Some(HOST), Some("host")));
    let seen = world.updates(&bob).pop().unwrap();
    assert_eq!(seen.attributes.get(ROLE_ATTRIBUTE).map(String::as_str), Some("host"));
    let (to, claims) = world.tokens.last().unwrap();
    assert_eq!((*to, claims.rights), (ada.connection, HOST), "its next token says so too");
    assert!(matches!(
        &world.events.last().unwrap().kind,
        RoomEventKind::RoleChanged { from, to, .. } if from.is_empty() && to == "host"
    ));
    assert_eq!(world.room.rights_of("nobody"), None);
    assert_eq!(world.moderate(role("nobody", "host", HOST)), Err(ModerationError::NotFound));
}

#[test]
fn a_demoted_host_does_not_come_back_as_host_with_its_old_token() {
    let mut world = World::new();
    let as_host = |world: &mut World, signed_at_s| {
        let mut arrival = world.arrival("ada", SignalVersion::V1);
        arrival.grants.rights = HOST;
        arrival.grants.signed_at_s = signed_at_s;
        arrival.grants.attributes.insert(ROLE_ATTRIBUTE.into(), "host".into());
        world.enter(arrival).unwrap()
    };
    let ada = as_host(&mut world, 1);
    assert_eq!(world.room.rights_of("ada"), Some(HOST));
    let now_s = u64::try_from(world.now.unix_ms / 1000).unwrap();
    let (can_publish, rights) = (false, Rights::default());
    let permission = ParticipantPermission { can_publish, ..permission() };
    world
        .moderate(Moderation::SetRole { identity: "ada".into(), role: "guest".into(), permission, rights })
        .unwrap();
    assert_eq!(world.room.rights_of("ada"), Some(rights));
    world.resume(&ada);
    assert_eq!(world.room.rights_of("ada"), Some(rights), "nor by the way of a resume");
    for signed_at_s in [0, 1, now_s] {
        as_host(&mut world, signed_at_s);
        assert_eq!(world.room.rights_of("ada"), Some(rights));
        assert_eq!(world.room.role_of("ada"), Some("guest"));
        assert!(!world.room.participant("ada").unwrap().permission.unwrap().can_publish);
    }
    as_host(&mut world, now_s + 1);
    assert_eq!(world.room.rights_of("ada"), Some(HOST), "who signs tokens has the last word");
}

#[test]
fn nobody_makes_itself_a_host_in_the_eyes_of_others() {
    let mut world = World::new();
    let mut arrival = world.arrival("eve", SignalVersion::V1);
    let claims = HashMap::from([(ROLE_ATTRIBUTE.to_owned(), "host".to_owned()), ("mood".to_owned(), "sly".to_owned())]);
    arrival.request.participant_attributes = claims.clone();
    let eve = world.enter(arrival).unwrap();
    let update = UpdateParticipantMetadata { attributes: claims, ..Default::default() };
    world.says(&eve, signal_request::Message::UpdateMetadata(update));
    assert_eq!(shown(&world, "eve", ROLE_ATTRIBUTE), None);
    assert_eq!(shown(&world, "eve", "mood").as_deref(), Some("sly"));

    // Nor does anybody throw off what it is.
    world.moderate(role("eve", "patient", Rights::default())).unwrap();
    let nothing = HashMap::from([(ROLE_ATTRIBUTE.to_owned(), String::new())]);
    let update = UpdateParticipantMetadata { attributes: nothing, ..Default::default() };
    world.says(&eve, signal_request::Message::UpdateMetadata(update));
    assert_eq!(world.room.role_of("eve"), Some("patient"));
}

/// Whose account somebody is, the log and the server API say, and the person's own next token; to people it is never said.
#[test]
fn nobody_in_a_room_learns_whose_account_somebody_is() {
    let mut world = World::new();
    let eve = world.join("eve");
    let mut arrival = world.arrival("ruth", SignalVersion::V1);
    arrival.grants.attributes.insert(USER_ATTRIBUTE.into(), "u1".into());
    world.enter(arrival).unwrap();
    world.moderate(role("ruth", "host", HOST)).unwrap();
    world.moderate(hand("ruth", true)).unwrap();
    let late = world.join("late");
    world.resume(&late);
    let moving = |others| Moderation::MoveParticipant { identity: "late".into(), to: Box::default(), others };
    let others = world.room.snapshot().participants;
    assert_eq!(others.iter().filter(|other| other.attributes.contains_key(USER_ATTRIBUTE)).count(), 1);
    world.moderate(moving(others)).unwrap();
    let (_, _, moved) = world.moves.pop().unwrap();
    assert!(
        moved
            .other_participants
            .iter()
            .all(|other| !other.attributes.contains_key(USER_ATTRIBUTE))
    );
    world
        .moderate(Moderation::RemoveParticipant { identity: "ruth".into(), revoke_before_s: None, keep_out: false })
        .unwrap();
    assert!(
        world
            .updates(&eve)
            .iter()
            .any(|info| info.identity == "ruth" && info.attributes.contains_key(HAND_ATTRIBUTE))
    );
    for told in world.inbox.values().flatten() {
        assert!(!format!("{told:?}").contains(USER_ATTRIBUTE), "{told:?}");
    }

    let (_, claims) = world.tokens.iter().rfind(|(_, claims)| claims.identity == "ruth").unwrap();
    assert_eq!(claims.attributes[USER_ATTRIBUTE], "u1");
    let of_ruth = world.events.iter().filter_map(|event| match &event.kind {
        RoomEventKind::ParticipantJoined { participant } | RoomEventKind::ParticipantLeft { participant, .. } => {
            Some(participant).filter(|participant| participant.identity == "ruth")
        }
        _ => None,
    });
    assert_eq!(of_ruth.map(|participant| &participant.attributes[USER_ATTRIBUTE]).collect::<Vec<_>>(), ["u1", "u1"]);
}

#[test]
fn a_role_has_a_short_plain_name() {
    let mut world = World::new();
    world.join("ada");
    for name in ["a\u{202E}b", "a\nb", &"x".repeat(65)] {
        assert!(matches!(world.moderate(role("ada", name, HOST)), Err(ModerationError::Invalid(_))));
    }
    assert_eq!(world.room.rights_of("ada"), Some(Rights::default()), "nothing has changed then");
}

#[test]
fn hands_go_up_in_order_and_down() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    world.moderate(hand("ada", true)).unwrap();
    world.pass(Duration::from_millis(700));
    world.moderate(hand("bob", true)).unwrap();
    world.moderate(hand("ada", true)).unwrap();
    let since = |world: &World, who| shown(world, who, HAND_ATTRIBUTE).unwrap().parse::<i64>().unwrap();
    assert_eq!(since(&world, "ada"), 1_800_000_000_000, "raised again it keeps its place");
    assert_eq!(since(&world, "bob"), 1_800_000_000_700);
    assert!(
        world
            .updates(&bob)
            .iter()
            .any(|info| info.sid == ada.sid.as_str() && !info.attributes.is_empty())
    );
    world.moderate(hand("ada", false)).unwrap();
    assert_eq!(shown(&world, "ada", HAND_ATTRIBUTE), None);
    let hands: Vec<_> = world.event_names().into_iter().filter(|name| name.starts_with("hand")).collect();
    assert_eq!(hands, ["hand_raised", "hand_raised", "hand_lowered"]);
}

#[test]
fn a_hand_is_not_carried_into_another_session() {
    let mut world = World::new();
    let ada = world.join("ada");
    world.moderate(hand("ada", true)).unwrap();
    world.moderate(role("ada", "pupil", Rights::default())).unwrap();
    let claims = world.tokens.last().unwrap().1.clone();
    assert_eq!(claims.attributes, HashMap::from([(ROLE_ATTRIBUTE.to_owned(), "pupil".to_owned())]));
    world.says(&ada, signal_request::Message::Leave(Default::default()));
    let mut arrival = world.arrival("ada", SignalVersion::V1);
    arrival.grants.attributes = HashMap::from([(HAND_ATTRIBUTE.to_owned(), "1".to_owned())]);
    world.enter(arrival).unwrap();
    assert_eq!(shown(&world, "ada", HAND_ATTRIBUTE), None);
}

#[test]
fn a_host_of_one_room_is_nobody_in_the_next() {
    let mut world = World::new();
    world.join("ada");
    world.moderate(role("ada", "host", HOST)).unwrap();
    world
        .moderate(Moderation::MoveParticipant { identity: "ada".into(), to: Box::default(), others: Vec::new() })
        .unwrap();
    let (_, claims, _) = world.moves.last().unwrap();
    assert_eq!((claims.rights, claims.attributes.len()), (Rights::default(), 0));
}

#[test]
fn muting_all_spares_those_who_moderate() {
    let mut world = World::new();
    let [ada, bob, eve] = ["ada", "bob", "eve"].map(|who| world.join(who));
    world.moderate(role("ada", "host", HOST)).unwrap();
    let [host, guest, spared] = [&ada, &bob, &eve].map(|who| world.publish(who, microphone("m")));
    let picture = world.publish(&bob, camera("c"));
    world.moderate(Moderation::MuteAll { except: vec!["eve".into()] }).unwrap();
    assert_eq!(world.muted, BTreeSet::from([guest]));
    assert!(!world.muted.contains(&host) && !world.muted.contains(&spared) && !world.muted.contains(&picture));
    let told = world.heard(&bob, |message| match message {
        signal_response::Message::Mute(mute) => Some(mute.muted),
        _ => None,
    });
    assert_eq!(told, [true]);
}

#[test]
fn a_muted_person_is_asked_to_unmute_and_decides_itself() {
    let mut world = World::new();
    let (ada, bob) = (world.join_as("ada", "participant"), world.join_as("bob", "participant"));
    let track = world.publish(&ada, microphone("m"));
    let ask =
        |identity: &str| Moderation::AskToUnmute { identity: identity.into(), track: track.clone(), by: "host".into() };
    world.moderate(ask("ada")).unwrap();
    assert!(world.notices(&ada, "unmute_request").is_empty(), "it is not muted");
    world.moderate(Moderation::MuteAll { except: Vec::new() }).unwrap();
    world.moderate(ask("ada")).unwrap();
    let asked = serde_json::json!({
        "type": "unmute_request", "track_sid": track.as_str(), "source": "microphone", "by": "host",
    });
    assert_eq!(world.notices(&ada, "unmute_request"), [asked]);
    assert!(world.notices(&bob, "unmute_request").is_empty());
    assert!(world.muted.contains(&track));
    assert_eq!(world.moderate(ask("bob")), Err(ModerationError::NotFound), "the track is another's");
}

#[test]
fn what_was_taken_after_a_role_was_given_stays_taken() {
    let mut world = World::new();
    world.join("ada");
    world.moderate(role("ada", "pupil", Rights::default())).unwrap();
    let permission = ParticipantPermission { can_publish: false, ..permission() };
    let (identity, attributes) = ("ada".to_owned(), HashMap::new());
    world
        .moderate(Moderation::UpdateParticipant {
            identity,
            name: None,
            metadata: None,
            attributes,
            permission: Some(permission),
        })
        .unwrap();
    world.join("ada");
    let now = world.room.participant("ada").unwrap();
    assert!(!now.permission.unwrap().can_publish, "with its old token");
    assert_eq!(world.room.role_of("ada"), Some("pupil"));
}

/// Somebody who came by an account, with a token signed then.
fn by_account(world: &mut World, identity: &str, signed_at_s: u64) -> Option<Client> {
    let mut arrival = world.arrival(identity, SignalVersion::V1);
    (arrival.grants.rights, arrival.grants.signed_at_s) = (HOST, signed_at_s);
    let said = [(USER_ATTRIBUTE, "u1"), (ROLE_ATTRIBUTE, "therapist")];
    arrival.grants.attributes = said.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    world.enter(arrival)
}

fn away(identity: &str, keep_out: bool) -> Moderation {
    Moderation::RemoveParticipant { identity: identity.into(), revoke_before_s: None, keep_out }
}

#[test]
fn a_role_holds_for_the_next_identity_of_the_same_account() {
    let mut world = World::new();
    let now_s = u64::try_from(world.now.unix_ms / 1000).unwrap();
    by_account(&mut world, "phone", 1).unwrap();
    by_account(&mut world, "laptop", 1).unwrap();
    assert_eq!(world.room.role_given_to("u1"), None);
    world.moderate(role("laptop", "patient", Rights::default())).unwrap();
    assert_eq!((world.room.role_given_to("u1"), world.room.role_given_to("u2")), (Some("patient"), None));
    assert!(!world.room.still_moderates("spare", Some("u1"), 1));
    assert!(world.room.still_moderates("spare", Some("u2"), 1) && world.room.still_moderates("spare", None, 1));
    by_account(&mut world, "spare", 1).unwrap();
    assert_eq!(
        (world.room.role_of("spare"), world.room.rights_of("spare")),
        (Some("patient"), Some(Rights::default()))
    );
    // Whom a host sees beside it is somebody else to the host.
    by_account(&mut world, "phone", 1).unwrap();
    assert_eq!(world.room.role_of("phone"), Some("therapist"));
    by_account(&mut world, "later", now_s + 1).unwrap();
    assert_eq!(world.room.role_of("later"), Some("therapist"), "who signs tokens has the last word");
}

#[test]
fn who_is_sent_away_does_not_come_back_under_another_identity_with_an_old_token() {
    let mut world = World::new();
    let now_s = u64::try_from(world.now.unix_ms / 1000).unwrap();
    let phone = by_account(&mut world, "phone", 1).unwrap();
    by_account(&mut world, "laptop", 1).unwrap();
    world.moderate(role("laptop", "host", HOST)).unwrap();
    world.moderate(away("laptop", false)).unwrap();
    assert_eq!(world.room.role_given_to("u1"), Some(""), "nor is it what it was made here");
    assert_eq!((world.room.account_of("laptop"), world.room.account_of("nobody")), (Some("u1"), None));
    assert!(!world.room.still_moderates("spare", Some("u1"), now_s));
    assert_eq!(by_account(&mut world, "spare", now_s), None);
    assert!(by_account(&mut world, "spare", now_s + 1).is_some());
    world.resume(&phone);
    let phone = by_account(&mut world, "phone", 1).expect("who was sent away is one of two");

    // For good it is the person.
    assert_eq!(world.room.identities_of("u1"), ["laptop", "phone", "spare"].map(str::to_owned).into());
    world.moderate(away("laptop", true)).unwrap();
    assert_eq!(world.farewell(&phone).map(|(why, _)| why), Some(DisconnectReason::ParticipantRemoved));
    assert_eq!(world.room.occupancy(), 0);
    assert_eq!(by_account(&mut world, "phone", now_s), None);
}
