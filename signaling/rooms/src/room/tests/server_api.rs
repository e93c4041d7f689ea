//! What a back end does to a room, and what its people see of it.

use livekit_protocol::signal_response as told;
use livekit_protocol::{DataPacket, RpcAck, RpcResponse, data_packet::Value, participant_info, rpc_response};
use prost::Message;

use super::*;
use crate::Rights;

fn packet(value: Value) -> Vec<u8> {
    DataPacket { value: Some(value), ..Default::default() }.encode_to_vec()
}

fn update(identity: &str, permission: ParticipantPermission) -> Moderation {
    Moderation::UpdateParticipant {
        identity: identity.into(),
        name: None,
        metadata: None,
        attributes: Default::default(),
        permission: Some(permission),
    }
}

fn state(info: &ParticipantInfo) -> participant_info::State {
    info.state()
}

#[test]
fn who_was_sent_away_comes_back_with_a_newer_token_only() {
    let mut world = World::new();
    let ada = world.join("ada");
    let now_s = u64::try_from(world.now.unix_ms / 1000).unwrap();
    world
        .moderate(Moderation::RemoveParticipant { identity: "ada".into(), revoke_before_s: None, keep_out: false })
        .unwrap();
    assert!(!world.is_open(&ada));

    for signed_at_s in [0, now_s] {
        let mut arrival = world.arrival("ada", SignalVersion::V1);
        arrival.grants.signed_at_s = signed_at_s;
        assert!(world.enter(arrival).is_none(), "signed at {signed_at_s}");
    }
    assert_eq!(world.resume(&ada).sid, ada.sid);
    assert_eq!(world.room.occupancy(), 0, "nor by the way of a resume");
    let mut arrival = world.arrival("ada", SignalVersion::V1);
    arrival.grants.signed_at_s = now_s + 1;
    assert!(world.enter(arrival).is_some());
    assert_eq!(world.join("bob").identity, "bob", "others are not concerned");
}

#[test]
fn a_back_end_may_say_since_when_tokens_count() {
    let mut world = World::new();
    world.join("ada");
    world
        .moderate(Moderation::RemoveParticipant { identity: "ada".into(), revoke_before_s: Some(100), keep_out: false })
        .unwrap();
    for (signed_at_s, enters) in [(99, false), (100, true)] {
        let mut arrival = world.arrival("ada", SignalVersion::V1);
        arrival.grants.signed_at_s = signed_at_s;
        assert_eq!(world.enter(arrival).is_some(), enters);
    }
}

#[test]
fn the_memory_of_those_sent_away_is_bounded() {
    let mut world = World::new();
    for n in 0..2000 {
        let identity = format!("guest {n}");
        world.join(&identity);
        world
            .moderate(Moderation::RemoveParticipant { identity, revoke_before_s: Some(n + 1), keep_out: false })
            .unwrap();
    }
    let arrival = world.arrival("guest 1999", SignalVersion::V1);
    assert!(world.enter(arrival).is_none());
    assert_eq!(world.room.revoked.len(), 1024);
}

#[test]
fn hiding_somebody_is_a_farewell_to_others_and_showing_a_welcome() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let track = world.publish(&ada, camera("c"));
    assert!(world.receives(&bob, &track));
    world
        .moderate(update("ada", ParticipantPermission { hidden: true, ..permission() }))
        .unwrap();
    let last = world.updates(&bob).pop().unwrap();
    assert_eq!((last.identity.as_str(), state(&last)), ("ada", participant_info::State::Disconnected));
    assert!(!world.receives(&bob, &track), "media of nobody is not forwarded");
    assert!(world.media_tracks.contains_key(&track), "its publisher goes on");
    assert_eq!(world.room.info().num_participants, 1);
    let own = world.updates(&ada).pop().unwrap();
    assert_eq!((own.identity.as_str(), state(&own)), ("ada", participant_info::State::Active));

    world.moderate(update("ada", permission())).unwrap();
    let last = world.updates(&bob).pop().unwrap();
    assert_eq!((state(&last), last.tracks.len()), (participant_info::State::Active, 1));
    assert!(world.receives(&bob, &track));
}

