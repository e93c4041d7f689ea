//! Lists to take home whole. They are read in pages and sent as they are read, so that neither the length of a list nor how
//! slowly somebody takes it costs memory.
//!
//! What cannot be read before anything is sent is an answer like any other. After that the connection breaks off: what came is
//! visibly not the whole. Knows neither who may read what nor where rows come from.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{INTERNAL, table};
use crate::doors::error::ApiError;

/// Rows that are read at once: some hundred KiB.
pub(super) const PAGE: u32 = 1_000;

/// How an answer shall look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    #[default]
    Json,
    Csv,
}

/// How much of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// So many rows at most, and whether there are more.
    Rows(u32),
    /// `all`: to its end.
    All,
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "all" => Ok(Self::All),
            rows => rows.parse().map(Self::Rows).map_err(serde::de::Error::custom),
        }
    }
}

/// A piece of a list.
pub(super) struct Page<T, C> {
    pub(super) rows: Vec<T>,
    /// After what the next piece begins; `None` at the end.
    pub(super) next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// What was found when [`PAGE`] rows were asked for: fewer are the last.
    pub(super) fn of<F>(found: Vec<F>, cursor: impl FnOnce(&F) -> C, row: impl FnMut(F) -> T) -> Self {
        let is_full = u32::try_from(found.len()).is_ok_and(|rows| rows >= PAGE);
        let next = found.last().filter(|_| is_full).map(cursor);
        Self { rows: found.into_iter().map(row).collect(), next }
    }
}

