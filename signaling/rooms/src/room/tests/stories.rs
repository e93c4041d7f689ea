//! What happens in rooms, told one by one.

use livekit_protocol::{
    DataChannelReceiveState, DataPacket, LeaveRequest, MuteTrackRequest, Ping, RequestResponse, SessionDescription,
    SimulateScenario, SubscriptionPermission, SyncState, TrackPermission, UpdateParticipantMetadata,
    UpdateSubscription, UpdateTrackSettings, VideoQuality, participant_info, request_response, signal_request as ask,
    signal_response as told, simulate_scenario,
};
use prost::Message;

use super::*;
use crate::{AudioLevel, MediaFailure};

const SDP: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

fn state(info: &ParticipantInfo) -> participant_info::State {
    info.state()
}

fn leave() -> ask::Message {
    ask::Message::Leave(LeaveRequest::default())
}

fn refusals(world: &World, client: &Client) -> Vec<request_response::Reason> {
    world.heard(client, |message| match message {
        told::Message::RequestResponse(answer) => Some(answer.reason()),
        _ => None,
    })
}

fn packet(text: &str, sequence: u32, to: &[&str]) -> Vec<u8> {
    let chat = livekit_protocol::ChatMessage { message: text.into(), ..Default::default() };
    DataPacket {
        sequence,
        destination_identities: to.iter().map(|to| (*to).into()).collect(),
        value: Some(livekit_protocol::data_packet::Value::ChatMessage(chat)),
        ..Default::default()
    }
    .encode_to_vec()
}

fn sends(world: &mut World, client: &Client, payload: Vec<u8>) {
    let (participant, channel) = (client.sid.clone(), DataChannel::Reliable);
    world.media(MediaEvent::Data { participant, channel, payload });
}

#[test]
fn the_first_message_tells_a_client_all_it_needs() {
    let mut world = World::new();
    let ada = world.join("ada");
    for (version, subscriber_primary) in [(SignalVersion::V0, true), (SignalVersion::V1, false)] {
        let arrival = world.arrival("bob", version);
        let bob = world.enter(arrival).unwrap();
        let told::Message::Join(join) = &world.inbox[&bob.connection][0] else { panic!("join comes first") };
        assert_eq!(join.subscriber_primary, subscriber_primary);
        assert_eq!((join.ping_interval, join.ping_timeout), (5, 15));
        assert!(join.fast_publish && join.sif_trailer.is_empty());
        assert_eq!(join.enabled_publish_codecs[0].mime, "video/VP8");
        let room = join.room.as_ref().unwrap();
        assert!(room.sid.starts_with("RM_") && room.name == "math" && !room.enabled_codecs.is_empty());
        assert_eq!(join.server_info.as_ref().unwrap().protocol, 17);
        let me = join.participant.as_ref().unwrap();
        assert_eq!((me.name.as_str(), state(me)), ("BOB", participant_info::State::Joined));
        let [other] = &join.other_participants[..] else { panic!("ada is there") };
        assert_eq!((other.sid.as_str(), state(other)), (ada.sid.as_str(), participant_info::State::Active));
        assert_eq!((other.client_protocol, other.permission.is_some()), (2, true));
        assert!(world.tokens.iter().any(|(to, claims)| *to == bob.connection && claims.identity == "bob"));
    }
}

#[test]
fn others_see_somebody_at_once_and_again_when_media_is_up() {
    let mut world = World::new();
    let ada = world.join("ada");
    let bob = world.join("bob");
    let about_bob: Vec<_> = world.updates(&ada).into_iter().filter(|info| info.identity == "bob").collect();
    let states: Vec<_> = about_bob.iter().map(state).collect();
    assert_eq!(states, [participant_info::State::Joined, participant_info::State::Active]);
    assert!(about_bob[0].version < about_bob[1].version);
    assert_eq!(world.updates(&bob).iter().map(state).collect::<Vec<_>>(), [participant_info::State::Active]);
    world.says(&bob, leave());
    let last = world.updates(&ada).pop().unwrap();
    assert_eq!((last.identity.as_str(), state(&last)), ("bob", participant_info::State::Disconnected));
    assert_eq!(last.disconnect_reason(), DisconnectReason::ClientInitiated);
    assert!(!world.is_open(&bob) && world.is_open(&ada));
    assert!(
        world
            .updates(&bob)
            .iter()
            .all(|info| state(info) != participant_info::State::Disconnected)
    );
}

