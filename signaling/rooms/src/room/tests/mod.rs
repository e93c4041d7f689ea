//! Stories and properties of a room, in virtual time. [`World`] plays server and media plane: it keeps what
//! they would keep, and checks on every effect what must always hold.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot unwrap has failed")]
#![expect(clippy::disallowed_methods, reason = "a test's clock starts anywhere")]

mod adaptation;
mod chat;
mod entry;
mod forwarding;
mod properties;
mod recordings;
mod roles;
mod server_api;
mod session;
mod steering;
mod stories;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use livekit_protocol::{
    AddTrackRequest, BackupCodecPolicy, ClientInfo, ConnectionSettings, JoinRequest, ParticipantPermission,
    RoomMovedResponse, RpcError, SimulcastCodec, TrackSource, TrackType, VideoLayer, signal_request, signal_response,
};

use super::*;
use crate::{
    Arrival, DataChannel, Demand, ExpectedTrack, Grants, Join, MediaEvent, Moderation, Resume, RoomConfig, RoomLimits,
    SignalVersion,
};

/// Somebody in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) identity: String,
    pub(super) sid: ParticipantSid,
    pub(super) connection: ConnectionId,
    pub(super) version: SignalVersion,
}

pub(super) struct World {
    pub(super) room: RoomState,
    pub(super) now: Now,
    connections: u64,
    /// Signal connections that are open.
    live: BTreeSet<ConnectionId>,
    pub(super) inbox: BTreeMap<ConnectionId, Vec<signal_response::Message>>,
    pub(super) tokens: Vec<(ConnectionId, crate::TokenClaims)>,
    pub(super) moves: Vec<(ConnectionId, crate::TokenClaims, RoomMovedResponse)>,
    pub(super) answers: Vec<(u64, Result<String, RpcError>)>,
    /// What was said of forwards: how somebody is, or that it is over.
    pub(super) forwards: Vec<(ForwardId, Option<Box<crate::Portrait>>)>,
    /// Tracks of guests, and what they are called in their own room.
    pub(super) borrowed: BTreeMap<TrackSid, TrackSid>,
    pub(super) events: Vec<RoomEvent>,
    pub(super) finished: bool,
    // What the media plane knows.
    pub(super) media_participants: BTreeSet<ParticipantSid>,
    /// Of them, whose client takes packet trailers.
    pub(super) trailer_takers: BTreeSet<ParticipantSid>,
    /// Whose pictures must not pause.
    pub(super) unpaused: BTreeSet<ParticipantSid>,
    pub(super) media_tracks: BTreeMap<TrackSid, ParticipantSid>,
    /// The last announcement.
    pub(super) expected: Option<ExpectedTrack>,
    pub(super) limits: Option<RoomLimits>,
    pub(super) muted: BTreeSet<TrackSid>,
    pub(super) subscriptions: BTreeMap<(ParticipantSid, TrackSid), (String, Demand)>,
    pub(super) data: Vec<(Vec<ParticipantSid>, DataChannel, Arc<[u8]>)>,
    /// Of the data, what the server said of itself: to whom, and what.
    pub(super) notices: Vec<(ParticipantSid, serde_json::Value)>,
    /// Who spoke, as told to recordings.
    overheard: Vec<Vec<livekit_protocol::SpeakerInfo>>,
    pub(super) offers: Vec<(ParticipantSid, u32)>,
    pub(super) resumed: Vec<ParticipantSid>,
    /// What each connection saw last of each participant.
    seen: BTreeMap<(ConnectionId, String), ParticipantInfo>,
}

pub(super) fn permission() -> ParticipantPermission {
    ParticipantPermission {
        can_subscribe: true,
        can_publish: true,
        can_publish_data: true,
        can_update_metadata: true,
        ..Default::default()
    }
}

pub(super) fn camera(cid: &str) -> AddTrackRequest {
    let layers = [("q", 240, 135), ("h", 480, 270), ("f", 960, 540)];
    let layers: Vec<_> = layers
        .map(|(rid, width, height)| VideoLayer { rid: rid.into(), width, height, ..Default::default() })
        .into();
    AddTrackRequest {
        cid: cid.into(),
        r#type: TrackType::Video as i32,
        source: TrackSource::Camera as i32,
        width: 960,
        height: 540,
        simulcast_codecs: vec![SimulcastCodec { codec: "vp8".into(), cid: cid.into(), layers, ..Default::default() }],
        ..Default::default()
    }
}

