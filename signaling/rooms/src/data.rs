//! Data packets on their way through: stamped with their true sender, addressed, kept for a while.
//!
//! A packet is stamped on the wire: its fields are walked and copied, the sender's are replaced. What it
//! carries (chat, RPC, streams, encrypted payloads, kinds not invented yet) is never decoded, so it arrives
//! as it was sent.

use std::collections::VecDeque;
use std::sync::Arc;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};

use crate::notice::TOPIC;
use crate::{DataChannel, ParticipantSid};

/// Largest data packet relayed. SDKs cut at 15 KB, WebRTC's common message size is 64 KiB.
const PACKET_BYTES: usize = 128 * 1024;

// Field numbers of `DataPacket` and `UserPacket` (livekit_models.proto).
const KIND: u32 = 1;
const USER: u32 = 2;
const SPEAKER: u32 = 3;
const IDENTITY: u32 = 4;
const DESTINATIONS: u32 = 5;
const METRICS: u32 = 8;
const SEQUENCE: u32 = 16;
const SID: u32 = 17;
const USER_SID: u32 = 1;
const USER_DESTINATION_SIDS: u32 = 3;
const USER_TOPIC: u32 = 4;
const USER_IDENTITY: u32 = 5;
const USER_DESTINATIONS: u32 = 6;

/// Why a data packet was not relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    /// Over the size a room relays.
    #[error("the data packet is too large")]
    TooLarge,
    /// Not an encoded `DataPacket`.
    #[error("the data packet cannot be read")]
    Malformed,
}

impl From<prost::DecodeError> for StampError {
    fn from(_: prost::DecodeError) -> Self {
        Self::Malformed
    }
}

/// A stamped packet and whom it is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    /// The packet to send.
    pub bytes: Vec<u8>,
    /// Identities it is for; with no sids either: everybody else.
    pub identities: Vec<String>,
    /// Participant sids it is for (old SDKs).
    pub sids: Vec<String>,
    /// The sender's number of it, 0 for none (lossy packets have none).
    pub sequence: u32,
    /// Measurements for observers: only participants with `can_subscribe_metrics` get it.
    pub metrics: bool,
    /// Speaker updates are the server's to send: nobody gets it.
    pub forged_speakers: bool,
    /// The topic is the server's: nobody gets it.
    pub forged_notice: bool,
}

/// One field as it stands on the wire.
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    wire_type: WireType,
    /// Key and value.
    whole: &'a [u8],
    /// For length-delimited fields the content, else the value.
    pub(crate) value: &'a [u8],
}

/// Takes the next field off the front.
pub(crate) fn next_field<'a>(rest: &mut &'a [u8]) -> Result<Option<Field<'a>>, StampError> {
    let start = *rest;
    if start.is_empty() {
        return Ok(None);
    }
    let (number, wire_type) = decode_key(rest)?;
    let after_key = *rest;
    match wire_type {
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(rest)?).map_err(|_| StampError::Malformed)?;
            let value = rest.get(..length).ok_or(StampError::Malformed)?;
            *rest = &rest[length..];
            Ok(Some(Field { number, wire_type, whole: &start[..start.len() - rest.len()], value }))
        }
        WireType::StartGroup | WireType::EndGroup => Err(StampError::Malformed),
        WireType::Varint | WireType::ThirtyTwoBit | WireType::SixtyFourBit => {
            skip_field(wire_type, number, rest, DecodeContext::default())?;
            let value = &after_key[..after_key.len() - rest.len()];
            Ok(Some(Field { number, wire_type, whole: &start[..start.len() - rest.len()], value }))
        }
    }
}

fn text(field: &Field<'_>) -> Result<String, StampError> {
    if field.wire_type != WireType::LengthDelimited {
        return Err(StampError::Malformed);
    }
    std::str::from_utf8(field.value).map(str::to_owned).map_err(|_| StampError::Malformed)
}

