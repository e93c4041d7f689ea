//! What is tried by way of recordings: names that lead elsewhere, secrets that come back, recordings of others. Each play has a
//! server of its own, which records.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::grounds::{Alone, Grounds};
use super::plays::{Outcome, Played};
use super::wire::{Answer, now_s};

const JSON: (&str, &str) = ("Content-Type", "application/json");
/// Nobody's, and easily found in what a server says.
const MARKED: &str = "hostile-marked-secret-0123456789";

/// A server that records into a folder of the row's.
fn server(grounds: &Grounds, name: &str) -> anyhow::Result<(Alone, std::path::PathBuf)> {
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

/// The code of a refusal.
fn code(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    body["error"]["code"].as_str().unwrap_or_default().to_owned()
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

/// Names of files, and identities that stand in them, that would lead out of their folder.
pub(crate) fn names(grounds: &Grounds) -> Played {
    let (server, folder) = server(grounds, "recording-names")?;
    let long = "x".repeat(5000);
    let names =
        ["../../etc/x", "/etc/x", "a/../../x", "..\\..\\x", "\0", "a\0b", &long, "CON", "-rf", "~/x", "{nonsense}"];
    let identities = ["../../etc/x", "-rf", "CON", "..", "a/b"];
    for identity in identities {
        let _ = server.target.join("call", identity);
    }
    let mut there = server.target.join("call", "ada")?;
    let with_names = names.iter().map(|name| ("ada", *name));
    let with_identities = identities.iter().map(|identity| (*identity, "{publisher_identity}/{room_name}"));
    for (identity, name) in with_names.chain(with_identities) {
        let request = json!({ "room_name": "call", "identity": identity, "file_outputs": [{ "filepath": name }] });
        let answer = egress(&server, &recorder(), "StartParticipantEgress", &request)?;
        ensure!([200, 400].contains(&answer.status), "{name:.20?} is answered {}: {}", answer.status, answer.body);
        if answer.status == 200 {
            let info: Value = serde_json::from_str(&answer.body)?;
            let id = info["egressId"].as_str().or(info["egress_id"].as_str()).context("no id")?;
            let stopped = egress(&server, &recorder(), "StopEgress", &json!({ "egress_id": id }))?;
            ensure!(stopped.status == 200, "a stop is answered {}: {}", stopped.status, stopped.body);
        }
    }
    let mut found = BTreeSet::new();
    everything(&folder, &mut found)?;
    let kept = folder.join("recordings").display().to_string();
    for path in &found {
        let Some(inside) = path.strip_prefix(&kept) else { bail!("{path} is not where recordings are") };
        // What the server named itself: an id of its own, and names of its own.
        let is_plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        let is_own = inside.split('/').filter(|part| !part.is_empty()).enumerate().all(|(depth, part)| {
            is_plain(part)
                && if depth == 0 { part.starts_with("EG_") } else { depth == 1 && !part.starts_with(['.', '-']) }
        });
        ensure!(is_own, "{path} was made");
    }
    ensure!(there.is_served()?, "who is in the call is not served any more");
    server.ensure_well()?;
    Ok(Outcome::Pass)
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

/// What is somebody else's: begun, listed and stopped without the right to, and fetched by its id.
pub(crate) fn others(grounds: &Grounds) -> Played {
    let (server, _) = server(grounds, "recording-others")?;
    let _ada = server.target.join("call", "ada")?;
    let begin = json!({ "room_name": "call", "identity": "ada", "file_outputs": [{ "filepath": "it" }] });
    let begun = egress(&server, &recorder(), "StartParticipantEgress", &begin)?;
    ensure!(begun.status == 200, "an honest request is answered {}: {}", begun.status, begun.body);
    let info: Value = serde_json::from_str(&begun.body)?;
    let id = info["egressId"].as_str().or(info["egress_id"].as_str()).context("no id")?.to_owned();
    for video in [
        json!({ "roomJoin": true, "room": "call" }),
        json!({ "roomAdmin": true, "room": "call" }),
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
    // Whether it is there or not is not told, and no path leads out of it.
    let participant = format!("Bearer {}", server.target.pass("call", "eve"));
    for headers in [&[][..], &[("Authorization", participant.as_str())]] {
        let mut answers = BTreeSet::new();
        for of in [id.as_str(), "EG_nobodyknows1", "..", "%2e%2e", "."] {
            for rest in ["", "/manifest", "/files/recording.webm", "/files/..%2f..%2fsluice.db", "/files/manifest.json"]
            {
                let answer = server.target.ask("GET", &format!("/api/recordings/{of}{rest}"), headers, "")?;
                ensure!((400..500).contains(&answer.status), "{of}{rest} is answered {}", answer.status);
                if of.starts_with("EG_") && rest.is_empty() {
                    answers.insert((answer.status, code(&answer)));
                }
            }
        }
        for (method, rest) in
            [("POST", "/stop"), ("POST", "/playback"), ("POST", "/composite"), ("PATCH", ""), ("DELETE", "")]
        {
            let headers = [&[JSON][..], headers].concat();
            let answer = server.target.ask(method, &format!("/api/recordings/{id}{rest}"), &headers, "{}")?;
            ensure!((400..500).contains(&answer.status), "{method} {rest} is answered {}", answer.status);
        }
        ensure!(answers.len() == 1, "a recording that is there is told from one that is not: {answers:?}");
    }
    let going_on = egress(&server, &recorder(), "ListEgress", &json!({ "active": true }))?;
    ensure!(going_on.body.contains(&id), "somebody ended it: {}", going_on.body);
    for unknown in ["EG_nobodyknows1", "", "../x", &"x".repeat(10_000)] {
        let answer = egress(&server, &recorder(), "StopEgress", &json!({ "egress_id": unknown }))?;
        ensure!(answer.status == 404, "a stop of {unknown:.20} is answered {}", answer.status);
    }
    server.ensure_well()?;
    Ok(Outcome::Pass)
}
