//! Recordings go to a bucket: the real binary records what synthetic peers say, a bucket in this process checks
//! signatures, is away for a while, and the server is killed meanwhile.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]
#![cfg(unix)]

mod serving;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use livekit_token::{AccessToken, VideoGrants};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use serde_json::{Value, json};
use serving::{Serving, sluice};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const ACCESS: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI-K7MDENG-hush";

/// Two buckets: `calls` and `theirs`.
struct Buckets {
    folder: TempDir,
    endpoint: String,
    is_away: Arc<AtomicBool>,
}

impl Buckets {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for bucket in ["calls", "theirs"] {
            std::fs::create_dir(folder.path().join(bucket)).unwrap();
        }
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS, SECRET));
        let service = builder.build();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let is_away = Arc::new(AtomicBool::new(false));
        let away = is_away.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    if !away.load(Ordering::Relaxed) {
                        let mut http = hyper::server::conn::http1::Builder::new();
                        // So that nobody comes by a connection from before when it is away.
                        http.keep_alive(false);
                        tokio::spawn(http.serve_connection(hyper_util::rt::TokioIo::new(stream), service.clone()));
                    }
                }
            });
        });
        Self { folder, endpoint, is_away }
    }

    fn object(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path().join(bucket).join(key)).ok()
    }
}

/// A server that keeps its recordings in `calls` alone.
fn serve(home: &Path, buckets: &Buckets) -> Serving {
    serve_and_keep(home, buckets, false)
}

fn serve_and_keep(home: &Path, buckets: &Buckets, keeps_local: bool) -> Serving {
    let (database, recordings) = (format!("sqlite:{}", home.join("sluice.db").display()), home.join("recordings"));
    let audit = home.join("audit.log");
    Serving::start_with(
        &[],
        &[
            ("SLUICE_STORAGE__URL", &database),
            ("SLUICE_AUDIT__PATH", audit.to_str().unwrap()),
            ("SLUICE_RECORDINGS__PATH", recordings.to_str().unwrap()),
            ("SLUICE_RECORDINGS__ALLOW_PRIVATE", "true"),
            ("SLUICE_RECORDINGS__S3__BUCKET", "calls"),
            ("SLUICE_RECORDINGS__S3__ENDPOINT", &buckets.endpoint),
            ("SLUICE_RECORDINGS__S3__ACCESS_KEY", ACCESS),
            ("SLUICE_RECORDINGS__S3__SECRET_KEY", SECRET),
            ("SLUICE_RECORDINGS__S3__PATH_STYLE", "true"),
            ("SLUICE_RECORDINGS__S3__PREFIX", "kept"),
            ("SLUICE_RECORDINGS__S3__KEEP_LOCAL", if keeps_local { "true" } else { "false" }),
        ],
    )
}

/// People who talk, in a process of their own.
struct Talkers(Child);

