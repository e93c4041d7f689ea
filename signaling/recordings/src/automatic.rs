//! What a room is recorded by without anybody asking while it goes on: LiveKit's `RoomEgress`, given when the room is made,
//! becomes the requests somebody would have sent.

use livekit_protocol as proto;
use proto::egress_info;

use crate::request::{self, PARTICIPANT_FILE};
use crate::{Composition, Destination, Layout, Media, Order, Output, Refusal, Source, Template};

/// A request nobody sent, and what it asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// What is to be recorded, or why it is not.
    pub order: Result<Order, Refusal>,
    /// As somebody would have sent it. With its secrets.
    pub request: egress_info::Request,
}

/// A room as one picture.
#[must_use]
pub fn room(asked: &proto::RoomCompositeEgressRequest, room: &str) -> Asked {
    let request = proto::RoomCompositeEgressRequest { room_name: room.to_owned(), ..asked.clone() };
    Asked { order: request::room_composite(&request), request: egress_info::Request::RoomComposite(request) }
}

/// Somebody's camera and microphone.
#[must_use]
pub fn participant(asked: &proto::AutoParticipantEgress, room: &str, identity: &str) -> Asked {
    use proto::auto_participant_egress::Options as Auto;
    use proto::participant_egress_request::Options;
    let request = proto::ParticipantEgressRequest {
        room_name: room.to_owned(),
        identity: identity.to_owned(),
        options: asked.options.map(|options| match options {
            Auto::Preset(preset) => Options::Preset(preset),
            Auto::Advanced(options) => Options::Advanced(options),
        }),
        file_outputs: asked.file_outputs.clone(),
        segment_outputs: asked.segment_outputs.clone(),
        ..Default::default()
    };
    Asked { order: request::participant(&request), request: egress_info::Request::Participant(request) }
}

/// A track.
#[must_use]
pub fn track(asked: &proto::AutoTrackEgress, room: &str, track: &str) -> Asked {
    use proto::auto_track_egress::Output as Auto;
    use proto::direct_file_output::Output as Kept;
    let file = proto::DirectFileOutput {
        filepath: asked.filepath.clone(),
        disable_manifest: asked.disable_manifest,
        output: asked.output.clone().map(|output| match output {
            Auto::S3(s3) => Kept::S3(s3),
            Auto::Gcp(gcp) => Kept::Gcp(gcp),
            Auto::Azure(azure) => Kept::Azure(azure),
            Auto::AliOss(ali) => Kept::AliOss(ali),
        }),
    };
    let request = proto::TrackEgressRequest {
        room_name: room.to_owned(),
        track_id: track.to_owned(),
        output: Some(proto::track_egress_request::Output::File(file)),
        ..Default::default()
    };
    Asked { order: request::track(&request), request: egress_info::Request::Track(request) }
}

/// The tracks of everybody, each person's in a file as they come. LiveKit has no word for that: it is shown as a composite of
/// the room with a file for each.
#[must_use]
pub fn everybody(room: &str) -> Asked {
    let file = proto::EncodedFileOutput { filepath: PARTICIPANT_FILE.to_owned(), ..Default::default() };
    let request = proto::RoomCompositeEgressRequest {
        room_name: room.to_owned(),
        layout: "grid".to_owned(),
        file_outputs: vec![file],
        ..Default::default()
    };
    let order = Template::parse("", PARTICIPANT_FILE).map(|name| Order {
        room: room.to_owned(),
        source: Source::Room(Composition { layout: Layout::Grid, media: Media::Both }),
        outputs: vec![Output::Tracks { name, destination: Destination::Configured }],
        encoding: None,
    });
    Asked { order, request: egress_info::Request::RoomComposite(request) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    #[test]
    fn a_room_that_asks_is_asked_for_by_its_own_name() {
        let asked = proto::RoomCompositeEgressRequest {
            room_name: "another".into(),
            layout: "speaker".into(),
            file_outputs: vec![proto::EncodedFileOutput::default()],
            ..Default::default()
        };
        let Asked { order, request } = room(&asked, "math");
        let order = order.unwrap();
        assert_eq!(order.room, "math", "a back end that makes one room records no other");
        assert!(matches!(order.source, Source::Room(Composition { layout: Layout::Speaker, .. })));
        assert!(matches!(request, egress_info::Request::RoomComposite(request) if request.room_name == "math"));
    }

    #[test]
    fn somebody_is_recorded_as_if_that_had_been_asked() {
        let file = proto::EncodedFileOutput { filepath: "{publisher_identity}".into(), ..Default::default() };
        let asked = proto::AutoParticipantEgress { file_outputs: vec![file], ..Default::default() };
        let Asked { order, request } = participant(&asked, "math", "ann");
        let source = Source::Participant { identity: "ann".into(), prefers_screen: false, media: Media::Both };
        assert_eq!(order.as_ref().map(|order| (&order.source, order.encoding)), Ok((&source, None)));
        assert!(matches!(&request, egress_info::Request::Participant(request) if request.identity == "ann"));

        let preset = proto::auto_participant_egress::Options::Preset(proto::EncodingOptionsPreset::H2641080p30 as i32);
        let encoded = proto::AutoParticipantEgress { options: Some(preset), ..asked };
        let order = participant(&encoded, "math", "ann").order.unwrap();
        assert_eq!(order.encoding.map(|encoding| encoding.height), Some(1080));
        assert_eq!(
            participant(&proto::AutoParticipantEgress::default(), "math", "ann").order,
            Err(Refusal::Missing("an output"))
        );
    }

    #[test]
    fn a_track_goes_where_all_were_said_to_go() {
        let s3 = proto::S3Upload {
            access_key: "key".into(),
            secret: "hush".into(),
            bucket: "b".into(),
            ..Default::default()
        };
        let asked = proto::AutoTrackEgress {
            filepath: "tracks/{track_id}".into(),
            disable_manifest: true,
            output: Some(proto::auto_track_egress::Output::S3(s3)),
        };
        let Asked { order, .. } = track(&asked, "math", "TR_1");
        let order = order.unwrap();
        assert_eq!(order.source, Source::Track { track: "TR_1".into() });
        let [Output::File { destination: Destination::S3(target), with_manifest, .. }] = &order.outputs[..] else {
            panic!("{order:?}")
        };
        assert_eq!((target.bucket.as_str(), *with_manifest), ("b", false));
        let elsewhere = proto::auto_track_egress::Output::Gcp(proto::GcpUpload::default());
        let elsewhere = proto::AutoTrackEgress { output: Some(elsewhere), ..asked };
        assert!(matches!(track(&elsewhere, "math", "TR_1").order, Err(Refusal::NotOffered(_))));
    }

    #[test]
    fn everybody_is_recorded_into_files_of_their_own() {
        let order = everybody("math").order.unwrap();
        assert_eq!(order.room, "math");
        assert!(matches!(order.source, Source::Room(Composition { media: Media::Both, .. })));
        assert!(matches!(&order.outputs[..], [Output::Tracks { destination: Destination::Configured, .. }]));
    }
}
