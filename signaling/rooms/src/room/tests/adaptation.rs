//! What clients are told when bandwidth, codecs or tracks are wanting.

use livekit_protocol::{
    AudioTrackFeature, ConnectionQuality, PacketTrailerFeature, StreamState, SubscribedCodec, SubscriptionError,
    UpdateSubscription, UpdateTrackSettings, VideoQuality, client_info, encryption, signal_request as ask,
    signal_response as told,
};

use super::*;
use crate::{BackupCodec, BackupPolicy, CodecRole, DeclaredLayer, QualityReport};

/// Codec and enabled steps a publisher was told, in order.
fn layers_told(world: &World, client: &Client) -> Vec<(String, Vec<VideoQuality>)> {
    world.heard(client, |message| match message {
        told::Message::SubscribedQualityUpdate(update) => {
            let [codec] = &update.subscribed_codecs[..] else { panic!("one codec") };
            let enabled = codec.qualities.iter().filter(|quality| quality.enabled);
            Some((codec.codec.clone(), enabled.map(|quality| quality.quality()).collect()))
        }
        _ => None,
    })
}

fn states_told(world: &World, client: &Client) -> Vec<(String, String, StreamState)> {
    let updates = world.heard(client, |message| match message {
        told::Message::StreamStateUpdate(update) => Some(update.stream_states.clone()),
        _ => None,
    });
    let states = updates.into_iter().flatten();
    states
        .map(|state| (state.participant_sid.clone(), state.track_sid.clone(), state.state()))
        .collect()
}

fn failures_told(world: &World, client: &Client) -> Vec<(String, SubscriptionError)> {
    world.heard(client, |message| match message {
        told::Message::SubscriptionResponse(response) => Some((response.track_sid.clone(), response.err())),
        _ => None,
    })
}

fn wanted(world: &mut World, client: &Client, track: &TrackSid, max_spatial: Option<u8>) {
    let (participant, track) = (client.sid.clone(), track.clone());
    world.media(MediaEvent::LayersWanted { participant, track, max_spatial });
}

#[test]
fn a_publisher_may_switch_off_what_nobody_wants() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let track = world.publish(&ada, camera("c"));
    for max_spatial in [Some(0), Some(0), Some(2), None] {
        wanted(&mut world, &ada, &track, max_spatial);
    }
    let vp8 = |steps: &[VideoQuality]| ("vp8".to_owned(), steps.to_vec());
    let all = [VideoQuality::Low, VideoQuality::Medium, VideoQuality::High];
    assert_eq!(layers_told(&world, &ada), [vp8(&all[..1]), vp8(&all), vp8(&[])], "only what changed");
    assert!(layers_told(&world, &bob).is_empty());

    // Who was away hears it again, and what changed meanwhile.
    world.lose(&ada);
    wanted(&mut world, &ada, &track, Some(1));
    let ada = world.resume(&ada);
    assert_eq!(layers_told(&world, &ada), [vp8(&all[..2])]);

    wanted(&mut world, &bob, &track, Some(2));
    assert_eq!(layers_told(&world, &ada).len(), 1, "it is not bob's track");
}

#[test]
fn what_is_wanted_before_the_codec_is_known_is_told_with_it() {
    let mut world = World::new();
    let ada = world.join("ada");
    world.says(&ada, ask::Message::AddTrack(camera("c")));
    let track = world.expected.clone().unwrap().track;
    wanted(&mut world, &ada, &track, Some(0));
    assert!(layers_told(&world, &ada).is_empty());
    let mut bind = |mime_type: &str| {
        let (participant, track) = (ada.sid.clone(), track.clone());
        let (mid, mime_type) = ("1".into(), mime_type.into());
        world.media(MediaEvent::TrackAdded { participant, track, mid, mime_type, simulcast: false });
        layers_told(&world, &ada)
    };
    assert_eq!(bind("video/AV1"), [("av1".to_owned(), vec![VideoQuality::Low])]);
    assert_eq!(bind("video/AV1").len(), 1, "the same section again is no news");
    assert_eq!(bind("video/H264").len(), 2, "another codec is");
}

