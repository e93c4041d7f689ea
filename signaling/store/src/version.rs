//! Whether a database has the tables of this version, without changing it.

use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::query::{Query, Row};
use crate::{Store, StoreError, migrations};

const STEPS: &str = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";

impl Store {
    /// Whether [`Store::open`] would leave the tables of the database at this URL as they are. For who opens it beside a
    /// server, which may be of another version and must find its tables as it knows them.
    ///
    /// # Errors
    /// A database that is not there or cannot be reached.
    pub async fn has_tables_of_this_version(url: &str) -> Result<bool, StoreError> {
        match steps_taken(url).await {
            Ok(taken) => Ok(migrations::are_all(&taken)),
            // It has no tables yet.
            Err(StoreError::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

async fn steps_taken(url: &str) -> Result<Vec<i64>, StoreError> {
    let steps = Query::new(STEPS);
    let rows: Vec<Row> = if url.starts_with("sqlite:") {
        let options = SqliteConnectOptions::from_str(url)?;
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let rows = steps.for_sqlite()?.fetch_all(&mut connection).await?;
        connection.close().await?;
        rows.into_iter().map(Row::Sqlite).collect()
    } else {
        let mut connection = PgConnection::connect_with(&PgConnectOptions::from_str(url)?).await?;
        let rows = steps.for_postgres()?.fetch_all(&mut connection).await?;
        connection.close().await?;
        rows.into_iter().map(Row::Postgres).collect()
    };
    rows.iter().map(|row| row.number("version")).collect()
}