#[test]
fn a_published_track_reaches_everybody_who_wants_it() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let mut quiet = world.arrival("eve", SignalVersion::V0);
    quiet.request.connection_settings.as_mut().unwrap().auto_subscribe = false;
    let eve = world.enter(quiet).unwrap();

    let track = world.publish(&ada, camera("c1"));
    assert!(track.as_str().starts_with("TR_VC"));
    assert!(world.receives(&bob, &track) && !world.receives(&eve, &track) && !world.receives(&ada, &track));
    assert_eq!(world.subscriptions[&(bob.sid.clone(), track.clone())].0, format!("{}|camera", ada.sid));
    let info = world.updates(&bob).pop().unwrap();
    assert_eq!((info.tracks[0].mime_type.as_str(), info.tracks[0].mid.as_str()), ("video/VP8", "1"));
    assert_eq!(info.tracks[0].codecs[0].layers.len(), 3);

    let wish = UpdateSubscription { track_sids: vec![track.to_string()], subscribe: true, ..Default::default() };
    world.says(&eve, ask::Message::Subscription(wish));
    assert!(world.receives(&eve, &track));

    // A late joiner has it with the first offer.
    let mut late = world.arrival("late", SignalVersion::V1);
    late.request.publisher_offer =
        Some(SessionDescription { r#type: "offer".into(), sdp: SDP.into(), id: 1, ..Default::default() });
    let late = world.enter(late).unwrap();
    assert!(world.receives(&late, &track));
    assert_eq!(world.offers, [(late.sid.clone(), 1)]);

    world.unpublish(&ada.sid, &track);
    assert!(world.subscriptions.is_empty());
    assert!(world.updates(&bob).pop().unwrap().tracks.is_empty());
}

#[test]
fn the_first_subscriber_is_told_to_the_publisher_once() {
    let mut world = World::new();
    let (ada, bob, eve) = (world.join("ada"), world.join("bob"), world.join("eve"));
    let track = world.publish(&ada, microphone("m1"));
    for subscriber in [&bob, &eve, &bob] {
        world.media(MediaEvent::Subscribed { subscriber: subscriber.sid.clone(), track: track.clone() });
    }
    let heard = world.heard(&ada, |message| match message {
        told::Message::TrackSubscribed(heard) => Some(heard.track_sid.clone()),
        _ => None,
    });
    assert_eq!(heard, [track.as_str()]);
}

#[test]
fn an_announcement_comes_before_or_after_its_section_and_counts_once() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    for _ in 0..2 {
        world.says(&ada, ask::Message::AddTrack(camera("c1")));
    }
    assert_eq!(world.media_tracks.len(), 1, "a repeated announcement is answered with the same track");
    assert!(world.updates(&bob).iter().all(|info| info.tracks.is_empty()), "nobody hears of a track without media");
    let backup = AddTrackRequest { sid: world.media_tracks.keys().next().unwrap().to_string(), ..camera("backup") };
    world.says(&ada, ask::Message::AddTrack(backup));
    assert_eq!(world.media_tracks.len(), 1, "a backup codec is no track of its own");
}

#[test]
fn too_many_tracks_and_those_not_permitted_are_refused() {
    let mut world = World::new();
    let ada = world.join("ada");
    for n in 0..25 {
        world.says(&ada, ask::Message::AddTrack(camera(&format!("c{n}"))));
    }
    assert_eq!(world.media_tracks.len(), 20);
    assert_eq!(refusals(&world, &ada), vec![request_response::Reason::LimitExceeded; 5]);

    let mut only_sound = world.arrival("bob", SignalVersion::V1);
    only_sound.grants.permission.can_publish_sources = vec![TrackSource::Microphone as i32];
    let bob = world.enter(only_sound).unwrap();
    world.says(&bob, ask::Message::AddTrack(camera("c")));
    world.says(&bob, ask::Message::AddTrack(microphone("m")));
    let data = AddTrackRequest { r#type: TrackType::Data as i32, ..microphone("d") };
    world.says(&bob, ask::Message::AddTrack(data));
    assert_eq!(
        refusals(&world, &bob),
        [request_response::Reason::NotAllowed, request_response::Reason::UnsupportedType]
    );
    let asked = world.heard(&bob, |message| match message {
        told::Message::RequestResponse(RequestResponse { request: Some(request), .. }) => Some(request.clone()),
        _ => None,
    });
    assert!(matches!(&asked[0], request_response::Request::AddTrack(request) if request.cid == "c"));
}

#[test]
fn mute_is_seen_by_others_and_stops_media() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let track = world.publish(&ada, microphone("m"));
    world.says(&ada, ask::Message::Mute(MuteTrackRequest { sid: track.to_string(), muted: true }));
    assert!(world.muted.contains(&track));
    assert!(world.updates(&bob).pop().unwrap().tracks[0].muted);
    world.says(&ada, ask::Message::Mute(MuteTrackRequest { sid: track.to_string(), muted: false }));
    assert!(world.muted.is_empty());

    // Somebody else's track is none of bob's, whether it exists or not.
    for sid in [track.as_str(), "TR_nothing"] {
        world.says(&bob, ask::Message::Mute(MuteTrackRequest { sid: sid.into(), muted: true }));
    }
    assert_eq!(refusals(&world, &bob), [request_response::Reason::NotFound; 2]);
    assert!(world.muted.is_empty());

    world
        .moderate(Moderation::MuteTrack { identity: "ada".into(), track: track.clone(), muted: true })
        .unwrap();
    let asked = world.heard(&ada, |message| match message {
        told::Message::Mute(request) => Some((request.sid.clone(), request.muted)),
        _ => None,
    });
    assert_eq!(asked, [(track.to_string(), true)]);
    let unknown = Moderation::MuteTrack { identity: "bob".into(), track, muted: true };
    assert_eq!(world.moderate(unknown), Err(ModerationError::NotFound));
}

