//! Procedure calls of the server API: sent as data packets, answered by them.

use std::time::Duration;

use livekit_protocol::RpcError;

use super::{ModerationError, RoomState, Timer};
use crate::calls::{Failure, Heard, PAYLOAD_BYTES};
use crate::effect::{DataChannel, MediaCommand};
use crate::{Effect, Now, ParticipantSid};

impl RoomState {
    pub(super) fn perform_rpc(
        &mut self,
        call: u64,
        to: &ParticipantSid,
        (method, payload): (String, String),
        timeout: Duration,
        now: Now,
    ) -> Result<(), ModerationError> {
        if payload.len() > PAYLOAD_BYTES {
            return Err(ModerationError::Invalid("the payload is larger than 15 KiB"));
        }
        if self.calls.is_full() {
            return Err(ModerationError::TooMany("calls that wait for their answer"));
        }
        let (packet, wake_at) = self.calls.begin(call, to, (method, payload), timeout, now.at);
        self.timers.insert((wake_at, Timer::Rpc(call)));
        let (to, channel) = (vec![to.clone()], DataChannel::Reliable);
        self.media(MediaCommand::SendData { to, channel, payload: packet.into() });
        Ok(())
    }

    /// True when the packet was an answer to the server, and so for nobody else.
    pub(super) fn take_rpc_answer(&mut self, from: &ParticipantSid, packet: &[u8]) -> bool {
        match self.calls.hear(from, packet) {
            Heard::Nothing => false,
            Heard::Acknowledgement => true,
            Heard::Answer(call, outcome) => {
                self.effects.push(Effect::RpcAnswered { call, outcome });
                true
            }
        }
    }

    pub(super) fn time_out_call(&mut self, call: u64, now: Now) {
        match self.calls.time_out(call, now.at) {
            Some(Ok(later)) => drop(self.timers.insert((later, Timer::Rpc(call)))),
            Some(Err(failure)) => self.fail_call(call, failure),
            None => {}
        }
    }

    pub(super) fn end_calls(&mut self, whose: impl Fn(&ParticipantSid) -> bool) {
        for call in self.calls.end(whose) {
            self.fail_call(call, Failure::Gone);
        }
    }

    fn fail_call(&mut self, call: u64, failure: Failure) {
        self.effects.push(Effect::RpcAnswered { call, outcome: Err(RpcError::from(failure)) });
    }
}
