//! One WebSocket of Janus' API (<https://janus.conf.meetecho.com/docs/rest.html#WS>), for comparing servers. What is said
//! on it is the visitor's; participants hear and say LiveKit's messages as ever.

mod visitor;

use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use livekit_protocol::{signal_request as ask, signal_response as told};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

use self::visitor::Visitor;
use crate::error::PeerError;
use crate::plan::Visit;
use crate::server::{Server, Stream};

/// To get in, as with LiveKit's protocol.
const PATIENCE: Duration = Duration::from_secs(20);
/// For the server to close, too.
const GOODBYE: Duration = Duration::from_secs(2);

/// An open signal connection.
pub(crate) struct Connection {
    socket: WebSocketStream<Box<dyn Stream>>,
    /// Our address, from which media goes to the server.
    pub(crate) local: IpAddr,
    visitor: Visitor,
}

impl Connection {
    /// Connects and begins to enter the room.
    pub(crate) async fn connect(server: &Server, visit: &Visit) -> Result<Self, PeerError> {
        let unreachable = |error: &dyn std::fmt::Display| PeerError::Unreachable(error.to_string());
        let mut request = server.url("/").into_client_request().map_err(|error| unreachable(&error))?;
        let protocol = HeaderValue::from_static("janus-protocol");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let open = async {
            let (stream, local) = server.open().await.map_err(|error| unreachable(&error))?;
            let local = if local.is_loopback() { outward().map_err(|error| unreachable(&error))? } else { local };
            let (socket, _) = client_async(request, stream).await.map_err(|error| unreachable(&error))?;
            let visitor = Visitor::enter(&visit.room, &visit.identity, visit.subscribes);
            Ok(Self { socket, local, visitor })
        };
        tokio::time::timeout(PATIENCE, open).await.unwrap_or(Err(PeerError::Late))
    }

    /// The next message; safe to cancel.
    pub(crate) async fn hear(&mut self) -> Result<told::Message, PeerError> {
        loop {
            self.send().await?;
            if let Some(message) = self.visitor.poll_message() {
                return Ok(message);
            }
            let frame = self.socket.next().await.ok_or(PeerError::Closed)?.map_err(|_| PeerError::Closed)?;
            match frame {
                Frame::Text(text) => self.visitor.handle_text(&text)?,
                Frame::Close(_) => return Err(PeerError::Closed),
                _ => {}
            }
        }
    }

    pub(crate) async fn say(&mut self, message: ask::Message) -> Result<(), PeerError> {
        self.visitor.handle_request(message);
        self.send().await
    }

    /// Says what the visitor has to say. Safe to cancel: what was not handed over stays.
    async fn send(&mut self) -> Result<(), PeerError> {
        while let Some(text) = self.visitor.next_text() {
            let frame = Frame::Text(text.into());
            self.socket.feed(frame).await.map_err(|_| PeerError::Closed)?;
            self.visitor.text_was_sent();
        }
        self.socket.flush().await.map_err(|_| PeerError::Closed)
    }

    /// Closes the connection in good order.
    pub(crate) async fn close(mut self) {
        let goodbye = async {
            // The server may be gone already: then there is nobody left to tell.
            let _ = self.socket.close(None).await;
            while let Some(Ok(_)) = self.socket.next().await {}
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}

/// This machine's own address. Janus takes no media over the loopback interface's, not even from itself; what one
/// process sends to another still never leaves the machine.
fn outward() -> io::Result<IpAddr> {
    /// Nobody's (RFC 5737): where the way leads that others take. Nothing is sent.
    const NOBODY: (Ipv4Addr, u16) = (Ipv4Addr::new(198, 51, 100, 1), 9);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(NOBODY)?;
    Ok(socket.local_addr()?.ip())
}
