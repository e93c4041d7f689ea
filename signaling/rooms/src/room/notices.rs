//! Who is told what on the server's own topic.

use super::{ModerationError, RoomState};
use crate::effect::{DataChannel, MediaCommand};
use crate::notice::Notice;
use crate::participant::Participant;
use crate::{ParticipantSid, TrackSid};

impl RoomState {
    /// To everybody who knows of notices, whose media is up, and of whom `to` is true. The others are told what holds
    /// when it comes up.
    pub(super) fn notify(&mut self, notice: &Notice<'_>, to: impl Fn(&Participant) -> bool) {
        let receivers = self.participants.values();
        let receivers = receivers.filter(|one| one.is_reachable() && one.knows_notices() && to(one));
        let to: Vec<_> = receivers.map(|participant| participant.sid.clone()).collect();
        if !to.is_empty() {
            let payload = notice.packet().into();
            self.media(MediaCommand::SendData { to, channel: DataChannel::Reliable, payload });
        }
    }

    /// What holds, for somebody who has come, or come back.
    pub(super) fn greet(&mut self, sid: &ParticipantSid) {
        let is_it = |participant: &Participant| participant.sid == *sid;
        self.notify(&Notice::Entry(self.config.entry), is_it);
        self.notify(&Notice::Session(self.session), is_it);
        self.tell_lobby_to(is_it);
    }

    /// Those who moderate hear how many wait.
    pub(super) fn tell_lobby(&mut self) {
        self.tell_lobby_to(|_| true);
    }

    pub(super) fn tell_lobby_to(&mut self, to: impl Fn(&Participant) -> bool) {
        let waiting = self.lobby.waiting().len();
        self.notify(&Notice::Lobby { waiting }, |participant| participant.moderates() && to(participant));
    }

    pub(super) fn ask_to_unmute(
        &mut self,
        sid: &ParticipantSid,
        track: &TrackSid,
        by: &str,
    ) -> Result<(), ModerationError> {
        let publication = self.participants.get(sid).and_then(|participant| participant.tracks.get(track));
        let publication = publication.ok_or(ModerationError::NotFound)?;
        if publication.info.muted {
            let source = publication.info.source();
            self.notify(&Notice::UnmuteRequest { track, source, by }, |participant| participant.sid == *sid);
        }
        Ok(())
    }
}