#[test]
fn a_small_tile_receives_a_small_layer() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let track = world.publish(&ada, camera("c"));
    let key = (bob.sid.clone(), track.clone());
    let setting = |width, height, quality: VideoQuality, disabled| {
        ask::Message::TrackSetting(UpdateTrackSettings {
            track_sids: vec![track.to_string()],
            disabled,
            quality: quality as i32,
            width,
            height,
            ..Default::default()
        })
    };
    world.says(&bob, setting(200, 112, VideoQuality::High, false));
    let small = Demand { max_spatial: 0, area_px: 200 * 112, ..Demand::default() };
    assert_eq!(world.subscriptions[&key].1, small);
    world.says(&bob, setting(0, 0, VideoQuality::Medium, false));
    assert_eq!(world.subscriptions[&key].1.max_spatial, 1);
    world.says(&bob, setting(0, 0, VideoQuality::High, true));
    assert!(!world.subscriptions[&key].1.enabled);
    world.says(&bob, setting(1280, 720, VideoQuality::High, false));
    assert_eq!(world.subscriptions[&key].1, Demand { area_px: 1280 * 720, ..Demand::default() });
}

#[test]
fn a_wish_made_before_the_track_exists_is_kept() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let first = world.publish(&ada, camera("c"));
    world.unpublish(&ada.sid, &first);
    let off = UpdateSubscription { track_sids: vec!["TR_later".into()], subscribe: false, ..Default::default() };
    world.says(&bob, ask::Message::Subscription(off));
    assert_eq!(world.room.participants[&bob.sid].subscriptions.len(), 1);
    let flood = UpdateSubscription {
        track_sids: (0..5000).map(|n| format!("TR_{n}")).collect(),
        subscribe: true,
        ..Default::default()
    };
    world.says(&bob, ask::Message::Subscription(flood));
    assert_eq!(world.room.participants[&bob.sid].subscriptions.len(), 256);
}

#[test]
fn a_publisher_chooses_who_may_receive() {
    let mut world = World::new();
    let (ada, bob, eve) = (world.join("ada"), world.join("bob"), world.join("eve"));
    let track = world.publish(&ada, camera("c"));
    let only_bob = SubscriptionPermission {
        all_participants: false,
        track_permissions: vec![TrackPermission {
            participant_sid: bob.sid.to_string(),
            all_tracks: true,
            ..Default::default()
        }],
    };
    world.says(&ada, ask::Message::SubscriptionPermission(only_bob));
    assert!(world.receives(&bob, &track) && !world.receives(&eve, &track));
    let allowed = |world: &World| {
        world.heard(&eve, |message| match message {
            told::Message::SubscriptionPermissionUpdate(update) => Some((update.track_sid.clone(), update.allowed)),
            _ => None,
        })
    };
    assert_eq!(allowed(&world), [(track.to_string(), false)]);
    let second = world.publish(&ada, microphone("m"));
    assert!(world.receives(&bob, &second) && !world.receives(&eve, &second), "later tracks too");
    let everybody = SubscriptionPermission { all_participants: true, ..Default::default() };
    world.says(&ada, ask::Message::SubscriptionPermission(everybody));
    assert!(world.receives(&eve, &track) && world.receives(&eve, &second));
    assert_eq!(allowed(&world).iter().filter(|(_, allowed)| *allowed).count(), 2);
}

