//! The one place where a room's words meet the media plane's: they mirror each other, so that a room can be
//! tested without a worker, and a worker without a room.

use livekit_protocol::TrackSource;
use sluice_core as core;
use sluice_rooms as rooms;

pub(crate) fn participant(sid: &rooms::ParticipantSid) -> core::ParticipantId {
    sid.as_str().into()
}

pub(crate) fn participant_sid(id: &core::ParticipantId) -> rooms::ParticipantSid {
    id.as_str().into()
}

pub(crate) fn track(sid: &rooms::TrackSid) -> core::TrackId {
    sid.as_str().into()
}

fn track_sid(id: &core::TrackId) -> rooms::TrackSid {
    id.as_str().into()
}

fn source(source: TrackSource) -> core::Source {
    match source {
        TrackSource::Unknown => core::Source::Unknown,
        TrackSource::Camera => core::Source::Camera,
        TrackSource::Microphone => core::Source::Microphone,
        TrackSource::ScreenShare => core::Source::Screen,
        TrackSource::ScreenShareAudio => core::Source::ScreenAudio,
    }
}

fn layer(layer: rooms::DeclaredLayer) -> core::DeclaredLayer {
    let rooms::DeclaredLayer { spatial, width, height, bitrate_bps } = layer;
    core::DeclaredLayer { spatial, width, height, bitrate_bps }
}

fn demand(demand: rooms::Demand) -> core::Demand {
    let rooms::Demand { enabled, max_spatial, max_fps, area_px, priority } = demand;
    core::Demand { enabled, max_spatial, max_fps, area_px, priority }
}

