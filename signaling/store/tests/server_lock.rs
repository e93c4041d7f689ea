//! A database has one server at a time, and whoever only looks does not mind.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs, unreachable_pub, reason = "tests")]

mod databases;

use std::time::Duration;

use databases::Database;
use sluice_store::{LockNews, ServerLock, StoreError};
use sqlx::{Connection as _, PgConnection};

/// Longer than a database takes to notice that a session has ended.
const PATIENCE: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(10);

#[tokio::test]
async fn a_database_has_one_server() {
    for database in Database::all().await {
        let held = ServerLock::take(&database.url, Duration::ZERO).await.unwrap();
        let second = ServerLock::take(&database.url, Duration::ZERO).await;
        assert!(matches!(second, Err(StoreError::HasServer)), "{}: {second:?}", database.name);
        // Who makes a backup, or looks.
        let store = database.open().await;
        assert_eq!(store.check().await.unwrap(), [] as [String; 0]);
        store.close().await;
        drop(held);
        ServerLock::take(&database.url, PATIENCE).await.unwrap();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_by_another_name_is_the_same() {
    let database = Database::sqlite();
    database.open().await.close().await;
    let _held = ServerLock::take(&database.url, Duration::ZERO).await.unwrap();
    let (home, link) = (database.directory.path(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(home.join("store.sqlite"), link.path().join("other")).unwrap();
    let other = format!("sqlite:{}", link.path().join("other").display());
    assert!(matches!(ServerLock::take(&other, Duration::ZERO).await, Err(StoreError::HasServer)));
}

/// Ends all sessions that hold a lock of a server, as a restart of the database would.
async fn end_sessions(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
         AND objid = ('x' || substr(md5(current_schema()), 1, 8))::bit(32)::bigint::oid",
    )
    .execute(&mut connection)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_lock_whose_connection_is_lost_is_taken_again_unless_another_server_has_it() {
    let databases = Database::all().await;
    let Some(database) = databases.iter().find(|database| database.name == "PostgreSQL") else { return };
    let mut first = ServerLock::take(&database.url, PATIENCE).await.unwrap();
    end_sessions(&database.url).await;
    assert!(matches!(first.news(SOON).await, LockNews::Back));
    let second = ServerLock::take(&database.url, Duration::ZERO).await;
    assert!(matches!(second, Err(StoreError::HasServer)), "it is held again");

    end_sessions(&database.url).await;
    let _second = ServerLock::take(&database.url, PATIENCE).await.unwrap();
    assert!(matches!(first.news(SOON).await, LockNews::Lost));
}