/// A camera in VP9, with VP8 behind it.
pub(super) fn with_backup(policy: BackupCodecPolicy) -> AddTrackRequest {
    let second = SimulcastCodec { codec: "vp8".into(), ..Default::default() };
    let mut request = AddTrackRequest { backup_codec_policy: policy as i32, ..camera("c") };
    request.simulcast_codecs[0].codec = "vp9".into();
    request.simulcast_codecs.push(second);
    request
}

pub(super) fn microphone(cid: &str) -> AddTrackRequest {
    AddTrackRequest {
        cid: cid.into(),
        r#type: TrackType::Audio as i32,
        source: TrackSource::Microphone as i32,
        ..Default::default()
    }
}

/// What a packet says, if the server says it of itself.
fn notice(packet: &[u8]) -> Option<serde_json::Value> {
    let packet: livekit_protocol::DataPacket = prost::Message::decode(packet).ok()?;
    let Some(livekit_protocol::data_packet::Value::User(user)) = packet.value else { return None };
    (user.topic.as_deref() == Some("sluice.room")).then(|| {
        assert_eq!(packet.participant_identity, "", "the server is nobody");
        serde_json::from_slice(&user.payload).unwrap()
    })
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut RoomConfig)) -> Self {
        let now = Now { at: Instant::now(), unix_ms: 1_800_000_000_000 };
        let mut config = RoomConfig {
            name: "math".into(),
            metadata: String::new(),
            empty_timeout: Duration::from_secs(300),
            departure_timeout: Duration::from_secs(20),
            max_participants: 0,
            limits: RoomLimits::default(),
            resume_window: Duration::from_secs(15),
            server_info: ServerInfo { version: "0.1.0".into(), protocol: 17, ..Default::default() },
            ice_servers: Vec::new(),
            remote_unmute: false,
            entry: Entry::default(),
            keeps_chat: false,
            asked: RoomConfiguration::default(),
        };
        change(&mut config);
        // A counter is randomness enough: no two sids are alike, and every run is the same.
        let mut drawn = 0_u64;
        let sids = SidSource::new(move |bytes| {
            drawn += 1;
            for (index, byte) in bytes.iter_mut().enumerate() {
                *byte = u8::try_from((drawn >> (5 * index.min(11))) & 31).unwrap();
            }
        });
        let (room, effects) = RoomState::open(config, sids, now);
        let mut world = Self {
            room,
            now,
            connections: 0,
            live: BTreeSet::new(),
            inbox: BTreeMap::new(),
            tokens: Vec::new(),
            moves: Vec::new(),
            answers: Vec::new(),
            forwards: Vec::new(),
            borrowed: BTreeMap::new(),
            events: Vec::new(),
            finished: false,
            media_participants: BTreeSet::new(),
            trailer_takers: BTreeSet::new(),
            unpaused: BTreeSet::new(),
            media_tracks: BTreeMap::new(),
            expected: None,
            limits: None,
            muted: BTreeSet::new(),
            subscriptions: BTreeMap::new(),
            data: Vec::new(),
            notices: Vec::new(),
            overheard: Vec::new(),
            offers: Vec::new(),
            resumed: Vec::new(),
            seen: BTreeMap::new(),
        };
        world.apply(effects);
        world
    }

    /// Carries out effects as server and media plane would, and checks them.
    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            assert!(!self.finished, "nothing comes after the end: {effect:?}");
            match effect {
                Effect::Signal { to, message } => {
                    assert!(!to.is_empty());
                    for connection in to {
                        assert!(self.live.contains(&connection), "{message:?} to a dead connection");
                        self.check_versions(connection, &message);
                        self.inbox.entry(connection).or_default().push((*message).clone());
                    }
                }
                Effect::Close { connection } => {
                    assert!(self.live.remove(&connection), "closed twice: {connection:?}");
                }
                Effect::RefreshToken { connection, claims } => {
                    assert!(self.live.contains(&connection));
                    self.tokens.push((connection, *claims));
                }
                Effect::Media(command) => self.apply_media(command),
                Effect::Event(event) => {
                    assert_eq!(event.sequence, self.events.len() as u64 + 1, "the log has no gaps");
                    self.events.push(*event);
                }
                Effect::Move { connection, claims, moved } => {
                    assert!(self.live.contains(&connection));
                    self.moves.push((connection, *claims, *moved));
                }
                Effect::RpcAnswered { call, outcome } => self.answers.push((call, outcome)),
                Effect::Forward { forward, portrait } => self.forwards.push((forward, Some(portrait))),
                Effect::ForwardOver { forward } => self.forwards.push((forward, None)),
                Effect::Borrow { guest, track, of, .. } => {
                    assert!(!self.media_participants.contains(&guest), "a guest is connected elsewhere");
                    assert!(self.media_tracks.insert(track.clone(), guest).is_none(), "borrowed twice");
                    self.borrowed.insert(track, of);
                }
                Effect::Speakers { changed } => self.overheard.push(changed),
                Effect::Finished => self.finished = true,
            }
        }
    }

    fn check_versions(&mut self, connection: ConnectionId, message: &signal_response::Message) {
        let infos = match message {
            signal_response::Message::Update(update) => &update.participants,
            signal_response::Message::Join(join) => &join.other_participants,
            _ => return,
        };
        for info in infos {
            let last = self.seen.insert((connection, info.sid.clone()), info.clone());
            let grew = last.is_none_or(|last| info.version > last.version || *info == last);
            assert!(grew, "news of {} that is no newer", info.identity);
        }
    }

    fn apply_media(&mut self, command: MediaCommand) {
        let known = |who: &ParticipantSid| assert!(self.media_participants.contains(who), "{who} is not there");
        match command {
            MediaCommand::AddParticipant { participant, takes_trailers, allows_pauses, .. } => {
                if !allows_pauses {
                    self.unpaused.insert(participant.clone());
                }
                if takes_trailers {
                    self.trailer_takers.insert(participant.clone());
                }
                assert!(self.media_participants.insert(participant));
            }
            MediaCommand::RemoveParticipant { participant } => {
                assert!(self.media_participants.remove(&participant));
                let gone: Vec<_> = self
                    .media_tracks
                    .iter()
                    .filter(|(_, owner)| **owner == participant)
                    .map(|(t, _)| t.clone())
                    .collect();
                for track in gone {
                    self.drop_track(&track);
                }
                self.subscriptions.retain(|(subscriber, _), _| *subscriber != participant);
            }
            MediaCommand::Offer { participant, id, .. } => {
                known(&participant);
                self.offers.push((participant, id));
            }
            MediaCommand::Answer { participant, .. } => known(&participant),
            MediaCommand::ExpectTrack { participant, expected } => {
                known(&participant);
                let known = self.media_tracks.insert(expected.track.clone(), participant.clone());
                let before = (expected.role == crate::CodecRole::Backup).then_some(participant);
                assert_eq!(known, before, "a track is announced once, its second codec after it");
                self.expected = Some(expected);
            }
            MediaCommand::RemoveTrack { track } => {
                assert!(self.media_tracks.contains_key(&track));
                self.drop_track(&track);
            }
            MediaCommand::MuteTrack { track, muted } => {
                assert!(self.media_tracks.contains_key(&track));
                if muted {
                    self.muted.insert(track)
                } else {
                    self.muted.remove(&track)
                };
            }
            MediaCommand::Subscribe { subscriber, track, stream, .. } => {
                known(&subscriber);
                assert!(self.media_tracks.contains_key(&track), "a subscription to nothing");
                assert_ne!(self.media_tracks[&track], subscriber, "nobody hears itself");
                let fresh = self.subscriptions.insert((subscriber, track), (stream, Demand::default()));
                assert!(fresh.is_none(), "subscribed twice");
            }
            MediaCommand::Unsubscribe { subscriber, track } => {
                assert!(self.subscriptions.remove(&(subscriber, track)).is_some(), "unsubscribed from nothing");
            }
            MediaCommand::Demand { subscriber, track, demand } => {
                self.subscriptions.get_mut(&(subscriber, track)).expect("a demand for nothing").1 = demand;
            }
            MediaCommand::LimitRoom(limits) => self.limits = Some(limits),
            MediaCommand::SendData { to, channel, payload } => {
                to.iter().for_each(known);
                assert!(!to.is_empty());
                match notice(&payload) {
                    Some(said) => self.notices.extend(to.into_iter().map(|to| (to, said.clone()))),
                    None => self.data.push((to, channel, payload)),
                }
            }
            MediaCommand::Resume { participant } => {
                known(&participant);
                self.resumed.push(participant);
            }
        }
    }

    fn drop_track(&mut self, track: &TrackSid) {
        self.media_tracks.remove(track);
        self.borrowed.remove(track);
        self.muted.remove(track);
        self.subscriptions.retain(|(_, subscribed), _| subscribed != track);
    }

    pub(super) fn command(&mut self, command: Command) {
        let effects = self.room.handle(command, self.now);
        self.apply(effects);
        self.check_consistency();
    }

    /// What must hold between any two commands.
    fn check_consistency(&self) {
        let in_room: BTreeSet<_> = self.room.participants.keys().cloned().collect();
        let guests: BTreeSet<_> = self.room.guests.values().cloned().collect();
        assert_eq!(in_room, self.media_participants.union(&guests).cloned().collect(), "ghosts");
        let published: BTreeMap<_, _> = self
            .room
            .participants
            .values()
            .flat_map(|participant| participant.tracks.keys().map(|track| (track.clone(), participant.sid.clone())))
            .collect();
        assert_eq!(published, self.media_tracks, "every track has its owner");
        assert_eq!(published, self.room.publishers);
        let open: BTreeSet<_> = self
            .room
            .participants
            .values()
            .flat_map(|participant| {
                let open = participant.subscriptions.iter().filter(|(_, subscription)| subscription.open);
                open.map(|(track, _)| (participant.sid.clone(), track.clone()))
            })
            .collect();
        assert_eq!(open, self.subscriptions.keys().cloned().collect(), "a subscription leaked");
        for (connection, sid) in &self.room.connections {
            assert_eq!(self.room.participants[sid].connection, Some(*connection));
            assert!(self.live.contains(connection));
        }
        assert_eq!(self.room.identities.len(), in_room.len());
        let session = self.room.session;
        assert_eq!(session, session.next(self.room.presence(), false), "the session is not what its people are");
        assert!(self.finished || self.room.poll_timeout().is_some(), "a room that nobody wakes");
    }

    /// Time passes, and the room is woken as often as it asks.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now.at + duration;
        while let Some(at) = self.room.poll_timeout().filter(|at| *at <= end) {
            self.now.unix_ms += i64::try_from(at.saturating_duration_since(self.now.at).as_millis()).unwrap();
            self.now.at = self.now.at.max(at);
            let effects = self.room.handle_timeout(self.now);
            self.apply(effects);
            assert!(self.room.poll_timeout().is_none_or(|next| next > self.now.at), "a timer that fires for ever");
            self.check_consistency();
        }
        self.now.unix_ms += i64::try_from((end - self.now.at).as_millis()).unwrap();
        self.now.at = end;
    }

    pub(super) fn connect(&mut self) -> ConnectionId {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.live.insert(connection);
        connection
    }

    pub(super) fn arrival(&mut self, identity: &str, version: SignalVersion) -> Arrival {
        Arrival {
            connection: self.connect(),
            version,
            grants: Grants {
                identity: identity.into(),
                name: identity.to_uppercase(),
                permission: permission(),
                ..Default::default()
            },
            request: JoinRequest {
                client_info: Some(ClientInfo { protocol: 17, client_protocol: 2, ..Default::default() }),
                connection_settings: Some(ConnectionSettings { auto_subscribe: true, ..Default::default() }),
                ..Default::default()
            },
        }
    }

    /// Lets an arrival in; `None` when it was refused.
    pub(super) fn enter(&mut self, arrival: Arrival) -> Option<Client> {
        let (connection, version, identity) = (arrival.connection, arrival.version, arrival.grants.identity.clone());
        self.command(Command::Join(Box::new(Join(arrival))));
        match &self.inbox[&connection][0] {
            signal_response::Message::Join(join) => {
                let sid = join.participant.as_ref().unwrap().sid.as_str().into();
                Some(Client { identity, sid, connection, version })
            }
            signal_response::Message::Leave(_) => None,
            other => panic!("the first message is {other:?}"),
        }
    }

    /// Joins, and media comes up.
    pub(super) fn join(&mut self, identity: &str) -> Client {
        let arrival = self.arrival(identity, SignalVersion::V1);
        let client = self.enter(arrival).unwrap();
        self.media(MediaEvent::Connected { participant: client.sid.clone() });
        client
    }

    /// The same, by the native API: with a role.
    pub(super) fn join_as(&mut self, identity: &str, role: &str) -> Client {
        let mut arrival = self.arrival(identity, SignalVersion::V1);
        arrival.grants.attributes.insert(crate::ROLE_ATTRIBUTE.into(), role.into());
        arrival.grants.rights.room_admin = role == "host";
        let client = self.enter(arrival).unwrap();
        self.media(MediaEvent::Connected { participant: client.sid.clone() });
        client
    }

    pub(super) fn resume(&mut self, client: &Client) -> Client {
        let mut arrival = self.arrival(&client.identity, client.version);
        arrival.request.reconnect = true;
        let connection = arrival.connection;
        self.command(Command::Resume(Box::new(Resume { participant: client.sid.clone(), arrival })));
        Client { connection, ..client.clone() }
    }

    pub(super) fn says(&mut self, client: &Client, message: signal_request::Message) {
        self.command(Command::Signal { connection: client.connection, message: Box::new(message) });
    }

    pub(super) fn media(&mut self, event: MediaEvent) {
        self.command(Command::Media(event));
    }

    pub(super) fn lose(&mut self, client: &Client) {
        self.live.remove(&client.connection);
        self.command(Command::SignalLost { connection: client.connection });
    }

    pub(super) fn moderate(&mut self, moderation: Moderation) -> Result<(), ModerationError> {
        let effects = self.room.moderate(moderation, self.now)?;
        self.apply(effects);
        self.check_consistency();
        Ok(())
    }

    /// Announces a track and lets it meet its section.
    pub(super) fn publish(&mut self, client: &Client, request: AddTrackRequest) -> TrackSid {
        let mime_type = if request.r#type == TrackType::Audio as i32 { "audio/opus" } else { "video/VP8" };
        self.says(client, signal_request::Message::AddTrack(request));
        let published = self.heard(client, |message| match message {
            signal_response::Message::TrackPublished(published) => Some(published.track.clone().unwrap().sid),
            _ => None,
        });
        let track = TrackSid::from(published.last().unwrap().as_str());
        self.media(MediaEvent::TrackAdded {
            participant: client.sid.clone(),
            track: track.clone(),
            mid: "1".into(),
            mime_type: mime_type.into(),
            simulcast: false,
        });
        track
    }

    /// The client stops sending a track; the media plane notices, drops it, and says so.
    pub(super) fn unpublish(&mut self, participant: &ParticipantSid, track: &TrackSid) {
        self.drop_track(track);
        self.media(MediaEvent::TrackRemoved { participant: participant.clone(), track: track.clone() });
    }

    /// What a client was told, of one kind, in order.
    pub(super) fn heard<T>(&self, client: &Client, pick: impl Fn(&signal_response::Message) -> Option<T>) -> Vec<T> {
        self.inbox.get(&client.connection).into_iter().flatten().filter_map(pick).collect()
    }

    /// Infos of others (and itself) a client was told in updates, in order.
    pub(super) fn updates(&self, client: &Client) -> Vec<ParticipantInfo> {
        let updates = self.heard(client, |message| match message {
            signal_response::Message::Update(update) => Some(update.participants.clone()),
            _ => None,
        });
        updates.into_iter().flatten().collect()
    }

    /// The farewell a client got.
    pub(super) fn farewell(&self, client: &Client) -> Option<(DisconnectReason, leave_request::Action)> {
        let leaves = self.heard(client, |message| match message {
            signal_response::Message::Leave(leave) => Some((leave.reason(), leave.action())),
            _ => None,
        });
        leaves.last().copied()
    }

    pub(super) fn is_open(&self, client: &Client) -> bool {
        self.live.contains(&client.connection)
    }

    pub(super) fn receives(&self, client: &Client, track: &TrackSid) -> bool {
        self.subscriptions.contains_key(&(client.sid.clone(), track.clone()))
    }

    /// What happened, but for the states of the session, which follow from it.
    pub(super) fn event_names(&self) -> Vec<&'static str> {
        let names = self.events.iter().map(|event| event.kind.name());
        names.filter(|name| *name != "session_changed").collect()
    }

    /// The states the session went through.
    pub(super) fn session_states(&self) -> Vec<(SessionState, SessionState)> {
        let changes = self.events.iter().filter_map(|event| match event.kind {
            RoomEventKind::SessionChanged { from, to } => Some((from, to)),
            _ => None,
        });
        changes.collect()
    }

    /// What the server said to somebody, of one type, in order.
    pub(super) fn notices(&self, to: &Client, kind: &str) -> Vec<serde_json::Value> {
        let heard = self.notices.iter().filter(|(sid, said)| *sid == to.sid && said["type"] == kind);
        heard.map(|(_, said)| said.clone()).collect()
    }
}
