//! What was asked for several times.

use std::time::Duration;

use serde_json::json;

use crate::calls::{egress, enter, files, people, plays, until};
use crate::serving::Serving;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_that_ask_for_one_composite_have_it_each_under_its_name() {
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
    let outputs = ["call", "call", "copy"].map(|name| json!({ "filepath": name }));
    let request = json!({ "room_name": "call", "layout": "grid", "file_outputs": outputs });
    let (status, begun) = egress(&server, "StartRoomCompositeEgress", &request);
    assert_eq!(status, 200, "{begun}");
    let id = begun["egressId"].as_str().unwrap();
    until(&server, id, |status| status == "EGRESS_ACTIVE").await;
    let (status, said) = egress(&server, "StopEgress", &json!({ "egress_id": id }));
    assert_eq!(status, 200, "{said}");

    let info = until(&server, id, |status| !matches!(status, "EGRESS_ACTIVE" | "EGRESS_ENDING")).await;
    assert_eq!(info["status"], "EGRESS_COMPLETE", "{info:#}");
    let results = info["fileResults"].as_array().unwrap();
    let names: Vec<_> = results.iter().map(|file| file["filename"].as_str().unwrap()).collect();
    assert_eq!(names, ["call.mp4", "copy.mp4"], "{info:#}");
    let location = &json!(format!("/api/recordings/{id}/files/composite-grid.mp4"));
    assert!(results.iter().all(|file| file["location"] == *location), "{info:#}");
    let composites: Vec<_> = files(&home.path().join(id))
        .into_iter()
        .filter(|file| file.extension().is_some_and(|ending| ending == "mp4"))
        .collect();
    let [composite] = composites.as_slice() else { panic!("one: {composites:?}") };
    assert!(plays(composite) > 0.0);
}
