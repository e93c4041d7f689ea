//! Lists that somebody takes home come whole, however long they are, or visibly not at all.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use sluice_server::ServerConfig;
use sluice_store::{NewEvent, Quality, QualitySample, SessionId, SessionState, Store, UnixMillis};

use crate::fixture::{Answer, Fixture, open_store};

/// More than two pages of a thousand.
const MANY: u64 = 2_345;

/// What was sent in chunks (RFC 9112, section 7.1), to its end.
fn body(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (mut rest, mut body) = (answer.body.as_str(), String::new());
    if answer.headers.get("transfer-encoding").is_none_or(|coding| coding != "chunked") {
        return rest.to_owned();
    }
    loop {
        let (length, after) = rest.split_once("\r\n").expect("a list that is whole has an end");
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return body;
        }
        body.push_str(&after[..length]);
        rest = after[length..].strip_prefix("\r\n").unwrap();
    }
}

fn json_of(answer: &Answer) -> Value {
    assert_eq!(answer.headers["content-type"], "application/json");
    serde_json::from_str(&body(answer)).unwrap()
}

/// A history of many sessions from that moment on; in the first of them many people were measured at the same moment.
async fn fill(store: &Store, began: UnixMillis) {
    let at = |ms: u64| began.plus(Duration::from_millis(ms));
    let mut transaction = store.begin().await.unwrap();
    for number in 0..MANY {
        let session = SessionId::from(format!("RM_{number:05}"));
        // In threes at the same moment, so that pages end within one.
        transaction.begin_session(&session, &"math".into(), at(number / 3)).await.unwrap();
        transaction.move_session(&session, SessionState::Ended, at(number / 3)).await.unwrap();
    }
    let samples: Vec<_> = (0..MANY)
        .map(|number| QualitySample {
            participant: format!("PA_{number:05}").into(),
            at: at(number / 1_500),
            bitrate_bps: number,
            frame_rate: 30.0,
            resolution: "1280x720".to_owned(),
            packet_loss_percent: 0.0,
            latency_ms: 20.0,
            jitter_ms: 1.0,
            quality: Quality::Good,
        })
        .collect();
    transaction.keep_quality(&"RM_00000".into(), &samples).await.unwrap();
    for number in 0..MANY {
        let event = NewEvent {
            room: Some("math".into()),
            session: None,
            kind: "participant_joined".into(),
            at: at(number),
            subjects: Vec::new(),
            payload: json!({ "event": "participant_joined", "n": number }).to_string(),
            webhook: false,
        };
        transaction.append(&event).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_long_history_is_taken_home_whole() {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    // Lately, or it would not be kept.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let began = UnixMillis(i64::try_from(now).unwrap() - 3_600_000);
    fill(&store, began).await;
    let server = Fixture::over(store, ServerConfig::development()).await;
    let many = usize::try_from(MANY).unwrap();
    let distinct = |mut all: Vec<String>| {
        all.sort_unstable();
        all.dedup();
        all.len()
    };

    let table = server.get("/api/sessions?format=csv").await;
    assert_eq!(table.headers["content-disposition"], "attachment; filename=\"sessions.csv\"");
    let table = body(&table);
    let rows = table.lines().skip(1).map(|row| row.split(',').next().unwrap().to_owned());
    assert_eq!(distinct(rows.collect()), many);
    assert_eq!(body(&server.get("/api/sessions?format=csv&limit=7").await).lines().count(), 8, "as asked");
    let list = json_of(&server.get("/api/sessions?room=math&limit=all").await);
    let ids = list["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["session_id"].to_string());
    assert_eq!((distinct(ids.collect()), &list["more"]), (many, &json!(false)));
    let page = server.get("/api/sessions").await.json();
    assert_eq!((page["sessions"].as_array().unwrap().len(), &page["more"]), (50, &json!(true)), "a page is one");

    let quality = "/api/sessions/RM_00000/quality";
    let table = body(&server.get(&format!("{quality}?format=csv")).await);
    assert_eq!(distinct(table.lines().skip(1).map(str::to_owned).collect()), many);
    let list = json_of(&server.get(&format!("{quality}?limit=all&from={}", began.0 + 1)).await);
    assert_eq!(list["samples"].as_array().unwrap().len(), many - 1_500);
    let one = json_of(&server.get(&format!("{quality}?limit=all&participant=PA_00007")).await);
    assert_eq!((one["samples"].as_array().unwrap().len(), &one["samples"][0]["bitrate"]), (1, &json!(7)));

    let log = json_of(&server.get("/api/events?limit=all&after=100").await);
    let numbers: Vec<_> = log["events"].as_array().unwrap().iter().map(|event| event["number"].as_u64()).collect();
    assert_eq!(numbers, (101..=MANY).map(Some).collect::<Vec<_>>());
    assert_eq!((&log["more"], &log["oldest"], &log["newest"]), (&json!(false), &json!(1), &json!(MANY)));
    let log = json_of(&server.get("/api/events?limit=all&room=math").await);
    assert_eq!(log["events"].as_array().unwrap().len(), many);

    let told: Vec<_> = server.trail().into_iter().filter(|entry| entry["what"] == "history.export").collect();
    let told: Vec<_> = told
        .iter()
        .map(|entry| (entry["detail"].as_str().unwrap(), entry["room"].as_str()))
        .collect();
    let of_all = |what| (what, None);
    let of_math = |what| (what, Some("math"));
    assert_eq!(told[..3], [of_all("sessions"), of_all("sessions"), of_math("sessions")]);
    assert_eq!(told[3..6], [of_math("quality"); 3]);
    assert_eq!(told[6..], [of_all("events"), of_math("events")]);
    for wrong in
        ["/api/sessions?limit=0", "/api/sessions?limit=some", "/api/events?limit=0", &format!("{quality}?limit=9")]
    {
        assert_eq!(server.get(wrong).await.error_code(), "bad_query", "{wrong}");
    }
}
