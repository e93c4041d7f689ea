//! Faults on request: SDK test suites ask for them to see themselves recover. A client can only hurt itself.

use std::time::Duration;

use livekit_protocol::{
    DisconnectReason, LeaveRequest, SimulateScenario, SpeakerInfo, leave_request, signal_response, simulate_scenario,
};

use super::{RoomState, Timer};
use crate::{Effect, Now, ParticipantSid};

/// A simulated fault of the next resume is forgotten after this time (as in LiveKit).
const FAULT_WINDOW: Duration = Duration::from_secs(5);
/// Resumes that end before an answer: SDKs retry a few times on their own.
const BREAKS_BEFORE_ANSWER: u8 = 3;
/// Longest simulated speech.
const SPEECH_MAX_S: u64 = 30;

impl RoomState {
    pub(super) fn handle_simulate(&mut self, sid: &ParticipantSid, scenario: SimulateScenario, now: Now) {
        use simulate_scenario::Scenario;
        let Some(participant) = self.participants.get_mut(sid) else { return };
        match scenario.scenario {
            Some(Scenario::SpeakerUpdate(seconds)) => {
                let seconds = u64::try_from(seconds).unwrap_or(0).min(SPEECH_MAX_S);
                let until = now.at + Duration::from_secs(seconds);
                participant.simulated.speaks_until = Some(until);
                self.timers.insert((until, Timer::EndOfSimulatedSpeech(sid.clone())));
                self.tell_speakers(vec![SpeakerInfo { sid: sid.to_string(), level: 0.9, active: true }]);
            }
            Some(Scenario::ServerLeave(_)) => {
                self.remove(sid, DisconnectReason::ServerShutdown, Some(leave_request::Action::Disconnect), now);
            }
            Some(Scenario::LeaveRequestFullReconnect(_)) => {
                self.remove(sid, DisconnectReason::UnknownReason, Some(leave_request::Action::Reconnect), now);
            }
            // As when the node dies: the connection breaks, and nobody knows the session any more.
            Some(Scenario::NodeFailure(_)) => self.remove(sid, DisconnectReason::UnknownReason, None, now),
            // As when the session goes on at another node: the client is told to come back for it. The
            // connection is left to the client to close; ended from here as well, SDKs take it for a second
            // fault and give the session up.
            Some(Scenario::Migration(_)) => {
                let leave = LeaveRequest {
                    can_reconnect: true,
                    reason: DisconnectReason::Migration as i32,
                    action: leave_request::Action::Resume as i32,
                    regions: None,
                };
                self.send(sid, signal_response::Message::Leave(leave));
            }
            Some(Scenario::DisconnectSignalOnResume(_)) => {
                participant.simulated.close_on_resume = Some(now.at + FAULT_WINDOW);
            }
            Some(Scenario::DisconnectSignalOnResumeNoMessages(_)) => {
                participant.simulated.close_before_resume = Some((now.at + FAULT_WINDOW, BREAKS_BEFORE_ANSWER));
            }
            // Other transports than UDP, and an artificial bandwidth, are not this server's to simulate yet.
            Some(Scenario::SwitchCandidateProtocol(_) | Scenario::SubscriberBandwidth(_)) | None => {}
        }
    }

    /// Closes a participant's signal connection as if the network had.
    pub(super) fn break_signal(&mut self, sid: &ParticipantSid, now: Now) {
        if let Some(connection) = self.participants.get(sid).and_then(|participant| participant.connection) {
            self.effects.push(Effect::Close { connection });
            self.handle_signal_lost(connection, now);
        }
    }

    /// Whether this resume shall break before an answer.
    pub(super) fn closes_before_resume(&mut self, sid: &ParticipantSid, now: Now) -> bool {
        let Some(participant) = self.participants.get_mut(sid) else { return false };
        match participant.simulated.close_before_resume {
            Some((until, times)) if now.at < until && times > 0 => {
                participant.simulated.close_before_resume = Some((until, times - 1));
                true
            }
            _ => false,
        }
    }

    /// Whether this resume shall break right after its answers.
    pub(super) fn closes_on_resume(&mut self, sid: &ParticipantSid, now: Now) -> bool {
        let fault = self
            .participants
            .get_mut(sid)
            .and_then(|participant| participant.simulated.close_on_resume.take());
        fault.is_some_and(|until| now.at < until)
    }

    pub(super) fn end_simulated_speech(&mut self, sid: &ParticipantSid, now: Now) {
        let Some(participant) = self.participants.get_mut(sid) else { return };
        if participant.simulated.speaks_until.is_some_and(|until| until <= now.at) {
            participant.simulated.speaks_until = None;
            self.tell_speakers(vec![SpeakerInfo { sid: sid.to_string(), level: 0.0, active: false }]);
        }
    }
}
