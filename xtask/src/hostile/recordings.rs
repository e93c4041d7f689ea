//! What is tried by way of recordings: names that lead elsewhere, secrets that come back, recordings of others. Each play has a
//! server of its own, which records. What is tried with passes is in `passes.rs`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::grounds::{Alone, Grounds, KEY, SECRET};
use super::plays::{Outcome, Played};
use super::wire::{Answer, now_s};
use crate::running::{LOOK, Running, pause};

const JSON: (&str, &str) = ("Content-Type", "application/json");
/// Nobody's, and easily found in what a server says.
const MARKED: &str = "hostile-marked-secret-0123456789";

/// A server that records into a folder of the row's.
pub(super) fn server(grounds: &Grounds, name: &str) -> anyhow::Result<(Alone, std::path::PathBuf)> {
    let folder = grounds.folder(&format!("{name}-kept"))?;
    let path = folder.join("recordings");
    let server = grounds.start(name, &format!("recordings.path = {:?}", path.display().to_string()))?;
    Ok((server, folder))
}

/// A method of the Egress service, by somebody with these grants.
fn egress(server: &Alone, video: &Value, method: &str, body: &Value) -> anyhow::Result<Answer> {
    let claims = json!({ "sub": "back end", "exp": now_s() + 600, "video": video });
    let bearer = format!("Bearer {}", server.target.token(claims));
    let path = format!("/twirp/livekit.Egress/{method}");
    server.target.ask("POST", &path, &[JSON, ("Authorization", &bearer)], &body.to_string())
}

fn recorder() -> Value {
    json!({ "roomRecord": true })
}

/// Of a back end that may do everything with every recording.
pub(super) fn owner(server: &Alone) -> String {
    let video = json!({ "roomCreate": true, "roomList": true });
    server.target.token(json!({ "sub": "back end", "exp": now_s() + 600, "video": video }))
}

/// The code of a refusal.
pub(super) fn code(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    body["error"]["code"].as_str().unwrap_or_default().to_owned()
}

/// The room in which somebody is seen and heard.
const TALK: &str = "loadtest-webinar";
/// Who that is.
const TALKER: &str = "speaker-0";
/// A recording begins and ends by then, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who is seen and heard, as long as this is held.
pub(super) fn talkers(grounds: &Grounds, server: &Alone) -> anyhow::Result<Running> {
    let url = format!("ws://{}", server.target.address);
    let target = ["--url", &url, "--api-key", KEY, "--api-secret", SECRET];
    let mut command = grounds.sluice(&["loadtest", "webinar", "--subscribers", "1", "--duration", "600s"]);
    Running::start(command.args(target).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
}

/// The answer to a request to record, and the recording's id where it was begun.
fn begun(server: &Alone, method: &str, request: &Value) -> anyhow::Result<(Answer, Option<String>)> {
    let began = Instant::now();
    let answer = loop {
        server.target.be_somebody_else();
        let answer = egress(server, &recorder(), method, request)?;
        // As many as may go on at once are about to end.
        if answer.status != 429 || began.elapsed() > PATIENCE {
            break answer;
        }
        pause(LOOK)?;
    };
    if answer.status != 200 {
        return Ok((answer, None));
    }
    let info: Value = serde_json::from_str(&answer.body)?;
    let id = info["egressId"].as_str().or(info["egress_id"].as_str()).context("no id")?.to_owned();
    Ok((answer, Some(id)))
}

fn stop(server: &Alone, id: &str) -> anyhow::Result<()> {
    let stopped = egress(server, &recorder(), "StopEgress", &json!({ "egress_id": id }))?;
    ensure!(stopped.status == 200, "a stop is answered {}: {}", stopped.status, stopped.body);
    Ok(())
}

/// The recordings of these that there are; `None`: it is not said.
fn listed(server: &Alone, which: &Value) -> anyhow::Result<Option<Vec<Value>>> {
    server.target.be_somebody_else();
    let answer = egress(server, &recorder(), "ListEgress", which)?;
    if answer.status != 200 {
        return Ok(None);
    }
    // A list of nothing is left out.
    let list: Value = serde_json::from_str(&answer.body)?;
    Ok(Some(list["items"].as_array().cloned().unwrap_or_default()))
}

/// Waits until these recordings are so.
fn wait(server: &Alone, which: &Value, is_so: impl Fn(&[Value]) -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let found = listed(server, which)?;
        if found.as_deref().is_some_and(&is_so) {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "{which} does not come to it: {found:?}");
        pause(LOOK)?;
    }
}

/// Waits until a recording is so.
fn until(server: &Alone, id: &str, wanted: &str) -> anyhow::Result<()> {
    wait(server, &json!({ "egress_id": id }), |found| found.first().is_some_and(|info| info["status"] == wanted))
        .with_context(|| format!("{id} is not {wanted}"))
}

