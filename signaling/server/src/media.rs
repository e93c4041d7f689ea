//! The one place where a room's words meet the media plane's: they mirror each other, so that a room can be
//! tested without a worker, and a worker without a room.

use sluice_core as core;
use sluice_rooms as rooms;

fn participant(sid: &rooms::ParticipantSid) -> core::ParticipantId {
    sid.as_str().into()
}

fn participant_sid(id: &core::ParticipantId) -> rooms::ParticipantSid {
    id.as_str().into()
}

fn track(sid: &rooms::TrackSid) -> core::TrackId {
    sid.as_str().into()
}

fn track_sid(id: &core::TrackId) -> rooms::TrackSid {
    id.as_str().into()
}

fn kind(kind: rooms::MediaKind) -> core::Kind {
    match kind {
        rooms::MediaKind::Audio => core::Kind::Audio,
        rooms::MediaKind::Video => core::Kind::Video,
    }
}

/// What a room asks, in the worker's words.
pub(crate) fn command(room: &core::RoomId, command: rooms::MediaCommand) -> core::Command {
    use rooms::MediaCommand as From;
    match command {
        From::AddParticipant { participant: who, version } => core::Command::AddParticipant {
            room: room.clone(),
            participant: participant(&who),
            connection: match version {
                rooms::SignalVersion::V0 => core::Connection::Dual,
                rooms::SignalVersion::V1 => core::Connection::Single,
            },
        },
        From::RemoveParticipant { participant: who } => {
            core::Command::RemoveParticipant { participant: participant(&who) }
        }
        From::Offer { participant: who, id, sdp } => core::Command::Offer { participant: participant(&who), id, sdp },
        From::Answer { participant: who, id, sdp } => core::Command::Answer { participant: participant(&who), id, sdp },
        From::ExpectTrack { participant: who, expected } => core::Command::ExpectTrack {
            participant: participant(&who),
            expected: core::ExpectedTrack {
                track: track(&expected.track),
                cids: expected.cids,
                kind: kind(expected.kind),
                codecs: expected.codecs,
                stereo: expected.stereo,
                dtx: expected.dtx,
                source: core::Source::Unknown,
                layers: Vec::new(),
                red: false,
            },
        },
        From::RemoveTrack { track: what } => core::Command::RemoveTrack { track: track(&what) },
        From::MuteTrack { track: what, muted } => core::Command::MuteTrack { track: track(&what), muted },
        From::Subscribe { subscriber, track: what, kind: media, stream } => core::Command::Subscribe {
            subscriber: participant(&subscriber),
            track: track(&what),
            kind: kind(media),
            stream,
        },
        From::Unsubscribe { subscriber, track: what } => {
            core::Command::Unsubscribe { subscriber: participant(&subscriber), track: track(&what) }
        }
        From::Demand { subscriber, track: what, demand } => core::Command::Demand {
            subscriber: participant(&subscriber),
            track: track(&what),
            demand: core::Demand {
                enabled: demand.enabled,
                max_spatial: demand.max_spatial,
                ..core::Demand::NOTHING
            },
        },
        From::SendData { to, channel, payload } => core::Command::SendData {
            to: to.iter().map(participant).collect(),
            channel: match channel {
                rooms::DataChannel::Reliable => core::DataChannel::Reliable,
                rooms::DataChannel::Lossy => core::DataChannel::Lossy,
            },
            payload,
        },
        From::Resume { participant: who } => core::Command::Resume { participant: participant(&who) },
    }
}

fn mid_to_track(map: core::MidToTrack) -> rooms::MidToTrack {
    map.into_iter().map(|(mid, track)| (mid, track_sid(&track))).collect()
}

/// What the worker reports, in the room's words.
/// `None` for what rooms do not act on.
pub(crate) fn event(event: core::Event) -> Option<rooms::MediaEvent> {
    use core::Event as From;
    use rooms::MediaEvent as To;
    Some(match event {
        From::Answer { participant: who, id, sdp, mid_to_track: map } => {
            To::Answer { participant: participant_sid(&who), id, sdp, mid_to_track: mid_to_track(map) }
        }
        From::Offer { participant: who, id, sdp, mid_to_track: map } => {
            To::Offer { participant: participant_sid(&who), id, sdp, mid_to_track: mid_to_track(map) }
        }
        From::SectionsNeeded { participant: who, audio, video } => {
            To::SectionsNeeded { participant: participant_sid(&who), audio, video }
        }
        From::NegotiationFailed { participant: who, id, reason } => {
            tracing::warn!(participant = %who, offer = id, %reason, "negotiation failed");
            To::NegotiationFailed { participant: participant_sid(&who) }
        }
        From::Connected { participant: who } => To::Connected { participant: participant_sid(&who) },
        From::TrackAdded { participant: who, track, mid, mime_type, simulcast } => {
            To::TrackAdded { participant: participant_sid(&who), track: track_sid(&track), mid, mime_type, simulcast }
        }
        From::TrackRemoved { participant: who, track } => {
            To::TrackRemoved { participant: participant_sid(&who), track: track_sid(&track) }
        }
        From::Subscribed { subscriber, track } => {
            To::Subscribed { subscriber: participant_sid(&subscriber), track: track_sid(&track) }
        }
        From::Data { participant: who, channel, payload } => To::Data {
            participant: participant_sid(&who),
            channel: match channel {
                core::DataChannel::Reliable => rooms::DataChannel::Reliable,
                core::DataChannel::Lossy => rooms::DataChannel::Lossy,
            },
            payload,
        },
        // The room does not act on these yet.
        From::LayersWanted { .. }
        | From::StreamStates { .. }
        | From::NotDecodable { .. }
        | From::Explained { .. } => return None,
        From::AudioLevels { levels, .. } => To::AudioLevels(levels.iter().map(audio_level).collect()),
        From::Quality { reports, .. } => To::Quality(reports.iter().map(quality_report).collect()),
        From::ParticipantFailed { participant: who, failure } => {
            tracing::warn!(participant = %who, ?failure, "media failed");
            let failure = match failure {
                core::Failure::ConnectionLost => rooms::MediaFailure::ConnectionLost,
                core::Failure::DataBacklog => rooms::MediaFailure::DataBacklog,
                core::Failure::Internal => rooms::MediaFailure::Internal,
            };
            To::Failed { participant: participant_sid(&who), failure }
        }
    })
}

fn audio_level(level: &core::AudioLevel) -> rooms::AudioLevel {
    rooms::AudioLevel {
        participant: participant_sid(&level.participant),
        level_dbov: level.level_dbov,
        active_percent: level.active_percent,
    }
}

fn quality_report(report: &core::QualityReport) -> rooms::QualityReport {
    rooms::QualityReport {
        participant: participant_sid(&report.participant),
        upstream_loss: report.upstream_loss,
        downstream_loss: report.downstream_loss,
        rtt_ms: report.rtt_ms,
        silent: report.silent,
    }
}
