//! Rows as CSV (RFC 4180), for spreadsheets.
//!
//! Names and messages are anybody's words, and a spreadsheet takes one that begins like a formula for one. Such a text gets
//! an apostrophe in front, which spreadsheets take for "this is text".

use serde::Serialize;

/// What formulas begin with, and what spreadsheets skip before one.
const FORMULA: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n'];

/// A line for each row, before the first of a table one of column names. Rows are flat structures. Nothing, when there are none.
pub(super) fn piece<T: Serialize>(rows: &[T], is_first: bool) -> Result<Vec<u8>, TableError> {
    let mut builder = csv::WriterBuilder::new();
    let mut writer = builder.has_headers(is_first).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    let plain = writer.into_inner().map_err(|error| error.into_error())?;
    harmless(&plain)
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    #[error("a row is no flat structure: {0}")]
    Row(#[from] csv::Error),
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
}

fn harmless(plain: &[u8]) -> Result<Vec<u8>, TableError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(plain);
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for record in reader.records() {
        let record = record?;
        writer.write_record(record.iter().map(|field| match field.parse::<f64>() {
            // A number is one, below zero as well.
            Ok(_) => field.to_owned(),
            Err(_) if field.starts_with(FORMULA) => format!("'{field}"),
            Err(_) => field.to_owned(),
        }))?;
    }
    Ok(writer.into_inner().map_err(|error| error.into_error())?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[derive(Serialize)]
    struct Row {
        name: &'static str,
        at: Option<i64>,
    }

    #[test]
    fn what_people_wrote_stays_text_and_in_its_column() {
        let rows = [
            Row { name: "Ann, \"A\"", at: Some(1) },
            Row { name: "=HYPERLINK(\"http://x\")", at: None },
            Row { name: "two\nlines", at: Some(-5) },
            Row { name: "@SUM(1)", at: Some(0) },
        ];
        let table = String::from_utf8(piece(&rows, true).unwrap()).unwrap();
        assert_eq!(
            table,
            "name,at\r\n\"Ann, \"\"A\"\"\",1\r\n\"'=HYPERLINK(\"\"http://x\"\")\",\r\n\"two\nlines\",-5\r\n'@SUM(1),0\r\n"
        );
        assert_eq!(piece(&rows[3..], false).unwrap(), b"'@SUM(1),0\r\n");
        assert!(piece::<Row>(&[], true).unwrap().is_empty());
    }
}
