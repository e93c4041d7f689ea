//! Recordings by the native API: who makes them, who sees them, and what becomes of them. What is in them is for tests with
//! real media.

use std::path::Path;
use std::time::Duration;

use livekit_protocol::{EgressInfo, EgressStatus, signal_response};
use livekit_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};
use sluice_objects::S3Settings;
use sluice_server::{RecordingsConfig, ServerConfig};
use sluice_store::{Recording, Store, StoreOptions, UnixMillis};
use tempfile::TempDir;

use crate::control::{ask, back_end, enter, production, refusal, room, sign};
use crate::fixture::{Answer, Client, Fixture, open_store, within};

const MEDIA: &[u8] = b"0123456789";

/// A server that records, its store, and where both lie.
async fn recording(config: ServerConfig) -> (Fixture, Store, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let server = over(config, &store, &home).await;
    (server, store, home)
}

async fn over(config: ServerConfig, store: &Store, home: &TempDir) -> Fixture {
    let folder = Some(home.path().join("recordings"));
    let recordings = RecordingsConfig { folder, ..config.recordings };
    Fixture::over(store.clone(), ServerConfig { recordings, ..config }).await
}

/// A recording that is over, with a file.
async fn keep(store: &Store, home: &Path, kept: Recording) {
    let folder = home.join("recordings").join(&kept.id);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("recording.webm"), MEDIA).unwrap();
    std::fs::write(folder.join("manifest.json"), r#"{"version":1}"#).unwrap();
    store.put_recording(&kept).await.unwrap();
}

fn kept(id: &str, room: &str) -> Recording {
    let mut info = EgressInfo { egress_id: id.into(), room_name: room.into(), ..EgressInfo::default() };
    info.set_status(EgressStatus::EgressComplete);
    Recording {
        id: id.into(),
        room: room.into(),
        session: "RM_before".into(),
        owner: None,
        info: serde_json::to_string(&info).unwrap(),
        files: json!([{ "name": "recording.webm", "bytes": 10 }]).to_string(),
        is_over: true,
        is_held: false,
        created: UnixMillis(1_000),
        ended: Some(UnixMillis(2_000)),
        expires: None,
        bytes: 10,
    }
}

async fn is_recorded(client: &mut Client) -> bool {
    let told = client.wait(|message| match message {
        signal_response::Message::RoomUpdate(update) => update.room.as_ref().map(|room| room.active_recording),
        _ => None,
    });
    told.await
}

