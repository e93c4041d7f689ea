//! The task that owns a room: takes what comes from clients and from the media plane, in turn, and carries
//! out what the state machine answers. It holds no room logic.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use livekit_protocol::{ParticipantInfo, RoomMovedResponse, RpcError, signal_request, signal_response};
use sluice_core::{RoomId, TapWish, WorkerId};
use sluice_node::{RoomLink, TapReader, TapWake};
use sluice_rooms::{
    Arrival, Command, ConnectionId, Effect, ForwardId, Join, MediaCommand, MediaEvent, Moderation, ModerationError,
    ParticipantSid, Portrait, Resume, RoomEventKind, RoomSnapshot, RoomState, TokenClaims, TrackSid,
};
use sluice_store::UnixMillis;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

use super::explain::{Asker, ExplainReply, Explanations, Fared};
use super::forwards::{ForwardReply, Forwards, GuestNews};
use super::watchers::{Watched, Watchers};
use super::{RoomHandle, RoomStatus, Rooms, now};
use crate::events::Mark;
use crate::history::{self, Samples};
use crate::media;
use crate::metrics::response_kind;
use crate::signal::frame::Response;
use crate::signal::outbox::{Outbox, Outgoing};

/// Every second report of the media plane, which come every 5 s, give or take.
const SAMPLE_EVERY: Duration = Duration::from_secs(8);

/// What is asked of a room's task.
pub(crate) enum ToRoom {
    /// Somebody with a checked token wants in.
    Join { arrival: Box<Arrival>, outbox: Outbox },
    /// Somebody wants its session back.
    Resume { participant: ParticipantSid, arrival: Box<Arrival>, outbox: Outbox },
    /// A message from a client.
    Signal { connection: ConnectionId, message: Box<signal_request::Message> },
    /// A client's connection is gone.
    SignalLost { connection: ConnectionId },
    /// Why does this participant (by identity or sid) see what it sees?
    Explain { whom: String, asker: Asker, reply: ExplainReply },
    /// How does everybody fare?
    Fared { asker: Asker, reply: oneshot::Sender<Vec<Fared>> },
    /// Does what the server API asks, if anything, and shows what of the room.
    Administer {
        moderation: Option<Box<Moderation>>,
        show: Show,
        reply: oneshot::Sender<Result<(RoomSnapshot, Mark), ModerationError>>,
    },
    /// Shows its state to a question.
    Ask { question: Box<dyn FnOnce(&RoomState) + Send> },
    /// Shows the room, and all that happens in it from then on.
    Watch { reply: oneshot::Sender<Watched> },
    /// It is recorded by this recording, or no more.
    Recorded { recording: String, goes_on: bool },
    /// Gives a track of somebody away to whoever holds the reader.
    Tap { identity: String, track: TrackSid, wake: TapWake, reply: oneshot::Sender<Option<TapReader>> },
    /// Calls a procedure of a participant.
    Call { identity: String, method: String, payload: String, timeout: Duration, reply: CallReply },
    /// A participant is to be in another room, too.
    Forward { identity: String, to: RoomHandle, reply: ForwardReply },
    /// News of a participant of another room.
    Guest { forward: ForwardId, news: GuestNews },
    /// A forward is over.
    ForwardOver { forward: ForwardId },
    /// The server stops.
    Shutdown,
}

/// The answer of a participant's procedure, or why it was not called.
type CallReply = oneshot::Sender<Result<Result<String, RpcError>, ModerationError>>;

/// Whom of a room somebody wants to see beside the room itself.
#[derive(Debug)]
pub(crate) enum Show {
    /// Nobody.
    Room,
    /// One, by identity.
    Participant(String),
    /// All that others see.
    Visible,
    /// Hidden ones too.
    Everybody,
}

impl Show {
    fn of(&self, state: &RoomState) -> RoomSnapshot {
        let is_visible = |info: &ParticipantInfo| info.permission.as_ref().is_none_or(|permission| !permission.hidden);
        match self {
            Self::Room => RoomSnapshot { room: state.info(), participants: Vec::new() },
            Self::Participant(identity) => {
                RoomSnapshot { room: state.info(), participants: state.participant(identity).into_iter().collect() }
            }
            Self::Visible => {
                let mut snapshot = state.snapshot();
                snapshot.participants.retain(is_visible);
                snapshot
            }
            Self::Everybody => state.snapshot(),
        }
    }
}

