//! Requests as back ends send them, and what is read in them.

#![allow(clippy::panic, clippy::unwrap_used, deprecated, reason = "tests")]

use livekit_protocol as proto;

use crate::*;

fn s3() -> proto::S3Upload {
    proto::S3Upload {
        access_key: "AKIA-open".to_owned(),
        secret: "s3cret-of-s3".to_owned(),
        bucket: "calls".to_owned(),
        ..Default::default()
    }
}

fn encoded(filepath: &str) -> proto::EncodedFileOutput {
    proto::EncodedFileOutput { filepath: filepath.to_owned(), ..Default::default() }
}

fn composite() -> proto::RoomCompositeEgressRequest {
    proto::RoomCompositeEgressRequest { room_name: "call".to_owned(), ..Default::default() }
}

#[test]
fn the_host_of_a_stream_is_found_behind_passwords_and_before_ports() {
    for (url, host) in [
        ("rtmp://live.example.org/app/key", "live.example.org"),
        ("rtmps://user:pass@live.example.org:443/app", "live.example.org"),
        ("srt://[2001:db8::1]:9000?streamid=x", "2001:db8::1"),
        ("srt://10.0.0.1:9000?passphrase=a@b", "10.0.0.1"),
    ] {
        assert_eq!(StreamUrl::parse(url).unwrap().host(), host, "{url}");
    }
}

#[test]
fn outputs_of_older_and_newer_clients_are_one() {
    use proto::room_composite_egress_request::Output as Old;
    let older = proto::RoomCompositeEgressRequest { output: Some(Old::File(encoded("a.mp4"))), ..composite() };
    let newer = proto::RoomCompositeEgressRequest { file_outputs: vec![encoded("a.mp4")], ..composite() };
    assert_eq!(request::room_composite(&older).unwrap(), request::room_composite(&newer).unwrap());
    assert_eq!(request::room_composite(&composite()), Err(Refusal::Missing("an output")));
    let many = proto::RoomCompositeEgressRequest { file_outputs: vec![encoded("a"); 9], ..composite() };
    assert_eq!(request::room_composite(&many), Err(Refusal::TooMany(8)));
}

#[test]
fn layouts_have_the_names_livekit_gave_them() {
    for (name, layout) in [
        ("", Layout::Grid),
        ("grid-light", Layout::Grid),
        ("speaker-dark", Layout::Speaker),
        ("single-speaker", Layout::SingleSpeaker),
    ] {
        let request = proto::RoomCompositeEgressRequest {
            layout: name.to_owned(),
            file_outputs: vec![encoded("")],
            ..composite()
        };
        let Source::Room(composition) = request::room_composite(&request).unwrap().source else { panic!("not a room") };
        assert_eq!(composition.layout, layout, "{name}");
    }
    assert_eq!(Layout::named("cinema"), Err(Refusal::UnknownValue("layout")));
}

#[test]
fn what_is_not_there_is_refused_in_words() {
    let page = proto::RoomCompositeEgressRequest {
        custom_base_url: "https://x".to_owned(),
        file_outputs: vec![encoded("")],
        ..composite()
    };
    assert!(request::room_composite(&page).unwrap_err().to_string().contains("no browser"));
    assert!(request::web(&proto::WebEgressRequest::default()).is_err());
    let socket = proto::TrackEgressRequest {
        room_name: "call".to_owned(),
        track_id: "TR_1".to_owned(),
        output: Some(proto::track_egress_request::Output::WebsocketUrl("wss://x".to_owned())),
        ..Default::default()
    };
    assert!(request::track(&socket).unwrap_err().to_string().contains("WebSocket"));
    let gcp = proto::EncodedFileOutput {
        output: Some(proto::encoded_file_output::Output::Gcp(proto::GcpUpload::default())),
        ..encoded("")
    };
    let gcp = proto::RoomCompositeEgressRequest { file_outputs: vec![gcp], ..composite() };
    assert!(request::room_composite(&gcp).unwrap_err().to_string().contains("S3"));
}

#[test]
fn nobody_is_promised_a_webhook_that_is_not_called() {
    let webhooks = vec![proto::WebhookConfig { url: "https://hook.example".to_owned(), ..Default::default() }];
    let room = proto::RoomCompositeEgressRequest { webhooks: webhooks.clone(), ..composite() };
    let participant = proto::ParticipantEgressRequest { webhooks: webhooks.clone(), ..Default::default() };
    let pair = proto::TrackCompositeEgressRequest { webhooks: webhooks.clone(), ..Default::default() };
    let track = proto::TrackEgressRequest { webhooks: webhooks.clone(), ..Default::default() };
    let any = proto::StartEgressRequest { webhooks, ..Default::default() };
    for refused in [
        request::room_composite(&room),
        request::participant(&participant),
        request::track_composite(&pair),
        request::track(&track),
        request::any(&any),
    ] {
        assert!(matches!(refused, Err(Refusal::NotOffered(words)) if words.contains("webhooks")), "{refused:?}");
    }
}

