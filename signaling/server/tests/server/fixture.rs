//! A server on a free port, and small clients for it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use futures_util::{FutureExt, SinkExt, StreamExt};
use livekit_protocol::{
    ClientInfo, ConnectionSettings, JoinRequest, ParticipantInfo, SignalRequest, SignalResponse, WrappedJoinRequest,
    signal_request, signal_response,
};
use livekit_token::{AccessToken, VideoGrants};
use prost::Message;
use sluice_audit::{AddressKey, AuditLog, SigningKey, Trail};
use sluice_node::{Drill, Node, NodeConfig};
use sluice_server::{AuditTrail, Server, ServerConfig};
use sluice_store::{Store, StoreOptions};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message as Frame};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

/// A running server; it stops when dropped.
pub(crate) struct Fixture {
    pub(crate) address: SocketAddr,
    /// Breaks its media workers.
    pub(crate) drill: Drill,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) task: JoinHandle<Result<(), sluice_server::ServerError>>,
    pub(crate) admin: Admin,
    /// Where its audit trail lies.
    pub(crate) trail_home: TempDir,
    /// Where its store lies, unless somebody else knows.
    _home: Option<TempDir>,
}

/// A store in a folder.
pub(crate) async fn open_store(home: &TempDir) -> Store {
    let url = format!("sqlite:{}", home.path().join("sluice.db").display());
    Store::open(&url, &StoreOptions::default()).await.unwrap()
}

/// An audit trail in a folder of its own.
pub(crate) fn new_trail() -> (TempDir, AuditTrail) {
    let home = tempfile::tempdir().unwrap();
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let log = AuditLog::open(&home.path().join("audit.log"), key, 0).unwrap();
    let (trail, _) = Trail::start(log).unwrap();
    (home, AuditTrail::new(trail, AddressKey::new(&[8; 32])))
}

/// The listener for operators of a running server.
#[derive(Clone, Copy)]
pub(crate) struct Admin(SocketAddr);

impl Admin {
    pub(crate) async fn get(&self, target: &str) -> Answer {
        request(self.0, "GET", target, &[], "").await
    }
}