/// Waits until nothing is put together of any: until then files have names under which they are made.
fn until_all_are_over(server: &Alone) -> anyhow::Result<()> {
    let going_on = listed(server, &json!({ "active": true }))?.context("recordings are not listed")?;
    for info in going_on {
        wait(server, &json!({ "active": true, "egress_id": info["egressId"] }), <[_]>::is_empty)?;
    }
    Ok(())
}

/// Records the talker under this name until something is written; the recording's id.
fn recording(server: &Alone, filepath: &str) -> anyhow::Result<String> {
    let request = json!({ "room_name": TALK, "identity": TALKER, "file_outputs": [{ "filepath": filepath }] });
    let began = Instant::now();
    let id = loop {
        // The talker comes first.
        match begun(server, "StartParticipantEgress", &request)? {
            (_, Some(id)) => break id,
            (answer, None) => ensure!(began.elapsed() < PATIENCE, "an honest request is answered {}", answer.body),
        }
        pause(LOOK)?;
    };
    until(server, &id, "EGRESS_ACTIVE")?;
    Ok(id)
}

/// The same to its end.
pub(super) fn finished(server: &Alone, filepath: &str) -> anyhow::Result<String> {
    let id = recording(server, filepath)?;
    stop(server, &id)?;
    until(server, &id, "EGRESS_COMPLETE")?;
    Ok(id)
}

/// All that is in a folder, with what is in folders of it; an error at anything but plain files and folders.
fn everything(folder: &Path, into: &mut BTreeSet<String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        into.insert(entry.path().display().to_string());
        match entry.file_type()? {
            kind if kind.is_dir() => everything(&entry.path(), into)?,
            kind => ensure!(kind.is_file(), "{} is neither a file nor a folder", entry.path().display()),
        }
    }
    Ok(())
}

/// Names that would lead out of a folder, end early, mean a device, are much, or look like others.
fn strange_names() -> Vec<String> {
    let names = [
        "../../etc/x",
        "/etc/x",
        "a/../../x",
        "..\\..\\x",
        "..",
        ".",
        "\0",
        "a\0b",
        "a\r\nb",
        "CON",
        "nul.mp4",
        "COM1",
        "/dev/sda",
        "//server/share",
        "C:\\x",
        "-rf",
        ".hidden",
        "~/x",
        "$(id)",
        "x ",
        "%2e%2e%2fx",
        "a\u{202e}4pm.exe",
        "\u{2066}a\u{2069}",
        "\u{feff}a",
        "\u{ff0e}\u{ff0e}\u{2215}x",
        "{nonsense}",
        "{room_name}/../../x",
    ];
    names
        .map(ToOwned::to_owned)
        .into_iter()
        .chain([5000, 255, 256].map(|len| "x".repeat(len)))
        .collect()
}

/// Those that stand in segments, too: what they are let in by takes its time to begin and to end.
const OF_SEGMENTS: [&str; 4] = ["../../etc/x", "a\0b", "nul.mp4", "a\u{202e}4pm.exe"];

/// Requests in which a name stands, at every place that takes one.
fn doors(identity: &str, name: &str) -> Vec<(&'static str, Value)> {
    let file = json!([{ "filepath": name }]);
    let segments = |output: Value| json!({ "room_name": TALK, "segment_outputs": [output] });
    let of_files = [
        ("StartParticipantEgress", json!({ "room_name": TALK, "identity": identity, "file_outputs": file })),
        ("StartRoomCompositeEgress", json!({ "room_name": TALK, "file_outputs": file })),
        ("StartTrackEgress", json!({ "room_name": TALK, "track_id": "TR_x", "file": { "filepath": name } })),
        ("StartTrackCompositeEgress", json!({ "room_name": TALK, "audio_track_id": "TR_x", "file_outputs": file })),
    ];
    let of_segments = [
        ("StartRoomCompositeEgress", segments(json!({ "filename_prefix": name }))),
        ("StartRoomCompositeEgress", segments(json!({ "filename_prefix": "it", "playlist_name": name }))),
        ("StartRoomCompositeEgress", segments(json!({ "filename_prefix": "it", "live_playlist_name": name }))),
    ];
    let of_segments = of_segments.into_iter().filter(|_| OF_SEGMENTS.contains(&name));
    of_files.into_iter().chain(of_segments).collect()
}

