//! Reading the trail from its beginning, and naming the first record that is not as it was written.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::head::Head;
use crate::keys::VerifyingKey;
use crate::record::{Digest, Kind, LONGEST_LINE, Line};

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The line is no record in canonical form.
    #[error("it is not a record as this program writes it")]
    Unreadable,
    /// Another record stands in its place.
    #[error("record {found} stands in its place: records were removed, added or moved")]
    Number {
        /// Its number.
        found: u64,
    },
    /// Its hash is not that of its content after the record before it.
    #[error("its hash does not follow from its content and the record before: one of the two was changed")]
    Chain,
    /// It was not signed with the key of the trail.
    #[error("its signature is not that of the trail's key: it was written by somebody else")]
    Signature,
    /// It is older than the record before.
    #[error("its time lies before that of the record before")]
    Time,
    /// The trail does not begin with a record that names its key.
    #[error("it is not the beginning of a trail")]
    Beginning,
    /// The trail names another key than the one given.
    #[error("the trail names another key than the one to verify with")]
    OtherKey,
    /// The head says that there were more.
    #[error("the head says that there were {head} records: the end was cut off")]
    CutOff {
        /// How many.
        head: u64,
    },
    /// The head says that another record stood here.
    #[error("the head says that another record stood here: the trail was replaced, or the head was changed")]
    Head,
    /// There is no head, though there was one as soon as there were records.
    #[error("the file of the head is missing: without it nobody knows whether records after this one were cut off")]
    HeadMissing,
}

/// The first record that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("record {number}: {flaw}")]
pub struct BadRecord {
    /// Its number, or that of the record that should stand there. It is also the number of the line.
    pub number: u64,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// Why a trail was not found good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It is not.
    #[error(transparent)]
    Bad(#[from] BadRecord),
    /// It, or its head, could not be read (or an export not written).
    #[error("cannot read the audit trail")]
    Io(#[from] io::Error),
}

/// A trail that was found good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many records there are.
    pub records: u64,
    /// The hash of the last one; compare it with one that was kept elsewhere.
    pub hash: Digest,
    /// The key that signed all of them.
    pub key: Option<VerifyingKey>,
    /// Bytes of a record at the end that was being written when the process was killed. It was never acknowledged, and
    /// is taken off when the trail is opened again.
    pub torn_bytes: u64,
}

/// Verifies the trail at `path` up to its head. `key`: the one that must have signed; without, the one that the trail
/// names itself, which only holds against those who cannot sign with another. `kept`: a head that was kept elsewhere,
/// which must be a part of the trail too.
///
/// # Errors
/// [`VerifyError::Bad`] names the first bad record.
pub fn verify(path: &Path, key: Option<&VerifyingKey>, kept: Option<&Head>) -> Result<Verified, VerifyError> {
    walk(path, key, kept, |_| Ok(()))
}

/// Verifies, and writes the records between two moments (milliseconds since 1970; the second not included) as JSON
/// lines, each with its hash.
///
/// # Errors
/// Like [`verify`]. What stands before the bad record has been written then.
pub fn export(
    path: &Path,
    key: Option<&VerifyingKey>,
    times: std::ops::Range<i64>,
    out: &mut impl Write,
) -> Result<Verified, VerifyError> {
    let verified = walk(path, key, None, |line| {
        if times.contains(&line.record.at_ms) {
            let record = line.canonical.strip_suffix('}').unwrap_or(&line.canonical);
            writeln!(out, "{record},\"hash\":\"{}\"}}", line.hash)?;
        }
        Ok(())
    });
    out.flush()?;
    verified
}

fn walk(
    path: &Path,
    key: Option<&VerifyingKey>,
    kept: Option<&Head>,
    mut each: impl FnMut(&Line) -> io::Result<()>,
) -> Result<Verified, VerifyError> {
    // Read first: a server that writes meanwhile is only ever ahead of it.
    let head = load_head(path, key)?;
    let mut walk = Walk::new(BufReader::new(File::open(path)?), key.copied(), true);
    while let Some(line) = walk.step()? {
        for head in head.iter().chain(kept) {
            if head.number == line.record.number && head.hash != line.hash {
                return Err(walk.bad(Flaw::Head).into());
            }
        }
        each(&line)?;
    }
    for head in head.iter().chain(kept) {
        walk.reaches(head)?;
    }
    if head.is_none() && walk.number > 1 {
        return Err(walk.bad(Flaw::HeadMissing).into());
    }
    Ok(Verified { records: walk.number, hash: walk.hash, key: walk.key, torn_bytes: walk.torn_bytes })
}

fn load_head(path: &Path, key: Option<&VerifyingKey>) -> Result<Option<Head>, VerifyError> {
    let head = Head::load(&head_path(path)).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => VerifyError::Bad(BadRecord { number: 1, flaw: Flaw::Head }),
        _ => error.into(),
    })?;
    match (head, key) {
        (Some(head), Some(key)) if !head.is_signed(key) => {
            Err(BadRecord { number: head.number, flaw: Flaw::OtherKey }.into())
        }
        _ => Ok(head),
    }
}

