//! What the command line does to accounts beside a server, as the server sees it: by rows in the store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_server::ServerConfig;
use sluice_store::{DeedState, OwedDeed, Store, UnixMillis};
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::fixture::{Fixture, open_store, within};

const LONG_AGO: UnixMillis = UnixMillis(0);

fn now() -> UnixMillis {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis(i64::try_from(since_1970.as_millis()).unwrap())
}

fn deed(id: &str, state: DeedState, at: UnixMillis) -> OwedDeed {
    OwedDeed {
        id: id.to_owned(),
        who: "operator".to_owned(),
        what: "user.change".to_owned(),
        whom: Some(format!("account {id}")),
        detail: None,
        state,
        at,
    }
}

async fn serve() -> (Fixture, TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let server = Fixture::over(store.clone(), ServerConfig::development()).await;
    (server, home, store)
}

/// Waits until the row is in that state, or gone.
async fn becomes(store: &Store, id: &str, state: Option<DeedState>) {
    within(async {
        while store.deed_state(id).await.unwrap() != state {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// What the trail says came of a deed.
fn results(server: &Fixture, id: &str) -> Vec<String> {
    let records = server.trail();
    let whom = format!("account {id}");
    let about = records.iter().filter(|record| record["whom"] == whom.as_str());
    about.map(|record| record["result"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_is_asked_is_written_down_whatever_the_time_is_where_it_is_asked() {
    let (server, _home, store) = serve().await;
    for (id, at) in [("slow", LONG_AGO), ("right", now()), ("fast", UnixMillis(i64::MAX))] {
        store.owe_deed(&deed(id, DeedState::Asked, at)).await.unwrap();
        becomes(&store, id, Some(DeedState::Written)).await;
        assert_eq!(results(&server, id), ["done"]);
        assert!(store.take_deed(id, DeedState::Written).await.unwrap(), "now it may be done");
    }
}

#[tokio::test]
async fn what_is_not_the_command_lines_is_refused_and_not_taken_for_written_down() {
    let (server, _home, store) = serve().await;
    let strange = OwedDeed { what: "room.delete".to_owned(), ..deed("strange", DeedState::Asked, now()) };
    store.owe_deed(&strange).await.unwrap();
    becomes(&store, "strange", Some(DeedState::Refused)).await;
    assert_eq!(results(&server, "strange"), [] as [&str; 0]);
}

#[tokio::test]
async fn what_came_to_nothing_and_what_nobody_comes_for_is_written_down_as_failed() {
    let (server, _home, store) = serve().await;
    store.owe_deed(&deed("failed", DeedState::Failed, now())).await.unwrap();
    // Whoever asked was killed.
    store.owe_deed(&deed("abandoned", DeedState::Written, LONG_AGO)).await.unwrap();
    store.owe_deed(&deed("turned away", DeedState::Refused, LONG_AGO)).await.unwrap();
    store.owe_deed(&deed("awaited", DeedState::Written, now())).await.unwrap();
    for id in ["failed", "abandoned", "turned away"] {
        becomes(&store, id, None).await;
    }
    assert_eq!(results(&server, "failed"), ["failed"]);
    assert_eq!(results(&server, "abandoned"), ["failed"]);
    assert_eq!(results(&server, "turned away"), [] as [&str; 0]);
    assert_eq!(store.deed_state("awaited").await.unwrap(), Some(DeedState::Written));
}

/// The one says that nothing was done, while the other has just written that it is.
#[tokio::test]
async fn what_is_taken_back_while_it_is_written_down_is_failed_in_the_end() {
    let (server, home, store) = serve().await;
    let url = format!("sqlite:{}", home.path().join("sluice.db").display());
    let mut command_line = SqliteConnection::connect(&url).await.unwrap();
    store.owe_deed(&deed("late", DeedState::Asked, now())).await.unwrap();
    // The server cannot say so in the row.
    sqlx::query("BEGIN IMMEDIATE").execute(&mut command_line).await.unwrap();
    within(async {
        while results(&server, "late").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let taken_back = sqlx::query("UPDATE owed_deeds SET state = 'failed' WHERE state IN ('asked', 'written')");
    assert_eq!(taken_back.execute(&mut command_line).await.unwrap().rows_affected(), 1);
    sqlx::query("COMMIT").execute(&mut command_line).await.unwrap();
    becomes(&store, "late", None).await;
    assert_eq!(results(&server, "late"), ["done", "failed"]);
}
