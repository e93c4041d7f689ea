//! The room: its people, its clock, its ways to speak.
//!
//! One file for each side it is approached from: `arrival` (join, resume, leave), `requests` (signal
//! messages), `media` (reports of the media plane), `adaptation` (what it gives and takes for want of bandwidth), `moderation` (the server API; `procedures` its calls,
//! `lobby` who waits, `roles` who is what, `chat`), `simulate` (faults on
//! request). `tracks`, `subscriptions`, `notices` and `session` hold what several of them do. This file holds the state, the
//! dispatch, the timers, and the few ways an effect is made.

mod adaptation;
mod arrival;
mod chat;
mod forwarding;
mod lobby;
mod media;
mod moderation;
mod notices;
mod procedures;
mod requests;
mod roles;
mod session;
mod simulate;
mod subscriptions;
#[cfg(test)]
mod tests;
mod tracks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit_protocol::{
    ConnectionQuality, DisconnectReason, IceServer, LeaveRequest, ParticipantInfo, ParticipantUpdate, Room,
    RoomConfiguration, RoomUpdate, ServerInfo, SpeakerInfo, SpeakersChanged, TrackInfo, leave_request, signal_response,
};

pub use moderation::ModerationError;

use crate::account::Accounts;
use crate::calls::Calls;
use crate::effect::MediaCommand;
use crate::forward::{Forward, ForwardId};
use crate::lobby::Lobby;
use crate::log::{EndReason, RoomEvent, RoomEventKind};
use crate::participant::Participant;
use crate::publication::{Publication, enabled_codecs};
use crate::quality::Rating;
use crate::role::Appointments;
use crate::speakers::Speakers;
use crate::{
    Command, ConnectionId, Effect, Entry, Now, ParticipantSid, QualityReport, RoomLimits, RoomSid, SessionState,
    SidSource, TrackSid,
};

/// Tokens live 10 minutes; a fresh one in half the time leaves a client a valid one whenever it must come
/// back (LiveKit's interval).
const TOKEN_REFRESH: Duration = Duration::from_secs(5 * 60);
/// Somebody who never brings up media is not there. Generous, for slow networks and TURN over TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// Sound reports come every 300 ms while anything sounds; without one for so long nothing sounds.
const SILENCE_AFTER: Duration = Duration::from_secs(2);

/// Clients show how many are in the room; in a busy one they are told so once in this time (as in LiveKit).
const ROOM_UPDATE_DELAY: Duration = Duration::from_secs(5);

/// A room at whose door people wait lives on for so long after its time, and again.
const LOBBY_GRACE: Duration = Duration::from_secs(120);
/// But not for longer than this altogether, as long as nobody comes in: who knocks costs a stranger nothing, and an open room has
/// a price. Whoever waits longer for a host knocks again, at the next session of the room.
const LOBBY_HOLD: Duration = Duration::from_secs(3600);

/// What a room is made with.
#[derive(Debug, Clone, Default)]
pub struct RoomConfig {
    /// Its name, as tokens spell it.
    pub name: String,
    /// Free text for the application.
    pub metadata: String,
    /// A room nobody ever joined ends after this time.
    pub empty_timeout: Duration,
    /// A room everybody left ends after this time.
    pub departure_timeout: Duration,
    /// Most participants at once; 0 means no bound.
    pub max_participants: u32,
    /// Bounds on what is forwarded.
    pub limits: RoomLimits,
    /// A participant whose signal connection broke is kept so long.
    pub resume_window: Duration,
    /// What clients are told of the server.
    pub server_info: ServerInfo,
    /// Relays clients may use.
    pub ice_servers: Vec<IceServer>,
    /// Whether the server API may unmute a track. Otherwise only who muted it can: a microphone that others open is
    /// one that others listen to.
    pub remote_unmute: bool,
    /// How people get in.
    pub entry: Entry,
    /// Whether what people write is told to the log; otherwise only that they wrote.
    pub keeps_chat: bool,
    /// What was asked for when the room was made and others carry out: what to record, agents to call, playout
    /// delays, tags. Kept as it came.
    pub asked: RoomConfiguration,
}

/// A room and everybody in it, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomSnapshot {
    /// The room.
    pub room: Room,
    /// Everybody in it, hidden ones too.
    pub participants: Vec<ParticipantInfo>,
}