/// Where the head of the trail at `path` lies: beside it, with `.head` after its name.
#[must_use]
pub fn head_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".head");
    path.with_file_name(name)
}

/// Goes through a trail record by record.
pub(crate) struct Walk<R> {
    reader: R,
    signatures: bool,
    /// Of the last record that was good.
    pub(crate) number: u64,
    pub(crate) hash: Digest,
    pub(crate) at_ms: i64,
    /// The key given, or the one the trail names.
    pub(crate) key: Option<VerifyingKey>,
    /// Where the last good record ends.
    pub(crate) good_bytes: u64,
    /// What comes after it, where that is no whole line.
    pub(crate) torn_bytes: u64,
}

impl<R: BufRead> Walk<R> {
    /// Without `signatures` they are not looked at.
    pub(crate) fn new(reader: R, key: Option<VerifyingKey>, signatures: bool) -> Self {
        Self { reader, signatures, number: 0, hash: Digest::ZERO, at_ms: i64::MIN, key, good_bytes: 0, torn_bytes: 0 }
    }

    /// What would be bad is the record after the last good one.
    fn bad(&self, flaw: Flaw) -> BadRecord {
        let number = match flaw {
            Flaw::Head | Flaw::HeadMissing => self.number,
            _ => self.number.saturating_add(1),
        };
        BadRecord { number, flaw }
    }

    /// The next record, when it is good. `None` at the end.
    pub(crate) fn step(&mut self) -> Result<Option<Line>, VerifyError> {
        let mut bytes = Vec::new();
        let most = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
        let mut length = u64::try_from(self.reader.by_ref().take(most).read_until(b'\n', &mut bytes)?).unwrap_or(most);
        if bytes.pop_if(|last| *last == b'\n').is_none() {
            length = length.saturating_add(self.skip_rest()?);
            self.torn_bytes = length;
            return Ok(None);
        }
        let line = Line::read(&bytes).ok_or_else(|| self.bad(Flaw::Unreadable))?;
        self.check(&line)?;
        self.number = line.record.number;
        self.hash = line.hash;
        self.at_ms = line.record.at_ms;
        self.good_bytes = self.good_bytes.saturating_add(length);
        Ok(Some(line))
    }

    /// The length of what is left, which must not contain a whole line.
    fn skip_rest(&mut self) -> Result<u64, VerifyError> {
        let mut skipped = 0_u64;
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(skipped);
            }
            if buffer.contains(&b'\n') {
                return Err(self.bad(Flaw::Unreadable).into());
            }
            let length = buffer.len();
            self.reader.consume(length);
            skipped = skipped.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        }
    }

    fn check(&mut self, line: &Line) -> Result<(), BadRecord> {
        let record = &line.record;
        if record.number != self.number.saturating_add(1) {
            return Err(self.bad(Flaw::Number { found: record.number }));
        }
        if self.number == 0 {
            let named = record.detail.as_deref().and_then(|detail| VerifyingKey::parse(detail).ok());
            let (Kind::Opened, Some(named)) = (record.kind, named) else { return Err(self.bad(Flaw::Beginning)) };
            if *self.key.get_or_insert(named) != named {
                return Err(self.bad(Flaw::OtherKey));
            }
        }
        if !line.is_chained(&self.hash) {
            return Err(self.bad(Flaw::Chain));
        }
        if self.signatures && !self.key.is_some_and(|key| line.is_signed(&key)) {
            return Err(self.bad(Flaw::Signature));
        }
        if record.at_ms < self.at_ms {
            return Err(self.bad(Flaw::Time));
        }
        Ok(())
    }

    /// Whether the trail is as long as a head says.
    pub(crate) fn reaches(&self, head: &Head) -> Result<(), BadRecord> {
        if head.number > self.number { Err(self.bad(Flaw::CutOff { head: head.number })) } else { Ok(()) }
    }
}

/// The last bytes of a file, from an offset on: what was torn.
pub(crate) fn digest_of_rest(path: &Path, from: u64) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Digest::of(&[&bytes]))
}