#[test]
fn permissions_taken_away_take_effect_at_once() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let (hers, his) = (world.publish(&ada, camera("c")), world.publish(&bob, camera("c")));
    let silent = ParticipantPermission { can_subscribe: false, can_publish: false, ..permission() };
    world
        .moderate(Moderation::UpdateParticipant {
            identity: "ada".into(),
            name: None,
            metadata: Some("muted by teacher".into()),
            attributes: [("seat".to_owned(), "3".to_owned())].into(),
            permission: Some(silent),
        })
        .unwrap();
    assert!(!world.media_tracks.contains_key(&hers) && !world.receives(&ada, &his));
    let gone = world.heard(&ada, |message| match message {
        told::Message::TrackUnpublished(gone) => Some(gone.track_sid.clone()),
        _ => None,
    });
    assert_eq!(gone, [hers.as_str()]);
    let info = world.updates(&bob).pop().unwrap();
    assert_eq!((info.metadata.as_str(), info.attributes["seat"].as_str()), ("muted by teacher", "3"));
    assert!(!info.permission.unwrap().can_publish);
    assert!(!world.tokens.last().unwrap().1.permission.can_publish, "and in the token it would come back with");
}

#[test]
fn own_metadata_needs_permission_and_has_bounds() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let update = |name: &str, metadata: String, request_id| {
        ask::Message::UpdateMetadata(UpdateParticipantMetadata {
            name: name.into(),
            metadata,
            attributes: [("hand".to_owned(), "up".to_owned())].into(),
            request_id,
        })
    };
    world.says(&ada, update("Ada\u{202E}!", "m".into(), 7));
    let info = world.updates(&bob).pop().unwrap();
    assert_eq!((info.name.as_str(), info.metadata.as_str(), info.attributes["hand"].as_str()), ("Ada!", "m", "up"));
    world.says(&ada, update("Ada", "m".repeat(70_000), 8));
    world.says(&ada, update(&"a".repeat(65), "m".into(), 9));
    let clear = UpdateParticipantMetadata { attributes: [("hand".into(), String::new())].into(), ..Default::default() };
    world.says(&ada, ask::Message::UpdateMetadata(clear));
    assert!(world.updates(&bob).pop().unwrap().attributes.is_empty());

    let mut plain = world.arrival("eve", SignalVersion::V1);
    plain.grants.permission.can_update_metadata = false;
    let eve = world.enter(plain).unwrap();
    world.says(&eve, update("Eve", "m".into(), 1));
    assert_eq!(refusals(&world, &eve), [request_response::Reason::NotAllowed]);
    use request_response::Reason;
    assert_eq!(refusals(&world, &ada), [Reason::Ok, Reason::LimitExceeded, Reason::LimitExceeded, Reason::Ok]);
}

#[test]
fn data_goes_to_whom_it_is_for_and_never_back() {
    let mut world = World::new();
    let (ada, bob, eve) = (world.join("ada"), world.join("bob"), world.join("eve"));
    sends(&mut world, &ada, packet("all", 1, &[]));
    sends(&mut world, &ada, packet("bob", 2, &["bob", "ada"]));
    sends(&mut world, &ada, packet("bob again", 2, &["bob"]));
    let to: Vec<_> = world.data.iter().map(|(to, _, _)| to.clone()).collect();
    assert_eq!(to[0].iter().collect::<BTreeSet<_>>(), BTreeSet::from([&bob.sid, &eve.sid]));
    assert_eq!(to[1..], [vec![bob.sid.clone()]], "and a repeated number is not relayed twice");
    let sent = DataPacket::decode(&world.data[0].2[..]).unwrap();
    assert_eq!((sent.participant_identity.as_str(), sent.participant_sid.as_str()), ("ada", ada.sid.as_str()));

    let mut mute = world.arrival("mallory", SignalVersion::V1);
    mute.grants.permission.can_publish_data = false;
    let mallory = world.enter(mute).unwrap();
    sends(&mut world, &mallory, packet("x", 1, &[]));
    sends(&mut world, &ada, vec![0xff; 40]);
    assert_eq!(world.data.len(), 2);

    sends(&mut world, &ada, packet("y", 3, &[]));
    assert!(!world.data[2].0.contains(&mallory.sid), "whose media is not up cannot receive");
}

