//! A server under load is killed, twenty times, wherever it happens to be. What it acknowledged is there: what its API
//! answered, and what it told webhooks. What it left open is ended by the next one, and every webhook arrives.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs, reason = "tests")]
#![cfg(unix)]

mod serving;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use livekit_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};
use serving::{Serving, sluice};
use sluice_store::{Event, Phase, Store, StoreOptions};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::client_async;

const KILLS: usize = 20;
/// Back ends that work at once.
const BACK_ENDS: usize = 4;
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What happens here and webhooks are not told of.
const IN_THE_LOG_ALONE: [&str; 2] = ["participant_entered", "session_changed"];

/// What the API said it did.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Acknowledged {
    room: String,
    /// What then happened in the room.
    event: &'static str,
    /// What the audit trail calls it.
    deed: &'static str,
    request_id: String,
}

/// What a receiver of webhooks was told, in the order it came: event's id and room.
type Told = Arc<Mutex<Vec<(String, String)>>>;

/// Takes whatever is told, for as long as the test runs.
async fn receive(listener: TcpListener, told: Told) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(hear(stream, told.clone()));
    }
}

/// One post. `None` when whoever posts is killed in the middle: then it was not told.
async fn hear(stream: TcpStream, told: Told) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let event: Value = serde_json::from_slice(&body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    told.lock().unwrap().push((text(&event["id"]), text(&event["room"]["name"])));
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.ok()
}

fn token(identity: &str, grants: VideoGrants) -> String {
    let token = AccessToken::with_api_key("devkey", "secret").with_identity(identity).with_grants(grants);
    token.to_jwt().unwrap()
}

/// Calls a method of the server API, and gives the id of the request. `None` when the server is gone.
async fn call(port: u16, method: &str, room: &str, body: Value) -> Option<String> {
    let grants = VideoGrants { room_create: true, room_admin: true, room: room.to_owned(), ..Default::default() };
    let (bearer, body) = (token("back end", grants), body.to_string());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!(
        "POST /twirp/livekit.RoomService/{method} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         authorization: Bearer {bearer}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    // Half an answer is none.
    let (head, _) = answer.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200"), "{method}: {answer}");
    let (_, rest) = head.split_once("x-request-id: ").expect("each answer has one");
    Some(rest.lines().next()?.to_owned())
}

/// Rooms come, somebody enters each and is sent away, every second one ends; until the server is gone.
async fn work(port: u16, name: String, tell: mpsc::UnboundedSender<Acknowledged>) -> Option<()> {
    for turn in 0.. {
        let room = format!("{name} {turn}");
        let said =
            |event, deed, request_id| tell.send(Acknowledged { room: room.clone(), event, deed, request_id }).ok();
        let request_id = call(port, "CreateRoom", &room, json!({ "name": room })).await?;
        said("room_started", "room.create", request_id)?;

        let grants = VideoGrants { room_join: true, room: room.clone(), ..Default::default() };
        let target = format!("ws://localhost:{port}/rtc?access_token={}", token("ann", grants));
        let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let (mut socket, _) = client_async(target, stream).await.ok()?;
        // `join`: she is in.
        socket.next().await?.ok()?;
        let removal = json!({ "room": room, "identity": "ann" });
        let request_id = call(port, "RemoveParticipant", &room, removal).await?;
        said("participant_connection_aborted", "participant.remove", request_id)?;

        if turn % 2 == 0 {
            let request_id = call(port, "DeleteRoom", &room, json!({ "room": room })).await?;
            said("room_finished", "room.delete", request_id)?;
        } else {
            // Left open, with somebody in it.
            let grants = VideoGrants { room_join: true, room, ..Default::default() };
            let target = format!("ws://localhost:{port}/rtc?access_token={}", token("bob", grants));
            let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
            let (mut socket, _) = client_async(target, stream).await.ok()?;
            socket.next().await?.ok()?;
            tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
        }
    }
    None
}

/// The whole log.
async fn log(store: &Store) -> Vec<Event> {
    let mut log: Vec<Event> = Vec::new();
    loop {
        let after = log.last().map_or(0, |event| event.number);
        let page = store.events(after, None, 1_000).await.unwrap();
        log.extend(page.events);
        if !page.more {
            return log;
        }
    }
}

fn id(event: &Event) -> String {
    let said: Value = serde_json::from_str(&event.payload).unwrap();
    said["id"].as_str().unwrap().to_owned()
}

struct Scene {
    url: String,
    trail: String,
    receiver: SocketAddr,
    acknowledged: BTreeSet<Acknowledged>,
    told: Told,
}

impl Scene {
    fn server(&self) -> Serving {
        let hook =
            format!("[{{ url = \"http://{}/hook\", api_key = \"devkey\", allow_private = true }}]", self.receiver);
        let variables = [
            ("SLUICE_STORAGE__URL", self.url.as_str()),
            ("SLUICE_AUDIT__PATH", &self.trail),
            ("SLUICE_WEBHOOKS", &hook),
            ("SLUICE_LOG__FILTER", LOG),
        ];
        Serving::start_with(&[], &variables)
    }

    /// Loads a server until it has acknowledged so much, and kills it.
    async fn kill_after(&mut self, run: usize, acknowledgements: usize) {
        let server = self.server();
        let (tell, mut hear) = mpsc::unbounded_channel();
        let port = server.port;
        let back_ends: Vec<_> = (0..BACK_ENDS)
            .map(|back_end| tokio::spawn(work(port, format!("{run}.{back_end}"), tell.clone())))
            .collect();
        drop(tell);
        for _ in 0..acknowledgements {
            let next = tokio::time::timeout(PATIENCE, hear.recv()).await.expect("in time");
            self.acknowledged.insert(next.expect("the server is there"));
        }
        // SIGKILL.
        drop(server);
        for back_end in back_ends {
            tokio::time::timeout(PATIENCE, back_end).await.expect("in time").unwrap();
        }
        // What was answered until the signal came.
        while let Some(next) = hear.recv().await {
            self.acknowledged.insert(next);
        }
    }

    /// Each acknowledged act was a deed of its own, written down before it was done, and nothing went wrong with it.
    fn verify_trail(&self, run: usize) {
        let exported = sluice(&["audit", "export", &self.trail]).output().unwrap();
        assert!(exported.status.success(), "run {run}: {}", String::from_utf8_lossy(&exported.stderr));
        let lines = String::from_utf8(exported.stdout).unwrap();
        let mut records: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for record in lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            if let Some(request_id) = record["request_id"].as_str() {
                records.entry(request_id.to_owned()).or_default().push(record);
            }
        }
        for act in &self.acknowledged {
            let of_act = records.get(&act.request_id).map(Vec::as_slice).unwrap_or_default();
            let [record] = of_act else { panic!("run {run}: {act:?} was acknowledged, and the trail has {of_act:?}") };
            let said = ["what", "room", "result"].map(|field| record[field].as_str().unwrap());
            assert_eq!(said, [act.deed, act.room.as_str(), "done"], "run {run}");
        }
    }

    /// Looks through what is stored.
    async fn verify(&self, run: usize) {
        let verified = sluice(&["audit", "verify", &self.trail]).output().unwrap();
        assert!(verified.status.success(), "run {run}: {}", String::from_utf8_lossy(&verified.stderr));
        self.verify_trail(run);
        let store = Store::open(&self.url, &StoreOptions::default()).await.unwrap();
        assert_eq!(store.check().await.unwrap(), [] as [String; 0], "run {run}");
        let log = log(&store).await;
        store.close().await;
        assert!(log.iter().map(|event| event.number).eq(1..=log.len() as u64), "run {run}: without holes");
        let kept: BTreeSet<_> = log
            .iter()
            .map(|event| (event.room.as_ref().unwrap().as_str(), event.kind.as_str()))
            .collect();
        for Acknowledged { room, event, .. } in &self.acknowledged {
            assert!(
                kept.contains(&(room.as_str(), *event)),
                "run {run}: {event} of {room} was acknowledged and is lost"
            );
        }
        let kept: BTreeSet<_> = log.iter().map(id).collect();
        for (id, room) in self.told.lock().unwrap().iter() {
            assert!(kept.contains(id), "run {run}: {id} of {room} was told and is lost");
        }
    }
}

