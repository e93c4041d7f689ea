//! The server is killed while it records, wherever it happens to be in fifty files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::calls::{PATIENCE, egress, enter, files, people, plays, record, until};
use crate::serving::Serving;

/// Fifty recordings are cut off: so many times this many rooms with two guests each.
const KILLS: u64 = 5;
const ROOMS: u64 = 5;
const GUESTS: usize = 2;

/// A cluster is at most two seconds; and what is under way to it, from a guest through worker, tap and recorder.
const MOST_LOST_S: f64 = 2.0;

/// Half of one was seen where eight builds ran beside it.
const MOST_AHEAD_S: f64 = 1.0;

/// The same numbers in each run of the test (splitmix64), below a bound.
fn number(of: u64, bound: u64) -> u64 {
    let mixed = (of + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) % bound
}

fn unix_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Recordings that were cut off, and when, in seconds since 1970.
struct Cut {
    ids: Vec<String>,
    at_s: f64,
    /// Bytes on the disk then, in the same order.
    bytes: Vec<u64>,
}

/// What was lost of a recording: seconds up to the kill, and bytes at the end of its file that were of no use.
#[derive(Debug, Clone, Copy)]
struct Lost {
    seconds: f64,
    bytes: u64,
    /// What a second of it has.
    bytes_per_second: f64,
}