#[test]
fn a_resumed_client_gets_what_it_missed() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    for sequence in 1..=5 {
        sends(&mut world, &ada, packet("x", sequence, &[]));
    }
    sends(&mut world, &bob, packet("y", 9, &[]));
    let track = world.publish(&ada, camera("c"));
    world.lose(&bob);
    world.pass(Duration::from_secs(10));
    world.says(
        &ada,
        ask::Message::UpdateMetadata(UpdateParticipantMetadata { name: "Ada".into(), ..Default::default() }),
    );
    world.data.clear();

    let bob = world.resume(&bob);
    let told::Message::Reconnect(reconnect) = &world.inbox[&bob.connection][0] else { panic!("reconnect comes first") };
    assert_eq!((reconnect.last_message_seq, reconnect.server_info.as_ref().unwrap().protocol), (9, 17));
    let everybody: BTreeSet<_> = world.updates(&bob).into_iter().map(|info| info.name).collect();
    assert_eq!(everybody, BTreeSet::from(["Ada".to_owned(), "BOB".to_owned()]), "it itself too");
    assert!(
        world
            .heard(&bob, |m| matches!(m, told::Message::RoomUpdate(u) if u.room.is_some()).then_some(()))
            .len()
            == 1
    );
    assert_eq!(world.resumed, std::slice::from_ref(&bob.sid));
    assert!(world.receives(&bob, &track), "media went on");

    let seen = DataChannelReceiveState { publisher_sid: ada.sid.to_string(), last_seq: 3 };
    let off = UpdateSubscription { track_sids: vec![track.to_string()], subscribe: false, ..Default::default() };
    let state = SyncState {
        subscription: Some(off),
        datachannel_receive_states: vec![seen],
        track_sids_disabled: vec!["TR_gone".into()],
        ..Default::default()
    };
    world.says(&bob, ask::Message::SyncState(state));
    let missed: Vec<_> = world
        .data
        .iter()
        .map(|(_, _, bytes)| DataPacket::decode(&bytes[..]).unwrap().sequence)
        .collect();
    assert_eq!(missed, [4, 5]);
    assert!(world.data.iter().all(|(to, _, _)| *to == [bob.sid.clone()]));
    assert!(!world.receives(&bob, &track));
    world.pass(Duration::from_secs(60));
    assert!(world.is_open(&bob), "it stays");
    assert!(world.event_names().contains(&"participant_resumed"));
}

#[test]
fn who_does_not_come_back_in_time_is_gone_and_cannot_resume() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    world.lose(&bob);
    world.pass(Duration::from_secs(14));
    assert_eq!(world.room.occupancy(), 2);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.room.occupancy(), 1);
    assert_eq!(world.updates(&ada).pop().unwrap().disconnect_reason(), DisconnectReason::SignalClose);
    let bob = world.resume(&bob);
    assert_eq!(world.farewell(&bob), Some((DisconnectReason::StateMismatch, leave_request::Action::Reconnect)));
    assert!(!world.is_open(&bob));
}

#[test]
fn a_session_cannot_be_resumed_by_another_identity_or_door() {
    let mut world = World::new();
    let (ada, _mallory) = (world.join("ada"), world.join("mallory"));
    let thief = world.resume(&Client { identity: "mallory".into(), ..ada.clone() });
    assert_eq!(world.farewell(&thief).unwrap().0, DisconnectReason::StateMismatch);
    let arrival = world.arrival("ada", SignalVersion::V0);
    let connection = arrival.connection;
    world.command(Command::Resume(Box::new(Resume { participant: ada.sid.clone(), arrival })));
    assert_eq!(world.farewell(&Client { connection, ..ada.clone() }).unwrap().0, DisconnectReason::StateMismatch);
    assert!(world.is_open(&ada));
}

#[test]
fn a_resume_while_the_old_connection_lives_replaces_it() {
    let mut world = World::new();
    let ada = world.join("ada");
    let again = world.resume(&ada);
    assert!(!world.is_open(&ada) && world.is_open(&again));
    world.lose(&ada);
    world.pass(Duration::from_secs(60));
    assert!(world.is_open(&again), "the end of the old connection is not news");
}

#[test]
fn the_newer_of_two_bearers_of_an_identity_stays() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let track = world.publish(&ada, camera("c"));
    let newer = world.join("ada");
    assert_eq!(world.farewell(&ada), Some((DisconnectReason::DuplicateIdentity, leave_request::Action::Disconnect)));
    assert!(!world.is_open(&ada) && world.is_open(&newer) && ada.sid != newer.sid);
    assert!(!world.media_tracks.contains_key(&track));
    let seen: Vec<_> = world.updates(&bob).into_iter().map(|info| (info.sid.clone(), state(&info))).collect();
    let old_gone = seen
        .iter()
        .position(|(sid, s)| *sid == ada.sid.as_str() && *s == participant_info::State::Disconnected);
    let new_here = seen.iter().position(|(sid, _)| *sid == newer.sid.as_str());
    assert!(old_gone.unwrap() < new_here.unwrap(), "goodbye comes before hello: clients look up by identity");
}

