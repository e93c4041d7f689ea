//! Participants that are in two rooms: telling the other room of ours, and showing those of others.

use std::collections::BTreeMap;

use livekit_protocol::{
    DisconnectReason, JoinRequest, ParticipantUpdate, TrackInfo, participant_info, signal_response,
};

use super::{ModerationError, RoomState, TOKEN_REFRESH};
use crate::effect::MediaCommand;
use crate::forward::{FORWARDS, Forward, ForwardId, Guest, Portrait};
use crate::log::RoomEventKind;
use crate::participant::Participant;
use crate::publication::Publication;
use crate::role::without_reserved;
use crate::text::cut_name;
use crate::{Arrival, ConnectionId, Effect, Grants, Now, ParticipantSid, SignalVersion, TrackSid};

impl RoomState {
    // The participant's own room.

    /// From now on another room hears of a participant, under this number.
    pub(super) fn forward(&mut self, identity: &str, forward: ForwardId) -> Result<(), ModerationError> {
        let Some(participant) = self.identities.get(identity).and_then(|sid| self.participants.get(sid)) else {
            return Err(ModerationError::NotFound);
        };
        if !participant.visible() {
            return Err(ModerationError::NotAllowed("nobody may know of a hidden participant"));
        }
        if self.forwards.len() >= FORWARDS {
            return Err(ModerationError::TooMany("forwarded participants"));
        }
        self.forwards
            .insert(forward, Forward { participant: participant.sid.clone(), told: None });
        Ok(())
    }

    /// Tells other rooms what has changed. Looked at after everything that happens rather than wherever something
    /// might change, so that nothing can be forgotten.
    pub(super) fn tell_forwards(&mut self) {
        let (participants, speakers, effects) = (&self.participants, &self.speakers, &mut self.effects);
        self.forwards.retain(|forward, Forward { participant, told }| {
            let Some(participant) = participants.get(participant).filter(|participant| participant.visible()) else {
                effects.push(Effect::ForwardOver { forward: *forward });
                return false;
            };
            let (revision, level) = (participant.revision, speakers.level(&participant.sid));
            let is_told = told.as_ref().is_some_and(|(told, told_level, audience)| {
                (*told, *told_level) == (revision, level) && *audience == participant.audience
            });
            if !is_told {
                let audience = participant.audience.clone();
                *told = Some((revision, level, audience.clone()));
                let portrait = Box::new(Portrait { info: participant.info(), audience, level });
                effects.push(Effect::Forward { forward: *forward, portrait });
            }
            true
        });
    }

    // The other room.

    /// Whether who bears this identity here is of another room.
    pub(super) fn is_guest(&self, identity: &str) -> bool {
        let bearer = self.identities.get(identity).and_then(|sid| self.participants.get(sid));
        bearer.is_some_and(|participant| participant.guest.is_some())
    }

    /// Somebody of another room is to be here, too.
    pub(super) fn admit_guest(
        &mut self,
        forward: ForwardId,
        portrait: &Portrait,
        now: Now,
    ) -> Result<(), ModerationError> {
        let info = &portrait.info;
        if self.identities.contains_key(&info.identity) {
            return Err(ModerationError::NotAllowed("somebody of that identity is in the destination room"));
        }
        if self.kept_out.contains(&info.identity) {
            return Err(ModerationError::NotAllowed("that identity is kept out of the destination room"));
        }
        if self.guests.len() >= FORWARDS {
            return Err(ModerationError::TooMany("forwarded participants"));
        }
        let sid = self.sids.participant();
        let grants = Grants {
            identity: info.identity.clone(),
            kind: participant_info::Kind::try_from(info.kind).unwrap_or_default(),
            ..Grants::default()
        };
        // No arrival brought it; what there is of one is nothing.
        let connection = ConnectionId(0);
        let arrival = Arrival { connection, version: SignalVersion::V1, grants, request: JoinRequest::default() };
        let mut guest = Participant::new(sid.clone(), &arrival, now.unix_ms, now.at + TOKEN_REFRESH);
        (guest.connection, guest.active) = (None, true);
        guest.guest = Some(Guest { forward, tracks: BTreeMap::new() });
        portray(&mut guest, portrait);
        let info = guest.info();
        self.identities.insert(guest.identity.clone(), sid.clone());
        self.participants.insert(sid.clone(), guest);
        self.guests.insert(forward, sid.clone());
        self.unsettled = true;
        let update = ParticipantUpdate { participants: vec![info.clone()] };
        self.broadcast(signal_response::Message::Update(update), |_| true);
        self.log(RoomEventKind::ParticipantJoined { participant: info.clone() }, now);
        self.log(RoomEventKind::ParticipantActive { participant: info }, now);
        self.note_room_change(now);
        self.show_tracks(&sid, portrait, now);
        Ok(())
    }

