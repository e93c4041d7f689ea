//! A record and the one way to write it.

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::keys::{SigningKey, VerifyingKey};

/// The longest name in a record, in characters; longer ones are cut and end in `…`.
const NAME: usize = 256;

/// The longest detail, likewise.
const DETAIL: usize = 4_096;

/// More than the longest line: every character of every field escaped in six bytes.
pub(crate) const LONGEST_LINE: usize = 128 * 1024;

/// SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What stands before the first record.
    pub const ZERO: Self = Self([0; 32]);

    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not allowed.
    Refused,
    /// It was tried and went wrong.
    Failed,
}

/// What is to be recorded. Texts that are too long are cut, and say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who did it: an account, an identity, an API key; nobody known, before they signed in.
    pub who: Option<String>,
    /// What, such as `participant.remove`.
    pub what: String,
    /// To whom or what.
    pub whom: Option<String>,
    /// In which room.
    pub room: Option<String>,
    /// From where: [`crate::AddressKey::hash`], never an address.
    pub from: Option<String>,
    /// What came of it.
    pub result: Outcome,
    /// Which request it was.
    pub request_id: Option<String>,
    /// More to say.
    pub detail: Option<String>,
}

/// What kind of record it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody did something.
    Entry,
    /// A process began to write here. `detail` is the key that verifies.
    Opened,
    /// A record that was cut short when the process before was killed has been taken off the end. `detail` says how
    /// much.
    Repaired,
    /// The system's clock showed an earlier time than the record before, by a second or more. `detail` says which; the records that follow
    /// keep the later one until the clock has caught up.
    ClockMovedBack,
}

/// A record as it stands in the file. The order of the fields is the order in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// From 1 on, without holes.
    pub number: u64,
    /// When, in milliseconds since 1970, UTC. Never before the record before.
    pub at_ms: i64,
    /// The hash of the record before, in hexadecimal; zeros for the first.
    pub previous: String,
    /// What kind it is.
    pub kind: Kind,
    /// Who.
    pub who: Option<String>,
    /// What.
    pub what: String,
    /// To whom or what.
    pub whom: Option<String>,
    /// In which room.
    pub room: Option<String>,
    /// From where, hashed.
    pub from: Option<String>,
    /// What came of it.
    pub result: Outcome,
    /// Which request.
    pub request_id: Option<String>,
    /// More to say.
    pub detail: Option<String>,
}

impl Record {
    /// An entry in its place.
    pub(crate) fn of(entry: &Entry, kind: Kind, number: u64, at_ms: i64, previous: &Digest) -> Self {
        let name = |text: &Option<String>| text.as_deref().map(|text| cut(text, NAME));
        Self {
            number,
            at_ms,
            previous: previous.to_string(),
            kind,
            who: name(&entry.who),
            what: cut(&entry.what, NAME),
            whom: name(&entry.whom),
            room: name(&entry.room),
            from: name(&entry.from),
            result: entry.result,
            request_id: name(&entry.request_id),
            detail: entry.detail.as_deref().map(|text| cut(text, DETAIL)),
        }
    }

    /// The one way to write it.
    pub(crate) fn canonical(&self) -> String {
        // Numbers, texts and words in a struct: none of it can fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

const BEFORE_RECORD: &str = "{\"record\":";
const BEFORE_HASH: &str = ",\"hash\":\"";
const BEFORE_SIGNATURE: &str = "\",\"signature\":\"";
const END: &str = "\"}";

/// A line of the file, taken apart. What follows the record has a fixed length, so it is found from the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) record: Record,
    pub(crate) canonical: String,
    pub(crate) hash: Digest,
    pub(crate) signature: [u8; 64],
}

impl Line {
    /// Chains and signs a record.
    pub(crate) fn seal(record: Record, previous: &Digest, key: &SigningKey) -> Self {
        let canonical = record.canonical();
        let hash = Digest::of(&[previous.as_bytes(), canonical.as_bytes()]);
        let signature = key.sign(record.number, &hash);
        Self { record, canonical, hash, signature }
    }

    /// With the end of the line.
    pub(crate) fn write(&self) -> String {
        let Self { canonical, hash, signature, .. } = self;
        let signature = to_hex(signature);
        format!("{BEFORE_RECORD}{canonical}{BEFORE_HASH}{hash}{BEFORE_SIGNATURE}{signature}{END}\n")
    }