#[test]
fn two_that_fight_for_an_identity_are_stopped() {
    let mut world = World::new();
    world.join("ada");
    let admitted = (0..12).filter(|_| {
        let arrival = world.arrival("ada", SignalVersion::V1);
        world.enter(arrival).is_some()
    });
    assert_eq!(admitted.count(), 8);
    world.pass(Duration::from_secs(11));
    let arrival = world.arrival("ada", SignalVersion::V1);
    assert!(world.enter(arrival).is_some());
}

#[test]
fn a_full_room_refuses_but_not_its_own() {
    let mut world = World::with(|config| config.max_participants = 2);
    world.join("ada");
    world.join("bob");
    let arrival = world.arrival("eve", SignalVersion::V1);
    let connection = arrival.connection;
    assert!(world.enter(arrival).is_none());
    assert!(!world.live.contains(&connection));
    world.join("bob");
    assert_eq!(world.room.occupancy(), 2);
}

#[test]
fn the_hidden_see_and_are_not_seen() {
    let mut world = World::new();
    let ada = world.join("ada");
    let mut arrival = world.arrival("ghost", SignalVersion::V1);
    arrival.grants.permission.hidden = true;
    let ghost = world.enter(arrival).unwrap();
    world.media(MediaEvent::Connected { participant: ghost.sid.clone() });
    sends(&mut world, &ghost, packet("boo", 1, &[]));
    assert_eq!(DataPacket::decode(&world.data[0].2[..]).unwrap().participant_identity, "");
    world.says(&ghost, leave());
    assert!(world.updates(&ada).iter().all(|info| info.identity != "ghost"));
    let bob = world.join("bob");
    let told::Message::Join(join) = &world.inbox[&bob.connection][0] else { panic!("join") };
    assert_eq!(join.other_participants.len(), 1);
}

#[test]
fn voices_are_told_when_they_begin_change_and_end() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let voice = |who: &Client| AudioLevel { participant: who.sid.clone(), level_dbov: 12, active_percent: 90 };
    let heard = |world: &World, client: &Client| {
        world.heard(client, |message| match message {
            told::Message::SpeakersChanged(changed) => Some(changed.speakers[0].clone()),
            _ => None,
        })
    };
    world.media(MediaEvent::AudioLevels { part: 0, levels: vec![voice(&ada)] });
    assert!(matches!(&heard(&world, &bob)[..], [s] if s.active && s.sid == ada.sid.as_str()));
    let late = world.join("late");
    assert_eq!(heard(&world, &late).len(), 1, "who comes later is told as well");
    world.pass(Duration::from_secs(3));
    assert!(heard(&world, &bob).last().is_some_and(|s| !s.active), "without reports nobody speaks");
    world.media(MediaEvent::AudioLevels { part: 0, levels: vec![voice(&ada)] });
    world.says(&ada, leave());
    assert!(heard(&world, &bob).last().is_some_and(|s| !s.active), "who leaves stops speaking");
}

/// A room may be on several workers: each tells of those it has, and may fall silent while others speak.
#[test]
fn a_worker_that_reports_nothing_any_more_silences_its_own_and_nobody_else() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let voice = |who: &Client| AudioLevel { participant: who.sid.clone(), level_dbov: 12, active_percent: 90 };
    let last_of = |world: &World, of: &Client| {
        let told = world.heard(&bob, |message| match message {
            told::Message::SpeakersChanged(changed) => Some(changed.speakers.clone()),
            _ => None,
        });
        told.into_iter()
            .flatten()
            .rfind(|info| info.sid == of.sid.as_str())
            .map(|info| info.active)
    };
    world.media(MediaEvent::AudioLevels { part: 0, levels: vec![voice(&ada)] });
    for _ in 0..10 {
        world.media(MediaEvent::AudioLevels { part: 1, levels: vec![voice(&bob)] });
        world.pass(Duration::from_millis(300));
    }
    assert_eq!(last_of(&world, &ada), Some(false));
    assert_eq!(last_of(&world, &bob), Some(true));
}

#[test]
fn tokens_are_renewed_before_they_end() {
    let mut world = World::new();
    let ada = world.join("ada");
    world.pass(Duration::from_secs(16 * 60));
    assert_eq!(world.tokens.iter().filter(|(to, _)| *to == ada.connection).count(), 4);
}