fn put_bytes(number: u32, value: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

fn put_text(number: u32, value: &str, out: &mut Vec<u8>) {
    if !value.is_empty() {
        put_bytes(number, value.as_bytes(), out);
    }
}

/// Replaces whatever a packet says of its sender by the truth, and reads whom it is for.
///
/// `identity` and `sid` are empty for a hidden sender. The old fields inside a user packet are kept in step
/// for old SDKs.
///
/// # Errors
/// [`StampError`] when the packet is too large or not a packet.
pub fn stamp(packet: &[u8], sid: &str, identity: &str, channel: DataChannel) -> Result<Envelope, StampError> {
    if packet.len() > PACKET_BYTES {
        return Err(StampError::TooLarge);
    }
    let mut envelope = Envelope::default();
    let mut bytes = Vec::with_capacity(packet.len() + 2 * (sid.len() + identity.len()) + 16);
    // A field that repeats is one message, its parts joined (protobuf's rule): what is added is added once, or
    // thousands of empty parts would each be blown up by sender and receivers.
    let mut user: Option<Vec<u8>> = None;
    let mut user_identities = Vec::new();
    let mut rest = packet;
    while let Some(field) = next_field(&mut rest)? {
        match field.number {
            KIND | IDENTITY | SID => continue,
            DESTINATIONS => {
                envelope.identities.push(text(&field)?);
                continue;
            }
            USER => {
                if field.wire_type != WireType::LengthDelimited {
                    return Err(StampError::Malformed);
                }
                let part = stamp_user(field.value, &mut envelope, &mut user_identities)?;
                user.get_or_insert_default().extend(part);
                continue;
            }
            SEQUENCE => {
                let mut value = field.value;
                #[expect(clippy::cast_possible_truncation, reason = "protobuf's own rule for a uint32 field")]
                let sequence = decode_varint(&mut value)? as u32;
                envelope.sequence = sequence;
            }
            METRICS => envelope.metrics = true,
            SPEAKER => envelope.forged_speakers = true,
            _ => {}
        }
        bytes.extend_from_slice(field.whole);
    }
    if envelope.identities.is_empty() {
        envelope.identities = user_identities;
    }
    if channel == DataChannel::Lossy {
        encode_key(KIND, WireType::Varint, &mut bytes);
        encode_varint(1, &mut bytes);
    }
    put_text(IDENTITY, identity, &mut bytes);
    for destination in &envelope.identities {
        put_bytes(DESTINATIONS, destination.as_bytes(), &mut bytes);
    }
    if let Some(mut user) = user {
        put_text(USER_SID, sid, &mut user);
        put_text(USER_IDENTITY, identity, &mut user);
        for destination in &envelope.identities {
            put_bytes(USER_DESTINATIONS, destination.as_bytes(), &mut user);
        }
        put_bytes(USER, &user, &mut bytes);
    }
    put_text(SID, sid, &mut bytes);
    envelope.bytes = bytes;
    Ok(envelope)
}

/// The user packet without its sender and receivers; those it names are noted.
fn stamp_user(packet: &[u8], envelope: &mut Envelope, identities: &mut Vec<String>) -> Result<Vec<u8>, StampError> {
    let mut bytes = Vec::with_capacity(packet.len());
    let mut rest = packet;
    while let Some(field) = next_field(&mut rest)? {
        match field.number {
            USER_SID | USER_IDENTITY => {}
            USER_DESTINATIONS => identities.push(text(&field)?),
            USER_DESTINATION_SIDS => {
                envelope.sids.push(text(&field)?);
                bytes.extend_from_slice(field.whole);
            }
            USER_TOPIC => {
                envelope.forged_notice |= field.value == TOPIC.as_bytes();
                bytes.extend_from_slice(field.whole);
            }
            _ => bytes.extend_from_slice(field.whole),
        }
    }
    Ok(bytes)
}

/// Reliable packets a participant sent last, for receivers that come back and missed some.
///
/// A resume takes seconds, so a short memory is enough: when it is full the oldest goes, and who was away
/// longer than it lasts has lost a message, as with a full reconnect.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    kept: VecDeque<Kept>,
    bytes: usize,
    /// Number of the last packet taken; a lower one is a repetition.
    last: u32,
}

#[derive(Debug)]
struct Kept {
    sequence: u32,
    to: Vec<ParticipantSid>,
    payload: Arc<[u8]>,
}

