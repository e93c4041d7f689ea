//! The load tester against the real server, each the real binary: what it measures is there, and nothing is lost.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod serving;

use std::time::{Duration, Instant};

use serde_json::Value;
use serving::{Serving, sluice};

/// Runs a scenario against a server of its own; the report.
fn load(arguments: &[&str]) -> Value {
    let server = Serving::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.json");
    let url = format!("ws://127.0.0.1:{}", server.port);
    let pid = server.pid().to_string();
    let target = ["--url", &url, "--api-key", "devkey", "--api-secret", "secret", "--server-pid", &pid];
    let output = sluice(&["loadtest"])
        .args(arguments)
        .args(target)
        .arg("--json")
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("latency") && text.contains("forwarded"), "{text}");
    serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap()
}

fn count(report: &Value, pointer: &str) -> u64 {
    report
        .pointer(pointer)
        .and_then(Value::as_u64)
        .unwrap_or_else(|| panic!("no count {pointer} in {report:#}"))
}

fn assert_number(report: &Value, pointer: &str) {
    let value = report.pointer(pointer).and_then(Value::as_f64);
    assert!(value.is_some_and(|value| value >= 0.0), "no figure {pointer} in {report:#}");
}

#[test]
fn who_is_slow_or_dead_is_in_no_figure_of_the_others() {
    let report =
        load(&["webinar", "--subscribers", "3", "--slow", "1", "--dead", "1", "--duration", "3s", "--seed", "7"]);
    assert_eq!(count(&report, "/participants/connected"), 6);
    assert_eq!(count(&report, "/subscriptions/flowing"), 10, "all five were well before it was measured");
    assert_eq!(count(&report, "/subscriptions/silent"), 0);
    assert_eq!(report["loss_ratio"], 0.0);
    assert_eq!(count(&report, "/first_frame_ms/count"), 3);
    assert_eq!(report["parameters"]["dead"], "1");
}

#[test]
fn a_webinar_loses_nothing_and_says_all_that_scripts_read() {
    let report = load(&["webinar", "--subscribers", "3", "--duration", "2s", "--seed", "7"]);
    assert_eq!(count(&report, "/participants/connected"), 4);
    assert_eq!(count(&report, "/subscriptions/flowing"), 6, "a camera and a microphone for each of three");
    assert!(count(&report, "/forwarded_packets") > 100, "{report:#}");
    assert_eq!(report["loss_ratio"], 0.0);
    assert_eq!(count(&report, "/loadtest/foreign_packets"), 0, "payloads arrive as they were sent");
    assert_eq!(count(&report, "/first_frame_ms/count"), 3);
    for pointer in ["/latency_ms/p50", "/latency_ms/p90", "/latency_ms/p99", "/latency_ms/max", "/first_frame_ms/p50"] {
        assert_number(&report, pointer);
    }
    for pointer in ["/first_frame_ms/p95", "/join_ms/p50", "/server_cpu_us_per_packet", "/server_rss_bytes"] {
        assert_number(&report, pointer);
    }
    assert!(report["server_version"].as_str().unwrap().starts_with("1.9.0"));
}

#[test]
fn who_is_recorded_has_a_file_when_the_call_is_over() {
    let report = load(&["webinar", "--publishers", "3", "--subscribers", "1", "--duration", "2s", "--recordings", "2"]);
    assert_eq!((count(&report, "/recordings/begun"), count(&report, "/recordings/complete")), (2, 2), "{report:#}");
    assert_eq!(count(&report, "/recordings/until_there_ms/count"), 2);
    // Three seconds of 1.7 Mbit/s and more, for each.
    assert!(count(&report, "/recordings/bytes") > 800_000, "{report:#}");
}

#[test]
fn two_peer_connections_carry_the_same() {
    let report = load(&["meeting", "--participants", "3", "--duration", "1s", "--signal", "v0"]);
    assert_eq!(report["signal_protocol"], "v0");
    assert_eq!(count(&report, "/subscriptions/flowing"), 3 * 2 * 2, "{report:#}");
    assert_eq!(report["loss_ratio"], 0.0);
}

#[test]
fn people_come_and_go_while_it_is_measured() {
    let report = load(&["churn", "--publishers", "1", "--joins-per-second", "4", "--stay", "1s", "--duration", "2s"]);
    assert_eq!(count(&report, "/participants/came"), 9, "one who stays and eight who pass");
    assert_eq!(count(&report, "/participants/connected"), 9);
    assert_eq!(count(&report, "/join_ms/count"), 9);
    assert!(count(&report, "/first_frame_ms/count") >= 1, "{report:#}");
}