#[test]
fn no_file_goes_to_a_bucket_that_another_was_asked_for() {
    use proto::encoded_file_output::Output as Kept;
    let to = |s3: Option<proto::S3Upload>| proto::EncodedFileOutput { output: s3.map(Kept::S3), ..encoded("a.mp4") };
    let here = to(None);
    let theirs = to(Some(s3()));
    let others = to(Some(proto::S3Upload { bucket: "others".to_owned(), ..s3() }));
    let ask = |one: &proto::EncodedFileOutput, two: &proto::EncodedFileOutput| {
        let stream = proto::StreamOutput { urls: vec!["rtmp://live.example/a/b".to_owned()], ..Default::default() };
        let file_outputs = vec![one.clone(), two.clone()];
        request::room_composite(&proto::RoomCompositeEgressRequest {
            file_outputs,
            stream_outputs: vec![stream],
            ..composite()
        })
    };
    for (one, two) in [(&here, &theirs), (&theirs, &others)] {
        for refused in [ask(one, two), ask(two, one)] {
            assert!(refused.unwrap_err().to_string().contains("one bucket"));
        }
        assert_eq!(ask(one, one).unwrap().outputs.len(), 3, "a stream goes to no bucket");
    }
}

#[test]
fn segments_are_asked_for_once() {
    let named = |name: &str| proto::SegmentedFileOutput { playlist_name: name.to_owned(), ..Default::default() };
    let ask = |segment_outputs| {
        request::room_composite(&proto::RoomCompositeEgressRequest { segment_outputs, ..composite() })
    };
    assert!(ask(vec![named("a")]).is_ok());
    assert!(matches!(ask(vec![named("a"), named("b")]), Err(Refusal::Ambiguous(_))));
}