async fn record_and_kill(server: Serving, run: u64, folder: &Path) -> Cut {
    let rooms: Vec<String> = (0..ROOMS).map(|room| format!("{run}.{room}")).collect();
    for room in &rooms {
        enter(&server, room).await;
    }
    let mut ids = Vec::new();
    for (place, room) in (0..).zip(&rooms) {
        while people(&server, room) < 1 + GUESTS {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for guest in 1..=GUESTS {
            ids.push(record(&server, room, &format!("guest-{guest}")));
            // Each begins elsewhere, so that each is cut off elsewhere.
            let ms = number(run * 1000 + place * 10 + guest as u64, 400);
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }
    for id in &ids {
        until(&server, id, |status| status == "EGRESS_ACTIVE").await;
    }
    tokio::time::sleep(Duration::from_millis(2_000 + number(run, 4_000))).await;
    // SIGKILL.
    let at_s = unix_s();
    drop(server);
    let size = |id: &String| files(&folder.join(id)).iter().map(|file| file.metadata().unwrap().len()).sum();
    Cut { bytes: ids.iter().map(size).collect(), ids, at_s }
}

/// The next server has finished a recording: it says so, and what there was plays.
async fn lost(server: &Serving, id: &str, cut_at_s: f64, bytes_before: u64, folder: &Path) -> Lost {
    let info =
        until(server, id, |status| !matches!(status, "EGRESS_STARTING" | "EGRESS_ACTIVE" | "EGRESS_ENDING")).await;
    assert_eq!(info["status"], "EGRESS_FAILED", "{info:#}");
    let said = info["error"].as_str().unwrap();
    assert!(said.contains("stopped in the middle"), "{said}");
    let manifest = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert!(manifest["ended_at"].is_string() && manifest["reason"].is_string(), "{manifest:#}");
    let files = files(folder);
    let [file] = files.as_slice() else { panic!("one file: {files:?}") };
    let plays_s = plays(file);
    let tracks = manifest["tracks"].as_array().unwrap();
    assert_eq!(tracks.len(), 2, "{tracks:#?}");
    let offset_s = tracks[0]["offset_us"].as_f64().unwrap() / 1e6;
    let started = info["startedAt"]
        .as_str()
        .or(info["started_at"].as_str())
        .unwrap_or_else(|| panic!("{info:#}"));
    let began_s = started.parse::<f64>().unwrap() / 1e9;
    let bytes = file.metadata().unwrap().len();
    let seconds = cut_at_s - (began_s + offset_s + plays_s);
    Lost { seconds, bytes: bytes_before.saturating_sub(bytes), bytes_per_second: bytes as f64 / plays_s }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_began_right_behind_another_is_in_the_manifest_of_a_killed_server_too() {
    let home = tempfile::tempdir().unwrap();
    let recordings = home.path().join("recordings");
    let url = format!("sqlite:{}", home.path().join("sluice.db").display());
    let server = || {
        let variables = [("SLUICE_STORAGE__URL", &*url), ("SLUICE_RECORDINGS__PATH", recordings.to_str().unwrap())];
        Serving::start_with(&["--guests", "2"], &variables)
    };
    let first = server();
    enter(&first, "call").await;
    while people(&first, "call") < 3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let request = json!({ "room_name": "call", "file_outputs": [{ "filepath": "it" }] });
    let (status, info) = egress(&first, "StartRoomCompositeEgress", &request);
    assert_eq!(status, 200, "{info}");
    let id = info["egressId"].as_str().or(info["egress_id"].as_str()).unwrap().to_owned();
    let folder = recordings.join(&id);
    let named = || -> BTreeSet<String> {
        let text = std::fs::read_to_string(folder.join("manifest.json")).unwrap_or_default();
        let manifest: Value = serde_json::from_str(&text).unwrap_or_default();
        let tracks = manifest["tracks"].as_array().into_iter().flatten();
        tracks.map(|track| track["file"].as_str().unwrap().to_owned()).collect()
    };
    let longer_than = |bytes: u64| {
        // A manifest that is being written has this ending, for a moment.
        let is_media = |file: &&PathBuf| file.extension().is_some_and(|ending| ending != "new");
        let is_longer = |file: &&PathBuf| file.metadata().is_ok_and(|metadata| metadata.len() > bytes);
        files(&folder).iter().filter(is_media).filter(is_longer).count()
    };
    let until_there_are_two = async |of: &dyn Fn() -> usize, longest: Duration| {
        let began = Instant::now();
        while of() < 2 {
            assert!(began.elapsed() < longest, "{:?}, and named {:?}", files(&folder), named());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    until_there_are_two(&|| longer_than(0), PATIENCE).await;
    // What goes on is written down every five seconds, what is new at once.
    until_there_are_two(&|| named().len(), Duration::from_secs(3)).await;
    // Of each there is something that plays.
    until_there_are_two(&|| longer_than(20_000), PATIENCE).await;
    // SIGKILL.
    drop(first);
    let next = server();
    until(&next, &id, |status| status == "EGRESS_FAILED").await;
    assert_eq!(named().len(), 2, "{:?}", named());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_recordings_of_a_killed_server_play_to_within_two_seconds_of_the_kill() {
    let home = tempfile::tempdir().unwrap();
    let recordings = home.path().join("recordings");
    let url = format!("sqlite:{}", home.path().join("sluice.db").display());
    let guests = GUESTS.to_string();
    let server = || {
        let path = recordings.to_str().unwrap();
        let variables = [
            ("SLUICE_STORAGE__URL", &*url),
            ("SLUICE_RECORDINGS__PATH", path),
            ("SLUICE_LOG__FILTER", "error,sluice::serve=info"),
        ];
        Serving::start_with(&["--guests", &guests], &variables)
    };
    let mut cut: Option<Cut> = None;
    let mut all = Vec::new();
    for run in 0..=KILLS {
        let server = server();
        if let Some(Cut { ids, at_s, bytes }) = cut.take() {
            for (id, bytes) in ids.iter().zip(bytes) {
                all.push(lost(&server, id, at_s, bytes, &recordings.join(id)).await);
            }
        }
        if run < KILLS {
            cut = Some(record_and_kill(server, run, &recordings).await);
        }
    }
    assert_eq!(all.len() as u64, KILLS * ROOMS * GUESTS as u64);
    all.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let (median, most) = (all[all.len() / 2], all[all.len() - 1]);
    let estimate = |lost: Lost| lost.seconds.max(0.0) * lost.bytes_per_second;
    let useless = all.iter().map(|lost| lost.bytes).max().unwrap();
    eprintln!(
        "{} recordings cut off by {KILLS} kills: {:.2} s lost at most ({:.0} bytes of media), {:.2} s by half of them ({:.0} bytes); \
         {useless} bytes at most cut away at the end of a file",
        all.len(),
        most.seconds,
        estimate(most),
        median.seconds,
        estimate(median),
    );
    assert!(most.seconds <= MOST_LOST_S, "{all:#?}");
    // Times begin where the first packet came: on a busy machine later than it was to, and what follows is not as late.
    assert!(all[0].seconds > -MOST_AHEAD_S, "a file has more than there was: {all:#?}");
}
