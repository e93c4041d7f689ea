//! A thousand recordings, begun and stopped one after the other: most before anything came, some with something in them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::calls::{PATIENCE, egress, enter, files, info, people, plays, until};
use crate::serving::Serving;

const TURNS: usize = 1_000;

/// So many of them go on until something is written. The others are stopped at once.
const WRITTEN: usize = 20;

fn descriptors(server: &Serving) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).map_or(0, Iterator::count)
}

fn listed(server: &Serving, request: &Value) -> Vec<Value> {
    egress(server, "ListEgress", request).1["items"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn begun_and_stopped_a_thousand_times_nothing_is_left_of_it_but_what_was_recorded() {
    let home = tempfile::tempdir().unwrap();
    let variables = [
        ("SLUICE_RECORDINGS__PATH", home.path().to_str().unwrap()),
        ("SLUICE_LOG__FILTER", "error,sluice::serve=info"),
    ];
    let server = Serving::start_with(&["--guests", "1"], &variables);
    enter(&server, "call").await;
    while people(&server, "call") < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = descriptors(&server);
    let request = json!({ "room_name": "call", "identity": "guest-1", "file_outputs": [{ "filepath": "it" }] });
    let (mut refused, mut written) = (0, Vec::new());
    for turn in 0..TURNS {
        let id = loop {
            let (status, info) = egress(&server, "StartParticipantEgress", &request);
            if status == 200 {
                break info["egressId"].as_str().or(info["egress_id"].as_str()).unwrap().to_owned();
            }
            // As many as may go on at once are about to end.
            assert_eq!(info["code"], "resource_exhausted", "{info}");
            refused += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        if turn % (TURNS / WRITTEN) == 0 {
            // Who sends nothing is let go after a minute, and guests do not stay alone.
            enter(&server, "call").await;
            until(&server, &id, |status| status == "EGRESS_ACTIVE").await;
            written.push(id.clone());
        }
        let stop = json!({ "egress_id": id });
        let (status, info) = egress(&server, "StopEgress", &stop);
        assert_eq!(status, 200, "{info}");
        if turn % 10 == 0 {
            // Stopped again while it ends, or when it has: it is stopped.
            let (status, said) = egress(&server, "StopEgress", &stop);
            assert!(status == 200 || said["code"] == "failed_precondition", "{said}");
        }
    }
    assert_eq!(people(&server, "call"), 2, "the call goes on");
    let began = Instant::now();
    while !listed(&server, &json!({ "active": true })).is_empty() || descriptors(&server) > before {
        let open = listed(&server, &json!({ "active": true }));
        assert!(began.elapsed() < PATIENCE, "{} go on, descriptors {before} and {}", open.len(), descriptors(&server));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for info in listed(&server, &json!({})) {
        *ends.entry(info["status"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    eprintln!("{TURNS} recordings begun and stopped, {refused} refused meanwhile: {ends:?}, descriptors {before}");
    assert_eq!(ends.values().sum::<usize>(), TURNS);
    assert!(ends.keys().all(|status| matches!(&**status, "EGRESS_COMPLETE" | "EGRESS_ABORTED")), "{ends:?}");
    // What was written was kept, and plays.
    assert_eq!(written.len(), WRITTEN);
    for id in &written {
        let info = info(&server, id);
        assert_eq!(info["status"], "EGRESS_COMPLETE", "{info:#}");
        let files = files(&home.path().join(id));
        let [file] = files.as_slice() else { panic!("one file: {files:?}, {info:#}") };
        assert!(plays(file) > 0.0, "{info:#}");
    }
}