#[test]
fn sources_taken_away_end_those_tracks_alone() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let (picture, sound) = (world.publish(&ada, camera("c")), world.publish(&ada, microphone("m")));
    let sources = vec![TrackSource::Microphone as i32];
    world
        .moderate(update("ada", ParticipantPermission { can_publish_sources: sources, ..permission() }))
        .unwrap();
    assert!(!world.media_tracks.contains_key(&picture) && world.receives(&bob, &sound));
    world
        .moderate(update("bob", ParticipantPermission { can_subscribe: false, ..permission() }))
        .unwrap();
    assert!(!world.receives(&bob, &sound));
    world.moderate(update("bob", permission())).unwrap();
    assert!(world.receives(&bob, &sound), "and begins again where it is given back");
}

#[test]
fn only_who_muted_a_microphone_opens_it() {
    let mut world = World::new();
    let ada = world.join("ada");
    let track = world.publish(&ada, microphone("m"));
    let mute = |muted| Moderation::MuteTrack { identity: "ada".into(), track: track.clone(), muted };
    world.moderate(mute(true)).unwrap();
    assert!(world.muted.contains(&track));
    assert!(matches!(world.moderate(mute(false)), Err(ModerationError::NotAllowed(_))));
    assert!(world.muted.contains(&track));

    let mut world = World::with(|config| config.remote_unmute = true);
    let ada = world.join("ada");
    let track = world.publish(&ada, microphone("m"));
    for muted in [true, false] {
        world
            .moderate(Moderation::MuteTrack { identity: "ada".into(), track: track.clone(), muted })
            .unwrap();
    }
    assert!(!world.muted.contains(&track));
}

#[test]
fn recorders_and_agents_take_no_place_and_keep_no_room() {
    let mut world = World::with(|config| config.max_participants = 1);
    let dependent = |world: &mut World, identity: &str, kind| {
        let mut arrival = world.arrival(identity, SignalVersion::V1);
        arrival.grants.kind = kind;
        world.enter(arrival)
    };
    dependent(&mut world, "agent", participant_info::Kind::Agent).unwrap();
    let ada = world.join("ada");
    assert!(dependent(&mut world, "recorder", participant_info::Kind::Egress).is_some());
    assert!(world.room.info().active_recording);
    let arrival = world.arrival("bob", SignalVersion::V1);
    assert!(world.enter(arrival).is_none(), "a person finds no place");
    world.says(&ada, signal_request::Message::Leave(LeaveRequest::default()));
    world.pass(Duration::from_secs(21));
    assert!(world.finished, "they do not stay among themselves");
}

#[test]
fn settings_change_while_the_room_is_open() {
    let mut world = World::new();
    let ada = world.join("ada");
    let change = Moderation::Reconfigure {
        empty_timeout: None,
        departure_timeout: Some(Duration::from_secs(60)),
        max_participants: Some(1),
        metadata: Some("lesson".into()),
    };
    world.moderate(change).unwrap();
    let arrival = world.arrival("bob", SignalVersion::V1);
    assert!(world.enter(arrival).is_none());
    let info = world.room.info();
    assert_eq!((info.empty_timeout, info.departure_timeout, info.max_participants), (300, 60, 1));
    let rooms = world.heard(&ada, |message| match message {
        told::Message::RoomUpdate(update) => Some(update.room.clone().unwrap().metadata),
        _ => None,
    });
    assert_eq!(rooms, ["lesson"]);
    world.says(&ada, signal_request::Message::Leave(LeaveRequest::default()));
    world.pass(Duration::from_secs(59));
    assert!(!world.finished);
    world.pass(Duration::from_secs(2));
    assert!(world.finished);
}

