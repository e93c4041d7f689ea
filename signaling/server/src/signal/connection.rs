//! The loop between one WebSocket and one room.
//!
//! Reads frames into requests, writes responses into frames, and ends what is idle, slow or noisy. Holds no
//! room logic: a request goes to the room as it came.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use livekit_protocol::{DisconnectReason, JoinRequest, LeaveRequest, leave_request, signal_response};
use sluice_rooms::{Arrival, ConnectionId, SignalVersion};
use tokio::time::{Instant, timeout};

use super::frame::{Form, Response, decode_json, decode_protobuf};
use super::outbox::{Outgoing, Outgoings, outbox};
use crate::App;
use crate::auth::Admission;
use crate::metrics::request_kind;
use crate::room::{RoomHandle, RoomWish, ToRoom};

/// WebSocket pings, so that a dead peer and an idle proxy are noticed (LiveKit's interval).
const PING: Duration = Duration::from_secs(10);
/// A client whose messages cannot be read so often within [`WINDOW`] is not a client.
const BAD_MESSAGES: u32 = 20;
/// A client that says so much within [`WINDOW`] is not one either; a large room's wishes after a layout
/// change are a few hundred.
const MESSAGES: u32 = 3000;
const WINDOW: Duration = Duration::from_secs(10);
/// A room may end between being found and being entered; a second try finds a new one.
const ATTEMPTS: usize = 3;

/// Whoever was told to leave closes the connection itself. To some SDKs a connection closed from here in the
/// same moment is a broken one, and they resume in place of doing what they were told.
const FAREWELL: Duration = Duration::from_secs(1);

// Close codes above 4000 are the application's; the catalogue of hostile input names these two.
const CLOSE_BAD_MESSAGES: u16 = 4400;
const CLOSE_SLOW: u16 = 4408;
const CLOSE_NORMAL: u16 = 1000;
const CLOSE_AWAY: u16 = 1001;

/// Somebody at the door with a checked token.
pub(crate) struct Visit {
    pub(crate) admission: Admission,
    pub(crate) version: SignalVersion,
    pub(crate) request: JoinRequest,
}

impl Visit {
    fn door(&self) -> &'static str {
        match self.version {
            SignalVersion::V0 => "v0",
            SignalVersion::V1 => "v1",
        }
    }
}

/// Counts what a client does within a window.
struct Budget {
    since: Instant,
    messages: u32,
    bad: u32,
}

impl Budget {
    /// Counts a message; false when it is one too many.
    fn spend(&mut self, bad: bool) -> bool {
        if self.since.elapsed() > WINDOW {
            *self = Self { since: Instant::now(), messages: 0, bad: 0 };
        }
        self.messages += 1;
        self.bad += u32::from(bad);
        self.messages <= MESSAGES && self.bad < BAD_MESSAGES
    }
}

/// Serves a WebSocket until either side ends it.
pub(crate) async fn serve(socket: WebSocket, app: Arc<App>, visit: Visit) {
    let _counted = Counted::new(&app);
    let door = visit.door();
    let connection = app.next_connection();
    let (mut sink, mut stream) = socket.split();
    let entered = enter(&app, connection, visit).await;
    let (room, mut outgoings, first) = match entered {
        Ok(entered) => entered,
        Err(refusal) => {
            app.metrics.joins.with_label_values(&[door, "refused"]).inc();
            let leave = Response::new(Arc::new(signal_response::Message::Leave(refusal)));
            let _ = timeout(app.config.timeouts.signal_write, sink.send(leave.frame(Form::Protobuf))).await;
            return close(&mut sink, &app, CLOSE_NORMAL, "").await;
        }
    };
    let result = match &first {
        Outgoing::Response(response) => match response.message() {
            signal_response::Message::Join(join) => {
                let sid = join.participant.as_ref().map(|participant| participant.sid.as_str());
                tracing::Span::current().record("participant", sid);
                "joined"
            }
            signal_response::Message::Reconnect(_) => "resumed",
            _ => "refused",
        },
        Outgoing::Close => "refused",
    };
    app.metrics.joins.with_label_values(&[door, result]).inc();

    let mut form = Form::Protobuf;
    let mut budget = Budget { since: Instant::now(), messages: 0, bad: 0 };
    let mut ping = tokio::time::interval_at(Instant::now() + PING, PING);
    let idle = app.config.timeouts.signal_idle;
    let mut silent_at = Instant::now() + idle;
    let mut overflow = pin!(outgoings.overflow());
    let mut next = Some(first);
    let (code, reason) = loop {
        let frame = tokio::select! {
            biased;
            () = &mut overflow => break (CLOSE_SLOW, "slow"),
            outgoing = async { match next.take() { Some(first) => Some(first), None => outgoings.next().await } } => {
                match outgoing {
                    Some(Outgoing::Response(response)) => response.frame(form),
                    Some(Outgoing::Close) => break (CLOSE_NORMAL, "left"),
                    None => break (CLOSE_AWAY, "room_gone"),
                }
            }
            received = stream.next() => {
                silent_at = Instant::now() + idle;
                let decoded = match received {
                    Some(Ok(Frame::Binary(bytes))) => {
                        form = Form::Protobuf;
                        decode_protobuf(&bytes)
                    }
                    Some(Ok(Frame::Text(text))) => {
                        form = Form::Json;
                        decode_json(&text)
                    }
                    Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {
                        if !budget.spend(false) {
                            break (CLOSE_BAD_MESSAGES, "flood");
                        }
                        continue;
                    }
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => break (CLOSE_NORMAL, "closed_by_peer"),
                };
                if !budget.spend(decoded.is_err()) {
                    break (CLOSE_BAD_MESSAGES, "bad_messages");
                }
                match decoded {
                    Ok(message) => {
                        let kind = request_kind(&message);
                        app.metrics.signal_messages.with_label_values(&["in", kind]).inc();
                        room.send(ToRoom::Signal { connection, message: Box::new(message) }).await;
                    }
                    Err(error) => tracing::debug!(%error, "a signal frame cannot be read"),
                }
                continue;
            }
            _ = ping.tick() => Frame::Ping(Default::default()),
            () = tokio::time::sleep_until(silent_at) => break (CLOSE_AWAY, "idle"),
        };
        // While a slow client is written to, the room may give up on it.
        tokio::select! {
            sent = timeout(app.config.timeouts.signal_write, sink.send(frame)) => match sent {
                Ok(Ok(())) => {}
                Ok(Err(_)) => break (CLOSE_NORMAL, "closed_by_peer"),
                Err(_) => break (CLOSE_SLOW, "slow"),
            },
            () = &mut overflow => break (CLOSE_SLOW, "slow"),
        }
    };
    tracing::debug!(code, reason, "the signal connection ends");
    if !matches!(reason, "left" | "closed_by_peer") {
        app.metrics.signal_closed.with_label_values(&[reason]).inc();
    }
    room.send(ToRoom::SignalLost { connection }).await;
    if reason == "left" {
        let _ = timeout(FAREWELL, async { while let Some(Ok(_)) = stream.next().await {} }).await;
    }
    close(&mut sink, &app, code, reason).await;
}