/// What an HTTP request was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    /// What it sets, of which there may be several.
    pub(crate) cookies: Vec<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// Code of an API error, whose request id must be that of the header.
    pub(crate) fn error_code(&self) -> String {
        let json = self.json();
        assert_eq!(json["error"]["request_id"], self.headers["x-request-id"].as_str());
        assert!(json["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
        json["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        Self::with(ServerConfig::development()).await
    }

    pub(crate) async fn with(config: ServerConfig) -> Self {
        Self::secured(config, None).await
    }

    /// On several media workers, among which the people of a room take turns.
    pub(crate) async fn spanning(workers: usize) -> Self {
        Self::on(workers, ServerConfig::development(), None).await
    }

    pub(crate) async fn secured(config: ServerConfig, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Self::on(1, config, tls).await
    }

    /// At an address where media comes as well.
    pub(crate) async fn with_media_at_the_door(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp_elsewhere = vec![listener.local_addr().unwrap()];
        let node = NodeConfig { workers: 1, tcp_elsewhere, ..NodeConfig::default() };
        Self::at(listener, node, ServerConfig::development(), tls).await
    }

    /// Over a store that outlives it.
    pub(crate) async fn over(store: Store, config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serving(listener, NodeConfig { workers: 1, ..NodeConfig::default() }, config, None, store).await
    }

    async fn on(workers: usize, config: ServerConfig, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = NodeConfig { workers, participants_per_worker: 1, ..NodeConfig::default() };
        Self::at(listener, node, config, tls).await
    }

    async fn at(
        listener: TcpListener,
        node: NodeConfig,
        config: ServerConfig,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = open_store(&home).await;
        Self { _home: Some(home), ..Self::serving(listener, node, config, tls, store).await }
    }

    async fn serving(
        listener: TcpListener,
        node: NodeConfig,
        config: ServerConfig,
        tls: Option<Arc<rustls::ServerConfig>>,
        store: Store,
    ) -> Self {
        let registry = prometheus::Registry::new();
        let node = NodeConfig { bind: vec!["127.0.0.1:0".parse().unwrap()], ..node };
        let node = Node::start(&node, &registry).unwrap();
        let drill = node.drill();
        let (trail_home, trail) = new_trail();
        let server = Server::start(config, store, trail, node, registry).await.unwrap();
        let address = listener.local_addr().unwrap();
        let admin_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = Admin(admin_listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or(()) }.shared();
        let task = tokio::spawn(async move {
            let (served, _) = tokio::join!(
                server.serve(listener, tls, stopped.clone()),
                server.serve_admin(admin_listener, None, stopped),
            );
            server.close().await;
            served
        });
        Self { address, drill, stop: Some(stop), task, admin, _home: None, trail_home }
    }

    /// The audit trail so far, verified.
    pub(crate) fn trail(&self) -> Vec<serde_json::Value> {
        let mut lines = Vec::new();
        let path = self.trail_home.path().join("audit.log");
        sluice_audit::export(&path, None, i64::MIN..i64::MAX, &mut lines).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// From here on nothing can be written to the audit trail.
    pub(crate) fn break_trail(&self) {
        let head = self.trail_home.path().join("audit.log.head");
        std::fs::remove_file(&head).unwrap();
        std::fs::create_dir_all(head.join("in the way")).unwrap();
    }

    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// One request on a connection of its own.
    pub(crate) async fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        request(self.address, method, target, headers, body).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.request("GET", target, &[], "").await
    }

    pub(crate) async fn post(&self, target: &str, body: &serde_json::Value) -> Answer {
        self.request("POST", target, &[], &body.to_string()).await
    }

    /// Value of a metric, all labels that contain `labels` together.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> f64 {
        let text = self.get("/metrics").await.body;
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(labels));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Waits until a metric is so much: what is counted is counted a moment after whoever caused it hears of it.
    pub(crate) async fn counts(&self, name: &str, labels: &str, expected: f64) {
        within(async {
            while (self.metric(name, labels).await - expected).abs() > f64::EPSILON {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    pub(crate) async fn stream(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A stream that buffers next to nothing.
    pub(crate) async fn narrow_stream(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// Opens a WebSocket; the status when it is refused.
    pub(crate) async fn open(&self, stream: TcpStream, target: &str, token: Option<&str>) -> Result<Client, u16> {
        let mut request = format!("ws://{}{target}", self.address).into_client_request().unwrap();
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        match within(client_async(request, stream)).await {
            Ok((socket, _)) => Ok(Client { socket, seen: Vec::new(), sid: String::new() }),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Joins through `/rtc/v1`.
    pub(crate) async fn join(&self, room: &str, identity: &str) -> Client {
        self.join_with(room, identity, join_request()).await
    }

    pub(crate) async fn join_with(&self, room: &str, identity: &str, request: JoinRequest) -> Client {
        let target = format!("/rtc/v1?join_request={}", wrap(&request));
        let mut client = self.open(self.stream().await, &target, Some(&token(room, identity))).await.unwrap();
        client.joined().await;
        client
    }
}

async fn request(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    request.push_str(&format!("\r\n{body}"));
    stream.write_all(request.as_bytes()).await.unwrap();
    within(read_answer(&mut stream)).await
}

async fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset after the answer is the server's good right when it refuses to read a body.
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        bytes.extend_from_slice(&buffer[..read]);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: Vec<_> = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let cookies = headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value.clone())
        .collect();
    Answer { status, headers: headers.into_iter().collect(), cookies, body: body.to_owned() }
}

pub(crate) fn token(room: &str, identity: &str) -> String {
    let grants =
        VideoGrants { room_join: true, room: room.into(), can_update_own_metadata: Some(true), ..Default::default() };
    AccessToken::with_api_key("devkey", "secret")
        .with_identity(identity)
        .with_grants(grants)
        .to_jwt()
        .unwrap()
}

pub(crate) fn join_request() -> JoinRequest {
    JoinRequest {
        client_info: Some(ClientInfo { protocol: 17, ..Default::default() }),
        connection_settings: Some(ConnectionSettings { auto_subscribe: true, ..Default::default() }),
        ..Default::default()
    }
}

pub(crate) fn wrap(request: &JoinRequest) -> String {
    let wrapped = WrappedJoinRequest { compression: 0, join_request: request.encode_to_vec() };
    base64::engine::general_purpose::URL_SAFE.encode(wrapped.encode_to_vec())
}

/// A signal client.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    /// Messages that came while something else was waited for.
    seen: Vec<signal_response::Message>,
    pub(crate) sid: String,
}

impl Client {
    /// Reads the join message.
    pub(crate) async fn joined(&mut self) -> livekit_protocol::JoinResponse {
        let signal_response::Message::Join(join) = self.next().await else { panic!("join comes first") };
        self.sid = join.participant.as_ref().unwrap().sid.clone();
        join
    }

    pub(crate) async fn send(&mut self, message: signal_request::Message) {
        let bytes = SignalRequest { message: Some(message) }.encode_to_vec();
        self.socket.send(Frame::Binary(bytes.into())).await.unwrap();
    }

    pub(crate) async fn send_json(&mut self, message: signal_request::Message) {
        let text = serde_json::to_string(&SignalRequest { message: Some(message) }).unwrap();
        self.socket.send(Frame::Text(text.into())).await.unwrap();
    }

    /// The next frame that is not a ping.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            match within(self.socket.next()).await {
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                Some(Ok(frame)) => return Some(frame),
                Some(Err(_)) | None => return None,
            }
        }
    }

    pub(crate) async fn next(&mut self) -> signal_response::Message {
        let response = match self.frame().await {
            Some(Frame::Binary(bytes)) => SignalResponse::decode(bytes).unwrap(),
            Some(Frame::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("a message was expected, not {other:?}"),
        };
        response.message.unwrap()
    }

    /// Waits for a message of one kind; others are kept for later questions.
    pub(crate) async fn wait<T>(&mut self, pick: impl Fn(&signal_response::Message) -> Option<T>) -> T {
        if let Some(index) = self.seen.iter().position(|message| pick(message).is_some()) {
            return pick(&self.seen.remove(index)).unwrap();
        }
        loop {
            let message = self.next().await;
            if let Some(picked) = pick(&message) {
                return picked;
            }
            self.seen.push(message);
        }
    }

    /// Waits for news of somebody that `holds`.
    pub(crate) async fn update(&mut self, holds: impl Fn(&ParticipantInfo) -> bool) -> ParticipantInfo {
        self.wait(|message| match message {
            signal_response::Message::Update(update) => update.participants.iter().find(|info| holds(info)).cloned(),
            _ => None,
        })
        .await
    }

    /// Reads until the connection closes; the code it closed with.
    pub(crate) async fn closed(&mut self) -> Option<CloseCode> {
        while let Some(frame) = self.frame().await {
            if let Frame::Close(close) = frame {
                return close.map(|close| close.code);
            }
        }
        None
    }
}