#[test]
fn pings_are_answered_both_ways() {
    let mut world = World::new();
    let ada = world.join("ada");
    world.says(&ada, ask::Message::Ping(1));
    world.says(&ada, ask::Message::PingReq(Ping { timestamp: 42, rtt: 1 }));
    let unix_ms = world.now.unix_ms;
    assert!(
        world.inbox[&ada.connection]
            .iter()
            .any(|m| matches!(m, told::Message::Pong(at) if *at == unix_ms))
    );
    assert!(
        world.inbox[&ada.connection]
            .iter()
            .any(|m| matches!(m, told::Message::PongResp(p) if p.last_ping_timestamp == 42))
    );
}

#[test]
fn descriptions_pass_through_with_their_ids() {
    let mut world = World::new();
    let arrival = world.arrival("ada", SignalVersion::V0);
    let ada = world.enter(arrival).unwrap();
    let description =
        |id, sdp: &str| SessionDescription { r#type: "offer".into(), sdp: sdp.into(), id, ..Default::default() };
    world.says(&ada, ask::Message::Offer(description(7, SDP)));
    assert_eq!(world.offers, [(ada.sid.clone(), 7)]);
    let mid_to_track = vec![("3".to_owned(), TrackSid::from("TR_1"))];
    world.media(MediaEvent::Answer { participant: ada.sid.clone(), id: 7, sdp: SDP.into(), mid_to_track });
    world.media(MediaEvent::SectionsNeeded { participant: ada.sid.clone(), audio: 1, video: 2 });
    let answers = world.heard(&ada, |message| match message {
        told::Message::Answer(answer) => Some((answer.id, answer.r#type.clone(), answer.mid_to_track_id["3"].clone())),
        _ => None,
    });
    assert_eq!(answers, [(7, "answer".to_owned(), "TR_1".to_owned())]);
    world.says(&ada, ask::Message::Offer(description(8, "nonsense")));
    assert!(!world.is_open(&ada), "absurd descriptions end the session");
}

#[test]
fn media_that_fails_sends_its_client_to_begin_anew() {
    let mut world = World::new();
    let (ada, bob, eve) = (world.join("ada"), world.join("bob"), world.join("eve"));
    world.media(MediaEvent::Failed { participant: ada.sid.clone(), failure: MediaFailure::ConnectionLost });
    world.media(MediaEvent::NegotiationFailed { participant: eve.sid.clone() });
    let begin_anew = leave_request::Action::Reconnect;
    assert_eq!(world.farewell(&ada), Some((DisconnectReason::ConnectionTimeout, begin_anew)));
    assert_eq!(world.farewell(&eve), Some((DisconnectReason::MediaFailure, begin_anew)));
    assert_eq!(world.room.occupancy(), 1);
    // Late news of somebody gone is no news.
    world.media(MediaEvent::Connected { participant: ada.sid.clone() });
    world.media(MediaEvent::Failed { participant: ada.sid, failure: MediaFailure::Internal });
    assert!(world.is_open(&bob));
}

#[test]
fn who_never_brings_up_media_is_sent_away() {
    let mut world = World::new();
    let arrival = world.arrival("ada", SignalVersion::V1);
    let ada = world.enter(arrival).unwrap();
    world.pass(Duration::from_secs(61));
    assert_eq!(world.farewell(&ada), Some((DisconnectReason::JoinFailure, leave_request::Action::Reconnect)));
}

#[test]
fn rooms_end_when_nobody_comes_and_when_everybody_left() {
    let mut never = World::new();
    never.pass(Duration::from_secs(299));
    assert!(!never.finished);
    never.pass(Duration::from_secs(2));
    assert!(never.finished && never.room.is_finished());
    assert_eq!(never.event_names(), ["room_started", "room_finished"]);

    let mut world = World::new();
    let ada = world.join("ada");
    world.pass(Duration::from_secs(1000));
    world.says(&ada, leave());
    world.pass(Duration::from_secs(15));
    let bob = world.join("bob");
    world.pass(Duration::from_secs(15));
    assert!(!world.finished, "somebody came in time");
    world.says(&bob, leave());
    world.pass(Duration::from_secs(21));
    assert!(world.finished);
    assert_eq!(world.room.moderate(Moderation::DeleteRoom, world.now).unwrap_err(), ModerationError::Finished);
}

#[test]
fn a_stopping_server_says_goodbye() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    world.publish(&ada, camera("c"));
    world.command(Command::Shutdown);
    for client in [&ada, &bob] {
        assert_eq!(world.farewell(client), Some((DisconnectReason::ServerShutdown, leave_request::Action::Reconnect)));
        assert!(!world.is_open(client));
    }
    assert!(world.finished);
    assert_eq!(world.event_names().last(), Some(&"room_finished"));
}

#[test]
fn the_server_api_removes_deletes_and_sends() {
    let mut world = World::new();
    let (ada, bob) = (world.join("ada"), world.join("bob"));
    let payload = packet("from the server", 0, &["bob"]);
    world.moderate(Moderation::SendData { channel: DataChannel::Reliable, payload }).unwrap();
    assert_eq!(world.data[0].0, std::slice::from_ref(&bob.sid));
    world.moderate(Moderation::UpdateRoomMetadata { metadata: "lesson 3".into() }).unwrap();
    assert!(
        world
            .heard(&ada, |m| {
                matches!(m, told::Message::RoomUpdate(u) if u.room.as_ref().unwrap().metadata == "lesson 3")
                    .then_some(())
            })
            .len()
            == 1
    );
    assert_eq!(world.room.snapshot().participants.len(), 2);
    world
        .moderate(Moderation::RemoveParticipant { identity: "ada".into(), revoke_before_s: None, keep_out: false })
        .unwrap();
    assert_eq!(world.farewell(&ada), Some((DisconnectReason::ParticipantRemoved, leave_request::Action::Disconnect)));
    assert_eq!(
        world.moderate(Moderation::RemoveParticipant {
            identity: "ada".into(),
            revoke_before_s: None,
            keep_out: false
        }),
        Err(ModerationError::NotFound)
    );
    let track = world.publish(&bob, camera("c"));
    let eve = world.join("eve");
    let off = Moderation::UpdateSubscriptions { identity: "eve".into(), tracks: vec![track.clone()], subscribe: false };
    world.moderate(off).unwrap();
    assert!(!world.receives(&eve, &track));
    world.moderate(Moderation::DeleteRoom).unwrap();
    assert_eq!(world.farewell(&bob).unwrap().0, DisconnectReason::RoomDeleted);
}

#[test]
fn simulated_faults_do_what_sdk_suites_expect() {
    use simulate_scenario::Scenario;
    let simulate = |scenario| ask::Message::Simulate(SimulateScenario { scenario: Some(scenario) });
    let mut world = World::new();
    let watcher = world.join("watcher");

    let ada = world.join("ada");
    world.says(&ada, simulate(Scenario::ServerLeave(true)));
    assert_eq!(world.farewell(&ada).unwrap().1, leave_request::Action::Disconnect);

    let ada = world.join("ada");
    world.says(&ada, simulate(Scenario::LeaveRequestFullReconnect(true)));
    assert_eq!(world.farewell(&ada).unwrap().1, leave_request::Action::Reconnect);

    let ada = world.join("ada");
    world.says(&ada, simulate(Scenario::NodeFailure(true)));
    assert!(world.farewell(&ada).is_none() && !world.is_open(&ada));
    assert_eq!(world.resume(&ada).sid, ada.sid);
    assert_eq!(world.room.occupancy(), 1, "and the session is unknown");

    let ada = world.join("ada");
    world.says(&ada, simulate(Scenario::Migration(true)));
    assert_eq!(world.farewell(&ada).unwrap().1, leave_request::Action::Resume);
    let ada = world.resume(&ada);
    assert!(world.is_open(&ada));

    world.says(&ada, simulate(Scenario::DisconnectSignalOnResume(true)));
    world.lose(&ada);
    let ada = world.resume(&ada);
    assert!(!world.is_open(&ada) && matches!(world.inbox[&ada.connection][0], told::Message::Reconnect(_)));
    let ada = world.resume(&ada);
    assert!(world.is_open(&ada));

    world.says(&ada, simulate(Scenario::DisconnectSignalOnResumeNoMessages(true)));
    let mut last = ada;
    for _ in 0..3 {
        last = world.resume(&last);
        assert!(!world.is_open(&last) && !world.inbox.contains_key(&last.connection));
    }
    let ada = world.resume(&last);
    assert!(world.is_open(&ada));

    world.says(&ada, simulate(Scenario::SpeakerUpdate(3)));
    world.pass(Duration::from_secs(4));
    let speaking = world.heard(&watcher, |message| match message {
        told::Message::SpeakersChanged(changed) => Some(changed.speakers[0].active),
        _ => None,
    });
    assert_eq!(speaking, [true, false]);
}

#[test]
fn the_log_tells_the_story_in_order() {
    let mut world = World::new();
    let ada = world.join("ada");
    world.publish(&ada, camera("c"));
    world.says(&ada, leave());
    world.pass(Duration::from_secs(30));
    assert_eq!(
        world.event_names(),
        [
            "room_started",
            "participant_joined",
            "participant_active",
            "track_published",
            "track_unpublished",
            "participant_left",
            "room_finished"
        ]
    );
}