/// Names of files at every place that takes one, and rooms and identities that stand in them.
pub(crate) fn names(grounds: &Grounds) -> Played {
    let (server, folder) = server(grounds, "recording-names")?;
    let talkers = talkers(grounds, &server)?;
    // One that is written first, so that all others find somebody.
    finished(&server, "{room_name}/{publisher_identity}-{time}")?;
    let mut begun_at_all = 0;
    for name in strange_names() {
        for (method, request) in doors(TALKER, &name) {
            let (answer, id) = begun(&server, method, &request)?;
            ensure!(
                [200, 400, 404].contains(&answer.status),
                "{method} with {name:.20?} is answered {}: {}",
                answer.status,
                answer.body
            );
            if let Some(id) = id {
                begun_at_all += 1;
                stop(&server, &id)?;
            }
        }
    }
    // As much of them as is let in is written, too.
    for name in ["../../etc/x", "nul.mp4", "a\u{202e}4pm.exe", "-rf", ".hidden"] {
        let request = json!({ "room_name": TALK, "identity": TALKER, "file_outputs": [{ "filepath": name }] });
        if let (_, Some(id)) = begun(&server, "StartParticipantEgress", &request)? {
            until(&server, &id, "EGRESS_ACTIVE")?;
            stop(&server, &id)?;
            until(&server, &id, "EGRESS_COMPLETE")?;
        }
    }
    ensure!(begun_at_all > 0, "nothing was begun");
    // Rooms and people under such names, where they may be.
    for name in strange_names() {
        server.target.be_somebody_else();
        let (in_room, in_call) = (server.target.join(&name, "eve"), server.target.join("call", &name));
        for (room, identity) in [(name.as_str(), "eve"), ("call", &name)] {
            let files = json!([{ "filepath": "{publisher_identity}/{room_name}-{time}" }]);
            let request = json!({ "room_name": room, "identity": identity, "file_outputs": files });
            let (answer, id) = begun(&server, "StartParticipantEgress", &request)?;
            ensure!([200, 400, 404].contains(&answer.status), "{room:.20?}, {identity:.20?}: {}", answer.body);
            if let Some(id) = id {
                stop(&server, &id)?;
            }
        }
        drop((in_room, in_call));
    }
    drop(talkers);
    until_all_are_over(&server)?;
    ensure_own_names(&folder)?;
    ensure!(server.target.join(TALK, "ada")?.is_served()?, "nobody is served any more");
    server.ensure_well()?;
    Ok(Outcome::Pass)
}

/// An error unless all in a folder is what the server named itself: recordings by ids of its own, files by names of its own.
fn ensure_own_names(folder: &Path) -> anyhow::Result<()> {
    let mut found = BTreeSet::new();
    everything(folder, &mut found)?;
    let kept = folder.join("recordings").display().to_string();
    for path in &found {
        let Some(inside) = path.strip_prefix(&kept) else { bail!("{path} is not where recordings are") };
        let is_plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        let is_own = inside.split('/').filter(|part| !part.is_empty()).enumerate().all(|(depth, part)| {
            is_plain(part)
                && if depth == 0 { part.starts_with("EG_") } else { depth == 1 && !part.starts_with(['.', '-']) }
        });
        ensure!(is_own, "{path} was made");
    }
    ensure!(found.iter().any(|path| path.contains("/recording.")), "nothing was written: {found:?}");
    Ok(())
}

/// Keys of buckets and of streams that a request brings: no answer, no refusal and no line of the log has them.
pub(crate) fn secrets(grounds: &Grounds) -> Played {
    let (server, _) = server(grounds, "recording-secrets")?;
    let _ada = server.target.join("call", "ada")?;
    let s3 = json!({ "access_key": "hostile", "secret": MARKED, "bucket": "b", "region": "r", "endpoint": "https://127.0.0.1:1" });
    let requests = [
        ("StartParticipantEgress", json!({ "file_outputs": [{ "filepath": "it", "s3": s3 }] })),
        ("StartParticipantEgress", json!({ "segment_outputs": [{ "filename_prefix": "it", "s3": s3 }] })),
        ("StartParticipantEgress", json!({ "file_outputs": [{ "filepath": "it", "gcp": { "credentials": MARKED } }] })),
        (
            "StartParticipantEgress",
            json!({ "file_outputs": [{ "filepath": "it", "azure": { "account_key": MARKED } }] }),
        ),
        (
            "StartRoomCompositeEgress",
            json!({ "stream_outputs": [{ "urls": [format!("rtmp://127.0.0.1:1/live/{MARKED}")] }] }),
        ),
        (
            "StartRoomCompositeEgress",
            json!({ "stream_outputs": [{ "urls": [format!("srt://127.0.0.1:1?passphrase={MARKED}")] }] }),
        ),
        ("StartWebEgress", json!({ "url": format!("https://ada:{MARKED}@127.0.0.1:1/") })),
    ];
    for (method, mut request) in requests {
        request["room_name"] = "call".into();
        if method == "StartParticipantEgress" {
            request["identity"] = "ada".into();
        }
        let answer = egress(&server, &recorder(), method, &request)?;
        ensure!(answer.status < 600 && !answer.body.contains(MARKED), "{method} gives a secret back: {}", answer.body);
        let listed = egress(&server, &recorder(), "ListEgress", &json!({}))?;
        ensure!(listed.status == 200 && !listed.body.contains(MARKED), "ListEgress has a secret: {}", listed.body);
    }
    ensure!(!server.said()?.contains(MARKED), "a secret is in the log");
    server.ensure_well()?;
    Ok(Outcome::Pass)
}