#[test]
fn a_storm_of_broken_connections_is_resumed_and_media_goes_on() {
    let report = load(&["reconnect-storm", "--rooms", "1", "--participants", "2", "--duration", "3s"]);
    assert_eq!(count(&report, "/resume_ms/count"), 2, "{report:#}");
    assert_eq!(count(&report, "/participants/failed"), 0, "{report:#}");
    assert_eq!(report["loss_ratio"], 0.0, "media does not need the signal connection");
}

#[test]
fn a_capacity_is_certified_on_a_page_that_needs_no_network() {
    let server = Serving::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let [json, html] = ["capacity.json", "capacity.html"].map(|name| directory.path().join(name));
    let url = format!("ws://127.0.0.1:{}", server.port);
    let search = ["audio-room", "--speakers", "1", "--listeners", "1", "--find-capacity", "--most", "2"];
    let output = sluice(&["loadtest"])
        .args(search)
        .args(["--slo", "loss<99%", "--duration", "1s", "--url", &url])
        .arg("--json")
        .arg(&json)
        .arg("--html")
        .arg(&html)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!((count(&found, "/capacity"), &found["broke_at"], &found["slo"]), (2, &Value::Null, &"loss<99%".into()));
    assert_eq!(found["steps"].as_array().unwrap().len(), 2);
    assert_eq!(count(&found, "/report/seed"), 1);
    let page = std::fs::read_to_string(html).unwrap();
    assert!(page.contains("<svg") && page.contains("2 listeners"), "{page}");
    assert!(!page.contains("http") && !page.contains("<script"), "{page}");
}

#[test]
fn guests_keep_somebody_company_and_leave_with_him() {
    let mut server = Serving::start(&["--guests", "2"]);
    let url = format!("ws://127.0.0.1:{}", server.port);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.json");
    let alone = ["loadtest", "meeting", "--participants", "1", "--duration", "5s", "--url", &url];
    let output = sluice(&alone).arg("--json").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(count(&report, "/loadtest/foreign_packets") > 50, "pictures of guests come: {report:#}");

    for left in ["the person", "a guest", "the other"] {
        assert!(server.logs("participant_left"), "{left} leaves");
    }
    // The log is a moment ahead of the list; and nobody is invited anew.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !server.get("/api/rooms").contains("\"num_participants\":0") {
        assert!(Instant::now() < deadline, "the room stays empty: {}", server.get("/api/rooms"));
    }
}

#[test]
fn a_server_with_tls_is_loaded_when_its_certificate_is_vouched_for() {
    let directory = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| directory.path().join(name).to_str().unwrap().to_owned());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let server = Serving::start_with(&[], &[("SLUICE_HTTP__TLS__CERT", &*cert), ("SLUICE_HTTP__TLS__KEY", &*key)]);
    let url = format!("wss://localhost:{}", server.port);
    let load = |arguments: &[&str]| {
        let few = ["loadtest", "audio-room", "--speakers", "1", "--listeners", "1", "--duration", "1s", "--url", &url];
        sluice(&few).args(arguments).output().unwrap()
    };
    let trusted = load(&["--ca", &cert]);
    assert!(trusted.status.success(), "{}", String::from_utf8_lossy(&trusted.stderr));
    assert!(String::from_utf8(trusted.stdout).unwrap().contains("2 of 2 connected"));
    let stranger = load(&[]);
    let message = String::from_utf8(stranger.stderr).unwrap();
    assert!(!stranger.status.success() && message.contains("certificate"), "{message}");
}

#[test]
fn a_wrong_server_or_key_is_named_with_advice() {
    let refused = |arguments: &[&str]| {
        let output = sluice(&["loadtest", "webinar", "--subscribers", "1"]).args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let message = refused(&["--url", "localhost"]);
    assert!(message.contains("ws://localhost:7880"), "{message}");
    let server = Serving::start(&[]);
    let url = format!("ws://127.0.0.1:{}", server.port);
    let message = refused(&["--url", &url, "--api-secret", "wrong"]);
    assert!(message.contains("HTTP status 401") && message.contains("--api-secret"), "{message}");
}
