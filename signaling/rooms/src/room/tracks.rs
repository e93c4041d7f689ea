//! Publishing: announced, live, muted, gone.

use livekit_protocol::{
    AddTrackRequest, MuteTrackRequest, RequestResponse, TrackPublishedResponse, TrackUnpublishedResponse,
    request_response, signal_response,
};

use super::RoomState;
use crate::effect::MediaCommand;
use crate::log::RoomEventKind;
use crate::participant::Participant;
use crate::publication::Publication;
use crate::{Now, ParticipantSid, TrackSid};

/// Announcements that may wait for their media section. LiveKit's bound; a client announces a few at a time.
const PENDING_TRACKS: usize = 20;
/// Tracks one participant may publish at once, pending ones included.
const TRACKS: usize = 32;

impl RoomState {
    pub(super) fn handle_add_track(&mut self, publisher: &ParticipantSid, request: &AddTrackRequest) {
        let Some(participant) = self.participants.get_mut(publisher) else { return };
        let of_known = participant.tracks.get_mut(&TrackSid::from(request.sid.as_str()));
        if let Some(expected) = of_known.and_then(|track| track.announce_backup(request)) {
            self.media(MediaCommand::ExpectTrack { participant: publisher.clone(), expected });
        }
        let Some(participant) = self.participants.get(publisher) else { return };
        if let Some(known) = known_announcement(participant.tracks.values(), request) {
            let answer = TrackPublishedResponse { cid: request.cid.clone(), track: Some(known.info.clone()) };
            return self.send(publisher, signal_response::Message::TrackPublished(answer));
        }
        let pending = participant.tracks.values().filter(|track| !track.live).count();
        let refusal = if !participant.may_publish(request.source) {
            Some(request_response::Reason::NotAllowed)
        } else if pending >= PENDING_TRACKS || participant.tracks.len() >= TRACKS {
            Some(request_response::Reason::LimitExceeded)
        } else {
            None
        };
        let sids = &mut self.sids;
        let announced = match refusal {
            Some(refusal) => Err(refusal),
            None => Publication::announce(request, |kind, source| sids.track(kind, source)),
        };
        let (publication, expected) = match announced {
            Ok(announced) => announced,
            Err(reason) => {
                let refusal = RequestResponse {
                    reason: reason as i32,
                    request: Some(request_response::Request::AddTrack(request.clone())),
                    ..Default::default()
                };
                return self.send(publisher, signal_response::Message::RequestResponse(refusal));
            }
        };

        let (track, muted) = (expected.track.clone(), publication.info.muted);
        let answer = TrackPublishedResponse { cid: request.cid.clone(), track: Some(publication.info.clone()) };
        let Some(participant) = self.participants.get_mut(publisher) else { return };
        participant.tracks.insert(track.clone(), publication);
        self.publishers.insert(track.clone(), publisher.clone());
        self.media(MediaCommand::ExpectTrack { participant: publisher.clone(), expected });
        if muted {
            self.media(MediaCommand::MuteTrack { track, muted });
        }
        self.send(publisher, signal_response::Message::TrackPublished(answer));
    }

    /// Mutes or unmutes; true when the participant has such a track. Tells the publisher when it is not the
    /// one who asked.
    pub(super) fn set_muted(&mut self, publisher: &ParticipantSid, track: &str, muted: bool, by_server: bool) -> bool {
        let found = self
            .participants
            .get_mut(publisher)
            .filter(|participant| participant.guest.is_none())
            .and_then(|participant| participant.tracks.get_mut(track));
        let Some(publication) = found else { return false };
        if publication.info.muted == muted {
            return true;
        }
        publication.info.muted = muted;
        let live = publication.live;
        self.media(MediaCommand::MuteTrack { track: track.into(), muted });
        if by_server {
            let request = MuteTrackRequest { sid: track.to_owned(), muted };
            self.send(publisher, signal_response::Message::Mute(request));
        }
        if live {
            self.announce(publisher);
        }
        true
    }

    /// A track met its media section: from now on others know of it.
    pub(super) fn handle_track_added(
        &mut self,
        publisher: &ParticipantSid,
        track: &TrackSid,
        (mid, mime_type, simulcast): (&str, &str, bool),
        now: Now,
    ) {
        let Some(participant) = self.participants.get_mut(publisher) else { return };
        let Some(publication) = participant.tracks.get_mut(track) else { return };
        let was_live = publication.live;
        let codec_before = publication.info.mime_type.clone();
        publication.bind(mid, mime_type, simulcast);
        let info = publication.info.clone();
        let is_new_codec = !was_live || info.mime_type != codec_before;
        self.announce(publisher);
        if is_new_codec {
            // The media plane may have said what is wanted before the codec was known.
            self.tell_layers_wanted(publisher, track);
        }
        if !was_live {
            if let Some(participant) = self.participants.get(publisher).map(Participant::record) {
                self.log(RoomEventKind::TrackPublished { participant, track: info }, now);
            }
            self.note_room_change(now);
            self.reconcile_track(track);
        }
    }

    /// The second codec of a track met its section, or the client stopped sending it.
    pub(super) fn handle_backup_section(&mut self, publisher: &ParticipantSid, track: &TrackSid, mid: Option<&str>) {
        let Some(participant) = self.participants.get_mut(publisher) else { return };
        let Some(publication) = participant.tracks.get_mut(track) else { return };
        publication.bind_backup(mid);
        if publication.live {
            self.announce(publisher);
        }
    }

    /// A track ends. `by_server` tells the publisher and takes the track from the media plane, which
    /// otherwise was the one to say so.
    pub(super) fn unpublish(&mut self, track: &TrackSid, by_server: bool, now: Now) {
        let Some(publisher) = self.publishers.remove(track) else { return };
        let Some(participant) = self.participants.get_mut(&publisher) else { return };
        let Some(publication) = participant.tracks.remove(track) else { return };
        self.forget_subscriptions(track);
        if by_server {
            self.media(MediaCommand::RemoveTrack { track: track.clone() });
            let gone = TrackUnpublishedResponse { track_sid: track.to_string() };
            self.send(&publisher, signal_response::Message::TrackUnpublished(gone));
        }
        if publication.live {
            self.note_room_change(now);
            self.announce(&publisher);
            if let Some(participant) = self.participants.get(&publisher).map(Participant::record) {
                self.log(RoomEventKind::TrackUnpublished { participant, track: publication.info }, now);
            }
        }
    }
}

/// The track an announcement repeats: a client that resumes sends again what was not answered, and one with a
/// backup codec announces it for a track it already has. The answer names the track as it is.
fn known_announcement<'a>(
    mut tracks: impl Iterator<Item = &'a Publication>,
    request: &AddTrackRequest,
) -> Option<&'a Publication> {
    tracks.find(|track| {
        let repeated = !track.live && !request.cid.is_empty() && track.cids.contains(&request.cid);
        repeated || (!request.sid.is_empty() && track.info.sid == request.sid)
    })
}
