//! Calls with guests, what the API says of their recordings, and what ffmpeg says of the files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use livekit_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;

use crate::serving::Serving;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

fn token(identity: &str, grants: VideoGrants) -> String {
    let token = AccessToken::with_api_key("devkey", "secret").with_identity(identity).with_grants(grants);
    token.to_jwt().unwrap()
}

/// Somebody enters a room, so that guests do. They stay while the server lives.
pub(crate) async fn enter(server: &Serving, room: &str) {
    let grants = VideoGrants { room_join: true, room: room.to_owned(), ..Default::default() };
    let target = format!("ws://localhost:{}/rtc?access_token={}", server.port, token("ann", grants));
    let stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let (mut socket, _) = client_async(target, stream).await.unwrap();
    socket.next().await.unwrap().unwrap();
    tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
}

/// Who is in a room.
pub(crate) fn people(server: &Serving, room: &str) -> usize {
    let grants = VideoGrants { room_admin: true, room: room.to_owned(), ..Default::default() };
    let answer = server.call("ListParticipants", &token("back end", grants), &json!({ "room": room }).to_string());
    read(&answer).1["participants"].as_array().map_or(0, Vec::len)
}

/// Calls a method of the Egress service: the answer's status and what it says.
pub(crate) fn egress(server: &Serving, method: &str, body: &Value) -> (u16, Value) {
    let grants = VideoGrants { room_record: true, ..Default::default() };
    read(&server.call_of("Egress", method, &token("back end", grants), &body.to_string()))
}

fn read(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}")))
}

/// Lets somebody be recorded; the recording's id.
pub(crate) fn record(server: &Serving, room: &str, identity: &str) -> String {
    let request = json!({ "room_name": room, "identity": identity, "file_outputs": [{ "filepath": "it" }] });
    let (status, info) = egress(server, "StartParticipantEgress", &request);
    assert_eq!(status, 200, "{info}");
    info["egressId"].as_str().or(info["egress_id"].as_str()).unwrap().to_owned()
}

/// What is said of a recording.
pub(crate) fn info(server: &Serving, id: &str) -> Value {
    let (status, list) = egress(server, "ListEgress", &json!({ "egress_id": id }));
    assert_eq!(status, 200, "{list}");
    list["items"][0].clone()
}

/// Waits until a recording is so.
pub(crate) async fn until(server: &Serving, id: &str, is_so: impl Fn(&str) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let info = info(server, id);
        if is_so(info["status"].as_str().unwrap_or_default()) {
            return info;
        }
        assert!(began.elapsed() < PATIENCE, "{info:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Files of a recording, without its manifest.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|ending| ending != "json")).collect();
    files.sort();
    files
}

/// ffmpeg decodes all of a file without an error.
fn assert_decodes(path: &str) {
    let read = ["-v", "error", "-xerror", "-err_detect", "explode", "-i", path];
    let decode = [&read[..], &["-fps_mode", "passthrough", "-enc_time_base:v", "-1", "-f", "null", "-"]].concat();
    let decoded = Command::new("ffmpeg")
        .args(decode)
        .output()
        .expect("Debian's ffmpeg, as `cargo xtask test` installs it");
    let said = String::from_utf8_lossy(&decoded.stderr).into_owned();
    assert!(decoded.status.success() && said.is_empty(), "{path}: {said}");
}

/// What ffprobe says of these entries, the last of them.
fn probed(path: &str, entries: &str) -> f64 {
    let arguments = ["-v", "error", "-show_entries", entries, "-of", "csv=p=0", path];
    let output = Command::new("ffprobe").args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().map(|line| line.trim_end_matches(','));
    last.and_then(|last| last.parse().ok()).unwrap_or_else(|| panic!("{path}: {text}"))
}

/// How long a file that is finished plays, in seconds.
pub(crate) fn plays(file: &Path) -> f64 {
    let path = file.to_str().unwrap();
    assert_decodes(path);
    probed(path, "format=duration")
}

/// The same of one that could not be finished: up to its last packet.
pub(crate) fn plays_until(file: &Path) -> f64 {
    let path = file.to_str().unwrap();
    assert_decodes(path);
    probed(path, "packet=pts_time")
}
