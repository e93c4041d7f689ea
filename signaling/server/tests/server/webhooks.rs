//! What happens in rooms is written down and told, in order, signed, and again until it is taken.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use livekit_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};
use sluice_server::{ServerConfig, Webhook};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::fixture::{Fixture, new_trail, open_store, within};

/// An answer in one line with what belongs to it.
const TAKEN: &str = "200 OK";
const DOWN: &str = "503 Service Unavailable";

/// A web server that hears webhooks.
pub(crate) struct Receiver {
    address: SocketAddr,
    heard: mpsc::UnboundedReceiver<Heard>,
    /// What it answers to the next ones; then that it has them.
    answers: Arc<Mutex<VecDeque<String>>>,
}

/// One post.
struct Heard {
    path: String,
    content_type: String,
    authorization: String,
    body: Vec<u8>,
}

impl Receiver {
    pub(crate) async fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers = Arc::new(Mutex::new(answers.iter().map(|answer| (*answer).to_owned()).collect::<VecDeque<_>>()));
        let (tell, heard) = mpsc::unbounded_channel();
        let script = answers.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Some((heard, stream)) = hear(stream).await else { continue };
                let answer = script.lock().unwrap().pop_front().unwrap_or_else(|| TAKEN.to_owned());
                // Whoever listened may have gone.
                let _ = tell.send(heard);
                let mut stream = stream;
                let _ = stream
                    .write_all(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").as_bytes())
                    .await;
            }
        });
        Self { address, heard, answers }
    }

    pub(crate) fn config(&self, allow_private: bool) -> ServerConfig {
        let url = format!("http://{}/hook?of=sluice", self.address);
        let webhook = Webhook { url, api_key: "devkey".into(), allow_private };
        ServerConfig { webhooks: vec![webhook], ..ServerConfig::development() }
    }

    /// The next post, whose signature must hold.
    pub(crate) async fn next(&mut self) -> Value {
        let heard = within(self.heard.recv()).await.unwrap();
        assert_eq!((heard.path.as_str(), heard.content_type.as_str()), ("/hook?of=sluice", "application/webhook+json"));
        let (signed, signature) = heard.authorization.rsplit_once('.').unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        hmac::verify(&key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let (_, claims) = signed.split_once('.').unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!(claims["iss"], "devkey");
        assert_eq!(claims["sha256"], STANDARD.encode(digest::digest(&digest::SHA256, &heard.body)));
        serde_json::from_slice(&heard.body).unwrap()
    }

    async fn next_name(&mut self) -> String {
        self.next().await["event"].as_str().unwrap().to_owned()
    }
}

async fn hear(stream: TcpStream) -> Option<(Heard, BufReader<TcpStream>)> {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let fields = head.iter().filter_map(|line| line.split_once(": "));
        fields
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
            .next()
    };
    let mut body = vec![0; header("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    let heard = Heard {
        path: head.first()?.split(' ').nth(1)?.to_owned(),
        content_type: header("content-type")?,
        authorization: header("authorization")?,
        body,
    };
    Some((heard, stream))
}

fn token(grants: VideoGrants) -> String {
    let token = AccessToken::with_api_key("devkey", "secret")
        .with_identity("back end")
        .with_grants(grants);
    format!("Bearer {}", token.to_jwt().unwrap())
}

