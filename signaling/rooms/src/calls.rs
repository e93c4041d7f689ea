//! Procedure calls that the server makes to participants: which of them wait, and whose answers count.
//!
//! Knows the protocol of calls over data packets (`RpcRequest`, `RpcAck`, `RpcResponse`), not how packets travel.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use livekit_protocol::{DataPacket, RpcError, RpcRequest, RpcResponse, data_packet::Value, rpc_response};
use prost::Message;

use crate::ParticipantSid;

/// Who calls, as the participant sees it. SDKs drop a request from nobody.
const CALLER: &str = "server";
/// Calls of a room that may wait: each holds its caller's connection open.
pub(crate) const CALLS: usize = 256;
/// Longest argument and answer, as in the SDKs.
pub(crate) const PAYLOAD_BYTES: usize = 15 * 1024;
/// A client that lives says that it got a call within this time (two round trips over a bad network).
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(7);
/// Calls over data packets; the second version is one over streams.
const VERSION: u32 = 1;

/// Why a call failed, with the codes of the SDKs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    NoAcknowledgement,
    NoAnswer,
    Gone,
    AnswerTooLarge,
    Unreadable,
}

impl From<Failure> for RpcError {
    fn from(failure: Failure) -> Self {
        let (code, message) = match failure {
            Failure::NoAcknowledgement => (1501, "Connection timeout"),
            Failure::NoAnswer => (1502, "Response timeout"),
            Failure::Gone => (1503, "Recipient disconnected"),
            Failure::AnswerTooLarge => (1504, "Response payload too large"),
            Failure::Unreadable => (1500, "Application error in method handler"),
        };
        Self { code, message: message.into(), data: String::new() }
    }
}

#[derive(Debug)]
struct Call {
    to: ParticipantSid,
    acknowledged: bool,
    /// When it fails unless it was acknowledged.
    acknowledge_by: Instant,
    /// When it fails unless it was answered.
    answer_by: Instant,
}

/// Calls that wait, by number.
#[derive(Debug, Default)]
pub(crate) struct Calls(BTreeMap<u64, Call>);

/// What a data packet was to the calls.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// Nothing: it is for somebody else.
    Nothing,
    /// An acknowledgement.
    Acknowledgement,
    /// The end of a call.
    Answer(u64, Result<String, RpcError>),
}

impl Calls {
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= CALLS
    }

    /// Notes a call; the packet to send, and when to ask for [`Self::time_out`].
    pub(crate) fn begin(
        &mut self,
        number: u64,
        to: &ParticipantSid,
        (method, payload): (String, String),
        timeout: Duration,
        now: Instant,
    ) -> (Vec<u8>, Instant) {
        let answer_by = now + timeout;
        let acknowledge_by = answer_by.min(now + ACKNOWLEDGED_WITHIN);
        self.0
            .insert(number, Call { to: to.clone(), acknowledged: false, acknowledge_by, answer_by });
        let request = RpcRequest {
            id: id(number),
            method,
            payload,
            response_timeout_ms: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
            version: VERSION,
            ..Default::default()
        };
        let packet = DataPacket {
            participant_identity: CALLER.into(),
            value: Some(Value::RpcRequest(request)),
            ..Default::default()
        };
        (packet.encode_to_vec(), acknowledge_by)
    }

    /// Reads a packet from a participant. An answer counts from the one who was called only.
    pub(crate) fn hear(&mut self, from: &ParticipantSid, packet: &[u8]) -> Heard {
        if self.0.is_empty() {
            return Heard::Nothing;
        }
        match DataPacket::decode(packet).map(|packet| packet.value) {
            Ok(Some(Value::RpcAck(ack))) => match self.find(from, &ack.request_id) {
                Some((_, call)) => {
                    call.acknowledged = true;
                    Heard::Acknowledgement
                }
                None => Heard::Nothing,
            },
            Ok(Some(Value::RpcResponse(response))) => match self.find(from, &response.request_id) {
                Some((number, _)) => {
                    self.0.remove(&number);
                    Heard::Answer(number, outcome(response))
                }
                None => Heard::Nothing,
            },
            _ => Heard::Nothing,
        }
    }

    fn find(&mut self, from: &ParticipantSid, request_id: &str) -> Option<(u64, &mut Call)> {
        let number = request_id.strip_prefix(ID_PREFIX)?.parse().ok()?;
        self.0.get_mut(&number).filter(|call| call.to == *from).map(|call| (number, call))
    }

    /// Time has passed for a call: it has failed, or waits until the time given.
    pub(crate) fn time_out(&mut self, number: u64, now: Instant) -> Option<Result<Instant, Failure>> {
        let call = self.0.get(&number)?;
        let (by, failure) = match call.acknowledged {
            false => (call.acknowledge_by, Failure::NoAcknowledgement),
            true => (call.answer_by, Failure::NoAnswer),
        };
        if by > now {
            return Some(Ok(by));
        }
        self.0.remove(&number);
        Some(Err(failure))
    }

    /// Ends the calls to those of whom `whose` is true; their numbers.
    pub(crate) fn end(&mut self, whose: impl Fn(&ParticipantSid) -> bool) -> Vec<u64> {
        let ended: Vec<_> = self.0.iter().filter(|(_, call)| whose(&call.to)).map(|(number, _)| *number).collect();
        ended.iter().for_each(|number| drop(self.0.remove(number)));
        ended
    }
}

const ID_PREFIX: &str = "RPC_";

fn id(number: u64) -> String {
    format!("{ID_PREFIX}{number}")
}

fn outcome(response: RpcResponse) -> Result<String, RpcError> {
    match response.value {
        Some(rpc_response::Value::Payload(payload)) if payload.len() > PAYLOAD_BYTES => {
            Err(Failure::AnswerTooLarge.into())
        }
        Some(rpc_response::Value::Payload(payload)) => Ok(payload),
        Some(rpc_response::Value::Error(error)) => Err(error),
        // Compressed answers are for callers of the second version.
        Some(rpc_response::Value::CompressedPayload(_)) | None => Err(Failure::Unreadable.into()),
    }
}
