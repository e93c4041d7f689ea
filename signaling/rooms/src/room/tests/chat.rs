//! Chat on its way through a room, and from outside.

use livekit_protocol::data_stream::{Chunk, Header, TextHeader, Trailer, header::ContentHeader};
use livekit_protocol::{DataPacket, UserPacket, data_packet::Value};
use prost::Message;

use super::*;
use crate::ChatPost;

/// The packets of a message as livekit-client sends it to clients of every age.
pub(super) fn stream(id: &str, text: &str) -> [Value; 3] {
    let header = Header {
        stream_id: id.into(),
        topic: "lk.chat".into(),
        mime_type: "text/plain".into(),
        content_header: Some(ContentHeader::TextHeader(TextHeader::default())),
        ..Header::default()
    };
    let (stream_id, content) = (id.to_owned(), text.as_bytes().to_vec());
    let chunk = Chunk { stream_id: stream_id.clone(), content, ..Chunk::default() };
    let trailer = Trailer { stream_id, ..Trailer::default() };
    [Value::StreamHeader(header), Value::StreamChunk(chunk), Value::StreamTrailer(trailer)]
}

fn sends(world: &mut World, who: &Client, value: Value, to: &[&str]) {
    let destination_identities = to.iter().map(ToString::to_string).collect();
    let packet = DataPacket { value: Some(value), destination_identities, ..DataPacket::default() };
    let (participant, channel) = (who.sid.clone(), DataChannel::Reliable);
    world.media(MediaEvent::Data { participant, channel, payload: packet.encode_to_vec() });
}

fn writes(world: &mut World, who: &Client, id: &str, text: &str) {
    for value in stream(id, text) {
        sends(world, who, value, &[]);
    }
}

/// Id, identity, name and text of what the log heard.
fn heard(world: &World) -> Vec<(&str, &str, &str, Option<&str>)> {
    let messages = world.events.iter().filter_map(|event| match &event.kind {
        RoomEventKind::ChatMessage { id, identity, name, text, .. } => {
            Some((id.as_str(), identity.as_str(), name.as_str(), text.as_deref()))
        }
        _ => None,
    });
    messages.collect()
}

fn post(id: &str, text: &str) -> Moderation {
    let message = ChatPost { id: id.into(), identity: "tutor".into(), name: "Tutor".into(), text: text.into() };
    Moderation::PostChat { message }
}

#[test]
fn what_people_write_to_everybody_is_in_the_log_and_reaches_them_as_it_was() {
    let mut world = World::with(|config| config.keeps_chat = true);
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    writes(&mut world, &ada, "m1", "hello");
    assert_eq!(heard(&world), [("m1", "ada", "ADA", Some("hello"))]);
    assert_eq!(world.data.len(), 3);
    assert!(world.data.iter().all(|(to, _, _)| *to == std::slice::from_ref(&bob.sid)));

    let mut forgetful = World::new();
    let ada = forgetful.join("ada");
    writes(&mut forgetful, &ada, "m1", "hello");
    assert_eq!(heard(&forgetful), [("m1", "ada", "ADA", None)]);
}

#[test]
fn what_is_said_to_one_is_not_in_the_log() {
    let mut world = World::with(|config| config.keeps_chat = true);
    let (ada, _bob) = (world.join("ada"), world.join("bob"));
    for value in stream("m1", "psst") {
        sends(&mut world, &ada, value, &["bob"]);
    }
    assert_eq!(heard(&world), []);
    assert_eq!(world.data.len(), 3);
}

#[test]
fn streams_of_two_people_do_not_mix_and_one_who_may_not_speak_is_not_heard() {
    let mut world = World::with(|config| config.keeps_chat = true);
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    for (one, other) in stream("same", "from ada").into_iter().zip(stream("same", "from bob")) {
        sends(&mut world, &ada, one, &[]);
        sends(&mut world, &bob, other, &[]);
    }
    let texts: Vec<_> = heard(&world).iter().map(|(_, who, _, text)| (*who, text.unwrap())).collect();
    assert_eq!(texts, [("ada", "from ada"), ("bob", "from bob")]);

    let mut arrival = world.arrival("eve", SignalVersion::V1);
    arrival.grants.permission.can_publish_data = false;
    let eve = world.enter(arrival).unwrap();
    writes(&mut world, &eve, "m", "me too");
    assert_eq!(heard(&world).len(), 2);
}

#[test]
fn who_is_hidden_writes_without_a_name() {
    let mut world = World::with(|config| config.keeps_chat = true);
    world.join("ada");
    let mut arrival = world.arrival("ghost", SignalVersion::V1);
    arrival.grants.permission.hidden = true;
    let ghost = world.enter(arrival).unwrap();
    writes(&mut world, &ghost, "m1", "boo");
    assert_eq!(heard(&world), [("m1", "", "", Some("boo"))]);
}

#[test]
fn what_a_back_end_posts_comes_as_a_text_stream_to_everybody() {
    let mut world = World::with(|config| config.keeps_chat = true);
    let (ada, bob) = (world.join("ada"), world.join_as("bob", "participant"));
    let text = "wasser ".repeat(2200) + "über";
    world.moderate(post("p1", &text)).unwrap();
    let packets = world.data.iter().map(|(to, channel, packet)| {
        assert_eq!((to.as_slice(), *channel), (&[ada.sid.clone(), bob.sid.clone()][..], DataChannel::Reliable));
        DataPacket::decode(&packet[..]).unwrap()
    });
    let mut read = String::new();
    let (mut begun, mut ended) = (0, 0);
    for packet in packets {
        assert_eq!(packet.participant_identity, "tutor");
        match packet.value.unwrap() {
            Value::StreamHeader(header) => {
                assert_eq!((header.topic.as_str(), header.stream_id.as_str()), ("lk.chat", "p1"));
                assert_eq!(header.total_length, Some(text.len() as u64));
                begun += 1;
            }
            Value::StreamChunk(chunk) => read.push_str(std::str::from_utf8(&chunk.content).unwrap()),
            Value::StreamTrailer(_) => ended += 1,
            other => panic!("{other:?} is no part of a stream"),
        }
    }
    assert_eq!((begun, ended), (1, 1));
    assert_eq!(read, text);
    assert_eq!(heard(&world), [("p1", "tutor", "Tutor", Some(text.as_str()))]);

    for bad in [post("", "x"), post("p", ""), post("p", &"x".repeat(16 * 1024 + 1)), post("a\nb", "x")] {
        assert!(matches!(world.moderate(bad), Err(ModerationError::Invalid(_))));
    }
    world.moderate(Moderation::DeleteChat { id: "p1".into() }).unwrap();
    assert_eq!(world.notices(&bob, "chat_deleted"), [serde_json::json!({ "type": "chat_deleted", "id": "p1" })]);
}

#[test]
fn nobody_speaks_as_the_server() {
    let mut world = World::new();
    world.join_as("ada", "participant");
    let mut arrival = world.arrival("ghost", SignalVersion::V1);
    arrival.grants.permission.hidden = true;
    let ghost = world.enter(arrival).unwrap();
    let before = world.notices.len();
    let forged = UserPacket { topic: Some("sluice.room".into()), payload: b"{}".to_vec(), ..UserPacket::default() };
    sends(&mut world, &ghost, Value::User(forged.clone()), &[]);
    let packet = DataPacket { value: Some(Value::User(forged)), ..DataPacket::default() };
    let by_api = Moderation::SendData { channel: DataChannel::Reliable, payload: packet.encode_to_vec() };
    assert!(matches!(world.moderate(by_api), Err(ModerationError::Invalid(_))));
    assert_eq!(world.notices.len(), before);
}