    /// Without the end of the line. `None`: not what [`Line::write`] writes, byte for byte.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.strip_prefix(BEFORE_RECORD)?.strip_suffix(END)?;
        let (text, signature) = text.split_at_checked(text.len().checked_sub(128)?)?;
        let text = text.strip_suffix(BEFORE_SIGNATURE)?;
        let (text, hash) = text.split_at_checked(text.len().checked_sub(64)?)?;
        let canonical = text.strip_suffix(BEFORE_HASH)?;
        let record: Record = serde_json::from_str(canonical).ok()?;
        (record.canonical() == canonical).then_some(())?;
        Some(Self {
            record,
            canonical: canonical.to_owned(),
            hash: Digest::parse(hash)?,
            signature: from_hex(signature)?,
        })
    }

    /// Whether the hash is that of the record after `previous`.
    pub(crate) fn is_chained(&self, previous: &Digest) -> bool {
        self.record.previous == previous.to_string()
            && self.hash == Digest::of(&[previous.as_bytes(), self.canonical.as_bytes()])
    }

    pub(crate) fn is_signed(&self, key: &VerifyingKey) -> bool {
        key.verifies(self.record.number, &self.hash, &self.signature)
    }
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Lower case only: there is one way to write it.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != N * 2 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn entry(what: &str, detail: &str) -> Entry {
        Entry {
            who: Some("ann".to_owned()),
            what: what.to_owned(),
            whom: None,
            room: Some("lobby".to_owned()),
            from: None,
            result: Outcome::Done,
            request_id: None,
            detail: Some(detail.to_owned()),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_written_is_read(what in any::<String>(), detail in any::<String>(), number in any::<u64>(), at_ms in any::<i64>()) {
            let key = SigningKey::from_seed(&[3; 32]).unwrap();
            let record = Record::of(&entry(&what, &detail), Kind::Entry, number, at_ms, &Digest::ZERO);
            let line = Line::seal(record, &Digest::ZERO, &key);
            let text = line.write();
            prop_assert!(text.len() < LONGEST_LINE);
            prop_assert_eq!(text.matches('\n').count(), 1);
            let read = Line::read(text.trim_end_matches('\n').as_bytes()).unwrap();
            prop_assert!(read.is_chained(&Digest::ZERO) && read.is_signed(&key.verifying_key()));
            prop_assert_eq!(read, line);
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let _ = Line::read(&bytes);
            let wrapped = [BEFORE_RECORD.as_bytes(), &bytes, END.as_bytes()].concat();
            let _ = Line::read(&wrapped);
        }
    }

    #[test]
    fn the_longest_record_fits_a_line() {
        let longest = "\u{1}".repeat(10_000);
        let text = Some(longest.clone());
        let entry = Entry {
            who: text.clone(),
            what: longest,
            whom: text.clone(),
            room: text.clone(),
            from: text.clone(),
            result: Outcome::Refused,
            request_id: text.clone(),
            detail: text,
        };
        let record = Record::of(&entry, Kind::ClockMovedBack, u64::MAX, i64::MIN, &Digest::ZERO);
        let line = Line::seal(record, &Digest::ZERO, &SigningKey::from_seed(&[3; 32]).unwrap()).write();
        assert!(line.len() < LONGEST_LINE, "{}", line.len());
        assert!(line.contains('…'));
    }

    #[test]
    fn another_way_to_write_the_same_is_not_read() {
        let record = Record::of(&entry("x", "y"), Kind::Entry, 1, 2, &Digest::ZERO);
        let line = Line::seal(record, &Digest::ZERO, &SigningKey::from_seed(&[3; 32]).unwrap()).write();
        let line = line.trim_end();
        assert!(Line::read(line.as_bytes()).is_some());
        for (from, to) in [
            ("\"number\":1", "\"number\": 1"),
            ("\"number\":1,\"at_ms\":2", "\"at_ms\":2,\"number\":1"),
            ("\"whom\":null,", ""),
            ("\"number\":1", "\"number\":1,\"more\":1"),
            ("\"lobby\"", "\"\\u006cobby\""),
            ("\"hash\":\"", "\"hash\":\"A"),
        ] {
            assert!(line.contains(from));
            assert_eq!(Line::read(line.replacen(from, to, 1).as_bytes()), None, "{to}");
        }
    }
}
