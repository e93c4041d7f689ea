//! A recording as LiveKit's clients know it: `EgressInfo`.

#![expect(deprecated, reason = "older clients read the deprecated result")]

use livekit_protocol as proto;
use proto::egress_info;

use crate::{End, Output, Product, Recording, RecordingId, Request, Source, State, Stream};

/// What a recording looks like from outside.
#[must_use]
pub fn egress_info(id: &RecordingId, room_sid: &str, request: &Request, recording: &Recording) -> proto::EgressInfo {
    let (started_ms, updated_ms, ended_ms) = recording.times_ms();
    let ended_ns = ended_ms.map_or(0, nanoseconds);
    let began_ns = recording
        .parts()
        .map(|(_, part)| nanoseconds(part.opened_ms))
        .min()
        .unwrap_or(nanoseconds(started_ms));
    let (status, error) = match recording.state() {
        State::Starting => (proto::EgressStatus::EgressStarting, ""),
        State::Active => (proto::EgressStatus::EgressActive, ""),
        State::Ending(_) => (proto::EgressStatus::EgressEnding, ""),
        State::Ended(End::Complete) => (proto::EgressStatus::EgressComplete, ""),
        State::Ended(End::Aborted) => (proto::EgressStatus::EgressAborted, ""),
        State::Ended(End::LimitReached) => {
            (proto::EgressStatus::EgressLimitReached, "the recording is as long as one may be")
        }
        State::Ended(End::Failed(reason)) => (proto::EgressStatus::EgressFailed, reason.as_str()),
    };
    let mut file_results = Vec::new();
    let mut segment_results = Vec::new();
    for product in recording.products() {
        match product {
            Product::File { name, location, bytes, duration_ms } => file_results.push(proto::FileInfo {
                filename: name.to_string(),
                started_at: began_ns,
                ended_at: ended_ns,
                duration: nanoseconds(signed(*duration_ms)),
                size: signed(*bytes),
                location: location.clone(),
            }),
            Product::Segments { playlist, location, live, segments, bytes, duration_ms } => {
                let (live_name, live_location) = live
                    .as_ref()
                    .map_or_else(Default::default, |(name, location)| (name.to_string(), location.clone()));
                segment_results.push(proto::SegmentsInfo {
                    playlist_name: playlist.to_string(),
                    duration: nanoseconds(signed(*duration_ms)),
                    size: signed(*bytes),
                    playlist_location: location.clone(),
                    live_playlist_name: live_name,
                    live_playlist_location: live_location,
                    segment_count: i64::from(*segments),
                    started_at: began_ns,
                    ended_at: ended_ns,
                });
            }
        }
    }
    // Older clients read one result, of the one output they asked for.
    let result = match (recording.order().outputs.first(), file_results.first(), segment_results.first()) {
        (Some(Output::File { .. }), Some(file), _) => Some(egress_info::Result::File(file.clone())),
        (Some(Output::Segments { .. }), _, Some(segments)) => Some(egress_info::Result::Segments(segments.clone())),
        _ => None,
    };
    proto::EgressInfo {
        egress_id: id.as_str().to_owned(),
        room_id: room_sid.to_owned(),
        room_name: recording.order().room.clone(),
        source_type: match recording.order().source {
            Source::Room(_) => proto::EgressSourceType::Web.into(),
            _ => proto::EgressSourceType::Sdk.into(),
        },
        status: status.into(),
        started_at: if matches!(recording.state(), State::Starting) { 0 } else { began_ns },
        ended_at: ended_ns,
        updated_at: nanoseconds(updated_ms),
        error: error.to_owned(),
        request: Some(request.shown().clone()),
        result,
        file_results,
        segment_results,
        stream_results: recording.streams().iter().map(stream_info).collect(),
        ..Default::default()
    }
}

fn stream_info(stream: &Stream) -> proto::StreamInfo {
    let status = match (stream.ended_ms, &stream.failed) {
        (None, _) => proto::stream_info::Status::Active,
        (Some(_), None) => proto::stream_info::Status::Finished,
        (Some(_), Some(_)) => proto::stream_info::Status::Failed,
    };
    proto::StreamInfo {
        url: stream.shown.clone(),
        started_at: nanoseconds(stream.started_ms),
        ended_at: stream.ended_ms.map_or(0, nanoseconds),
        duration: stream
            .ended_ms
            .map_or(0, |ended_ms| nanoseconds(ended_ms.saturating_sub(stream.started_ms))),
        status: status.into(),
        error: stream.failed.clone().unwrap_or_default(),
        ..Default::default()
    }
}

fn nanoseconds(ms: i64) -> i64 {
    ms.saturating_mul(1_000_000)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
