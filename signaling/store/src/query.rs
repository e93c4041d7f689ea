//! One way to ask two databases: a statement with its values, and the row that comes back. Knows no table.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Postgres, Row as _, Sqlite};

use crate::{StoreError, UnixMillis};

/// A value on its way into a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
    Real(f64),
    Flag(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(ToOwned::to_owned))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(Some(number.into()))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// A statement and its values, `$1` being the first: both databases count them so.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    sql: &'static str,
    values: Vec<Value>,
}

impl Query {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql, values: Vec::new() }
    }

    /// The next value.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Refuses what only one of the two would take, so that both behave alike.
    fn checked(self) -> Result<Self, StoreError> {
        let nul = |value: &Value| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
        if self.values.iter().any(nul) { Err(StoreError::Nul) } else { Ok(self) }
    }

    pub(crate) fn for_sqlite(self) -> Result<sqlx::query::Query<'static, Sqlite, SqliteArguments>, StoreError> {
        let Self { sql, values } = self.checked()?;
        Ok(values.into_iter().fold(sqlx::query(sql), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::Real(number) => query.bind(number),
            Value::Flag(flag) => query.bind(flag),
        }))
    }

    pub(crate) fn for_postgres(self) -> Result<sqlx::query::Query<'static, Postgres, PgArguments>, StoreError> {
        let Self { sql, values } = self.checked()?;
        Ok(values.into_iter().fold(sqlx::query(sql), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::Real(number) => query.bind(number),
            Value::Flag(flag) => query.bind(flag),
        }))
    }
}

/// An enum that is stored as a word.
pub(crate) trait Word: Sized {
    fn from_word(word: &str) -> Option<Self>;
}

/// A row of either database. A column that is not there or of another type is `StoreError::Unreadable`.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    fn read<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: for<'r> sqlx::Decode<'r, Sqlite>
            + sqlx::Type<Sqlite>
            + for<'r> sqlx::Decode<'r, Postgres>
            + sqlx::Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| StoreError::Unreadable { column, source: Some(error.into()) })
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.read(column)
    }

    pub(crate) fn text_or_none(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.read(column)
    }

    /// A name of its own.
    pub(crate) fn id<T: From<String>>(&self, column: &'static str) -> Result<T, StoreError> {
        Ok(self.text(column)?.into())
    }

    pub(crate) fn id_or_none<T: From<String>>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        Ok(self.text_or_none(column)?.map(T::from))
    }

    pub(crate) fn number(&self, column: &'static str) -> Result<i64, StoreError> {
        self.read(column)
    }

    pub(crate) fn number_or_none(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.read(column)
    }

    /// A number that is never negative.
    pub(crate) fn count(&self, column: &'static str) -> Result<u64, StoreError> {
        u64::try_from(self.number(column)?).map_err(|error| unreadable(column, error))
    }

    /// A number of 32 bits that is never negative.
    pub(crate) fn small(&self, column: &'static str) -> Result<u32, StoreError> {
        u32::try_from(self.number(column)?).map_err(|error| unreadable(column, error))
    }

    pub(crate) fn real(&self, column: &'static str) -> Result<f64, StoreError> {
        self.read(column)
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        self.read(column)
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<UnixMillis, StoreError> {
        Ok(UnixMillis(self.number(column)?))
    }

    pub(crate) fn time_or_none(&self, column: &'static str) -> Result<Option<UnixMillis>, StoreError> {
        Ok(self.number_or_none(column)?.map(UnixMillis))
    }

    pub(crate) fn word<T: Word>(&self, column: &'static str) -> Result<T, StoreError> {
        T::from_word(&self.text(column)?).ok_or(StoreError::Unreadable { column, source: None })
    }

    pub(crate) fn json(&self, column: &'static str) -> Result<serde_json::Value, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|error| unreadable(column, error))
    }

    /// A list of texts, stored as JSON.
    pub(crate) fn texts(&self, column: &'static str) -> Result<Vec<String>, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|error| unreadable(column, error))
    }
}

fn unreadable(column: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unreadable { column, source: Some(error.into()) }
}

/// A number of ours as a column holds it.
pub(crate) fn column(number: u64, what: &'static str) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Range { what })
}

/// A list of texts as JSON.
pub(crate) fn texts(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}