#[test]
fn one_request_for_all_sources_reads_as_the_older_ones() {
    use proto::media_source::Video;
    let file = proto::Output {
        config: Some(proto::output::Config::File(proto::FileOutput { filepath: "a".to_owned(), ..Default::default() })),
        storage: None,
    };
    let ask = |media: proto::MediaSource| {
        request::any(&proto::StartEgressRequest {
            room_name: "call".to_owned(),
            source: Some(proto::start_egress_request::Source::Media(media)),
            outputs: vec![file.clone()],
            ..Default::default()
        })
    };
    let video = |track: &str| Some(Video::VideoTrackId(track.to_owned()));
    let order = ask(proto::MediaSource { video: video("cam"), audio: None }).unwrap();
    assert_eq!(order.source, Source::Pair { audio: None, video: Some("cam".to_owned()) });
    let route = proto::AudioRoute { r#match: Some(proto::audio_route::Match::TrackId("mic".to_owned())), channel: 0 };
    let audio = Some(proto::AudioConfig { capture_all: false, routes: vec![route.clone()] });
    let order = ask(proto::MediaSource { video: video("cam"), audio: audio.clone() }).unwrap();
    assert_eq!(order.source, Source::Pair { audio: Some("mic".to_owned()), video: Some("cam".to_owned()) });
    let left = proto::AudioConfig { capture_all: false, routes: vec![proto::AudioRoute { channel: 1, ..route }] };
    assert!(ask(proto::MediaSource { video: None, audio: Some(left) }).is_err());
    assert_eq!(ask(proto::MediaSource::default()), Err(Refusal::Missing("video or audio")));
}

#[test]
fn a_media_source_records_what_it_names_and_nothing_else() {
    use proto::audio_route::Match;
    use proto::media_source::Video;
    let ask = |video: Option<Video>, capture_all: bool, route: Option<Match>, file_type: proto::EncodedFileType| {
        let file = proto::FileOutput { filepath: "a".to_owned(), file_type: file_type.into(), ..Default::default() };
        let routes = route
            .into_iter()
            .map(|route| proto::AudioRoute { r#match: Some(route), channel: 0 })
            .collect();
        let media = proto::MediaSource { video, audio: Some(proto::AudioConfig { capture_all, routes }) };
        request::any(&proto::StartEgressRequest {
            room_name: "call".to_owned(),
            source: Some(proto::start_egress_request::Source::Media(media)),
            outputs: vec![proto::Output { config: Some(proto::output::Config::File(file)), storage: None }],
            ..Default::default()
        })
        .map(|order| order.source)
    };
    let of_ann = |media| Source::Participant { identity: "ann".to_owned(), prefers_screen: false, media };
    let everybody_heard = Source::Room(Composition { layout: Layout::Grid, media: Media::AudioOnly });
    let video = proto::ParticipantVideo { identity: "ann".to_owned(), prefer_screen_share: false };
    let (seen, voice) = (Some(Video::ParticipantVideo(video)), || Some(Match::ParticipantIdentity("ann".to_owned())));
    let camera = Some(Video::VideoTrackId("TR_cam".to_owned()));
    let usual = proto::EncodedFileType::DefaultFiletype;

    assert_eq!(ask(None, false, voice(), usual), Ok(of_ann(Media::AudioOnly)));
    assert_eq!(ask(None, false, voice(), proto::EncodedFileType::Ogg), Ok(of_ann(Media::AudioOnly)));
    assert_eq!(ask(seen.clone(), false, None, usual), Ok(of_ann(Media::VideoOnly)));
    assert_eq!(ask(seen.clone(), false, voice(), usual), Ok(of_ann(Media::Both)));
    assert_eq!(ask(None, true, voice(), usual), Ok(everybody_heard), "one voice, and all others as well");
    for (video, capture_all, route) in [
        (camera.clone(), true, None),
        (seen.clone(), true, None),
        (seen.clone(), true, voice()),
        (camera, false, voice()),
        (seen, false, Some(Match::TrackId("TR_mic".to_owned()))),
    ] {
        let refused = ask(video, capture_all, route, usual).unwrap_err();
        assert!(refused.to_string().contains("for all that is heard ask for the room"), "{refused}");
    }
}

#[test]
fn stream_keys_are_not_shown() {
    for (url, shown) in [
        ("rtmp://live.example/app/key-1", "rtmp://live.example/app/<hidden>"),
        ("rtmps://me:pass@live.example:443/app/key-1?x=key-1", "rtmps://live.example:443/app/<hidden>?<hidden>"),
        ("srt://host:9000?streamid=key-1&passphrase=pass", "srt://host:9000?<hidden>"),
        ("rtmp://host/key-1", "rtmp://host/<hidden>"),
        ("rtmp://host/key-1/", "rtmp://host/<hidden>"),
        ("rtmp://host//key-1", "rtmp://host/<hidden>"),
        ("rtmp://live.example/app/key-1/", "rtmp://live.example/app/<hidden>"),
        ("rtmp://live.example/app/key/1", "rtmp://live.example/app/<hidden>"),
        ("rtmp://live.example/app/x#key-1", "rtmp://live.example/app/<hidden>"),
        ("rtmp://live.example/app#/key-1?x", "rtmp://live.example/<hidden>"),
        ("rtmp://live.example#key-1", "rtmp://live.example"),
        ("srt://host:9000?streamid=x#key-1", "srt://host:9000?<hidden>"),
    ] {
        assert_eq!(StreamUrl::parse(url).unwrap().shown(), shown);
    }
    for none in
        ["http://x", "file:///etc/passwd", "rtmp://", "rtmp:///x", "-i", "rtmp://a b", "concat:a|b", "rtmp://-x/y"]
    {
        assert_eq!(StreamUrl::parse(none), Err(Refusal::StreamAddress), "{none}");
    }
}

#[test]
fn no_secret_of_a_request_comes_back() {
    use proto::egress_info::Request as R;
    let stream = proto::StreamOutput {
        protocol: 0,
        urls: vec!["rtmp://live.example/app/key-1".to_owned(), "s3cret://key-1".to_owned()],
    };
    let file = proto::EncodedFileOutput { output: Some(proto::encoded_file_output::Output::S3(s3())), ..encoded("a") };
    let segments = proto::SegmentedFileOutput {
        output: Some(proto::segmented_file_output::Output::S3(s3())),
        ..Default::default()
    };
    let webhook = proto::WebhookConfig {
        url: "https://hook.example/key-1".to_owned(),
        signing_key: "key-1".to_owned(),
        ..Default::default()
    };
    let room = proto::RoomCompositeEgressRequest {
        file_outputs: vec![file],
        stream_outputs: vec![stream],
        segment_outputs: vec![segments],
        webhooks: vec![webhook],
        ..composite()
    };
    let plain = proto::RoomCompositeEgressRequest { stream_outputs: Vec::new(), webhooks: Vec::new(), ..room.clone() };
    let order = request::room_composite(&plain).unwrap();
    let request = Request::without_secrets(R::RoomComposite(room));
    let recording = Recording::new(order, 5);
    let info = egress_info(&RecordingId::from_random([7; 12]), "RM_1", &request, &recording);
    let said = format!("{info:?} {recording:?}");
    for secret in ["AKIA-open", "s3cret", "key-1"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
    assert!(said.contains("hook.example") && said.contains("live.example"));
}

#[test]
fn an_id_names_a_directory_and_nothing_else() {
    let id = RecordingId::from_random([255, 0, 61, 62, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(RecordingId::parse(id.as_str()), Some(id));
    for none in ["", "EG_", "EG_../../../..", "RM_aaaaaaaaaaaa", "EG_aaaaaaaaaaa/"] {
        assert_eq!(RecordingId::parse(none), None, "{none}");
    }
}