#[test]
fn who_is_moved_is_told_where_and_may_do_there_what_it_may_here() {
    let mut world = World::new();
    let mut arrival = world.arrival("ada", SignalVersion::V1);
    arrival.grants.rights = Rights { room_admin: true, room_list: true, ..Default::default() };
    let (ada, bob) = (world.enter(arrival).unwrap(), world.join("bob"));
    let to = Room { name: "physics".into(), ..Default::default() };
    let others = vec![ParticipantInfo { identity: "eve".into(), ..Default::default() }];
    world
        .moderate(Moderation::MoveParticipant { identity: "ada".into(), to: Box::new(to), others })
        .unwrap();
    let (connection, claims, moved) = world.moves.pop().unwrap();
    assert_eq!((connection, claims.identity.as_str()), (ada.connection, "ada"));
    assert_eq!(
        claims.rights,
        Rights { room_list: true, ..Default::default() },
        "to moderate that room is another's to grant"
    );
    assert_eq!(moved.room.unwrap().name, "physics");
    assert_eq!(moved.other_participants[0].identity, "eve");
    assert_eq!(world.farewell(&ada).unwrap().1, leave_request::Action::Reconnect, "it joins there anew");
    let last = world.updates(&bob).pop().unwrap();
    assert_eq!((last.identity.as_str(), state(&last)), ("ada", participant_info::State::Disconnected));

    world.lose(&bob);
    let away = Moderation::MoveParticipant { identity: "bob".into(), to: Box::default(), others: Vec::new() };
    assert!(matches!(world.moderate(away), Err(ModerationError::NotAllowed(_))), "nobody could tell him");
    assert_eq!(world.resume(&bob).sid, bob.sid);
    assert_eq!(world.room.occupancy(), 1);
}

fn call(world: &mut World, number: u64, identity: &str) -> Result<(), ModerationError> {
    world.moderate(Moderation::PerformRpc {
        call: number,
        identity: identity.into(),
        method: "greet".into(),
        payload: "hello".into(),
        timeout: Duration::from_secs(10),
    })
}

#[test]
fn a_procedure_is_called_and_answers() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    call(&mut world, 1, "ada").unwrap();
    let (to, channel, payload) = world.data.pop().unwrap();
    assert_eq!((to.as_slice(), channel), (std::slice::from_ref(&ada.sid), DataChannel::Reliable));
    let Some(Value::RpcRequest(request)) = DataPacket::decode(&payload[..]).unwrap().value else { panic!("a request") };
    assert_eq!((request.method.as_str(), request.payload.as_str()), ("greet", "hello"));

    let answer = |text: &str| {
        packet(Value::RpcResponse(RpcResponse {
            request_id: request.id.clone(),
            value: Some(rpc_response::Value::Payload(text.into())),
        }))
    };
    let says = |world: &mut World, who: &Client, payload: Vec<u8>| {
        let channel = DataChannel::Reliable;
        world.media(MediaEvent::Data { participant: who.sid.clone(), channel, payload });
    };
    says(&mut world, &bob, answer("forged"));
    assert!(world.answers.is_empty(), "only the one who was asked answers");
    says(&mut world, &ada, packet(Value::RpcAck(RpcAck { request_id: request.id.clone() })));
    world.pass(Duration::from_secs(8));
    world.data.clear();
    says(&mut world, &ada, answer("hi"));
    assert_eq!(world.answers, [(1, Ok("hi".into()))]);
    assert!(world.data.is_empty(), "nobody else hears it");
}

#[test]
fn a_call_that_is_not_answered_ends() {
    let mut world = World::new();
    let ada = world.join("ada");
    call(&mut world, 1, "ada").unwrap();
    world.pass(Duration::from_secs(8));
    assert_eq!(world.answers.pop().unwrap().1.unwrap_err().code, 1501, "not even acknowledged");

    call(&mut world, 2, "ada").unwrap();
    let ack = packet(Value::RpcAck(RpcAck { request_id: "RPC_2".into() }));
    world.media(MediaEvent::Data { participant: ada.sid.clone(), channel: DataChannel::Reliable, payload: ack });
    world.pass(Duration::from_secs(9));
    assert!(world.answers.is_empty());
    world.pass(Duration::from_secs(2));
    assert_eq!(world.answers.pop().unwrap().1.unwrap_err().code, 1502);

    call(&mut world, 3, "ada").unwrap();
    world.says(&ada, signal_request::Message::Leave(LeaveRequest::default()));
    let (number, outcome) = world.answers.pop().unwrap();
    assert_eq!((number, outcome.unwrap_err().code), (3, 1503));
    assert_eq!(call(&mut world, 4, "ada"), Err(ModerationError::NotFound));
}

#[test]
fn calls_that_wait_are_bounded() {
    let mut world = World::new();
    world.join("ada");
    let refused = (0..300).filter(|number| call(&mut world, *number, "ada").is_err()).count();
    assert_eq!(refused, 300 - crate::calls::CALLS);
}