fn role(role: rooms::CodecRole) -> core::CodecRole {
    match role {
        rooms::CodecRole::Only => core::CodecRole::Only,
        rooms::CodecRole::Backup => core::CodecRole::Backup,
        rooms::CodecRole::Primary(rooms::BackupCodec { mime_type, policy }) => {
            let policy = match policy {
                rooms::BackupPolicy::Simulcast => core::BackupPolicy::Simulcast,
                rooms::BackupPolicy::Regression => core::BackupPolicy::Regression,
            };
            core::CodecRole::Primary(core::BackupCodec { mime_type, policy })
        }
    }
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
        From::AddParticipant { participant: who, version, takes_trailers, allows_pauses } => {
            let connection = match version {
                rooms::SignalVersion::V0 => core::Connection::Dual,
                rooms::SignalVersion::V1 => core::Connection::Single,
            };
            let client = core::Client { connection, takes_trailers, allows_pauses };
            core::Command::AddParticipant { room: room.clone(), participant: participant(&who), client }
        }
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
                source: source(expected.source),
                layers: expected.layers.into_iter().map(layer).collect(),
                red: expected.red,
                has_trailers: expected.has_trailers,
                role: role(expected.role),
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
        From::Demand { subscriber, track: what, demand: wanted } => {
            core::Command::Demand { subscriber: participant(&subscriber), track: track(&what), demand: demand(wanted) }
        }
        From::LimitRoom(rooms::RoomLimits { last_cameras, loudest_microphones }) => core::Command::LimitRoom {
            room: room.clone(),
            limits: core::RoomLimits { last_cameras, loudest_microphones },
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

/// A guest of a room has a track of its own room, which is published on that worker.
pub(crate) fn borrow(
    room: &core::RoomId,
    guest: &rooms::ParticipantSid,
    (here, of): (&rooms::TrackSid, &rooms::TrackSid),
    from: core::WorkerId,
) -> core::Command {
    let (room, participant) = (room.clone(), participant(guest));
    core::Command::BorrowTrack { room, participant, track: track(here), of: track(of), from }
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
        From::LayersWanted { participant: who, track, max_spatial } => {
            To::LayersWanted { participant: participant_sid(&who), track: track_sid(&track), max_spatial }
        }
        From::BackupWanted { participant: who, track, max_spatial } => {
            To::BackupWanted { participant: participant_sid(&who), track: track_sid(&track), max_spatial }
        }
        From::BackupAdded { participant: who, track, mid } => {
            To::BackupAdded { participant: participant_sid(&who), track: track_sid(&track), mid }
        }
        From::BackupRemoved { participant: who, track } => {
            To::BackupRemoved { participant: participant_sid(&who), track: track_sid(&track) }
        }
        From::StreamStates { subscriber, paused } => To::StreamStates {
            subscriber: participant_sid(&subscriber),
            paused: paused.iter().map(|(track, paused)| (track_sid(track), *paused)).collect(),
        },
        From::NotDecodable { subscriber, track } => {
            To::NotDecodable { subscriber: participant_sid(&subscriber), track: track_sid(&track) }
        }
        // The room's task answers whoever asked, and looks after its workers; nothing in the room changes.
        From::Explained { .. } | From::WorkerLost => return None,
        From::AudioLevels { part, levels, .. } => {
            To::AudioLevels { part, levels: levels.iter().map(audio_level).collect() }
        }
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
        jitter_ms: report.jitter_ms,
        delivered_bps: report.delivered_bps,
        wanted_bps: report.wanted_bps,
        silent: report.silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_loses_nothing_on_its_way() {
        let room = core::RoomId::from("RM_1");
        let expected = rooms::ExpectedTrack {
            track: "TR_1".into(),
            cids: vec!["c".into()],
            kind: rooms::MediaKind::Video,
            source: TrackSource::ScreenShare,
            layers: vec![rooms::DeclaredLayer { spatial: 1, width: 640, height: 360, bitrate_bps: 500_000 }],
            codecs: vec!["video/AV1".into()],
            stereo: true,
            dtx: true,
            red: true,
            has_trailers: true,
            role: rooms::CodecRole::Primary(rooms::BackupCodec {
                mime_type: "video/VP8".into(),
                policy: rooms::BackupPolicy::Regression,
            }),
        };
        let announced = rooms::MediaCommand::ExpectTrack { participant: "PA_1".into(), expected };
        let core::Command::ExpectTrack { expected, .. } = command(&room, announced) else {
            unreachable!("an announcement stays one")
        };
        assert_eq!((expected.source, expected.red, expected.has_trailers), (core::Source::Screen, true, true));
        let core::CodecRole::Primary(backup) = expected.role else { unreachable!("the first of two stays that") };
        assert_eq!((backup.mime_type.as_str(), backup.policy), ("video/VP8", core::BackupPolicy::Regression));
        let layer = core::DeclaredLayer { spatial: 1, width: 640, height: 360, bitrate_bps: 500_000 };
        assert_eq!(expected.layers, [layer]);
    }

    #[test]
    fn wishes_and_bounds_lose_nothing_on_their_way() {
        let room = core::RoomId::from("RM_1");
        let wish = rooms::Demand { enabled: true, max_spatial: 1, max_fps: Some(15), area_px: 57_600, priority: 3 };
        let (subscriber, track) = ("PA_1".into(), "TR_1".into());
        let wish = command(&room, rooms::MediaCommand::Demand { subscriber, track, demand: wish });
        let core::Command::Demand { demand, .. } = wish else { unreachable!("a demand stays one") };
        let same = core::Demand { enabled: true, max_spatial: 1, max_fps: Some(15), area_px: 57_600, priority: 3 };
        assert_eq!(demand, same);
        let everything = super::demand(rooms::Demand::default());
        assert_eq!(everything, core::Demand::default(), "both sides mean the same by nothing said");

        let limits = rooms::RoomLimits { last_cameras: Some(9), loudest_microphones: None };
        let core::Command::LimitRoom { room: limited, limits } = command(&room, rooms::MediaCommand::LimitRoom(limits))
        else {
            unreachable!("a bound stays one")
        };
        assert_eq!((limited, limits.last_cameras, limits.loudest_microphones), (room, Some(9), None));
    }
}