/// How one participant's connection fares, as clients are told and by what it was rated.
#[derive(Debug, Clone, PartialEq)]
pub struct ParticipantQuality {
    /// Whose.
    pub participant: ParticipantSid,
    /// Whose, by name.
    pub identity: String,
    /// The word.
    pub quality: ConnectionQuality,
    /// Mean opinion score, 1 to 4.5; 0 when lost.
    pub score: f32,
    /// The last report.
    pub report: QualityReport,
}

/// A deadline. Timers are hints: what fires looks at the state to see whether it still holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Expiry,
    Departure(ParticipantSid),
    Connect(ParticipantSid),
    RefreshToken(ParticipantSid),
    Silence(u16),
    RoomUpdate,
    GiveUp(ParticipantSid),
    EndOfSimulatedSpeech(ParticipantSid),
    Rpc(u64),
    Lobby,
}

/// A room. See the crate's documentation.
pub struct RoomState {
    config: RoomConfig,
    sid: RoomSid,
    created_unix_ms: i64,
    sids: SidSource,
    participants: BTreeMap<ParticipantSid, Participant>,
    /// Who bears an identity; one at a time.
    identities: BTreeMap<String, ParticipantSid>,
    /// Whose a live signal connection is.
    connections: BTreeMap<ConnectionId, ParticipantSid>,
    /// Who published a track, pending ones too.
    publishers: BTreeMap<TrackSid, ParticipantSid>,
    /// Who was sent away, and since when its tokens must be (seconds since 1970).
    revoked: BTreeMap<String, u64>,
    /// Whom no token lets in.
    kept_out: BTreeSet<String>,
    /// Who was lost lately, and until when it is expected back.
    returning: BTreeMap<String, Instant>,
    /// Roles given here.
    appointments: Appointments,
    /// By which accounts people came, and what was decided about those.
    accounts: Accounts,
    lobby: Lobby,
    /// When the lobby wants to be looked at.
    lobby_at: Option<Instant>,
    session: SessionState,
    /// Who is there has changed since the session was looked at...
    unsettled: bool,
    /// ...and somebody's connection was given up.
    lost_somebody: bool,
    /// Participants that are in other rooms, too.
    forwards: BTreeMap<ForwardId, Forward>,
    /// Participants of other rooms that are here, too.
    guests: BTreeMap<ForwardId, ParticipantSid>,
    /// Procedure calls of the server API that wait for their answer.
    calls: Calls,
    /// When identities were taken over lately.
    takeovers: BTreeMap<String, Vec<Instant>>,
    speakers: Speakers,
    /// The recordings of it that go on.
    recordings: BTreeSet<String>,
    /// When nobody of a part of the media plane is heard any more, unless it reports.
    silence_at: BTreeMap<u16, Instant>,
    /// When everybody is told of the room's new numbers.
    room_update_at: Option<Instant>,
    /// How each active participant's connection fares.
    ratings: BTreeMap<ParticipantSid, Rating>,
    timers: BTreeSet<(Instant, Timer)>,
    /// When the room ends unless somebody comes.
    expires_at: Option<Instant>,
    /// Until when people at the door can put that off; set once they do.
    held_until: Option<Instant>,
    last_sequence: u64,
    finished: bool,
    /// Effects of the call under way, in order.
    effects: Vec<Effect>,
}

impl fmt::Debug for RoomState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomState")
            .field("sid", &self.sid)
            .field("participants", &self.participants.len())
            .field("finished", &self.finished)
            .finish_non_exhaustive()
    }
}

impl RoomState {
    /// Opens a room. It ends after its empty timeout unless somebody joins.
    #[must_use]
    pub fn open(config: RoomConfig, mut sids: SidSource, now: Now) -> (Self, Vec<Effect>) {
        let sid = sids.room();
        let expires_at = now.at + config.empty_timeout;
        let mut room = Self {
            config,
            sid,
            created_unix_ms: now.unix_ms,
            sids,
            participants: BTreeMap::new(),
            identities: BTreeMap::new(),
            connections: BTreeMap::new(),
            publishers: BTreeMap::new(),
            revoked: BTreeMap::new(),
            kept_out: BTreeSet::new(),
            returning: BTreeMap::new(),
            appointments: Appointments::default(),
            accounts: Accounts::default(),
            lobby: Lobby::default(),
            lobby_at: None,
            session: SessionState::default(),
            unsettled: false,
            lost_somebody: false,
            forwards: BTreeMap::new(),
            guests: BTreeMap::new(),
            calls: Calls::default(),
            takeovers: BTreeMap::new(),
            speakers: Speakers::default(),
            recordings: BTreeSet::new(),
            silence_at: BTreeMap::new(),
            room_update_at: None,
            ratings: BTreeMap::new(),
            timers: BTreeSet::from([(expires_at, Timer::Expiry)]),
            expires_at: Some(expires_at),
            held_until: None,
            last_sequence: 0,
            finished: false,
            effects: Vec::new(),
        };
        room.log(RoomEventKind::RoomStarted, now);
        if room.config.limits.any() {
            room.media(MediaCommand::LimitRoom(room.config.limits));
        }
        let effects = std::mem::take(&mut room.effects);
        (room, effects)
    }

