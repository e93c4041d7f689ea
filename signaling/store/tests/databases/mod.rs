//! Both databases for each test: a file of SQLite, and a schema of its own in the PostgreSQL that
//! `TEST_POSTGRES` names (`cargo xtask test` starts one). Without it, tests say that they ran on SQLite alone.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::sync::atomic::{AtomicU32, Ordering};

use sluice_store::{Store, StoreOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

/// A database for one test. A file is gone with it; a schema stays, for who wants to look, until another run makes it anew
/// or the server goes.
pub struct Database {
    pub name: &'static str,
    pub url: String,
    pub directory: TempDir,
}

impl Database {
    /// What there is to test with.
    pub async fn all() -> Vec<Self> {
        let mut all = vec![Self::sqlite()];
        match std::env::var("TEST_POSTGRES") {
            Ok(server) => all.push(Self::postgres(&server).await),
            Err(_) => eprintln!("TEST_POSTGRES is not set: skipped on PostgreSQL, run on SQLite alone"),
        }
        all
    }

    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("store.sqlite").display());
        Self { name: "SQLite", url, directory }
    }

    async fn postgres(server: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(server).await.unwrap();
        for statement in [format!("DROP SCHEMA IF EXISTS {schema} CASCADE"), format!("CREATE SCHEMA {schema}")] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
        let joint = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{joint}options[search_path]={schema}");
        Self { name: "PostgreSQL", url, directory: tempfile::tempdir().unwrap() }
    }

    pub async fn open(&self) -> Store {
        self.open_with(&StoreOptions { connections: 3, ..StoreOptions::default() }).await
    }

    pub async fn open_with(&self, options: &StoreOptions) -> Store {
        Store::open(&self.url, options).await.unwrap()
    }
}