async fn administer(server: &Fixture, method: &str, body: Value) {
    let bearer = token(VideoGrants { room_create: true, ..Default::default() });
    let target = format!("/twirp/livekit.RoomService/{method}");
    let answer = server.request("POST", &target, &[("authorization", &bearer)], &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Makes a room and ends it.
async fn come_and_go(server: &Fixture, room: &str) {
    administer(server, "CreateRoom", json!({ "name": room })).await;
    administer(server, "DeleteRoom", json!({ "room": room })).await;
}

/// The log, once it has so many events.
async fn log(server: &Fixture, events: usize) -> Value {
    within(async {
        loop {
            let page = server.get("/api/events").await.json();
            if page["events"].as_array().unwrap().len() >= events {
                return page;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_receiver_hears_of_a_room_in_order_and_the_log_says_the_same() {
    let mut receiver = Receiver::start(&[]).await;
    let server = Fixture::with(receiver.config(true)).await;
    come_and_go(&server, "math").await;

    let (started, finished) = (receiver.next().await, receiver.next().await);

    assert_eq!((&started["event"], &finished["event"]), (&json!("room_started"), &json!("room_finished")));
    assert_eq!(started["room"]["name"], "math");
    assert!(started["room"]["sid"].as_str().unwrap().starts_with("RM_"));
    assert_eq!(finished["roomEndReason"], "ROOM_END_API_DELETE");
    let page = log(&server, 4).await;
    let events = page["events"].as_array().unwrap();
    assert_eq!((&events[0]["event"], &events[3]["event"]), (&started, &finished));
    assert_eq!((&events[3]["number"], &events[3]["room_sequence"]), (&json!(4), &json!(4)));
    // What the log alone knows of.
    for (event, state) in events[1..3].iter().zip(["Ending", "Ended"]) {
        assert_eq!((&event["kind"], &event["event"]["sluice"]["to"]), (&json!("session_changed"), &json!(state)));
    }
    assert_eq!((&page["more"], &page["oldest"], &page["newest"]), (&json!(false), &json!(1), &json!(4)));
    let rest = server.get("/api/events?after=3&limit=1").await.json();
    assert_eq!(rest["events"], json!([events[3]]));
    assert_eq!(server.get("/api/events?after=0&limit=1").await.json()["more"], true);
    assert_eq!(server.get("/api/events?room=physics").await.json()["events"], json!([]));
}

#[tokio::test]
async fn who_never_brought_media_up_is_told_of_as_an_aborted_connection() {
    let mut receiver = Receiver::start(&[]).await;
    let server = Fixture::with(receiver.config(true)).await;
    let _ann = server.join("math", "ann").await;
    administer(&server, "DeleteRoom", json!({ "room": "math" })).await;

    assert_eq!(receiver.next_name().await, "room_started");
    let aborted = receiver.next().await;
    assert_eq!(aborted["event"], "participant_connection_aborted");
    let ann = &aborted["participant"];
    assert_eq!((&ann["identity"], &ann["disconnectReason"]), (&json!("ann"), &json!("ROOM_DELETED")));
    assert_eq!(receiver.next_name().await, "room_finished");
    let page = log(&server, 4).await;
    assert_eq!(page["events"][1]["kind"], "participant_entered", "the log alone knows of that");
}

#[tokio::test]
async fn what_is_not_taken_is_told_again_before_the_rest_and_no_redirect_is_followed() {
    let mut receiver = Receiver::start(&[DOWN]).await;
    let moved = format!("307 Temporary Redirect\r\nlocation: http://{}/elsewhere", receiver.address);
    receiver.answers.lock().unwrap().push_back(moved);
    let server = Fixture::with(receiver.config(true)).await;
    come_and_go(&server, "math").await;

    let first = receiver.next().await;
    assert_eq!(first["event"], "room_started");
    // `next` looks at the path: had the redirect been followed, it would be another.
    assert_eq!(receiver.next().await, first, "told again, under the same id");
    assert_eq!(receiver.next().await, first, "and once more");
    assert_eq!(receiver.next_name().await, "room_finished");
}

#[tokio::test]
async fn what_a_server_still_owes_the_next_one_tells() {
    let home = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(&[DOWN; 2]).await;
    let config = receiver.config(true);
    let store = open_store(&home).await;
    let mut server = Fixture::over(store.clone(), config.clone()).await;
    administer(&server, "CreateRoom", json!({ "name": "math" })).await;
    let first = receiver.next().await;
    server.stop();
    within(&mut server.task).await.unwrap().unwrap();
    store.close().await;

    let server = Fixture::over(open_store(&home).await, config).await;

    let mut told = vec![first];
    while told.last().unwrap()["event"] != "room_finished" {
        told.push(receiver.next().await);
    }
    // Told once or twice in vain; then each once, in order.
    let ids: Vec<_> = told.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert!(ids[..ids.len() - 1].iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(ids.len() > 2, "{ids:?}");
    assert_eq!(told.last().unwrap()["roomEndReason"], "ROOM_END_SERVER_SHUTDOWN");
    assert_eq!(log(&server, 4).await["events"][3]["kind"], "room_finished");
}

#[tokio::test]
async fn the_last_events_of_a_server_are_told_before_it_ends() {
    let mut receiver = Receiver::start(&[]).await;
    let mut server = Fixture::with(receiver.config(true)).await;
    administer(&server, "CreateRoom", json!({ "name": "math" })).await;
    server.stop();
    within(&mut server.task).await.unwrap().unwrap();

    let mut told = Vec::new();
    while let Ok(heard) = receiver.heard.try_recv() {
        told.push(serde_json::from_slice::<Value>(&heard.body).unwrap()["event"].clone());
    }
    assert_eq!(told, ["room_started", "room_finished"]);
}

#[tokio::test]
async fn nobody_on_this_machine_is_told_unless_that_is_allowed() {
    let mut receiver = Receiver::start(&[]).await;
    let server = Fixture::with(receiver.config(false)).await;
    come_and_go(&server, "math").await;

    within(async {
        while !server.get("/metrics").await.body.contains("sluice_webhooks_total{result=\"failed\"} 1") {
            tokio::task::yield_now().await;
        }
    })
    .await;

    assert!(receiver.heard.try_recv().is_err());
    assert_eq!(log(&server, 2).await["events"][0]["kind"], "room_started");
}

#[tokio::test]
async fn a_receiver_whose_secret_nobody_knows_is_an_error_at_start() {
    let config = ServerConfig {
        webhooks: vec![Webhook { url: "http://app.example.org".into(), api_key: "other".into(), allow_private: false }],
        ..ServerConfig::development()
    };
    let home = tempfile::tempdir().unwrap();
    let registry = prometheus::Registry::new();
    let bind = vec!["127.0.0.1:0".parse().unwrap()];
    let node = sluice_node::NodeConfig { bind, workers: 1, ..Default::default() };
    let node = sluice_node::Node::start(&node, &registry).unwrap();
    let started = sluice_server::Server::start(config, open_store(&home).await, new_trail().1, node, registry).await;
    assert!(started.err().unwrap().to_string().contains("API key `other`"));
}

#[tokio::test]
async fn outside_development_mode_the_log_is_for_those_who_may_see_rooms() {
    let config = ServerConfig { dev: false, ..ServerConfig::development() };
    let server = Fixture::with(config).await;
    administer(&server, "CreateRoom", json!({ "name": "math" })).await;
    let ask = async |target: &str, grants: VideoGrants| {
        let answer = server.request("GET", target, &[("authorization", &token(grants))], "").await;
        (answer.status, if answer.status == 200 { String::new() } else { answer.error_code() })
    };
    let good = (200, String::new());
    let forbidden = (403, "not_permitted".to_owned());
    let admin = || VideoGrants { room_admin: true, room: "math".into(), ..Default::default() };

    assert_eq!(server.get("/api/events").await.error_code(), "no_token");
    let lister = VideoGrants { room_list: true, ..Default::default() };
    assert_eq!(ask("/api/events", lister).await, good);
    assert_eq!(ask("/api/events", admin()).await, forbidden);
    assert_eq!(ask("/api/events?room=math", admin()).await, good);
    assert_eq!(ask("/api/events?room=physics", admin()).await, forbidden);
    let guest = VideoGrants { room_join: true, room: "math".into(), ..Default::default() };
    assert_eq!(ask("/api/events?room=math", guest).await, forbidden);
    let lister = VideoGrants { room_list: true, ..Default::default() };
    assert_eq!(ask("/api/events?after=x", lister).await, (400, "bad_query".to_owned()));
}