/// Packets kept for each sender: at the pace of a file transfer (15 KB each) this is the byte bound below,
/// at the pace of chat it is minutes.
const KEPT_PACKETS: usize = 128;
/// Bytes kept for each sender.
const KEPT_BYTES: usize = 256 * 1024;

impl Replay {
    /// Number of the last packet taken from the sender.
    pub(crate) fn last_sequence(&self) -> u32 {
        self.last
    }

    /// Whether a packet with this number is new. Numbers grow; a client that resumes sends again what it
    /// does not know to have arrived.
    pub(crate) fn is_new(&self, sequence: u32) -> bool {
        sequence == 0 || sequence > self.last
    }

    /// Remembers a packet that was relayed.
    pub(crate) fn keep(&mut self, sequence: u32, to: &[ParticipantSid], payload: &Arc<[u8]>) {
        if sequence == 0 {
            return;
        }
        self.last = sequence;
        self.bytes += payload.len();
        self.kept.push_back(Kept { sequence, to: to.to_vec(), payload: payload.clone() });
        while self.kept.len() > KEPT_PACKETS || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.payload.len();
        }
    }

    /// What the receiver was sent after the packet numbered `last_seen`.
    pub(crate) fn missed(&self, receiver: &ParticipantSid, last_seen: u32) -> impl Iterator<Item = Arc<[u8]>> {
        self.kept
            .iter()
            .filter(move |kept| kept.sequence > last_seen && kept.to.contains(receiver))
            .map(|kept| kept.payload.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, deprecated, reason = "a test that cannot unwrap has failed; old fields are checked")]

    use livekit_protocol::{ChatMessage, DataPacket, UserPacket, data_packet::Value};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn user(payload: &[u8]) -> DataPacket {
        DataPacket {
            participant_identity: "mallory".into(),
            participant_sid: "PA_mallory".into(),
            sequence: 7,
            value: Some(Value::User(UserPacket {
                participant_sid: "PA_mallory".into(),
                participant_identity: "mallory".into(),
                payload: payload.to_vec(),
                topic: Some("t".into()),
                ..Default::default()
            })),
            ..Default::default()
        }
    }

    #[test]
    fn nobody_sends_in_another_name() {
        let envelope = stamp(&user(b"hi").encode_to_vec(), "PA_ada", "ada", DataChannel::Reliable).unwrap();
        let packet = DataPacket::decode(&envelope.bytes[..]).unwrap();
        assert_eq!((packet.participant_identity.as_str(), packet.participant_sid.as_str()), ("ada", "PA_ada"));
        assert_eq!((packet.sequence, envelope.sequence), (7, 7));
        let Some(Value::User(user)) = packet.value else { unreachable!("a user packet went in") };
        assert_eq!((user.participant_identity.as_str(), user.participant_sid.as_str()), ("ada", "PA_ada"));
        assert_eq!((user.payload.as_slice(), user.topic.as_deref()), (&b"hi"[..], Some("t")));
    }

    #[test]
    fn a_hidden_sender_has_no_name_and_cannot_take_one() {
        let envelope = stamp(&user(b"hi").encode_to_vec(), "", "", DataChannel::Reliable).unwrap();
        let packet = DataPacket::decode(&envelope.bytes[..]).unwrap();
        assert_eq!((packet.participant_identity.as_str(), packet.participant_sid.as_str()), ("", ""));
        let Some(Value::User(user)) = packet.value else { unreachable!("a user packet went in") };
        assert_eq!((user.participant_identity.as_str(), user.participant_sid.as_str()), ("", ""));
    }

    #[test]
    fn old_and_new_ways_to_name_receivers_are_kept_in_step() {
        let mut packet = user(b"x");
        if let Some(Value::User(user)) = &mut packet.value {
            user.destination_identities = vec!["bob".into()];
            user.destination_sids = vec!["PA_eve".into()];
        }
        let envelope = stamp(&packet.encode_to_vec(), "PA_ada", "ada", DataChannel::Lossy).unwrap();
        assert_eq!(envelope.identities, ["bob"]);
        assert_eq!(envelope.sids, ["PA_eve"]);
        let sent = DataPacket::decode(&envelope.bytes[..]).unwrap();
        assert_eq!(sent.destination_identities, ["bob"]);
        assert_eq!(sent.kind, 1);
    }

    #[test]
    fn nobody_speaks_as_the_server() {
        let mut packet = user(b"{}");
        assert!(!stamp(&packet.encode_to_vec(), "", "", DataChannel::Reliable).unwrap().forged_notice);
        if let Some(Value::User(user)) = &mut packet.value {
            user.topic = Some(TOPIC.into());
        }
        let mut bytes = packet.encode_to_vec();
        assert!(stamp(&bytes, "", "", DataChannel::Reliable).unwrap().forged_notice);
        // In two parts, the topic in the first.
        put_bytes(USER, &[], &mut bytes);
        assert!(stamp(&bytes, "", "", DataChannel::Reliable).unwrap().forged_notice);
    }

    #[test]
    fn what_nobody_invented_yet_arrives_as_sent() {
        let mut bytes = user(b"x").encode_to_vec();
        put_bytes(900, b"from the future", &mut bytes);
        let envelope = stamp(&bytes, "PA_ada", "ada", DataChannel::Reliable).unwrap();
        assert!(envelope.bytes.windows(15).any(|window| window == b"from the future"));
    }

    #[test]
    fn replay_gives_each_receiver_what_it_missed_and_forgets_the_oldest() {
        let (bob, eve) = (ParticipantSid::from("PA_bob"), ParticipantSid::from("PA_eve"));
        let mut replay = Replay::default();
        for sequence in 1..=200 {
            assert!(replay.is_new(sequence));
            replay.keep(sequence, std::slice::from_ref(&bob), &Arc::from([0_u8; 4].as_slice()));
        }
        assert!(!replay.is_new(200));
        assert_eq!(replay.missed(&bob, 198).count(), 2);
        assert_eq!(replay.missed(&bob, 0).count(), KEPT_PACKETS);
        assert_eq!(replay.missed(&eve, 0).count(), 0);
        replay.keep(201, std::slice::from_ref(&bob), &Arc::from(vec![0_u8; KEPT_BYTES].as_slice()));
        assert_eq!(replay.missed(&bob, 0).count(), 1);
    }

    #[test]
    fn many_empty_user_parts_do_not_blow_a_packet_up() {
        let packet: Vec<u8> = [0x12, 0x00].repeat(20_000);
        let stamped = stamp(&packet, "PA_sender", &"i".repeat(200), DataChannel::Reliable).unwrap();
        assert!(stamped.bytes.len() < 1_000, "{}", stamped.bytes.len());
    }

    proptest! {
        #[test]
        fn any_bytes_are_stamped_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(envelope) = stamp(&bytes, "PA_ada", "ada", DataChannel::Reliable)
                && let Ok(packet) = DataPacket::decode(&envelope.bytes[..])
            {
                prop_assert_eq!(packet.participant_identity, "ada");
                prop_assert_eq!(packet.participant_sid, "PA_ada");
            }
        }

        #[test]
        fn a_stamped_packet_differs_in_its_sender_only(
            text in ".{0,40}",
            sequence in any::<u32>(),
            to in prop::collection::vec("[a-z]{1,8}", 0..4),
        ) {
            let packet = DataPacket {
                sequence,
                destination_identities: to.clone(),
                participant_identity: "mallory".into(),
                value: Some(Value::ChatMessage(ChatMessage { message: text, ..Default::default() })),
                ..Default::default()
            };
            let envelope = stamp(&packet.encode_to_vec(), "PA_ada", "ada", DataChannel::Reliable).unwrap();
            let sent = DataPacket::decode(&envelope.bytes[..]).unwrap();
            let mut expected = packet;
            expected.participant_identity = "ada".into();
            expected.participant_sid = "PA_ada".into();
            prop_assert_eq!(sent, expected);
            prop_assert_eq!(envelope.identities, to);
            prop_assert_eq!(envelope.sequence, sequence);
        }
    }
}