/// The task.
pub(super) struct RoomTask {
    rooms: Arc<Rooms>,
    number: u64,
    status: Arc<RoomStatus>,
    state: RoomState,
    /// The room's id at the worker.
    worker_room: RoomId,
    link: RoomLink,
    outboxes: HashMap<ConnectionId, Outbox>,
    explanations: Explanations,
    /// Procedure calls so far, and who waits for the answers of those that have none yet.
    calls_made: u64,
    calls: HashMap<u64, CallReply>,
    forwards: Forwards,
    watchers: Watchers,
    /// How far the log must be written to have what happened here, of what found a place in it.
    mark: Mark,
    /// The newest of what happened found none.
    is_lost: bool,
    /// When it was last written down how everybody fares.
    sampled: Option<std::time::Instant>,
}

impl RoomTask {
    pub(super) fn new(
        rooms: Arc<Rooms>,
        handle: &RoomHandle,
        state: RoomState,
        worker_room: RoomId,
        link: RoomLink,
    ) -> Self {
        rooms.metrics.rooms.inc();
        let (number, status) = (handle.number, handle.status.clone());
        let explanations = Explanations::new(rooms.metrics.subscriptions.clone());
        Self {
            rooms,
            number,
            status,
            state,
            worker_room,
            link,
            outboxes: HashMap::new(),
            explanations,
            calls_made: 0,
            calls: HashMap::new(),
            forwards: Forwards::default(),
            watchers: Watchers::default(),
            mark: Mark::default(),
            is_lost: false,
            sampled: None,
        }
    }

    /// Runs until the room is over.
    pub(super) async fn run(
        self,
        effects: Vec<Effect>,
        inbox: mpsc::Receiver<ToRoom>,
        media: mpsc::Receiver<sluice_core::Event>,
    ) {
        let span = tracing::info_span!("room", room = %self.status.id, sid = %self.state.sid());
        self.turn(effects, inbox, media).instrument(span).await;
    }

