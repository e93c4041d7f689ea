//! Whatever people, networks and servers do, in whatever order: what [`World`] checks holds.

use livekit_protocol::{
    DataPacket, LeaveRequest, MuteTrackRequest, RpcAck, RpcResponse, SimulateScenario, SubscriptionPermission,
    TrackPermission, UpdateParticipantMetadata, UpdateSubscription, UpdateTrackSettings, data_packet::Value,
    signal_request as ask, simulate_scenario,
};
use proptest::prelude::*;

use super::steering::{Model, Steering, Token, steering, token};
use super::*;
use crate::{AudioLevel, MediaFailure};

/// People who come and go.
const PEOPLE: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    Join { who: usize, hidden: bool, auto_subscribe: bool, v0: bool, token: Token },
    MediaUp { who: usize },
    Leave { who: usize },
    LoseSignal { who: usize },
    Resume { who: usize },
    Announce { who: usize, cid: u8, sound: bool },
    Bind { track: usize },
    Unpublish { track: usize },
    Mute { who: usize, track: usize, muted: bool },
    Subscribe { who: usize, track: usize, subscribe: bool },
    Demand { who: usize, track: usize, disabled: bool, height: u32 },
    Restrict { who: usize, listener: Option<usize> },
    Rename { who: usize },
    Data { who: usize, sequence: u32 },
    Speak { who: usize },
    Wanted { track: usize, max_spatial: Option<u8>, backup: bool },
    Backup { who: usize, track: usize },
    BackupSection { track: usize, is_there: bool },
    Pause { who: usize, track: usize, paused: bool },
    NotDecodable { who: usize, track: usize },
    Fail { who: usize },
    Simulate { who: usize, scenario: u8 },
    Permit { who: usize, publish: bool, subscribe: bool, hidden: bool },
    Remove { who: usize },
    Move { who: usize },
    Call { who: usize, timeout_ms: u64 },
    Answer { who: usize, answers: bool },
    Reconfigure { max_participants: u32 },
    Steer(Steering),
    Pass { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE;
    let track = 0..8_usize;
    prop_oneof![
        5 => (who.clone(), prop::bool::weighted(0.1), prop::bool::weighted(0.8), any::<bool>(), token())
            .prop_map(|(who, hidden, auto_subscribe, v0, token)| Step::Join { who, hidden, auto_subscribe, v0, token }),
        4 => who.clone().prop_map(|who| Step::MediaUp { who }),
        1 => who.clone().prop_map(|who| Step::Leave { who }),
        2 => who.clone().prop_map(|who| Step::LoseSignal { who }),
        2 => who.clone().prop_map(|who| Step::Resume { who }),
        5 => (who.clone(), 0..3_u8, any::<bool>()).prop_map(|(who, cid, sound)| Step::Announce { who, cid, sound }),
        6 => track.clone().prop_map(|track| Step::Bind { track }),
        2 => track.clone().prop_map(|track| Step::Unpublish { track }),
        1 => (who.clone(), track.clone(), any::<bool>()).prop_map(|(who, track, muted)| Step::Mute { who, track, muted }),
        2 => (who.clone(), track.clone(), any::<bool>())
            .prop_map(|(who, track, subscribe)| Step::Subscribe { who, track, subscribe }),
        1 => (who.clone(), track, any::<bool>(), 0..800_u32)
            .prop_map(|(who, track, disabled, height)| Step::Demand { who, track, disabled, height }),
        1 => (who.clone(), prop::option::of(who.clone())).prop_map(|(who, listener)| Step::Restrict { who, listener }),
        1 => who.clone().prop_map(|who| Step::Rename { who }),
        1 => (who.clone(), 0..5_u32).prop_map(|(who, sequence)| Step::Data { who, sequence }),
        1 => who.clone().prop_map(|who| Step::Speak { who }),
        2 => (0..8_usize, prop::option::of(0..4_u8), any::<bool>())
            .prop_map(|(track, max_spatial, backup)| Step::Wanted { track, max_spatial, backup }),
        2 => (who.clone(), 0..8_usize).prop_map(|(who, track)| Step::Backup { who, track }),
        1 => (0..8_usize, any::<bool>()).prop_map(|(track, is_there)| Step::BackupSection { track, is_there }),
        1 => (who.clone(), 0..8_usize, any::<bool>())
            .prop_map(|(who, track, paused)| Step::Pause { who, track, paused }),
        1 => (who.clone(), 0..8_usize).prop_map(|(who, track)| Step::NotDecodable { who, track }),
        1 => who.clone().prop_map(|who| Step::Fail { who }),
        1 => (who.clone(), 0..7_u8).prop_map(|(who, scenario)| Step::Simulate { who, scenario }),
        2 => (who.clone(), any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(who, publish, subscribe, hidden)| Step::Permit { who, publish, subscribe, hidden }),
        1 => who.clone().prop_map(|who| Step::Move { who }),
        1 => (who.clone(), 0..20_000_u64).prop_map(|(who, timeout_ms)| Step::Call { who, timeout_ms }),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, answers)| Step::Answer { who, answers }),
        1 => (0..4_u32).prop_map(|max_participants| Step::Reconfigure { max_participants }),
        1 => who.prop_map(|who| Step::Remove { who }),
        8 => steering().prop_map(Step::Steer),
        3 => (1..8000_u64).prop_map(|ms| Step::Pass { ms }),
    ]
}