/// What is somebody else's: begun, listed and stopped without the right to, and fetched by its id, while it goes on and
/// when it is over.
pub(crate) fn others(grounds: &Grounds) -> Played {
    let (server, _) = server(grounds, "recording-others")?;
    let _talkers = talkers(grounds, &server)?;
    let over = finished(&server, "it")?;
    let id = recording(&server, "it")?;
    let begin = json!({ "room_name": TALK, "identity": TALKER, "file_outputs": [{ "filepath": "it" }] });
    for video in [
        json!({ "roomJoin": true, "room": TALK }),
        json!({ "roomAdmin": true, "room": TALK }),
        json!({ "roomCreate": true, "roomList": true }),
        json!({ "roomRecord": false }),
    ] {
        for (method, body) in [
            ("StartParticipantEgress", begin.clone()),
            ("ListEgress", json!({})),
            ("StopEgress", json!({ "egress_id": id })),
            ("UpdateStream", json!({ "egress_id": id })),
        ] {
            let answer = egress(&server, &video, method, &body)?;
            ensure!([401, 403].contains(&answer.status), "{method} with {video} is answered {}", answer.status);
            ensure!(!answer.body.contains("file"), "{method} with {video} says {}", answer.body);
        }
    }
    ensure_not_told(&server, &[&id, &over])?;
    let going_on = egress(&server, &recorder(), "ListEgress", &json!({ "active": true }))?;
    ensure!(going_on.body.contains(&id), "somebody ended it: {}", going_on.body);
    let bearer = format!("Bearer {}", owner(&server));
    let manifest = format!("/api/recordings/{over}/manifest");
    let seen = server.target.ask("GET", &manifest, &[("Authorization", &bearer)], "")?;
    ensure!(seen.status == 200, "its owner is answered {}: somebody took it away", seen.status);
    for unknown in ["EG_nobodyknows1", "", "../x", &"x".repeat(10_000)] {
        let answer = egress(&server, &recorder(), "StopEgress", &json!({ "egress_id": unknown }))?;
        ensure!(answer.status == 404, "a stop of {unknown:.20} is answered {}", answer.status);
    }
    server.ensure_well()?;
    Ok(Outcome::Pass)
}

/// An error unless a stranger, and somebody of the room, hear the same of these as of one that is not there, and no path leads
/// out of them.
fn ensure_not_told(server: &Alone, ids: &[&str]) -> anyhow::Result<()> {
    let participant = format!("Bearer {}", server.target.pass(TALK, "eve"));
    let files =
        ["recording.webm", "manifest.json", "..%2f..%2fsluice.db", "stored.json"].map(|name| format!("/files/{name}"));
    let asked = files.iter().map(|path| ("GET", path.as_str()));
    let asked = asked.chain([
        ("GET", ""),
        ("GET", "/manifest"),
        ("POST", "/stop"),
        ("POST", "/playback"),
        ("POST", "/composite"),
        ("PATCH", ""),
        ("DELETE", ""),
    ]);
    for (method, rest) in asked {
        for headers in [&[][..], &[("Authorization", participant.as_str())]] {
            let headers = [&[JSON][..], headers].concat();
            let said = |id: &str| {
                server.target.be_somebody_else();
                let body = if method == "GET" { "" } else { "{}" };
                let answer = server.target.ask(method, &format!("/api/recordings/{id}{rest}"), &headers, body)?;
                anyhow::Ok((answer.status, code(&answer)))
            };
            let of_none = said("EG_nobodyknows1")?;
            ensure!((400..500).contains(&of_none.0), "{method} {rest} of none is answered {of_none:?}");
            for id in ids {
                let of_this = said(id)?;
                ensure!(
                    of_this == of_none,
                    "{method} {rest} is answered {of_this:?}, and {of_none:?} where there is none"
                );
            }
            for outside in ["..", "%2e%2e", "."] {
                let (status, _) = said(outside)?;
                ensure!((400..500).contains(&status), "{method} {outside}{rest} is answered {status}");
            }
        }
    }
    Ok(())
}