    async fn turn(
        mut self,
        effects: Vec<Effect>,
        mut inbox: mpsc::Receiver<ToRoom>,
        mut media: mpsc::Receiver<sluice_core::Event>,
    ) {
        self.carry_out(effects);
        while !self.state.is_finished() {
            // A running room always has a deadline; without one an hour is as good as any.
            let deadline = self.state.poll_timeout().unwrap_or_else(|| now().at + Duration::from_secs(3600));
            let effects = tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.handle(command),
                    None => self.state.handle(Command::Shutdown, now()),
                },
                Some(event) = media.recv() => self.handle_media(event),
                () = tokio::time::sleep_until(deadline.into()) => self.state.handle_timeout(now()),
            };
            self.carry_out(effects);
        }
        // Whoever is still in the queue finds its outbox dropped and tries again: the name is free by then.
    }

    fn handle(&mut self, command: ToRoom) -> Vec<Effect> {
        let command = match command {
            ToRoom::Join { arrival, outbox } => {
                self.outboxes.insert(arrival.connection, outbox);
                Command::Join(Box::new(Join(*arrival)))
            }
            ToRoom::Resume { participant, arrival, outbox } => {
                self.outboxes.insert(arrival.connection, outbox);
                Command::Resume(Box::new(Resume { participant, arrival: *arrival }))
            }
            ToRoom::Signal { connection, message } => Command::Signal { connection, message },
            ToRoom::SignalLost { connection } => {
                self.outboxes.remove(&connection);
                Command::SignalLost { connection }
            }
            ToRoom::Explain { whom, asker, reply } => {
                if let Some((participant, request)) = self.explanations.ask(&self.state, &whom, &asker, reply) {
                    self.ask_media(&participant, request);
                }
                return Vec::new();
            }
            ToRoom::Fared { asker, reply } => {
                // Whoever asked may have gone.
                let _ = reply.send(self.explanations.fared(&self.state, &asker));
                return Vec::new();
            }
            ToRoom::Administer { moderation, show, reply } => {
                let is_change = moderation.is_some();
                let done = match moderation {
                    Some(moderation) => self.state.moderate(*moderation, now()),
                    None => Ok(Vec::new()),
                };
                let answer = done.map(|effects| {
                    let seen = show.of(&self.state);
                    // Before the answer: whoever has it finds a room it ended gone.
                    let is_lost = self.carry_out(effects);
                    // Who changes something asks for that alone, who looks for all there was: what was lost before is not
                    // the change's, and the log has a mark of its own there.
                    let mark = match if is_change { is_lost } else { self.is_lost } {
                        true => Mark::LOST,
                        false => self.mark,
                    };
                    (seen, mark)
                });
                // Whoever asked may have gone.
                let _ = reply.send(answer);
                return Vec::new();
            }
            ToRoom::Ask { question } => {
                question(&self.state);
                return Vec::new();
            }
            ToRoom::Watch { reply } => {
                // Whoever asked may have gone.
                let _ = reply.send(self.watchers.add(self.state.snapshot()));
                return Vec::new();
            }
            ToRoom::Recorded { recording, goes_on } => {
                return self.state.handle(Command::Recorded { recording, goes_on }, now());
            }
            ToRoom::Tap { identity, track, wake, reply } => {
                let _ = reply.send(self.tap(&identity, &track, wake));
                return Vec::new();
            }
            ToRoom::Call { identity, method, payload, timeout, reply } => {
                self.calls_made += 1;
                let call = self.calls_made;
                let procedure = Moderation::PerformRpc { call, identity, method, payload, timeout };
                return match self.state.moderate(procedure, now()) {
                    Ok(effects) => {
                        self.calls.insert(call, reply);
                        effects
                    }
                    Err(error) => {
                        let _ = reply.send(Err(error));
                        Vec::new()
                    }
                };
            }
            ToRoom::Forward { identity, to, reply } => return self.forward(&identity, to, reply),
            ToRoom::Guest { forward, news: GuestNews::Arrives { portrait, from, stay, reply } } => {
                self.welcome(forward, portrait, (from, stay), reply);
                return Vec::new();
            }
            ToRoom::Guest { forward, news: GuestNews::Changed(portrait) } => {
                Command::GuestChanged { forward, portrait }
            }
            ToRoom::ForwardOver { forward } => {
                self.forwards.end(forward);
                Command::ForwardOver { forward }
            }
            ToRoom::Shutdown => Command::Shutdown,
        };
        self.state.handle(command, now())
    }

    /// Forwards a participant to another room.
    fn forward(&mut self, identity: &str, to: RoomHandle, reply: ForwardReply) -> Vec<Effect> {
        let sid = self.state.find(identity).map(|(sid, _)| sid.clone());
        if sid.as_ref().is_some_and(|sid| self.forwards.is_sent(sid, &to)) {
            let _ = reply.send(Ok(self.mark));
            return Vec::new();
        }
        let forward = ForwardId(self.rooms.numbers.fetch_add(1, Ordering::Relaxed));
        let asked = Moderation::ForwardParticipant { identity: identity.to_owned(), forward };
        let effects = match self.state.moderate(asked, now()) {
            Ok(effects) => effects,
            Err(error) => {
                let _ = reply.send(Err(error));
                return Vec::new();
            }
        };
        let place = sid.and_then(|sid| Some((sid.clone(), self.link.worker_of(&media::participant(&sid))?)));
        let here = self.rooms.get(&self.status.id).filter(|handle| handle.number == self.number);
        if let (Some(place), Some(here)) = (place, here) {
            self.forwards.open(forward, place, (here, to), reply);
            return effects;
        }
        // Its worker or its room has just ended.
        let _ = reply.send(Err(ModerationError::NotFound));
        self.state.handle(Command::ForwardOver { forward }, now())
    }

    /// Lets a guest in. Refused, it lets go of the way, and its own room hears of it.
    fn welcome(
        &mut self,
        forward: ForwardId,
        portrait: Box<Portrait>,
        (from, stay): (WorkerId, oneshot::Sender<()>),
        reply: ForwardReply,
    ) {
        let admitted = self.state.moderate(Moderation::AdmitGuest { forward, portrait }, now());
        let answer = admitted.map(|effects| {
            self.forwards.welcome(forward, from, stay);
            if self.carry_out(effects) { Mark::LOST } else { self.mark }
        });
        let _ = reply.send(answer);
    }

    /// A tap of the best there is of a track.
    fn tap(&mut self, identity: &str, track: &TrackSid, wake: TapWake) -> Option<TapReader> {
        let participant = self.state.find(identity).map(|(sid, _)| media::participant(sid))?;
        self.link.tap(&participant, &media::track(track), TapWish::default(), wake).ok()
    }

    fn handle_media(&mut self, event: sluice_core::Event) -> Vec<Effect> {
        if let sluice_core::Event::Explained { request, report } = event {
            self.explanations.answer(&self.state, request, *report);
            return Vec::new();
        }
        if matches!(event, sluice_core::Event::WorkerLost) {
            tracing::error!("a media worker of the room is gone");
            if self.link.check().is_err() {
                return self.state.handle(Command::Shutdown, now());
            }
            return Vec::new();
        }
        let Some(event) = media::event(event) else { return Vec::new() };
        if matches!(event, MediaEvent::Data { .. }) {
            self.rooms.metrics.data_packets.with_label_values(&["in"]).inc();
        }
        let is_report = matches!(event, MediaEvent::Quality(_));
        if is_report {
            let (participants, request) = self.explanations.survey(&self.state);
            participants.iter().for_each(|participant| self.ask_media(participant, request));
        }
        let effects = self.state.handle(Command::Media(event), now());
        if is_report {
            self.sample();
        }
        effects
    }

    /// Writes down how everybody fares, from time to time.
    fn sample(&mut self) {
        let now = now();
        if self.sampled.is_some_and(|sampled| now.at.duration_since(sampled) < SAMPLE_EVERY) {
            return;
        }
        let fared = self.explanations.fared(&self.state, &Asker::Administrator);
        let at = UnixMillis(now.unix_ms);
        // Who has just come is not known well enough: it would be written down that they see nothing.
        let known = fared.iter().filter(|fared| self.explanations.is_surveyed(&fared.rated.participant));
        let samples: Vec<_> = known.map(|fared| history::sample(fared, at)).collect();
        if samples.is_empty() {
            return;
        }
        self.sampled = Some(now.at);
        self.rooms.log.sample(Samples { session: self.state.sid().as_str().into(), samples });
    }

    fn ask_media(&mut self, participant: &ParticipantSid, request: u64) {
        let participant = media::participant(participant);
        if self.link.send(sluice_core::Command::Explain { participant, request }).is_err() {
            // The next command that matters ends the room.
            self.explanations.fail(request);
        }
    }

    /// Carries out effects, and those that follow when a client does not keep up. Whether the log lost something of it.
    fn carry_out(&mut self, effects: Vec<Effect>) -> bool {
        let mut effects = VecDeque::from(effects);
        let (mut noted, mut lost) = (false, false);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Signal { to, message } => {
                    let kind = response_kind(&message);
                    let sent = self.rooms.metrics.signal_messages.with_label_values(&["out", kind]);
                    sent.inc_by(to.len() as u64);
                    let response = Arc::new(Response::new(message));
                    for connection in to {
                        effects.extend(self.push(connection, Outgoing::Response(response.clone())));
                    }
                }
                Effect::RefreshToken { connection, claims } => match self.rooms.keys.sign(&self.status.id, &claims) {
                    Ok(token) => {
                        let message = signal_response::Message::RefreshToken(token);
                        let response = Arc::new(Response::new(Arc::new(message)));
                        effects.extend(self.push(connection, Outgoing::Response(response)));
                    }
                    Err(error) => tracing::error!(%error, "cannot sign a token"),
                },
                Effect::Move { connection, claims, moved } => {
                    effects.extend(self.tell_of_move(connection, &claims, *moved));
                }
                Effect::RpcAnswered { call, outcome } => {
                    if let Some(reply) = self.calls.remove(&call) {
                        let _ = reply.send(Ok(outcome));
                    }
                }
                Effect::Close { connection } => {
                    if let Some(outbox) = self.outboxes.remove(&connection) {
                        // Full or not, the connection ends.
                        let _ = outbox.push(Outgoing::Close);
                    }
                }
                Effect::Forward { forward, portrait } => self.forwards.tell(forward, portrait),
                Effect::ForwardOver { forward } => self.forwards.end(forward),
                Effect::Borrow { forward, guest, track, of } => {
                    let Some(from) = self.forwards.origin(forward) else { continue };
                    let borrow = media::borrow(&self.worker_room, &guest, (&track, &of), from);
                    effects.extend(self.tell_media(borrow));
                }
                Effect::Media(command) => {
                    if let MediaCommand::SendData { to, .. } = &command {
                        self.rooms.metrics.data_packets.with_label_values(&["out"]).inc_by(to.len() as u64);
                    }
                    effects.extend(self.tell_media(media::command(&self.worker_room, command)));
                }
                Effect::Event(event) => {
                    self.rooms.metrics.room_events.with_label_values(&[event.kind.name()]).inc();
                    log(&event.kind, event.sequence);
                    self.watchers.tell(&event);
                    let mark = self.rooms.log.note(event);
                    noted = true;
                    if mark.is_lost() {
                        lost = true;
                    } else {
                        self.mark = mark;
                    }
                }
                Effect::Speakers { changed } => self.watchers.tell_speakers(changed, now().unix_ms),
                Effect::Finished => self.rooms.forget(&self.status.id, self.number),
            }
        }
        if noted {
            self.is_lost = lost;
        }
        let before = self.status.participants.swap(self.state.occupancy(), Ordering::Relaxed);
        let after = self.state.occupancy();
        self.status.full.store(self.state.is_full(), Ordering::Relaxed);
        self.status.max_participants.store(self.state.max_participants(), Ordering::Relaxed);
        let change = i64::try_from(after).unwrap_or(0) - i64::try_from(before).unwrap_or(0);
        self.rooms.metrics.participants.add(change);
        lost
    }

    /// Tells the media plane. A room without one ends.
    fn tell_media(&mut self, command: sluice_core::Command) -> Vec<Effect> {
        if self.link.send(command).is_ok() || self.state.is_finished() {
            return Vec::new();
        }
        tracing::error!("the media worker takes no commands; the room ends");
        self.state.handle(Command::Shutdown, now())
    }

    /// The token first: clients that know nothing of moves come back with it all the same.
    fn tell_of_move(
        &mut self,
        connection: ConnectionId,
        claims: &TokenClaims,
        mut moved: RoomMovedResponse,
    ) -> Vec<Effect> {
        let room = moved.room.as_ref().map(|room| room.name.clone()).unwrap_or_default();
        let token = match self.rooms.keys.sign(&room, claims) {
            Ok(token) => token,
            Err(error) => {
                tracing::error!(%error, "cannot sign a token");
                return Vec::new();
            }
        };
        moved.token.clone_from(&token);
        let mut effects = Vec::new();
        for message in [signal_response::Message::RefreshToken(token), signal_response::Message::RoomMoved(moved)] {
            let response = Arc::new(Response::new(Arc::new(message)));
            effects.extend(self.push(connection, Outgoing::Response(response)));
        }
        effects
    }

    /// Queues for a client. One that does not keep up loses its connection, and may resume on a new one.
    fn push(&mut self, connection: ConnectionId, outgoing: Outgoing) -> Vec<Effect> {
        let Some(outbox) = self.outboxes.get(&connection) else { return Vec::new() };
        if outbox.push(outgoing).is_ok() {
            return Vec::new();
        }
        self.outboxes.remove(&connection);
        self.rooms.metrics.signal_closed.with_label_values(&["slow"]).inc();
        self.state.handle(Command::SignalLost { connection }, now())
    }
}

