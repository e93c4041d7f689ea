//! PostgreSQL over TLS, as the URL of the store says (`sslmode`, `sslrootcert`). With the server that `TEST_POSTGRES_TLS` names
//! (`cargo xtask test` starts one), whose certificate is for `localhost` and signed by itself; without it these tests say that
//! they were skipped.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sluice_store::{Store, StoreError, StoreOptions};
use sqlx::{Connection as _, PgConnection};

/// The URL that verifies all, if there is such a server.
fn server() -> Option<String> {
    let url = std::env::var("TEST_POSTGRES_TLS").ok();
    if url.is_none() {
        eprintln!("TEST_POSTGRES_TLS is not set: skipped");
    }
    url
}

/// With another value of a parameter.
fn with(url: &str, parameter: &str, value: &str) -> String {
    let (server, parameters) = url.split_once('?').unwrap();
    let others = parameters.split('&').filter(|other| !other.starts_with(&format!("{parameter}=")));
    let all: Vec<_> = others.map(str::to_owned).chain([format!("{parameter}={value}")]).collect();
    format!("{server}?{}", all.join("&"))
}

/// Opens the store with a URL, and says whether a connection with it is encrypted.
async fn open(url: &str) -> Result<bool, StoreError> {
    // What is in the tables is of no concern here.
    let url = format!("{url}&options[search_path]=encrypted");
    let store = Store::open(&url, &StoreOptions { connections: 2, ..StoreOptions::default() }).await?;
    store.size_bytes().await?;
    store.close().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let encrypted = sqlx::query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    Ok(encrypted.fetch_one(&mut connection).await.unwrap())
}

#[tokio::test]
async fn the_way_to_postgresql_is_as_private_as_the_url_says() {
    let Some(verifying) = server() else { return };
    let mut connection = PgConnection::connect(&verifying).await.unwrap();
    for statement in ["DROP SCHEMA IF EXISTS encrypted CASCADE", "CREATE SCHEMA encrypted"] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }

    assert!(open(&verifying).await.unwrap(), "by a certificate that can be verified");
    let of_another = tempfile::NamedTempFile::new().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(of_another.path(), made.cert.pem()).unwrap();
    let wrong_root = with(&verifying, "sslrootcert", &of_another.path().display().to_string());
    // Under a name that the certificate is not for.
    let wrong_name = verifying.replace("@localhost:", "@127.0.0.1:");
    let no_root = with(&verifying, "sslrootcert", "").replace("&sslrootcert=", "");
    for refused in [&wrong_root, &wrong_name, &no_root, &with(&wrong_root, "sslmode", "verify-ca")] {
        let outcome = open(refused).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{refused}: {outcome:?}");
    }
    assert!(open(&with(&wrong_name, "sslmode", "verify-ca")).await.unwrap(), "whatever its name");
    for unverified in ["require", "prefer"] {
        assert!(open(&with(&wrong_root, "sslmode", unverified)).await.unwrap(), "{unverified}: nobody asks who it is");
    }
    assert!(open(&no_root.replace("sslmode=verify-full", "")).await.unwrap(), "encrypted where nobody says anything");
    assert!(!open(&with(&verifying, "sslmode", "disable")).await.unwrap());
}