#[test]
fn a_paused_picture_says_so_until_it_goes_on() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let track = world.publish(&ada, camera("c"));
    let pause = |world: &mut World, paused: &[(&str, bool)]| {
        let paused = paused.iter().map(|(track, paused)| ((*track).into(), *paused)).collect();
        world.media(MediaEvent::StreamStates { subscriber: bob.sid.clone(), paused });
    };
    let told = |state| (ada.sid.to_string(), track.to_string(), state);
    pause(&mut world, &[(track.as_str(), false)]);
    assert!(states_told(&world, &bob).is_empty(), "it never stood still");
    pause(&mut world, &[(track.as_str(), true), ("TR_gone", true)]);
    pause(&mut world, &[(track.as_str(), true)]);
    assert_eq!(states_told(&world, &bob), [told(StreamState::Paused)]);

    world.lose(&bob);
    pause(&mut world, &[(track.as_str(), false)]);
    let bob = world.resume(&bob);
    assert_eq!(states_told(&world, &bob), [told(StreamState::Active)], "it went on while bob was away");

    // A subscription that is closed begins anew when it opens again.
    pause(&mut world, &[(track.as_str(), true)]);
    for subscribe in [false, true] {
        let update = UpdateSubscription { track_sids: vec![track.to_string()], subscribe, ..Default::default() };
        world.says(&bob, ask::Message::Subscription(update));
    }
    pause(&mut world, &[(track.as_str(), true)]);
    assert_eq!(states_told(&world, &bob).len(), 3);
}

#[test]
fn who_cannot_decode_a_track_is_told_once() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let track = world.publish(&ada, camera("c"));
    for _ in 0..3 {
        world.media(MediaEvent::NotDecodable { subscriber: bob.sid.clone(), track: track.clone() });
    }
    assert_eq!(failures_told(&world, &bob), [(track.to_string(), SubscriptionError::SeCodecUnsupported)]);
    world.media(MediaEvent::NotDecodable { subscriber: ada.sid.clone(), track });
    assert!(failures_told(&world, &ada).is_empty(), "ada does not receive it");
}

#[test]
fn who_waits_for_a_track_that_never_comes_is_told() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let ask_for = |tracks: &[&str], subscribe| {
        let track_sids = tracks.iter().map(|track| (*track).to_owned()).collect();
        ask::Message::Subscription(UpdateSubscription { track_sids, subscribe, ..Default::default() })
    };
    let track = world.publish(&ada, camera("c"));
    world.says(&bob, ask_for(&["TR_never", "TR_changed_mind", track.as_str()], true));
    world.says(&bob, ask_for(&["TR_changed_mind", "TR_unwanted"], false));
    world.pass(Duration::from_secs(30));
    world.says(&bob, ask_for(&["TR_later"], true));
    world.pass(Duration::from_secs(31));
    let not_found = |track: &str| (track.to_owned(), SubscriptionError::SeTrackNotfound);
    assert_eq!(failures_told(&world, &bob), [not_found("TR_never")]);
    world.pass(Duration::from_secs(60));
    assert_eq!(failures_told(&world, &bob), [not_found("TR_never"), not_found("TR_later")]);
    assert!(world.receives(&bob, &track));
}

#[test]
fn an_announcement_says_what_the_media_plane_needs() {
    let mut world = World::new();
    let ada = world.join("ada");
    world.says(&ada, ask::Message::AddTrack(camera("c")));
    let video = world.expected.take().unwrap();
    assert_eq!(video.source, TrackSource::Camera);
    let layer = |spatial, width, height| DeclaredLayer { spatial, width, height, bitrate_bps: 0 };
    assert_eq!(video.layers, [layer(0, 240, 135), layer(1, 480, 270), layer(2, 960, 540)]);
    assert!(!video.red, "redundancy is for sound");

    world.says(&ada, ask::Message::AddTrack(microphone("m")));
    let audio = world.expected.take().unwrap();
    assert_eq!((audio.source, audio.red, audio.stereo, audio.dtx), (TrackSource::Microphone, true, false, true));
    assert!(audio.layers.is_empty());

    let features = vec![AudioTrackFeature::TfStereo as i32, AudioTrackFeature::TfNoDtx as i32];
    let music = AddTrackRequest { disable_red: true, audio_features: features, ..microphone("music") };
    world.says(&ada, ask::Message::AddTrack(music));
    let music = world.expected.take().unwrap();
    assert_eq!((music.red, music.stereo, music.dtx), (false, true, false));

    let secret = AddTrackRequest { encryption: encryption::Type::Gcm as i32, ..microphone("secret") };
    world.says(&ada, ask::Message::AddTrack(secret));
    assert!(!world.expected.take().unwrap().red, "blocks that are encrypted cannot be told apart");

    let mut scalable = camera("svc");
    scalable.simulcast_codecs[0].codec = "vp9".into();
    scalable.simulcast_codecs[0].layers.iter_mut().for_each(|layer| layer.rid.clear());
    world.says(&ada, ask::Message::AddTrack(scalable));
    let spatial: Vec<_> = world.expected.take().unwrap().layers.iter().map(|layer| layer.spatial).collect();
    assert_eq!(spatial, [0, 1, 2], "layers of one stream count by their order");
}

