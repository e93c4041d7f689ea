//! The way in: who waits, who decides, what is locked.

use super::{ModerationError, RoomState, Timer};
use crate::lobby::{Knocked, LobbyOutcome, Standing, Waiting};
use crate::log::RoomEventKind;
use crate::notice::Notice;
use crate::text::{cut_name, valid_identity, valid_key};
use crate::{Entry, Now};

impl RoomState {
    /// How people get in.
    #[must_use]
    pub fn entry(&self) -> Entry {
        self.config.entry
    }

    /// Who waits to be let in, in the order they came.
    #[must_use]
    pub fn waiting(&self) -> &[Waiting] {
        self.lobby.waiting()
    }

    /// Where a ticket stands.
    #[must_use]
    pub fn standing_of(&self, ticket: &str) -> Standing {
        self.lobby.standing_of(ticket)
    }

    pub(super) fn knock(
        &mut self,
        ticket: &str,
        identity: String,
        name: &str,
        now: Now,
    ) -> Result<(), ModerationError> {
        if !valid_key(ticket) || !valid_identity(&identity) {
            return Err(ModerationError::Invalid("not a ticket, or not an identity"));
        }
        if self.kept_out.contains(&identity) {
            return Err(ModerationError::NotAllowed("who was sent away for good does not come back"));
        }
        if self.config.entry.locked && self.lobby.standing_of(ticket) == Standing::Gone {
            return Err(ModerationError::NotAllowed("the room is locked"));
        }
        let name = cut_name(name);
        match self.lobby.knock(ticket.to_owned(), identity.clone(), name.clone(), now) {
            Knocked::Known => return Ok(()),
            Knocked::Full => return Err(ModerationError::TooMany("people who wait already")),
            Knocked::Waits => {}
        }
        self.log(RoomEventKind::LobbyJoined { identity, name }, now);
        if self.config.entry.is_free() {
            return self.decide(ticket, LobbyOutcome::Admitted, now);
        }
        self.tell_lobby();
        self.wake_for_lobby();
        Ok(())
    }

    /// Somebody's waiting is over.
    pub(super) fn decide(&mut self, ticket: &str, outcome: LobbyOutcome, now: Now) -> Result<(), ModerationError> {
        let Waiting { identity, name, .. } =
            self.lobby.decide(ticket, outcome, now).ok_or(ModerationError::NotFound)?;
        self.log(RoomEventKind::LobbyLeft { identity, name, outcome }, now);
        self.tell_lobby();
        self.wake_for_lobby();
        Ok(())
    }

    /// Nobody of this identity comes in: not who waits, nor who was let in and is not here yet.
    pub(super) fn refuse_all_of(&mut self, identity: &str, now: Now) {
        let waiting = self.lobby.waiting().iter().filter(|waiting| waiting.identity == identity);
        for ticket in waiting.map(|waiting| waiting.ticket.clone()).collect::<Vec<_>>() {
            let _ = self.decide(&ticket, LobbyOutcome::Refused, now);
        }
        self.lobby.disown(identity);
    }

    pub(super) fn set_entry(&mut self, locked: Option<bool>, lobby: Option<bool>, now: Now) {
        let before = self.config.entry;
        let entry = Entry { lobby: lobby.unwrap_or(before.lobby), locked: locked.unwrap_or(before.locked) };
        if entry == before {
            return;
        }
        self.config.entry = entry;
        self.log(RoomEventKind::EntryChanged { entry }, now);
        self.notify(&Notice::Entry(entry), |_| true);
        if entry.is_free() {
            let waiting = self.lobby.waiting().iter().map(|waiting| waiting.ticket.clone());
            for ticket in waiting.collect::<Vec<_>>() {
                let _ = self.decide(&ticket, LobbyOutcome::Admitted, now);
            }
        }
    }

    /// Who has not asked for long is gone.
    pub(super) fn watch_lobby(&mut self, now: Now) {
        self.lobby_at = None;
        for ticket in self.lobby.overdue(now.at) {
            let _ = self.decide(&ticket, LobbyOutcome::Gone, now);
        }
        self.wake_for_lobby();
    }

    /// The room ends.
    pub(super) fn close_lobby(&mut self, now: Now) {
        for Waiting { identity, name, .. } in self.lobby.clear() {
            self.log(RoomEventKind::LobbyLeft { identity, name, outcome: LobbyOutcome::Gone }, now);
        }
    }

    fn wake_for_lobby(&mut self) {
        let Some(at) = self.lobby.next_deadline() else { return };
        // Deadlines only move back: a timer that is set fires in time for all.
        if self.lobby_at.is_none_or(|set| at < set) {
            self.lobby_at = Some(at);
            self.timers.insert((at, Timer::Lobby));
        }
    }
}