    /// A guest is as its own room says now. One that was sent away here meanwhile stays away.
    pub(super) fn handle_guest_changed(&mut self, forward: ForwardId, portrait: &Portrait, now: Now) {
        let Some(sid) = self.guests.get(&forward).cloned() else { return };
        let Some(guest) = self.participants.get_mut(&sid) else { return };
        let before = guest.info();
        let has_new_audience = guest.audience != portrait.audience;
        portray(guest, portrait);
        if guest.info() != before {
            self.announce(&sid);
        }
        self.show_tracks(&sid, portrait, now);
        if has_new_audience {
            let tracks = self.participants.get(&sid).map(|guest| guest.tracks.keys().cloned().collect::<Vec<_>>());
            tracks.into_iter().flatten().for_each(|track| self.reconcile_track(&track));
        }
    }

    /// The other side of a forward is no more: who was forwarded has left, or is a guest no longer.
    pub(super) fn handle_forward_over(&mut self, forward: ForwardId, now: Now) {
        self.forwards.remove(&forward);
        if let Some(guest) = self.guests.get(&forward).cloned() {
            self.remove(&guest, DisconnectReason::ClientInitiated, None, now);
        }
    }

    /// Somebody left. A guest has nothing at the media plane but its tracks; its own room hears of it.
    pub(super) fn withdraw_media(&mut self, participant: &Participant) {
        let Some(Guest { forward, .. }) = participant.guest else {
            return self.media(MediaCommand::RemoveParticipant { participant: participant.sid.clone() });
        };
        for track in participant.tracks.keys() {
            self.media(MediaCommand::RemoveTrack { track: track.clone() });
        }
        self.guests.remove(&forward);
        self.effects.push(Effect::ForwardOver { forward });
    }

    /// Brings a guest's tracks, and how loud it is, to what its own room says.
    fn show_tracks(&mut self, sid: &ParticipantSid, portrait: &Portrait, now: Now) {
        let Some(guest) = self.participants.get_mut(sid) else { return };
        let Some(known) = guest.guest.as_mut() else { return };
        let tracks = &portrait.info.tracks;
        let is_there = |of: &TrackSid| tracks.iter().any(|track| track.sid == of.as_str());
        let gone: Vec<_> = known.tracks.extract_if(.., |_, of| !is_there(of)).map(|(track, _)| track).collect();
        let mut is_news = false;
        let mut new = Vec::new();
        for track in tracks {
            let Some(here) = known.here(&track.sid) else {
                new.push(track);
                continue;
            };
            let info = TrackInfo { sid: here.to_string(), ..track.clone() };
            if let Some(publication) = guest.tracks.get_mut(here).filter(|publication| publication.info != info) {
                publication.info = info;
                is_news = true;
            }
        }
        if is_news {
            self.announce(sid);
        }
        gone.iter().for_each(|track| self.unpublish(track, true, now));
        new.into_iter().for_each(|track| self.show_track(sid, track, now));
        let changes = self.speakers.relay(sid, portrait.level);
        self.tell_speakers(changes);
    }

    /// A guest has a new track.
    fn show_track(&mut self, sid: &ParticipantSid, of: &TrackInfo, now: Now) {
        let track = self.sids.track(of.r#type(), of.source());
        let Some(participant) = self.participants.get_mut(sid) else { return };
        let Some(guest) = participant.guest.as_mut() else { return };
        let (forward, original) = (guest.forward, TrackSid::from(of.sid.as_str()));
        guest.tracks.insert(track.clone(), original.clone());
        let info = TrackInfo { sid: track.to_string(), ..of.clone() };
        participant.tracks.insert(track.clone(), Publication::of_guest(info.clone()));
        self.publishers.insert(track.clone(), sid.clone());
        self.effects
            .push(Effect::Borrow { forward, guest: sid.clone(), track: track.clone(), of: original });
        self.announce(sid);
        if let Some(participant) = self.participants.get(sid).map(Participant::info) {
            self.log(RoomEventKind::TrackPublished { participant, track: info }, now);
        }
        self.note_room_change(now);
        self.reconcile_track(&track);
    }
}

/// What others see of a guest, but for its tracks. What it is in its own room (host, hand up) it is there.
fn portray(guest: &mut Participant, Portrait { info, audience, .. }: &Portrait) {
    guest.name = cut_name(&info.name);
    guest.metadata.clone_from(&info.metadata);
    guest.attributes = without_reserved(&info.attributes);
    guest.permission = info.permission.clone().unwrap_or_default();
    guest.audience = audience.clone();
}