/// The world, and the last session each person had.
struct Run {
    world: World,
    people: [Option<Client>; PEOPLE],
    /// Calls asked for, and those of them the room took.
    calls: u64,
    calls_made: usize,
    /// What must be true of who is what, and of who waits.
    model: Model,
}

impl Run {
    fn track(&self, index: usize) -> Option<(TrackSid, ParticipantSid)> {
        let count = self.world.media_tracks.len();
        let (track, owner) = self.world.media_tracks.iter().nth(index % count.max(1))?;
        Some((track.clone(), owner.clone()))
    }

    fn take(&mut self, step: Step) {
        let world = &mut self.world;
        if world.finished {
            return;
        }
        match step {
            Step::Join { who, hidden, auto_subscribe, v0, token } => {
                let version = if v0 { SignalVersion::V0 } else { SignalVersion::V1 };
                let mut arrival = world.arrival(&format!("p{who}"), version);
                arrival.grants.permission.hidden = hidden;
                arrival.request.connection_settings.as_mut().unwrap().auto_subscribe = auto_subscribe;
                token.write(&mut arrival.grants, world.now);
                if let Some(client) = self.model.enter(world, arrival) {
                    self.people[who] = Some(client);
                }
            }
            Step::MediaUp { who } => {
                if let Some(client) = &self.people[who] {
                    world.media(MediaEvent::Connected { participant: client.sid.clone() });
                }
            }
            Step::Bind { track } => {
                if let Some((track, participant)) = self.track(track) {
                    let agreed = self.world.room.track(track.as_str()).map(|(_, info)| info.mime_type.clone());
                    let (mid, mime_type) = ("0".into(), agreed.filter(|m| !m.is_empty()).unwrap_or("video/VP8".into()));
                    self.world
                        .media(MediaEvent::TrackAdded { participant, track, mid, mime_type, simulcast: true });
                }
            }
            Step::Unpublish { track } => {
                if let Some((track, participant)) = self.track(track) {
                    self.world.unpublish(&participant, &track);
                }
            }
            Step::LoseSignal { who } => {
                if let Some(client) = self.people[who].clone().filter(|client| world.is_open(client)) {
                    world.lose(&client);
                }
            }
            Step::Resume { who } => {
                if let Some(client) = self.people[who].clone() {
                    // One whose token was revoked meanwhile is refused, and keeps the connection it may still have.
                    let back = world.resume(&client);
                    self.people[who] = Some(if world.is_open(&back) { back } else { client });
                }
            }
            Step::Data { who, sequence } => {
                if let Some(client) = self.people[who].clone() {
                    let payload =
                        prost::Message::encode_to_vec(&livekit_protocol::DataPacket { sequence, ..Default::default() });
                    let channel = DataChannel::Reliable;
                    world.media(MediaEvent::Data { participant: client.sid, channel, payload });
                }
            }
            Step::Speak { who } => {
                if let Some(client) = self.people[who].clone() {
                    let level = AudioLevel { participant: client.sid, level_dbov: 10, active_percent: 100 };
                    world.media(MediaEvent::AudioLevels { part: 0, levels: vec![level] });
                }
            }
            Step::Wanted { track, max_spatial, backup } => {
                if let Some((track, participant)) = self.track(track) {
                    self.world.media(match backup {
                        false => MediaEvent::LayersWanted { participant, track, max_spatial },
                        true => MediaEvent::BackupWanted { participant, track, max_spatial },
                    });
                }
            }
            Step::Backup { who, track } => {
                if let (Some((track, _)), Some(client)) = (self.track(track), self.people[who].clone())
                    && self.world.is_open(&client)
                {
                    let request = AddTrackRequest { sid: track.to_string(), ..camera("second") };
                    self.world.says(&client, ask::Message::AddTrack(request));
                }
            }
            Step::BackupSection { track, is_there } => {
                if let Some((track, participant)) = self.track(track) {
                    self.world.media(match is_there {
                        true => MediaEvent::BackupAdded { participant, track, mid: "9".into() },
                        false => MediaEvent::BackupRemoved { participant, track },
                    });
                }
            }
            Step::Pause { who, track, paused } => {
                if let (Some((track, _)), Some(client)) = (self.track(track), self.people[who].clone()) {
                    let (subscriber, paused) = (client.sid, vec![(track, paused)]);
                    self.world.media(MediaEvent::StreamStates { subscriber, paused });
                }
            }
            Step::NotDecodable { who, track } => {
                if let (Some((track, _)), Some(client)) = (self.track(track), self.people[who].clone()) {
                    self.world.media(MediaEvent::NotDecodable { subscriber: client.sid, track });
                }
            }
            Step::Fail { who } => {
                if let Some(client) = self.people[who].clone() {
                    let failure = MediaFailure::ConnectionLost;
                    world.media(MediaEvent::Failed { participant: client.sid, failure });
                }
            }
            Step::Permit { who, publish, subscribe, hidden } => {
                let (can_publish, can_subscribe) = (publish, subscribe);
                let permission = ParticipantPermission { can_publish, can_subscribe, hidden, ..permission() };
                let update = Moderation::UpdateParticipant {
                    identity: format!("p{who}"),
                    name: None,
                    metadata: None,
                    attributes: Default::default(),
                    permission: Some(permission),
                };
                self.model.moderate(world, update);
            }
            Step::Remove { who } => {
                let (identity, revoke_before_s) = (format!("p{who}"), None);
                let removal = Moderation::RemoveParticipant { identity, revoke_before_s, keep_out: false };
                self.model.moderate(world, removal);
            }
            Step::Move { who } => {
                let (to, identity) = (Box::default(), format!("p{who}"));
                let _ = world.moderate(Moderation::MoveParticipant { identity, to, others: Vec::new() });
            }
            Step::Call { who, timeout_ms } => {
                self.calls += 1;
                let asked = world.moderate(Moderation::PerformRpc {
                    call: self.calls,
                    identity: format!("p{who}"),
                    method: "m".into(),
                    payload: String::new(),
                    timeout: Duration::from_millis(timeout_ms),
                });
                self.calls_made += usize::from(asked.is_ok());
            }
            Step::Answer { who, answers } => {
                if let Some(client) = self.people[who].clone() {
                    let request_id = format!("RPC_{}", self.calls);
                    let value = match answers {
                        true => Value::RpcResponse(RpcResponse { request_id, value: None }),
                        false => Value::RpcAck(RpcAck { request_id }),
                    };
                    let packet = DataPacket { value: Some(value), ..Default::default() };
                    let payload = prost::Message::encode_to_vec(&packet);
                    let channel = DataChannel::Reliable;
                    world.media(MediaEvent::Data { participant: client.sid, channel, payload });
                }
            }
            Step::Reconfigure { max_participants } => {
                let (empty_timeout, departure_timeout, metadata) = (None, Some(Duration::from_secs(30)), None);
                let max_participants = Some(max_participants);
                let settings = Moderation::Reconfigure { empty_timeout, departure_timeout, max_participants, metadata };
                world.moderate(settings).unwrap();
            }
            Step::Steer(steering) => self.model.steer(world, steering, &self.people),
            Step::Pass { ms } => world.pass(Duration::from_millis(ms)),
            Step::Leave { .. }
            | Step::Announce { .. }
            | Step::Mute { .. }
            | Step::Subscribe { .. }
            | Step::Demand { .. }
            | Step::Restrict { .. }
            | Step::Rename { .. }
            | Step::Simulate { .. } => self.ask(step),
        }
    }