    /// The room session's id.
    #[must_use]
    pub fn sid(&self) -> &RoomSid {
        &self.sid
    }

    /// True after [`Effect::Finished`]: the room takes nothing any more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The room as clients see it.
    #[must_use]
    pub fn info(&self) -> Room {
        let visible = self.participants.values().filter(|participant| participant.visible());
        let (mut num_participants, mut num_publishers) = (0, 0);
        for participant in visible {
            num_participants += 1;
            num_publishers += u32::from(participant.live_tracks().next().is_some());
        }
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        Room {
            sid: self.sid.to_string(),
            name: self.config.name.clone(),
            empty_timeout: seconds(self.config.empty_timeout),
            departure_timeout: seconds(self.config.departure_timeout),
            max_participants: self.config.max_participants,
            creation_time: self.created_unix_ms / 1000,
            creation_time_ms: self.created_unix_ms,
            enabled_codecs: enabled_codecs(),
            metadata: self.config.metadata.clone(),
            num_participants,
            num_publishers,
            active_recording: self.is_recorded(),
            ..Default::default()
        }
    }

    /// Whether anything here is recorded, by this server or by a participant who is a recorder.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        !self.recordings.is_empty() || self.participants.values().any(Participant::is_recorder)
    }

    /// The room and everybody in it.
    #[must_use]
    pub fn snapshot(&self) -> RoomSnapshot {
        RoomSnapshot { room: self.info(), participants: self.participants.values().map(Participant::record).collect() }
    }

    /// What was asked for when the room was made, for those who carry it out.
    #[must_use]
    pub fn asked(&self) -> &RoomConfiguration {
        &self.config.asked
    }

    /// One participant, as the server API sees it.
    #[must_use]
    pub fn participant(&self, identity: &str) -> Option<ParticipantInfo> {
        self.participants.get(self.identities.get(identity)?).map(Participant::record)
    }

    /// Most participants at once; 0 for no bound.
    #[must_use]
    pub fn max_participants(&self) -> u32 {
        self.config.max_participants
    }

    /// Whether nobody else may come in, but for recorders and agents.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let bound = usize::try_from(self.config.max_participants).unwrap_or(usize::MAX);
        let counted = self.participants.values().filter(|participant| !participant.is_dependent());
        bound > 0 && counted.count() >= bound
    }

    /// How everybody's connection fares, as far as there are reports.
    #[must_use]
    pub fn qualities(&self) -> Vec<ParticipantQuality> {
        let rated = self
            .ratings
            .iter()
            .filter_map(|(sid, rating)| Some((self.participants.get(sid)?, rating)));
        rated
            .map(|(participant, rating)| ParticipantQuality {
                participant: participant.sid.clone(),
                identity: participant.identity.clone(),
                quality: rating.quality,
                score: rating.score(),
                report: rating.report.clone(),
            })
            .collect()
    }

    /// The participant known by this identity or sid, and its identity. An identity is taken first: it is
    /// what people chose. A guest is connected elsewhere, and not meant.
    #[must_use]
    pub fn find(&self, identity_or_sid: &str) -> Option<(&ParticipantSid, &str)> {
        let sid = self.identities.get(identity_or_sid).map_or(identity_or_sid, ParticipantSid::as_str);
        let participant = self.participants.get(sid).filter(|participant| participant.guest.is_none())?;
        Some((&participant.sid, &participant.identity))
    }

    /// Everybody connected to the room, hidden ones too.
    pub fn participants(&self) -> impl Iterator<Item = &ParticipantSid> {
        self.participants
            .values()
            .filter(|participant| participant.guest.is_none())
            .map(|participant| &participant.sid)
    }

    /// A published track and the identity of its publisher.
    #[must_use]
    pub fn track(&self, sid: &str) -> Option<(&str, &TrackInfo)> {
        let (publisher, publication) = self.publication(sid)?;
        Some((&publisher.identity, &publication.info))
    }

    /// Participants in the room, hidden ones too.
    #[must_use]
    pub fn occupancy(&self) -> usize {
        self.participants.len()
    }

    /// Takes what happened and answers what to do, in order.
    pub fn handle(&mut self, command: Command, now: Now) -> Vec<Effect> {
        if !self.finished {
            match command {
                Command::Join(mut join) => {
                    self.appoint(&mut join.0.grants);
                    self.handle_join(&join.0, now);
                }
                Command::Resume(resume) => self.handle_resume(&resume, now),
                Command::Signal { connection, message } => {
                    // A message may still be on its way from a connection that was replaced or closed.
                    if let Some(sender) = self.connections.get(&connection).cloned() {
                        self.handle_request(&sender, *message, now);
                    }
                }
                Command::SignalLost { connection } => self.handle_signal_lost(connection, now),
                Command::Media(event) => self.handle_media(event, now),
                Command::GuestChanged { forward, portrait } => self.handle_guest_changed(forward, &portrait, now),
                Command::Recorded { recording, goes_on } => self.handle_recorded(recording, goes_on),
                Command::ForwardOver { forward } => self.handle_forward_over(forward, now),
                Command::Shutdown => {
                    self.finish(
                        EndReason::Shutdown,
                        DisconnectReason::ServerShutdown,
                        leave_request::Action::Reconnect,
                        now,
                    );
                }
            }
            self.settle_session(now);
        }
        self.take_effects()
    }

    /// All that follows from what happened.
    fn take_effects(&mut self) -> Vec<Effect> {
        if !self.forwards.is_empty() {
            self.tell_forwards();
        }
        std::mem::take(&mut self.effects)
    }

    /// When [`Self::handle_timeout`] wants to be called; `None` when the room is finished.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) -> Vec<Effect> {
        while let Some((_, timer)) = self.timers.first().filter(|(at, _)| *at <= now.at).cloned() {
            self.timers.pop_first();
            self.fire(timer, now);
            self.settle_session(now);
        }
        self.take_effects()
    }

    fn fire(&mut self, timer: Timer, now: Now) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now.at);
        match timer {
            Timer::Expiry => {
                let held_until = self.held_until.unwrap_or(now.at + LOBBY_HOLD);
                if due(self.expires_at) && self.lobby.is_busy() && now.at < held_until {
                    // Somebody is at the door. Who does not ask any more is gone in less time than this.
                    let later = (now.at + LOBBY_GRACE).min(held_until);
                    self.held_until = Some(held_until);
                    self.expires_at = Some(later);
                    self.timers.insert((later, Timer::Expiry));
                } else if due(self.expires_at) {
                    self.finish(EndReason::Empty, DisconnectReason::RoomClosed, leave_request::Action::Disconnect, now);
                }
            }
            Timer::Departure(sid) => {
                if self.participants.get(&sid).is_some_and(|participant| due(participant.departs_at)) {
                    self.remove(&sid, DisconnectReason::SignalClose, None, now);
                }
            }
            Timer::Connect(sid) => {
                if self.participants.get(&sid).is_some_and(|participant| due(participant.connect_by)) {
                    let action = leave_request::Action::Reconnect;
                    self.remove(&sid, DisconnectReason::JoinFailure, Some(action), now);
                }
            }
            Timer::RefreshToken(sid) => {
                let Some(participant) = self.participants.get_mut(&sid) else { return };
                participant.refresh_at = now.at + TOKEN_REFRESH;
                self.timers.insert((participant.refresh_at, Timer::RefreshToken(sid.clone())));
                self.refresh_token(&sid);
            }
            Timer::Silence(part) => match self.silence_at.get(&part) {
                Some(at) if *at > now.at => {
                    self.timers.insert((*at, Timer::Silence(part)));
                }
                _ => {
                    self.silence_at.remove(&part);
                    let changes = self.speakers.observe(part, &[]);
                    self.tell_speakers(changes);
                }
            },
            Timer::RoomUpdate => {
                self.room_update_at = None;
                self.tell_room();
            }
            Timer::GiveUp(sid) => self.give_up(&sid, now),
            Timer::EndOfSimulatedSpeech(sid) => self.end_simulated_speech(&sid, now),
            Timer::Rpc(call) => self.time_out_call(call, now),
            Timer::Lobby => self.watch_lobby(now),
        }
    }

    /// Ends the room: everybody is sent away, nothing is taken any more.
    fn finish(&mut self, reason: EndReason, disconnect: DisconnectReason, action: leave_request::Action, now: Now) {
        self.enter_session_state(SessionState::Ending, now);
        // The log says what happened in the order it happened; others need no farewell, they leave as well.
        for sid in self.participants.keys().cloned().collect::<Vec<_>>() {
            self.remove_quietly(&sid, disconnect, Some(action), now);
        }
        self.close_lobby(now);
        self.enter_session_state(SessionState::Ended, now);
        self.log(RoomEventKind::RoomFinished { reason }, now);
        self.end_calls(|_| true);
        // Of people who are gone.
        self.tell_forwards();
        self.timers.clear();
        self.finished = true;
        self.effects.push(Effect::Finished);
    }

    // The few ways an effect is made.

    fn media(&mut self, command: MediaCommand) {
        self.effects.push(Effect::Media(command));
    }

    fn log(&mut self, kind: RoomEventKind, now: Now) {
        self.last_sequence += 1;
        let event = RoomEvent { sequence: self.last_sequence, unix_ms: now.unix_ms, room: self.info(), kind };
        self.effects.push(Effect::Event(Box::new(event)));
    }

    fn send_on(&mut self, connection: ConnectionId, message: signal_response::Message) {
        self.effects.push(Effect::Signal { to: vec![connection], message: Arc::new(message) });
    }

    /// To one participant; lost when its signal connection is, as it asks for everything when it resumes.
    fn send(&mut self, to: &ParticipantSid, message: signal_response::Message) {
        if let Some(connection) = self.participants.get(to).and_then(|participant| participant.connection) {
            self.send_on(connection, message);
        }
    }

    /// To everybody of whom `to` is true.
    fn broadcast(&mut self, message: signal_response::Message, to: impl Fn(&Participant) -> bool) {
        let receivers = self.participants.values().filter(|participant| to(participant));
        let to: Vec<_> = receivers.filter_map(|participant| participant.connection).collect();
        if !to.is_empty() {
            self.effects.push(Effect::Signal { to, message: Arc::new(message) });
        }
    }

    /// Says farewell and closes the connection, if there is one.
    fn dismiss(&mut self, connection: ConnectionId, reason: DisconnectReason, action: leave_request::Action) {
        let leave = LeaveRequest {
            // What `action` says, for clients from before protocol 13.
            can_reconnect: action != leave_request::Action::Disconnect,
            reason: reason as i32,
            action: action as i32,
            regions: None,
        };
        self.send_on(connection, signal_response::Message::Leave(leave));
        self.effects.push(Effect::Close { connection });
    }

    /// Something of a participant changed: everybody who may know is told, it itself too.
    fn announce(&mut self, sid: &ParticipantSid) {
        let Some(participant) = self.participants.get_mut(sid) else { return };
        participant.revision += 1;
        let (info, visible) = (participant.info(), participant.visible());
        let update = signal_response::Message::Update(ParticipantUpdate { participants: vec![info] });
        self.broadcast(update, |other| visible || other.sid == *sid);
    }

    fn refresh_token(&mut self, sid: &ParticipantSid) {
        let Some(participant) = self.participants.get(sid) else { return };
        if let Some(connection) = participant.connection {
            let claims = Box::new(participant.token_claims());
            self.effects.push(Effect::RefreshToken { connection, claims });
        }
    }

    /// The room's numbers changed: everybody is told, soon.
    fn note_room_change(&mut self, now: Now) {
        if self.room_update_at.is_none() {
            let at = now.at + ROOM_UPDATE_DELAY;
            self.room_update_at = Some(at);
            self.timers.insert((at, Timer::RoomUpdate));
        }
    }

    /// Whoever is recorded is to know at once.
    fn handle_recorded(&mut self, recording: String, goes_on: bool) {
        let before = self.is_recorded();
        if goes_on {
            self.recordings.insert(recording);
        } else {
            self.recordings.remove(&recording);
        }
        self.unsettled = true;
        if self.is_recorded() != before {
            self.tell_room();
        }
    }

    fn tell_room(&mut self) {
        let room = Some(self.info());
        self.broadcast(signal_response::Message::RoomUpdate(RoomUpdate { room }), |_| true);
    }

    fn tell_speakers(&mut self, speakers: Vec<SpeakerInfo>) {
        if !speakers.is_empty() {
            if !self.recordings.is_empty() {
                self.effects.push(Effect::Speakers { changed: speakers.clone() });
            }
            self.broadcast(signal_response::Message::SpeakersChanged(SpeakersChanged { speakers }), |_| true);
        }
    }

    /// A track and its publisher.
    fn publication(&self, track: &str) -> Option<(&Participant, &Publication)> {
        let publisher = self.participants.get(self.publishers.get(track)?)?;
        Some((publisher, publisher.tracks.get(track)?))
    }
}