#[test]
fn a_wish_says_how_often_how_large_and_how_important() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let track = world.publish(&ada, camera("c"));
    let update = UpdateTrackSettings {
        track_sids: vec![track.to_string()],
        width: 320,
        height: 180,
        fps: 15,
        priority: 1,
        ..Default::default()
    };
    world.says(&bob, ask::Message::TrackSetting(update));
    let demand = Demand { enabled: true, max_spatial: 1, max_fps: Some(15), area_px: 320 * 180, priority: u32::MAX };
    assert_eq!(world.subscriptions[&(bob.sid, track)].1, demand);
}

#[test]
fn a_room_with_bounds_says_so_when_it_begins() {
    assert_eq!(World::new().limits, None, "a room without needs no word");
    let limits = RoomLimits { last_cameras: Some(9), loudest_microphones: Some(3) };
    assert_eq!(World::with(|config| config.limits = limits).limits, Some(limits));
}

#[test]
fn who_gets_little_of_what_it_wants_is_not_excellent() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let report = |who: &Client, delivered_bps| QualityReport {
        participant: who.sid.clone(),
        upstream_loss: 0.0,
        downstream_loss: 0.0,
        rtt_ms: Some(20),
        jitter_ms: Some(2),
        delivered_bps,
        wanted_bps: 2_000_000,
        silent: false,
    };
    for _ in 0..4 {
        world.media(MediaEvent::Quality(vec![report(&ada, 600_000), report(&bob, 1_900_000)]));
    }
    let qualities = world.room.qualities();
    let words: Vec<_> = qualities.iter().map(|rated| (rated.identity.as_str(), rated.quality)).collect();
    assert_eq!(words, [("ada", ConnectionQuality::Good), ("bob", ConnectionQuality::Excellent)]);
    assert!(qualities[0].score < qualities[1].score);
    let leave = livekit_protocol::LeaveRequest::default();
    world.says(&ada, ask::Message::Leave(leave));
    assert_eq!(world.room.qualities().len(), 1, "who left is not rated");
}

#[test]
fn somebody_is_found_by_identity_and_by_sid() {
    let mut world = World::new();
    let ada = world.join("ada");
    let track = world.publish(&ada, camera("c"));
    assert_eq!(world.room.find("ada"), Some((&ada.sid, "ada")));
    assert_eq!(world.room.find(ada.sid.as_str()), Some((&ada.sid, "ada")));
    assert_eq!(world.room.find("bob"), None);
    assert_eq!(world.room.track(track.as_str()).unwrap().0, "ada");
}

#[test]
fn connection_quality_is_told_to_oneself_and_to_those_who_receive() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    world.publish(&ada, camera("c"));
    let report = |who: &Client, downstream_loss, silent| QualityReport {
        participant: who.sid.clone(),
        upstream_loss: 0.0,
        downstream_loss,
        rtt_ms: Some(30),
        jitter_ms: None,
        delivered_bps: 0,
        wanted_bps: 0,
        silent,
    };
    world.media(MediaEvent::Quality(vec![report(&ada, 0.3, false), report(&bob, 0.0, false)]));
    let heard = |world: &World, client: &Client| {
        world.heard(client, |message| match message {
            told::Message::ConnectionQuality(update) => Some(
                update
                    .updates
                    .iter()
                    .map(|u| (u.participant_sid.clone(), u.quality()))
                    .collect::<BTreeMap<_, _>>(),
            ),
            _ => None,
        })
    };
    let to_bob = heard(&world, &bob);
    assert_eq!(to_bob[0][ada.sid.as_str()], ConnectionQuality::Poor);
    assert_eq!(to_bob[0][bob.sid.as_str()], ConnectionQuality::Excellent);
    assert_eq!(heard(&world, &ada)[0].len(), 1, "ada receives nothing of bob");
    world.media(MediaEvent::Quality(vec![report(&ada, 0.3, false), report(&bob, 0.0, false)]));
    assert_eq!(heard(&world, &bob).len(), 1, "no change, no news");
    world.media(MediaEvent::Quality(vec![report(&ada, 0.3, true), report(&bob, 0.0, false)]));
    assert_eq!(heard(&world, &bob)[1][ada.sid.as_str()], ConnectionQuality::Lost);
    world.publish(&bob, camera("d"));
    world.media(MediaEvent::Quality(vec![report(&ada, 0.3, true), report(&bob, 0.0, false)]));
    assert!(
        heard(&world, &ada)
            .pop()
            .is_some_and(|told| told[bob.sid.as_str()] == ConnectionQuality::Excellent)
    );
}