    /// Steps that are signal messages. They go out on whatever connection the person last had, dead or not.
    fn ask(&mut self, step: Step) {
        let sid_of = |track| self.track(track).map_or_else(|| "TR_none".into(), |(track, _)| track.to_string());
        let (who, message) = match step {
            Step::Leave { who } => (who, ask::Message::Leave(LeaveRequest::default())),
            Step::Announce { who, cid, sound } => {
                let cid = format!("cid{cid}");
                let request = match sound {
                    true => microphone(&cid),
                    false if cid == "cid2" => AddTrackRequest { cid, ..with_backup(BackupCodecPolicy::Simulcast) },
                    false => camera(&cid),
                };
                (who, ask::Message::AddTrack(request))
            }
            Step::Mute { who, track, muted } => {
                (who, ask::Message::Mute(MuteTrackRequest { sid: sid_of(track), muted }))
            }
            Step::Subscribe { who, track, subscribe } => {
                let track_sids = vec![sid_of(track)];
                (who, ask::Message::Subscription(UpdateSubscription { track_sids, subscribe, ..Default::default() }))
            }
            Step::Demand { who, track, disabled, height } => {
                let track_sids = vec![sid_of(track)];
                let update =
                    UpdateTrackSettings { track_sids, disabled, width: height * 16 / 9, height, ..Default::default() };
                (who, ask::Message::TrackSetting(update))
            }
            Step::Restrict { who, listener } => {
                let listeners = listener.map(|listener| TrackPermission {
                    participant_identity: format!("p{listener}"),
                    all_tracks: true,
                    ..Default::default()
                });
                let permission = SubscriptionPermission {
                    all_participants: listeners.is_none(),
                    track_permissions: listeners.into_iter().collect(),
                };
                (who, ask::Message::SubscriptionPermission(permission))
            }
            Step::Rename { who } => {
                let update = UpdateParticipantMetadata { name: "new".into(), ..Default::default() };
                (who, ask::Message::UpdateMetadata(update))
            }
            Step::Simulate { who, scenario } => {
                use simulate_scenario::Scenario;
                let scenario = match scenario {
                    0 => Scenario::SpeakerUpdate(2),
                    1 => Scenario::NodeFailure(true),
                    2 => Scenario::Migration(true),
                    3 => Scenario::ServerLeave(true),
                    4 => Scenario::DisconnectSignalOnResume(true),
                    5 => Scenario::DisconnectSignalOnResumeNoMessages(true),
                    _ => Scenario::LeaveRequestFullReconnect(true),
                };
                (who, ask::Message::Simulate(SimulateScenario { scenario: Some(scenario) }))
            }
            other => unreachable!("{other:?} is not a message"),
        };
        if let Some(client) = self.people[who].clone() {
            self.world.says(&client, message);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// `World` checks on each step: no ghosts, no leaked subscription, every track owned, versions that only
    /// grow, effects to live connections only, a log without gaps, a room that somebody wakes, a session that is what its
    /// people are. [`Model`] checks that nobody has more than it was given last, nobody waits without end, and nobody
    /// comes in who may not. And in the end the room empties, however it was left, and holds nothing.
    #[test]
    fn rooms_stay_sound(steps in prop::collection::vec(step(), 1..80)) {
        let mut run = Run { world: World::new(), people: Default::default(), calls: 0, calls_made: 0, model: Model::default() };
        for step in steps {
            run.take(step);
            run.model.check(&run.world);
        }
        for who in 0..PEOPLE {
            run.take(Step::LoseSignal { who });
        }
        // The longest anything may take: a resume, an empty room, and then who was let in last and did not come.
        run.world.pass(Duration::from_secs(15 + 300 + 2 * 60 + 1));
        prop_assert!(run.world.finished);
        prop_assert_eq!(run.world.answers.len(), run.calls_made, "every call ends, once");
        prop_assert!(run.world.media_participants.is_empty());
        prop_assert!(run.world.media_tracks.is_empty() && run.world.subscriptions.is_empty());
        prop_assert!(run.world.live.is_empty(), "a connection nobody closed");
        let room = &run.world.room;
        prop_assert!(room.participants.is_empty() && room.identities.is_empty() && room.connections.is_empty());
        prop_assert!(room.waiting().is_empty() && !room.lobby.is_busy() && room.timers.is_empty());
        prop_assert_eq!(room.session_state(), SessionState::Ended);
        let states = run.world.session_states();
        prop_assert!(states.iter().all(|arc| session::is_known(*arc)), "{:?}", states);
        prop_assert!(states.windows(2).all(|pair| pair[0].1 == pair[1].0), "a leap in {:?}", states);
    }
}