/// One line of each start; the pipe is not read after that.
const LOG: &str = "error,sluice::serve=info";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twenty_times_nothing_that_was_acknowledged_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = listener.local_addr().unwrap();
    let told = Told::default();
    let receiving = tokio::spawn(receive(listener, told.clone()));
    let url = format!("sqlite:{}", home.path().join("sluice.db").display());
    let trail = home.path().join("audit.log").to_str().unwrap().to_owned();
    let mut scene = Scene { url, trail, receiver, acknowledged: BTreeSet::new(), told };

    for run in 0..KILLS {
        // Nowhere in particular: after another number each time.
        scene.kill_after(run, 3 + run * 7 % 31).await;
        scene.verify(run).await;
    }

    // The last one is left in peace until it has told what is owed.
    let server = scene.server();
    let store = Store::open(&scene.url, &StoreOptions::default()).await.unwrap();
    tokio::time::timeout(PATIENCE, async {
        while store.outbox().await.unwrap().iter().any(|standing| standing.pending > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("every webhook is delivered");
    drop(server);
    receiving.abort();
    scene.verify(KILLS).await;

    let log = log(&store).await;
    let mut open = BTreeSet::new();
    for event in &log {
        let session = event.session.clone().unwrap();
        match event.kind.as_str() {
            "room_started" => assert!(open.insert(session), "a room begins once"),
            "room_finished" => assert!(open.remove(&session), "and ends once"),
            _ => {}
        }
        let session = store
            .session(event.session.as_ref().unwrap())
            .await
            .unwrap()
            .expect("each with its session");
        assert_eq!(session.phase, Phase::Ended);
    }
    assert_eq!(open, BTreeSet::new(), "no room is left open");
    let comings = log.iter().filter(|event| event.kind.as_str() == "participant_entered").count();
    let goings = log.iter().filter(|event| event.kind.as_str() == "participant_connection_aborted").count();
    assert_eq!(comings, goings, "nobody is left in a room");

    let numbers: BTreeMap<_, _> = log.iter().map(|event| (id(event), event.number)).collect();
    let told = std::mem::take(&mut *scene.told.lock().unwrap());
    let mut last = BTreeMap::new();
    let mut heard = BTreeSet::new();
    for (id, room) in &told {
        let before = last.insert(room, numbers[id]).unwrap_or(0);
        assert!(before <= numbers[id], "{room}: {id} was told after a later one");
        heard.insert(numbers[id]);
    }
    let owed = log.iter().filter(|event| !IN_THE_LOG_ALONE.contains(&event.kind.as_str()));
    let missed: Vec<_> = owed
        .map(|event| (event.number, &event.kind))
        .filter(|(number, _)| !heard.contains(number))
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
    store.close().await;
    eprintln!(
        "killed {KILLS} times: {} acknowledgements, {} events, lost 0; {} webhooks, lost 0, told again {}",
        scene.acknowledged.len(),
        log.len(),
        heard.len(),
        told.len() - heard.len()
    );
}