/// However the task ends, by a bug too: the room is not found any more and is not counted.
impl Drop for RoomTask {
    fn drop(&mut self) {
        self.rooms.forget(&self.status.id, self.number);
        self.rooms.metrics.rooms.dec();
        let left = self.status.participants.swap(0, Ordering::Relaxed);
        self.rooms.metrics.participants.sub(i64::try_from(left).unwrap_or(0));
    }
}

/// One line for each step of a room's life. Names people chose stay out of the log.
fn log(kind: &RoomEventKind, sequence: u64) {
    let name = kind.name();
    match kind {
        RoomEventKind::RoomStarted => tracing::info!(sequence, "{name}"),
        RoomEventKind::RoomFinished { reason } => tracing::info!(sequence, ?reason, "{name}"),
        RoomEventKind::ParticipantJoined { participant }
        | RoomEventKind::ParticipantActive { participant }
        | RoomEventKind::ParticipantResumed { participant } => {
            tracing::info!(sequence, participant = %participant.sid, "{name}");
        }
        RoomEventKind::ParticipantLeft { participant, reason, was_active } => {
            tracing::info!(sequence, participant = %participant.sid, reason = reason.as_str_name(), was_active, "{name}");
        }
        RoomEventKind::TrackPublished { participant, track }
        | RoomEventKind::TrackUnpublished { participant, track } => {
            tracing::info!(sequence, participant = %participant.sid, track = %track.sid, codec = %track.mime_type, "{name}");
        }
        RoomEventKind::RoleChanged { participant, .. }
        | RoomEventKind::HandRaised { participant }
        | RoomEventKind::HandLowered { participant } => {
            tracing::info!(sequence, participant = %participant.sid, "{name}");
        }
        RoomEventKind::EntryChanged { entry } => tracing::info!(sequence, ?entry, "{name}"),
        RoomEventKind::LobbyJoined { .. } => tracing::info!(sequence, "{name}"),
        RoomEventKind::LobbyLeft { outcome, .. } => tracing::info!(sequence, outcome = outcome.name(), "{name}"),
        RoomEventKind::ChatMessage { bytes, .. } => tracing::debug!(sequence, bytes, "{name}"),
        RoomEventKind::Recording { info, .. } => {
            tracing::info!(egress = %info.egress_id, status = info.status, "{name}");
        }
        RoomEventKind::SessionChanged { from, to } => tracing::info!(sequence, %from, %to, "{name}"),
    }
}