#[test]
fn packet_trailers_are_announced_and_left_to_clients_that_know_them() {
    let mut world = World::new();
    let mut arrival = world.arrival("ada", SignalVersion::V1);
    if let Some(client) = &mut arrival.request.client_info {
        client.capabilities = vec![client_info::Capability::CapPacketTrailer as i32, 99];
    }
    let ada = world.enter(arrival).unwrap();
    let bob = world.join("bob");
    assert_eq!(world.trailer_takers, BTreeSet::from([ada.sid.clone()]));

    let features = vec![PacketTrailerFeature::PtfUserTimestamp as i32, PacketTrailerFeature::PtfFrameId as i32];
    let track = world.publish(&ada, AddTrackRequest { packet_trailer_features: features.clone(), ..camera("c") });
    assert!(world.expected.clone().unwrap().has_trailers);
    let told = world
        .updates(&bob)
        .into_iter()
        .flat_map(|info| info.tracks)
        .find(|info| info.sid == track.as_str());
    assert_eq!(told.unwrap().packet_trailer_features, features, "receivers look for what they are told of");

    world.publish(&ada, camera("plain"));
    assert!(!world.expected.clone().unwrap().has_trailers, "it said nothing of trailers");
}

#[test]
fn pictures_pause_unless_their_client_will_have_none_of_it() {
    let mut world = World::new();
    world.join("ada");
    for (name, said) in [("bob", Some(true)), ("cyd", Some(false))] {
        let mut arrival = world.arrival(name, SignalVersion::V1);
        if let Some(settings) = &mut arrival.request.connection_settings {
            settings.subscriber_allow_pause = said;
        }
        let client = world.enter(arrival).unwrap();
        assert_eq!(world.unpaused.contains(&client.sid), said == Some(false), "{name}");
    }
    assert_eq!(world.unpaused.len(), 1, "who says nothing allows it");
}

/// Codecs a publisher was told, and whether any layer of each is wanted.
fn codecs_told(world: &World, client: &Client) -> Vec<Vec<(String, bool)>> {
    world.heard(client, |message| match message {
        told::Message::SubscribedQualityUpdate(update) => {
            let codecs = update.subscribed_codecs.iter();
            let any = |codec: &SubscribedCodec| codec.qualities.iter().any(|quality| quality.enabled);
            Some(codecs.map(|codec| (codec.codec.clone(), any(codec))).collect())
        }
        _ => None,
    })
}

fn publish_vp9(world: &mut World, client: &Client, request: AddTrackRequest) -> TrackSid {
    world.says(client, ask::Message::AddTrack(request));
    let track = world.expected.clone().unwrap().track;
    let (participant, mid, mime_type) = (client.sid.clone(), "1".into(), "video/VP9".into());
    let track_added = track.clone();
    world.media(MediaEvent::TrackAdded { participant, track: track_added, mid, mime_type, simulcast: false });
    track
}

#[test]
fn a_backup_codec_is_asked_for_published_and_listed() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let track = publish_vp9(&mut world, &ada, with_backup(BackupCodecPolicy::PreferRegression));
    let codecs = |world: &World| -> Vec<(String, String, String)> {
        let info = world.updates(&bob).into_iter().flat_map(|info| info.tracks).last().unwrap();
        info.codecs.into_iter().map(|codec| (codec.mime_type, codec.cid, codec.mid)).collect()
    };
    let codec = |mime: &str, cid: &str, mid: &str| (mime.to_owned(), cid.to_owned(), mid.to_owned());
    assert_eq!(codecs(&world), [codec("video/VP9", "c", "1"), codec("video/VP8", "", "")]);
    assert!(codecs_told(&world, &ada).is_empty(), "nobody needs it");

    let (participant, wanted) = (ada.sid.clone(), track.clone());
    world.media(MediaEvent::BackupWanted { participant, track: wanted, max_spatial: Some(2) });
    let both = |first, second| vec![("vp9".to_owned(), first), ("vp8".to_owned(), second)];
    assert_eq!(codecs_told(&world, &ada), [both(true, true)]);

    for (max_spatial, is_told) in [(None, false), (Some(1), true)] {
        let (participant, track) = (ada.sid.clone(), track.clone());
        world.media(MediaEvent::BackupWanted { participant, track, max_spatial });
        assert_eq!(codecs_told(&world, &ada).last(), Some(&both(true, is_told)), "nothing was said of the first");
    }

    for (cid, is_news) in [("c1", true), ("c1", false), ("c2", true), ("c2", false)] {
        world.expected = None;
        let announced = AddTrackRequest { sid: track.to_string(), ..camera(cid) };
        world.says(&ada, ask::Message::AddTrack(announced));
        let cids = world.expected.take().map(|expected| expected.cids);
        assert_eq!(
            cids,
            is_news.then(|| vec![cid.to_owned()]),
            "expected once, under the id it was announced with last"
        );
    }
    let answers = world.heard(&ada, |message| match message {
        told::Message::TrackPublished(answer) => Some((answer.cid.clone(), answer.track.clone().unwrap())),
        _ => None,
    });
    let (cid, info) = answers.last().unwrap();
    assert_eq!((cid.as_str(), info.sid.as_str()), ("c2", track.as_str()));
    assert_eq!(info.codecs[1].layers.len(), 3);

    let (participant, bound) = (ada.sid.clone(), track.clone());
    world.media(MediaEvent::BackupAdded { participant, track: bound, mid: "2".into() });
    assert_eq!(codecs(&world), [codec("video/VP9", "c", "1"), codec("video/VP8", "c2", "2")]);
    world.says(&ada, ask::Message::AddTrack(AddTrackRequest { sid: track.to_string(), ..camera("c3") }));
    assert_eq!(world.expected, None, "it is there");

    wanted_is_retold(&mut world, &ada, &track);
}

