//! One WebSocket of LiveKit's signal protocol, v1 or v0. Knows how to get in and how to say and hear a message;
//! what the messages mean is the participant's.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use futures_util::{SinkExt as _, StreamExt as _};
use livekit_protocol::{
    ClientInfo, ConnectionSettings, JoinRequest, SignalRequest, SignalResponse, WrappedJoinRequest,
    signal_request as ask, signal_response as told,
};
use prost::Message as _;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message as Frame};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::error::PeerError;
use crate::server::{Server, Stream};

/// To get in. A server in a storm of joins may take its time; longer than this nobody waits in front of a page.
const PATIENCE: Duration = Duration::from_secs(20);
/// For the server to close, too.
const GOODBYE: Duration = Duration::from_secs(2);
/// The protocol version stated. Clients of 16 take all that is used here.
const PROTOCOL: i32 = 16;

/// An open signal connection.
pub(crate) struct Connection {
    socket: WebSocketStream<Box<dyn Stream>>,
    /// Our address on the way to the server; media goes the same way.
    pub(crate) local: IpAddr,
}

impl Connection {
    /// Connects. `resumes`: the session to take up again.
    pub(crate) async fn connect(
        server: &Server,
        is_v1: bool,
        token: &str,
        subscribes: bool,
        resumes: Option<&str>,
    ) -> Result<Self, PeerError> {
        let path = if is_v1 {
            format!("/rtc/v1?join_request={}", join_request(subscribes, resumes))
        } else {
            query(subscribes, resumes)
        };
        let unreachable = |error: &dyn std::fmt::Display| PeerError::Unreachable(error.to_string());
        let mut request = server.url(&path).into_client_request().map_err(|error| unreachable(&error))?;
        let bearer = format!("Bearer {token}").parse().map_err(|error| unreachable(&error))?;
        request.headers_mut().insert("authorization", bearer);
        let open = async {
            let (stream, local) = server.open().await.map_err(|error| unreachable(&error))?;
            match client_async(request, stream).await {
                Ok((socket, _)) => Ok(Self { socket, local }),
                Err(tungstenite::Error::Http(answer)) => Err(PeerError::Refused(answer.status().as_u16())),
                Err(error) => Err(unreachable(&error)),
            }
        };
        tokio::time::timeout(PATIENCE, open).await.unwrap_or(Err(PeerError::Late))
    }

    /// The next message; safe to cancel.
    pub(crate) async fn hear(&mut self) -> Result<told::Message, PeerError> {
        loop {
            let frame = self.socket.next().await.ok_or(PeerError::Closed)?.map_err(|_| PeerError::Closed)?;
            match frame {
                Frame::Binary(bytes) => {
                    let response = SignalResponse::decode(bytes).map_err(|_| PeerError::Closed)?;
                    if let Some(message) = response.message {
                        return Ok(message);
                    }
                }
                Frame::Close(_) => return Err(PeerError::Closed),
                _ => {}
            }
        }
    }

    pub(crate) async fn say(&mut self, message: ask::Message) -> Result<(), PeerError> {
        let bytes = SignalRequest { message: Some(message) }.encode_to_vec();
        self.socket.send(Frame::Binary(bytes.into())).await.map_err(|_| PeerError::Closed)
    }

    /// Closes the connection in good order.
    pub(crate) async fn close(mut self) {
        // A socket that is dropped with something unread is reset, and what was said last may never be heard. So the
        // server has the last word. It may be gone already: then there is nobody left to tell.
        let goodbye = async {
            let _ = self.socket.close(None).await;
            while let Some(Ok(_)) = self.socket.next().await {}
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}

fn join_request(subscribes: bool, resumes: Option<&str>) -> String {
    let request = JoinRequest {
        client_info: Some(ClientInfo {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").into(),
            ..Default::default()
        }),
        connection_settings: Some(ConnectionSettings { auto_subscribe: subscribes, ..Default::default() }),
        reconnect: resumes.is_some(),
        participant_sid: resumes.unwrap_or_default().to_owned(),
        ..Default::default()
    };
    let wrapped = WrappedJoinRequest { compression: 0, join_request: request.encode_to_vec() };
    URL_SAFE.encode(wrapped.encode_to_vec())
}

fn query(subscribes: bool, resumes: Option<&str>) -> String {
    let auto_subscribe = u8::from(subscribes);
    let resume = resumes.map(|sid| format!("&reconnect=1&sid={sid}")).unwrap_or_default();
    format!("/rtc?protocol={PROTOCOL}&auto_subscribe={auto_subscribe}{resume}")
}