/// What stands around the rows.
pub(super) enum Frame {
    /// A table, by its name.
    Csv(&'static str),
    /// JSON: the text before the first row, and that after the last one.
    Json(&'static str, String),
}

impl Frame {
    /// The same object as of a page that says there is no more.
    pub(super) fn new(format: Format, name: &'static str, head: &'static str) -> Self {
        match format {
            Format::Csv => Self::Csv(name),
            Format::Json => Self::Json(head, r#"],"more":false}"#.to_owned()),
        }
    }

    fn piece<T: Serialize>(&self, rows: &[T], place: Place) -> Result<Vec<u8>, ApiError> {
        let unwritable = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "cannot write a list");
            INTERNAL
        };
        match self {
            Self::Csv(_) => table::piece(rows, !place.follows_rows).map_err(|error| unwritable(&error)),
            Self::Json(head, tail) => {
                let mut piece = Vec::new();
                if place.is_first {
                    piece.extend_from_slice(head.as_bytes());
                }
                for (above, row) in rows.iter().enumerate() {
                    if above > 0 || place.follows_rows {
                        piece.push(b',');
                    }
                    serde_json::to_writer(&mut piece, row).map_err(|error| unwritable(&error))?;
                }
                if place.is_last {
                    piece.extend_from_slice(tail.as_bytes());
                }
                Ok(piece)
            }
        }
    }

    /// Says what it is; of a table also how a browser keeps it.
    fn mark(&self, answer: &mut Response) -> Result<(), ApiError> {
        let headers = answer.headers_mut();
        let kind = match self {
            Self::Csv(name) => {
                let file =
                    HeaderValue::try_from(format!("attachment; filename=\"{name}.csv\"")).map_err(|_| INTERNAL)?;
                headers.insert(header::CONTENT_DISPOSITION, file);
                "text/csv; charset=utf-8"
            }
            Self::Json(..) => "application/json",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        Ok(())
    }
}

/// Where a piece stands in the whole.
#[derive(Clone, Copy)]
struct Place {
    is_first: bool,
    is_last: bool,
    /// There are rows before it.
    follows_rows: bool,
}

/// What is still to be sent.
enum Rest<T, C> {
    Write(Page<T, C>),
    Read(C),
    Nothing,
}

/// A list from `first` on to its end.
pub(super) async fn whole<T, C, R, F>(frame: Frame, first: C, read: R) -> Result<Response, ApiError>
where
    T: Serialize + Send + Sync + 'static,
    C: Send + 'static,
    R: Fn(C) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Page<T, C>, ApiError>> + Send,
{
    let begun = Rest::Write(read(first).await?);
    let mut answer = Body::empty().into_response();
    frame.mark(&mut answer)?;
    let begin = (begun, Place { is_first: true, is_last: false, follows_rows: false }, frame, read);
    let pieces = stream::try_unfold(begin, async |(rest, place, frame, read)| {
        let page = match rest {
            Rest::Write(page) => page,
            Rest::Read(cursor) => read(cursor).await.map_err(|error| broken(&error))?,
            Rest::Nothing => return Ok::<_, io::Error>(None),
        };
        let piece = frame
            .piece(&page.rows, Place { is_last: page.next.is_none(), ..place })
            .map_err(|error| broken(&error))?;
        let place = Place { is_first: false, follows_rows: place.follows_rows || !page.rows.is_empty(), ..place };
        let rest = page.next.map_or(Rest::Nothing, Rest::Read);
        Ok(Some((Bytes::from(piece), (rest, place, frame, read))))
    });
    *answer.body_mut() = Body::from_stream(pieces);
    Ok(answer)
}

/// A table that is there already.
pub(super) fn table<T: Serialize>(name: &'static str, rows: &[T]) -> Result<Response, ApiError> {
    let frame = Frame::Csv(name);
    let place = Place { is_first: true, is_last: true, follows_rows: false };
    let mut answer = frame.piece(rows, place)?.into_response();
    frame.mark(&mut answer)?;
    Ok(answer)
}

/// Whoever reads sees the connection break off.
fn broken(error: &ApiError) -> io::Error {
    io::Error::other(error.code())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[derive(Serialize)]
    struct Row {
        number: u32,
    }

    /// A list of so many rows, of which none can be read after `breaks_at`.
    async fn read(format: Format, rows: u32, breaks_at: u32) -> Result<Result<String, axum::Error>, ApiError> {
        let frame = Frame::new(format, "rows", r#"{"rows":["#);
        let page = move |after: u32| async move {
            if after >= breaks_at {
                return Err(INTERNAL);
            }
            let found: Vec<u32> = (after + 1..=rows).take(usize::try_from(PAGE).unwrap()).collect();
            Ok(Page::of(found, |last| *last, |number| Row { number }))
        };
        let answer = whole(frame, 0, page).await?;
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
        Ok(body.map(|body| String::from_utf8(body.to_vec()).unwrap()))
    }

    #[tokio::test]
    async fn a_list_comes_whole_however_long_it_is() {
        for rows in [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE] {
            let json = read(Format::Json, rows, u32::MAX).await.unwrap().unwrap();
            let json: serde_json::Value = serde_json::from_str(&json).unwrap();
            let numbers: Vec<_> = json["rows"].as_array().unwrap().iter().map(|row| row["number"].as_u64()).collect();
            assert_eq!(numbers, (1..=u64::from(rows)).map(Some).collect::<Vec<_>>());
            assert_eq!(json["more"], false);
            let csv = read(Format::Csv, rows, u32::MAX).await.unwrap().unwrap();
            let mut lines = csv.lines();
            assert_eq!(lines.next(), (rows > 0).then_some("number"), "{rows}");
            assert_eq!(
                lines.map(str::to_owned).collect::<Vec<_>>(),
                (1..=rows).map(|n| n.to_string()).collect::<Vec<_>>()
            );
        }
    }

    #[tokio::test]
    async fn a_list_that_breaks_off_does_not_look_whole() {
        for format in [Format::Json, Format::Csv] {
            assert!(read(format, 3 * PAGE, 0).await.is_err(), "nothing was sent, so there is an answer");
            assert!(read(format, 3 * PAGE, 2 * PAGE).await.unwrap().is_err());
        }
    }
}