impl Talkers {
    fn start(server: &Serving) -> Self {
        let url = format!("ws://127.0.0.1:{}", server.port);
        let target = ["--url", &url, "--api-key", "devkey", "--api-secret", "secret"];
        let mut command = sluice(&["loadtest", "webinar", "--subscribers", "1", "--duration", "600s", "--seed", "7"]);
        Self(command.args(target).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Talkers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(server: &Serving, method: &str, body: &Value) -> Value {
    let room = body.get("room").and_then(Value::as_str).unwrap_or_default();
    request(server, &format!("POST /twirp/livekit.{method}"), room, body)
}

/// Asks for something, `METHOD /path`, as a back end of a room.
fn request(server: &Serving, what: &str, room: &str, body: &Value) -> Value {
    let room = room.to_owned();
    let grants = VideoGrants { room_list: true, room_admin: true, room_record: true, room, ..VideoGrants::default() };
    let token = AccessToken::with_api_key("devkey", "secret")
        .with_identity("back end")
        .with_grants(grants);
    let (token, body) = (token.to_jwt().unwrap(), body.to_string());
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    write!(
        stream,
        "{what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(!answer.contains(SECRET), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    match body {
        "" => Value::Null,
        body => serde_json::from_str(body).unwrap_or_else(|_| panic!("{what}: {answer}")),
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "{what}");
        // Asked more often, the server would say 429.
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Room and identity of somebody who is seen and heard.
fn somebody(server: &Serving) -> (String, String) {
    until("somebody publishes", || {
        let rooms = ask(server, "RoomService/ListRooms", &json!({}));
        let room = rooms["rooms"].get(0)?["name"].as_str()?.to_owned();
        let people = ask(server, "RoomService/ListParticipants", &json!({ "room": room }));
        let publishes = |person: &&Value| person["tracks"].as_array().is_some_and(|tracks| tracks.len() == 2);
        let person = people["participants"].as_array()?.iter().find(publishes)?;
        Some((room, person["identity"].as_str()?.to_owned()))
    })
}

fn status(server: &Serving, id: &str) -> Value {
    ask(server, "Egress/ListEgress", &json!({ "egress_id": id }))["items"][0].take()
}

fn reaches(server: &Serving, id: &str, wanted: &str) -> Value {
    until(wanted, || {
        let info = status(server, id);
        assert!(info["status"] != "EGRESS_FAILED" || wanted == "EGRESS_FAILED", "{info:#}");
        (info["status"] == wanted).then_some(info)
    })
}

/// Records somebody for a moment; its id, when it is being put away.
fn record(server: &Serving, output: &Value) -> String {
    let (room, identity) = somebody(server);
    let request = json!({ "room_name": room, "identity": identity, "file_outputs": [output] });
    let begun = ask(server, "Egress/StartParticipantEgress", &request);
    let id = begun["egressId"].as_str().unwrap_or_else(|| panic!("{begun:#}")).to_owned();
    reaches(server, &id, "EGRESS_ACTIVE");
    ask(server, "Egress/StopEgress", &json!({ "egress_id": id }));
    id
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_recording_is_over_when_its_bucket_has_it() {
    let (home, buckets) = (tempfile::tempdir().unwrap(), Buckets::start());
    let server = serve(home.path(), &buckets);
    let talkers = Talkers::start(&server);
    let folder = |id: &str| home.path().join("recordings").join(id);

    let id = record(&server, &json!({ "filepath": "somebody's wish" }));
    let info = reaches(&server, &id, "EGRESS_COMPLETE");
    let file = &info["fileResults"][0];
    let location = file["location"].as_str().unwrap();
    let key = location.strip_prefix(&format!("{}/calls/", buckets.endpoint)).unwrap();
    assert!(key.starts_with(&format!("kept/{id}/recording.")), "{location}");
    let object = buckets.object("calls", key).unwrap();
    assert_eq!(object.len().to_string(), file["size"].as_str().unwrap());
    // Matroska begins so (RFC 8794).
    assert_eq!(object[..4], [0x1a, 0x45, 0xdf, 0xa3]);
    assert!(buckets.object("calls", &format!("kept/{id}/manifest.json")).is_some());
    assert_eq!(info["manifestLocation"], format!("{}/calls/kept/{id}/manifest.json", buckets.endpoint));
    assert_eq!(names(&folder(&id)), ["manifest.json", "stored.json"]);

    // A bucket that a request brings along, which is away; and the server is killed meanwhile.
    buckets.is_away.store(true, Ordering::Relaxed);
    let theirs = json!({
        "bucket": "theirs", "access_key": ACCESS, "secret": SECRET, "endpoint": buckets.endpoint, "force_path_style": true,
    });
    let id = record(&server, &json!({ "filepath": "calls/{publisher_identity}", "s3": theirs }));
    let ours = record(&server, &json!({}));
    for id in [&id, &ours] {
        let parcel = folder(id).join("outbox.json");
        let is_sent = || std::fs::read_to_string(&parcel).is_ok_and(|text| text.contains("\"items\":["));
        until("it is written down where it goes", || is_sent().then_some(()));
        assert_eq!(std::fs::metadata(&parcel).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(status(&server, id)["status"], "EGRESS_ENDING");
        assert!(names(&folder(id)).iter().any(|name| name.starts_with("recording.")));
    }
    // One is still recorded when it happens.
    let (room, identity) = somebody(&server);
    let request = json!({
        "room_name": room, "identity": identity,
        "file_outputs": [{ "filepath": "cut/off", "s3": theirs, "disable_manifest": true }],
    });
    let cut = ask(&server, "Egress/StartParticipantEgress", &request)["egressId"]
        .as_str()
        .unwrap()
        .to_owned();
    reaches(&server, &cut, "EGRESS_ACTIVE");
    let has_media = || std::fs::metadata(folder(&cut).join("recording.webm")).is_ok_and(|file| file.len() > 20_000);
    until("some of it is on the disk", || has_media().then_some(()));
    server.signal("-KILL");
    drop(talkers);
    let (log, _) = server.ended();
    assert!(log.contains("a bucket is tried again"), "{log}");
    assert!(!log.contains(SECRET), "{log}");

    let server = serve(home.path(), &buckets);
    assert_eq!(status(&server, &id)["status"], "EGRESS_ENDING", "it is not over before its bucket has it");
    buckets.is_away.store(false, Ordering::Relaxed);
    let info = reaches(&server, &id, "EGRESS_COMPLETE");
    assert_eq!(info["fileResults"][0]["location"], format!("{}/theirs/calls/{identity}.webm", buckets.endpoint));
    assert!(buckets.object("theirs", &format!("calls/{identity}.webm")).is_some());
    assert!(buckets.object("theirs", &format!("calls/{id}.json")).is_some(), "the manifest is beside it");
    assert_eq!(info["manifestLocation"], format!("{}/theirs/calls/{id}.json", buckets.endpoint));
    reaches(&server, &ours, "EGRESS_COMPLETE");

    let info = reaches(&server, &cut, "EGRESS_FAILED");
    assert!(info["error"].as_str().unwrap().contains("stopped in the middle"), "{info:#}");
    assert_eq!(info["fileResults"][0]["location"], format!("{}/theirs/cut/off.webm", buckets.endpoint));
    assert!(info["manifestLocation"].as_str().unwrap_or_default().is_empty(), "none is wanted: {info:#}");
    assert!(buckets.object("theirs", "cut/off.webm").unwrap().len() > 20_000);

    assert_eq!(names(&buckets.folder.path().join("theirs/cut")), ["off.webm"], "no manifest where none is wanted");

    for id in [&id, &ours, &cut] {
        assert_eq!(names(&folder(id)), ["manifest.json", "stored.json"], "of keys and files nothing is left");
        let kept = std::fs::read_to_string(folder(id).join("stored.json")).unwrap();
        assert!(!kept.contains(SECRET) && !kept.contains(ACCESS));
    }
    server.signal("-TERM");
    let (log, code) = server.ended();
    assert!(code == Some(0) && !log.contains(SECRET), "{log}");
}

/// The segments that a playlist of a bucket names, all of which are there.
fn listed(buckets: &Buckets, key: &str) -> Vec<String> {
    let Some(text) = buckets.object("theirs", key) else { return Vec::new() };
    let text = String::from_utf8(text).unwrap();
    let segments: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let folder = key.rsplit_once('/').unwrap().0;
    for segment in &segments {
        assert!(buckets.object("theirs", &format!("{folder}/{segment}")).is_some(), "{key} names {segment}");
    }
    segments
}

#[test]
fn segments_are_in_their_bucket_while_the_recording_goes_on() {
    let (home, buckets) = (tempfile::tempdir().unwrap(), Buckets::start());
    let server = serve(home.path(), &buckets);
    let _talkers = Talkers::start(&server);
    let (room, _) = somebody(&server);
    let theirs = json!({
        "bucket": "theirs", "access_key": ACCESS, "secret": SECRET, "endpoint": buckets.endpoint, "force_path_style": true,
    });
    let begin = |prefix: &str| {
        let segments = json!({
            "filename_prefix": prefix, "playlist_name": "all", "live_playlist_name": "now", "segment_duration": 2,
            "s3": theirs,
        });
        let request = json!({
            "room_name": room, "layout": "grid", "segment_outputs": [segments],
            "advanced": { "width": 320, "height": 180, "framerate": 10, "video_bitrate": 300 },
        });
        let begun = ask(&server, "Egress/StartRoomCompositeEgress", &request);
        begun["egressId"].as_str().unwrap_or_else(|| panic!("{begun:#}")).to_owned()
    };
    let id = begin("{room_name}/part");
    let (all, now) = (format!("{room}/all.m3u8"), format!("{room}/now.m3u8"));
    until("two segments are there", || (listed(&buckets, &all).len() >= 2).then_some(()));
    assert_eq!(listed(&buckets, &all)[..2], ["part_00000.ts", "part_00001.ts"]);
    assert_eq!(status(&server, &id)["status"], "EGRESS_ACTIVE");

    // It is away for some segments, and back before the end.
    buckets.is_away.store(true, Ordering::Relaxed);
    let local = || {
        names(&home.path().join("recordings").join(&id))
            .iter()
            .filter(|name| name.ends_with(".ts"))
            .count()
    };
    let before = local();
    until("some wait on the disk", || (local() >= before + 3).then_some(()));
    let there = listed(&buckets, &all).len();
    buckets.is_away.store(false, Ordering::Relaxed);
    until("they are late, and there", || {
        (listed(&buckets, &now).contains(&format!("part_{:05}.ts", there + 2))).then_some(())
    });
    assert_eq!(status(&server, &id)["status"], "EGRESS_ACTIVE");

    // And once more until it is over.
    buckets.is_away.store(true, Ordering::Relaxed);
    ask(&server, "Egress/StopEgress", &json!({ "egress_id": id }));
    let parcel = home.path().join("recordings").join(&id).join("outbox.json");
    until("it waits", || {
        std::fs::read_to_string(&parcel)
            .is_ok_and(|text| text.contains("\"items\":["))
            .then_some(())
    });
    buckets.is_away.store(false, Ordering::Relaxed);
    let info = reaches(&server, &id, "EGRESS_COMPLETE");
    let result = &info["segmentResults"][0];
    assert_eq!((&result["playlistName"], &result["livePlaylistName"]), (&json!(all), &json!(now)));
    assert_eq!(result["playlistLocation"], format!("{}/theirs/{all}", buckets.endpoint));
    assert_eq!(result["livePlaylistLocation"], format!("{}/theirs/{now}", buckets.endpoint));
    assert_eq!(result["segmentCount"], listed(&buckets, &all).len().to_string());
    for playlist in [&all, &now] {
        let text = String::from_utf8(buckets.object("theirs", playlist).unwrap()).unwrap();
        assert!(text.ends_with("#EXT-X-ENDLIST\n") && !listed(&buckets, playlist).is_empty(), "{text}");
    }

    // A killed server's playlists keep the names that were asked for.
    let cut = begin("cut/part");
    until("one segment is there", || (!listed(&buckets, "cut/now.m3u8").is_empty()).then_some(()));
    server.signal("-KILL");
    server.ended();
    let server = serve(home.path(), &buckets);
    let info = reaches(&server, &cut, "EGRESS_FAILED");
    assert!(info["error"].as_str().unwrap().contains("stopped in the middle"), "{info:#}");
    let names = names(&buckets.folder.path().join("theirs/cut"));
    assert!(names.iter().any(|name| name == "now.m3u8") && names.iter().any(|name| name == "all.m3u8"), "{names:?}");
    assert!(!names.iter().any(|name| name == "live.m3u8" || name == "playlist.m3u8"), "{names:?}");
    assert!(
        String::from_utf8(buckets.object("theirs", "cut/now.m3u8").unwrap())
            .unwrap()
            .ends_with("ENDLIST\n")
    );
}

#[test]
fn a_video_that_is_made_later_goes_where_its_recording_is() {
    let (home, buckets) = (tempfile::tempdir().unwrap(), Buckets::start());
    let server = serve_and_keep(home.path(), &buckets, true);
    let talkers = Talkers::start(&server);
    let id = record(&server, &json!({}));
    let info = reaches(&server, &id, "EGRESS_COMPLETE");
    let room = info["roomName"].as_str().unwrap().to_owned();
    drop(talkers);
    let (at, key) = (format!("/api/recordings/{id}"), format!("kept/{id}/composite-grid.mp4"));
    let begun = request(&server, &format!("POST {at}/composite"), &room, &json!({ "layout": "grid" }));
    assert_eq!(begun["id"], id, "{begun:#}");
    let folder = home.path().join("recordings").join(&id);
    let is_noted = || std::fs::read_to_string(folder.join("stored.json")).unwrap().contains(&key);
    until("the bucket has it", || is_noted().then_some(()));
    let made = std::fs::read(folder.join("composite-grid.mp4")).unwrap();
    assert!(!made.is_empty() && buckets.object("calls", &key).unwrap() == made);
    assert!(!folder.join("outbox.json").exists());

    // The file here may go. Players are sent to the bucket, and how the recording is has not changed.
    std::fs::remove_file(folder.join("composite-grid.mp4")).unwrap();
    let playback = request(&server, &format!("POST {at}/playback"), &room, &json!({}));
    let urls: Vec<_> = playback["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["url"].as_str().unwrap())
        .collect();
    assert!(urls.iter().any(|url| url.contains(&format!("/calls/{key}?"))), "{urls:?}");
    assert_eq!(status(&server, &id), info);
    assert_eq!(request(&server, &format!("DELETE {at}"), &room, &json!({})), Value::Null);
    assert!(!folder.exists());
    let left = names(&buckets.folder.path().join("calls/kept").join(&id));
    assert!(left.is_empty(), "{left:?}");
}
