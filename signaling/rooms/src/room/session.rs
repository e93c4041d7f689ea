//! How the session goes through its states, and who hears of it.

use livekit_protocol::DisconnectReason;

use super::RoomState;
use crate::log::RoomEventKind;
use crate::notice::Notice;
use crate::session::Presence;
use crate::{Now, SessionState};

impl RoomState {
    /// Where the session stands.
    #[must_use]
    pub fn session_state(&self) -> SessionState {
        self.session
    }

    /// Something has happened: is the session where it was?
    pub(super) fn settle_session(&mut self, now: Now) {
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        let lost = std::mem::take(&mut self.lost_somebody);
        let next = self.session.next(self.presence(), lost);
        self.enter_session_state(next, now);
    }

    pub(super) fn enter_session_state(&mut self, next: SessionState, now: Now) {
        let from = std::mem::replace(&mut self.session, next);
        if from != next {
            self.log(RoomEventKind::SessionChanged { from, to: next }, now);
            self.notify(&Notice::Session(next), |_| true);
        }
    }

    /// Somebody left. If it did not mean to, the session may have failed.
    pub(super) fn note_loss(&mut self, reason: DisconnectReason) {
        self.lost_somebody |= matches!(
            reason,
            DisconnectReason::SignalClose
                | DisconnectReason::ConnectionTimeout
                | DisconnectReason::MediaFailure
                | DisconnectReason::JoinFailure
        );
    }

    pub(super) fn presence(&self) -> Presence {
        let mut presence = Presence { recorded: !self.recordings.is_empty(), ..Presence::default() };
        for participant in self.participants.values() {
            if participant.is_recorder() {
                presence.recorded |= participant.active;
            } else if participant.visible() {
                // A guest is connected elsewhere, or it would not be here.
                let is_connected = participant.connection.is_some() || participant.guest.is_some();
                presence.people += 1;
                presence.reached += usize::from(participant.active && is_connected);
                presence.broken += usize::from(participant.active && !is_connected);
            }
        }
        presence
    }
}