/// Finds or opens the room and goes in; else says how to leave.
async fn enter(
    app: &Arc<App>,
    connection: ConnectionId,
    visit: Visit,
) -> Result<(RoomHandle, Outgoings, Outgoing), LeaveRequest> {
    let unknown_session = || leave(DisconnectReason::StateMismatch, leave_request::Action::Reconnect);
    let stopping = || leave(DisconnectReason::ServerShutdown, leave_request::Action::Reconnect);
    let no_place = |_| leave(DisconnectReason::JoinFailure, leave_request::Action::Disconnect);
    let closed = || leave(DisconnectReason::RoomDeleted, leave_request::Action::Disconnect);
    let may_open = visit.admission.may_open(app);
    let Admission { room: name, grants, room_config, set_up, .. } = visit.admission;
    let arrival = Arrival { connection, version: visit.version, grants, request: visit.request };
    for _ in 0..ATTEMPTS {
        // Its rooms have been told already; a new one would not hear of it.
        if !app.is_ready() {
            return Err(stopping());
        }
        let (outbox, mut outgoings) = outbox();
        let arrival = Box::new(arrival.clone());
        let (room, command) = if arrival.request.reconnect {
            let participant = arrival.request.participant_sid.as_str().into();
            let room = app.rooms.get(&name).ok_or_else(unknown_session)?;
            (room, ToRoom::Resume { participant, arrival, outbox })
        } else {
            let room = if may_open {
                let asked = || RoomWish { config: room_config.clone(), ..Default::default() };
                let recorded = |set_up: RoomWish| set_up.recorded_as(room_config.as_ref());
                let wish = set_up.clone().map_or_else(asked, recorded);
                app.rooms.open(&name, wish).map_err(no_place)?
            } else {
                app.rooms.get(&name).ok_or_else(closed)?
            };
            (room, ToRoom::Join { arrival, outbox })
        };
        if room.send(command).await
            && let Some(first) = outgoings.next().await
        {
            return Ok((room, outgoings, first));
        }
    }
    Err(unknown_session())
}

fn leave(reason: DisconnectReason, action: leave_request::Action) -> LeaveRequest {
    let can_reconnect = action != leave_request::Action::Disconnect;
    LeaveRequest { can_reconnect, reason: reason as i32, action: action as i32, regions: None }
}

async fn close(sink: &mut SplitSink<WebSocket, Frame>, app: &App, code: u16, reason: &'static str) {
    let frame = Frame::Close(Some(CloseFrame { code, reason: reason.into() }));
    // A second is enough for a peer that reads; one that does not is gone anyway.
    let patience = app.config.timeouts.signal_write.min(Duration::from_secs(1));
    let _ = timeout(patience, async {
        let _ = sink.send(frame).await;
        let _ = sink.close().await;
    })
    .await;
}

/// Counts a signal connection while it lives.
struct Counted(Arc<App>);

impl Counted {
    fn new(app: &Arc<App>) -> Self {
        app.metrics.signal_connections.inc();
        Self(app.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.metrics.signal_connections.dec();
    }
}