/// The first codec is wanted no more, and who was away hears of both.
fn wanted_is_retold(world: &mut World, ada: &Client, track: &TrackSid) {
    wanted(world, ada, track, None);
    let both = vec![("vp9".to_owned(), false), ("vp8".to_owned(), true)];
    assert_eq!(codecs_told(world, ada).last(), Some(&both));
    world.lose(ada);
    let ada = world.resume(ada);
    assert_eq!(codecs_told(world, &ada), [both]);
}

#[test]
fn a_backup_is_expected_with_its_policy_and_after_its_track() {
    for (policy, expected) in [
        (BackupCodecPolicy::PreferRegression, BackupPolicy::Regression),
        (BackupCodecPolicy::Regression, BackupPolicy::Regression),
        (BackupCodecPolicy::Simulcast, BackupPolicy::Simulcast),
    ] {
        let mut world = World::new();
        let ada = world.join("ada");
        world.says(&ada, ask::Message::AddTrack(with_backup(policy)));
        let first = world.expected.take().unwrap();
        let codec = BackupCodec { mime_type: "video/VP8".into(), policy: expected };
        assert_eq!(first.role, CodecRole::Primary(codec));

        let second = AddTrackRequest { sid: first.track.to_string(), ..camera("c2") };
        world.says(&ada, ask::Message::AddTrack(second.clone()));
        assert_eq!(world.expected, None, "its track has not met its section");
        let (participant, track) = (ada.sid.clone(), first.track.clone());
        let (mid, mime_type) = ("1".into(), "video/VP9".into());
        world.media(MediaEvent::TrackAdded { participant, track, mid, mime_type, simulcast: false });
        let strange = AddTrackRequest { sid: first.track.to_string(), ..with_backup(policy) };
        world.says(&ada, ask::Message::AddTrack(strange));
        assert_eq!(world.expected, None, "the first codec is no backup");
        world.says(&ada, ask::Message::AddTrack(second));
        let second = world.expected.take().unwrap();
        assert_eq!((second.role, second.track, second.cids), (CodecRole::Backup, first.track, vec!["c2".to_owned()]));
        assert_eq!(second.codecs, ["video/VP8"]);
    }
}

#[test]
fn a_backup_of_the_same_codec_is_none() {
    let mut world = World::new();
    let ada = world.join("ada");
    let mut request = camera("c");
    request
        .simulcast_codecs
        .push(SimulcastCodec { codec: "VP8".into(), ..Default::default() });
    world.says(&ada, ask::Message::AddTrack(request));
    assert_eq!(world.expected.take().unwrap().role, CodecRole::Only);

    // The section brought the second: there is nothing behind it.
    let track = world.publish(&ada, AddTrackRequest { cid: "d".into(), ..with_backup(BackupCodecPolicy::Simulcast) });
    let (participant, wanted) = (ada.sid.clone(), track.clone());
    world.media(MediaEvent::BackupWanted { participant, track: wanted, max_spatial: Some(2) });
    assert!(codecs_told(&world, &ada).is_empty());
    assert_eq!(world.room.track(track.as_str()).unwrap().1.codecs.len(), 1);
}