async fn ended(server: &Fixture, id: &str, token: &str) -> Value {
    within(async {
        loop {
            let seen = ask(server, "GET", &format!("/api/recordings/{id}"), token, Value::Null).await.json();
            if !["starting", "active", "ending"].iter().any(|state| seen["state"] == *state) {
                assert!(!seen["ended_at"].is_null(), "it is over, and everything of it is there: {seen:#}");
                return seen;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_host_records_everybody_is_told_and_whose_room_it_is_deletes_it() {
    let (server, _store, home) = recording(production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let host = json!({ "name": "Ann", "identity": "ann", "host_key": host_key });
    let (mut ann, ann_token) = enter(&server, &id, host).await;
    let (mut bob, bob_token) = enter(&server, &id, json!({ "name": "Bob", "identity": "bob" })).await;
    let start = format!("/api/rooms/{id}/recordings");
    let everybody = json!({ "source": { "kind": "room" } });

    assert_eq!(refusal(&ask(&server, "POST", &start, &bob_token, everybody.clone()).await).1, "not_permitted");
    let nobody = json!({ "source": { "kind": "participant", "identity": "eve" } });
    assert_eq!(refusal(&ask(&server, "POST", &start, &ann_token, nobody).await).1, "participant_not_found");

    let begun = ask(&server, "POST", &start, &ann_token, everybody).await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    let begun = begun.json();
    let recording = begun["id"].as_str().unwrap().to_owned();
    assert_eq!((&begun["state"], &begun["room"]), (&json!("starting"), &json!(id)));
    assert!(is_recorded(&mut ann).await && is_recorded(&mut bob).await);
    let of_room = format!("/api/recordings?room={id}");
    let listed = ask(&server, "GET", &of_room, &ann_token, Value::Null).await.json();
    assert_eq!(listed["recordings"].as_array().unwrap().len(), 1);
    assert_eq!(refusal(&ask(&server, "GET", &of_room, &bob_token, Value::Null).await).1, "not_permitted");

    // Who hosts sees and stops it, and no more.
    let target = format!("/api/recordings/{recording}");
    assert_eq!(
        refusal(&ask(&server, "GET", &target, &bob_token, Value::Null).await),
        (404, "recording_not_found".into())
    );
    assert_eq!(refusal(&ask(&server, "DELETE", &target, &ann_token, Value::Null).await), (403, "not_permitted".into()));
    let owner = back_end(&id);
    assert_eq!(refusal(&ask(&server, "DELETE", &target, &owner, Value::Null).await), (409, "going_on".into()));
    let stop = format!("{target}/stop");
    assert_eq!(ask(&server, "POST", &stop, &ann_token, Value::Null).await.status, 200);
    assert!(!is_recorded(&mut bob).await);
    let over = ended(&server, &recording, &ann_token).await;
    assert_eq!(over["state"], "aborted", "nobody published anything");
    assert_eq!(over["reason"], Value::Null, "somebody stopped it");
    assert_eq!(ask(&server, "POST", &stop, &ann_token, Value::Null).await.status, 200, "twice is as good as once");

    assert!(home.path().join("recordings").join(&recording).is_dir());
    let hold = ask(&server, "PATCH", &target, &owner, json!({ "is_held": true })).await.json();
    assert_eq!(hold["is_held"], true);
    assert_eq!(refusal(&ask(&server, "DELETE", &target, &owner, Value::Null).await), (409, "held".into()));
    let change = json!({ "is_held": false, "keep_days": 1 });
    let changed = ask(&server, "PATCH", &target, &owner, change).await.json();
    let day_ms = changed["expires_at"].as_i64().unwrap() - changed["ended_at"].as_i64().unwrap();
    assert_eq!(day_ms, 24 * 3_600_000);
    assert_eq!(ask(&server, "DELETE", &target, &owner, Value::Null).await.status, 204);
    assert_eq!(refusal(&ask(&server, "GET", &target, &owner, Value::Null).await), (404, "recording_not_found".into()));
    assert!(!home.path().join("recordings").join(&recording).exists());

    let trail = server.trail();
    let written: Vec<_> = trail
        .iter()
        .map(|entry| (entry["what"].as_str().unwrap(), entry["result"].as_str()))
        .collect();
    for (what, result) in [
        ("recording.start", "refused"),
        ("recording.start", "done"),
        ("recording.look", "refused"),
        ("recording.delete", "refused"),
        ("recording.delete", "failed"),
        ("recording.stop", "done"),
        ("recording.change", "done"),
        ("recording.delete", "done"),
    ] {
        assert!(written.contains(&(what, Some(result))), "{what} {result}: {written:?}");
    }
}

#[tokio::test]
async fn a_room_records_as_often_as_its_share_and_a_back_end_more_often() {
    let recordings = RecordingsConfig { at_once: 3, at_once_in_room: 1, ..RecordingsConfig::default() };
    let (server, _store, _home) = recording(ServerConfig { recordings, ..production() }).await;
    let mut rooms = Vec::new();
    for _ in 0..2 {
        let (id, host_key) = room(&server, json!({})).await;
        let host = json!({ "name": "Ann", "identity": "ann", "host_key": host_key });
        let (ann, token) = enter(&server, &id, host).await;
        rooms.push((id, token, ann));
    }
    let start = async |(id, token, _): &(String, String, Client)| {
        let everybody = json!({ "source": { "kind": "room" } });
        ask(&server, "POST", &format!("/api/rooms/{id}/recordings"), token, everybody).await
    };
    let first = start(&rooms[0]).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let refused = start(&rooms[0]).await;
    assert_eq!(refusal(&refused), (429, "too_many_recordings".into()));
    assert!(refused.body.contains("of this room"), "{}", refused.body);

    let grants = VideoGrants { room_record: true, ..VideoGrants::default() };
    let back_end = AccessToken::with_api_key("devkey", "secret").with_identity("back end");
    let back_end = back_end.with_grants(grants).to_jwt().unwrap();
    let of_ann = json!({ "roomName": rooms[0].0, "identity": "ann", "fileOutputs": [{ "filepath": "ann" }] });
    let ask_for_ann =
        async || ask(&server, "POST", "/twirp/livekit.Egress/StartParticipantEgress", &back_end, of_ann.clone()).await;
    assert_eq!(ask_for_ann().await.status, 200, "who has the server's key may record every room anyway");
    assert_eq!(start(&rooms[1]).await.status, 201, "the other room has its share");
    assert_eq!(ask_for_ann().await.json()["code"], "resource_exhausted", "and the server no more");

    // What nothing is written into any more takes no place.
    let stop = format!("/api/recordings/{}/stop", first.json()["id"].as_str().unwrap());
    assert_eq!(ask(&server, "POST", &stop, &rooms[0].1, Value::Null).await.status, 200);
    assert_eq!(refusal(&start(&rooms[0]).await).1, "too_many_recordings", "the back end's is one of the room");
    assert_eq!(ask_for_ann().await.status, 200);
}

#[tokio::test]
async fn to_others_there_is_no_recording_and_a_room_of_the_same_name_inherits_none() {
    let (server, store, home) = recording(production()).await;
    keep(&store, home.path(), kept("EG_aaaaaaaaaaaa", "math")).await;
    let lister = AccessToken::with_api_key("devkey", "secret").with_identity("operator");
    let grants = VideoGrants { room_create: true, room_list: true, ..VideoGrants::default() };
    let operator = lister.with_grants(grants).to_jwt().unwrap();
    let (other, host_key) = room(&server, json!({})).await;
    let host = json!({ "name": "Eve", "identity": "eve", "host_key": host_key });
    let (_eve, eve_token) = enter(&server, &other, host).await;
    for (token, expected) in [(back_end("math"), 200), (operator, 200), (back_end("physics"), 404), (eve_token, 404)] {
        for (method, target) in [
            ("GET", "/api/recordings/EG_aaaaaaaaaaaa"),
            ("GET", "/api/recordings/EG_aaaaaaaaaaaa/manifest"),
            ("POST", "/api/recordings/EG_aaaaaaaaaaaa/playback"),
            ("GET", "/api/recordings/EG_aaaaaaaaaaaa/files/recording.webm"),
        ] {
            assert_eq!(ask(&server, method, target, &token, Value::Null).await.status, expected, "{method} {target}");
        }
    }
    let refused = |entry: &&Value| entry["result"] == "refused" && entry["whom"] == "EG_aaaaaaaaaaaa";
    assert_eq!(server.trail().iter().filter(refused).count(), 8, "each is in the trail");
    for target in ["/api/recordings/EG_aaaaaaaaaaaa/files/recording.webm", "/api/recordings/EG_aaaaaaaaaaaa"] {
        assert_eq!(server.get(target).await.error_code(), "no_token");
    }
}

#[tokio::test]
async fn a_file_is_read_in_parts_at_an_address_for_it_alone() {
    let (server, store, home) = recording(production()).await;
    keep(&store, home.path(), kept("EG_aaaaaaaaaaaa", "math")).await;
    std::fs::write(home.path().join("recordings/secret.txt"), "not for you").unwrap();
    let playback =
        ask(&server, "POST", "/api/recordings/EG_aaaaaaaaaaaa/playback", &back_end("math"), Value::Null).await;
    let playback = playback.json();
    let url = playback["files"][0]["url"].as_str().unwrap();
    assert_eq!(playback["files"][0]["name"], "recording.webm");

    let whole = server.get(url).await;
    assert_eq!(
        (whole.status, whole.body.as_bytes(), whole.headers["content-type"].as_str()),
        (200, MEDIA, "video/webm")
    );
    assert_eq!(whole.headers["accept-ranges"], "bytes");
    let part = server.request("GET", url, &[("range", "bytes=2-4")], "").await;
    assert_eq!((part.status, part.body.as_str(), part.headers["content-range"].as_str()), (206, "234", "bytes 2-4/10"));
    assert_eq!(server.request("GET", url, &[("range", "bytes=50-")], "").await.status, 416);
    let head = server.request("HEAD", url, &[], "").await;
    assert_eq!((head.status, head.body.as_str(), head.headers["content-length"].as_str()), (200, "", "10"));
    let unchanged = [("if-modified-since", whole.headers["last-modified"].as_str())];
    assert_eq!(server.request("GET", url, &unchanged, "").await.status, 304);
    let kept = server.get(&format!("{url}&download=1")).await;
    assert_eq!(kept.headers["content-disposition"], r#"attachment; filename="EG_aaaaaaaaaaaa-recording.webm""#);

    let pass = url.split_once("pass=").unwrap().1;
    for (target, status) in [
        (format!("/api/recordings/EG_aaaaaaaaaaaa/files/recording.webm?pass={pass}x"), 403),
        (format!("/api/recordings/EG_aaaaaaaaaaaa/files/manifest.json?pass={pass}"), 403),
        (format!("/api/recordings/EG_bbbbbbbbbbbb/files/recording.webm?pass={pass}"), 403),
        ("/api/recordings/EG_aaaaaaaaaaaa/files/recording.webm".to_owned(), 401),
    ] {
        assert_eq!(server.get(&target).await.status, status, "{target}");
    }
    let token = back_end("math");
    for climbing in ["..%2Fsecret.txt", "%2e%2e%2fsecret.txt", "..%5csecret.txt", "recording.webm%00", "manifest.json"]
    {
        let target = format!("/api/recordings/EG_aaaaaaaaaaaa/files/{climbing}");
        assert_eq!(ask(&server, "GET", &target, &token, Value::Null).await.status, 404, "{climbing}");
    }
}

#[tokio::test]
async fn a_player_that_names_no_end_gets_a_piece_and_who_takes_a_file_home_all_the_rest() {
    const BYTES: usize = 2 * 1024 * 1024 + 10;
    let (server, store, home) = recording(production()).await;
    keep(&store, home.path(), kept("EG_aaaaaaaaaaaa", "math")).await;
    let file = home.path().join("recordings/EG_aaaaaaaaaaaa/recording.webm");
    std::fs::write(file, "x".repeat(BYTES)).unwrap();
    let back_end = back_end("math");
    let playback = ask(&server, "POST", "/api/recordings/EG_aaaaaaaaaaaa/playback", &back_end, Value::Null).await;
    let playback = playback.json();
    let url = playback["files"][0]["url"].as_str().unwrap();
    let download = format!("{url}&download=1");
    for (target, range, bytes, shown) in [
        (url, "bytes=5-", 1 << 20, "bytes 5-1048580/2097162"),
        (url, "bytes=2097152-", 10, "bytes 2097152-2097161/2097162"),
        (url, "bytes=0-2097151", 2 << 20, "bytes 0-2097151/2097162"),
        (&download, "bytes=5-", BYTES - 5, "bytes 5-2097161/2097162"),
    ] {
        let part = server.request("GET", target, &[("range", range)], "").await;
        let seen = (part.status, part.body.len(), part.headers["content-range"].as_str());
        assert_eq!(seen, (206, bytes, shown), "{range}");
    }
    assert_eq!(server.get(url).await.body.len(), BYTES, "who asks for all of it gets all of it");
    // What a browser kept it would fill up by a range with an end.
    assert_eq!(server.get(url).await.headers["cache-control"], "no-store");
    let bearer = format!("Bearer {back_end}");
    let with_token = [("range", "bytes=5-"), ("authorization", bearer.as_str())];
    let target = "/api/recordings/EG_aaaaaaaaaaaa/files/recording.webm";
    assert_eq!(server.request("GET", target, &with_token, "").await.body.len(), BYTES - 5);
}

#[tokio::test]
async fn what_was_kept_for_long_enough_goes_and_what_is_held_stays() {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let over_at = Some(UnixMillis(3_000));
    keep(&store, home.path(), Recording { expires: over_at, ..kept("EG_aaaaaaaaaaaa", "math") }).await;
    keep(&store, home.path(), Recording { expires: over_at, is_held: true, ..kept("EG_bbbbbbbbbbbb", "math") }).await;
    keep(&store, home.path(), kept("EG_cccccccccccc", "math")).await;
    let server = over(production(), &store, &home).await;

    let list = "/api/recordings?room=math";
    let ids = within(async {
        loop {
            let listed = ask(&server, "GET", list, &back_end("math"), Value::Null).await.json();
            let ids: Vec<_> = listed["recordings"].as_array().unwrap().iter().map(|seen| seen["id"].clone()).collect();
            if ids.len() == 2 {
                return ids;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(ids.await, [json!("EG_cccccccccccc"), json!("EG_bbbbbbbbbbbb")], "the newest first, or the later id");
    let there = |id: &str| home.path().join("recordings").join(id).exists();
    within(async {
        while there("EG_aaaaaaaaaaaa") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(there("EG_bbbbbbbbbbbb") && there("EG_cccccccccccc"));

    let first = ask(&server, "GET", &format!("{list}&limit=1"), &back_end("math"), Value::Null)
        .await
        .json();
    let next = first["next"].as_str().unwrap();
    let second = format!("{list}&limit=1&before={next}");
    let is_second = |answer: Answer| {
        let page = answer.json();
        assert_eq!((&page["recordings"][0]["id"], &page["next"]), (&json!("EG_bbbbbbbbbbbb"), &Value::Null), "{page}");
    };
    is_second(ask(&server, "GET", &second, &back_end("math"), Value::Null).await);
    let gone = ask(&server, "DELETE", "/api/recordings/EG_cccccccccccc", &back_end("math"), Value::Null).await;
    assert_eq!(gone.status, 204);
    is_second(ask(&server, "GET", &second, &back_end("math"), Value::Null).await);
    for none in ["EG_bbbbbbbbbbbb", "1000.EG_", "soon.EG_bbbbbbbbbbbb", "1000", ""] {
        let refused = ask(&server, "GET", &format!("{list}&before={none}"), &back_end("math"), Value::Null).await;
        assert_eq!(refusal(&refused), (400, "bad_query".into()), "{none}");
    }
}

#[tokio::test]
async fn a_delete_that_fails_half_way_is_finished_later() {
    let (server, store, home) = recording(production()).await;
    keep(&store, home.path(), kept("EG_aaaaaaaaaaaa", "math")).await;
    let folder = home.path().join("recordings/EG_aaaaaaaaaaaa");
    // It says that a bucket has something of it, and the server is configured for none.
    let stored = json!({ "key": "a", "bytes": 1, "sha256": "00".repeat(32), "location": "https://s3.example/a" });
    let stored = json!({
        "version": 1, "is_ours": true, "note": "", "files": [{ "name": "recording.webm", "stored": stored }],
    });
    std::fs::write(folder.join("stored.json"), stored.to_string()).unwrap();
    let (target, owner) = ("/api/recordings/EG_aaaaaaaaaaaa", back_end("math"));
    let failed = ask(&server, "DELETE", target, &owner, Value::Null).await;
    assert_eq!(refusal(&failed), (503, "storage_unavailable".into()));
    assert!(folder.join("recording.webm").exists() && folder.join("stored.json").exists(), "nothing is lost track of");
    assert_eq!(ask(&server, "GET", target, &owner, Value::Null).await.status, 404, "and nobody sees it any more");
    let hold = ask(&server, "PATCH", target, &owner, json!({ "is_held": true })).await;
    assert_eq!(hold.status, 404);

    // The bucket is back.
    std::fs::remove_file(folder.join("stored.json")).unwrap();
    let _server = over(production(), &store, &home).await;
    within(async {
        while folder.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// What the log tells of a recording, once it says this last.
async fn told(server: &Fixture, room: &str, last: &str) -> Vec<(String, Value)> {
    let grants = VideoGrants { room_list: true, ..VideoGrants::default() };
    let token = AccessToken::with_api_key("devkey", "secret").with_identity("operator");
    let token = token.with_grants(grants).to_jwt().unwrap();
    within(async {
        loop {
            let page = ask(server, "GET", &format!("/api/events?room={room}"), &token, Value::Null).await.json();
            // Who asks all the time is told to wait.
            let mut events: Vec<_> = page["events"].as_array().into_iter().flatten().collect();
            events.sort_by_key(|event| event["sequence"].as_i64());
            let told: Vec<_> = events
                .into_iter()
                .map(|event| (event["kind"].as_str().unwrap().to_owned(), event["event"]["egressInfo"].clone()))
                .collect();
            if told.last().is_some_and(|(kind, _)| kind == last) {
                return told;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_recording_ends_once_also_when_its_bucket_is_put_right_later() {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let id = "EG_aaaaaaaaaaaa";
    let whole = kept(id, "math");
    // The server before this one was refused, said so, and was killed when all had arrived all the same.
    let mut refused: EgressInfo = serde_json::from_str(&whole.info).unwrap();
    refused.set_status(EgressStatus::EgressFailed);
    refused.error = "the recording is kept, but not in its bucket".to_owned();
    let refused = serde_json::to_string(&refused).unwrap();
    keep(&store, home.path(), Recording { info: refused, ..whole.clone() }).await;
    let stored =
        json!({ "key": "a", "bytes": 10, "sha256": "00".repeat(32), "location": "https://s3.example/calls/a" });
    let item = json!({ "name": "recording.webm", "key": "a", "content_type": "video/webm", "stays": true });
    let parcel = json!({ "version": 1, "note": whole.info, "s3": null, "items": [item], "stored": [stored] });
    std::fs::write(home.path().join("recordings").join(id).join("outbox.json"), parcel.to_string()).unwrap();

    let s3 = Some(S3Settings {
        bucket: "calls".into(),
        region: String::new(),
        endpoint: Some("https://s3.example".into()),
        access_key: "AKIA-open".to_owned().into(),
        secret_key: "s3cret".to_owned().into(),
        session_token: None,
        path_style: true,
        prefix: String::new(),
    });
    let recordings = RecordingsConfig { s3, ..RecordingsConfig::default() };
    let server = over(ServerConfig { recordings, ..production() }, &store, &home).await;
    let told = told(&server, "math", "egress_updated").await;
    let kinds: Vec<_> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["egress_updated"], "who counts what ended was told");
    assert_eq!((&told[0].1["status"], &told[0].1["endedAt"]), (&json!("EGRESS_COMPLETE"), &json!("2000000000")));
    let target = format!("/api/recordings/{id}");
    let seen = ask(&server, "GET", &target, &back_end("math"), Value::Null).await.json();
    assert_eq!((&seen["state"], &seen["reason"], &seen["ended_at"]), (&json!("complete"), &Value::Null, &json!(2_000)));
}

#[tokio::test]
async fn a_recording_that_was_cut_off_is_told_to_have_ended() {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let goes_on = Recording { is_over: false, ended: None, ..kept("EG_aaaaaaaaaaaa", "math") };
    store.put_recording(&goes_on).await.unwrap();
    let server = over(production(), &store, &home).await;
    let told = told(&server, "math", "egress_ended").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1["status"], "EGRESS_ABORTED", "nothing was written");
}

#[tokio::test]
async fn a_recording_ends_once_also_when_storage_is_away_at_its_end() {
    let home = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", home.path().join("sluice.db").display());
    let options = StoreOptions { patience: Duration::from_millis(500), ..StoreOptions::default() };
    let store = Store::open(&url, &options).await.unwrap();
    let server = over(production(), &store, &home).await;
    let (id, host_key) = room(&server, json!({})).await;
    let (_ann, token) = enter(&server, &id, json!({ "name": "Ann", "host_key": host_key })).await;
    let everybody = json!({ "source": { "kind": "room" } });
    let begun = ask(&server, "POST", &format!("/api/rooms/{id}/recordings"), &token, everybody)
        .await
        .json();
    let recording = begun["id"].as_str().unwrap();

    let held = store.begin().await.unwrap();
    let stop = format!("/api/recordings/{recording}/stop");
    assert_eq!(ask(&server, "POST", &stop, &token, Value::Null).await.status, 200);
    // Writers wait in line: meanwhile all was tried in vain that is written down at the end.
    for _ in 0..6 {
        assert!(store.put_recording(&kept("EG_aaaaaaaaaaaa", "art")).await.unwrap_err().may_pass());
    }
    let seen = ask(&server, "GET", &format!("/api/recordings/{recording}"), &token, Value::Null)
        .await
        .json();
    assert_eq!(seen["state"], "ending", "nobody is told that it is over before that is known for good");
    drop(held);

    assert_eq!(ended(&server, recording, &token).await["state"], "aborted");
    let told = told(&server, &id, "egress_ended").await;
    assert_eq!(told.iter().filter(|(kind, _)| kind == "egress_ended").count(), 1, "{told:?}");
    assert_eq!(store.recordings_left_open().await.unwrap(), [], "the next start has nothing to end");
}

#[tokio::test]
async fn what_is_not_there_is_waited_for_half_a_minute() {
    let (server, _store, _home) = recording(production()).await;
    let token = sign("back end", VideoGrants { room_create: true, room_record: true, ..VideoGrants::default() });
    let call = async |method: &str, body: Value| {
        let answer = ask(&server, "POST", &format!("/twirp/livekit.{method}"), &token, body).await;
        assert_eq!(answer.status, 200, "{method}: {}", answer.body);
        answer.json()
    };
    call("RoomService/CreateRoom", json!({ "name": "call", "emptyTimeout": 36_000 })).await;
    call("Egress/StartTrackEgress", json!({ "roomName": "call", "trackId": "TR_x", "file": { "filepath": "a" } }))
        .await;
    let file_outputs = json!([{ "filepath": "a" }]);
    let eve = json!({ "roomName": "call", "identity": "eve", "fileOutputs": file_outputs });
    call("Egress/StartParticipantEgress", eve).await;
    for _ in 0..100 {
        let listed = call("Egress/ListEgress", json!({ "roomName": "call" })).await;
        let items = listed["items"].as_array().unwrap();
        if items.iter().all(|item| item["status"] == "EGRESS_FAILED") {
            let mut errors: Vec<_> = items.iter().map(|item| item["error"].as_str().unwrap()).collect();
            errors.sort_unstable();
            assert_eq!(errors, ["the participant is not in the room", "the track is not there"]);
            return;
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
        tokio::time::resume();
    }
    panic!("they are still waited for");
}

#[tokio::test]
async fn what_a_killed_server_had_not_finished_composing_goes() {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    keep(&store, home.path(), kept("EG_aaaaaaaaaaaa", "math")).await;
    keep(&store, home.path(), Recording { is_over: false, ended: None, ..kept("EG_bbbbbbbbbbbb", "math") }).await;
    let half = ["EG_aaaaaaaaaaaa", "EG_bbbbbbbbbbbb"].map(|id| {
        let half = home.path().join("recordings").join(id).join(".composite-grid.mp4.unfinished");
        std::fs::write(&half, MEDIA).unwrap();
        half
    });
    // One that was finished is one of the recording's files, whoever made it.
    std::fs::write(half[1].with_file_name("composite-grid.mp4"), "\0\0\0\x08ftyp\0\0\0\x08moov").unwrap();
    let server = over(production(), &store, &home).await;
    within(async {
        while half.iter().any(|half| half.exists()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(half[0].with_file_name("recording.webm").exists());
    let over = ended(&server, "EG_bbbbbbbbbbbb", &back_end("math")).await;
    let names: Vec<_> = over["files"].as_array().unwrap().iter().map(|file| &file["name"]).collect();
    assert_eq!(names, ["composite-grid.mp4"], "what was no recording of ours is not: {over:#}");
}

#[tokio::test]
async fn keys_of_a_recording_that_ended_without_being_sent_go_at_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    keep(&store, home.path(), kept("EG_aaaaaaaaaaaa", "math")).await;
    let s3 = json!({
        "bucket": "theirs", "region": "eu-1", "endpoint": null, "access_key": "AKIA-open", "secret_key": "s3cret",
        "session_token": null, "path_style": false, "prefix": "",
    });
    let parcel = json!({ "version": 1, "note": "", "s3": s3, "items": null, "stored": [] });
    let keys = home.path().join("recordings/EG_aaaaaaaaaaaa/outbox.json");
    std::fs::write(&keys, parcel.to_string()).unwrap();
    let _server = over(production(), &store, &home).await;
    within(async {
        while keys.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(keys.with_file_name("recording.webm").exists());
}

#[tokio::test]
async fn of_a_recording_that_does_not_begin_nothing_stays_least_of_all_keys() {
    let (server, _store, home) = recording(production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let host = json!({ "name": "Ann", "identity": "ann", "host_key": host_key });
    let (_ann, _) = enter(&server, &id, host).await;
    let grants = VideoGrants { room_record: true, ..VideoGrants::default() };
    let back_end = AccessToken::with_api_key("devkey", "secret").with_identity("back end");
    let token = back_end.with_grants(grants).to_jwt().unwrap();
    let s3 = json!({ "accessKey": "AKIA-open", "secret": "s3cret", "bucket": "calls", "region": "eu-central-1" });
    let asked = json!({
        "roomName": id,
        "fileOutputs": [{ "filepath": "call.mp4", "s3": s3 }],
        // It asks to listen, not to be called.
        "streamOutputs": [{ "protocol": "SRT", "urls": ["srt://127.0.0.1:9000?mode=listener"] }],
    });
    let answer = ask(&server, "POST", "/twirp/livekit.Egress/StartRoomCompositeEgress", &token, asked).await;
    assert!(answer.body.contains("it cannot be sent there"), "{}", answer.body);
    assert_eq!(std::fs::read_dir(home.path().join("recordings")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_server_that_may_not_record_says_so() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let host = json!({ "name": "Ann", "identity": "ann", "host_key": host_key });
    let (_ann, token) = enter(&server, &id, host).await;
    let start = format!("/api/rooms/{id}/recordings");
    let answer = ask(&server, "POST", &start, &token, json!({ "source": { "kind": "room" } })).await;
    assert_eq!(refusal(&answer), (409, "recordings_off".into()));
}

#[tokio::test]
async fn a_recording_in_a_bucket_of_before_is_said_to_be_there() {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let folder = Some(home.path().join("recordings"));
    let s3 = S3Settings {
        bucket: "calls".to_owned(),
        region: String::new(),
        endpoint: Some("https://s3.example".to_owned()),
        access_key: "AKIA".to_owned().into(),
        secret_key: "hush".to_owned().into(),
        session_token: None,
        path_style: true,
        prefix: String::new(),
    };
    let recordings = RecordingsConfig { folder, s3: Some(s3), ..RecordingsConfig::default() };
    let server = Fixture::over(store.clone(), ServerConfig { recordings, ..production() }).await;
    for (id, endpoint) in [("EG_aaaaaaaaaaaa", "https://s3.example"), ("EG_bbbbbbbbbbbb", "https://s3.before")] {
        keep(&store, home.path(), kept(id, "math")).await;
        let folder = home.path().join("recordings").join(id);
        let (key, location) = (format!("{id}/recording.webm"), format!("{endpoint}/calls/{id}/recording.webm"));
        let stored = json!({ "key": key, "bytes": 10, "sha256": "00".repeat(32), "location": location });
        let files = [json!({ "name": "recording.webm", "stored": stored })];
        let stored = json!({ "version": 1, "is_ours": true, "note": "", "files": files });
        std::fs::write(folder.join("stored.json"), stored.to_string()).unwrap();
    }
    let (owner, back_end_asks) = (back_end("math"), |id: &str| format!("/api/recordings/{id}"));
    let ask_both = async |id: &str| {
        let at = back_end_asks(id);
        let playback = ask(&server, "POST", &format!("{at}/playback"), &owner, Value::Null).await;
        (playback, ask(&server, "GET", &format!("{at}/files/recording.webm"), &owner, Value::Null).await)
    };
    // As long as the file is here, it is nobody's business what else has it.
    for id in ["EG_aaaaaaaaaaaa", "EG_bbbbbbbbbbbb"] {
        let (playback, file) = ask_both(id).await;
        assert_eq!((playback.status, file.status, file.body.as_bytes()), (200, 200, MEDIA), "{id}");
        std::fs::remove_file(home.path().join("recordings").join(id).join("recording.webm")).unwrap();
    }
    let (playback, file) = ask_both("EG_aaaaaaaaaaaa").await;
    let url = playback.json()["files"][0]["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://s3.example/calls/EG_aaaaaaaaaaaa/recording.webm?"), "{url}");
    assert!(file.status == 307 && file.headers["location"].starts_with("https://s3.example/calls/"), "{file:?}");
    let (playback, file) = ask_both("EG_bbbbbbbbbbbb").await;
    for answer in [playback, file] {
        assert_eq!(refusal(&answer), (503, "bucket_not_configured".into()));
    }
    for id in ["EG_aaaaaaaaaaaa", "EG_bbbbbbbbbbbb"] {
        let compose = format!("{}/composite", back_end_asks(id));
        let refused = ask(&server, "POST", &compose, &owner, json!({ "layout": "grid" })).await;
        assert_eq!(refusal(&refused), (501, "not_offered".into()), "no video is made of what is elsewhere");
    }
}
